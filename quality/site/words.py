"""Words and numbers as the pages show them, in Chinese and English, and the templates that use them."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from quality import decisions, reasons, rules, score
from warehouse import lake

SITE = Path(__file__).resolve().parent
GOOD, FAIR = 95, 85
CODED = {"kind": "record-kind", "carrier": "carrier", "lang": "lang", "orig_lang": "lang"}  # field: its labels
Row = dict[str, Any]


@cache
def labels() -> Mapping[tuple[str, str], tuple[str, str]]:
    """(group, code) → (Chinese, English), from `labels.csv`."""
    with (SITE / "labels.csv").open(encoding="utf-8", newline="") as lines:
        return {(row["group"], row["code"]): (row["zh"], row["en"]) for row in csv.DictReader(lines)}


def group_of_labels(group: str) -> dict[str, tuple[str, str]]:
    """The labels of one group, by code."""
    return {code: texts for (name, code), texts in labels().items() if name == group}


# `typed`, since a text and the same text as Markup are equal, but only one of them is to be escaped
@lru_cache(maxsize=20_000, typed=True)
def both(zh: object, en: object) -> Markup:
    """A text in both languages, of which the style sheet shows one."""
    return Markup(f'<span lang="zh-Hans">{escape(zh)}</span><span lang="en">{escape(en)}</span>')


@cache
def label(group: str, code: str) -> Markup:
    """The label of a code in both languages; a code without one stands for itself."""
    return both(*labels().get((group, code), (code, code)))


def two_languages(text: str | None, longest: int = 0) -> Markup:
    """A reason, in English and Chinese where both are known (`reasons.in_both`), one of them shown at a time.

    What is longer than `longest` characters is cut, where that is given.
    """
    if not text:
        return Markup("–")
    english, chinese = (cut(side, longest) for side in reasons.in_both(text))
    return both(chinese, english) if chinese != english else escape(english)


def value_of(text: str, rule: rules.Rule, longest: int) -> Markup:
    """The value of a finding, cut; what a reader says of it, in English and Chinese."""
    chinese = reasons.in_chinese(text) if rule.table == "reader" else None
    return both(cut(chinese, longest), cut(text, longest)) if chinese else escape(cut(text, longest))


def cut(text: str, longest: int) -> str:
    """The text up to so many characters; all of it where that is 0."""
    return f"{text[:longest]}…" if 0 < longest < len(text) else text


def coded(field: str, code: str | None) -> Markup | None:
    """What a code in a field means; the code of a language stands behind it."""
    if not code:
        return None
    names = labels().get((CODED[field], code))
    behind = f" {code}" if CODED[field] == "lang" else ""
    return both(*(name + behind for name in names)) if names else escape(code)


def number(value: float | None, digits: int = 0) -> str:
    """With commas between thousands; a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(part: float | None, whole: float | None) -> str:
    """The share that a part is of a whole; a dash where there is no whole."""
    return f"{100 * part / whole:.1f}%" if part is not None and whole else "–"


def plain(value: float | None) -> str:
    """A number of which it is not known whether it counts: whole, or to four digits; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def beijing(time: datetime | None) -> str:
    """A time in UTC as Beijing's clock shows it."""
    return f"{time + lake.BEIJING:%Y-%m-%d %H:%M}" if time else "–"


def duration(seconds: float | None) -> str:
    """Seconds as `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left} min" if hours else f"{minutes} min {rest} s"


def grade(value: float | None) -> str:
    """Good, fair or poor; none without a score."""
    if value is None:
        return "none"
    return "good" if value >= GOOD else "fair" if value >= FAIR else "poor"


def file_of(name: str) -> str:
    """The name of a page for a code; one that could be no file's name gets a digest for it."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        return name
    return f"x-{sha256(name.encode()).hexdigest()[:16]}"


def embedded(value: object) -> Markup:
    """A value as JSON inside a <script>: no text in it can end the element or begin another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    for sign, written in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(sign, written)
    return Markup(text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def line_points(values: Sequence[float], width: float, height: float, low: float, high: float) -> str:
    """Points of an SVG polyline for values between `low` and `high`, from left to right."""
    step = width / max(len(values) - 1, 1)
    span = (high - low) or 1
    return " ".join(f"{i * step:.1f},{height - (v - low) / span * height:.1f}" for i, v in enumerate(values))


explain = cache(rules.explain)


def explained(rows: list[Row]) -> list[Row]:
    """Rows with the text of their rule."""
    return [{**row, "explained": explain(row["rule"])} for row in rows]


def environment(**common: object) -> jinja2.Environment:
    """Templates with escaping on, our words and numbers, and `common` known to every page."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SITE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=number,
        plain=plain,
        beijing=beijing,
        grade=grade,
        duration=duration,
        file_of=file_of,
        embedded=embedded,
        two_languages=two_languages,
        value_of=value_of,
    )
    made.globals.update(
        t=both,
        label=label,
        has_label=lambda group, code: (group, code) in labels(),
        percent=percent,
        points=line_points,
        score_formula=score.FORMULA,
        grades=(GOOD, FAIR),
        year=lake.now().year,
        today=decisions.today(),
        **common,
    )
    return made
