"""What staff decide on batches that gates hold, and which rules they waive for a source.

Decisions and waivers are files that are only ever added to, each with who, when and why.  The first decision on a
batch counts: accepted it becomes current, rejected it is set aside for good and its records count as rejected
(the bytes stay in the raw layer).  Of waivers the latest on a rule and a source counts, through the day it names.

The site calls these functions with the signed-in user as `who`; `calis gate` and `calis waive` call them too.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvesters import registry
from quality import expectations, rules
from schemas.quality import QUALITY_BATCH_GATE, QUALITY_DECISION, QUALITY_OUTCOME, QUALITY_WAIVER
from warehouse import lake
from warehouse.outcome import Outcome

ACCEPT, REJECT, SUPERSEDED = "accept", "reject", "superseded"
PROGRAM = "calis"  # who supersedes


class DecisionError(Exception):
    """A decision can't be taken; says why and what to do."""


@dataclass(frozen=True)
class Decision:
    """One row of `quality.decision`."""

    source_id: str
    batch_id: str
    decision: str
    who: str
    why: str
    decided_at: datetime


@dataclass(frozen=True)
class Held:
    """A batch that waits for a decision: its outcome, and the rows of `quality.batch_gate` that failed."""

    source_id: str
    batch_id: str
    received: int
    held_at: datetime
    reason: str
    failed: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Waiver:
    """One row of `quality.waiver`."""

    rule: str
    source_id: str
    until: date
    who: str
    why: str
    decided_at: datetime


# --- batches ---------------------------------------------------------------------------------------------


def decisions(source_id: str = "") -> list[Decision]:
    """Every decision on batches (of one source, where it is named), oldest first."""
    rows = lake.read_table("quality.decision", lake.added_files("quality.decision")).to_pylist()
    found = [Decision(**row) for row in rows if source_id in ("", row["source_id"])]
    return sorted(found, key=lambda one: one.decided_at)


def decided(source_id: str) -> dict[str, Decision]:
    """The decision that counts on each batch of a source: the first one."""
    return {one.batch_id: one for one in reversed(decisions(source_id))}


def held(source_ids: Iterable[str] = ()) -> list[Held]:
    """The batches that wait for a decision, of all sources or of those named, in order of source and batch."""
    found = []
    for source_id in sorted(source_ids or lake.held_sources()):
        done = decided(source_id)
        for batch_id in lake.held_batches(source_id):
            outcome = kept_outcome(source_id, batch_id)
            if outcome and outcome.verdict == "held" and batch_id not in done:
                failed = tuple(row for row in gates_of(source_id, batch_id) if not row["success"])
                found.append(Held(source_id, batch_id, outcome.received, outcome.ended_at, outcome.reason, failed))
    return found


def gates_of(source_id: str, batch_id: str) -> list[dict[str, Any]]:
    """What the gates saw of a batch, as rows of `quality.batch_gate`."""
    path = lake.batch_gate_file(source_id)
    rows = lake.read_table(QUALITY_BATCH_GATE.full_name, [path] if path.exists() else [])
    return rows.filter(pc.field("batch_id") == batch_id).to_pylist()


def said(row: dict[str, Any]) -> str:
    """A row of `quality.batch_gate` as a sentence."""
    about = f" ({row['about']})" if row["about"] else ""
    return f"{row['expectation']}{about}: observed {expectations.shown(row['observed'])}"


def failure(row: dict[str, Any]) -> str:
    """A row of `quality.batch_gate` that failed, with what to do, as `English | 中文`."""
    return expectations.said(row["expectation"], expectations.shown(row["observed"]), row["advice"], row["about"])


def accept(source_id: str, batch_id: str, who: str, why: str) -> Decision:
    """Make a held batch current.

    Raises:
        DecisionError: nothing of that name is held, someone decided before, or `who` or `why` is empty.
    """
    return _decide(source_id, batch_id, ACCEPT, who, why)


def reject(source_id: str, batch_id: str, who: str, why: str) -> Decision:
    """Set a held batch aside for good; the next harvest asks again for what came after the batch before it.

    Raises:
        DecisionError: as for `accept`.
    """
    return _decide(source_id, batch_id, REJECT, who, why)


def supersede(source_id: str, batch_id: str, by: str) -> Outcome:
    """Set a held batch aside since a later full export has everything that it has; the source is locked."""
    return _take(Decision(source_id, batch_id, SUPERSEDED, PROGRAM, f"batch {by} is a full export", lake.now()))


def _decide(source_id: str, batch_id: str, decision: str, who: str, why: str) -> Decision:
    one = Decision(source_id, batch_id, decision, _said(who, "who"), _said(why, "why"), lake.now())
    _known(source_id)
    with lake.source_locked(source_id):
        if before := decided(source_id).get(batch_id):
            raise DecisionError(_taken_before(before))
        outcome = kept_outcome(source_id, batch_id)
        if not outcome or outcome.verdict != "held":
            waiting = ", ".join(f"{o.source_id} {o.batch_id}" for o in held()) or "nothing"
            raise DecisionError(f"source {source_id}, batch {batch_id} is not held; held is: {waiting}")
        _take(one)
    return one


def _taken_before(one: Decision) -> str:
    """Why there is nothing more to decide, and how a decision is undone."""
    batch, at = f"source {one.source_id}, batch {one.batch_id}", f"{one.decided_at:%Y-%m-%d %H:%M} UTC"
    if one.decision == SUPERSEDED:
        return f"{batch} needs no decision any more: {one.why} and has all of it ({at})"
    undo = {
        ACCEPT: "its records are current; the source's next export puts right what is wrong in them, at once by",
        REJECT: "what was set aside comes again by",
    }[one.decision]
    told = f"{batch} was decided at {at} by {one.who} ({one.decision}: {one.why})"
    return f"{told}; {undo} calis harvest {one.source_id} --full"


def _take(one: Decision) -> Outcome:
    lake.add_rows("quality.decision", _rows(QUALITY_DECISION.schema, [asdict(one)]))
    return _apply(one)


def _known(source_id: str) -> None:
    try:
        registry.load().source(source_id)
    except KeyError as error:
        raise DecisionError(f"there is no source {source_id!r} in the registry") from error


def settle(source_id: str) -> None:
    """Finish what decisions began, where a process was killed before their effect; the source is locked."""
    done = decided(source_id)
    for batch_id in lake.held_batches(source_id):
        outcome = kept_outcome(source_id, batch_id)
        if batch_id in done and outcome and outcome.verdict == "held":
            _apply(done[batch_id])


def _apply(one: Decision) -> Outcome:
    """Bring a decision to bear on its held batch."""
    outcome = kept_outcome(one.source_id, one.batch_id)
    assert outcome is not None
    if one.decision == ACCEPT:
        lake.release(one.source_id, one.batch_id)
        return replace(outcome, verdict="complete", reason="").record()
    verb = {REJECT: f"rejected by {one.who}", SUPERSEDED: "superseded"}[one.decision]
    none_staged = replace(outcome, staged=0, deleted=0, unchanged=0, rejected=outcome.received)
    set_aside = replace(none_staged, verdict="rejected", reason=f"{verb}: {one.why}").record()
    lake.remove_held_batch(one.source_id, one.batch_id)
    return set_aside


# --- the outcome of a batch that is not current ----------------------------------------------------------


def kept_outcome(source_id: str, batch_id: str) -> Outcome | None:
    """The outcome that lies with a batch which is not current yet, with the counts it has once it is."""
    path = lake.held_batch(source_id, batch_id) / "outcome.parquet"
    if not path.exists():
        return None
    return Outcome(**lake.read_table(QUALITY_OUTCOME.full_name, [path]).to_pylist()[0])


def keep_outcome(outcome: Outcome) -> None:
    """Keep the outcome with its batch."""
    path = lake.held_batch(outcome.source_id, outcome.batch_id) / "outcome.parquet"
    with lake.replacing_file(path) as scratch:
        pq.write_table(_rows(QUALITY_OUTCOME.schema, [asdict(outcome)]), scratch)


# --- waivers ---------------------------------------------------------------------------------------------


def today() -> date:
    """The day it is in Beijing."""
    return (lake.now() + lake.BEIJING).date()


def waive(rule: str, source_id: str, until: date, who: str, why: str) -> Waiver:
    """Show findings of a rule for a source, but don't count them, through a day.

    Raises:
        DecisionError: there is no such rule or source, the day is past, or `who` or `why` is empty.
    """
    if until < today():
        raise DecisionError(f"until {until} is past; to end a waiver: calis waive end {rule} {source_id}")
    return _add_waiver(rule, source_id, until, who, why)


def end_waiver(rule: str, source_id: str, who: str, why: str) -> Waiver:
    """Let the findings of a rule count again for a source, from today on.

    Raises:
        DecisionError: it is not waived, or `who` or `why` is empty.
    """
    if (rule, source_id) not in {(one.rule, one.source_id) for one in in_force()}:
        raise DecisionError(f"rule {rule} is not waived for source {source_id}")
    return _add_waiver(rule, source_id, today() - timedelta(days=1), who, why)


def _add_waiver(rule: str, source_id: str, until: date, who: str, why: str) -> Waiver:
    one = Waiver(rule, source_id, until, _said(who, "who"), _said(why, "why"), lake.now())
    if rule not in {known.code for known in rules.load()}:
        raise DecisionError(f"there is no rule {rule!r}; the page of rules has their codes")
    _known(source_id)
    lake.add_rows("quality.waiver", _rows(QUALITY_WAIVER.schema, [{**asdict(one), "in_force": None}]))
    return one


def waivers() -> list[Waiver]:
    """Every waiver there ever was, oldest first."""
    rows = lake.read_table("quality.waiver", lake.added_files("quality.waiver")).drop_columns("in_force")
    return sorted((Waiver(**row) for row in rows.to_pylist()), key=lambda one: one.decided_at)


def in_force(day: date | None = None) -> list[Waiver]:
    """The waivers that hold on a day (today, by default), in order of source and rule."""
    latest = {(one.source_id, one.rule): one for one in waivers()}
    return [one for _, one in sorted(latest.items()) if one.until >= (day or today())]


def waiver_table(day: date | None = None) -> pa.Table:
    """`quality.waiver` as it is published: every waiver, and whether it holds."""
    holding = set(in_force(day))
    rows = [{**asdict(one), "in_force": one in holding} for one in waivers()]
    return _rows(QUALITY_WAIVER.schema, rows)


def _said(text: str, name: str) -> str:
    if not text or not text.strip():
        raise DecisionError(f"{name} is empty; every decision says who took it and why")
    return text.strip()


def _rows(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)
