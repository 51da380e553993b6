"""What goes into the published DuckDB file, and how it is asked.

The file holds the catalogue of one build, what is known of its quality, dimensions and marts (`marts.py`).
"""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from harvesters.registry import Registry
from quality import decisions, metrics, score
from quality.rules import across
from schemas.tables import BY_NAME, TABLES
from warehouse import engine, health, lake, marts, small_groups, views

CATALOG = [table for table in TABLES if table.layer == "catalog"]
QUALITY = [
    BY_NAME[f"quality.{name}"]
    for name in (
        "source",
        "outcome",
        "issue",
        "score",
        "metric",
        "completeness",
        "record_score",
        "record_metric",
        "score_history",
        "defect",
        "gate",
        "batch_gate",
        "decision",
        "waiver",
    )
]


# Findings on current records, and why the records that were set aside were: both are for the member to mend.
_PUBLISHED_ISSUE = """
CREATE VIEW quality.published_issue AS
SELECT * FROM quality.current_issue
UNION ALL BY NAME
SELECT source_id, batch_id, record_no, record_id, rule, 'fail' AS severity, reason AS value
FROM staged.current_rejected
"""


# What the gates saw of each source's newest batch, and of every one that failed any.
_BATCH_GATE = """(
    SELECT * FROM memory.quality.batch_gate
    QUALIFY NOT success OR batch_id = max(batch_id) OVER (PARTITION BY source_id)
    ORDER BY ALL
)"""


class NotPublishedError(Exception):
    """There is no published file yet."""


# --- filling a new file ----------------------------------------------------------------------------------


def fill(con: duckdb.DuckDBPyConnection, file: Path, registry: Registry) -> dict[str, int]:
    """Fill a new file with catalogue, quality, dimensions and marts, and leave it attached and in use.

    Args:
        con: from `engine.open_lake`, which stays reachable as `memory`.
        file: where the new file shall be.
        registry: says which member a source is of.

    Returns:
        The rows of each copied table in the file.
    """
    for name, measured in metrics.measure(con).items():
        con.register(name.replace(".", "_"), measured)
    con.execute(f"ATTACH {marts.text(str(file))} AS published")
    for layer in ("catalog", "quality", *marts.SCHEMAS, *views.LANGUAGES):
        con.execute(f"CREATE SCHEMA published.{layer}")
    across.find(con, registry)
    con.register("scores", score.scores(con, registry))
    con.register("history", score.history(con))
    con.register("defects", score.defects(con))
    con.register("waivers", decisions.waiver_table())
    con.register("sources", health.sources(con, registry))
    con.execute(_PUBLISHED_ISSUE)
    made = {
        "quality.issue": "memory.quality.published_issue ORDER BY ALL",
        "quality.score": "scores",
        "quality.metric": "quality_metric",
        "quality.completeness": "quality_completeness",
        "quality.record_metric": "temp.main.record_metric ORDER BY ALL",
        "quality.source": "sources",
        "quality.batch_gate": _BATCH_GATE,
        "quality.waiver": "waivers",
        "quality.record_score": "temp.main.record_score ORDER BY ALL",
        "quality.score_history": "history",
        "quality.defect": "defects",
    }
    made |= {
        table.full_name: small_groups.hidden(con, table) for table in CATALOG if small_groups.has_readers(table)
    }
    for table in [*CATALOG, *QUALITY]:
        source = made.get(table.full_name, f"memory.{table.full_name}")
        columns = ", ".join(column.name for column in table.published)
        con.execute(f"CREATE TABLE published.{table.full_name} AS SELECT {columns} FROM {source}")
    con.execute("USE published")
    for table in [*CATALOG, *QUALITY]:
        marts.comment(con, "TABLE", table.full_name, table.grain, table.chinese)
        for column in table.published:
            marts.comment(con, "COLUMN", f"{table.full_name}.{column.name}", column.english, column.chinese)
    marts.prepare(con)
    made_here = marts.load()
    for mart in made_here:
        marts.add(con, mart)
    for macro in marts.macros():
        marts.add_macro(con, macro)
    views.add(con, views.of_tables(CATALOG, made_here))
    return {table.full_name: _count(con, table.full_name) for table in [*CATALOG, *QUALITY]}


def _count(con: duckdb.DuckDBPyConnection, name: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {name}").fetchone()
    return int(row[0]) if row else 0


def expected_rows(con: duckdb.DuckDBPyConnection, build_id: str) -> dict[str, int]:
    """How many rows the file must have: those of the build's Parquet files, and the current findings."""
    expected = {}
    for table in CATALOG:
        path = lake.catalog_build(build_id) / f"{table.name}.parquet"
        expected[table.full_name] = pq.read_metadata(path).num_rows if path.exists() else 0
    return {**expected, "quality.issue": _count(con, "memory.quality.published_issue")}


# --- asking ----------------------------------------------------------------------------------------------


def open_published() -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published file.

    Raises:
        NotPublishedError: nothing is published.
        duckdb.IOException: it is open for writing elsewhere, or damaged; says what to do.
    """
    file = lake.published_database()
    if not file.exists():
        raise NotPublishedError(
            f"nothing is published yet: no {file.name} in {file.parent}; run `calis run` first"
        )
    try:
        return engine.connect(file, read_only=True)
    except duckdb.IOException as error:
        lock = "lock" in str(error)
        todo = "close what has it open for writing, or open it there read-only" if lock else "run `calis publish`"
        raise duckdb.IOException(f"{file.name} can't be opened: {todo} ({error})") from error


def query(sql: str) -> pa.Table:
    """The answer of the published file to a query; the file is open for reading only.

    Raises:
        NotPublishedError: nothing is published.
        duckdb.Error: the query is wrong; DuckDB's message says where.
    """
    with open_published() as con:
        return con.execute(sql).to_arrow_table()
