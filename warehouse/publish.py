"""Publish: a new DuckDB file from the current build, checked by gates, then renamed over the old one."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvesters import registry
from quality import expectations
from schemas.quality import QUALITY_GATE, QUALITY_OUTCOME
from warehouse import build, engine, lake
from warehouse.outcome import EVERY_SOURCE, Outcome

GATE = "build"
FAILING = "sources_failing_percent"  # the expectation that a deployment may set a limit of its own for


class _HeldError(Exception):
    """Leave the block without replacing the published file."""


def publish(run_id: str, failed_percent: float | None = None) -> list[Outcome]:
    """Publish the newest catalogue build.

    Args:
        run_id: the run that asks for it.
        failed_percent: of how many sources in a hundred the last harvest may have failed, in place of what
            `gates.csv` says.

    Returns:
        One outcome for all sources.  `received` counts the rows of the build's tables, `staged` those in the
        published file.  Where a gate fails or counts differ, the verdict is held, all rows count as rejected,
        the reason lists what was expected and seen, and the last good file stays.  Without a build: failed.
    """
    builds = lake.catalog_builds()
    outcome = Outcome("publish", EVERY_SOURCE, builds[-1] if builds else lake.new_batch_id(), run_id)
    if not builds:
        outcome.verdict, outcome.reason = "failed", "there is no catalogue build; run `calis catalog` first"
        return [outcome.record()]
    try:
        with lake.replacing_file(lake.published_database()) as scratch, engine.open_lake() as con:
            if reasons := _fill_and_check(con, scratch, outcome, failed_percent):
                raise _HeldError(reasons)
            _keep_quality(con, outcome.batch_id)
            outcome.staged, outcome.ended_at = outcome.received, lake.now()
            _append(con, "quality.outcome", pa.Table.from_pylist([vars(outcome)], QUALITY_OUTCOME.schema))
    except _HeldError as held:
        outcome.verdict, outcome.rejected = "held", outcome.received
        english, chinese = expectations.in_both(held.args[0])
        outcome.reason = (
            f"not published, the last good file stays: {english} | 未发布，沿用上一次的文件：{chinese}"
        )
    outcome.require_balance()
    return [outcome.record()]


def _fill_and_check(
    con: duckdb.DuckDBPyConnection, file: Path, outcome: Outcome, failed_percent: float | None
) -> list[str]:
    """Fill the new file; what speaks against publishing it."""
    build_id = outcome.batch_id
    try:
        con.execute(f"SET VARIABLE published_bibs = {_published_bibs()}")
    except duckdb.IOException as error:
        return [f"the published file can't be read ({error}); close what writes to it, or open it read-only"]
    rows = build.fill(con, file, registry.load())
    expected = build.expected_rows(con, build_id)
    outcome.received = sum(count for name, count in expected.items() if name.startswith("catalog."))
    chosen = expectations.load()
    if failed_percent is not None:
        chosen = tuple(replace(e, maximum=failed_percent) if e.name == FAILING else e for e in chosen)
    observations = expectations.observe(expectations.summary(con, chosen), chosen)
    gate = _gate_rows(build_id, observations)
    _keep(build_id, gate)
    # what an earlier publication of the same build left behind gives way to this one
    con.execute("DELETE FROM quality.gate WHERE build_id = ?", [build_id])
    con.execute("DELETE FROM quality.outcome WHERE stage = 'publish' AND batch_id = ?", [build_id])
    _append(con, "quality.gate", gate)
    lost = [
        f"{name}: {count} rows in the build, {rows[name]} in the file; keep the build and report it"
        for name, count in expected.items()
        if rows[name] != count
    ]
    return lost + [str(seen) for seen in observations if not seen.success]


def _published_bibs() -> int:
    try:
        return int(build.query("SELECT count(*) FROM catalog.bib").column(0)[0].as_py())
    except (build.NotPublishedError, duckdb.CatalogException):
        return 0


def _gate_rows(build_id: str, observations: list[expectations.Observation]) -> pa.Table:
    rows = [
        {
            "build_id": build_id,
            "gate": GATE,
            "expectation": seen.expectation.text,
            "observed": seen.shown,
            "success": seen.success,
        }
        for seen in observations
    ]
    return pa.Table.from_pylist(rows, schema=QUALITY_GATE.schema)


def _append(con: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    con.register("new_rows", rows)
    con.execute(f"INSERT INTO {name} BY NAME SELECT * FROM new_rows")


def _keep_quality(con: duckdb.DuckDBPyConnection, build_id: str) -> None:
    """Keep scores and defects as of this build in the lake, where they outlast it."""
    rows = con.execute("SELECT * FROM quality.score_history WHERE build_id = ?", [build_id]).to_arrow_table()
    with lake.replacing_file(lake.score_file(build_id)) as scratch:
        pq.write_table(lake.conform("quality.score_history", rows), scratch, **lake.PARQUET)
    rows = con.execute("SELECT * FROM quality.defect").to_arrow_table()
    with lake.replacing_file(lake.defect_file(build_id)) as scratch:
        pq.write_table(lake.conform("quality.defect", rows), scratch, **lake.PARQUET)
    for file in lake.defect_files()[: -lake.KEEP_BUILDS]:
        file.unlink()


def _keep(build_id: str, rows: pa.Table) -> None:
    """Keep what the gate saw in the lake, in place of an earlier check of the same build."""
    path = lake.gate_file()
    earlier = lake.read_table("quality.gate", [path] if path.exists() else [])
    with lake.replacing_file(path) as scratch:
        pq.write_table(pa.concat_tables([earlier.filter(pc.field("build_id") != build_id), rows]), scratch)
