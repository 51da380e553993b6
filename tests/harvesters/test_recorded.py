"""Recorded sessions of real OAI-PMH servers, replayed through a server of our own."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import XML, Answer, Provider, serving, source_at

pytestmark = pytest.mark.usefixtures("lake_home")


class Recorded(Provider):
    """Answers each query with what was recorded for it, or with 404."""

    def __init__(self, answers: dict[frozenset[tuple[str, str]], Answer]):
        super().__init__()
        self.answers = answers

    def answer(self, query: dict[str, str]) -> Answer:
        self.queries.append(query)
        return self.answers.get(frozenset(query.items()), (404, {}, b"not recorded"))


def cassettes(folder: Path) -> Recorded:
    answers = {}
    for name in ("identify", "list_records"):
        for one in yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))["interactions"]:
            query = frozenset(parse_qsl(urlsplit(one["request"]["uri"]).query))
            body = one["response"]["body"]["content"].encode()
            answers[query] = (one["response"]["status"], XML, body)  # the last of a query is Zenodo's
    return Recorded(answers)


def single(folder: Path, pages: dict[str, Path]) -> Recorded:
    answers = {frozenset({"verb": "Identify"}.items()): Provider().identify()}
    for query, path in pages.items():
        answers[frozenset(parse_qsl(query))] = (200, XML, path.read_bytes())
    return Recorded(answers)


def test_zenodo_list_whose_pages_were_shortened(real: Path) -> None:
    with serving(cassettes(real / "oai" / "cassettes")) as address:
        outcome = harvest(source_at(address, metadata_prefix="oai_dc"), "run")
    assert (outcome.verdict, outcome.received) == ("partial", 9)
    assert "announced 8091628 records" in outcome.reason and "8091619 are missing" in outcome.reason
    assert [row["received"] for row in landing.manifest("demo", outcome.batch_id)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({"metadata_prefix": "XXX"}, "failed", "badArgument: metadataPrefix does not exist"),
        ({"metadata_prefix": "oai_dc", "set_spec": "XXX"}, "unchanged", "has no records"),  # HTTP 422
        ({"metadata_prefix": "datacite"}, "partial", "404"),  # its second page was not recorded
    ],
)
def test_zenodo_errors(real: Path, changes: dict[str, str], verdict: str, said: str) -> None:
    with serving(cassettes(real / "oai" / "cassettes")) as address:
        outcome = harvest(source_at(address, **changes), "run")
    assert outcome.verdict == verdict and said in outcome.reason


def test_marcxml_page_counts_oai_records_only(real: Path) -> None:
    pages = {
        "verb=ListRecords&metadataPrefix=marcxml": real / "oai" / "responses" / "marc.xml",
        "verb=ListRecords&resumptionToken=fakeresumptiontoken": real / "oai" / "recorded-1" / "00005.xml",
    }
    with serving(single(real, pages)) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 116)
    for row in landing.manifest("demo", outcome.batch_id):
        with landing.open_raw("demo", outcome.batch_id, row["file"]) as page:
            content = page.read()
        assert landing.count_records(content) == row["received"] == len(re.findall(rb"</header>", content))


def test_list_that_breaks_off_after_a_hundred_of_millions(real: Path) -> None:
    pages = {"verb=ListRecords&metadataPrefix=oai_dc": real / "oai" / "responses" / "oai_doaj.xml"}
    with serving(single(real, pages)) as address:
        outcome = harvest(source_at(address, metadata_prefix="oai_dc"), "run")
    assert outcome.verdict == "partial" and "100 records on 1 pages are kept" in outcome.reason


def test_broken_identify(real: Path) -> None:
    provider = Recorded(
        {frozenset({("verb", "Identify")}): (200, XML, (real / "oai/recorded-3/00001.xml").read_bytes())}
    )
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "failed" and "not well-formed" in outcome.reason
