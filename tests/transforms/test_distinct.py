"""The contents of records, each once, from where they are stored."""

from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from ibis.backends import BaseBackend

from transforms import candidates, contents, distinct, match
from transforms.candidates import COMPARED, POSITION, READ
from transforms.record_index import coded, named
from warehouse import engine

from .staged_records import ANALYSIS, HAMLET, bibs

RECORDS = [
    HAMLET,
    ANALYSIS,
    HAMLET | {"publisher": "Other"},
    HAMLET | {"isbn": ["9780521618748", "9780140707342"], "country": "xxk", "lang": "und"},
    ANALYSIS | {"carrier": "microform", "extent": "3 v.", "edition": "修订版", "kind": "thesis"},
    {},
]


@pytest.fixture
def con() -> BaseBackend:
    return ibis.duckdb.from_connection(engine.connect())


def several(*batches: str) -> pa.Table:
    """Records of several sources, of which each says something of its own."""
    parts = [
        bibs(source, [*RECORDS, HAMLET | {"title": f"Hamlet {source}"}], batch)
        for source, batch in zip("cab", batches, strict=True)
    ]
    return pa.concat_tables(parts)


def straight(bib: pa.Table) -> pa.Table:
    return coded(bib.select(POSITION).sort_by([("source_id", "ascending"), ("record_id", "ascending")]))


def said(found: distinct.Contents | None) -> list[tuple]:
    """What each record says."""
    assert found is not None
    described = found.described.take(pa.array(found.row[found.of_record])).to_pylist()
    numbers = (values[found.of_record].tolist() for values in (found.content, found.sharing, found.title))
    return list(zip(*numbers, described, strict=True))


def expected(con: BaseBackend, bib: pa.Table) -> list[tuple]:
    table = con.create_table("whole", ibis.memtable(bib))
    records = con.to_pyarrow(candidates.prepare(table).order_by("source_id", "record_id"))
    title = contents.title(records["full_title_key"])
    numbers = contents.content(records).tolist(), contents.sharing(records).tolist(), title.tolist()
    return list(zip(*numbers, records.select(distinct.DESCRIBED).to_pylist(), strict=True))


def write(bib: pa.Table, file: Path) -> Path:
    """Groups of three rows; a dictionary in some columns, as staging has it."""
    pq.write_table(bib, file, row_group_size=3, use_dictionary=["source_id", "lang", "kind", "edition"])
    return file


@pytest.mark.parametrize("at_once", [2, 1 << 18])
@pytest.mark.parametrize("kept", [True, False])
def test_of_files_and_of_the_engine(
    con: BaseBackend, tmp_path: Path, at_once: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distinct, "AT_ONCE", at_once)
    monkeypatch.setattr(distinct, "PART", 8)
    bib = several("1", "1", "1")
    shuffled = bib.take(pa.array(np.random.default_rng(4).permutation(len(bib))))
    files = [write(shuffled.slice(0, 8), tmp_path / "a.parquet"), write(shuffled.slice(8), tmp_path / "b.parquet")]
    table, present = con.read_parquet(files), straight(bib)
    whole = expected(con, bib)
    for given in (files, []):
        found = distinct.read(con, table, present, given, tmp_path if kept else None)
        assert said(found) == whole
        assert found is not None and len(found.content) == len(RECORDS) + 3 == len(set(found.content.tolist()))
    assert sorted(tmp_path.iterdir()) == files


def test_rows_of_files_that_are_not_present_do_not_count(con: BaseBackend, tmp_path: Path) -> None:
    now, before = several("2", "1", "2"), several("1", "0", "0")
    before = before.set_column(before.schema.get_field_index("title_key"), "title_key", before["record_id"])
    files = [write(pa.concat_tables([before, now.slice(0, 10)]), tmp_path / "a.parquet")]
    files.append(write(now.slice(10), tmp_path / "b.parquet"))
    present = straight(now)
    found = distinct.read(con, con.read_parquet(files), present, files, None)
    assert said(found) == expected(con, now)
    assert found is not None and len(found.content) == len(RECORDS) + 3
    assert distinct.read(con, con.read_parquet(files), present, (), None) is None


def test_a_few_records_are_read_from_where_their_batches_are(
    con: BaseBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, now = several("1", "0", "0"), several("4", "2", "3")
    whole = pa.concat_tables([now.slice(0, 10), before, now.slice(10)])
    files = [write(whole.slice(0, 20), tmp_path / "a.parquet"), write(whole.slice(20), tmp_path / "b.parquet")]
    asked = pa.array(np.random.default_rng(4).permutation(len(now))[:12]).sort()
    some = (
        straight(now).filter(pc.not_equal(straight(now)["batch_id"], "3")).take(asked.filter(pc.less(asked, 14)))
    )
    read, groups = distinct._RowGroup.read, []
    monkeypatch.setattr(distinct._RowGroup, "read", lambda *given: groups.append(given[0]) or read(*given))
    found = distinct.few(con, con.read_parquet(files), some, files)
    table = con.create_table("now", ibis.memtable(now))
    all_said = con.to_pyarrow(candidates.prepare(table).order_by("source_id", "record_id")).to_pylist()
    assert found is not None
    names = {(row["source_id"], row["record_id"]) for row in named(some).to_pylist()}
    said = [{name: row[name] for name in found.column_names} for row in all_said]
    assert found.to_pylist() == [row for row in said if (row["source_id"], row["record_id"]) in names]
    assert 0 < len(groups) < len(whole) // 3

    assert distinct.few(con, con.read_parquet(files), some, files[:1]) is None  # some are in the other file


def test_of_a_lake_only_files_of_the_batches_asked_for_are_opened(con: BaseBackend, tmp_path: Path) -> None:
    folders = {batch: tmp_path / "staged" / "c" / batch for batch in ("4", "5")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    bib = bibs("c", RECORDS, "4")
    files = [write(bib, folders["4"] / "bib.parquet"), folders["5"] / "bib.parquet"]
    files[1].write_bytes(b"no Parquet")
    found = distinct.few(con, con.read_parquet(files[:1]), straight(bib), files)
    assert found is not None
    assert len(found) == len(RECORDS)
    assert said(distinct.read(con, con.read_parquet(files[:1]), straight(bib), files, None)) == expected(con, bib)


def test_a_record_that_is_not_there(con: BaseBackend, tmp_path: Path) -> None:
    bib = several("1", "1", "1")
    file = write(bib.slice(1), tmp_path / "a.parquet")
    for files in ([file], []):
        assert distinct.read(con, con.read_parquet(file), straight(bib), files, None) is None


def test_all_that_prepare_reads_is_read(con: BaseBackend) -> None:
    table = con.create_table("bib", ibis.memtable(bibs("a", RECORDS)))
    narrow = table.select(*POSITION, *READ)
    assert candidates.prepare(narrow).columns == (*POSITION, *candidates.prepare(table).columns[len(POSITION) :])
    assert set(candidates.prepare(table).columns) == {*POSITION, *COMPARED, "identity"}


@pytest.mark.parametrize("name", READ)
def test_every_stored_value_counts(name: str) -> None:
    stored = bibs("a", [HAMLET]).select(READ)
    kind = stored.schema.field(name).type
    values: list = [None, "", "x", "y"] if pa.types.is_string(kind) else [None, 0, 1]
    if pa.types.is_list(kind):
        values = [
            None,
            [],
            [None],
            [""],
            ["x"],
            ["x", None],
            ["y", None],
            ["x", "y"],
            ["y", "x"],
            ["xy"],
            ["x\x1fy"],
        ]
    at = stored.schema.get_field_index(name)
    numbers = {int(contents.stored(stored.set_column(at, name, pa.array([value], kind)))[0]) for value in values}
    assert len(numbers) == len(values)


def test_a_digest_is_the_same_however_rows_are_stored() -> None:
    stored = pa.concat_tables([bibs("a", RECORDS).select(READ)] * 2)
    found = contents.stored(stored).tolist()
    assert found[: len(RECORDS)] == found[len(RECORDS) :] and len(set(found)) == len(RECORDS)
    assert [int(contents.stored(stored.slice(row, 1))[0]) for row in range(len(stored))] == found
    encoded = stored
    for name in ("lang", "edition", "title_key", "volume_key"):
        encoded = encoded.set_column(stored.schema.get_field_index(name), name, stored[name].dictionary_encode())
    assert contents.stored(encoded).tolist() == found
    assert contents.stored(encoded.slice(3)).tolist() == found[3:]


def test_what_does_not_pass_the_engine_is_what_prepare_gives(con: BaseBackend) -> None:
    bib = bibs("a", RECORDS)
    table = con.create_table("bib", ibis.memtable(bib))
    whole = con.to_pyarrow(candidates.prepare(table).order_by("record_no")).select(distinct.DESCRIBED)
    assert distinct.prepared(con, bib.select(READ)).to_pylist() == whole.to_pylist()


def test_only_records_beside_others_of_their_source_are_asked_about(con: BaseBackend) -> None:
    """Equal records without identifiers; and some that say too little to be equal to another."""
    plain, little = HAMLET | {"isbn": []}, HAMLET | {"isbn": [], "pub_year": None}
    other = plain | {"pub_year": 2001}
    records = {
        "a": [plain, other, plain, little],
        "b": [other, plain, HAMLET, HAMLET],
        "c": [plain] * 3 + [little],
    }
    bib = con.create_table("bib", ibis.memtable(pa.concat_tables([bibs(*one) for one in records.items()])))
    known = match.cluster(con, bib).known
    whole = contents.said(con, candidates.prepare(bib)).order_by("source_id", "record_id")
    said = [known.described["said"][group].as_py() for group in known.group]
    assert said == con.to_pyarrow(whole)["said"].to_pylist()
    alike = [said.count(one) for one in said]
    assert alike == [3, 2, 1, 1, 2, 3, 2, 2, 3, 1, 1, 1]
