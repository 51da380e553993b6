"""Secrets planted wherever they can come from are in nothing that a harvest leaves: lake, outcomes, logs."""

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from harvesters import credentials
from harvesters.compressed import open_kept
from harvesters.harvest import PROTOCOLS, harvest
from harvesters.registry import Source
from tests.harvesters import file_servers
from tests.harvesters.test_sru import Fake
from tests.harvesters.test_sushi import report
from transforms.stage import stage
from warehouse import lake

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
            if path.suffix == ".zst":
                with open_kept(path) as kept:
                    found[f"{path} opened"] = kept.read().decode("utf-8", "replace")
            if path.suffix == ".parquet":
                found[f"{path} read"] = str(pq.read_table(path).to_pydict())
    return found


class Echo(BaseHTTPRequestHandler):
    """Answers each protocol of the web, rightly below /good; else refuses and quotes all that was sent."""

    def do_GET(self) -> None:
        good = self.path.startswith("/good")
        quoted = f"{self.path} {self.headers} {SECRET}".encode()
        content = quoted
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
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Everything that any library logs, down to debugging."""
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
        found = {where: spelling for where, text in texts.items() for spelling in SPELLINGS if spelling in text}
        assert not found
    if name not in ("oai", "z3950", "folder"):
        assert verdicts[0] == "complete" and "failed" in verdicts[1:], verdicts


def test_a_missing_connection_is_told(lake_home: Path) -> None:
    row = {"source_id": "demo", "member_code": "demo", "protocol": "sru", "address": "http://lib.example.edu/"}
    outcome = harvest(Source.model_validate(row | {"quirks": "connection=nobody"}), "run")
    assert outcome.verdict == "failed" and "'nobody'" in outcome.reason and "add it in Airflow" in outcome.reason
