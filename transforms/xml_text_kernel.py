"""Compiled kernels for XML: legal characters, names, tags with their attributes, text with its references.

They accept a strict subset of XML 1.0 with namespaces, in UTF-8, and say no to everything else, well-formed or
not: what they accept, a conforming parser accepts and reads the same.  Buffers have at least 128 zero bytes
behind what is read, since 64 bytes are loaded at a time.  A position of -1 means no.

Sources: W3C, Extensible Markup Language (XML) 1.0, fifth edition; Namespaces in XML 1.0, third edition.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros

from transforms.byte_kernel import copy32, load64, within64

LESS, MORE, SLASH, COLON, AMPERSAND, BANG = 0x3C, 0x3E, 0x2F, 0x3A, 0x26, 0x21
_EQUALS, _CR, _LF, _HYPHEN, _BRACKET, _HASH, _SEMICOLON, _X = 0x3D, 0x0D, 0x0A, 0x2D, 0x5D, 0x23, 0x3B, 0x78
_QUOTE, _APOSTROPHE = 0x22, 0x27

NAME_START, NAME, BLANK, ADDRESS, PLAIN = 1, 2, 4, 8, 16
CLASS = np.zeros(256, np.uint8)
for _byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_":
    CLASS[_byte] |= NAME_START | NAME | ADDRESS
for _byte in b"0123456789.-":
    CLASS[_byte] |= NAME | ADDRESS
for _byte in b" \t\r\n":
    CLASS[_byte] |= BLANK
CLASS[SLASH] |= ADDRESS
for _byte in range(0x20, 0x7F):  # what stands for itself in a value
    CLASS[_byte] |= 0 if _byte in b"<&\"'" else PLAIN

ATTRIBUTES = 16  # most of one tag
# Rows of `attributes`: where name, local name and value begin and end.
NAMED, LOCAL, NAME_END, VALUE, VALUE_END = range(5)
SPACES = 64  # most namespace declarations inside a record

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)  # of the first n bytes of a word


def word(text: bytes) -> np.uint64:
    """Up to eight bytes as `load64` loads them, with zeros behind."""
    return np.uint64(int.from_bytes(text.ljust(8, b"\0"), "little"))


_XMLNS, _XML_LANG = word(b"xmlns"), word(b"xml:lang")
_AMP, _LT, _GT, _QUOT, _APOS = word(b"amp;"), word(b"lt;"), word(b"gt;"), word(b"quot;"), word(b"apos;")
_HTTP, _HTTPS, _INFO = word(b"http://"), word(b"https://"), word(b"info:")
_W3C, _OF_XML, _OF_XMLNS = word(b"www.w3.o"), word(b"XML/1998"), word(b"2000/xml")
_CDATA = word(b"<![CDATA")


@njit(cache=True, nogil=True, _nrt=False)
def first(buffer, start, count):
    """The first `count` bytes (below 8) from `start` on as a word."""
    return load64(buffer, start) & MASKS[np.uint64(count)]


@njit(cache=True, nogil=True, _nrt=False)
def same(buffer, a, b, count):
    """Are the `count` bytes at a and at b the same?"""
    k = 0
    while k + 8 <= count:
        if load64(buffer, a + k) != load64(buffer, b + k):
            return False
        k += 8
    return first(buffer, a + k, count - k) == first(buffer, b + k, count - k)


@njit(cache=True, nogil=True, _nrt=False)
def _character(buffer, p):
    """The position behind the character of several bytes at p; -1 if it is none that UTF-8 and XML know."""
    lead, second = buffer[p], buffer[p + 1]
    if second & 0xC0 != 0x80:
        return -1
    if 0xC2 <= lead <= 0xDF:
        return p + 2
    if buffer[p + 2] & 0xC0 != 0x80:
        return -1
    if 0xE0 <= lead <= 0xEF:
        overlong, surrogate = lead == 0xE0 and second < 0xA0, lead == 0xED and second > 0x9F
        no_character = lead == 0xEF and second == 0xBF and buffer[p + 2] >= 0xBE
        return -1 if overlong or surrogate or no_character else p + 3
    if buffer[p + 3] & 0xC0 != 0x80 or lead < 0xF0 or lead > 0xF4:
        return -1
    if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return -1
    return p + 4


@njit(cache=True, nogil=True, _nrt=False)
def legal(buffer, start, end):
    """Are these bytes characters of XML 1.0 in UTF-8?"""
    p = start
    while p < end:
        inside = _ALL if end - p >= 64 else (_ONE << np.uint64(end - p)) - _ONE
        control = within64(buffer, p, 0, 9) | within64(buffer, p, 0x0B, 2) | within64(buffer, p, 0x0E, 0x12)
        if control & inside:
            return False
        high = within64(buffer, p, 0x80, 0x80) & inside
        if high == 0:
            p += 64
            continue
        p += np.int64(trailing_zeros(high))
        while p < end and buffer[p] >= 0x80:
            p = _character(buffer, p)
            if p < 0:
                return False
    return True


@njit(cache=True, nogil=True, _nrt=False)
def blanks(buffer, p):
    """The position behind white space."""
    while CLASS[buffer[p]] & BLANK:
        p += 1
    return p


@njit(cache=True, nogil=True, _nrt=False)
def name(buffer, p):
    """Where the local part of the name at p begins, and where it ends; (-1, -1) if it is no plain name."""
    local, q = p, p
    while CLASS[buffer[q]] & NAME_START:
        while CLASS[buffer[q]] & NAME:
            q += 1
        if buffer[q] != COLON:
            return local, q
        if local != p:
            break
        q += 1
        local = q
    return -1, -1


@njit(cache=True, nogil=True, _nrt=False)
def _value(buffer, p):
    """The end of the quoted value whose quote is at p; -1 if it holds anything that isn't plain."""
    quote = buffer[p]
    if quote != _QUOTE and quote != _APOSTROPHE:
        return -1
    p += 1
    while buffer[p] != quote:
        if buffer[p] == LESS or buffer[p] == AMPERSAND or buffer[p] == 0:
            return -1
        p += 1
    return p


@njit(cache=True, nogil=True, _nrt=False)
def _address(buffer, start, end):
    """Is this an address that may name a namespace?  Those of XML itself may not."""
    p = start
    if first(buffer, start, 7) == _HTTP:
        p += 7
    elif load64(buffer, start) == _HTTPS:
        p += 8
    elif first(buffer, start, 5) == _INFO:
        p += 5
    if p == start or not CLASS[buffer[p]] & NAME_START:
        return False
    if load64(buffer, p) == _W3C:
        place = load64(buffer, p + 11)
        if place == _OF_XML or place == _OF_XMLNS:
            return False
    while p < end and CLASS[buffer[p]] & ADDRESS:
        p += 1
    return p == end


@njit(cache=True, nogil=True, _nrt=False)
def _declared(buffer, start, end, known, spaces, count):
    """Is the prefix among `known` (each with a colon behind it), or declared inside the record?"""
    length = end - start
    for k in range(count):
        if spaces[1, k] - spaces[0, k] == length and same(buffer, spaces[0, k], start, length):
            return True
    at = 0
    for k in range(len(known)):
        if known[k] == COLON:
            if k - at == length:
                equal = True
                for j in range(length):
                    equal &= known[at + j] == buffer[start + j]
                if equal:
                    return True
            at = k + 1
    return False


@njit(cache=True, nogil=True, _nrt=False)
def _attribute(buffer, p, attributes, n):
    """Read the attribute at p as the nth of its tag; the position behind it, or -1."""
    local, end = name(buffer, p)
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
    stop = _value(buffer, q)
    attributes[NAMED, n], attributes[LOCAL, n], attributes[NAME_END, n] = p, local, end
    attributes[VALUE, n], attributes[VALUE_END, n] = q + 1, stop
    return stop + 1 if stop >= 0 else -1


@njit(cache=True, nogil=True, _nrt=False)
def _declare(buffer, attributes, n, spaces, count):
    """Take in what the nth attribute declares, if anything; how many prefixes are declared now, or -1."""
    start, local, end = attributes[NAMED, n], attributes[LOCAL, n], attributes[NAME_END, n]
    value, stop = attributes[VALUE, n], attributes[VALUE_END, n]
    if local == start:
        if end - start != 5 or first(buffer, start, 5) != _XMLNS:
            return count
        return count if value == stop or _address(buffer, value, stop) else -1
    if local - start != 6 or first(buffer, start, 5) != _XMLNS:
        return count
    if count == SPACES or not _address(buffer, value, stop):
        return -1
    if end - local >= 3 and first(buffer, local, 3) == first(buffer, start, 3):  # xml and the like are reserved
        return -1
    spaces[0, count], spaces[1, count] = local, end
    return count + 1


@njit(cache=True, nogil=True, _nrt=False)
def start_tag(buffer, p, known, attributes, spaces, count):
    """Read the start tag at p: (local name's start, its end, how many attributes, empty, prefixes, behind).

    `spaces` holds `count` prefixes that are declared inside the record; the number is returned anew.  `behind` is
    -1 where the tag isn't plain.
    """
    local, end = name(buffer, p + 1)
    if end < 0:
        return local, end, 0, False, count, -1
    q, n, prefixed = end, np.int64(0), False
    while True:
        before = q
        q = blanks(buffer, q)
        if buffer[q] == MORE or buffer[q] == SLASH:
            break
        if q == before:
            return local, end, n, False, count, -1
        q = _attribute(buffer, q, attributes, n)
        if q < 0:
            return local, end, n, False, count, -1
        count = _declare(buffer, attributes, n, spaces, count)
        if count < 0:
            return local, end, n, False, count, -1
        prefixed |= attributes[LOCAL, n] > attributes[NAMED, n]
        n += 1
    empty = buffer[q] == SLASH
    q += empty
    if buffer[q] != MORE:
        return local, end, n, empty, count, -1
    if local > p + 1 and not _declared(buffer, p + 1, local - 1, known, spaces, count):
        return local, end, n, empty, count, -1
    if prefixed:
        for k in range(n):
            if not _known_prefix(buffer, attributes, k, known, spaces, count):
                return local, end, n, empty, count, -1
    return local, end, n, empty, count, q + 1


@njit(cache=True, nogil=True, _nrt=False)
def _known_prefix(buffer, attributes, n, known, spaces, count):
    """May the nth attribute have its prefix?  Of those in `xml`, only the language is plain."""
    start, local, end = attributes[NAMED, n], attributes[LOCAL, n], attributes[NAME_END, n]
    if local == start or (local - start == 6 and first(buffer, start, 5) == _XMLNS):
        return True
    if end - start == 8 and load64(buffer, start) == _XML_LANG:
        return True
    return _declared(buffer, start, local - 1, known, spaces, count)


@njit(cache=True, nogil=True, _nrt=False)
def end_tag(buffer, p, opened, length):
    """The position behind the end tag at p, if it closes the name that begins at `opened`, or -1."""
    if buffer[p] != LESS or buffer[p + 1] != SLASH or not same(buffer, p + 2, opened, length):
        return -1
    q = blanks(buffer, p + 2 + length)
    return q + 1 if buffer[q] == MORE else -1


@njit(cache=True, nogil=True, _nrt=False)
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


@njit(cache=True, nogil=True, _nrt=False)
def _number(buffer, p):
    """The character that the digits at p stand for, and the position of the semicolon; -1 if none or illegal."""
    base = 10
    if buffer[p] == _X:
        base = 16
        p += 1
    value, begin = 0, p
    while p - begin < 8:
        digit = np.int64(buffer[p]) - 0x30
        if digit > 9:
            digit = (digit + 0x30 | 0x20) - 0x57
            if digit < 10 or digit > 15:
                break
        if digit < 0 or digit >= base:
            break
        value = value * base + digit
        p += 1
    legal_low = value == 9 or value == 10 or value == 13 or 0x20 <= value < 0xD800
    legal_high = 0xE000 <= value < 0xFFFE or 0x10000 <= value < 0x110000
    return value if (legal_low or legal_high) and p > begin else -1, p


@njit(cache=True, nogil=True, _nrt=False)
def _reference(buffer, p):
    """The character that the reference at p stands for, and the position behind it; -1 if it isn't plain."""
    p += 1
    if buffer[p] == _HASH:
        value, p = _number(buffer, p + 1)
        return value if buffer[p] == _SEMICOLON else -1, p + 1
    if first(buffer, p, 4) == _AMP:
        return AMPERSAND, p + 4
    if first(buffer, p, 3) == _LT:
        return LESS, p + 3
    if first(buffer, p, 3) == _GT:
        return MORE, p + 3
    if first(buffer, p, 5) == _QUOT:
        return _QUOTE, p + 5
    if first(buffer, p, 5) == _APOS:
        return _APOSTROPHE, p + 5
    return -1, p


@njit(cache=True, nogil=True, _nrt=False)
def _put(out, at, value):
    """Write a character in UTF-8; the position behind it."""
    if value < 0x80:
        out[at] = value
        return at + 1
    if value < 0x800:
        out[at] = 0xC0 | value >> 6
    else:
        if value < 0x10000:
            out[at] = 0xE0 | value >> 12
        else:
            out[at] = 0xF0 | value >> 18
            at += 1
            out[at] = 0x80 | (value >> 12 & 0x3F)
        at += 1
        out[at] = 0x80 | (value >> 6 & 0x3F)
    out[at + 1] = 0x80 | (value & 0x3F)
    return at + 2


@njit(cache=True, nogil=True, _nrt=False)
def text(buffer, p, end, out, at):
    """Copy the text at p, up to the next tag: (position of the tag or -1, position behind the copy).

    64 bytes are copied at a time, so `out` needs as many more.
    """
    begin, begin_at = p, at
    while p < end:
        tags = within64(buffer, p, LESS, 1)
        odd = within64(buffer, p, AMPERSAND, 1) | within64(buffer, p, _CR, 1) | within64(buffer, p, MORE, 1)
        copy32(out, at, buffer, p)
        copy32(out, at + 32, buffer, p + 32)
        if odd & (tags - _ONE & ~tags if tags else _ALL):
            return _odd_text(buffer, begin, end, out, begin_at)
        if tags:
            count = np.int64(trailing_zeros(tags))
            p += count
            if buffer[p + 1] == BANG:
                return _odd_text(buffer, begin, end, out, begin_at)
            return p, at + count
        p += 64
        at += 64
    return -1, at


@njit(cache=True, nogil=True, _nrt=False)
def _odd_text(buffer, p, end, out, at):
    """As `text`, with references, ends of lines, and CDATA."""
    begin = p
    literal = False  # inside CDATA
    while p < end:
        byte = buffer[p]
        closing = byte == MORE and p >= begin + 2 and buffer[p - 1] == _BRACKET and buffer[p - 2] == _BRACKET
        if closing:
            if not literal:
                return -1, at
            at -= 2
            literal = False
            p += 1
            begin = p
        elif byte == LESS and not literal:
            if load64(buffer, p) != _CDATA or buffer[p + 8] != 0x5B:
                return p, at
            literal = True
            p += 9
            begin = p
        elif byte == AMPERSAND and not literal:
            value, p = _reference(buffer, p)
            if value < 0:
                return -1, at
            at = _put(out, at, value)
        elif byte == _CR:
            out[at] = _LF
            at += 1
            p += 1 + (buffer[p + 1] == _LF)
        else:
            out[at] = byte
            at += 1
            p += 1
    return -1, at
