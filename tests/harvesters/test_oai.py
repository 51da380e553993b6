"""Harvesting over OAI-PMH from hostile providers: all arrives, or the verdict says what is missing."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import (
    BOMB,
    HTML,
    QUIET_DOCTYPE,
    Answer,
    Provider,
    cut,
    cut_body,
    gzip_cut,
    gzip_lie,
    gzipped,
    hang,
    instead,
    replace,
    reset,
    serving,
    source_at,
)
from warehouse import lake
from warehouse.outcome import Outcome, recorded


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIS_HOME", str(tmp_path / "home"))


def identifiers(source_id: str = "demo", batch_id: str = "") -> list[int]:
    """The record numbers that landed in a batch (the newest), in order."""
    batch_id = batch_id or lake.raw_batches(source_id)[-1]
    found = []
    for row in landing.manifest(source_id, batch_id):
        with landing.open_raw(source_id, batch_id, row["file"]) as page:
            content = page.read()
        numbers = [int(n) for n in re.findall(rb"<identifier>oai:demo:(\d+)<", content)]
        assert len(numbers) == row["received"] == landing.count_records(content)
        found += numbers
    return found


def check(outcome: Outcome, total: int) -> None:
    """Either all records are there, or the outcome says that they are not."""
    assert outcome.balanced
    if outcome.verdict == "complete":
        assert identifiers() == list(range(total))
        assert outcome.received == total and not outcome.reason
    else:
        assert outcome.verdict in ("partial", "failed")
        assert "demo" in outcome.reason and "127.0.0.1" in outcome.reason


def test_pages_are_landed_as_received_and_counted() -> None:
    provider = Provider(records=25, deleted=frozenset({3, 24}))
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received, outcome.staged) == ("complete", 25, 25)
    assert identifiers() == list(range(25))
    rows = landing.manifest("demo", outcome.batch_id)
    assert [row["file"] for row in rows] == ["page-00001.xml", "page-00002.xml", "page-00003.xml"]
    with landing.open_raw("demo", outcome.batch_id, "page-00001.xml") as page:
        assert page.read() == provider.page({"verb": "ListRecords"})[2]
    batch = landing.batch("demo", outcome.batch_id)
    assert batch.full and batch.response_date == provider.response_date
    assert batch.details["identify"]["deletedRecord"] == "persistent"
    assert batch.details["identify"]["granularity"] == "YYYY-MM-DDThh:mm:ssZ"
    assert recorded("harvest", "demo") == [outcome]
    assert not landing.in_progress("demo")


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


STAYING = {
    **PASSING,
    "document type": replace(b"<OAI-PMH ", QUIET_DOCTYPE),
    "403": instead(403),
    "404": instead(404),
}


@pytest.mark.parametrize("fault", STAYING.values(), ids=STAYING)
def test_a_fault_that_stays_is_told_and_the_next_harvest_goes_on(fault: Callable[[Answer], Answer]) -> None:
    provider = Provider(faults=dict.fromkeys(range(2, 50), fault))
    with serving(provider) as address:
        source = source_at(address, quirks=source_at(address).quirks | {"attempts": "2", "read_timeout": "0.2"})
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
        source = source_at(address, quirks=source_at(address).quirks | {"attempts": "2", "read_timeout": "0.2"})
        outcome = harvest(source, "run")
    assert outcome.verdict == "failed" and "127.0.0.1" in outcome.reason
    assert not lake.raw_batches("demo") and not landing.in_progress("demo")


def test_nobody_listens() -> None:
    with serving(Provider()) as address:
        pass
    outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed"
    assert "refused" in outcome.reason and "asked 3 times" in outcome.reason and "0x" not in outcome.reason


def test_403_is_not_asked_again() -> None:
    provider = Provider(faults={0: instead(403)})
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and "ask the member" in outcome.reason
    assert len(provider.lists) == 1


def test_retry_after_as_a_date_that_is_over() -> None:
    over = format_datetime(datetime.now(UTC) - timedelta(seconds=1), usegmt=True)
    with serving(Provider(faults={2: instead(503, Retry_After=over)})) as address:
        check(harvest(source_at(address), "run"), 25)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_source_that_wants_to_be_left_alone_is(form: str) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    provider = Provider(faults={1: instead(503, Retry_After="3600" if form == "seconds" else later)})
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and re.search(r"for 3\d\d\d s", outcome.reason) and len(provider.lists) == 1


def test_repeated_token_ends_the_harvest() -> None:
    provider = Provider(records=100, token=lambda start: "start=10")
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and "second time" in outcome.reason
    assert len(provider.lists) == 2 and not lake.raw_batches("demo") and not landing.in_progress("demo")


@pytest.mark.parametrize("code", ["badResumptionToken", "badArgument"])
def test_expired_token_begins_the_list_again_without_double_counting(code: str) -> None:
    provider = Provider()
    provider.faults = {2: lambda answer: provider.error(code, "expired")}
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    check(outcome, 25)
    assert outcome.verdict == "complete" and len(provider.lists) == 5


def test_token_that_always_expires_is_told() -> None:
    provider = Provider(token=lambda start: "x")
    provider.faults = {n: lambda a: provider.error("badResumptionToken", "expired") for n in (2, 4)}
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and "badResumptionToken" in outcome.reason and "twice" in outcome.reason
    assert len(provider.lists) == 4


def test_token_with_odd_characters() -> None:
    with serving(Provider(token=lambda start: f"a b&c=d<é/中%2F+#{start}")) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "complete"
    check(outcome, 25)


@pytest.mark.parametrize("sizes", [{1: 30, 2: 30, 3: 30}, {1: 25, 2: 25, 3: 26}, {1: 30}])
def test_fewer_records_than_announced_is_partial(sizes: dict[int, int]) -> None:
    provider = Provider(list_size=sizes.get)
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
        assert (outcome.verdict, outcome.received) == ("partial", 25)
        assert re.search(r"[15] are missing", outcome.reason)
        assert not landing.batch("demo", outcome.batch_id).full  # or it would withdraw what is missing
        provider.list_size = lambda page: 25
        again = harvest(source_at(address), "run")
    assert again.verdict == "complete" and "from" not in provider.lists[-3]


def test_list_that_grows_meanwhile_is_complete() -> None:
    with serving(Provider(list_size={1: 20, 2: 24, 3: 25}.get)) as address:
        check(harvest(source_at(address), "run"), 25)
    assert recorded("harvest", "demo")[-1].verdict == "complete"


def test_gzip() -> None:
    with serving(Provider(faults={0: gzipped})) as address:
        check(harvest(source_at(address), "run"), 25)
    assert recorded("harvest", "demo")[-1].verdict == "complete"


def test_redirect_loop() -> None:
    with serving(Provider(identify_fault=instead(302, Location="?verb=Identify"))) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and "redirects" in outcome.reason


def test_huge_page_is_refused() -> None:
    big = replace(b"<leader>", b"<leader>" + b"x" * 3_000_000)
    with serving(Provider(faults={2: big})) as address:
        outcome = harvest(source_at(address, quirks={"page_megabytes": "2"}), "run")
    assert outcome.verdict == "partial" and "larger than 2 MB" in outcome.reason


def test_control_characters_are_never_altered_in_silence() -> None:
    with serving(Provider(faults={0: replace(b"<leader>", b"<leader>\x01", 1)})) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and "not well-formed" in outcome.reason


# --- errors of the protocol ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["badArgument", "cannotDisseminateFormat", "noSetHierarchy", "badVerb", "idDoesNotExist", "made up", ""],
)
@pytest.mark.parametrize("status", [200, 422])
def test_protocol_errors_are_told(code: str, status: int) -> None:
    provider = Provider()
    provider.faults = {0: lambda answer: (status, *provider.error(code, "said so")[1:])}
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and f"{code}: said so" in outcome.reason and len(provider.lists) == 1


def test_no_records_match_is_unchanged_and_leaves_a_row() -> None:
    provider = Provider()
    with serving(provider) as address:
        first = harvest(source_at(address), "run-1")
        again = harvest(source_at(address), "run-2")
    assert (again.verdict, again.received) == ("unchanged", 0)
    assert lake.raw_batches("demo") == [first.batch_id] and not landing.in_progress("demo")
    assert [o.verdict for o in recorded("harvest", "demo")] == ["complete", "unchanged"]


def test_source_without_records_is_unchanged_at_first_and_a_fault_later() -> None:
    provider = Provider()
    provider.faults = {1: lambda answer: provider.error("noRecordsMatch", "none")}
    with serving(provider) as address:
        assert harvest(source_at(address), "run-1").verdict == "unchanged"
        assert harvest(source_at(address), "run-2").verdict == "complete"
        provider.faults = {0: provider.faults[1]}
        outcome = harvest(source_at(address), "run-3", full=True)
    assert outcome.verdict == "failed" and "though some came before" in outcome.reason
    assert len(lake.raw_batches("demo")) == 1


def test_list_without_records_that_announces_some_is_a_fault() -> None:
    with serving(Provider(records=0, list_size=lambda page: 7)) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and "announced 7 records but sent none" in outcome.reason


def test_no_records_match_in_the_middle_is_told() -> None:
    provider = Provider()
    provider.faults = {3: lambda answer: provider.error("noRecordsMatch", "none")}
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "partial" and "broke off" in outcome.reason and "20 records" in outcome.reason


# --- windows ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("granularity", "since"), [("YYYY-MM-DD", "2026-02-28"), ("YYYY-MM-DDThh:mm:ssZ", "2026-03-01T09:55:00Z")]
)
def test_next_harvest_asks_from_the_first_response_date_less_an_overlap(granularity: str, since: str) -> None:
    provider = Provider(granularity=granularity)
    dates = iter(["2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z"])
    provider.faults = {n: lambda a: _dated(a, next(dates)) for n in (1, 2, 3)}
    with serving(provider) as address:
        harvest(source_at(address, set_spec="books"), "run-1")
        provider.datestamp = "2026-03-02T00:00:00Z"
        again = harvest(source_at(address, set_spec="books"), "run-2")
        assert provider.lists[3] == {
            "verb": "ListRecords", "metadataPrefix": "marcxml", "set": "books", "from": since
        }  # fmt: skip
        assert again.verdict == "complete" and not landing.batch("demo", again.batch_id).full
        whole = harvest(source_at(address, set_spec="books"), "run-3", full=True)
    assert "from" not in provider.lists[6] and landing.batch("demo", whole.batch_id).full


def _dated(answer: Answer, date: str) -> Answer:
    return answer[0], answer[1], re.sub(rb"<responseDate>[^<]*", b"<responseDate>" + date.encode(), answer[2])


@pytest.mark.parametrize("change", [{"metadata_prefix": "oai_dc"}, {"set_spec": "maps"}, {"delivery": "full"}])
def test_another_list_is_harvested_whole(change: dict[str, str]) -> None:
    provider = Provider()
    with serving(provider) as address:
        harvest(source_at(address), "run-1")
        harvest(source_at(address, **change), "run-2")
    assert "from" not in provider.lists[3]


@pytest.mark.parametrize("date", ["", "yesterday", "2026-03-01 10:00:00", "2999-01-01T00:00:00Z"])
def test_useless_response_date_means_everything_again(date: str) -> None:
    provider = Provider(response_date=date)
    with serving(provider) as address:
        harvest(source_at(address), "run-1")
        assert harvest(source_at(address), "run-2").received == 25
    assert "from" not in provider.lists[3]


def test_source_that_refuses_its_own_granularity() -> None:
    provider = Provider()
    with serving(provider) as address:
        harvest(source_at(address), "run-1")
        provider.datestamp = "2026-03-02"
        provider.faults = {4: lambda answer: provider.error("badArgument", "from: use days")}
        again = harvest(source_at(address), "run-2")
    assert again.verdict == "complete" and again.received == 25
    assert [query.get("from") for query in provider.lists[3:5]] == ["2026-03-01T09:55:00Z", "2026-02-28"]


def test_in_progress_list_is_dropped_when_everything_is_asked_for() -> None:
    provider = Provider()
    with serving(provider) as address:
        source = source_at(address)
        harvest(source, "run-1")
        provider.datestamp = "2026-03-02T00:00:00Z"
        provider.faults = {5: instead(403)}
        assert harvest(source, "run-2").verdict == "partial"
        whole = harvest(source, "run-3", full=True)
    assert whole.verdict == "complete" and landing.batch("demo", whole.batch_id).full
    assert "from" not in provider.lists[5]


# --- killed ----------------------------------------------------------------------------------------------

KILLED = """
from tests.harvesters.hostile_oai import source_at
from harvesters.harvest import harvest
harvest(source_at({address!r}, quirks={{"read_timeout": "30"}}), "killed")
"""


@pytest.mark.parametrize("request_no", [2, 3])
def test_killed_harvest_goes_on_and_lands_the_same(request_no: int) -> None:
    provider = Provider(records=45, faults={request_no: hang})
    with serving(provider) as address:
        process = subprocess.Popen([sys.executable, "-c", KILLED.format(address=address)], cwd=lake.CHECKOUT)
        while len(provider.lists) < request_no and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lake.raw_batches("demo") == []
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "complete" and identifiers() == list(range(45))
    assert len(provider.lists) == 5 + 1  # only the page that was due is asked for again


def test_cut_journal_and_damaged_page_are_fetched_again() -> None:
    provider = Provider(records=45, faults={4: instead(403)})
    with serving(provider) as address:
        harvest(source_at(address), "run-1")
        [folder] = landing.in_progress("demo")
        (folder / "page-00003.xml.zst").write_bytes(b"")
        with (folder / landing.JOURNAL).open("a") as journal:
            journal.write('{"row": {"sou')
        outcome = harvest(source_at(address), "run-2")
    assert outcome.verdict == "complete" and identifiers() == list(range(45))
    assert provider.lists[4]["resumptionToken"] == "start=20"


def test_older_progress_is_never_gone_back_to() -> None:
    older = landing.Landing("demo", "20200101T000000000000Z")
    older.begin({"asked": {}})
    provider = Provider(faults={2: instead(403)})
    with serving(provider) as address:
        assert harvest(source_at(address), "run-1").verdict == "partial"
        older.begin({"asked": {}})
        assert harvest(source_at(address), "run-2").verdict == "complete"
    assert identifiers() == list(range(25)) and not landing.in_progress("demo")


def test_only_one_harvest_of_a_source_at_a_time() -> None:
    provider = Provider(faults={1: hang})
    with serving(provider) as address:
        process = subprocess.Popen([sys.executable, "-c", KILLED.format(address=address)], cwd=lake.CHECKOUT)
        while not provider.lists and process.poll() is None:
            time.sleep(0.01)
        outcome = harvest(source_at(address), "run")
        process.kill()
        process.wait()
    assert outcome.verdict == "failed" and "another harvest" in outcome.reason


def test_secrets_in_an_address_query_are_not_kept() -> None:
    with serving(Provider()) as address:
        source = source_at(address).model_copy(update={"address": f"{address}?key=hunter2"})
        outcome = harvest(source, "run")
    assert outcome.verdict == "complete"
    kept = [path.read_bytes() for path in lake.home().rglob("*") if path.is_file()]
    assert not any(b"hunter2" in content for content in kept)
