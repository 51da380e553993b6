"""What became of every row of the usage files of a source: an account that adds up to the rows of the files."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from harvesters import landing, registry, usage_door
from harvesters.registry import Source
from transforms.usage.kinds import KINDS, OF_FORMAT
from warehouse import engine, lake

_EVENTS = pa.schema(
    {"batch_id": "string", "file": "string", "row": "int32", "record_no": "int32", "kind": "string"}
)
# A row that is in no table told what was known already; what a batch said is named by its place in the batch.
_FATE = """
SELECT $1 AS source_id, e.batch_id, e.file, e.row,
    CASE WHEN s.record_no IS NOT NULL THEN coalesce(ended.reason, 'counted')
        WHEN r.record_no IS NOT NULL THEN 'rejected' WHEN e.batch_id IN (SELECT unnest($2)) THEN 'told before'
        ELSE 'not staged' END AS fate,
    regexp_replace(r.reason, '^row \\d+: ', '') AS reason, {named} AS named, {bib} AS has_bib, {partner} AS partner
FROM events AS e
LEFT JOIN staged.{table} AS s
    ON s.source_id = $1 AND s.batch_id = e.batch_id AND s.record_no = e.record_no
LEFT JOIN staged.rejected AS r
    ON r.source_id = $1 AND r.batch_id = e.batch_id AND r.record_no = e.record_no
LEFT JOIN staged.superseded AS ended
    ON ended.source_id = $1 AND table_name = '{table}' AND old_batch_id = e.batch_id
        AND old_record_no = e.record_no
{fact}
WHERE e.kind = '{kind}'
ORDER BY e.batch_id, e.record_no"""
_SUMMED = """
SELECT source_id, batch_id, file, count(*) AS rows,
    count(*) FILTER (fate = 'counted') AS counted,
    count(*) FILTER (fate IN ('changed', 'gone', 'withdrawn')) AS told_anew,
    count(*) FILTER (fate = 'told before') AS told_before,
    count(*) FILTER (fate = 'rejected') AS rejected,
    count(*) FILTER (fate = 'not staged') AS not_staged,
    CASE WHEN count(has_bib) > 0 THEN count(*) FILTER (fate = 'counted' AND NOT has_bib) END AS no_bib,
    CASE WHEN count(partner) > 0 THEN count(*) FILTER (fate = 'counted' AND partner = 'unknown') END
        AS unknown_partner,
    coalesce(list_aggregate(list_sort(list(DISTINCT reason) FILTER (reason IS NOT NULL)), 'string_agg', '; '), '')
        AS reasons
FROM account GROUP BY source_id, batch_id, file ORDER BY source_id, batch_id, file"""

_PARTNER = "CASE WHEN f.partner_code IS NOT NULL THEN 'member' WHEN f.partner IS NOT NULL THEN 'unknown' END"


class AccountError(Exception):
    """There is nothing to give an account of."""


def account(source_ids: list[str]) -> tuple[pa.Table, pa.Table]:
    """The account of sources of usage, of all where none is named.

    Returns:
        One row a file: its rows (events: a loan whose return stands in the same row is two), and how many of them
        are counted, were told anew by a later row, told what was known, were rejected, or wait to be staged; of
        those that count, how many have no bib, and name a partner who is no member.  And one row a row of a file:
        source_id, batch_id, file, row (its number in the file), fate, reason, named (what it is called), has_bib,
        partner.  Without a build of the catalogue nothing is said of bibs and partners.

    Raises:
        AccountError: a source is not known, or not of usage.
    """
    known = {source.source_id: source for source in registry.load().sources if source.format in OF_FORMAT}
    if unknown := sorted(set(source_ids) - set(known)):
        raise AccountError(f"no source of usage is called {', '.join(unknown)}; sources.csv has the names")
    with engine.open_lake() as con:
        parts = [_of_source(con, known[name]) for name in source_ids or sorted(known)]
        con.register("account", pa.concat_tables(parts))
        return con.execute(_SUMMED).to_arrow_table(), con.execute("FROM account").to_arrow_table()


def write_rows(rows: pa.Table, path: Path) -> None:
    """Write the account of rows as CSV."""
    with lake.replacing_file(path) as scratch:
        pyarrow.csv.write_csv(rows, scratch)


def _of_source(con: duckdb.DuckDBPyConnection, source: Source) -> pa.Table:
    con.register("events", _events(source))
    staged = lake.staged_batches(source.source_id)
    parts = []
    for kind in OF_FORMAT[source.format]:
        table = KINDS[kind][0].name
        columns = {"table": table, "kind": kind, "bib": "CAST(NULL AS BOOLEAN)", "fact": ""}
        columns["named"] = columns["partner"] = "CAST(NULL AS VARCHAR)"
        if kind == "ill":
            columns["named"], columns["partner"] = "s.request_id", _PARTNER
        elif len(KINDS[kind][0].identity) == 1:
            columns["named"] = f"s.{KINDS[kind][0].identity[0]}"
        if kind != "iso18626":
            key = "event_id" if table == "loan" else "row_key"
            columns["fact"] = f"LEFT JOIN catalog.{table} AS f ON f.source_id = $1 AND f.{key} = s.{key}"
            if "bib_id" in {name for name, *_ in con.execute(f"DESCRIBE catalog.{table}").fetchall()}:
                columns["bib"] = "CASE WHEN f.source_id IS NOT NULL THEN f.bib_id IS NOT NULL END"
        parts.append(con.execute(_FATE.format(**columns), [source.source_id, staged]).to_arrow_table())
    return pa.concat_tables(parts, promote_options="permissive")


def _events(source: Source) -> pa.Table:
    """The events of every landed file, numbered as the stage numbers them: over the files of a batch."""
    parts = [_EVENTS.empty_table()]
    for batch_id in lake.raw_batches(source.source_id):
        before = 0
        for entry in landing.manifest(source.source_id, batch_id):
            with landing.open_raw(source.source_id, batch_id, entry["file"]) as stream:
                clean = usage_door.opened(stream)
                file = entry["file"].removesuffix(usage_door.SUFFIX)
                columns = {"batch_id": batch_id, "file": file, "kind": clean.kind}
                for table in clean.tables:
                    numbers = _row_numbers(table)
                    count = len(numbers)
                    made = {name: pa.repeat(pa.scalar(text), count) for name, text in columns.items()}
                    made |= {"row": numbers, "record_no": pa.array(range(before, before + count), pa.int32())}
                    parts.append(pa.table(made).select(_EVENTS.names).cast(_EVENTS))
                    before += count
    return pa.concat_tables(parts)


def _row_numbers(table: pa.Table) -> pa.Array:
    """The number of the row of each event; a row with a loan and its return stands twice."""
    rows = table["row"].combine_chunks()
    if usage_door.events(table) == len(table):
        return rows
    returned = rows.filter(pc.is_valid(table["returned_at"].combine_chunks()))
    return pc.take(pa.concat_arrays([rows, returned]), pc.sort_indices(pa.concat_arrays([rows, returned])))
