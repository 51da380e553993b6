"""Writing ISO 2709, MARC-8 and MARCXML, held against pymarc."""

import io
import random
import unicodedata

import pymarc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample import damage, marc
from sample.marc import Record, encode, marcxml, parse, to_marc8

TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=40)
RECORD = Record(
    "00000nam a2200000 a 4500",
    [
        ("001", "", [("", "demo1")]),
        ("008", "", [("", "000824s1998    ch af         000 0 chi  ")]),
        ("245", "10", [("a", "Ça & là <été> /"), ("c", "吳正德.")]),
    ],
)


@given(st.lists(st.tuples(st.sampled_from("abcx"), TEXT), min_size=1, max_size=5))
def test_what_is_encoded_is_parsed_again_and_pymarc_agrees(subfields):
    record = Record(RECORD.leader, [("001", "", [("", "x1")]), ("245", "10", subfields)])
    content = encode(record, str.encode)
    again = parse(content)
    assert again.fields == record.fields
    assert int(content[:5]) == len(content)
    read = pymarc.Record(content, force_utf8=True)
    assert [(s.code, s.value) for s in read["245"].subfields] == subfields


@pytest.mark.parametrize(
    "text",
    [
        "plain ASCII",
        "Hornborgasjöns krönika",
        "Đặng Hữu Thụ",
        "ʻAlī ibn Abī Ṭālib",
        "letter with two marks: ǘ ở",
        "mixed 知识经济 and é, then 中國",
        "ends in Han 發展",
        "",
    ],
)
def test_marc8_is_what_pymarc_decodes(text):
    content = to_marc8(text)
    assert all(byte != 0x1D and byte != 0x1E for byte in content)
    assert pymarc.marc8_to_unicode(content) == unicodedata.normalize("NFC", text)


def test_marc8_returns_to_ascii_before_the_next_subfield():
    record = Record("00000nam  2200000 a 4500", [("245", "10", [("a", "知识"), ("b", "经济"), ("c", "x")])])
    read = pymarc.Record(encode(record, to_marc8))
    assert [s.value for s in read["245"].subfields] == ["知识", "经济", "x"]


@pytest.mark.parametrize("text", ["x⁴", "emoji 😀"])
def test_a_character_outside_marc8_is_refused(text):
    with pytest.raises(ValueError, match=r"U\+.* is not in MARC-8"):
        to_marc8(text)


def test_a_field_too_long_for_iso2709_is_refused():
    with pytest.raises(ValueError, match="field 500 has"):
        encode(Record(RECORD.leader, [("500", "  ", [("a", "x" * 10_000)])]), str.encode)


def test_a_directory_that_does_not_fit_is_refused():
    content = encode(RECORD, str.encode)
    with pytest.raises(ValueError, match="don't agree"):
        parse(content.replace(b"\x1e10\x1f", b"10\x1f"))


def test_marcxml_is_well_formed_and_keeps_the_text():
    noisy = Record(RECORD.leader, [*RECORD.fields, ("500", "  ", [("a", "bell \x07 & \x1b[0m")])])
    (read,) = pymarc.parse_xml_to_array(io.BytesIO(marcxml(noisy).encode()))
    assert read["245"]["a"] == "Ça & là <été> /"
    assert read["500"]["a"] == "bell  & [0m"
    assert 'xmlns="http://www.loc.gov/MARC21/slim"' in marcxml(RECORD)


@pytest.mark.parametrize("kind", list(damage.KINDS))
def test_damage_changes_the_record_but_not_its_terminator(kind):
    content = encode(RECORD, str.encode)
    damaged = damage.KINDS[kind](content, random.Random(1))
    assert damaged != content
    assert damaged.count(b"\x1d") == 1 and damaged.endswith(b"\x1d")
    if kind == "wrong_length":
        assert int(damaged[:5]) != len(damaged) and damaged[5:] == content[5:]
    if kind == "directory_off_by_one":
        assert int(damaged[24 + 24 + 7 : 24 + 36]) == int(content[24 + 24 + 7 : 24 + 36]) + 1
    if kind == "bad_bytes":
        assert b"\xff\xff" in damaged and len(damaged) == len(content)


def test_a_cut_record_has_no_terminator():
    assert b"\x1d" not in damage.cut(encode(RECORD, str.encode), random.Random(1))


def test_value_of_an_absent_subfield_is_empty():
    assert marc.value([("a", "x")], "b") == "" and RECORD.first("999") == [] and RECORD.control("005") == ""
