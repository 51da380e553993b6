"""Compiled transcoding of values to UTF-8, in bulk and strictly, by the tables of `charset`."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from harvesters.byte_kernel import copy32, put_character
from transforms import charset

COPY, BY_TABLE, DECODED = 0, 1, 2  # what is done to the values of a record


class Tables(NamedTuple):
    """The tables of `charset.table`, stacked: the last axis is that of one table."""

    single: NDArray[np.int32]
    pair: NDArray[np.int32]
    four: NDArray[np.int32]
    weight: NDArray[np.int16]


TABLED = (charset.GB18030, charset.BIG5, charset.KOI8_R)


@cache
def tables() -> Tables:
    """The tables of all charsets that are transcoded by table, in the order of `TABLED`."""
    parts = [charset.table(name) for name in TABLED]
    return Tables(
        np.stack([part.single for part in parts]),
        np.stack([part.pair for part in parts]),
        parts[0].four,
        np.stack([part.weight for part in parts]),
    )


@njit(cache=True)
def _four(four, buffer, p, end):
    """The code point of a four-byte character of GB 18030, or -1."""
    if p + 4 > end:
        return -1
    a, b, c, d = buffer[p] - 0x81, buffer[p + 1] - 0x30, buffer[p + 2] - 0x81, buffer[p + 3] - 0x30
    if not (0 <= b <= 9 and 0 <= c <= 125 and 0 <= d <= 9):
        return -1
    index = ((a * 10 + b) * 126 + c) * 10 + d
    if index < len(four):
        return four[index]
    point = index - 189_000 + 0x10000
    return point if 0x10000 <= point <= 0x10FFFF else -1


@njit(cache=True)
def _by_table(buffer, p, end, table, tables, out, at, told):
    """Transcode one value; the position behind it in `out`."""
    while p < end:
        point = tables.single[table, buffer[p]]
        width = 1
        if point == -2:
            width, point = 2, -1
            if p + 1 < end:
                point = tables.pair[table, np.int64(buffer[p]) << 8 | np.int64(buffer[p + 1])]
                if point < 0 and table == 0:
                    width, point = 4, _four(tables.four, buffer, p, end)
        if point < 0:
            if told[0] < 0:
                told[0] = p
            return at
        if point >= 0x80:
            told[1] += 1
            if point < 0x10000:
                told[2] += tables.weight[table, point]
        at = put_character(out, at, point)
        p += width
    return at


@njit(cache=True)
def transcode(
    buffer, rows, n_rows, first_no, special, action, which, tables, decoded, decoded_offsets, out, offsets, told
):
    """Write all values as UTF-8 into `out`; its length.

    Per record: `action`, and `which` table.  The special rows of a record with DECODED are the next of
    `decoded`.  Per record `told` takes: the first byte that can't be read (or -1), how many characters are not
    ASCII, and the sum of their weights.
    """
    told[0] = -1
    told[1:] = 0
    at = np.int64(0)
    next_decoded = 0
    for row in range(n_rows):
        offsets[row] = at
        a, end, r = np.int64(rows.start[row]), np.int64(rows.end[row]), rows.record[row] - first_no
        if special[row] and action[r] == DECODED:
            for k in range(decoded_offsets[next_decoded], decoded_offsets[next_decoded + 1]):
                out[at] = decoded[k]
                at += 1
            next_decoded += 1
            continue
        if not special[row] or action[r] == COPY:
            for k in range(0, end - a, 32):
                copy32(out, at + k, buffer, a + k)
            at += end - a
            continue
        at = _by_table(buffer, a, end, which[r], tables, out, at, told[:, r])
    offsets[n_rows] = at
    return at
