"""Each rule finds what breaks it and spares what does not, and says where."""

import pyarrow as pa
import pytest

from quality import rules
from quality.rules import checking, scans
from schemas.quality import QUALITY_ISSUE

from .rule_examples import EXAMPLES, Change
from .small_batch import BATCH, SOUND_BIB, SOURCE, record, staged


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


@pytest.mark.parametrize(
    ("tag", "number"),
    [("300", "110105194912310021"), ("300", "11010519491231002x"), ("905", "11010519491231002X")],
    ids=["with a slip", "small x", "among numbers of a system"],
)
def test_an_identity_number_is_found(tag, number):
    assert "personal-data" in findings({"fields": [(tag, {"a": number})]})["rule"].to_pylist()


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


def test_a_rule_looks_only_at_the_field_that_the_format_calls_so():
    # 010 is the ISBN in CNMARC and the Library of Congress number in MARC 21
    assert "bad-isbn" not in codes({"format": "marc21", "fields": [("010", {"a": "   98012345"})]})
    assert "bad-isbn" in codes({"format": "marc21", "fields": [("020", {"a": "7-5037-2790-1"})]})
