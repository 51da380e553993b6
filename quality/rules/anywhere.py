"""Which values a rule that names no field looks at: those with something in them that is rarely right.

Rules on every value of every record would cost more than all others together, so they see only values with one
of `SIGNS`, or with `DIGITS` digits in a row.  A new rule that looks for something else adds its sign here; the
test of its examples fails until then.
"""

import numpy as np
import pyarrow as pa
from numba import njit

SIGNS = ("\ufffd", "锟", "烫", "Ã", "Â")
DIGITS = 11  # a mobile number; identity numbers are longer
_SIGNS = np.array([list(sign.encode().ljust(3, b"\0")) for sign in SIGNS], np.uint8)


@njit(cache=True, nogil=True)
def _search(data, offsets, signs, digits, found):  # type: ignore[no-untyped-def]
    for row in range(len(found)):
        start, end = offsets[row], offsets[row + 1]
        high = np.uint8(0)
        for at in range(start, end):
            high |= data[at]
        # a run of digits covers every place that is a multiple of its length
        last = start + digits - 1
        while last < end:
            at = last
            while at > last - digits and 48 <= data[at] <= 57:
                at -= 1
            if at == last - digits:
                found[row] = True
                break
            last = at + digits
        if high < 128 or found[row]:
            continue
        for at in range(start, end - 1):
            if data[at] < 0xC3:
                continue
            for sign in range(len(signs)):
                same = data[at] == signs[sign, 0] and data[at + 1] == signs[sign, 1]
                if same and (signs[sign, 2] == 0 or (at + 2 < end and data[at + 2] == signs[sign, 2])):
                    found[row] = True


def suspect(values: pa.ChunkedArray) -> np.ndarray:
    """For each value whether it holds a sign or that many digits; none may be null."""
    parts = [np.zeros(0, bool)]
    for chunk in values.chunks:
        _, offsets, data = chunk.buffers()
        found = np.zeros(len(chunk), bool)
        if len(chunk) and data is not None:
            ends = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            _search(np.frombuffer(data, np.uint8), ends, _SIGNS, DIGITS, found)
        parts.append(found)
    return np.concatenate(parts)
