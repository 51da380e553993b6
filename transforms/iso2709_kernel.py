"""Compiled kernels for ISO 2709: find delimiters, verify directories, list rows, copy values.

All of them work on one chunk: `buffer` holds `size` bytes and at least 128 zero bytes of padding behind, since
64 bytes are loaded at a time.  Positions are byte indices into the chunk; an index cast to
unsigned spares numba the question whether it counts from the end.  A record is first located (which
bytes are which field, proved by the terminators), then listed as rows.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import NDArray

from harvesters.byte_kernel import count_bits, load64, number, within64

RECORD_END, FIELD_END, DELIMITER, ESCAPE = 0x1D, 0x1E, 0x1F, 0x1B
DOLLAR, ONE_DIGIT = 0x24, 0x31
LEADER = 24

# What is wrong with a record's structure; one bit each in `flags`.
LENGTH = 1 << 0  # the record length in the leader is not the record's
BASE = 1 << 1  # the base address is blank or wrong
OVERLONG = 1 << 2  # over 99,999 bytes: the leader can't say its length
DIRECTORY = 1 << 3  # lengths or starts wrong, fields paired with terminators in order
ORDER = 1 << 4  # starts do not ascend
UNLISTED = 1 << 5  # fields that no directory entry points to
TERMINATOR = 1 << 6  # a field terminator missing or in the wrong place
GUESSED = 1 << 7  # paired, but lengths or kinds of field do not bear it out
TAG = 1 << 8  # a tag that is not three digits or letters
LETTERS = 1 << 9  # a tag with letters
INDICATOR = 1 << 10  # indicators missing or not ASCII
CODE = 1 << 11  # text without a subfield code, or a code that is no letter, digit or sign
LEADER_ODD = 1 << 12  # leader/10-11 or 20-22 are not 22 and 450
BETWEEN = 1 << 13  # bytes that belong to no record stand before it
SHIFTED = 1 << 14  # (set by the reader) foreign bytes before the leader were taken off
CUT = 1 << 15  # no record terminator
LEADER_SIZE = 1 << 16  # the leader has 23 or 25 characters

# Why a record can't be read; `refused` is 0 where it can.
SHORT, NO_DIRECTORY, BAD_DIRECTORY, UNPAIRED = 1, 2, 3, 4

_ONE = np.uint64(1)
_THREE_BYTES = np.uint64(0xFFFFFF)
_010101, _202020, _808080 = np.uint64(0x010101), np.uint64(0x202020), np.uint64(0x808080)
# Eight digits as a number: pairs, then fours, then all, each by one multiplication.
_30, _46, _80 = np.uint64(0x3030303030303030), np.uint64(0x4646464646464646), np.uint64(0x8080808080808080)
_0F, _00FF, _0000FFFF = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_TENS, _HUNDREDS, _MYRIADS = np.uint64(2561), np.uint64(6553601), np.uint64(42949672960001)


class Marks(NamedTuple):
    """The delimiters of a chunk; arrays longer than they are filled."""

    at: NDArray[np.int32]  # positions of 1D, 1E and 1F
    field_ends: NDArray[np.int32]  # which of `at` are 1E
    record_ends: NDArray[np.int32]  # 2 rows: which of `at` are 1D, and how many field ends are before
    escapes: NDArray[np.int32]  # positions of 1B, and of `$1` before a printable character
    odd: NDArray[np.uint64]  # one bit a byte: below 20 or above 7F


@njit(cache=True)
def delimiters(buffer, size, marks):
    """Fill `marks`; how many delimiters, record ends and escapes there are.

    64 bytes at a time: only those that are found are looked at one by one.
    """
    at, field_ends, record_ends, escapes, odd = marks
    n = n_ends = n_records = n_escapes = 0
    for i in range(0, size, 64):
        hits = within64(buffer, i, RECORD_END, 3)
        ends = within64(buffer, i, FIELD_END, 1)
        odd[i >> 6] = ~within64(buffer, i, 0x20, 0x60)
        special = within64(buffer, i, ESCAPE, 1)
        dollar = within64(buffer, i, DOLLAR, 1) & within64(buffer, i + 1, ONE_DIGIT, 1)
        special |= dollar & within64(buffer, i + 2, 0x21, 0x5E)
        while special:
            escapes[n_escapes] = i + np.int64(trailing_zeros(special))
            n_escapes += 1
            special &= special - _ONE
        stops = within64(buffer, i, RECORD_END, 1)
        while stops:
            before = (stops & (~stops + _ONE)) - _ONE
            record_ends[0, n_records] = n + count_bits(hits & before)
            record_ends[1, n_records] = n_ends + count_bits(ends & before)
            n_records += 1
            stops &= stops - _ONE
        while hits:
            at[np.uint64(n)] = i + np.int64(trailing_zeros(hits))
            field_ends[np.uint64(n_ends)] = n
            n_ends += (ends & hits & (~hits + _ONE)) != 0
            hits &= hits - _ONE
            n += 1
    field_ends[n_ends] = n
    record_ends[0, n_records], record_ends[1, n_records] = n, n_ends
    return n, n_records, n_escapes


@njit(cache=True)
def _is_junk(byte):
    """White space, NUL, SUB and the bytes of a UTF-8 BOM may stand between records."""
    return byte in (0x20, 0x0D, 0x0A, 0x09, 0x00, 0x1A, 0xEF, 0xBB, 0xBF)


@njit(cache=True)
def units(buffer, size, marks, n_ends, final, records):
    """Split at the record terminators, of which there are `n_ends`; the number of records.

    The first six rows of `records` take the start and end of each, its delimiters at[first:last] and its
    field ends field_ends[first:last].  With `final`, what follows the last terminator is a record too.
    """
    count = begin = low = low_end = 0
    for r in range(n_ends + final):
        k, k_end = np.int64(marks.record_ends[0, r]), np.int64(marks.record_ends[1, r])
        stop = np.int64(marks.at[k]) if r < n_ends else size
        p = begin
        while p < stop and _is_junk(buffer[p]):
            p += 1
        while p > begin and p < stop and buffer[p] & 0xC0 == 0x80:  # a mark's bytes also begin other characters
            p -= 1
        if p < stop:
            records[0, count], records[1, count], records[2, count], records[3, count] = p, stop, low, k
            records[4, count], records[5, count] = low_end, k_end
            count += 1
        begin, low, low_end = stop + 1, k + 1, k_end
    return count


@njit(cache=True)
def _segments(buffer, base, end, found, first, last, seg_start, seg_end, seg_first):
    """The stretches between field terminators behind the directory; how many, and whether the last is closed."""
    count, begin, low = 0, base, first
    for k in range(first, last):
        position = found[k]
        if buffer[position] == FIELD_END:
            seg_start[count], seg_end[count], seg_first[count] = begin, position, low
            count += 1
            begin, low = position + 1, k + 1
    if begin < end:
        seg_start[count], seg_end[count], seg_first[count] = begin, end, low
        return count + 1, False
    return count, True


@njit(cache=True)
def _plausible(buffer, entry, claimed, start, end):
    """May an entry claiming `claimed` bytes speak of this field?  Length within reason, and kind of field."""
    length = end - start + 1
    control = buffer[entry] == 48 and buffer[entry + 1] == 48
    delimiter = -1
    high = 0
    for p in range(start, end):
        if buffer[p] == DELIMITER and delimiter < 0:
            delimiter = p
        high += buffer[p] >= 0x80
    if control != (delimiter < 0):
        return False
    if not control and delimiter != start + 2:
        return False
    return claimed <= 0 or claimed == 9999 or (length - high - 2 <= claimed <= length + high + 2)


@njit(cache=True)
def _pair(buffer, entries, n, base, starts, ends, at, rank):
    """Pair entries with fields one to one; flags, or -1 where an entry proves that another pairing holds.

    The i-th entry by its start belongs to the i-th field.  Where starts can't be read or repeat, the order
    in the directory stands.
    """
    flags = DIRECTORY
    ascending = True
    previous = -1
    for i in range(n):
        begin = number(buffer, entries + 12 * i + 7, 5)
        ascending = ascending and begin > previous
        previous = begin
        rank[i] = i
    if not ascending:
        order = np.empty(n, np.int64)
        for i in range(n):
            order[i] = number(buffer, entries + 12 * i + 7, 5)
        by_start = np.argsort(order)
        distinct = order[by_start[0]] >= 0
        for i in range(1, n):
            distinct = distinct and order[by_start[i]] > order[by_start[i - 1]]
        flags |= GUESSED
        if distinct:
            flags |= ORDER
            for i in range(n):
                rank[by_start[i]] = i
    odd = 0
    for i in range(n):
        entry = entries + 12 * i
        claimed = number(buffer, entry + 3, 4)
        at[i] = rank[i]
        odd += not _plausible(buffer, entry, claimed, starts[at[i]], ends[at[i]])
    # Text that grew changes the length of a field or two; more than that was not made by one slip.
    if odd > 2 + n // 8:
        flags |= GUESSED
    for i in range(n):
        entry = entries + 12 * i
        begin, claimed = number(buffer, entry + 7, 5), number(buffer, entry + 3, 4)
        j = np.searchsorted(starts[:n], base + begin)
        if (
            begin >= 0
            and j < n
            and j != at[i]
            and starts[j] == base + begin
            and ends[j] - starts[j] + 1 == claimed
        ):
            return -1
    return flags


@njit(cache=True)
def _exact(buffer, entries, n, base, starts, ends, count, at):
    """Find each entry's field where all are right but not in order; flags, or -1."""
    used = np.zeros(count, np.uint8)
    flags = ORDER
    for i in range(n):
        begin, claimed = number(buffer, entries + 12 * i + 7, 5), number(buffer, entries + 12 * i + 3, 4)
        j = np.searchsorted(starts[:count], base + begin)
        if begin < 0 or j >= count or starts[j] != base + begin or ends[j] - starts[j] + 1 != claimed:
            return -1
        if used[j]:
            return -1
        used[j] = 1
        at[i] = j
    if np.sum(used) < count:
        flags |= UNLISTED
    return flags


@njit(cache=True)
def _contiguous(buffer, entries, n, base, end, terminators):
    """Do the entries tile the data without a gap, from its start to its end, all but two at terminators?

    Where one is not at its place, none may be elsewhere: then it was not overwritten, but text has moved.
    """
    expected = missing = 0
    for i in range(n):
        claimed = number(buffer, entries + 12 * i + 3, 4)
        if claimed < 1 or number(buffer, entries + 12 * i + 7, 5) != expected:
            return False
        expected += claimed
        if base + expected > end:
            return False
        missing += buffer[base + expected - 1] != FIELD_END
    return base + expected == end and (missing == 0 or (missing <= 2 and terminators == n - missing))


@njit(cache=True)
def _printable(word):
    """Are three bytes of a word all in 20-7E?"""
    return ((word + _010101) | word | (word - _202020)) & _808080 == 0


@njit(cache=True)
def _directory(buffer, start, base):
    """The entries before `base`: (how many, where they begin, flags); -1 where they can't be entries.

    A leader that is one byte short or long is only believed if the entries then tile the data.
    """
    n, rest = divmod(base - 1 - start - LEADER, 12)
    flags = 0
    if rest == 11 or rest == 1:
        n += rest == 11
        flags = LEADER_SIZE
    elif rest:
        return -1, 0, 0
    entries = base - 1 - 12 * n
    expected = 0
    for i in range(n):
        entry = entries + 12 * i
        if not _printable(load64(buffer, entry) & _THREE_BYTES):
            return -1, 0, 0
        if flags:
            if number(buffer, entry, 3) < 0 or number(buffer, entry + 7, 5) != expected:
                return -1, 0, 0
            expected += number(buffer, entry + 3, 4)
    if flags and number(buffer, entries, 3) != 1:  # the byte may as well be one of the first tag
        flags |= GUESSED
    return n, entries, flags


@njit(cache=True)
def _place(buffer, entry):
    """Length and start of an entry as one number, length * 100,000 + start; -1 where they are not digits."""
    word = load64(buffer, entry + 3)
    last = np.int64(buffer[entry + 11]) - 48
    if (((word + _46) | (word - _30)) & _80) or last < 0 or last > 9:
        return -1
    word = ((word & _0F) * _TENS) >> np.uint64(8)
    word = ((word & _00FF) * _HUNDREDS) >> np.uint64(16)
    word = ((word & _0000FFFF) * _MYRIADS) >> np.uint64(32)
    return np.int64(word) * 10 + last


@njit(cache=True)
def _in_order(buffer, entries, n, base, end, marks, first, first_end, last_end, work):
    """List the fields of a record whose directory is right and in order, as nearly all are."""
    if last_end - first_end != n:
        return False
    found, field_ends = marks.at, marks.field_ends
    begin, low = base, first
    for i in range(n):
        k = np.int64(field_ends[np.uint64(first_end + i)])
        position = np.int64(found[np.uint64(k)])
        if _place(buffer, entries + 12 * i) != (position - begin + 1) * 100_000 + begin - base:
            return False
        at = np.uint64(i)
        work[0, at], work[1, at], work[2, at], work[3, at] = begin, position, low, k
        begin, low = position + 1, k + 1
    return begin == end


@njit(cache=True)
def locate(buffer, start, end, marks, first, last, first_end, last_end, work):
    """Find the fields of one record: (number, flags, why refused).

    Its delimiters are at[first:last], its field ends field_ends[first_end:last_end].  Field i lies from
    work[0, i] to its terminator at work[1, i]; its delimiters begin at at[work[2, i]] and end before
    at[work[3, i]], which is its terminator; work[3, i] is -1 where that is not certain.  The other rows of
    `work` are scratch space.
    """
    found = marks.at
    if end - start < LEADER + 1:
        return 0, 0, SHORT
    if first >= last or buffer[found[first]] != FIELD_END or found[first] < start + LEADER:
        return 0, 0, NO_DIRECTORY
    base = np.int64(found[first]) + 1
    n, entries, flags = _directory(buffer, start, base)
    if n < 0:
        return 0, 0, BAD_DIRECTORY
    if _in_order(buffer, entries, n, base, end, marks, first + 1, first_end + 1, last_end, work):
        return n, flags, 0
    work[3, :n] = -1
    field_start, field_end, field_first = work[0], work[1], work[2]
    starts, ends, firsts, at, rank = work[4], work[5], work[6], work[7], work[8]
    count, closed = _segments(buffer, base, end, found, first + 1, last, starts, ends, firsts)
    flags |= 0 if closed else TERMINATOR
    right = count == n
    for i in range(min(n, count)):
        entry = entries + 12 * i
        field_start[i], field_end[i], field_first[i] = starts[i], ends[i], firsts[i]
        if (
            number(buffer, entry + 7, 5) != starts[i] - base
            or number(buffer, entry + 3, 4) != ends[i] - starts[i] + 1
        ):
            right = False
    if right:
        return n, flags, 0
    if n == 0:
        return 0, flags, UNPAIRED
    more = _exact(buffer, entries, n, base, starts, ends, count, at)
    if more < 0 and count == n:
        more = _pair(buffer, entries, n, base, starts, ends, at, rank)
    if more >= 0:
        for i in range(n):
            field_start[i], field_end[i], field_first[i] = starts[at[i]], ends[at[i]], firsts[at[i]]
        return n, flags | more, 0
    # One or two damaged terminators, no more: so the rows of a record stay bounded by its delimiters.
    terminators = count if closed else count - 1
    if count == n or abs(count - n) > 2 or not _contiguous(buffer, entries, n, base, end, terminators):
        return n, flags, UNPAIRED
    for i in range(n):
        entry = entries + 12 * i
        field_start[i] = base + number(buffer, entry + 7, 5)
        field_end[i] = min(field_start[i] + number(buffer, entry + 3, 4) - 1, end)
        field_first[i] = first + np.searchsorted(found[first:last], field_start[i])
    return n, flags | TERMINATOR | GUESSED, 0
