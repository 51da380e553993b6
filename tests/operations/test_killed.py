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

CATALOGUE = "SELECT * FROM catalog.bib ORDER BY bib_id"
COUNTS = """SELECT source_id, sum(received), sum(staged), sum(rejected), sum(deleted), sum(unchanged)
    FROM quality.outcome WHERE stage = 'stage' GROUP BY 1 ORDER BY 1"""
RUN = "from operations import pipeline; print('begun', flush=True); print(pipeline.run([], 'r'), flush=True)"


def published(sql):
    with engine.connect(lake.published_database(), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_killed_at_any_moment_and_run_again(built_consortium, tmp_path, monkeypatch):
    built, port = built_consortium
    undisturbed = consortium.copied(built, tmp_path / "undisturbed")
    disturbed = consortium.copied(built, tmp_path / "disturbed")
    with consortium.served(built, port):
        monkeypatch.setenv("CALIS_HOME", str(undisturbed))
        assert pipeline.run([], "r") == []
        expected = published(CATALOGUE), published(COUNTS)

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
    assert (published(CATALOGUE), published(COUNTS)) == expected
    lake.sweep()
    assert list(disturbed.glob("*/.[!.]*.*.*")) == []
