"""Processes that help with one work: whoever is free takes the next piece that nobody has.

A helper starts when it is first wanted, which takes it a second or two, and stays for later works of its process.
What is not ready in time is not waited for.  Nothing that counts depends on who did which piece.
"""

import fcntl
import multiprocessing
import os
import pickle
import signal
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

CLOSED = -1
MOST = 4  # processes that share a work; all read all of it, so more would bring little
Work = Callable[[Path, Iterator[int]], Iterator[Any]]  # folder to write to, pieces to do; messages
Asked = tuple[Work, Callable[[], None], Path, Path, int]  # work, what readies for it, folder, claims, who helps


def processes() -> int:
    """How many processes may share a work on this machine."""
    return min(len(os.sched_getaffinity(0)), MOST)


class HelperError(Exception):
    """A helping process ended or failed; the work has to be done again."""


class Claims:
    """Whose turn the next piece of a work is: a number in a locked file, since a lock dies with its holder."""

    def __init__(self, path: Path, who: int):
        self.path, self._place = path, 8 * (1 + who)

    @classmethod
    def begin(cls, path: Path) -> "Claims":
        """Of a new work, for the process that has it."""
        path.write_bytes(struct.pack("<q", 0))
        return cls(path, 0)

    def __call__(self) -> int:
        """The next piece, which is then ours; `CLOSED` if nobody is to take any more."""
        try:
            with self.path.open("r+b", buffering=0) as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
                (piece,) = struct.unpack("<q", file.read(8))
                if piece != CLOSED:
                    os.pwrite(file.fileno(), struct.pack("<q", piece + 1), 0)
                    os.pwrite(file.fileno(), b"1", self._place)
                return int(piece)
        except FileNotFoundError:  # the work was over before this helper was there
            return CLOSED

    def close(self) -> set[int]:
        """Let nobody take more; who took any."""
        with self.path.open("r+b", buffering=0) as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.pwrite(file.fileno(), struct.pack("<q", CLOSED), 0)
            marks = file.read()[8:]
            return {place // 8 for place in range(0, len(marks), 8) if marks[place]}


class _Helper:
    """One process, and the thread that speaks with it."""

    def __init__(self, who: int):
        context = multiprocessing.get_context("spawn")  # threads of Arrow and DuckDB do not survive a fork
        self.who = who
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()
        self._works: SimpleQueue[tuple[Asked, SimpleQueue[Any]] | None] = SimpleQueue()
        threading.Thread(target=self._speak, daemon=True).start()

    def begin(self, work: Work, ready: Callable[[], None], folder: Path, claims: Path) -> "SimpleQueue[Any]":
        """Ask for help; messages come into the queue, the last of them None or an error."""
        inbox: SimpleQueue[Any] = SimpleQueue()
        self._works.put(((work, ready, folder, claims, self.who), inbox))
        return inbox

    def dismiss(self) -> None:
        """Let the process end, after what it does now."""
        self._works.put(None)

    def _speak(self) -> None:
        while task := self._works.get():
            asked, inbox = task
            try:
                self._connection.send(asked)
                while (message := self._connection.recv()) is not None:
                    inbox.put(message)
                inbox.put(None)
            except (EOFError, OSError):
                self._process.join(1)
                code = self._process.exitcode
                inbox.put(HelperError(f"a helping process ended with code {code}; is there memory enough?"))
                dismiss()
                return
            except Exception as error:  # what is no file of ours can't be sent
                inbox.put(HelperError(f"the work can't be sent to a helping process: {error}"))
        self._connection.close()  # at which the process ends


def _serve(connection: Connection, parent: int) -> None:
    """Help with each work that is sent, until the process that wants help is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who has the work
    is_ready = False
    while True:
        try:
            work, ready, folder, path, who = connection.recv()
        except EOFError:
            return
        if not is_ready:  # before a piece is claimed, since then it is waited for
            with suppress(Exception):
                ready()
            is_ready = True
        claims = Claims(path, who)
        pieces = iter(lambda claims=claims: claims() if os.getppid() == parent else CLOSED, CLOSED)  # type: ignore[misc]
        try:
            if (piece := next(pieces, CLOSED)) != CLOSED:  # without one the folder may be gone
                folder.mkdir()
                for message in work(folder, chain([piece], pieces)):
                    connection.send(message)
        except Exception as error:
            connection.send(_portable(error))
        connection.send(None)


def _portable(error: Exception) -> Exception:
    """An error that survives the way to another process."""
    try:
        same = pickle.loads(pickle.dumps(error))
        return same if isinstance(same, type(error)) else HelperError(f"{type(error).__name__}: {error}")
    except Exception:
        return HelperError(f"{type(error).__name__}: {error}")


_team: list[_Helper] = []
_busy = threading.Lock()


def dismiss() -> None:
    """Let the helpers go, with the memory that they have."""
    while _team:
        _team.pop().dismiss()


class Team:
    """The help with one work; use as a context manager.

    Args:
        work: what a helper does, from a module that it can import; of its pieces it does those that it is told.
        ready: what a new helper does first, to be as fast as those that have done such work before.
        folder: that is there for this work; each helper that takes part has `folder/<n>` to write to.
        helpers: how many at most; none if another work of this process has them, or the process may have none.
    """

    def __init__(self, work: Work, ready: Callable[[], None], folder: Path, helpers: int):
        self._work, self._ready, self._folder = work, ready, folder
        self._wanted = 0 if multiprocessing.current_process().daemon else helpers
        self._inboxes: dict[int, SimpleQueue[Any]] = {}
        self._has = self._asked = False
        self.claims = Claims.begin(folder / "claims")

    def __enter__(self) -> "Team":
        self._has = self._wanted > 0 and _busy.acquire(blocking=False)
        if _team:  # they are up, so they can begin at once
            self.ask()
        return self

    def __exit__(self, *details: object) -> None:
        with suppress(Exception):  # after an error of ours; else all has come
            for _ in self.rest():
                pass
        if self._has:
            _busy.release()

    def ask(self) -> None:
        """Let the helpers begin, unless they have."""
        if self._asked or not self._has:
            return
        self._asked = True
        while len(_team) < self._wanted:
            _team.append(_Helper(len(_team) + 1))
        for helper in _team[: self._wanted]:
            folder = self._folder / str(helper.who)
            self._inboxes[helper.who] = helper.begin(self._work, self._ready, folder, self.claims.path)

    def received(self) -> Iterator[Any]:
        """The messages that are there.

        Raises:
            HelperError: a helper ended.  What the work raised in a helper is raised too.
        """
        for who in list(self._inboxes):
            with suppress(Empty):
                yield from self._messages(who, wait=False)

    def rest(self) -> Iterator[Any]:
        """No more pieces are to be taken; the messages of those who are still at one.

        Raises:
            HelperError: as `received`.
        """
        for who in self.claims.close() & self._inboxes.keys():
            yield from self._messages(who, wait=True)
        self._inboxes.clear()

    def _messages(self, who: int, wait: bool) -> Iterator[Any]:
        while (message := self._inboxes[who].get(wait)) is not None:
            if isinstance(message, Exception):
                del self._inboxes[who]
                raise message
            yield message
        del self._inboxes[who]

    def folders(self) -> list[Path]:
        """Of the helpers that took part."""
        return sorted(path for path in self._folder.iterdir() if path.is_dir())
