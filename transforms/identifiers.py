"""Identifiers: recognised, normalised and checked, on whole columns.

ISBN and ISSN stand in nearly every record, so their checks run on byte matrices; python-stdnum is the
reference that the tests hold them to, and does the rarer identifiers.  A function returns null for a value
that is not a valid identifier; the caller keeps the value as given beside it.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ISBN_SHAPE = r"^\s*(?:I?SBN)?[\s:]*(?P<number>[0-9][0-9\-–— ]{7,16}[0-9Xx])(?:$|[^0-9A-Za-z\-])"
_ISSN_SHAPE = r"^\s*(?:ISSN)?[\s:]*(?P<number>[0-9]{4}[\-–—]?[0-9]{3}[0-9Xx])(?:$|[^0-9A-Za-z\-])"


def _digits(values: pa.Array, shape: str) -> pa.Array:
    """The identifier within each value without hyphens and spaces; null where there is none."""
    number = pc.struct_field(pc.extract_regex(values, shape), "number")
    return pc.utf8_upper(pc.replace_substring_regex(number, r"[\-–— ]", ""))


def _matrix(values: pa.Array, width: int) -> np.ndarray:
    """Values of one width as rows of digits; X counts ten."""
    data = np.frombuffer("".join(values.to_pylist()).encode("ascii"), np.uint8).reshape(-1, width)
    return np.where(data == ord("X"), 10, data.astype(np.int64) - ord("0"))


def _select(values: pa.Array, width: int) -> np.ndarray:
    return np.flatnonzero(pc.fill_null(pc.equal(pc.utf8_length(values), width), False))


def isbn(values: pa.Array) -> pa.Array:
    """ISBN-13 of values that begin with a valid ISBN-10 or ISBN-13 (ISO 2108), qualifiers allowed after it.

    An X stands only as the check digit of ten; a ten-digit number becomes 978 + nine digits + new check.  A
    standard book number of nine digits, as before 1970, is an ISBN-10 without its 0.
    """
    compact = _digits(values, _ISBN_SHAPE)
    compact = pc.if_else(pc.equal(pc.utf8_length(compact), 9), pc.utf8_lpad(compact, 10, "0"), compact)
    result = np.full(len(values), None, object)
    weights13 = np.array([1, 3] * 6, np.int64)

    chosen = _select(compact, 13)
    if len(chosen):
        taken = compact.take(pa.array(chosen))
        digits = _matrix(taken, 13)
        valid = (digits[:, :12] @ weights13 + digits[:, 12]) % 10 == 0
        valid &= (digits < 10).all(axis=1)
        prefix = digits[:, 0] * 100 + digits[:, 1] * 10 + digits[:, 2]
        valid &= (prefix == 978) | (prefix == 979)
        result[chosen[valid]] = np.array(taken.to_pylist(), object)[valid]

    chosen = _select(compact, 10)
    if len(chosen):
        digits = _matrix(compact.take(pa.array(chosen)), 10)
        valid = (digits @ np.arange(10, 0, -1)) % 11 == 0
        valid &= (digits[:, :9] < 10).all(axis=1)
        body = np.concatenate([np.tile([9, 7, 8], (int(valid.sum()), 1)), digits[valid][:, :9]], axis=1)
        check = (10 - (body @ weights13) % 10) % 10
        text = np.column_stack([body, check]).astype(np.uint8) + ord("0")
        result[chosen[valid]] = [row.tobytes().decode("ascii") for row in text]
    return pa.array(result, pa.string())


def issn(values: pa.Array) -> pa.Array:
    """ISSN as NNNN-NNNC of values that begin with a valid one (ISO 3297)."""
    compact = _digits(values, _ISSN_SHAPE)
    result = np.full(len(values), None, object)
    chosen = _select(compact, 8)
    if len(chosen):
        taken = compact.take(pa.array(chosen))
        digits = _matrix(taken, 8)
        valid = (digits @ np.arange(8, 0, -1)) % 11 == 0
        valid &= (digits[:, :7] < 10).all(axis=1)
        texts = np.array(taken.to_pylist(), object)[valid]
        result[chosen[valid]] = [f"{text[:4]}-{text[4:]}" for text in texts]
    return pa.array(result, pa.string())


def _extract(values: pa.Array, pattern: str) -> pa.Array:
    return pc.struct_field(pc.extract_regex(values, pattern), "found")


def lccn(values: pa.Array) -> pa.Array:
    """LCCN normalised as the Library of Congress says: no spaces, no suffix after `/`, serial of six digits."""
    text = pc.replace_substring_regex(values, r"\s|/.*$", "")
    padded = pc.struct_field(
        pc.extract_regex(text, r"^(?P<prefix>[a-z]{0,3}(?:\d{2}|\d{4}))-(?P<serial>\d{1,6})$"), [0]
    )
    if padded.null_count < len(padded):
        serial = pc.struct_field(
            pc.extract_regex(text, r"^(?P<prefix>[a-z]{0,3}(?:\d{2}|\d{4}))-(?P<serial>\d{1,6})$"), [1]
        )
        whole = pc.binary_join_element_wise(padded, pc.utf8_lpad(serial, 6, "0"), "")
        text = pc.coalesce(whole, text)
    return _extract(text, r"^(?P<found>[a-z]{0,3}\d{8,10})$")


def oclc(values: pa.Array) -> pa.Array:
    """OCLC number from `(OCoLC)ocm05853149`, digits without leading zeros."""
    return _extract(values, r"^\s*\(OCoLC\)\s*(?:oc[mn]|on)?0*(?P<found>\d{1,14})\s*$")


def calis(values: pa.Array) -> pa.Array:
    """CALIS control number: `CAL ` and twelve digits."""
    number = _extract(values, r"^\s*CAL\s*(?P<found>\d{12})\s*$")
    return pc.binary_join_element_wise("CAL", number, " ")


def doi(values: pa.Array) -> pa.Array:
    """DOI in lower case without a resolver (ISO 26324)."""
    return _extract(
        pc.utf8_lower(values), r"^\s*(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?(?P<found>10\.\d{4,9}/\S+?)\s*$"
    )
