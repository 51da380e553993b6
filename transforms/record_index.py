"""The record index: which records are present, where each is staged, and in what order they stand.

It is read piece by piece, so that an increment never has all of it in memory at once.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numba import njit

from transforms.ahead import ahead
from transforms.lookup_kernel import NONE, Ints, picked
from transforms.text_columns import buffers

PLACE = ("source_id", "batch_id", "record_no")  # what tells a record from all others, and from what it was
NAMES = PLACE[:2]  # columns with few values
Index = Callable[[list[str]], Iterator[pa.Table]]  # some columns of the records that are present, in order
WAITING = 4  # groups of rows that are read before they are asked for
AT_ONCE = 1 << 17  # records whose order is told at once


def read(files: Sequence[Path], threads: int, columns: list[str]) -> Iterator[pa.Table]:
    """Columns of the records that are present, from record indexes one after the other, piece by piece."""

    def piece(file: Path, told: pq.FileMetaData, nth: int) -> pa.Table:
        asked = [*columns, "deleted"] if _some_deleted(told.row_group(nth)) else columns
        with pq.ParquetFile(file, metadata=told, memory_map=True, read_dictionary=NAMES) as reader:
            rows = reader.read_row_group(nth, asked, use_threads=False).select(asked)
        return rows if asked is columns else rows.filter(pc.invert(rows["deleted"])).select(columns)

    told = ((file, pq.read_metadata(file)) for file in files)
    pieces = (partial(piece, file, one, nth) for file, one in told for nth in range(one.num_row_groups))
    return ahead(pieces, threads, WAITING)


def _some_deleted(group: pq.RowGroupMetaData) -> bool:
    """Whether a group of rows may have records that are deleted."""
    held = (group.column(at) for at in range(group.num_columns))
    told = next(one.statistics for one in held if one.path_in_schema == "deleted")
    return told is None or not told.has_min_max or bool(told.max)


# --- columns ---------------------------------------------------------------------------------------------


def coded(present: pa.Table) -> pa.Table:
    """Records with sources and batches as dictionaries, each with one for all of its values."""
    for name in NAMES:
        if not pa.types.is_dictionary(present.schema.field(name).type):
            present = present.set_column(
                present.schema.get_field_index(name), name, present[name].dictionary_encode()
            )
    return present.unify_dictionaries()


def named(present: pa.Table) -> pa.Table:
    """Records with sources and batches as texts."""
    for place, column in enumerate(present.schema):
        if pa.types.is_dictionary(column.type):
            present = present.set_column(place, column.name, present[column.name].cast(pa.string()))
    return present


def values(column: pa.ChunkedArray) -> pa.Array:
    """What the codes of a column stand for that mean the same in all pieces, as they do in `Known.record`."""
    last = column.num_chunks - 1
    return pa.array([], pa.string()) if last < 0 else column.chunk(last).dictionary


def coding(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The codes of a column of which they mean the same in all pieces."""
    return pa.chunked_array([chunk.indices for chunk in column.chunks], column.type.index_type)


def codes(column: pa.ChunkedArray, names: pa.Array) -> Ints:
    """Where each value of a dictionary stands among some names, NONE where it doesn't."""
    found, start = np.empty(len(column), np.int32), 0
    for chunk in column.chunks:
        if len(chunk):
            code = among(chunk.dictionary, names)
            found[start : start + len(chunk)] = picked(code, chunk.indices.to_numpy())
        start += len(chunk)
    return found


def names(*columns: pa.ChunkedArray) -> pa.Array:
    """All values of some dictionaries, in order of their bytes."""
    dictionaries = {id(chunk.dictionary): chunk.dictionary for column in columns for chunk in column.chunks}
    found = {name for dictionary in dictionaries.values() for name in dictionary.to_pylist()}
    return pa.array(sorted(found), pa.string())


def among(some: pa.Array, names: pa.Array) -> Ints:
    """Where each of some names stands among others, NONE where it doesn't."""
    return np.asarray(pc.fill_null(pc.index_in(some, names), NONE).to_numpy(zero_copy_only=False))


# --- order -----------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _bytes_differ(a, a_start, a_end, b, b_start, b_end):
    """Below, at or above 0, as the one text's bytes stand before, at or behind the other's."""
    for k in range(min(a_end - a_start, b_end - b_start)):
        if a[a_start + k] != b[b_start + k]:
            return np.int64(a[a_start + k]) - np.int64(b[b_start + k])
    return (a_end - a_start) - (b_end - b_start)


@njit(cache=True, nogil=True)
def _straight(source, data, at):
    """`straight`, where sources are ranks.

    Args:
        data, at: the bytes of all identifiers, and where each begins and the last one ends.
    """
    for row in range(1, len(source)):
        if source[row] < source[row - 1]:
            return False
        if source[row] == source[row - 1]:
            ends = np.int64(at[row - 1]), np.int64(at[row]), np.int64(at[row + 1])
            if _bytes_differ(data, ends[0], ends[1], data, ends[1], ends[2]) >= 0:
                return False
    return True


def texts(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and offsets of a column of texts, none of them null; copied only where it is in several pieces."""
    if column.nbytes >= 1 << 31:
        column = column.cast(pa.large_string())
    one = (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays([pa.array([], column.type), *column.chunks])
    )
    return buffers(one)


def straight(present: pa.Table) -> bool:
    """Whether records, which are `coded`, are in order of source and identifier, each once."""
    source = codes(present["source_id"], names(present["source_id"]))
    return bool(_straight(source, *texts(present["record_id"])))


class Order(NamedTuple):
    """In what order records stand, those that are no more too: the first ones as they lie, others between."""

    base: int  # how many stand as they lie
    added: Ints  # the rows of the others, in order
    before: Ints  # of each of them the row before which it stands; `base` at the end

    def living(self, group: Ints, coming: int) -> Ints:
        """The records that are, in order: those that are in a group, or stand in a row from `coming` on."""
        return next(self.pieces(group, coming, self.base + len(self.added)))

    def pieces(self, group: Ints, coming: int, most: int = AT_ONCE) -> Iterator[Ints]:
        """The same, at most so many at a time."""
        nth = row = 0
        while nth <= len(self.added):
            out = np.empty(most, np.int32)  # by numpy, which asks for large pages
            count, nth, row = _living(*self, group, coming, nth, row, out)
            yield out[:count]

    def _nth(self, rows: Ints) -> Ints:
        """The places in `added` of some records that are there."""
        nth = np.empty(len(self.added), np.int32)
        nth[self.added - self.base] = np.arange(len(self.added), dtype=np.int32)
        return nth[rows - self.base]

    def keys(self) -> Ints:
        """Of each record behind the first ones: by what it is put in order among others (`stands`)."""
        nth = self._nth(np.arange(self.base, self.base + len(self.added)))
        return self.before[nth].astype(np.int64) << 32 | nth

    def places(self, rows: Ints) -> Ints:
        """Where some records stand among all."""
        if not len(self.added):
            return rows
        first, out = rows < self.base, np.empty(len(rows), np.int32)
        out[first] = rows[first] + np.searchsorted(self.before, rows[first], side="right")
        others = self._nth(rows[~first])
        out[~first] = self.before[others] + others
        return out

    def with_more(self, follow: Ints) -> "Order":
        """With records that came; they have the next rows.

        Args:
            follow: of each the row before which it is put, NONE at the end; of the same one they stay in order.
        """
        if not len(follow):
            return self
        first, end = (follow >= 0) & (follow < self.base), follow == NONE
        before, place = follow.copy(), np.empty(len(follow), np.int64)
        before[end], place[end] = self.base, len(self.added)
        place[first] = np.searchsorted(self.before, follow[first], side="right")
        others = ~first & ~end
        place[others] = self._nth(follow[others])
        before[others] = self.before[place[others]]
        rows = self.base + len(self.added) + np.arange(len(follow), dtype=np.int32)
        return Order(self.base, np.insert(self.added, place, rows), np.insert(self.before, place, before))


@njit(cache=True, nogil=True)
def stands(row, base, keys):
    """A number by which records are in order, of one of them.

    Args:
        keys: `Order.keys`.
    """
    return np.int64(row) << 32 | 0xFFFFFFFF if row < base else keys[row - base]


@njit(cache=True, nogil=True)
def _living(base, added, before, group, coming, nth, row, out):
    """Fill `out` from a row on, and the nth of `added`; how many there are, and where the next ones begin."""
    count = 0
    while nth <= len(added) and count < len(out):
        behind = before[nth] if nth < len(added) else base
        end = min(behind, row + len(out) - count)
        for one in range(row, end):
            out[count] = one  # overwritten by the next one if it is no more
            count += group[one] >= 0
        row = end
        if row == behind and count < len(out):
            if nth < len(added) and (group[added[nth]] >= 0 or added[nth] >= coming):
                out[count] = added[nth]
                count += 1
            nth += 1
    return count, nth, row
