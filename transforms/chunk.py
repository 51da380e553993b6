"""What every reader yields: a chunk of records as Arrow columns, the common shape of all formats.

A reader is a function `read(stream, …) -> Iterator[Chunk]`; of XML readers only cut records, of which
`transforms.xml_pages` makes chunks.  `records` has one row per record that was received, in order, whatever
became of it; the other tables speak of records by `record_no`, counted from 0 over all files.  So the sum of
`len(chunk.records)` is what the reader saw, to hold against what landed.
"""

from dataclasses import dataclass

import pyarrow as pa

RECORDS = pa.schema(
    [
        pa.field("record_no", pa.int32(), nullable=False),
        pa.field("byte_offset", pa.int64(), nullable=False),
        # control number (001), or the identifier of the protocol; null where there is none
        pa.field("record_id", pa.string()),
        pa.field("control_number", pa.string()),
        pa.field("format", pa.string(), nullable=False),  # marc21, cnmarc, unimarc, oai_dc …
        pa.field("charset", pa.string(), nullable=False),  # `unknown` where the text was not decoded
        # clean, mended, doubtful: has rows in `fields`; rejected: a row in `rejected`; deleted: a withdrawal;
        # joined: part of a record whose fields are with a later one
        pa.field("status", pa.string(), nullable=False),
        pa.field("digest", pa.uint64(), nullable=False),
    ]
)

_NAME = pa.dictionary(pa.int32(), pa.string())
FIELDS = pa.schema(
    [
        pa.field("record_no", pa.int32(), nullable=False),
        pa.field("field_no", pa.int32(), nullable=False),  # 0 is the leader (tag LDR) in MARC formats
        pa.field("tag", _NAME, nullable=False),
        pa.field("ind1", _NAME),
        pa.field("ind2", _NAME),
        pa.field("subfield_no", pa.int32(), nullable=False),
        pa.field("code", _NAME),  # null for a control field
        pa.field("value", pa.string(), nullable=False),
    ]
)

ISSUES = pa.schema(
    [
        pa.field("record_no", pa.int32(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),  # fail or warn
        pa.field("tag", pa.string()),
        pa.field("value", pa.string()),
    ]
)

REJECTED = pa.schema(
    [
        pa.field("record_no", pa.int32(), nullable=False),
        pa.field("record_id", pa.string()),
        pa.field("byte_offset", pa.int64(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("advice", pa.string(), nullable=False),
        pa.field("content", pa.binary(), nullable=False),
    ]
)

NO_ISSUES, NONE_REJECTED = ISSUES.empty_table(), REJECTED.empty_table()


@dataclass(frozen=True)
class Chunk:
    """Some records of one file, parsed and decoded; rows of `fields` are in record and field order."""

    records: pa.Table
    fields: pa.Table
    issues: pa.Table
    rejected: pa.Table
    content: pa.Array  # binary, one value a record: its bytes as received

    def __len__(self) -> int:
        return len(self.records)


NamedChunk = tuple[pa.Array, Chunk]  # with the name of each record's file
