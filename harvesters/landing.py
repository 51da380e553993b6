"""Landing: keep bytes as received, with a manifest row each, and make a batch visible when it is whole.

A batch in progress lies in `raw/<source>/.<batch>`; it is renamed when it is complete.  Each file is kept as
`<name>.zst`; `file.parquet` is the manifest (`raw.file`).  `batch.json` says how the batch is to be read:
`full` (it replaces all that the source sent before), the response date to go on from, and the format hints.
"""

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import zstandard

from schemas.tables import RAW_FILE
from warehouse import lake

_XML_RECORD = re.compile(rb"<(?:[A-Za-z_][\w.\-]*:)?record[\s>/]")


@dataclass(frozen=True)
class Batch:
    """What `batch.json` keeps about one harvest of a source."""

    source_id: str
    batch_id: str
    full: bool
    response_date: str = ""  # OAI-PMH: the first page's, from which the next harvest goes on
    details: dict[str, Any] = field(default_factory=dict)


def count_records(content: bytes) -> int:
    """How many records the bytes hold, counted without a parser so that a parser can be checked.

    ISO 2709: record terminators (1D), and one more where anything but white space follows the last.
    XML: opening tags named `record`.  Other text: lines that are not blank, less one for the header.
    """
    start = content[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"<"):
        return len(_XML_RECORD.findall(content))
    if b"\x1d" in content or b"\x1e" in content:
        units = content.split(b"\x1d")
        return sum(1 for unit in units if unit.strip(b" \t\r\n\x00\x1a\xef\xbb\xbf"))
    return max(0, sum(1 for line in content.splitlines() if line.strip()) - 1)


class Landing:
    """One harvest being landed."""

    def __init__(self, source_id: str, batch_id: str):
        self.source_id, self.batch_id = source_id, batch_id
        self.target = lake.raw_batch(source_id, batch_id)
        self.folder = self.target.parent / f".{batch_id}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, Any]] = []

    def land(self, name: str, content: bytes, request: str, received: int | None = None) -> None:
        """Keep one file or page.  `request` must hold no credentials."""
        (self.folder / f"{name}.zst").write_bytes(zstandard.compress(content, 3))
        self.rows.append(
            {
                "source_id": self.source_id,
                "batch_id": self.batch_id,
                "file": name,
                "request": request,
                "landed_at": lake.now(),
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "received": count_records(content) if received is None else received,
            }
        )

    @property
    def received(self) -> int:
        """Records landed so far."""
        return sum(row["received"] for row in self.rows)

    def complete(self, full: bool, response_date: str = "", **details: object) -> None:
        """Write the manifest and make the batch visible."""
        batch = Batch(self.source_id, self.batch_id, full, response_date, dict(details))
        lake.write_table(self.folder, RAW_FILE.full_name, pa.Table.from_pylist(self.rows, schema=RAW_FILE.schema))
        text = json.dumps(asdict(batch), ensure_ascii=False, indent=1)
        (self.folder / "batch.json").write_text(text, "utf-8")
        self.folder.rename(self.target)

    def abandon(self) -> None:
        """Remove what was landed; the batch never was."""
        shutil.rmtree(self.folder, ignore_errors=True)


def batch(source_id: str, batch_id: str) -> Batch:
    """What is known of a landed batch."""
    text = (lake.raw_batch(source_id, batch_id) / "batch.json").read_text("utf-8")
    return Batch(**json.loads(text))


def manifest(source_id: str, batch_id: str) -> list[dict[str, Any]]:
    """The manifest rows (`raw.file`) of a landed batch, in landing order."""
    files = [lake.raw_batch(source_id, batch_id) / "file.parquet"]
    return lake.read_table(RAW_FILE.full_name, files).to_pylist()


def raw_path(source_id: str, batch_id: str, file: str) -> Path:
    """Where one landed file lies; zstd-compressed, read it with `zstandard.open`."""
    return lake.raw_batch(source_id, batch_id) / f"{file}.zst"
