"""MARC 21 with its 880 fields turned into CNMARC, as a Chinese library would have catalogued the book."""

import re

from sample import clc
from sample.marc import Field, Record, Subfields, value

_ISBD = " /:;,=.．，：；／"
_LINK = re.compile(r"^(\d{3})-(\d\d)")
_YEAR = re.compile(r"\d{4}")
_UNITS = (
    (re.compile(r"\s*\bp\. of plates"), "页图版"),
    (re.compile(r"\s*\b(?:leaf|leaves) of plates"), "叶图版"),
    (re.compile(r"\s*\b(?:leaf|leaves)\b"), "叶"),
    (re.compile(r"\s*\bp\.?(?=\W|$)"), "页"),
    (re.compile(r"\s*\bv\.?(?=\W|$)"), "册"),
    (re.compile(r"\bcol\. ill\.?|\bill\. \((?:some|chiefly) col\.\)"), "彩图"),
    (re.compile(r"\bill\.?"), "图"),
    (re.compile(r"\bmaps?\b"), "地图"),
    (re.compile(r"\bports?\b\.?"), "肖像"),
    (re.compile(r" \((?:some|chiefly|part) col\.\)"), ""),
)
_NOTES = (
    ("Includes bibliographical references and index", "有书目及索引"),
    ("Includes bibliographical references", "有书目"),
    ("Includes index", "有索引"),
    ("Colophon title", "题名取自版权页"),
    ("Cover title", "题名取自封面"),
    ("Title from cover; gift copy", "题名取自封面；赠书"),
    ("Added t.p. in English", "英文并列题名页"),
    ("In Chinese", "中文"),
)
_DATES_AND_ROLES = "dce4u0"


def convert(record: Record, label: str) -> Record:
    """The CNMARC record of a MARC 21 one: Han text from 880, pinyin from the romanised field.

    `label` is what 100$a/26-33 says of the character sets (eight characters), right or wrong.
    Fields 001, 005 and 801 and the holdings are the library's own and not made here.
    """
    source = _Source(record)
    fields = [
        *source.isbns(),
        ("100", "  ", [("a", _coded(record, label))]),
        *source.languages(),
        *source.countries(),
        ("105", "  ", [("a", "a   z   000yy" if "ill" in source.extent() else "y   z   000yy")]),
        ("106", "  ", [("a", "r")]),
        *source.title(),
        *source.edition(),
        *source.imprint(),
        *source.physical(),
        *source.series(),
        *source.notes(),
        *source.other_titles(),
        *source.subjects(),
        *source.creators(),
    ]
    status = record.leader[5] if record.leader[5] in "cdn" else "n"
    return Record(f"00000{status}am0 2200000   450 ", sorted(fields, key=lambda field: field[0]))


def calis_id(number: int) -> str:
    """A control number of CALIS's shape for the book of that number; the same for every copy of it."""
    return f"CAL 012{number // 1_000_000:03d}{number % 1_000_000:06d}"


def _coded(record: Record, label: str) -> str:
    """100$a: 36 characters."""
    coded = record.control("008").ljust(40)
    entered = coded[:6] if coded[:6].isdigit() else "000101"
    century = "19" if entered[0] in "6789" else "20"
    year = coded[7:11] if coded[7:11].isdigit() else "    "
    return f"{century}{entered}d{year}    em y0chiy{label:8.8}ea"


class _Source:
    """A MARC 21 record seen through the pairs that field 880 makes."""

    def __init__(self, record: Record):
        self.record = record
        self.han: dict[tuple[str, str], Subfields] = {}
        for subfields in record.all("880"):
            if match := _LINK.match(value(subfields, "6")):
                self.han.setdefault((match[1], match[2]), [part for part in subfields if part[0] != "6"])

    def pairs(self, *tags: str) -> list[tuple[str, Subfields, Subfields]]:
        """Each field of these tags: its tag, its text in Han where there is one, and as it stands."""
        found = []
        for tag, _, subfields in self.record.fields:
            if tag in tags:
                link = _LINK.match(value(subfields, "6"))
                plain = [part for part in subfields if part[0] != "6"]
                found.append((tag, self.han.get((tag, link[2]), plain) if link else plain, plain))
        return found

    def isbns(self) -> list[Field]:
        """020 as 010: number, binding, price."""
        out: list[Field] = []
        for subfields in self.record.all("020"):
            number, _, qualifier = value(subfields, "a").rstrip(" :").partition(" ")
            parts = [("a", number)] if number else []
            if qualifier.strip(" ()"):
                parts.append(("b", qualifier.strip(" ()")))
            if price := value(subfields, "c"):
                parts.append(("d", price.replace("RMB", "CNY").rstrip(" .")))
            parts += [("z", text) for code, text in subfields if code == "z"]
            if parts:
                out.append(("010", "  ", parts))
        return out

    def languages(self) -> list[Field]:
        """008/35-37 and 041 as 101."""
        original = value(self.record.first("041"), "h")
        language = self.record.control("008")[35:38].strip() or "und"
        parts = [("a", language)] + ([("c", original[:3])] if original else [])
        return [("101", "1 " if original else "0 ", parts)]

    def countries(self) -> list[Field]:
        """008/15-17 as 102, with the region that the place of publication tells."""
        code = self.record.control("008")[15:18].strip()
        country, region = clc.COUNTRIES.get(code, ("US" if len(code) == 3 and code.endswith("u") else "XX", ""))
        place = next((value(han, "a") for _, han, _ in self.pairs("260", "264")), "")
        region = clc.REGIONS.get(place.lstrip("[")[:2], region)
        return [("102", "  ", [("a", country)] + ([("b", region)] if region else []))]

    def title(self) -> list[Field]:
        """245 as 200: title, pinyin, other title information, parts, responsibility by its semicolons."""
        for _, han, roman in self.pairs("245"):
            parts = [("a", _clean(value(han, "a")))]
            if han is not roman:
                parts.append(("A", _clean(value(roman, "a"))))
            names = {"b": "e", "n": "h", "p": "i"}
            parts += [(names[code], _clean(text)) for code, text in han if code in names]
            statements = _clean(value(han, "c")).split(" ; ")
            parts += [("f" if at == 0 else "g", _clean(text)) for at, text in enumerate(statements) if text]
            return [("200", "1 ", parts)]
        return []

    def edition(self) -> list[Field]:
        """250 as 205."""
        return [("205", "  ", [("a", _clean(value(han, "a")))]) for _, han, _ in self.pairs("250")]

    def imprint(self) -> list[Field]:
        """260 or 264 as 210."""
        names = {"a": "a", "b": "c", "c": "d"}
        found = [
            [(names[code], _clean(text)) for code, text in han if code in names]
            for _, han, _ in self.pairs("260", "264")
        ]
        return [("210", "  ", parts) for parts in found[:1] if parts]

    def extent(self) -> str:
        """The text of 300."""
        return " ".join(text for _, text in self.record.first("300"))

    def physical(self) -> list[Field]:
        """300 as 215, with the Chinese units."""
        names = {"a": "a", "b": "c", "c": "d"}
        parts = [(names[c], _units(_clean(t))) for c, t in self.record.first("300") if c in names]
        return [("215", "  ", parts)] if parts else []

    def series(self) -> list[Field]:
        """440 and 490 as 225."""
        out: list[Field] = []
        for _, han, _ in self.pairs("440", "490"):
            names = {"a": "a", "v": "v", "p": "i", "n": "h"}
            parts = [(names[code], _clean(text)) for code, text in han if code in names]
            if parts:
                out.append(("225", "2 ", parts))
        return out

    def notes(self) -> list[Field]:
        """500, 504, 520 as 300, 320, 330."""
        target = {"500": "300", "504": "320", "520": "330"}
        return [
            (target[tag], "  ", [("a", _note(value(han, "a")))])
            for tag, han, _ in self.pairs(*target)
            if value(han, "a")
        ]

    def other_titles(self) -> list[Field]:
        """246 as 517."""
        return [("517", "1 ", [("a", _clean(value(h, "a")))]) for _, h, _ in self.pairs("246") if value(h, "a")]

    def subjects(self) -> list[Field]:
        """A Chinese heading and a CLC number from the class; 606 puts the place in $y."""
        number, caption = clc.classify(value(self.record.first("050"), "a"))
        areas = [text.rstrip("-") for code, text in self.record.first("043") if code == "a"]
        heading = [("a", caption)]
        heading += [("y", clc.AREAS[area]) for area in areas[:1] if area in clc.AREAS]
        return [("606", "0 ", heading), ("690", "  ", [("a", number), ("v", "5")])]

    def creators(self) -> list[Field]:
        """1xx and 7xx as 701, 702, 711, 712, with role and pinyin."""
        out: list[Field] = []
        statement = " ".join(value(han, "c") for _, han, _ in self.pairs("245"))
        for tag, han, roman in self.pairs("100", "110", "111", "700", "710", "711"):
            if value(roman, "t"):  # a work, not a person
                continue
            main, person = tag[0] == "1", tag[1:] == "00"
            name = _clean("".join(text for code, text in han if code not in _DATES_AND_ROLES and code.isalpha()))
            parts = [("a", name)]
            if han is not roman:
                parts.append(("A", _clean(value(roman, "a"))))
            parts.append(("4", _role(name, statement, main)))
            target = ("701" if main else "702") if person else ("711" if main else "712")
            out.append((target, " 0" if person else "02", parts))
        return out


def _role(name: str, statement: str, main: bool) -> str:
    """The role word that stands next to the name in the statement of responsibility."""
    for word in ("主编", "主編", "编著", "編著", "译", "譯", "编", "編", "著"):
        if name and (f"{word}{name}" in statement or f"{name}{word}" in statement):
            return word
    return "著" if main else "编"


def _units(text: str) -> str:
    for pattern, chinese in _UNITS:
        text = pattern.sub(chinese, text)
    return text


def _note(text: str) -> str:
    """The usual notes in Chinese; any other as it is."""
    return next((chinese for english, chinese in _NOTES if text.startswith(english)), text)


def _clean(text: str) -> str:
    """Text without the ISBD marks that MARC 21 writes at the end of a subfield."""
    text = text.strip()
    stripped = text.rstrip(_ISBD)
    # a full stop that ends an abbreviation or initial stays
    return stripped + "." if re.search(r"\b[A-Z]$", stripped) and text[len(stripped) :][:1] == "." else stripped
