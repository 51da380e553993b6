"""A later day at the sample's libraries: records changed, new and withdrawn, sent as their systems do.

A folder gets one more file with just those records; a repository has them under new datestamps.  A library
that always delivers everything sends nothing this time.
"""

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sample import books, lc, libraries
from sample.build import TRUTH, library_copy, oai_metadata, oai_sets
from sample.copies import HABITS, vary
from sample.export import encoder_of
from sample.libraries import FEEDS, Feed
from sample.marc import Record, encode
from sample.oai_data import OaiExport
from warehouse import lake

SHARES = {"changed": 0.01, "deleted": 0.003, "new": 0.005}

Row = dict[str, Any]
Counts = dict[str, int]


class NoSample(Exception):
    """There is no sample to be updated."""


def update(
    marc_file: Path | Sequence[Path] | None = None, at: datetime | None = None
) -> dict[str, dict[str, int]]:
    """Let one more day pass: the next harvest finds a few records changed, new and withdrawn at every feed.

    Args:
        marc_file: the files that the sample was built from; LC's records by default.
        at: when it happens (UTC); now by default.  Must be later than the last harvest to be found by it.

    Returns:
        Per source the number of `changed`, `new` and `deleted` records; also kept in `expected.json`.

    Raises:
        NoSample: nothing was built yet.
    """
    at = (at or lake.now()).replace(microsecond=0)
    expected_file, truth_file = lake.sample() / "expected.json", lake.sample() / "truth.parquet"
    if not expected_file.exists():
        raise NoSample(f"no sample in {lake.sample()}; build it first: calis sample")
    expected = json.loads(expected_file.read_text("utf-8"))
    truth: list[Row] = pq.read_table(truth_file).to_pylist()
    paths = [lc.fetch()] if marc_file is None else [marc_file] if isinstance(marc_file, Path) else list(marc_file)
    with books.open_shelf(paths) as shelf:
        day = _Day(shelf, truth, at, f"{expected['seed']}:{at.isoformat()}")
        counts = {feed.source_id: day.pass_at(feed) for feed in FEEDS if feed.delivery == "delta"}
    with lake.replacing_file(truth_file) as scratch:
        pq.write_table(pa.Table.from_pylist(truth, schema=TRUTH), scratch)
    expected.setdefault("updates", []).append({"at": at.isoformat(), "sources": counts})
    expected["records"] = len(truth)
    with lake.replacing_file(expected_file) as scratch:
        scratch.write_text(json.dumps(expected, indent=1), "utf-8")
    return counts


class _Day:
    """One update of the whole consortium; changes the rows of the truth in place."""

    def __init__(self, shelf: books.Shelf, truth: list[Row], at: datetime, seed: str):
        self.shelf, self.truth, self.at, self.seed = shelf, truth, at, seed
        self.units = {unit.book_id: unit for unit in shelf.units}
        self.rows: dict[str, list[Row]] = defaultdict(list)
        for row in truth:
            self.rows[row["source_id"]].append(row)
        held = {row["book_id"] for row in truth}
        self.fresh = [unit for unit in shelf.units if unit.book_id not in held]

    def pass_at(self, feed: Feed) -> Counts:
        """Change, add and withdraw at one library; returns how many of each."""
        rng = random.Random(f"{self.seed}:{feed.source_id}")
        rows = self.rows[feed.source_id]
        live = [row for row in rows if row["state"] == "live" and row["book_id"] in self.units]
        numbers = {name: max(1, round(len(live) * share)) for name, share in SHARES.items()}
        chosen = rng.sample(live, min(len(live), numbers["changed"] + numbers["deleted"]))
        deleted, changed = chosen[: numbers["deleted"]], chosen[numbers["deleted"] :]
        suited = [unit for unit in self.fresh if (feed.chinese if unit.chinese else feed.other) > 0.1]
        serial = max((row["serial"] for row in rows), default=0)
        taken = rng.sample(suited, min(len(suited), numbers["new"]))
        new = [_new_row(feed, unit, serial + 1 + no) for no, unit in enumerate(taken)]
        copies = [(row, self._copy(feed, row, rng)) for row in [*changed, *new, *deleted]]
        gone = {row["record_id"] for row in deleted}
        sent = self._to_repository(feed, copies, gone) if feed.oai else self._to_folder(feed, copies, gone)
        for row in deleted:
            row["state"] = "deleted"
        self.truth += [row for row in new if row["record_id"] in sent]
        return {
            "changed": sum(row["record_id"] in sent for row in changed),
            "new": sum(row["record_id"] in sent for row in new),
            "deleted": sum(row["record_id"] in sent for row in deleted),
        }

    def _copy(self, feed: Feed, row: Row, rng: random.Random) -> Record | None:
        unit = self.units[row["book_id"]]
        record = self.shelf.record(unit)
        if record is None:
            return None
        own, row["variations"] = vary(record, rng, HABITS | feed.habits)
        updated = self.at.strftime("%Y%m%d%H%M%S.0")
        return library_copy(own, feed, row["serial"], unit, updated, rng)[0]

    def _to_folder(self, feed: Feed, copies: list[tuple[Row, Record | None]], gone: set[str]) -> set[str]:
        """One more file in the folder; returns the ids of the records that are in it."""
        folder = lake.sample() / "exports" / feed.source_id
        name = f"update-{self.at:%Y%m%dT%H%M%S}.mrc"
        sent = set()
        with lake.replacing_file(folder / name) as scratch, scratch.open("wb") as out:
            for row, record in copies:
                if record is None:
                    continue
                if row["record_id"] in gone:
                    record.leader = record.leader[:5] + "d" + record.leader[6:]
                try:
                    out.write(encode(record, encoder_of(feed.charset)) + feed.separator)
                except ValueError:  # not to be said in this library's encoding
                    continue
                sent.add(row["record_id"])
                row["file"] = name
        return sent

    def _to_repository(self, feed: Feed, copies: list[tuple[Row, Record | None]], gone: set[str]) -> set[str]:
        """The repository written anew, what changed at its end; returns the ids of what changed."""
        target = lake.sample() / "oai" / feed.source_id
        usable = [(row, record) for row, record in copies if record is not None]
        with lake.replacing_folder(target) as folder:
            export = OaiExport(folder, feed, 0, random.Random(self.seed))
            export.copy_from(target, {row["record_id"] for row, _ in usable})
            for row, record in usable:
                deleted = row["record_id"] in gone
                metadata = {} if deleted else oai_metadata(record, feed, row["control_number"])
                export.add(row["record_id"], metadata, oai_sets(feed, row["chinese"]), self.at)
            export.close()
        return {row["record_id"] for row, _ in usable}


def _new_row(feed: Feed, unit: books.Unit, serial: int) -> Row:
    control = feed.control_number.format(serial)
    return {
        "source_id": feed.source_id,
        "record_id": libraries.oai_identifier(feed, control) if feed.oai else control,
        "control_number": control,
        "serial": serial,
        "book_id": unit.book_id,
        "chinese": unit.chinese,
        "state": "live",
        "damage": "",
        "file": "",
        "variations": [],
    }
