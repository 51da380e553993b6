"""`calis bib`: any id that ever was leads to a bib and its history, or says that it is retired."""

import json

import pytest
from typer.testing import CliRunner

import cli
from tests.transforms.built_catalog import bib_of, book
from tests.transforms.staged_records import HAMLET, register, stage
from transforms import catalog
from warehouse.one_bib import NoBibError, one_bib
from warehouse.publish import publish


@pytest.fixture
def ids(lake_home) -> dict[str, str]:
    """A published union with a merged and a retired bib, and two that are linked; the ids by what they are."""
    register({"a": "M1", "b": "M2", "c": "M2"})
    same = {"edition": "5th ed.", "pub_year": 1970}
    item = {"record_no": 0, "record_id": "000", "item_no": 0, "barcode": "B1"}
    stage("a", [book("same") | {"price": "[x] 1"}, book("gone"), HAMLET])
    stage("b", [book("same") | same, HAMLET | {"carrier": "electronic"}], items=[item])
    stage("c", [book("same") | same])
    catalog.build("one")
    before = bib_of()
    stage("a", [book("same") | same | {"price": "[x] 1"}, book("gone") | {"deleted": True}, HAMLET], batch_id="b2")
    catalog.build("two")
    (outcome,) = publish("two")
    assert outcome.verdict == "complete", outcome.reason
    names = {"merged": "a/000", "living": "b/000", "retired": "a/001", "print": "a/002", "online": "b/001"}
    return {name: before[key] for name, key in names.items()}


def test_a_merged_id_shows_the_living_bib(ids) -> None:
    found = one_bib(ids["merged"])
    assert (found["asked"], found["status"], found["bib_id"]) == (ids["merged"], "merged", ids["living"])
    assert [(r["source_id"], r["record_id"]) for r in found["records"]] == [
        ("a", "000"),
        ("b", "000"),
        ("c", "000"),
    ]
    assert [(m["member_code"], m["records"], m["items"]) for m in found["members"]] == [("M1", 1, 0), ("M2", 2, 1)]
    assert [(h["event"], h["bib_id"], h["other_bib_id"]) for h in found["history"]] == [
        ("merge", ids["merged"], ids["living"])
    ]
    values = {value["column"]: value for value in found["values"]}
    assert values["edition"]["value"] == "5th ed."
    assert (values["price"]["value"], values["price"]["source_id"]) == ("[x] 1", "a")
    again = one_bib(ids["living"])
    assert again["status"] == "living" and again["values"] == found["values"]


def test_a_retired_id_says_since_when_and_an_unknown_one_is_told(ids) -> None:
    found = one_bib(ids["retired"])
    assert (found["status"], found["bib_id"], found["values"], found["records"]) == ("retired", None, [], [])
    assert found["since"] == found["history"][0]["build_id"]
    with pytest.raises(NoBibError, match="UNKNOWN"):
        one_bib("UNKNOWN")


def test_linked_bibs_are_named_with_their_title(ids) -> None:
    (link,) = one_bib(ids["print"])["links"]
    assert (link["other_bib_id"], link["relation"], link["title"]) == (ids["online"], "carrier", "Hamlet")


def test_the_command_prints_it_for_people_and_programs(ids) -> None:
    shown = CliRunner().invoke(cli.app, ["bib", ids["merged"]])
    assert shown.exit_code == 0, shown.exception
    assert "已并入" in shown.stdout and ids["living"] in shown.stdout and "[x] 1" in shown.stdout
    told = CliRunner().invoke(cli.app, ["bib", ids["merged"], "--json"])
    assert json.loads(told.stdout)["bib_id"] == ids["living"]
    gone = CliRunner().invoke(cli.app, ["bib", ids["retired"]])
    assert "已停用" in gone.stdout
