from pathlib import Path

import pytest

from . import usage_lake


@pytest.fixture(autouse=True)
def _lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage_lake.home(tmp_path, monkeypatch)
