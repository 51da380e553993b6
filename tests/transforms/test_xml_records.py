"""XML records: cut, damaged, withdrawn; and the recorded answers of real servers."""

import io

import pytest

from harvesters import landing
from tests.transforms import marcxml_documents
from transforms import xml_records, xml_units
from transforms.xml_units import units

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
    chunks = marcxml_documents.read(content, **hints)
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


@pytest.mark.parametrize("status", ["deleted", "Deleted", " DELETED "])
def test_oai_page_with_nested_records_and_a_deletion(status):
    content = oai(oai_record(1, MARC.format(id="1", title="x")), oai_record(2, "", f' status="{status}"'))
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


def test_a_prefix_that_nobody_declares_is_refused_whatever_stands_behind_it():
    odd = MARC.format(id="1", title="x").replace("<", "<m:").replace("<m:/", "</m:").replace("xmlns", "xmlns:n")
    relative = MARC.format(id="2", title="y").replace("http://www.loc.gov/MARC21/", "")  # of which a parser warns
    within = odd.replace("</m:record>", '<x xmlns="slim"/></m:record>')
    for content, statuses in (((odd, relative), ["rejected", "clean"]), ((within,), ["rejected"])):
        records, _, rejected = read(collection(*content))
        assert [row["status"] for row in records] == statuses
        assert "Namespace prefix m" in rejected[0]["reason"]


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


@pytest.mark.parametrize("name", ["GB2312", "gbk", "GB18030"])
def test_what_is_declared_as_gb2312_is_read_as_gb18030(name):
    content = (
        f"<?xml version='1.0' encoding='{name}'?><collection>{MARC.format(id='1', title='傽𠀀')}</collection>"
    )
    records, fields, rejected = read(content.encode("gb18030"))
    assert not rejected
    assert (records[0]["charset"], records[0]["status"], fields[-1]["value"]) == ("gb18030", "clean", "傽𠀀")


@pytest.mark.parametrize(
    ("declared", "real"),
    [
        ("utf-16", "utf-8"),
        ("gb2312", "utf-8"),
        ("iso-8859-1", "utf-8"),
        ("utf-8", "gb18030"),
        ("utf-8", "big5"),
        ("klingon", "utf-8"),
    ],
)
@pytest.mark.parametrize("title", ["中國古代文學史研究資料", "中國古代文學史研究資料集"])
def test_a_declaration_that_the_bytes_belie_is_told(declared, real, title):
    head = f"<?xml version='1.0' encoding='{declared}'?><collection>"
    content = (head + MARC.format(id="1", title=title) + "</collection>").encode(real)
    (chunk,) = marcxml_documents.read(content)
    assert chunk.records["charset"].to_pylist() == [real]
    assert chunk.fields["value"].to_pylist()[-1] == title
    assert [(row["rule"], row["value"]) for row in chunk.issues.to_pylist()] == [
        ("encoding-label", "gb18030" if declared == "gb2312" else declared)
    ]


def test_a_comment_in_a_field_is_no_subfield():
    content = collection(MARC.format(id="1", title="x").replace("<subfield", "<!-- c --><?p q?><subfield"))
    assert [row["value"] for row in read(content)[1] if row["tag"] == "245"] == ["x"]


def test_a_lost_tag_costs_one_record():
    whole = [MARC.format(id=i, title="x") for i in range(5)]
    for old in ("<record", "</record>"):
        damaged = collection(*whole[:2], whole[2].replace(old, old.replace("r", "R", 1)), *whole[3:])
        records, _, rejected = read(damaged)
        told = {row["record_id"] for row in records if row["status"] == "clean"}
        assert told == {"0", "1", "3", "4"}
        assert landing.count_records(damaged) == len(records) == 5
        assert [row["rule"] for row in rejected] == ["xml-syntax"]
        assert MARC.format(id=2, title="x")[10:-10] in rejected[0]["content"].decode()


def test_the_first_record_has_lost_its_opening_tag():
    damaged = collection(*(MARC.format(id=i, title="x") for i in range(3))).replace(b"<record", b"<Record", 1)
    records, _, rejected = read(damaged)
    assert landing.count_records(damaged) == len(records) == 3
    assert rejected[0]["content"].startswith(b"<Record") and rejected[0]["byte_offset"] == damaged.index(
        b"<Record"
    )


@pytest.mark.parametrize(
    "tag",
    ["<record><header", "</record></metadata>", "</metadata></record>", "<header>", "</header>", "<metadata>"],
)
def test_a_lost_tag_on_an_oai_page_costs_one_record(tag):
    whole = [oai_record(i, MARC.format(id=i, title="x")) for i in range(1, 6)]
    assert tag in whole[2]
    damaged = oai(*whole[:2], whole[2].replace(tag, tag.replace("r", "R", 1).replace("m", "M", 1)), *whole[3:])
    records, _, rejected = read(damaged)
    assert [row["record_id"] for row in records if row["status"] == "clean"] == [
        f"oai:demo:{i}" for i in (1, 2, 4, 5)
    ]
    assert landing.count_records(damaged) == len(records) == 5
    assert len(rejected) == 1


def test_a_record_without_its_header_is_not_known_by_another_name():
    content = oai(oai_record(1, MARC.format(id="1", title="x")), MARC.format(id="2", title="x"))
    records, _, rejected = read(content)
    assert [row["status"] for row in records] == ["clean", "rejected"]
    assert rejected[0]["rule"] == "xml-without-header"


def test_headers_alone_are_no_records():
    header = "<header status='{}'><identifier>oai:demo:1</identifier></header>"
    content = oai(header.format("deleted"), header.format("")).replace(b"Records", b"Identifiers")
    records, _, rejected = read(content)
    assert len(rejected) == len(records) == landing.count_records(content) == 2


DC = '<{0}:dc xmlns:{0}="http://x.y/z" xmlns:dc="http://purl.org/dc/elements/1.1/">{1}</{0}:dc>'


@pytest.mark.parametrize("wrapper", ["{}", "<any:collection xmlns:any='http://any/'><title/>{}</any:collection>"])
@pytest.mark.parametrize(
    ("form", "record", "identifier"),
    [
        (
            "mods",
            '<m:mods xmlns:m="http://www.loc.gov/mods/v3"><m:titleInfo><m:title>T</m:title></m:titleInfo><m:recordInfo>'
            "<m:recordIdentifier>m1</m:recordIdentifier></m:recordInfo></m:mods>",
            "m1",
        ),
        (
            "oai_dc",
            DC.format(
                "oai_dc",
                "<dc:title>T</dc:title><dc:identifier>ISBN 1</dc:identifier>"
                "<dc:identifier>http://d.e/f</dc:identifier>",
            ),
            "http://d.e/f",
        ),
        ("oai_dc", "<dc><title>T</title></dc>", None),
        (
            "qdc",
            "<qualifieddc><title>T</title><identifier>a</identifier><identifier>b</identifier></qualifieddc>",
            "a",
        ),
        (
            "dim",
            "<dim:dim xmlns:dim='http://www.dspace.org/xmlns/dspace/dim'><dim:field mdschema='dc' element='title'>"
            "T</dim:field><dim:field mdschema='dc' element='identifier' qualifier='uri'>hdl:1/2</dim:field>"
            "</dim:dim>",
            "hdl:1/2",
        ),
        (
            "xoai",
            "<metadata xmlns='http://www.lyncode.com/xoai'><element name='dc'><element name='title'>"
            "<element name='none'><field name='value'>T</field></element></element></element>"
            "<element name='others'><field name='identifier'>oai:x:1</field></element></metadata>",
            "oai:x:1",
        ),
    ],
)
def test_descriptions_without_a_record_element(form, record, identifier, wrapper):
    times = 1 if wrapper == "{}" else 3
    content = ("<?xml version='1.0'?>" + wrapper.format("\n".join([record] * times))).encode()
    records, fields, rejected = read(content)
    assert [(row["format"], row["record_id"]) for row in records] == [(form, identifier)] * times
    assert [row["value"] for row in fields if row["value"] == "T"] == ["T"] * times
    assert not rejected
    assert landing.count_records(content) == times


def test_descriptions_in_records_are_not_counted_twice():
    content = oai(
        oai_record(1, DC.format("oai_dc", "<dc:title>T</dc:title>")), oai_record(2, "<mods><a>T</a></mods>")
    )
    assert landing.count_records(content) == len(read(content)[0]) == 2
    content = content.replace(b"OAI-PMH", b"Repository")  # a static repository
    assert landing.count_records(content) == len(read(content)[0]) == 2


def test_an_endless_tag_does_not_fill_memory():
    endless = collection(
        MARC.format(id="1", title="x"), "<record " + "x" * (3 << 20), MARC.format(id="2", title="y")
    )
    blocks = units(io.BytesIO(endless), 1 << 16, 100)
    assert max(len(some.buffer) for some in blocks) < 1 << 22
    records, _, _ = read(endless)
    assert [row["status"] for row in records] == ["clean", "rejected", "clean"]
    assert landing.count_records(endless) == 3


def test_an_endless_record_does_not_fill_memory(monkeypatch):
    monkeypatch.setattr(xml_units, "MAX_RECORD", 1 << 20)
    monkeypatch.setattr(xml_units, "KEPT", 1 << 10)
    endless = collection(
        MARC.format(id="1", title="x"), "<record>" + "x" * (3 << 20), MARC.format(id="2", title="y")
    )
    records, _, rejected = read(endless)
    assert [row["status"] for row in records] == ["clean", "rejected", "clean"]
    assert len(rejected[0]["content"]) == 1 << 10
    assert landing.count_records(endless) == 3


@pytest.mark.parametrize(
    ("name", "count", "form"),
    [
        ("oai/responses/marc.xml", 100, "marc21"),
        ("oai/responses/oai_doaj.xml", 100, "oai_doaj"),
        ("unimarc/sru-cnmarcxml-response.xml", 10, "cnmarc"),
    ],
)
def test_recorded_answers(real, name, count, form):
    content = (real / name).read_bytes()
    records, _, rejected = read(content)
    assert (len(records), len(rejected)) == (count, 0)
    assert {row["format"] for row in records} == {form}
    assert landing.count_records(content) == count


MANY = [MARC.format(id=i, title=f"中國古代文學 𠀀 {i}") for i in range(40)]
DC = (
    '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>红楼梦</dc:title></oai_dc:dc>'
)
WIDE = {
    "a collection": collection(*MANY),
    "a record that is not well-formed": collection(*MANY[:3], MANY[3].replace("文學", "<文學>"), *MANY[4:]),
    "a lost tag": collection(*MANY[:3], MANY[3].replace("</record>", ""), *MANY[4:]),
    "a cut file": collection(*MANY).rpartition(b"</datafield>")[0],
    "oai_dc": oai(*(oai_record(i, DC) for i in range(1, 4)), oai_record(4, "", ' status="deleted"')),
}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be-sig", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("document", WIDE)
@pytest.mark.parametrize("block_bytes", [61, 1 << 20])
def test_utf16_says_what_its_twin_in_utf8_says(document, encoding, block_bytes, monkeypatch):
    monkeypatch.setattr(xml_records, "READ", block_bytes)
    monkeypatch.setattr(xml_units, "PEEK", block_bytes)
    twin = WIDE[document]
    mark = "\ufeff" if encoding.endswith("-sig") else ""
    content = (mark + twin.decode()).encode(encoding.removesuffix("-sig"))
    (records, fields, rejected), (of_twin, fields_of_twin, rejected_of_twin) = read(content), read(twin)
    assert landing.count_records(content) == landing.count_records(twin) == len(records)
    own = ("byte_offset", "charset", "content")
    assert without(records, own) == without(of_twin, own)
    assert fields == fields_of_twin
    assert without(rejected, own) == without(rejected_of_twin, own)
    assert {row["charset"] for row in records} == {"utf-16"}
    chunks = marcxml_documents.read(content)
    kept = [value for chunk in chunks for value in chunk.content.to_pylist()]
    for row, bytes_ in zip(records, kept, strict=True):
        assert content[row["byte_offset"] :].startswith(bytes_)
    assert [row["content"] for row in rejected] == [kept[row["record_no"]] for row in rejected]
    assert not [row for chunk in chunks for row in chunk.issues.to_pylist()]


def without(rows, names):
    return [{name: value for name, value in row.items() if name not in names} for row in rows]


def test_utf16_that_calls_itself_utf8_is_told():
    text = "<?xml version='1.0' encoding='UTF-8'?><collection>" + "".join(MANY[:2]) + "</collection>"
    (chunk,) = marcxml_documents.read(text.encode("utf-16"))
    assert chunk.records["status"].to_pylist() == ["clean"] * 2
    assert [(row["record_no"], row["rule"], row["value"]) for row in chunk.issues.to_pylist()] == [
        (0, "encoding-label", "utf-8"),
        (1, "encoding-label", "utf-8"),
    ]


def test_half_a_pair_in_utf16_costs_its_record():
    content = collection(*MANY[:3]).decode().encode("utf-16")
    half = content.replace("文".encode("utf-16-le"), b"\x00\xd8", 2).replace(
        b"\x00\xd8", "文".encode("utf-16-le"), 1
    )
    records, _, rejected = read(half)
    assert [row["status"] for row in records] == ["clean", "rejected", "clean"]
    assert rejected[0]["content"] in half and landing.count_records(half) == 3
