"""A harvest over OAI-PMH that was killed goes on where it was."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import Answer, Provider, hang, identifiers, instead, serving, source_at
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
        third = json.loads((folder / landing.JOURNAL).read_text().splitlines()[3])["row"]
        with (folder / landing.PAGES).open("r+b") as pages:
            pages.seek(third["position"])
            pages.write(bytes(20))
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

moments = random.Random(50)
source = source_at({address!r}, quirks={{"read_timeout": "30"}}, holdings="marc21-852-952")

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


# What a batch calls its records, and when and in which batch they came, may differ.
CHANGING = ("batch_id", "record_no", "file", "byte_offset", "run_id", "started_at", "ended_at")
OF_RECORDS = ("bib", "field", "holding", "item", "issue")


def staged_tables() -> dict[str, list[str]]:
    """All staged tables of the source: what they say of its current records, and what each batch set aside."""
    first, *_, newest = [lake.staged_batches("demo")[0], *lake.staged_batches("demo")]
    index = rows_of("record", newest)
    current = {(row["batch_id"], row["record_no"]) for row in index}
    told = {"record": index, "rejected": rows_of("rejected", newest)}
    told["profile"] = rows_of("profile", first)  # it counts what is new in a batch
    for table in OF_RECORDS:
        rows = [row for batch_id in lake.staged_batches("demo") for row in rows_of(table, batch_id)]
        of_rejected = [row for row in rows if row["batch_id"] == newest and row["record_no"] in set_aside(newest)]
        told[table] = [row for row in rows if (row["batch_id"], row["record_no"]) in current] + of_rejected
    return {
        table: sorted(str({name: row[name] for name in row if name not in CHANGING}) for row in rows)
        for table, rows in told.items()
    }


def rows_of(table: str, batch_id: str) -> list[dict[str, object]]:
    return pq.read_table(lake.staged_batch("demo", batch_id) / f"{table}.parquet").to_pylist()  # type: ignore[no-any-return]


def set_aside(batch_id: str) -> set[object]:
    return {row["record_no"] for row in rows_of("rejected", batch_id)}


HELD = (
    b'<datafield tag="852" ind1=" " ind2=" "><subfield code="b">main</subfield><subfield code="h">I24</subfield>'
    b'</datafield><datafield tag="952" ind1=" " ind2=" "><subfield code="p">B0001</subfield></datafield>'
    b"</record></metadata>"
)


def held_and_one_bad(answer: Answer) -> Answer:
    """Records with a holding and an item each, of which one is not well-formed."""
    content = answer[2].replace(b"</record></metadata>", HELD).replace(b">Title 13<", b">a < b 13<")
    return answer[0], answer[1], content


def test_killed_fifty_times_anywhere_and_resumed_it_is_as_if_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Provider(
        records=300, page_size=10, titles=True, deleted=frozenset({7, 200}), list_size=lambda _: 300,
        faults={0: held_and_one_bad},
    )  # fmt: skip
    with serving(provider) as address:
        source = source_at(address, holdings="marc21-852-952")
        monkeypatch.setenv("CALIS_HOME", str(tmp_path / "undisturbed"))
        assert harvest(source, "run").verdict == "complete"
        assert stage(source, "run")[-1].verdict == "complete"
        expected = staged_tables()
        monkeypatch.setenv("CALIS_HOME", str(tmp_path / "disturbed"))
        subprocess.run([sys.executable, "-c", FIFTY.format(address=address)], cwd=lake.CHECKOUT, check=True)
        assert harvest(source, "run", full=True).verdict in ("complete", "unchanged")
        assert stage(source, "run")[-1].verdict in ("complete", "unchanged")
        found = staged_tables()
        for table, rows in expected.items():
            assert found[table] == rows, table
        sizes = {table: len(rows) for table, rows in found.items()}
        assert sizes["record"] == 299 and sizes["rejected"] == 1
        assert sizes["bib"] == sizes["holding"] == sizes["item"] == 297
        assert {path.stem for path in (tmp_path / "disturbed" / "staged").rglob("*.parquet")} == {
            *found,
            "outcome",
        }
        assert not landing.in_progress("demo")
        assert all(outcome.balanced for outcome in recorded("stage", "demo"))
