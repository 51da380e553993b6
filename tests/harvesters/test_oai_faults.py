"""Harvesting over OAI-PMH from hostile providers: all arrives, or the verdict says what is missing."""

import re
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
    gzipped,
    hang,
    identifiers,
    instead,
    replace,
    reset,
    serving,
    source_at,
    with_header,
)
from warehouse import lake
from warehouse.outcome import recorded

pytestmark = pytest.mark.usefixtures("lake_home")


SLOW = ("hang", "a byte now and then", "a byte of the head now and then")


def hurried(name: str) -> dict[str, str]:
    """Quirks for a fault that only a short time-out ends; all others wait as long as a busy machine may need."""
    return {"read_timeout": "0.8", "page_timeout": "1"} if name in SLOW else {}


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
    "cut chunks": with_header(Transfer_Encoding="chunked", X_Cut="yes"),
    "a byte now and then": with_header(X_Drip="yes"),
    "a byte of the head now and then": with_header(X_Drip="head"),
}


@pytest.mark.parametrize("request_no", [1, 2, 3])
@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_costs_no_record(name: str, request_no: int) -> None:
    with serving(Provider(faults={request_no: PASSING[name]})) as address:
        outcome = harvest(source_at(address, quirks=hurried(name)), "run")
    assert outcome.verdict == "complete", outcome.reason
    check(outcome, 25)


MENDED = ("control character", "Latin-1 bytes")  # these stay with the page: tests/harvesters/test_oai_damaged.py
STAYING = {
    **{name: fault for name, fault in PASSING.items() if name not in MENDED},
    "document type": replace(b"<OAI-PMH ", QUIET_DOCTYPE),
    "403": instead(403),
    "404": instead(404),
}


@pytest.mark.parametrize("name", STAYING)
def test_a_fault_that_stays_is_told_and_the_next_harvest_goes_on(name: str) -> None:
    provider = Provider(faults=dict.fromkeys(range(2, 50), STAYING[name]))
    with serving(provider) as address:
        outcome = harvest(source_at(address, quirks={"attempts": "2"} | hurried(name)), "run-1")
        assert outcome.verdict == "partial" and outcome.received == 0 and not lake.raw_batches("demo")
        assert "127.0.0.1" in outcome.reason and "10 records on 1 pages are kept" in outcome.reason
        provider.faults, before = {}, len(provider.lists)
        again = harvest(source_at(address), "run-2")
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
        outcome = harvest(source_at(address, quirks={"attempts": "2"} | hurried(name)), "run")
    assert outcome.verdict == "failed" and "127.0.0.1" in outcome.reason
    assert not lake.raw_batches("demo") and not landing.in_progress("demo")


PLAIN = re.compile(
    rb"<(/?)(OAI-PMH|responseDate|request|ListRecords|record(?! x)|header|identifier|datestamp|metadata|Identify"
    rb"|repositoryName|baseURL|protocolVersion|adminEmail|earliestDatestamp|deletedRecord|granularity"
    rb"|resumptionToken)(?=[ >])"
)
SENT_OTHERWISE = {
    "chunked": with_header(Transfer_Encoding="chunked"),
    "gzip": gzipped,
    "another declared encoding": lambda a: (a[0], a[1], a[2].replace(b'"UTF-8"', b'"ISO-8859-1"')),
    "GB 18030": lambda a: (
        a[0], a[1], a[2].decode().replace("Demo", "示范").replace('"UTF-8"', '"GB18030"').encode("gb18030")
    ),
    "UTF-16": lambda a: (a[0], a[1], a[2].decode().replace('"UTF-8"', '"UTF-16"').encode("utf-16")),
    "byte order mark": lambda a: (a[0], a[1], b"\xef\xbb\xbf" + a[2]),
    "a prefix for all": lambda a: (a[0], a[1], PLAIN.sub(rb"<\1o:\2", a[2]).replace(b"xmlns=", b"xmlns:o=", 1)),
    "wrong content type": lambda a: (a[0], {"Content-Type": "text/html"}, a[2]),
    "comments and CDATA": lambda a: (
        a[0], a[1], a[2].replace(b"<header>", b"<!-- <x> --><header>").replace(
            b"<leader>", b"<leader><![CDATA[<p>]]>")
    ),
    "wrong datestamps": lambda a: (a[0], a[1], a[2].replace(b"2026-02-01T00:00:00Z", b"yesterday")),
    "records without metadata": lambda a: (
        a[0], a[1], re.sub(rb"<metadata>.*?</metadata>", b"", a[2], count=3, flags=re.DOTALL)
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", SENT_OTHERWISE.values(), ids=SENT_OTHERWISE)
def test_what_is_sent_otherwise_is_all_there(fault: Callable[[Answer], Answer]) -> None:
    with serving(Provider(faults={0: fault})) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 25), outcome.reason
    batch = landing.manifest("demo", outcome.batch_id)
    for row in batch:
        with landing.open_raw("demo", outcome.batch_id, row["file"]) as page:
            assert landing.count_records(page.read()) == row["received"]
