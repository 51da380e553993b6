"""The golden record: which value wins, and where it came from."""

from typing import Any

import ibis
import pyarrow as pa

from schemas.tables import CATALOG_BIB, CATALOG_PROVENANCE, DESCRIPTION, STRINGS
from transforms import merge

from .staged_records import HAMLET, bibs


def golden(*sources: list[dict[str, Any]], bib_of: dict[str, str] | None = None) -> tuple[list[dict], list[dict]]:
    """Merge the records of sources a, b, c … as one bib, or as `bib_of` says for 'source/record'."""
    table = pa.concat_tables([bibs(name, records) for name, records in zip("abcdef", sources, strict=False)])
    con = ibis.duckdb.connect()
    position = table.select(["source_id", "batch_id", "record_no"])
    keys = [f"{r['source_id']}/{r['record_no']:03}" for r in position.to_pylist()]
    assigned = position.append_column("bib_id", pa.array([(bib_of or {}).get(key, "U1") for key in keys]))
    assigned = assigned.append_column("member_code", pa.array([key[0].upper() for key in keys]))
    ordered = merge.in_precedence(
        con.create_table("bib", ibis.memtable(table)), con.create_table("assigned", ibis.memtable(assigned))
    )
    bib, provenance = merge.golden(ordered.to_pyarrow())
    assert bib.schema.names == CATALOG_BIB.schema.names
    assert provenance.schema.names == CATALOG_PROVENANCE.schema.names
    return bib.to_pylist(), provenance.to_pylist()


def giver(provenance: list[dict], column: str) -> str:
    (row,) = [row for row in provenance if row["column_name"] == column]
    return f"{row['source_id']}/{row['record_id']}"


def test_a_full_record_wins_over_a_newer_and_longer_one() -> None:
    (bib,), provenance = golden(
        [HAMLET | {"title": "Brief", "level": "7", "updated_at": "20250101", "abstract": "x", "series": ["y"]}],
        [HAMLET | {"title": "Full", "level": "", "updated_at": "20010101"}],
    )
    assert bib["title"] == "Full"
    assert giver(provenance, "title") == "b/000"
    assert bib["abstract"] == "x"  # a value only the lesser record has is not lost
    assert giver(provenance, "abstract") == "a/000"


def test_of_one_level_the_more_complete_wins_then_the_newer_then_the_smaller() -> None:
    (bib,), _ = golden([HAMLET | {"title": "Short"}], [HAMLET | {"title": "Long", "size": "20 cm"}])
    assert bib["title"] == "Long"
    old, new = HAMLET | {"title": "Old", "updated_at": "2001"}, HAMLET | {"title": "New", "updated_at": "2002"}
    assert golden([old], [new])[0][0]["title"] == "New"
    assert golden([HAMLET | {"title": "First"}], [HAMLET | {"title": "Second"}])[0][0]["title"] == "First"


def test_prepublication_is_another_level_in_cnmarc_than_in_marc21() -> None:
    cip = HAMLET | {"title": "CIP", "level": "2", "format": "cnmarc"}
    partial = HAMLET | {"title": "Partial", "level": "5", "format": "cnmarc"}
    assert golden([cip], [partial])[0][0]["title"] == "Partial"
    assert golden([cip | {"format": "marc21"}], [partial | {"format": "marc21"}])[0][0]["title"] == "CIP"


def test_lists_are_united_in_order_each_value_once() -> None:
    (bib,), provenance = golden(
        [HAMLET | {"isbn": ["1", "2"], "subjects": ["Drama"], "level": "7"}],
        [HAMLET | {"isbn": ["3", "1"], "subjects": []}],
    )
    assert bib["isbn"] == ["3", "1", "2"]
    assert bib["subjects"] == ["Drama"]
    assert (giver(provenance, "isbn"), giver(provenance, "subjects")) == ("b/000", "a/000")


def test_each_bib_keeps_its_own_order_of_values() -> None:
    found, _ = golden(
        [HAMLET | {"subjects": ["x", "y"]}, HAMLET | {"subjects": ["y", "x"]}],
        bib_of={"a/000": "U1", "a/001": "U2"},
    )
    assert [bib["subjects"] for bib in found] == [["x", "y"], ["y", "x"]]


def test_empty_columns_are_null_or_empty_and_have_no_provenance() -> None:
    (bib,), provenance = golden([{"title": "Only a title"}])
    assert {row["column_name"] for row in provenance} == {"title"}
    for column in DESCRIPTION:
        if column.name != "title":
            assert bib[column.name] == ([] if column.type == STRINGS else None), column.name


def test_counts_and_order_over_several_bibs() -> None:
    found, provenance = golden(
        [HAMLET | {"title": "One"}, HAMLET | {"title": "Two"}],
        [HAMLET | {"title": "One b"}],
        bib_of={"a/000": "U2", "a/001": "U2", "b/000": "U1"},
    )
    assert [(b["bib_id"], b["records"], b["members"], b["title"]) for b in found] == [
        ("U1", 1, 1, "One b"),
        ("U2", 2, 1, "One"),
    ]
    keys = [(row["bib_id"], row["column_name"]) for row in provenance]
    assert keys == sorted(set(keys))
