"""Groups joined along edges as `transforms.clusters` has them joined, with all that is asked of them given."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from transforms import components, part_kernel
from transforms.group_sources import Groups
from transforms.pair_kernel import Edges, Ends

Ints = npt.NDArray[np.integer]
NONE = np.zeros((2, 0), np.int32)


def joined(
    ends: Ints,
    attributes: Ints,
    identity: Ints,
    sources: Ints,
    apart: Ints = NONE,
    forced: int = 0,
    alike: int = 1,
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The cluster of each group, each of which has one source, and whether each edge was refused.

    Args:
        ends: both groups of each edge, the best edge first; so many at the beginning were drawn by people.
        attributes: a row a group.
        apart: both groups of each pair that is kept apart.
        alike: so many of the others have one score.
    """
    count, edges = len(identity), np.arange(ends.shape[1], dtype=np.int32)
    steps = np.where(edges < forced, 0, 1 + edges // alike).astype(np.int32)
    drawn = Edges(edges, *ends.astype(np.int32), steps)
    others = Ends(np.arange(apart.shape[1], dtype=np.int32), *apart.astype(np.int32))
    first = np.arange(count, dtype=np.int32)
    told = sources.astype(np.int32), identity.astype(np.int32), int(sources.max(initial=0)) + 1
    groups = Groups(first, first + 1, *told)
    parts = part_kernel.parts(part_kernel.reach([(drawn.left, drawn.right)], count)[0])
    columns = np.ascontiguousarray(attributes.T[:, parts.groups].astype(np.int32))
    always, nobody = np.ones(len(others.row), bool), np.zeros(count, bool)
    cut = len(edges) // 3  # they come in pieces
    pieces = [Edges(*(column[some] for column in drawn)) for some in (slice(cut), slice(cut, None))]
    drawn, starts = part_kernel.by_part(pieces, parts)
    with ThreadPoolExecutor(2) as pool:
        kept = components.kept_apart(pool, others, always, parts, columns, nobody)
        found, lost = components.join(pool, drawn, starts, first, groups, parts, columns, kept)
    cluster = first.copy()
    cluster[parts.groups] = found
    return cluster, np.isin(edges, lost)
