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
    """Every table of the file with its columns, as the comments in the file have them."""
    columns = by("table_name", ({**row, **_both(row["comment"])} for row in published.rows("dictionary_columns")))
    return [
        {"name": row["name"], "columns": columns[row["name"]], **_both(row["comment"])}
        for row in published.rows("dictionary_tables")
    ]
