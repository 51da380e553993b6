"""Compiled kernels for XML: legal characters, and text with its references.

Like `xml_tag_kernel`, they accept a subset of XML 1.0 in UTF-8 and say no to everything else, well-formed or not:
what they accept, a parser accepts and reads the same.  Buffers have at least 128 zero bytes behind what is read,
since 64 bytes are loaded at a time.  A position of -1 means no.

Source: W3C, Extensible Markup Language (XML) 1.0, fifth edition.
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from harvesters.byte_kernel import compiled, copy32, load64, put_character, within64

LESS, MORE, AMPERSAND, BANG = 0x3C, 0x3E, 0x26, 0x21
_CR, _LF, _OPENING, _CLOSING, _HASH, _SEMICOLON, _X = 0x0D, 0x0A, 0x5B, 0x5D, 0x23, 0x3B, 0x78
QUOTE, APOSTROPHE = 0x22, 0x27

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)  # of the first n bytes of a word


def word(text: bytes) -> np.uint64:
    """Up to eight bytes as `load64` loads them, with zeros behind."""
    return np.uint64(int.from_bytes(text[:8].ljust(8, b"\0"), "little"))


_AMP, _LT, _GT, _QUOT, _APOS = word(b"amp;"), word(b"lt;"), word(b"gt;"), word(b"quot;"), word(b"apos;")
_CDATA = word(b"<![CDATA")


@compiled()
def first(buffer, start, count):
    """The first `count` bytes (at most 8) from `start` on as a word."""
    return load64(buffer, start) & _MASKS[np.uint64(count)]


@compiled()
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


@compiled()
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


@compiled()
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


@compiled()
def reference(buffer, p):
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
        return QUOTE, p + 5
    if first(buffer, p, 5) == _APOS:
        return APOSTROPHE, p + 5
    return -1, p


@compiled()
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


@compiled()
def _odd_text(buffer, p, end, out, at):
    """As `text`, with references, ends of lines, and CDATA."""
    begin = p
    literal = False  # inside CDATA
    while p < end:
        byte = buffer[p]
        closing = byte == MORE and p >= begin + 2 and buffer[p - 1] == _CLOSING and buffer[p - 2] == _CLOSING
        if closing:
            if not literal:
                return -1, at
            at -= 2
            literal = False
            p += 1
            begin = p
        elif byte == LESS and not literal:
            if load64(buffer, p) != _CDATA or buffer[p + 8] != _OPENING:
                return p, at
            literal = True
            p += 9
            begin = p
        elif byte == AMPERSAND and not literal:
            value, p = reference(buffer, p)
            if value < 0:
                return -1, at
            at = put_character(out, at, value)
        elif byte == _CR:
            out[at] = _LF
            at += 1
            p += 1 + (buffer[p + 1] == _LF)
        else:
            out[at] = byte
            at += 1
            p += 1
    return -1, at
