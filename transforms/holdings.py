"""Holdings and items: which fields of a record hold them, by the profile of the library.

A profile is lines of `schemas/crosswalks/holdings.csv`:

    profile    its name, as a source's row gives it in `holdings`
    level      holding or item
    tag        one row per field of this tag
    column     column of `staged.holding` or `staged.item`; several lines of a column are tried in order
    codes      subfields that give its value, joined by `joiner`
    each       a subfield of which each occurrence is a row of its own
    expand     range: the values of `each` may be ranges, `1667201-3` for 1667201, 1667202 and 1667203
    of         tag of the field that this one is said of, an 866 of its 852: its values join that row (`_owners`)
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.staged import STAGED_HOLDING, STAGED_ITEM
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
    of: str


@cache
def profiles() -> dict[str, tuple[ProfileLine, ...]]:
    """The holdings profiles by name."""
    found: dict[str, list[ProfileLine]] = {}
    with (FOLDER / "holdings.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            line = ProfileLine(**row)
            found.setdefault(line.profile, []).append(line)
    return {name: tuple(lines) for name, lines in found.items()}


def fitting(formats: Iterable[str], tags: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """The profile whose fields a file has most of, and how many of each of its tags; "" where it has none.

    Args:
        formats: of the file's records; a profile's name begins with that of the format it is for.
        tags: how many fields the file has of each tag.
    """
    chosen, present, best = "", {}, (0, 0)
    for name, lines in profiles().items():
        known = {line.tag for line in lines}
        found = {tag: tags[tag] for tag in sorted(known) if tags.get(tag)}
        worth = (sum(found.values()), len(found) - len(known))  # the most fields, then the fewest tags without any
        if name.split("-")[0] in formats and found and worth > best:
            chosen, present, best = name, found, worth
    return chosen, present


def attachments(fields: Fields, profile: str, level: str) -> pa.Table:
    """The holdings or items of a chunk: `record` (position in the chunk) and the columns of the level.

    Raises:
        CrosswalkError: there is no such profile.
    """
    contract = STAGED_HOLDING if level == "holding" else STAGED_ITEM
    if profile and profile not in profiles():
        raise CrosswalkError(f"holdings profile {profile!r} is not in holdings.csv; known: {sorted(profiles())}")
    lines = [line for line in profiles().get(profile, ()) if line.level == level]
    schema = pa.schema([("record", pa.int64()), *((c.name, c.type) for c in contract.columns[5:])])
    tables: dict[str, pa.Table] = {}
    for tag in dict.fromkeys(line.tag for line in lines):
        own = [line for line in lines if line.tag == tag]
        if (table := _of_tag(fields, own)) is not None:
            if (of := own[0].of) in tables:
                owners = _owners(fields, of, tables[of], tag, table)
                for column in {line.column for line in own}:
                    tables[of] = _with_values_of(tables[of], table, owners, column)
                table = table.filter(pa.array(owners < 0))
            tables[tag] = table
    if not tables:
        return schema.empty_table()
    whole = pa.concat_tables([table.select(schema.names).cast(schema) for table in tables.values()])
    return whole.sort_by("record") if len(tables) > 1 else whole


def _of_tag(fields: Fields, lines: list[ProfileLine]) -> pa.Table | None:
    """One row per field of the tag, or per subfield `each`; several lines of a column are tried in order.

    Beside `record` and the columns of the level there is `field`, counted from 0 over the chunk.
    """
    tag, each = lines[0].tag, lines[0].each or next((line.each for line in lines if line.each), "")
    number = fields.number.get(tag)
    if number is None:
        return None
    is_range = any(line.expand == "range" for line in lines)
    base = fields.rows(tag, each) if each else fields.field_start[fields.tag[fields.field_start] == number]
    own = fields.values(base)
    if is_range:
        own, repeated = expanded(own)
        base = base[repeated]
    contract = STAGED_HOLDING if lines[0].level == "holding" else STAGED_ITEM
    columns = {"record": pa.array(fields.record[base]), "field": pa.array(fields.field[base])}
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
    return pa.table(columns)


# --- fields that are said of another ----------------------------------------------------------------------


def _owners(fields: Fields, of: str, owned: pa.Table, tag: str, table: pa.Table) -> NDArray[np.int64]:
    """For each row of a tag (`table`) the row of the tag `of` (`owned`) that it is said of; -1 where unclear."""
    records, owning = table["record"].to_numpy(), owned["record"].to_numpy()
    links, their_links = _links(fields, tag), _links(fields, of)
    numbers, their_numbers = table["field"].to_pylist(), owned["field"].to_pylist()
    owners = np.full(len(table), -1, np.int64)
    for record in np.unique(records).tolist():
        first, last = np.searchsorted(records, [record, record + 1]).tolist()
        low, high = np.searchsorted(owning, [record, record + 1]).tolist()
        theirs = [(number, their_links.get(number, "")) for number in their_numbers[low:high]]
        mine = [(number, links.get(number, "")) for number in numbers[first:last]]
        owners[first:last] = [-1 if place is None else low + place for place in places(theirs, mine)]
    return owners


def _links(fields: Fields, tag: str) -> dict[int, str]:
    """The link number of each field of a tag that has one: its $8 up to a point; 0 links nothing."""
    rows = fields.rows(tag, "8")
    texts = [re.split(r"[.\\]", text)[0].strip() for text in fields.values(rows).to_pylist()]
    found = zip(fields.field[rows].tolist(), texts, strict=True)
    return {field: text for field, text in found if text.isdigit() and int(text)}


def places(owners: list[tuple[int, str]], said: list[tuple[int, str]]) -> list[int | None]:
    """Which of the fields of a record (852) each of others (866) is said of, None where that is unclear.

    A field is its number and its link or "".  Where there is one owner, it is that.  Where owners have links, it
    is the one with the same; else the one that stands before, if any but the last has others behind it; or each
    in turn, if all stand behind the last and are as many.
    """
    if len(owners) == 1:
        return [0] * len(said)
    linked = [link for _, link in owners if link]
    by_link = {link: place for place, (_, link) in enumerate(owners) if linked.count(link) == 1}
    before = [sum(number < own for number, _ in owners) - 1 for own, _ in said]
    if min(before, default=-1) < 0:
        by_order: list[int | None] = [None] * len(said)
    elif min(before) < len(owners) - 1:
        by_order = list(before)
    else:
        by_order = list(range(len(said))) if len(said) == len(owners) else [None] * len(said)
    return [
        by_link.get(link) if linked and link else place for place, (_, link) in zip(by_order, said, strict=True)
    ]


def _with_values_of(owned: pa.Table, table: pa.Table, owners: NDArray[np.int64], column: str) -> pa.Table:
    """The rows `owned` with the values of the rows that are said of them behind their own, after a semicolon."""
    values = owned[column].to_pylist()
    for owner, value in zip(owners.tolist(), table[column].to_pylist(), strict=True):
        if owner >= 0 and value:
            values[owner] = f"{values[owner]}; {value}" if values[owner] else value
    place = owned.schema.get_field_index(column)
    return owned.set_column(place, column, pa.array(values, owned.schema.field(place).type))


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
