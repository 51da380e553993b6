"""Bibs of one work on different carriers: linked, never merged (纸电合一).

Two kinds of evidence, in this order; what differs in volume, language, original language or in being a serial is
never linked, nor are bibs whose carrier is the same or unknown:

1. *identifier*: a record of the one names an ISBN of the other as that of another carrier (776, 452);
2. *match*: the pair reaches the score of a match and only the carrier speaks against it.

Links go both ways, one row each.  A link is no chain: what is linked with one bib says nothing of a third.
"""

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from schemas.catalog import CATALOG_LINK
from transforms import identifiers
from transforms.judgement import RECORD
from transforms.score import load_card

CARRIER = "carrier"


def carriers(con: BaseBackend, bib: Table, records: Table, pairs: Table, bibs: Table) -> pa.Table:
    """`catalog.link` of a build.

    Args:
        con: where temporary tables may be made.
        bib: current rows of `staged.bib`.
        records, pairs, bibs: `catalog.bib_record`, `catalog.match` and `catalog.bib` of the build.
    """
    position = ["source_id", "batch_id", "record_no"]
    joined = bib.join(records.select("bib_id", *position), position)
    named = joined.filter(joined.other_carrier.length() > 0).select("bib_id", "other_carrier")
    stated = con.create_table("other_carrier", ibis.memtable(_isbns(named.to_pyarrow())), temp=True)
    own = bibs.select(other_bib_id=bibs.bib_id, isbn=bibs.isbn.unnest())
    by_number = stated.join(own, "isbn").select(
        "bib_id", "other_bib_id", evidence=ibis.literal("identifier"), score=ibis.literal(None, "float64")
    )
    found = ibis.union(by_number, _compared(pairs, records))
    found = ibis.union(
        found,
        found.select(bib_id="other_bib_id", other_bib_id="bib_id", evidence=found.evidence, score=found.score),
    )
    between = con.create_table("carrier_link", found.filter(found.bib_id != found.other_bib_id), temp=True)
    allowed = _allowed(con, between, joined, bibs)
    links = allowed.group_by("bib_id", "other_bib_id").agg(
        relation=ibis.literal(CARRIER), evidence=allowed.evidence.min(), score=allowed.score.max()
    )
    return links.select(CATALOG_LINK.schema.names).order_by("bib_id", "other_bib_id").to_pyarrow()


def _isbns(named: pa.Table) -> pa.Table:
    """(bib_id, isbn): the valid ISBNs among what records say of other carriers."""
    lists = pa.concat_arrays(named["other_carrier"].chunks) if len(named) else pa.array([], pa.list_(pa.string()))
    texts = pc.split_pattern(pc.list_flatten(lists), ";")
    of_text = pc.list_parent_indices(lists).take(pc.list_parent_indices(texts))
    numbers = identifiers.isbn(pc.utf8_trim_whitespace(pc.list_flatten(texts)))
    table = pa.table({"bib_id": named["bib_id"].take(of_text), "isbn": pa.array(numbers, pa.string())})
    return table.filter(pc.is_valid(table["isbn"])).group_by(["bib_id", "isbn"]).aggregate([])


def _compared(pairs: Table, records: Table) -> Table:
    """The pairs of bibs that would match but for their carrier."""
    vetoed = pairs.filter((pairs.rule == "veto:carrier") & (pairs.score >= load_card().match))
    of_record = {
        side: records.select(**{f"{side}_{name}": records[name] for name in (*RECORD, "bib_id")})
        for side in ("left", "right")
    }
    for side, table in of_record.items():
        vetoed = vetoed.join(table, [f"{side}_{name}" for name in RECORD])
    return vetoed.select(
        bib_id="left_bib_id", other_bib_id="right_bib_id", evidence=ibis.literal("match"), score=vetoed.score
    )


def _allowed(con: BaseBackend, found: Table, joined: Table, bibs: Table) -> Table:
    """Those of two known carriers where nothing else tells the bibs apart.

    Each join is of two tables: of three an engine may begin with the two sides, since volumes and being a serial
    have to be equal, and puts nearly every bib beside every other.
    """
    bibs = bibs.semi_join(found, "bib_id")  # links go both ways
    volumes = joined.semi_join(bibs, "bib_id").group_by("bib_id").agg(volume=ibis._.volume_key.min().fill_null(""))
    facts = bibs.join(volumes, "bib_id").select(
        "bib_id", "carrier", "lang", "orig_lang", "volume", serial=(ibis._.kind == "serial").fill_null(False)
    )
    facts = con.create_table("linked_bib", facts, temp=True)
    one = con.create_table("one_side", found.join(facts, "bib_id"), temp=True)
    both = one.join(facts.rename("other_{name}"), "other_bib_id")
    agree = [(both[name] == both[f"other_{name}"]).fill_null(True) for name in ("lang", "orig_lang")]
    return both.filter(
        both.carrier != both.other_carrier,
        both.volume == both.other_volume,
        both.serial == both.other_serial,
        *agree,
    )
