"""What a source withdraws: by tombstones, by not listing it any more; and no broken source empties a library."""

import pytest

from harvesters.harvest import harvest
from harvesters.registry import Source
from tests.harvesters.hostile_oai import Answer, Provider, instead, serving, source_at
from transforms.stage import stage
from warehouse import lake
from warehouse.outcome import Outcome

pytestmark = pytest.mark.usefixtures("lake_home")

EVERY_TIME = {"reconcile_days": "0"}


def arrive(source: Source, run_id: str, **wanted: bool) -> tuple[Outcome, Outcome]:
    """Harvest and stage once."""
    lake.registry().mkdir(parents=True, exist_ok=True)
    (lake.registry() / "members.csv").write_text(
        "code,name_zh,name_en,kind,province,valid_from\ndemo,甲,A,undergraduate,11,2020-01-01\n", "utf-8"
    )
    quirks = ";".join(f"{name}={value}" for name, value in source.quirks.items())
    (lake.registry() / "sources.csv").write_text(
        "source_id,member_code,protocol,address,metadata_prefix,quirks\n"
        f"demo,demo,oai,{source.address},{source.metadata_prefix},{quirks}\n",
        "utf-8",
    )
    harvested = harvest(source, run_id, **wanted)  # type: ignore[arg-type]
    staged = stage(source, run_id)[-1]
    assert staged.verdict != "failed", staged.reason
    return harvested, staged


def present() -> set[int]:
    """The numbers of the records that are current."""
    newest = lake.staged_batch("demo", lake.staged_batches("demo")[-1]) / "record.parquet"
    rows = lake.read_table("staged.record", [newest]).to_pylist()
    return {int(row["record_id"].rpartition(":")[2]) for row in rows if not row["deleted"]}


@pytest.mark.parametrize("policy", ["persistent", "transient"])
def test_tombstones_withdraw(policy: str) -> None:
    provider = Provider(records=40, titles=True, deleted_record=policy)
    with serving(provider) as address:
        arrive(source_at(address), "run-1")
        provider.deleted, provider.changed = frozenset({3, 7}), frozenset({3, 7})
        harvested, staged = arrive(source_at(address), "run-2")
    assert (harvested.received, staged.deleted, staged.verdict) == (2, 2, "complete")
    assert present() == set(range(40)) - {3, 7} and not provider.identifier_lists


@pytest.mark.parametrize("policy", ["no", "transient"])
def test_what_is_not_listed_any_more_is_withdrawn_when_identifiers_are_compared(policy: str) -> None:
    provider = Provider(records=40, titles=True, deleted_record=policy, changed=frozenset({5}))
    with serving(provider) as address:
        arrive(source_at(address, quirks=EVERY_TIME), "run-1")
        assert not provider.identifier_lists  # the first list was whole
        provider.gone = frozenset({11, 39})
        harvested, staged = arrive(source_at(address, quirks=EVERY_TIME), "run-2")
        assert (harvested.verdict, harvested.received) == ("complete", 1), harvested.reason
        assert (staged.verdict, staged.received, staged.unchanged) == ("complete", 1, 1)
        assert present() == set(range(40)) - {11, 39}
        assert [query["verb"] for query in provider.queries[-4:]] == ["ListIdentifiers"] * 4
        assert "from" not in provider.identifier_lists[0] and "set" not in provider.identifier_lists[0]
        provider.gone = frozenset()  # they are back, and so they change
        provider.changed = frozenset({11, 39})
        arrive(source_at(address, quirks=EVERY_TIME), "run-3")
    assert present() == set(range(40))


def test_identifiers_are_compared_even_if_nothing_is_new() -> None:
    provider = Provider(records=40, titles=True, deleted_record="no", changed=frozenset())
    with serving(provider) as address:
        arrive(source_at(address, quirks=EVERY_TIME), "run-1")
        provider.gone = frozenset({0})
        harvested, staged = arrive(source_at(address, quirks=EVERY_TIME), "run-2")
    assert (harvested.verdict, harvested.received, staged.verdict) == ("complete", 0, "complete")
    assert present() == set(range(1, 40))


@pytest.mark.parametrize(("policy", "days"), [("persistent", "0"), ("no", "1"), ("transient", "1")])
def test_identifiers_are_compared_when_due_or_asked_for(policy: str, days: str) -> None:
    provider = Provider(records=40, titles=True, deleted_record=policy, changed=frozenset())
    with serving(provider) as address:
        source = source_at(address, quirks={"reconcile_days": days})
        arrive(source, "run-1")
        assert harvest(source, "run-2").verdict == "unchanged" and not provider.identifier_lists
        provider.gone = frozenset({1})
        arrive(source, "run-3", reconcile=True)
    assert len(provider.identifier_lists) == 4 and present() == set(range(40)) - {1}


HALF = frozenset(range(0, 40, 2))


@pytest.mark.parametrize("how", ["tombstones", "identifiers", "full"])
def test_a_broken_source_does_not_empty_a_library(how: str) -> None:
    provider = Provider(records=40, titles=True, deleted_record="no" if how == "identifiers" else "persistent")
    with serving(provider) as address:
        source = source_at(address, quirks=EVERY_TIME)
        arrive(source, "run-1")
        if how == "tombstones":
            provider.deleted, provider.changed = HALF, HALF
        else:
            provider.gone, provider.changed = HALF, frozenset()
        _, staged = arrive(source, "run-2", full=how == "full")
        assert staged.verdict == "held" and "accept" in staged.reason, staged
        assert present() == set(range(40))  # nothing is withdrawn


@pytest.mark.parametrize(
    "fault",
    [
        instead(500),
        instead(body=b"<html>"),
        lambda answer: Provider().error("noRecordsMatch", "none"),
        lambda answer: Provider().error("badArgument", "no such verb"),
    ],
    ids=["500", "HTML", "none listed", "refused"],
)
def test_identifiers_that_can_not_be_listed_withdraw_nothing(fault: Answer) -> None:
    provider = Provider(records=40, titles=True, deleted_record="no", changed=frozenset({5}))
    with serving(provider) as address:
        source = source_at(address, quirks=EVERY_TIME | {"attempts": "2"})
        arrive(source, "run-1")
        provider.identifiers_fault = fault  # type: ignore[assignment]
        harvested, staged = arrive(source, "run-2")
    assert harvested.verdict == "partial" and "nothing is withdrawn" in harvested.reason
    assert harvested.received == 1 and staged.verdict == "complete" and present() == set(range(40))


def test_fewer_identifiers_than_announced_withdraw_nothing() -> None:
    provider = Provider(records=40, titles=True, deleted_record="no", changed=frozenset())
    with serving(provider) as address:
        arrive(source_at(address, quirks=EVERY_TIME), "run-1")
        provider.gone, provider.list_size = frozenset({1, 2}), lambda page: 40
        harvested, _ = arrive(source_at(address, quirks=EVERY_TIME), "run-2")
    assert harvested.verdict == "partial" and "announced 40 identifiers, but listed 38" in harvested.reason
    assert present() == set(range(40))


def test_a_listed_record_that_never_came_is_told() -> None:
    provider = Provider(records=40, titles=True, deleted_record="no", gone=frozenset({9}), changed=frozenset())
    with serving(provider) as address:
        arrive(source_at(address, quirks=EVERY_TIME), "run-1")
        provider.gone = frozenset()  # it was there all the time, with an old datestamp
        harvested, _ = arrive(source_at(address, quirks=EVERY_TIME), "run-2")
        assert harvested.verdict == "partial" and "oai:demo:9" in harvested.reason and "--full" in harvested.reason
        harvested, _ = arrive(source_at(address, quirks=EVERY_TIME), "run-3", full=True)
    assert harvested.verdict == "complete" and present() == set(range(40))


def test_a_record_that_can_not_be_read_in_a_full_harvest_keeps_its_last_good_version() -> None:
    provider = Provider(records=40, titles=True)
    with serving(provider) as address:
        arrive(source_at(address), "run-1")
        provider.fault_of_page = {
            2: lambda a: (a[0], a[1], a[2].replace(b">Title 13</subfield>", b">Title 13</subfeld>"))
        }
        harvested, staged = arrive(source_at(address), "run-2", full=True)
    assert harvested.verdict == "complete" and staged.rejected == 1 and present() == set(range(40))
