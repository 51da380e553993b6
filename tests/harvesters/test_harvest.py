"""Many sources at once: side by side, each with its own verdict, none asked twice in a run."""

import threading

import pytest

from harvesters import harvest as stage
from harvesters.harvest import harvest_sources
from harvesters.landing import Harvested, HarvestError
from tests.quality import small_lake
from warehouse import health, lake
from warehouse.outcome import Outcome, StageFailedError, of_run, raise_for_run


class Feeds:
    """What sources do when they are asked, by the first part of their id."""

    def __init__(self):
        self.asked: list[str] = []
        self.at_once: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.lock = threading.Lock()
        self.meet = threading.Barrier(3)
        self.mended = False

    def harvest(self, source, batch_id, wanted):
        host = source.host or "folder"
        with self.lock:
            self.asked.append(source.source_id)
            self.at_once[host] = self.at_once.get(host, 0) + 1
            self.most[host] = max(self.most.get(host, 0), self.at_once[host])
        try:
            return getattr(self, source.source_id.partition("-")[0])()
        finally:
            with self.lock:
                self.at_once[host] -= 1

    def good(self):
        return Harvested("complete", 3)

    def slow(self):
        self.meet.wait(20)  # returns only when three are here at the same time
        return Harvested("unchanged")

    def crash(self):
        raise RuntimeError("a fault of ours")

    def refused(self):
        raise HarvestError("HTTP 403: it refuses us", resumable=False)

    def flaky(self):
        if not self.mended:
            raise HarvestError("no answer: timed out; asked 5 times; the next run tries again")
        return Harvested("complete", 2)


@pytest.fixture
def feeds(lake_home, monkeypatch):
    made = Feeds()
    monkeypatch.setitem(stage.PROTOCOLS, "folder", made.harvest)
    monkeypatch.setitem(stage.PROTOCOLS, "oai", made.harvest)
    return made


def register(*source_ids: str, host: str = "") -> None:
    lake.registry().mkdir(parents=True, exist_ok=True)
    (lake.registry() / "members.csv").write_text(small_lake.MEMBERS, "utf-8")
    lines = [
        f"{name},A,oai,http://{host}/{name},oai_dc" if host else f"{name},A,folder,{name}," for name in source_ids
    ]
    header = "source_id,member_code,protocol,address,metadata_prefix"
    (lake.registry() / "sources.csv").write_text("\n".join([header, *lines]) + "\n", "utf-8")


def test_slow_sources_wait_side_by_side_and_a_bad_one_fails_alone(feeds):
    register("slow-1", "crash-1", "slow-2", "refused-1", "slow-3", "good-1")
    outcomes = harvest_sources([], "run-1", jobs=6)
    assert [(o.source_id, o.verdict) for o in outcomes] == [
        ("slow-1", "unchanged"),
        ("crash-1", "failed"),
        ("slow-2", "unchanged"),
        ("refused-1", "failed"),
        ("slow-3", "unchanged"),
        ("good-1", "complete"),
    ]
    assert {o.source_id for o in of_run("run-1")} == {o.source_id for o in outcomes}


def test_the_sources_of_one_host_are_asked_one_after_the_other(feeds):
    register(*(f"good-{n}" for n in range(6)), host="shared.example.org")
    assert {o.verdict for o in harvest_sources([], "run-1", jobs=6)} == {"complete"}
    assert feeds.most == {"shared.example.org": 1}


def test_a_task_tried_again_asks_only_what_its_run_has_not_finished(feeds):
    register("good-1", "flaky-1", "refused-1")
    with pytest.raises(health.TryAgainError, match=r"1 source.*\n.*flaky-1"):
        health.raise_to_try_again(harvest_sources([], "run-1"), last=False)
    feeds.asked.clear()
    feeds.mended = True
    again = harvest_sources([], "run-1")
    assert sorted(feeds.asked) == ["flaky-1", "refused-1"]
    assert [(o.source_id, o.verdict) for o in again] == [
        ("good-1", "complete"),
        ("flaky-1", "complete"),
        ("refused-1", "failed"),
    ]
    health.raise_to_try_again(again, last=False)  # a refusal is not worth another try
    assert [o.asked_for for o in again] == [None] * 3
    feeds.asked.clear()
    (window,) = harvest_sources(["good-1"], "run-3", since="2026-11-01")
    assert window.asked_for == "2026-11-01/"
    feeds.asked.clear()
    harvest_sources(["good-1"], "run-2")
    assert feeds.asked == ["good-1"], "another run asks everything"


def test_the_last_try_leaves_the_word_to_the_outcomes(feeds):
    register("flaky-1")
    health.raise_to_try_again(harvest_sources([], "run-1"), last=True)
    with pytest.raises(StageFailedError, match=r"flaky-1: failed: .*timed out"):
        raise_for_run("run-1", {"harvest_files": [["flaky-1"]]})


def test_a_run_counts_the_last_outcome_of_a_source_and_names_those_that_were_lost(feeds):
    register("flaky-1", "good-1", "good-2")
    harvest_sources(["flaky-1", "good-1"], "run-1")
    feeds.mended = True
    harvest_sources(["flaky-1"], "run-1")
    raise_for_run("run-1", {"harvest_files": [["flaky-1"], ["good-1"]]})
    with pytest.raises(StageFailedError, match="good-2: failed: its task ended before"):
        raise_for_run("run-1", {"harvest_files": [["flaky-1", "good-1"]], "harvest_oai": [["good-2"]]})
    with pytest.raises(StageFailedError, match="could not be chosen"):
        raise_for_run("run-1", None)
    Outcome("stage", "good-1", "b", "run-1", "failed", reason="can't be read").record()
    with pytest.raises(StageFailedError, match="can't be read"):
        raise_for_run("run-1", {"harvest_files": [["flaky-1"], ["good-1"]]})
