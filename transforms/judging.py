"""Judgements brought to bear on matching: groups pulled apart, pairs decided, whatever else was found."""

from collections.abc import Mapping

import ibis
import pyarrow as pa
from ibis.expr.types import Table

from transforms import candidates
from transforms.judgement import RECORD, Record, Rulings, listed
from transforms.scored import BY_FORCE, FORBIDDEN

# A pair with too little to compare is not one that contradicts: two thin records may both fit a full one.
LACKING = ("veto:title_only",)
DECIDED = pa.schema([("left", pa.int64()), ("right", pa.int64()), ("rule", pa.string())])


def apply(collapsed: Table, rulings: Rulings) -> Table:
    """`transforms.candidates.said`, computed, where the judged records of broken groups stand alone.

    A group is broken that, as it is, would join what must not be joined.
    """
    if not rulings.pairs:
        return collapsed
    said = _of_judged(collapsed, rulings, "said")
    parent = {value: value for value in said.values()}

    def root(value: int) -> int:
        while parent[value] != value:
            parent[value] = value = parent[parent[value]]
        return value

    for one, other in rulings.must_join:
        a, b = root(said[one]), root(said[other])
        parent[max(a, b)] = min(a, b)
    pairs = ((root(said[one]), root(said[other])) for one, other in rulings.must_not_join)
    broken = {one for one, other in pairs if one == other}
    singled = listed([record for record, value in said.items() if root(value) in broken])
    moved = collapsed.left_join(singled.mutate(singled=True), list(RECORD))
    said_now = ibis.cases((moved.singled, candidates.alone(collapsed)), else_=moved.said)
    return moved.mutate(said=said_now).select(collapsed.columns)


def decided(group: Mapping[Record, int], rulings: Rulings) -> pa.Table:
    """left, right, rule of the judged pairs of groups, each once; records of one group are joined already.

    Args:
        group: of each judged record.
    """
    rules: dict[tuple[int, int], str] = {}
    for rule, pairs in ((BY_FORCE, rulings.must_join), (FORBIDDEN, rulings.must_not_join)):
        for one, other in pairs:
            left, right = sorted((group[one], group[other]))
            if left != right:
                rules[left, right] = rule
    rows = [{"left": left, "right": right, "rule": rule} for (left, right), rule in sorted(rules.items())]
    return pa.Table.from_pylist(rows, schema=DECIDED)


def _of_judged(records: Table, rulings: Rulings, column: str) -> dict[Record, int]:
    """A value of each judged record."""
    rows = (
        records.semi_join(listed(rulings.records), list(RECORD)).select(*RECORD, column).to_pyarrow().to_pylist()
    )
    return {(row["source_id"], row["record_id"]): row[column] for row in rows}


def contradicts(rule: str) -> bool:
    """Whether a pair of this rule keeps its groups apart, so that no chain may join them either."""
    return rule == FORBIDDEN or (rule.startswith("veto:") and rule not in LACKING)
