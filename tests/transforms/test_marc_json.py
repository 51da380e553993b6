"""MARC-in-JSON: its three layouts, real records, and whatever else a file may hold."""

import io
import json

import pymarc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvesters import landing
from tests.transforms import marc_records
from tests.transforms.text_marc import column, of, rules, values, whole
from transforms import marc_json, marc_text


def record(number="1", title="红楼梦", **more):
    return {
        "leader": "00000nam a2200000 a 4500",
        "fields": [
            {"001": number},
            {"245": {"ind1": "1", "ind2": "0", "subfields": [{"a": title}, {"c": "曹雪芹"}]}},
        ],
        **more,
    }


LAYOUTS = {
    "array": lambda records: json.dumps(records, ensure_ascii=False),
    "indented": lambda records: json.dumps(records, indent=2),
    "lines": lambda records: "\n".join(json.dumps(one) for one in records),
    "behind-each-other": lambda records: "".join(json.dumps(one) for one in records),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    chunk = whole(LAYOUTS[layout]([record("1"), record("2", 'A {b} " \\ c')]).encode())
    assert column(chunk, "record_id") == ["1", "2"]
    assert of(chunk, "245") == ["红楼梦", "曹雪芹", 'A {b} " \\ c', "曹雪芹"]
    assert values(chunk)[0] == (0, "LDR", "", None, "00000nam a2200000 a 4500")
    assert set(column(chunk, "status")) == {"clean"}


def test_real_records_as_iso2709_has_them(real):
    content = b"".join(
        (real / "marc21/lc-chinese.mrc").read_bytes().split(b"\x1d")[i] + b"\x1d" for i in range(200)
    )
    records = list(pymarc.MARCReader(io.BytesIO(content)))
    text = ",\n".join(one.as_json(ensure_ascii=False) for one in records)
    assert values(whole(f"[{text}]".encode())) == values(marc_records.read(content))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings(encoding):
    text = LAYOUTS["lines"]([record("1"), record("2")])
    content = text.encode(encoding) if encoding != "utf-16-le" else b"\xff\xfe" + text.encode("utf-16-le")
    chunk = whole(content)
    assert of(chunk, "001") == ["1", "2"]
    places = column(chunk, "byte_offset")
    received = chunk.content.to_pylist()
    assert [content[at : at + len(part)] for at, part in zip(places, received, strict=True)] == received


def test_gb18030_against_the_standard():
    chunk = whole(LAYOUTS["array"]([record(str(number)) for number in range(9)]).encode("gb18030"))
    assert of(chunk, "245")[::2] == ["红楼梦"] * 9
    assert set(column(chunk, "charset")) == {"gb18030"}


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ('{"leader": "x", "fields": [}', "json-syntax"),
        ('{"title": "no MARC"}', "json-not-marc"),
        ('{"fields": [1]}', "json-not-marc"),
        ('{"fields": [{"245": {"subfields": [{"a": 1}]}}]}', "json-not-marc"),
        ('{"fields": [{"650": "x", "650": "y"}]}', "json-not-marc"),
        ('"stray text"', "json-not-marc"),
    ],
)
def test_one_bad_object_is_set_aside_alone(bad, rule):
    good = json.dumps(record())
    chunk = whole(f"{good}\n{bad}\n{good}".encode())
    assert column(chunk, "status") == ["clean", "rejected", "clean"]
    assert rules(chunk) == [rule]
    assert chunk.rejected["content"][0].as_py().decode() == bad


def test_a_string_without_end_costs_its_line_only():
    good = json.dumps(record())
    chunk = whole((good + "\n" + good.replace('"}]}}]}', "}]}}]}") + "\n" + good).encode())
    assert column(chunk, "status")[0] == "clean" and "rejected" in column(chunk, "status")


def test_half_a_surrogate_pair_is_doubtful():
    chunk = whole(json.dumps(record(title="x\ud800")).encode())
    assert (column(chunk, "status"), of(chunk, "245")[0]) == (["doubtful"], "x\ufffd")


def test_a_reader_is_flagged():
    reader = {"leader": "x", "fields": [{"001": "1"}, {"200": {"subfields": [{"a": "张三"}]}}]}
    assert rules(whole(json.dumps(reader).encode())) == ["possible-personal-data"]


def test_a_record_that_never_ends_is_held_in_part(monkeypatch):
    monkeypatch.setattr(marc_text, "MAX_RECORD", 1000)
    monkeypatch.setattr(marc_text, "READ", 300)
    long = json.dumps(record(title="x" * 5000))
    chunk = whole("\n".join([json.dumps(record()), long, json.dumps(record())]).encode())
    assert column(chunk, "status") == ["clean", "rejected", "clean"]
    assert len(chunk.rejected["content"][0].as_py()) == 1000


PIECES = st.sampled_from(
    [
        b'{"fields": [',
        b"{",
        b"}",
        b'"',
        b"\\",
        b"[",
        b"]",
        b",",
        b"\n",
        b" ",
        b"x",
        "红".encode("gbk"),
        b"\xef\xbb\xbf",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=4), max_size=40), st.integers(1, 9))
def test_any_bytes_keep_the_count(pieces, size):
    content = b'{"a' + b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marc_text, "READ", size)
        patch.setattr(landing, "CHUNK", size + 3)
        whole(content) if not {0x1D, 0x1E} & set(content) else None
        list(marc_json.read(io.BytesIO(content)))
