"""Judgements as people hand them in: a CSV file, or one pair on the command line.

The review page writes such a file; so may any other program, or a person with a spreadsheet.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import ibis

from transforms import judgement
from transforms.judgement import MUST_JOIN, MUST_NOT_JOIN, Contradiction, Judgement, Record
from warehouse import engine, lake

ENDS = ("left_source_id", "left_record_id", "right_source_id", "right_record_id")
COLUMNS = (*ENDS, "verdict", "who", "when", "why")
_SLASHES = re.compile(r"(\d{4})/(\d\d?)/(\d\d?)")  # a date as a spreadsheet writes it
LEEWAY = timedelta(days=1)  # clocks differ; what is judged later than that would win over all that follows


class JudgementError(Exception):
    """A file or a name can't be taken as a judgement; says what to do."""


class Refused(NamedTuple):
    """A line that was not taken in."""

    line: int
    reason: str


class Taken(NamedTuple):
    """What came of taking judgements in."""

    new: list[Judgement]
    already: int
    unknown: list[Record]  # named by a new judgement, but not there now
    contradictions: list[Contradiction]
    refused: list[Refused]
    notes: list[str]


def record(text: str) -> Record:
    """`source_id:record_id` as a record; a record id may hold colons itself.

    Raises:
        JudgementError: there is no colon, or nothing on one side of it.
    """
    source_id, _, record_id = text.strip().partition(":")
    if not source_id or not record_id:
        raise JudgementError(f"{text!r} names no record; write SOURCE:RECORD, for example D11001-marc21:b1234567")
    return source_id, record_id


def moment(text: str) -> datetime:
    """A date or time in ISO 8601 as UTC; without a zone it is Beijing's.

    Raises:
        ValueError: it is no such time, or lies in the future.
    """
    text = _SLASHES.sub(lambda found: "{}-{:0>2}-{:0>2}".format(*found.groups()), text, count=1)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"when {text!r} is no time; write 2026-03-01 or 2026-03-01T09:30:00+08:00") from error
    try:
        at = (at if at.tzinfo else at.replace(tzinfo=timezone(lake.BEIJING))).astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError(f"when {text!r} is beyond the calendar; write the day of the decision") from error
    if at > lake.now() + LEEWAY:
        raise ValueError(f"when {text!r} lies in the future; write the day of the decision")
    return at


def _judgement(row: dict[str, str], recorded_at: datetime) -> Judgement:
    """One line as a judgement; a `ValueError` says what is wrong with it and what to do."""
    if empty := [name for name in COLUMNS if not row[name]]:
        raise ValueError(f"{', '.join(empty)} is empty; fill in every column")
    left, right = (row[ENDS[0]], row[ENDS[1]]), (row[ENDS[2]], row[ENDS[3]])
    if left == right:
        raise ValueError("left and right are the same record; name two")
    if row["verdict"] not in (MUST_JOIN, MUST_NOT_JOIN):
        raise ValueError(f"verdict {row['verdict']!r}; write {MUST_JOIN} or {MUST_NOT_JOIN}")
    return Judgement(
        judgement.pair(left, right), row["verdict"], row["who"], moment(row["when"]), row["why"], recorded_at
    )


def _text(path: Path) -> tuple[str, list[str]]:
    """The text of a file: UTF-8, else GB18030 as Chinese spreadsheets write, which is told."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("gb18030"), [f"{path.name} is not UTF-8; it was read as GB18030"]
    except UnicodeDecodeError as error:
        raise JudgementError(f"{path.name} is neither UTF-8 nor GB18030; save it as CSV in UTF-8") from error


def read(path: Path) -> tuple[list[Judgement], list[Refused], list[str]]:
    """The judgements of a CSV file, the lines that are none, and notes on the file.

    Raises:
        JudgementError: it is no CSV file with these columns.
    """
    text, notes = _text(path)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    recorded_at, found, refused = lake.now(), [], []
    verdicts: dict[tuple[judgement.Pair, datetime], str] = {}
    try:
        header = [name.strip() for name in next(lines, [])]
    except csv.Error as error:
        raise JudgementError(f"{path.name} is no CSV file ({error}); save it as CSV in UTF-8") from error
    if missing := [name for name in COLUMNS if name not in header]:
        raise JudgementError(
            f"{path.name}: no column {', '.join(missing)}; its first line must be {','.join(COLUMNS)}"
        )
    while True:
        begin = lines.line_num + 1
        try:
            cells = next(lines, None)
        except csv.Error as error:
            reason = (
                f"not CSV from here on ({error}); close the quotes and double those within; the rest is not read"
            )
            refused.append(Refused(begin, reason))
            break
        if cells is None:
            break
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            reason = f"{len(cells)} cells, not {len(header)}; put a text with a comma or a line break in quotes"
            refused.append(Refused(begin, reason))
            continue
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
        try:
            one = _judgement(row, recorded_at)
            if verdicts.setdefault((one.pair, one.judged_at), one.verdict) != one.verdict:
                raise ValueError(
                    "another line judges this pair otherwise at the same time; keep the one that counts"
                )
            found.append(one)
        except ValueError as error:
            refused.append(Refused(begin, str(error)))
    return found, refused, notes


def take(judgements: Sequence[Judgement], refused: Sequence[Refused] = (), notes: Sequence[str] = ()) -> Taken:
    """Take judgements into the store; contradictions and records unknown now are kept, and told."""
    new = judgement.add(judgements)
    named = {end for one in new for end in one.pair}
    unknown = sorted(named - present(named))
    everything = judgement.load()
    contradictions = judgement.resolve(everything).contradictions
    return Taken(new, len(judgements) - len(new), unknown, list(contradictions), list(refused), list(notes))


def take_file(path: Path) -> Taken:
    """Take a CSV file of judgements in; good lines are kept, bad ones refused."""
    return take(*read(path))


def take_pair(left: Record, right: Record, verdict: str, who: str, why: str) -> Taken:
    """Take one decision in, made now.

    Raises:
        JudgementError: it names one record twice, or leaves who or why empty.
    """
    values = (*left, *right, verdict, who.strip(), lake.now().replace(tzinfo=UTC).isoformat(), why.strip())
    try:
        return take([_judgement(dict(zip(COLUMNS, values, strict=True)), lake.now())])
    except ValueError as error:
        raise JudgementError(str(error)) from error


def present(records: Iterable[Record]) -> set[Record]:
    """Those of some records that are staged now."""
    named = set(records)
    if not named:
        return set()
    with engine.open_lake() as con:
        staged = ibis.duckdb.from_connection(con).table("record", database="staged")
        return judgement.among(staged.filter(~staged.deleted), named)
