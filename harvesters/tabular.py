"""Tables as members send them (CSV, TSV, Excel of every kind, Parquet) as rows of text; nothing is written.

Every cell is text, trimmed, or null where it is blank; a date of Excel is ISO 8601, a whole number has no point.
Rows are numbered from 1 as the file has them (blank lines apart), so that an error can name one.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from harvesters import markup_tables, row_count
from harvesters.compressed import UnreadableError
from harvesters.faults import CELLS, TAKES_IN
from harvesters.sheet import AS_SHOWN, AS_TEXT, HEAD, Sheet, cell, of_rows, shown
from harvesters.text_encoding import as_utf8

_PEEK = 1 << 18
_DELIMITERS = "\t,;|"
_BLOCK = 8 << 20


def sheets(content: bytes, what: str, wanted: Callable[[list[str]], bool], encoding: str = "auto") -> list[Sheet]:
    """The tables of a file.

    Args:
        content: the file, without compression.
        what: names it in errors.
        wanted: whether cells are a header, by which the separator is found.
        encoding: that of the source's row; `auto` finds it.

    Raises:
        UnreadableError: it is none of the forms, or damaged.
    """
    try:
        if content[:4] == b"PAR1":
            return [_parquet(content)]
        if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            return _workbook(content)
    except Exception as error:  # the libraries raise errors of many kinds
        raise UnreadableError(
            f"{what}: can't be read ({type(error).__name__}); save it again and send it"
        ) from None
    if content[:13].lower() == b"mime-version:":
        raise UnreadableError(f"{what}: a web archive of Excel (MHTML); save it as .xlsx or CSV and send it again")
    if b"\x00" in content[:_PEEK] and content[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UnreadableError(f"{what}: no text, Excel or Parquet; export the table as CSV and send it again")
    text = as_utf8(content, what, encoding)
    if form := markup_tables.form_of(text):
        return markup_tables.sheets(text, form, what, wanted)
    return [_text(text, wanted)]


# --- text ------------------------------------------------------------------------------------------------


def _text(content: bytes, wanted: Callable[[list[str]], bool]) -> Sheet:
    if b"\n" not in content:  # as old Macintoshes end lines
        content = content.replace(b"\r", b"\n")
    start = content[:_PEEK].decode("utf-8", "ignore")
    heads = {mark: _head(start, mark) for mark in _DELIMITERS}
    widest = sorted(_DELIMITERS, key=lambda m: -max((len(row) for _, row in heads[m]), default=0))
    mark = next((m for m in widest if any(wanted(row) for _, row in heads[m])), widest[0])
    lines = [line for line, _ in heads[mark]]

    def count() -> int:
        return row_count.lines(content, mark)

    sheet = Sheet([row for _, row in heads[mark]], lambda after, width: iter(()), count)

    def rows(after: int, width: int) -> Iterator[pa.Table]:
        skip = lines[after - 1] if after else 0
        return _csv_rows(content, mark, skip, after, width, sheet.faults)

    sheet.rows = rows
    return sheet


def _head(start: str, mark: str) -> list[tuple[int, list[str]]]:
    """The first rows that are not blank, each with the number of the line that it ends on."""
    reader = csv.reader(io.StringIO(start, newline=""), delimiter=mark)
    found: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if row:
                found.append((reader.line_num, [shown(one) for one in row]))
            if len(found) == HEAD:
                break
    except csv.Error:
        pass
    return found


def _csv_rows(
    content: bytes, mark: str, skip: int, after: int, width: int, faults: dict[int, str]
) -> Iterator[pa.Table]:
    """The rows of CSV behind `skip` lines, `width` cells each; others are faults and come without cells."""
    names = [f"c{place}" for place in range(width)]
    begin = _line_end(content, skip)
    while begin < len(content):
        end = _block_end(content, begin)
        bad: list[int] = []

        def invalid(row: Any, bad: list[int] = bad, first: int = after) -> str:
            bad.append(row.number)
            fault = CELLS.of(row.actual_columns, row.expected_columns)
            if within := row.text.strip("\r\n").count("\n"):
                fault += f"; {within + 1} lines stand in it, so a quotation mark may be open"
            faults[first + row.number] = fault
            return "skip"

        if content[begin:end].strip(b"\r\n"):
            try:
                # a block at a time and without threads: the handler must not be called from another thread
                table = pyarrow.csv.read_csv(
                    pa.BufferReader(memoryview(content)[begin:end]),
                    pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK * 2, column_names=names),
                    pyarrow.csv.ParseOptions(delimiter=mark, newlines_in_values=True, invalid_row_handler=invalid),
                    pyarrow.csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
                    ),
                )
            except pa.ArrowInvalid:
                raise UnreadableError(
                    f"can't be read as CSV from about row {after + 1} on; a quotation mark may be open"
                ) from None
            places = np.arange(len(table))
            before = np.asarray(bad, int) - np.arange(len(bad))  # good rows before each bad one, from 1
            numbers = after + places + 1 + np.searchsorted(before, places + 1, side="right")
            after += len(table) + len(bad)
            table = table.add_column(0, "row", pa.array(numbers, pa.int32()))
            lines = content.count(b"\n", begin, end) + (content[end - 1 : end] != b"\n")
            if width > 1 and lines > len(table) + len(bad):  # some are within cells, or blank
                taken = _takes_in_rows(table, mark)
                faults.update(dict.fromkeys(table["row"].filter(taken).to_pylist(), TAKES_IN.of()))
                table = table.filter(pc.invert(taken))
            yield _trimmed(table)
        begin = end


def _takes_in_rows(table: pa.Table, mark: str) -> pa.ChunkedArray:
    """Which rows have a cell with the line ends and separators of whole rows, as behind an open quotation mark."""
    names = table.column_names[1:]
    found = pa.chunked_array([pa.repeat(False, len(table))])
    for cells in (table[name] for name in names):
        ends, marks = (pc.fill_null(pc.count_substring(cells, sign), 0) for sign in ("\n", mark))
        whole = pc.equal(marks, pc.multiply(ends, len(names) - 1))
        found = pc.or_(found, pc.and_(pc.greater(ends, 0), whole))
    return found


def _block_end(content: bytes, begin: int) -> int:
    """Where a block of whole rows ends: at a line's end that no open quotation mark stands before."""
    end = begin + _BLOCK
    quotes = content.count(b'"', begin, end)
    while end < len(content):
        line = content.find(b"\n", end)
        if line < 0:
            return len(content)
        quotes += content.count(b'"', end, line)
        end = line + 1
        if quotes % 2 == 0:
            return end
    return len(content)


def _line_end(content: bytes, lines: int) -> int:
    place = 0
    for _ in range(lines):
        found = content.find(b"\n", place)
        if found < 0:
            return len(content)
        place = found + 1
    return place


def _trimmed(table: pa.Table) -> pa.Table:
    columns = {"row": table["row"]}
    for name in table.column_names[1:]:
        columns[name] = _trimmed_cells(table[name])
    return pa.table(columns)


def _trimmed_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not any(map(_has_edges, column.chunks)):
        return column
    values = pc.replace_substring_regex(pc.utf8_trim_whitespace(column), AS_TEXT, AS_SHOWN)
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


# Bytes with which white space begins and ends in UTF-8: ASCII, U+0085, U+00A0, U+1680, U+2000 to U+205F, U+3000.
_FIRST, _LAST = np.zeros((2, 256), bool)
_FIRST[:33] = _LAST[:33] = _FIRST[list(b"='")] = True
_FIRST[[0xC2, 0xE1, 0xE2, 0xE3]] = True
_LAST[0x80:0xB0] = True


def _has_edges(cells: pa.StringArray) -> bool:
    """Whether a cell may be blank, have white space at its ends or a mark of text, by first and last bytes."""
    _, places, data = cells.buffers()
    if data is None or not len(cells):
        return False
    offsets = np.frombuffer(places, np.int32, len(cells) + 1, cells.offset * 4)
    begins, ends = offsets[:-1], offsets[1:]
    if cells.null_count or (begins == ends).any():
        full = begins < ends
        if int(full.sum()) + cells.null_count < len(cells):
            return True
        begins, ends = begins[full], ends[full]
    text = np.frombuffer(data, np.uint8)
    return bool(_FIRST[text[begins]].any() or _LAST[text[ends - 1]].any())


# --- workbooks and Parquet -------------------------------------------------------------------------------


def _workbook(content: bytes) -> list[Sheet]:
    from python_calamine import CalamineWorkbook  # 8 times as fast as openpyxl, and reads .xls and .ods too

    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    heights = row_count.heights(content)
    found = (_worksheet(book.get_sheet_by_name(n), heights.get(n)) for n in book.sheet_names)
    return [sheet for sheet in found if sheet]


def _worksheet(sheet: Any, height: int | None) -> Sheet | None:
    cells = [[cell(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        for y in range(top, min(bottom + 1, len(cells))):
            for x in range(left, min(right + 1, len(cells[y]))):
                if bottom > top:  # down only: across, a title would fill the row
                    cells[y][x] = cells[top][left] if x == left else cells[y][x]

    def count() -> int | None:
        return None if height is None else height - sum(not any(row) for row in cells[:height])

    numbered = [(number, row) for number, row in enumerate(cells, 1) if any(row)]
    return of_rows(numbered, count) if numbered else None


def _parquet(content: bytes) -> Sheet:
    file = pq.ParquetFile(pa.BufferReader(content))
    names = file.schema_arrow.names

    def rows(after: int, width: int) -> Iterator[pa.Table]:
        number = 1
        for batch in file.iter_batches(batch_size=1 << 17):
            columns: dict[str, Any] = {"row": pa.array(range(number, number + len(batch)), pa.int32())}
            number += len(batch)
            for place in range(width):
                column = batch.column(place)
                if pa.types.is_dictionary(column.type):
                    column = column.dictionary_decode()
                columns[f"c{place}"] = column.cast(pa.string())
            yield _trimmed(pa.table(columns))

    return Sheet([list(names)], rows, lambda: row_count.parquet(content) + 1)
