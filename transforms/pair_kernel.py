"""Compiled passes over scored pairs: which are asked for, join groups or part them, and in what order they are."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.lookup_kernel import NONE, Flags, Ints
from transforms.scored import DECISIONS

MATCH, REVIEW, SEPARATE = range(len(DECISIONS))
AT_ONCE = 1 << 20  # pairs that one call goes over
BUCKETS = 1 << 12  # by first record, to put pairs in order; one of them stays in the cache
GONE = 2  # beside 1: of a group that changed
FEW = 24  # so many are put in order by moving each to its place


def in_ranges(pool: Executor, rows: int, some: Callable[[int, int], Any]) -> list[Any]:
    """What a function tells of each range of rows, given where it begins and ends."""
    starts = range(0, rows, AT_ONCE)
    return list(pool.map(some, starts, (min(start + AT_ONCE, rows) for start in starts)))


def together(parts: Iterable[Ints]) -> Ints:
    """Numbers that `in_ranges` told."""
    return np.concatenate([np.zeros(0, np.int32), *parts])


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
def _of_groups(left, right, decision, flags, begin, end):
    out, count = np.empty(end - begin, np.int32), 0
    for pair in range(begin, end):
        if decision[pair] != NONE and (flags[left[pair]] or flags[right[pair]]):
            out[count] = pair
            count += 1
    return out[:count].copy()


def of_groups(pool: Executor, left: Ints, right: Ints, decision: Ints, flags: Flags) -> Ints:
    """The pairs that are there and have a group that is flagged."""
    return together(in_ranges(pool, len(left), lambda *rows: _of_groups(left, right, decision, flags, *rows)))


@njit(cache=True, nogil=True)
def _turn(left, right, decision, state, begin, end):
    out, count = np.empty(end - begin, np.int32), 0
    for pair in range(begin, end):
        of_both = state[left[pair]] | state[right[pair]]
        if of_both == 0 or decision[pair] == NONE:
            continue
        if of_both & GONE:
            decision[pair] = NONE
        else:
            out[count] = pair
            count += 1
    return out[:count].copy()


def turn(pool: Executor, left: Ints, right: Ints, decision: Ints, gone: Flags, changed: Flags) -> Ints:
    """Mark pairs that are no more, of a group that is gone; returns those that are, of a group that changed."""
    state = np.where(gone, GONE, changed).astype(np.int8)  # one look for both
    return together(in_ranges(pool, len(left), lambda *rows: _turn(left, right, decision, state, *rows)))


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
def flag(left, right, some, asked, flags):
    """Flag both groups of some pairs, where these are asked for."""
    for at in range(len(some)):
        if asked[at]:
            flags[left[some[at]]] = flags[right[some[at]]] = True


@njit(cache=True, nogil=True)
def _edges(left, right, again, parting, refused, rule, decision, begin, end):
    joining, apart = np.empty(end - begin, np.int32), np.empty(end - begin, np.int32)
    joined = parted = 0
    for pair in range(begin, end):
        if decision[pair] == NONE or not (again[left[pair]] and again[right[pair]]):
            continue
        if decision[pair] == MATCH or (rule[pair] == refused and decision[pair] == REVIEW):
            joining[joined] = pair
            joined += 1
        elif parting[rule[pair]]:
            apart[parted] = pair
            parted += 1
    return joining[:joined].copy(), apart[:parted].copy()


def edges(
    pool: Executor, left: Ints, right: Ints, again: Flags, parting: Flags, refused: int, rule: Ints, decision: Ints
) -> tuple[Ints, Ints]:
    """The pairs by which groups are joined again, and those that keep them apart, both in ascending order.

    Args:
        again: of each group.
        parting: of each rule, whether it keeps groups apart.
        refused: the rule of pairs that would have joined if nothing had stood against it.
        rule, decision: of each pair.
    """
    given = left, right, again, parting, refused, rule, decision
    found = in_ranges(pool, len(left), lambda *rows: _edges(*given, *rows))
    return together(joining for joining, _ in found), together(apart for _, apart in found)


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
