"""Cut a stream of XML into the bytes of its records, as `harvesters.xml_layout` defines where one begins.

A record ends behind the closing tag of its element; where that is missing, before the next record.  Nothing is
parsed here: what a record's bytes are worth is the reader's to find.  Records of several streams may be put
`together`, since to read those of a small page alone takes half as long again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from harvesters.containers import utf16
from harvesters.xml_layout import PEEK, Layout, layout
from transforms import xml_cut_kernel as kernel
from transforms.arena import Memory, kept, passing
from transforms.utf16 import Utf16, original_places

PADDING = 128  # bytes behind a block that kernels may read
KEPT_PER_BYTE = 6  # bytes of memory that one byte of records takes as long as their tables live
MAX_RECORD = 64 << 20  # bytes that are still held as one record
KEPT = 1 << 20  # bytes that are kept of a longer one
HEAD = 1 << 20  # bytes before the first record that are kept


@dataclass(frozen=True)
class Units:
    """Some records: `cuts` has a column for each, positions in `buffer`, which has PADDING behind its data."""

    buffer: NDArray[np.uint8]
    cuts: NDArray[np.int64]
    places: NDArray[np.int64]  # where each record begins in its stream as received
    head: bytes  # what stands before the first record of the stream
    layout: Layout
    wide: Utf16 | None = None  # the stream came in UTF-16, and the buffer is what it says in UTF-8
    too_long: bool = False  # the only record is longer than MAX_RECORD, and only its beginning is here

    def __len__(self) -> int:
        return self.cuts.shape[1]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each record begins in the buffer."""
        return self.cuts[kernel.START]

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where each record ends in the buffer."""
        return self.cuts[kernel.END]

    @cached_property
    def size(self) -> int:
        """How many bytes the records have."""
        return int((self.ends - self.starts).sum())

    @cached_property
    def memory(self) -> Memory:
        """Where what lives on in tables is put."""
        return kept().memory(KEPT_PER_BYTE * self.size)

    def content(self, unit: int) -> bytes:
        """The bytes of one record."""
        return self.buffer[self.starts[unit] : self.ends[unit]].tobytes()

    def received(self) -> pa.Array:
        """The bytes of all records as received."""
        if self.wide:
            every = (self.wide.original(self.content(unit)) for unit in range(len(self)))
            return pa.array(every, pa.binary())
        out, offsets = self.memory.take(self.size + PADDING, np.uint8), np.empty(len(self) + 1, np.int32)
        kernel.contents(self.buffer, self.cuts, out, offsets)
        return pa.Array.from_buffers(pa.binary(), len(self), [None, pa.py_buffer(offsets), pa.py_buffer(out)])

    def digests(self) -> NDArray[np.uint64]:
        """A digest of each record's described part (`metadata`, `recordData`), or of all where it has none."""
        out = np.empty(len(self), np.uint64)
        kernel.digests(self.buffer, self.cuts, out)
        return out


def together(several: list[Units]) -> Units:
    """The records of several streams as if all stood in the first; none of them may be `wide` or `too_long`."""
    if len(several) == 1:
        return several[0]
    bounds = [(int(one.starts[0]), int(one.ends[-1])) for one in several]
    size = sum(end - start for start, end in bounds)
    buffer = passing().memory(size + PADDING).take(size + PADDING, np.uint8)
    buffer[size:] = 0
    cuts, at = [], 0
    for one, (start, end) in zip(several, bounds, strict=True):
        buffer[at : at + end - start] = one.buffer[start:end]
        cuts.append(np.where(one.cuts == kernel.NONE, kernel.NONE, one.cuts + (at - start)))
        at += end - start
    places = np.concatenate([one.places for one in several])
    return replace(several[0], buffer=buffer, cuts=np.concatenate(cuts, axis=1), places=places)


def units(stream: BinaryIO, block_bytes: int, most: int) -> Iterator[Units]:
    """All records of a stream, about `most` at a time at most; memory is a few times `block_bytes`."""
    ready = _beginning(stream, block_bytes)
    wide = Utf16(ready, stream) if utf16(ready) else None
    if wide:
        stream = cast(BinaryIO, wide)
        ready = _beginning(stream, block_bytes)
    cutter = _Cutter(layout(ready), most, wide)
    while ready:
        yield from cutter.cut(ready[:block_bytes])
        ready = ready[block_bytes:]
    while more := stream.read(block_bytes):
        yield from cutter.cut(more)
    yield from cutter.cut(b"")


def _beginning(stream: BinaryIO, block_bytes: int) -> bytes:
    """The first bytes of a stream, enough of them for `layout`."""
    ready = b""
    while len(ready) < PEEK and (more := stream.read(max(PEEK, block_bytes))):
        ready += more
    return ready


class _Cutter:
    """What is known of a stream between its blocks."""

    def __init__(self, found: Layout, most: int, wide: Utf16 | None):
        self._layout, self._most, self._wide = found, most, wide
        names = b"".join(name + b"\0" for name in found.names) + b"\0"
        prefix = b"*" if found.prefix is None else found.prefix
        parts = (names, found.mark + b"\0", prefix + b"\0")
        self._names, self._mark, self._prefix = (np.frombuffer(part, np.uint8) for part in parts)
        self._state = np.zeros(kernel.STATE_SIZE, np.int64)
        self._state[kernel.INSIDE], self._state[kernel.BEHIND] = kernel.NONE, found.behind_root
        self._head: bytes | None = None
        self._held, self._offset = b"", 0

    def cut(self, more: bytes) -> Iterator[Units]:
        """The records that end with what follows in the stream; where nothing does, the last record too."""
        size = len(self._held) + len(more)
        if size == 0:
            return
        buffer = passing().memory(size + PADDING).take(size + PADDING, np.uint8)
        buffer[: len(self._held)] = np.frombuffer(self._held, np.uint8)
        buffer[len(self._held) : size] = np.frombuffer(more, np.uint8)
        buffer[size:] = 0
        whole = False
        while not whole:
            cuts = np.empty((4, self._most + 1), np.int64)
            count = kernel.cut(buffer, size, not more, self._names, self._mark, self._prefix, self._state, cuts)
            whole = count < self._most
            cuts = np.ascontiguousarray(cuts[:, :count])
            self._see_head(buffer, size, int(cuts[kernel.START, 0]) if count else None)
            if count:
                yield self._units(buffer, cuts)
        done = self._done() if self._head is not None else 0
        if size - done > MAX_RECORD:
            cuts = np.array([[done], [done + KEPT], [kernel.NONE], [kernel.NONE]], np.int64)
            yield replace(self._units(buffer, cuts), too_long=True)
            self._state[kernel.OPENED] = kernel.NONE
            done = self._done()
        self._held = buffer[done:size].tobytes() if more else b""
        self._offset += int(original_places(buffer[:done])[-1]) if self._wide else done
        positions = self._state[: kernel.POSITIONS]
        positions[:] = np.where(positions < 0, kernel.NONE, positions - done)

    def _units(self, buffer: NDArray[np.uint8], cuts: NDArray[np.int64]) -> Units:
        starts = cuts[kernel.START]
        if self._wide:
            starts = original_places(buffer[: starts.max()])[starts]
        return Units(buffer, cuts, self._offset + starts, self._head or b"", self._layout, self._wide)

    def _done(self) -> int:
        """How far the block needs not be seen again."""
        state = self._state
        needed, after = (
            int(state[kernel.OPENED if state[kernel.DEPTH] else kernel.BEHIND]),
            int(state[kernel.NEXT]),
        )
        if needed < 0 or (not state[kernel.DEPTH] and after - needed > KEPT):
            return after
        return needed

    def _see_head(self, buffer: NDArray[np.uint8], size: int, first: int | None) -> None:
        """Keep what stands before the first record, once that is known to begin, or the head to be long."""
        if self._head is None:
            if first is None and self._state[kernel.DEPTH]:
                first = int(self._state[kernel.OPENED])
            if first is not None or size > HEAD:
                self._head = buffer[: HEAD if first is None else min(first, HEAD)].tobytes()
