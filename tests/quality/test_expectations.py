"""Gates in a process where Spark is installed too."""

import importlib.util
import subprocess
import sys

import pytest

OBSERVE = """
import sys
import pandas as pd
from quality.expectations import Expectation, observe

expected = [Expectation("bibs", "1", 1, 9, "", "", "", ""), Expectation("none", "1", 1, 9, "", "", "", "")]
seen = observe(pd.DataFrame({"bibs": [3.0], "none": [0.0]}), expected)
assert "pyspark" not in sys.modules
print([one.success for one in seen])
"""


@pytest.mark.skipif(
    not importlib.util.find_spec("pyspark"), reason="without PySpark there is nothing to leave alone"
)
def test_gates_leave_spark_alone() -> None:
    """Its client ends a process whose main module has no file, as in workers of pytest and in `python -c`."""
    done = subprocess.run([sys.executable, "-c", OBSERVE], capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("[True, False]"), done.stderr
