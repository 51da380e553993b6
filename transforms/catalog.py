"""The stage from staged to catalogue: one build of the union over all sources.

Every record that is current at any source gets into exactly one bib.  A build is a new folder, visible when it
is whole; the last builds are kept.  Nothing is built when nothing changed: neither the records, nor the
judgements, nor the registry, nor the weights, nor this code.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from harvesters import registry
from harvesters.registry import Registry
from schemas.catalog import CATALOG_HOLDING, CATALOG_ITEM
from schemas.columns import Table as Contract
from schemas.usage import STAGED_FACTS
from transforms import bibs, candidates, identity, judgement, links, match, record_index, review, versions
from transforms.judgement import Judgement, Rulings
from transforms.known import load
from transforms.score import WEIGHTS
from transforms.usage import facts
from transforms.usage.kinds import OF_FORMAT
from warehouse import engine, lake
from warehouse.outcome import EVERY_SOURCE, Outcome, finished_batches

INPUTS = versions.INPUTS
ALARM = 50  # records in a bib, and more than there are sources, from which it is looked at


class CatalogError(Exception):
    """The catalogue can't be built; says what to do."""


def build(run_id: str, cap: int = candidates.BLOCK_CAP) -> list[Outcome]:
    """Build the union catalogue from what is staged now.

    Args:
        run_id: the run that asks for it.
        cap: groups in a block that are compared all with all.

    Returns:
        An outcome for each source and one for all (`*`), recorded.  When nothing changed since the last
        build there is one outcome `unchanged`, which is not recorded, and no new build.

    Raises:
        CatalogError: nothing is staged, or a staged source is not in the registry.
        RegistryError: the registry has faults.
        UnbalancedError: a record was lost between the staged layer and the catalogue.
    """
    members = registry.load()
    build_id = lake.new_batch_id()
    total = Outcome("catalog", EVERY_SOURCE, build_id, run_id)
    with engine.open_lake() as con:
        _require_sources(members)
        code = _code()
        digest = _inputs(con, members, code)
        builds = lake.catalog_builds()
        if builds and _told(builds[-1]).get("digest") == digest and _recorded(builds[-1]):
            return [_unchanged(con, builds[-1], run_id)]
        try:
            with lake.replacing_folder(lake.catalog_build(build_id)) as folder:
                basis = {
                    "cap": cap,
                    "code": code,
                    "engine": engine.wanted(),
                    "members": hashlib.blake2b(repr(members).encode(), digest_size=16).hexdigest(),
                    "files": _staged_as(),
                }
                notes = _write(con, members, folder, build_id, basis)
                told = {
                    "digest": digest,
                    "first_build": versions.first_build(builds, build_id),
                    "member_codes": members.member_codes,
                    "basis": basis,
                }
                (folder / INPUTS).write_text(json.dumps(told), "utf-8")
                outcomes = _outcomes(con, members, folder, total)
        except Exception as error:
            total.verdict, total.reason = "failed", f"{type(error).__name__}: {error}"
            total.record()
            raise
    total.reason = "; ".join(notes)
    outcomes = [outcome.record() for outcome in outcomes]
    lake.prune_catalog()
    return outcomes


# --- whether there is anything to do ---------------------------------------------------------------------


def _require_sources(members: Registry) -> None:
    staged = lake.staged_sources()
    if not staged:
        raise CatalogError("nothing is staged yet; run `calis harvest` and `calis stage` first")
    if unknown := sorted(set(staged) - {source.source_id for source in members.sources}):
        raise CatalogError(
            f"staged, but not in sources.csv: {', '.join(unknown)}; add the line again, or remove the "
            "folders of these sources below staged/ if their records are to leave the union"
        )


def _inputs(con: duckdb.DuckDBPyConnection, members: Registry, code: str) -> str:
    """A digest of everything that the catalogue is made from."""
    seen = hashlib.blake2b(digest_size=16)
    index = con.execute(
        """SELECT source_id, count(*), bit_xor(hash(record_id, batch_id, record_no, digest, deleted))
        FROM staged.record GROUP BY source_id ORDER BY source_id"""
    ).fetchall()
    names = ("bib", "holding", "item", *STAGED_FACTS, "superseded")
    files = [file for name in names for file in lake.staged_files(name)]
    sizes = [(*file.parts[-3:], file.stat().st_size) for file in files]
    seen.update(repr((index, sizes, members)).encode())
    seen.update(
        repr([file.name for file in lake.added_files("catalog.judgement")]).encode()
    )  # a file never changes
    seen.update(code.encode())
    return seen.hexdigest()


def _code() -> str:
    """A digest of what decides what becomes of the records: code, weights, tables."""
    seen = hashlib.blake2b(duckdb.__version__.encode(), digest_size=16)
    schemas, engines = WEIGHTS.parent, Path(engine.__file__).parent
    usage = [path for path in Path(facts.__file__).parent.rglob("*") if path.suffix in (".py", ".sql")]
    code = [*Path(__file__).parent.glob("*.py"), *usage, engines / "engine.py", engines / "spark.py"]
    for path in sorted([*code, *schemas.glob("*.py"), *schemas.glob("*.csv")]):
        seen.update(path.name.encode() + path.read_bytes())
    return seen.hexdigest()


def _told(build_id: str) -> dict[str, Any]:
    """What a build says of its own making."""
    path = lake.catalog_build(build_id) / INPUTS
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def _recorded(build_id: str) -> bool:
    """Whether the outcomes of a build were written too: a kill may come between."""
    return build_id in finished_batches("catalog", EVERY_SOURCE)


def _unchanged(con: duckdb.DuckDBPyConnection, build_id: str, run_id: str) -> Outcome:
    (current,) = con.execute("SELECT count(*) FROM staged.current_bib").fetchall()[0]
    outcome = Outcome("catalog", EVERY_SOURCE, build_id, run_id, "unchanged")
    outcome.received = outcome.unchanged = current
    outcome.reason = "no record, judgement, registry line or rule changed since the last build"
    return outcome


# --- the build -------------------------------------------------------------------------------------------


def _staged_as() -> dict[str, list[int]]:
    """Every staged batch of descriptions, with what tells whether its file was written anew."""
    stats = {"/".join(file.parts[-3:-1]): file.stat() for file in lake.staged_files("bib")}
    return {batch: [stat.st_size, stat.st_mtime_ns] for batch, stat in sorted(stats.items())}


def _before(basis: dict[str, Any], same: Sequence[str]) -> Path | None:
    """The folder of the last build, where some of what it rests on is the same, and no batch was staged anew."""
    build_id = next(reversed(lake.catalog_builds()), None)
    before = _told(build_id).get("basis") if build_id else None
    if not build_id or not before or any(before.get(name) != basis[name] for name in same):
        return None
    again = any(basis["files"].get(batch, stat) != stat for batch, stat in before["files"].items())
    return None if again else lake.catalog_build(build_id)


def _write(
    con: duckdb.DuckDBPyConnection, members: Registry, folder: Path, build_id: str, basis: dict[str, Any]
) -> list[str]:
    """Fill the folder of a build with every table of the catalogue; returns notes for the outcome."""
    backend = ibis.duckdb.from_connection(con)
    bib = backend.table("current_bib", database="staged")
    judged, rulings = _rulings(bib)
    lake.write_table(folder, "catalog.judgement", judgement.table(judged, rulings.effects))
    before = _before(basis, ("code", "cap", "engine"))
    with engine.matching(con) as (where, current):
        clusters = match.cluster(
            where,
            current,
            cap=basis["cap"],
            rulings=rulings,
            known=load(lake.known(before)) if before else None,
            present=partial(record_index.read, lake.current_record_files(), engine.threads(where)),
            files=lake.staged_files("bib"),
            folder=lake.known(folder),
        )
    lake.write_table(folder, "catalog.match", clusters.pairs)

    assigned = _identified(backend, clusters.records, folder, build_id)

    codes = members.member_codes
    of_source = pc.index_in(assigned["source_id"], pa.array(list(codes)))
    member_codes = pa.array(list(codes.values()), pa.string()).take(of_source)
    assigned = assigned.append_column("member_code", member_codes)
    columns = ["bib_id", "member_code", "source_id", "batch_id", "record_no"]
    of_record = backend.create_table("assigned", ibis.memtable(assigned.select(columns)), temp=True)
    bibs.write(backend, bib, of_record, folder, _before(basis, ("code", "members")))
    lake.write_table(folder, "catalog.review", review.queue(backend, bib, folder))
    for table in (CATALOG_HOLDING, CATALOG_ITEM):
        part = backend.table(f"current_{table.name}", database="staged")
        lake.write_table(folder, table.full_name, _attached(part, of_record, table))
    lake.write_table(folder, "catalog.member", members.member_table())
    facts.write(con, members, folder)
    pairs, golden, records = (
        backend.read_parquet(folder / f"{name}.parquet") for name in ("match", "bib", "bib_record")
    )
    lake.write_table(folder, "catalog.link", links.carriers(backend, bib, records, pairs, golden))
    lake.write_table(folder, "catalog.version", versions.versions(con, folder, build_id))
    return [*clusters.notes, *map(str, rulings.contradictions), *_giants(assigned, len(lake.staged_sources()))]


def _rulings(bib: Table) -> tuple[list[Judgement], Rulings]:
    """All judgements, and which of them are in force over the current records."""
    judged = judgement.load()
    named = {record for one in judged for record in one.pair}
    return judged, judgement.resolve(judged, judgement.among(bib, named) if named else ())


def _giants(assigned: pa.Table, sources: int) -> list[str]:
    """The size alarm: bibs of more records than a book can have, the largest by name."""
    size = max(ALARM, sources)
    counts = assigned.group_by("bib_id").aggregate([([], "count_all")])
    giants = counts.filter(pc.greater(counts["count_all"], size))
    if not len(giants):
        return []
    largest = giants.sort_by([("count_all", "descending"), ("bib_id", "ascending")]).slice(0, 10).to_pylist()
    named = ", ".join(f"{row['bib_id']} with {row['count_all']}" for row in largest)
    return [
        f"size alarm: {len(giants)} bibs of more than {size} records (from {ALARM}, and more than there are "
        f"sources), the largest: {named}; see why with `calis explain`, and separate records that are not one book"
    ]


def _identified(backend: BaseBackend, records: pa.Table, folder: Path, build_id: str) -> pa.Table:
    """Write which record belongs to which bib, and the history of bibs; returns the former."""
    names = ("bib_record", "lineage", "former_record")
    before, lineage, former = (backend.table(name, database="catalog").to_pyarrow() for name in names)
    lineage = lineage.sort_by([("build_id", "ascending"), ("event", "ascending"), ("bib_id", "ascending")])
    living = pc.unique(before["bib_id"])
    known = identity.remembered(before, former, identity.redirects(living, lineage))
    bib_ids, lineage = identity.assign(_with_old_ids(backend, records, known), living, lineage, build_id)
    assigned = records.select(candidates.POSITION).append_column("bib_id", bib_ids)
    lake.write_table(folder, "catalog.bib_record", assigned)
    lake.write_table(folder, "catalog.lineage", lineage)
    lake.write_table(folder, "catalog.redirect", identity.redirects(pc.unique(bib_ids), lineage))
    left = identity.left_behind(known, former, records, build_id)
    lake.write_table(folder, "catalog.former_record", left)
    return assigned


def _with_old_ids(backend: BaseBackend, records: pa.Table, known: pa.Table) -> pa.Table:
    """The records in their order, with the bib that they were last in."""
    numbered = records.append_column("row", pa.array(np.arange(len(records))))
    now = backend.create_table("clustered", ibis.memtable(numbered), temp=True)
    before = backend.create_table(
        "known", ibis.memtable(known.rename_columns({"bib_id": "old_bib_id"})), temp=True
    )
    return now.left_join(before, ["source_id", "record_id"]).order_by("row").to_pyarrow()


def _attached(part: Table, of_record: Table, table: Contract) -> pa.Table:
    """Holdings or items with the bib and the member of their record."""
    joined = part.join(of_record, ["source_id", "batch_id", "record_no"])
    return joined.select(table.schema.names).order_by(table.key).to_pyarrow()


# --- what it did -----------------------------------------------------------------------------------------


def _outcomes(con: duckdb.DuckDBPyConnection, members: Registry, folder: Path, total: Outcome) -> list[Outcome]:
    """One outcome a source and the total: what is current in the staged layer against what was written.

    For a feed of usage its events are counted; the total is of records.

    Raises:
        UnbalancedError: something is in the one and not in the other.
    """
    record = "SELECT source_id, count(*) FROM staged.record WHERE NOT deleted GROUP BY ALL"
    received, attached = dict(con.execute(record).fetchall()), _count(folder / "bib_record.parquet")
    outcomes = []
    for source_id in lake.staged_sources():
        kind = members.source(source_id).format
        outcome = Outcome("catalog", source_id, total.batch_id, total.run_id, started_at=total.started_at)
        if kind in OF_FORMAT:
            outcome.received, outcome.staged, outcome.reason = facts.counts(con, source_id, kind, folder)
        else:
            outcome.received, outcome.staged = received.get(source_id, 0), attached.get(source_id, 0)
        outcome.require_balance()
        outcomes.append(outcome)
    total.received, total.staged = sum(received.values()), sum(attached.values())
    total.require_balance()
    return [*outcomes, total]


def _count(file: Path) -> dict[str, int]:
    """Rows of each source in a file that was just written."""
    counts = pq.read_table(file, columns=["source_id"])["source_id"].value_counts()
    return {row["values"]: row["counts"] for row in counts.to_pylist()}
