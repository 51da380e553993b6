"""How many records content holds, counted without a parser, so that parsers can be checked by it."""

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from harvesters import containers, xml_layout
from harvesters.compressed import CHUNK
from harvesters.containers import BLANK, utf16


def count_records(content: bytes | BinaryIO) -> int:
    """How many records the content holds, counted without a parser so that a parser can be checked.

    ISO 2709: record terminators (1D), and one more where anything but white space follows the last.
    XML: tags that begin a record, see `harvesters.xml_layout`.  JSON: outermost objects.  Aleph sequential:
    runs of one number.  Dumps with a line a field: paragraphs.  Other text: lines that are not blank, less one
    for the header.  UTF-16 is decoded first.
    """
    stream: BinaryIO = io.BytesIO(content) if isinstance(content, bytes) else content
    start = containers.opening(stream)
    kind = containers.container(start)
    chunks = _utf8(start, stream)
    if kind in (containers.JSON, containers.ALEPH, containers.LINES):
        return containers.count_text(kind, chunks)
    if kind != containers.XML:
        return _count_units(chunks, kind == containers.ISO2709)
    return xml_layout.count(chunks)


def _utf8(start: bytes, stream: BinaryIO) -> Iterator[bytes]:
    """Chunks of the stream behind the bytes that were read already; of UTF-16 as UTF-8."""
    codec = utf16(start)
    decoder = codecs.getincrementaldecoder(codec)("replace") if codec else None
    while start:
        yield decoder.decode(start).encode("utf-8", "replace") if decoder else start
        start = stream.read(CHUNK)
    if decoder and (last := decoder.decode(b"", True)):
        yield last.encode("utf-8", "replace")


def _count_units(chunks: Iterator[bytes], marc: bool) -> int:
    """Records of ISO 2709 (which it is where a separator occurs anywhere), else lines less the header."""
    units = lines = 0
    open_unit = open_line = False  # whether anything but white space stands in the unit, the line, so far
    for chunk in chunks:
        marc = marc or b"\x1d" in chunk or b"\x1e" in chunk
        more, open_unit = _count_parts(chunk.split(b"\x1d"), open_unit)
        units += more
        if not marc:
            more, open_line = _count_parts(chunk.replace(b"\r", b"\n").split(b"\n"), open_line)
            lines += more
    return units + open_unit if marc else max(0, lines + open_line - 1)


def _count_parts(parts: list[bytes], begun: bool) -> tuple[int, bool]:
    """How many parts that end here are not blank, and whether the last, which goes on, has anything yet."""
    if len(parts) == 1:
        return 0, begun or bool(parts[0].strip(BLANK))
    ended = (begun or bool(parts[0].strip(BLANK))) + sum(1 for part in parts[1:-1] if part.strip(BLANK))
    return ended, bool(parts[-1].strip(BLANK))
