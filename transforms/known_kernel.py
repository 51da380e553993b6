"""Compiled passes over the columns of `transforms.known`: what is new, who meets, where a value is."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
NONE = -1


@njit(cache=True, nogil=True)
def _find(values, wanted, bits, mask, out):
    count = 0
    for at in range(len(values)):
        low = np.uint64(values[at]) & mask
        if bits[low >> np.uint64(6)] >> (low & np.uint64(63)) & np.uint64(1):
            place = np.searchsorted(wanted, values[at])
            if place < len(wanted) and wanted[place] == values[at]:
                out[count] = at
                count += 1
    return count


def find(values: NDArray[np.int64], wanted: Ints) -> Ints:
    """Where values are among the wanted ones, which are sorted; in ascending order.

    Most are told by one bit, for their lower digits; so the values should be digests.
    """
    if not len(wanted) or not len(values):
        return np.zeros(0, np.int64)
    size = 1 << min(max(int(len(wanted) * 16).bit_length(), 12), 27)
    mask = np.uint64(size - 1)
    low = wanted.astype(np.uint64) & mask
    bits = np.zeros(size >> 6, np.uint64)
    np.bitwise_or.at(bits, (low >> np.uint64(6)).astype(np.int64), np.uint64(1) << (low & np.uint64(63)))
    out = np.empty(len(values), np.int64)
    return out[: _find(values, wanted, bits, mask, out)].copy()


@njit(cache=True, nogil=True)
def _order(a, a_start, a_end, b, b_start, b_end):
    """Below, at or above 0, as the one text's bytes stand before, at or behind the other's."""
    for k in range(min(a_end - a_start, b_end - b_start)):
        if a[a_start + k] != b[b_start + k]:
            return np.int64(a[a_start + k]) - np.int64(b[b_start + k])
    return (a_end - a_start) - (b_end - b_start)


@njit(cache=True, nogil=True)
def places(order, known_source, known_data, known_at, source, data, at):
    """For each of some records the one that has its source and identifier among the known, or -1.

    Args:
        order: the known records by source and identifier.
        known_source, source: ranks of sources; the latter's records are in order, too.
        known_data, known_at, data, at: bytes and offsets of identifiers.
    """
    out = np.full(len(source), NONE, np.int64)
    k = 0
    for row in range(len(source)):
        while k < len(order):
            one = order[k]
            if known_source[one] != source[row]:
                compared = np.int64(known_source[one]) - np.int64(source[row])
            else:
                compared = _order(known_data, known_at[one], known_at[one + 1], data, at[row], at[row + 1])
            if compared >= 0:
                if compared == 0:
                    out[row] = one
                    k += 1
                break
            k += 1
    return out


@njit(cache=True, nogil=True)
def in_order(source, data, at):
    """Whether records are ordered by rank of source and identifier, none twice."""
    for row in range(1, len(source)):
        if source[row] < source[row - 1]:
            return False
        same_source = source[row] == source[row - 1]
        if same_source and _order(data, at[row - 1], at[row], data, at[row], at[row + 1]) >= 0:
            return False
    return True


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
