"""From the bytes of one file to staged tables: find the format, read, crosswalk, keys, rules.

Everything here is a function of the bytes and a few hints; nothing knows a source's folder.  The stage
(`transforms.stage`) and `calis inspect` both stand on `staged_parts`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harvesters.compressed import opened
from schemas.tables import BY_NAME
from transforms import crosswalk, holdings, keys
from transforms.chunk import ISSUES, REJECTED, Chunk, NamedChunk
from transforms.detect import Content, FormatError, Hints, read

PART_RECORDS = 4_000
# each has its crosswalk
FORMATS = ("marc21", "cnmarc", "unimarc", "oai_dc", "qdc", "mods", "dim", "xoai", "oai_doaj")
NEVER_STAGED = ("rejected", "deleted", "joined")


@dataclass(frozen=True)
class Part:
    """Some records of a file as rows of the contracts: `bib`, `field`, `holding`, `item`, `rejected`, `issue`.

    Strings of `field` that repeat are kept by dictionary.
    `records` (transforms.chunk.RECORDS) has a row for every record received, with its final status.
    """

    records: pa.Table
    tables: dict[str, pa.Table]


def staged_parts(contents: Iterable[Content], hints: Hints, source_id: str, batch_id: str) -> Iterator[Part]:
    """Parse files into parts whose tables match their contracts, except that no record rule has run.

    Args:
        contents: name and opener of each file, decompressed when opened.
        hints: the source's hints.
        source_id: goes into every row.
        batch_id: goes into every row.

    Raises:
        FormatError: the hint names no format, or no reader knows the bytes of a file.
    """
    for chunks in chunked(contents, hints):
        yield part(chunks, hints, source_id, batch_id)


def chunked(
    contents: Iterable[Content], hints: Hints, part_records: int = PART_RECORDS
) -> Iterator[list[NamedChunk]]:
    """The chunks of each part, as `detect.read` gives them.

    Small files (pages) are taken together and large ones piece by piece, until there are `part_records`.
    """
    if hints.format not in ("auto", *FORMATS):
        raise FormatError(f"format {hints.format!r} is not known; write auto or one of {', '.join(FORMATS)}")
    waiting: list[NamedChunk] = []
    count = 0
    for files, chunk in read(contents, hints):
        count += len(chunk)
        waiting.append((files, chunk))
        if count >= part_records:
            yield waiting
            waiting, count = [], 0
    if count:
        yield waiting


def _together(chunks: list[NamedChunk]) -> Chunk:
    """Chunks as one, with the name of the file as a column of the records."""
    records = pa.concat_tables([chunk.records.append_column("file", files) for files, chunk in chunks])
    return Chunk(
        records.combine_chunks(),  # DuckDB takes rows in pieces, those of all columns as those of one
        pa.concat_tables([chunk.fields for _, chunk in chunks]),
        pa.concat_tables([chunk.issues for _, chunk in chunks]),
        pa.concat_tables([chunk.rejected for _, chunk in chunks]),
        pa.chunked_array([chunk.content for _, chunk in chunks]),
    )


def part(chunks: list[NamedChunk], hints: Hints, source_id: str, batch_id: str) -> Part:
    """The part that chunks make."""
    names = {"source_id": source_id, "batch_id": batch_id}
    whole = _together(chunks)
    chunk = _set_aside(whole, _refusals(whole))
    records = chunk.records
    first = records["record_no"][0].as_py()
    fields = crosswalk.Fields(chunk.fields, first, len(records))
    status = records["status"]
    kept = np.flatnonzero(~pc.is_in(status, pa.array(NEVER_STAGED)).to_numpy())
    described = _described(fields, records)
    untitled = kept[pc.is_null(described["title"]).to_numpy(zero_copy_only=False)[kept]]
    if len(untitled):
        refusals = [(int(i), "missing-title", "no title proper (200$a, 245$a or title)") for i in untitled]
        chunk = _set_aside(chunk, refusals)
        records = chunk.records
        kept = np.setdiff1d(kept, untitled)
    tables = {
        "bib": _bib(described, records, kept, names),
        "field": _fields(chunk, kept, names, first),
        "holding": _attached(fields, hints.holdings, "holding", records, kept, names),
        "item": _attached(fields, hints.holdings, "item", records, kept, names),
        "rejected": _rejected(chunk, names, first),
        "issue": _reader_issues(chunk, names, first),
    }
    return Part(records, tables)


def _refusals(chunk: Chunk) -> list[tuple[int, str, str]]:
    """(position, rule, reason) of records that may not go on, whatever their fields say."""
    records, first = chunk.records, chunk.records["record_no"][0].as_py()
    parsed = ~pc.is_in(records["status"], pa.array(["rejected"])).to_numpy()
    nameless = np.flatnonzero(pc.is_null(records["record_id"]).to_numpy() & parsed)
    found = [(int(i), "missing-control-number", "no control number (001) to know the record by") for i in nameless]
    personal = chunk.issues.filter(pc.equal(chunk.issues["rule"], "possible-personal-data"))
    named = {position for position, _, _ in found}
    for number in dict.fromkeys(personal["record_no"].to_pylist()):
        position = number - first
        if parsed[position] and position not in named:
            found.append(
                (position, "possible-personal-data", "looks like a reader's record, not a bibliographic one")
            )
    return found


_ADVICE = {
    "missing-control-number": "give each record a 001 in the exporting system and send it again",
    "missing-title": "add the title proper and send the record again",
    "possible-personal-data": "export bibliographic records only; delete this file at the source",
}


def _set_aside(chunk: Chunk, refusals: list[tuple[int, str, str]]) -> Chunk:
    """Mark records as rejected, with their bytes."""
    if not refusals:
        return chunk
    records = chunk.records
    positions = pa.array([position for position, _, _ in refusals])
    rows, content = records.take(positions), chunk.content.take(positions)
    rejected = pa.table(
        {
            "record_no": rows["record_no"],
            "record_id": rows["record_id"],
            "byte_offset": rows["byte_offset"],
            "rule": [rule for _, rule, _ in refusals],
            "reason": [reason for _, _, reason in refusals],
            "advice": [_ADVICE[rule] for _, rule, _ in refusals],
            "content": content,
        },
        schema=REJECTED,
    )
    status = np.array(records["status"].to_pylist(), object)
    status[positions.to_numpy()] = "rejected"
    index = records.schema.get_field_index("status")
    return Chunk(
        records.set_column(index, records.schema.field("status"), pa.array(status, pa.string())),
        chunk.fields,
        chunk.issues,
        pa.concat_tables([chunk.rejected, rejected]),
        chunk.content,
    )


def _described(fields: crosswalk.Fields, records: pa.Table) -> pa.Table:
    """The descriptive columns of every record, each by the crosswalk of its format."""
    formats = records["format"].to_numpy(zero_copy_only=False)
    names = np.where(np.isin(formats.astype(str), FORMATS), formats, "")
    present = sorted(set(names) - {""}) or ["marc21"]
    tables = [pa.table(crosswalk.describe(fields, name)) for name in present]
    if len(tables) == 1:
        return tables[0]
    start = {name: i * len(records) for i, name in enumerate(present)}
    taken = [start.get(name, 0) + i for i, name in enumerate(names)]
    return pa.concat_tables(tables).take(pa.array(taken))


def _bib(described: pa.Table, records: pa.Table, kept: np.ndarray, names: dict[str, str]) -> pa.Table:
    if len(kept) < len(records):
        described, records = described.take(pa.array(kept)), records.take(pa.array(kept))
    table = keys.add(described)
    for name in ("record_no", "record_id", "control_number", "file", "byte_offset", "format", "charset", "status"):
        table = table.append_column(name, records[name])
    level = pc.fill_null(table["level"], " ")
    table = table.set_column(table.schema.get_field_index("level"), "level", level)
    return _named("staged.bib", table, names)


def _positions(record: np.ndarray, kept: np.ndarray, count: int) -> np.ndarray:
    """Which rows belong to records that are kept."""
    is_kept = np.zeros(count, bool)
    is_kept[kept] = True
    return np.flatnonzero(is_kept[record])


def _fields(chunk: Chunk, kept: np.ndarray, names: dict[str, str], first: int) -> pa.Table:
    table, ids = chunk.fields, pc.fill_null(chunk.records["record_id"].combine_chunks(), "")
    record = table["record_no"].to_numpy() - first
    if len(kept) < len(ids):
        chosen = _positions(record, kept, len(ids))
        table, record = table.take(pa.array(chosen)), record[chosen]
    table = table.unify_dictionaries()
    # each name once: of a dictionary with repetitions pyarrow writes bytes that were never set (26.0)
    named = ids.dictionary_encode()
    of_row = pa.array(named.indices.to_numpy()[record])
    table = table.append_column("record_id", pa.DictionaryArray.from_arrays(of_row, named.dictionary))
    for name, value in names.items():
        only = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(table), np.int32)), pa.array([value]))
        table = table.append_column(name, only)
    schema = BY_NAME["staged.field"].schema
    arrays = [table[name] for name in schema.names]
    return pa.Table.from_arrays(
        arrays, schema=pa.schema([f.with_type(a.type) for f, a in zip(schema, arrays, strict=True)])
    )


def _attached(
    fields: crosswalk.Fields, profile: str, level: str, records: pa.Table, kept: np.ndarray, names: dict[str, str]
) -> pa.Table:
    table = holdings.attachments(fields, profile, level)
    chosen = _positions(table["record"].to_numpy(), kept, len(records))
    table = table.take(pa.array(chosen))
    record = table["record"].to_numpy()
    starts = np.flatnonzero(np.diff(record, prepend=-1))
    position = np.arange(len(record)) - np.repeat(starts, np.diff(np.append(starts, len(record))))
    table = table.drop_columns("record")
    table = table.append_column(f"{level}_no", pa.array(position.astype(np.int32)))
    for name in ("record_no", "record_id"):
        table = table.append_column(name, records[name].take(pa.array(record)))
    return _named(f"staged.{level}", table, names)


def _rejected(chunk: Chunk, names: dict[str, str], first: int) -> pa.Table:
    record = chunk.rejected["record_no"].to_numpy() - first
    table = chunk.rejected.append_column("file", chunk.records["file"].take(pa.array(record)))
    return _named("staged.rejected", table, names)


def _reader_issues(chunk: Chunk, names: dict[str, str], first: int) -> pa.Table:
    """What the reader noted, and one finding for each record set aside."""
    refused = pa.table(
        {
            "record_no": chunk.rejected["record_no"],
            "rule": chunk.rejected["rule"],
            "severity": pa.repeat("fail", len(chunk.rejected)),
            "tag": pa.nulls(len(chunk.rejected), pa.string()),
            "value": pa.nulls(len(chunk.rejected), pa.string()),
        },
        schema=ISSUES,
    )
    key = ["record_no", "rule"]
    noted = chunk.issues.join(refused.select(key), key, join_type="left anti") if len(refused) else chunk.issues
    issues = pa.concat_tables([noted.select(ISSUES.names).cast(ISSUES), refused]).sort_by("record_no")
    record = issues["record_no"].to_numpy() - first
    table = issues.append_column("record_id", chunk.records["record_id"].take(pa.array(record)))
    return _named("quality.issue", table, names)


def _named(contract: str, table: pa.Table, names: dict[str, str]) -> pa.Table:
    """The table with the constant columns of its contract, in the contract's order and types."""
    schema = BY_NAME[contract].schema
    for name, value in names.items():
        if name in schema.names and name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value, pa.string()), len(table)))
    return table.select(schema.names).cast(schema)


def parse_files(paths: list[Path], hints: Hints | None = None) -> pa.Table:
    """The `staged.bib` rows of whole files, for evaluation and trials."""
    contents = [(path.name, partial(opened, path)) for path in paths]
    tables = [part.tables["bib"] for part in staged_parts(contents, hints or Hints(), "files", "batch")]
    return pa.concat_tables(tables) if tables else BY_NAME["staged.bib"].empty()
