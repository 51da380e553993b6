"""What records say, each content once, read where the records are stored.

Rows that are stored alike are prepared alike.  So a digest of what is stored tells which are new, and only those
go through `candidates.prepare` on the engine and get the digest of their content.  Files are read as they lie: an
engine copies every value twice to hand it over, which takes three times as long.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates, contents, lookup_kernel
from transforms.ahead import ahead
from transforms.candidates import COMPARED, POSITION, READ
from transforms.columns import whole
from transforms.lookup_kernel import NONE, Ints
from transforms.record_index import PLACE, coded, codes, named, names
from warehouse import engine, lake

AT_ONCE = 1 << 18  # stored rows that are prepared at once
WAITING = 8  # parts of which the new rows wait while others are prepared
PART = 250_000  # records asked of the engine at once
DESCRIBED = ("identity", *COMPARED)


class Contents(NamedTuple):
    """What records say."""

    of_record: Ints  # of each record its content, as a number
    content: Ints  # the contents by number
    sharing: Ints  # of each content
    title: Ints  # of each content: `contents.title`
    row: Ints  # of each content: where it is described
    described: pa.Table  # DESCRIBED


class _Fresh(NamedTuple):
    """Rows that are stored like none before."""

    first: int  # the number of the first; the others follow
    stored: pa.Table  # READ


_Parts = Iterator[Callable[[], _Fresh]]


def read(
    con: BaseBackend, bib: Table, present: pa.Table, files: Sequence[Path], folder: Path | None
) -> Contents | None:
    """The contents of all records that are present; None where some are not there.

    Args:
        bib: `staged.bib` of these records; if it has more, None is returned.
        present: POSITION, `record_index.straight`.
        files: Parquet files of `staged.bib` with these records, and maybe more; else the engine reads `bib`.
        folder: where there is room for what need not be in memory.
    """
    threads = engine.threads(con)
    records = _Records(present, bib.select(*READ).schema().to_pyarrow(), threads)
    of_files = (partial(group.fresh, records) for group in _groups(files, present))
    parts = of_files if files else _of_engine(con, bib, present, records)
    with _Described(con, bib, folder) as described:
        for fresh in ahead(parts, threads, WAITING):
            described.add(fresh)
        found = described.all()
    if (records.number == NONE).any() or (records.others and not files):
        return None
    return found._replace(of_record=lookup_kernel.picked(found.of_record, records.number))


def few(con: BaseBackend, bib: Table, present: pa.Table, files: Sequence[Path]) -> pa.Table | None:
    """POSITION and DESCRIBED of a few records that are present, in their order; None where some are not there.

    Args:
        bib: `staged.bib`.
        present: PLACE, `record_index.coded`.
        files: Parquet files of `staged.bib` with these records, and more.
    """
    columns = ("record_id", *READ)
    schema, threads = bib.select(*columns).schema().to_pyarrow(), engine.threads(con)
    records = _Records(present, schema, threads)
    stored, rows = [schema.empty_table()], [np.zeros(0, np.int32)]
    groups = (partial(group.read, records, columns) for group in _groups(files, present))
    for some, row in ahead(groups, threads, WAITING):
        there = row != NONE
        stored.append((some if there.all() else some.filter(pa.array(there[: len(some)]))).cast(schema))
        rows.append(row[there])
    row = np.concatenate(rows)
    order = np.argsort(row)
    if not np.array_equal(row[order], np.arange(len(present))):
        return None
    found = pa.concat_tables(stored)
    if (np.diff(order) != 1).any():
        found = found.take(pa.array(order))
    described = prepared(con, found.select(READ))
    position = {"record_id": found["record_id"], **{name: named(present)[name] for name in PLACE}}
    return pa.table({name: position[name] for name in POSITION} | {name: described[name] for name in DESCRIBED})


class _Numbers:
    """Digests by number, in the order in which they first came."""

    def __init__(self) -> None:
        self._seen, self._slots, self.count = np.zeros(0, np.int64), np.zeros(0, np.int32), 0

    def of(self, digests: Ints) -> tuple[Ints, Ints]:
        """The number of each, and where those are that had not come before."""
        if 2 * (self.count + len(digests)) > len(self._slots):
            size = 1 << int(4 * (self.count + len(digests))).bit_length()
            self._seen, self._slots = lookup_kernel.more_room(self._seen, self.count, size)
        found, fresh = lookup_kernel.number(digests, self._slots, self._seen, self.count)
        self.count += len(fresh)
        return found, fresh

    def all(self) -> Ints:
        """All digests by number."""
        return self._seen[: self.count].copy()


class _Described:
    """Contents, and what each says; this goes to the folder meanwhile."""

    def __init__(self, con: BaseBackend, bib: Table, folder: Path | None):
        self._con, self._numbers = con, _Numbers()
        described = candidates.prepare(bib).select(*DESCRIBED).schema().to_pyarrow()
        self._file = folder / "contents.arrow" if folder else None
        self._sink = pa.OSFile(str(self._file), "wb") if self._file else pa.BufferOutputStream()
        self._writer = pa.ipc.new_file(self._sink, described)
        self._waiting: list[_Fresh] = []
        self._rows = 0  # that were prepared
        self._of_row: list[tuple[Ints, Ints]] = []
        self._of_content: list[tuple[Ints, Ints, Ints]] = []

    def __enter__(self) -> "_Described":
        return self

    def __exit__(self, *details: object) -> None:
        self._sink.close()
        if self._file:
            self._file.unlink()

    def add(self, fresh: _Fresh) -> None:
        """Add rows, each of which is prepared when enough of them came."""
        self._waiting.append(fresh)
        if sum(len(one.stored) for one in self._waiting) >= AT_ONCE:
            self._prepare()

    def _prepare(self) -> None:
        waiting, self._waiting = self._waiting, []
        rows = np.concatenate([np.arange(one.first, one.first + len(one.stored)) for one in waiting])
        records = prepared(self._con, pa.concat_tables([one.stored for one in waiting]))
        number, fresh = self._numbers.of(contents.content(records))
        self._of_row.append((rows, number))
        title = contents.title(records["full_title_key"])[fresh]
        self._of_content.append((contents.sharing(records)[fresh], title, fresh + self._rows))
        self._rows += len(records)
        self._writer.write_table(records)

    def all(self) -> Contents:
        """All contents; `of_record` is that of each row that was added."""
        if self._waiting:
            self._prepare()
        self._writer.close()
        kept = pa.memory_map(str(self._file)) if self._file else self._sink.getvalue()
        sharing, title, row = (np.concatenate(parts) for parts in zip(*self._of_content, strict=True))
        of_row = np.empty(self._rows, np.int32)
        for rows, number in self._of_row:
            of_row[rows] = number
        return Contents(of_row, self._numbers.all(), sharing, title, row, pa.ipc.open_file(kept).read_all())


def _made(rows: Table) -> Table:
    return rows.select("nth", **candidates.made(rows))


def prepared(con: BaseBackend, stored: pa.Table) -> pa.Table:
    """DESCRIBED of rows that are stored, in their order; columns that stay as they are do not pass the engine."""
    made = engine.answered(con, stored.append_column("nth", pa.array(np.arange(len(stored)))), _made)
    nth = whole(made["nth"])
    if len(nth) and (np.diff(nth) != 1).any():
        made = made.take(pa.array(np.argsort(nth)))
    return pa.table({name: (made if name in made.column_names else stored)[name] for name in DESCRIBED})


# --- where records are stored ------------------------------------------------------------------------------


class _Records:
    """The records that are present: where each stands, by its batch and its number there, and how it is stored."""

    def __init__(self, present: pa.Table, schema: pa.Schema, threads: int):
        self._sources, self._batches = (names(present[name]) for name in PLACE[:2])
        rows = np.arange(len(present), dtype=np.int32)
        self._keys, self._rows = lookup_kernel.by_key(self._key(present), rows, threads)
        self.number = np.full(len(present), NONE, np.int32)  # of each record; those stored alike have the same
        self.others = 0  # records that were met and are not present
        self._schema, self._alike, self._lock = schema, _Numbers(), Lock()

    def rows(self, records: pa.Table) -> Ints:
        """The row of each record, NONE for those that are not present."""
        keys, found = self._key(records), np.full(len(records), NONE, np.int32)
        order = np.arange(len(keys)) if (keys[1:] > keys[:-1]).all() else np.argsort(keys)
        starts, ends = lookup_kernel.find_ranges(self._keys, keys[order])
        there = ends > starts
        found[order[there]] = self._rows[starts[there]]
        return found

    def fresh(self, stored: pa.Table, row: Ints) -> _Fresh:
        """Number some records as they are stored, by several threads in any order; those that are new.

        Args:
            stored: READ; none where no row is given.
            row: `rows` of these.
        """
        there = row != NONE
        if not there.all():
            stored, row = stored.filter(pa.array(there[: len(stored)])), row[there]
        digests = contents.stored(stored)
        with self._lock:
            first = self._alike.count
            self.number[row], fresh = self._alike.of(digests)
            self.others += len(there) - len(row)
        return _Fresh(first, stored.take(pa.array(fresh)).cast(self._schema))

    def _key(self, records: pa.Table) -> Ints:
        source, batch = (
            codes(records[name], some).astype(np.int64)
            for name, some in zip(PLACE, (self._sources, self._batches), strict=False)
        )
        keys = (source * len(self._batches) + batch) << 32 | whole(records[PLACE[2]])
        keys[(source == NONE) | (batch == NONE)] = NONE
        return keys


class _RowGroup(NamedTuple):
    """A part of a Parquet file."""

    file: Path
    told: pq.FileMetaData
    nth: int

    def read(self, records: _Records, columns: Sequence[str]) -> tuple[pa.Table, Ints]:
        """Columns of its records, and `rows` of these; no record where none is present."""
        group = self.told.row_group(self.nth)
        held = [group.column(at) for at in range(group.num_columns)]
        dictionaries = {one.path_in_schema for one in held if one.has_dictionary_page}.intersection(columns)
        given = {"metadata": self.told, "memory_map": True, "read_dictionary": [*PLACE[:2], *dictionaries]}
        with pq.ParquetFile(self.file, **given) as reader:
            row = records.rows(reader.read_row_group(self.nth, list(PLACE), use_threads=False))
            wanted = [self.nth] if (row != NONE).any() else []
            return reader.read_row_groups(wanted, list(columns), use_threads=False), row

    def fresh(self, records: _Records) -> _Fresh:
        """`_Records.fresh` of its records."""
        return records.fresh(*self.read(records, READ))


def _groups(files: Sequence[Path], present: pa.Table) -> Iterator[_RowGroup]:
    """The parts of files that may have records that are present.

    A lake has very many files, of which a few changed records are in a few, so most are told by their folder.
    """
    batches = sorted(pc.unique(present[PLACE[1]]).to_pylist())
    for file in files:
        if (of_folder := lake.batch_of(file)) and not _among(of_folder, of_folder, batches):
            continue
        told = pq.read_metadata(file)
        for nth in range(told.num_row_groups):
            group = told.row_group(nth)
            held = (group.column(at) for at in range(group.num_columns))
            batch = next(one.statistics for one in held if one.path_in_schema == PLACE[1])
            bounds = batch is not None and batch.has_min_max
            if not bounds or _among(batch.min, batch.max, batches):
                yield _RowGroup(file, told, nth)


def _among(low: str, high: str, batches: list[str]) -> bool:
    """Whether any of some batches, which are in order, is from `low` to `high`."""
    return bisect_left(batches, low) < bisect_right(batches, high)


def _of_engine(con: BaseBackend, bib: Table, present: pa.Table, records: _Records) -> _Parts:
    for low, high in pairwise([None, *_cuts(present), None]):
        some = bib if low is None else bib.filter(bib.source_id >= low)
        some = some if high is None else some.filter(some.source_id < high)
        part = con.to_pyarrow(some.select(*PLACE, *READ))
        row = records.rows(coded(part.select(PLACE)))
        yield partial(records.fresh, part.select(READ), row)


def _cuts(present: pa.Table) -> list[str]:
    """The sources with which parts of about `PART` records begin, but for the first; of records in order."""
    sources = names(present["source_id"])
    sizes = np.bincount(codes(present["source_id"], sources), minlength=len(sources))
    part = (np.cumsum(sizes) - sizes) // PART
    return [sources[at].as_py() for at in np.flatnonzero(np.diff(part)) + 1]
