"""Volume keys: what says which volume it is, in a number's own subfield, a title, a subtitle or a part title.

Volumes that differ are never joined, so a number without a word for a volume (`Apollo 13`) is none.  Titles are
NFKC and simplified here, all else lower case too; what tells whether a value is worth a look takes it as it is.
"""

import re
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.clean_kernel import has_han
from transforms.numerals import (
    CARDINAL_WORDS,
    CHINESE_NUMBER,
    CHINESE_NUMERALS,
    ORDINAL_WORDS,
    number,
    words_as_digits,
)

REMEMBERED = 20_000  # distinct volumes that are not worked out again
_TITLE_END = 40  # characters of a title that are looked at

_PART = "[册卷集部编篇辑函期回分]"
_NUMBER = rf"(?:\d+|{CHINESE_NUMBER})"
_NUMBERS = rf"{_NUMBER}(?:\s*[\-~–—、至]\s*第?\s*{_NUMBER})*+"  # 1-5, 一、二
_IDEOGRAPHS = "\u3400-\u9fff"
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_HALVES = r"[上中下](?:[、,/~\-]?[中下])*+"  # 上, 上下, 上、中、下
_GAP = r"[\s.,:;，。、·/\-–—]"
_OPEN, _CLOSE = r"[(（\[【〔〖]", r"[)）\]】〕〗]"
_ROMAN = r"(?:X?(?:IX|IV|VI{0,3}|I{1,3})|X{2,3})"  # X alone is more often something unknown
# 全三册: how many there are; not the end of 大全, 安全.
_COUNT = rf"(?<![大安完健齐])[全共]\s*{_NUMBER}\s*[册卷集部函辑编]"

# What is a volume without a break before it; 试卷一 is none.
_ATTACHED = (
    rf"第\s*{_NUMBERS}\s*(?:分?\s*[册卷集部编辑篇]|学期)|{_HALVES}\s*分?\s*[册卷集部编篇]|{_NUMBERS}\s*册|{_COUNT}"
    rf"|(?<![试问答考])卷\s*(?:{_NUMBERS}|[上中下])|[甲乙丙丁][编集辑篇]|(?<!自)[{_STEMS}]编|[前后][编集篇]"
    rf"|(?:选择性必修|必修|选修)\s*{_OPEN}?\s*第?\s*{_NUMBER}\s*册?"
)
# What is one only behind a break or in brackets; 四大发明之一 is one of the four, but 四大发明之二 a second part.
_THESE = "[一二三四五六七八九十]{1,3}"
_OF_THESE = f"[之其]{_THESE}"
# Or behind what has parts, as in 三部曲之一; no fraction, as in 三分之二.
_OF_SET = f"(?:(?<=部曲)|(?<=[册卷集编辑])){_OF_THESE}|(?<!分)之(?!一){_THESE}"
_ALONE = rf"{_HALVES}|卷[首末]"
# In other languages: a part of a title is one only in words, since `part 1` of a report is left out at will.
_VOLUME_WORDS, _PART_WORDS = "(?:volume|vol|band|bd|tome|tomo)", "(?:part|pt|teil)"
_WORDS = rf"(?:{_VOLUME_WORDS}|{_PART_WORDS})"
_COUNTED = rf"(?:\d+|[ivxl]+|{CARDINAL_WORDS})"
_ORDINAL = rf"(?:the\s+)?(?:{ORDINAL_WORDS})"
_LATIN = rf"\b{_WORDS}\b\.?\s*(?:{_ORDINAL}|{_COUNTED})\b"
_LATIN_OF_TITLE = (
    rf"(?i:\b{_VOLUME_WORDS}\b\.?\s*{_COUNTED}\b|\b{_WORDS}\b\.?\s*(?:{_ORDINAL}|(?:{CARDINAL_WORDS}))\b)"
)

# 第二册, 上册: read off the end of a title where a record has no volume number of its own.
_OPENED = rf"(?:{_OPEN}\s*)?"
_ONE_OF_TITLE = (
    rf"(?:{_GAP}*{_OPENED}(?:{_ATTACHED}|{_OF_SET})"
    rf"|(?:{_GAP}+{_OPENED}|{_OPEN}\s*)(?:{_ALONE}|{_OF_THESE}|{_LATIN_OF_TITLE})"
    rf"|{_GAP}*{_OPEN}\s*[一二三四五六七八九十]{{1,3}}(?=\s*{_CLOSE})"
    rf"|(?<=[{_IDEOGRAPHS}]){_GAP}*{_OPENED}{_ROMAN}(?![A-Z]))"
)
_TITLE_VOLUME = re.compile(rf"(?:{_ONE_OF_TITLE}(?:\s*{_CLOSE})?)+\W*$")
# May be one, as it is written: worth a look.  No classes such as `\p{L}`, whose patterns take long to compile.
_REST = f"[^0-9A-Za-z{_IDEOGRAPHS}]*"
_NUMERAL = rf"[^A-Za-z{_IDEOGRAPHS}]*[{CHINESE_NUMERALS}兩貳參陸]*"
_VOLUME_END = (
    rf"(?:[册冊卷集部编編辑輯篇上中下期]|[卷修之其第(（\[［【〔〖]{_NUMERAL}|卷[首末]"
    rf"|[{_IDEOGRAPHS}]{_REST}[IVXＩＶＸ]+){_REST}$"
)
_LATIN_END = rf"(?is)\b{_WORDS}\b.{{1,24}}$"

# A sequel is another book, and keeps its title: 手续 and 连续 are none.
_SEQUEL = re.compile(rf"(续[编集篇]|补[编集]|(?<={_GAP})续)\W*$")
_MAY_BE_SEQUEL = rf"(?:[续續][编編集篇]|[补補][编編集]|[^{_IDEOGRAPHS}][续續]){_REST}$"

# second series, part third, book I-II: at the beginning of a subtitle, where there is no volume number; not `first
# book of botany`.
_DESIGNATION = r"(?:part|pt|book|bk|volume|vol|series|section|band|bd|teil|tome|tomo|livre|libro|parte|partie)"
_SUBTITLE_VOLUME = re.compile(
    rf"^\W*(?:{_DESIGNATION}\b\.?\s*(?:{_ORDINAL}|{_COUNTED}(?:\s*[-–]\s*{_COUNTED})?)"
    rf"|(?:{ORDINAL_WORDS}|\d+(?:st|nd|rd|th|d))\s+{_DESIGNATION})(?=\s*(?:$|[.,:;()\[\]/]))"
)
_MAY_BE_SUBTITLE = rf"(?i)^\W*(\w+\.?\s+)?{_DESIGNATION}\b"
# 上册, 第一集: the whole of a subtitle, its beginning or its end; the number of a series is none of the book.
_SEVERAL = rf"(?:{_ATTACHED})(?:{_GAP}*{_OPENED}(?:{_ATTACHED}|{_ALONE})(?:\s*{_CLOSE})?)*+"
_BEGINNING = re.compile(rf"^\W*({_SEVERAL})(?={_GAP}|{_OPEN}|{_CLOSE}|$)")
_END = re.compile(rf"(?<!丛书)(?<!系列)(?<!文库)(?:{_GAP}|{_OPEN})({_SEVERAL}|{_HALVES}(?=\s*{_CLOSE}))\W*$")
_MAY_BEGIN = rf"^{_REST}(?:[第卷上中下前后後全共必选選{_STEMS}]|{_NUMERAL}[册冊])"
_WHOLE = re.compile(
    rf"^\W*(?:{_SEVERAL}|{_OF_THESE}|{_ALONE}|[一二三四五六七八九十]{{1,3}}|{_LATIN})\W*$", re.IGNORECASE
)
_MAY_BE_WHOLE = rf"^{_NUMERAL}{_REST}$"

_TOKEN = re.compile(
    rf"\d+|(?<![^\W\d_])[ivxlcdm]+(?![^\W\d_])|第?\s*({CHINESE_NUMBER})(?={_PART}|年|学期|$|\W|[上中下])"
    rf"|(?<=[册卷集部编])({CHINESE_NUMBER})|[上中](?=中?下(?:{_PART}|$|\W))|[上中下](?={_PART}|$|\W|之)"
    rf"|(?<![^\W\d_册卷集部编篇辑])[{_STEMS}前后](?={_PART}|$|\W)|选择性必修|选修"
    r"|(?<![^\W\d_])[a-z](?![^\W\d_.])|-"
)
_RANGE = re.compile(
    rf"(?<=[\divx{CHINESE_NUMERALS}])[册卷集部辑]?\s*[-–—~至]\s*第?\s*(?=[\divx{CHINESE_NUMERALS}])"
)
_COUNTS = re.compile(rf"{_COUNT}|(?<=下)\s*[两二三23]\s*(?=册)")
# v. 1, Bd. 2; p. 1 and d. 1 (del) where nothing stands before them.
_ABBREVIATED = re.compile(
    r"\b(?:v|vol|t|bd|pt|no|n)\s*\.\s*(?=[\divxlc])|\b(?:v|vol)(?=\d)|^\W*[bdp]\s*\.\s*(?=[\divx])"
)


@lru_cache(REMEMBERED)
def volume(text: str) -> str | None:
    """The key of a lower-case, simplified volume number: 第一册 → 1, v. 2, pt. 1 → 2.1; 全二册 is none."""
    text = words_as_digits(_COUNTS.sub(" ", text))
    text = _ABBREVIATED.sub(" ", _RANGE.sub("-", text))
    tokens = [number(found.group().strip()) for found in _TOKEN.finditer(text)]
    key = ".".join(tokens).replace(".-.", "-").strip("-.").replace("上-下", "上.下")
    return key or re.sub(r"\W+", "", text) or None


def without_volume(title: str) -> tuple[str, str | None]:
    """A title without the volume at its end, and the volume's key; all of it where nothing would be left."""
    found = _TITLE_VOLUME.search(title, max(0, len(title) - _TITLE_END))
    if found and found.start() > 1:
        return title[: found.start()], volume(found.group().lower())
    return title, None


def sequel(title: str) -> str | None:
    """续编, 补编 and the like at the end of a title."""
    found = _SEQUEL.search(title)
    return found.group(1) if found and found.start() > 1 else None


def of_subtitle(text: str) -> str | None:
    """The volume key that the beginning or the end of a subtitle gives, or all of it."""
    if found := _SUBTITLE_VOLUME.search(text) or _WHOLE.search(text):
        return volume(found.group())
    found = _BEGINNING.search(text) or _END.search(text)
    return volume(found.group(1)) if found else None


def of_part(text: str) -> str | None:
    """The volume key of a part title or subtitle that is nothing but a volume; empty for 全二册."""
    return volume(text) or "" if _WHOLE.search(text) else None


def _matching(values: pa.Array, *patterns: str) -> NDArray[np.bool_]:
    """Which values match one of the patterns; a null does not."""
    found = np.zeros(len(values), bool)
    for pattern in patterns:
        found |= pc.fill_null(pc.match_substring_regex(values, pattern), False).to_numpy(zero_copy_only=False)
    return found


def _looked_at(values: pa.Array, latin: str, *chinese: str) -> NDArray[np.bool_]:
    """Which values match a pattern, or are in Chinese characters and match another."""
    found = _matching(values, latin)
    if (han := has_han(values)).any():
        some = np.flatnonzero(han)
        found[some] |= _matching(values.take(some), *chinese)
    return found


def may_end_title(values: pa.Array) -> NDArray[np.bool_]:
    """Which titles are worth a look for a volume."""
    return _looked_at(values, _LATIN_END, _VOLUME_END)


def may_be_sequel(values: pa.Array) -> NDArray[np.bool_]:
    """Which titles are worth a look for a sequel."""
    return _matching(values, _MAY_BE_SEQUEL)


def may_be_in_subtitle(values: pa.Array) -> NDArray[np.bool_]:
    """Which subtitles are worth a look for a volume."""
    return _looked_at(values, _MAY_BE_SUBTITLE, _VOLUME_END, _MAY_BEGIN, _MAY_BE_WHOLE)


def may_be_part(values: pa.Array) -> NDArray[np.bool_]:
    """Which part titles or subtitles may be nothing but a volume."""
    return _looked_at(values, _LATIN_END, _VOLUME_END, _MAY_BE_WHOLE)
