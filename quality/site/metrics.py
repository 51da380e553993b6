"""Metrics of records and completeness of fields, as the pages show them."""

from typing import NamedTuple

from .published import Published, by
from .words import Row

ALL = "*"  # in place of a source: all of them


class Format(NamedTuple):
    """What is measured of the records of one format."""

    metrics: dict[str, list[Row]]
    fields: list[Row]


def load(published: Published) -> tuple[dict[str, Format], dict[str, list[Row]]]:
    """Over all sources what is measured of each format; and for each member the totals of its sources."""
    measured = by("source_id", published.rows("metrics", optional=True))
    fields = by("format", published.rows("completeness", optional=True))
    overall = by("format", measured.pop(ALL, []))
    formats = {
        name: Format(by("metric", overall.get(name, [])), fields.get(name, []))
        for name in sorted({*overall, *fields})
    }
    totals = [
        {**row, "all": _value(overall.get(row["format"], []), row["metric"], row["element"])}
        for rows in measured.values()
        for row in rows
        if row["member_code"] and (not row["element"] or row["metric"] in ("coverage", "user-tasks", "sharing"))
    ]
    return formats, by("member_code", totals)


def _value(rows: list[Row], metric: str, element: str) -> float | None:
    """The value over all sources."""
    return next((row["value"] for row in rows if (row["metric"], row["element"]) == (metric, element)), None)
