"""What a record says, as numbers: records of one content say the same of all that is compared.

The same function of Arrow batches serves both engines, as scoring does; DuckDB would join the values to a text
and take its MD5, which takes six times as long.
"""

from collections.abc import Iterable, Iterator

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend
from ibis.expr.types import Table

from transforms import candidates
from transforms.candidates import ALONE, COMPARED, ONE_OF_SOURCE, POSITION, READ, SHARED, TITLE_START
from transforms.digests import digests, of_lists
from transforms.score import IDENTIFIERS
from warehouse import engine

TOLD = pa.schema(
    [
        *((name, pa.string()) for name in POSITION[:3]),
        (POSITION[3], pa.int32()),
        ("content", pa.int64()),
        ("sharing", pa.int8()),
        ("title", pa.int64()),
    ]
)


def content(records: pa.Table) -> npt.NDArray[np.int64]:
    """A digest of 63 bits of all that is compared, the same on every engine.

    Args:
        records: `candidates.prepare`.
    """
    return number(records, COMPARED)


def stored(records: pa.Table) -> npt.NDArray[np.int64]:
    """A digest of 63 bits of all that `candidates.prepare` reads; what is prepared of the same is the same.

    Args:
        records: `candidates.READ`.
    """
    for place, field in enumerate(records.schema):
        if pa.types.is_list(field.type):
            records = records.set_column(place, field.name, of_lists(records[field.name]))
    return number(records, READ)


def sharing(records: pa.Table) -> npt.NDArray[np.int8]:
    """Whether equal records are one group.

    Those that say too little to be equal to another (no identifier, and not both creator and year) stay alone; of
    those of one source without an identifier only the first shares a group.

    Args:
        records: `candidates.prepare`.
    """
    there = {name: _there(records, name) for name in (*IDENTIFIERS, "title_key", "creator_key", "pub_year")}
    identified = np.logical_or.reduce([there[name] for name in IDENTIFIERS])
    telling = there["title_key"] & (identified | (there["creator_key"] & there["pub_year"]))
    return np.where(~telling, ALONE, np.where(identified, SHARED, ONE_OF_SOURCE)).astype(np.int8)


def title(titles: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A digest of how each title begins."""
    start = pc.utf8_slice_codeunits(titles, 0, TITLE_START)
    return number(pa.table({"title": start}), ["title"])


def told(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """`TOLD` of batches of `candidates.prepare`."""
    for batch in batches:
        records = pa.Table.from_batches([batch])
        numbers = content(records), sharing(records), title(records["full_title_key"])
        position = [batch[name].cast(TOLD.field(name).type) for name in POSITION]
        yield pa.record_batch([*position, *map(pa.array, numbers)], TOLD)


def of(con: BaseBackend, records: Table) -> Table:
    """`TOLD` of records, computed.

    Args:
        records: `candidates.prepare`.
    """
    asked = records.select(*POSITION, *COMPARED)
    if engine.has_workers(con):
        return engine.mapped(con, asked, told, TOLD)
    return ibis.memtable(pa.Table.from_batches(told(con.to_pyarrow_batches(asked)), TOLD))


def said(con: BaseBackend, records: Table) -> Table:
    """`candidates.said` of a few records.

    Args:
        records: `candidates.prepare`.
    """
    return candidates.said(candidates.numbered(of(con, records)))


def number(records: pa.Table, columns: Iterable[str]) -> npt.NDArray[np.int64]:
    """A digest of 63 bits of some columns."""
    return (digests(records, columns) >> np.uint64(1)).view(np.int64)


def _there(records: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    return records[name].is_valid().to_numpy()
