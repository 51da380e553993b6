"""Which reader a file needs, found from its first bytes; the source's hints break ties only."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from transforms import iso2709, xml_records
from transforms.chunk import Chunk

SNIFF = 4096


class FormatError(Exception):
    """A file is in no format that this program reads."""


@dataclass(frozen=True)
class Hints:
    """What a source's row says about its files; the bytes have the last word."""

    format: str = "auto"
    encoding: str = "auto"
    holdings: str = ""


def read(stream: BinaryIO, hints: Hints, first_record_no: int = 0, name: str = "") -> Iterator[Chunk]:
    """The chunks of a file, by the reader that its first bytes ask for.

    Raises:
        FormatError: no reader knows these bytes.
    """
    start = stream.read(SNIFF)
    whole: BinaryIO = io.BufferedReader(_Rejoined(start, stream), 1 << 20)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n\x00\x1a")
    if text.startswith(b"<"):
        return xml_records.read(whole, hints.format, hints.encoding, first_record_no)
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x1d\x00" in start or b"\x00\x1e" in start
    if wide or b"\x1e" in start or b"\x1d" in start or text[:5].isdigit():
        return iso2709.read(whole, hints.format, hints.encoding, first_record_no=first_record_no)
    if not text:
        return iter(())
    raise FormatError(
        f"{name or 'the file'} begins with {start[:40]!r}: neither ISO 2709 nor XML. "
        "Export it as ISO 2709 or MARCXML, or set the source's format"
    )


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, start: bytes, rest: BinaryIO):
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._start or self._rest.read(len(buffer))
        data, self._start = data[: len(buffer)], data[len(buffer) :] if self._start else b""
        buffer[: len(data)] = data
        return len(data)
