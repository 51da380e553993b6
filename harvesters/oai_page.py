"""One OAI-PMH answer, read strictly: whole to its last tag, or a fault.

That a list is well-formed is proved by a compiled kernel, which finds its records too; where that is in doubt,
expat checks it, which builds nothing, and records are counted on the bytes, as all that lands.  Then the answer
without its records (a frame of a few hundred bytes) is parsed for what the protocol says.

A page that is not well-formed is still whole where its frame is, and each record begins and ends in it: illegal
characters are for the stage to mend (`harvesters.xml_mend`), and a record that is not well-formed is cut out there
with its bytes and reason.  Neither costs the page, nor does what a server writes around its document.

Entities are never expanded and document types are refused.  What expat reads without limits (depth, one long text)
is limited where trees are built, by libxml2, and costs the record.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

from lxml import etree

from harvesters import credentials
from harvesters.containers import BLANK, XML, container
from harvesters.http import TransientError
from harvesters.landing import HarvestError, count_records
from harvesters.strict_xml import is_html, parser, utf8
from harvesters.xml_layout import layout, without_asides
from harvesters.xml_mend import mend

if TYPE_CHECKING:
    from harvesters.oai_kernel import Found

NAMESPACE = "{http://www.openarchives.org/OAI/2.0/}"
FACTS = ("repositoryName", "protocolVersion", "earliestDatestamp", "deletedRecord", "granularity")
LISTED = {"ListRecords": b"record", "ListIdentifiers": b"header"}
LARGE = 1 << 14  # bytes of a page, from which on the kernel is worth loading
_DOCUMENT = re.compile(rb"<(?:[\w.\-]+:)?OAI-PMH[\s>].*OAI-PMH\s*>", re.DOTALL)
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
    if not content.strip(BLANK):
        raise TransientError("the answer is empty")
    if found := _found(content, verb):
        frame = _frame(content, found.start, found.end)
        return _page(frame, content, verb, found.identifiers, len(found.identifiers))
    text, undecodable = utf8(content)
    fault = _fault(text) or undecodable
    if not fault:
        named = identifiers(text, verb) if verb in LISTED else []
        records = _count(text, verb, len(named)) if verb in LISTED else 0
        return _page(_frame(text, *_listed(text, verb)), content, verb, named, records)
    page, mark = _salvaged(content, text, verb, fault)
    told = f"{page.damaged} of {page.records} records" if page.damaged else "characters"
    raise DamagedError(f"{told} are not well-formed XML ({fault})", mark, page)


def identifiers(content: bytes, verb: str) -> list[bytes]:
    """The identifiers of a list's page, as they are written, in UTF-8."""
    text, _ = utf8(content)
    return _patterns(layout(text).prefix or b"", verb).named.findall(without_asides(text))


# --- well-formed -----------------------------------------------------------------------------------------


def _found(content: bytes, verb: str) -> "Found | None":
    """What the kernel found in a page that it is sure of; to load it costs more than it saves on small ones."""
    if len(content) < LARGE or verb not in LISTED:
        return None
    from harvesters.oai_kernel import find

    return find(content, verb)


def _fault(content: bytes) -> str:
    """Why the bytes are no well-formed XML in UTF-8; "" if they are."""
    checking = expat.ParserCreate(namespace_separator=" ")
    checking.StartDoctypeDeclHandler = _refuse_doctype
    try:
        checking.Parse(content, True)
    except expat.ExpatError as error:
        return str(error)
    return ""


def _refuse_doctype(*_: object) -> None:
    raise TransientError(
        "the answer has a document type (DOCTYPE): an HTML page, or what OAI-PMH never has; refused"
    )


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
    if content.find(b"esumption", start, end) < 0:  # no token in whatever spelling between the records
        with suppress(etree.XMLSyntaxError):  # a comment looked like a record
            return _root(content[:start] + content[end:])
    try:
        return _root(content)
    except etree.XMLSyntaxError as error:  # libxml2 has limits that expat has not
        raise TransientError(f"the answer can't be read ({len(content)} bytes; {error.msg})") from None


def _root(content: bytes) -> Any:
    """The root element of a strict parse."""
    root = etree.fromstring(content, parser())
    if root.tag != NAMESPACE + "OAI-PMH":
        raise TransientError(f"the answer is not OAI-PMH 2.0: its root element is {root.tag}")
    return root


def _page(root: Any, content: bytes, verb: str, named: list[bytes], records: int, damaged: int = 0) -> Page:
    children = list(root)
    if errors := [child for child in children if child.tag == NAMESPACE + "error"]:
        said = "; ".join(f"{e.get('code')}: {credentials.masked((e.text or '').strip())[:200]}" for e in errors)
        raise OAIError(errors[0].get("code", ""), f"the source answered {said}")
    bodies = [child for child in children if child.tag == NAMESPACE + verb]
    if not bodies:
        raise TransientError(f"the answer has no {verb} element")
    tokens = [child for parent in (root, *bodies) for child in parent if _is_token(child)]
    sizes = [size for one in tokens if re.fullmatch(r"\d{1,18}", size := one.get("completeListSize", "").strip())]
    return Page(
        content=content,
        response_date=(root.findtext(NAMESPACE + "responseDate") or "").strip(),
        token=next((text for one in tokens if (text := "".join(one.itertext()).strip())), ""),
        complete_list_size=max(map(int, sizes), default=None),
        records=records,
        identifiers=named,
        facts={} if verb in LISTED else {n: (bodies[0].findtext(NAMESPACE + n) or "").strip() for n in FACTS},
        damaged=damaged,
    )


def _is_token(element: Any) -> bool:
    """Whether it is a resumptionToken; one that stands in a wrong place or namespace is meant as one, too."""
    return isinstance(element.tag, str) and element.tag.rpartition("}")[2].lower() == "resumptiontoken"


# --- damaged, but whole ----------------------------------------------------------------------------------


def _salvaged(content: bytes, text: bytes, verb: str, fault: str) -> tuple[Page, str]:
    """The page without what is wrong in single records, and what tells this damage from another.

    `text` is its content in UTF-8.

    Raises:
        TransientError: the page is not whole.
    """
    html = is_html(content)
    kind = "an HTML page" if html else "not well-formed, or cut"
    broken = TransientError(f"the answer is {kind} ({len(content)} bytes; {fault})")
    document = _DOCUMENT.search(text)  # servers write notices before and behind
    if html or verb not in LISTED or not document or container(content) != XML:
        raise broken
    if b"<!DOCTYPE" in text[: document.start()]:
        _refuse_doctype()
    mended, rules = mend(document[0])
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
    named = identifiers(document[0], verb)
    return _page(frame, content, verb, named, count_records(content), len(damaged)), mark


def _stands_alone(unit: bytes, head: bytes) -> bool:
    """Whether the bytes are one well-formed element, under the namespaces that stand before it."""
    root = b"<root " + b" ".join(dict.fromkeys(_NAMESPACES.findall(head))) + b">"
    return not _fault(root + unit + b"</root>")
