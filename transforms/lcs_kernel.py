"""The longest common subsequence (LCS) of two stretches of UTF-8, compiled.

It is found 64 code points at a time (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004).  Only the
first `LONGEST` code points are looked at.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from threading import local
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harvesters.byte_kernel import compiled, count_bits, load64

LONGEST = 512
_WORDS = LONGEST // 64
_ONE = np.uint64(1)
_ASCII = np.uint64(0x8080808080808080)  # no such bit is set in eight bytes of ASCII
_OF_THREAD = local()


class Work(NamedTuple):
    """Room for comparisons, one after the other."""

    left: NDArray[np.uint16]
    right: NDArray[np.uint16]
    masks: NDArray[np.uint64]  # of each letter, a bit for each place where it stands; none between comparisons
    row: NDArray[np.uint64]


def work() -> Work:
    """The room of this thread."""
    if not hasattr(_OF_THREAD, "work"):
        letters = np.empty((2, LONGEST), np.uint16)
        masks = np.zeros((1 << 16, _WORDS), np.uint64)
        _OF_THREAD.work = Work(letters[0], letters[1], masks, np.empty(_WORDS, np.uint64))
    found: Work = _OF_THREAD.work
    return found


@compiled()
def _decode(data, start, end, out):
    """Code points of UTF-8, their lower 16 bits; returns how many."""
    count = 0
    p = start
    while p < end and count < LONGEST:
        while p + 8 <= end and count + 8 <= LONGEST and not load64(data, p) & _ASCII:
            for k in range(8):
                out[count + k] = data[p + k]
            p, count = p + 8, count + 8
        if p == end or count == LONGEST:
            break
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
def _in_one_word(a, first, b, begin, cut, second, work):
    """`_lcs` of what is behind `begin`, where that is no more than 64 letters of `a`."""
    for k in range(begin, first):
        work.masks[a[k], 0] |= _ONE << np.uint64(k - begin)
    row = at_cut = ~np.uint64(0)
    for k in range(begin, second):
        if k == cut:
            at_cut = row
        common = row & work.masks[b[k], 0]
        row = row + common | row - common
    for k in range(begin, first):
        work.masks[a[k], 0] = 0
    whole = count_bits(~row)
    return whole, whole if cut == second else count_bits(~at_cut)


@compiled()
def _in_words(a, first, b, begin, cut, second, work):
    """`_lcs` of what is behind `begin`."""
    words = (first - begin + 63) >> 6
    for k in range(begin, first):
        work.masks[a[k], (k - begin) >> 6] |= _ONE << np.uint64((k - begin) & 63)
    for w in range(words):
        work.row[w] = ~np.uint64(0)
    at_cut = np.int64(0)
    for k in range(begin, second):
        if k == cut:
            for w in range(words):
                at_cut += count_bits(~work.row[w])
        carry = np.uint64(0)
        for w in range(words):
            old = work.row[w]
            common = old & work.masks[b[k], w]
            half = old + common
            whole = half + carry
            carry = np.uint64(half < old) | np.uint64(whole < half)
            work.row[w] = whole | old - common
    found = np.int64(0)
    for w in range(words):
        found += count_bits(~work.row[w])
    for k in range(begin, first):
        work.masks[a[k], (k - begin) >> 6] = 0
    return found, found if cut == second else at_cut


@compiled()
def _lcs(a, first, b, cut, second, work):
    """Length of the longest common subsequence of a[:first] with b[:second], and with b[:cut].

    first <= cut <= second.
    """
    begin = np.int64(0)  # what both begin or end with is common to them anyhow
    while begin < first and a[begin] == b[begin]:
        begin += 1
    end = np.int64(0)
    while cut == second and end < first - begin and a[first - 1 - end] == b[second - 1 - end]:
        end += 1
    both, rest = begin + end, first - begin - end
    if rest == 0:
        return first, first
    if rest <= 64:
        whole, at_cut = _in_one_word(a, first - end, b, begin, cut - end, second - end, work)
    else:
        whole, at_cut = _in_words(a, first - end, b, begin, cut - end, second - end, work)
    return both + whole, both + at_cut


@compiled()
def in_common(data, start, end, other, other_end, cut, work):
    """How many code points two stretches of UTF-8 have in common, in order.

    Returns:
        That; if `cut`, the same where the longer one is cut to the length of the shorter; and both lengths.
    """
    first, second = _decode(data, start, end, work.left), _decode(data, other, other_end, work.right)
    if first <= second:
        whole, begins = _lcs(work.left, first, work.right, first if cut else second, second, work)
    else:
        whole, begins = _lcs(work.right, second, work.left, second if cut else first, first, work)
    return whole, begins, first, second
