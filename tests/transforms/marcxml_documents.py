"""MARCXML documents for tests: as exporters write them, in all their ways, and damaged at random."""

import io
from typing import Any

import numpy as np
from hypothesis import strategies as st

from transforms import marcxml, xml_records
from transforms.chunk import Chunk
from transforms.xml_units import units

OAI = "http://www.openarchives.org/OAI/2.0/"
SRU = "http://www.loc.gov/zing/srw/"
SLIM = "http://www.loc.gov/MARC21/slim"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

BLANKS = st.sampled_from(["", "", " ", "\n  ", "\r\n\t", "<!-- c -->", "\n<!-- <x> & - -->\n"])
GAPS = st.sampled_from([" ", " ", "  ", "\n", "\r\n\t"])
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
TEXTS = st.text(LETTERS | st.sampled_from("\n\r\t &<>\"'];A中é\x85\xa0\u2003😀"), max_size=12)
TAGS = st.sampled_from(["200", "245", "690", "905", "100", "001", "010", "A12", "FMT", "0 2", "801"])
CHARACTERS = st.sampled_from(["1", " ", "a", "#", "z"])

# What damage puts into a document, or in place of a part of it.
PIECES = """
    < > & &amp; &#x41; &#65; &#0; &#xD; &#x110000; &nbsp; &lt; ]]> ]] <![CDATA[ <!-- --> -- <?x?> <!DOCTYPE a>
    / ' " = : a: m: oai: <record> </record> <record/> <subfield/> </subfield> <header> </header> <metadata>
    </metadata>
    <leader>d</leader> <datafield> </datafield> <a/> <a>x</a> <recordData> </recordData> d \x00 \x01 \ufeff
    \uffff 中 😀 <controlfield/>
""".split()
ATTRIBUTES = """
    xmlns:a='http://a/' xmlns='' xmlns:m='u' xmlns:m='' xmlns:oai='http://www.w3.org/XML/1998/namespace' id='1'
    xml:lang='zh' xml:space='x' xml:id='1' code='a' tag='001' tag='690' ind1='1' status='deleted' status='Deleted'
    xsi:type='q' a:b='1'
""".split()
PIECES += ["\r", "\r\n", "\n", " ", "\t", "\x0b", "\x85", "\u2003", "<controlfield tag='001'>z</controlfield>"]
PIECES += [*(f" {attribute} " for attribute in ATTRIBUTES), " oai:b='1' m:b='2' ", "<?xml version='1.0'?>"]
NO_UTF8 = [b"\xe4\xb8", b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xf5\x80\x80\x80", b"\xef\xbf\xbe"]
BROKEN = [*(piece.encode() for piece in PIECES), *NO_UTF8]


@st.composite
def escaped(draw: Any, text: str) -> str:
    """The text in one of the ways that XML has for it."""
    way = draw(st.sampled_from(["usual", "usual", "numbers", "hexadecimal", "cdata"]))
    if way == "cdata" and "]]>" not in text:
        return f"<![CDATA[{text}]]>"
    if way == "numbers":
        return "".join(f"&#{ord(c)};" for c in text)
    if way == "hexadecimal":
        return "".join(f"&#x{ord(c):x};" for c in text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("]]>", "]]&gt;")


@st.composite
def start_tags(draw: Any, name: str, attributes: dict[str, str]) -> str:
    """A start tag without its end."""
    parts = ["<", name]
    for attribute, value in draw(st.permutations(sorted(attributes.items()))):
        quote = draw(st.sampled_from("\"'"))
        equals = draw(st.sampled_from(["=", "=", " = "]))
        parts += [draw(GAPS), attribute, equals, quote, value, quote]
    return "".join(parts)


@st.composite
def elements(draw: Any, name: str, content: str, attributes: dict[str, str] | None = None) -> str:
    """An element with its tags; perhaps empty in short."""
    start = draw(start_tags(name, attributes or {}))
    gap = draw(st.sampled_from(["", "", " "]))
    if content == "" and draw(st.booleans()):
        return f"{start}{gap}/>"
    return f"{start}{gap}>{content}</{name}{gap}>"


@st.composite
def marc_records(draw: Any, prefix: str, attributes: dict[str, str]) -> str:
    """A record of MARCXML whose names have this prefix."""
    fields = []
    if draw(st.integers(0, 9)):
        leader = f"00000{draw(st.sampled_from('nnncd'))}am a2200000 a 4500"
        fields.append(draw(elements(f"{prefix}leader", leader)))
    if draw(st.integers(0, 9)):
        number = draw(escaped(draw(st.sampled_from(["1", " 2 ", "", "中", "\u2003x "]))))
        fields.append(draw(elements(f"{prefix}controlfield", number, {"tag": "001"})))
    for _ in range(draw(st.integers(0, 4))):
        said = {"tag": draw(TAGS), "ind1": draw(CHARACTERS), "ind2": draw(CHARACTERS)}
        if draw(st.integers(0, 9)) == 0:
            del said[draw(st.sampled_from(["ind1", "ind2"]))]
        inside = draw(BLANKS)
        for _ in range(draw(st.integers(0, 3))):
            code = {"code": draw(CHARACTERS)} if draw(st.integers(0, 9)) else {}
            value = draw(escaped(draw(TEXTS)))
            inside += draw(elements(f"{prefix}subfield", value, code)) + draw(BLANKS)
        fields.append(draw(elements(f"{prefix}datafield", inside, said)))
    return draw(elements(f"{prefix}record", draw(BLANKS).join(["", *fields, ""]), attributes))


@st.composite
def documents(draw: Any) -> bytes:
    """A collection, an OAI-PMH page or an SRU answer in UTF-8."""
    kind = draw(st.sampled_from(["collection", "oai", "sru"]))
    prefix = draw(st.sampled_from(["", "", "marc:"]))
    outer = "oai:" if kind == "oai" and draw(st.booleans()) else ""
    declared = {"xmlns:marc" if prefix else "xmlns": SLIM, "xmlns:xsi": XSI}
    own = {} if kind == "collection" else declared | draw(st.sampled_from([{}, {"xsi:schemaLocation": "a b"}]))
    records = ""
    for number in range(draw(st.integers(1, 4))):
        marc = draw(marc_records(prefix, own))
        records += draw(BLANKS) + (draw(_enveloped(kind, outer, number, marc)) if kind != "collection" else marc)
    if kind == "collection":
        document = f"{draw(start_tags('collection', declared))}>{records}</collection>"
    elif kind == "oai":
        root = {"xmlns:oai" if outer else "xmlns": OAI}
        start = draw(start_tags(f"{outer}OAI-PMH", root))
        document = f"{start}><{outer}ListRecords>{records}</{outer}ListRecords></{outer}OAI-PMH>"
    else:
        document = f"<searchRetrieveResponse xmlns='{SRU}'><records>{records}</records></searchRetrieveResponse>"
    return (draw(st.sampled_from(["", "<?xml version='1.0' encoding='UTF-8'?>\n"])) + document).encode()


@st.composite
def _enveloped(draw: Any, kind: str, outer: str, number: int, marc: str) -> str:
    if kind == "sru":
        position = f"<recordPosition>{number}</recordPosition>"
        return f"<record><recordSchema>marcxml</recordSchema><recordData>{marc}</recordData>{position}</record>"
    deleted = draw(st.integers(0, 5)) == 0
    identifier = draw(elements(f"{outer}identifier", draw(escaped(f" oai:x:{number}"))))
    header = draw(elements(f"{outer}header", identifier, {"status": "deleted"} if deleted else {}))
    about = draw(st.sampled_from(["", f"<{outer}about><p:x xmlns:p='http://p.q/'>&amp;<y/></p:x></{outer}about>"]))
    metadata = "" if deleted else f"<{outer}metadata>{draw(BLANKS)}{marc}</{outer}metadata>{about}"
    return f"<{outer}record>{header}{metadata}</{outer}record>"


@st.composite
def damaged(draw: Any) -> bytes:
    """A document in which something was put in, taken out or changed."""
    content = bytearray(draw(documents()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        if draw(st.booleans()):  # beside a sign that matters
            signs = [place for place, byte in enumerate(content) if byte in b"<>\"'= "]
            at = signs[at % len(signs)] + draw(st.integers(0, 1)) if signs else at
        length = draw(st.sampled_from([0, 0, 0, 1, 2, 8]))
        content[at : at + length] = draw(st.sampled_from([b"", *BROKEN]) | st.binary(max_size=2))
    return bytes(content[: draw(st.sampled_from([None, None, None, len(content) * 2 // 3]))])


def read(content: bytes, hint: str = "auto") -> list[Chunk]:
    """The chunks of a document that is read by itself."""
    chunks: list[Chunk] = []
    for some in xml_records.cut(io.BytesIO(content)):
        chunks.append(xml_records.chunk(some, sum(map(len, chunks)), hint))
    return chunks


def compiled(content: bytes, hint: str = "auto") -> list[marcxml.Marc]:
    """What the kernel makes of a document."""
    found = []
    for some in units(io.BytesIO(content), 1 << 20, 1000):
        root = xml_records.root_of(some.head)
        needs_header = some.layout.mark == b"header"
        found.append(marcxml.read(some, some.digests(), 0, root.prefixes, root.encoding, hint, needs_header))
    return found


def by_lxml(content: bytes, hint: str = "auto") -> dict[str, list[Any]]:
    """What lxml makes of a document, each record parsed by itself."""
    chunks: list[Chunk] = []
    number = 0
    for some in units(io.BytesIO(content), 1 << 20, 1000):
        digests = some.digests()
        for one in range(len(some)):
            chunks.append(xml_records.parsed(some, np.array([one]), digests, number, hint))
        number += len(some)
    return rows(chunks)


def rows(chunks: list[Chunk]) -> dict[str, list[Any]]:
    """Chunks as plain lists."""
    names = ("records", "fields", "issues", "rejected", "content")
    return {name: [row for chunk in chunks for row in getattr(chunk, name).to_pylist()] for name in names}
