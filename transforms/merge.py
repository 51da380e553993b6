"""The golden record: for each column of a bib the best value among its records, and which record gave it.

Precedence, stated once: encoding level (full first), then completeness (more columns filled), then the newest
change, then source and record identifier.  A single value comes from the first record that has one; a
repeated value is the union in that order, each value once.
"""

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr.types import IntegerValue, Table

from schemas.tables import CATALOG_BIB, CATALOG_PROVENANCE, DESCRIPTION, STRINGS

Ints = npt.NDArray[np.int64]

# Encoding levels from best to worst; UNIMARC's and CNMARC's 2 is prepublication, MARC 21's 2 is not.
LEVELS = (("", " ", "#", "I"), ("1",), ("4",), ("2", "L"), ("3", "5", "7", "K", "M"), ("8",))
PREPUBLICATION = len(LEVELS) - 1


def level_rank(bib: Table) -> IntegerValue:
    """0 for a full record; higher is less complete or less examined."""
    cases = [(bib.level.isin(values), rank) for rank, values in enumerate(LEVELS)]
    unimarc_2 = bib.format.isin(("cnmarc", "unimarc")) & (bib.level == "2")
    return ibis.cases((unimarc_2, PREPUBLICATION), *cases, else_=len(LEVELS))


def completeness(bib: Table) -> IntegerValue:
    """How many descriptive columns have a value."""
    filled = [
        (bib[column.name].length() > 0 if column.type == STRINGS else bib[column.name].notnull())
        .fill_null(False)
        .cast("int32")
        for column in DESCRIPTION
    ]
    total = filled[0]
    for one in filled[1:]:
        total = total + one
    return total


def in_precedence(bib: Table, assigned: Table) -> Table:
    """Current records with bib_id and member_code, by bib and then best first.

    `assigned` has bib_id, member_code and the position (source_id, batch_id, record_no) of each record.
    """
    ranked = bib.mutate(
        level_rank=level_rank(bib), completeness=completeness(bib), changed=bib.updated_at.fill_null("")
    )
    joined = ranked.join(assigned, ["source_id", "batch_id", "record_no"])
    ordered = joined.order_by(
        "bib_id", "level_rank", ibis.desc("completeness"), ibis.desc("changed"), "source_id", "record_id"
    )
    return ordered.select("bib_id", "member_code", "source_id", "record_id", *(c.name for c in DESCRIPTION))


def golden(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """`catalog.bib` and `catalog.provenance` of whole bibs, from their records in order of precedence."""
    records = records.combine_chunks()
    bib_of, starts = _runs(records["bib_id"])
    members = np.unique(np.stack([bib_of, _codes(records["member_code"])], axis=1), axis=0)
    columns = {
        "bib_id": records["bib_id"].take(starts),
        "records": pa.array(np.diff(np.append(starts, len(records))), pa.int32()),
        "members": pa.array(np.bincount(members[:, 0], minlength=len(starts)), pa.int32()),
    }
    origins = []
    for column in DESCRIPTION:
        best = _union if column.type == STRINGS else _first
        values, givers = best(records[column.name], bib_of, len(starts))
        columns[column.name] = values
        given = records.select(["bib_id", "source_id", "record_id"]).take(givers)
        origins.append(given.append_column("column_name", pa.array([column.name] * len(givers), pa.string())))
    provenance = pa.concat_tables(origins).sort_by([("bib_id", "ascending"), ("column_name", "ascending")])
    return pa.table(columns).select(CATALOG_BIB.schema.names), provenance.select(CATALOG_PROVENANCE.schema.names)


def _codes(column: pa.ChunkedArray) -> Ints:
    return column.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)


def _runs(column: pa.ChunkedArray) -> tuple[Ints, Ints]:
    """Number of each row's run of equal values, and the rows where runs start."""
    codes = _codes(column)
    begins = np.append(True, codes[1:] != codes[:-1]) if len(codes) else np.zeros(0, bool)
    return np.cumsum(begins) - 1, np.flatnonzero(begins)


def _first(column: pa.ChunkedArray, bib_of: Ints, bibs: int) -> tuple[pa.Array, Ints]:
    """The first value of each bib, null where there is none, and the rows that gave them."""
    filled = np.flatnonzero(column.is_valid().to_numpy())
    _, first = np.unique(bib_of[filled], return_index=True)
    givers = filled[first]
    source = np.full(bibs, -1)
    source[bib_of[givers]] = givers
    return column.combine_chunks().take(pa.array(source, mask=source < 0)), givers


def _union(column: pa.ChunkedArray, bib_of: Ints, bibs: int) -> tuple[pa.Array, Ints]:
    """All values of each bib, each once and in order, and the row that gave the first of them."""
    lists = column.combine_chunks()
    values = pc.list_flatten(lists)
    rows = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    present = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    codes = values.take(present).dictionary_encode().indices.to_numpy().astype(np.int64)
    _, first = np.unique(bib_of[rows[present]] * (len(values) + 1) + codes, return_index=True)
    chosen = present[np.sort(first)]
    owner = bib_of[rows[chosen]]
    offsets = np.searchsorted(owner, np.arange(bibs + 1))
    union = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values.take(chosen))
    return union, rows[chosen[offsets[:-1][np.diff(offsets) > 0]]]
