"""Marts held against tables small enough to check by hand.

`golden/<case>/` holds tables as CSV (`catalog.item.csv`, `dim.bib.csv`), and `marts.<name>.expected.csv` for
each mart that is checked.  A table that is not there is empty; a dimension or mart that is not there is made.
Lists are written `[a, b]`, empty is null.
"""

import csv
from pathlib import Path

import duckdb

from schemas.tables import TABLES
from warehouse import engine, marts

FOLDER = Path(__file__).parent / "golden"
DIGITS = 6


def _load(con: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    """Rows of a CSV file into a table that exists; columns that it lacks are null."""
    with path.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file))
    types = {row[0]: row[1] for row in con.execute(f"DESCRIBE {name}").fetchall()}
    assert set(columns) <= set(types), f"{path.name}: unknown columns {set(columns) - set(types)}"
    values = ", ".join(f'CAST("{column}" AS {types[column]}) AS "{column}"' for column in columns)
    con.execute(
        f"INSERT INTO {name} BY NAME SELECT {values} FROM read_csv(?, header = true, all_varchar = true)",
        [str(path)],
    )


def _with_needs(wanted: set[str]) -> list[marts.Mart]:
    """The marts of these names and all that they read, in the order of making them."""
    every = marts.load()
    for mart in reversed(every):
        if mart.full_name in wanted:
            wanted = wanted | mart.needs
    return [mart for mart in every if mart.full_name in wanted]


def opened(case: Path, wanted: set[str]) -> duckdb.DuckDBPyConnection:
    """The tables of a case, and the wanted dimensions and marts, as `build.fill` would leave them."""
    con = engine.connect()
    con.execute("ATTACH ':memory:' AS published")
    for layer in ("catalog", "quality", *marts.SCHEMAS):
        con.execute(f"CREATE SCHEMA published.{layer}")
        if layer not in marts.SCHEMAS:
            con.execute(f"CREATE SCHEMA memory.{layer}")
    for table in TABLES:
        if table.layer in ("catalog", "quality"):
            con.register("contract", table.empty())
            con.execute(f"CREATE TABLE memory.{table.full_name} AS FROM contract")
            path = case / f"{table.full_name}.csv"
            if path.exists():
                _load(con, f"memory.{table.full_name}", path)
            columns = ", ".join(column.name for column in table.published)
            con.execute(
                f"CREATE TABLE published.{table.full_name} AS SELECT {columns} FROM memory.{table.full_name}"
            )
    con.execute("USE published")
    marts.prepare(con)
    for mart in _with_needs(wanted):
        marts.add(con, mart)
        path = case / f"{mart.full_name}.csv"
        if path.exists():
            con.execute(f"DELETE FROM {mart.full_name}")
            _load(con, mart.full_name, path)
    return con


def add_macro(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make a table macro of `sql/macros/`; what it reads has to be there."""
    con.execute(next(macro.sql for macro in marts.macros() if macro.name == name))


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return "" if value is None else str(value)


def rows(con: duckdb.DuckDBPyConnection, name: str, columns: list[str]) -> list[list[str]]:
    """The rows of a mart as texts, in its own order."""
    listed = ", ".join(f'"{column}"' for column in columns)
    return [[_shown(value) for value in row] for row in con.execute(f"SELECT {listed} FROM {name}").fetchall()]


def expected(path: Path) -> tuple[list[str], list[list[str]]]:
    """Columns and rows that a file expects."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *found = csv.reader(file)
    return header, found
