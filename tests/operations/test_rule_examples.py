"""`calis rules --examples`: findings with the fields at issue, of files and of what is published."""

import json

import pytest
from typer.testing import CliRunner

import cli
from operations import rule_examples
from quality.rules import RuleError
from tests.quality import small_lake
from tests.transforms.marc_records import build
from warehouse.publish import publish


def examples(*arguments: object) -> str:
    answer = CliRunner().invoke(cli.app, ["rules", "--examples", *map(str, arguments)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


@pytest.fixture
def books(tmp_path):
    """Six books, every second with an ISBN that fails its check."""
    path = tmp_path / "books.mrc"
    numbers = ["0-14-044293-X", "0140442936"] * 3
    path.write_bytes(
        b"".join(
            build([("001", f"{n:05}"), ("020", f"  \x1fa{isbn}"), ("245", f"00\x1faBook {n}")])
            for n, isbn in enumerate(numbers)
        )
    )
    return path


def test_a_finding_shows_its_value_and_the_fields_at_issue(books):
    lines = examples("bad-isbn", books).splitlines()
    assert lines[0].startswith("bad-isbn: ISBN fails its check") and lines[0].endswith("3 of 3 findings")
    assert lines[2:4] == ["1. books.mrc 00000: 020 0-14-044293-X", "   > 020 ## $a 0-14-044293-X"]
    assert "245" not in "".join(lines)


def test_the_whole_record_and_a_field_that_is_missing_are_shown_when_asked(books):
    lines = examples("no-subject", books, "--whole", "--most", 1).splitlines()
    assert "     245 00 $a Book 0" in lines and lines[-1] == "   > 650 (missing)"


def test_few_of_many_are_taken_from_all_over():
    assert rule_examples.spread(100, 4) == [0, 25, 50, 75]
    assert rule_examples.spread(3, 20) == [0, 1, 2] and rule_examples.spread(0, 20) == []


def test_what_is_published_is_shown_with_its_records(tmp_path, monkeypatch):
    small_lake.make(tmp_path, monkeypatch)
    publish("run-1")
    (row,) = json.loads(examples("price-form", "--json"))
    assert (row["source_id"], row["tag"]) == ("a-opac", "010")
    assert examples("orphan-item").endswith("0 of 0 findings\n")
    assert row["fields"] == ["> 010 ## $a 7-5037-2790-1 $d 25.00元<script>alert(2)</script>"]


def test_what_can_not_be_shown_is_said(books):
    with pytest.raises(RuleError, match="there is no rule 'bad-isb'; did you mean bad-isbn"):
        rule_examples.show("bad-isb", [books], 20, False, False)
    with pytest.raises(RuleError, match="compares what is published"):
        rule_examples.show("orphan-item", [books], 20, False, False)
