"""The union catalogue as one file: golden records as Parquet, ISO 2709 or MARCXML, whole or since a date or build.

It is the newest build as it was made, whatever was staged or registered since.  Bibs are written in order of their
id.  One file holds CNMARC and MARC 21 records, each as it is (`only` keeps one format, in Parquet the bibs of that
format): a reader tells them apart by 200 and 245, as ours does.  An export of changes holds the bibs that came or
changed since, and a deletion for every id that was merged or retired since (as MARC 21, or as `only` says, since
nobody knows any more what it was).  With `only` it has a deletion for every changed bib of the other format too:
what it was before is not kept, so some name a bib that the reader never had.

DuckDB sorts the fields by bib, on disk where memory ends; what it gives is written some bibs at a time.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, time
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.catalog import CATALOG_BIB
from transforms import export, merge, union_marc
from transforms.union_marc import Bib, Line
from transforms.versions import INPUTS
from warehouse import engine, lake
from warehouse.progress import Progress

FORMS = ("parquet", "iso2709", "marcxml")
PIECE = 2_000  # bibs written at once
MEMORY = "1GB"
_BUILD = re.compile(r"\d{8}T\d{12}Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_RIGHT = "write a day that there is, Beijing's (2026-11-24), or a build (20261124T170102123456Z)"

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
# The records of the build that are not staged any more as they were: gone, or another stands in their place.
_LOST = """
SELECT source_id, count(*) FROM catalog.bib_record SEMI JOIN chosen USING (bib_id)
ANTI JOIN ranked USING (bib_id, source_id, record_id)
GROUP BY source_id ORDER BY source_id
"""
# Chosen bibs with the format that they are written in; one that no MARC record describes has it by its language.
_GOLDEN = """
CREATE TABLE golden AS
WITH record AS (
    SELECT bib_no, any_value(marc) AS of_carrier FROM member_record GROUP BY bib_no
), formatted AS (
    SELECT c.*, coalesce(of_carrier, CASE WHEN b.lang = 'chi' THEN 'cnmarc' ELSE 'marc21' END) AS marc
    FROM chosen c JOIN record USING (bib_no) JOIN catalog.bib b ON b.bib_id = c.bib_id
)
SELECT *, $only = '' OR (marc = 'marc21') = ($only = 'marc21') AS wanted FROM formatted
"""
_FIELDS = """
SELECT bib_no, rank, field_no, tag, ind1, ind2, code, value
FROM staged.field JOIN (
    SELECT * FROM member_record SEMI JOIN (SELECT bib_no FROM golden WHERE wanted) USING (bib_no)
) m USING (source_id, batch_id, record_no)
WHERE is_marc AND (rank = 0 OR (m.format = marc AND (m.format, tag) IN (SELECT (format, tag) FROM enriched)))
ORDER BY bib_no, rank, field_no, subfield_no
"""
_BIBS = """
WITH record AS (
    SELECT bib_no, list([member_code, coalesce(control_number, record_id)] ORDER BY place) AS records
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
SELECT c.bib_no, c.changed, c.came, c.marc, record.records AS of_records, m.members AS held_by, former_ids, linked,
    b.*
FROM golden c JOIN catalog.bib b USING (bib_id) JOIN record USING (bib_no) LEFT JOIN members m USING (bib_no)
LEFT JOIN former ON former.bib_id = c.bib_id LEFT JOIN linked ON linked.bib_id = c.bib_id
WHERE wanted
ORDER BY c.bib_no
"""
_PARQUET = """
SELECT c.bib_id, CASE WHEN c.came > $since AND $since <> '' THEN 'new' WHEN $since <> '' THEN 'changed'
    ELSE 'current' END AS status, NULL::VARCHAR AS replaced_by, c.changed AS changed_build,
    (SELECT list(DISTINCT member_code ORDER BY member_code) FROM member_record m WHERE m.bib_no = c.bib_no)
        AS member_codes,
    b.* EXCLUDE (bib_id)
FROM golden c JOIN catalog.bib b USING (bib_id) WHERE wanted ORDER BY c.bib_no
"""
# Who takes one format has to let go of a bib that is written in the other now, as of one that is retired.
_GONE = """
SELECT bib_id, status, living_bib_id, build_id FROM catalog.redirect
WHERE status <> 'living' AND build_id > $since
UNION ALL
SELECT bib_id, 'retired', NULL, changed FROM golden WHERE NOT wanted
ORDER BY bib_id
"""


def since_build(text: str) -> str:
    """A day in Beijing (included) or build (excluded) as what later build ids are greater than; empty: all.

    Build ids tell the time in UTC, where that day begins on the evening before.

    Raises:
        ExportError: it is neither, or there is no such day or time.
    """
    if not text:
        return ""
    try:
        if _BUILD.fullmatch(text):
            datetime.strptime(text, "%Y%m%dT%H%M%S%fZ")
            return text
        if _DATE.fullmatch(text):
            begins = datetime.combine(date.fromisoformat(text), time()) - lake.BEIJING
            return begins.isoformat().replace("-", "").replace(":", "")  # strftime gives 0999 as 999
    except (ValueError, OverflowError) as error:
        raise export.ExportError(f"--since {text!r} is not in the calendar; {_RIGHT}") from error
    raise export.ExportError(f"--since {text!r} is no date and no build; {_RIGHT}")


def export_union(
    out: Path, form: str = "iso2709", encoding: str = "", since: str = "", only: str = ""
) -> dict[str, Any]:
    """Write the union of the newest build into one file, which takes the place of `out` when it is complete.

    Args:
        out: the file.
        form: parquet, iso2709 or marcxml.
        encoding: utf-8 (where empty) or gb18030, for MARC; Parquet takes none.
        since: a day (Beijing's, included) or build (excluded); only what came, changed or went since.
        only: the bibs that are written as cnmarc (and unimarc) or marc21; all where empty.

    Returns:
        As `transforms.export.export`, and build, deletions.

    Raises:
        ExportError: a choice is not known, or there is no catalogue, or not all that it was made from.
        LakeError: `out` is a folder.
    """
    if form == "parquet" and encoding:
        raise export.ExportError("Parquet has one encoding; leave --encoding out, or write iso2709 or marcxml")
    encoding = encoding or export.ENCODINGS[0]
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
        con.execute(_GOLDEN, {"only": only})
        if form == "parquet":
            written = _write_parquet(con, scratch, start, told)
        else:
            written = _write_marc(con, scratch, (form, encoding, only), start, told)
        _require_all(con, builds[-1], written)
        told["bytes"] = scratch.stat().st_size
    return told


def _choose(con: duckdb.DuckDBPyConnection, build_id: str, since: str) -> None:
    """Make the tables `chosen` (bibs) and `member_record`; in memory, and seen by every cursor.

    Records are read where the build found them: newer versions may be staged, a source may have left the registry.
    """
    path = lake.catalog_build(build_id) / INPUTS
    inputs = json.loads(path.read_text("utf-8")) if path.exists() else {}
    first, codes = inputs.get("first_build"), inputs.get("member_codes")
    if not first or not codes:
        raise export.ExportError("the catalogue is of an older program; run `calis catalog` first")
    con.execute(_CHOSEN, {"first": first, "since": since})
    backend = ibis.duckdb.from_connection(con)
    of_source = ibis.memtable({"source_id": list(codes), "member_code": list(codes.values())})
    records = backend.table("bib_record", database="catalog").drop("record_id").join(of_source, "source_id")
    ranked = merge.ranked(backend.table("bib", database="staged"), records)
    columns = ("bib_id", "member_code", "source_id", "batch_id", "record_no", "record_id", "control_number")
    backend.create_table("ranked", ranked.select(*columns, "format", "place"))
    if lost := con.execute(_LOST).fetchall():
        named = ", ".join(f"{count:,} of {source_id}" for source_id, count in lost)
        raise export.ExportError(
            f"build {build_id} was made from records that are not staged any more as they were ({named}); "
            "run `calis catalog`, then export again"
        )
    con.execute(_RANKED)
    pairs = [{"format": marc, "tag": tag} for marc, tag in union_marc.enriched()]
    con.register("pairs", pa.Table.from_pylist(pairs))
    con.execute("CREATE TABLE enriched AS SELECT * FROM pairs")


def _require_all(con: duckdb.DuckDBPyConnection, build_id: str, written: int) -> None:
    """Hold what was written against what was chosen, so that no bib is lost on the way.

    Raises:
        ExportError: bibs are missing.
    """
    query = "SELECT (SELECT count(*) FROM chosen) - (SELECT count(*) FROM golden WHERE NOT wanted)"
    (wanted,) = con.execute(query).fetchall()[0]
    if written != wanted:
        raise export.ExportError(
            f"only {written:,} of {wanted:,} bibs could be written, so nothing was: the tables in "
            f"{lake.catalog_build(build_id)} don't agree; restore that folder, or export the next build"
        )


def _gone(con: duckdb.DuckDBPyConnection, since: str) -> Iterator[list[dict[str, Any]]]:
    """The ids that went since, some at a time; none where everything is asked for."""
    if since:
        for batch in con.execute(_GONE, {"since": since}).to_arrow_reader(PIECE):
            yield batch.to_pylist()


def _write_parquet(con: duckdb.DuckDBPyConnection, out: Path, since: str, told: dict[str, Any]) -> int:
    """Write the file; returns how many bibs it has beside the deletions."""
    reader = con.execute(_PARQUET, {"since": since}).to_arrow_reader(PIECE * 10)
    with pq.ParquetWriter(out, reader.schema, **lake.PARQUET) as writer:
        for batch in reader:
            writer.write_batch(batch)
            told["records"] += len(batch)
            told["written"] += len(batch)
        nothing: dict[str, Any] = {c.name: [] if pa.types.is_list(c.type) else None for c in CATALOG_BIB.columns}
        for gone in _gone(con, since):
            told["deletions"] += len(gone)
            rows = [
                {
                    **nothing,
                    "bib_id": row["bib_id"],
                    "status": "deleted",
                    "replaced_by": row["living_bib_id"],
                    "changed_build": row["build_id"],
                }
                for row in gone
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=reader.schema))
    return int(told["written"])


def _write_marc(
    con: duckdb.DuckDBPyConnection, out: Path, how: tuple[str, str, str], since: str, told: dict[str, Any]
) -> int:
    """Write the file; returns how many bibs it has beside the deletions, refused ones too."""
    form, encoding, only = how
    count = 0
    with out.open("wb") as file, Progress("export union", "records") as progress:
        if form == "marcxml":
            file.write(export.xml_head(encoding))
        for bibs in _pieces(con, since):
            count += len(bibs)
            progress.advance(export.write_some(union_marc.rows(bibs), "union", form, encoding, file, told))
        for gone in _gone(con, since):
            told["deletions"] += len(gone)
            export.write_some(union_marc.deletions(gone, only or "marc21"), "union", form, encoding, file, told)
        if form == "marcxml":
            file.write(export.XML_FOOT.encode())
    return count


def _pieces(con: duckdb.DuckDBPyConnection, since: str) -> Iterator[list[Bib]]:
    """All wanted bibs, at most PIECE at a time, with the fields of their records: two streams side by side."""
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
        row["marc"],
        row["changed"],
        is_new,
        [(member, number) for member, number in row["of_records"]],
        [(held["member"], held["calls"] or [], held["copies"]) for held in row["held_by"] or []],
        row["former_ids"] or [],
        row["linked"] or [],
    )
