"""Holdings and items: which fields of a record hold them, by the profile of the library.

A profile is lines of `schemas/crosswalks/holdings.csv`:

    profile    its name, as a source's row gives it in `holdings`
    level      holding or item
    tag        one row per field of this tag
    column     column of `staged.holding` or `staged.item`; several lines of a column are tried in order
    codes      subfields that give its value, joined by `joiner`
    each       a subfield of which each occurrence is a row of its own
    expand     range: the values of `each` may be ranges, `1667201-3` for 1667201, 1667202 and 1667203
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import STAGED_HOLDING, STAGED_ITEM
from transforms import clean
from transforms.crosswalk import FOLDER, CrosswalkError, Fields

MAX_RANGE = 200  # more barcodes than this in one range are taken for a slip
_RANGE = re.compile(r"\s*([^\W\d_]*)(\d{4,})\s*[-–—~～－]\s*([^\W\d_]*)(\d+)\s*")


@dataclass(frozen=True)
class ProfileLine:
    """One line of `holdings.csv`: where a column of a holding or item comes from at libraries of a profile."""

    profile: str
    level: str
    tag: str
    column: str
    codes: str
    joiner: str
    each: str
    expand: str


@cache
def profiles() -> dict[str, tuple[ProfileLine, ...]]:
    """The holdings profiles by name."""
    found: dict[str, list[ProfileLine]] = {}
    with (FOLDER / "holdings.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            line = ProfileLine(**row)
            found.setdefault(line.profile, []).append(line)
    return {name: tuple(lines) for name, lines in found.items()}


def attachments(fields: Fields, profile: str, level: str) -> pa.Table:
    """The holdings or items of a chunk: `record` (position in the chunk) and the columns of the level.

    Raises:
        CrosswalkError: there is no such profile.
    """
    contract = STAGED_HOLDING if level == "holding" else STAGED_ITEM
    if profile and profile not in profiles():
        raise CrosswalkError(f"holdings profile {profile!r} is not in holdings.csv; known: {sorted(profiles())}")
    lines = [line for line in profiles().get(profile, ()) if line.level == level]
    tables = [
        table
        for tag in dict.fromkeys(line.tag for line in lines)
        for table in _of_tag(fields, [line for line in lines if line.tag == tag])
    ]
    names = [c.name for c in contract.columns[5:]]
    schema = pa.schema([("record", pa.int64()), *((c.name, c.type) for c in contract.columns[5:])])
    if not tables:
        return schema.empty_table()
    whole = pa.concat_tables([t.select(["record", *names]).cast(schema) for t in tables])
    return whole.sort_by("record") if len(tables) > 1 else whole


def _of_tag(fields: Fields, lines: list[ProfileLine]) -> Iterator[pa.Table]:
    """One row per field of the tag, or per subfield `each`; several lines of a column are tried in order."""
    tag, each = lines[0].tag, lines[0].each or next((line.each for line in lines if line.each), "")
    number = fields.number.get(tag)
    if number is None:
        return
    is_range = any(line.expand == "range" for line in lines)
    base = fields.rows(tag, each) if each else fields.field_start[fields.tag[fields.field_start] == number]
    own = fields.values(base)
    if is_range:
        own, repeated = expanded(own)
        base = base[repeated]
    contract = STAGED_HOLDING if lines[0].level == "holding" else STAGED_ITEM
    columns: dict[str, pa.Array] = {"record": pa.array(fields.record[base])}
    for column in contract.columns[5:]:
        result = pa.nulls(len(base), pa.string())
        for line in (line for line in lines if line.column == column.name):
            if line.each:
                values = own
            else:
                joined, first = fields.joined(fields.rows(tag, line.codes), line.joiner)
                position = np.full(len(fields.field_start), -1, np.int64)
                position[fields.field[first]] = np.arange(len(first))
                taken = position[fields.field[base]]
                values = joined.take(pa.array(taken, mask=taken < 0))
            result = pc.coalesce(result, clean.strip(values))
        if column.type != pa.string():
            digits = pc.if_else(pc.match_substring_regex(result, r"^\d{1,6}$"), result, None)
            result = digits.cast(column.type)
        columns[column.name] = result
    yield pa.table(columns)


def barcodes(text: str) -> list[str]:
    """The barcodes of a compressed range: `1865829-30` → 1865829, 1865830; what looks wrong stays as it is.

    The end may leave out what it has in common with the beginning.  It is no range if it runs backwards, has more
    digits than the beginning, another prefix, or more than MAX_RANGE barcodes.
    """
    found = _RANGE.fullmatch(text)
    if not found:
        return [text]
    prefix, first, other, end = found.groups()
    last = first[: len(first) - len(end)] + end
    count = int(last) - int(first) + 1
    if len(end) > len(first) or other not in ("", prefix) or not 2 <= count <= MAX_RANGE:
        return [text]
    return [f"{prefix}{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]


def expanded(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Values with their ranges written out, and for each which value it comes from."""
    dashed = pc.match_substring_regex(values, "[-–—~～－]").to_numpy(zero_copy_only=False)
    if not dashed.any():
        return values, np.arange(len(values))
    texts = values.to_pylist()
    lists = [barcodes(text) if dash else [text] for text, dash in zip(texts, dashed, strict=True)]
    repeated = np.repeat(np.arange(len(lists)), [len(some) for some in lists])
    return pa.array([text for some in lists for text in some], pa.string()), repeated
