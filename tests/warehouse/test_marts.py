from datetime import date

import duckdb
import pytest

from tests.quality import small_lake
from warehouse import build, engine, marts
from warehouse.publish import publish


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        small_lake.make(tmp_path_factory.mktemp("lake"), patch)
        (outcome,) = publish("run-1")
        assert outcome.verdict == "complete", outcome.reason
        yield


def answer(published, sql):
    return [tuple(row.values()) for row in build.query(sql).to_pylist()]


def test_class_is_the_clc_letter_else_the_lcc_letter(published):
    assert answer(published, "SELECT bib_id, scheme, class FROM dim.bib") == [
        ("b1", "CLC", "I"),
        ("b2", "CLC", "T"),
        ("b3", "LCC", "P"),
        ("b4", "none", "-"),
        ("b5", "CLC", "B"),
    ]


def test_holdings_by_member_and_class(published):
    sql = """SELECT member_code, member_name, scheme, class, class_name_zh, bibs, unique_bibs, holdings, items
        FROM marts.holdings_by_member_and_class"""
    a, b, c = "示范甲大学图书馆", "示范乙学院图书馆", "示范丙研究所图书馆"
    assert answer(published, sql) == [
        ("A", a, "CLC", "B", "哲学、宗教", 1, 0, 1, 1),
        ("A", a, "CLC", "I", "文学", 1, 0, 1, 1),
        ("A", a, "CLC", "T", "工业技术", 1, 1, 1, 1),
        ("B", b, "CLC", "B", "哲学、宗教", 1, 0, 1, 1),
        ("B", b, "CLC", "I", "文学", 1, 0, 1, 1),
        ("B", b, "LCC", "P", "语言、文学", 1, 1, 1, 1),
        ("C", c, "none", "-", "未分类", 1, 1, 1, 1),
    ]


def test_overlap_counts_each_ordered_pair(published):
    assert answer(published, "SELECT member_code, other_member_code, bibs, shared_bibs FROM marts.overlap") == [
        ("A", "B", 3, 2),
        ("B", "A", 3, 2),
    ]
    assert answer(published, "SELECT share FROM marts.overlap WHERE member_code = 'A'") == [
        (pytest.approx(2 / 3),)
    ]


def test_held_distribution(published):
    assert answer(published, "SELECT members, bibs, share FROM marts.held_distribution") == [
        (1, 3, pytest.approx(0.6)),
        (2, 2, pytest.approx(0.4)),
    ]


def test_unique_holdings(published):
    assert answer(published, "SELECT member_code, bib_id FROM marts.unique_holdings") == [
        ("A", "b2"),
        ("B", "b3"),
        ("C", "b4"),
    ]


def test_loans_by_title_and_month_keep_loans_of_unknown_items(published):
    sql = "SELECT month, bib_id, class, loans, renewals, members FROM marts.loans_by_title_and_month"
    assert answer(published, sql) == [
        (date(2026, 1, 1), "b1", "I", 1, 1, 1),
        (date(2026, 1, 1), None, None, 1, 0, 1),
    ]


def write(tmp_path, name, text):
    (tmp_path / "marts").mkdir(exist_ok=True)
    (tmp_path / "marts" / f"{name}.sql").write_text(text, "utf-8")


def test_a_mart_whose_comments_do_not_fit_is_refused(tmp_path):
    write(tmp_path, "wrong", "-- What?\n-- 什么？\n-- name W | 名\n-- column a: A | 甲\nSELECT 1 AS b")
    (mart,) = marts.load(tmp_path)
    with engine.connect() as con:
        con.execute("CREATE SCHEMA marts")
        with pytest.raises(marts.MartError, match=r"wrong.sql gives the columns \['b'\]"):
            marts.add(con, mart)


def test_a_mart_without_its_question_is_refused(tmp_path):
    write(tmp_path, "mute", "SELECT 1 AS b")
    with pytest.raises(marts.MartError, match="its question"):
        marts.load(tmp_path)


def test_a_mart_that_reads_what_no_file_makes_is_refused(tmp_path):
    write(
        tmp_path,
        "lost",
        "-- What?\n-- 什么？\n-- name W | 名\n-- column a: A | 甲\nSELECT a FROM marts.nothing -- dim.no",
    )
    with pytest.raises(marts.MartError, match=r"marts.lost read what no file makes: marts.nothing$"):
        marts.load(tmp_path)


def test_an_error_in_a_query_names_the_mart(tmp_path):
    write(
        tmp_path,
        "broken",
        "-- What?\n-- 什么？\n-- name W | 名\n-- column a: A | 甲\nSELECT a FROM catalog.nothing",
    )
    with engine.connect() as con:
        con.execute("CREATE SCHEMA marts")
        with pytest.raises(duckdb.CatalogException, match=r"marts.broken: .*nothing"):
            marts.add(con, *marts.load(tmp_path))


def test_marts_come_after_those_that_they_read():
    found = marts.load()
    order = [mart.full_name for mart in found]
    for mart in found:
        assert all(order.index(name) < order.index(mart.full_name) for name in mart.needs)


@pytest.mark.parametrize("readers, value", [(0, 7), (1, None), (4, None), (5, 7), (None, None)])
def test_small_groups_of_readers_are_not_shown(readers, value):
    with engine.connect() as con:
        marts.prepare(con)
        assert con.execute("SELECT shown(?, 7)", [readers]).fetchall() == [(value,)]
