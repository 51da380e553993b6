"""Memory for the arrays of one chunk, used again for a later chunk once nobody holds any of them.

Fresh memory costs a page fault for every 4 KiB, which would take as long as parsing what is put there.
"""

import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SLACK = 1 << 16


def _references(blocks: list[NDArray[np.uint8]]) -> list[int]:
    """How many references each block has: here, in the list, and in every array that lies in it."""
    return [sys.getrefcount(block) for block in blocks]


_FREE = _references([np.empty(1, np.uint8)])[0]  # those of a block that nobody uses


class Memory:
    """A stretch of memory from which arrays are taken one behind the other."""

    def __init__(self, block: NDArray[np.uint8]):
        self._block, self._used = block, 0

    def take(self, length: int, kind: Any) -> NDArray[Any]:
        """An array that is not filled; from elsewhere if the stretch is used up."""
        assert length >= 0, "an array of less than nothing would lie outside the stretch"
        wanted = np.dtype(kind)
        start = -(-self._used // 64) * 64
        end = start + length * wanted.itemsize
        if end > len(self._block):
            return np.empty(length, wanted)
        self._used = end
        return self._block[start:end].view(wanted)


class Arena:
    """Blocks of memory for one thread.  All views of a block refer to it, so its references tell who uses it."""

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.uint8]] = []

    def memory(self, size: int) -> Memory:
        """A stretch of at least `size` bytes that no array in use lies in."""
        room = 1 << (size + _SLACK).bit_length()  # few sizes, so that what is free fits what comes next
        used = [count > _FREE for count in _references(self._blocks)]
        for block, in_use in zip(self._blocks, used, strict=True):
            if not in_use and len(block) == room:
                return Memory(block)
        self._blocks = [block for block, in_use in zip(self._blocks, used, strict=True) if in_use]
        self._blocks.append(np.empty(room, np.uint8))
        return Memory(self._blocks[-1])


class _Threads(threading.local):
    """The arenas of a thread; they outlive a file, since many files are small."""

    def __init__(self) -> None:
        self.kept, self.passing = Arena(), Arena()


_threads = _Threads()


def kept() -> Arena:
    """This thread's arena for what lives on in tables."""
    return _threads.kept


def passing() -> Arena:
    """This thread's arena for what is needed only while a chunk is parsed."""
    return _threads.passing
