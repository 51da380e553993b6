"""Reasons in Chinese: what stages say of outcomes and of records set aside stands in English in the lake.

`reasons.csv` has the sentences that the program says, in English and Chinese, with places `{1}`, `{2}` … for the
values in them.  A reason is sentences with `; ` between them, of which some are behind what they speak of: `source
D1: https://…: HTTP 403: it refuses us, …`.  What is no sentence of the list stays as it is.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

FILE = Path(__file__).with_name("reasons.csv")
_PLACE = re.compile(r"\{(\d)\}")
_NEXT, _BEHIND = "; ", ": "


@dataclass(frozen=True)
class Sentence:
    """A line of the list: the English sentence, what it looks like with values, its longest words, the Chinese."""

    en: str
    pattern: re.Pattern[str]
    words: str
    zh: str


@cache
def sentences() -> list[Sentence]:
    """The list, those with most words of their own first, as they say more than those that are mostly places."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        rows = [(row["en"], row["zh"]) for row in csv.DictReader(lines)]
    rows.sort(key=lambda row: -len(_PLACE.sub("", row[0])))
    return [Sentence(en, _pattern(en), max(_PLACE.split(en)[::2], key=len), zh) for en, zh in rows]


def _pattern(english: str) -> re.Pattern[str]:
    """What a sentence looks like; a value at its beginning or end has no colon, unless it stands behind one."""
    pattern, at = "", 0
    for place in _PLACE.finditer(english):
        before = english[at : place.start()]
        bounded = place.start() > 0 and place.end() < len(english)
        never = _NEXT if bounded or before.endswith(_BEHIND) else f"{_NEXT}|{_BEHIND}"
        pattern += f"{re.escape(before)}(?P<_{place[1]}>(?:(?!{never}).)+?)"
        at = place.end()
    return re.compile(pattern + re.escape(english[at:]), re.DOTALL)


def in_both(text: str) -> tuple[str, str]:
    """A reason in English and Chinese: `English | 中文` as some stages write it, else by the list."""
    english, _, chinese = text.partition(" | ")
    return english, chinese or in_chinese(text) or text


@lru_cache(maxsize=20_000)
def in_chinese(text: str) -> str | None:
    """The reason in Chinese; None where nothing of it is in the list."""
    parts, said, known = text.split(_NEXT), [], False
    longest = 1 + max(sentence.en.count(_NEXT) for sentence in sentences())
    while parts:
        for count in range(min(longest, len(parts)), 0, -1):  # a sentence may have a semicolon of its own
            found = _behind(_NEXT.join(parts[:count]))
            if found or count == 1:
                said.append(found or parts[0])
                known |= bool(found)
                del parts[:count]
                break
    return "；".join(said) if known else None


def _behind(text: str) -> str | None:
    """A sentence, and what it stands behind."""
    before = text.split(_NEXT)[0].split(_BEHIND)
    for count in range(len(before)):
        if found := _sentence(text[len(_BEHIND.join([*before[:count], ""])) :]):
            return "：".join([*(_sentence(one) or one for one in before[:count]), found])
    told = [_sentence(one) for one in before]
    if _NEXT in text or not any(told):
        return None
    return "：".join(said or one for said, one in zip(told, before, strict=True))


def _sentence(text: str) -> str | None:
    """A text that is one sentence of the list."""
    for sentence in sentences():
        if sentence.words in text and (found := sentence.pattern.fullmatch(text)):
            return _PLACE.sub(lambda place: found[f"_{place[1]}"], sentence.zh)
    return None
