"""Record rules: each is one row of a CSV file beside this module, checked by SQL over the staged tables.

Columns of a rule file (lists are written `a|b`; an empty list means all):

    code, title_zh, title_en, advice_zh, advice_en
    severity    fail or warn
    formats     marc21, cnmarc, unimarc, oai_dc …
    kinds       book, serial … as in staged.bib.kind
    tag         the field it speaks of, or `024,100`; where formats differ `cnmarc:200|marc21:245`
    table       bib, field, holding or item: the staged table whose rows the predicate sees;
                deviation: the places where a record differs from its format (`quality.rules.deviations`);
                union: whatever the whole build holds (`quality.rules.across`);
                reader: the reader, the stage or the publication finds it, the row only explains it
    predicate   SQL that is true for a row that breaks the rule; null counts as sound.  Of table union a SELECT
                that gives source_id, batch_id, record_no, record_id and value of what breaks it
    value       SQL for the value shown; for table field its value, where nothing is given

and, where a file has them:

    weight      points that a finding takes from the score of a record, where it is not that of its severity
    valid_from  the rule holds from this day on (YYYY-MM-DD)
    valid_to    and up to this one
    valid_by    whose date that is: batch (or nothing), the day of the harvest; pub_year, the record's year of
                publication, which for a thesis is that of the degree (a record without one counts as of today)
    published_as  the rule of table union that finds the same among all batches of a member: what this one finds
                is for those who look at a batch or a file, and left out where records are published

A predicate sees the columns of its row, those of the record as `bib.…`, and of the record's fields
`has('801$b')` (is there one?), `first('210$d')` (the first by position) and `values('010$z')` (all of them).
A rule on a field sees only fields of its tag, and `beside('2')`, the first subfield $2 of the same field;
without a tag only what `quality.rules.anywhere` picks out.
What compares records of a batch (`is_held` and `batch_has_holdings` of bib, `same_barcode` of item) is there
only at its end, and not together with questions for fields.
`getvariable('batch_year')` is the year of the batch.

A rule of table union sees the lake (`staged.current_…`, `catalog.…`), `union_record`: the columns of staged.bib of
each current record, with its member_code and the bib_id that the build gave it; and `known_publisher`, what
`quality/definitions/isbn_publishers.csv` says.  It chooses formats
and kinds itself.
Macros for predicates are in `macros.sql`.
"""

import csv
import re
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
STAGED = ("bib", "field", "holding", "item")
TABLES = (*STAGED, "deviation", "union", "reader")
SEVERITY_WEIGHT = {"fail": 10.0, "warn": 2.0}
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
OPTIONAL = ["weight", "valid_from", "valid_to", "valid_by", "published_as"]
WHOLE_BATCH = re.compile(r"\b(is_held|batch_has_holdings|same_barcode)\b")
FACT = re.compile(r"\b(has|first|values)\('([^'$]+)(?:\$(.))?'\)")
NEIGHBOUR = re.compile(r"\bbeside\('(.)'\)")


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of a rule file; compared by identity, so that sets of rules are quickly looked up."""

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
    weight: float = 0.0
    valid_from: date = date.min
    valid_to: date = date.max
    valid_by: str = "batch"
    published_as: str = ""

    def is_in_force(self, day: date) -> bool:
        """Whether it holds for a batch of that day; one that goes by the year of a record does on some."""
        return self.valid_by != "batch" or self.valid_from <= day <= self.valid_to

    @cached_property
    def needs_batch(self) -> bool:
        """Whether it can be checked only when the whole batch is there."""
        return bool(WHOLE_BATCH.search(self.predicate + self.value))

    @property
    def is_anywhere(self) -> bool:
        """Whether it looks at every field."""
        return self.table == "field" and not self.tag

    @cached_property
    def tags(self) -> dict[str, str]:
        """The tag, or tags with commas between them, by format; under the key '' those of every format."""
        pairs = (part.rpartition(":") for part in self.tag.split("|") if part)
        return {format_: tag for format_, _, tag in pairs}

    def tags_of(self, format_: str) -> list[str]:
        """The tags in that format."""
        tags = self.tags.get(format_, self.tags.get("", ""))
        return tags.split(",") if tags else []


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
    if WHOLE_BATCH.search(row["predicate"]) and FACT.search(row["predicate"] + row["value"]):
        faults.append(f"{place}: a rule that compares records of the batch can't ask for fields")
    if WHOLE_BATCH.search(row["predicate"]) and row["table"] == "field":
        faults.append(f"{place}: a rule that compares records of the batch can't look at fields")
    if "is_held" in row["predicate"] and "batch_has_holdings" not in row["predicate"]:
        faults.append(f"{place}: is_held means nothing where no holdings are sent; ask for batch_has_holdings too")
    if row["table"] != "field" and NEIGHBOUR.search(row["predicate"] + row["value"]):
        faults.append(f"{place}: only a rule of table field can ask what is beside a subfield")
    if row["table"] == "union" and row["formats"] + row["kinds"] + row["value"]:
        faults.append(f"{place}: a rule of table union has formats, kinds and value in its SELECT")
    faults += [f"{place}: {fault}" for fault in _date_faults(row)]
    if bool(row["predicate"]) == (row["table"] == "reader"):
        faults.append(f"{place}: a rule of table reader has no predicate, every other has one")
    return faults


def _date_faults(row: dict[str, str]) -> list[str]:
    """What is wrong with the optional columns."""
    faults = []
    for name in ("valid_from", "valid_to"):
        try:
            date.fromisoformat(row.get(name) or "2000-01-01")
        except ValueError:
            faults.append(f"{name} is {row[name]!r}, must be a day as YYYY-MM-DD")
    if row.get("valid_by", "") not in ("", "batch", "pub_year"):
        faults.append(f"valid_by is {row['valid_by']!r}, must be batch or pub_year")
    if not re.fullmatch(r"\d*(\.\d+)?", row.get("weight", "")):
        faults.append(f"weight is {row['weight']!r}, must be a number of points")
    return faults


def _rule(row: dict[str, str]) -> Rule:
    given = {name: row.pop(name, "") for name in OPTIONAL}
    lists = [tuple(filter(None, row.pop(name).split("|"))) for name in ("formats", "kinds")]
    return Rule(
        formats=lists[0],
        kinds=lists[1],
        **row,
        weight=float(given["weight"] or SEVERITY_WEIGHT[row["severity"]]),
        valid_from=date.fromisoformat(given["valid_from"]) if given["valid_from"] else date.min,
        valid_to=date.fromisoformat(given["valid_to"]) if given["valid_to"] else date.max,
        valid_by=given["valid_by"] or "batch",
        published_as=given["published_as"],
    )


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
            header = list(reader.fieldnames or [])
            if header != COLUMNS + [name for name in OPTIONAL if name in header]:
                faults.append(
                    f"{path.name}, line 1: the columns must be {','.join(COLUMNS)}[,{','.join(OPTIONAL)}]"
                )
                continue
            for row in reader:
                found = _faults(f"{path.name}, line {reader.line_num}", row, {rule.code for rule in rules})
                faults += found
                if not found:
                    rules.append(_rule(row))
    union = {rule.code for rule in rules if rule.table == "union"}
    faults += [
        f"{rule.code}: published_as is {rule.published_as!r}, must be a rule of table union"
        for rule in rules
        if rule.published_as and rule.published_as not in union
    ]
    if faults:
        raise RuleError("rules that can't be used:\n" + "\n".join(faults))
    return tuple(rules)


def explain(code: str) -> Rule:
    """The rule of that code; for a code that no file explains, one that says only the code."""
    for rule in load():
        if rule.code == code:
            return rule
    advice = ("此规则尚无说明，请联系中心。", "This rule is not explained yet; ask the centre.")
    return Rule(code, code, code, *advice, "warn", (), (), "", "reader", "", "", SEVERITY_WEIGHT["warn"])
