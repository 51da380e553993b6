"""Which rows of a batch are new, and which versions from before no longer count.

An event is named by `row_key`; its current version is the last one staged that no `staged.superseded` names.
A row equal to the current version is unchanged and is not staged.  Keys and digests have 64 bits (`digests.py`):
of ten million events two have the same key with a chance of 3 in a million.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.usage import STAGED_SUPERSEDED
from warehouse import lake
from warehouse.outcome import Outcome

KEYS = ("row_key", "digest", "record_no")


@dataclass
class Current:
    """The current versions of a source's events in one table: keys in order, digests, and where each lies."""

    keys: np.ndarray
    digests: np.ndarray
    batches: np.ndarray  # position in `names`
    numbers: np.ndarray
    names: list[str]


def current(source_id: str, batch_id: str, table: str) -> Current:
    """What was current before a batch."""
    folders = lake.batches_before(source_id, batch_id)
    names = [folder.name for folder in folders]
    parts, gone = [], set()
    for place, folder in enumerate(folders):
        if (folder / f"{table}.parquet").exists():
            rows = pq.read_table(folder / f"{table}.parquet", columns=list(KEYS))
            values = [rows[key].to_numpy() for key in KEYS]
            parts.append((*values, np.full(len(rows), place)))
        if (folder / "superseded.parquet").exists():
            ended = pq.read_table(folder / "superseded.parquet", filters=[("table_name", "=", table)]).to_pylist()
            gone |= {(row["old_batch_id"], row["old_record_no"]) for row in ended}
    if not parts:
        empty = np.zeros(0, np.uint64)
        return Current(empty, empty, np.zeros(0, int), np.zeros(0, int), names)
    keys, digests, numbers, batches = (np.concatenate(column) for column in zip(*parts, strict=True))
    if gone:
        ended_at = {(names.index(batch), number) for batch, number in gone if batch in names}
        dead = np.zeros(len(keys), bool)
        for place in {batch for batch, _ in ended_at}:
            dead |= (batches == place) & np.isin(numbers, [n for batch, n in ended_at if batch == place])
        keys, digests, numbers, batches = (column[~dead] for column in (keys, digests, numbers, batches))
    order = np.argsort(keys, kind="stable")
    return Current(keys[order], digests[order], batches[order], numbers[order], names)


@dataclass
class Told:
    """What a batch tells, a row each, in its order: key, digest, number; or only that the event is withdrawn."""

    keys: np.ndarray
    digests: np.ndarray
    numbers: np.ndarray
    withdrawn: np.ndarray


@dataclass
class Settled:
    """What becomes of a batch's rows: which are left out as unchanged (a bool a row), and what they end."""

    unchanged: np.ndarray
    superseded: pa.Table


class _Ended:
    """The versions that a batch ends, gathered."""

    def __init__(self, before: Current):
        self.before = before
        self.rows: list[tuple[str, str, int]] = []

    def add(self, reason: str, batch: str, number: int) -> None:
        self.rows.append((reason, batch, number))

    def add_at(self, reason: str, at: int) -> None:
        self.add(reason, self.before.names[self.before.batches[at]], int(self.before.numbers[at]))


def settle(told: Told, before: Current, outcome: Outcome, table: str, full: bool) -> Settled:
    """Settle the rows of a batch against what was current and against each other.

    Args:
        told: the rows.
        before: from `current`.
        outcome: names source and batch.
        table: the staged table.
        full: the batch has all events of the source; what it lacks is gone.
    """
    ended = _Ended(before)
    unchanged = np.zeros(len(told.keys), bool)
    place = np.minimum(np.searchsorted(before.keys, told.keys), max(len(before.keys) - 1, 0))
    known = before.keys[place] == told.keys if len(before.keys) else unchanged.copy()
    repeated = _repeated(told.keys)
    at_once = known & ~repeated
    if at_once.any():
        same = before.digests[place] == told.digests
        unchanged = at_once & same & ~told.withdrawn
        for row in np.flatnonzero(at_once & ~unchanged):
            ended.add_at("withdrawn" if told.withdrawn[row] else "changed", int(place[row]))
    _one_by_one(told, np.flatnonzero(repeated), place, known, unchanged, ended, outcome.batch_id)
    if full and len(before.keys):
        for at in np.flatnonzero(~np.isin(before.keys, told.keys)):
            ended.add_at("gone", int(at))
    names = ("reason", "old_batch_id", "old_record_no")
    common = {"source_id": outcome.source_id, "batch_id": outcome.batch_id, "table_name": table}
    rows = [common | dict(zip(names, row, strict=True)) for row in ended.rows]
    return Settled(unchanged, pa.Table.from_pylist(rows, schema=STAGED_SUPERSEDED.schema))


def _repeated(keys: np.ndarray) -> np.ndarray:
    """For each row whether another has its key."""
    repeated = np.zeros(len(keys), bool)
    ordered = np.sort(keys)
    if not (ordered[1:] == ordered[:-1]).any():
        return repeated
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    repeated[order[1:][same]] = True
    repeated[order[:-1][same]] = True
    return repeated


def _one_by_one(
    told: Told,
    rows: np.ndarray,
    place: np.ndarray,
    known: np.ndarray,
    unchanged: np.ndarray,
    ended: _Ended,
    batch: str,
) -> None:
    """Settle events of which the batch tells more than once, in its order."""
    before = ended.before
    latest: dict[int, tuple[int, str, int] | None] = {}
    for row in rows:
        key, digest = int(told.keys[row]), int(told.digests[row])
        if key not in latest:
            at = place[row]
            held = (
                (int(before.digests[at]), before.names[before.batches[at]], int(before.numbers[at]))
                if known[row]
                else None
            )
            latest[key] = held
        now = latest[key]
        if now and not told.withdrawn[row] and now[0] == digest:
            unchanged[row] = True
            continue
        if now:
            ended.add("withdrawn" if told.withdrawn[row] else "changed", *now[1:])
        latest[key] = None if told.withdrawn[row] else (digest, batch, int(told.numbers[row]))
