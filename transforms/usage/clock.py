"""Times by a clock of twelve hours (下午 2:05, 2:05 PM) and signs of full width, as `convert.sql` reads times.

Spreadsheets in Chinese write 上午 and 下午; some formats have 凌晨, 中午 and 晚上 too (CLDR, dayPeriods of zh and
zh-Hant).  Two clocks are in use: 1 to 12, where 上午12:05 is five past midnight and 下午12:05 five past noon, and
0 to 11.  Some programs write the word beside an hour of 24 (`tt HH:mm`): 下午13:05 can be one moment only, which
both the word and the hour name, so it is read.  Not so 上午13:05, which is none, nor 晚上12:05, of either day.
"""

import re
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc

from schemas.usage_profiles import codes

_MORNING = {12: 0} | {hour: hour for hour in range(12)}
_AFTERNOON = {12: 12} | {hour: hour + 12 for hour in range(12)} | {hour: hour for hour in range(13, 24)}
_BEFORE_DAWN = {12: 0} | {hour: hour for hour in range(7)}
_NOON = {11: 11, 12: 12, 1: 13, 2: 14, 13: 13, 14: 14}
_EVENING = {hour: hour + 12 for hour in range(5, 12)} | {hour: hour for hour in range(17, 24)}
_HOURS = {  # part of the day, as usage_codes.csv has it: the hour of 24 by the hour that stands beside it
    "am": _MORNING,
    "pm": _AFTERNOON,
    "early": {hour: hour for hour in range(1, 12)},
    "before dawn": _BEFORE_DAWN,
    "noon": _NOON,
    "evening": _EVENING,
}
_PARTS = codes("day_part")
_MARK = rf"({'|'.join(word for word in _PARTS if not word.isascii())}|(?<![a-z])[ap]\.?m\b\.?)"
_TIME = r"(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.\d+)?)?|[时時点點](?:(\d{1,2})分?(?:(\d{1,2})秒)?)?)"
_STATED = (  # the word before the time, or behind it
    re.compile(rf"(?i){_MARK} ?{_TIME}(?![\d:])"),
    re.compile(rf"(?i)(?<![\d:.]){_TIME} ?{_MARK}"),
)
_ANY_MARK = re.compile(f"(?i){_MARK}")
_WEEKDAY = re.compile(r" ?\(?(?:星期|礼拜|禮拜)[一二三四五六日天]\)? ?")
# What is not as `convert.sql` reads it.
_ODD = r"(?i)[午晨早晚夜星拜０-９：／－．　\x{a0}\x{202f}]|[0-9 ][ap]\.?m"


def by_24_hours(cells: pa.Array) -> tuple[pa.Array, pa.Array | None]:
    """Cells with times as those of a clock of 24 hours, dates first; other cells as they are.

    Returns:
        The cells; and for each whether its hour and its part of the day name no moment, or two (then it is null),
        or None where no cell had anything of the kind.
    """
    odd = pc.fill_null(pc.match_substring_regex(cells, _ODD), False)
    if not pc.any(odd).as_py():
        return cells, None
    coded = pc.if_else(odd, cells, pa.scalar(None, pa.string())).dictionary_encode()
    read = pa.array([_read(text) for text in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)
    return pc.if_else(odd, read, cells), pc.and_(odd, pc.is_null(read))


def _read(text: str) -> str | None:
    plain = " ".join(_WEEKDAY.sub(" ", unicodedata.normalize("NFKC", text)).split())
    found = next(filter(None, (stated.search(plain) for stated in _STATED)), None)
    if not found:
        return plain
    mark = next(name for name in found.groups() if name and not name.isdigit())
    hour, *rest = (part for part in found.groups() if part and part.isdigit())
    day = f"{plain[: found.start()]} {plain[found.end() :]}".strip()
    if ":" in day or _ANY_MARK.search(day):
        return plain
    true = _HOURS[_PARTS[mark.casefold().replace(".", "")]].get(int(hour))
    return None if true is None else f"{day} {':'.join(part.zfill(2) for part in (str(true), *rest, '00')[:3])}"
