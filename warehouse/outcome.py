"""What a stage did with a batch of a source: counts that must balance, and a verdict."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.quality import QUALITY_OUTCOME
from warehouse import lake

EVERY_SOURCE = "*"
FINISHED = ("complete", "unchanged", "rejected")
NEEDS_A_PERSON = ("failed", "held", "partial")


class UnbalancedError(Exception):
    """Records came in that are neither passed on, set aside, deletions nor unchanged."""


@dataclass
class Outcome:
    """One row of `quality.outcome`; made when the stage begins, recorded when it ends."""

    stage: str
    source_id: str
    batch_id: str
    run_id: str
    verdict: str = "complete"
    received: int = 0
    staged: int = 0
    rejected: int = 0
    deleted: int = 0
    unchanged: int = 0
    reason: str = ""
    started_at: datetime = field(default_factory=lake.now)
    ended_at: datetime = field(default_factory=lake.now)
    asked_for: str | None = None  # since/until of a harvest that fetched a window again

    @property
    def balanced(self) -> bool:
        """Whether received = staged + rejected + deleted + unchanged."""
        return self.received == self.staged + self.rejected + self.deleted + self.unchanged

    def require_balance(self) -> None:
        """Raise `UnbalancedError` with the counts when they don't balance."""
        if not self.balanced:
            raise UnbalancedError(
                f"{self.stage} of {self.source_id}, batch {self.batch_id}: received {self.received}, but "
                f"staged {self.staged} + rejected {self.rejected} + deleted {self.deleted} + "
                f"unchanged {self.unchanged} = "
                f"{self.staged + self.rejected + self.deleted + self.unchanged}; keep the raw batch and report it"
            )

    def record(self, ended_at: datetime | None = None) -> "Outcome":
        """Write this row, in place of an earlier one of the same stage, source and batch; it ends now, or then.

        One stage works on one source in one process at a time, so a read and a replace are enough.
        """
        self.ended_at = ended_at or lake.now()
        path = lake.outcome_file(self.stage, self.source_id)
        table = lake.read_table("quality.outcome", [path] if path.exists() else [])
        table = table.filter(pc.field("batch_id") != self.batch_id)
        row = pa.Table.from_pylist([asdict(self)], schema=QUALITY_OUTCOME.schema)
        with lake.replacing_file(path) as scratch:
            pq.write_table(pa.concat_tables([table, row]), scratch)
        return self


def recorded(stage: str, source_id: str) -> list[Outcome]:
    """All outcomes of a stage for a source, oldest batch first."""
    path = lake.outcome_file(stage, source_id)
    rows = lake.read_table("quality.outcome", [path] if path.exists() else []).to_pylist()
    return sorted((Outcome(**row) for row in rows), key=lambda outcome: outcome.batch_id)


def finished_batches(stage: str, source_id: str) -> set[str]:
    """The batches that a stage has finished for a source."""
    return {o.batch_id for o in recorded(stage, source_id) if o.verdict in FINISHED}


def set_aside(source_id: str) -> set[str]:
    """The landed batches of a source that staff rejected, or a later full export superseded."""
    return {o.batch_id for o in recorded("stage", source_id) if o.verdict == "rejected"}


class StageFailedError(Exception):
    """Sources failed in a run, or a publication is held; the message lists each with its reason."""


def of_run(run_id: str) -> list[Outcome]:
    """Every outcome that a run recorded."""
    rows = lake.read_table("quality.outcome", lake.outcome_files())
    chosen = rows.filter(pc.field("run_id") == run_id).to_pylist()
    return sorted((Outcome(**row) for row in chosen), key=lambda o: (o.started_at, o.source_id))


def faults(outcomes: Iterable[Outcome]) -> list[str]:
    """The outcomes that need a person (failed, held, partial), a line each with the reason."""
    bad = (outcome for outcome in outcomes if outcome.verdict in NEEDS_A_PERSON)
    return [f"{o.stage} {o.source_id}: {o.verdict}: {o.reason}" for o in bad]


def raise_for_run(run_id: str, chosen: Mapping[str, Iterable[Iterable[str]]] | None) -> None:
    """Raise `StageFailedError` for what a run left undone, after every source had its turn.

    Of a source that was harvested again in the same run the last outcome counts.  A source without any outcome
    of its harvest was lost with the process that had it, and is named too.

    Args:
        run_id: the run.
        chosen: batches of source ids by pool: all that were to be harvested; None where that could not be found.
    """
    if chosen is None:
        raise StageFailedError("the sources could not be chosen; see the task `choose`")
    found = of_run(run_id)
    last = {o.source_id: o for o in found if o.stage == "harvest"}
    reason = "its task ended before it had an outcome; harvest it again"
    lost = [
        Outcome("harvest", name, "", run_id, "failed", reason=reason)
        for batches in chosen.values()
        for batch in batches
        for name in batch
        if name not in last
    ]
    raise_for_faults([*(o for o in found if o.stage != "harvest" or o is last[o.source_id]), *lost])


def raise_for_faults(outcomes: Iterable[Outcome]) -> None:
    """Raise `StageFailedError` when any of the outcomes needs a person.

    A stage over many sources calls this after every source had its turn.
    """
    if found := faults(outcomes):
        lines = "\n".join(f"  {fault}" for fault in found)
        raise StageFailedError(f"{len(found)} outcome(s) need a person:\n{lines}")
