"""Parts: groups that edges could bring together.  They know nothing of each other, so each is joined by itself."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.lookup_kernel import NONE, Flags, Ints
from transforms.pair_kernel import Edges


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
def _reach(left, right, parent, joined):
    for edge in range(len(left)):
        a, b = find(parent, left[edge]), find(parent, right[edge])
        if a != b:
            parent[max(a, b)] = min(a, b)
            joined[left[edge]] += 1
            joined[right[edge]] += 1


@njit(cache=True, nogil=True)
def _to_roots(parent):
    for group in range(len(parent)):
        parent[group] = parent[parent[group]]  # which is smaller, so it has its root already


def reach(pieces: Iterable[tuple[Ints, Ints]], groups: int) -> tuple[Ints, Flags]:
    """For each group the smallest of all that edges, given by their ends, could bring into one cluster with it.

    And whether it is inside of the tree of edges that tell so; without one that is not, all others hang together.
    """
    parent, joined = np.arange(groups, dtype=np.int32), np.zeros(groups, np.int32)
    for left, right in pieces:
        _reach(left, right, parent, joined)
    _to_roots(parent)
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
def _count(left, part, counts):
    for one in left:
        counts[part[one]] += 1


@njit(cache=True, nogil=True)
def _by_part(row, left, right, steps, part, nth, fill, out):
    rows, lefts, rights, steps_out = out
    for at in range(len(row)):
        of = part[left[at]]
        place = fill[of]
        rows[place], lefts[place], rights[place] = row[at], nth[left[at]], nth[right[at]]
        steps_out[place] = steps[at]
        fill[of] += 1


def by_part(pieces: list[Edges], parts: Parts) -> tuple[Edges, Ints]:
    """Edges part by part, by the numbers of their groups in it; the list is emptied, to give back its room.

    And where those of each part begin; the last of these numbers tells where the last ones end.
    """
    counts = np.zeros(len(parts.starts) - 1, np.int64)
    for piece in pieces:
        _count(piece.left, parts.part, counts)
    starts = np.append(0, np.cumsum(counts))
    out, fill = Edges(*np.empty((len(Edges._fields), starts[-1]), np.int32)), starts[:-1].copy()
    pieces.reverse()
    while pieces:
        _by_part(*pieces.pop(), parts.part, parts.nth, fill, out)
    return out, starts
