"""What a file is, told by its content; what is none of ours is refused, and a person's record flagged."""

import pytest

from harvesters import containers
from harvesters.landing import count_records
from tests.transforms import marc_records
from tests.transforms.text_marc import column, read, rules, whole
from transforms.detect import FormatError

ISO = marc_records.build([("001", "1"), ("245", "10\x1faT")])
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        (containers.ISO2709, ISO),
        (containers.ISO2709, b"\r\n" + ISO.decode().encode("utf-16")),
        (containers.XML, BOM + b"\n<collection/>"),
        (containers.XML, "<?xml version='1.0'?><collection/>".encode("utf-16-le")),
        (containers.XML, "\n<collection/>".encode("utf-16-be")),
        (containers.JSON, b' [ {"leader": "x"'),
        (containers.JSON, '{"fields": []}'.encode("utf-16")),
        (containers.ALEPH, BOM + b"000000001 LDR   L 00000nam"),
        (containers.LINES, b"=LDR  00000nam\n=001  1\n=245  10$aT\n"),
        (containers.LINES, "01106nam2 2200253   45__\n20010ǂa浙江\n".encode()),
        (containers.LINES, "001 1\n200 1  ▼a浙江\n".encode("gb18030")),
        (containers.EMPTY, b" \r\n\x1a"),
        (containers.OTHER, b"loan_id,reader,barcode\n1,2,3\n"),
        (containers.OTHER, b"001|200|300\n100012|2026-01-01|x\n001 2|x|y\n"),
        (containers.OTHER, b"%PDF-1.4"),
        (containers.OTHER, b"PK\x03\x04"),
        (containers.OTHER, b"%PDF-1.4\n" + bytes(range(256))),
        (containers.OTHER, b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
        (containers.OTHER, b"BZh91AY&SY\x1d\x1e\x1f"),
    ],
)
def test_containers(kind, start):
    if kind == containers.ISO2709 and start.startswith(b"\r\n"):
        start = start[2:]
    assert containers.container(start) == kind


@pytest.mark.parametrize(
    "content",
    [
        b"name,card\nx,1\n",
        b"%PDF-1.4",
        b"<html><body>404</body></html>",
        "<html><body>404</body></html>".encode("utf-16"),
        b"<collection><r><l>00000nam a2200000 a 4500</l><c001>1</c001></r></collection>",  # TurboMARC
        b"<records><!-- <record/> --><book/></records>",
        b"\0" * (2 << 20) + ISO,
    ],
)
def test_unknown_files_are_refused_with_what_to_do(content):
    with pytest.raises(FormatError, match="Export"):
        list(read(content))


def test_blanks_before_the_first_record():
    content = b"\n" * 10_000 + ISO
    assert count_records(content) == sum(len(chunk.records) for chunk in read(content)) == 1


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"<collection/>", b"<?xml version='1.0'?><!-- <c/> --><x:collection></x:collection>"]
)
def test_nothing_is_no_error(content):
    assert not list(read(content))


READER_MARC = (
    '<collection><record><controlfield tag="001">1</controlfield><datafield tag="200"><subfield code="a">张三'
    '</subfield></datafield><datafield tag="300"><subfield code="a">x</subfield></datafield></record></collection>'
)
READER_XML = (
    "<root><record><barcode>1</barcode><name>张三</name><cardNumber>2</cardNumber>"
    "<gender>女</gender></record></root>"
)


@pytest.mark.parametrize("content", [READER_MARC, READER_XML])
def test_a_reader_in_xml_is_flagged(content):
    chunk = whole(content.encode())
    assert len(column(chunk, "status")) == 1 and rules(chunk) == ["possible-personal-data"]


def test_a_book_in_xml_is_not():
    book = READER_MARC.replace('tag="300"', 'tag="210"')
    assert rules(whole(book.encode())) == []
