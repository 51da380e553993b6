"""Golden records as MARC: the best member record carries the fields, the others enrich it, the union signs it.

- The *carrier* is the MARC record that gave the golden title, else the first in precedence.  A CNMARC record stays
  CNMARC, a MARC 21 record MARC 21: a conversion would lose what its format alone can say.  A bib without any
  MARC record is made from its columns (`schemas/union_made.csv`), as CNMARC if it is Chinese, else as MARC 21.
- What belongs to one library goes: 001, 003, 005, holdings and items (85X to 87X but 856, 89X, 9XX), and fields
  with $5.
- *Enriched* by fields of the other records in the same format (`schemas/union_enriched.csv`) that it lacks,
  compared folded in the subfields named there; columns marked `across` in `union_made.csv` that it lacks
  altogether come from the golden record, whatever format they were in.
- 001 is the bib id; 003 the union's code (MARC 21), or the record's persistent identifier (CNMARC and UNIMARC,
  where 003 is that); 005 the build that last changed the bib; leader 5 is n, c after a change, d for a deletion.
- 035 $a is each record's number as (member)number, 035 $z each former id of the bib.
- 776 or 452 name bibs of other carriers by their id.
- **920**, one for each member: $a its code, $c each call number, $f copies (items, else copies stated).  A member
  with very many call numbers has a second one.  Profile `union-920` reads it back.
- A deletion has 001, 003, 005 and **921**: $a the bib that replaced it (none if retired), $b merged or retired.
  To those who take one format, a bib that is written in the other now is retired.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from transforms import identifiers, keys
from transforms.overlong import is_holding

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
UNION = "CALIS-UNION"  # 003, and in parentheses before our numbers in 035 and 776
HOLDING, REPLACED = "920", "921"
CALL_NUMBERS = 60  # in one 920
LEADERS = {"marc21": "00000nam a2200000 i 4500", "cnmarc": "00000nam  2200000   450 "}
FIELDS = pa.schema(
    [
        ("record_no", pa.int64()),
        ("record_id", pa.string()),
        ("field_no", pa.int32()),
        ("tag", pa.string()),
        ("ind1", pa.string()),
        ("ind2", pa.string()),
        ("code", pa.string()),
        ("value", pa.string()),
        ("charset", pa.string()),  # null: fields of records in several may be together
    ]
)
Subfields = list[tuple[str | None, str]]


@dataclass
class Line:
    """One field: a control field has one value without a code."""

    tag: str
    ind: str
    subfields: Subfields

    @property
    def block(self) -> str:
        """What it is sorted by: the leader, control fields by tag, then by the tag's first digit."""
        return "" if self.tag == "LDR" else self.tag if self.tag < "010" else self.tag[0] + "~"


@dataclass
class Bib:
    """All that a golden record is written from; `lines` are fields by record, the carrier's first."""

    bib_id: str
    columns: dict[str, Any]
    format: str
    changed: str  # build id
    is_new: bool
    records: list[tuple[str, str]]  # member code and control number
    holdings: list[tuple[str, list[str], int | None]]  # member code, call numbers, copies
    former_ids: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    lines: list[list[Line]] = field(default_factory=list)


@lru_cache(maxsize=1)
def enriched() -> dict[tuple[str, str], str]:
    """(format, tag) of the fields that other records may add, and the subfields that are compared."""
    with (SCHEMAS / "union_enriched.csv").open(encoding="utf-8", newline="") as file:
        return {(row["format"], row["tag"]): row["codes"] for row in csv.DictReader(file)}


@lru_cache(maxsize=1)
def _made() -> dict[str, list[dict[str, str]]]:
    """By format, how columns become fields."""
    rows = defaultdict(list)
    with (SCHEMAS / "union_made.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[row["format"]].append(row)
    return {**rows, "unimarc": rows["cnmarc"]}


def rows(bibs: Iterable[Bib]) -> pa.Table:
    """The fields of golden records as `transforms.export.records` takes them."""
    return _table((bib.bib_id, _lines(bib)) for bib in bibs)


def deletions(gone: Iterable[dict[str, Any]], marc: str) -> pa.Table:
    """Deletion records in a format, of identifiers with status, living_bib_id and build_id."""
    return _table((row["bib_id"], _deletion(row, marc)) for row in gone)


def _table(records: Iterable[tuple[str, list[Line]]]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [] for name in FIELDS.names}
    for record_no, (record_id, lines) in enumerate(records):
        for field_no, line in enumerate(lines):
            for code, value in line.subfields:
                ind = line.ind or (None, None)
                made = (record_no, record_id, field_no, line.tag, ind[0], ind[1], code, value, None)
                for name, cell in zip(FIELDS.names, made, strict=True):
                    columns[name].append(cell)
    return pa.table(columns, schema=FIELDS)


def _lines(bib: Bib) -> list[Line]:
    carrier = [line for line in bib.lines[0] if _is_shared(line)] if bib.lines else _from_columns(bib)
    leader = next((line.subfields[0][1] for line in carrier if line.tag == "LDR"), LEADERS.get(bib.format, ""))
    leader = (leader or LEADERS["cnmarc"])[:24].ljust(24)
    body = [line for line in carrier if line.tag not in ("LDR", "001", "003", "005")]
    body += _additions(bib, body)
    body = [*_head(bib, leader), *body, *_numbers(bib, body), *_links(bib), *_members(bib)]
    return sorted(body, key=lambda line: line.block)


def _is_shared(line: Line) -> bool:
    """Whether a field describes the book, not a library's copy of it."""
    if line.tag == "LDR":
        return True
    return not is_holding(line.tag) and all(code != "5" for code, _ in line.subfields)


def _control(tag: str, value: str) -> Line:
    return Line(tag, "", [(None, value)])


def _time(build_id: str) -> str:
    """A build's time as 005 has it."""
    return f"{build_id[:8]}{build_id[9:15]}.0"


def _agency(bib_id: str, marc: str) -> str:
    return UNION if marc == "marc21" else f"urn:CALIS:UNION-Bib/{bib_id}"


def _head(bib: Bib, leader: str) -> list[Line]:
    status = "n" if bib.is_new else "c"
    values = {"001": bib.bib_id, "003": _agency(bib.bib_id, bib.format), "005": _time(bib.changed)}
    coding = leader[9] if bib.format == "marc21" else " "  # what others put there makes readers guess wrong
    head = [_control("LDR", leader[:5] + status + leader[6:9] + coding + leader[10:])]
    return head + [_control(tag, value) for tag, value in values.items()]


def _deletion(row: dict[str, Any], marc: str) -> list[Line]:
    leader = LEADERS[marc]
    values = {"001": row["bib_id"], "003": _agency(row["bib_id"], marc), "005": _time(row["build_id"])}
    into: Subfields = [("a", row["living_bib_id"])] if row["living_bib_id"] else []
    head = [_control("LDR", leader[:5] + "d" + leader[6:])]
    head += [_control(tag, value) for tag, value in values.items()]
    return [*head, Line(REPLACED, "  ", [*into, ("b", row["status"])])]


# --- what the other records add --------------------------------------------------------------------------


def _sameness(line: Line, marc: str) -> tuple[str, str]:
    """By what a field is known: its tag and the compared subfields, folded; book numbers as ISBN-13."""
    codes = enriched()[marc, line.tag]
    wanted = [
        value
        for code, value in line.subfields
        if code and (code in codes if codes else code.isalpha() and code not in "uw")
    ]
    text = " ".join(wanted[:1] if codes else wanted)
    if (marc == "marc21" and line.tag == "020") or (marc != "marc21" and line.tag == "010"):
        isbn = identifiers.isbn(pa.array([text], pa.string()))[0].as_py()
        return line.tag, isbn or text
    return line.tag, text if line.tag == "856" else keys.folded(pa.array([text]))[0].as_py() or ""


def _additions(bib: Bib, body: list[Line]) -> list[Line]:
    wanted = enriched()
    added: list[Line] = []
    others = [line for lines in bib.lines[1:] for line in lines if (bib.format, line.tag) in wanted]
    if others:
        have = {_sameness(line, bib.format) for line in body if (bib.format, line.tag) in wanted}
        for line in others:
            known = _sameness(line, bib.format)
            if known[1] and known not in have and _is_shared(line):
                have.add(known)
                added.append(line)
    tags = {line.tag for line in (*body, *added)}
    across = [row for row in _made()[bib.format] if row["across"] and row["tag"] not in tags]
    return added + _fields(bib.columns, across)


# --- fields from columns ---------------------------------------------------------------------------------


def _from_columns(bib: Bib) -> list[Line]:
    """A record from the golden columns alone."""
    year = str(bib.columns["pub_year"] or "    ")[:4].ljust(4)
    lang = (bib.columns["lang"] or "und")[:3].ljust(3)
    entered = bib.changed[:8]
    kind = "s" if year.strip() else "n"
    if bib.format == "marc21":
        coded = _control("008", f"{entered[2:]}{kind}{year}    xx {'|' * 17}{lang} d")
    else:
        date = "d" if year.strip() else "u"
        coded = Line("100", "  ", [("a", f"{entered}{date}{year}    em y0chiy50      ea")])
    return [coded, *_fields(bib.columns, _made()[bib.format])]


def _fields(columns: dict[str, Any], how: Iterable[dict[str, str]]) -> list[Line]:
    """Columns as fields: the values of a list are a field each, single ones of one tag stand together."""
    made: list[Line] = []
    single: dict[str, Line] = {}
    for row in how:
        value, tag = columns[row["column"]], row["tag"]
        for text in value if isinstance(value, list) else [value]:
            if text is None:
                continue
            source: Subfields = [("2", "clc")] if tag == "084" else []
            line = Line(tag, row["ind1"] + row["ind2"], [(row["code"], str(text)), *source])
            if isinstance(value, list) or tag not in single:
                made.append(line)
                single.setdefault(tag, line)
            else:
                single[tag].subfields += line.subfields
    return made


# --- what the union says ---------------------------------------------------------------------------------


def _numbers(bib: Bib, body: list[Line]) -> Iterator[Line]:
    have = {value for line in body if line.tag == "035" for code, value in line.subfields if code == "a"}
    for number in dict.fromkeys(f"({member}){number}" for member, number in bib.records):
        if number not in have:
            yield Line("035", "  ", [("a", number)])
    for former in bib.former_ids:
        yield Line("035", "  ", [("z", f"({UNION}){former}")])


def _links(bib: Bib) -> Iterator[Line]:
    for other in bib.linked:
        if bib.format == "marc21":
            yield Line("776", "0 ", [("w", f"({UNION}){other}")])
        else:
            yield Line("452", " 0", [("1", f"001{other}")])


def _members(bib: Bib) -> Iterator[Line]:
    for member, calls, copies in bib.holdings:
        stated: Subfields = [("f", str(copies))] if copies else []
        for start in range(0, max(len(calls), 1), CALL_NUMBERS):
            some: Subfields = [("c", call) for call in calls[start : start + CALL_NUMBERS]]
            yield Line(HOLDING, "  ", [("a", member), *some, *(stated if start == 0 else [])])
