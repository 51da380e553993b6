"""What goes into the published DuckDB file, and how it is asked.

The file holds the catalogue of one build, what is known of its quality, and the marts: one SQL file each in
`sql/marts/`, which begins with comments::

    -- The question in English?
    -- 中文的问题？
    -- column name: What it means | 含义
    SELECT …

A mart may read `catalog`, `quality` and other marts; the order follows from what it reads.
"""

import re
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from harvesters.registry import Registry
from quality import decisions, score
from schemas.tables import BY_NAME, TABLES
from warehouse import engine, health, lake

SQL = Path(__file__).resolve().parent / "sql"
CATALOG = [table for table in TABLES if table.layer == "catalog"]
QUALITY = [
    BY_NAME[f"quality.{name}"]
    for name in (
        "source",
        "outcome",
        "issue",
        "score",
        "record_score",
        "score_history",
        "defect",
        "gate",
        "batch_gate",
        "decision",
        "waiver",
    )
]
_COLUMN = re.compile(r"^-- column (\w+): (.+?) \| (.+)$", re.MULTILINE)


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


class MartError(Exception):
    """A mart's file lacks its question, or its columns and their comments differ."""


class NotPublishedError(Exception):
    """There is no published file yet."""


@dataclass(frozen=True)
class Mart:
    """One SQL file; `columns` has the English and Chinese comment of each column."""

    name: str
    english: str
    chinese: str
    columns: dict[str, tuple[str, str]]
    sql: str

    @property
    def needs(self) -> set[str]:
        """The marts that it reads."""
        return set(re.findall(r"\bmarts\.(\w+)", self.sql)) - {self.name}


def _mart(path: Path) -> Mart:
    text = path.read_text("utf-8")
    lines = text.splitlines()
    if len(lines) < 3 or not all(line.startswith("-- ") and ("?" in line or "？" in line) for line in lines[:2]):
        raise MartError(f"{path.name}: its first two lines must be its question in English and in Chinese")
    columns = {name: (english, chinese) for name, english, chinese in _COLUMN.findall(text)}
    return Mart(path.stem, lines[0][3:], lines[1][3:], columns, text)


def marts(folder: Path = SQL / "marts") -> list[Mart]:
    """All marts, each after those that it reads."""
    found = {path.stem: _mart(path) for path in sorted(folder.glob("*.sql"))}
    order = TopologicalSorter({name: sorted(mart.needs) for name, mart in found.items()}).static_order()
    return [found[name] for name in order]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _comment(con: duckdb.DuckDBPyConnection, kind: str, name: str, english: str, chinese: str) -> None:
    con.execute(f"COMMENT ON {kind} {name} IS {_text(f'{english} | {chinese}')}")


# --- filling a new file ----------------------------------------------------------------------------------


def fill(con: duckdb.DuckDBPyConnection, file: Path, registry: Registry) -> dict[str, int]:
    """Fill a new file with catalogue, quality and marts, and leave it attached and in use.

    Args:
        con: from `engine.open_lake`, which stays reachable as `memory`.
        file: where the new file shall be.
        registry: says which member a source is of.

    Returns:
        The rows of each copied table in the file.
    """
    con.execute(f"ATTACH {_text(str(file))} AS published")
    for layer in ("catalog", "quality", "marts"):
        con.execute(f"CREATE SCHEMA published.{layer}")
    con.register("scores", score.scores(con, registry))
    con.register("history", score.history(con))
    con.register("defects", score.defects(con))
    con.register("waivers", decisions.waiver_table())
    con.register("sources", health.sources(con, registry))
    con.execute(_PUBLISHED_ISSUE)
    made = {
        "quality.issue": "memory.quality.published_issue ORDER BY ALL",
        "quality.score": "scores",
        "quality.source": "sources",
        "quality.batch_gate": _BATCH_GATE,
        "quality.waiver": "waivers",
        "quality.record_score": "temp.main.record_score ORDER BY ALL",
        "quality.score_history": "history",
        "quality.defect": "defects",
    }
    for table in [*CATALOG, *QUALITY]:
        source = made.get(table.full_name, f"memory.{table.full_name}")
        columns = ", ".join(column.name for column in table.published)
        con.execute(f"CREATE TABLE published.{table.full_name} AS SELECT {columns} FROM {source}")
    con.execute("USE published")
    for table in [*CATALOG, *QUALITY]:
        _comment(con, "TABLE", table.full_name, table.grain, table.chinese)
        for column in table.published:
            _comment(con, "COLUMN", f"{table.full_name}.{column.name}", column.english, column.chinese)
    con.execute(f"SET VARIABLE sql_folder = {_text(str(SQL))}")
    for mart in marts():
        add_mart(con, mart)
    return {table.full_name: _count(con, table.full_name) for table in [*CATALOG, *QUALITY]}


def _count(con: duckdb.DuckDBPyConnection, name: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {name}").fetchone()
    return int(row[0]) if row else 0


def add_mart(con: duckdb.DuckDBPyConnection, mart: Mart) -> None:
    """Make one mart with its comments.

    Raises:
        MartError: the columns that it gives and those that it explains differ.
    """
    con.execute(f"CREATE TABLE marts.{mart.name} AS {mart.sql}")
    given = [row[0] for row in con.execute(f"DESCRIBE marts.{mart.name}").fetchall()]
    if given != list(mart.columns):
        raise MartError(f"{mart.name}.sql gives the columns {given}, but explains {list(mart.columns)}")
    _comment(con, "TABLE", f"marts.{mart.name}", mart.english, mart.chinese)
    for name, (english, chinese) in mart.columns.items():
        _comment(con, "COLUMN", f"marts.{mart.name}.{name}", english, chinese)


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
    """
    file = lake.published_database()
    if not file.exists():
        raise NotPublishedError(
            f"nothing is published yet: no {file.name} in {file.parent}; run `calis run` first"
        )
    return engine.connect(file, read_only=True)


def query(sql: str) -> pa.Table:
    """The answer of the published file to a query; the file is open for reading only.

    Raises:
        NotPublishedError: nothing is published.
        duckdb.Error: the query is wrong; DuckDB's message says where.
    """
    with open_published() as con:
        return con.execute(sql).to_arrow_table()
