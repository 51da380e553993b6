"""The DAGs: thin, and run for real on a small consortium."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from operations import local_airflow
from tests.dags import postgres
from tests.operations import mailbox
from tests.transforms.usage.planted import CARD, HEADS, IDENTITY, MAIL, MORE, NAME, PHONE, leaks, written
from warehouse import engine, lake

LIGHT = {"typing", "airflow.sdk", "harvesters.pools", "operations", "operations.batches", "operations.notices"}
LIGHT |= {"operations.dag_settings"}
DAGS = sorted((lake.CHECKOUT / "dags").glob("*.py"))


def test_there_are_exactly_the_dags_that_are_expected():
    """The file of `harvest_members` makes `backfill_members` too."""
    assert {path.stem for path in DAGS} == set(local_airflow.DAGS) - {"backfill_members"}


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_a_dag_file_is_wiring_only(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) < 80
    top = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in top}
    assert names <= LIGHT, "a heavy import slows every parse of the folder"
    assert not (lake.CHECKOUT / path.stem).exists(), "a DAG file may not have a folder's name"


def run_through_airflow(home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("calis"), "run", "--airflow"]
    environment = os.environ | {"CALIS_HOME": str(home), "PYTHONWARNINGS": "ignore"} | more
    return subprocess.run(
        command, env=environment, cwd=lake.CHECKOUT, capture_output=True, text=True, check=False, timeout=400
    )


def one(sql: str, *values: str):
    with engine.connect(lake.published_database(), read_only=True) as con:
        return con.execute(sql, list(values)).fetchone()


def plant(home: Path) -> None:
    """Personal data in a log of loans, in its cells and its name."""
    rows = [f"P{n},loan,2025-03-0{n},B1,{CARD},{MORE}" for n in range(1, 8)]
    rows += [f"P8,loan,{NAME},{MAIL},{CARD},{MORE}", f"P9,loan,2025-03-09,{IDENTITY},{CARD},{MORE}"]
    text = "\n".join([f"event_id,event_type,event_time,barcode,reader,{HEADS}", *rows])
    (home / "sample" / "exports" / "D11001-loans" / f"{NAME}-{PHONE}.csv").write_text(text, "utf-8")


def test_the_dags_build_the_union_of_a_small_consortium(small_consortium, tmp_path):
    plant(small_consortium)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    result = run_through_airflow(small_consortium, TMPDIR=str(scratch))
    assert result.returncode == 0, result.stdout + result.stderr
    assert one("SELECT count(*) FROM catalog.loan WHERE event_id LIKE 'P_'") == (7,)
    files = written(small_consortium, scratch, but=small_consortium / "sample" / "exports")
    files |= {"out": result.stdout.encode(), "err": result.stderr.encode()}
    assert any(name.endswith("airflow.db") for name in files)  # its logs went to the output
    assert leaks(files) == []
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


def test_on_postgres_a_bad_source_fails_alone_and_staff_are_told(small_consortium):
    """The whole way with PostgreSQL as Airflow's database, a source that is not there, and servers to tell."""
    installed = postgres.commands()
    if not installed:
        pytest.skip("no PostgreSQL (apt-get install postgresql)")
    pytest.importorskip("psycopg2", reason="no driver for PostgreSQL (pip install -e '.[distributed]')")
    sources = lake.registry() / "sources.csv"
    lines = sources.read_text("utf-8").splitlines()
    name = next(line for line in lines if ",oai," in line).split(",")[0]
    sources.write_text("\n".join(lines).replace(f"/{name}/oai", "/nowhere/oai") + "\n", "utf-8")
    with (
        postgres.served(installed) as database,
        mailbox.mail_server() as (mail_port, mails),
        mailbox.webhook() as (webhook_port, posts),
    ):
        connections = mailbox.connections(mail_port, webhook_port)
        result = run_through_airflow(small_consortium, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=database, **connections)
        states = task_states(database)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "harvest_members ended as failed; failed tasks: check" in result.stderr
    assert not (small_consortium / "airflow" / "airflow.db").exists()
    failed = {task for task, state in states if state not in ("success", "skipped")}
    assert failed == {("harvest_members", "check")}
    assert (("publish_warehouse", "publish"), "success") in states
    assert one("SELECT verdict FROM quality.outcome WHERE source_id = ? AND stage = 'harvest'", name) == (
        "failed",
    )
    assert one("SELECT failures, advice_zh <> '' FROM marts.source_health WHERE source_id = ?", name) == (1, True)
    assert one("SELECT count(*) FROM marts.source_health WHERE state = 'good'")[0] == len(lines) - 2
    (mail,), (post,) = mails, posts
    assert name in mail.get_body().get_content()
    assert name in [row["source_id"] for row in post["sources"]]


def task_states(database: str) -> set[tuple[tuple[str, str], str]]:
    with create_engine(database).connect() as con:
        rows = con.execute(text("SELECT dag_id, task_id, state FROM task_instance")).fetchall()
    return {((dag_id, task_id), state) for dag_id, task_id, state in rows}
