"""The DAGs: thin, and run for real on a small consortium."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from operations import local_airflow
from warehouse import engine, lake

LIGHT = {"typing", "airflow.sdk", "harvesters.pools", "operations", "operations.notices"}
DAGS = sorted((lake.CHECKOUT / "dags").glob("*.py"))


def test_there_are_exactly_the_dags_that_are_run():
    assert {path.stem for path in DAGS} == set(local_airflow.RUN)


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_a_dag_file_is_wiring_only(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) < 80
    top = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in top}
    assert names <= LIGHT, "a heavy import slows every parse of the folder"
    assert not (lake.CHECKOUT / path.stem).exists(), "a DAG file may not have a folder's name"


def run_through_airflow(home: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("calis"), "run", "--airflow"]
    environment = os.environ | {"CALIS_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        command, env=environment, cwd=lake.CHECKOUT, capture_output=True, text=True, check=False, timeout=400
    )


def one(sql: str):
    with engine.connect(lake.published_database(), read_only=True) as con:
        return con.execute(sql).fetchone()


def test_the_dags_build_the_union_of_a_small_consortium(small_consortium):
    result = run_through_airflow(small_consortium)
    assert result.returncode == 0, result.stdout + result.stderr
    bibs, records = one("SELECT (SELECT count(*) FROM catalog.bib), (SELECT count(*) FROM catalog.bib_record)")
    assert 0 < bibs < records
    assert one("SELECT count(*) FROM catalog.bib WHERE regexp_matches(title, '[一-鿿]')")[0] > 50
    assert one("SELECT count(*) FROM quality.outcome WHERE verdict NOT IN ('complete', 'unchanged')") == (0,)
    assert one("SELECT count(*) FROM quality.gate WHERE NOT success") == (0,)
    assert (lake.site() / "index.html").exists()

    again = run_through_airflow(small_consortium)
    assert again.returncode == 0, again.stdout + again.stderr
    assert one("SELECT (SELECT count(*) FROM catalog.bib), (SELECT count(*) FROM catalog.bib_record)") == (
        bibs,
        records,
    )


def test_the_dags_fail_on_an_empty_folder(lake_home):
    lake_home.mkdir()
    result = run_through_airflow(lake_home)
    assert result.returncode != 0
    assert "harvest_members ended as failed; failed tasks: check, choose" in result.stderr
    assert not lake.published_database().exists()
