"""Runs as the page of their history shows them."""

from datetime import datetime
from typing import NamedTuple

from .published import Published, by
from .words import Row


class Run(NamedTuple):
    """One run: its stages in order, and the outcomes that need a person or do not balance."""

    run_id: str
    started_at: datetime
    ended_at: datetime
    stages: list[Row]
    troubles: list[Row]

    @property
    def seconds(self) -> float:
        """From the first stage's begin to the last one's end."""
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def received(self) -> int:
        """Records that its first stage received."""
        return int(self.stages[0]["received"])

    @property
    def troubled(self) -> int:
        """How many outcomes need a person."""
        return sum(stage["troubled"] for stage in self.stages)

    @property
    def balanced(self) -> bool:
        """Whether received = passed on + set aside + deleted + unchanged for each source and batch."""
        return not any(stage["unbalanced"] for stage in self.stages)


def history(published: Published) -> list[Run]:
    """The latest runs, newest first."""
    troubles = by("run_id", published.rows("run_troubles"))
    runs = [
        Run(
            run_id,
            min(stage["started_at"] for stage in stages),
            max(stage["ended_at"] for stage in stages),
            stages,
            troubles.get(run_id, []),
        )
        for run_id, stages in by("run_id", published.rows("runs")).items()
    ]
    return sorted(runs, key=lambda run: run.ended_at, reverse=True)
