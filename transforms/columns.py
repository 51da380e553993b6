"""Columns of Arrow tables in several pieces, none of which is copied as a whole for a few of its rows."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms import lookup_kernel
from transforms.lookup_kernel import Ints


def whole(column: pa.ChunkedArray) -> npt.NDArray:
    """A column of numbers, none of them null; copied only where it is in several pieces."""
    parts = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate(parts or [np.zeros(0, np.int64)])


def at(column: pa.ChunkedArray, rows: Ints) -> npt.NDArray:
    """Some values of a column of numbers, rows in any order; it is not copied for a few of them."""
    parts = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    if len(parts) == 1 or len(rows) > len(column) >> 2:
        return whole(column)[rows]
    found, start = np.zeros(len(rows), column.type.to_pandas_dtype()), 0
    for part in parts:
        here = (rows >= start) & (rows < start + len(part))
        found[here] = part[rows[here] - start]
        start += len(part)
    return found


def find(column: pa.ChunkedArray, wanted: Ints) -> Ints:
    """Where values are among the wanted ones, which are sorted; in ascending order.  They should be digests."""
    words, found = lookup_kernel.marks(wanted), [np.zeros(0, np.int64)]
    for start, piece in _pieces(column):
        found.append(lookup_kernel.find(piece, wanted, words) + start)
    return np.concatenate(found)


def _pieces(column: pa.ChunkedArray) -> Iterator[tuple[int, npt.NDArray]]:
    """The pieces of a column of numbers, each with the row at which it begins."""
    start = 0
    for chunk in column.chunks:
        yield start, chunk.to_numpy()
        start += len(chunk)


def taken(table: pa.Table, rows: Ints) -> pa.Table:
    """Some rows, in ascending order, of a table in several pieces, of which none is copied as a whole."""
    parts, start = [], 0
    for batch in table.to_batches():
        some = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + len(batch))]
        if len(some):
            parts.append(batch.take(pa.array(some - start)))
        start += len(batch)
    return pa.Table.from_batches(parts, table.schema)
