"""DOIs and the CN numbers of serials (国内统一刊号): what they join, hold apart and send to review."""

import ibis
import pytest

from transforms import blocks, candidates

from .staged_records import ANALYSIS, bibs
from .test_match import ONE, rules, together

JOURNAL = {
    "title": "图书馆学报",
    "publisher": "图书馆学报编辑部",
    "pub_place": "北京",
    "pub_year": 1985,
    "lang": "chi",
    "kind": "serial",
    "carrier": "print",
    "standard_no": ["CN 11-1234/G2"],
}
PAPER = {
    "title": "Matching records of union catalogues",
    "creators": ["Wang, Li", "Maier, Ursula"],
    "pub_year": 2019,
    "lang": "eng",
    "kind": "article",
    "carrier": "electronic",
    "standard_no": ["10.1000/182"],
}
OTHER_TITLE = {"title": "On union catalogues", "creators": ["Ursula Maier"], "pub_year": 2018, "kind": None}


def compared(*numbers: str) -> str | None:
    bib = candidates.prepare(ibis.memtable(bibs("a", [JOURNAL | {"standard_no": list(numbers)}])))
    found: str | None = ibis.duckdb.connect().to_pyarrow(bib)["standard_no"][0].as_py()
    return found


def test_only_dois_and_cn_numbers_are_compared() -> None:
    assert compared("10.1000/182", "CN 11-1234/G2", "CN 31-1108") == "10.1000/182|CN 11-1234|CN 31-1108"
    assert compared("CN 11-1234") == compared("CN 11-1234/G2")
    assert compared("9781234567897", "10.5", "CN 99-12", "CN 110-1234/G2", "hdl:10.1000/182") is None
    assert compared() is None


@pytest.mark.parametrize("number", ["CN 11-1234", "10.1000/182"])
def test_records_that_share_a_number_meet(number: str) -> None:
    """Whatever else they say."""
    records = bibs("a", [JOURNAL | {"standard_no": [number, "10.5555/12"]}, PAPER | {"standard_no": [number]}])
    said = ibis.duckdb.connect().to_pyarrow(candidates.prepare(ibis.memtable(records)))
    found = blocks.named(said.select(blocks.COLUMNS)).to_pylist()
    keys = [row["key"] for row in found if row["rule"] == "standard_no"]
    assert keys.count(number) == 2 and keys.count("10.5555/12") == 1
    assert len({row["block"] for row in found if row["key"] == number}) == 1


def test_serials_of_one_cn_number_are_one() -> None:
    later = {"title": "圖書館學報", "pub_year": 2003, "publisher": None, "standard_no": ["CN 11-1234"]}
    assert together([JOURNAL], [JOURNAL | later]) == ONE
    assert together([JOURNAL], [JOURNAL | later | {"standard_no": []}]) == set()


def test_serials_of_other_cn_numbers_are_two() -> None:
    """As are those of several universities, 学报 of one title."""
    assert together([JOURNAL], [JOURNAL | {"standard_no": ["CN 31-1234/G2"]}]) == set()
    assert together([JOURNAL], [JOURNAL | {"standard_no": ["CN 31-1234/G2", "CN 11-1234/G2"]}]) == ONE
    assert together([JOURNAL], [JOURNAL | {"standard_no": []}]) == ONE


def test_papers_of_other_dois_go_to_review() -> None:
    """A preprint and what was published, or two parts of one title."""
    assert rules([PAPER], [PAPER | {"standard_no": ["10.2000/182"]}]) == {("other_doi", "review")}
    assert together([PAPER], [PAPER | {"standard_no": ["10.2000/182", "10.1000/182"]}]) == ONE
    assert together([PAPER], [PAPER | {"standard_no": []}]) == ONE
    assert together([PAPER], [PAPER | {"standard_no": ["CN 11-1234"]}]) == ONE


def test_a_shared_doi_outweighs_a_year_and_a_letter() -> None:
    change = {"title": "Matching record of union catalogs", "pub_year": 2020}
    assert together([PAPER], [PAPER | change]) == ONE
    assert together([PAPER | {"standard_no": []}], [PAPER | change | {"standard_no": []}]) == set()
    assert together([PAPER], [PAPER | OTHER_TITLE]) == set()


def test_two_records_of_a_source_under_one_doi_are_one() -> None:
    assert len(together([PAPER, PAPER | {"pub_year": 2020}])) == 1
    assert together([ANALYSIS | {"isbn": []}, ANALYSIS | {"isbn": [], "pub_year": 2000}]) == set()
