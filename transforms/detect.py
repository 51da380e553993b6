"""Which reader a file needs, found from its first bytes; the source's hints break ties only."""

import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvesters import containers
from harvesters.compressed import BUFFER
from transforms import (
    aleph_sequential,
    deletions,
    iso2709,
    line_dumps,
    marc_json,
    marc_text,
    xml_metadata,
    xml_records,
)
from transforms.chunk import ISSUES, Chunk, NamedChunk
from transforms.xml_pages import Pages
from transforms.xml_units import Units

_LISTS = ("collection", "records", "modsCollection")  # that may be empty, but hold nothing else than records
_ANSWERS = ("OAI-PMH", "ListRecords", "searchRetrieveResponse")  # that may hold no record
_ELEMENT = re.compile(rb"<(?:[A-Za-z_][\w.\-]*:)?([A-Za-z_][\w.\-]*)")
PERSONAL = "possible-personal-data"


class FormatError(Exception):
    """A file is in no format that this program reads."""


@dataclass(frozen=True)
class Hints:
    """What a source's row says about its files; the bytes have the last word."""

    format: str = "auto"
    encoding: str = "auto"
    holdings: str = ""
    deletions: frozenset[str] = frozenset()  # names of files that are lists of deleted records


Content = tuple[str, Callable[[], BinaryIO]]  # name and opener of a file, decompressed when opened
Reader = Callable[[BinaryIO, str, str, int], Iterator[Chunk | Units]]


def _iso2709(stream: BinaryIO, format_hint: str, encoding_hint: str, first_record_no: int) -> Iterator[Chunk]:
    return iso2709.read(stream, format_hint, encoding_hint, first_record_no=first_record_no)


def _xml(stream: BinaryIO, format_hint: str, encoding_hint: str, first_record_no: int) -> Iterator[Units]:
    return xml_records.cut(stream)


READERS: dict[str, Reader] = {
    containers.XML: _xml,
    containers.ISO2709: _iso2709,
    containers.JSON: marc_json.read,
    containers.ALEPH: aleph_sequential.read,
    containers.LINES: line_dumps.read,
}


def read(contents: Iterable[Content], hints: Hints) -> Iterator[NamedChunk]:
    """The chunks of files, whose records are numbered over all of them; small documents in XML are read together.

    Raises:
        FormatError: no reader knows the bytes of a file; of XML, it holds no record.
    """
    number, pages = 0, Pages(hints.format)
    for name, opener in contents:
        with opener() as stream:
            for some in _read(stream, hints, number, name):
                if isinstance(some, Units):
                    yield from map(_flagged, pages.add(name, some, number))
                else:
                    yield from map(_flagged, pages.rest())
                    yield pa.repeat(pa.scalar(name), len(some)), some
                number += len(some)
    yield from map(_flagged, pages.rest())


def _read(stream: BinaryIO, hints: Hints, first_record_no: int, name: str) -> Iterator[Chunk | Units]:
    """What the reader that the first bytes of a file ask for makes of it."""
    if name in hints.deletions:
        return deletions.read(stream, hints.format, first_record_no)
    start = containers.opening(stream)
    kind = containers.container(start)
    if kind == containers.EMPTY:
        return iter(())
    if kind not in READERS:
        raise FormatError(
            f"{name or 'the file'} begins with {start.lstrip(containers.BLANK)[:40]!r}: neither ISO 2709, XML, "
            "MARC-in-JSON, Aleph sequential nor a line dump of MARC. Export it in one of these, best as "
            "ISO 2709 or MARCXML; a list of readers or of loans is no bibliographic file"
        )
    whole: BinaryIO = io.BufferedReader(_Rejoined(start, stream), BUFFER)
    found = READERS[kind](whole, hints.format, hints.encoding, first_record_no)
    return _checked_xml(found, start, name) if kind == containers.XML else found


def _checked_xml(records: Iterator[Chunk | Units], start: bytes, name: str) -> Iterator[Chunk | Units]:
    """The records of a document; refuses one that could not hold any."""
    found = False
    for some in records:
        found = True
        yield some
    if not found:
        codec = containers.utf16(start)
        start = start.decode(codec, "replace").encode() if codec else start
        names = [found.decode() for found in _ELEMENT.findall(re.sub(rb"(?s)<!--.*?-->|<[?!].*?>", b"", start))]
        shown = ", in which stands ".join(f"<{one}>" for one in names[:2])
        if not names or names[0] not in _ANSWERS + (_LISTS if len(names) == 1 else ()):
            raise FormatError(
                f"{name or 'the file'} is XML without a record element (its root is {shown}). Export MARCXML, "
                "or records as an OAI-PMH page or a collection of <record>, <mods>, <dc> or <dim> has them"
            )


def _flagged(named: NamedChunk) -> NamedChunk:
    return named[0], flag_readers(named[1])


def flag_readers(chunk: Chunk) -> Chunk:
    """The chunk with an issue for each record that is not flagged yet and looks like a person's.

    MARC: tag 200 (a reader's name) without any that a bibliographic record has, which is dp2's rule.
    Elements: two that only a person's record has, and none of a description.
    """
    names = _distinct(chunk.fields["tag"])
    if not any(tag == marc_text.READER_NAME or xml_metadata.is_personal(tag) for tag in names):
        return chunk
    fields = chunk.fields.select(["record_no", "tag"]).unify_dictionaries()
    pairs = fields.group_by(["record_no", "tag"], use_threads=False).aggregate([])
    tags: dict[int, set[str]] = defaultdict(set)
    for number, tag in zip(pairs["record_no"].to_pylist(), pairs["tag"].to_pylist(), strict=True):
        tags[number].add(tag)
    known = set(chunk.issues.filter(pc.equal(chunk.issues["rule"], PERSONAL))["record_no"].to_pylist())
    rows = [
        {"record_no": number, "rule": PERSONAL, "severity": "fail"}
        for number, mine in tags.items()
        if number not in known and (marc_text.looks_like_a_reader(mine) or xml_metadata.looks_like_a_reader(mine))
    ]
    return replace(chunk, issues=pa.concat_tables([chunk.issues, pa.Table.from_pylist(rows, schema=ISSUES)]))


def _distinct(tags: pa.ChunkedArray) -> set[str]:
    """The values of a column kept by dictionary, whose dictionary may have others too."""
    found: set[str] = set()
    for chunk in tags.chunks:
        used = np.flatnonzero(np.bincount(chunk.indices.to_numpy()))
        found.update(chunk.dictionary.take(pa.array(used)).to_pylist())
    return found


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, start: bytes, rest: BinaryIO):
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._start:
            return self._rest.readinto(buffer)  # type: ignore[attr-defined]
        data, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
