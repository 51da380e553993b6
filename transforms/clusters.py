"""From scored pairs to clusters: what matches is joined, best first, unless something stands against it."""

from concurrent.futures import Executor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms import components, judging, known_kernel, pair_kernel, part_kernel
from transforms.candidates import POSITION
from transforms.group_sources import ANY, Groups, share_source
from transforms.judgement import RECORD
from transforms.known import Known, taken, whole
from transforms.known_kernel import NONE, Flags, Ints
from transforms.pair_kernel import MATCH, REVIEW, SEPARATE, taken_in
from transforms.part_kernel import Parts
from transforms.scored import BY_FORCE, FORBIDDEN, REFUSED, SAME_SOURCE, SCORE_STEPS, named

# What holds between groups that never met, too; of an edition only where it is stated.
ATTRIBUTES = ["volume_key", "edition_key", "carrier", "lang", "orig_lang", "kind"]
STATED = "edition_stated"


def rejoin(known: Known, changed: Flags, dead: Flags, decided: pa.Table, rules: list[str], pool: Executor) -> Ints:
    """Join anew what is connected with groups that changed or are no more; all else stays as it is known.

    Where edges are of one score, the first records of their groups decide, so no history does.

    Args:
        known: `component`, `cluster`, `rule`, `decision` and `pair_order` of what was touched are set.
        changed, dead: of each group.
        decided: `judging.decided`; the groups are among those that changed.
        rules: `Card.rules`.

    Returns:
        The row of each group's first record.
    """
    left, right = (whole(known.pair[side]) for side in ("left", "right"))
    turned = pair_kernel.of_groups(pool, left, right, known.decision, changed)
    known.rule[turned], known.decision[turned] = (
        known.of_pairs(pool, name, turned) for name in ("rule", "decision")
    )
    again = _connected(known, left, right, changed, dead, turned)
    known.component[dead] = known.cluster[dead] = NONE
    asked = again & ~changed
    likely = known.decision[turned] != SEPARATE
    pair_kernel.flag(left, right, turned, likely, asked)
    groups = _told(known, asked)
    both = share_source(pool, left, right, turned, likely, groups)
    known.rule[both], known.decision[both] = rules.index(SAME_SOURCE), SEPARATE
    _judge(known, left, right, decided, rules, pool)
    _join(known, left, right, again, groups, decided, rules, pool)
    known.pair_order = _in_order(known, left, right, turned, groups.first, pool)
    return groups.first


def _connected(known: Known, left: Ints, right: Ints, changed: Flags, dead: Flags, turned: Ints) -> Flags:
    """Groups that have to be joined anew: all that matches reach, or did, from those that changed or are no more.

    Args:
        turned: the pairs at groups that changed, decided as by the card.
    """
    if changed.all():
        return ~dead
    touched = changed | dead
    pair_kernel.flag(left, right, turned, known.decision[turned] == MATCH, touched)
    hit, reached = np.zeros(len(changed), bool), known.component[touched]
    hit[reached[reached != NONE]] = True
    return (changed | hit[known.component] & (known.component != NONE)) & ~dead


def _told(known: Known, asked: Flags) -> Groups:
    """The first records of all groups, and sources and identities of those that are asked for."""
    assert known.present is not None
    sources = pc.value_counts(
        known.present["source_id"]
    )  # in the order in which they came, which is that of records
    begins = np.append(0, np.cumsum(sources.field("counts").to_numpy()))
    first, count = known_kernel.firsts(known.order, known.group, len(asked))
    starts, ends, of_groups = known_kernel.sources_of(known.order, known.group, begins, asked, count)
    rows, identity = np.flatnonzero(asked), np.full(len(asked), ANY, np.int32)
    identity[rows] = _codes(taken(known.described.select(["identity"]), rows)["identity"])[0]
    return Groups(first, starts, ends, of_groups, identity)


def _codes(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Values as codes from 0, null as `ANY`; and what they stand for."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    return pc.fill_null(encoded.indices, ANY).to_numpy(zero_copy_only=False), encoded.dictionary


def _judge(known: Known, left: Ints, right: Ints, decided: pa.Table, rules: list[str], pool: Executor) -> None:
    """Decide the judged pairs, all of which are there, as people did."""
    if not len(decided):
        return
    sides, flags = [decided[side].to_numpy() for side in ("left", "right")], np.zeros(len(known.component), bool)
    flags[np.concatenate(sides)] = True
    some = pair_kernel.of_groups(pool, left, right, known.decision, flags)
    keys, wanted = (
        np.minimum(*ends).astype(np.int64) << 32 | np.maximum(*ends) for ends in ((left[some], right[some]), sides)
    )
    order = np.argsort(keys)
    judged = some[order[np.searchsorted(keys, wanted, sorter=order)]]
    forced = pc.equal(decided["rule"], BY_FORCE).to_numpy()
    known.rule[judged] = np.where(forced, rules.index(BY_FORCE), rules.index(FORBIDDEN))
    known.decision[judged] = np.where(forced, MATCH, SEPARATE)


def _join(
    known: Known,
    left: Ints,
    right: Ints,
    again: Flags,
    groups: Groups,
    decided: pa.Table,
    rules: list[str],
    pool: Executor,
) -> None:
    """Join what matches, of pairs that were decided one by one."""
    by_force, forbidden, refused = (rules.index(rule) for rule in (BY_FORCE, FORBIDDEN, REFUSED))
    back = np.flatnonzero((known.rule == refused) & (known.decision == REVIEW))
    back = back[again[left[back]]]
    known.rule[back], known.decision[back] = known.of_pairs(pool, "rule", back), MATCH
    parting = np.array([judging.contradicts(rule) for rule in rules])
    edges, apart = pair_kernel.edges(pool, left, right, again, parting, known.rule, known.decision)
    reached = part_kernel.reach(left, right, edges, len(again))
    known.component[again], known.cluster[again] = reached[again], np.flatnonzero(again)
    parts = part_kernel.parts(reached)
    attributes = _attributes(known, parts, pool)
    forced = pc.equal(decided["rule"], BY_FORCE)
    spared = np.zeros(len(again), bool)
    for side in ("left", "right"):
        spared[decided[side].filter(forced).to_numpy()] = True
    kept = components.kept_apart(
        pool, left, right, apart, known.rule[apart] == forbidden, parts, attributes, spared
    )

    def steps(edges: Ints) -> Ints:
        scores = known.of_pairs(pool, "score", edges)
        return np.where(known.rule[edges] == by_force, 0, 1 + SCORE_STEPS - scores).astype(np.int32)

    cluster, lost = components.join(pool, left, right, edges, steps, groups, parts, attributes, kept)
    known.cluster[parts.groups] = cluster
    known.rule[lost], known.decision[lost] = refused, REVIEW


def _attributes(known: Known, parts: Parts, pool: Executor) -> Ints:
    """What holds between groups that never met, too: a row an attribute, a column each of `parts.groups`."""
    groups = np.flatnonzero(parts.part != NONE)
    described = taken(known.described.select([*ATTRIBUTES, STATED]), groups)
    (volume, volumes), (edition, _), *others = pool.map(_codes, (described[name] for name in ATTRIBUTES))
    # Volumes are two attributes: numbers, among which none is a value too, and names, which may be left out.
    none = pc.index(volumes, "").as_py()
    volume = np.where(volume == ANY, len(volumes) if none < 0 else none, volume)
    named = pc.and_(pc.not_equal(volumes, ""), pc.invert(pc.match_substring_regex(volumes, "[0-9]")))
    named = np.append(named.to_numpy(zero_copy_only=False), False)[volume]
    stated = pc.fill_null(described[STATED], False).to_numpy()
    volumes = np.where(named, ANY, volume), np.where(named, volume, ANY)
    rows = [*volumes, np.where(stated, edition, ANY), *(codes for codes, _ in others)]
    out, places = np.empty((len(rows), len(groups)), np.int32), parts.places(groups)
    for row, codes in zip(out, rows, strict=True):
        row[places] = codes
    return out


def _in_order(known: Known, left: Ints, right: Ints, turned: Ints, first: Ints, pool: Executor) -> Ints:
    """`Known.pair_order`.

    Args:
        turned: the pairs at groups that changed.
        first: the row of each group's first record.
    """
    come = pair_kernel.in_order(pool, left, right, turned, first, len(known.order))
    if not len(known.pair_order):
        return come
    stays = known.decision != NONE
    stays[turned] = False
    return np.asarray(pair_kernel.merged(left, right, known.pair_order[stays[known.pair_order]], come, first))


# --- given out ---------------------------------------------------------------------------------------------


def records(known: Known, first: Ints) -> pa.Table:
    """POSITION and cluster of all records, in order; `first` as `rejoin` tells it."""
    assert known.present is not None
    cluster = known_kernel.of_cluster(known.order, known.group, known.cluster, first)
    return known.present.select(POSITION).append_column("cluster", pa.array(cluster))


def pairs(known: Known, first: Ints, rules: list[str], pool: Executor) -> pa.Table:
    """`catalog.match`: scored pairs under the names of each group's first record."""
    assert known.present is not None
    leading = np.zeros(len(known.order) + 1, bool)
    leading[first] = True
    leaders = known.present.select(RECORD).filter(pa.array(leading[:-1]))
    number = (np.cumsum(leading, dtype=np.int32) - 1)[first]
    low, high, score = (known.of_pairs(pool, name, known.pair_order) for name in ("left", "right", "score"))
    pair_kernel.number_ends(pool, low, high, number)
    decided = (
        score,
        *(taken_in(pool, codes, codes[:0], known.pair_order) for codes in (known.rule, known.decision)),
    )
    found = {}
    for side, leader in (("left", low), ("right", high)):
        for name in RECORD:  # by dictionary, for a group stands in many pairs
            texts = leaders[name].cast(pa.string()).combine_chunks()
            found[f"{side}_{name}"] = pa.DictionaryArray.from_arrays(pa.array(leader), texts)
    return pa.table(found | named(decided, rules))
