"""Compiled kernel that proves an OAI-PMH list well-formed, and finds its records, in one pass.

It accepts a subset of XML 1.0 with namespaces in UTF-8 and says no to everything else, well-formed or not: what it
accepts, expat accepts.  And it accepts only lists whose records are told alike by everybody: one after the other,
each beginning with its header and that with its identifier, and nothing called so elsewhere, not even in comments
or CDATA.  Both are what nearly every page is; `oai_page` reads the others by other means.

Sources: W3C, Extensible Markup Language (XML) 1.0, fifth edition; W3C, Namespaces in XML 1.0, third edition;
OAI-PMH 2.0.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import re

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import NDArray

from harvesters.byte_kernel import compiled, load64, within64
from harvesters.xml_tag_kernel import ATTRIBUTE, ATTRIBUTES, SLASH, SPACE, SPACES, blanks, end_tag, same, start_tag
from harvesters.xml_text_kernel import AMPERSAND, BANG, LESS, MORE, first, legal, reference, word

PADDING = 128  # zero bytes behind what is read, since 64 bytes are loaded at a time
# What stands before the root.  The encoding may be left out, but must be no other.
_PROLOG = re.compile(
    rb"(?:<\?xml\s+version\s*=\s*(?:\"1\.0\"|'1\.0')(?:\s+encoding\s*=\s*(?:\"(?i:utf-8)\"|'(?i:utf-8)'))?"
    rb"(?:\s+standalone\s*=\s*(?:\"(?:yes|no)\"|'(?:yes|no)'))?\s*\?>)?\s*(?:<\?xml-stylesheet\s[^?<>&]*\?>\s*)*"
)
_SHORTEST = 32  # bytes of a record with a header and an identifier, at least

_HYPHEN, _OPENING, _CLOSING = 0x2D, 0x5B, 0x5D
_NO = np.int64(-1)
_NO_PREFIXES = np.empty(0, np.uint8)  # are declared outside the document
_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_MAX_DEPTH = 64
# Rows of `opened`, one column an open element: its name, and how many prefixes were declared before it.
_OPENED, _LENGTH, _SPACES_BEFORE, _ELEMENT = range(4)
# What a list's record is about to show.
_NOTHING, _HEADER, _IDENTIFIER, _NAMES_END = range(4)

_CDATA, _COMMENT = word(b"<![CDATA"), word(b"<!--")
_ROOT, _RECORD_NAME, _HEADER_NAME = word(b"OAI-PMH"), word(b"record"), word(b"header")
_IDENTIFIER_NAME, _IDENTIFIER_TAIL = word(b"identifier"), word(b"er")
_LIST_RECORDS, _LIST_IDENTIFIERS = word(b"ListReco"), word(b"ListIden")
_RECORDS_TAIL, _IDENTIFIERS_TAIL = word(b"rds"), word(b"tifiers")


class Found:
    """The records of a list: where the first begins and the last ends, and the bytes of their identifiers."""

    def __init__(self, start: int, end: int, identifiers: list[bytes]):
        self.start, self.end, self.identifiers = start, end, identifiers


def find(content: bytes, verb: str) -> Found | None:
    """The records of an answer to ListRecords, or the headers of one to ListIdentifiers; None where in doubt."""
    prolog = _PROLOG.match(content)
    assert prolog
    buffer: NDArray[np.uint8] = np.frombuffer(content + bytes(PADDING), np.uint8)
    places = np.empty((2, len(content) // _SHORTEST + 1), np.int64)
    span = np.empty(2, np.int64)
    count = _list(
        buffer, prolog.end(), len(content), verb == "ListRecords", places, span,
        np.empty((_ELEMENT, _MAX_DEPTH), np.int64),
        np.empty((ATTRIBUTE, ATTRIBUTES), np.int64),
        np.empty((SPACE, SPACES), np.int64),
    )  # fmt: skip
    if count <= 0:
        return None
    begins, ends = places[:, :count].tolist()
    return Found(int(span[0]), int(span[1]), [content[a:b] for a, b in zip(begins, ends, strict=True)])


@compiled()
def _text(buffer, p, size):
    """The position of the next tag, if what stands before it is text, or -1."""
    while p < size:
        tags = within64(buffer, p, LESS, 1)
        odd = within64(buffer, p, AMPERSAND, 1) | within64(buffer, p, MORE, 1)
        odd &= (tags - _ONE & ~tags) if tags else _ALL
        if odd:
            p += np.int64(trailing_zeros(odd))
            if buffer[p] == AMPERSAND:
                value, p = reference(buffer, p)
                if value < 0:
                    return _NO
            else:
                if buffer[p - 1] == _CLOSING and buffer[p - 2] == _CLOSING:
                    return _NO
                p += 1
        elif tags:
            return p + np.int64(trailing_zeros(tags))
        else:
            p += 64
    return _NO


@compiled()
def _aside(buffer, p, size):
    """The position behind the comment or CDATA at p that holds no tag, or -1."""
    literal = load64(buffer, p) == _CDATA and buffer[p + 8] == _OPENING
    if not literal and first(buffer, p, 4) != _COMMENT:
        return _NO
    p += 9 if literal else 4
    sign = _CLOSING if literal else _HYPHEN
    while p < size and buffer[p] != LESS:
        if buffer[p] == sign and buffer[p + 1] == sign:
            if buffer[p + 2] == MORE:
                return p + 3
            if not literal:
                return _NO
        p += 1
    return _NO


@compiled()
def _is_verb(buffer, start, end, records):
    """Is this the element of the list?"""
    if records:
        head, tail, length = _LIST_RECORDS, _RECORDS_TAIL, 3
    else:
        head, tail, length = _LIST_IDENTIFIERS, _IDENTIFIERS_TAIL, 7
    return end - start == 8 + length and load64(buffer, start) == head and first(buffer, start + 8, length) == tail


@compiled()
def _is_identifier(buffer, start, end):
    return (
        end - start == 10
        and load64(buffer, start) == _IDENTIFIER_NAME
        and first(buffer, start + 8, 2) == _IDENTIFIER_TAIL
    )


@compiled()
def _is_bare(buffer, p, behind):
    """Does the tag end at its first `>`?  Those who look for tags without reading values think so."""
    while buffer[p] != MORE:
        p += 1
    return p + 1 == behind


@compiled()
def _list(buffer, p, size, records, places, span, opened, attributes, spaces):
    """Read a document whose root is at p: how many records its list has, or -1.

    `places` gets the bytes of their identifiers, `span` where the first record begins and the last ends.
    """
    if not legal(buffer, 0, size) or buffer[p] != LESS:
        return _NO
    depth, declared, count = np.int64(0), np.int64(0), np.int64(0)
    awaited = _NOTHING  # what must be the next tag
    listing = listed = behind = False  # in the list, behind its start, behind its last record
    root = root_local = p + 1
    while True:
        byte = buffer[p + 1]
        if depth == 0 and byte in (SLASH, BANG):
            return _NO
        if byte == SLASH:
            depth -= 1
            q = end_tag(buffer, p, opened[_OPENED, depth], opened[_LENGTH, depth])
            if q < 0:
                return _NO
            if awaited == _NAMES_END:
                places[1, count] = p
                count += 1
                awaited = _NOTHING
            elif awaited != _NOTHING:
                return _NO
            declared = opened[_SPACES_BEFORE, depth]
            p = q
            if depth == 2 and listing and not behind:
                span[1] = p
            elif depth == 1:
                listing = False
            elif depth == 0:
                break
        elif byte == BANG:
            p = _aside(buffer, p, size) if awaited == _NOTHING else _NO
            if p < 0:
                return _NO
        else:
            before = declared
            local, name_end, n, empty, declared, q = start_tag(
                buffer, p, _NO_PREFIXES, attributes, spaces, declared, True
            )
            if q < 0 or depth == _MAX_DEPTH:
                return _NO
            # whose place is it?
            length = name_end - local
            if depth == 0:
                root_local = local
                if length != 7 or first(buffer, local, 7) != _ROOT:
                    return _NO
            own = local - p - 1 == root_local - root and same(buffer, root, p + 1, root_local - root)
            is_record = length == 6 and first(buffer, local, 6) == _RECORD_NAME
            is_header = own and length == 6 and first(buffer, local, 6) == _HEADER_NAME
            if awaited == _NAMES_END:
                return _NO
            if awaited == _IDENTIFIER:
                if not own or n or empty or not _is_identifier(buffer, local, name_end):
                    return _NO
                places[0, count] = q
                awaited = _NAMES_END
            elif awaited == _HEADER:
                if not is_header or empty or not _is_bare(buffer, p, q):
                    return _NO
                awaited = _IDENTIFIER
            elif depth == 2 and listing and own and (is_record if records else is_header):
                if behind or empty or not _is_bare(buffer, p, q):
                    return _NO
                if count == 0:
                    span[0] = p
                awaited = _HEADER if records else _IDENTIFIER
            elif is_header or (is_record and (not records or depth < 3 or not listing or behind)):
                return _NO
            elif depth == 2 and listing:
                behind = behind or count > 0
            elif depth == 1 and own and _is_verb(buffer, local, name_end, records):
                if listed or empty:
                    return _NO
                listing = listed = True
            if empty:
                if depth == 0:
                    return _NO
                declared = before
            else:
                opened[_OPENED, depth], opened[_LENGTH, depth] = p + 1, name_end - p - 1
                opened[_SPACES_BEFORE, depth] = before
                depth += 1
            p = q
        if buffer[p] != LESS:
            begin = p
            p = _text(buffer, p, size)
            if p < 0 or (awaited in (_HEADER, _IDENTIFIER) and blanks(buffer, begin) != p):
                return _NO
    return count if blanks(buffer, p) == size else _NO
