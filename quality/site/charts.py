"""Bars and lines that the chart macros draw: numbers with their labels in both languages."""

from collections.abc import Iterable
from typing import NamedTuple

from warehouse import lake

from .words import Row

YEARS = 40  # years that a chart shows one by one; earlier ones are added up


class Bar(NamedTuple):
    """What the chart macros take: a number with its label in both languages, and a code for its table."""

    value: float
    zh: str
    en: str
    note: str = ""

    @property
    def is_year(self) -> bool:
        """Whether it stands for one year, in a chart of years."""
        return self.zh.isdigit()


def bars(rows: Iterable[Row], number: str, zh: str, en: str, note: str = "") -> list[Bar]:
    """A bar a row, from these columns."""
    return [Bar(row[number], str(row[zh]), str(row[en]), str(row[note]) if note else "") for row in rows]


def class_bars(rows: Iterable[Row], number: str) -> list[Bar]:
    """A bar a main class, named with its letter and scheme: some names are in CLC and LCC alike."""
    return [Bar(row[number], *(_class(row, row[name]) for name in ("name_zh", "name_en"))) for row in rows]


def _class(row: Row, name: str) -> str:
    letter = "" if row["class"] in ("", "-", None) else f"{row['class']} "
    return f"{letter}{name}" + (f" · {row['scheme'].upper()}" if letter and row["scheme"] else "")


def rule_bars(rows: list[Row]) -> list[Bar]:
    """The twelve rules that found most; what is waived does not count."""
    counted = [row for row in rows if row["findings"]]
    worst = sorted(counted, key=lambda row: -row["findings"])[:12]
    return [Bar(r["findings"], r["explained"].title_zh, r["explained"].title_en, r["rule"]) for r in worst]


def score_bars(scores: Iterable[float | None]) -> list[Bar]:
    """How many members have a score in each band, the best first."""
    known = [score for score in scores if score is not None]
    bands = [(99, 101), (97, 99), (95, 97), (90, 95), (85, 90), (70, 85), (50, 70), (0, 50)]
    named = [(f"{low} – 100" if high > 100 else f"{low} – <{high}", low, high) for low, high in bands]
    return [Bar(sum(low <= s < high for s in known), text, text) for text, low, high in named] if known else []


def year_bars(rows: list[Row]) -> list[Bar]:
    """One bar a year up to the last; earlier years, slips into the future and unknown years each in one."""
    known = {row["pub_year"]: row["bibs"] for row in rows if row["pub_year"] is not None}
    if not known:
        return []
    last = max((year for year in known if year <= lake.now().year + 2), default=max(known))
    first = last - YEARS + 1
    earlier = Bar(sum(n for year, n in known.items() if year < first), f"{first} 以前", f"before {first}")
    later = Bar(sum(n for year, n in known.items() if year > last), f"{last} 以后", f"after {last}")
    unknown = Bar(sum(row["bibs"] for row in rows if row["pub_year"] is None), "无年份", "no year")
    years = [Bar(known.get(year, 0), str(year), str(year)) for year in range(first, last + 1)]
    return [bar for bar in (earlier, *years, later, unknown) if bar.value or bar in years]
