"""The stage of usage files: landed cells become rows of the staged tables of usage, piece by piece.

Of each batch a row is staged, rejected (a fault in `staged.rejected`), deleted (it says that an event is
withdrawn) or unchanged.  `staged.superseded` names the versions from before that no longer count.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harvesters import counter, iso18626, landing, usage_door
from harvesters.faults import CELLS, CUT, EMPTY, PERSONAL, VALUE, rule_of
from harvesters.registry import Source
from harvesters.usage_door import Clean
from schemas import usage_profiles
from schemas.quality import QUALITY_ISSUE
from schemas.staged import STAGED_REJECTED
from schemas.usage_columns import STAGED_USAGE
from transforms.digests import digests
from transforms.usage import convert, versions
from transforms.usage.kinds import KINDS, OF_FORMAT, Filled
from warehouse import engine, lake
from warehouse.outcome import Outcome

COMMON = frozenset(column.name for column in STAGED_USAGE)
PIECE = 250_000  # rows at once
SAMPLE = 10_000  # rows by which a column is known for a repetitive one
_COUNTED = ("row_key", "digest", "record_no", "withdrawn")
_DOUBTS = {  # column: what is said of rows that have it, and how many of a piece do
    "bad_ids": ("rows with identifiers that fail their check", lambda column: len(column) - column.null_count),
    "isbn_mended": ("ISBNs whose check digit was worked out", lambda column: pc.sum(column).as_py() or 0),
}


class UsageError(Exception):
    """A batch of usage can't be staged."""


def stage(source: Source, outcome: Outcome, landed: list[dict[str, Any]], folder: Path) -> None:
    """Stage the usage files of a batch into a folder and complete the counts of its outcome."""
    writers = {one.name: _Writer(one, folder, outcome) for kind in OF_FORMAT[source.format] for one in KINDS[kind]}
    rejected: list[pa.Table] = []
    with engine.connect() as con:
        convert.connect(con)
        con.execute("SET threads = 1")  # a piece is one task; a second thread would only wait for it, busily
        for entry in landed:
            with landing.open_raw(outcome.source_id, outcome.batch_id, entry["file"]) as stream:
                _stage_table(con, source, outcome, usage_door.opened(stream), entry["file"], writers, rejected)
    notes = list(landing.batch(outcome.source_id, outcome.batch_id).details.get("notes", []))
    notes += [f"{count} {what}" for writer in writers.values() for what, count in writer.doubts.items() if count]
    outcome.reason = "; ".join(notes)
    full = landing.batch(outcome.source_id, outcome.batch_id).full
    superseded = [writer.finish(full) for writer in writers.values()]
    lake.write_table(folder, "staged.superseded", pa.concat_tables(superseded))
    tables = pa.concat_tables([STAGED_REJECTED.schema.empty_table(), *rejected])
    outcome.rejected += len(tables)
    lake.write_table(folder, "staged.rejected", tables)
    lake.write_table(folder, "quality.issue", QUALITY_ISSUE.empty())


def _pieces(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= PIECE:
            yield pa.concat_tables(waiting)
            waiting = []
    if any(map(len, waiting)):
        yield pa.concat_tables(waiting)


def _stage_table(
    con: duckdb.DuckDBPyConnection, source: Source, outcome: Outcome, clean: Clean, file: str,
    writers: dict[str, "_Writer"], rejected: list[pa.Table],
) -> None:  # fmt: skip
    zone = source.quirks.get("timezone", convert.ZONE)
    con.execute("SET VARIABLE zone = $1", [zone])
    known, filled = _columns(clean.kind)
    first, *others = KINDS[clean.kind]
    for piece in _pieces(clean.tables):
        text, conversions = _with_defaults(piece, clean.conversions, known, source.quirks, clean.role)
        text = _with_blanks_told(text, filled)
        with convert.converted(con, text, conversions, known, zone):
            table = _numbered(con.execute(f"FROM ({first.sql})").to_arrow_table(), outcome.received)
        outcome.received += len(table)
        if others:
            con.register("numbered", table)
            for other in others:
                writers[other.name].write(con.execute(other.sql).to_arrow_table())
            con.unregister("numbered")
        if table["fault"].null_count < len(table):
            bad = pc.is_valid(table["fault"])
            rejected.append(_rejected(table.filter(bad), piece, outcome, file))
            table = table.filter(pc.invert(bad))
        writers[first.name].write(table)


def _numbered(table: pa.Table, first: int) -> pa.Table:
    """Rows with their numbers from `first` on, in the order of the file: second parts and faults came last."""
    rows = np.asarray(table["row"])
    if (rows[1:] < rows[:-1]).any():
        table = table.sort_by([("row", "ascending"), ("part", "ascending")])
    return table.append_column("record_no", pa.array(np.arange(first, first + len(table), dtype=np.int32)))


def _columns(kind: str) -> tuple[dict[str, str], list[str]]:
    """The conversions of every column that a kind may have, and which columns a row must fill."""
    if kind in ("counter", "iso18626"):
        return (counter if kind == "counter" else iso18626).CONVERSIONS, []
    lines = [line for profile in usage_profiles.profiles(kind).values() for line in profile]
    return {line.column: line.conversion for line in lines}, sorted({line.column for line in lines if line.filled})


def _with_defaults(
    piece: pa.Table, conversions: dict[str, str], known: dict[str, str], quirks: dict[str, str], role: str
) -> tuple[pa.Table, dict[str, str]]:
    """The piece with what the source's quirks say of columns that are not there, or blank."""
    said = {name: value for name, value in quirks.items() if name in known}
    if "role" in known and "role" not in conversions and role:
        said.setdefault("role", role)
    for name, value in said.items():
        column = piece[name] if name in piece.column_names else pa.nulls(len(piece), pa.string())
        filled = pc.fill_null(column, value)
        place = piece.column_names.index(name) if name in piece.column_names else None
        piece = piece.append_column(name, filled) if place is None else piece.set_column(place, name, filled)
    return piece, conversions | {name: known[name] for name in said}


def _with_blanks_told(piece: pa.Table, filled: list[str]) -> pa.Table:
    """The piece, where a column that every row must fill is blank and nothing else is wrong, saying so."""
    fault = piece["fault"]
    for name in filled:
        if name in piece.column_names:
            blank = pc.and_(pc.is_null(piece[name]), pc.is_null(fault))
            fault = pc.if_else(blank, pa.scalar(EMPTY.of(name)), fault)
    return piece.set_column(piece.column_names.index("fault"), "fault", fault)


def _rejected(bad: pa.Table, piece: pa.Table, outcome: Outcome, file: str) -> pa.Table:
    """The rows at fault; their content is what the door left of them, but for readers."""
    rows = bad.select(["row", "fault", "record_no"]).to_pylist()
    numbers = {row["row"] for row in rows}
    text = piece.filter(pc.is_in(piece["row"], pa.array(sorted(numbers), pa.int32())))
    shown = text.drop_columns([c for c in ("fault", "reader_key") if c in text.column_names]).to_pylist()
    content = {row["row"]: {k: v for k, v in row.items() if v is not None} for row in shown}
    told = [
        {
            "source_id": outcome.source_id, "batch_id": outcome.batch_id, "record_no": row["record_no"],
            "record_id": None, "file": file.removesuffix(usage_door.SUFFIX), "byte_offset": -1,
            "rule": (rule := rule_of(row["fault"])),
            "reason": f"row {row['row']}: {row['fault']}", "advice": advice(rule),
            "content": json.dumps(content.get(row["row"], {}), ensure_ascii=False).encode(),
        }
        for row in rows
    ]  # fmt: skip
    return pa.Table.from_pylist(told, schema=STAGED_REJECTED.schema)


def advice(rule: str) -> str:
    """What to do about a row that breaks a rule."""
    return {
        PERSONAL.rule: "take personal data out of the file and send the row again; nothing of it was kept",
        CELLS.rule: "quote values that hold a separator, give every row all of its cells, and export it again",
        CUT.rule: "make the column text in the spreadsheet, export again and send the row again",
        EMPTY.rule: "fill it in and send the row again",
        VALUE: "mend the row and send it again",
    }[rule]


class _Writer:
    """Writes one staged table piece by piece; in the end leaves out rows that are unchanged."""

    def __init__(self, filled: Filled, folder: Path, outcome: Outcome):
        self._filled, self._outcome = filled, outcome
        self._path = folder / f"{filled.name}.parquet"
        self._file: pq.ParquetWriter | None = None
        self._said = tuple(c.name for c in filled.table.columns if c.name not in COMMON or c.name == "tenant")
        self._seen: list[list[np.ndarray]] = []
        self.doubts: Counter[str] = Counter()

    def write(self, table: pa.Table) -> None:
        """Write rows of the query; withdrawals are only noted."""
        keys = {"row_key": digests(table, self._filled.identity), "digest": digests(table, self._said)}
        for name, values in keys.items():
            table = table.append_column(name, pa.array(values))
        self._seen.append([np.asarray(table[name]) for name in _COUNTED])
        for name, (what, counted) in _DOUBTS.items():
            if name in table.column_names:
                self.doubts[what] += counted(table[name])
        kept = table.filter(pc.invert(table["withdrawn"])) if pc.any(table["withdrawn"]).as_py() else table
        if len(kept):
            ids = {"source_id": self._outcome.source_id, "batch_id": self._outcome.batch_id}
            given = {name: pa.repeat(pa.scalar(value), len(kept)) for name, value in ids.items()}
            given["row_no"] = kept["row"]
            names = self._filled.table.schema.names
            columns = {name: given[name] if name in given else kept[name] for name in names}
            whole = lake.conform(self._filled.table.full_name, pa.table(columns))
            self._file = self._file or self._writer(whole)
            self._file.write_table(whole)

    def _writer(self, start: pa.Table) -> pq.ParquetWriter:
        """The file, with a dictionary for the columns whose first values repeat: to try costs much elsewhere."""
        start = start.slice(0, SAMPLE)
        plain = [field.name for field in start.schema if not pa.types.is_list(field.type)]
        coded = [name for name in plain if pc.count_distinct(start[name]).as_py() < len(start) // 4]
        return pq.ParquetWriter(self._path, self._filled.table.schema, use_dictionary=coded, **lake.PARQUET)

    def finish(self, full: bool) -> pa.Table:
        """Close the file, count into the outcome, and return what the batch supersedes."""
        (self._file or self._writer(self._filled.table.empty())).close()
        columns = zip(*self._seen, strict=True) if self._seen else [[np.zeros(0, np.uint64)]] * len(_COUNTED)
        keys, digests, numbers, withdrawn = (np.concatenate(column) for column in columns)
        withdrawn, outcome, name = withdrawn.astype(bool), self._outcome, self._filled.name
        before = versions.current(outcome.source_id, outcome.batch_id, name)
        settled = versions.settle(versions.Told(keys, digests, numbers, withdrawn), before, outcome, name, full)
        if settled.unchanged.any():
            self._leave_out(numbers[settled.unchanged])
        if not self._filled.of_events:
            outcome.deleted += int(withdrawn.sum())
            outcome.unchanged += int(settled.unchanged.sum())
            outcome.staged += int((~settled.unchanged & ~withdrawn).sum())
        return settled.superseded

    def _leave_out(self, numbers: np.ndarray) -> None:
        """Write the file again without the rows of these numbers."""
        scratch = self._path.with_suffix(".all")
        self._path.rename(scratch)
        gone = pa.array(np.sort(numbers), pa.int32())
        with pq.ParquetWriter(self._path, self._filled.table.schema, **lake.PARQUET) as file:
            for batch in pq.ParquetFile(scratch).iter_batches(PIECE):
                kept = batch.filter(pc.invert(pc.is_in(batch["record_no"], gone)))
                if len(kept):
                    file.write_batch(kept)
        scratch.unlink()
