"""Lists of deleted records: text with a record a line, its control number in one of the columns.

The column is the first whose name speaks of a control number (001, Sys. No., record id, 控制号 …), else the first.
The first line is a header unless the place of the control number holds a number there.
"""

import csv
import re
from collections.abc import Iterator
from typing import BinaryIO

_NAMED = re.compile(
    r"(?i)^\W*(001|sys(tem)?\W*(no|num|number|id)?\W*$|control|record|rec\W*(no|id)|bib|mms|id\W*$|控制号|记录号|系统号|标识)"
)
_NUMBER = re.compile(r"[A-Za-z]{0,8}[ _:.\-]?\d+[\dA-Za-z._\-]*")
_BLANK = " \t\r\n\x00\x1a\ufeff"


def read(stream: BinaryIO) -> Iterator[tuple[int, bytes, str]]:
    """For each line that is not blank, header aside: where it begins, its bytes, and its control number or ""."""
    offset, column, delimiter = 0, -1, ","
    for line in stream:
        text = _decoded(line).strip(_BLANK)
        start, offset = offset, offset + len(line)
        if not text:
            continue
        if column < 0:
            delimiter = max(",;\t|", key=text.count)
            cells = _cells(text, delimiter)
            named = [place for place, cell in enumerate(cells) if _NAMED.match(cell)]
            column = named[0] if named else 0
            if named or not _NUMBER.fullmatch(cells[0]):
                continue
        cells = _cells(text, delimiter)
        yield start, line, cells[column] if column < len(cells) else ""


def count(stream: BinaryIO) -> int:
    """How many records a list names."""
    return sum(1 for _ in read(stream))


def _cells(text: str, delimiter: str) -> list[str]:
    return [cell.strip(_BLANK) for cell in next(csv.reader([text], delimiter=delimiter), [])] or [""]


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("gb18030", "replace")
