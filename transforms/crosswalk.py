"""Crosswalks: how tags become the columns of `staged.bib`.

A crosswalk is data, `schemas/crosswalks/<format>.csv`, one line per column and origin:

    column     column of `staged.bib`
    tag        tag or element name; `880-245` is an 880 linked to a 245, `461-200` a 200 embedded in a 461
    ind        indicators to ask for, `.` for any (`.1`); empty for any
    codes      subfield codes; empty for a control field or element; `n<c`: n before any c of the field
    slice      positions of a coded value, `35-37`, both included
    how        first: first value of the record that `clean` takes; join: the same of joined codes of a field;
               list: each subfield a value; joins: each field a value, its codes joined
    joiner     text between joined subfields
    clean      function of `transforms.clean` (with `:argument`); a value it refuses goes to `otherwise`
    otherwise  list column for refused values that have a digit
    requires   only for records that also have this tag; `LDR/6=ef`: with e or f at position 6 of its value

For a scalar column the first line that has a value wins; a list column takes the values of all its lines.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import DESCRIPTION
from transforms import crosswalk_kernel as kernel
from transforms.clean import isbd, steps
from transforms.text_columns import SLACK, Spans, from_bytes, from_spans, parts, spans_of, together
from transforms.trim_kernel import trim_spans

FOLDER = Path(__file__).resolve().parent.parent / "schemas" / "crosswalks"
# What crosswalks fill: the descriptive columns, and what is said of the record itself.
BIB_COLUMNS = {c.name: c.type for c in DESCRIPTION} | {
    "updated_at": pa.string(), "level": pa.string(), "agency_steps": pa.list_(pa.string())
}  # fmt: skip
Rows = np.ndarray  # row numbers of the fields table, ascending


class CrosswalkError(Exception):
    """A crosswalk file is wrong; the message names file and line."""


@dataclass(frozen=True)
class Line:
    """One line of a crosswalk."""

    column: str
    tag: str
    ind: str
    codes: str
    slice: str
    how: str
    joiner: str
    clean: str
    otherwise: str
    requires: str


@cache
def load(name: str) -> tuple[Line, ...]:
    """The crosswalk of a format.

    Raises:
        CrosswalkError: a line names an unknown column or way.
    """
    path = FOLDER / f"{name}.csv"
    lines = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            line = Line(**row)
            if line.column not in BIB_COLUMNS or (line.otherwise and line.otherwise not in BIB_COLUMNS):
                raise CrosswalkError(f"{path.name}, line {number}: {line.column!r} is no column of staged.bib")
            is_list = pa.types.is_list(BIB_COLUMNS[line.column])
            if line.how not in (("list", "joins") if is_list else ("first", "join")):
                raise CrosswalkError(f"{path.name}, line {number}: how={line.how!r} doesn't fit {line.column}")
            lines.append(line)
    return tuple(lines)


class Fields:
    """The subfields of one chunk, findable by tag and code without a pass over all of them.

    Args:
        fields: a table of `transforms.chunk.FIELDS`, in record and field order.
        first: record_no of the chunk's first record.
        count: number of records of the chunk.
    """

    def __init__(self, fields: pa.Table, first: int, count: int):
        fields = fields.unify_dictionaries().combine_chunks()
        rows, self.count = len(fields), count
        self.value: pa.Array = _single(fields["value"])
        self.data, self.offsets = parts(self.value)
        self.record, self.field = np.empty(rows, np.int32), np.empty(rows, np.int32)
        starts = np.empty(rows, np.int32)
        record_no, field_no = fields["record_no"].to_numpy(), fields["field_no"].to_numpy()
        found = kernel.number_fields(record_no, field_no, first, self.record, self.field, starts)
        self.field_start = starts[:found]
        self.ind1, self.ind2 = _characters(fields["ind1"]), _characters(fields["ind2"])
        self.code = _characters(fields["code"])
        tags = _single(fields["tag"])
        self.tags: list[str] = tags.dictionary.to_pylist()
        self.tag = tags.indices.to_numpy(zero_copy_only=False)
        self._name_linked_fields()
        self._name_embedded_fields()
        self.number = {tag: i for i, tag in enumerate(self.tags)}
        self.bounds, self.order = np.zeros(len(self.tags) * 256 + 1, np.int32), np.empty(rows, np.int32)
        kernel.sort_rows(self.tag, self.code, self.bounds, self.order)
        self._has: dict[str, np.ndarray] = {}

    def _tag_numbers(self, names: list[str]) -> np.ndarray:
        known = {tag: i for i, tag in enumerate(self.tags)}
        for name in names:
            if name not in known:
                known[name] = len(self.tags)
                self.tags.append(name)
        return np.array([known[name] for name in names], dtype=np.int32)

    def _name_linked_fields(self) -> None:
        """Give each 880 the name `880-TTT` after the tag that its $6 links to."""
        if "880" not in self.tags:
            return
        links = np.flatnonzero((self.tag == self.tags.index("880")) & (self.code == ord("6")))
        texts = self.values(links, 0, 2).to_pylist()
        renamed = np.full(len(self.field_start), -1, np.int32)
        renamed[self.field[links]] = self._tag_numbers([f"880-{text}" for text in texts])
        of_row = renamed[self.field]
        self.tag = np.where(of_row >= 0, of_row, self.tag)

    def _name_embedded_fields(self) -> None:
        """Give subfields after a `$1` of a 4xx (UNIMARC embedded fields) the name `4XX-TTT`."""
        fours = np.array([len(tag) == 3 and tag[0] == "4" for tag in self.tags], bool)
        starts = np.flatnonzero(self.code == ord("1"))
        starts = starts[fours[self.tag[starts]]]
        if not len(starts):
            return
        texts = self.values(starts, 0, 2).to_pylist()
        names = [f"{self.tags[self.tag[row]]}-{text}" for row, text in zip(starts, texts, strict=True)]
        numbers = self._tag_numbers(names)
        self.tag = self.tag.copy()
        last = np.full(len(self.tag), -1, np.int32)
        last[starts] = np.arange(len(starts))
        last = np.maximum.accumulate(last)
        inside = (last >= 0) & (self.code != ord("1"))
        inside[inside] = self.field[starts[last[inside]]] == self.field[inside]
        self.tag[inside] = numbers[last[inside]]

    def rows(self, tag: str, codes: str = "", ind: str = "") -> Rows:
        """Row numbers of a tag's subfields with these codes, in record order."""
        codes, _, stop = codes.partition("<")
        number = self.number.get(tag)
        if number is None:
            return self.order[:0]
        bounds = self.bounds[number * 256 : number * 256 + 257]
        found = [code for code in codes.encode() or b"\0" if bounds[code + 1] > bounds[code]]
        if len(found) < 2:
            rows = self.order[bounds[found[0]] : bounds[found[0] + 1]] if found else self.order[:0]
        else:
            some = np.array(found)
            rows = np.empty((bounds[some + 1] - bounds[some]).sum(), np.int32)
            kernel.merge(self.order, bounds, some, rows)
        for wanted, given in zip(ind, (self.ind1, self.ind2), strict=False):
            if wanted != ".":
                rows = rows[given[rows] == ord(wanted)]
        return self._before(rows, self.rows(tag, stop)) if stop and len(rows) else rows

    def _before(self, rows: Rows, stops: Rows) -> Rows:
        """The rows that stand before the first of the `stops` in their field."""
        first = np.full(len(self.field_start), len(self.field), np.int32)
        np.minimum.at(first, self.field[stops], stops)
        return rows[rows < first[self.field[rows]]]

    def has(self, wanted: str) -> np.ndarray:
        """For each record whether it has a tag, or `tag/position=characters` any of these there."""
        if wanted not in self._has:
            self._has[wanted] = self._find(wanted)
        return self._has[wanted]

    def _find(self, wanted: str) -> np.ndarray:
        tag, _, condition = wanted.partition("/")
        found = np.zeros(self.count, bool)
        if condition:
            position, _, characters = condition.partition("=")
            rows = self.rows(tag)
            there = self.values(rows, int(position), int(position))
            found[self.record[rows[_is_in(there, pa.array(list(characters)))]]] = True
            return found
        if tag in self.number:
            at = self.number[tag] * 256
            found[self.record[self.order[self.bounds[at] : self.bounds[at + 256]]]] = True
        return found

    def spans(self, rows: Rows, low: int = 0, high: int = -1) -> Spans:
        """The values of rows; only their characters from `low` to `high`, both included, if `high` is given."""
        starts, ends = np.empty(len(rows), np.int32), np.empty(len(rows), np.int32)
        kernel.cut(self.data, self.offsets, rows, low, high, starts, ends)
        return Spans(self.data, starts, ends)

    def values(self, rows: Rows, low: int = 0, high: int = -1) -> pa.Array:
        """As `spans`, but the values themselves."""
        return from_spans(*self.spans(rows, low, high))

    def joined(self, rows: Rows, joiner: str) -> tuple[pa.Array, Rows]:
        """The values of rows joined within each field, and the first row of each."""
        between = np.frombuffer(joiner.encode(), np.uint8)
        count, size = kernel.joined_size(self.offsets, rows, self.field, between)
        out, offsets = np.empty(size + SLACK, np.uint8), np.zeros(count + 1, np.int32)
        firsts = np.empty(count, np.int32)
        size = kernel.join(self.data, self.offsets, rows, self.field, between, out, offsets, firsts)
        return from_bytes(out[:size], offsets, None, 0), firsts


def _is_in(values: pa.Array, wanted: pa.Array) -> np.ndarray:
    found: np.ndarray = pc.is_in(values, wanted).to_numpy(zero_copy_only=False)
    return found


def _single(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _characters(column: pa.ChunkedArray) -> np.ndarray:
    """The first byte of each value of a dictionary column; 0 for null."""
    array = _single(column)
    table = np.array([ord(text[0]) % 256 if text else 0 for text in array.dictionary.to_pylist()] + [0], np.uint8)
    indices, found = array.indices, np.empty(len(array), np.uint8)
    if not len(found):
        return found
    valid, numbers = indices.buffers()
    bits = np.frombuffer(valid, np.uint8) if indices.null_count else np.zeros(0, np.uint8)
    kernel.look_up(np.frombuffer(numbers, np.int32), bits, indices.offset, table, found)
    return found


def _line_rows(fields: Fields, line: Line, missing: np.ndarray | None) -> Rows:
    """The rows that a line looks at; if given, only those of records that are `missing`."""
    rows = fields.rows(line.tag, line.codes, line.ind)
    if missing is not None and len(rows):
        rows = rows[missing[fields.record[rows]]]
    if line.requires and len(rows):
        rows = rows[fields.has(line.requires)[fields.record[rows]]]
    return rows


def _line_values(fields: Fields, line: Line, rows: Rows) -> tuple[Spans, pa.Array | None, Rows]:
    """The cleaned values of a line, the values as given if it needs them, and the row each comes from."""
    make, trim = steps(line.clean)
    raw = None
    low, high = (int(part) for part in line.slice.split("-")) if line.slice else (0, -1)
    if line.how in ("join", "joins"):
        raw, rows = fields.joined(rows, line.joiner)
    elif make or line.otherwise:
        raw = fields.values(rows, low, high)
    spans = fields.spans(rows, low, high) if raw is None else spans_of(make(raw) if make else raw)
    if trim is not None:
        trim_spans(trim, *spans)
    return spans, raw, rows


class _Column:
    """The values found for one column so far; those of a scalar column only until each record has one."""

    def __init__(self, count: int, is_list: bool):
        self._spans: list[Spans] = []
        self._records: list[np.ndarray] = []
        self._chosen = None if is_list else np.full(count, -1, np.int32)
        self._of, self._found = count, 0

    def missing(self) -> np.ndarray | None:
        """Which records a further line is asked for; None for all."""
        return self._chosen < 0 if self._chosen is not None and self._found else None

    def add(self, spans: Spans, records: np.ndarray) -> None:
        """More values, null where one does not qualify, and the record of each, ascending."""
        if self._chosen is not None:
            kernel.first_valid(spans.starts, spans.ends, records, self._found, self._chosen)
        self._found += len(records)
        self._spans.append(spans)
        self._records.append(records)

    def array(self) -> pa.Array:
        """A scalar column: the first value of each record.  A list: all of a record, in order, each once."""
        if not self._found:
            lists = pa.ListArray.from_arrays(pa.array(np.zeros(self._of + 1, np.int32)), pa.array([], pa.string()))
            return lists if self._chosen is None else pa.nulls(self._of, pa.string())
        data, starts, ends = together(self._spans)
        if self._chosen is not None:
            chosen = np.empty((2, self._of), np.int32)
            kernel.spread(starts, ends, self._chosen, *chosen)
            return from_spans(data, *chosen)
        order, bounds = np.empty(len(starts), np.int32), np.empty(self._of + 1, np.int32)
        size = kernel.group(data, starts, ends, np.concatenate(self._records), self._of, order, bounds)
        order = order[:size]
        return pa.ListArray.from_arrays(pa.array(bounds), from_spans(data, starts[order], ends[order]))


def describe(fields: Fields, name: str) -> dict[str, pa.Array]:
    """The descriptive columns of `staged.bib` for the records of a chunk, by the crosswalk of that name."""
    columns = {column: _Column(fields.count, pa.types.is_list(type_)) for column, type_ in BIB_COLUMNS.items()}
    for line in load(name):
        column = columns[line.column]
        rows = _line_rows(fields, line, column.missing())
        if not len(rows):
            continue
        spans, raw, rows = _line_values(fields, line, rows)
        records = fields.record[rows]
        column.add(spans, records)
        refused = spans.ends < spans.starts
        if line.otherwise and raw is not None and refused.any():
            given = raw.filter(pa.array(refused))
            given = pc.if_else(pc.match_substring_regex(given, "[0-9０-９]"), isbd(given), None)
            columns[line.otherwise].add(spans_of(given), records[refused])
    arrays = {column: made.array() for column, made in columns.items()}
    return {column: array.cast(BIB_COLUMNS[column]) for column, array in arrays.items()}
