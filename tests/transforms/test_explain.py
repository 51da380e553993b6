"""Why two records are, or aren't, one bib."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cli
from transforms import candidates, catalog, judgement
from transforms.explain import ExplainError, explain
from transforms.score import load_card

from .staged_records import ANALYSIS, HAMLET, register, stage
from .test_judgement import OTHER, judged, record

DOUBTFUL = HAMLET | {"pub_year": 2004, "isbn": [], "publisher": None, "extent": None, "pub_place": None}


def told(*records: dict[str, Any], cap: int = candidates.BLOCK_CAP, of: str = "a b") -> dict[str, Any]:
    """Build a catalogue of one record a source, and explain two of them."""
    register(dict.fromkeys("abcdef"[: len(records)], "M1"))
    for name, one in zip("abcdef", records, strict=False):
        stage(name, [one])
    catalog.build("run", cap=cap)
    left, right = of.split()
    return explain(record(left), record(right))


def test_a_match_feature_by_feature(lake_home: Path) -> None:
    found = told(HAMLET, HAMLET | {"publisher": "Oxford"})
    assert found["together"] is True
    assert found["why"] == {"english": "they match", "chinese": "两者匹配"}
    assert found["compared"]["decision"] == "match"
    assert found["compared"]["score"] == pytest.approx(found["score"], abs=1e-5)
    assert [line["name"] for line in found["evidence"]] == list(load_card().evidence)
    isbn = next(line for line in found["evidence"] if line["name"] == "isbn")
    assert (isbn["left"], isbn["level"], isbn["weight"]) == ("9780140707342", "shared", 4.5)
    assert (isbn["english"], isbn["chinese"]) == ("an ISBN is shared", "书号相同")
    assert {block["rule"] for block in found["blocks"]["shared"]} >= {"isbn", "title, creator", "title, year"}
    assert {block["groups"] for block in found["blocks"]["shared"]} == {2}


def test_equal_records_and_the_sizes_of_blocks_in_groups(lake_home: Path) -> None:
    found = told(HAMLET, HAMLET, HAMLET | {"publisher": "Oxford"})
    assert (found["equal"], found["compared"]) == (True, None)
    assert found["why"]["english"] == "they are equal in everything that is compared"
    assert {block["groups"] for block in found["blocks"]["shared"]} == {2}
    other = explain(record("b"), record("c"))  # the pair is named by a, the first of the group
    assert other["compared"]["decision"] == "match"


def test_a_veto(lake_home: Path) -> None:
    found = told(ANALYSIS | {"volume_no": "上册"}, ANALYSIS | {"volume_no": "下册"})
    assert found["together"] is False
    assert [veto["rule"] for veto in found["vetoes"]] == ["volume"]
    assert found["vetoes"][0]["chinese"] == "分卷不同"
    assert found["why"]["chinese"] == "否决规则，不论得分：分卷不同"


def test_a_doubtful_pair(lake_home: Path) -> None:
    found = told(HAMLET, DOUBTFUL)
    assert found["why"]["english"] == "doubtful: waits for review"
    assert found["thresholds"]["review"] <= found["score"] < found["thresholds"]["match"]


def test_records_that_were_never_compared(lake_home: Path) -> None:
    found = told(HAMLET, OTHER)
    assert found["why"]["english"] == "never compared: they have no block in common"
    assert (found["compared"], found["blocks"]["shared"]) == (None, [])
    assert {block["rule"] for block in found["blocks"]["left"]} >= {"isbn", "title, year"}


def test_records_that_differ_too_much_to_be_scored(lake_home: Path) -> None:
    """They meet by creator and pages, but nothing else could make up for the titles."""
    found = told(HAMLET | {"isbn": []}, HAMLET | {"isbn": [], "title": "Macbeth", "subtitle": None})
    assert found["why"]["english"] == "set aside: what differs outweighs all that could agree"
    assert [block["rule"] for block in found["blocks"]["shared"]] == ["creator, pages", "creator, year"]
    assert (found["compared"], found["likely"]) == (None, False) and found["score"] < 0.01


def test_a_block_cut_by_the_cap(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "BLOCK_CAP", 3)
    plain = HAMLET | {"isbn": [], "extent": None}
    many = [plain | {"creators": [f"{name}, X"], "publisher": name} for name in "abcdefghijklmnopqrstuvwxyz"]
    register({"a": "M1"})
    stage("a", many)
    catalog.build("run", cap=3)
    found = explain(record("a/000"), record("a/025"))
    assert found["why"]["english"] == "never compared: every block they share is over the cap"
    assert [(block["rule"], block["groups"], block["cut"]) for block in found["blocks"]["shared"]] == [
        ("end of title, year", 26, True),
        ("title, year", 26, True),
        ("title, year", 26, True),
    ], "with its subtitle and without"


def test_refused_by_a_conflict_within_the_cluster(lake_home: Path) -> None:
    """c says no edition and fits both; it went with one, and the other is told what stands against it."""
    found = told(HAMLET | {"edition": "2nd ed."}, HAMLET | {"edition": "3rd ed."}, HAMLET, of="b c")
    if found["together"]:
        found = explain(record("a"), record("c"))
    assert found["compared"]["rule"] == "veto:cluster"
    (conflict,) = found["conflicts"]
    assert (conflict["rule"], {conflict["left"], conflict["right"]}) == ("edition", {"2", "3"})
    assert {conflict["left_record"], conflict["right_record"]} == {"a:000", "b:000"}
    assert "their bibs hold records that conflict: the edition differs" in found["why"]["english"]


def test_a_chain_shows_its_path(lake_home: Path) -> None:
    judgement.add([judged("a = b"), judged("b = c", 1)])
    found = told(HAMLET, OTHER, ANALYSIS, of="a c")
    assert found["together"] is True
    assert found["why"]["english"] == "joined by a chain of 2 pairs, not by their own"
    assert [(step["left"], step["right"], step["rule"]) for step in found["path"]] == [
        ("a:000", "b:000", "judgement:must_join"),
        ("b:000", "c:000", "judgement:must_join"),
    ]


def test_judgements_are_told_with_who_and_why(lake_home: Path) -> None:
    judgement.add([judged("a = b"), judged("b ! a", 1, who="Wang", why="two printings")])
    found = told(HAMLET, HAMLET)
    assert found["why"]["english"] == "a person judged that they must not be joined"
    assert [(one["verdict"], one["effect"], one["who"]) for one in found["judgements"]] == [
        ("must_join", "replaced", "Li"),
        ("must_not_join", "in_force", "Wang"),
    ]


def test_errors_say_what_to_do(lake_home: Path) -> None:
    told(HAMLET, HAMLET)
    with pytest.raises(ExplainError, match="name two"):
        explain(record("a"), record("a"))
    with pytest.raises(ExplainError, match="a:999: no such record is staged"):
        explain(record("a/999"), record("b"))
    stage("b", [HAMLET, OTHER], batch_id="b2")
    with pytest.raises(ExplainError, match="run `calis catalog`"):
        explain(record("a"), record("b/001"))


def test_the_command_prints_both_languages_or_json(lake_home: Path) -> None:
    told(HAMLET | {"resp_first": "[by] W."}, DOUBTFUL)
    result = CliRunner().invoke(cli.app, ["explain", "a:000", "b:000"])
    assert result.exit_code == 0, result.output
    for text in ("TWO BIBS 两条书目", "doubtful", "存疑", "[by] W.", "five to nine apart", "相差五至九年"):
        assert text in result.output
    result = CliRunner().invoke(cli.app, ["explain", "b:000", "a:000", "--json"])
    assert json.loads(result.output)["left"]["record"] == "a:000"
