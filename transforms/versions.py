"""When a bib last changed: a digest of all that it is made of, kept over rebuilds that find the same.

A bib has changed when one of its records came, left or has other content, or a holding, an item or a link of it is
another.  In the first build of a lake nothing is said (null), so that the same records give the same bytes;
which build that was stands in `inputs.json` of every build.
"""

import json
from pathlib import Path

import duckdb
import pyarrow as pa

from schemas.catalog import CATALOG_VERSION
from warehouse import lake

INPUTS = "inputs.json"  # in each build: what it was made from, members of sources, the first build

_PARTS = """
    SELECT bib_id, hash('bib', b) AS part FROM read_parquet('{folder}/bib.parquet') b
    UNION ALL
    SELECT r.bib_id, hash('record', r.source_id, r.record_id, s.digest)
    FROM read_parquet('{folder}/bib_record.parquet') r JOIN staged.record s USING (source_id, record_id)
    UNION ALL SELECT bib_id, hash('holding', h) FROM read_parquet('{folder}/holding.parquet') h
    UNION ALL SELECT bib_id, hash('item', i) FROM read_parquet('{folder}/item.parquet') i
    UNION ALL SELECT bib_id, hash('link', l.other_bib_id) FROM read_parquet('{folder}/link.parquet') l
"""
_VERSIONS = """
SELECT bib_id, now.digest,
    CASE WHEN before.bib_id IS NOT NULL THEN before.came_build ELSE $build END AS came_build,
    CASE WHEN before.digest = now.digest THEN before.changed_build ELSE $build END AS changed_build
FROM (SELECT bib_id, bit_xor(part) AS digest FROM ({parts}) GROUP BY bib_id) now
LEFT JOIN catalog.version before USING (bib_id)
ORDER BY bib_id
"""


def first_build(builds: list[str], build_id: str) -> str:
    """The build since which versions are kept in this lake: `build_id` itself, where none did before."""
    if not builds:
        return build_id
    folder = lake.catalog_build(builds[-1])
    if not (folder / f"{CATALOG_VERSION.name}.parquet").exists():
        return build_id
    return str(json.loads((folder / INPUTS).read_text("utf-8"))["first_build"])


def versions(con: duckdb.DuckDBPyConnection, folder: Path, build_id: str) -> pa.Table:
    """`catalog.version` of the build whose other tables are in `folder`.

    Args:
        con: from `engine.open_lake`; `catalog` is the build before.
    """
    is_first = first_build(lake.catalog_builds(), build_id) == build_id
    parts = _PARTS.format(folder=str(folder).replace("'", "''"))
    query = _VERSIONS.format(parts=parts)
    return con.execute(query, {"build": None if is_first else build_id}).to_arrow_table()
