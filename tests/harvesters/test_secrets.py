"""Secrets planted wherever they can come from are in nothing that a harvest leaves: lake, outcomes, logs."""

import base64
import csv
import gzip
import json
import logging
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import pyarrow.parquet as pq
import pytest

from harvesters import credentials
from harvesters.compressed import open_kept
from harvesters.harvest import PROTOCOLS, harvest
from harvesters.registry import Source
from operations import pipeline
from tests.harvesters import file_servers
from tests.harvesters.http_server import http_server
from tests.harvesters.test_sru import Fake
from tests.harvesters.test_sushi import report
from tests.harvesters.zebra import marc
from transforms.stage import stage
from warehouse import engine, lake

SECRET = "hunter2/Zx+9 &secret"
RECORD = b"00034nam a2200025 a 4500\x1e\x1d"
SPELLINGS = {
    SECRET,
    quote(SECRET),
    quote(SECRET, safe=""),
    quote(SECRET).replace("%20", "+"),
    json.dumps(SECRET)[1:-1],
}
SPELLINGS |= {base64.b64encode(f"whu:{SECRET}".encode()).decode()}
QUICK = {"allow_private": "yes", "attempts": "1", "first_wait": "0.01"}


def left_behind(home: Path, log: Path) -> dict[str, str]:
    """Every text that is to be searched, by where it stands; compression taken off."""
    found = {"log": log.read_text("utf-8", "replace")}
    for path in home.rglob("*"):
        if path.is_file():
            found[str(path)] = path.read_bytes().decode("utf-8", "replace")
            if path.suffix in OPENED:
                found[f"{path} opened"] = OPENED[path.suffix](path)
    return found


def _unpacked(path: Path) -> str:
    with open_kept(path) as kept:
        return kept.read().decode("utf-8", "replace")


def _tables(path: Path) -> str:
    with engine.connect(path, read_only=True) as con:
        names = con.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
        return str([con.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall() for schema, name in names])


def _members(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return "".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


OPENED = {
    ".zst": _unpacked,
    ".parquet": lambda path: str(pq.read_table(path).to_pydict()),
    ".duckdb": _tables,
    ".zip": _members,
    ".xlsx": _members,
    ".gz": lambda path: gzip.decompress(path.read_bytes()).decode("utf-8", "replace"),
}


def spellings_in(texts: dict[str, str]) -> dict[str, str]:
    """Where the secret stands, and how it is written there."""
    return {where: spelling for where, text in texts.items() for spelling in SPELLINGS if spelling in text}


class Echo(BaseHTTPRequestHandler):
    """Answers each protocol of the web, rightly below /good; else refuses and quotes all that was sent."""

    def do_GET(self) -> None:
        good = self.path.startswith("/good")
        quoted = escape(f"{SECRET} {self.headers.get('Authorization')} {self.path}")
        content = Fake().diagnostic("10", "Query syntax error", quoted)  # which others than SRU read as any page
        if good and "r51" in self.path:
            content = json.dumps(report("TR", "2025-01")).encode()
        elif good:
            content = Fake(size=3).answer({"query": "", "startRecord": "1", "maximumRecords": "10"})
        self.send_response(200 if good else 400)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    with http_server(Echo) as address:
        yield address.removeprefix("http://")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Everything that any library logs, down to debugging, but for the compiler, which writes a book."""
    logging.getLogger("numba").setLevel(logging.INFO)
    handler = logging.FileHandler(tmp_path / "all.log", encoding="utf-8")
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield tmp_path / "all.log"
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()


def rows(name: str, web: str, folder: Path, stack: ExitStack) -> list[dict[str, Any]]:
    """A row that goes well and one that fails, where the protocol asks somebody at all."""
    if name in file_servers_of:
        given = stack.enter_context(file_servers_of[name](folder))
        given.pop("upload", lambda: None)()
        bad = given | {"address": given["address"].rstrip("/") + "/nothing"}
        return [given, bad, given | {"quirks": given["quirks"] | {"wrong_login": "yes"}}]
    if name == "folder":
        return [{"address": str(folder)}, {"address": str(folder / "nothing")}]
    if name == "z3950":
        return [{"address": f"z3950://{web}/db", "metadata_prefix": "usmarc", "quirks": {"read_timeout": "1"}}]
    prefix = {"sushi": "TR"}.get(name, "marcxml")
    more = {"quirks": {"begin": "2025-01"}, "format": "counter"} if name == "sushi" else {}
    return [{"address": f"http://{web}/{way}", "metadata_prefix": prefix, **more} for way in ("good", "bad")]


file_servers_of = {"sftp": file_servers.sftp, "ftp": file_servers.ftp, "s3": file_servers.s3}


@pytest.mark.parametrize("place", ["environment", "connection"])
@pytest.mark.parametrize("name", PROTOCOLS)
def test_no_secret_is_left_behind(
    name: str, place: str, web: str, log: Path, tmp_path: Path, lake_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_servers, "PASSWORD", SECRET)
    given = {"user": "whu", "password": SECRET, "api_key": SECRET, "customer_id": "whu"}
    if place == "environment":
        monkeypatch.setenv(credentials.variable("demo"), json.dumps(given))
    else:
        extra = {"api_key": SECRET, "customer_id": "whu"}
        connection = {"conn_type": "generic", "login": "whu", "password": SECRET, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_WHU", json.dumps(connection))
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.mrc").write_bytes(RECORD)
    verdicts = []
    with ExitStack() as stack:
        for row in rows(name, web, folder, stack):
            quirks = row.pop("quirks", {})
            wrong = quirks.pop("wrong_login", "") if "wrong_login" in quirks else ""
            quirks = QUICK | quirks | ({"connection": "whu"} if place == "connection" else {})
            if name in ("folder",):
                quirks.pop("attempts"), quirks.pop("first_wait")
            if name in file_servers_of:
                quirks["settle"] = "0"
            if wrong:
                monkeypatch.setattr(file_servers, "PASSWORD", "other")
            row = {"source_id": "demo", "member_code": "demo", "protocol": name} | row | {"quirks": quirks}
            source = Source.model_validate(row)
            outcome = harvest(source, "run", full=True)
            verdicts.append(outcome.verdict)
            stage(source, "run")
            logging.getLogger("demo").error("as a library would: %s", {"key": SECRET})
            try:
                raise ValueError(f"https://demo.example/?api_key={quote(SECRET)}")
            except ValueError:
                logging.getLogger("demo").exception("unforeseen")
    texts = left_behind(lake.home(), log)
    assert len(texts) > 2 and verdicts
    needs_login = name != "folder"
    if needs_login:
        assert not spellings_in(texts)
    if name not in ("oai", "z3950", "folder"):
        assert verdicts[0] == "complete" and "failed" in verdicts[1:], verdicts


def test_no_secret_is_in_what_is_published(
    web: str, log: Path, tmp_path: Path, lake_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the published file, the pages or the packages, though servers quote what they were sent."""
    monkeypatch.setattr(file_servers, "PASSWORD", SECRET)
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.mrc").write_bytes(b"".join(marc(number, "20200101") for number in range(1, 21)))
    lake.registry().mkdir(parents=True)
    (lake.registry() / "members.csv").write_text(
        "code,name_zh,name_en,kind,province,valid_from\nwhu,武汉大学,Wuhan,undergraduate,42,2000-01-01\n", "utf-8"
    )
    with ExitStack() as stack:
        given = [
            {"source_id": f"whu-{name}-{number}", "protocol": name} | row
            for name in ("sru", "sushi", "sftp")
            for number, row in enumerate(rows(name, web, folder, stack)[:2])
        ]
        for row in given:
            quirks = QUICK | row.get("quirks", {}) | ({"settle": "0"} if row["protocol"] == "sftp" else {})
            row |= {"member_code": "whu", "quirks": ";".join(f"{name}={value}" for name, value in quirks.items())}
            row |= {"format": "counter"} if row["protocol"] == "sushi" else {}
            login = {"user": "whu", "password": SECRET, "api_key": SECRET, "customer_id": "whu"}
            monkeypatch.setenv(credentials.variable(row["source_id"]), json.dumps(login))
        columns = ["source_id", "member_code", "protocol", "address", "metadata_prefix", "format", "quirks"]
        with (lake.registry() / "sources.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(given)
        told = pipeline.run([], "run")
    assert [one.split(":")[0] for one in told if one.startswith("harvest ")] == [
        "harvest whu-sru-1", "harvest whu-sushi-1", "harvest whu-sftp-1"
    ], told  # fmt: skip
    texts = left_behind(lake.home(), log)
    assert lake.published_database().exists() and list(lake.site().rglob("*.html"))
    assert any(where.endswith("whu.zip opened") for where in texts)
    assert not spellings_in(texts)
    assert any(credentials.HIDDEN in text for where, text in texts.items() if where.endswith(".duckdb opened"))


def test_a_missing_connection_is_told(lake_home: Path) -> None:
    row = {"source_id": "demo", "member_code": "demo", "protocol": "sru", "address": "http://lib.example.edu/"}
    outcome = harvest(Source.model_validate(row | {"quirks": "connection=nobody"}), "run")
    assert outcome.verdict == "failed" and "'nobody'" in outcome.reason and "add it in Airflow" in outcome.reason
