import random

import numpy as np

from transforms.iso2709_blocks import PADDING
from transforms.iso2709_kernel import Marks, delimiters
from transforms.iso2709_rows import CONTROL, HAN, NON_ASCII, NOT_UTF8, REPLACEMENT, text_bits

# Characters at the edges of what UTF-8 has (RFC 3629, section 4), and bytes that are none.
VALID = "aA ~ 中文书鿿䀀㿿\ua000 \x7f\x80\u07ff\u0800\uffff\ufffd \ud7ff\ue000𐀀\U0010ffff\x1b\x07é".replace(
    " ", ""
)
_CODES = "80 BF C080 C1BF E09FBF EDA080 F08FBFBF F4908080 F5808080 E4B8 E4 F09F93 FF E441 E4B841 E4B8C0"
INVALID = [bytes.fromhex(code) for code in _CODES.split()]


def bits(value: bytes, before: bytes) -> int:
    """What the kernel says of a value that stands behind some bytes of a chunk."""
    size = len(before) + len(value) + 9
    buffer = np.zeros(size + PADDING, np.uint8)
    buffer[: size - 9] = np.frombuffer(before + value, np.uint8)
    buffer[size - 9 : size] = np.frombuffer(b"\x1f" + "中文".encode() + b"\x80\x80", np.uint8)  # not the value's
    room = size + 64
    marks = Marks(*(np.zeros(room, np.int32) for _ in range(2)), np.zeros((2, room), np.int32),
                  np.zeros(room, np.int32), np.zeros(room, np.uint64))  # fmt: skip
    delimiters(buffer, size, marks)
    return text_bits(buffer, marks.odd, len(before), len(before) + len(value))


def expected(value: bytes) -> int:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return NON_ASCII | NOT_UTF8
    found = 0 if text.isascii() else NON_ASCII
    found |= HAN if any("\u4000" <= sign <= "\u9fff" for sign in text) else 0
    found |= REPLACEMENT if "\ufffd" in text else 0
    return found | (CONTROL if any(sign < " " and sign != "\x1b" for sign in text) else 0)


def test_the_bits_of_a_value_are_what_a_strict_decoder_says():
    rng = random.Random(1)
    for _ in range(20_000):
        pieces = [rng.choice(VALID).encode() * rng.choice((1, 1, 2, 3, 40)) for _ in range(rng.randint(0, 6))]
        if rng.random() < 0.3:
            pieces.insert(rng.randint(0, len(pieces)), rng.choice(INVALID))
        value = b"".join(pieces)
        got, right = bits(value, b"x" * rng.randint(0, 130)), expected(value)
        if right & NOT_UTF8:  # what stands behind the bad byte is not looked at
            assert got & (NON_ASCII | NOT_UTF8) == right, value
        else:
            assert got == right, value
