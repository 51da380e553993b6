"""What a matcher found in a made-up union, held against its truth."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.changes import CHANGE_BITS
from transforms.evaluate import cluster_figures


def against_truth(folder: Path) -> dict[str, Any]:
    """Figures of `found.parquet` against `truth.parquet`, both in order of record_no."""
    truth, found = pq.read_table(folder / "truth.parquet"), pq.read_table(folder / "found.parquet")
    bib, cluster = (_compact(table[name]) for table, name in ((truth, "bib"), (found, "cluster")))
    figures = cluster_figures(cluster, bib)
    both, of_record, sizes = np.unique(
        cluster * (int(bib.max()) + 1) + bib, return_inverse=True, return_counts=True
    )
    of_cluster, of_bib = np.divmod(both, int(bib.max()) + 1)
    return {
        **figures,
        "wrong": _wrong(of_cluster, of_bib, sizes, bib, truth),
        "might": _might(truth),
        "missed": _missed(of_bib, sizes, of_record, truth["changes"].to_numpy(), CHANGE_BITS),
    }


def _compact(column: pa.ChunkedArray) -> np.ndarray:
    return np.unique(column.to_numpy(), return_inverse=True)[1].astype(np.int64)


def _largest(of: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """For each part the largest part of the same whole."""
    order = np.lexsort((-sizes, of))
    first = np.ones(len(of), bool)
    first[1:] = of[order][1:] != of[order][:-1]
    largest = np.empty(int(of.max()) + 1, np.int64)
    largest[of[order][first]] = order[first]
    return largest[of]


def _wrong(
    of_cluster: np.ndarray, of_bib: np.ndarray, sizes: np.ndarray, bib: np.ndarray, truth: pa.Table
) -> dict[str, int]:
    """Bibs that are in a cluster with a larger part of another bib, by what these are to each other."""
    some_row = np.empty(int(bib.max()) + 1, np.int64)
    some_row[bib] = np.arange(len(bib))
    work = truth["work"].to_numpy()[some_row]
    kind = truth["kind"].combine_chunks().take(pa.array(some_row)).cast(pa.string())
    largest = _largest(of_cluster, sizes)
    wrong = np.flatnonzero(largest != np.arange(len(sizes)))
    related = work[of_bib[wrong]] == work[of_bib[largest[wrong]]]
    names = pc.if_else(pa.array(related), kind.take(pa.array(of_bib[wrong])), "unrelated")
    return {one["values"]: one["counts"] for one in pc.value_counts(names).to_pylist()}


def _might(truth: pa.Table) -> dict[str, int]:
    """Bibs that are not the first of their work, by kind of family: each might be joined with another."""
    works = truth.group_by(["kind", "work"]).aggregate([("bib", "count_distinct")])
    siblings = pc.subtract(works["bib_count_distinct"], 1)
    by_kind = pa.table({"kind": works["kind"].cast(pa.string()), "siblings": siblings}).group_by("kind")
    counts = by_kind.aggregate([("siblings", "sum")]).to_pylist()
    return {one["kind"]: one["siblings_sum"] for one in counts if one["siblings_sum"]}


def _missed(
    of_bib: np.ndarray, sizes: np.ndarray, of_record: np.ndarray, changes: np.ndarray, bits: dict[str, int]
) -> dict[str, float]:
    away = (_largest(of_bib, sizes) != np.arange(len(sizes)))[of_record]
    shares = {"all": away.mean()}
    for name, bit in bits.items():
        changed = changes >> bit & 1 == 1
        if changed.any():
            shares[name] = away[changed].mean()
    return {name: round(float(share), 4) for name, share in sorted(shares.items(), key=lambda one: -one[1])}
