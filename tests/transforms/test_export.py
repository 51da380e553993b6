"""What is staged can be written again, and is what came in."""

import io
from functools import partial
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.compute as pc
import pymarc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from harvesters import registry
from harvesters.harvest import harvest_sources
from tests import consortium
from tests.transforms import marcxml_documents
from tests.transforms.marc_records import CNMARC_LEADER, LEADER, build, read, written
from transforms import export, iso2709
from transforms.detect import Hints
from transforms.parse import staged_parts
from transforms.stage import stage_sources
from warehouse import engine

NAMESPACE = {"m": "http://www.loc.gov/MARC21/slim"}
BOOK = [("001", "b1"), ("245", "10\x1faTitle & <more>\x1fb\x1fcCafé 红楼梦."), ("300", "  \x1fa12 p.")]

text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=30)
code = st.sampled_from("abz09")
data_field = st.tuples(
    st.sampled_from(["100", "245", "880", "905"]),
    st.tuples(
        st.sampled_from(" 01"), st.sampled_from(" 1"), st.lists(st.tuples(code, text), min_size=1, max_size=4)
    ),
).map(lambda made: (made[0], made[1][0] + made[1][1] + "".join("\x1f" + c + v for c, v in made[1][2])))
record = st.lists(data_field, min_size=1, max_size=6).map(lambda fields: [("001", "id1"), *fields])


def whole(content, form="iso2709", encoding="utf-8", **hints):
    """What a file is when it is read and written again."""
    return b"".join(w.content for w in export.records(read(content, **hints).fields, form, encoding))


def xml(body):
    return b'<?xml version="1.0"?><collection xmlns="http://www.loc.gov/MARC21/slim">' + body + b"</collection>"


@settings(max_examples=60, deadline=None)
@given(st.lists(record, min_size=1, max_size=4))
def test_written_records_read_as_the_same(records):
    content = b"".join(build(fields, LEADER.replace(" a22", "aa22", 1)) for fields in records)
    chunk = read(content, encoding_hint="utf-8")
    for form in ("iso2709", "marcxml"):
        out = b"".join(w.content for w in export.records(chunk.fields, form))
        if form == "iso2709":
            again = read(out, encoding_hint="utf-8")
            assert written(again) == written(chunk)
        else:
            (again,) = marcxml_documents.read(xml(out))
            assert [row for row in again.fields.to_pylist() if row["tag"] != "LDR"] == [
                row for row in chunk.fields.to_pylist() if row["tag"] != "LDR"
            ]


def test_clean_records_come_out_byte_for_byte():
    unicode = LEADER[:9] + "a" + LEADER[10:]
    content = build(BOOK, unicode) + build(BOOK[:2], unicode)
    assert whole(content) == content
    fields = [("001", "1"), ("100", "  \x1fa20020204d1994    em y0chiy0110    ea"), ("200", "1 \x1fa红楼梦上册")]
    for encoding in ("utf-8", "gb18030"):
        cnmarc = build(fields * 1, CNMARC_LEADER, encoding)
        assert whole(cnmarc, encoding=encoding, encoding_hint=encoding) == cnmarc


def test_leader_9_says_how_marc21_is_encoded_and_nothing_in_cnmarc():
    marc21 = build([("001", "1"), ("245", "00\x1faA")])
    assert whole(marc21)[9:10] == b"a"
    assert whole(whole(marc21), encoding="gb18030")[9:10] == b" "
    assert whole(build([("001", "1"), ("200", "1 \x1faA")], CNMARC_LEADER))[9:10] == b" "


LABELLED = "20020204d1994    em y0chiy{}    ea"


@pytest.mark.parametrize("form", ["iso2709", "marcxml"])
@pytest.mark.parametrize(
    ("came", "label", "encoding", "expected"),
    [
        ("gb18030", "0110", "utf-8", "50  "),
        ("gb18030", "0120", "utf-8", "50  "),
        ("gb18030", "    ", "utf-8", "    "),  # says nothing
        ("gb18030", "50  ", "gb18030", "50  "),  # wrong as it came: data, with an issue of its own
        ("utf-8", "0110", "utf-8", "0110"),
        ("utf-8", "50  ", "gb18030", "0110"),
        (None, "0110", "utf-8", "50  "),
    ],
)
def test_a_record_in_another_encoding_says_so(form, came, label, encoding, expected):
    fields = [("001", "1"), ("100", "  \x1fa" + LABELLED.format(label)), ("200", "1 \x1fa红楼梦")]
    table = read(build(fields, CNMARC_LEADER)).fields
    table = table.append_column("charset", pa.array([came] * len(table), pa.string()))
    (out,) = export.records(table, form, encoding)
    if form == "marcxml":
        expected = "50  " if came != "utf-8" and label.strip() else label
    assert LABELLED.format(expected) in out.content.decode(encoding)
    marc21 = read(build([("001", "1"), ("245", "10\x1fa红"), ("100", "1 \x1fa" + LABELLED.format(label))])).fields
    (out,) = export.records(marc21.append_column("charset", pa.array([came] * len(marc21), pa.string())), form)
    assert LABELLED.format(label) in out.content.decode()  # no label in MARC 21


def test_an_a_in_the_leader_of_cnmarc_is_no_lie():
    leader = CNMARC_LEADER[:9] + "a" + CNMARC_LEADER[10:]
    content = build([("001", "1"), ("200", "1 \x1fa红楼梦")], leader)
    assert whole(content) == content
    (record,) = pymarc.MARCReader(io.BytesIO(whole(content, encoding="gb18030")), file_encoding="gb18030")
    assert (record.leader[9], record["200"]["a"]) == (" ", "红楼梦")


def test_others_read_what_is_written():
    content = whole(build(BOOK))
    (record,) = pymarc.MARCReader(content)
    assert record["245"]["c"] == "Café 红楼梦."
    for encoding in ("utf-8", "gb18030"):
        head = export._XML_HEAD.format(encoding.upper()).encode()
        root = etree.fromstring(head + whole(build(BOOK), "marcxml", encoding) + b"</collection>")
        assert (
            root.findtext(".//m:datafield[@tag='245']/m:subfield[@code='a']", None, NAMESPACE) == "Title & <more>"
        )
        (record,) = pymarc.parse_xml_to_array(io.BytesIO(etree.tostring(root)))
        assert record["245"]["c"] == "Café 红楼梦."


def fields_of(*records):
    """Rows of records of any length, which come as MARCXML."""
    body = b""
    for record in records:
        body += b"<record><leader>00000nam a2200000 a 4500</leader>"
        for tag, value in record:
            if "\x1f" in value:
                inner = "".join(
                    f'<subfield code="{part[0]}">{escape(part[1:])}</subfield>' for part in value.split("\x1f")[1:]
                )
                body += f'<datafield tag="{tag}" ind1="{value[0]}" ind2="{value[1]}">{inner}</datafield>'.encode()
            else:
                body += f'<controlfield tag="{tag}">{value}</controlfield>'.encode()
        body += b"</record>"
    (chunk,) = marcxml_documents.read(xml(body))
    return chunk.fields


def holdings(count):
    return [("905", "  \x1fb" + f"{number:05d}" * 100) for number in range(count)]


def test_over_long_record_is_split_and_every_part_stands_by_itself():
    fields = [*BOOK, *holdings(300)]
    (result,) = export.records(fields_of(fields))
    parts = list(pymarc.MARCReader(result.content))
    assert result.parts == len(parts) == 2
    assert [part["001"].data for part in parts] == ["b1", "b1"]
    assert [part["245"]["a"] for part in parts] == ["Title & <more>"] * 2
    dealt = [field["b"] for part in parts for field in part.get_fields("905")]
    assert dealt == [text.split("\x1fb")[1] for _, text in holdings(300)]
    assert all(len(part) <= 99_999 for part in result.content.split(b"\x1d"))


def test_a_description_that_is_too_long_is_dealt_out_too():
    notes = [("500", "  \x1fa" + f"{number:05d}" * 100) for number in range(300)]
    (result,) = export.records(fields_of([*BOOK, *notes]))
    parts = list(pymarc.MARCReader(result.content))
    assert [part["001"].data for part in parts] == ["b1", "b1"]
    assert sum(len(part.get_fields("500")) for part in parts) == 300
    assert sum(len(part.get_fields("245")) for part in parts) == 1


def test_what_cannot_be_written_is_refused_alone():
    bad = [("001", "b2"), ("245", "00\x1faB"), ("500", "  \x1fa" + "x" * 10_000)]
    found = list(export.records(fields_of(BOOK, bad, BOOK)))
    assert [w.parts for w in found] == [1, 0, 1]
    assert "field 500 has 10,005 bytes" in found[1].refused
    assert [w.parts for w in export.records(fields_of(bad), "marcxml")] == [1]

    fields = read(build(BOOK) + build(BOOK)).fields
    for form, control in (("iso2709", "\x1e"), ("marcxml", "\x02")):
        values = fields["value"].to_pylist()
        values[2] = f"bad{control}value"
        table = fields.set_column(fields.schema.get_field_index("value"), "value", pa.array(values))
        first, second = export.records(table, form)
        assert (first.parts, second.parts) == (0, 1)
        assert "245$a holds a control character" in first.refused


def test_dublin_core_is_refused():
    metadata = b"<metadata><dc><title>T</title></dc></metadata>"
    page = b"<r><record><header><identifier>i</identifier></header>" + metadata + b"</record></r>"
    (chunk,) = marcxml_documents.read(page)
    (result,) = export.records(chunk.fields)
    assert "'title' is no MARC tag" in result.refused


@pytest.mark.parametrize("name", ["marc21/lc-books.mrc", "unimarc/serials.mrc", "unimarc/short.firenze.1977.mrc"])
def test_real_records_come_out_byte_for_byte(real, name):
    content = (real / name).read_bytes()[: 4 << 20]
    clean = 0
    for chunk in iso2709.read(io.BytesIO(content[: content.rindex(b"\x1d") + 1])):
        kept = chunk.content.filter(pc.not_equal(chunk.records["status"], "rejected").combine_chunks()).to_pylist()
        status = chunk.records["status"].to_pylist()
        found = list(export.records(chunk.fields))
        assert len(found) == len(kept)
        for before, after, state in zip(kept, found, status, strict=False):
            if state == "clean":
                clean += 1
                assert after.content == before
    assert clean >= 10


def test_chinese_records_in_gb18030_come_out_byte_for_byte(real):
    content, books = b"", (real / "marc21" / "lc-chinese.mrc").read_bytes()[: 1 << 20]
    for number, record in enumerate(pymarc.MARCReader(books)):
        linked = [f for f in record.get_fields("880") if f.get("6", "").startswith("245")] if record else []
        if linked:
            fields = [
                ("001", f"g{number}"),
                ("100", "  \x1fa20020204d1994    em y0chiy0110    ea"),
                ("200", "1 " + "".join(f"\x1f{s.code}{s.value}" for s in linked[0].subfields if s.code != "6")),
            ]
            content += build(fields, CNMARC_LEADER, "gb18030")
    chunk = read(content, encoding_hint="gb18030")
    assert len(chunk.records) > 500
    assert set(chunk.records["charset"].to_pylist()) == {"gb18030"}
    found = [w.content for w in export.records(chunk.fields, "iso2709", "gb18030")]
    status = chunk.records["status"].to_pylist()
    assert status.count("clean") > 0.95 * len(status)
    for before, after, state in zip(chunk.content.to_pylist(), found, status, strict=True):
        assert state != "clean" or after == before


def test_staged_rows_are_written_like_those_of_a_reader():
    content = build(BOOK) + build([("001", "b2"), *BOOK[1:]])
    parts = staged_parts([("f", partial(io.BytesIO, content))], Hints(), "S1", "B1")
    (fields,) = [part.tables["field"] for part in parts]
    found = list(export.records(fields))
    assert [w.record_id for w in found] == ["b1", "b2"]
    assert b"".join(w.content for w in found) == whole(content)


def test_an_unknown_form_is_named(tmp_path):
    with pytest.raises(export.ExportError, match="can't write csv in utf-8"):
        export.export([], tmp_path / "out", "csv")


@pytest.fixture
def staged(built_consortium, lake_home):
    """Two sources of the small consortium, staged: CNMARC and MARC 21."""
    consortium.copied(built_consortium[0], lake_home)
    folders = [source for source in registry.load().chosen([]) if source.protocol == "folder"]
    chosen = [next(s.source_id for s in folders if s.format == wanted) for wanted in ("cnmarc", "marc21")]
    harvest_sources(chosen, "r", True)
    stage_sources(chosen, "r")
    return chosen


@pytest.mark.parametrize(("form", "encoding"), [("iso2709", "gb18030"), ("marcxml", "utf-8")])
def test_the_current_records_of_a_lake_are_exported(staged, tmp_path, monkeypatch, form, encoding):
    with engine.open_lake() as con:
        rows = con.execute("SELECT control_number FROM staged.current_bib ORDER BY 1").fetchall()
        came = con.execute("SELECT source_id, record_no, charset FROM staged.current_bib").fetchall()
    monkeypatch.setattr(export, "BATCH_ROWS", 1000)  # records lie over the ends of batches
    pieces = [(name, piece) for name in staged for piece in export.current_fields(name)]
    columns = [
        (name, *(piece[column].to_pylist() for column in ("record_no", "charset"))) for name, piece in pieces
    ]
    assert {(name, *pair) for name, *pairs in columns for pair in zip(*pairs, strict=True)} == set(came)
    out = tmp_path / "new" / "out"
    told = export.export(staged, out, form, encoding)
    assert told["records"] == told["written"] == len(rows) > 100
    assert (told["refused"], told["bytes"]) == (0, out.stat().st_size)
    if form == "iso2709":
        found = [record["001"].data for record in pymarc.MARCReader(out.open("rb"), file_encoding=encoding)]
    else:
        found = [node.text for node in etree.parse(out).iterfind(".//m:controlfield[@tag='001']", NAMESPACE)]
    assert sorted(found) == [row[0] for row in rows]
    assert [path.name for path in out.parent.iterdir()] == ["out"]
