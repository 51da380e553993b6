import hashlib
import shutil
import subprocess
import sys

import duckdb
import pandas as pd
import pytest

from harvesters import registry
from quality import expectations, score
from tests.quality import small_lake
from warehouse import build, engine, lake, marts, views
from warehouse.outcome import recorded
from warehouse.publish import publish


@pytest.fixture
def small(tmp_path, monkeypatch):
    return small_lake.make(tmp_path, monkeypatch)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(sql):
    return build.query(sql).to_pylist()


def test_publishing_copies_every_row_and_says_how_many(small):
    (outcome,) = publish("run-1")
    assert outcome.verdict == "complete" and outcome.reason == ""
    # bibs, records, holdings, items, members, loans
    assert outcome.received == outcome.staged == 5 + 7 + 7 + 7 + 3 + 4
    assert rows("SELECT count(*) AS n FROM catalog.bib") == [{"n": 5}]
    assert rows("SELECT stage, staged FROM quality.outcome WHERE stage = 'publish'") == [
        {"stage": "publish", "staged": 33}
    ]
    assert recorded("publish", "*") == [outcome]


def test_every_table_and_column_has_a_comment_in_both_languages(small):
    publish("run-1")
    for what in ("duckdb_tables()", "duckdb_columns()"):
        found = rows(f"SELECT * FROM {what} WHERE schema_name IN ('catalog', 'quality', 'dim', 'marts')")
        assert found
        bare = [row for row in found if " | " not in (row["comment"] or "")]
        assert [(row["table_name"], row.get("column_name")) for row in bare] == []


def test_only_contract_tables_and_marts_are_in_the_file(small):
    publish("run-1")
    found = {(row["s"], row["t"]) for row in rows("SELECT schema_name s, table_name t FROM duckdb_tables()")}
    contract = {(table.layer, table.name) for table in [*build.CATALOG, *build.QUALITY]}
    assert found == contract | {(mart.schema, mart.name) for mart in marts.load()}
    found = {
        (row["s"], row["v"])
        for row in rows("SELECT schema_name s, view_name v FROM duckdb_views() WHERE NOT internal")
    }
    assert found == {(view.language, view.name) for view in views.of_tables(build.CATALOG, marts.load())}


def test_publishing_again_gives_the_same_rows(small):
    publish("run-1")
    tables = [table.full_name for table in build.CATALOG] + [mart.full_name for mart in marts.load()]
    tables.remove("marts.source_health")  # which is as of now
    tables += ["quality.issue", "quality.score", "quality.gate"]
    first = {name: rows(f"SELECT * FROM {name}") for name in tables}
    publish("run-2")
    assert {name: rows(f"SELECT * FROM {name}") for name in tables} == first
    assert rows("SELECT run_id FROM quality.outcome WHERE stage = 'publish'") == [{"run_id": "run-2"}]


def test_a_failed_gate_leaves_the_last_good_file_and_its_readers(small):
    publish("run-1")
    before = digest(lake.published_database())
    reader = build.open_published()
    small_lake.build_catalog("20260107T000000000000Z", bibs=small_lake.BIBS[:3])

    (outcome,) = publish("run-2")

    assert outcome.verdict == "held" and outcome.staged == 0 and outcome.rejected == outcome.received > 0
    assert "Current records that belong to no bib = 0" in outcome.reason and "observed 3" in outcome.reason
    assert "run calis catalog again" in outcome.reason and "请重新运行" in outcome.reason
    assert "fewer than in the published file, percent ≤ 20" in outcome.reason and "observed 40" in outcome.reason
    assert digest(lake.published_database()) == before
    assert reader.execute("SELECT count(*) FROM catalog.bib").fetchall() == [(5,)]
    reader.close()
    assert rows("SELECT count(*) AS n FROM catalog.bib") == [{"n": 5}]
    left = [path.name for path in lake.published_database().parent.iterdir()]
    assert left == [lake.published_database().name]
    kept = lake.read_table("quality.gate", [lake.gate_file()]).to_pylist()
    assert {row["success"] for row in kept if row["build_id"] == "20260107T000000000000Z"} == {True, False}


def test_an_open_reader_keeps_its_snapshot_while_a_new_file_takes_the_name(small):
    publish("run-1")
    reader = build.open_published()
    shutil.copytree(lake.catalog_build(small_lake.BUILD), lake.catalog_build("20260107T000000000000Z"))
    (outcome,) = publish("run-2")
    assert outcome.verdict == "complete"
    publishes = "SELECT run_id FROM quality.outcome WHERE stage = 'publish'"
    assert reader.execute(publishes).fetchall() == [("run-1",)]
    reader.close()
    assert {row["run_id"] for row in rows(publishes)} == {"run-1", "run-2"}


def test_a_file_that_another_program_has_open_for_writing_holds_the_publication(small):
    publish("run-1")
    code = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    command = [sys.executable, "-c", code, str(lake.published_database())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        (outcome,) = publish("run-2")
        other.communicate("\n")
    assert outcome.verdict == "held" and "open it read-only" in outcome.reason
    (outcome,) = publish("run-3")
    assert outcome.verdict == "complete"


def test_too_many_records_set_aside_hold_the_publication(small):
    small_lake.stage_source("a-opac", small_lake.HELD["a-opac"], rejected=4)
    (outcome,) = publish("run-1")
    assert outcome.verdict == "held" and "Records set aside, percent ≤ 5" in outcome.reason
    assert not lake.published_database().exists()


def test_rows_lost_on_the_way_hold_the_publication(small, monkeypatch):
    expected_rows = build.expected_rows
    one_more = {"catalog.holding": 8}
    monkeypatch.setattr(build, "expected_rows", lambda *given: {**expected_rows(*given), **one_more})
    (outcome,) = publish("run-1")
    assert outcome.verdict == "held"
    assert "catalog.holding: 8 rows in the build, 7 in the file" in outcome.reason


def test_without_a_build_the_outcome_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    (outcome,) = publish("run-1")
    assert outcome.verdict == "failed" and "calis catalog" in outcome.reason


def test_a_query_before_anything_is_published_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    with pytest.raises(build.NotPublishedError, match="calis run"):
        build.query("SELECT 1")


def test_a_query_can_not_write_and_a_wrong_name_is_explained(small):
    publish("run-1")
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        build.query("DELETE FROM catalog.bib")
    with pytest.raises(duckdb.CatalogException, match="bib"):
        build.query("SELECT * FROM catalog.bibs")


def test_scores_follow_their_formula(small):
    small_lake.stage_source("b-opac", small_lake.HELD["b-opac"], rejected=1)
    with engine.open_lake() as con:
        found = {row["source_id"]: row for row in score.scores(con, registry.load()).to_pylist()}
        fails, warns = con.execute(
            """SELECT count(*) FILTER (WHERE severity = 'fail'), count(*) FILTER (WHERE severity = 'warn')
            FROM quality.current_issue WHERE source_id = 'b-opac'"""
        ).fetchone()
    b = found["b-opac"]
    assert (b["member_code"], b["records"], b["rejected"], b["fails"], b["warns"]) == ("B", 3, 1, fails, warns)
    assert b["score"] == pytest.approx(100 - (10 * fails + 2 * warns + 100) / 4)
    assert found["c-repository"]["score"] == 98


def test_a_source_without_records_has_no_score(small):
    shutil.rmtree(lake.staged_batch("c-repository", small_lake.BATCH).parent)
    with engine.open_lake() as con:
        found = {row["source_id"]: row for row in score.scores(con, registry.load()).to_pylist()}
    assert found["c-repository"]["score"] is None and found["c-repository"]["records"] == 0


def test_each_gate_says_what_to_do_in_both_languages():
    for expectation in expectations.load():
        assert expectation.english and expectation.chinese and expectation.advice_en and expectation.advice_zh
        assert expectation.minimum is not None or expectation.maximum is not None


def test_a_gate_that_sees_nothing_fails():
    chosen = expectations.load()[:1]
    (seen,) = expectations.observe(pd.DataFrame([{chosen[0].name: float("nan")}]), chosen)
    assert not seen.success and seen.shown == "no value"


def test_why_records_were_set_aside_is_among_the_findings_until_they_are_sent_again(small):
    small_lake.stage_source("b-opac", small_lake.HELD["b-opac"], rejected=1)
    with engine.open_lake() as con:
        score.scores(con, registry.load())
        current = "SELECT count(*) FROM staged.current_rejected"
        assert con.execute(current).fetchall() == [(1,)]
        # the same record came again, whole, in a later batch
        con.execute("CREATE TABLE later AS SELECT * FROM staged.record WHERE source_id = 'b-opac' LIMIT 1")
        con.execute("UPDATE later SET batch_id = '20260108T000000000000Z', record_id = 'again'")
        con.execute("CREATE OR REPLACE VIEW staged.record AS SELECT * FROM later")
        con.execute(
            """CREATE OR REPLACE TABLE set_aside AS
            SELECT * REPLACE ('again' AS record_id) FROM staged.rejected WHERE source_id = 'b-opac'"""
        )
        con.execute("CREATE OR REPLACE VIEW staged.rejected AS SELECT * FROM set_aside")
        assert con.execute(current).fetchall() == [(0,)]
