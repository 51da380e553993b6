"""Who meets in a block, so that only those are compared.

Which blocks a group is in is told by `transforms.blocks`; here places in blocks are put in order of blocks, and
pairs made by compiled passes over them, a range of groups at a time.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend

from transforms import blocks, known_kernel, lookup_kernel
from transforms.candidates import BLOCK_CAP
from transforms.known import Known, at, find_block, taken, whole
from transforms.known_kernel import NONE, Flags, Ints
from warehouse import engine

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
    return pa.table(list(known_kernel.with_more(left, right, np.unique(near))), ["left", "right"]), named


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
    one = np.unique(whole(places["group"])[first])
    named = blocks.named(taken(described.select(blocks.COLUMNS), one))
    of_large = named.take(pc.index_in(pa.array(large), named["block"]))
    return of_large.append_column("size", pa.array(size)).select(LARGE.names)


def _rows(starts: Ints, ends: Ints) -> Ints:
    """All places of some blocks."""
    return np.concatenate([np.arange(start, end) for start, end in zip(starts, ends, strict=True)])


def _keys_as_pairs(keys: Ints) -> pa.Table:
    return pa.table([(keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)], ["left", "right"])


# --- what changed ------------------------------------------------------------------------------------------


def again(con: BaseBackend, known: Known, fresh: Ints, dead: Flags, cap: int) -> tuple[pa.Table, Flags]:
    """Place new groups in blocks, and find the pairs of those that were turned: new, or in a block over the cap.

    Args:
        fresh: the new groups, which are described already.
        dead: of each group, whether it has no record any more.

    Returns:
        left and right, in order; of each group whether it was turned.
    """
    was = known.component != NONE
    alive = was & ~dead
    turned = np.zeros(len(dead), bool)
    turned[fresh] = True

    threads = engine.threads(con)
    moved = placed(known.described, threads, np.append(np.flatnonzero(dead), fresh))
    changed = lookup_kernel.distinct(whole(moved["block"]))
    known.placed = pa.concat_tables([known.placed, moved.filter(pa.array(turned[whole(moved["group"])]))])
    rows, nth, who = _there(known, changed)
    now, before = (np.bincount(nth[which[who]], minlength=len(changed)) for which in (alive, was & ~turned))
    cut = np.maximum(now, before) > cap
    around = changed
    if cut.any():
        turned[who[cut[nth]]] = True
        turned &= alive
        others = placed(known.described, threads, np.flatnonzero(turned))
        around = lookup_kernel.distinct(np.sort(np.append(changed, whole(others["block"]))))
        rows, nth, who = _there(known, around)
    rows, nth, who = (values[alive[who]] for values in (rows, nth, who))
    sizes = np.bincount(nth, minlength=len(around))
    small = sizes[nth] <= cap
    by_block = np.argsort(nth[small], kind="stable")
    starts = np.searchsorted(nth[small][by_block], np.arange(len(around) + 1))
    found = known_kernel.meet(starts, who[small][by_block].astype(np.int64), turned)
    large = known.large.filter(pc.invert(pc.is_in(known.large["block"], pa.array(changed))))
    if not small.all():
        near, named = neighbours(taken(known.placed, rows[~small]), known.described)
        found = np.append(found, near[turned[near >> 32] | turned[near & 0xFFFFFFFF]])
        named = named.filter(pc.is_in(named["block"], pa.array(changed)))
        large = pa.concat_tables([large, named])
    known.large = large
    return _keys_as_pairs(lookup_kernel.distinct(np.sort(found))), turned


def _there(known: Known, blocks: Ints) -> tuple[Ints, Ints, Ints]:
    """The rows of `Known.placed` that are in some blocks; the place of the block among these, and the group."""
    rows, nth = find_block(known.placed["block"], blocks)
    return rows, nth, at(known.placed["group"], rows)
