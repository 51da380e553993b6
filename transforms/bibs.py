"""`catalog.bib` and `catalog.provenance`: golden records of all bibs, or of those alone whose records changed.

A golden record follows from the records of its bib and their members.  So where a build goes on from the one
before, bibs that still have the same records are taken from its files, and the others are merged and put between
them.  Both ways give the same bytes: rows go into groups of one size, in order of their bibs.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from operator import methodcaller
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from schemas.catalog import CATALOG_BIB, CATALOG_PROVENANCE
from schemas.columns import Table as Contract
from transforms import merge
from warehouse import lake

CHUNK = 100_000  # records merged at once
GROUP = 100_000  # rows in a group of rows of a file
_RECORD = ["bib_id", "source_id", "batch_id", "record_no"]


def write(backend: BaseBackend, bib: Table, of_record: Table, folder: Path, before: Path | None) -> None:
    """Write both tables into the folder of a build.

    Args:
        bib: `staged.bib` of the current records.
        of_record: bib_id, member_code and position of each of them.
        folder: that of the build.
        before: that of an earlier one, if its golden records hold wherever a bib has the same records.
    """
    changed = pa.array([], pa.string())
    if before:
        changed = _changed(of_record, backend.read_parquet(before / "bib_record.parquet"))
        some = backend.create_table("changed_bib", ibis.memtable(pa.table({"bib_id": changed})), temp=True)
        of_record = of_record.semi_join(some, "bib_id")
    records = merge.in_precedence(bib, of_record).to_pyarrow_batches(chunk_size=CHUNK)
    with ExitStack() as opened:
        tables = (_File(table, folder, before, changed) for table in (CATALOG_BIB, CATALOG_PROVENANCE))
        files = [opened.enter_context(file) for file in tables]
        pool = opened.enter_context(ThreadPoolExecutor(len(files)))
        for whole in _whole_bibs(records):
            list(pool.map(_File.add, files, merge.golden(whole)))
        list(pool.map(_File.add_kept, files))


def _changed(now: Table, before: Table) -> pa.Array:
    """The bibs that have other records than before, or had others, in order."""
    apart = [one.anti_join(other, _RECORD).select("bib_id") for one, other in ((now, before), (before, now))]
    found = ibis.union(*apart, distinct=True).order_by("bib_id").to_pyarrow()
    return found["bib_id"].combine_chunks()


def _whole_bibs(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Cut a stream that is ordered by bib so that no bib is divided; in pieces of CHUNK records or more."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(len(part) for part in waiting) < CHUNK:
            continue
        table = pa.Table.from_batches(waiting).combine_chunks()
        last = pc.index(table["bib_id"], table["bib_id"][-1]).as_py()
        if last:
            yield table.slice(0, last)
        waiting = table.slice(last).to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting)


class _File:
    """A table in order of bibs that is written: rows that are given, among those kept from an earlier file."""

    def __init__(self, table: Contract, folder: Path, before: Path | None, changed: pa.Array):
        name = f"{table.name}.parquet"
        self._name = table.full_name
        self._writer = pq.ParquetWriter(folder / name, table.schema, **lake.PARQUET)
        self._pieces = _kept(before / name, changed) if before else iter(())
        self._kept = self._next()
        self._waiting: list[pa.Table] = []

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, failed: object, *details: object) -> None:
        if not failed:
            self._put(self._waiting)
        self._writer.close()

    def _next(self) -> pa.Table | None:
        return next((lake.conform(self._name, piece) for piece in self._pieces if len(piece)), None)

    def add(self, rows: pa.Table) -> None:
        """Add rows of bibs that stand behind all that were added before, and the kept ones before them."""
        rows = lake.conform(self._name, rows)
        while len(rows) and (kept := self._kept) is not None:
            first = _place(rows["bib_id"], kept["bib_id"][-1])
            until = _place(kept["bib_id"], rows["bib_id"][-1])
            both = pa.concat_tables([kept.slice(0, until), rows.slice(0, first)])
            self._write(both.take(pc.sort_indices(both["bib_id"])))  # stable: rows of a bib stay as they stand
            self._kept = kept.slice(until) if until < len(kept) else self._next()
            rows = rows.slice(first)
        self._write(rows)

    def add_kept(self) -> None:
        """Add the kept rows behind all others."""
        while self._kept is not None:
            self._write(self._kept)
            self._kept = self._next()

    def _write(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= GROUP:
            table = pa.concat_tables(self._waiting)
            end = len(table) - len(table) % GROUP
            self._put([table.slice(0, end)])
            self._waiting = [table.slice(end)]

    def _put(self, tables: list[pa.Table]) -> None:
        if any(map(len, tables)):
            self._writer.write_table(pa.concat_tables(tables).combine_chunks(), row_group_size=GROUP)


def _kept(file: Path, changed: pa.Array) -> Iterator[pa.Table]:
    """The rows of a table whose bibs did not change, piece by piece; a piece may have none."""
    with pq.ParquetFile(file) as reader:
        for nth in range(reader.num_row_groups):
            piece = reader.read_row_group(nth)
            if not len(piece):
                continue
            begin, end = (_place(changed, piece["bib_id"][at]) for at in (0, -1))
            gone = pc.is_in(piece["bib_id"], changed.slice(begin, end + 1 - begin))
            yield piece.filter(pc.invert(gone))


def _place(bibs: pa.Array | pa.ChunkedArray, one: pa.Scalar) -> int:
    """How many of some bibs, which are in order, stand before one."""
    return bisect_left(bibs, one.as_py(), key=methodcaller("as_py"))
