"""Metrics of the current records by source and over all: how complete they are, and what they are good for.

Each is SQL over `staged.current_…`, and laid down as data:

    scores.csv      points of a record by metric, format and element
                    thompson-traill  Thompson and Traill, Code4Lib Journal 38, 2017 (e-books; also used for all)
                    shelf-ready      Booth, weights of elements that libraries asked for in records of books; the
                                     sum of points is given as a share of all that can be had
                    serial           Carlstone, Serials Review 43, 2017, for serials
                    coverage         1 where a record has a class number, a subject, a link to an authority
    user_tasks.csv  which fields serve which of the twelve tasks that QA catalogue counts: to find, identify,
                    select or obtain a resource, to restrict, manage, operate or interpret its use, to identify,
                    process, sort or display data (Delsey, Functional Analysis of the MARC 21 Bibliographic and
                    Holdings Formats; IFLA, Functional Requirements for Bibliographic Records; for UNIMARC
                    Arastoopoor and Fattahi, IJISM 11, 2013, who have the first four, the others by what the fields
                    of MARC 21 serve): of each task the share of its elements that a record has

What is said for MARC 21 was carried over to the fields of CNMARC and UNIMARC that hold the same.  In `points`,
`fields('020|022')` is how many fields of these tags there are, `fields('650', '0')` those with this second
indicator, `has('245$a')` whether there is one, `any('100$a|110$a')` 1 or 0, `share('245$a|245$b')` how much of
them is there, `first('008')` the first value, `values('042$a', 'pcc')` how many subfields have this value.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa

from quality.rules import FOLDER as RULES
from schemas.quality import QUALITY_COMPLETENESS, QUALITY_METRIC, QUALITY_RECORD_METRIC

FOLDER = Path(__file__).resolve().parent
FORMATS = ("marc21", "cnmarc", "unimarc")
# Delsey's twelve in three groups, by the names of user_tasks.csv: label in Chinese, in English
TASKS = {
    "find": ("发现：查找", "Discovery: find"),
    "identify": ("发现：识别", "Discovery: identify"),
    "select": ("发现：选择", "Discovery: select"),
    "obtain": ("发现：获取", "Discovery: obtain"),
    "restrict": ("使用：限制", "Use: restrict"),
    "manage": ("使用：管理", "Use: manage"),
    "operate": ("使用：操作", "Use: operate"),
    "interpret": ("使用：解读", "Use: interpret"),
    "data-identify": ("数据管理：标识", "Data management: identify"),
    "process": ("数据管理：处理", "Data management: process"),
    "sort": ("数据管理：排序", "Data management: sort"),
    "display": ("数据管理：显示", "Data management: display"),
}
RECORD_METRICS = {"thompson-traill": "thompson_traill", "shelf-ready": "shelf_ready", "serial": "serial"}
KINDS = {"shelf-ready": "book", "serial": "serial"}  # metrics of some records only
RECORDS = 500_000  # measured at once, whole sources
ALL = "*"  # in place of a source: all of them
_QUESTION = re.compile(r"\b(fields|fields_any|has|any|share|first|values)\('([^']*)'(?:, '([^']*)')?\)")
_WEIGHT = re.compile(r"^[0-9.]+(?= \* )")


@dataclass(frozen=True)
class Element:
    """One row of scores.csv for one format."""

    metric: str
    element: str
    label_zh: str
    label_en: str
    points: str


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@cache
def elements(format_: str) -> tuple[Element, ...]:
    """The elements of all scores in a format."""
    chosen = [row for row in _rows("scores.csv") if format_ in row.pop("formats").split("|")]
    return tuple(Element(**row) for row in chosen)


@cache
def user_tasks(format_: str) -> dict[tuple[str, str], frozenset[str]]:
    """By tag and code ('' for a control field) the tasks that it serves."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for row in _rows("user_tasks.csv"):
        if format_ in row["formats"].split("|"):
            for tag in row["tags"].split():
                for code in row["codes"].split() or [""]:
                    served = found.get((tag, code), frozenset())
                    found[tag, code] = served | frozenset(row["tasks"].split())
    return found


# --- questions: from points to columns of one aggregate -------------------------------------------------------


@dataclass
class _Asked:
    """The questions of a format: each is a number, and asks for rows of some tags."""

    numbers: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def number(self, how: str, what: str, more: str = "") -> int:
        return self.numbers.setdefault((how, what, more), len(self.numbers))

    def resolved(self, points: str) -> str:
        """The points over the columns that answer the questions."""
        return _QUESTION.sub(lambda found: self._column(*found.groups(default="")), points)

    def _column(self, how: str, what: str, more: str) -> str:
        if how == "has":
            return f"({self._is_there(what)} = 1)"
        if how in ("any", "fields_any"):
            return self._is_there(what)
        if how == "share":
            parts = [self._is_there(one) for one in what.split("|")]
            return f"(({' + '.join(parts)}) / {len(parts)})"
        return f"q{self.number(how, what, more)}"

    def _is_there(self, what: str) -> str:
        return f"get_bit(there, {self.number('has', what)})"

    def rows(self) -> Iterator[tuple[int, str, str, str | None, str | None]]:
        """(question, how, tag, code, indicator or value) of the fields that are asked for."""
        for (how, what, more), number in self.numbers.items():
            for one in what.split("|"):
                tags, _, code = one.partition("$")
                yield number, how, tags, code or None, more or None

    def columns(self) -> str:
        """The answers, as aggregates over rows with their question; whether something is there as one bit each."""
        aggregate = {"first": "min_by(value, standing)", "fields": "count(*)", "values": "count(*)"}
        counted = [
            f"{aggregate[how]} FILTER (question = {number}) AS q{number}"
            for (how, _, _), number in self.numbers.items()
            if how != "has"
        ]
        return ", ".join([f"bitstring_agg(question, 0, {len(self.numbers) - 1}) AS there", *counted])


def _spread(what: str) -> str:
    """`600|650$2` means `600$2|650$2`."""
    *tags, last = what.split("|")
    code = last.partition("$")[2]
    return "|".join([*(tag if "$" in tag or not code else f"{tag}${code}" for tag in tags), last])


def _points(format_: str) -> tuple[_Asked, list[str]]:
    asked = _Asked()
    spread = [
        _QUESTION.sub(lambda m: f"{m[1]}('{_spread(m[2])}'" + (f", '{m[3]}')" if m[3] else ")"), element.points)
        for element in elements(format_)
    ]
    return asked, [asked.resolved(points) for points in spread]


_ASKED_ROWS = """
SELECT r.rec, a.question, f.value, f.field_no * 1000 + f.subfield_no AS standing
FROM staged.field f JOIN measured r USING (source_id, batch_id, record_no) JOIN asked a ON a.tag = f.tag
WHERE r.format = '{format}' AND f.source_id IN (SELECT source_id FROM measured) AND CASE a.how
    WHEN 'fields' THEN f.subfield_no = 0 AND (a.more IS NULL OR f.ind2 = a.more)
    WHEN 'values' THEN f.code = a.code AND trim(f.value, ' .') = a.more
    ELSE a.code IS NULL OR f.code = a.code END
"""


def _scores(con: duckdb.DuckDBPyConnection, format_: str) -> None:
    """Insert the points of the measured records of a format, summed by source."""
    asked, points = _points(format_)
    con.execute("CREATE OR REPLACE TEMP TABLE asked (question INT, how TEXT, tag TEXT, code TEXT, more TEXT)")
    con.executemany("INSERT INTO asked VALUES (?, ?, ?, ?, ?)", list(asked.rows()))
    named = [f"coalesce({sql}, 0)::DOUBLE AS e{n}" for n, sql in enumerate(points)]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE pointed AS
        SELECT rec, source_id, kind, {", ".join(named)} FROM (
            SELECT rec, {asked.columns()} FROM ({_ASKED_ROWS.format(format=format_)}) GROUP BY rec
        ) JOIN measured USING (rec)""")
    totals: dict[str, str] = {}
    for metric in dict.fromkeys(element.metric for element in elements(format_)):
        mine = [(n, element) for n, element in enumerate(elements(format_)) if element.metric == metric]
        attainable = sum(float(found[0]) for _, e in mine if (found := _WEIGHT.match(e.points)))
        total = f"({' + '.join(f'e{n}' for n, _ in mine)}) / {attainable or 1}"
        sums = [f"sum(e{n})" for n, _ in mine] + ([] if metric == "coverage" else [f"sum({total})"])
        names = [element.element for _, element in mine] + ([] if metric == "coverage" else [""])
        kind = f"WHERE kind = '{KINDS[metric]}'" if metric in KINDS else ""
        if metric == "coverage":
            totals |= {e.element.replace("-", "_"): f"e{n} > 0" for n, e in mine}
        else:
            totals[RECORD_METRICS[metric]] = f"CASE WHEN {kind.removeprefix('WHERE ') or 'true'} THEN {total} END"
        con.execute(f"""
            INSERT INTO summed SELECT source_id, '{format_}', '{metric}', unnest({names}), count, unnest(sums)
            FROM (SELECT source_id, count(*) AS count, [{", ".join(sums)}] AS sums FROM pointed {kind}
                  GROUP BY source_id)""")
    each = ", ".join(f"{sql} AS {name}" for name, sql in totals.items())
    con.execute(f"""
        INSERT INTO record_metric BY NAME SELECT measured.* EXCLUDE (rec, kind), pointed.* EXCLUDE (rec)
        FROM (SELECT rec, {each} FROM pointed) AS pointed JOIN measured USING (rec)""")


def _tasks(con: duckdb.DuckDBPyConnection, format_: str) -> None:
    """Insert how much of each user task the measured records of a format serve, summed by source."""
    served = user_tasks(format_)
    con.execute("CREATE OR REPLACE TEMP TABLE serving (place INT, tag TEXT, code TEXT)")
    con.executemany("INSERT INTO serving VALUES (?, ?, ?)", [(n, *key) for n, key in enumerate(served)])
    masks = {task: "".join("01"[task in tasks] for tasks in served.values()) for task in TASKS}
    shares = [f"avg(bit_count(has & '{mask}'::BIT) / {mask.count('1')})" for mask in masks.values()]
    con.execute(f"""
        INSERT INTO summed SELECT source_id, '{format_}', 'user-tasks', unnest({list(masks)}), count,
            unnest(shares) * count
        FROM (SELECT source_id, count(*) AS count, [{", ".join(shares)}] AS shares FROM (
            SELECT rec, bitstring_agg(place, 0, {len(served) - 1}) AS has
            FROM present JOIN serving s ON s.tag = present.tag AND s.code = coalesce(present.code, '')
            GROUP BY rec) JOIN measured USING (rec) WHERE format = '{format_}' GROUP BY source_id)""")


def _completeness(con: duckdb.DuckDBPyConnection) -> None:
    """Insert in how many measured records a field or subfield stands, and how often; keeps what is in which."""
    con.execute("""
        CREATE OR REPLACE TEMP TABLE present AS
        SELECT rec, tag, code, count(*)::INT AS times, count(*) FILTER (subfield_no = 0)::INT AS fields
        FROM staged.field f JOIN measured USING (source_id, batch_id, record_no)
        WHERE f.source_id IN (SELECT source_id FROM measured) GROUP BY rec, tag, code""")
    con.execute("""
        INSERT INTO complete
        SELECT source_id, format, tag, code, count(*), sum(times)
        FROM present JOIN measured USING (rec) WHERE code IS NOT NULL GROUP BY ALL
        UNION ALL
        SELECT source_id, format, tag, NULL, count(*), sum(fields)
        FROM (SELECT rec, tag, sum(fields) AS fields FROM present GROUP BY rec, tag) JOIN measured USING (rec)
        GROUP BY ALL""")


def _groups(con: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """Sources that are measured together."""
    group: list[str] = []
    records = 0
    counts = con.execute("SELECT source_id, count(*) FROM staged.record WHERE NOT deleted GROUP BY ALL ORDER BY 1")
    for source_id, count in counts.fetchall():
        if group and records + count > RECORDS:
            yield group
            group, records = [], 0
        group.append(source_id)
        records += count
    if group:
        yield group


_UNION_OF = """
SELECT source_id, format, metric, element, records, total / records AS value FROM summed
UNION ALL
SELECT '*', format, metric, element, sum(records), sum(total) / sum(records) FROM summed GROUP BY ALL
"""
# a record is unique where no other member has one in its bib, copied where another library catalogued it first
_SHARED = """
INSERT INTO summed
SELECT source_id, format, 'sharing', unnest(['unique', 'copied']), count, unnest([alone, copied]) FROM (
    SELECT source_id, format, count(*) AS count, count(*) FILTER (members = 1) AS alone,
        count(*) FILTER (agency_chain[1] <> agency_chain[-1]) AS copied
    FROM staged.current_bib JOIN catalog.bib_record USING (source_id, record_id)
    JOIN (SELECT bib_id, members FROM catalog.bib) USING (bib_id) GROUP BY ALL)
"""
_COMPLETE = """
WITH held AS (SELECT source_id, format, count(*) AS of_records FROM {formats} GROUP BY ALL),
everything AS (
    SELECT * FROM complete UNION ALL
    SELECT '*', format, tag, code, sum(records), sum(occurrences) FROM complete GROUP BY ALL
),
of_all AS (SELECT * FROM held UNION ALL SELECT '*', format, sum(of_records) FROM held GROUP BY ALL)
SELECT everything.*, of_records FROM everything JOIN of_all USING (source_id, format)
ORDER BY source_id, format, tag, code NULLS FIRST
"""


def measure(con: duckdb.DuckDBPyConnection) -> dict[str, pa.Table]:
    """All metrics of what is current.

    Args:
        con: from `engine.open_lake`, not yet in another database.

    Returns:
        `quality.metric` and `quality.completeness`, by these names; '*' stands for all sources.  The points of
        each record are left in the temporary table `record_metric`, a row of `quality.record_metric` each.
    """
    con.register("empty_record_metric", QUALITY_RECORD_METRIC.empty())
    con.execute("CREATE OR REPLACE TEMP TABLE record_metric AS FROM empty_record_metric")
    con.unregister("empty_record_metric")
    con.execute((RULES / "macros.sql").read_text("utf-8").replace("CREATE MACRO", "CREATE OR REPLACE MACRO"))
    con.execute("""
        CREATE OR REPLACE TEMP TABLE summed
            (source_id TEXT, format TEXT, metric TEXT, element TEXT, records BIGINT, total DOUBLE);
        CREATE OR REPLACE TEMP TABLE complete
            (source_id TEXT, format TEXT, tag TEXT, code TEXT, records BIGINT, occurrences BIGINT)""")
    for group in _groups(con):
        con.execute(
            """CREATE OR REPLACE TEMP TABLE measured AS
            SELECT (row_number() OVER ())::INT AS rec, source_id, record_id, batch_id, record_no, format, kind
            FROM staged.current_bib WHERE source_id IN (SELECT unnest(?))""",
            [group],
        )
        _completeness(con)
        present = [row[0] for row in con.execute("SELECT DISTINCT format FROM measured").fetchall()]
        for format_ in sorted(set(present).intersection(FORMATS)):
            _scores(con, format_)
            _tasks(con, format_)
    con.execute(_SHARED)
    complete = con.execute(_COMPLETE.format(formats="staged.current_bib")).to_arrow_table()
    labels = pa.Table.from_pylist(list(_labels()), schema=pa.schema([(n, pa.string()) for n in _LABEL]))
    con.register("labels", labels)
    metric = con.execute(
        f"""SELECT m.*, label_zh, label_en FROM ({_UNION_OF}) m LEFT JOIN labels USING (format, metric, element)
        ORDER BY source_id, format, metric, element"""
    ).to_arrow_table()
    for name in ("summed", "complete", "measured", "present", "asked", "serving", "pointed"):
        con.execute(f"DROP TABLE IF EXISTS temp.{name}")
    return {
        QUALITY_METRIC.full_name: metric.select(QUALITY_METRIC.schema.names).cast(QUALITY_METRIC.schema),
        QUALITY_COMPLETENESS.full_name: complete.select(QUALITY_COMPLETENESS.schema.names).cast(
            QUALITY_COMPLETENESS.schema
        ),
    }


_LABEL = ("format", "metric", "element", "label_zh", "label_en")
_TOTAL = ("总分", "Total")


def _labels() -> Iterator[dict[str, str]]:
    """The names of all elements."""
    for format_ in FORMATS:
        rows = [(e.metric, e.element, e.label_zh, e.label_en) for e in elements(format_)]
        rows += [(metric, "", *_TOTAL) for metric in dict.fromkeys(row[0] for row in rows) if metric != "coverage"]
        rows += [("user-tasks", task, *label) for task, label in TASKS.items()]
        for metric, element, chinese, english in rows:
            yield dict(zip(_LABEL, (format_, metric, element, chinese, english), strict=True))
    for format_ in (*FORMATS, "oai_dc", "qdc", "mods", "dim", "xoai", "oai_doaj"):
        for element, chinese, english in (
            ("unique", "独有记录", "Records that no other member has"),
            ("copied", "套录记录", "Records catalogued first by another library"),
        ):
            yield dict(zip(_LABEL, (format_, "sharing", element, chinese, english), strict=True))
