"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import logging
import threading
import time

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

EVERY_SECONDS = 10.0
CONSOLE = Console(stderr=True)  # bars and log lines share it, so that neither writes over the other
OURS = {"calis", "harvesters", "transforms", "quality", "warehouse", "operations", "sample"}
log = logging.getLogger("calis")


def log_handler() -> logging.Handler:
    """Where log lines go: above the bar on a terminal, else plain lines on standard error.

    Of other packages only warnings pass: some set their own loggers to say much more.
    """
    handler: logging.Handler
    if CONSOLE.is_terminal:
        handler = RichHandler(console=CONSOLE, show_level=False, show_path=False, log_time_format="%H:%M:%S")
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.split(".")[0] in OURS)
    return handler


class Progress:
    """How far some work is; use as a context manager and call `advance`.

    On a terminal one bar that vanishes when it is done; elsewhere a log line every ten seconds.  There is one bar
    at a time: work within other work, or beside it in another thread, has none.
    """

    _one_bar = threading.Lock()
    _counting = threading.Lock()

    def __init__(self, what: str, unit: str, total: int | None = None):
        self.what, self.unit, self.total, self.count = what, unit, total, 0
        self._said = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        shown = CONSOLE.is_terminal and self._one_bar.acquire(blocking=False)
        self._bar = Bar(*columns, transient=True, console=CONSOLE) if shown else None

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(f"{self.what} ({self.unit})", total=self.total)
        return self

    def __exit__(self, *details: object) -> None:
        if self._bar:
            self._bar.stop()
            self._one_bar.release()

    def advance(self, by: int = 1) -> None:
        """Count `by` more."""
        with self._counting:
            self.count += by
            say = time.monotonic() - self._said > EVERY_SECONDS
            self._said = time.monotonic() if say else self._said
        if self._bar:
            self._bar.advance(self._task, by)
        elif say and not CONSOLE.is_terminal:
            of = f" of {self.total:,}" if self.total else ""
            log.info("%s: %s%s %s", self.what, f"{self.count:,}", of, self.unit)
