"""Rules that compare records of several batches, sources and members: they run once on a build, at publication.

What they find joins the findings of the batches in `quality.current_issue`, and so is published, scored, sent and
settled like any other.
"""

from datetime import date

import duckdb

from harvesters.registry import Registry
from quality.rules import FOLDER, Rule, RuleError, definitions, load
from quality.rules.scans import LONGEST_VALUE
from schemas.quality import QUALITY_ISSUE
from warehouse import lake

# What is current and in the build: of a record that came since, the catalogue does not know the bib yet.
_UNION_RECORD = """
CREATE OR REPLACE TEMP VIEW union_record AS
SELECT current_bib.*, member_code, bib_record.bib_id
FROM staged.current_bib
JOIN catalog.bib_record USING (source_id, record_id, batch_id, record_no)
JOIN member_of USING (source_id)
"""

# An item that lost its record has no format, so no tag.
_FOUND = """
INSERT INTO quality.union_issue BY NAME
SELECT source_id, batch_id, record_no, record_id, $rule AS rule, $severity AS severity,
    CASE format {tags} END AS tag, left(value, {longest}) AS value
FROM ({select}) AS found
LEFT JOIN (SELECT source_id, batch_id, record_no, format FROM staged.current_bib) AS bib
    USING (source_id, batch_id, record_no)
"""


def find(con: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    """Check the newest build, and let `quality.current_issue` have these findings too.

    Args:
        con: from `engine.open_lake`, not yet in another database.
        registry: says which member a source is of.

    Raises:
        RuleError: the SQL of a rule does not work.
    """
    con.execute((FOLDER / "macros.sql").read_text("utf-8").replace("CREATE MACRO", "CREATE OR REPLACE MACRO"))
    con.register("empty_union_issue", QUALITY_ISSUE.empty())
    con.execute("CREATE TABLE quality.union_issue AS FROM empty_union_issue")
    con.execute("CREATE TEMP TABLE member_of (source_id TEXT, member_code TEXT)")
    if registry.sources:
        members = [[source.source_id, source.member_code] for source in registry.sources]
        con.executemany("INSERT INTO member_of VALUES (?, ?)", members)
    con.execute("CREATE TEMP TABLE known_publisher (number TEXT, name TEXT)")
    known = [[row["number"], row["name"]] for row in definitions.rows("isbn_publishers")]
    con.executemany("INSERT INTO known_publisher VALUES (?, ?)", known)
    con.execute(_UNION_RECORD)
    day = date.fromisoformat(lake.catalog_builds()[-1][:8])
    for rule in load():
        if rule.table == "union" and rule.is_in_force(day):
            _check(con, rule)
    con.execute("ALTER VIEW quality.current_issue RENAME TO batch_issue")
    # what was found within a batch is found again among all, as it is now
    again = ", ".join(f"'{rule.code}'" for rule in load() if rule.published_as) or "NULL"
    con.execute(f"""
        CREATE VIEW quality.current_issue AS
        SELECT * FROM quality.batch_issue WHERE rule NOT IN ({again})
        UNION ALL BY NAME SELECT * FROM quality.union_issue""")


def _check(con: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    """Add what a rule finds to `quality.union_issue`."""
    tags = " ".join(f"WHEN '{name}' THEN '{tag}'" for name, tag in rule.tags.items() if name)
    tags = f"{tags or 'WHEN NULL THEN NULL'} ELSE {repr(rule.tags['']) if '' in rule.tags else 'NULL'}"
    sql = _FOUND.format(tags=tags, longest=LONGEST_VALUE, select=rule.predicate)
    try:
        con.execute(sql, {"rule": rule.code, "severity": rule.severity})
    except duckdb.Error as error:
        raise RuleError(f"rule {rule.code}: its SQL does not work: {error}") from error
