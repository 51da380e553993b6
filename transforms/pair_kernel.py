"""Compiled passes over scored pairs: which are asked for, join groups or part them, and in what order they are."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from transforms.columns import whole
from transforms.lookup_kernel import NONE, Flags, Ints
from transforms.scored import DECISIONS, SCORE_STEPS

MATCH, REVIEW, SEPARATE = range(len(DECISIONS))
AT_ONCE = 1 << 18  # pairs that one call goes over
BUCKETS = 1 << 12  # by first record, to put pairs in order; one of them stays in the cache
FEW = 24  # so many are put in order by moving each to its place


class Ends(NamedTuple):
    """The groups of some pairs, each of which has its row in `Known.pair`."""

    row: Ints
    left: Ints
    right: Ints


class Edges(NamedTuple):
    """Pairs by which groups are joined, which name these by numbers of their own."""

    row: Ints
    left: Ints
    right: Ints
    steps: Ints  # how they follow: from 1 on the best ones first, and 0 for those that people drew


Piece = tuple[int, Ints, Ints]  # of `Known.pair`: the row at which it begins, left, right


def in_ranges(pool: Executor, rows: int, some: Callable[[int, int], Any]) -> list[Any]:
    """What a function tells of each range of rows, given where it begins and ends."""
    starts = range(0, rows, AT_ONCE)
    return list(pool.map(some, starts, (min(start + AT_ONCE, rows) for start in starts)))


def together(parts: Iterable[Ints]) -> Ints:
    """Numbers that `in_ranges` told."""
    return np.concatenate([np.zeros(0, np.int32), *parts])


def in_pieces(pool: Executor, pieces: Iterable[Piece], some: Callable[[int, Ints, Ints], Any]) -> list[Any]:
    """What a function tells of each range of pairs, given the row at which it begins, left and right."""
    parts = [
        (start + at, left[at : at + AT_ONCE], right[at : at + AT_ONCE])
        for start, left, right in pieces
        for at in range(0, len(left), AT_ONCE)
    ]
    return list(pool.map(lambda part: some(*part), parts))


def all_ends(parts: list[tuple[Ints, Ints, Ints]]) -> Ends:
    """`Ends` that `in_pieces` told; the list is emptied, so that only one column is there twice at a time."""
    columns = [list(column) for column in zip(*parts, strict=True)] or [[], [], []]
    parts.clear()
    return Ends(*(together(columns.pop(0)) for _ in range(3)))


def with_pieces(ends: Ends, pieces: Sequence[Piece]) -> Ends:
    """Some pairs and all of some pieces."""
    if len(pieces) == 1 and not len(ends.row):  # nothing is copied where it is all there is
        start, left, right = pieces[0]
        return Ends(np.arange(start, start + len(left), dtype=np.int32), left, right)
    rows = (np.arange(start, start + len(left), dtype=np.int32) for start, left, _ in pieces)
    return all_ends([ends, *((row, *piece[1:]) for row, piece in zip(rows, pieces, strict=True))])


@njit(cache=True, nogil=True)
def _take(kept, added, rows, out, begin, end):
    for at in range(begin, end):
        row = rows[at]
        out[at] = kept[row] if row < len(kept) else added[row - len(kept)]


def taken_in(pool: Executor, kept: NDArray, added: NDArray, rows: Ints) -> NDArray:
    """Some values of those that were kept and those that were added behind them, by several threads."""
    out = np.empty(len(rows), kept.dtype)
    in_ranges(pool, len(rows), lambda *part: _take(kept, added, rows, out, *part))
    return out


# --- which -------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _some(start, left, right, places):
    """`Ends` of some pairs of a range, which begins at a row."""
    return places + np.int32(start), left[places], right[places]


@njit(cache=True, nogil=True)
def _flagged(left, right, bits, both):
    """The places of pairs of which one group is flagged, or both are.

    Args:
        bits: `packed`.
    """
    out, count = np.empty(len(left), np.int32), np.uint64(0)
    for at in range(np.uint64(len(left))):
        one, other = np.uint32(left[at]), np.uint32(right[at])
        first = bits[one >> np.uint32(3)] >> (one & np.uint32(7))
        second = bits[other >> np.uint32(3)] >> (other & np.uint32(7))
        out[count] = at  # overwritten by the next one where it is not asked for; a branch would be guessed wrong
        count += np.uint64((first & second if both else first | second) & 1)
    return out[:count]


def packed(flags: Flags) -> NDArray[np.uint8]:
    """A bit for each flag.  What passes over all pairs ask for then stays in the cache of a processor."""
    return np.packbits(flags, bitorder="little")


@njit(cache=True, nogil=True)
def _of_groups(start, left, right, decision, bits):
    found, count = _flagged(left, right, bits, False), 0
    for at in found:
        found[count] = at
        count += decision[start + at] != NONE
    return _some(start, left, right, found[:count])


def of_groups(pool: Executor, pieces: Iterable[Piece], decision: Ints, flags: Flags) -> Ends:
    """The pairs that are there and have a group that is flagged."""
    given = decision, packed(flags)
    return all_ends(in_pieces(pool, pieces, lambda start, left, right: _of_groups(start, left, right, *given)))


@njit(cache=True, nogil=True)
def _turned(start, left, right, decision, gone, bits):
    found, count, left_out = _flagged(left, right, bits, False), 0, 0
    no_more = np.empty(len(found), np.int32)
    for at in found:
        if decision[start + at] != NONE:
            if gone[left[at]] or gone[right[at]]:
                no_more[left_out] = start + at
                left_out += 1
            else:
                found[count] = at
                count += 1
    return no_more[:left_out].copy(), _some(start, left, right, found[:count])


def turned(
    pool: Executor, pieces: Iterable[Piece], decision: Ints, gone: Flags, changed: Flags
) -> tuple[Ints, Ends]:
    """The pairs that are no more, of a group that is gone, and those that still are, of a group that changed."""
    given = decision, gone, packed(changed | gone)
    found = in_pieces(pool, pieces, lambda start, left, right: _turned(start, left, right, *given))
    return together(rows for rows, _ in found), all_ends([some for _, some in found])


@njit(cache=True, nogil=True)
def _standing(left, right, decision, moved, settled, begin, end):
    stays, come = np.empty(end - begin, np.int32), np.empty(end - begin, np.int32)
    staying = coming = 0
    for pair in range(begin, end):
        if decision[pair] == NONE:
            continue
        if pair < settled and not (moved[left[pair]] or moved[right[pair]]):
            stays[staying] = pair
            staying += 1
        else:
            come[coming] = pair
            coming += 1
    return stays[:staying].copy(), come[:coming].copy()


def standing(
    pool: Executor, left: Ints, right: Ints, decision: Ints, moved: Flags, settled: int
) -> tuple[Ints, Ints]:
    """The pairs that are there and stand in order, and those that have to be put in order among them.

    Args:
        moved: of each group, whether its place changed since the first `settled` pairs were put in order.
    """
    found = in_ranges(pool, len(left), lambda *rows: _standing(left, right, decision, moved, settled, *rows))
    return together(stays for stays, _ in found), together(come for _, come in found)


@njit(cache=True, nogil=True)
def flag(left, right, asked, flags):
    """Flag both groups of some pairs, where these are asked for."""
    for at in range(len(left)):
        if asked[at]:
            flags[left[at]] = flags[right[at]] = True


@njit(cache=True, nogil=True)
def flag_across(left, right, asked, label, flags):
    """Flag the labels of both groups of some pairs, where these are asked for and the labels differ."""
    for at in range(len(left)):
        if asked[at] and label[left[at]] != label[right[at]]:
            flags[label[left[at]]] = flags[label[right[at]]] = True


@njit(cache=True, nogil=True)
def _edges(start, left, right, score, bits, place, parting, refused, by_force, rule, decision):
    some = _flagged(left, right, bits, True)
    joining, apart = np.empty((4, len(some)), np.int32), np.empty((3, len(some)), np.int32)
    joined = parted = 0
    for at in some:
        pair = start + at
        if decision[pair] == NONE:
            continue
        joins = decision[pair] == MATCH or (rule[pair] == refused and decision[pair] == REVIEW)
        if joins:
            joining[0, joined], joining[1, joined], joining[2, joined] = pair, place[left[at]], place[right[at]]
            joining[3, joined] = 0 if rule[pair] == by_force else 1 + SCORE_STEPS - score[at]
            joined += 1
        elif parting[rule[pair]]:
            apart[0, parted], apart[1, parted], apart[2, parted] = pair, place[left[at]], place[right[at]]
            parted += 1
    return (
        (
            joining[0, :joined].copy(),
            joining[1, :joined].copy(),
            joining[2, :joined].copy(),
            joining[3, :joined].copy(),
        ),
        (apart[0, :parted].copy(), apart[1, :parted].copy(), apart[2, :parted].copy()),
    )


def edges(
    pool: Executor,
    pieces: Iterable[Piece],
    score: pa.ChunkedArray,
    place: Ints,
    parting: Flags,
    refused: int,
    by_force: int,
    rule: Ints,
    decision: Ints,
) -> tuple[list[Edges], Ends]:
    """The pairs by which groups are joined again, in pieces, and those that keep them apart; in ascending order.

    Args:
        score: of all pairs.
        place: of each group among those that are joined again, by which pairs name it from then on; or NONE.
        parting: of each rule, whether it keeps groups apart.
        refused: the rule of pairs that would have joined if nothing had stood against it.
        by_force: the rule of those that people drew.
        rule, decision: of each pair.
    """
    given = packed(place != NONE), place, parting, refused, by_force, rule, decision

    def some(start: int, left: Ints, right: Ints) -> tuple[Any, ...]:
        return _edges(start, left, right, whole(score.slice(start, len(left))), *given)

    found = in_pieces(pool, pieces, some)
    return [Edges(*joining) for joining, _ in found], all_ends([apart for _, apart in found])


# --- in order ----------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def put_in_order(keys, values):
    """Put keys in ascending order where they are, and the values beside them; equal ones in any order."""
    if len(keys) > FEW:
        order = np.argsort(keys)
        keys[:], values[:] = keys[order], values[order]
        return
    for at in range(1, len(keys)):
        key, value, place = keys[at], values[at], at
        while place > 0 and keys[place - 1] > key:
            keys[place], values[place] = keys[place - 1], values[place - 1]
            place -= 1
        keys[place], values[place] = key, value


@njit(cache=True, nogil=True)
def _key(left, right, pair, first):
    """By what pairs are put in order: the first records of their groups, the smaller one before."""
    a, b = np.int64(first[left[pair]]), np.int64(first[right[pair]])
    return min(a, b) << 32 | max(a, b)


@njit(cache=True, nogil=True)
def _counts(left, right, some, first, shift, begin, end):
    counts = np.zeros(BUCKETS, np.int64)
    for pair in some[begin:end]:
        counts[_key(left, right, pair, first) >> shift] += 1
    return counts


@njit(cache=True, nogil=True)
def _to_buckets(left, right, some, first, shift, begin, end, places, out):
    for pair in some[begin:end]:
        bucket = _key(left, right, pair, first) >> shift
        out[places[bucket]] = pair
        places[bucket] += 1


@njit(cache=True, nogil=True)
def _within_buckets(left, right, first, starts, begin, end, out):
    for bucket in range(begin, end):
        some = out[starts[bucket] : starts[bucket + 1]]
        keys = np.empty(len(some), np.int64)
        for at in range(len(some)):
            keys[at] = _key(left, right, some[at], first)
        put_in_order(keys, some)


def in_order(pool: Executor, left: Ints, right: Ints, some: Ints, first: Ints, rows: int) -> Ints:
    """Some pairs by the first records of their groups.

    Args:
        first: the row of each group's first record, below `rows`.
    """
    shift = 32 + max((rows - 1).bit_length() - BUCKETS.bit_length() + 1, 0)
    counts = in_ranges(pool, len(some), lambda *part: _counts(left, right, some, first, shift, *part))
    sizes = np.sum([np.zeros(BUCKETS, np.int64), *counts], axis=0)
    starts = np.append(0, np.cumsum(sizes))
    places = np.cumsum([starts[:-1], *counts], axis=0)
    out = np.empty(len(some), np.int32)

    def to_buckets(begin: int, end: int) -> None:
        _to_buckets(left, right, some, first, shift, begin, end, places[begin // AT_ONCE], out)

    def within_buckets(begin: int) -> None:
        _within_buckets(left, right, first, starts, begin, begin + step, out)

    in_ranges(pool, len(some), to_buckets)
    step = BUCKETS >> 5
    list(pool.map(within_buckets, range(0, BUCKETS, step)))
    return out


@njit(cache=True, nogil=True)
def merged(left, right, order, come, first):
    """Pairs in order and others in order, put in order together."""
    out = np.empty(len(order) + len(come), np.int32)
    begin = 0
    for nth in range(len(come)):
        wanted, step, end = _key(left, right, come[nth], first), 1, begin
        while end + step <= len(order) and _key(left, right, order[end + step - 1], first) < wanted:
            end += step
            step <<= 1
        while step:
            if end + step <= len(order) and _key(left, right, order[end + step - 1], first) < wanted:
                end += step
            step >>= 1
        out[begin + nth : end + nth] = order[begin:end]
        out[end + nth] = come[nth]
        begin = end
    out[begin + len(come) :] = order[begin:]
    return out


@njit(cache=True, nogil=True)
def _number(left, right, number, begin, end):
    for at in range(begin, end):
        one, other = number[left[at]], number[right[at]]
        left[at], right[at] = min(one, other), max(one, other)


def number_ends(pool: Executor, left: Ints, right: Ints, number: Ints) -> None:
    """Put the smaller number of the groups of each pair in place of the left one, the larger of the right one."""
    in_ranges(pool, len(left), lambda *rows: _number(left, right, number, *rows))
