import json
import re
import zipfile

import duckdb
import pytest

from quality.feedback import feedback
from quality.report import report
from quality.site import charts, records, words
from tests.quality import small_lake
from warehouse import build, lake, marts
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
        "groups.html",
        "dictionary.html",
        "dictionary.js",
        "directors.html",
        "index.html",
        "metrics.html",
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


# --- files that are not as today's -------------------------------------------------------------------------


def test_a_file_of_an_older_version_is_shown_with_what_it_lacks(published):
    with duckdb.connect(str(lake.published_database())) as con:
        con.execute("DROP TABLE catalog.review")
        con.execute("DROP TABLE marts.source_health")
        con.execute("DROP TABLE quality.batch_gate")
    (outcome,) = report("run-1")
    assert outcome.verdict == "complete"
    overview = page("index.html")
    assert "所发布的文件由旧版程序写成" in overview and "示范甲大学图书馆" in overview
    assert "Traceback" not in overview and "review" in overview


def test_a_file_that_lacks_the_members_fails_with_what_to_do_and_the_pages_stay(published):
    report("run-1")
    with duckdb.connect(str(lake.published_database())) as con:
        con.execute("DROP TABLE dim.member")
    (outcome,) = report("run-2")
    assert outcome.verdict == "failed" and "calis publish" in outcome.reason and "member" in outcome.reason
    assert "示范甲大学图书馆" in page("index.html")


def test_a_file_that_is_no_database_fails_with_what_to_do(published):
    report("run-1")
    lake.published_database().write_bytes(b"not a database" * 1000)
    (outcome,) = report("run-2")
    assert outcome.verdict == "failed" and "calis publish" in outcome.reason
    assert "示范甲大学图书馆" in page("index.html")


# --- records as examples -----------------------------------------------------------------------------------


def subfield(field_no, tag, code, value, ind="  "):
    return {"field_no": field_no, "tag": tag, "ind1": ind[0], "ind2": ind[1], "code": code, "value": value}


def test_the_field_at_fault_is_marked_with_its_value():
    rows = [subfield(0, "010", "a", "x<7>"), subfield(0, "010", "d", "1元"), subfield(1, "200", "a", "题", "1 ")]
    shown = records.show("cnmarc", rows, "010", "<7>")
    first, second = shown.fields
    assert (
        first.marked and first.subfields[0].value == "x<mark>&lt;7&gt;</mark>" and first.subfields[1].code == "d"
    )
    assert not second.marked and second.indicators == "1#"


def test_a_field_that_a_rule_misses_stands_in_its_place():
    rows = [subfield(0, "LDR", None, "leader"), subfield(1, "200", "a", "题"), subfield(2, "801", "a", "CN")]
    shown = records.show("cnmarc", rows, "606", None)
    assert [(field.tag, field.missing) for field in shown.fields] == [
        ("LDR", False), ("200", False), ("606", True), ("801", False)
    ]  # fmt: skip


def test_both_fields_that_a_rule_compares_are_marked():
    rows = [subfield(0, "100", "a", "1999"), subfield(1, "210", "d", "2000"), subfield(2, "215", "a", "1 p.")]
    shown = records.show("cnmarc", rows, "210", "210$d 2000 / 100$a 1999")
    assert [field.marked for field in shown.fields] == [True, True, False]


def test_a_long_record_shows_its_beginning_and_what_is_marked():
    rows = [subfield(number, "500", "a", f"note {number}") for number in range(200)] + [
        subfield(200, "905", "a", "x")
    ]
    shown = records.show("marc21", rows, "905", "x")
    assert len(shown.fields) == 41 and shown.more == 160 and shown.fields[-1].marked


def test_elements_of_xml_have_neither_indicators_nor_codes():
    rows = [{"field_no": 0, "tag": "title", "ind1": None, "ind2": None, "code": None, "value": "论文"}]
    (title, rights) = records.show("oai_dc", rows, "rights", None).fields
    assert (title.tag, title.indicators, title.subfields[0].code) == ("title", "", "") and rights.missing


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "&lt;", "\u2028"])
def test_what_is_embedded_ends_no_script(text):
    made = words.embedded({"title": text})
    assert not set("<>&\u2028") & set(made) and json.loads(made) == {"title": text}


# --- scores over builds, packages ---------------------------------------------------------------------------


def test_a_trend_shows_from_the_second_build_on(published):
    report("run-1")
    assert "运行两次后显示趋势" in page("members/A.html")
    with duckdb.connect(str(lake.published_database())) as con:
        con.execute(
            "INSERT INTO quality.score_history SELECT * REPLACE ('20260101T000000000000Z' AS build_id, "
            "100.0 AS score) FROM quality.score_history WHERE scope = 'member' AND score IS NOT NULL"
        )
    report("run-2")
    assert "<polyline" in page("members/A.html") and "2026-01-01" in page("members/A.html")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page("index.html")).group(1))
    rows = [dict(zip(data["columns"], row, strict=True)) for row in data["rows"]]
    assert [len(row["history"]) for row in rows] == [2, 2, 2] and rows[0]["history"][0] == 100
    assert "示范甲" in page("groups.html") or "各省" in page("groups.html")


def test_a_member_page_offers_the_package_of_this_build_only(published):
    report("run-1")
    assert "下载反馈包" not in page("members/A.html")
    assert feedback("run-1")[0].verdict == "complete"
    report("run-2")
    assert 'href="../feedback/A.zip"' in page("members/A.html")
    with zipfile.ZipFile(lake.site() / "feedback" / "A.zip") as archive:
        assert any(name.endswith("/defects.csv") for name in archive.namelist())


def test_metrics_and_completeness_are_shown_where_the_file_has_them(published):
    with duckdb.connect(str(lake.published_database())) as con:
        con.execute("DROP TABLE IF EXISTS quality.metric; DROP TABLE IF EXISTS quality.completeness")
        con.execute(
            """CREATE TABLE quality.metric AS SELECT * FROM (VALUES
            ('*', 'cnmarc', 'thompson-traill', '', 9, 12.5, NULL, NULL),
            ('*', 'cnmarc', 'thompson-traill', 'isbn', 9, 0.75, '书号<b>', 'ISBN'),
            ('a-opac', 'cnmarc', 'thompson-traill', '', 3, 8.25, NULL, NULL)
            ) AS t(source_id, format, metric, element, records, value, label_zh, label_en)"""
        )
        con.execute(
            """CREATE TABLE quality.completeness AS SELECT * FROM (VALUES
            ('*', 'cnmarc', '200', NULL, 9, 9, 9), ('*', 'cnmarc', '200', 'a', 9, 18, 9),
            ('a-opac', 'cnmarc', '999', NULL, 1, 1, 3)
            ) AS t(source_id, format, tag, code, records, occurrences, of_records)"""
        )
    report("run-1")
    text = page("metrics.html")
    assert "12.500" in text and "书号&lt;b&gt;" in text and "200 $a" in text and "999" not in text
    member = page("members/A.html")
    assert "8.250" in member and "12.500" in member


def test_a_file_without_metrics_is_not_taken_for_an_old_one(published):
    with duckdb.connect(str(lake.published_database())) as con:
        con.execute("DROP TABLE IF EXISTS quality.metric; DROP TABLE IF EXISTS quality.completeness")
    report("run-1")
    assert "尚无指标" in page("metrics.html") and "由旧版程序写成" not in page("index.html")


# --- the queue of doubtful pairs -----------------------------------------------------------------------------


def test_all_doubtful_pairs_are_paged_through_those_without_details_by_their_bibs(published):
    with duckdb.connect(str(lake.published_database())) as con:
        con.execute(
            """INSERT INTO catalog.review BY NAME SELECT 'a-opac' AS left_source_id, 'l' || n AS left_record_id,
            'b-opac' AS right_source_id, 'r' || n AS right_record_id, 'b2' AS left_bib_id, 'b3' AS right_bib_id,
            0.87 AS score, 'title' AS rule, 1 AS left_members, 1 AS right_members, 1.0 / (n + 1) AS usefulness
            FROM range(120) AS r(n)"""
        )
    report("run-1")
    assert sorted(path.name for path in lake.site().glob("review*.html")) == [
        "review-2.html", "review-3.html", "review.html"
    ]  # fmt: skip
    pages = [page(name) for name in ("review.html", "review-2.html", "review-3.html")]
    assert [text.count("data-pair ") for text in pages] == [50, 50, 20]
    assert "共 120 对待审核" in pages[0] and 'href="review-2.html" rel="next"' in pages[0]
    assert "51. " in pages[1] and 'href="review.html" rel="prev"' in pages[1]
    assert all("数据库系统" in text and "Dream of the red chamber" in text for text in pages)


# --- for those who use the data ----------------------------------------------------------------------------


def test_the_dictionary_page_has_every_table_and_column_with_its_comment(published):
    report("run-1")
    found = page("dictionary.html")
    for mart in marts.load():
        assert f'id="{mart.full_name}"' in found and mart.chinese.split("？")[0] in found, mart.full_name
    assert 'id="catalog.bib"' in found and "联合目录书目号" in found and "dictionary.js" in found
    assert (lake.site() / "dictionary.js").exists()


def test_the_directors_page_shows_holdings_and_use_with_numbers(published):
    report("run-1")
    found = page("directors.html")
    assert "华东" in found and "<svg" in found and "文学" in found
    with build.open_published() as con:
        (loans,) = con.execute("SELECT sum(loans) FROM marts.circulation").fetchone()
    assert loans and f'<td class="n">{loans}</td>' in found
