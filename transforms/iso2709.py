"""Read ISO 2709 (MARC 21, UNIMARC, CNMARC) into Arrow, chunk by chunk, at the speed of compiled code.

A record is what lies between record terminators (1D); its fields are proved by field terminators (1E).  The
directory and the leader are checked against them, never trusted: what they say wrongly is mended where the
fields pair with the directory one to one, and the record is rejected with its bytes where they don't.

Standards: ISO 2709:2008; LC, MARC 21 Specifications for Record Structure; IFLA, UNIMARC Manual.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from harvesters.landing import utf16
from transforms import charset
from transforms import iso2709_kernel as kernel
from transforms import iso2709_rows as listing
from transforms.chunk import FIELDS, RECORDS, Chunk
from transforms.field_dictionaries import characters, tags
from transforms.iso2709_blocks import PADDING, Block, blocks
from transforms.iso2709_findings import CNMARC, MARC21, UNIMARC, issues, rejected, status
from transforms.iso2709_text import CODE_OF, Parsed, Text, decode
from transforms.overlong import joined
from transforms.trim_kernel import STRIP, trimmed
from transforms.utf16 import Utf16, original_places

FORMATS = pa.array(["marc21", "cnmarc", "unimarc"])
STATUSES = pa.array(["clean", "mended", "doubtful", "deleted", "rejected"])
CHARSETS = pa.array(list(CODE_OF))


@dataclass
class _File:
    """What is known of the file so far."""

    hint: str
    encoding_hint: str
    charset: str | None
    record_no: int
    utf16: Utf16 | None = None


def read(
    stream: BinaryIO,
    format_hint: str = "auto",
    encoding_hint: str = "auto",
    chunk_bytes: int = 4 << 20,
    first_record_no: int = 0,
) -> Iterator[Chunk]:
    """Read all records of a decompressed stream, whatever state they are in.

    Each record received is one row of `records`: the sum over all chunks is `landing.count_records`.  Offsets
    are those of the stream; records are numbered from `first_record_no`.  Memory is a few times `chunk_bytes`.
    Records that were split for their length are put together (`transforms.overlong`).

    Raises:
        ValueError: `encoding_hint` names no known charset.
    """
    hint = charset.canonical(encoding_hint)
    file = _File(format_hint, hint, None, first_record_no)
    head = stream.read(64)
    if utf16(head):
        file.utf16 = Utf16(head, stream)
        head, stream = b"", cast(BinaryIO, file.utf16)
    chunks = map(partial(_chunk, file), blocks(head, stream, chunk_bytes))  # which keeps no block behind its turn
    yield from joined(chunk for chunk in chunks if chunk)


def _parse(block: Block, first_no: int) -> tuple[Parsed, NDArray[np.uint64]] | None:
    """Run the kernels over a block; None if it holds no record."""
    buffer, size, take = block.buffer, block.size, block.scratch.take
    buffer[size : size + PADDING] = 0
    room = size + 64
    marks = kernel.Marks(
        take(room, np.int32),
        take(room, np.int32),
        take(2 * room, np.int32).reshape(2, -1),
        take(room, np.int32),
        take(room // 64 + 2, np.uint64),
    )
    n, n_records, n_escapes = kernel.delimiters(buffer, size, marks)
    records = np.zeros((listing.ID_ROW + 1, n_records + 2), np.int64)
    count = kernel.units(buffer, size, marks, n_records, block.cut, records)
    if count == 0:
        return None
    records = np.ascontiguousarray(records[:, : count + 1])
    digest = np.empty(count, np.uint64)
    capacity = n + 4 * count + 16
    kinds = [np.int32] * 9 + [np.uint8] * 2
    rows = listing.Rows._make(block.memory.take(capacity, kind) for kind in kinds)
    work = take(9 * (max(size // 12, n) + 4), np.int32).reshape(9, -1)
    fields = take(7 * capacity, np.int32).reshape(7, -1)
    n_fields = listing.list_fields(buffer, marks, records, digest, count, block.cut, fields, work)
    n_rows = listing.list_rows(buffer, marks.at, records, fields, n_fields, first_no, rows)
    rows = listing.Rows._make(column[:n_rows] for column in rows)
    marks = marks._replace(escapes=marks.escapes[:n_escapes])
    return Parsed(buffer, records, rows, marks, size, first_no, block.memory), digest


def _chunk(file: _File, block: Block) -> Chunk | None:
    """The chunk of a block; None if it holds no record."""
    made = _parse(block, file.record_no)
    if made is None:
        return None
    parsed, digest = made
    if block.too_long:
        parsed.records[listing.REFUSED, :-1] = kernel.UNPAIRED
        parsed.rows = listing.Rows._make(column[:0] for column in parsed.rows)
    places, contents = parsed.records[listing.RECEIVED, :-1] + block.offset, parsed.contents()
    text, known = decode(parsed, charset.UTF_8 if file.utf16 else file.charset, file.encoding_hint)
    file.charset = known
    if file.utf16:
        text.charsets[:] = CODE_OF[charset.UTF_16]
        of_byte = original_places(block.buffer[: block.size])
        places = of_byte[parsed.records[listing.RECEIVED, :-1]] + block.offset
        contents = pa.array([file.utf16.original(value) for value in contents.to_pylist()], pa.binary())
    formats = _formats(parsed, text, file.hint)
    file.record_no += parsed.count
    return Chunk(
        _records(parsed, text, digest, formats, places),
        _fields(parsed, text),
        issues(parsed, text, formats),
        rejected(parsed, text, places, contents, block.too_long),
        contents,
    )


def _ids(parsed: Parsed, text: Text) -> pa.Array:
    """The control number (001) of each record, null where it is absent or blank."""
    rows = parsed.records[listing.ID_ROW, :-1]
    return trimmed(STRIP, text.values.take(pa.array(rows, mask=rows < 0)))


def _formats(parsed: Parsed, text: Text, hint: str) -> NDArray[np.int8]:
    """The format of each record by its tags: 245 is MARC 21; 200 is CNMARC if it looks Chinese, else UNIMARC."""
    facts = parsed.records[listing.FACTS, :-1]
    has_200, has_245 = facts & listing.HAS_200 > 0, facts & listing.HAS_245 > 0
    chinese = (text.bits & listing.HAN > 0) | (facts & (listing.HAS_690 | listing.HAS_905 | listing.CHINESE) > 0)
    if hint == "cnmarc":
        chinese[:] = True
    unimarc = has_200 & ~has_245
    tie = has_200 == has_245
    if hint in ("cnmarc", "unimarc"):
        unimarc |= tie
    elif hint == "auto":
        unimarc |= ~has_245 & (facts & (listing.HAS_801 | listing.HAS_101) > 0)
    return np.where(unimarc, np.where(chinese, CNMARC, UNIMARC), MARC21).astype(np.int8)


def _records(
    parsed: Parsed, text: Text, digest: NDArray[np.uint64], formats: NDArray[np.int8], places: NDArray[np.int64]
) -> pa.Table:
    numbers = np.arange(parsed.first, parsed.first + parsed.count, dtype=np.int32)
    ids = _ids(parsed, text)
    columns = [
        pa.array(numbers),
        pa.array(places),
        ids,
        ids,
        FORMATS.take(pa.array(formats)),
        CHARSETS.take(pa.array(text.charsets)),
        STATUSES.take(pa.array(status(parsed, text))),
        pa.array(digest),
    ]
    return pa.Table.from_arrays(columns, schema=RECORDS)


def _fields(parsed: Parsed, text: Text) -> pa.Table:
    rows = parsed.rows
    arrays = [
        pa.array(rows.record),
        pa.array(rows.field_no),
        tags(rows.tag),
        characters(rows.ind1, rows.has_indicators),
        characters(rows.ind2, rows.has_indicators),
        pa.array(rows.subfield_no),
        characters(rows.code, rows.has_code),
        text.values,
    ]
    return pa.Table.from_arrays(arrays, schema=FIELDS)
