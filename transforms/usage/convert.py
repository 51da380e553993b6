"""Text cells as values, by the conversion that a profile names; a cell that can't be read makes its row at fault.

Times, dates and numbers are macros of `convert.sql`, on all cells at once.  The rest looks at each different value
once: `code:<map>` (`usage_codes.csv`), `flag`, `isbn`, `isxn` (an ISSN or an ISBN), `doi`, `member`, `id`, `text`.
A time without an offset is by the library's clock: UTC+8, or the zone in the source's quirk `timezone`.
"""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from harvesters.faults import CUT
from schemas.usage_profiles import CLOCK, codes, folded
from transforms import identifiers
from transforms.usage import clock

ZONE = "Asia/Shanghai"
_SCIENTIFIC = re.compile(r"(\d)(?:[.,](\d+))?[eE]\+?(\d{1,2})")
_MACROS = Path(__file__).with_suffix(".sql").read_text("utf-8")
_SQL = {  # conversion: macro over the cell, and what it should have been
    "time": ("instant({0}, '{1}')", "no time"),
    "date": ("as_date({0})", "no date"),
    "month": ("as_month({0})", "no month"),
    "partial_date": ("as_partial_date({0})", "no date"),
    "count": ("as_count({0})", "no count"),
    "number": ("as_number({0})", "no number"),
    "money": ("as_cents({0})", "no amount"),
    "calendar_year": ("as_calendar_year({0})", "no year"),
    "year": ("as_year({0})", ""),  # many write more than a year there: what has none is none
}
_TYPES = {
    "time": "TIMESTAMP", "date": "DATE", "month": "DATE", "partial_date": "DATE", "count": "BIGINT",
    "number": "DOUBLE", "money": "BIGINT", "year": "INTEGER", "calendar_year": "INTEGER", "flag": "BOOLEAN",
    "reader": "BIGINT",
}  # fmt: skip
_UNTOLD = {"returned_given": "false", "isbn_mended": "false"}
_UNTOLD |= dict.fromkeys(("isbn_bad", "issn_bad"), "CAST(NULL AS VARCHAR)")
_NEEDLESS = (
    "standard_number",
    "isxn",
    "doi",
    "text",
    "member",
    "year",
)  # a value that can't be read is no fault of the row
_ODD = "{} is no time, as its hour does not go with its word for the part of the day (its form: {})"


def connect(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the macros, and what the status of a request means for its outcome."""
    con.execute(_MACROS)
    outcomes = ", ".join(f"'{status}': '{end}'" for status, end in codes("ill_outcome").items())
    con.execute(f"SET VARIABLE ill_outcome = MAP {{{outcomes}}}")


@contextmanager
def converted(
    con: duckdb.DuckDBPyConnection, table: pa.Table, conversions: dict[str, str], known: dict[str, str], zone: str
) -> Iterator[None]:
    """Within it, the view `cells` has the values of text: `row`, `fault`, and every column of the kind.

    Of ISBN and ISSN there is too what was given and fails its check (`isbn_bad`, `issn_bad`), and `isbn_mended`:
    whether the check digit was worked out.

    Args:
        con: with the macros.
        table: `row`, `fault`, `reader_key` and text columns.
        conversions: how each text column is read.
        known: the conversions of all columns that a file of the kind may have; what the table lacks is null.
        zone: of the clock by which times without an offset are.
    """
    given = {name: table[name].combine_chunks() for name in table.column_names}
    shown, faults = {"row": "t.row"} | _UNTOLD, ["t.fault"]
    for name, conversion in conversions.items():
        if name in given:
            _add(name, conversion, given, shown, faults, zone)
    if "reader_key" in given:
        shown["reader_key"] = "t.reader_key"
    for name, conversion in ({"tenant": "member", "withdrawn": "flag"} | known).items():
        for other in _made_of(name, conversion):
            shown.setdefault(other, f"CAST(NULL AS {_TYPES.get(conversion.partition(':')[0], 'VARCHAR')})")
    selected = ", ".join(f'{expression} AS "{name}"' for name, expression in shown.items())
    con.register("text_cells", pa.table(given))
    fault = f"nullif(concat_ws('; ', {', '.join(faults)}), '')" if len(faults) > 1 else "t.fault"
    con.execute(f"CREATE OR REPLACE TEMP VIEW cells AS SELECT {selected}, {fault} AS fault FROM text_cells AS t")
    yield
    con.unregister("text_cells")


def _made_of(name: str, conversion: str) -> list[str]:
    """The columns that come of one."""
    if conversion == "standard_number":
        return [name, f"{name}_isbn", f"{name}_issn"]
    if conversion == "isxn":
        return [name, "isbn"]
    if name == "reader_type":
        return [name, "reader_group"]
    return ["reader_key" if conversion == "reader" else name]


def _add(
    name: str, conversion: str, given: dict[str, pa.Array], shown: dict[str, str], faults: list[str], zone: str
) -> None:
    """Add what comes of one column: its values, and what is wrong with a row where they can't be read."""
    kind, _, argument = conversion.partition(":")
    cell, cells = f't."{name}"', given[name]
    if name == "returned_at":
        shown["returned_given"] = f"{cell} IS NOT NULL"
    times = _plain_times(cells) if kind in CLOCK and not argument else None
    read, odd = cell, None  # what is read as a time; which cells name none, or two
    if kind in CLOCK and not argument and times is None:
        given[f"{name} read="], odd = clock.by_24_hours(cells)
        read = f't."{name} read="'
    sure = False  # that each cell has its value
    if kind == "time" and times is not None and zone == ZONE:
        given[f"{name}="], sure = times, True
        shown[name], what = f'(t."{name}=" - INTERVAL 8 HOUR)', ""
    elif kind in _SQL:
        shown[name], what = _of(kind, argument, read, zone)
    else:
        given[f"{name}="] = _looked_up(cells, kind, argument)
        shown[name], what = f't."{name}="', _meant(kind)
        sure = given[f"{name}="].null_count == cells.null_count
    _add_doubts(name, kind, cells, given, shown)
    if kind == "isxn":
        shown.setdefault("isbn", 't."isbn of issn="')
    if kind == "standard_number":
        for part, function in (("isbn", identifiers.isbn), ("issn", identifiers.issn)):
            given[f"{name}_{part}="] = function(cells)
            shown[f"{name}_{part}"] = f't."{name}_{part}="'
    if name == "reader_type":
        groups = codes("reader_group")
        given["reader_group="] = _of_each(cells, lambda text: groups.get(folded(text), "other"))
        shown["reader_group"] = 't."reader_group="'
    if kind not in _NEEDLESS and not sure:
        told = _told(CUT.words if kind in ("id", "isbn") else f"{{}} is {what} (its form: {{}})", name)
        if odd is not None:
            given[f"{name} odd="] = odd
            told = f'CASE WHEN t."{name} odd=" THEN {_told(_ODD, name)} ELSE {told} END'
        faults.append(f"CASE WHEN {cell} IS NOT NULL AND {shown[name]} IS NULL THEN {told} END")


def _told(words: str, name: str) -> str:
    """The expression that says of a cell what is wrong, and shows its form."""
    before, after = words.format(name, "\0").split("\0")
    return f"""'{before}' || shape(t."{name}") || '{after}'"""


def _add_doubts(name: str, kind: str, cells: pa.Array, given: dict[str, pa.Array], shown: dict[str, str]) -> None:
    """Add what is to be told of identifiers: those that fail their check, and an ISBN that was mended."""
    cell, found = f't."{name}"', shown[name]
    if kind == "isbn":
        given["isbn mended="] = _of_each(cells, _is_cut, pa.bool_())
        shown["isbn_mended"] = f"coalesce(t.\"isbn mended=\" AND {found} <> '', false)"
        shown["isbn_bad"] = f"CASE WHEN {found} = '' AND regexp_matches({cell}, '[0-9]') THEN {cell} END"
    elif kind == "isxn":
        isbn = given["isbn of issn="] = _among(cells, identifiers.isbn)
        lost = pc.and_(
            pc.and_(pc.is_null(given[f"{name}="]), pc.is_null(isbn)), pc.match_substring_regex(cells, r"\p{Nd}")
        )
        given["issn bad="] = pc.if_else(lost, cells, pa.scalar(None, pa.string()))  # others say nothing, as N/A
        shown["issn_bad"] = 't."issn bad="'


def _plain_times(cells: pa.Array) -> pa.Array | None:
    """Cells as times of the clock on the wall, where all are whole, plausible and in ISO 8601 without an offset.

    What `wall_time` makes of them, by Arrow in a twentieth of the time; None leaves it to that.
    """
    sizes = pc.unique(pc.binary_length(cells)).to_pylist()
    if not {size for size in sizes if size is not None} <= {10, 16, 19}:
        return None
    try:
        times = cells.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    bounds = pc.min_max(pc.year(times)).as_py()
    return times if bounds["min"] is None or (bounds["min"] > 1980 and bounds["max"] < 2099) else None


def _of(kind: str, argument: str, cell: str, zone: str) -> tuple[str, str]:
    if kind == "time" and argument:
        return f"instant_as({cell}, '{zone}', '{argument.replace(chr(39), '')}')", "no time"
    expression, what = _SQL[kind]
    return expression.format(cell, zone), what


def _meant(kind: str) -> str:
    return {"code": "no value that usage_codes.csv knows", "flag": "neither yes nor no"}.get(kind, kind)


# --- values looked at one by one -------------------------------------------------------------------------


def _looked_up(cells: pa.Array, kind: str, argument: str) -> pa.Array:
    if kind == "code":
        known = codes(argument)
        return _of_each(cells, lambda text: known.get(folded(text)))
    if kind == "flag":
        known = codes("flag")
        truth = {"true": True, "false": False}
        return _of_each(cells, lambda text: truth.get(known.get(folded(text), "")), pa.bool_())
    if kind == "isbn":
        return _isbns(cells)
    if kind == "isxn":
        return _among(cells, identifiers.issn)
    if kind == "doi":
        return identifiers.doi(cells)
    if kind == "id":
        numbers = pc.fill_null(pc.match_substring_regex(cells, r"^\s*\d(?:[.,]\d+)?[eE]\+?\d{1,2}\s*$"), False)
        return pc.if_else(numbers, pa.scalar(None, pa.string()), cells) if pc.any(numbers).as_py() else cells
    return cells


def _of_each(cells: pa.Array, function, kind: pa.DataType | None = None) -> pa.Array:  # type: ignore[no-untyped-def]
    coded = cells.dictionary_encode()
    values = [function(text) if text is not None else None for text in coded.dictionary.to_pylist()]
    return pa.array(values, kind or pa.string()).take(coded.indices)


def _isbns(cells: pa.Array) -> pa.Array:
    """A valid ISBN as 13 digits; "" for one that is not valid; None for digits that a spreadsheet cut."""
    coded = cells.dictionary_encode()
    whole = pa.array(map(_whole, coded.dictionary.to_pylist()), pa.string())
    valid = pc.if_else(pc.is_valid(whole), pc.fill_null(identifiers.isbn(whole), ""), pa.scalar(None, pa.string()))
    return valid.take(coded.indices)


def _whole(text: str) -> str | None:
    """A number as given, its check digit added where a spreadsheet left the other twelve; None where fewer."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if cut := _SCIENTIFIC.fullmatch(plain):
        digits = cut[1] + (cut[2] or "")
        return digits[:12] + _check_digit(digits) if int(cut[3]) == 12 and len(digits) >= 12 else None
    return plain


def _is_cut(text: str) -> bool:
    """Whether a spreadsheet wrote the number with an exponent, as 9.78750372790E+12."""
    return bool(_SCIENTIFIC.fullmatch(unicodedata.normalize("NFKC", text).strip()))


def _check_digit(digits: str) -> str:
    return str(-sum(int(d) * (3 if n % 2 else 1) for n, d in enumerate(digits[:12])) % 10)


def _among(cells: pa.Array, function) -> pa.Array:  # type: ignore[no-untyped-def]
    """The first valid number of each cell that has some: the cell may be one, or a list of them."""
    coded = cells.dictionary_encode()
    parts = [_parts(text) for text in coded.dictionary.to_pylist()]
    found = iter(function(pa.array(chain.from_iterable(parts), pa.string())).to_pylist())
    firsts = [next(filter(None, list(islice(found, len(each)))), None) for each in parts]
    return pa.array(firsts, pa.string()).take(coded.indices)


def _parts(text: str) -> list[str]:
    return [text, *re.split(r"[\s,;，；/|]+", unicodedata.normalize("NFKC", text))]
