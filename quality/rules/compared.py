"""What rules know of the other records of a batch: columns beside those of the staged tables.

A batch may have a million records, so what is kept of each is a few bytes, and no record is ever held against
all others.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit

COLUMNS = {"bib": ("is_held", "batch_has_holdings"), "item": ("same_barcode",)}
ROWS = 50_000  # read from a file at once


class Others:
    """Who holds what in a batch: `add` all of its holdings and items, then ask for `columns`."""

    def __init__(self) -> None:
        self._held = np.zeros(0, bool)  # by record number
        self._barcodes: list[np.ndarray] = []

    def add(self, rows: pa.Table) -> None:
        """Take holdings (record_no) or items (record_no, barcode)."""
        if not len(rows):
            return
        numbers = rows["record_no"].to_numpy()
        self._held = np.append(self._held, np.zeros(max(0, numbers.max() + 1 - len(self._held)), bool))
        self._held[numbers] = True
        if "barcode" in rows.column_names:
            self._barcodes.append(_hashes(rows["barcode"].drop_null()))

    @cached_property
    def _twice(self) -> tuple[np.ndarray, np.ndarray]:
        hashes = np.sort(np.concatenate([np.zeros(0, np.uint64), *self._barcodes]))
        again, counts = np.unique(hashes[1:][hashes[1:] == hashes[:-1]], return_counts=True)
        return again, counts + 1

    def beside(self, table: str, rows: pa.Table) -> pa.Table:
        """The rows of a table with their columns of `COLUMNS`.

        is_held: the record has a holding or an item.  batch_has_holdings: any record has.  same_barcode: how many
        items have this barcode; 1 where there is none.  (They are compared by 64 bits, so that of a million
        barcodes two are wrongly taken for the same in one of thirty million batches.)
        """
        if table == "bib":
            numbers = rows["record_no"].to_numpy()
            held = np.append(self._held, False)[np.minimum(numbers, len(self._held))]
            any_held = np.full(len(rows), len(self._held) > 0)
            return rows.append_column("is_held", pa.array(held)).append_column(
                "batch_has_holdings", pa.array(any_held)
            )
        if table == "item":
            same = np.ones(len(rows), np.int64)
            hashes, counts = self._twice
            if len(hashes):
                own = _hashes(pc.fill_null(rows["barcode"], ""))
                place = np.minimum(np.searchsorted(hashes, own), len(hashes) - 1)
                twice = (hashes[place] == own) & pc.is_valid(rows["barcode"]).to_numpy()
                same[twice] = counts[place[twice]]
            return rows.append_column("same_barcode", pa.array(same))
        return rows


def _hashes(values: pa.ChunkedArray) -> np.ndarray:
    parts = [np.zeros(0, np.uint64)]
    for chunk in values.chunks:
        _, offsets, data = chunk.buffers()
        found = np.zeros(len(chunk), np.uint64)
        if len(chunk) and data is not None:
            ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            _hash(np.frombuffer(data, np.uint8), ends, found)
        parts.append(found)
    return np.concatenate(parts)


@njit(cache=True, nogil=True)
def _hash(data, offsets, found):  # type: ignore[no-untyped-def]
    """FNV-1a of 64 bits, its bits mixed once more (the last steps of MurmurHash3)."""
    for row in range(len(found)):
        value = np.uint64(14695981039346656037)
        for at in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[at])) * np.uint64(1099511628211)
        value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        found[row] = value ^ (value >> np.uint64(33))


def batches(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    """The rows of a staged file, some at a time; an empty one gives an empty table."""
    with pq.ParquetFile(path) as file:
        yield file.schema_arrow.empty_table().select(columns)
        for batch in file.iter_batches(ROWS, columns=columns):
            yield pa.Table.from_batches([batch]).select(columns)


def in_step(files: dict[str, Path], columns: dict[str, list[str]]) -> Iterator[dict[str, pa.Table]]:
    """Staged tables some records at a time, each with all of its rows.

    Args:
        files: of the tables; in order of `record_no`, as staging writes them.
        columns: to read, by table; bib and others, record_no among them.
    """
    others = {name: _Following(batches(files[name], columns[name])) for name in columns if name != "bib"}
    for bib in batches(files["bib"], columns["bib"]):
        if len(bib):
            last = bib["record_no"][-1].as_py()
            yield {"bib": bib, **{name: rows.until(last) for name, rows in others.items()}}


class _Following:
    """Rows that are taken in step with the records they belong to."""

    def __init__(self, rows: Iterator[pa.Table]):
        self._rows = rows
        self._waiting = next(rows)

    def until(self, last: int) -> pa.Table:
        """The next rows, up to and with those of this record."""
        taken = []
        while True:
            count = int(np.searchsorted(self._waiting["record_no"].to_numpy(), last, side="right"))
            taken.append(self._waiting.slice(0, count))
            self._waiting = self._waiting.slice(count)
            more = None if len(self._waiting) else next(self._rows, None)
            if more is None:
                return pa.concat_tables(taken)
            self._waiting = more
