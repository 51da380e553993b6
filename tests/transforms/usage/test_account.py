"""Every row of a usage file is accounted for; of real interlibrary loan workbooks the account is written down."""

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from harvesters import registry
from schemas.tables import BY_NAME
from transforms.usage import account, facts
from warehouse import engine, lake

from .usage_lake import Feeds

ILL = Path(__file__).resolve().parents[4] / "shared" / "data" / "usage" / "ill"
WRITTEN = Path(__file__).parent / "ill_account.csv"
WORKBOOKS = {
    "psu-borrowing": "PSU/PSU 2017articlesborrowing.xlsx",
    "psu-lending": "PSU/Copy of PSU 2017articleslending.xlsx",
    "up-borrowing": "UofP/UP16-17_borrowing_articles.xlsx",
    "up-lending": "UofP/UP16_17_lending_articles.xlsx",
}
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def rows_in(workbook: Path) -> list[int]:
    """Rows of each sheet that hold anything, counted in the XML, without that of the headers."""
    found = []
    with zipfile.ZipFile(workbook) as book:
        names = [name for name in book.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name)]
        for name in sorted(names):
            rows = etree.parse(book.open(name)).iter(f"{MAIN}row")
            found.append(sum(row.find(f".//{MAIN}v") is not None for row in rows) - 1)
    return found


def account_as_csv(rows: list[dict[str, Any]]) -> str:
    """What `ill_account.csv` should hold."""
    to = io.StringIO()
    writer = csv.DictWriter(to, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return to.getvalue()


def build_of_nothing() -> None:
    """A build of the catalogue without a bib, so that facts say who is a member and what has no bib."""
    folder = lake.catalog_build("b")
    folder.mkdir(parents=True)
    for name in facts.READ:
        table = BY_NAME[f"catalog.{name}"]
        rows = registry.load().member_table() if name == "member" else table.empty()
        lake.write_table(folder, table.full_name, rows)
    with engine.open_lake() as con:
        facts.write(con, registry.load(), folder)


@pytest.mark.skipif(not ILL.is_dir(), reason="needs ../shared/data/usage/ill beside the checkout")
def test_the_written_account_of_real_workbooks_holds_and_adds_up_to_their_rows():
    feeds = Feeds(*(f"{name},A,ill,delta," for name in WORKBOOKS))
    for name, file in WORKBOOKS.items():
        feeds.take(name, {Path(file).name: (ILL / file).read_bytes()})
    build_of_nothing()
    files, rows = account.account([])
    told = files.drop_columns(["batch_id", "file"]).to_pylist()
    assert account_as_csv(told) == WRITTEN.read_text("utf-8")
    assert [row["rows"] for row in told] == [n for file in WORKBOOKS.values() for n in rows_in(ILL / file)]
    fates = ("counted", "told_anew", "told_before", "rejected")
    assert all(row["rows"] == sum(row[fate] for fate in fates) for row in told)
    assert len(rows) == sum(row["rows"] for row in told)


def test_each_row_has_its_fate_over_batches_and_files(tmp_path):
    feeds = Feeds("a,A,ill,delta,role=borrow", "b,A,loans,delta,")
    header = "request id,title,status,partner\n"
    first = "1,Hamlet,Unfilled,B\n2,Emma,RequestReceived,\n3,Walden,what?,\n"
    feeds.take("a", {"1.csv": header + first})
    feeds.take("a", {"2.csv": f"{header}1,Hamlet,LoanCompleted,B\n2,Emma,RequestReceived,\n"})
    feeds.harvest("a", {"3.csv": f"{header}9,Later,Loaned,\n"})
    feeds.take(
        "b", {"loans.csv": "借出日期,归还日期,条码\n2025-01-01,2025-01-05,B1\n2025-01-02,,B2\n2025-13-01,,B3\n"}
    )
    files, rows = account.account([])
    assert [(row["batch_id"], row["file"], row["row"], row["fate"]) for row in rows.to_pylist()] == [
        ("b1", "1.csv", 2, "changed"), ("b1", "1.csv", 3, "counted"), ("b1", "1.csv", 4, "rejected"),
        ("b2", "2.csv", 2, "counted"), ("b2", "2.csv", 3, "told before"), ("b3", "3.csv", 2, "not staged"),
        ("b4", "loans.csv", 2, "counted"), ("b4", "loans.csv", 2, "counted"), ("b4", "loans.csv", 3, "counted"),
        ("b4", "loans.csv", 4, "rejected"),
    ]  # fmt: skip
    assert files["reasons"][0].as_py().startswith("status is no value")
    assert [row["rows"] for row in files.to_pylist()] == [3, 2, 1, 4]
    account.write_rows(rows, tmp_path / "rows.csv")
    assert len((tmp_path / "rows.csv").read_text("utf-8").splitlines()) == 11


def test_a_source_that_is_not_of_usage_is_named():
    Feeds("a,A,ill,delta,")
    with pytest.raises(account.AccountError, match="no source of usage is called x"):
        account.account(["x"])
