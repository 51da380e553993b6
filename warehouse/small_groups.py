"""What a published event tells of its reader: only what five readers or more of the member have in common.

Events stand in the published file without pseudonyms, but a department with one professor would name him.  So
where fewer than `marts.SMALL_GROUP` readers share an event's type, group and department, type and department are
left out; and its group too, where fewer than that stand behind all that was so left out of the group.  Where no
reader is known, events count in place of readers, as in the marts.
"""

import duckdb

from schemas.columns import Table
from warehouse.marts import SMALL_GROUP

_SAID = ("reader_type", "reader_group", "department")
_SAME = " AND ".join(f"cell.{name} IS NOT DISTINCT FROM said.{name}" for name in ("member_code", *_SAID))
_PEOPLE = "coalesce(nullif(count(DISTINCT reader_key), 0), sum(events))"
_SMALL = f"""CREATE OR REPLACE TEMP TABLE small_cell AS
WITH said AS (
    SELECT member_code, {", ".join(_SAID)}, reader_key, count(*) AS events FROM {{table}}
    WHERE coalesce({", ".join(_SAID)}) IS NOT NULL GROUP BY ALL
),
cell AS (
    SELECT member_code, {", ".join(_SAID)} FROM said GROUP BY ALL HAVING {_PEOPLE} < {SMALL_GROUP}
),
rest AS (
    SELECT said.member_code, said.reader_group FROM said SEMI JOIN cell ON {_SAME}
    GROUP BY ALL HAVING {_PEOPLE} < {SMALL_GROUP}
)
SELECT said.*, rest.member_code IS NOT NULL AS small_group
FROM cell AS said LEFT JOIN rest
    ON rest.member_code = said.member_code AND rest.reader_group IS NOT DISTINCT FROM said.reader_group"""
_HIDDEN = f"""(SELECT said.* REPLACE (
        CASE WHEN cell.member_code IS NULL THEN said.reader_type END AS reader_type,
        CASE WHEN cell.small_group IS NOT true THEN said.reader_group END AS reader_group,
        CASE WHEN cell.member_code IS NULL THEN said.department END AS department
    )
    FROM {{table}} AS said LEFT JOIN {{cells}} AS cell ON {_SAME})"""


def has_readers(table: Table) -> bool:
    """Whether the events of a table are of readers."""
    return any(column.name == "reader_key" for column in table.columns)


def hidden(con: duckdb.DuckDBPyConnection, table: Table) -> str:
    """What is to be published in place of a table of events, as SQL that stands behind FROM.

    Args:
        con: from `engine.open_lake`, which is reachable as `memory`.
        table: whose events are of readers.
    """
    name = f"memory.{table.full_name}"
    con.execute(_SMALL.format(table=name))
    if con.execute("FROM small_cell LIMIT 1").fetchone() is None:
        return name
    cells = f"small_{table.name}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE {cells} AS FROM small_cell")
    return _HIDDEN.format(table=name, cells=cells)
