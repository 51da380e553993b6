"""The one module that knows where data lies, and that replaces it atomically.

Below `$CALIS_HOME` (default: `var/` in the checkout)::

    registry/members.csv, sources.csv
    raw/<source>/<batch>/<file>.zst + file.parquet         what a source sent (written last: file.parquet)
    staged/<source>/<batch>/<table>.parquet                parsed, one folder a batch
    catalog/<build>/<table>.parquet                        the union; the newest folder is current
    judgement/<time>-<random>.parquet                      what people decided on pairs; only ever added to
    quality/outcome/<stage>/<source>.parquet               what each stage did
    published/union.duckdb, published/site/                what people read

A folder whose name starts with a dot is unfinished work and never read.  A partition comes into being by
one rename, so a killed stage leaves either the old state or the new one, and dust that `sweep` removes.
"""

import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import BY_NAME, TABLES

CHECKOUT = Path(__file__).resolve().parent.parent
KEEP_BUILDS = 3
PARQUET = {"compression": "zstd", "compression_level": 1}


class LakeError(Exception):
    """Data on disk is not as its contract says, or a name can't be a folder's."""


def home() -> Path:
    """The folder that holds all data: `$CALIS_HOME`, else `var/` in the checkout."""
    return Path(os.environ.get("CALIS_HOME") or CHECKOUT / "var").resolve()


def registry() -> Path:
    """The folder of `members.csv` and `sources.csv`."""
    return home() / "registry"


def sample() -> Path:
    """The folder of the sample consortium: its exports, OAI data and truth."""
    return home() / "sample"


def downloads() -> Path:
    """The folder of files fetched once and checked by their digest."""
    return home() / "downloads"


def published_database() -> Path:
    """The DuckDB file that analysts open."""
    return home() / "published" / "union.duckdb"


def site() -> Path:
    """The folder of the static pages."""
    return home() / "published" / "site"


def now() -> datetime:
    """The current time in UTC, without a zone, as every table keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def new_batch_id(at: datetime | None = None) -> str:
    """A batch or build id that sorts by time, to the microsecond: `20261123T170102123456Z`."""
    return (at or now()).strftime("%Y%m%dT%H%M%S%fZ")


def _name(part: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]*", part):
        raise LakeError(f"{part!r} can't name a folder: use letters, digits, '_', '-', '.', not first '.'")
    return part


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(child.name for child in folder.iterdir() if child.is_dir() and child.name[0] != ".")


# --- raw -------------------------------------------------------------------------------------------------


def raw_batch(source_id: str, batch_id: str) -> Path:
    """The folder of one harvest of a source."""
    return home() / "raw" / _name(source_id) / _name(batch_id)


def raw_batches(source_id: str) -> list[str]:
    """The complete harvests of a source, oldest first."""
    return _names(home() / "raw" / _name(source_id))


# --- staged ----------------------------------------------------------------------------------------------


def staged_batch(source_id: str, batch_id: str) -> Path:
    """The folder of one staged batch."""
    return home() / "staged" / _name(source_id) / _name(batch_id)


def staged_batches(source_id: str) -> list[str]:
    """The staged batches of a source, oldest first."""
    return _names(home() / "staged" / _name(source_id))


def remove_staged_batch(source_id: str, batch_id: str) -> None:
    """Remove a staged batch, newest first, so that it can be staged again."""
    shutil.rmtree(staged_batch(source_id, batch_id))


def is_outdated(source_id: str) -> bool:
    """Whether the oldest or newest staged batch of a source was written to another contract than today's."""
    batches = staged_batches(source_id)
    files = [
        file
        for batch_id in {*batches[:1], *batches[-1:]}
        for file in staged_batch(source_id, batch_id).glob("*.parquet")
    ]
    contracts = {table.name: table.schema for table in TABLES if table.layer in ("staged", "quality")}
    return any(not pq.read_schema(file).equals(contracts[file.stem]) for file in files)


def staged_sources() -> list[str]:
    """The sources that have anything staged."""
    return _names(home() / "staged")


def staged_files(table: str) -> list[Path]:
    """Every file of a staged table, over all sources and batches, in a fixed order."""
    return sorted((home() / "staged").glob(f"[!.]*/[!.]*/{table}.parquet"))


def current_record_files() -> list[Path]:
    """For each source the record index as of its newest staged batch."""
    newest = ((source, staged_batches(source)) for source in staged_sources())
    files = [staged_batch(source, batches[-1]) / "record.parquet" for source, batches in newest if batches]
    return [file for file in files if file.exists()]


# --- catalog ---------------------------------------------------------------------------------------------


def catalog_build(build_id: str) -> Path:
    """The folder of one build of the union catalogue."""
    return home() / "catalog" / _name(build_id)


def known(build: Path) -> Path:
    """The folder in that of a build with what matching found, for the next one to go on from."""
    return build / "known"


def catalog_builds() -> list[str]:
    """The builds that are still kept, oldest first."""
    return _names(home() / "catalog")


def prune_catalog() -> None:
    """Remove all but the newest builds, and of these what only the newest needs."""
    builds = catalog_builds()
    for build_id in builds[:-KEEP_BUILDS]:
        shutil.rmtree(catalog_build(build_id))
    for build_id in builds[:-1]:
        shutil.rmtree(known(catalog_build(build_id)), ignore_errors=True)


# --- judgements ------------------------------------------------------------------------------------------


def judgement_files() -> list[Path]:
    """Every file of judgements, in the order in which they were taken in."""
    return sorted((home() / "judgement").glob("[!.]*.parquet"))


def add_judgements(rows: pa.Table) -> None:
    """Add judgements as a file of its own, so that two people who decide at once both keep what they decided."""
    name = f"{new_batch_id()}-{uuid.uuid4().hex[:8]}.parquet"
    with replacing_file(home() / "judgement" / name) as scratch:
        pq.write_table(conform("catalog.judgement", rows), scratch, **PARQUET)


# --- outcomes --------------------------------------------------------------------------------------------


def outcome_file(stage: str, source_id: str) -> Path:
    """The file that holds every outcome of one stage for one source; `*` (all sources) is kept as `all`."""
    return home() / "quality" / "outcome" / _name(stage) / f"{_name(source_id.replace('*', 'all'))}.parquet"


def outcome_files() -> list[Path]:
    """Every outcome file."""
    return sorted((home() / "quality" / "outcome").glob("[!.]*/[!.]*.parquet"))


def gate_file() -> Path:
    """The file that keeps what every gate saw."""
    return home() / "quality" / "gate.parquet"


# --- writing ---------------------------------------------------------------------------------------------


def _scratch(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f".{target.name}.{os.getpid()}.{threading.get_ident()}.{uuid.uuid4().hex[:8]}"


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; on success it takes the place of `target` by a rename.

    If the block raises, nothing changes.  Between moving an old folder away and the new one in there is an
    instant without either, so only what can be made again from the layer below is replaced this way; a
    catalogue build always gets a new name.
    """
    scratch = _scratch(target)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        if target.exists():
            old = _scratch(target)
            target.rename(old)
            scratch.rename(target)
            shutil.rmtree(old)
        else:
            scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """An empty folder for what is needed only within the block, where all who see the lake see it."""
    folder = _scratch(home() / "catalog" / "scratch")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def replacing_file(target: Path) -> Iterator[Path]:
    """Give a path to write to; on success the file there takes the place of `target` in one step."""
    scratch = _scratch(target)
    try:
        yield scratch
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def conform(name: str, table: pa.Table) -> pa.Table:
    """The table cast to its contract.

    Raises:
        LakeError: a column is missing or superfluous, has another type, or is null where it may not be.
    """
    schema = BY_NAME[name].schema
    if set(table.column_names) != set(schema.names):
        missing = sorted(set(schema.names) - set(table.column_names))
        extra = sorted(set(table.column_names) - set(schema.names))
        raise LakeError(f"{name}: missing columns {missing}, superfluous columns {extra}")
    try:
        table = table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, ValueError) as error:
        raise LakeError(f"{name}: {error}") from error
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise LakeError(f"{name}.{field.name}: {table.column(field.name).null_count} nulls, none allowed")
    return table


def write_table(folder: Path, name: str, table: pa.Table) -> None:
    """Write one table of the contract into a folder of a partition, as `<table>.parquet`."""
    pq.write_table(conform(name, table), folder / f"{BY_NAME[name].name}.parquet", **PARQUET)


class TableWriters:
    """A Parquet writer for each of some tables, so that each file exists even when it stays empty.

    Strings that come by dictionary are written by dictionary, which takes a fraction of the time; everything
    else plain.  Only record numbers get statistics: no one searches a batch by anything else.  Rows wait until
    there are enough for a group, since each costs time, and memory until the file is complete.
    """

    GROUP = 4_000  # rows of a group, at least

    def __init__(self, folder: Path, names: Iterable[str]):
        self._folder = folder
        self._tables = {BY_NAME[name].name: BY_NAME[name] for name in names}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in self._tables}

    def __enter__(self) -> "TableWriters":
        return self

    def __exit__(self, *details: object) -> None:
        self.finish(*self._tables)

    def _writer(self, name: str, schema: pa.Schema) -> pq.ParquetWriter:
        if name not in self._writers:
            plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
            if pa.schema(plain) != self._tables[name].schema:
                raise LakeError(f"{name}: the columns are not those of its contract: {schema}")
            self._writers[name] = pq.ParquetWriter(
                self._folder / f"{name}.parquet",
                schema,
                use_dictionary=[field.name for field in schema if pa.types.is_dictionary(field.type)],
                column_encoding={f.name: "DELTA_BINARY_PACKED" for f in schema if f.type == pa.int32()},
                write_statistics=["record_no"],
                store_schema=False,  # it would hold the dictionaries, which are no part of the contract
                **PARQUET,
            )
        return self._writers[name]

    def write(self, tables: dict[str, pa.Table]) -> None:
        """Append rows to the tables named; they must match their contracts, or have dictionaries for strings."""
        for name, table in tables.items():
            if len(table):
                self._writer(name, table.schema)
                self._waiting[name].append(table)
                if sum(map(len, self._waiting[name])) >= self.GROUP:
                    self._flush(name)

    def _flush(self, name: str) -> None:
        """Write the rows that wait as one group."""
        if tables := self._waiting[name]:
            whole = pa.concat_tables(tables).unify_dictionaries() if len(tables) > 1 else tables[0]
            self._waiting[name] = []
            self._writers[name].write_table(whole)

    def finish(self, *names: str) -> None:
        """Complete these files, so that they can be read."""
        for name in names:
            if name in self._tables:
                self._flush(name)
                self._writer(name, self._tables[name].schema).close()
                del self._tables[name]


def read_table(name: str, files: list[Path]) -> pa.Table:
    """Read files of one table together; no files give an empty table."""
    if not files:
        return BY_NAME[name].empty()
    schema = BY_NAME[name].schema
    return pa.concat_tables([pq.read_table(file, schema=schema) for file in files])


def sweep() -> int:
    """Remove what killed stages left behind; only where nothing else is running.  Returns how many."""
    left = [path for depth in ("*", "*/*", "*/*/*") for path in home().glob(f"{depth}/.*.*.*")]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)
