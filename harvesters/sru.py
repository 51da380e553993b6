"""Harvesting over SRU 1.1, 1.2 and 2.0 (searchRetrieve).

A page is landed as received.  Diagnostics that stand in place of the records are the reason for which a harvest
ends; those in place of one record (surrogates) are counted, since that record is missing.  Both families of
namespaces are read by local names (1.x: http://www.loc.gov/zing/srw/; 2.0: OASIS search-ws/sruResponse).
"""

import hashlib
import re
from typing import Any
from urllib.parse import urlencode

import requests
from lxml import etree

from harvesters import credentials, searched
from harvesters.http import USER_AGENT, Session, TransientError, shown_address
from harvesters.landing import Harvested, HarvestError
from harvesters.registry import Source
from harvesters.searched import OutOfReachError, Page
from harvesters.strict_xml import root_of
from harvesters.wanted import Wanted
from harvesters.windows import Axis, Window

EVERYTHING = "cql.allRecords=1"
VERSIONS = ("1.2", "1.1", "2.0")
UNSUPPORTED_VERSION, TEMPORARY, OUT_OF_RANGE = "5", ("2",), ("60", "61")
NO_SCHEMA = ("66", "67")
ADVICE = {  # what to do about a diagnostic, by its number (info:srw/diagnostic/1)
    "3": "give the login that the member has for you",
    "4": "the address is of no SRU database; correct it in sources.csv",
    "5": "set version in quirks",
    "6": "set version, page_size or packing in quirks",
    "10": "the query in set_spec is no CQL that it understands",
    "15": "the query in set_spec names a context set that it has not; see its explain record",
    "16": "the query, date_index or id_index names an index that it has not; see its explain record",
    "19": "it has no such relation for the index; another date_index or id_index may",
    "48": "the query in set_spec has a feature that it lacks",
    "66": "it has no such record schema; correct metadata_prefix in sources.csv",
    "67": "it can't give a record in this schema; correct metadata_prefix in sources.csv",
    "71": "take packing out of quirks",
    "235": "it has no such database; correct the address in sources.csv",
}


class Diagnostic(HarvestError):
    """What the server says instead of giving records."""

    def __init__(self, code: str, message: str, details: str):
        self.code, self.details = code, details
        said = f"diagnostic {code}: {message}" + (f" ({details})" if details else "")
        super().__init__(f"{said}; {ADVICE.get(code, 'tell the member what its server said')}", resumable=False)


def harvest(source: Source, batch_id: str, wanted: Wanted) -> Harvested:
    """Land what changed at an SRU database as one batch, or all that its query finds.

    Raises:
        HarvestError: the result could not be read to its end; what has landed waits for the next harvest.
    """
    server = Server(source)
    axis = Axis.of(source.quirks, "%Y-%m-%d")
    asked = {"address": server.address, "schema": source.metadata_prefix, "query": source.set_spec}
    return searched.harvest(source, batch_id, wanted, server, axis, asked)


class Server:
    """One SRU database."""

    suffix = ".xml"

    def __init__(self, source: Source):
        self.source = source
        self.address = shown_address(source.address)
        self.axis = Axis.of(source.quirks, "%Y-%m-%d")
        self.versions = [source.quirks["version"]] if "version" in source.quirks else list(VERSIONS)
        self.session = Session(source, USER_AGENT)

    def count(self, window: Window) -> int:
        """How many records the query finds in a window."""
        return self._ask(window, 1, 1).size  # a maximum of 0 is refused by many

    def page(self, window: Window, position: int, most: int) -> Page:
        """Records of a window from a position on."""
        return self._ask(window, position, most)

    def request(self, window: Window, position: int) -> str:
        """A request as the manifest shows it."""
        asked = {"query": self._query(window), "startRecord": str(position)}
        return f"{self.address}?{urlencode(asked)}"

    def _query(self, window: Window) -> str:
        base, index = self.source.set_spec, self.axis.index
        bounds = [
            f'{index} {relation} "{bound}"'
            for relation, bound in ((">", window.low), ("<=", window.high))
            if bound
        ]
        if not bounds:
            return base or EVERYTHING
        return " and ".join([f"({base})"] * bool(base) + bounds)

    def _params(self, window: Window, position: int, most: int) -> dict[str, str]:
        """The parameters, as the version writes them (SRU 2.0: OASIS, part 3, 4.1)."""
        version, packing = self.versions[0], self.source.quirks.get("packing", "")
        params = {
            "query": self._query(window),
            "startRecord": str(position),
            "maximumRecords": str(most),
            "recordSchema": self.source.metadata_prefix or "",
        }
        if version == "2.0":
            params |= {"queryType": "cql", "recordXMLEscaping": packing}
        else:
            params |= {"version": version, "operation": "searchRetrieve", "recordPacking": packing}
        return {name: value for name, value in params.items() if value}

    def _ask(self, window: Window, position: int, most: int) -> Page:
        while True:
            params = self._params(window, position, most)
            try:
                what = f"{params['query']}, from record {position}"
                return self.session.ask(self.source.address, params, _read, _refused, what)
            except Diagnostic as error:
                if error.code in OUT_OF_RANGE and position > 1:
                    raise OutOfReachError(str(error)) from error
                if error.code != UNSUPPORTED_VERSION or len(self.versions) == 1:
                    raise
                named = re.search(r"\d\.\d", error.details)  # it says the highest that it knows
                left = self.versions[1:]
                self.versions = sorted(left, key=lambda v: v != named[0]) if named else left


def _refused(response: requests.Response, content: bytes) -> None:
    """Some servers send diagnostics with a status of 4xx or 5xx."""
    if response.status_code not in (401, 403, 429) and b"diagnostic" in content:
        try:
            _read(response, content)
        except TransientError:
            return


def _read(response: requests.Response, content: bytes) -> Page:
    root = root_of(content, "searchRetrieveResponse", "an SRU answer")
    found = _texts(root)
    records = [] if (listed := _child(root, "records")) is None else [r for r in listed if _name(r) == "record"]
    said = _child(root, "diagnostics")
    if said is not None and not records:
        raise _diagnostic(_texts(_child(said, "diagnostic")))
    if not re.fullmatch(r"\d{1,18}", found.get("numberOfRecords", "")):
        raise TransientError("the answer has no numberOfRecords")
    following = found.get("nextRecordPosition", "")
    if records and all(_code(_surrogate_of(record)) in NO_SCHEMA for record in records):
        raise _diagnostic(_surrogate_of(records[0]))  # so it will say of every record
    return Page(
        size=int(found["numberOfRecords"]),
        content=content,
        records=len(records),
        following=int(following) if following.isdecimal() else 0,
        faults=[fault for record in records if (fault := _surrogate(record))],
        first=_position(records),
        identity=_identity(records),
    )


def _identity(records: list[Any]) -> str:
    """A digest of what the records hold, without the answer around them; "" where they are diagnostics."""
    data = [_child(record, "recordData") for record in records if not _surrogate(record)]
    held = [etree.tostring(one, method="c14n") for one in data if one is not None]
    return hashlib.sha256(b"".join(held)).hexdigest() if held else ""


def _position(records: list[Any]) -> int:
    """The position that the first record says it has; 0 if it says nothing."""
    text = _texts(records[0]).get("recordPosition", "") if records else ""
    return int(text) if text.isdecimal() else 0


def _surrogate(record: Any) -> str:
    """What a diagnostic in place of a record says, else ""."""
    if not (told := _surrogate_of(record)):
        return ""
    said = f"{told.get('message', '')} {told.get('details', '')}".strip()
    return f"diagnostic {_code(told)} in place of a record: {said}"


def _surrogate_of(record: Any) -> dict[str, str]:
    """The texts of a diagnostic in place of a record, by name."""
    data = _child(record, "recordData")
    inner = _child(data, "diagnostic") if data is not None else None
    return _texts(inner) if inner is not None else {}


def _diagnostic(told: dict[str, str]) -> HarvestError:
    code = _code(told)
    message, details = (credentials.masked(told.get(name, ""))[:200] for name in ("message", "details"))
    if code in TEMPORARY:
        return TransientError(f"diagnostic {code}: {message} {details}".strip())
    return Diagnostic(code, message, details)


def _code(told: dict[str, str]) -> str:
    return told.get("uri", "").rpartition("/")[2] or told.get("code", "") or "without a number"


def _name(element: Any) -> str:
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""


def _child(element: Any, name: str) -> Any:
    return next((child for child in element if _name(child) == name), None)


def _texts(element: Any) -> dict[str, str]:
    """The texts of the children, by local name; of several of one name the first."""
    return {} if element is None else {_name(child): (child.text or "").strip() for child in reversed(element)}
