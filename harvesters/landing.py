"""Landing: keep bytes as received, with a manifest row each, and make a batch visible when it is whole.

A batch in progress lies in `raw/<source>/.<batch>`; it is renamed when it is complete.  Each file is kept as
`<name>.zst`; the pages of lists, of which there may be a hundred thousand, stand behind each other in `pages.zst`,
a frame each, and the manifest says where.  `file.parquet` is the manifest (`raw.file`).  `batch.json` says how the
batch is to be read: `full` (it replaces all that the source sent before), the response date to go on from, and the
format hints.

A file that the source compressed is kept compressed; a zip archive has one manifest row for each file inside,
named `archive.zip!file` with the digest and size of the archive.  Read content through `open_raw`, which
takes all compression off and streams, so that memory does not grow with the file.

While a batch is in progress, `progress.jsonl` has its plan and, for each landed page, its manifest row and
where to go on, so that a killed harvest need not begin again.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import zstandard

from harvesters.compressed import CHUNK, UnreadableError, members, open_content, open_frame, open_kept
from harvesters.containers import utf16 as utf16  # where readers have it from
from harvesters.record_count import count_records as count_records  # and this
from schemas.staged import RAW_FILE
from warehouse import lake

JOURNAL, PAGES = "progress.jsonl", "pages.zst"
_JOURNAL_LINE = json.JSONEncoder(ensure_ascii=False, default=datetime.isoformat)


class HarvestError(Exception):
    """Why a harvest got no further: what happened where, and what to do.

    `resumable`: what has landed is worth keeping, because the next harvest can go on from there.
    """

    def __init__(self, reason: str, resumable: bool = True):
        super().__init__(reason)
        self.resumable = resumable


@dataclass(frozen=True)
class Harvested:
    """How a harvest ended: the verdict, the records of the batch it left, and what is to be said of it."""

    verdict: str
    received: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Batch:
    """What `batch.json` keeps about one harvest of a source."""

    source_id: str
    batch_id: str
    full: bool
    response_date: str = ""  # OAI-PMH: the first page's, from which the next harvest goes on
    details: dict[str, Any] = field(default_factory=dict)


# --- landing ---------------------------------------------------------------------------------------------


class Landing:
    """One harvest being landed."""

    def __init__(self, source_id: str, batch_id: str):
        self.source_id, self.batch_id = source_id, batch_id
        self.target = lake.raw_batch(source_id, batch_id)
        self.folder = self.target.parent / f".{batch_id}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, Any]] = []
        self.plan: dict[str, Any] = {}
        self._open_journal: BinaryIO | None = None
        self._open_pages: BinaryIO | None = None
        self._packer = zstandard.ZstdCompressor(level=1)
        self.notes: list[str] = []  # what is to be said of files that were landed

    def land(
        self,
        name: str,
        content: bytes | BinaryIO,
        request: str,
        received: int | None = None,
        limit: int | None = None,
    ) -> int:
        """Keep one file, and return how many records it holds.

        `request` must hold no credentials.  Without `received`, the records are counted on the content,
        which may open to at most `limit` bytes.

        Raises:
            UnreadableError: the content can't be opened whole; it is then not kept.
        """
        path = self.folder / f"{name}.zst"
        size, digest = _keep(path, content, self._packer)
        try:
            counts = {"": received} if received is not None else _counts(path, request, limit)
        except UnreadableError:
            path.unlink()
            raise
        for member, count in counts.items():
            file, asked = (f"{name}!{member}", f"{request}, {member}") if member else (name, request)
            self.rows.append(self._row(file, asked, (size, digest), count))
        return sum(counts.values())

    def land_page(self, name: str, content: bytes, request: str, received: int, progress: dict[str, Any]) -> None:
        """Keep one page of a list, that then survives a kill; `progress` says where a harvest goes on."""
        if not self._open_pages:
            self._open_pages = (self.folder / PAGES).open("ab")
        position = self._open_pages.tell()
        self._open_pages.write(self._packer.compress(content))
        self._open_pages.flush()
        original = len(content), hashlib.sha256(content).hexdigest()
        row = self._row(name, request, original, received, position)
        self.rows.append(row)
        self._journal(row=row, progress=progress, end=self._open_pages.tell())

    def _row(
        self, file: str, request: str, original: tuple[int, str], received: int, position: int | None = None
    ) -> dict[str, Any]:
        return {
            "source_id": self.source_id, "batch_id": self.batch_id, "file": file, "request": request,
            "landed_at": lake.now(), "sha256": original[1], "bytes": original[0], "received": received,
            "position": position,
        }  # fmt: skip

    def write(self, name: str, request: str, original: tuple[int, str], writer: Callable[[BinaryIO], int]) -> int:
        """Keep what `writer` writes in place of a file of which not every byte may be kept.

        `original`: size and digest of the file as received.  The writer returns how many records it wrote.
        """
        path = self.folder / f"{name}.zst"
        try:
            with path.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as stream:
                received = writer(stream)
        except BaseException:
            path.unlink()
            raise
        self.rows.append(self._row(name, request, original, received))
        return received

    def drop(self, *names: str) -> None:
        """Take back landed files, and the progress that was kept with them."""
        gone = {
            row["file"] for row in self.rows for n in names if row["file"] == n or row["file"].startswith(f"{n}!")
        }
        pages = {row["file"]: row["position"] for row in self.rows if row["file"] in gone and _is_page(row)}
        self.rows = [row for row in self.rows if row["file"] not in gone]
        lines = _journal_lines(self.folder / JOURNAL)
        if any(line.get("row", {}).get("file") in gone for line in lines):
            self._rewrite_journal([line for line in lines if line.get("row", {}).get("file") not in gone])
        for name in set(names) - pages.keys():
            (self.folder / f"{name}.zst").unlink()
        if pages and all((row.get("position") or 0) < min(pages.values()) for row in self.rows):
            self._cut_pages(min(pages.values()))

    def _cut_pages(self, size: int) -> None:
        """Leave so many bytes of the pages; those behind are not, or no longer, in the manifest."""
        self._close()
        if (path := self.folder / PAGES).exists():
            os.truncate(path, size)

    def begin(self, plan: dict[str, Any]) -> None:
        """Begin a list that can be taken up again, forgetting what was landed of it before."""
        self.abandon()
        self.folder.mkdir(parents=True)
        self.rows, self.plan = [], plan
        self._journal(plan=plan)

    def _journal(self, **line: Any) -> None:
        if not self._open_journal:
            self._open_journal = (self.folder / JOURNAL).open("ab", buffering=0)
        self._open_journal.write(f"{_JOURNAL_LINE.encode(line)}\n".encode())

    def _close(self) -> None:
        for stream in (self._open_journal, self._open_pages):
            if stream:
                stream.close()
        self._open_journal = self._open_pages = None

    def _rewrite_journal(self, lines: list[dict[str, Any]]) -> None:
        self._close()
        with lake.replacing_file(self.folder / JOURNAL) as scratch:
            scratch.write_text("".join(f"{_JOURNAL_LINE.encode(line)}\n" for line in lines), "utf-8")

    def kept(self, row: dict[str, Any]) -> bytes:
        """The bytes of a page or file that has landed."""
        with _open_landed(self.folder, row) as stream:
            return stream.read()

    @property
    def received(self) -> int:
        """Records landed so far."""
        return sum(row["received"] for row in self.rows)

    def complete(self, full: bool, response_date: str = "", **details: object) -> None:
        """Write the manifest and make the batch visible."""
        self._close()
        batch = Batch(self.source_id, self.batch_id, full, response_date, dict(details))
        lake.write_table(self.folder, RAW_FILE.full_name, pa.Table.from_pylist(self.rows, schema=RAW_FILE.schema))
        text = json.dumps(asdict(batch), ensure_ascii=False, indent=1)
        (self.folder / "batch.json").write_text(text, "utf-8")
        self.folder.rename(self.target)
        (self.target / JOURNAL).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Remove what was landed; the batch never was."""
        self._close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _keep(path: Path, content: bytes | BinaryIO, packer: zstandard.ZstdCompressor) -> tuple[int, str]:
    """Write content as zstd; its size and digest."""
    if isinstance(content, bytes):
        with path.open("wb", buffering=0) as file:
            file.write(packer.compress(content))
        return len(content), hashlib.sha256(content).hexdigest()
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as sink, packer.stream_writer(sink) as writer:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            writer.write(chunk)
    return size, digest.hexdigest()


def _counts(path: Path, what: str, limit: int | None) -> dict[str, int]:
    counts, opener = {}, partial(open_kept, path)
    for member in members(opener, what):
        with open_content(opener, member, f"{what}, {member}" if member else what, limit) as stream:
            counts[member] = count_records(stream)
    return counts


# --- taking up a batch in progress -----------------------------------------------------------------------


def in_progress(source_id: str) -> list[Path]:
    """The folders of harvests of a source that were not completed, oldest first."""
    parent = lake.raw_batch(source_id, "any").parent
    return sorted(p for p in parent.glob(".*") if p.is_dir()) if parent.is_dir() else []


def scratch_of(source_id: str) -> Path:
    """An empty folder for what a harvest fetches before it lands; what a killed harvest leaves is discarded."""
    folder = lake.raw_batch(source_id, "any").parent / ".fetched"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def discard_in_progress(source_id: str) -> None:
    """Remove what harvests that were killed left behind."""
    for folder in in_progress(source_id):
        shutil.rmtree(folder, ignore_errors=True)


def take_up(
    source_id: str, batch_id: str, fits: Callable[[dict[str, Any]], bool], spares: Callable[[dict[str, Any]], bool]
) -> tuple[Landing, list[dict[str, Any]]] | None:
    """The newest harvest in progress, if its plan `fits`, under this batch's id; the progress after each file.

    Each attempt has an id of its own, so that its outcome stays; the landed files go over to the next one.
    From the first file on that is missing or not as it was landed, all is forgotten.  Of the others in progress
    those stay whose plan is to be spared; an older one that fits is never gone back to.
    """
    found = [(folder, _journal_lines(folder / JOURNAL)) for folder in in_progress(source_id)]
    plans = [lines[0].get("plan") if lines else None for _, lines in found]
    own = [one for one, plan in zip(found, plans, strict=True) if plan is None or not spares(plan)]
    goes_on = bool(own and own[-1][1]) and "plan" in own[-1][1][0] and fits(own[-1][1][0]["plan"])
    for folder, _ in own[:-1] if goes_on else own:
        shutil.rmtree(folder, ignore_errors=True)
    return _taken_up(*own[-1], source_id, batch_id) if goes_on else None


def _taken_up(
    folder: Path, lines: list[dict[str, Any]], source_id: str, batch_id: str
) -> tuple[Landing, list[dict[str, Any]]]:
    folder.rename(folder.parent / f".{batch_id}")
    landing, steps = Landing(source_id, batch_id), []
    landing.plan = lines[0]["plan"]
    whole, end = [lines[0]], 0
    for line in lines[1:]:
        row = line["row"]
        if not _intact(landing.folder, row):
            break
        end = line.get("end", end)
        landed_at = datetime.fromisoformat(row["landed_at"])
        landing.rows.append(row | {"batch_id": batch_id, "landed_at": landed_at})
        steps.append(line["progress"])
        whole.append(line)
    landing._rewrite_journal(whole)
    landing._cut_pages(end)
    return landing, steps


def _journal_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a kill may have cut the last."""
    lines = []
    if path.exists():
        for text in path.read_text("utf-8", "replace").splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                break
    return lines


def _intact(folder: Path, row: dict[str, Any]) -> bool:
    digest = hashlib.sha256()
    try:
        with _open_landed(folder, row) as kept:
            while chunk := kept.read(CHUNK):
                digest.update(chunk)
    except (OSError, EOFError):
        return False
    return digest.hexdigest() == row["sha256"]


def _is_page(row: dict[str, Any]) -> bool:
    return row.get("position") is not None


def _open_landed(folder: Path, row: dict[str, Any]) -> BinaryIO:
    if _is_page(row):
        return open_frame(folder / PAGES, row["position"])
    return open_kept(folder / f"{row['file']}.zst")


# --- reading ---------------------------------------------------------------------------------------------


def batch(source_id: str, batch_id: str) -> Batch:
    """What is known of a landed batch."""
    text = (lake.raw_batch(source_id, batch_id) / "batch.json").read_text("utf-8")
    return Batch(**json.loads(text))


def manifest(source_id: str, batch_id: str) -> list[dict[str, Any]]:
    """The manifest rows (`raw.file`) of a landed batch, in landing order."""
    files = [lake.raw_batch(source_id, batch_id) / "file.parquet"]
    return lake.read_table(RAW_FILE.full_name, files).to_pylist()


@lru_cache(maxsize=16)
def _positions(manifest: Path, _: int) -> dict[str, int]:
    """Where the pages of a batch begin; by its manifest and when that was written."""
    rows = lake.read_table(RAW_FILE.full_name, [manifest]).select(["file", "position"]).to_pylist()
    return {row["file"]: row["position"] for row in rows if _is_page(row)}


def _located(source_id: str, batch_id: str, file: str) -> tuple[Path, str, int | None]:
    """Where a file of the manifest lies; its name within an archive (or ""), or where its page begins."""
    folder = lake.raw_batch(source_id, batch_id)
    if (pages := folder / PAGES).exists():
        manifest = folder / "file.parquet"
        position = _positions(manifest, manifest.stat().st_mtime_ns).get(file)
        if position is not None:
            return pages, "", position
    parts = file.split("!")
    for cut in range(len(parts), 0, -1):
        path = folder / f"{'!'.join(parts[:cut])}.zst"
        if path.exists():
            return path, "!".join(parts[cut:]), None
    raise FileNotFoundError(f"{folder / file}.zst: named in the manifest but not in the lake")


def raw_path(source_id: str, batch_id: str, file: str) -> Path:
    """Where one landed file lies (of a file in an archive, the archive; of a page, all pages); zstd-compressed."""
    return _located(source_id, batch_id, file)[0]


def open_raw(source_id: str, batch_id: str, file: str) -> BinaryIO:
    """The content of one file or page of the manifest, as a buffered stream with all compression taken off.

    Raises:
        UnreadableError: while reading, when the lake's file is damaged; a page's, when it is opened.
    """
    path, member, position = _located(source_id, batch_id, file)
    opener = partial(open_kept, path) if position is None else partial(open_frame, path, position)
    return open_content(opener, member, f"source {source_id}, batch {batch_id}, file {file}")
