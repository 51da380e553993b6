"""The demo libraries and their feeds, as data.  Every name says that it is a demonstration."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from warehouse import lake

MEMBERS = Path(__file__).with_name("members.csv")  # as it goes into the registry


@dataclass(frozen=True)
class Feed:
    """One bibliographic feed of a demo member, and the habits of its system.

    `size` is its share of all copies; `chinese` and `other` say how much it collects of either.
    `charset` is how it writes; `label` what it says in CNMARC 100$a/26-33; `leader_09` what the leader says.
    `separator` stands after each record.  `habits` are probabilities that differ from `copies.HABITS`.
    """

    source_id: str
    format: str  # marc21, cnmarc or oai_dc
    charset: str  # utf-8, gb18030, marc-8
    size: float
    chinese: float
    other: float
    control_number: str
    locations: tuple[str, ...]
    holdings: str = ""
    oai: str = ""  # marcxml or oai_dc; a folder of ISO 2709 files where empty
    sets: bool = False
    granularity: str = "second"
    label: str = ""
    leader_09: str = " "
    separator: bytes = b""
    delivery: str = "delta"
    habits: dict[str, float] = field(default_factory=dict)

    @property
    def member(self) -> str:
        """The code of the library."""
        return self.source_id.partition("-")[0]


FEEDS = (
    Feed(
        "D11001-marc21",
        "marc21",
        "utf-8",
        14,
        0.5,
        1.0,
        "b{:08d}",
        ("MAIN", "REF", "EAST"),
        holdings="marc21-852-952",
        leader_09="a",
    ),
    Feed(
        "D11002-repository",
        "oai_dc",
        "utf-8",
        4,
        0.3,
        0.6,
        "item-{:06d}",
        ("ONLINE",),
        oai="oai_dc",
        granularity="day",
    ),
    Feed(
        "D31001-cnmarc",
        "cnmarc",
        "gb18030",
        11,
        1.0,
        0.0,
        "CNB{:07d}",
        ("总馆社科书库", "总馆科技书库", "分馆"),
        holdings="cnmarc-905",
        label="0110    ",
    ),
    Feed(
        "D31001-western",
        "marc21",
        "utf-8",
        9,
        0.0,
        1.0,
        "{:09d}",
        ("外文书库", "分馆"),
        holdings="marc21-852-952",
        leader_09="a",
        habits={"lccn_missing": 0.3},
    ),
    Feed(
        "D32001-cnmarc",
        "cnmarc",
        "gb18030",
        11,
        1.0,
        0.02,
        "01{:010d}",
        ("流通书库", "样本书库", "阅览室"),
        holdings="cnmarc-906",
        label="50      ",
    ),
    Feed(
        "D33001-oai",
        "marc21",
        "utf-8",
        12,
        0.6,
        0.9,
        "99{:08d}",
        ("甲分馆", "乙分馆"),
        holdings="marc21-852-952",
        oai="marcxml",
        leader_09="a",
    ),
    Feed(
        "D42001-cnmarc",
        "cnmarc",
        "gb18030",
        8,
        1.0,
        0.0,
        "{:010d}",
        ("中文图书借阅处", "密集书库"),
        holdings="cnmarc-905",
        label="0120    ",
        leader_09="a",
    ),
    Feed(
        "D44001-oai",
        "marc21",
        "utf-8",
        10,
        0.6,
        0.8,
        "{:d}",
        ("总馆", "保存本库"),
        holdings="marc21-852-952",
        oai="marcxml",
        sets=True,
        leader_09="a",
        habits={"script_traditional": 0.25},
    ),
    Feed(
        "D44002-marc21",
        "marc21",
        "utf-8",
        2,
        0.4,
        0.5,
        "{:06d}",
        ("借阅室",),
        holdings="marc21-852-952",
        leader_09="a",
        delivery="full",
        habits={"isbn_missing": 0.2, "creators_missing": 0.25, "subtitle_missing": 0.2},
    ),
    Feed(
        "D51001-marc8",
        "marc21",
        "marc-8",
        8,
        0.2,
        0.9,
        "o{:07d}",
        ("STACKS", "REF"),
        holdings="marc21-852-952",
        habits={"isbn10": 0.9, "isbn_hyphen": 0.0},
    ),
    Feed(
        "D52001-cnmarc",
        "cnmarc",
        "gb18030",
        2,
        1.0,
        0.0,
        "{:08d}",
        ("书库",),
        holdings="cnmarc-906",
        label="0110    ",
        habits={"isbn_missing": 0.15, "creators_missing": 0.2},
    ),
    Feed(
        "D61001-marc21",
        "marc21",
        "utf-8",
        7,
        0.1,
        1.0,
        "xa{:07d}",
        ("MAIN", "BRANCH"),
        holdings="marc21-852-952",
        leader_09="a",
    ),
    Feed(
        "D62001-cnmarc",
        "cnmarc",
        "utf-8",
        2,
        1.0,
        0.0,
        "{:07d}",
        ("图书借阅室",),
        holdings="cnmarc-905",
        label="0120    ",
    ),
    Feed(
        "D21001-marc21",
        "marc21",
        "utf-8",
        6,
        0.3,
        0.8,
        "DL{:07d}",
        ("西文书库", "中文书库"),
        holdings="marc21-852-952",
    ),
    Feed(
        "D22001-repository",
        "oai_dc",
        "utf-8",
        2,
        0.3,
        0.6,
        "handle-1-{:05d}",
        ("ONLINE",),
        oai="oai_dc",
        sets=True,
    ),
    Feed(
        "D41001-marc21",
        "marc21",
        "utf-8",
        4,
        0.6,
        0.4,
        "HN{:08d}",
        ("外借处", "基藏库"),
        holdings="marc21-852-952",
        leader_09="a",
        habits={"isbn_hyphen": 0.5, "title_case": 0.2},
    ),
    Feed(
        "D35001-cnmarc",
        "cnmarc",
        "gb18030",
        5,
        1.0,
        0.0,
        "XM{:07d}",
        ("总馆", "工学馆"),
        holdings="cnmarc-906",
        label="0120    ",
        separator=b"\r\n",
        habits={"script_traditional": 0.15},
    ),
)

# members that also send their circulation log, snapshots of their stock and how many people they serve
LENDERS = ("D11001", "D31001", "D32001", "D44001")
# what other usage is sent, and by whom; D11001 sends what the centre counts of all tenants
USAGE = {
    "loans": LENDERS,
    "items": LENDERS[:3],  # of the fourth only what is catalogued is known
    "population": LENDERS,
    "ill": ("D11001", "D31001", "D33001", "D51001"),
    "counter": ("D11001", "D44001"),
    "ebook_loans": ("D31001",),
    "ppv": ("D61001",),
    "rental": ("D11001",),
    "kbart": ("D11001", "D44001"),  # what they have access to, and their COUNTER reports are of
    "costs": ("D11001", "D44001"),  # the first pays for a package, the other for the whole platform
}


PLATFORM, PACKAGE = "Demo Books", "Demo Books Complete"


class RegistryInUse(Exception):
    """The registry names libraries that are not of the sample; it is left alone."""


def usage_source(kind: str, member: str) -> str:
    """The source id of what a member sends of a kind of usage."""
    return f"{member}-{kind.replace('_', '-')}"


def oai_identifier(feed: Feed, control_number: str) -> str:
    """The OAI identifier of a record; the domain is one that can't exist."""
    return f"oai:{feed.member.lower()}.example:{control_number}"


def refuse_foreign_registry() -> None:
    """Make sure that no registry but the sample's own would be overwritten.

    Raises:
        RegistryInUse: there is a registry already that names other libraries.
    """
    path = lake.registry() / "members.csv"
    foreign = sorted(_codes(path) - _codes(MEMBERS)) if path.exists() else []
    if foreign:
        raise RegistryInUse(
            f"{path} names libraries that are not of the sample ({', '.join(foreign[:3])}); "
            "set CALIS_HOME to another folder for the sample, or move the registry away"
        )


def write_registry(port: int) -> None:
    """Write `members.csv` and `sources.csv` of the demo consortium."""
    folder = lake.registry()
    with lake.replacing_file(folder / "members.csv") as scratch:
        scratch.write_bytes(MEMBERS.read_bytes())
    rows = [_source(feed, port) for feed in FEEDS]
    rows += [_usage(kind, member) for kind, members in USAGE.items() for member in members]
    with lake.replacing_file(folder / "sources.csv") as scratch:
        write_csv(scratch, list(rows[0]), rows)


def write_csv(path: Path, columns: list[str], rows: Iterable[dict[str, str]]) -> None:
    """Write a CSV file with a header, in UTF-8; columns that a row lacks are empty."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _source(feed: Feed, port: int) -> dict[str, str]:
    return {
        "source_id": feed.source_id,
        "member_code": feed.member,
        "protocol": "oai" if feed.oai else "folder",
        "address": f"http://127.0.0.1:{port}/{feed.source_id}/oai" if feed.oai else _folder(feed.source_id),
        "metadata_prefix": feed.oai,
        "format": feed.format,
        "encoding": "auto",
        "holdings": feed.holdings,
        "delivery": feed.delivery,
        "schedule": "@daily",
        "quirks": "allow_private=yes" if feed.oai else "",
    }


def _usage(kind: str, member: str) -> dict[str, str]:
    source_id = usage_source(kind, member)
    row = {"source_id": source_id, "member_code": member, "protocol": "folder", "address": _folder(source_id)}
    quirks = f"package={PACKAGE}" if kind == "kbart" else ""
    return row | {
        "format": kind, "encoding": "auto", "delivery": "delta", "schedule": "@weekly", "quirks": quirks,
    }  # fmt: skip


def _folder(source_id: str) -> str:
    return f"sample/exports/{source_id}"


def _codes(path: Path) -> set[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row.get("code") or "" for row in csv.DictReader(file)}
