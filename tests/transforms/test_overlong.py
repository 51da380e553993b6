"""Records split because ISO 2709 can't hold them come together again; other neighbours stay as they are."""

import pytest

from tests.transforms.marc_records import build, read, rules, status, written
from tests.transforms.test_export import BOOK, fields_of, holdings
from tests.transforms.test_stage import SOURCE, counts, land
from transforms import export
from transforms.stage import stage
from warehouse import engine

NEIGHBOUR = build([("001", "b0"), ("245", "00\x1faNeighbour")])


def split(fields, encoding="utf-8"):
    """An over-long record as `export` writes it."""
    (result,) = export.records(fields_of(fields), encoding=encoding)
    assert result.parts > 1
    return result.content


@pytest.mark.parametrize("count", [300, 1000])
@pytest.mark.parametrize("chunk_bytes", [1000, 120_000, 4 << 20])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_what_export_splits_is_one_record_again(count, chunk_bytes, encoding):
    fields = [*BOOK, *holdings(count)]
    content = split(fields, encoding)
    parts = content.count(b"\x1d")
    chunk = read(NEIGHBOUR + content + NEIGHBOUR, chunk_bytes=chunk_bytes, encoding_hint=encoding)
    assert status(chunk) == ["clean", *["joined"] * (parts - 1), "mended", "clean"]
    found = written(chunk)
    assert found[parts] == fields and not any(found[number] for number in range(1, parts))
    assert len(found[0]) == len(found[parts + 1]) == 2
    told = [row for row in chunk.issues.to_pylist() if row["rule"] == "iso2709-parts"]
    assert [(row["record_no"], row["value"]) for row in told] == [(parts, str(parts))]
    assert len(set(chunk.records["digest"].to_pylist()[1 : parts + 1])) == 1


def test_a_description_dealt_out_is_one_record_again():
    fields = [*BOOK, *[("500", "  \x1fa" + f"{number:05d}" * 100) for number in range(300)]]
    chunk = read(split(fields))
    assert status(chunk) == ["joined", "mended"]
    assert written(chunk)[1] == fields


NOTES = [("500", "  \x1fa" + f"{number:05d}" * 100) for number in range(192)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([*BOOK, *NOTES], [*BOOK, *NOTES]),
        ([*BOOK, *NOTES], [("001", "b1"), ("245", "10\x1faAnother"), *NOTES[:100]]),  # an older version
        ([*BOOK, *holdings(192)], [*BOOK, *holdings(190)]),  # the same holdings
        ([*BOOK, *holdings(180)], [*BOOK, ("905", "  \x1fbnew")]),  # it would have had room
        ([*BOOK, *holdings(192)], [("001", "b2"), *BOOK[1:], *holdings(300)[192:]]),
    ],
)
def test_versions_of_a_long_record_are_not_joined(one, other):
    chunk = read(build(one) + build(other))
    assert status(chunk) == ["clean", "clean"]
    assert "iso2709-parts" not in rules(chunk)


def test_a_split_record_is_staged_whole_and_known_again(lake_home):
    fields = [*BOOK, *holdings(300)]
    land(split(fields))
    (first,) = stage(SOURCE, "r")
    assert (first.verdict, counts(first)) == ("complete", (2, 2, 0, 0, 0))
    land(split(fields))
    (second,) = stage(SOURCE, "r")
    assert counts(second) == (2, 0, 0, 0, 2)
    with engine.open_lake() as con:
        held = con.execute("SELECT count(*) FROM staged.current_field WHERE tag = '905'").fetchall()
        told = con.execute("SELECT rule FROM quality.issue").fetchall()
    assert held == [(300,)] and ("duplicate-control-number",) not in told
