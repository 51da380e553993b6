"""Prints some findings of a rule, each with the fields at issue, for `calis rules --examples`.

They are spread over all findings, so that one run of alike records does not hide the others: what staff look at
before they trust a rule, tell members of it, or mend it.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import typer

from harvesters.compressed import contents
from operations.listed_rules import named
from quality.rules import Rule, RuleError, checking
from quality.site import records
from transforms.detect import Hints
from transforms.parse import staged_parts
from warehouse import build, lake

_FOUND = ["source_id", "batch_id", "record_no", "record_id", "tag", "value"]
_COMPARED = re.compile(r"\b(\d{3})(?=[$ /])")  # fields that a value names: `264$c 2000 / 008 1999`
Row = dict[str, Any]


class Found(NamedTuple):
    """Findings, how many there are in all, and the subfields of their records."""

    in_all: int
    findings: list[Row]
    fields: dict[records.Key, list[Row]]


def show(code: str, files: list[Path], most: int, whole: bool, as_json: bool) -> None:
    """Some findings of the rule in files, or in what is published.

    Args:
        code: of the rule.
        files: to read and check; none means the findings of the published file.
        most: findings that are shown.
        whole: whether all fields of the records are shown.
        as_json: as a list of findings with their fields.

    Raises:
        RuleError: there is no such rule, or it says nothing of files.
    """
    rule = named(code)
    if files and rule.table == "union":
        raise RuleError(f"rule {code} compares what is published: leave the files out")
    found = _in_files(rule, files, most) if files else _published(code, most)
    shown = [row | {"fields": list(_lines(row, found.fields.get(_key(row), []), whole))} for row in found.findings]
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))
        return
    typer.echo(f"{code}: {rule.title_en}  {rule.title_zh}; {len(shown)} of {found.in_all:,} findings")
    for number, row in enumerate(shown, 1):
        typer.echo(f"\n{number}. {row['source_id']} {row['record_id']}: {row['tag'] or ''} {row['value'] or ''}")
        for line in row["fields"] or ["(the record is no longer in the lake)"]:
            typer.echo(f"   {line}")


def _key(row: Row) -> records.Key:
    return row["source_id"], row["batch_id"], row["record_no"]


def spread(count: int, most: int) -> list[int]:
    """So many places of a list of that length, as far from each other as can be."""
    return [place * count // min(most, count) for place in range(min(most, count))]


def _published(code: str, most: int) -> Found:
    with build.open_published() as con:
        columns = ", ".join(_FOUND)
        sql = f"SELECT {columns} FROM quality.issue WHERE rule = ? ORDER BY ALL"
        rows = con.execute(sql, [code]).to_arrow_table()
    chosen = rows.take(pa.array(spread(len(rows), most), pa.int64())).to_pylist()
    there = records.read(map(_key, chosen))
    return Found(len(rows), chosen, {key: fields for key, (_, fields) in there.items()})


def _in_files(rule: Rule, files: list[Path], most: int) -> Found:
    """Files are taken as they are read: what compares records of a batch sees some thousand of them."""
    findings: list[Row] = []
    fields: dict[records.Key, list[Row]] = {}
    day = lake.new_batch_id()
    for path in files:
        for part in staged_parts(contents(path), Hints(), path.name, day):
            issues = (
                part.tables["issue"].to_pylist()
                if rule.table == "reader"
                else checking.check(part.tables, path.name, day, [rule]).to_pylist()
            )
            mine = [{name: row[name] for name in _FOUND} for row in issues if row["rule"] == rule.code]
            findings += mine
            fields |= _of_records(part.tables["field"], mine)
    chosen = [findings[place] for place in spread(len(findings), most)]
    return Found(len(findings), chosen, fields)


def _of_records(field: Any, findings: Iterable[Row]) -> dict[records.Key, list[Row]]:
    """The subfields of the records that have a finding."""
    keys = {row["record_no"]: _key(row) for row in findings}
    if not keys:
        return {}
    chosen = [number in keys for number in field["record_no"].to_pylist()]
    rows = field.filter(chosen).to_pylist()
    return {keys[number]: list(group) for number, group in groupby(rows, lambda row: row["record_no"])}


def _lines(finding: Row, rows: list[Row], whole: bool) -> Iterator[str]:
    """The fields as text, those at issue marked; a field that is missing is said to be."""
    at_issue = set((finding["tag"] or "").split(",")) | set(_COMPARED.findall(finding["value"] or "")) - {""}
    there = set()
    for _, group in groupby(rows, lambda row: row["field_no"]):
        field = list(group)
        tag = field[0]["tag"]
        there.add(tag)
        if whole or tag in at_issue:
            yield f"{'>' if tag in at_issue else ' '} {_text(field)}"
    for tag in sorted(at_issue - there - {""}):
        if rows and tag in (finding["tag"] or "").split(","):
            yield f"> {tag} (missing)"


def _text(field: list[Row]) -> str:
    first = field[0]
    if first["code"] is None:
        return f"{first['tag']} {first['value']}"
    indicators = f"{first['ind1'] or ' '}{first['ind2'] or ' '}".replace(" ", "#")
    return f"{first['tag']} {indicators} " + " ".join(f"${row['code']} {row['value']}" for row in field)
