"""From scored pairs to clusters: what matches is joined, best first, unless something stands against it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms import components, judging
from transforms.judgement import RECORD
from transforms.score import places
from transforms.scored import (
    BY_FORCE,
    FORBIDDEN,
    MATCH,
    REFUSED,
    REVIEW,
    SAME_SOURCE,
    SEPARATE,
    decided_as,
    having,
    ruled,
)

Ints = npt.NDArray[np.int64]
# What is asked of each group here.
ATTRIBUTES = (
    "identity", "volume_key", "edition_key", "edition_stated", "carrier", "lang", "orig_lang", "kind",
)  # fmt: skip


def _codes(column: pa.ChunkedArray) -> Ints:
    """Values as codes from 0; null is `ANY`."""
    encoded = pc.dictionary_encode(column).combine_chunks()
    codes: Ints = pc.fill_null(encoded.indices, components.ANY).to_numpy(zero_copy_only=False).astype(np.int64)
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


class InOrder(NamedTuple):
    """Records, groups and pairs, where groups are numbered in the order of their first records."""

    of_record: Ints  # the group of each record
    first: Ints  # the first record of each group
    groups: pa.Table
    scored: pa.Table  # ordered by left and right, of which left is the smaller
    decided: pa.Table  # judged pairs, the same


def in_order(members: pa.Table, groups: pa.Table, scored: pa.Table, decided: pa.Table) -> InOrder:
    """Number groups from 0 in the order of their first records, so that no history decides anything.

    Args:
        members: each record's group, in order of the records.
        groups: group and ATTRIBUTES, in order of group.
        scored, decided: pairs of groups.
    """
    number = groups["group"].to_numpy()
    of_record = places(number, members["group"].to_numpy())
    first = np.empty(len(groups), np.int64)
    first[of_record[::-1]] = np.arange(len(members))[::-1]
    order = np.argsort(first)
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups))

    def ordered(pairs: pa.Table) -> pa.Table:
        one, other = (rank[places(number, pairs[side].to_numpy())] for side in ("left", "right"))
        both = np.minimum(one, other) << 32 | np.maximum(one, other)  # sorts at once in half the time
        row = np.argsort(both)
        both = both[row]
        ends = {"left": pa.array(both >> 32), "right": pa.array(both & 0xFFFFFFFF)}
        rest = {name: pairs[name].take(pa.array(row)) for name in pairs.column_names if name not in ends}
        return pa.table(ends | rest, schema=pairs.schema)

    return InOrder(rank[of_record], first[order], groups.take(order), ordered(scored), ordered(decided))


def _apart_in_source(scored: pa.Table, starts: Ints, sources: Ints, identity: Ints) -> pa.Table:
    """Scored pairs, where likely ones of which a source has both, as two different records, are separate."""
    likely = np.flatnonzero(~decided_as(scored, SEPARATE))
    left, right = (scored[side].to_numpy()[likely] for side in ("left", "right"))
    differ = (identity[left] != identity[right]) | (identity[left] == components.ANY)
    likely, left, right = likely[differ], left[differ], right[differ]
    return ruled(scored, likely[components.share_source(left, right, starts, sources)], SAME_SOURCE, SEPARATE)


def join(
    source_ids: pa.ChunkedArray, of_record: Ints, groups: pa.Table, scored: pa.Table, decided: pa.Table
) -> tuple[Ints, pa.Table]:
    """The smallest group of each group's cluster, and the scored pairs as they were decided in the end.

    Args:
        source_ids, of_record: source and group of each record.
        groups, scored: as from `in_order`.
        decided: `judging.decided`.
    """
    starts, sources = components.sources_of(of_record, _codes(source_ids), len(groups))
    identity, attributes = _codes(groups["identity"]), _attributes(groups)
    scored = judging.decide(_apart_in_source(scored, starts, sources, identity), decided)
    left, right = (scored[side].to_numpy() for side in ("left", "right"))
    forced = having(scored, lambda rule: rule == BY_FORCE)
    tried = np.flatnonzero(decided_as(scored, MATCH))
    # what is forced first, then by score; pairs of one score stay in order of left and right
    order = np.argsort(np.where(forced[tried], -2, -scored["score"].to_numpy()[tried]), kind="stable")
    tried, ends = tried[order], np.unique(np.concatenate([left[forced], right[forced]]))
    apart = np.flatnonzero(judging.vetoed(scored))
    # what people joined is one, so a veto on a part of it no longer speaks for the whole
    if len(ends):
        apart = apart[~np.isin(left[apart], ends) & ~np.isin(right[apart], ends)]
    apart = apart[components.within_reach(left[apart], right[apart], left[tried], right[tried], attributes)]
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
    return cluster, ruled(scored, tried[refused], REFUSED, REVIEW)


def named(scored: pa.Table, records: pa.Table, first: Ints) -> pa.Table:
    """`catalog.match`: scored pairs under the names of each group's first record."""
    leaders = records.select(RECORD).take(first)
    names = {}
    for side in ("left", "right"):
        at = scored[side].combine_chunks().cast(pa.int32())
        for name in RECORD:  # by dictionary, for a group stands in many pairs
            names[f"{side}_{name}"] = pa.DictionaryArray.from_arrays(at, leaders[name].combine_chunks())
    return pa.table(names | {name: scored[name] for name in ("score", "rule", "decision")})
