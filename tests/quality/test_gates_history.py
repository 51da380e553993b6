"""Gates by a source's own history: where it is thin, over the seasons, and where the source changes its format."""

import pymarc
import pytest

from quality import decisions
from tests.quality import arrivals
from tests.quality.arrivals import S, books, failed, land
from transforms.stage import stage


@pytest.fixture(autouse=True)
def lake_with_registry(lake_home):
    arrivals.registry()


def unlike(numbers: range) -> bytes:
    """Sound records of another make: without extent, with fields that the others lack."""
    return books(numbers, extent="301", more=[("650", f" 0\x1faSubject {n}") for n in range(12)])


@pytest.mark.parametrize(("before", "now"), [(0, 60), (5, 60), (19, 60), (60, 5), (60, 19)])
def test_thin_history_and_small_batches_are_no_measure(before, now):
    if before:
        land(books(range(before)))
        stage(S, "r")
    batch = land(unlike(range(100, 100 + now)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "complete", outcome.reason
    of_history = {"null_rise_points", "tags_lost", "tags_new_percent", "tag_shift_percent", "fail_rise_points"}
    assert of_history.isdisjoint(row["name"] for row in decisions.gates_of("s", batch))


def test_small_batches_of_a_season_add_up_to_a_history():
    """Ten deltas of eight, as a small library sends them in term: a large one is held against all of them."""
    for at in range(10):
        land(books(range(at * 8, at * 8 + 8), title="红楼梦" if at % 2 else "A title"))
    assert {o.verdict for o in stage(S, "r")} == {"complete"}
    batch = land(unlike(range(500, 560)))
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "held" and failed("s", batch)["tags_lost"] == ("300", 1)


def test_nothing_in_the_holidays_and_much_at_the_begin_of_term_pass():
    land(books(range(200)), full=True)
    stage(S, "r")
    land(b"")
    land(books(range(200, 203)))
    land(books(range(203, 700)))
    outcomes = stage(S, "r")
    assert [o.verdict for o in outcomes] == ["complete"] * 3, [o.reason for o in outcomes]


def test_a_source_that_changes_its_format_is_held_once_and_then_goes_on():
    land(books(range(60), title="红楼梦"))
    stage(S, "r")
    records = [
        pymarc.Record(data=one + b"\x1d", force_utf8=True) for one in books(range(100, 160)).split(b"\x1d")[:-1]
    ]
    elements = [pymarc.record_to_xml(record, namespace=True).decode() for record in records]
    xml = f"<collection xmlns='http://www.loc.gov/MARC21/slim'>{''.join(elements)}</collection>".encode()
    passed = land(xml)
    (outcome,) = stage(S, "r")
    assert outcome.verdict == "complete", "another container of the same MARC is no other format"
    dc = "".join(
        f"<record><header><identifier>{n}</identifier></header><metadata><dc xmlns='http://purl.org/dc/elements/1.1/'>"
        f"<title>论文 {n}</title><creator>Li</creator><date>2020</date></dc></metadata></record>"
        for n in range(60)
    )
    batch = land(f"<records>{dc}</records>".encode())
    oai_dc = S.model_copy(update={"format": "oai_dc"})
    (outcome,) = stage(oai_dc, "r")
    assert outcome.verdict == "held" and passed < batch
    assert failed("s", batch)["format_new_percent"] == ("", 100.0)
    decisions.accept("s", batch, "li", "the library moved to a new system")
    for start in (1000, 2000):
        land(f"<records>{dc.replace('<identifier>', f'<identifier>{start}-')}</records>".encode())
        (outcome,) = stage(oai_dc, "r")
        assert outcome.verdict == "complete", f"what staff accepted is history now: {outcome.reason}"


def test_an_exception_that_staff_accepted_is_not_the_measure_of_what_follows():
    land(books(range(100)))
    stage(S, "r")
    exception = land(unlike(range(100, 160)))
    assert [o.verdict for o in stage(S, "r")] == ["held"]
    decisions.accept("s", exception, "li", "theses, once a year")
    land(books(range(200, 260)))
    assert [o.verdict for o in stage(S, "r")] == ["complete"]
    land(unlike(range(300, 360)))
    assert [o.verdict for o in stage(S, "r")] == ["complete"], "next year it is known"
    land(books(range(400, 460), extent="302"))
    assert [o.verdict for o in stage(S, "r")] == ["held"], "what is like neither is held all the same"
