import codecs
import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvesters.landing import count_records
from tests.transforms.marc_records import (
    BOOK,
    CNMARC_LEADER,
    LEADER,
    assemble,
    build,
    read,
    rules,
    status,
    written,
)
from transforms import arena, iso2709
from transforms.iso2709_blocks import JUNK

GOOD = build(BOOK)


# --- one record at a time, by defect ----------------------------------------------------------------------


def test_rows_of_a_right_record():
    chunk = read(GOOD)
    rows = [tuple(row.values()) for row in chunk.fields.to_pylist()]
    assert rows[0][:2] == (0, 0) and rows[0][2] == "LDR" and rows[0][3:7] == (None, None, 0, None)
    assert rows[1] == (0, 1, "001", None, None, 0, None, "  b1 ")
    assert rows[3:6] == [
        (0, 3, "245", "1", "0", 0, "a", "Title :"),
        (0, 3, "245", "1", "0", 1, "b", "subtitle /"),
        (0, 3, "245", "1", "0", 2, "c", "A. Author."),
    ]
    record = chunk.records.to_pylist()[0]
    assert (record["record_id"], record["control_number"]) == ("b1", "b1")
    assert (record["status"], record["format"], record["charset"]) == ("clean", "marc21", "utf-8")
    assert chunk.content.to_pylist() == [GOOD]
    assert not len(chunk.issues) and not len(chunk.rejected)


@pytest.mark.parametrize(
    ("name", "content", "expected_status", "rule"),
    [
        ("wrong record length", b"00099" + GOOD[5:], "mended", "iso2709-length"),
        ("blank base address", GOOD[:12] + b"     " + GOOD[17:], "mended", "iso2709-base-address"),
        ("byte order mark", b"\xef\xbb\xbf" + GOOD, "clean", "iso2709-between-records"),
        ("end of file mark first", b"\x1a\r\n" + GOOD, "clean", "iso2709-between-records"),
        ("no record terminator", GOOD[:-1], "mended", "iso2709-cut"),
        ("field terminator first", b"\x1e" + GOOD, "mended", "iso2709-foreign-bytes"),
        ("blanks in the length", b"  " + GOOD[2:], "mended", "iso2709-length"),
        ("record length blank", b"     " + GOOD[5:], "mended", "iso2709-length"),
        ("record length blank behind a line end", b"\r\n     " + GOOD[5:], "mended", "iso2709-length"),
        ("last field terminator missing", GOOD[:-2] + b"\x1d", "mended", "iso2709-terminator"),
        ("last field terminator overwritten", GOOD[:-2] + b" \x1d", "doubtful", "iso2709-terminator"),
        ("leader one short", GOOD[:22] + GOOD[23:], "mended", None),  # the rule leader-length finds it
        ("indicator count of a leader", GOOD[:10] + b"  " + GOOD[12:], "clean", "iso2709-leader"),
    ],
)
def test_defects_that_leave_the_fields_certain(name, content, expected_status, rule):
    chunk = read(content)
    assert status(chunk) == [expected_status], name
    assert rule is None or rule in rules(chunk)
    mended = [(tag, text.strip()) for tag, text in written(chunk)[0]]
    assert mended == [(tag, text.strip()) for tag, text in BOOK]
    assert len(chunk.records) == count_records(content)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ([("0 2", "10\x1faTitle"), ("245", "10\x1faTitle")], "iso2709-tag"),
        ([("LKR", "  \x1faLinked"), ("245", "10\x1faTitle")], "iso2709-letter-tag"),
        ([("245", "10Title without a code")], "iso2709-subfield-code"),
        ([("245", "10text\x1faTitle")], "iso2709-subfield-code"),
        ([("245", "10\x1f\x1faTitle")], "iso2709-subfield-code"),
        ([("245", "\x1faTitle without indicators")], "iso2709-indicators"),
        ([("001", "a\x1fb")], "iso2709-subfield-code"),
        ([("245", "10\x1faTi\x07tle")], "control-character"),
        ([("245", "10\x1faTi\ufffdtle")], "encoding-replacement"),
        ([("245", "10\x1faA\x1b$1!0!é")], "encoding-escape"),
        ([("245", "10\x1fa$1!:[(B escape character lost")], "encoding-escape"),
    ],
)
def test_odd_fields_are_kept_and_flagged(fields, rule):
    chunk = read(build(fields))
    assert rule in rules(chunk)
    text = "".join(text for _, text in written(chunk)[0])
    assert text.replace("\x1f", "") == "".join(text for _, text in fields).replace("\x1f", "")


def test_a_dollar_that_is_a_code_is_no_lost_escape():
    fields = [("001", "1"), ("245", "10\x1faTitle"), ("050", "00\x1faPZ7\x1f$1!0!bG")]
    assert status(read(build(fields))) == ["clean"]


def test_an_escape_between_records_is_in_neither():
    first, second = (build([("001", number), ("245", "10\x1faTitle")]) for number in "12")
    found = read(first + b"\x1b\x1a" + second)
    assert status(found)[0] == "clean"


@pytest.mark.parametrize("lost", [24, 25, 26])
def test_a_tag_that_lost_a_character_is_not_certain(lost):
    """It looks like a leader that is one short, and the first field gets a tag that may be wrong."""
    record = build(BOOK[2:])
    assert set(status(read(record[:lost] + record[lost + 1 :]))) <= {"doubtful", "rejected"}


def test_record_over_the_limit_is_mended_by_its_terminators():
    fields = [("245", "10\x1faTitle"), *[("500", "  \x1fa" + "x" * 9000)] * 12]
    parts = [(tag.encode(), text.encode()) for tag, text in fields]
    directory, data = b"", b""
    for tag, text in parts:
        directory += tag + b"%04d%05d" % (len(text) + 1, len(data) % 100_000)
        data += text + b"\x1e"
    base = 25 + len(directory)
    record = b"99999nam a22%05d a 4500" % base + directory + b"\x1e" + data + b"\x1d"
    chunk = read(record)
    assert status(chunk) in (["mended"], ["doubtful"])
    assert "iso2709-overlong" in rules(chunk)
    assert written(chunk)[0] == fields


def test_digits_that_overflow_are_told_as_what_they_are():
    long = build([*BOOK, *[("650", f" 0\x1fa{i:03d}" + "x" * 900) for i in range(150)]])
    # as pymarc writes it: the length has six digits, which move everything behind them
    (refused,) = read(long + GOOD).rejected.to_pylist()
    assert refused["rule"] == "iso2709-overlong"
    assert "MARCXML" in refused["advice"]


def test_rejected_records_keep_bytes_offset_and_reason():
    broken = GOOD[:30] + b"#####" + GOOD[30:]
    content = GOOD + b"\r\n" + broken + GOOD + GOOD[:60]
    chunk = read(content)
    assert status(chunk) == ["clean", "rejected", "clean", "rejected"]
    first, last = chunk.rejected.to_pylist()
    assert first["content"] == broken and content[first["byte_offset"] :].startswith(broken)
    assert last["rule"] == "iso2709-cut" and last["content"] == GOOD[:60]
    assert all(row["reason"] and row["advice"] for row in (first, last))
    assert chunk.records["byte_offset"].to_pylist()[2] == len(GOOD) + 2 + len(broken)


def test_deleted_record_keeps_its_fields():
    chunk = read(build(BOOK, LEADER[:5] + "d" + LEADER[6:]))
    assert status(chunk) == ["deleted"]
    assert written(chunk)[0] == BOOK


@pytest.mark.parametrize(
    ("fields", "hint", "expected"),
    [
        ([("245", "10\x1faTitle")], "cnmarc", "marc21"),
        ([("200", "1 \x1fa书名"), ("801", " 0\x1faXX")], "auto", "cnmarc"),
        ([("200", "1 \x1faTitre"), ("801", " 0\x1faFR")], "auto", "unimarc"),
        ([("200", "1 \x1faTitle"), ("801", " 0\x1faCN\x1fbBNU")], "auto", "cnmarc"),
        ([("200", "1 \x1faTitle"), ("905", "  \x1faBNU")], "auto", "cnmarc"),
        ([("200", "1 \x1faTitle"), ("210", "  \x1faPlace")], "cnmarc", "cnmarc"),
        ([("100", "  \x1fa20200101d2020    em y0chiy50      ea"), ("200", "1 \x1fa1984")], "auto", "cnmarc"),
        ([("200", "1 \x1faA"), ("245", "10\x1faA")], "unimarc", "unimarc"),
        ([("100", "1 \x1faName")], "auto", "marc21"),
    ],
)
def test_format_by_content(fields, hint, expected):
    assert read(build(fields), format_hint=hint).records["format"].to_pylist() == [expected]


def test_readers_export_is_possible_personal_data():
    reader = build([("001", "r1"), ("200", "  \x1fa李四\x1fb男"), ("300", "  \x1fa13800000000")], CNMARC_LEADER)
    book = build([("001", "b1"), ("200", "1 \x1fa书名"), ("801", " 0\x1faCN")], CNMARC_LEADER)
    found = [row for row in read(reader + book).issues.to_pylist() if row["rule"] == "possible-personal-data"]
    assert [(row["record_no"], row["severity"]) for row in found] == [(0, "fail")]


def test_value_that_starts_inside_a_character_is_not_accepted():
    """The whole buffer is valid UTF-8 once delimiters are taken away; the values are not."""
    text = "中".encode()
    record = assemble([(b"245", b"10\x1fa" + text[:1]), (b"500", b"  \x1fa" + text[1:])], LEADER.encode())
    chunk = read(GOOD + build([("245", "10\x1fa中文图书馆")]) + record)
    assert status(chunk) == ["clean", "clean", "rejected"]
    assert chunk.rejected["rule"].to_pylist() == ["encoding-undecodable"]


def test_numbers_and_offsets_go_on_over_chunks():
    content = b"".join(build([("001", f"{number:04}"), *BOOK[1:]]) + b"\r\n" for number in range(500))
    chunk = read(content, chunk_bytes=3000, first_record_no=7)
    assert chunk.records["record_no"].to_pylist() == list(range(7, 507))
    assert chunk.records["record_id"].to_pylist() == [f"{number:04}" for number in range(500)]
    for offset, one in zip(chunk.records["byte_offset"].to_pylist(), chunk.content.to_pylist(), strict=True):
        assert content[offset : offset + len(one)] == one


def test_chunks_that_are_held_stay_as_they_were():
    """Memory is used again only when no chunk lies in it."""
    content = b"".join(build([("001", f"{number:06}"), ("245", "10\x1fa" + "v" * 300)]) for number in range(3000))
    held = list(iso2709.read(io.BytesIO(content), chunk_bytes=50_000))
    ids = [value for chunk in held for value in chunk.records["record_id"].to_pylist()]
    values = [value for chunk in held for value in chunk.fields["value"].to_pylist() if value.isdigit()]
    assert ids == values == [f"{number:06}" for number in range(3000)]
    some = []
    for chunk in iso2709.read(io.BytesIO(content), chunk_bytes=50_000):
        some.append(chunk.fields["value"].slice(1, 1))
    assert [value for one in some for value in one.to_pylist()] == [
        chunk.fields["value"][1].as_py() for chunk in held
    ]


def test_endless_record_does_not_fill_memory(monkeypatch):
    monkeypatch.setattr("transforms.iso2709_blocks.MAX_RECORD", 100_000)
    monkeypatch.setattr("transforms.iso2709_blocks.KEPT", 1000)
    content = GOOD + b"x" * 700_000 + b"\x1d" + GOOD
    chunk = read(content, chunk_bytes=20_000)
    assert status(chunk) == ["clean", "rejected", "clean"] and count_records(content) == 3
    assert chunk.rejected["rule"].to_pylist() == ["iso2709-too-long"]
    assert chunk.records["byte_offset"].to_pylist()[2] == len(GOOD) + 700_001


def test_memory_of_one_block_serves_the_next(monkeypatch):
    monkeypatch.setattr(arena, "_threads", arena._Threads())
    for chunk in iso2709.read(io.BytesIO(GOOD * 2000), chunk_bytes=20_000):
        assert len(chunk.records)
    assert len(arena.passing()._blocks) == 1
    assert len(arena.kept()._blocks) <= 2  # the tables of the last chunk are still here when the next is read


def test_an_endless_record_in_utf16_may_be_cut_within_a_character(monkeypatch):
    monkeypatch.setattr("transforms.iso2709_blocks.MAX_RECORD", 100_000)
    monkeypatch.setattr("transforms.iso2709_blocks.KEPT", 1000)
    for more in ("", "x", "xx"):  # one of them ends between characters
        content = (GOOD.decode() + more + "書" * 70_000 + "\x1d" + GOOD.decode()).encode("utf-16")
        chunk = read(content, chunk_bytes=20_000)
        assert status(chunk) == ["clean", "rejected", "clean"]
        (kept,) = chunk.rejected["content"].to_pylist()
        assert kept in content and kept.endswith("書".encode("utf-16-le"))


def test_digest_is_of_the_bytes():
    other = GOOD.replace(b"Title", b"Titel")
    first, second, third = read(GOOD + b"\r\n" + GOOD + other).records["digest"].to_pylist()
    assert first == second != third


def test_gzip_stream(tmp_path):
    path = tmp_path / "file.mrc.gz"
    path.write_bytes(gzip.compress(GOOD * 3))
    with gzip.open(path) as stream:
        assert sum(len(chunk.records) for chunk in iso2709.read(stream)) == 3


# --- any bytes --------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_characters="\x1b", exclude_categories=["Cs", "Cc"]), max_size=30)
CODED = st.lists(st.tuples(st.sampled_from("abcxyzA029"), TEXT), min_size=1, max_size=4)
DATA_FIELD = st.tuples(
    st.integers(10, 999).map(lambda n: f"{n:03}"),
    st.builds(
        lambda inds, parts: inds + "".join("\x1f" + code + text for code, text in parts),
        st.text("0123456789 ", min_size=2, max_size=2),
        CODED,
    ),
)
CONTROL_FIELD = st.tuples(st.sampled_from(["001", "005", "008"]), TEXT)
RECORD = st.lists(st.one_of(CONTROL_FIELD, DATA_FIELD), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=5), st.integers(100, 5000))
def test_what_is_written_is_read(records, chunk_bytes):
    content = b"".join(build(fields) for fields in records)
    chunk = read(content, chunk_bytes=chunk_bytes)
    assert written(chunk) == dict(enumerate(records))
    assert set(status(chunk)) <= {"clean", "doubtful"}  # doubtful: few characters, or U+FFFD


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([GOOD, GOOD[:40], GOOD[40:], b"\x1d", b"\x1e", b"\x1f", b"\r\n", b"\x1b$1", b"\xef\xbb\xbf"]),
    st.builds(build, RECORD),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=8).map(b"".join), st.integers(30, 3000))
def test_any_bytes_neither_crash_nor_lose_the_count(content, chunk_bytes):
    chunk = read(content, chunk_bytes=chunk_bytes)
    told = status(chunk)
    assert len(chunk.rejected) == told.count("rejected")
    marc = b"\x1d" in content or b"\x1e" in content
    other = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or content.lstrip(JUNK).startswith(b"<")
    if marc and not other:
        assert len(told) == count_records(content)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_neither_crash_nor_lose_the_count(data):
    content = bytearray(GOOD * 2 + build([("001", "x"), ("200", "1 \x1fa中文")], encoding="gb18030"))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(
            st.sampled_from([0x1D, 0x1E, 0x1F, 0x30, 0x39, 0x20, 0x80, 0xC3, 0xFF, 0x00])
        )
    chunk = read(bytes(content), chunk_bytes=data.draw(st.integers(40, 2000)))
    assert len(chunk.records) == count_records(bytes(content))


def test_one_broken_value_among_many_sound_ones_refuses_the_record():
    # so many values in good UTF-8 that the record as a whole is judged UTF-8 whatever one value is
    sound = [(b"606", "  \x1faCongrès des États".encode()) for _ in range(80)]
    record = assemble([(b"001", b"1"), *sound, (b"606", b"  \x1faP\xc3\x1fxD")], CNMARC_LEADER.encode())
    chunk = read(record)
    assert status(chunk) == ["rejected"]
    assert chunk.rejected["rule"].to_pylist() == ["encoding-undecodable"]
    chunk.fields.validate(full=True)
