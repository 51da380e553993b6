"""Harvesting over OAI-PMH from hostile providers: all arrives, or the verdict says what is missing."""

from collections.abc import Callable

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import (
    BOMB,
    HTML,
    QUIET_DOCTYPE,
    Answer,
    Provider,
    check,
    cut,
    cut_body,
    gzip_cut,
    gzip_lie,
    hang,
    identifiers,
    instead,
    replace,
    reset,
    serving,
    source_at,
)
from warehouse import lake
from warehouse.outcome import recorded

pytestmark = pytest.mark.usefixtures("lake_home")


PASSING = {
    "cut XML": cut,
    "cut body": cut_body,
    "HTML": instead(body=HTML),
    "empty": instead(),
    "blank": instead(body=b"\n \n"),
    "control character": replace(b"<leader>", b"<leader>\x0b"),
    "Latin-1 bytes": replace(b"<leader>", b"<leader>M\xfcller"),
    "503": instead(503),
    "503 with seconds": instead(503, Retry_After="0"),
    "503 with an odd Retry-After": instead(503, Retry_After="soon"),
    "429": instead(429, Retry_After="0"),
    "500": instead(500, HTML),
    "502": instead(502),
    "reset": reset,
    "hang": hang,
    "cut gzip": gzip_cut,
    "no gzip though announced": gzip_lie,
    "wrong namespace": replace(b"OAI/2.0/", b"OAI/1.1/"),
    "another root": instead(body=b"<?xml version='1.0'?><rss/>"),
    "root of another name": replace(b"OAI-PMH", b"OAI-PMX", 2),
    "another verb": replace(b"ListRecords>", b"ListIdentifiers>", 2),
    "entity bomb": instead(body=BOMB),
}


@pytest.mark.parametrize("request_no", [1, 2, 3])
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_costs_no_record(fault: Callable[[Answer], Answer], request_no: int) -> None:
    with serving(Provider(faults={request_no: fault})) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "complete", outcome.reason
    check(outcome, 25)


MENDED = ("control character", "Latin-1 bytes")  # these stay with the page: tests/harvesters/test_oai_damaged.py
STAYING = {
    **{name: fault for name, fault in PASSING.items() if name not in MENDED},
    "document type": replace(b"<OAI-PMH ", QUIET_DOCTYPE),
    "403": instead(403),
    "404": instead(404),
}


@pytest.mark.parametrize("fault", STAYING.values(), ids=STAYING)
def test_a_fault_that_stays_is_told_and_the_next_harvest_goes_on(fault: Callable[[Answer], Answer]) -> None:
    provider = Provider(faults=dict.fromkeys(range(2, 50), fault))
    with serving(provider) as address:
        source = source_at(address, quirks={"attempts": "2", "read_timeout": "0.2"})
        outcome = harvest(source, "run-1")
        assert outcome.verdict == "partial" and outcome.received == 0 and not lake.raw_batches("demo")
        assert "127.0.0.1" in outcome.reason and "10 records on 1 pages are kept" in outcome.reason
        provider.faults, before = {}, len(provider.lists)
        again = harvest(source, "run-2")
    assert (again.verdict, identifiers()) == ("complete", list(range(25)))
    assert [query["resumptionToken"] for query in provider.lists[before:]] == ["start=10", "start=20"]
    assert [o.verdict for o in recorded("harvest", "demo")] == ["partial", "complete"]
    assert {row["batch_id"] for row in landing.manifest("demo", again.batch_id)} == {again.batch_id}


_PLACES = [("ListRecords", name) for name in STAYING] + [
    ("Identify", name)
    for name, fault in STAYING.items()
    if fault(Provider().identify()) != Provider().identify()  # some have nothing there to spoil
]


@pytest.mark.parametrize(("at", "name"), _PLACES)
def test_a_source_that_never_answers_rightly_fails(at: str, name: str) -> None:
    fault = STAYING[name]
    provider = Provider(faults={0: fault}) if at == "ListRecords" else Provider(identify_fault=fault)
    with serving(provider) as address:
        source = source_at(address, quirks={"attempts": "2", "read_timeout": "0.2"})
        outcome = harvest(source, "run")
    assert outcome.verdict == "failed" and "127.0.0.1" in outcome.reason
    assert not lake.raw_batches("demo") and not landing.in_progress("demo")
