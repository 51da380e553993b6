"""Which engine runs the catalogue, and DuckDB connections with our settings."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import duckdb
import numpy as np
import pyarrow as pa

from schemas.staged import STAGED_BIB, STAGED_RECORD
from schemas.tables import BY_NAME, TABLES
from schemas.usage import STAGED_FACTS
from warehouse import lake

# Staging opens a connection in every process, and does without ibis, which takes 30 MB and most of a second.
if TYPE_CHECKING:
    import ibis
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table

    from warehouse.spark import Spark

    Question = Callable[[Table], Table]

DUCKDB, SPARK = "duckdb", "spark"
# What `transforms.candidates` calls: 60 bits of the MD5 of a text.
DIGEST = "CREATE OR REPLACE TEMP MACRO digest(text) AS (md5_number_upper(text) >> 4)::BIGINT"
SETTINGS = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
# What is handed over as Arrow is made by all threads until a buffer is full, which has 1 MB if nothing is said.
BUFFER = "512MB"
LENT = "lent"  # the name of a table of Arrow while DuckDB has it


def connect(
    database: Path | None = None, read_only: bool = False, memory_limit: str = ""
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection (in memory without a path) that never downloads an extension."""
    config: dict[str, str | bool | int | float | list[str]] = dict(SETTINGS)
    if memory_limit:
        config["memory_limit"] = memory_limit
    con = duckdb.connect(str(database) if database else ":memory:", read_only=read_only, config=config)
    con.execute(f"SET TimeZone = 'UTC'; SET streaming_buffer_size = '{BUFFER}'")
    con.execute(DIGEST)
    return con


class EngineError(Exception):
    """The engine that was asked for can't be used; says what to do."""


def wanted() -> str:
    """The engine that `CALIS_ENGINE` names.

    Raises:
        EngineError: there is no such engine.
    """
    name = os.environ.get("CALIS_ENGINE") or DUCKDB
    if name not in (DUCKDB, SPARK):
        raise EngineError(f"CALIS_ENGINE is {name!r}: say {DUCKDB} (also the default) or {SPARK}")
    return name


def spark_lacks() -> str:
    """What has to be installed before Spark can run; empty if nothing."""
    if not importlib.util.find_spec("pyspark"):
        return "PySpark is not installed (pip install -e '.[spark]')"
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        return "there is no Java; Spark needs version 17 (apt-get install default-jre-headless, or set JAVA_HOME)"
    return ""


@contextmanager
def matching(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[BaseBackend, Table]]:
    """The backend that matches, as `CALIS_ENGINE` says, and `staged.current_bib` in it.

    Spark runs at `CALIS_SPARK_MASTER`, by default within this process (`local[*]`), and ends with the block.

    Args:
        con: `open_lake`.

    Raises:
        EngineError: the engine can't be used.
    """
    import ibis
    from ibis.util import gen_name

    if wanted() == DUCKDB:
        backend = ibis.duckdb.from_connection(con)
        yield backend, backend.table("current_bib", database="staged")
        return
    if lacking := spark_lacks():
        raise EngineError(f"CALIS_ENGINE=spark: {lacking}")
    from warehouse.spark import connected

    master = os.environ.get("CALIS_SPARK_MASTER") or "local[*]"
    position = ["source_id", "batch_id", "record_no"]
    indexed = pa.schema([STAGED_RECORD.schema.field(name) for name in (*position, "deleted")])
    with lake.scratch_folder() as folder, connected(master, folder) as cluster:
        record = cluster.parquet(lake.current_record_files(), indexed)
        bib = cluster.parquet(lake.staged_files("bib"), STAGED_BIB.schema)
        current = bib.semi_join(record.filter(~record.deleted), position)
        yield cluster, cluster.create_view(gen_name("current_bib"), current)  # a table, as in DuckDB


def has_workers(con: BaseBackend) -> bool:
    """Whether a backend computes in processes of its own, where `mapped` brings functions."""
    return con.name == "pyspark"


def prepare(con: BaseBackend) -> None:
    """Give Spark the function that the catalogue's expressions call; connections of `connect` have it."""
    if has_workers(con):
        con.raw_sql(cast("Spark", con).digest)


def kept(con: BaseBackend, name: str, expression: Table) -> Table:
    """The result of an expression as a temporary table; its name is new, since replacing copies twice."""
    from ibis.util import gen_name

    return con.create_table(gen_name(name), expression, temp=True)


def drop(con: BaseBackend, *tables: Table) -> None:
    """Give back the room of temporary tables; ibis's own function fails with the newest sqlglot."""
    for table in tables:
        if has_workers(con):
            cast("Spark", con).forget(table.get_name())
        else:
            con.raw_sql(f"DROP TABLE {table.get_name()}")


def answered(con: BaseBackend, table: pa.Table, question: Question) -> pa.Table:
    """What a question that is asked again and again says of a table of Arrow.

    DuckDB's SQL is made once, and the engine lets go of the table at the end; of ibis's own no one knows when.

    Args:
        question: a function of a module, which stays the same for tables of one schema.
    """
    import ibis

    if has_workers(con):
        return con.to_pyarrow(question(ibis.memtable(table)))
    sql, told = _asked(question, table.schema)
    connection = cast("ibis.duckdb.Backend", con).con
    connection.register(LENT, table)
    try:
        return connection.sql(sql).to_arrow_table().cast(told)
    finally:
        connection.unregister(LENT)


@lru_cache(maxsize=16)
def _asked(question: Question, given: pa.Schema) -> tuple[str, pa.Schema]:
    """DuckDB's SQL of a question about a table that is lent, and the schema of what it says."""
    import ibis

    asked = question(ibis.table(ibis.Schema.from_pyarrow(given), name=LENT))
    return str(ibis.to_sql(asked, dialect=DUCKDB)), asked.schema().to_pyarrow()


def taken_out(con: BaseBackend, table: Table, order: Sequence[str]) -> pa.Table:
    """A temporary table in some order, which here is given up: it need not be in memory twice.

    Each column can be let go for itself, which is not so of what DuckDB hands over.
    """
    rows = table.order_by(*order) if order else table
    if has_workers(con):
        return rows.to_pyarrow()
    batches = rows.to_pyarrow_batches(chunk_size=1_000_000)
    found = pa.Table.from_batches(
        (batch.take(pa.array(np.arange(len(batch)))) for batch in batches), rows.schema().to_pyarrow()
    )
    drop(con, table)
    return found


def mapped(
    con: BaseBackend,
    table: Table,
    function: Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]],
    schema: pa.Schema,
) -> Table:
    """The rows of an expression put through a function of Arrow batches in the workers of a backend; in no order.

    Workers find the function by its name, so they have this program; what is bound to it (`functools.partial`)
    is sent to them.
    """
    return cast("Spark", con).mapped(table, function, schema)


def give_back() -> None:
    """Hand memory that nobody uses any more to the system; allocators keep it for a next time."""
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the C library of GNU alone
    if trim:
        trim(0)


def threads(con: BaseBackend) -> int:
    """How many threads are to work beside a backend on this machine."""
    if has_workers(con):
        return os.cpu_count() or 1
    return int(con.raw_sql("SELECT current_setting('threads')").fetchall()[0][0])


def view(con: duckdb.DuckDBPyConnection, name: str, files: list[Path]) -> None:
    """Make `layer.table` a view of Parquet files; without files, an empty table of its contract."""
    layer, table = name.split(".")
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {layer}")
    empty = f"empty_{layer}_{table}"
    con.register(empty, BY_NAME[name].empty())
    sql = f"SELECT * FROM {empty}"
    if files:
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        sql = f"SELECT * FROM read_parquet([{listed}])"
        if name == "quality.outcome":  # never made anew, so older files lack the columns that came later
            sql = f"SELECT * FROM {empty} UNION ALL BY NAME {sql.replace('])', '], union_by_name = true)')}"
    con.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")


def open_lake(memory_limit: str = "") -> duckdb.DuckDBPyConnection:
    """A connection that sees every table on disk under its name, and `staged.current_bib` (and so on).

    A `current_` view holds the versions that the newest record index of each source points to; of usage, those
    that no `staged.superseded` names.
    """
    con = connect(memory_limit=memory_limit)
    for table in TABLES:
        if table.layer == "staged" and table.name != "record":
            view(con, table.full_name, lake.staged_files(table.name))
    view(con, "staged.record", lake.current_record_files())
    view(con, "quality.issue", lake.staged_files("issue"))
    view(con, "quality.outcome", lake.outcome_files())
    view(con, "quality.gate", [f for f in [lake.gate_file()] if f.exists()])
    view(con, "quality.batch_gate", lake.batch_gate_files())
    view(con, "quality.decision", lake.added_files("quality.decision"))
    builds = lake.catalog_builds()
    for table in TABLES:
        if table.layer == "catalog":
            path = lake.catalog_build(builds[-1]) / f"{table.name}.parquet" if builds else None
            view(con, table.full_name, [path] if path and path.exists() else [])
    for schema, name in (
        ("staged", "bib"),
        ("staged", "field"),
        ("staged", "holding"),
        ("staged", "item"),
        ("quality", "issue"),
    ):
        con.execute(
            f"""CREATE VIEW {schema}.current_{name} AS
            SELECT t.* FROM {schema}.{name} t
            SEMI JOIN (SELECT * FROM staged.record WHERE NOT deleted) r
            USING (source_id, batch_id, record_no)"""
        )
    for name in STAGED_FACTS:
        con.execute(
            f"""CREATE VIEW staged.current_{name} AS
            SELECT * FROM staged.{name} t
            ANTI JOIN (SELECT source_id, old_batch_id AS batch_id, old_record_no AS record_no
                FROM staged.superseded WHERE table_name = '{name}') s
            USING (source_id, batch_id, record_no)"""
        )
    return con
