"""Fetching the records: nothing is kept unless its digest is right, and it is fetched once."""

import hashlib
import io
import tarfile

import pytest

from sample import lc


def archive(path, name, content):
    with tarfile.open(path, "w:gz") as out:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        out.addfile(info, io.BytesIO(content))
    return path


def test_the_right_file_is_extracted(tmp_path, monkeypatch):
    monkeypatch.setattr(lc, "SHA256", hashlib.sha256(b"records").hexdigest())
    lc.extract(archive(tmp_path / "a.tar.gz", f"pymarc-5.4.0/{lc.NAME}", b"records"), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"records"


def test_another_content_is_refused_and_leaves_nothing(tmp_path):
    source = archive(tmp_path / "a.tar.gz", f"pymarc-5.4.0/{lc.NAME}", b"records")
    with pytest.raises(lc.FetchError, match="expected dfdcdad"):
        lc.extract(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


def test_an_archive_without_it_is_refused(tmp_path):
    with pytest.raises(lc.FetchError, match="holds no BooksAll"):
        lc.extract(archive(tmp_path / "a.tar.gz", "other", b"x"), tmp_path / "out")


def test_a_cut_archive_is_refused(tmp_path):
    source = archive(tmp_path / "a.tar.gz", lc.NAME, bytes(range(256)) * 4000)
    source.write_bytes(source.read_bytes()[:-200])
    with pytest.raises(lc.FetchError):
        lc.extract(source, tmp_path / "out")


def test_a_file_that_is_there_is_not_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))
    monkeypatch.setattr(lc, "BYTES", 7)
    monkeypatch.setattr(lc, "_download", lambda folder: pytest.fail("downloaded again"))
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / lc.NAME).write_bytes(b"records")
    assert lc.fetch().read_bytes() == b"records"


def test_pips_complaint_is_passed_on(tmp_path, monkeypatch):
    monkeypatch.setattr(lc, "REQUIREMENT", "./no-such-distribution-here")
    with pytest.raises(lc.FetchError, match="give a MARC file of your own"):
        lc._download(tmp_path)
