"""Record rules: each is one row of a CSV file beside this module, checked by SQL over the staged tables.

Columns of a rule file (lists are written `a|b`; an empty list means all):

    code, title_zh, title_en, advice_zh, advice_en
    severity    fail or warn
    formats     marc21, cnmarc, unimarc, oai_dc …
    kinds       book, serial … as in staged.bib.kind
    tag         the field it speaks of; where formats differ `cnmarc:200|marc21:245`
    table       bib, field, holding or item: the staged table whose rows the predicate sees;
                reader: the reader or the stage finds it itself, the row only explains it
    predicate   SQL that is true for a row that breaks the rule; null counts as sound
    value       SQL for the value shown; for table field its value, where nothing is given

A predicate sees the columns of its row, those of the record as `bib.…`, and of the record's fields
`has('801$b')` (is there one?), `first('210$d')` (the first by position) and `values('010$z')` (all of them).
A rule on a field sees only fields of its tag.  `getvariable('batch_year')` is the year of the batch.
Macros for predicates are in `macros.sql`.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import BY_NAME, QUALITY_ISSUE
from warehouse import engine, lake

FOLDER = Path(__file__).resolve().parent
TABLES = ("bib", "field", "holding", "item", "reader")
COLUMNS = [
    "code",
    "title_zh",
    "title_en",
    "advice_zh",
    "advice_en",
    "severity",
    "formats",
    "kinds",
    "tag",
    "table",
    "predicate",
    "value",
]
LONGEST_VALUE = 300  # characters of a value that are kept with a finding
# what a predicate sees of a table beyond its own columns
ROWS = {
    "bib": """(
        SELECT *, record_no IN (SELECT record_no FROM holding UNION ALL SELECT record_no FROM item) AS is_held,
            EXISTS (FROM holding) OR EXISTS (FROM item) AS batch_has_holdings
        FROM bib)""",
    "item": "(SELECT *, count(*) OVER (PARTITION BY barcode) AS same_barcode FROM item)",
}
_FACT = re.compile(r"\b(has|first|values)\('([^'$]+)(?:\$(.))?'\)")


@dataclass(frozen=True)
class Rule:
    """One row of a rule file."""

    code: str
    title_zh: str
    title_en: str
    advice_zh: str
    advice_en: str
    severity: str
    formats: tuple[str, ...]
    kinds: tuple[str, ...]
    tag: str
    table: str
    predicate: str
    value: str

    @property
    def tags(self) -> dict[str, str]:
        """The tag by format; under the key '' the one of every format."""
        pairs = (part.rpartition(":") for part in self.tag.split("|") if part)
        return {format_: tag for format_, _, tag in pairs}


class RuleError(Exception):
    """A rule file has rows that can't be used; the message lists all of them."""


def _faults(place: str, row: dict[str, str], seen: set[str]) -> list[str]:
    if None in row or None in row.values():
        return [f"{place}: has not as many values as the header has columns"]
    faults = [f"{place}: {name} is empty" for name in COLUMNS[:5] if not row[name]]
    if row["code"] in seen:
        faults.append(f"{place}: code {row['code']!r} is given twice")
    if row["severity"] not in ("fail", "warn"):
        faults.append(f"{place}: severity is {row['severity']!r}, must be fail or warn")
    if row["table"] not in TABLES:
        faults.append(f"{place}: table is {row['table']!r}, must be one of {', '.join(TABLES)}")
    if bool(row["predicate"]) == (row["table"] == "reader"):
        faults.append(f"{place}: a rule of table reader has no predicate, every other has one")
    return faults


@cache
def load(folder: Path = FOLDER) -> tuple[Rule, ...]:
    """All rules of a folder, in the order of the files' names and rows.

    Raises:
        RuleError: with every bad row, by file and line.
    """
    rules: list[Rule] = []
    faults: list[str] = []
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if reader.fieldnames != COLUMNS:
                faults.append(f"{path.name}, line 1: the columns must be {','.join(COLUMNS)}")
                continue
            for row in reader:
                found = _faults(f"{path.name}, line {reader.line_num}", row, {rule.code for rule in rules})
                faults += found
                if not found:
                    lists = [tuple(filter(None, row.pop(name).split("|"))) for name in ("formats", "kinds")]
                    rules.append(Rule(formats=lists[0], kinds=lists[1], **row))
    if faults:
        raise RuleError("rules that can't be used:\n" + "\n".join(faults))
    return tuple(rules)


def explain(code: str) -> Rule:
    """The rule of that code; for a code that no file explains, one that says only the code."""
    for rule in load():
        if rule.code == code:
            return rule
    advice = ("此规则尚无说明，请联系中心。", "This rule is not explained yet; ask the centre.")
    return Rule(code, code, code, *advice, "warn", (), (), "", "reader", "", "")


# --- from rules to SQL -----------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _Facts:
    """What the rules ask of a record's fields; each question becomes one aggregate of one scan."""

    def __init__(self) -> None:
        self.columns: dict[tuple[str, str, str], str] = {}

    def resolve(self, expression: str) -> str:
        """The expression with `has(…)`, `first(…)`, `values(…)` replaced by columns of the scan."""
        return _FACT.sub(lambda found: f"facts.{self._column(*found.groups(default=''))}", expression)

    def _column(self, how: str, tag: str, code: str) -> str:
        return self.columns.setdefault((how, tag, code), f"fact_{len(self.columns)}")

    @staticmethod
    def _aggregate(how: str, tag: str, code: str) -> str:
        condition = f"tag = {_quoted(tag)}" + (f" AND code = {_quoted(code)}" if code else "")
        if how == "has":
            return f"coalesce(bool_or({condition}), false)"
        if how == "first":
            # 65,536 subfields in a field are more than ISO 2709 can hold
            return f"arg_min(value, field_no * 65536 + subfield_no) FILTER (WHERE {condition})"
        return f"coalesce(list(value) FILTER (WHERE {condition}), [])"

    def sql(self) -> str:
        """A query with one row per record and one column per question."""
        tags = ", ".join(sorted({_quoted(tag) for _, tag, _ in self.columns}))
        columns = ",\n".join(f"{self._aggregate(*asked)} AS {name}" for asked, name in self.columns.items())
        # the left join gives a row also to a record that has none of these fields
        return f"""SELECT record_no, {columns}
            FROM (SELECT record_no FROM bib)
            LEFT JOIN (SELECT * FROM field WHERE tag IN ({tags})) USING (record_no)
            GROUP BY record_no"""


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


def _query(table: str, rules: list[Rule]) -> str:
    """One scan of a table: each row with the numbers of the rules that it breaks, one output row each."""
    facts = _Facts()
    findings = []
    for no, rule in enumerate(rules):
        value = facts.resolve(rule.value or ("value" if table == "field" else "NULL"))
        finding = f"{{rule_no: {no}, tag: {_by_format(rule)}, value: CAST({value} AS VARCHAR)}}"
        predicate = facts.resolve(rule.predicate)
        # CASE leaves out the rows of its first condition; AND would work out both for every row
        findings.append(f"CASE WHEN {_guard(rule)} THEN CASE WHEN {predicate} THEN {finding} END END")
    source = f"{ROWS['bib']} AS bib"
    if facts.columns:
        source += f" JOIN ({facts.sql()}) AS facts ON facts.record_no = bib.record_no"
    if table != "bib":
        source += f" JOIN {ROWS.get(table, table)} AS {table} ON {table}.record_no = bib.record_no"
    if table == "field":
        # most rows are of fields that no rule names: let them go before the list of rules is built
        tags = sorted({tag for rule in rules for tag in rule.tags.values()})
        anywhere = [f"({facts.resolve(rule.predicate)})" for rule in rules if not rule.tag]
        source += " WHERE " + " OR ".join([_among("field.tag", tags or [""]), *anywhere])
    broken = ",\n".join(findings)
    return f"""
        SELECT record_no, record_id, finding.rule_no, finding.tag, left(finding.value, {LONGEST_VALUE}) AS value
        FROM (
            SELECT record_no, record_id, unnest(broken) AS finding
            FROM (
                SELECT bib.record_no, bib.record_id,
                    list_filter([{broken}], lambda finding: finding IS NOT NULL) AS broken
                FROM {source}
            )
        )"""


def _connect(tables: dict[str, pa.Table], batch_id: str) -> duckdb.DuckDBPyConnection:
    con = engine.connect()
    con.execute((FOLDER / "macros.sql").read_text("utf-8"))
    year = batch_id[:4] if batch_id[:4].isdigit() else str(lake.now().year)
    con.execute(f"SET VARIABLE batch_year = {year}")
    for name in ("bib", "field", "holding", "item"):
        con.register(name, tables.get(name, BY_NAME[f"staged.{name}"].empty()))
    return con


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
    formats = set(pc.unique(tables["bib"].column("format")).to_pylist())
    found = [QUALITY_ISSUE.empty()]
    with _connect(tables, batch_id) as con:
        for table in TABLES[:-1]:
            chosen = [
                rule
                for rule in (load() if rules is None else rules)
                if rule.table == table and (not rule.formats or formats.intersection(rule.formats))
            ]
            if chosen and (table == "bib" or tables.get(table)):
                found.append(_findings(con, table, chosen, source_id, batch_id))
    order = ("record_no", "rule", "tag", "value")
    return pa.concat_tables(found).sort_by([(name, "ascending") for name in order])


def _findings(
    con: duckdb.DuckDBPyConnection, table: str, rules: list[Rule], source_id: str, batch_id: str
) -> pa.Table:
    numbered = [{"rule_no": no, "rule": rule.code, "severity": rule.severity} for no, rule in enumerate(rules)]
    con.register("rule", pa.Table.from_pylist(numbered))
    try:
        rows = con.execute(
            f"""SELECT {_quoted(source_id)} AS source_id, {_quoted(batch_id)} AS batch_id,
                record_no, record_id, rule, severity, tag, value
            FROM ({_query(table, rules)}) JOIN rule USING (rule_no)"""
        ).to_arrow_table()
    except duckdb.Error as error:
        if len(rules) == 1:
            raise RuleError(f"rule {rules[0].code}: its SQL does not work: {error}") from error
        for rule in rules:  # one of them is wrong: this finds out which, by its name in the error
            _findings(con, table, [rule], source_id, batch_id)
        raise
    return rows.cast(QUALITY_ISSUE.schema)
