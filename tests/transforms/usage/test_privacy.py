"""Personal data planted in every kind of usage file is in no byte of what is written; old pseudonyms go."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from quality.feedback import feedback, runs, zipped
from quality.report import report
from tests.transforms.staged_records import HAMLET, stage
from transforms import catalog
from transforms.usage import retention
from warehouse import engine, lake
from warehouse.publish import publish

from .planted import CARD, HEADS, IDENTITY, LATIN, MAIL, MORE, NAME, PHONE, leaks, told, unpacked, written
from .usage_lake import MEMBERS, Feeds, html_page, html_table, rows, spreadsheet_2003

FILES = {
    "loans": f"event_id,event_type,event_time,barcode,reader,{HEADS}\n"
    f"1,loan,2024-01-05,B1,{CARD},{MORE}\n2,fly,bad,B1,{CARD},{MORE}\n3,loan,2024-01-05,{IDENTITY},{CARD},{MORE}\n"
    f"4,loan,{NAME},{MAIL},{CARD},{MORE}\n5,{NAME},{CARD},{PHONE}\n6,loan,2024-01-05,B1,{CARD},{MORE},{NAME}\n",
    "items": f"month,barcode,location,{HEADS}\n2024-01,B1,{PHONE},{MORE}\nx,B2,,{MORE}\n2024-01,B3,,{MORE}\n",
    "population": f"month,reader_type,headcount,{HEADS}\n2024-01,{MAIL},5,{MORE}\n"
    f"2024-01,x,-1,{MORE}\n2024-02,x,1,{MORE}\n",
    "ill": f"request_id,role,title,submitted_at,patron,{HEADS}\n1,borrow,T {PHONE},2024-01-05,{CARD},{MORE}\n"
    f"2,borrow,T,2024-01-05,{CARD},{MORE}\n",
    "ppv": f"order_id,order date,platform,price,title,user id,{HEADS}\n1,2024-01-05,P,12,T {MAIL},{CARD},{MORE}\n"
    f"2,2024-01-05,P,1,T,{CARD},{MORE}\n3,x,P,1,T,{CARD},{MORE}\n",
    "ebook_loans": f"loan_id,borrowed_at,title,user id,{HEADS}\n1,2024-01-31,T,{CARD},{MORE}\n"
    f"2,,T,{CARD},{MORE}\n",
    "rental": f"tenant,system,month,logins,{HEADS}\nA,S,2024-01,5,{MORE}\nA,{PHONE},2024-01,5,{MORE}\n",
    "kbart": f"publication_title,print_identifier,notes,{HEADS}\nT,1234-5679,ask {MAIL},{MORE}\nU,,,{MORE}\n",
    "counter": "Report_Name\tTitle Master Report\nReport_ID\tTR\nRelease\t5.1\nInstitution_Name\t"
    f"{NAME}\nCreated_By\tP\n\nTitle\tPlatform\tMetric_Type\tReader\tJan-2024\tFeb-2024\n"
    f"T\tP\tTotal_Item_Requests\t{NAME}\t5\t6\nT {MAIL}\tP\tTotal_Item_Requests\t{NAME}\t5\t6\n",
}
MESSAGE = f"""<ISO18626Message xmlns="http://illtransactions.org/2013/iso18626"><request><header>
<supplyingAgencyId><agencyIdValue>B</agencyIdValue></supplyingAgencyId>
<requestingAgencyId><agencyIdValue>A</agencyIdValue></requestingAgencyId>
<timestamp>2024-01-05T08:00:00Z</timestamp><requestingAgencyRequestId>q1</requestingAgencyRequestId></header>
<bibliographicInfo><title>T</title></bibliographicInfo><patronInfo><patronId>{CARD}</patronId>
<surname>{NAME}</surname></patronInfo><requestedDeliveryInfo><address>{MAIL}</address></requestedDeliveryInfo>
<serviceInfo><note>{LATIN} {PHONE}</note></serviceInfo></request></ISO18626Message>"""
# What stands around the rows in these forms, and beside their cells.
AROUND = f"""<meta name=Author content="{LATIN}"><title>{NAME}</title><!-- {MAIL} --><p>{PHONE}</p>
<table><tr><td>{NAME}</td><td>{CARD}</td></tr></table>"""
FOOT = f"<tr><td colspan=99>打印：{NAME} {PHONE}</td></tr>"
PROPERTIES = f'<DocumentProperties xmlns="urn:x"><Author>{NAME}</Author></DocumentProperties><Worksheet'


def as_html(content: str) -> str:
    table = html_table(cells_of(content)).replace("<td>", f'<td title="{NAME}" onclick="show(\'{CARD}\')">')
    return html_page(AROUND, table.replace("</table>", f"{FOOT}</table>"))


def as_spreadsheet_2003(content: str) -> str:
    """Without rows that lack cells: Excel leaves out the last ones, and eleven digits may be a barcode."""
    lines = cells_of(content)
    whole = [line for line in lines if len(line) >= len(lines[0]) or "Report_ID" in content]
    comment = f"<Comment ss:Author='{LATIN}'><Data>{NAME}</Data></Comment></Cell>"
    book = spreadsheet_2003(whole).replace("</Cell>", comment)
    return book.replace("<Worksheet", PROPERTIES, 1)


def cells_of(content: str) -> list[list[str]]:
    return [line.split("\t" if "\t" in content else ",") for line in content.strip().split("\n")]


FORMS = {"html": as_html, "2003": as_spreadsheet_2003, "tabs": lambda text: text.replace(",", "\t")}


def released() -> bytes:
    """Build, publish and report on what is staged; the archives that members get.

    Most rows of usage here are bad, which the gate of records set aside leaves to the gates of their batches.
    """
    stage("a-cat", [HAMLET], items=[{"record_no": 0, "record_id": "000", "item_no": 0, "barcode": "B1"}])
    catalog.build("run")
    for outcome in (*publish("run"), *feedback("run"), *report("run")):
        assert outcome.verdict == "complete", outcome
    return b"".join(unpacked(zipped("A", build_id)) for build_id in runs("A"))


def assert_no_pseudonym_is_published(archives: bytes) -> None:
    ((pseudonym,),) = rows("SELECT DISTINCT reader_key FROM staged.loan")
    file = lake.published_database()
    pages = b"".join(path.read_bytes() for path in lake.site().rglob("*") if path.is_file())
    published = told(file)
    assert b"Hamlet" in published and b"Demo Library A" in pages, "what is there is found"
    assert str(pseudonym).encode() not in published + pages + archives
    assert pseudonym.to_bytes(8, "little", signed=True) not in file.read_bytes()
    with engine.connect(file, read_only=True) as con:
        assert con.execute("SELECT count(*) > 0 FROM catalog.loan").fetchone() == (True,)
        columns = con.execute("SELECT table_name FROM duckdb_columns() WHERE column_name = 'reader_key'")
        assert columns.fetchall() == []


def test_personal_data_is_in_no_byte_of_what_is_written(caplog):
    caplog.set_level("DEBUG")
    said = []
    feeds = Feeds("a-cat,A,auto,full,", *(f"a-{kind},A,{kind},delta," for kind in FILES))
    for kind, content in FILES.items():
        files = {f"{NAME}-{PHONE}.csv": content}
        if kind == "ill":
            files[f"{LATIN}.xml"] = MESSAGE
        batch_id, harvested = feeds.harvest(f"a-{kind}", files)
        outcome = feeds.stage(f"a-{kind}", batch_id)
        assert outcome.received == outcome.staged + outcome.rejected > 0, kind
        assert outcome.staged, kind
        outcome.record()
        said += [harvested.reason, outcome.reason]
    lake.held_batch("a-loans", "b1").parent.mkdir(parents=True)
    shutil.copytree(lake.staged_batch("a-loans", "b1"), lake.held_batch("a-loans", "b1"))
    archives = released()
    assert b"usage-personal" in archives, "the member is told of the rows that were set aside"
    assert_no_pseudonym_is_published(archives)
    files = written(lake.home(), but=lake.home() / "in")
    files |= {"archives": archives, "logs": caplog.text.encode(), "said": "".join(said).encode()}
    assert {"duckdb", "html", "csv", "parquet", "zst"} <= {name.rpartition(".")[2] for name in files}
    folders = {Path(name).relative_to(lake.home()).parts[0] for name in files if name.startswith(str(lake.home()))}
    assert {"raw", "staged", "held", "catalog", "quality", "published", "registry"} <= folders
    assert len(files) > 100
    assert leaks(files) == []
    assert rows("SELECT count(DISTINCT reader_key) FROM staged.loan") == [(1,)]
    assert any("personal data among them: identity number, name, telephone" in one for one in said)


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_come_through_the_same_door(form, caplog):
    caplog.set_level("DEBUG")
    feeds, said = Feeds(*(f"a-{kind},A,{kind},delta," for kind in FILES)), []
    for kind, content in FILES.items():
        batch_id, harvested = feeds.harvest(f"a-{kind}", {f"{NAME}-{PHONE}.xls": FORMS[form](content)})
        outcome = feeds.stage(f"a-{kind}", batch_id)
        assert outcome.received == outcome.staged + outcome.rejected > outcome.rejected, kind
        said += [harvested.reason, outcome.reason]
    files = written(lake.home(), but=lake.home() / "in")
    files |= {"logs": caplog.text.encode(), "said": "".join(said).encode()}
    assert len(files) > 9 * 4 and leaks(files) == []
    assert rows("SELECT count(DISTINCT reader_key) FROM staged.loan") == [(1,)]


@pytest.mark.parametrize(("months", "left"), [(1, 1), (600, 2), (0, 0)])
def test_retention_removes_old_pseudonyms_and_keeps_the_events(months, left):
    header = "event_id,event_type,event_time,barcode,reader\n"
    feeds = Feeds("a,A,loans,delta,")
    feeds.take("a", {"loans.csv": header + "1,loan,2024-01-05,B1,R1\n2,loan,2024-06-05,B1,R2\n"})
    removed = retention.retain(months, date(2024, 6, 20))
    assert removed == {"raw": 2 - left, "staged": 2 - left, "catalog": 0}
    assert rows("SELECT count(*), count(reader_key) FROM staged.loan") == [(2, left)]
    feeds.stage("a", "b1")  # raw has them no more either
    assert rows("SELECT count(*), count(reader_key) FROM staged.loan") == [(2, left)]


def test_retention_reaches_batches_that_are_held_and_builds():
    header = "event_id,event_type,event_time,barcode,reader\n"
    feeds = Feeds("a-cat,A,auto,full,", "a,A,loans,delta,")
    stage("a-cat", [HAMLET])
    feeds.take("a", {"loans.csv": header + "1,loan,2024-01-05,B1,R1\n"})
    catalog.build("run")
    held = lake.held_batch("a", "b1")
    held.parent.mkdir(parents=True)
    lake.staged_batch("a", "b1").rename(held)
    assert retention.retain(1, date(2024, 6, 20)) == {"raw": 1, "staged": 1, "catalog": 1}
    assert pq.read_table(held / "loan.parquet")["reader_key"].null_count == 1
    assert rows("SELECT count(*), count(reader_key) FROM catalog.loan") == [(1, 0)]


def test_retention_reaches_sources_and_members_that_the_registry_no_longer_has():
    header = "event_id,event_type,event_time,barcode,reader\n"
    feeds = Feeds("a,A,loans,delta,", "b,B,loans,delta,")
    for source_id in ("a", "b"):
        feeds.take(source_id, {"loans.csv": header + f"{source_id},loan,2024-01-05,B1,R1\n"})
    members = lake.registry() / "members.csv"
    members.write_text("".join(MEMBERS.splitlines(keepends=True)[:2]), "utf-8")
    Feeds.write_sources("a,A,loans,delta,")
    assert retention.retain(1, date(2024, 6, 20)) == {"raw": 2, "staged": 2, "catalog": 0}
    assert rows("SELECT count(*), count(reader_key) FROM staged.loan") == [(2, 0)]
