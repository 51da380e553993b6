"""What contains the records of a file, told by its first bytes; and how many records text forms of MARC hold.

The counts need no parser, so that what a parser makes of a file can be held against them.
"""

import codecs
import re
from collections.abc import Iterator
from typing import BinaryIO

SNIFF = 4096
BLANK = b" \t\r\n\x00\x1a\xef\xbb\xbf"  # may stand before, between and behind records
_MUST_BE_READ = 1 << 20  # blanks before anything else, at most

XML, ISO2709, JSON, ALEPH, LINES, OTHER, EMPTY = "xml", "iso2709", "json", "aleph", "lines", "other", "empty"

LINE_END = re.compile(rb"\r*\n|\r")
# A number of nine digits, tag, indicators, and the letter of the script or a subfield.
ALEPH_LINE = re.compile(rb"\d{9} [0-9A-Z]{3}[ -~]{2} (?:[A-Z] |\$\$)")
# A leader by its name, or by itself: status and type, `22`, base address.  Systems fill it with signs.
LEADER_LINE = re.compile(
    rb"(?i:=?(?:LDR|LEADER)(?![A-Za-z])|=?000[ \t])"
    rb"|[\d?*#_\\^|\- ]{0,5}[a-z][a-z_#?*\\^|\- ]{2}[^\n]{2}22[\d?*#_\\^|\- ]{5}"
)
RECORD_MARK = b"***"  # a line that ends a record of a worksheet (工作单)
_TAGGED = re.compile(rb"=[0-9A-Z]{3}  |\d{3}(?:[ \t\\#_0-9a-z]|[^\x00-\x7f])")
_FIRST = re.compile(rb"=[0-9A-Z]{3}  |001(?:[ \t0-9A-Za-z])")
_DELIMITED = re.compile(
    rb"=?\d{3}[ \t]{0,2}[ 0-9a-z\\#_|^\-]{0,2}[ \t]{0,2}"
    rb"(?:[$|@^\x1f]|\xc7\x82|\xe2\x96[\xbc\xb2]|\xe2\x80\xa1|\xa8\x8b|\xa1[\xf8\xfd]|\xef\xbc\x84|\xa3\xa4)[0-9A-Za-z]"
)
_OBJECT = re.compile(rb'\[?\s*\{\s*["}]|\[\s*\]')
# What begins so is none of ours, though such bytes often hold 1D and 1E: pictures, PDF, other compression, Office.
_FOREIGN = (
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"BZh",
    b"\xfd7zXZ",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\xd0\xcf\x11\xe0",
)
_LEADER = re.compile(rb"\d{5}[ -~]{5}[ -~]{2}[\d ]{5}")
_WIDE_BIG = re.compile(rb"(?:\x00\d){5}(?:\x00[ -~]){7}|(?:\x00\s)*\x00<(?:\x00[!-~]){2}")
_WIDE_LITTLE = re.compile(rb"(?:\d\x00){5}(?:[ -~]\x00){7}|(?:\s\x00)*<\x00(?:[!-~]\x00){2}")


def utf16(start: bytes) -> str:
    """The codec of UTF-16 text, else '': by its byte order mark, or a leader or tag in two-byte characters."""
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if _WIDE_BIG.match(start):
        return "utf-16-be"
    return "utf-16-le" if _WIDE_LITTLE.match(start) else ""


def opening(stream: BinaryIO) -> bytes:
    """The first bytes of a stream, enough of them for `container`."""
    start = stream.read(SNIFF)
    while len(start) < _MUST_BE_READ and len(start.lstrip(BLANK)) < SNIFF and (more := stream.read(SNIFF)):
        start += more
    return start


def container(start: bytes) -> str:
    """XML, ISO2709, JSON, ALEPH (sequential), LINES (one field a line), EMPTY or OTHER, by `opening` bytes."""
    codec = utf16(start)
    text = start.decode(codec, "replace").encode() if codec else start
    text = text.lstrip(BLANK)[:SNIFF]
    if start.startswith(_FOREIGN):
        return OTHER
    if not text:
        return EMPTY if len(start) < _MUST_BE_READ else OTHER
    if text.startswith(b"<"):
        return XML
    if b"\x1d" in text or b"\x1e" in text:
        return ISO2709
    if _OBJECT.match(text):
        return JSON
    if ALEPH_LINE.match(text):
        return ALEPH
    if _is_dump(text):
        return LINES
    return ISO2709 if _LEADER.match(text) else OTHER


def _is_dump(text: bytes) -> bool:
    """Most lines begin with a tag, one has a delimiter where a field has it, and one names the record."""
    lines = [line.lstrip(BLANK) for line in LINE_END.split(text)]
    lines = [line for line in (lines[:-1] if len(text) >= SNIFF else lines) if line]
    if not lines or not (LEADER_LINE.match(lines[0]) or _TAGGED.match(lines[0])):
        return False
    leaders = sum(1 for line in lines if LEADER_LINE.match(line))
    tagged = sum(1 for line in lines if _TAGGED.match(line))
    named = leaders > 0 or any(_FIRST.match(line) for line in lines)
    return named and leaders + tagged >= 0.6 * len(lines) and any(_DELIMITED.match(line) for line in lines)


# --- counting --------------------------------------------------------------------------------------------


def count_text(kind: str, chunks: Iterator[bytes]) -> int:
    """How many records text of this kind (JSON, ALEPH, LINES) holds; the chunks are no UTF-16 any more."""
    if kind == JSON:
        return _count_objects(chunks)
    return _count_numbers(chunks) if kind == ALEPH else _count_paragraphs(chunks)


_TOKEN = re.compile(rb'\\.|["\n{}]', re.DOTALL)
_BETWEEN_OBJECTS = BLANK + b",[]"


def _count_objects(chunks: Iterator[bytes]) -> int:
    """Outermost objects, and stretches between them that hold anything but commas and brackets.

    A line end closes a string, which may not hold one: so what one bad string upsets ends with its line.
    """
    found = depth = begun = 0
    quoted = foreign = False
    rest = b""
    for chunk in chunks:
        text = rest + chunk
        kept = text.rstrip(b"\\")
        text, rest = kept, text[len(kept) :]
        begun = 0
        for token in _TOKEN.finditer(text):
            sign = token.group()
            if quoted:
                quoted = sign not in (b'"', b"\n")
            elif sign == b'"':
                quoted = True
            elif sign == b"{":
                if depth == 0:
                    found += 1 + (foreign or bool(text[begun : token.start()].strip(_BETWEEN_OBJECTS)))
                    foreign = False
                depth += 1
            elif sign == b"}" and depth:
                depth -= 1
                begun = token.end()
        if depth == 0:
            foreign = foreign or bool(text[begun:].strip(_BETWEEN_OBJECTS))
    return found + (depth == 0 and (foreign or bool(rest)))


def _line_starts(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The first bytes of every line that is not blank, from the first that is no blank on."""
    line = held = b""
    for chunk in chunks:
        text = held + chunk
        kept = text.rstrip(b"\r")
        text, held = kept, text[len(kept) :]
        first, *more = LINE_END.split(text)
        line = (line + first).lstrip(BLANK)[:64]
        for part in more:
            yield line
            line = part.lstrip(BLANK)[:64]
    yield line


def _count_numbers(chunks: Iterator[bytes]) -> int:
    """Runs of lines with the same number; lines without one belong to the record before."""
    found, number = 0, b""
    for line in _line_starts(chunks):
        now = line[:9] if ALEPH_LINE.match(line) else number
        if line and (found == 0 or now != number):
            found += 1
            number = now
    return found


def _count_paragraphs(chunks: Iterator[bytes]) -> int:
    """Runs of lines that end at a blank line, at `***`, or before a leader."""
    found, inside = 0, False
    for line in _line_starts(chunks):
        if not line or line.rstrip(BLANK) == RECORD_MARK:
            inside = False
        elif not inside or LEADER_LINE.match(line):
            found += 1
            inside = True
    return found
