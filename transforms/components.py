"""Which groups form one bib: union-find over matched pairs that refuses conflicts.

What people judged comes first.  Edges that they drew are joined whatever speaks against it; pairs that they
separated never come into one cluster, by no chain.  A cluster that people made of groups that differ (two
volume numbers, say) has both values from then on, and fits whatever shares one of them.

Each part is joined by itself, its groups numbered from 0, so what is known of its clusters stays in the cache;
and several threads join different ones.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.edge_kernel import follow, parted, place_of, put_few_in_order, undecided
from transforms.group_sources import ANY, Groups, one_record_each
from transforms.lookup_kernel import NONE, Flags, Ints
from transforms.pair_kernel import AT_ONCE, FEW, Edges, Ends, in_ranges, together
from transforms.part_kernel import Parts, find

# --- what stands against joining ---------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _mark(node, following, members, told, seen, mark):
    """Mark the sources of a cluster, or of its members from one on, and as what each is there."""
    starts, ends, sources, identity = told
    seen_in, seen_as, _ = seen
    while node >= 0:
        group = members[node]
        for at in range(starts[group], ends[group]):
            seen_in[sources[at]], seen_as[sources[at]] = mark, identity[group]
        node = following[node]


@njit(cache=True, nogil=True)
def _sources_conflict(small, following, members, told, seen, mark):
    """Whether a source would come into a marked cluster with another record: with no identifier in common."""
    starts, ends, sources, identity = told
    seen_in, seen_as, _ = seen
    node = small
    while node >= 0:
        group = members[node]
        for at in range(starts[group], ends[group]):
            if seen_in[sources[at]] == mark and (
                identity[group] == ANY or seen_as[sources[at]] != identity[group]
            ):
                return True
        node = following[node]
    return False


@njit(cache=True, nogil=True)
def _share_identity(source, big, small, following, members, starts, ends, sources, identity):
    """Whether two clusters hold records of a source with one identifier."""
    one = big
    while one >= 0:
        a = members[one]
        if identity[a] != ANY and source in sources[starts[a] : ends[a]]:
            other = small
            while other >= 0:
                b = members[other]
                if identity[b] == identity[a] and source in sources[starts[b] : ends[b]]:
                    return True
                other = following[other]
        one = following[one]
    return False


@njit(cache=True, nogil=True)
def _judged_sources_conflict(big, small, following, members, told, seen, mark):
    """`_sources_conflict` where a source may have several identifiers in a cluster: one shared is enough."""
    starts, ends, sources, identity = told
    seen_in, _, _ = seen
    node = small
    while node >= 0:
        group = members[node]
        for at in range(starts[group], ends[group]):
            if seen_in[sources[at]] == mark and not _share_identity(
                sources[at], big, small, following, members, starts, ends, sources, identity
            ):
                return True
        node = following[node]
    return False


@njit(cache=True, nogil=True)
def _differ(attributes, one, other):
    """Whether two groups, or clusters whose roots they are, have different values of an attribute."""
    for k in range(len(attributes)):
        a, b = attributes[k, one], attributes[k, other]
        if a != b and a >= 0 and b >= 0:
            return True
    return False


@njit(cache=True, nogil=True)
def _judged_differ(big, small, own, following, seen):
    """`_differ` where a cluster may have several values of an attribute: one shared is enough."""
    for k in range(len(own)):
        known = False
        node = big
        while node >= 0:
            if own[k, node] >= 0:
                seen[own[k, node]] = known = True
            node = following[node]
        met, shared = False, False
        node = small
        while node >= 0:
            if own[k, node] >= 0:
                met = True
                shared = shared or seen[own[k, node]]
            node = following[node]
        node = big
        while node >= 0:
            if own[k, node] >= 0:
                seen[own[k, node]] = False
            node = following[node]
        if known and met and not shared:
            return True
    return False


@njit(cache=True, nogil=True)
def _kept_apart(big, small, parent, following, hostile, apart, against, base):
    """Whether a member of the small cluster has to stay apart from one of the big.

    Args:
        base: the place of the part's first group.
    """
    node = small
    while node >= 0:
        if hostile[node]:
            at = np.searchsorted(apart, base + node)
            while at < len(apart) and apart[at] == base + node:
                if find(parent, against[at] - base) == big:
                    return True
                at += 1
        node = following[node]
    return False


@njit(cache=True, nogil=True)
def _within(left, right, always, part, nth, starts, attributes, spared, begin, end):
    one_of, other_of = np.empty(end - begin, np.int32), np.empty(end - begin, np.int32)
    count = 0
    for at in range(begin, end):
        one, other = left[at], right[at]
        of = part[one]
        if of == NONE or of != part[other]:
            continue
        a, b = starts[of] + nth[one], starts[of] + nth[other]
        if always[at] or not (spared[one] or spared[other] or _differ(attributes, a, b)):
            one_of[count], other_of[count] = a, b
            count += 1
    return one_of[:count].copy(), other_of[:count].copy()


def kept_apart(
    pool: Executor, apart: Ends, always: Flags, parts: Parts, attributes: Ints, spared: Flags
) -> tuple[Ints, Ints]:
    """Places in `Parts.groups` of groups that never come into one cluster: both ends of each pair, one in order.

    Of millions of vetoed pairs only those need to be held apart one by one that edges could bring into one
    cluster although their attributes agree.

    Args:
        apart, always: pairs that keep their groups apart; and whether they do whatever else there is.
        attributes: as of `join`.
        spared: of each group, whether people joined it: what they joined is one, so a veto on a part of it no
            longer speaks for the whole.
    """
    told = parts.part, parts.nth, parts.starts, attributes, spared
    given = apart.left, apart.right, always
    found = in_ranges(pool, len(apart.row), lambda *rows: _within(*given, *told, *rows))
    one, other = (together(pair[nth] for pair in found) for nth in (0, 1))
    both, against = np.append(one, other), np.append(other, one)
    order = np.argsort(both, kind="stable")
    return both[order], against[order]


# --- joining -----------------------------------------------------------------------------------------------


APART = 1 << 12  # clusters of which is known that they have to stay apart


class Room(NamedTuple):
    """What is known of the clusters of a part while it is joined, by the number of a group in it; for `_join`."""

    parent: NDArray[np.int32]
    size: NDArray[np.int32]
    following: NDArray[np.int32]  # members of a cluster as a linked list that begins at its root
    last: NDArray[np.int32]
    attributes: NDArray[np.int32]  # of a root: those of its cluster
    hostile: Flags  # has to stay apart from something
    enemies: Flags  # the same of a root: anything in its cluster has
    judged: Flags  # of a root: people joined groups of its cluster
    marked: Ints  # the root of the cluster whose sources are marked, or -1, and with what
    apart: NDArray[np.int64]  # roots of clusters that have to stay apart, as `place_of` has it


@njit(cache=True, nogil=True)
def _empty(room, own):
    """Make each group a cluster."""
    parent, size, following, last, attributes, hostile, enemies, judged, marked, _ = room
    marked[0] = -1
    for node in range(own.shape[1]):
        parent[node] = last[node] = node
        size[node], following[node] = 1, -1
        enemies[node], judged[node] = hostile[node], False
        for k in range(len(own)):
            attributes[k, node] = own[k, node]


@njit(cache=True, nogil=True)
def _unite(room, big, small, members, told, seen, forced):
    """Put a cluster into another one."""
    parent, size, following, last, attributes, _, enemies, judged, marked, _ = room
    if marked[0] == big:
        _mark(small, following, members, told, seen, marked[1])
    for k in range(len(attributes)):
        attributes[k, big] = max(attributes[k, big], attributes[k, small])
    parent[small] = big
    size[big] += size[small]
    enemies[big] |= enemies[small]
    judged[big] |= judged[small] or forced
    following[last[big]] = small
    last[big] = last[small]


@njit(cache=True, nogil=True)
def _conflict(room, big, small, own, members, told, seen, kept, base, forced, mark):
    """Whether something stands against joining two clusters."""
    parent, _, following, _, attributes, hostile, enemies, judged, marked, _ = room
    if enemies[big] and enemies[small]:
        apart, against = kept
        if _kept_apart(big, small, parent, following, hostile, apart, against, base):
            return True
    if forced:
        return False
    people = judged[big] or judged[small]
    if _judged_differ(big, small, own, following, seen[2]) if people else _differ(attributes, big, small):
        return True
    if marked[0] != big:  # edges come first record by first record, so most times it is
        marked[0], marked[1] = big, mark
        _mark(big, following, members, told, seen, mark)
    given = following, members, told, seen, marked[1]
    return _judged_sources_conflict(big, small, *given) if people else _sources_conflict(small, *given)


@njit(cache=True, nogil=True)
def _keep_apart(room, big, small, base, people):
    """Note that something stands against joining two clusters.

    They only grow, so it does for ever; where people joined any of the part, it may not.
    """
    if not people:
        place, pair = place_of(room.apart, base, big, small)
        room.apart[place] = pair


@njit(cache=True, nogil=True)
def _name(parent, smallest, members, out):
    """For each group the smallest one of its cluster; `smallest` has room for what is found on the way."""
    smallest[: len(members)] = -1
    for node in range(len(members)):
        root = find(parent, node)
        if smallest[root] < 0:
            smallest[root] = node
        out[node] = members[smallest[root]]


@njit(cache=True, nogil=True)
def _harmless(own, members, starts, ends, sources, identity, seen_in, seen_as, mark):
    """Whether nothing can stand against joining all groups of a part, where no pair is kept apart.

    That is where all agree in their attributes, and no source has two different records.
    """
    for k in range(len(own)):
        value = ANY
        for node in range(len(members)):
            if own[k, node] != ANY:
                if value != ANY and own[k, node] != value:
                    return False
                value = own[k, node]
    return one_record_each(members, starts, ends, sources, identity, seen_in, seen_as, mark)


@njit(cache=True, nogil=True)
def _join(
    left, right, edge_starts, steps, first, told, groups, starts, attributes, kept, codes, out, begin, end
):  # fmt: skip
    most = edges_most = 0
    for part in range(begin, end):
        most = max(most, starts[part + 1] - starts[part])
        edges_most = max(edges_most, edge_starts[part + 1] - edge_starts[part])
    room = Room(
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty(most, np.int32),
        np.empty((len(attributes), most), np.int32),
        np.empty(most, np.bool_),
        np.empty(most, np.bool_),
        np.empty(most, np.bool_),
        np.zeros(2, np.int64),
        np.full(APART, NONE, np.int64),
    )
    n_sources, n_values = codes
    seen = np.full(n_sources, -1), np.full(n_sources, -1), np.zeros(n_values, np.bool_)
    keys, order = np.empty(edges_most, np.int64), np.empty(edges_most, np.int32)
    parent, size, hostile = room.parent, room.size, room.hostile
    apart, _ = kept
    cluster, refused = out
    for part in range(begin, end):
        base, behind, edge = starts[part], starts[part + 1], edge_starts[part]
        members, own, count = groups[base:behind], attributes[:, base:behind], edge_starts[part + 1] - edge
        held = np.searchsorted(apart, base), np.searchsorted(apart, behind)
        # marks below those of edges, of which there is at least one in a part
        if held[0] == held[1] and _harmless(own, members, *told, seen[0], seen[1], -2 - part):
            cluster[base:behind] = members[0]
            continue
        lefts, rights, of_part = left[edge:], right[edge:], refused[edge:]
        people = follow((lefts, rights), steps[edge:], first[members], keys[:count], order[:count])
        hostile[: len(members)] = False
        for at in range(held[0], held[1]):
            hostile[apart[at] - base] = True
        _empty(room, own)
        ends, of_members = (lefts, rights), first[members]
        # put in order only as far as is asked for: of the better ones of many, most make the rest needless
        # each range with how many edges had been decided when it was last looked through
        later, decided = [(np.int64(0), np.int64(count), 0)], 0
        while later:
            at, behind_them, known = later.pop()
            if behind_them - at > FEW and known < decided:
                behind_them = undecided(parent, keys, order, ends, room.apart, base, of_part, at, behind_them)
            if behind_them - at > FEW:
                middle = parted(keys, order, ends, of_members, at, behind_them)
                later.append((middle, behind_them, decided))
                later.append((at, middle, decided))
                continue
            put_few_in_order(keys, order, ends, of_members, at, behind_them)
            for one in order[at:behind_them]:
                big, small = find(parent, lefts[one]), find(parent, rights[one])
                if size[big] < size[small]:
                    big, small = small, big
                if big == small:
                    continue
                decided += 1
                forced = steps[edge + one] == 0
                if _conflict(room, big, small, own, members, told, seen, kept, base, forced, edge + one):
                    of_part[one] = True
                    _keep_apart(room, big, small, base, people)
                else:
                    _unite(room, big, small, members, told, seen, forced)
        _name(parent, room.last, members, cluster[base:behind])


def join(
    pool: Executor,
    edges: Edges,
    edge_starts: Ints,
    first: Ints,
    groups: Groups,
    parts: Parts,
    attributes: Ints,
    kept: tuple[Ints, Ints],
) -> tuple[Ints, Ints]:
    """Join groups along edges, best edge first, and refuse an edge that would make a conflict.

    Args:
        edges, edge_starts: `by_part`.  Against those that people drew only `kept` stands.  Those of the same steps
            follow by the first records of their groups.
        first: the place of each group's first record among all.
        attributes: a row for each thing that may not differ within a bib (volume, edition, carrier, language ...),
            a column for each of `parts.groups`; codes from 0, or `ANY`.
        kept: `kept_apart`.

    Returns:
        The smallest group of the cluster of each of `parts.groups`, and the rows of the edges that were refused.
    """
    out = np.empty(len(parts.groups), np.int32), np.zeros(len(edges.row), bool)
    codes = groups.codes, int(attributes.max(initial=0)) + 1
    told = groups.starts, groups.ends, groups.sources, groups.identity
    of_parts = first, told, parts.groups, parts.starts
    given = edges.left, edges.right, edge_starts, edges.steps, *of_parts, attributes, kept, codes, out
    firsts = np.searchsorted(edge_starts, np.arange(0, len(edges.row), AT_ONCE))
    bounds = np.append(firsts, len(edge_starts) - 1)
    list(pool.map(lambda begin, end: _join(*given, begin, end), bounds[:-1], bounds[1:]))
    return out[0], edges.row[out[1]]
