"""Windows of an OAI-PMH harvest: what is asked for by date, and from where the next harvest goes on."""

import re
from datetime import datetime, timedelta

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import Answer, Provider, instead, serving, source_at
from warehouse import lake
from warehouse.outcome import Outcome, recorded

pytestmark = pytest.mark.usefixtures("lake_home")


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


def test_source_without_sets_is_harvested_whole_and_says_so() -> None:
    provider = Provider()
    with serving(provider) as address:
        source = source_at(address, set_spec="books")
        harvest(source, "run-1")
        provider.sets, provider.datestamp = False, "2026-03-02T00:00:00Z"
        whole = harvest(source, "run-2")
        later = harvest(source, "run-3")
    assert whole.verdict == "complete" and whole.received == 25 and landing.batch("demo", whole.batch_id).full
    assert "it has no sets, so not set books but its whole repository" in whole.reason
    asked = [{name: query.get(name) for name in ("set", "from")} for query in provider.lists if "from" in query]
    assert [query.get("set") for query in provider.lists[3:5]] == ["books", None]
    assert "from" not in provider.lists[4]  # what came before was another list
    assert later.verdict == "complete" and "no sets" in later.reason
    assert asked[-1] == {"set": None, "from": "2026-03-01T09:55:00Z"}


def test_window_of_a_source_without_sets_stays_one() -> None:
    provider = Provider(sets=False)
    with serving(provider) as address:
        outcome = harvest(source_at(address, set_spec="books"), "run", since="2026-01-01", until="2026-02-02")
    assert outcome.verdict == "complete" and "no sets" in outcome.reason
    assert provider.lists[1]["from"] == "2026-01-01T00:00:00Z" and "set" not in provider.lists[1]


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


@pytest.mark.parametrize(
    ("granularity", "bounds"),
    [
        ("YYYY-MM-DD", ("2026-01-01", "2026-01-31")),
        ("YYYY-MM-DDThh:mm:ssZ", ("2026-01-01T00:00:00Z", "2026-01-31T23:59:59Z")),
    ],
)
def test_a_window_that_is_named_is_asked_for_and_moves_nothing_on(
    granularity: str, bounds: tuple[str, str]
) -> None:
    provider = Provider(granularity=granularity)
    with serving(provider) as address:
        harvest(source_at(address), "run-1")
        provider.datestamp = "2026-03-02T00:00:00Z"
        window = harvest(source_at(address), "run-2", since="2026-01-01", until="2026-01-31")
        assert (provider.lists[3]["from"], provider.lists[3]["until"]) == bounds
        assert window.verdict == "complete" and not landing.batch("demo", window.batch_id).full
        harvest(source_at(address), "run-3")
    assert "until" not in provider.lists[6]
    assert provider.lists[6]["from"] == ("2026-02-28" if len(bounds[0]) == 10 else "2026-03-01T09:55:00Z")


def test_a_window_without_an_end_or_a_beginning_is_never_a_full_harvest() -> None:
    provider = Provider()
    with serving(provider) as address:
        first = harvest(source_at(address), "run-1", until="2026-06-30T12:00:00Z")
        assert provider.lists[0]["until"] == "2026-06-30T12:00:00Z" and "from" not in provider.lists[0]
        assert not landing.batch("demo", first.batch_id).full
        harvest(source_at(address), "run-2", since="2026-01-01T10:00:00Z")
        assert provider.lists[3]["from"] == "2026-01-01T10:00:00Z"
        harvest(source_at(address), "run-3")
    assert "from" not in provider.lists[6]


def test_a_window_leaves_a_harvest_in_progress_alone() -> None:
    provider = Provider(faults={2: instead(403)})
    with serving(provider) as address:
        assert harvest(source_at(address), "run-1").verdict == "partial"
        assert harvest(source_at(address), "run-2", since="2026-01-01").verdict == "complete"
        assert len(landing.in_progress("demo")) == 1
        assert harvest(source_at(address), "run-3").verdict == "complete"
    assert provider.lists[5]["resumptionToken"] == "start=10"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"since": "1 May"}, "no date"),
        ({"since": "2026-13-01"}, "no date"),
        ({"since": "2026-05-01", "until": "2026-04-01"}, "after"),
        ({"since": "2026-05-01", "full": True}, "exclude"),
    ],
)
def test_a_window_that_is_none_is_refused_before_anything_is_asked(wanted: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        harvest(source_at("http://127.0.0.1:1/oai"), "run", **wanted)  # type: ignore[arg-type]
    assert not recorded("harvest", "demo")


def test_what_staff_rejected_is_asked_again_from_before_it() -> None:
    """Though another harvest has come after it, whose window does not reach back."""
    provider = Provider(granularity="YYYY-MM-DDThh:mm:ssZ")
    outcomes, asked = [], []
    with serving(provider) as address:
        for day in range(1, 6):
            provider.response_date = f"2026-03-0{day}T10:00:00Z"
            provider.datestamp = f"2026-03-0{day}T09:59:00Z"
            before = len(provider.lists)
            outcomes.append(harvest(source_at(address), f"run-{day}"))
            asked.append(provider.lists[before].get("from", ""))
            if day == 3:
                Outcome("stage", "demo", outcomes[1].batch_id, "run-2", "rejected").record()
    # the fourth goes back before the second, which closes the gap
    days = ["", "2026-03-01", "2026-03-02", "2026-03-01", "2026-03-04"]
    assert asked == [day and f"{day}T09:55:00Z" for day in days]


def test_a_clock_that_is_ahead_of_ours_loses_nothing() -> None:
    ahead = lake.now() + timedelta(hours=8)  # local time that is called UTC
    provider = Provider(response_date=ahead.strftime("%Y-%m-%dT%H:%M:%SZ"))
    with serving(provider) as address:
        batch = landing.batch("demo", harvest(source_at(address), "run").batch_id)
    assert datetime.strptime(batch.response_date, "%Y-%m-%dT%H:%M:%SZ") <= lake.now()


def test_datestamps_that_lag_are_covered_by_a_longer_overlap() -> None:
    provider = Provider()
    with serving(provider) as address:
        source = source_at(address, quirks={"overlap_hours": "12"})
        harvest(source, "run-1")
        harvest(source, "run-2")
    assert provider.lists[3]["from"] == "2026-02-28T22:00:00Z"
