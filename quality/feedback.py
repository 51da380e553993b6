"""Feedback: for each member a package with what it has to mend, as of the build that is published.

`published/feedback/<member>/<build>/` holds

    summary.html     in Chinese and English, one file that opens anywhere
    defects.csv      a line for each defect that is open or waived (UTF-8 with a mark, so that Excel opens it)
    mended.csv       the defects that are gone since the member's previous package
    rejected.csv     the records that were set aside: why, what to do, and where each of them stands in
    rejected/        <source>.mrc or .xml, which open in any MARC editor; .txt for lines of usage; the rest raw

The same build gives the same bytes.  Of records that may hold personal data the content is not given.
"""

import csv
import io
import json
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import jinja2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from quality import decisions, expectations, openable, reasons, rules
from quality.site.words import labels
from warehouse import engine, lake
from warehouse.outcome import EVERY_SOURCE, Outcome

FOLDER = Path(__file__).resolve().parent
KEEP = 12  # packages of a member
PRIVATE = ("possible-personal-data", "personal-data", "usage-personal")
MOST_RAW = 200  # records of a source that can't be made to open, each a file
NOTES = ("note_zh", "note_en")
MARK = b"\xef\xbb\xbf"
LONGEST = 1000  # characters of a value
TEXTS = ("title_zh", "title_en", "advice_zh", "advice_en")
COLUMNS = ["source_id", "record_id", "tag", "rule", "severity", *TEXTS, "value", "status", "first_seen"]
REJECTED = ["source_id", "record_id", "rule", *TEXTS, "reason_zh", "reason_en", "raw_file", "byte_offset"]
REJECTED += ["package_file", "position", "note_zh", "note_en"]
# a spreadsheet takes what begins like this for a formula
_TEXT = rf"CASE WHEN regexp_matches({{0}}, '^[=+@\t\r-]') THEN '''' ELSE '' END || left({{0}}, {LONGEST})"
_DEFECTS = rf"""
SELECT member_code, source_id, {_TEXT.format("record_key")} AS record_id, {_TEXT.format("tag")} AS tag, rule,
    severity, status, first_seen, fixed_at, batch_id, record_no,
    {_TEXT.format("value")} || CASE WHEN length(value) > {LONGEST} THEN '…' ELSE '' END AS value
FROM quality.defect JOIN quality.score USING (source_id)
WHERE list_contains(?, member_code) AND (fixed_at IS NULL OR fixed_at > ?)
ORDER BY member_code, source_id, rule, record_id, tag, nth
"""


class FeedbackError(Exception):
    """A package can't be made; says why and what to do."""


class Published(NamedTuple):
    """What is published: the build, and for each member what its pages say."""

    build_id: str
    members: dict[str, dict[str, Any]]
    sources: dict[str, list[dict[str, Any]]]
    outcomes: dict[str, list[dict[str, Any]]]
    trends: dict[str, list[dict[str, Any]]]


def feedback(run_id: str, members: Iterable[str] = ()) -> list[Outcome]:
    """Make the packages of the members named (all that have a source, where none is) from the published file.

    Returns:
        One outcome for all: `received` members, `staged` packages.  Failed, with the reason, when nothing is
        published.

    Raises:
        FeedbackError: a member named is not in the published file, or has no source.
    """
    file = lake.published_database()
    if not file.exists():
        outcome = Outcome("feedback", EVERY_SOURCE, lake.new_batch_id(), run_id, "failed")
        outcome.reason = "nothing is published to give feedback on; run `calis publish` first"
        return [outcome.record()]
    with engine.connect(file, read_only=True) as con:
        published = _published(con)
        chosen = sorted(set(members)) or sorted(published.sources)
        if unknown := [name for name in chosen if name not in published.sources]:
            raise FeedbackError(f"no member {', '.join(unknown)} with a source in the published file")
        outcome = Outcome("feedback", EVERY_SOURCE, published.build_id, run_id, received=len(chosen))
        for member_code, rows in _of_members(con, chosen, _oldest_previous(chosen, published.build_id)):
            _package(member_code, rows, published)
            outcome.staged += 1
    outcome.require_balance()
    return [outcome.record()]


# --- data ------------------------------------------------------------------------------------------------


def _published(con: duckdb.DuckDBPyConnection) -> Published:
    def grouped(sql: str) -> dict[str, list[dict[str, Any]]]:
        found = defaultdict(list)
        for row in con.execute(sql).to_arrow_table().to_pylist():
            found[row["member_code"]].append(row)
        return found

    newest = con.execute("SELECT max(build_id) FROM quality.score_history").fetchall()[0][0]
    members = con.execute("SELECT member_code, name_zh, name_en FROM dim.member").to_arrow_table().to_pylist()
    return Published(
        newest,
        {row["member_code"]: row for row in members},
        grouped("SELECT * FROM quality.score ORDER BY member_code, source_id"),
        grouped(
            """SELECT member_code, outcome.*, coalesce(failed, []) AS failed
            FROM quality.outcome JOIN quality.score USING (source_id)
            LEFT JOIN (
                SELECT source_id, batch_id, list(batch_gate ORDER BY name, about) AS failed
                FROM quality.batch_gate WHERE NOT success GROUP BY ALL
            ) USING (source_id, batch_id)
            WHERE verdict IN ('held', 'failed', 'partial', 'rejected')
            QUALIFY row_number() OVER (PARTITION BY source_id, stage ORDER BY batch_id DESC) <= 3
            ORDER BY member_code, source_id, batch_id DESC, stage"""
        ),
        grouped(
            """SELECT name AS member_code, * FROM quality.score_history WHERE scope = 'member'
            QUALIFY row_number() OVER (PARTITION BY name ORDER BY build_id DESC) <= 12
            ORDER BY name, build_id DESC"""
        ),
    )


def runs(member_code: str) -> list[str]:
    """The builds of which a member has a package, oldest first."""
    folder = lake.feedback(member_code)
    return sorted(p.name for p in folder.iterdir() if p.name[0] != ".") if folder.is_dir() else []


def _previous(member_code: str, build_id: str) -> str:
    """The build of the package before, if there is one."""
    return max((name for name in runs(member_code) if name < build_id), default="")


def _oldest_previous(members: Iterable[str], build_id: str) -> str:
    return min((_previous(name, build_id) for name in members), default="")


def _of_members(con: duckdb.DuckDBPyConnection, members: list[str], since: str) -> Iterator[tuple[str, pa.Table]]:
    """Each member with its defects, those that were mended since a build among them."""
    table = con.execute(_DEFECTS, [members, since]).to_arrow_table().combine_chunks()
    codes = table.column("member_code").to_pylist()
    begin: dict[str, int] = {}
    for at, code in enumerate(codes):
        begin.setdefault(code, at)
    bounds = [*begin.values(), len(codes)]
    sizes = dict(zip(begin, pairwise(bounds), strict=False))
    for code in members:
        first, end = sizes.get(code, (0, 0))
        yield code, table.slice(first, end - first)


@cache
def _texts() -> pa.Table:
    """Code and texts of every rule."""
    return pa.table({name: [getattr(rule, name) for rule in rules.load()] for name in ("code", *TEXTS)})


def _explained(rows: pa.Table) -> pa.Table:
    """Defects with the texts of their rules, in the order of the CSV file."""
    texts = _texts()
    at = pc.index_in(rows["rule"], texts["code"])
    for name in TEXTS:
        rows = rows.append_column(name, pc.coalesce(texts[name].combine_chunks().take(at), rows["rule"]))
    seen = pc.utf8_slice_codeunits(rows["first_seen"], 0, 8)
    return rows.set_column(rows.schema.get_field_index("first_seen"), "first_seen", seen).select(COLUMNS)


# --- a package -------------------------------------------------------------------------------------------


def _package(member_code: str, rows: pa.Table, published: Published) -> None:
    """Write the package of one member in place of an earlier one of the same build."""
    build_id, before = published.build_id, _previous(member_code, published.build_id)
    mended = rows.filter(pc.fill_null(pc.greater(rows["fixed_at"], before), False))
    there = rows.filter(pc.is_null(rows["fixed_at"]))
    with lake.replacing_folder(lake.feedback(member_code) / build_id) as folder:
        (folder / "defects.csv").write_bytes(_csv(_explained(there)))
        (folder / "mended.csv").write_bytes(_csv(_explained(mended)))
        rejected = _write_rejected(folder, published.sources[member_code], there)
        context = _counts(there, mended, before) | {
            "member": published.members[member_code],
            "build_id": build_id,
            "previous": before,
            "sources": published.sources[member_code],
            "outcomes": published.outcomes.get(member_code, []),
            "trend": published.trends.get(member_code, []),
            "rejected": rejected,
        }
        (folder / "summary.html").write_text(_template().render(**context), "utf-8")
        numbers = {name: context[name] for name in ("open", "waived", "new", "mended")}
        about = {
            "member": member_code,
            "build": build_id,
            "previous": before,
            "rejected": len(rejected),
            **numbers,
        }
        (folder / "package.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    for old in runs(member_code)[:-KEEP]:
        shutil.rmtree(lake.feedback(member_code) / old)


def _csv(rows: pa.Table) -> bytes:
    out = io.BytesIO()
    out.write(MARK)
    pyarrow.csv.write_csv(rows, out)
    return out.getvalue()


def _counts(there: pa.Table, mended: pa.Table, before: str) -> dict[str, Any]:
    """What the summary says of the defects: in all, and by rule, the most frequent first."""
    found: dict[str, dict[str, Any]] = {}
    for name, table in (
        ("open", there.filter(pc.equal(there["status"], "open"))),
        ("waived", there.filter(pc.equal(there["status"], "waived"))),
        ("new", there.filter(pc.greater(there["first_seen"], before)) if before else there.slice(0, 0)),
        ("mended", mended),
    ):
        for counted in pc.value_counts(table["rule"]).to_pylist():
            row = found.setdefault(counted["values"], dict.fromkeys(("open", "waived", "new", "mended"), 0))
            row[name] = counted["counts"]
    by_rule = [{"explained": rules.explain(rule), **row} for rule, row in found.items()]
    by_rule.sort(key=lambda row: (row["explained"].severity, -row["open"], row["explained"].code))
    totals = {name: sum(row[name] for row in by_rule) for name in ("open", "waived", "new", "mended")}
    return {"by_rule": by_rule, **totals}


# --- records that were set aside -------------------------------------------------------------------------


def _write_rejected(folder: Path, sources: list[dict[str, Any]], there: pa.Table) -> list[dict[str, Any]]:
    """Write the records of a member that were set aside, and the list of them; its rows."""
    listed = []
    staged = pa.array([rule.code for rule in rules.load() if rule.table != "reader"])  # these set nothing aside
    found = there.filter(pc.invert(pc.is_in(there["rule"], staged)))
    for source in sources:
        if source["rejected"]:
            of_source = found.filter(pc.equal(found["source_id"], source["source_id"]))
            listed += _of_source(folder / "rejected", source["source_id"], of_source)
    out = io.StringIO(newline="")
    lines = csv.DictWriter(out, REJECTED, extrasaction="ignore", lineterminator="\r\n")
    lines.writeheader()
    lines.writerows({name: _cell(row.get(name)) for name in REJECTED} for row in listed)
    (folder / "rejected.csv").write_bytes(MARK + out.getvalue().encode())
    return listed


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def _of_source(folder: Path, source_id: str, found: pa.Table) -> list[dict[str, Any]]:
    """Write what was set aside of one source; a row for each record."""
    folder.mkdir(exist_ok=True)
    listed: list[dict[str, Any]] = []
    files: dict[str, list[bytes]] = {"mrc": [], "xml": [], "txt": [], "raw": []}
    for row in _set_aside(source_id, found):
        content, explained = row.pop("content"), rules.explain(row["rule"])
        told = {
            **dict.fromkeys(REJECTED),
            **row,
            **dict(zip(("reason_en", "reason_zh"), reasons.in_both(row["reason"]), strict=True)),
            "raw_file": row["file"],
            **{name: getattr(explained, name) for name in TEXTS},
        }
        if row["rule"] in PRIVATE:
            note = ("可能含个人信息，不附内容", "may hold personal data; its content is not given")
            listed.append(told | dict(zip(NOTES, note, strict=True)))
            continue
        one = openable.opened(content)
        files[one.form].append(one.content)
        name, position = f"{source_id}.{one.form}", len(files[one.form])
        if one.form == "raw":
            if position > MOST_RAW:
                note = (f"只附前 {MOST_RAW} 条", f"only the first {MOST_RAW} are given; ask the centre")
                listed.append(told | dict(zip(NOTES, note, strict=True)))
                continue
            name, position = f"{source_id}-{position:03d}.bin", 1
            (folder / name).write_bytes(one.content)
        listed.append(
            {**told, "package_file": f"rejected/{name}", "position": position, **one._asdict(), "content": None}
        )
    for form in ("mrc", "txt"):
        if files[form]:
            (folder / f"{source_id}.{form}").write_bytes(b"".join(files[form]))
    if files["xml"]:
        (folder / f"{source_id}.xml").write_bytes(openable.collection(files["xml"]))
    return listed


def _set_aside(source_id: str, found: pa.Table) -> list[dict[str, Any]]:
    """The records of a source that defects say are set aside, in the order in which they came."""
    rows = []
    for batch_id in sorted(pc.unique(found["batch_id"]).to_pylist()):
        path = lake.staged_batch(source_id, batch_id) / "rejected.parquet"
        if path.exists():
            numbers = found.filter(pc.equal(found["batch_id"], batch_id))["record_no"]
            table = lake.read_table("staged.rejected", [path])
            rows += table.filter(pc.is_in(table["record_no"], numbers.combine_chunks())).to_pylist()
    return rows


# --- words -----------------------------------------------------------------------------------------------


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["verdict"] = lambda code: " ".join(labels()["verdict", code])
    environment.filters["reason"] = _reason
    environment.filters["day"] = lambda build: _beijing(build)[:10]
    environment.filters["minute"] = _beijing
    environment.filters["number"] = lambda value, digits=0: "–" if value is None else f"{value:,.{digits}f}"
    return environment.get_template("feedback.html")


def _reason(outcome: dict[str, Any]) -> list[str]:
    """Why a delivery was not used, in Chinese and English: what its gates saw, without what staff are to do."""
    failed = outcome["failed"] if outcome["verdict"] == "held" else []
    gates = expectations.in_both(decisions.failure(row) for row in failed)
    english, chinese = gates if failed else reasons.in_both(outcome["reason"])
    return list(dict.fromkeys((chinese, english)))


def _beijing(build_id: str) -> str:
    """When a build began, as Beijing's clock shows it."""
    if not build_id:
        return "–"
    return f"{datetime.strptime(build_id[:15], '%Y%m%dT%H%M%S') + lake.BEIJING:%Y-%m-%d %H:%M}"


def zipped(member_code: str, build_id: str) -> bytes:
    """A package as one archive, to be handed over; the same package gives the same bytes.

    Raises:
        FeedbackError: there is no such package.
    """
    folder = lake.feedback(member_code) / build_id
    if build_id not in runs(member_code):
        raise FeedbackError(f"member {member_code} has no package of build {build_id}; it has {runs(member_code)}")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = zipfile.ZipInfo(f"{member_code}-{build_id}/{file.relative_to(folder).as_posix()}")
            name.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(name, file.read_bytes())
    return out.getvalue()
