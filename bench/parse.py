"""How fast ISO 2709 becomes columns, beside other readers: `bench/parse.py FILE… [--rounds N] [--json]`.

All readers take turns on the same files in one run; seconds are medians.  Peak memory is that of a process of
its own for each reader.  `ratio` is to pymarc's objects.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa


def pymarc_objects(path: Path) -> int:
    """pymarc's records, nothing done with them."""
    import pymarc

    with path.open("rb") as stream:
        return sum(1 for _ in pymarc.MARCReader(stream))


def pymarc_to_arrow(path: Path) -> int:
    """pymarc's records, every subfield put into Arrow columns."""
    import pymarc

    count = 0
    rows: list[tuple[int, int, str, str | None, str | None, int, str | None, str]] = []
    with path.open("rb") as stream:
        for record in pymarc.MARCReader(stream):
            if record is not None:
                rows.append((count, 0, "LDR", None, None, 0, None, str(record.leader)))
                for number, field in enumerate(record.fields, 1):
                    if field.control_field:
                        rows.append((count, number, field.tag, None, None, 0, None, field.data or ""))
                        continue
                    for at, (code, value) in enumerate(field.subfields):
                        rows.append((count, number, field.tag, *field.indicators, at, code, value))
            count += 1
    names = ["record_no", "field_no", "tag", "ind1", "ind2", "subfield_no", "code", "value"]
    pa.table([pa.array(column) for column in zip(*rows, strict=True)], names)
    return count


def yaz_marcdump(path: Path) -> int:
    """yaz-marcdump (C), parsing only."""
    subprocess.run(["yaz-marcdump", "-n", str(path)], stdout=subprocess.DEVNULL, check=True)
    return 0


def this_program(path: Path) -> int:
    """This program: chunks of Arrow columns, verified and decoded."""
    from transforms import iso2709

    with path.open("rb") as stream:
        return sum(len(chunk.records) for chunk in iso2709.read(stream))


READERS: dict[str, Callable[[Path], int]] = {
    "pymarc objects": pymarc_objects,
    "pymarc to Arrow": pymarc_to_arrow,
    "yaz-marcdump -n": yaz_marcdump,
    "this program to Arrow": this_program,
}


YAZ_PEAK = """
import resource, subprocess, sys
for file in sys.argv[1:]:
    subprocess.run(["yaz-marcdump", "-n", file], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def once(name: str, paths: list[Path]) -> tuple[float, int]:
    """Seconds and records of one reader over all files."""
    start = time.perf_counter()
    count = sum(READERS[name](path) for path in paths)
    return time.perf_counter() - start, count


def peak_mb(name: str, paths: list[Path]) -> float:
    """Peak memory of a process that does nothing but this."""
    if name == "yaz-marcdump -n":
        command = [sys.executable, "-c", YAZ_PEAK]
    else:
        command = [sys.executable, __file__, "--peak-of", name]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1024


def measure(paths: list[Path], rounds: int) -> list[dict[str, object]]:
    """One row a reader."""
    names = [name for name in READERS if name != "yaz-marcdump -n" or shutil.which("yaz-marcdump")]
    once("this program to Arrow", paths[:1])  # compile, or load what was compiled before
    seconds: dict[str, list[float]] = {name: [] for name in names}
    records = 0
    for number in range(rounds):
        for name in names:
            spent, count = once(name, paths)
            seconds[name].append(spent)
            records = max(records, count)
            print(f"round {number + 1} of {rounds}: {name} {spent:.2f} s", file=sys.stderr)
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    base = statistics.median(seconds["pymarc objects"])
    rows: list[dict[str, object]] = []
    for name in names:
        median = statistics.median(seconds[name])
        rows.append(
            {
                "name": name,
                "seconds": round(median, 4),
                "records_per_s": round(records / median),
                "mb_per_s": round(megabytes / median, 1),
                "ratio": round(base / median, 1),
                "peak_mb": round(peak_mb(name, paths), 1),
            }
        )
    return rows


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak-of", choices=list(READERS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak_of:
        once(given.peak_of, given.files)
        # the kernel's high-water mark of this process alone; ru_maxrss is inherited from the parent
        status = Path("/proc/self/status").read_text()
        print(status.split("VmHWM:")[1].split()[0])
        return
    rows = measure(given.files, given.rounds)
    if given.json:
        print(json.dumps({"rows": rows}, ensure_ascii=False))
        return
    print(f"{'':24}{'seconds':>10}{'records/s':>12}{'MB/s':>8}{'ratio':>8}{'peak MB':>9}")
    for row in rows:
        print(
            f"{row['name']:24}{row['seconds']:>10}{row['records_per_s']:>12,}"
            f"{row['mb_per_s']:>8}{row['ratio']:>8}{row['peak_mb']:>9}"
        )


if __name__ == "__main__":
    main()
