"""From scored pairs to clusters: what matches is joined, best first, unless something stands against it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms import components, judging, known_kernel
from transforms.candidates import POSITION
from transforms.judgement import RECORD
from transforms.known import Known, at, codes, names, taken, whole
from transforms.known_kernel import NONE, Flags, Ints
from transforms.scored import (
    BY_FORCE,
    DECISIONS,
    FORBIDDEN,
    MATCH,
    REFUSED,
    REVIEW,
    SAME_SOURCE,
    SEPARATE,
    columns,
    decided_as,
    from_codes,
    having,
    ruled,
)

TEXTS = ("source_id", "batch_id")
# What is asked of each group here.
ATTRIBUTES = [
    "identity", "volume_key", "edition_key", "edition_stated", "carrier", "lang", "orig_lang", "kind",
]  # fmt: skip


def _codes(column: pa.ChunkedArray) -> Ints:
    """Values as codes from 0; null is `ANY`."""
    encoded = pc.dictionary_encode(column).combine_chunks()
    codes: Ints = pc.fill_null(encoded.indices, components.ANY).to_numpy(zero_copy_only=False)
    return codes


def _volumes(keys: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Volumes as two attributes: numbers, among which none is a value too, and names, which may be left out."""
    keys, missing = pc.fill_null(keys, ""), pa.scalar(None, pa.string())
    named = pc.and_(pc.not_equal(keys, ""), pc.invert(pc.match_substring_regex(keys, "[0-9]")))
    return pc.if_else(named, missing, keys), pc.if_else(named, keys, missing)


def _attributes(groups: pa.Table) -> Ints:
    """What holds between groups that never met, too: a row a group, a column an attribute."""
    edition = pc.if_else(groups["edition_stated"], groups["edition_key"], pa.scalar(None, pa.string()))
    columns = [*_volumes(groups["volume_key"]), edition]
    columns += [groups[name] for name in ("carrier", "lang", "orig_lang", "kind")]
    return np.stack([_codes(column) for column in columns], axis=1)


def join(
    starts: Ints, sources: Ints, identity: Ints, attributes: Ints, scored: pa.Table, decided: pa.Table
) -> tuple[Ints, Ints, pa.Table]:
    """Join groups, which are numbered from 0 in the order of their first records.

    Args:
        starts, sources: `components.sources_of`.
        identity, attributes: of each group, as `_codes` and `_attributes` tell them.
        scored: pairs of groups, ordered by left and right, of which left is the smaller.
        decided: `judging.decided`.

    Returns:
        The smallest group of each group's cluster, `components.reach` of it, and the scored pairs as they were
        decided in the end.
    """
    left, right = (scored[side].to_numpy() for side in ("left", "right"))
    likely = ~decided_as(scored, SEPARATE)
    both = components.share_source(left, right, likely, starts, sources, identity)
    scored = judging.decide(ruled(scored, both, SAME_SOURCE, SEPARATE), decided)
    forced = having(scored, lambda rule: rule == BY_FORCE)
    tried = components.best_first(scored["score"].to_numpy(), decided_as(scored, MATCH), forced)
    ends = np.unique(np.concatenate([left[forced], right[forced]]))
    reached = components.reach(left[tried], right[tried], len(identity))
    apart = np.flatnonzero(judging.vetoed(scored))
    # what people joined is one, so a veto on a part of it no longer speaks for the whole
    if len(ends):
        apart = apart[~np.isin(left[apart], ends) & ~np.isin(right[apart], ends)]
    apart = apart[components.within_reach(left[apart], right[apart], reached, attributes)]
    apart = np.append(apart, np.flatnonzero(having(scored, lambda rule: rule == FORBIDDEN)))
    cluster, refused = components.join(
        left[tried],
        right[tried],
        attributes,
        starts,
        sources,
        identity,
        int(forced.sum()),
        (left[apart], right[apart]),
    )
    return cluster, reached, ruled(scored, tried[refused], REFUSED, REVIEW)


def rejoin(known: Known, changed: Flags, dead: Flags, decided: pa.Table, rules: list[str]) -> Ints:
    """Join anew what is connected with groups that changed or are no more; all else stays as it is known.

    Groups are put in the order of their first records before, so that no history decides anything.

    Args:
        known: `component`, `cluster`, `rule`, `decision` and `pair_order` of what was touched are set.
        changed, dead: of each group.
        decided: `judging.decided`; the groups are among those that changed.
        rules: `Card.rules`.

    Returns:
        The row of each group's first record.
    """
    first = known_kernel.firsts(known.order, known.group, len(changed))
    left, right = (whole(known.pair[side]) for side in ("left", "right"))
    turned = known_kernel.of_groups(left, right, known.decision, changed)
    again = _connected(known, changed, dead, turned)
    known.component[dead] = known.cluster[dead] = NONE
    known.pair_order = known_kernel.merged(
        known.pair_order, left, right, known.decision, changed, first, come=turned
    )
    rows = known_kernel.joined_again(known.pair_order, left, right, again, changed)
    asked = again.copy()  # others only stand at the end of a pair
    asked[left[turned]] = asked[right[turned]] = True
    number, of_record, groups = known_kernel.numbers(known.order, known.group, asked)
    low, high = known_kernel.ends(left, right, rows, number)
    decisions = {name: at(known.pair[name], rows) for name in ("score", "rule", "decision")}
    scored = pa.table({"left": low, "right": high, **decisions})
    one, other = (number[decided[side].to_numpy()] for side in ("left", "right"))
    decided = pa.table({"left": np.minimum(one, other), "right": np.maximum(one, other), "rule": decided["rule"]})
    assert known.present is not None
    source = codes(known.present["source_id"], names(known.present["source_id"]))
    starts, sources = components.sources_of(of_record, source, len(groups))
    in_order = np.argsort(groups)
    described = taken(known.described.select(ATTRIBUTES), groups[in_order])
    found = _codes(described["identity"]), _attributes(described)
    identity, attributes = (np.empty_like(codes) for codes in found)
    identity[in_order], attributes[in_order] = found
    del described, found
    cluster, reached, scored = join(starts, sources, identity, attributes, from_codes(scored, rules), decided)

    mine = again[groups]
    known.cluster[groups[mine]] = groups[cluster[mine]]
    known.component[groups[mine]] = groups[reached[mine]]
    known.rule[rows], known.decision[rows] = (
        scored[name].combine_chunks().indices.to_numpy() for name in ("rule", "decision")
    )
    return first


def _connected(known: Known, changed: Flags, dead: Flags, turned: Ints) -> Flags:
    """Groups that have to be joined anew: all that matches reach, or did, from those that changed or are no more.

    Args:
        turned: the pairs at groups that changed.
    """
    if changed.all():
        return ~dead
    hit = np.zeros(len(changed), bool)
    matched = turned[at(known.pair["decision"], turned) == DECISIONS.index(MATCH)]
    ends = (at(known.pair[side], matched) for side in ("left", "right"))
    for groups in (np.flatnonzero(changed | dead), *ends):
        reached = known.component[groups]
        hit[reached[reached != NONE]] = True
    return (changed | hit[known.component] & (known.component != NONE)) & ~dead


def records(known: Known, first: Ints) -> pa.Table:
    """POSITION, row and cluster of all records, in order; `first` as `rejoin` tells it."""
    assert known.present is not None
    named = [known.present[name].cast(pa.string()) if name in TEXTS else known.present[name] for name in POSITION]
    cluster = known_kernel.of_cluster(known.order, known.group, known.cluster, first)
    rows = pa.array(np.arange(len(known.order)))
    return pa.table([*named, rows, pa.array(cluster)], [*POSITION, "row", "cluster"])


def pairs(known: Known, first: Ints, rules: list[str]) -> pa.Table:
    """`catalog.match`: scored pairs under the names of each group's first record."""
    assert known.present is not None
    leading = np.zeros(len(known.order) + 1, bool)
    leading[first] = True
    leaders = known.present.select(RECORD).filter(pa.array(leading[:-1]))
    nth = (np.cumsum(leading) - 1).astype(np.int32)[first]
    order = known.pair_order
    ends = [nth[at(known.pair[side], order)] for side in ("left", "right")]
    found = {}
    for side, leader in (("left", np.minimum(*ends)), ("right", np.maximum(*ends))):
        for name in RECORD:  # by dictionary, for a group stands in many pairs
            texts = leaders[name].cast(pa.string()).combine_chunks()
            found[f"{side}_{name}"] = pa.DictionaryArray.from_arrays(pa.array(leader), texts)
    decided = (at(known.pair["score"], order), known.rule[order], known.decision[order])
    last = columns(pa.nulls(0), pa.nulls(0), decided, rules)[2:]
    return pa.table(found | dict(zip(("score", "rule", "decision"), last, strict=True)))
