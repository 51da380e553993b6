"""The tables that SQL files make: dimensions (`sql/dim/`) and marts (`sql/marts/`), one file a table; and macros.

A file begins with comments, then comes one query::

    -- The question in English?
    -- 中文的问题？
    -- name What it is called | 名称
    -- column name: What it means | 含义
    SELECT …

It may read `catalog`, `quality`, dimensions, marts and `seed('name')`, which is `sql/seeds/name.csv`; the order
follows from what they read.  Pseudonyms of readers are in the lake only: `memory.catalog.loan` has them.  A file
of `sql/macros/` makes a table macro instead: a question asked of something, as `marts.lenders(bib, member)`.  A
formula is said in the comment of its column and nowhere else.
"""

import re
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb

SQL = Path(__file__).resolve().parent / "sql"
SCHEMAS = ("dim", "marts")
_NAME = re.compile(r"^-- name (.+?) \| (.+)$", re.MULTILINE)
_COLUMN = re.compile(r"^-- column (\w+): (.+?) \| (.+)$", re.MULTILINE)
_READS = re.compile(rf"\b({'|'.join(SCHEMAS)})\.(\w+)")
_LINE_COMMENT = re.compile(r"--[^\n]*")

# Groups of fewer readers than this are not shown: who they are might be guessed.
SMALL_GROUP = 5
_MACROS = (
    "CREATE OR REPLACE TEMP MACRO seed(name) AS TABLE SELECT * FROM read_csv("
    "getvariable('sql_folder') || '/seeds/' || name || '.csv', header = true, all_varchar = true)",
    # `value` where so many readers stand behind it that nobody can be told; nobody at all is no secret
    f"CREATE OR REPLACE TEMP MACRO shown(readers, value) AS "
    f"CASE WHEN readers = 0 OR readers >= {SMALL_GROUP} THEN value END",
)


class MartError(Exception):
    """A file lacks its question, or its columns and their comments differ."""


@dataclass(frozen=True)
class Mart:
    """One SQL file; `columns` has the English and Chinese comment of each column."""

    schema: str
    name: str
    name_en: str
    name_zh: str
    english: str
    chinese: str
    columns: dict[str, tuple[str, str]]
    sql: str

    @property
    def full_name(self) -> str:
        """The name as analysts write it, for example `marts.overlap`."""
        return f"{self.schema}.{self.name}"

    @property
    def needs(self) -> set[str]:
        """The full names of the dimensions and marts that it reads."""
        read = _READS.findall(_LINE_COMMENT.sub("", self.sql))
        return {f"{schema}.{name}" for schema, name in read} - {self.full_name}


def _mart(path: Path) -> Mart:
    text = path.read_text("utf-8")
    lines = text.splitlines()
    if len(lines) < 3 or not all(line.startswith("-- ") and ("?" in line or "？" in line) for line in lines[:2]):
        raise MartError(f"{path.name}: its first two lines must be its question in English and in Chinese")
    if not (called := _NAME.search(text)):
        raise MartError(f"{path.name}: a line `-- name What it is called | 名称` is missing")
    columns = {name: (english, chinese) for name, english, chinese in _COLUMN.findall(text)}
    return Mart(path.parent.name, path.stem, called[1], called[2], lines[0][3:], lines[1][3:], columns, text)


def load(folder: Path = SQL) -> list[Mart]:
    """All dimensions and marts, each after those that it reads."""
    paths = (path for schema in SCHEMAS for path in sorted((folder / schema).glob("*.sql")))
    found = {mart.full_name: mart for mart in map(_mart, paths)}
    order = TopologicalSorter({name: sorted(mart.needs) for name, mart in found.items()}).static_order()
    missing = {name for mart in found.values() for name in mart.needs} - set(found)
    if missing:
        readers = sorted(mart.full_name for mart in found.values() if mart.needs & missing)
        raise MartError(f"{', '.join(readers)} read what no file makes: {', '.join(sorted(missing))}")
    return [found[name] for name in order]


def macros(folder: Path = SQL) -> list[Mart]:
    """The table macros, which look like marts but for their SQL."""
    found = [_mart(path) for path in sorted((folder / "macros").glob("*.sql"))]
    return [replace(macro, schema="marts") for macro in found]


def text(value: str) -> str:
    """A text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def comment(con: duckdb.DuckDBPyConnection, kind: str, name: str, english: str, chinese: str) -> None:
    """Put a comment in both languages on a table, a view or a column."""
    con.execute(f"COMMENT ON {kind} {name} IS {text(f'{english} | {chinese}')}")


def add_macro(con: duckdb.DuckDBPyConnection, macro: Mart) -> None:
    """Make a table macro; a line of its comment says what each column means, since these can have none."""
    con.execute(macro.sql)
    told = [
        "\n".join([question, *(f"{name}: {texts[at]}" for name, texts in macro.columns.items())])
        for at, question in enumerate((macro.english, macro.chinese))
    ]
    comment(con, "MACRO TABLE", macro.full_name, *told)


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection what the files call: seeds, and what hides small groups."""
    con.execute(f"SET VARIABLE sql_folder = {text(str(SQL))}")
    for macro in _MACROS:
        con.execute(macro)


def add(con: duckdb.DuckDBPyConnection, mart: Mart) -> None:
    """Make one table with its comments, in a connection that is prepared.

    Raises:
        MartError: the columns that it gives and those that it explains differ.
        duckdb.Error: the query fails; its message is preceded by the file's name.
    """
    try:
        con.execute(f"CREATE TABLE {mart.full_name} AS {mart.sql}")
    except duckdb.Error as error:
        raise type(error)(f"{mart.full_name}: {error}") from error
    given = [row[0] for row in con.execute(f"DESCRIBE {mart.full_name}").fetchall()]
    if given != list(mart.columns):
        raise MartError(f"{mart.name}.sql gives the columns {given}, but explains {list(mart.columns)}")
    comment(con, "TABLE", mart.full_name, mart.english, mart.chinese)
    for name, (english, chinese) in mart.columns.items():
        comment(con, "COLUMN", f'{mart.full_name}."{name}"', english, chinese)
