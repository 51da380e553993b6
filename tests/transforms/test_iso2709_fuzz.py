"""Damage records at random for some time, and hold what is read against the standard and the truth.

`CALIS_FUZZ_SECONDS` says for how long: by default 10 s, 120 s where `CI` is set; `make fuzz` takes ten minutes.
Each run draws other files.  A failure prints a seed that draws the same file again (`CALIS_FUZZ_SEED`), and the
file with all records taken out that it does not need.  If the process dies or hangs, the file that it
was reading lies in the folder for temporary files under the name `calis-fuzz-….mrc`.
"""

import os
import random
import secrets
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harvesters import containers
from harvesters.landing import count_records
from tests.transforms import reference_reader as reference
from tests.transforms.marc_damage import Sample, real_records, sample
from tests.transforms.marc_records import Fields, read
from transforms.arena import Memory
from transforms.chunk import Chunk
from transforms.iso2709_blocks import JUNK

SECONDS = float(os.environ.get("CALIS_FUZZ_SECONDS", "120" if os.environ.get("CI") else "10"))
WORKERS = 2  # tests that share the time, so that two processes can run them
SEED = os.environ.get("CALIS_FUZZ_SEED")
HELD = ("clean", "mended", "doubtful", "deleted")
# a value may be missing, or an end of one be moved, only where one of these is said
LOSES = {"iso2709-unlisted-field", "iso2709-foreign-bytes"}
NO_REASON = {
    "iso2709-letter-tag",
    "iso2709-leader",
    "iso2709-between-records",
    "control-character",
    "encoding-label",
}
Row = tuple[str, int, str | None, str | None, int, str | None, str]


class Reading:
    """A chunk as plain lists, by record."""

    def __init__(self, given: Sample):
        self.sample, self.content = given, given.content
        self.utf16 = bool(containers.utf16(self.content[:64]))  # also where damage looks like its mark
        self.chunk: Chunk = read(self.content, chunk_bytes=given.chunk_bytes, encoding_hint=given.encoding)
        self.records = self.chunk.records.to_pylist()
        self.told: list[str] = [record["status"] for record in self.records]
        self.contents: list[bytes] = self.chunk.content.to_pylist()
        self.rows: dict[int, list[Row]] = defaultdict(list)
        columns = [self.chunk.fields[name].to_pylist() for name in self.chunk.fields.column_names]
        self.numbers: list[int] = columns[0]
        for number, field_no, tag, ind1, ind2, subfield_no, code, value in zip(*columns, strict=True):
            self.rows[number].append((tag, field_no, ind1, ind2, subfield_no, code, value))
        self.rules: dict[int, set[str]] = defaultdict(set)
        for issue in self.chunk.issues.to_pylist():
            self.rules[issue["record_no"]].add(issue["rule"])


# --- what must hold of any file ------------------------------------------------------------------------------


def check_counts(got: Reading) -> None:
    """Each record received is one row, in order, with what its status promises."""
    start = got.content[: containers.SNIFF]
    if containers.container(start) == containers.ISO2709 or (b"\x1d" in start and not got.utf16):
        assert len(got.records) == count_records(got.content)
    assert [record["record_no"] for record in got.records] == list(range(len(got.records)))
    assert set(got.told) <= {*HELD, "rejected"}
    assert sorted(got.numbers) == got.numbers
    assert set(got.rows) == {number for number, told in enumerate(got.told) if told != "rejected"}
    rejected = got.chunk.rejected.to_pylist()
    assert [row["record_no"] for row in rejected] == [n for n, told in enumerate(got.told) if told == "rejected"]
    for row in rejected:
        assert row["content"] == got.contents[row["record_no"]]
        assert row["byte_offset"] == got.records[row["record_no"]]["byte_offset"]
        assert row["rule"] and row["reason"] and row["advice"]
    for number in got.rules:
        assert 0 <= number < len(got.records)


def check_rows(got: Reading) -> None:
    """Fields and subfields are counted from nought without a gap."""
    for number, rows in got.rows.items():
        assert rows[0][0] == "LDR" and rows[0][1] == 0
        for before, row in pairwise(rows):
            next_field = row[1] == before[1] + 1 and row[4] == 0
            assert next_field or (row[1] == before[1] and row[4] == before[4] + 1), (number, before, row)


def check_places(got: Reading) -> None:
    """Offsets and bytes are those of the file; what lies between records is blank or told."""
    if got.utf16:
        return
    units = [unit.lstrip(JUNK) for unit in got.content.split(b"\x1d") if unit.strip(JUNK)]
    assert len(units) == len(got.records)
    end = 0
    for number, (record, content) in enumerate(zip(got.records, got.contents, strict=True)):
        place = record["byte_offset"]
        assert got.content[place : place + len(content)] == content
        assert content.removesuffix(b"\x1d").endswith(units[number])
        between = got.content[end:place]
        assert not between.strip(JUNK + b"\x1d")
        if between and got.told[number] != "rejected" and b"\x1d" not in between:
            assert got.rules[number] & {"iso2709-between-records", "iso2709-foreign-bytes"}
        end = place + len(content)
    assert not got.content[end:].strip(JUNK + b"\x1d")


def check_reasons(got: Reading) -> None:
    """A record that is mended or doubtful has an issue that says why, a clean one none that would."""
    for number, told in enumerate(got.told):
        reasons = got.rules[number] - NO_REASON - {"possible-personal-data"}
        if told in ("mended", "doubtful"):
            assert reasons, number
        elif told == "clean":
            assert not reasons, (number, reasons)


# --- values --------------------------------------------------------------------------------------------------


def check_clean(got: Reading) -> None:
    """A clean record is exactly what a slow reading by the standard says; one that is plain and right is clean."""
    for number, told in enumerate(got.told):
        charset = got.records[number]["charset"]
        try:
            rows = reference.rows(got.contents[number])
        except reference.Wrong as wrong:
            if got.utf16:  # lengths count other bytes
                continue
            assert told != "clean", f"record {number} is said to be clean: {wrong}"
            continue
        if told == "clean":
            assert len(rows) == len(got.rows[number]), number
            for row, (*place, value) in zip(rows, got.rows[number], strict=True):
                assert row[:-1] == tuple(place), (number, row, place)
                assert reference.same(value, row[-1], charset), (number, row, value, charset)
        elif all(0x20 <= byte < 0x7F for byte in got.contents[number].translate(None, b"\x1d\x1e\x1f")):
            bare = any(b"$1" in row[-1] for row in rows)
            foreign = "iso2709-foreign-bytes" in got.rules[number]
            assert told == "deleted" or bare or foreign, (
                f"record {number} is right and plain, but {told}: {got.rules[number]}"
            )


def fields_of(rows: list[Row]) -> Fields:
    """The fields without the leader, as `marc_records.build` takes them."""
    found: list[list[str]] = []
    for tag, _, ind1, ind2, subfield_no, code, value in rows[1:]:
        if subfield_no == 0:
            found.append([tag, (ind1 or "") + (ind2 or "")])
        found[-1][1] += value if not code else "\x1f" + code + value
    return [(tag, text) for tag, text in found]


def check_truth(got: Reading) -> None:
    """Where only leader and directory were damaged, the fields are known: clean is equal, mended has the same."""
    truths = {record.content.rstrip(JUNK): record.truth for record in got.sample.records}
    for number, told in enumerate(got.told):
        true_fields = truths.get(got.contents[number])
        if true_fields is None or told not in ("clean", "mended"):
            continue
        fields, truth = ([(tag, reference.comparable(text)) for tag, text in one] for one in
                         (fields_of(got.rows[number]), true_fields))  # fmt: skip
        if told == "clean":
            assert fields == truth, (number, got.records[number]["charset"])
        else:
            assert Counter(fields) == Counter(truth), (number, got.records[number]["charset"])


def check_nothing_lost(got: Reading) -> None:
    """Each character behind the directory is in a value, an indicator or a code, unless it is said to be lost."""
    for number, rows in got.rows.items():
        charset = got.records[number]["charset"]
        if charset not in ("utf-8", "gb18030", "koi8-r") or got.rules[number] & LOSES or got.utf16:
            continue
        data = got.contents[number].removesuffix(b"\x1d").partition(b"\x1e")[2]
        try:
            text = "".join(part.decode(charset) for part in data.replace(b"\x1e", b"\x1f").split(b"\x1f"))
        except UnicodeDecodeError:
            continue
        kept = Counter("".join(value for _, value in fields_of(rows)).replace("\x1e", "").replace("\x1f", ""))
        overwritten = 2 if "iso2709-terminator" in got.rules[number] else 0
        assert not kept - Counter(text) and (Counter(text) - kept).total() <= overwritten, (
            number,
            got.rules[number],
        )


def check_chunks(got: Reading) -> None:
    """Where the file is cut into chunks changes nothing but, perhaps, which charset is found first."""
    if len(got.content) % 4:  # a quarter of all files is enough
        return
    other = Reading(replace(got.sample, chunk_bytes=3 * got.sample.chunk_bytes + 1))
    assert got.contents == other.contents
    for number, (one, two) in enumerate(zip(got.records, other.records, strict=True)):
        for name in ("record_no", "byte_offset", "digest"):
            assert one[name] == two[name], (number, name)
        if "rejected" in (one["status"], two["status"]):
            continue
        assert structure(got, number) == structure(other, number), number
        if one["charset"] == two["charset"]:
            assert got.rows[number] == other.rows[number], number


def structure(got: Reading, number: int) -> tuple[list[tuple[object, ...]], set[str]]:
    """What does not depend on the charset of a record."""
    return [row[:-1] for row in got.rows[number]], {rule for rule in got.rules[number] if rule.startswith("iso")}


CHECKS = (
    check_counts,
    check_rows,
    check_places,
    check_reasons,
    check_clean,
    check_truth,
    check_nothing_lost,
    check_chunks,
)


def check(given: Sample) -> int:
    """All that must hold of one file; how many records it has."""
    got = Reading(given)
    for one in CHECKS:
        one(got)
    return len(got.records)


# --- the loop ------------------------------------------------------------------------------------------------


def smallest(given: Sample) -> Sample:
    """The file without the records that the failure does not need."""

    def fails(candidate: Sample) -> bool:
        try:
            check(candidate)
        except Exception:
            return True
        return False

    for step in (8, 1):
        at = 0
        while at < len(given.records):
            fewer = replace(given, records=given.records[:at] + given.records[at + step :])
            if fewer.records and fails(fewer):
                given = fewer
            else:
                at += step
    return given


def shown(given: Sample, number: int, seed: str, error: Exception) -> str:
    """What a failure prints: enough to see it, and to have it again."""
    found = smallest(given)
    content = found.content
    kept = Path(tempfile.gettempdir()) / f"calis-fuzz-failed-{seed}-{number}.mrc"
    kept.write_bytes(content)
    return (
        f"{type(error).__name__}: {error}\nCALIS_FUZZ_SEED={seed}.{number} draws the file again; "
        f"reduced to {len(found.records)} records it lies in {kept}, read with chunk_bytes={found.chunk_bytes}, "
        f"encoding_hint={found.encoding!r}:\n{content[:3000]!r}"
    )


@pytest.fixture
def dirty_memory(monkeypatch):
    """Arrays that are not filled hold anything, as they do in a long run."""
    take = Memory.take

    def dirty(self: Memory, length: int, kind: type) -> np.ndarray:
        array = take(self, length, kind)
        array.view(np.uint8)[:] = 0xA5
        return array

    monkeypatch.setattr(Memory, "take", dirty)


@pytest.mark.parametrize("worker", range(WORKERS))
def test_any_damage_is_read_as_it_is_or_flagged(request, dirty_memory, worker, capsys):
    bases = real_records(request.config.rootpath.parent / "shared/data", 60)
    seed, _, only = (SEED or secrets.token_hex(4)).partition(".")
    at_hand = Path(tempfile.gettempdir()) / f"calis-fuzz-{seed}-{worker}.mrc"
    end, number, records = time.monotonic() + SECONDS / WORKERS, int(only or worker), 0
    while True:
        given = sample(random.Random(f"{seed}.{number}"), bases)
        at_hand.write_bytes(given.content)
        try:
            records += check(given)
        except Exception as error:
            raise AssertionError(shown(given, number, seed, error)) from error
        if only or time.monotonic() > end:
            break
        number += WORKERS
    at_hand.unlink()
    with capsys.disabled():
        print(f" fuzz: seed {seed}, {number // WORKERS + 1} files, {records} records", end="")
