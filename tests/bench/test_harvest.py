"""The benchmark of harvesting, small: forty sources as unreliable as real ones, and nothing is lost."""

import json
import subprocess
import sys

from warehouse import lake


def test_forty_unreliable_sources_lose_nothing(real):
    size = [
        "--sources",
        "40",
        "--records",
        "4000",
        "--longest",
        "0.2",
        "--faults",
        "0.3",
        "--loop",
        "0",
        "--jobs",
        "1",
    ]
    command = [sys.executable, lake.CHECKOUT / "bench" / "harvest.py", *size, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    first, again = json.loads(done.stdout)["rows"]
    for row in (first, again):
        assert (row["lost"], row["wrong"]) == (0, 0), row["examples"]
        assert row["records"] >= row["to_have"] > 3000
        assert sum(row["verdicts"].values()) == 40
    assert first["passing_faults"] > 5
    assert first["verdicts"]["failed"] > 5
    assert 0 < again["requests"] < first["requests"], "what was finished is not asked again"
