"""Small documents in XML, such as pages of OAI-PMH, read together: what a chunk costs, however few its records."""

from collections.abc import Iterator

import pyarrow as pa

from transforms.chunk import NamedChunk
from transforms.xml_records import CHUNK_RECORDS, chunk, frame
from transforms.xml_units import Units, together

TOGETHER = 4 << 20  # bytes of records of several documents that are read at once, at most
DOCUMENTS = 100  # that wait, at most, since each holds memory which is looked through for the next


class Pages:
    """Records of documents that wait to be read; they come out in the order in which they came.

    Args:
        hint: the source's format.
    """

    def __init__(self, hint: str):
        self._hint = hint
        self._waiting: list[tuple[str, Units]] = []
        self._frame: tuple[bytes, bool] | None = None  # of all that waits
        self._first = self._count = self._size = 0

    def add(self, name: str, found: Units, first_no: int) -> Iterator[NamedChunk]:
        """Take records of a document, numbered from `first_no`; what can't be read with them comes out."""
        around = frame(found)
        size, count = self._size + found.size, self._count + len(found)
        full = size > TOGETHER or count > CHUNK_RECORDS or len(self._waiting) == DOCUMENTS
        if full or around is None or around != self._frame:
            yield from self.rest()
        if not self._waiting:
            self._frame, self._first = around, first_no
        self._waiting.append((name, found))
        self._size += found.size
        self._count += len(found)

    def rest(self) -> Iterator[NamedChunk]:
        """What waits comes out."""
        waiting, self._waiting = self._waiting, []
        self._size = self._count = 0
        if waiting:
            files = pa.concat_arrays([pa.repeat(pa.scalar(name), len(found)) for name, found in waiting])
            yield files, chunk(together([found for _, found in waiting]), self._first, self._hint)
