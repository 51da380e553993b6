"""Line dumps: a MARC field a line, as cataloguers copy, print and mail them.

Known are the mnemonic form of MarcEdit (`=245  10$aTitle`), what yaz-marcdump prints (`245 10 $a Title $c …`), the
worksheets (工作单) of Chinese systems (`2001 ▼aTitle`, `200 1  |aTitle`), and all between.  Records are separated
by a blank line, by `***`, or by the next leader.  Which sign delimits subfields is found in each record.

What a dump can't say for sure makes its record doubtful: a line without a tag (it is joined to the one
before), a field without delimiter, a `$` that begins a price.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import BinaryIO, NamedTuple

from harvesters.containers import BLANK, LEADER_LINE, RECORD_MARK
from transforms import marc_text
from transforms.chunk import Chunk
from transforms.field_columns import Field
from transforms.marc_text import Marc, Refusal, Unit

DELIMITERS = "$|▼▲ǂ‡\x1f@^＄｜"
_NAMED_LEADER = re.compile(r"(?:=?(?:LDR|LEADER)(?![A-Za-z])|=?000(?=[ \t]))[ \t:]*", re.IGNORECASE)
_TAGGED = re.compile(
    r"=(?P<named>[0-9A-Z]{3})(?:  |$)|[ \t]*(?P<bare>\d{3})(?=[ \t\\#_0-9a-z]|[^\x00-\x7f]|[$|@^\x1f]|$)"
)
_PLACE = re.compile(rf"[^\w]{{0,2}}[ \w\\#^|\-]{{0,2}}[ \t]{{0,2}}(?P<sign>[{re.escape(DELIMITERS)}])[0-9A-Za-z]")
_LITERAL = {"$": re.compile(r"\$\d[\d,]*\.\d\d(?!\d)"), "@": re.compile(r"[a-z0-9]@[a-z0-9\-]+(?:\.[a-z]{2,})+\b")}
_BLANKS = str.maketrans(dict.fromkeys("\\#_^|-", " "))
_ESCAPES = {"{dollar}": "$", "{lcub}": "{", "{rcub}": "}", "{bsol}": "\\"}
_ESCAPE = re.compile(r"\{[a-z]+\d?\}")
_LEADER_LENGTH = 24
_LEADER_STARTS = "Ll0"  # of a named leader, behind `=` if it has one


class _Sign(NamedTuple):
    """A sign that delimits subfields, and what is looked for with it."""

    sign: str
    split: re.Pattern[str]  # a delimiter and its code
    split_066: re.Pattern[str]  # the same in 066, whose $c says `$1`
    unspaced: re.Pattern[str]  # a code without a blank behind it
    stray: re.Pattern[str]  # the sign without a code
    literal: re.Pattern[str] | None  # the sign as part of the text


@cache
def _with_patterns(sign: str) -> _Sign:
    escaped = re.escape(sign)
    kept = r"(?<!\d{3}-\d\d/)" if sign == "$" else ""  # `$1` in $6 and 066 names the script
    kept_066 = kept + (r"(?<!\$c)(?<!\$c )" if sign == "$" else "")
    return _Sign(
        sign,
        re.compile(rf"{kept}{escaped}([0-9A-Za-z])"),
        re.compile(rf"{kept_066}{escaped}([0-9A-Za-z])"),
        re.compile(rf"{escaped}[0-9A-Za-z](?! )"),
        re.compile(rf"{escaped}(?![0-9A-Za-z])"),
        _LITERAL.get(sign),
    )


def read(
    stream: BinaryIO, format_hint: str = "auto", encoding_hint: str = "auto", first_record_no: int = 0
) -> Iterator[Chunk]:
    """Read a line dump as chunks; see `transforms.chunk`.

    Raises:
        ValueError: `encoding_hint` names no known charset.
    """
    return marc_text.read(stream, _units, parse, format_hint, encoding_hint, first_record_no)


def _units(blocks: Iterable[bytes]) -> Iterator[Unit]:
    """Paragraphs; a leader begins one too."""
    collected: list[Unit] = []
    size = 0
    for offset, line in marc_text.lines(blocks):
        text = line.strip(BLANK)
        ends = not text or text == RECORD_MARK
        if collected and (ends or LEADER_LINE.match(text)):
            yield marc_text.paragraph(collected)
            collected, size = [], 0
        if not ends and size < marc_text.MAX_RECORD:
            collected.append((offset, line))
            size += len(line) + 1
    if collected:
        yield marc_text.paragraph(collected)


def parse(text: str) -> Marc:
    """The fields of one record.

    Raises:
        Refusal: nothing in it has a tag, or no field a delimiter.
    """
    marc = Marc()
    lines = _lines(text, marc)
    contents = [rest for tag, rest, _ in lines if _is_data(tag)]
    sign = _delimiter(contents)
    lead = _lead([rest.partition(sign.sign)[0] for rest in contents]) if sign else 0
    spaced = sign is not None and not any(map(sign.unspaced.search, contents))
    for tag, rest, mnemonic in lines:
        if tag == "LDR":
            marc.fields.insert(0, ("LDR", None, None, [(None, _leader(rest, mnemonic, marc))]))
        elif not _is_data(tag):
            value = rest.replace("\\", " ") if mnemonic else rest.lstrip(" \t")
            marc.fields.append((tag, None, None, [(None, value)]))
        else:
            marc.fields.append(_data_field(tag, rest[lead:], sign, mnemonic, spaced, marc))
    if sum(1 for tag, _, _ in lines if tag == "001") > 1:
        raise Refusal(
            "dump-no-separator",
            "it has two control numbers: records are not separated",
            "export with a blank line between records, or with a leader (LDR) in each",
        )
    return marc


def _lines(text: str, marc: Marc) -> list[tuple[str, str, bool]]:
    """(tag, what follows it, whether it is a mnemonic line) of each field."""
    found: list[tuple[str, str, bool]] = []
    for line in text.split("\n"):
        line = line.strip("\x00\x1a\ufeff")
        tagged = _TAGGED.match(line)
        start = line[1:2] if line.startswith("=") else line[:1]
        if start in _LEADER_STARTS and (named := _NAMED_LEADER.match(line)):
            found.append(("LDR", line[named.end() :], line.startswith("=")))
        elif not found and LEADER_LINE.match(line.strip().encode("utf-8", "replace")):
            found.append(("LDR", line, False))
        elif tagged:
            named_tag, bare_tag = tagged.groups()
            found.append((named_tag or bare_tag, line[tagged.end() :], named_tag is not None))
        elif found:
            tag, rest, mnemonic = found[-1]
            wide = rest[-1:] > "\u2e80" or line.strip()[:1] > "\u2e80"
            found[-1] = (tag, rest + ("" if wide else " ") + line.strip(), mnemonic)
            marc.doubts.append(("dump-continued-line", tag, line.strip()))
        else:
            marc.doubts.append(("dump-foreign-text", None, line.strip()))
    if not found:
        raise Refusal(
            "dump-no-fields",
            "no line of it begins with a tag",
            "look whether a field was wrapped around a blank line, or text stands between records",
        )
    return found


def _delimiter(contents: list[str]) -> _Sign | None:
    """The sign that stands most often where a field's first delimiter does; None if no field has one."""
    votes = Counter(match["sign"] for match in map(_PLACE.match, contents) if match)
    return _with_patterns(votes.most_common(1)[0][0]) if votes else None


def _leader(rest: str, mnemonic: bool, marc: Marc) -> str:
    """The leader in 24 characters, with the blanks that were lost at its end and without what is too much."""
    value = rest.replace("\\", " ") if mnemonic else rest.strip(" \t").translate(str.maketrans("_#", "  "))
    if len(value) == _LEADER_LENGTH - 5:  # blanks for the length were lost at its beginning
        value = "     " + value
    if not 20 <= len(value) <= _LEADER_LENGTH:
        marc.doubts.append(("dump-leader", "LDR", value))
    return value.ljust(_LEADER_LENGTH)[:_LEADER_LENGTH]


def _data_field(tag: str, rest: str, sign: _Sign | None, mnemonic: bool, spaced: bool, marc: Marc) -> Field:
    # what stands before the first delimiter, then code and value by turns
    parts = (sign.split_066 if tag == "066" else sign.split).split(rest) if sign else [rest]
    ind1, ind2, loose = _indicators(parts[0])
    values = parts[2::2]
    if spaced:
        values = [value[1:].removesuffix(" ") for value in values[:-1]] + [value[1:] for value in values[-1:]]
    if mnemonic and "{" in rest:
        values = [_unescaped(tag, value, marc) for value in values]
    subfields: list[tuple[str | None, str]] = list(zip(parts[1::2], values, strict=True))
    if loose:
        subfields.insert(0, ("", loose))
        marc.doubts.append(("dump-text-without-code", tag, loose))
    if not subfields:
        subfields.append(("", ""))
        marc.doubts.append(("dump-text-without-code", tag, None))
    elif sign and ("" in values or (sign.literal and sign.literal.search(rest))):
        marc.doubts.append(("dump-delimiter-in-text", tag, rest))
    elif sign and rest.count(sign.sign) > len(values) and sign.stray.search(rest, len(parts[0])):
        marc.notes.append(("dump-delimiter-in-text", tag, rest))
    return tag, ind1, ind2, subfields


def _lead(zones: list[str]) -> int:
    """How many blanks stand between tag and indicators, from what stands before the delimiters of a record."""
    if max(map(len, zones), default=0) <= 2:
        return 0
    filled = [len(zone) - len(zone.lstrip(" \t")) for zone in zones if zone.strip(" \t")]
    return max(0, min([2, *filled, max(len(zone) for zone in zones) - 2])) if filled else 0


def _is_data(tag: str) -> bool:
    return tag >= "010" and tag not in ("LDR", "FMT")


@lru_cache(1000)
def _indicators(zone: str) -> tuple[str, str, str]:
    """Both indicators from what stands before the first delimiter, and the text that is none."""
    signs = zone[:2].translate(_BLANKS).replace("\t", " ").ljust(2)
    if not all(sign == " " or (sign.isascii() and sign.isalnum()) for sign in signs):
        return " ", " ", zone.strip()
    return signs[0], signs[1], zone[2:].strip()


def _unescaped(tag: str, value: str, marc: Marc) -> str:
    """Signs that MarcEdit writes as `{dollar}`; other names in braces stay and are doubted."""
    found = _ESCAPE.findall(value)
    if unknown := [name for name in found if name not in _ESCAPES]:
        marc.doubts.append(("dump-mnemonic", tag, unknown[0]))
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match.group(), match.group()), value)
