"""What rules ask of the fields of some records: a small part of all, picked out before any SQL sees them."""

import re
from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from quality.rules import FACT, NEIGHBOUR, Rule, anywhere

Fact = tuple[str, str, str]  # has, first or values; tag; code, or '' for any


def text(rules: Iterable[Rule]) -> str:
    """All SQL of these rules."""
    return " ".join(f"{rule.predicate} {rule.value}" for rule in rules)


def facts(rules: Iterable[Rule]) -> dict[str, Fact]:
    """The questions that rules ask of a record's fields, by the name of the column that answers them."""
    asked = (found.groups(default="") for found in FACT.finditer(text(rules)))
    return {_column(how, tag, code): (how, tag, code) for how, tag, code in asked}


def _column(how: str, tag: str, code: str) -> str:
    # in hexadecimal, since the names of columns are the same in upper and lower case and have no points
    return f"{how}_{f'{tag}${code}'.encode().hex()}"


def neighbours(rules: Iterable[Rule]) -> dict[str, str]:
    """The subfields that rules ask for beside their own, by the name of the column that has them."""
    return {_column("beside", "", code): code for code in NEIGHBOUR.findall(text(rules))}


def resolved(expression: str) -> str:
    """The expression with each question replaced by its column: of `bib`, or beside the field."""
    expression = FACT.sub(lambda found: f"bib.{_column(*found.groups(default=''))}", expression)
    return NEIGHBOUR.sub(lambda found: f"field.{_column('beside', '', found[1])}", expression)


def columns_in(expressions: str, names: Iterable[str]) -> list[str]:
    """Those of the columns that the expressions may speak of."""
    words = set(re.findall(r"\w+", expressions))
    return [name for name in names if name in words]


def places(numbers: np.ndarray, bib: pa.Table) -> np.ndarray:
    """For each record number its place in `bib`; -1 where there is no such record."""
    there = bib["record_no"].to_numpy()
    if not len(there):
        return np.full(len(numbers), -1)
    low, high = there.min() - 1, there.max() + 1
    place = np.full(high - low + 1, -1)
    place[there - low] = np.arange(len(there))
    return place[np.clip(numbers, low, high) - low]


def of_records(rows: pa.Table, bib: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Rows and the places of their records in `bib`; those without a record go."""
    place = places(rows["record_no"].to_numpy(), bib)
    if (place >= 0).all():
        return rows, place
    return rows.filter(pa.array(place >= 0)), place[place >= 0]


class Fields:
    """The fields of some records that are asked for, and those that rules on every field look at.

    Args:
        field: `staged.field`, in order within a record; strings may be kept by dictionary.
        bib: the records.
        tags: that are asked for.
    """

    def __init__(self, field: pa.Table, bib: pa.Table, tags: Iterable[str]):
        self._field, self._count = field, len(bib)
        self._tags = {tag: number for number, tag in enumerate(sorted(tags), 1)}  # 0 is for any other
        named, coded = _encoded(field["tag"]), _encoded(field["code"])
        self._codes = coded.dictionary.to_pylist()
        number = np.array([self._tags.get(tag, 0) for tag in named.dictionary.to_pylist()], np.int64)
        suspect = anywhere.suspect(field["value"])
        # together by tag, since most of a predicate's cost is for the first of the rows that lie together
        rows = _by_tag(named.indices.to_numpy(), number, suspect, len(self._tags) + 1)
        place = places(field["record_no"].to_numpy()[rows], bib)
        self._rows, self._place = rows[place >= 0], place[place >= 0]
        self._suspect = suspect[self._rows]
        self._code = pc.fill_null(coded.indices, -1).to_numpy()[self._rows]
        self._tag = number[named.indices.to_numpy()[self._rows]]

    def rows(
        self, tags: Collection[str], columns: list[str], beside: dict[str, str]
    ) -> tuple[pa.Table, np.ndarray]:
        """The rows of these tags, and those that rules on every field look at.

        Args:
            tags: of the rows.
            columns: that they shall have.
            beside: columns with the first subfield of this code in the same field.

        Returns:
            The rows by tag, with `suspect` too: whether rules on every field see the row; and the places of their
            records.
        """
        wanted = np.zeros(len(self._tags) + 1, bool)
        wanted[[self._tags[tag] for tag in tags]] = True
        chosen = np.flatnonzero(wanted[self._tag] | self._suspect)
        rows = self._rows[chosen]
        table = self._field.select(columns).take(pa.array(rows))
        for name, code in beside.items():
            table = table.append_column(name, self._beside(rows, self._code[chosen], code))
        return table.append_column("suspect", pa.array(self._suspect[chosen])), self._place[chosen]

    def _beside(self, rows: np.ndarray, codes: np.ndarray, code: str) -> pa.Array:
        """For each row the first subfield of a code in its field; rows of a field lie together."""
        record, number = (self._field[name].to_numpy() for name in ("record_no", "field_no"))
        first = np.full(len(rows), -1)
        _first_beside(record, number, rows, codes == self._number(code), first)
        return self._values(pa.array(first, mask=first < 0))

    def _number(self, code: str) -> int:
        return self._codes.index(code) if code in self._codes else -2

    def answers(self, asked: dict[str, Fact]) -> dict[str, pa.Array]:
        """A column for each question, with a value for each record."""
        columns: dict[str, pa.Array] = {}
        for name, (how, tag, code) in asked.items():
            start, end = np.searchsorted(self._tag, (self._tags[tag], self._tags[tag] + 1))
            rows, place = self._rows[start:end], self._place[start:end]
            if code:
                chosen = self._code[start:end] == self._number(code)
                rows, place = rows[chosen], place[chosen]
            if how == "has":
                has = np.zeros(self._count, bool)
                has[place] = True
                columns[name] = pa.array(has)
            elif how == "first":
                first = np.full(self._count, -1)
                first[place[::-1]] = rows[::-1]
                columns[name] = self._values(pa.array(first, mask=first < 0))
            else:
                order = np.argsort(place, kind="stable")
                ends = np.searchsorted(place[order], np.arange(self._count + 1)).astype(np.int32)
                columns[name] = pa.ListArray.from_arrays(pa.array(ends), self._values(pa.array(rows[order])))
        return columns

    def _values(self, rows: pa.Array) -> pa.Array:
        taken = self._field["value"].take(rows).combine_chunks()
        return taken.chunk(0) if isinstance(taken, pa.ChunkedArray) else taken


@njit(cache=True, nogil=True)
def _first_beside(record, number, rows, wanted, first):  # type: ignore[no-untyped-def]
    """For each row the first that is wanted of those that stand beside it and are of the same field."""
    low = 0
    for k in range(1, len(rows) + 1):
        same = k < len(rows) and record[rows[k]] == record[rows[low]] and number[rows[k]] == number[rows[low]]
        if not same:
            for at in range(low, k):
                if wanted[at]:
                    first[low:k] = rows[at]
                    break
            low = k


@njit(cache=True, nogil=True)
def _by_tag(tag, number, suspect, count):  # type: ignore[no-untyped-def]
    """The rows whose tag has a number other than 0 or which are suspect, by number and otherwise as they stand."""
    starts = np.zeros(count + 1, np.int64)
    for row in range(len(tag)):
        if number[tag[row]] or suspect[row]:
            starts[number[tag[row]] + 1] += 1
    starts = np.cumsum(starts)
    rows = np.empty(starts[-1], np.int64)
    for row in range(len(tag)):
        if number[tag[row]] or suspect[row]:
            rows[starts[number[tag[row]]]] = row
            starts[number[tag[row]]] += 1
    return rows


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
