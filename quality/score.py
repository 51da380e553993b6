"""The score of each source: one number that staff can sort by.

    score = 100 - (10 * fails + 2 * warns + 100 * rejected) / (records + rejected), and never below 0

where fails and warns are findings on current records, and rejected are the records set aside in the batches
that hold current records or came last.  So one error in every record costs 10 points, one warning in every
record 2, and a source whose records all had to be set aside scores 0.  A source without any record has none,
nor has one of circulation events, whose bad lines are counted as rejected all the same.
"""

import duckdb
import pyarrow as pa

from harvesters.registry import Registry
from schemas.quality import QUALITY_SCORE

FAIL_WEIGHT, WARN_WEIGHT, REJECTED_WEIGHT = 10, 2, 100
FORMULA = (  # as the pages show it, in Chinese and English
    f"评分 = 100 −（{FAIL_WEIGHT} × 错误 + {WARN_WEIGHT} × 警告 + {REJECTED_WEIGHT} × 退回记录）"
    "÷（现有记录 + 退回记录），最低为 0。",
    f"Score = 100 − ({FAIL_WEIGHT} × errors + {WARN_WEIGHT} × warnings + {REJECTED_WEIGHT} × records set aside) "
    "÷ (current records + records set aside), never below 0.",
)

# A rejected record is current when its batch holds a current record or is the newest of its source, and the
# source has not sent it again since: so a good resubmission settles it.
_CURRENT_REJECTED = """
CREATE OR REPLACE VIEW staged.current_rejected AS
SELECT * FROM staged.rejected SEMI JOIN (
    SELECT DISTINCT source_id, batch_id FROM staged.record
    UNION
    SELECT source_id, max(batch_id) FROM (
        SELECT source_id, batch_id FROM staged.bib UNION ALL SELECT source_id, batch_id FROM staged.rejected
    ) GROUP BY source_id
) USING (source_id, batch_id)
ANTI JOIN staged.record ON record.source_id = rejected.source_id AND record.record_id = rejected.record_id
    AND record.batch_id > rejected.batch_id
"""
_SQL = f"""
WITH records AS (
    SELECT source_id, count(*) AS records FROM staged.record WHERE NOT deleted GROUP BY source_id
),
issues AS (
    SELECT source_id, count(DISTINCT (batch_id, record_no)) AS with_issue,
        count(*) FILTER (WHERE severity = 'fail') AS fails, count(*) FILTER (WHERE severity = 'warn') AS warns
    FROM quality.current_issue GROUP BY source_id
),
set_aside AS (
    SELECT source_id, count(*) AS rejected FROM staged.current_rejected GROUP BY source_id
),
counted AS (
    SELECT member_code, source_id, coalesce(records, 0) AS records, coalesce(with_issue, 0) AS with_issue,
        coalesce(fails, 0) AS fails, coalesce(warns, 0) AS warns, coalesce(rejected, 0) AS rejected
    FROM registered
    LEFT JOIN records USING (source_id) LEFT JOIN issues USING (source_id) LEFT JOIN set_aside USING (source_id)
)
SELECT *, CASE WHEN records + rejected > 0 AND source_id NOT IN (SELECT source_id FROM staged.loan) THEN
    greatest(0, 100 - ({FAIL_WEIGHT} * fails + {WARN_WEIGHT} * warns + {REJECTED_WEIGHT} * rejected)
        / (records + rejected)) END AS score
FROM counted
ORDER BY member_code, source_id
"""


def scores(con: duckdb.DuckDBPyConnection, registry: Registry) -> pa.Table:
    """`quality.score` of every registered source, from a connection that sees the lake.

    Also makes the view `staged.current_rejected`: what the score counts as rejected.
    """
    con.execute(_CURRENT_REJECTED)
    rows = [{"member_code": source.member_code, "source_id": source.source_id} for source in registry.sources]
    names = pa.schema([("member_code", pa.string()), ("source_id", pa.string())])
    con.register("registered", pa.Table.from_pylist(rows, schema=names))
    return con.execute(_SQL).to_arrow_table().cast(QUALITY_SCORE.schema)
