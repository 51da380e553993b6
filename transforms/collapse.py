"""Records that say the same, put into groups.

Spark does it by expressions alone.  DuckDB would read the wide columns twice, and sort what the record index has
in order already: beside it records are read once (`transforms.distinct`), and what is compared is kept where new.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates, contents, distinct, judging, known_kernel, lookup_kernel
from transforms.ahead import ahead
from transforms.candidates import ALONE, ONE_OF_SOURCE, POSITION
from transforms.columns import whole
from transforms.distinct import DESCRIBED, Contents
from transforms.judgement import RECORD, Rulings
from transforms.known import Columns
from transforms.lookup_kernel import Ints
from transforms.record_index import coded, codes, named, names, straight
from warehouse import engine

WIDE = 1 << 31  # bytes from which texts need long offsets


class Collapsed(NamedTuple):
    """Records in groups, and what these say."""

    member: pa.Table  # POSITION, content, sharing, group; in order, sources and batches as dictionaries
    described: Columns  # of each group: said, identity, COMPARED; each made when asked for


def collapsed(
    con: BaseBackend,
    bib: Table,
    present: pa.Table | None,
    rulings: Rulings,
    folder: Path | None = None,
    files: Sequence[Path] = (),
) -> Collapsed:
    """All records of `bib` in groups, which are numbered by title and first record.

    Args:
        present: POSITION of the records, if it is at hand.
        folder: where there is room for what need not be in memory.
        files: as `match.cluster` has them.
    """
    if engine.has_workers(con):
        return _by_engine(con, candidates.prepare(bib), rulings)
    there = None if present is None else coded(present)
    read = distinct.read(con, bib, there, files, folder) if there is not None and straight(there) else None
    if there is None or read is None:
        there = coded(con.to_pyarrow(bib.select(*POSITION).order_by(*RECORD)))
        read = distinct.read(con, bib, there, (), folder)
    assert read is not None
    engine.give_back()
    return _grouped(con, read, there, rulings)


def _by_engine(con: BaseBackend, records: Table, rulings: Rulings) -> Collapsed:
    digested = engine.kept(con, "digested", candidates.numbered(contents.of(con, records)))
    told = engine.kept(con, "said", candidates.said(digested))
    said = judging.apply(told, rulings)
    firsts = candidates.firsts(said)
    nth = ibis.row_number().over(order_by=[firsts.title, firsts.row])
    firsts = engine.kept(con, "first", firsts.mutate(group=nth))
    leaders = said.join(firsts.select("row", "group"), "row").select(*RECORD, "group", "said")
    described = engine.kept(con, "described", candidates.groups(records, leaders))
    numbered = said.join(firsts.select("said", "group"), "said")
    member = engine.kept(con, "member", numbered.select(*POSITION, "content", "sharing", "group"))
    found = coded(engine.taken_out(con, member, RECORD))
    said_by = engine.taken_out(con, described, ["group"]).drop("group")
    return Collapsed(found, zip(said_by.column_names, said_by.columns, strict=True))


def _grouped(con: BaseBackend, read: Contents, present: pa.Table, rulings: Rulings) -> Collapsed:
    content = read.of_record
    columns = {"content": read.content[content], "sharing": read.sharing[content]}
    member = present.select(POSITION)
    for name, values in columns.items():
        member = member.append_column(name, pa.array(values))
    said_now = said(con, member, content, rulings)

    own = np.flatnonzero(said_now != columns["content"])  # in groups of their own
    of_code = np.append(np.arange(len(read.content), dtype=np.int32), content[own])
    said_of_code = np.append(read.content, said_now[own])
    content[own] = len(read.content) + np.arange(len(own))
    rows = np.arange(len(content), dtype=np.int32)
    _, nth, by_first = known_kernel.numbers(rows, content, np.ones(len(of_code), bool))
    # those of one title stand together, so that the two of a pair are close to each other in memory
    _, by_title = lookup_kernel.by_key(read.title[of_code[by_first]], np.arange(len(by_first), dtype=np.int32))
    number = np.empty(len(by_title), np.int32)
    number[by_title] = np.arange(len(by_title))
    groups = by_first[by_title]
    described = _described(read.described, read.row[of_code[groups]], said_of_code[groups], engine.threads(con))
    return Collapsed(member.append_column("group", pa.array(number[nth])), described)


def _described(described: pa.Table, at: Ints, said: Ints, threads: int) -> Iterator[tuple[str, pa.Array]]:
    """said and DESCRIBED of groups, each at the place of its content; each column is made when asked for."""
    rows = pa.array(at)

    def column(name: str) -> tuple[str, pa.Array]:
        values = described[name]
        if pa.types.is_string(values.type) and values.nbytes >= WIDE:
            values = values.cast(pa.large_string())
        return name, values.combine_chunks().take(rows)

    yield "said", pa.array(said)
    yield from ahead((partial(column, name) for name in DESCRIBED), threads, 1)


def said(con: BaseBackend, records: pa.Table, content: Ints, rulings: Rulings) -> Ints:
    """`candidates.said` of some records, as judged: their content, unless they stay alone.

    The engine is asked about those that may: of one source the first says its content, so one that has no other
    beside it does.

    Args:
        records: RECORD, content and sharing of records in order of their sources; all of those that may stay apart
            from each other.
        content: of each record, as a number.
    """
    found, sharing = whole(records["content"]).copy(), whole(records["sharing"])
    source = codes(records["source_id"], names(records["source_id"]))
    of_source = known_kernel.repeated(source, content, content.max(initial=0) + 1, sharing == ONE_OF_SOURCE)
    asked = np.arange(len(records)) if rulings.pairs else np.flatnonzero(of_source | (sharing == ALONE))
    if len(asked):
        some = named(records.take(asked).append_column("place", pa.array(asked)))
        told = _asked(con, some, rulings)
        found[whole(told["place"])] = whole(told["said"])
    return found


def _said(records: Table) -> Table:
    return candidates.said(candidates.numbered(records))


def _told(records: Table) -> Table:
    return _said(records).select("place", "said")


def _asked(con: BaseBackend, records: pa.Table, rulings: Rulings) -> pa.Table:
    """place and said of records, in any order."""
    if not rulings.pairs:
        return engine.answered(con, records, _told)
    told = engine.kept(con, "said", _said(ibis.memtable(records)))
    judged = con.to_pyarrow(judging.apply(told, rulings).select("place", "said"))
    engine.drop(con, told)
    return judged
