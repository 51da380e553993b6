"""Views with names that people read: the schemas `zh` and `en` hold each table under its Chinese or English name.

Chinese names of columns are the beginnings of their comments, up to the first mark and without what stands in
brackets; English ones are their names with spaces.  So they are said nowhere else: a table's name is its
declaration's, or stands in its SQL file.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from schemas.columns import Table
from warehouse.marts import Mart, comment

LANGUAGES = ("zh", "en")
_ASIDE = re.compile(r"（[^）]*）|\([^)]*\)")
_MARK = re.compile(r"[：，；、,;:=＝。?？|]")


@dataclass(frozen=True)
class View:
    """One table under a readable name in one language; `columns` maps names to readable ones."""

    language: str
    name: str
    of: str
    columns: dict[str, str]
    english: str
    chinese: str


def spaced(name: str) -> str:
    """A name of SQL as words: `bib_member` is Bib member."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _beginning(text: str) -> str:
    return _MARK.split(text)[0].strip()


def _chinese(comments: dict[str, str]) -> dict[str, str]:
    """Names from comments; where two would be equal, brackets stay, and else the column's own name is added."""
    names = {name: _beginning(_ASIDE.sub("", text)) or name for name, text in comments.items()}
    for more in ({n: _beginning(text) for n, text in comments.items()}, {n: f"{names[n]} {n}" for n in names}):
        seen = [readable.casefold() for readable in names.values()]
        names = {n: more[n] if seen.count(readable.casefold()) > 1 else readable for n, readable in names.items()}
    return names


def of_tables(tables: Iterable[Table], marts: Iterable[Mart]) -> list[View]:
    """The views of contract tables and of marts, in both languages."""
    found = []
    for table in tables:
        chinese = _chinese({column.name: column.chinese for column in table.published})
        english = {column.name: spaced(column.name) for column in table.published}
        common = {"of": table.full_name, "english": table.grain, "chinese": table.chinese}
        found.append(View("zh", _beginning(_ASIDE.sub("", table.chinese)), columns=chinese, **common))
        found.append(View("en", spaced(table.name), columns=english, **common))
    for mart in marts:
        chinese = _chinese({name: text for name, (_, text) in mart.columns.items()})
        english = {name: spaced(name) for name in mart.columns}
        common = {"of": mart.full_name, "english": mart.english, "chinese": mart.chinese}
        found.append(View("zh", mart.name_zh, columns=chinese, **common))
        found.append(View("en", mart.name_en, columns=english, **common))
    return found


def add(con: duckdb.DuckDBPyConnection, views: Iterable[View]) -> None:
    """Make the views, with the comments of their tables."""
    for view in views:
        name = f'{view.language}."{view.name}"'
        columns = ", ".join(f'"{column}" AS "{readable}"' for column, readable in view.columns.items())
        con.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {view.of}")
        comment(con, "VIEW", name, view.english, view.chinese)
