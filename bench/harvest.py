"""How fast many unreliable sources are harvested, and whether anything is lost.

    bench/harvest.py [--sources 1800] [--records 1000000] [--json] [--jobs 2] [--side-by-side 8] [--scale 0.02]
        [--longest 1] [--faults 0.02] [--probes FILE] [--servers 2] [--seed 7] [--loop 20000]

The sources are simulated (`bench/endpoints.py`): their latencies (× `--scale`, at most `--longest` seconds) and
faults follow a table of probes of real endpoints.  They are harvested by `harvesters.harvest.harvest_sources` in
the batches of the DAG, `--jobs` batches at a time, each in a process; then once more under the same run, as
Airflow's retry does.  Servers are other processes and count neither as processor time nor as memory.

`wrong` are sources whose verdict is not what their truth asks for, `lost` those that ended complete though a
record is missing, found by reading the identifiers in the landed bytes.  The rows `loop` and `sickle` harvest
`--loop` records from one fast source: ours with pages landed, sickle only going through its records.
"""

import argparse
import json
import multiprocessing
import os
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(ROOT / "bench"):  # run as a script: its neighbours are found as `bench.…`
    sys.path[0] = str(ROOT)

from bench import endpoints as simulated  # noqa: E402
from bench.endpoints import Endpoint  # noqa: E402

PROBES = ROOT.parent / "shared" / "data" / "oai" / "endpoint-probes.csv"
IDENTIFIER = re.compile(rb"<identifier>oai:sim:(\d+)</identifier>")
QUIRKS = "allow_private=yes;attempts=3;first_wait=0.05;longest_wait=1;connect_timeout=2;read_timeout={read}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _peak_mb() -> float:
    """The most memory that this process ever had, in MB."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _write_registry(found: list[Endpoint], port: int, longest: float) -> None:
    from warehouse import lake

    folder = lake.registry()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "members.csv").write_text(
        "code,name_zh,name_en,kind,province,valid_from\nSIM,模拟馆,Simulated,other,11,2020-01-01\n", "utf-8"
    )
    quirks = QUIRKS.format(read=longest + 1)
    rows = [f"{_name(e)},SIM,oai,http://{e.host}:{port}/oai,marcxml,marc21,full,{quirks}" for e in found]
    header = "source_id,member_code,protocol,address,metadata_prefix,format,delivery,quirks"
    (folder / "sources.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")


def _name(endpoint: Endpoint) -> str:
    return f"sim-{endpoint.number:04d}"


def _harvest(batch: list[str], run_id: str, side_by_side: int) -> tuple[int, float, float]:
    """A task of the DAG: (process, processor seconds, peak MB)."""
    import logging

    logging.disable(logging.ERROR)
    from harvesters.harvest import harvest_sources

    begun = time.process_time()
    harvest_sources(batch, run_id, jobs=side_by_side)
    return os.getpid(), time.process_time() - begun, _peak_mb()


def _run(pool: ProcessPoolExecutor, batches: list[list[str]], side_by_side: int) -> dict[str, Any]:
    """All batches, some at a time, each in a process of its own as under Airflow's executors."""
    begun = time.perf_counter()
    waiting = [pool.submit(_harvest, batch, "bench", side_by_side) for batch in batches]
    told = [task.result() for task in waiting]
    peaks: dict[int, float] = {}
    for process, _, peak in told:
        peaks[process] = max(peak, peaks.get(process, 0))
    return {
        "seconds": time.perf_counter() - begun,
        "cpu_seconds": sum(cpu for _, cpu, _ in told),
        "peak_mb": sum(peaks.values()) + _peak_mb(),
    }


def _judged(found: list[Endpoint]) -> dict[str, Any]:
    """What was recovered, held against the truth."""
    from harvesters import landing
    from warehouse import lake
    from warehouse.outcome import recorded

    verdicts: Counter[str] = Counter()
    lost, wrong, landed_records = [], [], 0
    for endpoint in found:
        name = _name(endpoint)
        last = recorded("harvest", name)[-1]
        verdicts[last.verdict] += 1
        ids: list[int] = []
        for batch_id in lake.raw_batches(name)[-1:]:
            for row in landing.manifest(name, batch_id):
                with landing.open_raw(name, batch_id, row["file"]) as stream:
                    ids += map(int, IDENTIFIER.findall(stream.read()))
        landed_records += len(ids)
        if last.verdict in ("complete", "unchanged") and sorted(ids) != list(range(endpoint.records)):
            lost.append(name)
        if last.verdict != endpoint.verdict or (last.verdict == "complete" and last.received != endpoint.records):
            wrong.append(
                f"{name} ({endpoint.kind}, {endpoint.records}): {last.verdict}, {last.received}; {last.reason}"
            )
    there = sum(e.records for e in found if e.kind == simulated.ANSWERS)
    return {"verdicts": dict(verdicts), "records": landed_records, "to_have": there, "lost": lost, "wrong": wrong}


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The rows of the benchmark, in a lake of its own (`CALIS_HOME`)."""
    from harvesters import pools

    found = simulated.drawn(
        options.probes,
        options.sources,
        options.records,
        options.scale,
        options.longest,
        options.faults,
        options.seed,
    )
    port = _free_port()
    _write_registry(found, port, options.longest)
    workers = ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn"))
    with workers as pool, simulated.served(found, port, options.servers, options.seed) as (asked, faults):
        batches = [batch for of_pool in pools.choose().values() for batch in of_pool]
        row = _run(pool, batches, options.side_by_side)
        row = {"name": f"{options.sources} sources", "requests": sum(asked), **row}
        judged = _judged(found)
        again = {"name": "tried again", **_run(pool, batches, options.side_by_side)}
        again["requests"] = sum(asked) - row["requests"]
        in_the_end = _judged(found)
        row["passing_faults"] = sum(faults)
    rows = []
    for what, seen in ((row, judged), (again, in_the_end)):
        kept = {key: len(value) if isinstance(value, list) else value for key, value in seen.items()}
        what |= kept | {"batches": len(batches), "examples": seen["wrong"][:3] + seen["lost"][:3]}
        what["records_per_s"] = kept["records"] / what["seconds"]
        rows.append(what)
    rows[-1].pop("records_per_s")
    return rows


def measure_loop(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Our harvest of one fast source with its pages landed, and sickle going through the same list."""
    import logging

    from sickle import Sickle

    from harvesters.harvest import harvest_sources

    logging.disable(logging.ERROR)
    endpoint = Endpoint(0, simulated.ANSWERS, 200, 0.0, options.loop)
    port = _free_port()
    _write_registry([endpoint], port, 1)
    rows = []
    with simulated.served([endpoint], port, 1, options.seed) as _:
        for name in ("warm-up", "loop", "sickle"):
            begun, cpu = time.perf_counter(), time.process_time()
            if name == "sickle":
                client = Sickle(f"http://{endpoint.host}:{port}/oai")
                count = _through(client.ListRecords(metadataPrefix="marcxml"))
            else:
                count = harvest_sources([], f"bench-{name}", full=True)[0].received
            seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
            row = {"name": name, "seconds": seconds, "cpu_seconds": cpu, "records": count, "peak_mb": _peak_mb()}
            rows.append(row | {"records_per_s": count / seconds, "records_per_cpu_s": count / cpu})
    return rows[1:]


def _through(records: Any) -> int:
    return sum(1 for record in records if record.header)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=1800)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--side-by-side", type=int, default=8)
    parser.add_argument("--scale", type=float, default=0.02)
    parser.add_argument("--longest", type=float, default=1.0)
    parser.add_argument("--faults", type=float, default=0.02, help="share of pages with one that passes")
    parser.add_argument("--probes", type=Path, default=PROBES)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--loop", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not options.probes.exists():
        parser.error(f"no table of probes at {options.probes}; say --probes FILE")
    rows = []
    for part in (measure, measure_loop) if options.loop else (measure,):
        with tempfile.TemporaryDirectory(prefix="bench-harvest-") as home:
            os.environ["CALIS_HOME"] = home
            rows += part(options)
    if options.json:
        print(json.dumps({"rows": rows}, ensure_ascii=False))
        return
    for row in rows:
        print(
            "  ".join(
                f"{key}: {value:,.1f}" if isinstance(value, float) else f"{key}: {value}"
                for key, value in row.items()
            )
        )


if __name__ == "__main__":
    main()
