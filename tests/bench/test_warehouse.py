"""The bench of usage runs on a few thousand loans, and its lake is one in which every loan is found again."""

import re

import pytest

from bench import made_usage
from bench import warehouse as bench
from warehouse import build, cookbook

LOANS = 4_000
ALL_MEMBERS = made_usage.MEMBERS
QUESTIONS = list(cookbook.questions(cookbook.COOKBOOK.read_text("utf-8")))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("lake") / "lake"
        patch.setenv("CALIS_HOME", str(home))
        patch.delenv("CALIS_KEYS", raising=False)
        patch.setattr(made_usage, "MEMBERS", ALL_MEMBERS[:3])
        patch.setattr(made_usage, "TITLES", 5)
        patch.setattr(bench, "SHOWN_SECONDS", 0.0)
        home.mkdir()
        bench.make(home, LOANS, 600)
        yield bench.told([row for run in bench.RUNS.values() for row in run("1GB", 2)], LOANS)


def test_there_is_a_row_for_each_step_and_question(rows):
    names = [row["name"] for row in rows]
    assert names[:6] == ["door", "stage", "facts", "file", "load", "marts"]
    assert "marts.circulation" in names
    assert names[-len(QUESTIONS) :] == [f"question {n + 1}" for n in range(len(QUESTIONS))]
    assert all(row.keys() == {"name", "seconds", "cpu_seconds", "records_per_s", "peak_mb"} for row in rows)
    assert all(row["seconds"] >= 0 and row["peak_mb"] > 50 for row in rows)


def test_load_is_its_parts(rows):
    took = {row["name"]: row["cpu_seconds"] for row in rows}
    assert took["load"] == pytest.approx(took["stage"] + took["facts"] + took["file"], abs=0.001)


def test_every_loan_is_of_an_item_and_in_the_marts(rows):
    def answer(sql):
        return [tuple(row.values()) for row in build.query(sql).to_pylist()]

    found = (
        "SELECT count(*), count(bib_id), count(DISTINCT member_code) FROM catalog.loan WHERE item_link = 'current'"
    )
    assert answer(found) == [(LOANS, LOANS, 3)]
    assert answer("SELECT CAST(sum(loans + renewals) AS BIGINT) FROM marts.circulation") == [(LOANS,)]
    assert answer("SELECT CAST(sum(loans) AS BIGINT) FROM marts.item_use") == [(LOANS * 9 // 10,)]
    assert answer("SELECT count(*) FROM marts.item_use") == [(600,)]


def test_there_are_snapshots_requests_and_reports(rows):
    def answer(sql):
        return [tuple(row.values()) for row in build.query(sql).to_pylist()]

    assert answer("SELECT count(*), count(bib_id) FROM catalog.item_month WHERE from_snapshot") == [(1200, 1200)]
    requests = LOANS // 50 // 3 * 3
    assert answer("SELECT count(*), count(*) FILTER (outcome = 'filled') FROM catalog.request") == [
        (requests,) * 2
    ]
    assert answer("SELECT count(*) > 60 FROM catalog.request WHERE bib_id IS NOT NULL") == [(True,)]
    assert answer("SELECT count(*) FROM catalog.attempt WHERE supplier_code IS NOT NULL") == [(requests * 3 // 2,)]
    assert answer("SELECT count(*), count(bib_id) FROM catalog.eusage") == [(3 * 5 * 4 * 24,) * 2]


def test_the_cookbook_asks_of_members_that_are_there(rows):
    asked = {member for question in QUESTIONS for member in re.findall(r"'(D\d{5})'", question.sql)}
    assert asked and asked <= set(ALL_MEMBERS)


def test_a_failed_step_is_no_figure():
    class Failed:
        source_id, verdict, reason = "D11001-loans", "failed", "no file"

    with pytest.raises(SystemExit, match="D11001-loans is failed: no file"):
        bench._complete([Failed()])
