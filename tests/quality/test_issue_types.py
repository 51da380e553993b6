"""Each issue type of QA catalogue is found in MARC 21 and in CNMARC, by a rule that the README names."""

import re

import pytest

from quality import rules
from tests.transforms import marc_records

from .rule_examples import EXAMPLES, MARC21_OF_2010, Change
from .test_rules import codes

SERIAL = {"kind": "serial", "fields": [("011", {"a": "1000-0136"})]}
OF_2010 = "20100101d1998    em y0scry0120    ea"  # Croatian has another code since 2008
# By number of the type: what breaks a sound record in MARC 21 and in CNMARC
BREAKING: dict[int, tuple[Change, Change]] = {
    1: ({"fields": [("LDR", "00000nxm a2200000 a 4500")]}, {"fields": [("LDR", "00000nxm0 2200000   450 ")]}),
    2: (EXAMPLES["linkage-without-880"][0], EXAMPLES["undefined-embedded-field"][0]),
    3: (EXAMPLES["linkage-form"][0], EXAMPLES["volume-without-set"][0]),
    4: ({"fields": [("LDR", "00000nam a22000008p 4500"), ("008", MARC21_OF_2010)]},
        {"fields": [("100", {"a": OF_2010})]}),
    5: ({"fields": [("008", "980101x1998    enk           000 1 eng d")]}, EXAMPLES["undefined-code"][0]),
    6: (EXAMPLES["field-005-form"][0], EXAMPLES["field-005-form"][0]),
    7: (EXAMPLES["linkage-missing"][0], EXAMPLES["translation-without-original"][0]),
    8: ({"fields": [("250", {"a": "1st"}), ("245", "10", {"a": "x"}), ("245", "10", {"a": "y"})]},
        EXAMPLES["repeated-field"][0]),
    9: ({"fields": [("288", {"a": "x"})]}, EXAMPLES["undefined-field"][0]),
    10: ({"fields": [("100", "20", {"a": "Li"}), ("008", MARC21_OF_2010)]}, {}),
    11: ({"fields": [("020", "1 ", {"a": "750372790X"})]},
         EXAMPLES["indicator-not-blank"][0]),
    12: ({"fields": [("245", "70", {"a": "x"})]}, EXAMPLES["undefined-indicator"][0]),
    13: ({"fields": [("245", "10", {"a": "x", "m": "y"})]}, EXAMPLES["undefined-subfield"][0]),
    14: ({"fields": [("006", "m     o  d f")]}, EXAMPLES["coded-field-length"][0]),
    15: (EXAMPLES["subject-source-missing"][0], EXAMPLES["clc-edition-form"][0]),
    16: (EXAMPLES["bad-lccn"][0], EXAMPLES["clc-syntax"][0]),
    17: (EXAMPLES["repeated-subfield"][0], {"fields": [("225", "2 ", [("a", "丛书"), ("a", "又")])]}),
    18: ({"fields": [("020", {"a": "7-5037-2790-1"})]}, EXAMPLES["bad-isbn"][0]),
    19: ({"kind": "serial", "fields": [("022", {"a": "1000-0136"})]}, SERIAL),
    20: (EXAMPLES["year-disagrees-marc21"][0], EXAMPLES["entered-date-form"][0]),
    22: ({"fields": [("024", "2 ", {"a": "M-1"})]}, EXAMPLES["language-code-form"][0]),
    24: (EXAMPLES["field-008-length"][0], EXAMPLES["field-100-length"][0]),
    25: (EXAMPLES["obsolete-field"][0], {"fields": [("204", {"a": "地图"})]}),
    26: ({"fields": [("260", {"a": "x", "d": "1998"}), ("008", MARC21_OF_2010)]}, {}),
}  # fmt: skip
NOTHING_OBSOLETE = {10, 26}  # no such value of CNMARC is
READ = (21, 23)  # found by the reader: a subfield without a code, a directory that does not fit


def table() -> dict[int, tuple[set[str], set[str]]]:
    """The rules of each type in MARC 21 and in CNMARC, as the README has them."""
    text = (rules.FOLDER.parent / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE)
    return {
        int(number): tuple(set(re.findall(r"`([^`]+)`", cell)) for cell in cells)  # type: ignore[misc]
        for number, *cells in rows
    }


def test_every_type_has_rules_for_both_formats_and_a_record_that_breaks_them():
    by_code = {rule.code: rule for rule in rules.load()}
    assert sorted(table()) == list(range(1, 27)) == sorted([*BREAKING, *READ])
    for found in table().values():
        for format_, named in zip(("marc21", "cnmarc"), found, strict=True):
            assert named and all(format_ in (by_code[code].formats or (format_,)) for code in named), named


@pytest.mark.parametrize("format_", ["marc21", "cnmarc"])
@pytest.mark.parametrize("number", BREAKING)
def test_a_record_of_either_format_is_found(number, format_):
    which = format_ == "cnmarc"
    found = codes({**BREAKING[number][which], "format": format_})
    assert bool(found & table()[number][which]) is not (which and number in NOTHING_OBSOLETE)


@pytest.mark.parametrize(
    ("leader", "title", "which"), [(marc_records.LEADER, "245", 0), (marc_records.CNMARC_LEADER, "200", 1)]
)
def test_what_a_reader_finds_is_of_either_format(leader, title, which):
    fields = [(b"001", b"1"), (title.encode(), b"1 \x1faA"), (b"801", b" 0\x1fbX")]
    nameless = [*fields[:1], (title.encode(), b"1 \x1faA\x1f"), *fields[2:]]
    issues = [
        marc_records.read(marc_records.assemble(nameless, leader.encode())),
        marc_records.read(marc_records.assemble(fields, leader.encode(), [2, 9, 6])),
    ]
    for number, chunk in zip(READ, issues, strict=True):
        assert set(chunk.issues["rule"].to_pylist()) & table()[number][which], number
