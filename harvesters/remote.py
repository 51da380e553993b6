"""Folders of files on other machines: SFTP, FTP and S3, through fsspec.

What is new is fetched file by file into a scratch folder, taken from there as from a folder of this machine, and
removed again.  Credentials: `harvesters.credentials`.  An SFTP server has to show the key that the row names,
one of FTPS a certificate that `harvesters.tls` believes.
"""

import base64
import hashlib
import io
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ftplib import FTP, FTP_TLS
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from harvesters import credentials, tls
from harvesters.addresses import check_resolved
from harvesters.landing import HarvestError
from harvesters.registry import Source
from warehouse import lake

PROTOCOLS = ("sftp", "ftp", "s3")
TIMEOUT = 60  # seconds without an answer
CHUNK = 1 << 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class Entry:
    """One file as the server lists it; `stamp` changes when the file does."""

    name: str
    size: int
    stamp: str


class ChangedError(Exception):
    """A file changed while it was fetched."""


class Shelf:
    """The folder of one source."""

    def __init__(self, source: Source):
        parts = urlsplit(source.address)
        self.source, self.protocol = source, source.protocol
        self.host, self.port = parts.hostname or "", parts.port
        self.secure = parts.scheme == "ftps"
        self.root = unquote(parts.path) or "/"
        if self.protocol == "s3":
            self.root = f"{parts.netloc}{unquote(parts.path)}".rstrip("/")
        self._login = credentials.of(source)
        self._fs: Any = None
        self._notes = lake.raw_batch(source.source_id, "any").parent / ".seen.json"

    def listed(self) -> list[Entry]:
        """The files of the folder, in name order."""
        return self._patiently(self._list)

    def fetch(self, entry: Entry, target: Path) -> str:
        """Copy one file; its digest.

        Raises:
            ChangedError: it is not as it was listed.
            OSError: it can't be read.
        """
        return self._patiently(lambda: self._fetch(entry, target))

    # What was fetched is noted, so that a file that came with another name or was known is not fetched each time.

    def seen(self) -> dict[str, str]:
        """Digests of files by name, size and stamp."""
        try:
            found = json.loads(self._notes.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def note(self, seen: dict[str, str]) -> None:
        """Keep the digests."""
        with lake.replacing_file(self._notes) as scratch:
            scratch.write_text(json.dumps(seen, ensure_ascii=False), "utf-8")

    def close(self) -> None:
        """End the connection."""
        for name in ("client", "ftp"):
            one = getattr(self._fs, name, None)
            if one is not None and hasattr(one, "close"):
                one.close()
        self._fs = None

    def _list(self) -> list[Entry]:
        fs = self._connected()
        if self.protocol == "s3":
            fs.invalidate_cache()
        else:
            fs.dircache.clear() if hasattr(fs, "dircache") else None
        found = [_entry(info) for info in fs.ls(self.root, detail=True) if info.get("type") == "file"]
        return sorted((one for one in found if one.name), key=lambda one: one.name)

    def _fetch(self, entry: Entry, target: Path) -> str:
        fs, digest, size = self._connected(), hashlib.sha256(), 0
        path = f"{self.root.rstrip('/')}/{entry.name}"
        with fs.open(path, "rb", block_size=CHUNK) as remote, target.open("wb") as local:
            while chunk := remote.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                local.write(chunk)
        if size != entry.size:
            raise ChangedError
        return digest.hexdigest()

    def _patiently(self, work: Callable[[], _T]) -> _T:
        attempts = int(self.source.quirks.get("attempts", 3))
        wait = float(self.source.quirks.get("first_wait", 2))
        for attempt in range(1, attempts + 1):
            try:
                return work()
            except (FileNotFoundError, PermissionError, NotADirectoryError, ChangedError, HarvestError) as error:
                raise _told(self.source, error) from None
            except Exception as error:  # each library has errors of its own
                self.close()
                final = _is_refusal(error)
                if attempt == attempts or final:
                    raise _told(self.source, error, 1 if final else attempts) from None
            time.sleep(wait)
            wait *= 2
        raise AssertionError("not reached")

    def _connected(self) -> Any:
        if self._fs is None:
            try:
                self._fs = {"sftp": self._sftp, "ftp": self._ftp, "s3": self._s3}[self.protocol]()
            except ImportError as error:
                raise HarvestError(f"{error.name} is not installed: pip install -e '.[remote]'", False) from None
        return self._fs

    def _sftp(self) -> Any:
        import paramiko
        from fsspec.implementations.sftp import SFTPFileSystem

        check_resolved(self.host, self.source)
        wanted, address = self.source.quirks.get("host_key", ""), self.source.address

        class Pinned(paramiko.MissingHostKeyPolicy):
            def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
                shown = "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
                if shown != wanted:
                    raise HarvestError(
                        f"{address} shows the key {shown}, not that of the row; ask the member whether it "
                        "changed, and then correct host_key in quirks",
                        resumable=False,
                    )

        login: dict[str, Any] = {"username": self._login.get("user"), "password": self._login.get("password")}
        if key := self._login.get("private_key"):
            login["pkey"] = _private_key(key, self._login.get("passphrase"))
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(Pinned())
        client.connect(
            self.host, port=self.port or 22, look_for_keys=False, allow_agent=False,
            timeout=TIMEOUT, banner_timeout=TIMEOUT, auth_timeout=TIMEOUT, **login,
        )  # fmt: skip

        class Connected(SFTPFileSystem):  # it would trust any key
            cachable = False

            def _connect(self) -> None:
                self.client, self.ftp = client, client.open_sftp()
                self.ftp.get_channel().settimeout(TIMEOUT)

        return Connected(self.host)

    def _ftp(self) -> Any:
        from fsspec.implementations.ftp import FTPFileSystem

        check_resolved(self.host, self.source)
        context = tls.Context(self.source) if self.secure else None

        class Connected(FTPFileSystem):  # it would trust any certificate
            def _connect(self) -> None:
                self.ftp = _SecureFTP(timeout=TIMEOUT, context=context) if context else FTP(timeout=TIMEOUT)
                self.ftp.connect(self.host, self.port)
                self.ftp.login(*self.cred)
                if isinstance(self.ftp, FTP_TLS):
                    self.ftp.prot_p()

        return Connected(
            self.host, port=self.port or 21, username=self._login.get("user") or "anonymous",
            password=self._login.get("password") or "", skip_instance_cache=True, use_listings_cache=False,
        )  # fmt: skip

    def _s3(self) -> Any:
        from s3fs import S3FileSystem

        endpoint, login = self.source.quirks.get("endpoint"), self._login
        if endpoint:
            check_resolved(urlsplit(endpoint).hostname or "", self.source)
        return S3FileSystem(
            key=login.get("user"), secret=login.get("password"), anon=not login, endpoint_url=endpoint,
            client_kwargs={"region_name": self.source.quirks.get("region", "us-east-1")},
            config_kwargs={"connect_timeout": TIMEOUT, "read_timeout": TIMEOUT, "retries": {"max_attempts": 2}},
            skip_instance_cache=True, use_listings_cache=False,
        )  # fmt: skip


class _SecureFTP(FTP_TLS):
    """FTP over TLS whose connections for data go on with the session, as many servers demand."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        connection, size = FTP.ntransfercmd(self, cmd, rest)
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return self.context.wrap_socket(connection, server_hostname=self.host, session=session), size


def _private_key(text: str, passphrase: str | None) -> Any:
    """The key for paramiko, which reads half of the ECDSA keys that OpenSSH writes, and none in PKCS #8."""
    import paramiko
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as form

    content = text.replace("\\n", "\n").strip().encode() + b"\n"
    kinds = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    formats = (form.PrivateFormat.OpenSSH, form.PrivateFormat.TraditionalOpenSSL)
    for load in (form.load_ssh_private_key, form.load_pem_private_key):
        for password in {passphrase, None}:
            with suppress(ValueError, TypeError, UnsupportedAlgorithm):
                key = load(content, password.encode() if password else None)
                for kind, written in product(kinds, formats):
                    with suppress(ValueError, paramiko.SSHException):
                        plain = key.private_bytes(form.Encoding.PEM, written, form.NoEncryption())
                        return kind.from_private_key(io.StringIO(plain.decode()))
    raise HarvestError("private_key is no Ed25519, ECDSA or RSA key in PEM, or its passphrase is wrong", False)


def _entry(info: dict[str, Any]) -> Entry:
    stamp = next((info[name] for name in ("ETag", "mtime", "modify", "LastModified") if info.get(name)), "")
    name = PurePosixPath(info["name"]).name
    return Entry(name, int(info.get("size") or 0), str(stamp))


def _is_refusal(error: Exception) -> bool:
    """Whether asking again would be refused again."""
    said = f"{type(error).__name__} {error}".lower()
    return any(word in said for word in ("authentic", "login", "530 ", "denied", "forbidden", "invalidaccesskey"))


def _told(source: Source, error: Exception, attempts: int = 1) -> Exception:
    """What a person can act on, in place of a library's error."""
    if isinstance(error, ChangedError | HarvestError):
        return error
    if isinstance(error, FileNotFoundError):
        return HarvestError(f"{source.address}: there is no such folder or file; correct the address", False)
    if _is_refusal(error) or isinstance(error, PermissionError):
        said = f"refuses us ({_said(error)}); ask the member for access, and check the credentials of the source"
        return HarvestError(f"{source.address}: {said}", resumable=False)
    asked = f"; asked {attempts} times" if attempts > 1 else ""
    return HarvestError(f"{source.address}: can't be read ({_said(error)}){asked}; the next run tries again")


def _said(error: Exception) -> str:
    return credentials.masked(f"{type(error).__name__}: {error}".splitlines()[0])[:200]


def arrivals(
    shelf: Shelf,
    known: frozenset[str],
    settle: float,
    scratch: Path,
    is_wanted: Callable[[str], bool],
    comes_last: Callable[[str], bool],
) -> Iterator[Path | tuple[str, str, bool]]:
    """The new files, one after the other, each removed when the next is asked for.

    What can't be fetched comes as name, why, and whether that is a fault.
    """
    first = sorted((one for one in shelf.listed() if is_wanted(one.name)), key=lambda one: comes_last(one.name))
    locked = {one.name.removesuffix(".lock") for one in first if one.name.endswith(".lock")}
    seen = shelf.seen()
    new = [one for one in first if seen.get(_mark(one)) not in known or _mark(one) not in seen]
    if new and settle:
        time.sleep(settle)
        after = set(shelf.listed())
    else:
        after = set(first)
    for entry in new:
        if entry not in after:
            yield entry.name, "changes in size or time; it is still being written", False
            continue
        if entry.name in locked:
            yield entry.name, "is locked by a file beside it; it is still being written", False
            continue
        if entry.size > shelf.source.max_megabytes * 1_000_000:
            yield entry.name, f"is larger than max_megabytes of the source ({shelf.source.max_megabytes})", True
            continue
        target = scratch / entry.name
        try:
            seen[_mark(entry)] = shelf.fetch(entry, target)
            yield target
        except ChangedError:
            yield entry.name, "changed while it was read; it is still being written", False
        finally:
            target.unlink(missing_ok=True)
    names = {_mark(one) for one in first}
    shelf.note({mark: digest for mark, digest in seen.items() if mark in names})


def _mark(entry: Entry) -> str:
    return f"{entry.name}|{entry.size}|{entry.stamp}"
