"""XML from strangers: well-formed to the last tag, or refused; no entities, no document types, no network."""

import codecs
import re
from functools import cache
from typing import Any

from lxml import etree

from harvesters.containers import BLANK, utf16
from harvesters.http import TransientError
from harvesters.landing import HarvestError

_DECLARATION = re.compile(rb"<\?xml\s[^<>]*?\?>")
_ENCODING = re.compile(rb"<\?xml\s[^<>]*?encoding\s*=\s*[\"']([A-Za-z0-9_.\-]+)[\"']")
_LOOKED_AT = 2048  # bytes at the start of an answer that tell what it is
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030"}  # who declares GB 2312 often sends GBK


def is_html(content: bytes) -> bool:
    """Whether the answer is a page for browsers."""
    return bool(re.search(rb"(?i)<html[\s>]", content[:_LOOKED_AT]))


@cache
def parser() -> etree.XMLParser:
    """A strict one; libxml2's own limits (depth, 10 MB in one text, amplification) stay on."""
    return etree.XMLParser(recover=False, resolve_entities=False, no_network=True, load_dtd=False)


def utf8(content: bytes) -> tuple[bytes, str]:
    """A document in UTF-8, without its XML declaration and blanks before it; and what of it can't be decoded.

    A declaration of UTF-16 in single bytes, or of an encoding that nobody knows, says nothing.  What can't be
    decoded is U+FFFD; in UTF-8, where a parser finds it, it stays.
    """
    name = utf16(content) or _declared(content)
    if name == "utf-8":
        return _DECLARATION.sub(b"", content.lstrip(BLANK), count=1), ""
    fault = ""
    try:
        text = content.decode(name)
    except UnicodeDecodeError as error:
        text, fault = content.decode(name, "replace"), str(error)
    return _DECLARATION.sub(b"", text.encode("utf-8", "replace").lstrip(BLANK), count=1), fault


def _declared(content: bytes) -> str:
    """The codec of the encoding that a document in single bytes declares."""
    found = _ENCODING.search(content[:_LOOKED_AT])
    try:
        codec = codecs.lookup(found[1].decode() if found else "utf-8")
        "".encode(codec.name)  # some codecs are of no text
    except LookupError:
        return "utf-8"
    return "utf-8" if codec.name.startswith(("utf", "ascii")) else _WIDER.get(codec.name, codec.name)


def root_of(content: bytes, name: str, what: str) -> Any:
    """The root element of an answer, which has this local name.

    Raises:
        TransientError: it is empty, not well-formed, or something else than `what`.
        HarvestError: it has a document type, which may hide entities.
    """
    if not content.strip(BLANK):
        raise TransientError("the answer is empty")
    text, fault = utf8(content)
    try:
        root = etree.fromstring(text, parser())
    except etree.XMLSyntaxError as error:
        kind = "an HTML page" if is_html(content) else "not well-formed, or cut"
        raise TransientError(f"the answer is {kind} ({len(content)} bytes; {fault or error.msg})") from None
    if root.getroottree().docinfo.doctype:
        raise HarvestError(f"the answer has a document type (DOCTYPE), which {what} does not; refused")
    if etree.QName(root).localname != name:
        raise TransientError(f"the answer is not {what}: its root element is {root.tag}")
    return root
