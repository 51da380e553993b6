"""How alike two records are: a card of weights over readable evidence, and vetoes that no score overrides.

The card is data: `schemas/match_weights.csv`.  Each line gives one level of one kind of evidence its weight in
log-odds; a pair's score is the logistic function of their sum.  So each decision can be shown line by line.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.likeness_kernel import alike, nearest, numbers, shared, titles

WEIGHTS = Path(__file__).resolve().parent.parent / "schemas" / "match_weights.csv"
MATCH, REVIEW, SEPARATE = "match", "review", "separate"
IDENTIFIERS = ("calis_id", "isbn", "lccn", "oclc", "issn", "ubsn")
UNLIKE = 0.5  # titles less alike than this contradict a shared ISBN
EARLY = 1800  # books printed before this differ by copy and state; a title is no evidence there

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SCORED = pa.schema(
    [
        pa.field("left", pa.int64(), nullable=False),
        pa.field("right", pa.int64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence: its levels' lower bounds (ascending), names and weights."""

    bounds: Floats
    levels: tuple[str, ...]
    weights: Floats
    missing: float  # weight where one side or both have nothing to compare


@dataclass(frozen=True)
class Card:
    """All weights in log-odds, and the scores from which a pair is a match or goes to review."""

    prior: float
    match: float
    review: float
    evidence: dict[str, Evidence]


@lru_cache(maxsize=4)
def load_card(path: Path = WEIGHTS) -> Card:
    """Read the card.

    Raises:
        ValueError: a line isn't as it should be; names file, line and column.
    """
    levels: dict[str, list[tuple[float, str, float]]] = {}
    single: dict[tuple[str, str], float] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            try:
                weight = float(row["weight"])
                if row["at_least"]:
                    levels.setdefault(row["evidence"], []).append((float(row["at_least"]), row["level"], weight))
                else:
                    single[row["evidence"], row["level"]] = weight
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path.name}, line {line}: weight and at_least must be numbers ({error})"
                ) from error
    try:
        prior, match, review = (single["all", level] for level in ("prior", MATCH, REVIEW))
    except KeyError as error:
        raise ValueError(f"{path.name}: no line for evidence {error.args[0]}") from error
    evidence = {}
    for name, found in levels.items():
        bounds, names, weights = zip(*sorted(found), strict=True)
        missing = single.get((name, "missing"), 0.0)
        evidence[name] = Evidence(np.array(bounds), names, np.array(weights), missing)
    if unknown := set(evidence) - set(FEATURES):
        raise ValueError(f"{path.name}: unknown evidence {sorted(unknown)}; known: {sorted(FEATURES)}")
    return Card(prior, match, review, evidence)


# --- evidence --------------------------------------------------------------------------------------------


class Pairs:
    """A batch of pairs, column by column."""

    def __init__(self, batch: pa.RecordBatch):
        self.batch = batch

    def column(self, name: str) -> tuple[pa.Array, pa.Array]:
        """Both sides of a column."""
        return self.batch.column(f"left_{name}"), self.batch.column(f"right_{name}")

    def known(self, name: str) -> Flags:
        """Where both sides have a value."""
        left, right = self.column(name)
        return pc.and_(left.is_valid(), right.is_valid()).to_numpy(zero_copy_only=False)

    def equal(self, name: str) -> Flags:
        """Where both sides have the same value."""
        return pc.fill_null(pc.equal(*self.column(name)), False).to_numpy(zero_copy_only=False)

    def differ(self, name: str) -> Flags:
        """Where both sides have a value and not the same."""
        return self.known(name) & ~self.equal(name)

    def numbers(self, name: str) -> tuple[Floats, Floats]:
        """Both sides as numbers, NaN where null."""
        left, right = (side.cast(pa.float64()).to_numpy(zero_copy_only=False) for side in self.column(name))
        return left, right

    @cached_property
    def titles(self) -> tuple[Floats, Floats, Floats]:
        """`likeness_kernel.titles` of the full titles."""
        return titles(*self.column("full_title_key"))


def _same(pairs: Pairs, name: str) -> Floats:
    return np.where(pairs.known(name), pairs.equal(name).astype(float), np.nan)


def _gap(pairs: Pairs, name: str) -> Floats:
    left, right = pairs.numbers(name)
    return np.abs(left - right)


def _pages_gap(pairs: Pairs) -> Floats:
    """Difference of the page counts as a share of the larger."""
    left, right = pairs.numbers("pages")
    return np.abs(left - right) / np.maximum(np.maximum(left, right), 1)


def _edition(pairs: Pairs) -> Floats:
    """0 for the same edition, 1 where only one says which, 2 where each says another."""
    stated = pc.and_(*pairs.column("edition_stated")).to_numpy(zero_copy_only=False)
    return pairs.differ("edition_key") * (1.0 + stated)


FEATURES: dict[str, Callable[[Pairs], Floats]] = {
    "calis_id": lambda pairs: _same(pairs, "calis_id"),
    "isbn": lambda pairs: shared(*pairs.column("isbn")),
    "lccn": lambda pairs: _same(pairs, "lccn"),
    "oclc": lambda pairs: _same(pairs, "oclc"),
    "issn": lambda pairs: shared(*pairs.column("issn")),
    "ubsn": lambda pairs: _same(pairs, "ubsn"),
    "title": lambda pairs: pairs.titles[0],
    "title_start": lambda pairs: pairs.titles[1],
    "title_kept": lambda pairs: pairs.titles[2],
    "title_proper": lambda pairs: alike(*pairs.column("title_key")),
    "title_numbers": lambda pairs: numbers(*pairs.column("full_title_key")),
    "creator": lambda pairs: nearest(*pairs.column("creators_key")),
    "publisher": lambda pairs: alike(*pairs.column("publisher_key")),
    "place": lambda pairs: alike(*pairs.column("place_key")),
    "year_gap": lambda pairs: _gap(pairs, "pub_year"),
    "coded_gap": lambda pairs: _gap(pairs, "coded_year"),
    "pages_gap": _pages_gap,
    "edition": _edition,
}


def features(batch: pa.RecordBatch) -> dict[str, Floats]:
    """The evidence of each pair by name; NaN where there is nothing to compare."""
    pairs = Pairs(batch)
    return {name: feature(pairs) for name, feature in FEATURES.items()}


# --- vetoes ----------------------------------------------------------------------------------------------


def _volumes_differ(pairs: Pairs, same_text: Flags) -> Flags:
    """Where volumes differ, or one side has none; a part known by name alone may be left out of the same text."""
    left, right = (pc.fill_null(side, "") for side in pairs.column("volume_key"))
    differ = pc.not_equal(left, right).to_numpy(zero_copy_only=False)
    numbered = pc.match_substring_regex(pc.binary_join_element_wise(left, right, ""), "[0-9]")
    left_out = ~pairs.known("volume_key") & ~numbered.to_numpy(zero_copy_only=False)
    return differ & ~(left_out & same_text)


def vetoes(batch: pa.RecordBatch, found: dict[str, Floats]) -> dict[str, Flags]:
    """The pairs that may not be one bib whatever their score, by the reason, weightiest reason first."""
    pairs = Pairs(batch)
    # An edition left out is the first, unless two of ISBN, year and pages say that it was only not copied.
    same_year, same_pages = found["year_gap"] == 0, found["pages_gap"] <= 0.01
    near_year, no_pages = found["year_gap"] <= 1, np.isnan(found["pages_gap"])
    same_printing = same_year & (same_pages | no_pages)
    same_printing |= (found["isbn"] == 1) & (same_year | near_year & same_pages)
    # One title on the same pages of the same year is one text: one side left out the name of the part.
    same_text = same_year & (found["pages_gap"] == 0)
    volume = _volumes_differ(pairs, same_text & (found["title_kept"] == 1))
    left_kind, right_kind = (pc.equal(side, "serial") for side in pairs.column("kind"))
    serial = pc.fill_null(pc.not_equal(left_kind, right_kind), False).to_numpy(zero_copy_only=False)
    same_number = np.logical_or.reduce([found[name] == 1 for name in IDENTIFIERS])
    year = np.fmin(found["year_gap"], found["coded_gap"])
    evidence = [year, *(found[name] for name in ("creator", "publisher", "place", "pages_gap"))]
    thin = ~same_number & (np.sum(~np.isnan(evidence), axis=0) < 2)
    return {
        "volume": volume,
        "edition": (found["edition"] == 2) | (found["edition"] == 1) & ~same_printing,
        "carrier": pairs.differ("carrier"),
        "language": pairs.differ("lang"),
        "translation": pairs.differ("orig_lang"),
        "serial": serial,
        "kind": ~serial & pairs.differ("kind"),
        "isbn_conflict": (found["isbn"] == 1) & (np.fmax(found["title"], found["title_start"]) < UNLIKE),
        "same_source": pairs.equal("source_id") & ~pairs.equal("identity"),
        "title_only": thin,
    }


# --- score -----------------------------------------------------------------------------------------------


def contributions(found: dict[str, Floats], card: Card) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Each pair's weights and the levels that gave them (pairs × evidence, in the card's order).

    A level is its place in `Evidence.levels`, or -1 where there was nothing to compare.
    """
    weights, levels = [], []
    for name, evidence in card.evidence.items():
        missing = np.isnan(found[name])
        at = np.clip(np.searchsorted(evidence.bounds, found[name], side="right") - 1, 0, len(evidence.bounds) - 1)
        weights.append(np.where(missing, evidence.missing, evidence.weights[at]))
        levels.append(np.where(missing, -1, at))
    return np.stack(weights, axis=1), np.stack(levels, axis=1)


def _strongest(weights: Floats, levels: npt.NDArray[np.int64], card: Card) -> npt.NDArray[np.object_]:
    """The evidence that spoke most for each pair, as 'isbn shared'; a shared identifier comes first."""
    names = list(card.evidence)
    first = np.array([100.0 if name in IDENTIFIERS else 0.0 for name in names])
    best = (weights + first * (weights > 0)).argmax(axis=1)
    rule = np.empty(len(best), dtype=object)
    for column, name in enumerate(names):
        for level, label in enumerate((*card.evidence[name].levels, "missing")):
            at = level if level < len(card.evidence[name].levels) else -1
            rule[(best == column) & (levels[:, column] == at)] = f"{name} {label}"
    return rule


def decisions(batch: pa.RecordBatch, card: Card) -> pa.RecordBatch:
    """Score and decide one batch of `transforms.match.compared` pairs; columns as in `SCORED`."""
    found = features(batch)
    weights, levels = contributions(found, card)
    score = 1 / (1 + np.exp(-(card.prior + weights.sum(axis=1))))
    strongest = _strongest(weights, levels, card)
    decision = np.where(score >= card.match, MATCH, np.where(score >= card.review, REVIEW, SEPARATE)).astype(
        object
    )
    years = np.fmin(*Pairs(batch).numbers("pub_year"))
    early = (years < EARLY) & ~(found["pages_gap"] == 0) & (decision == MATCH)
    decision[early] = REVIEW
    strongest[early] = "early_print"
    for reason, flags in reversed(list(vetoes(batch, found).items())):
        decision[flags] = SEPARATE
        strongest[flags] = f"veto:{reason}"
    return pa.record_batch(
        [batch.column("left_group"), batch.column("right_group"), np.round(score, 6), strongest, decision],
        schema=SCORED,
    )


def score(batches: Iterable[pa.RecordBatch], card: Card | None = None) -> Iterator[pa.RecordBatch]:
    """Score batches of pairs one after another; no state between them, so any engine may call it."""
    card = card or load_card()
    for batch in batches:
        if batch.num_rows:
            yield decisions(batch, card)
