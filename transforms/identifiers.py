"""Identifiers: recognised, normalised and checked, on whole columns.

ISBN and ISSN stand in nearly every record, so a compiled kernel reads them off the bytes of the column;
python-stdnum is the reference that the tests hold it to.  A function returns null for a value that is not a
valid identifier; the caller keeps the value as given beside it.
"""
# numba infers the types of compiled functions

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray
from stdnum.iso7064 import mod_11_2

from transforms import clean_kernel
from transforms.text_columns import each_distinct, nfkc, or_else
from transforms.trim_kernel import STRIP, trimmed

# What one character of a number means: 0-9, the check digit X, a hyphen, a space, anything else.
_X, _HYPHEN, _SPACE, _OTHER = 10, 11, 12, 14
_ASCII = np.full(128, _OTHER, np.int64)
_ASCII[48:58] = np.arange(10)
_ASCII[[88, 120]] = _X
_ASCII[45] = _HYPHEN
_ASCII[[9, 32]] = _SPACE


@njit(cache=True)
def _wide(second: int, third: int) -> int:
    """What a full-width form means, by its second and third byte in UTF-8 (U+FF01 and following)."""
    if second != 0xBC:
        return _OTHER
    if 0x90 <= third <= 0x99:
        return third - 0x90
    if third == 0xB8:
        return _X
    return _HYPHEN if third == 0x8D else _OTHER


@njit(cache=True)
def _character(data: Any, at: int, end: int) -> tuple[int, int]:
    """(meaning, bytes) of the character at a place; full-width forms and every dash are known."""
    byte = data[at]
    if byte < 128:
        return _ASCII[byte], 1
    if byte == 0xC2:
        return (_SPACE if at + 1 < end and data[at + 1] == 0xA0 else _OTHER), 2
    if at + 2 >= end:
        return _OTHER, 1
    second, third = data[at + 1], data[at + 2]
    if byte == 0xEF:
        return _wide(second, third), 3
    if byte == 0xE2 and ((second == 0x80 and 0x90 <= third <= 0x95) or (second == 0x88 and third == 0x92)):
        return _HYPHEN, 3
    if byte == 0xE3 and second == 0x80 and third == 0x80:
        return _SPACE, 3
    return _OTHER, 1


@njit(cache=True)
def _labelled(data: Any, at: int, end: int, label: Any) -> int:
    """Where a label in any case ends, with its -10, 13 and so on; the same place if there is none."""
    for skipped in range(2):  # ISBN or SBN
        size = len(label) - skipped
        if at + size > end:
            continue
        same = 0
        for k in range(size):
            same += data[at + k] & 0xDF == label[skipped + k]
        if same == size:
            at += size
            dash = 1 if at < end and data[at] == 45 else 0
            length = at + dash
            if length + 2 < end and data[length] == 49 and (data[length + 1] == 48 or data[length + 1] == 51):
                after = data[length + 2]
                if after == 58 or after == 32 or after == 0xEF:
                    return length + 2
            return at
    return at


@njit(cache=True)
def _start(data: Any, at: int, end: int, label: Any) -> int:
    """Where the number begins: behind spaces, a label, and colons."""
    while at < end and _character(data, at, end)[0] == _SPACE:
        at += _character(data, at, end)[1]
    after = _labelled(data, at, end, label)
    labelled = after > at
    at = after
    while at < end:
        meaning, size = _character(data, at, end)
        if data[at] == 0xEF and at + 2 < end and data[at + 1] == 0xBC and data[at + 2] == 0x9A:
            at += 3  # the full-width colon
        elif meaning == _SPACE or data[at] == 58 or (labelled and (data[at] == 46 or meaning == _HYPHEN)):
            at += size
        else:
            break
    return at


@njit(cache=True)
def _is_valid(digits: Any, count: int) -> bool:
    """The check of 13 digits that begin with 978 or 979; of ten, nine (before 1970), or the eight of an ISSN."""
    total = 0
    if count == 13:
        if digits[0] != 9 or digits[1] != 7 or digits[2] < 8 or digits[12] == _X:
            return False
        if digits[2] == 9 and digits[3] == 0:  # an ISMN
            return False
        for k in range(13):
            total += digits[k] * (3 if k % 2 else 1)
        return total % 10 == 0
    for k in range(count):
        total += digits[k] * (count - k)
    return total % 11 == 0


@njit(cache=True)
def _read(data: Any, at: int, end: int, book: bool, digits: Any) -> int:
    """Read the number at a place into `digits`; how many it has if it is valid, else 0."""
    count, dashed = 0, False
    while True:
        meaning, size = _character(data, at, end) if at < end else (_OTHER, 1)
        if meaning <= _X:
            ended = count == 13 or (count > 0 and digits[count - 1] == _X)
            if ended or (meaning == _X and not 7 <= count <= 9):
                return 0
            digits[count] = meaning
            count += 1
            dashed = False
        elif meaning == _HYPHEN and count and not dashed:
            dashed = True
        else:
            whole = (count == 13 or count == 10 or count == 9) if book else count == 8
            # behind nine digits and a space the tenth may follow
            if whole and not dashed and (count != 9 or meaning != _SPACE) and _is_valid(digits, count):
                return count
            if meaning != _SPACE or count == 0:
                return 0
        at += size


@njit(cache=True)
def _write_isbn(digits: Any, count: int, out: Any) -> None:
    """13 digits, of ten or nine too."""
    if count == 13:
        for k in range(13):
            out[k] = 48 + digits[k]
        return
    lead = 10 - count  # a number of nine digits is one of ten without its 0
    total = 38  # of 978
    out[0], out[1], out[2] = 57, 55, 56
    for k in range(9):
        digit = digits[k - lead] if k >= lead else 0
        out[3 + k] = 48 + digit
        total += digit * (1 if k % 2 else 3)
    out[12] = 48 + (10 - total % 10) % 10


@njit(cache=True)
def _write_issn(digits: Any, out: Any) -> None:
    """NNNN-NNNC."""
    for k in range(8):
        out[k + (k > 3)] = 88 if digits[k] == _X else 48 + digits[k]
    out[4] = 45


@njit(cache=True)
def _numbers(data: Any, offsets: Any, label: Any, book: bool, out: Any, valid: Any) -> None:
    """The valid number that each value begins with, into `out`."""
    digits = np.zeros(16, np.int64)
    for row in range(len(offsets) - 1):
        start = _start(data, offsets[row], offsets[row + 1], label)
        count = _read(data, start, offsets[row + 1], book, digits)
        if count:
            valid[row] = 1
            if book:
                _write_isbn(digits, count, out[row])
            else:
                _write_issn(digits, out[row])


def _standard_numbers(values: pa.Array, label: str, width: int) -> pa.Array:
    """Run the kernel over a string array; a result of `width` characters or null."""
    values = values.cast(pa.string())
    count = len(values)
    if count == 0:
        return pa.array([], pa.string())
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset : values.offset + count + 1]
    data = np.frombuffer(values.buffers()[2] or b"\0", np.uint8)
    out = np.zeros((count, width), np.uint8)
    valid = np.zeros(count, np.uint8)
    _numbers(data, offsets, np.frombuffer(label.encode(), np.uint8), label == "ISBN", out, valid)
    if values.null_count:
        valid &= pc.is_valid(values).to_numpy(zero_copy_only=False)
    return _fixed_width(out, valid)


def _fixed_width(rows: NDArray[np.uint8], valid: NDArray[np.uint8]) -> pa.Array:
    """Rows of ASCII as a string array, null where not valid."""
    offsets = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(valid.astype(np.int32) * rows.shape[1], out=offsets[1:])
    mask = pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(rows[valid > 0]))
    return pa.Array.from_buffers(pa.string(), len(rows), [mask, pa.py_buffer(offsets), data])


def isbn(values: pa.Array) -> pa.Array:
    """ISBN-13 of values that begin with a valid ISBN-10 or ISBN-13 (ISO 2108), qualifiers allowed after it.

    An X stands only as the check digit of ten; a ten-digit number becomes 978 + nine digits + new check.  A
    standard book number of nine digits, as before 1970, is an ISBN-10 without its 0.
    """
    return _standard_numbers(values, "ISBN", 13)


def issn(values: pa.Array) -> pa.Array:
    """ISSN as NNNN-NNNC of values that begin with a valid one (ISO 3297)."""
    return _standard_numbers(values, "ISSN", 9)


def _extract(values: pa.Array, pattern: str) -> pa.Array:
    return pc.struct_field(pc.extract_regex(values, pattern), "found")


def lccn(values: pa.Array) -> pa.Array:
    """LCCN normalised as the Library of Congress says: no spaces, no suffix after `/`, serial of six digits."""
    return or_else(*clean_kernel.lccn(values), values, _lccn)


def _lccn(values: pa.Array) -> pa.Array:
    text = pc.replace_substring_regex(values, r"\s|/.*$", "")
    parts = pc.extract_regex(text, r"^(?P<prefix>[a-z]{0,3}(?:\d{2}|\d{4}))-(?P<serial>\d{1,6})$")
    if parts.null_count < len(parts):
        serial = pc.ascii_lpad(pc.struct_field(parts, "serial"), 6, "0")
        whole = pc.binary_join_element_wise(pc.struct_field(parts, "prefix"), serial, "")
        text = pc.coalesce(whole, text)
    return _extract(text, r"^(?P<found>[a-z]{0,3}\d{8,10})$")


def lccn_of_us(values: pa.Array) -> pa.Array:
    """LCCN out of UNIMARC 020, whose $a names the country of a national bibliography: `US sn 88028613`."""
    return lccn(_extract(values, r"^\s*US\s+(?P<found>.+)$"))


def oclc(values: pa.Array) -> pa.Array:
    """OCLC number from `(OCoLC)ocm05853149`, or with its prefix alone; digits without leading zeros."""
    named = r"\((?i:OCo?LC)\)\s*(?i:oc[mn]|on)?|(?i:oc[mn])|on"
    return _extract(values, rf"^\s*(?:{named})\s*0*(?P<found>[1-9]\d{{0,13}})(?:\s|\\|$)")


def calis(values: pa.Array) -> pa.Array:
    """CALIS control number: `CAL ` and twelve digits."""
    number = _extract(values, r"(?i)^\s*\(?CAL(?:IS)?\)?[\s\-]*(?P<found>\d{12})\s*$")
    return pc.binary_join_element_wise("CAL", number, " ")


def doi(values: pa.Array) -> pa.Array:
    """DOI in lower case without a resolver (ISO 26324)."""
    text = _extract(
        pc.ascii_lower(values),
        r"^\s*(?:https?://(?:dx\.|www\.)?doi\.org/|info:doi/|urn:doi:|doi[:\s]*)?(?P<found>10\.\d{4,9}/\S+?)[\s.,;]*$",
    )
    return pc.replace_substring_regex(text, r"^(10\.[^?#]+)\?.*$", r"\1")


# An iD with its hyphens, or dashes or spaces instead, anywhere in a text, or sixteen digits behind the word.
_ORCID = (
    r"(?i)(?:^|[^0-9\-])(?P<found>\d{4}[-‐‑–—\s]\d{4}[-‐‑–—\s]\d{4}[-‐‑–—\s]\d{3}[\dx])(?:$|[^0-9a-z\-])"
    r"|orcid[^0-9]{0,12}(?P<bare>\d{15}[\dx])(?:$|[^0-9a-z])"
)
# What ISNI reserved for ORCID, without the check (ORCID: What is the relationship between ISNI and ORCID?, 2023).
_ORCID_BLOCKS = (("000000015000000", "000000035000000"), ("000900000000000", "000900100000000"))


def orcid(values: pa.Array) -> pa.Array:
    """ORCID iD as NNNN-NNNN-NNNN-NNNC out of an address, a $0, or a name with it.

    Its check is right (ISO 7064 mod 11-2) and it is one of ORCID's numbers; ISNIs look the same, but are others.
    """
    parts = pc.extract_regex(values, _ORCID)
    given = pc.binary_join_element_wise(pc.struct_field(parts, "found"), pc.struct_field(parts, "bare"), "")

    def checked(text: str) -> str | None:
        digits = re.sub("[^0-9X]", "", text.upper())
        known = any(low <= digits[:15] <= high for low, high in _ORCID_BLOCKS)
        if not known or not mod_11_2.is_valid(digits):
            return None
        return "-".join(digits[i : i + 4] for i in range(0, 16, 4))

    return each_distinct(given, checked)


def bad_orcid(values: pa.Array) -> pa.Array:
    """What says that it is an ORCID iD, or has the form of one in ORCID's numbers, and is none.

    With spaces it must say so, since that is how an ISNI is written.
    """
    form = r"(?:^|[^0-9\-])(?:0000-000[123]|0009-00[01]\d)-\d{4}-\d{3}[\dx](?:$|[^0-9a-z\-])"
    claims = pc.match_substring_regex(values, r"(?i)orcid[^0-9]{0,12}\d|" + form)
    bad = pc.and_(claims, pc.is_null(orcid(values)))
    return trimmed(STRIP, pc.if_else(bad, values, None))


def ubsn(values: pa.Array) -> pa.Array:
    """Chinese book number before 1987 (统一书号): class 1-17 and publisher, `·`, serial: `10019·1234`."""
    text = pc.replace_substring_regex(nfkc(values), r"\s|^(?:统一书号|書號|书号)[:：]?", "")
    pattern = r"^(?P<body>(?:1[0-7]|[1-9])\d{3})[·•‧∙・･.\-–—](?P<serial>\d{1,5})(?:$|[^\d])"
    parts = pc.extract_regex(text, pattern)
    return pc.binary_join_element_wise(pc.struct_field(parts, "body"), pc.struct_field(parts, "serial"), "·")


def cn_serial(values: pa.Array) -> pa.Array:
    """Chinese serial number (国内统一刊号): `CN 11-1234/G2`, province of GB/T 2260 or 10, four digits, class."""
    text = pc.ascii_upper(nfkc(values))
    province = "1[0-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|81|82"
    number = rf"(?P<area>{province})\s*[\-–—]\s*(?P<serial>\d{{4}})"
    pattern = rf"^\s*(?:CN\s*)?{number}(?P<class>\s*/\s*[A-Z][A-Z0-9.\-]*)?\s*$"
    parts = pc.extract_regex(text, pattern)
    number = pc.binary_join_element_wise(pc.struct_field(parts, "area"), pc.struct_field(parts, "serial"), "-")
    class_ = pc.replace_substring_regex(pc.struct_field(parts, "class"), r"\s", "")
    return pc.binary_join_element_wise(pc.binary_join_element_wise("CN", number, " "), class_, "")
