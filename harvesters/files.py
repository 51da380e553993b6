"""Harvesting files that a member puts into a folder, of this machine or another (`harvesters.remote`).

Every regular file that has not landed before (known by its sha256) is landed, in name order, as one batch, and
kept as it was received, compressed or not.  What can't be taken now is left where it is and named in the
verdict, so the next harvest tries it again.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO

from harvesters import deletion_lists, landing, remote, usage_door
from harvesters.compressed import CHUNK, UnreadableError, opened
from harvesters.landing import Harvested, HarvestError, Landing
from harvesters.registry import Source
from harvesters.wanted import Wanted
from warehouse import lake
from warehouse.progress import Progress

log = logging.getLogger(__name__)

UNFINISHED = (".part", ".tmp", ".filepart", ".crdownload", ".lock")  # how programs name what they still write
WRITTEN = "changes in size or time; it is still being written"
DELETIONS = "*delet*.csv *delet*.txt *withdraw*.csv"


@dataclass(frozen=True)
class _Left:
    """A file that was not landed: `fault` where somebody must do something about it."""

    name: str
    why: str
    fault: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


def folder_of(source: Source) -> Path:
    """The folder that the address names: absolute, or relative to the lake's home."""
    return lake.home() / source.address


def harvest(source: Source, batch_id: str, wanted: Wanted) -> Harvested:
    """Land the new files of a folder as one batch, or all of its files if everything is wanted.

    Raises:
        HarvestError: the folder is missing or can't be read, or none of its new files can.
    """
    if wanted.windowed:
        return Harvested("unchanged", 0, f"{source.address}: a folder has no dates to ask for; nothing was done")
    full = wanted.full
    landing.discard_in_progress(source.source_id)
    known = frozenset() if full else landed_digests(source.source_id)
    landed = Landing(source.source_id, batch_id)
    left = []
    try:
        with Progress(f"harvest {source.source_id}", "files") as progress:
            for arrived in _arrivals(source, known):
                if isinstance(arrived, _Left):
                    left.append(arrived)
                elif why := _take(source, arrived, landed, known):
                    left.append(why)
                progress.advance()
    except HarvestError as error:
        if not landed.rows or source.protocol == "folder":
            landed.abandon()
            raise
        left.append(_Left("what follows", str(error), fault=True))  # what came before the fault is used
    return _finish(source, landed, left, full)


def _arrivals(source: Source, known: frozenset[str]) -> Iterator["Path | _Left"]:
    """The files to look at: lists of deletions last, so that they withdraw what came beside them."""
    wanted = source.quirks.get("files", "*").split()

    def is_wanted(name: str) -> bool:
        return is_deletions(source, name) or any(fnmatch(name, pattern) for pattern in wanted)

    settle = float(source.quirks.get("settle", 0 if source.protocol == "folder" else 5))
    if source.protocol == "folder":
        folder = folder_of(source)
        paths = [path for path in _listed(folder) if is_wanted(path.name)]
        moving = _moving(paths, settle)
        paths.sort(key=lambda path: is_deletions(source, path.name))
        for path in paths:
            yield _Left(_name(source, path), WRITTEN, fault=False) if path in moving else path
        return
    shelf = remote.Shelf(source)
    scratch = landing.scratch_of(source.source_id)
    try:
        for one in remote.arrivals(shelf, known, settle, scratch, is_wanted, lambda n: is_deletions(source, n)):
            yield one if isinstance(one, Path) else _Left(*one)
    finally:
        shelf.close()
        shutil.rmtree(scratch, ignore_errors=True)


def is_deletions(source: Source, name: str) -> bool:
    """Whether a file is a list of deleted records, by its name; usage is withdrawn by rows of its own."""
    if source.format in usage_door.KINDS:
        return False
    patterns = source.quirks.get("deletions", DELETIONS).split()
    return any(fnmatch(name.lower(), pattern.lower()) for pattern in patterns)


def _moving(paths: list[Path], settle: float) -> set[Path]:
    """The files whose size or time changes while we look."""
    if not settle or not paths:
        return set()

    def stamps() -> dict[Path, tuple[int, int]]:
        found = {}
        for path in paths:
            with suppress(OSError):
                about = path.stat()
                found[path] = (about.st_size, about.st_mtime_ns)
        return found

    before = stamps()
    time.sleep(settle)
    after = stamps()
    return {path for path in paths if before.get(path) != after.get(path)}


def landed_digests(source_id: str) -> frozenset[str]:
    """The digests of everything that ever landed from a source."""
    batches = lake.raw_batches(source_id)
    return frozenset(row["sha256"] for batch_id in batches for row in landing.manifest(source_id, batch_id))


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        raise HarvestError(
            f"{folder}: no such folder; make it, or correct the address in sources.csv", resumable=False
        ) from None
    except OSError as error:
        raise HarvestError(f"{folder}: can't be listed ({error.strerror}); give read access to it") from error


def _take(source: Source, path: Path, landed: Landing, known: frozenset[str]) -> _Left | None:
    """Land one file unless it is known; say why where it is left alone."""
    if path.name.startswith(".") or path.name.lower().endswith(UNFINISHED):
        return _Left(_name(source, path), "is still being written, by its name", fault=False)
    if path.is_symlink() or not path.is_file():
        return _Left(
            _name(source, path), "is no regular file; put the files themselves into the folder", fault=True
        )
    if any(path.with_name(lock).exists() for lock in (f"{path.name}.lock", f".~lock.{path.name}#")):
        return _Left(_name(source, path), "is locked by a file beside it; it is still being written", fault=False)
    try:
        return _land(source, path, landed, known)
    except UnreadableError as error:
        return _Left(_name(source, path), str(error).removeprefix(f"{_name(source, path)}: "), fault=True)
    except OSError as error:
        return _Left(_name(source, path), f"can't be read ({error.strerror}); give read access to it", fault=True)


def _land(source: Source, path: Path, landed: Landing, known: frozenset[str]) -> _Left | None:
    name, limit = _name(source, path), source.max_megabytes * 1_000_000
    with path.open("rb") as file:
        if _is_held(file):
            return _Left(name, "is locked by the program that writes it", fault=False)
        before = os.fstat(file.fileno())
        if not before.st_size:
            return _Left(name, "is empty; it may still be on its way", fault=False)
        if before.st_size > limit:
            return _Left(name, f"is larger than max_megabytes of the source ({source.max_megabytes})", fault=True)
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        if digest.hexdigest() in known | {row["sha256"] for row in landed.rows}:
            return None
        file.seek(0)
        if source.format in usage_door.KINDS:
            received = _through_the_door(source, path, landed, before.st_size, digest.hexdigest())
        else:
            listed = deletion_lists.count(opened(path)) if is_deletions(source, path.name) else None
            received = landed.land(name, file, name, listed, limit=limit)
        after = path.stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        usage = [row["file"] for row in landed.rows if row["sha256"] == digest.hexdigest()]
        landed.drop(*(usage if source.format in usage_door.KINDS else [name]))
        return _Left(name, "changed while it was read; it is still being written", fault=False)
    log.info("source %s: %s, %d records", source.source_id, name, received)
    return None


def _is_held(file: BinaryIO) -> bool:
    """Whether another program has locked the file for itself."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def _through_the_door(source: Source, path: Path, landed: Landing, size: int, digest: str) -> int:
    """Land what may be kept of a file of usage, or of each file in an archive; returns the records."""
    before = landed.received
    with usage_door.whole(landed):
        for name, opener in usage_door.contents(path, _name(source, path), source.max_megabytes * 1_000_000):
            with opener() as stream:
                landed.notes += usage_door.land(source, landed, name, stream.read(), size, digest)
    return landed.received - before


def _name(source: Source, path: Path) -> str:
    """The name of a file as it may be shown: of usage files, which may name readers, only where it is harmless."""
    if source.format not in usage_door.KINDS:
        return _shown(path.name)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()
    return usage_door.name_in_lake(source, _shown(path.name), digest)


def _shown(name: str) -> str:
    """The name as text, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _finish(source: Source, landed: Landing, left: list[_Left], full: bool) -> Harvested:
    faults = [one for one in left if one.fault]
    told = "; ".join(str(one) for one in left)
    whole = (full or source.delivery == "full") and not faults
    if not landed.rows:
        landed.abandon()
        if faults:
            raise HarvestError(f"{source.address}: {told}", resumable=False)
        return Harvested(
            "unchanged", 0, f"{source.address}: no new file" + (f"; left alone: {told}" if told else "")
        )
    if whole and not landed.received:
        names = ", ".join(row["file"] for row in landed.rows)
        landed.abandon()
        raise HarvestError(
            f"{source.address}: a full delivery without a record ({names}) would withdraw everything; "
            "send it again",
            resumable=False,
        )
    landed.complete(
        full=whole,
        protocol=source.protocol,
        complete=not faults,
        left_alone=[str(one) for one in left],
        deletions=[row["file"] for row in landed.rows if is_deletions(source, row["file"])],
        notes=landed.notes,
    )
    if faults:
        return Harvested("partial", landed.received, f"{source.address}: not taken: {told}; the rest is used")
    return Harvested("complete", landed.received, "; ".join(landed.notes))
