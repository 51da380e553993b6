"""A batch on its way to disk: parsed, checked and written piece by piece, by this process and by helpers."""

import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from quality.rules.checking import Checker, check_files
from transforms.detect import Content, Hints
from transforms.parse import PART_RECORDS, Part, chunked, part
from transforms.team import CLOSED, Team
from warehouse import row_groups
from warehouse.writers import TableWriters, regroup

TABLES = ("staged.bib", "staged.field", "staged.holding", "staged.item", "staged.rejected", "quality.issue")
PIECE_PARTS = 2  # parts that one process takes at once; their rules are run together
GROUP_ROWS = 4_000  # of a group of rows on disk
SIDE = "side"  # what helpers write, until it is moved into the batch's own files


class PartsLostError(Exception):
    """Not every part of a batch came back; its files changed while they were read, or a reader differs."""


class Done(NamedTuple):
    """A part that was staged: its number, how many records it has, their formats so far, what is told of it."""

    number: int
    records: int
    formats: frozenset[str]
    told: Any


@dataclass(frozen=True)
class Batch:
    """What is to be staged, and how it is looked at; it can be sent to a helper.

    Attributes:
        contents: name and opener of each file.
        hints: the source's hints.
        source_id: of the batch.
        batch_id: of the batch.
        look: takes each part where it is made, and says which tables of it to write and what to tell of it.
        part_records: how many records make a part, at least.
    """

    contents: Sequence[Content]
    hints: Hints
    source_id: str
    batch_id: str
    look: Callable[[Part], tuple[dict[str, pa.Table], Any]]
    part_records: int = PART_RECORDS

    def staged(self, folder: Path, pieces: Iterator[int], sizes: list[int] | None = None) -> Iterator[Done]:
        """Stage some pieces into the files of a folder.

        All before them is read, since only then it is known where a piece begins; that is a twelfth of the work.
        `sizes` gets the number of records of each part that was read, staged or not.
        """
        with _Files(folder, self.source_id, self.batch_id) as files:
            wanted = next(pieces, CLOSED)
            for number, chunks in enumerate(chunked(self.contents, self.hints, self.part_records)):
                records = sum(len(chunk) for _, chunk in chunks)
                if sizes is not None:
                    sizes.append(records)
                if number // PIECE_PARTS > wanted:
                    files.end_piece()
                    wanted = next(pieces, CLOSED)
                    if wanted == CLOSED:
                        return
                if number // PIECE_PARTS == wanted:
                    tables, told = self.look(part(chunks, self.hints, self.source_id, self.batch_id))
                    files.write(tables)
                    yield Done(number, records, files.checker.formats, told)
            files.end_piece()

    def rehearse(self) -> None:
        """Stage the first records for nothing: compiled code is loaded, and the rules are planned."""
        with tempfile.TemporaryDirectory() as folder:
            few = replace(self, part_records=1, look=_whole)
            for _ in few.staged(Path(folder), iter([0])):
                pass


def _whole(part: Part) -> tuple[dict[str, pa.Table], None]:
    return part.tables, None


class _Files:
    """The files that one process writes: a group of rows for each part, and of findings one for each piece."""

    def __init__(self, folder: Path, source_id: str, batch_id: str):
        self._writers = TableWriters(folder, TABLES)
        self._issues: list[pa.Table] = []
        self.checker = Checker(source_id, batch_id)

    def __enter__(self) -> "_Files":
        return self

    def __exit__(self, *details: object) -> None:
        self._writers.__exit__(*details)

    def write(self, tables: dict[str, pa.Table]) -> None:
        """Append the rows of a part (`transforms.parse.Part.tables`); records must be whole."""
        self._issues.append(tables["issue"])
        self._writers.write({name: table for name, table in tables.items() if name != "issue"})
        self.checker.add(tables)

    def end_piece(self) -> None:
        """Check the rules on what came since the last piece."""
        self._issues.append(self.checker.found())
        issues, self._issues = pa.concat_tables(self._issues), []
        self._writers.write({"issue": issues.sort_by("record_no")})


class StagedFiles:
    """The files of one batch, complete after `parts` and `finish`; use as a context manager.

    They are the same whoever wrote which piece.

    Args:
        folder: where the files go; it must exist.
        batch: what is to be staged.
        processes: how many may work on it, this one included.
    """

    def __init__(self, folder: Path, batch: Batch, processes: int = 1):
        _settle()
        self._folder, self._batch = folder, batch
        self._formats: frozenset[str] = frozenset()
        self._side = folder / SIDE
        self._side.mkdir()
        self._team = Team(batch.staged, batch.rehearse, self._side, processes - 1)

    def __enter__(self) -> "StagedFiles":
        self._team.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._team.__exit__(*details)

    def parts(self) -> Iterator[Any]:
        """Stage all parts; what `batch.look` tells of each, in order.

        Raises:
            PartsLostError: not every part came back.  What fails in a helper is raised too.
        """
        sizes: list[int] = []
        waiting: dict[int, Any] = {}
        came: dict[int, int] = {}

        def take(done: Done) -> None:
            waiting[done.number], came[done.number] = done.told, done.records
            self._formats |= done.formats

        turn = 0
        for own in self._batch.staged(self._folder, iter(self._team.claims, CLOSED), sizes):
            take(own)
            if own.number >= PIECE_PARTS:  # more than a helper takes to start
                self._team.ask()
            for done in self._team.received():
                take(done)
            while turn in waiting:
                yield waiting.pop(turn)
                turn += 1
        for done in self._team.rest():
            take(done)
        for number in sorted(waiting):
            yield waiting[number]
        if came != dict(enumerate(sizes)):
            raise PartsLostError(
                f"{self._batch.source_id}, batch {self._batch.batch_id}: {len(came)} parts of {len(sizes)} came "
                f"back, with {sum(came.values())} records of {sum(sizes)}; stage the batch again"
            )

    def finish(self, issues: pa.Table | None = None) -> None:
        """Put the files together and add findings: those given, and of rules that compare records of the batch."""
        folders = self._team.folders()
        *tables, issue = TABLES
        for name in tables:
            self._put_together(name, folders)
        last = self._side / "last"
        last.mkdir()
        with TableWriters(last, [issue]) as writers:
            found = check_files(self._folder, self._formats, self._batch.source_id, self._batch.batch_id)
            for some in chain(found, [] if issues is None else [issues]):
                writers.write({"issue": some})
        self._put_together(issue, [*folders, last])
        shutil.rmtree(self._side)

    def _put_together(self, name: str, folders: list[Path]) -> None:
        path = self._folder / f"{name.partition('.')[2]}.parquet"
        if folders:
            row_groups.join(path, [folder / path.name for folder in folders], "record_no")
        regroup(path, name, GROUP_ROWS)


@cache
def _settle() -> None:
    """Keep the collector of cyclic garbage from walking again and again what imports have made for ever."""
    gc.collect()
    gc.freeze()
