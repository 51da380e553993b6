"""Batches in trouble as their pages show them: what was held or failed, why, and what to do."""

from dataclasses import dataclass, field

from .published import Published, by
from .words import Row, explained, file_of

NEEDS_A_PERSON = ("failed", "held", "partial")


@dataclass
class Batch:
    """One batch of a source that needs a person."""

    source_id: str
    batch_id: str
    member: Row
    outcomes: list[Row]  # of each stage
    gates: list[Row] = field(default_factory=list)  # what was expected and observed
    found: list[Row] = field(default_factory=list)  # findings by rule, and why records were set aside

    @property
    def key(self) -> tuple[str, str]:
        """Names it."""
        return self.source_id, self.batch_id

    @property
    def file(self) -> str:
        """The name of its page."""
        return file_of(f"{self.source_id}--{self.batch_id}")

    @property
    def trouble(self) -> Row:
        """The outcome that needs a person."""
        return next(row for row in reversed(self.outcomes) if row["verdict"] in NEEDS_A_PERSON)

    @property
    def is_held(self) -> bool:
        """Whether it waits for a decision of the staff."""
        return bool(self.trouble["verdict"] == "held")


def troubled(published: Published) -> list[Batch]:
    """The batches that need a person, newest first."""
    outcomes = published.rows("troubled_batches")
    findings = by("source_id", explained(published.rows("batch_rules")))
    batches = []
    for source_id, rows in by("source_id", outcomes).items():
        for batch_id, own in by("batch_id", rows).items():
            found = [row for row in findings.get(source_id, []) if row["batch_id"] == batch_id]
            batches.append(Batch(source_id, batch_id, own[0], own, found=found))
    return sorted(batches, key=lambda batch: batch.trouble["ended_at"], reverse=True)
