"""Learn the weights of `schemas/match_weights.csv` from labelled pairs, and say how well they hold on others.

    bench/fit_card.py --records FILE… --pairs LABELS.csv [--distinct FILE…] [--folds 10] [--write]

An additive card: each level of each kind of evidence has a weight in log-odds.  Weights are fitted by logistic
regression with a small penalty, and so that more likeness never counts less (a greater gap never more).  Weights
of identifiers stay as they are: labelled pairs without identifiers say nothing of them.  So do those of creators
who differ (-2.8): where pairs were drawn by title, nearly all have one creator, and another one would count for
little, though a title with another author is another book.  Labelled pairs may have
few books of one title by others; `--distinct` files show the fit what meets in blocks and is not one, and count
as much as all pairs labelled so.  Cross-validation keeps records that are connected by pairs in one fold, fits on
the others, and counts at the card's own threshold.
Needs scipy, which the program itself does not.
"""

import argparse
import csv
import os
import sys
from pathlib import Path

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.optimize import minimize
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from transforms import candidates, meeting, parse
from transforms.described import Pairs
from transforms.evaluate import read_pairs
from transforms.features import features
from transforms.score import IDENTIFIERS, WEIGHTS, Card, load_card, reworded, vetoes
from warehouse import engine

ALIKE = 0.8  # of the whole titles or of their beginnings
PENALTY = 0.02  # on the square of each step between levels
Floats = npt.NDArray[np.float64]
BY_HAND = {("creator", level) for level in ("unlike", "distant", "similar")}
GIVEN = (*IDENTIFIERS, "team")  # evidence of which the labelled pairs say nothing
FALLING = ("year_gap", "coded_gap", "pages_gap", "edition")


def compared(records: list[Path]) -> pa.Table:
    """The columns that matching compares, of all records of some files."""
    con = ibis.duckdb.from_connection(engine.connect())
    bib = con.create_table("bib", ibis.memtable(parse.parse_files(records)))
    return candidates.numbered(candidates.prepare(bib)).order_by("row").to_pyarrow()


def side_by_side(table: pa.Table, at: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """Pairs of rows as `score.features` takes them; each row is a source of its own, without identifiers."""
    columns = {}
    for side, name in enumerate(("left", "right")):
        some = table.take(pa.array(at[:, side]))
        columns |= {
            f"{name}_{column}": pa.nulls(len(at), pa.string())
            if column in IDENTIFIERS
            else some[column].combine_chunks()
            for column in candidates.COMPARED
        }
        columns[f"{name}_source_id"] = pa.array(at[:, side].astype(str))
        columns[f"{name}_identity"] = pa.nulls(len(at), pa.string())
    return pa.RecordBatch.from_pydict(columns)


def labelled(records: list[Path], pairs: Path) -> tuple[pa.RecordBatch, npt.NDArray[np.int64], Floats]:
    """The labelled pairs side by side, the two records' numbers of each, and the labels."""
    table = compared(records)
    place = {name: row for row, name in enumerate(table["record_id"].to_pylist())}
    rows = [(place[a], place[b], label) for a, b, label in read_pairs(pairs) if a in place and b in place]
    at = np.array([row[:2] for row in rows])
    return side_by_side(table, at), at, np.array([row[2] for row in rows], float)


def distinct(records: list[Path]) -> pa.RecordBatch:
    """Pairs that meet in a block, of records that all describe different books."""
    table = compared(records)
    described = table.append_column("said", table["row"])
    threads = os.cpu_count() or 1
    met, _ = meeting.pairs(meeting.placed(described, threads), described, threads)
    return side_by_side(table, np.stack([met["left"].to_numpy(), met["right"].to_numpy()], axis=1))


class Design:
    """The card's levels as columns: one for each step to a better level, one for missing."""

    def __init__(self, card: Card, found: dict[str, Floats]):
        self.card, self.names = card, [name for name in card.evidence if name not in GIVEN]
        parts, lower = [np.ones((len(found["title"]), 1))], [-np.inf]
        self.places: dict[str, tuple[int, int]] = {}
        for name in self.names:
            evidence, values = card.evidence[name], found[name]
            missing = np.isnan(values)
            level = np.clip(np.searchsorted(evidence.bounds, values, side="right") - 1, 0, None)
            if name in FALLING:
                level = len(evidence.bounds) - 1 - level
            steps = (level[:, None] >= np.arange(1, len(evidence.bounds))) & ~missing[:, None]
            self.places[name] = sum(part.shape[1] for part in parts), steps.shape[1]
            parts += [missing[:, None].astype(float), steps.astype(float)]
            lower += [-np.inf] + [0.0] * steps.shape[1]
        self.matrix, self.bounds = np.concatenate(parts, axis=1), [(low, None) for low in lower]

    def fit(self, rows: npt.NDArray[np.bool_], labels: Floats, counts: Floats) -> Floats:
        """Weights of the columns, from some rows that count for more or less."""
        # most pairs have their levels in common with others
        cases = np.column_stack([self.matrix[rows], labels[rows], counts[rows]])
        unique, often = np.unique(cases, axis=0, return_counts=True)
        x, y, times = unique[:, :-2], unique[:, -2], unique[:, -1] * often

        def loss(weights: Floats) -> tuple[float, Floats]:
            odds = x @ weights
            value = times @ (np.logaddexp(0, odds) - odds * y) + PENALTY * (weights[1:] ** 2).sum()
            slope = x.T @ (times * (1 / (1 + np.exp(-odds)) - y))
            slope[1:] += 2 * PENALTY * weights[1:]
            return float(value), slope

        start, bounds = np.full(x.shape[1], 0.1), list(self.bounds)
        for _ in range(4):  # what is missing speaks for nothing: at most half way between the worst and the best
            start = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x
            for at, steps in self.places.values():
                bounds[at] = (None, float(start[at + 1 : at + 1 + steps].sum() / 2))
        return start

    def card_weights(self, weights: Floats) -> dict[tuple[str, str], float]:
        """The weight of each (evidence, level), and of the prior.

        The fit has the worst level at nought; all are moved by the middle of their range, to read as for and
        against, and the prior takes it up.
        """
        found = {}
        prior = weights[0]
        for name in self.names:
            levels = self.card.evidence[name].levels
            at, steps = self.places[name]
            values = np.concatenate([[0.0], np.cumsum(weights[at + 1 : at + 1 + steps])])
            values = values[::-1] if name in FALLING else values
            middle = float(values.max() / 2)
            prior += middle
            found[name, "missing"] = float(weights[at] - middle)
            found |= {(name, level): float(value - middle) for level, value in zip(levels, values, strict=True)}
        found["all", "prior"] = float(prior)
        return found


def folds(at: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """A fold for each pair; records connected by pairs share one."""
    size = int(at.max()) + 1
    _, component = connected_components(coo_matrix((np.ones(len(at)), (at[:, 0], at[:, 1])), (size, size)))
    order = np.random.default_rng(2026).permutation(component.max() + 1)
    return order[component[at[:, 0]]] % count


def report(name: str, score: Floats, labels: Floats, threshold: float) -> None:
    """Precision and recall at some thresholds, and the recall where precision is 0.995."""
    for at in sorted({threshold, 0.5, 0.7, 0.8, 0.9}):
        joined = score >= at
        hit = float((joined * labels).sum())
        star = "  <- the card's" if at == threshold else ""
        figures = f"precision {hit / joined.sum():.4f}, recall {hit / labels.sum():.4f}"
        print(f"{name:10} threshold {at:.2f}: {figures}{star}")
    order = np.argsort(-score)
    precision = np.cumsum(labels[order]) / np.arange(1, len(labels) + 1)
    last = np.flatnonzero(precision >= 0.995)[-1]
    recall = labels[order][: last + 1].sum() / labels.sum()
    print(f"{name:10} precision 0.995: recall {recall:.4f} at {score[order][last]:.3f}")


def report_alike(score: Floats, labels: Floats, title: Floats, threshold: float) -> None:
    """How many pairs that are not one book, though their titles are alike, would be joined."""
    of_interest = (labels == 0) & (title >= ALIKE)
    joined = int((of_interest & (score >= threshold)).sum())
    share = joined / max(int(of_interest.sum()), 1)
    print(f"{int(of_interest.sum())} pairs not of one book have titles alike: {joined} joined, {share:.1%}")


def write(weights: dict[tuple[str, str], float]) -> None:
    """Put the weights into the card; its other lines and columns stay."""
    with WEIGHTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if (key := (row["evidence"], row["level"])) in weights and key not in BY_HAND:
            row["weight"] = f"{weights[key]:.2f}"
    with WEIGHTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", nargs="+", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True, help="CSV: id1,id2,label")
    parser.add_argument("--distinct", nargs="*", type=Path, help="files of which no two records are one book")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument(
        "--write", action="store_true", help="write the weights, fitted on all pairs, into the card"
    )
    given = parser.parse_args()
    card = load_card()
    batch, at, labels = labelled(given.records, given.pairs)
    pairs = Pairs.of(batch)
    found = features(pairs)
    apart = np.logical_or.reduce(list(vetoes(pairs, found).values()))
    known = len(labels)
    fold, counts = folds(at, given.folds), np.ones(known)
    every, truth = found, labels
    if given.distinct:
        others = Pairs.of(distinct(given.distinct))
        more = features(others)
        free = ~np.logical_or.reduce(list(vetoes(others, more).values()))
        every = {name: np.concatenate([values, more[name][free]]) for name, values in found.items()}
        truth = np.concatenate([labels, np.zeros(free.sum())])
        counts = np.concatenate([counts, np.full(free.sum(), (1 - labels).sum() / free.sum())])
        fold = np.concatenate([fold, np.full(free.sum(), -1)])
        print(f"{int(free.sum())} pairs of different books beside them")
    design = Design(card, every)
    score = np.zeros(known)
    for number in range(given.folds):
        weights = design.fit(fold != number, truth, counts)
        score[fold[:known] == number] = 1 / (1 + np.exp(-(design.matrix[fold == number] @ weights)))
    score = np.where(reworded(found, score, card), np.minimum(score, card.review), score)
    print(f"{len(labels)} pairs, {int(labels.sum())} of one book, {int((apart * labels).sum())} of these vetoed")
    report("no vetoes", score, labels, card.match)
    report("vetoes", np.where(apart, 0, score), labels, card.match)
    report_alike(np.where(apart, 0, score), labels, np.fmax(found["title"], found["title_start"]), card.match)
    for reason, flags in vetoes(pairs, found).items():
        one, two = int((flags * labels).sum()), int((flags * (1 - labels)).sum())
        print(f"veto {reason:14} {one:5} of one book, {two:5} not")
    weights_all = design.card_weights(design.fit(counts > 0, truth, counts))
    for (name, level), weight in weights_all.items():
        print(f"{name:14} {level:10} {weight:6.2f}")
    if given.write:
        write(weights_all)


if __name__ == "__main__":
    main()
