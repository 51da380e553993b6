"""What rules ask of the fields of some records: a small part of all, picked out before any SQL sees them."""

import re
from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from quality.rules import FACT, Rule, anywhere

Fact = tuple[str, str, str]  # has, first or values; tag; code, or '' for any


def text(rules: Iterable[Rule]) -> str:
    """All SQL of these rules."""
    return " ".join(f"{rule.predicate} {rule.value}" for rule in rules)


def facts(rules: Iterable[Rule]) -> dict[str, Fact]:
    """The questions that rules ask of a record's fields, by the name of the column that answers them."""
    return {_column(found): found.groups(default="") for found in FACT.finditer(text(rules))}


def _column(question: re.Match[str]) -> str:
    how, tag, code = question.groups(default="")
    return f"{how}_{tag}_{code.encode().hex()}"  # columns are told apart by more than upper and lower case


def resolved(expression: str) -> str:
    """The expression with each question replaced by its column of `bib`."""
    return FACT.sub(lambda question: f"bib.{_column(question)}", expression)


def columns_in(expressions: str, names: Iterable[str]) -> list[str]:
    """Those of the columns that the expressions may speak of."""
    words = set(re.findall(r"\w+", expressions))
    return [name for name in names if name in words]


def places(rows: pa.Table, bib: pa.Table) -> np.ndarray:
    """For each row the place of its record in `bib`; -1 for one without a record."""
    numbers, wanted = bib["record_no"].to_numpy(), rows["record_no"].to_numpy()
    if not len(numbers):
        return np.full(len(wanted), -1)
    low, high = numbers.min() - 1, numbers.max() + 1
    place = np.full(high - low + 1, -1)
    place[numbers - low] = np.arange(len(numbers))
    return place[np.clip(wanted, low, high) - low]


def of_records(rows: pa.Table, bib: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Rows and the places of their records in `bib`; those without a record go."""
    place = places(rows, bib)
    if (place >= 0).all():
        return rows, place
    return rows.filter(pa.array(place >= 0)), place[place >= 0]


class Fields:
    """The fields of some records, with what they are asked.

    Args:
        field: `staged.field`, in order within a record; strings may be kept by dictionary.
        bib: the records.
    """

    def __init__(self, field: pa.Table, bib: pa.Table):
        self._field, self._count = field, len(bib)
        self._place = places(field, bib)
        tags, codes = _encoded(field["tag"]), _encoded(field["code"])
        self._tags, self._codes = tags.dictionary.to_pylist(), codes.dictionary.to_pylist()
        # each row is of a cell in a table with a line for each tag and a column for each code, the last for none
        self._width = len(self._codes) + 1
        self._cell = tags.indices.to_numpy() * self._width + pc.fill_null(codes.indices, self._width - 1).to_numpy()

    def _cells(self, tag: str, code: str = "") -> Iterable[int]:
        """The cells of a tag, and of a code if there is one."""
        if tag not in self._tags or (code and code not in self._codes):
            return ()
        first = self._tags.index(tag) * self._width
        return (first + self._codes.index(code),) if code else range(first, first + self._width)

    def rows(self, tags: Collection[str], columns: list[str]) -> tuple[pa.Table, np.ndarray]:
        """The rows of these tags, and those that rules on every field look at.

        Returns:
            The rows by tag, with these columns and `suspect`: whether rules on every field see the row; and the
            places of their records.
        """
        suspect = anywhere.suspect(self._field["value"])
        asked = np.zeros(len(self._tags), bool)
        asked[[place for place, tag in enumerate(self._tags) if tag in tags]] = True
        # together by tag, since most of a predicate's cost is for the first of the rows that lie together
        rows = _by_tag(self._cell // self._width, self._place, asked, suspect)
        table = self._field.select(columns).take(pa.array(rows))
        return table.append_column("suspect", pa.array(suspect[rows])), self._place[rows]

    def answers(self, asked: dict[str, Fact]) -> dict[str, pa.Array]:
        """A column for each question, with a value for each record."""
        cells = [list(self._cells(tag, code)) for _, tag, code in asked.values()]
        pairs = np.array([(cell, number) for number, one in enumerate(cells) for cell in one], np.int64).reshape(-1, 2)
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        starts = np.searchsorted(pairs[:, 0], np.arange(len(self._tags) * self._width + 1))
        first = _first_rows(self._cell, self._place, starts, pairs[:, 1], len(cells), self._count)
        columns: dict[str, pa.Array] = {}
        for (name, (how, _, _)), is_asked, row in zip(asked.items(), cells, first, strict=True):
            if how == "has":
                columns[name] = pa.array(row >= 0)
            elif how == "first":
                columns[name] = self._values(pa.array(row, mask=row < 0))
            else:
                rows = np.flatnonzero(np.isin(self._cell, is_asked) & (self._place >= 0))
                rows = rows[np.argsort(self._place[rows], kind="stable")]
                ends = np.searchsorted(self._place[rows], np.arange(self._count + 1)).astype(np.int32)
                columns[name] = pa.ListArray.from_arrays(pa.array(ends), self._values(pa.array(rows)))
        return columns

    def _values(self, rows: pa.Array) -> pa.Array:
        taken = self._field["value"].take(rows).combine_chunks()
        return taken.chunk(0) if isinstance(taken, pa.ChunkedArray) else taken


@njit(cache=True, nogil=True)
def _by_tag(tag, place, asked, suspect):  # type: ignore[no-untyped-def]
    """The rows of a record whose tag is asked for or which are suspect, by tag and otherwise as they stand."""
    starts = np.zeros(len(asked) + 1, np.int64)
    for row in range(len(tag)):
        if (asked[tag[row]] or suspect[row]) and place[row] >= 0:
            starts[tag[row] + 1] += 1
    starts = np.cumsum(starts)
    rows = np.empty(starts[-1], np.int64)
    for row in range(len(tag)):
        if (asked[tag[row]] or suspect[row]) and place[row] >= 0:
            rows[starts[tag[row]]] = row
            starts[tag[row]] += 1
    return rows


@njit(cache=True, nogil=True)
def _first_rows(cell, place, starts, questions, number, count):  # type: ignore[no-untyped-def]
    """For each question and record the first row in a cell that it asks for, or -1.

    `questions[starts[i] : starts[i + 1]]` ask for cell i.
    """
    first = np.full((number, count), -1)
    for row in range(len(cell)):
        for at in range(starts[cell[row]], starts[cell[row] + 1]):
            if place[row] >= 0 and first[questions[at], place[row]] < 0:
                first[questions[at], place[row]] = row
    return first


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
