"""Parts: groups that edges could bring together.  They know nothing of each other, so each is joined by itself."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.lookup_kernel import NONE, Ints


class Parts(NamedTuple):
    """Groups that edges could bring together."""

    part: NDArray[np.int32]  # of each group, or NONE where no edge ends
    nth: NDArray[np.int32]  # of each group, within its part
    groups: NDArray[np.int32]  # part by part, in ascending order within each
    starts: NDArray[np.int32]  # where each part begins in `groups`, and where the last one ends

    def places(self, groups: Ints) -> Ints:
        """Where some groups, each of which is in a part, stand in `groups`."""
        return self.starts[self.part[groups]] + self.nth[groups]


@njit(cache=True, nogil=True)
def find(parent, node):
    """The root of a node, to which the way is made shorter."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@njit(cache=True, nogil=True)
def reach(left, right, edges, groups):
    """For each group the smallest of all that edges could bring into one cluster with it."""
    parent = np.arange(groups).astype(np.int32)
    for edge in edges:
        a, b = find(parent, left[edge]), find(parent, right[edge])
        parent[max(a, b)] = min(a, b)
    for group in range(groups):
        parent[group] = parent[parent[group]]  # which is smaller, so it has its root already
    return parent


@njit(cache=True, nogil=True)
def _parts(reached):
    size = np.zeros(len(reached), np.int32)
    for group in reached:
        size[group] += 1
    part, nth = np.full(len(reached), NONE, np.int32), np.zeros(len(reached), np.int32)
    count = inside = 0
    for group in range(len(reached)):
        if reached[group] == group and size[group] > 1:
            part[group] = count
            count, inside = count + 1, inside + size[group]
    starts, groups, fill = np.zeros(count + 1, np.int32), np.empty(inside, np.int32), np.zeros(count, np.int32)
    for group in range(len(reached)):
        of = part[reached[group]]
        if of == NONE:
            continue
        if reached[group] == group:
            starts[of + 1] = starts[of] + size[group]
        part[group], nth[group] = of, fill[of]
        groups[starts[of] + fill[of]] = group
        fill[of] += 1
    return part, nth, groups, starts


def parts(reached: Ints) -> Parts:
    """`Parts` of what `reach` told."""
    return Parts(*_parts(reached))


@njit(cache=True, nogil=True)
def without(reached, left, edges, part, nth, groups, starts, some):
    """What `reach` told, and the edges, without some parts, whose groups are alone from then on."""
    reached, rest, count = reached.copy(), np.empty_like(edges), 0
    for of in range(len(some)):
        if some[of]:
            for group in groups[starts[of] : starts[of + 1]]:
                reached[group] = group
    for edge in edges:
        if not some[part[left[edge]]]:
            rest[count] = edge
            count += 1
    return reached, rest[:count].copy()


@njit(cache=True, nogil=True)
def by_part(left, edges, part, parts):
    """Edges part by part, and where those of each part begin, and the last ones end."""
    starts = np.zeros(parts + 1, np.int64)
    for edge in edges:
        starts[part[left[edge]] + 1] += 1
    starts = np.cumsum(starts)
    out, fill = np.empty(len(edges), np.int32), starts[:-1].copy()
    for edge in edges:
        of = part[left[edge]]
        out[fill[of]] = edge
        fill[of] += 1
    return out, starts
