"""How alike two records are: a card of weights over readable evidence, and vetoes that no score overrides.

The card is data: `schemas/match_weights.csv`.  Each line gives one level of one kind of evidence its weight in
log-odds; a pair's score is the logistic function of their sum.  So each decision can be shown line by line.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from operator import add, or_
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from transforms import ordinals, theses
from transforms.described import Described, Flags, Floats, Ints, Pairs
from transforms.features import DOIS_DIFFER, FEATURES, features
from transforms.likeness_kernel import OTHER_PERSON, renumbered
from transforms.lookup_kernel import picked
from transforms.scored import (
    BY_FORCE,
    CODED,
    EARLY_PRINT,
    FORBIDDEN,
    LOOKED_AT,
    MATCH,
    OTHER_AUTHOR,
    OTHER_DOI,
    OTHER_ISBN,
    OTHER_PEOPLE,
    OTHER_WORDS,
    OTHER_YEAR,
    REASONS,
    REFUSED,
    REVIEW,
    SCORE_STEPS,
)  # fmt: skip

WEIGHTS = Path(__file__).resolve().parent.parent / "schemas" / "match_weights.csv"
IDENTIFIERS = ("calis_id", "isbn", "lccn", "oclc", "issn", "ubsn", "standard_no")
TEXTS = (  # columns of texts that evidence and vetoes ask for
    *IDENTIFIERS, "title_key", "full_title_key", "volume_key", "edition_key", "creators_key", "publishers_key",
    "places_key", "country", "lang", "orig_lang", "carrier", "kind",
)  # fmt: skip
UNLIKE = 0.5  # titles less alike than this contradict a shared ISBN
# What is cheap to compare, by numbers and codes; then titles.
AT_FIRST = (*IDENTIFIERS, "year_gap", "coded_gap", "pages_gap", "edition", "team")
TITLES = ("title", "title_start", "title_kept")
_ROUNDING = 1e-9  # what sums of weights may differ by, as they are added in another order
BATCH = 65_536  # pairs scored at once
_AT_ONCE = 1024  # pairs weighed at once, whose levels stay in the nearest cache
WORDS_KEPT = 0.95  # of the shorter title; where it is less, a word is another
OTHER_NAME = 0.4  # publishers and places less alike than this are different ones
EARLY = 1800  # books printed before this differ by copy and state; a title is no evidence there


@dataclass(frozen=True)
class Evidence:
    """One kind of evidence: its levels' lower bounds (ascending), names and weights."""

    bounds: Floats
    levels: tuple[str, ...]
    weights: Floats
    missing: float  # weight where one side or both have nothing to compare

    @cached_property
    def of_levels(self) -> Floats:
        """The weights of all levels, and of what is missing."""
        return np.append(self.weights, self.missing)


@dataclass(frozen=True)
class Card:
    """All weights in log-odds, and the scores from which a pair is a match or goes to review."""

    prior: float
    match: float
    match_replaced: float  # where words of the titles differ
    review: float
    evidence: dict[str, Evidence]

    @cached_property
    def rules(self) -> list[str]:
        """What a decision may rest on: levels of evidence, as 'isbn shared', in the card's order, and vetoes."""
        levels = [f"{name} {level}" for name, one in self.evidence.items() for level in (*one.levels, "missing")]
        return [*levels, *LOOKED_AT, *(f"veto:{reason}" for reason in REASONS), REFUSED, BY_FORCE, FORBIDDEN]


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
        levels_of_all = ("prior", MATCH, "match_replaced", REVIEW)
        prior, match, replaced, review = (single["all", level] for level in levels_of_all)
    except KeyError as error:
        raise ValueError(f"{path.name}: no line for evidence {error.args[0]}") from error
    evidence = {}
    for name, found in levels.items():
        bounds, names, weights = zip(*sorted(found), strict=True)
        missing = single.get((name, "missing"), 0.0)
        evidence[name] = Evidence(np.array(bounds), names, np.array(weights), missing)
    if unknown := set(evidence) - set(FEATURES):
        raise ValueError(f"{path.name}: unknown evidence {sorted(unknown)}; known: {sorted(FEATURES)}")
    return Card(prior, match, replaced, review, evidence)


# --- vetoes ----------------------------------------------------------------------------------------------


def _same_identifier(found: dict[str, Floats]) -> Flags:
    return reduce(or_, (found[name] == 1 for name in IDENTIFIERS))


def _volumes_differ(pairs: Pairs, same_text: Flags) -> Flags:
    """Where volumes differ, or one side has none; a part known by name alone may be left out of the same text."""
    left, right = pairs.known("volume_key")
    numbered = np.logical_or(*pairs.matching("volume_key", "[0-9]"))
    return pairs.differ("volume_key") | (left != right) & ~(~numbered & same_text)


def _early(pairs: Pairs, asked: Flags) -> Flags:
    """Where one of the asked pairs is of early books, and no copies of one printing."""
    flags = (np.fmin(*pairs.numbers("pub_year")) < EARLY) & asked
    some = pairs.some(flags)
    flags[flags] = ~_copied(some, features(some))
    return flags


def _copied(pairs: Pairs, found: dict[str, Floats]) -> Flags:
    """Where early books agree in their pages or, if these aren't counted, in year, publisher and place."""
    imprint = np.isnan(found["pages_gap"]) & (found["year_gap"] == 0) & (found["place"] >= 0.8)
    asked = np.flatnonzero(imprint & (found["publisher"] < 0.6))
    sides = (side.to_pylist() for side in pairs.some(asked).values("publishers_key"))
    # one copies `printed for J. Balfour, and T. Cadell, London`, the other takes the first name
    imprint[asked] = [
        any(one in other or other in one for one in left.split("|") for other in right.split("|"))
        for left, right in zip(*sides, strict=True)
    ]
    return (found["pages_gap"] <= 0.01) | imprint


def _other_number(pairs: Pairs, found: dict[str, Floats]) -> Flags:
    """Where titles are the same but for a number, and it is another one, not the same misprinted."""
    flags = ordinals.differ(pairs, found["title"])
    asked = np.flatnonzero(found["title_numbers"] == 0)
    flags[asked] |= renumbered(pairs.some(asked).met("full_title_key")) == 1
    return flags


def _co_edition(pairs: Pairs, found: dict[str, Floats]) -> Flags:
    """Where publishers, places and countries all differ: each house has an edition of its own.

    Countries are compared where both are of one list of codes, which stands before the code.
    """
    iso, other_iso = pairs.matching("country", "^iso ")
    elsewhere = pairs.differ("country") & (iso == other_iso)
    return elsewhere & (found["publisher"] < OTHER_NAME) & (found["place"] < OTHER_NAME)


def _of_other_year(pairs: Pairs, found: dict[str, Floats]) -> Flags:
    """Where years are two or more apart, and nothing else could tell an impression from a reissue."""
    gap = np.fmin(found["year_gap"], found["coded_gap"])
    unknown = np.isnan(found["pages_gap"]) & ~np.logical_and(*pairs.known("publishers_key"))
    return (gap >= 2) & unknown & ~_same_identifier(found)


def _of_other_people(found: dict[str, Floats]) -> Flags:
    """Where neither people nor publishers are alike, and no number is shared: a title that two works may have."""
    return (found["creator"] < OTHER_PERSON) & (found["publisher"] < OTHER_PERSON) & ~_same_identifier(found)


def _of_one_set(pairs: Pairs, found: dict[str, Floats]) -> Flags:
    """Where a word of the titles is another, and beside the ISBN that they share each side has its own.

    The one that is shared may be that of a set.
    """
    flags = (found["isbn"] == 1) & (found["title_kept"] < WORDS_KEPT)
    asked = np.flatnonzero(flags)
    sides = (side.to_pylist() for side in pairs.some(asked).values("isbn"))
    numbers = ((set(one.split("|")), set(other.split("|"))) for one, other in zip(*sides, strict=True))
    flags[asked] = [bool(one - other and other - one) for one, other in numbers]
    return flags


def _of_one_source(pairs: Pairs) -> Flags:
    """Where both are of one source, and not the same book twice; groups, which are of many, are not asked here."""
    if "source_id" not in pairs.described.names:
        return np.zeros(len(pairs), bool)
    return pairs.equal("source_id") & ~pairs.equal("identity")


def _of_other_doi(found: dict[str, Floats]) -> Flags:
    """Where each has a DOI of its own: a preprint and what was published, or two parts."""
    return found["standard_no"] == DOIS_DIFFER


def vetoes(pairs: Pairs, found: dict[str, Floats]) -> dict[str, Flags]:
    """The pairs that may not be one bib whatever their score, by the reason, weightiest reason first."""
    # An edition left out is the first, unless two of ISBN, year and pages say that it was only not copied.
    same_year, same_pages = found["year_gap"] == 0, found["pages_gap"] <= 0.01
    near_year, no_pages = found["year_gap"] <= 1, np.isnan(found["pages_gap"])
    same_printing = same_year & (same_pages | no_pages)
    same_printing |= (found["isbn"] == 1) & (same_year | near_year & same_pages)
    # One title on the same pages of the same year is one text: one side left out the name of the part.
    same_text = same_year & (found["pages_gap"] == 0)
    volume = _volumes_differ(pairs, same_text & (found["title_kept"] == 1))
    serial = pairs.differ("kind") & np.logical_xor(*pairs.matching("kind", "^serial$"))
    same_identifier = _same_identifier(found)
    year = np.fmin(found["year_gap"], found["coded_gap"])
    evidence = [year, *(found[name] for name in ("creator", "publisher", "place", "pages_gap"))]
    missing = reduce(add, (np.isnan(values).view(np.int8) for values in evidence))
    thin = ~same_identifier & (missing > len(evidence) - 2)
    return {
        "volume": volume,
        "edition": (found["edition"] == 2) | (found["edition"] == 1) & ~same_printing,
        "carrier": pairs.differ("carrier"),
        "language": pairs.differ("lang"),
        "translation": pairs.differ("orig_lang"),
        "serial": serial,
        "kind": ~serial & pairs.differ("kind"),
        "isbn_conflict": (found["isbn"] == 1) & (np.fmax(found["title"], found["title_start"]) < UNLIKE),
        "number": _other_number(pairs, found),
        "imprint": _co_edition(pairs, found) & ~same_identifier,
        "thesis": theses.by_others(pairs) & ~same_identifier,
        "same_source": _of_one_source(pairs),
        "title_only": thin,
    }


# --- score -----------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _levels(found, bounds, level):  # type: ignore[no-untyped-def]
    """The place of each value's level, behind the last for NaN."""
    level[:] = 0
    for bound in bounds[1:]:
        for k in range(len(found)):
            level[k] += found[k] >= bound
    for k in range(len(found)):
        level[k] = len(bounds) if np.isnan(found[k]) else level[k]


@njit(cache=True, nogil=True)
def _add_up(found, bounds, weights, first, lead, total, best, rule):  # type: ignore[no-untyped-def]
    """One kind of evidence more: the sum of each pair, and the weightiest evidence with its rule.

    Args:
        weights: of the levels, and of what is missing.
        first: the place of the evidence's first level in `Card.rules`.
        lead: what it is ahead of others, where it speaks for a match.
    """
    level = np.empty(_AT_ONCE, np.int64)
    for start in range(0, len(found), _AT_ONCE):
        end = min(start + _AT_ONCE, len(found))
        _levels(found[start:end], bounds, level[: end - start])
        for k in range(start, end):
            at = level[k - start]
            weight = weights[at]
            ahead = weight + lead if weight > 0 else weight
            better = ahead > best[k]
            total[k] += weight
            best[k] = ahead if better else best[k]
            rule[k] = first + at if better else rule[k]


def _level(values: Floats, one: Evidence) -> Ints:
    """The place of each value's level in `Evidence.of_levels`."""
    level = np.empty(len(values), np.int64)
    _levels(values, one.bounds, level)
    return level


def contributions(found: dict[str, Floats], card: Card) -> tuple[Floats, Ints]:
    """Each pair's weights and the levels that gave them (evidence × pairs, in the card's order).

    A level is its place in `Evidence.levels`, or -1 where there was nothing to compare.
    """
    count = len(next(iter(found.values())))
    weights, levels = np.empty((len(card.evidence), count)), np.empty((len(card.evidence), count), np.int64)
    for (name, one), weight, level in zip(card.evidence.items(), weights, levels, strict=True):
        level[:] = _level(found[name], one)
        weight[:] = one.of_levels[level]
        level[level == len(one.levels)] = -1
    return weights, levels


def _summed(found: dict[str, Floats], card: Card) -> tuple[Floats, Ints]:
    """Each pair's sum of weights, and the evidence that spoke most, as a place in `Card.rules`.

    A shared identifier comes before all else.
    """
    count, first = len(next(iter(found.values()))), 0
    total, best, rule = np.zeros(count), np.full(count, -np.inf), np.empty(count, np.int64)
    for name, one in card.evidence.items():
        lead = 100.0 if name in IDENTIFIERS else 0.0
        _add_up(found[name], one.bounds, one.of_levels, first, lead, total, best, rule)
        first += len(one.levels) + 1
    return total, rule


def _spoken(pairs: Pairs, names: Iterable[str], card: Card) -> Floats:
    """By how much some evidence of each pair stays below the best that it could be."""
    found, spoken = features(pairs, names), np.zeros(len(pairs))
    for name in filter(card.evidence.__contains__, found):
        one = card.evidence[name]
        spoken += (one.of_levels - one.of_levels.max())[_level(found[name], one)]
    return spoken


def _may_part(pairs: Pairs) -> Flags:
    """Where a veto may hold that groups don't tell by themselves, so that the pair has to keep a chain off."""
    found = features(pairs, ("edition", "title_numbers"))
    numbered, other = pairs.matching("volume_key", "[0-9]")
    one_volume = np.logical_xor(*pairs.known("volume_key"))
    told = np.where(one_volume, numbered | other, pairs.differ("volume_key") & (numbered == other))
    may = one_volume | pairs.differ("country") | (found["edition"] == 1) | (found["title_numbers"] == 0)
    return ~told & (may | theses.either(pairs))


def likely(pairs: Pairs, card: Card) -> tuple[Ints, Pairs]:
    """Which pairs have to be scored: all that share an identifier, could reach review, or keep a chain off.

    The others are separate whatever else there is to compare: of the more records, the more of those that meet.

    Returns:
        The places of these pairs, and they themselves.
    """
    least = min(card.review, card.match)
    most = card.prior - np.log(least / (1 - least)) + _ROUNDING
    most += sum(one.of_levels.max() for one in card.evidence.values())
    below = most + _spoken(pairs, AT_FIRST, card)
    shared = _same_identifier(features(pairs, IDENTIFIERS))
    hopeless = np.flatnonzero((below < 0) & ~shared)
    aside = hopeless[~_may_part(pairs.some(hopeless))]
    places = np.delete(np.arange(len(pairs)), aside)
    pairs, below, shared = pairs.some(places), below[places], shared[places]

    of_titles = _spoken(pairs, TITLES, card)
    hopeless = np.flatnonzero((below + of_titles < 0) & ~shared)
    aside = hopeless[(most + of_titles[hopeless] < 0) | ~_may_part(pairs.some(hopeless))]
    some = np.delete(np.arange(len(pairs)), aside)
    return places[some], pairs.some(some)


def reworded(found: dict[str, Floats], score: Floats, card: Card) -> Flags:
    """Where a word of the titles is another, and the score too low for that.

    Volumes of a series agree in all but such a word.
    """
    return (found["title_kept"] < WORDS_KEPT) & (score < card.match_replaced)


def decisions(pairs: Pairs, card: Card) -> tuple[npt.NDArray[np.int32], Ints, Ints]:
    """Score, rule and decision of each of some pairs, as in `CODED`."""
    found = features(pairs)
    total, rule = _summed(found, card)
    score = 1 / (1 + np.exp(-(card.prior + total)))
    decision = np.where(score >= card.match, 0, np.where(score >= card.review, 1, 2))
    doubts: dict[str, Callable[[], Flags]] = {
        OTHER_WORDS: lambda: reworded(found, score, card),
        EARLY_PRINT: lambda: _early(pairs, decision == 0),
        OTHER_YEAR: lambda: _of_other_year(pairs, found),
        OTHER_PEOPLE: lambda: _of_other_people(found),
        OTHER_ISBN: lambda: _of_one_set(pairs, found),
        OTHER_DOI: lambda: _of_other_doi(found),
        OTHER_AUTHOR: lambda: theses.maybe_by_others(pairs) & ~_same_identifier(found),
    }
    for reason, doubt in doubts.items():
        asked = doubt() & (decision == 0)
        decision[asked] = 1
        rule[asked] = card.rules.index(reason)
    for reason, flags in reversed(list(vetoes(pairs, found).items())):
        decision[flags] = 2
        rule[flags] = card.rules.index(f"veto:{reason}")
    return np.rint(score * SCORE_STEPS).astype(np.int32), rule, decision


def score(batches: Iterable[pa.RecordBatch], card: Card | None = None) -> Iterator[pa.RecordBatch]:
    """Score `likely` ones of batches of pairs, as `CODED`; no state between them, so any engine may call it.

    Args:
        batches: `transforms.candidates.compared`, each row a pair.
        card: weights; those of the file if none.
    """
    card = card or load_card()
    for batch in batches:
        if batch.num_rows:
            some, pairs = likely(Pairs.of(batch), card)
            ends = (batch.column(f"{side}_group").take(pa.array(some)) for side in ("left", "right"))
            yield pa.record_batch([*ends, *decisions(pairs, card)], schema=CODED)


def score_groups(
    described: pa.Table, pairs: pa.Table, card: Card, threads: int = 1, every: bool = False
) -> pa.Table:
    """The same for pairs of groups that are in memory, without putting them side by side.

    Args:
        described: `Known.described`.
        pairs: left, right, which are its rows.
        every: whether the pairs are scored that are not likely, too.
    """
    given = dict(zip(described.column_names, described.columns, strict=True))
    left, right = (pairs[side].to_numpy() for side in ("left", "right"))
    meets, rows = np.zeros(len(described), bool), None
    meets[left] = meets[right] = True
    if meets.sum() < len(meets) // 4:  # as a rule most meet one another
        rows, place = np.flatnonzero(meets), np.empty(len(meets), np.int32)
        place[rows] = np.arange(len(rows))
        left, right = picked(place, left), picked(place, right)
    groups = Described(given, rows)

    def some(start: int) -> pa.RecordBatch:
        found = Pairs(groups, left[start : start + BATCH], right[start : start + BATCH])
        at, found = (np.arange(len(found)), found) if every else likely(found, card)
        ends = (pairs[side].slice(start, BATCH).take(pa.array(at)).combine_chunks() for side in ("left", "right"))
        return pa.record_batch([*ends, *decisions(found, card)], schema=CODED)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(groups.texts, TEXTS))
        return pa.Table.from_batches(pool.map(some, range(0, len(left), BATCH)), CODED)
