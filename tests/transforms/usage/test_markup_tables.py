"""Usage in files called .xls that are HTML, SpreadsheetML 2003 or text: what is read, and what is refused."""

import re

import pytest

from harvesters import markup_tables, tabular
from harvesters.compressed import UnreadableError
from harvesters.landing import HarvestError
from quality import reasons

from .usage_lake import Feeds, counts, html_page, html_table, rows, spreadsheet_2003

HEAD = ["流水号", "操作类型", "操作时间", "条码号", "读者证号"]
LOANS = [[str(n), "借", f"2024-03-0{n} 10:00", f"B{n}", "R1"] for n in range(1, 4)]
SEEN = "SELECT event_id, barcode, event_type FROM staged.current_loan ORDER BY 1"
EXPECTED = [(str(n), f"B{n}", "loan") for n in range(1, 4)]
TABLE = html_table([HEAD, *LOANS])


def take(content, name="流通日志.xls"):
    return Feeds("a,A,loans,delta,").take("a", {name: content})


def refused(content, name="loans.xls"):
    with pytest.raises(HarvestError) as error:
        Feeds("a,A,loans,delta,").harvest("a", {name: content})
    assert reasons.in_chinese(str(error.value)), error.value
    return str(error.value)


def cells_of(content, header="条码号"):
    """The rows below the header of the only table, blank cells as ''."""

    def wanted(row):
        return header in row

    (sheet,) = tabular.sheets(content.encode() if isinstance(content, str) else content, "x", wanted)
    at = next(n for n, row in enumerate(sheet.head, 1) if wanted(row))
    tables = list(sheet.counted_rows(at, len(sheet.head[at - 1])))
    return [[cell or "" for cell in list(row.values())[1:]] for table in tables for row in table.to_pylist()]


CHARSETS = {
    "GBK declared, UTF-8 in truth": html_page(TABLE, charset="gbk").encode(),
    "UTF-8 declared, GBK in truth": html_page(TABLE, charset="utf-8").encode("gbk"),
    "GB 2312 declared, GB 18030 in truth": html_page(TABLE.replace("借<", "借<!-- 㐀镕 --><")).encode("gb18030"),
    "nothing declared": html_page(TABLE).replace("charset", "").encode("gb18030"),
    "a mark of UTF-8": b"\xef\xbb\xbf \r\n" + html_page(TABLE).encode(),
    "a mark of UTF-16": html_page(TABLE, charset="unicode").encode("utf-16"),
    "XML that declares GBK": spreadsheet_2003([HEAD, *LOANS]).replace("UTF-8", "GBK").encode("gbk"),
}


@pytest.mark.parametrize("charset", CHARSETS)
def test_the_charset_is_that_of_the_bytes(charset):
    assert counts(take(CHARSETS[charset])) == (3, 3, 0, 0, 0)
    assert rows(SEEN) == EXPECTED


def test_a_charset_that_is_declared_is_read_though_gb18030_would_read_it_too():
    header = ["event_id", "action", "date", "barcode", "library"]
    table = html_table([header, ["1", "loan", "2024-03-01", "B1", "總圖書館"]])
    take(html_page(table, charset="big5").encode("big5"))
    assert rows("SELECT location FROM staged.loan") == [("總圖書館",)]
    other = html_page(table, charset="big5").encode("gb18030") + b"\xff"
    assert "neither UTF-8 nor CP950 or BIG5HKSCS text" in refused(other)


def test_headers_and_codes_in_traditional_characters_are_known():
    header = ["流水號", "操作類型", "操作時間", "條碼號", "讀者證號", "電話"]
    loans = [
        ["1", "借", "2024/3/1 下午 02:05:00", "B1", "R1", "1"],
        ["2", "還", "2024/3/2 10:00", "B1", "R1", "1"],
    ]
    feeds = Feeds("a,A,loans,delta,")
    _, harvested = feeds.harvest(
        "a", {"x.xls": html_page(html_table([header, *loans]), charset="big5").encode("big5")}
    )
    feeds.stage("a", "b1")
    assert rows(SEEN) == [("1", "B1", "loan"), ("2", "B1", "return")]
    assert "personal data among them: telephone" in harvested.reason


@pytest.mark.parametrize("form", [lambda cells: "\n".join(",".join(row) for row in cells), html_table])
def test_values_that_are_marked_as_text_for_excel_lose_the_mark(form):
    loans = [[n, kind, time, f'="{barcode}"', f'="{reader}"'] for n, kind, time, barcode, reader in LOANS]
    take(form([[f'="{HEAD[0]}"', *HEAD[1:]], *loans]))
    assert rows(SEEN) == EXPECTED


def test_an_apostrophe_before_digits_is_a_mark_of_text_and_before_others_none():
    lines = [HEAD, ["'00123", "借", "2024-03-04", "'2024-0004", "R1"], ["'tis", "借", "2024-03-04", "'12", "R1"]]
    take("\n".join(map(",".join, lines)))
    assert rows("SELECT event_id, barcode FROM staged.loan ORDER BY row_no") == [
        ("00123", "2024-0004"),
        ("'tis", "'12"),
    ]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_text_with_tabs_called_xls_is_read_by_its_content(encoding):
    text = "\r\n".join("\t".join(row) for row in [HEAD, *LOANS])
    assert counts(take(text.encode(encoding))) == (3, 3, 0, 0, 0)
    assert rows(SEEN) == EXPECTED


def test_cells_are_what_a_browser_shows_of_them():
    body = """<TABLE><tr><th><font>条码号</font><th><b>题</b>名<th>数量</tr>
<tr><td>&nbsp;B1&#12288;</td><td><a href="x">C&lt;T&gt; <i>a</i> &amp; b</a><br>c<!-- <tr><td>no --></td>
<td>1,024</td></tr>
<tr><td x:num="9787503727900">9.78E+12<td><script>var a = "<tr>"</script><style>tr</style>d<td x:num="5">5</tr>
<tr><td>B3<td><div>e</div>f<table><tr><td>inner</td></tr></table><td><input type=hidden value=x>7</TABLE>"""
    header, *others = tabular.sheets(body.encode(), "x", lambda row: "条码号" in row)
    assert len(others) == 1 and others[0].head == [["inner"]]
    (table,) = header.counted_rows(1, 3)
    assert [list(row.values()) for row in table.to_pylist()] == [
        [2, "B1", "C<T> a & b c", "1,024"], [3, "9787503727900", "d", "5"], [4, "B3", "e f", "7"],
    ]  # fmt: skip


def test_cells_that_reach_across_and_down_keep_columns_in_their_places():
    body = """<table><tr><td colspan=4>流通统计</td></tr>
<tr><th rowspan=2>条码号<th colspan=2>日期<th rowspan=2>册数</tr>
<tr><th>借<th>还</tr><tr><td rowspan=3>B1<td>1<td>2<td>3</tr><tr><td>4<td rowspan=2>5<td>6</tr>
<tr><td>7<td>8</tr><tr><td>B2<td colspan=2>9<td rowspan=2>10</tr><tr><td colspan=3>B3</table>"""
    (sheet,) = tabular.sheets(body.encode(), "x", lambda row: "借" in row)
    assert sheet.head[:3] == [[], ["条码号", "日期", "", "册数"], ["条码号", "借", "还", "册数"]]
    assert cells_of(body, "借") == [
        ["B1", "1", "2", "3"], ["B1", "4", "5", "6"], ["B1", "7", "5", "8"], ["B2", "9", "", "10"],
        ["B3", "", "", "10"],
    ]  # fmt: skip


def test_a_row_with_cells_too_many_or_too_few_is_set_aside_without_them():
    shifted = "<tr><td>4<td>借<td>2024-03-04<td>B4</tr><tr><td>5<td>借<td>2024-03-05<td>B5<td>R1<td>x</tr>"
    footer = "<tr><td>张三丰<tr><td colspan=5>打印人：张三丰</td></tr><tr><td colspan=3>合计<td>3<td>"
    feeds = Feeds("a,A,loans,delta,")
    batch_id, harvested = feeds.harvest(
        "a", {"x.xls": html_page(TABLE.replace("</table>", f"{shifted}{footer}</table>"))}
    )
    assert counts(feeds.stage("a", batch_id)) == (6, 3, 3, 0, 0)
    assert "2 rows are blank, totals, headers again or lines across the table" in harvested.reason
    told = rows("SELECT rule, reason, decode(content) FROM staged.rejected ORDER BY record_no")
    assert [one[:2] for one in told] == [
        ("usage-cells", "row 5: 4 cells where the header has 5"),
        ("usage-cells", "row 6: 6 cells where the header has 5"),
        ("usage-cells", "row 7: 1 cells where the header has 5"),
    ]
    assert "B4" not in told[0][2] and "张三丰" not in told[2][2]


def test_a_report_printed_page_by_page_is_one_table_and_others_are_told():
    bare = html_table([LOANS[2]]).replace("th>", "td>")
    asked = html_table([["单位：总馆", "日期：2024-03"], ["x", "y"]])
    pages = html_page(asked, html_table([HEAD, LOANS[0]]), asked, html_table([HEAD, LOANS[1]]), bare)
    feeds = Feeds("a,A,loans,delta,")
    batch_id, harvested = feeds.harvest("a", {"loans.xls": pages})
    assert counts(feeds.stage("a", batch_id)) == (3, 3, 0, 0, 0)
    assert rows("SELECT event_id, row_no FROM staged.loan ORDER BY 1") == [("1", 4), ("2", 8), ("3", 9)]
    assert "sheet 1 has no header that is known and was left out" in harvested.reason
    _, harvested = feeds.harvest("a", {"2.xls": html_page(*[asked.replace("x", str(n)) for n in range(9)], TABLE)})
    assert "9 sheets have no header that is known and were left out" in harvested.reason


CUT = {
    "within a row": TABLE[: TABLE.index("B3")],
    "within a cell behind a whole table": TABLE + TABLE[: TABLE.index("B2")],
    "within XML": spreadsheet_2003([HEAD, *LOANS])[:-120],
}


@pytest.mark.parametrize("where", CUT)
def test_a_file_that_was_cut_is_refused(where):
    assert re.search(
        "so the file may be cut|cut or no well-formed XML after row 3 of table 1", refused(CUT[where])
    )


BOOK = spreadsheet_2003([HEAD, *LOANS])
REFUSED = {
    "a page without a table": ("<html><body><p>请重新登录</p></body></html>", "HTML without a table"),
    "a page of frames": ("<html><frameset><frame src=sheet001.htm></frameset></html>", "HTML without a table"),
    "a web archive": ("MIME-Version: 1.0\nContent-Type: text/html\n\n" + TABLE, "a web archive of Excel"),
    "XML of another kind": ("<?xml version='1.0'?><loans><loan/></loans>", "XML, but no table of Excel"),
    "a document type": (BOOK.replace("<Workbook", '<!DOCTYPE W SYSTEM "x"><Workbook'), "DOCTYPE"),
    "entities": (BOOK.replace("<Workbook", "<!DOCTYPE W [<!ENTITY a 'b'>]><Workbook"), "XML, but no table of"),
    "cells outside of rows": (TABLE.replace("</table>", "<td>4<td>借</table>"), "4 rows were counted in the file"),
    "a text too long for the parser": (TABLE.replace("B2", "B" * 11_000_000), "rows were counted in the file"),
    "two cells at one place": (BOOK.replace('ss:Index="4"', 'ss:Index="2"'), "no well-formed XML after row 0"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_can_not_be_read_is_refused_and_says_why(what):
    content, why = REFUSED[what]
    assert why in refused(content)


def test_spans_are_bounded(monkeypatch):
    row = f"<tr>{'<td colspan=999999999 rowspan=999999999>x' * 3}</tr>"
    (sheet,) = tabular.sheets(f"<table>{row}<tr>y</table>".encode(), "x", lambda row: True)
    assert [len(row) for row in sheet.head] == [3_000, 3_000]
    monkeypatch.setattr(markup_tables, "_MOST_CELLS", 100_000)
    with pytest.raises(UnreadableError, match="more than 100,000 cells"):
        tabular.sheets(f"<table>{row}{'<tr>' * 50}</table>".encode(), "x", lambda row: True)


def test_spreadsheet_2003_as_excel_writes_it():
    book = spreadsheet_2003([["统计", None, None], ["条码号", "时间", "数量"], ["B1", "", 3]], [])
    book = book.replace(
        "</Table>",
        """<Row ss:Index="5"><Cell ss:MergeDown="1"><Data ss:Type="DateTime">2024-03-01T14:05:00.000</Data></Cell>
<Cell ss:Index="3"><ss:Data ss:Type="Number">9.78E+12</ss:Data><Comment><Data>张三丰</Data></Comment></Cell></Row>
<Row><Cell ss:Index="2"><Data ss:Type="String"><B xmlns="http://www.w3.org/TR/REC-html40">a</B>&#160;</Data></Cell>
<Cell><Data ss:Type="Number">2.0</Data></Cell></Row>
<Row ss:Index="9"><Cell><Data ss:Type="Boolean">1</Data></Cell></Row>
</Table>""",
        1,
    )
    assert cells_of(book) == [
        ["B1", "", "3"],
        ["2024-03-01 14:05:00", "", "9.78E+12"],
        ["2024-03-01 14:05:00", "a", "2"],
        ["true", "", ""],
    ]
    (sheet,) = tabular.sheets(book.encode(), "x", lambda row: True)
    assert [row["row"] for row in next(sheet.rows(2, 3)).to_pylist()] == [3, 5, 6, 9]


@pytest.mark.parametrize("form", [lambda cells: html_page(html_table(cells)), spreadsheet_2003])
def test_other_kinds_come_in_these_forms_too(form):
    feeds = Feeds("k,A,kbart,full,package=P", "i,A,ill,delta,role=borrow")
    kbart = [["publication_title", "print_identifier", "date_first_issue_online"], ["T", "0303-402X", "2020-01"]]
    assert counts(feeds.take("k", {"kbart.xls": form(kbart)}))[:3] == (1, 1, 0)
    asked = [
        ["申请号", "题名", "isbn", "状态"],
        ["1", "T", "9.787503727900E+12", "已满足"],
        ["2", "U", "9.78E+12", "拒绝"],
    ]
    assert counts(feeds.take("i", {"ill.xls": form(asked)}))[:3] == (2, 1, 1)
    assert rows("SELECT isbn, isbn_mended FROM staged.request") == [("9787503727900", True)]
    assert rows("SELECT rule FROM staged.rejected") == [("usage-cut-number",)]
