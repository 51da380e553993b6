"""Compiled parts of `transforms.clean`: each narrows the span of a value, or ends it before it starts for null.

`left` marks values that the plain function must see.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from transforms.text_columns import from_bytes, from_spans, parts
from transforms.trim_kernel import is_space, strip

FIRST_STATEMENT, OTHER_STATEMENTS, AFTER_TITLE, PARALLEL, IN_BRACKETS = range(5)


@njit(cache=True, nogil=True)
def _is_bar(data, p, end):
    """Whether the ‖ that joins subfields begins at p."""
    return p + 2 < end and data[p] == 0xE2 and data[p + 1] == 0x80 and data[p + 2] == 0x96


@njit(cache=True, nogil=True)
def _semicolon(data, start, end):
    """Where the first ` ; ` begins; the end without one."""
    for p in range(start, end - 2):
        if data[p + 1] == 59 and is_space(data[p]) and is_space(data[p + 2]):
            return p
    return end


@njit(cache=True, nogil=True)
def _after_title(data, start, end):
    """Between the first ‖ that no equals sign stands before and the next, up to an equals sign with spaces."""
    p = start
    while p < end:
        if _is_bar(data, p, end):
            k = p
            while k > start and is_space(data[k - 1]):
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
    start, end = strip(data, start, p)
    for p in range(start, end - 1):
        if data[p] == 61 and is_space(data[p + 1]) and (p == start or is_space(data[p - 1])):
            return start, p
    return start, end


@njit(cache=True, nogil=True)
def _parallel(data, start, end):
    """What follows the first equals sign, if it stands between spaces or before ‖, up to the next sign."""
    p = start
    while p < end and data[p] != 61:
        p += 1
    none = start, start - 1
    if p >= end - 1 or p == start or not is_space(data[p - 1]):
        return none
    if _is_bar(data, p + 1, end):
        p += 4
    elif is_space(data[p + 1]):
        p += 2
    else:
        return none
    while p < end and is_space(data[p]):
        p += 1
    start = p
    while p < end and data[p] != 61 and data[p] != 58 and not _is_bar(data, p, end):
        p += 1
    start, end = strip(data, start, p)
    for p in range(start, end - 1):
        if data[p + 1] == 47 and is_space(data[p]) and (p + 2 == end or is_space(data[p + 2])):
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
            return strip(data, begin, p)
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
            start, end = (start, start - 1) if p == end else strip(data, p + 3, end)
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
            while q < end and is_space(data[q]):
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
            while run < end and (is_space(data[run]) or data[run] == 44 or data[run] == 59):
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
        if is_space(byte):
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
