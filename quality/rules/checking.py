"""Rules at work on the records of a batch, and the findings."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quality.rules import FOLDER, STAGED, Rule, RuleError, asked, compared, load
from quality.rules.deviations import deviations
from quality.rules.scans import Scan, scans
from schemas.quality import QUALITY_ISSUE
from schemas.tables import BY_NAME
from warehouse import engine, lake

_FINDING = pa.schema([f for f in QUALITY_ISSUE.schema if f.name not in ("source_id", "batch_id")])


def check(
    tables: dict[str, pa.Table],
    source_id: str,
    batch_id: str,
    rules: Sequence[Rule] | None = None,
    threads: int = 1,
) -> pa.Table:
    """Every finding of every rule on one batch, or on a part of it that holds its records whole.

    Args:
        tables: `bib`, `field`, `holding`, `item` as staged; a table that is not there has no rows.
        source_id: of the batch.
        batch_id: of the batch; its year is the present for rules about years.
        rules: instead of all of them.
        threads: of DuckDB.

    Returns:
        `quality.issue` rows, ordered by record, rule, tag and value.  What compares records with each other
        (a barcode twice) sees only what it is given.

    Raises:
        RuleError: the SQL of a rule does not work.
    """
    tables = {name: tables.get(name, BY_NAME[f"staged.{name}"].empty()) for name in STAGED}
    others = compared.Others()
    others.add(tables["holding"])
    others.add(tables["item"])
    tables = {name: others.beside(name, table) for name, table in tables.items()}
    needed = scans(_in_force(load() if rules is None else rules, batch_id), _formats(tables["bib"]))
    return _issues(_found(needed, tables, _year(batch_id), threads), source_id, batch_id)


def check_files(
    folder: Path, formats: frozenset[str], source_id: str, batch_id: str, threads: int = 1
) -> Iterator[pa.Table]:
    """The findings of the rules that compare records of a batch, on its written tables; some records at a time."""
    files = {name: folder / f"{name}.parquet" for name in STAGED}
    rows = {name: pq.read_metadata(file).num_rows for name, file in files.items()}
    if not rows["holding"] + rows["item"]:  # all of them compare holdings or items, or records by theirs
        return
    others = compared.Others()
    for name, needs in (("holding", ["record_no"]), ("item", ["record_no", "barcode"])):
        for some in compared.batches(files[name], needs):
            others.add(some)
    needed = scans(_in_force([rule for rule in load() if rule.needs_batch], batch_id), formats)
    words = "record_no record_id format barcode " + " ".join(scan.sql(scan.table) for scan in needed)
    read = {
        name: asked.columns_in(words, BY_NAME[f"staged.{name}"].schema.names)
        for name in ("bib", "holding", "item")
    }
    for tables in compared.in_step(files, read):
        tables = {name: others.beside(name, table) for name, table in tables.items()}
        yield _issues(_found(needed, tables, _year(batch_id), threads), source_id, batch_id)


class Checker:
    """Checks a batch while it is being staged, with the rules that look at one record (others: `check_files`).

    Args:
        source_id: of the batch.
        batch_id: of the batch.
        threads: of DuckDB.
    """

    def __init__(self, source_id: str, batch_id: str, threads: int = 1):
        self._source_id, self._batch_id, self._threads = source_id, batch_id, threads
        self._rules = _in_force([rule for rule in load() if not rule.needs_batch], batch_id)
        self.formats: frozenset[str] = frozenset()  # of the records so far
        self._bib: list[pa.Table] = []
        self._waiting: dict[Scan, list[pa.Table]] = defaultdict(list)

    def add(self, tables: dict[str, pa.Table]) -> None:
        """Take a part, whose records must be whole."""
        formats = _formats(tables["bib"])
        self.formats |= formats
        self._bib.append(tables["bib"].select(["record_no", "record_id", "format"]))
        for scan, rows in _seen(scans(self._rules, formats), tables):
            self._waiting[scan].append(rows)

    def found(self) -> pa.Table:
        """The findings on what came since the last call; of few records at a time they cost more each."""
        bib = pa.concat_tables(self._bib) if self._bib else BY_NAME["staged.bib"].empty()
        year = _year(self._batch_id)
        found = [
            _found_by(scan, pa.concat_tables(rows), bib, year, self._threads)
            for scan, rows in self._waiting.items()
        ]
        self._bib.clear()
        self._waiting.clear()
        return _issues(found, self._source_id, self._batch_id)


def _formats(bib: pa.Table) -> frozenset[str]:
    return frozenset(pc.unique(bib["format"]).to_pylist())


def _day(batch_id: str) -> date:
    try:
        return date.fromisoformat(batch_id[:8])
    except ValueError:
        return lake.now().date()


def _year(batch_id: str) -> int:
    return _day(batch_id).year


def _in_force(rules: Sequence[Rule], batch_id: str) -> tuple[Rule, ...]:
    day = _day(batch_id)
    return tuple(rule for rule in rules if rule.is_in_force(day))


def _seen(needed: Sequence[Scan], tables: dict[str, pa.Table]) -> list[tuple[Scan, pa.Table]]:
    """What each scan sees of some records, the struct `bib` beside rows of other tables."""
    bib = tables["bib"]
    facts = {name: fact for scan in needed for name, fact in scan.facts.items()}
    tags = {tag for _, tag, _ in facts.values()}.union(*(scan.tags for scan in needed if scan.table == "field"))
    if facts or any(scan.table == "field" for scan in needed):
        fields = asked.Fields(tables["field"], bib, tags)
        for name, column in fields.answers(facts).items():
            bib = bib.append_column(name, column)
    found = []
    for scan in needed:
        if scan.table == "bib":
            seen = bib.select(list(dict.fromkeys(scan.columns + scan.beside)))
        else:
            if scan.table == "field":
                seen, place = fields.rows(scan.tags, scan.columns, scan.neighbours)
            elif scan.table == "deviation":
                seen, place = _deviating(tables["field"], bib)
                seen = seen.select(scan.columns)
            else:
                seen, place = asked.of_records(tables[scan.table].select(scan.columns), bib)
            if scan.beside:
                record = bib.select(scan.beside).take(pa.array(place)).combine_chunks().to_struct_array()
                seen = seen.append_column("bib", record)
        found.append((scan, seen))
    return found


def _deviating(field: pa.Table, bib: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Where the records differ from their formats, and the places of these records."""
    place = asked.places(field["record_no"].to_numpy(), bib)
    return asked.of_records(deviations(field, place, bib["format"]), bib)


class _Prepared:
    """A query that is planned once and reads other rows each time it runs."""

    def __init__(self, con: duckdb.DuckDBPyConnection, scan: Scan, rows: pa.Table, number: int):
        self._con, self._rows, self._name = con, rows, f"scan_{number}"
        con.register(f"rows_{number}", self)
        con.execute(f"PREPARE {self._name} AS {scan.sql(f'rows_{number}')}")

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The rows, for DuckDB."""
        return self._rows.__arrow_c_stream__(requested_schema)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """What it finds in rows of the same schema."""
        self._rows = rows
        try:
            return self._con.execute(f"EXECUTE {self._name}").to_arrow_table()
        finally:
            self._rows = rows.schema.empty_table()


class _Engine:
    """DuckDB with the macros and its prepared scans, kept for all batches of a process."""

    def __init__(self, threads: int):
        self._con = engine.connect()
        self._con.execute(f"SET threads = {threads}")
        # a filter pushed below the columns of the rules would work all of them out twice
        self._con.execute("SET disabled_optimizers = 'filter_pushdown'")
        try:
            self._con.execute((FOLDER / "macros.sql").read_text("utf-8"))
        except duckdb.Error as error:
            raise RuleError(f"macros.sql does not work: {error}") from error
        self._prepared: dict[tuple[Scan, pa.Schema, int], _Prepared] = {}
        self._year = 0
        self._lock = Lock()

    def run(self, scan: Scan, rows: pa.Table, year: int) -> pa.Table:
        """The rows that break a rule, as `Scan.sql` says."""
        key = (scan, rows.schema, year)
        with self._lock:
            if year != self._year:  # the present of rules about years
                self._con.execute(f"SET VARIABLE batch_year = {year}")
                self._year = year
            if key not in self._prepared:
                self._prepared[key] = _Prepared(self._con, scan, rows, len(self._prepared))
            return self._prepared[key](rows)


_engine = cache(_Engine)


def _found(needed: Sequence[Scan], tables: dict[str, pa.Table], year: int, threads: int) -> list[pa.Table]:
    """What records break."""
    return [_found_by(scan, rows, tables["bib"], year, threads) for scan, rows in _seen(needed, tables)]


def _found_by(scan: Scan, rows: pa.Table, bib: pa.Table, year: int, threads: int) -> pa.Table:
    """What a scan finds."""
    if not len(rows):
        return _FINDING.empty_table()
    rows = rows.unify_dictionaries()

    def run(scan: Scan) -> pa.Table:
        found, place = asked.of_records(_engine(threads).run(scan, rows, year), bib)
        for name in ("record_id", "format"):
            found = found.append_column(name, bib[name].take(pa.array(place)))
        return found

    return _findings(scan, run)


def _findings(scan: Scan, run: Callable[[Scan], pa.Table]) -> pa.Table:
    """The findings of a scan, one row each, without their batch."""
    try:
        rows = run(scan)
    except duckdb.Error as error:
        if len(scan.rules) == 1:
            raise RuleError(f"rule {scan.rules[0].code}: its SQL does not work: {error}") from error
        for rule in scan.rules:  # one of them is wrong: this finds out which, by its name in the error
            _findings(replace(scan, rules=(rule,)), run)
        raise
    if not len(rows):
        return _FINDING.empty_table()
    count = len(scan.rules)
    number, row = np.nonzero(np.stack([rows[f"broken_{n}"].to_numpy() for n in range(count)]))
    values = pa.chunked_array([part for n in range(count) for part in rows[f"value_{n}"].chunks], pa.string())
    if scan.has_tag:
        tag = rows["tag"].cast(pa.string()).take(pa.array(row))
    else:
        formats = sorted(scan.formats)
        tags = [",".join(one.tags_of(name)) or None for one in scan.rules for name in formats]
        format_ = pc.index_in(rows["format"], pa.array(formats)).to_numpy()[row]
        tag = pa.array(tags, pa.string()).take(pa.array(number * len(formats) + format_))
    return pa.table(
        {
            "record_no": rows["record_no"].take(pa.array(row)),
            "record_id": rows["record_id"].take(pa.array(row)),
            "rule": pa.array([one.code for one in scan.rules]).take(pa.array(number)),
            "severity": pa.array([one.severity for one in scan.rules]).take(pa.array(number)),
            "tag": tag,
            "value": values.take(pa.array(number * len(rows) + row)),
        }
    ).cast(_FINDING)


def _issues(found: list[pa.Table], source_id: str, batch_id: str) -> pa.Table:
    """Findings in order, with their batch."""
    order = [(name, "ascending") for name in ("record_no", "rule", "tag", "value")]
    table = pa.concat_tables([_FINDING.empty_table(), *found]).sort_by(order)
    for name, value in (("batch_id", batch_id), ("source_id", source_id)):
        column = pa.repeat(pa.scalar(value, pa.string()), len(table))
        table = table.add_column(0, QUALITY_ISSUE.schema.field(name), column)
    return table
