"""Identifiers of the catalogue last, and every one that ever was leads somewhere."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.tables import BY_NAME
from transforms import catalog, identity

from .built_catalog import SOURCES, bib_of, book, lineage, query, redirect
from .staged_records import HAMLET, register, stage


@pytest.fixture
def sources(lake_home: Path) -> Path:
    register(SOURCES)
    return lake_home


def test_ids_last_over_rebuilds(sources: Path) -> None:
    stage("b", [HAMLET, book("x")])
    catalog.build("one")
    before = bib_of()
    stage("a", [HAMLET | {"publisher": "Penguin"}, book("y")])  # now the smallest record of the bib
    catalog.build("two")
    after = bib_of()
    assert {key: after[key] for key in before} == before
    assert after["a/000"] == before["b/000"]
    assert lineage() == []


def test_a_merge_keeps_the_larger_bib_and_says_where_the_other_went(sources: Path) -> None:
    other = book("same")
    stage("a", [book("same")])
    stage("b", [book("same") | {"edition": "5th ed.", "pub_year": 1970}])
    stage("c", [book("same") | {"edition": "5th ed.", "pub_year": 1970}])
    catalog.build("one")
    before = bib_of()
    assert before["a/000"] != before["b/000"] == before["c/000"]
    stage("a", [other | {"edition": "5th ed.", "pub_year": 1970}], batch_id="b2")
    catalog.build("two")
    assert set(bib_of().values()) == {before["b/000"]}
    assert lineage() == [("merge", before["a/000"], before["b/000"])]


def test_a_split_gives_the_smaller_part_a_new_id(sources: Path) -> None:
    for name in "abc":
        stage(name, [book("same")])
    catalog.build("one")
    (old,) = set(bib_of().values())
    stage("a", [book("other")], batch_id="b2")  # the record after which the bib was named
    catalog.build("two")
    of = bib_of()
    assert of["b/000"] == of["c/000"] == old != of["a/000"]
    assert lineage() == [("split", of["a/000"], old)]


def test_a_bib_without_records_is_retired_and_comes_back_with_its_record(sources: Path) -> None:
    stage("a", [book("x"), book("y")])
    stage("b", [book("x")])
    catalog.build("one")
    before = bib_of()
    old, other = before["a/000"], before["a/001"]
    stage("a", [book("x") | {"deleted": True}, book("y")], batch_id="b2")
    stage("b", [book("x") | {"deleted": True}], batch_id="b2")
    catalog.build("two")
    assert bib_of() == {"a/001": other}
    assert lineage() == [("retire", old, None)]
    assert redirect() == sorted([(old, "retired", None), (other, "living", other)])
    assert query("SELECT source_id, bib_id FROM catalog.former_record ORDER BY 1") == [("a", old), ("b", old)]
    stage("c", [book("z")])
    catalog.build("three")  # the memory outlasts a build
    stage("b", [book("x")], batch_id="b3")  # not the record after which the bib was named
    catalog.build("four")
    assert bib_of()["b/000"] == old
    assert [event[:2] for event in lineage()] == [("retire", old), ("return", old)]
    assert ("living", old) in [(status, living) for _, status, living in redirect()]
    assert query("SELECT source_id, bib_id FROM catalog.former_record") == [("a", old)]


def test_a_record_that_comes_back_into_a_living_bib_brings_its_old_id_along(sources: Path) -> None:
    stage("a", [book("x")])
    catalog.build("one")
    old = bib_of()["a/000"]
    stage("a", [book("x") | {"deleted": True}], batch_id="b2")
    stage("b", [book("x")])
    catalog.build("two")
    new = bib_of()["b/000"]
    assert new != old
    stage("a", [book("x")], batch_id="b3")
    catalog.build("three")
    assert bib_of() == {"a/000": new, "b/000": new}
    assert ("merge", old, new) in lineage()
    assert (old, "merged", new) in redirect()


def test_every_record_gone_leaves_an_empty_catalogue(sources: Path) -> None:
    stage("a", [book("x")])
    catalog.build("one")
    stage("a", [book("x") | {"deleted": True}], batch_id="b2")
    assert catalog.build("two")[-1].received == 0
    assert query("SELECT count(*) FROM catalog.bib") == [(0,)]
    assert [event for event, *_ in lineage()] == ["retire"]


def test_ties_go_to_the_smaller_old_bib() -> None:
    records = pa.table(
        {
            "source_id": ["a", "a", "a", "a"],
            "record_id": ["1", "2", "3", "4"],
            "cluster": [0, 0, 2, 2],
            "old_bib_id": ["U2", "U1", "U2", "U1"],
        }
    )
    empty = BY_NAME["catalog.lineage"].empty()
    ids, history = identity.assign(records, pa.array(["U2", "U1"]), empty, "now")
    assert ids.to_pylist() == ["U1", "U1", "U2", "U2"]
    assert len(history) == 0


RECORDS = [("s", str(number)) for number in range(6)]
# for each build, the cluster of each record, or None where it is not there
HISTORY = st.lists(st.lists(st.none() | st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=9)


def rebuilt(history: list[list[int | None]]) -> list[tuple[dict[tuple[str, str], str], pa.Table, pa.Table]]:
    """The bib of each record, the lineage and the redirects after each of many builds."""
    on = ["source_id", "record_id"]
    now = BY_NAME["catalog.bib_record"].empty().select([*on, "bib_id"])
    history_of, former = BY_NAME["catalog.lineage"].empty(), BY_NAME["catalog.former_record"].empty()
    states = []
    for number, labels in enumerate(history):
        build_id = f"b{number:03}"
        there = [(key, label) for key, label in zip(RECORDS, labels, strict=True) if label is not None]
        first: dict[int, int] = {}
        clusters = [first.setdefault(label, row) for row, (_, label) in enumerate(there)]
        living = pc.unique(now["bib_id"])
        known = identity.remembered(now, former, identity.redirects(living, history_of))
        last = {(row["source_id"], row["record_id"]): row["bib_id"] for row in known.to_pylist()}
        records = pa.table(
            {
                "source_id": pa.array([key[0] for key, _ in there], pa.string()),
                "record_id": pa.array([key[1] for key, _ in there], pa.string()),
                "cluster": pa.array(clusters, pa.int64()),
                "old_bib_id": pa.array([last.get(key) for key, _ in there], pa.string()),
            }
        )
        ids, history_of = identity.assign(records, living, history_of, build_id)
        former = identity.left_behind(known, former, records, build_id)
        now = records.select(on).append_column("bib_id", ids)
        of_record = dict(zip((key for key, _ in there), ids.to_pylist(), strict=True))
        states.append((of_record, history_of, identity.redirects(pc.unique(now["bib_id"]), history_of)))
    return states


@settings(max_examples=150)
@given(HISTORY)
def test_every_id_that_ever_was_resolves(history: list[list[int | None]]) -> None:
    ever: set[str] = set()
    meant: dict[str, str | None] = {}  # what each identifier meant after the last build
    before: dict[tuple[str, str], str] = {}
    for labels, (of_record, lineage_now, redirect_now) in zip(history, rebuilt(history), strict=True):
        living = set(of_record.values())
        ever |= living
        found = {row["bib_id"]: row for row in redirect_now.to_pylist()}
        assert set(found) == ever
        clusters: dict[int, set[str]] = {}
        for key, label in zip(RECORDS, labels, strict=True):
            if label is not None:
                clusters.setdefault(label, set()).add(of_record[key])
        assert all(len(ids) == 1 for ids in clusters.values())  # one bib, one id
        assert len(living) == len(clusters)  # one id, one bib
        for bib_id, row in found.items():
            target = row["living_bib_id"]
            assert row["status"] == {bib_id: "living", None: "retired"}.get(target, "merged")
            assert (target in living) == (target is not None)
            assert (row["build_id"] is None) == (row["status"] == "living")
            # who was merged goes where the bib went that it was merged into, and a retired one stays or comes back
            if bib_id in meant and meant[bib_id] not in {None, bib_id}:
                assert target == found[meant[bib_id]]["living_bib_id"]
        for bib_id in set(before.values()):  # retired only where all its records left
            left = all(key not in of_record for key, was in before.items() if was == bib_id)
            assert left or found[bib_id]["status"] != "retired"
        changed = {row["bib_id"] for row in lineage_now.to_pylist()}
        assert {bib_id for bib_id, row in found.items() if row["status"] != "living"} <= changed
        meant, before = {bib_id: row["living_bib_id"] for bib_id, row in found.items()}, of_record


@settings(max_examples=80)
@given(HISTORY)
def test_a_bib_that_left_whole_comes_back_as_it_was(history: list[list[int | None]]) -> None:
    history = [labels for labels in history if any(label is not None for label in labels)] or [[0] * 6]
    away: list[int | None] = [None] * 6
    states = rebuilt([*history, away, away, history[-1]])
    assert states[-1][0] == states[-4][0]
    assert states[-2][0] == {}


def test_a_living_bib_wins_over_a_retired_one_whose_more_records_return() -> None:
    records = pa.table(
        {
            "source_id": ["a", "a", "a"],
            "record_id": ["1", "2", "3"],
            "cluster": [0, 0, 0],
            "old_bib_id": ["U1", "U1", "U2"],
        }
    )
    empty = BY_NAME["catalog.lineage"].empty()
    ids, history = identity.assign(records, pa.array(["U2"]), empty, "now")
    assert ids.to_pylist() == ["U2", "U2", "U2"]
    assert [(row["event"], row["bib_id"], row["other_bib_id"]) for row in history.to_pylist()] == [
        ("merge", "U1", "U2")
    ]
