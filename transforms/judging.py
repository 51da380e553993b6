"""Judgements brought to bear on matching: groups pulled apart, pairs decided, whatever else was found."""

from collections import defaultdict
from typing import NamedTuple

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr.types import Table

from transforms.judgement import MUST_JOIN, MUST_NOT_JOIN, Record, Rulings
from transforms.score import MATCH, SEPARATE

RULE = "judgement:"
BY_FORCE, FORBIDDEN = RULE + MUST_JOIN, RULE + MUST_NOT_JOIN
# A pair with too little to compare is not one that contradicts: two thin records may both fit a full one.
LACKING = ("veto:title_only",)
DECIDED = pa.schema([("left", pa.int64()), ("right", pa.int64()), ("rule", pa.string())])


class _Place(NamedTuple):
    """Where a judged record stands."""

    row: int
    group: int


def apply(records: Table, rulings: Rulings) -> tuple[Table, pa.Table]:
    """Pull groups apart where judgements need it, and name the groups that are judged.

    Args:
        records: `transforms.match.collapse`, computed.
        rulings: what is in force.

    Returns:
        The records, some with another group; and left, right, rule of each judged pair of groups.
    """
    if not rulings.must_join and not rulings.must_not_join:
        return records, DECIDED.empty_table()
    named = sorted({record for pair in (*rulings.must_join, *rulings.must_not_join) for record in pair})
    wanted = ibis.memtable({"source_id": [one for one, _ in named], "record_id": [one for _, one in named]})
    found = records.semi_join(wanted, ["source_id", "record_id"]).select("source_id", "record_id", "row", "group")
    rows = found.to_pyarrow().to_pylist()
    places = {(row["source_id"], row["record_id"]): _Place(row["row"], row["group"]) for row in rows}
    alone = _to_stand_alone(places, rulings)
    if alone:
        moved = _moved(records, alone)
        changed = records.left_join(moved, "row")
        records = changed.mutate(group=ibis.coalesce(changed.moved, changed.group)).select(records.columns)
    group = {record: place.row if place in alone else place.group for record, place in places.items()}
    return records, _decided(group, rulings)


def _to_stand_alone(places: dict[Record, _Place], rulings: Rulings) -> set[_Place]:
    """The judged records of groups that, as they are, would join what must not be joined."""
    parent = {place.group: place.group for place in places.values()}

    def root(group: int) -> int:
        while parent[group] != group:
            parent[group] = group = parent[parent[group]]
        return group

    for one, other in rulings.must_join:
        a, b = root(places[one].group), root(places[other].group)
        parent[max(a, b)] = min(a, b)
    pairs = ((root(places[one].group), root(places[other].group)) for one, other in rulings.must_not_join)
    broken = {one for one, other in pairs if one == other}
    return {place for place in places.values() if root(place.group) in broken}


def _moved(records: Table, alone: set[_Place]) -> Table:
    """(row, moved): the records whose group gets another name; it is always that of its first record."""
    groups = ibis.memtable({"group": sorted({place.group for place in alone})})
    rows = records.semi_join(groups, "group").select("row", "group").to_pyarrow().to_pylist()
    singled = {place.row for place in alone}
    rest: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        if row["row"] not in singled:
            rest[row["group"]].append(row["row"])
    moved = {row: row for row in singled} | {row: min(members) for members in rest.values() for row in members}
    return ibis.memtable(
        pa.table({"row": pa.array(moved.keys(), pa.int64()), "moved": pa.array(moved.values(), pa.int64())})
    )


def _decided(group: dict[Record, int], rulings: Rulings) -> pa.Table:
    """The judged pairs of groups, each once; records of one group are joined already."""
    rules: dict[tuple[int, int], str] = {}
    for rule, pairs in ((BY_FORCE, rulings.must_join), (FORBIDDEN, rulings.must_not_join)):
        for one, other in pairs:
            left, right = sorted((group[one], group[other]))
            if left != right:
                rules[left, right] = rule
    rows = [{"left": left, "right": right, "rule": rule} for (left, right), rule in sorted(rules.items())]
    return pa.Table.from_pylist(rows, schema=DECIDED)


def with_pairs(candidates: Table, decided: pa.Table) -> Table:
    """Candidates for comparison and the judged pairs, which are always compared."""
    if not len(decided):
        return candidates
    return ibis.union(candidates, ibis.memtable(decided.select(["left", "right"])), distinct=True)


def decide(scored: pa.Table, decided: pa.Table) -> pa.Table:
    """Scored pairs, ordered by left and right, with rule and decision of those that are judged."""
    if not len(decided):
        return scored
    left, right = scored["left"].to_numpy(), scored["right"].to_numpy()
    joined, separated = np.zeros(len(scored), bool), np.zeros(len(scored), bool)
    for row in decided.to_pylist():
        first, end = np.searchsorted(left, row["left"]), np.searchsorted(left, row["left"], side="right")
        at = first + np.searchsorted(right[first:end], row["right"])
        (joined if row["rule"] == BY_FORCE else separated)[at] = True
    columns = {"rule": (BY_FORCE, FORBIDDEN), "decision": (MATCH, SEPARATE)}
    for name, values in columns.items():
        column = scored[name]
        for mask, value in zip((joined, separated), values, strict=True):
            column = pc.if_else(pa.array(mask), value, column)
        place = scored.schema.get_field_index(name)
        scored = scored.set_column(place, scored.schema.field(name), column)
    return scored


def vetoed(scored: pa.Table) -> np.ndarray:
    """Whether each scored pair was found to contradict itself, so that no chain may join it either."""
    veto = pc.starts_with(scored["rule"], "veto:")
    lacking = pc.is_in(scored["rule"], pa.array(LACKING))
    return pc.and_not(veto, lacking).to_numpy()
