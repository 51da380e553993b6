"""Compiled kernels for ISO 2709: list the rows of located records, and copy or transcode their values.

See `iso2709_kernel` for how chunks are held in memory.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import NDArray

from harvesters.byte_kernel import copy32, load64, number, xxh64
from transforms.field_dictionaries import NO_CHARACTER, TAG_LEADER, TAG_ODD
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

# Rows of `records`: one column a record, and one that is not used.
# RECEIVED is where the bytes of a record begin, UNIT_START its leader: foreign bytes may stand between.
UNIT_START, UNIT_END, FIRST, LAST, FIRST_END, LAST_END, FLAGS, REFUSED, FACTS, LABEL, RECEIVED, ID_ROW = range(12)


class Rows(NamedTuple):
    """One row a subfield or control field; arrays of equal length.

    Indicators and codes are ASCII values, or NO_CHARACTER; `start` and `end` are positions in the chunk.
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

_ALL, _ONE, _63 = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(1), np.uint64(63)
_303030, _464646, _808080, _15 = np.uint64(0x303030), np.uint64(0x464646), np.uint64(0x808080), np.uint64(15)
_TWO_BYTES, _THREE_BYTES = np.uint64(0xFFFF), np.uint64(0xFFFFFF)
_22, _450 = np.uint64(0x3232), np.uint64(0x303534)  # as little-endian words

# Which bits of a little-endian word are fixed in characters of two, three, four and twice three bytes, and how.
_TWO, _C0_80 = np.uint64(0xC0E0), np.uint64(0x80C0)
_THREE, _E0_80_80 = np.uint64(0xC0C0F0), np.uint64(0x8080E0)
_FOUR, _F0_80_80_80 = np.uint64(0xC0C0C0F8), np.uint64(0x808080F0)
_SIX, _E0_80_80_TWICE = np.uint64(0xC0C0F0C0C0F0), np.uint64(0x8080E08080E0)
# What the last four bits of two such leads have to be for E4 to E9: 4 to 9.  Added, what carries into bit 4.
_LEADS, _16 = np.uint64(0x0F00000F), np.uint64(0x10000010)
_TO_4, _TO_10 = np.uint64(0x0C00000C), np.uint64(0x06000006)
_FFFD = np.uint64(0xBDBFEF)

MAY_BE_BLANK = 5  # characters that a leader begins with, its length, which look like bytes between records
FOREIGN_BYTES = 64  # how far before a leader foreign bytes are looked for


@njit(cache=True)
def _tag(buffer, entry):
    """The index of a tag, and its flag if it is not three digits."""
    word = load64(buffer, entry) & _THREE_BYTES
    if ((word + _464646) | (word - _303030)) & _808080 == 0:
        hundreds, tens = np.int64(word & _15), np.int64(word >> np.uint64(8) & _15)
        return hundreds * 100 + tens * 10 + np.int64(word >> np.uint64(16) & _15), 0
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
def _find(buffer, r, begin, marks, records, work):
    """Locate a record, if need be a little before (from `begin` on) or behind its start.

    Returns (start, first, n, flags, refused).

    Elsewhere than at its start a record is only believed if its base address and whole directory are right.
    """
    start, end, first, last = records[UNIT_START, r], records[UNIT_END, r], records[FIRST, r], records[LAST, r]
    low, high = records[FIRST_END, r], records[LAST_END, r]
    n, flags, refused = locate(buffer, start, end, marks, first, last, low, high, work)
    if refused == 0:
        return start, first, n, flags, refused
    for p in range(max(begin, start - MAY_BE_BLANK), min(start + FOREIGN_BYTES, end - LEADER)):
        at = first + np.searchsorted(marks.at[first:last], p)
        if p == start or at >= last or number(buffer, p + 12, 5) != marks.at[at] + 1 - p:
            continue
        low_there = low + np.searchsorted(marks.field_ends[low:high], at)
        n_there, flags_there, refused_there = locate(buffer, p, end, marks, at, last, low_there, high, work)
        if refused_there == 0 and flags_there == 0 and n_there > 0:
            return p, at, n_there, SHIFTED, 0
    return start, first, n, flags, refused


@njit(cache=True)
def list_fields(buffer, marks, records, digest, count, cut, fields, work):
    """Verify every record and list its fields, the leader first; the number of fields.

    `records` comes from `units` and is completed; `digest` takes the XXH64 of each record.  `cut`: the last
    record has no terminator.  `fields` takes, by row: the record, number, tag, start, end, first delimiter
    and which delimiter is the terminator (-1 where that is not certain).
    """
    f = 0
    for r in range(count):
        end, first = records[UNIT_END, r], records[FIRST, r]
        begin = 0 if first == 0 else marks.at[first - 1] + 1
        p, low, n, flag, why = _find(buffer, r, begin, marks, records, work)
        if records[UNIT_START, r] > begin and p >= records[UNIT_START, r]:
            flag |= BETWEEN
        records[RECEIVED, r] = min(p, records[UNIT_START, r])
        digest[r] = xxh64(buffer, records[RECEIVED, r], end)
        if cut and r == count - 1:
            flag |= CUT
            if why == 0 and flag & (DIRECTORY | TERMINATOR):  # the last value is not whole
                why = UNPAIRED
        records[UNIT_START, r], records[REFUSED, r], records[FACTS, r], records[LABEL, r] = p, why, 0, 0
        if why == 0:
            base = np.int64(marks.at[low]) + 1
            entries = base - 1 - 12 * n
            flag |= _leader(buffer, p, end, base - p)
            if flag & DIRECTORY and flag & TERMINATOR:
                flag |= GUESSED
            fields[0, f], fields[1, f], fields[2, f] = r, 0, TAG_LEADER
            fields[3, f], fields[4, f], fields[5, f], fields[6, f] = p, entries, records[LAST, r], -1
            f += 1
            for i in range(n):
                tag, odd = _tag(buffer, entries + 12 * i)
                at, to = np.uint64(i), np.uint64(f)
                a, b = work[0, at], work[1, at]
                if tag < 1000 and _FACTS[np.uint64(tag)]:
                    records[FACTS, r] |= _fact(buffer, tag, a, b)
                    if tag == 100 and b - a >= 34 and records[LABEL, r] == 0:
                        for k in range(a + 30, a + 34):
                            records[LABEL, r] = records[LABEL, r] << 8 | np.int64(buffer[k])
                flag |= odd
                fields[0, to], fields[1, to], fields[2, to] = r, i + 1, tag
                fields[3, to], fields[4, to], fields[5, to], fields[6, to] = a, b, work[2, at], work[3, at]
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
        r, tag, a = fields[0, f], fields[2, f], np.int64(fields[3, f])
        k, last = np.int64(fields[5, f]), np.int64(fields[6, f])
        begin = row
        if tag == 1 and records[ID_ROW, r] < 0:
            records[ID_ROW, r] = row
        if tag == TAG_LEADER or (tag < 10 and k == last):
            record[row], field_no[row], tags[row], subfield_no[row] = first_no + r, fields[1, f], tag, 0
            ind1s[row], ind2s[row], has_indicators[row], codes[row], has_code[row] = 0, 0, 0, NO_CHARACTER, 0
            starts[row], ends[row] = a, fields[4, f]
            row += 1
            continue
        place = np.int64(found[k])
        right = tag >= 10 and k < last and place == a + 2
        if right:
            ind1, ind2 = np.int64(buffer[a]), np.int64(buffer[a + 1])
            number_of, place_of = np.int32(first_no + r), fields[1, f]
            right = 0x20 <= ind1 < 0x7F and 0x20 <= ind2 < 0x7F
            for at in range(last - k):
                code, stop, i = np.int64(buffer[place + 1]), np.int64(found[k + at + 1]), np.uint64(row)
                right &= 0x20 < code < 0x7F
                record[i], field_no[i], tags[i], subfield_no[i] = number_of, place_of, tag, at
                ind1s[i], ind2s[i], has_indicators[i] = ind1, ind2, 1
                codes[i], has_code[i] = code, 1
                starts[i], ends[i] = place + 2, stop
                row += 1
                place = stop
        if not right:
            row = _odd_rows(buffer, found, records, fields, f, first_no, rows, begin)
    return row


@njit(cache=True)
def _odd_rows(buffer, found, records, fields, f, first_no, rows, row):
    """The rows of a field with something wrong, from `row` on; the row behind them.  Flags what it is."""
    record, field_no, tags, ind1s, ind2s, subfield_no, codes, starts, ends, has_indicators, has_code = rows
    r, tag = fields[0, f], fields[2, f]
    a, b, k = np.int64(fields[3, f]), np.int64(fields[4, f]), np.int64(fields[5, f])
    last = records[LAST, r]
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
    code, value, stop = NO_CHARACTER, a, q  # what stands before the first delimiter
    at = 0
    while True:
        if at > 0 or (value == stop and inside and not plain):
            k += 1
            stop = np.int64(found[k]) if k < last and found[k] < b else b
            code, value = NO_CHARACTER, q + 1
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
            return row


@njit(cache=True)
def text_bits(buffer, odd, start, end):
    """The `text` bits of one value, read as UTF-8 (RFC 3629, section 4).

    From one byte that is odd to the next; and of Han characters, which follow each other, two at a time.
    """
    bits = 0
    p = start
    while p < end:
        lead = np.int64(buffer[p])
        if 0x20 <= lead < 0x80:
            word = odd[np.uint64(p >> 6)] >> np.uint64(p & 63)
            p = p + np.int64(trailing_zeros(word)) if word else (p | 63) + 1
            continue
        word = load64(buffer, p)
        leads = word & _LEADS
        if word & _SIX == _E0_80_80_TWICE and (leads + _TO_4) & ~(leads + _TO_10) & _16 == _16 and p + 6 <= end:
            bits |= NON_ASCII | HAN
            p += 6
            continue
        if word & _THREE == _E0_80_80 and p + 3 <= end:
            second = np.int64(buffer[p + 1])
            if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
                return bits | NON_ASCII | NOT_UTF8
            bits |= NON_ASCII
            if 0xE4 <= lead <= 0xE9:
                bits |= HAN
            elif word & _THREE_BYTES == _FFFD:
                bits |= REPLACEMENT
            p += 3
        elif word & _TWO == _C0_80 and lead >= 0xC2 and p + 2 <= end:
            bits |= NON_ASCII
            p += 2
        elif lead < 0x20:
            if lead != ESCAPE:
                bits |= CONTROL
            p += 1
        elif word & _FOUR == _F0_80_80_80 and p + 4 <= end:
            second = np.int64(buffer[p + 1])
            if lead > 0xF4 or (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
                return bits | NON_ASCII | NOT_UTF8
            bits |= NON_ASCII
            p += 4
        else:
            return bits | NON_ASCII | NOT_UTF8
    return bits


@njit(cache=True)
def _odd_bytes(odd, start, end):
    """The bits of `Marks.odd` for the first 64 bytes from start to end."""
    shift = np.uint64(start & 63)
    word = odd[start >> 6] >> shift | odd[(start >> 6) + 1] << _ONE << (_63 - shift)
    if end - start < 64:
        word &= (_ONE << np.uint64(end - start)) - _ONE
    return word


@njit(cache=True)
def copy_values(buffer, odd, rows, n_rows, first_no, out, offsets, text, special):
    """Copy the values one behind the other, and say in `text` what the bytes of each record are.

    `special` marks the rows that hold anything but printable ASCII.  32 bytes are copied at a time, so `out`
    needs as many more than the values have.
    """
    starts, ends, record = rows.start, rows.end, rows.record
    at = np.int64(0)
    for row in range(n_rows):
        start, end = np.int64(starts[row]), np.int64(ends[row])
        offsets[row] = at
        copy32(out, at, buffer, start)
        for k in range(32, end - start, 32):
            copy32(out, at + k, buffer, start + k)
        at += end - start
        word = _odd_bytes(odd, start, end)
        for p in range(start + 64, end, 64):
            word |= _odd_bytes(odd, p, end)
        special[row] = word != 0
        if word:
            text[record[row] - first_no] |= text_bits(buffer, odd, start, end)
    offsets[n_rows] = at
    return at
