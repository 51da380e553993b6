"""Circulation events as libraries send them: every form, every bad row with its reason, corrections."""

import hmac
import json
from dataclasses import replace
from datetime import date, datetime
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvesters import pseudonyms, registry, row_count, tabular
from harvesters.compressed import UnreadableError
from harvesters.landing import HarvestError
from harvesters.pseudonyms import Pseudonyms
from quality import reasons
from transforms import stage
from transforms.usage import convert
from warehouse import lake

from .usage_lake import Feeds, counts, html_page, html_table, rows, spreadsheet_2003, workbook

HEADER = "event_id,event_type,event_time,barcode,reader,reader_type"
EVENTS = [
    ["1", "loan", "2024-01-31 23:30:00", "B1", "R1", "本科生"],
    ["2", "renew", "2024-02-20 10:00:00", "B1", "R1", "本科生"],
    ["3", "return", "2024-03-01 09:00:00", "B1", "R1", "本科生"],
]
SEEN = """SELECT event_id, event_type, event_time, event_date, barcode, reader_group FROM staged.current_loan
ORDER BY event_id"""
EXPECTED = [
    ("1", "loan", datetime(2024, 1, 31, 15, 30), date(2024, 1, 31), "B1", "undergraduate"),
    ("2", "renew", datetime(2024, 2, 20, 2), date(2024, 2, 20), "B1", "undergraduate"),
    ("3", "return", datetime(2024, 3, 1, 1), date(2024, 3, 1), "B1", "undergraduate"),
]


def text(mark: str = ",", header: str = HEADER, events: list[list[str]] = EVENTS) -> str:
    return "\n".join([header.replace(",", mark), *(mark.join(event) for event in events)]) + "\n"


def as_parquet() -> bytes:
    kept = BytesIO()
    pq.write_table(pa.table(dict(zip(HEADER.split(","), zip(*EVENTS, strict=True), strict=True))), kept)
    return kept.getvalue()


def in_chinese() -> str:
    return (
        text(header="流水号, 操作类型 ,操作时间,条码号,读者证号,读者类型")
        .replace("loan", "借")
        .replace("return", "还")
    )


FORMS = {
    "csv": text().encode(),
    "byte order mark": b"\xef\xbb\xbf" + text().encode(),
    "tsv": text("\t").encode(),
    "semicolons": text(";").encode(),
    "carriage returns": text().replace("\n", "\r\n").encode(),
    "carriage returns alone": text().replace("\n", "\r").encode(),
    "gb18030": in_chinese().encode("gb18030"),
    "utf-16": in_chinese().encode("utf-16"),
    "padded names": text(header=HEADER.replace(",", " ,  ").upper()).encode(),
    "a title above the header": ("图书馆流通日志\n\n" + text()).encode(),
    "totals and headers again": (text() + HEADER + "\n合计,3,,,,\n,,,,,\n").encode(),
    "parquet": as_parquet(),
    "excel": workbook([HEADER.split(","), *EVENTS]),
    "html": html_page(html_table([HEADER.split(","), *EVENTS])).encode("gb18030"),
    "html by pages": html_page(*(html_table([HEADER.split(","), event]) for event in EVENTS)).encode("utf-16"),
    "spreadsheet 2003": spreadsheet_2003([HEADER.split(","), *EVENTS]).encode(),
    "times in Chinese": text(
        events=[
            [*event[:2], time, *event[3:]]
            for event, time in zip(
                EVENTS,
                ["2024年1月31日23时30分00秒", "２０２４年2月20日 10：00", "2024年03月01号9时00分"],
                strict=True,
            )
        ]
    ).encode(),
    "excel dates": workbook(
        [
            HEADER.split(","),
            ["1", "loan", 45322.979166666664, "B1", "R1", "本科生"],
            ["2", "renew", "2024/2/20 10:00", "B1", "R1", "本科生"],
            [3, "return", "20240301 090000", "B1", "R1", "本科生"],
        ]
    ),
    "merged cells": workbook(
        [
            HEADER.split(","),
            EVENTS[0],
            [*EVENTS[1][:3], None, *EVENTS[1][4:]],
            [*EVENTS[2][:3], None, *EVENTS[2][4:]],
        ],
        merged="D2:D4",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_events(form):
    outcome = Feeds("a,A,loans,delta,").take("a", {"loans.dat": FORMS[form]})
    assert counts(outcome) == (3, 3, 0, 0, 0)
    assert rows(SEEN) == EXPECTED


def test_a_loan_with_its_return_in_one_row_is_two_events():
    file = (
        "条码号,读者证号,借书日期,归还日期\nB1,R1,2024-01-05,2024-02-01\nB2,R1,2024-01-06,\nB3,R1,2024-1-6,昨天\n"
    )
    outcome = Feeds("a,A,loans,delta,").take("a", {"loans.csv": file})
    assert counts(outcome) == (5, 3, 2, 0, 0)
    assert rows("SELECT barcode, event_type, event_date FROM staged.loan ORDER BY 1, 3") == [
        ("B1", "loan", date(2024, 1, 5)),
        ("B1", "return", date(2024, 2, 1)),
        ("B2", "loan", date(2024, 1, 6)),
    ]


def test_bad_rows_say_where_and_why_and_show_no_value():
    bad = [
        "4,loan,2024-02-30 10:00,B1,R1,x", "5,fly,2024-02-03,B1,R1,x", "6,loan,2024-02-03,,R1,x",
        "7,loan,2024-02-03", "8,loan,2024-02-03,6.92E+12,R1,x", "9,loan,05/06/2024,B1,R1,x",
        "10,loan,0024-01-01,B1,R1,x",
    ]  # fmt: skip
    outcome = Feeds("a,A,loans,delta,").take("a", {"loans.csv": text() + "\n".join(bad) + "\n"})
    assert counts(outcome) == (10, 3, 7, 0, 0)
    told = rows("SELECT file, rule, reason FROM staged.rejected ORDER BY record_no")
    cut = "barcode is not whole: a spreadsheet cut its digits; make the column text and export again"
    assert [(rule, reason) for _, rule, reason in told] == [
        ("usage-value", "row 5: event_time is no time (its form: 9999-99-99 99:99)"),
        ("usage-value", "row 6: event_type is no value that usage_codes.csv knows (its form: AAA)"),
        ("usage-empty", "row 7: barcode is empty"),
        ("usage-cells", "row 8: 3 cells where the header has 6"),
        ("usage-cut-number", f"row 9: {cut} (its form: 9.99A+99)"),
        ("usage-value", "row 10: event_time is no time (its form: 99/99/9999)"),
        ("usage-value", "row 11: event_time is no time (its form: 9999-99-99)"),
    ]
    assert {file for file, *_ in told} == {"loans.csv"}


def test_a_file_without_a_header_is_refused_unless_its_columns_are_said():
    lines = "\n".join(",".join(event) for event in EVENTS) + "\n"
    with pytest.raises(HarvestError, match="no row of the first 30 is a header") as refused:
        Feeds("a,A,loans,delta,").harvest("a", {"loans.csv": lines})
    assert "R1" not in str(refused.value)
    feeds = Feeds(f'a,A,loans,delta,"columns={HEADER}"')
    assert counts(feeds.take("a", {"loans.csv": lines})) == (3, 3, 0, 0, 0)
    assert rows(SEEN) == EXPECTED


def test_an_event_sent_again_changed_or_withdrawn():
    feeds = Feeds("a,A,loans,delta,")
    feeds.take("a", {"loans-1.csv": text()})
    again = [
        EVENTS[0],
        [*EVENTS[1][:3], "B9", *EVENTS[1][4:]],
        ["3", "作废", *EVENTS[2][2:]],
        ["4", *EVENTS[0][1:]],
    ]
    assert counts(feeds.take("a", {"loans-2.csv": text(events=again)})) == (4, 2, 0, 1, 1)
    assert [(row[0], row[4]) for row in rows(SEEN)] == [("1", "B1"), ("2", "B9"), ("4", "B1")]
    assert rows("SELECT reason, old_batch_id, old_record_no FROM staged.superseded ORDER BY 1") == [
        ("changed", "b1", 1),
        ("withdrawn", "b1", 2),
    ]
    back = [EVENTS[2], EVENTS[2], [*EVENTS[2][:3], "B7", *EVENTS[2][4:]]]
    assert counts(feeds.take("a", {"loans-3.csv": text(events=back)})) == (3, 2, 0, 0, 1)
    assert [(row[0], row[4]) for row in rows(SEEN)] == [("1", "B1"), ("2", "B9"), ("3", "B7"), ("4", "B1")]


def test_a_full_delivery_withdraws_what_it_lacks():
    feeds = Feeds("a,A,loans,full,")
    feeds.take("a", {"loans-1.csv": text()})
    assert counts(feeds.take("a", {"loans-2.csv": text(events=EVENTS[:2]) + "\n"})) == (2, 0, 0, 0, 2)
    assert [row[0] for row in rows(SEEN)] == ["1", "2"]


def test_a_date_alone_is_its_midnight():
    dates = ["2024年5月1日", "2024年05月1号", "2024/5/1", "2024.5.1", "2024-5-1", "20240501", "45413"]
    feeds = Feeds("a,A,loans,delta,")
    feeds.take("a", {"loans.csv": text(events=[[date_, "loan", date_, "B1", "R1", "x"] for date_ in dates])})
    assert rows("SELECT count(*), min(event_time), max(event_time) FROM staged.loan") == [
        (len(dates), datetime(2024, 4, 30, 16), datetime(2024, 4, 30, 16))
    ]


def test_times_are_by_the_clock_of_the_library():
    feeds = Feeds("a,A,loans,delta,timezone=Asia/Urumqi")
    feeds.take("a", {"loans.csv": text(events=[["1", "loan", "2024-02-01 01:00", "B1", "R1", "x"]])})
    assert rows("SELECT event_time, event_date FROM staged.loan") == [
        (datetime(2024, 1, 31, 19), date(2024, 2, 1))
    ]
    feeds.take("a", {"loans-2.csv": text(events=[["2", "loan", "2024-01-31T16:00:00Z", "B1", "R1", "x"]])})
    assert rows("SELECT event_date FROM staged.loan WHERE event_id = '2'") == [(date(2024, 1, 31),)]


def test_staging_again_gives_the_same_rows():
    feeds = Feeds("a,A,loans,delta,")
    feeds.take("a", {"loans.csv": text()})
    before = rows("SELECT * FROM staged.loan ORDER BY ALL")
    feeds.stage("a", "b1")
    assert rows("SELECT * FROM staged.loan ORDER BY ALL") == before


def test_feeds_are_staged_side_by_side():
    names = ("a", "b", "c", "d")
    feeds = Feeds(*(f"{name},A,loans,delta," for name in names))
    for name in names:
        feeds.harvest(name, {"loans.csv": text(events=[[name, "loan", "2024-02-01", "B1", "R1", "x"]])})
    told = stage._prepared(registry.load().sources, "run", False, 3)
    assert [(each.source_id, each.staged, each.rejected) for [each] in told] == [(name, 1, 0) for name in names]
    held = [pq.read_table(lake.held_batch(each.source_id, each.batch_id) / "loan.parquet") for [each] in told]
    assert [table["event_id"].to_pylist() for table in held] == [[name] for name in names]


def test_isbns_that_a_spreadsheet_cut():
    isbns = {
        "978-7-5037-2790-0": "9787503727900", "7-5037-2790-X": "9787503727900", "9.78E+12": None, None: None,
        "9.787503727900E+12": "9787503727900", "9.78750372790E+12": "9787503727900", "12": "",
    }  # fmt: skip
    cells = [*isbns, *reversed(isbns)]
    assert convert._isbns(pa.array(cells)).to_pylist() == [isbns[cell] for cell in cells]


@pytest.mark.parametrize(
    ("kind", "line"),
    [("ill", "{n},borrow,T,{isbn},{issn}"), ("ppv", "{n},2024-01-05,P,12,T,{isbn},{issn}"),
     ("ebook_loans", "{n},2024-01-05,T,{isbn}")],
)  # fmt: skip
def test_identifiers_that_fail_their_check_or_were_mended_say_so(kind, line):
    heads = {
        "ill": "request_id,role,title,isbn,issn", "ppv": "order_id,order date,platform,price,title,isbn,issn",
        "ebook_loans": "loan_id,borrowed_at,title,isbn",
    }  # fmt: skip
    cells = [
        ("9.78750372790E+12", ""), ("9787503727901", ""), ("978-7-5037-2790-0", "0303-402X"), ("N/A", "1234-5678"),
    ]  # fmt: skip
    lines = [line.format(n=n, isbn=isbn, issn=issn) for n, (isbn, issn) in enumerate(cells)]
    outcome = Feeds(f"a,A,{kind},delta,").take("a", {"file.csv": "\n".join([heads[kind], *lines]) + "\n"})
    name = "request" if kind == "ill" else kind.removesuffix("s")
    of_issn = kind != "ebook_loans"
    assert rows(f"SELECT isbn, isbn_mended, bad_ids FROM staged.{name} ORDER BY record_no") == [
        ("9787503727900", True, None),
        (None, False, ["ISBN:9787503727901"]),
        ("9787503727900", False, None),
        (None, False, ["ISSN:1234-5678"] if of_issn else None),
    ]
    failing = f"{1 + of_issn} rows with identifiers that fail their check"
    assert outcome.reason == f"{failing}; 1 ISBNs whose check digit was worked out"


def test_the_secret_lies_beside_the_lake_for_its_owner_only():
    Feeds("a,A,loans,delta,").take("a", {"loans.csv": text()})
    (key,) = lake.keys().iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    assert not lake.keys().is_relative_to(lake.home())
    key.chmod(0o644)
    with pytest.raises(HarvestError, match="others may read the key"):
        Feeds("a,A,loans,delta,").harvest("a", {"loans-2.csv": text() + "\n"})


@pytest.mark.parametrize("secret", ["short", "x" * 200])
def test_a_pseudonym_is_of_hmac_sha256(monkeypatch, secret):
    monkeypatch.setenv("CALIS_READER_SECRET_A", secret)
    whole = hmac.digest(secret.encode(), "读者1".encode(), "sha256")
    assert Pseudonyms("A").of(["读者 １", "", " "]) == [int.from_bytes(whole[:8]) >> 1, None, None]


def test_the_secret_may_be_an_airflow_connection(monkeypatch):
    monkeypatch.setenv("CALIS_READER_SECRETS", "airflow")
    monkeypatch.setenv("AIRFLOW_CONN_CALIS_READER_A", json.dumps({"conn_type": "generic", "password": "of A"}))
    assert pseudonyms.secret("A") == b"of A"
    with pytest.raises(HarvestError, match="B wants the Airflow connection 'calis_reader_B'"):
        pseudonyms.secret("B")
    monkeypatch.setenv("CALIS_READER_SECRETS", "vault")
    with pytest.raises(HarvestError, match="say airflow, or unset it"):
        pseudonyms.secret("A")
    assert not lake.keys().exists()


def lost(reader):
    """A reader of rows that leaves out the first of each batch."""
    return lambda *given: (table.slice(1) for table in reader(*given))


@pytest.mark.parametrize("form", [form for form in FORMS if form != "merged cells"])
def test_a_row_that_the_reader_loses_is_missed(monkeypatch, form):
    sheets = tabular.sheets
    monkeypatch.setattr(
        tabular, "sheets", lambda *given: [replace(one, rows=lost(one.rows)) for one in sheets(*given)]
    )
    with pytest.raises(HarvestError, match=r"\d rows were counted in the file, but \d were read"):
        Feeds("a,A,loans,delta,").harvest("a", {"loans.dat": FORMS[form]})


def test_rows_are_counted_as_they_are_read():
    quoted = 'a,b\n"1\n\n2",x\n\n3,"5"" disk"\n4,5" disk\r\n'
    assert row_count.lines(quoted.encode(), ",") == 4
    assert row_count.lines(b"a,b\r\n\r\n1,2\r3,4\n\n", ",") == 3
    assert row_count.lines(b"a", ",") == 1
    with pytest.raises(UnreadableError, match="a quotation mark may be open"):
        row_count.lines(b'a,"' + b"b" * 200_000, ",")
    assert row_count.lines(b"", ",") == 0
    assert row_count.lines(b'a,b\n1,"x"', ",") == 2
    with pytest.raises(UnreadableError, match="in row 2 is never closed"):
        row_count.lines(b'a,b\n1,"x\n2,y\n', ",")


@pytest.mark.parametrize(
    ("first", "last", "end", "said"),
    [
        (3, 3, "", "a cell takes in other rows"),
        (3, 3, "\n", "a cell takes in other rows"),
        (3, 4, "\n", "4 lines stand in it, so a quotation mark may be open"),
    ],
)
def test_rows_that_a_quotation_mark_takes_in_are_told(first, last, end, said):
    header = "event_id,event_type,event_time,location,barcode,reader"
    events = [[str(n), "loan", "2024-02-01", "总馆", "B1", "R1"] for n in range(9)]
    events[2][first] = '"' + events[2][first]
    events[5][last] += '"'
    events[7][3] = '"Main\nLibrary, 2"' if end else "x"
    file = text(header=header, events=events).strip() + end
    assert counts(Feeds("a,A,loans,delta,").take("a", {"loans.csv": file})) == (6, 5, 1, 0, 0)
    ((rule, reason),) = rows("SELECT rule, reason FROM staged.rejected")
    assert rule == "usage-cells" and reason.startswith("row 4: ") and said in reason
    assert "可能有引号未闭合" in str(reasons.in_chinese(reason))


def test_one_reader_is_one_pseudonym_within_a_member_only(monkeypatch):
    feeds = Feeds("a,A,loans,delta,", "a2,A,loans,delta,", "b,B,loans,delta,")
    for source in ("a", "a2", "b"):
        feeds.take(
            source,
            {
                "loans.csv": text(
                    events=[["1", "loan", "2024-01-01", "B1", "ｒ 1" if source == "a2" else "R1", "x"]]
                )
            },
        )
    keys = dict(rows("SELECT source_id, reader_key FROM staged.loan"))
    assert keys["a"] == keys["a2"] != keys["b"]
