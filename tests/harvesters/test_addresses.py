"""No address and no redirect turns the harvester on machines behind its own firewall."""

import pytest

from harvesters import addresses
from harvesters.harvest import harvest
from harvesters.private import is_private
from harvesters.registry import Source
from tests.harvesters.hostile_oai import Provider, identifiers, instead, serving, source_at

pytestmark = pytest.mark.usefixtures("lake_home")

PRIVATE = """127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 0.0.0.0 localhost LOCALHOST. a.localhost
    printer.local 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1
    224.0.0.1 255.255.255.255 ::1 [::1] fe80::1%eth0
    fd00::1 ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1:: ff02::1 metadata.google.internal""".split()
PUBLIC = "202.112.0.1 8.8.8.8 2001:da8::1 opac.example.edu.cn localhost.example 1.2.3.4.example 300.1.1.1".split()


@pytest.mark.parametrize("host", PRIVATE)
def test_private_hosts_are_known_however_they_are_written(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize("host", PUBLIC)
def test_public_hosts_are_not(host: str) -> None:
    assert not is_private(host)


def unallowed(address: str) -> Source:
    """A row that does not allow private hosts, past the registry's own check."""
    return source_at(address).model_copy(update={"quirks": {"first_wait": "0.01", "attempts": "2"}})


def test_a_row_with_a_private_address_says_so_or_is_refused() -> None:
    with pytest.raises(ValueError, match="allow_private=yes"):
        source_at("http://127.0.0.1/oai", quirks={"allow_private": "no"})


def test_a_private_address_is_not_asked() -> None:
    provider = Provider()
    with serving(provider) as address:
        outcome = harvest(unallowed(address), "run")
    assert outcome.verdict == "failed" and "allow_private=yes" in outcome.reason and not provider.queries


def test_a_name_is_judged_by_the_address_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider()
    with serving(provider) as address:
        monkeypatch.setattr(addresses, "is_private", lambda host: host == "127.0.0.1")
        outcome = harvest(unallowed(address.replace("127.0.0.1", "localhost")), "run")
    assert outcome.verdict == "failed" and "allow_private=yes" in outcome.reason and not provider.queries


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://169.254.169.254/latest/meta-data", "allow_private=yes"),
        ("http://[::1]/oai", "allow_private=yes"),
        ("file:///etc/hostname", "can't be asked"),
        ("ftp://example.org/oai", "can't be asked"),
    ],
)
def test_redirects_are_checked_at_each_hop(location: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_private", lambda host: host != "127.0.0.1" and is_private(host))
    provider = Provider(identify_fault=instead(302, Location=location))
    with serving(provider) as address:
        outcome = harvest(unallowed(address), "run")
    assert outcome.verdict == "failed" and said in outcome.reason and len(provider.queries) == 1


def test_a_redirect_to_an_allowed_address_is_followed() -> None:
    with serving(Provider(records=10)) as address:
        moved = Provider(identify_fault=instead(301, Location=f"{address}?verb=Identify"))
        moved.faults = {0: instead(302, Location=f"{address}?verb=ListRecords&metadataPrefix=marcxml")}
        with serving(moved) as old:
            outcome = harvest(source_at(old), "run")
    assert outcome.verdict == "complete" and identifiers() == list(range(10)) and len(moved.queries) == 2


@pytest.mark.parametrize("rest", ["?verb=Identify", "?verb=Identify&from=/x#top"])
def test_a_redirect_to_a_host_without_a_path_is_followed(rest: str) -> None:
    with serving(Provider(records=10)) as address:
        host = address.removesuffix("/oai")
        moved = Provider(identify_fault=instead(301, Location=host + rest))
        moved.faults = {0: instead(302, Location=f"{host}?verb=ListRecords&metadataPrefix=marcxml#top")}
        with serving(moved) as old:
            outcome = harvest(source_at(old), "run")
    assert outcome.verdict == "complete" and identifiers() == list(range(10)), outcome.reason
