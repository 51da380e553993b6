"""Descriptions in XML that are not MARC, as fields: oai_dc, qualified Dublin Core, MODS, DIM, XOAI, DOAJ's own.

`flatten` gives each format tags that a flat crosswalk can name:

    oai_dc, qdc   local name of the element: `title`, `issued`, `isPartOf`
    oai_doaj      the same, of articles as the Directory of Open Access Journals gives them: `journalTitle`
    dim, xoai     schema, element and qualifier: `dc.title.alternative`; XOAI's languages are left out
    mods          path of elements from the root: `originInfo/dateIssued`; where a type or authority tells apart,
                  it stands behind an @: `identifier@isbn`, `relatedItem@host/titleInfo/title`

In MODS three elements are one field each, with subfields by code, since their parts belong together:
`titleInfo/title` ($n article that isn't filed, $a title), `name/namePart` ($a whole name, $f family, $g given, $d
dates, $t terms of address; family name first), `subject` ($a topic, $z place, $y time, $v genre, $p name,
$t title).
"""

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from lxml import etree

from transforms.field_columns import Field

XOAI = "http://www.lyncode.com/xoai"
DCTERMS = "http://purl.org/dc/terms/"
QUALIFIED = ("qualifieddc", "qdc", "dcterms")
_WRAPPERS = ("mets", "DIDL", "modsCollection")
_WRAPPED = ("mods", "dim", "dc", *QUALIFIED)
# which attribute tells elements of one name apart
_TOLD_BY = {
    "titleInfo": "type",
    "identifier": "type",
    "relatedItem": "type",
    "placeTerm": "type",
    "languageTerm": "type",
    "note": "type",
    "detail": "type",
    "classification": "authority",
    "dateIssued": "point",
    "dateCreated": "point",
}
_NAME_PART = {"family": "f", "given": "g", "date": "d", "termsOfAddress": "t"}
_NAME_ORDER = "afgtd"
_SUBJECT = {"topic": "a", "geographic": "z", "temporal": "y", "genre": "v", "name": "p", "titleInfo": "t"}
_PERSONAL = frozenset(
    "patron borrower readerbarcode readertype readername readerid cardnumber cardno idcard idcardnumber studentid "
    "gender sex dateofbirth birthday mobile mobilephone phone tel telephone borrows borrowhistory".split()
)
# What a description that no header names is known by, the best first.
_IDENTIFIERS = {
    "oai_dc": ("identifier",),
    "qdc": ("identifier",),
    "oai_doaj": ("doi", "fullTextUrl"),
    "mods": ("recordInfo/recordIdentifier", *(f"identifier@{kind}" for kind in ("local", "uri", "hdl", "doi"))),
    "dim": ("dc.identifier.uri", "dc.identifier"),
    "xoai": ("others.identifier", "others.handle", "dc.identifier.uri", "dc.identifier"),
}
# With its semicolon: `AT&T` and `?a=1&copy=2` stay.
_ESCAPED = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_UNIQUE = re.compile(r"(?i)(?:https?|oai|hdl|doi|info|ark):")
_DESCRIPTIVE = frozenset("title creator identifier leader".split())


def flatten(payload: Any, header: Any = None) -> tuple[list[Field], str]:
    """The fields of a description and its format (oai_dc, qdc, mods, dim, xoai, oai_doaj).

    Args:
        payload: the lxml element inside `metadata`.
        header: the OAI header; its datestamp becomes the field `header:datestamp`.
    """
    payload = _unwrapped(payload)
    name, namespace = _local(payload), _namespace(payload)
    if name == "mods":
        fields, format_ = list(_mods(payload, "")), "mods"
    elif name == "dim":
        fields, format_ = list(_dim(payload)), "dim"
    elif name == "metadata" and (namespace == XOAI or _is_xoai(payload)):
        fields, format_ = list(_xoai(payload, ())), "xoai"
    elif name == "doajArticle":
        fields, format_ = list(_named(payload)), "oai_doaj"
    else:
        qualified = name in QUALIFIED or next(payload.iterchildren(f"{{{DCTERMS}}}*"), None) is not None
        fields, format_ = list(_named(payload)), "qdc" if qualified else "oai_dc"
    return [*_datestamp(header), *fields], format_


def identifier(fields: list[Field], format_: str) -> str | None:
    """What a description is known by where no header says it, addresses first; None if it has nothing."""
    for wanted in _IDENTIFIERS[format_]:
        values = [value for tag, _, _, subfields in fields if tag == wanted for _, value in subfields]
        if values:
            return next((value for value in values if _UNIQUE.match(value)), values[0])
    return None


@lru_cache(4096)
def is_personal(tag: str) -> bool:
    """Whether only a person's record has such an element."""
    return _last(tag) in _PERSONAL


def looks_like_a_reader(tags: set[str]) -> bool:
    """Whether the elements are those of a person's record: two that only such have, and none of a description."""
    names = {_last(tag) for tag in tags}
    return len(names & _PERSONAL) >= 2 and not names & _DESCRIPTIVE


def _last(tag: str) -> str:
    return tag.rpartition("/")[2].rpartition(".")[2].lower()


@lru_cache(4096)
def split(tag: Any) -> tuple[str, str]:
    """Namespace and local name of an element by its tag; "" for comments and instructions."""
    namespace, _, local = tag.rpartition("}") if isinstance(tag, str) else ("", "", "")
    return namespace.lstrip("{"), local


def _local(element: Any) -> str:
    return split(element.tag)[1]


def _namespace(element: Any) -> str:
    return split(element.tag)[0]


def _text(element: Any) -> str:
    """The text of an element; a character that was escaped twice (`J&amp;#246;rg`) is one again."""
    text = (element.text or "").strip()
    return html.unescape(text).strip() if "&" in text and _ESCAPED.search(text) else text


def _one(tag: str, value: str) -> Field:
    return tag, None, None, [(None, value)]


def _unwrapped(payload: Any) -> Any:
    """The description inside METS, DIDL or a collection of one."""
    if _local(payload) not in _WRAPPERS:
        return payload
    return next((element for element in payload.iterdescendants() if _local(element) in _WRAPPED), payload)


def _datestamp(header: Any) -> Iterator[Field]:
    for child in header.iterchildren("{*}datestamp") if header is not None else ():
        if text := _text(child):
            yield _one("header:datestamp", text)


def _named(payload: Any) -> Iterator[Field]:
    for element in payload.iterdescendants(etree.Element):
        if text := _text(element):
            yield _one(_local(element), text)


def _dim(payload: Any) -> Iterator[Field]:
    for element in payload.iterdescendants("{*}field"):
        if text := _text(element):
            parts = (element.get("mdschema") or "dc", element.get("element"), element.get("qualifier"))
            yield _one(".".join(part for part in parts if part), text)


def _is_xoai(payload: Any) -> bool:
    return any(_local(child) == "element" and child.get("name") for child in payload)


def _xoai(element: Any, path: tuple[str, ...]) -> Iterator[Field]:
    """Elements nested by schema, element, qualifier (maybe) and language; a value is a field in the last."""
    for child in element:
        name = _local(child)
        if name == "element":
            yield from _xoai(child, (*path, child.get("name") or ""))
        elif name == "field" and _text(child):
            role = child.get("name") or "value"
            if role == "value":
                yield _one(".".join(path[:-1] if len(path) > 2 else path), _text(child))
            elif len(path) > 2 and path[0] not in ("bundles", "others", "repository"):
                yield _one(".".join(path[:-1]) + f"@{role}", _text(child))
            else:
                yield _one(".".join((*path, role)), _text(child))


def _mods(element: Any, path: str) -> Iterator[Field]:
    for child in element:
        name = _local(child)
        if not name:
            continue
        told = child.get(_TOLD_BY[name]) if name in _TOLD_BY else None
        here = f"{path}{name}@{told}" if told else f"{path}{name}"
        if name == "titleInfo":
            yield from _title(child, here)
        elif name == "name":
            yield from _person(child, here)
        elif name == "subject" and not path:
            yield from _subject(child)
        elif len(child):
            yield from _mods(child, f"{here}/")
        elif _text(child):
            yield _one(here, _text(child))


def _title(element: Any, path: str) -> Iterator[Field]:
    parts: list[tuple[str | None, str]] = []
    for child in element:
        if _local(child) in ("nonSort", "title") and _text(child):
            parts.append(("n" if _local(child) == "nonSort" else "a", _text(child)))
    if parts:
        yield f"{path}/title", None, None, parts
    for child in element:
        if _local(child) not in ("nonSort", "title", "") and _text(child):
            yield _one(f"{path}/{_local(child)}", _text(child))


def _name_parts(element: Any) -> list[tuple[str | None, str]]:
    parts = [
        (_NAME_PART.get(child.get("type") or "", "a"), _text(child))
        for child in element
        if _local(child) == "namePart" and _text(child)
    ]
    return [(code, value) for code, value in sorted(parts, key=lambda part: _NAME_ORDER.index(part[0]))]


def _person(element: Any, path: str) -> Iterator[Field]:
    if parts := _name_parts(element):
        yield f"{path}/namePart", None, None, parts
    for child in element:
        if _local(child) == "namePart" or not _local(child):
            continue
        if len(child):
            yield from _mods(child, f"{path}/{_local(child)}/")
        elif _text(child):
            yield _one(f"{path}/{_local(child)}", _text(child))


def _subject(element: Any) -> Iterator[Field]:
    parts: list[tuple[str | None, str]] = []
    for child in element:
        name = _local(child)
        if name == "name":
            value = ", ".join(part for _, part in _name_parts(child))
        else:
            value = " ".join(text.strip() for text in child.itertext() if text.strip()) if name else ""
        if value:
            parts.append((_SUBJECT.get(name, "x"), value))
    if parts:
        yield "subject", None, None, parts
