"""Which groups form one bib: union-find over matched pairs that refuses conflicts."""

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
ANY = -1  # an attribute that is not known and agrees with every other


@numba.njit(cache=True)
def _find(parent: Ints, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@numba.njit(cache=True)
def _sources_conflict(
    big: int,
    small: int,
    following: Ints,
    starts: Ints,
    sources: Ints,
    identity: Ints,
    seen_in: Ints,
    seen_as: Ints,
    mark: int,
) -> bool:
    """Whether a source would come in with two different records, that is with no identifier in common."""
    node = big
    while node >= 0:
        for at in range(starts[node], starts[node + 1]):
            seen_in[sources[at]] = mark
            seen_as[sources[at]] = identity[node]
        node = following[node]
    node = small
    while node >= 0:
        for at in range(starts[node], starts[node + 1]):
            if seen_in[sources[at]] == mark and (identity[node] == ANY or seen_as[sources[at]] != identity[node]):
                return True
        node = following[node]
    return False


@numba.njit(cache=True)
def _join(
    left: Ints, right: Ints, attributes: Ints, starts: Ints, sources: Ints, identity: Ints, n_sources: int
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    count = attributes.shape[0]
    parent = np.arange(count)
    size = np.ones(count, np.int64)
    following = np.full(count, -1)  # members of a cluster as a linked list that begins at its root
    last = np.arange(count)
    refused = np.zeros(len(left), np.bool_)
    seen_in = np.full(n_sources, -1)
    seen_as = np.full(n_sources, -1)
    for edge in range(len(left)):
        big, small = _find(parent, left[edge]), _find(parent, right[edge])
        if big == small:
            continue
        if size[big] < size[small]:
            big, small = small, big
        for k in range(attributes.shape[1]):
            a, b = attributes[big, k], attributes[small, k]
            if a != b and a >= 0 and b >= 0:
                refused[edge] = True
        if refused[edge] or _sources_conflict(
            big, small, following, starts, sources, identity, seen_in, seen_as, edge
        ):
            refused[edge] = True
            continue
        for k in range(attributes.shape[1]):
            attributes[big, k] = max(attributes[big, k], attributes[small, k])
        parent[small] = big
        size[big] += size[small]
        following[last[big]] = small
        last[big] = last[small]
    smallest = np.full(count, count)
    for node in range(count):
        root = _find(parent, node)
        smallest[root] = min(smallest[root], node)
    return np.array([smallest[_find(parent, node)] for node in range(count)]), refused


def join(
    left: Ints, right: Ints, attributes: Ints, starts: Ints, sources: Ints, identity: Ints
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Join groups along edges, best edge first, and refuse an edge that would make a conflict.

    Args:
        left, right: the groups of each edge (numbers from 0), in the order in which they are to be tried.
        attributes: one row a group, one column for each thing that may not differ within a bib (volume,
            edition, carrier, language …) as codes from 0, or `ANY`.
        starts, sources: the source codes of group g are `sources[starts[g]:starts[g + 1]]`.
        identity: code of each group's identifier, or `ANY`; records of one source stay apart unless equal.

    Returns:
        The smallest group of each group's cluster, and for each edge whether it was refused.
    """
    n_sources = int(sources.max()) + 1 if len(sources) else 0
    return _join(left, right, attributes.copy(), starts, sources, identity, n_sources)
