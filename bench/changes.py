"""How copies of one book come to differ: what befalls single records, and the habits of libraries' systems."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.vocabulary import OTHER_TYPO, SHORT, TYPO, VARIANTS, VOLUMES, Vocabulary

Rows = dict[str, NDArray]  # one value or row of values a bib or record
# the rows, among those where it can be, that a change of that name befalls
Chosen = Callable[[str, NDArray[np.bool_]], NDArray[np.int64]]

SOURCES = 1_800
# what befalls a version in circulation, and (less a factor) a single copy; by flag in the truth
CHANGES = {
    "isbn_missing": 0.06,
    "isbn_one_of_two": 0.25,
    "isbn_wrong": 0.002,  # that of another book
    "calis_missing": 0.25,
    "calis_other": 0.01,  # CALIS has the book twice
    "lccn_missing": 0.3,
    "lccn_other": 0.005,
    "oclc_missing": 0.3,
    "oclc_other": 0.02,
    "title_typo": 0.015,
    "title_abbreviated": 0.01,
    "subtitle_missing": 0.06,
    "subtitle_in_title": 0.05,
    "creator_missing": 0.05,
    "creator_second_missing": 0.08,
    "creator_initials": 0.05,
    "creator_typo": 0.005,
    "publisher_missing": 0.02,
    "publisher_wording": 0.25,
    "publisher_typo": 0.005,
    "place_missing": 0.03,
    "place_wording": 0.05,
    "year_off": 0.02,
    "year_impression": 0.02,
    "year_missing": 0.005,
    "pages_off": 0.03,
    "pages_missing": 0.04,
    "edition_wording": 0.3,
    "edition_missing": 0.08,
    "volume_wording": 0.1,
    "volume_in_title": 0.1,
    "volume_missing": 0.005,
    "lang_missing": 0.01,
}
CHANGE_BITS = {name: bit for bit, name in enumerate(CHANGES)}
HABITS = {"no_calis": 0.4, "no_lccn": 0.5, "no_oclc": 0.6, "no_subtitle": 0.03, "thin": 0.03, "romanised": 0.04}


def change(rows: Rows, factor: float, rng: np.random.Generator) -> None:
    """Change rows in place, each change with its chance times a factor; `changes` gets its bit."""
    count = len(rows["bib"])

    def some(name: str, where: NDArray[np.bool_]) -> NDArray[np.int64]:
        at = rng.integers(0, count, rng.binomial(count, CHANGES[name] * factor))
        at = np.unique(at[where[at]])
        rows["changes"][at] |= 1 << CHANGE_BITS[name]
        return at

    for part in (_numbers, _titles, _creators, _imprint, _editions):
        part(rows, some, rng)
    rows["lang"][some("lang_missing", rows["lang"] >= 0)] = -1


def _numbers(rows: Rows, some: Chosen, rng: np.random.Generator) -> None:
    rows["isbn"][some("isbn_missing", rows["isbn"][:, 0] >= 0)] = -1
    at = some("isbn_one_of_two", rows["isbn"][:, 1] >= 0)
    keep = rows["isbn"][at, rng.integers(0, 2, len(at))]
    rows["isbn"][at] = np.stack([keep, np.full(len(at), -1)], axis=1)
    at = some("isbn_wrong", rows["isbn"][:, 0] >= 0)
    rows["isbn"][at, 0] = rng.choice(rows["bib"], len(at)) * 3
    for name in ("calis", "lccn", "oclc"):
        rows[name][some(f"{name}_missing", rows[name] >= 0)] = -1
        at = some(f"{name}_other", rows[name] >= 0)
        rows[name][at] = rows["bib"][at] * 3 + 1


def _titles(rows: Rows, some: Chosen, rng: np.random.Generator) -> None:
    length = np.maximum((rows["title"] >= 0).sum(axis=1), 1)
    for name, variants in (("title_typo", (TYPO, OTHER_TYPO)), ("title_abbreviated", (SHORT,))):
        at = some(name, length > 0)
        place = rng.integers(0, 1 << 30, len(at)) % length[at]
        rows["title"][at, place] = rows["title"][at, place] // VARIANTS * VARIANTS + rng.choice(variants, len(at))
    has_subtitle = rows["subtitle"][:, 0] >= 0
    rows["subtitle"][some("subtitle_missing", has_subtitle)] = -1
    rows["joined"][some("subtitle_in_title", rows["subtitle"][:, 0] >= 0)] = True


def _creators(rows: Rows, some: Chosen, rng: np.random.Generator) -> None:
    at = some("creator_initials", ~rows["chinese"])
    given = rows["names"][at, :, 1]
    rows["names"][at, :, 1] = np.where(given >= 0, given // VARIANTS * VARIANTS + SHORT, -1)
    at = some("creator_typo", rows["names"][:, 0, 0] >= 0)
    part = rng.integers(0, 2, len(at))
    rows["names"][at, 0, part] = rows["names"][at, 0, part] // VARIANTS * VARIANTS + TYPO
    rows["names"][some("creator_second_missing", rows["names"][:, 1, 0] >= 0), 1:] = -1
    rows["names"][some("creator_missing", rows["names"][:, 0, 0] >= 0)] = -1


def _imprint(rows: Rows, some: Chosen, rng: np.random.Generator) -> None:
    for name in ("publisher", "place"):
        at = some(f"{name}_wording", rows[name] >= 0)
        rows[name][at] = rows[name][at] // VARIANTS * VARIANTS + rng.integers(1, 3, len(at))
        rows[name][some(f"{name}_missing", rows[name] >= 0)] = -1
    at = some("publisher_typo", rows["publisher"] >= 0)
    rows["publisher"][at] = rows["publisher"][at] // VARIANTS * VARIANTS + 3

    dated = rows["year"] > 0
    at = some("year_off", dated)
    rows["year"][at] += rng.choice([-1, 1], len(at)).astype(np.int32)
    at = some("year_impression", dated)
    rows["year"][at] += rng.integers(1, 9, len(at)).astype(np.int32)
    rows["year"][some("year_missing", dated)] = 0
    at = some("pages_off", rows["pages"] > 20)
    rows["pages"][at] += rng.choice([-8, -4, -2, -1, 1, 2, 4, 8], len(at)).astype(np.int32)
    rows["pages"][some("pages_missing", rows["pages"] > 0)] = 0


def _editions(rows: Rows, some: Chosen, rng: np.random.Generator) -> None:
    rows["edition"][some("edition_wording", rows["edition"] >= 0)] |= 1
    rows["edition"][some("edition_missing", rows["edition"] >= 0)] = -1
    at = some("volume_wording", rows["volume"] >= 0)  # v. to vol., 上册 to 上 or 第1册, 第1册 to 第一册
    style, number = rows["volume"][at] // VOLUMES, rows["volume"][at] % VOLUMES
    other = np.array([1, 0, 3, 2, 5, 4])[style]
    other = np.where((style == 2) & (rng.random(len(at)) < 0.3), 4, other)
    rows["volume"][at] = other * VOLUMES + number
    free = (rows["volume"] >= 0) & rows["chinese"] & ~rows["joined"]
    rows["volume_in_title"][some("volume_in_title", free)] = True
    rows["volume"][some("volume_missing", rows["volume"] >= 0)] = -1
    rows["volume_in_title"] &= (rows["volume"] >= 0) & ~rows["joined"]


def apply_habits(rows: Rows, words: Vocabulary) -> None:
    """What each library's system does to all of its records."""
    of_source = np.random.default_rng(1).random((len(HABITS), SOURCES))
    on = {name: of_source[k, rows["source"]] < chance for k, (name, chance) in enumerate(HABITS.items())}
    for name in ("calis", "lccn", "oclc"):
        rows[name][on[f"no_{name}"]] = -1
    rows["subtitle"][on["no_subtitle"] & ~rows["joined"]] = -1
    thin = on["thin"]
    rows["names"][thin, 1:], rows["edition"][thin], rows["place"][thin] = -1, -1, -1
    # as the Library of Congress has it: the first creator in pinyin behind it
    roman = on["romanised"] & rows["chinese"] & (rows["names"][:, 0, 0] >= 0) & (rows["names"][:, 1, 0] < 0)
    pieces = rows["names"][roman, 0]
    latin = np.where(pieces < len(words.romanised), words.romanised[pieces], -1)
    latin[(latin < 0).any(axis=1)] = -1
    rows["names"][roman, 1] = latin
