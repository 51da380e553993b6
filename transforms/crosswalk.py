"""Crosswalks: how tags become the columns of `staged.bib`.

A crosswalk is data, `schemas/crosswalks/<format>.csv`, one line per column and origin:

    column     column of `staged.bib`
    tag        tag or element name; `880-245` is an 880 linked to a 245, `461-200` a 200 embedded in a 461
    ind        indicators to ask for, `.` for any (`.1`); empty for any
    codes      subfield codes; empty for a control field or element
    slice      positions of a coded value, `35-37`, both included
    how        first: first value of the record that `clean` takes; join: the same of joined codes of a field;
               list: each subfield a value; joins: each field a value, its codes joined
    joiner     text between joined subfields
    clean      function of `transforms.clean` (with `:argument`); a value it refuses goes to `otherwise`
    otherwise  list column for refused values that have a digit
    requires   only for records that also have this tag

For a scalar column the first line that has a value wins; a list column takes the values of all its lines.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import DESCRIPTION
from transforms.clean import cleaner, isbd

FOLDER = Path(__file__).resolve().parent.parent / "schemas" / "crosswalks"
BIB_COLUMNS = {c.name: c.type for c in DESCRIPTION} | {"updated_at": pa.string(), "level": pa.string()}
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
        self.count = count
        self.value: pa.Array = _single(fields["value"])
        self.record = fields["record_no"].to_numpy() - first
        field_no = fields["field_no"].to_numpy()
        new = np.ones(len(fields), bool)
        new[1:] = (np.diff(self.record) != 0) | (np.diff(field_no) != 0)
        self.field = np.cumsum(new, dtype=np.int64) - 1
        self.field_start = np.flatnonzero(new)
        self.ind1, self.ind2 = _characters(fields["ind1"]), _characters(fields["ind2"])
        self.code = _characters(fields["code"])
        tags = _single(fields["tag"])
        self.tags: list[str] = tags.dictionary.to_pylist()
        self.tag = tags.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        self._name_linked_fields()
        self._name_embedded_fields()
        self.number = {tag: i for i, tag in enumerate(self.tags)}
        key = self.tag * 256 + self.code
        self.order = np.argsort(key, kind="stable")
        self.key = key[self.order]

    def _tag_numbers(self, names: list[str]) -> np.ndarray:
        known = {tag: i for i, tag in enumerate(self.tags)}
        for name in names:
            if name not in known:
                known[name] = len(self.tags)
                self.tags.append(name)
        return np.array([known[name] for name in names], dtype=np.int64)

    def _name_linked_fields(self) -> None:
        """Give each 880 the name `880-TTT` after the tag that its $6 links to."""
        if "880" not in self.tags:
            return
        links = np.flatnonzero((self.tag == self.tags.index("880")) & (self.code == ord("6")))
        texts = pc.utf8_slice_codeunits(self.value.take(pa.array(links)), 0, 3).to_pylist()
        renamed = np.full(len(self.field_start), -1, np.int64)
        renamed[self.field[links]] = self._tag_numbers([f"880-{text}" for text in texts])
        of_row = renamed[self.field]
        self.tag = np.where(of_row >= 0, of_row, self.tag)

    def _name_embedded_fields(self) -> None:
        """Give subfields after a `$1` of a 4xx (UNIMARC embedded fields) the name `4XX-TTT`."""
        fours = [i for i, tag in enumerate(self.tags) if len(tag) == 3 and tag[0] == "4"]
        starts = np.flatnonzero(np.isin(self.tag, fours) & (self.code == ord("1")))
        if not len(starts):
            return
        texts = pc.utf8_slice_codeunits(self.value.take(pa.array(starts)), 0, 3).to_pylist()
        names = [f"{self.tags[self.tag[row]]}-{text}" for row, text in zip(starts, texts, strict=True)]
        numbers = self._tag_numbers(names)
        last = np.full(len(self.tag), -1, np.int64)
        last[starts] = np.arange(len(starts))
        last = np.maximum.accumulate(last)
        inside = (last >= 0) & (self.code != ord("1"))
        inside[inside] = self.field[starts[last[inside]]] == self.field[inside]
        self.tag[inside] = numbers[last[inside]]

    def rows(self, tag: str, codes: str = "", ind: str = "") -> Rows:
        """Row numbers of a tag's subfields with these codes, in record order."""
        number = self.number.get(tag)
        if number is None:
            return np.empty(0, np.int64)
        parts = []
        for code in codes.encode() or b"\0":
            low, high = np.searchsorted(self.key, [number * 256 + code, number * 256 + code + 1])
            parts.append(self.order[low:high])
        rows = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
        for wanted, given in zip(ind, (self.ind1, self.ind2), strict=False):
            if wanted != ".":
                rows = rows[given[rows] == ord(wanted)]
        return rows

    def has(self, tag: str) -> np.ndarray:
        """For each record whether it has the tag."""
        found = np.zeros(self.count, bool)
        if tag in self.number:
            found[self.record[self.tag == self.number[tag]]] = True
        return found

    def values(self, rows: Rows) -> pa.Array:
        """The values of rows."""
        return self.value.take(pa.array(rows))

    def joined(self, rows: Rows, joiner: str) -> tuple[pa.Array, Rows]:
        """The values of rows joined within each field, and the first row of each."""
        if not len(rows):
            return pa.array([], pa.string()), rows
        starts = np.flatnonzero(np.diff(self.field[rows], prepend=-1))
        offsets = np.append(starts, len(rows)).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), self.values(rows))
        return pc.binary_join(lists, joiner), rows[starts]


def _single(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _characters(column: pa.ChunkedArray) -> np.ndarray:
    """The first byte of each value of a dictionary column; 0 for null."""
    array = _single(column)
    table = np.array([ord(text[0]) % 256 if text else 0 for text in array.dictionary.to_pylist()] + [0], np.uint8)
    indices = pc.fill_null(array.indices, len(table) - 1).to_numpy(zero_copy_only=False)
    return table[indices].astype(np.int64)


def _line_values(fields: Fields, line: Line) -> tuple[pa.Array, Rows]:
    """The raw values of one line, and the row each comes from."""
    rows = fields.rows(line.tag, line.codes, line.ind)
    if line.requires:
        rows = rows[fields.has(line.requires)[fields.record[rows]]]
    if line.how in ("join", "joins"):
        values, rows = fields.joined(rows, line.joiner)
    else:
        values = None
    if values is None:
        values = fields.values(rows)
    if line.slice:
        low, high = (int(part) for part in line.slice.split("-"))
        values = pc.utf8_slice_codeunits(values, low, high + 1)
    return values, rows


def _scalar(parts: list[tuple[pa.Array, np.ndarray]], count: int) -> pa.Array:
    """One value a record: the first of the first part that has one."""
    result: pa.Array | None = None
    for values, records in parts:
        usable = np.flatnonzero(pc.is_valid(values).to_numpy(zero_copy_only=False))
        usable = usable[np.flatnonzero(np.diff(records[usable], prepend=-1))]
        position = np.full(count, -1, np.int64)
        position[records[usable]] = usable
        spread = values.take(pa.array(position, mask=position < 0))
        result = spread if result is None else pc.coalesce(result, spread)
    return pa.nulls(count, pa.string()) if result is None else result


def _list(parts: list[tuple[pa.Array, np.ndarray]], count: int) -> pa.Array:
    """All values of a record, in the order of the lines and then of the record, each once."""
    parts = [
        (values.drop_null(), records[pc.is_valid(values).to_numpy(zero_copy_only=False)])
        for values, records in parts
    ]
    parts = [part for part in parts if len(part[0])]
    if not parts:
        return pa.ListArray.from_arrays(pa.array(np.zeros(count + 1, np.int32)), pa.array([], pa.string()))
    values = pa.concat_arrays([part[0] for part in parts])
    records = np.concatenate([part[1] for part in parts])
    order = np.argsort(records, kind="stable")
    identity = values.dictionary_encode()
    pair = records * np.int64(len(identity.dictionary)) + identity.indices.to_numpy()
    once = np.zeros(len(pair), bool)
    once[np.unique(pair, return_index=True)[1]] = True
    order = order[once[order]]
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(np.bincount(records[order], minlength=count), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values.take(pa.array(order)))


def describe(fields: Fields, name: str) -> dict[str, pa.Array]:
    """The descriptive columns of `staged.bib` for the records of a chunk, by the crosswalk of that name."""
    parts: dict[str, list[tuple[pa.Array, np.ndarray]]] = {column: [] for column in BIB_COLUMNS}
    for line in load(name):
        raw, rows = _line_values(fields, line)
        if not len(rows):
            continue
        records = fields.record[rows]
        values = cleaner(line.clean)(raw)
        parts[line.column].append((values, records))
        if line.otherwise:
            number = pc.match_substring_regex(raw, "[0-9０-９]")
            refused = pc.if_else(pc.and_(pc.is_null(values), number), isbd(raw), None)
            parts[line.otherwise].append((refused, records))
    columns = {}
    for column, type_ in BIB_COLUMNS.items():
        make = _list if pa.types.is_list(type_) else _scalar
        array = make(parts[column], fields.count)
        columns[column] = array if array.type == type_ else array.cast(type_)
    return columns
