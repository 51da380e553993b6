"""MARCXML records as Arrow columns, by the compiled kernel; those that it leaves are told."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms import marcxml_kernel as kernel
from transforms.arena import passing
from transforms.chunk import FIELDS, RECORDS
from transforms.field_dictionaries import characters, tags
from transforms.text_columns import from_spans
from transforms.trim_kernel import STRIP, trim_spans, trimmed
from transforms.xml_units import PADDING, Units

MARC21, CNMARC, UNIMARC = "marc21", "cnmarc", "unimarc"
LEAST_ROW = 11  # bytes of the shortest element that is a row, `<subfield/>`
_HINTED = 3
_STATUSES = pa.array(["rejected", "clean", "deleted", "deleted"])  # by the states of the kernel


@dataclass(frozen=True)
class Marc:
    """What the kernel read: `records` and `fields` as a chunk has them, and which records it left."""

    records: pa.Table
    fields: pa.Table
    left: NDArray[np.bool_]


def read(
    found: Units,
    digests: NDArray[np.uint64],
    first_no: int,
    prefixes: NDArray[np.uint8],
    charset: str,
    format_hint: str,
    needs_header: bool,
) -> Marc:
    """Read MARCXML records in UTF-8.

    Args:
        found: the records.
        digests: one for each.
        first_no: number of the first.
        prefixes: declared before the first record, each with a colon behind it.
        charset: how the document calls UTF-8.
        format_hint: the source's format; breaks the tie between CNMARC and UNIMARC.
        needs_header: whether a record without the header of OAI-PMH is left.
    """
    count, bytes_ = len(found), found.size
    take, most = found.memory.take, bytes_ // LEAST_ROW + 1
    kinds = [np.int32] * 7 + [np.uint8] * 2 + [np.int32]  # the last are offsets, one more than rows
    rows = kernel.Rows._make([*(take(most + 1, kind) for kind in kinds), take(bytes_ + PADDING, np.uint8)])
    ids = passing().memory(bytes_ + PADDING).take(bytes_ + PADDING, np.uint8)
    id_offsets = np.empty(count + 1, np.int32)
    told = np.empty((kernel.TOLD, count), np.int64)
    n = kernel.read(
        found.buffer, found.starts, found.ends, first_no, needs_header, prefixes, rows, ids, id_offsets, told
    )
    values = pa.StringArray.from_buffers(n, pa.py_buffer(rows.offsets), pa.py_buffer(rows.values))
    identifiers = pa.StringArray.from_buffers(count, pa.py_buffer(id_offsets), pa.py_buffer(ids))
    return Marc(
        _records(found, digests, first_no, charset, format_hint, rows, identifiers, told),
        _fields(kernel.Rows._make(column[:n] for column in rows), values),
        told[kernel.STATE] == kernel.LEFT,
    )


def _records(
    found: Units,
    digests: NDArray[np.uint64],
    first_no: int,
    charset: str,
    format_hint: str,
    rows: kernel.Rows,
    identifiers: pa.Array,
    told: NDArray[np.int64],
) -> pa.Table:
    state = told[kernel.STATE]
    which = np.where(state == kernel.DELETED, _HINTED, told[kernel.FORMAT])
    control_numbers = _control_numbers(rows, told[kernel.ID_ROW])
    columns = [
        pa.array(np.arange(first_no, first_no + len(found), dtype=np.int32)),
        pa.array(found.places),
        pc.coalesce(trimmed(STRIP, identifiers), control_numbers),
        control_numbers,
        _formats(format_hint).take(pa.array(which)),
        pa.repeat(pa.scalar(charset), len(found)),
        _STATUSES.take(pa.array(state)),
        pa.array(digests),
    ]
    table = pa.Table.from_arrays(columns, schema=RECORDS)
    left = state == kernel.LEFT
    return table.filter(pa.array(~left)) if left.any() else table


@cache
def _formats(hint: str) -> pa.Array:
    """The names of formats by their number in the kernel, and of `_HINTED`."""
    return pa.array([MARC21, CNMARC, CNMARC if hint == CNMARC else UNIMARC, "unknown" if hint == "auto" else hint])


def _control_numbers(rows: kernel.Rows, of_record: NDArray[np.int64]) -> pa.Array:
    """The trimmed values of rows, one for each record; null for a record without (-1)."""
    at = np.maximum(of_record, 0)
    starts = rows.offsets[at]
    ends = np.where(of_record < 0, starts - 1, rows.offsets[at + 1])
    trim_spans(STRIP, rows.values, starts, ends)
    return from_spans(rows.values, starts, ends)


def _fields(rows: kernel.Rows, values: pa.Array) -> pa.Table:
    arrays = [
        pa.array(rows.record),
        pa.array(rows.field_no),
        tags(rows.tag),
        characters(rows.ind1, rows.has_indicators),
        characters(rows.ind2, rows.has_indicators),
        pa.array(rows.subfield_no),
        characters(rows.code, rows.has_code),
        values,
    ]
    return pa.Table.from_arrays(arrays, schema=FIELDS)
