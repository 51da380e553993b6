"""What the OAI-PMH provider serves, prepared so that a page is a few slices of a file.

One folder a source: `<prefix>.xml` holds the `record` elements one after the other in the order of their
datestamps; `index.parquet` says where each lies; `source.json` describes the repository.
"""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from sample.export import Written, plan
from sample.libraries import Feed
from sample.marc import xml_text

DELETED_SHARE = 0.01
BULK = datetime(2025, 1, 15, 2)  # the day that a library's system was connected
END = datetime(2025, 12, 30, 22)
BULK_SHARE = 0.7


def datestamp(position: int, count: int) -> datetime:
    """When the record at that position was last changed: most at the first load, the others over the year."""
    bulk = int(count * BULK_SHARE)
    if position < bulk:
        return BULK + timedelta(seconds=position // 50)
    begin = BULK + timedelta(days=1)
    step = (END - begin) / max(1, count - bulk)
    return (begin + step * (position - bulk)).replace(microsecond=0)


def format_time(at: datetime, granularity: str) -> str:
    """A time as the repository writes it (UTC)."""
    return at.strftime("%Y-%m-%d" if granularity == "day" else "%Y-%m-%dT%H:%M:%SZ")


class OaiExport:
    """The repository of one feed, written record by record in the order of datestamps."""

    def __init__(self, folder: Path, feed: Feed, count: int, rng: random.Random):
        self.folder, self.feed, self.count = folder, feed, count
        self.plan = plan(count, rng, DELETED_SHARE, damaged=False)
        self.written = 0
        folder.mkdir(parents=True, exist_ok=True)
        prefixes = ("oai_dc", "marcxml") if feed.oai == "marcxml" else ("oai_dc",)
        self.files: dict[str, BinaryIO] = {name: (folder / f"{name}.xml").open("wb") for name in prefixes}
        self.rows: list[dict[str, Any]] = []

    def deletes_next(self) -> bool:
        """Whether the next record is one that the library has withdrawn."""
        return self.plan.get(self.written) == "deleted"

    def add(
        self, identifier: str, metadata: dict[str, str], sets: list[str], at: datetime | None = None
    ) -> Written:
        """Write the next record; no metadata makes it a deleted one."""
        stamp = format_time(at or datestamp(self.written, self.count), self.feed.granularity)
        deleted = not metadata
        header = _header(identifier, stamp, sets, deleted).encode()
        row: dict[str, Any] = {
            "identifier": identifier,
            "datestamp": stamp,
            "deleted": deleted,
            "sets": sets,
            "header_length": len(header),
        }
        bodies = {p: f"<metadata>{metadata[p]}</metadata>".encode() if metadata else b"" for p in self.files}
        self._put(row, {p: b"<record>" + header + body + b"</record>\n" for p, body in bodies.items()})
        return Written("deleted" if deleted else "live", "")

    def copy_from(self, folder: Path, without: set[str]) -> None:
        """Take over the records of an older state of the repository, but those named, as they are."""
        contents = {prefix: (folder / f"{prefix}.xml").read_bytes() for prefix in self.files}
        for row in pq.read_table(folder / "index.parquet").to_pylist():
            if row["identifier"] not in without:
                spans = {p: (row[f"{p}_offset"], row[f"{p}_offset"] + row[f"{p}_length"]) for p in self.files}
                self._put(row, {p: contents[p][begin:end] for p, (begin, end) in spans.items()})

    def _put(self, row: dict[str, Any], contents: dict[str, bytes]) -> None:
        for prefix, content in contents.items():
            row |= {f"{prefix}_offset": self.files[prefix].tell(), f"{prefix}_length": len(content)}
            self.files[prefix].write(content)
        self.rows.append(row)
        self.written += 1

    def close(self) -> None:
        """Write the index and the description."""
        for file in self.files.values():
            file.close()
        columns = [
            ("identifier", pa.string()),
            ("datestamp", pa.string()),
            ("deleted", pa.bool_()),
            ("sets", pa.list_(pa.string())),
            ("header_length", pa.int64()),
        ]
        columns += [(f"{p}_{what}", pa.int64()) for p in self.files for what in ("offset", "length")]
        table = pa.Table.from_pylist(self.rows, schema=pa.schema(columns))
        pq.write_table(table, self.folder / "index.parquet")
        names = sorted({name for row in self.rows for name in row["sets"]})
        about = {
            "name": f"Demo repository of {self.feed.source_id}",
            "granularity": self.feed.granularity,
            "prefixes": list(self.files),
            "sets": names,
        }
        (self.folder / "source.json").write_text(json.dumps(about, indent=1), "utf-8")


def _header(identifier: str, stamp: str, sets: list[str], deleted: bool) -> str:
    status = ' status="deleted"' if deleted else ""
    specs = "".join(f"<setSpec>{name}</setSpec>" for name in sets)
    name = f"<identifier>{xml_text(identifier)}</identifier>"
    return f"<header{status}>{name}<datestamp>{stamp}</datestamp>{specs}</header>"
