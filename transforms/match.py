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
from ibis.expr.types import StringValue, Table
from ibis.util import gen_name

from transforms import components, judging
from transforms.judgement import Rulings
from transforms.score import IDENTIFIERS, MATCH, REVIEW, SCORED, Card, load_card, score

BLOCK_CAP = 500  # groups in a block that are still compared all with all
NOT_JUDGED = Rulings()
NEIGHBOURS = 8  # in a larger block each group is compared with the next ones by title, creator and year

# Records that agree in all of these are the same to every later step.
COMPARED = (
    *IDENTIFIERS,
    "title_key",
    "full_title_key",
    "volume_key",
    "edition_key",
    "edition_stated",
    "creator_key",
    "creators_key",
    "publisher_key",
    "place_key",
    "pages",
    "pub_year",
    "coded_year",
    "lang",
    "orig_lang",
    "carrier",
    "kind",
)
# Values that name no language: they agree with every other.
NO_LANGUAGE = ("und", "mul", "zxx", "mis", "|||", "xxx", "")
LISTS = ("isbn", "issn", "creators_key")
POSITION = ("source_id", "record_id", "batch_id", "record_no")


@dataclass(frozen=True)
class Clusters:
    """The result of matching."""

    records: pa.Table  # POSITION, row, cluster; ordered by (source_id, record_id), row counts from 0
    pairs: pa.Table  # catalog.match
    notes: list[str]  # what was left out or cut, for the outcome


def prepare(bib: Table) -> Table:
    """The compared columns of `staged.bib`, lists of identifiers as sorted text, and a row number."""
    listed = {name: bib[name].sort().join("|").nullif("") for name in LISTS}
    made = {
        **listed,
        "edition_stated": bib.edition.notnull(),
        "lang": ibis.cases((bib.lang.notin(NO_LANGUAGE), bib.lang)),
        # a thesis, or a kit of book and disc, is catalogued as a book by the next library
        "kind": ibis.cases((bib.kind.isin(("thesis", "mixed")), "book"), else_=bib.kind),
    }
    plain = {name: bib[name] for name in COMPARED if name not in made}
    return bib.select(
        *POSITION,
        **plain,
        **made,
        # of the several ISBNs of a book, another record may give one
        identity=ibis.coalesce(listed["isbn"].substr(0, 13), bib.calis_id, bib.lccn, bib.oclc, listed["issn"]),
        row=ibis.row_number().over(order_by=[bib.source_id, bib.record_id]),
    )


def collapse(records: Table) -> Table:
    """Add `group`: the smallest row of those that are equal in everything compared.

    Records that say too little to be equal to another (no identifier, and not both creator and year) stay
    alone; two records of one source without an identifier never share a group.
    """
    identified = ibis.or_(*(records[name].notnull() for name in IDENTIFIERS))
    telling = records.title_key.notnull() & (
        identified | (records.creator_key.notnull() & records.pub_year.notnull())
    )
    twin = ibis.row_number().over(group_by=[*COMPARED, "source_id"], order_by="row")
    # -1: shares; 0 and more: the n-th of its source; beyond all of these: alone
    apart = ibis.cases((~telling, records.row + 1_000_000_000_000), (identified, -1), else_=twin)
    marked = records.mutate(apart=apart.cast("int64"))
    return marked.mutate(group=marked.row.min().over(group_by=[*COMPARED, "apart"])).drop("apart")


def _text(*parts: StringValue) -> StringValue:
    key = parts[0]
    for part in parts[1:]:
        key = key + "/" + part
    return key


def blocks(groups: Table) -> Table:
    """(rule, key, group): the places where groups meet to be compared."""
    start = groups.full_title_key.substr(0, 12)
    title = groups.full_title_key
    end = title.substr(ibis.greatest(title.length() - 12, 0), 12)
    creator, surname = groups.creator_key.substr(0, 12), groups.creator_key.substr(0, 6)
    pages, year, coded = (groups[name].cast("string") for name in ("pages", "pub_year", "coded_year"))
    single = {
        "calis_id": groups.calis_id,
        "lccn": groups.lccn,
        "oclc": groups.oclc,
        "ubsn": groups.ubsn,
        "title, creator": _text(start, surname),
        "title, year": _text(start, year),
        "title, coded year": _text(start, coded.nullif(year)),
        "title, pages": _text(start, pages),
        "end of title, pages": _text(end, pages),
        "creator, pages": _text(surname, pages),
        "creator, year": _text(creator, year),
    }
    tables = [groups.select(rule=ibis.literal(rule), key=key, group=groups.group) for rule, key in single.items()]
    for name in ("isbn", "issn"):
        listed = groups.filter(groups[name].notnull())
        number = listed[name].split("|").unnest()
        tables.append(listed.select(rule=ibis.literal(name), key=number, group=listed.group))
    together = ibis.union(*tables)
    return together.filter(together.key.notnull()).distinct()


def oversize(blocked: Table, cap: int = BLOCK_CAP) -> Table:
    """(rule, key, size) of the blocks with more groups than the cap."""
    sizes = blocked.group_by("rule", "key").agg(size=blocked.group.count())
    return sizes.filter(sizes.size > cap)


def places(blocked: Table, large: Table, groups: Table) -> Table:
    """(rule, key, group, place): the groups of large blocks, set in order of title, creator and year."""
    member = blocked.semi_join(large, ["rule", "key"]).join(groups, "group")
    order = [member.full_title_key, member.creator_key, member.pub_year, member.group]
    place = ibis.row_number().over(group_by=[member.rule, member.key], order_by=order)
    return member.select("rule", "key", "group", place=place)


def pairs(blocked: Table, large: Table, placed: Table) -> Table:
    """(left, right): the groups to compare, left < right, each pair once."""
    small = blocked.anti_join(large, ["rule", "key"])
    other = small.view()
    same_block = [small.rule == other.rule, small.key == other.key, small.group < other.group]
    all_pairs = small.join(other, same_block).select(left=small.group, right=other.group)

    step = ibis.array(list(range(1, NEIGHBOURS + 1))).unnest()
    steps = placed.select(
        near_rule=placed.rule, near_key=placed.key, near=placed.group, first=placed.place, step=step
    )
    steps = steps.mutate(at=steps.first + steps.step)
    neighbours = placed.join(steps, [("rule", "near_rule"), ("key", "near_key"), ("place", "at")])
    neighbours = neighbours.select(
        left=ibis.least(neighbours.group, neighbours.near), right=ibis.greatest(neighbours.group, neighbours.near)
    )
    return ibis.union(all_pairs, neighbours, distinct=True)


def compared(candidates: Table, groups: Table) -> Table:
    """Each pair with the columns of both sides, as `left_…` and `right_…`: what `score` reads."""
    columns = ("group", "source_id", "identity", *COMPARED)
    sides = {}
    for side in ("left", "right"):
        sides[side] = groups.select(**{f"{side}_{name}": groups[name] for name in columns})
    joined = candidates.join(sides["left"], candidates.left == sides["left"].left_group)
    joined = joined.join(sides["right"], joined.right == sides["right"].right_group)
    return joined.drop("left", "right")


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """Values as codes from 0; null is `ANY`."""
    encoded = pc.dictionary_encode(column).combine_chunks()
    return pc.fill_null(encoded.indices, components.ANY).to_numpy(zero_copy_only=False).astype(np.int64)


def _volumes(keys: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Volumes as two attributes: numbers, among which none is a value too, and names, which may be left out."""
    keys, missing = pc.fill_null(keys, ""), pa.scalar(None, pa.string())
    named = pc.and_(pc.not_equal(keys, ""), pc.invert(pc.match_substring_regex(keys, "[0-9]")))
    return pc.if_else(named, missing, keys), pc.if_else(named, keys, missing)


def _clusters(groups: pa.Table, members: pa.Table, scored: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """For each group (by place in `groups`) its cluster, and for each scored pair whether it was refused."""
    number = groups["group"].to_numpy()
    edition = pc.if_else(groups["edition_stated"], groups["edition_key"], pa.scalar(None, pa.string()))
    # What holds between groups that never met, too.
    attributes = [*_volumes(groups["volume_key"]), edition]
    attributes += [groups[name] for name in ("carrier", "lang", "orig_lang", "kind")]
    # every source that has a record in a group
    in_group = np.searchsorted(number, members["group"].to_numpy())
    sources = _codes(members["source_id"])
    held = np.unique(np.stack([in_group, sources], axis=1), axis=0)
    starts = np.searchsorted(held[:, 0], np.arange(len(number) + 1))

    left, right = (np.searchsorted(number, scored[side].to_numpy()) for side in ("left", "right"))
    codes = np.stack([_codes(column) for column in attributes], axis=1)
    tried = np.flatnonzero(pc.equal(scored["decision"], MATCH).to_numpy())
    forced = pc.equal(scored["rule"], judging.BY_FORCE).to_numpy()[tried]
    order = np.lexsort((right[tried], left[tried], -scored["score"].to_numpy()[tried], ~forced))
    tried, ends = tried[order], np.unique(np.stack([left, right])[:, tried[forced]])
    apart = np.flatnonzero(judging.vetoed(scored))
    # what people joined is one, so a veto on a part of it no longer speaks for the whole
    if len(ends):
        apart = apart[~np.isin(left[apart], ends) & ~np.isin(right[apart], ends)]
    apart = apart[components.within_reach(left[apart], right[apart], left[tried], right[tried], codes)]
    apart = np.append(apart, np.flatnonzero(pc.equal(scored["rule"], judging.FORBIDDEN).to_numpy()))
    cluster, refused = components.join(
        left[tried],
        right[tried],
        codes,
        starts,
        np.ascontiguousarray(held[:, 1]),
        _codes(groups["identity"]),
        int(forced.sum()),
        (left[apart], right[apart]),
    )
    was_refused = np.zeros(len(scored), bool)
    was_refused[tried[refused]] = True
    return cluster, was_refused


def _pair_rows(scored: pa.Table, refused: np.ndarray, members: pa.Table) -> pa.Table:
    """`catalog.match`: scored pairs under the names of each group's first record."""
    rule = pc.if_else(pa.array(refused), "veto:cluster", scored["rule"])
    decision = pc.if_else(pa.array(refused), REVIEW, scored["decision"])
    names: dict[str, pa.ChunkedArray] = {}
    for side in ("left", "right"):
        rows = members.take(scored[side])
        names |= {f"{side}_{name}": rows[name] for name in ("source_id", "record_id")}
    return pa.table({**names, "score": scored["score"], "rule": rule, "decision": decision})


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


def _kept(con: BaseBackend, name: str, expression: Table) -> Table:
    """The result of an expression as a temporary table; its name is new, since replacing copies twice."""
    return con.create_table(gen_name(f"match_{name}"), expression, temp=True)


def cluster(
    con: BaseBackend,
    bib: Table,
    card: Card | None = None,
    cap: int = BLOCK_CAP,
    rulings: Rulings = NOT_JUDGED,
    done: Callable[[str], None] = lambda stage: None,
) -> Clusters:
    """Match all records of `bib` (columns of `staged.bib`; one row a record), as judged where they are.

    The result depends on the records and the judgements alone, not on their order.  `done` is told each stage as
    it ends.
    """
    records, decided = judging.apply(_kept(con, "record", collapse(prepare(bib))), rulings)
    groups = _kept(con, "group", records.filter(records.row == records.group))
    done("collapse")
    blocked = _kept(con, "block", blocks(groups))
    large = _kept(con, "large", oversize(blocked, cap))
    placed = _kept(con, "place", places(blocked, large, groups))
    done("blocks")
    candidates = _kept(con, "pair", judging.with_pairs(pairs(blocked, large, placed), decided))
    done("pairs")
    batches = compared(candidates, groups).to_pyarrow_batches(chunk_size=65_536)
    scored = pa.Table.from_batches(score(batches, card or load_card()), schema=SCORED)
    scored = judging.decide(scored.sort_by([("left", "ascending"), ("right", "ascending")]), decided)
    done("score")

    members = records.select(*POSITION, "group", "row").order_by("row").to_pyarrow()
    needed = ("group", "volume_key", "edition_key", "edition_stated", "carrier", "lang", "orig_lang", "kind")
    found = groups.select(*needed, "identity").order_by("group").to_pyarrow()
    clusters, refused = _clusters(found, members, scored)
    done("components")
    number = found["group"].to_numpy()
    of_record = number[clusters[np.searchsorted(number, members["group"].to_numpy())]]
    records_out = members.drop_columns(["group"]).append_column("cluster", pa.array(of_record))
    pair_rows = _pair_rows(scored, refused, members)
    done("records out")
    return Clusters(records_out, pair_rows, _notes(large, cap))
