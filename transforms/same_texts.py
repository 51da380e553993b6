"""Which texts of a column are the same, and which two meet in some pairs, compiled.

Books have many copies, so the same texts meet over and over: two texts are compared once, and what is the same is
told by a number, without a look at the bytes.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from harvesters.byte_kernel import compiled, load64
from transforms.text_columns import buffers

Codes = NDArray[np.int32]
NONE = -1
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SLOTS = 1 << 12  # of the table of texts at first; a power of two
_ROW = 0xFFFFFFFF  # of a slot; above it is what tells most other texts


class Texts(NamedTuple):
    """A column of texts for compiled functions."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int32]  # where each value starts, and where the last one ends
    codes: Codes  # of each value the first row that has the same text, NONE for null


class Met(NamedTuple):
    """Texts that meet in some pairs, each two once."""

    texts: Texts
    left: Codes  # the first row of each; the first two are NONE
    right: Codes
    nth: Codes  # of each pair, which two meet there; 0 where one is null


@compiled()
def same(data, start, other, length):
    """Whether two stretches of some bytes are the same."""
    k = np.int64(0)
    if length >= 8:
        while k < length - 8 and load64(data, start + k) == load64(data, other + k):
            k += 8
        k = min(k, length - 8)
        return load64(data, start + k) == load64(data, other + k)
    while k < length and data[start + k] == data[other + k]:
        k += 1
    return k == length


@compiled()
def _digest(data, start, end):
    """31 bits."""
    found = np.uint64(end - start) * _MIX
    p = start
    while p + 8 <= end:
        found = (found ^ load64(data, p)) * _MIX
        found ^= found >> np.uint64(32)
        p += 8
    rest = np.uint64(0)
    while p < end:
        rest = rest << np.uint64(8) | np.uint64(data[p])
        p += 1
    found = (found ^ rest) * _MIX
    return np.int64((found ^ found >> np.uint64(32)) >> np.uint64(33))


@njit(cache=True, nogil=True)
def _more_room(slots):
    longer = np.full(4 * len(slots), NONE, np.int64)
    for one in slots:
        if one != NONE:
            slot = one >> 32 & len(longer) - 1
            while longer[slot] != NONE:
                slot = slot + 1 & len(longer) - 1
            longer[slot] = one
    return longer


@njit(cache=True, nogil=True)
def _codes(data, offsets, known):
    out = np.full(len(known), NONE, np.int32)
    slots, used = np.full(_SLOTS, NONE, np.int64), 0
    last = NONE
    for row in range(len(known)):
        if not known[row]:
            continue
        start, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        if last != NONE:  # many are the same as the one before
            begin = np.int64(offsets[last])
            if offsets[last + 1] - begin == end - start and same(data, start, begin, end - start):
                out[row], last = out[last], row
                continue
        last = row
        digest = _digest(data, start, end)
        slot = digest & len(slots) - 1
        while out[row] == NONE:
            one = slots[slot]
            if one == NONE:
                slots[slot], out[row], used = digest << 32 | row, row, used + 1
            elif one >> 32 == digest:
                first = one & _ROW
                begin = np.int64(offsets[first])
                if offsets[first + 1] - begin == end - start and same(data, start, begin, end - start):
                    out[row] = first
            slot = slot + 1 & len(slots) - 1
        if 2 * used > len(slots):
            slots = _more_room(slots)
    return out


def texts(values: pa.Array) -> Texts:
    """A string array for comparison."""
    data, offsets = buffers(values)
    for one in (data, offsets):
        one.setflags(write=False)  # as most are; functions are compiled for either
    return Texts(data, offsets, _codes(data, offsets, values.is_valid().to_numpy(zero_copy_only=False)))


@njit(cache=True, nogil=True)
def _meet(left, right):
    size = 16
    while size < 2 * len(left):
        size <<= 1
    slots = np.zeros(size, np.int32)
    one, other = np.full(len(left) + 1, NONE, np.int32), np.full(len(left) + 1, NONE, np.int32)
    nth, count = np.zeros(len(left), np.int32), 1
    for pair in range(len(left)):
        a, b = left[pair], right[pair]
        if a == NONE or b == NONE:
            continue
        mixed = (np.uint64(a) << np.uint64(32) | np.uint64(b)) * _MIX
        slot = np.int64(mixed >> np.uint64(32)) & size - 1
        while slots[slot] and (one[slots[slot]] != a or other[slots[slot]] != b):
            slot = slot + 1 & size - 1
        if not slots[slot]:
            slots[slot], one[count], other[count] = count, a, b
            count += 1
        nth[pair] = slots[slot]
    return one[:count], other[:count], nth


def met(of: Texts, left: Codes, right: Codes) -> Met:
    """What meets in pairs of texts, given by their codes."""
    return Met(of, *_meet(left, right))
