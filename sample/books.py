"""Choose books from MARC files and share them out among the demo libraries."""

import mmap
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sample.libraries import FEEDS
from sample.marc import Record, parse

CHINESE_SHARE = 0.5  # of all copies, where the files have enough Chinese books
COPIES_CHINESE = 4.0  # about how many libraries hold a book, on average, where there are books enough
COPIES_OTHER = 1.8
DUPLICATED_SHARE = 0.004  # copies that a library has catalogued twice

_CJK_LINK = b"/$1"
_CHINESE = re.compile(rb"\x1e[^\x1e\x1f]{35}chi[^\x1e\x1f]{2}\x1e")
_HAN = re.compile(rb"[\xe4-\xe9][\x80-\xbf]{2}")
_FIRST_FIELD = re.compile(rb"\x1e([^\x1e\x1f]*)\x1e")


class NoBooks(Exception):
    """The MARC files hold nothing that a sample can be made from."""


@dataclass(frozen=True)
class Unit:
    """A book: the control number of its record, its rank, where that lies, whether it has Chinese text."""

    book_id: str
    number: int
    file_no: int
    begin: int
    end: int
    chinese: bool


class Shelf:
    """The MARC files, mapped into memory; `units` are the records with different control numbers, in order."""

    def __init__(self, files: list[mmap.mmap]):
        self.files = files
        seen: dict[str, Unit] = {}
        for file_no, content in enumerate(files):
            for begin, end in _spans(content):
                unit = content[begin:end]
                if match := _FIRST_FIELD.search(unit, 24):
                    book_id = match[1].decode("utf-8", "replace").replace(" ", "")
                    if book_id and book_id not in seen:
                        seen[book_id] = Unit(book_id, len(seen), file_no, begin, end, _is_chinese(unit))
        self.units = list(seen.values())
        if not self.units:
            raise NoBooks("no MARC 21 record with a control number in the given files; is it ISO 2709 in UTF-8?")

    def record(self, unit: Unit) -> Record | None:
        """The record parsed, or nothing where it is unfit to be copied."""
        try:
            record = parse(self.files[unit.file_no][unit.begin : unit.end])
        except ValueError:
            return None
        return record if record.first("245") and len(record.control("008")) == 40 else None


@contextmanager
def open_shelf(paths: Iterable[Path]) -> Iterator[Shelf]:
    """Open MARC files (ISO 2709, UTF-8) for choosing.

    Raises:
        NoBooks: there is no usable record in them.
        OSError: one can't be read.
    """
    maps = []
    for path in paths:
        if path.stat().st_size == 0:
            raise NoBooks(f"{path} is empty")
        with path.open("rb") as file:
            maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        yield Shelf(maps)
    finally:
        for content in maps:
            content.close()


def _spans(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    begin = 0
    while (end := content.find(b"\x1d", begin)) >= 0:
        yield begin, end
        begin = end + 1


def _is_chinese(unit: bytes) -> bool:
    return _CJK_LINK in unit and _CHINESE.search(unit) is not None and _HAN.search(unit) is not None


@dataclass(frozen=True)
class Copies:
    """A book and which feeds (by position in FEEDS) hold it; one named twice holds it twice."""

    unit: Unit
    feeds: tuple[int, ...]


def share_out(units: list[Unit], records: int, seed: int) -> list[Copies]:
    """Give about `records` copies of books to the feeds: a few books to nearly all, most to one or two."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(units))
    chinese = [units[at] for at in order if units[at].chinese]
    other = [units[at] for at in order if not units[at].chinese]
    wanted = round(records * CHINESE_SHARE) if chinese and other else (records if chinese else 0)
    # few Chinese books can't fill half of the copies
    wanted = min(wanted, round(len(chinese) * COPIES_CHINESE * 1.5))
    found = _holders(chinese, wanted, COPIES_CHINESE, [f.size * f.chinese for f in FEEDS], rng)
    found += _holders(other, records - wanted, COPIES_OTHER, [f.size * f.other for f in FEEDS], rng)
    return [found[at] for at in rng.permutation(len(found))]


def _holders(
    units: list[Unit], copies: int, average: float, weights: list[float], rng: np.random.Generator
) -> list[Copies]:
    """Books with their holders: how many follows a power law, which ones follows the weights."""
    if not units or copies <= 0:
        return []
    holders = np.flatnonzero(np.array(weights))
    count = min(len(units), max(1, round(copies / average)))
    chances = _power_law(len(holders), min(copies / count, len(holders)))
    # evenly spaced quantiles, shuffled: a small sample, too, gets the number of copies that was asked for
    quantiles = (rng.permutation(count) + 0.5) / count
    held = 1 + np.minimum(np.searchsorted(np.cumsum(chances), quantiles), len(holders) - 1)
    # weighted choice without replacement: the smallest exponential waiting times win
    waits = rng.exponential(size=(count, len(holders))) / np.array(weights)[holders]
    ranked = holders[np.argsort(waits, axis=1)]
    twice = rng.random(count) < DUPLICATED_SHARE * held
    return [
        Copies(unit, (*map(int, ranked[at, : held[at]]), *([int(ranked[at, 0])] if twice[at] else [])))
        for at, unit in enumerate(units[:count])
    ]


def _power_law(largest: int, mean: float) -> NDArray[np.float64]:
    """Chances of 1..largest that fall as a power and have that mean; the exponent is found by halving."""
    numbers = np.arange(1, largest + 1, dtype=float)
    low, high = -8.0, 8.0
    chances = numbers
    for _ in range(60):
        middle = (low + high) / 2
        chances = numbers**-middle
        chances /= chances.sum()
        low, high = (middle, high) if (numbers * chances).sum() > mean else (low, middle)
    return chances
