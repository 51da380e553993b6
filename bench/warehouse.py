"""How long usage takes from a library's file to an answer.

    bench/warehouse.py [--loans 10000000] [--items 2000000] [--json] [--memory-limit 3GB] [--threads 2]
        [--folder DIR]

Made up (`made_usage.py`) are twenty members, a build of the catalogue with so many items, and files of usage for
each member: circulation events of two years, nine loans, then a renewal, most of them of few items; two monthly
snapshots of all items; a request for interlibrary loan for fifty events, half of them asked of two suppliers; a
COUNTER report of 250 titles.  Then run, each in a process of its own, what a real run calls:

- `door`: the files are landed, readers become pseudonyms; `stage`: they become staged Parquet, through the gates
- `facts`: every table of facts, also those that stay empty, for the build
- `file`: the DuckDB file with tables and comments, without what follows: `marts`, all dimensions and marts; each
  that takes a second or more stands on a line of its own
- `question N`: the median of five runs of a block of COOKBOOK.md on that file

`load` is stage, facts and file together.  What a build does besides (matching, bibs, holdings) is written as it
would leave it and not measured.  `records_per_s` are circulation events, of a question none.  `peak_mb` counts
with all that the process imports; of a mart it is the peak while it was made, where the system lets us ask.
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(ROOT / "bench"):  # run as a script: its neighbours are found as `bench.…`
    sys.path[0] = str(ROOT)

from bench.made_usage import BUILD, make  # noqa: E402

RUN = "bench"
SHOWN_SECONDS = 1.0  # from which a mart has a line of its own
REPEATS = 5


# --- in a process of its own ----------------------------------------------------------------------------------


def _processor() -> float:
    """Processor seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_mb() -> float:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def _forget_peak() -> None:
    """Begin to look for the peak anew, where the system allows it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), _processor()

    def row(self, name: str) -> dict[str, Any]:
        """What it took."""
        return {
            "name": name,
            "seconds": time.perf_counter() - self.wall,
            "cpu_seconds": _processor() - self.cpu,
            "peak_mb": _peak_mb(),
        }


def _lake(memory_limit: str, threads: int) -> Any:
    from warehouse import engine, lake

    con = engine.open_lake(memory_limit)
    scratch = str(lake.home() / "scratch").replace("'", "''")
    con.execute(f"SET threads = {threads}; SET temp_directory = '{scratch}'")
    return con


def _complete(outcomes: list[Any]) -> None:
    """Raises where not every outcome is complete: figures of half a run say nothing."""
    if wrong := [outcome for outcome in outcomes if outcome.verdict != "complete"]:
        raise SystemExit(f"error: {wrong[0].source_id} is {wrong[0].verdict}: {wrong[0].reason}")


def _feeds() -> list[str]:
    from harvesters import registry
    from transforms.usage.kinds import OF_FORMAT

    return [source.source_id for source in registry.load().sources if source.format in OF_FORMAT]


def run_door(memory_limit: str, threads: int) -> list[dict[str, Any]]:
    from harvesters import harvest

    clock = Clock()
    _complete(harvest.harvest_sources(_feeds(), RUN, jobs=1))
    return [clock.row("door")]


def run_stage(memory_limit: str, threads: int) -> list[dict[str, Any]]:
    from transforms import stage

    clock = Clock()
    _complete(stage.stage_sources(_feeds(), RUN, processes=threads))
    return [clock.row("stage")]


def run_facts(memory_limit: str, threads: int) -> list[dict[str, Any]]:
    from harvesters import registry
    from transforms.usage import facts
    from warehouse import lake

    clock = Clock()
    with _lake(memory_limit, threads) as con:
        facts.write(con, registry.load(), lake.catalog_build(BUILD))
    return [clock.row("facts")]


def run_file(memory_limit: str, threads: int) -> list[dict[str, Any]]:
    """The published file; what marts take is left out of `file`."""
    from harvesters import registry
    from warehouse import build, lake, marts

    add = marts.add
    made: list[dict[str, Any]] = []
    filled = 0.0

    def add_timed(con: Any, mart: marts.Mart) -> None:
        nonlocal filled
        filled = filled or _peak_mb()
        _forget_peak()
        one = Clock()
        add(con, mart)
        made.append(one.row(mart.full_name))

    lake.published_database().parent.mkdir(parents=True, exist_ok=True)
    clock = Clock()
    with _lake(memory_limit, threads) as con:
        marts.add = add_timed
        try:
            build.fill(con, lake.published_database(), registry.load())
        finally:
            marts.add = add
    whole = clock.row("file")
    every = {"name": "marts"} | {key: sum(row[key] for row in made) for key in ("seconds", "cpu_seconds")}
    every["peak_mb"] = max(row["peak_mb"] for row in made)
    whole |= {key: whole[key] - every[key] for key in ("seconds", "cpu_seconds")}
    whole["peak_mb"] = max(whole["peak_mb"], filled)
    slow = sorted((row for row in made if row["seconds"] >= SHOWN_SECONDS), key=lambda row: -row["seconds"])
    return [whole, every, *slow]


def run_cookbook(memory_limit: str, threads: int) -> list[dict[str, Any]]:
    from warehouse import build, cookbook

    rows = []
    with build.open_published() as con:
        con.execute(f"SET threads = {threads}; SET memory_limit = '{memory_limit}'")
        for number, sql, _ in cookbook.questions(cookbook.COOKBOOK.read_text("utf-8")):
            runs = []
            for _ in range(REPEATS):
                clock = Clock()
                con.execute(sql).fetchall()
                runs.append(clock.row(f"question {number}"))
            rows.append(runs[0] | {key: median(run[key] for run in runs) for key in ("seconds", "cpu_seconds")})
    return rows


RUNS = {"door": run_door, "stage": run_stage, "facts": run_facts, "file": run_file, "cookbook": run_cookbook}


# --- the rows -------------------------------------------------------------------------------------------------


def serve(what: str, home: Path, given: argparse.Namespace) -> list[dict[str, Any]]:
    """What one step tells, from a process of its own."""
    command = [sys.executable, __file__, "--serve", what, given.memory_limit, str(given.threads)]
    threads = {f"{library}_NUM_THREADS": str(given.threads) for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    answer = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads, "CALIS_HOME": str(home)}
    )
    if answer.returncode:
        raise SystemExit(f"error: {what} ended with code {answer.returncode}; see above")
    rows: list[dict[str, Any]] = json.loads(answer.stdout.splitlines()[-1])
    return rows


def told(rows: list[dict[str, Any]], loans: int) -> list[dict[str, Any]]:
    """The rows as they are shown, `load` among them."""
    by_name = {row["name"]: row for row in rows}
    parts = [by_name[name] for name in ("stage", "facts", "file")]
    load = {"name": "load"} | {key: sum(part[key] for part in parts) for key in ("seconds", "cpu_seconds")}
    load["peak_mb"] = max(part["peak_mb"] for part in parts)
    rows.insert(rows.index(by_name["file"]) + 1, load)
    return [
        {
            "name": row["name"],
            "seconds": round(row["seconds"], 4),
            "cpu_seconds": round(row["cpu_seconds"], 4),
            "records_per_s": None if row["name"].startswith("question") else round(loans / row["seconds"]),
            "peak_mb": round(row["peak_mb"], 1),
        }
        for row in rows
    ]


def main() -> None:
    """Run from the command line."""
    if sys.argv[1:2] == ["--serve"]:
        what, memory_limit, threads = sys.argv[2:]
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what a step prints is no answer
        print(json.dumps(RUNS[what](memory_limit, int(threads))), file=answers)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loans", type=int, default=10_000_000, metavar="N", help="circulation events")
    parser.add_argument("--items", type=int, default=2_000_000, metavar="N")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory-limit", default="3GB", help="DuckDB's")
    parser.add_argument("--threads", type=int, default=2, help="DuckDB's")
    parser.add_argument("--folder", type=Path, help="a new folder, where the lake stays; else it is removed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = (given.folder or Path(scratch)).resolve() / "lake"
        if home.exists():
            parser.error(f"{home} is there already; name another folder")
        os.environ["CALIS_HOME"] = str(home)
        os.environ.pop("CALIS_KEYS", None)  # beside the lake
        home.mkdir(parents=True)
        make(home, given.loans, given.items)
        rows = told([row for what in RUNS for row in serve(what, home, given)], given.loans)
    if given.json:
        print(json.dumps({"rows": rows}, ensure_ascii=False))
        return
    columns = ("seconds", "cpu_seconds", "records_per_s", "peak_mb")
    print(f"{'':40}" + "".join(f"{column:>16}" for column in columns))
    for row in rows:
        print(f"{row['name']:40}" + "".join(f"{row[column] or 0:>16,}" for column in columns))


if __name__ == "__main__":
    main()
