"""How many rows a table has, counted by other means than those that read it, so that a lost row is noticed.

Lines of text are counted on the bytes, and by Python's own reader where values stand in quotation marks; the rows
of a workbook by the XML of its sheets, of HTML by its tags; those of Parquet by its footer.  For .xls and .ods
there is no such way.
"""

import csv
import io
import re
import zipfile
from itertools import chain
from posixpath import join, normpath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lxml import etree

from harvesters.compressed import UnreadableError

_BLOCK = 8 << 20
_END = "end"  # a row of our own, which an open quotation mark would take in
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?row>)", re.DOTALL)
_NUMBER = re.compile(rb"\br=[\"'](\d+)")
_VALUE = re.compile(rb"<(?:\w+:)?(?:v|t)\b[^>/]*>[^<]")
_TAGS_OF_HTML = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(?:script|style|textarea|title)\b.*?</(?:script|style|textarea|title)"
    rb"|<(/?)(table|tr|body|html)(?=[\s/>])()",
    re.DOTALL | re.IGNORECASE,
)
_TAGS_OF_XML = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<(/?)(?:\w+:)?(Table|Row)\b[^>]*?(/?)>", re.DOTALL)
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def lines(content: bytes, mark: str) -> int:
    """Rows of delimited text (UTF-8, without a mark at its begin) that are not blank, the header among them.

    Raises:
        UnreadableError: a quotation mark is never closed, or a cell is longer than Python's reader takes.
    """
    if b'"' in content:
        text = io.TextIOWrapper(io.BytesIO(content), "utf-8", newline="")
        found, row = 0, [_END]
        try:
            for row in csv.reader(chain(text, [_END]), delimiter=mark):
                found += bool(row)
        except csv.Error as error:
            raise UnreadableError(f"a quotation mark may be open: {error}") from error
        if row != [_END]:
            raise UnreadableError(
                f"a quotation mark in row {found} is never closed; double such marks and send it again"
            )
        return found - 1
    found, before, data = 0, 10, np.frombuffer(content, np.uint8)
    for begin in range(0, len(data), _BLOCK):
        block = data[begin : begin + _BLOCK]
        ends = (block == 10) | (block == 13)
        # a line ends where an end follows anything else: so blank lines and CR LF count once
        found += int((ends[1:] & ~ends[:-1]).sum()) + bool(ends[0] and before not in (10, 13))
        before = int(block[-1])
    return found + (before not in (10, 13))


def tagged(content: bytes, html: bool) -> list[int]:
    """Of each table of HTML or SpreadsheetML (UTF-8), in the order of their begins, how many tags begin a row.

    Raises:
        UnreadableError: it ends within a table.
    """
    counts: list[int] = []
    within: list[int] = []
    for found in (_TAGS_OF_HTML if html else _TAGS_OF_XML).finditer(content):
        closes, tag, alone = found.groups()
        if tag is None:  # what holds no tags, though it may look so
            continue
        if tag.lower() in (b"tr", b"row"):
            if within and not closes:
                counts[within[-1]] += 1
        elif closes:
            within = within[:-1] if tag.lower() == b"table" else []
        elif tag.lower() == b"table":
            counts.append(0)
            within += [] if alone else [len(counts) - 1]
    if within:
        raise UnreadableError("a table is never closed, so the file may be cut; export it again")
    return counts


def parquet(content: bytes) -> int:
    """Rows of a Parquet file."""
    return int(pq.read_metadata(pa.BufferReader(content)).num_rows)


def heights(content: bytes) -> dict[str, int]:
    """Of each sheet of an .xlsx, by name, the number of its last row with a value; empty for other workbooks."""
    if content[:4] != b"PK\x03\x04":
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        if "xl/workbook.xml" not in book.namelist():
            return {}
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        related = etree.fromstring(book.read("xl/_rels/workbook.xml.rels"), parser)
        targets = {one.get("Id"): one.get("Target", "") for one in related.iter("{*}Relationship")}
        sheets = etree.fromstring(book.read("xl/workbook.xml"), parser).iter("{*}sheet")
        parts = {sheet.get("name"): targets.get(sheet.get(_RELATION), "") for sheet in sheets}
        named = {name: normpath(join("/xl", part)).lstrip("/") for name, part in parts.items()}
        return {name: _height(book.read(part)) for name, part in named.items() if part in book.namelist()}


def _height(sheet: bytes) -> int:
    number = last = 0
    for attributes, cells in _ROW.findall(sheet):
        given = _NUMBER.search(attributes)
        number = int(given[1]) if given else number + 1
        if _VALUE.search(cells):
            last = max(last, number)
    return last
