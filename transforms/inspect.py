"""What is in a file: format, encoding, counts and findings; and its staged tables as Parquet."""

import contextlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvesters.compressed import opened
from schemas.tables import BY_NAME
from transforms.parse import Hints, staged_parts
from warehouse import lake
from warehouse.progress import Progress

WRITTEN = ("staged.bib", "staged.field", "staged.holding", "staged.item", "staged.rejected", "quality.issue")
EXAMPLES = 3


def inspect(path: Path, hints: Hints | None = None, out: Path | None = None) -> dict[str, Any]:
    """Read a whole file as the stage would.

    Args:
        path: an ISO 2709 or XML file, plain or compressed.
        hints: as a source's row would give them.
        out: folder for bib, field, holding, item, rejected and issue `.parquet`; replaced as a whole.

    Returns:
        format and encoding (the most frequent ones), formats and encodings with counts, records, accepted,
        rejected, deleted, status counts, issues {rule: count}, and examples {rule: rows}.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("format", "charset", "status", "rule")}
    examples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        writers = stack.enter_context(_writers(out)) if out else {}
        stream = stack.enter_context(opened(path))
        progress = stack.enter_context(Progress(f"inspect {path.name}", "records"))
        for part in staged_parts(stream, hints or Hints(), path.stem, "file", path.name):
            for name in ("format", "charset", "status"):
                _count(counts[name], part.records[name])
            _count(counts["rule"], part.tables["issue"]["rule"])
            _collect(examples, part.tables["issue"], part.tables["rejected"])
            for name, writer in writers.items():
                writer.write_table(part.tables[name])
            progress.advance(len(part.records))
    status = counts["status"]
    return {
        "file": path.name,
        "format": _most(counts["format"]),
        "encoding": _most(counts["charset"]),
        "formats": dict(counts["format"]),
        "encodings": dict(counts["charset"]),
        "records": status.total(),
        "accepted": status.total() - status["rejected"],
        "rejected": status["rejected"],
        "deleted": status["deleted"],
        "status": dict(status),
        "issues": dict(counts["rule"].most_common()),
        "examples": dict(examples),
    }


def _most(counter: Counter[str]) -> str | None:
    return counter.most_common(1)[0][0] if counter else None


def _count(counter: Counter[str], column: pa.ChunkedArray) -> None:
    for row in pc.value_counts(column).to_pylist():
        counter[row["values"]] += row["counts"]


def _collect(examples: dict[str, list[dict[str, Any]]], issues: pa.Table, rejected: pa.Table) -> None:
    """Keep the first few findings of each rule, with the reason where the record was rejected."""
    reasons = dict(zip(rejected["record_no"].to_pylist(), rejected["reason"].to_pylist(), strict=True))
    for rule in pc.unique(issues["rule"]).to_pylist():
        if len(examples[rule]) < EXAMPLES:
            some = issues.filter(pc.equal(issues["rule"], rule)).slice(0, EXAMPLES - len(examples[rule]))
            for row in some.select(["record_no", "record_id", "severity", "tag", "value"]).to_pylist():
                examples[rule].append(
                    row | ({"reason": reasons[row["record_no"]]} if row["record_no"] in reasons else {})
                )


@contextlib.contextmanager
def _writers(out: Path) -> Any:
    """A Parquet writer for each table below a folder that appears when all of it is written."""
    with lake.replacing_folder(out) as folder, contextlib.ExitStack() as stack:
        yield {
            BY_NAME[name].name: stack.enter_context(
                pq.ParquetWriter(folder / f"{BY_NAME[name].name}.parquet", BY_NAME[name].schema, **lake.PARQUET)
            )
            for name in WRITTEN
        }
        stack.close()
