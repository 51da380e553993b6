"""Compiled: one walk over the fields of records, that notes each place which is not as its format lays down."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from quality.rules.definitions import (
    BY_FIRST,
    BY_FIRST_AS_008,
    BY_LEADER,
    MOST_POSITIONS,
    NO_CHARACTER,
    OBSOLETE,
    OFTEN,
    ONCE,
)

(
    UNDEFINED_FIELD,
    OBSOLETE_FIELD,
    REPEATED_FIELD,
    UNDEFINED_INDICATOR,
    OBSOLETE_INDICATOR,
    UNDEFINED_SUBFIELD,
    OBSOLETE_SUBFIELD,
    REPEATED_SUBFIELD,
    UNDEFINED_CODE,
    OBSOLETE_CODE,
    WRONG_LENGTH,
    UNDEFINED_EMBEDDED,
    NO_LINKAGE,
    LINKAGE_FORM,
    UNLINKED_FIELD,
    UNLINKED_880,
) = range(1, 17)


class LaidDown(NamedTuple):
    """What `definitions.Definitions` has, under the same names."""

    by_digits: NDArray[np.int32]
    tag: NDArray[np.uint8]
    indicator: NDArray[np.uint8]
    any_indicator: NDArray[np.uint8]
    code: NDArray[np.uint8]
    coded: NDArray[np.int32]
    by: NDArray[np.int8]
    group: NDArray[np.int32]
    shortest: NDArray[np.int32]
    longest: NDArray[np.int32]
    first_run: NDArray[np.int32]
    end_run: NDArray[np.int32]
    start: NDArray[np.int32]
    length: NDArray[np.int32]
    width: NDArray[np.int32]
    table: NDArray[np.int32]
    run_at: NDArray[np.int32]
    single: NDArray[np.uint8]
    packed: NDArray[np.int64]
    packed_state: NDArray[np.uint8]
    first_packed: NDArray[np.int32]
    end_packed: NDArray[np.int32]


class Rows(NamedTuple):
    """The rows of `staged.field`.

    record: places of the rows' records, -1 for rows to leave out; number: of their fields.
    tags, ind1, ind2, codes: indices into dictionaries, for which the arrays `…_of` stand: `tag_of` by
    [format, index] the number of the tag, `tag_digits` its digits or -1; else characters.
    offsets, data: of the values.
    format_of: by record the number of its format, -1 for one without definitions.
    """

    record: NDArray[np.int64]
    number: NDArray[np.int32]
    tags: NDArray[np.int32]
    tag_of: NDArray[np.int64]
    tag_digits: NDArray[np.int64]
    ind1: NDArray[np.int32]
    ind1_of: NDArray[np.int64]
    ind2: NDArray[np.int32]
    ind2_of: NDArray[np.int64]
    codes: NDArray[np.int32]
    code_of: NDArray[np.int64]
    offsets: NDArray[np.int32]
    data: NDArray[np.uint8]
    format_of: NDArray[np.int64]


MOST_LINKS = 1024  # of a record that are held against each other
_NONE, _ONCE, _OFTEN, _OBSOLETE, _NO_CHARACTER = 0, ONCE, OFTEN, OBSOLETE, NO_CHARACTER
_BY_LEADER, _BY_FIRST, _BY_006 = BY_LEADER, BY_FIRST, BY_FIRST_AS_008


@njit(cache=True, nogil=True)
def _digits(data, at, end):  # type: ignore[no-untyped-def]
    """The number of three digits there, or -1."""
    if at + 3 > end:
        return -1
    number = 0
    for k in range(at, at + 3):
        if data[k] < 48 or data[k] > 57:
            return -1
        number = number * 10 + data[k] - 48
    return number


@njit(cache=True, nogil=True)
def _link(data, at, end):  # type: ignore[no-untyped-def]
    """Of a $6 `TTT-NN` the tag and number as TTT * 100 + NN, or -1."""
    tag = _digits(data, at, end)
    if tag < 0 or at + 6 > end or data[at + 3] != 45:
        return -1
    first, second = data[at + 4], data[at + 5]
    if first < 48 or first > 57 or second < 48 or second > 57:
        return -1
    if at + 6 < end and data[at + 6] != 47:
        return -1
    return tag * 100 + (first - 48) * 10 + second - 48


@njit(cache=True, nogil=True)
def _material(data, at, end):  # type: ignore[no-untyped-def]
    """The number of the material that leader/06-07 says: place in `definitions.MATERIALS`."""
    if at + 8 > end:
        return 0
    kind, level = data[at + 6], data[at + 7]
    if kind == 97 or kind == 116:  # a, t
        return 1 if level == 98 or level == 105 or level == 115 else 0  # b, i, s
    if kind == 109:
        return 2
    if kind == 101 or kind == 102:
        return 3
    if kind == 99 or kind == 100 or kind == 105 or kind == 106:
        return 4
    if kind == 103 or kind == 107 or kind == 111 or kind == 114:
        return 5
    return 6 if kind == 112 or kind == 98 else 0


@njit(cache=True, nogil=True)
def _state(laid, data, at, run):  # type: ignore[no-untyped-def]
    """What the definition says of a code of more than one character."""
    value = np.int64(0)
    for k in range(at, at + laid.width[run]):
        value = value * 256 + data[k]
    low, high = np.int64(laid.first_packed[run]), np.int64(laid.end_packed[run])
    while low < high:
        middle = (low + high) >> 1
        if laid.packed[middle] < value:
            low = middle + 1
        else:
            high = middle
    if low < laid.end_packed[run] and laid.packed[low] == value:
        return np.int64(laid.packed_state[low])
    return np.int64(0)


@njit(cache=True, nogil=True)
def _note(out, count, row, fault, tag, found, extra):  # type: ignore[no-untyped-def]
    if count < len(out):
        out[count, 0], out[count, 1], out[count, 2], out[count, 3], out[count, 4] = row, fault, tag, found, extra
    return count + 1


@njit(cache=True, nogil=True)
def _positions(out, count, row, tag, base, data, at, end, material, laid):  # type: ignore[no-untyped-def]
    """Note the codes at positions of a value that are not those of its group."""
    key = 0
    if laid.by[base] == _BY_LEADER:
        key = material
    elif laid.by[base] == _BY_FIRST or laid.by[base] == _BY_006:
        key = data[at] if at < end else 0
    here = laid.group[base, key]
    if here == 0:
        return count
    size, sound = end - at, True
    if size == laid.longest[here]:
        for k in range(size):
            sound &= laid.single[laid.table[here, k], data[at + k]] == _ONCE
    else:
        sound, size = False, 0
        for k in range(at, end):
            size += (data[k] & 0xC0) != 0x80
        if size < laid.shortest[here] or size > laid.longest[here]:
            return _note(out, count, row, WRONG_LENGTH, tag, size, here)
        if size != end - at:  # characters beyond ASCII shift what follows, and none of them is a code
            return count
    if not sound:
        for k in range(size):
            state = laid.single[laid.table[here, k], data[at + k]]
            if state in (_NONE, _OBSOLETE):
                fault = UNDEFINED_CODE if state == _NONE else OBSOLETE_CODE
                count = _note(out, count, row, fault, tag, data[at + k], laid.run_at[here, k] * MOST_POSITIONS + k)
    for run in range(laid.first_run[here], laid.end_run[here]):
        for step in range(laid.start[run], laid.start[run] + laid.length[run], laid.width[run]):
            place = at + step
            if step + laid.width[run] > size:
                break
            state = _state(laid, data, place, run)
            if state in (_NONE, _OBSOLETE):
                found = np.int64(0)
                for k in range(place, place + laid.width[run]):
                    found = found * 256 + data[k]
                fault = UNDEFINED_CODE if state == _NONE else OBSOLETE_CODE
                count = _note(out, count, row, fault, tag, found, laid.run_at[here, step] * MOST_POSITIONS + step)
    return count


@njit(cache=True, nogil=True)
def _links(out, count, links, link_rows, linked, number_of_links):  # type: ignore[no-untyped-def]
    """Fields that say that they have an 880, and 880s that say whose they are: those without the other."""
    for k in range(number_of_links):
        if links[k] % 100 == 0:
            continue
        found = False
        for other in range(number_of_links):
            if linked[other] != linked[k] and links[other] == links[k]:
                found = True
                break
        if not found:
            fault = UNLINKED_880 if linked[k] else UNLINKED_FIELD
            count = _note(out, count, link_rows[k], fault, 0, links[k], 0)
    return count


@njit(cache=True, nogil=True)
def _named_by(rows, row):  # type: ignore[no-untyped-def]
    """What the first $6 of the field of that row says, as `_link`; -2 without one."""
    at = row
    while at < len(rows.record) and rows.record[at] == rows.record[row] and rows.number[at] == rows.number[row]:
        if rows.code_of[rows.codes[at]] == 54:  # 6
            return _link(rows.data, np.int64(rows.offsets[at]), np.int64(rows.offsets[at + 1]))
        at += 1
    return -2


@njit(cache=True, nogil=True)
def walk(rows, laid, out):  # type: ignore[no-untyped-def]
    """Note what deviates.

    Args:
        rows: `Rows`.
        laid: `LaidDown`.
        out: rows of (row, fault, tag number, what was found, more), as many as there is room for.

    Returns:
        How many rows there are, of which some may have had no room.
    """
    count = 0
    seen_tag = np.full(len(laid.tag), -1)
    seen_code = np.full(_NO_CHARACTER + 1, -1)
    links, link_rows = np.zeros(MOST_LINKS, np.int64), np.zeros(MOST_LINKS, np.int64)
    linked = np.zeros(MOST_LINKS, np.bool_)
    number_of_links = 0
    material = 0
    before, field, serial = np.int64(-1), np.int64(-1), 0
    form, tag, inner, mine = np.int64(-1), 0, 0, 0
    is_880 = embeds = False
    for row in range(len(rows.record)):
        if rows.record[row] < 0:
            continue
        at, end = np.int64(rows.offsets[row]), np.int64(rows.offsets[row + 1])
        if rows.record[row] != before:
            count = _links(out, count, links, link_rows, linked, number_of_links)
            number_of_links = 0
            before, field = np.int64(rows.record[row]), np.int64(-1)
            form = rows.format_of[before]
            material = _material(rows.data, at, end) if form >= 0 else 0
        if form < 0:
            continue
        code = rows.code_of[rows.codes[row]]
        if rows.number[row] != field:
            field = np.int64(rows.number[row])
            serial += 1
            mine = tag = inner = rows.tag_of[form, rows.tags[row]]
            digits = rows.tag_digits[rows.tags[row]]
            is_880, embeds = form == 0 and digits == 880, form > 0 and (digits // 100 == 4 or digits == 604)
            if tag == 0:
                count = _note(out, count, row, UNDEFINED_FIELD, 0, 0, 0)
                continue
            if laid.tag[tag] == _OBSOLETE:
                count = _note(out, count, row, OBSOLETE_FIELD, tag, 0, 0)
            elif laid.tag[tag] == _ONCE and seen_tag[tag] == before:
                count = _note(out, count, row, REPEATED_FIELD, tag, 0, 0)
            seen_tag[tag] = before
            if is_880:  # it is as the field that $6 names
                said = _named_by(rows, row)
                if said == -2:
                    count = _note(out, count, row, NO_LINKAGE, tag, 0, 0)
                mine = inner = laid.by_digits[form, said // 100] if said >= 0 else 0
            if mine and code != _NO_CHARACTER:
                for which in range(2):
                    value = rows.ind1_of[rows.ind1[row]] if which == 0 else rows.ind2_of[rows.ind2[row]]
                    state = laid.indicator[mine, which, value]
                    if not laid.any_indicator[mine, which] and state in (_NONE, _OBSOLETE):
                        fault = UNDEFINED_INDICATOR if state == _NONE else OBSOLETE_INDICATOR
                        count = _note(out, count, row, fault, mine, value, which)
        if tag == 0:
            continue
        base = laid.coded[inner, code]
        if base:
            count = _positions(out, count, row, tag, base, rows.data, at, end, material, laid)
        if code == _NO_CHARACTER:
            continue
        if embeds and code == 49:  # $1: tag and indicators of a field inside this one, or 001 and its value
            digits = _digits(rows.data, at, end)
            inner = laid.by_digits[form, digits] if digits >= 0 else 0
            if inner == 0 and at < end:
                count = _note(out, count, row, UNDEFINED_EMBEDDED, tag, 0, 0)
            serial += 1
            continue
        if inner:
            state = laid.code[inner, code]
            if state == _NONE:
                count = _note(out, count, row, UNDEFINED_SUBFIELD, inner, code, 0)
            elif state == _OBSOLETE:
                count = _note(out, count, row, OBSOLETE_SUBFIELD, inner, code, 0)
            elif state == _ONCE and seen_code[code] == serial:
                count = _note(out, count, row, REPEATED_SUBFIELD, inner, code, 0)
            seen_code[code] = serial
        if code == 54 and form == 0:
            said = _link(rows.data, at, end)
            if said < 0 or (not is_880 and said // 100 != 880):
                count = _note(out, count, row, LINKAGE_FORM, tag, 0, 0)
            elif number_of_links < MOST_LINKS:
                own = said if is_880 else rows.tag_digits[rows.tags[row]] * 100 + said % 100
                links[number_of_links], link_rows[number_of_links] = own, row
                linked[number_of_links] = is_880
                number_of_links += 1
    return _links(out, count, links, link_rows, linked, number_of_links)
