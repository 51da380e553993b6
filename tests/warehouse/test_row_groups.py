"""Groups of rows are moved into another Parquet file as they are, and readers find them there."""

import shutil
import struct
from itertools import chain

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.row_groups import LayoutError, join


def rows(start: int, end: int) -> pa.Table:
    """Rows of all kinds of columns that staged tables have, with nulls."""
    numbers = np.arange(start, end, dtype=np.int32)
    return pa.table(
        {
            "record_no": numbers,
            "tag": pa.array([f"{n % 9}00" for n in numbers], pa.string()).dictionary_encode(),
            "value": pa.array([f"value {n}" if n % 5 else None for n in numbers], pa.string()),
            "isbn": pa.array([[str(n)] * (n % 3) for n in numbers], pa.list_(pa.string())),
            "offset": pa.array(numbers.astype(np.int64) * 1000),
            "share": pa.array(numbers / 7),
            "is_held": pa.array(numbers % 2 == 0),
        }
    )


def write(path, groups: list[tuple[int, int]]) -> None:
    with pq.ParquetWriter(
        path, rows(0, 1).schema, use_dictionary=["tag"], write_statistics=["record_no"], store_schema=False
    ) as writer:
        for start, end in groups:
            writer.write_table(rows(start, end))


def same(path, wanted: pa.Table) -> None:
    assert pq.read_table(path).to_pylist() == wanted.to_pylist()
    assert duckdb.sql(f"FROM '{path}'").to_arrow_table().to_pylist() == wanted.to_pylist()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 2)), max_size=40))
def test_rows_come_in_order_of_their_groups_whoever_wrote_them(tmp_path_factory, sizes):
    folder = tmp_path_factory.mktemp("groups")
    groups: list[list[tuple[int, int]]] = [[], [], []]
    start = 0
    for size, writer in sizes:
        groups[writer].append((start, start + size))
        start += size
    paths = [folder / f"{n}.parquet" for n in range(3)]
    for path, its in zip(paths, groups, strict=True):
        write(path, its)
    before = [path.read_bytes() for path in paths[1:]]
    join(paths[0], paths[1:], "record_no")
    same(paths[0], rows(0, start))
    write(folder / "one.parquet", sorted(chain.from_iterable(groups)))
    assert paths[0].read_bytes() == (folder / "one.parquet").read_bytes()
    assert [path.read_bytes() for path in paths[1:]] == before
    shutil.rmtree(folder)


def test_places_that_need_more_bytes_than_before(tmp_path):
    """A megabyte in front makes numbers of one byte in the footer numbers of three."""
    values = [str(n) * 400 for n in range(1000)]
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    for path, start, texts in ((first, 0, values), (second, len(values), ["a", "b", "c"])):
        numbers = pa.array(range(start, start + len(texts)), pa.int32())
        table = pa.table({"record_no": numbers, "value": texts})
        pq.write_table(table, path, use_dictionary=False, compression="none", store_schema=False)
    join(first, [second], "record_no")
    assert pq.read_table(first)["value"].to_pylist() == [*values, "a", "b", "c"]


def test_files_of_other_columns_are_refused_and_nothing_is_touched(tmp_path):
    write(tmp_path / "a.parquet", [(0, 3)])
    pq.write_table(rows(0, 3).drop_columns("share"), tmp_path / "b.parquet")
    before = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(LayoutError, match="schemas differ"):
        join(tmp_path / "a.parquet", [tmp_path / "b.parquet"], "record_no")
    assert (tmp_path / "a.parquet").read_bytes() == before


@pytest.mark.parametrize("damage", ["no footer", "long footer", "cut footer"])
def test_what_is_no_whole_parquet_file_is_refused(damage, tmp_path):
    write(tmp_path / "a.parquet", [(0, 3)])
    write(tmp_path / "b.parquet", [(3, 5)])
    data = (tmp_path / "b.parquet").read_bytes()
    (size,) = struct.unpack("<I", data[-8:-4])
    (tmp_path / "b.parquet").write_bytes(
        {
            "no footer": data[:-8] + b"\0" * 8,
            "long footer": data[:-8] + struct.pack("<I", 1 << 30) + b"PAR1",
            "cut footer": data[: -8 - size // 2] + struct.pack("<I", size - size // 2) + b"PAR1",
        }[damage]
    )
    with pytest.raises(LayoutError):
        join(tmp_path / "a.parquet", [tmp_path / "b.parquet"], "record_no")
