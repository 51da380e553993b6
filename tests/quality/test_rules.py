import re
from typing import Any

import pyarrow as pa
import pytest

from quality import rules
from quality.rules import checking, scans
from schemas.quality import QUALITY_ISSUE

from .small_batch import BATCH, SOUND_BIB, SOURCE, record, staged

Change = dict[str, Any]

# Per rule: a change to a sound record that breaks it, and one that stays close and doesn't.
EXAMPLES: dict[str, tuple[Change, Change]] = {
    "no-control-number": ({"control_number": None}, {"control_number": "7"}),
    "no-title": ({"title": " 　"}, {"title": "!"}),
    "no-language": ({"fields": [("101", None)]}, {"lang": None}),
    "language-code-form": ({"fields": [("101", {"a": "CHI"})]}, {"fields": [("101", {"a": "jpn"})]}),
    "translation-without-original": (
        {"fields": [("101", "1 ", {"a": "chi"})]},
        {"fields": [("101", "1 ", {"a": "chi", "c": "eng"})]},
    ),
    "volume-without-set": (
        {"fields": [("200", {"a": "全集", "A": "quan ji", "h": "第2卷"})]},
        {"fields": [("200", {"a": "全集", "A": "quan ji", "h": "第2卷"}), ("461", {"1": "001000009"})]},
    ),
    "no-publisher-and-year": ({"publisher": None, "pub_year": None}, {"publisher": None}),
    "no-publisher": ({"publisher": ""}, {"publisher": "[出版者不详]"}),
    "year-out-of-range": ({"pub_year": 2029}, {"pub_year": 2028}),
    "year-disagrees": ({"fields": [("210", {"d": "1989.5"})]}, {"fields": [("210", {"d": "1997-1998"})]}),
    "year-disagrees-marc21": (
        {"format": "marc21", "fields": [("260", {"c": "c1989."})]},
        {"format": "marc21", "fields": [("260", {"c": "[c1990] 1998."})]},
    ),
    "no-extent": ({"extent": None}, {"extent": "1册"}),
    "stale-prepublication": ({"level": "2", "pub_year": 2023}, {"level": "2", "pub_year": 2024}),
    "bad-isbn": (
        {"fields": [("010", {"a": "7-5037-2790-1"})]},
        {"fields": [("010", {"a": "978-7-5037-2790-0 (精装)", "z": "7-5037-2790-1"})]},
    ),
    "isbn-missing": (
        {"isbn": [], "fields": [("010", {"d": "CNY1.00"})]},
        {"isbn": [], "pub_year": 1979, "fields": [("010", {"d": "CNY1.00"})]},
    ),
    "bad-issn": (
        {"kind": "serial", "fields": [("011", {"a": "1000-0136"})]},
        {"kind": "serial", "fields": [("011", {"a": "1000-0135"})]},
    ),
    "bad-ismn": (
        {"format": "marc21", "fields": [("024", "2 ", {"a": "M-2306-7118-8"})]},
        {
            "format": "marc21",
            "fields": [("024", "2 ", {"a": "979-0-2306-7118-7 (score)"}), ("024", "8 ", {"a": "M-1"})],
        },
    ),
    "bad-ubsn": (
        {"fields": [("091", {"a": "18019·1234"})]},
        {"fields": [("091", {"a": "统一书号：１００１９·１２３４", "z": "18019·1234"})]},
    ),
    "bad-cn": (
        {"fields": [("091", {"a": "CN 11-123/G2"})]},
        {"fields": [("091", {"a": "CN11-1234/G2"}), ("091", {"a": "31-1108"})]},
    ),
    "bad-lccn": (
        {"format": "marc21", "fields": [("010", {"a": "   8500002 "})]},
        {"format": "marc21", "fields": [("010", {"a": "sn 85-2 /AC", "z": "x"})]},
    ),
    "bad-oclc": (
        {"format": "marc21", "fields": [("035", {"a": "(OCoLC)ocmX"})]},
        {"format": "marc21", "fields": [("035", {"a": "(OCoLC)ocm05853149"}), ("035", {"a": "(DLC)X"})]},
    ),
    "bad-calis-number": (
        {"fields": [("099", {"a": "CAL 0120005189"})]},
        {"fields": [("099", {"a": "cal 012000518979"}), ("099", {"a": "X 1"})]},
    ),
    "bad-doi": (
        {"format": "marc21", "fields": [("024", "7 ", {"a": "10.1000", "2": "doi"})]},
        {
            "format": "marc21",
            "fields": [("024", "7 ", {"a": "10.1000/182", "2": "doi"}), ("024", "7 ", {"a": "1", "2": "x"})],
        },
    ),
    "serial-without-issn": ({"kind": "serial"}, {"kind": "serial", "issn": ["1000-0135"]}),
    "bad-orcid": ({"bad_orcid": ["https://orcid.org/0000-0002-1825-0098"]}, {"orcid": ["0000-0002-1825-0097"]}),
    "price-form": (
        {"fields": [("010", {"a": "7-5037-2790-X", "d": "25.00元"})]},
        {"fields": [("010", {"a": "7-5037-2790-X", "d": "CNY125.00 (全2册)"})]},
    ),
    "no-clc": ({"clc": None}, {"clc": ["I2"]}),
    "no-classification": ({"format": "marc21", "lcc": []}, {"format": "marc21", "lcc": [], "ddc": ["895"]}),
    "clc-syntax": (
        {"fields": [("690", {"a": "0157.4", "v": "5"})]},
        {"fields": [("690", {"a": "TP312C/K837.125.6=43", "v": "5"})]},
    ),
    "clc-edition-missing": ({"fields": [("690", {"a": "I242.4"})]}, {"fields": [("690", None)]}),
    "no-subject": (
        {"subjects": []},
        # a novel in MARC 21 (008/33) need not have one
        {"format": "marc21", "subjects": [], "fields": [("008", "980101s1998    enk           000 f eng d")]},
    ),
    "no-801": ({"fields": [("801", None)]}, {"fields": [("801", {"a": "CN"})]}),
    "no-title-pinyin": (
        {"fields": [("200", {"a": "红楼梦", "f": "曹雪芹著"})]},
        {"fields": [("200", {"a": "红楼梦", "9": "hong lou meng"})]},
    ),
    "no-name-pinyin": ({"fields": [("701", {"a": "曹雪芹"})]}, {"fields": [("701", {"a": "Hawkes, David"})]}),
    "no-responsibility": ({"resp_first": None}, {"resp_first": "[佚名]"}),
    "no-country": ({"fields": [("102", {"b": "110000"})]}, {"fields": [("102", {"a": "JP"})]}),
    "no-coded-105": ({"fields": [("105", None)]}, {"kind": "map", "fields": [("105", None)]}),
    "no-coded-106": ({"fields": [("106", None)]}, {"fields": [("106", {"a": "d"})]}),
    "serial-without-110": ({"kind": "serial"}, {"kind": "serial", "fields": [("110", {"a": "ahaz   0xx0"})]}),
    "leader-length": ({"fields": [("LDR", "00000nam0 22")]}, {"fields": [("LDR", "00000nas0 2200000   450 ")]}),
    "leader-entry-map": (
        {"fields": [("LDR", "00000nam0 2200000   4500")]},
        {"format": "marc21", "fields": [("LDR", "00000nam a2200000   4500")]},
    ),
    "field-100-length": (
        {"fields": [("100", {"a": "20260101d1998    em y0chiy0120 ea"})]},
        {"fields": [("100", {"a": "20260101d1998    em y0chiy50      ea"})]},
    ),
    "field-005-form": ({"fields": [("005", "20261301120000.0")]}, {"fields": [("005", "19991231235959.9")]}),
    "field-008-length": (
        {"format": "marc21", "fields": [("008", "980101s1998    enk")]},
        {"format": "marc21", "fields": [("008", "980101s1998    enk|||||||||||000|1|eng|d")]},
    ),
    "undecoded-character": ({"fields": [("300", {"a": "附\ufffd"})]}, {"fields": [("300", {"a": "附录"})]}),
    "mojibake": ({"fields": [("300", {"a": "锟斤拷"})]}, {"fields": [("300", {"a": "São Paulo: Ânima"})]}),
    "personal-data": (
        {"fields": [("300", {"a": "读者 11010519491231002X"})]},
        {"fields": [("300", {"a": "馆际电话 62751234, 9787503727900, 110105194912310"})]},
    ),
    "no-call-number": (
        {"holdings": [{"institution": "DEMO", "call_number": None}]},
        {"holdings": [{"institution": "DEMO", "call_number": "I2/1"}]},
    ),
    "no-holding": ({"holdings": []}, {"holdings": [], "items": [{"barcode": "1"}]}),
    "item-without-barcode": ({"items": [{"barcode": " "}]}, {"items": [{"barcode": "1"}]}),
    "barcode-twice": (
        {"items": [{"barcode": "1"}, {"barcode": "1"}]},
        {"items": [{"barcode": "1"}, {"barcode": "2"}, {"barcode": None}, {"barcode": None}]},
    ),
    "undefined-field": ({"fields": [("288", {"a": "x"})]}, {"fields": [("909", {"a": "x"})]}),
    "obsolete-field": (
        {"format": "marc21", "fields": [("440", " 0", {"a": "A series"})]},
        {"format": "marc21", "fields": [("490", "0 ", {"a": "A series"})]},
    ),
    "repeated-field": (
        {"fields": [("101", "0 ", {"a": "chi"}), ("101", "0 ", {"a": "eng"})]},
        {"fields": [("701", " 0", {"a": "某", "A": "mou"}), ("701", " 0", {"a": "某", "A": "mou"})]},
    ),
    "undefined-indicator": (
        {"fields": [("101", "7 ", {"a": "chi"})]},
        {"fields": [("101", "2 ", {"a": "chi", "c": "eng"})]},
    ),
    "indicator-not-blank": ({"fields": [("215", "1 ", {"a": "326页"})]}, {"fields": [("905", "19", {"s": "I2"})]}),
    "obsolete-indicator": (
        {"format": "marc21", "fields": [("100", "20", {"a": "Wei-Ling, Li"})]},
        {"format": "marc21", "fields": [("100", "1 ", {"a": "Wei-Ling, Li"})]},
    ),
    "undefined-subfield": (
        {"fields": [("215", {"a": "326页", "k": "x"})]},
        # pinyin, a nested field, and the foreign field that 880 stands for have the subfields of their own
        {
            "fields": [
                ("225", "2 ", {"a": "丛书", "A": "cong shu"}),
                ("410", " 0", {"1": "2001 ", "a": "丛书", "f": "某"}),
            ]
        },
    ),
    "obsolete-subfield": (
        {"format": "marc21", "fields": [("260", {"b": "Penguin", "c": "1998.", "d": "PE1"})]},
        {"format": "marc21", "fields": [("028", "00", {"a": "PE1"})]},
    ),
    "repeated-subfield": (
        {"format": "marc21", "fields": [("245", "10", [("a", "One"), ("b", "x"), ("b", "y")])]},
        {"format": "marc21", "fields": [("260", [("a", "London"), ("a", "Rome"), ("b", "P"), ("c", "1998")])]},
    ),
    "undefined-code": (
        {"fields": [("106", {"a": "q"})]},
        {"format": "marc21", "fields": [("008", "980101s1998    enk|||||||||||000|1|eng|d")]},
    ),
    "filler-code": ({"fields": [("105", {"a": "a---z   000ay"})]}, {"fields": [("105", {"a": "a   z|||000ay"})]}),
    "obsolete-code": (
        {"format": "marc21", "fields": [("008", "980101s1998    enk           00011 eng d")]},
        {"format": "marc21", "fields": [("008", "980101s1998    enk           000 1 eng d")]},
    ),
    "coded-field-length": (
        {"fields": [("105", {"a": "a   z   000a"})]},
        {"format": "marc21", "fields": [("007", "cr |||")]},
    ),
    "undefined-embedded-field": (
        {"fields": [("410", " 0", {"1": "a", "a": "丛书"})]},
        {"fields": [("461", " 0", {"1": "001000009"})]},
    ),
    "linkage-missing": (
        {"format": "marc21", "fields": [("880", "10", {"a": "红楼梦"})]},
        {"format": "marc21", "fields": [("880", "10", {"6": "245-00/$1", "a": "红楼梦"})]},
    ),
    "linkage-form": (
        {"format": "marc21", "fields": [("245", "10", {"6": "880", "a": "Hong lou meng"})]},
        {"format": "marc21", "fields": [("880", "10", {"6": "245-00/$1/r", "a": "红楼梦"})]},
    ),
    "linkage-without-880": (
        {"format": "marc21", "fields": [("245", "10", {"6": "880-01", "a": "Hong lou meng"})]},
        {
            "format": "marc21",
            "fields": [
                ("245", "10", {"6": "880-01", "a": "Hong lou meng"}),
                ("880", "10", {"6": "245-01/$1", "a": "红楼梦"}),
            ],
        },
    ),
    "linkage-880-alone": (
        {"format": "marc21", "fields": [("880", "10", {"6": "245-01/$1", "a": "红楼梦"})]},
        {"format": "marc21", "fields": [("880", "10", {"6": "245-00/$1", "a": "红楼梦"})]},
    ),
    "isbn-publisher": (
        {"isbn": ["9787302000006"], "publisher": "北京大学出版社", "pub_year": 2010, "fields": [("210", None)]},
        {"isbn": ["9787020002207"], "pub_year": 2010, "fields": [("210", None)]},
    ),
    "entered-date-form": (
        {"fields": [("100", {"a": "2026010 d1998    em y0chiy0120    ea"})]},
        {"fields": [("100", {"a": "20260131d1998    em y0chiy0120    ea"})]},
    ),
    "clc-edition-form": (
        {"fields": [("690", {"a": "I242.4", "v": "第五版"})]},
        {"fields": [("690", {"a": "I242.4", "v": "4"})]},
    ),
    "electronic-without-135": (
        {"fields": [("LDR", "00000nlm0 2200000   450 ")]},
        {"fields": [("LDR", "00000nlm0 2200000   450 "), ("135", {"a": "drcn ---aucaa"})]},
    ),
    "print-with-135": (
        {"fields": [("135", {"a": "drcn ---aucaa"})]},
        {"fields": [("LDR", "00000nmm0 2200000   450 "), ("135", {"a": "drcn ---aucaa"})]},
    ),
    "rare-without-140": ({"pub_year": 1890}, {"pub_year": 1912}),
    "serial-without-numbering": (
        {"kind": "serial"},
        {"kind": "serial", "fields": [("207", " 0", {"a": "1998, no. 1-"})]},
    ),
    "serial-without-cn": ({"kind": "serial"}, {"kind": "serial", "pub_year": 1987}),
    "subject-source-missing": (
        {"format": "marc21", "fields": [("650", " 7", {"a": "Novels"})]},
        {"format": "marc21", "fields": [("650", " 7", {"a": "Novels", "2": "fast"})]},
    ),
    "repository-no-doi": ({"format": "dim", "standard_no": ["hdl:1/2"]}, {"format": "dim", "kind": "thesis"}),
    "repository-no-affiliation": (
        {"format": "dim", "fields": [("dc.contributor.affiliation", None)]},
        {"format": "dim", "kind": "image", "fields": [("dc.contributor.affiliation", None)]},
    ),
    "repository-no-date": ({"format": "dim", "pub_year": None}, {"format": "dim", "pub_year": 1999}),
    "repository-no-type": (
        {"format": "dim", "fields": [("dc.type", None)]},
        {"format": "dim", "fields": [("dc.type", "thesis")]},
    ),
    "repository-no-rights": (
        {"format": "dim", "fields": [("dc.rights.uri", None)]},
        {"format": "dim", "fields": [("dc.rights.uri", None), ("dc.rights", "CC0")]},
    ),
    "thesis-no-advisor": (  # only where the degree is of 2004 or later
        {"format": "dim", "kind": "thesis", "pub_year": 2004, "fields": [("dc.contributor.advisor", None)]},
        {"format": "dim", "kind": "thesis", "pub_year": 2003, "fields": [("dc.contributor.advisor", None)]},
    ),
    "dc-no-creator": ({"format": "oai_dc", "creators": None}, {"format": "oai_dc", "creators": ["x"]}),
    "dc-no-date": (
        {"format": "oai_dc", "fields": [("date", None)]},
        {"format": "oai_dc", "fields": [("date", "2020")]},
    ),
    "dc-date-form": (
        {"format": "oai_dc", "fields": [("date", "May 2020")]},
        {"format": "oai_dc", "fields": [("date", "2020-05-01T10:00:00Z")]},
    ),
    "dc-no-type": (
        {"format": "oai_dc", "fields": [("type", None)]},
        {"format": "oai_dc", "fields": [("type", "thesis")]},
    ),
    "dc-no-identifier": (
        {"format": "oai_dc", "fields": [("identifier", None)]},
        {"format": "oai_dc", "fields": [("identifier", "local 12")]},
    ),
    "dc-no-link": (
        {"format": "oai_dc", "fields": [("identifier", "local 12")]},
        {"format": "oai_dc", "fields": [("identifier", "local 12"), ("identifier", "10.1000/182")]},
    ),
    "dc-no-language": (
        {"format": "oai_dc", "fields": [("language", None)]},
        {"format": "oai_dc", "fields": [("language", "zh")]},
    ),
    "dc-no-rights": (
        {"format": "oai_dc", "fields": [("rights", None)]},
        {"format": "oai_dc", "fields": [("rights", "CC0")]},
    ),
}


def findings(*changes: Change) -> pa.Table:
    records = [record(change.get("format", "cnmarc"), **{**change, "format": None}) for change in changes]
    for made, change in zip(records, changes, strict=True):
        made["bib"]["format"] = change.get("format", "cnmarc")
    return checking.check(staged(*records, record("cnmarc")), SOURCE, BATCH)


def codes(*changes: Change, record_no: int = 0) -> set[str]:
    rows = findings(*changes).to_pylist()
    return {row["rule"] for row in rows if row["record_no"] == record_no}


def test_every_checked_rule_has_an_example_and_no_example_is_left_over():
    # those of table union have theirs in test_across.py
    assert set(EXAMPLES) == {rule.code for rule in rules.load() if rule.table not in ("reader", "union")}


@pytest.mark.parametrize("code", EXAMPLES)
def test_rule_finds_what_breaks_it_and_spares_what_does_not(code):
    breaking, sound = EXAMPLES[code]
    assert code in codes(breaking)
    assert code not in codes(sound)


@pytest.mark.parametrize("format_", SOUND_BIB)
def test_a_sound_record_has_no_finding(format_):
    assert findings({"format": format_}).to_pylist() == []


def test_findings_say_which_record_field_and_value():
    rows = [row for row in findings({}, EXAMPLES["price-form"][0]).to_pylist() if row["rule"] == "price-form"]
    assert rows == [
        {
            "source_id": SOURCE,
            "batch_id": BATCH,
            "record_no": 1,
            "record_id": "r1",
            "rule": "price-form",
            "severity": "warn",
            "tag": "010",
            "value": "25.00元",
        }
    ]


def test_personal_data_is_never_repeated_in_the_finding():
    rows = findings(EXAMPLES["personal-data"][0]).to_pylist()
    assert [row["tag"] for row in rows if row["rule"] == "personal-data"] == ["300"]
    assert not any("11010519491231002X" in (row["value"] or "") for row in rows)


def test_the_tag_is_the_one_of_the_record_format():
    marc21 = {"format": "marc21", "title": None}
    rows = findings({"title": None}, marc21).to_pylist()
    assert [(row["record_no"], row["tag"]) for row in rows if row["rule"] == "no-title"] == [
        (0, "200"),
        (1, "245"),
    ]


def test_a_long_value_is_cut():
    long = {"fields": [("010", {"a": "7-5037-2790-X", "d": "元" * 5000})]}
    (value,) = [row["value"] for row in findings(long).to_pylist() if row["rule"] == "price-form"]
    assert value == "元" * scans.LONGEST_VALUE


def test_no_records_give_an_empty_table_of_the_contract():
    issues = checking.check(staged(), SOURCE, BATCH)
    assert issues.schema == QUALITY_ISSUE.schema and issues.num_rows == 0


def test_tables_that_are_not_there_have_no_rows():
    tables = staged(record("cnmarc", title=None))
    assert "no-title" in checking.check({"bib": tables["bib"]}, SOURCE, BATCH).column("rule").to_pylist()


def test_a_dictionary_encoded_tag_is_as_good_as_text():
    tables = staged(record("cnmarc", fields=[("010", {"a": "7-5037-2790-1"})]))
    field = tables["field"]
    tables["field"] = field.set_column(
        field.schema.get_field_index("tag"), "tag", field["tag"].dictionary_encode()
    )
    assert checking.check(tables, SOURCE, BATCH).column("rule").to_pylist() == ["bad-isbn"]


def test_the_present_is_the_year_of_the_batch():
    tables = staged(record("cnmarc", pub_year=2026, fields=[("210", None)]))
    assert checking.check(tables, SOURCE, BATCH).num_rows == 0
    assert checking.check(tables, SOURCE, "20201231T000000000000Z").column("rule").to_pylist() == [
        "year-out-of-range"
    ]


def test_every_rule_can_be_shown_even_an_unknown_one():
    unknown = rules.explain("no-such-rule")
    assert unknown.code == unknown.title_en == "no-such-rule" and unknown.advice_zh
    assert rules.explain("no-title").title_zh == "缺正题名"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x,题,t,建,a,fatal,,,,bib,true,", "line 2: severity is 'fatal'"),
        ("x,题,t,建,a,warn,,,,shelf,true,", "line 2: table is 'shelf'"),
        ("x,题,,建,a,warn,,,,bib,true,", "line 2: title_en is empty"),
        ("x,题,t,建,a,warn,,,,reader,true,", "line 2: a rule of table reader has no predicate"),
        ("x,题,t,建,a,warn,,,,bib,,", "line 2: a rule of table reader has no predicate"),
        ("x,题,t,建,a,warn,cnmarc,,,union,SELECT 1,", "line 2: a rule of table union has formats"),
        ("x,题,t", "line 2: has not as many values"),
        ("x,题,t,建,a,warn,,,,bib,true,\nx,题,t,建,a,warn,,,,bib,true,", "line 3: code 'x' is given twice"),
    ],
)
def test_a_bad_rule_row_is_named_by_file_and_line(tmp_path, line, message):
    (tmp_path / "mine.csv").write_text(",".join(rules.COLUMNS) + "\n" + line + "\n", "utf-8")
    with pytest.raises(rules.RuleError, match=message):
        rules.load(tmp_path)


def test_a_rule_whose_sql_is_wrong_is_named(tmp_path):
    (tmp_path / "mine.csv").write_text(
        ",".join(rules.COLUMNS) + "\nwrong-sql,题,t,建,a,warn,,,,bib,titel IS NULL,\n", "utf-8"
    )
    with pytest.raises(rules.RuleError, match="wrong-sql"):
        checking.check(staged(record("cnmarc")), SOURCE, BATCH, rules.load(tmp_path))


def test_a_rule_looks_only_at_the_field_that_the_format_calls_so():
    # 010 is the ISBN in CNMARC and the Library of Congress number in MARC 21
    assert "bad-isbn" not in codes({"format": "marc21", "fields": [("010", {"a": "   98012345"})]})
    assert "bad-isbn" in codes({"format": "marc21", "fields": [("020", {"a": "7-5037-2790-1"})]})


DATED = ",".join([*rules.COLUMNS, *rules.OPTIONAL])


@pytest.mark.parametrize(
    ("dates", "found"),
    [("2026-01-06,,", False), ("2026-01-05,,", True), (",2026-01-04,batch", False), (",2026-01-05,", True),
     ("1999-01-01,,pub_year", False), ("1998-01-01,1998-12-31,pub_year", True)],
)  # fmt: skip
def test_a_rule_holds_only_within_its_dates(tmp_path, dates, found):
    (tmp_path / "mine.csv").write_text(f"{DATED}\nx,题,t,建,a,warn,,,,bib,true,,,{dates}\n", "utf-8")
    issues = checking.check(staged(record("cnmarc")), SOURCE, BATCH, rules.load(tmp_path))
    assert issues.column("rule").to_pylist() == ["x"] * found


@pytest.mark.parametrize("wrong", ["heavy,,,", ",2026-13-01,,", ",,,yesterday"])
def test_a_wrong_weight_or_date_is_named(tmp_path, wrong):
    (tmp_path / "mine.csv").write_text(f"{DATED}\nx,题,t,建,a,warn,,,,bib,true,,{wrong}\n", "utf-8")
    with pytest.raises(rules.RuleError, match=r"line 2: (weight|valid_from|valid_by) is"):
        rules.load(tmp_path)


def test_a_rule_weighs_what_its_severity_does_unless_it_says():
    assert rules.explain("no-title").weight == rules.SEVERITY_WEIGHT["fail"]
    assert rules.explain("obsolete-field").weight == 0.1


def test_every_issue_type_of_qa_catalogue_has_rules_for_marc21_and_cnmarc():
    by_code = {rule.code: rule for rule in rules.load()}
    text = (rules.FOLDER.parent / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 25))
    for _, marc21, cnmarc in rows:
        for format_, cell in (("marc21", marc21), ("cnmarc", cnmarc)):
            codes_ = re.findall(r"`([^`]+)`", cell)
            assert codes_ and all(format_ in (by_code[code].formats or (format_,)) for code in codes_), cell
