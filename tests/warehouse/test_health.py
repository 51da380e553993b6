"""How the sources are: one SQL question on the lake or on the published file."""

from datetime import datetime, timedelta

import pyarrow.parquet as pq
import pytest

from harvesters import schedule
from harvesters.registry import Source
from tests.quality import small_lake
from warehouse import build, health, lake
from warehouse.outcome import Outcome
from warehouse.publish import publish

DAY = timedelta(days=1)
START = datetime(2026, 3, 2, 0, 10)  # a Monday


def source(**changes) -> Source:
    row = {"source_id": "one", "member_code": "A", "protocol": "folder", "address": "a"} | changes
    return Source.model_validate(row)


def harvested(
    source_id: str, at: datetime, verdict: str = "complete", received: int = 0, reason: str = ""
) -> None:
    outcome = Outcome("harvest", source_id, lake.new_batch_id(at), f"run-{at:%d}", verdict, received, received)
    outcome.started_at, outcome.reason = at, reason
    outcome.record()


@pytest.fixture
def registered(lake_home):
    lake.registry().mkdir(parents=True)
    (lake.registry() / "members.csv").write_text(small_lake.MEMBERS, "utf-8")
    (lake.registry() / "sources.csv").write_text(
        "source_id,member_code,protocol,address,metadata_prefix,schedule\n"
        "good,A,folder,a,,@daily\n"
        "refused,A,oai,https://opac.example.edu.cn/oai?verb=x,oai_dc,@daily\n"
        "cut,B,oai,https://repository.example.edu.cn/oai,oai_dc,@weekly\n"
        "fresh,B,folder,b,,@daily\n"
        "rests,C,folder,c,,@never\n"
        "forgotten,C,folder,d,,0 3 * * *\n",
        "utf-8",
    )


def seen(now: datetime) -> dict[str, dict]:
    return {row["source_id"]: row for row in health.source_health(now).to_pylist()}


def test_each_source_has_its_state_since_when_and_what_to_do(registered):
    for day in range(6):
        harvested("good", START + day * DAY, "complete" if day == 0 else "unchanged", 7 if day == 0 else 0)
        refused = "HTTP 403: it refuses us" if day >= 2 else ""
        harvested("refused", START + day * DAY, "failed" if refused else "complete", 0 if refused else 30, refused)
    harvested("cut", START, "partial", 9, "announced 12 records, but its list ended after 9: 3 are missing")
    harvested("forgotten", START)
    found = seen(START + 5 * DAY + timedelta(hours=1))
    assert {name: row["state"] for name, row in found.items()} == {
        "good": "good",
        "refused": "late",
        "cut": "failing",
        "fresh": "new",
        "rests": "resting",
        "forgotten": "late",
    }
    refused = found["refused"]
    assert refused["failing_since"] == START + 2 * DAY
    assert refused["failures"] == 4
    assert refused["last_good_at"] == START + DAY
    assert (refused["received"], refused["received_at"]) == (30, START + DAY)
    assert refused["late_from"] == datetime(2026, 3, 4, 12)
    assert refused["host"] == "opac.example.edu.cn"
    assert "open access" in refused["advice_en"]
    assert "开放权限" in refused["advice_zh"]
    assert "ended before all records came" in found["cut"]["advice_en"]
    assert found["good"]["received"] == 7
    assert (found["good"]["reason"], found["good"]["advice_en"]) == ("", None)
    assert "scheduler" in found["forgotten"]["advice_en"]
    assert found["rests"]["next_due"] is None


def test_a_source_that_recovers_is_good_again_and_counts_anew(registered):
    harvested("refused", START, "failed", reason="no answer: timed out")
    harvested("refused", START + DAY)
    harvested("refused", START + 2 * DAY, "failed", reason="no answer: timed out")
    row = seen(START + 2 * DAY + timedelta(hours=1))["refused"]
    assert (row["state"], row["failing_since"], row["failures"]) == ("failing", START + 2 * DAY, 1)
    harvested("refused", START + 3 * DAY)
    row = seen(START + 3 * DAY + timedelta(hours=1))["refused"]
    assert (row["state"], row["failing_since"], row["failures"]) == ("good", None, 0)


def test_a_window_that_was_fetched_again_is_no_harvest_of_what_is_new(registered):
    harvested("good", START)
    again = Outcome(
        "harvest", "good", lake.new_batch_id(START + 3 * DAY), "run-9", asked_for="2026-02-01/2026-02-02"
    )
    again.started_at = START + 3 * DAY
    again.record()
    row = seen(START + 3 * DAY)["good"]
    assert (row["state"], row["last_good_at"], row["next_due"]) == ("late", START, datetime(2026, 3, 3))
    assert schedule.is_due(source(source_id="good"), START + 3 * DAY)


def test_outcomes_of_an_older_lake_without_the_column_are_read(registered):
    harvested("good", START)
    harvested("refused", START)
    path = lake.outcome_file("harvest", "good")
    pq.write_table(pq.read_table(path).drop_columns(["asked_for"]), path)
    assert seen(START)["good"]["last_good_at"] == seen(START)["refused"]["last_good_at"] == START
    harvested("good", START + DAY)
    assert seen(START + DAY)["good"]["last_good_at"] == START + DAY


def test_a_batch_that_could_not_be_staged_shows_its_reason(registered):
    harvested("good", START, received=5)
    failed = Outcome("stage", "good", lake.new_batch_id(START), "run-1", "failed")
    failed.reason = "good, batch x: UnbalancedError: 5 records were counted on the bytes at landing"
    failed.record()
    row = seen(START)["good"]
    assert (row["state"], row["stage_verdict"]) == ("good", "failed")
    assert "report it" in row["advice_en"]


@pytest.mark.parametrize(
    ("cron", "due", "late"),
    [
        ("@hourly", datetime(2026, 3, 2, 1), datetime(2026, 3, 2, 2)),
        ("@daily", datetime(2026, 3, 3), datetime(2026, 3, 3, 12)),
        ("@weekly", datetime(2026, 3, 8), datetime(2026, 3, 11, 12)),
        ("0 3 * * 1-5", datetime(2026, 3, 2, 3), datetime(2026, 3, 2, 15)),
        ("@never", None, None),
    ],
)
def test_late_is_half_an_interval_after_due(cron, due, late):
    one = source(schedule=cron)
    assert schedule.next_due(one, START, START) == due
    assert schedule.late_from(one, START) == late


def test_tolerance_may_be_a_quirk_of_the_source():
    one = source(schedule="@daily", quirks="tolerance_hours=72")
    assert schedule.late_from(one, START) == datetime(2026, 3, 6)


def test_the_published_file_answers_how_long_a_member_has_failed(tmp_path, monkeypatch):
    small_lake.make(tmp_path, monkeypatch)
    begun = lake.now()
    for minute in range(3):
        harvested("c-repository", begun + timedelta(minutes=minute), "failed", reason="HTTP 404: nothing is there")
    (outcome,) = publish("run-1")
    assert outcome.verdict == "complete", outcome.reason
    (row,) = build.query("SELECT * FROM marts.source_health WHERE member_code = 'C'").to_pylist()
    assert (row["state"], row["failing_since"], row["failures"]) == ("failing", begun, 3)
    assert "索取新地址" in row["advice_zh"]
    (kept,) = build.query("SELECT count(*) AS n FROM quality.outcome WHERE source_id = 'c-repository'").to_pylist()
    assert kept["n"] == 5


def test_publication_holds_while_too_many_sources_fail(tmp_path, monkeypatch):
    small_lake.make(tmp_path, monkeypatch)
    (first,) = publish("run-1")
    assert first.verdict == "complete", first.reason
    begun = lake.now()
    for number, source_id in enumerate(("a-opac", "c-repository")):
        harvested(source_id, begun + timedelta(seconds=number), "failed", reason="no answer: timed out")
    (held,) = publish("run-2")
    assert held.verdict == "held"
    assert "Sources whose last harvest failed, percent ≤ 50" in held.reason
    assert "observed 66.67" in held.reason
    assert "最近一次采集失败的数据源百分比" in held.reason
    assert build.query("SELECT max(run_id) AS run FROM quality.outcome WHERE stage = 'publish'").to_pylist() == [
        {"run": "run-1"}
    ], "the last good file stays"
    (published,) = publish("run-3", failed_percent=70)
    assert published.verdict == "complete", published.reason
