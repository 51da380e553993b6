"""Ending connections on which something takes too long as a whole, though bytes keep coming.

The time-out of a socket begins anew with each byte, so a server that sends one now and then could hold a harvest
for days.  One thread looks after all connections of the process.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

LOOKS = 0.5  # seconds between two looks at the connections


@dataclass
class Watched:
    """A connection, and when it is ended (on the monotonic clock); `ended` once it was."""

    connected: socket.socket
    end: float
    ended: bool = False


_watched: dict[int, Watched] = {}
_changing = threading.Lock()
_thread: threading.Thread | None = None


@contextmanager
def limited(connected: socket.socket, seconds: float) -> Iterator[Watched]:
    """End a connection unless what is done meanwhile is done in time; who reads from it then sees its end."""
    one = Watched(connected, time.monotonic() + seconds)
    with _changing:
        _watched[id(one)] = one
        _start()
    try:
        yield one
    finally:
        with _changing:
            _watched.pop(id(one), None)


def _start() -> None:
    global _thread
    if _thread is None or not _thread.is_alive():  # threads do not outlive a fork
        _thread = threading.Thread(target=_look, name="watchdog", daemon=True)
        _thread.start()


def _look() -> None:
    pause = threading.Event()
    while not pause.wait(LOOKS):
        with _changing:
            now = time.monotonic()
            for one in [one for one in _watched.values() if one.end < now and not one.ended]:
                one.ended = True
                with suppress(OSError):
                    socket.socket.shutdown(one.connected, socket.SHUT_RDWR)  # also of TLS, which then fails
