"""The definitions of formats as data, and the walk that holds records against them."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from quality import rules
from quality.rules import asked, definitions
from quality.rules.deviations import FAULTS, deviations, is_defined
from transforms.detect import Hints
from transforms.parse import staged_parts

from .small_batch import record, staged

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def found(tables: dict[str, pa.Table]) -> list[dict[str, str]]:
    bib, field = tables["bib"], tables["field"]
    place = asked.places(field["record_no"].to_numpy(), bib)
    return deviations(field, place, bib["format"]).to_pylist()


@pytest.mark.parametrize("format_", definitions.FORMATS)
def test_every_field_has_names_in_both_languages_and_codes_that_can_be_read(format_):
    rows = definitions.rows(format_)
    assert len({row["tag"] for row in rows}) == len(rows) > 200
    for row in rows:
        assert row["label_en"] and not row["label_zh"].isascii(), row["tag"]
        assert row["repeatable"] in ("yes", "no"), row["tag"]
        assert all(len(code.rstrip("*")) == 1 for code in row["subfields"].split()), row["tag"]
        for name in ("obsolete_ind1", "obsolete_ind2", "obsolete_subfields"):
            assert re.fullmatch(r"|(\S ?)+ @(19|20)\d\d", row[name]), row["tag"]


@pytest.mark.parametrize("format_", definitions.FORMATS)
def test_coded_positions_do_not_overlap_and_their_codes_fit(format_):
    taken: Counter[tuple[str, str, str, int]] = Counter()
    for row in definitions.rows(f"{format_}_positions"):
        start, length = int(row["start"]), int(row["length"])
        taken.update((row["tag"], row["code"], row["material"], at) for at in range(start, start + length))
        widths = {len(code) for column in ("values", "obsolete") for code in row[column].split() if code[0] != "@"}
        assert len(widths) <= 1 and all(length % width == 0 for width in widths), row
    assert max(taken.values()) == 1


@pytest.mark.parametrize(
    ("format_", "tag", "defined"),
    [("marc21", "264", True), ("marc21", "440", False), ("cnmarc", "690", True), ("unimarc", "690", False)],
)
def test_a_field_is_defined_by_its_format(format_, tag, defined):
    assert is_defined(format_, tag) is defined


def test_what_is_shown_says_place_found_and_allowed():
    rows = found(staged(record("cnmarc", fields=[("106", {"a": "q"}), ("215", "3 ", {"a": "1册"})])))
    assert [(row["fault"], row["found"]) for row in rows] == [
        ("undefined-code", "q"),
        ("undefined-indicator", "3"),
    ]
    assert rows[0]["shown"].startswith("106$a/00 q; √ d e f") and rows[1]["shown"] == "215 ind1 3; √ #"


def test_a_nested_field_has_its_own_subfields_and_repeats():
    nested = ("461", " 0", [("1", "2001 "), ("a", "全集"), ("v", "卷1"), ("1", "2001 "), ("a", "又"), ("k", "x")])
    rows = found(staged(record("cnmarc", fields=[nested])))
    assert [row["shown"].split(";")[0] for row in rows] == ["461 (200) $k"]


def test_880_is_held_against_the_field_that_it_stands_for():
    rows = found(staged(record("marc21", fields=[("880", " 1", [("6", "264-00/$1"), ("a", "北京"), ("k", "x")])])))
    assert [row["shown"].split(";")[0] for row in rows] == ["880 (264) $k"]


def test_positions_are_those_of_the_material_that_the_leader_says():
    serial = [("LDR", "00000nas a2200000 a 4500"), ("008", "980101c19989999enkmr p       0   a0eng d")]
    assert found(staged(record("marc21", fields=serial))) == []
    book = [("LDR", "00000nam a2200000 a 4500"), serial[1]]
    places = [row["shown"].split(";")[0] for row in found(staged(record("marc21", fields=book)))]
    assert places == ["008/19 r", "008/30 #", "008/31 #", "008/33 a", "008/34 0"]


def test_a_value_with_characters_beyond_ascii_has_a_length_in_characters():
    rows = found(staged(record("cnmarc", fields=[("105", {"a": "ａ   z   000ay"}), ("106", {"a": "ｒ"})])))
    assert rows == []


def test_what_is_obsolete_says_since_when():
    fields = [
        ("LDR", "00000nam a2200000Ia 4500"),
        ("100", "21", {"a": "Li, Lei", "h": "x"}),
        ("440", " 0", {"a": "A series"}),
        ("041", "1 ", {"a": "engmol"}),
        ("043", {"a": "e-ur-mv"}),
    ]
    rows = found(staged(record("marc21", fields=fields)))
    assert {
        (row["tag"], row["fault"], row["found"]): row["since"] for row in rows if row["since"] is not None
    } == {
        ("LDR", "obsolete-code", "I"): 2024,
        ("100", "obsolete-indicator", "2"): 1996,
        ("100", "obsolete-indicator", "1"): 1990,
        ("100", "obsolete-subfield", "h"): 1997,
        ("440", "obsolete-field", ""): 2008,
    }


def test_every_fault_that_the_walk_notes_is_told_by_a_rule():
    told = " ".join(rule.predicate for rule in rules.load() if rule.table == "deviation")
    assert [fault for fault in FAULTS.values() if f"'{fault}'" not in told] == []


def test_a_format_without_definitions_has_no_deviations():
    assert found(staged(record("oai_dc"))) == []
    assert found(staged()) == []


def _slowly(tables: dict[str, pa.Table]) -> Counter[tuple[int, str, str]]:
    """What the walk finds of fields, indicators and subfields, said again without any of its arrays."""
    laid_down = {row["tag"]: row for row in definitions.rows("marc21")}
    faults: Counter[tuple[int, str, str]] = Counter()
    fields: dict[tuple[int, int], list[dict[str, str]]] = {}
    for row in tables["field"].to_pylist():
        fields.setdefault((row["record_no"], row["field_no"]), []).append(row)
    seen = set()
    for (number, _), rows in fields.items():
        tag = rows[0]["tag"]
        row = laid_down.get(tag)
        if tag == "LDR" or (row and tag == "880"):
            continue
        if row is None:
            faults[number, tag, "undefined-field"] += 1
            continue
        if row["obsolete"]:
            faults[number, tag, "obsolete-field"] += 1
        elif row["repeatable"] == "no" and (number, tag) in seen:
            faults[number, tag, "repeated-field"] += 1
        seen.add((number, tag))
        if rows[0]["code"] is None:
            continue
        for which in ("ind1", "ind2"):
            character = rows[0][which].replace(" ", "#")
            if character in row[f"obsolete_{which}"].partition("@")[0]:
                faults[number, tag, "obsolete-indicator"] += 1
            elif row[which] and character not in row[which]:
                faults[number, tag, "undefined-indicator"] += 1
        faults.update((number, tag, fault) for fault in _subfields_slowly(row, [one["code"] for one in rows]))
    return faults


def _subfields_slowly(row: dict[str, str], given: list[str]) -> Iterator[str]:
    codes = {code[0]: code.endswith("*") for code in row["subfields"].split()}
    for at, code in enumerate(given):
        if code in row["obsolete_subfields"].partition("@")[0]:
            yield "obsolete-subfield"
        elif codes and code not in codes:
            yield "undefined-subfield"
        elif codes and not codes[code] and code in given[:at]:
            yield "repeated-subfield"


@pytest.mark.skipif(not SHARED.exists(), reason="real records are not there (../shared/data)")
def test_the_walk_finds_what_a_plain_one_does_on_real_records():
    path = SHARED / "marc21" / "uva-marc8-with-items.mrc"
    part = next(staged_parts([(path.name, lambda: path.open("rb"))], Hints("marc21"), "x", "20260101"))
    compared = {"field", "indicator", "subfield"}
    quick = Counter(
        (row["record_no"], row["tag"], row["fault"])
        for row in found(part.tables)
        if row["fault"].split("-")[1] in compared and row["fault"] != "unlinked-field" and row["tag"] != "880"
    )
    assert quick == _slowly(part.tables) and len(quick) > 5000
