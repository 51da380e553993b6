"""Compiled passes over the columns of `transforms.known`: who meets, and what is told of groups and records."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

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
