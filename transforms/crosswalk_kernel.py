"""Compiled parts of `transforms.crosswalk`: find subfields by tag and code, gather, cut and join their values."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
from numba import njit

from harvesters.byte_kernel import load64, xxh64
from transforms.text_columns import put

_NOT_ASCII = np.uint64(0x8080808080808080)
FEW = 8  # values of a record that are compared with each other; more go through a hash table


@njit(cache=True, nogil=True)
def number_fields(record_no, field_no, first, record, field, starts):
    """The record (from 0) and field (from 0 over all) of each row, and where fields start; how many there are."""
    count = 0
    for row in range(len(record_no)):
        record[row] = record_no[row] - first
        if row == 0 or record_no[row] != record_no[row - 1] or field_no[row] != field_no[row - 1]:
            starts[count] = row
            count += 1
        field[row] = count - 1
    return count


@njit(cache=True, nogil=True)
def look_up(indices, bits, offset, table, found):
    """The values of indices from `offset` on in a table; its last where the bit of a row is not set."""
    for row in range(len(found)):
        at = row + offset
        if len(bits) and not bits[at >> 3] >> (at & 7) & 1:
            found[row] = table[len(table) - 1]
        else:
            found[row] = table[indices[at]]


@njit(cache=True, nogil=True)
def sort_rows(tag, code, bounds, order):
    """Sort rows by tag and code, and in their order; those of tag t, code c begin at bounds[t * 256 + c]."""
    for row in range(len(tag)):
        bounds[np.int64(tag[row]) * 256 + code[row] + 1] += 1
    for k in range(1, len(bounds)):
        bounds[k] += bounds[k - 1]
    place = bounds.copy()
    for row in range(len(tag)):
        key = np.int64(tag[row]) * 256 + code[row]
        order[place[key]] = row
        place[key] += 1


@njit(cache=True, nogil=True)
def _is_ascii(data, start, end):
    bits = np.uint64(0)
    p = start
    while p < end and p + 8 <= len(data):  # what follows is looked at too, which does no harm
        bits |= load64(data, p)
        p += 8
    while p < end:
        bits |= np.uint64(data[p])
        p += 1
    return bits & _NOT_ASCII == 0


@njit(cache=True, nogil=True)
def merge(order, bounds, keys, out):
    """The rows of several sorted stretches (`sort_rows`) as one, ascending; how many."""
    places, n = bounds[keys], 0
    while True:
        best, which = np.int64(-1), -1
        for k in range(len(keys)):
            if places[k] < bounds[keys[k] + 1] and (which < 0 or order[places[k]] < best):
                best, which = np.int64(order[places[k]]), k
        if which < 0:
            return n
        out[n] = best
        n += 1
        places[which] += 1


@njit(cache=True, nogil=True)
def cut(data, offsets, rows, low, high, starts, ends):
    """The spans of the values of rows; only characters `low` to `high`, both included, where `high` is not -1."""
    for k in range(len(rows)):
        start, end = np.int64(offsets[rows[k]]), np.int64(offsets[rows[k] + 1])
        if high >= 0 and _is_ascii(data, start, min(start + high + 1, end)):
            start, end = min(start + low, end), min(start + high + 1, end)
        elif high >= 0:
            p, stop, n = start, end, 0
            while p < end:
                if data[p] & 0xC0 != 0x80:
                    if n == low:
                        start = p
                    if n == high + 1:
                        stop = p
                        break
                    n += 1
                p += 1
            if n <= low:
                start = end
            end = max(start, stop)
        starts[k], ends[k] = start, end


@njit(cache=True, nogil=True)
def joined_size(offsets, rows, field, joiner):
    """(fields, bytes) of the values of rows when they are joined within each field."""
    count, size = 0, 0
    for k in range(len(rows)):
        size += offsets[rows[k] + 1] - offsets[rows[k]] + len(joiner)
        count += k == 0 or field[rows[k]] != field[rows[k - 1]]
    return count, size


@njit(cache=True, nogil=True)
def join(data, offsets, rows, field, joiner, out, out_offsets, firsts):
    """Join the values of rows within each field; the first row of each."""
    at, n = np.int64(0), -1
    for k in range(len(rows)):
        row = rows[k]
        if k == 0 or field[row] != field[rows[k - 1]]:
            n += 1
            firsts[n], out_offsets[n] = row, at
        else:
            for byte in joiner:
                out[at] = byte
                at += 1
        at = put(out, at, data, np.int64(offsets[row]), np.int64(offsets[row + 1]))
    out_offsets[n + 1] = at
    return at


@njit(cache=True, nogil=True)
def first_valid(starts, ends, records, base, chosen):
    """Choose the first value that is not null of each record without one: `chosen[record]` is base + its place."""
    for k in range(len(records)):
        if ends[k] >= starts[k] and chosen[records[k]] < 0:
            chosen[records[k]] = base + k


@njit(cache=True, nogil=True)
def _same(data, starts, ends, one, other):
    """Whether two values are equal."""
    a, b, length = starts[one], starts[other], ends[one] - starts[one]
    if ends[other] - b != length:
        return False
    for k in range(length):  # noqa: SIM110
        if data[a + k] != data[b + k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _is_new(data, starts, ends, value, slots, mask):
    """Whether a value is not yet in a hash table of values, where it then is."""
    slot = np.int64(xxh64(data, np.int64(starts[value]), np.int64(ends[value])) & np.uint64(mask))
    while slots[slot] >= 0:
        if _same(data, starts, ends, slots[slot], value):
            return False
        slot = (slot + 1) & mask
    slots[slot] = value
    return True


@njit(cache=True, nogil=True)
def group(data, starts, ends, records, count, order, bounds):
    """Sort values by record, in their order, without nulls and repetitions; how many are left.

    Those of record r are order[bounds[r]:bounds[r + 1]].
    """
    sizes = np.zeros(count + 1, np.int64)
    for k in range(len(records)):
        sizes[records[k] + 1] += ends[k] >= starts[k]
    place = np.cumsum(sizes)
    by_record = np.empty(place[count], np.int64)
    for k in range(len(records)):
        if ends[k] >= starts[k]:
            by_record[place[records[k]]] = k
            place[records[k]] += 1
    most = 2
    while most < 2 * sizes.max():
        most *= 2
    slots = np.empty(most, np.int64)
    n, low = 0, 0
    for record in range(count):
        bounds[record] = n
        high = place[record]
        if high - low <= FEW:
            for at in range(low, high):
                value, again = by_record[at], False
                for before in range(low, at):
                    again |= _same(data, starts, ends, by_record[before], value)
                if not again:
                    order[n] = value
                    n += 1
        else:
            size = 2
            while size < 2 * (high - low):
                size *= 2
            slots[:size] = -1
            for at in range(low, high):
                if _is_new(data, starts, ends, by_record[at], slots, size - 1):
                    order[n] = by_record[at]
                    n += 1
        low = high
    bounds[count] = n
    return n


@njit(cache=True, nogil=True)
def spread(starts, ends, chosen, out_starts, out_ends):
    """The span of the chosen value of each record."""
    for record in range(len(chosen)):
        k = chosen[record]
        out_starts[record], out_ends[record] = (starts[k], ends[k]) if k >= 0 else (0, -1)
