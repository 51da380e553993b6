"""Records that say the same, put into groups.

Spark does it by expressions alone.  DuckDB would read the wide columns twice, and sort what the record index has
in order already: there the same expressions are read once, and what is compared is kept where it is new.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates, contents, judging, known_kernel, lookup_kernel
from transforms.candidates import COMPARED, POSITION, SHARED
from transforms.judgement import RECORD, Rulings
from transforms.known import Columns, coded, codes, named, names, straight, whole
from transforms.known_kernel import Ints
from warehouse import engine

AT_ONCE = 1 << 17  # records taken from the engine at once
PART = 500_000  # records asked for at once: DuckDB's threads work side by side while the answer fits its buffer
PLACE = ("source_id", "batch_id", "record_no")
NAME = pa.dictionary(pa.int32(), pa.string())
PLACES = pa.schema([*((name, NAME) for name in PLACE[:2]), (PLACE[2], pa.int32()), ("sharing", pa.int8())])
DESCRIBED = ("identity", *COMPARED)
WIDE = 1 << 31  # bytes from which texts need long offsets


class Collapsed(NamedTuple):
    """Records in groups, and what these say."""

    member: pa.Table  # POSITION, content, sharing, said, group; in order, sources and batches as dictionaries
    described: Columns  # of each group: said, identity, COMPARED; each made when asked for


def collapsed(
    con: BaseBackend, bib: Table, present: pa.Table | None, rulings: Rulings, folder: Path | None
) -> Collapsed:
    """All records of `bib` in groups, which are numbered by title and first record.

    Args:
        present: POSITION of the records, if it is at hand.
        folder: where there is room for what need not be in memory.
    """
    if engine.has_workers(con):
        return _by_engine(con, candidates.prepare(bib), rulings)
    there = None if present is None else coded(present)
    if there is not None and not straight(there):
        there = None
    read = _read(con, bib, [] if there is None else _cuts(there), folder)
    engine.give_back()
    order = None if there is None else _matched(read, there)
    if there is None or order is None:
        there = coded(con.to_pyarrow(bib.select(*POSITION).order_by(*RECORD)))
        order = _matched(read, there)
    assert order is not None
    return _grouped(con, read, there, order, rulings)


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
    member = engine.kept(con, "member", numbered.select(*POSITION, "content", "sharing", "said", "group"))
    found = coded(engine.taken_out(con, member, RECORD))
    said_by = engine.taken_out(con, described, ["group"]).drop("group")
    return Collapsed(found, zip(said_by.column_names, said_by.columns, strict=True))


class _Read(NamedTuple):
    """What was read of records, in the order in which they came."""

    place: pa.Table  # PLACES
    content: Ints  # of each record, as a number
    seen: Ints  # the contents by number
    title: Ints  # of each content: `contents.title`
    described: pa.Table  # of each content: DESCRIBED


def _read(con: BaseBackend, bib: Table, cuts: list[str], folder: Path | None) -> _Read:
    """Read all records, in parts that begin with some sources; what contents say goes to the folder meanwhile.

    All of it is copied out of what the engine gives, whose columns live as long as any of them.
    """
    wanted = candidates.prepare(bib).select(*PLACE, *DESCRIBED)
    schema = pa.schema([wanted.schema().to_pyarrow().field(name) for name in DESCRIBED])
    file = folder / "contents.arrow" if folder else None
    sink = pa.OSFile(str(file), "wb") if file else pa.BufferOutputStream()
    slots, seen, count = np.zeros(0, np.int32), np.zeros(0, np.int64), 0
    places, numbers, titles = [], [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    with pa.ipc.new_file(sink, schema) as writer:
        for batch in _ahead(_batches(con, wanted, cuts)):
            if 2 * (count + len(batch)) > len(slots):
                size = 1 << int(4 * (count + len(batch))).bit_length()
                seen, slots = lookup_kernel.more_room(seen, count, size)
            records = pa.Table.from_batches([batch])
            found, fresh = lookup_kernel.number(contents.content(records), slots, seen, count)
            count += len(fresh)
            numbers.append(found)
            places.append(_place(batch, contents.sharing(records)))
            new = records.select(DESCRIBED).take(pa.array(fresh))
            titles.append(contents.title(new["full_title_key"]))
            writer.write_table(new)
    if file:
        sink.close()
        described = pa.ipc.open_file(pa.memory_map(str(file))).read_all()
        file.unlink()
    else:
        described = pa.ipc.open_file(sink.getvalue()).read_all()
    place = pa.Table.from_batches(places, PLACES).unify_dictionaries()
    return _Read(place, np.concatenate(numbers), seen[:count].copy(), np.concatenate(titles), described)


def _cuts(present: pa.Table) -> list[str]:
    """The sources with which parts of about `PART` records begin, but for the first; of records in order."""
    sources = names(present["source_id"])
    sizes = np.bincount(codes(present["source_id"], sources), minlength=len(sources))
    part = (np.cumsum(sizes) - sizes) // PART
    return [sources[at].as_py() for at in np.flatnonzero(np.diff(part)) + 1]


def _batches(con: BaseBackend, wanted: Table, cuts: list[str]) -> Iterator[pa.RecordBatch]:
    for low, high in pairwise([None, *cuts, None]):
        some = wanted if low is None else wanted.filter(wanted.source_id >= low)
        some = some if high is None else some.filter(some.source_id < high)
        yield from con.to_pyarrow_batches(some, chunk_size=AT_ONCE)


T = TypeVar("T")


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, each of which is made while the one before it is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def _place(batch: pa.RecordBatch, sharing: npt.NDArray[np.int8]) -> pa.RecordBatch:
    texts = [batch[name].dictionary_encode() for name in PLACE[:2]]
    numbers = [pa.array(batch[PLACE[2]].to_numpy().copy()), pa.array(sharing)]
    return pa.record_batch([*texts, *numbers], PLACES)


def _matched(read: _Read, present: pa.Table) -> Ints | None:
    """The record that was read of each that is present; None if these are not the same."""
    sides = read.place, present
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
    content = read.content[order]
    sharing = whole(read.place["sharing"])[order]
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
    # those of one title stand together, so that the two of a pair are close to each other in memory
    _, by_title = lookup_kernel.by_key(read.title[of_code[by_first]], np.arange(len(by_first), dtype=np.int32))
    number = np.empty(len(by_title), np.int32)
    number[by_title] = np.arange(len(by_title))
    groups = by_first[by_title]
    described = _ahead(_described(read.described, of_code[groups], said_of_code[groups]))
    member = member.append_column("said", pa.array(said)).append_column("group", pa.array(number[nth]))
    return Collapsed(member, described)


def _described(described: pa.Table, at: Ints, said: Ints) -> Iterator[tuple[str, pa.Array]]:
    """said and DESCRIBED of groups, each at the place of its content; each column is made when asked for."""
    yield "said", pa.array(said)
    for name in DESCRIBED:
        column = described[name]
        if pa.types.is_string(column.type) and column.nbytes >= WIDE:
            column = column.cast(pa.large_string())
        yield name, column.combine_chunks().take(pa.array(at))


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
