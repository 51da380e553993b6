"""Compiled kernel that reads MARCXML records into rows, alone or in the envelope of OAI-PMH or SRU.

It takes a record only where it can prove that a parser would read the same from it (`xml_tag_kernel` and
`xml_text_kernel` say what they understand of XML), and where its elements are those of the schema, each in its
place.  All others it leaves to the reader that parses them one by one.

Sources: Library of Congress, MARCXML schema 1.2 (MARC21slim.xsd); OAI-PMH 2.0; SRU 1.1 to 2.0.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from harvesters.byte_kernel import compiled, load64
from harvesters.xml_tag_kernel import (
    ATTRIBUTE,
    ATTRIBUTES,
    NAME_END,
    NAMED,
    SLASH,
    SPACE,
    SPACES,
    VALUE,
    VALUE_END,
    blanks,
    comment,
    end_tag,
    start_tag,
)
from harvesters.xml_text_kernel import BANG, LESS, first, legal, text, word
from transforms.field_dictionaries import NO_CHARACTER, TAG_LEADER, TAG_ODD

MARC21, CNMARC, UNIMARC = range(3)
# What a record is; the first is what the kernel leaves.
LEFT, STAGED, WITHDRAWN, DELETED = range(4)
# Rows of `told`, one column a record: one of these, its format, and the row of its 001 (-1 where it has none).
STATE, FORMAT, ID_ROW, TOLD = range(4)

# Kinds of element: those with elements inside, then those with text.
_RECORD, _HEADER, _WRAPPER, _MARC, _DATAFIELD, _OTHER = range(6)
_LEADER, _CONTROLFIELD, _SUBFIELD, _IDENTIFIER = range(6, 10)
_UNKNOWN = -1
_NAMES = (
    (b"record", _RECORD),
    (b"header", _HEADER),
    (b"metadata", _WRAPPER),
    (b"recordData", _WRAPPER),
    (b"datafield", _DATAFIELD),
    (b"leader", _LEADER),
    (b"controlfield", _CONTROLFIELD),
    (b"subfield", _SUBFIELD),
    (b"identifier", _IDENTIFIER),
)
_LENGTHS = np.array([len(name) for name, _ in _NAMES])
_HEADS, _TAILS = (np.array([word(end(name)) for name, _ in _NAMES]) for end in (bytes, lambda name: name[-8:]))
_KINDS = np.array([kind for _, kind in _NAMES])
_TAG_WORD, _IND1_WORD, _IND2_WORD, _CODE_WORD = word(b"tag"), word(b"ind1"), word(b"ind2"), word(b"code")
_STATUS_WORD, _DELETED_WORD = word(b"status"), word(b"deleted")

# What a record's elements tell; one bit each.
_WITH_HEADER, _WITH_WRAPPER, _WITH_MARC, _WITH_FIELDS, _WITH_IDENTIFIER = (1 << bit for bit in range(5))
_WITH_OTHER, _WITH_200, _WITH_245, _WITH_CHINESE, _IS_WITHDRAWN, _IS_DELETED = (1 << bit for bit in range(5, 11))

# What is known while a record is read: rows and bytes so far, and what the open field says.
_ROW, _AT, _ID_AT, _FIRST_ROW, _TEXT_AT, _FACTS, _RECORD_NO, _ID_ROW = range(8)
_FIELD_NO, _SUBFIELD_NO, _TAG, _IND1, _IND2, _CODE, _KNOWN = range(8, 15)
# Rows of `opened`, one column an open element: its name, kind, and how many prefixes were declared before it.
_OPENED, _LENGTH, _KIND, _SPACES_BEFORE, _ELEMENT = range(5)
_MAX_DEPTH = 32
_MAX_BYTES = 4 << 20  # of a record; parsers have limits of their own, which this is well below


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


@compiled()
def _named(buffer, start, end):
    """The kind of element that this local name has in some place, or _UNKNOWN."""
    length = end - start
    head = first(buffer, start, min(length, 8))
    for k in range(len(_KINDS)):
        if length == _LENGTHS[k] and head == _HEADS[k] and (length <= 8 or load64(buffer, end - 8) == _TAILS[k]):
            return _KINDS[k]
    return _UNKNOWN


@compiled()
def _child(parent, name, facts):
    """(kind of an element inside another, its bit of the facts); the kind is _UNKNOWN where it may not be."""
    of_marc = name in (_LEADER, _CONTROLFIELD, _DATAFIELD)
    if parent == _RECORD:
        if name in (_HEADER, _WRAPPER):
            fact = _WITH_HEADER if name == _HEADER else _WITH_WRAPPER
            return name if facts & (fact | _WITH_FIELDS) == 0 else _UNKNOWN, fact
        if of_marc:
            enveloped = facts & (_WITH_HEADER | _WITH_WRAPPER | _WITH_OTHER)
            return _UNKNOWN if enveloped else name, _WITH_FIELDS
        return _UNKNOWN if facts & _WITH_FIELDS and not facts & _WITH_WRAPPER else _OTHER, _WITH_OTHER
    if parent == _MARC:
        return name if of_marc else _UNKNOWN, _WITH_FIELDS
    if parent == _DATAFIELD:
        return name if name == _SUBFIELD else _UNKNOWN, 0
    if parent == _WRAPPER:
        return _MARC if name == _RECORD and facts & _WITH_MARC == 0 else _UNKNOWN, _WITH_MARC
    if parent == _HEADER and name == _IDENTIFIER:
        return name if facts & _WITH_IDENTIFIER == 0 else _UNKNOWN, _WITH_IDENTIFIER
    if parent == _UNKNOWN:  # the record itself
        return name if name == _RECORD else _UNKNOWN, 0
    return _OTHER, 0


@compiled()
def _tag(buffer, start, end):
    """The index of a tag of three printable characters, or -1."""
    packed, number, digits = 0, 0, True
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


@compiled()
def _character(buffer, start, end):
    """The index of a value that is one printable character or empty, or -1."""
    if start == end:
        return NO_CHARACTER
    byte = np.int64(buffer[start])
    return byte if end - start == 1 and 0x20 <= byte < 0x7F else -1


@compiled()
def _field(buffer, attributes, n, marc):
    """Take in the tag and indicators of a field; False where one of them is odd."""
    marc[_TAG], marc[_IND1], marc[_IND2] = -1, 0x20, 0x20
    for k in range(n):
        start, value, stop = attributes[NAMED, k], attributes[VALUE, k], attributes[VALUE_END, k]
        said = first(buffer, start, min(attributes[NAME_END, k] - start, 8))
        if said == _TAG_WORD:
            marc[_TAG] = _tag(buffer, value, stop)
        elif said == _IND1_WORD:
            marc[_IND1] = _character(buffer, value, stop)
        elif said == _IND2_WORD:
            marc[_IND2] = _character(buffer, value, stop)
    return marc[_TAG] >= 0 and marc[_IND1] >= 0 and marc[_IND2] >= 0


@compiled()
def _subfield(buffer, attributes, n, marc):
    """Take in the code of a subfield; False where it is odd."""
    marc[_CODE] = NO_CHARACTER
    for k in range(n):
        start = attributes[NAMED, k]
        if first(buffer, start, min(attributes[NAME_END, k] - start, 8)) == _CODE_WORD:
            marc[_CODE] = _character(buffer, attributes[VALUE, k], attributes[VALUE_END, k])
    return marc[_CODE] >= 0


@compiled()
def _says_deleted(buffer, attributes, n):
    """Does an OAI header tell of a deletion?  Negative where its status is another word."""
    deleted = 0
    for k in range(n):
        start, value = attributes[NAMED, k], attributes[VALUE, k]
        if first(buffer, start, min(attributes[NAME_END, k] - start, 8)) == _STATUS_WORD:
            is_word = first(buffer, value, min(attributes[VALUE_END, k] - value, 8)) == _DELETED_WORD
            deleted = 1 if is_word else -1
    return deleted


@compiled()
def _element(buffer, p, parent, n_spaces, known, marc, work):
    """Read the start tag at p: (kind, length of its name, empty, prefixes declared, position behind it).

    The kind is _UNKNOWN where the record is to be left.
    """
    attributes, spaces, _ = work
    local, name_end, n, empty, declared, behind = start_tag(buffer, p, known, attributes, spaces, n_spaces, False)
    kind, fact, plain = _UNKNOWN, 0, behind >= 0
    if plain:
        kind, fact = _child(parent, _named(buffer, local, name_end), marc[_FACTS])
        marc[_FACTS] |= fact
    if kind == _HEADER:
        deleted = _says_deleted(buffer, attributes, n)
        plain = deleted >= 0
        if deleted > 0:
            marc[_FACTS] |= _IS_DELETED
    elif kind in (_CONTROLFIELD, _DATAFIELD):
        plain = _field(buffer, attributes, n, marc)
    elif kind == _SUBFIELD:
        plain = _subfield(buffer, attributes, n, marc)
    return kind if plain else _UNKNOWN, name_end - p - 1, empty, declared, behind


@compiled()
def _leader(rows, marc, stop):
    """Take in the leader whose text ends at `stop`; False where it is odd."""
    at = marc[_AT]
    for p in range(at, min(at + 6, stop)):  # so that the sixth byte is the sixth character
        if rows.values[p] >= 0x80:
            return False
    if marc[_ROW] > marc[_FIRST_ROW]:
        return False
    marc[_FACTS] &= ~_IS_WITHDRAWN
    if stop - at > 5 and rows.values[at + 5] == 0x64:
        marc[_FACTS] |= _IS_WITHDRAWN
    marc[_TAG], marc[_TEXT_AT] = TAG_LEADER, stop
    return True


@compiled()
def _add(rows, marc, stop, in_field):
    """Add a row whose value ends at `stop`: of a subfield, or of a leader or control field."""
    row, tag = marc[_ROW], marc[_TAG]
    rows.record[row], rows.field_no[row], rows.tag[row] = marc[_RECORD_NO], marc[_FIELD_NO], tag
    rows.ind1[row], rows.ind2[row], rows.has_indicators[row] = marc[_IND1], marc[_IND2], in_field
    rows.subfield_no[row], rows.code[row], rows.has_code[row] = marc[_SUBFIELD_NO], marc[_CODE], in_field
    rows.offsets[row] = marc[_AT]
    marc[_ROW], marc[_AT] = row + 1, stop
    marc[_SUBFIELD_NO] += in_field
    marc[_FIELD_NO] += not in_field
    if tag == 200:
        marc[_FACTS] |= _WITH_200
    elif tag == 245:
        marc[_FACTS] |= _WITH_245
    elif tag in (690, 905, 906, 920):
        marc[_FACTS] |= _WITH_CHINESE


@compiled()
def _leaf(buffer, p, opened, length, kind, empty, end, rows, ids, marc):
    """Read the text from p on of an element with this name; the position behind its end tag, or -1."""
    out, at = (ids, marc[_ID_AT]) if kind == _IDENTIFIER else (rows.values, marc[_AT])
    stop = at
    if not empty:
        p, stop = text(buffer, p, end, out, at)
        p = end_tag(buffer, p, opened, length) if p >= 0 else -1
    if p < 0:
        return -1
    if kind == _IDENTIFIER:
        marc[_ID_AT] = stop
        return p
    if kind == _LEADER and not _leader(rows, marc, stop):
        return -1
    if kind == _CONTROLFIELD and marc[_TAG] == 1:
        if marc[_ID_ROW] >= 0:
            return -1
        marc[_ID_ROW] = marc[_ROW]
    if kind != _LEADER or stop > at:
        _add(rows, marc, stop, kind == _SUBFIELD)
    return p


@compiled()
def _elements(buffer, start, end, known, rows, ids, marc, work):
    """Read one record; False where it is left."""
    opened = work[2]
    p, depth, n_spaces, kind = start, 0, np.int64(0), _UNKNOWN
    while True:
        parent = opened[_KIND, depth - 1] if depth else _UNKNOWN
        begin = p
        kind, length, empty, declared, p = _element(buffer, begin, parent, n_spaces, known, marc, work)
        if kind >= _LEADER:
            p = _leaf(buffer, p, begin + 1, length, kind, empty, end, rows, ids, marc)
        if kind == _UNKNOWN or p < 0 or depth == _MAX_DEPTH:
            return False
        if kind < _LEADER and not empty:
            opened[_OPENED, depth], opened[_LENGTH, depth] = begin + 1, length
            opened[_KIND, depth], opened[_SPACES_BEFORE, depth] = kind, n_spaces
            n_spaces = declared
            depth += 1
        while depth:  # to the next start tag
            kind = opened[_KIND, depth - 1]
            p = text(buffer, p, end, rows.values, marc[_AT])[0] if kind == _OTHER else blanks(buffer, p)
            if p < 0 or p >= end or buffer[p] != LESS:
                return False
            if buffer[p + 1] == BANG:
                p = comment(buffer, p, end)
            elif buffer[p + 1] == SLASH:
                depth -= 1
                p = end_tag(buffer, p, opened[_OPENED, depth], opened[_LENGTH, depth])
                n_spaces = opened[_SPACES_BEFORE, depth]
                if kind == _DATAFIELD:
                    marc[_FIELD_NO] += marc[_SUBFIELD_NO] > 0
                    marc[_SUBFIELD_NO] = 0
            else:
                break
            if p < 0:
                return False
        if depth == 0:
            return p == end


@compiled()
def _has_han(values, start, end):
    """Is a character of U+4E00 to U+9FFF among the values?"""
    found = False
    for p in range(start, end):
        found |= 0xE5 <= values[p] <= 0xE9 or (values[p] == 0xE4 and values[p + 1] >= 0xB8)
    return found


@compiled()
def _format(rows, marc):
    """The format of a record, as `xml_records` tells it."""
    facts = marc[_FACTS]
    if facts & _WITH_200 == 0 or facts & _WITH_245:
        return MARC21
    return CNMARC if facts & _WITH_CHINESE or _has_han(rows.values, marc[_TEXT_AT], marc[_AT]) else UNIMARC


@compiled()
def _state(ids, id_at, marc, needs_header):
    """What a record is whose elements have been read."""
    facts = marc[_FACTS]
    if facts & _IS_DELETED:
        named = False
        for p in range(id_at, marc[_ID_AT]):
            named |= 0x20 < ids[p] < 0x7F
        return DELETED if named and facts & _WITH_WRAPPER == 0 else LEFT
    if facts & _WITH_FIELDS == 0 or (needs_header and facts & _WITH_HEADER == 0):
        return LEFT
    return WITHDRAWN if facts & _IS_WITHDRAWN else STAGED


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
    marc = np.empty(_KNOWN, np.int64)
    work = (
        np.empty((ATTRIBUTE, ATTRIBUTES), np.int64),
        np.empty((SPACE, SPACES), np.int64),
        np.empty((_ELEMENT, _MAX_DEPTH), np.int64),
    )
    row = at = id_at = np.int64(0)
    for r in range(len(starts)):
        id_offsets[r] = id_at
        marc[:] = 0
        marc[_ROW] = marc[_FIRST_ROW] = row
        marc[_AT] = marc[_TEXT_AT] = at
        marc[_ID_AT], marc[_RECORD_NO], marc[_ID_ROW] = id_at, first_no + r, -1
        plain = ends[r] - starts[r] <= _MAX_BYTES and legal(buffer, starts[r], ends[r])
        plain = plain and _elements(buffer, starts[r], ends[r], known, rows, ids, marc, work)
        told[STATE, r] = _state(ids, id_at, marc, needs_header) if plain else LEFT
        told[FORMAT, r], told[ID_ROW, r] = MARC21, -1
        if told[STATE, r] != LEFT:
            told[FORMAT, r], told[ID_ROW, r] = _format(rows, marc), marc[_ID_ROW]
            row, at, id_at = marc[_ROW], marc[_AT], marc[_ID_AT]
    id_offsets[len(starts)] = id_at
    rows.offsets[row] = at
    return row
