"""What a crosswalk may do with a value, on whole columns: `cleaner("year")(values)`.

Each takes and returns a string array; null means that the value does not qualify.
"""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from transforms import identifiers

Clean = Callable[[pa.Array], pa.Array]
CODES = Path(__file__).resolve().parent.parent / "schemas" / "crosswalks" / "codes.csv"


def strip(values: pa.Array) -> pa.Array:
    """Without white space at the ends; null when nothing is left."""
    values = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(values, ""), None, values)


def isbd(values: pa.Array) -> pa.Array:
    """Without the ISBD punctuation that only introduces the next area."""
    return strip(pc.replace_substring_regex(values, r"[\s/:;,=]+$", ""))


def title(values: pa.Array) -> pa.Array:
    """As `isbd`, and without a full stop at the end, unless it ends an abbreviation or an ellipsis."""
    values = pc.replace_substring_regex(values, r"[\s/:;,=]+$", "")
    return strip(pc.replace_substring_regex(values, r"([^\s.]{4,}|[\x{4E00}-\x{9FFF}])[.。]$", r"\1"))


def code(values: pa.Array) -> pa.Array:
    """A coded value: lower case, null when blank or fill characters."""
    values = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    return pc.if_else(pc.match_substring_regex(values, r"^[\s|#\-]*$"), None, values)


def language(values: pa.Array) -> pa.Array:
    """A three-letter language code, or a two-letter one of Dublin Core as the three-letter one."""
    values = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    return pc.coalesce(
        pc.struct_field(pc.extract_regex(values, r"^(?P<found>[a-z]{3})(?:[a-z]{3})*$"), "found"),
        _lookup("language", values),
    )


def year(values: pa.Array) -> pa.Array:
    """The first year 1000–2099 in the text, full-width digits too; a Minguo year (民国 36) where there is none."""
    values = pc.utf8_normalize(values, "NFKC")
    found = pc.struct_field(pc.extract_regex(values, r"(?:^|[^0-9])(?P<y>1\d{3}|20\d{2})(?:$|[^0-9])"), "y")
    if found.null_count == 0:
        return found
    minguo = pc.struct_field(pc.extract_regex(values, r"(?:民[国國]|(?i:minguo))\s*(?P<y>\d{1,3})"), "y")
    return pc.coalesce(found, pc.add(minguo.cast(pa.int32()), 1911).cast(pa.string()))


def in_brackets(values: pa.Array) -> pa.Array:
    """What stands in the first round brackets: the qualifier of an ISBN."""
    return strip(pc.struct_field(pc.extract_regex(values, r"[(（](?P<found>[^)）]*)[)）]"), "found"))


def qualifier(values: pa.Array) -> pa.Array:
    """A qualifier without the brackets around it."""
    return strip(pc.replace_substring_regex(values, r"^[\s(（]+|[\s)）:;,]+$", ""))


def labelled_isbn(values: pa.Array) -> pa.Array:
    """An ISBN that says so (`urn:isbn:`, `ISBN `) or stands alone."""
    return identifiers.isbn(pc.replace_substring_regex(values, r"^(?i:urn:isbn:|isbn[:\s]*)", ""))


def labelled_issn(values: pa.Array) -> pa.Array:
    """An ISSN that says so (`urn:issn:`, `ISSN `) or stands alone."""
    return identifiers.issn(pc.replace_substring_regex(values, r"^(?i:urn:issn:|issn[:\s]*)", ""))


def web_address(values: pa.Array) -> pa.Array:
    """A web address."""
    values = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.match_substring_regex(values, r"^(?i:https?|ftp)://\S+$"), values, None)


def format_carrier(values: pa.Array) -> pa.Array:
    """The carrier that a dc:format tells: a media type is electronic, an extent in pages is print."""
    media = pc.match_substring_regex(values, r"(?i)^\s*(application|audio|image|model|text|video)/\S+")
    extent = pc.match_substring_regex(values, r"(?i)\d\s*(p\b|pp\b|pages|页|頁|v\.|册|冊|leaves|cm\b)")
    return pc.if_else(media, "electronic", pc.if_else(extent, "print", None))


@cache
def _codes(name: str) -> dict[str, str]:
    with CODES.open(encoding="utf-8", newline="") as file:
        return {row["code"]: row["value"] for row in csv.DictReader(file) if row["map"] == name}


def _lookup(name: str, values: pa.Array) -> pa.Array:
    """Coded values through a map of `codes.csv`: the exact code first, else the longest `prefix*`."""
    table = _codes(name)
    prefixes = sorted((key[:-1] for key in table if key.endswith("*")), key=len, reverse=True)

    def find(text: str | None) -> str | None:
        if text is None:
            return None
        text = text.strip().lower()
        if text in table:
            return table[text]
        return next((table[prefix + "*"] for prefix in prefixes if text.startswith(prefix)), None)

    encoded = values.dictionary_encode()
    found = pa.array([find(text) for text in encoded.dictionary.to_pylist()], pa.string())
    return found.take(encoded.indices)


def _constant(value: str, values: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_valid(values), value, None)


_FUNCTIONS: dict[str, Clean] = {
    "": lambda values: values,
    "strip": strip,
    "isbd": isbd,
    "title": title,
    "code": code,
    "language": language,
    "year": year,
    "in_brackets": in_brackets,
    "qualifier": qualifier,
    "labelled_isbn": labelled_isbn,
    "labelled_issn": labelled_issn,
    "web_address": web_address,
    "format_carrier": format_carrier,
    "isbn": identifiers.isbn,
    "issn": identifiers.issn,
    "lccn": identifiers.lccn,
    "oclc": identifiers.oclc,
    "calis": identifiers.calis,
    "doi": identifiers.doi,
}


def cleaner(name: str) -> Clean:
    """The function of that name; `map:NAME` looks up a code, `constant:TEXT` gives a text."""
    kind, _, argument = name.partition(":")
    if kind == "map":
        return lambda values: _lookup(argument, values)
    if kind == "constant":
        return lambda values: _constant(argument, values)
    return _FUNCTIONS[kind]
