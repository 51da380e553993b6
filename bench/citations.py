"""How well citations of one database are matched with those of another, as two repositories would show them.

    bench/citations.py FOLDER [--type article] [--wrong FILE.csv] [--json]

FOLDER holds the citations of DBLP and of ACM (`dblp.csv`, `acm.csv`: id, title, authors, venue, year, separated
by %) and the pairs that are one paper (`gt.csv`).  Each database is written as a repository's answer to
ListRecords in oai_dc (title, creator each, source, date), read and staged as any harvest is, and matched with the
other as two sources.  Precision, recall and F1 are of pairs across the two.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from transforms import evaluate, parse, wrong_pairs
from transforms.detect import Hints
from transforms.wrong_pairs import Wrong

SOURCES = ("dblp", "acm")  # in the order of the columns of the true pairs
OAI = "http://www.openarchives.org/OAI/2.0/"
DC = 'xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" xmlns:dc="http://purl.org/dc/elements/1.1/"'


def citations(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file of citations.

    Where a citation has no authors, ACM's file has venue and year in quotation marks in their place.
    """
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="%"):
            if "%" in row.get("authors", ""):
                venue, year, *_ = row["authors"].split("%")
                row |= {"authors": "", "venue": venue, "year": year}
            yield row


def identifier(source: str, number: str) -> str:
    """The OAI identifier of a citation."""
    return f"oai:{source}.example:{number}"


def _record(source: str, row: dict[str, str], kind: str) -> str:
    elements = [("title", row["title"])]
    elements += [("creator", name.strip()) for name in (row["authors"] or "").split(",")]
    elements += [("source", row["venue"]), ("date", row["year"]), ("type", kind)]
    described = "".join(f"<dc:{name}>{escape(value)}</dc:{name}>" for name, value in elements if value)
    header = f"<identifier>{identifier(source, row['id'])}</identifier><datestamp>2026-01-01</datestamp>"
    return (
        f"<record><header>{header}</header><metadata><oai_dc:dc {DC}>{described}</oai_dc:dc></metadata></record>"
    )


def write(folder: Path, source: str, path: Path, kind: str = "") -> None:
    """Write a database's citations as a repository's answer to ListRecords."""
    records = "\n".join(_record(source, row, kind) for row in citations(folder / f"{source}.csv"))
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<OAI-PMH xmlns="{OAI}"><responseDate>2026-01-01T00:00:00Z'
        f'</responseDate><request verb="ListRecords" metadataPrefix="oai_dc">http://{source}.example/oai'
        f"</request><ListRecords>\n{records}\n</ListRecords></OAI-PMH>\n"
    )
    path.write_text(text, "utf-8")


def staged(folder: Path, scratch: Path, kind: str = "") -> pa.Table:
    """`staged.bib` of both databases, each a source."""
    tables = []
    for source in SOURCES:
        path = scratch / f"{source}.xml"
        write(folder, source, path, kind)
        parts = parse.staged_parts([(path.name, partial(path.open, "rb"))], Hints(), source, "batch")
        tables += [part.tables["bib"] for part in parts]
    return pa.concat_tables(tables)


def measured(folder: Path, kind: str = "") -> evaluate.Evaluation:
    """Match the two databases and hold the clusters against the true pairs."""
    with tempfile.TemporaryDirectory() as scratch:
        bib = staged(folder, Path(scratch), kind)
    con, records = evaluate.matched(bib)
    members: dict[int, dict[str, list[str]]] = {}
    for row in records.to_pylist():
        held = members.setdefault(row["cluster"], {source: [] for source in SOURCES})
        held[row["source_id"]].append(row["record_id"])
    found = {(one, other) for held in members.values() for one in held[SOURCES[0]] for other in held[SOURCES[1]]}
    true = {
        tuple(identifier(source, row[column]) for source, column in zip(SOURCES, ("D1", "D2"), strict=True))
        for row in citations(folder / "gt.csv")
    }
    figures = {"pairs": len(true)} | evaluate.figures(len(found & true), len(found), len(true))
    ends = [(kind, pair) for kind, pairs in (("joined", found - true), ("missed", true - found)) for pair in pairs]
    wrong = [Wrong((SOURCES[0], one), (SOURCES[1], other), kind) for kind, (one, other) in sorted(ends)]
    return evaluate.Evaluation(figures, wrong, con)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--type", default="", help="dc:type of each citation; else none")
    parser.add_argument("--wrong", type=Path, help="write the wrong pairs as CSV")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    start = time.perf_counter()
    found = measured(given.folder, given.type)
    row: dict[str, Any] = {"name": "citations", "seconds": round(time.perf_counter() - start, 3), **found.figures}
    if given.wrong:
        wrong_pairs.write(given.wrong, found.explained())
    if given.json:
        print(json.dumps({"rows": [row]}, ensure_ascii=False))
    else:
        print(", ".join(f"{name} {value}" for name, value in (row | found.counts).items()))


if __name__ == "__main__":
    main()
