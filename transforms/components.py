"""Which groups form one bib: union-find over matched pairs that refuses conflicts.

What people judged comes first.  Edges that they drew are joined whatever speaks against it; pairs that they
separated never come into one cluster, by no chain.  A cluster that people made of groups that differ (two
volume numbers, say) has both values from then on, and fits whatever shares one of them.
"""

import numba
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
SCORE_STEPS = 1_000_000  # a score has so many beside 0
ANY = -1  # an attribute that is not known and agrees with every other
NONE: Ints = np.zeros(0, np.int64)


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
def _share_identity(
    source: int, big: int, small: int, following: Ints, starts: Ints, sources: Ints, identity: Ints
) -> bool:
    """Whether two clusters hold records of a source with one identifier."""
    one = big
    while one >= 0:
        if identity[one] != ANY and source in sources[starts[one] : starts[one + 1]]:
            other = small
            while other >= 0:
                if identity[other] == identity[one] and source in sources[starts[other] : starts[other + 1]]:
                    return True
                other = following[other]
        one = following[one]
    return False


@numba.njit(cache=True)
def _judged_sources_conflict(
    big: int, small: int, following: Ints, starts: Ints, sources: Ints, identity: Ints, seen_in: Ints, mark: int
) -> bool:
    """`_sources_conflict` where a source may have several identifiers in a cluster: one shared is enough."""
    node = big
    while node >= 0:
        for at in range(starts[node], starts[node + 1]):
            seen_in[sources[at]] = mark
        node = following[node]
    node = small
    while node >= 0:
        for at in range(starts[node], starts[node + 1]):
            source = sources[at]
            if seen_in[source] == mark and not _share_identity(
                source, big, small, following, starts, sources, identity
            ):
                return True
        node = following[node]
    return False


@numba.njit(cache=True)
def _attributes_conflict(big: int, small: int, attributes: Ints) -> bool:
    """Whether two clusters have different values of an attribute; roots bear their cluster's."""
    for k in range(attributes.shape[1]):
        a, b = attributes[big, k], attributes[small, k]
        if a != b and a >= 0 and b >= 0:
            return True
    return False


@numba.njit(cache=True)
def _judged_attributes_conflict(big: int, small: int, own: Ints, following: Ints, seen: Flags) -> bool:
    """`_attributes_conflict` where a cluster may have several values of an attribute: one shared is enough."""
    for k in range(own.shape[1]):
        known = False
        node = big
        while node >= 0:
            if own[node, k] >= 0:
                seen[own[node, k]] = known = True
            node = following[node]
        met, shared = False, False
        node = small
        while node >= 0:
            if own[node, k] >= 0:
                met = True
                shared = shared or seen[own[node, k]]
            node = following[node]
        node = big
        while node >= 0:
            if own[node, k] >= 0:
                seen[own[node, k]] = False
            node = following[node]
        if known and met and not shared:
            return True
    return False


@numba.njit(cache=True)
def _kept_apart(
    big: int, small: int, parent: Ints, following: Ints, hostile: Flags, apart: Ints, against: Ints
) -> bool:
    """Whether a member of the small cluster has to stay apart from one of the big; `apart` is sorted."""
    node = small
    while node >= 0:
        if hostile[node]:
            at = np.searchsorted(apart, node)
            while at < len(apart) and apart[at] == node:
                if _find(parent, against[at]) == big:
                    return True
                at += 1
        node = following[node]
    return False


@numba.njit(cache=True)
def _join(
    left: Ints,
    right: Ints,
    own: Ints,
    starts: Ints,
    sources: Ints,
    identity: Ints,
    n_sources: int,
    forced: int,
    apart: Ints,
    against: Ints,
) -> tuple[Ints, Flags]:
    count = own.shape[0]
    attributes = own.copy()
    parent = np.arange(count)
    size = np.ones(count, np.int64)
    following = np.full(count, -1)  # members of a cluster as a linked list that begins at its root
    last = np.arange(count)
    refused = np.zeros(len(left), np.bool_)
    seen_in = np.full(n_sources, -1)
    seen_as = np.full(n_sources, -1)
    hostile = np.zeros(count, np.bool_)  # has to stay apart from something
    hostile[apart] = True
    enemies = hostile.copy()  # the same of a root: anything in its cluster has
    judged = np.zeros(count, np.bool_)  # of a root: people joined groups of its cluster
    seen = np.zeros(own.max() + 2 if forced and own.size else 1, np.bool_)
    for edge in range(len(left)):
        big, small = _find(parent, left[edge]), _find(parent, right[edge])
        if big == small:
            continue
        if size[big] < size[small]:
            big, small = small, big
        conflict = (
            enemies[big] and enemies[small] and _kept_apart(big, small, parent, following, hostile, apart, against)
        )
        if edge >= forced and not conflict:
            if judged[big] or judged[small]:
                conflict = _judged_attributes_conflict(
                    big, small, own, following, seen
                ) or _judged_sources_conflict(big, small, following, starts, sources, identity, seen_in, edge)
            else:
                conflict = _attributes_conflict(big, small, attributes) or _sources_conflict(
                    big, small, following, starts, sources, identity, seen_in, seen_as, edge
                )
        if conflict:
            refused[edge] = True
            continue
        for k in range(attributes.shape[1]):
            attributes[big, k] = max(attributes[big, k], attributes[small, k])
        parent[small] = big
        size[big] += size[small]
        enemies[big] |= enemies[small]
        judged[big] |= judged[small] or edge < forced
        following[last[big]] = small
        last[big] = last[small]
    smallest = np.full(count, count)
    for node in range(count):
        root = _find(parent, node)
        smallest[root] = min(smallest[root], node)
    return np.array([smallest[_find(parent, node)] for node in range(count)]), refused


def join(
    left: Ints,
    right: Ints,
    attributes: Ints,
    starts: Ints,
    sources: Ints,
    identity: Ints,
    forced: int = 0,
    apart: tuple[Ints, Ints] = (NONE, NONE),
) -> tuple[Ints, Flags]:
    """Join groups along edges, best edge first, and refuse an edge that would make a conflict.

    Args:
        left, right: the groups of each edge (numbers from 0), in the order in which they are to be tried.
        attributes: one row a group, one column for each thing that may not differ within a bib (volume,
            edition, carrier, language …) as codes from 0, or `ANY`.
        starts, sources: the source codes of group g are `sources[starts[g]:starts[g + 1]]`.
        identity: code of each group's identifier, or `ANY`; records of one source stay apart unless equal.
        forced: so many edges at the beginning were drawn by people: only `apart` stands against them.
        apart: pairs of groups that never come into one cluster.

    Returns:
        The smallest group of each group's cluster, and for each edge whether it was refused.
    """
    n_sources = int(sources.max()) + 1 if len(sources) else 0
    both = np.concatenate([apart[0], apart[1]]), np.concatenate([apart[1], apart[0]])
    order = np.argsort(both[0], kind="stable")
    return _join(
        left,
        right,
        attributes,
        starts,
        sources,
        identity,
        n_sources,
        forced,
        both[0][order].astype(np.int64),
        both[1][order].astype(np.int64),
    )


@numba.njit(cache=True)
def reach(edge_left: Ints, edge_right: Ints, groups: int) -> Ints:
    """For each group the smallest of all that edges could bring into one cluster with it."""
    parent = np.arange(groups)
    for edge in range(len(edge_left)):
        a, b = _find(parent, edge_left[edge]), _find(parent, edge_right[edge])
        parent[max(a, b)] = min(a, b)
    return np.array([_find(parent, node) for node in range(groups)])


@numba.njit(cache=True)
def within_reach(left: Ints, right: Ints, reached: Ints, attributes: Ints) -> Flags:
    """Which pairs edges could bring into one cluster (`reach`) although their attributes agree.

    Of millions of vetoed pairs only these need to be held apart one by one.
    """
    found = np.zeros(len(left), np.bool_)
    for pair in range(len(left)):
        if reached[left[pair]] == reached[right[pair]]:
            found[pair] = not _attributes_conflict(left[pair], right[pair], attributes)
    return found


@numba.njit(cache=True)
def _share_source(one: int, other: int, starts: Ints, sources: Ints) -> bool:
    i, j = starts[one], starts[other]
    while i < starts[one + 1] and j < starts[other + 1]:
        if sources[i] == sources[j]:
            return True
        if sources[i] < sources[j]:
            i += 1
        else:
            j += 1
    return False


@numba.njit(cache=True)
def share_source(left: Ints, right: Ints, asked: Flags, starts: Ints, sources: Ints, identity: Ints) -> Ints:
    """Which pairs of groups, of those asked for, have a source in common, of which they are two records.

    Sources of a group are in order; other arguments as of `join`.
    """
    found = np.empty(len(left), np.int64)
    count = 0
    for pair in range(len(left)):
        one, other = left[pair], right[pair]
        if (
            asked[pair]
            and (identity[one] == ANY or identity[one] != identity[other])
            and _share_source(one, other, starts, sources)
        ):
            found[count] = pair
            count += 1
    return found[:count].copy()


@numba.njit(cache=True)
def best_first(score: Floats, asked: Flags, forced: Flags) -> Ints:
    """The pairs that are asked for: what is forced first, then by score; pairs of one score stay in order.

    Args:
        score: from 0 to 1, of `SCORE_STEPS` steps.
    """
    places = np.zeros(SCORE_STEPS + 3, np.int64)
    for pair in range(len(score)):
        if asked[pair]:
            places[_step(score[pair], forced[pair]) + 1] += 1
    places = np.cumsum(places)
    out = np.empty(places[-1], np.int64)
    for pair in range(len(score)):
        if asked[pair]:
            step = _step(score[pair], forced[pair])
            out[places[step]] = pair
            places[step] += 1
    return out


@numba.njit(cache=True)
def _step(score: float, forced: bool) -> int:
    return 0 if forced else 1 + SCORE_STEPS - round(score * SCORE_STEPS)


@numba.njit(cache=True)
def sources_of(of_record: Ints, source: Ints, groups: int) -> tuple[Ints, Ints]:
    """The sources of group g, as `sources[starts[g]:starts[g + 1]]`, each once and in ascending order.

    Args:
        of_record, source: group and source of each record, in ascending order of sources; no group is below 0.
    """
    starts = np.zeros(groups + 1, np.int64)
    latest = np.full(groups, -1, np.int32)
    for record in range(len(of_record)):
        group = of_record[record]
        if group >= 0 and latest[group] != source[record]:
            latest[group] = source[record]
            starts[group + 1] += 1
    starts = np.cumsum(starts)
    sources, at = np.empty(starts[groups], np.int32), starts[:-1].copy()
    for record in range(len(of_record)):
        group = of_record[record]
        if group >= 0 and (at[group] == starts[group] or sources[at[group] - 1] != source[record]):
            sources[at[group]] = source[record]
            at[group] += 1
    return starts, sources
