"""The published file as the pages ask it: one query a table, in `sql/`."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

import duckdb
import pyarrow as pa

from .words import SITE, Row

log = logging.getLogger("calis")
# `finding`: what rules found, and whether a waiver holds, which a file of an older version does not know
_FINDING = """CREATE OR REPLACE TEMP VIEW finding AS
SELECT issue.*, holds IS NOT NULL AS is_waived
FROM quality.issue LEFT JOIN ({holding}) USING (rule, source_id)"""
_HOLDING = (
    "SELECT DISTINCT rule, source_id, true AS holds FROM quality.waiver WHERE in_force",
    "SELECT NULL AS rule, NULL AS source_id, NULL AS holds WHERE false",
)


class Published:
    """An open published file.  What a file of an older version lacks is noted in `missing`, never raised."""

    def __init__(self, con: duckdb.DuckDBPyConnection):
        self._con = con
        self.missing: dict[str, str] = {}
        for holding in _HOLDING:
            with suppress(duckdb.CatalogException, duckdb.BinderException):
                con.execute(_FINDING.format(holding=holding))
                break

    def rows(self, name: str, optional: bool = False) -> list[Row]:
        """The rows of the query `sql/<name>.sql`; none where the file lacks a table or column that it asks for.

        What is `optional` need not be there: it is not noted as missing.
        """
        sql = (SITE / "sql" / f"{name}.sql").read_text("utf-8")
        try:
            return _plain(self._con.execute(sql).to_arrow_table()).to_pylist()
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            if optional:
                return []
            self.missing[name] = str(error).splitlines()[0]
            log.warning("the published file can't answer %s.sql: %s", name, self.missing[name])
            return []


def _plain(table: pa.Table) -> pa.Table:
    """Decimals, among them sums of integers, as numbers that templates and JSON take."""
    plain = [
        f.with_type(pa.float64() if f.type.scale else pa.int64()) if pa.types.is_decimal(f.type) else f
        for f in table.schema
    ]
    return table.cast(pa.schema(plain))


def by(column: str, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows in groups of the same value of a column, in the order in which they come."""
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row[column]].append(row)
    return grouped
