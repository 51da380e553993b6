"""From scored pairs to clusters: what matches is joined, best first, unless something stands against it."""

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms import components, group_sources, judging, known_kernel, pair_kernel, part_kernel
from transforms.candidates import POSITION
from transforms.columns import taken, whole
from transforms.group_sources import ANY, Groups
from transforms.judgement import RECORD
from transforms.known import Known
from transforms.lookup_kernel import NONE, Flags, Ints, picked
from transforms.pair_kernel import MATCH, REVIEW, SEPARATE, Ends, taken_in
from transforms.part_kernel import Parts
from transforms.record_index import values
from transforms.scored import BY_FORCE, FORBIDDEN, REFUSED, SAME_SOURCE, named

# What holds between groups that never met, too; of an edition only where it is stated.
ATTRIBUTES = ["volume_key", "edition_key", "carrier", "lang", "orig_lang", "kind"]
STATED = "edition_stated"


class Touched(NamedTuple):
    """What was touched of groups and pairs."""

    changed: Flags  # of each group that is: its records, its pairs or what people decided on it changed
    dead: Flags  # of each group: it has no record any more
    unsure: Flags  # of each group: its cluster tells nothing, for it is new, met others, or people judged it
    pairs: Ends  # those of groups that changed


def rejoin(known: Known, touched: Touched, decided: pa.Table, rules: list[str], pool: Executor) -> None:
    """Join anew what is connected with groups that changed or are no more; all else stays as it is known.

    Where edges are of one score, the first records of their groups decide, so no history does.

    Args:
        known: `component`, `cluster`, `rule` and `decision` of what was touched are set.
        decided: `judging.decided`; the groups are among those that changed.
        rules: `Card.rules`.
    """
    turned = touched.pairs.row
    known.decide(turned, *(known.of_pairs(pool, name, turned) for name in ("rule", "decision")))
    again = _connected(known, touched)
    groups = _groups(known, slice(None))
    both = group_sources.share_source(pool, touched.pairs, known.decision[turned] != SEPARATE, groups)
    known.decide(both, rules.index(SAME_SOURCE), SEPARATE)
    _judge(known, decided, rules, pool)
    again[_still(known, touched, again)] = False
    dead = np.flatnonzero(touched.dead)
    for name in ("component", "cluster"):
        known.put(name, dead, NONE)
    _join(known, np.flatnonzero(again).astype(np.int32), decided, rules, pool)


def _connected(known: Known, touched: Touched) -> Flags:
    """Groups that have to be joined anew: all that matches reach, or did, from those that changed or are no more.

    Args:
        touched: its pairs are decided as by the card.
    """
    if touched.changed.all():
        return touched.changed.copy()
    began, pairs = touched.changed | touched.dead, touched.pairs
    pair_kernel.flag(pairs.left, pairs.right, known.decision[pairs.row] == MATCH, began)
    hit = np.zeros(len(began) + 1, bool)  # the last one is that of `NONE`
    hit[known.component[began]], hit[NONE] = True, False
    return np.asarray((touched.changed | picked(hit, known.component)) & ~touched.dead)


def _still(known: Known, touched: Touched, again: Flags) -> Ints:
    """Groups of parts that stay the one cluster that they were, of those that may have to be joined again.

    They still hang together without the groups that are no more, none of which was inside of their tree of edges;
    no edge leads to others; and nothing stands against them.
    """
    if touched.unsure.all():
        return np.zeros(0, np.int64)
    label, pairs, loud = known.component, touched.pairs, np.zeros(len(again), bool)
    loud[label[touched.dead & known.inner]] = True
    pair_kernel.flag_across(pairs.left, pairs.right, known.decision[pairs.row] == MATCH, label, loud)
    some = np.flatnonzero(again & ~picked(loud, label))
    parts = part_kernel.parts(part_kernel.alike(label[some], len(label)))
    groups = _groups(known, some)
    quiet = group_sources.quiet(parts, known.cluster[some], touched.unsure[some], touched.changed[some], groups)
    return np.asarray(some[parts.groups[np.repeat(quiet, np.diff(parts.starts))]])


def _groups(known: Known, some: Ints | slice) -> Groups:
    starts, ends, identity = (column[some] for column in (known.starts, known.ends, known.identity))
    return Groups(starts, ends, known.sources, identity, len(values(known.record["source_id"])))


def _codes(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Values as codes from 0, null as `ANY`; and what they stand for."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    return pc.fill_null(encoded.indices, ANY).to_numpy(zero_copy_only=False), encoded.dictionary


def _judge(known: Known, decided: pa.Table, rules: list[str], pool: Executor) -> None:
    """Decide the judged pairs, all of which are there, as people did."""
    if not len(decided):
        return
    sides, flags = [decided[side].to_numpy() for side in ("left", "right")], np.zeros(len(known.component), bool)
    flags[np.concatenate(sides)] = True
    some = pair_kernel.of_groups(pool, known.sides(), known.decision, flags)
    keys, wanted = (
        np.minimum(*ends).astype(np.int64) << 32 | np.maximum(*ends) for ends in ((some.left, some.right), sides)
    )
    order = np.argsort(keys)
    judged = some.row[order[np.searchsorted(keys, wanted, sorter=order)]]
    forced = pc.equal(decided["rule"], BY_FORCE).to_numpy()
    rule = np.where(forced, rules.index(BY_FORCE), rules.index(FORBIDDEN))
    known.decide(judged, rule, np.where(forced, MATCH, SEPARATE))


def _join(known: Known, again: Ints, decided: pa.Table, rules: list[str], pool: Executor) -> None:
    """Join what matches, of pairs that were decided one by one.

    Args:
        again: the groups that are joined again, in ascending order; their places name them.
    """
    by_force, forbidden, refused = (rules.index(rule) for rule in (BY_FORCE, FORBIDDEN, REFUSED))
    parting = np.array([judging.contradicts(rule) for rule in rules])
    place = np.full(len(known.component), NONE, np.int32)
    place[again] = np.arange(len(again), dtype=np.int32)
    pieces, apart = pair_kernel.edges(
        pool, known.sides(), known.pair["score"], place, parting, refused, by_force, known.rule, known.decision
    )
    back = pair_kernel.together(edges.row[known.decision[edges.row] != MATCH] for edges in pieces)
    known.decide(back, known.of_pairs(pool, "rule", back), MATCH)
    some = again if len(again) < len(place) else slice(None)  # where it is all, nothing is copied
    groups, first = _groups(known, some), known.order.places(known.first(again))

    reached, inner = part_kernel.reach(((edges.left, edges.right) for edges in pieces), len(again))
    known.put("inner", again, inner)
    known.put("component", again, again[reached])
    parts = part_kernel.parts(reached)
    attributes = _attributes(known, again, parts, pool)
    forced, spared = pc.equal(decided["rule"], BY_FORCE), np.zeros(len(again), bool)
    for side in ("left", "right"):
        spared[place[decided[side].filter(forced).to_numpy()]] = True
    kept = components.kept_apart(pool, apart, known.rule[apart.row] == forbidden, parts, attributes, spared)
    del place, apart, reached, spared  # of all groups and pairs, as may be
    edges, edge_starts = part_kernel.by_part(pieces, parts)
    cluster, lost = components.join(pool, edges, edge_starts, first, groups, parts, attributes, kept)
    joined = again.copy()
    joined[parts.groups] = again[cluster]
    known.put("cluster", again, joined)
    known.decide(lost, refused, REVIEW)


def _attributes(known: Known, again: Ints, parts: Parts, pool: Executor) -> Ints:
    """What holds between groups that never met, too: a row an attribute, a column each of `parts.groups`."""
    groups = np.flatnonzero(parts.part != NONE)
    out, places = np.empty((len(ATTRIBUTES) + 1, len(groups)), np.int32), parts.places(groups)
    for row, codes in zip(out, _rows(known.described, again[groups], pool), strict=True):
        row[places] = codes
    return out


def _rows(described: pa.Table, groups: Ints, pool: Executor) -> Iterator[Ints]:
    """Codes of the attributes of some groups.

    Volumes are two of them: numbers, among which none is a value too, and names, which may be left out.
    """

    def of_groups(name: str) -> pa.ChunkedArray:
        return taken(described.select([name]), groups)[name]

    coded = pool.map(lambda name: _codes(of_groups(name)), ATTRIBUTES)
    volume, volumes = next(coded)
    none = pc.index(volumes, "").as_py()
    volume = np.where(volume == ANY, len(volumes) if none < 0 else none, volume)
    named = pc.and_(pc.not_equal(volumes, ""), pc.invert(pc.match_substring_regex(volumes, "[0-9]")))
    named = np.append(named.to_numpy(zero_copy_only=False), False)[volume]
    yield np.where(named, ANY, volume)
    yield np.where(named, volume, ANY)
    del volume, named
    edition, _ = next(coded)
    yield np.where(pc.fill_null(of_groups(STATED), False).to_numpy(), edition, ANY)
    del edition
    yield from (codes for codes, _ in coded)


# --- given out ---------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """Where records stand, of those that are."""

    order: Ints  # their rows, in order
    ranks: Ints  # of each group the place of its first record among them; 0 of those that are no more


def standing(known: Known) -> Standing:
    """`Standing` of what is known."""
    order, groups = known.living(), np.arange(len(known.starts), dtype=np.int32)
    return Standing(order, np.asarray(known_kernel.ranks(order, known.group, known.first(groups), groups)))


def in_order(known: Known, standing: Standing, pool: Executor) -> Ints:
    """The pairs that are, by the first records of their groups."""
    ranks = standing.ranks
    left, right = (whole(known.pair[side]) for side in ("left", "right"))
    stays, come = pair_kernel.standing(pool, left, right, known.decision, known.moved, known.base.get("pair", 0))
    come = pair_kernel.in_order(pool, left, right, come, ranks, len(standing.order))
    return np.asarray(pair_kernel.merged(left, right, stays, come, ranks)) if len(stays) else come


def records(known: Known, standing: Standing) -> pa.Table:
    """POSITION and cluster of all records, in order."""
    order, ranks = standing
    cluster = known_kernel.of_cluster(order, known.group, known.cluster, ranks)
    position = known.record.select(POSITION)
    if len(order) < len(position) or len(known.added):
        position = position.take(pa.array(order))
    return position.append_column("cluster", pa.array(cluster))


def pairs(known: Known, standing: Standing, rules: list[str], pool: Executor) -> pa.Table:
    """`catalog.match`: scored pairs under the names of each group's first record."""
    (living, ranks), order = standing, in_order(known, standing, pool)
    leading = np.zeros(len(living) + 1, bool)
    leading[ranks] = True
    leaders = known.record.select(RECORD).take(pa.array(living[np.flatnonzero(leading[:-1])]))
    number = (np.cumsum(leading, dtype=np.int32) - 1)[ranks]
    low, high, score = (known.of_pairs(pool, name, order) for name in ("left", "right", "score"))
    pair_kernel.number_ends(pool, low, high, number)
    decided = (score, *(taken_in(pool, codes, codes[:0], order) for codes in (known.rule, known.decision)))
    found = {}
    for side, leader in (("left", low), ("right", high)):
        for name in RECORD:  # by dictionary, for a group stands in many pairs
            texts = leaders[name].cast(pa.string()).combine_chunks()
            found[f"{side}_{name}"] = pa.DictionaryArray.from_arrays(pa.array(leader), texts)
    return pa.table(found | named(decided, rules))
