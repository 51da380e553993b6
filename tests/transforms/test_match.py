"""Which records become one bib, and which may not."""

from hashlib import sha1
from itertools import permutations
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms import candidates, collapse, distinct, match
from transforms.score import load_card
from warehouse import engine

from . import joined_groups
from .staged_records import ANALYSIS, HAMLET, bibs


def clusters(*sources: list[dict], cap: int = candidates.BLOCK_CAP) -> match.Clusters:
    """Match the records of sources a, b, c …"""
    tables = [bibs(name, records) for name, records in zip("abcdefgh", sources, strict=False)]
    con = ibis.duckdb.from_connection(engine.connect())
    return match.cluster(con, con.create_table("bib", ibis.memtable(pa.concat_tables(tables))), cap=cap)


def together(*sources: list[dict]) -> set[frozenset[str]]:
    """The clusters of more than one record, as sets of 'source/record'."""
    found: dict[int, set[str]] = {}
    for row in clusters(*sources).records.to_pylist():
        found.setdefault(row["cluster"], set()).add(f"{row['source_id']}/{row['record_id']}")
    return {frozenset(members) for members in found.values() if len(members) > 1}


def rules(*sources: list[dict]) -> set[tuple[str, str]]:
    pairs = clusters(*sources).pairs
    return set(zip(pairs["rule"].to_pylist(), pairs["decision"].to_pylist(), strict=True))


ONE = {frozenset(["a/000", "b/000"])}


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (HAMLET, {}),
        (HAMLET, {"isbn": []}),
        (HAMLET, {"title": "HAMLET /", "subtitle": None}),
        (HAMLET, {"publisher": "Penguin", "pub_place": None}),
        (HAMLET, {"isbn": [], "creators": ["Shakespeare, William"], "extent": None}),
        (HAMLET, {"edition": "1st ed."}),
        (HAMLET | {"edition": "2nd ed."}, {"extent": "349 p."}),  # the statement was left out
        (ANALYSIS | {"volume_title": "代数"}, {"volume_title": None}),  # same pages, the part not named
        (HAMLET, {"creators": ["Wells, Stanley", "Shakespeare, William, 1564-1616"]}),
        (HAMLET, {"carrier": "microform"}),  # filmed from the volume that it describes
        (HAMLET, {"carrier": None}),  # a record that does not say is of either carrier
        (ANALYSIS, {"title": "数学分析", "creators": ["陈纪修"], "publisher": "高等敎育出版社"}),
        (ANALYSIS, {"title": "数学分析", "isbn": [], "extent": "420 p."}),
        (ANALYSIS | {"isbn": [], "subtitle": "修订版习题解答", "creators": []}, {"subtitle": None}),
        # the title of a part, with that of the whole before it or without
        (HAMLET | {"isbn": []}, {"title": "Plays of the world", "subtitle": "Hamlet, prince of Denmark"}),
        (HAMLET | {"isbn": [], "pub_year": None, "coded_year": 1998}, {"title": "Hamlet", "creators": []}),
    ],
)
def test_copies_of_one_book_join(record: dict, change: dict) -> None:
    assert together([record], [record | change]) == ONE


@pytest.mark.parametrize(
    ("rule", "record", "change"),
    [
        ("veto:volume", ANALYSIS | {"volume_no": "上册"}, {"volume_no": "下册"}),
        ("veto:volume", ANALYSIS, {"volume_no": "2"}),
        ("veto:volume", ANALYSIS | {"volume_title": "代数"}, {"volume_title": "几何"}),
        ("veto:volume", ANALYSIS | {"volume_title": "代数"}, {"volume_title": None, "extent": "3册"}),  # the set
        ("veto:volume", ANALYSIS | {"title": "数学分析(上册)"}, {"title": "数学分析(下册)"}),
        ("veto:edition", HAMLET | {"edition": "2nd ed."}, {"edition": "3rd ed."}),
        ("veto:edition", HAMLET, {"edition": "2nd ed.", "pub_year": 2003}),
        ("veto:language", HAMLET, {"lang": "ger"}),
        ("veto:translation", HAMLET | {"orig_lang": "fre"}, {"orig_lang": "ger"}),
        ("veto:carrier", HAMLET, {"carrier": "microform", "extent": "2 microfiches"}),
        ("veto:serial", HAMLET, {"kind": "serial"}),
        ("veto:kind", HAMLET, {"kind": "audio"}),
        ("veto:isbn_conflict", HAMLET, {"title": "Cooking for two", "subtitle": "quick meals"}),
    ],
)
def test_a_veto_separates_whatever_the_score(rule: str, record: dict, change: dict) -> None:
    assert together([record], [record | change]) == set()
    assert rules([record], [record | change]) == {(rule, "separate")}


def test_print_and_electronic_under_one_isbn_are_two() -> None:
    assert together([HAMLET], [HAMLET | {"carrier": "electronic"}]) == set()


def test_two_records_of_one_source_stay_apart_without_an_identifier() -> None:
    plain = HAMLET | {"isbn": []}
    assert together([plain, plain]) == set()
    assert together([plain, plain | {"publisher": "Penguin"}]) == set()
    assert together([HAMLET, HAMLET | {"publisher": "Penguin"}]) == {frozenset(["a/000", "a/001"])}


def test_books_of_a_set_with_one_isbn_stay_apart() -> None:
    """The publisher gave one ISBN to a series; titles are alike, creators and pages are not."""
    left = ANALYSIS | {"title": "中国历代家礼", "creators": ["陆益龙"], "extent": "241页"}
    right = ANALYSIS | {"title": "中国历代祭礼", "creators": ["杜希宙"], "extent": "249页"}
    assert together([left], [right]) == set()


def test_two_books_of_one_title_and_year_by_others_stay_apart() -> None:
    left = {
        "title": "Jaguars",
        "pub_year": 2001,
        "extent": "32 p.",
        "carrier": "print",
        "kind": "book",
        "lang": "eng",
    }
    right = left | {"creators": ["Lalley, Pat"], "publisher": "Steadwell"}
    assert together([left | {"creators": ["Woods, Theresa"], "publisher": "Bridgestone"}], [right]) == set()


PAPER = {
    "title": "Using semantic values to facilitate interoperability",
    "creators": ["Edward Sciore", "Michael D. Siegel", "Arnon Rosenthal"],
    "pub_year": 1994,
}
MISSPELT = {"title": "Using semantic values to falilitate interoperability"}


@pytest.mark.parametrize(
    ("change", "joined"),
    [
        (MISSPELT | {"creators": ["Arnon Rosenthal", "Michael Siegel", "Edward Sciore"]}, True),
        (MISSPELT | {"creators": ["Arnon Rosenthal"]}, False),
        (MISSPELT | {"pub_year": 1995}, False),
        (MISSPELT | {"title": "Using semantic nets to describe interoperability"}, False),
        (
            {"title": "Usnig semantic values to facilitate interoperability", "creators": PAPER["creators"][::-1]},
            True,
        ),
    ],
)
def test_papers_of_several_authors_join_in_spite_of_a_letter(change: dict, joined: bool) -> None:
    """Without pages and publisher, who wrote together in a year counts; the last meets only by its end."""
    assert (together([PAPER], [PAPER | change]) == ONE) is joined


def test_authors_in_common_say_nothing_of_the_editions_of_a_book() -> None:
    for known in ({"extent": "300 p."}, {"publisher": "Springer"}):
        assert together([PAPER | known], [PAPER | known | MISSPELT]) == set()


def test_a_chain_cannot_bring_a_source_two_records() -> None:
    """Both records of a match the one of b; only one may have it."""
    plain = HAMLET | {"isbn": []}
    found = together([plain, plain | {"publisher": "Penguin"}], [plain | {"creators": ["Shakespeare, W."]}])
    assert len(found) == 1
    assert len(next(iter(found))) == 2


def test_a_chain_cannot_join_two_editions() -> None:
    """Without an edition statement a record fits both; they stay apart all the same."""
    second, third = HAMLET | {"edition": "2nd ed."}, HAMLET | {"edition": "3rd ed."}
    for sources in permutations([[second], [third], [HAMLET]]):
        result = clusters(*sources)
        names = "abc"[sources.index([second])], "abc"[sources.index([third])]
        cluster = dict(
            zip(result.records["source_id"].to_pylist(), result.records["cluster"].to_pylist(), strict=True)
        )
        assert cluster[names[0]] != cluster[names[1]]
        assert "veto:cluster" in result.pairs["rule"].to_pylist()


def test_a_title_alone_joins_nothing() -> None:
    thin = {"title": "Annual report of the society", "carrier": "print", "kind": "book"}
    assert together([thin], [thin]) == set()
    assert together([thin | {"pub_year": 1990}], [thin | {"pub_year": 1990}]) == set()


def test_early_print_goes_to_review() -> None:
    early = HAMLET | {"isbn": [], "pub_year": 1750, "extent": None}
    assert rules([early], [early | {"publisher": "J. and R. Tonson"}]) == {("early_print", "review")}
    assert rules([early], [early | {"pub_place": "Dublin"}]) == {("early_print", "review")}
    paged = early | {"extent": "176 p."}
    assert rules([paged], [paged | {"extent": "200 p."}]) != {("title_kept all", "match")}


@pytest.mark.parametrize(("one", "other"), [("176 p.", "175, [1] p."), (None, "3 v.")])
@pytest.mark.parametrize("publisher", ["J. and R. Tonson", "Printed for J. & R. Tonson, and sold by T. Payne"])
def test_early_print_of_one_imprint_is_one_book(publisher: str, one: str | None, other: str) -> None:
    """With the same pages, or not paged but from one publisher in one place and year."""
    early = HAMLET | {"isbn": [], "pub_year": 1750, "publisher": "J. & R. Tonson"}
    assert together([early | {"extent": one}], [early | {"publisher": publisher, "extent": other}]) == ONE


def test_a_doubtful_pair_goes_to_review() -> None:
    other = HAMLET | {"pub_year": 2004, "isbn": [], "publisher": None, "extent": None, "pub_place": None}
    found = clusters([HAMLET], [other]).pairs
    assert found["decision"].to_pylist() == ["review"]
    assert load_card().review <= found["score"][0].as_py() < load_card().match


def test_years_apart_go_to_review_where_nothing_tells_an_impression_from_a_reissue() -> None:
    other = HAMLET | {"pub_year": 2000, "isbn": [], "publisher": None, "extent": None}
    assert rules([HAMLET], [other]) == {("other_year", "review")}
    assert rules([HAMLET], [other | {"pub_year": 1999}]) != {("other_year", "review")}


def test_a_word_replaced_in_a_title_asks_for_more() -> None:
    """As in series for children: one house, year and number of pages."""
    plain = HAMLET | {"isbn": [], "subtitle": None, "coded_year": 1998}
    left = plain | {"title": "Short o and long o play a game"}
    right = plain | {"title": "Short u and long u play a game"}
    assert rules([left], [right]) == {("other_words", "review")}


def test_one_title_by_others_in_another_house_goes_to_review() -> None:
    poems = {"isbn": [], "title": "Poems", "subtitle": None, "creators": ["Gray, Thomas"], "coded_year": 1998}
    one = HAMLET | poems | {"publisher": "Faber"}
    other = one | {"creators": ["Muir, Edwin"], "publisher": "Cape"}
    assert rules([one], [other]) == {("other_people", "review")}
    assert together([one], [other | {"publisher": "Faber"}]) == ONE, "a heading may be an editor's"
    assert together([one | {"lccn": "1"}], [other | {"lccn": "1"}]) == ONE


def test_books_of_a_set_that_share_its_isbn_go_to_review() -> None:
    """Where each has its own ISBN, too, and a word of the title is another."""
    one = ANALYSIS | {"title": "青年博物馆恐龙篇", "isbn": ["9787040071207", "9787040295665"]}
    other = one | {"title": "青年博物馆昆虫篇", "isbn": ["9787040071207", "9787040212778"]}
    assert rules([one], [other]) == {("other_isbn", "review")}
    assert together([one], [other | {"title": "青年博物館恐龍篇"}]) == ONE
    assert together([one], [other | {"isbn": one["isbn"]}]) == ONE


def test_of_several_languages_none_is_held_against_another_record() -> None:
    both = ANALYSIS | {"lang": "chi", "langs": ["chi", "eng"]}
    assert together([both], [ANALYSIS | {"lang": "eng", "langs": ["eng", "chi"]}]) == ONE
    assert together([both], [ANALYSIS | {"lang": "eng"}]) == ONE
    assert together([ANALYSIS], [ANALYSIS | {"lang": "eng", "langs": ["eng"]}]) == set()
    translated = ANALYSIS | {"orig_lang": "eng"}
    assert together([translated], [ANALYSIS | {"orig_lang": "und"}]) == ONE
    assert together([translated], [ANALYSIS | {"orig_lang": "rus"}]) == set()


def test_a_short_title_meets_that_with_a_subtitle() -> None:
    """Of twelve Chinese characters some are the subtitle's."""
    one = ANALYSIS | {"isbn": [], "title": "晚明政治史", "creators": [], "extent": "318页"}
    other = one | {"subtitle": "制度与人的历史研究", "creators": ["李细珠"], "extent": "320页"}
    assert together([one], [other]) == ONE


def test_another_publisher_in_another_country_has_another_edition() -> None:
    """Where one record names both houses, it is the edition of either."""
    one = HAMLET | {"isbn": [], "country": "enk", "publishers": ["P. Allan"], "pub_places": ["Oxford"]}
    other = one | {"country": "nyu", "publishers": ["St. Martin's"], "pub_places": ["New York"]}
    assert rules([one], [other]) == {("veto:imprint", "separate")}
    both = other | {"publishers": ["P. Allan", "St. Martin's"], "pub_places": ["Oxford", "New York"]}
    assert together([one], [both]) == ONE
    assert together([one], [other | {"country": "enk"}]) == ONE  # nothing of the kind is coded
    assert together([one], [other | {"country": "vp"}]) == ONE
    assert together([one | {"isbn": HAMLET["isbn"]}], [other | {"isbn": HAMLET["isbn"]}]) == ONE


def test_countries_of_two_lists_of_codes_are_not_compared() -> None:
    one = ANALYSIS | {
        "isbn": [],
        "format": "cnmarc",
        "country": "cn",
        "publishers": ["高教"],
        "pub_places": ["北京"],
    }
    other = one | {"country": "cc", "format": "marc21", "publishers": ["Gao jiao"], "pub_places": ["Beijing"]}
    assert together([one], [other]) == ONE
    assert together([one], [other | {"format": "cnmarc"}]) == set()


@pytest.mark.parametrize(
    ("left", "right", "apart"),
    [
        ("Report to accompany S. 1970", "Report to accompany S. 501", True),
        ("Hearings, session 1 of 4", "Hearings, session 3 of 4", True),
        ("A history, 1760-1897", "A history, 1760-1898", False),  # a digit misprinted
        ("A history, 1760-1897", "A history, 1760-97", False),
        ("A history in 12 maps", "A history in 12 maps, 1897", False),
        ("第十四届全国图书馆学术会议论文集", "第十五届全国图书馆学术会议论文集", True),
        ("第十届全国图书馆学术会议论文集", "第十一屆全國圖書館學術會議論文集", True),
        ("第3次全国图书馆学术会议论文集", "第4次全国图书馆学术会议论文集", True),
        ("第3届全国图书馆学术会议论文集, 2014", "第四届全国图书馆学术会议论文集, 2015", True),
        ("第十四届全国图书馆学术会议论文集", "第14届全国图书馆学术会议论文集", False),
        ("第十四届全国图书馆学术会议论文集", "第十四届全国图书馆学术会议文集", False),
        ("Proceedings of the 14th Library Conference", "Proceedings of the 15th Library Conference", True),
        ("Proceedings of the 21st Library Conference", "Proceedings of the 22nd Library Conference", True),
        ("The Twenty-First Conference on Libraries", "The Twenty-Third Conference on Libraries", True),
        ("The Fourteenth Conference on Libraries", "The 15th Conference on Libraries", True),
        ("The Fourteenth Conference on Libraries", "The 14th Conference on Libraries", False),
        ("四大发明之一的故事", "四大发明之三的故事", True),
        ("A second look at how libraries often thrive", "A second look at how libraries often throve", False),
    ],
)
def test_titles_that_differ_in_a_number(left: str, right: str, apart: bool) -> None:
    plain = HAMLET | {"isbn": [], "subtitle": None}
    found = rules([plain | {"title": left}], [plain | {"title": right}])
    assert (found == {("veto:number", "separate")}) == apart


def test_any_shared_isbn_counts() -> None:
    left = HAMLET | {"isbn": ["9780140707342", "9780198129103"]}
    right = HAMLET | {"isbn": ["9780198129103", "9780521618748"], "publisher": "Penguin", "pub_year": None}
    assert together([left], [right]) == ONE
    assert ("isbn shared", "match") in rules([left], [right])


def test_no_records() -> None:
    empty = bibs("a", [HAMLET]).slice(0, 0)
    con = ibis.duckdb.from_connection(engine.connect())
    found = match.cluster(con, con.create_table("bib", ibis.memtable(empty)))
    assert (len(found.records), len(found.pairs), found.notes) == (0, 0, [])


# --- blocks ----------------------------------------------------------------------------------------------


def many(count: int) -> list[list[dict]]:
    """As many different books under one title, year and pages, and one of them at a second source."""
    names = [sha1(str(n).encode()).hexdigest() for n in range(count)]
    books = [HAMLET | {"isbn": [], "creators": [f"{n[:8]}, {n[8]}"], "publisher": n[9:20]} for n in names]
    return [books, [books[count // 2] | {"pub_place": "Paris", "resp_first": "x", "edition": "1st ed."}]]


def test_a_block_over_the_cap_is_reported_and_its_neighbours_compared() -> None:
    whole, cut = clusters(*many(60)), clusters(*many(60), cap=20)
    assert whole.notes == []
    assert len(whole.pairs) == 61 * 60 // 2
    assert len(cut.pairs) < len(whole.pairs) // 3
    assert "over the cap of 20 groups" in cut.notes[0]
    assert "with 61" in cut.notes[0]
    of = {(r["source_id"], r["record_id"]): r["cluster"] for r in cut.records.to_pylist()}
    assert of["b", "000"] == of["a", "030"] == 30


def test_pairs_are_distinct_and_ordered() -> None:
    pairs = clusters([HAMLET], [HAMLET | {"publisher": "Other"}], [HAMLET | {"publisher": "Third"}]).pairs
    found = [(r["left_source_id"], r["right_source_id"]) for r in pairs.to_pylist()]
    assert found == [("a", "b"), ("a", "c"), ("b", "c")]


@pytest.mark.parametrize("stored", ["in a table", "in files"])
@pytest.mark.parametrize("given", ["in order", "in parts", "not in order", "one missing", "a source missing"])
def test_a_record_index_only_saves_work(
    given: str, stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given in ("in parts", "a source missing"):
        monkeypatch.setattr(distinct, "PART", 4)
    bib = pa.concat_tables([bibs(name, [HAMLET, ANALYSIS, HAMLET | {"publisher": name}]) for name in "cab"])
    con = ibis.duckdb.from_connection(engine.connect())
    table = con.create_table("bib", ibis.memtable(bib))
    files = [tmp_path / "bib.parquet"] if stored == "in files" else []
    for file in files:
        pq.write_table(bib, file)
    present = bib.select(candidates.POSITION)
    if given != "not in order":
        present = present.sort_by([("source_id", "ascending"), ("record_id", "ascending")])
    present = present.slice({"one missing": 1, "a source missing": 3}.get(given, 0))
    found = match.cluster(con, table, present=lambda columns: iter([present.select(columns)]), files=files)
    # files may have more than is present
    there = table.semi_join(ibis.memtable(present), candidates.POSITION) if files else table
    whole = match.cluster(con, there)
    assert found.records.to_pylist() == whole.records.to_pylist() and found.pairs == whole.pairs
    assert len(found.records) == (len(present) if files else len(bib))


@pytest.mark.parametrize("wide", [1, 60])
def test_columns_of_more_bytes_than_short_offsets_reach(wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [{"publisher": name, "pub_year": year} for name in ("Penguin", "Other") for year in (1998, 2001)]
    sources = [[HAMLET, ANALYSIS | change, HAMLET | change] for change in changes]
    whole = clusters(*sources)
    monkeypatch.setattr(collapse, "WIDE", wide)
    found = clusters(*sources)
    kinds = {field.type for field in found.known.described.schema}
    assert pa.large_string() in kinds and (wide == 1 or pa.string() in kinds)
    assert found.records == whole.records and found.pairs == whole.pairs and len(whole.pairs) > 10


# --- components ------------------------------------------------------------------------------------------


def joined(edges: list[tuple[int, int]], attributes: list[list[int]], identity: list[int], sources: list[int]):
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    return joined_groups.joined(ends, np.array(attributes), np.array(identity), np.array(sources))


def test_union_takes_the_smallest_group_as_name() -> None:
    cluster, refused = joined([(3, 1), (1, 2)], [[0]] * 4, [-1] * 4, [0, 1, 2, 3])
    assert cluster.tolist() == [0, 1, 1, 1]
    assert refused.tolist() == [False, False]


def test_an_unknown_attribute_takes_the_first_known_one() -> None:
    cluster, refused = joined([(0, 1), (1, 2)], [[5], [-1], [6]], [-1] * 3, [0, 1, 2])
    assert cluster.tolist() == [0, 0, 2]
    assert refused.tolist() == [False, True]


def test_one_source_twice_only_with_one_identifier() -> None:
    assert joined([(0, 1)], [[0], [0]], [7, 7], [4, 4])[0].tolist() == [0, 0]
    assert joined([(0, 1)], [[0], [0]], [7, 8], [4, 4])[0].tolist() == [0, 1]
    assert joined([(0, 1)], [[0], [0]], [-1, -1], [4, 4])[0].tolist() == [0, 1]
    through = joined([(0, 1), (1, 2)], [[0]] * 3, [-1] * 3, [4, 5, 4])
    assert through[0].tolist() == [0, 0, 2]
    assert through[1].tolist() == [False, True]
