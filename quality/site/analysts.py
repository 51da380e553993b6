"""Pages for those who use the data: charts for directors, and the data dictionary to search in."""

from typing import Any

from quality.site import charts
from quality.site.published import Published, by
from quality.site.words import Row


def directors(published: Published) -> dict[str, Any]:
    """What the page of charts shows: holdings and use by region, class and year."""
    years = [{**row, "name": row["year"]} for row in published.rows("years_use")]
    return {
        "shown": {
            "regions": charts.bars(published.rows("regions"), "bibs", "name_zh", "name_en"),
            "classes": charts.class_bars(published.rows("classes"), "bibs"),
            "years": charts.year_bars(published.rows("years_held")),
            "years_use": charts.bars(years, "loans", "name", "name"),
            "regions_use": charts.bars(published.rows("regions_use"), "loans", "name_zh", "name_en"),
            "classes_use": charts.class_bars(published.rows("classes_use"), "loans"),
        },
        "members_use": published.rows("members_use"),
    }


def _both(comment: str | None) -> Row:
    english, _, chinese = (comment or "").partition(" | ")
    return {"english": english, "chinese": chinese or english}


def dictionary(published: Published) -> list[Row]:
    """Every table of the file with its columns, and what can be called, as the comments in the file have them."""
    columns = by("table_name", ({**row, **_both(row["comment"])} for row in published.rows("dictionary_columns")))
    tables = [
        {"name": row["name"], "columns": columns[row["name"]], **_both(row["comment"])}
        for row in published.rows("dictionary_tables")
    ]
    return tables + [_called(row) for row in published.rows("dictionary_macros", optional=True)]


def _called(row: Row) -> Row:
    """A table macro as a table: the first line of its comment is its question, the others are its columns."""
    said = {language: text.splitlines() for language, text in _both(row["comment"]).items()}
    pairs = [(line.partition(": ") for line in lines[1:]) for lines in (said["english"], said["chinese"])]
    columns = [
        {"name": name, "type": "", "english": english, "chinese": chinese}
        for (name, _, english), (_, _, chinese) in zip(*pairs, strict=True)
    ]
    return {
        "name": f"{row['name']}({', '.join(row['parameters'])})",
        "columns": columns,
        **{language: lines[0] for language, lines in said.items()},
    }
