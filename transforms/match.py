"""Which member records describe the same book: collapse, block, score, decide, join.

1. *Collapse*: records with equal keys and identifiers become one group, so that popular books cost little.
2. *Block*: only groups that share an identifier or a piece of their description are compared.
3. *Score*: an additive card (`schemas/match_weights.csv`) weighs the evidence of each pair; its sum through
   the logistic function is the score, 0 to 1.  `score` is a pure function from Arrow batches to Arrow batches.
4. *Decide*: a veto separates whatever the score; else match, review or separate by the card's thresholds.
5. *Join*: matches become clusters, best first; an edge that would put conflicting groups into one cluster is
   refused (`transforms.components`), so a chain can't do what a pair may not.

What people judged goes before all of this (`transforms.judging`).

Collapsing is ibis expressions, written to mean the same on every engine (`warehouse.engine`); blocks, scores and
joining are compiled passes over Arrow columns.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates, clusters, judging, pair_kernel, rematch
from transforms.candidates import BLOCK_CAP, POSITION
from transforms.columns import whole
from transforms.judgement import RECORD, Rulings
from transforms.known import PAIR, Known, longer
from transforms.lookup_kernel import NONE
from transforms.record_index import Index
from transforms.rematch import Done
from transforms.score import Card, load_card, score, score_groups
from transforms.scored import CODED
from warehouse import engine

NOT_JUDGED = Rulings()


@dataclass(frozen=True)
class Clusters:
    """The result of matching; its tables are made when they are asked for, from what is known then."""

    known: Known  # for the next run, which changes it
    notes: list[str]  # what was left out or cut, for the outcome
    rules: list[str]  # `Card.rules`
    threads: int

    @cached_property
    def records(self) -> pa.Table:
        """POSITION and cluster of all records, ordered by (source_id, record_id)."""
        return clusters.records(self.known, self._standing)

    @cached_property
    def pairs(self) -> pa.Table:
        """`catalog.match`."""
        with ThreadPoolExecutor(self.threads) as pool:
            return clusters.pairs(self.known, self._standing, self.rules, pool)

    @cached_property
    def _standing(self) -> clusters.Standing:
        return clusters.standing(self.known)


def _all_pairs(con: BaseBackend, known: Known, pairs: pa.Table, card: Card) -> pa.Table:
    """All pairs that met, scored, as `CODED`."""
    if engine.has_workers(con):
        sides = candidates.compared(ibis.memtable(pairs), known.numbered().drop("said"))
        return engine.mapped(con, sides, partial(score, card=card), CODED).to_pyarrow()
    return score_groups(known.described, pairs, card, engine.threads(con))


def _add_pairs(known: Known, scored: pa.Table, asked: bool) -> None:
    """Add pairs, as the card decides; `asked` are those that met in no block."""
    added = scored.append_column("asked", pa.array(np.full(len(scored), asked)))
    known.pair = pa.concat_tables([known.pair, added.cast(PAIR)])
    known.rule, known.decision = (
        longer(values, whole(added[name])) for name, values in (("rule", known.rule), ("decision", known.decision))
    )


def _judged(con: BaseBackend, known: Known, rulings: Rulings, card: Card) -> pa.Table:
    """`judging.decided`; pairs that met in no block are scored and added."""
    if not rulings.pairs:
        return judging.DECIDED.empty_table()
    judged = rulings.records
    group = known.group[known.located(judged, len(known.record))].tolist()
    decided = judging.decided(dict(zip(judged, group, strict=True)), rulings)
    there = known.decision != NONE
    have = (whole(known.pair[side])[there].astype(np.int64) for side in ("left", "right"))
    wanted = decided["left"].to_numpy() << 32 | decided["right"].to_numpy()
    left, right = have
    asked = decided.select(["left", "right"]).filter(pa.array(~np.isin(wanted, left << 32 | right)))
    scored = score_groups(known.described, asked, card, engine.threads(con), every=True)
    _add_pairs(known, scored, asked=True)
    return decided


def _notes(large: pa.Table, cap: int) -> list[str]:
    """What the outcome says about blocks over the cap; the largest by name."""
    order = [("size", "descending"), ("rule", "ascending"), ("key", "ascending")]
    rows = large.sort_by(order).to_pylist()
    if not rows:
        return []
    members = sum(row["size"] for row in rows)
    named = ", ".join(f"{row['rule']} = {row['key']!r} with {row['size']}" for row in rows[:3])
    return [
        f"{len(rows)} blocks over the cap of {cap} groups ({members} places), compared with their neighbours "
        f"by title only; the largest: {named}"
    ]


def _of_bib(bib: Table, columns: list[str]) -> Iterator[pa.Table]:
    """The record index of `bib`, as `Index` gives it."""
    yield bib.select(*POSITION).order_by(*RECORD).to_pyarrow().select(columns)


def cluster(
    con: BaseBackend,
    bib: Table,
    card: Card | None = None,
    cap: int = BLOCK_CAP,
    rulings: Rulings = NOT_JUDGED,
    known: Known | None = None,
    present: Index | None = None,
    files: Sequence[Path] = (),
    folder: Path | None = None,
    done: Done = lambda stage: None,
) -> Clusters:
    """Match all records of `bib` (columns of `staged.bib`; one row a record), as judged where they are.

    The result depends on the records and the judgements alone, not on their order, nor on what is `known`, which
    only saves work and is changed by it.  `present` is their index, where the caller has it at hand.
    `files` are Parquet files of `staged.bib` with all that are present, and maybe more, to be read as they lie.
    In a `folder`, which is made, what is known for the next run is kept.
    `done` is told each stage as it ends.
    """

    found = None

    def ended(stage: str) -> None:
        if not found:  # else there is little
            engine.give_back()
        done(stage)

    engine.prepare(con)
    card = card or load_card()
    if known:
        index = present or partial(_of_bib, bib)
        found = rematch.again(con, bib, known, index, cap, rulings, files, done)
    if known and found:
        ended("pairs")
        pairs, touched = found
        scored = score_groups(known.described, pairs, card, engine.threads(con))
    else:
        known = rematch.anew(con, bib, present, rulings, folder, files)
        ended("collapse")
        pairs, touched = rematch.meet(con, known, cap, folder, ended)
        scored = _all_pairs(con, known, pairs, card)
    del pairs
    there = len(known.pair)
    _add_pairs(known, scored, asked=False)
    del scored
    decided = _judged(con, known, rulings, card)
    ended("score")
    added = [piece for piece in known.sides() if piece[0] >= there]
    touched = touched._replace(pairs=pair_kernel.with_pieces(touched.pairs, added))
    with ThreadPoolExecutor(engine.threads(con)) as pool:
        clusters.rejoin(known, touched, decided, card.rules, pool)
        if not found:
            known.settle(pool, clusters.in_order(known, clusters.standing(known), pool))
    ended("components")
    if folder:
        known.save(folder)
        ended("keep")
    return Clusters(known, _notes(known.large, cap), card.rules, engine.threads(con))
