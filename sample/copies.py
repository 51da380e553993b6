"""How two libraries' records of one book come to differ: each difference happens with its own probability."""

import random
import re
from functools import cache, lru_cache
from typing import Any

import opencc
from stdnum import isbn as isbn_numbers

from sample.marc import Record, Subfields

# variation: how often a copy has it, unless its feed says otherwise
HABITS: dict[str, float] = {
    "isbn_missing": 0.06,
    "isbn10": 0.35,
    "isbn_hyphen": 0.15,
    "lccn_missing": 0.6,
    "oclc_missing": 0.6,
    "title_case": 0.05,
    "title_punctuation": 0.2,
    "title_typo": 0.01,
    "subtitle_missing": 0.06,
    "subtitle_in_title": 0.06,
    "responsibility_missing": 0.05,
    "edition_wording": 0.4,
    "edition_missing": 0.1,
    "publisher_wording": 0.25,
    "place_missing": 0.04,
    "year_copyright": 0.15,
    "year_off": 0.02,
    "pages_off": 0.03,
    "creators_missing": 0.06,
    "notes_more": 0.1,
    "script_simplified": 0.15,
    "script_traditional": 0.02,
}

_HAN = re.compile("[\u3400-\u9fff]")
_NUMERALS = "零一二三四五六七八九十"
_ORDINALS = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
_PUBLISHER_WORDS = (
    (re.compile(r"\bUniversity\b"), "Univ."),
    (re.compile(r"\bPress\b"), "Pr."),
    (re.compile(r"\bPublishers\b"), "Pub."),
    (re.compile(r"\bPublishing (?:Company|Co\.)"), "Pub. Co."),
    (re.compile(r",? (?:Inc|Ltd|Co)\.?(?=\W*$)"), ""),
    (re.compile(r"^The "), ""),
    (re.compile(r"chu ban she"), "chubanshe"),
    (re.compile(r"(?<=.{4})出版社(?=\W*$)"), ""),
    (re.compile(r"(?<=.{4})出版公司(?=\W*$)"), "出版社"),
    (re.compile(r"股[份分]有限公司"), ""),
)
_MORE_NOTES = ("Includes index.", "Cover title.", "Title from cover; gift copy.", "Added t.p. in English.")
_CREATORS = frozenset({"100", "110", "111", "700", "710", "711"})


def vary(record: Record, rng: random.Random, habits: dict[str, float]) -> tuple[Record, list[str]]:
    """A library's own copy of a MARC 21 record, and the names of the variations that it was given."""
    chosen = [name for name, chance in habits.items() if rng.random() < chance]
    names = frozenset(chosen)
    fields = []
    for tag, indicators, subfields in record.fields:
        meant = subfields[0][1][:3] if tag == "880" and subfields else tag
        if _dropped(meant, names):
            continue
        change = _CHANGES.get(meant)
        fields.append((tag, indicators, change(subfields, names, rng) if change else subfields))
    if "notes_more" in names:
        fields.append(("500", "  ", [("a", rng.choice(_MORE_NOTES))]))
        fields.sort(key=lambda field: field[0])
    copy = Record(record.leader, fields)
    if "script_simplified" in names:
        _convert_script(copy, "t2s")
    elif "script_traditional" in names:
        _convert_script(copy, "s2t")
    return copy, chosen


def _dropped(tag: str, names: frozenset[str]) -> bool:
    return (
        (tag == "020" and "isbn_missing" in names)
        or (tag == "010" and "lccn_missing" in names)
        or (tag == "035" and "oclc_missing" in names)
        or (tag == "250" and "edition_missing" in names)
        or (tag in _CREATORS and "creators_missing" in names)
    )


def _isbn(subfields: Subfields, names: frozenset[str], rng: random.Random) -> Subfields:
    out = []
    for code, text in subfields:
        number, space, rest = text.partition(" ")
        form = _isbn_form(number, "isbn10" in names, "isbn_hyphen" in names) if code == "a" else number
        out.append((code, form + space + rest))
    return out


@lru_cache(8192)
def _isbn_form(number: str, ten: bool, hyphens: bool) -> str:
    """A valid ISBN in the form that the library writes; an invalid one as it is."""
    if not isbn_numbers.is_valid(number):
        return number
    thirteen = isbn_numbers.to_isbn13(isbn_numbers.compact(number))
    compact = isbn_numbers.to_isbn10(thirteen) if ten and thirteen.startswith("978") else thirteen
    return str(isbn_numbers.format(compact) if hyphens else compact)


def _title(subfields: Subfields, names: frozenset[str], rng: random.Random) -> Subfields:
    out = list(subfields)
    if "subtitle_missing" in names:
        out = [part for part in out if part[0] != "b"]
    if "responsibility_missing" in names:
        out = [part for part in out if part[0] != "c"]
    if "subtitle_in_title" in names:
        out = _joined(out, "a", "b")
    if "title_case" in names:
        change = rng.choice([str.upper, str.title, str.lower])
        out = [(code, change(text)) if code in "ab" else (code, text) for code, text in out]
    if "title_typo" in names:
        out = [(code, _typo(text, rng)) if code == "a" else (code, text) for code, text in out]
    if "title_punctuation" in names:
        out = [(code, text.rstrip(" /:;=,.")) if code in "abc" else (code, text) for code, text in out]
    return out


def _joined(subfields: Subfields, into: str, of: str) -> Subfields:
    """The first subfield `of` appended to the one `into` that stands just before it."""
    for at in range(1, len(subfields)):
        (before, left), (code, right) = subfields[at - 1], subfields[at]
        if before == into and code == of:
            return [*subfields[: at - 1], (into, f"{left} {right}"), *subfields[at + 1 :]]
    return subfields


def _typo(text: str, rng: random.Random) -> str:
    """Two neighbouring characters exchanged, as typists do."""
    if len(text) < 6:
        return text
    at = rng.randrange(1, len(text) - 3)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _edition(subfields: Subfields, names: frozenset[str], rng: random.Random) -> Subfields:
    if "edition_wording" not in names:
        return subfields
    return [(code, _edition_text(text) if code == "a" else text) for code, text in subfields]


def _edition_text(text: str) -> str:
    """Another wording of the same edition: 2nd ed. / Second edition, 第2版 / 第二版."""
    if match := re.match(r"第?\s*(\d{1,2})\s*版", text):
        number = int(match[1])
        return f"第{_NUMERALS[number]}版" + text[match.end() :] if 0 < number <= 10 else text
    if match := re.match(rf"第([{_NUMERALS}])版", text):
        return f"第{_NUMERALS.index(match[1])}版" + text[match.end() :]
    if match := re.match(r"(\d{1,2})(?:st|nd|rd|th) ed\b\.?", text):
        number = int(match[1])
        return f"{_ORDINALS[number]} edition" + text[match.end() :] if number < len(_ORDINALS) else text
    return re.sub(r"\bRev\. ed\.", "Revised edition", re.sub(r"\b1st ed\.", "First edition", text))


def _imprint(subfields: Subfields, names: frozenset[str], rng: random.Random) -> Subfields:
    out = []
    for code, text in subfields:
        if code == "a" and "place_missing" in names:
            continue
        if code == "b" and "publisher_wording" in names:
            text = _publisher(text)
        if code == "c":
            text = _date(text, names)
        out.append((code, text))
    return out or subfields


def _publisher(text: str) -> str:
    for pattern, other in _PUBLISHER_WORDS:
        text = pattern.sub(other, text)
    return text


def _date(text: str, names: frozenset[str]) -> str:
    if "year_off" in names:
        text = re.sub(r"\d{4}", lambda match: str(int(match[0]) + 1), text, count=1)
    if "year_copyright" in names:
        text = text[1:] if re.match(r"c\d{4}", text) else re.sub(r"^(\d{4})", r"c\1", text)
    return text


def _extent(subfields: Subfields, names: frozenset[str], rng: random.Random) -> Subfields:
    if "pages_off" not in names:
        return subfields
    return [
        (code, re.sub(r"\d+(?= p\.)", lambda match: str(int(match[0]) + 2), text) if code == "a" else text)
        for code, text in subfields
    ]


_CHANGES = {"020": _isbn, "245": _title, "250": _edition, "260": _imprint, "264": _imprint, "300": _extent}


@cache
def _converter(name: str) -> Any:
    return opencc.OpenCC(name)


def _convert_script(record: Record, name: str) -> None:
    """Convert every text with Han characters between traditional and simplified, in one call."""
    spots = [
        (field_no, part_no, text)
        for field_no, (_, _, subfields) in enumerate(record.fields)
        for part_no, (_, text) in enumerate(subfields)
        if _HAN.search(text)
    ]
    if not spots:
        return
    converted = _converter(name).convert("\n".join(text for _, _, text in spots)).split("\n")
    for field_no in {spot[0] for spot in spots}:
        tag, indicators, subfields = record.fields[field_no]
        record.fields[field_no] = (tag, indicators, list(subfields))
    for (field_no, part_no, _), text in zip(spots, converted, strict=True):
        subfields = record.fields[field_no][2]
        subfields[part_no] = (subfields[part_no][0], text)
