"""Harvesting files from real SFTP, FTP and S3 servers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harvesters import credentials, landing, remote
from harvesters.harvest import harvest
from harvesters.registry import Source
from tests.harvesters import file_servers
from warehouse import lake

RECORD = b"00034nam a2200025 a 4500\x1e\x1d"
SERVERS = {"sftp": file_servers.sftp, "ftp": file_servers.ftp, "s3": file_servers.s3}


class Served:
    """A folder that a server serves, and the row of the source for it."""

    def __init__(self, folder: Path, given: dict[str, Any]):
        self.folder, self.given = folder, dict(given)
        self.upload: Callable[[], None] = self.given.pop("upload", lambda: None)

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)
        self.upload()

    def source(self, **changes: Any) -> Source:
        quirks = {"allow_private": "yes", "settle": "0", "attempts": "2", "first_wait": "0.01"}
        quirks |= self.given["quirks"] | changes.pop("quirks", {})
        row = {"source_id": "demo", "member_code": "demo"} | self.given | changes
        return Source.model_validate(row | {"quirks": quirks})


@pytest.fixture(params=SERVERS)
def served(
    request: pytest.FixtureRequest, tmp_path: Path, lake_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    monkeypatch.setenv(credentials.variable("demo"), f"{file_servers.USER}:{file_servers.PASSWORD}")
    folder = tmp_path / "export"
    folder.mkdir()
    with SERVERS[request.param](folder) as given:
        yield Served(folder, given)


def landed() -> dict[str, int]:
    batch_id = lake.raw_batches("demo")[-1]
    return {row["file"]: row["received"] for row in landing.manifest("demo", batch_id)}


def test_new_files_come_once_whatever_their_name(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.put("a.mrc", RECORD * 3)
    served.put("b.mrc.part", RECORD)
    served.put("empty.mrc", b"")
    outcome = harvest(served.source(), "run-1")
    assert (outcome.verdict, outcome.received) == ("complete", 3), outcome.reason
    assert landed() == {"a.mrc": 3}
    with landing.open_raw("demo", outcome.batch_id, "a.mrc") as kept:
        assert kept.read() == RECORD * 3
    fetched: list[str] = []
    fetch = remote.Shelf.fetch

    def noted(self: remote.Shelf, entry: remote.Entry, target: Path) -> str:
        fetched.append(entry.name)
        return fetch(self, entry, target)

    monkeypatch.setattr(remote.Shelf, "fetch", noted)
    assert harvest(served.source(), "run-2").verdict == "unchanged" and "a.mrc" not in fetched
    served.put("renamed.mrc", RECORD * 3)
    assert harvest(served.source(), "run-3").verdict == "unchanged" and "renamed.mrc" in fetched
    served.put("c.mrc", RECORD * 2)
    fetched.clear()
    assert harvest(served.source(), "run-4").received == 2
    assert "c.mrc" in fetched and "renamed.mrc" not in fetched
    full = harvest(served.source(), "run-5", full=True)
    assert full.received == 5 and landing.batch("demo", full.batch_id).full
    assert not (lake.raw_batch("demo", "any").parent / ".fetched").exists()


def test_only_the_files_that_the_row_names(served: Served) -> None:
    served.put("a.mrc", RECORD)
    served.put("readme.txt", b"hello")
    assert harvest(served.source(quirks={"files": "*.mrc *.xml"}), "run").received == 1 and landed() == {
        "a.mrc": 1
    }


def test_a_file_that_grows_is_left_alone(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.put("a.mrc", RECORD)
    served.put("b.mrc", RECORD)
    grown = SimpleNamespace(sleep=lambda seconds: served.put("b.mrc", RECORD * 2))
    monkeypatch.setattr(remote, "time", grown)  # the module's own, for other threads sleep meanwhile
    outcome = harvest(served.source(quirks={"settle": "7"}), "run")
    assert (outcome.verdict, landed()) == ("complete", {"a.mrc": 1}), outcome.reason


def test_a_wrong_password_is_told_and_not_shown(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    if served.given["protocol"] == "s3":
        pytest.skip("moto, which stands for S3 here, checks no signature; only a real one can refuse a key")
    monkeypatch.setenv(credentials.variable("demo"), f"{file_servers.USER}:wr0ng-password")
    outcome = harvest(served.source(), "run")
    assert outcome.verdict == "failed" and "ask the member for access" in outcome.reason
    assert "wr0ng" not in outcome.reason


def test_no_such_folder(served: Served) -> None:
    outcome = harvest(served.source(address=served.given["address"].rstrip("/") + "/nothing"), "run")
    assert outcome.verdict in ("failed", "unchanged") and "nothing" in outcome.reason, outcome.reason
    if served.given["protocol"] != "s3":
        assert "no such folder" in outcome.reason


def test_a_server_that_is_gone(served: Served) -> None:
    gone = {"address": f"{served.given['protocol']}://127.0.0.1:1/x"}
    if served.given["protocol"] == "s3":
        gone = {"quirks": {"endpoint": "http://127.0.0.1:1"}}
    outcome = harvest(served.source(**gone), "run")
    assert outcome.verdict == "failed" and "asked 2 times" in outcome.reason, outcome.reason


def test_another_host_key_is_refused(tmp_path: Path, lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(credentials.variable("demo"), f"{file_servers.USER}:{file_servers.PASSWORD}")
    with file_servers.sftp(tmp_path) as given:
        wrong = Served(tmp_path, given).source(quirks={"host_key": "SHA256:" + "A" * 43})
        outcome = harvest(wrong, "run")
    assert outcome.verdict == "failed" and given["quirks"]["host_key"] in outcome.reason, outcome.reason


def test_private_addresses_need_the_row(served: Served) -> None:
    row = served.source()
    closed = row.model_copy(update={"quirks": row.quirks | {"allow_private": "no"}})
    outcome = harvest(closed, "run")
    assert outcome.verdict == "failed" and "allow_private=yes" in outcome.reason
