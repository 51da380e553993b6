"""Facts of usage in a build of the catalogue: what counts now, with the member and the bib that it belongs to.

`facts/<name>.sql` makes each table from the current staged rows and the tables of `facts/lookups.sql`.  No row is
dropped: one whose item, title or tenant is not known stays an orphan, and the outcome of its source says how many.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from harvesters.registry import Registry
from schemas.columns import Table
from schemas.usage import CATALOG_FACTS
from transforms.usage import convert
from warehouse import contract

FACTS = Path(__file__).parent / "facts"
ORDER = ("source_id", "month", "event_time")  # of rows, as far as a table has them; then by their keys
READ = ("bib", "item", "bib_record", "redirect", "former_record", "member")


def write(con: duckdb.DuckDBPyConnection, registry: Registry, folder: Path) -> None:
    """Write every fact table into the folder of a build, which has the tables that facts are joined to.

    Args:
        con: from `engine.open_lake`.
        registry: says which member a source is of.
        folder: of the build.
    """
    convert.connect(con)
    rows = [
        {
            "source_id": source.source_id,
            "member_code": source.member_code,
            "role": source.quirks.get("role", "borrow"),
            "zone": source.quirks.get("timezone", convert.ZONE),
        }
        for source in registry.sources
    ]
    names = pa.schema([(name, pa.string()) for name in ("source_id", "member_code", "role", "zone")])
    con.register("source", pa.Table.from_pylist(rows, schema=names))
    for name in READ:
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS FROM read_parquet({_text(folder / f'{name}.parquet')})"
        )
    con.execute((FACTS / "lookups.sql").read_text("utf-8"))
    for table in CATALOG_FACTS.values():
        _write(con, table, folder)
        if table.name == "request":
            con.execute(
                f"CREATE OR REPLACE TEMP VIEW request AS FROM read_parquet({_text(folder / 'request.parquet')})"
            )


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _write(con: duckdb.DuckDBPyConnection, table: Table, folder: Path) -> None:
    """Write one fact table; DuckDB does, so that memory does not grow with it.

    Rows come out of joins in any order; put in one, a build made again has the same bytes, and files are smaller.
    """
    names = [column.name for column in table.columns]
    columns, order = ", ".join(names), ", ".join([*(name for name in ORDER if name in names), "row_key"])
    sql = (FACTS / f"{table.name}.sql").read_text("utf-8")
    file = folder / f"{table.name}.parquet"
    con.execute(
        f"COPY (SELECT {columns} FROM ({sql}) ORDER BY {order}) TO {_text(file)} (FORMAT parquet, {_options()})"
    )
    contract.check_file(table.full_name, file)


def _options() -> str:
    """The options with which all our Parquet is written, as COPY names them."""
    return ", ".join(f"{name} {value}" for name, value in contract.PARQUET.items())


# --- counting --------------------------------------------------------------------------------------------

_PRIMARY = {  # format: the staged tables whose rows are counted, and the fact that has them
    "loans": "loan", "items": "item_month", "population": "population", "ill": "request", "ppv": "ppv",
    "ebook_loans": "ebook_loan", "counter": "eusage", "kbart": "title_list", "rental": "system_usage",
    "costs": "cost",
}  # fmt: skip
_ORPHAN = {
    "loan": ("item_link = 'none'", "loans have no item"),
    "item_month": ("bib_id IS NULL", "items have no bib"),
    "request": ("bib_id IS NULL", "requests have no bib"),
    "ppv": ("bib_id IS NULL", "orders have no bib"),
    "ebook_loan": ("bib_id IS NULL", "loans have no bib"),
    "eusage": ("level IN ('title', 'item') AND bib_id IS NULL", "counts of titles have no bib"),
    "title_list": ("bib_id IS NULL", "titles have no bib"),
    "population": ("member_code NOT IN (SELECT member_code FROM member)", "rows are of no member"),
    "system_usage": ("member_code NOT IN (SELECT member_code FROM member)", "rows are of no member"),
    "cost": ("member_code NOT IN (SELECT member_code FROM member)", "rows are of no member"),
}


def counts(con: duckdb.DuckDBPyConnection, source_id: str, kind: str, folder: Path) -> tuple[int, int, str]:
    """Of a source: how many rows are current, how many of them are in the build, and what is said of orphans."""
    name = _PRIMARY[kind]
    fact = f"read_parquet({_text(folder / f'{name}.parquet')})"
    real = "source_id = $1" if name != "item_month" else "source_id = $1 AND from_snapshot"
    current = _count(con, f"staged.current_{name}", "source_id = $1", source_id)
    written = _count(con, fact, real, source_id)
    if kind == "ill":
        current += _count(con, "staged.current_ill_message", "source_id = $1", source_id)
        logged = "source_id = $1 AND row_key IN (SELECT row_key FROM staged.current_request WHERE source_id = $1)"
        told = (
            f"(SELECT m.* FROM staged.current_ill_message AS m SEMI JOIN {fact} AS f ON f.source_id = m.source_id "
            "AND f.row_key = digest64(concat_ws('|', m.requester, m.request_id)))"
        )
        written = _count(con, fact, logged, source_id) + _count(con, told, "source_id = $1", source_id)
    condition, said = _ORPHAN[name]
    orphans = _count(con, fact, f"{real} AND {condition}", source_id)
    return current, written, f"{orphans} of {written} {said}" if orphans else ""


def _count(con: duckdb.DuckDBPyConnection, table: str, condition: str, source_id: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {table} WHERE {condition}", [source_id]).fetchone()
    return int(row[0]) if row else 0
