"""A later day: what changed is sent again, and only that."""

from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pymarc
import pytest
from sickle import Sickle

from sample import build, provider
from sample.libraries import FEEDS
from sample.update import NoSample, update

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "marc21"
FILES = [DATA / "lc-books.mrc", DATA / "lc-chinese.mrc"]
AT = datetime(2026, 3, 1, 4, 5, 6)
pytestmark = pytest.mark.skipif(not all(f.exists() for f in FILES), reason="needs shared/data/marc21")


def truth(home):
    return {
        (row["source_id"], row["record_id"]): row
        for row in pq.read_table(home / "sample" / "truth.parquet").to_pylist()
    }


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """The home, the truth before and after, and what the update said of itself."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.setenv("CALIS_HOME", str(home))
        build.build(FILES, records=800, seed=5)
        before = truth(home)
        counts = update(FILES, at=AT)
        yield home, before, truth(home), counts


def test_folders_get_one_more_file_with_what_changed(day):
    home, _before, after, counts = day
    for feed in (feed for feed in FEEDS if not feed.oai):
        files = list((home / "sample" / "exports" / feed.source_id).glob("update-*.mrc"))
        if feed.delivery == "full":
            assert not files and feed.source_id not in counts
            continue
        units = [u.lstrip(b"\r\n") for u in files[0].read_bytes().split(b"\x1d")]
        units = [u for u in units if u]
        said = counts[feed.source_id]
        assert len(units) == said["changed"] + said["new"] + said["deleted"] >= 3
        assert sum(unit[5:6] == b"d" for unit in units) == said["deleted"] >= 1
        for unit in units:
            record = pymarc.Record(unit[:9] + b" " + unit[10:] + b"\x1d", file_encoding="latin-1")
            row = after[feed.source_id, record["001"].data]
            assert record["005"].data == "20260301040506.0"
            assert row["file"] == files[0].name
            assert (row["state"] == "deleted") is (unit[5:6] == b"d")


def test_repositories_give_it_from_that_time_on(day):
    _, _before, after, counts = day
    with provider.serve(0) as server:
        for feed in (feed for feed in FEEDS if feed.oai):
            source = Sickle(f"http://127.0.0.1:{server.server_port}/{feed.source_id}/oai")
            begin = "2026-03-01" if feed.granularity == "day" else "2026-03-01T04:05:06Z"
            found = list(source.ListRecords(metadataPrefix=feed.oai, **{"from": begin}))
            said = counts[feed.source_id]
            assert len(found) == said["changed"] + said["new"] + said["deleted"] >= 3
            assert sum(record.deleted for record in found) == said["deleted"]
            everything = [h.identifier for h in source.ListIdentifiers(metadataPrefix=feed.oai)]
            assert sorted(everything) == sorted(name for source, name in after if source == feed.source_id)


def test_the_truth_moves_on(day):
    _, before, after, counts = day
    assert len(after) - len(before) == sum(said["new"] for said in counts.values())
    assert set(before) < set(after)
    changed = [key for key in before if (before[key]["state"], after[key]["state"]) == ("live", "deleted")]
    assert len(changed) == sum(said["deleted"] for said in counts.values())
    assert all(before[key]["book_id"] == after[key]["book_id"] for key in before)


def test_without_a_sample_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    with pytest.raises(NoSample, match="calis sample"):
        update(FILES)
