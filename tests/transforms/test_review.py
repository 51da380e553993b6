"""The review queue: doubtful pairs, most useful first, with fields and score card; judged ones don't come back."""

from pathlib import Path
from typing import Any

import pytest

from transforms import catalog, judgement
from transforms.score import load_card
from warehouse import engine

from .staged_records import ANALYSIS, HAMLET, register, stage
from .test_judgement import judged

DOUBTFUL = HAMLET | {"pub_year": 2000, "isbn": [], "publisher": None, "extent": None}


def review() -> list[dict[str, Any]]:
    with engine.open_lake() as con:
        return con.execute("SELECT * FROM catalog.review").to_arrow_table().to_pylist()


def rules_of(source_id: str) -> set[tuple[str, str]]:
    """The other source and the rule of each pair of a source's records."""
    sql = """SELECT if(left_source_id = $1, right_source_id, left_source_id), rule FROM catalog.match
        WHERE $1 IN (left_source_id, right_source_id)"""
    with engine.open_lake() as con:
        return set(con.execute(sql, [source_id]).fetchall())


@pytest.fixture
def built(lake_home: Path) -> Path:
    register({"a": "M1", "b": "M2", "c": "M3", "d": "M4"})
    stage("a", [HAMLET, ANALYSIS])
    stage("b", [DOUBTFUL])
    catalog.build("one")
    return lake_home


def test_a_doubtful_pair_with_its_fields_and_its_score_card(built: Path) -> None:
    (row,) = review()
    assert (row["left_source_id"], row["right_source_id"]) == ("a", "b")
    assert row["left_bib_id"] != row["right_bib_id"]
    fields = {field["name"]: (field["left"], field["right"]) for field in row["fields"]}
    assert fields["pub_year"] == ("1998", "2000")
    assert fields["publisher"] == ("Penguin Books", None)
    assert "volume_no" not in fields
    total = load_card().prior + sum(line["weight"] for line in row["evidence"])
    assert row["score"] == pytest.approx(1 / (1 + 2.718281828459045**-total), abs=1e-5)
    year = next(line for line in row["evidence"] if line["name"] == "year_gap")
    assert (year["left"], year["right"], year["level"]) == ("1998", "2000", "two")
    assert year["chinese"] == "出版年相差两年"


def test_the_most_useful_pair_comes_first_and_each_two_bibs_once(built: Path) -> None:
    other = ANALYSIS | {"pub_year": 2001, "isbn": [], "publisher": None, "extent": None}
    stage("b", [DOUBTFUL, other], batch_id="b2")
    stage("c", [HAMLET | {"publisher": "Penguin"}])
    stage("d", [HAMLET])
    catalog.build("two")
    rows = review()
    assert [row["usefulness"] for row in rows] == sorted((row["usefulness"] for row in rows), reverse=True)
    bibs = [frozenset((row["left_bib_id"], row["right_bib_id"])) for row in rows]
    assert len(set(bibs)) == len(rows) == 2
    assert (rows[0]["left_members"], rows[0]["right_members"]) == (3, 1)


@pytest.mark.parametrize("text", ["a = b", "a ! b"])
def test_a_judged_pair_does_not_come_back(built: Path, text: str) -> None:
    judgement.add([judged(text)])
    catalog.build("two")
    assert review() == []


def test_bibs_kept_apart_by_a_judgement_are_not_asked_about_by_another_pair(built: Path) -> None:
    stage("c", [HAMLET | {"publisher": "Oxford"}])
    judgement.add([judged("a ! b")])
    catalog.build("two")
    assert rules_of("b") == {("a", "judgement:must_not_join"), ("c", "other_year")}
    assert review() == []
    judgement.add([judged("a ! b/001", 1), judged("a = b", 2)])
    catalog.build("three")
    assert review() == []
