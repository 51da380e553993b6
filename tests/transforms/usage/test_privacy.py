"""Personal data planted in every kind of usage file is in no byte of what is written; old pseudonyms go."""

from datetime import date

import pyarrow.parquet as pq
import pytest
import zstandard

from transforms.usage import retention
from warehouse import lake

from .usage_lake import Feeds, rows

PLANTED = ("张三丰", "Zhang Sanfeng", "13812345678", "110105199001011234", "zhang@example.edu.cn", "RDR20240017")
NAME, LATIN, PHONE, IDENTITY, MAIL, CARD = PLANTED
MORE = f"{NAME},{LATIN},{PHONE},{IDENTITY},{MAIL}"
HEADS = "姓名,Name,手机,身份证号,备注"
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


def written() -> dict[str, bytes]:
    """Every file of the lake but what the members delivered: its name and its bytes, decompressed."""
    found = {}
    for path in lake.home().rglob("*"):
        if path.is_file() and (lake.home() / "in") not in path.parents:
            content = path.read_bytes()
            if path.suffix == ".zst":
                content = zstandard.ZstdDecompressor().stream_reader(content).read()
            if path.suffix == ".parquet":
                content += repr(pq.read_table(path).to_pydict()).encode()
            found[str(path)] = content
    return found


def test_personal_data_is_in_no_byte_of_what_is_written(caplog):
    caplog.set_level("DEBUG")
    said = []
    for kind, content in FILES.items():
        feeds = Feeds(f"a-{kind},A,{kind},delta,")
        files = {f"{NAME}-{PHONE}.csv": content}
        if kind == "ill":
            files[f"{LATIN}.xml"] = MESSAGE
        batch_id, harvested = feeds.harvest(f"a-{kind}", files)
        outcome = feeds.stage(f"a-{kind}", batch_id)
        assert outcome.received == outcome.staged + outcome.rejected > 0, kind
        assert outcome.staged, kind
        said += [harvested.reason, outcome.reason]
    files = written()
    assert len(files) > 40
    leaks = [
        (name[-60:], planted, data[data.find(planted.encode()) - 30 :][:60])
        for name, data in files.items()
        for planted in PLANTED
        if planted.encode() in data
    ]
    assert not leaks
    everything = b"".join(files.values()) + "".join([*files, *said, caplog.text]).encode()
    for planted in PLANTED:
        assert planted.encode() not in everything, planted
        assert planted.encode("gb18030") not in everything or planted.isascii()
    assert rows("SELECT count(DISTINCT reader_key) FROM staged.loan") == [(1,)]
    assert any("personal data among them: identity number, name, telephone" in one for one in said)


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
