"""How good the matching is: against labelled pairs, and against the truth of the sample consortium."""

import csv
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa

from transforms import match
from warehouse import engine

Figures = dict[str, float | int]
YES, NO = (frozenset(["1", "true", "yes", "match"]), frozenset(["0", "false", "no", "separate"]))


class EvaluationError(Exception):
    """The labels or the truth can't be held against the records."""


def read_pairs(path: Path) -> list[tuple[str, str, bool]]:
    """Labelled pairs of a CSV file with the columns id1, id2 and label (1 or 0, true or false).

    Raises:
        EvaluationError: a column is missing, or a label is neither; names file and line.
    """
    pairs = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if missing := {"id1", "id2", "label"} - set(reader.fieldnames or ()):
            raise EvaluationError(f"{path.name}: no column {', '.join(sorted(missing))}; needed: id1,id2,label")
        for row in reader:
            label = str(row["label"]).strip().lower()
            if label not in YES | NO:
                raise EvaluationError(f"{path.name}, line {reader.line_num}: label {label!r}; write 1 or 0")
            pairs.append((row["id1"].strip(), row["id2"].strip(), label in YES))
    return pairs


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _figures(true_positive: int, predicted: int, actual: int) -> Figures:
    precision, recall = _share(true_positive, predicted), _share(true_positive, actual)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def evaluate_table(bib: pa.Table, pairs: list[tuple[str, str, bool]]) -> Figures:
    """Match the records of a table and hold the clusters against labelled pairs.

    Args:
        bib: `staged.bib` columns with match keys; a record_id that comes again is the same record again.
        pairs: (record_id, record_id, whether they are one).

    Returns:
        {pairs, missing, precision, recall, f1} over the labelled pairs; a pair counts as found when both
        records are in one cluster, so blocks, vetoes and components take part.  `missing` counts labelled ids
        without a record (set aside by the reader, for example); their pairs count as not found.

    Raises:
        EvaluationError: no labelled id is in any record.
    """
    record_ids = bib["record_id"].to_pylist()
    first = {record_id: row for row, record_id in reversed(list(enumerate(record_ids)))}
    bib = bib.take(list(first.values()))
    labelled = {record_id for left, right, _ in pairs for record_id in (left, right)}
    missing = labelled - first.keys()
    if missing == labelled:
        some = ", ".join(sorted(labelled)[:3])
        raise EvaluationError(f"none of the labelled ids ({some} …) is the 001 of a record")
    # Each record is a source of its own: nothing says that they came from one library.
    own = {"source_id": bib["record_id"], "batch_id": pa.nulls(len(bib), pa.string()).fill_null("evaluate")}
    for name, values in own.items():
        bib = bib.drop_columns([name]) if name in bib.column_names else bib
        bib = bib.append_column(name, values)
    if "record_no" not in bib.column_names:
        bib = bib.append_column("record_no", pa.array(range(len(bib)), pa.int32()))
    con = ibis.duckdb.connect()
    records = match.cluster(con, con.create_table("bib", ibis.memtable(bib))).records
    cluster = dict(zip(records["record_id"].to_pylist(), records["cluster"].to_pylist(), strict=True))
    joined = [left in cluster and cluster[left] == cluster.get(right) for left, right, _ in pairs]
    labels = [label for _, _, label in pairs]
    both = sum(a and b for a, b in zip(joined, labels, strict=True))
    return {"pairs": len(pairs), "missing": len(missing), **_figures(both, sum(joined), sum(labels))}


def evaluate(records: list[Path], pairs: Path) -> Figures:
    """Read MARC files, match their records and hold the result against labelled pairs (id = 001)."""
    from transforms import parse  # the stage reads files through half the package; only needed here

    return evaluate_table(parse.parse_files(records), read_pairs(pairs))


def _pairs_of(sizes: np.ndarray) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def cluster_figures(found: np.ndarray, true: np.ndarray) -> Figures:
    """Pairwise and B-cubed precision, recall and f1 of clusters against the true ones.

    Args:
        found, true: the number of each record's cluster and of its true book.
    """
    both, overlap = np.unique(np.stack([found, true]), axis=1, return_counts=True)
    found_size, true_size = np.bincount(found), np.bincount(true)
    pairwise = _figures(_pairs_of(overlap), _pairs_of(found_size), _pairs_of(true_size))
    count = max(len(found), 1)
    precision = float((overlap**2 / found_size[both[0]]).sum() / count)
    recall = float((overlap**2 / true_size[both[1]]).sum() / count)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {
        "records": len(found),
        "bibs": int((found_size > 0).sum()),
        "books": int((true_size > 0).sum()),
        **pairwise,
        "bcubed_precision": precision,
        "bcubed_recall": recall,
        "bcubed_f1": f1,
    }


def evaluate_truth(truth: Path) -> Figures:
    """Hold the current catalogue against the truth of the sample consortium.

    Args:
        truth: Parquet with source_id, record_id and book_id (which book a member record describes).

    Returns:
        {records, bibs, books, precision, recall, f1, bcubed_precision, bcubed_recall, bcubed_f1}, over the
        records that both know.

    Raises:
        EvaluationError: there is no truth, or no record of it is in the catalogue.
    """
    if not truth.exists():
        raise EvaluationError(
            "there is no sample consortium here: run `calis sample` and `calis run`, or say --records and --pairs"
        )
    with engine.open_lake() as con:
        file = str(truth).replace("'", "''")
        rows = con.execute(
            f"""SELECT dense_rank() OVER (ORDER BY bib_id) - 1 AS found,
                dense_rank() OVER (ORDER BY book_id) - 1 AS book
            FROM catalog.bib_record JOIN read_parquet('{file}') USING (source_id, record_id)"""
        ).to_arrow_table()
    if not len(rows):
        raise EvaluationError(f"{truth.name}: none of its records is in the catalogue; run `calis catalog` first")
    return cluster_figures(rows["found"].to_numpy(), rows["book"].to_numpy())
