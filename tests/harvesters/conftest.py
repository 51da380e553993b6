"""Shared by tests of harvesters: a Zebra server with real records."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harvesters import zebra


@pytest.fixture(scope="session")
def library_of_congress(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Zebra server with 2,000 books of the Library of Congress in `biblios`."""
    zebra.need_servers()
    folder = tmp_path_factory.mktemp("zebra")
    with (real / "marc21" / "lc-books.mrc").open("rb") as file:
        records = file.read(2_500_000).split(b"\x1d")[:2000]
    (folder / "books.mrc").write_bytes(b"".join(record + b"\x1d" for record in records))
    zebra.load(folder, folder / "books.mrc")
    with zebra.zebra(folder) as port:
        yield port
