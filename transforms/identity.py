"""Which identifier a bib bears: kept over rebuilds, never given to another book; changes in `catalog.lineage`.

A bib whose last record is withdrawn is *retired*; its records are remembered in `catalog.former_record`.  When
one of them comes back, it counts as a record of the bib that it was last in: a retired bib *returns* under its
identifier, unless the record now belongs to a living bib, into which the retired one is then merged.

Every identifier that ever was resolves (`redirects`): to itself, along merges to a living bib, or to "retired".
A merged identifier stays merged when the bib that took it is split later, so a chain of merges only goes forward.
"""

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.catalog import CATALOG_FORMER_RECORD, CATALOG_LINEAGE, CATALOG_REDIRECT

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


# --- where an identifier leads ---------------------------------------------------------------------------


def redirects(living: pa.Array, lineage: pa.Table) -> pa.Table:
    """`catalog.redirect`: every identifier that ever was and the living bib that it means, ordered by bib_id.

    Args:
        living: the bibs that there are now.
        lineage: `catalog.lineage`, older builds first.
    """
    was = pa.concat_arrays([_text(lineage[name]) for name in ("bib_id", "other_bib_id")]).drop_null()
    ids = pc.unique(pa.concat_arrays([living.cast(pa.string()), was]))
    ids = ids.take(pc.sort_indices(ids))
    at = np.arange(len(ids))
    alive = pc.is_in(ids, living).to_numpy(zero_copy_only=False)
    ended = lineage.filter(pc.is_in(lineage["event"], pa.array(["merge", "retire"])))
    of_row = pc.index_in(_text(ended["bib_id"]), ids).to_numpy()
    last = np.full(len(ids), NONE)
    last[of_row] = np.arange(len(ended))  # the last one written stays
    last[alive] = NONE
    into = pc.fill_null(pc.index_in(_text(ended["other_bib_id"]), ids), NONE).to_numpy().astype(np.int64)
    target = np.where(last == NONE, at, at if not len(ended) else into[last])
    target[target == NONE] = at[target == NONE]
    while (further := target[target]).tolist() != target.tolist():  # each round doubles the steps
        target = further
    status = pc.if_else(pa.array(alive), "living", pc.if_else(pa.array(alive[target]), "merged", "retired"))
    when = np.where(alive[target], last, last[target])  # of a chain that ends: when its last bib was retired
    build = _text(ended["build_id"]).take(pa.array(when, mask=when == NONE))
    columns = [ids, status, ids.take(pa.array(target, mask=~alive[target])), build]
    return pa.table(columns, schema=CATALOG_REDIRECT.schema)


def remembered(before: pa.Table, former: pa.Table, redirect: pa.Table) -> pa.Table:
    """The bib that each record ever known belongs to: source_id, record_id, bib_id.

    Args:
        before: source_id, record_id, bib_id of the last build's records.
        former: `catalog.former_record` as of the last build; a merged bib counts as the one it went into.
        redirect: `catalog.redirect` as of the last build.
    """
    names = ["source_id", "record_id", "bib_id"]
    at = pc.index_in(_text(former["bib_id"]), _text(redirect["bib_id"]))
    now = pc.coalesce(_text(redirect["living_bib_id"]).take(at), _text(former["bib_id"]))
    left = former.select(["source_id", "record_id"]).append_column("bib_id", now)
    schema = pa.schema([(name, pa.string()) for name in names])
    return pa.concat_tables([before.select(names).cast(schema), left.cast(schema)])


def left_behind(known: pa.Table, former: pa.Table, records: pa.Table, build_id: str) -> pa.Table:
    """`catalog.former_record` after a build: the records of `known` that are not in `records`, and since when."""
    on = ["source_id", "record_id"]
    there = pa.table([_text(records[name]) for name in on], on)
    gone = known.join(there, on, join_type="left anti")
    gone = gone.join(former.select([*on, "build_id"]), on, join_type="left outer")
    since = pc.fill_null(gone["build_id"], build_id)
    gone = gone.set_column(gone.schema.get_field_index("build_id"), "build_id", since)
    names = CATALOG_FORMER_RECORD.schema.names
    return gone.select(names).sort_by([("source_id", "ascending"), ("record_id", "ascending")])


def _text(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays([pa.array([], pa.string()), *(chunk.cast(pa.string()) for chunk in column.chunks)])


# --- who bears which -------------------------------------------------------------------------------------


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
            for a record that was never there; a retired bib for one that comes back), in order of row.
        old_bibs: every bib of the last build.
        lineage: `catalog.lineage` as of the last build.
        build_id: the build that is being made.

    Returns:
        The bib of each record, and the lineage with this build's changes behind the old rows.
    """
    cluster_row = records["cluster"].to_numpy()
    rows, cluster = np.unique(cluster_row, return_inverse=True)
    living = pc.take(old_bibs, pc.sort_indices(old_bibs)).cast(pa.string())
    named = pc.unique(_text(records["old_bib_id"]).drop_null())
    retired = named.filter(pc.invert(pc.is_in(named, living)))
    retired = retired.take(pc.sort_indices(retired))
    old_bibs = pa.concat_arrays([living, retired])
    old = pc.fill_null(pc.index_in(_text(records["old_bib_id"]), old_bibs), NONE).to_numpy().astype(np.int64)
    clusters, olds, kept = _inherited(cluster.astype(np.int64), old, len(living))

    old_of = np.full(len(rows), NONE)
    old_of[clusters[kept == 1]] = olds[kept == 1]
    fresh = np.flatnonzero(old_of == NONE)
    used = set(old_bibs.to_pylist()).union(*(lineage[name].to_pylist() for name in ("bib_id", "other_bib_id")))
    first = records.select(["source_id", "record_id"]).take(rows[fresh])
    pairs = zip(first["source_id"].to_pylist(), first["record_id"].to_pylist(), strict=True)
    names = pa.concat_arrays([old_bibs, pa.array(_name_new(pairs, used), pa.string())])
    number = old_of.copy()
    number[fresh] = len(old_bibs) + np.arange(len(fresh))

    changes = _changes(build_id, names, number, (clusters, olds, kept), len(living), len(old_bibs))
    schema = CATALOG_LINEAGE.schema
    tables = [lineage.cast(schema), pa.Table.from_pylist(changes, schema=schema)]
    return names.take(number[cluster]), pa.concat_tables(tables)


def _inherited(cluster: Ints, old: Ints, n_living: int) -> tuple[Ints, Ints, Ints]:
    """`inherit`, where a retired bib (from `n_living` on) returns only as a cluster without a living one."""
    known = old != NONE
    is_living = known & (old < n_living)
    taken = np.isin(cluster, cluster[is_living])
    now = inherit(cluster[is_living], old[is_living])
    back = inherit(cluster[known & ~taken], old[known & ~taken])
    late = known & ~is_living & taken
    pairs = np.unique(np.stack([cluster[late], old[late]], axis=1), axis=0)
    never = (pairs[:, 0], pairs[:, 1], np.zeros(len(pairs), np.int64))
    clusters, olds, kept = (np.concatenate(parts) for parts in zip(now, back, never, strict=True))
    return clusters, olds, kept


def _changes(
    build_id: str, names: pa.Array, number: Ints, inherited: tuple[Ints, Ints, Ints], n_living: int, n_old: int
) -> list[dict[str, Any]]:
    """The lineage rows of a build: merges, splits, retirements and returns, in order of bib.

    Of the `names`, the first `n_living` were there in the last build, those up to `n_old` were retired before.
    """
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
    back = np.flatnonzero(alive[n_living:]) + n_living
    changes |= {("return", names[at].as_py()): None for at in back.tolist()}
    changes |= {("retire", names[at].as_py()): None for at in np.flatnonzero(gone).tolist()}
    return [
        {"build_id": build_id, "event": event, "bib_id": bib_id, "other_bib_id": other}
        for (event, bib_id), other in sorted(changes.items(), key=lambda change: change[0])
    ]
