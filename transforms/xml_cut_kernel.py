"""Compiled kernel that cuts a block of XML at its records, as `harvesters.xml_layout` defines where one begins.

A block holds `size` bytes and at least 128 zero bytes behind, since 64 bytes are loaded at a time.  Positions
are byte indices into the block.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from harvesters.byte_kernel import compiled, copy32, within64, xxh64
from harvesters.xml_layout import ASIDE_LIMIT, TAG_LIMIT

NONE = np.int64(-1)
# What cutting knows between two calls; first the positions (NONE where there is none), then numbers.
NEXT, OPENED, INSIDE, FIRST, LAST, BEHIND, DEPTH, NAME, HEADLESS, STATE_SIZE = range(10)
POSITIONS = DEPTH
# Rows of `cuts`, one column a record: its bytes, and those of its described part (NONE where it has none).
START, END, DESCRIBED, DESCRIBED_END = range(4)

_IN_NAME, _BLANK = 1, 2
_CLASS = np.zeros(256, np.uint8)
for _byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789.-":
    _CLASS[_byte] = _IN_NAME
for _byte in b" \t\r\n\f\v":
    _CLASS[_byte] = _BLANK
# A digest is of these alone, so that a new datestamp or another place in an answer is no change.
_ASIDES = np.frombuffer(b"<!--\0<![CDATA[\0", np.uint8)  # comment and CDATA, as they begin
_CDATA_AT = 5  # where CDATA stands there
_DESCRIPTIONS = np.frombuffer(b"metadata\0recordData\0\0", np.uint8)
LESS, MORE, SLASH, COLON, STAR, BANG, HYPHEN, BRACKET = 0x3C, 0x3E, 0x2F, 0x3A, 0x2A, 0x21, 0x2D, 0x5D


@compiled()
def _equal(buffer, start, end, text, at):
    """Are these bytes the zero-terminated text at `at`?"""
    for p in range(start, end):
        if text[at + p - start] != buffer[p]:
            return False
    return text[at + end - start] == 0


@compiled()
def _which(buffer, start, end, names):
    """The number of the name that these bytes are, or -1."""
    at = number = 0
    while names[at] != 0:
        if _equal(buffer, start, end, names, at):
            return number
        while names[at] != 0:
            at += 1
        at += 1
        number += 1
    return -1


@compiled()
def _in_name(byte):
    return _CLASS[byte] == _IN_NAME


@compiled()
def _begins_name(byte):
    return _CLASS[byte] == _IN_NAME and not 0x2D <= byte <= 0x39


@compiled()
def _tag_at(buffer, before):
    """The position of the tag whose local name has `before` it `<`, `/` or the colon of a prefix; or -1."""
    p = before
    if buffer[p] == COLON:
        p -= 1
        while p >= 0 and _in_name(buffer[p]):
            p -= 1
        if p < 0 or p + 1 == before or not _begins_name(buffer[p + 1]):
            return -1
    if p > 0 and buffer[p] == SLASH:
        p -= 1
    return p if buffer[p] == LESS else -1


@compiled()
def _next_tag(buffer, p, size, bare):
    """The next tag from p on whose local name begins with one of the letters that count: (its position, name).

    Both are `size` where there is none; the name may begin there.  What begins with `<!` is one, too.
    """
    while p < size:
        letters = (
            within64(buffer, p + 1, 0x72, 1) | within64(buffer, p + 1, 0x68, 1) | within64(buffer, p + 1, 0x6D, 1)
        )
        if bare:
            letters |= within64(buffer, p + 1, 0x64, 1) | within64(buffer, p + 1, 0x71, 1)
        hits = letters & (
            within64(buffer, p, LESS, 1) | within64(buffer, p, SLASH, 1) | within64(buffer, p, COLON, 1)
        )
        hits |= within64(buffer, p + 1, BANG, 1) & within64(buffer, p, LESS, 1)
        while hits:
            before = p + np.int64(trailing_zeros(hits))
            at = _tag_at(buffer, before) if before < size else NONE
            if at >= 0:
                return at, before + 1
            hits &= hits - np.uint64(1)
        p += 64
    return size, size


@compiled()
def _begin(state, start, name, headless):
    """A record begins."""
    state[OPENED], state[DEPTH], state[NAME], state[HEADLESS] = start, 1, name, headless
    state[INSIDE] = state[FIRST] = state[LAST] = NONE


@compiled()
def _end(state, end, cuts, count):
    """The open record ends; how many have ended now.  One that has no beginning any more was given out before."""
    state[DEPTH], state[BEHIND] = 0, end
    if state[OPENED] < 0:
        return count
    cuts[START, count], cuts[END, count] = state[OPENED], end
    described = 0 <= state[FIRST] < state[LAST] <= end
    cuts[DESCRIBED, count] = state[FIRST] if described else NONE
    cuts[DESCRIBED_END, count] = state[LAST] if described else NONE
    return count + 1


@compiled()
def _opening(state, p, behind, name, empty, envelopes, cuts, count):
    """The opening tag of a record element."""
    if state[DEPTH] == 0 or not envelopes:
        if state[DEPTH]:
            count = _end(state, p, cuts, count)
        _begin(state, p, name, False)
        if empty:
            count = _end(state, behind, cuts, count)
    elif not empty:
        state[DEPTH] += 1
        state[INSIDE] = p
    return count


@compiled()
def _closing(state, behind, cuts, count):
    """The closing tag of a record element, in a record."""
    state[INSIDE] = NONE
    if state[DEPTH] == 1:
        return _end(state, behind, cuts, count)
    state[DEPTH] -= 1
    return count


@compiled()
def _marked(state, p, cuts, count):
    """The tag that marks an outer record."""
    begin = state[INSIDE] if state[INSIDE] >= 0 else p
    if state[DEPTH] == 0 or begin < p or state[HEADLESS]:
        if state[DEPTH]:
            count = _end(state, begin, cuts, count)
        _begin(state, begin, 0, begin == p)
    return count


@compiled()
def _begins_aside(buffer, p, at):
    """Does the comment or CDATA whose beginning is the text at `at` begin here?"""
    while _ASIDES[at] != 0:
        if buffer[p] != _ASIDES[at]:
            return False
        p += 1
        at += 1
    return True


@compiled()
def _closed(buffer, p, size, sign):
    """The position behind the next end of a comment or CDATA from p on (twice the sign and `>`), or -1."""
    while p < size:
        ends = within64(buffer, p, sign, 1) & within64(buffer, p + 1, sign, 1) & within64(buffer, p + 2, MORE, 1)
        if ends:
            end = p + np.int64(trailing_zeros(ends)) + 3
            return end if end <= size else NONE
        p += 64
    return NONE


@compiled()
def _only_blanks(buffer, start, end):
    blank = True
    for p in range(start, end):
        blank &= _CLASS[buffer[p]] == _BLANK
    return blank


@compiled()
def cut(buffer, size, final, names, mark, prefix, state, cuts):
    """Fill `cuts` with the records that end in the block, until it is full but for one; how many they are.

    `final`: nothing follows the block, so that an open record ends with it.  `names` are the record elements',
    each with a zero behind it; `prefix` is that of `mark`, `*` for any.
    """
    count, most = np.int64(0), cuts.shape[1] - 1
    bare = names[0] != 0x72  # record
    comment_end = literal_end = np.int64(0)  # of the next one, NONE if there is none
    p = state[NEXT]
    while count < most:
        begin = p
        p, start = _next_tag(buffer, begin, size, bare)
        if p == size and not final:  # a tag may begin at the end of the block and go on in the next
            p = _last_tag(buffer, max(begin, size - TAG_LIMIT), size)
        if p == size or start == size:
            break
        if buffer[start] == BANG:
            if not final and size - p < 9:  # it may begin like CDATA
                break
            end = NONE
            if _begins_aside(buffer, p, 0):
                if 0 <= comment_end < p + 7:
                    comment_end = _closed(buffer, p + 4, size, HYPHEN)
                end = comment_end
            elif _begins_aside(buffer, p, _CDATA_AT):
                if 0 <= literal_end < p + 12:
                    literal_end = _closed(buffer, p + 9, size, BRACKET)
                end = literal_end
            else:
                p += 2
                continue
            if end < 0 and not final and size - p <= ASIDE_LIMIT:  # it goes on in the next block
                break
            p = end if 0 <= end <= p + ASIDE_LIMIT else p + 4
            continue
        q = start
        while _in_name(buffer[q]):
            q += 1
        closing = buffer[p + 1] == SLASH
        named = _CLASS[buffer[q]] == _BLANK or buffer[q] == SLASH or buffer[q] == MORE
        name = _which(buffer, start, q, names) if named else -1
        marks = named and not closing and _equal(buffer, start, q, mark, 0)
        marks &= prefix[0] == STAR or _equal(buffer, p + 1, start, prefix, 0)
        describes = named and _which(buffer, start, q, _DESCRIPTIONS) >= 0
        e = q
        if name >= 0 or marks or describes:
            while e < size and buffer[e] != MORE and buffer[e] != LESS:
                e += 1
        if e >= size and not final and size - p <= TAG_LIMIT:  # the tag goes on in the next block
            break
        whole = buffer[e] == MORE
        behind = e + whole
        if name >= 0 and (state[DEPTH] == 0 or name == state[NAME]):
            if not closing:
                empty = whole and buffer[e - 1] == SLASH
                count = _opening(state, p, behind, name, empty, mark[0] != 0, cuts, count)
            elif state[DEPTH]:
                count = _closing(state, behind, cuts, count)
            elif mark[0] == 0:  # of a record that has lost its opening tag
                begin = max(state[BEHIND], 0)
                while _CLASS[buffer[begin]] == _BLANK:
                    begin += 1
                _begin(state, begin, name, False)
                count = _end(state, max(begin, behind), cuts, count)  # the tag may stand before the root
        elif marks:
            count = _marked(state, p, cuts, count)
        if describes:
            if not closing and buffer[q] != SLASH and state[FIRST] < 0:
                state[FIRST] = p
            elif closing and whole and _only_blanks(buffer, q, e):
                state[LAST] = behind
        p = e
    if final and p >= size and state[DEPTH] and count < most:
        count = _end(state, size, cuts, count)
    state[NEXT] = p
    return count


@compiled()
def _last_tag(buffer, start, size):
    """The position of the last tag that begins there; `size` if none does."""
    for p in range(size - 1, start - 1, -1):
        if buffer[p] == LESS:
            return p
    return size


@compiled()
def digests(buffer, cuts, out):
    """XXH64 of the described part of each record, or of all of it where it has none."""
    for unit in range(cuts.shape[1]):
        if cuts[DESCRIBED, unit] >= 0:
            out[unit] = xxh64(buffer, cuts[DESCRIBED, unit], cuts[DESCRIBED_END, unit])
        else:
            out[unit] = xxh64(buffer, cuts[START, unit], cuts[END, unit])


@compiled()
def contents(buffer, cuts, out, offsets):
    """Copy the bytes of all records one behind the other; 32 at a time, so `out` needs as many more."""
    at = np.int64(0)
    for unit in range(cuts.shape[1]):
        start, end = cuts[START, unit], cuts[END, unit]
        offsets[unit] = at
        for p in range(start, end, 32):
            copy32(out, at + p - start, buffer, p)
        at += end - start
    offsets[cuts.shape[1]] = at
