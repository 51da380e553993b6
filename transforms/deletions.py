"""Reading lists of deleted records (`harvesters.deletion_lists`) as chunks of withdrawals."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa

from harvesters import deletion_lists
from transforms.chunk import FIELDS, ISSUES, RECORDS, REJECTED, Chunk

MOST = 4_000  # lines of a chunk


def read(stream: BinaryIO, format_hint: str, first_record_no: int = 0) -> Iterator[Chunk]:
    """Chunks of records with the status deleted; a line without a control number is rejected."""
    lines = enumerate(deletion_lists.read(stream), first_record_no)
    while some := list(islice(lines, MOST)):
        records, rejected, content = [], [], []
        for number, (offset, line, name) in some:
            records.append(_record(number, offset, name, format_hint))
            content.append(line)
            if not name:
                rejected.append(_rejected(number, offset, line))
        yield Chunk(
            records=pa.Table.from_pylist(records, schema=RECORDS),
            fields=FIELDS.empty_table(),
            issues=ISSUES.empty_table(),
            rejected=pa.Table.from_pylist(rejected, schema=REJECTED),
            content=pa.array(content, pa.binary()),
        )


def _record(number: int, offset: int, name: str, format_hint: str) -> dict[str, Any]:
    return {
        "record_no": number, "byte_offset": offset, "record_id": name or None, "control_number": name or None,
        "format": "marc21" if format_hint == "auto" else format_hint, "charset": "utf-8",
        "status": "deleted" if name else "rejected", "digest": 0,
    }  # fmt: skip


def _rejected(number: int, offset: int, line: bytes) -> dict[str, Any]:
    return {
        "record_no": number, "record_id": None, "byte_offset": offset, "rule": "missing-control-number",
        "reason": "a line of a list of deletions has no control number", "content": line,
        "advice": "give each deleted record its control number and send the list again",
    }  # fmt: skip
