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
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.columns import Table
from schemas.quality import QUALITY_PROFILE
from schemas.tables import TABLES
from warehouse import engine, lake
from warehouse.outcome import Outcome

Count = tuple[str, str, int]  # measure, about, count
MOST_TAGS = 1000
ASCII = "ascii"
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
    counts: list[Count] = [("full", "", int(full))]
    for name in ("received", "staged", "rejected", "deleted", "unchanged"):
        counts.append(("outcome", name, getattr(outcome, name)))
    files = {file.stem: file for file in sorted(folder.glob("*.parquet")) if file.stem in CONTRACTS}
    for name, file in files.items():
        counts += _contract(file, CONTRACTS[name])
    if "record" in files:
        deleted = pq.read_table(files["record"], columns=["deleted"])["deleted"]
        counts.append(("current", "before", before))
        counts.append(("current", "after", len(deleted) - int(pc.sum(deleted).as_py() or 0)))
    if {"bib", "field", "issue"} <= set(files):
        counts += _described(files)
    rows = [
        {"source_id": outcome.source_id, "batch_id": outcome.batch_id, "measure": m, "about": a, "count": n}
        for m, a, n in sorted(counts)
    ]
    return pa.Table.from_pylist(rows, schema=QUALITY_PROFILE.schema)


_connection = cache(engine.connect)  # opening one takes as long as its questions


def _ask(file: Path, sql: str) -> list[tuple[Any, ...]]:
    """The answer to a query of one file, which it names `FROM file`."""
    with _connection().cursor() as con:
        return con.execute(sql.replace("FROM file", "FROM read_parquet(?)"), [str(file)]).fetchall()


def _contract(file: Path, table: Table) -> list[Count]:
    """How the file of a table keeps its contract."""
    found, wanted = pq.read_schema(file), table.schema
    types = {field.name: field.type for field in found}
    differ = sum(types.pop(field.name, None) != field.type for field in wanted) + len(types)
    # Parquet itself keeps nulls out of a required column
    lax = [f.name for f in wanted if not f.nullable and f.name in found.names and found.field(f.name).nullable]
    nulls = " + ".join(f'count(*) - count("{name}")' for name in lax)
    return [
        ("rows", table.full_name, pq.read_metadata(file).num_rows),
        ("contract", table.full_name, differ),
        ("required_null", table.full_name, _ask(file, f"SELECT {nulls} FROM file")[0][0] if lax else 0),
        ("key_twice", table.full_name, _key_twice(file, table) if set(table.key) <= set(found.names) else 0),
    ]


def _key_twice(file: Path, table: Table) -> int:
    """Rows whose key occurred before; in one batch of one source."""
    key = [name for name in table.key if name not in ("source_id", "batch_id")]
    if not key or (_numbers(table, key) and _rises(file, key)):
        return 0
    listed = ", ".join(f'"{name}"' for name in key)
    return int(_ask(file, f"SELECT count(*) - count(DISTINCT ({listed})) FROM file")[0][0])


def _numbers(table: Table, key: list[str]) -> bool:
    return all(pa.types.is_integer(table.schema.field(name).type) for name in key)


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


def _described(files: dict[str, Path]) -> list[Count]:
    """Counts of bibliographic records, their tags and findings."""
    lists = {field.name for field in CONTRACTS["bib"].schema if pa.types.is_list(field.type)}
    empty = [f"coalesce(len({name}), 0) = 0" if name in lists else f"{name} IS NULL" for name in MAIN]
    asked = [f"histogram(coalesce({name}, ''))" for name in CODES]
    asked += [f"count(*) FILTER (WHERE {condition})" for condition in empty]
    answer = _ask(files["bib"], f"SELECT {', '.join(asked)} FROM file")[0]
    counts: list[Count] = []
    for measure, codes in zip(CODES, answer, strict=False):
        counts += [(measure, code, n) for code, n in (codes or {}).items() if code != ASCII]
    counts += [("without", name, n) for name, n in zip(MAIN, answer[len(CODES) :], strict=True)]
    sql = f"""SELECT tag, count(DISTINCT record_no), count(*) FROM file WHERE subfield_no = 0
        GROUP BY tag ORDER BY 2 DESC, 1 LIMIT {MOST_TAGS}"""
    for tag, records, fields in _ask(files["field"], sql):
        counts += [("tag", tag, records), ("fields", tag, fields)]
    sql = "SELECT severity, count(DISTINCT record_no) FROM file GROUP BY severity"
    return counts + [("findings", severity, n) for severity, n in _ask(files["issue"], sql)]


def read(folders: Iterable[Path]) -> pa.Table:
    """The profiles in those of these folders that have one."""
    files = [folder / "profile.parquet" for folder in folders]
    return lake.read_table(QUALITY_PROFILE.full_name, [file for file in files if file.exists()])
