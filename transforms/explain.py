"""Why two records are, or aren't, one bib: everything that took part, from the lake as it is now.

The card, the vetoes and the blocks are worked out anew by the functions of matching; what was decided is read
from the current build.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import pairwise, product
from typing import Any

import duckdb
import ibis
import numpy as np
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.expr.types import Table
from ibis.util import gen_name

from transforms import blocks, candidates, contents, judgement, judging, review
from transforms.evidence import veto_text
from transforms.judgement import IN_FORCE, MUST_JOIN, MUST_NOT_JOIN, RECORD, Judgement, Record, Rulings
from transforms.judgement_csv import present
from transforms.score import load_card
from transforms.scored import MATCH
from warehouse import engine

# What may not differ within a bib, by the veto that says so.
WITHIN = {
    "volume_key": "volume",
    "carrier": "carrier",
    "lang": "language",
    "orig_lang": "translation",
    "kind": "kind",
}
Found = dict[str, Any]


class ExplainError(Exception):
    """The two records can't be compared; says what to do."""


def explain(left: Record, right: Record) -> Found:
    """Everything about two records, as plain values.

    Raises:
        ExplainError: a record isn't there now, both are the same one, or there is no catalogue yet.
    """
    if left == right:
        raise ExplainError("both are the same record; name two")
    left, right = judgement.pair(left, right)
    card = load_card()
    with engine.open_lake() as con:
        backend = ibis.duckdb.from_connection(con)
        bib = backend.table("current_bib", database="staged")
        bibs = _bibs(con, (left, right))
        ((fields, weighed),) = review.compare(backend, bib, [(left, right)], card)
        group = groups(con, backend, bib, (left, right))
        row = match_row(con, group[left], group[right])
        found: Found = {
            "left": _named(left, bibs),
            "right": _named(right, bibs),
            "together": bibs[left] == bibs[right],
            "fields": fields,
            "evidence": weighed.lines,
            "prior": card.prior,
            "score": weighed.score,
            "thresholds": {"match": card.match, "match_replaced": card.match_replaced, "review": card.review},
            "vetoes": [_veto(rule) for rule in weighed.vetoes],
            "equal": group[left] == group[right],
            "compared": row,
            "likely": weighed.likely,
            "blocks": _met(backend, bib, left, right),
            "judgements": _judgements(left, right),
            "path": [],
            "conflicts": [],
        }
        if found["together"]:
            found["path"] = path(con, bibs[left], group[left], group[right])
        else:
            found["conflicts"] = conflicts(con, backend, bib, bibs[left], bibs[right], in_force())
    found["why"] = dict(zip(("english", "chinese"), why(found), strict=True))
    return found


def name(record: Record) -> str:
    """`source:record`; of a record that is a source of its own its identifier alone."""
    return record[1] if record[0] == record[1] else ":".join(record)


def _named(record: Record, bibs: dict[Record, str]) -> Found:
    return {"record": name(record), "bib_id": bibs[record]}


def _veto(rule: str) -> Found:
    english, chinese = veto_text(rule)
    return {"rule": rule, "english": english, "chinese": chinese}


def _bibs(con: duckdb.DuckDBPyConnection, records: tuple[Record, ...]) -> dict[Record, str]:
    """The bib of each record in the current build."""
    bibs = {}
    for record in records:
        staged = "SELECT count(*) FROM staged.current_bib WHERE source_id = ? AND record_id = ?"
        if con.execute(staged, record).fetchall() == [(0,)]:
            raise ExplainError(
                f"{name(record)}: no such record is staged now; "
                'look with `calis query "SELECT source_id, record_id FROM catalog.bib_record LIMIT 9"`'
            )
        linked = "SELECT bib_id FROM catalog.bib_record WHERE source_id = ? AND record_id = ?"
        rows = con.execute(linked, record).fetchall()
        if not rows:
            raise ExplainError(f"{name(record)} is in no catalogue build yet; run `calis catalog` first")
        bibs[record] = rows[0][0]
    return bibs


# --- what was compared -----------------------------------------------------------------------------------


def groups(
    con: duckdb.DuckDBPyConnection, backend: BaseBackend, bib: Table, records: tuple[Record, ...]
) -> dict[Record, Record]:
    """The first record of each record's group of equal ones, under which pairs are named in `catalog.match`."""
    rulings = _rulings_of_build(con)
    named = judgement.listed({*records, *rulings.records})
    titles = candidates.prepare(bib).semi_join(named, RECORD).select("title_key")
    alike = bib.filter(bib.title_key.isin(titles.title_key) | bib.title_key.isnull())
    said = contents.said(backend, candidates.prepare(alike))
    collapsed = backend.create_table(gen_name("collapsed"), said, temp=True)
    members = judging.apply(collapsed, rulings)
    own = members.semi_join(judgement.listed(records), RECORD).select("source_id", "record_id", "said")
    leaders = members.semi_join(candidates.firsts(members), ["said", "row"])
    first = leaders.select("said", first_source="source_id", first_record="record_id")
    rows = own.join(first, "said").to_pyarrow().to_pylist()
    return {(row["source_id"], row["record_id"]): (row["first_source"], row["first_record"]) for row in rows}


def _rulings_of_build(con: duckdb.DuckDBPyConnection) -> Rulings:
    """The judgements that the current build was made with, those on records that have gone since left out."""
    sql = """SELECT verdict, left_source_id, left_record_id, right_source_id, right_record_id
        FROM catalog.judgement WHERE effect = ?"""
    rows = con.execute(sql, [IN_FORCE]).fetchall()
    pairs = [(row[0], ((row[1], row[2]), (row[3], row[4]))) for row in rows]
    there = present({end for _, pair in pairs for end in pair})
    kept = [(verdict, pair) for verdict, pair in pairs if there.issuperset(pair)]
    joined, apart = ([pair for verdict, pair in kept if verdict == one] for one in (MUST_JOIN, MUST_NOT_JOIN))
    return Rulings(tuple(joined), tuple(apart))


def match_row(con: duckdb.DuckDBPyConnection, left: Record, right: Record) -> Found | None:
    """The row of `catalog.match` about two groups; none where they were not compared."""
    ends = judgement.pair(left, right)
    sql = """SELECT score, rule, decision FROM catalog.match
        WHERE left_source_id = ? AND left_record_id = ? AND right_source_id = ? AND right_record_id = ?"""
    rows = con.execute(sql, [*ends[0], *ends[1]]).fetchall()
    return dict(zip(("score", "rule", "decision"), rows[0], strict=True)) if rows else None


def in_blocks(
    backend: BaseBackend, bib: Table, records: Iterable[Record]
) -> dict[Record, dict[int, tuple[str, str]]]:
    """The blocks that each of some records is in, by number, as (rule, key)."""
    found: dict[Record, dict[int, tuple[str, str]]] = {record: {} for record in records}
    prepared = candidates.prepare(bib.semi_join(judgement.listed(sorted(found)), RECORD))
    said = backend.to_pyarrow(prepared.select(*RECORD, *blocks.COLUMNS))
    of_rows = [(row["source_id"], row["record_id"]) for row in said.select(RECORD).to_pylist()]
    for row in blocks.named(said).to_pylist():
        found[of_rows[row["row"]]][row["block"]] = row["rule"], row["key"]
    return found


def _met(backend: BaseBackend, bib: Table, left: Record, right: Record) -> Found:
    """The blocks of both records, and the size of those that they share."""
    found = in_blocks(backend, bib, (left, right))
    shared = found[left].keys() & found[right].keys()
    sizes = _sizes(backend, bib, shared) if shared else {}
    named = sorted((found[left][block], sizes[block]) for block in shared)
    return {
        **{
            side: [{"rule": rule, "key": key} for rule, key in sorted(found[record].values())]
            for side, record in (("left", left), ("right", right))
        },
        "shared": [
            {"rule": rule, "key": key, "groups": size, "cut": size > candidates.BLOCK_CAP}
            for (rule, key), size in named
        ],
        "cap": candidates.BLOCK_CAP,
    }


def _sizes(backend: BaseBackend, bib: Table, wanted: Collection[int]) -> dict[int, int]:
    """How many groups are in each of some blocks."""
    records, members = candidates.prepare(bib), []
    for batch in backend.to_pyarrow_batches(records.select(*RECORD, *blocks.COLUMNS)):
        block, row = blocks.places(pa.table(batch), threads=1)
        there = np.isin(block, list(wanted))
        named = pa.table(batch).select(RECORD).take(pa.array(row[there]))
        members.append(named.append_column("block", pa.array(block[there])))
    member = ibis.memtable(pa.concat_tables(members))
    # groups lie within a block as a whole, since equal records have equal keys
    said = contents.said(backend, records.semi_join(member, RECORD)).select(*RECORD, "said")
    counted = member.join(said, RECORD).group_by("block").agg(groups=said.said.nunique())
    return {row["block"]: row["groups"] for row in backend.to_pyarrow(counted).to_pylist()}


# --- what else decided -----------------------------------------------------------------------------------


def in_force() -> list[tuple[Judgement, str]]:
    """Every judgement, oldest first, with what becomes of it in the next build."""
    everything = judgement.load()
    there = present({end for one in everything for end in one.pair})
    return list(zip(everything, judgement.resolve(everything, there).effects, strict=True))


def _judgements(left: Record, right: Record) -> list[Found]:
    """Every judgement on the two, oldest first, and whether it is in force."""
    return [_told(one) | {"effect": effect} for one, effect in in_force() if one.pair == (left, right)]


def _told(one: Judgement) -> Found:
    return {"verdict": one.verdict, "who": one.who, "when": one.judged_at.isoformat() + "Z", "why": one.why}


def path(con: duckdb.DuckDBPyConnection, bib_id: str, left: Record, right: Record) -> list[Found]:
    """The matched pairs that lead from one record's group to the other's within a bib."""
    sql = """SELECT m.* FROM catalog.match m
        SEMI JOIN (SELECT * FROM catalog.bib_record WHERE bib_id = $1) l
            ON m.left_source_id = l.source_id AND m.left_record_id = l.record_id
        SEMI JOIN (SELECT * FROM catalog.bib_record WHERE bib_id = $1) r
            ON m.right_source_id = r.source_id AND m.right_record_id = r.record_id
        WHERE decision = $2"""
    edges: dict[Record, list[Record]] = defaultdict(list)
    rows: dict[judgement.Pair, Found] = {}
    for *ends, score, rule, _decision in con.execute(sql, [bib_id, MATCH]).fetchall():
        one, other = (ends[0], ends[1]), (ends[2], ends[3])
        edges[one].append(other)
        edges[other].append(one)
        rows[judgement.pair(one, other)] = {"score": score, "rule": rule}
    path = judgement.shortest_path(edges, left, right) or []
    return [
        {"left": name(one), "right": name(other), **rows[judgement.pair(one, other)]}
        for one, other in pairwise(path)
    ]


def conflicts(
    con: duckdb.DuckDBPyConnection,
    backend: BaseBackend,
    bib: Table,
    left_bib: str,
    right_bib: str,
    judged: list[tuple[Judgement, str]],
) -> list[Found]:
    """What stands between two bibs: for each reason a record of the one and a record of the other."""
    linked = "SELECT source_id, record_id FROM catalog.bib_record WHERE bib_id = ? ORDER BY ALL"
    members = [con.execute(linked, [bib_id]).fetchall() for bib_id in (left_bib, right_bib)]
    wanted = backend.create_table(gen_name("explained"), judgement.listed([*members[0], *members[1]]), temp=True)
    prepared = candidates.prepare(bib.semi_join(wanted, RECORD))
    columns = [*RECORD, "identity", "edition_key", "edition_stated", *WITHIN]
    values = {(r["source_id"], r["record_id"]): r for r in prepared.select(columns).to_pyarrow().to_pylist()}
    sides = [[values[record] for record in side if record in values] for side in members]
    found = [_judged_apart(judged, set(members[0]), set(members[1]))]
    found += [_attribute(sides, column, rule) for column, rule in (*WITHIN.items(), ("edition_key", "edition"))]
    found += [_one_source(sides), _vetoed(con, left_bib, right_bib)]
    told = [conflict for conflict in found if conflict]
    return [one for at, one in enumerate(told) if one["rule"] not in {other["rule"] for other in told[:at]}]


def _judged_apart(judged: list[tuple[Judgement, str]], left: set[Record], right: set[Record]) -> Found | None:
    for one, effect in judged:
        ends = set(one.pair)
        if effect == IN_FORCE and one.verdict == MUST_NOT_JOIN and ends & left and ends & right:
            english, chinese = f"judged apart: {one}, {one.why}", f"人工判定不得合并：{one}，{one.why}"
            return _between("judgement", english, chinese, one.pair[0], one.pair[1], None, None)
    return None


def _attribute(sides: list[list[Found]], column: str, rule: str) -> Found | None:
    def value(row: Found) -> str | None:
        if column == "edition_key" and not row["edition_stated"]:
            return None
        return row[column] or "" if column == "volume_key" else row[column]

    known = [[row for row in side if value(row) is not None] for side in sides]
    if {value(row) for row in known[0]} & {value(row) for row in known[1]} or not known[0] or not known[1]:
        return None
    one, other = known[0][0], known[1][0]
    return _between(rule, *veto_text(rule), _record(one), _record(other), value(one), value(other))


def _one_source(sides: list[list[Found]]) -> Found | None:
    for one, other in product(*sides):
        alike = one["identity"] is not None and one["identity"] == other["identity"]
        if one["source_id"] == other["source_id"] and not alike:
            texts = veto_text("same_source")
            return _between(
                "same_source", *texts, _record(one), _record(other), one["identity"], other["identity"]
            )
    return None


def _vetoed(con: duckdb.DuckDBPyConnection, left_bib: str, right_bib: str) -> Found | None:
    """A pair between the bibs that was compared and vetoed, which no chain may join; the likest one."""
    lacking = ", ".join(f"'{rule}'" for rule in (*judging.LACKING, "veto:cluster"))
    sql = f"""SELECT rule, left_source_id, left_record_id, right_source_id, right_record_id FROM catalog.match m
        JOIN catalog.bib_record l ON m.left_source_id = l.source_id AND m.left_record_id = l.record_id
        JOIN catalog.bib_record r ON m.right_source_id = r.source_id AND m.right_record_id = r.record_id
        WHERE (l.bib_id, r.bib_id) IN (($1, $2), ($2, $1)) AND rule LIKE 'veto:%' AND rule NOT IN ({lacking})
        ORDER BY score DESC, 2, 3, 4, 5 LIMIT 1"""
    for rule, *ends in con.execute(sql, [left_bib, right_bib]).fetchall():
        rule = rule.removeprefix("veto:")
        return _between(rule, *veto_text(rule), (ends[0], ends[1]), (ends[2], ends[3]), None, None)
    return None


def _record(row: Found) -> Record:
    return row["source_id"], row["record_id"]


def _between(
    rule: str, english: str, chinese: str, one: Record, other: Record, left: str | None, right: str | None
) -> Found:
    ends = {"left_record": name(one), "right_record": name(other), "left": left, "right": right}
    return {"rule": rule, "english": english, "chinese": chinese, **ends}


# --- in a word -------------------------------------------------------------------------------------------


def why(found: Found) -> tuple[str, str]:
    """The reason in one sentence, English and Chinese."""
    row, shared = found["compared"], found["blocks"]["shared"]
    if found["together"]:
        return _why_together(found)
    if row and row["rule"] == f"judgement:{MUST_NOT_JOIN}":
        return "a person judged that they must not be joined", "人工判定不得合并"
    if row and row["rule"] == "veto:cluster":
        english, chinese = "they match, but their bibs hold records that conflict", "两者匹配，但所在书目互相冲突"
        for conflict in found["conflicts"][:1]:
            english += f": {conflict['english']} ({conflict['left_record']}, {conflict['right_record']})"
            chinese += f"：{conflict['chinese']}（{conflict['left_record']}，{conflict['right_record']}）"
        return english, chinese
    if row and row["rule"].startswith("veto:"):
        english, chinese = veto_text(row["rule"].removeprefix("veto:"))
        return f"a veto separates them whatever the score: {english}", f"否决规则，不论得分：{chinese}"
    if row:
        english = "doubtful: waits for review" if row["decision"] == "review" else "the score is too low"
        return english, "存疑，待人工审核" if row["decision"] == "review" else "得分过低"
    if shared and all(block["cut"] for block in shared):
        return "never compared: every block they share is over the cap", "未比较：共有的块均超过上限"
    if shared and not found["likely"]:
        english = "set aside: what differs outweighs all that could agree"
        return english, "已排除：不同之处过多，其余各项全部相同也不足以送审"
    if shared:
        return "never compared when the catalogue was built; it may be out of date", "构建时未比较；目录可能已过期"
    return "never compared: they have no block in common", "未比较：没有共同的块"


def _why_together(found: Found) -> tuple[str, str]:
    row = found["compared"]
    if found["equal"]:
        return "they are equal in everything that is compared", "所有比较项均相同"
    if row and row["rule"] == f"judgement:{MUST_JOIN}":
        return "a person judged that they are one", "人工判定必须合并"
    if row and row["decision"] == MATCH:
        return "they match", "两者匹配"
    steps = len(found["path"])
    chinese = f"经由 {steps} 对匹配的链合并，而非两者直接匹配"
    return f"joined by a chain of {steps} pairs, not by their own", chinese
