"""Harvesting over OAI-PMH: what lands, how a list ends, and what a source says instead of records."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import (
    Provider,
    check,
    gzipped,
    identifiers,
    instead,
    replace,
    serving,
    source_at,
)
from warehouse import lake
from warehouse.outcome import recorded

pytestmark = pytest.mark.usefixtures("lake_home")


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


def test_no_records_match_in_the_middle_begins_the_list_again_and_is_told_if_it_stays() -> None:
    provider = Provider()
    provider.faults = {3: lambda answer: provider.error("noRecordsMatch", "none")}
    with serving(provider) as address:
        once = harvest(source_at(address), "run-1")
        assert once.verdict == "complete" and identifiers() == list(range(25))
        provider.fault_of_page, provider.faults = {3: provider.faults[3]}, {}
        outcome = harvest(source_at(address, source_id="b"), "run-2")
    assert outcome.verdict == "failed" and "no page where one was due" in outcome.reason
    assert "20 records" in outcome.reason


def test_secrets_in_an_address_query_are_not_kept() -> None:
    with serving(Provider()) as address:
        source = source_at(address).model_copy(update={"address": f"{address}?key=hunter2"})
        outcome = harvest(source, "run")
    assert outcome.verdict == "complete"
    kept = [path.read_bytes() for path in lake.home().rglob("*") if path.is_file()]
    assert not any(b"hunter2" in content for content in kept)


# --- prefixes --------------------------------------------------------------------------------------------


def test_the_next_prefix_is_asked_for_where_one_is_not_offered() -> None:
    provider = Provider(prefixes=("oai_dc",))
    with serving(provider) as address:
        source = source_at(address, metadata_prefix="xoai|dim|oai_dc")
        first = harvest(source, "run-1")
        assert first.verdict == "complete" and identifiers() == list(range(25))
        assert [query.get("metadataPrefix") for query in provider.lists[:3]] == ["xoai", "dim", "oai_dc"]
        assert landing.batch("demo", first.batch_id).details["prefix"] == "oai_dc"
        provider.prefixes, before = ("xoai", "oai_dc"), len(provider.lists)
        harvest(source, "run-2")  # goes on with the one that it has
        assert provider.lists[before]["metadataPrefix"] == "oai_dc" and "from" in provider.lists[before]
        provider.prefixes, before = ("dim",), len(provider.lists)
        provider.datestamp = "2026-03-02T00:00:00Z"
        whole = harvest(source, "run-3")
    assert [query.get("metadataPrefix") for query in provider.lists[before : before + 3]] == [
        "oai_dc",
        "xoai",
        "dim",
    ]
    assert "from" not in provider.lists[before + 2] and landing.batch("demo", whole.batch_id).full


def test_no_prefix_is_offered() -> None:
    with serving(Provider(prefixes=("mods",))) as address:
        outcome = harvest(source_at(address, metadata_prefix="xoai|oai_dc"), "run")
    assert outcome.verdict == "failed" and "cannotDisseminateFormat" in outcome.reason


# --- the same again --------------------------------------------------------------------------------------


def test_a_page_that_came_twice_in_place_of_another_is_missed() -> None:
    provider = Provider(records=30, list_size=lambda page: 30)
    provider.fault_of_page = {2: lambda answer: provider.page_of(0, "start=20")}
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received) == ("partial", 30)
    assert "10 are missing" in outcome.reason and "10 came twice" in outcome.reason


def test_a_list_that_turns_in_circles_under_new_tokens_ends() -> None:
    provider = Provider(records=100)
    provider.faults = {n: lambda answer, n=n: provider.page_of(0, f"token-{n}") for n in range(2, 99)}  # type: ignore[misc]
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and "had come before" in outcome.reason and len(provider.lists) == 4


def test_list_size_that_is_known_to_be_wrong_is_ignored_where_the_row_says_so() -> None:
    with serving(Provider(list_size=lambda page: 30)) as address:
        outcome = harvest(source_at(address, quirks={"list_size": "ignore"}), "run")
    assert outcome.verdict == "complete" and identifiers() == list(range(25))


# --- one host --------------------------------------------------------------------------------------------


def test_sources_of_one_host_are_asked_one_at_a_time_and_share_its_rest() -> None:
    provider = Provider(records=30, page_size=5, slow=True)
    with serving(provider) as address:
        sources = [source_at(address, source_id=name) for name in ("demo", "b", "c")]
        with ThreadPoolExecutor(3) as pool:
            outcomes = list(pool.map(lambda source: harvest(source, "run"), sources))
    assert [outcome.verdict for outcome in outcomes] == ["complete"] * 3 and provider.most_at_once == 1


def test_a_retry_after_is_kept_by_other_sources_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    provider = Provider(faults={1: instead(503, Retry_After="60")})
    with serving(provider) as address:
        harvest(source_at(address, quirks={"longest_wait": "90", "attempts": "1"}), "run")
        monkeypatch.setattr("harvesters.host_rate.time.sleep", slept.append)
        harvest(source_at(address, source_id="b", quirks={"longest_wait": "90"}), "run")
    assert slept and 50 < slept[0] <= 60
