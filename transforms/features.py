"""What pairs are weighed by: how alike they are, column by column, as numbers that `transforms.score` weighs."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pyarrow.compute as pc

from transforms.described import Floats, Pairs
from transforms.likeness_kernel import alike, common, nearest, numbers, shared

DOIS_DIFFER = 0.5  # between that standard numbers differ and that one is shared


def _title_start(pairs: Pairs) -> Floats:
    """How alike the titles begin; equal, too, where all of the one is the name of a part in the other."""
    _, start, kept = pairs.titles()
    asked = np.flatnonzero((start < 0.95) & (kept == 1))
    some = pairs.some(asked)
    (left, right), (left_whole, right_whole) = (some.values(name) for name in ("title_key", "full_title_key"))
    part = pc.or_kleene(
        pc.equal(pc.binary_join_element_wise(left, right_whole, ""), left_whole),
        pc.equal(pc.binary_join_element_wise(right, left_whole, ""), right_whole),
    )
    start = start.copy()
    start[asked[pc.fill_null(part, False).to_numpy(zero_copy_only=False)]] = 1.0
    return start


def _pages_gap(pairs: Pairs) -> Floats:
    """Difference of the page counts as a share of the larger."""
    left, right = pairs.numbers("pages")
    return pairs.gap("pages") / np.maximum(np.maximum(left, right), 1)


def _edition(pairs: Pairs) -> Floats:
    """0 for the same edition, 1 where only one says which, 2 where each says another."""
    left, right = pairs.numbers("edition_stated")
    return pairs.differ("edition_key") * (1.0 + ((left == 1) & (right == 1)))


def _team(pairs: Pairs) -> Floats:
    """Creators in common in papers of one year, that is where neither pages nor publisher can be compared.

    People seldom write twice together under one title in a year; editions of a book have its creators in common.
    """
    paper = np.isnan(pairs.gap("pages")) & ~np.logical_and(*pairs.known("publishers_key"))
    asked = np.flatnonzero(paper & (pairs.gap("pub_year") == 0))
    found = np.full(len(pairs), np.nan)
    found[asked] = common(pairs.some(asked).met("creators_key"))
    return found


def _standard_no(pairs: Pairs) -> Floats:
    """1 where a DOI or CN number is shared; else 0 where CN numbers differ, `DOIS_DIFFER` where only DOIs do."""
    found = shared(pairs.met("standard_no"))
    asked = np.flatnonzero(found == 0)
    some = pairs.some(asked)
    serials, articles = (np.logical_and(*some.matching("standard_no", form)) for form in (r"^CN|\|CN", "10[.]"))
    found[asked] = np.where(serials, 0.0, np.where(articles, DOIS_DIFFER, np.nan))
    return found


FEATURES: dict[str, Callable[[Pairs], Floats]] = {
    "calis_id": lambda pairs: pairs.same("calis_id"),
    "isbn": lambda pairs: shared(pairs.met("isbn")),
    "lccn": lambda pairs: pairs.same("lccn"),
    "oclc": lambda pairs: pairs.same("oclc"),
    "issn": lambda pairs: shared(pairs.met("issn")),
    "ubsn": lambda pairs: pairs.same("ubsn"),
    "standard_no": _standard_no,
    "title": lambda pairs: pairs.titles()[0],
    "title_start": _title_start,
    "title_kept": lambda pairs: pairs.titles()[2],
    "title_proper": lambda pairs: alike(pairs.met("title_key")),
    "title_numbers": lambda pairs: numbers(pairs.met("full_title_key")),
    "creator": lambda pairs: nearest(pairs.met("creators_key")),
    "team": _team,
    "publisher": lambda pairs: nearest(pairs.met("publishers_key")),
    "place": lambda pairs: nearest(pairs.met("places_key")),
    "year_gap": lambda pairs: pairs.gap("pub_year"),
    "coded_gap": lambda pairs: pairs.gap("coded_year"),
    "pages_gap": _pages_gap,
    "edition": _edition,
}


def features(pairs: Pairs, names: Iterable[str] = FEATURES) -> dict[str, Floats]:
    """The evidence of each pair by name; NaN where there is nothing to compare."""
    return {name: pairs.once("evidence", name, partial(FEATURES[name], pairs)) for name in names}
