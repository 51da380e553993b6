"""Tags, indicators and subfield codes as Arrow dictionaries, from the indices that compiled readers write."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

TAG_LEADER, TAG_ODD = 1000, 1001  # 0-999 are three digits; TAG_ODD + three packed bytes for all others
NO_CHARACTER = 128  # index of the empty indicator or code; 0-127 are ASCII characters

_TAGS = pa.array([f"{number:03}" for number in range(1000)] + ["LDR"])
_CHARACTERS = pa.array([chr(byte) for byte in range(128)] + [""])


def tags(indices: NDArray[np.int32]) -> pa.Array:
    """Tags by dictionary; those that are not three digits are added to it."""
    odd = indices >= TAG_ODD
    if not odd.any():
        return pa.DictionaryArray.from_arrays(pa.array(indices), _TAGS, safe=False)
    distinct, inverse = np.unique(indices[odd] - TAG_ODD, return_inverse=True)
    names = [int(packed).to_bytes(3, "big").decode("ascii") for packed in distinct]
    added = [name for name in names if name != "LDR"]  # a field may be called so; each name stands here once
    places = [TAG_LEADER if name == "LDR" else len(_TAGS) + added.index(name) for name in names]
    indices = indices.copy()
    indices[odd] = np.array(places)[inverse]
    return pa.DictionaryArray.from_arrays(
        pa.array(indices), pa.concat_arrays([_TAGS, pa.array(added, pa.string())])
    )


def characters(indices: NDArray[np.int32], present: NDArray[np.uint8]) -> pa.Array:
    """Indicators or codes by dictionary; null where there is none."""
    valid = pa.py_buffer(np.packbits(present, bitorder="little"))
    index = pa.Array.from_buffers(pa.int32(), len(indices), [valid, pa.py_buffer(indices)])
    return pa.DictionaryArray.from_arrays(index, _CHARACTERS, safe=False)
