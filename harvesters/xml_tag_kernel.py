"""Compiled kernels for XML: tags with their names, attributes and namespaces, and comments.

They accept a subset of XML 1.0 with namespaces and say no to everything else, well-formed or not: what they
accept, a parser accepts and reads the same, given that all characters are legal.  See `xml_text_kernel` for
buffers and positions.  `loose` is for those who read no values: these may hold references then, and namespaces
be called by whatever has no blanks.

Sources: W3C, Extensible Markup Language (XML) 1.0, fifth edition; Namespaces in XML 1.0, third edition.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np

from harvesters.byte_kernel import compiled, load64
from harvesters.xml_text_kernel import AMPERSAND, APOSTROPHE, BANG, LESS, MORE, QUOTE, first, reference, word

SLASH = 0x2F
_COLON, _EQUALS, _HYPHEN, _VISIBLE, _DELETE = 0x3A, 0x3D, 0x2D, 0x21, 0x7F

# What bytes may be part of, one bit each.
_NAME_START, _NAME, _BLANK, _ADDRESS = 1, 2, 4, 8
_CLASS = np.zeros(256, np.uint8)
for _byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_":
    _CLASS[_byte] |= _NAME_START | _NAME | _ADDRESS
for _byte in b"0123456789.-":
    _CLASS[_byte] |= _NAME | _ADDRESS
for _byte in b" \t\r\n":
    _CLASS[_byte] |= _BLANK
_CLASS[SLASH] |= _ADDRESS

ATTRIBUTES = 16  # most of one tag
# Rows of `attributes`: where name, local name and value begin and end.
NAMED, LOCAL, NAME_END, VALUE, VALUE_END, ATTRIBUTE = range(6)
SPACES = 64  # most prefixes declared inside a record
# Rows of `spaces`: where a prefix begins and ends.
_PREFIX, _PREFIX_END, SPACE = range(3)

_XMLNS, _XML_LANG = word(b"xmlns"), word(b"xml:lang")
_HTTP, _HTTPS, _INFO = word(b"http://"), word(b"https://"), word(b"info:")
_W3C, _OF_XML, _OF_XMLNS = word(b"www.w3.o"), word(b"XML/1998"), word(b"2000/xml")


@compiled()
def same(buffer, a, b, count):
    """Are the `count` bytes at a and at b the same?"""
    k = 0
    while k + 8 <= count:
        if load64(buffer, a + k) != load64(buffer, b + k):
            return False
        k += 8
    return first(buffer, a + k, count - k) == first(buffer, b + k, count - k)


@compiled()
def blanks(buffer, p):
    """The position behind white space."""
    while _CLASS[buffer[p]] & _BLANK:
        p += 1
    return p


@compiled()
def _name(buffer, p):
    """Where the local part of the name at p begins, and where it ends; (-1, -1) if it is no plain name."""
    local, q = p, p
    while _CLASS[buffer[q]] & _NAME_START:
        while _CLASS[buffer[q]] & _NAME:
            q += 1
        if buffer[q] != _COLON:
            return local, q
        if local != p:
            break
        q += 1
        local = q
    return -1, -1


@compiled()
def _value(buffer, p, loose):
    """The end of the quoted value whose quote is at p; -1 if it holds anything that isn't plain."""
    quote = buffer[p]
    if quote != QUOTE and quote != APOSTROPHE:
        return -1
    p += 1
    while buffer[p] != quote:
        if loose and buffer[p] == AMPERSAND:
            character, p = reference(buffer, p)
            if character < 0:
                return -1
        elif buffer[p] == LESS or buffer[p] == AMPERSAND or buffer[p] == 0:
            return -1
        else:
            p += 1
    return p


@compiled()
def _address(buffer, start, end, loose):
    """Is this an address that may name a namespace?  Those of XML itself may not."""
    p = start
    if first(buffer, start, 7) == _HTTP:
        p += 7
    elif load64(buffer, start) == _HTTPS:
        p += 8
    elif first(buffer, start, 5) == _INFO:
        p += 5
    if not loose and (p == start or not _CLASS[buffer[p]] & _NAME_START):
        return False
    if load64(buffer, p) == _W3C:
        place = load64(buffer, p + 11)
        if place in (_OF_XML, _OF_XMLNS):
            return False
    while p < end and (
        _CLASS[buffer[p]] & _ADDRESS or (loose and _VISIBLE <= buffer[p] < _DELETE and buffer[p] != AMPERSAND)
    ):
        p += 1
    return p == end


@compiled()
def _declared(buffer, start, end, known, spaces, count):
    """Is the prefix among `known` (each with a colon behind it), or declared inside the record?"""
    length = end - start
    for k in range(count):
        if spaces[_PREFIX_END, k] - spaces[_PREFIX, k] == length and same(
            buffer, spaces[_PREFIX, k], start, length
        ):
            return True
    at = 0
    for k in range(len(known)):
        if known[k] == _COLON:
            if k - at == length:
                equal = True
                for j in range(length):
                    equal &= known[at + j] == buffer[start + j]
                if equal:
                    return True
            at = k + 1
    return False


@compiled()
def _attribute(buffer, p, attributes, n, loose):
    """Read the attribute at p as the nth of its tag; the position behind it, or -1."""
    local, end = _name(buffer, p)
    if end < 0 or n == ATTRIBUTES:
        return -1
    for k in range(n):
        # of two with prefixes, these may stand for the same namespace
        prefixed = local > p and attributes[LOCAL, k] > attributes[NAMED, k]
        a, other = (local, attributes[LOCAL, k]) if prefixed else (p, attributes[NAMED, k])
        if end - a == attributes[NAME_END, k] - other and same(buffer, a, other, end - a):
            return -1
    q = blanks(buffer, end)
    if buffer[q] != _EQUALS:
        return -1
    q = blanks(buffer, q + 1)
    stop = _value(buffer, q, loose)
    attributes[NAMED, n], attributes[LOCAL, n], attributes[NAME_END, n] = p, local, end
    attributes[VALUE, n], attributes[VALUE_END, n] = q + 1, stop
    return stop + 1 if stop >= 0 else -1


@compiled()
def _declare(buffer, attributes, n, spaces, count, loose):
    """Take in what the nth attribute declares, if anything; how many prefixes are declared now, or -1."""
    start, local, end = attributes[NAMED, n], attributes[LOCAL, n], attributes[NAME_END, n]
    value, stop = attributes[VALUE, n], attributes[VALUE_END, n]
    if local == start:
        if end - start != 5 or first(buffer, start, 5) != _XMLNS:
            return count
        return count if value == stop or _address(buffer, value, stop, loose) else -1
    if local - start != 6 or first(buffer, start, 5) != _XMLNS:
        return count
    if count == SPACES or value == stop or not _address(buffer, value, stop, loose):
        return -1
    if end - local >= 3 and first(buffer, local, 3) == first(buffer, start, 3):  # xml and the like are reserved
        return -1
    spaces[_PREFIX, count], spaces[_PREFIX_END, count] = local, end
    return count + 1


@compiled()
def _known_prefixes(buffer, p, local, attributes, n, known, spaces, count):
    """Are the prefixes of the tag at p declared?  Of those in `xml`, only the language is plain."""
    if local > p + 1 and not _declared(buffer, p + 1, local - 1, known, spaces, count):
        return False
    for k in range(n):
        start, local, end = attributes[NAMED, k], attributes[LOCAL, k], attributes[NAME_END, k]
        if local == start or (local - start == 6 and first(buffer, start, 5) == _XMLNS):
            continue
        language = end - start == 8 and load64(buffer, start) == _XML_LANG
        if not language and not _declared(buffer, start, local - 1, known, spaces, count):
            return False
    return True


@compiled()
def start_tag(buffer, p, known, attributes, spaces, count, loose):
    """Read the start tag at p: (local name's start, its end, how many attributes, empty, prefixes, behind).

    `spaces` holds `count` prefixes that are declared inside the record; how many it holds then is returned as
    `prefixes`.  `behind` is the position behind the tag, or -1.
    """
    local, end = _name(buffer, p + 1)
    n, q, prefixed = np.int64(0), end, local > p + 1
    while q >= 0:
        before = q
        q = blanks(buffer, q)
        if buffer[q] == MORE or buffer[q] == SLASH:
            break
        q = _attribute(buffer, q, attributes, n, loose) if q > before else -1
        if q >= 0:
            count = _declare(buffer, attributes, n, spaces, count, loose)
            prefixed |= attributes[LOCAL, n] > attributes[NAMED, n]
            n += 1
            q = q if count >= 0 else -1
    empty = q >= 0 and buffer[q] == SLASH
    q += empty
    plain = q >= 0 and buffer[q] == MORE
    if plain and prefixed:
        plain = _known_prefixes(buffer, p, local, attributes, n, known, spaces, count)
    return local, end, n, empty, count, q + 1 if plain else -1


@compiled()
def end_tag(buffer, p, opened, length):
    """The position behind the end tag at p, if it closes the name that begins at `opened`, or -1."""
    if buffer[p] != LESS or buffer[p + 1] != SLASH or not same(buffer, p + 2, opened, length):
        return -1
    q = blanks(buffer, p + 2 + length)
    return q + 1 if buffer[q] == MORE else -1


@compiled()
def comment(buffer, p, end):
    """The position behind the comment at p, or -1."""
    if buffer[p + 1] != BANG or buffer[p + 2] != _HYPHEN or buffer[p + 3] != _HYPHEN:
        return -1
    p += 4
    while p < end:
        if buffer[p] == _HYPHEN and buffer[p + 1] == _HYPHEN:
            return p + 3 if buffer[p + 2] == MORE else -1
        p += 1
    return -1
