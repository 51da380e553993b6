"""COOKBOOK.md: its questions, and their answers in the form in which they stand there.

`python -m warehouse.cookbook` writes the answers anew, from the published file of `$CALIS_HOME`; tests hold them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb

COOKBOOK = Path(__file__).resolve().parent.parent / "COOKBOOK.md"
SHOWN = 3  # rows of an answer
_BLOCK = re.compile(r"(^## (\d+)\. .+?\n\n```sql\n(.+?);\n```\n)(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class Question(NamedTuple):
    """One block: its number, its SQL, and what stands below it."""

    number: int
    sql: str
    answer: str


def questions(text: str) -> Iterator[Question]:
    """The questions in the text of a cookbook."""
    for match in _BLOCK.finditer(text):
        yield Question(int(match[2]), match[3], match[4].strip())


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return "" if value is None else str(value).replace("|", "\\|")


def answer(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The first rows of an answer as a Markdown table, and how many rows it has."""
    found = con.execute(sql)
    names = [column[0] for column in found.description or ()]
    rows = found.fetchall()
    lines = [names, *([_cell(value) for value in row] for row in rows[:SHOWN])]
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    table = "\n".join([head, "|" + "---|" * len(names), *body])
    return f"{table}\n\n{len(rows)} {'row' if len(rows) == 1 else 'rows'}"


def answered(con: duckdb.DuckDBPyConnection, text: str) -> str:
    """The text with every answer written anew."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{answer(con, match[3])}\n\n", text).rstrip("\n") + "\n"


if __name__ == "__main__":
    from warehouse.build import open_published

    with open_published() as published:
        COOKBOOK.write_text(answered(published, COOKBOOK.read_text("utf-8")), "utf-8")
