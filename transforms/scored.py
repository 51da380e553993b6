"""Scored pairs as a table: with rules and decisions as words, or as numbers to be kept."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.described import Flags

DECISIONS = MATCH, REVIEW, SEPARATE = "match", "review", "separate"
REASONS = (  # of vetoes
    "volume", "edition", "carrier", "language", "translation", "serial", "kind", "isbn_conflict", "number",
    "imprint", "same_source", "title_only",
)  # fmt: skip
# Rules beside the levels of evidence and the vetoes on pairs.
# Of pairs that people look at, though the score would join them.
LOOKED_AT = EARLY_PRINT, OTHER_YEAR, OTHER_WORDS = "early_print", "other_year", "other_words"
REFUSED, SAME_SOURCE = "veto:cluster", "veto:same_source"
BY_FORCE, FORBIDDEN = "judgement:must_join", "judgement:must_not_join"

SCORED = pa.schema(
    [
        pa.field("left", pa.int64(), nullable=False),
        pa.field("right", pa.int64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("rule", pa.dictionary(pa.int16(), pa.string()), nullable=False),
        pa.field("decision", pa.dictionary(pa.int8(), pa.string()), nullable=False),
    ]
)
# The same to be kept: rules and decisions as places in `Card.rules` and `DECISIONS`.
CODED = pa.schema(
    [
        pa.field("left", pa.int32(), nullable=False),
        pa.field("right", pa.int32(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("rule", pa.int16(), nullable=False),
        pa.field("decision", pa.int8(), nullable=False),
    ]
)


def columns(
    left: pa.Array, right: pa.Array, decided: Sequence[npt.NDArray[Any]], rules: list[str]
) -> list[pa.Array]:
    """The columns of `SCORED`, from score, rule and decision of each pair, the latter two as numbers."""
    score, rule, decision = decided
    ruled_by = pa.DictionaryArray.from_arrays(pa.array(rule, pa.int16()), pa.array(rules))
    decisions = pa.DictionaryArray.from_arrays(pa.array(decision, pa.int8()), pa.array(DECISIONS))
    return [left, right, pa.array(score), ruled_by, decisions]


def from_codes(kept: pa.Table, rules: list[str]) -> pa.Table:
    """Scored pairs of `CODED`."""
    decided = [kept[name].to_numpy() for name in ("score", "rule", "decision")]
    return pa.Table.from_arrays(columns(kept["left"], kept["right"], decided, rules), schema=SCORED)


def ruled(scored: pa.Table, at: npt.NDArray[np.integer], rule: str, decision: str) -> pa.Table:
    """Scored pairs, where those at some places have another rule and decision."""
    if not len(at):
        return scored
    for name, value in (("rule", rule), ("decision", decision)):
        column = scored[name].combine_chunks()
        codes = column.indices.to_numpy().copy()
        codes[at] = column.dictionary.index(value).as_py()
        changed = pa.DictionaryArray.from_arrays(codes, column.dictionary)
        place = scored.schema.get_field_index(name)
        scored = scored.set_column(place, scored.schema.field(name), changed)
    return scored


def having(scored: pa.Table, wanted: Callable[[str], bool]) -> Flags:
    """Whether the rule of each scored pair is one that is wanted."""
    rule = scored["rule"].combine_chunks()
    return np.array([wanted(text) for text in rule.dictionary.to_pylist()])[rule.indices.to_numpy()]


def decided_as(scored: pa.Table, decision: str) -> Flags:
    """Whether each scored pair was decided so."""
    column = scored["decision"].combine_chunks()
    return np.asarray(column.indices.to_numpy() == DECISIONS.index(decision))
