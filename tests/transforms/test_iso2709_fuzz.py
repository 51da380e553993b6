"""Damage records at random for some time: `CALIS_FUZZ_SECONDS`, by default 20; `make fuzz` takes longer.

Time only says how many seeds are tried; each seed draws the same examples on every machine.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from harvesters.landing import count_records
from tests.transforms.marc_records import CNMARC_LEADER, assemble, build, read, status, taken_apart, written

SECONDS = float(os.environ.get("CALIS_FUZZ_SECONDS", "20"))
THOROUGH = settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))

PLAIN = build(
    [
        ("001", "b1"),
        ("008", "850320n        us                  eng"),
        ("020", "  \x1fa9780306406157\x1fcUSD 10"),
        ("245", "10\x1faTitle :\x1fbsubtitle /\x1fcA. Author."),
        ("260", "  \x1faPlace :\x1fbPublisher,\x1fc1985."),
        ("650", " 0\x1faSubject\x1fxHistory."),
        ("650", " 0\x1faSubject\x1fxTheory."),
    ]
)
HAN = [
    ("001", "c1"),
    ("100", "  \x1fa20200101d2020    em y0chiy50      ea"),
    ("200", "1 \x1fa中国图书馆学研究\x1ff王文编"),
    ("210", "  \x1fa北京\x1fc北京大学出版社\x1fd2020"),
    ("801", " 0\x1faCN\x1fbNLC"),
]
BASES = [PLAIN, build(HAN, CNMARC_LEADER), build(HAN, CNMARC_LEADER, "gb18030")]


def for_some_time(check: Callable[[], None], share: float) -> None:
    """Run a hypothesis test with one seed after the other."""
    end = time.monotonic() + SECONDS * share
    number = 0
    while number == 0 or time.monotonic() < end:
        seed(number)(check)()
        number += 1


@pytest.fixture(scope="module")
def bases(request) -> list[bytes]:
    """Synthetic records, and some real ones where there are any."""
    found = [*BASES]
    folder = request.config.rootpath.parent / "shared/data"
    for name in ("marc21/lc-chinese.mrc", "marc21/uva-marc8-with-items.mrc", "unimarc/serials.mrc"):
        if (folder / name).exists():
            with (folder / name).open("rb") as stream:
                found += [unit + b"\x1d" for unit in stream.read(20_000).split(b"\x1d")[:6]]
    return found


BYTES = st.sampled_from(
    [0x1B, 0x1D, 0x1E, 0x1F, 0x20, 0x24, 0x30, 0x31, 0x39, 0x0A, 0x00, 0x7F, 0x80, 0xC3, 0xE4, 0xFF]
)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["put", "insert", "delete", "repeat", "cut", "swap"]),
        st.integers(0, 5000),
        st.integers(1, 30),
        BYTES,
    ),
    max_size=6,
)


def changed(content: bytes, changes: list[tuple[str, int, int, int]]) -> bytes:
    for kind, place, length, byte in changes:
        at = place % (len(content) or 1)
        piece, rest = content[at : at + length], content[at + length :]
        content = {
            "put": content[:at] + bytes([byte]) + content[at + 1 :],
            "insert": content[:at] + bytes([byte]) + content[at:],
            "delete": content[:at] + rest,
            "repeat": content[:at] + piece + piece + rest,
            "cut": content[: at + 1] + (b"\x1d" if length % 2 else b""),
            "swap": content[:at] + rest[:length] + piece + rest[length:],
        }[kind]
    return content


def test_any_damage_neither_crashes_nor_loses_the_count(bases):
    @THOROUGH
    @given(st.lists(st.sampled_from(bases), min_size=1, max_size=4), CHANGES, st.integers(40, 6000))
    def check(records, changes, chunk_bytes):
        content = changed(b"".join(records), changes)
        chunk = read(content, chunk_bytes=chunk_bytes)
        told = status(chunk)
        if b"\x1d" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
            assert len(told) == count_records(content)
        assert chunk.records["record_no"].to_pylist() == list(range(len(told)))
        assert chunk.rejected["record_no"].to_pylist() == [n for n, one in enumerate(told) if one == "rejected"]
        assert set(chunk.fields["record_no"].to_pylist()) == {n for n, one in enumerate(told) if one != "rejected"}
        if "utf-16" not in chunk.records["charset"].to_pylist():
            places = chunk.records["byte_offset"].to_pylist()
            for place, one in zip(places, chunk.content.to_pylist(), strict=True):
                assert content[place : place + len(one)] == one

    for_some_time(check, 0.5)


def damaged_directory(record: bytes, rng: random.Random) -> bytes:
    """Damage what says where fields are; the fields themselves and their tags stay."""
    base = record.index(b"\x1e") + 1
    head = bytearray(record[:base])
    entries = range(24, base - 1, 12)
    for number in range(rng.randint(1, 4)):
        at = rng.choice(entries)
        match rng.randrange(7 if number else 8):
            case 0 | 1 | 2:
                head[at + rng.randrange(3, 12)] = rng.choice(b"0123456789")
            case 3:
                head[rng.choice([*range(5), *range(12, 17)])] = rng.choice(b"0123456789 ")
            case 4:
                head[at + rng.randrange(3, 12)] = rng.choice(b" x\x00\x7f\xc3\x1f")
            case 5:
                start = int(head[at + 7 : at + 12]) if head[at + 7 : at + 12].isdigit() else 0
                head[at + 7 : at + 12] = b"%05d" % ((start + rng.choice([-1, 1])) % 100_000)
            case 6:
                head[at + 3 : at + 7] = rng.choice([b"0000", b"9999", bytes(head[at + 4 : at + 8])])
            case _:  # two entries change places, or what they point to; done twice, it could exchange their tags
                other, low = rng.choice(entries), rng.choice([0, 3])
                a, b = head[at + low : at + 12], head[other + low : other + 12]
                head[at + low : at + 12], head[other + low : other + 12] = b, a
    return bytes(head) + record[base:]


def test_damaged_directory_is_never_clean_with_another_value(bases):
    """A clean record is as it was; no other has a text that it had not, and none is lost where it is mended."""
    truths = [taken_apart(record) for record in bases]
    plain = [
        all(text.isascii() for _, text in truth) or record[9:10] == b"a"
        for record, truth in zip(bases, truths, strict=True)
    ]

    @THOROUGH
    @given(st.integers(0, 2**32))
    def check(number):
        rng = random.Random(number)
        chosen = [rng.choice([i for i, is_plain in enumerate(plain) if is_plain]) for _ in range(4)]
        content = b"".join(damaged_directory(bases[i], rng) for i in chosen)
        chunk = read(content, chunk_bytes=rng.choice([500, 5000]))
        told, fields = status(chunk), written(chunk)
        assert len(told) == len(chosen)
        for n, i in enumerate(chosen):
            got = [(tag.encode(), text.encode()) for tag, text in fields[n]]
            if told[n] == "clean":
                assert got == truths[i]
            elif told[n] == "mended":
                assert Counter(got) == Counter(truths[i])

    for_some_time(check, 0.3)


def test_lengths_made_before_the_text_changed_are_never_clean_with_another_value():
    """The text of fields grows, shrinks or loses a terminator after the directory was made."""
    truth = taken_apart(PLAIN)

    @THOROUGH
    @given(st.integers(0, 2**32))
    def check(number):
        rng = random.Random(number)
        texts = [text for _, text in truth]
        lengths = [len(text) + 1 for text in texts]
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(texts))
            cut = rng.randint(2, len(texts[at]))
            texts[at] = rng.choice([texts[at] + b" more", texts[at][:cut], b"  \x1fa" + texts[at][2:]])
        parts = [(tag, text) for (tag, _), text in zip(truth, texts, strict=True)]
        record = assemble(parts, PLAIN[:24], lengths)
        chunk = read(record)
        if status(chunk) == ["clean"]:
            assert [(tag.encode(), text.encode()) for tag, text in written(chunk)[0]] == parts

    for_some_time(check, 0.2)
