"""The catalogue stage: its tables, counts that reconcile, one result whatever the order, clear failures."""

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from harvesters.registry import RegistryError
from schemas.tables import BY_NAME
from transforms import bibs, catalog, merge
from warehouse import lake
from warehouse.outcome import recorded

from .built_catalog import SOURCES, bib_of, book, query
from .staged_records import ANALYSIS, HAMLET, register, stage


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
    monkeypatch.setattr(bibs, "CHUNK", 4)
    stage("c", [book(str(n)) | {"publisher": "c"} for n in range(30)], batch_id="b2")
    catalog.build("run")
    assert query("SELECT * FROM catalog.bib ORDER BY bib_id") == whole
    assert query("SELECT count(*), count(DISTINCT bib_id) FROM catalog.bib") == [(30, 30)]


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
