"""A small OAI-PMH provider on 127.0.0.1 that misbehaves on demand."""

import gzip
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape, quoteattr

from harvesters import landing
from harvesters.registry import Source
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
    list_size: Callable[[int], int | None] = lambda page: None
    token: Callable[[int], str] = lambda start: f"start={start}"
    faults: dict[int, Callable[[Answer], Answer | str]] = field(default_factory=dict)
    fault_of_page: dict[int, Callable[[Answer], Answer | str]] = field(default_factory=dict)
    titles: bool = False
    identify_fault: Callable[[Answer], Answer | str] | None = None
    page_no: int = 0  # of the page that was sent last
    queries: list[dict[str, str]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)  # what hanging answers wait for

    @property
    def lists(self) -> list[dict[str, str]]:
        return [query for query in self.queries if query["verb"] == "ListRecords"]

    def answer(self, query: dict[str, str]) -> Answer | str:
        self.queries.append(query)
        if query["verb"] == "Identify":
            good = self.identify()
            return self.identify_fault(good) if self.identify_fault else good
        good = self.page(query)
        fault = self.faults.get(len(self.lists)) or self.faults.get(0) or self.fault_of_page.get(self.page_no)
        return fault(good) if fault else good

    def identify(self) -> Answer:
        return self.envelope(
            "<Identify><repositoryName>Demo Library</repositoryName><baseURL>http://127.0.0.1/</baseURL>"
            "<protocolVersion>2.0</protocolVersion><adminEmail>a@example.org</adminEmail>"
            "<earliestDatestamp>2001-01-01T00:00:00Z</earliestDatestamp><deletedRecord>persistent</deletedRecord>"
            f"<granularity>{self.granularity}</granularity></Identify>"
        )

    def page(self, query: dict[str, str]) -> Answer:
        start = 0
        if "resumptionToken" in query:
            starts = {self.token(n): n for n in reversed(range(0, self.records, self.page_size))}
            if query["resumptionToken"] not in starts:
                return self.error("badResumptionToken", "expired")
            start = starts[query["resumptionToken"]]
        elif query.get("from", "") > self.datestamp:
            return self.error("noRecordsMatch", "nothing new")
        self.page_no = start // self.page_size + 1
        end = min(start + self.page_size, self.records)
        rows = "".join(self.record(number) for number in range(start, end))
        size = self.list_size(start // self.page_size + 1)
        announced = f' completeListSize="{size}"' if size is not None else ""
        token = escape(self.token(end)) if end < self.records else ""
        more = f"<resumptionToken{announced}>{token}</resumptionToken>" if token or announced else ""
        return self.envelope(f"<ListRecords>{rows}{more}</ListRecords>")

    def record(self, number: int) -> str:
        status = ' status="deleted"' if number in self.deleted else ""
        header = (
            f"<header{status}><identifier>oai:demo:{number}</identifier>"
            f"<datestamp>{self.datestamp}</datestamp></header>"
        )
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


@contextmanager
def serving(provider: Provider) -> Iterator[str]:
    """Serve a provider; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, or each answer waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            answer = provider.answer(query)
            if answer == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            if isinstance(answer, str):
                provider.hold.wait(20)
                self.close_connection = True
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if "Content-Length" in headers:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/oai"
    finally:
        provider.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


def source_at(address: str, **changes: object) -> Source:
    """A source row for a provider, with quick retries; `quirks` are added to these."""
    quick = {"first_wait": "0.01", "longest_wait": "2", "attempts": "3", "read_timeout": "0.4"}
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
