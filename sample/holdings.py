"""What a library adds to a copied record: its control number, its agency, its holdings and items."""

import random
from zlib import crc32

from sample import clc
from sample.libraries import Feed
from sample.marc import Field, Record, value

MAX_ITEMS = 5
CLASSED_SHARE = 0.5  # MARC 21 records that carry a number of the Chinese Library Classification too
_ITEM_COUNTS = (1, 1, 1, 1, 1, 2, 2, 3)


def barcodes(feed: Feed, serial: int, count: int) -> list[str]:
    """Barcodes of a record's items: they follow from its serial number, so that they never change."""
    feed_digit = crc32(feed.source_id.encode()) % 10
    return [f"{feed.member[1:]}{feed_digit}{serial * MAX_ITEMS + at:08d}" for at in range(count)]


def localise(record: Record, feed: Feed, serial: int, updated: str, rng: random.Random) -> list[str]:
    """Make the record the library's own, in place; returns the barcodes of its items."""
    control = feed.control_number.format(serial)
    number, _ = clc.classify(value(record.first("050"), "a"))
    if feed.format == "cnmarc":
        number = value(record.first("690"), "a") or number
    codes = barcodes(feed, serial, rng.choice(_ITEM_COUNTS))
    book_number = str(crc32(control.encode()) % 900 + 1)
    location = rng.choice(feed.locations)
    price = f"{rng.randrange(800, 12000) / 100:.2f}"
    own = [field for field in record.fields if field[0] not in ("001", "003", "005")]
    head: list[Field] = [("001", "", [("", control)]), ("005", "", [("", updated)])]
    if feed.format == "cnmarc":
        own.append(("801", " 0", [("a", "CN"), ("b", feed.member), ("c", updated[:8])]))
        local = _cnmarc_holdings(feed, codes, location, number, book_number, price)
    else:
        head.insert(1, ("003", "", [("", feed.member)]))
        own = [_agency(field, feed.member) for field in own]
        local = _marc21_holdings(feed, codes, location, record, number, book_number, price)
        if rng.random() < CLASSED_SHARE:
            own.append(("084", "  ", [("a", number), ("2", "clc")]))
    record.fields = head + sorted(own + local, key=lambda field: field[0])
    record.leader = record.leader[:9] + feed.leader_09 + record.leader[10:]
    return codes


def _agency(field: Field, member: str) -> Field:
    tag, indicators, subfields = field
    return (tag, indicators, [*subfields, ("d", member)]) if tag == "040" else field


def _cnmarc_holdings(
    feed: Feed, codes: list[str], location: str, number: str, book_number: str, price: str
) -> list[Field]:
    """905 for the record (with its accession numbers where items have no field of their own), 906 per item."""
    call = [("d", number), ("e", book_number), ("s", f"{number}/{book_number}")]
    if feed.holdings == "cnmarc-905":
        accession = [("b", code) for code in codes]
        parts = [("a", feed.member), *accession, ("c", location), *call, ("f", str(len(codes)))]
        return [("905", "  ", parts)]
    items: list[Field] = [
        ("906", "  ", [("a", feed.member), ("b", c), ("c", location), *call[:2], ("r", f"CNY{price}")])
        for c in codes
    ]
    return [("905", "  ", [("a", feed.member), *call]), *items]


def _marc21_holdings(
    feed: Feed, codes: list[str], location: str, record: Record, number: str, book_number: str, price: str
) -> list[Field]:
    """852 for the record, 952 per item; LCC where the record has it, else CLC."""
    lcc = record.first("050")
    shelved, item = (value(lcc, "a"), value(lcc, "b")) if value(lcc, "a") else (number, book_number)
    call = f"{shelved} {item}".strip()
    holding = [("a", feed.member), ("b", location), ("h", shelved), ("i", item or book_number)]
    items: list[Field] = [
        ("952", "  ", [("a", location), ("g", price), ("o", call), ("p", code)]) for code in codes
    ]
    return [("852", "0 ", holding), *items]
