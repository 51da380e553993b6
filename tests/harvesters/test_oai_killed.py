"""A harvest over OAI-PMH that was killed goes on where it was."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import Provider, hang, identifiers, instead, serving, source_at
from transforms.stage import stage
from warehouse import lake
from warehouse.outcome import recorded

pytestmark = pytest.mark.usefixtures("lake_home")


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


# Children of a process that has imported everything, so that they are at work at once; no thread runs in it.
FIFTY = """
import os, random, signal, time
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import source_at
from transforms.stage import stage

moments, source = random.Random(50), source_at({address!r}, quirks={{"read_timeout": "30"}})

def work(stages):
    while True:
        harvest(source, "killed", full=stages)
        if stages:
            stage(source, "killed")

for number in range(50):
    stages = number % 5 == 4
    child = os.fork()
    if not child:
        work(stages)
    time.sleep(moments.uniform(0, 0.5 if stages else 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def staged_tables() -> dict[str, list[dict[str, object]]]:
    """The current records of the source and all their fields, whichever batches they are in."""
    newest = lake.staged_batch("demo", lake.staged_batches("demo")[-1]) / "record.parquet"
    index = lake.read_table("staged.record", [newest]).to_pylist()
    current = {(row["batch_id"], row["record_no"]) for row in index if not row["deleted"]}
    told: dict[str, list[dict[str, object]]] = {
        "record": [{"id": r["record_id"], "of": r["digest"]} for r in index]
    }
    for name in ("bib", "field"):
        files = [lake.staged_batch("demo", one) / f"{name}.parquet" for one in lake.staged_batches("demo")]
        rows = lake.read_table(f"staged.{name}", files).to_pylist()
        changing = ("batch_id", "record_no", "file", "byte_offset")
        told[name] = [
            {column: value for column, value in row.items() if column not in changing}
            for row in sorted(
                rows, key=lambda row: (row["record_id"], row.get("field_no"), row.get("subfield_no"))
            )
            if (row["batch_id"], row["record_no"]) in current
        ]
    return told


def test_killed_fifty_times_anywhere_and_resumed_it_is_as_if_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(
        records=300, page_size=10, titles=True, deleted=frozenset({7, 200}), list_size=lambda _: 300
    )
    with serving(provider) as address:
        monkeypatch.setenv("CALIS_HOME", str(tmp_path / "undisturbed"))
        assert harvest(source_at(address), "run").verdict == "complete"
        assert stage(source_at(address), "run")[-1].verdict == "complete"
        expected = staged_tables()
        monkeypatch.setenv("CALIS_HOME", str(tmp_path / "disturbed"))
        subprocess.run([sys.executable, "-c", FIFTY.format(address=address)], cwd=lake.CHECKOUT, check=True)
        assert harvest(source_at(address), "run").verdict in ("complete", "unchanged")
        assert stage(source_at(address), "run")[-1].verdict in ("complete", "unchanged")
        assert staged_tables() == expected and len(expected["bib"]) == 298
        assert not landing.in_progress("demo")
        assert all(outcome.balanced for outcome in recorded("stage", "demo"))
