"""What is personal in usage files, by header and by content, and how to speak of a value without showing it."""

import re
from pathlib import PurePath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.usage_profiles import codes, folded

# RE2, as Arrow has it.  What is no identity number by its date, and no number by its neighbours, passes.
EMAIL = r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+\.[A-Za-z]{2,}"
IDENTITY = (
    r"(^|[^0-9])[1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]([^0-9A-Za-z]|$)"
)
MOBILE = (
    r"(^|[^0-9A-Za-z.])(\+?86[ \-]?)?1[3-9][0-9]([0-9]{8}| [0-9]{4} [0-9]{4}|-[0-9]{4}-[0-9]{4})([^0-9A-Za-z]|$)"
)
_SHORTEST_IDENTITY, _SHORTEST_MOBILE = 18, 11  # an address needs its @
IN_NUMBERS = f"({EMAIL})|({IDENTITY})"  # of a barcode: eleven digits may be one
IN_TEXT = f"{IN_NUMBERS}|({MOBILE})"
_DATE = re.compile(r"\d{1,2}|(19|20)\d\d((0[1-9]|1[0-2])([0-2]\d|3[01])?)?|51")
_TOKEN = re.compile(r"[A-Za-z]+|\d+|[^\W\d_]+")
_KNOWN = frozenset(
    """loans loan circ circulation items item snapshot population readers ill borrowing lending articles article
    request requests ppv orders order ebook ebooks counter kbart rental tenants costs cost usage report
    reports sample print holdings titles title list delta full new all export part year month day week deletions
    csv tsv txt xlsx xls ods parquet json xml zip gz zst pr dr tr ir prp drd trb trj ira irm p d b j a m r sushi
    借阅 流通 流通数据 流通日志 借还 馆藏 单册 快照 人数 读者 互借 馆际互借 文献传递 订单 单篇 电子书 租用 费用
    统计 使用 年 月 日 数据""".split()
)


def sort_of(header: str) -> str:
    """Which personal data a column holds by its header, as `telephone`; empty for none that is known."""
    name = folded(header)
    known = codes("personal")
    if name in known:
        return known[name]
    longer = (kind for code, kind in known.items() if len(code) > 3 - (not code.isascii()) and code in name)
    return next(longer, "")


def found_in(column: pa.Array | pa.ChunkedArray, numbers: bool) -> Any:
    """For each value whether it holds a telephone number, an identity number or an e-mail address.

    None where no value does.  `numbers`: of identifiers, where eleven digits are no telephone number.
    """
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    shortest = _SHORTEST_IDENTITY if numbers else _SHORTEST_MOBILE
    if longest < shortest and not pc.any(pc.match_substring(column, "@")).as_py():
        return None
    return pc.fill_null(pc.match_substring_regex(column, IN_NUMBERS if numbers else IN_TEXT), False)


def shape(value: str) -> str:
    """A value as an error may show it: 9 for a digit, A for a letter, 文 for a character of another script."""
    text = "".join(
        "9" if c.isdigit() else ("A" if c.isascii() else "文") if c.isalpha() else c if c.isascii() else "·"
        for c in value[:41]
    )
    return text if len(value) <= 40 else text[:40] + "…"


def words(text: str) -> list[str]:
    """The words and numbers of a name, in lower case."""
    return _TOKEN.findall(text.casefold())


def safe_name(name: str, digest: str, also: frozenset[str] = frozenset()) -> str:
    """The name of a file as the lake may keep it: whole where each word of it is known, else its digest.

    Words of usage files, dates, and those in `also` are known; anything else might be somebody's name.
    """
    path = PurePath(name)
    found = words(name)
    if found and all(word in _KNOWN or word in also or _DATE.fullmatch(word) for word in found):
        return name
    suffix = "".join(s for s in path.suffixes[-2:] if s[1:].casefold() in _KNOWN).lower()
    return f"file-{digest[:12]}{suffix}"
