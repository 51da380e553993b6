"""Read text forms of MARC in tests, through `detect` as the stage does."""

import io
from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from harvesters.landing import count_records
from transforms import detect
from transforms.chunk import FIELDS, ISSUES, RECORDS, REJECTED, Chunk
from transforms.detect import Hints


def read(content: bytes, **hints) -> Iterator[Chunk]:
    """The chunks of a file."""
    return (chunk for _, chunk in detect.read([("x.dat", partial(io.BytesIO, content))], Hints(**hints)))


def whole(content: bytes, **hints) -> Chunk:
    """All chunks as one; counts and contracts are checked."""
    chunks = list(read(content, **hints))
    assert sum(len(chunk.records) for chunk in chunks) == count_records(content)
    names = {"records": RECORDS, "fields": FIELDS, "issues": ISSUES, "rejected": REJECTED}
    tables = []
    for name, schema in names.items():
        for chunk in chunks:
            assert getattr(chunk, name).schema == schema
            getattr(chunk, name).validate(full=True)
        tables.append(pa.concat_tables([schema.empty_table(), *(getattr(chunk, name) for chunk in chunks)]))
    result = Chunk(*tables, pa.concat_arrays([pa.array([], pa.binary()), *(chunk.content for chunk in chunks)]))
    assert len(result.content) == len(result.records)
    assert result.records["record_no"].to_pylist() == list(range(len(result.records)))
    return result


def values(chunk: Chunk) -> list[tuple]:
    """(record, tag, indicators, code, value) of every subfield."""
    return [
        (row["record_no"], row["tag"], (row["ind1"] or "") + (row["ind2"] or ""), row["code"], row["value"])
        for row in chunk.fields.to_pylist()
    ]


def of(chunk: Chunk, tag: str) -> list[str]:
    """All values of a tag."""
    return [row["value"] for row in chunk.fields.to_pylist() if row["tag"] == tag]


def column(chunk: Chunk, name: str) -> list:
    return chunk.records[name].to_pylist()


def rules(chunk: Chunk) -> list[str]:
    return chunk.issues["rule"].to_pylist() + chunk.rejected["rule"].to_pylist()
