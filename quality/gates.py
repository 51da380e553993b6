"""The gates of batches: what a staged batch must be like before it becomes current.

Each row of `batch_gates.csv` is one expectation.  Its SQL gives source_id, batch_id, what it speaks of ('' for the
whole batch) and the number observed, for every batch it can be asked of; it sees

    arrived     the profiles of the batches that are to be checked (`quality.profile`)
    counted     a row for each of them, with its profile as maps (`outcome`, `current`, `format`, `charset`,
                `without`, `tag`, `fields`, `findings`), and beside each, as `…_before`, that of the source's ten
                batches before it added up; `batches_before` says how many these are

so a source's first batch is only asked what needs no history.  What staff accepted is history apart: a batch that
is unlike all ten is compared once more with those that needed nobody, and with those that were accepted, alone.
So a change of format is held once, and an exception is no measure of what follows.  All batches are
validated at once by Great Expectations; where an expectation fails, the batch is held for staff, and the source's
later ones wait for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quality import decisions, expectations, profile
from quality.expectations import Expectation
from schemas.quality import QUALITY_BATCH_GATE
from warehouse import engine, lake
from warehouse.outcome import Outcome, recorded

GATES = Path(__file__).resolve().parent / "batch_gates.csv"
HISTORY = 10  # batches that a new one is compared with
MEASURES = ("outcome", "current", "format", "charset", "without", "tag", "fields", "findings")
MACROS = """
CREATE MACRO count_of(counts, name) AS coalesce(counts[name], 0);
CREATE MACRO total(counts) AS coalesce(list_sum(map_values(counts)), 0);
CREATE MACRO share_of(part, whole) AS coalesce(100.0 * part / nullif(whole, 0), 0);
CREATE MACRO new_share(now, before) AS share_of(coalesce(list_sum(list_transform(list_filter(map_keys(now),
    lambda name: share_of(count_of(before, name), total(before)) < 1), lambda name: now[name])), 0), total(now));
CREATE MACRO spectrum_shift(now, before) AS list_sum(list_transform(
    list_distinct(list_concat(map_keys(now), map_keys(before))),
    lambda name: abs(share_of(count_of(now, name), total(now))
        - share_of(count_of(before, name), total(before))))) / 2;
"""


class Batch(NamedTuple):
    """A staged batch that is to be checked."""

    source_id: str
    batch_id: str


def check(source_ids: Iterable[str]) -> list[Outcome]:
    """Check all staged batches of these sources that are not current yet, in one go, and let pass what is sound.

    Returns:
        The outcome of each batch that was decided on, in order of source and batch: `complete` and current, or
        `held`.  Batches after a held one of their source are taken back, to be staged when it is decided.
    """
    arrived = [batch for source_id in source_ids for batch in _arrived(source_id)]
    seen = _observe_again(arrived)
    outcomes: list[Outcome] = []
    for source_id in dict.fromkeys(batch.source_id for batch in arrived):
        outcomes += _let_pass(source_id, [batch for batch in arrived if batch.source_id == source_id], seen)
    return outcomes


def _arrived(source_id: str) -> list[Batch]:
    """The batches of a source that no gate has seen yet."""
    ready = []
    for batch_id in lake.held_batches(source_id):
        outcome = decisions.kept_outcome(source_id, batch_id)
        if outcome and outcome.verdict != "held":
            ready.append(batch_id)
    return [Batch(source_id, name) for name in ready]


def _observe_again(arrived: Sequence[Batch]) -> dict[Batch, pa.Table]:
    """What the gates see of each batch; where some fail, by that part of its history by which fewest do."""
    seen = observe(arrived)
    failing = [batch for batch in arrived if _failed(seen[batch])]
    for part in (0, 1):
        history = {batch: names for batch in failing if (names := _apart(batch)[part])}
        for batch, table in observe(list(history), history).items():
            as_much = set(seen[batch]["name"].to_pylist()) <= set(table["name"].to_pylist())
            if as_much and len(_failed(table)) < len(_failed(seen[batch])):
                seen[batch] = table
    return seen


def _failed(gates: pa.Table) -> list[dict[str, Any]]:
    return gates.filter(~pc.field("success")).to_pylist()


def _apart(batch: Batch) -> tuple[frozenset[str], frozenset[str]]:
    """The batches that one is compared with, apart: those that needed nobody, and those that staff accepted.

    None at all where staff accepted none.
    """
    decided = decisions.decided(batch.source_id)
    names = frozenset(folder.name for folder in lake.batches_before(*batch)[-HISTORY:])
    accepted = frozenset(name for name in names if name in decided and decided[name].decision == decisions.ACCEPT)
    return (names - accepted, accepted) if accepted else (frozenset(), frozenset())


def observe(
    batches: Sequence[Batch], history: Mapping[Batch, frozenset[str]] | None = None
) -> dict[Batch, pa.Table]:
    """What the gates see of each batch, as rows of `quality.batch_gate`.

    Args:
        batches: that are staged and not current yet.
        history: the batches that each is compared with, where these are not the ten before it.
    """
    if not batches:
        return {}
    rows = []
    for expectation, source_id, batch_id, about, observed in _observations(batches, history or {}):
        rows.append((expectation, {"source_id": source_id, "batch_id": batch_id, "about": about}, observed))
    sound = expectations.validate([(expectation, observed) for expectation, _, observed in rows])
    table = pa.Table.from_pylist(
        [
            {
                **row,
                "name": expectation.name,
                "expectation": expectation.text,
                "minimum": expectation.minimum,
                "maximum": expectation.maximum,
                "observed": observed,
                "success": success,
                "advice": f"{expectation.advice_en} | {expectation.advice_zh}",
            }
            for (expectation, row, observed), success in zip(rows, sound, strict=True)
        ],
        schema=QUALITY_BATCH_GATE.schema,
    )
    return {
        batch: table.filter((pc.field("source_id") == batch.source_id) & (pc.field("batch_id") == batch.batch_id))
        for batch in batches
    }


def _observations(
    batches: Sequence[Batch], history: Mapping[Batch, frozenset[str]]
) -> list[tuple[Expectation, str, str, str, float]]:
    now = [profile.read([lake.held_batch(*batch)]) for batch in batches]
    before = [_added_up(batch, history.get(batch)) for batch in batches]
    found = []
    with engine.connect() as con:
        for macro in MACROS.split(";\n"):
            con.execute(macro)
        con.register("arrived", pa.concat_tables(now))
        con.register("before", pa.concat_tables(before))
        con.execute(f"CREATE VIEW counted AS {_counted()}")
        for expectation in expectations.load(GATES):
            rows = con.execute(f"SELECT * FROM ({expectation.sql}) ORDER BY ALL").fetchall()
            found += [
                (expectation, source_id, batch_id, about, float(n)) for source_id, batch_id, about, n in rows
            ]
    return found


def _added_up(batch: Batch, chosen: frozenset[str] | None) -> pa.Table:
    """The profiles of the batches before, under the id of this one, with how many they are."""
    before = lake.batches_before(*batch)[-HISTORY:]
    rows = profile.read(folder for folder in before if chosen is None or folder.name in chosen)
    number = len(pc.unique(rows["batch_id"]))
    same = pa.array([batch.batch_id] * len(rows), pa.string())
    rows = rows.set_column(rows.schema.get_field_index("batch_id"), rows.schema.field("batch_id"), same)
    count = {**batch._asdict(), "measure": "batches", "about": "", "count": number}
    return pa.concat_tables([rows, pa.Table.from_pylist([count], schema=rows.schema)])


def _counted() -> str:
    def maps(table: str, suffix: str) -> str:
        columns = ", ".join(
            f"map_from_entries(coalesce(list((about, count)) FILTER (WHERE measure = '{name}'), []))"
            f" AS {name}{suffix}"
            for name in MEASURES
        )
        return f"""SELECT source_id, batch_id, {columns},
            max(count) FILTER (WHERE measure = 'batches') AS batches{suffix}
            FROM (
                SELECT source_id, batch_id, measure, about, sum(count)::BIGINT AS count FROM {table} GROUP BY ALL
            ) GROUP BY source_id, batch_id"""

    return f"""SELECT * EXCLUDE batches FROM ({maps("arrived", "")})
        JOIN ({maps("before", "_before")}) USING (source_id, batch_id)"""


# --- what becomes of a batch -----------------------------------------------------------------------------


def _let_pass(source_id: str, batches: Sequence[Batch], seen: Mapping[Batch, pa.Table]) -> list[Outcome]:
    """Make the batches of one source current, in their order, up to the first that is held."""
    outcomes = []
    with lake.source_locked(source_id):
        # staff's word holds when a batch is staged anew, and so does what was current once
        passed = {name for name, one in decisions.decided(source_id).items() if one.decision == decisions.ACCEPT}
        passed |= {o.batch_id for o in recorded("stage", source_id) if o.verdict == "complete"}
        for at, batch in enumerate(batches):
            batch_id = batch.batch_id
            outcome = decisions.kept_outcome(source_id, batch_id)
            if outcome is None:  # another process was here
                break
            gates = seen[batch]
            _keep(source_id, batch_id, gates)
            failed = _failed(gates)
            if not failed or batch_id in passed:
                lake.release(source_id, batch_id)
                outcomes.append(outcome.record(outcome.ended_at))
                continue
            for later in batches[at + 1 :]:
                lake.remove_held_batch(source_id, later.batch_id)
            reason = _reason(source_id, batch_id, failed)
            decisions.keep_outcome(replace(outcome, verdict="held", reason=reason, ended_at=lake.now()))
            outcomes.append(waiting(source_id, batch_id).record())
            break
    return outcomes


def waiting(source_id: str, batch_id: str) -> Outcome:
    """The outcome of a held batch as it is told: until someone decides, its records are set aside."""
    kept = decisions.kept_outcome(source_id, batch_id)
    assert kept is not None
    return replace(kept, staged=0, deleted=0, unchanged=0, rejected=kept.received)


def _reason(source_id: str, batch_id: str, failed: list[dict[str, Any]]) -> str:
    english, chinese = expectations.in_both(map(decisions.failure, failed))
    command = f"calis gate accept (or reject) {source_id} {batch_id} --why …"
    return (
        f"held for staff, the source's last state stays: {english}; then {command} | "
        f"待人工处理，沿用该数据源上一次的状态：{chinese}；然后 {command}"
    )


def _keep(source_id: str, batch_id: str, rows: pa.Table) -> None:
    """Keep what the gates saw, in place of an earlier check of the same batch."""
    path = lake.batch_gate_file(source_id)
    earlier = lake.read_table(QUALITY_BATCH_GATE.full_name, [path] if path.exists() else [])
    with lake.replacing_file(path) as scratch:
        kept = pa.concat_tables([earlier.filter(pc.field("batch_id") != batch_id), rows])
        pq.write_table(kept, scratch, **lake.PARQUET)
