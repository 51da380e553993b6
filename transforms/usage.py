"""Usage data into staged rows; for now circulation events as CSV.

A header is needed.  Column names are those of `staged.loan`; who the reader was is not asked for, and a column
that would tell is refused with the whole file, so that it is never kept.
"""

import csv
import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from harvesters import landing
from harvesters.registry import Source
from schemas.tables import BY_NAME
from schemas.usage import STAGED_LOAN
from warehouse import lake
from warehouse.outcome import Outcome

EVENT_TYPES = ("loan", "renew", "return")
COLUMNS = ("event_id", "event_type", "event_time", "barcode", "reader_type")


class UsageError(Exception):
    """A usage file can't be used at all."""


def _event(row: dict[str, str | None]) -> dict[str, Any]:
    """One row as an event.

    Raises:
        ValueError: with what is wrong.
    """
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    for name in ("event_id", "barcode"):
        if not values[name]:
            raise ValueError(f"{name} is empty")
    if values["event_type"] not in EVENT_TYPES:
        raise ValueError(f"event_type {values['event_type']!r} is none of {', '.join(EVENT_TYPES)}")
    try:
        time = datetime.fromisoformat(values["event_time"])
    except ValueError as error:
        raise ValueError(f"event_time {values['event_time']!r} is no ISO 8601 time") from error
    date = time.date()
    if time.tzinfo:
        time = time.astimezone(UTC).replace(tzinfo=None)
    row_key, digest = (_digest(text) for text in (values["event_id"], repr((values, time))))
    times = {"event_time": time, "event_date": date, "row_key": row_key, "digest": digest}
    return {**values, **times, "reader_type": values["reader_type"] or None}


def _digest(text: str) -> int:
    return int(hashlib.md5(text.encode()).hexdigest()[:16], 16)


def stage_loans(source: Source, outcome: Outcome, landed: list[dict[str, Any]], folder: Path) -> None:
    """Stage the circulation files of a batch; an event whose id was there before is counted as unchanged.

    Raises:
        UsageError: a file is not UTF-8 or GB18030 text, or its header has other columns than are known.
    """
    loans, rejected = [], []
    known = _known_events(outcome.source_id, outcome.batch_id)
    for entry in landed:
        with landing.open_raw(outcome.source_id, outcome.batch_id, entry["file"]) as stream:
            text = _text(stream.read(), entry["file"])
        reader = csv.DictReader(io.StringIO(text))
        if unknown := sorted(set(reader.fieldnames or [""]) ^ set(COLUMNS)):
            raise UsageError(
                f"{entry['file']}: columns missing or not expected: {unknown}; "
                f"the header must be {','.join(COLUMNS)}"
            )
        for row in reader:
            common = {"source_id": outcome.source_id, "batch_id": outcome.batch_id, "record_no": outcome.received}
            outcome.received += 1
            try:
                event = _event(row)
            except ValueError as error:
                rejected.append(
                    {
                        **common, "record_id": row.get("event_id"), "file": entry["file"], "byte_offset": -1,
                        "rule": "loan-invalid", "reason": f"line {reader.line_num}: {error}",
                        "advice": "mend the line and send it again",
                        "content": ",".join(str(value) for value in row.values()).encode(),
                    }
                )  # fmt: skip
                continue
            if event["event_id"] in known:
                outcome.unchanged += 1
            else:
                known.add(event["event_id"])
                loans.append({**common, **event})
    outcome.staged, outcome.rejected = len(loans), len(rejected)
    lake.write_table(folder, "staged.loan", pa.Table.from_pylist(loans, schema=STAGED_LOAN.schema))
    schema = BY_NAME["staged.rejected"].schema
    lake.write_table(folder, "staged.rejected", pa.Table.from_pylist(rejected, schema=schema))


def _text(content: bytes, file: str) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UsageError(f"{file}: neither UTF-8 nor GB18030 text; save it as UTF-8")


def _known_events(source_id: str, batch_id: str) -> set[str]:
    """The event ids that earlier batches of the source hold."""
    folders = lake.batches_before(source_id, batch_id)
    table = lake.read_table("staged.loan", [folder / "loan.parquet" for folder in folders])
    return set(table["event_id"].to_pylist())
