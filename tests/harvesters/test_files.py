"""Harvesting a folder: every new file lands once, whole, and what can't be taken is named."""

import fcntl
import gzip
import io
import os
import resource
import tarfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import zstandard

from harvesters import compressed, files, landing
from harvesters.harvest import harvest
from harvesters.registry import Source
from warehouse import lake
from warehouse.outcome import recorded

RECORD = b"00034nam a2200025 a 4500\x1e\x1d"
MARCXML = b"<?xml version='1.0'?><collection>" + b"<record><leader/></record>" * 4 + b"</collection>"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CALIS_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "drop"
    folder.mkdir(parents=True)
    return folder


def source(**changes: object) -> Source:
    row = {"source_id": "demo", "member_code": "demo", "protocol": "folder", "address": "drop"}
    return Source.model_validate(row | changes)


def landed() -> dict[str, int]:
    """The files of the newest batch with their counts, each read back."""
    batch_id = lake.raw_batches("demo")[-1]
    found = {}
    for row in landing.manifest("demo", batch_id):
        with landing.open_raw("demo", batch_id, row["file"]) as stream:
            assert landing.count_records(stream) == row["received"]
        found[row["file"]] = row["received"]
    return found


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_new_files_land_in_name_order_and_only_once(folder: Path) -> None:
    (folder / "b.mrc").write_bytes(RECORD * 3)
    (folder / "a.xml").write_bytes(MARCXML)
    outcome = harvest(source(), "run-1")
    assert (outcome.verdict, outcome.received, outcome.staged) == ("complete", 7, 7)
    assert list(landed().items()) == [("a.xml", 4), ("b.mrc", 3)]
    assert not landing.batch("demo", outcome.batch_id).full
    (folder / "b.mrc").rename(folder / "renamed.mrc")
    again = harvest(source(), "run-2")
    assert (again.verdict, again.received) == ("unchanged", 0) and "no new file" in again.reason
    assert lake.raw_batches("demo") == [outcome.batch_id]
    (folder / "c.mrc").write_bytes(RECORD * 2)
    assert harvest(source(), "run-3").received == 2 and landed() == {"c.mrc": 2}
    assert [o.verdict for o in recorded("harvest", "demo")] == ["complete", "unchanged", "complete"]


def test_the_same_file_twice_in_a_folder_lands_once(folder: Path) -> None:
    for name in ("a.mrc", "copy.mrc"):
        (folder / name).write_bytes(RECORD)
    assert harvest(source(), "run").received == 1 and landed() == {"a.mrc": 1}


def test_what_a_killed_harvest_left_is_removed(folder: Path) -> None:
    killed = landing.Landing("demo", "20200101T000000000000Z")
    killed.land("a.mrc", RECORD, "a.mrc")
    (folder / "a.mrc").write_bytes(RECORD)
    assert harvest(source(), "run").received == 1 and not landing.in_progress("demo")


def test_full_takes_everything_again(folder: Path) -> None:
    (folder / "a.mrc").write_bytes(RECORD)
    harvest(source(), "run-1")
    outcome = harvest(source(), "run-2", full=True)
    assert outcome.received == 1 and landing.batch("demo", outcome.batch_id).full


def test_full_delivery_makes_full_batches(folder: Path) -> None:
    (folder / "a.mrc").write_bytes(RECORD)
    assert landing.batch("demo", harvest(source(delivery="full"), "run").batch_id).full


@pytest.mark.parametrize("content", [b"title,year\n", b"\n\n"])
def test_full_delivery_of_nothing_withdraws_nothing(folder: Path, content: bytes) -> None:
    (folder / "a.csv").write_bytes(content)
    outcome = harvest(source(delivery="full"), "run")
    assert outcome.verdict == "failed" and "withdraw everything" in outcome.reason and not lake.raw_batches("demo")


def test_full_delivery_with_an_unreadable_file_is_not_full(folder: Path) -> None:
    (folder / "a.mrc").write_bytes(RECORD)
    (folder / "b.mrc.gz").write_bytes(gzip.compress(RECORD)[:-9])
    outcome = harvest(source(delivery="full"), "run")
    assert outcome.verdict == "partial" and not landing.batch("demo", outcome.batch_id).full


@pytest.mark.parametrize("name", [".hidden.mrc", "a.mrc.part", "a.MRC.TMP", "a.filepart"])
def test_file_still_being_written_by_its_name_is_left_alone(folder: Path, name: str) -> None:
    (folder / name).write_bytes(RECORD)
    outcome = harvest(source(), "run")
    assert outcome.verdict == "unchanged" and name in outcome.reason


def test_empty_file_is_left_until_it_has_content(folder: Path) -> None:
    (folder / "a.mrc").touch()
    assert harvest(source(), "run").verdict == "unchanged"
    (folder / "a.mrc").write_bytes(RECORD)
    assert harvest(source(), "run").received == 1


def test_file_that_changes_while_it_is_read_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.mrc").write_bytes(RECORD)
    (folder / "b.mrc").write_bytes(RECORD * 5)
    land = landing.Landing.land

    def land_while_written(self: landing.Landing, name: str, *args: object, **more: object) -> int:
        received = land(self, name, *args, **more)  # type: ignore[arg-type]
        if name == "b.mrc":
            with (folder / name).open("ab") as file:
                file.write(RECORD)
        return received

    with monkeypatch.context() as patch:
        patch.setattr(landing.Landing, "land", land_while_written)
        assert harvest(source(), "run-1").received == 1 and landed() == {"a.mrc": 1}
    assert harvest(source(), "run-2").received == 6 and landed() == {"b.mrc": 6}


def test_missing_folder_fails(folder: Path) -> None:
    outcome = harvest(source(address="nowhere"), "run")
    assert outcome.verdict == "failed" and "nowhere: no such folder" in outcome.reason and "demo" in outcome.reason


def test_absolute_address(folder: Path, tmp_path: Path) -> None:
    (folder / "a.mrc").write_bytes(RECORD)
    assert harvest(source(address=str(folder)), "run").received == 1


def test_empty_folder_is_unchanged_with_a_reason(folder: Path) -> None:
    outcome = harvest(source(), "run")
    assert outcome.verdict == "unchanged" and "no new file" in outcome.reason and not lake.raw_batches("demo")


def test_links_and_folders_are_named_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.mrc").write_bytes(RECORD)
    (folder / "link.mrc").symlink_to(tmp_path / "secret.mrc")
    (folder / "inner").mkdir()
    (folder / "a.mrc").write_bytes(RECORD)
    outcome = harvest(source(), "run")
    assert outcome.verdict == "partial" and landed() == {"a.mrc": 1}
    assert "link.mrc" in outcome.reason and "inner" in outcome.reason


def test_names_of_any_kind(folder: Path) -> None:
    names = ["馆藏 2026.mrc", "a!b.mrc", "file.parquet", "batch.json", "progress.jsonl"]
    for number, name in enumerate(names, 1):
        (folder / name).write_bytes(RECORD * number)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xb9\xdd.mrc")).write_bytes(RECORD * 6)
    assert harvest(source(), "run").verdict == "complete"
    assert landed() == dict(zip(names, range(1, 6), strict=True)) | {"\\xb9\\xdd.mrc": 6}


# --- compressed ------------------------------------------------------------------------------------------

COMPRESSED = {
    "a.mrc.gz": gzip.compress(RECORD * 3),
    "two-members.gz": gzip.compress(RECORD) + gzip.compress(RECORD * 2),
    "a.mrc.zst": zstandard.compress(RECORD * 3),
    "two-frames.zst": zstandard.compress(RECORD) + zstandard.compress(RECORD * 2),
    "gz-in-gz.mrc": gzip.compress(gzip.compress(RECORD * 3)),
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_file_is_kept_as_received_and_counted_opened(folder: Path, name: str) -> None:
    (folder / name).write_bytes(COMPRESSED[name])
    outcome = harvest(source(), "run")
    assert landed() == {name: 3}
    with compressed.open_kept(landing.raw_path("demo", outcome.batch_id, name)) as kept:
        assert kept.read() == COMPRESSED[name]
    with landing.open_raw("demo", outcome.batch_id, name) as opened:
        assert opened.read() == RECORD * 3


def test_archive_has_a_row_for_each_file_inside(folder: Path) -> None:
    members = {"b.mrc": RECORD * 2, "in/a.xml": MARCXML, "c.mrc.gz": gzip.compress(RECORD), "x!y.mrc": RECORD}
    content = zipped(**members, **{"__MACOSX/b.mrc": b"x", "in/.DS_Store": b"x"})
    (folder / "export.zip").write_bytes(content)
    outcome = harvest(source(), "run-1")
    counts = {"export.zip!b.mrc": 2, "export.zip!c.mrc.gz": 1, "export.zip!in/a.xml": 4, "export.zip!x!y.mrc": 1}
    assert landed() == counts and outcome.received == 8
    with compressed.open_kept(landing.raw_path("demo", outcome.batch_id, "export.zip!b.mrc")) as kept:
        assert kept.read() == content
    assert harvest(source(), "run-2").verdict == "unchanged"


def encrypted() -> bytes:
    content = bytearray(zipped(**{"a.mrc": RECORD}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


UNREADABLE = {
    "cut.gz": gzip.compress(os.urandom(5000))[:-1000],
    "gzip without its check sum": gzip.compress(RECORD)[:-4],
    "damaged.gz": gzip.compress(RECORD * 99)[:30] + b"\xff\xff" + gzip.compress(RECORD * 99)[32:],
    "rubbish after.gz": gzip.compress(RECORD) + b"rubbish",
    "cut.zst": zstandard.compress(os.urandom(5000))[:-1000],
    "cut.zip": zipped(**{"a.mrc": os.urandom(5000)})[:-1000],
    "damaged.zip": zipped(**{"a.mrc": os.urandom(5000)}).replace(b"a.mrc", b"b.mrc", 1),
    "empty.zip": b"PK\x03\x04" + zipped()[4:],
    "encrypted.zip": encrypted(),
    "escape.zip": zipped(**{"../../a.mrc": RECORD}),
    "absolute.zip": zipped(**{"/etc/a.mrc": RECORD}),
    "windows.zip": zipped(**{"C:\\a.mrc": RECORD}),
    "zip in zip": zipped(**{"a.zip": zipped(**{"a.mrc": RECORD})}),
    "gzip bomb": gzip.compress(bytes(3_000_000)),
    "zstd bomb": zstandard.compress(bytes(3_000_000)),
    "zip bomb": zipped(**{"a.mrc": bytes(3_000_000)}),
    "gzip bomb in gzip": gzip.compress(gzip.compress(bytes(3_000_000))),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_file_is_named_and_its_neighbours_land(folder: Path, name: str) -> None:
    (folder / "a.mrc").write_bytes(RECORD)
    (folder / name).write_bytes(UNREADABLE[name])
    (folder / "z.mrc").write_bytes(RECORD * 2)
    outcome = harvest(source(max_megabytes=2), "run-1")
    assert (outcome.verdict, outcome.received) == ("partial", 3) and outcome.balanced
    assert name in outcome.reason and landed() == {"a.mrc": 1, "z.mrc": 2}
    assert not (lake.raw_batch("demo", outcome.batch_id) / f"{name}.zst").exists()
    again = harvest(source(max_megabytes=2), "run-2")
    assert again.verdict == "failed" and name in again.reason  # told until it is mended


def test_file_larger_than_the_limit_is_named(folder: Path) -> None:
    (folder / "a.mrc").write_bytes(bytes(1_000_001))
    outcome = harvest(source(max_megabytes=1), "run")
    assert outcome.verdict == "failed" and "max_megabytes" in outcome.reason


@pytest.mark.parametrize("kind", ["plain", "gzip", "zip"])
def test_memory_does_not_grow_with_the_file(folder: Path, kind: str) -> None:
    with ExitStack() as stack:
        file: Any = stack.enter_context((folder / "a").open("wb"))
        if kind == "gzip":
            file = stack.enter_context(gzip.GzipFile(fileobj=file, mode="wb"))
        elif kind == "zip":
            archive = stack.enter_context(zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED))
            file = stack.enter_context(archive.open("a.mrc", "w"))
        for _ in range(100):
            file.write(RECORD * 30_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert harvest(source(), "run").received == 3_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB, of 78 MB


def test_folder_of_a_source(folder: Path) -> None:
    assert files.folder_of(source()) == folder


def tarred(how: str, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{how}") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("how", ["", "gz"])
def test_each_file_of_a_tar_archive_lands(folder: Path, how: str) -> None:
    (folder / "a.tar").write_bytes(tarred(how, **{"x/b.mrc": RECORD * 2, "x/a.xml": MARCXML}))
    assert harvest(source(), "run").received == 6
    assert landed() == {"a.tar!x/a.xml": 4, "a.tar!x/b.mrc": 2}


def test_a_tar_archive_in_zstd_lands(folder: Path) -> None:
    (folder / "a.tar.zst").write_bytes(zstandard.compress(tarred("", **{"b.mrc": RECORD * 2})))
    assert harvest(source(), "run").received == 2 and landed() == {"a.tar.zst!b.mrc": 2}


def link() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a.mrc")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    return buffer.getvalue()


REFUSED = {
    "path out of a tar": (tarred("", **{"../a.mrc": RECORD}), "path outside itself"),
    "absolute path in a tar": (tarred("gz", **{"/etc/a.mrc": RECORD}), "path outside itself"),
    "link in a tar": (link(), "is a link or device"),
    "cut tar": (tarred("", **{"a.mrc": RECORD * 100})[:1000], "no whole tar archive"),
    "cut tar.gz": (tarred("gz", **{"a.mrc": os.urandom(9999)})[:5000], "send the file again"),
    "tar cut between two files": (tarred("", **{"a.mrc": RECORD, "b.mrc": RECORD})[:1024], "it is cut"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + b"\0" * 40, "7z is not read; send it as zip"),
    "rar": (b"Rar!\x1a\x07\x00" + b"\0" * 40, "rar is not read"),
    "zip bomb": (zipped(**{f"{n}.mrc": bytes(60 << 20) for n in range(2)}), "would open to"),
    "tar bomb": (tarred("gz", **{"a.mrc": bytes(120 << 20)}), "200 times its size"),
    "too many files": (zipped(**{f"{n}": b"" for n in range(10_001)}), "more than 10000"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_unsafe_in_an_archive_is_refused(folder: Path, content: bytes, said: str) -> None:
    (folder / "a.bin").write_bytes(content)
    outcome = harvest(source(), "run")
    assert outcome.verdict == "failed" and said in outcome.reason, outcome.reason
    assert not lake.raw_batches("demo")


@pytest.mark.parametrize("lock", ["a.mrc.lock", ".~lock.a.mrc#"])
def test_a_file_with_a_lock_beside_it_is_left_alone(folder: Path, lock: str) -> None:
    (folder / "a.mrc").write_bytes(RECORD)
    (folder / lock).touch()
    outcome = harvest(source(), "run")
    assert outcome.verdict == "unchanged" and "a.mrc: is locked by a file beside it" in outcome.reason
    (folder / lock).unlink()
    assert harvest(source(), "run-2").received == 1


def test_a_file_that_its_writer_locks_is_left_alone(folder: Path) -> None:
    with (folder / "a.mrc").open("wb") as writer:
        writer.write(RECORD)
        writer.flush()
        fcntl.flock(writer, fcntl.LOCK_EX)
        outcome = harvest(source(), "run")
        assert outcome.verdict == "unchanged" and "is locked by the program" in outcome.reason
    assert harvest(source(), "run-2").received == 1


def test_a_file_that_grows_while_we_look_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.mrc", "b.mrc"):
        (folder / name).write_bytes(RECORD)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: (folder / "b.mrc").write_bytes(RECORD * 2))
    outcome = harvest(source(quirks={"settle": "1"}), "run")
    assert (outcome.verdict, landed()) == ("complete", {"a.mrc": 1})


def test_only_the_files_that_the_row_names(folder: Path) -> None:
    (folder / "a.mrc").write_bytes(RECORD)
    (folder / "readme.txt").write_bytes(b"hello")
    assert harvest(source(quirks={"files": "*.mrc *.xml"}), "run").received == 1 and landed() == {"a.mrc": 1}
