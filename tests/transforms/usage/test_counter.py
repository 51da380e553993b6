"""COUNTER reports: the three forms give equal rows; views are told from masters."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from harvesters import counter, registry
from harvesters.compressed import UnreadableError
from harvesters.landing import Landing
from quality import reasons
from transforms import stage

from .usage_lake import Feeds, counts, html_page, html_table, rows, spreadsheet_2003, workbook

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
@pytest.mark.parametrize("name", ["TR", "IR"])
def test_a_report_in_html_or_spreadsheet_2003_gives_equal_rows(name):
    cells = list(csv.reader(io.StringIO(content(name, "tsv").decode("utf-8-sig"), newline=""), delimiter="\t"))
    seen = []
    for data in (content(name, "tsv"), html_page(html_table(cells)).encode(), spreadsheet_2003(cells).encode()):
        (table,) = counter.read(data, name)
        seen.append(sorted(map(repr, table.drop_columns(["row"]).to_pylist())))
    assert seen[0] == seen[1] == seen[2]


def test_a_row_of_a_report_that_lacks_cells_is_set_aside():
    """Its counts would stand under other months."""
    head = "Report_Name\tX\nReport_ID\tTR\nRelease\t5.1\n\nTitle\tPlatform\tMetric_Type\tJan-2024\tFeb-2024\n"
    lines = "T\tP\tTotal_Item_Requests\t5\t6\nU\tP\tTotal_Item_Requests\t6\n"
    assert counts(Feeds("a,A,counter,delta,").take("a", {"TR.tsv": head + lines})) == (3, 2, 1, 0, 0)
    ((rule, reason),) = rows("SELECT rule, reason FROM staged.rejected")
    assert (rule, reason[:12]) == ("usage-cells", "row 6: 4 cel")


def as_release_5(report: dict[str, Any]) -> dict[str, Any]:
    """A report of 5.1 as JSON of release 5 has it: identifiers as lists, attributes by item, counts by period."""
    items = []
    for above in report["Report_Items"]:
        for item in above.get("Items", [above]):
            if item is not above:  # release 5 has the parent below the item
                parent = {"Item_Name": above.get("Title"), "Item_ID": listed(above.get("Item_ID"))}
                item = item | {"Item_Parent": parent}
            for used in item["Attribute_Performance"]:
                performance = [
                    {"Period": {"Begin_Date": f"{month}-01", "End_Date": f"{month}-28"},
                     "Instance": [{"Metric_Type": metric, "Count": count}]}
                    for metric, months in used["Performance"].items() for month, count in months.items()
                ]  # fmt: skip
                kept = {key: value for key, value in (item | used).items() if key != "Attribute_Performance"}
                items.append(kept | {"Item_ID": listed(item.get("Item_ID")), "Performance": performance})
    header = report["Report_Header"]
    institution = [
        {"Type": kind, "Value": value} for kind, values in header["Institution_ID"].items() for value in values
    ]
    return {"Report_Header": header | {"Release": "5", "Institution_ID": institution}, "Report_Items": items}


def listed(ids: dict[str, str] | None) -> list[dict[str, str]]:
    return [{"Type": kind, "Value": value} for kind, value in (ids or {}).items()]


@needs_samples
@pytest.mark.parametrize("name", NAMES)
def test_three_forms_of_release_5_give_equal_rows(name):
    """There are no samples of release 5 in three forms: those of 5.1 are written as release 5 has them."""
    text = content(name, "tsv").decode("utf-8-sig")
    text = re.sub(r'(?m)^(Release\t"?)5\.1', r"\g<1>5", text, count=1)
    document = json.dumps(as_release_5(json.loads(content(name, "json")))).encode()
    cells = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t"))
    forms = {"json": document, "tsv": text.encode(), "xlsx": workbook(cells)}
    seen = []
    for form, data in forms.items():
        (table,) = counter.read(data, form)
        seen.append(sorted(map(repr, table.drop_columns(["row"]).to_pylist())))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0] and all("'release': '5'" in row for row in seen[0])


@needs_samples
def test_samples_of_release_5_are_read():
    feeds = Feeds("a,A,counter,delta,")
    for name in ("sushi_book.json", "sushi_simple.json", "tr_j1.tsv", "tr_j2.tsv"):
        feeds.take("a", {name: (SAMPLES / "counter-r5" / name).read_bytes()})
    seen = rows("""SELECT report_id, metric_type, count(*), sum(count) FROM staged.current_eusage
        WHERE release = '5' GROUP BY ALL ORDER BY ALL""")
    assert seen == [
        ("TR_B1", "Total_Item_Requests", 2, 22 + 16),
        ("TR_B1", "Unique_Item_Requests", 2, 11 + 12),
        ("TR_J1", "Total_Item_Requests", 2, 14 + 16),  # tr_j1.tsv counts nothing
        ("TR_J1", "Unique_Item_Requests", 2, 9 + 12),
        ("TR_J2", "Limit_Exceeded", 1, 3),
    ]


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
@pytest.mark.parametrize("form", ["json", "tsv"])
def test_a_part_of_a_report_is_marked_and_told(form):
    text = content("TR", form).decode("utf-8-sig")
    if form == "json":
        report = json.loads(text)
        report["Report_Header"]["Exceptions"] = [{"Code": 3040, "Message": "Partial Data Returned"}]
        text = json.dumps(report)
    else:
        text = re.sub(r"(?m)^Exceptions.*$", "Exceptions\t3040: Partial Data Returned", text, count=1)
    outcome = Feeds("a,A,counter,delta,").take("a", {f"TR.{form}": text})
    assert "it is only a part (exception 3040)" in outcome.reason and outcome.staged == 1872
    assert rows("SELECT DISTINCT partial FROM staged.eusage") == [(True,)]


@needs_samples
def test_a_refused_report_says_the_exception():
    refused = (SAMPLES / "counter-r5" / "not_authorized.json").read_bytes()
    with pytest.raises(UnreadableError, match="exception 2000"):
        list(counter.read(refused, "x"))


def test_an_answer_that_was_landed_as_it_came_says_what_to_do():
    """SUSHI's did before they came through the door of usage."""
    Feeds("a,A,counter,delta,")
    landed = Landing("a", "b1")
    landed.land("TR-2024-01.json", b'{"Report_Header": {}, "Report_Items": [{}]}', "TR 2024-01", 1)
    landed.complete(full=False)
    (outcome,) = stage.prepare(registry.load().source("a"), "run")
    assert outcome.verdict == "failed" and "harvest the source again with --full" in outcome.reason
    assert "请用 --full 重新采集该数据源" in str(reasons.in_chinese(outcome.reason))
