"""What the review page shows of each doubtful pair: fields side by side, with what differs marked."""

from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup, escape

from quality.site.words import CODED, coded

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
    """Rows of `catalog.review` for the template; a pair without details is shown by its bibs."""
    return [
        {
            **row,
            "fields": [_field(field) for field in row["fields"] or _of_bibs(row)],
            "evidence": row["evidence"] or [],
        }
        for row in rows
    ]


def page_name(number: int) -> str:
    """The file of a page of the queue; the first has no number."""
    return "review.html" if number == 1 else f"review-{number}.html"


def _of_bibs(row: Row) -> list[Row]:
    """The fields of both bibs side by side, those left out that both lack."""
    sides = [{f["name"]: f["value"] for f in row[f"{side}_shown"] or []} for side in ("left", "right")]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    fields = [{"name": name, "left": sides[0].get(name), "right": sides[1].get(name)} for name in names]
    return [field for field in fields if field["left"] or field["right"]]


def _field(field: Row) -> Row:
    left, right = field["left"], field["right"]
    if field["name"] in CODED:
        shown_left, shown_right = coded(field["name"], left), coded(field["name"], right)
    else:
        shown_left, shown_right = marked(left, right) if left and right else (left, right)
    return {"name": field["name"], "left": shown_left, "right": shown_right, "differs": left != right}
