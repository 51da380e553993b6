"""Cut a stream of XML into the bytes of its records, as `harvesters.xml_layout` defines where one begins.

A record ends behind the closing tag of its element; where that is missing, before the next record.  Nothing is
parsed here: what a record's bytes are worth is the reader's to find.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from harvesters.xml_layout import PEEK, Layout, layout
from transforms import xml_cut_kernel as kernel
from transforms.arena import Memory, kept

PADDING = 128  # bytes behind a block that kernels may read
PER_BYTE = 8  # bytes of memory that one byte of a block takes
MAX_RECORD = 64 << 20  # bytes that are still held as one record
KEPT = 1 << 20  # bytes that are kept of a longer one
HEAD = 1 << 20  # bytes before the first record that are kept


@dataclass(frozen=True)
class Units:
    """Some records: `cuts` has a column for each, positions in `buffer`, which has PADDING behind its data."""

    buffer: NDArray[np.uint8]
    cuts: NDArray[np.int64]
    offset: int  # of the buffer's first byte in the stream
    head: bytes  # what stands before the first record of the stream
    layout: Layout
    memory: Memory
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

    def content(self, unit: int) -> bytes:
        """The bytes of one record."""
        return self.buffer[self.starts[unit] : self.ends[unit]].tobytes()

    def contents(self) -> pa.Array:
        """The bytes of all records."""
        size = int((self.ends - self.starts).sum())
        out, offsets = self.memory.take(size + PADDING, np.uint8), np.empty(len(self) + 1, np.int32)
        kernel.contents(self.buffer, self.cuts, out, offsets)
        return pa.Array.from_buffers(pa.binary(), len(self), [None, pa.py_buffer(offsets), pa.py_buffer(out)])

    def digests(self) -> NDArray[np.uint64]:
        """A digest of each record's described part (`metadata`, `recordData`), or of all where it has none."""
        out = np.empty(len(self), np.uint64)
        kernel.digests(self.buffer, self.cuts, out)
        return out


def units(stream: BinaryIO, block_bytes: int, most: int) -> Iterator[Units]:
    """All records of a stream, about `most` at a time at most; memory is a few times `block_bytes`."""
    ready = b""
    while len(ready) < PEEK and (more := stream.read(max(PEEK, block_bytes))):
        ready += more
    found = layout(ready)
    names, mark, prefix = _packed(found)
    head: bytes | None = None
    held, offset, state = b"", 0, np.zeros(kernel.STATE_SIZE, np.int64)
    state[kernel.INSIDE] = kernel.NONE
    while True:
        more, ready = (ready[:block_bytes], ready[block_bytes:]) if ready else (stream.read(block_bytes), b"")
        if not more and not held:
            return
        size = len(held) + len(more)
        memory = kept().memory(PER_BYTE * size + PADDING)
        buffer = memory.take(size + PADDING, np.uint8)
        buffer[: len(held)] = np.frombuffer(held, np.uint8)
        buffer[len(held) : size] = np.frombuffer(more, np.uint8)
        buffer[size:] = 0
        while True:
            cuts = np.empty((4, most + 1), np.int64)
            count = kernel.cut(buffer, size, not more, names, mark, prefix, state, cuts)
            if head is None and (count or state[kernel.DEPTH]):
                head = buffer[: min(HEAD, int(cuts[kernel.START, 0] if count else state[kernel.OPENED]))].tobytes()
            if count:
                cuts = np.ascontiguousarray(cuts[:, :count])
                yield Units(buffer, cuts, offset, head or b"", found, memory)
            if count < most:
                break
        done = int(state[kernel.OPENED] if state[kernel.DEPTH] else state[kernel.NEXT])
        if head is None and size > HEAD:
            head = buffer[:HEAD].tobytes()
        done = 0 if head is None and more else done
        if size - done > MAX_RECORD:
            cuts = np.array([[done], [done + KEPT], [kernel.NONE], [kernel.NONE]], np.int64)
            yield Units(buffer, cuts, offset, head or b"", found, memory, too_long=True)
            done = state[kernel.NEXT] = max(int(state[kernel.NEXT]), done + 1)
            state[kernel.DEPTH], state[kernel.INSIDE] = 0, kernel.NONE
        if not more:
            return
        held = buffer[done:size].tobytes()
        offset += done
        state[: kernel.POSITIONS] = np.where(
            state[: kernel.POSITIONS] < 0, kernel.NONE, state[: kernel.POSITIONS] - done
        )


def _packed(found: Layout) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Names, mark and prefix for the kernel: names each with a zero behind; `*` is any prefix."""
    names = b"".join(name + b"\0" for name in found.names) + b"\0"
    prefix = b"*" if found.prefix is None else found.prefix
    name_bytes, mark_bytes, prefix_bytes = (
        np.frombuffer(part, np.uint8) for part in (names, found.mark + b"\0", prefix + b"\0")
    )
    return name_bytes, mark_bytes, prefix_bytes
