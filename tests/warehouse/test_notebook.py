"""The notebook runs on a published file, draws its charts, and lies in the repository without what it drew."""

import base64
import os
from typing import Any

import pytest

from tests.quality import small_lake
from warehouse import lake
from warehouse.publish import publish

NOTEBOOK = lake.CHECKOUT / "warehouse" / "notebook.ipynb"
MISSING = "the notebook's packages are not installed (pip install -e '.[notebook]')"


def _read() -> Any:
    nbformat = pytest.importorskip("nbformat", reason=MISSING)
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_kept_without_outputs():
    cells = [cell for cell in _read().cells if cell.cell_type == "code"]
    assert cells and not any(cell.outputs or cell.execution_count for cell in cells)


def test_it_runs_and_draws_three_charts_with_chinese_labels(tmp_path, monkeypatch):
    for name in ("nbclient", "ipykernel", "matplotlib"):
        pytest.importorskip(name, reason=MISSING)
    import nbclient
    from matplotlib import font_manager

    notebook = _read()
    small_lake.make(tmp_path / "lake", monkeypatch)
    (outcome,) = publish("run-1")
    assert outcome.verdict == "complete", outcome.reason
    for name in ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(lake.CHECKOUT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.delenv("MPLBACKEND", raising=False)

    ran = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute(cwd=str(tmp_path))
    outputs = [output for cell in ran.cells for output in cell.get("outputs", [])]
    charts = [
        base64.b64decode(output.data["image/png"]) for output in outputs if "image/png" in output.get("data", {})
    ]
    assert len(charts) == 3 and all(chart.startswith(b"\x89PNG") for chart in charts)
    if any("CJK" in font.name for font in font_manager.fontManager.ttflist):
        told = [output.text for output in outputs if output.output_type == "stream"]
        assert told == []  # a glyph that no font has is told as a warning
