"""What has to be compared: all records, or those that changed since an earlier run and what they touch.

`anew` and `again` find the same; the second takes from what is `known` all that can't have changed.  A record that
came or went touches the records that were, or are, equal to it; a group that came touches all that it meets in a
block; one that came or went touches a block over the cap as a whole, for there the neighbours change.  The old
columns are only run over, by compiled code; what is worked out anew goes through the same expressions as all.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates, contents, judging, known_kernel, meeting
from transforms.candidates import ONE_OF_SOURCE, POSITION
from transforms.collapse import collapsed
from transforms.distinct import DESCRIBED
from transforms.judgement import RECORD, Rulings
from transforms.known import (
    MOST_ADDED,
    PAIR,
    SHARE_ADDED,
    Known,
    at,
    coded,
    codes,
    find,
    located,
    named,
    names,
    places,
    taken,
    whole,
)
from transforms.known_kernel import NONE, Flags, Ints
from warehouse import engine

Done = Callable[[str], None]  # is told each stage as it ends


class Touched(NamedTuple):
    """What has to be done about groups that are known, and those that were added."""

    pairs: pa.Table  # left, right: to be scored
    changed: Flags  # of each group: its records, its pairs or what people decided on it changed
    dead: Flags  # of each group: it has no record any more


def anew(
    con: BaseBackend,
    bib: Table,
    present: pa.Table | None,
    rulings: Rulings,
    folder: Path | None,
    files: Sequence[Path],
) -> Known:
    """What is to be known of all records of `bib`, without blocks, pairs and clusters.

    Args:
        present: POSITION, if it is at hand.
        folder: where what is known is kept.
        files: as `match.cluster` has them.
    """
    if folder:
        folder.mkdir(exist_ok=True)
    member, described = collapsed(con, bib, present, rulings, folder, files)
    rows = np.arange(len(member), dtype=np.int32)
    known = Known(
        record=member.select([*POSITION, "content", "sharing"]),
        said=whole(member["said"]),
        group=whole(member["group"]).astype(np.int32),
        order=rows,
        singled=rows[:0],
        described=pa.table({}),
        component=rows[:0],
        cluster=rows[:0],
        placed=meeting.PLACED.empty_table(),
        pair=PAIR.empty_table(),
        rule=rows[:0],
        decision=rows[:0],
        pair_order=rows[:0],
        large=meeting.LARGE.empty_table(),
    )
    del member
    if folder:
        known.put_down(folder, "record")
        known.put_down(folder, "described", described)
    else:
        known.described = pa.table(dict(described))
    known.present = known.record.select(POSITION)
    known.component = np.arange(len(known.described), dtype=np.int32)
    known.cluster = known.component.copy()
    known.singled = located(known, rulings.records)
    return known


def meet(con: BaseBackend, known: Known, cap: int, folder: Path | None, done: Done) -> pa.Table:
    """Place all groups in blocks, and find the pairs that meet there: left and right."""
    threads = engine.threads(con)
    known.placed = meeting.placed(known.described, threads)
    if folder:
        known.put_down(folder, "placed")
    done("blocks")
    pairs, known.large = meeting.pairs(known.placed, known.described, threads, cap)
    done("pairs")
    return pairs


# --- what changed ----------------------------------------------------------------------------------------


def again(
    con: BaseBackend, bib: Table, known: Known, present: pa.Table, cap: int, rulings: Rulings, done: Done
) -> Touched | None:
    """Bring what is known to the records that are `present`; None, and nothing done, where too much changed.

    The pairs that this removes are marked; those that it finds are for the caller to score and add.

    Args:
        bib: `staged.bib` with all that are present, and maybe more.
        present: POSITION.
    """
    present = coded(present)
    place = places(known, present)
    if place is None:
        present = coded(con.to_pyarrow(ibis.memtable(named(present)).order_by(*RECORD)))
        place = places(known, present)
    assert place is not None
    came = np.flatnonzero(place == NONE)
    if known.worn() or len(came) > max(MOST_ADDED, SHARE_ADDED * len(present)):
        return None
    judged = known.group[known.singled]
    new, left = _add_records(con, bib, known, present, place, came)
    moved = _say(con, known, came=place[came], went=left.rows, rulings=rulings)
    changed, dead, fresh = _regroup(known, moved, left.groups)
    _describe(known, new, fresh)
    done("collapse")
    pairs, turned = meeting.again(con, known, fresh.groups, dead, cap)
    changed |= turned
    changed[judged[judged != NONE]] = changed[known.group[known.singled]] = True
    sides = [whole(known.pair[side]) for side in ("left", "right")]
    known.decision[known_kernel.of_groups(sides[0], sides[1], known.decision, turned | dead)] = NONE
    known.decision[whole(known.pair["asked"])] = NONE
    done("blocks")
    return Touched(pairs, changed & ~dead, dead)


class _Left(NamedTuple):
    """Records that are no more, and the groups that they were in."""

    rows: Ints
    groups: Ints


def _add_records(
    con: BaseBackend, bib: Table, known: Known, present: pa.Table, place: Ints, came: Ints
) -> tuple[pa.Table, _Left]:
    """Add the records that came, of which `place` is told; returns what these say, in order, and who left."""
    there = np.zeros(len(known.record), bool)
    there[place[place != NONE]] = True
    gone = np.flatnonzero((known.group != NONE) & ~there)
    left = _Left(gone, known.group[gone])
    known.group[gone] = NONE

    rows = taken(present, came)
    prepared = candidates.prepare(_only(bib, rows))
    new = con.to_pyarrow(prepared.order_by(*RECORD).select(*DESCRIBED))
    for name, values in (("content", contents.content(new)), ("sharing", contents.sharing(new))):
        rows = rows.append_column(name, pa.array(values))
    place[came] = len(known.record) + np.arange(len(came))
    rows = rows.select(known.record.column_names).cast(known.record.schema)
    known.record = pa.concat_tables([known.record, rows])
    known.order, known.present = place, present
    nothing = np.full(len(came), NONE, np.int32)
    known.said, known.group = np.append(known.said, nothing), np.append(known.group, nothing)
    return new, left


def _only(bib: Table, rows: pa.Table) -> Table:
    """Some records, read from their batches alone."""
    position = ["source_id", "batch_id", "record_no"]
    wanted = pa.table([rows[name].cast(bib[name].type().to_pyarrow()) for name in position], position)
    batches = pc.unique(wanted["batch_id"]).to_pylist()
    return bib.filter(bib.batch_id.isin(batches)).semi_join(ibis.memtable(wanted), position)


def _say(con: BaseBackend, known: Known, came: Ints, went: Ints, rulings: Rulings) -> Ints:
    """Work out `said` of all records for which it may be another now; returns those for which it is."""
    content, sharing = known.record["content"], known.record["sharing"]
    source = codes(known.record["source_id"], names(known.record["source_id"]))
    there = known.group != NONE
    there[came] = True
    judged = located(known, rulings.records)
    began = np.concatenate([came, went, known.singled, judged])
    known.singled = judged
    # one of a source shares a group and the others don't, so they depend on each other
    one = began[at(sharing, began) == ONE_OF_SOURCE]
    like = find(content, np.unique(at(content, one)))
    like = like[at(sharing, like) == ONE_OF_SOURCE]
    keys, wanted = (source[rows] * np.int64(0x9E3779B97F4A7C1) + at(content, rows) for rows in (like, one))
    like = like[np.isin(keys, wanted)]
    asked = np.unique(np.concatenate([began, like]))
    asked = asked[there[asked]]
    records = taken(known.record, asked).append_column("place", pa.array(asked))
    told = engine.kept(con, "told", candidates.said(candidates.numbered(ibis.memtable(named(records)))))
    said = judging.apply(told, rulings).select("place", "said").order_by("place").to_pyarrow()
    now = said["said"].to_numpy()
    moved = (now != known.said[asked]) | (known.group[asked] == NONE)
    known.said[asked] = now
    return asked[moved]


class _Fresh(NamedTuple):
    """New groups, a record of each, and the group in which it was before, or NONE."""

    groups: Ints
    leaders: Ints
    before: Ints


def _regroup(known: Known, moved: Ints, left: Ints) -> tuple[Flags, Flags, _Fresh]:
    """Put records that say something else into the groups that say it.

    Returns:
        Of each group whether its records changed, and whether it has none any more; and the new ones.
    """
    said, before = known.said[moved], known.group[moved]
    wanted, first, of_moved = np.unique(said, return_index=True, return_inverse=True)
    there = find(known.described["said"], wanted)
    there = there[known.component[there] != NONE]
    number = np.full(len(wanted), NONE, np.int32)
    number[np.searchsorted(wanted, at(known.described["said"], there))] = there
    fresh = np.flatnonzero(number == NONE)
    own = (len(known.described) + np.arange(len(fresh))).astype(np.int32)
    number[fresh] = own
    known.group[moved] = number[of_moved]

    known.component, known.cluster = np.append(known.component, own), np.append(known.cluster, own)
    lost = np.zeros(len(known.component), bool)
    lost[left] = lost[before[before != NONE]] = True
    dead = lost & ~known_kernel.still_there(known.group, lost)
    lost[number] = True
    return lost, dead, _Fresh(own, moved[first[fresh]], before[first[fresh]])


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
    described = pa.concat_tables([new, taken(known.described.select(DESCRIBED), before).cast(new.schema)])
    added = described.take(pa.array(rows)).add_column(0, "said", pa.array(known.said[fresh.leaders]))
    known.described = pa.concat_tables([known.described, added.cast(known.described.schema)])
