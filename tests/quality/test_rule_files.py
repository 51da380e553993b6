"""Rule files: what a bad row is told, and how dates and weights are read."""

import pytest

from quality import rules
from quality.rules import checking

from .small_batch import BATCH, SOURCE, record, staged


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


DATED = ",".join([*rules.COLUMNS, *rules.OPTIONAL[:4]])


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
