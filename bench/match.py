"""How fast and how well a union of any size is matched.

    bench/match.py --records N [N …] [--json] [--memory-limit 2GB] [--threads 2] [--folder DIR] [--increment]
        [--splink]

Each size is a made-up union with its truth (`bench/union.py`), written to disk and matched by
`transforms.match.cluster` in a process of its own, whose peak memory counts with all that it imports; of it
`anonymous_mb` is what no file has, which a system that is short of memory can't take back.
`seconds` and `cpu_seconds` are of matching, and of keeping what the next run goes on from, after a warm-up; the
stage `given out` stands beside them: the tables of all records and pairs, which are made when they are asked for.
Precision and recall are of pairs of records within clusters, where the largest clusters weigh most; `bcubed_`
counts each record alike.  `wrong` counts, by kind, the bibs that were put to another bib (the largest of the
cluster): other editions, volumes, electronic forms …; `unrelated` are of other works; `might` are all bibs of
such families.  `missed` is the share of records that are not with most of their bib, of all records and of
those with a change.

With `--increment` the same union is matched once more with what was known before 1 % of its records came, changed
or went, which stand in a batch of their own; all that the full run keeps is kept, too.  `same_as_full`
tells whether the clusters are the same.  With `--folder` the unions stay there and
serve again.  `--splink` has Splink match the collapsed rows beside it; it is left out with a note where it is
not installed (extra `peers`).
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
if sys.path[0] == str(ROOT / "bench"):  # run as a script: its neighbours are found as `bench.…`
    sys.path[0] = str(ROOT)

CODE = ("vocabulary.py", "union.py", "changes.py", "columns.py")  # what a union depends on
WARM_UP_RECORDS = 1_000
# Of 300 records of the union one came later, one said something else, and beside one stood another.
BEFORE = """
    SELECT * FROM '{bib}' WHERE record_no % 300 > 1
    UNION ALL BY NAME
    SELECT * REPLACE (pub_year + 1 AS pub_year, [] AS publishers_key) FROM '{bib}' WHERE record_no % 300 = 1
    UNION ALL BY NAME
    SELECT * REPLACE (record_no + 1000000000 AS record_no, record_id || '-gone' AS record_id, pages + 1 AS pages)
    FROM '{bib}' WHERE record_no % 300 = 2
"""
# What came and what changed is a batch of its own, as staging has it; and the record index is in order.
LATER = "SELECT * REPLACE ('later' AS batch_id) FROM '{bib}' WHERE record_no % 300 < 2"
NOW = "SELECT * REPLACE (if(record_no % 300 < 2, 'later', batch_id) AS batch_id) FROM '{bib}'"
PROBABLY = 0.9  # from which Splink's pairs count as matches


# --- in a process of its own --------------------------------------------------------------------------------


def _connection(folder: Path, memory_limit: str, threads: int) -> Any:
    import ibis

    from warehouse import engine

    con = engine.connect(memory_limit=memory_limit)
    scratch = str(folder / "scratch").replace("'", "''")
    con.execute(f"SET threads = {threads}; SET temp_directory = '{scratch}'")
    return ibis.duckdb.from_connection(con)


def _memory_mb(what: str) -> float:
    return int(Path("/proc/self/status").read_text().split(f"{what}:")[1].split()[0]) / 1024


@contextmanager
def _watched() -> Iterator[list[float]]:
    """The most anonymous memory, as far as it is seen by looking every 20 ms."""
    most, ended = [0.0], threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            most[0] = max(most[0], _memory_mb("RssAnon"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()


def _spent(start: float, cpu: float) -> dict[str, float]:
    return {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": _memory_mb("VmHWM"),
    }


class Clock:
    """Seconds and processor seconds since the last stage, by stage."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        self.stages: dict[str, list[float]] = {}

    def done(self, stage: str) -> None:
        """A stage has ended."""
        wall, cpu = time.perf_counter(), time.process_time()
        spent = self.stages.setdefault(stage, [0.0, 0.0])
        spent[0] += wall - self.wall
        spent[1] += cpu - self.cpu
        self.wall, self.cpu = wall, cpu


def run_match(folder: Path, memory_limit: str, threads: int) -> dict[str, Any]:
    """Match the union in a folder, write `found.parquet` (row of the union, cluster), and tell what it took."""
    con = _connection(folder, memory_limit, threads)
    return _matched(con, [folder / "bib.parquet"], folder, "index", None)


def run_before(folder: Path, memory_limit: str, threads: int) -> dict[str, Any]:
    """Match the union as it was before some of its records came, changed or went, and keep what is then known."""
    from bench.union import write_index
    from transforms import match, record_index

    con = _connection(folder, memory_limit, threads)
    before, bib = folder / "before.parquet", str(folder / "bib.parquet").replace("'", "''")
    for file, query in ((before, BEFORE), (folder / "later.parquet", LATER)):
        con.con.sql(query.format(bib=bib)).write_parquet(str(file), compression="zstd")
    for file, records in (
        ("index-before", con.con.read_parquet(str(before))), ("index-later", con.con.sql(NOW.format(bib=bib)))
    ):  # fmt: skip
        write_index(records.order("source_id, record_id"), folder / f"{file}.parquet")
    shutil.rmtree(folder / "known", ignore_errors=True)
    present = partial(record_index.read, [folder / "index-before.parquet"], threads)
    match.cluster(con, con.read_parquet(before), present=present, files=[before], folder=folder / "known")
    return {}


def run_increment(folder: Path, memory_limit: str, threads: int) -> dict[str, Any]:
    """Match the union with what is known from `run_before`; whether the clusters are those of the full run."""
    con = _connection(folder, memory_limit, threads)
    full = pq.read_table(folder / "found.parquet")
    files = [folder / "before.parquet", folder / "later.parquet"]
    took = _matched(con, files, folder, "index-later", folder / "known")
    return took | {"same_as_full": pq.read_table(folder / "found.parquet").equals(full)}


def _matched(con: Any, files: list[Path], folder: Path, index: str, before: Path | None) -> dict[str, Any]:
    """Match what a record index has, and keep what is then known; after what was known `before`, what is new."""
    from transforms import known, match, record_index
    from warehouse import engine

    bib = con.read_parquet(files)
    _warm_up(con, bib, folder)
    shutil.rmtree(folder / "kept", ignore_errors=True)
    clock = Clock()
    start, cpu = clock.wall, clock.cpu
    then = known.load(before) if before else None
    with _watched() as most:
        clusters = match.cluster(
            con,
            bib,
            known=then,
            present=partial(record_index.read, [folder / f"{index}.parquet"], engine.threads(con)),
            files=files,
            folder=folder / "kept",
            done=clock.done,
        )
        spent = _spent(start, cpu)
        found, pairs = clusters.records.select(["record_no", "cluster"]), clusters.pairs
        clock.done("given out")
    pq.write_table(found.sort_by("record_no"), folder / "found.parquet")
    return {
        **spent,
        "anonymous_mb": round(most[0], 3),
        "stages": clock.stages,
        "pairs": len(pairs),
        "decisions": _counts(pairs["decision"]),
        "rules": _counts(pairs["rule"]),
        "notes": clusters.notes,
        "groups": int((clusters.known.component >= 0).sum()),
    }


def _warm_up(con: Any, bib: Any, folder: Path) -> None:
    """Match a few records, all and then those that changed, so that what is compiled is compiled."""
    import ibis

    from transforms import match
    from transforms.candidates import POSITION

    some = bib.limit(WARM_UP_RECORDS).to_pyarrow()
    file = folder / "some.parquet"
    pq.write_table(some, file)
    present = some.select(POSITION).sort_by([("source_id", "ascending"), ("record_id", "ascending")])
    index = lambda columns: iter([present.select(columns)])  # noqa: E731
    known = match.cluster(con, con.read_parquet(file), present=index, files=[file]).known
    file.unlink()
    match.cluster(con, ibis.memtable(some.slice(WARM_UP_RECORDS // 10)), known=known)


def _counts(values: pa.ChunkedArray) -> dict[str, int]:
    found = sorted(pc.value_counts(values).to_pylist(), key=lambda one: -one["counts"])
    return {one["values"]: one["counts"] for one in found[:40]}


def run_splink(folder: Path, memory_limit: str, threads: int) -> dict[str, Any]:
    """Splink on the collapsed rows, with blocks and comparisons as its documentation advises."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    from transforms import candidates, contents

    clock = Clock()
    start, cpu = clock.wall, clock.cpu
    backend = _connection(folder, memory_limit, threads)
    records = candidates.prepare(backend.read_parquet(folder / "bib.parquet"))
    members = backend.create_table("members", contents.said(backend, records))
    leaders = members.semi_join(candidates.firsts(members), "row").mutate(group=members.said)
    groups = backend.create_table("groups", candidates.groups(records, leaders))
    clock.done("collapse")
    title = "substr(title_key, 1, 12)"
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="group",
        blocking_rules_to_generate_predictions=[
            block_on(*names)
            for names in (
                ("calis_id",), ("isbn",), ("lccn",), ("oclc",), ("issn",),
                (title, "pub_year"), (title, "substr(creator_key, 1, 6)"), (title, "pages"),
            )
        ],
        comparisons=[
            *(cl.ExactMatch(name) for name in ("isbn", "volume_key", "edition_key", "carrier", "lang", "pages")),
            cl.JaroWinklerAtThresholds("full_title_key", [0.95, 0.85, 0.7]),
            cl.JaroWinklerAtThresholds("creator_key", [0.9, 0.7]),
            cl.JaroWinklerAtThresholds("publishers_key", [0.9, 0.7]),
            cl.ExactMatch("pub_year"),
        ],
    )  # fmt: skip
    api = DuckDBAPI(connection=backend.con)
    linker = Linker(api.register("groups"), settings)  # as from Splink 5
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=4)
    linker.training.estimate_parameters_using_expectation_maximisation(
        block_on("substr(title_key, 1, 12)", "pub_year")
    )
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("isbn"))
    clock.done("train")
    predicted = linker.inference.predict(threshold_match_probability=PROBABLY)
    clock.done("score")
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(predicted, PROBABLY)
    clock.done("components")
    found = backend.con.execute(
        f"""SELECT r.record_no, dense_rank() OVER (ORDER BY c.cluster_id) - 1 AS cluster
        FROM members r JOIN {clusters.physical_name} c ON r.said = c."group" ORDER BY r.record_no"""
    ).to_arrow_table()
    pq.write_table(found, folder / "found.parquet")
    pairs = backend.con.execute(f"SELECT count(*) FROM {predicted.physical_name}").fetchall()[0][0]
    clock.done("records out")
    return {**_spent(start, cpu), "stages": clock.stages, "pairs": pairs, "groups": int(groups.count().execute())}


RUNS = {"match": run_match, "before": run_before, "increment": run_increment, "splink": run_splink}


# --- the rows ---------------------------------------------------------------------------------------------------


def union(folder: Path, records: int, seed: int, words: Any = None) -> Path:
    """The folder of a union of so many records; made if it is not there, of the given vocabulary."""
    from bench import union as made
    from bench import vocabulary

    code = hashlib.sha256(b"".join((ROOT / "bench" / name).read_bytes() for name in CODE)).hexdigest()[:8]
    place = folder / f"union-{records}-{seed}-{code}"
    if not (place / "whole").exists():
        place.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        made.write(words or vocabulary.load(), records, place, seed)
        (place / "whole").touch()
        size = (place / "bib.parquet").stat().st_size / 1e6
        spent = time.perf_counter() - start
        print(f"made {records:,} records in {spent:.1f} s, {size:.0f} MB", file=sys.stderr)
    return place


def serve(what: str, place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """What one matcher tells of one union, from a process of its own."""
    command = [sys.executable, __file__, "--serve", what, str(place), given.memory_limit, str(given.threads)]
    threads = {f"{library}_NUM_THREADS": str(given.threads) for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **threads})
    if answer.returncode:
        raise SystemExit(f"error: {what} in {place.name} ended with code {answer.returncode}; see above")
    return dict(json.loads(answer.stdout.splitlines()[-1]))


def row(what: str, place: Path, records: int, given: argparse.Namespace) -> dict[str, Any]:
    """Run one matcher on one union."""
    from bench.truth import against_truth

    took = serve(what, place, given)
    stages = took.pop("stages")
    figures = against_truth(place)
    rounded = {name: round(took.pop(name), 3) for name in ("seconds", "cpu_seconds", "peak_mb")}
    return {
        "name": f"{what} {records:,}",
        "records": records,
        **rounded,
        "records_per_s": round(records / rounded["seconds"]),
        "cpu_us_per_record": round(rounded["cpu_seconds"] / records * 1e6, 2),
        "precision": round(figures.pop("precision"), 5),
        "recall": round(figures.pop("recall"), 5),
        "stages": {name: round(wall, 3) for name, (wall, _) in stages.items()},
        "cpu_stages": {name: round(cpu, 3) for name, (_, cpu) in stages.items()},
        **took,
        **{name: round(value, 5) if isinstance(value, float) else value for name, value in figures.items()},
    }


def _print(rows: list[dict[str, Any]]) -> None:
    columns = (
        "seconds", "cpu_seconds", "records_per_s", "cpu_us_per_record", "peak_mb", "anonymous_mb", "groups",
        "pairs", "precision", "recall", "bcubed_recall",
    )  # fmt: skip
    print(f"{'':18}" + "".join(f"{column:>18}" for column in columns))
    for one in rows:
        print(f"{one['name']:18}" + "".join(f"{one.get(column) or 0:>18,}" for column in columns))
    for one in rows:
        print(f"\n{one['name']}")
        for name, seconds in one["stages"].items():
            print(f"  {name:14}{seconds:10.2f} s{one['cpu_stages'][name]:10.2f} s of CPU")
        for name in ("decisions", "wrong", "might", "missed"):
            if name in one:
                print(f"  {name}: " + ", ".join(f"{key} {value:,}" for key, value in one[name].items()))
        if "same_as_full" in one:
            print(f"  the same clusters as of the full run: {'yes' if one['same_as_full'] else 'NO'}")
        for note in one.get("notes", []):
            print(f"  {note}")


def main() -> None:
    """Run from the command line."""
    if sys.argv[1:2] == ["--serve"]:
        what, place, memory_limit, threads = sys.argv[2:]
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what a matcher prints is no answer
        print(json.dumps(RUNS[what](Path(place), memory_limit, int(threads))), file=answers)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", required=True, metavar="N")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory-limit", default="2GB", help="DuckDB's")
    parser.add_argument("--threads", type=int, default=2, help="DuckDB's")
    parser.add_argument("--folder", type=Path, help="where the unions stay; else they are made anew")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--increment", action="store_true", help="also a change of 1 %% of the records")
    parser.add_argument("--splink", action="store_true", help="also Splink on the collapsed rows")
    given = parser.parse_args()
    splink = given.splink and importlib.util.find_spec("splink")
    if given.splink and not splink:
        print("left out: splink (it is not installed)", file=sys.stderr)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for records in given.records:
            place = union(given.folder or Path(scratch), records, given.seed)
            rows.append(row("match", place, records, given))
            if given.increment:
                serve("before", place, given)
                rows.append(row("increment", place, records, given))
            if splink:
                rows.append(row("splink", place, records, given))
    if given.json:
        print(json.dumps({"rows": rows}, ensure_ascii=False))
    else:
        _print(rows)


if __name__ == "__main__":
    main()
