"""The published file as analysts open it: DuckDB's shell, Python, `calis query`; by names in two languages."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from warehouse import lake

pytestmark = pytest.mark.xdist_group("published")
PLACES = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
SHELL = shutil.which("duckdb", path=PLACES)
LOANS = "SELECT member_code, year, loans FROM marts.circulation ORDER BY ALL"
CHINESE = 'SELECT "成员馆代码", "年", "借出次数" FROM zh."流通统计" ORDER BY ALL'
ENGLISH = 'SELECT "Member code", "Year", "Loans" FROM en."Circulation" ORDER BY ALL'
LENDERS = """SELECT member_code, rank, items
    FROM marts.lenders((SELECT bib_id FROM catalog.bib ORDER BY members DESC, bib_id LIMIT 1), 'D11001')"""


def calis(sql: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import cli; cli.entry()", "query", sql],
        capture_output=True, text=True, cwd=lake.CHECKOUT,
        env={**os.environ, "CALIS_HOME": str(home or lake.home()), "COLUMNS": "200"},
    )  # fmt: skip


@pytest.mark.skipif(not SHELL, reason="needs DuckDB's shell (pip install duckdb-cli)")
@pytest.mark.parametrize("sql", [LOANS, CHINESE, ENGLISH, LENDERS], ids=["plain", "zh", "en", "macro"])
def test_the_shell_gives_what_python_gives(published_lake, sql):
    file = str(lake.published_database())
    command = [SHELL, "-readonly", "-csv", file, "-c", sql]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    with duckdb.connect(file, read_only=True) as con:
        rows = con.execute(sql).fetchall()
    _, *seen = csv.reader(io.StringIO(told.stdout))
    assert seen == [list(map(str, row)) for row in rows]
    assert len(rows) > 3


def test_pandas_gets_numbers_and_dates(published_lake):
    with duckdb.connect(str(lake.published_database()), read_only=True) as con:
        frame = con.sql(
            "SELECT month, sum(loans)::BIGINT AS loans FROM marts.loans_by_title_and_month GROUP BY 1"
        ).df()
    assert str(frame["month"].dtype).startswith("datetime64") and frame["loans"].sum() > 0


def test_each_name_in_two_languages_gives_the_rows_of_its_table(published_lake):
    with duckdb.connect(str(lake.published_database()), read_only=True) as con:
        views = con.execute("SELECT schema_name, view_name FROM duckdb_views() WHERE schema_name IN ('zh', 'en')")
        names = [f'{schema}."{name}"' for schema, name in views.fetchall()]
        counted = [con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in names]
    assert len(counted) > 100 and sum(counted) > 0


def test_a_query_answers_in_a_table(published_lake):
    told = calis(CHINESE)
    assert told.returncode == 0 and "成员馆代码" in told.stdout and "D11001" in told.stdout


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT colunm FROM marts.overlap", 'Referenced column "colunm" not found'),
        ("SELECT * FROM marts.overlpa", 'Did you mean "overlap"'),
        ("SELECT 成员馆 FROM zh.流通统计", 'Referenced column "成员馆" not found'),
        ("DELETE FROM catalog.bib", "read-only"),
    ],
)
def test_an_error_says_what_is_wrong_and_what_is_meant(published_lake, sql, said):
    told = calis(sql)
    assert told.returncode == 1 and said in told.stderr and "Traceback" not in told.stderr


def test_a_file_that_is_missing_damaged_or_locked_says_what_to_do(published_lake, tmp_path):
    told = calis("SELECT 1", tmp_path)
    assert told.returncode == 1 and "nothing is published yet" in told.stderr and "calis run" in told.stderr
    file = tmp_path / "published" / "union.duckdb"
    file.parent.mkdir()
    file.write_bytes(b"no database")
    told = calis("SELECT 1", tmp_path)
    assert told.returncode == 1 and "run `calis publish`" in told.stderr
    file.unlink()
    with duckdb.connect(str(file)):
        told = calis("SELECT 1", tmp_path)
    assert told.returncode == 1 and "close what has it open for writing" in told.stderr
