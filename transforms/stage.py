"""The stage from raw to staged: parse each landed batch of a source and bring its record index up to date.

`staged.record` is the state of a source as of a batch: for every identifier where its current version lies,
its digest, and whether it is deleted.  A record whose digest equals the index is counted as unchanged and not
written again.  In a batch the last record with an identifier wins; earlier ones stay in `staged.bib`, are
pointed to by no index, and are flagged.  A full batch marks what it does not hold as deleted.
"""

import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from harvesters import landing, registry
from harvesters.registry import Source
from schemas.quality import QUALITY_ISSUE
from schemas.staged import STAGED_RECORD
from transforms import usage
from transforms.detect import Hints
from transforms.parse import Part, staged_parts
from transforms.staged_files import StagedFiles
from warehouse import lake
from warehouse.outcome import Outcome, UnbalancedError, finished_batches
from warehouse.progress import Progress

DUPLICATE = "duplicate-control-number"


def stage(source: Source, run_id: str, again: bool = False) -> list[Outcome]:
    """Stage every landed batch of a source that is not staged yet, oldest first.

    A batch that can't be staged gives an outcome `failed` with the reason, and the later ones wait for it.
    Without anything new there is one outcome `unchanged`, which is not recorded.

    Args:
        source: the source.
        run_id: the run that asks for it.
        again: stage every batch anew, for example after a crosswalk changed.  This happens by itself when what
            is staged was written to an older contract.
    """
    again = again or lake.is_outdated(source.source_id)
    done = set() if again else finished_batches("stage", source.source_id)
    waiting = [batch for batch in lake.raw_batches(source.source_id) if batch not in done]
    if again:
        for batch in reversed(lake.staged_batches(source.source_id)):
            lake.remove_staged_batch(source.source_id, batch)
    outcomes: list[Outcome] = []
    for batch_id in waiting:
        outcome = Outcome("stage", source.source_id, batch_id, run_id)
        outcomes.append(outcome)
        try:
            stage_batch(source, outcome)
        except Exception as error:
            outcome.verdict = "failed"
            outcome.reason = f"{source.source_id}, batch {batch_id}: {type(error).__name__}: {error}"
        outcome.record()
        if outcome.verdict == "failed":
            break
    if not outcomes:
        batch_id = max(done, default="")
        outcomes = [Outcome("stage", source.source_id, batch_id, run_id, "unchanged", reason="nothing new landed")]
    return outcomes


def stage_batch(source: Source, outcome: Outcome) -> None:
    """Stage one batch into its folder and complete its outcome.

    Raises:
        UnbalancedError: the counts don't add up, or differ from what was counted at landing.
        FormatError, DecompressionError …: a file can't be read at all.
    """
    source_id, batch_id = outcome.source_id, outcome.batch_id
    landed = landing.manifest(source_id, batch_id)
    with lake.replacing_folder(lake.staged_batch(source_id, batch_id)) as folder:
        if source.format == "loans":
            usage.stage_loans(source, outcome, landed, folder)
        else:
            _stage_records(source, outcome, landed, folder)
        outcome.require_balance()
        expected = sum(row["received"] for row in landed)
        if expected != outcome.received:
            raise UnbalancedError(
                f"{source_id}, batch {batch_id}: {expected} records were counted on the bytes at landing, but the "
                f"reader saw {outcome.received}; keep the raw batch and report it"
            )


def _stage_records(source: Source, outcome: Outcome, landed: list[dict[str, Any]], folder: Path) -> None:
    source_id, batch_id = outcome.source_id, outcome.batch_id
    index = _Index(_previous(source_id, batch_id))
    hints = Hints(source.format, source.encoding, source.holdings or "")
    contents = [(row["file"], partial(landing.open_raw, source_id, batch_id, row["file"])) for row in landed]
    with StagedFiles(folder, source_id, batch_id) as files:
        with Progress(f"stage {source_id}", "records", sum(row["received"] for row in landed)) as progress:
            for part in staged_parts(contents, hints, source_id, batch_id):
                files.write(_without_unchanged(part, index, outcome))
                progress.advance(len(part.records))
        files.write({"issue": index.duplicates(source_id, batch_id)})
        files.finish()
    full = landing.batch(source_id, batch_id).full
    lake.write_table(folder, STAGED_RECORD.full_name, index.after(source_id, batch_id, full))


def _previous(source_id: str, batch_id: str) -> pa.Table:
    """The record index as of the staged batch before this one."""
    earlier = [name for name in lake.staged_batches(source_id) if name < batch_id]
    files = [lake.staged_batch(source_id, earlier[-1]) / "record.parquet"] if earlier else []
    return lake.read_table(STAGED_RECORD.full_name, files)


class _Index:
    """The record index before a batch, and what the batch says, gathered part by part."""

    def __init__(self, previous: pa.Table):
        self.previous = previous
        hashes = _hash(previous["record_id"])
        self._order = np.argsort(hashes)
        self._hashes = hashes[self._order]
        self._digests = previous["digest"].to_numpy()[self._order]
        self._deleted = previous["deleted"].to_numpy()[self._order]
        self._seen: list[pa.Table] = []

    def unchanged(self, records: pa.Table) -> np.ndarray:
        """For each record whether the index has it with the same digest, or as deleted when it is a deletion."""
        if not len(self._hashes):
            return np.zeros(len(records), bool)
        hashes = _hash(records["record_id"])
        place = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        known = (self._hashes[place] == hashes) & pc.is_valid(records["record_id"]).to_numpy()
        withdrawn = pc.equal(records["status"], "deleted").to_numpy()
        same = (self._digests[place] == records["digest"].to_numpy()) & ~self._deleted[place]
        return known & ~withdrawn & same

    def see(self, records: pa.Table, unchanged: np.ndarray) -> None:
        """Note records that are staged, deleted or unchanged."""
        columns = {name: records[name] for name in ("record_id", "record_no", "digest")}
        columns["deleted"] = pc.equal(records["status"], "deleted")
        columns["unchanged"] = pa.array(unchanged)
        self._seen.append(pa.table(columns))

    def _last(self) -> pd.DataFrame:
        """What was seen, the last of each identifier only."""
        return self._all().drop_duplicates("record_id", keep="last")

    def _all(self) -> pd.DataFrame:
        if not self._seen:
            return pd.DataFrame({"record_id": [], "record_no": [], "digest": [], "deleted": [], "unchanged": []})
        return pa.concat_tables(self._seen).to_pandas()

    def duplicates(self, source_id: str, batch_id: str) -> pa.Table:
        """An issue for every record that a later one of the batch replaces."""
        seen = self._all()
        earlier = seen[seen.duplicated("record_id", keep="last")]
        rows = [
            {
                "source_id": source_id, "batch_id": batch_id, "record_no": int(number), "record_id": name,
                "rule": DUPLICATE, "severity": "warn", "tag": "001", "value": name,
            }
            for name, number in zip(earlier["record_id"], earlier["record_no"], strict=True)
        ]  # fmt: skip
        return pa.Table.from_pylist(rows, schema=QUALITY_ISSUE.schema)

    def after(self, source_id: str, batch_id: str, full: bool) -> pa.Table:
        """The index as of this batch, sorted by identifier."""
        last = self._last()
        before = self.previous.to_pandas().drop(columns="source_id")
        new = last[~last["unchanged"]].drop(columns="unchanged").assign(batch_id=batch_id)
        old = before[~before["record_id"].isin(new["record_id"])].copy()
        if full:
            old["deleted"] |= ~old["record_id"].isin(last["record_id"])
        whole = pd.concat([frame for frame in (old, new) if len(frame)] or [old]).sort_values("record_id")
        table = pa.Table.from_pandas(whole.assign(source_id=source_id), preserve_index=False)
        return table.select(STAGED_RECORD.schema.names).cast(STAGED_RECORD.schema)


def _hash(column: pa.ChunkedArray) -> np.ndarray:
    values = np.asarray(pc.fill_null(column, "").to_pandas(), dtype=object)
    return pd.util.hash_array(values, categorize=False)


def _without_unchanged(part: Part, index: _Index, outcome: Outcome) -> dict[str, pa.Table]:
    """The tables of a part without the records that are unchanged; the counts go into the outcome."""
    records = part.records
    rejected = pc.equal(records["status"], "rejected").to_numpy()
    deleted = pc.equal(records["status"], "deleted").to_numpy()
    unchanged = index.unchanged(records) & ~rejected
    known = ~rejected & ~pc.equal(records["status"], "joined").to_numpy()
    index.see(records.filter(pa.array(known)), unchanged[known])
    outcome.received += len(records)
    outcome.rejected += int(rejected.sum())
    outcome.deleted += int(deleted.sum())
    outcome.unchanged += int(unchanged.sum())
    outcome.staged += int((~rejected & ~deleted & ~unchanged).sum())
    if not unchanged.any():
        return part.tables
    gone = records["record_no"].filter(pa.array(unchanged))
    return {
        name: table.filter(pc.invert(pc.is_in(table["record_no"], gone.combine_chunks())))
        for name, table in part.tables.items()
    }


def stage_sources(source_ids: Iterable[str], run_id: str, again: bool = False, jobs: int = 1) -> list[Outcome]:
    """Stage the sources named (all, where none is); a bad one doesn't stop the next.

    Args:
        source_ids: sources.
        run_id: the run that asks for it.
        again: as for `stage`.
        jobs: how many sources at a time, each in a process of its own.

    Returns:
        The outcomes in the registry's order, whichever source was done first.
    """
    chosen = registry.load().chosen(source_ids)
    if jobs < 2 or len(chosen) < 2:
        return [outcome for source in chosen for outcome in stage(source, run_id, again)]
    # spawned, not forked: threads of Arrow and DuckDB do not survive a fork
    with ProcessPoolExecutor(min(jobs, len(chosen)), multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(stage, source, run_id, again) for source in chosen]
        return [outcome for done in waiting for outcome in done.result()]
