"""Made again with another number of threads, facts have the same bytes, and the published file the same rows."""

import os

import pytest

from harvesters import registry
from schemas.usage import CATALOG_FACTS
from transforms.usage import facts
from warehouse import build, engine, lake

pytestmark = pytest.mark.xdist_group("published")
OF_THE_DAY = ("marts.source_health",)  # how late a source is depends on when one asks
TABLES = """SELECT schema_name || '.' || table_name FROM duckdb_tables()
    WHERE schema_name IN ('catalog', 'dim', 'marts') ORDER BY ALL"""


def test_facts_are_the_same_with_one_thread_and_with_many(published_lake, tmp_path):
    made = lake.catalog_build(lake.catalog_builds()[-1])
    for threads in (1, 5):
        folder = tmp_path / str(threads)
        folder.mkdir()
        for name in facts.READ:
            os.link(made / f"{name}.parquet", folder / f"{name}.parquet")
        with engine.open_lake() as con:
            con.execute(f"SET threads = {threads}")
            facts.write(con, registry.load(), folder)
        for name in CATALOG_FACTS:
            again, before = ((place / f"{name}.parquet").read_bytes() for place in (folder, made))
            assert again == before, f"{name}, {threads} threads"


def test_the_file_is_the_same_with_another_number_of_threads(published_lake, tmp_path):
    with engine.open_lake() as con:
        con.execute("SET threads = 5")
        build.fill(con, tmp_path / "again.duckdb", registry.load())
    with build.open_published() as con:
        con.execute(f"ATTACH '{tmp_path / 'again.duckdb'}' AS again (READ_ONLY)")
        names = [name for (name,) in con.execute(TABLES).fetchall() if name not in OF_THE_DAY]
        assert len(names) > 55
        for name in names:
            assert con.execute(f"FROM {name}").fetchall() == con.execute(f"FROM again.{name}").fetchall(), name
