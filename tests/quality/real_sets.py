"""Real records as the rules see them: every set of ../shared/data, whole, and Chinese ones written as CNMARC.

    python -m tests.quality.real_sets

writes `real_findings.csv` anew: set, rule, findings, with what readers found, and the numbers of records and of
those set aside.  Its difference shows what a change of a rule, a definition or a reader does to real records.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import yaml

from quality.rules import checking
from sample import cnmarc, marc
from transforms.detect import Hints
from transforms.parse import staged_parts

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FOUND = Path(__file__).with_name("real_findings.csv")
BATCH = "20260105"  # the present of rules about years
CHINESE = 2000  # records that are turned into CNMARC

# Files whose format the bytes do not tell say it as their source's row would.
FILES = {
    "lc-books": (["marc21/lc-books.mrc"], "auto"),
    "lc-chinese": (["marc21/lc-chinese.mrc"], "auto"),
    "gpo-monthly": (["marc21/gpo-monthly/*/*.mrc"], "auto"),
    "marc8-pairs (MARC-8)": (["marc21/marc8-pairs/*_marc8.mrc"], "auto"),
    "marc8-pairs (UTF-8)": (["marc21/marc8-pairs/*_utf8.mrc"], "auto"),
    "uva": (["marc21/uva-marc8-with-items.mrc"], "auto"),
    "broken": (["marc21/broken/*.mrc"], "auto"),
    "goldfinch": (["match/goldfinch/validation.mrc"], "auto"),
    "unimarc serials": (["unimarc/serials.mrc"], "unimarc"),
    "unimarc small": (["unimarc/*.bnr.*", "unimarc/short.firenze*"], "auto"),
    "rusmarc": (["unimarc/rusmarc-koi8r.mrc"], "unimarc"),
    "sru cnmarc": (["unimarc/sru-cnmarcxml*.xml"], "auto"),
    "sru unimarc": (["unimarc/sru-unimarcxml*.xml"], "auto"),
    "oai marcxml": (["oai/responses/marc.xml"], "auto"),
    "oai doaj": (["oai/responses/oai_doaj.xml"], "auto"),
    "oai recorded": (["oai/recorded-1/*.xml"], "auto"),
}
Contents = list[tuple[str, Callable[[], BinaryIO]]]


def _files(patterns: list[str]) -> Contents:
    paths = [path for pattern in patterns for path in sorted(DATA.glob(pattern))]
    assert paths, f"no file fits {patterns}"
    return [(path.name, partial(path.open, "rb")) for path in paths]


def _chinese_as_cnmarc() -> Contents:
    """Chinese books of the Library of Congress as a Chinese library would have catalogued them."""
    written = []
    for number, unit in enumerate((DATA / "marc21/lc-chinese.mrc").read_bytes().split(b"\x1d")[:CHINESE]):
        record = cnmarc.convert(marc.parse(unit), "50      ")
        record.fields.insert(0, ("001", "", [("", f"{number:09}")]))
        record.fields.append(("801", " 0", [("a", "CN"), ("b", "DEMO")]))
        written.append(marc.encode(record, str.encode))
    return [("lc-chinese.iso", partial(io.BytesIO, b"".join(written)))]


def _cassettes() -> Contents:
    """The recorded pages of Zenodo with records."""
    recorded = yaml.load((DATA / "oai/cassettes/list_records.yaml").read_text("utf-8"), yaml.CSafeLoader)
    bodies = [one["response"]["body"]["content"].encode() for one in recorded["interactions"]]
    return [(f"{number}.xml", partial(io.BytesIO, body)) for number, body in enumerate(bodies)]


def sets() -> dict[str, tuple[Callable[[], Contents], str]]:
    """By name of the set its files, and their format."""
    files = {name: (partial(_files, patterns), format_) for name, (patterns, format_) in FILES.items()}
    return files | {"lc-chinese as cnmarc": (_chinese_as_cnmarc, "cnmarc"), "oai zenodo": (_cassettes, "oai_dc")}


def counted(name: str) -> dict[str, int]:
    """The findings of a set by rule, and its records and rejected ones."""
    contents, format_ = sets()[name]
    found: Counter[str] = Counter()
    for part in staged_parts(contents(), Hints(format_), "real", BATCH):
        found["(records)"] += len(part.tables["bib"])
        found["(set aside)"] += len(part.tables["rejected"])
        found.update(part.tables["issue"]["rule"].to_pylist())
        found.update(checking.check(part.tables, "real", BATCH)["rule"].to_pylist())
    return {rule: count for rule, count in sorted(found.items()) if count}


def frozen() -> dict[str, dict[str, int]]:
    """What `real_findings.csv` says, by set."""
    by_set: dict[str, dict[str, int]] = {}
    with FOUND.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            by_set.setdefault(row["set"], {})[row["rule"]] = int(row["findings"])
    return by_set


def main() -> None:
    """Write the numbers anew."""
    with FOUND.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["set", "rule", "findings"])
        for name in sets():
            writer.writerows([name, rule, count] for rule, count in counted(name).items())


if __name__ == "__main__":
    main()
