"""The field definitions of MARC 21, CNMARC and UNIMARC, as arrays that a compiled check looks things up in.

They are data (`quality/definitions`):

    <format>.csv            a row a field: `repeatable`; values of indicators, a blank as #, nothing where none
                            is laid down; subfields, an asterisk behind those that repeat; and what is obsolete,
                            since when: of a field the year alone, of others as `0 1 @1990`
    <format>_positions.csv  a row for each coded position or run of positions of a field or subfield: codes with
                            a blank as #, or @list; what is obsolete; whether it may be left out at the end.
                            Codes of one character fill a longer run one by one.  `material` is the first
                            character of 007, or for 008 what leader/06-07 says.  006 is laid down as 008 is.
    codes.csv               the lists of codes of languages, countries and areas, and since when one is obsolete

A value may be used up to the year in which it was made obsolete; where several years are known for some values of
one cell, and where sources differ, the latest stands there.

Sources: MARC 21 Format for Bibliographic Data (Library of Congress); UNIMARC Manual, Bibliographic Format (IFLA);
CNMARC as GB/T 33286 and cataloguing practice have it.  `bench/definitions.py` took them from published schemas.
Years since when something is obsolete hardly stand there: those of UNIMARC and of the code lists were written down
from the editions that made the change.  Where none stands, what is obsolete counts whenever it was entered.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "definitions"
FORMATS = ("marc21", "cnmarc", "unimarc")
MATERIALS = ("books", "continuing", "computer", "maps", "music", "visual", "mixed")
UNDEFINED, ONCE, OFTEN, OBSOLETE = range(4)  # what a definition says of a tag, code or value
NO_CHARACTER = 128  # of an indicator or code that is not one ASCII character
NO_MATERIAL, BY_LEADER, BY_FIRST, BY_FIRST_AS_008 = range(4)  # what decides which positions hold
LEADER = 24  # characters; a rule of its own says so
MOST_POSITIONS = 64  # of a field
_008_TO_006 = 17  # 008/18 is 006/01
_MATERIAL_OF_TYPE = {
    "books": "at",
    "continuing": "s",
    "computer": "m",
    "maps": "ef",
    "music": "cdij",
    "visual": "gkor",
    "mixed": "p",
}


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a file of definitions."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@cache
def labels(format_: str) -> dict[str, tuple[str, str]]:
    """The name of each field in Chinese and English."""
    return {row["tag"]: (row["label_zh"], row["label_en"]) for row in rows(format_)}


@cache
def _lists() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows("codes"):
        found[f"@{row['list']}"][row["code"]] = row["obsolete"]
    return found


@dataclass
class Positions:
    """The coded positions of one field of one material."""

    place: str
    shortest: int = 0
    longest: int = 0
    runs: list[dict[str, Any]] = field(default_factory=list)


def _dated(cell: str) -> tuple[str, int]:
    """What a cell names as obsolete, and since which year; 0 where that is not known: it always was."""
    named, _, year = cell.partition("@")
    return named.strip(), int(year or 0)


def _allowed(row: dict[str, str]) -> tuple[dict[str, int], dict[str, int]]:
    """The codes of a run of positions and whether they are obsolete, with blanks as such; and since when."""
    codes: dict[str, int] = {}
    since: dict[str, int] = {}
    obsolete, year = _dated(row["obsolete"])
    for named, state in ((row["values"], ONCE), (obsolete, OBSOLETE)):
        for value in named.split():
            for code, listed in _lists().get(value, {value: ""}).items():
                text = code.replace("#", " ")
                if text not in codes:
                    codes[text] = OBSOLETE if listed else state
                    since[text] = int(listed or (year if state == OBSOLETE else 0))
    return codes, since


def _positions(format_: str) -> dict[tuple[str, str], dict[str, Positions]]:
    """By tag and code, by material ('' for all)."""
    found: dict[tuple[str, str], dict[str, Positions]] = defaultdict(dict)
    given = rows(f"{format_}_positions")
    common = [row for row in given if row["tag"] == "008" and not row["material"]]
    for row in given:
        start, length = int(row["start"]), int(row["length"])
        spread = [(row["tag"], row["material"], start)]
        if row["tag"] == "008" and row["material"]:
            spread.append(("006", row["material"], start - _008_TO_006))
        if row in common:
            spread = [("008", material, start) for material in MATERIALS]
        elif row["tag"] == "006":
            spread = [("006", material, start) for material in MATERIALS]
        for tag, material, at in spread:
            place = f"{tag}{'$' if row['code'] else ''}{row['code']}"
            here = found[tag, row["code"]].setdefault(material, Positions(place))
            here.longest = max(here.longest, at + length, LEADER if tag == "LDR" else 0)
            if not row["optional"]:
                here.shortest = max(here.shortest, at + length)
            codes, since = _allowed(row)
            if codes:
                width = len(next(iter(codes)))
                obsolete = _dated(row["obsolete"])[0]
                shown = " ".join(filter(None, [row["values"], obsolete and f"({obsolete})"]))
                run = {"start": at, "length": length, "width": width, "codes": codes, "shown": shown}
                run["since"] = since
                here.runs.append(run)
    return found


class Definitions:
    """All formats as arrays; tags are numbered over all formats, 0 is a tag that is not defined.

    Attributes:
        names: by tag number the tag, by format number and digits the tag number (`by_digits`).
        tag: whether a tag is defined, repeatable or obsolete; `indicator` the same for [tag, which, character],
            `code` for [tag, character]; `any_indicator` of 1 where nothing is laid down.
        coded: by [tag, code] the number of what is laid down of its positions; 0 for nothing.
        by: what decides on the material; `group` by [coded, material or first character].
        shortest, longest, first_run, end_run: of a group; `table` by [group, position] the row of `single`, which
            says what each byte is there.
        start, length, width: of a run of codes of more than one character; `packed` and `packed_state` are its
            codes, sorted, from `first_packed` to `end_packed`.
        runs, run_at: all runs as they were read, and by [group, position] which one it is.
        since: the year since when a field, or a value of its `ind1`, `ind2` or `subfield`, is obsolete, by
            [tag number, which, character]; that of a code stands in its run.
    """

    def __init__(self) -> None:
        self.names = [""]
        self.runs: list[dict[str, Any]] = [{"shown": "", "start": 0, "length": 0}]
        self.position_names = [""]
        self.by_digits = np.zeros((len(FORMATS), 1000), np.int32)
        self._numbers: dict[tuple[int, str], int] = {}
        for number, format_ in enumerate(FORMATS):
            for tag in ["LDR", *(row["tag"] for row in rows(format_))]:
                self._numbers[number, tag] = len(self.names)
                if tag.isdigit():
                    self.by_digits[number, int(tag)] = len(self.names)
                self.names.append(tag)
        count = len(self.names)
        self.tag = np.full(count, UNDEFINED, np.uint8)
        self.indicator = np.zeros((count, 2, NO_CHARACTER + 1), np.uint8)
        self.any_indicator = np.ones((count, 2), np.uint8)
        self.code = np.zeros((count, NO_CHARACTER + 1), np.uint8)
        self.allowed: list[list[str]] = [["", "", ""] for _ in range(count)]
        self.since: dict[tuple[int, str, str], int] = {}
        for number, format_ in enumerate(FORMATS):
            self.tag[self._numbers[number, "LDR"]] = ONCE
            for row in rows(format_):
                self._field(self._numbers[number, row["tag"]], row, format_)
        self._fill_positions(count)

    def number(self, format_: int, tag: str) -> int:
        """The number of a tag in a format; 0 where it is not defined."""
        return self._numbers.get((format_, tag), 0)

    def _field(self, number: int, row: dict[str, str], format_: str) -> None:
        self.tag[number] = OBSOLETE if row["obsolete"] else OFTEN if row["repeatable"] != "no" else ONCE
        if row["obsolete"].isdigit():
            self.since[number, "field", ""] = int(row["obsolete"])
        for which in (1, 2):
            for character in row[f"ind{which}"]:
                self.any_indicator[number, which - 1] = 0
                self.indicator[number, which - 1, ord(character.replace("#", " "))] = ONCE
            obsolete, year = _dated(row[f"obsolete_ind{which}"])
            for character in obsolete.replace("#", " "):
                self.indicator[number, which - 1, ord(character)] = OBSOLETE
                self.since[number, f"ind{which}", character] = year
            self.allowed[number][which - 1] = " ".join(row[f"ind{which}"])
        for code in row["subfields"].split():
            self.code[number, ord(code[0])] = OFTEN if code.endswith("*") else ONCE
            if format_ == "cnmarc" and code[0].islower():  # a capital is the pinyin of the small letter's text
                self.code[number, ord(code[0].upper())] = OFTEN
        if format_ == "cnmarc" and self.code[number, ord("a")] and row["tag"][0] in "24567":
            self.code[number, ord("9")] = OFTEN  # pinyin as the National Library writes it
        obsolete, year = _dated(row["obsolete_subfields"])
        for code in obsolete.split():
            self.code[number, ord(code[0])] = OBSOLETE
            self.since[number, "subfield", code[0]] = year
        if not row["subfields"] and row["tag"] >= "010":  # nothing is laid down of them
            self.code[number] = OFTEN
        self.allowed[number][2] = row["subfields"].replace("*", "")

    def _fill_positions(self, count: int) -> None:
        self.coded = np.zeros((count, NO_CHARACTER + 1), np.int32)
        by, groups = [NO_MATERIAL], [np.zeros(256, np.int32)]
        packed: list[tuple[int, int]] = []
        runs: list[tuple[int, ...]] = []
        spans, singles = [(0, 0, 0, 0)], [np.full(256, ONCE, np.uint8)]
        tables, run_at = [np.zeros(MOST_POSITIONS, np.int32)], [np.zeros(MOST_POSITIONS, np.int32)]
        for number, format_ in enumerate(FORMATS):
            for (tag, code), materials in _positions(format_).items():
                of = self.number(number, tag)
                self.coded[of, ord(code) if code else NO_CHARACTER] = len(by)
                by.append(_decides(tag, materials))
                group = np.zeros(256, np.int32)
                for material, positions in materials.items():
                    for key in _keys(by[-1], material):
                        group[key] = len(spans)
                    self.position_names.append(positions.place)
                    tables.append(np.zeros(MOST_POSITIONS, np.int32))
                    run_at.append(np.zeros(MOST_POSITIONS, np.int32))
                    first = len(runs)
                    for run in positions.runs:
                        run_at[-1][run["start"] : run["start"] + run["length"]] = len(self.runs)
                        if run["width"] == 1:
                            tables[-1][run["start"] : run["start"] + run["length"]] = len(singles)
                            table = np.zeros(256, np.uint8)
                            for character, state in run["codes"].items():
                                table[ord(character)] = state
                            singles.append(table)
                        else:
                            codes = sorted((_packed(text), state) for text, state in run["codes"].items())
                            end = len(packed) + len(codes)
                            runs.append((run["start"], run["length"], run["width"], len(packed), end))
                            packed += codes
                        self.runs.append({**run, "place": positions.place})
                    spans.append((positions.shortest, positions.longest, first, len(runs)))
                groups.append(group)
        self.by, self.group = np.array(by, np.int8), np.stack(groups)
        self.shortest, self.longest, self.first_run, self.end_run = np.array(spans, np.int32).T.copy()
        self.start, self.length, self.width, self.first_packed, self.end_packed = np.array(runs, np.int32).T.copy()
        self.single, self.table, self.run_at = np.stack(singles), np.stack(tables), np.stack(run_at)
        self.packed = np.array([value for value, _ in packed], np.int64)
        self.packed_state = np.array([state for _, state in packed], np.uint8)


def _decides(tag: str, materials: dict[str, Positions]) -> int:
    if set(materials) == {""}:
        return NO_MATERIAL
    return {"008": BY_LEADER, "006": BY_FIRST_AS_008}.get(tag, BY_FIRST)


def _keys(by: int, material: str) -> list[int]:
    """The places in a group of a material."""
    if by == NO_MATERIAL:
        return [0]
    if by == BY_LEADER:
        return [MATERIALS.index(material)]
    return [ord(one) for one in (_MATERIAL_OF_TYPE[material] if by == BY_FIRST_AS_008 else material)]


def _packed(text: str) -> int:
    return int.from_bytes(text.encode("ascii"), "big")


@cache
def definitions() -> Definitions:
    """All definitions, read once."""
    return Definitions()
