"""What a record says, as numbers."""

import ibis
import pyarrow as pa
import pytest

from transforms import candidates, contents
from transforms.candidates import ALONE, COMPARED, ONE_OF_SOURCE, SHARED
from warehouse import engine

from .staged_records import HAMLET, bibs


def prepared(*records: dict) -> pa.Table:
    con = ibis.duckdb.from_connection(engine.connect())
    table = con.create_table("bib", ibis.memtable(bibs("a", list(records))))
    return con.to_pyarrow(candidates.prepare(table).order_by("record_id"))


def changed(records: pa.Table, **values: object) -> pa.Table:
    for name, value in values.items():
        field = records.schema.field(name)
        column = pa.array([value] * len(records), field.type)
        records = records.set_column(records.schema.get_field_index(name), field, column)
    return records


def number(records: pa.Table) -> int:
    return int(contents.content(records)[0])


@pytest.mark.parametrize("name", COMPARED)
def test_every_compared_value_counts(name: str) -> None:
    records = prepared(HAMLET)
    kind = records.schema.field(name).type
    values = [None, "", "x"] if pa.types.is_string(kind) else [None, False, True]
    values = values if not pa.types.is_integer(kind) else [None, 0, 1]
    assert len({number(changed(records, **{name: value})) for value in values}) == 3


def test_a_value_counts_for_its_column() -> None:
    empty = changed(prepared(HAMLET), **dict.fromkeys(COMPARED))
    texts = [name for name in COMPARED if pa.types.is_string(empty.schema.field(name).type)]
    assert len({number(changed(empty, **{name: "x"})) for name in texts}) == len(texts)


def test_other_columns_and_the_cut_into_batches_don_t_count() -> None:
    records = pa.concat_tables([prepared(HAMLET), prepared(HAMLET | {"title": "Macbeth"})] * 3)
    whole = contents.content(records).tolist()
    assert whole[::2] == whole[:1] * 3 and whole[1::2] == whole[1:2] * 3 and whole[0] != whole[1]
    assert contents.content(changed(records, record_id="z", batch_id="z")).tolist() == whole
    pieces = [contents.content(records.slice(start, 1)) for start in range(len(records))]
    assert [int(piece[0]) for piece in pieces] == whole


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, SHARED),
        ({"isbn": []}, ONE_OF_SOURCE),
        ({"isbn": [], "lccn": "85000002"}, SHARED),
        ({"isbn": [], "pub_year": None}, ALONE),
        ({"isbn": [], "creators": []}, ALONE),
        ({"title": None}, ALONE),
    ],
)
def test_which_records_may_be_one_group(change: dict, expected: int) -> None:
    assert contents.sharing(prepared(HAMLET | change)).tolist() == [expected]


def test_titles_that_begin_alike_have_one_number() -> None:
    titles = pa.chunked_array([["数學分析习题集第一部分上", "数學分析习题集第一部分上册", "数學分析", None, ""]])
    first, second, third, nothing, empty = contents.title(titles).tolist()
    assert first == second and len({first, third, nothing, empty}) == 4
