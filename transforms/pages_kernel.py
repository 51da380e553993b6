"""Page counts of extents, compiled: what `transforms.keys` says, for extents in ASCII."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from transforms.key_kernel import LONGEST, is_word, letter, packed
from transforms.text_columns import parts

_NOT_PAGES = packed("v|vol|vols|volume|volumes|cm|mm|bd|t")
_PAGE, _LEAVES, _LEAF = (np.frombuffer(text, np.uint8) for text in (b"page", b"leaves", b"leaf"))


@njit(cache=True, nogil=True)
def _word(data, p, end):
    """(packed, length) of the ASCII word (letters, digits, `_`) that begins at p."""
    word, length = np.uint64(0), 0
    while p + length < end:
        byte = data[p + length]
        if not (48 <= byte <= 57 or 65 <= byte & 0xDF <= 90 or byte == 95):
            break
        word |= letter(byte, length)
        length += 1
    return word, length


@njit(cache=True, nogil=True)
def _has(data, start, end, text):
    for p in range(start, end - len(text) + 1):
        k = 0
        while k < len(text) and data[p + k] | 0x20 == text[k]:
            k += 1
        if k == len(text):
            return True
    return False


@njit(cache=True, nogil=True)
def _pages(data, start, end):
    """The largest page count of an extent in ASCII; 0 for none, -1 where it is left over."""
    if end - start > LONGEST:
        return -1
    largest, runs, words = -1, 0, 0
    paged = False
    p = start
    while p < end:
        byte = data[p]
        if byte >= 0x80 or byte < 32:
            return -1
        word, length = _word(data, p, end)
        if length == 0:
            p += 1
            continue
        if 48 <= byte <= 57:
            value, digits = 0, 0
            while p < end and 48 <= data[p] <= 57:
                value = value * 10 + np.int64(data[p] - 48) if digits < 6 else value
                digits += 1
                p += 1
            unit = p
            while unit < end and data[unit] == 32:
                unit += 1
            word, length = _word(data, unit, end)
            if is_word(_NOT_PAGES, word, length):
                if p - digits > start and _word(data, p - digits - 1, end)[1]:
                    return -1
                p = unit + length
                continue
            runs += 1
            if digits < 6:
                largest = max(largest, value)
            continue
        words += 1
        stop = p + length  # a digit inside a word begins a run of its own
        while p < stop and not 48 <= data[p] <= 57:
            p += 1
        if p == stop:
            is_s = length == 1 and byte | 0x20 == 115 and (p < start + 2 or _word(data, p - 2, end)[1] == 0)
            paged |= is_s or data[p - 1] | 0x20 == 112
    if not paged and not (runs == 1 and words == 0):
        paged = _has(data, start, end, _PAGE) or _has(data, start, end, _LEAVES) or _has(data, start, end, _LEAF)
        if not paged:
            return 0
    return largest if largest > 0 else 0 if runs == 0 else -1


@njit(cache=True, nogil=True)
def _page_counts(data, offsets, out):
    for row in range(len(offsets) - 1):
        out[row] = _pages(data, np.int64(offsets[row]), np.int64(offsets[row + 1]))


def page_counts(values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """The largest page count of each extent, null for none, and which are left over."""
    data, offsets = parts(values)
    counts = np.empty(len(values), np.int32)
    _page_counts(data, offsets, counts)
    return pa.array(counts, mask=counts <= 0), counts < 0
