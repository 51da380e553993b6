"""Records in XML: MARCXML collections, SRU answers, OAI-PMH pages with MARCXML, Dublin Core, MODS, DIM.

The bytes are cut at the outermost `record` elements and each is parsed by itself, under a root that repeats
the namespaces declared before the first record.  So memory stays flat, every record has a byte offset, and
one that is not well-formed is set aside alone.  Elements are known by local name, whatever their namespace.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from lxml import etree

from transforms import xml_metadata
from transforms.chunk import FIELDS, ISSUES, RECORDS, REJECTED, Chunk

READ = 1 << 20
CHUNK_RECORDS = 2000
MAX_RECORD = 64 << 20
_TAG = re.compile(rb"<(/?)(?:[A-Za-z_][\w.\-]*:)?record(?=[\s/>])[^>]*?(/?)>")
_NAMESPACE = re.compile(rb"xmlns(?::[\w.\-]+)?\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_DECLARATION = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9_\-]+)[\"']")
_METADATA = re.compile(rb"<(?:[\w.\-]+:)?metadata[\s>].*</(?:[\w.\-]+:)?metadata\s*>", re.DOTALL)
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass
class _Columns:
    """What grows while the records of a chunk are read."""

    records: list[dict[str, Any]] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    fields_per_record: list[int] = field(default_factory=list)
    subfields_per_field: list[int] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    ind1: list[str | None] = field(default_factory=list)
    ind2: list[str | None] = field(default_factory=list)
    codes: list[str | None] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    def add(self, tag: str, ind1: str | None, ind2: str | None, subfields: list[tuple[str | None, str]]) -> None:
        """Add one field."""
        self.tags.append(tag)
        self.ind1.append(ind1)
        self.ind2.append(ind2)
        self.subfields_per_field.append(len(subfields))
        for code, value in subfields:
            self.codes.append(code)
            self.values.append(value)

    def chunk(self) -> Chunk:
        """The columns as Arrow tables."""
        per_record, per_field = (
            np.array(self.fields_per_record, np.int64),
            np.array(self.subfields_per_field, np.int64),
        )
        numbers = np.array([row["record_no"] for row in self.records], np.int32)
        field_no = np.arange(per_record.sum()) - np.repeat(np.cumsum(per_record) - per_record, per_record)
        subfield_no = np.arange(per_field.sum()) - np.repeat(np.cumsum(per_field) - per_field, per_field)

        def spread(values: list[str | None]) -> pa.DictionaryArray:
            encoded = pa.array(values, pa.string()).dictionary_encode()
            return encoded.take(pa.array(np.repeat(np.arange(len(values)), per_field)))

        fields = [
            pa.array(np.repeat(np.repeat(numbers, per_record), per_field)),
            pa.array(np.repeat(field_no, per_field).astype(np.int32)),
            spread(self.tags),  # type: ignore[arg-type]
            spread(self.ind1),
            spread(self.ind2),
            pa.array(subfield_no.astype(np.int32)),
            pa.array(self.codes, pa.string()).dictionary_encode(),
            pa.array(self.values, pa.string()),
        ]
        return Chunk(
            pa.Table.from_pylist(self.records, schema=RECORDS),
            pa.Table.from_arrays(fields, schema=FIELDS),
            pa.Table.from_pylist(self.issues, schema=ISSUES),
            pa.Table.from_pylist(self.rejected, schema=REJECTED),
            pa.array(self.content, pa.binary()),
        )


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


def _marc(element: Any, columns: _Columns) -> dict[str, Any]:
    """Flatten a MARCXML record; returns its control number and format."""
    leader, control_number, tags, fields = "", None, set(), 0
    names: dict[str, str] = {}
    for child in element:
        name = names.get(child.tag) or names.setdefault(child.tag, _local(child.tag))
        if name == "leader":
            leader = child.text or ""
            continue
        tag = child.get("tag") or ""
        if name == "controlfield":
            value = child.text or ""
            if fields == 0 and leader:
                columns.add("LDR", None, None, [(None, leader)])
                fields += 1
            if tag == "001" and control_number is None:
                control_number = value.strip() or None
            columns.add(tag, None, None, [(None, value)])
            fields += 1
        elif name == "datafield":
            if fields == 0 and leader:
                columns.add("LDR", None, None, [(None, leader)])
                fields += 1
            subfields = [
                (sub.get("code") or "", "".join(sub.itertext()) if len(sub) else sub.text or "") for sub in child
            ]
            if subfields:
                columns.add(tag, child.get("ind1", " "), child.get("ind2", " "), subfields)
                fields += 1
        tags.add(tag)
    columns.fields_per_record.append(fields)
    if "200" in tags and "245" not in tags:
        chinese = tags & {"690", "905", "906", "920"} or any(_HAN.search(v) for v in columns.values[-400:])
        format_ = "cnmarc" if chinese else "unimarc"
    else:
        format_ = "marc21"
    withdrawn = len(leader) > 5 and leader[5] == "d"
    return {"control_number": control_number, "format": format_, "withdrawn": withdrawn}


def _metadata(payload: Any, header: Any, columns: _Columns) -> dict[str, Any]:
    """Flatten what is not MARC: Dublin Core, MODS, DIM and their like."""
    fields, form = xml_metadata.flatten(payload, header)
    for one in fields:
        columns.add(*one)
    columns.fields_per_record.append(len(fields))
    return {"control_number": None, "format": form, "withdrawn": False}


def _payload(record: Any) -> tuple[Any, Any]:
    """(header, described element) of an OAI, SRU or plain record; either may be None."""
    header = _child(record, "header")
    for name in ("metadata", "recordData"):
        wrapper = _child(record, name)
        if wrapper is not None:
            return header, next((child for child in wrapper if isinstance(child.tag, str)), None)
    return (header, None) if header is not None else (None, record)


def _read(record: Any, columns: _Columns, row: dict[str, Any]) -> str:
    """Flatten one record element into columns and complete its row; returns why it can't be, or ''."""
    header, payload = _payload(record)
    identifier = _child(header, "identifier") if header is not None else None
    row["record_id"] = (identifier.text or "").strip() or None if identifier is not None else None
    if header is not None and header.get("status") == "deleted":
        row["status"] = "deleted"
        columns.fields_per_record.append(0)
        return "" if row["record_id"] else "a deleted header has no identifier"
    if payload is None:
        return "the record has no metadata"
    marc = any(_local(child.tag) in ("leader", "controlfield", "datafield") for child in payload)
    found = _marc(payload, columns) if marc else _metadata(payload, header, columns)
    row["format"], row["control_number"] = found["format"], found["control_number"]
    row["record_id"] = row["record_id"] or found["control_number"]
    if found["withdrawn"]:
        row["status"] = "deleted"
    return ""


def _digest(content: bytes) -> int:
    """Digest of the described part, so that a new datestamp alone is no change."""
    metadata = _METADATA.search(content)
    digest = hashlib.blake2b(metadata.group() if metadata else content, digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _reject(columns: _Columns, row: dict[str, Any], content: bytes, rule: str, reason: str) -> None:
    row["status"] = "rejected"
    advice = "mend the record at the source and send it again; the bytes are kept with this row"
    common = {"record_no": row["record_no"], "byte_offset": row["byte_offset"], "record_id": row["record_id"]}
    columns.rejected.append({**common, "rule": rule, "reason": reason, "advice": advice, "content": content})


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
    columns, number = _Columns(), first_record_no
    known_head, before, after, encoding = None, b"", b"", ""
    parser = _parser()
    for offset, content, head in _units(stream):
        if head is not known_head:
            known_head = head
            before, after, encoding = _root(head)
        row: dict[str, Any] = {
            "record_no": number,
            "byte_offset": offset,
            "record_id": None,
            "control_number": None,
            "format": "unknown" if format_hint == "auto" else format_hint,
            "charset": encoding,
            "status": "clean",
            "digest": _digest(content),
        }
        number += 1
        counted = len(columns.fields_per_record)
        try:
            reason = _read(etree.fromstring(before + content + after, parser)[0], columns, row)
            rule = "xml-without-metadata"
        except (etree.XMLSyntaxError, LookupError) as error:
            reason, rule = f"not well-formed XML: {error}", "xml-syntax"
        if len(columns.fields_per_record) == counted:
            columns.fields_per_record.append(0)
        if reason:
            _reject(columns, row, content, rule, reason)
        if row["format"] == "unimarc" and format_hint == "cnmarc":
            row["format"] = "cnmarc"
        columns.records.append(row)
        columns.content.append(content)
        if len(columns.records) >= CHUNK_RECORDS:
            yield columns.chunk()
            columns = _Columns()
    if columns.records:
        yield columns.chunk()
