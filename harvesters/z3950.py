"""Harvesting over Z39.50, through libyaz's ZOOM.

Records are kept as they came in the syntax that the row names: ISO 2709 one after the other, XML in one collection
a page.  Which encoding they are in is left to staging.
"""

import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from harvesters import credentials, searched, tls, zoom
from harvesters.addresses import check_resolved
from harvesters.http import Patience
from harvesters.landing import Harvested, HarvestError
from harvesters.registry import Source
from harvesters.searched import OutOfReachError, Page
from harvesters.wanted import Wanted
from harvesters.windows import Axis, Window
from harvesters.zoom import ZoomError

EVERYTHING = "@attr 1=_ALLRECORDS @attr 2=103 ''"
PASSING = (
    zoom.CONNECT,
    zoom.CONNECTION_LOST,
    zoom.TIMEOUT,
    2,
    109,
)  # Bib-1: temporary error, database unavailable
OUT_OF_RANGE = 13
ADVICE = {  # by code: of ZOOM from 10000 on, else of Bib-1
    10000: "check host and port in sources.csv, and ask the member whether the server runs",
    10004: "the server or a firewall ends connections; ask the member",
    10005: "the server refuses us; ask the member for access",
    10007: "the server is slow or hangs; if it is only slow, raise read_timeout in quirks",
    10010: "correct the query in set_spec of sources.csv",
    10011: "correct the query in set_spec of sources.csv",
    0: "correct the query in set_spec of sources.csv",
    3: "the server lacks a feature of the query; simplify set_spec or the index in quirks",
    107: "the server does not take this kind of query; see query_type in quirks",
    108: "the server does not understand the query in set_spec",
    109: "the database is not available; ask the member, or correct the address in sources.csv",
    114: "the server lacks an index that the query, date_index or id_index names",
    121: "the server lacks an attribute that the query, date_index or id_index names",
    235: "there is no such database; correct the address in sources.csv",
    238: "the server does not give this record syntax; correct metadata_prefix in sources.csv",
    239: "the server does not give this record syntax; correct metadata_prefix in sources.csv",
    1011: "the server refuses the login; ask the member for access",
}
_Given = TypeVar("_Given")


def harvest(source: Source, batch_id: str, wanted: Wanted) -> Harvested:
    """Land what changed at a Z39.50 target as one batch, or all that its query finds.

    Raises:
        HarvestError: the result could not be read to its end; what has landed waits for the next harvest.
    """
    if not zoom.is_there():
        raise HarvestError(
            "Z39.50 needs the library libyaz, which is not installed (apt-get install libyaz5)", False
        )
    target = Target(source)
    asked = {"address": target.address, "syntax": source.metadata_prefix, "query": source.set_spec}
    try:
        return searched.harvest(source, batch_id, wanted, target, target.axis, asked)
    finally:
        target.close()


class Target:
    """One Z39.50 database; it is connected to when it is first asked, and again after faults that may pass."""

    def __init__(self, source: Source):
        self.source = source
        self.address = source.address
        self.axis = Axis.of(source.quirks, "%Y%m%d")
        self.patience = Patience.of(source)
        self.is_xml = (source.metadata_prefix or "").lower() in ("xml", "text-xml", "marcxml")
        self.suffix = ".xml" if self.is_xml else ".mrc"
        self.cql = source.quirks.get("query_type") == "cql"
        self._login = credentials.of(source)
        self._connection: zoom.Connection | None = None
        self._tunnel: tls.Tunnel | None = None
        self._found: Window | None = None

    def count(self, window: Window) -> int:
        """How many records the query finds in a window."""
        return self._patiently(lambda connection: self._search(connection, window))

    def page(self, window: Window, position: int, most: int) -> Page:
        """Records of a window from a position on."""
        return self._patiently(lambda connection: self._page(connection, window, position, most))

    def request(self, window: Window, position: int) -> str:
        """A request as the manifest shows it."""
        return f"{self.address} {self._query(window)}, from record {position}"

    def close(self) -> None:
        """End the connection."""
        for one in (self._connection, self._tunnel):
            if one:
                one.close()
        self._connection = self._tunnel = self._found = None

    def _query(self, window: Window) -> str:
        base, index = self.source.set_spec, self.axis.index
        if self.cql:
            pairs = ((">", window.low), ("<=", window.high))
            bounds = [f'{index} {relation} "{bound}"' for relation, bound in pairs if bound]
            return " and ".join([f"({base})"] * bool(base) + bounds) or "cql.allRecords=1"
        attributes = "".join(f"@attr {one.strip()} " for one in index.split(",") if one.strip())
        relations = ((5, window.low), (2, window.high))  # Bib-1: greater, less or equal
        bounds = [f'{attributes}@attr 2={relation} "{bound}"' for relation, bound in relations if bound]
        parts = ([base] if base else []) + bounds or [EVERYTHING]
        return "@and " * (len(parts) - 1) + " ".join(parts)

    def _search(self, connection: zoom.Connection, window: Window) -> int:
        self._found = None
        self._size = connection.search(self._query(window), self.cql)
        self._found = window
        return self._size

    def _page(self, connection: zoom.Connection, window: Window, position: int, most: int) -> Page:
        if self._found != window:  # after another window, or a connection that was lost
            self._search(connection, window)
        if position > self._size:
            return Page(self._size, b"", 0)
        records: list[bytes] = []
        faults: list[str] = []
        for one in connection.records(position, min(most, self._size - position + 1)):
            if isinstance(one, ZoomError):
                faults.append(
                    f"record {position + len(records) + len(faults)} came as diagnostic {one.code}: {one}"
                )
            elif self.is_xml != (one[0].lower() == "xml"):
                raise HarvestError(
                    f"the server sent {one[0]} where {self.source.metadata_prefix} was asked for; correct "
                    "metadata_prefix in sources.csv",
                    resumable=False,
                )
            else:
                records.append(one[1])
        skipped = position + len(records) + len(faults) if faults else 0
        return Page(self._size, self._joined(records), len(records), following=skipped, faults=faults)

    def _joined(self, records: list[bytes]) -> bytes:
        if not self.is_xml:
            return b"".join(records)
        bare = (one[one.index(b"?>") + 2 :] if one.startswith(b"<?xml") else one for one in records)
        return b"<collection>\n" + b"\n".join(bare) + b"\n</collection>\n" if records else b""

    def _patiently(self, ask: Callable[[zoom.Connection], _Given]) -> _Given:
        """Ask again after each fault that may pass, on a new connection."""
        attempts, wait = int(self.patience.attempts), self.patience.first_wait
        for attempt in range(1, attempts + 1):
            try:
                return self._once(ask)
            except ZoomError as error:
                self.close()
                if error.code == OUT_OF_RANGE:
                    raise OutOfReachError(f"{self.address}: {error}") from error
                advice = ADVICE.get(error.code, "tell the member what its server said")
                told = f"{self.address}: {credentials.masked(str(error))} (code {error.code})"
                if error.code not in PASSING:
                    raise HarvestError(f"{told}; {advice}", resumable=False) from error
                if attempt == attempts:
                    raise HarvestError(f"{told}; asked {attempts} times; {advice}") from error
            time.sleep(min(wait, self.patience.longest_wait))
            wait *= 2
        raise AssertionError("not reached")

    def _once(self, ask: Callable[[zoom.Connection], _Given]) -> _Given:
        if self.patience.pause:
            time.sleep(self.patience.pause)
        if self._connection is None:
            self._connection = self._connected()
        return ask(self._connection)

    def _connected(self) -> zoom.Connection:
        parts = urlsplit(self.address)
        host, database = parts.hostname or "", parts.path.strip("/")
        check_resolved(host, self.source)
        options = {
            "preferredRecordSyntax": "xml" if self.is_xml else self.source.metadata_prefix or "",
            "elementSetName": self.source.quirks.get("element_set", "F"),
            "timeout": str(max(1, round(self.patience.read_timeout))),
            "presentChunk": "20",
            "implementationName": "calis-exchange",
            "databaseName": database,
        }
        options |= {name: self._login[name] for name in ("user", "password", "group") if name in self._login}
        if parts.scheme == "z3950s":
            return zoom.Connection(self._through_tunnel(host, parts.port or 210), options)
        shown = f"[{host}]" if ":" in host else host
        return zoom.Connection(f"tcp:{shown}:{parts.port or 210}", options)

    def _through_tunnel(self, host: str, port: int) -> str:
        """Where libyaz, which checks no certificates, is to connect."""
        try:
            self._tunnel = tls.Tunnel(host, port, tls.Context(self.source), self.patience.read_timeout)
        except OSError as error:
            raise ZoomError(zoom.CONNECT, f"no connection: {error}") from error
        return f"unix:{self._tunnel.path}"
