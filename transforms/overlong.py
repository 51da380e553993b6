"""Records that are too long for ISO 2709 and stand in a file as several: how they are split, and put together.

ISO 2709 has five digits for a record's length and four for a field's.  The Platform for Open Data (POD) writes a
longer record as several with the same 001, one behind the other, over which its fields are dealt out in order.
`transforms.export` repeats the description in every part, and deals out holdings and items only.

Neighbours with the same 001 may also be two versions of a record.  They are parts only if the first is so full
that the field which the second goes on with did not fit into it, if the second brings fields that the first has
not, and if its description is the same (or, as POD has it, goes on and has no title).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.chunk import ISSUES, Chunk

MAX_RECORD, MAX_FIELD = 99_999, 9_999
ENTRY = 12  # bytes of a directory entry
FULL = MAX_RECORD - MAX_FIELD - ENTRY  # bytes; any field fits into a part that has no more
JOINED = "joined"
_TITLES = ("200", "245")
_JOINABLE = {"clean", "mended", "doubtful"}
# tag, indicators, subfields as (code, value)
_Key = tuple[str, str | None, str | None, tuple[tuple[str | None, str], ...]]


@dataclass(frozen=True)
class _Part:
    """A record that may be part of a longer one; `keys` are its fields, `own` those that only it has."""

    position: int
    rows: pa.Table
    keys: list[_Key]
    own: list[bool]


def is_holding(tag: str) -> bool:
    """Whether a field says what a library has, and so may be dealt out when a record is split."""
    return tag[0] == "9" or not tag.isdigit() or (tag[:2] in ("85", "86", "87", "89") and tag != "856")


def joined(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The chunks with the fields of split records together, in the last part of each.

    The last part is `mended` and has an issue; the status of the others becomes `joined`, and they have no
    fields.  All parts have one digest, that of the whole.  A chunk that ends within a split record waits for
    the next.
    """
    waiting: Chunk | None = None
    for chunk in chunks:
        if waiting is not None and _goes_on(waiting, chunk):
            chunk = _together(waiting, chunk)
        elif waiting is not None:
            yield _put_together(waiting)
        waiting = chunk
        if pc.binary_length(chunk.content[-1]).as_py() <= FULL:
            yield _put_together(chunk)
            waiting = None
    if waiting is not None:
        yield _put_together(waiting)


def _goes_on(one: Chunk, other: Chunk) -> bool:
    number = one.records["control_number"][-1].as_py()
    return number is not None and number == other.records["control_number"][0].as_py()


def _together(one: Chunk, other: Chunk) -> Chunk:
    return Chunk(
        pa.concat_tables([one.records, other.records]).combine_chunks(),
        pa.concat_tables([one.fields, other.fields]).unify_dictionaries().combine_chunks(),
        pa.concat_tables([one.issues, other.issues]),
        pa.concat_tables([one.rejected, other.rejected]),
        pa.concat_arrays([one.content, other.content]),
    )


def _put_together(chunk: Chunk) -> Chunk:
    groups: list[list[_Part]] = []
    for at in np.flatnonzero(pc.binary_length(chunk.content).to_numpy()[:-1] > FULL).tolist():
        one, other = chunk.records.slice(at, 2).to_pylist()
        number = one["control_number"]
        if (
            number is None
            or number != other["control_number"]
            or not {one["status"], other["status"]} <= _JOINABLE
        ):
            continue
        if not groups or groups[-1][-1].position != at:
            groups.append([_part(chunk, at)])
        if (following := _following(chunk, groups[-1], _part(chunk, at + 1))) is not None:
            groups[-1].append(following)
    groups = [parts for parts in groups if len(parts) > 1]
    return _rewritten(chunk, groups) if groups else chunk


def _part(chunk: Chunk, position: int) -> _Part:
    number = chunk.records["record_no"][position].as_py()
    low, high = np.searchsorted(chunk.fields["record_no"].to_numpy(), [number, number + 1])
    rows = chunk.fields.slice(low, high - low)
    keys: list[_Key] = []
    for _, group in groupby(rows.to_pylist(), key=lambda row: row["field_no"]):
        first, *more = group
        subfields = tuple((row["code"], row["value"]) for row in (first, *more))
        keys.append((first["tag"], first["ind1"], first["ind2"], subfields))
    return _Part(position, rows, keys, [True] * len(keys))


def _following(chunk: Chunk, parts: list[_Part], new: _Part) -> _Part | None:
    """A record as the next part of one that is split; None if it is none."""
    first, last = parts[0], parts[-1]
    leaders = [part.keys[0][3][0][1] for part in (first, new)]
    if leaders[0][5:12] + leaders[0][17:] != leaders[1][5:12] + leaders[1][17:]:
        return None
    description, other = ([key for key in part.keys[1:] if not is_holding(key[0])] for part in (first, new))
    if description == other:
        own = [is_holding(tag) for tag, *_ in new.keys[1:]]
    elif any(tag in _TITLES for tag, *_ in other):
        return None
    else:
        own = [tag != "001" for tag, *_ in new.keys[1:]]
    brought = [key for key, is_own in zip(new.keys[1:], own, strict=True) if is_own]
    before = {key for part in parts for key in part.keys}
    if not brought or brought[0] in before:
        return None
    size = len(chunk.content[last.position].as_py())
    if size + ENTRY + _length(brought[0], chunk.records["charset"][new.position].as_py()) <= MAX_RECORD:
        return None
    return replace(new, own=[False, *own])


def _length(key: _Key, charset: str) -> int:
    """Bytes of a field with its terminator; the most there may be where the charset has no codec."""
    _, ind1, ind2, subfields = key
    text = (ind1 or "") + (ind2 or "")
    text += "".join((f"\x1f{code}" if code else "") + value for code, value in subfields)
    try:
        return len(text.encode(charset)) + 1
    except (LookupError, UnicodeEncodeError):
        return MAX_FIELD


def _rewritten(chunk: Chunk, groups: list[list[_Part]]) -> Chunk:
    """The chunk with the fields of each group in its last part."""
    numbers = chunk.fields["record_no"].to_numpy()
    status = np.array(chunk.records["status"].to_pylist(), object)
    digest = chunk.records["digest"].to_numpy().copy()
    tables, issues, done = [], [], 0
    for parts in groups:
        places = [part.position for part in parts]
        first, last = (chunk.records["record_no"][place].as_py() for place in (places[0], places[-1]))
        low, high = np.searchsorted(numbers, [first, last + 1])
        tables += [chunk.fields.slice(done, low - done), _whole(parts, last)]
        done = high
        status[places[:-1]] = JOINED
        status[places[-1]] = "doubtful" if "doubtful" in status[places] else "mended"
        digest[places] = int.from_bytes(blake2b(digest[places].tobytes(), digest_size=8).digest(), "little")
        issues.append(
            {
                "record_no": last,
                "rule": "iso2709-parts",
                "severity": "warn",
                "tag": "001",
                "value": str(len(parts)),
            }
        )
    tables.append(chunk.fields.slice(done))
    records = chunk.records
    for name, values in (("status", pa.array(status, pa.string())), ("digest", pa.array(digest))):
        index = records.schema.get_field_index(name)
        records = records.set_column(index, records.schema.field(index), values)
    told = pa.concat_tables([chunk.issues, pa.Table.from_pylist(issues, schema=ISSUES)]).sort_by("record_no")
    return replace(chunk, records=records, fields=pa.concat_tables(tables).combine_chunks(), issues=told)


def _whole(parts: list[_Part], number: int) -> pa.Table:
    """The rows of all parts' own fields as those of the last one's record."""
    tables, field_no, count = [], [], 0
    for part in parts:
        of_field = part.rows["field_no"].to_numpy()
        own = np.array(part.own)
        kept = own[of_field]
        tables.append(part.rows.filter(pa.array(kept)))
        field_no.append(count + (np.cumsum(own) - 1)[of_field[kept]])
        count += int(own.sum())
    table = pa.concat_tables(tables)
    columns = {"record_no": np.full(len(table), number, np.int32), "field_no": np.concatenate(field_no)}
    for name, values in columns.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, table.schema.field(index), pa.array(values, pa.int32()))
    return table
