"""The door of usage files: what may be kept of them leaves it, nothing else of them is ever written.

Only columns that a profile knows are kept (`schemas/usage_profiles.csv`).  Readers become pseudonyms here; a cell
with a telephone number, an identity number or an e-mail address is emptied and its row set aside; names of
files and sheets stay only where they can't be somebody's.  So the raw layer keeps, of usage, not the bytes
received but their digest and the cells that remain, as an Arrow stream of text.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from harvesters import counter, iso18626, markup_tables, personal, tabular
from harvesters.clean_cells import searched
from harvesters.compressed import UnreadableError, members, open_content, open_disk
from harvesters.landing import HarvestError, Landing
from harvesters.pseudonyms import Pseudonyms
from harvesters.registry import Source
from harvesters.sheet import HEAD, TOTALS, Sheet
from schemas import usage_profiles
from schemas.usage_profiles import READER, Line

TABULAR = ("loans", "items", "population", "ill", "ppv", "ebook_loans", "kbart", "rental", "costs")
KINDS = frozenset({*TABULAR, "counter"})
SUFFIX = ".arrows"  # of what is landed: an Arrow IPC stream
_MARK = b"calis"  # key of what a stream says of itself
_NAMED = 3  # sheets of a file that are left out, at most; more are only counted
_ONE_LINE = "returned_at"  # of a loan whose return stands in the same row: two events in one
# As versions did before SUSHI answers came through the door.
_AS_IT_CAME = (
    "landed as it came, not searched for personal data, so it is not staged: harvest the source again with --full "
    "(begin=2024-01 in quirks asks for months more than a year back), then remove the folders of this batch in "
    "raw/ and staged/"
)


@dataclass
class Clean:
    """One table of a usage file as it may be kept.

    `tables` have the columns `row` (number in the file), `fault` (why the row can't be used, null where it can)
    and our columns as text; `reader_key` is a number.  `conversions` says how each is to be read.
    """

    kind: str
    sheet: str
    profile: str
    conversions: dict[str, str]
    tables: Iterator[pa.Table]
    notes: list[str] = field(default_factory=list)
    role: str = ""  # of requests: borrow or lend, where name or header of the file says so

    @property
    def columns(self) -> list[str]:
        """The names of our columns, readers as `reader_key`."""
        return ["reader_key" if how == READER else name for name, how in self.conversions.items()]

    @property
    def schema(self) -> pa.Schema:
        """The schema of the tables, with what they are."""
        types = [("row", pa.int32()), ("fault", pa.string())]
        types += [(name, pa.int64() if name == "reader_key" else pa.string()) for name in self.columns]
        told = {"kind": self.kind, "profile": self.profile, "conversions": self.conversions, "role": self.role}
        return pa.schema(types, {_MARK: json.dumps(told, ensure_ascii=False).encode()})

    def told(self) -> list[str]:
        """The notes, with the sheet where there are several."""
        return [f"{self.sheet}: {note}" if self.sheet else note for note in self.notes]


def read(source: Source, content: bytes, what: str) -> list[Clean]:
    """What may be kept of a file, table by table.

    Raises:
        UnreadableError: it is no such file, or has no header that a profile knows; shows nothing of its content.
        HarvestError: the member's secret can't be used.
    """
    if source.format == "counter":
        return [_document("counter", counter.CONVERSIONS, table) for table in counter.read(content, what)]
    if source.format == "ill" and markup_tables.form_of(content) == markup_tables.OTHER:
        return [_document("iso18626", iso18626.CONVERSIONS, iso18626.read(content, what))]
    return _tables(source, content, what)


def _document(kind: str, conversions: dict[str, str], table: pa.Table) -> Clean:
    """A table that was read from named elements of a document."""
    clean = Clean(kind, "", "", conversions, iter(()))
    columns, fault = searched(table, conversions)
    clean.tables = iter([_conformed(clean, pa.table({**columns, "row": table["row"], "fault": fault}))])
    if "partial" in columns and columns["partial"].null_count < len(table):
        clean.notes.append(f"the provider says that it is only a part (exception {counter.PARTIAL}): figures lack")
    return clean


def _tables(source: Source, content: bytes, what: str) -> list[Clean]:
    kind, quirks = source.format, source.quirks
    given = [name.strip() for name in quirks.get("columns", "").split(",") if name.strip()]

    def placed(row: list[str]) -> tuple[str, dict[int, Line]] | None:
        return usage_profiles.fit(kind, row, quirks.get("profile", ""))

    sheets = tabular.sheets(content, what, lambda row: bool(given) or placed(row) is not None, source.encoding)
    found, strange = [], []
    for number, sheet in enumerate(sheets, 1):
        name = f"sheet {number}" if len(sheets) > 1 else ""
        at = next(((n, fits) for n, row in enumerate(sheet.head, 1) if (fits := placed(row))), None)
        if given and not at:
            lines = {line.column: line for line in usage_profiles.profiles(kind)[usage_profiles.GENERAL]}
            at = 0, ("columns", {x: lines[column] for x, column in enumerate(given) if column in lines})
        if at:
            found.append(_cleaned(source, sheet, name, at[0], *at[1]))
        else:
            strange.append(name or "the file")
    if not found:
        needed = [line.headers[0] for line in usage_profiles.profiles(kind)[usage_profiles.GENERAL] if line.needed]
        raise UnreadableError(
            f"{what}: no row of the first {HEAD} is a header that a profile of {kind} knows (needed: "
            f"{', '.join(needed) or 'two known columns'}); send it with a header, add its names to "
            "usage_profiles.csv, or write columns=… into the quirks of the source; nothing of it was kept"
        )
    if len(found) == 1:
        found[0].sheet = ""  # no need to tell it from others
    if len(strange) > _NAMED:
        found[0].notes.append(f"{len(strange)} sheets have no header that is known and were left out")
    else:
        found[0].notes += [f"{one} has no header that is known and was left out" for one in strange]
    return found


def _cleaned(source: Source, sheet: Sheet, name: str, after: int, profile: str, placed: dict[int, Line]) -> Clean:
    header = sheet.head[after - 1] if after else []
    conversions = {line.column: line.conversion for _, line in sorted(placed.items())}
    clean = Clean(source.format, name, profile, conversions, iter(()))
    dropped = [x for x in range(len(header)) if x not in placed]
    if dropped:
        kinds = sorted({sort for x in dropped if (sort := personal.sort_of(header[x]))})
        told = f"; personal data among them: {', '.join(kinds)}" if kinds else ""
        clean.notes.append(f"{len(dropped)} of {len(header)} columns are not known and were not kept{told}")
    if "partner" in conversions and header:
        partner = next(x for x, line in placed.items() if line.column == "partner")
        clean.role = usage_profiles.ASKED.get(usage_profiles.folded(header[partner]), "")
    width = max(len(header), max(placed) + 1)
    readers = Pseudonyms(source.member_code) if READER in conversions.values() else None
    clean.tables = _rows(clean, sheet, after, width, header, dict(sorted(placed.items())), readers)
    return clean


def _side(name: str) -> str:
    """Which side of interlibrary loan a file is of by its name; empty where that says neither or both."""
    sides = {side for word, side in usage_profiles.SIDES.items() if word in name.casefold()}
    return sides.pop() if len(sides) == 1 else ""


def _rows(
    clean: Clean,
    sheet: Sheet,
    after: int,
    width: int,
    header: list[str],
    placed: dict[int, Line],
    readers: Pseudonyms | None,
) -> Iterator[pa.Table]:
    seen = records = 0
    for table in sheet.counted_rows(after, width):
        wanted = _is_record(table, header, placed)
        kept = table if pc.all(wanted).as_py() else table.filter(wanted)
        seen += len(table)
        records += len(kept)
        if len(kept):
            yield _kept(clean, kept, placed, readers)
    if seen > records:
        clean.notes.append(
            f"{seen - records} rows are blank, totals, headers again or lines across the table, and no records"
        )
    if sheet.faults:
        rows = sorted(sheet.faults.items())
        table = pa.table({"row": pa.array([n for n, _ in rows], pa.int32()), "fault": [why for _, why in rows]})
        yield _conformed(clean, table)


def _is_record(table: pa.Table, header: list[str], placed: dict[int, Line]) -> pa.ChunkedArray:
    """Which rows are records: not blank, no header again, no total in one of the first two cells."""
    blank: Any = pa.scalar(True)
    for x in sorted(placed, key=lambda x: table[f"c{x}"].null_count):
        blank = pc.and_(blank, pc.is_null(table[f"c{x}"]))
        if not pc.any(blank).as_py():
            break
    first = next(iter(placed))
    again: Any = pc.fill_null(pc.equal(table[f"c{first}"], header[first]), False) if header else pa.scalar(False)
    required = [x for x, line in placed.items() if line.filled]
    totals: Any = pa.scalar(not required)
    for x in required:
        totals = pc.or_(totals, pc.is_null(table[f"c{x}"]))
    if pc.any(totals).as_py():  # looked for only where a record would lack something
        totals = pc.and_(totals, _tells_totals(table))
    nothing = pa.chunked_array([pa.repeat(False, len(table))])
    return pc.invert(pc.or_(nothing, pc.or_(pc.or_(blank, again), totals)))


def _tells_totals(table: pa.Table) -> Any:
    """Which rows call themselves a total in one of their first two cells."""
    totals: Any = pa.scalar(False)
    for x in range(min(2, table.num_columns - 1)):
        cells = pc.utf8_lower(pc.replace_substring_regex(table[f"c{x}"], r"[\s:：]+", ""))
        totals = pc.or_(totals, pc.is_in(cells, pa.array(TOTALS)))
    return totals


def _kept(clean: Clean, table: pa.Table, placed: dict[int, Line], readers: Pseudonyms | None) -> pa.Table:
    named = pa.table({line.column: table[f"c{x}"] for x, line in placed.items() if line.conversion != READER})
    columns, fault = searched(named, clean.conversions)
    for x, line in placed.items():
        if line.conversion == READER and readers:
            coded = table[f"c{x}"].combine_chunks().dictionary_encode()
            keys = pa.array(readers.of(text or "" for text in coded.dictionary.to_pylist()), pa.int64())
            columns["reader_key"] = keys.take(coded.indices)
    return _conformed(clean, pa.table({**columns, "row": table["row"], "fault": fault}))


def _conformed(clean: Clean, table: pa.Table) -> pa.Table:
    schema = clean.schema.remove_metadata()
    arrays = [
        table[f.name].cast(f.type) if f.name in table.column_names else pa.nulls(len(table), f.type)
        for f in schema
    ]
    return pa.table(arrays, schema=schema)


def events(table: pa.Table) -> int:
    """How many events the rows of a clean table tell of: a loan with its return in one row is two."""
    if _ONE_LINE not in table.column_names or "event_type" in table.column_names:
        return len(table)
    returned = table[_ONE_LINE]
    return len(table) + len(returned) - returned.null_count


# --- landing ---------------------------------------------------------------------------------------------


def name_in_lake(source: Source, name: str, digest: str) -> str:
    """The name of a file as the lake, logs and messages may show it (`personal.safe_name`)."""
    return personal.safe_name(name, digest, frozenset(personal.words(f"{source.source_id} {source.member_code}")))


def contents(path: Path, what: str, limit: int) -> list[tuple[str, Callable[[], BinaryIO]]]:
    """Name and opener of the content of a file, or of each file of an archive; a workbook is no archive.

    Raises:
        UnreadableError: the archive is broken; or, while reading, the content opens to more than `limit` bytes.
    """
    opener = partial(open_disk, path)
    names = members(opener, what)
    if "[Content_Types].xml" in names or "META-INF/manifest.xml" in names:
        return [(path.name, opener)]
    return [(name or path.name, partial(open_content, opener, name, what, limit)) for name in names]


@contextmanager
def whole(landed: Landing) -> Iterator[None]:
    """Within it all tables of a file land, or none.

    Raises:
        UnreadableError: anything unforeseen, without the libraries' messages, which may quote the file.
    """
    there = {row["file"] for row in landed.rows}
    try:
        yield
    except Exception as error:
        landed.drop(*(row["file"] for row in list(landed.rows) if row["file"] not in there))
        if isinstance(error, UnreadableError | HarvestError | OSError):
            raise
        raise UnreadableError(f"can't be read ({type(error).__name__}); export it again") from None


def land(
    source: Source, landed: Landing, name: str, content: bytes, size: int, digest: str, request: str = ""
) -> list[str]:
    """Land what may be kept of a file, a raw file for each of its tables; returns what is to be said of it.

    Args:
        source: the source.
        landed: the batch.
        name: the file as it is called.
        content: its content, without compression.
        size, digest: of the bytes as received, for the manifest.
        request: how it was asked for, where that is not its name.

    Raises:
        UnreadableError: as for `read`.
    """
    shown, told = name_in_lake(source, name, digest), []
    cleans = read(source, content, shown)
    for clean in cleans:
        clean.role = clean.role or _side(name)
    del content
    for number, clean in enumerate(cleans, 1):
        file = f"{shown}-{number}" if len(cleans) > 1 else shown
        taken = {row["file"] for row in landed.rows}
        again = next(n for n in count(1) if (f"{file}~{n}" if n > 1 else file) + SUFFIX not in taken)
        file = (f"{file}~{again}" if again > 1 else file) + SUFFIX
        asked = ", ".join(part for part in (request or shown, clean.sheet) if part)
        landed.write(file, asked, (size, digest), _writer(clean))
        told += [f"{shown}: {note}" for note in clean.told()]
    return told


def _writer(clean: Clean) -> Callable[[BinaryIO], int]:
    def write(stream: BinaryIO) -> int:
        received = 0
        with pa.ipc.new_stream(stream, clean.schema) as sink:
            for table in clean.tables:
                received += events(table)
                sink.write_table(table)
        return received

    return write


def opened(stream: BinaryIO) -> Clean:
    """The table of a landed file, as the door left it.

    Raises:
        UnreadableError: it did not come through the door.
    """
    try:
        reader = pa.ipc.open_stream(stream)
    except pa.ArrowInvalid:
        raise UnreadableError(_AS_IT_CAME) from None
    told = json.loads(reader.schema.metadata[_MARK])
    tables = (pa.Table.from_batches([batch]) for batch in reader)
    return Clean(told["kind"], "", told["profile"], told["conversions"], tables, [], told["role"])
