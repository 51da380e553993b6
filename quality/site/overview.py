"""What the overview shows: the members as rows for its script, provinces as tiles, and what needs attention."""

import csv
from collections.abc import Sequence
from typing import Any, NamedTuple

from quality import reasons

from .words import SITE, Row, cut, embedded, file_of, group_of_labels, labels

# Columns of a row as the script reads them; `site/overview.js` names them in the same order.
COLUMNS = (
    "member_code", "name_zh", "name_en", "province", "regional_centre", "kind", "score", "history", "records",
    "rejected", "fails", "warns", "unique_bibs", "harvested_at", "verdict", "failing_since", "reason_zh",
    "reason_en", "late", "rules", "file",
)  # fmt: skip
FALL = 5  # points of the score since the run before that call for attention
REASON = 240  # characters of a reason in the table; the member's page has all of it


class Tile(NamedTuple):
    """A province on the map of tiles."""

    province: str
    column: int
    row: int
    zh: str
    en: str
    members: int
    score: float | None
    failing: int


def data(members: Sequence[Row], rule_members: Sequence[Row], found: Sequence[Row]) -> Any:
    """Rows, rules and labels as JSON for the page's script."""
    at = {row["rule"]: number for number, row in enumerate(found)}
    broken: dict[str, list[int]] = {}
    for row in rule_members:
        if row["rule"] in at and row["findings"]:  # else all of it is waived
            broken.setdefault(row["member_code"], []).append(at[row["rule"]])
    rules = [
        [row["rule"], row["explained"].title_zh, row["explained"].title_en, row["severity"], row["members"]]
        for row in found
    ]
    rows = [_row(member, broken.get(member["member_code"], [])) for member in members]
    names: dict[str, Any] = {group: group_of_labels(group) for group in ("province", "kind", "verdict", "grade")}
    names["centre"] = {member["regional_centre"]: (member["centre_zh"], member["centre_en"]) for member in members}
    return embedded({"columns": COLUMNS, "rows": rows, "rules": rules, "labels": names})


def _row(member: Row, rules: list[int]) -> list[object]:
    reason_en, reason_zh = (cut(side, REASON) for side in reasons.in_both(member["reason"]))
    shown = {
        **member,
        "score": None if member["score"] is None else round(member["score"], 2),
        "history": [round(score, 1) for score in member["history"]],
        "reason_zh": reason_zh,
        "reason_en": reason_en,
        "rules": rules,
        "file": file_of(member["member_code"]),
    }
    for name in ("harvested_at", "failing_since"):
        shown[name] = member[name].isoformat(timespec="minutes") if member[name] else ""
    return [shown[name] for name in COLUMNS]


def tiles(members: Sequence[Row]) -> list[Tile]:
    """A tile for each province, with the mean score of its members weighted by their records."""
    of: dict[str, list[Row]] = {}
    for member in members:
        of.setdefault(member["province"], []).append(member)
    with (SITE / "tiles.csv").open(encoding="utf-8", newline="") as lines:
        places = list(csv.DictReader(lines))
    return [
        Tile(
            place["province"],
            int(place["column"]),
            int(place["row"]),
            *labels()["province", place["province"]],
            len(of.get(place["province"], [])),
            _mean(of.get(place["province"], [])),
            sum(bool(member["failing_since"]) for member in of.get(place["province"], [])),
        )
        for place in places
    ]


def _mean(members: Sequence[Row]) -> float | None:
    scored = [(m["score"], m["records"] + m["rejected"]) for m in members if m["score"] is not None]
    weight = sum(records for _, records in scored)
    return sum(score * records for score, records in scored) / weight if weight else None


def fallen(members: Sequence[Row]) -> list[Row]:
    """Members whose score fell by FALL or more since the run before, the worst first."""
    falls = [(change, member) for member in members if (change := _change(member)) <= -FALL]
    return [member for _, member in sorted(falls, key=lambda fall: fall[0])]


def _change(member: Row) -> float:
    """By how much a member's score changed since the run before."""
    history = member["history"]
    return history[-1] - history[-2] if len(history) > 1 else 0.0
