"""COUNTER reports, release 5 and 5.1, as JSON, TSV or Excel: one text row for each count of a metric in a month.

COUNTER Code of Practice 5.1, sections 3.2 (formats) and 4 (reports).  The forms of one report give equal rows.
Counts of zero say nothing (JSON has no room for them) and are left out; of headers is kept who made the report,
for which institution, and whether it says that it is only a part, nothing else.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from harvesters import tabular
from harvesters.compressed import UnreadableError
from harvesters.sheet import HEAD, Sheet

_TEXT = """report_id release institution_id provider platform title item publisher proprietary_id doi isbn
    print_issn online_issn uri parent_ids data_type section_type yop access_type access_method
    metric_type""".split()
CONVERSIONS = dict.fromkeys(_TEXT, "text") | {"doi": "doi", "month": "month", "count": "count"}
CONVERSIONS |= dict.fromkeys(("isbn", "print_issn", "online_issn"), "standard_number") | {"partial": "flag"}
_REPORT = re.compile(r"(PR|DR|TR|IR)(_[A-Z]\d)?")
_NO_USAGE = (3030,)  # exception: there is none for the dates asked
PARTIAL = 3040  # exception: not all of what was asked for was ready
_IDS = {
    "doi": "DOI", "proprietary_id": "Proprietary", "isbn": "ISBN", "print_issn": "Print_ISSN",
    "online_issn": "Online_ISSN", "uri": "URI",
}  # fmt: skip
_ATTRIBUTES = {
    "data_type": "Data_Type", "section_type": "Section_Type", "yop": "YOP", "access_type": "Access_Type",
    "access_method": "Access_Method",
}  # fmt: skip
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_MONTH = re.compile(r"([A-Za-z]{3})[a-z]*[- ](\d{4})")
Row = dict[str, Any]


def read(content: bytes, what: str) -> Iterator[pa.Table]:
    """The rows of a report, from any of its forms; one table for each sheet.

    Raises:
        UnreadableError: it is no report of release 5 or 5.1, or the provider refused it.
    """
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        try:
            report = json.loads(content.decode("utf-8-sig"))
        except ValueError:
            raise UnreadableError(f"{what}: no whole JSON; fetch the report again") from None
        reports = report if isinstance(report, list) else [report]
        yield from [_table(list(_json_rows(one, what))) for one in reports]
        return
    found = [
        list(_sheet_rows(sheet, what)) for sheet in tabular.sheets(content, what, _is_first) if _is_report(sheet)
    ]
    if not found:
        raise UnreadableError(
            f"{what}: no COUNTER report (no Report_ID stands in its first rows); send the report itself"
        )
    yield from [_table(rows) for rows in found]


def _table(rows: list[Row]) -> pa.Table:
    columns = {name: pa.array([row.get(name) or None for row in rows], pa.string()) for name in CONVERSIONS}
    columns["fault"] = pa.array([row.get("fault") for row in rows], pa.string())
    return pa.table({"row": pa.array([row["row"] for row in rows], pa.int32()), **columns})


def _checked(header: Row, what: str) -> Row:
    if not _REPORT.fullmatch(header["report_id"]):
        raise UnreadableError(
            f"{what}: no report of COUNTER release 5 by its Report_ID; standard views are PR … IR_M1"
        )
    if not (release := re.fullmatch(r"(5(?:\.1)?)(\.0)?(\.\d+)?", header["release"])):
        raise UnreadableError(f"{what}: not of COUNTER release 5 or 5.1; ask the provider for one of them")
    return header | {"release": release[1]}


# --- JSON ------------------------------------------------------------------------------------------------


def _json_rows(report: Any, what: str) -> Iterator[Row]:
    head = report.get("Report_Header") if isinstance(report, dict) else None
    refused = (head or report).get("Exceptions") if isinstance(report, dict) else None
    if isinstance(report, dict) and "Code" in report:
        refused = [report]
    codes = [int(one.get("Code") or 0) for one in refused or [] if isinstance(one, dict)]
    items = (report.get("Report_Items") if isinstance(report, dict) else None) or []
    if codes and not items and not set(codes) <= set(_NO_USAGE):
        raise UnreadableError(f"{what}: the provider answered with COUNTER exception {', '.join(map(str, codes))}")
    if not isinstance(head, dict):
        raise UnreadableError(f"{what}: no COUNTER report (it has no Report_Header); send the report itself")
    common = _checked(
        {
            "report_id": str(head.get("Report_ID") or "").strip().upper(),
            "release": str(head.get("Release") or "").strip(),
            "institution_id": _json_ids(head.get("Institution_ID")),
            "provider": head.get("Created_By"),
            "partial": "yes" if PARTIAL in codes else None,
        },
        what,
    )
    for number, item in enumerate(items, 1):
        yield from _json_item(item, {"row": number, **common}, what)


def _json_item(item: Any, common: Row, what: str) -> Iterator[Row]:
    if not isinstance(item, dict):
        raise UnreadableError(f"{what}: item {common['row']} is no object; fetch the report again")
    if "Items" in item:  # item report of 5.1: items below their parent
        parent = {"title": item.get("Title"), "parent_ids": _joined(_json_identifiers(item.get("Item_ID")))}
        for one in item["Items"]:
            yield from _json_item(one, common | parent, what)
        return
    ids = _json_identifiers(item.get("Item_ID"))
    row: Row = common | {name: ids.get(kind) for name, kind in _IDS.items()}
    row |= {"platform": item.get("Platform"), "publisher": item.get("Publisher"), "item": item.get("Item")}
    row["title"] = item.get("Title") or item.get("Database") or common.get("title")
    if isinstance(above := item.get("Item_Parent"), dict):  # item report of 5
        row |= {"title": above.get("Item_Name"), "parent_ids": _joined(_json_identifiers(above.get("Item_ID")))}
    for used in item.get("Attribute_Performance") or ():
        of_use = row | _attributes(used, item)
        for metric, months in (used.get("Performance") or {}).items():
            yield from _counts(of_use, metric, months.items())
    for used in item.get("Performance") or ():  # release 5
        month = str((used.get("Period") or {}).get("Begin_Date") or "")[:7]
        for one in used.get("Instance") or ():
            yield from _counts(row | _attributes(item, item), one.get("Metric_Type"), [(month, one.get("Count"))])


def _attributes(used: Row, item: Row) -> Row:
    return {name: str(used.get(key) or item.get(key) or "") for name, key in _ATTRIBUTES.items()}


def _counts(row: Row, metric: Any, months: Any) -> Iterator[Row]:
    for month, count in months:
        if count not in (0, None, "0", ""):
            yield row | {"metric_type": metric, "month": str(month), "count": str(count)}


def _json_identifiers(given: Any) -> dict[str, str]:
    """Identifiers by type: release 5 has a list of them, 5.1 an object."""
    if isinstance(given, dict):
        return {str(kind).removesuffix("_ID"): str(value) for kind, value in given.items() if value}
    pairs = [one for one in given or () if isinstance(one, dict)]
    return {str(one.get("Type")).removesuffix("_ID"): str(one["Value"]) for one in pairs if one.get("Value")}


def _json_ids(given: Any) -> str | None:
    if isinstance(given, dict):
        return ";".join(
            sorted(
                f"{kind}:{one}"
                for kind, values in given.items()
                for one in (values if isinstance(values, list) else [values])
            )
        )
    return ";".join(sorted(f"{kind}:{value}" for kind, value in _json_identifiers(given).items())) or None


def _joined(ids: dict[str, str]) -> str:
    return "|".join(sorted(f"{kind}:{value}" for kind, value in ids.items()))


# --- TSV and Excel ---------------------------------------------------------------------------------------


def _is_first(row: list[str]) -> bool:
    return len(row) > 1 and row[0].replace(" ", "_").casefold() in ("report_name", "report_id")


def _is_report(sheet: Sheet) -> bool:
    return any(_is_first(row) for row in sheet.head[:4])


def _sheet_rows(sheet: Sheet, what: str) -> Iterator[Row]:
    told = {_name(row[0]): row[1] for row in sheet.head[:20] if len(row) > 1 and row[1]}
    at = next((n for n, row in enumerate(sheet.head, 1) if "Metric_Type" in map(_name, row)), 0)
    codes = [int(code) for code in re.findall(r"\b\d{4}\b", told.get("Exceptions", ""))]
    if codes and not at:
        raise UnreadableError(f"{what}: the provider answered with COUNTER exception {', '.join(map(str, codes))}")
    if not at:
        raise UnreadableError(f"{what}: no row of the first {HEAD} names the column Metric_Type")
    ids = sorted(
        re.sub(r"^\s*(\w+)\s*[:=]\s*", lambda m: f"{m[1].upper()}:", one)
        for one in re.split(r"[;|]", told.get("Institution_ID", ""))
    )
    common = _checked(
        {
            "report_id": told.get("Report_ID", "").upper(),
            "release": told.get("Release", ""),
            "institution_id": ";".join(one.strip() for one in ids if one.strip()),
            "provider": told.get("Created_By"),
            "partial": "yes" if PARTIAL in codes else None,
        },
        what,
    )
    names = [_name(cell) for cell in sheet.head[at - 1]]
    months = {x: month for x, cell in enumerate(sheet.head[at - 1]) if (month := _month_of(cell))}
    for table in sheet.counted_rows(at, len(names)):
        for cells in table.to_pylist():
            yield from _sheet_row(
                common | {"row": cells["row"]},
                {n: cells[f"c{x}"] for x, n in enumerate(names)},
                {month: cells[f"c{x}"] for x, month in months.items()},
            )
    yield from ({"row": number, "fault": why} for number, why in sheet.faults.items())


def _sheet_row(common: Row, cells: Row, counts: dict[str, str]) -> Iterator[Row]:
    row = common | {name: cells.get(f"{kind}_ID") or cells.get(kind) for name, kind in _IDS.items()}
    row |= {"platform": cells.get("Platform"), "publisher": cells.get("Publisher"), "item": cells.get("Item")}
    row["title"] = cells.get("Title") or cells.get("Database") or cells.get("Parent_Title")
    row["parent_ids"] = _joined(
        {k: v for k in _IDS.values() if (v := cells.get(f"Parent_{k}") or cells.get(f"Parent_{k}_ID"))}
    )
    row |= {name: cells.get(key) for name, key in _ATTRIBUTES.items()}
    yield from _counts(row, cells.get("Metric_Type"), counts.items())


def _name(cell: str) -> str:
    return re.sub(r"[\s_]+", "_", cell.strip("﻿ "))


def _month_of(cell: str) -> str | None:
    """`2022-01` of `Jan-2022`, or of a date of Excel; None for what is no month."""
    if (found := _MONTH.fullmatch(cell.strip())) and found[1].title() in _MONTHS:
        return f"{found[2]}-{_MONTHS.index(found[1].title()) + 1:02}"
    if found := re.fullmatch(r"(\d{4}-\d\d)(-\d\d.*)?", cell.strip()):
        return found[1]
    return None
