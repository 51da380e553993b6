"""Tags, indicators and subfield codes as Arrow dictionaries, from the indices that compiled readers write."""

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

TAG_LEADER, TAG_ODD = 1000, 1001  # 0-999 are three digits; TAG_ODD + three packed bytes for all others
NO_CHARACTER = 128  # index of the empty indicator or code; 0-127 are ASCII characters

_TAGS = pa.array([f"{number:03}" for number in range(1000)] + ["LDR"])
_CHARACTERS = pa.array([chr(byte) for byte in range(128)] + [""])


@njit(cache=True, nogil=True)
def _renumber(indices, places, out):  # type: ignore[no-untyped-def]
    """Number what occurs among `places`, in order, and write the numbers of the indices; how many occur."""
    for row in range(len(indices)):
        places[indices[row]] = 1
    count = 0
    for k in range(len(places)):
        if places[k]:
            places[k] = count
            count += 1
        else:
            places[k] = -1
    for row in range(len(indices)):
        out[row] = places[indices[row]]
    return count


def tags(indices: NDArray[np.int32]) -> pa.Array:
    """Tags by a dictionary of those that occur, in order, first those of three digits."""
    indices, names = _named(indices)
    places, out = np.zeros(len(names), np.int32), np.empty(len(indices), np.int32)
    _renumber(indices, places, out)
    used = names.take(pa.array(np.flatnonzero(places >= 0)))
    return pa.DictionaryArray.from_arrays(pa.array(out), used, safe=False)


def _named(indices: NDArray[np.int32]) -> tuple[NDArray[np.int32], pa.Array]:
    """The indices, and the names that they number: all of three digits, and what else occurs."""
    odd = indices >= TAG_ODD
    if not odd.any():
        return indices, _TAGS
    distinct, inverse = np.unique(indices[odd] - TAG_ODD, return_inverse=True)
    names = [int(packed).to_bytes(3, "big").decode("ascii") for packed in distinct]
    added = [name for name in names if name != "LDR"]  # a field may be called so; each name stands here once
    places = [TAG_LEADER if name == "LDR" else len(_TAGS) + added.index(name) for name in names]
    indices = indices.copy()
    indices[odd] = np.array(places)[inverse]
    return indices, pa.concat_arrays([_TAGS, pa.array(added, pa.string())])


def characters(indices: NDArray[np.int32], present: NDArray[np.uint8]) -> pa.Array:
    """Indicators or codes by dictionary; null where there is none."""
    valid = pa.py_buffer(np.packbits(present, bitorder="little"))
    index = pa.Array.from_buffers(pa.int32(), len(indices), [valid, pa.py_buffer(indices)])
    return pa.DictionaryArray.from_arrays(index, _CHARACTERS, safe=False)
