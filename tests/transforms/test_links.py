"""Print and electronic bibs of one work are linked and stay two."""

from typing import Any

import pytest

from transforms import catalog
from warehouse import engine

from .staged_records import ANALYSIS, HAMLET, register, stage

ONLINE = HAMLET | {"carrier": "electronic", "extent": "1 online resource (xii, 345 p.)"}


@pytest.fixture(autouse=True)
def sources(lake_home) -> None:
    register({"a": "M1", "b": "M2", "c": "M3"})


def links(**records: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Build from these; each link as the smallest records of its two bibs, and its evidence."""
    for source_id, rows in records.items():
        stage(source_id, rows)
    catalog.build("run")
    with engine.open_lake() as con:
        return con.execute(
            """WITH name AS (
                SELECT bib_id, min(source_id || '/' || record_id) AS record FROM catalog.bib_record GROUP BY bib_id
            )
            SELECT one.record, other.record, evidence FROM catalog.link l
            JOIN name one ON one.bib_id = l.bib_id JOIN name other ON other.bib_id = l.other_bib_id
            ORDER BY ALL"""
        ).fetchall()


def test_a_pair_that_only_the_carrier_keeps_apart_is_linked_both_ways() -> None:
    found = links(a=[HAMLET, ANALYSIS], b=[HAMLET, ONLINE], c=[ONLINE])
    assert found == [("a/000", "b/001", "match"), ("b/001", "a/000", "match")]


@pytest.mark.parametrize(
    "other",
    [
        {"volume_no": "2"},
        {"lang": "ger"},
        {"orig_lang": "ger"},
        {"kind": "serial"},
        {"edition": "4th ed."},
        {"carrier": "print"},
        {"title": "Macbeth", "creators": ["Other"], "pub_year": 1950, "isbn": []},
    ],
)
def test_nothing_else_may_keep_them_apart(other) -> None:
    print_bib = HAMLET | {"orig_lang": "dan", "edition": "3rd ed."}
    assert links(a=[print_bib], b=[ONLINE | {"orig_lang": "dan"} | other]) == []


def test_an_isbn_named_as_that_of_another_carrier_links() -> None:
    online = ONLINE | {"isbn": ["9780141013077"], "title": "Hamlet online", "extent": None, "pub_year": 2015}
    named = HAMLET | {"other_carrier": ["Hamlet online; 978-0-14-101307-7", "no number"]}
    assert links(a=[named], b=[online]) == [("a/000", "b/000", "identifier"), ("b/000", "a/000", "identifier")]


def test_an_isbn_on_both_volumes_links_only_the_same_volume() -> None:
    isbn = {"isbn": ["9787040071207"]}
    upper, lower = ANALYSIS | isbn | {"volume_no": "上册"}, ANALYSIS | isbn | {"volume_no": "下册"}
    online = {"carrier": "electronic", "isbn": [], "other_carrier": ["9787040071207"], "pub_year": 2020}
    found = links(a=[upper, lower], b=[lower | online | {"creators": ["x"]}])
    assert found == [("a/001", "b/000", "identifier"), ("b/000", "a/001", "identifier")]
