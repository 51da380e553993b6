"""Records in XML: MARCXML collections, SRU answers, OAI-PMH pages with MARCXML, Dublin Core, MODS, DIM.

The bytes are cut at the outermost `record` elements and each is parsed by itself, under a root that repeats
the namespaces declared before the first record.  So memory stays flat, every record has a byte offset, and
one that is not well-formed is set aside alone.  Elements are known by local name, whatever their namespace.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from lxml import etree

from transforms import xml_metadata
from transforms.chunk import Chunk
from transforms.field_columns import Columns, Field

READ = 1 << 20
CHUNK_RECORDS = 2000
MAX_RECORD = 64 << 20
ADVICE = "mend the record at the source and send it again; the bytes are kept with this row"
_TAG = re.compile(rb"<(/?)(?:[A-Za-z_][\w.\-]*:)?record(?=[\s/>])[^>]*?(/?)>")
_NAMESPACE = re.compile(rb"xmlns(?::[\w.\-]+)?\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_DECLARATION = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9_\-]+)[\"']")
_METADATA = re.compile(rb"<(?:[\w.\-]+:)?metadata[\s>].*</(?:[\w.\-]+:)?metadata\s*>", re.DOTALL)
_HAN = re.compile(r"[\u4e00-\u9fff]")


def _units(stream: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    """(offset, bytes, head) of each outermost record element; head is all before the first.

    An element that does not end (the file was cut) comes last, as far as it goes.
    """
    buffer, base, head = b"", 0, None
    depth = start = scanned = 0
    while True:
        more = stream.read(READ)
        buffer += more
        done = 0
        for tag in _TAG.finditer(buffer, scanned):
            closing, empty = tag.group(1), tag.group(2)
            if depth == 0 and not closing:
                start = tag.start()
                if head is None:
                    head = buffer[:start]
            if not empty:
                depth += -1 if closing else 1
            if depth == 0:
                yield base + start, buffer[start : tag.end()], head or b""
                done = tag.end()
            scanned = tag.end()
        depth = max(depth, 0)
        if not more:
            if depth:
                yield base + start, buffer[start:], head or b""
            return
        if depth == 0:
            # keep the head until the first record, and the beginning of a tag that may be cut
            done = max(done, min(scanned, len(buffer))) if head is not None else 0
            if head is not None:
                done = max(done, buffer.rfind(b"<", done))
        else:
            done = start
            if len(buffer) - start > MAX_RECORD:
                yield base + start, buffer[start:], head or b""
                return
        scanned = max(scanned - done, 0)
        start -= done
        base += done
        buffer = buffer[done:]


def _parser() -> etree.XMLParser:
    return etree.XMLParser(recover=False, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _root(head: bytes) -> tuple[bytes, bytes, str]:
    """What to put before and after a record so that it parses by itself, and the encoding declared."""
    declared = _DECLARATION.search(head)
    encoding = declared.group(1).decode("ascii").lower() if declared else "utf-8"
    found: dict[bytes, bytes] = {}
    for match in _NAMESPACE.finditer(head):
        found[match.group().split(b"=", 1)[0].strip()] = match.group()
    start = b'<?xml version="1.0" encoding="' + encoding.encode("ascii") + b'"?><root ' + b" ".join(found.values())
    return start + b">", b"</root>", encoding


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _child(element: Any, name: str) -> Any:
    return next((child for child in element if _local(child.tag) == name), None)


def _marc(element: Any) -> tuple[list[Field], dict[str, Any]]:
    """The fields of a MARCXML record, its control number and format, and whether it is a withdrawal."""
    leader, control_number = "", None
    fields: list[Field] = []
    names: dict[str, str] = {}
    for child in element:
        name = names.get(child.tag) or names.setdefault(child.tag, _local(child.tag))
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
                (sub.get("code") or "", "".join(sub.itertext()) if len(sub) else sub.text or "") for sub in child
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
            return header, next((child for child in wrapper if isinstance(child.tag, str)), None)
    return (header, None) if header is not None else (None, record)


def _read(record: Any, columns: Columns, row: dict[str, Any]) -> str:
    """Add the fields of a record element and complete its row; returns why it can't be, or ''."""
    header, payload = _payload(record)
    identifier = _child(header, "identifier") if header is not None else None
    row["record_id"] = (identifier.text or "").strip() or None if identifier is not None else None
    if header is not None and header.get("status") == "deleted":
        row["status"] = "deleted"
        return "" if row["record_id"] else "a deleted header has no identifier"
    if payload is None:
        return "the record has no metadata"
    if any(_local(child.tag) in ("leader", "controlfield", "datafield") for child in payload):
        fields, found = _marc(payload)
        row["format"], row["control_number"] = found["format"], found["control_number"]
        row["record_id"] = row["record_id"] or found["control_number"]
        row["status"] = "deleted" if found["withdrawn"] else row["status"]
    else:
        fields, row["format"] = xml_metadata.flatten(payload, header)
    columns.add(fields)
    return ""


def _digest(content: bytes) -> int:
    """Digest of the described part, so that a new datestamp alone is no change."""
    metadata = _METADATA.search(content)
    digest = hashlib.blake2b(metadata.group() if metadata else content, digest_size=8).digest()
    return int.from_bytes(digest, "little")


def read(
    stream: BinaryIO, format_hint: str = "auto", encoding_hint: str = "auto", first_record_no: int = 0
) -> Iterator[Chunk]:
    """Read XML records as chunks; see `transforms.chunk`.

    Args:
        stream: the document, decompressed.
        format_hint: the source's format; breaks the tie between CNMARC and UNIMARC.
        encoding_hint: not needed for XML, which declares its encoding; taken for the common signature.
        first_record_no: number of the first record.
    """
    del encoding_hint
    columns, number = Columns(), first_record_no
    known_head, before, after, encoding = None, b"", b"", ""
    parser, hinted = _parser(), "unknown" if format_hint == "auto" else format_hint
    for offset, content, head in _units(stream):
        if head is not known_head:
            known_head = head
            before, after, encoding = _root(head)
        row = columns.record(number, offset, content, encoding, hinted)
        row["digest"] = _digest(content)
        number += 1
        try:
            reason = _read(etree.fromstring(before + content + after, parser)[0], columns, row)
            rule = "xml-without-metadata"
        except (etree.XMLSyntaxError, LookupError) as error:
            reason, rule = f"not well-formed XML: {error}", "xml-syntax"
        if reason:
            columns.reject(rule, reason, ADVICE)
        if row["format"] == "unimarc" and format_hint == "cnmarc":
            row["format"] = "cnmarc"
        if len(columns.records) >= CHUNK_RECORDS:
            yield columns.chunk()
            columns = Columns()
    if columns.records:
        yield columns.chunk()
