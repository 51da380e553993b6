"""Compiled passes over the columns of `transforms.known`: what is new, who meets, in what order pairs stand."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from harvesters.byte_kernel import prefetch
from transforms import lookup_kernel
from transforms.lookup_kernel import NONE, Flags, Ints

AT_ONCE = 1 << 17  # blocks that a thread puts in order at once
AHEAD = 16  # of the blocks of groups: so many are brought near before they are looked at
FAR = 10_000  # known records among which one that is present is looked for


@njit(cache=True, nogil=True)
def _order(a, a_start, a_end, b, b_start, b_end):
    """Below, at or above 0, as the one text's bytes stand before, at or behind the other's."""
    for k in range(min(a_end - a_start, b_end - b_start)):
        if a[a_start + k] != b[b_start + k]:
            return np.int64(a[a_start + k]) - np.int64(b[b_start + k])
    return (a_end - a_start) - (b_end - b_start)


@njit(cache=True, nogil=True)
def straight(source, data, at):
    """Whether records are in order, each once.

    Args:
        source: of each record, a rank.
        data, at: the bytes of all identifiers, and where each begins and the last one ends.
    """
    for row in range(1, len(source)):
        if source[row] < source[row - 1]:
            return False
        if source[row] == source[row - 1]:
            ends = np.int64(at[row - 1]), np.int64(at[row]), np.int64(at[row + 1])
            if _order(data, ends[0], ends[1], data, ends[1], ends[2]) >= 0:
                return False
    return True


class Index(NamedTuple):
    """Where records stand, in columns, for compiled functions: two that stand at one place are the same."""

    source: Ints  # codes
    batch: Ints  # codes
    number: Ints  # in the batch


@njit(cache=True, nogil=True)
def _changes(order, known, present, ranks, codes, k, out, came, went, n_came):
    """`changes` of some present records, behind those of which `n_came` came, from the k-th in order on.

    Args:
        out: their order; came, went: with room.

    Returns:
        How many of `order` were passed, of `came` and of `went` are told.
    """
    source, batch, number = known
    source_now, batch_now, number_now = present  # looked into once, since a named tuple is slow in a loop
    rank, rank_now = ranks
    began, n_went = n_came, 0
    at = 0
    while at < len(out):
        gone = 0  # so many went before the present one; or that one came
        if k < len(order):
            place, wanted = rank_now[source_now[at]], codes[batch_now[at]]
            row = order[k]
            if number[row] == number_now[at] and batch[row] == wanted and rank[source[row]] == place:
                out[at] = row
                k, at = k + 1, at + 1
                continue
            if rank[source[row]] < place:
                gone = 1
            elif wanted != NONE:
                end = k + 1
                while end < min(len(order), k + FAR) and rank[source[order[end]]] == place and gone == 0:
                    if number[order[end]] == number_now[at] and batch[order[end]] == wanted:
                        gone = end - k
                    end += 1
        if gone == 0:
            out[at], came[n_came - began] = len(number) + n_came, at
            at, n_came = at + 1, n_came + 1
        went[n_went : n_went + gone] = order[k : k + gone]
        k, n_went = k + gone, n_went + gone
    return k, n_came - began, n_went


def changes(
    order: Ints, known: Index, present: Sequence[Index], ranks: tuple[Ints, Ints], codes: Ints
) -> tuple[Ints, Ints, Ints]:
    """Which records came and which went, between two indexes that are in order.

    A record before which more than `FAR` of its source went counts as both, which is more work but no other
    result.

    Args:
        order: the rows of `known` that are, in order.
        known, present: the latter in order, and in pieces.
        ranks: of the sources, by their codes in each.
        codes: of batches in `known`, by their codes in `present`; -1 where none is known.

    Returns:
        The rows of `present` that came, those of `known` that went, and the order of those that are, where those
        that came are numbered from `len(known)`.
    """
    out = np.empty(sum(len(part.number) for part in present), np.int32)
    some, gone = np.empty_like(out), np.empty(len(order), np.int32)  # of which little is used
    came, went = [some[:0]], [gone[:0]]
    k = at = n_came = 0
    for part in present:
        end = at + len(part.number)
        k, fresh, n_went = _changes(order, known, part, ranks, codes, k, out[at:end], some, gone, n_came)
        came.append(some[:fresh] + np.int32(at))
        went.append(gone[:n_went].copy())
        at, n_came = end, n_came + fresh
    return np.concatenate(came), np.concatenate([*went, order[k:]]), out


@njit(cache=True, nogil=True)
def _meet(block, one, starts, ends, group, turned, alive, out, fill):
    count = 0
    for at in range(len(one)):
        for place in range(starts[block[at]], ends[block[at]]):
            other = np.int64(group[place])
            if not alive[other] or other == one[at] or (turned[other] and other < one[at]):
                continue
            if fill:
                out[count] = min(one[at], other) << 32 | max(one[at], other)
            count += 1
    return count


def meet(block: Ints, one: Ints, starts: Ints, ends: Ints, group: Ints, turned: Flags, alive: Flags) -> Ints:
    """Pairs of turned groups and others of their blocks, as left << 32 | right; more than once if they meet so.

    Args:
        block, one: the turned groups, and where they are; several times if they are in several blocks.
        starts, ends: block b has the groups `group[starts[b]:ends[b]]`.
        turned, alive: of each group.
    """
    given = block, one.astype(np.int64), starts, ends, group, turned, alive
    out = np.empty(_meet(*given, np.zeros(0, np.int64), False), np.int64)
    _meet(*given, out, True)
    return out


@njit(cache=True, nogil=True)
def runs(block):
    """Where the blocks of two or more begin and end, in places of groups in order of their blocks."""
    starts, ends = np.empty(len(block) >> 1, np.int64), np.empty(len(block) >> 1, np.int64)
    count = start = 0
    for at in range(1, len(block) + 1):
        if at == len(block) or block[at] != block[start]:
            if at - start > 1:
                starts[count], ends[count] = start, at
                count += 1
            start = at
    return starts[:count].copy(), ends[:count].copy()


class Meeting(NamedTuple):
    """Groups in the blocks where they meet, for compiled functions."""

    group: NDArray[np.int32]  # block by block, in ascending order within each
    stand: Ints  # group by group: where it stands in `group` << 32 | where its block ends there
    first: Ints  # of each group, in `stand`


@njit(cache=True, nogil=True)
def _in_blocks(group, starts, ends, count, ordered, stand):
    """`group` and `stand` of some blocks, the latter block by block, from `count` on."""
    for block in range(len(starts)):
        begin, end = count, count + ends[block] - starts[block]
        for at in range(starts[block], ends[block]):
            place = count  # most are in order already
            while place > begin and ordered[place - 1] > group[at]:
                ordered[place] = ordered[place - 1]
                place -= 1
            ordered[place] = group[at]
            stand[count] = count << 32 | end
            count += 1


@njit(cache=True, nogil=True)
def _firsts(ordered, groups):
    first = np.zeros(groups + 1, np.int64)
    for one in ordered:
        first[one + 1] += 1
    return np.cumsum(first)


def meeting(group: Ints, starts: Ints, ends: Ints, groups: int, threads: int) -> Meeting:
    """`Meeting` of blocks that `runs` told."""
    begins = np.append(0, np.cumsum(ends - starts))
    ordered, stand = np.empty(begins[-1], np.int32), np.empty(begins[-1], np.int64)

    def some(begin: int) -> None:
        part = slice(begin, begin + AT_ONCE)
        _in_blocks(group, starts[part], ends[part], begins[begin], ordered, stand)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, range(0, len(starts), AT_ONCE)))
    by_group, stand = lookup_kernel.by_key(ordered.copy(), stand, threads)
    return Meeting(ordered, stand, _firsts(by_group, groups))


@njit(cache=True, nogil=True)
def pairs(met, begin, end):
    """left and right of the pairs of groups that meet, left < right and from begin to end; in order, each once."""
    most = np.int64(0)
    for k in range(met.first[begin], met.first[end]):
        most += (met.stand[k] & 0xFFFFFFFF) - (met.stand[k] >> 32) - 1
    left, right = np.empty(most, np.int32), np.empty(most, np.int32)
    count = 0
    for one in range(begin, end):
        start = count
        for k in range(met.first[one], met.first[one + 1]):
            if k + AHEAD < len(met.stand):
                prefetch(met.group, met.stand[k + AHEAD] >> 32)
            # groups of a block are in order, and few: they are put among those that were met before
            place = start
            for at in range((met.stand[k] >> 32) + 1, met.stand[k] & 0xFFFFFFFF):
                other = met.group[at]
                while place < count and right[place] < other:
                    place += 1
                if other != one and (place == count or right[place] != other):
                    for behind in range(count, place, -1):
                        right[behind] = right[behind - 1]
                    right[place] = other
                    count += 1
        left[start:count] = one
    return left[:count].copy(), right[:count].copy()


@njit(cache=True, nogil=True)
def with_more(left, right, more):
    """Pairs in order, and more of them in order, given as left << 32 | right; each once."""
    both_left, both_right = np.empty(len(left) + len(more), np.int32), np.empty(len(left) + len(more), np.int32)
    count = pair = 0
    for key in more:
        while pair < len(left) and (np.int64(left[pair]) << 32 | right[pair]) < key:
            both_left[count], both_right[count] = left[pair], right[pair]
            count, pair = count + 1, pair + 1
        if pair == len(left) or (np.int64(left[pair]) << 32 | right[pair]) != key:
            both_left[count], both_right[count] = key >> 32, key & 0xFFFFFFFF
            count += 1
    end = count + len(left) - pair
    both_left[count:end], both_right[count:end] = left[pair:], right[pair:]
    return both_left[:end], both_right[:end]


@njit(cache=True, nogil=True)
def ranks(order, group, first, place):
    """The place in order of the first record of each of some groups; 0 of one that has none.

    Args:
        order: the records that are.
        group: of each record.
        first: of each of these groups, or NONE.
        place: of each group among these, in any way where it is none of them.
    """
    leads, out = np.zeros(len(group), np.bool_), np.zeros(len(first), np.int32)
    for row in first:
        if row != NONE:
            leads[row] = True
    for nth in range(len(order)):
        if leads[order[nth]]:
            out[place[group[order[nth]]]] = nth
    return out


@njit(cache=True, nogil=True)
def numbers(order, group, asked):
    """Of each group its number, where those that are asked for are numbered by their first records, else NONE.

    And of each record in order the number of its group, and the groups by number.
    """
    number, of_record = np.full(len(asked), NONE, np.int32), np.full(len(order), NONE, np.int32)
    groups = np.empty(len(asked), np.int64)
    count = 0
    for row in range(len(order)):
        one = group[order[row]]
        if asked[one]:
            if number[one] == NONE:
                number[one] = count
                groups[count] = one
                count += 1
            of_record[row] = number[one]
    return number, of_record, groups[:count].copy()


@njit(cache=True, nogil=True)
def repeated(source, content, count, asked):
    """Which of the records that are asked for say the same as another of these of their source.

    Args:
        source: of each record, in order.
        content: of each record, below `count`.
    """
    found, first = np.zeros(len(source), np.bool_), np.full(count, NONE, np.int32)
    for row in range(len(source)):
        if asked[row]:
            one = first[content[row]]
            if one == NONE or source[one] != source[row]:
                first[content[row]] = row
            else:
                found[one] = found[row] = True
    return found


@njit(cache=True, nogil=True)
def of_cluster(order, group, cluster, first):
    """For each record in order the row of the first record of its cluster."""
    least = np.full(len(cluster), len(order), np.int32)
    for one in range(len(cluster)):
        if cluster[one] >= 0 and first[one] < least[cluster[one]]:
            least[cluster[one]] = first[one]
    row_of = np.empty(len(cluster), np.int32)
    for one in range(len(cluster)):
        row_of[one] = least[cluster[one]] if cluster[one] >= 0 else NONE
    out = np.empty(len(order), np.int32)
    for row in range(len(order)):
        out[row] = row_of[group[order[row]]]
    return out
