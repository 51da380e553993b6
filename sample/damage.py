"""Damage as real exports show it, done to one ISO 2709 record; each function gives other bytes."""

import random
from collections.abc import Callable


def wrong_length(record: bytes, rng: random.Random) -> bytes:
    """The leader counts characters where it should count bytes, or is off by a few."""
    shorter = len(record) - sum(1 for byte in record if 0x80 <= byte < 0xC0)
    length = shorter if shorter != len(record) else len(record) + rng.randrange(1, 9)
    return f"{length:05d}".encode() + record[5:]


def directory_off_by_one(record: bytes, rng: random.Random) -> bytes:
    """From the third entry on, every field is said to begin one byte late."""
    base = int(record[12:17])
    directory = record[24 : base - 1].decode("ascii")
    entries = [directory[at : at + 12] for at in range(0, len(directory), 12)]
    moved = [e if no < 2 else f"{e[:7]}{int(e[7:]) + 1:05d}" for no, e in enumerate(entries)]
    return record[:24] + "".join(moved).encode() + record[base - 1 :]


def bad_bytes(record: bytes, rng: random.Random) -> bytes:
    """Two bytes in the title that no encoding has."""
    base = int(record[12:17])
    directory = record[24 : base - 1].decode("ascii")
    entries = {directory[at : at + 3]: int(directory[at + 7 : at + 12]) for at in range(0, len(directory), 12)}
    at = base + (entries.get("245") or entries.get("200") or 0) + 6
    return record[:at] + b"\xff\xff" + record[at + 2 :]


def cut(record: bytes, rng: random.Random) -> bytes:
    """The export broke off: the end is missing, terminator and all."""
    return record[: len(record) * 3 // 5]


# done to records in the middle of an export; `cut` only befalls the last one
KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "wrong_length": wrong_length,
    "directory_off_by_one": directory_off_by_one,
    "bad_bytes": bad_bytes,
}
