"""How columns of usage files are called and read, and what codes mean: `usage_profiles.csv`, `usage_codes.csv`.

A line of a profile names one of our columns, the conversion of its values (`transforms/usage/convert.py`), whether
it is required (`yes`: by every row; `header`: by the file only), and the headers that it goes by, in any language,
`|` between them.  A profile holds what `general` says of its kind and changes what it says itself; a line without
headers takes the column out.
"""

import csv
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import opencc

FOLDER = Path(__file__).parent
GENERAL = "general"
# Which side of interlibrary loan a log is of: by words of its name, and by what it calls the other library.
SIDES = {
    "borrowing": "borrow",
    "borrow": "borrow",
    "借入": "borrow",
    "lending": "lend",
    "lend": "lend",
    "借出": "lend",
}
ASKED = dict.fromkeys(("lending library", "lender", "supplier", "supplying library", "提供馆", "服务馆"), "borrow")
ASKED |= dict.fromkeys(("borrowing library", "borrower library", "requesting library", "申请馆"), "lend")
CLOCK = ("time", "date", "month", "partial_date", "calendar_year")  # conversions of times
READER = "reader"  # the conversion whose values become pseudonyms before anything is written
_SPACE = re.compile(r"[\s_﻿​]+")


@dataclass(frozen=True)
class Line:
    """One column of a profile; `needed`: a file must have it, `filled`: a row too."""

    column: str
    conversion: str
    needed: bool
    filled: bool
    headers: tuple[str, ...]


def folded(header: str) -> str:
    """A header as it is compared: NFKC, lower case, simplified, spaces and underscores one, no marks around."""
    text = unicodedata.normalize("NFKC", header).casefold()
    if not text.isascii():
        text = _simplifier().convert(text)
    return _SPACE.sub(" ", text).strip(" '\"#*:：")


@cache
def _simplifier() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@cache
def profiles(kind: str) -> dict[str, tuple[Line, ...]]:
    """The profiles of a kind of usage file, by name, in the order of the file."""
    found: dict[str, dict[str, Line]] = {}
    with (FOLDER / "usage_profiles.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["kind"] != kind:
                continue
            lines = found.setdefault(row["profile"], dict(found.get(GENERAL, {})))
            headers = tuple(folded(header) for header in row["headers"].split("|")) if row["headers"] else ()
            line = Line(row["column"], row["conversion"], row["required"] != "", row["required"] == "yes", headers)
            lines.pop(line.column, None)
            if headers:
                lines[line.column] = line
    return {name: tuple(lines.values()) for name, lines in found.items()}


@cache
def codes(name: str) -> dict[str, str]:
    """One map of codes: what files write, folded as headers are, and what we write."""
    with (FOLDER / "usage_codes.csv").open(encoding="utf-8", newline="") as file:
        return {
            folded(row["code"]) or row["code"]: row["value"] for row in csv.DictReader(file) if row["map"] == name
        }


def fit(kind: str, header: list[str], profile: str = "") -> tuple[str, dict[int, Line]] | None:
    """The profile that a header fits best, and which of its columns stands where; None where none fits.

    A profile fits when its required columns are all there; the one with most columns wins, the first of equals.

    Args:
        kind: the kind of file.
        header: cells of a row.
        profile: the only profile that may fit, where the source names one.
    """
    cells = [folded(cell) for cell in header]
    best: tuple[int, str, dict[int, Line]] | None = None
    for name, lines in profiles(kind).items():
        if profile and name != profile:
            continue
        placed: dict[int, Line] = {}
        for line in lines:
            # the first of a line's headers that is there, so that an exact name wins over a vague one
            place = next(
                (cells.index(h) for h in line.headers if h in cells and cells.index(h) not in placed), None
            )
            if place is not None:
                placed[place] = line
        got = {line.column for line in placed.values()}
        whole = all(line.column in got for line in lines if line.needed) and len(placed) >= min(2, len(lines))
        if whole and (best is None or len(placed) > best[0]):
            best = (len(placed), name, placed)
    return best and best[1:]
