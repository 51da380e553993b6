"""Orders and look-ups of numbers, held against numpy's."""

import numpy as np
import pytest

from transforms import known_kernel, lookup_kernel

CASES = [(0, 5), (1, 5), (1000, 2), (1000, 10), (3000, (1 << 63) - 1), (20_000, 300), (20_000, 1 << 40)]


@pytest.mark.parametrize(("count", "top"), CASES)
def test_keys_come_into_order_and_are_found_there(count: int, top: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup_kernel, "AT_ONCE", 700)
    rng = np.random.default_rng(count)
    keys, values = rng.integers(0, top, count), np.arange(count, dtype=np.int32)
    keys[::2] = keys[:1] ^ rng.integers(0, 5, len(keys[::2]))  # alike in their first digits
    found = lookup_kernel.by_key(keys.copy(), values.copy(), threads=2)
    order = np.argsort(keys, kind="stable")
    assert np.array_equal(found[0], keys[order]) and np.array_equal(found[1], values[order])
    some = rng.choice(keys, count // 3) if count else keys
    wanted = np.unique(np.concatenate([some, rng.integers(0, top, 9)]))
    starts, ends = lookup_kernel.find_ranges(found[0], wanted)
    assert np.array_equal(starts, np.searchsorted(found[0], wanted))
    assert np.array_equal(ends, np.searchsorted(found[0], wanted, side="right"))


def test_a_key_below_0_is_refused() -> None:
    with pytest.raises(ValueError, match="below 0"):
        lookup_kernel.by_key(np.array([3, -1]), np.arange(2))


def test_values_are_numbered_as_they_come_first_in_several_parts() -> None:
    values = np.random.default_rng(4).integers(-(1 << 62), 1 << 62, 500)[
        np.random.default_rng(5).integers(0, 500, 4000)
    ]
    seen, slots, count, found, firsts = np.zeros(0, np.int64), np.zeros(0, np.int32), 0, [], []
    for start in range(0, 4000, 1000):
        seen, slots = lookup_kernel.more_room(seen, count, 1 << (12 + start // 1000))
        numbers, fresh = lookup_kernel.number(values[start : start + 1000], slots, seen, count)
        count += len(fresh)
        found.append(numbers)
        firsts.append(fresh + start)
    distinct, first = np.unique(values, return_index=True)
    assert count == len(distinct)
    assert np.array_equal(np.concatenate(firsts), np.sort(first))
    assert np.array_equal(seen[np.concatenate(found)], values)


def test_pairs_are_of_those_that_meet_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_kernel, "AT_ONCE", 50)
    rng = np.random.default_rng(4)
    block, group = rng.integers(0, 300, 900), rng.integers(0, 200, 900).astype(np.int32)
    expected = {
        (int(one), int(other))
        for nth in range(300)
        for one in group[block == nth]
        for other in group[block == nth]
        if one < other
    }
    block, group = lookup_kernel.by_key(block, group)
    met = known_kernel.meeting(group, *known_kernel.runs(block), 200, threads=2)
    found = [known_kernel.pairs(met, begin, min(begin + 64, 200)) for begin in range(0, 200, 64)]
    left, right = (np.concatenate(side) for side in zip(*found, strict=True))
    pairs = list(zip(left.tolist(), right.tolist(), strict=True))
    assert pairs == sorted(expected)
