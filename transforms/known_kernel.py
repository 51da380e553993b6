"""Compiled passes over the columns of `transforms.known`: what is new, who meets, where a value is."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Flags = NDArray[np.bool_]
NONE = -1


@njit(cache=True, nogil=True)
def marks(wanted):
    """A bit for the lower digits of each value; most of those that are not wanted are told by theirs."""
    size = 1 << 12
    while size < 16 * len(wanted) and size < 1 << 27:
        size <<= 1
    bits = np.zeros(size, np.bool_)
    for value in wanted:
        bits[value & (size - 1)] = True
    return bits


@njit(cache=True, nogil=True)
def _place(value, slots, seen):
    """The slot of a value, or the empty one where it would be."""
    mask = len(slots) - 1
    slot = value & mask
    while slots[slot] != NONE and seen[slots[slot]] != value:
        slot = slot + 1 & mask
    return slot


@njit(cache=True, nogil=True)
def more_room(seen, count, slots):
    """Longer arrays for `number`."""
    seen = np.append(seen[:count], np.empty(slots >> 1, np.int64))
    longer = np.full(slots, NONE, np.int32)
    for nth in range(count):
        longer[_place(seen[nth], longer, seen)] = nth
    return seen, longer


@njit(cache=True, nogil=True)
def number(values, slots, seen, count):
    """The number of each value, by where it first came, and where those came that had not come before.

    Args:
        values: digests.
        slots, seen: as `more_room` made them; the values seen before are the first `count` of `seen`.
    """
    out, fresh = np.empty(len(values), np.int32), np.empty(len(values), np.int64)
    before = count
    for at in range(len(values)):
        slot = _place(values[at], slots, seen)
        if slots[slot] == NONE:
            slots[slot] = count
            seen[count] = values[at]
            fresh[count - before] = at
            count += 1
        out[at] = slots[slot]
    return out, fresh[: count - before].copy()


@njit(cache=True, nogil=True)
def find(values, wanted, bits):
    """Where values are among the wanted ones, which are sorted and have `marks`; in ascending order."""
    out = np.empty(len(values) if len(wanted) else 0, np.int64)
    count = 0
    for at in range(len(out)):
        if bits[values[at] & (len(bits) - 1)]:
            place = np.searchsorted(wanted, values[at])
            if place < len(wanted) and wanted[place] == values[at]:
                out[count] = at
                count += 1
    return out[:count].copy()


@njit(cache=True, nogil=True)
def find_sorted(values, wanted):
    """Where values are among the wanted ones, both sorted; in ascending order."""
    out = np.empty(1024, np.int64)
    count = at = 0
    for one in wanted:
        step = 1
        while at + step < len(values) and values[at + step] < one:
            at += step
            step <<= 1
        at += np.searchsorted(values[at : at + step + 1], one)
        while at < len(values) and values[at] == one:
            if count == len(out):
                out = np.append(out, np.empty_like(out))
            out[count] = at
            count += 1
            at += 1
    return out[:count].copy()


BUCKET_BITS, DIGIT = 12, 11


@njit(cache=True, nogil=True)
def _by_digit(keys, values, begin, end, shift, counts, other_keys, other_values):
    """Rows from begin to end put in order of the digit at `shift` into other arrays, at the same places."""
    counts[:] = 0
    mask = len(counts) - 1
    for at in range(begin, end):
        counts[keys[at] >> shift & mask] += 1
    place = begin
    for digit in range(len(counts)):
        counts[digit], place = place, place + counts[digit]
    for at in range(begin, end):
        digit = keys[at] >> shift & mask
        other_keys[counts[digit]], other_values[counts[digit]] = keys[at], values[at]
        counts[digit] += 1


@njit(cache=True, nogil=True)
def _by_key(keys, values):
    highest = np.int64(0)
    for key in keys:
        highest |= key
    bits = 0
    while highest >> bits:
        bits += 1
    shift = max(bits - BUCKET_BITS, 0)
    out_keys, out_values = np.empty_like(keys), np.empty_like(values)
    ends = np.zeros(1 << BUCKET_BITS, np.int64)
    _by_digit(keys, values, 0, len(keys), shift, ends, out_keys, out_values)
    begin, counts = 0, np.zeros(1 << DIGIT, np.int64)
    low, high = max(shift - 2 * DIGIT, 0), max(shift - DIGIT, 0)
    for end in ends:
        # within a part that stays in the cache: by two more digits, and what these leave, which is little
        _by_digit(out_keys, out_values, begin, end, low, counts, keys, values)
        _by_digit(keys, values, begin, end, high, counts, out_keys, out_values)
        for at in range(begin + 1, end):
            key, value, place = out_keys[at], out_values[at], at
            while place > begin and out_keys[place - 1] > key:
                out_keys[place], out_values[place] = out_keys[place - 1], out_values[place - 1]
                place -= 1
            out_keys[place], out_values[place] = key, value
        begin = end
    return out_keys, out_values


def by_key(keys: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Keys from 0 in ascending order, and the values that stand beside them; what is given is overwritten."""
    ordered: tuple[Ints, Ints] = _by_key(keys, values)
    return ordered


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
    """Groups in the blocks where they meet, and blocks by group, for compiled functions."""

    group: NDArray[np.int32]  # in order of blocks
    starts: Ints  # of each block, in `group`
    ends: Ints
    block: NDArray[np.int32]  # in order of groups
    first: Ints  # of each group, in `block`


@njit(cache=True, nogil=True)
def meeting(group, starts, ends, groups):
    """`Meeting` of blocks that `runs` told."""
    first = np.zeros(groups + 1, np.int64)
    for block in range(len(starts)):
        for at in range(starts[block], ends[block]):
            first[group[at] + 1] += 1
    first = np.cumsum(first)
    blocks, fill = np.empty(first[-1], np.int32), first[:-1].copy()
    for block in range(len(starts)):
        for at in range(starts[block], ends[block]):
            blocks[fill[group[at]]] = block
            fill[group[at]] += 1
    return Meeting(group, starts, ends, blocks, first)


@njit(cache=True, nogil=True)
def pairs(met, begin, end):
    """left and right of the pairs of groups that meet, left < right and from begin to end; in order."""
    most = 0
    for k in range(met.first[begin], met.first[end]):
        most += met.ends[met.block[k]] - met.starts[met.block[k]] - 1
    left, right = np.empty(most, np.int32), np.empty(most, np.int32)
    seen = np.full(len(met.first) - 1 - begin, NONE, np.int32)
    count = 0
    for one in range(begin, end):
        start = count
        for k in range(met.first[one], met.first[one + 1]):
            for at in range(met.starts[met.block[k]], met.ends[met.block[k]]):
                other = met.group[at]
                if other > one and seen[other - begin] != one:
                    seen[other - begin] = one
                    right[count] = other
                    count += 1
        left[start:count] = one
        right[start:count].sort()
    return left[:count].copy(), right[:count].copy()


@njit(cache=True, nogil=True)
def firsts(order, group, groups):
    """The row of each group's first record, or the number of rows where it has none."""
    first = np.full(groups, len(order), np.int32)
    for row in range(len(order)):
        one = group[order[row]]
        if first[one] > row:
            first[one] = row
    return first


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
def _key(one, other, first):
    a, b = np.int64(first[one]), np.int64(first[other])
    return min(a, b) << 32 | max(a, b)


@njit(cache=True, nogil=True)
def _keys(left, right, pairs, first):
    keys = np.empty(len(pairs), np.int64)
    for at in range(len(pairs)):
        keys[at] = _key(left[pairs[at]], right[pairs[at]], first)
    return keys


@njit(cache=True, nogil=True)
def _merged(order, left, right, there, changed, first, come, keys):
    out = np.empty(len(order) + len(come), np.int32)
    count = nth = 0
    for pair in order:
        one, other = left[pair], right[pair]
        if there[pair] == NONE or changed[one] or changed[other]:
            continue
        if nth < len(come):
            key = _key(one, other, first)
            while nth < len(come) and keys[nth] < key:
                out[count] = come[nth]
                nth, count = nth + 1, count + 1
        out[count] = pair
        count += 1
    out[count : count + len(come) - nth] = come[nth:]
    return out[: count + len(come) - nth].copy()


def merged(order: Ints, left: Ints, right: Ints, there: Ints, changed: Flags, first: Ints, come: Ints) -> Ints:
    """Pairs that are there, by the first records of their groups.

    Args:
        order: those that were, in this order; those of groups that changed are left out.
        left, right, there: of all pairs.
        changed: of each group.
        first: `firsts`.
        come: all pairs that are of groups that changed.
    """
    keys, come = by_key(_keys(left, right, come, first), come.copy())
    out: Ints = _merged(order, left, right, there, changed, first, come, keys)
    return out


@njit(cache=True, nogil=True)
def joined_again(order, left, right, again, changed):
    """Of pairs in order those between groups that are joined again, and those of groups that changed."""
    out = np.empty(len(order), np.int32)
    count = 0
    for pair in order:
        one, other = left[pair], right[pair]
        if (again[one] and again[other]) or changed[one] or changed[other]:
            out[count] = pair
            count += 1
    return out[:count].copy()


@njit(cache=True, nogil=True)
def ends(left, right, pairs, number):
    """The smaller and the larger number of the groups of some pairs."""
    low, high = np.empty(len(pairs), np.int64), np.empty(len(pairs), np.int64)
    for at in range(len(pairs)):
        one, other = number[left[pairs[at]]], number[right[pairs[at]]]
        low[at], high[at] = min(one, other), max(one, other)
    return low, high


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
def of_cluster(order, group, cluster, first):
    """For each record in order the row of the first record of its cluster."""
    least = np.full(len(cluster), len(order), np.int32)
    for one in range(len(cluster)):
        if cluster[one] >= 0 and first[one] < least[cluster[one]]:
            least[cluster[one]] = first[one]
    out = np.empty(len(order), np.int64)
    for row in range(len(order)):
        out[row] = least[cluster[group[order[row]]]]
    return out


@njit(cache=True, nogil=True)
def still_there(group, asked):
    """Which of the groups that are asked for have a record."""
    found = np.zeros(len(asked), np.bool_)
    for record in range(len(group)):
        if group[record] >= 0 and asked[group[record]]:
            found[group[record]] = True
    return found
