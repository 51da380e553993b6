"""Build, damage and read back ISO 2709 in tests."""

import io

import pyarrow as pa

from transforms import iso2709
from transforms.chunk import FIELDS, ISSUES, RECORDS, REJECTED, Chunk

LEADER = "00000nam a2200000 a 4500"
CNMARC_LEADER = "00000nam0 2200000   450 "
Fields = list[tuple[str, str]]
BOOK: Fields = [
    ("001", "  b1 "),
    ("008", "850320n        us                  eng"),
    ("245", "10\x1faTitle :\x1fbsubtitle /\x1fcA. Author."),
    ("260", "  \x1faPlace"),
]


def build(fields: Fields, leader: str = LEADER, encoding: str = "utf-8") -> bytes:
    """A right record; the text of a data field has indicators and 1F."""
    return assemble([(tag.encode(), text.encode(encoding)) for tag, text in fields], leader.encode())


def assemble(fields: list[tuple[bytes, bytes]], leader: bytes, lengths: list[int] | None = None) -> bytes:
    """A record whose directory may claim other lengths than are true."""
    directory, at = b"", 0
    claimed = lengths or [len(text) + 1 for _, text in fields]
    for (tag, _), length in zip(fields, claimed, strict=True):
        directory += tag + b"%04d%05d" % (length, at)
        at += length
    data = b"".join(text + b"\x1e" for _, text in fields)
    base = 25 + len(directory)
    total = base + len(data) + 1
    head = b"%05d" % total + leader[5:12] + b"%05d" % base + leader[17:24]
    return head + directory + b"\x1e" + data + b"\x1d"


def taken_apart(record: bytes) -> list[tuple[bytes, bytes]]:
    """Tags and texts of a record whose directory is right."""
    base = int(record[12:17])
    entries = record[24 : base - 1]
    found = []
    for i in range(0, len(entries), 12):
        length, start = int(entries[i + 3 : i + 7]), int(entries[i + 7 : i + 12])
        found.append((entries[i : i + 3], record[base + start : base + start + length - 1]))
    return found


def read(content: bytes, **hints) -> Chunk:
    """All chunks of some bytes as one; every table is checked against its contract."""
    chunks = list(iso2709.read(io.BytesIO(content), **hints))
    if not chunks:
        tables = [schema.empty_table() for schema in (RECORDS, FIELDS, ISSUES, REJECTED)]
        return Chunk(*tables, pa.array([], pa.binary()))
    for chunk in chunks:
        for table, schema in zip(
            (chunk.records, chunk.fields, chunk.issues, chunk.rejected),
            (RECORDS, FIELDS, ISSUES, REJECTED),
            strict=True,
        ):
            assert table.schema == schema
            table.validate(full=True)
        assert len(chunk.content) == len(chunk.records)
    names = ("records", "fields", "issues", "rejected")
    tables = [pa.concat_tables([getattr(chunk, name) for chunk in chunks]) for name in names]
    return Chunk(*tables, pa.concat_arrays([chunk.content for chunk in chunks]))


def written(chunk: Chunk) -> dict[int, Fields]:
    """The fields of each record as `build` takes them, without the leader."""
    found: dict[int, list[list[str]]] = {number: [] for number in chunk.records["record_no"].to_pylist()}
    for row in chunk.fields.to_pylist():
        if row["tag"] == "LDR":
            continue
        fields = found[row["record_no"]]
        if row["subfield_no"] == 0:
            fields.append([row["tag"], (row["ind1"] or "") + (row["ind2"] or "")])
            assert len(fields) == row["field_no"]
        fields[-1][1] += row["value"] if not row["code"] else "\x1f" + row["code"] + row["value"]
    return {number: [(tag, text) for tag, text in fields] for number, fields in found.items()}


def rules(chunk: Chunk) -> set[str]:
    return set(chunk.issues["rule"].to_pylist())


def status(chunk: Chunk) -> list[str]:
    return chunk.records["status"].to_pylist()
