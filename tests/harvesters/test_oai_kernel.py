"""The kernel of OAI pages says nothing that expat and the counting of bytes do not say."""

import random
from xml.parsers import expat

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvesters import oai_page
from harvesters.http import TransientError
from harvesters.landing import count_records
from harvesters.oai_kernel import find

OAI = "http://www.openarchives.org/OAI/2.0/"
DC = 'xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
MARC = 'xmlns="http://www.loc.gov/MARC21/slim" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
TITLES = (
    "红楼梦 &amp; 石头记",
    "a &lt;b&gt; &#x4E2D;&#20013;",
    "<![CDATA[plain & simple]]>",
    "x<!-- aside -->y",
    "𠀀 é",
)


def record(number: int, prefix: str = "") -> str:
    header = (
        f"<{prefix}header><{prefix}identifier>oai:a:{number}</{prefix}identifier>"
        f"<{prefix}datestamp>2024-01-01</{prefix}datestamp></{prefix}header>"
    )
    title = TITLES[number % len(TITLES)]
    kinds = (
        f"<oai_dc:dc {DC}><dc:title xml:lang='zh'>{title}</dc:title><dc:date/></oai_dc:dc>",
        f'<record {MARC} xsi:schemaLocation="http://a b&amp;c"><leader>00000nam a2200000</leader>'
        f'<datafield tag="245" ind1="1" ind2=" "><subfield code="a">{title}</subfield></datafield></record>',
    )
    return f"<{prefix}record>{header}\n<{prefix}metadata>{kinds[number % 2]}</{prefix}metadata></{prefix}record>\n"


def page(records: int = 4, prefix: str = "", verb: str = "ListRecords") -> bytes:
    units = "".join(record(number, prefix) for number in range(records))
    if verb == "ListIdentifiers":
        units = "".join(
            f"<{prefix}header status='deleted'><{prefix}identifier>oai:a:{n}</{prefix}identifier></{prefix}header>"
            for n in range(records)
        )
    space = f"xmlns:{prefix[:-1]}" if prefix else "xmlns"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<?xml-stylesheet type="text/xsl" href="/style.xsl"?>'
        f'<{prefix}OAI-PMH {space}="{OAI}">\n<{prefix}responseDate>2024-01-02T00:00:00Z</{prefix}responseDate>'
        f'<{prefix}request verb="{verb}">http://h/o?a&amp;b</{prefix}request><{prefix}{verb}>{units}'
        f"<{prefix}resumptionToken>t</{prefix}resumptionToken></{prefix}{verb}></{prefix}OAI-PMH>\n"
    ).encode()


def holds(content: bytes, verb: str = "ListRecords") -> bool:
    """Whether the kernel took the page; then all it says must be what the others say."""
    found = find(content, verb)
    if found is None:
        return False
    expat.ParserCreate(namespace_separator=" ").Parse(content, True)
    assert not oai_page._fault(content)
    assert found.identifiers == oai_page.identifiers(content, verb)
    assert len(found.identifiers) == count_records(content)
    assert (found.start, found.end) == oai_page._listed(content, verb)
    return True


@pytest.mark.parametrize("verb", ["ListRecords", "ListIdentifiers"])
@pytest.mark.parametrize("prefix", ["", "oai:"])
def test_common_pages_are_taken(verb: str, prefix: str) -> None:
    assert holds(page(prefix=prefix, verb=verb), verb)


def test_both_ways_read_a_page_alike() -> None:
    many = page(100)
    assert len(many) > oai_page.LARGE
    plain = many.replace(b"<OAI-PMH", b"<!-- as it comes -->\n<OAI-PMH")  # in doubt, so read by the others
    assert find(plain, "ListRecords") is None
    fast, slow = oai_page.read(many, "ListRecords"), oai_page.read(plain, "ListRecords")
    assert (fast.records, fast.identifiers, fast.token) == (slow.records, slow.identifiers, slow.token)
    assert (fast.records, fast.token) == (100, "t")


def test_what_libxml2_alone_refuses_is_a_fault() -> None:
    content = page(100).replace(b'xmlns="http://www.openarchives', b'xmlns="]]http://www.openarchives', 1)
    assert find(content, "ListRecords")
    with pytest.raises(TransientError, match="not a valid URI"):
        oai_page.read(content, "ListRecords")


# What may stand anywhere, most of it wrong in most places.
PIECES = (
    b'<', b'>', b'&', b'"', b"'", b'/', b'=', b':', b' ', b'\n', b'\t', b'\x00', b'\x0b', b'\x1f', b'\x7f',
    b']]>', b'--', b'&amp;', b'&nbsp;', b'&#0;', b'&#xD800;', b'&#x10FFFF;', b'&#x110000;', b'&#65', b'&#X41;',
    b'<a>', b'</a>', b'<a/>', b'<!-- -->', b'<!-- <record> -->', b'<!-- -- -->', b'<![CDATA[',
    b'<![CDATA[<record><header>]]>', b'<![CDATA[]]>', b'<?php x?>', b'<!DOCTYPE a>', b'<record>', b'</record>',
    b'<record/>', b'<header>', b'<header/>', b'<x:record>', b'<identifier>', b'</identifier>', b'<metadata>',
    b'<resumptionToken>u</resumptionToken>', b" a='1'", b" a='1' a='2'", b" xmlns=''", b" xmlns:p=''",
    b" xmlns:p='u'", b" p:a='1'", b" xml:id='1'", b" xmlns:xml='u'", b'\xef\xbb\xbf',
    b" xmlns:q='http://www.w3.org/XML/1998/namespace'", b" xmlns='http://www.w3.org/2000/xmlns/'", b" b='>'",
    b" c='<'", b" xmlns:r='http://www.w3.org/&#88;ML/1998/namespace'", b" xmlns:s='a b'", b" xmlns:t='urn:x#y'",
    b" xmlns:u='\xc3\xa9'", b'\xff', b'\xc0\xaf', b'\xed\xa0\x80', b'\xef\xbf\xbe', b'\xef\xbf\xbf',
    b'\xf4\x90\x80\x80', b'\xe4\xb8', b'\xf0\x9f\x98\x80', b'<dc:x>', b'</dc:x>', b'<dc:record/>', b'<:a/>',
    b'<a:/>', b'<a:b:c/>', b'<1a/>', "<é/>".encode(), b'<OAI-PMH/>', b'<ListRecords>', b'</ListRecords>',
    b"standalone='yes'",
)  # fmt: skip
SEEDS = [
    (page(3), "ListRecords"), (page(3, "oai:"), "ListRecords"),
    (page(3, verb="ListIdentifiers"), "ListIdentifiers"), (page(2, "o:", "ListIdentifiers"), "ListIdentifiers"),
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(PIECES)), min_size=1, max_size=3),
)
@example((page(3), "ListRecords"), [(0.999, 0, b"<record/>")])
def test_what_expat_refuses_is_never_taken(seed, changes) -> None:
    content, verb = seed
    for where, cut, piece in changes:
        at = int(where * len(content))
        content = content[:at] + piece + content[at + cut :]
    holds(content, verb)


def test_each_piece_at_many_places() -> None:
    """At each place where a tag, a name, a value or a text begins or ends."""
    taken = 0
    chosen = random.Random(5)
    for content, verb in SEEDS:
        edges = [
            at for at in range(1, len(content)) if chr(content[at - 1]).isalnum() != chr(content[at]).isalnum()
        ]
        for piece in PIECES:
            for at in chosen.sample(edges, 60):
                taken += holds(content[:at] + piece + content[at:], verb)
    assert taken > 1000  # it is not that all is refused


def test_each_cut_page_is_left_to_others() -> None:
    content = page(2)
    assert find(content, "ListRecords")
    for end in range(len(content) - 1):
        assert find(content[:end], "ListRecords") is None, content[end - 30 : end]


def test_each_lost_byte() -> None:
    content = page(2)
    for at in range(len(content)):
        holds(content[:at] + content[at + 1 :])
        holds(content[:at] + bytes([content[at] ^ 0x20]) + content[at + 1 :])


@pytest.mark.parametrize(
    "change",
    [
        (b"<metadata>", b"<header></header><metadata>"),  # a second header
        (b"<responseDate>", b"<record/><responseDate>"),
        (b"</ListRecords>", b"</ListRecords><ListRecords></ListRecords>"),
        (
            b"<resumptionToken>",
            b"<resumptionToken>a</resumptionToken>" + record(9).encode() + b"<resumptionToken>",
        ),
        (b"<header>", b"<header a='>'>"),
        (b"<header>", b"text<header>"),
        (b"<identifier>", b"<!-- --><identifier>"),
        (b"oai:a:0<", b"oai:<!-- -->a:0<"),
        (b"</OAI-PMH>", b"</OAI-PMH><!-- -->"),
        (b"UTF-8", b"ISO-8859-1"),
        (b'version="1.0"', b'version="1.1"'),
        (b"<metadata>", b"<metadata>" + b"<a>" * 70 + b"</a>" * 70),
    ],
)
def test_what_is_uncommon_is_left_to_others(change: tuple[bytes, bytes]) -> None:
    assert find(page().replace(*change, 1), "ListRecords") is None
