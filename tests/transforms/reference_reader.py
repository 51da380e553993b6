"""A slow, strict reading of one ISO 2709 record, written from the standard alone, to hold the kernels against.

It knows no mending: a record is wholly right, or `Wrong` says why not.  ISO 2709:2008, 4.2 to 4.5; of the leader
only what the reader promises (record length, base address).
"""

import re
import unicodedata

from pymarc.marc8 import marc8_to_unicode

# (tag, field number, first and second indicator, subfield number, code, bytes of the value)
Row = tuple[str, int, str | None, str | None, int, str | None, bytes]
FIELD_END, RECORD_END, DELIMITER = b"\x1e", b"\x1d", b"\x1f"


class Wrong(Exception):
    """The record is not as the standard has it."""


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(what)


def rows(content: bytes) -> list[Row]:
    """The rows of a record that is right in every point.

    Raises:
        Wrong: it isn't.
    """
    _must(content.endswith(RECORD_END) and content.count(RECORD_END) == 1, "one record terminator, at the end")
    _must(len(content) >= 26, "a leader and two terminators")
    leader = content[:24]
    _must(not set(leader) & {0x1D, 0x1E, 0x1F}, "no delimiter in the leader")
    _must(leader[:5].isdigit() and int(leader[:5]) == len(content), "the record length")
    _must(leader[12:17].isdigit(), "a base address")
    base = int(leader[12:17])
    _must(base < len(content), "the base address within the record")
    directory = content[24 : base - 1]
    _must(len(directory) % 12 == 0 and content[base - 1 : base] == FIELD_END, "a directory of whole entries")
    _must(FIELD_END not in directory and DELIMITER not in directory, "no delimiter in the directory")
    found: list[Row] = [("LDR", 0, None, None, 0, None, leader)]
    expected = base
    for number, at in enumerate(range(0, len(directory), 12), 1):
        entry = directory[at : at + 12]
        _must(entry[3:].isdigit(), "digits in the directory")
        length, start = int(entry[3:7]), base + int(entry[7:12])
        _must(start == expected and length > 0, "fields one behind the other")
        expected = start + length
        field = content[start:expected]
        _must(field.endswith(FIELD_END) and field.count(FIELD_END) == 1, "one field terminator")
        found += _field(entry[:3], number, field[:-1])
    _must(expected == len(content) - 1, "nothing behind the last field")
    return found


def _field(tag: bytes, number: int, field: bytes) -> list[Row]:
    _must(tag.isalnum() and tag.isascii(), "a tag of digits and letters")
    name = tag.decode()
    if tag.startswith(b"00") and tag.isdigit():
        _must(DELIMITER not in field, "no subfields in a control field")
        return [(name, number, None, None, 0, None, field)]
    head, *parts = field.split(DELIMITER)
    if not parts and not tag.isdigit():  # a field of a system's own, such as FMT
        return [(name, number, None, None, 0, None, field)]
    _must(len(head) == 2 and _is_printable(head), "two indicators")
    _must(bool(parts), "a subfield")
    _must(all(part and part[0] != 0x20 and _is_printable(part[:1]) for part in parts), "subfield codes")
    ind1, ind2 = head.decode()
    return [(name, number, ind1, ind2, at, chr(part[0]), part[1:]) for at, part in enumerate(parts)]


def _is_printable(value: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in value)


def text(value: bytes, charset: str) -> str:
    """A value, strictly decoded; of Big5, each character by the standard's table or else by Microsoft's.

    Raises:
        UnicodeDecodeError: it is not in this charset.
    """
    if charset == "marc-8":
        return marc8_to_unicode(value, hide_utf8_warnings=True)
    if charset != "big5":
        return value.decode(charset)
    found, at = "", 0
    while at < len(value):
        width = 1 if value[at] < 0x81 else 2
        character = value[at : at + width]
        try:
            found += character.decode("big5")
        except UnicodeDecodeError:
            found += character.decode("cp950")
        at += width
    return found


def comparable(text: str) -> str:
    """The text in one normal form, and without controls: MARC-8 leaves the first open and has not the others."""
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cc" or sign == "\x1f")
    return unicodedata.normalize("NFC", text)


# a blank amid triples of EACC (taken for part of one), another upper half (ANSEL's own name, !E, among them), sets
# of 8 bits as the lower half, and an escape that follows the old short ones at once
PYMARC_DOES_NOT_KNOW = re.compile(rb"\x1b\$,?1[^\x1b]* |\x1b\$?[)\-]|\x1b[(,][4Q]|\x1b[gbps](?:\x1b|$)")


def same(value: str, raw: bytes, charset: str) -> bool:
    """Is `value` what the bytes say?"""
    if charset == "marc-8":
        known = all(byte == 0x1B or 0x20 <= byte < 0x7F or byte >= 0xA0 for byte in raw)
        known = known and not PYMARC_DOES_NOT_KNOW.search(raw)
        return not known or comparable(value) == comparable(text(raw, charset))
    return value == text(raw, charset)
