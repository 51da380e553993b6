"""Parts: groups that edges could bring together.  They know nothing of each other, so each is joined by itself."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.lookup_kernel import NONE, Ints
from transforms.pair_kernel import Ends


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
    one = np.uint32(node)  # a signed number would be looked at for counting from the end
    while np.uint32(parent[one]) != one:
        above = np.uint32(parent[one])
        parent[one] = parent[above]
        one = np.uint32(parent[one])
    return np.int32(one)


@njit(cache=True, nogil=True)
def reach(left, right, groups):
    """For each group the smallest of all that edges, given by their ends, could bring into one cluster with it.

    And whether it is inside of the tree of edges that tell so; without one that is not, all others hang together.
    """
    parent, joined = np.arange(groups).astype(np.int32), np.zeros(groups, np.int32)
    for edge in range(len(left)):
        a, b = find(parent, left[edge]), find(parent, right[edge])
        if a != b:
            parent[max(a, b)] = min(a, b)
            joined[left[edge]] += 1
            joined[right[edge]] += 1
    for group in range(groups):
        parent[group] = parent[parent[group]]  # which is smaller, so it has its root already
    return parent, joined > 1


@njit(cache=True, nogil=True)
def alike(labels, most):
    """For each group the smallest that has the same label, which is below `most`."""
    smallest, out = np.full(most, NONE, np.int32), np.empty(len(labels), np.int32)
    for group in range(len(labels)):
        if smallest[labels[group]] == NONE:
            smallest[labels[group]] = group
        out[group] = smallest[labels[group]]
    return out


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
    """`Parts` of what `reach` told, or `alike`."""
    return Parts(*_parts(reached))


@njit(cache=True, nogil=True)
def _by_part(row, left, right, steps, part, nth, parts, out):
    starts = np.zeros(parts + 1, np.int64)
    for one in left:
        starts[part[one] + 1] += 1
    starts = np.cumsum(starts)
    rows, lefts, rights, steps_out = out
    fill = starts[:-1].copy()
    for at in range(len(row)):
        of = part[left[at]]
        place = fill[of]
        rows[place], lefts[place], rights[place] = row[at], nth[left[at]], nth[right[at]]
        steps_out[place] = steps[at]
        fill[of] += 1
    return starts


def by_part(ends: Ends, steps: Ints, parts: Parts) -> tuple[Ends, Ints, Ints]:
    """Pairs within parts, part by part, by the numbers of their groups in it, with what is told of each of them.

    And where those of each part begin; the last of these numbers tells where the last ones end.
    """
    *out, told = (np.empty_like(column) for column in (*ends, steps))
    starts = _by_part(*ends, steps, parts.part, parts.nth, len(parts.starts) - 1, (*out, told))
    return Ends(*out), told, np.asarray(starts)
