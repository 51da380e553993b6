"""How the sources are: which fail, since when, and which are late; asked of the lake or of the published file.

The question itself is the mart `source_health`.  It reads `quality.outcome`, and `quality.source`, which is made
here from the registry, since only a program can tell when a cron expression is due.  What to do about a reason
stands in `sql/harvest_advice.csv`, and whether it may pass by itself.
"""

import csv
import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from harvesters import registry, schedule
from harvesters.registry import Registry, Source
from schemas.quality import QUALITY_SOURCE
from warehouse import engine, lake, marts
from warehouse.outcome import FINISHED, NEEDS_A_PERSON, Outcome

_ATTEMPTS = """
SELECT source_id, min(started_at), max(started_at), max(started_at) FILTER (verdict IN ?)
FROM quality.outcome WHERE stage = 'harvest' AND asked_for IS NULL GROUP BY source_id
"""


class TryAgainError(Exception):
    """Sources failed by what may pass; the message lists each with its reason."""


def sources(con: duckdb.DuckDBPyConnection, members: Registry, now: datetime | None = None) -> pa.Table:
    """`quality.source` of every registered source, from a connection that sees the lake."""
    now = now or lake.now()
    attempts = {row[0]: row for row in con.execute(_ATTEMPTS, [list(FINISHED)]).fetchall()}
    rows = [_row(source, attempts.get(source.source_id), now) for source in members.sources]
    return pa.Table.from_pylist(rows, schema=QUALITY_SOURCE.schema)


def _row(source: Source, attempts: tuple[Any, ...] | None, now: datetime) -> dict[str, Any]:
    _, first, last, good = attempts or ("", None, None, None)
    shared = {"source_id", "member_code", "protocol", "format", "delivery", "schedule"}
    return {
        **source.model_dump(include=shared),
        "host": source.host,
        "next_due": schedule.next_due(source, last, now),
        "late_from": schedule.late_from(source, good or first),
        "as_of": now,
    }


def source_health(now: datetime | None = None) -> pa.Table:
    """The mart `source_health` as of now, from the lake: it needs no publication."""
    mart = next(mart for mart in marts.load() if mart.name == "source_health")
    with engine.open_lake() as con:
        con.register("sources", sources(con, registry.load(), now))
        con.execute("CREATE VIEW quality.source AS SELECT * FROM sources")
        marts.prepare(con)
        return con.execute(mart.sql).to_arrow_table()


# --- trying again ----------------------------------------------------------------------------------------


@cache
def _passing() -> list[tuple[re.Pattern[str], bool]]:
    with (marts.SQL / "harvest_advice.csv").open(encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["place"]))
    return [(re.compile(row["pattern"], re.IGNORECASE), row["passes"] == "yes") for row in rows]


def may_pass(reason: str) -> bool:
    """Whether what a harvest failed for may pass by itself; a source that refuses us, for one, does not."""
    return next((passes for pattern, passes in _passing() if pattern.search(reason)), False)


def raise_to_try_again(outcomes: Iterable[Outcome], last: bool) -> None:
    """Raise for sources that are worth another try, unless this was the last; then their outcomes speak.

    Raises:
        TryAgainError: with each such source and its reason.
    """
    bad = [o for o in outcomes if o.verdict in NEEDS_A_PERSON and may_pass(o.reason)]
    if bad and not last:
        lines = "\n".join(f"  {o.verdict}: {o.reason}" for o in bad)
        raise TryAgainError(f"{len(bad)} source(s) are asked again:\n{lines}")
