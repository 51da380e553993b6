import unicodedata

import pytest
from pymarc import marc8 as of_pymarc

from transforms import charset

SIMPLIFIED = "中国图书馆学研究论文集北京大学出版社"
TRADITIONAL = "中國圖書館學硏究論文集臺北市學生書局"
CYRILLIC = "Бабина Наталья Владимировна Технологические основы"


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        (SIMPLIFIED, "utf-8", "utf-8"),
        (SIMPLIFIED, "gb18030", "gb18030"),
        (SIMPLIFIED, "gb2312", "gb18030"),
        (TRADITIONAL.replace("硏", "研"), "gbk", "gb18030"),
        (TRADITIONAL.replace("硏", "研"), "big5", "big5"),
        (CYRILLIC, "koi8-r", "koi8-r"),
        (CYRILLIC, "utf-8", "utf-8"),
        ("élève œuvre Übung", "utf-8", "utf-8"),
        (SIMPLIFIED, "utf-16", "utf-16"),
        ("00720cam a2200205", "utf-16-be", "utf-16"),
        ("plain", "ascii", "ascii"),
    ],
)
def test_charset_is_found_from_the_bytes(text, encoding, expected):
    assert charset.detect(text.encode(encoding)) == expected


@pytest.mark.parametrize("hint", ["auto", "big5", "koi8-r", "utf-8", "marc-8"])
def test_a_wrong_hint_does_not_decide(hint):
    assert charset.detect(SIMPLIFIED.encode("gb18030"), hint) == "gb18030"


@pytest.mark.parametrize(("hint", "expected"), [("auto", "utf-8"), ("gb18030", "gb18030")])
def test_hint_decides_where_bytes_say_nothing(hint, expected):
    """The bytes of one character may be right in two charsets; then nothing is sure."""
    found, sure = charset.judge("¡".encode(), hint)
    assert (found, sure) == (expected, False)


def test_windows_1251_is_not_taken_for_koi8r():
    assert charset.detect(CYRILLIC.encode("cp1251")) is None


def test_noise_is_no_charset():
    assert charset.detect(bytes(range(0x80, 0x100)) * 3) is None


def test_utf8_with_a_broken_character_is_not_read_as_another_charset():
    for cut in (4, 7, 10):
        broken = SIMPLIFIED.encode()[:cut] + SIMPLIFIED.encode()[cut + 1 :]
        assert charset.detect(broken) is None


@pytest.mark.parametrize("name", ["GBK", "gb2312", "UTF8", "Marc8", "KOI8-R", "cp950", "auto", "UCS-2"])
def test_names_in_any_spelling(name):
    assert charset.canonical(name) in (*charset.CHARSETS, "auto")


def test_unknown_name_says_what_is_known():
    with pytest.raises(ValueError, match="gb18030"):
        charset.canonical("klingon")


@pytest.mark.parametrize(
    "value",
    [
        b"plain",
        b"\xe2ecole de la Ville-\xe2Etang",
        b"So\xebl\xeca \xb1od\xf0z",
        b"\x1b$1!04!7o!7t!CU\x1b(B and more",
        b"H\x1bb2\x1bsO and 10\x1bp2\x1bs \x1bga\x1bs",
        b"\x1b(N^PMM\x1b(B Latin",
        b"\x1b$1!;V!;d\x1b(B",
    ],
)
def test_marc8_as_pymarc_reads_it(value, capsys):
    text, understood = charset.marc8(value)
    assert understood
    assert unicodedata.normalize("NFC", text) == of_pymarc.marc8_to_unicode(value)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("value", [b"\xd7a", b"abc\xe2", b"\x1b$1!0", b"\x1b$1~~~\x1b(B", b"\x1b$1!\xc4`\x1b(B"])
def test_marc8_that_pymarc_guesses_at_is_refused(value):
    with pytest.raises(UnicodeDecodeError):
        charset.marc8(value)


def test_unknown_escape_stays_and_is_told():
    assert charset.marc8(b'H\x1b("S2') == ('H\x1b("S2', False)
    assert charset.marc8(b"en\x1bg") == ("en", False)  # eng, or Greek that never comes
    assert charset.marc8(b"\x1b$1!KG\xe8\x1b(B a")[1] is False  # ANSEL amid EACC: rather another charset's


@pytest.mark.parametrize(
    ("escape", "text"),
    [(b"\x1b($1", "現"), (b"\x1b$$1", "現"), (b"\x1b(1", "現"), (b"\x1b$B", "!KG"), (b"\x1b(E", None)],
)
def test_escape_otherwise_than_the_standard_has_it_is_followed_and_told(escape, text):
    value = escape + b"!KG" + b"\x1b(B"
    if text is not None:
        assert charset.marc8(value) == (text, False)
    else:
        with pytest.raises(UnicodeDecodeError):
            charset.marc8(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\x1b$1!KG\x1b(B", "現"),
        (b"\x1b$,1!KG\x1b,B", "現"),
        (b"\x1b$)1\xa1\xcb\xc7\x1b)!E", "現"),
        (b"\x1b(N^PMM\x1bs", "чпмм"),
    ],
)
def test_escapes_of_the_standard_are_understood(value, text):
    assert charset.marc8(value) == (text, True)


@pytest.mark.parametrize("name", ["gb18030", "big5", "koi8-r"])
def test_tables_say_what_the_codec_says(name):
    table = charset.table(name)
    for lead in range(256):
        alone = table.single[lead]
        if alone >= 0:
            assert bytes([lead]).decode(name) == chr(alone)
        for trail in range(0x40, 0x100, 7):
            point = table.pair[lead << 8 | trail]
            if point >= 0 and name == "gb18030":
                assert bytes([lead, trail]).decode(name) == chr(point)
    if name == "gb18030":
        assert chr(table.four[0]).encode(name) == b"\x81\x30\x81\x30"
        assert all(chr(p).encode(name)[1] < 0x40 for p in table.four[::997] if p >= 0)
