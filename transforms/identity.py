"""Which identifier a bib bears: kept over rebuilds, never used twice, every change in `catalog.lineage`."""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import CATALOG_LINEAGE

Ints = npt.NDArray[np.int64]
NONE = -1


def new_id(source_id: str, record_id: str, attempt: int = 0) -> str:
    """An identifier made from a bib's smallest record: `U` and 12 base32 characters (60 bits)."""
    text = f"{source_id}\x1f{record_id}" + (f"\x1f{attempt}" if attempt else "")
    return "U" + base64.b32encode(hashlib.blake2b(text.encode(), digest_size=8).digest())[:12].decode()


def _name_new(smallest: Iterable[tuple[str, str]], used: set[str]) -> list[str]:
    """An identifier for each new bib, from its smallest (source_id, record_id); never one used before."""
    names = []
    for source_id, record_id in smallest:
        attempt = 0
        while (name := new_id(source_id, record_id, attempt)) in used:
            attempt += 1
        used.add(name)
        names.append(name)
    return names


def inherit(cluster: Ints, old: Ints) -> tuple[Ints, Ints, Ints]:
    """Which cluster keeps which old bib, from the two numbers of every record that was known before.

    A cluster keeps the old bib that most of its records had, and an old bib stays with the cluster that took
    most of it.  Ties go to the smaller old bib, then to the smaller cluster.

    Returns:
        For each distinct (cluster, old bib), the strongest first: cluster, old bib, and whether it is kept (1).
    """
    if not len(cluster):
        return cluster, old, old
    pairs, counts = np.unique(np.stack([cluster, old], axis=1), axis=0, return_counts=True)
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1], -counts))]
    clusters, olds = pairs[:, 0], pairs[:, 1]
    single = np.bincount(clusters)[clusters] * np.bincount(olds)[olds] == 1
    kept = single.astype(np.int64)
    with_old: set[int] = set()
    taken: set[int] = set()
    for at in np.flatnonzero(~single).tolist():  # only bibs that were merged or split
        new, before = int(clusters[at]), int(olds[at])
        if new not in with_old and before not in taken:
            with_old.add(new)
            taken.add(before)
            kept[at] = 1
    return clusters, olds, kept


def assign(records: pa.Table, old_bibs: pa.Array, lineage: pa.Table, build_id: str) -> tuple[pa.Array, pa.Table]:
    """Give every record the identifier of its bib.

    Args:
        records: source_id, record_id, cluster (the row of the cluster's first record) and old_bib_id (null
            for a record that the last build did not have), in order of row.
        old_bibs: every bib of the last build.
        lineage: `catalog.lineage` as of the last build.
        build_id: the build that is being made.

    Returns:
        The bib of each record, and the lineage with this build's changes behind the old rows.
    """
    cluster_row = records["cluster"].to_numpy()
    rows, cluster = np.unique(cluster_row, return_inverse=True)
    old_bibs = pc.take(old_bibs, pc.sort_indices(old_bibs))
    old = pc.fill_null(pc.index_in(records["old_bib_id"], old_bibs), NONE).to_numpy().astype(np.int64)
    known = old != NONE
    clusters, olds, kept = inherit(cluster[known].astype(np.int64), old[known])

    old_of = np.full(len(rows), NONE)
    old_of[clusters[kept == 1]] = olds[kept == 1]
    fresh = np.flatnonzero(old_of == NONE)
    used = set(old_bibs.to_pylist()).union(*(lineage[name].to_pylist() for name in ("bib_id", "other_bib_id")))
    first = records.select(["source_id", "record_id"]).take(rows[fresh])
    pairs = zip(first["source_id"].to_pylist(), first["record_id"].to_pylist(), strict=True)
    names = pa.concat_arrays([old_bibs, pa.array(_name_new(pairs, used), pa.string())])
    number = old_of.copy()
    number[fresh] = len(old_bibs) + np.arange(len(fresh))

    changes = _changes(build_id, names, number, (clusters, olds, kept), len(old_bibs))
    schema = CATALOG_LINEAGE.schema
    tables = [lineage.cast(schema), pa.Table.from_pylist(changes, schema=schema)]
    return names.take(number[cluster]), pa.concat_tables(tables)


def _changes(
    build_id: str, names: pa.Array, number: Ints, inherited: tuple[Ints, Ints, Ints], n_old: int
) -> list[dict[str, Any]]:
    """The lineage rows of a build: merges, splits and retirements, in order of bib."""
    clusters, olds, kept = inherited
    alive = np.zeros(n_old, bool)
    alive[olds[kept == 1]] = True
    changes: dict[tuple[str, str], str | None] = {}
    for at in np.flatnonzero(kept == 0).tolist():  # strongest first, so the first mention counts
        before, now = names[olds[at]].as_py(), names[number[clusters[at]]].as_py()
        if not alive[olds[at]]:
            changes.setdefault(("merge", before), now)
        elif number[clusters[at]] >= n_old:
            changes.setdefault(("split", now), before)
    gone = np.ones(n_old, bool)
    gone[olds] = False
    changes |= {("retire", names[at].as_py()): None for at in np.flatnonzero(gone).tolist()}
    return [
        {"build_id": build_id, "event": event, "bib_id": bib_id, "other_bib_id": other}
        for (event, bib_id), other in sorted(changes.items(), key=lambda change: change[0])
    ]
