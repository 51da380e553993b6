"""Staged tables onto disk: the files of a batch are written and checked while the next records are parsed."""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa

from quality.rules.checking import Checker
from warehouse.writers import TableWriters

TABLES = ("staged.bib", "staged.field", "staged.holding", "staged.item", "staged.rejected", "quality.issue")
AHEAD = 1  # parts that may wait; more would only take memory
LANES = ("field", "others", "issue")


class StagedFiles:
    """The files of one batch, with what the record rules find; use as a context manager and call `finish`.

    Three threads work side by side, each in the order of `write`, so the files do not depend on timing: one
    writes `field`, the largest; one the other tables; one checks the rules and writes `issue`.  What fails in
    one is raised by the next call.  Where the process has one processor, all is done at once instead.

    Args:
        folder: where the files go; it must exist.
        source_id: of the batch.
        batch_id: of the batch.
    """

    def __init__(self, folder: Path, source_id: str, batch_id: str):
        self._folder = folder
        self._writers = TableWriters(folder, TABLES)
        self._checker = Checker(source_id, batch_id)
        alone = len(os.sched_getaffinity(0)) == 1
        if not alone:  # Arrow's own allocator, a little faster, keeps 40 MB that threads are done with
            pa.set_memory_pool(pa.system_memory_pool())
        self._lanes = {} if alone else {name: ThreadPoolExecutor(1, f"staged-{name}") for name in LANES}
        self._running: deque[list[Future[None]]] = deque()

    def __enter__(self) -> "StagedFiles":
        return self

    def __exit__(self, *details: object) -> None:
        for lane in self._lanes.values():
            lane.shutdown(cancel_futures=True)
        self._writers.__exit__(*details)

    def write(self, tables: dict[str, pa.Table]) -> None:
        """Append the rows of a part (`transforms.parse.Part.tables`); records must be whole."""
        lanes: dict[str, dict[str, pa.Table]] = {name: {} for name in LANES}
        for name, table in tables.items():
            lanes[name if name in LANES else "others"][name] = table
        work = {
            "field": partial(self._writers.write, lanes["field"]),
            "others": partial(self._writers.write, lanes["others"]),
            "issue": partial(self._check, lanes["issue"], tables),
        }
        if not self._lanes:
            for do in work.values():
                do()
            return
        self._running.append([self._lanes[name].submit(do) for name, do in work.items()])
        self._wait(AHEAD)

    def _check(self, issues: dict[str, pa.Table], tables: dict[str, pa.Table]) -> None:
        self._writers.write(issues)
        if "bib" in tables:
            self._writers.write({"issue": self._checker.add(tables)})

    def _wait(self, left: int) -> None:
        while len(self._running) > left:
            for future in self._running.popleft():
                future.result()

    def finish(self) -> None:
        """Complete all files, with the findings of rules that compare records of the batch."""
        self._wait(0)
        self._writers.finish("bib", "field", "holding", "item", "rejected")
        for found in self._checker.finish(self._folder):
            self._writers.write({"issue": found})
        self._writers.finish("issue")
