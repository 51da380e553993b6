"""Made-up records, from numbers to the columns of `staged.bib`."""
# numba infers the types of compiled functions
# mypy: allow-untyped-defs

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from bench.vocabulary import Vocabulary
from schemas.staged import STAGED_BIB
from transforms.text_columns import parts

LANGUAGES = pa.array(["eng", "chi"])
SPREAD = 59_595_937  # times a number below 10^8, modulo that: another such number for each
FIXED = {
    "batch_id": "made",
    "file": "made.mrc",
    "format": "marc21",
    "charset": "utf-8",
    "status": "clean",
    "level": "",
}


@njit(cache=True)
def _lengths(pieces, starts, offsets):
    total = 0
    for row in range(pieces.shape[0]):
        offsets[row] = total
        for k in range(pieces.shape[1]):
            piece = pieces[row, k]
            if piece >= 0:
                total += starts[piece + 1] - starts[piece]
    offsets[pieces.shape[0]] = total
    return total


@njit(cache=True)
def _copy(pieces, starts, data, out):
    at = 0
    for row in range(pieces.shape[0]):
        for k in range(pieces.shape[1]):
            piece = pieces[row, k]
            if piece >= 0:
                for byte in range(starts[piece], starts[piece + 1]):
                    out[at] = data[byte]
                    at += 1


def together(pieces: NDArray[np.int32], texts: pa.Array) -> pa.Array:
    """Each row's pieces one behind the other; null where there are none."""
    data, starts = parts(texts)
    offsets = np.empty(len(pieces) + 1, np.int32)
    out = np.empty(_lengths(pieces, starts, offsets), np.uint8)
    _copy(pieces, starts, data, out)
    made = pa.StringArray.from_buffers(len(pieces), pa.py_buffer(offsets), pa.py_buffer(out))
    return pc.if_else(pa.array(offsets[1:] > offsets[:-1]), made, pa.scalar(None, pa.string()))


def _rows_of(texts: pa.ChunkedArray, at: NDArray) -> pa.Array:
    """Values by row number; null where that is negative."""
    return texts.combine_chunks().take(pa.array(np.maximum(at, 0), mask=at < 0))


def _lists_of(lists: pa.ChunkedArray, at: NDArray) -> pa.Array:
    """Lists by row number; an empty one where that is negative."""
    return pc.fill_null(_rows_of(lists, at), pa.scalar([], lists.type))


def _numbers(values: NDArray[np.int64], base: int, prefix: str = "") -> pa.Array:
    """A number of its own for each value, as text; null where negative."""
    made = base + np.maximum(values, 0) * SPREAD % 100_000_000
    return pc.binary_join_element_wise(prefix, pa.array(made, mask=values < 0).cast(pa.string()), "")


def _isbn(values: NDArray[np.int64], chinese: NDArray[np.bool_]) -> pa.Array:
    """ISBNs of the values that are there, in their order."""
    there = values >= 0
    body = np.where(chinese, 978_700_000_000, 978_000_000_000)[there] + values[there] * SPREAD % 100_000_000
    total, rest = np.zeros(len(body), np.int64), body.copy()
    for weight in (3, 1) * 6:
        rest, digit = np.divmod(rest, 10)
        total += digit * weight
    return pa.array(body * 10 + -total % 10).cast(pa.string())


def _issn(values: NDArray[np.int64]) -> pa.Array:
    """ISSNs of the values that are there, in their order."""
    body = values[values >= 0] * SPREAD % 10_000_000
    check = -(body[:, None] // 10 ** np.arange(6, -1, -1) % 10 * np.arange(8, 1, -1)).sum(axis=1) % 11
    made = [
        f"{number // 1000:04}-{number % 1000:03}{'0123456789X'[k]}" for number, k in zip(body, check, strict=True)
    ]
    return pa.array(made, pa.string())


def _list(values: pa.Array, there: NDArray[np.bool_]) -> pa.ListArray:
    """Lists of values, of which each row has as many as are there."""
    ends = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), values)


def _keys(rows: dict[str, NDArray], words: Vocabulary) -> dict[str, pa.Array]:
    """What `transforms.keys` makes of the texts."""
    joined = rows["joined"][:, None]
    within, behind = np.where(joined, rows["subtitle"], -1), np.where(joined, -1, rows["subtitle"])
    title = np.concatenate([rows["title"], within], axis=1)
    full = np.concatenate([title, rows["part_title"], behind], axis=1)
    named = rows["names"][:, :, 0] >= 0
    creators = _list(together(rows["names"][named], words.keys), named)
    first = creators.values.take(pa.array(creators.offsets.to_numpy()[:-1], mask=~named[:, 0]))
    volume = _rows_of(words.volumes["volume_key"], rows["volume"])
    return {
        "title_key": together(title, words.keys),
        "full_title_key": together(full, words.keys),
        "volume_key": pc.coalesce(volume, together(rows["part_title"], words.keys)),
        "edition_key": pc.fill_null(_rows_of(words.editions["edition_key"], rows["edition"]), "1"),
        "creator_key": first,
        "creators_key": creators,
        "publishers_key": _lists_of(words.publishers["publishers_key"], rows["publisher"]),
        "places_key": _lists_of(words.publishers["places_key"], rows["place"]),
        "pages": pa.array(rows["pages"], mask=rows["pages"] == 0),
    }


def _texts(rows: dict[str, NDArray], words: Vocabulary) -> dict[str, pa.Array]:
    """What the keys are made from."""
    none = pa.scalar(None, pa.string())
    joined = rows["joined"][:, None]
    title = together(np.concatenate([rows["title"], np.where(joined, rows["subtitle"], -1)], axis=1), words.texts)
    volume = _rows_of(words.volumes["volume_no"], rows["volume"])
    named = rows["names"][:, :, 0] >= 0
    in_title = pa.array(rows["volume_in_title"])
    with_volume = pc.binary_join_element_wise(title, "（", volume, "）", "")
    pages = pa.array(rows["pages"], mask=rows["pages"] == 0).cast(pa.string())
    return {
        "title": pc.if_else(in_title, with_volume, title),
        "subtitle": pc.if_else(pa.array(rows["joined"]), none, together(rows["subtitle"], words.texts)),
        "volume_title": together(rows["part_title"], words.texts),
        "volume_no": pc.if_else(in_title, none, volume),
        "creators": _list(together(rows["names"][named], words.texts), named),
        "publisher": _rows_of(words.publishers["publisher"], rows["publisher"]),
        "pub_place": _rows_of(words.publishers["pub_place"], rows["place"]),
        "extent": pc.binary_join_element_wise(pages, pc.if_else(pa.array(rows["chinese"]), "页", " p."), ""),
    }


def columns(rows: dict[str, NDArray], words: Vocabulary, begin: int, texts: bool) -> pa.Table:
    """The `staged.bib` of records as `bench.union` draws them.

    Args:
        begin: number of the first record.
        texts: also the columns that the match keys are made from; otherwise these are empty.
    """
    count = len(rows["bib"])
    number = pa.array(np.arange(begin, begin + count)).cast(pa.string())
    source = pa.array([f"s{k:04}" for k in range(int(rows["source"].max()) + 1)])
    flat = rows["isbn"].ravel()
    chinese_isbn = rows["chinese"] & (rows["original"] < 0) | (rows["original"] >= 0)
    made: dict[str, pa.Array] = {
        "source_id": source.take(pa.array(rows["source"])),
        "record_id": pc.ascii_lpad(number, 10, "0"),
        "record_no": pa.array(np.arange(begin, begin + count, dtype=np.int32)),
        "byte_offset": pa.array(np.zeros(count, np.int64)),
        "calis_id": _numbers(rows["calis"], 1_000_000_000, "CAL "),
        "lccn": _numbers(rows["lccn"], 2_000_000_000),
        "oclc": _numbers(rows["oclc"], 300_000_000),
        "ubsn": _numbers(rows["ubsn"], 100_000_000),
        "isbn": _list(_isbn(flat, np.repeat(chinese_isbn, 2)), rows["isbn"] >= 0),
        "issn": _list(_issn(rows["issn"]), rows["issn"][:, None] >= 0),
        "edition": _rows_of(words.editions["edition"], rows["edition"]),
        "pub_year": pa.array(rows["year"], mask=rows["year"] == 0),
        "lang": _rows_of(pa.chunked_array([LANGUAGES]), rows["lang"]),
        "orig_lang": _rows_of(pa.chunked_array([LANGUAGES]), rows["original"]),
        "carrier": pa.array(["print", "electronic"]).take(pa.array(rows["electronic"].astype(np.int8))),
        "kind": pa.array(["book", "serial"]).take(pa.array(rows["serial"].astype(np.int8))),
        **_keys(rows, words),
    }
    if texts:
        made |= _texts(rows, words)
    for field in STAGED_BIB.schema:
        if field.name in FIXED:
            made[field.name] = pa.repeat(FIXED[field.name], count)
        elif field.name not in made and pa.types.is_list(field.type):
            made[field.name] = pa.ListArray.from_arrays(
                pa.array(np.zeros(count + 1, np.int32)), pa.array([], field.type.value_type)
            )
        elif field.name not in made:
            made[field.name] = pa.nulls(count, field.type)
    return pa.table([made[name] for name in STAGED_BIB.schema.names], schema=STAGED_BIB.schema)
