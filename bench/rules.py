"""How long all record rules take on staged records.

    bench/rules.py [--records 1000000] [--file ../shared/data/marc21/lc-books.mrc] [--json]

The records of the file are parsed once and checked again and again, as staging checks them, until there are as
many as asked for; parsing is not counted.  A row for all rules, and one for the walk over the definitions alone,
which is a part of it.  `cpu` is the processors' time, `peak_mb` the most memory, with the parsed file.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from quality.rules import asked, checking, deviations  # noqa: E402
from transforms.detect import Hints  # noqa: E402
from transforms.parse import staged_parts  # noqa: E402

BATCH = "20260105T000000000000Z"


def parts(path: Path) -> list[dict[str, Any]]:
    """The staged tables of a file."""
    contents = [(path.name, lambda: path.open("rb"))]
    return [part.tables for part in staged_parts(contents, Hints(), "bench", BATCH)]


def timed(
    name: str, tables: list[dict[str, Any]], wanted: int, run: Callable[[dict[str, Any]], int]
) -> dict[str, Any]:
    """A row of the table."""
    run(tables[0])  # compiled and planned
    start, cpu, records, findings = time.perf_counter(), time.process_time(), 0, 0
    while records < wanted:
        for one in tables:
            findings += run(one)
            records += len(one["bib"])
            if records >= wanted:
                break
    spent = {"seconds": round(time.perf_counter() - start, 3), "cpu": round(time.process_time() - cpu, 3)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rate = round(records / spent["seconds"])
    return {
        "name": name,
        "records": records,
        "findings": findings,
        **spent,
        "records_per_s": rate,
        "peak_mb": peak,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path, default=ROOT.parent / "shared/data/marc21/lc-books.mrc")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.file.exists():
        raise SystemExit(f"error: there is no {given.file}; name a file of MARC records with --file")
    tables = parts(given.file)
    checker = checking.Checker("bench", BATCH, given.threads)

    def check(one: dict[str, Any]) -> int:
        checker.add(one)
        return len(checker.found())

    def walk(one: dict[str, Any]) -> int:
        place = asked.places(one["field"]["record_no"].to_numpy(), one["bib"])
        return len(deviations.deviations(one["field"], place, one["bib"]["format"]))

    rows = [
        timed("all record rules", tables, given.records, check),
        timed("of them the walk over the definitions", tables, given.records, walk),
    ]
    if given.json:
        print(json.dumps({"rows": rows}))
        return
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
