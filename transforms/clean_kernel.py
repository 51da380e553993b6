"""Compiled parts of `transforms.clean`: each narrows the span of a value, or ends it before it starts for null.

`left` marks values that the plain function must see.  White space is what Unicode calls so; in patterns of the
plain functions `\\s` is the ASCII part of it.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from transforms.text_columns import from_bytes, from_spans, parts, spans_of

STRIP, ISBD, TITLE, EXTENT, SIZE = range(5)
SPACE, LEADING, TRAILING, AFTER_EXTENT, AFTER_SIZE = 1, 2, 4, 8, 16  # kinds of ASCII characters
_KINDS = np.zeros(128, np.uint8)
for _byte in (*range(9, 14), *range(28, 33)):
    _KINDS[_byte] |= SPACE
for _text, _kind in (("=/:;", LEADING), ("=/:;,", TRAILING), ("+;:", AFTER_EXTENT), ("+;:.", AFTER_SIZE)):
    for _character in " \t\r\n" + _text:
        _KINDS[ord(_character)] |= _kind

FIRST_STATEMENT, OTHER_STATEMENTS, AFTER_TITLE, PARALLEL, IN_BRACKETS = range(5)


@njit(cache=True, nogil=True)
def _is_space(byte):
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
def _strip(data, start, end):
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
        if not (_is_space(byte) or (byte < 0x80 and _KINDS[byte] & TRAILING)):
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
        if byte == 46 or _is_space(byte):
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
        start, end = _strip(data, start, end)
        starts[row], ends[row] = start, (end if end > start else start - 1)


def trimmed(how: int, values: pa.Array) -> pa.Array:
    """Values without what is not theirs at either end (STRIP, ISBD …); null where nothing is left."""
    spans = spans_of(values)
    trim_spans(how, *spans)
    return from_spans(*spans)


@njit(cache=True, nogil=True)
def _is_bar(data, p, end):
    """Whether the ‖ that joins subfields begins at p."""
    return p + 2 < end and data[p] == 0xE2 and data[p + 1] == 0x80 and data[p + 2] == 0x96


@njit(cache=True, nogil=True)
def _semicolon(data, start, end):
    """Where the first ` ; ` begins; the end without one."""
    for p in range(start, end - 2):
        if data[p + 1] == 59 and _is_space(data[p]) and _is_space(data[p + 2]):
            return p
    return end


@njit(cache=True, nogil=True)
def _after_title(data, start, end):
    """Between the first ‖ that no equals sign stands before and the next, up to an equals sign with spaces."""
    p = start
    while p < end:
        if _is_bar(data, p, end):
            k = p
            while k > start and _is_space(data[k - 1]):
                k -= 1
            if k > start and data[k - 1] != 61 and not (k - 3 >= start and _is_bar(data, k - 3, end)):
                break
        p += 1
    if p >= end:
        return start, start - 1
    start = p + 3
    p = start
    while p < end and not _is_bar(data, p, end):
        p += 1
    start, end = _strip(data, start, p)
    for p in range(start, end - 1):
        if data[p] == 61 and _is_space(data[p + 1]) and (p == start or _is_space(data[p - 1])):
            return start, p
    return start, end


@njit(cache=True, nogil=True)
def _parallel(data, start, end):
    """What follows the first equals sign, if it stands between spaces or before ‖, up to the next sign."""
    p = start
    while p < end and data[p] != 61:
        p += 1
    none = start, start - 1
    if p >= end - 1 or p == start or not _is_space(data[p - 1]):
        return none
    if _is_bar(data, p + 1, end):
        p += 4
    elif _is_space(data[p + 1]):
        p += 2
    else:
        return none
    while p < end and _is_space(data[p]):
        p += 1
    start = p
    while p < end and data[p] != 61 and data[p] != 58 and not _is_bar(data, p, end):
        p += 1
    start, end = _strip(data, start, p)
    for p in range(start, end - 1):
        if data[p + 1] == 47 and _is_space(data[p]) and (p + 2 == end or _is_space(data[p + 2])):
            return start, p
    return start, end


@njit(cache=True, nogil=True)
def _bracket(data, p, end):
    """(bytes, opens, closes) of the character at p: a round bracket, ASCII or full-width, or not."""
    if data[p] == 40 or data[p] == 41:
        return 1, data[p] == 40, data[p] == 41
    if data[p] == 0xEF and p + 2 < end and data[p + 1] == 0xBC and (data[p + 2] == 0x88 or data[p + 2] == 0x89):
        return 3, data[p + 2] == 0x88, data[p + 2] == 0x89
    return 1, False, False


@njit(cache=True, nogil=True)
def _in_brackets(data, start, end):
    """Between the first opening bracket and the first closing one behind it."""
    begin, p = -1, start
    while p < end:
        size, opens, closes = _bracket(data, p, end)
        if opens and begin < 0:
            begin = p + size
        elif closes and begin >= 0:
            return _strip(data, begin, p)
        p += size
    return start, start - 1


@njit(cache=True, nogil=True)
def _part_all(which, data, offsets, starts, ends, left):
    for row in range(len(offsets) - 1):
        start, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        for p in range(start, end):
            left[row] |= data[p] == 10  # patterns stop at line breaks
        if which == FIRST_STATEMENT:
            end = _semicolon(data, start, end)
        elif which == OTHER_STATEMENTS:
            p = _semicolon(data, start, end)
            start, end = (start, start - 1) if p == end else _strip(data, p + 3, end)
        elif which == AFTER_TITLE:
            start, end = _after_title(data, start, end)
        elif which == PARALLEL:
            start, end = _parallel(data, start, end)
        else:
            start, end = _in_brackets(data, start, end)
        starts[row], ends[row] = start, (end if end > start else start - 1)


def part(which: int, values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """A part of each value (FIRST_STATEMENT …), null where it has none, and which values are left over."""
    data, offsets = parts(values)
    starts, ends = np.empty(len(values), np.int32), np.empty(len(values), np.int32)
    left = np.zeros(len(values), bool)
    _part_all(which, data, offsets, starts, ends, left)
    return from_spans(data, starts, ends), left


@njit(cache=True, nogil=True)
def _year(data, start, end):
    """Where the first year of an ASCII text begins; -1 without one, -2 where the plain function must look."""
    found = -1
    p = start
    while p < end:
        byte = data[p]
        if byte >= 0x80:
            return -2
        if byte | 0x20 == 109 or byte | 0x20 == 105:  # minguo, i.e.
            dots = p + 1 < end and data[p + 1] == 46
            if (byte | 0x20 == 109 and p + 1 < end and data[p + 1] | 0x20 == 105) or (byte == 105 and dots):
                return -2
        if not 48 <= byte <= 57:
            p += 1
            continue
        begin = p
        while p < end and 48 <= data[p] <= 57:
            p += 1
        length = p - begin
        if length < 4:
            continue
        first, second = data[begin] - 48, data[begin + 1] - 48
        if length == 4 and first == 1 and 3 <= second <= 4:  # of another calendar, if one of ours is in brackets
            q = p
            while q < end and _is_space(data[q]):
                q += 1
            if q < end and data[q] == 91:
                return -2
        is_year = first == 1 or (first == 2 and second == 0)
        if length > 4:
            month = (data[begin + 4] - 48) * 10 + data[begin + 5] - 48 if length > 5 else 0
            is_year &= 1 <= month <= 12 and (length == 6 or (length == 8 and data[begin + 6] <= 51))
        if is_year and found < 0:
            found = begin
    return found


@njit(cache=True, nogil=True)
def _year_all(data, offsets, starts, ends, left):
    for row in range(len(offsets) - 1):
        found = _year(data, np.int64(offsets[row]), np.int64(offsets[row + 1]))
        left[row] = found == -2
        starts[row], ends[row] = (found, found + 4) if found >= 0 else (0, -1)


def year(values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """The first year 1000-2099 of each value, null without one, and which values are left over."""
    data, offsets = parts(values)
    starts, ends = np.empty(len(values), np.int32), np.empty(len(values), np.int32)
    left = np.zeros(len(values), bool)
    _year_all(data, offsets, starts, ends, left)
    return from_spans(data, starts, ends), left


@njit(cache=True, nogil=True)
def _holds(data, offsets, text, found):
    for row in range(len(offsets) - 1):
        for p in range(np.int64(offsets[row]), np.int64(offsets[row + 1]) - len(text) + 1):
            k = 0
            while k < len(text) and data[p + k] == text[k]:
                k += 1
            if k == len(text):
                found[row] = True
                break


def holds(values: pa.Array, texts: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which values hold one of some texts."""
    data, offsets = parts(values)
    found = np.zeros(len(values), bool)
    for text in texts:
        _holds(data, offsets, np.frombuffer(text.encode(), np.uint8), found)
    return found


@njit(cache=True, nogil=True)
def _has_han(data, offsets, found):
    for row in range(len(offsets) - 1):
        for p in range(np.int64(offsets[row]), np.int64(offsets[row + 1]) - 2):
            found[row] |= 0xE4 <= data[p] <= 0xE9 or (data[p] == 0xE3 and data[p + 1] >= 0x90)


def has_han(values: pa.Array) -> NDArray[np.bool_]:
    """Which values have a Chinese character of the basic plane (U+3400 to U+9FFF)."""
    data, offsets = parts(values)
    found = np.zeros(len(values), bool)
    _has_han(data, offsets, found)
    return found


@njit(cache=True, nogil=True)
def _without_cuts(data, offsets, out, out_offsets):
    at = np.int64(0)
    for row in range(len(offsets) - 1):
        out_offsets[row] = at
        begin = at
        p, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        while p < end:
            byte = data[p]
            size = np.int64(byte == 47 or byte == 39)
            if byte == 0xE2 and p + 2 < end and data[p + 1] == 0x80 and data[p + 2] == 0x99:
                size = 3
            if size and at > begin and 48 <= out[at - 1] <= 57:
                p += size
                continue
            out[at] = byte
            at, p = at + 1, p + 1
    out_offsets[len(offsets) - 1] = at
    return at


def without_cuts(values: pa.Array) -> pa.Array:
    """Numbers of a classification without `/`, `'` and `’` behind a digit; null as an empty one."""
    data, offsets = parts(values)
    out, out_offsets = np.empty(int(offsets[-1] - offsets[0]) + 1, np.uint8), np.empty(len(values) + 1, np.int32)
    size = _without_cuts(data, offsets, out, out_offsets)
    return from_bytes(out[:size], out_offsets, None, 0)


@njit(cache=True, nogil=True)
def _joints(data, offsets, is_heading, out, out_offsets):
    at = np.int64(0)
    for row in range(len(offsets) - 1):
        out_offsets[row] = at
        p, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        while p < end:
            run = p
            while run < end and (_is_space(data[run]) or data[run] == 44 or data[run] == 59):
                run += 1
            if is_heading:
                if run + 1 < end and data[run] == 45 and data[run + 1] == 45:
                    p = run
            else:
                for k in range(run - 3, p, -1):
                    if data[k] == 32 and data[k + 1] == 59 and data[k + 2] == 32:
                        p = k
                        break
            while p < run:
                out[at] = data[p]
                at, p = at + 1, p + 1
            if p < end:
                out[at] = data[p]
                at, p = at + 1, p + 1
    out_offsets[len(offsets) - 1] = at
    return at


def joints(values: pa.Array, is_heading: bool) -> pa.Array:
    """Values whose parts were joined by `--` (a heading) or ` ; `, without what is like a comma before it."""
    data, offsets = parts(values)
    out, out_offsets = np.empty(int(offsets[-1] - offsets[0]) + 1, np.uint8), np.empty(len(values) + 1, np.int32)
    size = _joints(data, offsets, is_heading, out, out_offsets)
    return from_bytes(out[:size], out_offsets, None, 0)


@njit(cache=True, nogil=True)
def _lccn(data, start, end, out):
    """Write a normalised number; how many characters, 0 if it is none, -1 where the plain function must look."""
    letters = digits = 0
    for p in range(start, end):
        byte = data[p]
        if byte == 47:
            break
        if byte == 45 or byte == 10:
            return -1
        if _is_space(byte):
            continue
        if 48 <= byte <= 57:
            digits += 1
        elif 97 <= byte <= 122 and digits == 0:
            letters += 1
        else:
            return 0
        if letters > 3 or digits > 10:
            return 0
        out[letters + digits - 1] = byte
    return letters + digits if digits >= 8 else 0


@njit(cache=True, nogil=True)
def _lccn_all(data, offsets, out, starts, ends, left):
    at = 0
    for row in range(len(offsets) - 1):
        size = _lccn(data, np.int64(offsets[row]), np.int64(offsets[row + 1]), out[at:])
        left[row] = size < 0
        starts[row], ends[row] = at, at + size if size > 0 else at - 1
        at += max(size, 0)


def lccn(values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """The LCCN that each value is, null for none, and which values are left over."""
    data, offsets = parts(values)
    starts, ends = np.empty(len(values), np.int32), np.empty(len(values), np.int32)
    out, left = np.empty(13 * (len(values) + 1), np.uint8), np.zeros(len(values), bool)
    _lccn_all(data, offsets, out, starts, ends, left)
    return from_spans(out, starts, ends), left
