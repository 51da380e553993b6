"""How good the matching is: against labelled pairs, and against the truth of the sample consortium."""

import csv
from dataclasses import dataclass
from pathlib import Path

import duckdb
import ibis
import numpy as np
import pyarrow as pa

from schemas.catalog import CATALOG_BIB_RECORD, CATALOG_JUDGEMENT
from transforms import explain, match, wrong_pairs
from transforms.judgement import Judgement, pair
from transforms.wrong_pairs import JOINED, MISSED, Told, Wrong
from warehouse import engine

Figures = dict[str, float | int]
YES, NO = (frozenset(["1", "true", "yes", "match"]), frozenset(["0", "false", "no", "separate"]))


class EvaluationError(Exception):
    """The labels or the truth can't be held against the records."""


@dataclass(frozen=True)
class Evaluation:
    """The figures of a matching, and its wrong pairs."""

    figures: Figures
    wrong: list[Wrong]
    con: duckdb.DuckDBPyConnection  # with the tables that say why
    judged: tuple[tuple[Judgement, str], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many wrong pairs there are of each kind."""
        return {kind: sum(one.wrong == kind for one in self.wrong) for kind in (JOINED, MISSED)}

    def explained(self, most: int | None = None) -> list[Told]:
        """What is to be known of the wrong pairs, of each kind the first ones; see `wrong_pairs.explained`."""
        some = [one for kind in (JOINED, MISSED) for one in [w for w in self.wrong if w.wrong == kind][:most]]
        return wrong_pairs.explained(self.con, some, list(self.judged))


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


def figures(true_positive: int, predicted: int, actual: int) -> Figures:
    """{precision, recall, f1} of so many pairs found rightly, found, and true."""
    precision, recall = _share(true_positive, predicted), _share(true_positive, actual)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def evaluate_table(bib: pa.Table, pairs: list[tuple[str, str, bool]]) -> Evaluation:
    """Match the records of a table and hold the clusters against labelled pairs.

    Args:
        bib: `staged.bib` columns with match keys; a record_id that comes again is the same record again.
        pairs: (record_id, record_id, whether they are one).

    Returns:
        Figures {pairs, missing, precision, recall, f1} over the labelled pairs; a pair counts as found when both
        records are in one cluster, so blocks, vetoes and components take part.  `missing` counts labelled ids
        without a record (set aside by the reader, for example); their pairs count as not found, and are not
        among the wrong ones, of which there is nothing to tell.

    Raises:
        EvaluationError: no labelled id is in any record.
    """
    bib = _each_its_own_source(bib)
    there = set(bib["record_id"].to_pylist())
    labelled = {record_id for left, right, _ in pairs for record_id in (left, right)}
    missing = labelled - there
    if missing == labelled:
        some = ", ".join(sorted(labelled)[:3])
        raise EvaluationError(f"none of the labelled ids ({some} …) is the 001 of a record")
    con, records = matched(bib)
    cluster = dict(zip(records["record_id"].to_pylist(), records["cluster"].to_pylist(), strict=True))
    joined = [left in cluster and cluster[left] == cluster.get(right) for left, right, _ in pairs]
    labels = [label for _, _, label in pairs]
    both = sum(a and b for a, b in zip(joined, labels, strict=True))
    measured = {"pairs": len(pairs), "missing": len(missing), **figures(both, sum(joined), sum(labels))}
    wrong = [
        Wrong((left, left), (right, right), JOINED if found else MISSED)
        for (left, right, label), found in zip(pairs, joined, strict=True)
        if found != label and {left, right} <= there
    ]
    return Evaluation(measured, wrong, con)


def _each_its_own_source(bib: pa.Table) -> pa.Table:
    """The first of each record, as a source of its own: nothing says that they came from one library."""
    first = {record_id: row for row, record_id in reversed(list(enumerate(bib["record_id"].to_pylist())))}
    bib = bib.take(list(first.values()))
    own = {"source_id": bib["record_id"], "batch_id": pa.nulls(len(bib), pa.string()).fill_null("evaluate")}
    for name, values in own.items():
        bib = bib.drop_columns([name]) if name in bib.column_names else bib
        bib = bib.append_column(name, values)
    if "record_no" not in bib.column_names:
        bib = bib.append_column("record_no", pa.array(range(len(bib)), pa.int32()))
    return bib


def matched(bib: pa.Table) -> tuple[duckdb.DuckDBPyConnection, pa.Table]:
    """Match a table of `staged.bib`: a lake in memory with what was decided and why, and `Clusters.records`."""
    con = engine.connect()
    con.execute("CREATE SCHEMA staged; CREATE SCHEMA catalog")
    backend = ibis.duckdb.from_connection(con)
    staged = backend.create_table("current_bib", ibis.memtable(bib), database="staged")
    clusters = match.cluster(backend, staged)
    records = clusters.records.append_column("bib_id", clusters.records["cluster"].cast(pa.string()))
    records = records.select(CATALOG_BIB_RECORD.schema.names)
    tables = {"match": clusters.pairs, "bib_record": records, "judgement": CATALOG_JUDGEMENT.empty()}
    for name, table in tables.items():
        backend.create_table(name, ibis.memtable(table), database="catalog")
    return con, clusters.records


def evaluate(records: list[Path], pairs: Path) -> Evaluation:
    """Read files of records, match them and hold the result against labelled pairs (id = 001)."""
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
    pairwise = figures(_pairs_of(overlap), _pairs_of(found_size), _pairs_of(true_size))
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


def evaluate_truth(truth: Path) -> Evaluation:
    """Hold the current catalogue against the truth of the sample consortium.

    Args:
        truth: Parquet with source_id, record_id and book_id (which book a member record describes).

    Returns:
        Figures {records, bibs, books, precision, recall, f1, bcubed_precision, bcubed_recall, bcubed_f1}, over
        the records that both know.  Of the wrong pairs, one stands for all between a part of a bib (the records
        that are one book) and its larger parts, or between a part of a book and its larger parts; those that
        stand for most are first.

    Raises:
        EvaluationError: there is no truth, or no record of it is in the catalogue.
    """
    if not truth.exists():
        raise EvaluationError(
            "there is no sample consortium here: run `calis sample` and `calis run`, or say --records and --pairs"
        )
    con = engine.open_lake()
    file = str(truth).replace("'", "''")
    con.execute(
        f"""CREATE TEMP TABLE known AS SELECT source_id, record_id, bib_id, book_id::VARCHAR AS book_id
        FROM catalog.bib_record JOIN read_parquet('{file}') USING (source_id, record_id)"""
    )
    rows = con.execute(
        """SELECT dense_rank() OVER (ORDER BY bib_id) - 1 AS found,
            dense_rank() OVER (ORDER BY book_id) - 1 AS book FROM known"""
    ).to_arrow_table()
    if not len(rows):
        raise EvaluationError(f"{truth.name}: none of its records is in the catalogue; run `calis catalog` first")
    measured = cluster_figures(rows["found"].to_numpy(), rows["book"].to_numpy())
    wrong = _between_parts(con, "bib_id", "book_id", JOINED) + _between_parts(con, "book_id", "bib_id", MISSED)
    return Evaluation(measured, wrong, con, tuple(explain.in_force()))


def _between_parts(con: duckdb.DuckDBPyConnection, whole: str, part: str, wrong: str) -> list[Wrong]:
    """For each part of a whole but the largest a pair with a record of a larger part.

    It is the pair of highest score that was compared; where none was, the first records of the two.
    """
    rows = con.execute(
        f"""
        WITH sized AS (
            SELECT {whole} AS whole, {part} AS part, count(*) AS records, min((source_id, record_id)) AS first
            FROM known GROUP BY ALL),
        ranked AS (
            SELECT *, row_number() OVER larger AS rank, first_value(first) OVER larger AS main,
                sum(records) OVER (larger ROWS UNBOUNDED PRECEDING) - records AS before
            FROM sized WINDOW larger AS (PARTITION BY whole ORDER BY records DESC, part)),
        placed AS (
            SELECT known.source_id, known.record_id, whole, rank
            FROM known JOIN ranked ON known.{whole} = whole AND known.{part} = part),
        met AS (
            SELECT l.whole, greatest(l.rank, r.rank) AS rank,
                arg_max(((m.left_source_id, m.left_record_id), (m.right_source_id, m.right_record_id)),
                    (m.decision = 'match', m.score)) AS ends
            FROM catalog.match m
            JOIN placed l ON m.left_source_id = l.source_id AND m.left_record_id = l.record_id
            JOIN placed r ON m.right_source_id = r.source_id AND m.right_record_id = r.record_id
            WHERE l.whole = r.whole AND l.rank <> r.rank GROUP BY ALL)
        SELECT coalesce(ends, (main, first)), records * before AS pairs
        FROM ranked LEFT JOIN met USING (whole, rank) WHERE rank > 1 ORDER BY pairs DESC, 1"""
    ).fetchall()
    return [Wrong(*pair(*ends), wrong, int(pairs)) for ends, pairs in rows]
