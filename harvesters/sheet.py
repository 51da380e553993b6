"""One table of a file that a member sent, whatever its form: rows of text cells, and how they are counted."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import pyarrow as pa

from harvesters.compressed import UnreadableError

HEAD = 30  # rows among which a header is looked for
# What keeps Excel from taking digits for a number: ="00123", and '00123 before a value that begins with a digit.
AS_TEXT = r"""^(?:="(.*)"|'([0-9][0-9A-Za-z\-]{4,}))$"""
AS_SHOWN = r"\1\2"
TOTALS = ("合计", "总计", "小计", "共计", "total", "grand total", "subtotal", "sum")


@dataclass
class Sheet:
    """One table of a file: `head` are its first rows, `rows` gives all rows behind row `after` as batches.

    A batch has the columns `row` (its number) and `c0`, `c1` …; `faults` are rows that can't be told apart into
    cells, by number, known when all batches were taken.  `count` counts all rows that are not blank, those of the
    head too, in another way; it gives None where there is none.
    """

    head: list[list[str]]
    rows: Callable[[int, int], Iterator[pa.Table]]
    count: Callable[[], int | None]
    faults: dict[int, str] = field(default_factory=dict)

    def counted_rows(self, after: int, width: int) -> Iterator[pa.Table]:
        """What `rows` gives, held against `count` at the end.

        Raises:
            UnreadableError: not as many rows were read as were counted.
        """
        seen = after
        for table in self.rows(after, width):
            seen += len(table)
            yield table
        require_all(self.count(), seen + len(self.faults))


def require_all(counted: int | None, read: int) -> None:
    """Raise `UnreadableError` where a file has another number of rows than were read."""
    if counted is not None and counted != read:
        raise UnreadableError(
            f"{counted} rows were counted in the file, but {read} were read; export it again, and report it where "
            "that does not help"
        )


def of_rows(
    numbered: list[tuple[int, list[str]]],
    count: Callable[[], int | None],
    fault: Callable[[list[str], int], str] = lambda row, width: "",
) -> Sheet:
    """A table whose rows are in memory, with their numbers; none of them is blank.

    `fault` says what is wrong with a row below a header of so many cells.
    """
    sheet = Sheet([row for _, row in numbered[:HEAD]], lambda after, width: iter(()), count)

    def rows(after: int, width: int) -> Iterator[pa.Table]:
        told = {number: fault(row, width) for number, row in numbered[after:]}
        sheet.faults.update({number: why for number, why in told.items() if why})
        kept = [(number, row) for number, row in numbered[after:] if not told[number]]
        columns: dict[str, pa.Array] = {"row": pa.array([number for number, _ in kept], pa.int32())}
        for x in range(width):
            columns[f"c{x}"] = pa.array([(row[x] if x < len(row) else "") or None for _, row in kept], pa.string())
        yield pa.table(columns)

    sheet.rows = rows
    return sheet


def shown(text: str) -> str:
    """A cell of text as Excel shows it: without blanks around it, nor what marks it as text."""
    return re.sub(AS_TEXT, AS_SHOWN, text.strip()).strip()


def is_total(cell: str) -> bool:
    """Whether a cell calls its row a total."""
    return re.sub(r"[\s:：]+", "", cell).casefold() in TOTALS


def cell(value: object) -> str:
    """A value of a spreadsheet as text: a date in ISO 8601, a whole number without a point."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else str(value).strip()
