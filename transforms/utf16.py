"""UTF-16 read as UTF-8, so that every reader knows one kind of Unicode, and what was received for it."""

import codecs
import io
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray


class Utf16(io.RawIOBase):
    """A stream of UTF-16 read as UTF-8.  Halves of pairs that stand alone become bytes that are no UTF-8."""

    def __init__(self, head: bytes, stream: BinaryIO):
        super().__init__()
        big = head[:2] == codecs.BOM_UTF16_BE or (head[:2] != codecs.BOM_UTF16_LE and head[0] == 0)
        self.codec = "utf-16-be" if big else "utf-16-le"
        self._decoder = codecs.getincrementaldecoder(self.codec)("surrogatepass")
        self._head, self._stream = head, stream
        self._ready = b""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        """Fill the room; 0 at the end of the stream."""
        while not self._ready:
            data = self._head or self._stream.read(len(room))
            self._head = b""
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError:  # an odd number of bytes
                self._decoder.reset()
                text = "\ufffd"
            self._ready = text.encode("utf-8", "surrogatepass")
            if not data:
                break
        count = min(len(room), len(self._ready))
        room[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def original(self, content: bytes) -> bytes:
        """What was received for these bytes; a character that is cut at their end is left out."""
        text = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode(content)
        return text.encode(self.codec, "surrogatepass")


def original_places(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many bytes of UTF-16 the first n bytes of UTF-8 stand for, from none to all of them.

    Those that begin a character stand for all of it.
    """
    sizes = 2 * (((data & 0xC0) != 0x80).astype(np.int64) + (data >= 0xF0))
    return np.concatenate([[0], np.cumsum(sizes)])
