"""Records in memory, and the three ways that libraries write them: ISO 2709, MARC-8 text, MARCXML.

This is for trusted input, many records a second: it is not the exchange's own reader, which trusts nothing.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from xml.sax.saxutils import escape

from pymarc import marc8_mapping

Subfields = list[tuple[str, str]]
Field = tuple[str, str, Subfields]  # tag, two indicators, subfields; a control field is (tag, "", [("", text)])
Encoder = Callable[[str], bytes]

MAX_FIELD = 9_999
MAX_RECORD = 99_999
SLIM = "http://www.loc.gov/MARC21/slim"
_SPECIAL = re.compile('[\x00-\x1f&<>"\ufffe\uffff]')
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(slots=True)
class Record:
    """One MARC record of any family: the leader's 24 characters and its fields in order."""

    leader: str
    fields: list[Field] = field(default_factory=list)

    def control(self, tag: str) -> str:
        """The text of a control field, or an empty string."""
        return next((subfields[0][1] for t, _, subfields in self.fields if t == tag), "")

    def first(self, tag: str) -> Subfields:
        """The subfields of the first field of that tag; none where there is no such field."""
        return next((subfields for t, _, subfields in self.fields if t == tag), [])

    def all(self, tag: str) -> list[Subfields]:
        """The subfields of each field of that tag."""
        return [subfields for t, _, subfields in self.fields if t == tag]


def value(subfields: Subfields, code: str) -> str:
    """The first subfield of that code, or an empty string."""
    return next((text for c, text in subfields if c == code), "")


def parse(unit: bytes) -> Record:
    """Read one ISO 2709 record in UTF-8 (with or without its terminator), taking fields by terminators.

    Raises:
        ValueError: the directory and the fields don't agree, or the bytes are not UTF-8.
    """
    head, *bodies = unit.rstrip(b"\x1d").decode("utf-8").split("\x1e")
    leader, directory = head[:24], head[24:]
    if bodies and bodies[-1] == "":
        bodies.pop()
    if len(directory) != 12 * len(bodies) or len(leader) != 24:
        raise ValueError("directory and fields don't agree")
    fields: list[Field] = []
    for position, body in enumerate(bodies):
        tag = directory[12 * position : 12 * position + 3]
        if tag < "010":
            fields.append((tag, "", [("", body)]))
        else:
            indicators, *parts = body.split("\x1f")
            fields.append((tag, indicators[:2].ljust(2), [(part[:1], part[1:]) for part in parts if part]))
    return Record(leader, fields)


def encode(record: Record, encoder: Encoder) -> bytes:
    """Write one ISO 2709 record; the leader's lengths are counted in bytes, as they must be.

    Raises:
        ValueError: a character can't be encoded, or a field or the record is too long for ISO 2709.
    """
    directory: list[str] = []
    bodies: list[bytes] = []
    position = 0
    for tag, indicators, subfields in record.fields:
        text = subfields[0][1] if not indicators else indicators + "".join([f"\x1f{c}{v}" for c, v in subfields])
        body = encoder(text) + b"\x1e"
        if len(body) > MAX_FIELD:
            raise ValueError(f"field {tag} has {len(body)} bytes")
        directory.append(f"{tag}{len(body):04d}{position:05d}")
        bodies.append(body)
        position += len(body)
    base = 25 + 12 * len(directory)
    length = base + position + 1
    if length > MAX_RECORD:
        raise ValueError(f"record has {length} bytes")
    leader = f"{length:05d}{record.leader[5:12]}{base:05d}{record.leader[17:24]}"
    return b"".join([(leader + "".join(directory)).encode("ascii"), b"\x1e", *bodies, b"\x1d"])


@cache
def _marc8_tables() -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Unicode to ANSEL (one byte) and to East Asian characters (three bytes), from pymarc's tables."""
    ansel = {uni: bytes([code]) for code, (uni, _) in marc8_mapping.CODESETS[0x45].items() if code > 0xA0}
    # several codes may stand for one character: the smallest is taken
    codes = sorted(marc8_mapping.CODESETS[0x31].items(), reverse=True)
    return ansel, {uni: code.to_bytes(3, "big") for code, (uni, _) in codes}


def to_marc8(text: str) -> bytes:
    """Encode as MARC-8: ASCII, ANSEL with its combining marks before their letter, East Asian after escapes.

    Raises:
        ValueError: a character is in none of the three sets.
    """
    if text.isascii():
        return text.encode("ascii")
    ansel, east_asian = _marc8_tables()
    out = bytearray()
    letter_at, wide = 0, False
    for character in _decomposed(text):
        code = ord(character)
        narrow = bytes([code]) if code < 0x80 else ansel.get(code)
        if unicodedata.combining(character) and narrow:
            out[letter_at:letter_at] = narrow
            letter_at += 1
            continue
        encoded = narrow or east_asian.get(code)
        if encoded is None:
            raise ValueError(f"U+{code:04X} is not in MARC-8")
        if (narrow is None) != wide:
            out += b"\x1b(B" if wide else b"\x1b$1"
            wide = not wide
        letter_at = len(out)
        out += encoded
    return bytes(out + b"\x1b(B" if wide else out)


def _decomposed(text: str) -> str:
    """Letters and marks apart, except the horned letters of Vietnamese, which ANSEL has whole."""
    apart = unicodedata.normalize("NFD", text)
    for plain, horned in zip("oOuU", "ơƠưƯ", strict=True):
        apart = apart.replace(f"{plain}\u031b", horned)
    return apart


def xml_text(text: str) -> str:
    """Text that may stand in XML: characters that XML forbids are dropped, markup is escaped."""
    if _SPECIAL.search(text) is None:
        return text
    return escape(_NOT_XML.sub("", text), {'"': "&quot;"})


def marcxml(record: Record) -> str:
    """The record as a MARCXML `record` element."""
    parts = [f'<record xmlns="{SLIM}"><leader>{xml_text(record.leader)}</leader>']
    for tag, indicators, subfields in record.fields:
        if not indicators:
            parts.append(f'<controlfield tag="{tag}">{xml_text(subfields[0][1])}</controlfield>')
            continue
        ind1, ind2 = xml_text(indicators[0]), xml_text(indicators[1])
        parts.append(f'<datafield tag="{tag}" ind1="{ind1}" ind2="{ind2}">')
        parts += [f'<subfield code="{xml_text(c)}">{xml_text(v)}</subfield>' for c, v in subfields]
        parts.append("</datafield>")
    parts.append("</record>")
    return "".join(parts)
