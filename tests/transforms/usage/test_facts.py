"""Facts of a build: which member, item and bib each event belongs to, and that none is lost or counted twice.

One lake for all tests: two libraries, two builds.  Between the builds item B1 went from A to B, A gave up a
record, and its bib was merged into another.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pytest

from tests.transforms.staged_records import ANALYSIS, HAMLET, stage
from transforms import catalog
from warehouse import engine
from warehouse.outcome import Outcome

from .usage_lake import Feeds, home

WALDEN = {"title": "Walden", "creators": ["Thoreau, Henry David"], "isbn": ["9780140390445"], "pub_year": 1986}
EMMA = {"title": "Emma", "creators": ["Austen, Jane"], "isbn": ["9780141439587"], "pub_year": 2003}
OWN = ANALYSIS | {"title": "校史资料选编", "creators": ["校史馆"], "isbn": [], "pub_year": 1985, "publisher": None}
LOANS = """event_id,event_type,event_time,barcode,reader
a1,loan,2024-01-31 23:30,B1,R1
a2,renew,2024-02-29 10:00,B1,R1
a3,return,2024-03-02 09:00,B1,R1
a4,return,2024-03-05 09:00,B2,R2
a5,loan,2024-03-06 09:00,NOWHERE,R2
a6,loan,2024-03-07 09:00,B4,R2
a7,loan,2024-03-08 09:00,B6,R2
a8,loan,2024-03-09 09:00,TWICE,R2
a9,fly,2024-03-09 09:00,B1,R2
"""
EBOOKS = """loan_id,borrowed_at,expires_at,title,isbn,user id
common,2023-01-31,,Hamlet,9780140707342,R1
leap,2024-01-31,,Hamlet,9780140707342,R1
year's end,2023-12-31,,Hamlet,9780140707342,R1
given,2024-03-31,2024-04-07,Nothing known,,R1
"""
LOG = """request_id,role,partner,title,isbn,status,submitted_at,supplied_at,attempt_no
l1,borrow,X library,Emma,9780141439587,Unfilled,2024-01-05,,1
l1,borrow,示范乙学院图书馆,Emma,9780141439587,LoanCompleted,2024-01-07,2024-01-09,2
l2,borrow,B,Emma,9780141439587,LoanCompleted,2024-01-07,2024-01-09,2
l2,borrow,X library,Emma,9780141439587,Unfilled,2024-01-05,,1
l3,borrow,,Hamlet,9780140707342,Cancelled,2024-01-05,,
1,borrow,B,Hamlet,9780140707342,Loaned,2024-01-31 23:30,2024-02-01,1
"""
SOURCES = (
    "a-cat,A,auto,full,",
    "b-cat,B,auto,full,",
    "a-loans,A,loans,delta,",
    "b-loans,B,loans,delta,",
    "a-items,A,items,delta,",
    "a-ebooks,A,ebook_loans,delta,",
    "a-ill,A,ill,delta,",
    "b-ill,B,ill,delta,role=lend",
    "a-ppv,A,ppv,delta,",
    "pop,A,population,delta,",
    "rental,A,rental,delta,",
    "a-kbart,A,kbart,delta,",
    "a-counter,A,counter,delta,",
)
COUNTER = (
    "Report_Name\tTitle Master Report\nReport_ID\tTR\nRelease\t5.1\nCreated_By\tP\n\n"
    "Title\tPlatform\tISBN\tMetric_Type\tJan-2024\n"
    "Hamlet\tP\t9780140707342\tTotal_Item_Requests\t5\nUnknown\tP\t\tTotal_Item_Requests\t6\n"
)


def message(
    kind: str, request_id: str, day: int, supplier: str, isbn: str = "", status: str = "", who: str = "A"
) -> str:
    """A message of ISO 18626 sent in January 2024."""
    reason = "<reasonUnfilled>NotHeld</reasonUnfilled>" if status == "Unfilled" else ""
    item = "<bibliographicItemIdentifierCode>ISBN</bibliographicItemIdentifierCode>"
    item += f"<bibliographicItemIdentifier>{isbn}</bibliographicItemIdentifier>"
    body = (
        f"<messageInfo>{reason}</messageInfo><statusInfo><status>{status}</status></statusInfo>" if status else ""
    )
    if kind == "request":
        body = f"<bibliographicInfo><bibliographicItemId>{item}</bibliographicItemId></bibliographicInfo>"
    return f"""<ISO18626Message xmlns="http://illtransactions.org/2013/iso18626"><{kind}><header>
    <supplyingAgencyId><agencyIdType>ISIL</agencyIdType><agencyIdValue>{supplier}</agencyIdValue></supplyingAgencyId>
    <requestingAgencyId><agencyIdType>ISIL</agencyIdType><agencyIdValue>{who}</agencyIdValue></requestingAgencyId>
    <timestamp>2024-01-{day:02}T08:00:00Z</timestamp>
    <requestingAgencyRequestId>{request_id}</requestingAgencyRequestId></header>{body}</{kind}></ISO18626Message>"""


ASK, TELL, CHANGE = "request", "supplyingAgencyMessage", "requestingAgencyMessage"
HAMLETS, EMMAS = HAMLET["isbn"][0], EMMA["isbn"][0]
MESSAGES = [
    # asked of two at once: B lends it and gets it back, X says no in between
    message(ASK, "q1", 5, "B", HAMLETS), message(TELL, "q1", 6, "B", status="Loaned"),
    message(ASK, "q1", 7, "X", HAMLETS), message(TELL, "q1", 9, "X", status="Unfilled"),
    message(TELL, "q1", 20, "B", status="LoanCompleted"), message(CHANGE, "q1", 21, "X"),
    # X says no, then B is asked and has not answered
    message(ASK, "q2", 5, "X", HAMLETS), message(TELL, "q2", 6, "X", status="Unfilled"),
    message(ASK, "q2", 7, "B", HAMLETS),
    # X says no, and that was all
    message(ASK, "q3", 5, "X", "9780000000002"), message(TELL, "q3", 6, "X", status="Unfilled"),
    # B lends it and it is not back; X says no later
    message(ASK, "q4", 5, "B", HAMLETS), message(ASK, "q4", 5, "X", HAMLETS),
    message(TELL, "q4", 6, "B", status="Loaned"), message(TELL, "q4", 9, "X", status="Unfilled"),
    # both were asked, and only one has said no
    message(ASK, "q5", 5, "B", HAMLETS), message(ASK, "q5", 5, "X", HAMLETS),
    message(TELL, "q5", 9, "X", status="Unfilled"),
]  # fmt: skip
LENT = [  # two libraries number their requests alike
    message(ASK, "1", 5, "B", HAMLETS, who="A"), message(ASK, "1", 6, "B", EMMAS, who="X"),
    message(TELL, "1", 7, "B", status="Loaned", who="A"), message(TELL, "1", 8, "B", status="Unfilled", who="X"),
]  # fmt: skip


def item(record_no: int, barcode: str | None, item_no: int = 0) -> dict[str, Any]:
    return {"record_no": record_no, "record_id": f"{record_no:03}", "item_no": item_no, "barcode": barcode}


def catalogue_before() -> None:
    """A: Hamlet (B1), analysis (B2), Walden (B4), a book of its own (B6); B: Walden, Emma."""
    books = [HAMLET, ANALYSIS, HAMLET | WALDEN, OWN]
    stage("a-cat", books, "b1", items=[item(0, "B1"), item(1, "B2"), item(2, "B4"), item(3, "B6")])
    stage("b-cat", [HAMLET | WALDEN, HAMLET | EMMA], "b1", items=[item(0, "B5")])


def catalogue_after() -> None:
    """B1 is with B; A's Walden and its own book are gone; what B called Walden was Emma all along."""
    gone = [HAMLET | WALDEN | {"deleted": True}, OWN | {"deleted": True}]
    twice = [item(0, "TWICE"), item(1, "TWICE", 1)]
    stage("a-cat", [HAMLET, ANALYSIS, *gone], "b2", items=[item(1, "B2"), *twice])
    held = [item(0, "B5"), item(2, "B1"), item(2, None, 1)]
    stage("b-cat", [HAMLET | EMMA, HAMLET | EMMA, HAMLET], "b2", items=held)


FILES: dict[str, dict[str, bytes | str]] = {
    "a-loans": {"loans.csv": LOANS},
    "b-loans": {"loans.csv": LOANS.splitlines()[0] + "\nb1,loan,2024-05-31 20:00,B1,R9\n"},
    "a-items": {
        "items.csv": "month,barcode,record_id\n2024-01,B1,000\n2024-02,B1,000\n2024-01,UNLISTED,001\n"
        "2024-01,LOST,999\n"
    },
    "a-ebooks": {"ebooks.csv": EBOOKS},
    "a-ill": {"log.csv": LOG, **{f"{n:02}.xml": text for n, text in enumerate(MESSAGES)}},
    "b-ill": {f"{n:02}.xml": text for n, text in enumerate(LENT)},
    "a-ppv": {
        "ppv.csv": "order_id,order date,platform,price,title,isbn\n1,2024-01-05,P,12,Hamlet,9780140707342\n"
    },
    "pop": {
        "pop.csv": "member,month,reader_type,headcount\nA,2024-01,本科生,5\n示范乙学院图书馆,2024-01,本科生,6\n"
        "Z,2024-01,本科生,7\n"
    },
    "rental": {"rental.csv": "tenant,system,month,logins\nB,S,2024-01,5\nZ,S,2024-01,5\nA,S,2024-01,x\n"},
    "a-kbart": {
        "kbart.csv": "publication_title,print_identifier,online_identifier\nHamlet,9780140707342,\nUnknown,,\n"
    },
    "a-counter": {"tr.tsv": COUNTER},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Iterator[tuple[duckdb.DuckDBPyConnection, dict[str, Outcome], dict[str, Outcome]]]:
    """The lake after two builds, the outcomes of staging and those of the last build."""
    with pytest.MonkeyPatch.context() as patch:
        home(tmp_path_factory.mktemp("facts"), patch)
        feeds = Feeds(*SOURCES)
        catalogue_before()
        catalog.build("first")
        catalogue_after()
        staged = {source_id: feeds.take(source_id, files) for source_id, files in FILES.items()}
        outcomes = {outcome.source_id: outcome for outcome in catalog.build("second")}
        with engine.open_lake() as con:
            con.execute("CREATE TEMP TABLE title AS SELECT bib_id, title FROM catalog.bib")
            yield con, staged, outcomes


@pytest.fixture
def ask(built):
    """The answer of the lake."""
    return lambda sql: built[0].execute(sql).fetchall()


TITLE = "(SELECT title FROM title WHERE title.bib_id = f.bib_id)"


# --- loans -----------------------------------------------------------------------------------------------


def test_a_renewal_and_a_return_are_events_of_their_own_months(ask):
    assert ask(f"SELECT event_type, event_date, {TITLE}, item_link FROM catalog.loan f WHERE barcode = 'B1' "
               "AND member_code = 'A' ORDER BY event_time") == [
        ("loan", date(2024, 1, 31), "Hamlet", "former"),
        ("renew", date(2024, 2, 29), "Hamlet", "former"),
        ("return", date(2024, 3, 2), "Hamlet", "former"),
    ]  # fmt: skip


def test_a_return_without_a_loan_stays(ask):
    assert ask(f"SELECT event_id, event_type, {TITLE}, item_link FROM catalog.loan f WHERE barcode = 'B2'") == [
        ("a4", "return", "數學分析", "current")
    ]


def test_an_item_that_moved_is_each_members_in_its_time(ask):
    assert ask(f"SELECT member_code, {TITLE}, item_link, count(*) FROM catalog.loan f WHERE barcode = 'B1' "
               "GROUP BY ALL ORDER BY 1") == [
        ("A", "Hamlet", "former", 3),
        ("B", "Hamlet", "current", 1),
    ]  # fmt: skip


def test_a_loan_of_a_merged_bib_is_of_the_one_that_lives(ask):
    was, now = ask("SELECT bib_id, living_bib_id FROM catalog.redirect WHERE status = 'merged'")[0]
    assert was != now
    assert ask("SELECT bib_id, item_link FROM catalog.loan WHERE barcode = 'B4'") == [(now, "former")]
    assert ask(f"SELECT title FROM title WHERE bib_id = '{now}'") == [("Emma",)]


def test_a_loan_of_what_is_nowhere_is_an_orphan_that_is_told(ask, built):
    assert ask("SELECT event_id, bib_id, item_link FROM catalog.loan WHERE item_link = 'none' ORDER BY 1") == [
        ("a5", None, "none"),
        ("a7", None, "none"),  # its bib was retired, no other took its place
    ]
    assert "2 of 8 loans have no item" in built[2]["a-loans"].reason


def test_a_barcode_on_two_items_counts_once(ask):
    assert ask("SELECT count(*), count(bib_id) FROM catalog.loan WHERE barcode = 'TWICE'") == [(1, 1)]


@pytest.mark.parametrize(
    ("loan", "expires"),
    [
        ("common", date(2023, 2, 28)), ("leap", date(2024, 2, 29)), ("year's end", date(2024, 1, 31)),
        ("given", date(2024, 4, 7)),
    ],
)  # fmt: skip
def test_an_electronic_loan_ends_after_one_calendar_month(built, loan, expires):
    seen = built[0].execute(
        "SELECT expires_date, bib_id IS NULL FROM catalog.ebook_loan WHERE loan_id = $1", [loan]
    )
    assert seen.fetchall() == [(expires, loan == "given")]


# --- items -----------------------------------------------------------------------------------------------


def test_items_by_month_are_from_snapshots_where_there_are_any(ask, built):
    assert ask(
        f"SELECT month, barcode, {TITLE} FROM catalog.item_month f WHERE member_code = 'A' ORDER BY 2, 1"
    ) == [
        (date(2024, 1, 1), "B1", "Hamlet"),
        (date(2024, 2, 1), "B1", "Hamlet"),
        (date(2024, 1, 1), "LOST", None),
        (date(2024, 1, 1), "UNLISTED", "數學分析"),
    ]
    assert ask("SELECT DISTINCT from_snapshot FROM catalog.item_month WHERE member_code = 'A'") == [(True,)]
    assert "1 of 4 items have no bib" in built[2]["a-items"].reason


def test_items_of_a_member_without_snapshots_are_as_catalogued_in_the_month_of_its_last_loan(ask):
    assert ask(f"SELECT month, barcode, {TITLE}, from_snapshot FROM catalog.item_month f WHERE member_code = 'B' "
               "ORDER BY 2") == [
        (date(2024, 5, 1), "B1", "Hamlet", False),
        (date(2024, 5, 1), "B5", "Emma", False),
        (date(2024, 5, 1), None, "Hamlet", False),
    ]  # fmt: skip


# --- requests --------------------------------------------------------------------------------------------


def at(day: int) -> datetime:
    return datetime(2024, 1, day, 8)


def test_messages_are_folded_into_requests(ask):
    assert ask("""SELECT request_id, status, outcome, partner, partner_code, submitted_at, supplied_at, closed_at,
        unfilled_reason FROM catalog.request WHERE source_id = 'a-ill' AND request_id LIKE 'q%' ORDER BY 1""") == [
        ("q1", "LoanCompleted", "filled", "ISIL:B", "B", at(5), at(6), at(20), None),
        ("q2", "RequestReceived", "open", "ISIL:B", "B", at(5), None, None, None),
        ("q3", "Unfilled", "unfilled", "ISIL:X", None, at(5), None, at(6), "NotHeld"),
        ("q4", "Loaned", "filled", "ISIL:B", "B", at(5), at(6), None, None),
        ("q5", "RequestReceived", "open", "ISIL:B", "B", at(5), None, None, None),
    ]  # fmt: skip


def test_every_supplier_asked_is_an_attempt(ask):
    assert ask("""SELECT request_id, attempt_no, supplier_code, status, outcome, asked_at, supplied_at, returned_at
        FROM catalog.attempt WHERE source_id = 'a-ill' AND request_id IN ('q1', 'q2', 'q5') ORDER BY 1, 2""") == [
        ("q1", 1, "B", "LoanCompleted", "filled", at(5), at(6), at(20)),
        ("q1", 2, None, "Unfilled", "unfilled", at(7), None, None),
        ("q2", 1, None, "Unfilled", "unfilled", at(5), None, None),
        ("q2", 2, "B", "RequestReceived", "open", at(7), None, None),
        ("q5", 1, "B", "RequestReceived", "open", at(5), None, None),
        ("q5", 2, None, "Unfilled", "unfilled", at(5), None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(("request_id", "partner"), [("l1", "示范乙学院图书馆"), ("l2", "B")])
def test_a_log_with_a_line_for_each_supplier_is_one_request_in_any_order(ask, request_id, partner):
    assert ask(f"""SELECT outcome, partner, partner_code, submitted_date, supplied_at IS NULL, {TITLE}
        FROM catalog.request f WHERE request_id = '{request_id}'""") == [
        ("filled", partner, "B", date(2024, 1, 5), False, "Emma")
    ]  # fmt: skip
    assert ask(f"""SELECT attempt_no, supplier_code, outcome, {TITLE} FROM catalog.attempt f
        WHERE request_id = '{request_id}' ORDER BY 1""") == [
        (1, None, "unfilled", "Emma"),
        (2, "B", "filled", "Emma"),
    ]  # fmt: skip


def test_a_request_that_names_no_supplier_stands_as_its_row_says(ask):
    assert ask(f"""SELECT status, outcome, partner, {TITLE} FROM catalog.request f WHERE request_id = 'l3'""") == [
        ("Cancelled", "cancelled", None, "Hamlet")
    ]
    assert ask("SELECT count(*) FROM catalog.attempt WHERE request_id = 'l3'") == [(0,)]


def test_libraries_that_number_alike_keep_their_requests_apart(ask):
    for table, other in (("request", "partner_code"), ("attempt", "status")):
        assert ask(f"""SELECT {other}, {TITLE}, outcome, role, member_code FROM catalog.{table} f
            WHERE source_id = 'b-ill' ORDER BY 2 DESC""") == [
            ("A" if table == "request" else "Loaned", "Hamlet", "filled", "lend", "B"),
            (None if table == "request" else "Unfilled", "Emma", "unfilled", "lend", "B"),
        ]  # fmt: skip


def test_what_both_sides_tell_is_said_so_and_only_of_the_same_borrower(ask):
    assert ask("""SELECT source_id, told_twice, asked_date FROM catalog.attempt
        WHERE request_id = '1' ORDER BY source_id, told_twice DESC""") == [
        ("a-ill", False, date(2024, 1, 31)),
        ("b-ill", True, date(2024, 1, 5)),
        ("b-ill", False, date(2024, 1, 6)),  # asked by X, which numbers its requests alike
    ]  # fmt: skip


# --- members, titles, counts -----------------------------------------------------------------------------


def test_a_row_for_a_tenant_is_of_that_member_by_code_or_name(ask, built):
    assert ask("SELECT member_code, headcount FROM catalog.population ORDER BY 2") == [
        ("A", 5),
        ("B", 6),
        ("Z", 7),
    ]
    assert ask("SELECT member_code FROM catalog.system_usage ORDER BY 1") == [("B",), ("Z",)]
    assert "1 of 3 rows are of no member" in built[2]["pop"].reason
    assert "1 of 2 rows are of no member" in built[2]["rental"].reason


@pytest.mark.parametrize(("table", "rows"), [("ppv", 1), ("title_list", 2), ("eusage", 2)])
def test_titles_find_their_bib_by_number(ask, table, rows):
    known = [("Hamlet", "Hamlet")] + [("Unknown", None)] * (rows - 1)
    assert ask(f"SELECT title, {TITLE} FROM catalog.{table} f ORDER BY 1") == known


def test_what_came_in_is_a_fact_or_is_told(ask, built):
    """Received = staged + rejected + …, and every staged row that still counts is in exactly one fact."""
    _, staged, outcomes = built
    assert sum(outcome.rejected for outcome in staged.values()) == 2  # an unknown event type, a count that is none
    told = {source_id: (outcome.staged, outcomes[source_id].received) for source_id, outcome in staged.items()}
    superseded = dict(
        ask("SELECT source_id, count(*) FROM staged.superseded WHERE table_name <> 'attempt' GROUP BY 1")
    )
    assert {s: staged_rows - superseded.get(s, 0) for s, (staged_rows, _) in told.items()} == {
        s: received for s, (_, received) in told.items()
    }
    assert all(outcome.received == outcome.staged > 0 for outcome in outcomes.values())
    for name in ("loan", "population", "ppv", "ebook_loan", "eusage", "system_usage", "title_list"):
        assert ask(f"SELECT count(*) FROM staged.current_{name}") == ask(f"SELECT count(*) FROM catalog.{name}"), (
            name
        )
    for name in ("loan", "item_month", "request", "attempt", "ppv", "ebook_loan", "eusage", "title_list"):
        key = "event_id" if name == "loan" else "row_key"
        assert ask(f"SELECT count(*) - count(DISTINCT (source_id, {key})) FROM catalog.{name}") == [(0,)], name
