"""Metrics over a lake of a few records: what they count, by source and over all."""

import math

import duckdb
import pytest

from quality import metrics
from schemas.tables import BY_NAME

from .small_batch import SOUND_FIELDS, record, staged


def measured(*records, bibs=None):
    """The metrics of records, all of one source, each in a bib of its own unless `bibs` says (bib, members)."""
    con = duckdb.connect()
    con.execute("CREATE SCHEMA staged; CREATE SCHEMA catalog")
    for name, table in staged(*records).items():
        con.register("given", table)
        con.execute(f"CREATE TABLE staged.{name} AS SELECT * FROM given; CREATE VIEW staged.current_{name} AS "
                    f"SELECT * FROM staged.{name}")  # fmt: skip
    columns = "source_id, batch_id, record_no, false AS deleted"
    con.execute(f"CREATE TABLE staged.record AS SELECT {columns} FROM staged.bib")
    held = bibs or [(f"b{n}", 1) for n in range(len(records))]
    con.execute("CREATE TABLE catalog.bib (bib_id TEXT, members INT)")
    con.execute("CREATE TABLE catalog.bib_record (bib_id TEXT, source_id TEXT, record_id TEXT)")
    for n, (bib, members) in enumerate(held):
        con.execute("INSERT INTO catalog.bib VALUES (?, ?)", [bib, members])
        con.execute("INSERT INTO catalog.bib_record VALUES (?, 'demo-1', ?)", [bib, f"r{n}"])
    found = metrics.measure(con)
    rows = con.execute("FROM record_metric ORDER BY record_no").to_arrow_table()
    found["quality.record_metric"] = rows.cast(BY_NAME["quality.record_metric"].schema)
    return found


def values(found, metric, source="demo-1"):
    rows = found["quality.metric"].to_pylist()
    return {row["element"]: row["value"] for row in rows if (row["metric"], row["source_id"]) == (metric, source)}


def test_tables_are_those_of_the_contract_and_named_in_both_languages():
    found = measured(record("cnmarc"), record("marc21"), record("oai_dc"))
    for name, table in found.items():
        assert table.schema == BY_NAME[name].schema
    assert all(row["label_zh"] and row["label_en"] for row in found["quality.metric"].to_pylist())
    assert {row["format"] for row in found["quality.metric"].to_pylist()} == {"cnmarc", "marc21", "oai_dc"}


def test_nothing_measured_is_no_rows():
    assert {name: len(table) for name, table in measured().items()} == {
        "quality.metric": 0,
        "quality.completeness": 0,
        "quality.record_metric": 0,
    }


def test_completeness_counts_records_and_occurrences_of_fields_and_subfields():
    twice = record(
        "cnmarc", fields=[("606", "0 ", {"a": "一"}), ("606", "0 ", [("a", "二"), ("x", "三"), ("x", "四")])]
    )
    rows = measured(twice, record("cnmarc", fields=[("606", None)]))["quality.completeness"].to_pylist()
    counts = {
        (row["source_id"], row["code"]): (row["records"], row["occurrences"], row["of_records"])
        for row in rows
        if row["tag"] == "606"
    }
    assert counts["demo-1", None] == (1, 2, 2)
    assert counts["demo-1", "a"] == counts["*", "a"] == (1, 2, 2) and counts["demo-1", "x"] == (1, 2, 2)


def test_thompson_traill_of_a_book_in_marc21():
    subjects = [("650", " 0", {"a": f"Subject {n}"}) for n in range(12)]
    more = [("505", "0 ", {"a": "One"}), ("100", "1 ", {"a": "Li, Lei"}), ("040", {"a": "DLC", "e": "rda"})]
    fast = [("650", " 7", {"a": "Novels", "2": "fast"}), ("653", "  ", {"a": "free"})]
    score = values(measured(record("marc21", fields=[*subjects, *more, *fast])), "thompson-traill")
    one = "isbn authors contents-abstract date-coded subjects-fast subjects-other language country rules"
    expected = {**dict.fromkeys(one.split(), 1), "cataloguing-language": 1, "date-stated": 2, "subjects-lc": 10}
    assert {name: value for name, value in score.items() if value and name} == expected
    assert score[""] == sum(expected.values())


def test_thompson_traill_of_a_book_in_cnmarc():
    score = values(measured(record("cnmarc")), "thompson-traill")
    told = {name for name, value in score.items() if value}
    assert {"isbn", "classification", "subjects", "language", "country", "date-stated", "contributors"} <= told
    assert score["date-stated"] == 2 and score["cataloguing-language"] == 1


@pytest.mark.parametrize("format_", ["cnmarc", "marc21"])
def test_shelf_ready_is_a_share_of_what_can_be_had_and_only_of_books(format_):
    found = measured(record(format_), record(format_, kind="map"))
    rows = [row for row in found["quality.metric"].to_pylist() if row["metric"] == "shelf-ready"]
    assert {row["records"] for row in rows} == {1}
    assert 0 < values(found, "shelf-ready")[""] < 1


def test_a_serial_without_subject_or_date_loses_points():
    bare = [("008", "980101cuuuu9999enkmr p       0   a0eng d")]
    score = values(measured(record("marc21", kind="serial", fields=bare)), "serial")
    assert score["date-unknown"] == -3 and score["subjects"] == -5 and score["level-full"] == 5
    assert math.isclose(score[""], sum(value for name, value in score.items() if name))


def test_coverage_sharing_and_user_tasks_are_shares():
    own = record("cnmarc", agency_chain=["A", "A"])
    found = measured(
        own, record("cnmarc", fields=[("690", None)], agency_chain=["A", "B"]), bibs=[("x", 1), ("y", 3)]
    )
    assert values(found, "coverage")["classified"] == 0.5
    assert values(found, "sharing") == values(found, "sharing", "*") == {"unique": 0.5, "copied": 0.5}
    tasks = values(found, "user-tasks")
    assert set(tasks) == set(metrics.TASKS) and all(0 <= share < 1 for share in tasks.values())
    assert all(tasks[task] > 0 for task in ("find", "identify", "select", "obtain", "process", "sort"))


def test_each_record_has_its_points_and_together_they_are_those_of_the_source():
    book, serial = record("cnmarc"), record("cnmarc", kind="serial", fields=[("690", None), ("606", None)])
    found = measured(book, serial, record("oai_dc"))
    rows = found["quality.record_metric"].to_pylist()
    assert [row["record_id"] for row in rows] == ["r0", "r1"], "metrics are laid down for MARC"
    assert [row["shelf_ready"] is None for row in rows] == [False, True]
    assert [row["serial"] is None for row in rows] == [True, False]
    assert [(row["classified"], row["subject"]) for row in rows] == [(True, True), (False, False)]
    for metric, column in metrics.RECORD_METRICS.items():
        points = [row[column] for row in rows if row[column] is not None]
        assert math.isclose(values(found, metric)[""], sum(points) / len(points))


@pytest.mark.parametrize("format_", metrics.FORMATS)
def test_each_of_the_twelve_tasks_is_served_by_several_fields(format_):
    served = metrics.user_tasks(format_)
    assert set().union(*served.values()) == set(metrics.TASKS) and len(metrics.TASKS) == 12
    for task in metrics.TASKS:
        assert sum(task in tasks for tasks in served.values()) >= 4, task


@pytest.mark.parametrize("format_", metrics.FORMATS)
def test_every_metric_is_laid_down_for_every_format(format_):
    laid_down = {element.metric for element in metrics.elements(format_)}
    assert laid_down == {"thompson-traill", "shelf-ready", "serial", "coverage"}
    assert metrics.user_tasks(format_) and SOUND_FIELDS
