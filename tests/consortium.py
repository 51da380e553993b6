"""A small sample consortium for tests that need the whole path, built once per test session and copied."""

import os
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

from sample import build, provider

RECORDS = 900


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def build_small(real: Path, port: int) -> None:
    """Build the sample from the real records into the current lake."""
    build.build([real / "marc21" / "lc-chinese.mrc", real / "marc21" / "lc-books.mrc"], records=RECORDS, port=port)


@contextmanager
def lake_at(home: Path):
    """The lake of fixtures that outlast a test: `CALIS_HOME` for as long as the block runs."""
    before = os.environ.get("CALIS_HOME")
    os.environ["CALIS_HOME"] = str(home)
    try:
        yield
    finally:
        os.environ.pop("CALIS_HOME")
        if before:
            os.environ["CALIS_HOME"] = before


def copied(built: Path, home: Path) -> Path:
    """A lake with the sample and its registry, and nothing else."""
    for name in ("sample", "registry"):
        shutil.copytree(built / name, home / name)
    return home


@contextmanager
def served(home: Path, port: int):
    """The OAI-PMH provider of a lake's consortium, for as long as the block runs."""
    with provider.serve(port, folder=home / "sample" / "oai"):
        yield
