"""Servers over TLS and SSH: who is not known is refused before anything is sent, and staff are told what to do."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harvesters import credentials
from harvesters.harvest import harvest
from harvesters.registry import Source
from tests.harvesters import certificates, file_servers, zebra
from tests.harvesters.hostile_oai import Provider, serving
from warehouse import lake
from warehouse.outcome import Outcome

RECORD = b"00034nam a2200025 a 4500\x1e\x1d"
Served = Callable[[Path, Path | None], Any]


@contextmanager
def ftps(folder: Path, certificate: Path | None) -> Iterator[dict[str, Any]]:
    (folder / "a.mrc").write_bytes(RECORD * 3)
    with file_servers.ftp(folder, certificate) as given:
        yield given


@contextmanager
def https(folder: Path, certificate: Path | None) -> Iterator[dict[str, Any]]:
    with serving(Provider(records=3), certificate) as address:
        yield {"protocol": "oai", "address": address, "metadata_prefix": "marcxml"}


@contextmanager
def z3950s(folder: Path, certificate: Path | None) -> Iterator[dict[str, Any]]:
    zebra.need_servers()
    (folder / "made.mrc").write_bytes(b"".join(zebra.marc(n, "20200101") for n in (1, 2, 3)))
    zebra.load(folder, folder / "made.mrc")
    with zebra.zebra(folder, certificate) as port:
        scheme = "z3950s" if certificate else "z3950"
        address = f"{scheme}://127.0.0.1:{port}/biblios"
        yield {"protocol": "z3950", "address": address, "metadata_prefix": "usmarc"}


SERVERS: dict[str, Served] = {"ftps": ftps, "https": https, "z3950s": z3950s}
pytestmark = pytest.mark.usefixtures("lake_home")


def harvested(given: dict[str, Any], **quirks: str) -> Outcome:
    quick = (
        {"allow_private": "yes", "attempts": "1"}
        | ({"settle": "0"} if given["protocol"] in ("ftp", "sftp") else {})
        | given.get("quirks", {})
    )
    row = {"source_id": "demo", "member_code": "demo"} | given
    return harvest(Source.model_validate(row | {"quirks": quick | quirks}), "run")


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(credentials.variable("demo"), f"{file_servers.USER}:{file_servers.PASSWORD}")


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("serve", SERVERS.values(), ids=SERVERS)
def test_a_known_certificate_lets_records_come_and_no_other_does(
    serve: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    own = certificates.made(tmp_path)
    with serve(folder, own.file) as given:
        unknown = harvested(given)
        assert unknown.verdict == "failed" and "not to be trusted" in unknown.reason, unknown.reason
        assert "ask the member" in unknown.reason and "certificate=" in unknown.reason
        changed = harvested(given, certificate="AB:" * 31 + "AB")
        assert changed.verdict == "failed" and "certificate" in changed.reason, changed.reason
        assert "asked" not in changed.reason and not lake.raw_batches("demo")
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, str(own.authority))
        signed = harvested(given)
        assert (signed.verdict, signed.received) == ("complete", 3), signed.reason
        monkeypatch.delenv("SSL_CERT_FILE")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        named = harvested(given, certificate=own.fingerprint)
        assert named.verdict in ("complete", "unchanged"), named.reason


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize(
    ("wrong", "said"), [({"address": "127.0.0.9"}, "match"), ({"days": -1}, "expired")], ids=["name", "expired"]
)
@pytest.mark.parametrize("serve", SERVERS.values(), ids=SERVERS)
def test_a_certificate_of_a_known_authority_must_be_of_the_server_and_valid(
    serve: Served, wrong: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    own = certificates.made(tmp_path, **wrong)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(own.authority))
    with serve(folder, own.file) as given:
        outcome = harvested(given)
    assert outcome.verdict == "failed" and "not to be trusted" in outcome.reason, outcome.reason
    assert said in outcome.reason


@pytest.mark.usefixtures("login")
@pytest.mark.parametrize("serve", SERVERS.values(), ids=SERVERS)
def test_a_server_without_tls_is_never_spoken_to_in_the_clear(serve: Served, tmp_path: Path) -> None:
    with serve(tmp_path, None) as given:
        scheme, rest = given["address"].split(":", 1)
        secure = harvested(given | {"address": f"{scheme}s:{rest}"})
        assert secure.verdict == "failed" and not lake.raw_batches("demo"), secure.reason
        assert harvested(given).verdict == "complete"


KINDS = {
    "Ed25519": ("ssh-ed25519", {}, None),
    "Ed25519 with a passphrase": ("ssh-ed25519", {}, "correct horse"),
    "ECDSA": ("ecdsa-sha2-nistp256", {}, None),
    "RSA": ("ssh-rsa", {"key_size": 2048}, None),
}


@pytest.mark.parametrize(("algorithm", "more", "passphrase"), KINDS.values(), ids=KINDS)
def test_sftp_with_a_private_key(
    algorithm: str, more: dict[str, Any], passphrase: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncssh = pytest.importorskip("asyncssh", reason="no asyncssh: pip install -e '.[dev]'")
    key = asyncssh.generate_private_key(algorithm, **more)
    (tmp_path / "a.mrc").write_bytes(RECORD)
    text = key.export_private_key("openssh", passphrase).decode()
    given = {"user": file_servers.USER, "private_key": text} | ({"passphrase": passphrase} if passphrase else {})
    monkeypatch.setenv(credentials.variable("demo"), json.dumps(given))
    with file_servers.sftp(tmp_path, key.export_public_key().decode()) as served:
        outcome = harvested(served, settle="0")
        assert (outcome.verdict, outcome.received) == ("complete", 1), outcome.reason
        other = asyncssh.generate_private_key(algorithm, **more).export_private_key("openssh").decode()
        monkeypatch.setenv(credentials.variable("demo"), json.dumps(given | {"private_key": other}))
        refused = harvested(served, settle="0")
    assert refused.verdict == "failed" and "ask the member for access" in refused.reason, refused.reason
