"""Compiled passes over the columns of `transforms.known`: what is new, who meets, in what order pairs stand."""
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
def _order(a, a_start, a_end, b, b_start, b_end):
    """Below, at or above 0, as the one text's bytes stand before, at or behind the other's."""
    for k in range(min(a_end - a_start, b_end - b_start)):
        if a[a_start + k] != b[b_start + k]:
            return np.int64(a[a_start + k]) - np.int64(b[b_start + k])
    return (a_end - a_start) - (b_end - b_start)


class Records(NamedTuple):
    """Records in columns, for compiled functions."""

    source: NDArray[np.int32]  # ranks
    batch: NDArray[np.int32]  # numbers
    number: NDArray[np.int32]  # in the batch
    data: NDArray[np.uint8]  # the bytes of all identifiers
    at: NDArray[np.integer]  # where each begins


@njit(cache=True, nogil=True)
def _records_order(a, i, b, j):
    """Below, at or above 0, as record i of some stands before, at or behind record j of others."""
    if a.source[i] != b.source[j]:
        return np.int64(a.source[i]) - np.int64(b.source[j])
    return _order(
        a.data, np.int64(a.at[i]), np.int64(a.at[i + 1]), b.data, np.int64(b.at[j]), np.int64(b.at[j + 1])
    )


@njit(cache=True, nogil=True)
def straight(records):
    """Whether records are in order, each once."""
    row = 1
    while row < len(records.source) and _records_order(records, row - 1, records, row) < 0:
        row += 1
    return row >= len(records.source)


@njit(cache=True, nogil=True)
def places(order, known, present):
    """For each of some records the one among the known that is the same and stands at the same place, or -1.

    Args:
        order: the known records by source and identifier.
        known, present: `Records`.

    Returns:
        The rows of known records, and whether those present are in order: if not, the rows mean nothing.
    """
    out = np.full(len(present.source), NONE, np.int32)
    k = 0
    for row in range(len(out)):
        begin, compared = k, np.int64(1)
        while k < len(order) and compared != 0:
            one = order[k]
            compared = _records_order(known, one, present, row)
            if compared > 0:
                break
            k += 1
            if (
                compared == 0
                and known.batch[one] == present.batch[row]
                and known.number[one] == present.number[row]
            ):
                out[row] = one
        # one that is known next behind the one before stands behind that here, too
        straight = compared == 0 and k == begin + 1 and out[row - 1] != NONE
        if row > 0 and not straight and _records_order(present, row - 1, present, row) >= 0:
            return out, False
    return out, True


@njit(cache=True, nogil=True)
def _meet(starts, group, turned, out, fill):
    count = 0
    for block in range(len(starts) - 1):
        for i in range(starts[block], starts[block + 1]):
            one = group[i]
            if not turned[one]:
                continue
            for j in range(starts[block], starts[block + 1]):
                other = group[j]
                if other == one or (turned[other] and other < one):
                    continue
                if fill:
                    out[count] = min(one, other) << 32 | max(one, other)
                count += 1
    return count


def meet(starts: Ints, group: Ints, turned: Flags) -> Ints:
    """Pairs of groups of a block of which one is turned, as left << 32 | right; more than once if they meet so.

    Args:
        starts, group: block b has the groups `group[starts[b]:starts[b + 1]]`.
        turned: of each group.
    """
    out = np.empty(_meet(starts, group, turned, np.zeros(0, np.int64), False), np.int64)
    _meet(starts, group, turned, out, True)
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
def firsts(order, group, groups):
    """The row of each group's first record, or the number of rows where it has none; and how many it has."""
    first, count = np.full(groups, len(order), np.int32), np.zeros(groups, np.int32)
    for row in range(len(order)):
        one = group[order[row]]
        if count[one] == 0:
            first[one] = row
        count[one] += 1
    return first, count


@njit(cache=True, nogil=True)
def sources_of(order, group, begins, asked, count):
    """The sources of groups that are asked for, each once and in ascending order.

    Args:
        order: the records, in order of their sources.
        begins: where each source begins in `order`, and where the last one ends.
        asked: of each group.
        count: how many records each group has.

    Returns:
        Where the sources of each group begin, where they end, and the sources of all.
    """
    starts, room = np.empty(len(asked), np.int32), 0
    for one in range(len(asked)):
        starts[one] = room
        room += count[one] if asked[one] else 0
    out, ends = np.zeros(room, np.int32), starts.copy()  # where a source has several records there is room left
    for source in range(len(begins) - 1):
        for row in range(begins[source], begins[source + 1]):
            one = group[order[row]]
            if asked[one] and (ends[one] == starts[one] or out[ends[one] - 1] != source):
                out[ends[one]] = source
                ends[one] += 1
    return starts, ends, out


@njit(cache=True, nogil=True)
def of_groups(left, right, there, flags):
    """The pairs that are there and have a group that is flagged."""
    out = np.empty(len(left), np.int32)
    count = 0
    for pair in range(len(left)):
        if there[pair] != NONE and (flags[left[pair]] or flags[right[pair]]):
            out[count] = pair
            count += 1
    return out[:count].copy()


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


@njit(cache=True, nogil=True)
def still_there(group, asked):
    """Which of the groups that are asked for have a record."""
    found = np.zeros(len(asked), np.bool_)
    for record in range(len(group)):
        if group[record] >= 0 and asked[group[record]]:
            found[group[record]] = True
    return found
