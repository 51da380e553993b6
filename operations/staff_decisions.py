"""Decisions as the pages send them: checked, and taken in by the functions that the `calis` command calls."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from transforms import judgement, judgement_csv

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
    try:
        taken = judgement_csv.take_pair(left, right, asked.verdict, who, asked.why)
    except judgement_csv.JudgementError as error:
        raise DecisionRefusedError(str(error)) from error
    told = [str(contradiction) for contradiction in taken.contradictions]
    (new,) = taken.new
    return {"pair": [*new.pair[0], *new.pair[1]], **_told(new), "contradictions": told}


def _told(one: judgement.Judgement) -> dict[str, str]:
    return {"verdict": one.verdict, "who": one.who, "when": f"{one.judged_at:%Y-%m-%d %H:%M} UTC", "why": one.why}


def decided() -> dict[str, Any]:
    """What is decided by now, since the pages are older: judgements by pair, as the scripts name pairs."""
    latest = {one.pair: one for one in judgement.load()}
    judgements = {}
    for pair, one in latest.items():
        for left, right in (pair, pair[::-1]):  # whichever way round a page shows it
            name = json.dumps([*left, *right], ensure_ascii=False, separators=(",", ":"))
            judgements[name] = _told(one)
    return {"judgements": judgements}
