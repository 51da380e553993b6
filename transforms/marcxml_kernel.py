"""Compiled kernel that reads MARCXML records into rows, alone or in the envelope of OAI-PMH or SRU.

It takes a record only where it can prove that a parser would read the same from it (see `xml_text_kernel` for
what it understands of XML), and where its elements are those of the schema, each in its place.  All others it
leaves to the reader that parses them one by one.

Sources: Library of Congress, MARCXML schema 1.2 (MARC21slim.xsd); OAI-PMH 2.0; SRU 1.1 to 2.0.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from transforms.byte_kernel import load64
from transforms.xml_text_kernel import (
    ATTRIBUTES,
    BANG,
    CLASS,
    LESS,
    MASKS,
    NAME_END,
    NAMED,
    PLAIN,
    SLASH,
    SPACES,
    VALUE,
    VALUE_END,
    blanks,
    comment,
    end_tag,
    first,
    legal,
    start_tag,
    text,
    word,
)

TAG_LEADER, TAG_ODD = 1000, 1001  # 0-999 are three digits; TAG_ODD + three packed bytes for all others
NO_CHARACTER = 128  # index of the empty indicator or code; 0-127 are ASCII characters
MARC21, CNMARC, UNIMARC = range(3)

# What a record is; the first is what the kernel leaves alone.
LEFT, STAGED, WITHDRAWN, DELETED = range(4)
# Rows of `told`, one column a record: one of these, its format, and the row of its 001 (-1 where it has none).
STATE, FORMAT, ID_ROW, TOLD = range(4)

# Kinds of element: what their names mean where they stand.
_RECORD, _HEADER, _WRAPPER, _MARC, _DATAFIELD, _OTHER = range(6)  # with elements inside
_LEADER, _CONTROLFIELD, _SUBFIELD, _IDENTIFIER = range(6, 10)  # with text inside
_UNKNOWN = -1
# What a record's elements tell; one bit each.
_WITH_HEADER, _WITH_WRAPPER, _WITH_MARC, _WITH_FIELDS, _WITH_IDENTIFIER, _WITH_OTHER = (1 << bit for bit in range(6))
_WITH_200, _WITH_245, _WITH_CHINESE, _IS_WITHDRAWN, _IS_DELETED = (1 << bit for bit in range(6, 11))
_MAX_DEPTH = 32
_MAX_BYTES = 4 << 20  # of a record; parsers have limits of their own, which this is well below

_LEADER_WORD, _RECORD_WORD, _HEADER_WORD = word(b"leader"), word(b"record"), word(b"header")
_SUBFIELD_WORD, _METADATA_WORD = word(b"subfield"), word(b"metadata")
_DATAFIELD_WORDS, _CONTROLFIELD_WORDS = (word(b"datafiel"), word(b"atafield")), (word(b"controlf"), word(b"rolfield"))
_DATA_WORDS, _IDENTIFIER_WORDS = (word(b"recordDa"), word(b"cordData")), (word(b"identifi"), word(b"entifier"))
_TAG_WORD, _IND1_WORD, _IND2_WORD, _CODE_WORD = word(b"tag"), word(b"ind1"), word(b"ind2"), word(b"code")
_STATUS_WORD, _DELETED_WORD = word(b"status"), word(b"deleted")

# What is known while a record is read: rows and bytes so far, and what the open field says.
_ROW, _AT, _ID_AT, _FIRST_ROW, _TEXT_AT, _FACTS, _RECORD_NO, _ID_ROW = range(8)
_FIELD_NO, _SUBFIELD_NO, _TAG, _IND1, _IND2, _CODE, _KNOWN = range(8, 15)
# Rows of `shapes`, one column a kind of start tag: how long it is, its name, and where it says what (-1 where not).
_OF_DATAFIELD, _OF_SUBFIELD = 0, 1
_LONG, _NAME_LENGTH, _AT_TAG, _AT_IND1, _AT_IND2, _AT_CODE, _SHAPE = range(7)
_WORDS = 8  # of eight bytes, that are kept of a start tag
# Rows of `opened`, one column an open element: its name, kind, and how many prefixes were declared before it.
_NAMED, _LENGTH, _KIND, _SPACES_BEFORE = range(4)


class Rows(NamedTuple):
    """One row a subfield or control field; arrays of equal length.

    Indicators and codes are ASCII values, or NO_CHARACTER; `offsets` says where each value begins in `values`.
    """

    record: NDArray[np.int32]
    field_no: NDArray[np.int32]
    tag: NDArray[np.int32]
    ind1: NDArray[np.int32]
    ind2: NDArray[np.int32]
    subfield_no: NDArray[np.int32]
    code: NDArray[np.int32]
    has_indicators: NDArray[np.uint8]
    has_code: NDArray[np.uint8]
    offsets: NDArray[np.int32]
    values: NDArray[np.uint8]


@njit(cache=True, nogil=True, _nrt=False)
def _name_of(buffer, start, end):
    """The kind of element that this local name has in some place, or _UNKNOWN."""
    length, head = end - start, load64(buffer, start)
    if length == 8:
        return _SUBFIELD if head == _SUBFIELD_WORD else _WRAPPER if head == _METADATA_WORD else _UNKNOWN
    if length == 9:
        return _DATAFIELD if head == _DATAFIELD_WORDS[0] and load64(buffer, end - 8) == _DATAFIELD_WORDS[1] else _UNKNOWN
    if length == 6:
        head = first(buffer, start, 6)
        if head == _RECORD_WORD:
            return _RECORD
        return _LEADER if head == _LEADER_WORD else _HEADER if head == _HEADER_WORD else _UNKNOWN
    if length == 12:
        return _CONTROLFIELD if head == _CONTROLFIELD_WORDS[0] and load64(buffer, end - 8) == _CONTROLFIELD_WORDS[1] else _UNKNOWN
    if length == 10:
        if head == _DATA_WORDS[0] and load64(buffer, end - 8) == _DATA_WORDS[1]:
            return _WRAPPER
        return _IDENTIFIER if head == _IDENTIFIER_WORDS[0] and load64(buffer, end - 8) == _IDENTIFIER_WORDS[1] else _UNKNOWN
    return _UNKNOWN


@njit(cache=True, nogil=True, _nrt=False)
def _child(parent, name, facts):
    """(kind of an element inside another, its bit of the facts); the kind is _UNKNOWN where it may not be."""
    if parent == _UNKNOWN:
        return _RECORD if name == _RECORD else _UNKNOWN, 0
    if parent == _RECORD:
        if name == _HEADER or name == _WRAPPER:
            fact = _WITH_HEADER if name == _HEADER else _WITH_WRAPPER
            return name if facts & (fact | _WITH_FIELDS) == 0 else _UNKNOWN, fact
        if name == _LEADER or name == _CONTROLFIELD or name == _DATAFIELD:
            allowed = facts & (_WITH_HEADER | _WITH_WRAPPER | _WITH_OTHER) == 0
            return name if allowed else _UNKNOWN, _WITH_FIELDS
        allowed = facts & _WITH_FIELDS == 0 or facts & _WITH_WRAPPER
        return _OTHER if allowed else _UNKNOWN, _WITH_OTHER
    if parent == _MARC:
        known = name == _LEADER or name == _CONTROLFIELD or name == _DATAFIELD
        return name if known else _UNKNOWN, _WITH_FIELDS
    if parent == _DATAFIELD:
        return name if name == _SUBFIELD else _UNKNOWN, 0
    if parent == _WRAPPER:
        return _MARC if name == _RECORD and facts & _WITH_MARC == 0 else _UNKNOWN, _WITH_MARC
    if parent == _HEADER and name == _IDENTIFIER:
        return name if facts & _WITH_IDENTIFIER == 0 else _UNKNOWN, _WITH_IDENTIFIER
    return _OTHER, 0


@njit(cache=True, nogil=True, _nrt=False)
def _tag_of(buffer, start, end):
    """The index of a tag of three printable characters, or -1."""
    packed, number = 0, 0
    digits = end - start == 3
    for p in range(start, end):
        byte = np.int64(buffer[p])
        if byte < 0x20 or byte >= 0x7F:
            return -1
        digits &= 0x30 <= byte <= 0x39
        packed = packed << 8 | byte
        number = 10 * number + byte - 0x30
    if end - start != 3:
        return -1
    return number if digits else TAG_ODD + packed


@njit(cache=True, nogil=True, _nrt=False)
def _character_of(buffer, start, end):
    """The index of a value that is one printable character or empty, or -1."""
    if start == end:
        return NO_CHARACTER
    byte = np.int64(buffer[start])
    return byte if end - start == 1 and 0x20 <= byte < 0x7F else -1


@njit(cache=True, nogil=True, _nrt=False)
def _field(buffer, attributes, n, marc):
    """Take in the tag and indicators of a field; False where one of them is odd."""
    marc[_TAG], marc[_IND1], marc[_IND2] = -1, 0x20, 0x20
    for k in range(n):
        start, length = attributes[NAMED, k], attributes[NAME_END, k] - attributes[NAMED, k]
        if length > 4:
            continue
        said, value, stop = first(buffer, start, length), attributes[VALUE, k], attributes[VALUE_END, k]
        if said == _TAG_WORD:
            marc[_TAG] = _tag_of(buffer, value, stop)
        elif said == _IND1_WORD:
            marc[_IND1] = _character_of(buffer, value, stop)
        elif said == _IND2_WORD:
            marc[_IND2] = _character_of(buffer, value, stop)
    return marc[_TAG] >= 0 and marc[_IND1] >= 0 and marc[_IND2] >= 0


@njit(cache=True, nogil=True, _nrt=False)
def _subfield(buffer, attributes, n, marc):
    """Take in the code of a subfield; False where it is odd."""
    marc[_CODE] = NO_CHARACTER
    for k in range(n):
        start = attributes[NAMED, k]
        if attributes[NAME_END, k] - start == 4 and first(buffer, start, 4) == _CODE_WORD:
            marc[_CODE] = _character_of(buffer, attributes[VALUE, k], attributes[VALUE_END, k])
    return marc[_CODE] >= 0


@njit(cache=True, nogil=True, _nrt=False)
def _says_deleted(buffer, attributes, n):
    for k in range(n):
        start, value = attributes[NAMED, k], attributes[VALUE, k]
        if attributes[NAME_END, k] - start == 6 and first(buffer, start, 6) == _STATUS_WORD:
            return attributes[VALUE_END, k] - value == 7 and first(buffer, value, 7) == _DELETED_WORD
    return False


@njit(cache=True, nogil=True, _nrt=False)
def _fact_of(tag):
    """What a field of this tag says about its record's format."""
    if tag == 200:
        return _WITH_200
    if tag == 245:
        return _WITH_245
    return _WITH_CHINESE if tag == 690 or tag == 905 or tag == 906 or tag == 920 else 0


@njit(cache=True, nogil=True, _nrt=False)
def _has_han(values, start, end):
    """Is a character of U+4E00 to U+9FFF among the values?"""
    for p in range(start, end):
        if 0xE4 <= values[p] <= 0xE9 and (values[p] > 0xE4 or values[p + 1] >= 0xB8):
            return True
    return False


@njit(cache=True, nogil=True, _nrt=False)
def _add(rows, marc, kind, stop):
    """Add a row for a leader, control field or subfield whose value ends at `stop`; False where it is odd."""
    row, at = marc[_ROW], marc[_AT]
    if kind == _LEADER:
        for p in range(at, min(at + 6, stop)):
            if rows.values[p] >= 0x80:  # so that byte 5 is character 5
                return False
        if row > marc[_FIRST_ROW]:
            return False
        marc[_FACTS] &= ~_IS_WITHDRAWN
        if stop - at > 5 and rows.values[at + 5] == 0x64:
            marc[_FACTS] |= _IS_WITHDRAWN
        if stop == at:
            return True
        marc[_TAG] = TAG_LEADER
        marc[_TEXT_AT] = stop
    elif kind == _CONTROLFIELD and marc[_TAG] == 1:
        if marc[_ID_ROW] >= 0:
            return False
        marc[_ID_ROW] = row
    in_field = kind == _SUBFIELD
    rows.record[row], rows.field_no[row], rows.tag[row] = marc[_RECORD_NO], marc[_FIELD_NO], marc[_TAG]
    rows.ind1[row], rows.ind2[row], rows.has_indicators[row] = marc[_IND1], marc[_IND2], in_field
    rows.subfield_no[row], rows.code[row], rows.has_code[row] = marc[_SUBFIELD_NO], marc[_CODE], in_field
    rows.offsets[row] = at
    marc[_ROW], marc[_AT] = row + 1, stop
    marc[_FACTS] |= _fact_of(marc[_TAG])
    if in_field:
        marc[_SUBFIELD_NO] += 1
    else:
        marc[_FIELD_NO] += 1
    return True


@njit(cache=True, nogil=True, _nrt=False)
def _learn(buffer, p, name_end, q, attributes, n, shape, shapes, words):
    """Remember the start tag from p to q, all of it but the tag, indicators or code that it gives.

    Most start tags are like the last one of their kind but for these.
    """
    shapes[_LONG, shape] = 0
    shapes[_NAME_LENGTH, shape] = name_end - p - 1
    for which in range(_AT_TAG, _SHAPE):
        shapes[which, shape] = -1
    if q - p > 8 * _WORDS:
        return
    for k in range(_WORDS):
        inside = min(max(q - p - 8 * k, 0), 8)
        words[1, shape, k] = MASKS[np.uint64(inside)]
    for k in range(n):
        start, length = attributes[NAMED, k], attributes[NAME_END, k] - attributes[NAMED, k]
        said = first(buffer, start, min(length, 7)) if length <= 4 else np.uint64(0)
        which = -1
        if shape == _OF_SUBFIELD:
            which = _AT_CODE if said == _CODE_WORD else -1
        elif said == _TAG_WORD:
            which = _AT_TAG
        elif said == _IND1_WORD or said == _IND2_WORD:
            which = _AT_IND1 if said == _IND1_WORD else _AT_IND2
        if which >= 0:
            if attributes[VALUE_END, k] - attributes[VALUE, k] != (3 if which == _AT_TAG else 1):
                return
            shapes[which, shape] = attributes[VALUE, k] - p
            for at in range(attributes[VALUE, k] - p, attributes[VALUE_END, k] - p):
                words[1, shape, at >> 3] &= ~(np.uint64(0xFF) << np.uint64(8 * (at & 7)))
    for k in range(_WORDS):
        words[0, shape, k] = load64(buffer, p + 8 * k) & words[1, shape, k]
    shapes[_LONG, shape] = q - p


@njit(cache=True, nogil=True, _nrt=False)
def _plain(buffer, p, where):
    """The character at a place in a tag, a blank where it has no such place; -1 if it needs a closer look."""
    if where < 0:
        return 0x20
    byte = np.int64(buffer[p + where])
    return byte if CLASS[np.uint64(byte)] & PLAIN else -1


@njit(cache=True, nogil=True, _nrt=False)
def _alike(buffer, p, shape, shapes, words, marc):
    """Is the tag at p like the one that was learnt?  Then take in what it says."""
    long = shapes[_LONG, shape]
    if long == 0:
        return False
    for k in range(long + 7 >> 3):
        if load64(buffer, p + 8 * k) & words[1, shape, k] != words[0, shape, k]:
            return False
    if shape == _OF_SUBFIELD:
        where = shapes[_AT_CODE, shape]
        code = _plain(buffer, p, where) if where >= 0 else NO_CHARACTER
        marc[_CODE] = code
        return code >= 0
    where = shapes[_AT_TAG, shape]
    ind1, ind2 = _plain(buffer, p, shapes[_AT_IND1, shape]), _plain(buffer, p, shapes[_AT_IND2, shape])
    for k in range(3):
        if _plain(buffer, p, where + k) < 0:
            return False
    marc[_TAG], marc[_IND1], marc[_IND2] = _tag_of(buffer, p + where, p + where + 3), ind1, ind2
    return ind1 >= 0 and ind2 >= 0


@njit(cache=True, nogil=True, _nrt=False)
def _element(buffer, p, parent, depth, n_spaces, known, marc, work):
    """Read the start tag at p: (kind, length of its name, empty, prefixes declared, position behind it).

    The kind is _UNKNOWN where the record is to be left alone.
    """
    attributes, spaces, opened, shapes, words = work
    shape = -1
    if parent == _DATAFIELD:
        shape = _OF_SUBFIELD
    elif parent == _MARC or (parent == _RECORD and marc[_FACTS] & _WITH_FIELDS and marc[_FACTS] & _WITH_WRAPPER == 0):
        shape = _OF_DATAFIELD
    if shape >= 0 and _alike(buffer, p, shape, shapes, words, marc):
        kind = _SUBFIELD if shape == _OF_SUBFIELD else _DATAFIELD
        return kind, shapes[_NAME_LENGTH, shape], False, n_spaces, p + shapes[_LONG, shape]
    local, name_end, n, empty, declared, q = start_tag(buffer, p, known, attributes, spaces, n_spaces)
    if q < 0:
        return _UNKNOWN, 0, False, n_spaces, q
    name = _name_of(buffer, local, name_end)
    kind, fact = _child(parent, name, marc[_FACTS])
    marc[_FACTS] |= fact
    plain = True
    if kind == _HEADER and _says_deleted(buffer, attributes, n):
        marc[_FACTS] |= _IS_DELETED
    elif kind == _CONTROLFIELD or kind == _DATAFIELD:
        plain = _field(buffer, attributes, n, marc)
    elif kind == _SUBFIELD:
        plain = _subfield(buffer, attributes, n, marc)
    # a prefix that was declared in the field itself would be unknown in the next
    inherited = opened[_SPACES_BEFORE, depth - 1] if kind == _SUBFIELD else n_spaces
    if (kind == _SUBFIELD or kind == _DATAFIELD) and not empty and declared == inherited:
        _learn(buffer, p, name_end, q, attributes, n, shape, shapes, words)
    return kind if plain else _UNKNOWN, name_end - p - 1, empty, declared, q


@njit(cache=True, nogil=True, _nrt=False)
def _elements(buffer, start, end, known, rows, ids, marc, work):
    """Read one record; False where it is left alone."""
    opened, shapes = work[2], work[3]
    shapes[_LONG] = 0
    p, depth, n_spaces = start, 0, np.int64(0)
    while True:
        parent = opened[_KIND, depth - 1] if depth else _UNKNOWN
        if depth:
            if parent == _OTHER:
                p = text(buffer, p, end, rows.values, marc[_AT])[0]
            else:
                p = blanks(buffer, p)
            if p < 0 or p >= end or buffer[p] != LESS:
                return False
            if buffer[p + 1] == BANG:
                p = comment(buffer, p, end)
                if p < 0:
                    return False
                continue
            if buffer[p + 1] == SLASH:
                depth -= 1
                p = end_tag(buffer, p, opened[_NAMED, depth], opened[_LENGTH, depth])
                n_spaces = opened[_SPACES_BEFORE, depth]
                if parent == _DATAFIELD:
                    marc[_FIELD_NO] += marc[_SUBFIELD_NO] > 0
                    marc[_SUBFIELD_NO] = 0
                if p < 0 or depth == 0:
                    return p == end
                continue
        named = p + 1
        kind, length, empty, declared, p = _element(buffer, p, parent, depth, n_spaces, known, marc, work)
        if kind == _UNKNOWN or (empty and depth == 0) or depth == _MAX_DEPTH:
            return False
        if kind < _LEADER:
            if not empty:
                opened[_NAMED, depth], opened[_LENGTH, depth] = named, length
                opened[_KIND, depth], opened[_SPACES_BEFORE, depth] = kind, n_spaces
                depth += 1
                n_spaces = declared
            continue
        out, at = (ids, marc[_ID_AT]) if kind == _IDENTIFIER else (rows.values, marc[_AT])
        stop = at
        if not empty:
            p, stop = text(buffer, p, end, out, at)
            if p >= 0:
                p = end_tag(buffer, p, named, length)
            if p < 0:
                return False
        if kind == _IDENTIFIER:
            marc[_ID_AT] = stop
        elif not _add(rows, marc, kind, stop):
            return False


@njit(cache=True, nogil=True, _nrt=False)
def _state(rows, ids, id_at, marc, needs_header):
    """What a record is whose elements have been read."""
    facts = marc[_FACTS]
    if facts & _IS_DELETED:
        for p in range(id_at, marc[_ID_AT]):
            if facts & _WITH_WRAPPER == 0 and 0x20 < ids[p] < 0x7F:
                return DELETED
        return LEFT
    if facts & _WITH_FIELDS == 0 or (needs_header and facts & _WITH_HEADER == 0):
        return LEFT
    return WITHDRAWN if facts & _IS_WITHDRAWN else STAGED


@njit(cache=True, nogil=True, _nrt=False)
def _format(rows, marc):
    facts = marc[_FACTS]
    if facts & _WITH_200 == 0 or facts & _WITH_245:
        return MARC21
    return CNMARC if facts & _WITH_CHINESE or _has_han(rows.values, marc[_TEXT_AT], marc[_AT]) else UNIMARC


@njit(cache=True, nogil=True)
def read(buffer, starts, ends, first_no, needs_header, known, rows, ids, id_offsets, told):
    """Read the records that can be read here; how many rows there are of them.

    Args:
        buffer: the block.
        starts: of each record.
        ends: of each record.
        first_no: number of the first record.
        needs_header: a record without the header of OAI-PMH is left.
        known: the prefixes that are declared before the first record, each with a colon behind it.
        rows: takes the rows; `values` needs 64 bytes more than the records have.
        ids: takes the identifiers in the headers, not trimmed; as long as `rows.values`.
        id_offsets: takes where each of them begins, one for each record and one more.
        told: takes what each record is, see STATE.
    """
    marc = np.zeros(_KNOWN, np.int64)
    work = (
        np.empty((5, ATTRIBUTES), np.int64),
        np.empty((2, SPACES), np.int64),
        np.empty((4, _MAX_DEPTH), np.int64),
        np.empty((_SHAPE, 2), np.int64),
        np.empty((2, 2, _WORDS), np.uint64),
    )
    row = at = id_at = np.int64(0)
    for r in range(len(starts)):
        id_offsets[r] = id_at
        marc[:] = 0
        marc[_ROW] = marc[_FIRST_ROW] = row
        marc[_AT] = marc[_TEXT_AT] = at
        marc[_ID_AT], marc[_RECORD_NO], marc[_ID_ROW] = id_at, first_no + r, -1
        state = LEFT
        if ends[r] - starts[r] <= _MAX_BYTES and legal(buffer, starts[r], ends[r]):
            if _elements(buffer, starts[r], ends[r], known, rows, ids, marc, work):
                state = _state(rows, ids, id_at, marc, needs_header)
        told[STATE, r], told[FORMAT, r], told[ID_ROW, r] = state, MARC21, -1
        if state != LEFT:
            told[FORMAT, r], told[ID_ROW, r] = _format(rows, marc), marc[_ID_ROW]
            row, at, id_at = marc[_ROW], marc[_AT], marc[_ID_AT]
    id_offsets[len(starts)] = id_at
    rows.offsets[row] = at
    return row
