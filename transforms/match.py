"""Which member records describe the same book: collapse, block, score, decide, join.

1. *Collapse*: records with equal keys and identifiers become one group, so that popular books cost little.
2. *Block*: only groups that share an identifier or a piece of their description are compared.
3. *Score*: an additive card (`schemas/match_weights.csv`) weighs the evidence of each pair; its sum through
   the logistic function is the score, 0 to 1.  `score` is a pure function from Arrow batches to Arrow batches.
4. *Decide*: a veto separates whatever the score; else match, review or separate by the card's thresholds.
5. *Join*: matches become clusters, best first; an edge that would put conflicting groups into one cluster is
   refused (`transforms.components`), so a chain can't do what a pair may not.

What people judged goes before all of this (`transforms.judging`).

Collapsing and blocking are ibis expressions, written to mean the same on every engine.
"""

from collections.abc import Callable
from dataclasses import dataclass

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend
from ibis.expr.types import Table
from ibis.util import gen_name

from transforms import candidates, components, judging
from transforms.candidates import RECORD
from transforms.judgement import Rulings
from transforms.score import (
    BY_FORCE,
    FORBIDDEN,
    MATCH,
    REFUSED,
    REVIEW,
    SAME_SOURCE,
    SEPARATE,
    Card,
    decided_as,
    having,
    load_card,
    ruled,
    score_groups,
)
from warehouse import engine

NOT_JUDGED = Rulings()


@dataclass(frozen=True)
class Clusters:
    """The result of matching."""

    records: pa.Table  # POSITION, row, cluster; ordered by (source_id, record_id), row counts from 0
    pairs: pa.Table  # catalog.match
    notes: list[str]  # what was left out or cut, for the outcome


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """Values as codes from 0; null is `ANY`."""
    encoded = pc.dictionary_encode(column).combine_chunks()
    return pc.fill_null(encoded.indices, components.ANY).to_numpy(zero_copy_only=False).astype(np.int64)


def _volumes(keys: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Volumes as two attributes: numbers, among which none is a value too, and names, which may be left out."""
    keys, missing = pc.fill_null(keys, ""), pa.scalar(None, pa.string())
    named = pc.and_(pc.not_equal(keys, ""), pc.invert(pc.match_substring_regex(keys, "[0-9]")))
    return pc.if_else(named, missing, keys), pc.if_else(named, keys, missing)


def _sources(members: pa.Table, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """The sources of group g, as `sources[starts[g]:starts[g + 1]]` in ascending order."""
    sources = _codes(members["source_id"])
    count = int(sources.max(initial=0)) + 1
    held = np.unique(members["group"].to_numpy() * count + sources)
    return np.searchsorted(held, np.arange(groups + 1) * count), held % count


def _apart_in_source(scored: pa.Table, starts: np.ndarray, sources: np.ndarray, identity: np.ndarray) -> pa.Table:
    """Scored pairs, where likely ones of which a source has both, as two different records, are separate."""
    likely = np.flatnonzero(~decided_as(scored, SEPARATE))
    left, right = (scored[side].to_numpy()[likely] for side in ("left", "right"))
    differ = (identity[left] != identity[right]) | (identity[left] == components.ANY)
    likely, left, right = likely[differ], left[differ], right[differ]
    return ruled(scored, likely[components.share_source(left, right, starts, sources)], SAME_SOURCE, SEPARATE)


def _clusters(
    groups: pa.Table, starts: np.ndarray, sources: np.ndarray, identity: np.ndarray, scored: pa.Table
) -> tuple[np.ndarray, np.ndarray]:
    """For each group its cluster, and the places of the scored pairs that were refused.

    Args:
        groups: `candidates.groups`, ordered by group.
        starts, sources: as from `_sources`.
        identity: a code for each group, or `ANY`.
    """
    edition = pc.if_else(groups["edition_stated"], groups["edition_key"], pa.scalar(None, pa.string()))
    # What holds between groups that never met, too.
    attributes = [*_volumes(groups["volume_key"]), edition]
    attributes += [groups[name] for name in ("carrier", "lang", "orig_lang", "kind")]
    left, right = (scored[side].to_numpy() for side in ("left", "right"))
    codes = np.stack([_codes(column) for column in attributes], axis=1)
    forced = having(scored, lambda rule: rule == BY_FORCE)
    tried = np.flatnonzero(decided_as(scored, MATCH))
    order = np.lexsort((right[tried], left[tried], -scored["score"].to_numpy()[tried], ~forced[tried]))
    tried, ends = tried[order], np.unique(np.concatenate([left[forced], right[forced]]))
    apart = np.flatnonzero(judging.vetoed(scored))
    # what people joined is one, so a veto on a part of it no longer speaks for the whole
    if len(ends):
        apart = apart[~np.isin(left[apart], ends) & ~np.isin(right[apart], ends)]
    apart = apart[components.within_reach(left[apart], right[apart], left[tried], right[tried], codes)]
    apart = np.append(apart, np.flatnonzero(having(scored, lambda rule: rule == FORBIDDEN)))
    cluster, refused = components.join(
        left[tried], right[tried], codes, starts, sources, identity, int(forced.sum()), (left[apart], right[apart])
    )
    return cluster, tried[refused]


def _pair_rows(scored: pa.Table, leaders: pa.Table) -> pa.Table:
    """`catalog.match`: scored pairs under the names of each group's first record."""
    names: dict[str, pa.ChunkedArray] = {}
    for side in ("left", "right"):
        names |= {f"{side}_{name}": leaders[name].take(scored[side]) for name in RECORD}
    return pa.table(names | {name: scored[name] for name in ("score", "rule", "decision")})


def _notes(con: BaseBackend, large: Table, groups: Table, cap: int) -> list[str]:
    """What the outcome says about blocks over the cap; the largest by name."""
    sized = large.mutate(size=large.groups.length(), one=large.groups[0])
    totals = sized.agg(blocks=sized.count(), places=sized.size.sum()).to_pyarrow().to_pylist()[0]
    count, members = totals["blocks"], totals["places"]
    if not count:
        return []
    first = sized.order_by(ibis.desc("size"), "block").limit(3).select("block", "size", "one").to_pyarrow()
    ones = groups.semi_join(ibis.memtable(first.select(["one"]).rename_columns(["group"])), "group")
    keys = candidates.blocks(_kept(con, "large", ones))
    names = keys.mutate(block=candidates.block(keys)).to_pyarrow().to_pylist()
    text = {row["block"]: f"{row['rule']} = {row['key']!r}" for row in names}
    named = ", ".join(f"{text[row['block']]} with {row['size']}" for row in first.to_pylist())
    return [
        f"{count} blocks over the cap of {cap} groups ({members} places), compared with their neighbours "
        f"by title only; the largest: {named}"
    ]


def _kept(con: BaseBackend, name: str, expression: Table) -> Table:
    """The result of an expression as a temporary table; its name is new, since replacing copies twice."""
    return con.create_table(gen_name(f"match_{name}"), expression, temp=True)


def worth_comparing(con: BaseBackend, groups: Table, cap: int = candidates.BLOCK_CAP) -> tuple[Table, Table]:
    """Pairs of groups that meet in a block (left, right), and the blocks that are over the cap (block, groups)."""
    met = _kept(con, "block", candidates.met(candidates.blocks(groups)))
    large, small = met.filter(met.groups.length() > cap), met.filter(met.groups.length() <= cap)
    return candidates.pairs(small, _kept(con, "place", candidates.places(large, groups))), large


def cluster(
    con: BaseBackend,
    bib: Table,
    card: Card | None = None,
    cap: int = candidates.BLOCK_CAP,
    rulings: Rulings = NOT_JUDGED,
    done: Callable[[str], None] = lambda stage: None,
) -> Clusters:
    """Match all records of `bib` (columns of `staged.bib`; one row a record), as judged where they are.

    The result depends on the records and the judgements alone, not on their order.  `done` is told each stage as
    it ends.
    """
    engine.prepare(con)
    records = candidates.prepare(bib)
    collapsed = judging.apply(_kept(con, "collapsed", candidates.collapse(records)), rulings)
    members = _kept(con, "record", candidates.grouped(collapsed))
    decided = judging.decided(members, rulings)
    groups = _kept(con, "group", candidates.groups(records, members))
    done("collapse")
    worth, large = worth_comparing(con, groups, cap)
    done("blocks")
    pairs = judging.with_pairs(worth, decided).order_by("left", "right").to_pyarrow()
    done("pairs")
    described = groups.order_by("group").to_pyarrow()
    scored = score_groups(described, pairs, card or load_card(), engine.threads(con))
    done("score")

    record_rows = members.order_by("row").to_pyarrow()
    starts, sources = _sources(record_rows, len(described))
    identity = _codes(described["identity"])
    scored = judging.decide(_apart_in_source(scored, starts, sources, identity), decided)
    clusters, refused = _clusters(described, starts, sources, identity, scored)
    scored = ruled(scored, refused, REFUSED, REVIEW)
    done("components")
    leaders = record_rows.filter(record_rows["leads"])
    of_record = leaders["row"].to_numpy()[clusters[record_rows["group"].to_numpy()]]
    records_out = record_rows.drop_columns(["group", "leads"]).append_column("cluster", pa.array(of_record))
    pair_rows = _pair_rows(scored, leaders)
    done("records out")
    return Clusters(records_out, pair_rows, _notes(con, large, groups, cap))
