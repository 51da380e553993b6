from datetime import date

import pytest

from tests.quality import small_lake
from warehouse import build
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
    assert answer(published, "SELECT bib_id, scheme, class FROM marts.bib_class") == [
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


def test_a_mart_whose_comments_do_not_fit_is_refused(tmp_path):
    (tmp_path / "wrong.sql").write_text("-- What?\n-- 什么？\n-- column a: A | 甲\nSELECT 1 AS b", "utf-8")
    (mart,) = build.marts(tmp_path)
    with build.engine.connect() as con:
        con.execute("CREATE SCHEMA marts")
        with pytest.raises(build.MartError, match=r"wrong.sql gives the columns \['b'\]"):
            build.add_mart(con, mart)


def test_a_mart_without_its_question_is_refused(tmp_path):
    (tmp_path / "mute.sql").write_text("SELECT 1 AS b", "utf-8")
    with pytest.raises(build.MartError, match="its question"):
        build.marts(tmp_path)


def test_marts_come_after_those_that_they_read():
    order = [mart.name for mart in build.marts()]
    for mart in build.marts():
        assert all(order.index(name) < order.index(mart.name) for name in mart.needs)
