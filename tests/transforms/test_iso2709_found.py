"""What a fuzzer found in reading ISO 2709, each with the smallest file that shows it."""

import pytest

from tests.transforms.marc_records import BOOK, CNMARC_LEADER, LEADER, assemble, build, read, status, written

GOOD = build(BOOK)


def test_a_blank_length_is_mended_wherever_a_chunk_ends():
    blank = b"     " + GOOD[5:]
    for chunk_bytes in range(1, 2 * len(GOOD), 7):
        chunk = read(GOOD + blank + b"\n" + blank, chunk_bytes=chunk_bytes)
        assert status(chunk) == ["clean", "mended", "mended"], chunk_bytes
        assert chunk.records["byte_offset"].to_pylist()[:2] == [0, len(GOOD)]


@pytest.mark.parametrize("chunk_bytes", [1, 50, 1 << 20])
def test_bytes_between_records_are_told_wherever_a_chunk_ends(chunk_bytes):
    chunk = read(GOOD + b"\x1a" + GOOD, chunk_bytes=chunk_bytes)
    assert chunk.issues.select(["record_no", "rule"]).to_pylist() == [
        {"record_no": 1, "rule": "iso2709-between-records"}
    ]


@pytest.mark.parametrize("chunk_bytes", [64, 1 << 20])
def test_a_replacement_character_before_a_record_is_no_byte_order_mark(chunk_bytes):
    """Its first bytes are those of a mark; taken off, they would leave half a character."""
    content = (GOOD.decode() + "\ufffd" + GOOD.decode()).encode("utf-16")
    chunk = read(content, chunk_bytes=chunk_bytes)
    assert status(chunk) == ["clean", "mended"]
    assert b"".join(chunk.content.to_pylist()) == content[2:]


def test_foreign_bytes_are_kept_with_their_record():
    undecodable = assemble([(b"001", b"b1"), (b"245", b"10\x1fa\xff\xfe\x80")], LEADER.encode())
    content = GOOD + b"HEADER " + GOOD + b"HEADER " + undecodable
    chunk = read(content)
    assert status(chunk) == ["clean", "mended", "rejected"]
    assert chunk.content.to_pylist() == [GOOD, b"HEADER " + GOOD, b"HEADER " + undecodable]
    rejected = chunk.rejected.to_pylist()[0]
    assert rejected["content"] == b"HEADER " + undecodable
    place = content.index(b"\xff")
    assert f"at byte {place} of the file" in rejected["reason"]


@pytest.mark.parametrize("lost", [2, 3, 4])
def test_a_leader_cut_at_its_beginning_takes_no_bytes_of_the_record_before(lost):
    chunk = read(GOOD + GOOD[lost:])
    assert chunk.content.to_pylist() == [GOOD, GOOD[lost:]]
    assert status(chunk) == ["clean", "rejected"]


def test_no_text_is_cut_off_where_a_terminator_is_lost():
    """All fields behind it begin a byte late by the directory."""
    at = GOOD.index(b"\x1e", GOOD.index(b"Author"))
    lost = GOOD[: at - 60] + GOOD[at - 60 : at].replace(b"\x1e", b"", 1) + GOOD[at:]
    assert lost.count(b"\x1e") == GOOD.count(b"\x1e") - 1
    assert status(read(lost)) == ["rejected"]


def test_no_text_is_cut_off_where_a_terminator_is_put_into_it():
    """The next field begins where the directory says, in the middle of its text, by the terminator before."""
    parts = [(b"001", b"b1"), (b"245", b"10\x1faTitle"), (b"300", b"  \x1fa12 p."), (b"500", b"  \x1faNote")]
    right = assemble(parts, LEADER.encode())
    moved = assemble([parts[0], (b"245", b"10\x1eaTitle!"), (b"300", b"  \x1fa12 p"), parts[3]], LEADER.encode(), [
        len(text) + 1 for _, text in parts
    ])  # fmt: skip
    assert len(moved) == len(right)
    assert status(read(moved)) == ["rejected"]


@pytest.mark.parametrize("chunk_bytes", [64, 1 << 20])
def test_offsets_in_utf16_count_what_lies_between_records(chunk_bytes):
    text = GOOD.decode() + "\r\n" * 60 + GOOD.decode() + "\x00" + GOOD.decode()
    content = text.encode("utf-16")
    chunk = read(content, chunk_bytes=chunk_bytes)
    places, received = chunk.records["byte_offset"].to_pylist(), chunk.content.to_pylist()
    assert [content[at : at + len(one)] for at, one in zip(places, received, strict=True)] == received


@pytest.mark.parametrize(
    ("usual", "usual_text", "other", "text"),
    [
        (
            "koi8-r",
            "Русский язык и литература. Издательство Наука",
            "gb18030",
            "计算机网络技术与应用 中国图书馆学研究",
        ),
        ("gb18030", "中国图书馆学研究 北京大学出版社 现代汉语词典", "big5", "電腦網路技術 電腦網路技術"),
    ],
)
def test_a_record_in_another_charset_than_its_file_is_no_mojibake(usual, usual_text, other, text):
    file = build([("001", "1"), ("200", "1 \x1fa" + usual_text)], CNMARC_LEADER, usual) * 20
    record = build([("001", "2"), ("200", "1 \x1fa" + text)], CNMARC_LEADER, other)
    chunk = read(file + record)
    assert chunk.records["charset"].to_pylist() == [usual] * 20 + [other]
    assert written(chunk)[20][1] == ("200", "1 \x1fa" + text)


@pytest.mark.parametrize("byte", [b"\xe4", b"\xb8", b"\xe4\xb8"])
def test_latin_bytes_amid_triples_of_eacc_are_doubted(byte):
    value = b"\x1b$1!KG!0s!HW!Xl" + byte + b"!XO\x1b(B \x1b$1!_U!Se!QH!Ze!@,KWF\x1b(B"  # 現代漢語詞 電腦網路技術
    record = assemble([(b"245", b"10\x1fa" + value)], LEADER.encode())
    assert status(read(record)) == ["doubtful"]


@pytest.mark.parametrize(
    "text",
    [
        "189页\x1fc图\x1fd音乐理论\x1fe阅览室",  # fair Russian too: рЁ, рТюжюМбш
        "תולדות\x1fe מכון בן צבי לחקר קהילות ישראל\x1fd192页",  # four bytes each
        "Va\u0304lmi\u0304ki-Ra\u0304ma\u0304yan\u0323a\x1fd192页",
    ],
)
def test_a_record_that_its_files_charset_reads_well_stays_in_it(text):
    usual = (
        build([("001", "1"), ("200", "1 \x1fa中国图书馆学研究\x1f北京大学出版社")], CNMARC_LEADER, "gb18030") * 20
    )
    chunk = read(usual + build([("001", "2"), ("200", "1 \x1fa" + text)], CNMARC_LEADER, "gb18030"))
    assert chunk.records["charset"].to_pylist() == ["gb18030"] * 21
    assert status(chunk)[20] == "clean"
    assert written(chunk)[20][1] == ("200", "1 \x1fa" + text)


def test_a_field_called_as_the_leader_is_here_makes_no_second_name():
    chunk = read(build([("001", "1"), ("LDR", "00\x1fax"), ("ZZZ", "00\x1fay"), ("245", "00\x1faT")]))
    tags = chunk.fields["tag"].combine_chunks()
    assert tags.to_pylist() == ["LDR", "001", "LDR", "ZZZ", "245"]
    names = tags.dictionary.to_pylist()
    assert len(names) == len(set(names))
