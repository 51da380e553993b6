"""Why a pair has its score, in words: each line of the card with both values, and the vetoes.

The same functions that score a batch give the numbers, so what is told is what was done.
"""

import csv
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from transforms.described import Pairs
from transforms.features import features
from transforms.score import WEIGHTS, Card, contributions, likely, vetoes

# The compared column behind an evidence of another name.
BEHIND = {
    "title": "full_title_key",
    "title_start": "full_title_key",
    "title_kept": "full_title_key",
    "title_proper": "title_key",
    "title_numbers": "full_title_key",
    "creator": "creators_key",
    "team": "creators_key",
    "publisher": "publishers_key",
    "place": "places_key",
    "year_gap": "pub_year",
    "coded_gap": "coded_year",
    "pages_gap": "pages",
    "edition": "edition_key",
}
VETOES = {
    "number": ("the titles differ in a number", "题名中编号不同"),
    "imprint": ("another publisher, place and country", "出版者、出版地与出版国均不同"),
    "volume": ("the volume or part differs", "分卷不同"),
    "edition": ("the edition differs", "版次不同"),
    "carrier": ("print and electronic, or another carrier", "载体不同"),
    "language": ("the language differs", "语种不同"),
    "translation": ("translated from another language", "原著语种不同"),
    "serial": ("a serial and a monograph", "连续出版物与图书"),
    "kind": ("another kind of material", "文献类型不同"),
    "isbn_conflict": ("a shared ISBN, but unlike titles", "书号相同而题名不同"),
    "thesis": ("a thesis of the same title by another author", "学位论文题名相同而作者不同"),
    "same_source": ("two different records of one source", "同一数据源的两条记录"),
    "title_only": ("too little beside the title to compare", "除题名外无可比较"),
}


class Weighed(NamedTuple):
    """All about the score of one pair."""

    lines: list[dict[str, Any]]  # name, left, right, level, weight, english, chinese
    vetoes: list[str]
    score: float  # of the card alone, whatever a veto says
    likely: bool  # whether the pair is scored where all are matched


@cache
def texts() -> dict[tuple[str, str], tuple[str, str]]:
    """English and Chinese of each level of the card."""
    with WEIGHTS.open(encoding="utf-8", newline="") as lines:
        return {(row["evidence"], row["level"]): (row["english"], row["chinese"]) for row in csv.DictReader(lines)}


def veto_text(rule: str) -> tuple[str, str]:
    """English and Chinese of a veto."""
    return VETOES.get(rule, (rule, rule))


def weigh(batch: pa.RecordBatch, card: Card) -> list[Weighed]:
    """Every line of the score card for each pair of a batch of `transforms.candidates.compared`."""
    pairs = Pairs.of(batch)
    found = features(pairs)
    weights, levels = contributions(found, card)
    scores = 1 / (1 + np.exp(-(card.prior + weights.sum(axis=0))))
    some, _ = likely(pairs, card)
    flags = vetoes(pairs, found)
    values = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    weighed = []
    for at in range(batch.num_rows):
        lines = []
        for column, (name, evidence) in enumerate(card.evidence.items()):
            level = evidence.levels[levels[column, at]] if levels[column, at] >= 0 else "missing"
            english, chinese = texts().get((name, level), ("nothing to compare", "无可比较"))
            sides = (values.get(f"{side}_{BEHIND.get(name, name)}") for side in ("left", "right"))
            left, right = (None if side is None or side[at] is None else str(side[at]) for side in sides)
            weight = round(float(weights[column, at]), 4)
            lines.append(
                {"name": name, "left": left, "right": right, "level": level, "weight": weight}
                | {"english": english, "chinese": chinese}
            )
        reasons = [reason for reason, flag in flags.items() if flag[at]]
        weighed.append(Weighed(lines, reasons, round(float(scores[at]), 6), at in some))
    return weighed
