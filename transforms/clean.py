"""What a crosswalk may do with a value, on whole columns: `cleaner("year")(values)`.

Each takes and returns a string array; null means that the value does not qualify.
"""

import csv
import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from transforms import clean_kernel as kernel
from transforms import identifiers
from transforms.numerals import chinese_number
from transforms.text_columns import each_distinct, nfkc, or_else
from transforms.trim_kernel import EXTENT, ISBD, SIZE, STRIP, TITLE, trimmed

Clean = Callable[[pa.Array], pa.Array]
CODES = Path(__file__).resolve().parent.parent / "schemas" / "crosswalks" / "codes.csv"


def strip(values: pa.Array) -> pa.Array:
    """Without white space at the ends; null when nothing is left."""
    return trimmed(STRIP, values)


def _where_holds(values: pa.Array, texts: tuple[str, ...], pattern: str, becomes: str) -> pa.Array:
    """Replace a pattern in the values that hold one of some texts, without which it can't be there."""
    chosen = kernel.holds(values, texts)
    return or_else(values, chosen, values, lambda some: pc.replace_substring_regex(some, pattern, becomes))


def isbd(values: pa.Array) -> pa.Array:
    """Without the ISBD punctuation that only introduces an area or element.

    At the beginning `= / : ;`, at the end a comma too, and a bracket whose fellow is in another subfield.
    """
    return trimmed(ISBD, values)


def title(values: pa.Array) -> pa.Array:
    """As `isbd`, and without a full stop at the end, unless it ends an abbreviation or an ellipsis."""
    return trimmed(TITLE, values)


def extent(values: pa.Array) -> pa.Array:
    """As `isbd`, and without the plus sign of accompanying material."""
    return trimmed(EXTENT, values)


def size(values: pa.Array) -> pa.Array:
    """As `isbd`, and without a full stop or plus sign at the end."""
    return trimmed(SIZE, values)


def series(values: pa.Array) -> pa.Array:
    """A series statement whose parts were joined by ` ; `, which some of them end with too."""
    return kernel.joints(values, is_heading=False)


def heading(values: pa.Array) -> pa.Array:
    """A subject heading whose subdivisions were joined by `--`, without the commas that ended them."""
    return kernel.joints(values, is_heading=True)


def romanised(values: pa.Array) -> pa.Array:
    """A text without Chinese characters; some records have a variant title where others have pinyin."""
    return isbd(pc.if_else(pa.array(kernel.has_han(values)), None, values))


def romanised_title(values: pa.Array) -> pa.Array:
    """The romanised form of a title whose original script stands in 880."""
    return title(romanised(values))


def unbracketed(values: pa.Array) -> pa.Array:
    """Without punctuation and brackets around it: a general material designation."""
    return strip(pc.replace_substring_regex(values, r"^[\s\[［]+|[\s\]］/:;,.=]+$", ""))


def name(values: pa.Array) -> pa.Array:
    """A name, with one comma where subfields that have their own were joined by one."""
    return _where_holds(values, (",,", ", ,"), r"\s*,(?:\s*,)+\s*", ", ")


def not_address(values: pa.Array) -> pa.Array:
    """A text that is no web address."""
    values = strip(values)
    return pc.if_else(pc.match_substring_regex(values, r"^(?i:https?://|info:|urn:)\S+$"), None, values)


def extent_of_format(values: pa.Array) -> pa.Array:
    """A dc:format that is no media type or bare number of bytes."""
    values = extent(values)
    media = pc.match_substring_regex(values, r"(?i)^[\w.+\-]+/[\w.+\-]+(?:;.*)?$|^\d+\s*(?:bytes)?$")
    return pc.if_else(media, None, values)


def _part(values: pa.Array, pattern: str) -> pa.Array:
    """What `found` of a pattern takes; null where it takes nothing."""
    return strip(pc.struct_field(pc.extract_regex(values, pattern), "found"))


# MARC 21 has a parallel title behind an equals sign, in 245$b or beginning it: $a and $b come joined by ‖.


def after_title(values: pa.Array) -> pa.Array:
    """Other title information of MARC 21 245: $b, up to a parallel title; none where $b is one."""
    return or_else(*kernel.part(kernel.AFTER_TITLE, values), values, _after_title)


def _after_title(values: pa.Array) -> pa.Array:
    found = _part(values, r"[^=\s‖]\s*‖(?P<found>[^‖]*)")
    return pc.replace_substring_regex(found, r"(?s)(?:^|\s)=\s.*$", "")


def parallel(values: pa.Array) -> pa.Array:
    """The parallel title of MARC 21 245: what follows the first equals sign."""
    return or_else(*kernel.part(kernel.PARALLEL, values), values, _parallel)


def _parallel(values: pa.Array) -> pa.Array:
    found = _part(values, r"^[^=]*?\s=(?:‖|\s)\s*(?P<found>[^=‖:]+)")
    return pc.replace_substring_regex(found, r"(?s)\s/(?:\s.*)?$", "")


def first_statement(values: pa.Array) -> pa.Array:
    """The first statement of responsibility of MARC 21 245$c."""
    return or_else(*kernel.part(kernel.FIRST_STATEMENT, values), values, _first_statement)


def _first_statement(values: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(values, r"(?s)\s;\s.*$", "")


def other_statements(values: pa.Array) -> pa.Array:
    """The other statements of responsibility of MARC 21 245$c."""
    return or_else(*kernel.part(kernel.OTHER_STATEMENTS, values), values, _other_statements)


def _other_statements(values: pa.Array) -> pa.Array:
    return _part(values, r"(?s)\s;\s(?P<found>.+)$")


def clc_of_084(values: pa.Array) -> pa.Array:
    """A number of the Chinese Library Classification: 084 whose $2 says so ($a and $2 joined by ‖)."""
    return clc(_part(values, r"^(?P<found>[^‖]+)‖.*(?i:clc|ztf|中图)[^‖]*$"))


def clc(values: pa.Array) -> pa.Array:
    """A number of the Chinese Library Classification: half width, without spaces, its letter a capital."""
    values = pc.replace_substring_regex(nfkc(values), r"\s", "")
    small = pc.match_substring_regex(values, r"^[a-z]")
    if pc.any(small).as_py():
        values = pc.if_else(small, pc.ascii_upper(values), values)
    return strip(values)


def ddc(values: pa.Array) -> pa.Array:
    """A number of the Dewey Decimal Classification without the marks where it may be cut."""
    return kernel.without_cuts(values)


def standard_number(values: pa.Array) -> pa.Array:
    """A standard number: a DOI in its one form, anything else as given, but no country code."""
    values = strip(values)
    values = pc.if_else(pc.match_substring_regex(values, r"^[A-Za-z]{0,3}$"), None, values)
    return pc.coalesce(identifiers.doi(values), values)


def union_number(values: pa.Array) -> pa.Array:
    """Of 091: a serial's CN number in its one form; null for a 统一书号, which has a column of its own."""
    other = pc.if_else(pc.is_valid(identifiers.ubsn(values)), None, strip(values))
    return pc.coalesce(identifiers.cn_serial(other), other)


def price(values: pa.Array) -> pa.Array:
    """A price: plain amounts in yuan as `CNY25.00`, anything else (gifts, sets, other money) as given."""
    values = isbd(values)
    text = nfkc(values)
    sign = r"^(?:(?i:CNY|RMB)\s*[Y¥]?|人民币|¥)\s*(?P<found>\d+(?:\.\d+)?)\s*元?$|"
    yuan = pc.extract_regex(text, sign + r"^(?P<bare>\d+(?:\.\d+)?)\s*元$")
    amount = pc.binary_join_element_wise(pc.struct_field(yuan, "found"), pc.struct_field(yuan, "bare"), "")
    return pc.coalesce(pc.binary_join_element_wise("CNY", amount, ""), values)


def code(values: pa.Array) -> pa.Array:
    """A coded value: lower case, null when blank or fill characters."""

    def coded(text: str) -> str | None:
        text = text.strip().lower()
        return text if text.strip("|#- \t\n\r\f") else None

    return each_distinct(values, coded)


def language(values: pa.Array) -> pa.Array:
    """A code of ISO 639-2/B; one of 639-2/T or 639-1, a locale (`zh_CN`) or a name as that code."""

    def three_letters(text: str) -> str | None:
        text = text.strip().lower()
        if found := _meaning("language", text) or _meaning("language", re.split("[-_]", text)[0]):
            return found
        is_code = text.isascii() and text.isalpha() and len(text) % 3 == 0  # some fields have several in a row
        return text[:3] if is_code else None

    return each_distinct(values, three_letters)


_YEAR = r"(?:^|[^0-9])(?P<y>1\d{3}|20\d{2})(?:(?:0[1-9]|1[0-2])(?:[0-3]\d)?)?(?:$|[^0-9])"
_CORRECTED = r"(?:i\.\s?e\.,?\s*|即|^[\[(]?1[34]\d\d\s*\[)[c\[]?(?P<y>1[5-9]\d{2}|20\d{2})(?:$|[^0-9])"
# the year before the first of each era
_ERAS = {"民国": 1911, "minguo": 1911, "昭和": 1925, "平成": 1988, "大正": 1911, "明治": 1867, "令和": 2018}
_ERAS |= {"康熙": 1661, "雍正": 1722, "乾隆": 1735, "嘉庆": 1795, "道光": 1820, "咸丰": 1850, "同治": 1861}
_ERAS |= {"光绪": 1874, "宣统": 1908}
_ERA = re.compile(f"({'|'.join(_ERAS)})\\s*(元|\\d+|[一二三四五六七八九十廿卅〇零]+)")
_TRADITIONAL = str.maketrans("國慶緒統豐", "国庆绪统丰")


def _era_year(text: str | None) -> str | None:
    """The year that an era and its year mean: 民国三十六年 → 1947, 昭和50 → 1975."""
    found = _ERA.search((text or "").translate(_TRADITIONAL).lower())
    if not found:
        return None
    era, number = found.groups()
    count = 1 if number == "元" else int(number) if number.isdigit() else chinese_number(number)
    return str(_ERAS[era] + count) if count < 100 else None


def year(values: pa.Array) -> pa.Array:
    """The first year 1000–2099 in a text, full-width digits and YYYYMM too.

    A corrected year (1987 [i.e. 1978]) and the Christian year beside one of another calendar (1387 [2008]) come
    before that; the year of a Chinese or Japanese era (民国三十六年) where there is no other.
    """
    return or_else(*kernel.year(values), values, _year)


def _year(values: pa.Array) -> pa.Array:
    values = nfkc(values)
    found = pc.struct_field(pc.extract_regex(values, _YEAR), "y")
    doubtful = pc.match_substring_regex(values, r"i\.\s?e\.|即|1[34]\d\d\s*\[")
    if pc.any(doubtful).as_py():
        found = pc.coalesce(pc.struct_field(pc.extract_regex(values, _CORRECTED), "y"), found)
    missing = pc.and_(pc.is_null(found), pc.match_substring_regex(values, r"(?i)minguo|[^\x00-\x7f]"))
    if pc.any(missing).as_py():
        eras = pa.array([_era_year(text) for text in values.filter(missing).to_pylist()], pa.string())
        found = pc.replace_with_mask(found, pc.fill_null(missing, False), eras)
    return found


def in_brackets(values: pa.Array) -> pa.Array:
    """What stands in the first round brackets: the qualifier of an ISBN."""
    return kernel.part(kernel.IN_BRACKETS, values)[0]


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
    values = strip(values)
    return pc.if_else(pc.match_substring_regex(values, r"^(?i:https?|ftp)://\S+$"), values, None)


def format_carrier(values: pa.Array) -> pa.Array:
    """The carrier that a dc:format tells: a media type is electronic, an extent in pages is print."""
    media = pc.match_substring_regex(values, r"(?i)^\s*(application|audio|image|model|text|video)/\S+")
    extent = pc.match_substring_regex(values, r"(?i)\d\s*(p\b|pp\b|pages|页|頁|v\.|册|冊|leaves|cm\b)")
    return pc.if_else(media, "electronic", pc.if_else(extent, "print", None))


@cache
def _codes(name: str) -> tuple[dict[str, str], list[str]]:
    """A map of `codes.csv`, and its prefixes, the longest first."""
    with CODES.open(encoding="utf-8", newline="") as file:
        table = {row["code"]: row["value"] for row in csv.DictReader(file) if row["map"] == name}
    return table, sorted((key[:-1] for key in table if key.endswith("*")), key=len, reverse=True)


def _meaning(name: str, text: str) -> str | None:
    """A code through a map of `codes.csv`: the exact code first, else the longest `prefix*`."""
    table, prefixes = _codes(name)
    text = text.strip(" \t[]［］【】()（）.:/;,=").lower()
    if text in table:
        return table[text]
    return next((table[prefix + "*"] for prefix in prefixes if text.startswith(prefix)), None)


def _constant(value: str, values: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_valid(values), value, None)


def _role(name: str, values: pa.Array) -> pa.Array:
    """What somebody did, before who it was."""
    return pc.binary_join_element_wise(name, strip(values), " ")


# How a value is narrowed at its ends, after its function where it has one.
_TRIMS = {
    "strip": STRIP,
    "isbd": ISBD,
    "title": TITLE,
    "extent": EXTENT,
    "size": SIZE,
    "series": ISBD,
    "heading": ISBD,
    "name": ISBD,
    "after_title": ISBD,
    "parallel": TITLE,
    "first_statement": ISBD,
    "other_statements": ISBD,
    "ddc": STRIP,
}
_FUNCTIONS: dict[str, Clean] = {
    "code": code,
    "heading": heading,
    "series": series,
    "extent_of_format": extent_of_format,
    "not_address": not_address,
    "name": name,
    "unbracketed": unbracketed,
    "romanised_title": romanised_title,
    "price": price,
    "union_number": union_number,
    "standard_number": standard_number,
    "ddc": ddc,
    "clc": clc,
    "clc_of_084": clc_of_084,
    "other_statements": other_statements,
    "first_statement": first_statement,
    "parallel": parallel,
    "after_title": after_title,
    "romanised": romanised,
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
    "cn_serial": identifiers.cn_serial,
    "ubsn": identifiers.ubsn,
    "orcid": identifiers.orcid,
    "bad_orcid": identifiers.bad_orcid,
    "lccn_of_us": identifiers.lccn_of_us,
}


def steps(name: str) -> tuple[Clean | None, int | None]:
    """What is done under that name: a function of whole values, a trim, or the one and then the other.

    `map:NAME` looks up a code, `constant:TEXT` gives a text, `role:TEXT` the value behind a text; an empty name is
    for values as they are.

    Raises:
        KeyError: there is no such name.
    """
    kind, _, argument = name.partition(":")
    if kind == "map":
        return lambda values: each_distinct(values, partial(_meaning, argument)), None
    if kind == "constant":
        return lambda values: _constant(argument, values), None
    if kind == "role":
        return lambda values: _role(argument, values), None
    if kind and kind not in _FUNCTIONS and kind not in _TRIMS:
        raise KeyError(f"no cleaning function is called {name!r}")
    return _FUNCTIONS.get(kind), _TRIMS.get(kind)


def cleaner(name: str) -> Clean:
    """What is done under that name (`steps`), as one function."""
    make, trim = steps(name)

    def clean(values: pa.Array) -> pa.Array:
        values = make(values) if make else values
        return values if trim is None else trimmed(trim, values)

    return clean
