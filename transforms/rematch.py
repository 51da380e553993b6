"""What has to be compared: all records, or those that changed since an earlier run and what they touch.

`anew` and `again` find the same; the second takes from what is `known` all that can't have changed.  A record that
came or went touches the records that were, or are, equal to it; a group that came touches all that it meets in a
block; one that came or went touches a block over the cap as a whole, for there the neighbours change.  The old
columns are only run over, by compiled code; what is worked out anew goes through the same expressions as all.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates, collapse, contents, distinct, group_records, index_changes, meeting, pair_kernel
from transforms.candidates import ONE_OF_SOURCE, POSITION, SHARED
from transforms.clusters import Touched
from transforms.columns import at, find, taken, whole
from transforms.distinct import DESCRIBED
from transforms.group_records import Moves
from transforms.group_sources import ANY
from transforms.index_changes import Changes
from transforms.judgement import RECORD, Rulings
from transforms.known import MOST_ADDED, PAIR, SHARE_ADDED, Known, extended, longer
from transforms.lookup_kernel import NONE, Flags, Ints, each_once, picked
from transforms.record_index import PLACE, Index, coded, coding, named, straight
from warehouse import engine

Done = Callable[[str], None]  # is told each stage as it ends


def anew(
    con: BaseBackend,
    bib: Table,
    present: Index | None,
    rulings: Rulings,
    folder: Path | None,
    files: Sequence[Path],
) -> Known:
    """What is to be known of all records of `bib`, without blocks, pairs and clusters.

    Args:
        present: the record index, if it is at hand.
        folder: where what is known is kept.
        files: as `match.cluster` has them.
    """
    if folder:
        folder.mkdir(exist_ok=True)
    there = pa.concat_tables(present(list(POSITION))) if present else None
    member, described = collapse.collapsed(con, bib, there, rulings, folder, files)
    del there
    rows = np.zeros(0, np.int32)
    known = Known(
        record=member.select([*POSITION, "content", "sharing"]),
        group=whole(member["group"]).astype(np.int32),
        added=rows,
        before=rows,
        apart=rows,
        singled=rows,
        described=pa.table({}),
        starts=rows,
        ends=rows,
        members=rows,
        sources=rows,
        identity=rows,
        moved=np.zeros(0, bool),
        component=rows,
        inner=np.zeros(0, bool),
        cluster=rows,
        placed=meeting.PLACED.empty_table(),
        pair=PAIR.empty_table(),
        rule=np.zeros(0, np.int16),
        decision=np.zeros(0, np.int8),
        large=meeting.LARGE.empty_table(),
    )
    del member
    if folder:
        known.put_down(folder, "record")
        known.put_down(folder, "described", described)
    else:
        known.described = pa.table(dict(described))
    groups, said = len(known.described), whole(known.described["said"])
    source, sharing = whole(coding(known.record["source_id"])), whole(known.record["sharing"])
    known.starts, known.ends, known.members, known.sources = group_records.listed(known.group, source, groups)
    alone = picked(said, known.group) != whole(known.record["content"])
    known.apart = np.flatnonzero(alone & (sharing == ONE_OF_SOURCE)).astype(np.int32)
    known.identity, known.moved = _identity(known.described), np.zeros(groups, bool)
    known.component = np.arange(groups, dtype=np.int32)
    known.cluster, known.inner = known.component.copy(), np.zeros(groups, bool)
    known.singled = known.located(rulings.records, len(known.record))
    return known


def meet(con: BaseBackend, known: Known, cap: int, folder: Path | None, done: Done) -> tuple[pa.Table, Touched]:
    """Place all groups in blocks, and find the pairs that meet there (left, right); all is touched."""
    threads = engine.threads(con)
    known.placed = meeting.placed(known.described, threads)
    if folder:
        known.put_down(folder, "placed")
    done("blocks")
    pairs, known.large = meeting.pairs(known.placed, known.described, threads, cap)
    done("pairs")
    every = np.ones(len(known.component), bool)
    return pairs, Touched(every, ~every, every, pair_kernel.all_ends([]))


# --- what changed ----------------------------------------------------------------------------------------


def again(
    con: BaseBackend,
    bib: Table,
    known: Known,
    present: Index,
    cap: int,
    rulings: Rulings,
    files: Sequence[Path],
    done: Done,
) -> tuple[pa.Table, Touched] | None:
    """Bring what is known to the records that are `present`; None, and nothing done, where too much changed.

    The pairs that this removes are marked; those that it finds (left, right) are for the caller to score and add.

    Args:
        bib: `staged.bib` with all that are present, and maybe more.
        present: the record index; where it is not in order, nothing is done either.
        files: as `match.cluster` has them.
    """
    if known.worn() or not len(known.record):
        return None
    most = max(MOST_ADDED, int(SHARE_ADDED * len(known.record)))
    order = known.order.pieces(known.group, len(known.record))
    changes = index_changes.changes(known.record, order, present(list(PLACE)), most)
    if changes is None:
        return None
    new = _new(con, bib, changes.came, files)
    if new is None or not _fit(known, new, changes):
        return None
    judged = known.group[known.singled]
    left = Moves(changes.went, known.group[changes.went])
    came = _add_records(known, new, changes)
    moved, said = _say(con, known, came, changes.went, rulings)
    changed, dead, fresh = _regroup(known, moved, said, left)
    _describe(known, new, fresh)
    done("collapse")
    threads = engine.threads(con)
    pairs, met = meeting.again(known, fresh.groups, dead, threads, cap)
    changed |= met
    unsure = met.copy()
    judged = np.append(judged[judged != NONE], known.group[known.singled])
    if len(judged):
        changed[judged] = True
        unsure |= np.isin(known.cluster, known.cluster[judged])
    if pc.any(known.pair["asked"]).as_py():
        known.put("decision", np.flatnonzero(whole(known.pair["asked"])), NONE)
    with ThreadPoolExecutor(threads) as pool:
        gone, of_changed = pair_kernel.turned(pool, known.sides(), known.decision, met | dead, changed)
    known.put("decision", gone, NONE)
    done("blocks")
    return pairs, Touched(changed & ~dead, dead, unsure, of_changed)


def _new(con: BaseBackend, bib: Table, rows: pa.Table, files: Sequence[Path]) -> pa.Table | None:
    """What the records say that came, in order; None if this is another order than that of the index."""
    if files and not engine.has_workers(con):
        new = distinct.few(con, bib, rows, files)
        return new if new is not None and straight(coded(new.select(POSITION))) else None
    prepared = candidates.prepare(_only(bib, rows))
    new = con.to_pyarrow(prepared.order_by(*RECORD).select(*POSITION, *DESCRIBED))
    return new if new.select(PLACE).equals(rows.cast(new.select(PLACE).schema)) else None


def _fit(known: Known, new: pa.Table, changes: Changes) -> bool:
    """Whether records that came stand behind the one before them, and before the one behind them."""
    for beside, behind in ((changes.behind, True), (changes.before, False)):
        there = beside != NONE
        others = known.record.select(RECORD).take(pa.array(beside[there]))
        sides = named(others), new.select(RECORD).filter(pa.array(there))
        low, high = sides if behind else sides[::-1]
        same = pc.equal(low["source_id"], high["source_id"])
        less = pc.less(low["source_id"], high["source_id"])
        follows = pc.or_(less, pc.and_(same, pc.less(low["record_id"], high["record_id"])))
        if not pc.all(follows, min_count=0).as_py():
            return False
    return True


def _add_records(known: Known, new: pa.Table, changes: Changes) -> Ints:
    """Add records that came, which are in order, and let others go; the rows of the former."""
    known.put("group", changes.went, NONE)
    order = known.order.with_more(changes.follow)
    known.added, known.before = order.added, order.before
    columns = {name: extended(known.record[name], new[name]) for name in PLACE[:2]}
    columns |= {"content": pa.array(contents.content(new)), "sharing": pa.array(contents.sharing(new))}
    columns |= {name: new[name] for name in ("record_id", "record_no")}
    added = pa.table({name: columns[name] for name in known.record.column_names}).cast(known.record.schema)
    known.record = pa.concat_tables([known.record, added])
    known.group = longer(known.group, np.full(len(new), NONE, np.int32))
    return np.arange(len(known.record) - len(new), len(known.record), dtype=np.int32)


def _only(bib: Table, rows: pa.Table) -> Table:
    """Some records, read from their batches alone."""
    wanted = pa.table([rows[name].cast(bib[name].type().to_pyarrow()) for name in PLACE], PLACE)
    batches = pc.unique(wanted["batch_id"]).to_pylist()
    return bib.filter(bib.batch_id.isin(batches)).semi_join(ibis.memtable(wanted), PLACE)


def _say(con: BaseBackend, known: Known, came: Ints, went: Ints, rulings: Rulings) -> tuple[Ints, Ints]:
    """The records that say something else now, or that came, and what each says."""
    content, sharing, source = (known.record[name] for name in ("content", "sharing", "source_id"))
    judged = known.located(rulings.records, len(known.record) - len(came))
    began = np.concatenate([came, went, known.singled, judged])
    known.singled = judged
    # one of a source shares a group and the others don't, so they depend on each other
    one = began[at(sharing, began) == ONE_OF_SOURCE]
    like = np.append(known.apart, known.records_of(find(known.described["said"], each_once(at(content, one)))))
    keys, wanted = (
        at(coding(source), rows) * np.int64(0x9E3779B97F4A7C1) + at(content, rows) for rows in (like, one)
    )
    alike = find(pa.chunked_array([keys]), each_once(wanted))
    asked = each_once(np.concatenate([began, like[alike]]))
    here = known.group[asked] != NONE
    here[np.searchsorted(asked, came)] = True
    asked = asked[here]
    content, sharing = at(content, asked), at(sharing, asked)
    some = np.arange(len(asked)) if rulings.pairs else np.flatnonzero(sharing != SHARED)
    order = np.argsort(at(coding(source), asked[some]), kind="stable")
    records = taken(known.record.select([*RECORD, "content", "sharing"]), asked[some]).take(pa.array(order))
    some = some[order]
    _, number = np.unique(content[some], return_inverse=True)
    now = content.copy()  # which is what the others say
    now[some] = collapse.said(con, records, number, rulings)
    alone = (sharing == ONE_OF_SOURCE) & (content != now)
    again = np.append(asked, NONE)[np.searchsorted(asked, known.apart)] == known.apart
    known.apart = np.append(known.apart[~again], asked[alone]).astype(np.int32)
    group = known.group[asked]
    moved = group == NONE
    moved[~moved] = at(known.described["said"], group[~moved]) != now[~moved]
    return asked[moved], now[moved]


class _Fresh(NamedTuple):
    """New groups, what each says, a record of each, and the group in which that was before, or NONE."""

    groups: Ints
    said: Ints
    leaders: Ints
    before: Ints


def _regroup(known: Known, moved: Ints, said: Ints, left: Moves) -> tuple[Flags, Flags, _Fresh]:
    """Put records that say something else into the groups that say it.

    Args:
        moved: these records.
        said: of each of them.
        left: records that are no more.

    Returns:
        Of each group whether its records changed, and whether it has none any more; and the new ones.
    """
    before = known.group[moved]
    wanted, first, of_moved = np.unique(said, return_index=True, return_inverse=True)
    there = find(known.described["said"], wanted)
    there = there[known.component[there] != NONE]
    number = np.full(len(wanted), NONE, np.int32)
    number[np.searchsorted(wanted, at(known.described["said"], there))] = there
    fresh = np.flatnonzero(number == NONE)
    own = (len(known.described) + np.arange(len(fresh))).astype(np.int32)
    number[fresh] = own
    known.put("group", moved, number[of_moved])

    lost = np.zeros(len(known.component) + len(own), bool)
    there = before != NONE
    left = Moves(np.append(left.rows, moved[there]), np.append(left.groups, before[there]))
    lost[left.groups] = lost[number] = True
    known.component, known.cluster = longer(known.component, own), longer(known.cluster, own)
    nothing = np.zeros(len(own), bool)
    known.moved, known.inner = longer(known.moved, nothing), longer(known.inner, nothing)
    dead = _list(known, lost, Moves(moved, known.group[moved]), left)
    return lost, dead, _Fresh(own, wanted[fresh], moved[first[fresh]], before[first[fresh]])


def _list(known: Known, changed: Flags, joined: Moves, left: Moves) -> Flags:
    """List the records of groups that changed anew; returns of each group whether it has none any more."""
    nothing = np.zeros(len(changed) - len(known.starts), np.int32)
    known.starts, known.ends = longer(known.starts, nothing), longer(known.ends, nothing)
    asked = np.flatnonzero(changed)
    before = known.first(asked)
    known.list_anew(asked, joined, left)
    first, dead = known.first(asked), np.zeros(len(changed), bool)
    dead[asked] = first == NONE
    known.put("moved", asked[(first != before) & (before != NONE)], True)
    return dead


def _identity(described: pa.Table) -> Ints:
    """`Known.identity` of groups."""
    column = described["identity"]
    found = contents.number(described, ["identity"])
    found[column.is_null().to_numpy()] = ANY
    return found


def _describe(known: Known, new: pa.Table, fresh: _Fresh) -> None:
    """Add the descriptions of new groups.

    One that is led by a record that was there (now singled out, or no more) says what its group before does.

    Args:
        new: what the records say that came, which are the last ones that are known.
    """
    moved = np.flatnonzero(fresh.before != NONE)
    before, nth = np.unique(fresh.before[moved], return_inverse=True)
    rows = fresh.leaders - (len(known.record) - len(new))
    rows[moved] = len(new) + nth
    new = new.select(DESCRIBED)
    described = pa.concat_tables([new, taken(known.described.select(DESCRIBED), before).cast(new.schema)])
    added = described.take(pa.array(rows)).add_column(0, "said", pa.array(fresh.said))
    known.described = pa.concat_tables([known.described, added.cast(known.described.schema)])
    known.identity = longer(known.identity, _identity(added))
