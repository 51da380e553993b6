"""Write a library's ISO 2709 files as its system exports them, some records damaged, some withdrawn."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sample import damage
from sample.libraries import Feed
from sample.marc import Encoder, Record, encode, to_marc8

RECORDS_A_FILE = 8_000
SMALLEST_DAMAGED = 12  # an export with fewer records stays whole
DAMAGED_SHARE = 0.0004  # of each kind
DELETED_SHARE = 0.003


@dataclass(frozen=True)
class Written:
    """Where a record went and what was done to it: state is live, deleted or damaged."""

    state: str
    file: str
    damage: str = ""


def encoder_of(charset: str) -> Encoder:
    """How text becomes bytes in that charset."""
    return to_marc8 if charset == "marc-8" else lambda text: text.encode(charset)


def plan(count: int, rng: random.Random, deleted_share: float, damaged: bool) -> dict[int, str]:
    """Which of `count` records are withdrawn or damaged, by position; few, but at least one of each."""
    if count < SMALLEST_DAMAGED:
        return {}
    kinds = ["deleted"] * max(1, round(count * deleted_share))
    if damaged:
        each = max(1, round(count * DAMAGED_SHARE))
        kinds += [kind for kind in damage.KINDS for _ in range(each)]
    # not among the last: allocation counts copies that may turn out impossible to encode, and one gets cut
    places = rng.sample(range(count * 9 // 10), len(kinds))
    return dict(zip(places, kinds, strict=True))


class FolderExport:
    """The files of one feed, in its own folder."""

    def __init__(self, folder: Path, feed: Feed, count: int, rng: random.Random, stem: str = "export"):
        self.folder, self.feed, self.rng, self.stem = folder, feed, rng, stem
        folder.mkdir(parents=True, exist_ok=True)
        self.plan = plan(count, rng, DELETED_SHARE, damaged=True)
        self.cuts = count >= SMALLEST_DAMAGED
        self.encoder = encoder_of(feed.charset)
        self.written = 0
        self.file: BinaryIO | None = None
        self.name = ""
        self.last = 0, 0  # where the last record lies in its file: begin, end

    def add(self, record: Record) -> Written:
        """Write the next record, treated as planned.

        Raises:
            ValueError: it can't be written in this feed's encoding or in ISO 2709; nothing was written.
        """
        kind = self.plan.get(self.written, "")
        if kind == "deleted":
            record = Record(record.leader[:5] + "d" + record.leader[6:], record.fields)
        content = encode(record, self.encoder)
        if kind in damage.KINDS:
            content = damage.KINDS[kind](content, self.rng)
        if self.written % RECORDS_A_FILE == 0:
            self._next_file()
        assert self.file is not None
        begin = self.file.tell()
        self.file.write(content + self.feed.separator)
        self.last = begin, begin + len(content)
        self.written += 1
        if kind in damage.KINDS:
            return Written("damaged", self.name, kind)
        return Written(kind or "live", self.name)

    def close(self) -> Written | None:
        """End the export; says so if its last record was cut off."""
        if self.file is None:
            return None
        self.file.close()
        if not self.cuts:
            return None
        path = self.folder / self.name
        begin, end = self.last
        content = path.read_bytes()
        path.write_bytes(content[:begin] + damage.cut(content[begin:end], self.rng))
        return Written("damaged", self.name, "cut")

    def _next_file(self) -> None:
        if self.file:
            self.file.close()
        self.name = f"{self.stem}-{self.written // RECORDS_A_FILE + 1:03d}.mrc"
        self.file = (self.folder / self.name).open("wb")
