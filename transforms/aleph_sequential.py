"""Aleph sequential: a field a line, each with the system number of its record.

`000000001 24510 L $$aTitle$$cname`: nine digits, a blank, tag (3), indicators (2), a blank, the letter of the
script, a blank, and the content from the 19th character on.  Blanks of control fields are written `^`.
"""

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from harvesters.containers import ALEPH_LINE, BLANK
from transforms import marc_text
from transforms.chunk import Chunk
from transforms.marc_text import Marc, Refusal, Unit

_LINE = re.compile(
    r"(?P<number>\d{9}) (?P<tag>[0-9A-Z]{3})(?P<ind1>[ -~])(?P<ind2>[ -~]) (?:[A-Z] )?(?P<content>.*)", re.DOTALL
)
_DELIMITER = re.compile(r"\$\$([0-9A-Za-z])")
_CONTROL = ("LDR", "FMT", "DEL", "STA", "CAT")


def read(
    stream: BinaryIO, format_hint: str = "auto", encoding_hint: str = "auto", first_record_no: int = 0
) -> Iterator[Chunk]:
    """Read Aleph sequential as chunks; see `transforms.chunk`.

    Raises:
        ValueError: `encoding_hint` names no known charset.
    """
    return marc_text.read(stream, _units, parse, format_hint, encoding_hint, first_record_no)


def _units(blocks: Iterable[bytes]) -> Iterator[Unit]:
    """Lines of one number; a line without one belongs to the record before."""
    collected: list[Unit] = []
    number, size = b"", 0
    for offset, line in marc_text.lines(blocks):
        text = line.lstrip(BLANK)
        if not text:
            continue
        same = number and text.startswith(number)
        mine = text[:9] if not same and ALEPH_LINE.match(text) else number
        if collected and mine != number:
            yield marc_text.paragraph(collected)
            collected, size = [], 0
        number = mine
        if size < marc_text.MAX_RECORD:
            collected.append((offset, line))
            size += len(line) + 1
    if collected:
        yield marc_text.paragraph(collected)


def parse(text: str) -> Marc:
    """The fields of one record.

    Raises:
        Refusal: no line of it is Aleph sequential.
    """
    marc = Marc()
    for line in text.split("\n"):
        match = _LINE.match(line.lstrip(" \t\x00\x1a\ufeff"))
        if match:
            marc.number = marc.number or match["number"]
            _add(marc, match["tag"], match["ind1"], match["ind2"], match["content"])
        elif marc.fields:
            _continue(marc, line.strip())
        else:
            marc.doubts.append(("dump-foreign-text", None, line.strip()))
    if marc.number is None:
        raise Refusal(
            "dump-no-fields",
            "no line of it begins with a system number of nine digits and a tag",
            "export again as Aleph sequential, without other text",
        )
    return marc


def _add(marc: Marc, tag: str, ind1: str, ind2: str, content: str) -> None:
    parts = _DELIMITER.split(content)
    if len(parts) == 1:
        value = content.replace("^", " ") if tag < "010" or tag == "LDR" else content
        marc.deleted |= (tag, value.strip()) in (("DEL", "Y"), ("STA", "DELETED"))
        if tag >= "010" and tag not in _CONTROL:
            marc.doubts.append(("dump-text-without-code", tag, content))
            marc.fields.append((tag, ind1, ind2, [("", value)]))
        elif tag == "LDR":
            marc.fields.insert(0, (tag, None, None, [(None, value.ljust(24))]))
        else:
            marc.fields.append((tag, None, None, [(None, value)]))
        return
    subfields: list[tuple[str | None, str]] = list(zip(parts[1::2], parts[2::2], strict=True))
    marc.deleted |= (tag, parts[2].strip()) in (("DEL", "Y"), ("STA", "DELETED"))
    if parts[0].strip():
        subfields.insert(0, ("", parts[0]))
        marc.doubts.append(("dump-text-without-code", tag, parts[0]))
    marc.fields.append((tag, ind1, ind2, subfields))


def _continue(marc: Marc, line: str) -> None:
    """Join a line without a number to the value before."""
    subfields = marc.fields[-1][3]
    code, value = subfields[-1]
    wide = value[-1:] > "\u2e80" or line[:1] > "\u2e80"
    subfields[-1] = (code, value + ("" if wide else " ") + line)
    marc.doubts.append(("dump-continued-line", marc.fields[-1][0], line))
