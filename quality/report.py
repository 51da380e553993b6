"""The pages of the staff site, written as files from the published DuckDB file.

Everything comes from that file, by one query per kind of table (`site/sql/`), and is rendered by the templates
in `site/`; only records that serve as examples are read from the staged batches.  The pages work from a folder,
ask no host, and hold every text in Chinese and in English.  Whatever comes from a record is escaped.
"""

import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import jinja2

from quality import feedback, review, rules
from quality.site import analysts, batches, charts, metrics, overview, records, runs
from quality.site.published import Published, by
from quality.site.words import SITE, Row, environment, explained, file_of
from warehouse import engine, lake
from warehouse.outcome import EVERY_SOURCE, Outcome, recorded

ASSETS = ("style.css", "site.js", "overview.js", "review.js", "decide.js", "dictionary.js")
MEMBER_QUERIES = ("sources", "outcomes", "rules", "examples", "records", "classes", "years")
RUNS = 12  # of which the overview draws the scores
PAIRS = 50  # of doubtful matches on a page
RULE_MEMBERS = 100  # members that the page of a rule lists
NEEDED = ("members", "totals")  # queries without which there is nothing to show


def report(run_id: str) -> list[Outcome]:
    """Write all pages anew, in place of the old ones.

    Returns:
        One outcome for all sources: `received` members in the published file, `staged` members with a page.
        Failed, with the reason, when nothing is published or the file can't be read; the old pages stay.
    """
    file = lake.published_database()
    outcome = Outcome("report", EVERY_SOURCE, lake.new_batch_id(), run_id)
    if not file.exists():
        outcome.verdict = "failed"
        outcome.reason = "nothing is published to report on; run `calis publish` first"
        return [outcome.record()]
    try:
        with engine.connect(file, read_only=True) as con, lake.replacing_folder(lake.site()) as folder:
            _write(Published(con), folder, outcome)
    except (duckdb.Error, _TooOldError) as error:
        outcome.verdict, outcome.received, outcome.staged = "failed", 0, 0
        outcome.reason = (
            f"the published file can't be reported on ({str(error).splitlines()[0]}); "
            "run `calis publish` to write it anew; the pages before stay"
        )
        return [outcome.record()]
    outcome.require_balance()
    return [outcome.record()]


class _TooOldError(Exception):
    """The file lacks what no page can do without."""


def _write(published: Published, folder: Path, outcome: Outcome) -> None:
    answers = {name: published.rows(name) for name in (*NEEDED, "publication")}
    if lacking := [published.missing[name] for name in NEEDED if name in published.missing]:
        raise _TooOldError(lacking[0])
    build_id, published_at = next(
        ((row["batch_id"], row["ended_at"]) for row in answers["publication"]), ("", None)
    )
    outcome.batch_id = build_id or outcome.batch_id
    members = answers["members"]
    health = by("member_code", published.rows("health"))
    history = by("member_code", published.rows("history"))
    for member in members:
        code = member["member_code"]
        member["late"] = any(source["late"] for source in health.get(code, []))
        member["history"] = [run["score"] for run in history.get(code, [])][-RUNS:]
    site = environment(
        build_id=build_id, published_at=published_at, held=_held_since(published_at), missing=published.missing
    )
    found = explained(published.rows("rules"))
    rule_members = published.rows("rule_members")
    of_batches = batches.load(published)
    formats, measured = metrics.load(published)
    _page(site, "metrics.html", folder / "metrics.html", root="", formats=formats)
    packages = _write_packages(folder, members, build_id)
    _write_members(published, site, folder, members, of_batches, health, history, measured, packages)
    _page(site, "groups.html", folder / "groups.html", root="", scopes=by("scope", published.rows("groups")))
    _write_rules(published, site, folder, members, found, rule_members)
    _write_runs(published, site, folder)
    _write_batches(site, folder, of_batches, health)
    _page(site, "directors.html", folder / "directors.html", root="", **analysts.directors(published))
    _page(site, "dictionary.html", folder / "dictionary.html", root="", tables=analysts.dictionary(published))
    waiting = _write_review(published, site, folder)
    # last, since it also says what the file could not answer for the others
    _write_overview(
        published,
        site,
        folder,
        members,
        found,
        rule_members,
        answers["totals"][0],
        {"waiting": waiting, "batches": of_batches},
    )
    for name in ASSETS:
        shutil.copyfile(SITE / name, folder / name)
    outcome.received = len(members)
    outcome.staged = len(list((folder / "members").glob("*.html")))


def _held_since(published_at: datetime | None) -> Outcome | None:
    """The newest publication, if it was held back after the published one."""
    later = [
        o
        for o in recorded("publish", EVERY_SOURCE)
        if o.verdict == "held" and (published_at is None or o.ended_at > published_at)
    ]
    return max(later, key=lambda outcome: outcome.ended_at, default=None)


def _page(site: jinja2.Environment, template: str, path: Path, **context: object) -> None:
    """Render one page; `root` is the way from it to the overview."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(site.get_template(template).render(**context), "utf-8")


def _write_overview(
    published: Published, site: jinja2.Environment, folder: Path, members: list[Row], found: list[Row],
    rule_members: list[Row], totals: Row, waiting: Row,
) -> None:  # fmt: skip
    shown = {
        "scores": charts.score_bars(member["score"] for member in members),
        "rules": charts.rule_bars(found),
        "held": charts.bars(published.rows("held"), "bibs", "members", "members"),
        "classes": charts.class_bars(published.rows("classes"), "bibs"),
    }
    _page(
        site, "index.html", folder / "index.html",
        root="", totals=totals, members=members, gates=published.rows("gates"), stages=published.rows("stages"),
        charts=shown, tiles=overview.tiles(members), data=overview.data(members, rule_members, found),
        fallen=overview.fallen(members), failing=[m for m in members if m["failing_since"]], **waiting,
    )  # fmt: skip


def _write_members(
    published: Published, site: jinja2.Environment, folder: Path, members: list[Row],
    of_batches: list[batches.Batch], health: dict[str, list[Row]],
    history: dict[str, list[Row]], measured: dict[str, list[Row]], packages: set[str],
) -> None:  # fmt: skip
    data = {name: by("member_code", published.rows(f"member_{name}")) for name in MEMBER_QUERIES}
    peers = by("member_code", published.rows("peers"))
    waivers = by("member_code", published.rows("waivers"))
    with_page = {batch.key for batch in of_batches}
    (folder / "members").mkdir()
    for member in members:
        code = member["member_code"]
        context = {name: rows.get(code, []) for name, rows in data.items()}
        found = explained(context.pop("rules"))
        shown = {
            "classes": charts.class_bars(context.pop("classes"), "bibs"),
            "years": charts.year_bars(context.pop("years")),
            "rules": charts.rule_bars(found),
        }
        _page(
            site, "member.html", folder / "members" / f"{file_of(code)}.html",
            root="../", member=member, found=found, examples=by("rule", context.pop("examples")), charts=shown,
            peers=peers.get(code, []), with_page=with_page, waivers=explained(waivers.get(code, [])),
            health=health.get(code, []), history=history.get(code, []), measured=measured.get(code, []),
            has_package=code in packages, **context,
        )  # fmt: skip


def _write_packages(folder: Path, members: list[Row], build_id: str) -> set[str]:
    """The feedback packages of this build as archives; the members that have one."""
    (folder / "feedback").mkdir()
    given = set()
    for member in members:
        code = member["member_code"]
        if build_id in feedback.runs(code):
            archive = feedback.zipped(code, build_id)
            (folder / "feedback" / f"{file_of(code)}.zip").write_bytes(archive)
            given.add(code)
    return given


def _write_rules(
    published: Published, site: jinja2.Environment, folder: Path, members: list[Row], found: list[Row],
    rule_members: list[Row],
) -> None:  # fmt: skip
    """The list of rules, and a page for each that found something."""
    _page(site, "rules.html", folder / "rules.html", root="", found=found, all_rules=rules.load())
    examples = records.examples(published.rows("rule_examples"))
    of_rule, names = by("rule", rule_members), {member["member_code"]: member for member in members}
    for row in by("rule", found).values():
        rule = row[0]["rule"]
        broken = [
            {**line, "member": names[line["member_code"]]}
            for line in of_rule[rule]
            if line["member_code"] in names
        ]
        _page(
            site, "rule.html", folder / "rules" / f"{file_of(rule)}.html",
            root="../", rule=row[0]["explained"], found=row, broken=broken[:RULE_MEMBERS],
            all_broken=sum(line["findings"] > 0 for line in broken),
            examples=examples.get(rule, []),
        )  # fmt: skip


def _write_runs(published: Published, site: jinja2.Environment, folder: Path) -> None:
    _page(site, "runs.html", folder / "runs.html", root="", runs=runs.history(published))


def _write_batches(
    site: jinja2.Environment, folder: Path, of_batches: list[batches.Batch], health: dict[str, list[Row]]
) -> None:
    of_source = {row["source_id"]: row for rows in health.values() for row in rows}
    _page(site, "batches.html", folder / "batches.html", root="", batches=of_batches)
    for batch in of_batches:
        _page(
            site, "batch.html", folder / "batches" / f"{batch.file}.html",
            root="../", batch=batch, health=of_source.get(batch.source_id),
        )  # fmt: skip


def _write_review(published: Published, site: jinja2.Environment, folder: Path) -> int:
    """Pages of doubtful pairs, so many on each; how many wait."""
    rows = published.rows("review")
    pages = [rows[at : at + PAIRS] for at in range(0, len(rows), PAIRS)] or [[]]
    waiting = rows[0]["waiting"] if rows else 0
    for number, part in enumerate(pages, 1):
        _page(
            site, "review.html", folder / review.page_name(number),
            root="", pairs=review.pairs(part), waiting=waiting, listed=len(rows), first=(number - 1) * PAIRS,
            page=number, pages=len(pages), page_name=review.page_name,
        )  # fmt: skip
    return waiting
