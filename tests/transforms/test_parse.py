"""A file parsed in parts of any size, written by a thread of its own: the tables are the same."""

from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvesters.compressed import opened
from transforms import detect, xml_records
from transforms.detect import Hints
from transforms.inspect import inspect
from transforms.iso2709 import read as iso2709_read
from transforms.staged_files import Batch, StagedFiles

from .test_stage import book, iso2709

NAMES = ("bib", "field", "holding", "item", "rejected", "issue")


def marcxml(count):
    record = (
        "<record><leader>00000nam a2200000   4500</leader><controlfield tag='001'>{0}</controlfield>"
        "<datafield tag='245' ind1='0' ind2='0'><subfield code='a'>Title {0} /</subfield></datafield></record>"
    )
    return ("<collection>" + "".join(record.format(i) for i in range(count)) + "</collection>").encode()


def records():
    """Sound records, one without title, one with an identity number, one that ends too early."""
    odd = [
        iso2709(("001", "x")),
        iso2709(("001", "y"), ("245", "00\x1faTitle"), ("500", "  \x1fa110101199003071233")),
        iso2709(("001", "z"), ("020", "  \x1fa9787503727900"), ("245", "00\x1faTitle\ufffd")),
        book("cut")[:40] + b"\x1d",
    ]
    return b"".join(book(i, f"Title {i}") for i in range(40)) + b"".join(odd) + book(99)


def staged(path, folder, part_records=4_000, look=lambda part: (part.tables, None)):
    """The staged tables of a file, in parts of so many records."""
    folder.mkdir()
    batch = Batch([(path.name, partial(opened, path))], Hints(), "s", "2026", look, part_records)
    with StagedFiles(folder, batch) as files:
        assert list(files.parts())
        files.finish()


@pytest.mark.parametrize("content", [records(), marcxml(45)], ids=["iso2709", "marcxml"])
def test_size_of_parts_changes_nothing(tmp_path, monkeypatch, content):
    (tmp_path / "file").write_bytes(content)
    # small chunks, so that a part can end between them
    monkeypatch.setattr(detect.iso2709, "read", partial(iso2709_read, chunk_bytes=1000))
    monkeypatch.setattr(xml_records, "CHUNK_RECORDS", 7)
    tables = {}
    for size in (1, 10, 10_000):
        staged(tmp_path / "file", tmp_path / str(size), size)
        tables[size] = {name: pq.read_table(tmp_path / str(size) / f"{name}.parquet") for name in NAMES}
    assert len(tables[1]["bib"]) >= 40
    for name in NAMES:
        assert tables[1][name].equals(tables[10_000][name]), name
        assert tables[10][name].equals(tables[10_000][name])


def test_rules_without_tag_see_the_signs(tmp_path):
    (tmp_path / "file").write_bytes(records())
    found = inspect(tmp_path / "file")["issues"]
    assert found["personal-data"] == 1
    assert found["undecoded-character"] == 1


def test_a_table_without_a_contract_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(records())
    with pytest.raises(KeyError, match="nonsense"):
        staged(
            tmp_path / "file",
            tmp_path / "out",
            look=lambda part: ({**part.tables, "nonsense": pa.table({"a": [1]})}, None),
        )
