"""How alike two columns of folded texts are, pair by pair, compiled.

The measure is the longest common subsequence (LCS) of code points, found 64 at a time (Hyyrö, "Bit-parallel
LCS-length computation revisited", 2004).  As a share of both lengths, 2·LCS / (m + n), it is the normalised Indel
similarity that rapidfuzz knows, to which the tests hold it.  Only the first `LONGEST` code points are looked at.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from harvesters.byte_kernel import compiled, count_bits
from transforms.text_columns import parts

Floats = NDArray[np.float64]
LONGEST = 512
_WORDS = LONGEST // 64
_SLOTS = 2 * LONGEST  # of the table of letters; a power of two
_BAR = 124
ONE_NAME = 0.8  # names as alike as this may be one person's


class _Work(NamedTuple):
    """Room for one comparison; letters of earlier ones are told by their stamp and need not be wiped off."""

    left: NDArray[np.uint16]
    right: NDArray[np.uint16]
    letters: NDArray[np.uint16]
    stamps: NDArray[np.int64]
    masks: NDArray[np.uint64]
    row: NDArray[np.uint64]
    stamp: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _work():
    return _Work(
        np.empty(LONGEST, np.uint16),
        np.empty(LONGEST, np.uint16),
        np.empty(_SLOTS, np.uint16),
        np.zeros(_SLOTS, np.int64),
        np.empty((_SLOTS, _WORDS), np.uint64),
        np.empty(_WORDS, np.uint64),
        np.zeros(1, np.int64),
    )


@compiled()
def _decode(data, start, end, out):
    """Code points of UTF-8, their lower 16 bits; returns how many."""
    count = 0
    p = start
    while p < end and count < LONGEST:
        byte = np.int64(data[p])
        if byte < 0x80:
            out[count] = byte
            p += 1
        elif byte < 0xE0:
            out[count] = (byte & 0x1F) << 6 | np.int64(data[p + 1]) & 0x3F
            p += 2
        else:
            point = (byte & 0x0F) << 12 | (np.int64(data[p + 1]) & 0x3F) << 6 | np.int64(data[p + 2]) & 0x3F
            p += 3
            if byte >= 0xF0:
                point = point << 6 | np.int64(data[p]) & 0x3F
                p += 1
            out[count] = point & 0xFFFF
        count += 1
    return count


@compiled()
def _slot(letter, work):
    """Where a letter stands in the table, or would."""
    at = (np.int64(letter) * 0x9E37 >> 3) & (_SLOTS - 1)
    while work.stamps[at] == work.stamp[0] and work.letters[at] != letter:
        at = (at + 1) & (_SLOTS - 1)
    return at


@compiled()
def _lcs(a, first, b, second, work):
    """Length of the longest common subsequence of a[:first] and b[:second]."""
    shorter = min(first, second)
    begin = np.int64(0)  # what both begin or end with is common to them anyhow
    while begin < shorter and a[begin] == b[begin]:
        begin += 1
    end = np.int64(0)
    while end < shorter - begin and a[first - 1 - end] == b[second - 1 - end]:
        end += 1
    if begin + end == shorter:
        return shorter
    work.stamp[0] += 1
    rest = first - end - begin
    words = (rest + 63) >> 6
    for k in range(rest):
        at = _slot(a[begin + k], work)
        if work.stamps[at] != work.stamp[0]:
            work.stamps[at], work.letters[at] = work.stamp[0], a[begin + k]
            for w in range(words):
                work.masks[at, w] = 0
        work.masks[at, k >> 6] |= np.uint64(1) << np.uint64(k & 63)
    row = work.row
    for w in range(words):
        row[w] = np.uint64(0xFFFFFFFFFFFFFFFF)
    for k in range(begin, second - end):
        at = _slot(b[k], work)
        if work.stamps[at] != work.stamp[0]:
            continue
        carry = np.uint64(0)
        for w in range(words):
            old = row[w]
            common = old & work.masks[at, w]
            half = old + common
            whole = half + carry
            carry = np.uint64(half < old) | np.uint64(whole < half)
            row[w] = whole | (old - common)
    found = begin + end + rest
    for w in range(words):
        used = min(rest - 64 * w, 64)
        kept = row[w] if used == 64 else row[w] & ((np.uint64(1) << np.uint64(used)) - np.uint64(1))
        found -= count_bits(kept)
    return found


@compiled()
def _same(a, a_start, a_end, b, b_start, b_end):
    """Whether two stretches hold the same bytes."""
    if a_end - a_start != b_end - b_start:
        return False
    k = np.int64(0)
    while k < a_end - a_start and a[a_start + k] == b[b_start + k]:
        k += 1
    return k == a_end - a_start


@compiled()
def _share(a, a_start, a_end, b, b_start, b_end, work):
    """The similarity of two stretches of UTF-8."""
    if _same(a, a_start, a_end, b, b_start, b_end):
        return 1.0
    first = _decode(a, a_start, a_end, work.left)
    second = _decode(b, b_start, b_end, work.right)
    return 2.0 * _lcs(work.left, first, work.right, second, work) / (first + second)


@njit(cache=True, nogil=True)
def _same_all(a, a_at, left, b, b_at, right, out):
    for k in range(len(out)):
        i, j = left[k], right[k]
        out[k] = 1.0 if _same(a, a_at[i], a_at[i + 1], b, b_at[j], b_at[j + 1]) else 0.0


@njit(cache=True, nogil=True)
def _alike_all(a, a_at, left, b, b_at, right, out):
    work = _work()
    for k in range(len(out)):
        i, j = left[k], right[k]
        out[k] = _share(a, a_at[i], a_at[i + 1], b, b_at[j], b_at[j + 1], work)


@njit(cache=True, nogil=True)
def _titles_all(a, a_at, left, b, b_at, right, whole, start, kept):
    work = _work()
    for k in range(len(whole)):
        i, j = left[k], right[k]
        whole[k] = start[k] = kept[k] = 1.0
        if _same(a, a_at[i], a_at[i + 1], b, b_at[j], b_at[j + 1]):
            continue
        first = _decode(a, a_at[i], a_at[i + 1], work.left)
        second = _decode(b, b_at[j], b_at[j + 1], work.right)
        shorter = min(first, second)
        common = _lcs(work.left, first, work.right, second, work)
        whole[k] = 2.0 * common / (first + second)
        if shorter:
            kept[k] = common / shorter
            begins = common if first == second else _lcs(work.left, shorter, work.right, shorter, work)
            start[k] = begins / shorter


@compiled()
def _next_bar(data, start, end):
    p = start
    while p < end and data[p] != _BAR:
        p += 1
    return p


@njit(cache=True, nogil=True)
def _nearest_all(a, a_at, left, b, b_at, right, out):
    work = _work()
    for k in range(len(out)):
        i, j = left[k], right[k]
        best = 0.0
        p = np.int64(a_at[i])
        while p <= a_at[i + 1] and best < 1.0:
            p_end = _next_bar(a, p, np.int64(a_at[i + 1]))
            q = np.int64(b_at[j])
            while q <= b_at[j + 1] and best < 1.0:
                q_end = _next_bar(b, q, np.int64(b_at[j + 1]))
                best = max(best, _share(a, p, p_end, b, q, q_end, work))
                q = q_end + 1
            p = p_end + 1
        out[k] = best


@njit(cache=True, nogil=True)
def _common_all(a, a_at, left, b, b_at, right, out):
    work = _work()
    for k in range(len(out)):
        i, j = left[k], right[k]
        out[k] = 0.0
        p = np.int64(a_at[i])
        while p <= a_at[i + 1]:
            p_end = _next_bar(a, p, np.int64(a_at[i + 1]))
            best = 0.0
            q = np.int64(b_at[j])
            while q <= b_at[j + 1] and best < ONE_NAME:
                q_end = _next_bar(b, q, np.int64(b_at[j + 1]))
                best = max(best, _share(a, p, p_end, b, q, q_end, work))
                q = q_end + 1
            out[k] += best >= ONE_NAME
            p = p_end + 1


@compiled()
def _next_number(data, start, end):
    """Where the next digits begin and end."""
    p = start
    while p < end and not 48 <= data[p] <= 57:
        p += 1
    q = p
    while q < end and 48 <= data[q] <= 57:
        q += 1
    return p, q


@compiled()
def _has_all(a, a_start, a_end, b, b_start, b_end):
    """Whether every number of the one is in the other."""
    p, p_end = _next_number(a, a_start, a_end)
    while p < p_end:
        q, q_end = _next_number(b, b_start, b_end)
        while q < q_end and not _same(a, p, p_end, b, q, q_end):
            q, q_end = _next_number(b, q_end, b_end)
        if q == q_end:
            return False
        p, p_end = _next_number(a, p_end, a_end)
    return True


@njit(cache=True, nogil=True)
def _numbers_all(a, a_at, left, b, b_at, right, out):
    for k in range(len(out)):
        i, j = left[k], right[k]
        start, end = np.int64(a_at[i]), np.int64(a_at[i + 1])
        other, other_end = np.int64(b_at[j]), np.int64(b_at[j + 1])
        if _same(a, start, end, b, other, other_end):
            out[k] = np.nan if _next_number(a, start, end)[0] == end else 2.0
            continue
        none = _next_number(a, start, end)[0] == end and _next_number(b, other, other_end)[0] == other_end
        into = _has_all(a, start, end, b, other, other_end)
        back = _has_all(b, other, other_end, a, start, end)
        out[k] = np.nan if none else 2.0 if into and back else 1.0 if into or back else 0.0


@njit(cache=True, nogil=True)
def _misprinted(a, a_start, a_end, b, b_start, b_end):
    """Whether two numbers may be one: a digit is another, left out or put in, where there are four or more."""
    shorter = min(a_end - a_start, b_end - b_start)
    longer = max(a_end - a_start, b_end - b_start)
    before = np.int64(0)
    while before < shorter and a[a_start + before] == b[b_start + before]:
        before += 1
    behind = np.int64(0)
    while behind < shorter - before and a[a_end - 1 - behind] == b[b_end - 1 - behind]:
        behind += 1
    # years of a span are written together, and then in part: nothing is told by long ones
    return longer == before + behind or longer > 4 or (longer == 4 and longer - before - behind <= 1)


@njit(cache=True, nogil=True)
def _renumbered_all(a, a_at, left, b, b_at, right, out):
    for k in range(len(out)):
        p, end = np.int64(a_at[left[k]]), np.int64(a_at[left[k] + 1])
        q, other_end = np.int64(b_at[right[k]]), np.int64(b_at[right[k] + 1])
        other = False
        while True:
            number, number_end = _next_number(a, p, end)
            other_number, other_number_end = _next_number(b, q, other_end)
            if not _same(a, p, number, b, q, other_number):
                other = False
                break
            if number == end or other_number == other_end:
                other &= number == end and other_number == other_end
                break
            other |= not _misprinted(a, number, number_end, b, other_number, other_number_end)
            p, q = number_end, other_number_end
        out[k] = 1.0 if other else 0.0


@njit(cache=True, nogil=True)
def _shared_all(a, a_at, left, b, b_at, right, out):
    for k in range(len(out)):
        i, j = left[k], right[k]
        out[k] = 0.0
        p = np.int64(a_at[i])
        while p < a_at[i + 1] and out[k] == 0.0:
            p_end = _next_bar(a, p, np.int64(a_at[i + 1]))
            q = np.int64(b_at[j])
            while q < b_at[j + 1]:
                q_end = _next_bar(b, q, np.int64(b_at[j + 1]))
                if p_end > p and _same(a, p, p_end, b, q, q_end):
                    out[k] = 1.0
                q = q_end + 1
            p = p_end + 1


class Texts(NamedTuple):
    """A column of texts for compiled functions: the bytes, where each value starts, and which are not null."""

    data: NDArray[np.uint8]
    offsets: NDArray[np.int32]
    known: NDArray[np.bool_]


class Side(NamedTuple):
    """One side of some pairs: a column, and which of its values stands in each pair."""

    texts: Texts
    at: NDArray[np.int64]


def texts(values: pa.Array) -> Texts:
    """A string array for comparison."""
    return Texts(*parts(values), values.is_valid().to_numpy(zero_copy_only=False))


def known(left: Side, right: Side) -> NDArray[np.bool_]:
    """Where both sides have a value."""
    return left.texts.known[left.at] & right.texts.known[right.at]


@njit(cache=True, nogil=True)
def _left_out(a_known, left, b_known, right, out):
    for k in range(len(out)):
        if not (a_known[left[k]] and b_known[right[k]]):
            out[k] = np.nan


def _compared(kernel, left: Side, right: Side, views: int = 1) -> list[Floats]:
    found = [np.empty(len(left.at), np.float64) for _ in range(views)]
    kernel(left.texts.data, left.texts.offsets, left.at, right.texts.data, right.texts.offsets, right.at, *found)
    for one in found:
        _left_out(left.texts.known, left.at, right.texts.known, right.at, one)
    return found


def same(left: Side, right: Side) -> Floats:
    """1 for equal texts, 0 for others; NaN where one is null."""
    return _compared(_same_all, left, right)[0]


def alike(left: Side, right: Side) -> Floats:
    """Similarity of each pair of texts, 0 to 1; NaN where one is null."""
    return _compared(_alike_all, left, right)[0]


def titles(left: Side, right: Side) -> list[Floats]:
    """Three views of each pair of titles, 0 to 1; NaN where one is null.

    Returns:
        The similarity of the whole; that of the beginnings of the shorter one's length, for a subtitle may be
        left out; and how much of the shorter one is in the longer, which a word put for another lowers.
    """
    return _compared(_titles_all, left, right, 3)


def nearest(left: Side, right: Side) -> Floats:
    """The best similarity between any of the one's names and any of the other's, lists joined by |."""
    return _compared(_nearest_all, left, right)[0]


def common(left: Side, right: Side) -> Floats:
    """How many of the one's names, in a list joined by |, are like one of the other's; NaN where one is null."""
    return _compared(_common_all, left, right)[0]


def numbers(left: Side, right: Side) -> Floats:
    """2 where two texts hold the same numbers, 1 where one has more, 0 where each has its own; NaN without any."""
    return _compared(_numbers_all, left, right)[0]


def renumbered(left: Side, right: Side) -> Floats:
    """1 where two texts are the same but for numbers, and one of these is another; 0 elsewhere, NaN for null.

    A number of four digits of which one differs may be the same one misprinted; longer ones tell nothing.
    """
    return _compared(_renumbered_all, left, right)[0]


def shared(left: Side, right: Side) -> Floats:
    """1 where two lists joined by | share an entry, 0 where they don't; NaN where one is null."""
    return _compared(_shared_all, left, right)[0]
