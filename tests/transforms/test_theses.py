"""Theses by others under one title, school and year are others; a thesis is also catalogued as a book."""

import pytest

from .staged_records import ANALYSIS, HAMLET
from .test_match import ONE, rules, together

THESIS = {
    "title": "中国企业跨国并购的绩效研究",
    "creators": ["张伟", "刘志强", "北京大学"],
    "publisher": "北京大学",
    "pub_year": 2012,
    "lang": "chi",
    "kind": "thesis",
}
ABROAD = HAMLET | {"isbn": [], "creators": ["Smith, John"], "publisher": "University of Oxford", "kind": "thesis"}


@pytest.mark.parametrize("kind", ["thesis", "book"])
@pytest.mark.parametrize(
    ("record", "creators"),
    [
        (THESIS, ["李娜", "刘志强", "北京大学"]),  # of one advisor and school
        (THESIS, ["王芳"]),
        (THESIS | {"extent": "120页"}, ["李娜"]),
        (ABROAD, ["Maier, Ursula"]),
    ],
)
def test_theses_by_others_are_two(record: dict, creators: list[str], kind: str) -> None:
    other = record | {"creators": creators, "kind": kind}
    assert rules([record], [other]) == {("veto:thesis", "separate")}
    assert rules([other], [record]) == {("veto:thesis", "separate")}


@pytest.mark.parametrize("kind", ["thesis", "book"])
@pytest.mark.parametrize(
    ("record", "creators"),
    [
        (THESIS, THESIS["creators"]),
        (THESIS, ["张伟"]),
        (THESIS, ["刘志强", "张伟著"]),  # the advisor first
        (THESIS, []),
        (THESIS, ["北京大学"]),  # only the school
        (ABROAD, ["Smith, J. R.", "Jones, Peter"]),
        (ABROAD | {"creators": ["Smith, John", "Advisor, Ann"]}, ["Smith, John, 1970-"]),
    ],
)
def test_a_thesis_is_one_with_the_same_catalogued_as_a_book(record: dict, creators: list[str], kind: str) -> None:
    assert together([record], [record | {"creators": creators, "kind": kind}]) == ONE


def test_people_look_where_names_are_somewhat_alike() -> None:
    one = THESIS | {"creators": ["Wang, Li"]}
    assert rules([one], [one | {"creators": ["Zhang, Li"]}]) == {("other_author", "review")}
    assert rules([ABROAD], [ABROAD | {"creators": ["Jones, John"]}]) == {("other_author", "review")}


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (THESIS, {"creators": ["Zhang, Wei"]}),  # in another script
        (THESIS, {"creators": [], "resp_first": "张伟撰 ; 指导教师刘志强"}),  # a statement, without headings
        (ABROAD, {"creators": [], "resp_first": "vorgelegt von John Smith aus Oxford"}),
    ],
)
def test_where_names_can_t_be_compared_the_card_has_its_say(record: dict, change: dict) -> None:
    """As of a book."""
    book = {"kind": "book"}
    assert rules([record], [record | change]) == rules([record | book], [record | change | book])


def test_a_shared_number_says_more_than_the_author() -> None:
    assert (
        together([THESIS | {"calis_id": "CAL 1"}], [THESIS | {"calis_id": "CAL 1", "creators": ["李娜"]}]) == ONE
    )


def test_a_chain_cannot_join_theses_by_others() -> None:
    """A record without an author fits both."""
    sources = [[THESIS], [THESIS | {"creators": []}], [THESIS | {"creators": ["李娜"]}]]
    assert together(*sources[:2]) == together(*sources[1:]) == ONE
    assert len(next(iter(together(*sources)))) == 2


def test_books_by_others_are_weighed_as_before() -> None:
    """A heading may be an editor's."""
    one = ANALYSIS | {"isbn": []}
    assert ("veto:thesis", "separate") not in rules([one], [one | {"creators": ["李娜"]}])
