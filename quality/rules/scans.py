"""From rules to SQL: the rules of one table become one scan of it, with a column for each rule."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from quality.rules import Rule, asked, compared, deviations
from schemas.tables import BY_NAME

LONGEST_VALUE = 300  # characters of a value that are kept with a finding


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _among(column: str, names: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(_quoted, names))})"


@dataclass(frozen=True)
class Scan:
    """Rules that look at the rows of one table together."""

    table: str
    rules: tuple[Rule, ...]
    formats: frozenset[str]

    @property
    def has_tag(self) -> bool:
        """Whether its rows are of one field."""
        return self.table in ("field", "deviation")

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
        always = ["record_no", "tag"] if self.has_tag else ["record_no"]
        words = " ".join(always + self._broken + self._values)
        if self.table == "deviation":
            return asked.columns_in(words, deviations.SCHEMA.names)
        names = [*BY_NAME[f"staged.{self.table}"].schema.names, *compared.COLUMNS.get(self.table, ())]
        return asked.columns_in(words, names)

    @cached_property
    def beside(self) -> list[str]:
        """The columns of the record that it reads as `bib.…`, answers to questions among them."""
        return list(dict.fromkeys(re.findall(r"\bbib\.(\w+)", " ".join(self._broken + self._values))))

    @cached_property
    def tags(self) -> set[str]:
        """The fields that its rules are about."""
        return {tag for rule in self.rules for name in self.formats for tag in rule.tags_of(name)}

    @cached_property
    def neighbours(self) -> dict[str, str]:
        """The subfields that its rules ask for beside their own, by column."""
        return asked.neighbours(self.rules)

    @cached_property
    def facts(self) -> dict[str, asked.Fact]:
        """The questions that its rules ask of the record's fields."""
        return asked.facts(self.rules)

    def sql(self, rows: str) -> str:
        """The query: a row for each row that breaks a rule.

        Args:
            rows: name of the rows, with the struct `bib` beside those of other tables than bib.

        Returns:
            SQL for record_no, tag (of a field), and for each rule `broken_<n>` and `value_<n>`.
        """
        names = [f"broken_{n}" for n in range(len(self.rules))]
        broken = ", ".join(f"{sql} AS {name}" for sql, name in zip(self._broken, names, strict=True))
        values = ", ".join(
            f"CASE WHEN broken_{n} THEN {sql} END AS value_{n}" for n, sql in enumerate(self._values)
        )
        return f"""
            SELECT record_no, {"tag" if self.has_tag else "NULL AS tag"}, {", ".join(names)}, {values}
            FROM (SELECT *, {broken} FROM {rows} AS {self.table}) AS {self.table}
            WHERE {" OR ".join(names)}"""


def _guard(rule: Rule, formats: frozenset[str]) -> str:
    """Which rows a rule is about; cheap, so that its predicate need not look at the others."""
    guards = ["field.suspect"] if rule.is_anywhere else []
    meant = sorted(formats.intersection(rule.formats) if rule.formats else formats)
    if rule.table == "field" and rule.tags:
        formats_of: dict[str, list[str]] = {}
        for name in meant:
            for tag in rule.tags_of(name):
                formats_of.setdefault(tag, []).append(name)
        named = (f"field.tag = {_quoted(tag)}{_only(names, formats)}" for tag, names in formats_of.items())
        guards.append(f"({' OR '.join(named) or 'false'})")
    else:
        guards.append(f"true{_only(meant, formats)}")
    if rule.kinds:
        guards.append(_among("bib.kind", rule.kinds))
    if rule.valid_by == "pub_year":
        years = f"BETWEEN {rule.valid_from.year} AND {rule.valid_to.year}"
        guards.append(f"coalesce(bib.pub_year, getvariable('batch_year')) {years}")
    return " AND ".join(guards)


def _only(names: list[str], formats: frozenset[str]) -> str:
    """The condition that a record is of one of these formats, where the scan has others."""
    return f" AND {_among('bib.format', names)}" if len(names) < len(formats) else ""


def _value(rule: Rule) -> str:
    shown = {"field": "field.value", "deviation": "deviation.shown"}
    value = asked.resolved(rule.value) or shown.get(rule.table, "NULL")
    return f"left(CAST({value} AS VARCHAR), {LONGEST_VALUE})"


@lru_cache(256)
def scans(rules: tuple[Rule, ...], formats: frozenset[str]) -> tuple[Scan, ...]:
    """The scans that these rules need on records of these formats: one for each table.

    (Cut into more scans of fewer rows, 400 rules took as long.)
    """
    chosen = [
        rule
        for rule in rules
        if rule.table not in ("reader", "union") and (not rule.formats or formats.intersection(rule.formats))
    ]
    tables = dict.fromkeys(rule.table for rule in chosen)
    return tuple(Scan(table, tuple(r for r in chosen if r.table == table), formats) for table in tables)
