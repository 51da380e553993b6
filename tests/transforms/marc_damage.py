"""Files of ISO 2709 records, damaged at random: every kind of damage that was met, combined, in all charsets.

`sample(rng, bases)` draws one file.  What is drawn depends on the generator alone, so a seed gives it back.
"""

import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pymarc import marc8_mapping

from tests.transforms.marc_records import CNMARC_LEADER, LEADER, Fields, taken_apart

Parts = list[tuple[bytes, bytes]]  # tags and texts
CHARSETS = ("utf-8", "gb18030", "marc-8", "big5", "koi8-r")
REAL = {
    "marc21/lc-books.mrc": "utf-8",
    "marc21/lc-chinese.mrc": "utf-8",
    "marc21/uva-marc8-with-items.mrc": "marc-8",
    "unimarc/serials.mrc": "utf-8",
    "unimarc/rusmarc-koi8r.mrc": "koi8-r",
}
_WORDS = {
    "simplified": "中国图书馆学研究 北京大学出版社 计算机网络技术与应用 现代汉语词典 上海古籍 经济学 王文编",
    "traditional": "中國圖書館學研究 臺北商務印書館 電腦網路技術 現代漢語詞典 國立臺灣大學 經濟學 王文編 紅樓夢",
    "latin": "Congrès des États Größe Maß Señor José Übersicht complètes façade Dvořák l'été naïve",
    "cyrillic": "Русский язык и литература Москва Издательство Наука История России учебное пособие",
    "plain": "Title of a book Place : Publisher 1985. first course vol. 2 Introduction to by A. Author",
}
_SCRIPTS = {
    "utf-8": ("simplified", "traditional", "latin", "cyrillic", "plain"),
    "gb18030": ("simplified", "simplified", "traditional", "plain"),
    "big5": ("traditional", "traditional", "plain"),
    "koi8-r": ("cyrillic", "cyrillic", "plain"),
    "marc-8": ("latin", "latin", "traditional", "plain"),
}
_TAGS = "010 020 100 101 200 210 245 260 300 500 606 650 690 801 905 LKR".split()
_PIECES = (
    b"\x1f", b"\x1e", b"\x1fa", b"\x1f\x1f", b"\x1b$1", b"\x1b(B", b"\x1b", b"$1!0!", b"\x00", b"\x1a", b"\r\n",
    b"\x07", b"\x7f", b"\xe4", b"\xe4\xb8", b"\xad", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"\xff\xfe", b"\xef\xbf\xbd", b"\xef\xbb\xbf", b"\x85", b"\xd6\xd0", b"\x81\x30\x81\x30", b"\xa4\xa4",
    b"\xf0\x9f\x93\x9a", b"\xc3", b"\xe2e", b"\xe1", b"12345", b" ", b"\x1d",
)  # fmt: skip
_BETWEEN = (b"", b"", b"", b"\r\n", b"\n", b"\x1a", b"\xef\xbb\xbf", b"\x00\x00", b" ", b"\x1d", b"junk ", b"\x1e")


@dataclass(frozen=True)
class Record:
    """A record of a file.  `truth`: the fields that it must have if it is said to be clean or mended."""

    content: bytes
    truth: Fields | None = None


@dataclass(frozen=True)
class Sample:
    """A file and how it is read."""

    records: list[Record]
    chunk_bytes: int
    encoding: str = "auto"
    utf16: str = ""  # codec of the whole file

    @property
    def content(self) -> bytes:
        """The file."""
        content = b"".join(record.content for record in self.records)
        if not self.utf16:
            return content
        return ("\ufeff" + content.decode("utf-8", "replace")).encode(self.utf16)


# --- sound records -----------------------------------------------------------------------------------------


@cache
def _marc8_codes() -> dict[str, bytes]:
    """Characters of MARC-8: those of EACC as three bytes, those of ANSEL as one."""
    east_asian = {chr(point): code.to_bytes(3, "big") for code, (point, _) in marc8_mapping.CODESETS[0x31].items()}
    ansel = {chr(point): bytes([code]) for code, (point, _) in marc8_mapping.CODESETS[0x45].items()}
    return east_asian | {character: code for character, code in ansel.items() if not character.isascii()}


def _marc8(value: str) -> bytes:
    codes, out, inside = _marc8_codes(), b"", False
    for letter, *marks in map(_decomposed, value):
        code = letter.encode() if letter.isascii() else codes[letter]
        if (len(code) == 3) != inside:
            inside = not inside
            out += b"\x1b$1" if inside else b"\x1b(B"
        out += b"".join(codes[mark] for mark in marks) + code
    return out + (b"\x1b(B" if inside else b"")


@cache
def _decomposed(character: str) -> str:
    return unicodedata.normalize("NFD", character)


def encoded(text: str, charset: str) -> bytes:
    """The text of a field in a charset; in MARC-8 each subfield begins anew."""
    if charset != "marc-8":
        return text.encode(charset)
    return b"\x1f".join(map(_marc8, text.split("\x1f")))


def synthetic(rng: random.Random, charset: str) -> tuple[Fields, Parts, bytes]:
    """A small record in scripts of this charset: fields, the same as bytes, and leader."""

    def value() -> str:
        words = " ".join(_WORDS[rng.choice(_SCRIPTS[charset])] for _ in range(rng.randint(0, 1))).split()
        return rng.choice((" ", "")).join(rng.choices(words, k=rng.randint(0, 5))) if words else ""

    fields: Fields = [("001", f"{rng.choice('bco')}{rng.randrange(10**6)}")]
    if rng.random() < 0.5:
        fields.append(("008", "850320n        us                  eng"))
    for tag in sorted(rng.choices(_TAGS, k=rng.randint(1, 12))):
        coded = "".join("\x1f" + rng.choice("abcdefx029") + value() for _ in range(rng.randint(1, 4)))
        fields.append((tag, rng.choice("01 ") + rng.choice("01 ") + coded))
    leader = rng.choice((LEADER, CNMARC_LEADER)).encode()
    leader = leader[:9] + rng.choice((b" ", b"a")) + leader[10:]
    return fields, [(tag.encode(), encoded(text, charset)) for tag, text in fields], leader


Base = tuple[Parts, bytes]


def real_records(folder: Path, number: int) -> dict[str, list[Base]]:
    """Some records of each real file by charset, small ones; none where the folder is missing."""
    found: dict[str, list[Base]] = {charset: [] for charset in CHARSETS}
    for name, charset in REAL.items():
        if (folder / name).exists():
            with (folder / name).open("rb") as stream:
                units = [unit + b"\x1d" for unit in stream.read(number * 4000).split(b"\x1d")[:-1]]
            chosen = sorted(units, key=len)[:number]
            found[charset] += [(taken_apart(unit), unit[:24]) for unit in chosen]
    return found


# --- damage ------------------------------------------------------------------------------------------------


@dataclass
class Entry:
    """A directory entry in the making."""

    tag: bytes
    length: int
    start: int


def _entries(parts: Parts) -> list[Entry]:
    found, at = [], 0
    for tag, text in parts:
        found.append(Entry(tag, len(text) + 1, at))
        at += len(text) + 1
    return found


def _lengths_off(rng: random.Random, entries: list[Entry], parts: Parts) -> None:
    """Lengths wrong, starts as they were."""
    for _ in range(rng.randint(1, 3)):
        rng.choice(entries).length += rng.choice((-9, -2, -1, 1, 2, 9))


def _drifted(rng: random.Random, entries: list[Entry], parts: Parts) -> None:
    """Lengths wrong, and starts added up from them; as where characters were counted, or text was changed."""
    slips = {rng.randrange(len(entries)) for _ in range(rng.randint(1, 3))}
    characters = rng.random() < 0.4
    at = 0
    for number, (entry, (_, text)) in enumerate(zip(entries, parts, strict=True)):
        if characters:
            entry.length = len(text.decode("utf-8", "ignore")) + 1
        elif number in slips:
            entry.length += rng.choice((-2, -1, 1, 2, 5))
        entry.start = at
        at += entry.length


def _zeros(rng: random.Random, entries: list[Entry], parts: Parts) -> None:
    """Lengths, or lengths and starts, of nought, or lengths as large as can be."""
    kind = rng.randrange(3)
    for entry in rng.choices(entries, k=rng.randint(1, len(entries))):
        entry.length = 9999 if kind == 2 else 0
        entry.start = 0 if kind == 1 else entry.start


def _permuted(rng: random.Random, entries: list[Entry], parts: Parts) -> None:
    rng.shuffle(entries)


def _shifted(rng: random.Random, entries: list[Entry], parts: Parts) -> None:
    """All starts from one entry on are off by the same."""
    by = rng.choice((-2, -1, 1, 2, 12))
    for entry in entries[rng.randrange(len(entries)) :]:
        entry.start += by


DIRECTORY = (_lengths_off, _drifted, _zeros, _permuted, _shifted)


def assembled(entries: list[Entry], parts: Parts, leader: bytes) -> bytes:
    """A record with this directory."""
    directory = b"".join(
        entry.tag + b"%04d%05d" % (entry.length % 10_000, entry.start % 100_000) for entry in entries
    )
    data = b"".join(text + b"\x1e" for _, text in parts)
    base = 25 + len(directory)
    total = min(base + len(data) + 1, 99_999)
    return b"%05d%s%05d%s%s\x1e%s\x1d" % (total, leader[5:12], base, leader[17:24], directory, data)


def _text_damage(rng: random.Random, parts: Parts) -> Parts:
    """Values changed before a directory was made: pieces put in, cut out, or moved to the next field."""
    parts = [*parts]
    for _ in range(rng.randint(1, 3)):
        number = rng.randrange(len(parts))
        tag, text = parts[number]
        at = rng.randint(0, len(text))
        match rng.randrange(5):
            case 0:
                text = text[:at] + rng.choice(_PIECES) + text[at:]
            case 1:
                text = text[:at] + text[at + rng.randint(1, 4) :]
            case 2 if number + 1 < len(parts):  # a character, perhaps, is torn apart
                parts[number + 1] = (parts[number + 1][0], parts[number + 1][1] + text[at:])
                text = text[:at]
            case 3:
                tag = rng.choice((b"0 2", b"   ", b"9\x1f9", b"00A", b"LKR", b"A\xe4B", b"000", tag))
            case _:
                text = text.replace(b"\x1f", rng.choice((b"\x1e", b"$", b"\x1f\x1f", b" ")), 1)
        parts[number] = (tag, text)
    return parts


def _leader_damage(rng: random.Random, record: bytes) -> bytes:
    """What the leader says is changed; the rest stays."""
    for _ in range(rng.randint(1, 2)):
        low, high = rng.choice(((0, 5), (5, 6), (9, 10), (10, 12), (12, 17), (20, 24)))
        filling = rng.choice((b"99999", b"00000", b"     ", b"abcde", b"d0024", b"\x00\x00\x00\x00\x00"))
        record = record[:low] + filling[: high - low] + record[high:]
    return record


def _leader_size(rng: random.Random, record: bytes) -> bytes:
    at = rng.randrange(24)
    return record[:at] + rng.choice((b"", b" ", b"0", b"22")) + record[at + rng.choice((0, 1)) :]


def _terminators(rng: random.Random, record: bytes) -> bytes:
    """A terminator or delimiter is lost, doubled, or becomes another."""
    places = [at for at, byte in enumerate(record) if 0x1D <= byte <= 0x1F]
    at = rng.choice(places or [0])
    return (
        record[:at]
        + rng.choice((b"", record[at : at + 1] * 2, b"\x1e", b"\x1f", b" ", b"\x1d"))
        + record[at + 1 :]
    )


def _cut(rng: random.Random, record: bytes) -> bytes:
    at = rng.randint(0, len(record))  # damage before may have left nothing
    return rng.choice((record[:at], record[:at] + b"\x1d", record[at:], record[:at] + b"\x1e\x1d"))


def _bytes(rng: random.Random, record: bytes) -> bytes:
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(record))
        piece = rng.choice(
            (rng.choice(_PIECES), bytes([rng.randrange(256)]), record[at : at + rng.randint(1, 30)])
        )
        record = record[:at] + piece + record[at + rng.choice((0, 0, 1, len(piece), 12)) :]
    return record


def _foreign(rng: random.Random, record: bytes) -> bytes:
    return rng.choice((b"\x1e", b"x", b"12", b"\x1f\x1f", b"HEADER \x1e", b"\xff" * 70, record[:13])) + record


RECORD: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _leader_size, _terminators, _terminators, _cut, _bytes, _bytes, _foreign,
)  # fmt: skip


def _record(rng: random.Random, charset: str, mixed: bool, bases: dict[str, list[Base]], damage: float) -> Record:
    """One record; `mixed`: the file has other charsets too."""
    if bases[charset] and rng.random() < 0.5:
        parts, leader = rng.choice(bases[charset])
        fields: Fields | None = None
        if charset != "marc-8":
            fields = [(tag.decode(), text.decode(charset)) for tag, text in parts]
    else:
        fields, parts, leader = synthetic(rng, charset)
    if rng.random() < 0.002:
        parts = parts[:20] * (1 + 100_000 // sum(len(text) + 1 for _, text in parts[:20]))
        fields = fields and fields[:20] * (len(parts) // min(len(fields), 20))
    if rng.random() < damage * 0.3:
        parts, fields = _text_damage(rng, parts), None
    entries = _entries(parts)
    if rng.random() < damage * 0.4:
        rng.choice(DIRECTORY)(rng, entries, parts)
    content = assembled(entries, parts, leader)
    if rng.random() < damage * 0.2:
        content = _leader_damage(rng, content)
    while rng.random() < damage * 0.3:
        content, fields = rng.choice(RECORD)(rng, content), None
    told = sum(not sign.isascii() for _, text in fields or () for sign in text)
    if 0 < told < 8 and mixed:  # another charset may read it as well
        fields = None
    return Record(content + (rng.choice(_BETWEEN) if rng.random() < damage * 0.2 else b""), fields)


def sample(rng: random.Random, bases: dict[str, list[Base]]) -> Sample:
    """A file: mostly of one charset, sometimes of several; little or much of it is damaged."""
    usual = rng.choice(CHARSETS)
    others = rng.choice((0.0, 0.0, 0.2, 1.0))
    damage = rng.choice((0.0, 0.3, 1.0, 1.0))
    count = rng.choice((1, 5, 20, 150))
    utf16 = rng.choice(("utf-16-le", "utf-16-be")) if rng.random() < 0.05 else ""
    records = []
    for _ in range(count):
        charset = "utf-8" if utf16 else rng.choice(CHARSETS) if rng.random() < others else usual
        records.append(_record(rng, charset, others > 0, bases, damage))
    if utf16:
        records = [Record(record.content) for record in records]
    hint = rng.choice(("auto", "auto", usual, rng.choice(CHARSETS)))
    chunk_bytes = rng.choice((64, 700, 5000) if count < 20 else (5000, 20_000, 1 << 20))
    return Sample(records, chunk_bytes, hint, utf16)
