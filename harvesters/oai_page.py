"""One OAI-PMH answer, read strictly: whole to its last tag, or a fault.

That a list is well-formed is proved by a compiled kernel, which finds its records too; where that is in doubt,
expat checks it, which builds nothing, and records are counted on the bytes, as all that lands.  Then the answer
without its records (a frame of a few hundred bytes) is parsed for what the protocol says.

A page that is not well-formed is still whole where its frame is, and each record begins and ends in it: illegal
characters are for the stage to mend (`harvesters.xml_mend`), and a record that is not well-formed is cut out there
with its bytes and reason.  Neither costs the page.

Entities are never expanded and document types are refused.  What expat reads without limits (depth, one long text)
is limited where trees are built, by libxml2, and costs the record.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from lxml import etree

from harvesters.containers import utf16
from harvesters.http import TransientError
from harvesters.landing import HarvestError, count_records
from harvesters.xml_layout import layout, without_asides
from harvesters.xml_mend import mend

if TYPE_CHECKING:
    from harvesters.oai_kernel import Found

NAMESPACE = "{http://www.openarchives.org/OAI/2.0/}"
FACTS = ("repositoryName", "protocolVersion", "earliestDatestamp", "deletedRecord", "granularity")
LISTED = {"ListRecords": b"record", "ListIdentifiers": b"header"}
LARGE = 1 << 14  # bytes of a page, from which on the kernel is worth loading
_ENCODING = re.compile(rb"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9_.\-]+)[\"']")
_NAMESPACES = re.compile(rb"xmlns(?::[\w.\-]+)?\s*=\s*(?:\"[^\"]*\"|'[^']*')")


class OAIError(HarvestError):
    """The source answered with an OAI-PMH error."""

    def __init__(self, code: str, reason: str):
        super().__init__(reason)
        self.code = code


class DamagedError(TransientError):
    """The page is whole but has records that are not well-formed, or illegal characters; perhaps only this time.

    `mark` is the same for the same damage.
    """

    def __init__(self, reason: str, mark: str, page: "Page"):
        super().__init__(reason)
        self.mark, self.page = mark, page


@dataclass(frozen=True)
class Page:
    """What one whole answer says.

    `content` is its bytes as sent (content coding taken off); `records` counts its OAI records, or headers where
    identifiers were asked for; `identifiers` are theirs, as they are written; `token` is "" on the last page;
    `damaged` counts records that are not well-formed.
    """

    content: bytes
    response_date: str
    token: str
    complete_list_size: int | None
    records: int
    identifiers: list[bytes] = field(repr=False)
    facts: dict[str, str]
    damaged: int = 0


def read(content: bytes, verb: str) -> Page:
    """Read the answer to a request.

    Raises:
        DamagedError: it is whole but for some characters or records; with the page, for whom that will do.
        TransientError: it is not one whole, well-formed OAI-PMH answer to the request, or has a document type.
        OAIError: it is an error of the protocol.
    """
    if not content or content.isspace():
        raise TransientError("the answer is empty")
    if found := _found(content, verb):
        frame = _frame(content, found.start, found.end)
        return _page(frame, content, verb, found.identifiers, len(found.identifiers))
    fault = _fault(content)
    if not fault:
        named = identifiers(content, verb) if verb in LISTED else []
        records = _count(content, verb, len(named)) if verb in LISTED else 0
        return _page(_frame(content, *_listed(content, verb)), content, verb, named, records)
    page, mark = _salvaged(content, verb, fault)
    told = f"{page.damaged} of {page.records} records" if page.damaged else "characters of some records"
    raise DamagedError(f"{told} are not well-formed XML ({fault})", mark, page)


def identifiers(content: bytes, verb: str) -> list[bytes]:
    """The identifiers of a list's page, as they are written, in UTF-8 where the page is in UTF-16."""
    if codec := utf16(content):
        content = content.decode(codec, "replace").encode()
    return _patterns(layout(content).prefix or b"", verb).named.findall(without_asides(content))


# --- well-formed -----------------------------------------------------------------------------------------


def _found(content: bytes, verb: str) -> "Found | None":
    """What the kernel found in a page that it is sure of; to load it costs more than it saves on small ones."""
    if len(content) < LARGE or verb not in LISTED:
        return None
    from harvesters.oai_kernel import find

    return find(content, verb)


def _fault(content: bytes) -> str:
    """Why the bytes are no well-formed XML; "" if they are."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        if error.code in _OTHER_ENCODINGS:
            return _fault_by_lxml(content)
        return str(error)
    except ValueError:  # multi-byte encodings
        return _fault_by_lxml(content)
    return ""


_OTHER_ENCODINGS = (
    expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING],
    expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING],
)


def _refuse_doctype(*_: object) -> None:
    raise TransientError(
        "the answer has a document type (DOCTYPE): an HTML page, or what OAI-PMH never has; refused"
    )


def _fault_by_lxml(content: bytes) -> str:
    try:
        root = etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as error:
        return str(error.msg)
    if root.getroottree().docinfo.doctype:
        _refuse_doctype()
    return ""


@cache
def _parser() -> etree.XMLParser:
    return etree.XMLParser(recover=False, resolve_entities=False, no_network=True, load_dtd=False)


# --- the frame -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Patterns:
    """What is sought in a list whose elements have this prefix."""

    first: "re.Pattern[bytes]"  # begins an element of the list
    closing: bytes  # ends one
    whole: "re.Pattern[bytes]"  # begins one that has its header
    named: "re.Pattern[bytes]"  # the same, and its identifier
    inner: "re.Pattern[bytes]"  # begins a described record of the same name, with its own prefix


@lru_cache(maxsize=64)
def _patterns(prefix: bytes, verb: str) -> _Patterns:
    header = b"<" + prefix + rb"header(?:\s[^<>]*)?>\s*"
    whole = b"<" + prefix + rb"record(?:\s[^<>]*)?>\s*" + header if verb == "ListRecords" else header
    return _Patterns(
        first=re.compile(b"<" + prefix + LISTED[verb] + rb"[\s/>]"),
        closing=b"</" + prefix + LISTED[verb],
        whole=re.compile(whole),
        named=re.compile(whole + b"<" + prefix + rb"identifier\s*>((?:[^<]|<!\[CDATA\[)*)<"),
        inner=re.compile(b"<" + prefix + rb"metadata(?:\s[^<>]*)?>\s*<((?:[\w.\-]+:)?)record[\s>]"),
    )


def _count(content: bytes, verb: str, named: int) -> int:
    """How many records a well-formed page has; the same as `count_records`, and at once where all is plain.

    It is where each header, and each tag that is called record, is that of a record with an identifier or of what
    one describes, and no comment or CDATA may hold others.
    """
    prefix = layout(content).prefix or b""
    own = named if verb == "ListRecords" else 0
    tags, prefixed = content.count(b"<record"), content.count(b":record")
    alone = (tags, prefixed) == ((0, 2 * own) if prefix else (own, 0))  # what is described is no record
    inner = [] if alone else _patterns(prefix, verb).inner.findall(content)
    plain = (
        b"<!" not in content
        and content.count(b"<" + prefix + b"header") == named
        and tags == inner.count(b"") + (0 if prefix else own)
        and prefixed == 2 * (len(inner) - inner.count(b"") + (own if prefix else 0))
    )
    return named if named and plain else count_records(content)


def _listed(content: bytes, verb: str) -> tuple[int, int]:
    """Where the elements of the list begin and end; both 0 if there are none."""
    if verb not in LISTED:
        return 0, 0
    found, content = layout(content), without_asides(content)
    patterns = _patterns(found.prefix or b"", verb)
    first = patterns.first.search(content, found.behind_root)
    last = content.rfind(patterns.closing)
    end = content.find(b">", last) + 1
    return (first.start(), end) if first and first.start() < last and end else (0, 0)


def _frame(content: bytes, start: int, end: int) -> Any:
    """The root element of a well-formed page without the records of its list."""
    if b"resumptionToken" not in content[start:end]:
        with suppress(etree.XMLSyntaxError):  # a comment looked like a record
            return _root(content[:start] + content[end:])
    try:
        return _root(content)
    except etree.XMLSyntaxError as error:  # libxml2 has limits that expat has not
        raise TransientError(f"the answer can't be read ({len(content)} bytes; {error.msg})") from None


def _root(content: bytes) -> Any:
    """The root element of a strict parse."""
    root = etree.fromstring(content, _parser())
    if root.tag != NAMESPACE + "OAI-PMH":
        raise TransientError(f"the answer is not OAI-PMH 2.0: its root element is {root.tag}")
    return root


def _page(root: Any, content: bytes, verb: str, named: list[bytes], records: int, damaged: int = 0) -> Page:
    errors = root.findall(NAMESPACE + "error")
    if errors:
        said = "; ".join(f"{e.get('code')}: {(e.text or '').strip()[:200]}" for e in errors)
        raise OAIError(errors[0].get("code", ""), f"the source answered {said}")
    body = root.find(NAMESPACE + verb)
    if body is None:
        raise TransientError(f"the answer has no {verb} element")
    token = body.find(NAMESPACE + "resumptionToken")
    size = "" if token is None else token.get("completeListSize", "")
    return Page(
        content=content,
        response_date=(root.findtext(NAMESPACE + "responseDate") or "").strip(),
        token="" if token is None else (token.text or "").strip(),
        complete_list_size=int(size) if re.fullmatch(r"\d{1,18}", size) else None,
        records=records,
        identifiers=named,
        facts={} if verb in LISTED else {name: (body.findtext(NAMESPACE + name) or "").strip() for name in FACTS},
        damaged=damaged,
    )


# --- damaged, but whole ----------------------------------------------------------------------------------


def _salvaged(content: bytes, verb: str, fault: str) -> tuple[Page, str]:
    """The page without what is wrong in single records, and what tells this damage from another.

    Raises:
        TransientError: the page is not whole.
    """
    html = re.search(rb"(?i)<html[\s>]", content[:2048])
    kind = "an HTML page" if html else "not well-formed, or cut"
    broken = TransientError(f"the answer is {kind} ({len(content)} bytes; {fault})")
    declared = _ENCODING.match(content)
    if html or verb not in LISTED or (declared and declared[1].lower() not in (b"utf-8", b"utf8", b"us-ascii")):
        raise broken
    mended, rules = mend(content)
    start, end = _listed(mended, verb)
    if not end:
        raise broken
    prefix, told = layout(mended).prefix or b"", without_asides(mended)
    begins = [match.start() for match in _patterns(prefix, verb).whole.finditer(told, start, end)]
    if not begins or begins[0] != start:
        raise broken
    damaged = [
        unit
        for unit in (mended[a:b] for a, b in zip(begins, [*begins[1:], end], strict=True))
        if not _stands_alone(unit, mended[:start])
    ]
    try:
        frame = _root(mended[:start] + mended[end:])
    except etree.XMLSyntaxError:
        raise broken from None
    mark = hashlib.sha256(b"\0".join([*damaged, *(rule.encode() for rule in rules)])).hexdigest()
    return _page(frame, content, verb, identifiers(content, verb), count_records(content), len(damaged)), mark


def _stands_alone(unit: bytes, head: bytes) -> bool:
    """Whether the bytes are one well-formed element, under the namespaces that stand before it."""
    root = b"<root " + b" ".join(dict.fromkeys(_NAMESPACES.findall(head))) + b">"
    return not _fault(root + unit + b"</root>")
