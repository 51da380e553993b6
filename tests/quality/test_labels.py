"""Codes that staff read have names in both languages."""

import csv

import pytest

from quality.rules import explain
from quality.site.words import coded, labels, value_of
from transforms.crosswalk import FOLDER
from transforms.parse import FORMATS
from transforms.score import load_card
from transforms.scored import LOOKED_AT, REFUSED


def meanings(*groups: str) -> set[str]:
    """What codes of crosswalks mean."""
    with (FOLDER / "codes.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))
    return {row[2] for row in rows[1:] if row[0].startswith(groups)}


KINDS, CARRIERS = (
    ("kind_", "dc_type", "thesis_content"),
    ("carrier_", "gmd", "form_", "rda_", "media_", "electronic"),
)


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("record-kind", meanings(*KINDS)),
        ("carrier", meanings(*CARRIERS)),
        ("format", set(FORMATS)),
        ("evidence", set(load_card().evidence)),
        ("because", {*LOOKED_AT, REFUSED}),
    ],
)
def test_codes_have_names(group, codes):
    assert codes and codes <= {code for name, code in labels() if name == group}


def test_a_code_is_shown_by_its_meaning():
    assert coded("kind", "book") == '<span lang="zh-Hans">图书</span><span lang="en">book</span>'
    assert coded("orig_lang", "eng") == '<span lang="zh-Hans">英语 eng</span><span lang="en">English eng</span>'
    assert coded("lang", "x<y") == "x&lt;y"
    assert coded("lang", None) is None


def test_what_a_reader_says_is_shown_in_both_languages_and_a_value_of_a_record_as_it_is():
    reason = "it ends before its last field does"
    assert "在最后一个字段结束之前中断" in value_of(reason, explain("iso2709-cut"), 400)
    assert value_of(reason, explain("no-title"), 400) == reason
    assert value_of("<b>" * 9, explain("no-title"), 5) == "&lt;b&gt;&lt;b…"
