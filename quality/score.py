"""Scores: one number that staff can sort by, of each record, source, and group of records.

    score = 100 - (points + 100 * rejected) / (records + rejected), and never below 0

where points are those that the findings on current records cost by their rules, and rejected are the records set
aside in the batches that hold current records or came last.  Where a rule says nothing else, one error in every
record costs 10 points and one warning 2; a source whose records all had to be set aside scores 0.  What a rule
finds or sets aside that is waived for the source is shown, and costs nothing.  A source without any record has no
score, nor has one of usage, whose bad lines are counted as rejected all the same.

Completeness and freshness stand beside the score: the share of `CORE` that records have, and the days from the
last good harvest to the build.  Groups are members, provinces, regional centres, cataloguing agencies (the first
of 801 or 040) and suppliers (what the source's quirk `supplier` says, else the last agency of the record).  The
queries are in `scores.sql`.
"""

from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from harvesters import usage_door
from harvesters.registry import Registry
from quality import decisions, rules
from schemas.quality import QUALITY_DEFECT, QUALITY_SCORE, QUALITY_SCORE_HISTORY
from warehouse import lake, marts

SQL = Path(__file__).resolve().parent / "scores.sql"
SET_ASIDE_POINTS = 100
_FAIL, _WARN = (f"{rules.SEVERITY_WEIGHT[severity]:g}" for severity in ("fail", "warn"))
FORMULA = (  # as the pages show it, in Chinese and English
    f"评分 = 100 −（各问题按规则扣分之和 + {SET_ASIDE_POINTS} × 退回记录）÷（现有记录 + 退回记录），最低为 0；"
    f"规则未另定时，错误扣 {_FAIL} 分，警告扣 {_WARN} 分；已豁免的问题与退回不扣分。",
    f"Score = 100 − (points of the findings + {SET_ASIDE_POINTS} × records set aside) ÷ (current records + "
    f"records set aside), never below 0; an error costs {_FAIL} points and a warning {_WARN}, where the rule says "
    "nothing else; what is waived costs nothing.",
)
# What every record is asked for, each an SQL condition on staged.bib.
CORE = (
    "title IS NOT NULL",
    "len(creators) > 0 OR resp_first IS NOT NULL",
    "publisher IS NOT NULL",
    "pub_year IS NOT NULL",
    "lang IS NOT NULL",
    "extent IS NOT NULL OR kind = 'article'",
    "len(isbn) > 0 OR len(issn) > 0 OR len(standard_no) > 0 OR len(url) > 0",
    "len(subjects) > 0",
    "len(clc) > 0 OR len(lcc) > 0 OR len(ddc) > 0 OR kind = 'article'",
)


def current_rejected(con: duckdb.DuckDBPyConnection) -> None:
    """Make the view `staged.current_rejected`: the records that are set aside now, each once."""
    con.execute(_statements()["current_rejected"])


@cache
def _statements() -> dict[str, str]:
    """The queries of `scores.sql` by name."""
    parts = SQL.read_text("utf-8").split("-- name: ")[1:]
    return {name: sql for name, _, sql in (part.partition("\n") for part in parts)}


def scores(con: duckdb.DuckDBPyConnection, registry: Registry) -> pa.Table:
    """`quality.score` of every registered source, from a connection that sees the lake.

    Also makes the view `staged.current_rejected`, what the score counts as rejected, and the table `record_score`.
    """
    members = {member.code: member for member in registry.members}  # of a member's periods the last
    rows = [
        {
            "member_code": source.member_code,
            "source_id": source.source_id,
            "format": source.format,
            "supplier": source.quirks.get("supplier"),
            "kind": members[source.member_code].kind,
            "province": members[source.member_code].province,
            "regional_centre": members[source.member_code].regional_centre,
        }
        for source in registry.sources
    ]
    names = ("member_code", "source_id", "format", "supplier", "kind", "province", "regional_centre")
    schema = pa.schema([(name, pa.string()) for name in names])
    con.register("in_registry", pa.Table.from_pylist(rows, schema=schema))
    con.register("waived", decisions.waiver_table().filter(pc.field("in_force")))
    of_usage = [source.source_id for source in registry.sources if source.format in usage_door.KINDS]
    con.register("of_usage", pa.table({"source_id": pa.array(of_usage, pa.string())}))
    builds = lake.catalog_builds()
    con.execute("SET VARIABLE build_id = ?", [builds[-1] if builds else None])
    con.execute("SET VARIABLE set_aside_points = ?", [SET_ASIDE_POINTS])
    con.register("rule_points", _rule_points(con))
    core = " + ".join(f"coalesce(({condition})::INT, 0)" for condition in CORE)
    current_rejected(con)
    marts.prepare(con)
    for name in ("registered", "record_score", "source_score"):
        con.execute(_statements()[name].replace("/* core */", f"100.0 * ({core}) / {len(CORE)}"))
    return (
        con.execute("SELECT * EXCLUDE (harvested_at, points) FROM source_score")
        .to_arrow_table()
        .cast(QUALITY_SCORE.schema)
    )


def _rule_points(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """What a finding costs; where no file explains the rule any more, what its severity does."""
    found = con.execute("SELECT DISTINCT rule, severity FROM quality.current_issue").fetchall()
    known = {rule.code: rule.weight for rule in rules.load()}
    points = [known.get(rule, rules.SEVERITY_WEIGHT[severity]) for rule, severity in found]
    return pa.table(
        {
            "rule": pa.array([rule for rule, _ in found], pa.string()),
            "severity": pa.array([severity for _, severity in found], pa.string()),
            "points": pa.array(points, pa.float64()),
        }
    )


def history(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """`quality.score_history`: what earlier builds had, and the rows of this one; call `scores` before."""
    current = con.execute(_statements()["score_history"]).to_arrow_table().cast(QUALITY_SCORE_HISTORY.schema)
    build_id = con.execute("SELECT getvariable('build_id')").fetchall()[0][0]
    earlier = lake.read_table(
        QUALITY_SCORE_HISTORY.full_name, [file for file in lake.score_files() if file.stem != build_id]
    )
    return pa.concat_tables([earlier, current])


def defects(con: duckdb.DuckDBPyConnection) -> pa.Table:
    """`quality.defect`: what was found as of the build before, and what becomes of it; call `scores` before."""
    build_id = con.execute("SELECT getvariable('build_id')").fetchall()[0][0]
    files = [file for file in lake.defect_files() if file.stem < build_id]
    con.register("earlier_defect", lake.read_table(QUALITY_DEFECT.full_name, files[-1:]))
    return con.execute(_statements()["defect"]).to_arrow_table().cast(QUALITY_DEFECT.schema)
