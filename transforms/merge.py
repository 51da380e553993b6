"""The golden record: for each column of a bib the best value among its records, and which record gave it.

Records stand in an order of precedence, stated once:

1. *level*: full records first (`LEVELS`); a Dublin Core or MODS record has no level and counts as minimal;
2. *agency*: records that an agency of `schemas/agencies.csv` made, copied or modified (801, 040), by its rank;
3. *completeness*: more columns filled;
4. *newest* change (005), then source and record identifier, so that there is always one order.

A **single value** is that of the first record that has one, unless it is worth less than another
(`transforms.worth`): a placeholder, a cut-off or garbled text, a transliteration, all capitals.  What describes
another value follows it (`FOLLOWS`): a subtitle is never put behind the title of a record that says another one.

A **repeated value** is the union in the order of records.  Texts (`FOLDED`) that differ in case, punctuation,
width or traditional and simplified script are one value, in its best form; a name without dates gives way to
the same name with dates; a placeholder stands only where there is nothing else.  Numbers and notations are
compared as they are.

Every value of a bib has its provenance: the record it was taken from.
"""

import csv
from functools import lru_cache
from pathlib import Path

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr.types import IntegerValue, Table

from schemas.catalog import CATALOG_BIB, CATALOG_PROVENANCE
from schemas.columns import DESCRIPTION, STRING, STRINGS
from transforms import keys, worth

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

AGENCIES = Path(__file__).resolve().parent.parent / "schemas" / "agencies.csv"
MARC = ("marc21", "cnmarc", "unimarc")
# Encoding levels from best to worst; UNIMARC's and CNMARC's 2 is prepublication, MARC 21's 2 is not.
LEVELS = (("", " ", "#", "I"), ("1",), ("4",), ("2", "L"), ("3", "5", "7", "K", "M"), ("8",))
MINIMAL, PREPUBLICATION = len(LEVELS) - 2, len(LEVELS) - 1

# Columns that say something about another: taken only from records that agree in that one.
FOLLOWS = {"subtitle": "title", "title_pinyin": "title", "binding": "isbn", "clc_ed": "clc"}
# Repeated columns of text, where values that fold to the same are the same.
FOLDED = (
    "series", "notes", "subjects", "creators", "publishers", "pub_places", "agency_chain", "other_carrier",
)  # fmt: skip
_DATES = (
    r"[,，]?\s*[(（\[]?\s*((b|d|ca|fl|active|born|died)\.?\s+|约)?\d{3,4}\??\s*[-–~－—].*$"
    r"|[,，]?\s*(b|d|ca|fl)\.\s*\d.*$"
)


# --- precedence ------------------------------------------------------------------------------------------


def level_rank(bib: Table) -> IntegerValue:
    """0 for a full record; higher is less complete or less examined."""
    cases = [(bib.level.isin(values), rank) for rank, values in enumerate(LEVELS)]
    unimarc_2 = bib.format.isin(("cnmarc", "unimarc")) & (bib.level == "2")
    return ibis.cases((bib.format.notin(MARC), MINIMAL), (unimarc_2, PREPUBLICATION), *cases, else_=len(LEVELS))


@lru_cache(maxsize=1)
def agencies() -> tuple[tuple[int, str], ...]:
    """(rank, code) of the preferred agencies, best first; codes in capitals."""
    with AGENCIES.open(encoding="utf-8", newline="") as file:
        return tuple(sorted((int(row["rank"]), row["code"].upper()) for row in csv.DictReader(file)))


def agency_rank(bib: Table) -> IntegerValue:
    """The rank of the best agency in a record's chain; one more than the last where none is preferred."""
    chain = "|" + bib.agency_chain.join("|").upper().fill_null("") + "|"
    cases = [(chain.contains(f"|{code}|"), rank) for rank, code in agencies()]
    return ibis.cases(*cases, else_=agencies()[-1][0] + 1)


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


def ranked(bib: Table, assigned: Table) -> Table:
    """The records of `assigned` (with all its columns) and `place`: their precedence in their bib, from 0.

    `assigned` has bib_id and the position (source_id, batch_id, record_no) of each record.
    """
    joined = bib.join(assigned, ["source_id", "batch_id", "record_no"])
    joined = joined.mutate(
        level_rank=level_rank(joined),
        agency_rank=agency_rank(joined),
        completeness=completeness(joined),
        changed=joined.updated_at.fill_null(""),
    )
    order = [
        "level_rank",
        "agency_rank",
        ibis.desc("completeness"),
        ibis.desc("changed"),
        "source_id",
        "record_id",
    ]
    return joined.mutate(place=ibis.row_number().over(group_by="bib_id", order_by=order))


def in_precedence(bib: Table, assigned: Table) -> Table:
    """Current records with bib_id and member_code, by bib and then best first."""
    ordered = ranked(bib, assigned).order_by("bib_id", "place")
    return ordered.select("bib_id", "member_code", "source_id", "record_id", *(c.name for c in DESCRIPTION))


# --- merging ---------------------------------------------------------------------------------------------


class _Bibs:
    """Rows of whole bibs: the bib of each row (counted from 0), and which bibs have several records."""

    def __init__(self, records: pa.Table):
        self.records = records
        self.of_row, self.starts = _runs(records["bib_id"])
        self.count = len(self.starts)
        self.sizes = np.diff(np.append(self.starts, len(records)))
        self.several = self.sizes > 1
        self.other_script = np.zeros(self.count, bool)  # set when the language is known

    def column(self, name: str) -> pa.Array:
        return _array(self.records[name])

    def penalties(self, name: str, values: pa.Array, rows: Ints) -> npt.NDArray[np.int8]:
        """What each value is worth; asked only where records compete."""
        found = np.zeros(len(values), np.int8)
        at = np.flatnonzero(self.several[self.of_row[rows]])
        if len(at) and pa.types.is_string(values.type):
            bib = self.of_row[rows[at]]
            found[at] = worth.penalties(name, values.take(pa.array(at)), self.other_script[bib])
        return found


def golden(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """`catalog.bib` and `catalog.provenance` of whole bibs, from their records in order of precedence."""
    bibs = _Bibs(records.combine_chunks())
    members = np.unique(np.stack([bibs.of_row, _codes(bibs.column("member_code"))], axis=1), axis=0)
    columns = {
        "bib_id": bibs.column("bib_id").take(pa.array(bibs.starts)),
        "records": pa.array(bibs.sizes, pa.int32()),
        "members": pa.array(np.bincount(members[:, 0], minlength=bibs.count), pa.int32()),
    }
    origins = []
    names = ["lang", *(c.name for c in DESCRIPTION if c.name not in FOLLOWS and c.name != "lang"), *FOLLOWS]
    types = {column.name: column.type for column in DESCRIPTION}
    for name in names:
        leader = FOLLOWS.get(name)
        may_give = _agreeing(bibs, leader, columns[leader]) if leader else None
        best = _union if types[name] == STRINGS else _first
        columns[name], givers, numbers = best(bibs, name, may_give)
        if name == "lang":
            written = pc.is_in(columns["lang"], pa.array(worth.OTHER_SCRIPTS))
            bibs.other_script = written.to_numpy(zero_copy_only=False)
        given = bibs.records.select(["bib_id", "source_id", "record_id"]).take(pa.array(givers))
        given = given.append_column("column_name", pa.array([name] * len(givers), pa.string()))
        origins.append(given.append_column("value_no", pa.array(numbers, pa.int32())))
    order = [(name, "ascending") for name in CATALOG_PROVENANCE.key]
    provenance = pa.concat_tables(origins).sort_by(order)
    return pa.table(columns).select(CATALOG_BIB.schema.names), provenance.select(CATALOG_PROVENANCE.schema.names)


def _array(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _codes(values: pa.Array) -> Ints:
    """Values as numbers from 0; -1 for null."""
    return pc.fill_null(values.dictionary_encode().indices, -1).to_numpy().astype(np.int64)


def _runs(column: pa.ChunkedArray) -> tuple[Ints, Ints]:
    """Number of each row's run of equal values, and the rows where runs start."""
    codes = _codes(_array(column))
    begins = np.append(True, codes[1:] != codes[:-1]) if len(codes) else np.zeros(0, bool)
    return np.cumsum(begins) - 1, np.flatnonzero(begins)


def _heads(values: pa.Array) -> pa.Array:
    """The first value of each list; a plain column as it is."""
    if not pa.types.is_list(values.type):
        return values
    lengths = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
    starts = np.cumsum(lengths) - lengths
    return pc.list_flatten(values).take(pa.array(starts, mask=lengths == 0))


def _agreeing(bibs: _Bibs, leader: str, chosen: pa.Array) -> Flags:
    """The rows whose value of `leader` is, folded, the one that their bib has (`chosen`, by bib)."""
    rows = np.flatnonzero(bibs.several[bibs.of_row])
    agree = np.ones(len(bibs.of_row), bool)
    own = _heads(bibs.column(leader)).take(pa.array(rows))
    wanted = _heads(chosen).take(pa.array(bibs.of_row[rows]))
    same = pc.equal(keys.folded(own), keys.folded(wanted))
    agree[rows] = pc.fill_null(same, False).to_numpy(zero_copy_only=False)
    return agree


def _first(bibs: _Bibs, name: str, may_give: Flags | None) -> tuple[pa.Array, Ints, Ints]:
    """The best value of each bib, null where there is none; the rows that gave them, and a 0 for each."""
    values = bibs.column(name)
    usable = values.is_valid().to_numpy(zero_copy_only=False)
    filled = np.flatnonzero(usable & may_give if may_give is not None else usable)
    penalties = bibs.penalties(name, values.take(pa.array(filled)), filled)
    filled = filled[np.lexsort((filled, penalties, bibs.of_row[filled]))]
    _, first = np.unique(bibs.of_row[filled], return_index=True)
    givers = filled[first]
    source = np.full(bibs.count, -1)
    source[bibs.of_row[givers]] = givers
    return values.take(pa.array(source, mask=source < 0)), givers, np.zeros(len(givers), np.int64)


def _union(bibs: _Bibs, name: str, may_give: Flags | None) -> tuple[pa.Array, Ints, Ints]:
    """All values of each bib, each once and in order; the row that gave each, and its number in the list."""
    lists = bibs.column(name)
    values = pc.list_flatten(lists)
    rows = pc.list_parent_indices(lists).to_numpy().astype(np.int64)
    present = values.is_valid().to_numpy(zero_copy_only=False)
    penalties = bibs.penalties(name, values, rows)
    present &= ~_needless(bibs.of_row[rows], penalties)
    same = values
    if name in FOLDED:
        same = _folded(bibs, values, rows)
    if name == "creators":
        same, undated = _with_dates(bibs.of_row[rows], same, _folded(bibs, values, rows, _DATES))
        penalties = penalties + worth.TRANSLITERATED * undated.astype(np.int8)
    at = np.flatnonzero(present)
    group = bibs.of_row[rows[at]] * (len(values) + 1) + _codes(same.take(pa.array(at)))
    order = np.lexsort((at, penalties[at], group))
    _, begins = np.unique(group[order], return_index=True)
    _, first = np.unique(group, return_index=True)
    chosen = at[order[begins]][np.argsort(first)]  # the best form, where the value is first given
    owner = bibs.of_row[rows[chosen]]
    offsets = np.searchsorted(owner, np.arange(bibs.count + 1))
    union = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values.take(pa.array(chosen)))
    return union, rows[chosen], np.arange(len(chosen)) - offsets[owner]


def _needless(bib: Ints, penalties: npt.NDArray[np.int8]) -> Flags:
    """Placeholders in bibs that have something better."""
    empty = penalties >= worth.PLACEHOLDER
    return empty & np.isin(bib, bib[~empty])


def _folded(bibs: _Bibs, values: pa.Array, rows: Ints, without: str = "") -> pa.Array:
    """Values by which the same are known, where records compete; a pattern says what to leave out of them."""
    several = pa.array(bibs.several[bibs.of_row[rows]])
    some = values.filter(several)
    folded = keys.folded(pc.replace_substring_regex(some, without, "") if without else some)
    kept = pc.if_else(pc.equal(pc.fill_null(folded, ""), ""), some, folded)  # what folds to nothing stays
    return pc.replace_with_mask(values, several, kept.cast(STRING))


def _with_dates(bib: Ints, same: pa.Array, without_dates: pa.Array) -> tuple[pa.Array, Flags]:
    """Names as they are known, where one without dates is known as the first with dates; and which these are."""
    both = pa.concat_arrays([same, without_dates])
    codes = _codes(both)
    full, bare = codes[: len(same)], codes[len(same) :]
    key = bib * (len(both) + 1) + bare
    dated = np.flatnonzero(full != bare)
    names, first = np.unique(key[dated], return_index=True)
    undated = (full == bare) & np.isin(key, names)
    at = np.arange(len(same))
    at[undated] = dated[first[np.searchsorted(names, key[undated])]]
    return same.take(pa.array(at)), undated
