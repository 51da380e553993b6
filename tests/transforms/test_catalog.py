"""The catalogue stage: identifiers that last, history, counts that reconcile, one result whatever the order."""

from datetime import date
from hashlib import sha1
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvesters.registry import RegistryError
from schemas.tables import BY_NAME
from transforms import catalog, identity, merge
from warehouse import engine, lake
from warehouse.outcome import recorded

from .staged_records import ANALYSIS, HAMLET, register, stage

SOURCES = {"a": "M1", "b": "M2", "c": "M2"}


def query(sql: str) -> list[tuple[Any, ...]]:
    with engine.open_lake() as con:
        return con.execute(sql).fetchall()


def bib_of() -> dict[str, str]:
    """The bib of each record, as 'source/record'."""
    return dict(query("SELECT source_id || '/' || record_id, bib_id FROM catalog.bib_record"))


def lineage() -> list[tuple[str, str, str | None]]:
    return query("SELECT event, bib_id, other_bib_id FROM catalog.lineage ORDER BY ALL")


def book(name: str) -> dict[str, Any]:
    """A book unlike every other of these."""
    digest = sha1(name.encode()).hexdigest()
    return HAMLET | {"title": f"{digest[:16]} {name}", "creators": [digest[16:24]], "isbn": [], "extent": None}


@pytest.fixture
def sources(lake_home: Path) -> Path:
    register(SOURCES)
    return lake_home


# --- bibs ------------------------------------------------------------------------------------------------


def test_records_holdings_items_and_counts(sources: Path) -> None:
    holding = {"record_no": 0, "record_id": "000", "holding_no": 0, "call_number": "PR2807"}
    item = {"record_no": 0, "record_id": "000", "item_no": 0, "barcode": "B1"}
    stage("a", [HAMLET, ANALYSIS], holdings=[holding], items=[item])
    stage("b", [HAMLET | {"publisher": "Penguin"}], items=[item])
    stage("c", [ANALYSIS | {"title": "数学分析"}, HAMLET | {"carrier": "electronic"}])
    outcomes = {o.source_id: o for o in catalog.build("run")}

    of = bib_of()
    assert of["a/000"] == of["b/000"] != of["c/001"]
    assert of["a/001"] == of["c/000"]
    assert query("SELECT records, members FROM catalog.bib ORDER BY ALL") == [(1, 1), (2, 2), (2, 2)]
    assert query("SELECT bib_id, member_code, source_id, call_number FROM catalog.holding") == [
        (of["a/000"], "M1", "a", "PR2807")
    ]
    assert query("SELECT bib_id, member_code FROM catalog.item ORDER BY source_id") == [
        (of["a/000"], "M1"),
        (of["b/000"], "M2"),
    ]
    assert query("SELECT member_code FROM catalog.member") == [("M1",), ("M2",)]
    assert {s: (o.received, o.staged, o.verdict) for s, o in outcomes.items()} == {
        "a": (2, 2, "complete"),
        "b": (1, 1, "complete"),
        "c": (2, 2, "complete"),
        "*": (5, 5, "complete"),
    }
    assert recorded("catalog", "*")[-1].received == 5


def test_every_table_of_the_catalogue_is_written_to_its_contract(sources: Path) -> None:
    stage("a", [HAMLET])
    (build_id,) = {outcome.batch_id for outcome in catalog.build("run")}
    for table in BY_NAME.values():
        if table.layer == "catalog":
            read = lake.read_table(table.full_name, [lake.catalog_build(build_id) / f"{table.name}.parquet"])
            assert read.schema.equals(table.schema), table.full_name


def test_volumes_under_one_isbn_are_two_bibs(sources: Path) -> None:
    volumes = [ANALYSIS | {"volume_no": "上册"}, ANALYSIS | {"volume_no": "下册"}]
    stage("a", volumes)
    stage("b", [volumes[1], volumes[0]])
    catalog.build("run")
    of = bib_of()
    assert of["a/000"] == of["b/001"] != of["a/001"] == of["b/000"]


def test_deleted_records_and_old_versions_take_no_part(sources: Path) -> None:
    stage("a", [book("old")], batch_id="b1")
    stage("a", [book("new"), book("gone") | {"deleted": True}], batch_id="b2")
    outcomes = catalog.build("run")
    assert query("SELECT title FROM catalog.bib") == [(book("new")["title"],)]
    assert outcomes[-1].received == outcomes[-1].staged == 1


def test_loans_find_their_item_and_orphans_keep_none(sources: Path) -> None:
    register(SOURCES | {"use": "M1"}, loans=("use",))
    item = {"record_no": 0, "record_id": "000", "item_no": 0, "barcode": "B1"}
    stage("a", [HAMLET, ANALYSIS], items=[item, item | {"record_no": 1, "record_id": "001"}])
    stage("b", [ANALYSIS], items=[item | {"barcode": "B2"}])
    event = {"source_id": "use", "batch_id": "b1", "event_type": "loan", "event_time": lake.now()}
    event |= {"event_date": date(2026, 1, 1), "digest": 0}
    events = [
        event | {"record_no": n, "row_no": n, "row_key": n, "event_id": f"e{n}", "barcode": f"B{n}"}
        for n in (1, 2)
    ]
    with lake.replacing_folder(lake.staged_batch("use", "b1")) as folder:
        loans = pa.Table.from_pylist(events, schema=BY_NAME["staged.loan"].schema)
        lake.write_table(folder, "staged.loan", loans)
    outcomes = {o.source_id: o for o in catalog.build("run")}
    of = bib_of()
    # B1 is on two items of M1: the event still counts once; B2 is of another member
    assert query("SELECT event_id, member_code, bib_id FROM catalog.loan ORDER BY event_id") == [
        ("e1", "M1", min(of["a/000"], of["a/001"])),
        ("e2", "M1", None),
    ]
    assert (outcomes["use"].received, outcomes["use"].staged, outcomes["*"].received) == (2, 2, 3)


def test_golden_records_do_not_depend_on_the_size_of_a_piece(sources: Path, monkeypatch) -> None:
    for name in "abc":
        stage(name, [book(str(n)) | {"publisher": name} for n in range(30)])
    catalog.build("run")
    whole = query("SELECT * FROM catalog.bib ORDER BY bib_id")
    monkeypatch.setattr(catalog, "CHUNK", 4)
    stage("c", [book(str(n)) | {"publisher": "c"} for n in range(30)], batch_id="b2")
    catalog.build("run")
    assert query("SELECT * FROM catalog.bib ORDER BY bib_id") == whole
    assert query("SELECT count(*), count(DISTINCT bib_id) FROM catalog.bib") == [(30, 30)]


# --- identifiers and history -----------------------------------------------------------------------------


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


def redirect() -> list[tuple[str, str, str | None]]:
    return query("SELECT bib_id, status, living_bib_id FROM catalog.redirect ORDER BY ALL")


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


# --- the same result, once -------------------------------------------------------------------------------


def test_another_order_of_sources_gives_the_same_bytes(tmp_path: Path, monkeypatch) -> None:
    builds = []
    records = {
        "a": [HAMLET, ANALYSIS, book("1")],
        "b": [ANALYSIS | {"title": "数学分析"}, book("1") | {"publisher": "x"}, HAMLET | {"edition": "4th ed."}],
        "c": [HAMLET | {"carrier": "electronic"}, HAMLET | {"title": "HAMLET"}],
    }
    for order in ("abc", "cba"):
        monkeypatch.setenv("CALIS_HOME", str(tmp_path / order))
        register({name: SOURCES[name] for name in order})
        for name in order:
            stage(name, records[name])
        folder = lake.catalog_build(catalog.build(order)[0].batch_id)
        builds.append({path.name: path.read_bytes() for path in folder.glob("*.parquet")})
    assert builds[0].keys() == builds[1].keys()
    assert [name for name in builds[0] if builds[0][name] != builds[1][name]] == []


def test_nothing_changed_builds_nothing(sources: Path) -> None:
    stage("a", [HAMLET])
    catalog.build("one")
    (again,) = catalog.build("two")
    assert (again.verdict, again.received, again.unchanged) == ("unchanged", 1, 1)
    assert again.balanced
    assert again.batch_id == lake.catalog_builds()[-1]
    assert len(lake.catalog_builds()) == len(recorded("catalog", "*")) == 1


def test_a_changed_record_or_registry_builds_anew(sources: Path) -> None:
    stage("a", [HAMLET])
    catalog.build("one")
    stage("a", [HAMLET | {"title": "Hamlet, prince"}], batch_id="b2")
    assert catalog.build("two")[-1].verdict == "complete"
    register(SOURCES | {"a": "M9"})
    catalog.build("three")
    assert query("SELECT member_code FROM catalog.member ORDER BY ALL") == [("M2",), ("M9",)]


def test_old_builds_are_pruned(sources: Path) -> None:
    for number in range(lake.KEEP_BUILDS + 2):
        stage("a", [book(str(number))], batch_id=f"b{number}")
        catalog.build("run")
    assert len(lake.catalog_builds()) == lake.KEEP_BUILDS


def test_a_block_over_the_cap_is_told_in_the_outcome(sources: Path) -> None:
    stage("a", [HAMLET | {"isbn": [], "creators": [f"Author {n}"], "publisher": str(n)} for n in range(12)])
    total = catalog.build("run", cap=10)[-1]
    assert "blocks over the cap of 10" in total.reason
    assert recorded("catalog", "*")[-1].reason == total.reason


# --- failures --------------------------------------------------------------------------------------------


def test_nothing_staged_is_a_clear_error(sources: Path) -> None:
    with pytest.raises(catalog.CatalogError, match="nothing is staged"):
        catalog.build("run")


def test_a_source_outside_the_registry_is_a_clear_error(sources: Path) -> None:
    stage("stranger", [HAMLET])
    with pytest.raises(catalog.CatalogError, match="stranger"):
        catalog.build("run")


def test_a_bad_registry_builds_nothing(sources: Path) -> None:
    stage("a", [HAMLET])
    register({"a": "bad code!"})
    with pytest.raises(RegistryError):
        catalog.build("run")
    assert lake.catalog_builds() == []


def test_a_build_that_fails_leaves_the_last_one_and_says_so(sources: Path, monkeypatch) -> None:
    stage("a", [HAMLET])
    (first,) = {outcome.batch_id for outcome in catalog.build("one")}
    stage("a", [HAMLET, ANALYSIS], batch_id="b2")

    def broken(records: pa.Table) -> None:
        raise ValueError("no golden record today")

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="today"):
        patch.setattr(merge, "golden", broken)
        catalog.build("two")
    assert lake.catalog_builds() == [first]
    assert recorded("catalog", "*")[-1].verdict == "failed"
    assert "no golden record today" in recorded("catalog", "*")[-1].reason
    assert catalog.build("three")[-1].staged == 2


def test_a_lost_record_fails_the_build(sources: Path, monkeypatch) -> None:
    stage("a", [HAMLET, ANALYSIS])
    kept = catalog._with_old_ids

    def losing(*args: Any) -> pa.Table:
        return kept(*args)

    monkeypatch.setattr(catalog, "_count", lambda file: {"a": 1})
    with pytest.raises(Exception, match="received 2"):
        catalog.build("run")
    assert lake.catalog_builds() == []


def test_a_build_killed_before_its_outcomes_is_made_again(sources: Path) -> None:
    stage("a", [HAMLET])
    catalog.build("one")
    lake.outcome_file("catalog", "*").unlink()
    assert catalog.build("two")[-1].verdict == "complete"
