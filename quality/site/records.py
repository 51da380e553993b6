"""Records as the pages show them: field by field, with what a rule speaks of marked.

A field of MARC has a tag, indicators and subfields; an element of XML has a name and a text.  A field that a rule
misses stands in its place, marked as missing.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

import duckdb
from markupsafe import Markup, escape

from warehouse import engine, lake

from .words import Row

FIELDS = 80  # of a record that are shown; more would hide the rest of the page
_COMPARED = re.compile(r"(?:^|/ )(\d{3})(?=[$ ])")  # fields that a value names: `210$d 2000 / 100$a 1999`
LONG = 400  # characters of a subfield that are shown
Key = tuple[str, str, int]  # source_id, batch_id, record_no


class Subfield(NamedTuple):
    """One subfield; a control field or element has one without a code."""

    code: str
    value: Markup


class Field(NamedTuple):
    """One field of a record as it is shown."""

    tag: str
    indicators: str
    subfields: tuple[Subfield, ...]
    marked: bool = False
    missing: bool = False


class Shown(NamedTuple):
    """A record as it is shown."""

    fields: tuple[Field, ...]
    more: int  # fields that are left out
    format: str


def read(keys: Iterable[Key]) -> dict[Key, tuple[str, list[Row]]]:
    """Format and subfields of records, from the staged batches; those that the lake no longer has are left out."""
    wanted: dict[tuple[str, str], set[int]] = {}
    for source_id, batch_id, record_no in keys:
        wanted.setdefault((source_id, batch_id), set()).add(record_no)
    found: dict[Key, tuple[str, list[Row]]] = {}
    with engine.connect() as con:
        for (source_id, batch_id), numbers in sorted(wanted.items()):
            for record_no, format_, rows in _of_batch(con, source_id, batch_id, sorted(numbers)):
                found[source_id, batch_id, record_no] = format_, rows
    return found


def _of_batch(
    con: duckdb.DuckDBPyConnection, source_id: str, batch_id: str, numbers: list[int]
) -> list[tuple[int, str, list[Row]]]:
    try:
        folder = lake.staged_batch(source_id, batch_id)
    except lake.LakeError:
        return []
    files = [folder / f"{name}.parquet" for name in ("field", "bib")]
    if not all(file.exists() for file in files):
        return []
    asked = f"WHERE record_no IN ({', '.join(map(str, numbers))})"
    fields = con.execute(
        "SELECT record_no, field_no, tag, ind1, ind2, code, value "
        f"FROM read_parquet($file) {asked} ORDER BY record_no, field_no, subfield_no",
        {"file": str(files[0])},
    ).to_arrow_table()
    formats = dict(
        con.execute(
            f"SELECT record_no, format FROM read_parquet($file) {asked}", {"file": str(files[1])}
        ).fetchall()
    )
    rows = groupby(fields.to_pylist(), lambda row: row["record_no"])
    return [(number, formats.get(number, ""), list(group)) for number, group in rows]


def show(format_: str, rows: list[Row], tag: str | None, value: str | None) -> Shown:
    """A record with the fields of `tag` and those that the value names marked, and the value where it stands."""
    tags = {tag, *_COMPARED.findall(value or "")} - {None}
    fields = [_field(list(group), tags, value) for _, group in groupby(rows, lambda row: row["field_no"])]
    if tag and not any(field.marked and field.tag == tag for field in fields):
        missing = Field(tag, "", (), marked=True, missing=True)
        place = next(
            # tags of MARC have an order, names of elements none
            (at for at, field in enumerate(fields) if field.tag > tag and field.tag.isdigit() and tag.isdigit()),
            len(fields),
        )
        fields.insert(place, missing)
    shown = _near_the_mark(fields)
    return Shown(tuple(shown), len(fields) - len(shown), format_)


def _near_the_mark(fields: list[Field]) -> list[Field]:
    """All fields, or of a long record its first ones and those that are marked."""
    if len(fields) <= FIELDS:
        return fields
    rest = [field for field in fields[FIELDS // 2 :] if field.marked][: FIELDS // 2]
    return fields[: FIELDS // 2] + rest


def _field(rows: list[Row], tags: set[str | None], value: str | None) -> Field:
    first = rows[0]
    marked = first["tag"] in tags
    indicators = "".join("#" if i in (" ", "") else i for i in (first["ind1"], first["ind2"]) if i is not None)
    subfields = tuple(Subfield(row["code"] or "", _text(row["value"], value if marked else None)) for row in rows)
    return Field(first["tag"], indicators, subfields, marked)


def _text(text: str, value: str | None) -> Markup:
    """A text, escaped, cut where it is long, with the value in <mark> where it holds it."""
    if value and value in text:
        before, _, after = text.partition(value)
        head, tail = (before, after) if len(text) <= LONG else (before[-LONG // 4 :], after[: LONG // 4])
        return Markup("{}<mark>{}</mark>{}").format(head, value[:LONG], tail)
    return escape(text if len(text) <= LONG else f"{text[:LONG]}…")


def examples(rows: list[Row]) -> dict[str, list[dict[str, Any]]]:
    """Rows of findings by rule, each with its record as `shown`, or none where the lake no longer has it."""
    there = read((row["source_id"], row["batch_id"], row["record_no"]) for row in rows)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        record = there.get((row["source_id"], row["batch_id"], row["record_no"]))
        shown = show(*record, row["tag"], row["value"]) if record else None
        found.setdefault(row["rule"], []).append({**row, "shown": shown})
    return found
