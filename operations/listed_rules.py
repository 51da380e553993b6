"""Prints the record rules, or all of one, for `calis rules`."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from quality.rules import Rule, RuleError, load


def _row(rule: Rule) -> dict[str, Any]:
    row = asdict(rule)
    row["valid_from"] = None if rule.valid_from == date.min else rule.valid_from.isoformat()
    row["valid_to"] = None if rule.valid_to == date.max else rule.valid_to.isoformat()
    return row


def list_all(as_json: bool) -> None:
    """One line a rule."""
    rules = load()
    if as_json:
        typer.echo(json.dumps([_row(rule) for rule in rules], ensure_ascii=False, indent=1))
        return
    table = Table("code", "severity", "formats", "kinds", "field", "title", box=None)
    for rule in rules:
        formats, kinds = " ".join(rule.formats) or "all", " ".join(rule.kinds)
        table.add_row(rule.code, rule.severity, formats, kinds, rule.tag, f"{rule.title_zh}  {rule.title_en}")
    console = Console()
    console.print(table)
    console.print(f"{len(rules)} rules; `calis rules --explain CODE` says all of one")


def named(code: str) -> Rule:
    """The rule of that code.

    Raises:
        RuleError: there is none.
    """
    for rule in load():
        if rule.code == code:
            return rule
    like = [rule.code for rule in load() if code in rule.code]
    hint = f"; did you mean {', '.join(like)}" if like else "; `calis rules` lists them"
    raise RuleError(f"there is no rule {code!r}{hint}")


def explain(code: str, as_json: bool) -> None:
    """All that is known of one rule.

    Raises:
        RuleError: there is no rule of that code.
    """
    row = _row(named(code))
    if as_json:
        typer.echo(json.dumps(row, ensure_ascii=False, indent=1))
        return
    for name, value in row.items():
        shown = " ".join(value) if isinstance(value, tuple) else value
        if shown not in (None, ""):
            typer.echo(f"{name:<11} {shown}")
