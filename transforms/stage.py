"""The stage from raw to staged: parse each landed batch of a source and bring its record index up to date.

`staged.record` is the state of a source as of a batch: for every identifier where its current version lies,
its digest, and whether it is deleted.  A record whose digest equals the index is counted as unchanged and not
written again.  In a batch the last record with an identifier wins; earlier ones stay in `staged.bib`, are
pointed to by no index, and are flagged.  A full batch marks what it does not hold as deleted.

A batch is staged beside the current ones (`lake.held_batch`), shown to its gates (`quality.gates`), and made
current or held there for staff.  Killed anywhere, the next run stages it anew.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from harvesters import landing, registry
from harvesters.registry import Source
from quality import decisions, gates, profile
from schemas.quality import QUALITY_ISSUE, QUALITY_OUTCOME, QUALITY_PROFILE
from schemas.staged import STAGED_RECORD
from transforms import team
from transforms.detect import Hints
from transforms.parse import Part
from transforms.staged_files import Batch, StagedFiles
from transforms.usage import staging
from transforms.usage.kinds import OF_FORMAT
from transforms.xml_records import headers
from warehouse import lake
from warehouse.outcome import Outcome, UnbalancedError, finished_batches
from warehouse.progress import Progress

DUPLICATE = "duplicate-control-number"


def stage(source: Source, run_id: str, again: bool = False) -> list[Outcome]:
    """Stage every landed batch of a source that is not staged yet, oldest first, and take each through its gates.

    A batch that can't be staged gives an outcome `failed` with the reason, one that its gates hold an outcome
    `held`; the later ones wait for it.  But a later full export has all that a held batch has, and supersedes it.
    Without anything new there is one outcome `unchanged`, which is not recorded.

    Args:
        source: the source.
        run_id: the run that asks for it.
        again: stage every batch anew, for example after a crosswalk changed.  This happens by itself when what
            is staged was written to an older contract.  What was decided on batches stays.
    """
    return _through_gates((source,), run_id, [prepare(source, run_id, again)])


def _through_gates(
    sources: Sequence[Source], run_id: str, prepared: Iterable[list[Outcome]] = ()
) -> list[Outcome]:
    """Take all that is prepared through the gates together; what a later full export supersedes, once more."""
    results: dict[tuple[str, str], Outcome] = {}
    waiting = sources
    while waiting:
        told = [outcome for outcomes in prepared for outcome in outcomes if outcome.verdict != "complete"]
        checked = gates.check(source.source_id for source in waiting)
        results |= {(outcome.source_id, outcome.batch_id): outcome for outcome in [*told, *checked]}
        held = {o.source_id: o.batch_id for o in checked if o.verdict == "held"}
        waiting = [s for s in waiting if s.source_id in held and _full_after(s.source_id, held[s.source_id])]
        prepared = [prepare(source, run_id) for source in waiting]
    place = {source.source_id: at for at, source in enumerate(sources)}
    return [results[key] for key in sorted(results, key=lambda key: (place[key[0]], key[1]))]


def prepare(source: Source, run_id: str, again: bool = False, processes: int = 1) -> list[Outcome]:
    """Stage the batches of a source that wait, as `stage` does; `gates.check` then makes them current."""
    source_id = source.source_id
    again = again or lake.is_outdated(source_id)
    outcomes: list[Outcome] = []
    with lake.source_locked(source_id):
        decisions.settle(source_id)
        for held in [] if again else decisions.held([source_id]):
            full = _full_after(source_id, held.batch_id)
            if not full:
                return [gates.waiting(source_id, held.batch_id)]
            outcomes.append(decisions.supersede(source_id, held.batch_id, full))
        for batch_id in lake.held_batches(source_id):  # what a killed stage left, or is to be staged again
            lake.remove_held_batch(source_id, batch_id)
    done = _set_aside(source_id) if again else _done(source_id)
    for batch_id in lake.raw_batches(source_id):
        if batch_id in done:
            continue
        outcome = Outcome("stage", source_id, batch_id, run_id)
        outcomes.append(outcome)
        try:
            stage_batch(source, outcome, processes)
        except Exception as error:
            outcome.verdict = "failed"
            outcome.reason = f"{source_id}, batch {batch_id}: {type(error).__name__}: {error}"
            outcome.record()
            break
    if not outcomes:
        batch_id = max(done, default="")
        outcomes = [Outcome("stage", source_id, batch_id, run_id, "unchanged", reason="nothing new landed")]
    return outcomes


def _set_aside(source_id: str) -> set[str]:
    """The batches of a source that are never to become current."""
    return {name for name, one in decisions.decided(source_id).items() if one.decision != decisions.ACCEPT}


def _done(source_id: str) -> set[str]:
    """The batches of a source with which nothing is left to do: set aside, or finished and there."""
    finished = finished_batches("stage", source_id) & set(lake.staged_batches(source_id))
    return finished | _set_aside(source_id)


def waiting(source_id: str) -> list[str]:
    """The landed batches of a source that are not staged yet, without those that wait for staff, oldest first."""
    done = _done(source_id) | {one.batch_id for one in decisions.held([source_id])}
    return [batch_id for batch_id in lake.raw_batches(source_id) if batch_id not in done]


def _full_after(source_id: str, batch_id: str) -> str:
    """The newest full export of a source that landed after a batch, if any."""
    later = (name for name in reversed(lake.raw_batches(source_id)) if name > batch_id)
    return next((name for name in later if landing.batch(source_id, name).full), "")


def stage_batch(source: Source, outcome: Outcome, processes: int = 1) -> None:
    """Stage one batch into the folder of those that are not current yet, with its profile and outcome.

    Up to so many `processes` work on it.

    Raises:
        UnbalancedError: the counts don't add up, or differ from what was counted at landing.
        FormatError, DecompressionError …: a file can't be read at all.
    """
    source_id, batch_id = outcome.source_id, outcome.batch_id
    landed = landing.manifest(source_id, batch_id)
    full = landing.batch(source_id, batch_id).full
    expected = sum(row["received"] for row in landed)
    with lake.replacing_folder(lake.held_batch(source_id, batch_id)) as folder:
        before = 0
        if source.format in OF_FORMAT:
            staging.stage(source, outcome, landed, folder)
        else:
            before = _stage_records(source, outcome, landed, folder, full, processes)
        outcome.require_balance()
        if expected != outcome.received:
            raise UnbalancedError(
                f"{source_id}, batch {batch_id}: {expected} records were counted on the bytes at landing, but the "
                f"reader saw {outcome.received}; keep the raw batch and report it"
            )
        lake.write_table(folder, QUALITY_PROFILE.full_name, profile.profile(folder, outcome, full, before))
        outcome.ended_at = lake.now()
        row = pa.Table.from_pylist([vars(outcome)], schema=QUALITY_OUTCOME.schema)
        lake.write_table(folder, QUALITY_OUTCOME.full_name, row)


def _stage_records(
    source: Source, outcome: Outcome, landed: list[dict[str, Any]], folder: Path, full: bool, processes: int
) -> int:
    """Stage the records of a batch; how many were there before it."""
    source_id, batch_id = outcome.source_id, outcome.batch_id
    index = _Index(_previous(source_id, batch_id))
    batch = landing.batch(source_id, batch_id)
    lists = frozenset(batch.details.get("deletions", []))
    hints = Hints(source.format, source.encoding, source.holdings or "", lists)
    identifiers = batch.details.get("identifiers", [])
    contents = [
        (row["file"], partial(landing.open_raw, source_id, batch_id, row["file"]))
        for row in landed
        if row["file"] not in identifiers
    ]
    for file in identifiers:
        with landing.open_raw(source_id, batch_id, file) as page:
            index.listed |= headers(page.read())
    work = Batch(contents, hints, source_id, batch_id, partial(_without_unchanged, index.known))
    with StagedFiles(folder, work, processes) as files:
        with Progress(f"stage {source_id}", "records", sum(row["received"] for row in landed)) as progress:
            for records, unchanged in files.parts():
                _count(records, unchanged, index, outcome)
                progress.advance(len(records))
        files.finish(index.duplicates(source_id, batch_id))
    lake.write_table(folder, STAGED_RECORD.full_name, index.after(source_id, batch_id, full or bool(identifiers)))
    return len(index.previous) - int(pc.sum(index.previous["deleted"]).as_py() or 0)


def _previous(source_id: str, batch_id: str) -> pa.Table:
    """The record index as of the staged batch before this one."""
    files = [folder / "record.parquet" for folder in lake.batches_before(source_id, batch_id)[-1:]]
    return lake.read_table(STAGED_RECORD.full_name, files)


class _Known:
    """What the record index before a batch says of a record, by the hash of its identifier."""

    def __init__(self, previous: pa.Table):
        hashes = _hash(previous["record_id"])
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._digests = previous["digest"].to_numpy()[order]
        self._deleted = previous["deleted"].to_numpy()[order]

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


class _Index:
    """The record index before a batch, and what the batch says, gathered part by part."""

    def __init__(self, previous: pa.Table):
        self.previous = previous
        self.known = _Known(previous)
        self._seen: list[pa.Table] = []
        # identifiers that the source has, though nothing new is known of their records
        self.listed: set[str] = set()

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
            types = {
                "record_id": str,
                "record_no": "int32",
                "digest": "uint64",
                "deleted": bool,
                "unchanged": bool,
            }
            return pd.DataFrame({name: pd.Series([], dtype=type_) for name, type_ in types.items()})
        return self._with_own_names(pa.concat_tables(self._seen).to_pandas())

    def _with_own_names(self, seen: pd.DataFrame) -> pd.DataFrame:
        """What was seen, deletions under the identifier that the record has: lists leave leading zeros out."""
        listed = seen["deleted"] & seen["record_id"].str.fullmatch(r"\d+").fillna(False)
        if not listed.any():
            return seen
        known = {*self.previous["record_id"].to_pylist(), *seen.loc[~seen["deleted"], "record_id"]}
        names: dict[str, set[str]] = {}
        for name in known:
            if name and name.isdecimal():
                names.setdefault(name.lstrip("0"), set()).add(name)
        own = {n: names.get(n.lstrip("0"), set()) - {n} for n in seen.loc[listed, "record_id"] if n not in known}
        return seen.assign(
            record_id=seen["record_id"].replace({n: o.pop() for n, o in own.items() if len(o) == 1})
        )

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
            old["deleted"] |= ~(old["record_id"].isin(last["record_id"]) | old["record_id"].isin(self.listed))
        whole = pd.concat([frame for frame in (old, new) if len(frame)] or [old]).sort_values("record_id")
        table = pa.Table.from_pandas(whole.assign(source_id=source_id), preserve_index=False)
        return table.select(STAGED_RECORD.schema.names).cast(STAGED_RECORD.schema)


def _hash(column: pa.ChunkedArray) -> np.ndarray:
    values = np.asarray(pc.fill_null(column, "").to_pandas(), dtype=object)
    return pd.util.hash_array(values, categorize=False)


def _count(records: pa.Table, unchanged: np.ndarray, index: _Index, outcome: Outcome) -> None:
    """Note the records of a part in the index and in the outcome."""
    rejected = pc.equal(records["status"], "rejected").to_numpy()
    deleted = pc.equal(records["status"], "deleted").to_numpy()
    known = ~rejected & ~pc.equal(records["status"], "joined").to_numpy()
    index.see(records.filter(pa.array(known)), unchanged[known])
    # one that can't be read now is not withdrawn: its last good version stays
    index.listed.update(name for name in records["record_id"].filter(pa.array(rejected)).to_pylist() if name)
    outcome.received += len(records)
    outcome.rejected += int(rejected.sum())
    outcome.deleted += int(deleted.sum())
    outcome.unchanged += int(unchanged.sum())
    outcome.staged += int((~rejected & ~deleted & ~unchanged).sum())


def _without_unchanged(known: _Known, part: Part) -> tuple[dict[str, pa.Table], tuple[pa.Table, np.ndarray]]:
    """The tables of a part without the records that are unchanged; all of its records, and which these are."""
    records = part.records
    unchanged = known.unchanged(records) & ~pc.equal(records["status"], "rejected").to_numpy()
    if not unchanged.any():
        return part.tables, (records, unchanged)
    gone = records["record_no"].filter(pa.array(unchanged))
    tables = {
        name: table.filter(pc.invert(pc.is_in(table["record_no"], gone.combine_chunks())))
        for name, table in part.tables.items()
    }
    return tables, (records, unchanged)


def stage_sources(
    source_ids: Iterable[str], run_id: str, again: bool = False, processes: int = 1
) -> list[Outcome]:
    """Stage the sources named (all, where none is) and take them through the gates; a bad one stops no other.

    Args:
        source_ids: sources.
        run_id: the run that asks for it.
        again: as for `stage`.
        processes: how many may work on a large batch, and how many sources of usage are staged at a time.

    Returns:
        The outcomes in the registry's order.
    """
    chosen = registry.load().chosen(source_ids)
    try:
        prepared = _prepared(chosen, run_id, again, processes)
    finally:
        team.dismiss()
    return _through_gates(chosen, run_id, prepared)


def _prepared(sources: Sequence[Source], run_id: str, again: bool, processes: int) -> list[list[Outcome]]:
    """`prepare` for each source; of usage several at a time, in threads, which seldom wait for each other."""
    usage = [source for source in sources if source.format in OF_FORMAT]
    with ThreadPoolExecutor(processes) as pool:
        outcomes = pool.map(lambda source: prepare(source, run_id, again), usage)
        done = {source.source_id: told for source, told in zip(usage, outcomes, strict=True)}
    return [done.get(s.source_id) or prepare(s, run_id, again, processes) for s in sources]


def prepare_sources(source_ids: Iterable[str], run_id: str) -> list[Outcome]:
    """Stage the sources named, but leave it to `pass_gates` to make current what is new.

    Great Expectations takes seconds to load, so where many processes stage, one takes all of it through the gates.
    """
    return [o for source in registry.load().chosen(source_ids) for o in prepare(source, run_id)]


def pass_gates(source_ids: Iterable[str], run_id: str) -> list[Outcome]:
    """Take what `prepare_sources` left through the gates; the outcomes of what became current or is held."""
    return _through_gates(registry.load().chosen(source_ids), run_id)
