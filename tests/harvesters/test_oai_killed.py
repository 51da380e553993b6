"""A harvest over OAI-PMH that was killed goes on where it was."""

import signal
import subprocess
import sys
import time

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import Provider, hang, identifiers, instead, serving, source_at
from warehouse import lake

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
