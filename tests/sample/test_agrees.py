"""The usage of the sample consortium agrees with its holdings; what deliberately does not is counted."""

import csv
import random

import pytest

from sample import loans, usage
from warehouse import build

pytestmark = pytest.mark.xdist_group("published")


def one(sql):
    ((value,),) = [tuple(row.values()) for row in build.query(sql).to_pylist()]
    return value


def test_every_loan_is_of_an_item_of_the_member_but_the_orphans_that_were_planted(published_lake):
    found = "SELECT count(*) FROM catalog.loan WHERE"
    assert one(f"{found} true") > 400
    orphans = one(f"{found} item_link = 'none'")
    assert orphans == one(f"{found} barcode LIKE 'X%'")
    assert 0 < orphans < one(f"{found} true") * 3 * loans.ORPHANS
    assert one(f"{found} item_link = 'former'") == 0
    held = "SELECT bib_id, member_code FROM catalog.item"
    assert one(f"{found} item_link <> 'none' AND (bib_id, member_code) NOT IN ({held})") == 0


def test_no_item_is_lent_before_it_came_nor_while_it_is_out_nor_where_it_may_not_be(published_lake):
    assert (
        one("""SELECT count(*) FROM catalog.loan JOIN catalog.item_month USING (member_code, barcode)
        WHERE event_type = 'loan' AND (event_date < accession_date OR NOT loanable)""")
        == 0
    )
    # a row whose time is damaged is set aside, two of each member, and may be a return
    assert (
        one("""SELECT coalesce(max(again), 0) FROM (SELECT member_code, count(*) AS again FROM (
        SELECT member_code, event_type, lag(event_type) OVER (
            PARTITION BY member_code, barcode ORDER BY event_time) AS before
        FROM catalog.loan WHERE event_type IN ('loan', 'renew', 'return', 'lost') AND item_link <> 'none')
        WHERE event_type = 'loan' AND before <> 'return' GROUP BY member_code)""")
        <= loans.BAD_TIMES
    )


def test_snapshots_are_of_items_that_are_catalogued(published_lake):
    rows = "SELECT count(*) FROM catalog.item_month WHERE from_snapshot"
    assert one(rows) > 400
    assert one(f"{rows} AND (member_code, barcode) NOT IN (SELECT member_code, barcode FROM catalog.item)") == 0


def test_reports_are_of_titles_that_the_member_has_access_to(published_lake):
    rows = "SELECT count(*) FROM catalog.eusage AS used"
    listed = "SELECT 1 FROM catalog.title_list AS list WHERE list.member_code = used.member_code"
    assert one(f"{rows}") > 4000 and one("SELECT count(DISTINCT member_code) FROM catalog.eusage") == 2
    assert one(f"{rows} WHERE NOT EXISTS ({listed} AND list.isbn = used.isbn AND carrier = 'electronic')") == 0


def test_people_borrow_who_are_counted(published_lake):
    assert one("""SELECT count(*) FROM marts.per_capita WHERE readers > headcount OR headcount IS NULL""") == 0


def test_a_library_asks_for_what_it_lacks_and_asks_those_that_hold_it(tmp_path):
    titles = [usage.Title(f"b{n}", f"Title {n}", f"97801403904{n:02d}") for n in range(60)]
    kept = (["A"], ["A", "B"], ["B", "C"], ["B"], [])
    holders = {title.book_id: kept[n % len(kept)] for n, title in enumerate(titles)}
    usage.requests(tmp_path, "A", titles, holders, random.Random(1))
    with (tmp_path / "requests.csv").open(encoding="gb18030", newline="") as file:
        rows = list(csv.DictReader(file))
    of = {title.title: holders[title.book_id] or ["国家图书馆"] for title in titles}
    assert len(rows) > 100
    assert all("A" not in of[row["书名"]] and row["提供馆"] in of[row["书名"]] for row in rows)
    assert any(row["派送序号"] == "2" for row in rows)


def test_requests_are_filled_by_members_that_hold_the_title(published_lake):
    """By the union catalogue: a copy without its number may be another bib there, so not of every request."""
    rows = """SELECT count(*) FILTER ((bib_id, supplier_code) IN (SELECT bib_id, member_code FROM catalog.holding))
        / count(*) FROM catalog.attempt WHERE bib_id IS NOT NULL AND supplier_code IS NOT NULL"""
    assert one(rows) > 0.9
