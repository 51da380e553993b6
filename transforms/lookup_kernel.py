"""Compiled look-ups among many numbers, most of them digests: which are equal, where they are, in what order."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Flags = NDArray[np.bool_]
NONE = -1
BUCKETS = 1 << 12  # into which keys are put apart first; one of them stays in the cache
DIGIT = 11  # bits of a key that are put in order at once within a bucket
MARKED = 1 << 12  # values that `find` looks at before those of them that may be wanted
AT_ONCE = 1 << 20  # keys that a thread puts apart at once


@njit(cache=True, nogil=True)
def _marked(value):
    """Two bits of 64, by the higher digits of a value."""
    return np.uint64(1) << (value >> np.uint64(58)) | np.uint64(1) << (value >> np.uint64(52) & np.uint64(63))


@njit(cache=True, nogil=True)
def marks(wanted):
    """Two bits for each value, in a word by its lower digits; few of those that are not wanted have both."""
    size = 1 << 6
    while size < len(wanted) >> 1 and size < 1 << 24:
        size <<= 1
    words = np.zeros(size, np.uint64)
    for value in wanted:
        words[np.uint64(value) & np.uint64(size - 1)] |= _marked(np.uint64(value))
    return words


@njit(cache=True, nogil=True)
def _place(value, slots, seen):
    """The slot of a value, or the empty one where it would be."""
    mask = len(slots) - 1
    slot = value & mask
    while slots[slot] != NONE and seen[slots[slot]] != value:
        slot = slot + 1 & mask
    return slot


@njit(cache=True, nogil=True)
def more_room(seen, count, slots):
    """Longer arrays for `number`."""
    seen = np.append(seen[:count], np.empty(slots >> 1, np.int64))
    longer = np.full(slots, NONE, np.int32)
    for nth in range(count):
        longer[_place(seen[nth], longer, seen)] = nth
    return seen, longer


@njit(cache=True, nogil=True)
def number(values, slots, seen, count):
    """The number of each value, by where it first came, and where those came that had not come before.

    Args:
        values: digests.
        slots, seen: as `more_room` made them; the values seen before are the first `count` of `seen`.
    """
    out, fresh = np.empty(len(values), np.int32), np.empty(len(values), np.int64)
    before = count
    for at in range(len(values)):
        slot = _place(values[at], slots, seen)
        if slots[slot] == NONE:
            slots[slot] = count
            seen[count] = values[at]
            fresh[count - before] = at
            count += 1
        out[at] = slots[slot]
    return out, fresh[: count - before].copy()


@njit(cache=True, nogil=True)
def find(values, wanted, words):
    """Where values are among the wanted ones, which are sorted and have `marks`; in ascending order."""
    out, found, mask = np.empty(len(wanted), np.int64), 0, np.uint64(len(words) - 1)
    marked = np.empty(MARKED, np.int64)  # which stays in the cache
    for start in range(0, len(values), MARKED):
        count = np.uint64(0)
        for at in range(np.uint64(start), np.uint64(min(start + MARKED, len(values)))):
            value = np.uint64(values[at])
            marked[count] = at  # overwritten by the next one if it is not marked
            count += np.uint64((words[value & mask] & _marked(value)) == _marked(value))
        for at in marked[:count]:
            place = np.searchsorted(wanted, values[at])
            if place < len(wanted) and wanted[place] == values[at]:
                if found == len(out):
                    out = np.append(out, np.empty_like(out))
                out[found] = at
                found += 1
    return out[:found].copy()


@njit(cache=True, nogil=True)
def find_ranges(values, wanted):
    """Where each of the wanted values begins and ends among others; both are sorted."""
    starts, ends = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.int64)
    at = 0
    for nth, one in enumerate(wanted):
        step = 1
        while at + step < len(values) and values[at + step] < one:
            at += step
            step <<= 1
        at += np.searchsorted(values[at : at + step + 1], one)
        starts[nth] = at
        while at < len(values) and values[at] == one:
            at += 1
        ends[nth] = at
    return starts, ends


@njit(cache=True, nogil=True)
def picked(values, rows):
    """Some of the values; row -1 is the last one.  numpy would first copy rows of 32 bits into wider ones."""
    out = np.empty(len(rows), values.dtype)
    for at in range(len(rows)):
        out[at] = values[rows[at]]
    return out


@njit(cache=True, nogil=True)
def differ(values, others, rows):
    """Of some rows, whether two arrays have other values there; rows that one of them has not don't count."""
    out, size = np.empty(len(rows), np.bool_), min(len(values), len(others))
    for at in range(len(rows)):
        row = rows[at]
        out[at] = row < size and values[row] != others[row]
    return out


def each_once(values: Ints) -> Ints:
    """Values in ascending order, each once; `numpy.unique` would put them into a hash table, and then in order."""
    values = np.sort(values)
    return values[np.append(True, values[1:] != values[:-1])] if len(values) else values


# --- in order --------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _counts(keys, shift):
    """How many keys there are of each first digit."""
    counts = np.zeros(BUCKETS, np.int64)
    for key in keys:
        counts[key >> shift] += 1
    return counts


@njit(cache=True, nogil=True)
def _to_buckets(keys, values, shift, places, out_keys, out_values):
    for at in range(len(keys)):
        bucket = keys[at] >> shift
        out_keys[places[bucket]], out_values[places[bucket]] = keys[at], values[at]
        places[bucket] += 1


@njit(cache=True, nogil=True)
def _by_digit(keys, values, begin, end, shift, counts, other_keys, other_values):
    """Rows from begin to end put in order of the digit at `shift` into other arrays, at the same places."""
    counts[:] = 0
    mask = len(counts) - 1
    for at in range(begin, end):
        counts[keys[at] >> shift & mask] += 1
    place = begin
    for digit in range(len(counts)):
        counts[digit], place = place, place + counts[digit]
    for at in range(begin, end):
        digit = keys[at] >> shift & mask
        other_keys[counts[digit]], other_values[counts[digit]] = keys[at], values[at]
        counts[digit] += 1


@njit(cache=True, nogil=True)
def _within_buckets(keys, values, bounds, shift, other_keys, other_values):
    """Put each bucket in order: by two more digits, and what these leave, which is little."""
    counts = np.zeros(1 << DIGIT, np.int64)
    low, high = max(shift - 2 * DIGIT, 0), max(shift - DIGIT, 0)
    for bucket in range(len(bounds) - 1):
        begin, end = bounds[bucket], bounds[bucket + 1]
        _by_digit(keys, values, begin, end, low, counts, other_keys, other_values)
        _by_digit(other_keys, other_values, begin, end, high, counts, keys, values)
        for at in range(begin + 1, end):
            key, value, place = keys[at], values[at], at
            while place > begin and keys[place - 1] > key:
                keys[place], values[place] = keys[place - 1], values[place - 1]
                place -= 1
            keys[place], values[place] = key, value


def by_key(keys: Ints, values: Ints, threads: int = 1) -> tuple[Ints, Ints]:
    """Keys in ascending order, and the values that stand beside them; what is given is overwritten.

    Raises:
        ValueError: a key is below 0.
    """
    if len(keys) and keys.min() < 0:
        raise ValueError("keys below 0 can't be put in order by their digits")
    shift = max(int(keys.max(initial=0)).bit_length() - BUCKETS.bit_length() + 1, 0)
    out = np.empty_like(keys), np.empty_like(values)
    parts = [slice(start, start + AT_ONCE) for start in range(0, len(keys), AT_ONCE)]
    step = BUCKETS >> 5
    with ThreadPoolExecutor(threads) as pool:
        counts = list(pool.map(lambda part: _counts(keys[part], shift), parts))
        sizes = np.sum([np.zeros(BUCKETS, np.int64), *counts], axis=0)
        bounds = np.append(0, np.cumsum(sizes))
        places = np.cumsum([bounds[:-1], *counts], axis=0)
        list(pool.map(lambda part, at: _to_buckets(keys[part], values[part], shift, at, *out), parts, places))
        some = (bounds[begin : begin + step + 1] for begin in range(0, BUCKETS, step))
        list(pool.map(lambda part: _within_buckets(*out, part, shift, keys, values), some))
    return out
