"""The union catalogue as one file: golden records as Parquet, ISO 2709 or MARCXML, whole or since a date or build.

Bibs are written in order of their id.  One file holds CNMARC and MARC 21 records, each as it is (`only` keeps one
format): a reader tells them apart by 200 and 245, as ours does.  An export of changes holds the bibs that came or
changed since, and a deletion for every id that was merged or retired since (in both formats where both are
asked for, since nobody knows any more what it was: as MARC 21, or as `only` says).

DuckDB sorts the fields by bib, on disk where memory ends; what it gives is written some bibs at a time.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from harvesters import registry
from schemas.catalog import CATALOG_BIB
from transforms import export, merge, union_marc
from transforms.union_marc import Bib, Line
from transforms.versions import INPUTS
from warehouse import engine, lake
from warehouse.progress import Progress

FORMS = ("parquet", "iso2709", "marcxml")
PIECE = 2_000  # bibs written at once
MEMORY = "1GB"
_BUILD = re.compile(r"\d{8}T\d{12}Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

# Bibs numbered in order of id; `changed` is the build, never null.
_CHOSEN = """
CREATE TABLE chosen AS
SELECT row_number() OVER (ORDER BY bib_id) - 1 AS bib_no, bib_id, changed, came
FROM (
    SELECT bib_id, coalesce(changed_build, $first) AS changed, coalesce(came_build, $first) AS came
    FROM catalog.version
) WHERE changed > $since
ORDER BY bib_id
"""
# A record's rank is 0 for the carrier, then by precedence; none of a bib is the carrier where none is MARC.
_RANKED = """
CREATE TABLE member_record AS
WITH of_bib AS (
    SELECT bib_no, r.*, r.format IN ('marc21', 'cnmarc', 'unimarc') AS is_marc,
        p.source_id IS NOT NULL AS gave_title
    FROM ranked r JOIN chosen USING (bib_id)
    LEFT JOIN catalog.provenance p
        ON p.bib_id = r.bib_id AND p.column_name = 'title' AND p.source_id = r.source_id
        AND p.record_id = r.record_id
), ordered AS (
    SELECT *, row_number() OVER (PARTITION BY bib_no ORDER BY NOT is_marc, NOT gave_title, place) - 1 AS rank
    FROM of_bib
)
SELECT *, first_value(CASE WHEN is_marc THEN format END) OVER (PARTITION BY bib_no ORDER BY rank) AS marc
FROM ordered ORDER BY bib_no, rank
"""
_FIELDS = """
SELECT bib_no, rank, field_no, tag, ind1, ind2, code, value
FROM staged.field JOIN member_record m USING (source_id, batch_id, record_no)
WHERE is_marc AND (rank = 0 OR (m.format = marc AND (m.format, tag) IN (SELECT (format, tag) FROM enriched)))
ORDER BY bib_no, rank, field_no, subfield_no
"""
_BIBS = """
WITH record AS (
    SELECT bib_no, any_value(marc) AS marc,
        list([member_code, coalesce(control_number, record_id)] ORDER BY place) AS records
    FROM member_record GROUP BY bib_no
), call AS (
    SELECT bib_id, member_code, call_number, copies, NULL AS barcode FROM catalog.holding
    UNION ALL SELECT bib_id, member_code, call_number, NULL, record_id || '/' || item_no FROM catalog.item
), holding AS (
    SELECT bib_no, member_code, list_sort(list(DISTINCT call_number) FILTER (call_number IS NOT NULL)) AS calls,
        coalesce(nullif(count(barcode), 0), sum(copies)) AS copies
    FROM call JOIN chosen USING (bib_id) GROUP BY ALL
    UNION ALL
    SELECT DISTINCT bib_no, member_code, NULL, NULL FROM member_record
), held AS (
    SELECT bib_no, member_code, max(calls) AS calls, CAST(max(copies) AS INTEGER) AS copies
    FROM holding GROUP BY ALL
), members AS (
    SELECT bib_no, list({'member': member_code, 'calls': calls, 'copies': copies} ORDER BY member_code) AS members
    FROM held GROUP BY bib_no
), former AS (
    SELECT living_bib_id AS bib_id, list(bib_id ORDER BY bib_id) AS former_ids
    FROM catalog.redirect WHERE status = 'merged' GROUP BY ALL
), linked AS (
    SELECT bib_id, list(other_bib_id ORDER BY other_bib_id) AS linked FROM catalog.link GROUP BY ALL
)
SELECT c.bib_no, c.changed, c.came, marc, record.records AS of_records, m.members AS held_by, former_ids, linked,
    b.*
FROM chosen c JOIN catalog.bib b USING (bib_id) JOIN record USING (bib_no) LEFT JOIN members m USING (bib_no)
LEFT JOIN former ON former.bib_id = c.bib_id LEFT JOIN linked ON linked.bib_id = c.bib_id
ORDER BY c.bib_no
"""
_PARQUET = """
SELECT c.bib_id, CASE WHEN c.came > $since AND $since <> '' THEN 'new' WHEN $since <> '' THEN 'changed'
    ELSE 'current' END AS status, NULL::VARCHAR AS replaced_by, c.changed AS changed_build,
    (SELECT list(DISTINCT member_code ORDER BY member_code) FROM member_record m WHERE m.bib_no = c.bib_no)
        AS member_codes,
    b.* EXCLUDE (bib_id)
FROM chosen c JOIN catalog.bib b USING (bib_id) ORDER BY c.bib_no
"""


def since_build(text: str) -> str:
    """A date (that day included) or build (excluded) as what later build ids are greater than; empty: all.

    Raises:
        ExportError: it is neither.
    """
    if not text or _BUILD.fullmatch(text):
        return text
    if _DATE.fullmatch(text):
        return text.replace("-", "")
    raise export.ExportError(f"--since {text!r} is no date (2026-11-24) and no build (20261124T170102123456Z)")


def export_union(
    out: Path, form: str = "iso2709", encoding: str = "utf-8", since: str = "", only: str = ""
) -> dict[str, Any]:
    """Write the union of the newest build into one file, which takes the place of `out` when it is complete.

    Args:
        out: the file.
        form: parquet, iso2709 or marcxml.
        encoding: utf-8 or gb18030, for MARC.
        since: a date or build; only what came, changed or went since.
        only: cnmarc (and unimarc) or marc21; all where empty.

    Returns:
        As `transforms.export.export`, and build, deletions.

    Raises:
        ExportError: a choice is not known, or there is no catalogue.
    """
    if form not in FORMS or encoding not in export.ENCODINGS or only not in ("", "cnmarc", "marc21"):
        raise export.ExportError(
            f"can't write {form} in {encoding} {only}: {', '.join(FORMS)}; {' or '.join(export.ENCODINGS)}; "
            "only cnmarc or marc21"
        )
    if not (builds := lake.catalog_builds()):
        raise export.ExportError("there is no catalogue yet; run `calis catalog` first")
    start = since_build(since)
    told: dict[str, Any] = {"file": str(out), "form": form, "encoding": encoding, "build": builds[-1], "bytes": 0}
    told |= {"records": 0, "written": 0, "split": 0, "refused": 0, "deletions": 0, "problems": []}
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=lake.home()) as spill,
        engine.open_lake(MEMORY) as con,
        lake.replacing_file(out) as scratch,
    ):
        con.execute("SET temp_directory = $1", [spill])
        _choose(con, builds[-1], start)
        if form == "parquet":
            _write_parquet(con, scratch, start, told)
        else:
            _write_marc(con, scratch, (form, encoding, only), start, told)
        told["bytes"] = scratch.stat().st_size
    return told


def _choose(con: duckdb.DuckDBPyConnection, build_id: str, since: str) -> None:
    """Make the tables `chosen` (bibs) and `member_record`; in memory, and seen by every cursor."""
    path = lake.catalog_build(build_id) / INPUTS
    first = json.loads(path.read_text("utf-8")).get("first_build") if path.exists() else None
    if not first:
        raise export.ExportError("the catalogue is of an older program; run `calis catalog` first")
    con.execute(_CHOSEN, {"first": first, "since": since})
    members = registry.load()
    codes = {source.source_id: source.member_code for source in members.sources}
    backend = ibis.duckdb.from_connection(con)
    of_source = ibis.memtable({"source_id": list(codes), "member_code": list(codes.values())})
    records = backend.table("bib_record", database="catalog").drop("record_id").join(of_source, "source_id")
    ranked = merge.ranked(backend.table("current_bib", database="staged"), records)
    columns = ("bib_id", "member_code", "source_id", "batch_id", "record_no", "record_id", "control_number")
    backend.create_table("ranked", ranked.select(*columns, "format", "place"))
    con.execute(_RANKED)
    pairs = [{"format": marc, "tag": tag} for marc, tag in union_marc.enriched()]
    con.register("pairs", pa.Table.from_pylist(pairs))
    con.execute("CREATE TABLE enriched AS SELECT * FROM pairs")


def _gone(con: duckdb.DuckDBPyConnection, since: str) -> list[dict[str, Any]]:
    """The ids that were merged or retired since; none where everything is asked for."""
    query = "SELECT * FROM catalog.redirect WHERE status <> 'living' AND build_id > $1 ORDER BY bib_id"
    found: list[dict[str, Any]] = con.execute(query, [since]).to_arrow_table().to_pylist() if since else []
    return found


def _write_parquet(con: duckdb.DuckDBPyConnection, out: Path, since: str, told: dict[str, Any]) -> None:
    reader = con.execute(_PARQUET, {"since": since}).to_arrow_reader(PIECE * 10)
    with pq.ParquetWriter(out, reader.schema, **lake.PARQUET) as writer:
        for batch in reader:
            writer.write_batch(batch)
            told["records"] += len(batch)
            told["written"] += len(batch)
        gone = _gone(con, since)
        told["deletions"] = len(gone)
        rows = [
            {
                **{c.name: [] if pa.types.is_list(c.type) else None for c in CATALOG_BIB.columns},
                "bib_id": row["bib_id"],
                "status": "deleted",
                "replaced_by": row["living_bib_id"],
                "changed_build": row["build_id"],
            }
            for row in gone
        ]
        writer.write_table(pa.Table.from_pylist(rows, schema=reader.schema))


def _write_marc(
    con: duckdb.DuckDBPyConnection, out: Path, how: tuple[str, str, str], since: str, told: dict[str, Any]
) -> None:
    form, encoding, only = how
    with out.open("wb") as file, Progress("export union", "records") as progress:
        if form == "marcxml":
            file.write(export.xml_head(encoding))
        for bibs in _pieces(con, since):
            chosen = [bib for bib in bibs if not only or (bib.format == "marc21") == (only == "marc21")]
            progress.advance(export.write_some(union_marc.rows(chosen), "union", form, encoding, file, told))
        gone = _gone(con, since)
        told["deletions"] = len(gone)
        export.write_some(union_marc.deletions(gone, only or "marc21"), "union", form, encoding, file, told)
        if form == "marcxml":
            file.write(export.XML_FOOT.encode())


def _pieces(con: duckdb.DuckDBPyConnection, since: str) -> Iterator[list[Bib]]:
    """All chosen bibs, at most PIECE at a time, with the fields of their records: two streams side by side."""
    fields = _by_bib(con)
    number, lines = next(fields, (-1, []))
    for batch in con.cursor().execute(_BIBS).to_arrow_reader(PIECE):
        bibs = []
        for row in batch.to_pylist():
            bib = _bib(row, since)
            if number == row["bib_no"]:
                bib.lines = lines
                number, lines = next(fields, (-1, []))
            bibs.append(bib)
        yield bibs


def _by_bib(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, list[list[Line]]]]:
    """Bib number and the fields of its records, the carrier's first; from one sorted stream."""
    rows = (row for batch in con.execute(_FIELDS).to_arrow_reader(65_536) for row in batch.to_pylist())
    for bib_no, of_bib in groupby(rows, key=lambda row: row["bib_no"]):
        records = []
        for _, of_record in groupby(of_bib, key=lambda row: row["rank"]):
            records.append([_line(list(of_field)) for _, of_field in groupby(of_record, lambda r: r["field_no"])])
        yield bib_no, records


def _line(rows: list[dict[str, Any]]) -> Line:
    first = rows[0]
    ind = (
        "" if first["ind1"] is None and first["code"] is None else (first["ind1"] or " ") + (first["ind2"] or " ")
    )
    return Line(first["tag"], ind, [(row["code"], row["value"]) for row in rows])


def _bib(row: dict[str, Any], since: str) -> Bib:
    is_new = row["came"] > since if since else row["came"] == row["changed"]
    return Bib(
        row["bib_id"],
        row,
        row["marc"] or union_marc.format_of(row),
        row["changed"],
        is_new,
        [(member, number) for member, number in row["of_records"]],
        [(held["member"], held["calls"] or [], held["copies"]) for held in row["held_by"] or []],
        row["former_ids"] or [],
        row["linked"] or [],
    )
