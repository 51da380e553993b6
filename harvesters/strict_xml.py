"""XML from strangers: well-formed to the last tag, or refused; no entities, no document types, no network."""

import re
from typing import Any

from lxml import etree

from harvesters.http import TransientError
from harvesters.landing import HarvestError


def root_of(content: bytes, name: str, what: str) -> Any:
    """The root element of an answer, which has this local name.

    libxml2's own limits (depth, 10 MB in one text, amplification) stay on.

    Raises:
        TransientError: it is empty, not well-formed, or something else than `what`.
        HarvestError: it has a document type, which may hide entities.
    """
    if not content.strip():
        raise TransientError("the answer is empty")
    parser = etree.XMLParser(recover=False, resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        html = re.search(rb"(?i)<html[\s>]", content[:2048])
        kind = "an HTML page" if html else "not well-formed, or cut"
        raise TransientError(f"the answer is {kind} ({len(content)} bytes; {error.msg})") from None
    if root.getroottree().docinfo.doctype:
        raise HarvestError(f"the answer has a document type (DOCTYPE), which {what} does not; refused")
    if etree.QName(root).localname != name:
        raise TransientError(f"the answer is not {what}: its root element is {root.tag}")
    return root
