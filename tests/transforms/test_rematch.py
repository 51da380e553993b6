"""Matching what changed finds the same as matching everything."""

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from transforms import match, rematch
from transforms.judgement import Judgement, Rulings, resolve
from transforms.known import CHANGING, GROWING, Known, load
from transforms.record_index import Index, named
from warehouse import engine, lake

from .built_catalog import built, built_whole
from .staged_records import ANALYSIS, HAMLET, bibs, register, stage
from .test_judgement import judged

Record = dict[str, Any]
Records = dict[tuple[str, str], tuple[Record, int]]  # what it says, and the round since which it does
SOURCES = "abcd"
CAP = 10  # so small that blocks grow over it, and shrink below it again

# Each book comes in copies that say more or less, some of them so little that they stand alone.
BOOKS: list[Record] = [
    base | {"title": f"{base['title']}{part}", "extent": f"{pages} p.", "pub_year": year, "isbn": isbn}
    for base in (HAMLET, ANALYSIS)
    for part, pages, year, isbn in (
        ("", 100, 1990, ["9780306406157"]),
        ("", 100, 1991, []),
        (" 2", 220, 1990, ["9780306406157"]),
        (" retold", 90, 2001, []),
    )
]
CHANGES: list[Record] = [
    {},
    {"isbn": []},
    {"publisher": "Another House"},
    {"pub_year": None},
    {"resp_first": None},
    {"edition": "2nd ed."},
    {"volume_no": "v. 2"},
    {"carrier": "electronic"},
    *({"publisher": f"House {n}", "pub_place": f"Town {n}"} for n in range(9)),
]


def some_record(rng: random.Random) -> Record:
    return rng.choice(BOOKS) | rng.choice(CHANGES) | rng.choice(CHANGES)


def some_copy(rng: random.Random) -> Record:
    """A copy of one of few works that are unlike each other; all copies of one are one book, as a rule."""
    name, pages = rng.choice([("Rivers", 100), ("Bridges", 170), ("Castles", 240), ("Markets", 310)])
    work = {"title": f"History of {name}", "subtitle": None, "creators": [f"{name}er, Anna"], "isbn": []}
    change = rng.choice([{}, {"publisher": "Penguin"}, {"pub_place": None}, {"creators": [f"{name}er, A."]}])
    return HAMLET | work | {"extent": f"{pages} p."} | change


def table(records: Records) -> pa.Table:
    """`staged.bib` of records by source and identifier; a changed one stands in the batch of its round."""
    rows: dict[str, list[Record]] = {source: [] for source in SOURCES}
    for (source, record_id), (record, since) in records.items():
        at = {"record_id": record_id, "batch_id": f"b{since:03}", "record_no": int(record_id)}
        rows[source].append(record | at)
    return pa.concat_tables([bibs(source, some) for source, some in rows.items()])


def some_judgements(rng: random.Random, records: Records) -> list[Judgement]:
    """A few pairs judged, half of them of records that say the same, which only a judgement can part."""
    found = []
    for nth in range(4):
        name = rng.choice(sorted(records))
        like = [other for other in sorted(records) if nth % 2 or records[other][0] == records[name][0]]
        if others := [other for other in like if other != name]:
            sign = "!" if nth == 0 else rng.choice("=!")
            found.append(judged(f"{'/'.join(name)} {sign} {'/'.join(rng.choice(others))}"))
    return found


def matched(
    bib: pa.Table,
    rulings: Rulings,
    known: Known | None = None,
    present: Index | None = None,
    folder: Path | None = None,
) -> tuple[list[dict[str, Any]], pa.Table, list[str], Known]:
    """Records, pairs, notes and what is known of a run in a connection of its own, of files if there is a folder.

    Each batch is written once, as it came, so that files have records that are no more.
    """
    con = ibis.duckdb.from_connection(engine.connect())
    table = con.create_table("bib", ibis.memtable(bib))
    for batch in pc.unique(bib["batch_id"]).to_pylist() if folder else ():
        if not (folder / f"{batch}.parquet").exists():
            some = bib.filter(pc.equal(bib["batch_id"], batch))
            pq.write_table(some, folder / f"{batch}.parquet", row_group_size=7)
    files = sorted(folder.glob("*.parquet")) if folder else []
    found = match.cluster(con, table, cap=CAP, rulings=rulings, known=known, present=present, files=files)
    return named(found.records).to_pylist(), found.pairs, found.notes, found.known


def sizes(known: Known) -> tuple[int, ...]:
    """Records, groups, and pairs that are."""
    return (
        len(known.living()),
        int((known.component >= 0).sum()),
        int((known.decision >= 0).sum()),
        len(known.large),
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("some", "sources", "cap"), [(some_record, "abcd", 10), (some_copy, "abcdefghijkl", 100)])
def test_any_history_of_changes_ends_where_a_full_run_does(
    some: Callable[[random.Random], Record],
    sources: str,
    cap: int,
    seed: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr("transforms.known.MOST_LISTED", rng.choice([0, 1.2, 2]))
    monkeypatch.setattr(sys.modules[__name__], "SOURCES", sources)
    monkeypatch.setattr(sys.modules[__name__], "CAP", cap)
    records: Records = {(rng.choice(SOURCES), f"{n:03}"): (some(rng), 0) for n in range(60)}
    judgements: list[Judgement] = []
    known = None
    for now in range(1, 7):
        rulings = resolve(judgements, records)
        with monkeypatch.context() as patched:
            if known:
                patched.setattr(rematch, "anew", no_full_run)
            *found, known = matched(table(records), rulings, known, folder=tmp_path if seed % 2 else None)
        *whole, afresh = matched(table(records), rulings)
        assert found == whole
        assert sizes(known) == sizes(afresh)
        known.save(tmp_path / str(now))
        for name in (*GROWING, *CHANGING):
            assert np.array_equal(getattr(load(tmp_path / str(now)), name), getattr(known, name)), name
        known = load(tmp_path / str(now))
        for name in rng.sample(
            sorted(records), rng.choice([3, 8, 30])
        ):  # withdrawn, sent again as it was, or changed
            record = records.pop(name)[0]
            if what := rng.choice([0, 0, 1, 2]):
                records[name] = (record if what == 1 else some(rng), now)
        for n in range(rng.choice([1, 4, 12, 24])):
            records[rng.choice(SOURCES), f"{now}{n:02}"] = (some(rng), now)
        if rng.random() < 0.5:
            judgements = rng.sample(judgements, len(judgements) // 2) + some_judgements(rng, records)


@pytest.mark.parametrize("order", ["in order", "descending", "at the end", "first of its source"])
def test_an_index_that_is_not_in_order_means_a_full_run(order: str) -> None:
    rng = random.Random(2)
    records: Records = {(source, f"{n:03}"): (some_record(rng), 0) for n in range(30) for source in "abc"}
    known = matched(table(records), Rulings())[-1]
    records[("b", "040")] = (some_record(rng), 1)
    ascending = [("source_id", "ascending"), ("record_id", "ascending")]
    present = table(records).sort_by([("source_id", "ascending"), ("record_id", "descending")])
    if order != "descending":
        present = present.sort_by(ascending)
    if order in ("at the end", "first of its source"):
        new = pc.equal(present["record_id"], "040")
        others, before = present.filter(pc.invert(new)), len(present) if order == "at the end" else 30
        present = pa.concat_tables([others[:before], present.filter(new), others[before:]])
    found = matched(table(records), Rulings(), known, lambda columns: iter([present.select(columns)]))
    assert (found[-1] is known) == (order == "in order")
    assert found[:-1] == matched(table(records), Rulings())[:-1]


@pytest.mark.parametrize("gone", [("b", "000"), ("c", "000"), None])
def test_a_change_that_brings_no_new_group(gone: tuple[str, str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy goes, or the only record that says something, or nothing at all."""
    records: Records = {(source, "000"): (HAMLET, 0) for source in "ab"} | {("c", "000"): (ANALYSIS, 0)}
    known = matched(table(records), Rulings())[-1]
    if gone:
        del records[gone]
    with monkeypatch.context() as patched:
        patched.setattr(rematch, "anew", no_full_run)
        found = matched(table(records), Rulings(), known)
    assert found[:-1] == matched(table(records), Rulings())[:-1]


@pytest.mark.parametrize("gone", "abc")
def test_what_one_record_held_together_falls_apart_without_it(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second matches the two others, which say too little to match each other."""
    said: dict[str, Record] = {
        "a": {"pub_year": 1990},
        "b": {"pub_year": None},
        "c": {"publisher": None, "extent": None},
    }
    records: Records = {(source, "000"): (HAMLET | {"isbn": []} | change, 0) for source, change in said.items()}
    first = matched(table(records), Rulings())
    assert len({row["cluster"] for row in first[0]}) == 1
    held = records.pop((gone, "000"))
    monkeypatch.setattr(rematch, "anew", no_full_run)
    without = matched(table(records), Rulings(), first[-1])
    assert len({row["cluster"] for row in without[0]}) == (2 if gone == "b" else 1)
    records[gone, "000"] = held
    again = matched(table(dict(sorted(records.items()))), Rulings(), without[-1])
    assert again[:-1] == first[:-1]


def test_what_people_had_joined_is_taken_apart_when_they_take_it_back() -> None:
    """By chains all are connected, and nobody but people would have put the two editions into one cluster."""
    said: dict[str, Record] = {"a": {"edition": "2nd ed."}, "b": {"edition": "3rd ed."}, "c": {}, "d": {}}
    records: Records = {
        (source, "000"): (HAMLET | change | {"publisher": f"Penguin {source}"}, 0)
        for source, change in said.items()
    }
    known = matched(table(records), resolve([judged("a/000 = b/000")], records))[-1]
    assert len(set(known.cluster.tolist())) == 1
    found = matched(table(records), Rulings(), known)
    assert found[:-1] == matched(table(records), Rulings())[:-1]
    assert len({row["cluster"] for row in found[0]}) == 2


def test_files_of_earlier_runs_are_linked_and_not_written_again(tmp_path: Path) -> None:
    rng = random.Random(1)
    records: Records = {("a", f"{n:03}"): (some_record(rng), 0) for n in range(40)}
    known = matched(table(records), Rulings())[-1]
    known.save(tmp_path / "0")
    for now in (1, 2):
        known = load(tmp_path / str(now - 1))
        records[("b", f"{now}")] = (some_record(rng) | {"title": f"Another {now}"}, now)
        known = matched(table(records), Rulings(), known)[-1]
        known.save(tmp_path / str(now))
    names = [file.name for file in sorted((tmp_path / "2").glob("described-*"))]
    assert names == [f"described-{number:04}" for number in range(3)]
    for number, name in enumerate(names):  # each stands in the folder of its run and of those behind
        assert {file.stat().st_nlink for file in (tmp_path / "2" / name).iterdir()} == {3 - number}
    assert {(tmp_path / "2" / f"{name}.npy").stat().st_nlink for name in ("group", "members")} == {3}
    added = [list((tmp_path / "2" / name).iterdir()) for name in names[1:]]
    assert [[len(pa.ipc.open_file(file).read_all()) for file in files] for files in added] == [[1], [1]]


@pytest.mark.parametrize("name", ["component", "members"])
def test_what_was_kept_only_in_part_is_an_error(name: str, tmp_path: Path) -> None:
    matched(table({("a", "000"): (HAMLET, 0)}), Rulings())[-1].save(tmp_path / "known")
    file = tmp_path / "known" / f"{name}.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"{name}.npy is cut short: remove its folder"):
        load(tmp_path / "known")


def test_where_much_changed_all_is_matched_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(1)
    records: Records = {("a", f"{n:03}"): (some_record(rng), 0) for n in range(40)}
    matched(table(records), Rulings())[-1].save(tmp_path / "0")
    records |= {("b", f"{n:03}"): (some_record(rng), 1) for n in range(5)}
    for most, asked in ((4, False), (5, True)):
        monkeypatch.setattr(rematch, "MOST_ADDED", most)
        known = load(tmp_path / "0")
        with monkeypatch.context() as patched:
            if asked:
                patched.setattr(rematch, "anew", no_full_run)
            known = matched(table(records), Rulings(), known)[-1]
        assert bool(known.files) == asked  # what was matched anew is not in files of an earlier run


# --- from build to build ---------------------------------------------------------------------------------


DECIDED = ("bib_record", "match", "bib")  # tables that matching decides on


def no_full_run(*given: Any) -> None:
    raise AssertionError("all records were matched anew")


def test_a_build_goes_on_from_the_one_before(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register({"a": "M1", "b": "M2"})
    stage("a", [HAMLET, ANALYSIS])
    stage("b", [HAMLET | {"publisher": "Another House"}])
    built()
    stage("b", [HAMLET | {"publisher": "A third house"}, ANALYSIS], "b2")
    with monkeypatch.context() as patched:
        patched.setattr(rematch, "anew", no_full_run)
        found = built(*DECIDED)
    assert built_whole(monkeypatch, *DECIDED) == found


def test_only_the_newest_build_keeps_what_matching_found(lake_home: Path) -> None:
    register({"a": "M1"})
    for batch in ("b1", "b2"):
        stage("a", [HAMLET | {"publisher": batch}], batch)
        built()
    assert [lake.known(lake.catalog_build(build)).exists() for build in lake.catalog_builds()] == [False, True]


def test_a_batch_that_was_staged_anew_is_matched_anew(lake_home: Path) -> None:
    register({"a": "M1", "b": "M2"})
    stage("a", [HAMLET])
    stage("b", [ANALYSIS])
    built()
    stage("b", [HAMLET])  # under the name of the batch before, as after a change of its crosswalk
    assert len(pq.read_table(lake.catalog_build(lake.catalog_builds()[-1]) / "bib.parquet")) == 2
    built()
    assert len(pq.read_table(lake.catalog_build(lake.catalog_builds()[-1]) / "bib.parquet")) == 1
