"""Build the sample consortium: exports, repositories, circulation logs, registry, and the truth about them.

Below `lake.sample()`::

    exports/<source>/…        ISO 2709 files and circulation logs, as the libraries' systems write them
    oai/<source>/…            what `sample.provider` serves
    truth.parquet             which member record is which book: one row a record
    damage.csv                what was damaged on purpose, and how
    expected.json             per source how many records were written, damaged and deleted
"""

import csv
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sample import books, cnmarc, dublin_core, lc, libraries, loans, usage
from sample.copies import HABITS, vary
from sample.export import FolderExport, Written
from sample.holdings import localise
from sample.libraries import FEEDS, USAGE, Feed
from sample.marc import Field, Record, marcxml, value
from sample.oai_data import OaiExport
from warehouse import lake

TRUTH = pa.schema(
    [
        ("source_id", pa.string()),
        ("record_id", pa.string()),  # the OAI identifier for a repository, else the control number
        ("control_number", pa.string()),
        ("serial", pa.int32()),  # the number that the library gave it
        ("book_id", pa.string()),  # the control number of the record that it was copied from
        ("chinese", pa.bool_()),
        ("state", pa.string()),  # live, deleted or damaged
        ("damage", pa.string()),
        ("file", pa.string()),
        ("variations", pa.list_(pa.string())),
    ]
)
CALIS_ID_SHARE = 0.35
PROGRESS_EVERY = 500
_ISBN = re.compile(r"97[89]\d{10}|\d{9}[\dXx]")

Progress = Callable[[int, int], None]


def build(
    marc_file: Path | Sequence[Path] | None = None,
    records: int = 80_000,
    seed: int = 2026,
    port: int = 8437,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the whole sample anew; the old one is there until the new one is complete.

    Args:
        marc_file: MARC 21 in UTF-8 to make it from, one file or several; LC's 250,000 records by default.
        records: about how many member records there shall be, all feeds together.
        seed: the same seed gives the same sample.
        port: where the OAI-PMH provider will listen; goes into the addresses in `sources.csv`.
        progress: called now and then with how many records are written and how many there will be.

    Returns:
        `records`, `books`, `items`, `loans`, and `sources`: per source what `expected.json` says.

    Raises:
        lc.FetchError, books.NoBooks, libraries.RegistryInUse, OSError
    """
    if records < 1:
        raise ValueError(f"records must be at least 1, not {records}")
    libraries.refuse_foreign_registry()
    paths = [lc.fetch()] if marc_file is None else [marc_file] if isinstance(marc_file, Path) else list(marc_file)
    with books.open_shelf(paths) as shelf, lake.replacing_folder(lake.sample()) as folder:
        (folder / "exports").mkdir()
        (folder / "oai").mkdir()
        copies = books.share_out(shelf.units, records, seed)
        sample = Sample(folder, copies, seed)
        total = sum(len(copy.feeds) for copy in copies)
        for done, copy in enumerate(copies):
            if progress and done % PROGRESS_EVERY == 0:
                progress(len(sample.truth), total)
            sample.add_book(copy, shelf.record(copy.unit))
        summary = sample.close()
        details = {"seed": seed, "port": port, "files": [path.name for path in paths]}
        (folder / "expected.json").write_text(json.dumps(details | summary, indent=1), "utf-8")
        libraries.write_registry(port)
    if progress:
        progress(total, total)
    return summary


class Sample:
    """The consortium being written: one export a feed, and the truth."""

    def __init__(self, folder: Path, copies: list[books.Copies], seed: int):
        self.folder, self.seed = folder, seed
        counts = Counter(feed for copy in copies for feed in copy.feeds)
        self.exports = [self._export(feed, counts[at]) for at, feed in enumerate(FEEDS)]
        self.habits = [HABITS | feed.habits for feed in FEEDS]
        self.serials = [0] * len(FEEDS)
        self.truth: list[dict[str, Any]] = []
        self.last: dict[str, int] = {}  # source: its newest row of the truth
        self.items: list[tuple[int, list[str]]] = []  # barcodes of a row of the truth
        self.books = 0
        self.titles: list[usage.Title] = []  # those that have an ISBN

    def _export(self, feed: Feed, count: int) -> FolderExport | OaiExport:
        rng = random.Random(f"{self.seed}:{feed.source_id}")
        if not feed.oai:
            return FolderExport(self.folder / "exports" / feed.source_id, feed, count, rng)
        return OaiExport(self.folder / "oai" / feed.source_id, feed, count, rng)

    def add_book(self, copy: books.Copies, record: Record | None) -> None:
        """Write every library's copy of one book; a book whose record is unfit is left out everywhere."""
        if record is None:
            return
        self.books += 1
        if isbn := _ISBN.match(value(record.first("020"), "a").replace("-", "")):
            title = value(record.first("245"), "a").rstrip(" /:;,")
            self.titles.append(usage.Title(copy.unit.book_id, title, isbn[0]))
        rng = random.Random(f"{self.seed}:{copy.unit.book_id}")
        for at in copy.feeds:
            self.serials[at] += 1
            own, variations = vary(record, rng, self.habits[at])
            self._write(at, copy.unit, own, variations, rng)

    def _write(self, at: int, unit: books.Unit, own: Record, variations: list[str], rng: random.Random) -> None:
        feed, export, serial = FEEDS[at], self.exports[at], self.serials[at]
        control = feed.control_number.format(serial)
        row = {
            "source_id": feed.source_id,
            "record_id": libraries.oai_identifier(feed, control) if feed.oai else control,
            "control_number": control,
            "serial": serial,
            "book_id": unit.book_id,
            "chinese": unit.chinese,
            "variations": variations,
        }
        updated = f"2024{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}{rng.randrange(8, 18):02d}3015.0"
        own, codes = library_copy(own, feed, serial, unit, updated, rng)
        if isinstance(export, OaiExport):
            written = add_to_repository(export, own, str(row["record_id"]), control, unit.chinese)
        else:
            try:
                written = export.add(own)
            except ValueError:  # not to be said in this library's encoding: then it doesn't hold the book
                return
        self.last[feed.source_id] = len(self.truth)
        self.truth.append(row | {"state": written.state, "damage": written.damage, "file": written.file})
        self.items.append((len(self.truth) - 1, codes))

    def close(self) -> dict[str, Any]:
        """Write what is known at the end; returns the summary."""
        for feed, export in zip(FEEDS, self.exports, strict=True):
            cut = export.close()
            if isinstance(cut, Written) and feed.source_id in self.last:
                row = self.truth[self.last[feed.source_id]]
                row.update(state=cut.state, damage=cut.damage)
        pq.write_table(pa.Table.from_pylist(self.truth, schema=TRUTH), self.folder / "truth.parquet")
        self._write_damage()
        sources = self._expected()
        lent = {
            libraries.usage_source(kind, member): self._write_usage(kind, member)
            for kind, members in USAGE.items() for member in members
        }  # fmt: skip
        sources |= lent
        return {
            "records": len(self.truth),
            "books": self.books,
            "items": sum(len(codes) for _, codes in self.items),
            "loans": sum(lent[libraries.usage_source("loans", member)]["written"] for member in USAGE["loans"]),
            "sources": sources,
        }

    def _write_usage(self, kind: str, member: str) -> dict[str, int]:
        """Write what a member sends of one kind of usage; returns how many rows, and how many are damaged."""
        folder = self.folder / "exports" / libraries.usage_source(kind, member)
        rng = random.Random(f"{self.seed}:{member}:{kind}")
        if kind in ("loans", "items", "population"):
            rows = ((self.truth[at], codes) for at, codes in self.items)
            held = (codes for row, codes in rows if row["state"] == "live" and _member(row) == member)
            codes = [code for codes in held for code in codes]
            if kind == "loans":
                return loans.write(folder, member, codes, rng)
            if kind == "items":
                return loans.write_items(folder, codes)
        folder.mkdir(parents=True)
        titles = self.titles[:2000]
        match kind:
            case "population":
                written = usage.population(folder, len(codes))
            case "ill":
                written = usage.requests(folder, member, titles, self._holders(), rng)
            case "counter":
                written = usage.counter(folder, member, titles, rng)
            case "ebook_loans":
                written = usage.ebook_loans(folder, titles, rng)
            case "ppv":
                written = usage.orders(folder, rng)
            case "rental":
                written = usage.rental(folder, sorted({feed.member for feed in FEEDS}), rng)
            case "kbart":
                written = usage.title_list(folder, titles)
            case _:
                written = usage.costs(folder, member == USAGE["costs"][0], rng)
        return {"written": written, "damaged": 0}

    def _holders(self) -> dict[str, list[str]]:
        """The members that hold items of each book."""
        found: dict[str, list[str]] = {}
        with_items = (self.truth[at] for at, codes in self.items if codes)
        for row in with_items:
            if row["state"] == "live" and (member := _member(row)) not in (
                held := found.setdefault(row["book_id"], [])
            ):
                held.append(member)
        return found

    def _write_damage(self) -> None:
        columns = ["source_id", "record_id", "kind", "file"]
        with (self.folder / "damage.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            for row in self.truth:
                if row["damage"]:
                    writer.writerow([row["source_id"], row["record_id"], row["damage"], row["file"]])

    def _expected(self) -> dict[str, dict[str, int]]:
        counts = Counter((row["source_id"], row["state"]) for row in self.truth)
        return {
            feed.source_id: {
                "written": sum(counts[feed.source_id, state] for state in ("live", "deleted", "damaged")),
                "damaged": counts[feed.source_id, "damaged"],
                "deleted": counts[feed.source_id, "deleted"],
            }
            for feed in FEEDS
        }


def _member(row: dict[str, Any]) -> str:
    return str(row["source_id"]).partition("-")[0]


def library_copy(
    own: Record, feed: Feed, serial: int, unit: books.Unit, updated: str, rng: random.Random
) -> tuple[Record, list[str]]:
    """The varied record in the library's format, with its control number and holdings; and its barcodes."""
    if feed.format == "oai_dc":
        return own, []
    if feed.format == "cnmarc":
        own = cnmarc.convert(own, feed.label)
        if rng.random() < CALIS_ID_SHARE:
            field: Field = ("099", "  ", [("a", cnmarc.calis_id(unit.number))])
            own.fields.append(field)
    return own, localise(own, feed, serial, updated, rng)


def add_to_repository(export: OaiExport, own: Record, identifier: str, control: str, chinese: bool) -> Written:
    """Write the copy into a repository, in every format that it offers; or its withdrawal, as planned."""
    sets = oai_sets(export.feed, chinese)
    if export.deletes_next():
        return export.add(identifier, {}, sets)
    return export.add(identifier, oai_metadata(own, export.feed, control), sets)


def oai_sets(feed: Feed, chinese: bool) -> list[str]:
    """The sets that a record is in."""
    return ["books", "books:chinese" if chinese else "books:other"] if feed.sets else []


def oai_metadata(own: Record, feed: Feed, control: str) -> dict[str, str]:
    """The record in every format that its repository offers."""
    metadata = {"oai_dc": dublin_core.oai_dc(own, f"http://{feed.member.lower()}.example/{control}")}
    return metadata | {"marcxml": marcxml(own)} if feed.oai == "marcxml" else metadata
