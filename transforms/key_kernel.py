"""Match keys of plain values, compiled: what `transforms.keys` says, for texts whose characters fold one by one.

`table` says what each character becomes on its own.  A value is left to the plain functions where a character
needs its neighbours (a vowel sign, the 乾 of 乾坤) or the text has a form that is not met here (a date without
a comma before it, a role behind a name).
"""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from transforms.text_columns import from_bytes, parts

# Characters that fold the same whatever stands beside them: Latin, Greek and Cyrillic with their accents,
# punctuation, kana, Han, full-width forms.
RANGES = (
    (0x0000, 0x0250), (0x02B0, 0x0345), (0x0346, 0x0483), (0x048A, 0x0530), (0x1E00, 0x1F00), (0x2000, 0x2070),
    (0x3000, 0x302A), (0x3030, 0x3099), (0x309B, 0x3130), (0x4E00, 0xA000), (0xFF01, 0xFF5F),
)  # fmt: skip
# What OpenCC's phrases (TSPhrases) make of these is not what it makes of the single character.
IN_PHRASES = "么乾俱剋劄吒哩噁坏彷徵扞於昇氾沈濛甦畫瞭祕脩蒐薹藉衹袷覆計谿逕釐鉅鍊鍾陞麼麽"

SIGNS = "+#＋＃"  # may belong to the letter before them

FOLD, TITLE, CREATOR, PUBLISHER = range(4)
WORD = 12  # letters
LONGEST = 300  # bytes of a name, publisher or extent that are looked at here
_UNKNOWN = np.uint64(0xFF << 56)  # needs its neighbours
_LOW, _LENGTH, _BYTE, _LETTERS = np.uint64(0xFF), np.uint64(56), np.uint64(8), np.uint64((1 << 56) - 1)


def table(characters: list[str], folded: Iterable[str | None]) -> NDArray[np.uint64]:
    """For each code point below U+10000 the bytes it folds to, the first lowest, and their number on top.

    Args:
        characters: those known, of `RANGES` and neither `IN_PHRASES` nor `SIGNS`.
        folded: what each becomes; null for nothing.
    """
    words = np.full(0x10000, _UNKNOWN, np.uint64)
    for character, text in zip(characters, folded, strict=True):
        made = (text or "").encode()
        if len(made) < 8:
            words[ord(character)] = int.from_bytes(made.ljust(7, b"\0") + bytes([len(made)]), "little")
    return words


def packed(words: str) -> NDArray[np.uint64]:
    """Words of a list `a|b`, five bits a letter; more than `WORD` letters don't fit."""
    return np.array(
        [sum((ord(c) - 96) << 5 * k for k, c in enumerate(word)) for word in words.split("|")], np.uint64
    )


def _pairs(words: str) -> NDArray[np.uint64]:
    """Words of two Chinese characters as their six bytes."""
    return np.array([int.from_bytes(word.encode(), "little") for word in words.split("|")], np.uint64)


_RELATORS = packed(
    "author|editor|ed|eds|tr|trans|translator|joint|comp|compiler|illustrator|illus|ill|creator|contributor|degree"
    "|advisor"
)
_BEFORE_DATES = packed("c|ca|b|d|fl|active")  # and any long word, such as `approximately`
_COMPANY = packed(
    "inc|ltd|llc|co|corp|company|gmbh|limited|publisher|publishers|publishing|publication|publications|pub|press"
    "|verlag|books|the|and"
)
_CHINESE_COMPANY = _pairs("有限|责任|股份|公司|集团|出版")
_PUBLISHING, _HOUSE = _pairs("出版")[0], np.uint64(int.from_bytes("社".encode(), "little"))
_ARTICLES = packed("the|a|an|der|die|das|ein|eine|le|les|la|un|une|el|los|las|il|lo|gli")
_ROLE_ENDS = np.array(sorted(int.from_bytes(c.encode(), "little") for c in "编著译辑写纂注校撰绘作者"), np.uint64)


@njit(cache=True, nogil=True)
def _point(data, p):
    """(code point, bytes) of the character at p of valid UTF-8; U+FFFF for one above."""
    lead = np.int64(data[p])
    if lead < 0x80:
        return lead, 1
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | np.int64(data[p + 1] & 0x3F), 2
    if lead < 0xF0:
        return (lead & 0x0F) << 12 | np.int64(data[p + 1] & 0x3F) << 6 | np.int64(data[p + 2] & 0x3F), 3
    return 0xFFFF, 4


@njit(cache=True, nogil=True)
def is_word(words, word, length):
    """Whether a word of so many letters is one of those."""
    if length == 0 or length > WORD:
        return False
    for one in words:  # noqa: SIM110
        if one == word:
            return True
    return False


@njit(cache=True, nogil=True)
def letter(byte, length):
    """What the letter at that place of a word adds to it; a digit or letter of another script makes it none."""
    at = np.uint64(min(5 * length, 60))
    small = byte | 0x20
    return (np.uint64(small - 96) if 97 <= small <= 122 else np.uint64(31)) << at


@njit(cache=True, nogil=True)
def _is_nothing(point):
    """Whether a character is an accent or modifier that folding takes away without a trace."""
    return 0x300 <= point < 0x370 or 0x2B0 <= point < 0x2D8 or 0x2DE <= point < 0x300


@njit(cache=True, nogil=True)
def _fold(folds, data, start, end, out, at):
    """Write the folded text; the place behind it, or -1 where a character is unknown."""
    p = start
    while p < end:
        point, size = _point(data, p)
        word = folds[point]
        p += size
        length = np.int64(word >> _LENGTH)
        if length == 255:
            return np.int64(-1)
        for _ in range(length):
            out[at] = np.uint8(word & _LOW)
            word >>= _BYTE
            at += 1
    return at


@njit(cache=True, nogil=True)
def _article(folds, data, start, end):
    """Where a title goes on behind its first article; its start without one, -1 where that is not certain."""
    p = start
    while p < end:
        point, size = _point(data, p)
        if np.int64(folds[point] >> _LENGTH):
            break
        if 0x2B0 <= point < 0x300:
            return -1
        p += size
    word, length = np.uint64(0), 0
    while p < end and (65 <= data[p] & 0xDF <= 90):
        word |= letter(data[p], length)
        length += 1
        p += 1
    if p >= end or length == 0:
        return start
    if length == 1 and word == 12:  # l'
        if data[p] == 39:
            return p + 1
        if p + 2 < end and data[p] == 0xE2 and data[p + 1] == 0x80 and data[p + 2] == 0x99:
            return p + 3
    if not is_word(_ARTICLES, word, length):
        return start
    if data[p] >= 0x80:
        return -1
    return p if data[p] == 32 else -1 if data[p] < 32 else start


@njit(cache=True, nogil=True)
def _title(folds, data, start, end, out, at):
    """As `_fold`, without an article at the beginning, which is one only if a letter follows it."""
    begin = _article(folds, data, start, end)
    if begin < 0:
        return np.int64(-1)
    to = _fold(folds, data, begin, end, out, at)
    if begin == start:
        return to
    for k in range(at, to):
        if 97 <= out[k] <= 122:
            return to
    return np.int64(-1)


@njit(cache=True, nogil=True)
def _is_before_dates(data, start, p):
    """Whether digits at p stand behind `b.`, `active` or the like, or are not clear of what is before them."""
    k = p
    while k > start and data[k - 1] == 32:
        k -= 1
    if k == start:
        return False
    if k == p and (data[k - 1] == 95 or 65 <= data[k - 1] & 0xDF <= 90):
        return True
    if data[k - 1] >= 0x80:
        return True
    if data[k - 1] == 46:
        k -= 1
    stop, word = k, np.uint64(0)
    while k > start and (65 <= data[k - 1] & 0xDF <= 90):
        k -= 1
    for at in range(k, stop):
        word |= letter(data[at], at - k)
    return stop - k >= WORD or is_word(_BEFORE_DATES, word, stop - k)


@njit(cache=True, nogil=True)
def _name_end(folds, data, start, end):
    """(end, is ASCII) of a name without the dates behind it; -1 where it has anything unusual."""
    p = start
    ascii_only, wide = True, False
    word, length = np.uint64(0), 0
    while p < end:
        point, size = _point(data, p)
        made = folds[point]
        count = np.int64(made >> _LENGTH)
        is_dot = point == 0xB7 or point == 0x2022 or point == 0x2027 or point == 0x30FB
        wide |= point == 0x3000
        if count == 255 or point < 32 or point == 40 or point == 91:
            return np.int64(-1), False
        first = made & _LOW
        if is_dot or point == 0x3000 or (point < 0x80 and count == 0):
            ascii_only &= not is_dot
            if is_word(_RELATORS, word, length):
                return np.int64(-1), False
            word, length = np.uint64(0), 0
        elif 48 <= first <= 57 and count:
            digits = p
            while digits < end and 48 <= data[digits] <= 57:
                digits += 1
            if digits - p < 3 or _is_before_dates(data, start, p):
                return np.int64(-1), False
            end = p
            break
        elif count == 0:  # an accent must have a letter, or it would make a word of its own
            beside = length > 0 or (p + size < end and folds[_point(data, p + size)[0]] >> _LENGTH > 0)
            if not (beside and _is_nothing(point)):
                return np.int64(-1), False
        else:
            ascii_only &= first < 0x80
            for _ in range(count):
                word |= letter(made & _LOW, length)
                made >>= _BYTE
                length += 1
        p += size
    if is_word(_RELATORS, word, length) or (wide and ascii_only):
        return np.int64(-1), False
    return end, ascii_only


@njit(cache=True, nogil=True)
def _is_stripped(byte):
    return byte == 32 or byte == 44 or byte == 46 or byte == 59 or byte == 58 or byte == 47


@njit(cache=True, nogil=True)
def _is_ascii_letter(byte):
    return 65 <= byte <= 90 or 97 <= byte <= 122


@njit(cache=True, nogil=True)
def _in_word(byte):
    """Whether a byte is of a letter, a digit or an underscore; all beyond ASCII count as letters."""
    return byte >= 0x80 or 48 <= byte <= 57 or byte == 95 or _is_ascii_letter(byte)


@njit(cache=True, nogil=True)
def _creator(folds, data, start, end, out, at):
    """A name, surname first: up to its second comma, or a direct name with its last word first."""
    if end - start > LONGEST:
        return np.int64(-1)
    end, ascii_only = _name_end(folds, data, start, end)
    if end < 0:
        return np.int64(-1)
    while start < end and _is_stripped(data[start]):
        start += 1
    while start < end and _is_stripped(data[end - 1]):
        end -= 1
    if end - start >= 3 and data[end - 1] >= 0x80:
        point = _point(data, end - 3)[0] if data[end - 3] >= 0xE0 else 0
        for one in _ROLE_ENDS:
            if one == folds[point] & _LETTERS or point == 0x3000:
                return np.int64(-1)
    commas = words = 0
    sentence = initial = False
    last_word = start
    for p in range(start, end):
        byte = data[p]
        if byte == 44:
            commas += 1
            if commas == 2:
                end = p
                break
        if byte != 32 and (p == start or data[p - 1] == 32):
            words += 1
            last_word = p
        if byte == 46 and p - start >= 1:
            if data[p - 1] >= 0x80:
                return np.int64(-1)
            before = p - start >= 2 and _in_word(data[p - 2])
            sentence |= before and _in_word(data[p - 1]) and p + 1 < end and data[p + 1] == 32
            initial |= (p - start == 1 or data[p - 2] == 32) and _is_ascii_letter(data[p - 1])
    if commas == 0 and 2 <= words <= (5 if initial else 3) and ascii_only and not sentence:
        at = _fold(folds, data, last_word, end, out, at)
        end = last_word
    return _fold(folds, data, start, end, out, at)


@njit(cache=True, nogil=True)
def _publisher(folds, data, start, end, out, at):
    """A publisher without the words for the kind of company, unless it has no others."""
    if end - start > LONGEST:
        return np.int64(-1)
    begin = mark = at
    word, length, before, cut = np.uint64(0), 0, np.uint64(0), False
    p = start
    while p < end:
        point, size = _point(data, p)
        made = folds[point]
        count = np.int64(made >> _LENGTH)
        if count == 255 or point == 95 or point < 32:
            return np.int64(-1)
        if count:
            this = made & _LETTERS
            for _ in range(count):
                out[at] = np.uint8(made & _LOW)
                word |= letter(made & _LOW, length)
                made >>= _BYTE
                at += 1
                length += 1
            pair = before | this << np.uint64(24)
            before = this if count == 3 else np.uint64(0)
            if cut and this == _HOUSE:
                at -= 3
                before = np.uint64(0)
            cut = False
            for one in _CHINESE_COMPANY:
                if one == pair:
                    at -= 6
                    before, cut = np.uint64(0), pair == _PUBLISHING
        elif not _is_nothing(point):
            if is_word(_COMPANY, word, length):
                at = mark
            mark = at
            word, length, before, cut = np.uint64(0), 0, np.uint64(0), False
        p += size
    if is_word(_COMPANY, word, length):
        at = mark
    return at if at > begin else _fold(folds, data, start, end, out, begin)


@njit(cache=True, nogil=True)
def _each(kind, folds, data, offsets, out, out_offsets, bits, left):
    at = np.int64(0)
    out_offsets[0] = 0
    for row in range(len(offsets) - 1):
        start, end = np.int64(offsets[row]), np.int64(offsets[row + 1])
        if kind == FOLD:
            to = _fold(folds, data, start, end, out, at)
        elif kind == TITLE:
            to = _title(folds, data, start, end, out, at)
        elif kind == CREATOR:
            to = _creator(folds, data, start, end, out, at)
        else:
            to = _publisher(folds, data, start, end, out, at)
        if to < 0:
            left[row] = True
        elif to > at:
            bits[row >> 3] |= np.uint8(1 << (row & 7))
            at = to
        out_offsets[row + 1] = at
    return at


def keys(kind: int, folds: NDArray[np.uint64], values: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """The keys of values (FOLD, TITLE …), null where nothing is left of one, and which are left over."""
    data, offsets = parts(values)
    room = 2 * (int(offsets[-1]) - int(offsets[0])) + 8
    out, out_offsets = np.empty(room, np.uint8), np.empty(len(values) + 1, np.int32)
    bits, left = np.zeros((len(values) + 7) // 8, np.uint8), np.zeros(len(values), bool)
    size = _each(kind, folds, data, offsets, out, out_offsets, bits, left)
    return from_bytes(out[:size], out_offsets, bits, -1), left
