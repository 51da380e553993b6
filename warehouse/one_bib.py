"""One bib of the published file with all that is known of it, found by any id that it ever had."""

from typing import Any

import duckdb

from schemas.columns import DESCRIPTION
from warehouse.build import open_published

_PARTS = {
    "records": """SELECT source_id, record_id, batch_id FROM catalog.bib_record
        WHERE bib_id = $id ORDER BY ALL""",
    "members": """SELECT member_code, records, holdings, items FROM marts.bib_member
        WHERE bib_id = $id ORDER BY member_code""",
    "links": """SELECT other_bib_id, relation, evidence, score, title FROM catalog.link l
        LEFT JOIN catalog.bib b ON b.bib_id = l.other_bib_id WHERE l.bib_id = $id ORDER BY other_bib_id""",
    # all that happened to it and to the bibs that it took in
    "history": """SELECT build_id, event, bib_id, other_bib_id FROM catalog.lineage
        WHERE bib_id IN (SELECT $id UNION ALL SELECT bib_id FROM catalog.redirect WHERE living_bib_id = $id)
        OR other_bib_id = $id ORDER BY ALL""",
}
_VALUES = """SELECT column_name, value_no, source_id, record_id FROM catalog.provenance
    WHERE bib_id = $id ORDER BY ALL"""


class NoBibError(Exception):
    """No bib ever had this id."""


def one_bib(bib_id: str) -> dict[str, Any]:
    """A bib: asked, status (living, merged, retired), bib_id (the living one or None), and of the living one its
    values [{column, value, source_id, record_id}], records, members, links; history.

    Raises:
        NotPublishedError: nothing is published.
        NoBibError: the published file does not know the id.
    """
    with open_published() as con:
        redirect = _rows(con, "SELECT * FROM catalog.redirect WHERE bib_id = $id", bib_id)
        if not redirect:
            raise NoBibError(f"no bib of the published union ever had the id {bib_id!r}; look for it by title")
        row = redirect[0]
        living = row["living_bib_id"]
        shown = living or bib_id
        found = {"asked": bib_id, "status": row["status"], "since": row["build_id"], "bib_id": living}
        found["values"] = _values(con, living) if living else []
        return found | {name: _rows(con, query, shown) for name, query in _PARTS.items()}


def _rows(con: duckdb.DuckDBPyConnection, query: str, bib_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = con.execute(query, {"id": bib_id}).to_arrow_table().to_pylist()
    return rows


def _values(con: duckdb.DuckDBPyConnection, bib_id: str) -> list[dict[str, Any]]:
    (bib,) = _rows(con, "SELECT * FROM catalog.bib WHERE bib_id = $id", bib_id)
    givers = {(row["column_name"], row["value_no"]): row for row in _rows(con, _VALUES, bib_id)}
    values = []
    for column in DESCRIPTION:
        value = bib[column.name]
        for number, one in enumerate(value if isinstance(value, list) else [value]):
            if one is not None:
                giver = givers[column.name, number]
                of = {"source_id": giver["source_id"], "record_id": giver["record_id"]}
                values.append({"column": column.name, "name_zh": column.chinese, "value": one, **of})
    return values
