"""How fast bibliographic records become columns, beside other readers.

    bench/parse.py FILE… [--rounds 5] [--json] [--only TEXT…] [--chinese FILE] [--pages 200]

Each reader is a process of its own that imports and warms up once; then all take turns, round by round, and
the medians count.  Every process is bound to one core, those that say "two cores" to two.  `ratio` compares wall
time with the first reader of the group, `cpu_ratio` the processors' time, which a busy machine disturbs
less.  `peak_mb` is the peak memory of the process with all that it imports.

Three groups: the given files (ISO 2709); the same Chinese records in UTF-8 and in GB18030; OAI-PMH pages of
MARCXML made from the first file.  Peers that are not installed (extra `peers`; yaz-marcdump is Debian's yaz) are
left out with a note.
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHINESE = ROOT.parent / "shared/data/marc21/lc-chinese.mrc"
PAGE_RECORDS = 100
WARM_UP_RECORDS = 300
OAI = "http://www.openarchives.org/OAI/2.0/"

# --- the readers: each takes files and a folder to write to, and returns how many records it saw -------------


def pymarc_objects(paths: list[Path], _: Path) -> int:
    """pymarc's records, nothing done with them."""
    import pymarc

    count = 0
    for path in paths:
        with path.open("rb") as stream:
            count += sum(1 for _ in pymarc.MARCReader(stream))
    return count


def pymarc_to_arrow(paths: list[Path], _: Path) -> int:
    """pymarc's records, every subfield put into Arrow columns."""
    import pyarrow as pa
    import pymarc

    count = 0
    rows: list[tuple[int, int, str, str | None, str | None, int, str | None, str]] = []
    for path in paths:
        with path.open("rb") as stream:
            for record in pymarc.MARCReader(stream):
                if record is not None:
                    rows.append((count, 0, "LDR", None, None, 0, None, str(record.leader)))
                    for number, one in enumerate(record.fields, 1):
                        if one.control_field:
                            rows.append((count, number, one.tag, None, None, 0, None, one.data or ""))
                            continue
                        for at, (code, value) in enumerate(one.subfields):
                            rows.append((count, number, one.tag, *one.indicators, at, code, value))
                count += 1
    names = ["record_no", "field_no", "tag", "ind1", "ind2", "subfield_no", "code", "value"]
    pa.table([pa.array(column) for column in zip(*rows, strict=True)], names)
    return count


def mrrc_objects(paths: list[Path], _: Path) -> int:
    """mrrc's records (Rust), nothing done with them."""
    import mrrc

    return sum(1 for path in paths for _ in mrrc.MARCReader(str(path)))


def marctable_to_parquet(paths: list[Path], folder: Path) -> int:
    """marctable's table of the fields that it knows, a row a record, as Parquet."""
    import pyarrow.parquet as pq
    from marctable.utils import to_parquet

    count = 0
    for path in paths:
        out = folder / f"{path.name}.parquet"
        with path.open("rb") as stream, out.open("wb") as target:
            to_parquet(stream, target)
        count += pq.read_metadata(out).num_rows
    return count


def yaz_marcdump(paths: list[Path], _: Path) -> int:
    """yaz-marcdump (C), parsing only, its start included; it does not tell how many records it saw."""
    for path in paths:
        subprocess.run(["yaz-marcdump", "-n", str(path)], stdout=subprocess.DEVNULL, check=True)
    return 0


def to_arrow(paths: list[Path], _: Path) -> int:
    """This program's reader: chunks of Arrow columns, verified and decoded."""
    from transforms import iso2709

    count = 0
    for path in paths:
        with path.open("rb") as stream:
            count += sum(len(chunk.records) for chunk in iso2709.read(stream))
    return count


def to_staged(paths: list[Path], folder: Path) -> int:
    """This program's staged tables as Parquet, with keys, identifiers, holdings and all record rules."""
    from transforms.inspect import inspect

    cores = len(os.sched_getaffinity(0))
    return sum(int(inspect(path, out=folder / path.stem, processes=cores)["records"]) for path in paths)


def sickle_loop(paths: list[Path], _: Path) -> int:
    """sickle's records, nothing done with them; the pages come from files instead of a server."""
    from sickle import Sickle
    from sickle.response import OAIResponse

    class FromFiles(Sickle):
        def harvest(self, **params: str) -> OAIResponse:
            content = paths[int(params.get("resumptionToken", "0"))].read_bytes()
            return OAIResponse(SimpleNamespace(content=content, text=content.decode()), params)

    return sum(1 for _ in FromFiles("http://127.0.0.1/oai").ListRecords(metadataPrefix="marcxml"))


def pages_to_staged(paths: list[Path], folder: Path) -> int:
    """This program's staged tables of OAI-PMH pages, as the stage makes them from what was harvested."""
    from functools import partial

    from harvesters.compressed import opened
    from transforms.detect import Hints
    from transforms.staged_files import Batch, StagedFiles

    contents = [(path.name, partial(opened, path)) for path in paths]
    out = Path(tempfile.mkdtemp(dir=folder))
    with StagedFiles(out, Batch(contents, Hints(), "pages", "bench", _whole)) as files:
        count = sum(files.parts())
        files.finish()
    return count


def _whole(part: Any) -> tuple[Any, int]:
    return part.tables, len(part.records)


Reader = Callable[[list[Path], Path], int]
# group, name of the row, reader, cores, the module or command it needs; ratios are to the first of a group
ROWS = (
    ("file", "pymarc objects", pymarc_objects, 1, "pymarc"),
    ("file", "pymarc to Arrow", pymarc_to_arrow, 1, "pymarc"),
    ("file", "mrrc objects", mrrc_objects, 1, "mrrc"),
    ("file", "marctable to Parquet", marctable_to_parquet, 1, "marctable"),
    ("file", "yaz-marcdump -n", yaz_marcdump, 1, "yaz-marcdump"),
    ("file", "this program to Arrow", to_arrow, 1, ""),
    ("file", "this program to staged Parquet", to_staged, 1, ""),
    ("file", "this program to staged Parquet, two cores", to_staged, 2, ""),
    ("utf-8", "this program to Arrow, Chinese in UTF-8", to_arrow, 1, ""),
    ("gb18030", "this program to Arrow, Chinese in GB18030", to_arrow, 1, ""),
    ("pages", "sickle's loop over MARCXML pages", sickle_loop, 1, "sickle"),
    ("pages", "this program, MARCXML pages to staged Parquet", pages_to_staged, 1, ""),
)
READERS: dict[str, Reader] = {reader.__name__: reader for _, _, reader, _, _ in ROWS}
BASE_GROUP = {"gb18030": "utf-8"}  # whose first row a group is compared with, if not its own


# --- what they read --------------------------------------------------------------------------------------------


def _records(path: Path) -> Iterator[bytes]:
    return (unit + b"\x1d" for unit in path.read_bytes().split(b"\x1d")[:-1])


def in_charset(record: bytes, charset: str) -> bytes:
    """A record in UTF-8, written in another charset."""
    base = int(record[12:17])
    directory, data = b"", b""
    for at in range(24, base - 12, 12):
        length, start = int(record[at + 3 : at + 7]), int(record[at + 7 : at + 12])
        value = record[base + start : base + start + length].decode().encode(charset)
        directory += record[at : at + 3] + b"%04d%05d" % (len(value), len(data))
        data += value
    leader = b"%05d" % (base + len(data) + 1) + record[5:12] + b"%05d" % base + record[17:24]
    return leader + directory + b"\x1e" + data + b"\x1d"


def pages(path: Path, folder: Path, wanted: int) -> list[Path]:
    """OAI-PMH answers with the first records of a file as MARCXML."""
    import pymarc

    made: list[Path] = []
    with path.open("rb") as stream:
        records = (record for record in pymarc.MARCReader(stream) if record is not None)
        while len(made) < wanted:
            items = ""
            for record, _ in zip(records, range(PAGE_RECORDS), strict=False):
                header = f"<identifier>oai:bench:{len(made)}</identifier><datestamp>2024-01-01</datestamp>"
                marc = pymarc.record_to_xml(record, namespace=True).decode()
                items += f"<record><header>{header}</header><metadata>{marc}</metadata></record>\n"
            if not items:
                break
            token = "" if len(made) + 1 == wanted else f"<resumptionToken>{len(made) + 1}</resumptionToken>"
            made.append(folder / f"page-{len(made):05}.xml")
            made[-1].write_text(
                f'<?xml version="1.0" encoding="UTF-8"?>\n<OAI-PMH xmlns="{OAI}"><responseDate>2024-01-01T00:00Z'
                f'</responseDate><request verb="ListRecords">http://127.0.0.1/oai</request><ListRecords>\n'
                f"{items}{token}</ListRecords></OAI-PMH>\n"
            )
    if made:  # the last page names no other, also where the records ran out
        made[-1].write_text(made[-1].read_text().replace(f"<resumptionToken>{len(made)}</resumptionToken>", ""))
    return made


def inputs(given: argparse.Namespace, folder: Path) -> dict[str, list[Path]]:
    """The files of each group; a group that can't be made has none."""
    made = {"file": given.files, "utf-8": [], "gb18030": [], "pages": []}
    if given.chinese.exists():
        made["utf-8"] = [given.chinese]
        made["gb18030"] = [folder / "gb18030.mrc"]
        made["gb18030"][0].write_bytes(b"".join(in_charset(one, "gb18030") for one in _records(given.chinese)))
    if importlib.util.find_spec("pymarc"):
        made["pages"] = pages(given.files[0], folder, given.pages)
    return made


def head(paths: list[Path], folder: Path) -> list[Path]:
    """Little to warm up with."""
    if paths[0].suffix == ".xml":
        return paths[-1:]
    out = folder / f"head-{paths[0].stem}.mrc"
    with paths[0].open("rb") as stream:
        out.write_bytes(b"".join(part + b"\x1d" for part in stream.read(1 << 20).split(b"\x1d")[:WARM_UP_RECORDS]))
    return [out]


# --- one process a reader ----------------------------------------------------------------------------------------


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def serve(reader: Reader, cores: int, paths: list[Path], warm: list[Path]) -> None:
    """Run the reader once for each line of standard input, and answer with what it took."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a reader prints is no answer
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        reader(warm, Path(scratch))
        print("ready", file=answers, flush=True)
        for _ in sys.stdin:
            start, cpu = time.perf_counter(), _cpu_seconds()
            count = reader(paths, Path(scratch))
            spent = {"seconds": time.perf_counter() - start, "cpu": _cpu_seconds() - cpu, "records": count}
            # the kernel's high-water mark of this process; ru_maxrss is inherited from the parent
            own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
            child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if reader is yaz_marcdump else 0
            print(json.dumps({**spent, "peak_mb": (child or own) / 1024}), file=answers, flush=True)


@dataclass
class Worker:
    """A row of the table: its process, and what each round took."""

    group: str
    name: str
    cores: int
    process: subprocess.Popen[str]
    rounds: list[dict[str, float]] = field(default_factory=list)

    def answer(self) -> str:
        """The next line that the process says.

        Raises:
            SystemExit: it ended.
        """
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"error: the reader {self.name!r} ended with code {self.process.wait()}; see above")
        return line

    def run(self) -> dict[str, float]:
        """One round."""
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.rounds.append(json.loads(self.answer()))
        return self.rounds[-1]

    def median(self, what: str) -> float:
        """The median over all rounds."""
        return statistics.median(one[what] for one in self.rounds)


def _worker(group: str, name: str, reader: Reader, cores: int, paths: list[Path], folder: Path) -> Worker:
    threads = {f"{library}_NUM_THREADS": str(cores) for library in ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")}
    warm = [str(path) for path in head(paths, folder)]
    command = [sys.executable, __file__, "--serve", f"{reader.__name__}:{cores}", *warm, "--", *map(str, paths)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads}
    )
    return Worker(group, name, cores, process)


def _is_there(needed: str) -> bool:
    return not needed or bool(importlib.util.find_spec(needed) if "-" not in needed else shutil.which(needed))


def measure(given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """One row a reader."""
    files = inputs(given, folder)
    workers: list[Worker] = []
    for group, name, reader, cores, needed in ROWS:
        if given.only and not any(text in name for text in given.only):
            continue
        if not _is_there(needed) or not files[group] or cores > len(os.sched_getaffinity(0)):
            why = f"{needed} is not installed" if not _is_there(needed) else "no files or cores for it"
            print(f"left out: {name} ({why})", file=sys.stderr)
            continue
        workers.append(_worker(group, name, reader, cores, files[group], folder))
        workers[-1].answer()
    try:
        for number in range(given.rounds):
            for worker in workers:
                spent = worker.run()["seconds"]
                print(f"round {number + 1} of {given.rounds}: {worker.name} {spent:.3f} s", file=sys.stderr)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
    return [_row(worker, workers, files) for worker in workers]


def _row(worker: Worker, workers: list[Worker], files: dict[str, list[Path]]) -> dict[str, Any]:
    base_group = BASE_GROUP.get(worker.group, worker.group)
    base = next((one for one in workers if one.group == base_group), worker)
    records = max(int(one.median("records")) for one in workers if one.group == worker.group)
    megabytes = sum(path.stat().st_size for path in files[worker.group]) / 1e6
    seconds, cpu = worker.median("seconds"), worker.median("cpu")
    return {
        "name": worker.name,
        "cores": worker.cores,
        "seconds": round(seconds, 4),
        "cpu_seconds": round(cpu, 4),
        "records_per_s": round(records / seconds),
        "mb_per_s": round(megabytes / seconds, 1),
        "ratio": round(base.median("seconds") / seconds, 2),
        "cpu_ratio": round(base.median("cpu") / cpu, 2),
        "compared_with": base.name,
        "peak_mb": round(max(one["peak_mb"] for one in worker.rounds), 1),
    }


def main() -> None:
    """Run from the command line."""
    if "--serve" in sys.argv[1:2]:
        name, cores = sys.argv[2].split(":")
        at = sys.argv.index("--")
        warm, paths = ([Path(one) for one in part] for part in (sys.argv[3:at], sys.argv[at + 1 :]))
        serve(READERS[name], int(cores), paths, warm)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="ISO 2709")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="only rows whose names hold one of these")
    parser.add_argument("--chinese", type=Path, default=CHINESE, help="ISO 2709 in UTF-8 with Chinese text")
    parser.add_argument("--pages", type=int, default=200, help=f"OAI-PMH pages of {PAGE_RECORDS} records, at most")
    given = parser.parse_args()
    if missing := [str(path) for path in given.files if not path.is_file()]:
        parser.error(f"no such file: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(given, Path(folder))
    if given.json:
        print(json.dumps({"rows": rows}, ensure_ascii=False))
        return
    columns = ("seconds", "cpu_seconds", "records_per_s", "mb_per_s", "ratio", "cpu_ratio", "peak_mb")
    print(f"{'':46}" + "".join(f"{column:>14}" for column in columns))
    base = ""
    for row in rows:
        if row["compared_with"] != base:
            base = row["compared_with"]
            print(f"-- ratio to: {base}")
        print(f"{row['name']:46}" + "".join(f"{row[column]:>14,}" for column in columns))


if __name__ == "__main__":
    main()
