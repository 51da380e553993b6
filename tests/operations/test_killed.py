"""Killed anywhere and run again, the whole path gives the same union."""

import os
import random
import signal
import subprocess
import sys
import time

from operations import pipeline
from tests import consortium
from warehouse import engine, lake

PUBLISHED = {
    "bib": "SELECT * FROM catalog.bib",
    "bib_record": "SELECT bib_id, source_id, record_id FROM catalog.bib_record",
    "holding": "SELECT * FROM catalog.holding",
    "item": "SELECT * FROM catalog.item",
    "match": "SELECT * FROM catalog.match",
    "loan": "SELECT * FROM catalog.loan",
}
STAGED = {
    "rejected": "SELECT source_id, record_id, file, byte_offset, rule, reason, content FROM staged.rejected",
    "issue": "SELECT source_id, record_id, rule, severity, tag, value FROM quality.issue",
    "field": "SELECT source_id, record_id, field_no, subfield_no, tag, code, value FROM staged.field",
}
COUNTS = """SELECT source_id, sum(received), sum(staged), sum(rejected), sum(deleted), sum(unchanged)
    FROM quality.outcome WHERE stage = 'stage' GROUP BY 1 ORDER BY 1"""
RUN = "from operations import pipeline; print('begun', flush=True); print(pipeline.run([], 'r'), flush=True)"


def tables():
    """All that the run made, without the names of batches and builds."""
    with engine.connect(lake.published_database(), read_only=True) as con:
        found = {name: con.execute(f"{sql} ORDER BY ALL").fetchall() for name, sql in PUBLISHED.items()}
        found["counts"] = con.execute(COUNTS).fetchall()
    with engine.open_lake() as con:
        return found | {name: con.execute(f"{sql} ORDER BY ALL").fetchall() for name, sql in STAGED.items()}


def test_killed_at_any_moment_and_run_again(built_consortium, tmp_path, monkeypatch):
    built, port = built_consortium
    undisturbed = consortium.copied(built, tmp_path / "undisturbed")
    disturbed = consortium.copied(built, tmp_path / "disturbed")
    with consortium.served(built, port):
        monkeypatch.setenv("CALIS_HOME", str(undisturbed))
        assert pipeline.run([], "r") == []
        expected = tables()

        moments = random.Random(7)
        for _ in range(5):
            environment = os.environ | {"CALIS_HOME": str(disturbed), "PYTHONWARNINGS": "ignore"}
            process = subprocess.Popen(
                [sys.executable, "-c", RUN],
                env=environment, cwd=lake.CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            process.stdout.readline()
            time.sleep(moments.uniform(0.5, 9))
            process.send_signal(signal.SIGKILL)
            process.wait()
        monkeypatch.setenv("CALIS_HOME", str(disturbed))
        assert pipeline.run([], "r") == []
    found = tables()
    for name, rows in expected.items():
        assert rows and found[name] == rows, name
    lake.sweep()
    assert list(disturbed.glob("*/.[!.]*.*.*")) == []
