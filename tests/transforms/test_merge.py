"""The golden record: which value wins, and where it came from."""

import io
from functools import partial
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import CATALOG_BIB, CATALOG_PROVENANCE
from schemas.columns import DESCRIPTION, STRINGS
from schemas.staged import STAGED_BIB
from transforms import merge
from transforms.detect import Hints
from transforms.parse import staged_parts

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


def in_order(of_bib: dict[str, list[dict[str, Any]]]) -> tuple[list[dict], list[dict]]:
    """Merge records that stand in order of precedence already."""
    table = bibs("a", [record for records in of_bib.values() for record in records])
    ids = [bib_id for bib_id, records in of_bib.items() for _ in records]
    table = table.append_column("bib_id", pa.array(ids)).append_column("member_code", pa.array(["M"] * len(ids)))
    found, provenance = merge.golden(table)
    return found.to_pylist(), provenance.to_pylist()


def giver(provenance: list[dict], column: str) -> str:
    (found,) = givers(provenance, column)
    return found


def givers(provenance: list[dict], column: str) -> list[str]:
    """The records that gave the values of a column, in the order of the values."""
    return [f"{row['source_id']}/{row['record_id']}" for row in provenance if row["column_name"] == column]


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
    assert givers(provenance, "isbn") == ["b/000", "b/000", "a/000"]
    assert giver(provenance, "subjects") == "a/000"


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
    keys = [(row["bib_id"], row["column_name"], row["value_no"]) for row in provenance]
    assert keys == sorted(set(keys))


# --- who may say it, and what a value is worth -----------------------------------------------------------


def test_a_preferred_agency_wins_over_completeness_and_newness_but_not_over_level() -> None:
    rich = HAMLET | {"title": "Rich", "updated_at": "20250101", "abstract": "x", "agency_chain": ["OCoLC"]}
    of_lc = HAMLET | {"title": "Of LC", "agency_chain": ["ViU", "dlc"]}  # copied from it, in small letters
    of_nlc = HAMLET | {"title": "Of NLC", "agency_chain": ["CN-110000", "231010"]}
    of_calis = HAMLET | {"title": "Of CALIS", "agency_chain": ["CALIS"]}
    assert golden([rich], [of_lc])[0][0]["title"] == "Of LC"
    assert golden([rich], [of_lc], [of_nlc])[0][0]["title"] == "Of NLC"
    assert golden([rich], [of_lc], [of_nlc], [of_calis])[0][0]["title"] == "Of CALIS"
    assert golden([rich], [of_calis | {"level": "7"}])[0][0]["title"] == "Rich"
    # part of another code is no code
    assert golden([rich], [of_lc | {"agency_chain": ["DLCX"]}])[0][0]["title"] == "Rich"


def test_the_file_of_agencies_puts_calis_and_the_national_libraries_first() -> None:
    ranks = {code: rank for rank, code in merge.agencies()}
    assert ranks["CALIS"] < ranks["NLC"] == ranks["CN-110000"] < ranks["DLC"]
    assert sorted(set(ranks.values())) == list(range(1, max(ranks.values()) + 1))


def test_dublin_core_gives_way_to_marc_however_full() -> None:
    dc = HAMLET | {"title": "hamlet (book)", "abstract": "x", "series": ["y"], "format": "oai_dc"}
    assert golden([dc], [HAMLET])[0][0]["title"] == "Hamlet"


@pytest.mark.parametrize(
    ("column", "poor", "good"),
    [
        ("publisher", "[s.n.]", "Penguin"),
        ("publisher", "[出版者不详]", "高等教育出版社"),
        ("publisher", "出版社不詳", "高等教育出版社"),
        ("publisher", "[publisher not identified]", "Penguin"),
        ("pub_place", "[S.l.", "London"),
        ("pub_place", "[出版地不明]", "北京"),
        ("title", "Hamlet, prince of ...", "Hamlet, prince of Denmark"),
        ("title", "红楼梦（", "红楼梦（校注本）"),
        ("title", "??楼梦", "红楼梦"),
        ("title", "Haml\ufffdt", "Hamlet"),
        ("title", "HAMLET PRINCE OF DENMARK", "Hamlet"),
        ("title", "SHAKESPEAREAN", "Shakespearean"),
        ("lang", "und", "eng"),
        ("country", "xx", "cc"),
        ("extent", "—", "12 p."),
    ],
)
def test_a_poor_value_loses_to_a_lesser_record_and_is_kept_where_it_is_all(column, poor, good) -> None:
    (bib,), provenance = golden([HAMLET | {column: poor}], [HAMLET | {column: good, "level": "7"}])
    assert bib[column] == good
    assert giver(provenance, column) == "b/000"
    for other in (poor, None):
        assert golden([HAMLET | {column: poor}], [HAMLET | {column: other}])[0][0][column] == poor


@pytest.mark.parametrize(
    "title", ["IEEE", "C++", "1984", "Who's afraid?", "Sn", "Nul[l]", "3 : a novel [with CD]"]
)
def test_what_only_looks_poor_keeps_its_place(title) -> None:
    found, _ = golden([HAMLET | {"title": title}], [HAMLET | {"title": "Other", "level": "7"}])
    assert found[0]["title"] == title


def test_original_script_comes_before_transliteration_only_where_the_language_has_one() -> None:
    pinyin = HAMLET | {"title": "Hong lou meng", "publisher": "Ren min wen xue chu ban she", "lang": "chi"}
    hanzi = HAMLET | {"title": "红楼梦", "publisher": "人民文学出版社", "lang": "chi", "level": "7"}
    (bib,), _ = golden([pinyin], [hanzi])
    assert (bib["title"], bib["publisher"]) == ("红楼梦", "人民文学出版社")
    (bib,), _ = golden([pinyin | {"lang": "eng"}], [hanzi | {"lang": "eng"}])
    assert bib["title"] == "Hong lou meng"
    # a title that the book has in both scripts, or in Latin letters on all records, is none
    (bib,), _ = golden([pinyin | {"title": "Visual C++ 程序设计"}], [hanzi])
    assert bib["title"] == "Visual C++ 程序设计"


def test_a_subtitle_follows_its_title() -> None:
    full = HAMLET | {"title": "Hamlet", "subtitle": None}
    other = HAMLET | {"title": "Hamlet, prince of Denmark", "subtitle": "a tragedy", "level": "7"}
    assert golden([full], [other])[0][0]["subtitle"] is None
    (bib,), provenance = golden(
        [full], [other], [HAMLET | {"title": "HAMLET.", "subtitle": "a play", "level": "8"}]
    )
    assert bib["subtitle"] == "a play"
    assert giver(provenance, "subtitle") == "c/000"


def test_the_edition_of_a_classification_follows_the_number() -> None:
    first = HAMLET | {"clc": ["I561.33"], "clc_ed": None}
    (bib,), _ = golden([first], [HAMLET | {"clc": ["I561"], "clc_ed": "4", "level": "7"}])
    assert (bib["clc"], bib["clc_ed"]) == (["I561.33", "I561"], None)
    (bib,), _ = golden([first], [HAMLET | {"clc": ["I561.33"], "clc_ed": "5", "level": "7"}])
    assert bib["clc_ed"] == "5"


def test_equal_texts_stand_once_in_their_best_form() -> None:
    (bib,), provenance = golden(
        [HAMLET | {"subjects": ["DRAMA AND POETRY", "數學--教材"], "notes": ["See p. 3"]}],
        [HAMLET | {"subjects": ["数学--教材", "Drama and poetry.", "New"], "notes": ["see p.3."], "level": "7"}],
    )
    assert bib["subjects"] == ["Drama and poetry.", "數學--教材", "New"]
    assert givers(provenance, "subjects") == ["b/000", "a/000", "b/000"]
    assert bib["notes"] == ["See p. 3"]


def test_numbers_and_notations_are_compared_as_they_are() -> None:
    (bib,), _ = golden(
        [HAMLET | {"clc": ["I2.1"], "url": ["http://a/B"]}], [HAMLET | {"clc": ["I21"], "url": ["http://a/b"]}]
    )
    assert (bib["clc"], bib["url"]) == (["I2.1", "I21"], ["http://a/B", "http://a/b"])


def test_a_name_with_dates_replaces_the_same_without() -> None:
    (bib,), _ = golden(
        [HAMLET | {"creators": ["Dumas, Alexandre", "曹雪芹"]}],
        [
            HAMLET
            | {"creators": ["Dumas, Alexandre, 1802-1870", "Dumas, Alexandre, 1824-1895", "曹雪芹, 约1715-1763"]}
        ],
    )
    assert bib["creators"] == ["Dumas, Alexandre, 1802-1870", "曹雪芹, 约1715-1763", "Dumas, Alexandre, 1824-1895"]


def test_a_placeholder_stands_in_a_list_only_alone() -> None:
    assert golden([HAMLET | {"creators": ["[s.n.]"]}], [HAMLET | {"creators": ["Poe"]}])[0][0]["creators"] == [
        "Poe"
    ]
    assert golden([HAMLET | {"creators": ["[s.n.]"]}], [HAMLET | {"creators": []}])[0][0]["creators"] == ["[s.n.]"]


def test_a_bib_of_one_record_keeps_its_values_as_they_are() -> None:
    record = {"title": "HAMLET ...", "publisher": "[s.n.]", "subjects": ["A.", "a"], "creators": ["B", "B, 1900-"]}
    (bib,), _ = golden([HAMLET | record])
    assert {name: bib[name] for name in record} == record


WORDS = st.sampled_from(["红楼梦", "紅樓夢", "Hong lou meng", "HONG LOU MENG", "[s.n.]", "Hong…", "x"])
RECORD = st.fixed_dictionaries(
    {
        "title": st.none() | WORDS,
        "subtitle": st.none() | WORDS,
        "publisher": st.none() | WORDS,
        "subjects": st.lists(WORDS, max_size=3),
        "level": st.sampled_from(["", "7"]),
        "lang": st.sampled_from(["chi", "eng"]),
    }
)


@settings(max_examples=30)
@given(st.lists(RECORD, min_size=1, max_size=5), st.lists(RECORD, min_size=1, max_size=2))
def test_every_value_is_of_the_record_that_provenance_names(records, others) -> None:
    """And a bib comes out the same whichever bibs are merged beside it."""
    made = [HAMLET | record for record in records]
    found, provenance = in_order({"U1": made})
    (alone,) = found
    for row in provenance:
        given_by = made[int(row["record_id"])][row["column_name"]]
        value = alone[row["column_name"]]
        if isinstance(value, list):
            assert value[row["value_no"]] in given_by
        else:
            assert value == given_by
    for column in ("title", "publisher"):
        assert (alone[column] is None) == all(record[column] is None for record in made)
    count = sum(len(value) if isinstance(value, list) else value is not None for value in alone.values())
    assert count - 3 == len(provenance)  # less bib_id, records, members

    beside = [HAMLET | record for record in others]
    assert in_order({"U0": beside, "U1": made, "U2": beside})[0][1] == alone


def test_real_records_of_one_work_are_merged_without_loss(real) -> None:
    """The records of a real file as if they were one bib each, then all in pairs: no field gets lost."""
    content = (real / "marc21" / "lc-chinese.mrc").read_bytes()[: 1 << 20]
    content = content[: content.rindex(b"\x1d") + 1]
    parts = list(staged_parts([("f", partial(io.BytesIO, content))], Hints(), "a", "b1"))
    bib = pa.concat_tables([part.tables["bib"] for part in parts]).slice(0, 600)
    bib = bib.cast(STAGED_BIB.schema)
    con = ibis.duckdb.connect()
    position = bib.select(["source_id", "batch_id", "record_no"])
    pair = pa.array([f"U{number // 2:06}" for number in range(len(bib))])
    assigned = position.append_column("bib_id", pair).append_column("member_code", pa.array(["M"] * len(bib)))
    ordered = merge.in_precedence(
        con.create_table("bib", ibis.memtable(bib)), con.create_table("assigned", ibis.memtable(assigned))
    ).to_pyarrow()
    found, provenance = merge.golden(ordered)
    rows = {row["bib_id"]: row for row in found.to_pylist()}
    assert len(rows) == 300
    for number, record in enumerate(bib.to_pylist()):
        of_bib = rows[f"U{number // 2:06}"]
        assert set(record["isbn"]) <= set(of_bib["isbn"])
        assert of_bib["title"] is not None or record["title"] is None
        if record["title"] and any("\u4e00" <= c <= "\u9fff" for c in record["title"]) and of_bib["lang"] == "chi":
            assert any("\u4e00" <= c <= "\u9fff" for c in of_bib["title"])
    assert len(provenance) > 300 * 10
