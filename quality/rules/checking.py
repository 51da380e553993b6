"""Rules at work: from predicates to SQL over the tables of one batch, and the findings."""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quality.rules import FACT, FOLDER, TABLES, Rule, RuleError, anywhere, load
from schemas.tables import BY_NAME, QUALITY_ISSUE
from warehouse import engine, lake

LONGEST_VALUE = 300  # characters of a value that are kept with a finding
# what a predicate sees of a table beyond its own columns
ROWS = {
    "bib": """(
        SELECT *, record_no IN (SELECT record_no FROM holding UNION ALL SELECT record_no FROM item) AS is_held,
            EXISTS (FROM holding) OR EXISTS (FROM item) AS batch_has_holdings
        FROM bib)""",
    "item": "(SELECT *, count(*) OVER (PARTITION BY barcode) AS same_barcode FROM item)",
}
# columns of ROWS that compare a record with the rest of its batch


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _Facts:
    """What the rules ask of a record's fields; each question becomes a column beside the record."""

    def __init__(self) -> None:
        self.columns: dict[tuple[str, str, str], str] = {}

    def resolve(self, expression: str) -> str:
        """The expression with `has(…)`, `first(…)`, `values(…)` replaced by those columns."""
        return FACT.sub(lambda found: f"bib.{self._column(*found.groups(default=''))}", expression)

    def _column(self, how: str, tag: str, code: str) -> str:
        return self.columns.setdefault((how, tag, code), f"fact_{len(self.columns)}")

    def beside(self, bib: pa.Table, field: pa.Table) -> pa.Table:
        """The records with the answers; fields are in order within their record."""
        numbers = bib["record_no"].to_numpy()
        order = np.argsort(numbers, kind="stable")
        owner = order[np.searchsorted(numbers, field["record_no"].to_numpy(), sorter=order)] if len(bib) else order
        tags, codes = _encoded(field["tag"]), _encoded(field["code"])
        for (how, tag, code), name in self.columns.items():
            rows = np.flatnonzero(_equals(tags, tag) & (_equals(codes, code) if code else True))
            rows = rows[np.argsort(owner[rows], kind="stable")]
            starts = np.searchsorted(owner[rows], np.arange(len(bib) + 1)).astype(np.int32)
            none = starts[:-1] == starts[1:]
            if how == "has":
                column = pa.array(~none)
            elif how == "first":
                first = np.append(rows, 0)[starts[:-1]]
                column = field["value"].take(pa.array(first, mask=none))
            else:
                values = pa.chunked_array(field["value"].take(pa.array(rows)), pa.string()).combine_chunks()
                column = pa.ListArray.from_arrays(pa.array(starts), values)
            bib = bib.append_column(name, column)
        return bib


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column


def _equals(column: pa.DictionaryArray, text: str) -> np.ndarray:
    number = pc.index(column.dictionary, text).as_py()
    return pc.fill_null(column.indices, -2).to_numpy(zero_copy_only=False) == (number if number >= 0 else -3)


def _among(column: str, names: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(_quoted, names))})"


def _guard(rule: Rule) -> str:
    """Which rows a rule is about; cheap, so that its predicate need not look at the others."""
    guards = [_among("bib.kind", rule.kinds)] if rule.kinds else []
    if rule.table == "field" and rule.tag:
        guards.insert(0, _among("field.tag", sorted(set(rule.tags.values()))))
        if "" not in rule.tags:
            guards.append(f"{_by_format(rule)} = field.tag")
    if rule.formats:
        guards.append(_among("bib.format", rule.formats))
    return " AND ".join(guards) or "true"


def _by_format(rule: Rule) -> str:
    if not rule.tag:
        return "field.tag" if rule.table == "field" else "NULL"
    if "" in rule.tags:
        return _quoted(rule.tags[""])
    whens = " ".join(f"WHEN {_quoted(name)} THEN {_quoted(tag)}" for name, tag in rule.tags.items())
    return f"CASE bib.format {whens} END"


def _query(rule: Rule, facts: _Facts) -> str:
    """The rows that break a rule, as findings without their batch."""
    value = facts.resolve(rule.value or ("field.value" if rule.table == "field" else "NULL"))
    source = f"{ROWS['bib']} AS bib" if rule.needs_batch else "bib"
    if rule.table != "bib":
        rows = ROWS.get(rule.table, rule.table)
        if rule.table == "field" and rule.tag:
            rows = f"(SELECT * FROM field WHERE {_among('tag', sorted(set(rule.tags.values())))})"
        source += f" JOIN {rows} AS {rule.table} ON {rule.table}.record_no = bib.record_no"
    # CASE leaves out the rows of its first condition; AND might work out both for every row
    return f"""
        SELECT bib.record_no, bib.record_id, {_quoted(rule.code)} AS rule, {_quoted(rule.severity)} AS severity,
            {_by_format(rule)} AS tag, left(CAST({value} AS VARCHAR), {LONGEST_VALUE}) AS value
        FROM {source}
        WHERE CASE WHEN {_guard(rule)} THEN {facts.resolve(rule.predicate)} END"""


def _connect(batch_id: str) -> duckdb.DuckDBPyConnection:
    con = engine.connect()
    con.execute((FOLDER / "macros.sql").read_text("utf-8"))
    year = batch_id[:4] if batch_id[:4].isdigit() else str(lake.now().year)
    con.execute(f"SET VARIABLE batch_year = {year}")
    return con


def asked_fields(field: pa.Table, rules: Sequence[Rule]) -> pa.Table:
    """The rows of `staged.field` that these rules can look at; a small part of them.

    Returns:
        The rows with a column `suspect`: whether rules on every field see the row.
    """
    tags, codes = _encoded(field["tag"]), _encoded(field["code"])
    names = tags.dictionary.to_pylist()
    # a table of tag and code, the last column for no code
    wanted = np.zeros((len(names) + 1, len(codes.dictionary) + 1), bool)
    for tag, code in _asked(tuple(rules)):
        if tag in names:
            number = pc.index(codes.dictionary, code).as_py() if code else slice(None)
            if number != -1:
                wanted[names.index(tag), number] = True
    code_of = pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False)
    suspect = anywhere.suspect(field["value"])
    chosen = np.flatnonzero(wanted[tags.indices.to_numpy(zero_copy_only=False), code_of] | suspect)
    return field.take(pa.array(chosen)).append_column("suspect", pa.array(suspect[chosen]))


@cache
def _asked(rules: tuple[Rule, ...]) -> set[tuple[str, str]]:
    """(tag, code or none) that rules look at."""
    asked = {(tag, "") for rule in rules if rule.table == "field" for tag in rule.tags.values()}
    facts = FACT.findall(" ".join(rule.predicate + " " + rule.value for rule in rules))
    return asked | {(tag, code) for _, tag, code in facts}


def asked_columns() -> list[str]:
    """The columns of `staged.bib` that any rule can look at."""
    words = set(re.findall(r"\w+", " ".join(f"{rule.predicate} {rule.value}" for rule in load())))
    always = {"record_no", "record_id", "format", "kind"}
    return [name for name in BY_NAME["staged.bib"].schema.names if name in words | always]


def check(
    tables: dict[str, pa.Table], source_id: str, batch_id: str, rules: Sequence[Rule] | None = None
) -> pa.Table:
    """Every finding of every rule on one batch, or on a part of it that holds its records whole.

    Args:
        tables: `bib`, `field`, `holding`, `item` as staged; a table that is not there has no rows.
        source_id: of the batch.
        batch_id: of the batch; its year is the present for rules about years.
        rules: instead of all of them.

    Returns:
        `quality.issue` rows, ordered by record, rule, tag and value.  What compares records with each other
        (a barcode twice) sees only what it is given.
    """
    chosen = load() if rules is None else rules
    tables = {name: tables.get(name, BY_NAME[f"staged.{name}"].empty()) for name in TABLES[:-1]}
    if "suspect" not in tables["field"].column_names:
        tables["field"] = asked_fields(tables["field"], chosen)
    formats = set(pc.unique(tables["bib"].column("format")).to_pylist())
    facts = _Facts()
    for rule in chosen:
        facts.resolve(rule.predicate + rule.value)
    with _connect(batch_id) as con:
        for name in ("holding", "item"):
            con.register(name, tables[name])
        con.register("bib", facts.beside(tables["bib"], tables["field"]))
        con.register("field", tables["field"].drop_columns("suspect"))
        found = _check(con, [rule for rule in chosen if not rule.is_anywhere], formats, facts, source_id, batch_id)
        con.register("field", tables["field"].filter(tables["field"]["suspect"]))
        everywhere = [rule for rule in chosen if rule.is_anywhere]
        return _sorted([found, _check(con, everywhere, formats, facts, source_id, batch_id)])


def check_files(folder: Path, formats: set[str], source_id: str, batch_id: str) -> pa.Table:
    """The findings of the rules that need the whole batch, on its written tables."""
    with _connect(batch_id) as con:
        for name in TABLES[:-1]:
            con.read_parquet(str(folder / f"{name}.parquet")).create_view(name)
        chosen = [rule for rule in load() if rule.needs_batch]
        return _sorted([_check(con, chosen, formats, _Facts(), source_id, batch_id)])


def _sorted(found: list[pa.Table]) -> pa.Table:
    order = ("record_no", "rule", "tag", "value")
    return pa.concat_tables(found).sort_by([(name, "ascending") for name in order])


def _check(
    con: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    formats: set[str],
    facts: _Facts,
    source_id: str,
    batch_id: str,
) -> pa.Table:
    chosen = [
        rule for rule in rules if rule.predicate and (not rule.formats or formats.intersection(rule.formats))
    ]
    return _findings(con, chosen, facts, source_id, batch_id) if chosen else QUALITY_ISSUE.empty()


class Checker:
    """Checks a batch while it is being staged: most rules on some records at a time, the rest at the end.

    Args:
        source_id: of the batch.
        batch_id: of the batch.
    """

    RECORDS = 50_000  # checked at once

    def __init__(self, source_id: str, batch_id: str):
        self.source_id, self.batch_id = source_id, batch_id
        self._waiting: dict[str, list[pa.Table]] = {"bib": [], "field": [], "holding": []}
        self._count = 0
        self._formats: set[str] = set()
        self._rules = [rule for rule in load() if not rule.needs_batch]

    def add(self, tables: dict[str, pa.Table]) -> pa.Table:
        """Take the rows of a part; returns findings, of earlier parts too, when enough records are there."""
        self._waiting["bib"].append(tables["bib"].select(asked_columns()))
        self._waiting["field"].append(asked_fields(tables["field"], self._rules))
        self._waiting["holding"].append(tables["holding"])
        self._count += len(tables["bib"])
        return self._run() if self._count >= self.RECORDS else QUALITY_ISSUE.empty()

    def finish(self, folder: Path) -> pa.Table:
        """The findings that are left, when all tables lie complete in the folder of the batch."""
        rest = self._run() if self._count else QUALITY_ISSUE.empty()
        return pa.concat_tables([rest, check_files(folder, self._formats, self.source_id, self.batch_id)])

    def _run(self) -> pa.Table:
        tables = {name: pa.concat_tables(parts) for name, parts in self._waiting.items()}
        self._formats |= set(pc.unique(tables["bib"]["format"]).to_pylist())
        self._waiting, self._count = {name: [] for name in self._waiting}, 0
        return check(tables, self.source_id, self.batch_id, self._rules)


def _findings(
    con: duckdb.DuckDBPyConnection, rules: list[Rule], facts: _Facts, source_id: str, batch_id: str
) -> pa.Table:
    queries = " UNION ALL ".join(_query(rule, facts) for rule in rules)
    try:
        rows = con.execute(
            f"SELECT {_quoted(source_id)} AS source_id, {_quoted(batch_id)} AS batch_id, * FROM ({queries})"
        ).to_arrow_table()
    except duckdb.Error as error:
        if len(rules) == 1:
            raise RuleError(f"rule {rules[0].code}: its SQL does not work: {error}") from error
        for rule in rules:  # one of them is wrong: this finds out which, by its name in the error
            _findings(con, [rule], facts, source_id, batch_id)
        raise
    return rows.cast(QUALITY_ISSUE.schema)
