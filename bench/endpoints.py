"""Simulated OAI-PMH sources on loopback that are as slow and as broken as real ones.

What each does is drawn from a table of probes of real endpoints (`http_status,elapsed_ms,content_type,error`):
most answer, with that latency; the others refuse, hang, send HTML or an error, as the probe found them.  Those
that answer have a fault now and then that a second request mends; a few end their list before everything came.
Each source has an address of its own (127.x.y.z), so that it is a host of its own to the harvester.
"""

import asyncio
import csv
import multiprocessing
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 100  # records, as most servers send
DEAD = ("no such host", "refused", "timeout", "reset", "EOF", "HTML", "status")
ANSWERS, SHORT = "answers", "ends early"
PASSING = ("503", "cut", "reset", "empty")
ENDS_EARLY = 0.02  # of the sources that answer
IDENTIFY = (
    "<Identify><repositoryName>Simulated</repositoryName><baseURL>http://127.0.0.1/</baseURL>"
    "<protocolVersion>2.0</protocolVersion><adminEmail>a@example.org</adminEmail>"
    "<earliestDatestamp>2001-01-01T00:00:00Z</earliestDatestamp><deletedRecord>no</deletedRecord>"
    "<granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify>"
)
MARC = (
    '<metadata><record xmlns="http://www.loc.gov/MARC21/slim"><leader>00000nam a2200000 a 4500</leader>'
    '<controlfield tag="001">{0}</controlfield><controlfield tag="008">260101s2006    cc            000 0 chi d'
    '</controlfield><datafield tag="245" ind1="1" ind2="0"><subfield code="a">数据库系统概论 {0}</subfield>'
    '<subfield code="c">王珊, 萨师煊.</subfield></datafield><datafield tag="260" ind1=" " ind2=" "><subfield '
    'code="a">北京 :</subfield><subfield code="b">高等教育出版社,</subfield><subfield code="c">2006.</subfield>'
    '</datafield><datafield tag="650" ind1=" " ind2="0"><subfield code="a">Database management.</subfield>'
    "</datafield></record></metadata>"
)
HEAD = "<record><header><identifier>oai:sim:{0}</identifier><datestamp>2026-02-01T00:00:00Z</datestamp></header>"
RECORD = HEAD + MARC + "</record>"
HTML = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><p>Back soon<br></body></html>"


@dataclass(frozen=True)
class Endpoint:
    """One simulated source: what it does, how slowly (seconds), and how many records it truly has."""

    number: int
    kind: str
    status: int
    latency: float
    records: int
    faults: float = 0.0  # on how many of its pages there is one that a second request mends

    @property
    def host(self) -> str:
        """Its address on loopback; a name that does not resolve where the probe found none."""
        if self.kind == "no such host":
            return f"source-{self.number}.invalid"
        return f"127.{1 + self.number // 62500}.{self.number // 250 % 250}.{1 + self.number % 250}"

    @property
    def verdict(self) -> str:
        """What a harvest must find in the end."""
        return {ANSWERS: "complete", SHORT: "partial"}.get(self.kind, "failed")


def drawn(
    probes: Path, sources: int, records: int, scale: float, longest: float, faults: float, seed: int
) -> list[Endpoint]:
    """Endpoints after the table of probes, which together have `records` records; latencies × scale, bounded."""
    with probes.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    rng = random.Random(seed)
    found: list[tuple[str, int, float, float]] = []
    for row in rng.choices(rows, k=sources):
        kind = _kind(row)
        if kind == ANSWERS and rng.random() < ENDS_EARLY:
            kind = SHORT
        latency = min(float(row["elapsed_ms"] or 0) / 1000 * scale, longest)
        weight = rng.lognormvariate(0, 1.3) if kind in (ANSWERS, SHORT) else 0.0
        found.append((kind, int(float(row["http_status"] or 0)), latency, weight))
    per_weight = records / (sum(weight for *_, weight in found) or 1)
    return [
        Endpoint(number, kind, status, latency, max(1, round(weight * per_weight)) if weight else 0, faults)
        for number, (kind, status, latency, weight) in enumerate(found)
    ]


def _kind(row: dict[str, str]) -> str:
    if row["error"]:
        return "EOF" if row["error"] == "tls" else row["error"]
    if row["http_status"] != "200":
        return "status"
    return ANSWERS if "xml" in row["content_type"] else "HTML"


# --- serving ---------------------------------------------------------------------------------------------


class _Server:
    """Answers for some endpoints; `asked` and `faults` count by number of the endpoint, in shared memory."""

    def __init__(self, endpoints: list[Endpoint], asked: Any, faults: Any, seed: int):
        self.endpoints = {endpoint.host: endpoint for endpoint in endpoints}
        self.asked, self.faults, self.seed = asked, faults, seed
        self.failed_once: set[tuple[int, int]] = set()

    async def serve(self, port: int, ready: Any) -> None:
        hosts = [host for host, e in self.endpoints.items() if e.kind not in ("no such host", "refused")]
        server = await asyncio.start_server(self.talk, hosts or ["127.0.0.1"], port)
        ready.set()
        async with server:
            await server.serve_forever()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        endpoint = self.endpoints.get(writer.get_extra_info("sockname")[0])
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while endpoint and (line := await reader.readline()):
                while await reader.readline() not in (b"\r\n", b""):
                    pass
                self.asked[endpoint.number] += 1
                query = {k: v[0] for k, v in parse_qs(urlsplit(line.split()[1].decode()).query).items()}
                if not await self.answer(endpoint, query, writer):
                    break
        writer.close()

    async def answer(self, endpoint: Endpoint, query: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        """Send what the endpoint sends; whether the connection goes on."""
        kind, passing = endpoint.kind, ""
        if kind in (ANSWERS, SHORT):
            start = int(query.get("resumptionToken", "0"))
            passing = self.passing_fault(endpoint, start) if query["verb"] == "ListRecords" else ""
            kind = passing or kind
        if kind == "timeout":
            await asyncio.sleep(60)  # or until the client has had enough
            return False
        await asyncio.sleep(endpoint.latency)
        if kind == "EOF":
            return False
        if kind == "reset":
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            return False
        status, body = 200, HTML
        if kind in (ANSWERS, SHORT, "cut"):
            body = self.page(endpoint, query)
            body = body[: len(body) // 2] if kind == "cut" else body
        elif kind in ("503", "empty"):
            status, body = (503 if kind == "503" else 200), b""
        elif kind == "status":
            status = endpoint.status
        head = f"HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n"
        writer.write((head + ("Retry-After: 0\r\n" if status == 503 else "") + "\r\n").encode() + body)
        await writer.drain()
        return True

    def passing_fault(self, endpoint: Endpoint, start: int) -> str:
        """The fault of a page that is asked for the first time, if it has one."""
        key = (endpoint.number, start)
        rng = random.Random(f"{self.seed} {key}")
        if key in self.failed_once or rng.random() >= endpoint.faults:
            return ""
        self.failed_once.add(key)
        self.faults[endpoint.number] += 1
        return rng.choice(PASSING)

    def page(self, endpoint: Endpoint, query: dict[str, str]) -> bytes:
        if query["verb"] != "ListRecords":
            return _envelope(IDENTIFY)
        start = int(query.get("resumptionToken", "0"))
        there = endpoint.records if endpoint.kind == ANSWERS else endpoint.records * 2 // 3
        end = min(start + PAGE, there)
        more = end if end < there else ""
        token = f'<resumptionToken completeListSize="{endpoint.records}">{more}</resumptionToken>'
        rows = "".join(map(RECORD.format, range(start, end)))
        return _envelope(f"<ListRecords>{rows}{token}</ListRecords>")


def _envelope(body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f"<responseDate>2026-03-01T10:00:00Z</responseDate><request>http://127.0.0.1/</request>{body}</OAI-PMH>"
    ).encode()


def _serve(endpoints: list[Endpoint], port: int, asked: Any, faults: Any, seed: int, ready: Any) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_Server(endpoints, asked, faults, seed).serve(port, ready))


@contextmanager
def served(endpoints: list[Endpoint], port: int, servers: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Serve them from some processes; gives the counts of requests and of passing faults, by number."""
    spawn = multiprocessing.get_context("spawn")
    asked, faults = (spawn.Array("i", len(endpoints), lock=False) for _ in range(2))
    processes = []
    for place in range(servers):
        ready = spawn.Event()
        given = (endpoints[place::servers], port, asked, faults, seed, ready)
        process = spawn.Process(target=_serve, args=given, daemon=True)
        process.start()
        processes.append((process, ready))
    try:
        for process, ready in processes:
            if not ready.wait(60):
                raise RuntimeError(f"a server did not start (exit code {process.exitcode}); is port {port} free?")
        yield asked, faults
    finally:
        for process, _ in processes:
            process.kill()
            process.join()
