"""Edges of a part, best ones first, put in order only as far as is asked for."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
from numba import njit

from transforms.part_kernel import find

_MIX = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def follow(ends, steps, first, keys, order):
    """Set by what edges follow each other: their steps, and the first records of their groups.

    Returns whether people drew any of them.

    Args:
        ends: the groups of each edge, by their numbers in the part.
        first: of each group of the part.
        keys, order: as long, and written.
    """
    one, other = ends
    drawn = False
    for at in range(len(order)):
        keys[at], order[at] = np.int64(steps[at]) << 32 | min(first[one[at]], first[other[at]]), at
        drawn |= steps[at] == 0
    return drawn


@njit(cache=True, nogil=True)
def _is_before(key, edge, other_key, other_edge, ends, first):
    if key != other_key:
        return key < other_key
    one, other = ends  # edges of one group that have one score
    return max(first[one[edge]], first[other[edge]]) < max(first[one[other_edge]], first[other[other_edge]])


@njit(cache=True, nogil=True)
def put_few_in_order(keys, order, ends, first, begin, end):
    """Put some edges in order where they are."""
    for at in range(begin + 1, end):
        key, edge, place = keys[at], order[at], at
        while place > begin and _is_before(key, edge, keys[place - 1], order[place - 1], ends, first):
            keys[place], order[place] = keys[place - 1], order[place - 1]
            place -= 1
        keys[place], order[place] = key, edge


@njit(cache=True, nogil=True)
def parted(keys, order, ends, first, begin, end):
    """Put the better ones of some edges before the others, and tell where these begin; both are some."""
    middle = (begin + end) >> 1
    key, edge = keys[middle], order[middle]
    low, high = begin, end - 1
    while True:
        while _is_before(keys[low], order[low], key, edge, ends, first):
            low += 1
        while _is_before(key, edge, keys[high], order[high], ends, first):
            high -= 1
        if low >= high:
            return low
        keys[low], keys[high] = keys[high], keys[low]
        order[low], order[high] = order[high], order[low]
        low, high = low + 1, high - 1


@njit(cache=True, nogil=True)
def place_of(hostile, base, one, other):
    """The place in `hostile` of two clusters, given by their roots, and what is there if they have to stay apart.

    There are few places, so it may be forgotten that they have to.

    Args:
        base: a number by which a part differs from all others.
    """
    pair = np.int64(base + min(one, other)) << 32 | (base + max(one, other))
    return np.int64(np.uint64(pair) * _MIX >> np.uint64(32)) & (len(hostile) - 1), pair


@njit(cache=True, nogil=True)
def undecided(parent, keys, order, ends, hostile, base, refused, begin, end):
    """Leave out edges whose groups are together already or have to stay apart; tells where the rest of them ends.

    Args:
        hostile: as `place_of` has it.
        refused: of each edge; set of the latter ones.
    """
    one, other = ends
    count = begin
    for at in range(begin, end):
        edge = order[at]
        a, b = find(parent, one[edge]), find(parent, other[edge])
        if a == b:
            continue
        place, pair = place_of(hostile, base, a, b)
        if hostile[place] == pair:
            refused[edge] = True
            continue
        keys[count], order[count] = keys[at], edge
        count += 1
    return count
