"""A small OAI-PMH provider on 127.0.0.1 that misbehaves on demand."""

import gzip
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr

from harvesters import landing
from harvesters.registry import Source
from tests.harvesters.http_server import http_server
from warehouse import lake
from warehouse.outcome import Outcome

Answer = tuple[int, dict[str, str], bytes]
XML = {"Content-Type": "text/xml; charset=utf-8"}


@dataclass
class Provider:
    """Records of ids 0…n-1, paged.

    `faults` maps the number of a ListRecords request (from 1; 0 for all) to its fault, `fault_of_page` that of a
    page.
    """

    records: int = 25
    page_size: int = 10
    granularity: str = "YYYY-MM-DDThh:mm:ssZ"
    response_date: str = "2026-03-01T10:00:00Z"
    datestamp: str = "2026-02-01T00:00:00Z"
    deleted: frozenset[int] = frozenset()
    gone: frozenset[int] = frozenset()  # of which nothing is said any more
    changed: frozenset[int] | None = None  # what a list with `from` has; None for all
    deleted_record: str = "persistent"
    sets: bool = True  # whether it has any, whatever they are called
    prefixes: tuple[str, ...] = ()  # that are offered; none means any
    list_size: Callable[[int], int | None] = lambda page: None
    token: Callable[[int], str] = lambda start: f"start={start}"
    faults: dict[int, Callable[[Answer], Answer | str]] = field(default_factory=dict)
    fault_of_page: dict[int, Callable[[Answer], Answer | str]] = field(default_factory=dict)
    titles: bool = False
    identify_fault: Callable[[Answer], Answer | str] | None = None
    page_no: int = 0  # of the page that was sent last
    identifiers_fault: Callable[[Answer], Answer | str] | None = None
    slow: bool = False  # takes long enough for others to come meanwhile
    at_once: int = 0  # requests that are being answered
    most_at_once: int = 0
    queries: list[dict[str, str]] = field(default_factory=list)
    sent: Mapping[str, str] = field(default_factory=dict)  # the headers of the last request
    hold: threading.Event = field(default_factory=threading.Event)  # what hanging answers wait for

    @property
    def lists(self) -> list[dict[str, str]]:
        return [query for query in self.queries if query["verb"] == "ListRecords"]

    @property
    def identifier_lists(self) -> list[dict[str, str]]:
        """The requests for identifiers."""
        return [query for query in self.queries if query["verb"] == "ListIdentifiers"]

    def answer(self, query: dict[str, str]) -> Answer | str:
        self.queries.append(query)
        if query["verb"] == "Identify":
            good = self.identify()
            return self.identify_fault(good) if self.identify_fault else good
        good = self.page(query)
        if query["verb"] == "ListIdentifiers":
            return self.identifiers_fault(good) if self.identifiers_fault else good
        fault = self.faults.get(len(self.lists)) or self.faults.get(0) or self.fault_of_page.get(self.page_no)
        return fault(good) if fault else good

    def identify(self) -> Answer:
        return self.envelope(
            "<Identify><repositoryName>Demo Library</repositoryName><baseURL>http://127.0.0.1/</baseURL>"
            "<protocolVersion>2.0</protocolVersion><adminEmail>a@example.org</adminEmail>"
            "<earliestDatestamp>2001-01-01T00:00:00Z</earliestDatestamp>"
            f"<deletedRecord>{self.deleted_record}</deletedRecord><granularity>{self.granularity}</granularity></Identify>"
        )

    def page(self, query: dict[str, str]) -> Answer:
        start, since = 0, query.get("from", "")
        verb = query.get("verb", "ListRecords")
        if "resumptionToken" in query:
            starts = {self.token(n): n for n in reversed(range(0, self.records, self.page_size))}
            if query["resumptionToken"] not in starts:
                return self.error("badResumptionToken", "expired")
            start = starts[query["resumptionToken"]]
        elif "set" in query and not self.sets:
            return self.error("noSetHierarchy", "no sets here")
        elif self.prefixes and query["metadataPrefix"] not in self.prefixes:
            return self.error("cannotDisseminateFormat", f"only {self.prefixes}")
        elif since and not (since <= self.datestamp if self.changed is None else self.changed):
            return self.error("noRecordsMatch", "nothing new")
        chosen = range(self.records) if not since or self.changed is None else sorted(self.changed)
        numbers = [number for number in chosen if number not in self.gone]
        self.page_no = start // self.page_size + 1
        end = min(start + self.page_size, len(numbers))
        one = self.record if verb == "ListRecords" else self.header
        rows = "".join(one(number) for number in numbers[start:end])
        size = self.list_size(self.page_no)
        announced = f' completeListSize="{size}"' if size is not None else ""
        token = escape(self.token(end)) if end < len(numbers) else ""
        more = f"<resumptionToken{announced}>{token}</resumptionToken>" if token or announced else ""
        return self.envelope(f"<{verb}>{rows}{more}</{verb}>")

    def page_of(self, start: int, token: str) -> Answer:
        """The page that begins there, under another token."""
        rows = "".join(self.record(number) for number in range(start, start + self.page_size))
        return self.envelope(f"<ListRecords>{rows}<resumptionToken>{token}</resumptionToken></ListRecords>")

    def header(self, number: int) -> str:
        status = ' status="deleted"' if number in self.deleted else ""
        return (
            f"<header{status}><identifier>oai:demo:{number}</identifier>"
            f"<datestamp>{self.datestamp}</datestamp></header>"
        )

    def record(self, number: int) -> str:
        status = ' status="deleted"' if number in self.deleted else ""
        header = self.header(number)
        title = f'<datafield tag="245" ind1=" " ind2=" "><subfield code="a">Title {number}</subfield></datafield>'
        marc = (
            '<metadata><record xmlns="http://www.loc.gov/MARC21/slim"><leader>00000nam a2200000 a 4500</leader>'
            f'<controlfield tag="001">{number}</controlfield>{title if self.titles else ""}</record></metadata>'
        )
        return f"<record>{header}{'' if status else marc}</record>"

    def envelope(self, body: str) -> Answer:
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
            f"<responseDate>{self.response_date}</responseDate><request>http://127.0.0.1/</request>{body}</OAI-PMH>"
        )
        return 200, XML, text.encode()

    def error(self, code: str, text: str) -> Answer:
        return self.envelope(f"<error code={quoteattr(code)}>{text}</error>")


# --- faults ----------------------------------------------------------------------------------------------


def cut(answer: Answer) -> Answer:
    """The document ends in the middle, but the HTTP answer is whole."""
    return answer[0], answer[1], answer[2][: len(answer[2]) // 2]


def cut_body(answer: Answer) -> Answer:
    """Fewer bytes come than Content-Length says."""
    return answer[0], {**answer[1], "Content-Length": str(len(answer[2]) + 1000)}, answer[2]


def instead(status: int = 200, body: bytes = b"", **headers: str) -> Callable[[Answer], Answer]:
    """Another answer altogether."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: (status, {**XML, **named}, body)


def replace(old: bytes, new: bytes, count: int = 1) -> Callable[[Answer], Answer]:
    """Other bytes in the page."""
    return lambda answer: (answer[0], answer[1], answer[2].replace(old, new, count))


def gzipped(answer: Answer) -> Answer:
    return answer[0], {**answer[1], "Content-Encoding": "gzip"}, gzip.compress(answer[2])


def gzip_cut(answer: Answer) -> Answer:
    status, headers, body = gzipped(answer)
    return status, headers, body[: len(body) // 2]


def gzip_lie(answer: Answer) -> Answer:
    return answer[0], {**answer[1], "Content-Encoding": "gzip"}, answer[2]


def with_header(**headers: str) -> Callable[[Answer], Answer]:
    """The answer with headers more; X-Drip, Transfer-Encoding and X-Cut change how it is sent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: (answer[0], answer[1] | named, answer[2])


def reset(answer: Answer) -> str:
    """The connection is reset."""
    return "reset"


def hang(answer: Answer) -> str:
    """Nothing is sent for as long as the provider holds."""
    return "hang"


HTML = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><p>Back soon<br></body></html>"
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE OAI-PMH [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, (b"&%c;" % (97 + n)) * 10) for n in range(9))
    + b']><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>&j;</ListRecords></OAI-PMH>'
)
QUIET_DOCTYPE = b'<!DOCTYPE OAI-PMH [<!ENTITY x SYSTEM "file:///etc/hostname">]><OAI-PMH '


# --- serving ---------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    """Sends what a provider answers, as it is to be sent."""

    provider: Provider
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet, or each answer waits 40 ms for an acknowledgement

    def do_GET(self) -> None:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.provider.at_once += 1
        self.provider.most_at_once = max(self.provider.most_at_once, self.provider.at_once)
        self.provider.sent = self.headers
        answer = self.provider.answer(query)
        time.sleep(0.002 if self.provider.slow else 0)
        self.provider.at_once -= 1
        if answer == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if isinstance(answer, str):
            self.provider.hold.wait(20)
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        if "X-Drip" in headers:
            self.drip(body, head=headers["X-Drip"] == "head")
            return
        if "Transfer-Encoding" in headers:
            self.chunks(body, headers)
            return
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if "Content-Length" in headers:
            self.close_connection = True

    def drip(self, body: bytes, head: bool) -> None:
        """A byte of the head or of the body now and then, never so late that reading times out."""
        self.send_header("Content-Length", str(len(body)))
        if head:
            self.flush_headers()
        else:
            self.end_headers()
        self.close_connection = True
        sent = b"X-Said: " + b"a" * len(body) if head else body
        for place in range(len(sent)):
            self.wfile.write(sent[place : place + 1])
            self.wfile.flush()
            if self.provider.hold.wait(0.05):
                return

    def chunks(self, body: bytes, headers: dict[str, str]) -> None:
        """Chunked transfer; with X-Cut the last chunk is missing."""
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        pieces = [body[at : at + 700] for at in range(0, len(body), 700)]
        for piece in pieces[: -1 if "X-Cut" in headers else None]:
            self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
        self.close_connection = "X-Cut" in headers
        self.wfile.write(b"" if self.close_connection else b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()


@contextmanager
def serving(provider: Provider, certificate: Path | None = None) -> Iterator[str]:
    """Serve a provider; gives its address."""
    handler = type("Handler", (_Handler,), {"provider": provider})
    with http_server(handler, certificate) as address:
        try:
            yield f"{address}/oai"
        finally:
            provider.hold.set()


def source_at(address: str, **changes: object) -> Source:
    """A source row for a provider, with quick retries; `quirks` are added to these."""
    quick = {"first_wait": "0.01", "longest_wait": "2", "attempts": "3", "read_timeout": "20"}
    quirks = quick | {"allow_private": "yes"}
    row: dict[str, object] = {
        "source_id": "demo",
        "member_code": "demo",
        "protocol": "oai",
        "address": address,
        "metadata_prefix": "marcxml",
    }
    more = changes.pop("quirks", {})
    assert isinstance(more, dict)
    return Source.model_validate(row | changes | {"quirks": quirks | more})


def identifiers(source_id: str = "demo", batch_id: str = "") -> list[int]:
    """The record numbers that landed in a batch (the newest), in order."""
    batch_id = batch_id or lake.raw_batches(source_id)[-1]
    found = []
    for row in landing.manifest(source_id, batch_id):
        with landing.open_raw(source_id, batch_id, row["file"]) as page:
            content = page.read()
        numbers = [int(n) for n in re.findall(rb"<identifier>oai:demo:(\d+)<", content)]
        assert len(numbers) == row["received"] == landing.count_records(content)
        found += numbers
    return found


def check(outcome: Outcome, total: int) -> None:
    """Either all records are there, or the outcome says that they are not."""
    assert outcome.balanced
    if outcome.verdict == "complete":
        assert identifiers() == list(range(total))
        assert outcome.received == total and not outcome.reason
    else:
        assert outcome.verdict in ("partial", "failed")
        assert "demo" in outcome.reason and "127.0.0.1" in outcome.reason
