"""Staged tables onto disk: the files of a batch are written and checked while the next records are parsed."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from quality.rules.checking import Checker
from warehouse import lake

TABLES = ("staged.bib", "staged.field", "staged.holding", "staged.item", "staged.rejected", "quality.issue")
AHEAD = 1  # parts that may wait; more would only take memory


class StagedFiles:
    """The files of one batch, with what the record rules find; use as a context manager and call `finish`.

    One thread writes and checks, in the order of `write`, so the files do not depend on timing.  What fails
    there is raised by the next call.

    Args:
        folder: where the files go; it must exist.
        source_id: of the batch.
        batch_id: of the batch.
    """

    def __init__(self, folder: Path, source_id: str, batch_id: str):
        self._folder = folder
        self._writers = lake.TableWriters(folder, TABLES)
        self._checker = Checker(source_id, batch_id)
        self._thread = ThreadPoolExecutor(1, "staged-files")
        self._running: deque[Future[None]] = deque()

    def __enter__(self) -> "StagedFiles":
        return self

    def __exit__(self, *details: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._writers.__exit__(*details)

    def write(self, tables: dict[str, pa.Table]) -> None:
        """Append the rows of a part (`transforms.parse.Part.tables`); records must be whole."""
        self._running.append(self._thread.submit(self._write, tables))
        while len(self._running) > AHEAD:
            self._running.popleft().result()

    def _write(self, tables: dict[str, pa.Table]) -> None:
        self._writers.write(tables)
        if "bib" in tables:
            self._writers.write({"issue": self._checker.add(tables)})

    def finish(self) -> None:
        """Complete all files, with the findings of rules that compare records of the batch."""
        while self._running:
            self._running.popleft().result()
        self._writers.finish("bib", "field", "holding", "item", "rejected")
        self._writers.write({"issue": self._checker.finish(self._folder)})
        self._writers.finish("issue")
