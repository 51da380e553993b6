"""Crosswalks and holdings profiles on records small enough to check by eye."""

import pyarrow as pa
import pytest

from transforms import crosswalk, holdings
from transforms.chunk import FIELDS


def fields_of(*records):
    """Each record a list of (tag, indicators, [(code, value), …])."""
    rows = [
        {
            "record_no": number, "field_no": field_no, "tag": tag,
            "ind1": inds[:1] or None, "ind2": inds[1:] or None,
            "subfield_no": subfield_no, "code": code, "value": value,
        }
        for number, record in enumerate(records)
        for field_no, (tag, inds, subfields) in enumerate(record)
        for subfield_no, (code, value) in enumerate(subfields)
    ]  # fmt: skip
    return crosswalk.Fields(pa.Table.from_pylist(rows, schema=FIELDS), 0, len(records))


LINKED_880 = [
    ("LDR", "", [(None, "01230cam a2200313 a 4500")]),
    ("008", "", [(None, "000824s1998    ch af         000 0 chi  ")]),
    ("020", "  ", [("a", "9579823103 (pbk.)"), ("a", "1111111112")]),
    ("100", "1 ", [("6", "880-01"), ("a", "Wu, Zhengde.")]),
    ("245", "10", [("6", "880-02"), ("a", "Tou dai zhi ying kui /"), ("c", "Wu Zhengde.")]),
    ("260", "  ", [("a", "Taibei :"), ("b", "Cai tuan,"), ("c", "Minguo 87 [1998]")]),
    ("650", " 0", [("a", "Headgear"), ("z", "Taiwan"), ("v", "Pictorial works.")]),
    ("650", " 0", [("a", "Hand puppets")]),
    ("880", "1 ", [("6", "100-01/$1"), ("a", "吳正德.")]),
    ("880", "10", [("6", "245-02/$1"), ("a", "頭戴之硬盔 /"), ("c", "吳正德.")]),
]
PLAIN = [("245", "00", [("a", "Managing knowledge :"), ("b", "critical /")]), ("264", " 4", [("c", "c1990")])]


def test_marc21_with_both_scripts():
    found = {
        name: values[0].as_py() for name, values in crosswalk.describe(fields_of(LINKED_880), "marc21").items()
    }
    assert found["title"] == "頭戴之硬盔"
    assert found["title_pinyin"] == "Tou dai zhi ying kui"
    assert found["resp_first"] == "吳正德."
    assert found["creators"] == ["吳正德.", "Wu, Zhengde."]
    assert found["isbn"] == ["9789579823104"]
    assert found["bad_isbn"] == ["1111111112"]
    assert found["binding"] == "pbk."
    assert (found["publisher"], found["pub_year"], found["lang"]) == ("Cai tuan", 1998, "chi")
    assert found["subjects"] == ["Headgear--Taiwan--Pictorial works.", "Hand puppets"]
    assert (found["kind"], found["carrier"]) == ("book", "print")


@pytest.mark.parametrize(
    ("type_of_record", "carrier"),
    # s at 008/23 is the projection of a map, and nothing for visual materials; s at 008/29 a conference of a book
    [("a", "electronic"), ("c", "electronic"), ("e", "print"), ("g", "other")],
)
def test_form_of_item_stands_where_the_type_of_record_has_it(type_of_record, carrier):
    leader = ("LDR", "", [(None, f"01230c{type_of_record}m a2200313 a 4500")])
    of_a_book = ("008", "", [(None, "000824s1998    ch             s 000 0 chi  "[:23] + "s" + " " * 16)])
    of_a_map = ("008", "", [(None, "000824s1998    ch             0 "[:29] + "s" + " " * 10)])
    found = crosswalk.describe(fields_of([leader, of_a_book], [leader, of_a_map]), "marc21")
    expected = [carrier, "electronic"] if type_of_record in "eg" else [carrier, "print"]
    assert found["carrier"].to_pylist() == expected


BOOK = ("LDR", "", [(None, "01230cam a2200313 a 4500")])


@pytest.mark.parametrize(
    ("field", "carrier"),
    [
        (("007", "", [(None, "hu bfb---buca")]), "microform"),
        (("533", "  ", [("a", "Microfilm."), ("b", "Washington")]), "microform"),
        (("533", "  ", [("a", "Electronic reproduction.")]), "electronic"),
        (("533", "  ", [("a", "Photocopy.")]), "print"),
    ],
)
def test_a_reproduction_is_told_by_its_own_fields(field, carrier):
    assert crosswalk.describe(fields_of([BOOK, field]), "marc21")["carrier"].to_pylist() == [carrier]


@pytest.mark.parametrize(
    ("format", "fields", "carrier"),
    [
        ("marc21", [("337", "  ", [("a", "computer"), ("b", "c")])], "electronic"),
        ("marc21", [("337", "  ", [("a", "電腦")])], "electronic"),
        ("marc21", [("337", "  ", [("b", "n")]), ("337", "  ", [("b", "c")])], "print"),  # a book and its disc
        ("marc21", [("338", "  ", [("a", "联机资源")])], "electronic"),
        ("marc21", [("338", "  ", [("a", "册")]), ("337", "  ", [("b", "c")])], "print"),
        ("cnmarc", [("182", " 0", [("a", "b")])], "electronic"),
        ("cnmarc", [("182", " 0", [("a", "n")]), ("182", " 0", [("a", "b")])], "print"),
        ("unimarc", [("182", " 0", [("a", "c")])], "microform"),
        ("marc21", [("300", "  ", [("a", "1 online resource (xii, 320 p.)")])], "electronic"),
        ("marc21", [("338", "  ", [("b", "nc")]), ("300", "  ", [("a", "1 online resource")])], "print"),
        ("marc21", [("300", "  ", [("a", "320 p., 1 electronic disc")])], "print"),
        ("cnmarc", [("215", "  ", [("a", "1在线资源（320页）")])], "electronic"),
        ("cnmarc", [("215", "  ", [("a", "320页")])], "print"),
    ],
)
def test_media_type_tells_the_carrier_where_nothing_else_does(format, fields, carrier):
    assert crosswalk.describe(fields_of([BOOK, *fields]), format)["carrier"].to_pylist() == [carrier]


def test_a_number_behind_the_statement_of_responsibility_is_none_of_the_title():
    """Libraries put the number of their copy there; MARC 21 has nothing behind $c."""
    records = [
        [("245", "10", [("a", "United"), ("c", "by A."), ("n", "1"), ("p", "red")]), ("245", "10", [("n", "9")])],
        [("245", "10", [("a", "United"), ("n", "Part 2,"), ("p", "blue /"), ("c", "by A."), ("n", "3")])],
        [("245", "10", [("n", "4"), ("a", "United")])],
    ]
    found = crosswalk.describe(fields_of(*records), "marc21")
    assert found["volume_no"].to_pylist() == ["9", "Part 2", "4"]
    assert found["volume_title"].to_pylist() == [None, "blue", None]


@pytest.mark.parametrize(("host", "kind"), [([], "book"), ([("773", "0 ", [("t", "Annals")])], "article")])
def test_a_part_of_no_named_host_is_a_book(host, kind):
    leader = ("LDR", "", [(None, "01230caa a2200313 a 4500")])
    assert crosswalk.describe(fields_of([leader, *host]), "marc21")["kind"].to_pylist() == [kind]


PERSONS = {
    "marc21": [
        ("100", "1 ", [("a", "A"), ("1", "https://orcid.org/0000-0002-1825-0097"), ("0", "(DLC)n 79021164")]),
        ("700", "1 ", [("a", "B"), ("0", "(orcid)0000000218250098"), ("1", "http://viaf.org/viaf/102333412")]),
    ],
    "cnmarc": [
        ("701", " 0", [("a", "甲"), ("o", "0000-0002-1825-0097"), ("3", "CAL n2004123456")]),
        ("702", " 0", [("a", "乙"), ("o", "ORCID0000000218250098")]),
    ],
    "oai_dc": [
        ("creator", "", [(None, "A")]),
        ("creator", "", [(None, "https://orcid.org/0000-0002-1825-0097")]),
        ("contributor", "", [(None, "(orcid)0000000218250098")]),
    ],
    "mods": [
        ("name/namePart", "", [("a", "A")]),
        ("name/nameIdentifier", "", [(None, "0000-0002-1825-0097")]),
        ("name/nameIdentifier", "", [(None, "https://orcid.org/0000-0002-1825-0098")]),
    ],
    "dim": [
        ("dc.contributor.author", "", [(None, "A")]),
        ("dc.contributor.orcid", "", [(None, "0000-0002-1825-0097")]),
        ("dc.identifier.orcid", "", [(None, "0000-0002-1825-0098")]),
    ],
}
PERSONS |= {"unimarc": PERSONS["cnmarc"], "qdc": PERSONS["oai_dc"], "xoai": PERSONS["dim"]}


@pytest.mark.parametrize("format_", PERSONS)
def test_orcid_of_persons_and_what_is_none(format_):
    found = crosswalk.describe(fields_of(PERSONS[format_]), format_)
    assert found["orcid"].to_pylist() == [["0000-0002-1825-0097"]]
    assert [[value[-4:] for value in values] for values in found["bad_orcid"].to_pylist()] == [["0098"]]


def test_records_of_one_chunk_do_not_mix():
    found = crosswalk.describe(fields_of(PLAIN, LINKED_880, PLAIN), "marc21")
    assert found["title"].to_pylist() == ["Managing knowledge", "頭戴之硬盔", "Managing knowledge"]
    assert found["subtitle"].to_pylist() == ["critical", None, "critical"]
    assert found["title_pinyin"].to_pylist() == [None, "Tou dai zhi ying kui", None]
    assert found["isbn"].to_pylist() == [[], ["9789579823104"], []]
    assert found["pub_year"].to_pylist() == [None, 1998, None]  # 264 with second indicator 4 is a copyright date


CNMARC = [
    ("LDR", "", [(None, "00000nam0 2200000   450 ")]),
    ("100", "  ", [("a", "19941101d1994    em y0chiy50      ea")]),
    ("200", "1 ", [("a", "红楼梦"), ("9", "hong lou meng"), ("h", "上册"), ("e", "注释本"), ("f", "曹雪芹著")]),
    ("210", "  ", [("a", "北京"), ("c", "人民文学出版社")]),
    (
        "461",
        " 0",
        [("1", "2001 "), ("a", "中国古典文学"), ("v", "3"), ("1", "001x"), ("1", "205  "), ("a", "二版")],
    ),
    ("606", "0 ", [("a", "古典小说"), ("x", "研究"), ("y", "中国"), ("z", "清代")]),
    ("905", "  ", [("a", "D1"), ("d", "I242.4"), ("e", "12"), ("b", "001"), ("b", "002"), ("f", "2")]),
    ("906", "  ", [("b", "001"), ("r", "CNY80.00"), ("c", "总馆")]),
    ("906", "  ", [("b", "002")]),
]


def test_cnmarc():
    found = {name: values[0].as_py() for name, values in crosswalk.describe(fields_of(CNMARC), "cnmarc").items()}
    assert (found["title"], found["volume_no"], found["subtitle"]) == ("红楼梦", "上册", "注释本")
    assert found["title_pinyin"] == "hong lou meng"
    assert found["series"] == ["中国古典文学"]
    assert found["edition"] is None  # the 205 belongs to the work it is embedded from
    assert found["subjects"] == ["古典小说--研究--中国--清代"]
    assert (found["pub_year"], found["lang"]) == (1994, "chi")


@pytest.mark.parametrize(
    ("format_", "fields", "chain", "steps"),
    [
        (
            "cnmarc",  # in the order of the second indicator, not of the fields
            [
                ("801", " 2", [("a", "CN"), ("b", "BNU"), ("c", "20240102")]),
                ("801", " 0", [("a", "CN"), ("b", "BSD"), ("c", "19980926")]),
                ("801", " 2", [("b", "BNU"), ("c", "20250102")]),
                ("801", "  ", [("b", "CALIS")]),
            ],
            ["BSD", "BNU", "CALIS"],
            ["original BSD 19980926", "modifying BNU 20240102", "modifying BNU 20250102"],
        ),
        (
            "marc21",
            [("040", "  ", [("a", "DLC"), ("b", "eng"), ("c", "DLC"), ("d", "OCoLC"), ("d", "ViU")])],
            ["DLC", "OCoLC", "ViU"],
            [],  # 040 has no dates, and the chain its order
        ),
    ],
)
def test_who_catalogued_when(format_, fields, chain, steps):
    found = crosswalk.describe(fields_of(fields), format_)
    assert (found["agency_chain"][0].as_py(), found["agency_steps"][0].as_py()) == (chain, steps)


@pytest.mark.parametrize(
    ("level", "linked", "volume"),
    [
        ("c", ("773", "08", [("t", "Opera"), ("g", "Bd. 2"), ("q", "2")]), "2"),
        ("b", ("773", "08", [("t", "Opera"), ("g", "Bd. 2")]), "Bd. 2"),
        ("b", ("830", " 0", [("a", "Opera ;"), ("v", "Bd. 2.")]), "Bd. 2."),
        # without a leader that says it is part of a set, a number in a series is no volume; nor is an article's
        (" ", ("830", " 0", [("a", "Monographs ;"), ("v", "12")]), None),
        (" ", ("773", "0 ", [("t", "Journal"), ("g", "Vol. 3, no. 1 (1999)")]), None),
        ("a", ("830", " 0", [("a", "Monographs ;"), ("v", "12")]), None),
    ],
)
def test_volume_of_a_part_that_only_its_link_numbers(level, linked, volume):
    leader = ("LDR", "", [(None, f"01230cam a2200313 a{level}4500")])
    title = ("245", "10", [("a", "Title")])
    assert crosswalk.describe(fields_of([leader, title, linked]), "marc21")["volume_no"][0].as_py() == volume
    own = ("245", "10", [("a", "Title"), ("n", "Part 1")])
    assert crosswalk.describe(fields_of([leader, own, linked]), "marc21")["volume_no"][0].as_py() == "Part 1"


@pytest.mark.parametrize("format_", ["cnmarc", "unimarc"])
@pytest.mark.parametrize(("level", "volume"), [("2", "5"), (" ", "5"), ("0", None)])
def test_a_number_in_a_series_is_no_volume_where_the_leader_tells_of_no_set(format_, level, volume):
    leader = ("LDR", "", [(None, f"00000nam{level} 2200000   450 ")])
    linked = ("461", " 0", [("1", "2001 "), ("a", "茶学丛书"), ("v", "5")])
    found = crosswalk.describe(fields_of([leader, ("200", "1 ", [("a", "茶经")]), linked]), format_)
    assert found["volume_no"][0].as_py() == volume


def test_all_languages_of_a_text_once_each():
    cnmarc = [("101", "1 ", [("a", "chi"), ("a", "eng"), ("a", "CHI"), ("c", "eng")])]
    assert crosswalk.describe(fields_of(cnmarc), "cnmarc")["langs"].to_pylist() == [["chi", "eng"]]
    marc21 = [("008", "", [(None, "990101s1999    ci            000 0 scr d".rjust(40))])]
    marc21 += [("041", "0 ", [("a", "scr"), ("a", "cmn")])]
    found = crosswalk.describe(fields_of(marc21), "marc21")
    assert found["langs"].to_pylist() == [["hrv", "chi"]], "codes that are no longer used, or of another list"


def test_holdings_by_profile():
    fields = fields_of(PLAIN, CNMARC)
    holding = holdings.attachments(fields, "cnmarc-905", "holding").to_pylist()
    assert holding == [
        {
            "record": 1,
            "institution": "D1",
            "location": None,
            "call_number": "I242.4/12",
            "coverage": None,
            "copies": 2,
        }
    ]
    of_905 = holdings.attachments(fields, "cnmarc-905", "item").to_pylist()
    assert [(row["barcode"], row["call_number"]) for row in of_905] == [("001", "I242.4/12"), ("002", "I242.4/12")]
    of_906 = holdings.attachments(fields, "cnmarc-906", "item").to_pylist()
    assert [(row["barcode"], row["price"], row["location"]) for row in of_906] == [
        ("001", "CNY80.00", "总馆"),
        ("002", None, None),
    ]
    assert len(holdings.attachments(fields, "", "item")) == 0


def test_an_unknown_profile_is_named():
    with pytest.raises(crosswalk.CrosswalkError, match=r"'no-such'.*cnmarc-905"):
        holdings.attachments(fields_of(PLAIN), "no-such", "item")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("titel,245,,a,,first,,isbd,,", "line 2: 'titel' is no column"),
        ("isbn,020,,a,,first,,isbn,,", "line 2: how='first' doesn't fit isbn"),
    ],
)
def test_a_wrong_crosswalk_is_named_by_line(tmp_path, monkeypatch, line, message):
    header = "column,tag,ind,codes,slice,how,joiner,clean,otherwise,requires"
    (tmp_path / "wrong.csv").write_text(f"{header}\n{line}\n", "utf-8")
    monkeypatch.setattr(crosswalk, "FOLDER", tmp_path)
    crosswalk.load.cache_clear()
    with pytest.raises(crosswalk.CrosswalkError, match=message):
        crosswalk.load("wrong")
    crosswalk.load.cache_clear()


@pytest.mark.parametrize("name", ["marc21", "cnmarc", "oai_dc"])
def test_every_crosswalk_loads_and_gives_a_title(name):
    assert any(line.column == "title" for line in crosswalk.load(name))
