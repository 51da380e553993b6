"""Which member records describe the same book: collapse, block, score, decide, join.

1. *Collapse*: records with equal keys and identifiers become one group, so that popular books cost little.
2. *Block*: only groups that share an identifier or a piece of their description are compared.
3. *Score*: an additive card (`schemas/match_weights.csv`) weighs the evidence of each pair; its sum through
   the logistic function is the score, 0 to 1.  `score` is a pure function from Arrow batches to Arrow batches.
4. *Decide*: a veto separates whatever the score; else match, review or separate by the card's thresholds.
5. *Join*: matches become clusters, best first; an edge that would put conflicting groups into one cluster is
   refused (`transforms.components`), so a chain can't do what a pair may not.

What people judged goes before all of this (`transforms.judging`).

Collapsing and blocking are ibis expressions, written to mean the same on every engine (`warehouse.engine`).
"""

from dataclasses import dataclass
from functools import partial

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates, clusters, judging, rematch
from transforms.candidates import BLOCK_CAP, POSITION
from transforms.judgement import RECORD, Rulings
from transforms.rematch import Done, Found, Known
from transforms.score import Card, coded, load_card, score_groups
from transforms.scored import CODED, as_codes, from_codes
from warehouse import engine

NOT_JUDGED = Rulings()


@dataclass(frozen=True)
class Clusters:
    """The result of matching."""

    records: pa.Table  # POSITION, row, cluster; ordered by (source_id, record_id), row counts from 0
    pairs: pa.Table  # catalog.match
    notes: list[str]  # what was left out or cut, for the outcome
    known: Known  # for the next run; tables of the connection


def _scored(con: BaseBackend, found: Found, decided: pa.Table, card: Card) -> tuple[pa.Table, Table]:
    """All pairs, scored; and as they are to be known, without judged pairs that no block has brought together."""
    asked = ibis.memtable(decided.select(["left", "right"])).anti_join(found.pairs, ["left", "right"])
    if found.scored is not None:
        asked = asked.anti_join(found.scored, ["left", "right"])
    scored, codes = (_in_workers if engine.has_workers(con) else _here)(con, found, asked, card)
    if found.scored is None:
        return scored, codes
    return pa.concat_tables([from_codes(found.scored.to_pyarrow(), card.rules), scored]), ibis.union(
        found.scored, codes
    )


def _in_workers(con: BaseBackend, found: Found, asked: Table, card: Card) -> tuple[pa.Table, Table]:
    """Scores of pairs that met and that were asked for, and the codes of the former; a pair brings both sides."""
    groups = found.described.drop("said")
    codes = [
        engine.mapped(con, candidates.compared(pairs, groups), partial(coded, card=card), CODED)
        for pairs in (found.pairs, asked)
    ]
    return pa.concat_tables([from_codes(table.to_pyarrow(), card.rules) for table in codes]), codes[0]


def _here(con: BaseBackend, found: Found, asked: Table, card: Card) -> tuple[pa.Table, Table]:
    """The same, of groups in memory."""
    met, more = (table.order_by("left", "right").to_pyarrow() for table in (found.pairs, asked))
    both = pa.concat_tables([met, more])
    groups = found.described
    if found.scored is not None:
        ends = pc.unique(pa.chunked_array([*both["left"].chunks, *both["right"].chunks], pa.int64()))
        groups = groups.semi_join(ibis.memtable(pa.table({"group": ends})), "group")
    scored = score_groups(groups.order_by("group").to_pyarrow(), both, card, engine.threads(con))
    return scored, ibis.memtable(as_codes(scored.slice(0, len(met))))


def _notes(large: Table, cap: int) -> list[str]:
    """What the outcome says about blocks over the cap; the largest by name."""
    rows = large.order_by(ibis.desc("size"), "rule", "key").to_pyarrow().to_pylist()
    if not rows:
        return []
    members = sum(row["size"] for row in rows)
    named = ", ".join(f"{row['rule']} = {row['key']!r} with {row['size']}" for row in rows[:3])
    return [
        f"{len(rows)} blocks over the cap of {cap} groups ({members} places), compared with their neighbours "
        f"by title only; the largest: {named}"
    ]


def cluster(
    con: BaseBackend,
    bib: Table,
    card: Card | None = None,
    cap: int = BLOCK_CAP,
    rulings: Rulings = NOT_JUDGED,
    known: Known | None = None,
    done: Done = lambda stage: None,
) -> Clusters:
    """Match all records of `bib` (columns of `staged.bib`; one row a record), as judged where they are.

    The result depends on the records and the judgements alone, not on their order, nor on what is `known`, which
    only saves work.  `done` is told each stage as it ends.
    """
    engine.prepare(con)
    card = card or load_card()
    if known:
        found = rematch.again(con, bib, known, cap, rulings, done)
    else:
        found = rematch.anew(con, bib, cap, rulings, done)
    done("pairs")
    decided = judging.decided(found.member, rulings)
    scored, pair = _scored(con, found, decided, card)
    done("score")
    records = found.member.order_by(*RECORD).select(*POSITION, "group").to_pyarrow()
    groups = found.described.select("group", *clusters.ATTRIBUTES).order_by("group").to_pyarrow()
    of_record, first, groups, scored, decided = clusters.in_order(records, groups, scored, decided)
    cluster, scored = clusters.join(records["source_id"], of_record, groups, scored, decided)
    done("components")
    records_out = records.select(POSITION).append_column("row", pa.array(np.arange(len(records))))
    records_out = records_out.append_column("cluster", pa.array(first[cluster[of_record]]))
    pairs = clusters.named(scored, records, first)
    done("records out")
    known = Known(found.member, found.described, found.placed, pair, found.large)
    return Clusters(records_out, pairs, _notes(found.large, cap), known)
