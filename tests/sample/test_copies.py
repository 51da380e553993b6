"""The variations between two libraries' copies of one book, each alone."""

import random

import pytest

from sample import cnmarc
from sample.copies import HABITS, vary
from sample.marc import Record, encode, value

HAN = Record(
    "00000cam a2200000 a 4500",
    [
        ("001", "", [("", "00294039")]),
        ("008", "", [("", "000426s1998    cc a     b    000 0 chi d")]),
        ("010", "  ", [("a", "   00294039 ")]),
        ("020", "  ", [("a", "7503517956 :"), ("c", "RMB20.80")]),
        ("043", "  ", [("a", "a-cc---")]),
        ("050", "00", [("a", "HC79.I55"), ("b", "C467 1998")]),
        ("245", "00", [("6", "880-01"), ("a", "Zhi shi jing ji :"), ("b", "fa zhan /"), ("c", "Feng Zhijun.")]),
        ("250", "  ", [("6", "880-02"), ("a", "Di 2 ban.")]),
        ("260", "  ", [("6", "880-03"), ("a", "Beijing :"), ("b", "Chu ban she,"), ("c", "1998.")]),
        ("300", "  ", [("a", "2, 372 p. :"), ("b", "ill. ;"), ("c", "21 cm.")]),
        ("504", "  ", [("a", "Includes bibliographical references.")]),
        ("700", "1 ", [("6", "880-05"), ("a", "Feng, Zhijun.")]),
        (
            "880",
            "00",
            [("6", "245-01/$1"), ("a", "知识经济 :"), ("b", "发展 /"), ("c", "主编冯之浚 ; 副主编尚勇.")],
        ),
        ("880", "  ", [("6", "250-02/$1"), ("a", "第2版.")]),
        ("880", "  ", [("6", "260-03/$1"), ("a", "北京 :"), ("b", "中共中央党校出版社,"), ("c", "1998.")]),
        ("880", "1 ", [("6", "700-05/$1"), ("a", "冯之浚.")]),
    ],
)
WESTERN = Record(
    HAN.leader,
    [
        ("245", "10", [("a", "Benjamin Harrison :"), ("b", "president /"), ("c", "by S. Francis.")]),
        ("250", "  ", [("a", "2nd ed.")]),
        ("260", "  ", [("a", "Oxford :"), ("b", "Oxford University Press,"), ("c", "2002.")]),
    ],
)


def varied(record: Record, *names: str) -> Record:
    habits = {name: 1.0 if name in names else 0.0 for name in HABITS}
    copy, said = vary(record, random.Random(1), habits)
    assert said == [name for name in HABITS if name in names]
    return copy


def han(record: Record, tag: str) -> list[tuple[str, str]]:
    return next(fields for fields in record.all("880") if fields[0][1].startswith(tag))


def test_without_variations_a_copy_is_equal_but_for_13_digits():
    assert varied(WESTERN) == WESTERN
    copy = varied(HAN)
    assert copy.fields[:3] == HAN.fields[:3] and copy.fields[4:] == HAN.fields[4:]


@pytest.mark.parametrize(
    ("names", "number"),
    [
        ((), "9787503517952 :"),
        (("isbn10",), "7503517956 :"),
        (("isbn_hyphen",), "978-7-5035-1795-2 :"),
        (("isbn10", "isbn_hyphen"), "7-5035-1795-6 :"),
    ],
)
def test_isbn_forms(names, number):
    thirteen = Record(HAN.leader, [("020", "  ", [("a", "9787503517952 :")])])
    assert value(varied(HAN, *names).first("020"), "a") == number
    assert value(varied(thirteen, *names).first("020"), "a") == number


def test_isbn_missing():
    assert varied(HAN, "isbn_missing").all("020") == []


def test_edition_wording_changes_both_scripts_to_another_form():
    assert value(han(varied(HAN, "edition_wording"), "250"), "a") == "第二版."
    again = varied(varied(HAN, "edition_wording"), "edition_wording")
    assert value(han(again, "250"), "a") == "第2版."
    assert value(varied(WESTERN, "edition_wording").first("250"), "a") == "Second edition"


def test_subtitle_missing_or_in_the_title():
    assert "b" not in dict(han(varied(HAN, "subtitle_missing"), "245"))
    assert value(han(varied(HAN, "subtitle_in_title"), "245"), "a") == "知识经济 : 发展 /"


def test_scripts():
    assert value(han(varied(HAN, "script_traditional"), "245"), "a") == "知識經濟 :"
    back = varied(varied(HAN, "script_traditional"), "script_simplified")
    assert back.all("880") == HAN.all("880")
    assert value(HAN.fields[6][2], "a") == "Zhi shi jing ji :", "the book itself stays as it is"


def test_publisher_and_year():
    assert value(varied(WESTERN, "publisher_wording").first("260"), "b") == "Oxford Univ. Pr.,"
    assert value(varied(WESTERN, "year_copyright").first("260"), "c") == "c2002."
    assert value(varied(WESTERN, "year_off").first("260"), "c") == "2003."


def test_creators_missing_in_both_scripts():
    copy = varied(HAN, "creators_missing")
    assert copy.all("700") == [] and not any(f[0][1].startswith("700") for f in copy.all("880"))


def test_cnmarc_of_a_chinese_book():
    record = cnmarc.convert(HAN, "0110    ")
    assert record.first("200") == [
        ("a", "知识经济"),
        ("A", "Zhi shi jing ji"),
        ("e", "发展"),
        ("f", "主编冯之浚"),
        ("g", "副主编尚勇"),
    ]
    assert record.first("010") == [("a", "7503517956"), ("d", "CNY20.80")]
    coded = value(record.first("100"), "a")
    assert len(coded) == 36 and coded[9:13] == "1998" and coded[26:30] == "0110" and coded[34:] == "ea"
    assert record.first("210") == [("a", "北京"), ("c", "中共中央党校出版社"), ("d", "1998")]
    assert record.first("215") == [("a", "2, 372页"), ("c", "图"), ("d", "21 cm")]
    assert record.first("102") == [("a", "CN"), ("b", "110000")]
    assert record.first("690") == [("a", "F1"), ("v", "5")]
    assert record.first("606") == [("a", "经济概况"), ("y", "中国")]
    assert record.first("320") == [("a", "有书目")]
    assert record.first("702") == [("a", "冯之浚"), ("A", "Feng, Zhijun"), ("4", "主编")]
    assert [tag for tag, _, _ in record.fields] == sorted(tag for tag, _, _ in record.fields)
    assert "知识经济".encode("gb18030") in encode(record, lambda text: text.encode("gb18030"))


def test_cnmarc_of_a_book_without_chinese_text():
    record = cnmarc.convert(WESTERN, "50      ")
    assert record.first("200")[0] == ("a", "Benjamin Harrison") and "A" not in dict(record.first("200"))
