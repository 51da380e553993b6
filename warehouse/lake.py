"""The one module that knows where data lies, and that replaces it atomically.

Below `$CALIS_HOME` (default: `var/` in the checkout)::

    registry/members.csv, sources.csv
    raw/<source>/<batch>/<file>.zst, pages.zst             what a source sent
    raw/<source>/<batch>/file.parquet, batch.json          where it stands, and how to read it
    staged/<source>/<batch>/<table>.parquet                parsed, one folder a batch
    held/<source>/<batch>/                                 the same, before its gates, or until staff decide
    catalog/<build>/<table>.parquet                        the union; the newest folder is current
    judgement/<time>-<random>.parquet                      what people decided on pairs; only ever added to
    decision/, waiver/                                     what staff decided on batches and rules; likewise
    quality/outcome/<stage>/<source>.parquet               what each stage did
    quality/batch_gate/<source>.parquet                    what the gates of its batches saw
    quality/score_history/<build>.parquet                  scores as of each build that was published
    quality/defect/<build>.parquet                         the life of each defect, as of the newest of them
    published/feedback/<member>/<build>/                   what each member gets to mend
    published/union.duckdb, published/site/                what people read

A folder whose name starts with a dot is unfinished work and never read.  A partition comes into being by
one rename, so a killed stage leaves either the old state or the new one, and dust that `sweep` removes.
"""

import fcntl
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.tables import BY_NAME, TABLES
from warehouse.contract import PARQUET, LakeError, conform
from warehouse.contract import read_table as read_table  # where those have it from who name files by this module
from warehouse.contract import write_table as write_table

CHECKOUT = Path(__file__).resolve().parent.parent
KEEP_BUILDS = 3
BEIJING = timedelta(hours=8)  # its clock is ahead of UTC; a day that people name or are shown is Beijing's


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


def keys() -> Path:
    """The folder of secrets, beside the data and never in it: `$CALIS_KEYS`, else `<home>.keys`."""
    return Path(os.environ.get("CALIS_KEYS") or f"{home()}.keys").resolve()


def published_database() -> Path:
    """The DuckDB file that analysts open."""
    return home() / "published" / "union.duckdb"


def site() -> Path:
    """The folder of the static pages."""
    return home() / "published" / "site"


def feedback(member_code: str) -> Path:
    """The folder of the packages that a member was given, one a build."""
    return home() / "published" / "feedback" / _name(member_code)


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


def raw_sources() -> list[str]:
    """The sources that anything was ever harvested from, whether the registry still has them or not."""
    return _names(home() / "raw")


def raw_batch(source_id: str, batch_id: str) -> Path:
    """The folder of one harvest of a source."""
    return home() / "raw" / _name(source_id) / _name(batch_id)


def raw_batches(source_id: str) -> list[str]:
    """The complete harvests of a source, oldest first."""
    return _names(home() / "raw" / _name(source_id))


def host_file(host: str) -> Path:
    """The file that those who ask a host hold in turn."""
    return home() / "raw" / ".hosts" / _name(host)


# --- staged ----------------------------------------------------------------------------------------------


def staged_batch(source_id: str, batch_id: str) -> Path:
    """The folder of one staged batch."""
    return home() / "staged" / _name(source_id) / _name(batch_id)


def batch_of(file: Path) -> str:
    """The batch of a staged file, as its folder says; empty of any other file."""
    return file.parts[-2] if file.parts[-4:-3] == ("staged",) else ""


def staged_batches(source_id: str) -> list[str]:
    """The staged batches of a source, oldest first."""
    return _names(home() / "staged" / _name(source_id))


def held_batch(source_id: str, batch_id: str) -> Path:
    """The folder of a staged batch that is not current: its gates are to come, or staff are to decide."""
    return home() / "held" / _name(source_id) / _name(batch_id)


def held_batches(source_id: str) -> list[str]:
    """The batches of a source that are staged but not current, oldest first."""
    return _names(home() / "held" / _name(source_id))


def held_sources() -> list[str]:
    """The sources that may have such batches."""
    return _names(home() / "held")


def batches_before(source_id: str, batch_id: str) -> list[Path]:
    """The folders of a source's batches before one, oldest first, with those whose gates are to come."""
    folders = {name: staged_batch(source_id, name) for name in staged_batches(source_id)}
    folders |= {name: held_batch(source_id, name) for name in held_batches(source_id)}
    return [folders[name] for name in sorted(folders) if name < batch_id]


def release(source_id: str, batch_id: str) -> None:
    """Make a held batch current, in one step; one that a killed stage left under its name gives way."""
    target = staged_batch(source_id, batch_id)
    if target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    held_batch(source_id, batch_id).rename(target)


def remove_held_batch(source_id: str, batch_id: str) -> None:
    """Remove a staged batch that is not current; its bytes stay in the raw layer."""
    shutil.rmtree(held_batch(source_id, batch_id), ignore_errors=True)


@contextmanager
def source_locked(source_id: str) -> Iterator[None]:
    """Hold a source while its batches become current or are set aside; a second process waits."""
    path = home() / "held" / f".{_name(source_id)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
        if file.stem != "outcome"  # kept until its batch is current, and read no more
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


# --- what people decide ----------------------------------------------------------------------------------


def added_files(table: str) -> list[Path]:
    """Every file of a table that is only ever added to, in the order in which they were taken in."""
    return sorted((home() / BY_NAME[table].name).glob("[!.]*.parquet"))


def add_rows(table: str, rows: pa.Table) -> None:
    """Add rows as a file of its own, so that two people who decide at once both keep what they decided."""
    name = f"{new_batch_id()}-{uuid.uuid4().hex[:8]}.parquet"
    with replacing_file(home() / BY_NAME[table].name / name) as scratch:
        pq.write_table(conform(table, rows), scratch, **PARQUET)


# --- outcomes --------------------------------------------------------------------------------------------


def outcome_file(stage: str, source_id: str) -> Path:
    """The file that holds every outcome of one stage for one source; `*` (all sources) is kept as `all`."""
    return home() / "quality" / "outcome" / _name(stage) / f"{_name(source_id.replace('*', 'all'))}.parquet"


def outcome_files() -> list[Path]:
    """Every outcome file."""
    return sorted((home() / "quality" / "outcome").glob("[!.]*/[!.]*.parquet"))


def gate_file() -> Path:
    """The file that keeps what the gates of every build saw."""
    return home() / "quality" / "gate.parquet"


def batch_gate_file(source_id: str) -> Path:
    """The file that keeps what the gates of every batch of a source saw."""
    return home() / "quality" / "batch_gate" / f"{_name(source_id)}.parquet"


def batch_gate_files() -> list[Path]:
    """What the gates of every batch of every source saw."""
    return sorted((home() / "quality" / "batch_gate").glob("[!.]*.parquet"))


def score_file(build_id: str) -> Path:
    """The file that keeps what scores were as of a build; it outlasts the build."""
    return home() / "quality" / "score_history" / f"{_name(build_id)}.parquet"


def score_files() -> list[Path]:
    """What scores were as of every build that was ever published, oldest first."""
    return sorted((home() / "quality" / "score_history").glob("[!.]*.parquet"))


def defect_file(build_id: str) -> Path:
    """The file that keeps every defect as of a build."""
    return home() / "quality" / "defect" / f"{_name(build_id)}.parquet"


def defect_files() -> list[Path]:
    """The defects as of the builds that are still kept, oldest first."""
    return sorted((home() / "quality" / "defect").glob("[!.]*.parquet"))


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
    """Give a path to write to; on success the file there takes the place of `target` in one step.

    Raises:
        LakeError: `target` is a folder, which no file can replace.
    """
    if target.is_dir():  # said before the work, not by the rename after it
        raise LakeError(f"{target} is a folder; name a file, for example {target / 'name'}")
    scratch = _scratch(target)
    try:
        yield scratch
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def sweep() -> int:
    """Remove what killed stages left behind; only where nothing else is running.  Returns how many."""
    left = [path for depth in ("*", "*/*", "*/*/*") for path in home().glob(f"{depth}/.*.*.*")]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)
