"""Static pages: an overview of all members, one page a member, one of the rules, one to review matches.

Everything comes from the published DuckDB file, by one query per kind of table (`site/sql/`), and is rendered
by the templates in `site/`.  The pages work from a folder, ask no host, and hold every text in Chinese and in
English.  Whatever comes from a record is escaped by the templates.
"""

import csv
import shutil
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import jinja2
from markupsafe import Markup

from quality import review, rules, score
from warehouse import engine, lake
from warehouse.outcome import EVERY_SOURCE, Outcome, recorded

SITE = Path(__file__).resolve().parent / "site"
ASSETS = ("style.css", "site.js", "review.js")
MEMBER_QUERIES = ("sources", "outcomes", "rules", "examples", "classes", "years")
GOOD, FAIR = 95, 85
YEARS = 40  # years that a chart shows one by one; earlier ones are added up
Row = dict[str, Any]


def report(run_id: str) -> list[Outcome]:
    """Write all pages anew, in place of the old ones.

    Returns:
        One outcome for all sources: `received` members in the published file, `staged` members with a page.
        Failed, with the reason, when nothing is published.
    """
    file = lake.published_database()
    if not file.exists():
        outcome = Outcome("report", EVERY_SOURCE, lake.new_batch_id(), run_id, "failed")
        outcome.reason = "nothing is published to report on; run `calis publish` first"
        return [outcome.record()]
    with engine.connect(file, read_only=True) as con, lake.replacing_folder(lake.site()) as folder:
        published = con.execute(
            "SELECT max(batch_id), max(ended_at) FROM quality.outcome WHERE stage = 'publish'"
        ).fetchall()[0]
        outcome = Outcome("report", EVERY_SOURCE, published[0], run_id)
        members = _rows(con, "members")
        environment = _environment(
            build_id=published[0], published_at=published[1], held=_held_since(published[1])
        )
        _write_overview(con, environment, folder, members)
        _write_members(con, environment, folder, members)
        _write_review(con, environment, folder)
        for name in ASSETS:
            shutil.copyfile(SITE / name, folder / name)
        outcome.received = len(members)
        outcome.staged = len(list((folder / "members").glob("*.html")))
    outcome.require_balance()
    return [outcome.record()]


def _held_since(published_at: datetime) -> Outcome | None:
    """The newest publication, if it was held back after the published one."""
    later = [o for o in recorded("publish", EVERY_SOURCE) if o.ended_at > published_at and o.verdict == "held"]
    return max(later, key=lambda outcome: outcome.ended_at, default=None)


# --- data ------------------------------------------------------------------------------------------------


def _rows(con: duckdb.DuckDBPyConnection, name: str) -> list[Row]:
    sql = (SITE / "sql" / f"{name}.sql").read_text("utf-8")
    return con.execute(sql).to_arrow_table().to_pylist()


def _by_member(rows: Iterable[Row]) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["member_code"]].append(row)
    return grouped


def _explained(rows: list[Row]) -> list[Row]:
    """Rows with the text of their rule."""
    return [{**row, "explained": _explain(row["rule"])} for row in rows]


_explain = cache(rules.explain)


class Bar(NamedTuple):
    """What the chart macros take: a number with its label in both languages, and a code for its table."""

    value: float
    zh: str
    en: str
    note: str = ""

    @property
    def is_year(self) -> bool:
        """Whether it stands for one year, in a chart of years."""
        return self.zh.isdigit()


def _bars(rows: Iterable[Row], number: str, zh: str, en: str, note: str = "") -> list[Bar]:
    return [Bar(row[number], str(row[zh]), str(row[en]), str(row[note]) if note else "") for row in rows]


def _rule_bars(rows: list[Row]) -> list[Bar]:
    worst = sorted(rows, key=lambda row: -row["findings"])[:12]
    return [Bar(r["findings"], r["explained"].title_zh, r["explained"].title_en, r["rule"]) for r in worst]


def _year_bars(rows: list[Row]) -> list[Bar]:
    """One bar a year up to the last; earlier years, slips into the future and unknown years each in one."""
    known = {row["pub_year"]: row["bibs"] for row in rows if row["pub_year"] is not None}
    if not known:
        return []
    last = max((year for year in known if year <= lake.now().year + 2), default=max(known))
    first = last - YEARS + 1
    earlier = Bar(sum(n for year, n in known.items() if year < first), f"{first} 以前", f"before {first}")
    later = Bar(sum(n for year, n in known.items() if year > last), f"{last} 以后", f"after {last}")
    unknown = Bar(sum(row["bibs"] for row in rows if row["pub_year"] is None), "无年份", "no year")
    years = [Bar(known.get(year, 0), str(year), str(year)) for year in range(first, last + 1)]
    return [bar for bar in (earlier, *years, later, unknown) if bar.value or bar in years]


# --- pages -----------------------------------------------------------------------------------------------


def _write_overview(
    con: duckdb.DuckDBPyConnection, environment: jinja2.Environment, folder: Path, members: list[Row]
) -> None:
    found = _explained(_rows(con, "rules"))
    largest = sorted(members, key=lambda member: -member["records"])[:20]
    lowest = sorted((m for m in members if m["score"] is not None), key=lambda m: m["score"])[:20]
    for member in lowest:
        member["score_shown"] = round(member["score"], 1)
    charts = {
        "records": _bars(largest, "records", "name_zh", "name_en", "member_code"),
        "scores": _bars(lowest, "score_shown", "name_zh", "name_en", "member_code"),
        "classes": _bars(_rows(con, "classes"), "bibs", "name_zh", "name_en", "class"),
        "held": _bars(_rows(con, "held"), "bibs", "members", "members"),
        "rules": _rule_bars(found),
    }
    context = {
        "totals": _rows(con, "totals")[0],
        "members": members,
        "gates": _rows(con, "gates"),
        "stages": _rows(con, "stages"),
        "found": found,
        "charts": charts,
        "root": "",
    }
    for name in ("index.html", "rules.html"):
        environment.get_template(name).stream(**context, all_rules=rules.load()).dump(str(folder / name), "utf-8")


def _write_members(
    con: duckdb.DuckDBPyConnection, environment: jinja2.Environment, folder: Path, members: list[Row]
) -> None:
    data = {name: _by_member(_rows(con, f"member_{name}")) for name in MEMBER_QUERIES}
    template = environment.get_template("member.html")
    (folder / "members").mkdir()
    for member in members:
        code = member["member_code"]
        context = {name: rows.get(code, []) for name, rows in data.items()}
        examples: dict[str, list[Row]] = defaultdict(list)
        for row in context.pop("examples"):
            examples[row["rule"]].append(row)
        found = _explained(context.pop("rules"))
        charts = {
            "classes": _bars(context.pop("classes"), "bibs", "name_zh", "name_en", "class"),
            "years": _year_bars(context.pop("years")),
            "rules": _rule_bars(found),
        }
        page = template.stream(member=member, found=found, examples=examples, charts=charts, root="../", **context)
        page.dump(str(folder / "members" / f"{code}.html"), "utf-8")


def _write_review(con: duckdb.DuckDBPyConnection, environment: jinja2.Environment, folder: Path) -> None:
    rows = _rows(con, "review")
    waiting = rows[0]["waiting"] if rows else 0
    page = environment.get_template("review.html").stream(pairs=review.pairs(rows), waiting=waiting, root="")
    page.dump(str(folder / "review.html"), "utf-8")


# --- words and numbers -----------------------------------------------------------------------------------


@cache
def _labels() -> dict[tuple[str, str], tuple[str, str]]:
    with (SITE / "labels.csv").open(encoding="utf-8", newline="") as lines:
        return {(row["group"], row["code"]): (row["zh"], row["en"]) for row in csv.DictReader(lines)}


def _both(zh: object, en: object) -> Markup:
    """A text in both languages, of which the style sheet shows one."""
    return Markup('<span lang="zh-Hans">{}</span><span lang="en">{}</span>').format(zh, en)


def _label(group: str, code: str) -> Markup:
    return _both(*_labels().get((group, code), (code, code)))


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "–"


def _beijing(time: datetime | None) -> str:
    return f"{time + timedelta(hours=8):%Y-%m-%d %H:%M}" if time else "–"


def _grade(value: float | None) -> str:
    if value is None:
        return "none"
    return "good" if value >= GOOD else "fair" if value >= FAIR else "poor"


def _environment(**common: object) -> jinja2.Environment:
    """Templates with escaping on, our words and numbers, and `common` known to every page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SITE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters.update(number=_number, beijing=_beijing, grade=_grade)
    environment.globals.update(
        t=_both, label=_label, percent=_percent, score_formula=score.FORMULA, grades=(GOOD, FAIR), **common
    )
    return environment
