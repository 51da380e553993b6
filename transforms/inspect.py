"""What is in a file: format, encoding, counts and findings; and its staged tables as Parquet."""

import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvesters.compressed import contents
from transforms import holdings
from transforms.detect import Hints
from transforms.parse import Part
from transforms.staged_files import Batch, StagedFiles
from warehouse import lake
from warehouse.progress import Progress

BATCH = "file"
EXAMPLES = 3


def inspect(path: Path, hints: Hints | None = None, out: Path | None = None, processes: int = 1) -> dict[str, Any]:
    """Read a whole file as the stage would.

    Args:
        path: a file of records, plain or compressed, or an archive of several.
        hints: as a source's row would give them.
        out: folder for bib, field, holding, item, rejected and issue `.parquet`; replaced as a whole.
        processes: how many may work on it; each takes some 500 MB.

    Returns:
        format and encoding (the most frequent ones), formats and encodings with counts, records, accepted,
        rejected, deleted, status counts, issues {rule: count}, examples {rule: rows}, and a `note` where fields
        that may hold holdings were left, since no profile is named.
    """
    hints = hints or Hints()
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("format", "charset", "status", "rule", "tag")}
    examples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    reasons: dict[tuple[int, str], str] = {}
    source_id = path.name.split(".")[0]

    with (
        tempfile.TemporaryDirectory() as scratch,
        lake.replacing_folder(out or Path(scratch) / "out") as folder,
        StagedFiles(folder, Batch(contents(path), hints, source_id, BATCH, _look), processes) as files,
        Progress(f"inspect {path.name}", "records") as progress,
    ):
        for found, why in files.parts():
            for name, counter in found.items():
                counts[name] += counter
            reasons |= why
            progress.advance(found["status"].total())
        files.finish()
        for batch in pq.ParquetFile(folder / "issue.parquet").iter_batches():
            issues = pa.Table.from_batches([batch])
            _count(counts["rule"], issues["rule"])
            _collect(examples, issues, reasons)
    status = counts["status"]
    note = "" if hints.holdings else _note(counts["format"], counts["tag"])
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
    } | ({"note": note} if note else {})


def _look(part: Part) -> tuple[dict[str, pa.Table], tuple[dict[str, Counter[str]], dict[tuple[int, str], str]]]:
    """All tables of a part; what is counted in it, and why records are rejected."""
    counts = {name: Counter[str]() for name in ("format", "charset", "status", "tag")}
    for name in ("format", "charset", "status"):
        _count(counts[name], part.records[name])
    _count_fields(counts["tag"], part.tables["field"])
    rejected = part.tables["rejected"].to_pylist()
    return part.tables, (counts, {(row["record_no"], row["rule"]): row["reason"] for row in rejected})


def _note(formats: Counter[str], tags: Counter[str]) -> str:
    profile, found = holdings.fitting(formats, tags)
    if not profile:
        return ""
    fields = ", ".join(f"{count:,} of {tag}" for tag, count in found.items())
    return f"no holdings were read, but there may be some: {fields}; try --holdings {profile}"


def _most(counter: Counter[str]) -> str | None:
    return counter.most_common(1)[0][0] if counter else None


def _count(counter: Counter[str], column: pa.ChunkedArray) -> None:
    for row in pc.value_counts(column).to_pylist():
        counter[row["values"]] += row["counts"]


def _count_fields(counter: Counter[str], fields: pa.Table) -> None:
    """How many fields of each tag there are."""
    first = fields["subfield_no"].to_numpy() == 0
    tags = fields["tag"].unify_dictionaries().combine_chunks()
    tags = tags.chunk(0) if isinstance(tags, pa.ChunkedArray) else tags
    found = np.bincount(tags.indices.to_numpy()[first], minlength=len(tags.dictionary))
    counter.update(dict(zip(tags.dictionary.to_pylist(), found.tolist(), strict=True)))


def _collect(
    examples: dict[str, list[dict[str, Any]]], issues: pa.Table, reasons: dict[tuple[int, str], str]
) -> None:
    """Keep the first few findings of each rule, with the reason where the record was rejected."""
    for rule in pc.unique(issues["rule"]).to_pylist():
        if len(examples[rule]) < EXAMPLES:
            some = issues.filter(pc.equal(issues["rule"], rule)).slice(0, EXAMPLES - len(examples[rule]))
            for row in some.select(["record_no", "record_id", "severity", "tag", "value"]).to_pylist():
                reason = reasons.get((row["record_no"], rule))
                examples[rule].append(row | ({"reason": reason} if reason else {}))
