"""What a batch looks like, as counts: what its gates and those of later batches of its source go by.

Rows of `quality.profile`, kept with the batch.  Measures, and what each is counted for:

    outcome         received, staged, rejected, deleted or unchanged: records
    full            how the batch is to be read: 1 where it has all that the source has
    current         before, after: records that are there by the index
    rows            table: rows
    contract        table: columns that are missing, superfluous, or of another type than in `schemas/`
    required_null   table: empty values in columns that may not be empty
    key_twice       table: rows whose key occurred before
    format, charset, status, kind   code: bibliographic records (without charset ascii, which is the same in all)
    without         column of staged.bib: records in which it is empty
    tag             tag: records that have it (the commonest thousand)
    fields          tag: fields
    findings        fail, warn: records with at least one such finding
"""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import Table
from schemas.quality import QUALITY_PROFILE
from schemas.tables import TABLES
from warehouse import engine, lake
from warehouse.outcome import Outcome

MOST_TAGS = 1000
CODES = ("format", "charset", "status", "kind")
# the columns whose absence tells that a source's export or mapping changed
MAIN = (
    "isbn",
    "lang",
    "country",
    "publisher",
    "pub_year",
    "extent",
    "subjects",
    "clc",
    "creators",
    "price",
    "url",
)
CONTRACTS = {
    table.name: table for table in TABLES if table.layer == "staged" or table.full_name == "quality.issue"
}


def profile(folder: Path, outcome: Outcome, full: bool, before: int) -> pa.Table:
    """The profile of a staged batch.

    Args:
        folder: with the batch's tables, complete.
        outcome: with its counts.
        full: whether the batch replaces what the source sent before.
        before: records that were there before it.
    """
    counts: list[tuple[str, str, int]] = [("full", "", int(full))]
    for name in ("received", "staged", "rejected", "deleted", "unchanged"):
        counts.append(("outcome", name, getattr(outcome, name)))
    with engine.connect() as con:
        for file in sorted(folder.glob("*.parquet")):
            if file.stem in CONTRACTS:
                con.read_parquet(str(file)).create_view(file.stem)
                counts += _contract(con, file, CONTRACTS[file.stem])
        there = {
            row[0] for row in con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        }
        if "record" in there:
            counts.append(("current", "before", before))
            counts += _query(con, "SELECT 'current', 'after', count(*) FROM record WHERE NOT deleted")
        if {"bib", "field"} <= there:
            counts += _described(con)
    rows = [
        {"source_id": outcome.source_id, "batch_id": outcome.batch_id, "measure": m, "about": a, "count": n}
        for m, a, n in sorted(counts)
    ]
    return pa.Table.from_pylist(rows, schema=QUALITY_PROFILE.schema)


def _query(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, str, int]]:
    return con.execute(sql).fetchall()


def _contract(con: duckdb.DuckDBPyConnection, file: Path, table: Table) -> list[tuple[str, str, int]]:
    """How the file of a table keeps its contract."""
    found, wanted = pq.read_schema(file), table.schema
    types = {field.name: field.type for field in found}
    differ = sum(types.pop(field.name, None) != field.type for field in wanted) + len(types)
    # Parquet itself keeps nulls out of a required column
    lax = [f.name for f in wanted if not f.nullable and f.name in found.names and found.field(f.name).nullable]
    nulls = " + ".join(f'count(*) - count("{name}")' for name in lax) or "0"
    rows, empty = con.execute(f"SELECT count(*), {nulls} FROM {table.name}").fetchall()[0]
    twice = _key_twice(con, file, table) if table.key and set(table.key) <= set(found.names) else 0
    return [
        ("rows", table.full_name, rows),
        ("contract", table.full_name, differ),
        ("required_null", table.full_name, empty),
        ("key_twice", table.full_name, twice),
    ]


def _key_twice(con: duckdb.DuckDBPyConnection, file: Path, table: Table) -> int:
    """Rows whose key occurred before; the batch is one, so a key that ends in numbers is those numbers."""
    key = [name for name in table.key if name not in ("source_id", "batch_id")]
    if all(pa.types.is_integer(table.schema.field(name).type) for name in key) and _rises(file, key):
        return 0
    listed = ", ".join(f'"{name}"' for name in key)
    sql = f"SELECT count(*) - count(DISTINCT ({listed})) FROM {table.name}"
    return int(con.execute(sql).fetchall()[0][0])


def _rises(file: Path, key: list[str]) -> bool:
    """Whether each row's key is above that of the row before; tables are written in the order of records."""
    last: tuple[int, ...] = ()
    for batch in pq.ParquetFile(file).iter_batches(1 << 20, columns=key):
        columns = [batch.column(name).to_numpy(zero_copy_only=False) for name in key]
        if not len(columns[0]):
            continue
        first = tuple(int(column[0]) for column in columns)
        if last and first <= last:
            return False
        rises, equal = columns[0][1:] > columns[0][:-1], columns[0][1:] == columns[0][:-1]
        for column in columns[1:]:
            rises |= equal & (column[1:] > column[:-1])
            equal &= column[1:] == column[:-1]
        if not rises.all():
            return False
        last = tuple(int(column[-1]) for column in columns)
    return True


def _described(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int]]:
    """Counts of bibliographic records, their tags and findings."""
    found = []
    for name in CODES:
        where = f"{name} IS DISTINCT FROM 'ascii'"
        found += _query(con, f"SELECT '{name}', coalesce({name}, ''), count(*) FROM bib WHERE {where} GROUP BY 2")
    lists = {f.name for f in CONTRACTS["bib"].schema if pa.types.is_list(f.type)}
    empty = {name: f"len({name}) IS NOT DISTINCT FROM 0 OR {name} IS NULL" for name in MAIN if name in lists}
    counted = [f"count(*) FILTER (WHERE {empty.get(name, f'{name} IS NULL')})" for name in MAIN]
    numbers = con.execute(f"SELECT {', '.join(counted)} FROM bib").fetchall()[0]
    found += [("without", name, number) for name, number in zip(MAIN, numbers, strict=True)]
    tags = con.execute(
        f"""SELECT tag, count(DISTINCT record_no), count(*) FROM field WHERE subfield_no = 0
        GROUP BY tag ORDER BY 2 DESC, 1 LIMIT {MOST_TAGS}"""
    ).fetchall()
    found += [("tag", tag, records) for tag, records, _ in tags] + [("fields", tag, n) for tag, _, n in tags]
    return found + _query(
        con, "SELECT 'findings', severity, count(DISTINCT record_no) FROM issue GROUP BY severity"
    )


def read(folders: Iterable[Path]) -> pa.Table:
    """The profiles in those of these folders that have one."""
    files = [folder / "profile.parquet" for folder in folders]
    return lake.read_table(QUALITY_PROFILE.full_name, [file for file in files if file.exists()])
