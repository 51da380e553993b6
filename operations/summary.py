"""What the command prints for people: outcomes, a run, an inspection, a query's answer."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from warehouse import engine, lake
from warehouse.outcome import EVERY_SOURCE, Outcome

COUNTS = ("received", "staged", "rejected", "deleted", "unchanged")
STAGES = ("harvest", "stage", "catalog", "publish", "report", "feedback")


def new_console() -> Console:
    """Standard output, text as it is; as wide as its lines need where it is no terminal."""
    width = None if Console().is_terminal else 200
    # a title may hold [brackets] and :colons: that rich would take for its own
    return Console(width=width, markup=False, highlight=False, emoji=False)


def new_table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    """A table in our style; the columns of `right` hold numbers."""
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(
            column, justify="right" if column in right else "left", no_wrap=column in right, overflow="fold"
        )
    return table


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """One line an outcome, columns of zeros left out, and below the reasons of those that have one."""
    counts = [name for name in COUNTS if any(getattr(outcome, name) for outcome in outcomes)]
    title = ", ".join(dict.fromkeys(outcome.stage for outcome in outcomes))
    table = new_table(title, "source", "verdict", *counts, "seconds", right=(*counts, "seconds"))
    for outcome in outcomes:
        seconds = (outcome.ended_at - outcome.started_at).total_seconds()
        numbers = (f"{getattr(outcome, name):,}" for name in counts)
        table.add_row(outcome.source_id, outcome.verdict, *numbers, f"{seconds:.1f}")
    console = new_console()
    console.print(table)
    for outcome in outcomes:
        if outcome.reason:
            source = outcome.source_id
            named = source == EVERY_SOURCE or outcome.reason.startswith(
                (f"{source},", f"{source}:", f"source {source}:")
            )
            console.print(outcome.reason if named else f"{source}: {outcome.reason}", soft_wrap=True)


def print_run(begun: datetime) -> None:
    """What the stages did since `begun`, and what is published now."""
    console = new_console()
    con = engine.open_lake()
    rows = con.execute(
        """SELECT stage, count(*), sum(received), sum(staged), sum(rejected), sum(deleted), sum(unchanged),
                  epoch(max(ended_at)) - epoch(min(started_at))
           FROM quality.outcome
           WHERE started_at >= ? AND (source_id <> '*' OR stage IN ('publish', 'report', 'feedback'))
           GROUP BY stage""",
        [begun],
    ).fetchall()
    table = new_table("This run", "stage", "outcomes", *COUNTS, "seconds", right=("outcomes", *COUNTS, "seconds"))
    for row in sorted(rows, key=lambda row: STAGES.index(row[0])):
        table.add_row(row[0], *(f"{int(value):,}" for value in row[1:-1]), f"{row[-1]:.1f}")
    console.print(table)
    con.close()
    database = lake.published_database()
    if not database.exists():
        console.print("Nothing is published yet.")
        return
    con = engine.connect(database, read_only=True)
    bibs, records, holdings, items = con.execute(
        """SELECT (SELECT count(*) FROM catalog.bib), (SELECT count(*) FROM catalog.bib_record),
                  (SELECT count(*) FROM catalog.holding), (SELECT count(*) FROM catalog.item)"""
    ).fetchone() or (0, 0, 0, 0)
    held = con.execute(
        """SELECT CASE WHEN members >= 6 THEN '6+' ELSE members::VARCHAR END AS held, count(*) AS bibs
           FROM catalog.bib GROUP BY held ORDER BY held"""
    ).fetchall()
    gates = con.execute(
        """SELECT count(*), count(*) FILTER (success) FROM quality.gate
           WHERE build_id = (SELECT max(build_id) FROM quality.gate)"""
    ).fetchone() or (0, 0)
    con.close()
    console.print(
        f"\nUnion catalogue: {bibs:,} bibs from {records:,} member records, {holdings:,} holdings, {items:,} items"
    )
    console.print("Held by so many members: " + ", ".join(f"{name}: {count:,}" for name, count in held))
    console.print(f"Gates: {gates[1]} of {gates[0]} expectations held")
    console.print(f"DuckDB file: {database}", soft_wrap=True)
    console.print(f"Pages: {lake.site() / 'index.html'}", soft_wrap=True)


def print_inspection(found: dict[str, Any]) -> None:
    """What `calis inspect` found, for a terminal."""
    console = new_console()
    examples = found["examples"]
    print_mapping(found["file"], {k: v for k, v in found.items() if k not in ("examples", "issues", "file")})
    if not found["issues"]:
        console.print("No findings.")
        return
    table = new_table(
        "Findings", "rule", "count", "record", "severity", "field", "value or reason", right=("count",)
    )
    for rule, count in found["issues"].items():
        for number, row in enumerate(examples.get(rule, [{}])):
            what = row.get("reason") or row.get("value") or ""
            name = row.get("record_id") or f"no. {row.get('record_no')}"
            first = (rule, f"{count:,}") if number == 0 else ("", "")
            table.add_row(*first, name, row.get("severity", ""), row.get("tag") or "", what[:100])
    console.print(table)


def print_mapping(title: str, found: dict[str, Any]) -> None:
    """Names and values, a line each."""
    table = new_table(title, "", "")
    for name, value in found.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {count:,}" for key, count in value.items())
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    new_console().print(table)


def print_table(answer: Any, as_json: bool) -> None:
    """A query's answer (an Arrow table) as a table, or as JSON rows."""
    rows = answer.to_pylist()
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, default=str))
        return
    numeric = [
        field.name for field in answer.schema if str(field.type).startswith(("int", "uint", "double", "dec"))
    ]
    table = new_table("", *answer.column_names, right=numeric)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    new_console().print(table)


def print_health(answer: Any, everything: bool, as_json: bool) -> None:
    """The mart `source_health` (an Arrow table): those that are not good, or all."""
    rows = [row for row in answer.to_pylist() if everything or row["state"] not in ("good", "resting")]
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, default=str))
        return
    console = new_console()
    if rows:
        table = new_table("Sources 数据源", "source", "state", "verdict", "last good", "failing since", "times")
        for row in rows:
            times = (f"{row[n]:%Y-%m-%d %H:%M}" if row[n] else "–" for n in ("last_good_at", "failing_since"))
            table.add_row(row["source_id"], row["state"], row["verdict"] or "–", *times, str(row["failures"]))
        console.print(table)
    for row in rows:
        if row["advice_en"]:
            console.print(f"{row['source_id']}: {row['advice_zh']}\n  {row['advice_en']}", soft_wrap=True)
            console.print(f"  {row['reason']}", soft_wrap=True)
    console.print(f"{len(rows):,} of {answer.num_rows:,} sources need a look 需关注" if not everything else "")


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Rows of the same columns as a table."""
    numeric = [name for name, value in rows[0].items() if isinstance(value, int) and not isinstance(value, bool)]
    table = new_table("", *rows[0], right=numeric)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    new_console().print(table)


def print_bib(found: dict[str, Any]) -> None:
    """What `warehouse.one_bib` found, as tables."""
    status = {"living": "现行 living", "merged": "已并入 merged into", "retired": "已停用 retired"}[
        found["status"]
    ]
    build = f" ({found['since']})" if found["since"] else ""
    into = f" {found['bib_id']}" if found["status"] == "merged" else ""
    console = new_console()
    console.print(f"{found['asked']}: {status}{into}{build}", markup=False)
    parts = {
        "values": "书目数据及来源 values and where they come from",
        "records": "成员记录 records",
        "members": "收藏馆 members",
        "links": "其他载体 linked bibs",
        "history": "沿革 history",
    }
    for name, title in parts.items():
        if rows := found[name]:
            table = new_table(title, *rows[0])
            for row in rows:
                table.add_row(*("" if value is None else escape(str(value)) for value in row.values()))
            console.print(table)
