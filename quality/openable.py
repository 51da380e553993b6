"""Records that were set aside, made so that a MARC editor opens them: what is right goes as it came.

A record of ISO 2709 whose lengths, directory or terminators are wrong is put together anew from its fields, whose
bytes stay as they are, in the encoding that they came in.  MARCXML goes into one collection.  What is neither, or
has too little left to tell its fields apart, is given as it came.
"""

import io
import re
from typing import NamedTuple

import pymarc
from lxml import etree

FIELD, RECORD = b"\x1e", b"\x1d"
MOST = 99_999  # bytes of a record, 9,999 of a field: what ISO 2709 can say
SLIM = "http://www.loc.gov/MARC21/slim"
_TAG = re.compile(rb"[0-9A-Za-z]{3}")
_TYPES = re.compile(rb"[ -~]{5}")


class Opened(NamedTuple):
    """A record as `mrc`, `xml` or a line of `txt`, or `raw` for bytes as they came; what was done to it."""

    form: str
    content: bytes
    note_zh: str = ""
    note_en: str = ""


def opened(content: bytes) -> Opened:
    """The record as a MARC editor can open it, if it can be made so."""
    text = content.lstrip(b"\xef\xbb\xbf \r\n\t")
    if text.startswith(b"<"):
        record = _marcxml(text)
        if record is not None:
            return Opened("xml", record)
        return Opened("raw", content, "不是可读的 MARCXML，按原样附上", "no MARCXML that can be read; as it came")
    if FIELD not in content and (line := _line(content)):
        return Opened("txt", line)
    if _is_right(content):
        return Opened("mrc", content)
    mended = _put_together(text)
    if mended and _is_right(mended):
        note = "长度与目录已重算，字段内容未动；请核对末尾字段是否完整"
        return Opened("mrc", mended, note, "lengths and directory computed anew, fields untouched; check the last")
    return Opened("raw", content, "无法分辨字段，按原样附上", "its fields can't be told apart; as it came")


def _line(content: bytes) -> bytes:
    """One line of text, as usage comes in; empty for anything else."""
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        return b""
    return text.encode() + b"\n" if text.isprintable() else b""


def _is_right(content: bytes) -> bool:
    """Whether every length is right, and pymarc reads it with all its fields."""
    if len(content) > MOST or not content.endswith(FIELD + RECORD) or content[:5] != b"%05d" % len(content):
        return False
    if not content[12:17].isdigit() or content.count(RECORD) > 1:
        return False
    base = int(content[12:17])
    directory = content[24 : base - 1]
    if content[base - 1 : base] != FIELD or FIELD in directory or len(directory) % 12 or not directory.isalnum():
        return False
    try:
        record = next(pymarc.MARCReader(io.BytesIO(content), to_unicode=False))
    except (StopIteration, UnicodeDecodeError, ValueError):
        return False
    return record is not None and len(record.fields) == len(directory) // 12 == content.count(FIELD) - 1


def _put_together(content: bytes) -> bytes | None:
    """The record from its leader, the tags of its directory and its fields in order; None if that fails."""
    head, *fields = content.rstrip(b"\r\n\0\x1a").rstrip(RECORD).split(FIELD)
    if fields and not fields[-1]:
        fields.pop()
    directory = head[24:]
    tags = [directory[at : at + 3] for at in range(0, len(directory) - len(directory) % 12, 12)]
    if RECORD in b"".join(fields) or not fields or len(fields) > len(tags):
        return None
    if not all(_TAG.fullmatch(tag) for tag in tags) or any(len(field) >= 9_999 for field in fields):
        return None
    types = head[5:10] if _TYPES.fullmatch(head[5:10]) else b"nam  "
    rest = head[17:20] if re.fullmatch(rb"[ -~]{3}", head[17:20]) else b"   "
    entries, data = b"", b""
    for tag, field in zip(tags, fields, strict=False):
        entries += tag + b"%04d%05d" % (len(field) + 1, len(data))
        data += field + FIELD
    base = 24 + len(entries) + 1
    length = base + len(data) + 1
    if length > MOST:
        return None
    return b"%05d" % length + types + b"22" + b"%05d" % base + rest + b"4500" + entries + FIELD + data + RECORD


def _marcxml(content: bytes) -> bytes | None:
    """The first MARC record in some XML, in the namespace of MARCXML; None if there is none."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        return None
    for element in root.iter("{*}record"):
        if element.find("{*}leader") is not None or element.find("{*}datafield") is not None:
            return _slim(element)
    return None


def _slim(element: etree._Element) -> bytes:
    record = etree.Element(f"{{{SLIM}}}record", nsmap={None: SLIM})
    for part in element:
        if not isinstance(part.tag, str):
            continue
        copy = etree.SubElement(record, f"{{{SLIM}}}{etree.QName(part).localname}", dict(part.attrib))
        copy.text = part.text
        for subfield in part:
            if isinstance(subfield.tag, str):
                etree.SubElement(copy, f"{{{SLIM}}}subfield", dict(subfield.attrib)).text = subfield.text
    return etree.tostring(record, encoding="utf-8")


def collection(records: list[bytes]) -> bytes:
    """Records of MARCXML as one document."""
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<collection xmlns="{SLIM}">\n'.encode()
    return head + b"\n".join(records) + b"\n</collection>\n"
