"""The life of a defect: first seen, still there, waived, mended by a newer version, back again."""

import pyarrow.parquet as pq
import pytest

from harvesters import registry
from quality import decisions, score
from tests.quality import arrivals
from tests.quality.arrivals import S, book, land
from tests.transforms.marc_records import build
from transforms.stage import stage
from warehouse import engine, lake

SHORT = "980101s1998"  # an 008 that is too short breaks field-008-length


@pytest.fixture(autouse=True)
def lake_with_registry(lake_home):
    arrivals.registry()


def defects(day: int) -> dict[tuple[str, str], tuple[str, int, int, int | None]]:
    """By record and rule after a build of that day: status, and when it was first seen, last seen, mended."""
    build_id = f"202601{day:02d}T000000000000Z"
    lake.catalog_build(build_id).mkdir(parents=True)
    with engine.open_lake() as con:
        score.scores(con, registry.load())
        rows = score.defects(con)
    path = lake.defect_file(build_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)

    def on(build_id):
        return build_id and int(build_id[6:8])

    return {
        (row["record_key"], row["rule"]): (
            row["status"],
            on(row["first_seen"]),
            on(row["last_seen"]),
            on(row["fixed_at"]),
        )
        for row in rows.to_pylist()
        if row["rule"] in ("field-008-length", "missing-title", "missing-control-number")
    }


def test_a_better_version_closes_it_and_a_worse_one_opens_it_again():
    found = ("00001", "field-008-length")
    land(book(1, coded=SHORT) + book(2))
    stage(S, "r")
    assert defects(1) == {found: ("open", 1, 1, None)}
    assert defects(2) == {found: ("open", 1, 2, None)}
    land(book(1))
    stage(S, "r")
    assert defects(3) == {found: ("fixed", 1, 2, 3)}
    assert defects(4) == {found: ("fixed", 1, 2, 3)}
    land(book(1, coded=SHORT))
    stage(S, "r")
    assert defects(5) == {found: ("open", 1, 5, None)}


def test_a_record_that_leaves_takes_its_defects_with_it():
    land(book(1, coded=SHORT) + book(2), full=True)
    stage(S, "r")
    defects(1)
    land(book(2), full=True)
    stage(S, "r")
    assert defects(2) == {("00001", "field-008-length"): ("withdrawn", 1, 1, 2)}


def test_a_waived_one_is_told_as_such():
    land(book(1, coded=SHORT))
    stage(S, "r")
    decisions.waive("field-008-length", "s", decisions.today(), "li", "old system")
    assert defects(1) == {("00001", "field-008-length"): ("waived", 1, 1, None)}


def test_a_record_set_aside_is_settled_when_it_comes_whole():
    untitled = build([("001", "00007"), ("100", "1 \x1faNobody")])
    land(book(1) + untitled)
    stage(S, "r")
    assert defects(1) == {("00007", "missing-title"): ("open", 1, 1, None)}
    land(book(2) + untitled)
    stage(S, "r")
    assert defects(2) == {("00007", "missing-title"): ("open", 1, 2, None)}, "sent again as it was: one defect"
    land(book(7))
    stage(S, "r")
    assert defects(3) == {("00007", "missing-title"): ("fixed", 1, 2, 3)}


def test_a_record_without_a_number_goes_by_its_bytes():
    nameless = build([("245", "00\x1faNo number")])
    for _ in range(2):
        land(book(1) + nameless)
        stage(S, "r")
    ((record, rule),) = defects(1)
    assert record.startswith("md5:") and rule == "missing-control-number"
