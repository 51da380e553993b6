"""ISO 18626 messages (version 1.1 to 1.3) as text rows; only the elements named here are kept.

Who asked (`patronInfo`), where to (`requestedDeliveryInfo`), contacts and notes never leave this module.
"""

import re
from typing import Any

import pyarrow as pa
from lxml import etree

from harvesters.compressed import UnreadableError

CONVERSIONS = {
    "message": "text", "request_id": "id", "requester": "text", "supplier": "text", "sent_at": "time",
    "service": "code:service", "status": "code:ill_status", "reason": "text", "changed_at": "time",
    "unfilled_reason": "text", "fee_cents": "money", "currency": "code:currency", "title": "text",
    "article_title": "text", "pub_year": "year", "volume": "text", "issue": "text", "pages": "text",
    "isbn": "isbn", "issn": "isxn", "doi": "doi",
}  # fmt: skip
_KINDS = {"request": "request", "supplyingAgencyMessage": "supplying", "requestingAgencyMessage": "requesting"}
_CONFIRMATIONS = (
    "requestConfirmation",
    "supplyingAgencyMessageConfirmation",
    "requestingAgencyMessageConfirmation",
)
_PARSER = etree.XMLParser(recover=False, resolve_entities=False, no_network=True, remove_comments=True)


def read(content: bytes, what: str) -> pa.Table:
    """One row for each message of a document, which may hold several.

    Raises:
        UnreadableError: it is no well-formed XML, or holds no message of ISO 18626.
    """
    try:
        root = etree.fromstring(content, _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        raise UnreadableError(f"{what}: no well-formed XML; export it again") from None
    messages = [e for e in root.iter() if isinstance(e.tag, str) and _local(e) in _KINDS]
    if not messages:
        confirmed = any(isinstance(e.tag, str) and _local(e) in _CONFIRMATIONS for e in root.iter())
        why = "only confirmations, which tell nothing" if confirmed else "no message of ISO 18626"
        raise UnreadableError(f"{what}: holds {why}; send requests and messages of both agencies")
    rows = [_row(number, message) for number, message in enumerate(messages, 1)]
    columns = {name: pa.array([row.get(name) or None for row in rows], pa.string()) for name in CONVERSIONS}
    faults = pa.array([row["fault"] for row in rows], pa.string())
    return pa.table({"row": pa.array([row["row"] for row in rows], pa.int32()), "fault": faults, **columns})


def _local(element: Any) -> str:
    return str(etree.QName(element).localname)


def _text(element: Any, *path: str) -> str:
    """The text at a path of local names; of several, the first that has any."""
    below = [element]
    for name in path:
        below = [child for one in below for child in one if isinstance(child.tag, str) and _local(child) == name]
    return next((" ".join(one.text.split()) for one in below if one.text and one.text.strip()), "")


def _row(number: int, message: Any) -> dict[str, Any]:
    def agency(name: str) -> str:
        value = _text(message, "header", name, "agencyIdValue")
        kind = _text(message, "header", name, "agencyIdType")
        return f"{kind}:{value}" if kind and value else value

    row: dict[str, Any] = {
        "row": number,
        "message": _KINDS[_local(message)],
        "request_id": _text(message, "header", "requestingAgencyRequestId"),
        "requester": agency("requestingAgencyId"),
        "supplier": agency("supplyingAgencyId"),
        "sent_at": _text(message, "header", "timestamp"),
        "service": _text(message, "serviceInfo", "serviceType"),
        "status": _text(message, "statusInfo", "status"),
        "reason": _text(message, "messageInfo", "reasonForMessage") or _text(message, "action"),
        "changed_at": _text(message, "statusInfo", "lastChange") or _text(message, "deliveryInfo", "dateSent"),
        "unfilled_reason": _text(message, "messageInfo", "reasonUnfilled"),
        "fee_cents": _text(message, "messageInfo", "offeredCosts", "monetaryValue")
        or _text(message, "deliveryInfo", "deliveryCosts", "monetaryValue"),
        "currency": _text(message, "messageInfo", "offeredCosts", "currencyCode"),
        "title": _text(message, "bibliographicInfo", "title"),
        "article_title": _text(message, "bibliographicInfo", "titleOfComponent"),
        "volume": _text(message, "bibliographicInfo", "volume"),
        "issue": _text(message, "bibliographicInfo", "issue"),
        "pages": _text(message, "bibliographicInfo", "pagesRequested"),
        "pub_year": "".join(re.findall(r"\b\d{4}\b", _text(message, "publicationInfo", "publicationDate"))[:1]),
        "fault": None,
    }
    for info in message.iter("{*}bibliographicItemId"):
        kind = _text(info, "bibliographicItemIdentifierCode").casefold()
        if kind in ("isbn", "issn", "doi") and not row.get(kind):
            row[kind] = _text(info, "bibliographicItemIdentifier")
    lacking = [name for name in ("request_id", "requester", "supplier", "sent_at") if not row[name]]
    if lacking:
        row["fault"] = f"the header lacks {', '.join(lacking)}"
    elif row["message"] == "supplying" and not row["status"]:
        row["fault"] = "the message has no status"
    return row
