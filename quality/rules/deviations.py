"""Where records differ from the definitions of their format: rows that rules of table `deviation` look at.

Columns, beside `record_no`: `tag` of the field; `fault`, one of `FAULTS`; `found`, what stands there (a value of
an indicator, a code, a length); `shown`, which says place, what was found and what would be right; and `since`, of
what is obsolete the year in which it was made so (0: not known), of all else null.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quality.rules import deviation_kernel as kernel
from quality.rules.definitions import FORMATS, MOST_POSITIONS, NO_CHARACTER, OBSOLETE, Definitions, definitions

SCHEMA = pa.schema(
    [
        ("record_no", pa.int32()),
        *((name, pa.string()) for name in ("tag", "fault", "found", "shown")),
        ("since", pa.int32()),
    ]
)
FAULTS = {
    getattr(kernel, name): name.lower().replace("_", "-")
    for name in (
        "UNDEFINED_FIELD",
        "OBSOLETE_FIELD",
        "REPEATED_FIELD",
        "UNDEFINED_INDICATOR",
        "OBSOLETE_INDICATOR",
        "UNDEFINED_SUBFIELD",
        "OBSOLETE_SUBFIELD",
        "REPEATED_SUBFIELD",
        "UNDEFINED_CODE",
        "OBSOLETE_CODE",
        "WRONG_LENGTH",
        "UNDEFINED_EMBEDDED",
        "NO_LINKAGE",
        "LINKAGE_FORM",
        "UNLINKED_FIELD",
        "UNLINKED_880",
    )
}
_INDICATOR = ("undefined-indicator", "obsolete-indicator")
_SUBFIELD = ("undefined-subfield", "obsolete-subfield", "repeated-subfield")
_CODE = ("undefined-code", "obsolete-code")


def deviations(field: pa.Table, place: np.ndarray, format_: pa.ChunkedArray) -> pa.Table:
    """What deviates in the fields of some records, in their order.

    Args:
        field: `staged.field`, in order; strings may be kept by dictionary.
        place: for each of its rows the place of its record in `format_`, -1 for one that is not there.
        format_: of each record.
    """
    known = pc.index_in(format_, pa.array(FORMATS))
    formats = pc.fill_null(known, -1).to_numpy().astype(np.int64)
    if not len(field) or (formats < 0).all():
        return SCHEMA.empty_table()
    rows = _walked(field, place, formats)
    tag = _plain(field["tag"].take(pa.array(rows[:, 0])))
    record = field["record_no"].take(pa.array(rows[:, 0]))
    key, inverse = np.unique(np.column_stack([rows[:, 1:], _numbered(tag)]), axis=0, return_inverse=True)
    names = pc.unique(tag).to_pylist()
    told = [_told(names[one[4]], *one[:4].tolist()) for one in key]
    since = pa.array([_since(fault, *one[1:4].tolist()) for (fault, _, _), one in zip(told, key, strict=True)])
    columns = [pa.array(column, pa.string()) for column in zip(*told, strict=True)] or [
        pa.array([], pa.string())
    ] * 3
    given = (column.take(pa.array(inverse.ravel())) for column in (*columns, since.cast(pa.int32())))
    return pa.table([record, tag, *given], schema=SCHEMA)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _numbered(column: pa.ChunkedArray) -> np.ndarray:
    return pc.index_in(column, pc.unique(column)).to_numpy()


def _encoded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str | None]]:
    """Indices, and what they stand for; the last one for null."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], column.type)
    words = [*whole.dictionary.to_pylist(), None]
    return pc.fill_null(whole.indices, len(words) - 1).to_numpy().astype(np.int32, copy=False), words


def _characters(words: list[str | None]) -> np.ndarray:
    return np.array(
        [ord(one) if one and len(one) == 1 and one.isascii() else NO_CHARACTER for one in words], np.int64
    )


def _walked(field: pa.Table, place: np.ndarray, formats: np.ndarray) -> np.ndarray:
    """The rows that the kernel notes."""
    d = definitions()
    tags, names = _encoded(field["tag"])
    tag_of = np.array([[d.number(form, name or "") for name in names] for form in range(len(FORMATS))], np.int64)
    digits = [int(name) if name and len(name) == 3 and name.isdigit() and name.isascii() else -1 for name in names]
    (ind1, first), (ind2, second), (codes, letters) = (_encoded(field[name]) for name in ("ind1", "ind2", "code"))
    values = field["value"].combine_chunks()
    values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    rows = kernel.Rows(
        place,
        field["field_no"].to_numpy(),
        tags,
        tag_of,
        np.array(digits, np.int64),
        ind1,
        _characters(first),
        ind2,
        _characters(second),
        codes,
        _characters(letters),
        ends,
        content,
        formats,
    )
    laid = kernel.LaidDown(*(getattr(d, name) for name in kernel.LaidDown._fields))
    room = 1000 + len(field) // 8
    while True:
        out = np.empty((room, 5), np.int64)
        count = kernel.walk(rows, laid, out)
        if count <= room:
            return out[:count]
        room = count


def _told(tag: str, fault_no: int, number: int, found: int, extra: int) -> tuple[str, str, str]:
    """Fault, what was found, and the sentence on it."""
    d = definitions()
    fault = FAULTS[fault_no]
    place = tag if d.names[number] in (tag, "") else f"{tag} ({d.names[number]})"
    if fault in _INDICATOR:
        character = chr(found).replace(" ", "#") if found < NO_CHARACTER else "?"
        return fault, character, f"{place} ind{extra + 1} {character}; {_right(d.allowed[number][extra])}"
    if fault in _SUBFIELD:
        code = chr(found) if found < NO_CHARACTER else "?"
        right = "" if fault == "repeated-subfield" else f"; {_right(d.allowed[number][2])}"
        return fault, code, f"{place} ${code}{right}"
    if fault in _CODE:
        run, at = d.runs[extra // MOST_POSITIONS], extra % MOST_POSITIONS
        text = found.to_bytes(run["width"], "big").decode("latin-1")
        width = f"-{at + run['width'] - 1}" if run["width"] > 1 else ""
        return fault, text, f"{run['place']}/{at:02}{width} {text.replace(' ', '#')}; {_right(run['shown'])}"
    if fault == "wrong-length":
        shortest, longest = d.shortest[extra], d.longest[extra]
        right = f"{longest}" if shortest == longest else f"{shortest}-{longest}"
        return fault, str(found), f"{d.position_names[extra]} {found}; {_right(right)}"
    if fault in ("unlinked-field", "unlinked-880"):
        other = f"880 $6 {found // 100:03}" if fault == "unlinked-field" else f"{found // 100:03} $6 880"
        return fault, f"{found % 100:02}", f"{place} $6 -{found % 100:02}; ? {other}-{found % 100:02}"
    return fault, "", place


def _since(fault: str, number: int, found: int, extra: int) -> int | None:
    """The year in which it was made obsolete."""
    d = definitions()
    if not fault.startswith("obsolete"):
        return None
    if fault == "obsolete-code":
        run = d.runs[extra // MOST_POSITIONS]
        return int(run["since"].get(found.to_bytes(run["width"], "big").decode("latin-1"), 0))
    if fault == "obsolete-field":
        return d.since.get((number, "field", ""), 0)
    which = "subfield" if fault == "obsolete-subfield" else f"ind{extra + 1}"
    return d.since.get((number, which, chr(found)), 0)


def _right(allowed: str) -> str:
    return f"√ {allowed or '#'}"


def is_defined(format_: str, tag: str) -> bool:
    """Whether a format has that field today."""
    d: Definitions = definitions()
    number = d.number(FORMATS.index(format_), tag)
    return bool(number and d.tag[number] != OBSOLETE)
