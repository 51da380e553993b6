"""One polite rate for each host, over all processes that share a lake.

Many members' repositories stand on one server.  Whoever asks a host holds its file for as long as one request
takes, and leaves in it when the next may be sent; so requests go one after the other, `pause` seconds apart, and a
Retry-After that one source was given is kept by all.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from warehouse import lake


@dataclass
class Turn:
    """A request that may be sent now; `rest` is how many seconds the host is left alone behind it."""

    rest: float


class Host:
    """A host that is asked again and again; its file stays open meanwhile."""

    def __init__(self, name: str):
        """`name`: name or address, and port."""
        path = lake.host_file(re.sub(r"[^A-Za-z0-9.\-]", "_", name.lower()))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b", buffering=0)

    @contextmanager
    def turn(self, pause: float, longest: float) -> Iterator[Turn]:
        """Wait until it is one's turn to ask the host, and hold it meanwhile.

        Args:
            pause: seconds between the end of one request and the beginning of the next.
            longest: seconds that are waited at most for what another left in the file.
        """
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            wait = _until(os.pread(self._file.fileno(), 32, 0)) - time.time()
            if wait > 0:
                time.sleep(min(wait, longest))
            now = Turn(pause)
            try:
                yield now
            finally:
                if now.rest > 0:
                    self._file.truncate(0)
                    self._file.write(f"{time.time() + now.rest:.3f}".encode())
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _until(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
