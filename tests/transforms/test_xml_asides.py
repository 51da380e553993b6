"""Comments and CDATA that hold the tags of records: no record is counted that is none, and none is lost."""

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvesters import oai_page, xml_layout
from harvesters.landing import count_records
from transforms.xml_units import units

LIMIT = xml_layout.ASIDE_LIMIT


def cut(content: bytes, block: int = 1 << 20) -> list[bytes]:
    """The records of a document as the stage cuts them, in blocks of some size."""
    found = []
    for some in units(io.BytesIO(content), block, 50):
        found += [some.content(number) for number in range(len(some))]
    return found


def counted(content: bytes, chunk: int = 1 << 20) -> int:
    """The same as counted at landing, in chunks of some size."""
    return xml_layout.count(iter([content[at : at + chunk] for at in range(0, len(content), chunk)]))


def collection(*records: str) -> bytes:
    return ("<collection>" + "".join(records) + "</collection>").encode()


OLD = "<record><controlfield tag='001'>old</controlfield></record>"
ONE, TWO = (f"<record><controlfield tag='001'>{n}</controlfield></record>" for n in (1, 2))


def listed(*records: str) -> bytes:
    return (
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-03-01T10:00:00Z</responseDate>'
        f"<request>http://h/</request><ListRecords>{''.join(records)}<resumptionToken>t</resumptionToken>"
        "</ListRecords></OAI-PMH>"
    ).encode()


def oai(number: int, inside: str = "") -> str:
    header = f"<header><identifier>oai:a:{number}</identifier></header>"
    return f"<record>{header}<metadata><dc><title>{inside}</title></dc></metadata></record>"


ASIDES = [
    f"<!-- {OLD} -->",
    f"<![CDATA[{OLD}]]>",
    f"<!-- {oai(9)} -->",
    "<!-- </record> -->",
    "<![CDATA[<record>]]>",
]


@pytest.mark.parametrize("aside", ASIDES)
@pytest.mark.parametrize("make", [collection, listed])
def test_tags_in_comments_and_cdata_are_none(aside: str, make) -> None:
    one, two = (ONE, TWO) if make is collection else (oai(1), oai(2, aside))
    behind = one.replace("</", f"{aside}</", 1)
    content = make(aside if aside.startswith("<!--") else "", behind, two)
    for size in (7, 64, 1 << 20):
        assert counted(content, size) == 2
        assert cut(content, size) == [behind.encode(), two.encode()]


@pytest.mark.parametrize("aside", ASIDES)
def test_an_oai_page_with_them_is_read_right(aside: str) -> None:
    around = aside if aside.startswith("<!--") else ""
    content = listed(around, oai(1, aside), around, oai(2), around)
    page = oai_page.read(content, "ListRecords")
    assert (page.records, page.identifiers, page.token) == (2, [b"oai:a:1", b"oai:a:2"], "t")


def test_identifiers_in_cdata_are_told_apart() -> None:
    pages = [listed(oai(1).replace("oai:a:1", f"<![CDATA[oai:a:{n}]]>")) for n in (1, 2)]
    one, two = (oai_page.read(page, "ListRecords").identifiers for page in pages)
    assert one != two and len(one) == len(two) == 1


@pytest.mark.parametrize("opened", ["<!-- never closed", "<![CDATA[ never closed", "<!-"])
def test_what_never_ends_takes_no_record_along(opened: str) -> None:
    content = collection(ONE.replace("1<", f"{opened}<"), TWO)
    assert counted(content) == counted(content, 5) == len(cut(content)) == len(cut(content, 5)) == 2


def test_what_ends_too_late_takes_no_record_along() -> None:
    for more, records in ((0, 1), (1, 2)):
        start, end = f"<!-- {OLD}", "-->"
        aside = start + " " * (LIMIT - len(start) - len(end) + more) + end
        content = collection(aside, ONE)
        assert counted(content) == counted(content, 1 << 16) == records
        assert len(cut(content)) == len(cut(content, 1 << 16)) == records


PIECES = (
    "<!--", "-->", "<![CDATA[", "]]>", "<!", "<", ">", "--", "]]", "<record>", "</record>", "<record/>",
    "<record a='", "<header>", "</header>", "<x:record>", "text", " ", "<!DOCTYPE a>", ONE, oai(1), "<metadata>",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25), st.integers(1, 200), st.sampled_from([collection, listed]))
def test_the_count_is_that_of_the_records_cut(pieces: list[str], size: int, make) -> None:
    content = make(*pieces)
    assert counted(content, size) == counted(content) == len(cut(content, size)) == len(cut(content))
    assert count_records(content) == counted(content)


def test_a_document_of_openings_is_counted_in_a_moment() -> None:
    """None of them is sought the end of twice."""
    chosen = random.Random(3)
    content = collection(ONE, "".join(chosen.choice(("<!-- ", "<![CDATA[ ")) for _ in range(200_000)), TWO)
    assert counted(content) == len(cut(content)) == 2
