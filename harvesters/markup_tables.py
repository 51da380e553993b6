"""Tables in HTML and in SpreadsheetML 2003, which library systems call Excel: .xls by name, text in truth.

A form is told by the content.  Rows are counted once more by their tags (`row_count.tagged`), since a parser of
HTML passes over what it can't read; a file that ends within a table is refused.  Nothing outside of the file is
looked at: no entities but those of HTML, no document types, no network.
"""

import codecs
import io
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from lxml import etree

from harvesters import row_count
from harvesters.compressed import UnreadableError
from harvesters.faults import CELLS
from harvesters.sheet import HEAD, Sheet, cell, is_total, of_rows, require_all, shown

HTML, SPREADSHEET, OTHER = "HTML", "SpreadsheetML", "XML"
_LOOKED_AT = 4096
_ASIDE = re.compile(r"\s*(?:<\?.*?\?>|<!--.*?-->|<!.*?>)", re.DOTALL)
_FIRST = re.compile(r"\s*<(?:[\w.\-]+:)?([A-Za-z][\w.\-]*)")
_TAGS_OF_HTML = frozenset(
    """html head body title meta link base style script table thead tbody tr td th div span p br b i center font
    form h1 h2 h3 h4 h5 h6 a hr img input ul ol pre strong em""".split()
)
_SILENT = ("script", "style", "title", "textarea", "noscript", "select")  # their text is not what a cell shows
_PARTING = frozenset("br p div li hr tr td th table h1 h2 h3 h4 h5 h6".split())  # words at both sides are two
_MOST_ACROSS, _MOST_DOWN = 1_000, 65_534  # as the HTML standard bounds spans
_MOST_CELLS = 30_000_000  # of a file, those that spans fill among them
# How Excel shows a number that is longer than its column; beside it stands the number (`x:num`).
_SHOWN_SHORTER = re.compile(r"\d(?:\.\d+)?E\+\d+|#+", re.IGNORECASE)
_SS = "{urn:schemas-microsoft-com:office:spreadsheet}"
_TOLD = (f"{_SS}Table", f"{_SS}Row")
_DECLARATION = re.compile(rb"^\s*<\?xml\b.*?\?>", re.DOTALL)


def form_of(content: bytes) -> str:
    """HTML, SPREADSHEET (SpreadsheetML 2003), OTHER XML, or nothing where it does not begin with a tag."""
    start = content[:_LOOKED_AT]
    wide = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    text = start.decode("utf-16" if wide else "latin-1", "ignore").removeprefix("ï»¿").lstrip()
    if not text.startswith("<"):
        return ""
    while aside := _ASIDE.match(text):
        text = text[aside.end() :]
    first = _FIRST.match(text)
    if first and first[1] == "Workbook":
        return SPREADSHEET
    return HTML if first and first[1].lower() in _TAGS_OF_HTML else OTHER


def sheets(content: bytes, form: str, what: str, wanted: Callable[[list[str]], bool]) -> list[Sheet]:
    """The tables of a file that are not blank; of HTML, a table that goes on in the next is one with it.

    Args:
        content: the file, in UTF-8 without a mark.
        form: HTML or SPREADSHEET.
        what: names it in errors.
        wanted: whether cells are a header.

    Raises:
        UnreadableError: it has no table, is cut, damaged or too large.
    """
    if form == OTHER:
        raise UnreadableError(f"{what}: XML, but no table of Excel; export it as .xlsx or CSV and send it again")
    tables = _of_html(content) if form == HTML else _of_spreadsheet(content, what)
    if not tables:
        raise UnreadableError(
            f"{what}: {form} without a table; save it as .xlsx or CSV with the rows in it and send it again"
        )
    counted = row_count.tagged(content, form == HTML)
    require_all(sum(counted), sum(table.seen for table in tables))
    for table, rows in zip(tables, counted, strict=True):
        table.counted = rows - (table.seen - len(table.rows))
    filled = [table for table in tables if table.rows]
    if form == HTML:
        filled = _joined(filled, wanted)
    return [one.sheet(_fault if form == HTML else _no_fault) for one in filled]


class Cell(NamedTuple):
    """A cell as it is written: how far it reaches across and down, and its column, or -1 for the next free one."""

    text: str
    across: int
    down: int
    at: int = -1


class _Table:
    """A table as its rows are told one by one; `rows` are those that are not blank, by their numbers."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, list[str]]] = []
        self.seen = self.counted = self.cells = 0
        self._down: dict[int, tuple[str, int]] = {}  # column: what a cell above puts there, in so many rows more

    def add(self, number: int, cells: Iterable[Cell]) -> None:
        """Add a row.

        Raises:
            ValueError: a cell stands where another does.
            UnreadableError: the table has more cells than any export.
        """
        self.seen += 1
        row: list[str] = []
        waiting, down = deque(cells), self._down
        reach = max(down, default=-1)
        while waiting or reach >= len(row):
            x = len(row)
            if x in down:
                text, left = down.pop(x)
                row.append(text)
                if left > 1:
                    down[x] = text, left - 1
            elif not waiting or waiting[0].at > x:
                row.append("")
            else:
                text, across, deep, at = waiting.popleft()
                if at not in (-1, x):
                    raise ValueError("two cells at one place")
                for place in range(x, x + across):
                    row.append("" if place > x else text)  # once: across, a title would fill the row
                    if deep > 1:
                        down[place] = row[place], deep - 1
        self.cells += len(row)
        if self.cells > _MOST_CELLS:
            raise UnreadableError(f"has a table of more than {_MOST_CELLS:,} cells; send it in parts, as by month")
        if any(row):
            self.rows.append((number, row))

    def add_line(self, number: int) -> None:
        """Add a row with one cell across the table, as titles and footers have: no record, so it has no cells."""
        self.seen += 1
        self.rows.append((number, []))

    def sheet(self, fault: Callable[[list[str], int], str]) -> Sheet:
        return of_rows(self.rows, lambda: self.counted, fault)

    @property
    def is_filled(self) -> bool:
        """Whether cells from above reach into the next row."""
        return bool(self._down)

    def pass_over(self, rows: int) -> None:
        """Rows that are not written, but stand between those that are."""
        self._down = {x: (text, left - rows) for x, (text, left) in self._down.items() if left > rows}


# --- HTML ------------------------------------------------------------------------------------------------


@dataclass
class _Open:
    """A table whose end is not yet told, its row and its cell."""

    table: _Table
    number: int = 0  # of its row
    cells: list[Cell] = field(default_factory=list)
    texts: list[str] | None = None  # of the cell, where one is open
    attributes: dict[str, str] = field(default_factory=dict)

    def end_row(self) -> None:
        if len(self.cells) == 1 and self.cells[0].across > 1 and not self.table.is_filled:
            self.cells = []
            self.table.add_line(self.number)
            return
        self.table.add(self.number, self.cells)
        self.cells = []

    def end_cell(self) -> None:
        text, told = shown(" ".join("".join(self.texts or ()).split())), self.attributes
        if told.get("x:num") and _SHOWN_SHORTER.fullmatch(text):
            text = told["x:num"]
        across, down = _span(told.get("colspan"), _MOST_ACROSS), _span(told.get("rowspan"), _MOST_DOWN)
        self.cells.append(Cell(text, across, down))
        self.texts = None


class _Told:
    """What a parser of HTML tells, as tables in the order in which they begin, those within others too."""

    def __init__(self) -> None:
        self.tables: list[_Table] = []
        self._open: list[_Open] = []
        self._silent = self._number = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._silent += tag in _SILENT
        if tag == "table":
            self.tables.append(_Table())
            self._open.append(_Open(self.tables[-1]))
        elif self._open and tag == "tr":
            self._end_loose()
            self._number += 1
            self._open[-1].number = self._number
        elif self._open and tag in ("td", "th"):
            self._open[-1].texts, self._open[-1].attributes = [], dict(attributes)
        elif tag in _PARTING:
            self.data(" ")

    def end(self, tag: str) -> None:
        self._silent -= tag in _SILENT
        if self._open and tag == "table":
            self._end_loose()
            self._open.pop()
        elif self._open and tag == "tr":
            self._open[-1].end_row()
        elif self._open and tag in ("td", "th"):
            self._open[-1].end_cell()
        if tag in _PARTING:
            self.data(" ")

    def _end_loose(self) -> None:
        """Cells outside of any row make one, which the count of tags does not have, so the file is refused."""
        if self._open[-1].cells:
            self._open[-1].end_row()

    def data(self, text: str) -> None:
        if self._open and not self._silent and (texts := self._open[-1].texts) is not None:
            texts.append(text)

    def close(self) -> list[_Table]:
        return self.tables


def _span(given: str | None, most: int) -> int:
    found = re.match(r"\s*(\d{1,9})", given or "")
    return min(max(int(found[1]), 1), most) if found else 1


def _of_html(content: bytes) -> list[_Table]:
    parser = etree.HTMLParser(target=_Told(), encoding="utf-8", no_network=True)
    tables: list[_Table] = etree.fromstring(content, parser)
    return tables


def _fault(row: list[str], width: int) -> str:
    """What is wrong with a row of HTML: where cells are too many or too few, values stand under wrong names."""
    if not row or (len(row) >= width and not any(row[width:])) or any(map(is_total, row[:2])):
        return ""
    return CELLS.of(len(row), width)


def _no_fault(row: list[str], width: int) -> str:
    """Excel writes no cells behind the last that has a value."""
    return ""


def _joined(tables: list[_Table], wanted: Callable[[list[str]], bool]) -> list[_Table]:
    """The tables, where one that goes on in others is one with them, as reports are printed page by page.

    It goes on in a table that has its header again, or none but as many columns.
    """
    found: list[_Table] = []
    last, header = _Table(), [""]
    for table in tables:
        own = next((row for _, row in table.rows[:HEAD] if wanted(row)), None)
        if own == header or (not own and len(header) == max(len(row) for _, row in table.rows)):
            last.rows += table.rows
            last.counted += table.counted
            continue
        found.append(table)
        if own:
            last, header = table, own
    return found


# --- SpreadsheetML ---------------------------------------------------------------------------------------


def _of_spreadsheet(content: bytes, what: str) -> list[_Table]:
    content = _DECLARATION.sub(b"", content, count=1)  # it is UTF-8 now
    if re.search(rb"<!(DOCTYPE|ENTITY)", content):
        raise UnreadableError(f"{what}: has a document type (DOCTYPE), which no table of Excel has; refused")
    tables: list[_Table] = []
    number = 0
    try:
        told = etree.iterparse(
            io.BytesIO(content), ("start", "end"), tag=_TOLD, resolve_entities=False, no_network=True
        )
        for event, element in told:
            if element.tag == f"{_SS}Table":
                if event == "start":
                    tables.append(_Table())
                    number = 0
            elif event == "end":
                table, given = tables[-1], int(element.get(f"{_SS}Index") or number + 1)
                table.pass_over(given - number - 1)
                table.add(given, _cells(element))
                number = given
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
    except (etree.XMLSyntaxError, ValueError):
        raise UnreadableError(
            f"{what}: cut or no well-formed XML after row {number} of table {len(tables)}; export it again"
        ) from None
    return tables


def _cells(row: Any) -> Iterator[Cell]:
    for one in row.iterchildren(f"{_SS}Cell"):
        data = one.find(f"{_SS}Data")
        across = min(int(one.get(f"{_SS}MergeAcross") or 0), _MOST_ACROSS) + 1
        at = int(one.get(f"{_SS}Index") or 0) - 1
        if at >= 16_384:
            raise ValueError("Excel has no such column")
        down = int(one.get(f"{_SS}MergeDown") or 0) + 1
        yield Cell("" if data is None else _value(data), across, down, at)


def _value(data: Any) -> str:
    """A value by its type; of a number with an exponent nobody knows whether it is whole, so it stays as it is."""
    text, kind = " ".join("".join(data.itertext()).split()), data.get(f"{_SS}Type")
    if kind == "Number" and re.fullmatch(r"-?\d+\.\d+", text):
        return cell(float(text))
    if kind == "Boolean":
        return cell(text == "1")
    if kind == "DateTime":
        try:
            return cell(datetime.fromisoformat(text))
        except ValueError:
            return text
    return text
