"""Spark as ibis sees it: tables go in and come out as Arrow, and temporary tables are Parquet files.

ibis's own PySpark backend takes tables both ways through pandas, whose version 3 PySpark does not support yet,
and knows no temporary tables.  Needs the extra `spark` (PySpark 4.3) and Java 17 or later.
"""

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
from ibis.backends.pyspark import Backend
from ibis.expr.types import Expr, Table
from ibis.util import gen_name
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

# no table goes through pandas here
warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)

BATCH = 65_536  # rows that a worker's function gets at once
# What results depend on: both engines have to mean the same.
MEANING = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
}
# What `transforms.candidates` calls, as `warehouse.engine` has it for DuckDB.  DuckDB takes MD5's first bytes as
# a number from right to left.
_FIRST_BYTES = ", ".join(f"substr(md5(text), {at}, {2 if at > 1 else 1})" for at in range(15, 0, -2))
DIGEST = (
    "CREATE OR REPLACE TEMPORARY FUNCTION digest(text STRING) RETURNS BIGINT "
    f"RETURN CAST(conv(concat({_FIRST_BYTES}), 16, 10) AS BIGINT)"
)


def session(master: str) -> SparkSession:
    """The session that runs already, else a new one at a master; all else is said in `spark-defaults.conf`."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if local := master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # nobody else is to talk to it
    builder = SparkSession.builder.appName("calis").master(master)
    spark = builder.config("spark.driver.maxResultSize", "0").getOrCreate()  # scored pairs all come here
    for name, value in MEANING.items():
        spark.conf.set(name, value)
    if local:  # Spark's 200 are meant for clusters
        spark.conf.set("spark.sql.shuffle.partitions", 2 * spark.sparkContext.defaultParallelism)
    return spark


def _types(schema: pa.Schema) -> StructType:
    return from_arrow_schema(schema, prefer_timestamp_ntz=True)


@contextmanager
def connected(master: str, scratch: Path) -> Iterator["Spark"]:
    """A backend at a master; a session that was not there before ends with the block.

    Args:
        master: as Spark writes it: `local[*]`, `spark://host:7077`, `yarn` …
        scratch: a folder for temporary tables, under one path on all machines.
    """
    running = SparkSession.getActiveSession()
    backend = Spark()
    backend.register_options()
    backend.do_connect(running or session(master))
    backend.scratch = scratch
    try:
        yield backend
    finally:
        if running is None:
            backend.disconnect()


class Spark(Backend):
    """ibis's backend over a session, with tables as Arrow."""

    scratch: Path
    digest = DIGEST

    def to_pyarrow(self, expr: Expr, /, **kwargs: Any) -> Any:
        """The result of an expression in the types that it has."""
        table = expr.as_table()
        found = self._frame(table, **kwargs).toArrow()
        return expr.__pyarrow_result__(found.cast(table.schema().to_pyarrow()))

    def create_table(self, name: str, /, obj: Any = None, *, temp: bool | None = None, **kwargs: Any) -> Table:
        """As ibis's; a temporary table is a folder of Parquet, so that what follows is planned from its size."""
        if not temp:
            return super().create_table(name, obj, temp=temp, **kwargs)
        return self._kept(name, self._frame(obj if isinstance(obj, Table) else ibis.memtable(obj)))

    def forget(self, name: str) -> None:
        """Remove a temporary table."""
        self._session.catalog.dropTempView(name)
        shutil.rmtree(self.scratch / name)

    def read_parquet(self, path: Any, /, *, table_name: str | None = None, **kwargs: Any) -> Table:
        """A file, or a folder of files, on a path that all machines have."""
        name = table_name or gen_name("read_parquet")
        self._session.read.parquet(Path(path).as_uri()).createTempView(name)
        return self.table(name)

    def to_parquet(self, expr: Table, /, path: Any, *, compression: str = "zstd", **kwargs: Any) -> None:
        """Write a folder of files."""
        self._frame(expr).write.parquet(Path(path).as_uri(), compression=compression)

    def parquet(self, files: list[Path], schema: pa.Schema) -> Table:
        """Parquet files whose schema is known, so that none has to be opened for it; without files, no rows."""
        name, types = gen_name("parquet"), _types(schema)
        if files:
            return self._view(name, [file.as_uri() for file in files], types)
        self._session.createDataFrame([], types).createTempView(name)
        return self.table(name)

    def mapped(
        self,
        table: Table,
        function: Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
    ) -> Table:
        """`warehouse.engine.mapped`, computed once and kept."""
        return self._kept(gen_name("mapped"), self._frame(table).mapInArrow(function, _types(schema)))

    def _frame(self, table: Table, **kwargs: Any) -> DataFrame:
        """An expression, not computed yet, in ibis's types: Spark numbers rows in 32 bits where ibis says 64."""
        self._run_pre_execute_hooks(table)
        return self.raw_sql(self.compile(table, **kwargs)).to(_types(table.schema().to_pyarrow()))

    def _kept(self, name: str, frame: DataFrame) -> Table:
        place = (self.scratch / name).as_uri()
        frame.write.parquet(place)
        return self._view(name, [place], frame.schema)

    def _view(self, name: str, places: list[str], types: StructType) -> Table:
        self._session.read.schema(types).parquet(*places).createTempView(name)
        return self.table(name)

    def _register_in_memory_table(self, op: Any) -> None:
        self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)
