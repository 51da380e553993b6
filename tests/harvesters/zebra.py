"""Real servers of Debian for tests: Zebra with records of the test's own, and YAZ's test server, on free ports."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harvesters import zoom
from tests.consortium import free_port

PACKAGES = "apt-get install yaz idzebra-2.0 libyaz5"
TABLES = "/usr/share/idzebra-2.0/tab"
CONFIG = """
profilePath: {folder}:{tables}
modulePath: {modules}
recordType: grs.marcxml.demo
attset: bib1.att
encoding: utf-8
recordId: (bib1,Local-number)
storeData: 1
database: biblios
register: {folder}/register:1G
keyTmpDir: {folder}/tmp
lockDir: {folder}/lock
perm.anonymous: r
"""
ELEMENTS = """
name demo
attset bib1.att
esetname F @
esetname B @
marc {marc}.mar
{encoding}
xpath disable
all any
melm 001 Local-number:w,Local-number:n
melm 005 Date/time-last-modified:n:range(data,0,8)
melm 245 title
melm 200 title
"""
CQL = """
set.cql = info:srw/cql-context-set/1/cql-v1.1
set.rec = info:srw/cql-context-set/2/rec-1.1
set.dc = info:srw/cql-context-set/1/dc-v1.1
index.cql.serverChoice = 1=1016
index.cql.allRecords = 1=_ALLRECORDS 2=103
index.rec.id = 1=12 4=109
index.rec.lastModificationDate = 1=1012 4=109
index.dc.title = 1=4
relation.eq = 2=3
relation.scr = 2=3
relation.< = 2=1
relation.> = 2=5
relation.<= = 2=2
relation.>= = 2=4
relation.le = 2=2
relation.ge = 2=4
position.any = 3=3 6=1
structure.* =
"""
SERVER = """<yazgfs><server id="one">
<directory>{folder}</directory><config>{folder}/zebra.cfg</config><cql2rpn>{folder}/cql.properties</cql2rpn>
<retrievalinfo>
  <retrieval syntax="usmarc"/>
  <retrieval syntax="unimarc"/>
  <retrieval syntax="xml" name="marcxml" identifier="info:srw/schema/1/marcxml-v1.1">
    <backend syntax="xml" name="F"/>
  </retrieval>
  <retrieval syntax="xml"/>
</retrievalinfo>
</server></yazgfs>
"""


def need_servers() -> None:
    """Skip the test where the servers, or the library, are not installed."""
    missing = [name for name in ("zebraidx", "zebrasrv", "yaz-ztest") if shutil.which(name) is None]
    if missing or not zoom.is_there():
        pytest.skip(f"no {', '.join(missing) or 'libyaz'}: {PACKAGES}")


@contextmanager
def _running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, (folder / "server.log").read_text("utf-8", "replace")
            time.sleep(0.02)
        yield port
    finally:
        server.kill()  # over TLS it would first wait for the end of handshakes
        server.wait()


def iso2709(fields: list[tuple[str, str]], encoding: str = "utf-8") -> bytes:
    """A record of these fields, each as tag and value with indicators and subfield marks."""
    directory = body = b""
    for tag, value in fields:
        coded = value.encode(encoding) + b"\x1e"
        directory += f"{tag}{len(coded):04d}{len(body):05d}".encode()
        body += coded
    base = 24 + len(directory) + 1
    leader = f"{base + len(body) + 1:05d}nam a22{base:05d} a 4500".encode()
    return leader + directory + b"\x1e" + body + b"\x1d"


def marc(number: int, day: str) -> bytes:
    """A record of that control number, changed on that day."""
    return iso2709([("001", str(number)), ("005", f"{day}120000.0"), ("245", f"00\x1faBook {number}")])


def load(folder: Path, *files: Path, marc: str = "usmarc", encoding: str = "") -> None:
    """Make a Zebra database of ISO 2709 files in a folder, or add to the one that is there.

    `marc` is the syntax in which records are given; without `encoding` their bytes are left as they are.
    """
    fresh = not (folder / "zebra.cfg").exists()
    if fresh:
        modules = next(Path("/usr/lib").glob("*/idzebra-2.0/modules"))
        for name in ("register", "tmp", "lock"):
            (folder / name).mkdir(parents=True)
        shown = {"folder": folder, "tables": TABLES, "modules": modules}
        (folder / "zebra.cfg").write_text(CONFIG.format(**shown))
        told = {"marc": marc, "encoding": f"encoding {encoding}" if encoding else ""}
        if marc != "usmarc":
            (folder / f"{marc}.mar").write_text(f"name {marc}\nreference {marc.capitalize()}\n")
        (folder / "demo.abs").write_text(ELEMENTS.format(**told))
        (folder / "cql.properties").write_text(CQL)
        (folder / "server.xml").write_text(SERVER.format(**shown))
    for command in [["init"]] * fresh + [["update", str(file)] for file in files]:
        subprocess.run(["zebraidx", "-c", "zebra.cfg", *command], cwd=folder, check=True, capture_output=True)


@contextmanager
def zebra(folder: Path, certificate: Path | None = None) -> Iterator[int]:
    """The port of Zebra over a loaded folder: Z39.50 and SRU, database `biblios`; over TLS if certified."""
    port = free_port()
    secure = ["-C", str(certificate)] if certificate else []
    where = f"{'ssl' if secure else 'tcp'}:127.0.0.1:{port}"
    with _running(["zebrasrv", *secure, "-f", "server.xml", where], port, folder):
        yield port


@contextmanager
def ztest(folder: Path) -> Iterator[int]:
    """The port of YAZ's test server, whose database is `Default`."""
    port = free_port()
    with _running(["yaz-ztest", f"tcp:127.0.0.1:{port}"], port, folder):
        yield port
