"""Retention: pseudonyms of readers older than some months are removed for good; the events stay, so counts do.

Raw, staged and catalogue files are written anew one by one, each replaced in one step, so a killed run is taken up
by the next.  What is published never had pseudonyms.
"""

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from harvesters import landing, registry, usage_door
from transforms.usage import convert
from warehouse import engine, lake

DATES = {"loan": "event_date", "request": "submitted_date", "ppv": "ordered_date", "ebook_loan": "borrowed_date"}
_TIMES = ("event_time", "borrowed_at", "submitted_at", "ordered_at")


def retain(months: int, today: date | None = None) -> dict[str, int]:
    """Remove pseudonyms of events that are more than `months` months old, or of no known date.

    Also of sources and members that the registry no longer has; of them a month ends by the clock of China.

    Returns:
        How many were removed, by layer: raw, staged (with batches that are held), catalog.
    """
    last = pa.scalar(today or lake.now().date(), pa.date32())
    counted = {"raw": 0, "staged": 0, "catalog": 0}
    with engine.connect() as con:
        convert.connect(con)
        row = con.execute("SELECT CAST($1 - to_months($2) AS DATE)", [last.as_py(), months]).fetchone()
        before = row[0] if row else date.min
        zones = {source.source_id: source.quirks.get("timezone") for source in registry.load().sources}
        for source_id in _sources():
            for batch_id in lake.raw_batches(source_id):
                counted["raw"] += _of_raw(con, source_id, zones.get(source_id) or convert.ZONE, batch_id, before)
            with lake.source_locked(source_id):
                for folder in _batches(source_id):
                    counted["staged"] += _of_tables(folder, before)
        for build_id in lake.catalog_builds():
            counted["catalog"] += _of_tables(lake.catalog_build(build_id), before)
    return counted


def _sources() -> list[str]:
    """Every source that has anything in the lake."""
    return sorted({*lake.raw_sources(), *lake.staged_sources(), *lake.held_sources()})


def _batches(source_id: str) -> list[Path]:
    """The folders of the staged batches of a source, current and held."""
    staged = [lake.staged_batch(source_id, batch_id) for batch_id in lake.staged_batches(source_id)]
    return staged + [lake.held_batch(source_id, batch_id) for batch_id in lake.held_batches(source_id)]


def _of_tables(folder: Path, before: date) -> int:
    """Remove them from the tables in a folder; how many."""
    removed = 0
    for name, column in DATES.items():
        path = folder / f"{name}.parquet"
        if not path.exists():
            continue
        file = pq.ParquetFile(path)
        old = sum(
            _old(batch[column], batch["reader_key"], before)[1]
            for batch in file.iter_batches(columns=[column, "reader_key"])
        )
        if not old:
            continue
        removed += old
        with (
            lake.replacing_file(path) as scratch,
            pq.ParquetWriter(scratch, file.schema_arrow, **lake.PARQUET) as to,
        ):
            for batch in file.iter_batches():
                kept, _ = _old(batch[column], batch["reader_key"], before)
                place = batch.schema.get_field_index("reader_key")
                to.write_batch(batch.set_column(place, batch.schema.field(place), kept))
    return removed


def _old(dates: pa.Array, keys: pa.Array, before: date) -> tuple[pa.Array, int]:
    """The keys without those of events before a day, and how many these were."""
    old = pc.fill_null(pc.less(dates, pa.scalar(before, pa.date32())), True)
    kept = pc.if_else(old, pa.scalar(None, pa.int64()), keys)
    return kept, kept.null_count - keys.null_count


def _of_raw(con: duckdb.DuckDBPyConnection, source_id: str, zone: str, batch_id: str, before: date) -> int:
    """Remove them from the raw files of a batch; how many."""
    removed = 0
    for entry in landing.manifest(source_id, batch_id):
        if not entry["file"].endswith(usage_door.SUFFIX):
            continue
        with landing.open_raw(source_id, batch_id, entry["file"]) as stream:
            table = pa.ipc.open_stream(stream).read_all()
        if "reader_key" not in table.column_names or table["reader_key"].null_count == len(table):
            continue
        times = [name for name in _TIMES if name in table.column_names]
        con.register("raw_rows", table)
        said = f"local_date(instant({times[0]}, '{zone}'), '{zone}')" if times else "CAST(NULL AS DATE)"
        dates = con.execute(f"SELECT {said} AS day FROM raw_rows").to_arrow_table()["day"].combine_chunks()
        con.unregister("raw_rows")
        kept, old = _old(dates, table["reader_key"].combine_chunks(), before)
        if old:
            place = table.schema.get_field_index("reader_key")
            table = table.set_column(place, table.schema.field(place), kept)
            _replace(landing.raw_path(source_id, batch_id, entry["file"]), table)
        removed += old
    return removed


def _replace(path: Path, table: pa.Table) -> None:
    with (
        lake.replacing_file(path) as scratch,
        scratch.open("wb") as file,
        zstandard.ZstdCompressor(level=3).stream_writer(file) as stream,
        pa.ipc.new_stream(stream, table.schema) as sink,
    ):
        sink.write_table(table)
