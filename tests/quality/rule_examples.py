"""For each record rule a change to a sound record that breaks it, and one that stays close and does not.

Changes are arguments of `small_batch.record`, and `format`.  Examples of rules of table union are in
test_across.py, those of what readers find in test_reader_rules.py.
"""

from typing import Any

Change = dict[str, Any]

MARC21_OF_2010 = "100101s1998    enk           000 1 eng d"

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
        # not of a house that has such numbers
        {"isbn": [], "publisher": "县志办公室", "fields": [("010", {"d": "CNY1.00"})]},
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
    "serial-without-issn": (
        {"kind": "serial", "fields": [("010", None)]},
        # a serial of a government has none, nor a Chinese one that goes by its CN
        {
            "format": "marc21",
            "kind": "serial",
            "fields": [("020", None), ("008", "980101c19989999enkar p      f0   a0eng d")],
        },
    ),
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
    "no-responsibility": (
        {"resp_first": None, "fields": [("200", {"a": "红楼梦", "A": "hong lou meng"})]},
        # a work that names nobody needs none
        {"resp_first": None, "fields": [("200", {"a": "民法典", "A": "min fa dian"}), ("701", None)]},
    ),
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
        {  # nor without a province or a day, or as a number of Alma's
            "fields": [
                ("300", {"a": "馆际电话 62751234, 9787503727900, 110105194912310, 110105194913310021"}),
                ("300", {"a": "160105194912310021, 110105209912310021"}),
                ("905", {"p": "231234200108120521"}),
            ]
        },
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
        {"format": "marc21", "fields": [("440", " 0", {"a": "A series"}), ("008", MARC21_OF_2010)]},
        {"format": "marc21", "fields": [("440", " 0", {"a": "A series"})]},  # entered when it was right
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
    "serial-without-cn": (
        {"kind": "serial", "fields": [("010", None)]},
        {"kind": "serial", "pub_year": 1987, "fields": [("010", None)]},
    ),
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
        {
            "format": "oai_dc",
            "fields": [
                ("date", "2020-05-01T10:00:00Z"),
                ("date", "2025-07-13/2025-07-16"),
                ("date", "info:eu-repo/date/embargoEnd/2026-11-01"),
            ],
        },
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
