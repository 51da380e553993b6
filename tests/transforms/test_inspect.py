"""What `calis inspect` says of a file."""

import zipfile

from tests.transforms.marc_records import build
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
