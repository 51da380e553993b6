"""Which values a rule that names no field looks at: those with something in them that is rarely right.

Rules on every value of every record would cost more than all others together, so they see only values with one
of `SIGNS`, or with as many digits in a row, no more and no fewer, as `DIGITS` says.  A new rule that looks for
something else adds its sign here; the test of its examples fails until then.
"""

import numpy as np
import pyarrow as pa
from numba import njit

SIGNS = ("\ufffd", "锟", "烫", "Ã", "Â")
DIGITS = (11, 17, 18)  # a mobile number; an identity number, whose last digit may be an X
_SIGNS = np.array([list(sign.encode().ljust(3, b"\0")) for sign in SIGNS], np.uint8)
_DIGITS = np.array(DIGITS)
_BLOCK = 128  # bytes looked at together; the compiler makes one step of some of them


@njit(cache=True, nogil=True)
def _search_digits(data, offsets, digits, found):  # type: ignore[no-untyped-def]
    fewest = np.int64(digits.min())
    end = np.int64(offsets[0])
    for row in range(len(found)):
        start, end = end, np.int64(offsets[row + 1])
        # a run of digits covers every place that is a multiple of the shortest one's length
        at = start + fewest - 1
        while at < end:
            if 48 <= data[at] <= 57:
                first, last = at, at + 1
                while first > start and 48 <= data[first - 1] <= 57:
                    first -= 1
                while last < end and 48 <= data[last] <= 57:
                    last += 1
                if last - first >= fewest and np.any(digits == last - first):
                    found[row] = True
                    break
            at += fewest


@njit(cache=True, nogil=True)
def _search_signs(data, offsets, signs, found):  # type: ignore[no-untyped-def]
    # the values lie one after the other, and no character goes from one into the next
    row, start, last = 0, np.int64(offsets[0]), np.int64(offsets[len(found)])
    while start < last:
        end = start + _BLOCK
        if end < last and not _may_have_sign(data[start:end], data[start + 1 : end + 1], signs):
            start = end
            continue
        for at in range(start, min(end, last - 1)):
            for sign in range(len(signs)):
                if data[at] != signs[sign, 0] or data[at + 1] != signs[sign, 1]:
                    continue
                if signs[sign, 2] == 0 or (at + 2 < last and data[at + 2] == signs[sign, 2]):
                    while offsets[row + 1] <= at:
                        row += 1
                    found[row] = True
        start = end


@njit(cache=True, nogil=True)
def _may_have_sign(block, following, signs):  # type: ignore[no-untyped-def]
    high = np.uint8(0)
    for place in range(_BLOCK):
        high |= block[place]
    if high < 128:
        return False
    hit = np.uint8(0)
    for sign in range(len(signs)):
        first, second = signs[sign, 0], signs[sign, 1]
        for place in range(_BLOCK):
            hit |= np.uint8(block[place] == first) & np.uint8(following[place] == second)
    return hit > 0


def suspect(values: pa.ChunkedArray) -> np.ndarray:
    """For each value whether it has a sign or so many digits in it; none may be null."""
    parts = [np.zeros(0, bool)]
    for chunk in values.chunks:
        _, offsets, data = chunk.buffers()
        found = np.zeros(len(chunk), bool)
        if len(chunk) and data is not None:
            ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            content = np.frombuffer(data, np.uint8)
            _search_digits(content, ends, _DIGITS, found)
            _search_signs(content, ends, _SIGNS, found)
        parts.append(found)
    return np.concatenate(parts)
