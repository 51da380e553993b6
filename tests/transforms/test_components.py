"""Passes over pairs, and joining in parts, against plain code that says the same."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product

import numpy as np
import pytest

from transforms import components, edge_kernel, group_sources, pair_kernel, part_kernel
from transforms.group_sources import ANY, Groups
from transforms.part_kernel import Parts

from .joined_groups import joined


@pytest.fixture
def in_small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with millions of pairs: several ranges of them, for several threads."""
    for module in (pair_kernel, components):
        monkeypatch.setattr(module, "AT_ONCE", 50)


def plainly_joined(ends, attributes, identity, sources, apart, forced):
    """`joined`, edge by edge over sets."""
    cluster = {group: {group} for group in range(len(identity))}
    foes = {frozenset(pair) for pair in apart.T.tolist()}
    judged: set[int] = set()

    def differ(one: set[int], other: set[int]) -> bool:
        for row in attributes.T:
            values = [{row[group] for group in side} - {ANY} for side in (one, other)]
            if all(values) and not values[0] & values[1]:
                return True
        for a, b in product(one, other):
            if sources[a] == sources[b] and not (identity[a] == identity[b] != ANY):
                like = [
                    (c, d)
                    for c, d in product(one, other)
                    if sources[c] == sources[d] == sources[a] and identity[c] == identity[d] != ANY
                ]
                if not (like and judged & (one | other)):
                    return True
        return False

    refused = []
    for nth, (a, b) in enumerate(ends.T.tolist()):
        one, other = cluster[a], cluster[b]
        against = any(frozenset(pair) in foes for pair in product(one, other)) or (
            nth >= forced and differ(one, other)
        )
        refused.append(one is not other and against)
        if one is not other and not against:
            judged |= {a} if nth < forced else set()
            one |= other
            for group in other:
                cluster[group] = one
    return [min(cluster[group]) for group in range(len(identity))], refused


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("size", "alike"), [(6, 1), (30, 1), (30, 50)])
def test_groups_are_joined_as_plain_code_joins_them(
    seed: int, size: int, alike: int, in_small_ranges: None
) -> None:
    """Of those that have one score the ones of the first groups come first."""
    random = np.random.default_rng(seed)
    count = 60
    parts = count // size
    ends, apart = (
        random.integers(0, size, (2, some)) + size * random.integers(0, parts, some) for some in (150, 12)
    )
    ends, apart = (pairs[:, pairs[0] != pairs[1]] for pairs in (ends, apart))
    nth = np.arange(ends.shape[1])
    ends = ends[:, np.lexsort([ends.max(axis=0), ends.min(axis=0), nth // alike])]
    attributes = random.choice([ANY, ANY, 0, 1], (count, 2))
    identity, sources = random.choice([ANY, 0, 1], count), random.integers(0, 5, count)
    forced = 6 * (2 - seed % 3) if alike == 1 else 0
    drawn = ends[:, :forced]
    ends[:, :forced] = drawn[:, np.lexsort([drawn.max(axis=0), drawn.min(axis=0)])]
    found = joined(ends, attributes, identity, sources, apart, forced, alike)
    cluster, refused = plainly_joined(ends, attributes, identity, sources, apart, forced)
    assert found[0].tolist() == cluster
    assert found[1].tolist() == refused
    assert 5 < sum(refused) < 140


@pytest.mark.parametrize("groups", [40, 3_000])
def test_pairs_are_put_in_the_order_of_first_records(groups: int, in_small_ranges: None) -> None:
    random = np.random.default_rng(groups)
    keys = np.unique(random.integers(0, groups**2, 700))
    left, right = (side.astype(np.int32) for side in np.divmod(keys, groups))
    left, right = left[left < right], right[left < right]
    rows = 5 * groups
    first = random.permutation(rows)[:groups].astype(np.int32)
    ordered = np.lexsort([np.maximum(first[left], first[right]), np.minimum(first[left], first[right])])
    some = np.flatnonzero(random.random(len(left)) < 0.3).astype(np.int32)
    rest = ordered[~np.isin(ordered, some)].astype(np.int32)
    with ThreadPoolExecutor(2) as pool:
        everything = pair_kernel.in_order(pool, left, right, np.arange(len(left), dtype=np.int32), first, rows)
        come = pair_kernel.in_order(pool, left, right, some, first, rows)
    assert everything.tolist() == ordered.tolist()
    assert come.tolist() == ordered[np.isin(ordered, some)].tolist()
    assert pair_kernel.merged(left, right, rest, come, first).tolist() == ordered.tolist()


@pytest.mark.parametrize("seed", range(8))
def test_edges_are_parted_until_all_are_in_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, groups = 200, 12
    first = random.permutation(1000)[:groups].astype(np.int32)
    one, other = random.integers(0, groups, (2, count)).astype(np.int32)
    steps = random.integers(0, 5, count).astype(np.int32)
    keys, order = np.empty(count, np.int64), np.empty(count, np.int32)
    edge_kernel.follow((one, other), steps, first, keys, order)

    def put_in_order(begin: int, end: int) -> None:
        if end - begin < 3:
            edge_kernel.put_few_in_order(keys, order, (one, other), first, begin, end)
            return
        middle = edge_kernel.parted(keys, order, (one, other), first, begin, end)
        assert begin < middle < end
        put_in_order(begin, middle)
        put_in_order(middle, end)

    put_in_order(0, count)
    said = [steps, np.minimum(first[one], first[other]), np.maximum(first[one], first[other])]
    rows = np.stack(said, axis=1)
    assert rows[order].tolist() == sorted(rows.tolist())
    assert sorted(order.tolist()) == list(range(count))


@pytest.mark.parametrize("seed", range(8))
def test_all_others_hang_together_without_a_group_that_is_not_inside_of_the_tree(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = 40
    left, right = random.integers(0, count, (2, 45)).astype(np.int32)
    reached, inner = part_kernel.reach([(left, right)], count)
    assert 5 < inner.sum() < count - 5
    for group in np.flatnonzero(~inner):
        rest = (left != group) & (right != group)
        without, _ = part_kernel.reach([(left[rest], right[rest])], count)
        others = np.flatnonzero((reached == reached[group]) & (np.arange(count) != group))
        assert len(set(without[others].tolist())) <= 1


def test_labels_are_told_by_the_first_that_has_each() -> None:
    labels = np.array([7, 3, 7, 0, 3, 9], np.int32)
    assert part_kernel.alike(labels, 10).tolist() == [0, 1, 0, 3, 1, 5]


@pytest.mark.parametrize("seed", range(8))
def test_parts_that_stay_one_cluster_are_told_as_plain_code_tells_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    count, parts = 90, 30
    part = np.sort(random.integers(0, parts, count))
    members, starts = (
        np.arange(count, dtype=np.int32),
        np.searchsorted(part, np.arange(parts + 1)).astype(np.int32),
    )
    cluster = (part * 10 + (random.random(count) < 0.05)).astype(np.int32)
    unsure, changed = (random.random(count) < share for share in (0.05, 0.4))
    lists = [sorted(random.choice(12, random.integers(1, 4), replace=False).tolist()) for _ in range(count)]
    ends = np.cumsum([len(some) for some in lists]).astype(np.int32)
    identity = random.choice(np.array([ANY, 7, 7, 7, 9]), count)
    begins = ends - np.array([len(some) for some in lists], np.int32)
    groups = Groups(begins, ends, np.concatenate(lists).astype(np.int32), identity, 12)
    of_part = Parts(part.astype(np.int32), members, members, starts)

    def quiet(some: list[int]) -> bool:
        one = len({cluster[group] for group in some}) < 2 and not unsure[some].any()
        held = [(source, identity[group]) for group in some for source in lists[group]]
        sources = {source: [as_what for where, as_what in held if where == source] for source, _ in held}
        alone = all(len(who) == 1 or (len(set(who)) == 1 and who[0] != ANY) for who in sources.values())
        return one and (alone or not changed[some].any())

    expected = [quiet(members[begin:end].tolist()) for begin, end in pairwise(starts.tolist())]
    assert group_sources.quiet(of_part, cluster, unsure, changed, groups).tolist() == expected
    assert 3 < sum(expected) < parts - 3
