"""Parquet files of one schema as one file: groups of rows are moved as the bytes they are, not read and written.

Several processes write a table side by side, each a file of its own.  Decoding and encoding it again would cost
what they saved; a group of rows means the same anywhere, once the places in the file's footer are put right.

Format: Apache Parquet, parquet.thrift (FileMetaData, RowGroup, ColumnChunk, ColumnMetaData); Apache Thrift,
compact protocol.
"""

import struct
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from warehouse import thrift_kernel as thrift

MAGIC = b"PAR1"
SCHEMA, ROWS, GROUPS = 2, 3, 4  # fields of FileMetaData


class LayoutError(Exception):
    """A file is no Parquet file of the expected make."""


@dataclass(frozen=True)
class _Group:
    """A group of rows: where its data lies, its encoded RowGroup, and its least key."""

    path: Path
    start: int
    end: int
    encoded: bytes
    first: int


@dataclass(frozen=True)
class _File:
    """A file's groups of rows, and its footer cut into the fields of FileMetaData."""

    path: Path
    fields: dict[int, bytes]  # encoded, with their headers written from 0
    rows: int
    groups: list[_Group]


def join(target: Path, others: list[Path], key: str) -> None:
    """Move all groups of rows of other files into a file, in order of the least `key` in each.

    The bytes are those that one writer would have made of the same groups.

    Args:
        target: a complete Parquet file; replaced by a rename.
        others: files of the same schema; they are left as they are.
        key: a column of integers with statistics, by which the groups are put in order.

    Raises:
        LayoutError: the schemas differ, or a footer is not understood.
    """
    files = [_read(path, key) for path in (target, *others)]
    if len({file.fields[SCHEMA] for file in files}) > 1:
        raise LayoutError(f"{', '.join(str(file.path) for file in files)}: the schemas differ")
    rows = sum(file.rows for file in files)
    groups = sorted((group for file in files for group in file.groups), key=lambda group: group.first)
    moved = []
    made = target.with_suffix(".joined")
    with ExitStack() as stack, made.open("wb") as out:
        data = {file.path: stack.enter_context(file.path.open("rb")) for file in files}
        out.write(MAGIC)
        for number, group in enumerate(groups):
            moved.append(_moved(group.encoded, out.tell() - group.start, number))
            _copy(data[group.path], group.start, group.end - group.start, out)
        footer = _footer(files[0].fields, rows, moved)
        out.write(footer + struct.pack("<I", len(footer)) + MAGIC)
    metadata = pq.read_metadata(made)
    if (metadata.num_rows, metadata.num_row_groups) != (rows, len(groups)):
        raise LayoutError(f"{target}: {rows} rows were to be put together, but {metadata.num_rows} are there")
    made.replace(target)


def _copy(data: BinaryIO, start: int, size: int, out: BinaryIO, chunk: int = 1 << 20) -> None:
    data.seek(start)
    while size:
        some = data.read(min(size, chunk))
        if not some:
            raise LayoutError("a Parquet file became shorter while it was read")
        out.write(some)
        size -= len(some)


def _read(path: Path, key: str) -> _File:
    with path.open("rb") as file:
        file.seek(-8, 2)
        end = file.tell()
        size, magic = struct.unpack("<I4s", file.read(8))
        if magic != MAGIC or size > end:
            raise LayoutError(f"{path}: no Parquet footer")
        file.seek(end - size)
        footer = np.frombuffer(file.read(size), np.uint8)
    fields: dict[int, bytes] = {}
    at, number = 0, 0
    while at < size and footer[at]:
        number, kind, start = _header(footer, at, number)
        at = _end(footer, start, kind)
        fields[number] = bytes([number << 4 | kind]) + footer[start:at].tobytes()
    encoded = _elements(np.frombuffer(fields.get(GROUPS, b""), np.uint8)[1:])
    metadata = pq.read_metadata(path)
    column = metadata.schema.names.index(key)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    starts = [*map(_start, groups), end - size]
    return _File(
        path,
        fields,
        metadata.num_rows,
        [
            _Group(path, starts[n], starts[n + 1], encoded[n], group.column(column).statistics.min)
            for n, group in enumerate(groups)
        ],
    )


def _start(group: pq.RowGroupMetaData) -> int:
    first = group.column(0)
    return min(first.data_page_offset, first.dictionary_page_offset or first.data_page_offset)


def _header(footer: NDArray[np.uint8], at: int, before: int) -> tuple[int, int, int]:
    """Number and type of the field that begins at a place of a struct, and where its value begins."""
    delta, kind = int(footer[at]) >> 4, int(footer[at]) & 15
    if not delta or before + delta > 15:
        raise LayoutError(f"a Parquet footer has a field beyond {before} in a form that is not expected")
    return before + delta, kind, at + 1


def _elements(encoded: NDArray[np.uint8]) -> list[bytes]:
    """The elements of a list of structs."""
    if not len(encoded):
        return []
    count, _, at = thrift.elements(encoded, 0)
    found = []
    for _ in range(int(count)):
        end = _end(encoded, at, thrift.STRUCT)
        found.append(encoded[at:end].tobytes())
        at = end
    return found


def _end(encoded: NDArray[np.uint8], start: int, kind: int) -> int:
    """Where the value that starts at a place ends."""
    end = int(thrift.end(encoded, start, kind, thrift.OTHER, np.zeros((1, 3), np.int64)))
    if end > len(encoded):
        raise LayoutError("a Parquet footer is cut, or of a form that is not expected")
    return end


def _moved(group: bytes, shift: int, ordinal: int) -> bytes:
    """A RowGroup whose data begins `shift` bytes later, as the group of this number in its file."""
    encoded = np.frombuffer(group, np.uint8)
    found, out = np.zeros((len(group), 3), np.int64), np.empty(len(group) * thrift.LONGER, np.uint8)
    thrift.end(encoded, 0, thrift.STRUCT, thrift.ROW_GROUP, found)
    return out[: thrift.move(encoded, found, shift, ordinal, out)].tobytes()


def _footer(fields: dict[int, bytes], rows: int, groups: list[bytes]) -> bytes:
    """FileMetaData with other groups of rows."""
    count = len(groups)
    size = bytes([count << 4 | thrift.STRUCT]) if count < 15 else bytes([0xF0 | thrift.STRUCT]) + _encoded(count)
    changed = fields | {
        ROWS: bytes([ROWS << 4 | thrift.I64]) + _encoded(rows << 1),
        GROUPS: bytes([GROUPS << 4 | thrift.LIST]) + size + b"".join(groups),
    }
    out, before = b"", 0
    for number, value in sorted(changed.items()):
        out += bytes([number - before << 4 | value[0] & 15]) + value[1:]
        before = number
    return out + b"\0"


def _encoded(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
