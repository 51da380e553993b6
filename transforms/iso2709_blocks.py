"""Cut a stream of ISO 2709 into blocks of whole records; a stream in UTF-16 is decoded on the way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from transforms.arena import Memory, kept, passing
from transforms.iso2709_kernel import RECORD_END
from transforms.utf16 import Utf16, original_places

JUNK = b" \t\r\n\x00\x1a\xef\xbb\xbf"  # may stand between records
MAX_RECORD = 16 << 20  # bytes without a terminator that are still held as one record
KEPT = 1 << 20  # bytes that are kept of a longer one
PADDING = 128  # bytes behind a chunk that kernels may read
KEPT_PER_BYTE = 6  # bytes of memory that one byte of a chunk takes as long as its tables live
SCRATCH_PER_BYTE = 28  # and while it is parsed


@dataclass(frozen=True)
class Block:
    """Whole records; `buffer` has PADDING more than `size`.  `cut`: the last one has no terminator.

    What is put into `memory` lives on in tables, what is put into `scratch` only while the block is parsed.
    """

    buffer: NDArray[np.uint8]
    size: int
    offset: int  # of the first byte in the file, which may be UTF-16
    memory: Memory
    scratch: Memory
    cut: bool = False
    too_long: bool = False


def _fill(stream: BinaryIO, room: NDArray[np.uint8]) -> int:
    """Read into the room; how many bytes came, 0 at the end of the stream."""
    if hasattr(stream, "readinto"):
        return stream.readinto(room.data) or 0
    data = stream.read(len(room))
    room[: len(data)] = np.frombuffer(data, np.uint8)
    return len(data)


def _after_last(buffer: NDArray[np.uint8], size: int) -> int:
    """The position behind the last record terminator, 0 if there is none."""
    step = 1 << 14
    for low in range((size - 1) // step * step, -1, -step):
        at = np.flatnonzero(buffer[low : min(low + step, size)] == RECORD_END)
        if len(at):
            return low + int(at[-1]) + 1
    return 0


def blocks(head: bytes, stream: BinaryIO, chunk_bytes: int) -> Iterator[Block]:
    """Cut the stream behind record terminators."""
    wide = isinstance(stream, Utf16)

    def received(data: bytes | NDArray[np.uint8]) -> int:
        """How many bytes of the file these are."""
        return int(original_places(np.frombuffer(data, np.uint8))[-1]) if wide else len(data)

    held, offset = head, 0
    while True:
        room = len(held) + chunk_bytes
        memory, scratch = kept().memory(KEPT_PER_BYTE * room), passing().memory(SCRATCH_PER_BYTE * room)
        buffer = memory.take(room + PADDING, np.uint8)
        buffer[: len(held)] = np.frombuffer(held, np.uint8)
        more = _fill(stream, buffer[len(held) : room])
        size = len(held) + more
        end = _after_last(buffer, size)
        held = buffer[end:size].tobytes()
        if end:
            yield Block(buffer, end, offset, memory, scratch)
            offset += received(buffer[:end])
        del buffer, memory, scratch  # so that the arenas see that nobody needs them
        blanks = len(held) - len(held.lstrip(JUNK))  # five are kept: they tell, and may begin a leader
        rest = held if end else held[max(0, blanks - 5) :]
        offset += received(held[: len(held) - len(rest)])
        held = rest
        if not more:
            break
        if len(held) > MAX_RECORD:
            yield _block(held[:KEPT], offset, too_long=True)
            offset += received(held)
            held, passed = _skip(stream, chunk_bytes, received)
            offset += passed
    if held.strip(JUNK):
        yield _block(held, offset)


def _block(data: bytes, offset: int, too_long: bool = False) -> Block:
    """A block of one record without a terminator."""
    buffer = np.empty(len(data) + PADDING, np.uint8)
    buffer[: len(data)] = np.frombuffer(data, np.uint8)
    none = Memory(buffer[:0])
    return Block(buffer, len(data), offset, none, none, cut=True, too_long=too_long)


def _skip(stream: BinaryIO, chunk_bytes: int, received: Callable[[bytes], int]) -> tuple[bytes, int]:
    """Pass over the rest of a record that is too long: what was read behind it, and how much was passed."""
    passed = 0
    while more := stream.read(chunk_bytes):
        end = more.find(b"\x1d") + 1
        if end:
            return more[end:], passed + received(more[:end])
        passed += received(more)
    return b"", passed
