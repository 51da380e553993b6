"""Shared by all tests: a lake of their own, where the real records lie, and a small consortium."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests import consortium

settings.register_profile("calis", deadline=None)  # how long a case takes is not what tests check
settings.load_profile("calis")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture
def lake_home(tmp_path, monkeypatch) -> Path:
    """An empty lake for one test."""
    home = tmp_path / "lake"
    monkeypatch.setenv("CALIS_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real records; tests that need it are skipped where it is missing."""
    if not SHARED.is_dir():
        pytest.skip(f"no real records: {SHARED.parent.name}/{SHARED.name} is not beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def built_consortium(real, tmp_path_factory) -> tuple[Path, int]:
    """(lake, port): a small consortium, built once in each test process; copy it, don't change it."""
    home = tmp_path_factory.mktemp("consortium")
    port = consortium.free_port()
    with consortium.lake_at(home):
        consortium.build_small(real, port)
    return home, port


@pytest.fixture
def small_consortium(built_consortium, lake_home) -> Path:
    """A lake of the test's own with a small consortium whose OAI-PMH feeds are served."""
    home, port = built_consortium
    copy = consortium.copied(home, lake_home)
    with consortium.served(copy, port):
        yield copy


@pytest.fixture(scope="session")
def published_consortium(built_consortium, tmp_path_factory) -> Path:
    """The lake of a small consortium that went through all stages; mark its tests `xdist_group("published")`."""
    from operations import pipeline

    home, port = built_consortium
    copy = consortium.copied(home, tmp_path_factory.mktemp("published"))
    with consortium.lake_at(copy), consortium.served(copy, port):
        assert pipeline.run([], "run-1") == []
    return copy


@pytest.fixture
def published_lake(published_consortium, monkeypatch) -> Path:
    """The same as the current lake; don't change it."""
    monkeypatch.setenv("CALIS_HOME", str(published_consortium))
    return published_consortium
