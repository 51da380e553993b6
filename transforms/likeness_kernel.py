"""How alike two columns of folded texts are, pair by pair, compiled.

The measure is the longest common subsequence of code points.  As a share of both lengths, 2·LCS / (m + n), it is
the normalised Indel similarity that rapidfuzz knows, to which the tests hold it.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
from numba import njit
from numpy.typing import NDArray

from harvesters.byte_kernel import compiled, count_bits, prefetch, within64
from transforms.lcs_kernel import in_common, work
from transforms.same_texts import Met, same

Floats = NDArray[np.float64]
_BAR = 124
_AHEAD = 8  # what meets so much later is read while this is compared
_HAN_NAME = 12  # bytes
ONE_NAME = 0.8  # names as alike as this may be one person's
OTHER_PERSON = 0.5  # names, and publishers, less alike than this are other ones


@compiled()
def _share(data, start, end, other, other_end, work):
    """The similarity of two stretches of UTF-8."""
    if end - start == other_end - other and same(data, start, other, end - start):
        return 1.0
    common, _, first, second = in_common(data, start, end, other, other_end, False, work)
    return 2.0 * common / (first + second)


@compiled()
def _span(offsets, row):
    """Where a text starts and ends."""
    return np.int64(offsets[row]), np.int64(offsets[row + 1])


@compiled()
def _soon(data, offsets, left, right, k):
    """Have the texts of what meets a little later brought near, for they lie far apart."""
    if k + 2 * _AHEAD < len(left):
        prefetch(offsets, np.int64(left[k + 2 * _AHEAD]))
        prefetch(offsets, np.int64(right[k + 2 * _AHEAD]))
        prefetch(data, np.int64(offsets[left[k + _AHEAD]]))
        prefetch(data, np.int64(offsets[right[k + _AHEAD]]))


@njit(cache=True, nogil=True)
def _alike(data, offsets, left, right, work, out):
    for k in range(1, len(out)):
        _soon(data, offsets, left, right, k)
        out[k] = 1.0
        if left[k] != right[k]:
            start, end = _span(offsets, left[k])
            other, other_end = _span(offsets, right[k])
            out[k] = _share(data, start, end, other, other_end, work)


@njit(cache=True, nogil=True)
def _titles(data, offsets, left, right, work, whole, start, kept):
    for k in range(1, len(whole)):
        _soon(data, offsets, left, right, k)
        whole[k] = start[k] = kept[k] = 1.0
        if left[k] == right[k]:
            continue
        p, end = _span(offsets, left[k])
        other, other_end = _span(offsets, right[k])
        common, begins, first, second = in_common(data, p, end, other, other_end, True, work)
        whole[k] = 2.0 * common / (first + second)
        if min(first, second):
            kept[k], start[k] = common / min(first, second), begins / min(first, second)


@compiled()
def _han_name(data, start, end):
    """Whether a name is one to four Chinese characters."""
    if end - start > _HAN_NAME or (end - start) % 3:
        return False
    p = start
    while p < end and 0xE3 < data[p] < 0xEA:
        p += 3
    return p == end


@compiled()
def _within(data, start, end, other, other_end):
    """Whether the one text is in the other."""
    p = other
    while p + end - start <= other_end and not same(data, start, p, end - start):
        p += 1
    return p + end - start <= other_end


@compiled()
def _name_share(data, start, end, other, other_end, work):
    """The similarity of two names; of short Chinese ones none but where one is in the other."""
    chinese = _han_name(data, start, end) and _han_name(data, other, other_end)
    if chinese and not (
        _within(data, start, end, other, other_end) or _within(data, other, other_end, start, end)
    ):
        return 0.0
    return _share(data, start, end, other, other_end, work)


@compiled()
def _next_bar(data, start, end):
    p = start
    while p < end and data[p] != _BAR:
        p += 1
    return p


@compiled()
def _best(data, start, end, others, others_end, enough, work):
    """The best similarity between a name and any of others, joined by |; no better is looked for than `enough`."""
    best = 0.0
    p = others
    while p <= others_end and best < enough:
        p_end = _next_bar(data, p, others_end)
        best = max(best, _name_share(data, start, end, p, p_end, work))
        p = p_end + 1
    return best


@njit(cache=True, nogil=True)
def _nearest(data, offsets, left, right, work, out):
    for k in range(1, len(out)):
        _soon(data, offsets, left, right, k)
        p, end = _span(offsets, left[k])
        others, others_end = _span(offsets, right[k])
        best = 1.0 if left[k] == right[k] else 0.0
        while p <= end and best < 1.0:
            p_end = _next_bar(data, p, end)
            best = max(best, _best(data, p, p_end, others, others_end, 1.0, work))
            p = p_end + 1
        out[k] = best


@njit(cache=True, nogil=True)
def _common(data, offsets, left, right, work, out):
    for k in range(1, len(out)):
        _soon(data, offsets, left, right, k)
        p, end = _span(offsets, left[k])
        others, others_end = _span(offsets, right[k])
        out[k] = 0.0
        while p <= end:
            p_end = _next_bar(data, p, end)
            out[k] += _best(data, p, p_end, others, others_end, ONE_NAME, work) >= ONE_NAME
            p = p_end + 1


@compiled()
def _next_number(data, start, end):
    """Where the next digits begin and end."""
    p = start
    while p < end and p + 64 <= len(data):
        found = within64(data, p, np.uint8(48), np.uint8(10))
        if found:
            p += count_bits((found & ~found + np.uint64(1)) - np.uint64(1))  # those before the first
            break
        p += 64
    p = min(p, end)
    while p < end and not 48 <= data[p] <= 57:
        p += 1
    q = p
    while q < end and 48 <= data[q] <= 57:
        q += 1
    return p, q


@compiled()
def _has_all(data, start, end, other, other_end):
    """Whether every number of the one is in the other."""
    p, p_end = _next_number(data, start, end)
    while p < p_end:
        q, q_end = _next_number(data, other, other_end)
        while q < q_end and not (q_end - q == p_end - p and same(data, p, q, p_end - p)):
            q, q_end = _next_number(data, q_end, other_end)
        if q == q_end:
            return False
        p, p_end = _next_number(data, p_end, end)
    return True


@njit(cache=True, nogil=True)
def _numbers(data, offsets, left, right, work, out):
    for k in range(1, len(out)):
        _soon(data, offsets, left, right, k)
        start, end = _span(offsets, left[k])
        other, other_end = _span(offsets, right[k])
        none = _next_number(data, start, end)[0] == end and _next_number(data, other, other_end)[0] == other_end
        if none or left[k] == right[k]:
            out[k] = np.nan if none else 2.0
            continue
        into = _has_all(data, start, end, other, other_end)
        back = _has_all(data, other, other_end, start, end)
        out[k] = 2.0 if into and back else 1.0 if into or back else 0.0


@compiled()
def _misprinted(data, start, end, other, other_end):
    """Whether two numbers may be one: a digit is another, left out or put in, where there are four or more."""
    shorter = min(end - start, other_end - other)
    longer = max(end - start, other_end - other)
    before = np.int64(0)
    while before < shorter and data[start + before] == data[other + before]:
        before += 1
    behind = np.int64(0)
    while behind < shorter - before and data[end - 1 - behind] == data[other_end - 1 - behind]:
        behind += 1
    # years of a span are written together, and then in part: nothing is told by long ones
    return longer == before + behind or longer > 4 or (longer == 4 and longer - before - behind <= 1)


@njit(cache=True, nogil=True)
def _renumbered(data, offsets, left, right, work, out):
    for k in range(1, len(out)):
        _soon(data, offsets, left, right, k)
        p, end = _span(offsets, left[k])
        q, other_end = _span(offsets, right[k])
        other = False
        while True:
            number, number_end = _next_number(data, p, end)
            other_number, other_number_end = _next_number(data, q, other_end)
            if number - p != other_number - q or not same(data, p, q, number - p):
                other = False
                break
            if number == end or other_number == other_end:
                other &= number == end and other_number == other_end
                break
            other |= not _misprinted(data, number, number_end, other_number, other_number_end)
            p, q = number_end, other_number_end
        out[k] = 1.0 if other else 0.0


@njit(cache=True, nogil=True)
def _shared(data, offsets, left, right, work, out):
    for k in range(1, len(out)):
        _soon(data, offsets, left, right, k)
        p, end = _span(offsets, left[k])
        others, others_end = _span(offsets, right[k])
        out[k] = 0.0
        while p < end and out[k] == 0.0:
            p_end = _next_bar(data, p, end)
            q = others
            while q < others_end:
                q_end = _next_bar(data, q, others_end)
                if p_end > p and q_end - q == p_end - p and same(data, p, q, p_end - p):
                    out[k] = 1.0
                q = q_end + 1
            p = p_end + 1


def _compared(kernel, met: Met, views: int = 1) -> list[Floats]:
    """Of each pair what a kernel makes of the two texts that meet there; NaN where one is null."""
    found = [np.full(len(met.left), np.nan) for _ in range(views)]
    kernel(met.texts.data, met.texts.offsets, met.left, met.right, work(), *found)
    return [one[met.nth] for one in found]


def alike(met: Met) -> Floats:
    """Similarity of each pair of texts, 0 to 1; NaN where one is null."""
    return _compared(_alike, met)[0]


def titles(met: Met) -> list[Floats]:
    """Three views of each pair of titles, 0 to 1; NaN where one is null.

    Returns:
        The similarity of the whole; that of the beginnings of the shorter one's length, for a subtitle may be
        left out; and how much of the shorter one is in the longer, which a word put for another lowers.
    """
    return _compared(_titles, met, 3)


def nearest(met: Met) -> Floats:
    """The best similarity between any of the one's names and any of the other's, lists joined by |."""
    return _compared(_nearest, met)[0]


def common(met: Met) -> Floats:
    """How many of the one's names, in a list joined by |, are like one of the other's; NaN where one is null."""
    return _compared(_common, met)[0]


def numbers(met: Met) -> Floats:
    """2 where two texts hold the same numbers, 1 where one has more, 0 where each has its own; NaN without any."""
    return _compared(_numbers, met)[0]


def renumbered(met: Met) -> Floats:
    """1 where two texts are the same but for numbers, and one of these is another; 0 elsewhere, NaN for null.

    A number of four digits of which one differs may be the same one misprinted; longer ones tell nothing.
    """
    return _compared(_renumbered, met)[0]


def shared(met: Met) -> Floats:
    """1 where two lists joined by | share an entry, 0 where they don't; NaN where one is null."""
    return _compared(_shared, met)[0]
