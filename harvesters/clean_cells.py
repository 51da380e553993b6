"""Cells of usage without what they may not hold: personal data, and what can't be a value of their column."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harvesters import personal
from harvesters.faults import PERSONAL
from schemas.usage_profiles import CLOCK, codes, folded

_SAMPLE = 2_000  # cells by which a column is known for a repetitive one
# What a date, a number or an amount is written with: digits, signs, units, the part of the day and the day of the
# week; a month's name, a currency.
_SIGNS = "|".join(
    (
        r"[0-9０-９./:,，．：／－TZ+\- \x{a0}\x{202f}　年月日度号號时時点點分秒元￥¥$€£]",
        r"[(（]?(?:星期|礼拜|禮拜)[一二三四五六日天][)）]?",
        r"(?i:[ap]\.?m\b\.?)",
        *(word for word in codes("day_part") if not word.isascii()),
    )
)
_CURRENCIES = (code for code in codes("currency") if code.isascii() and code.isalpha())
_WORDS = "|".join(("jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", *_CURRENCIES))
_VALUE = rf"^(?:{_SIGNS})*(?i:{_WORDS})?(?:{_SIGNS})*$"


def searched(table: pa.Table, conversions: dict[str, str]) -> tuple[dict[str, Any], Any]:
    """The columns with personal data taken out of their cells, and why a row is at fault."""
    columns: dict[str, Any] = {}
    fault: Any = table["fault"] if "fault" in table.column_names else pa.nulls(len(table), pa.string())
    for name in (name for name in table.column_names if name in conversions):
        columns[name], bad = _searched_cells(table[name], conversions[name])
        if bad is not None:
            said = pa.scalar(PERSONAL.of(name))
            fault = pc.if_else(bad, said, fault)
    return columns, fault


def _searched_cells(cells: Any, conversion: str) -> tuple[Any, Any]:
    """The cells without personal data, each what it may be by its conversion; which had any, or None."""
    kind = conversion.partition(":")[0]
    if kind in CLOCK and _are_times(cells):
        return cells, None
    if kind in ("code", "flag") or _is_repetitive(cells):  # each different value is looked at once
        coded = cells.combine_chunks().dictionary_encode() if isinstance(cells, pa.ChunkedArray) else cells
        coded = coded if pa.types.is_dictionary(coded.type) else coded.dictionary_encode()
        values, bad = _searched_values(coded.dictionary, conversion)
        # built anew from what is left: an unused value of the old dictionary would be written with it
        return values.take(coded.indices), None if bad is None else pc.fill_null(bad.take(coded.indices), False)
    return _searched_values(cells, conversion)


def _searched_values(values: Any, conversion: str) -> tuple[Any, Any]:
    bad = personal.found_in(values, numbers=conversion not in ("text", "member"))
    if bad is None or not pc.any(bad).as_py():
        return _formed(values, conversion), None
    # built anew: a null slot of the old array would keep its bytes, and an Arrow stream writes them
    masked = zip(values.to_pylist(), bad.to_pylist(), strict=True)
    clean = pa.array([None if personal_ else text for text, personal_ in masked], pa.string())
    return _formed(clean, conversion), bad


def _are_times(cells: Any) -> bool:
    """Whether all cells are times as ISO 8601 has them, in which nothing else can stand."""
    try:
        cells.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return True


def _is_repetitive(cells: Any) -> bool:
    """Whether few values come again and again, by the first cells."""
    start = cells.slice(0, _SAMPLE)
    return len(start) == _SAMPLE and pc.count_distinct(start).as_py() < _SAMPLE // 20


def _formed(cells: Any, conversion: str) -> Any:
    """The cells, where one that can't be such a value is only its form: a name may stand in a column of dates."""
    kind, _, named = conversion.partition(":")
    if kind in ("text", "id", "member", "doi", "isbn", "isxn", "standard_number", "year"):
        return cells
    if kind in ("code", "flag"):
        known = codes(named or "flag")
        values = cells.to_pylist()
        return pa.array([v if v is None or folded(v) in known else personal.shape(v) for v in values], pa.string())
    strange = pc.invert(pc.fill_null(pc.match_substring_regex(cells, _VALUE), True))
    if not pc.any(strange).as_py():
        return cells
    texts = [
        v if v is None or not odd else personal.shape(v)
        for v, odd in zip(cells.to_pylist(), strange.to_pylist(), strict=True)
    ]
    return pa.array(texts, pa.string())
