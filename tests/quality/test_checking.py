"""How rules are run: in parts, together, over files; what they find must not depend on it."""

import csv
import random
import re
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from stdnum import isbn, issn

from harvesters.compressed import opened
from quality import rules
from quality.rules import anywhere, checking, compared
from schemas.tables import BY_NAME
from transforms.detect import Hints
from transforms.parse import staged_parts

from .small_batch import BATCH, SOURCE, record, staged

REAL = {
    "marc21/lc-chinese.mrc": Hints(),
    "marc21/uva-marc8-with-items.mrc": Hints(holdings="marc21-999"),
    "marc21/broken/pride-and-prejudice-with-many-errors.mrc": Hints(),
    "unimarc/serials.mrc": Hints(),
    "unimarc/sru-cnmarcxml-response.xml": Hints(holdings="cnmarc-905"),
    "oai/responses/oai_doaj.xml": Hints(),
}


def real_batch(path, hints) -> dict[str, pa.Table]:
    parts = [part.tables for part in staged_parts([(path.name, partial(opened, path))], hints, SOURCE, BATCH)]
    return {
        name: pa.concat_tables([part[name] for part in parts]).unify_dictionaries() for name in checking.STAGED
    }


def slices(tables: dict[str, pa.Table], size: int) -> list[dict[str, pa.Table]]:
    numbers = tables["bib"]["record_no"].to_numpy()
    ends = [*numbers[size::size].tolist(), numbers[-1] + 1]
    starts = [0, *ends[:-1]]
    return [
        {
            name: table.filter(
                pc.and_(pc.greater_equal(table["record_no"], start), pc.less(table["record_no"], end))
            )
            for name, table in tables.items()
        }
        for start, end in zip(starts, ends, strict=True)
    ]


def in_parts(tables: dict[str, pa.Table], size: int, folder) -> list[dict]:
    """The findings of a batch that is staged in parts of so many records."""
    for name, table in tables.items():
        pq.write_table(table.cast(BY_NAME[f"staged.{name}"].schema), folder / f"{name}.parquet")
    checker = checking.Checker(SOURCE, BATCH)
    found = []
    for number, part in enumerate(slices(tables, size)):
        checker.add(part)
        if number % 2:
            found.append(checker.found())
    found += [checker.found(), *checking.check_files(folder, checker.formats, SOURCE, BATCH)]
    return in_order(pa.concat_tables(found))


def in_order(issues: pa.Table) -> list[dict]:
    return sorted(
        issues.to_pylist(), key=lambda row: (row["record_no"], row["rule"], row["tag"], row["value"] or "")
    )


@pytest.mark.parametrize("name", REAL)
def test_parts_have_the_findings_of_the_whole(name, real, tmp_path, monkeypatch):
    tables = real_batch(real / name, REAL[name])
    monkeypatch.setattr(compared, "ROWS", 300)
    whole = in_order(checking.check(tables, SOURCE, BATCH))
    assert whole and in_parts(tables, 310, tmp_path) == whole


@pytest.mark.parametrize("name", REAL)
def test_rules_find_together_what_each_finds_alone(name, real):
    tables = real_batch(real / name, REAL[name])
    alone = [checking.check(tables, SOURCE, BATCH, [rule]) for rule in rules.load() if rule.predicate]
    assert in_order(pa.concat_tables(alone)) == in_order(checking.check(tables, SOURCE, BATCH))


def test_what_is_compared_is_compared_over_the_whole_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(compared, "ROWS", 2)
    owners = [
        {"holdings": [], "items": [{"barcode": "1"}]},
        {"holdings": [], "items": []},
        {"holdings": [], "items": [{"barcode": "2"}, {"barcode": None}]},
        {"holdings": [{"call_number": "I2"}, {"call_number": "I3"}, {"call_number": "I4"}], "items": []},
        {"holdings": [], "items": [{"barcode": "3"}, {"barcode": None}, {"barcode": "1"}, {"barcode": "4"}]},
    ]
    tables = staged(*(record("cnmarc", **owner) for owner in owners))
    found = in_parts(tables, 2, tmp_path)
    assert [
        (row["record_no"], row["rule"], row["value"]) for row in found if row["rule"] != "item-without-barcode"
    ] == [(0, "barcode-twice", "1"), (1, "no-holding", None), (4, "barcode-twice", "1")]
    assert found == in_order(checking.check(tables, SOURCE, BATCH))


def test_a_batch_without_any_holdings_is_not_asked_for_them(tmp_path):
    tables = staged(record("cnmarc", holdings=[]), record("cnmarc", holdings=[]))
    assert in_parts(tables, 1, tmp_path) == []


def test_records_may_begin_at_any_number_and_fields_of_no_record_are_left_out():
    tables = staged(
        record("cnmarc", fields=[("801", None)], holdings=[{"call_number": None}]),
        record("cnmarc", title=None),
        record("cnmarc", fields=[("801", None)]),
    )
    kept = {
        name: table.set_column(
            table.schema.get_field_index("record_no"),
            table.schema.field("record_no"),
            pc.add(pc.multiply(table["record_no"], 1000), 70_000).cast(pa.int32()),
        )
        for name, table in tables.items()
    }
    kept["bib"] = kept["bib"].slice(1)
    found = checking.check(kept, SOURCE, BATCH, [rule for rule in rules.load() if not rule.needs_batch])
    assert [(row["record_no"], row["rule"]) for row in found.to_pylist()] == [
        (71_000, "no-title"),
        (72_000, "no-801"),
    ]


def made(folder, *given: dict[str, str]) -> tuple[rules.Rule, ...]:
    """Rules of a file of their own."""
    common = dict.fromkeys(rules.COLUMNS, "") | {"severity": "warn", "table": "bib"}
    texts = dict.fromkeys(rules.COLUMNS[1:5], "x")
    with (folder / "mine.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rules.COLUMNS)
        writer.writeheader()
        writer.writerows(common | texts | row for row in given)
    return rules.load(folder)


def test_questions_for_fields_tell_upper_from_lower_case_and_may_have_points(tmp_path):
    mine = made(
        tmp_path,
        {"code": "no-A", "predicate": "NOT has('200$A')"},
        {"code": "has-a", "predicate": "has('200$a')", "value": "first('200$a')"},
        {
            "code": "doi",
            "predicate": "len(values('dc.identifier.doi')) = 2",
            "value": "values('dc.identifier.doi')[2]",
        },
    )
    fields = [
        ("200", {"a": "B"}),
        ("200", {"a": "C"}),
        ("dc.identifier.doi", "10.1/1"),
        ("dc.identifier.doi", "10.1/2"),
    ]
    found = checking.check(staged(record("cnmarc", fields=fields)), SOURCE, BATCH, mine)
    assert [(row["rule"], row["value"]) for row in found.to_pylist()] == [
        ("doi", "10.1/2"),
        ("has-a", "B"),
        ("no-A", None),
    ]


def test_a_rule_that_fails_on_some_value_is_named(tmp_path):
    mine = made(
        tmp_path,
        {"code": "fine", "predicate": "title IS NULL"},
        {"code": "no-number", "predicate": "CAST(extent AS INT) > 3"},
    )
    assert len(checking.check(staged(record("cnmarc", extent="4")), SOURCE, BATCH, mine)) == 1
    with pytest.raises(rules.RuleError, match="no-number"):
        checking.check(staged(record("cnmarc", extent="4"), record("cnmarc", extent="4页")), SOURCE, BATCH, mine)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"predicate": "batch_has_holdings AND NOT is_held AND has('200$a')"}, "can't ask for fields"),
        ({"table": "field", "predicate": "batch_has_holdings AND NOT bib.is_held"}, "can't look at fields"),
    ],
)
def test_a_rule_that_compares_records_can_not_also_look_at_fields(tmp_path, row, message):
    with pytest.raises(rules.RuleError, match=message):
        made(tmp_path, {"code": "x"} | row)


def test_suspect_values_are_those_with_a_sign_or_so_many_digits():
    def expected(text: str) -> bool:
        runs = {len(run) for run in re.findall("[0-9]+", text)}
        return bool(runs & set(anywhere.DIGITS)) or any(sign in text for sign in anywhere.SIGNS)

    choice = random.Random(7)
    pieces = [
        *anywhere.SIGNS,
        "é",
        "馆",
        "中文",
        " ",
        "a",
        "x" * 40,
        *("9" * n for n in (1, 5, 10, 11, 12, 14, 17, 18, 19)),
    ]
    weights = [1] * len(anywhere.SIGNS) + [30] * (len(pieces) - len(anywhere.SIGNS))
    values = ["".join(choice.choices(pieces, weights, k=choice.randrange(9))) for _ in range(20_000)]
    column = pa.chunked_array([pa.array(values[:7_000]), pa.array(values).slice(7_000)])
    assert anywhere.suspect(column).tolist() == [expected(text) for text in values]


@pytest.fixture(scope="module")
def macros():
    with duckdb.connect() as con:
        con.execute((rules.FOLDER / "macros.sql").read_text("utf-8"))
        yield con


def test_check_digits_agree_with_stdnum(macros):
    choice = random.Random(7)
    numbers = []
    for _ in range(20_000):
        length = choice.choice((8, 10, 13))
        digits = [choice.choice("0123456789") for _ in range(length)]
        if length == 13:
            digits[:3] = choice.choice(("978", "979", "977"))
        digits[-1] = choice.choice("0123456789X")
        if choice.random() < 0.05:
            digits[choice.randrange(length)] = "X"
        numbers.append("".join(digits))
    macros.register("number", pa.table({"text": numbers}))
    rows = macros.execute("SELECT text, isbn_is_valid(text), issn_is_valid(text) FROM number").fetchall()
    assert {row[1:] for row in rows} == {(False, False), (True, False), (False, True)}
    assert [row for row in rows if row[1:] != (isbn.is_valid(row[0]), issn.is_valid(row[0]))] == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0306406152", "0306406152"),
        ("080442957x (pbk.) : $3.50", "080442957X"),
        ("978-7-5037-2790-0（精装）", "9787503727900"),
        ("ISBN 7‐5037–2790-X :", "750372790X"),
        ("0306406152 12", "030640615212"),
        ("9787503727900(v.2)", "9787503727900"),
        ("none", ""),
    ],
)
def test_the_number_of_a_field_is_its_first_without_hyphens(macros, text, number):
    assert macros.execute("SELECT number_of(?)", [text]).fetchone() == (number,)


@pytest.mark.parametrize("text", [None, "", " ", "　", " 　 ", "!", " !", "　题", "\t", "题", "é"])
def test_blank_is_nothing_but_spaces(macros, text):
    assert macros.execute("SELECT is_blank(?::VARCHAR)", [text]).fetchone() == (not (text or "").strip(" 　"),)
