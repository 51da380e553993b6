"""Golden records that are kept from the build before, and merged anew where a bib has other records."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalog import CATALOG_PROVENANCE
from transforms import bibs, catalog, merge
from warehouse import lake

from .built_catalog import SOURCES, bib_of, book, built, built_whole, query
from .staged_records import ANALYSIS, HAMLET, register, stage

TABLES = ("bib", "provenance", "bib_record", "link")  # which tell nothing of the build that they are of


def merged(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Build; the bibs that were merged."""
    found: set[str] = set()
    golden = merge.golden

    def noted(records: pa.Table) -> tuple[pa.Table, pa.Table]:
        found.update(records["bib_id"].to_pylist())
        return golden(records)

    with monkeypatch.context() as patched:
        patched.setattr(merge, "golden", noted)
        catalog.build("run")
    return found


@pytest.mark.parametrize("seed", range(6))
def test_any_history_ends_with_the_bytes_of_a_whole_build(
    seed: int, lake_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(bibs, "CHUNK", rng.choice([1, 5, 100]))
    monkeypatch.setattr(bibs, "GROUP", rng.choice([1, 7, 100]))
    register(SOURCES)

    def some() -> list[dict[str, Any]]:
        titles = (str(rng.randrange(12)) for _ in range(rng.randrange(1, 15)))
        return [
            book(title) | {"publisher": rng.choice("xyz"), "subjects": [rng.choice("pqr")]} for title in titles
        ]

    for name in SOURCES:
        stage(name, some())
    catalog.build("run")
    for step in range(4):
        stage(rng.choice("abc"), some(), batch_id=f"c{step}")
        assert built(*TABLES) == built_whole(monkeypatch, *TABLES)


def test_only_bibs_with_other_records_are_merged(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(SOURCES)
    stage("a", [HAMLET, ANALYSIS, book("1")])
    stage("b", [HAMLET, book("2")])
    assert merged(monkeypatch) == set(bib_of().values())
    stage("b", [HAMLET | {"notes": ["another"]}, book("2")], batch_id="b2")
    assert merged(monkeypatch) == {bib_of()["b/000"], bib_of()["b/001"]}  # of the batch that came
    assert query(f"SELECT notes FROM catalog.bib WHERE bib_id = '{bib_of()['a/000']}'") == [(["another"],)]
    stage("c", [ANALYSIS])
    assert merged(monkeypatch) == {bib_of()["c/000"]} == {bib_of()["a/001"]}


def test_a_bib_that_lost_a_record_is_merged_and_one_that_lost_all_goes(
    lake_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(SOURCES)
    stage("a", [HAMLET, ANALYSIS, book("1")])
    stage("b", [HAMLET | {"notes": ["of b"]}, book("2")])
    catalog.build("run")
    kept, gone = bib_of()["b/000"], bib_of()["b/001"]
    stage("b", [{"deleted": True}, {"deleted": True}], batch_id="b2")
    assert merged(monkeypatch) == {kept}
    assert query(f"SELECT records, notes FROM catalog.bib WHERE bib_id = '{kept}'") == [(1, [])]
    assert query(f"SELECT * FROM catalog.bib WHERE bib_id = '{gone}'") == []
    assert query(f"SELECT * FROM catalog.provenance WHERE bib_id = '{gone}'") == []


def test_another_registry_merges_all(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register({"a": "M1", "b": "M2"})
    stage("a", [HAMLET, ANALYSIS])
    stage("b", [HAMLET])
    catalog.build("run")
    register({"a": "M1", "b": "M1"})
    assert merged(monkeypatch) == set(bib_of().values())
    assert query("SELECT records, members FROM catalog.bib ORDER BY ALL") == [(1, 1), (2, 1)]


# --- rows among kept ones --------------------------------------------------------------------------------


def rows(bib_ids: list[str]) -> pa.Table:
    """Two rows of each bib."""
    columns = {name: ["s"] * 2 * len(bib_ids) for name in ("column_name", "source_id", "record_id")}
    both = [bib_id for bib_id in bib_ids for _ in range(2)]
    return lake.conform(
        CATALOG_PROVENANCE.full_name, pa.table({"bib_id": both, "value_no": [0, 1] * len(bib_ids)} | columns)
    )


@given(
    before=st.sets(st.integers(0, 60)),
    changed=st.sets(st.integers(0, 60)),
    come=st.sets(st.integers(0, 60)),
    cuts=st.sets(st.integers(0, 61)),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 9)),
)
def test_rows_are_put_among_kept_ones_wherever_they_are_cut(
    before: set[int],
    changed: set[int],
    come: set[int],
    cuts: set[int],
    sizes: tuple[int, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    changed |= come & before
    folder, old = (tmp_path_factory.mktemp(name) for name in ("new", "old"))
    names = {number: f"U{number:02}" for number in range(61)}
    pq.write_table(rows([names[n] for n in sorted(before)]), old / "provenance.parquet", row_group_size=sizes[1])
    gone = pa.array([names[n] for n in sorted(changed)], pa.string())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bibs, "GROUP", sizes[0])
        with bibs._File(CATALOG_PROVENANCE, folder, old, gone) as file:
            for begin, end in pairwise([0, *sorted(cuts), 61]):
                file.add(rows([names[n] for n in sorted(come) if begin <= n < end]))
            file.add_kept()
    found = pq.ParquetFile(folder / "provenance.parquet")
    assert found.read().equals(rows([names[n] for n in sorted((before - changed) | come)]))
    counts = [found.metadata.row_group(nth).num_rows for nth in range(found.num_row_groups)]
    assert all(count == sizes[0] for count in counts[:-1]) and (not counts or 0 < counts[-1] <= sizes[0])
