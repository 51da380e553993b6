"""Compiled kernels for ISO 2709: list the rows of located records, and copy or transcode their values.

See `iso2709_kernel` for how chunks are held in memory.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.byte_kernel import load64, number, store64, xxh64
from transforms.iso2709_kernel import (
    BASE,
    BETWEEN,
    CODE,
    CUT,
    DELIMITER,
    DIRECTORY,
    ESCAPE,
    FIELD_END,
    GUESSED,
    INDICATOR,
    LEADER,
    LEADER_ODD,
    LENGTH,
    LETTERS,
    OVERLONG,
    SHIFTED,
    TAG,
    TERMINATOR,
    UNPAIRED,
    locate,
)

# What the fields of a record say about its format; one bit each in `facts`.
HAS_200, HAS_245, HAS_801, HAS_690, HAS_905, HAS_210, HAS_101, CHINESE = 1, 2, 4, 8, 16, 32, 64, 128
IS_100 = 256
_FACTS = np.zeros(1000, np.int64)
for _number_of, _bit in (
    (200, 1),
    (245, 2),
    (801, 4),
    (690, 8),
    (905, 16),
    (906, 16),
    (210, 32),
    (101, 64),
    (100, IS_100),
):
    _FACTS[_number_of] = _bit

TAG_LEADER, TAG_ODD = 1000, 1001  # 0-999 are three digits; TAG_ODD + three packed bytes for all others
NO_CODE = 128  # index of the empty code; 0-127 are ASCII characters
# Rows of `records`: one column a record, and one that is not used.
UNIT_START, UNIT_END, FIRST, LAST, FLAGS, REFUSED, FACTS, LABEL, ID_ROW = range(9)


class Rows(NamedTuple):
    """One row a subfield or control field; arrays of equal length.

    Indicators and codes are ASCII values, or NO_CODE; `start` and `end` are positions in the chunk.
    """

    record: NDArray[np.int32]
    field_no: NDArray[np.int32]
    tag: NDArray[np.int32]
    ind1: NDArray[np.int32]
    ind2: NDArray[np.int32]
    subfield_no: NDArray[np.int32]
    code: NDArray[np.int32]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    has_indicators: NDArray[np.uint8]
    has_code: NDArray[np.uint8]


# What the bytes of a record's values are; one bit each in `text`.
NON_ASCII, NOT_UTF8, HAN, REPLACEMENT, CONTROL = 1, 2, 4, 8, 16

_HIGH, _20, _ALL = np.uint64(0x8080808080808080), np.uint64(0x2020202020202020), np.uint64(0xFFFFFFFFFFFFFFFF)

_TWO_BYTES, _THREE_BYTES = np.uint64(0xFFFF), np.uint64(0xFFFFFF)
_22, _450 = np.uint64(0x3232), np.uint64(0x303534)  # as little-endian words

FOREIGN_BYTES = 64  # how far before a leader foreign bytes are looked for


@njit(cache=True)
def _tag(buffer, entry):
    """The index of a tag, and its flag if it is not three digits."""
    digits = number(buffer, entry, 3)
    if digits >= 0:
        return digits, 0
    packed = 0
    flag = LETTERS
    for k in range(3):
        byte = np.int64(buffer[entry + k])
        packed = (packed << 8) | byte
        if not (48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122):
            flag = TAG
    return TAG_ODD + packed, flag


@njit(cache=True)
def _leader(buffer, start, end, base):
    """What is wrong with the leader of a located record."""
    flags = 0
    if end - start + 1 > 99_999:
        flags |= OVERLONG
    elif number(buffer, start, 5) != end - start + 1:
        flags |= LENGTH
    if number(buffer, start + 12, 5) != base:
        flags |= BASE
    counts, entry_map = load64(buffer, start + 10) & _TWO_BYTES, load64(buffer, start + 20) & _THREE_BYTES
    if counts != _22 or entry_map != _450:
        flags |= LEADER_ODD
    return flags


@njit(cache=True)
def _fact(buffer, tag, start, end):
    """The bits that one field adds to `facts`: its tag, and Chinese named in 100$a/22-24 or 801$a."""
    fact = _FACTS[tag]
    if tag == 100 and end - start >= 29:
        p = start + 26
        if buffer[p] == 99 and buffer[p + 1] == 104 and buffer[p + 2] == 105:
            fact |= CHINESE
    elif tag == 801:
        for p in range(start, end - 3):
            if buffer[p] == DELIMITER and buffer[p + 1] == 97 and buffer[p + 2] == 67 and buffer[p + 3] == 78:
                fact |= CHINESE
    return fact


@njit(cache=True)
def _find(buffer, start, end, found, first, last, work):
    """Locate a record, if need be a little before or behind `start`; (start, first, n, flags, refused).

    Elsewhere than at `start` a record is only believed if its base address and whole directory are right.
    """
    n, flags, refused = locate(buffer, start, end, found, first, last, work)
    if refused == 0:
        return start, first, n, flags, refused
    for p in range(max(0, start - 4), min(start + FOREIGN_BYTES, end - LEADER)):
        at = first + np.searchsorted(found[first:last], p)
        if p == start or at >= last or number(buffer, p + 12, 5) != found[at] + 1 - p:
            continue
        n_there, flags_there, refused_there = locate(buffer, p, end, found, at, last, work)
        if refused_there == 0 and flags_there == 0 and n_there > 0:
            return p, at, n_there, SHIFTED, 0
    return start, first, n, flags, refused


@njit(cache=True)
def list_fields(buffer, found, records, digest, count, cut, fields, work):
    """Verify every record and list its fields, the leader first; the number of fields.

    `records` comes from `units` and is completed; `digest` takes the XXH64 of each record.  `cut`: the last
    record has no terminator.  `fields` takes, by row: the record, number, tag, start, end and first delimiter.
    """
    f = 0
    for r in range(count):
        end, first, last = records[UNIT_END, r], records[FIRST, r], records[LAST, r]
        begin = 0 if first == 0 else found[first - 1] + 1
        p, low, n, flag, why = _find(buffer, records[UNIT_START, r], end, found, first, last, work)
        if records[UNIT_START, r] > begin and p >= records[UNIT_START, r]:
            flag |= BETWEEN
        digest[r] = xxh64(buffer, p, end)
        if cut and r == count - 1:
            flag |= CUT
            if why == 0 and flag & (DIRECTORY | TERMINATOR):  # the last value is not whole
                why = UNPAIRED
        records[UNIT_START, r], records[REFUSED, r], records[FACTS, r], records[LABEL, r] = p, why, 0, 0
        if why == 0:
            entries = found[low] - 12 * n
            flag |= _leader(buffer, p, end, found[low] + 1 - p)
            if flag & DIRECTORY and flag & TERMINATOR:
                flag |= GUESSED
            fields[0, f], fields[1, f], fields[2, f] = r, 0, TAG_LEADER
            fields[3, f], fields[4, f], fields[5, f] = p, entries, last
            f += 1
            for i in range(n):
                tag, odd = _tag(buffer, entries + 12 * i)
                a, b = work[0, i], work[1, i]
                if tag < 1000 and _FACTS[tag]:
                    records[FACTS, r] |= _fact(buffer, tag, a, b)
                    if tag == 100 and b - a >= 34 and records[LABEL, r] == 0:
                        for k in range(a + 30, a + 34):
                            records[LABEL, r] = records[LABEL, r] << 8 | np.int64(buffer[k])
                flag |= odd
                fields[0, f], fields[1, f], fields[2, f] = r, i + 1, tag
                fields[3, f], fields[4, f], fields[5, f] = a, b, work[2, i]
                f += 1
        records[FLAGS, r] = flag
    return f


@njit(cache=True)
def list_rows(buffer, found, records, fields, n_fields, first_no, rows):
    """List the rows of all fields; how many.  Completes `records` with flags, and rows of its first 001.

    The records are numbered from `first_no`.
    """
    record, field_no, tags, ind1s, ind2s, subfield_no, codes, starts, ends, has_indicators, has_code = rows
    records[ID_ROW] = -1
    row = 0
    for f in range(n_fields):
        r, tag = fields[0, f], fields[2, f]
        a, b, k = np.int64(fields[3, f]), np.int64(fields[4, f]), np.int64(fields[5, f])
        last = records[LAST, r]
        if tag == 1 and records[ID_ROW, r] < 0:
            records[ID_ROW, r] = row
        inside = k < last and found[k] < b
        plain = tag < 10 or tag == TAG_LEADER or (tag > TAG_LEADER and not inside)
        q = np.int64(found[k]) if inside and not plain else b
        ind1 = ind2 = 0
        known = not plain and q - a >= 2 and 0x20 <= buffer[a] < 0x7F and 0x20 <= buffer[a + 1] < 0x7F
        if known:
            ind1, ind2 = np.int64(buffer[a]), np.int64(buffer[a + 1])
            a += 2
        if plain and inside:
            records[FLAGS, r] |= CODE | GUESSED
        elif not plain and not known:
            records[FLAGS, r] |= INDICATOR
        code, value, stop = NO_CODE, a, q  # what stands before the first delimiter
        at = 0
        while True:
            if at > 0 or (value == stop and inside and not plain):
                k += 1
                stop = np.int64(found[k]) if k < last and found[k] < b else b
                code, value = NO_CODE, q + 1
                if value < stop and buffer[value] < 0x80:
                    code, value = np.int64(buffer[value]), value + 1
            if not plain and (code <= 0x20 or code >= 0x7F or (buffer[q] == FIELD_END and q < b)):
                records[FLAGS, r] |= CODE
            record[row], field_no[row], tags[row], subfield_no[row] = first_no + r, fields[1, f], tag, at
            ind1s[row], ind2s[row], has_indicators[row] = ind1, ind2, known
            codes[row], has_code[row] = code, not plain
            starts[row], ends[row] = value, stop
            row += 1
            at += 1
            q = stop
            if stop >= b:
                break
    return row


@njit(cache=True)
def _utf8(buffer, start, end):
    """The `text` bits of one value that is not ASCII, read as UTF-8."""
    bits = NON_ASCII
    p = start
    while p < end:
        lead = buffer[p]
        if lead < 0x80:
            if lead < 0x20 and lead != ESCAPE:
                bits |= CONTROL
            p += 1
            continue
        if 0xC2 <= lead <= 0xDF:
            more = 1
        elif 0xE0 <= lead <= 0xEF:
            more = 2
        elif 0xF0 <= lead <= 0xF4:
            more = 3
        else:
            return bits | NOT_UTF8
        if p + more >= end:
            return bits | NOT_UTF8
        second = buffer[p + 1]
        if second & 0xC0 != 0x80:
            return bits | NOT_UTF8
        if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
            return bits | NOT_UTF8
        if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
            return bits | NOT_UTF8
        for k in range(2, more + 1):
            if buffer[p + k] & 0xC0 != 0x80:
                return bits | NOT_UTF8
        if 0xE4 <= lead <= 0xE9:
            bits |= HAN
        elif lead == 0xEF and second == 0xBF and buffer[p + 2] == 0xBD:
            bits |= REPLACEMENT
        p += more + 1
    return bits


@njit(cache=True)
def copy_values(buffer, rows, n_rows, first_no, out, offsets, text, special):
    """Copy the values one behind the other, and say in `text` what the bytes of each record are.

    `special` marks the rows that hold anything but printable ASCII.  `out` needs eight bytes more than the
    values have.  Eight bytes at a time: a byte below 20 borrows its high bit in word - 2020….
    """
    at = np.int64(0)
    for row in range(n_rows):
        a = np.int64(rows.start[row])
        length = np.int64(rows.end[row]) - a
        offsets[row] = at
        odd = np.uint64(0)
        k = 0
        while k + 8 <= length:
            word = load64(buffer, a + k)
            store64(out, at + k, word)
            odd |= word | ((word - _20) & ~word)
            k += 8
        if k < length:
            word = load64(buffer, a + k)
            store64(out, at + k, word)
            odd |= (word | ((word - _20) & ~word)) & (_ALL >> np.uint64((8 - length + k) << 3))
        at += length
        special[row] = (odd & _HIGH) != 0
        if special[row]:
            text[rows.record[row] - first_no] |= _special(buffer, a, a + length)
    offsets[n_rows] = at
    return at


@njit(cache=True)
def _special(buffer, start, end):
    """The `text` bits of a value that is not all printable ASCII."""
    bits = 0
    for k in range(start, end):
        if buffer[k] >= 0x80:
            return _utf8(buffer, start, end) | bits
        if buffer[k] < 0x20 and buffer[k] != ESCAPE:
            bits |= CONTROL
    return bits
