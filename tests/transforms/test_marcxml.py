"""MARCXML by the compiled kernel: what it accepts, lxml reads the same; what lxml refuses, it never accepts.

`CALIS_FUZZ_SECONDS` makes more examples.
"""

import io
import os

import pymarc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvesters import containers
from harvesters.landing import count_records
from tests.transforms.marcxml_documents import NO_UTF8, by_lxml, compiled, damaged, documents, read, rows
from transforms import iso2709
from transforms.xml_units import units

EXAMPLES = 100 + 10 * int(os.environ.get("CALIS_FUZZ_SECONDS", "0"))
MANY = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
HINTS = st.sampled_from(["auto", "cnmarc", "unimarc", "marc21"])


def agree(content: bytes, hint: str = "auto") -> dict:
    """Both readings are the same, no record is lost, and none takes another's bytes."""
    end = 0
    for some in units(io.BytesIO(content), 1 << 20, 1_000):
        ends = some.places + (some.ends - some.starts)
        for start, stop in zip(some.places.tolist(), ends.tolist(), strict=True):
            assert some.wide or end <= start <= stop
            end = stop
    found = rows(read(content, hint))
    assert found == by_lxml(content, hint)
    if containers.container(content[: containers.SNIFF]) == containers.XML:
        assert len(found["records"]) == count_records(content)
    return found


@MANY
@given(documents(), HINTS)
def test_documents_of_all_kinds(content, hint):
    found = agree(content, hint)
    assert found["records"] and "xml-syntax" not in [row["rule"] for row in found["rejected"]]


@settings(MANY, max_examples=2 * EXAMPLES)
@given(damaged(), HINTS)
def test_damaged_documents(content, hint):
    agree(content, hint)


RECORD = (
    "<record><leader>00000nam a2200000 a 4500</leader><controlfield tag='001'>1</controlfield>"
    "<datafield tag='200' ind1='1' ind2=' '><subfield code='a'>T</subfield></datafield></record>"
)


def alone(record: str, wrapper: str = "<collection>{}</collection>") -> bytes:
    return wrapper.format(record).encode()


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("as it is", "", ""),
        ("references", ">T<", ">&lt;&#x4e2d;&#20013;&quot;<"),
        ("CDATA", ">T<", "><![CDATA[<T>&amp;]]]]>x<"),
        ("end of line", ">T<", ">\r\n T\r<"),
        ("comment between elements", "<datafield", "<!-- - <x> & --><datafield"),
        ("no indicator", " ind2=' '", ""),
        ("empty indicator", "ind2=' '", 'ind2=""'),
        ("no code", " code='a'", ""),
        ("another attribute", "<subfield", "<subfield id='x>y' xml:lang='zh'"),
        ("prefix of its own", "<record>", "<record xmlns:x='http://a.b/c-d' x:y='z'>"),
        ("letter tag", "tag='200'", "tag='A 2'"),
        ("no number", "<controlfield tag='001'>1</controlfield>", ""),
        ("empty leader", ">00000nam a2200000 a 4500</leader>", "/>"),
        ("empty field", "<datafield", "<datafield tag='300'/><datafield"),
        ("white space in tags", "</subfield>", "</subfield\n>"),
    ],
)
def test_what_the_kernel_reads(what, old, new):
    content = alone(RECORD.replace(old, new, 1))
    (marc,) = compiled(content)
    assert not marc.left.any()
    assert agree(content)["rejected"] == []


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("unknown entity", ">T<", ">&secret;<"),
        ("end of CDATA", ">T<", ">]]><"),
        ("tag cut", "</subfield>", "</subfield"),
        ("nesting", "</subfield></datafield>", "</datafield></subfield>"),
        ("attribute twice", "code='a'", "code='a' code='b'"),
        ("attributes together", "ind1='1' ", "ind1='1'"),
        ("no quotes", "code='a'", "code=a"),
        ("less than in a value", "code='a'", "code='<'"),
        ("unknown prefix", "<record>", "<record x:y='z'>"),
        ("two hyphens", "<datafield", "<!-- -- --><datafield"),
        ("prefix for nothing", "<record>", "<record xmlns:x=''>"),
        ("reserved prefix", "<record>", "<record xmlns:xml='http://a.b/'>"),
        ("reserved namespace", "<record>", "<record xmlns:a='http://www.w3.org/XML/1998/namespace'>"),
        (
            "same attribute by two prefixes",
            "<record>",
            "<record xmlns:a='http://a/' xmlns:b='http://a/' a:x='' b:x=''>",
        ),
    ],
)
def test_what_no_parser_accepts(what, old, new):
    content = alone(RECORD + RECORD.replace(old, new, 1) + RECORD)
    assert old in RECORD
    only_the_second_is_refused(content)


@pytest.mark.parametrize("bytes_", [one for one in NO_UTF8 if one != b"\xef\xbf\xbe"])  # which is mended
def test_what_is_no_utf8(bytes_):
    content = alone(RECORD + RECORD.replace(">T<", ">@<") + RECORD).replace(b"@", bytes_)
    only_the_second_is_refused(content)


@pytest.mark.parametrize(
    ("new", "read_as", "rule", "status"),
    [
        (b"A&nbsp;B", "A\xa0B", "xml-bare-ampersand", "mended"),
        (b"A & B&c=1", "A & B&c=1", "xml-bare-ampersand", "mended"),
        (b"A&#xFFFE;B", "AB", "xml-control-character", "mended"),
        (b"A&#0;B", "AB", "xml-control-character", "mended"),
        (b"A\x02B", "AB", "xml-control-character", "mended"),
        (b"A\xef\xbf\xbeB", "AB", "xml-control-character", "mended"),
        (b"M\xfcller, caf\xe9", "Müller, café", "xml-wrong-bytes", "doubtful"),
    ],
)
def test_illegal_characters_are_mended_and_flagged(new, read_as, rule, status):
    content = alone(RECORD + RECORD.replace(">T<", ">@<", 1) + RECORD).replace(b"@", new)
    (marc,) = compiled(content)
    assert marc.left.tolist() == [False, True, False]
    read = agree(content)
    assert [row["status"] for row in read["records"]] == ["clean", status, "clean"] and not read["rejected"]
    assert [(row["record_no"], row["rule"]) for row in read["issues"]] == [(1, rule)]
    assert read_as in [row["value"] for row in read["fields"] if row["record_no"] == 1]


def only_the_second_is_refused(content: bytes) -> None:
    (marc,) = compiled(content)
    assert marc.left.tolist() == [False, True, False]
    read = agree(content)
    assert [row["status"] for row in read["records"]] == ["clean", "rejected", "clean"]
    assert [row["rule"] for row in read["rejected"]] == ["xml-syntax"]


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("instruction", "<datafield", "<?x y?><datafield"),
        ("element of another kind", "<datafield", "<x/><datafield"),
        ("markup in a value", ">T<", ">T<b>x</b><"),
        ("comment in a value", ">T<", ">T<!-- x -->U<"),
        ("long code", "code='a'", "code='ab'"),
        ("reference in an attribute", "code='a'", "code='&#97;'"),
        ("no tag", "tag='200'", ""),
        ("leader behind", "</record>", "<leader>x</leader></record>"),
        ("number twice", "<datafield", "<controlfield tag='001'>2</controlfield><datafield"),
        ("namespace that is no address", "<record>", "<record xmlns:x='a'>"),
        ("character above ASCII in a code", "code='a'", "code='中'"),
    ],
)
def test_what_the_kernel_leaves_to_lxml(what, old, new):
    content = alone(RECORD.replace(old, new, 1))
    (marc,) = compiled(content)
    assert marc.left.all()
    assert agree(content)["rejected"] == []


@pytest.mark.parametrize(
    "head", ["<?x </record> {}?><collection>", "<collection a='</record>{}'>", "<collection </record> a='{}'>"]
)
def test_a_closing_tag_before_the_root_is_a_record_of_no_bytes(head):
    content = (head.format("x" * 5_000) + RECORD * 2 + "</collection>").encode()
    assert len(agree(content)["records"]) + len(agree(content)["rejected"]) >= 3


def test_other_encodings_are_left():
    content = b"<?xml version='1.0' encoding='ISO-8859-1'?>" + alone(RECORD.replace(">T<", ">é<")).decode().encode(
        "latin-1"
    )
    assert agree(content)["fields"][-1]["value"] == "é"


def test_a_document_type_hides_nothing():
    content = b"<!DOCTYPE a [<!ENTITY amp 'x'>]>" + alone(RECORD.replace(">T<", ">&amp;<"))
    assert agree(content)["fields"][-1]["value"] == "&"


@pytest.mark.parametrize("name", ["lc-books.mrc", "lc-chinese.mrc"])
def test_as_iso2709(real, name):
    """The same records in ISO 2709 and in MARCXML are the same rows, but for lengths in the leader."""
    with (real / "marc21" / name).open("rb") as stream:
        received = b"".join(unit + b"\x1d" for unit in stream.read(1 << 20).split(b"\x1d")[:-1])
    written = [pymarc.record_to_xml(record) for record in pymarc.MARCReader(received, to_unicode=True)]
    content = b"<collection>" + b"".join(written) + b"</collection>"
    assert not any(marc.left.any() for marc in compiled(content))
    one, other = rows(list(iso2709.read(io.BytesIO(received)))), rows(read(content))
    assert len(one["records"]) > 700
    for column in ("record_id", "control_number", "format", "status", "charset"):
        assert [row[column] for row in one["records"]] == [row[column] for row in other["records"]]
    assert len(one["fields"]) == len(other["fields"])
    for mine, theirs in zip(one["fields"], other["fields"], strict=True):
        assert mine == theirs or (mine["tag"] == "LDR" and mine["value"][5:12] == theirs["value"][5:12])


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("oai/responses/marc.xml", 0),
        ("oai/responses/oai_doaj.xml", 100),
        ("unimarc/sru-cnmarcxml-response.xml", 0),
        ("unimarc/sru-unimarcxml-response.xml", 0),
    ],
)
def test_recorded_answers_by_both(real, name, left):
    content = (real / name).read_bytes()
    assert sum(int(marc.left.sum()) for marc in compiled(content)) == left
    for hint in ("auto", "cnmarc", "unimarc"):
        agree(content, hint)
