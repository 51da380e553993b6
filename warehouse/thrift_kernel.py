"""Values of Thrift's compact protocol, compiled: where one ends, and a RowGroup of Parquet moved to another place.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md; parquet.thrift for the fields.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
from numba import njit

I16, I64, DOUBLE, BINARY, LIST, STRUCT = 4, 6, 7, 8, 9, 12
LONGER = 6  # times as long a moved group is at most: a number of one byte may come to take five more
ROW_GROUP, COLUMNS, COLUMN, COLUMN_DATA, OTHER = range(5)  # what can hold places of a file
PLACE, ORDINAL = 1, 2  # kinds of numbers that change when a group moves


@njit(cache=True, nogil=True)
def _inner(inside, field):
    """What the value of a field is."""
    if inside == ROW_GROUP and field == 1:
        return COLUMNS
    if inside == COLUMN and field == 3:
        return COLUMN_DATA
    return OTHER


@njit(cache=True, nogil=True)
def _changes(inside, field):
    """Whether a field says where in the file something begins, or which group it is."""
    if inside == ROW_GROUP:
        return PLACE if field == 5 else ORDINAL if field == 7 else 0  # file_offset
    if inside == COLUMN:  # file_offset, offset_index_offset, column_index_offset
        return PLACE if field == 2 or field == 4 or field == 6 else 0
    if inside == COLUMN_DATA:  # data, index and dictionary page, bloom filter
        return PLACE if 9 <= field <= 11 or field == 14 else 0
    return 0


@njit(cache=True, nogil=True)
def number(encoded, at):
    """A number of variable length and where it ends; past the end of all if it is cut."""
    value, shift = np.uint64(0), np.uint64(0)
    while at < len(encoded) and shift < 64:
        value |= np.uint64(encoded[at] & 127) << shift
        shift += np.uint64(7)
        at += 1
        if encoded[at - 1] < 128:
            return value, at
    return value, len(encoded) + 1


@njit(cache=True, nogil=True)
def _field(encoded, at, before):
    """Number and type of a field of a struct, and where its value starts."""
    header = encoded[at]
    if header >> 4:
        return before + np.int64(header >> 4), np.int64(header & 15), at + 1
    field, at = number(encoded, at + 1)
    return np.int64(field >> np.uint64(1)), np.int64(header & 15), at


@njit(cache=True, nogil=True)
def elements(encoded, at):
    """How many elements a list has, their type, and where they start."""
    if at >= len(encoded):
        return np.uint64(0), np.int64(0), len(encoded) + 1
    count, kind = np.uint64(encoded[at] >> 4), np.int64(encoded[at] & 15)
    if count < 15:
        return count, kind, at + 1
    count, at = number(encoded, at + 1)
    return count, kind, at


@njit(cache=True, nogil=True)
def end(encoded, at, kind, inside, found):
    """Where a value ends, past the end of all if it is cut or of no kind that Parquet uses.

    Args:
        encoded: bytes.
        at: where it starts.
        kind: its type.
        inside: what it is, `ROW_GROUP` or `OTHER`.
        found: (rows, 3) for the numbers in it that change when a group moves: where each starts and ends, and
            its kind; their count is the first number of all.
    """
    size = len(encoded)
    if I16 <= kind <= I64:
        return number(encoded, at)[1]
    if kind == DOUBLE:
        return at + 8
    if kind == BINARY:
        length, at = number(encoded, at)
        return at + np.int64(min(length, np.uint64(size + 1)))
    if kind == LIST:
        count, kind, at = elements(encoded, at)
        element = COLUMN if inside == COLUMNS else OTHER
        while count > 0 and at < size:
            at = at + 1 if kind < I16 else end(encoded, at, kind, element, found)
            count -= np.uint64(1)
        return at if count == 0 else size + 1
    if kind != STRUCT:
        return size + 1
    field = np.int64(0)
    while at < size:
        if encoded[at] == 0:
            return at + 1
        field, kind, at = _field(encoded, at, field)
        start, change = at, _changes(inside, field)
        if kind < I16:  # a truth is its type, else one byte
            at += kind == 3
        else:
            at = end(encoded, at, kind, _inner(inside, field), found)
        if change and at <= size:
            found[0, 0] += 1
            found[found[0, 0]] = start, at, change
    return size + 1


@njit(cache=True, nogil=True)
def move(group, found, shift, ordinal, out):
    """Write a RowGroup with its data `shift` bytes later to `out` (`LONGER` its length); the bytes written."""
    size = at = 0
    for row in range(1, found[0, 0] + 1):
        while at < found[row, 0]:
            out[size] = group[at]
            size += 1
            at += 1
        value = number(group, at)[0]
        if found[row, 2] == ORDINAL:
            value = np.uint64(ordinal) << np.uint64(1)
        elif value:  # 0 says that there is none; a sign is kept in the last bit
            value += np.uint64(shift) << np.uint64(1)
        while value > np.uint64(127):
            out[size] = (value & np.uint64(127)) | np.uint64(128)
            value >>= np.uint64(7)
            size += 1
        out[size] = value
        size += 1
        at = found[row, 1]
    while at < len(group):
        out[size] = group[at]
        size += 1
        at += 1
    return size
