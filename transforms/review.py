"""The review queue: doubtful pairs, most useful first, with what a person needs to decide them.

A pair is doubtful where matching decided so and its two bibs are still two.  Of several pairs between the same
bibs the most useful one stands for all; bibs that a judgement keeps apart aren't asked about again.
"""

from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
from ibis.backends import BaseBackend
from ibis.expr.types import Table
from ibis.util import gen_name

from schemas.catalog import CATALOG_REVIEW
from transforms import candidates
from transforms.evidence import Weighed, weigh
from transforms.judgement import IN_FORCE, MUST_NOT_JOIN, RECORD, Record, listed
from transforms.score import Card, load_card
from transforms.scored import REVIEW

DETAILED = 2_000  # pairs that are shown with fields and evidence
FIELDS = tuple(
    "title subtitle volume_no volume_title resp_first creators edition pub_place publisher pub_year extent isbn "
    "issn ubsn standard_no calis_id lccn oclc series lang orig_lang kind carrier".split()
)
PLAIN = [name for name in CATALOG_REVIEW.schema.names if name not in ("fields", "evidence")]


def queue(backend: BaseBackend, bib: Table, folder: Path) -> pa.Table:
    """`catalog.review` of a build, from its other tables, which are written already.

    Args:
        backend: where the expressions run.
        bib: `staged.current_bib`.
        folder: of the build.
    """
    card = load_card()
    names = ("match", "bib_record", "bib", "judgement")
    tables = [backend.read_parquet(folder / f"{name}.parquet") for name in names]
    plain = doubtful(tables[0], tables[1], tables[2], tables[3], card).to_pyarrow()
    details = _details(backend, bib, plain.slice(0, DETAILED), card)
    details += [{"fields": None, "evidence": None}] * (len(plain) - len(details))
    types = {name: CATALOG_REVIEW.schema.field(name).type for name in ("fields", "evidence")}
    for name, type_ in types.items():
        plain = plain.append_column(name, pa.array([row[name] for row in details], type_))
    return plain


def _in_bibs(pairs: Table, links: Table) -> Table:
    """Pairs with the bib of each of their records, as left_… and right_…"""
    for side in ("left", "right"):
        renamed = links.select(
            **{f"{side}_{name}": links[name] for name in (*RECORD, "bib_id", "members") if name in links.columns}
        )
        pairs = pairs.inner_join(renamed, [f"{side}_{name}" for name in RECORD])
    return pairs


def doubtful(pairs: Table, records: Table, bibs: Table, judgements: Table, card: Card) -> Table:
    """The queue without details."""
    links = records.join(bibs.select("bib_id", "members"), "bib_id")
    links = links.select(*RECORD, "bib_id", "members")
    found = _in_bibs(pairs.filter(pairs.decision == REVIEW), links)
    found = found.filter(found.left_bib_id != found.right_bib_id)
    kept_apart = judgements.filter(judgements.effect == IN_FORCE, judgements.verdict == MUST_NOT_JOIN)
    apart = _in_bibs(kept_apart.select(*kept_apart.columns[:4]), links)
    ends = {
        "one": ibis.least(ibis._.left_bib_id, ibis._.right_bib_id),
        "other": ibis.greatest(ibis._.left_bib_id, ibis._.right_bib_id),
    }
    found = found.mutate(**ends).anti_join(apart.mutate(**ends).select("one", "other"), ["one", "other"])
    held = found.left_members + found.right_members
    found = found.mutate(usefulness=(1 - (found.score - card.match).abs()) * held)
    order = [ibis.desc("usefulness"), *found.columns[:4]]
    best = ibis.row_number().over(group_by=["one", "other"], order_by=order)
    found = found.mutate(nth=best)
    return found.filter(found.nth == 0).order_by(order).select(PLAIN)


def _text(value: Any) -> str | None:
    text = "; ".join(map(str, value)) if isinstance(value, list) else value
    return None if text is None or text == "" else str(text)


def shown(left: dict[str, Any], right: dict[str, Any]) -> list[dict[str, str | None]]:
    """The fields of two records side by side, those left out that both lack."""
    fields = [{"name": name, "left": _text(left[name]), "right": _text(right[name])} for name in FIELDS]
    return [field for field in fields if field["left"] or field["right"]]


def compare(
    backend: BaseBackend, bib: Table, pairs: list[tuple[Record, Record]], card: Card
) -> list[tuple[list[dict[str, str | None]], Weighed]]:
    """For each pair of records their fields side by side, and how they are weighed."""
    named = {record for pair in pairs for record in pair}
    if not named:
        return []
    records = backend.create_table(gen_name("review_record"), bib.semi_join(listed(named), RECORD), temp=True)
    numbered = candidates.numbered(candidates.prepare(records))
    prepared = backend.create_table(gen_name("review_group"), numbered.rename(group="row"), temp=True)
    rows = {
        (row["source_id"], row["record_id"]): row["group"]
        for row in prepared.select(*RECORD, "group").to_pyarrow().to_pylist()
    }
    ends = [(rows[left], rows[right]) for left, right in pairs]
    schema = pa.schema([("left", pa.int64()), ("right", pa.int64())])
    distinct = [{"left": left, "right": right} for left, right in dict.fromkeys(ends)]
    asked = ibis.memtable(pa.Table.from_pylist(distinct, schema=schema))
    table = candidates.compared(asked, prepared).to_pyarrow().combine_chunks()
    batch = table.to_batches()[0]
    keys = zip(table["left_group"].to_pylist(), table["right_group"].to_pylist(), strict=True)
    weighed = dict(zip(keys, weigh(batch, card), strict=True))
    plain = records.select(*RECORD, *FIELDS).to_pyarrow().to_pylist()
    described = {(row["source_id"], row["record_id"]): row for row in plain}
    return [
        (shown(described[left], described[right]), weighed[end])
        for (left, right), end in zip(pairs, ends, strict=True)
    ]


def _details(backend: BaseBackend, bib: Table, rows: pa.Table, card: Card) -> list[dict[str, Any]]:
    pairs = [
        ((row["left_source_id"], row["left_record_id"]), (row["right_source_id"], row["right_record_id"]))
        for row in rows.to_pylist()
    ]
    return [
        {"fields": fields, "evidence": weighed.lines} for fields, weighed in compare(backend, bib, pairs, card)
    ]
