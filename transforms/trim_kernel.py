"""Values without what is not theirs at either end, compiled: white space, and punctuation of ISBD.

Each narrows the span of a value, or ends it before it starts for null.  White space is what Unicode calls so; in
patterns of `transforms.clean` `\\s` is the ASCII part of it.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
import pyarrow as pa
from numba import njit

from transforms.text_columns import from_spans, spans_of

STRIP, ISBD, TITLE, EXTENT, SIZE = range(5)
SPACE, LEADING, TRAILING, AFTER_EXTENT, AFTER_SIZE = 1, 2, 4, 8, 16  # kinds of ASCII characters
_KINDS = np.zeros(128, np.uint8)
for _byte in (*range(9, 14), *range(28, 33)):
    _KINDS[_byte] |= SPACE
for _text, _kind in (("=/:;", LEADING), ("=/:;,", TRAILING), ("+;:", AFTER_EXTENT), ("+;:.", AFTER_SIZE)):
    for _character in " \t\r\n" + _text:
        _KINDS[ord(_character)] |= _kind


@njit(cache=True, nogil=True)
def is_space(byte):
    """Whether a byte is what `\\s` means in a pattern."""
    return byte == 32 or byte == 9 or byte == 10 or byte == 12 or byte == 13


@njit(cache=True, nogil=True)
def _wide_space(data, p, end):
    """Bytes of the white space beyond ASCII that begins at p, else 0."""
    if data[p] == 0xC2:
        return 2 if p + 1 < end and (data[p + 1] == 0x85 or data[p + 1] == 0xA0) else 0
    if p + 2 >= end:
        return 0
    second, third = data[p + 1], data[p + 2]
    if data[p] == 0xE2:
        if second == 0x80 and (0x80 <= third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF):
            return 3
        return 3 if second == 0x81 and third == 0x9F else 0
    if data[p] == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0
    return 3 if data[p] == 0xE1 and second == 0x9A and third == 0x80 else 0


@njit(cache=True, nogil=True)
def strip(data, start, end):
    """Without white space at either end."""
    while start < end:
        size = _KINDS[data[start]] & SPACE if data[start] < 0x80 else _wide_space(data, start, end)
        if not size:
            break
        start += size
    while start < end:
        size = _KINDS[data[end - 1]] & SPACE if data[end - 1] < 0x80 else 0
        if not size and data[end - 1] >= 0x80:
            for width in (2, 3):
                if end - width >= start and data[end - width] >= 0xC0:
                    size = _wide_space(data, end - width, end)
        if not size:
            break
        end -= size
    return start, end


@njit(cache=True, nogil=True)
def _no_break_space(data, p, end):
    """Bytes of U+00A0 or U+3000 at p, else 0: what stands beside punctuation."""
    if data[p] == 0xC2:
        return 2 if p + 1 < end and data[p + 1] == 0xA0 else 0
    wide = data[p] == 0xE3 and p + 2 < end and data[p + 1] == 0x80 and data[p + 2] == 0x80
    return 3 if wide else 0


@njit(cache=True, nogil=True)
def _trim_end(data, start, end, kind):
    """Without punctuation of a kind at the end."""
    while start < end:
        byte = data[end - 1]
        size = 0
        if byte < 0x80:
            size = np.int64(_KINDS[byte] & kind != 0)
        elif end - 2 >= start and data[end - 2] == 0xC2:
            size = _no_break_space(data, end - 2, end)
        elif end - 3 >= start and data[end - 3] == 0xE3:
            size = _no_break_space(data, end - 3, end)
        if not size:
            break
        end -= size
    return end


@njit(cache=True, nogil=True)
def _trim(data, start, end):
    """Without ISBD punctuation at either end, and a bracket whose fellow is in another subfield."""
    while start < end:
        byte = data[start]
        size = np.int64(_KINDS[byte] & LEADING != 0) if byte < 0x80 else _no_break_space(data, start, end)
        if not size:
            break
        start += size
    end = _trim_end(data, start, end, TRAILING)
    if start == end:
        return start, end
    opens, closes = data[start] == 91, data[end - 1] == 93
    if opens == closes:
        return start, end
    for p in range(start, end):
        if data[p] == (93 if opens else 91):
            return start, end
    if opens:
        return start + 1, end
    end -= 1
    while start < end:
        byte = data[end - 1]
        if not (is_space(byte) or (byte < 0x80 and _KINDS[byte] & TRAILING)):
            break
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _without_stop(data, start, end):
    """The end without a full stop, unless it ends an abbreviation or an ellipsis."""
    if end - start >= 2 and data[end - 1] == 46:
        stop = end - 1
    elif end - start >= 4 and data[end - 3] == 0xE3 and data[end - 2] == 0x80 and data[end - 1] == 0x82:
        stop = end - 3
    else:
        return end
    p, letters = stop, 0
    while p > start and letters < 4:
        p -= 1
        byte = data[p]
        if byte & 0xC0 == 0x80:
            continue
        if byte == 46 or is_space(byte):
            return end
        if letters == 0 and stop - p == 3 and 0xE4 <= byte <= 0xE9 and (byte > 0xE4 or data[p + 1] >= 0xB8):
            return stop  # after a Chinese character
        letters += 1
    return stop if letters == 4 else end


@njit(cache=True, nogil=True)
def trim_spans(how, data, starts, ends):
    """Narrow spans to what is theirs (STRIP, ISBD …); null where nothing is left."""
    for row in range(len(starts)):
        start, end = np.int64(starts[row]), np.int64(ends[row])
        if how == EXTENT:
            end = _trim_end(data, start, end, AFTER_EXTENT)
        elif how == SIZE:
            end = _trim_end(data, start, end, AFTER_SIZE)
        if how != STRIP:
            start, end = _trim(data, start, end)
        if how == TITLE:
            end = _without_stop(data, start, end)
        start, end = strip(data, start, end)
        starts[row], ends[row] = start, (end if end > start else start - 1)


def trimmed(how: int, values: pa.Array) -> pa.Array:
    """Values without what is not theirs at either end (STRIP, ISBD …); null where nothing is left."""
    spans = spans_of(values)
    trim_spans(how, *spans)
    return from_spans(*spans)
