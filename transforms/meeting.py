"""Who meets in a block, so that only those are compared.

Which blocks a group is in is told by `transforms.blocks`; here places in blocks are put in order of blocks, and
pairs made by compiled passes over them, a range of groups at a time.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms import blocks, known_kernel, lookup_kernel
from transforms.candidates import BLOCK_CAP
from transforms.columns import at, taken, whole
from transforms.known import Known
from transforms.lookup_kernel import NONE, Flags, Ints

PLACED = pa.schema([("block", pa.int64()), ("group", pa.int32())])
LARGE = pa.schema([("block", pa.int64()), ("rule", pa.string()), ("key", pa.string()), ("size", pa.int64())])
AT_ONCE = 1 << 17  # groups whose pairs are made by one call
NEAR = ("full_title_key", "creator_key", "pub_year", "said")  # the order of groups in a block over the cap
NEIGHBOURS = 8  # with so many next ones in it each is compared there


def placed(described: pa.Table, threads: int, groups: Ints | None = None) -> pa.Table:
    """Which groups are in which blocks (`PLACED`), in order of blocks.

    Args:
        described: `Known.described`.
        groups: some of them, in ascending order; all if nothing is said.
    """
    described = described.select(blocks.COLUMNS)
    block, group = blocks.places(described if groups is None else taken(described, groups), threads)
    if groups is not None:
        group = groups.astype(np.int32)[group]
    return pa.table(list(lookup_kernel.by_key(block, group, threads)), PLACED)


def pairs(places: pa.Table, described: pa.Table, threads: int, cap: int = BLOCK_CAP) -> tuple[pa.Table, pa.Table]:
    """Pairs of groups that meet in a block (left, right), in order and each once, and `Known.large`.

    Args:
        places: `placed` of all groups.
        described: `Known.described`.
    """
    block, group = (whole(places[name]) for name in PLACED.names)
    starts, ends = known_kernel.runs(block)
    large, count = ends - starts > cap, len(described)
    met = known_kernel.meeting(group, starts[~large], ends[~large], count, threads)

    def some(begin: int) -> pa.Table:
        return pa.table(list(known_kernel.pairs(met, begin, min(begin + AT_ONCE, count))), ["left", "right"])

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(some, range(0, count, AT_ONCE)))
    found = pa.concat_tables([_keys_as_pairs(np.zeros(0, np.int64)), *parts])
    if not large.any():
        return found, LARGE.empty_table()
    near, named = neighbours(places.take(_rows(starts[large], ends[large])), described)
    left, right = (whole(found[side]) for side in ("left", "right"))
    return pa.table(
        list(known_kernel.with_more(left, right, lookup_kernel.each_once(near))), ["left", "right"]
    ), named


def neighbours(places: pa.Table, described: pa.Table) -> tuple[Ints, pa.Table]:
    """Pairs that are compared of those in blocks over the cap, as left << 32 | right, and `Known.large`.

    Args:
        places: the rows of these blocks alone.
        described: `Known.described`.
    """
    block, group = (whole(places[name]) for name in PLACED.names)
    there, nth = np.unique(group, return_inverse=True)
    near = taken(described.select(NEAR), there).take(pa.array(nth)).append_column("block", pa.array(block))
    order = pc.sort_indices(near, [(name, "ascending") for name in ("block", *NEAR)])
    block, group = block[order], group[order].astype(np.int64)
    found = []
    for step in range(1, NEIGHBOURS + 1):
        together = block[step:] == block[:-step]
        one, other = group[step:][together], group[:-step][together]
        found.append(np.minimum(one, other) << 32 | np.maximum(one, other))
    return np.concatenate(found), _named(places, described)


def _named(places: pa.Table, described: pa.Table) -> pa.Table:
    large, first, size = np.unique(whole(places["block"]), return_index=True, return_counts=True)
    one = lookup_kernel.each_once(whole(places["group"])[first])
    named = blocks.named(taken(described.select(blocks.COLUMNS), one))
    of_large = named.take(pc.index_in(pa.array(large), named["block"]))
    return of_large.append_column("size", pa.array(size)).select(LARGE.names)


def _rows(starts: Ints, ends: Ints) -> Ints:
    """All places of some blocks."""
    ranges = (np.arange(start, end) for start, end in zip(starts, ends, strict=True))
    return np.concatenate([np.zeros(0, np.int64), *ranges])


def _keys_as_pairs(keys: Ints) -> pa.Table:
    return pa.table([(keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)], ["left", "right"])


# --- what changed ------------------------------------------------------------------------------------------


class _Blocks(NamedTuple):
    """Where some blocks, in ascending order, stand in `Known.placed`."""

    numbers: Ints
    starts: Ints  # a row for each piece of the table, a column for each block
    ends: Ints

    def members(self, placed: pa.Table, wanted: Flags) -> tuple[Ints, Ints, Ints]:
        """The rows of wanted blocks, in ascending order; of each the place of its block, and its group."""
        starts, ends = (places[:, wanted].ravel() for places in (self.starts, self.ends))
        rows = _rows(starts, ends)
        nth = np.repeat(np.tile(np.flatnonzero(wanted), len(self.starts)), ends - starts)
        return rows, nth, at(placed["group"], rows)

    def others(self, placed: pa.Table, numbers: Ints) -> "_Blocks":
        """Where other blocks, in ascending order, stand; only those are looked for that are not among these."""
        nth = np.searchsorted(self.numbers, numbers)
        there = np.append(self.numbers, -1)[nth] == numbers
        more = _find(placed, numbers[~there])
        places = np.empty((2, len(self.starts), len(numbers)), np.int64)
        for out, own, found in zip(places, (self.starts, self.ends), (more.starts, more.ends), strict=True):
            out[:, there], out[:, ~there] = own[:, nth[there]], found
        return _Blocks(numbers, *places)

    def sizes(self) -> Ints:
        """How many groups each has, with those that are no more."""
        return (self.ends - self.starts).sum(axis=0)


def again(known: Known, fresh: Ints, dead: Flags, threads: int, cap: int) -> tuple[pa.Table, Flags]:
    """Place new groups in blocks, and find the pairs of those that were turned: new, or in a block over the cap.

    A block over the cap is turned as a whole if it changed, or was over it and is not any more.

    Args:
        fresh: the new groups, which are described already.
        dead: of each group, whether it has no record any more.

    Returns:
        left and right, in order; of each group whether it was turned.
    """
    was = known.component != NONE
    alive, turned = was & ~dead, np.zeros(len(dead), bool)
    turned[fresh] = True
    moved = placed(known.described, threads, fresh)
    known.placed = pa.concat_tables([known.placed, moved])
    asked = np.append(whole(moved["block"]), whole(known.large["block"]))
    changed = _find(known.placed, lookup_kernel.each_once(asked))
    _, nth, who = changed.members(known.placed, changed.sizes() > cap)
    now, before, touched = (
        np.bincount(nth[which[who]], minlength=len(changed.numbers))
        for which in (alive, was & ~turned, dead | turned)
    )
    cut = (np.maximum(now, before) > cap) & (touched > 0)
    if cut.any():
        turned[who[cut[nth]]] = True
        turned &= alive
        others = turned.copy()
        others[fresh] = False
        moved = pa.concat_tables([moved, placed(known.described, threads, np.flatnonzero(others))])

    numbers = lookup_kernel.each_once(whole(moved["block"]))
    around = changed.others(known.placed, numbers)
    rows, nth, who = around.members(known.placed, around.sizes() > cap)
    over = np.bincount(nth[alive[who]], minlength=len(around.numbers)) > cap
    found = _met(known.placed, around, moved, over, turned, alive)
    outdated = np.append(changed.numbers[cut], around.numbers[over])
    known.large = known.large.filter(pc.invert(pc.is_in(known.large["block"], pa.array(outdated))))
    if over.any():
        near, named = neighbours(taken(known.placed, rows[over[nth] & alive[who]]), known.described)
        found = np.append(found, near[turned[near >> 32] | turned[near & 0xFFFFFFFF]])
        known.large = pa.concat_tables([known.large, named])
    return _keys_as_pairs(lookup_kernel.each_once(found)), turned


def _find(placed: pa.Table, numbers: Ints) -> _Blocks:
    found = [lookup_kernel.find_ranges(chunk.to_numpy(), numbers) for chunk in placed["block"].chunks]
    offsets = np.cumsum([0, *(len(chunk) for chunk in placed["block"].chunks)])[:-1, None]
    shape = len(found), len(numbers)
    starts, ends = (np.array([one[side] for one in found], np.int64).reshape(shape) for side in (0, 1))
    return _Blocks(numbers, starts + offsets, ends + offsets)


def _met(table: pa.Table, around: _Blocks, moved: pa.Table, over: Flags, turned: Flags, alive: Flags) -> Ints:
    """Pairs of turned groups, with those that they meet in blocks within the cap; more than once if they meet so.

    Args:
        moved: `placed` of the turned groups.
    """
    block = np.searchsorted(around.numbers, whole(moved["block"]))
    within = ~over[block]
    block, one, offset = block[within], whole(moved["group"])[within], 0
    found: list[Ints] = [np.zeros(0, np.int64)]
    for nth, chunk in enumerate(table["group"].chunks):
        starts, ends = around.starts[nth] - offset, around.ends[nth] - offset
        found.append(known_kernel.meet(block, one, starts, ends, chunk.to_numpy(), turned, alive))
        offset += len(chunk)
    return np.concatenate(found)
