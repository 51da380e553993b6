"""The OAI-PMH provider over real HTTP, asked by sickle and by hand."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import requests
from lxml import etree
from sickle import Sickle
from sickle.oaiexceptions import NoRecordsMatch

from sample import build, provider
from sample.libraries import FEEDS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "marc21"
FILES = [DATA / "lc-books.mrc", DATA / "lc-chinese.mrc"]
OAI = {"o": "http://www.openarchives.org/OAI/2.0/"}
SETS, NO_SETS, BY_DAY = "D44001-oai", "D33001-oai", "D11002-repository"
pytestmark = pytest.mark.skipif(not all(f.exists() for f in FILES), reason="needs shared/data/marc21")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("CALIS_HOME", str(folder))
        build.build(FILES, records=700, seed=3)
        yield folder


@pytest.fixture(scope="module")
def base(home):
    with provider.serve(0, page=5) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def truth(home):
    return pq.read_table(home / "sample" / "truth.parquet").to_pylist()


def ask(base, source, **arguments):
    if "from_" in arguments:
        arguments["from"] = arguments.pop("from_")
    response = requests.get(f"{base}/{source}/oai", params=arguments, timeout=10)
    assert response.status_code == 200 and response.headers["Content-Type"].startswith("text/xml")
    return etree.fromstring(response.content)


def error(tree):
    found = tree.find("o:error", OAI)
    return None if found is None else found.get("code")


@pytest.mark.parametrize("feed", [feed for feed in FEEDS if feed.oai], ids=lambda feed: feed.source_id)
def test_sickle_pages_through_to_the_end(base, truth, feed):
    rows = {row["record_id"]: row for row in truth if row["source_id"] == feed.source_id}
    records = list(Sickle(f"{base}/{feed.source_id}/oai").ListRecords(metadataPrefix=feed.oai))
    assert [record.header.identifier for record in records] == list(rows)
    assert len(records) > 10, "several pages"
    for record in records:
        deleted = rows[record.header.identifier]["state"] == "deleted"
        assert record.deleted is deleted
        assert (record.xml.find("o:metadata", OAI) is None) is deleted
    assert any(record.deleted for record in records)
    headers = Sickle(f"{base}/{feed.source_id}/oai").ListIdentifiers(metadataPrefix="oai_dc")
    assert [header.identifier for header in headers] == list(rows)


def test_tokens_say_where_the_list_is(base):
    first = ask(base, SETS, verb="ListRecords", metadataPrefix="oai_dc")
    token = first.find("o:ListRecords/o:resumptionToken", OAI)
    total = int(token.get("completeListSize"))
    assert token.get("cursor") == "0" and len(first.findall("o:ListRecords/o:record", OAI)) == 5
    seen = 5
    while token.text:
        page = ask(base, SETS, verb="ListRecords", resumptionToken=token.text)
        token = page.find("o:ListRecords/o:resumptionToken", OAI)
        assert (token.get("cursor"), token.get("completeListSize")) == (str(seen), str(total))
        seen += len(page.findall("o:ListRecords/o:record", OAI))
    assert seen == total


def test_from_and_until_are_inclusive_and_cover_everything(base):
    source = Sickle(f"{base}/{SETS}/oai")
    stamps = [header.datestamp for header in source.ListIdentifiers(metadataPrefix="marcxml")]
    assert stamps == sorted(stamps) and all(re.fullmatch(r"[\d-]{10}T[\d:]{8}Z", stamp) for stamp in stamps)
    middle = stamps[len(stamps) * 4 // 5]
    later = [h.datestamp for h in source.ListIdentifiers(metadataPrefix="marcxml", **{"from": middle})]
    earlier = [h.datestamp for h in source.ListIdentifiers(metadataPrefix="marcxml", until=middle)]
    assert later == [stamp for stamp in stamps if stamp >= middle]
    assert earlier == [stamp for stamp in stamps if stamp <= middle]
    day = middle[:10]
    of_day = source.ListIdentifiers(metadataPrefix="marcxml", **{"from": day, "until": day})
    assert [h.datestamp for h in of_day] == [stamp for stamp in stamps if stamp.startswith(day)]
    with pytest.raises(NoRecordsMatch):
        source.ListIdentifiers(metadataPrefix="marcxml", **{"from": "2190-01-01"})


def test_sets_divide_the_records(base):
    source = Sickle(f"{base}/{SETS}/oai")
    assert [s.setSpec for s in source.ListSets()] == ["books", "books:chinese", "books:other"]
    sizes = [
        len(list(source.ListIdentifiers(metadataPrefix="oai_dc", set=name)))
        for name in ("books", "books:chinese", "books:other")
    ]
    assert sizes[0] == sizes[1] + sizes[2] and min(sizes) > 0


def test_identify_and_formats(base):
    found = Sickle(f"{base}/{BY_DAY}/oai").Identify()
    assert (found.granularity, found.deletedRecord, found.protocolVersion) == ("YYYY-MM-DD", "persistent", "2.0")
    assert found.baseURL == f"{base}/{BY_DAY}/oai" and len(found.earliestDatestamp) == 10
    prefixes = [f.metadataPrefix for f in Sickle(f"{base}/{SETS}/oai").ListMetadataFormats()]
    assert sorted(prefixes) == ["marcxml", "oai_dc"]


def test_get_record(base, truth):
    row = next(r for r in truth if r["source_id"] == SETS and r["state"] == "live" and r["chinese"])
    record = Sickle(f"{base}/{SETS}/oai").GetRecord(identifier=row["record_id"], metadataPrefix="marcxml")
    assert record.xml.findtext(".//{*}controlfield[@tag='001']") == row["control_number"]
    assert record.header.setSpecs == ["books", "books:chinese"]
    assert re.search("[\u4e00-\u9fff]", etree.tostring(record.xml, encoding="unicode"))


@pytest.mark.parametrize(
    ("source", "code", "arguments"),
    [
        (SETS, "badVerb", {}),
        (SETS, "badVerb", {"verb": "Nonsense"}),
        (SETS, "badVerb", {"verb": ["Identify", "Identify"]}),
        (SETS, "badArgument", {"verb": "Identify", "set": "books"}),
        (SETS, "badArgument", {"verb": "ListRecords"}),
        (SETS, "badArgument", {"verb": "GetRecord", "identifier": "x"}),
        (SETS, "badArgument", {"verb": "ListRecords", "metadataPrefix": ["oai_dc", "oai_dc"]}),
        (SETS, "badArgument", {"verb": "ListRecords", "metadataPrefix": "oai_dc", "from": "2025-13-01"}),
        (SETS, "badArgument", {"verb": "ListRecords", "metadataPrefix": "oai_dc", "from": "yesterday"}),
        (
            SETS,
            "badArgument",
            {
                "verb": "ListRecords",
                "metadataPrefix": "oai_dc",
                "from": "2025-01-01",
                "until": "2025-01-02T00:00:00Z",
            },
        ),
        (
            SETS,
            "badArgument",
            {"verb": "ListRecords", "metadataPrefix": "oai_dc", "from": "2025-02-01", "until": "2025-01-01"},
        ),
        (
            BY_DAY,
            "badArgument",
            {"verb": "ListRecords", "metadataPrefix": "oai_dc", "from": "2025-01-01T00:00:00Z"},
        ),
        (SETS, "badArgument", {"verb": "ListRecords", "metadataPrefix": "oai_dc", "resumptionToken": "x"}),
        (SETS, "badResumptionToken", {"verb": "ListRecords", "resumptionToken": "nonsense"}),
        (SETS, "badResumptionToken", {"verb": "ListRecords", "resumptionToken": "WzEsMl0"}),
        (SETS, "badResumptionToken", {"verb": "ListSets", "resumptionToken": "x"}),
        (SETS, "cannotDisseminateFormat", {"verb": "ListRecords", "metadataPrefix": "mods"}),
        (BY_DAY, "cannotDisseminateFormat", {"verb": "ListRecords", "metadataPrefix": "marcxml"}),
        (SETS, "idDoesNotExist", {"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": "oai:none:1"}),
        (SETS, "idDoesNotExist", {"verb": "ListMetadataFormats", "identifier": "oai:none:1"}),
        (NO_SETS, "noSetHierarchy", {"verb": "ListSets"}),
        (NO_SETS, "noSetHierarchy", {"verb": "ListRecords", "metadataPrefix": "oai_dc", "set": "books"}),
        (SETS, "noRecordsMatch", {"verb": "ListRecords", "metadataPrefix": "oai_dc", "set": "none"}),
        (SETS, "noRecordsMatch", {"verb": "ListRecords", "metadataPrefix": "oai_dc", "until": "1999-01-01"}),
    ],
)
def test_errors(base, source, code, arguments):
    tree = ask(base, source, **arguments)
    assert error(tree) == code
    assert bool(tree.find("o:request", OAI).attrib) is (code not in ("badVerb", "badArgument"))


def test_a_token_serves_its_own_verb_only(base):
    page = ask(base, SETS, verb="ListRecords", metadataPrefix="oai_dc")
    token = page.findtext("o:ListRecords/o:resumptionToken", namespaces=OAI)
    assert error(ask(base, SETS, verb="ListIdentifiers", resumptionToken=token)) == "badResumptionToken"
    assert error(ask(base, NO_SETS, verb="ListRecords", resumptionToken=token)) == "badResumptionToken"


def test_post_answers_as_get_does(base):
    url = f"{base}/{SETS}/oai"
    response = requests.post(url, data={"verb": "ListSets"}, timeout=10)
    assert b"books:chinese" in response.content
    assert requests.post(url, data=b"x" * 70_000, timeout=10).status_code == 413


@pytest.mark.parametrize("path", ["", "nothing/oai", f"{SETS}", f"{SETS}/other", "../oai", ".hidden/oai"])
def test_another_address_is_not_found(base, path):
    assert requests.get(f"{base}/{path}", timeout=10).status_code == 404


def test_a_sample_built_anew_is_served_at_once_and_old_tokens_expire(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    build.build(FILES, records=300, seed=1)
    with provider.serve(0, page=3) as server:
        base = f"http://127.0.0.1:{server.server_port}"
        page = ask(base, SETS, verb="ListRecords", metadataPrefix="oai_dc")
        token = page.findtext("o:ListRecords/o:resumptionToken", namespaces=OAI)
        build.build(FILES, records=400, seed=2)
        assert error(ask(base, SETS, verb="ListRecords", resumptionToken=token)) == "badResumptionToken"
        rows = pq.read_table(tmp_path / "sample" / "truth.parquet").to_pylist()
        found = Sickle(f"{base}/{SETS}/oai").ListIdentifiers(metadataPrefix="oai_dc")
        expected = [row["record_id"] for row in rows if row["source_id"] == SETS]
        assert [header.identifier for header in found] == expected


def test_a_taken_port_is_said_clearly():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(provider.ProviderError, match=f"port {port} on 127.0.0.1 is in use"):
            provider.serve(port).__enter__()
        command = [sys.executable, "-m", "sample.provider", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stderr.startswith("error: port") and "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_ends_when_told_to(home, number):
    command = [sys.executable, "-m", "sample.provider", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        ready = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", ready)[0]
        # a connection left open doesn't hold it back
        with requests.Session() as session:
            session.get(f"{address}/{SETS}/oai?verb=Identify", timeout=10)
            process.send_signal(number)
            assert process.wait(timeout=20) == 0
