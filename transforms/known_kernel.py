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
def firsts(order, group, groups):
    """The row of each group's first record, or the number of rows where it has none."""
    first = np.full(groups, len(order), np.int64)
    for row in range(len(order)):
        one = group[order[row]]
        if first[one] > row:
            first[one] = row
    return first


@njit(cache=True, nogil=True)
def of_cluster(order, group, cluster, first):
    """For each record in order the row of the first record of its cluster."""
    least = np.full(len(cluster), len(order), np.int64)
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
