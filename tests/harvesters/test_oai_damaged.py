"""Pages with illegal characters or a bad record: the page lands as it came, and the stage mends or sets aside."""

from collections.abc import Callable

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from harvesters.oai_page import read
from harvesters.xml_mend import mend
from tests.harvesters.hostile_oai import Answer, Provider, cut, replace, serving, source_at
from transforms.stage import stage
from warehouse import lake
from warehouse.outcome import Outcome

pytestmark = pytest.mark.usefixtures("lake_home")

# As the second page of three has it: record 13 of 10 to 19.
ILLEGAL = {
    "control character": (replace(b">13</controlfield>", b">13\x0b</controlfield>"), "xml-control-character"),
    "reference to nothing": (replace(b">13</controlfield>", b">13&#2;</controlfield>"), "xml-control-character"),
    "Latin-1 bytes": (replace(b">Title 13<", b">M\xfcller 13<"), "xml-wrong-bytes"),
    "bare ampersand": (replace(b">Title 13<", b">A & B 13<"), "xml-bare-ampersand"),
    "name of HTML": (replace(b">Title 13<", b">Caf&eacute; 13<"), "xml-bare-ampersand"),
}
BAD = {
    "tag not closed": replace(b">Title 13</subfield>", b">Title 13</subfeld>"),
    "less than": replace(b">Title 13<", b">a < b 13<"),
    "attribute without quotes": replace(b'<controlfield tag="001">13<', b"<controlfield tag=001>13<"),
    "prefix for nothing": replace(b">Title 13</subfield>", b">Title 13</subfield><x:y/>"),
    "bytes in no encoding": replace(b">Title 13<", b">\xc0\x80\xff\xfe 13<"),
    "deep nesting": replace(b">Title 13<", b">" + b"<a>" * 5000 + b"Title 13<"),
    "its end is lost": replace(b">Title 13</subfield></datafield></record></metadata></record>", b">Title 13"),
}


def staged(source_id: str, table: str) -> list[dict]:  # type: ignore[type-arg]
    names = {"bib": "staged.bib", "rejected": "staged.rejected", "issue": "quality.issue"}
    files = [lake.staged_batch(source_id, one) / f"{table}.parquet" for one in lake.staged_batches(source_id)]
    return lake.read_table(names[table], files).to_pylist()


def harvested_and_staged(fault: Callable[[Answer], Answer]) -> tuple[Outcome, Outcome, list[dict[str, str]]]:
    """A harvest whose page with record 13 is always spoiled, then staged."""
    provider = Provider(fault_of_page={2: fault}, titles=True)
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
        [of_stage] = stage(source_at(address), "run")
    assert of_stage.balanced and of_stage.received == outcome.received
    return outcome, of_stage, provider.lists


@pytest.mark.parametrize(("fault", "rule"), ILLEGAL.values(), ids=ILLEGAL)
def test_illegal_characters_are_mended_and_flagged(fault: Callable[[Answer], Answer], rule: str) -> None:
    outcome, of_stage, lists = harvested_and_staged(fault)
    assert (outcome.verdict, outcome.received) == ("complete", 25), outcome.reason
    assert (of_stage.staged, of_stage.rejected) == (25, 0) and len(lists) == 4  # asked once more, to be sure
    assert [
        (row["record_id"], row["rule"]) for row in staged("demo", "issue") if row["rule"].startswith("xml")
    ] == [("oai:demo:13", rule)]
    [row] = [row for row in staged("demo", "bib") if row["record_id"] == "oai:demo:13"]
    assert row["status"] == ("doubtful" if rule == "xml-wrong-bytes" else "mended") and "13" in row["title"]
    with landing.open_raw("demo", outcome.batch_id, "page-00002.xml") as page:
        content = page.read()
    assert content == fault(Provider(titles=True).page({"resumptionToken": "start=10"}))[2]  # as received


@pytest.mark.parametrize("fault", BAD.values(), ids=BAD)
def test_one_bad_record_is_cut_out_with_its_bytes_and_not_the_page(fault: Callable[[Answer], Answer]) -> None:
    outcome, of_stage, _ = harvested_and_staged(fault)
    assert (outcome.verdict, outcome.received) == ("complete", 25), outcome.reason
    assert (of_stage.staged, of_stage.rejected) == (24, 1)
    [row] = staged("demo", "rejected")
    assert row["rule"] in ("xml-syntax", "encoding-undecodable") and row["reason"]
    assert b"oai:demo:13<" in row["content"] and row["content"].count(b"<header>") == 1
    assert {one["record_id"] for one in staged("demo", "bib")} == {f"oai:demo:{n}" for n in range(25) if n != 13}


def test_many_bad_pages_are_not_each_asked_for_twice() -> None:
    fault = replace(b"<leader>", b"<leader>\x0b")
    provider = Provider(records=100, fault_of_page=dict.fromkeys(range(1, 11), fault))
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 100) and len(provider.lists) == 13


def test_damage_that_differs_each_time_is_never_taken() -> None:
    numbers = iter(range(100))
    changing = {2: lambda answer: replace(b">13</control", b">13<%d</control" % next(numbers))(answer)}
    with serving(Provider(fault_of_page=changing)) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "partial" and "1 of 10 records are not well-formed" in outcome.reason


@pytest.mark.parametrize("spoil", [b"", b"\x0b", b"&", b"<b", b"M\xfcller"])
def test_a_page_that_is_cut_anywhere_is_never_taken_as_whole(spoil: bytes) -> None:
    content = Provider(records=3).page({"verb": "ListRecords"})[2].replace(b"<leader>", b"<leader>" + spoil, 1)
    for end in range(len(content)):
        with pytest.raises(landing.HarvestError) as told:
            read(content[:end], "ListRecords")
        assert not hasattr(told.value, "page"), content[:end][-60:]


def test_what_is_well_formed_is_not_mended() -> None:
    content = Provider().page({"verb": "ListRecords"})[2]
    assert mend(content) == (content, [])
    plain = "<a>&amp; &#65; <![CDATA[ A & B ]]> 中 \ufffd &unknown;</a>".encode()
    assert mend(plain) == (plain, [])


def test_bad_record_and_cut_page_together_are_no_page() -> None:
    both = lambda answer: cut(BAD["less than"](answer))  # noqa: E731
    with serving(Provider(fault_of_page={2: both}, titles=True)) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "partial" and "not well-formed, or cut" in outcome.reason
