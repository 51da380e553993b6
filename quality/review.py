"""What the review page shows of each doubtful pair: fields side by side, with what differs marked."""

from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup, escape

LONG = 600  # characters; longer texts are marked as a whole
Row = dict[str, Any]


def marked(left: str, right: str) -> tuple[Markup, Markup]:
    """Both texts, escaped, with the characters that differ in <mark>."""
    if left == right:
        return escape(left), escape(right)
    if max(len(left), len(right)) > LONG:
        return Markup("<mark>{}</mark>").format(left), Markup("<mark>{}</mark>").format(right)
    sides: tuple[list[Markup], list[Markup]] = ([], [])
    for code, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for side, part in zip(sides, (left[a:b], right[c:d]), strict=True):
            if part:
                side.append(escape(part) if code == "equal" else Markup("<mark>{}</mark>").format(part))
    return Markup("").join(sides[0]), Markup("").join(sides[1])


def pairs(rows: list[Row]) -> list[Row]:
    """Rows of `catalog.review` for the template; those without details are left out."""
    return [{**row, "fields": [_field(field) for field in row["fields"]]} for row in rows if row["fields"]]


def _field(field: Row) -> Row:
    left, right = field["left"], field["right"]
    shown_left, shown_right = marked(left, right) if left and right else (left, right)
    return {"name": field["name"], "left": shown_left, "right": shown_right, "differs": left != right}
