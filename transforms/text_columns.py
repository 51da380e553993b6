"""Text columns for compiled functions: the bytes and offsets of an Arrow array in, spans of bytes out.

A span is where a value starts and ends in some bytes; one that ends before it starts is null.  A compiled
function takes only what it is sure of and marks the rest as left over, which `or_else` hands to the plain
function that says what is right.  So the two must agree, and the tests hold them to it.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import unicodedata
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from harvesters.byte_kernel import copy32

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int32]
SLACK = 32  # bytes that `put` may write behind the end of what it copies


def parts(values: pa.Array) -> tuple[Bytes, Offsets]:
    """The bytes and the n + 1 offsets of a string array; a null is an empty value."""
    if values.null_count:  # a null may have bytes
        values = pc.fill_null(values, "")
    return buffers(values)


def buffers(values: pa.Array) -> tuple[Bytes, Offsets]:
    """The same as they lie there: a null may have bytes, and offsets of large strings have 64 bits."""
    if len(values) == 0:
        return np.zeros(1, np.uint8), np.zeros(1, np.int32)
    _, offsets, data = values.buffers()
    wide = np.int64 if pa.types.is_large_string(values.type) else np.int32
    ends: NDArray[Any] = np.frombuffer(offsets, wide)[values.offset : values.offset + len(values) + 1]
    return (np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)), ends


def padded(values: pa.Array) -> tuple[Bytes, NDArray[np.int64]]:
    """A copy of the bytes of a string array, with some behind them since XXH64 reads words; and the offsets."""
    data, ends = buffers(values)
    return np.append(data[ends[0] : ends[-1]], np.zeros(8, np.uint8)), ends.astype(np.int64) - ends[0]


@njit(cache=True, nogil=True)
def put(out, at, data, start, end):
    """Copy bytes to out[at]; the place behind them.  `out` needs `SLACK` more bytes."""
    if end - start <= 32 and start + 32 <= len(data):
        copy32(out, at, data, start)
    else:
        for k in range(start, end):
            out[at + k - start] = data[k]
    return at + end - start


class Spans(NamedTuple):
    """Values as where they start and end in some bytes; null where the end is before the start."""

    data: Bytes
    starts: Offsets
    ends: Offsets


@njit(cache=True, nogil=True)
def _room(starts, ends):
    total = np.int64(0)
    for row in range(len(starts)):
        total += max(np.int64(ends[row]) - np.int64(starts[row]), 0)
    return total


@njit(cache=True, nogil=True)
def _gather(data, starts, ends, out, offsets, bits):
    at, nulls = np.int64(0), 0
    for row in range(len(starts)):
        start, end = np.int64(starts[row]), np.int64(ends[row])
        offsets[row] = at
        if end < start:
            nulls += 1
            continue
        bits[row >> 3] |= np.uint8(1 << (row & 7))
        at = put(out, at, data, start, end)
    offsets[len(starts)] = at
    return nulls


def from_spans(data: Bytes, starts: Offsets, ends: Offsets) -> pa.Array:
    """The string array of spans that hold whole characters of UTF-8."""
    room = _room(starts, ends)
    out, offsets = np.empty(room + SLACK, np.uint8), np.empty(len(starts) + 1, np.int32)
    bits = np.zeros((len(starts) + 7) // 8, np.uint8)
    nulls = _gather(data, starts, ends, out, offsets, bits)
    return from_bytes(out[:room], offsets, bits, nulls)


def spans_of(values: pa.Array) -> Spans:
    """The spans of a string array."""
    data, offsets = buffers(values)
    starts, ends = offsets[:-1].copy(), offsets[1:].copy()
    if values.null_count:
        ends[~values.is_valid().to_numpy(zero_copy_only=False)] = -1
        starts[ends < 0] = 0
    return Spans(data, starts, ends)


def together(several: list[Spans]) -> Spans:
    """Spans one behind the other; what they hold is copied only where their bytes are not the same."""
    first = several[0].data
    if any(one.data is not first for one in several):
        return spans_of(pa.concat_arrays([from_spans(*one) for one in several]))
    starts, ends = (np.concatenate([one[k] for one in several]) for k in (1, 2))
    return Spans(first, starts, ends)


def from_bytes(data: Bytes, offsets: Offsets, bits: Bytes | None, nulls: int) -> pa.Array:
    """The string array of bytes, offsets, a bit for each value that is not null (if any is), and their number."""
    buffers = [pa.py_buffer(bits) if nulls else None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers, nulls)


def or_else(
    made: pa.Array, left: NDArray[np.bool_], values: pa.Array, make: Callable[[pa.Array], pa.Array]
) -> pa.Array:
    """`made`, with the values left over made by the plain function, each distinct one once."""
    if not left.any():
        return made
    mask = pa.array(left)
    return pc.replace_with_mask(made, mask, per_distinct(values.filter(mask), make))


def per_distinct(values: pa.Array, make: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """A function of whole columns for the distinct values only; null stays null."""
    encoded = values.dictionary_encode()
    return make(encoded.dictionary).take(encoded.indices)


def each_distinct(values: pa.Array, make: Callable[[str], str | None]) -> pa.Array:
    """A function of single values, for columns with few distinct ones; null stays null."""
    return per_distinct(values, lambda some: pa.array([make(text) for text in some.to_pylist()], pa.string()))


def nfkc(values: pa.Array) -> pa.Array:
    """Values in Unicode's NFKC.  Arrow's own function takes a second for its tables in every process."""
    ascii_only = pc.string_is_ascii(values)
    if pc.all(ascii_only, min_count=0).as_py():
        return values
    left = ~pc.fill_null(ascii_only, True).to_numpy(zero_copy_only=False)
    return or_else(values, left, values, lambda some: pa.array([_nfkc(text) for text in some.to_pylist()]))


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
