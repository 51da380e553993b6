"""What is found wrong with ISO 2709 records: status, `issues` and `rejected` of a chunk."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from transforms import charset
from transforms import iso2709_kernel as kernel
from transforms import iso2709_rows as listing
from transforms.chunk import ISSUES, REJECTED
from transforms.iso2709_blocks import MAX_RECORD
from transforms.iso2709_text import CODE_OF, ESCAPED, UNDECODED, UNSURE, Parsed, Text

MARC21, CNMARC, UNIMARC = range(3)
MAX_RECORD_LENGTH = 99_999  # that a leader can say
CLEAN, MENDED, DOUBTFUL, DELETED, REFUSED = range(5)
# flag, rule (none where a rule of quality finds it in what is staged), does it make the record mended or doubtful
STRUCTURE: tuple[tuple[int, str | None, int], ...] = (
    (kernel.LENGTH, "iso2709-length", MENDED),
    (kernel.OVERLONG, "iso2709-overlong", MENDED),
    (kernel.BASE, "iso2709-base-address", MENDED),
    (kernel.DIRECTORY, "iso2709-directory", MENDED),
    (kernel.ORDER, "iso2709-directory-order", DOUBTFUL),
    (kernel.UNLISTED, "iso2709-unlisted-field", DOUBTFUL),
    (kernel.TERMINATOR, "iso2709-terminator", MENDED),
    (kernel.GUESSED, "iso2709-guessed", DOUBTFUL),
    (kernel.TAG, "iso2709-tag", DOUBTFUL),
    (kernel.LETTERS, "iso2709-letter-tag", CLEAN),
    (kernel.INDICATOR, "iso2709-indicators", DOUBTFUL),
    (kernel.CODE, "iso2709-subfield-code", DOUBTFUL),
    (kernel.LEADER_ODD, "iso2709-leader", CLEAN),
    (kernel.BETWEEN, "iso2709-between-records", CLEAN),
    (kernel.SHIFTED, "iso2709-foreign-bytes", MENDED),
    (kernel.CUT, "iso2709-cut", MENDED),
    (kernel.LEADER_SIZE, None, MENDED),  # leader-length
)
TEXT = (
    (listing.REPLACEMENT, "encoding-replacement", DOUBTFUL),
    (ESCAPED, "encoding-escape", DOUBTFUL),
    (UNSURE, "encoding-unsure", DOUBTFUL),
    (listing.CONTROL, "control-character", CLEAN),
)
REFUSALS = {
    kernel.SHORT: (
        "iso2709-short",
        "it is too short to hold a leader and a directory",
        "look for a stray record terminator (1D) before or behind it, and export the record again",
    ),
    kernel.NO_DIRECTORY: (
        "iso2709-no-directory",
        "no field terminator (1E) ends a directory behind its leader",
        "export the record again as ISO 2709",
    ),
    kernel.BAD_DIRECTORY: (
        "iso2709-directory",
        "its directory is not made of entries of 12 characters",
        "export the record again as ISO 2709 with a whole directory",
    ),
    kernel.UNPAIRED: (
        "iso2709-directory",
        "its directory does not fit its fields, nor do entries and fields pair one to one",
        "export the record again; lengths and starts must count bytes in the encoding of the file",
    ),
}
TOO_LONG = (
    "iso2709-too-long",
    f"no record terminator (1D) within {MAX_RECORD} bytes",
    "check that the file is ISO 2709",
)
OVERFLOWN = (
    "iso2709-overlong",
    "it is longer than 99,999 bytes, and its leader or directory has more digits than ISO 2709 has room for",
    "export it as MARCXML, or in parts that ISO 2709 can hold",
)
CUT = ("iso2709-cut", "it ends before its last field does", "the file was cut short: send the whole file again")

_ASCII = pa.array([chr(byte) for byte in range(128)])


def status(parsed: Parsed, text: Text) -> NDArray[np.int8]:
    """The worst that was found of each record; a deletion is one however it looks."""
    flags, refused = parsed.records[listing.FLAGS, :-1], parsed.records[listing.REFUSED, :-1]
    status = np.full(parsed.count, CLEAN, np.int8)
    for wanted in (MENDED, DOUBTFUL):
        for bits, rules in ((flags, STRUCTURE), (text.bits, TEXT)):
            mask = sum(bit for bit, _, effect in rules if effect == wanted)
            status[(bits & mask) > 0] = wanted
    deleted = parsed.buffer[parsed.records[listing.UNIT_START, :-1] + 5] == ord("d")
    status[deleted] = DELETED
    status[refused > 0] = REFUSED
    return status


def _found(records: NDArray[np.int64], rule: str, severity: str, tag: str | None, values: object) -> pa.Table:
    """One rule's rows of `issues`; `values` is an Arrow array or None."""
    n = len(records)
    empty = pa.nulls(n, pa.string())
    columns = [
        pa.array(records, pa.int32()),
        pa.repeat(pa.scalar(rule), n),
        pa.repeat(pa.scalar(severity), n),
        empty if tag is None else pa.repeat(pa.scalar(tag), n),
        empty if values is None else values,
    ]
    return pa.Table.from_arrays(columns, schema=ISSUES)


def issues(parsed: Parsed, text: Text, formats: NDArray[np.int8]) -> pa.Table:
    """One row a finding, in record order."""
    first = parsed.first
    flags, refused = parsed.records[listing.FLAGS, :-1], parsed.records[listing.REFUSED, :-1]
    tables = []
    for bits, rules in ((flags, STRUCTURE), (text.bits, TEXT)):
        every = int(np.bitwise_or.reduce(bits)) if len(bits) else 0
        for bit, rule, _ in rules:
            if rule and every & bit:
                chosen = np.flatnonzero(((bits & bit) > 0) & (refused == 0))
                tables.append(_found(chosen + first, rule, "warn", None, _shown(parsed, rule, chosen)))
    tables += _labels(parsed, text, formats)
    facts = parsed.records[listing.FACTS, :-1]
    named = listing.HAS_245 | listing.HAS_801 | listing.HAS_210 | listing.HAS_690 | listing.HAS_101
    reader = np.flatnonzero((facts & listing.HAS_200 > 0) & (facts & named == 0) & (refused == 0))
    if len(reader):
        tables.append(_found(reader + first, "possible-personal-data", "fail", "200", None))
    if not tables:
        return ISSUES.empty_table()
    return pa.concat_tables(tables).sort_by("record_no").combine_chunks()


def _shown(parsed: Parsed, rule: str, chosen: NDArray[np.int64]) -> pa.Array | None:
    """What to show of the leader for rules that speak of it."""
    places = {"iso2709-length": (0, 5), "iso2709-overlong": (0, 5), "iso2709-base-address": (12, 17)}
    if rule not in (*places, "iso2709-leader"):
        return None
    low, high = places.get(rule, (0, 24))
    starts = parsed.records[listing.UNIT_START, chosen].tolist()
    shown = [parsed.buffer[start + low : start + high].tobytes().decode("ascii", "replace") for start in starts]
    return pa.array(shown, pa.string())


def _labels(parsed: Parsed, text: Text, formats: NDArray[np.int8]) -> list[pa.Table]:
    """Where leader/09 (MARC 21) or 100$a/26-29 (UNIMARC) say another charset than the bytes do."""
    told = np.flatnonzero((text.bits & listing.NON_ASCII > 0) & (parsed.records[listing.REFUSED, :-1] == 0))
    marc21, other = told[formats[told] == MARC21], told[formats[told] != MARC21]
    tables = []
    coding = parsed.buffer[parsed.records[listing.UNIT_START, marc21] + 9]
    charsets = text.charsets[marc21]
    unicode = (charsets == CODE_OF[charset.UTF_8]) | (charsets == CODE_OF[charset.UTF_16])
    wrong = ((coding == ord("a")) != unicode) | (~unicode & (charsets != CODE_OF[charset.MARC_8]))
    if wrong.any():
        values = _ASCII.take(pa.array(np.minimum(coding[wrong], 127)))
        tables.append(_found(marc21[wrong] + parsed.first, "encoding-label", "warn", "LDR", values))
    label, charsets = parsed.records[listing.LABEL, other], text.charsets[other]
    wrong = np.ones(len(other), bool)
    for name, codes in charset.LABELS.items() if len(other) else ():
        says = [int.from_bytes(code.encode(), "big") for code in codes]
        wrong &= ~((charsets == CODE_OF[name]) & (np.isin(label >> 16, says) | np.isin(label & 0xFFFF, says)))
    if wrong.any():
        distinct, inverse = np.unique(label[wrong], return_inverse=True)
        shown = [int(packed).to_bytes(4, "big").decode("ascii", "replace").strip("\0") for packed in distinct]
        values = pa.array(shown).take(pa.array(inverse))
        tables.append(_found(other[wrong] + parsed.first, "encoding-label", "warn", "100", values))
    return tables


def rejected(
    parsed: Parsed, text: Text, places: NDArray[np.int64], contents: pa.Array, too_long: bool
) -> pa.Table:
    """The records that are not taken; `places` and `contents` are the offset in the file and bytes of each."""
    rows = []
    for record in np.flatnonzero(parsed.records[listing.REFUSED, :-1]).tolist():
        place = int(places[record])
        rule, reason, advice = TOO_LONG if too_long else _refusal(parsed, text, record, place)
        rows.append(
            {
                "record_no": parsed.first + record,
                "record_id": _control_number(parsed.content(record)),
                "byte_offset": place,
                "rule": rule,
                "reason": reason,
                "advice": advice,
                "content": contents[record].as_py(),
            }
        )
    return pa.Table.from_pylist(rows, schema=REJECTED)


def _refusal(parsed: Parsed, text: Text, record: int, place: int) -> tuple[str, str, str]:
    """Rule, reason and advice for a record that is not taken."""
    refused = int(parsed.records[listing.REFUSED, record])
    if refused == UNDECODED:
        tried, position = text.failures[record]
        if position < 0:
            position = _first_not_utf8(parsed.content(record)) + int(parsed.records[listing.UNIT_START, record])
        position -= int(parsed.records[listing.RECEIVED, record])
        reason = f"its text is in no known charset; as {tried} it fails at byte {place + position} of the file"
        advice = "give the encoding in the source's row, or export the record again as UTF-8"
        return "encoding-undecodable", reason, advice
    if parsed.records[listing.FLAGS, record] & kernel.CUT:
        return CUT
    size = int(parsed.records[listing.UNIT_END, record] - parsed.records[listing.UNIT_START, record])
    if refused == kernel.BAD_DIRECTORY and size > MAX_RECORD_LENGTH:
        return OVERFLOWN
    return REFUSALS[refused]


def _control_number(content: bytes) -> str | None:
    """The 001 of a record that is not taken, as far as it can be told: the first field of the directory."""
    parts = content.split(b"\x1e", 2)
    if content[24:27] != b"001" or len(parts) < 3 or not parts[1].isascii():
        return None
    return parts[1].decode("ascii").strip() or None


def _first_not_utf8(content: bytes) -> int:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0
