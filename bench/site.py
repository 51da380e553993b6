"""How long the whole staff site takes to write, its overview to show in Chromium, and all packages to make.

    bench/site.py [--members 1800] [--json]

The published file is made up: a source a member, a batch of every day of a month, findings of 120 rules, and
50,000 bibs held by some members each.  Nothing of it is in the lake, so the pages of rules show no records.
Loading is measured from the start of navigation to the first row of the table, from a folder.
"""

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from quality import rules
from quality.feedback import feedback
from quality.report import report
from schemas.tables import BY_NAME, TABLES
from warehouse import engine, lake, marts
from warehouse.outcome import Outcome

CHROMIUM = Path("/usr/bin/chromium")
BIBS = 50_000
DAYS = 30
BUILD = "20260131T000000000000Z"
ROWS = Path(__file__).with_suffix(".sql")


def publish(members: int) -> None:
    """Write a made-up published file."""
    file = lake.published_database()
    file.parent.mkdir(parents=True)
    with engine.connect(file) as con:
        for layer in ("catalog", "quality", *marts.SCHEMAS):
            con.execute(f"CREATE SCHEMA {layer}")
        for table in TABLES:
            if table.layer in ("catalog", "quality"):
                con.register("shape", table.empty())
                con.execute(f"CREATE TABLE {table.full_name} AS SELECT * FROM shape")
                con.unregister("shape")
        known = [(rule.code, rule.severity) for rule in rules.load()][:120]
        con.execute("CREATE TEMP TABLE made_rules (code VARCHAR, severity VARCHAR)")
        con.executemany("INSERT INTO made_rules VALUES (?, ?)", known)
        for name, sql in re.findall(
            r"^-- table (\S+)\n(.*?)(?=^-- table|\Z)", ROWS.read_text("utf-8"), re.M | re.S
        ):
            _fill(con, name, sql.replace(":members", str(members)).replace(":days", str(DAYS)))
        con.execute("INSERT INTO catalog.holding BY NAME SELECT bib_id, source_id[:6] AS member_code, source_id, "
                    "record_id, 0 AS holding_no FROM catalog.bib_record")  # fmt: skip
        con.execute("UPDATE catalog.bib SET clc = [['B94', 'I247', 'TP3', 'K87'][1 + pub_year % 4]], lcc = []")
        con.execute("ATTACH ':memory:' AS memory")  # where marts that count readers look for them
        con.execute("CREATE SCHEMA memory.catalog")
        for name in ("loan", "ebook_loan"):
            con.register("shape", BY_NAME[f"catalog.{name}"].empty())
            con.execute(f"CREATE TABLE memory.catalog.{name} AS SELECT * FROM shape")
            con.unregister("shape")
        marts.prepare(con)
        for mart in marts.load():
            marts.add(con, mart)


def _fill(con: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    rows = con.execute(sql.replace(":bibs", str(BIBS)).replace(":build", BUILD)).to_arrow_table()
    known = {row[0] for row in con.execute(f"DESCRIBE {name}").fetchall()}
    con.register("rows", rows.select([column for column in rows.column_names if column in known]))
    con.execute(f"INSERT INTO {name} BY NAME SELECT * FROM rows")
    con.unregister("rows")


def loading(rounds: int = 3) -> float | None:
    """Seconds from navigation to the first row of the overview, the least of some rounds."""
    if not CHROMIUM.exists():
        return None
    from playwright.sync_api import sync_playwright

    taken = []
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            begin = time.perf_counter()
            page.goto((lake.site() / "index.html").as_uri(), wait_until="load")
            page.locator("#member-table tbody tr").first.wait_for()
            taken.append(time.perf_counter() - begin)
            page.close()
        browser.close()
    return min(taken)


def timed(stage: Callable[[str], list[Outcome]]) -> tuple[float, float]:
    """Seconds by the clock and of the processor that a stage takes."""
    begin, processor = time.perf_counter(), time.process_time()
    (outcome,) = stage("bench")
    if outcome.verdict != "complete":
        raise SystemExit(f"{stage.__name__} did not succeed: {outcome.reason}")
    return time.perf_counter() - begin, time.process_time() - processor


def main() -> None:
    """Measure, and print a line or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1800)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CALIS_HOME"] = folder
        publish(given.members)
        seconds, processor = timed(report)
        files = [path for path in lake.site().rglob("*") if path.is_file()]
        row = {
            "name": "site",
            "members": given.members,
            "seconds": round(seconds, 2),
            "processor_s": round(processor, 2),
            "members_per_s": round(given.members / seconds, 1),
            "pages": sum(path.suffix == ".html" for path in files),
            "mb": round(sum(path.stat().st_size for path in files) / 1e6, 1),
            "overview_kb": round((lake.site() / "index.html").stat().st_size / 1e3),
            "overview_seconds": loading(),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
        seconds, processor = timed(feedback)
        packages = list((lake.home() / "published" / "feedback").glob("*/*/package.json"))
        made = {
            "name": "feedback",
            "members": len(packages),
            "defects": sum(json.loads(package.read_text("utf-8"))["open"] for package in packages),
            "seconds": round(seconds, 2),
            "processor_s": round(processor, 2),
            "members_per_s": round(len(packages) / seconds, 1),
        }
    if given.json:
        print(json.dumps({"rows": [row, made]}))
    else:
        for one in (row, made):
            print("  ".join(f"{name} {value}" for name, value in one.items()))


if __name__ == "__main__":
    main()
