"""COUNTER reports: the three forms give equal rows; views are told from masters."""

from pathlib import Path

import pytest

from harvesters import counter
from harvesters.compressed import UnreadableError

from .usage_lake import Feeds, counts, rows

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "usage"
NAMES = "DRD1 DRD2 DR IRA1 IRM1 IR PRP1 PR TRB1 TRB2 TRB3 TRJ1 TRJ2 TRJ3 TRJ4 TR".split()
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs ../shared/data/usage beside the checkout")


def content(name: str, form: str) -> bytes:
    return (SAMPLES / "counter-r51-samples" / f"{name}_sample_r51.{form}").read_bytes()


@needs_samples
@pytest.mark.parametrize("name", NAMES)
def test_three_forms_of_a_report_give_equal_rows(name):
    tables = [list(counter.read(content(name, form), form)) for form in ("json", "tsv", "xlsx")]
    seen = [sorted(map(repr, table.drop_columns(["row"]).to_pylist())) for (table,) in tables]
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]


@needs_samples
def test_what_came_in_one_form_is_unchanged_in_the_others_and_views_are_told():
    feeds = Feeds("a,A,counter,delta,")
    assert counts(feeds.take("a", {"TR.json": content("TR", "json")})) == (1872, 1872, 0, 0, 0)
    assert counts(feeds.take("a", {"TR.tsv": content("TR", "tsv")})) == (1872, 0, 0, 0, 1872)
    assert counts(feeds.take("a", {"TRB1.xlsx": content("TRB1", "xlsx")})) == (48, 48, 0, 0, 0)
    assert rows("SELECT DISTINCT report_id, is_view, level FROM staged.current_eusage ORDER BY 1") == [
        ("TR", False, "title"),
        ("TR_B1", True, "title"),
    ]


@needs_samples
def test_a_refused_report_says_the_exception():
    refused = (SAMPLES / "counter-r5" / "not_authorized.json").read_bytes()
    with pytest.raises(UnreadableError, match="exception 2000"):
        list(counter.read(refused, "x"))
