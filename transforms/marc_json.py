"""MARC-in-JSON, as pymarc and others write it: an array of records, one a line, or one behind the other.

A record is `{"leader": "…", "fields": [{"001": "…"}, {"245": {"ind1": "1", "ind2": "0", "subfields":
[{"a": "…"}]}}]}`.  JSON is UTF-8 (RFC 8259); what isn't is read in the charset that its bytes tell.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from harvesters.containers import BLANK
from transforms import marc_text
from transforms.chunk import Chunk
from transforms.field_columns import Field
from transforms.marc_text import Marc, Refusal, Unit

# Outside a string: anything up to a brace, whole strings included, or up to a string without end.
_TO_QUOTE = rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'
_ITEM = rb'[^"\\{}]++|\\.|"' + _TO_QUOTE + rb'["\n]'
_OUTSIDE = re.compile(rb"(?:" + _ITEM + rb')*+(?P<sign>["{}])', re.DOTALL)
_INSIDE = re.compile(_TO_QUOTE + rb'(?P<sign>["\n])', re.DOTALL)
# What an object may hold: the same, and at most three objects in each other, which is a record's depth.
_SUBFIELD = rb"\{(?:" + _ITEM + rb")*+\}"
_CONTENT = rb"\{(?:" + _ITEM + rb"|" + _SUBFIELD + rb")*+\}"
_FIELD = rb"\{(?:" + _ITEM + rb"|" + _CONTENT + rb")*+\}"
_REST = re.compile(rb"(?:" + _ITEM + rb"|" + _FIELD + rb")*+\}", re.DOTALL)
_DECODER = json.JSONDecoder(object_pairs_hook=tuple)  # what is a tuple was an object
_NO_CHARACTER = re.compile(r"\\u(?:[dD][89a-fA-F]|[fF]{3}[dD])")  # may be half a surrogate pair, or U+FFFD
_SEPARATORS = BLANK + b",[]"
_ADVICE = 'export records as {"leader": …, "fields": […]}, in an array or one a line'


def read(
    stream: BinaryIO, format_hint: str = "auto", encoding_hint: str = "auto", first_record_no: int = 0
) -> Iterator[Chunk]:
    """Read MARC-in-JSON as chunks; see `transforms.chunk`.

    Raises:
        ValueError: `encoding_hint` names no known charset.
    """
    return marc_text.read(stream, _units, parse, format_hint, encoding_hint, first_record_no)


class _Scanner:
    """Where outermost objects begin and end.  A line end closes a string, which can't hold one."""

    def __init__(self) -> None:
        self.depth, self.quoted, self.at = 0, False, 0

    def next_edge(self, text: bytes, limit: int) -> int:
        """The place behind the next brace where an object begins or ends; -1 if there is none yet."""
        if self.depth == 1 and not self.quoted and (rest := _REST.match(text, self.at, limit)):
            self.at, self.depth = rest.end(), 0
            return self.at
        while match := (_INSIDE if self.quoted else _OUTSIDE).match(text, self.at, limit):
            self.at = match.end()
            sign = text[self.at - 1]
            if self.quoted or sign == ord('"'):
                self.quoted = not self.quoted
            elif sign == ord("{"):
                self.depth += 1
                if self.depth == 1:
                    return self.at
            elif sign == ord("}") and self.depth:
                self.depth -= 1
                if self.depth == 0:
                    return self.at
        self.at = limit
        return -1


def _units(blocks: Iterable[bytes]) -> Iterator[Unit]:
    """Outermost objects, and what stands between them unless it is only commas and brackets."""
    text, base, start = b"", 0, 0
    beginning: Unit | None = None  # of a piece that is too long
    scanner = _Scanner()
    for block in blocks:
        text += block
        limit = len(text.rstrip(b"\\"))  # what an escape escapes may be in the next block
        while (edge := scanner.next_edge(text, max(limit, scanner.at))) >= 0:
            end = edge - 1 if scanner.depth else edge
            yield from _piece(beginning or (base + start, text[start:end]), between=scanner.depth == 1)
            start, beginning = end, None
        if len(text) - start >= marc_text.MAX_RECORD:
            held = (base + start, text[start : start + marc_text.MAX_RECORD])
            if scanner.depth or held[1].strip(_SEPARATORS):
                beginning = beginning or held
            start = scanner.at
        base, text = base + start, text[start:]
        scanner.at, start = scanner.at - start, 0
    yield from _piece(beginning or (base, text), between=scanner.depth == 0)


def _piece(unit: Unit, between: bool) -> Iterator[Unit]:
    offset, text = unit
    if between:
        skipped = len(text) - len(text.lstrip(_SEPARATORS))
        offset, text = offset + skipped, text.strip(_SEPARATORS)
    if text:
        yield offset, text


def parse(text: str) -> Marc:
    """The fields of one record.

    Raises:
        Refusal: it is no JSON, or not a record in it.
    """
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(
            "json-syntax", f"not JSON: {error}", "mend the record at the source and send it again"
        ) from None
    record = _named(found) if isinstance(found, tuple) else {}
    if not isinstance(record.get("fields"), list):
        shown = ", ".join(list(record)[:5]) if isinstance(found, tuple) else type(found).__name__
        raise Refusal("json-not-marc", f"an object without a list `fields`: {shown}", _ADVICE)
    marc = Marc()
    leader = record.get("leader")
    if isinstance(leader, str) and leader:
        marc.fields.append(("LDR", None, None, [(None, leader)]))
    for entry in record["fields"]:
        if not isinstance(entry, tuple):
            raise Refusal("json-not-marc", f"a field is {entry!r:.60}, not an object with a tag", _ADVICE)
        marc.fields += [_field(tag, content) for tag, content in _named(entry).items()]
    if _NO_CHARACTER.search(text):
        marc.fields = [_cleaned(one) for one in marc.fields]
        marc.replaced = any("\ufffd" in value for *_, subfields in marc.fields for _, value in subfields)
    return marc


def _named(pairs: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """An object, whose names must all be different: of a name given twice nobody knows which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise Refusal("json-not-marc", f"{twice!r:.20} is given twice in one object", _ADVICE)
    return found


def _field(tag: str, content: Any) -> Field:
    """A field of a record: a string is a control field."""
    if isinstance(content, str):
        return tag, None, None, [(None, content)]
    named = _named(content) if isinstance(content, tuple) else {}
    subfields = named.get("subfields")
    if not isinstance(subfields, list):
        raise Refusal("json-not-marc", f"field {tag!r:.20} has no list `subfields`", _ADVICE)
    pairs: list[tuple[str | None, str]] = []
    for entry in subfields:
        if not isinstance(entry, tuple) or not all(isinstance(value, str) for _, value in entry):
            raise Refusal("json-not-marc", f"field {tag!r:.20} has a subfield {entry!r:.60}", _ADVICE)
        pairs += entry if len(entry) == 1 else _named(entry).items()
    return tag, str(named.get("ind1", " ")) or " ", str(named.get("ind2", " ")) or " ", pairs or [("", "")]


def _cleaned(one: Field) -> Field:
    """A lone half of a surrogate pair, which no UTF-8 can hold, becomes the replacement character."""

    def clean(text: str) -> str:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    tag, ind1, ind2, subfields = one
    ind1, ind2 = ind1 and clean(ind1), ind2 and clean(ind2)
    return clean(tag), ind1, ind2, [(code and clean(code), clean(value)) for code, value in subfields]
