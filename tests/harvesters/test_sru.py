"""Harvesting over SRU: from Zebra with real records, and from a server that does wrong on purpose."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow.compute as pc
import pytest

from harvesters import landing
from harvesters.harvest import harvest
from harvesters.landing import count_records
from harvesters.registry import Source
from tests.harvesters.http_server import http_server
from transforms.stage import stage
from warehouse import lake

QUICK = {"allow_private": "yes", "attempts": "2", "first_wait": "0.01", "read_timeout": "5"}
NAMESPACES = {"1.2": "http://www.loc.gov/zing/srw/", "2.0": "http://docs.oasis-open.org/ns/search-ws/sruResponse"}


def source(address: str, **changes: object) -> Source:
    row = {"source_id": "demo", "member_code": "demo", "protocol": "sru", "address": address}
    quirks = QUICK | changes.pop("quirks", {})  # type: ignore[operator]
    return Source.model_validate(row | {"metadata_prefix": "marcxml"} | changes | {"quirks": quirks})


def numbers(batch_id: str = "") -> list[int]:
    """The control numbers that landed in a batch (the newest), in order."""
    batch_id = batch_id or lake.raw_batches("demo")[-1]
    found = []
    for row in landing.manifest("demo", batch_id):
        with landing.open_raw("demo", batch_id, row["file"]) as page:
            content = page.read()
        assert count_records(content) == row["received"]
        found += [int(n) for n in re.findall(rb"tag=\"001\"(?:>|&gt;)\s*(\d+)", content)]
    return found


class Fake:
    """An SRU server over records 1 … `size`, each changed on a day of its own; `wrong` does the answer over."""

    def __init__(self, size: int = 25, version: str = "1.2", **does: object):
        self.size, self.version, self.does = size, version, does
        self.asked: list[dict[str, str]] = []
        self.wrong: Callable[[dict[str, str], bytes], bytes] = lambda asked, answer: answer

    def answer(self, asked: dict[str, str]) -> bytes:
        found = [n for n in range(1, self.size + 1) if self.matches(n, asked["query"])]
        start, most = int(asked["startRecord"]), int(asked["maximumRecords"])
        if self.does.get("refuse_versions", "") and asked.get("version") in str(self.does["refuse_versions"]):
            return self.diagnostic("5", "Unsupported version", "1.1")
        most = min(most, int(str(self.does.get("page", 10_000))))
        reach = int(str(self.does.get("reach", 10**9)))
        if start > min(len(found), reach) and found:
            return self.diagnostic("61", "First record position out of range")
        records = "".join(
            self.record(n, p) for p, n in list(enumerate(found, 1))[start - 1 :][:most] if p <= reach
        )
        body = f"<version>1.2</version><numberOfRecords>{len(found)}</numberOfRecords>"
        return self.wrapped(body + (f"<records>{records}</records>" if records else ""))

    def matches(self, number: int, query: str) -> bool:
        day = f"2026-{1 + number // 28:02d}-{1 + number % 28:02d}"
        if self.does.get("undated") == number and "date" in query:
            return False
        rules = {">": lambda a, b: a > b, "<=": lambda a, b: a <= b}
        return all(rules[r](day, b) for r, b in re.findall(r'date (>|<=) "([^"]+)"', query))

    def record(self, number: int, position: int) -> str:
        marc = (
            '<record xmlns="http://www.loc.gov/MARC21/slim"><leader>00000nam a2200000 a 4500</leader>'
            f'<controlfield tag="001">{number}</controlfield><datafield tag="245" ind1="0" ind2="0">'
            f'<subfield code="a">Book {number}</subfield></datafield></record>'
        )
        if self.does.get("surrogate") == number:
            marc = (
                '<diagnostic xmlns="http://www.loc.gov/zing/srw/diagnostic/">'
                "<uri>info:srw/diagnostic/1/64</uri><message>Record temporarily unavailable</message></diagnostic>"
            )
        if self.does.get("string"):
            marc = marc.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        place = "" if self.does.get("no_positions") else f"<recordPosition>{position}</recordPosition>"
        return f"<record><recordSchema>marcxml</recordSchema><recordData>{marc}</recordData>{place}</record>"

    def diagnostic(self, code: str, message: str, details: str = "") -> bytes:
        inner = f"<uri>info:srw/diagnostic/1/{code}</uri><details>{details}</details><message>{message}</message>"
        space = 'xmlns="http://www.loc.gov/zing/srw/diagnostic/"'
        return self.wrapped(f"<diagnostics><diagnostic {space}>{inner}</diagnostic></diagnostics>")

    def wrapped(self, body: str) -> bytes:
        name = f'searchRetrieveResponse xmlns="{NAMESPACES[self.version]}"'
        return f"<?xml version='1.0'?><{name}>{body}</searchRetrieveResponse>".encode()


@contextmanager
def serving(fake: Fake) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            fake.asked.append(asked)
            content = fake.wrong(asked, fake.answer(asked))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with http_server(Handler) as address:
        yield f"{address}/db"


@pytest.fixture(scope="module")
def books(library_of_congress: int) -> str:
    """A Zebra server with 2,000 books of the Library of Congress."""
    return f"http://127.0.0.1:{library_of_congress}/biblios"


@pytest.mark.parametrize(
    ("quirks", "requests"),
    [
        ({}, 20),
        ({"version": "1.1"}, 20),
        ({"version": "2.0", "packing": "string", "page_size": "500"}, 4),
        ({"date_index": "rec.lastModificationDate", "date_format": "%Y%m%d", "window_records": "400"}, None),
    ],
    ids=["plain", "1.1", "2.0, string", "windows"],
)
def test_all_records_of_zebra_arrive_and_are_staged(
    books: str, lake_home: Path, quirks: dict[str, str], requests: int | None
) -> None:
    outcome = harvest(source(books, quirks=quirks), "run")
    assert (outcome.verdict, outcome.received, outcome.reason) == ("complete", 2000, "")
    assert len(set(numbers())) == 2000
    assert landing.batch("demo", outcome.batch_id).full
    if requests:
        assert len(landing.manifest("demo", outcome.batch_id)) == requests
    (staged,) = stage(source(books), "run")
    assert (staged.verdict, staged.received, staged.staged) == ("complete", 2000, 2000), staged.reason
    again = harvest(source(books, quirks=quirks), "run-2")
    assert (again.verdict, again.received) == ("unchanged", 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"address": "/nothing"}, "there is nothing at this address"),
        ({"metadata_prefix": "nope"}, "diagnostic 66: Unknown schema"),
        ({"set_spec": "foo.bar=1"}, "diagnostic 15: "),
        ({"set_spec": "dc.nothing=1"}, "an index that it has not"),
        ({"set_spec": "a =="}, "diagnostic 10: "),
    ],
)
def test_what_zebra_refuses_is_told(books: str, lake_home: Path, changes: dict[str, str], said: str) -> None:
    changes = {"address": "/biblios"} | changes
    outcome = harvest(source(books.replace("/biblios", changes.pop("address")), **changes), "run")
    assert outcome.verdict == "failed" and said in outcome.reason and not lake.raw_batches("demo")


HEALTHY = {
    "plain": {},
    "2.0": {"version": "2.0"},
    "string": {"string": True},
    "smaller pages than asked for": {"page": 4},
    "no positions": {"no_positions": True, "page": 1},
    "older version": {"refuse_versions": "1.2"},
}


@pytest.mark.parametrize("does", HEALTHY.values(), ids=HEALTHY)
def test_other_servers(lake_home: Path, does: dict[str, object]) -> None:
    with serving(Fake(**does)) as address:  # type: ignore[arg-type]
        outcome = harvest(source(address, quirks={"page_size": "10"}), "run")
    assert (outcome.verdict, numbers()) == ("complete", list(range(1, 26))), outcome.reason
    (staged,) = stage(source("http://demo.example/db"), "run")
    assert (staged.verdict, staged.staged) == ("complete", 25), staged.reason


def test_a_server_with_a_limit_is_asked_in_windows_without_being_told(lake_home: Path) -> None:
    fake = Fake(size=60, reach=20)
    with serving(fake) as address:
        outcome = harvest(source(address, quirks={"date_index": "date", "page_size": "10"}), "run")
    assert (outcome.verdict, sorted(numbers())) == ("complete", list(range(1, 61))), outcome.reason


def test_a_server_with_a_limit_and_no_index_leaves_a_partial_batch(lake_home: Path) -> None:
    with serving(Fake(size=60, reach=20)) as address:
        outcome = harvest(source(address), "run")
    assert (outcome.verdict, outcome.received) == ("partial", 20)
    assert "40 are missing" in outcome.reason and "date_index" in outcome.reason
    assert not landing.batch("demo", outcome.batch_id).full


def test_records_without_a_date_are_told(lake_home: Path) -> None:
    with serving(Fake(size=60, reach=20, undated=30)) as address:
        outcome = harvest(source(address, quirks={"date_index": "date"}), "run")
    assert (outcome.verdict, outcome.received) == ("partial", 59)
    assert "1 are missing" in outcome.reason and "have no value in date" in outcome.reason


def test_only_what_changed_is_asked_for_and_everything_if_wanted(lake_home: Path) -> None:
    fake = Fake()
    with serving(fake) as address:
        one = source(address, quirks={"date_index": "date"})
        assert harvest(one, "run-1").verdict == "complete"
        fake.asked.clear()
        assert harvest(one, "run-2").verdict == "unchanged"
        assert re.search(r'^date > "20\d\d-\d\d-\d\d"$', fake.asked[0]["query"])
        window = harvest(one, "run-3", since="2026-01-10", until="2026-01-12")
        assert window.received == 4 and not landing.batch("demo", window.batch_id).full  # a day more at the end
        assert harvest(one, "run-4", full=True).verdict == "complete"  # a window came between


def test_a_diagnostic_in_place_of_a_record_is_missing_and_set_aside(lake_home: Path) -> None:
    with serving(Fake(surrogate=7)) as address:
        outcome = harvest(source(address), "run")
        assert (outcome.verdict, outcome.received) == ("partial", 25)
        assert "diagnostic 64 in place of a record" in outcome.reason
        (staged,) = stage(source(address), "run")
    assert (staged.received, staged.staged, staged.rejected) == (25, 24, 1)
    rejected = lake.read_table("staged.rejected", lake.staged_files("rejected"))
    assert pc.match_substring(rejected["reason"], "temporarily unavailable").to_pylist() == [True]


FAULTS: dict[str, tuple[Callable[[dict[str, str], bytes], bytes], str]] = {
    "repeats the first page": (lambda asked, a: FIRST if asked["startRecord"] != "1" else a, "came again"),
    "cut": (lambda asked, a: a[:-30], "not well-formed, or cut"),
    "HTML": (lambda asked, a: b"<html><body>Sorry</body></html>", "its root element is html"),
    "empty": (lambda asked, a: b"", "the answer is empty"),
    "entities": (lambda asked, a: a.replace(b"?>", b"?><!DOCTYPE x [<!ENTITY a 'b'>]>", 1), "DOCTYPE"),
    "no count": (lambda asked, a: a.replace(b"numberOfRecords", b"number"), "no numberOfRecords"),
    "unavailable": (lambda asked, a: Fake().diagnostic("2", "System temporarily unavailable"), "asked 2 times"),
    "login": (lambda asked, a: Fake().diagnostic("3", "Authentication error"), "give the login"),
}
FIRST = Fake().answer({"query": "", "startRecord": "1", "maximumRecords": "10"})


@pytest.mark.parametrize(("wrong", "said"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("from_record", [1, 11])
def test_faults_never_end_complete(
    lake_home: Path, wrong: Callable[[dict[str, str], bytes], bytes], said: str, from_record: int
) -> None:
    fake = Fake()
    fake.wrong = lambda asked, a: wrong(asked, a) if int(asked["startRecord"]) >= from_record else a
    with serving(fake) as address:
        one = source(address, quirks={"page_size": "10"})
        outcome = harvest(one, "run")
        assert outcome.verdict in ("failed", "partial") and said in outcome.reason, outcome.reason
        assert not lake.raw_batches("demo")
        fake.wrong = lambda asked, a: a
        assert harvest(one, "run-2").verdict == "complete" and numbers() == list(range(1, 26))


def test_a_result_that_grows_while_it_is_read_is_read_again(lake_home: Path) -> None:
    fake = Fake()

    def grow(asked: dict[str, str], answer: bytes) -> bytes:
        if asked["startRecord"] == "11":
            fake.size = 30
        return fake.answer(asked)

    fake.wrong = grow
    with serving(fake) as address:
        outcome = harvest(source(address, quirks={"page_size": "10"}), "run")
    assert (outcome.verdict, numbers()) == ("complete", list(range(1, 31))), outcome.reason


def test_a_result_that_never_holds_still_is_partial(lake_home: Path) -> None:
    fake = Fake()

    def grow(asked: dict[str, str], answer: bytes) -> bytes:
        fake.size += 1
        return answer

    fake.wrong = grow
    with serving(fake) as address:
        outcome = harvest(source(address, quirks={"page_size": "10"}), "run")
    assert outcome.verdict == "partial" and "its size changed" in outcome.reason


KILLED = """
from harvesters.harvest import harvest
from tests.harvesters.test_sru import source
harvest(source({address!r}, quirks={{"page_size": "10"}}), "killed")
"""


def test_killed_between_pages_it_goes_on(lake_home: Path) -> None:
    fake = Fake(size=45)
    victims: list[subprocess.Popen[bytes]] = []

    def kill(asked: dict[str, str], answer: bytes) -> bytes:
        if asked["startRecord"] == "31" and victims:
            victims.pop().kill()
        return answer

    fake.wrong = kill
    with serving(fake) as address:
        victims.append(subprocess.Popen([sys.executable, "-c", KILLED.format(address=address)]))
        victims[0].wait(60)
        assert len(landing.in_progress("demo")) == 1
        fake.asked.clear()
        outcome = harvest(source(address, quirks={"page_size": "10"}), "run")
    assert (outcome.verdict, numbers()) == ("complete", list(range(1, 46)))
    assert [asked["startRecord"] for asked in fake.asked] == ["1", "31", "41"]  # the first counts


def test_a_database_that_lost_most_records_withdraws_none_before_a_person_looked(lake_home: Path) -> None:
    fake = Fake(size=60)
    with serving(fake) as address:
        harvest(source(address), "run-1")
        assert stage(source(address), "run-1")[-1].verdict == "complete"
        fake.size = 20
        harvest(source(address), "run-2")
        held = stage(source(address), "run-2")[-1]
    assert held.verdict == "held" and "fewer than before" in held.reason
