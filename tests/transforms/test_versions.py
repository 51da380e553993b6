"""What counts as a change of a bib, and since when."""

from typing import Any

import pytest

from transforms import catalog
from warehouse import engine, lake

from .built_catalog import book
from .staged_records import HAMLET, register, stage

ITEM = {"record_no": 0, "record_id": "000", "item_no": 0, "barcode": "B1"}


@pytest.fixture(autouse=True)
def sources(lake_home) -> None:
    register({"a": "M1", "b": "M2"})


def built() -> str:
    """Build; its id."""
    return catalog.build("run")[-1].batch_id


def changed() -> dict[str, tuple[str | None, str | None]]:
    """For each record the builds in which its bib came and was last changed."""
    with engine.open_lake() as con:
        rows: list[tuple[Any, ...]] = con.execute(
            """SELECT source_id || '/' || record_id, came_build, changed_build
            FROM catalog.bib_record JOIN catalog.version USING (bib_id)"""
        ).fetchall()
    return {key: (came, last) for key, came, last in rows}


def test_a_rebuild_of_the_same_changes_nothing_and_a_new_bib_came() -> None:
    stage("a", [book("x")])
    built()
    assert changed() == {"a/000": (None, None)}
    stage("a", [book("x"), book("y")], batch_id="b2")
    second = built()
    assert changed() == {"a/000": (None, None), "a/001": (second, second)}
    stage("b", [book("z")])
    third = built()
    assert changed() == {"a/000": (None, None), "a/001": (second, second), "b/000": (third, third)}


@pytest.mark.parametrize(
    "change",
    [
        lambda: stage("a", [HAMLET | {"publisher": "Penguin"}, book("y")], batch_id="b2", items=[ITEM]),
        lambda: stage("a", [HAMLET | {"size": "20 cm"}, book("y")], batch_id="b2", items=[ITEM]),
        lambda: stage("a", [HAMLET, book("y")], batch_id="b2", items=[ITEM | {"barcode": "B2"}]),
        lambda: stage("a", [HAMLET, book("y")], batch_id="b2"),
        lambda: stage("b", [HAMLET]),
        lambda: stage("b", [HAMLET | {"carrier": "electronic"}]),
    ],
    ids=["record", "column", "item", "item gone", "record joins", "link"],
)
def test_a_bib_changes_with_what_belongs_to_it_and_no_other_does(change) -> None:
    stage("a", [HAMLET, book("y")], items=[ITEM])
    built()
    change()
    second = built()
    found = changed()
    assert found["a/000"] == (None, second)
    assert found["a/001"] == (None, None)
    stage("b", [book("z")], batch_id="b9")
    built()
    if "b/000" not in found:
        assert changed()["a/000"] == (None, second)  # and the next build leaves it so


def test_a_lake_of_an_older_program_begins_anew() -> None:
    stage("a", [book("x")])
    (lake.catalog_build(built()) / "version.parquet").unlink()
    stage("a", [book("x"), book("y")], batch_id="b2")
    built()
    assert changed() == {"a/000": (None, None), "a/001": (None, None)}
