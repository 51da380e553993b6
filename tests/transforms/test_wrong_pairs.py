"""The wrong pairs of an evaluation, each with its reason."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import cli
from transforms import catalog, evaluate, wrong_pairs
from transforms.evaluate import Evaluation
from warehouse import lake

from .staged_records import ANALYSIS, HAMLET, bibs, register, stage

COOKING = {
    "title": "Cooking for two",
    "creators": ["Child, Julia"],
    "pub_year": 1970,
    "lang": "eng",
    "kind": "book",
}


def labelled(records: list[dict[str, Any]], *pairs: str) -> Evaluation:
    """`0=1` says that two records are one, `0!1` that they are not."""
    named = [(f"00{text[0]}", f"00{text[2]}", text[1] == "=") for text in pairs]
    return evaluate.evaluate_table(bibs("x", records), named)


def told(records: list[dict[str, Any]], pair: str) -> dict[str, Any]:
    (row,) = labelled(records, pair).explained()
    return row


def test_joined_wrongly() -> None:
    row = told([HAMLET, HAMLET | {"publisher": "Oxford"}], "0!1")
    assert (row["left"], row["right"], row["wrong"], row["pairs"]) == ("000", "001", "joined", 1)
    assert (row["why"], row["rule"]) == ("they match", "isbn shared")
    assert row["for"][0] == "isbn shared +4.50"
    assert row["against"] == ["publisher unlike -0.12"]
    assert row["differing"] == [{"name": "publisher", "left": "Penguin Books", "right": "Oxford"}]
    assert row["chain"] == []


def test_joined_because_nothing_differs() -> None:
    row = told([HAMLET, HAMLET], "0!1")
    assert (row["why"], row["rule"]) == ("they are equal in everything that is compared", None)
    assert row["differing"] == []


def test_missed_by_a_veto() -> None:
    row = told([HAMLET, HAMLET | {"lang": "ger"}], "0=1")
    assert (row["wrong"], row["rule"]) == ("missed", "veto:language")
    assert row["why"] == "a veto separates them whatever the score: the language differs"
    assert row["score"] > 0.9  # of the card alone


def test_missed_by_score() -> None:
    other = HAMLET | {"isbn": [], "pub_year": 1950, "extent": "200 p.", "pub_place": "Leipzig"}
    row = told([HAMLET | {"isbn": []}, other], "0=1")
    assert row["why"] == "the score is too low"
    assert [line.split()[0] for line in row["against"]] == ["pages_gap", "year_gap", "place"]


def test_never_compared() -> None:
    row = told([HAMLET, COOKING], "0=1")
    assert (row["why"], row["rule"]) == ("never compared: they have no block in common", None)


def test_joined_through_a_chain() -> None:
    """The first and the last are too far apart, the one between them is near to both."""
    first = HAMLET | {"isbn": ["9780140707342"], "pub_year": 1990}
    last = HAMLET | {"isbn": ["9780198320494"], "pub_year": 1998, "publisher": "Oxford", "pub_place": "Oxford"}
    between = HAMLET | {"isbn": ["9780140707342", "9780198320494"], "pub_year": 1994}
    row = told([first, between, last], "0!2")
    assert row["why"] == "joined by a chain of 2 pairs, not by their own"
    assert [step.split(" (")[0] for step in row["chain"]] == ["000 = 001", "001 = 002"]


def test_held_apart_by_a_vetoed_pair_of_their_bibs() -> None:
    """The third fits both of the others, which an edition on one side separates: it can go with one only."""
    second = HAMLET | {"edition": "2nd ed."}
    earlier = HAMLET | {"pub_year": 1995}
    found = labelled([second, earlier, HAMLET], "0=2", "1=2")
    (row,) = found.explained()
    assert row["rule"] == "veto:cluster"
    assert row["why"] == "they match, but their bibs hold records that conflict: the edition differs (000, 001)"


def test_of_each_kind_the_first_and_how_many_there_are() -> None:
    found = labelled([HAMLET, HAMLET | {"lang": "ger"}, ANALYSIS, COOKING, HAMLET], "0=1", "0=2", "0=3", "0!4")
    assert found.counts == {"joined": 1, "missed": 3}
    assert [row["wrong"] for row in found.explained(2)] == ["joined", "missed", "missed"]


def test_written_as_csv(tmp_path: Path) -> None:
    told = labelled([HAMLET, HAMLET | {"lang": "ger"}], "0=1").explained()
    wrong_pairs.write(tmp_path / "wrong.csv", told)
    with (tmp_path / "wrong.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert tuple(row) == wrong_pairs.COLUMNS
    assert (row["left"], row["wrong"], row["differing"]) == ("000", "missed", "lang: eng ≠ ger")


def sample() -> None:
    """a and b hold three books; b's second is catalogued as of another language, its third as the first."""
    register({"a": "M1", "b": "M2", "c": "M3"})
    stage("a", [HAMLET, ANALYSIS])
    stage("b", [HAMLET | {"publisher": "Oxford"}, ANALYSIS | {"lang": "eng"}])
    stage("c", [HAMLET | {"extent": "xii, 345 pages", "publisher": "Puffin"}])
    catalog.build("run")
    rows = {
        "source_id": ["a", "a", "b", "b", "c"],
        "record_id": ["000", "001", "000", "001", "000"],
        "book_id": [1, 2, 1, 2, 3],
    }
    lake.sample().mkdir(parents=True)
    pq.write_table(pa.table(rows), lake.sample() / "truth.parquet")


def test_of_the_sample_one_pair_stands_for_all_between_two_parts(lake_home: Path) -> None:
    sample()
    found = evaluate.evaluate_truth(lake.sample() / "truth.parquet")
    assert found.counts == {"joined": 1, "missed": 1}
    joined, missed = found.explained()
    assert {joined["left"], joined["right"]} in ({"a:000", "c:000"}, {"b:000", "c:000"})
    assert (joined["pairs"], joined["why"]) == (2, "they match")
    assert (missed["left"], missed["right"], missed["rule"]) == ("a:001", "b:001", "veto:language")


@pytest.mark.parametrize("option", ["--json", "--wrong"])
def test_the_command_tells_them(option: str, lake_home: Path, tmp_path: Path) -> None:
    sample()
    file = tmp_path / "all.csv"
    given = [option] if option == "--json" else [option, str(file), "--most", "0"]
    answer = CliRunner().invoke(cli.app, ["evaluate", *given])
    assert answer.exit_code == 0, answer.output
    if option == "--json":
        found = json.loads(answer.stdout)
        assert {"precision", "recall", "f1"} <= set(found)
        assert [row["wrong"] for row in found["wrong"]] == ["joined", "missed"]
    else:
        assert "1 more" in answer.stdout
        assert len(file.read_text("utf-8-sig").splitlines()) == 3


def test_the_command_shows_the_reason(lake_home: Path) -> None:
    sample()
    answer = CliRunner().invoke(cli.app, ["evaluate"])
    assert "a:001 | b:001: a veto separates them whatever the score: the language differs" in answer.stdout
    assert "differ   lang: chi ≠ eng" in answer.stdout
