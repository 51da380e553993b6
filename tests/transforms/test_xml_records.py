"""XML records: cut, damaged, withdrawn; and the recorded answers of real servers."""

import io

import pytest

from harvesters import landing
from transforms import xml_records

MARC = (
    '<record xmlns="http://www.loc.gov/MARC21/slim"><leader>00000nam a2200000 a 4500</leader>'
    '<controlfield tag="001">{id}</controlfield><datafield tag="245" ind1="0" ind2="0">'
    '<subfield code="a">{title}</subfield></datafield></record>'
)


def collection(*records):
    return ("<?xml version='1.0'?><collection>" + "\n".join(records) + "</collection>").encode()


def oai(*records):
    return (
        '<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>'
        + "".join(records)
        + "</ListRecords></OAI-PMH>"
    ).encode()


def oai_record(number, metadata, status=""):
    inner = f"<metadata>{metadata}</metadata>" if metadata else ""
    return (
        f"<record><header{status}><identifier>oai:demo:{number}</identifier>"
        f"<datestamp>2026-01-0{number}</datestamp></header>{inner}</record>"
    )


def read(content, **hints):
    chunks = list(xml_records.read(io.BytesIO(content), **hints))
    records = [row for chunk in chunks for row in chunk.records.to_pylist()]
    fields = [row for chunk in chunks for row in chunk.fields.to_pylist()]
    rejected = [row for chunk in chunks for row in chunk.rejected.to_pylist()]
    assert sum(len(chunk.content) for chunk in chunks) == len(records)
    return records, fields, rejected


def test_a_collection():
    content = collection(MARC.format(id="1", title="红楼梦"), MARC.format(id="2", title="A &amp; B"))
    records, fields, rejected = read(content)
    assert [row["record_id"] for row in records] == ["1", "2"]
    assert [row["byte_offset"] for row in records] == [content.index(b"<record"), content.rindex(b"<record")]
    assert [row["value"] for row in fields if row["tag"] == "245"] == ["红楼梦", "A & B"]
    assert (fields[0]["tag"], fields[0]["field_no"], fields[0]["code"]) == ("LDR", 0, None)
    assert not rejected


def test_oai_page_with_nested_records_and_a_deletion():
    content = oai(oai_record(1, MARC.format(id="1", title="x")), oai_record(2, "", ' status="deleted"'))
    records, _, _ = read(content)
    assert [(row["record_id"], row["control_number"], row["status"]) for row in records] == [
        ("oai:demo:1", "1", "clean"),
        ("oai:demo:2", None, "deleted"),
    ]
    assert landing.count_records(content) == 2


def test_a_new_datestamp_alone_is_no_change():
    same = MARC.format(id="1", title="x")
    first, second = read(oai(oai_record(1, same)))[0][0], read(oai(oai_record(2, same)))[0][0]
    assert first["digest"] == second["digest"]
    assert first["digest"] != read(oai(oai_record(1, MARC.format(id="1", title="y"))))[0][0]["digest"]


def test_one_bad_record_is_set_aside_with_its_bytes():
    bad = MARC.format(id="2", title="<b>")
    records, _, rejected = read(collection(MARC.format(id="1", title="x"), bad, MARC.format(id="3", title="y")))
    assert [row["status"] for row in records] == ["clean", "rejected", "clean"]
    assert rejected[0]["rule"] == "xml-syntax"
    assert rejected[0]["content"].decode() == bad


def test_a_cut_file_ends_in_a_rejected_record():
    content = collection(MARC.format(id="1", title="x"), MARC.format(id="2", title="y"))
    cut = content[: content.rindex(b"</datafield>")]
    records, _, rejected = read(cut)
    assert [row["status"] for row in records] == ["clean", "rejected"]
    assert rejected[0]["content"].startswith(b"<record")
    assert landing.count_records(cut) == len(records)


def test_an_entity_is_never_resolved():
    content = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + collection(
        MARC.format(id="1", title="&x;")
    )
    records, fields, _ = read(content)
    assert records[0]["status"] == "rejected"
    assert not fields


def test_many_records_cross_every_buffer_boundary(monkeypatch):
    content = collection(*(MARC.format(id=i, title=f"书 {i}") for i in range(50)))
    whole = read(content)
    monkeypatch.setattr(xml_records, "CHUNK_RECORDS", 7)
    for size in (13, 64, 1000):
        monkeypatch.setattr(xml_records, "READ", size)
        assert read(content) == whole


def test_gb18030_as_declared():
    text = (
        "<?xml version='1.0' encoding='GB18030'?><collection>"
        + MARC.format(id="1", title="红楼梦")
        + "</collection>"
    )
    records, fields, _ = read(text.encode("gb18030"))
    assert fields[-1]["value"] == "红楼梦"
    assert records[0]["charset"] == "gb18030"


@pytest.mark.parametrize(
    ("name", "count", "form"),
    [
        ("oai/responses/marc.xml", 100, "marc21"),
        ("oai/responses/oai_doaj.xml", 100, "oai_dc"),
        ("unimarc/sru-cnmarcxml-response.xml", 10, "cnmarc"),
    ],
)
def test_recorded_answers(real, name, count, form):
    content = (real / name).read_bytes()
    records, _, rejected = read(content)
    assert (len(records), len(rejected)) == (count, 0)
    assert {row["format"] for row in records} == {form}
    assert landing.count_records(content) == count
