"""Records that say the same, put into groups.

Spark does it by expressions alone.  DuckDB would read the wide columns twice, and sort what the record index has
in order already: there the same expressions are read once, and what is compared is kept where it is new.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates, judging, known_kernel, lookup_kernel
from transforms.candidates import COMPARED, POSITION, SHARED
from transforms.judgement import RECORD, Rulings
from transforms.known import coded, codes, named, names, straight, whole
from transforms.known_kernel import Ints
from warehouse import engine

AT_ONCE = 1 << 17  # records taken from the engine at once
PLACE = ("source_id", "batch_id", "record_no")
WIDE = 1 << 31  # bytes from which texts need long offsets


class Collapsed(NamedTuple):
    """Records in groups, and what these say."""

    member: pa.Table  # POSITION, content, sharing, said, group; in order, sources and batches as dictionaries
    described: pa.Table  # of each group: said, identity, COMPARED


def collapsed(con: BaseBackend, bib: Table, present: pa.Table | None, rulings: Rulings) -> Collapsed:
    """All records of `bib` in groups, which are numbered by title and first record.

    Args:
        present: POSITION of the records, if it is at hand.
    """
    records = candidates.prepare(bib)
    if engine.has_workers(con):
        return _by_engine(con, records, rulings)
    read = _Read().all(con, candidates.digested(records))
    present = None if present is None else coded(present)
    order = _matched(read, present) if present is not None and straight(present) else None
    if present is None or order is None:
        present = coded(con.to_pyarrow(bib.select(*POSITION).order_by(*RECORD)))
        order = _matched(read, present)
    assert order is not None
    return _grouped(con, read, present, order, rulings)


def _by_engine(con: BaseBackend, records: Table, rulings: Rulings) -> Collapsed:
    digested = engine.kept(con, "digested", candidates.numbered(candidates.digests(records)))
    told = engine.kept(con, "said", candidates.said(digested))
    said = judging.apply(told, rulings)
    firsts = candidates.firsts(said)
    nth = ibis.row_number().over(order_by=[firsts.title, firsts.row])
    firsts = engine.kept(con, "first", firsts.mutate(group=nth))
    leaders = said.join(firsts.select("row", "group"), "row").select(*RECORD, "group", "said")
    described = engine.kept(con, "described", candidates.groups(records, leaders))
    numbered = said.join(firsts.select("said", "group"), "said")
    member = engine.kept(con, "member", numbered.select(*POSITION, "content", "sharing", "said", "group"))
    found = coded(engine.taken_out(con, member, RECORD))
    return Collapsed(found, engine.taken_out(con, described, ["group"]).drop("group"))


@dataclass
class _Read:
    """What was read of records, in the order in which they came."""

    places: list[pa.RecordBatch] = field(default_factory=list)  # PLACE, sharing
    content: list[Ints] = field(default_factory=list)  # of each record, as a number
    seen: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # the contents by number
    described: list[pa.RecordBatch] = field(default_factory=list)  # of each content: identity, COMPARED, title
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))

    def all(self, con: BaseBackend, digested: Table) -> "_Read":
        """Read `candidates.digested`."""
        wanted = digested.select(*PLACE, "sharing", "content", "title", "identity", *COMPARED)
        slots, count = np.zeros(0, np.int32), 0
        for batch in con.to_pyarrow_batches(wanted, chunk_size=AT_ONCE):
            if 2 * (count + len(batch)) > len(slots):
                size = 1 << int(4 * (count + len(batch))).bit_length()
                self.seen, slots = lookup_kernel.more_room(self.seen, count, size)
            numbers, fresh = lookup_kernel.number(batch["content"].to_numpy(), slots, self.seen, count)
            count += len(fresh)
            self.content.append(numbers)
            self.places.append(batch.select([*PLACE, "sharing"]))
            self.described.append(batch.select(["title", "identity", *COMPARED]).take(pa.array(fresh)))
        self.seen = self.seen[:count]
        self.schema = wanted.schema().to_pyarrow()
        return self

    def table(self, names: list[str], batches: list[pa.RecordBatch]) -> pa.Table:
        """Some columns of all batches."""
        if not batches:
            return self.schema.empty_table().select(names)
        return pa.Table.from_batches([batch.select(names) for batch in batches])


def _matched(read: _Read, present: pa.Table) -> Ints | None:
    """The record that was read of each that is present; None if these are not the same."""
    sides = coded(read.table(list(PLACE), read.places)), present
    if len(sides[0]) != len(sides[1]):
        return None
    sources, batches = (names(*(side[name] for side in sides)) for name in ("source_id", "batch_id"))
    found = []
    for side in sides:
        batch = codes(side["source_id"], sources).astype(np.int64) * len(batches) + codes(
            side["batch_id"], batches
        )
        keys = batch << 32 | whole(side["record_no"])
        found.append(lookup_kernel.by_key(keys, np.arange(len(keys), dtype=np.int32)))
    (came, nth), (there, row) = found
    if not np.array_equal(came, there):
        return None
    order = np.empty(len(row), np.int32)
    order[row] = nth
    return order


def _grouped(con: BaseBackend, read: _Read, present: pa.Table, order: Ints, rulings: Rulings) -> Collapsed:
    content = np.concatenate([np.zeros(0, np.int32), *read.content])[order]
    sharing = whole(read.table(["sharing"], read.places)["sharing"])[order]
    columns = {"content": read.seen[content], "sharing": sharing}
    member = present.select(POSITION)
    for name, values in columns.items():
        member = member.append_column(name, pa.array(values))
    said = _said(con, member, rulings)

    own = np.flatnonzero(said != columns["content"])  # in groups of their own
    of_code = np.append(np.arange(len(read.seen), dtype=np.int32), content[own])
    said_of_code = np.append(read.seen, said[own])
    content[own] = len(read.seen) + np.arange(len(own))
    rows = np.arange(len(content), dtype=np.int32)
    _, nth, by_first = known_kernel.numbers(rows, content, np.ones(len(of_code), bool))
    title = whole(read.table(["title"], read.described)["title"])
    # those of one title stand together, so that the two of a pair are close to each other in memory
    _, by_title = lookup_kernel.by_key(title[of_code[by_first]], np.arange(len(by_first), dtype=np.int32))
    number = np.empty(len(by_title), np.int32)
    number[by_title] = np.arange(len(by_title))
    groups = by_first[by_title]
    described = {"said": pa.array(said_of_code[groups])}
    for name in ("identity", *COMPARED):
        column = read.table([name], read.described)[name]
        if column.nbytes >= WIDE:
            column = column.cast(pa.large_string())
        described[name] = pa.concat_arrays([pa.array([], column.type), *column.chunks]).take(
            pa.array(of_code[groups])
        )
    member = member.append_column("said", pa.array(said)).append_column("group", pa.array(number[nth]))
    return Collapsed(member, pa.table(described))


def _said(con: BaseBackend, member: pa.Table, rulings: Rulings) -> Ints:
    """`said` of all records."""
    said = whole(member["content"]).copy()
    rows = np.arange(len(member))
    asked = rows if rulings.pairs else np.flatnonzero(whole(member["sharing"]) != SHARED)
    if len(asked):
        some = member.take(pa.array(asked)).append_column("row", pa.array(asked))
        told = engine.kept(con, "said", candidates.said(ibis.memtable(named(some))))
        found = judging.apply(told, rulings).select("row", "said").order_by("row")
        said[asked] = whole(con.to_pyarrow(found)["said"])
        engine.drop(con, told)
    return said
