"""How fast records are harvested over loopback, beside sickle's own loop.

    bench/oai_loop.py [FILE] [--pages 200] [--page-records 100] [--rounds 5] [--json]

A server in a process of its own sends pages that were made before, MARCXML of the first records of FILE (MARC 21
in UTF-8) and the same in oai_dc.  Sickle's loop yields each record and nothing is done with it; ours checks each
page, counts its records, and lands it with its digest, compressed, and with the journal that outlives a kill.
Each reader is a process of its own, bound to one core (the server to another, where there is one); all take turns
and the medians count.  `cpu_s` is the reader's processor time, which a busy machine disturbs less than `seconds`.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(ROOT / "bench"):  # run as a script: its neighbour `warehouse.py` is not the package
    sys.path[0] = str(ROOT)

BOOKS = ROOT.parent / "shared/data/marc21/lc-books.mrc"
OAI = "http://www.openarchives.org/OAI/2.0/"
DC = f'<oai_dc:dc xmlns:oai_dc="{OAI}oai_dc/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
ELEMENTS = {
    "245": "title",
    "100": "creator",
    "700": "creator",
    "650": "subject",
    "260": "publisher",
    "520": "description",
}

# --- the readers: each harvests a prefix from an address and returns how many records came ---------------------


def sickle_loop(address: str, prefix: str) -> int:
    """Sickle's records, nothing done with them."""
    from sickle import Sickle

    return sum(1 for _ in Sickle(address).ListRecords(metadataPrefix=prefix))


def landed(address: str, prefix: str) -> int:
    """This program's harvest, its pages landed in a lake."""
    from harvesters.harvest import harvest
    from harvesters.registry import Source

    row = {"source_id": "bench", "member_code": "bench", "protocol": "oai", "metadata_prefix": prefix}
    source = Source.model_validate(row | {"address": address, "quirks": "allow_private=yes", "delivery": "full"})
    outcome = harvest(source, "bench")
    if outcome.verdict != "complete":
        raise SystemExit(f"the harvest was {outcome.verdict}: {outcome.reason}")
    return outcome.received


READERS: dict[str, Callable[[str, str], int]] = {
    "sickle's loop": sickle_loop,
    "this program, pages landed": landed,
}


def read(name: str, address: str, prefix: str) -> None:
    """Read once to warm up and once to measure; print the figures."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    READERS[name](f"{address}/short", prefix)
    begun, cpu = time.perf_counter(), time.process_time()
    records = READERS[name](address, prefix)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"records": records, "seconds": seconds, "cpu_s": cpu, "peak_mb": peak}))


# --- the server ------------------------------------------------------------------------------------------------


def _dublin_core(record: Any) -> str:
    values = ((name, " ".join(field.subfields_as_dict().get("a", []))) for tag, name in ELEMENTS.items()
              for field in record.get_fields(tag))  # fmt: skip
    return DC + "".join(f"<dc:{name}>{escape(value)}</dc:{name}>" for name, value in values) + "</oai_dc:dc>"


def pages(path: Path, wanted: int, page_records: int) -> dict[str, list[bytes]]:
    """The answers of each prefix; the last has no token."""
    import pymarc

    made: dict[str, list[bytes]] = {"marcxml": [], "oai_dc": []}
    with path.open("rb") as stream:
        records = [
            record for record, _ in zip(pymarc.MARCReader(stream), range(wanted * page_records), strict=False)
        ]
    for start in range(0, len(records), page_records):
        part = [record for record in records[start : start + page_records] if record is not None]
        more = start + page_records < len(records)
        for prefix, answers in made.items():
            token = f"{prefix}:{start // page_records + 1}" if more else ""
            items = ""
            for number, record in enumerate(part, start):
                text = (
                    pymarc.record_to_xml(record, namespace=True).decode()
                    if prefix == "marcxml"
                    else _dublin_core(record)
                )
                header = f"<identifier>oai:bench:{number}</identifier><datestamp>2024-01-01</datestamp>"
                items += f"<record><header>{header}</header><metadata>{text}</metadata></record>\n"
            answers.append(
                _answer(f"<ListRecords>{items}<resumptionToken>{token}</resumptionToken></ListRecords>").encode()
            )
    return made


def _answer(body: str) -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<OAI-PMH xmlns="{OAI}"><responseDate>2024-01-02T00:00:00Z'
        f"</responseDate><request>http://127.0.0.1/oai</request>{body}</OAI-PMH>\n"
    )


IDENTIFY = _answer(
    "<Identify><repositoryName>bench</repositoryName><baseURL>http://127.0.0.1/oai</baseURL><protocolVersion>2.0"
    "</protocolVersion><adminEmail>a@example.org</adminEmail><earliestDatestamp>2024-01-01</earliestDatestamp>"
    "<deletedRecord>persistent</deletedRecord><granularity>YYYY-MM-DD</granularity></Identify>"
).encode()


def serve(path: Path, wanted: int, page_records: int) -> None:
    """Serve until the process ends; prints the port.  As little of HTTP as these clients need."""
    answers = pages(path, wanted, page_records) | {"": [IDENTIFY]}
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=_answer_all, args=(listening.accept()[0], answers), daemon=True).start()


@cache
def _asked(request: bytes) -> tuple[str, int]:
    """The prefix and page that a request line asks for, ("", 0) for Identify; a token says both.

    Remembered, for it is the readers that are measured and not the server.
    """
    address = urlsplit(request.split()[1].decode())
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    if query["verb"] == "Identify":
        return "", 0
    prefix, _, page = query.get("resumptionToken", f"{query.get('metadataPrefix')}:0").partition(":")
    return prefix, -1 if address.path.endswith("/short") else int(page)


def _answer_all(connection: socket.socket, answers: dict[str, list[bytes]]) -> None:
    """Answer one connection."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection, connection.makefile("rb") as lines:
        while request := lines.readline():
            while lines.readline().strip():
                pass
            prefix, number = _asked(request)
            body = answers[prefix][number]
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %d\r\n\r\n"
            connection.sendall(head % len(body) + body)


# --- measuring -------------------------------------------------------------------------------------------------


def measured(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The figures of every reader and prefix; `ratio` and `cpu_ratio` compare with sickle."""
    this = [sys.executable, __file__]
    common = [str(given.file), "--pages", str(given.pages), "--page-records", str(given.page_records)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    figures: dict[tuple[str, str], list[dict[str, float]]] = {}
    server = subprocess.Popen([*this, *common, "--serve"], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout
        address = f"http://127.0.0.1:{int(server.stdout.readline())}/oai"
        for _ in range(given.rounds):
            for prefix in ("marcxml", "oai_dc"):
                for name in READERS:
                    with tempfile.TemporaryDirectory() as lake:
                        done = subprocess.run(
                            [*this, "--read", name, "--address", address, "--prefix", prefix],
                            stdout=subprocess.PIPE, text=True, check=True, env=environment | {"CALIS_HOME": lake},
                        )  # fmt: skip
                    figures.setdefault((prefix, name), []).append(json.loads(done.stdout))
    finally:
        server.terminate()
        server.wait()
    return [_row(prefix, name, runs, figures[prefix, "sickle's loop"]) for (prefix, name), runs in figures.items()]


def _row(prefix: str, name: str, runs: list[dict[str, float]], base: list[dict[str, float]]) -> dict[str, Any]:
    def middle(of: list[dict[str, float]], figure: str) -> float:
        return statistics.median(run[figure] for run in of)

    seconds, cpu, records = middle(runs, "seconds"), middle(runs, "cpu_s"), middle(runs, "records")
    return {
        "name": f"{name}, {prefix}", "records": int(records), "seconds": round(seconds, 3), "cpu_s": round(cpu, 3),
        "records_per_s": round(records / seconds), "ratio": round(middle(base, "seconds") / seconds, 2),
        "cpu_ratio": round(middle(base, "cpu_s") / cpu, 2), "peak_mb": round(middle(runs, "peak_mb")),
    }  # fmt: skip


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=BOOKS)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--page-records", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    for name in ("--read", "--address", "--prefix"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(given.read, given.address, given.prefix)
    elif given.serve:
        serve(given.file, given.pages, given.page_records)
    else:
        rows = measured(given)
        if given.json:
            print(json.dumps({"rows": rows}))
            return
        for row in rows:
            print(
                f"{row['name']:45} {row['records_per_s']:>9,} records/s  ×{row['ratio']:<6} "
                f"processor {row['cpu_s']:.2f} s ×{row['cpu_ratio']:<6} {row['peak_mb']} MB"
            )


if __name__ == "__main__":
    main()
