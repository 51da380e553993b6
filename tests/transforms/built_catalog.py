"""What a build of the catalogue says, and books to build it from, for tests of what builds it."""

import shutil
from hashlib import sha1
from typing import Any

import pytest

from transforms import catalog
from warehouse import engine, lake

from .staged_records import HAMLET

SOURCES = {"a": "M1", "b": "M2", "c": "M2"}


def query(sql: str) -> list[tuple[Any, ...]]:
    with engine.open_lake() as con:
        return con.execute(sql).fetchall()


def built(*tables: str) -> dict[str, bytes]:
    """Build, and the files of some tables."""
    catalog.build("run")
    folder = lake.catalog_build(lake.catalog_builds()[-1])
    return {name: (folder / f"{name}.parquet").read_bytes() for name in tables}


def built_whole(monkeypatch: pytest.MonkeyPatch, *tables: str) -> dict[str, bytes]:
    """Make the newest build once more, without what the one before found."""
    shutil.rmtree(lake.catalog_build(lake.catalog_builds()[-1]))
    with monkeypatch.context() as patched:
        patched.setattr(catalog, "_before", lambda basis, same: None)
        return built(*tables)


def bib_of() -> dict[str, str]:
    """The bib of each record, as 'source/record'."""
    return dict(query("SELECT source_id || '/' || record_id, bib_id FROM catalog.bib_record"))


def lineage() -> list[tuple[str, str, str | None]]:
    return query("SELECT event, bib_id, other_bib_id FROM catalog.lineage ORDER BY ALL")


def book(name: str) -> dict[str, Any]:
    """A book unlike every other of these."""
    digest = sha1(name.encode()).hexdigest()
    return HAMLET | {"title": f"{digest[:16]} {name}", "creators": [digest[16:24]], "isbn": [], "extent": None}


def redirect() -> list[tuple[str, str, str | None]]:
    return query("SELECT bib_id, status, living_bib_id FROM catalog.redirect ORDER BY ALL")
