"""Scored pairs: with rules and decisions as numbers to be kept, or as words."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import pyarrow as pa

DECISIONS = MATCH, REVIEW, SEPARATE = "match", "review", "separate"
REASONS = (  # of vetoes
    "volume", "edition", "carrier", "language", "translation", "serial", "kind", "isbn_conflict", "number",
    "imprint", "thesis", "same_source", "title_only",
)  # fmt: skip
# Rules beside the levels of evidence and the vetoes on pairs.
# Of pairs that people look at, though the score would join them.
LOOKED_AT = EARLY_PRINT, OTHER_YEAR, OTHER_WORDS, OTHER_PEOPLE, OTHER_ISBN, OTHER_AUTHOR, OTHER_DOI = (
    "early_print", "other_year", "other_words", "other_people", "other_isbn", "other_author", "other_doi",
)  # fmt: skip
REFUSED, SAME_SOURCE = "veto:cluster", "veto:same_source"
BY_FORCE, FORBIDDEN = "judgement:must_join", "judgement:must_not_join"

SCORE_STEPS = 1_000_000  # a score, from 0 to 1, has so many beside 0
# Scored pairs as they are kept: scores in steps, rules and decisions as places in `Card.rules` and `DECISIONS`.
CODED = pa.schema(
    [
        pa.field("left", pa.int32(), nullable=False),
        pa.field("right", pa.int32(), nullable=False),
        pa.field("score", pa.int32(), nullable=False),
        pa.field("rule", pa.int16(), nullable=False),
        pa.field("decision", pa.int8(), nullable=False),
    ]
)


def named(decided: Sequence[npt.NDArray[Any]], rules: list[str]) -> dict[str, pa.Array]:
    """Score, rule and decision of pairs, given as in `CODED`: scores from 0 to 1, and the latter two as words."""
    score, rule, decision = decided
    return {
        "score": pa.array(score / SCORE_STEPS),
        "rule": pa.DictionaryArray.from_arrays(pa.array(rule, pa.int16()), pa.array(rules)),
        "decision": pa.DictionaryArray.from_arrays(pa.array(decision, pa.int8()), pa.array(DECISIONS)),
    }
