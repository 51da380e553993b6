import re

import pytest

from quality.report import report
from quality.site import charts, words
from tests.quality import small_lake
from warehouse import lake
from warehouse.build import query
from warehouse.outcome import Outcome, recorded
from warehouse.publish import publish

LATER = "20260107T000000000000Z"


@pytest.fixture
def published(tmp_path, monkeypatch):
    home = small_lake.make(tmp_path, monkeypatch)
    (outcome,) = publish("run-1")
    assert outcome.verdict == "complete", outcome.reason
    return home


def found():
    (codes,) = query("SELECT list(DISTINCT rule ORDER BY rule) FROM quality.issue").columns
    return codes[0].as_py()


def page(name):
    return (lake.site() / name).read_text("utf-8")


def test_a_page_for_each_member_and_the_overview(published):
    (outcome,) = report("run-1")
    assert (outcome.verdict, outcome.received, outcome.staged) == ("complete", 3, 3)
    assert recorded("report", "*") == [outcome]
    names = sorted(str(path.relative_to(lake.site())) for path in lake.site().rglob("*") if path.is_file())
    assert set(names) == {
        "batches.html",
        "decide.js",
        "index.html",
        "members/A.html",
        "members/B.html",
        "members/C.html",
        "overview.js",
        "review.html",
        "review.js",
        *(f"rules/{code}.html" for code in found()),
        "rules.html",
        "runs.html",
        "site.js",
        "style.css",
    }
    overview = page("index.html")
    for text in ("示范甲大学图书馆", "Demo Library A", "members/A.html", "全部通过", "中文"):
        assert text in overview


def test_text_of_a_record_is_escaped(published):
    report("run-1")
    member = page("members/A.html")
    assert "25.00元&lt;script&gt;alert(2)&lt;/script&gt;" in member
    for path in lake.site().rglob("*.html"):
        assert "<script>" not in path.read_text("utf-8")


def test_a_title_with_markup_is_escaped(published, monkeypatch):
    monkeypatch.setitem(small_lake.BROKEN, "b1", [("801", None)])
    small_lake.stage_source("a-opac", small_lake.HELD["a-opac"])
    publish("run-2")
    report("run-2")
    assert "红楼梦&lt;script&gt;alert(1)&lt;/script&gt;" in page("members/A.html")
    assert "<script>" not in page("members/A.html")


def test_findings_come_with_advice_in_both_languages_and_the_offending_value(published):
    report("run-1")
    member = page("members/A.html")
    for text in ("ISBN 校验位错误", "ISBN fails its check", "对照原书核对 ISBN", "<mark>7-5037-2790-1</mark>"):
        assert text in member
    assert 'href="../rules/bad-isbn.html"' in member and 'href="rules/bad-isbn.html"' in page("rules.html")


def test_a_rule_that_no_file_explains_is_still_shown(published):
    folder = lake.staged_batch("a-opac", small_lake.BATCH)
    issues = lake.read_table("quality.issue", [folder / "issue.parquet"]).to_pylist()
    small_lake.write(folder, "quality.issue", [*issues, {**issues[0], "rule": "made-up-today"}])
    publish("run-2")
    report("run-2")
    assert "made-up-today" in page("members/A.html") and "made-up-today" in page("rules.html")


def test_nothing_points_outside(published):
    report("run-1")
    for path in lake.site().rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            assert not re.search(r"(?:src|href|url|@import)[\s=(\"']+(?:https?:)?//", text), path


def test_pages_of_an_earlier_report_go_away_as_a_whole(published):
    report("run-1")
    (lake.site() / "members" / "gone.html").write_text("x")
    report("run-2")
    assert not (lake.site() / "members" / "gone.html").exists()


def test_without_a_published_file_the_outcome_says_what_to_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    (outcome,) = report("run-1")
    assert outcome.verdict == "failed" and "calis publish" in outcome.reason
    assert not lake.site().exists()


def test_a_publication_that_was_held_since_is_announced_with_its_reason(published):
    Outcome("publish", "*", LATER, "run-2", "held", reason="Bibs in the catalogue ≥ 1: observed 0 <b>").record()
    report("run-2")
    assert "最近一次发布被暂缓" in page("index.html") and "observed 0 &lt;b&gt;" in page("index.html")
    Outcome("publish", "*", LATER, "run-3", "complete").record()
    report("run-3")
    assert "最近一次发布被暂缓" not in page("index.html")


def test_a_member_without_any_record_has_a_page_too(tmp_path, monkeypatch):
    home = small_lake.make(tmp_path, monkeypatch)
    sources = (home / "registry" / "sources.csv").read_text("utf-8")
    (home / "registry" / "sources.csv").write_text(sources.rsplit("c-repository", 1)[0], "utf-8")
    monkeypatch.setitem(small_lake.HELD, "c-repository", [])
    small_lake.stage_source("c-repository", [])
    small_lake.build_catalog(bibs=[row for row in small_lake.BIBS if row[0] != "b4"])
    (outcome,) = publish("run-1")
    assert outcome.verdict == "complete", outcome.reason
    report("run-1")
    assert "无记录" in page("members/C.html") and "没有发现问题" in page("members/C.html")


def test_years_are_shown_one_by_one_with_the_ends_added_up():
    rows = [{"pub_year": year, "bibs": 2} for year in (1900, 1950, 2000, 2020, 2991, None)]
    bars = charts.year_bars(rows)
    assert bars[0] == charts.Bar(4, "1981 以前", "before 1981")
    assert (bars[1].zh, bars[-3].zh, len(bars)) == ("1981", "2020", 1 + 40 + 2)
    assert [bar.value for bar in bars[-3:]] == [2, 2, 2] and bars[-1].en == "no year"
    assert sum(bar.value for bar in bars) == 12


@pytest.mark.parametrize(("score", "grade"), [(None, "none"), (95, "good"), (94.9, "fair"), (84.9, "poor")])
def test_grades(score, grade):
    assert words.grade(score) == grade
