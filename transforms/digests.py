"""A digest of what each row of a table says: 64 bits that do not depend on the order of the columns.

Each value that is there gives a number of its bytes and its column's name; a row's digest is the sum.  So a column
that is empty in all rows costs nothing, and one that a contract gets later changes no digest while it is empty.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from harvesters.byte_kernel import xxh64
from transforms.text_columns import padded

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@njit(cache=True, nogil=True)
def mixed(value, seed):
    """SplitMix64's finish: every bit of value and seed reaches every bit of the result."""
    h = (value + _STEP) ^ seed
    h = (h ^ (h >> np.uint64(30))) * _FIRST
    h = (h ^ (h >> np.uint64(27))) * _SECOND
    return h ^ (h >> np.uint64(31))


@njit(cache=True, nogil=True)
def _add_texts(text, ends, there, seed, digests):
    for row in range(len(digests)):
        if there[row]:
            digests[row] += mixed(xxh64(text, np.int64(ends[row]), np.int64(ends[row + 1])), seed)


@njit(cache=True, nogil=True)
def _add_words(words, there, seed, digests):
    for row in range(len(digests)):
        if there[row]:
            digests[row] += mixed(words[row], seed)


@njit(cache=True, nogil=True)
def _add_picked(entries, codes, there, digests):
    for row in range(len(digests)):
        if there[row]:
            digests[row] += entries[codes[row]]


@njit(cache=True, nogil=True)
def _of_lists(starts, text, ends, there, out):
    for row in range(len(out)):
        value = np.uint64(starts[row + 1] - starts[row])
        for at in range(starts[row], starts[row + 1]):
            value = mixed(xxh64(text, ends[at], ends[at + 1]) if there[at] else _STEP, value)
        out[row] = value


def digests(table: pa.Table, columns: Iterable[str]) -> np.ndarray:
    """The digest of these columns in each row.

    Args:
        table: whose columns are texts, lists of texts, numbers, dates, times or truth values, or dictionaries.
        columns: those that count.

    Returns:
        uint64, one for each row.
    """
    found = np.zeros(len(table), np.uint64)
    for name in columns:
        column = table[name].combine_chunks()
        if column.null_count == len(column):
            continue
        there = _there(column)
        if pa.types.is_dictionary(column.type):
            entries = digests(pa.table({name: column.dictionary}), [name])
            codes = pc.fill_null(column.indices.cast(pa.int32()), 0)
            _add_picked(entries, codes.to_numpy(), there, found)
            continue
        if pa.types.is_list(column.type):
            column = pc.binary_join(column, "\x1f")
        if pa.types.is_string(column.type):
            _add_texts(*padded(column), there, seed(name), found)
        else:
            _add_words(_words(column), there, seed(name), found)
    return found


def of_lists(lists: pa.ChunkedArray) -> pa.Array:
    """A number of the texts of each list, in their order; null where there is no list.

    It tells lists apart that are one text when they are joined, or have nulls, which `digests` takes for the same:
    that is kept in files, and so can't change.
    """
    column = lists.combine_chunks()
    starts = np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, 4 * column.offset)
    numbers = np.empty(len(column), np.uint64)
    _of_lists(starts, *padded(column.values), _there(column.values), numbers)
    return pa.array(numbers, mask=~_there(column))


def _there(column: pa.Array) -> np.ndarray:
    return pc.is_valid(column).to_numpy(zero_copy_only=False)


def seed(name: str) -> np.uint64:
    """What makes digests of what has this name others than those of the same under another."""
    text = np.frombuffer(name.encode() + bytes(8), np.uint8)
    return np.uint64(xxh64(text, 0, len(text) - 8))


def _words(column: pa.Array) -> np.ndarray:
    """Fixed values as words of 64 bits; what stands where there is none does not count."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if pa.types.is_floating(column.type):
        return np.asarray(pc.fill_null(column.cast(pa.float64()), 0.0)).view(np.uint64)
    whole = {pa.date32(): pa.int32(), pa.timestamp("us"): pa.int64()}.get(column.type)
    column = column.cast(whole) if whole else column
    if column.type == pa.uint64():
        return np.asarray(pc.fill_null(column, 0))
    return np.asarray(pc.fill_null(column.cast(pa.int64()), 0)).view(np.uint64)
