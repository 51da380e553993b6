"""What people decided on pairs of records: kept for ever, the latest on a pair counts.

Judgements are stored beside the builds, a file for each time that someone decides, and never changed.  Which
of them are in force depends on the records that are there, so it is worked out anew by each build:

- a later judgement on a pair replaces an earlier one (by `judged_at`, then by when it was taken in);
- one on a record that isn't there now is dormant, and wakes when the record comes back;
- where judgements contradict each other (A = B and B = C, but A ≠ C), must_not_join wins, and the oldest
  must_join of the chain is left out.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from schemas.catalog import CATALOG_JUDGEMENT
from warehouse import lake

if TYPE_CHECKING:
    from ibis.expr.types import Table

MUST_JOIN, MUST_NOT_JOIN = "must_join", "must_not_join"
IN_FORCE, REPLACED, DORMANT, LEFT_OUT = "in_force", "replaced", "dormant", "left_out"
Record = tuple[str, str]  # source_id, record_id
Pair = tuple[Record, Record]  # the smaller first
RECORD = ("source_id", "record_id")


def pair(one: Record, other: Record) -> Pair:
    """Two records in the order in which every table names them."""
    return (one, other) if one < other else (other, one)


def listed(records: Iterable[Record]) -> "Table":
    """Records as a table of RECORD."""
    import ibis  # takes a second, and storing or listing judgements does without

    schema = pa.schema([(name, pa.string()) for name in RECORD])
    rows = [dict(zip(RECORD, record, strict=True)) for record in sorted(records)]
    return ibis.memtable(pa.Table.from_pylist(rows, schema))


def among(records: "Table", named: Iterable[Record]) -> set[Record]:
    """Those of some records that are in a table, which has RECORD and maybe more."""
    found = records.semi_join(listed(named), RECORD).select(RECORD).to_pyarrow()  # once: it comes in any order
    return set(zip(*(found[name].to_pylist() for name in RECORD), strict=True))


class Judgement(NamedTuple):
    """One row of `catalog.judgement`."""

    pair: Pair
    verdict: str
    who: str
    judged_at: datetime
    why: str
    recorded_at: datetime

    def __str__(self) -> str:
        sign = "=" if self.verdict == MUST_JOIN else "≠"
        (left, right) = (":".join(record) for record in self.pair)
        return f"{left} {sign} {right} ({self.who}, {self.judged_at + lake.BEIJING:%Y-%m-%d})"


@dataclass(frozen=True)
class Contradiction:
    """A must_join that is left out, since with others it would join two records that must not be joined."""

    left_out: Judgement
    against: Judgement
    chain: tuple[Record, ...]  # from one record of `against` to the other, by must_join

    def __str__(self) -> str:
        chain = " = ".join(":".join(record) for record in self.chain)
        return (
            f"judgements contradict each other: {chain}, but {self.against}; must_not_join wins, and the oldest "
            f"must_join of the chain is left out: {self.left_out}; withdraw one by judging its pair anew"
        )


@dataclass(frozen=True)
class Rulings:
    """What is in force over the records that are there."""

    must_join: tuple[Pair, ...] = ()
    must_not_join: tuple[Pair, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    effects: tuple[str, ...] = field(default=())  # of each judgement, in their order

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every pair that is judged."""
        return (*self.must_join, *self.must_not_join)

    @property
    def records(self) -> list[Record]:
        """Every record that is judged."""
        return sorted({record for pair in self.pairs for record in pair})


# --- the store -------------------------------------------------------------------------------------------


def load() -> list[Judgement]:
    """Every judgement ever taken in, the one that counts on its pair last."""
    rows = lake.read_table("catalog.judgement", lake.added_files("catalog.judgement")).to_pylist()
    judgements = [
        Judgement(
            ((row["left_source_id"], row["left_record_id"]), (row["right_source_id"], row["right_record_id"])),
            *(row[name] for name in Judgement._fields[1:]),
        )
        for row in rows
    ]
    return sorted(judgements, key=lambda one: (one.judged_at, one.recorded_at))


def table(judgements: Sequence[Judgement], effects: Sequence[str] = ()) -> pa.Table:
    """Judgements as rows of `catalog.judgement`, in order of pair and time."""
    rows = []
    for at, one in enumerate(judgements):
        ends = zip(("left", "right"), one.pair, strict=True)
        names = {f"{side}_{name}": value for side, end in ends for name, value in zip(RECORD, end, strict=True)}
        rest = dict(zip(Judgement._fields[1:], one[1:], strict=True))
        rows.append({**names, **rest, "effect": effects[at] if effects else None})
    rows.sort(key=lambda row: tuple(row[f"{side}_{name}"] for side in ("left", "right") for name in RECORD))
    return pa.Table.from_pylist(rows, schema=CATALOG_JUDGEMENT.schema)


def add(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Take in judgements; those that are there already, word for word, are passed over.

    Returns:
        The new ones.
    """
    known = {one[:-1] for one in load()}
    new = [one for one in {one[:-1]: one for one in judgements}.values() if one[:-1] not in known]
    if new:
        lake.add_rows("catalog.judgement", _in_order(new))
    return new


def _in_order(judgements: Sequence[Judgement]) -> pa.Table:
    """Rows in the order given, which decides where the times are equal."""
    return pa.concat_tables([table([one]) for one in judgements])


# --- what is in force ------------------------------------------------------------------------------------


def resolve(judgements: Sequence[Judgement], present: Iterable[Record] | None = None) -> Rulings:
    """Which judgements are in force.

    Args:
        judgements: all of them, in the order of `load`.
        present: the records that are there now; without it, every record counts as there.
    """
    latest = {one.pair: at for at, one in enumerate(judgements)}
    there = None if present is None else set(present)
    effects = []
    for at, one in enumerate(judgements):
        missing = there is not None and not there.issuperset(one.pair)
        effects.append(REPLACED if latest[one.pair] != at else DORMANT if missing else IN_FORCE)
    active = [at for at, effect in enumerate(effects) if effect == IN_FORCE]
    forbidden = {judgements[at].pair: judgements[at] for at in active if judgements[at].verdict == MUST_NOT_JOIN}
    forest = _Forest(forbidden)
    contradictions = []
    for at in reversed(active):  # the newest must_join first, so that the oldest of a contradiction is left out
        if judgements[at].verdict == MUST_JOIN and (found := forest.join(judgements[at])):
            effects[at] = LEFT_OUT
            contradictions.append(found)
    joined = sorted(
        judgements[at].pair for at in active if effects[at] == IN_FORCE and judgements[at].verdict == MUST_JOIN
    )
    return Rulings(tuple(joined), tuple(sorted(forbidden)), tuple(contradictions), tuple(effects))


class _Forest:
    """Records joined by judgement, as sets that never hold a forbidden pair."""

    def __init__(self, forbidden: dict[Pair, Judgement]):
        self._forbidden = forbidden
        self._enemies: dict[Record, list[Record]] = defaultdict(list)
        for one, other in forbidden:
            self._enemies[one].append(other)
            self._enemies[other].append(one)
        self._edges: dict[Record, list[Record]] = defaultdict(list)
        self._set_of: dict[Record, set[Record]] = {}

    def join(self, judgement: Judgement) -> Contradiction | None:
        """Join a pair, or say what stands against it."""
        left, right = judgement.pair
        first, second = (self._set_of.get(record, {record}) for record in judgement.pair)
        if right not in first:
            for one in sorted(first):
                for other in self._enemies[one]:
                    if other in second:
                        chain = (*self._path(one, left), *self._path(right, other))
                        return Contradiction(judgement, self._forbidden[pair(one, other)], chain)
            merged = first | second
            self._set_of |= dict.fromkeys(merged, merged)
        self._edges[left].append(right)
        self._edges[right].append(left)
        return None

    def _path(self, start: Record, end: Record) -> list[Record]:
        return shortest_path(self._edges, start, end) or [start, end]


def shortest_path(edges: dict[Record, list[Record]], start: Record, end: Record) -> list[Record] | None:
    """The records on the shortest way from one to another, both included; none where there is no way."""
    before: dict[Record, Record | None] = {start: None}
    waiting = deque([start])
    while waiting:
        record = waiting.popleft()
        if record == end:
            path: list[Record] = []
            step: Record | None = end
            while step is not None:
                path.append(step)
                step = before[step]
            return path[::-1]
        for following in sorted(edges.get(record, [])):
            if following not in before:
                before[following] = record
                waiting.append(following)
    return None
