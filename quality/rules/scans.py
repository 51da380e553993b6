"""From rules to SQL: the rules of one table become one scan of it, with a column for each rule."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from quality.rules import Rule, asked
from schemas.tables import BY_NAME

LONGEST_VALUE = 300  # characters of a value that are kept with a finding
RULES = 40  # of one scan; each costs a look at every row, so more of them are better off with fewer rows

# what a rule that compares records sees of a table beyond its own columns
IN_BATCH = {
    "bib": """(
        SELECT *, record_no IN (SELECT record_no FROM holding UNION ALL SELECT record_no FROM item) AS is_held,
            EXISTS (FROM holding) OR EXISTS (FROM item) AS batch_has_holdings
        FROM bib)""",
    "item": """(
        SELECT item.*, coalesce(same, 1) AS same_barcode FROM item
        LEFT JOIN (SELECT barcode, count(*) AS same FROM item GROUP BY barcode HAVING count(*) > 1)
            USING (barcode))""",
}


def quoted(text: str) -> str:
    """The text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _among(column: str, names: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(quoted, names))})"


@dataclass(frozen=True)
class Scan:
    """Rules that look at the rows of one table together."""

    table: str
    rules: tuple[Rule, ...]
    formats: frozenset[str]

    @cached_property
    def _broken(self) -> list[str]:
        # CASE leaves out the rows of its first condition; AND might work out both for every row
        return [
            f"CASE WHEN {_guard(rule, self.formats)} THEN CASE WHEN {asked.resolved(rule.predicate)} "
            "THEN true ELSE false END ELSE false END"
            for rule in self.rules
        ]

    @cached_property
    def _values(self) -> list[str]:
        return [_value(rule) for rule in self.rules]

    @cached_property
    def columns(self) -> list[str]:
        """The columns of its table that it reads."""
        always = ["record_no", "tag"] if self.table == "field" else ["record_no"]
        words = " ".join(always + self._broken + self._values)
        return asked.columns_in(words, BY_NAME[f"staged.{self.table}"].schema.names)

    @cached_property
    def beside(self) -> list[str]:
        """The columns of the record that it reads as `bib.…`, answers to questions among them."""
        return list(dict.fromkeys(re.findall(r"\bbib\.(\w+)", " ".join(self._broken + self._values))))

    @cached_property
    def tags(self) -> set[str]:
        """The fields that its rules are about."""
        return {rule.tag_of(name) for rule in self.rules for name in self.formats} - {""}

    @cached_property
    def facts(self) -> dict[str, asked.Fact]:
        """The questions that its rules ask of the record's fields."""
        return asked.facts(self.rules)

    def sql(self, rows: str) -> str:
        """The query: a row for each row that breaks a rule.

        Args:
            rows: name or sub-query of the rows, with the struct `bib` beside those of other tables than bib.

        Returns:
            SQL for record_no, tag (of a field), and for each rule `broken_<n>` and `value_<n>`.
        """
        names = [f"broken_{n}" for n in range(len(self.rules))]
        broken = ", ".join(f"{sql} AS {name}" for sql, name in zip(self._broken, names, strict=True))
        shown = enumerate(self._values)
        values = ", ".join(f"CASE WHEN broken_{n} THEN {sql} END AS value_{n}" for n, sql in shown)
        return f"""
            SELECT record_no, {"tag" if self.table == "field" else "NULL AS tag"}, {", ".join(names)}, {values}
            FROM (SELECT *, {broken} FROM {rows} AS {self.table}) AS {self.table}
            WHERE {" OR ".join(names)}"""

    @cached_property
    def sql_in_batch(self) -> str:
        """The query over the tables of a whole batch, with `record_id` and `format` of the record."""
        rows = IN_BATCH.get(self.table, self.table)
        if self.table != "bib" and self.beside:
            bib = f"(SELECT record_no, {', '.join(self.beside)} FROM {IN_BATCH['bib']})"
            rows = f"""(SELECT {self.table}.*, bib FROM {rows} AS {self.table}
                JOIN {bib} AS bib ON bib.record_no = {self.table}.record_no)"""
        return f"""SELECT found.*, bib.record_id, bib.format
            FROM ({self.sql(rows)}) AS found JOIN bib ON bib.record_no = found.record_no"""


def _guard(rule: Rule, formats: frozenset[str]) -> str:
    """Which rows a rule is about; cheap, so that its predicate need not look at the others."""
    guards = ["field.suspect"] if rule.is_anywhere and not rule.needs_batch else []
    meant = sorted(formats.intersection(rule.formats) if rule.formats else formats)
    if rule.table == "field" and rule.tags:
        by_tag: dict[str, list[str]] = {}
        for name in meant:
            by_tag.setdefault(rule.tag_of(name), []).append(name)
        pairs = (
            " AND ".join(
                [
                    f"field.tag = {quoted(tag)}",
                    *([_among("bib.format", names)] if len(names) < len(formats) else []),
                ]
            )
            for tag, names in by_tag.items()
        )
        guards.append(f"({' OR '.join(pairs)})")
    elif len(meant) < len(formats):
        guards.append(_among("bib.format", meant))
    if rule.kinds:
        guards.append(_among("bib.kind", rule.kinds))
    return " AND ".join(guards) or "true"


def _value(rule: Rule) -> str:
    value = asked.resolved(rule.value) or ("field.value" if rule.table == "field" else "NULL")
    return f"left(CAST({value} AS VARCHAR), {LONGEST_VALUE})"


@lru_cache(256)
def scans(rules: tuple[Rule, ...], formats: frozenset[str]) -> tuple[Scan, ...]:
    """As few scans as these rules need on records of these formats."""
    of_formats = [rule for rule in rules if not rule.formats or formats.intersection(rule.formats)]
    chosen = [rule for rule in of_formats if rule.predicate]
    made = []
    for table in dict.fromkeys(rule.table for rule in chosen):
        of_table = (rule for rule in chosen if rule.table == table)
        same = sorted(of_table, key=lambda rule: sorted(rule.tags.values()))
        made += [Scan(table, tuple(same[at : at + RULES]), formats) for at in range(0, len(same), RULES)]
    return tuple(made)
