"""What has to be compared: all records, or those that changed since an earlier run and what they touch.

`anew` and `again` find the same; the second takes from what is `Known` all that can't have changed.  A record that
came or went touches the records that were, or are, equal to it; a group that came touches all that it meets in a
block; one that came or went touches a block over the cap as a whole, for there the neighbours change.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import ibis
from ibis.backends import BaseBackend
from ibis.expr.types import Table
from ibis.util import gen_name

from transforms import candidates, judging
from transforms.candidates import ALONE, BLOCK_CAP, POSITION
from transforms.judgement import RECORD, Rulings, listed
from warehouse import engine

Done = Callable[[str], None]  # is told each stage as it ends


@dataclass(frozen=True)
class Known:
    """What matching found, by which the next run compares only what has changed since.

    It follows from the records, the card, the cap and this code alone, but for what judgements single out.
    Groups have numbers without a meaning.
    """

    member: Table  # POSITION, content, sharing, title, said, group
    described: Table  # group, said, identity, COMPARED
    placed: Table  # block, group
    pair: Table  # left, right, score, rule, decision by the card, the last two as numbers
    large: Table  # block, rule, key, size of the blocks over the cap

    def tables(self) -> dict[str, Table]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Found:
    """Records in their groups, and the pairs of groups that have to be scored now."""

    member: Table  # the next four as in `Known`
    described: Table
    placed: Table
    large: Table
    pairs: Table  # left, right
    scored: Table | None  # the rest of the pairs, as `Known.pair`


def kept(con: BaseBackend, name: str, expression: Table) -> Table:
    """The result of an expression as a temporary table; its name is new, since replacing copies twice."""
    return con.create_table(gen_name(f"match_{name}"), expression, temp=True)


def worth_comparing(con: BaseBackend, placed: Table, groups: Table, cap: int = BLOCK_CAP) -> tuple[Table, Table]:
    """Pairs of groups that meet in a block (left, right), and `Known.large`.

    Args:
        placed: `candidates.placed`.
        groups: `candidates.groups`.
    """
    met = kept(con, "block", candidates.met(placed))
    large, small = met.filter(met.size > cap), met.filter(met.size <= cap)
    pairs = candidates.pairs(small, kept(con, "place", candidates.places(large, groups)))
    # the rule and key of a block are those of any group in it
    one = large.select("block", "size", group=large.groups[0])
    keys = candidates.blocks(kept(con, "large", groups.semi_join(one, "group")))
    keys = keys.mutate(block=candidates.block(keys)).select("block", "rule", "key").distinct()
    return pairs, kept(con, "named", one.join(keys, "block").select("block", "rule", "key", "size"))


def anew(con: BaseBackend, bib: Table, cap: int, rulings: Rulings, done: Done) -> Found:
    """All records of `bib`."""
    records = candidates.prepare(bib)
    digested = kept(con, "digested", candidates.numbered(candidates.digests(records)))
    told = kept(con, "said", candidates.said(digested))
    said = judging.apply(told, rulings)
    firsts = candidates.firsts(said)
    # those of one title stand together, so that the two of a pair are close to each other in memory
    nth = ibis.row_number().over(order_by=[firsts.title, firsts.row])
    firsts = kept(con, "first", firsts.mutate(group=nth))
    member = _in_groups(con, said, firsts)
    described = kept(con, "described", candidates.groups(records, _leaders(said, firsts)))
    engine.drop(con, digested, told, firsts)
    done("collapse")
    placed = kept(con, "placed", candidates.placed(described))
    pairs, large = worth_comparing(con, placed, described, cap)
    done("blocks")
    return Found(member, described, placed, large, kept(con, "pair", pairs), None)


def again(con: BaseBackend, bib: Table, known: Known, cap: int, rulings: Rulings, done: Done) -> Found:
    """The records of `bib` that are not known as they are, and what they touch."""
    came, gone = _moved(con, bib, known.member)
    new = kept(con, "new", candidates.prepare(bib.semi_join(came, POSITION)))
    digested = kept(con, "digested", candidates.digests(new))
    touched = kept(con, "touched", _touched(known, digested, gone, rulings))
    before = kept(con, "before", known.member.semi_join(touched, "content"))
    digested = ibis.union(digested, before.anti_join(gone, POSITION).select(digested.columns))
    digested = kept(con, "numbered", candidates.numbered(digested))
    said = judging.apply(kept(con, "said", candidates.said(digested)), rulings)
    firsts = kept(con, "first", _numbered(candidates.firsts(said), known.described))
    added = _in_groups(con, said, firsts)
    stay = known.member.anti_join(touched, "content").select(added.columns)
    dead = kept(con, "dead", before.select("group").distinct().anti_join(added, "group"))

    leaders = kept(con, "leader", _leaders(said, firsts.filter(firsts.fresh)))
    others = kept(con, "other", leaders.anti_join(new, RECORD))  # singled out by a judgement, or no more
    records = new
    if others.count().to_pyarrow().as_py():
        records = ibis.union(new, candidates.prepare(bib.semi_join(others, RECORD)).select(new.columns))
    fresh = kept(con, "fresh", candidates.groups(records, leaders))
    described = kept(con, "described", ibis.union(known.described.anti_join(dead, "group"), fresh))
    done("collapse")
    placed_now = kept(con, "placed_now", candidates.placed(fresh))
    placed = kept(con, "placed", ibis.union(known.placed.anti_join(dead, "group"), placed_now))

    left = known.placed.semi_join(dead, "group")
    changed = kept(con, "changed", ibis.union(placed_now.select("block"), left.select("block"), distinct=True))
    cut = _members_of_cut(changed, [placed, known.placed], cap)
    turned = kept(con, "turned", ibis.union(fresh.select("group"), cut, dead, distinct=True))
    around = placed.semi_join(turned, "group").select("block").distinct()
    pairs, large = worth_comparing(con, placed.semi_join(around, "block"), described, cap)
    large = ibis.union(known.large.anti_join(changed, "block"), large.semi_join(changed, "block"))
    done("blocks")
    pairs = kept(con, "met", pairs)
    ends = [pairs.semi_join(turned.select(**{side: turned.group}), side) for side in ("left", "right")]
    scored = known.pair
    for side in ("left", "right"):
        scored = scored.anti_join(turned.select(**{side: turned.group}), side)
    member = kept(con, "members", ibis.union(stay, added))
    pairs = kept(con, "pair", ibis.union(*ends, distinct=True))
    return Found(member, described, placed, large, pairs, kept(con, "stay", scored))


def _in_groups(con: BaseBackend, said: Table, firsts: Table) -> Table:
    """`Known.member` of records whose groups are numbered."""
    numbered = said.join(firsts.select("said", "group"), "said")
    return kept(con, "member", numbered.select(*POSITION, "content", "sharing", "title", "said", "group"))


def _leaders(said: Table, firsts: Table) -> Table:
    """RECORD, group and said of the first records of groups."""
    return said.join(firsts.select("row", "group"), "row").select(*RECORD, "group", "said")


def _moved(con: BaseBackend, bib: Table, member: Table) -> tuple[Table, Table]:
    """Records that are not known as they are; and known ones that are no more, with their content."""
    there = member.select("content", **{f"known_{name}": member[name] for name in POSITION})
    same = [bib[name] == there[f"known_{name}"] for name in POSITION]
    both = bib.select(POSITION).outer_join(there, same)
    moved = kept(con, "moved", both.filter(both.source_id.isnull() | both.known_source_id.isnull()))
    came = moved.filter(moved.known_source_id.isnull()).select(POSITION)
    gone = moved.filter(moved.source_id.isnull())
    return came, gone.select("content", **{name: gone[f"known_{name}"] for name in POSITION})


def _touched(known: Known, came: Table, gone: Table, rulings: Rulings) -> Table:
    """(content): of records that came or went, and of all that a judgement singles out, or did."""
    singled = known.member.filter((known.member.sharing != ALONE) & (known.member.said != known.member.content))
    judged = known.member.semi_join(listed(rulings.records), RECORD)
    return ibis.union(*(part.select("content") for part in (came, gone, singled, judged)), distinct=True)


def _numbered(firsts: Table, described: Table) -> Table:
    """(said, row, group, fresh): the number that a group has, or the next free one in order of first records."""
    found = firsts.left_join(described.select("said", "group"), "said").select("said", "row", "group")
    nth = ibis.row_number().over(order_by=[found.group.notnull(), found.row])
    free = described.agg(free=described.group.max().fill_null(-1) + 1)
    numbered = found.mutate(nth=nth).cross_join(free)
    group = ibis.coalesce(numbered.group, numbered.nth + numbered.free)
    return numbered.select("said", "row", group=group, fresh=numbered.group.isnull())


def _members_of_cut(changed: Table, both: list[Table], cap: int) -> Table:
    """(group): all who now stand in a changed block that is, or was, over the cap."""
    sizes = [placed.semi_join(changed, "block").group_by("block").agg(size=lambda t: t.count()) for placed in both]
    over = ibis.union(*(size.filter(size.size > cap).select("block") for size in sizes), distinct=True)
    return both[0].semi_join(over, "block").select("group")
