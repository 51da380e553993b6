"""Reading what a source compressed or packed (gzip, zstd, zip, tar), as a stream, with limits.

The kind is found in the first bytes, never in the name.  Memory stays flat; a stream that ends early, fails
its check sum or opens to more than the limit raises instead of ending quietly.
"""

import gzip
import io
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import pyarrow as pa
import zstandard

CHUNK = 1 << 20
BUFFER = 1 << 16  # bytes that a stream reads ahead; larger ones are new memory for each of many small files
FRAME = 1 << 15  # bytes read at a time of a frame, most of which are small
LAYERS = 3  # how often content may be compressed again
IN_MEMORY = 16 << 20  # a zip archive larger than this is unpacked by way of a temporary file
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_TAR, _TAR_AT = b"ustar", 257  # where a tar archive says that it is one
_OTHER_ARCHIVES = {b"7z\xbc\xaf": "7z", b"Rar!": "rar", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
MOST_FILES = 10_000  # in one archive
MOST_RATIO, HARMLESS = 200, 100 << 20  # an archive that opens to more than so many times its size, and bytes
_JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")


Opener = Callable[[], io.BufferedReader]  # gives the bytes as received, from their beginning
BROKEN = (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


class UnreadableError(Exception):
    """The content can't be opened whole; the message says why and what to do."""


class _Reader(io.RawIOBase):
    """Whatever has `readinto`, as a raw stream; closing it closes all of `owned`."""

    def __init__(self, source: Any, *owned: Any):
        self._source, self._owned = source, (source, *owned)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return int(self._source.readinto(buffer))

    def close(self) -> None:
        if not self.closed:
            for owned in self._owned:
                owned.close()
        super().close()


class _Limited(_Reader):
    """Turns faults of the content, and an excess over `limit` bytes, into `UnreadableError`."""

    def __init__(self, source: Any, limit: int | None, what: str):
        super().__init__(source)
        self._limit, self._what, self._seen = limit, what, 0

    def readinto(self, buffer: Any) -> int:
        try:
            count = super().readinto(buffer)
        except BROKEN as error:
            raise UnreadableError(
                f"{self._what}: can't be unpacked after {self._seen} bytes ({error}); send the file again"
            ) from error
        self._seen += count
        if self._limit is not None and self._seen > self._limit:
            raise UnreadableError(
                f"{self._what}: opens to more than {self._limit / 1e6:g} MB; if that is right, raise "
                "max_megabytes of the source"
            )
        return count


def _unzstd(stream: io.BufferedReader) -> io.BufferedReader:
    # zstandard's own reader passes over a cut frame in silence; Arrow's raises
    opened = pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd")
    return io.BufferedReader(_Reader(opened, stream), CHUNK)


def _unwrap(stream: io.BufferedReader) -> io.BufferedReader:
    """Take gzip and zstd off, as often as `LAYERS`."""
    for _ in range(LAYERS):
        start = stream.peek(4)[:4]
        if start.startswith(_GZIP):
            stream = io.BufferedReader(_Reader(gzip.GzipFile(fileobj=stream), stream), CHUNK)
        elif start == _ZSTD:
            stream = _unzstd(stream)
        else:
            break
    return stream


def open_kept(path: Path) -> io.BufferedReader:
    """The bytes as received, of a file that the lake keeps as `.zst`."""
    return _unzstd(open_disk(path))


def open_frame(path: Path, position: int) -> io.BufferedReader:
    """The bytes as received, of one of the frames that a file of the lake holds.

    Raises:
        OSError: it is cut or damaged.
    """
    opened, pieces = zstandard.ZstdDecompressor().decompressobj(), []
    with path.open("rb", buffering=0) as file:
        file.seek(position)
        while not opened.eof:
            if not (piece := file.read(FRAME)):
                raise OSError(f"{path.name} ends within the frame at byte {position}")
            try:
                pieces.append(opened.decompress(piece))
            except zstandard.ZstdError as error:
                raise OSError(f"the frame at byte {position} of {path.name} is damaged: {error}") from error
    return io.BufferedReader(io.BytesIO(b"".join(pieces)))


def open_disk(path: Path) -> io.BufferedReader:
    """The bytes of a file on disk, as they are."""
    return io.BufferedReader(_Reader(path.open("rb", buffering=0)), BUFFER)


@contextmanager
def _archive(opener: Opener) -> Iterator[zipfile.ZipFile]:
    """A zip archive; it needs seeking, so it is copied to memory or a temporary file first."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool, opener() as received:
        shutil.copyfileobj(received, spool, CHUNK)
        spool.seek(0)
        with zipfile.ZipFile(spool) as archive:
            yield archive


def members(opener: Opener, what: str) -> list[str]:
    """The files inside a zip archive, in name order; `[""]` for anything else than an archive.

    Raises:
        UnreadableError: the archive is broken, encrypted, empty, or names a path outside itself.
    """
    with opener() as received:
        start = received.raw.read(6) or b""  # not by way of the buffer, which would be filled
    if other := next((name for sign, name in _OTHER_ARCHIVES.items() if start.startswith(sign)), ""):
        raise UnreadableError(f"{what}: {other} is not read; send it as zip, tar, gzip or zstd")
    if not start.startswith(_ZIP):
        return _tar_members(opener, what) if _is_tar(opener) else [""]
    try:
        with _archive(opener) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UnreadableError(f"{what}: is no whole zip archive ({error}); send the file again") from error
    files = [info for info in files if not info.filename.startswith(_JUNK) and not _is_junk(info.filename)]
    if not files:
        raise UnreadableError(f"{what}: the archive holds no file; send the export again")
    opens_to, packed = sum(info.file_size for info in files), sum(info.compress_size for info in files)
    if opens_to > max(HARMLESS, MOST_RATIO * packed):
        raise UnreadableError(
            f"{what}: the archive of {packed / 1e6:g} MB would open to {opens_to / 1e6:g} MB, which no catalogue "
            "does; refused"
        )
    for info in files:
        _check_inner(info.filename, what)
        if info.flag_bits & 1:
            raise UnreadableError(f"{what}: {info.filename!r} is encrypted; send it without a password")
    return _checked(sorted(info.filename for info in files), what)


def _check_inner(name: str, what: str) -> None:
    inner = PurePosixPath(name.replace("\\", "/"))
    if inner.is_absolute() or ".." in inner.parts or ":" in inner.parts[0]:
        raise UnreadableError(f"{what}: the archive names a path outside itself, {name!r}; refused")


def _checked(names: list[str], what: str) -> list[str]:
    if len(names) > MOST_FILES:
        raise UnreadableError(f"{what}: the archive holds {len(names)} files, more than {MOST_FILES}; refused")
    if len(set(names)) < len(names):
        raise UnreadableError(f"{what}: the archive has two files of one name; send it again")
    return names


# --- tar, as it is or compressed -------------------------------------------------------------------------


def _is_tar(opener: Opener) -> bool:
    try:
        with _unwrap(opener()) as stream:
            start = b""
            while len(start) < 512 and (more := stream.read(512 - len(start))):
                start += more
    except BROKEN:
        return False  # reading it will say so
    return start[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


class _Counted:
    """A stream that knows how much of it was read."""

    def __init__(self, stream: io.BufferedReader):
        self._stream, self.seen = stream, 0

    def __enter__(self) -> "_Counted":
        return self

    def __exit__(self, *details: object) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.seen += len(data)
        return data


def _tar_members(opener: Opener, what: str) -> list[str]:
    names: list[str] = []
    size = opens_to = end = 0
    with opener() as received:
        while chunk := received.read(CHUNK):
            size += len(chunk)
    try:
        with _Counted(_unwrap(opener())) as stream, tarfile.open(fileobj=cast(Any, stream), mode="r|") as archive:
            for info in archive:
                opens_to += info.size
                end = info.offset_data + -(-info.size // 512) * 512
                if opens_to > max(HARMLESS, MOST_RATIO * size) or len(names) > MOST_FILES:
                    raise UnreadableError(
                        f"{what}: the archive of {size / 1e6:g} MB holds more than {MOST_FILES} files, or would "
                        f"open to more than {MOST_RATIO} times its size, which no catalogue does; refused"
                    )
                _check_inner(info.name, what)
                if info.isdir() or info.name.startswith(_JUNK) or _is_junk(info.name):
                    continue
                if not info.isreg():
                    raise UnreadableError(f"{what}: {info.name!r} is a link or device; send the files themselves")
                names.append(info.name)
            while stream.read(CHUNK):
                pass
            if stream.seen < end + 512:  # a block of zeros ends an archive; tarfile does without
                raise EOFError("it is cut")
    except (tarfile.TarError, *BROKEN) as error:
        raise UnreadableError(f"{what}: is no whole tar archive ({error}); send the file again") from error
    if not names:
        raise UnreadableError(f"{what}: the archive holds no file; send the export again")
    return _checked(sorted(names), what)


def _open_tar_member(opener: Opener, name: str) -> io.BufferedReader:
    context = ExitStack()
    stream = context.enter_context(_unwrap(opener()))
    archive = context.enter_context(tarfile.open(fileobj=stream, mode="r|"))  # noqa: SIM115
    for info in archive:
        if info.name == name and (content := archive.extractfile(info)) is not None:
            return io.BufferedReader(_Reader(content, context), CHUNK)
    context.close()
    raise OSError(f"{name} is no longer in the archive")


def _is_junk(name: str) -> bool:
    return PurePosixPath(name).name in _JUNK


def _open_member(opener: Opener, name: str) -> io.BufferedReader:
    with opener() as received:
        is_zip = (received.raw.read(4) or b"") == _ZIP
    if not is_zip:
        return _open_tar_member(opener, name)
    context = ExitStack()
    archive = context.enter_context(_archive(opener))
    return io.BufferedReader(_Reader(archive.open(name), context), CHUNK)


def opened(path: Path) -> BinaryIO:
    """The content of a file on disk, with all compression taken off.

    Raises:
        UnreadableError: it is an archive of several files; or, while reading, its compression is broken.
    """
    opener = partial(open_disk, path)
    names = members(opener, str(path))
    if len(names) > 1:
        raise UnreadableError(f"{path}: an archive of {len(names)} files; unpack it and name one of them")
    return open_content(opener, names[0], str(path))


def contents(path: Path) -> list[tuple[str, Callable[[], BinaryIO]]]:
    """Name and opener of each content of a file on disk: the file itself, or the files of an archive.

    Raises:
        UnreadableError: the archive is broken, encrypted, empty, or names a path outside itself.
    """
    opener = partial(open_disk, path)
    names = members(opener, str(path))
    if len(names) == 1:
        return [(path.name, partial(open_content, opener, names[0], str(path)))]
    return [(f"{path.name}!{name}", partial(open_content, opener, name, f"{path}, {name}")) for name in names]


def open_content(opener: Opener, member: str, what: str, limit: int | None = None) -> BinaryIO:
    """The content of a received file (or of a member of it, an archive), with its compression taken off.

    `limit` is the most bytes that it may open to, and `what` names it in errors, which rise while reading:
    `UnreadableError` for a cut or broken stream, or one larger than the limit.
    """
    try:
        opened = _unwrap(_open_member(opener, member) if member else opener())
        if opened.peek(4)[:4] == _ZIP:
            raise UnreadableError(f"{what}: an archive inside compressed content; send the archive itself")
    except BROKEN as error:
        raise UnreadableError(f"{what}: can't be unpacked ({error}); send the file again") from error
    return io.BufferedReader(_Limited(opened, limit, what), BUFFER)
