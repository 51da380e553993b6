"""The crosswalks on real records that were looked at by eye, and shares that a column must reach."""

from functools import cache
from unicodedata import normalize

import pyarrow.compute as pc
import pytest

from transforms import crosswalk
from transforms.clean import cleaner
from transforms.parse import parse_files


@cache
def rows(path):
    return parse_files([path])


def record(table, record_id):
    return table.filter(pc.equal(table["record_id"], record_id)).to_pylist()[0]


def share(table, column):
    """How many records in a hundred have a value."""
    values = table[column].to_pylist()
    return 100 * sum(value not in (None, []) for value in values) / len(values)


@pytest.mark.parametrize("name", [path.stem for path in sorted(crosswalk.FOLDER.glob("*.csv"))])
def test_every_line_names_a_column_and_a_function(name):
    if name in ("codes", "holdings"):
        return
    for line in crosswalk.load(name):
        assert callable(cleaner(line.clean)), line


def test_a_print_book_and_its_electronic_edition(real):
    table = rows(real / "unimarc" / "sru-cnmarcxml-response.xml")
    assert len(table) == 10
    printed, electronic = record(table, "990001379280203961"), record(table, "9910637057203961")
    assert printed["isbn"] == electronic["isbn"] == ["9787503726231"]
    assert (printed["carrier"], electronic["carrier"]) == ("print", "electronic")
    assert electronic["gmd"] == "电子资源"
    assert printed["title"] == "'97中国发展报告"
    assert printed["title_pinyin"] == "'97 Zhong Guo Fa Zhan Bao Gao"
    assert printed["price"] == "CNY赠90.00"
    assert printed["agency_chain"] == ["BSD", "BNU"]
    assert printed["agency_steps"] == ["original BSD 19980926", "modifying BNU 20011030", "modifying BNU 20120703"]
    assert printed["subjects"] == ["经济发展--中国--1997", "社会发展--中国--1997"]
    assert (printed["clc"], printed["clc_ed"], printed["lcas"]) == (["F124"], "3", ["28.2"])
    assert record(table, "990001379150203961")["calis_id"] == "CAL 012000518979"
    assert record(table, "990004545720203961")["series"] == ["中国发展报告书"]


def test_chinese_books_of_the_library_of_congress(real):
    table = rows(real / "marc21" / "lc-chinese.mrc")
    book = record(table, "00310742")
    assert book["title"] == "施蜇存卷"
    assert book["title_pinyin"] == "Shi Zhecun juan"
    assert (book["resp_first"], book["resp_other"]) == ("施蜇存著", "刘屛编.")
    assert book["series"] == ["东方赤子 · 大家丛书", "Dong fang chi zi, da jia cong shu"]  # both scripts
    assert book["creators"] == ["施蜇存.", "Shi, Zhecun.", "刘屛.", "Liu, Ping."]
    assert (book["publisher"], book["edition"], book["size"]) == ("华文出版社", "第1版", "21 cm")
    assert share(table, "title_pinyin") > 95
    assert share(table, "pub_year") > 99
    assert not [text for text in table["title"].to_pylist() if text[-1:] in "/:;=" or text[:1] == "="]


def test_books_of_the_library_of_congress(real):
    table = rows(real / "marc21" / "lc-books.mrc")
    book = record(table, "00029586")
    assert (book["title"], normalize("NFC", book["resp_first"])) == ("Too far afield", "Günter Grass")
    assert book["resp_other"] == "translated from the German by Krishna Winston."
    assert (book["edition"], book["lang"], book["orig_lang"]) == ("1st U.S. ed.", "eng", "ger")
    assert record(table, "00034306")["series"] == ["Econometric Society monographs ; no. 32-33"]
    assert len(record(table, "00034306")["isbn"]) == 6
    assert record(table, "00010674")["ddc"] == ["641.5951"]
    bad = [value for values in table["bad_isbn"].to_pylist() for value in values]
    assert all(any(c.isdigit() for c in value) for value in bad)
    assert share(table, "lccn") > 99


def test_records_with_several_system_numbers_have_the_one_of_oclc(real):
    table = rows(real / "marc21" / "uva-marc8-with-items.mrc")
    assert share(table, "oclc") > 90  # it stands behind the number of the local system
    assert record(table, "u501")["price"] == "$24.95 (est.)"
    assert table["gmd"].to_pylist().count("sound recording") == 17
    assert table["carrier"].to_pylist().count("microform") == 27


def test_french_serials(real):
    table = rows(real / "unimarc" / "serials.mrc")
    assert set(table["kind"].to_pylist()) == {"serial"}
    assert share(table, "issn") > 80
    assert table["carrier"].to_pylist().count("electronic") > 150
    assert not [text for text in table["parallel_title"].to_pylist() if text and text.startswith("=")]
    assert record(table, "074054570")["subjects"][0] == "Agriculture--France--Périodiques"
