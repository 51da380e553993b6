"""Documents in XML that are read together are staged as each by itself would be."""

import io
import os
from functools import partial

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transforms.marc_records import build
from tests.transforms.marcxml_documents import damaged, documents, rows
from transforms import xml_pages
from transforms.detect import FormatError, Hints, read
from transforms.staged_files import Batch, StagedFiles

EXAMPLES = 50 + 5 * int(os.environ.get("CALIS_FUZZ_SECONDS", "0"))
TABLES = ("bib", "field", "holding", "item", "rejected", "issue")
SLIM = "http://www.loc.gov/MARC21/slim"
ROOT = 'OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"'


def marc(name, title="红楼梦", prefix="", declared=True):
    """A MARCXML record, perhaps with a prefix that is declared elsewhere."""
    of = f"{prefix}:" if prefix else ""
    space = f" xmlns{of and ':' + prefix}='{SLIM}'" if declared else ""
    return (
        f"<{of}record{space}><{of}leader>00000nam a2200000 a 4500</{of}leader>"
        f"<{of}controlfield tag='001'>{name}</{of}controlfield>"
        f"<{of}datafield tag='245' ind1='0' ind2='0'><{of}subfield code='a'>{title}</{of}subfield></{of}datafield>"
        f"<{of}datafield tag='852' ind1=' ' ind2=' '><{of}subfield code='h'>I242</{of}subfield>"
        f"<{of}subfield code='p'>b{name}</{of}subfield></{of}datafield></{of}record>"
    )


def page(*described, root=ROOT, encoding="utf-8", deleted=()):
    """A page of OAI-PMH; its records are named by what they describe, so that equal ones are versions of one."""
    records = "".join(
        f"<record><header><identifier>oai:x:{number}</identifier></header><metadata>{one}</metadata></record>\n"
        for number, one in enumerate(described)
    )
    gone = "".join(
        f"<record><header status='deleted'><identifier>{d}</identifier></header></record>" for d in deleted
    )
    return (
        f"<?xml version='1.0' encoding='{encoding}'?>\n<{root}><responseDate>2026</responseDate>"
        f"<ListRecords>{records}{gone}</ListRecords></OAI-PMH>"
    ).encode("utf-16" if encoding == "utf-16" else encoding)


DC = '<dc xmlns="http://purl.org/dc/elements/1.1/"><title>Dublin</title></dc>'
PLAIN = [page(marc(f"{n}a"), marc(f"{n}b", f"Title {n}")) for n in range(3)]
ODD = {
    "a record that is no XML": page(marc("c"), marc("d").replace("</record>", ""), marc("e")),
    "a record without a title": page(marc("c", ""), marc("d")),
    "an illegal character": page(marc("c", "A\x01B"), marc("d")),
    "bytes that are no UTF-8": page(marc("c", "Caf?"), marc("d")).replace(b"Caf?", b"Caf\xe9"),
    "a prefix declared at the root": page(marc("c", prefix="m", declared=False), root=f"{ROOT} xmlns:m='{SLIM}'"),
    "a prefix that nobody declares": page(marc("c", prefix="m", declared=False), marc("d")),
    "a namespace that is no address": page(marc("d").replace(f"xmlns='{SLIM}'", "xmlns='slim'")),
    "UTF-16": page(marc("c"), marc("d"), encoding="utf-16"),
    "GB18030": page(marc("c"), marc("d"), encoding="gb18030"),
    "no record": page(),
    "withdrawals": page(marc("c"), deleted=["0a", "z"]),
    "a page that is cut": page(marc("c"), marc("d"))[:-150],
    "Dublin Core": page(DC, DC),
    "a collection": f"<collection>{marc('c')}{marc('d')}</collection>".encode(),
    "a record without header": page(marc("c")).replace(b"<header>", b"<hoder>").replace(b"</header>", b"</hoder>"),
    "ISO 2709": build([("001", "c"), ("245", "00\x1faT")]),
    "an empty file": b"",
}


def contents(pages):
    return [(f"page-{n}", partial(io.BytesIO, one)) for n, one in enumerate(pages)]


def staged(folder, pages, together, part_records=4_000):
    """The staged tables, where so many bytes are read together."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_pages, "TOGETHER", together)
        batch = Batch(contents(pages), Hints(holdings="marc21-852"), "s", "2026", _whole, part_records)
        with StagedFiles(folder, batch) as files:
            told = list(files.parts())
            files.finish()
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in TABLES}
    # findings that compare records stand behind those of some part
    tables["issue"] = tables["issue"].sort_by([(name, "ascending") for name in tables["issue"].column_names])
    return tables, sum(told)


def _whole(part):
    return part.tables, len(part.records)


@pytest.mark.parametrize("odd", ODD)
def test_pages_are_staged_as_each_alone(odd, tmp_path):
    strange = ODD["a prefix that nobody declares"]  # of which a parser told nothing before such a namespace
    pages = [*PLAIN[:2], strange, ODD[odd], PLAIN[2], ODD[odd], ODD[odd], PLAIN[0]]
    alone, count = staged(tmp_path / "alone", pages, 0)
    for size in (1_000, 2_000, 1 << 20):
        tables, told = staged(tmp_path / str(size), pages, size, part_records=4)
        assert told == count
        for name in TABLES:
            assert tables[name].equals(alone[name]), name
    assert set(alone["bib"]["file"].to_pylist()) >= {"page-0", "page-1", "page-4", "page-7"}
    for row in alone["rejected"].to_pylist():
        content = pages[int(row["file"].removeprefix("page-"))]
        assert content[row["byte_offset"] :].startswith(row["content"]) and row["content"]


def chunks(pages, hint="auto"):
    return list(read(contents(pages), Hints(hint)))


def test_only_what_is_framed_alike_is_read_together():
    sizes = [
        len(chunk) for _, chunk in chunks([*PLAIN, ODD["UTF-16"], ODD["UTF-16"], *PLAIN, ODD["GB18030"], *PLAIN])
    ]
    assert sizes == [6, 2, 2, 6, 2, 6]
    assert [len(chunk) for _, chunk in chunks([*PLAIN, ODD["ISO 2709"], *PLAIN])] == [6, 1, 6]
    assert [len(chunk) for _, chunk in chunks([*PLAIN, ODD["a collection"], *PLAIN])] == [6, 2, 6]


def test_no_more_is_read_together_than_makes_a_chunk(monkeypatch):
    monkeypatch.setattr(xml_pages, "CHUNK_RECORDS", 4)
    assert [len(chunk) for _, chunk in chunks(PLAIN)] == [4, 2]
    monkeypatch.setattr(xml_pages, "CHUNK_RECORDS", 1)
    assert [len(chunk) for _, chunk in chunks(PLAIN)] == [2, 2, 2]
    monkeypatch.undo()
    monkeypatch.setattr(xml_pages, "DOCUMENTS", 2)
    assert [len(chunk) for _, chunk in chunks(PLAIN)] == [4, 2]


def test_a_document_without_records_is_refused_amid_others():
    with pytest.raises(FormatError, match="page-1 is XML without a record element"):
        chunks([PLAIN[0], b"<html><p>Not found</p></html>", PLAIN[1]])


@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(documents() | damaged(), min_size=2, max_size=4), st.sampled_from(["auto", "cnmarc"]))
def test_any_documents_read_as_each_alone(pages, hint):
    def found():
        try:
            named = chunks(pages, hint)
        except FormatError as error:
            return str(error)
        return [name for names, _ in named for name in names.to_pylist()], rows([chunk for _, chunk in named])

    together = found()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_pages, "TOGETHER", 0)
        assert found() == together
