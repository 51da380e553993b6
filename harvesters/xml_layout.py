"""Which elements of an XML document are its records, and how many there are, told without a parser.

A record begins at a tag, and so whatever damage does to a document, its records can be counted: a tag that
never closes costs one record and not all that follow.  The reader (`transforms.xml_units`) cuts by the same
definition in compiled code, and the stage fails where the two numbers differ.

    collection      every opening tag of a record element begins a record; a closing tag with no record open ends
                    one whose opening tag is lost
    envelopes       OAI-PMH and SRU: records may hold others of the same name; the outer ones have a mark
                    (`header`, `recordData`, `metadata`).  An opening tag with no record open begins one; one
                    inside begins another if a mark is the next that follows it, since then a closing tag is
                    missing.  A mark without a record around it counts as one, too.

What stands in a comment or in CDATA is no tag, as long as it ends within `ASIDE_LIMIT`: one that never ends would
take all records behind it along.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

PEEK = 1 << 16  # bytes at the start of a document that tell its layout
TAG_LIMIT = 1 << 16  # bytes of a tag, at most
ASIDE_LIMIT = 1 << 20  # bytes of a comment or of CDATA, at most
RECORD = b"record"
# Roots of descriptions that stand alone or in a wrapper of any name, in documents without record elements.
BARE = (b"mods", b"dc", b"dim", b"qualifieddc", b"qdc", b"dcterms")
XOAI, XOAI_ROOT = b"http://www.lyncode.com/xoai", b"metadata"

_PREFIX = rb"(?:[A-Za-z_][\w.\-]*+:)?"
_NO_ELEMENT = rb"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>"
_NO_ELEMENTS = re.compile(_NO_ELEMENT + rb"|<!\[CDATA\[.*?\]\]>", re.DOTALL)
_ASIDES = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"))
_ROOT = re.compile(rb"(?>[^<]+|" + _NO_ELEMENT + rb")*+<(" + _PREFIX + rb")([A-Za-z_][\w.\-]*)", re.DOTALL)
_FIRST = re.compile(
    rb"<" + _PREFIX + rb"record(?=[\s/>])[^<>]*>\s*<(" + _PREFIX + rb")"
    rb"(header|metadata|recordData|recordSchema|recordPacking|recordXMLEscaping|recordIdentifier)[\s/>]"
)
_MARKS = {b"header": b"header", b"metadata": b"metadata"}  # any other child means SRU


@dataclass(frozen=True)
class Layout:
    """The local names of record elements, and the mark that outer ones have; "" in a collection.

    `prefix` is that of the mark's tag, colon included; None for any.  `behind_root` is the position behind the
    root's start tag, 0 if there is none.
    """

    names: tuple[bytes, ...] = (RECORD,)
    mark: bytes = b""
    prefix: bytes | None = None
    behind_root: int = 0


def _tag(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(rb"<" + _PREFIX + rb"(?:" + b"|".join(names) + rb")[\s/>]")


def layout(start: bytes) -> Layout:
    """The layout of a document, by its first bytes; only the first `PEEK` are looked at."""
    root = _ROOT.match(start[:PEEK])
    behind = start.find(b">", root.end(), PEEK) + 1 if root else 0
    if root and root[2] == b"OAI-PMH":
        return Layout(mark=b"header", prefix=root[1], behind_root=behind)
    if root and root[2] == b"searchRetrieveResponse":
        return Layout(mark=b"recordData", behind_root=behind)
    text = _NO_ELEMENTS.sub(b"", start[:PEEK])
    if first := _tag((RECORD,)).search(text):
        envelope = _FIRST.match(text, first.start())
        mark = _MARKS.get(envelope[2], b"recordData") if envelope else b""
        return Layout(
            mark=mark,
            prefix=envelope[1] if envelope and mark != b"recordData" else None,
            behind_root=0 if root and root[2] == RECORD else behind,
        )
    bare = (*BARE, XOAI_ROOT) if XOAI in text else BARE
    if not _tag(bare).search(text):
        return Layout(behind_root=behind)
    return Layout(bare, behind_root=0 if root and root[2] in bare else behind)


def without_asides(content: bytes) -> bytes:
    """The document, as long as before, with blanks in place of comments and CDATA that hold tags."""
    return _blanked(content, True, b" ")[0]


def _without_asides(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same of a stream; what a tag meets is the `<` of the aside, as before."""
    rest = b""
    for chunk in chunks:
        text, done = _blanked(rest + chunk, False, b"<")
        yield text[:done]
        rest = text[done:]
    yield _blanked(rest, True, b"<")[0]


def _blanked(text: bytes, final: bool, first: bytes) -> tuple[bytes, int]:
    """The text with asides blanked, and how far that holds whatever follows; if `final`, nothing does.

    `first` is put in place of their first byte.
    """
    if b"<!" not in text and not text.endswith(b"<"):
        return text, len(text)
    found, at, ends = [], 0, dict.fromkeys(_ASIDES, 0)  # where the next of a kind ends, so none is sought twice
    while True:
        start = text.find(b"<!", at)
        if start < 0:
            done = len(text) - text.endswith(b"<")
            break
        kind = next((kind for kind in _ASIDES if text.startswith(kind[0], start)), None)
        at = start + (len(kind[0]) if kind else 2)
        if kind and 0 <= ends[kind] < at:
            ends[kind] = text.find(kind[1], at)
        end = ends[kind] + 3 if kind and ends[kind] >= 0 else 0
        goes_on = not final and len(text) - start <= (ASIDE_LIMIT if kind else len("<![CDATA[") - 1)
        if not end and goes_on:
            done = start
            break
        if end and end - start <= ASIDE_LIMIT:
            if text.find(b"<", at, end) >= 0:
                found.append((start, end))
            at = end
    if not found:
        return text, done
    blanked = bytearray(text)
    for start, end in found:
        blanked[start:end] = first.ljust(end - start)
    return bytes(blanked), done


def count(chunks: Iterator[bytes]) -> int:
    """How many records the document holds; the chunks are in an encoding that contains ASCII."""
    start = b""
    while len(start) < PEEK and (more := next(chunks, b"")):
        start += more
    counting = _Count(layout(start))
    rest = b""
    for chunk in _without_asides(_then(start, chunks)):
        text = rest + chunk
        cut = text.rfind(b"<")  # a tag may go on in the next chunk
        if cut < 0 or len(text) - cut > TAG_LIMIT:
            cut = len(text)
        counting.see(text, cut)
        rest = text[cut:]
    counting.see(rest, len(rest))
    return counting.found


def _then(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


class _Count:
    """The records found so far, and what is known of the one that is open."""

    def __init__(self, layout: Layout):
        names = b"|".join((*layout.names, layout.mark) if layout.mark else layout.names)
        self._tag = re.compile(rb"<(/?)(" + _PREFIX + rb")(" + names + rb")(?=[\s/>])[^<>]*>?")
        self._layout = layout
        self.found = self._depth = 0
        self._name = b""
        self._inside = False  # the last of the tags was an opening one inside a record
        self._headless = False  # the record has no record element around it

    def see(self, text: bytes, end: int) -> None:
        """Count the tags of the text that begin before `end`."""
        for tag in self._tag.finditer(text, 0, end):
            closing, prefix, name = tag.groups()
            if name in self._layout.names:
                if closing:
                    self._close(name)
                else:
                    self._open(name, tag.group().endswith(b"/>"))
            elif not closing and self._layout.prefix in (None, prefix):
                self._mark()

    def _open(self, name: bytes, empty: bool) -> None:
        if self._depth and name != self._name:
            return
        if self._depth == 0 or not self._layout.mark:
            self._begin(0 if empty else 1)
            self._name = name
        elif not empty:
            self._depth += 1
            self._inside = True

    def _close(self, name: bytes) -> None:
        if self._depth and name == self._name:
            self._depth -= 1
            self._inside = False
        elif self._depth == 0 and not self._layout.mark:
            self.found += 1

    def _mark(self) -> None:
        if self._depth == 0 or self._inside or self._headless:
            headless = not self._inside
            self._begin(1)
            self._headless, self._name = headless, self._layout.names[0]

    def _begin(self, depth: int) -> None:
        self.found += 1
        self._depth = depth
        self._inside = self._headless = False
