"""The pairs that matching got wrong, each with its reason, so that a person can learn from them."""

import csv
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import ibis
from ibis.backends import BaseBackend

from transforms import explain, review
from transforms.evidence import Weighed
from transforms.judgement import RECORD, Judgement, Record, listed
from transforms.score import load_card

JOINED, MISSED = "joined", "missed"
STRONGEST = 3  # lines of the card that are told for, and against
COLUMNS = ("left", "right", "wrong", "pairs", "score", "rule", "why", "for", "against", "chain", "differing")
Told = dict[str, Any]


class Wrong(NamedTuple):
    """Two records that are in one bib and should not be (joined), or should be and are not (missed)."""

    left: Record
    right: Record
    wrong: str
    pairs: int = 1  # for so many pairs of records between the same parts it stands


def explained(
    con: duckdb.DuckDBPyConnection, wrong: list[Wrong], judged: list[tuple[Judgement, str]]
) -> list[Told]:
    """What is to be known of wrong pairs, in their order, as plain values named as in `COLUMNS`.

    `rule` is the matching's own word for why (none where the pair was not compared), `for` and `against` are the
    strongest lines of the card, `chain` the matched pairs that led from one to the other, and `differing` the
    fields (name, left, right) in which they are not the same.

    Args:
        con: a lake, or what looks like one: staged.current_bib, catalog.match, .bib_record and .judgement.
        judged: every judgement, with what became of it.
    """
    if not wrong:
        return []
    backend = ibis.duckdb.from_connection(con)
    bib = backend.table("current_bib", database="staged")
    records = tuple(sorted({record for one in wrong for record in (one.left, one.right)}))
    group = explain.groups(con, backend, bib, records)
    bibs = _bibs(backend, records)
    met = explain.in_blocks(backend, bib, records)
    compared = review.compare(backend, bib, [(one.left, one.right) for one in wrong], load_card())
    told = []
    for one, (fields, weighed) in zip(wrong, compared, strict=True):
        left, right = one.left, one.right
        found: explain.Found = {
            "together": bibs[left] == bibs[right],
            "equal": group[left] == group[right],
            "compared": explain.match_row(con, group[left], group[right]),
            "likely": weighed.likely,
            # blocks in common and yet not compared: each must have been cut, unless the pair was set aside
            "blocks": {"shared": [{"cut": weighed.likely}] if met[left].keys() & met[right].keys() else []},
            "path": [],
            "conflicts": [],
        }
        if found["together"]:
            found["path"] = explain.path(con, bibs[left], group[left], group[right])
        elif found["compared"] and found["compared"]["rule"] == "veto:cluster":
            found["conflicts"] = explain.conflicts(con, backend, bib, bibs[left], bibs[right], judged)
        told.append(_told(one, found, fields, weighed))
    return told


def _bibs(backend: BaseBackend, records: tuple[Record, ...]) -> dict[Record, str]:
    links = backend.table("bib_record", database="catalog").semi_join(listed(records), RECORD)
    rows = links.select(*RECORD, "bib_id").to_pyarrow().to_pylist()
    return {(row["source_id"], row["record_id"]): row["bib_id"] for row in rows}


def _told(one: Wrong, found: explain.Found, fields: list[Told], weighed: Weighed) -> Told:
    lines = sorted(weighed.lines, key=lambda line: -abs(line["weight"]))
    said = {
        word: [
            f"{line['name']} {line['level']} {line['weight']:+.2f}" for line in lines if line["weight"] * sign > 0
        ]
        for word, sign in (("for", 1), ("against", -1))
    }
    row = found["compared"]
    steps = found["path"] if len(found["path"]) > 1 else []
    return {
        "left": explain.name(one.left),
        "right": explain.name(one.right),
        "wrong": one.wrong,
        "pairs": one.pairs,
        "score": weighed.score,
        "rule": row["rule"] if row else None,
        "why": explain.why(found)[0],
        **{word: lines[:STRONGEST] for word, lines in said.items()},
        "chain": [f"{step['left']} = {step['right']} ({step['score']:.3f}, {step['rule']})" for step in steps],
        "differing": [field for field in fields if field["left"] != field["right"]],
    }


def write(path: Path, told: list[Told]) -> None:
    """Wrong pairs as CSV, a line each; what is a list is joined by semicolons."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in told:
            lists = {column: "; ".join(row[column]) for column in ("for", "against", "chain")}
            writer.writerow(row | lists | {"differing": differing(row)})


def differing(row: Told, longest: int | None = None) -> str:
    """The fields that differ on one line: `title: this ≠ that; …`, each value cut to a length."""
    values = ((field["name"], field["left"] or "–", field["right"] or "–") for field in row["differing"])
    return "; ".join(f"{name}: {left[:longest]} ≠ {right[:longest]}" for name, left, right in values)
