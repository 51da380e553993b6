"""Decisions as the pages send them: checked, and taken in by the functions that the `calis` command calls."""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from quality import decisions
from transforms import judgement, judgement_csv
from warehouse import lake

Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]


class DecisionRefusedError(Exception):
    """A decision can't be taken; says why and what to do."""


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Judged(_Asked):
    """Two records, and whether they are one book."""

    left_source_id: Name
    left_record_id: Name
    right_source_id: Name
    right_record_id: Name
    verdict: Literal["must_join", "must_not_join"]
    why: Why


class Decided(_Asked):
    """What becomes of a batch that is held."""

    source_id: Name
    batch_id: Name
    decision: Literal["accept", "reject"]
    why: Why


class WaiverEnded(_Asked):
    """A rule that counts again for a source."""

    rule: Name
    source_id: Name
    why: Why


class Waived(WaiverEnded):
    """A rule that does not count for a source, through a day."""

    until: date


# --- taking them in --------------------------------------------------------------------------------------


def judge(asked: Judged, who: str) -> dict[str, Any]:
    """Take a judgement in.

    Raises:
        DecisionRefusedError: a record is not there now, or both are the same.
    """
    left = (asked.left_source_id, asked.left_record_id)
    right = (asked.right_source_id, asked.right_record_id)
    if unknown := {left, right} - judgement_csv.present([left, right]):
        names = ", ".join(sorted(":".join(record) for record in unknown))
        raise DecisionRefusedError(
            f"not among the current records: {names}; reload the page after the next report"
        )
    taken = _taken(lambda: judgement_csv.take_pair(left, right, asked.verdict, who, asked.why))
    told = [str(contradiction) for contradiction in taken.contradictions]
    (new,) = taken.new
    return {"pair": [*new.pair[0], *new.pair[1]], **_judgement(new), "contradictions": told}


def decide(asked: Decided, who: str) -> dict[str, Any]:
    """Accept or reject a held batch.

    Raises:
        DecisionRefusedError: it is not held, or somebody decided before.
    """
    choose = decisions.accept if asked.decision == "accept" else decisions.reject
    return _batch(_taken(lambda: choose(asked.source_id, asked.batch_id, who, asked.why)))


def waive(asked: Waived, who: str) -> dict[str, Any]:
    """Waive a rule for a source.

    Raises:
        DecisionRefusedError: there is no such rule or source, or the day is past.
    """
    return _waiver(_taken(lambda: decisions.waive(asked.rule, asked.source_id, asked.until, who, asked.why)))


def end_waiver(asked: WaiverEnded, who: str) -> dict[str, Any]:
    """Let a rule count again for a source.

    Raises:
        DecisionRefusedError: it is not waived.
    """
    return _waiver(_taken(lambda: decisions.end_waiver(asked.rule, asked.source_id, who, asked.why)))


# what pages send to `api/…`: the form, and what takes it in
FORMS: dict[str, tuple[type[BaseModel], Callable[[Any, str], dict[str, Any]]]] = {
    "judgement": (Judged, judge),
    "batch": (Decided, decide),
    "waiver": (Waived, waive),
    "waiver/end": (WaiverEnded, end_waiver),
}


def _taken(decide: Callable[[], Any]) -> Any:
    try:
        return decide()
    except (decisions.DecisionError, judgement_csv.JudgementError, lake.LakeError) as error:
        raise DecisionRefusedError(str(error)) from error


# --- telling them ----------------------------------------------------------------------------------------


def _told(one: Any, at: datetime, *names: str) -> dict[str, str]:
    """Who decided, when by Beijing's clock and why, and the values named."""
    said = {name: str(getattr(one, name)) for name in (*names, "who", "why")}
    return {**said, "when": f"{at + lake.BEIJING:%Y-%m-%d %H:%M}"}


def _judgement(one: judgement.Judgement) -> dict[str, str]:
    return _told(one, one.judged_at, "verdict")


def _batch(one: decisions.Decision) -> dict[str, str]:
    return _told(one, one.decided_at, "source_id", "batch_id", "decision")


def _waiver(one: decisions.Waiver) -> dict[str, str]:
    return _told(one, one.decided_at, "rule", "source_id", "until")


def decided() -> dict[str, Any]:
    """What is decided by now, the pages being older: judgements and batches, as the scripts name them."""
    latest = {one.pair: one for one in judgement.load()}
    judgements = {}
    for pair, one in latest.items():
        for left, right in (pair, pair[::-1]):  # whichever way round a page shows it
            name = json.dumps([*left, *right], ensure_ascii=False, separators=(",", ":"))
            judgements[name] = _judgement(one)
    batches = {f"{one.source_id}/{one.batch_id}": _batch(one) for one in reversed(decisions.decisions())}
    return {"judgements": judgements, "batches": batches}
