"""What `calis inspect` says of a file."""

import zipfile

import pyarrow.parquet as pq
import pytest

from tests.transforms.marc_records import build
from transforms.detect import Hints
from transforms.inspect import inspect


def book(number):
    return build([("001", number), ("245", "10\x1faTitle")])


def test_an_archive_of_several_files_is_read_whole(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/one.mrc", book("1") + book("2"))
        archive.writestr("two.mrc", book("3"))
    found = inspect(path)
    assert (found["format"], found["records"], found["accepted"]) == ("marc21", 3, 3)


NOISE = b"\xff\xfe\x80\xc3(\xf8\x81"  # in no charset that is known
UNDECODED = {
    "iso2709": b"".join(build([("001", str(n)), ("245", "10\x1fa?")]).replace(b"?", b"\x80") for n in range(2)),
    "lines": b"".join(b"=LDR  00000nam\n=001  %d\n=245  10$a" % n + NOISE + b"\n\n" for n in range(2)),
    "xml": b"<collection>" + b"<record><leader>" + NOISE + b"</leader></record>" + b"</collection>",
}


@pytest.mark.parametrize("container", UNDECODED)
def test_the_encoding_of_what_was_not_decoded_is_unknown(container, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(UNDECODED[container])
    found = inspect(path)
    assert found["accepted"] == 0 < found["records"]
    assert (found["encoding"], found["encodings"]) == ("unknown", {"unknown": found["records"]})


def test_records_that_are_broken_do_not_hide_the_encoding_of_the_others(tmp_path):
    whole = build([("001", "1"), ("245", "10\x1fa红楼梦新证")])
    path = tmp_path / "file"
    path.write_bytes(whole + b"broken\x1d" * 5)
    assert inspect(path)["encodings"] == {"utf-8": 6}


def test_holdings_that_no_profile_reads_are_told(tmp_path):
    held = [("001", "1"), ("245", "10\x1faTitle"), ("852", "  \x1faX\x1fhQA1"), ("866", "  \x1fav.1")]
    path = tmp_path / "file"
    path.write_bytes(build(held) + build([*held, ("852", "  \x1faY")]))
    note = inspect(path)["note"]
    assert "3 of 852, 2 of 866;" in note
    profile = note.rsplit(" ", 1)[1]
    assert "note" not in inspect(path, Hints(holdings=profile), tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "holding.parquet")["coverage"].to_pylist() == ["v.1", "v.1", None]
    path.write_bytes(book("1"))
    assert "note" not in inspect(path)
