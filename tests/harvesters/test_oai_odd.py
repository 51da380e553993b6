"""What real OAI-PMH servers send off the standard: all of it arrives, or the verdict says what is missing."""

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harvesters import landing
from harvesters.harvest import harvest
from tests.harvesters.hostile_oai import (
    HTML,
    Answer,
    Provider,
    check,
    cut,
    identifiers,
    instead,
    replace,
    serving,
    source_at,
)
from tests.harvesters.test_oai_damaged import staged
from transforms.stage import stage
from warehouse import lake
from warehouse.outcome import Outcome

pytestmark = pytest.mark.usefixtures("lake_home")
Fault = Callable[[Answer], Answer]


def body(change: Callable[[bytes], bytes], **headers: str) -> Fault:
    """The answer with another body, and headers more."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: (answer[0], answer[1] | named, change(answer[2]))


def text(change: Callable[[str], str], encoding: str) -> Fault:
    """The answer with another text in another encoding."""
    return body(lambda content: change(content.decode()).encode(encoding))


def told(declared: str, title: str = "Title 13") -> Callable[[str], str]:
    """A page that declares an encoding, and gives record 13 a title."""
    return lambda page: page.replace('"UTF-8"', f'"{declared}"').replace("Title 13", title)


TOKEN = re.compile(rb"<resumptionToken>([^<]+)</resumptionToken>")


def token(written: bytes) -> Fault:
    """The token otherwise; `TOKEN` in `written` is where it goes."""
    return body(lambda content: TOKEN.sub(lambda found: written.replace(b"TOKEN", found[1]), content))


# --- everything arrives ----------------------------------------------------------------------------------

ARRIVES: dict[str, Fault] = {
    "two byte order marks": body(lambda content: b"\xef\xbb\xbf" * 2 + content),
    "zeros behind": body(lambda content: content + b"\0\0\0\0"),
    "gzip that is not said": body(gzip.compress),
    "gzip twice": body(lambda content: gzip.compress(gzip.compress(content)), Content_Encoding="gzip"),
    "a content coding that is none": body(bytes, Content_Encoding="utf-8"),
    "status 206": lambda answer: (206, *answer[1:]),
    "a codec that is of no text": text(told("rot13", "标题 13"), "utf-8"),
    "XML 1.1": replace(b'version="1.0"', b'version="1.1"'),
    "a wrong XML declaration": replace(b"?>", b' standalone="maybe"?>'),
    "a style sheet": replace(b"?>", b'?><?xml-stylesheet href="oai2.xsl" type="text/xsl"?>'),
    "two lists": replace(b"</record><record><header>", b"</record></ListRecords><ListRecords><record><header>"),
    "token beside the list": body(lambda content: re.sub(TOKEN.pattern + b"(</ListRecords>)", _behind, content)),
    "token before the records": body(
        lambda content: re.sub(rb"(?s)(<ListRecords>)(.*)(" + TOKEN.pattern + b")", rb"\1\3\2", content)
    ),
    "token in no namespace": token(b'<resumptionToken xmlns="">TOKEN</resumptionToken>'),
    "token in small letters": token(b"<resumptiontoken>TOKEN</resumptiontoken>"),
    "token in an element of its own": token(b"<resumptionToken><value>TOKEN</value></resumptionToken>"),
    "token in CDATA": token(b"<resumptionToken><![CDATA[TOKEN]]></resumptionToken>"),
    "token with a comment": token(b"<resumptionToken>TOKEN<!-- of 3 --></resumptionToken>"),
    "token on a line of its own": token(b"<resumptionToken>\n    TOKEN\n  </resumptionToken>"),
    "an empty token before the token": token(b"<resumptionToken/><resumptionToken>TOKEN</resumptionToken>"),
    "identifier behind its datestamp": body(
        lambda content: re.sub(
            rb"(<identifier>[^<]*</identifier>)(<datestamp>[^<]*</datestamp>)", rb"\2\1", content
        )
    ),
}
STAGED: dict[str, Fault] = {  # whose bytes are odd where staging reads them
    "blank lines before the declaration": body(lambda content: b"\r\n\n  " + content),
    "byte order mark and a line end": body(lambda content: b"\xef\xbb\xbf\n" + content),
    "a notice of PHP before": body(lambda content: b"<br />\n<b>Notice</b>: Undefined index in\n" + content),
    "a notice of PHP behind": body(lambda content: content + b"\n<br />\n<b>Notice</b>: x < y in"),
    "UTF-16 declared and not meant": text(told("utf-16", "标题 13"), "utf-8"),
    "UTF-16 without a mark": text(told("UTF-16", "标题 13"), "utf-16-le"),
    "UTF-16 big-endian": text(lambda page: "\ufeff" + told("UTF-16", "标题 13")(page), "utf-16-be"),
    "Latin-1 as declared": text(told("ISO-8859-1", "Müller 13"), "latin-1"),
    "Latin-1 declared and UTF-8 meant": text(told("ISO-8859-1", "标题 13"), "utf-8"),
    "GB 2312 declared and GBK meant": text(told("gb2312", "朱镕基 13"), "gb18030"),
    "an encoding that nobody knows": text(told("utf8mb4", "标题 13"), "utf-8"),
    "a record in a comment": replace(
        b"<ListRecords>",
        b"<ListRecords><!-- <record><header><identifier>oai:demo:99</identifier></header></record> -->",
    ),
    "records in no namespace": replace(b"<record><header>", b'<record xmlns=""><header>', 99),
    "described records in no namespace": replace(b' xmlns="http://www.loc.gov/MARC21/slim"', b"", 99),
    "described records as text": body(
        lambda content: re.sub(rb"(?s)<metadata>(.*?)</metadata>", _escaped, content)
    ),
}


def _escaped(found: "re.Match[bytes]") -> bytes:
    return b"<metadata>" + found[1].replace(b"<", b"&lt;") + b"</metadata>"


def _behind(found: "re.Match[bytes]") -> bytes:
    return b"</ListRecords><resumptionToken>" + found[1] + b"</resumptionToken>"


@pytest.mark.parametrize("fault", ARRIVES.values(), ids=ARRIVES)
def test_it_all_arrives(fault: Fault) -> None:
    with serving(Provider(titles=True, faults={0: fault})) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 25), outcome.reason
    assert sum(row["received"] for row in landing.manifest("demo", outcome.batch_id)) == 25


@pytest.mark.parametrize("fault", STAGED.values(), ids=STAGED)
def test_it_all_arrives_and_is_staged(fault: Fault) -> None:
    provider = Provider(titles=True, faults={0: fault})
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 25), outcome.reason
    [of_stage] = stage(source_at(address), "run")
    assert (of_stage.verdict, of_stage.staged, of_stage.rejected) == ("complete", 25, 0), of_stage.reason
    titles = {row["record_id"]: row["title"] for row in staged("demo", "bib")}
    assert len(titles) == 25 and titles["oai:demo:12"] == "Title 12" and titles["oai:demo:13"].endswith("13")
    assert "\ufffd" not in titles["oai:demo:13"]


TOKENS: dict[str, Callable[[int], str]] = {
    "encoded already": lambda start: f"http%3A%2F%2Fx%2Foai%3Fa%3Db%26start%3D{start}",
    "an address": lambda start: f"http://x/oai?verb=ListRecords&resumptionToken={start}&q=%7B%22a%22%3A1%7D",
    "plus and blanks": lambda start: f"a+b c  {start}",
    "eight kilobytes": lambda start: "x" * 8000 + str(start),
}


@pytest.mark.parametrize("written", TOKENS.values(), ids=TOKENS)
def test_tokens_go_back_as_they_came(written: Callable[[int], str]) -> None:
    with serving(Provider(token=written)) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "complete", outcome.reason[:300]
    check(outcome, 25)


def test_a_server_that_wants_its_cookie_back() -> None:
    provider = Provider()

    def only_with_cookie(answer: Answer) -> Answer:
        if len(provider.lists) == 1:
            return answer[0], answer[1] | {"Set-Cookie": "JSESSIONID=7; Path=/"}, answer[2]
        return (
            answer if provider.sent.get("Cookie") == "JSESSIONID=7" else provider.error("badResumptionToken", "")
        )

    provider.faults = {0: only_with_cookie}
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "complete" and len(provider.lists) == 3, outcome.reason
    check(outcome, 25)


def test_a_server_that_redirects_until_its_cookie_comes() -> None:
    provider = Provider()

    def redirecting(answer: Answer) -> Answer:
        if provider.sent.get("Cookie"):
            return answer
        again = "?" + "&".join(f"{name}={value}" for name, value in provider.queries[-1].items())
        return 302, {"Location": again, "Set-Cookie": "visitor=yes"}, b""

    provider.faults = {0: redirecting}
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "complete", outcome.reason
    check(outcome, 25)


def test_empty_pages_with_tokens_between_the_others() -> None:
    provider = Provider()
    empty = body(lambda content: re.sub(rb"(?s)<record>.*</record>", b"", content).replace(b"=20", b"=010"))
    provider.faults = {2: empty, 3: lambda answer: provider.page({"resumptionToken": "start=10"})}
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, len(provider.lists)) == ("complete", 4), outcome.reason
    check(outcome, 25)


RETRY_AFTER = (
    "-5",
    "1e9",
    "0.5",
    "nan",
    "1, 1",
    "",
    "Mon, 01 Jan 99999 00:00:00 GMT",
    "Thu, 01 Jan 1970 00:00:00",
)


@pytest.mark.parametrize("said", RETRY_AFTER)
def test_a_retry_after_that_says_nothing_costs_nothing(said: str) -> None:
    with serving(Provider(faults={2: instead(503, Retry_After=said)})) as address:
        outcome = harvest(source_at(address), "run")
    assert outcome.verdict == "complete", outcome.reason
    check(outcome, 25)


# --- one record is odd -----------------------------------------------------------------------------------


@pytest.mark.parametrize("deleted_first", [False, True])
def test_of_a_record_that_comes_twice_the_later_page_says_what_became_of_it(deleted_first: bool) -> None:
    header = b"<header>" if deleted_first else b'<header status="deleted">'
    again = replace(b"<header><identifier>oai:demo:21<", header + b"<identifier>oai:demo:3<")
    provider = Provider(titles=True, deleted=frozenset({3} if deleted_first else ()), fault_of_page={3: again})
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 25), outcome.reason
    assert stage(source_at(address), "run")[-1].verdict == "complete"
    index = lake.staged_batch("demo", lake.staged_batches("demo")[-1]) / "record.parquet"
    [row] = [r for r in lake.read_table("staged.record", [index]).to_pylist() if r["record_id"] == "oai:demo:3"]
    assert row["deleted"] == (not deleted_first)


ONE_RECORD: dict[str, tuple[Fault, int]] = {  # and how many records are staged
    "identifiers that differ in case": (
        body(lambda c: c.replace(b"oai:demo:11<", b"oai:demo:A<").replace(b"oai:demo:12<", b"oai:demo:a<")),
        25,
    ),
    "no identifier": (replace(b"<identifier>oai:demo:11</identifier>", b""), 25),
    "an empty identifier": (replace(b"<identifier>oai:demo:11</identifier>", b"<identifier/>"), 25),
    "no header": (body(lambda c: re.sub(rb"<header><identifier>oai:demo:11<.*?</header>", b"", c)), 24),
    "a comment that never ends": (replace(b">Title 13<", b"><!-- Title 13<"), 24),
    "CDATA that never ends": (replace(b">Title 13<", b"><![CDATA[Title 13<"), 24),
    "an attribute twice": (replace(b'tag="245"', b'tag="245" tag="245"', 1), 24),
    "an XML declaration inside": (replace(b"<metadata>", b"<metadata><?xml version='1.0'?>"), 24),
    "half a character": (replace(b"Title 13", "标题".encode()[:-1]), 24),
    "half a character of GBK": (
        body(
            lambda c: (
                told("GBK", "馆藏")(c.decode()).encode("gb18030").replace("馆藏".encode("gbk"), b"\xb9\xdd\xb2")
            )
        ),
        24,
    ),
    "surrogates as references": (replace(b"Title 13", b"&#xD835;&#xDC00; 13"), 25),
}


@pytest.mark.parametrize(("fault", "number"), ONE_RECORD.values(), ids=ONE_RECORD)
def test_an_odd_record_costs_no_other(fault: Fault, number: int) -> None:
    provider = Provider(titles=True, list_size=lambda _: 25, fault_of_page={2: fault})
    with serving(provider) as address:
        outcome = harvest(source_at(address), "run")
    assert (outcome.verdict, outcome.received) == ("complete", 25), outcome.reason
    [of_stage] = stage(source_at(address), "run")
    assert (of_stage.verdict, of_stage.staged, of_stage.rejected) == ("complete", number, 25 - number)
    assert all(row["reason"] and row["content"] for row in staged("demo", "rejected"))


# --- the verdict says it ---------------------------------------------------------------------------------


@dataclass
class Told:
    """A provider, the verdict on it, what the reason says, and how many records come."""

    provider: Provider
    verdict: str
    said: str
    received: int = 0


class NoToken(Provider):
    """Gives its first page whatever token comes back."""

    def page(self, query: dict[str, str]) -> Answer:
        return super().page({name: value for name, value in query.items() if name != "resumptionToken"})


class Endless(Provider):
    """Gives an empty page with a new token for ever."""

    def page(self, query: dict[str, str]) -> Answer:
        more = f"<resumptionToken>{len(self.queries)}</resumptionToken>"
        return self.envelope(f"<ListRecords>{more}</ListRecords>")


FIRST_AGAIN = body(lambda content: TOKEN.sub(b"", Provider().page({"verb": "ListRecords"})[2]))
SECOND_IS_FIRST = {2: lambda answer: Provider(records=30).page_of(0, "start=20")}
TOLD = {
    "the first page again as the last": Told(Provider(faults={2: FIRST_AGAIN}), "partial", "1 pages of", 20),
    "the first page again as the second": Told(
        Provider(records=30, fault_of_page=SECOND_IS_FIRST), "partial", "only records that had come before", 30
    ),
    "a size that shrinks": Told(Provider(list_size={1: 30, 2: 28, 3: 25}.get), "partial", "5 are missing", 25),
    "a size with blanks": Told(Provider(list_size=lambda _: " 30 "), "partial", "5 are missing", 25),  # type: ignore[arg-type, return-value]
    "a size that says what is left": Told(
        Provider(list_size={1: 28, 2: 15, 3: 5}.get), "partial", "3 are missing", 25
    ),
    "a token without an end": Told(NoToken(), "failed", "came a second time"),
    "empty pages without an end": Told(Endless(), "failed", "100 pages one after the other brought no record"),
    "an identifier twice": Told(
        Provider(list_size=lambda _: 25, faults={2: replace(b":demo:11<", b":demo:12<")}),
        "partial",
        "1 are missing",
        25,
    ),
    "JSON": Told(
        Provider(faults={0: instead(body=b'{"error": "database"}')}), "failed", "not well-formed, or cut"
    ),
    "a page of GB 18030 that is cut": Told(
        Provider(faults={0: lambda answer: cut(text(told("GBK"), "gbk")(answer))}), "failed", "or cut"
    ),
    "gzip that is cut and not said": Told(
        Provider(faults={0: body(lambda content: gzip.compress(content)[:-9])}), "failed", "broke off"
    ),
    "a size of the body that is too small": Told(
        Provider(faults={0: lambda a: (a[0], a[1] | {"Content-Length": "900"}, a[2])}), "failed", "or cut"
    ),
    "a document type with a fault": Told(
        Provider(faults={0: replace(b"<OAI-PMH ", b'<!DOCTYPE html PUBLIC "x"><OAI-PMH ')}), "failed", "DOCTYPE"
    ),
    "an error beside the records": Told(
        Provider(faults={0: replace(b"<ListRecords>", b'<error code="x">careful</error><ListRecords>')}),
        "failed",
        "careful",
    ),
    "a redirect to a file": Told(
        Provider(faults={0: instead(302, Location="file:///etc/hosts")}), "failed", "file:"
    ),
    "a redirect to FTP": Told(Provider(faults={0: instead(302, Location="ftp://127.0.0.1/x")}), "failed", "ftp:"),
    "a redirect to nowhere": Told(Provider(faults={0: instead(302)}), "failed", "HTTP 302: check the address"),
    "a redirect to what is empty": Told(Provider(faults={0: instead(302, Location="")}), "failed", "HTTP 302"),
    "a redirect to what is no address": Told(
        Provider(faults={0: instead(302, Location="http://[::bad/")}), "failed", "check the address"
    ),
    "a redirect to TLS that is not there": Told(
        Provider(faults={0: instead(301, Location="https://127.0.0.1:1/")}), "failed", "Connection refused"
    ),
    "status 204": Told(Provider(faults={0: instead(204)}), "failed", "the answer is empty"),
    "status 304": Told(Provider(faults={0: instead(304)}), "failed", "HTTP 304"),
    "status 418": Told(Provider(faults={0: instead(418, HTML)}), "failed", "HTTP 418"),
    "a Retry-After of a century": Told(
        Provider(faults={0: instead(503, Retry_After="9" * 30)}), "failed", "left alone"
    ),
    "a token of 70,000 letters": Told(
        Provider(token=lambda start: "x" * 70_000 + str(start)), "partial", "HTTP 414", 0
    ),
}


@pytest.mark.parametrize("case", TOLD.values(), ids=TOLD)
def test_the_verdict_says_what_is_missing(case: Told) -> None:
    with serving(case.provider) as address:
        outcome = harvest(source_at(address, quirks={"attempts": "2"}), "run")
    assert (outcome.verdict, outcome.received) == (case.verdict, case.received), outcome.reason[:500]
    assert case.said in outcome.reason and "unforeseen" not in outcome.reason and len(outcome.reason) < 1500
    for batch_id in lake.raw_batches("demo"):
        batch = landing.batch("demo", batch_id)
        assert not batch.full and not batch.details["complete"]  # nothing is withdrawn, and all is asked again


def test_an_unpacked_bomb_is_refused_without_being_unpacked_whole() -> None:
    bomb = gzip.compress(b" " * 60_000_000)
    for headers in ({}, {"Content_Encoding": "gzip"}):
        provider = Provider(fault_of_page={2: body(lambda content: bomb, **headers)})
        with serving(provider) as address:
            name = f"demo-{len(headers)}"
            outcome = harvest(source_at(address, source_id=name, quirks={"page_megabytes": "2"}), "run")
        assert outcome.verdict == "partial" and "larger than 2 MB" in outcome.reason, outcome.reason


def test_a_server_that_ignores_from_brings_all_again_and_nothing_is_withdrawn() -> None:
    class Forgetful(Provider):
        def page(self, query: dict[str, str]) -> Answer:
            return super().page({name: value for name, value in query.items() if name != "from"})

    provider, outcomes = Forgetful(titles=True), list[Outcome]()
    with serving(provider) as address:
        for run in ("run-1", "run-2"):
            outcomes.append(harvest(source_at(address), run))
            outcomes += stage(source_at(address), run)
    assert "from" in provider.lists[-3] and identifiers() == list(range(25))
    assert [outcome.verdict for outcome in outcomes] == ["complete"] * 4
    assert (outcomes[3].staged, outcomes[3].unchanged, outcomes[3].deleted) == (0, 25, 0)


@pytest.mark.parametrize(
    ("date", "since"),
    [
        ("2026-03-01T10:00:00.123Z", "2026-03-01T09:55:00Z"),
        ("2026-03-01T10:00:00+08:00", "2026-03-01T01:55:00Z"),
        ("0000-00-00T00:00:00Z", None),
        ("2026-03-01T10:00:00", None),
    ],
)
def test_a_response_date_that_is_written_otherwise(date: str, since: str | None) -> None:
    provider = Provider(response_date=date)
    with serving(provider) as address:
        harvest(source_at(address), "run-1")
        harvest(source_at(address), "run-2")
    assert provider.lists[3].get("from") == since
