"""Records in XML: MARCXML collections, SRU answers, OAI-PMH pages with MARCXML, Dublin Core, MODS, DIM.

The bytes are cut at record elements (`xml_units`), under a root that repeats the namespaces declared before the
first of them, so memory stays flat, every record has a byte offset, and one that is not well-formed is set aside
alone.  What came in UTF-16 is read as UTF-8, and kept as it came.  MARCXML is read by a compiled kernel
(`marcxml`); what that leaves is parsed by lxml here, which also says what is right.  Elements are known by local
name, whatever their namespace.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from lxml import etree
from numpy.typing import NDArray

from harvesters.xml_mend import UNDECODABLE, WRONG_BYTES, mend
from transforms import charset, marcxml, xml_metadata
from transforms.chunk import ISSUES, NO_ISSUES, NONE_REJECTED, RECORDS, Chunk
from transforms.field_columns import Columns, Field
from transforms.xml_units import MAX_RECORD, Units, units

READ = 1 << 20
CHUNK_RECORDS = 2000
ADVICE = "mend the record at the source and send it again; the bytes are kept with this row"
_NAMESPACE = re.compile(rb"xmlns(?::[\w.\-]+)?\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_DECLARATION = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9_\-]+)[\"']")
_NAMED = re.compile(rb"header(?:\s[^<>]*)?>\s*<(?:[\w.\-]+:)?identifier\s*>([^<]*)<")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_MARC_CHILDREN = ("{*}leader", "{*}controlfield", "{*}datafield")
_BETWEEN = b"<?next?>"  # stands between records that are parsed together
_WIDE = ("utf-16", "utf-16le", "utf-16be", "ucs-2", "iso-10646-ucs-2")  # as documents declare UTF-16
_MENDED = (charset.UTF_8, charset.UNKNOWN)  # where a record's illegal characters can be told
_OTHERS = (charset.UTF_8, charset.GB18030, charset.BIG5)  # what a record may be in that belies its declaration


@dataclass(frozen=True)
class Root:
    """What to put before and after a record so that it parses by itself, and the encoding declared."""

    before: bytes
    after: bytes
    encoding: str
    prefixes: NDArray[np.uint8]  # that are declared, each with a colon behind it
    compiled: bool  # whether the kernel may read what stands in it


def _parser() -> etree.XMLParser:
    return etree.XMLParser(recover=False, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _declared(head: bytes) -> str:
    """The encoding that a document declares; gb18030 for its parts, since what says GB 2312 often is GBK."""
    found = _DECLARATION.search(head)
    name = found.group(1).decode("ascii").lower() if found else charset.UTF_8
    try:
        known = charset.canonical(name)
    except ValueError:
        return name
    return known if known in _OTHERS else name


@lru_cache(maxsize=16)
def root_of(head: bytes, encoding: str = "") -> Root:
    """The root for records behind this head of a document, in the encoding that it declares or another."""
    encoding = encoding or _declared(head)
    found: dict[bytes, bytes] = {}
    for match in _NAMESPACE.finditer(head):
        found[match.group().split(b"=", 1)[0].strip()] = match.group()
    start = b'<?xml version="1.0" encoding="' + encoding.encode("ascii") + b'"?><root ' + b" ".join(found.values())
    prefixes = b"".join(name[6:] + b":" for name in found if name[5:6] == b":")
    compiled = encoding == charset.UTF_8
    try:
        etree.fromstring(start + b"/>", _parser())
    except (etree.XMLSyntaxError, LookupError):
        compiled = False
    return Root(start + b">", b"</root>", encoding, np.frombuffer(prefixes, np.uint8), compiled)


def _root(found: Units) -> Root:
    return root_of(found.head, charset.UTF_8 if found.wide else "")


def _needs_header(found: Units) -> bool:
    """Whether a record without the header of OAI-PMH is none."""
    return found.layout.mark == b"header"


def _local(tag: object) -> str:
    return xml_metadata.split(tag)[1]


def _child(element: Any, name: str) -> Any:
    return next(element.iterchildren("{*}" + name), None)


def _marc(element: Any) -> tuple[list[Field], dict[str, Any]]:
    """The fields of a MARCXML record, its control number and format, and whether it is a withdrawal."""
    leader, control_number = "", None
    fields: list[Field] = []
    for child in element:
        name = _local(child.tag)
        tag = child.get("tag") or ""
        if name == "leader":
            leader = child.text or ""
        elif name == "controlfield":
            value = child.text or ""
            if tag == "001" and control_number is None:
                control_number = value.strip() or None
            fields.append((tag, None, None, [(None, value)]))
        elif name == "datafield":
            subfields: list[tuple[str | None, str]] = [
                (sub.get("code") or "", "".join(sub.itertext()) if len(sub) else sub.text or "")
                for sub in child
                if isinstance(sub.tag, str)
            ]
            if subfields:
                fields.append((tag, child.get("ind1", " "), child.get("ind2", " "), subfields))
    found = {"control_number": control_number, "format": _dialect(fields)}
    if leader:
        fields.insert(0, ("LDR", None, None, [(None, leader)]))
    return fields, found | {"withdrawn": leader[5:6] == "d"}


def _dialect(fields: list[Field]) -> str:
    """marc21, cnmarc or unimarc, by the tags and whether there is Chinese text."""
    tags = {tag for tag, *_ in fields}
    if "200" not in tags or "245" in tags:
        return "marc21"
    han = any(_HAN.search(value) for *_, subfields in fields for _, value in subfields)
    return "cnmarc" if han or tags & {"690", "905", "906", "920"} else "unimarc"


def _payload(record: Any) -> tuple[Any, Any]:
    """(header, described element) of an OAI, SRU or plain record; either may be None."""
    header = _child(record, "header")
    for name in ("metadata", "recordData"):
        wrapper = _child(record, name)
        if wrapper is not None:
            described = next(wrapper.iterchildren(etree.Element), None)
            return header, _unpacked(wrapper.text) if described is None else described
    return (header, None) if header is not None else (None, record)


def _unpacked(text: str | None) -> Any:
    """The element that SRU sent as text (recordPacking or recordXMLEscaping `string`); None if it is none."""
    if not text or not text.lstrip().startswith("<"):
        return None
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    try:
        return etree.fromstring(text.encode(), _parser())
    except etree.XMLSyntaxError:
        return None


def _is_deleted(header: Any) -> bool:
    """Whether an OAI header tells of a deletion, in whatever case it does."""
    return bool(header.get("status", "").strip().lower() == "deleted")


def _read(record: Any, columns: Columns, row: dict[str, Any], needs_header: bool) -> tuple[str, str]:
    """Add the fields of a record element and complete its row; the rule and reason why it can't be, or ""."""
    header, payload = _payload(record)
    if header is None and needs_header:
        return "xml-without-header", "an OAI-PMH record without a header, or a header without a record around it"
    identifier = _child(header, "identifier") if header is not None else None
    row["record_id"] = (identifier.text or "").strip() or None if identifier is not None else None
    if header is not None and _is_deleted(header):
        row["status"] = "deleted"
        return ("", "") if row["record_id"] else ("xml-without-metadata", "a deleted header has no identifier")
    if payload is None:
        return "xml-without-metadata", "the record has no metadata"
    if _local(payload.tag) == "diagnostic":
        said = " ".join((child.text or "").strip() for child in payload if isinstance(child.tag, str))
        return "xml-without-metadata", f"the server sent a diagnostic in its place: {said}"
    if next(payload.iterchildren(*_MARC_CHILDREN), None) is not None:
        fields, found = _marc(payload)
        row["format"], row["control_number"] = found["format"], found["control_number"]
        row["record_id"] = row["record_id"] or found["control_number"]
        row["status"] = "deleted" if found["withdrawn"] else row["status"]
    else:
        fields, row["format"] = xml_metadata.flatten(payload, header)
        if header is None:
            row["record_id"] = xml_metadata.identifier(fields, row["format"])
    columns.add(fields)
    return "", ""


def _elements(contents: list[bytes], root: Root) -> list[Any]:
    """The record elements of these bytes, or why they are none; all parsed at once if they are well-formed."""
    marked, parser = b"".join(content + _BETWEEN for content in contents), _parser()
    try:
        children = list(etree.fromstring(root.before + marked + root.after, parser))
        reason = "not one element"
        for error in parser.error_log.filter_from_errors():  # lxml raises none behind which a warning comes
            children, reason = [], error.message
    except (etree.XMLSyntaxError, LookupError) as error:
        children, reason = [], str(error)
    tags = [child.tag for child in children]
    # where marks and elements alternate, each record is well-formed by itself, and one element
    marks = len(tags) == 2 * len(contents) and all(tag is etree.PI for tag in tags[1::2])
    if marks and all(isinstance(tag, str) for tag in tags[::2]):
        return children[::2]
    if len(contents) == 1:
        return [f"not well-formed XML: {reason}"]
    half = len(contents) // 2
    return _elements(contents[:half], root) + _elements(contents[half:], root)


def _read_otherwise(content: bytes, head: bytes, declared: str, readable: bool) -> tuple[Any, str]:
    """The element of a record that is not in the encoding declared, and the one that its bytes are surely in.

    None where they are in no other, or make no element in it either; the encoding is unknown where that declared
    can't be theirs.  Where they are `readable` as declared, only UTF-8 is believed instead: text in UTF-8 often is
    text in GB 18030 or Latin-1 too, the reverse hardly ever.
    """
    if readable and (declared == charset.UTF_8 or content.isascii()):
        return None, declared
    name, sure = charset.judge(content)
    name = charset.UTF_8 if name == charset.ASCII else name
    if not sure or name not in _OTHERS or name == declared or (readable and name != charset.UTF_8):
        return None, declared if readable or _decodes(content, declared) else charset.UNKNOWN
    element = _elements([content], root_of(head, name))[0]
    return (None, declared) if isinstance(element, str) else (element, name)


def _mended(content: bytes, head: bytes, reason: str, columns: Columns) -> Any:
    """The element of a record whose illegal characters are mended, each kind noted; else why it is none."""
    mended, rules = mend(content)
    if not rules or UNDECODABLE in rules:
        return reason
    element = _elements([mended], root_of(head, charset.UTF_8))[0]
    if isinstance(element, str):
        return reason
    row = columns.records[-1]
    row["status"], row["charset"] = "doubtful" if WRONG_BYTES in rules else "mended", charset.UTF_8
    for rule in rules:
        columns.note(rule, value=reason.removeprefix("not well-formed XML: "))
    return element


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def parsed(found: Units, which: NDArray[np.int64], digests: NDArray[np.uint64], first_no: int, hint: str) -> Chunk:
    """The chunk of some of the records, parsed by lxml.

    Args:
        found: the records.
        which: the positions of those that are to be parsed.
        digests: one for each record found.
        first_no: number of the first record found.
        hint: the source's format.
    """
    columns, hinted = Columns(), "unknown" if hint == "auto" else hint
    root, needs_header = _root(found), _needs_header(found)
    contents = [found.content(unit) for unit in which.tolist()]
    elements = [f"more than {MAX_RECORD} bytes without an end"] if found.too_long else _elements(contents, root)
    for unit, content, element in zip(which.tolist(), contents, elements, strict=True):
        received = found.wide.original(content) if found.wide else content
        place, digest = int(found.places[unit]), int(digests[unit])
        row = columns.record(first_no + unit, place, received, root.encoding, hinted, digest)
        readable = not isinstance(element, str)
        if not (found.too_long or found.wide):
            other, row["charset"] = _read_otherwise(content, found.head, root.encoding, readable)
            if other is not None:
                columns.note("encoding-label", value=root.encoding)
                element = other
        if isinstance(element, str) and row["charset"] in _MENDED and not (found.wide or found.too_long):
            element = _mended(content, found.head, element, columns)
        if isinstance(element, str):
            rule, reason = "xml-syntax", element
            named = _NAMED.search(content) if needs_header else None
            row["record_id"] = html.unescape(named[1].decode("utf-8", "replace")).strip() if named else None
        else:
            rule, reason = _read(element, columns, row, needs_header)
        if reason:
            columns.reject(rule, reason, ADVICE)
        if row["format"] == "unimarc" and hint == "cnmarc":
            row["format"] = "cnmarc"
    return columns.chunk()


def headers(content: bytes) -> set[str]:
    """The identifiers on a page of ListIdentifiers that are not of deleted records."""
    try:
        page = etree.fromstring(content, _parser())
    except etree.XMLSyntaxError:
        page = etree.fromstring(mend(content)[0], _parser())
    found = (one.find("{*}identifier") for one in page.iter("{*}header") if not _is_deleted(one))
    return {(one.text or "").strip() for one in found if one is not None}


def _in_order(tables: list[pa.Table]) -> pa.Table:
    """Rows of several tables in the order of their records; those of one record stay as they are."""
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    return whole.take(pa.array(np.argsort(whole["record_no"].to_numpy(), kind="stable")))


def chunk(found: Units, first_no: int, hint: str) -> Chunk:
    """The chunk of some records, numbered from `first_no`; `hint` breaks the tie between CNMARC and UNIMARC."""
    made = _chunk(found, first_no, hint)
    return _from_utf16(made, found.head) if found.wide else made


def _chunk(found: Units, first_no: int, hint: str) -> Chunk:
    root, digests, content = _root(found), found.digests(), found.received()
    every = np.arange(len(found))
    if not root.compiled or found.too_long:
        return parsed(found, every, digests, first_no, hint)
    marc = marcxml.read(found, digests, first_no, root.prefixes, root.encoding, hint, _needs_header(found))
    if not marc.left.any():
        return Chunk(marc.records, marc.fields, NO_ISSUES, NONE_REJECTED, content)
    rest = parsed(found, every[marc.left], digests, first_no, hint)
    if marc.left.all():
        return rest
    records, fields = _in_order([marc.records, rest.records]), _in_order([marc.fields, rest.fields])
    return Chunk(records, fields, rest.issues, rest.rejected, content)


def _from_utf16(chunk: Chunk, head: bytes) -> Chunk:
    """The chunk with its records called UTF-16, and an issue for each where the document declares another."""
    names = pa.repeat(pa.scalar(charset.UTF_16), len(chunk.records))
    place = RECORDS.get_field_index("charset")
    records, issues = chunk.records.set_column(place, RECORDS.field(place), names), chunk.issues
    declared = _declared(head)
    if _DECLARATION.search(head) and declared not in _WIDE:
        labels = [
            {"record_no": number, "rule": "encoding-label", "severity": "warn", "value": declared}
            for number in records["record_no"].to_pylist()
        ]
        issues = pa.concat_tables([issues, pa.Table.from_pylist(labels, schema=ISSUES)])
    return replace(chunk, records=records, issues=issues)


def cut(stream: BinaryIO) -> Iterator[Units]:
    """The records of a document, decompressed, but not read yet; as many at a time as make a chunk."""
    return units(stream, READ, CHUNK_RECORDS)


def frame(found: Units) -> tuple[bytes, bool] | None:
    """What of their document matters to reading some records; None where only they can be read at once."""
    return None if found.wide or found.too_long else (_root(found).before, _needs_header(found))
