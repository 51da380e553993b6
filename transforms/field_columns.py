"""Builds a chunk (`transforms.chunk`) record by record, for readers that parse in Python."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from transforms.chunk import FIELDS, ISSUES, RECORDS, REJECTED, Chunk

# tag, indicators (None for a control field or an element), subfields as (code, value)
Field = tuple[str, str | None, str | None, list[tuple[str | None, str]]]


@dataclass
class Columns:
    """What grows while the records of a chunk are read: `record`, then `fields`, `note` or `reject` of it."""

    records: list[dict[str, Any]] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    fields_per_record: list[int] = field(default_factory=list)
    subfields_per_field: list[int] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    ind1: list[str | None] = field(default_factory=list)
    ind2: list[str | None] = field(default_factory=list)
    codes: list[str | None] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def record(
        self, number: int, offset: int, content: bytes, charset: str, format_: str, digest: int | None = None
    ) -> dict[str, Any]:
        """Begin a record; its row may be completed until the next one begins.  Without a digest, one is made."""
        if digest is None:
            digest = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
        row: dict[str, Any] = {
            "record_no": number,
            "byte_offset": offset,
            "record_id": None,
            "control_number": None,
            "format": format_,
            "charset": charset,
            "status": "clean",
            "digest": digest,
        }
        self.records.append(row)
        self.content.append(content)
        self.fields_per_record.append(0)
        return row

    def add(self, fields: list[Field]) -> None:
        """Add fields to the newest record."""
        for tag, ind1, ind2, subfields in fields:
            self.tags.append(tag)
            self.ind1.append(ind1)
            self.ind2.append(ind2)
            self.subfields_per_field.append(len(subfields))
            for code, value in subfields:
                self.codes.append(code)
                self.values.append(value)
        self.fields_per_record[-1] += len(fields)

    def note(self, rule: str, severity: str = "warn", tag: str | None = None, value: str | None = None) -> None:
        """Note something of the newest record."""
        number = self.records[-1]["record_no"]
        self.issues.append(
            {"record_no": number, "rule": rule, "severity": severity, "tag": tag, "value": value and value[:200]}
        )

    def reject(self, rule: str, reason: str, advice: str) -> None:
        """Set the newest record aside."""
        row = self.records[-1]
        row["status"] = "rejected"
        common = {name: row[name] for name in ("record_no", "record_id", "byte_offset")}
        self.rejected.append(
            {**common, "rule": rule, "reason": reason, "advice": advice, "content": self.content[-1]}
        )

    def chunk(self) -> Chunk:
        """The columns as Arrow tables."""
        per_record = np.array(self.fields_per_record, np.int64)
        per_field = np.array(self.subfields_per_field, np.int64)
        numbers = np.array([row["record_no"] for row in self.records], np.int32)
        field_no = np.arange(per_record.sum()) - np.repeat(np.cumsum(per_record) - per_record, per_record)
        subfield_no = np.arange(per_field.sum()) - np.repeat(np.cumsum(per_field) - per_field, per_field)
        of_field = pa.array(np.repeat(np.arange(len(per_field)), per_field))

        def spread(values: list[Any]) -> pa.Array:
            return pa.array(values, pa.string()).dictionary_encode().take(of_field)

        fields = [
            pa.array(np.repeat(np.repeat(numbers, per_record), per_field)),
            pa.array(np.repeat(field_no, per_field).astype(np.int32)),
            spread(self.tags),
            spread(self.ind1),
            spread(self.ind2),
            pa.array(subfield_no.astype(np.int32)),
            pa.array(self.codes, pa.string()).dictionary_encode(),
            pa.array(self.values, pa.string()),
        ]
        return Chunk(
            pa.Table.from_pylist(self.records, schema=RECORDS),
            pa.Table.from_arrays(fields, schema=FIELDS),
            pa.Table.from_pylist(self.issues, schema=ISSUES),
            pa.Table.from_pylist(self.rejected, schema=REJECTED),
            pa.array(self.content, pa.binary()),
        )
