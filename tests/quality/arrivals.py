"""Batches that arrive at a source, for tests of what becomes of them."""

from harvesters.landing import Landing
from harvesters.registry import Source
from quality import decisions
from tests.transforms.marc_records import build
from warehouse import engine, lake
from warehouse.outcome import Outcome

MEMBERS = "code,name_zh,name_en,kind,province,valid_from\nm,甲,A,undergraduate,11,2020-01-01\n"
SOURCES = "source_id,member_code,protocol,address,format\ns,m,folder,x,marc21\nt,m,folder,y,marc21\n"
S, T = (
    Source(source_id=name, member_code="m", protocol="folder", address=address, format="marc21")
    for name, address in (("s", "x"), ("t", "y"))
)


def registry() -> None:
    """Two sources of one member."""
    lake.registry().mkdir(parents=True)
    (lake.registry() / "members.csv").write_text(MEMBERS, "utf-8")
    (lake.registry() / "sources.csv").write_text(SOURCES, "utf-8")


def book(
    number: int,
    title: str = "A title",
    more: list[tuple[str, str]] | None = None,
    extent: str = "300",
    coded: str = "980101s1998    enk           000 1 eng d",
) -> bytes:
    """A sound MARC 21 record with some fields more, its extent in another field, or other coded data."""
    fields = [
        ("001", f"{number:05d}"),
        ("005", "20260101120000.0"),
        ("008", coded),
        ("050", " 4\x1faPL2727"),
        ("245", f"00\x1fa{title} {number}"),
        ("260", "  \x1faLondon :\x1fbPenguin,\x1fc1998."),
        (extent, "  \x1fa326 p."),
    ]
    return build(sorted([*fields, *(more or [])]))


def books(numbers: range, **details) -> bytes:
    """Sound records."""
    return b"".join(book(number, **details) for number in numbers)


def untitled(numbers: range) -> bytes:
    """Records that are set aside."""
    return b"".join(build([("001", f"{number:05d}"), ("100", "1 \x1faNobody")]) for number in numbers)


def land(content: bytes, source: Source = S, full: bool = False) -> str:
    """Land one file as a batch of its own."""
    batch_id = lake.new_batch_id()
    landing = Landing(source.source_id, batch_id)
    landing.land("file", content, "test")
    landing.complete(full)
    return batch_id


def counts(outcome: Outcome) -> tuple[int, ...]:
    return outcome.received, outcome.staged, outcome.rejected, outcome.deleted, outcome.unchanged


def failed(source_id: str, batch_id: str) -> dict[str, tuple[str, float]]:
    """What failed at the gates of a batch: by name what it is about, and the number observed."""
    rows = decisions.gates_of(source_id, batch_id)
    assert rows
    return {row["name"]: (row["about"], row["observed"]) for row in rows if not row["success"]}


def current() -> list[str]:
    """The identifiers of the current records of all sources."""
    with engine.open_lake() as con:
        return [row[0] for row in con.execute("SELECT record_id FROM staged.current_bib ORDER BY 1").fetchall()]
