"""One polite rate for each host, over all processes that share a lake.

Many members' repositories stand on one server.  Whoever asks a host holds its file for as long as one request
takes, and leaves in it when the next may be sent; so requests go one after the other, `pause` seconds apart, and a
Retry-After that one source was given is kept by all.
"""

import fcntl
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


@contextmanager
def turn(host: str, pause: float, longest: float) -> Iterator[Turn]:
    """Wait until it is one's turn to ask a host, and hold it meanwhile.

    Args:
        host: name or address, and port.
        pause: seconds between the end of one request and the beginning of the next.
        longest: seconds that are waited at most for what another left in the file.
    """
    path = lake.host_file(re.sub(r"[^A-Za-z0-9.\-]", "_", host.lower()))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        wait = _until(file.read(32)) - time.time()
        if wait > 0:
            time.sleep(min(wait, longest))
        now = Turn(pause)
        try:
            yield now
        finally:
            if now.rest > 0:
                file.truncate(0)
                file.write(f"{time.time() + now.rest:.3f}".encode())


def _until(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
