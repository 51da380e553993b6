"""Line dumps and Aleph sequential: every known layout, real records, and what a dump can't say."""

import io
from contextlib import suppress

import pymarc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvesters import landing
from tests.transforms import marc_records
from tests.transforms.text_marc import column, of, rules, values, whole
from transforms import marc_text
from transforms.detect import FormatError

CNMARC = [
    ("LDR", "01106nam0 2200253   450 "),
    ("001", "012000518979"),
    ("200", "1 ", [("a", "傽子集"), ("f", "陸游著")]),  # 傽 ends in 7C, the bar, in GBK
    ("210", "  ", [("a", "北京"), ("c", "中华书局"), ("d", "1998")]),
    ("690", "  ", [("a", "I222.7")]),
]


def line(field, sign, gap, space):
    if len(field) == 2:
        return f"{field[0]}{gap or ''}{field[1]}"
    return f"{field[0]}{gap}{field[1]}{space}" + "".join(f"{sign}{code}{value}" for code, value in field[2])


def dump(records, sign="$", gap=" ", space=" ", end="\n\n"):
    return "".join("\n".join(line(field, sign, gap, space) for field in record) + end for record in records)


def pieces(records):
    return [
        (number, field[0], field[1], code, value)
        for number, record in enumerate(records)
        for field in record
        if len(field) == 3
        for code, value in field[2]
    ]


def read_data(chunk):
    return [row for row in values(chunk) if row[3] is not None]


CODED = "20020204d1994    em y0chiy{}ea"


@pytest.mark.parametrize(
    ("encoding", "label", "expected"),
    [
        ("gb18030", "50      ", [("100", "50  ")]),
        ("gb18030", "0110    ", []),
        ("utf-8", "0110    ", [("100", "0110")]),
        ("utf-8", "50      ", []),
        ("utf-16", "50      ", []),
        ("utf-8", None, []),  # it says nothing
    ],
)
def test_a_label_of_another_charset_is_told(encoding, label, expected):
    coded = [("100", "  ", [("a", CODED.format(label))])] if label else []
    chunk = whole(dump([[*CNMARC[:2], *coded, *CNMARC[2:]]] * 3).encode(encoding))
    told = [(row["tag"], row["value"]) for row in chunk.issues.to_pylist() if row["rule"] == "encoding-label"]
    assert told == expected * 3
    assert set(column(chunk, "status")) == {"clean"}


@pytest.mark.parametrize(
    ("sign", "encoding", "expected"), [("a", "utf-8", 0), (" ", "utf-8", 3), ("a", "gb18030", 3)]
)
def test_leader_9_of_marc21_is_held_against_the_charset(sign, encoding, expected):
    book = [("LDR", f"01106nam {sign}2200253   450 "), ("001", "1"), ("245", "10", [("a", "中国图书馆学研究")])]
    assert rules(whole(dump([book] * 3).encode(encoding))).count("encoding-label") == expected
    plain = [*book[:2], ("245", "10", [("a", "A title")])]
    assert not rules(whole(dump([plain] * 3).encode(encoding)))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("sign", ["$", "|", "▼", "@", "^", "\x1f"])
@pytest.mark.parametrize(
    ("gap", "space", "end"), [(" ", " ", "\n\n"), ("", "", "\n***\n"), ("", " ", "\n\n"), ("\t", "\t", "\n \n")]
)
def test_layouts(encoding, sign, gap, space, end):
    records = [CNMARC] * 3
    chunk = whole(dump(records, sign, gap, space, end).encode(encoding))
    assert read_data(chunk) == pieces(records)
    assert of(chunk, "001") == ["012000518979"] * 3
    assert of(chunk, "LDR") == ["01106nam0 2200253   450 "] * 3
    assert set(column(chunk, "format")) == {"cnmarc"} and set(column(chunk, "charset")) == {encoding}


@pytest.mark.parametrize("encoding", ["big5", "gb18030"])
def test_a_delimiter_that_is_half_a_character(encoding):
    titles = "".join(chr(point) for point in range(0x4E00, 0x9FA6) if (chr(point).encode("gb18030")[1:2] == b"|"))
    assert len(titles) > 50
    text = "功能許蓋育" if encoding == "big5" else titles[:40]  # 功 and others end in 5C, the backslash, in Big5
    record = [*CNMARC[:2], ("200", "1 ", [("a", "中國文學史的研究與出版" + text), ("f", "著")])]
    chunk = whole(dump([record] * 2, "|").encode(encoding), encoding=encoding)
    assert read_data(chunk)[0][4].endswith(text)


def mnemonic(record):
    return str(record)


def yaz(record):
    lines = [str(record.leader)]
    for field in record.fields:
        parts = " ".join(f"${sub.code} {sub.value}" for sub in field.subfields)
        lines.append(
            f"{field.tag} {field.data}"
            if field.is_control_field()
            else f"{field.tag} {''.join(field.indicators)} {parts}"
        )
    return "\n".join(lines) + "\n\n"


def aleph(record, number):
    lines = ["LDR   L " + str(record.leader).replace(" ", "^")]
    for field in record.fields:
        parts = "".join(f"$${sub.code}{sub.value}" for sub in field.subfields)
        plain = f"{field.tag}   L " + (field.data or "").replace(" ", "^")
        lines.append(plain if field.is_control_field() else f"{field.tag}{''.join(field.indicators)} L {parts}")
    return "".join(f"{number:09d} {line}\n" for line in lines)


@pytest.fixture(scope="module")
def chinese(real):
    units = (real / "marc21/lc-chinese.mrc").read_bytes().split(b"\x1d")[:300]
    content = b"\x1d".join(units) + b"\x1d"
    return list(pymarc.MARCReader(io.BytesIO(content))), values(marc_records.read(content))


def stripped(rows):
    return [(*row[:4], row[4].strip()) for row in rows]


@pytest.mark.parametrize("form", ["mnemonic", "yaz", "aleph"])
def test_real_records_as_iso2709_has_them(chinese, form):
    records, expected = chinese
    if form == "aleph":
        text = "".join(aleph(record, number) for number, record in enumerate(records))
    else:
        text = "\n".join({"mnemonic": mnemonic, "yaz": yaz}[form](record) for record in records)
    chunk = whole(text.encode())
    doubted = {number for number, status in enumerate(column(chunk, "status")) if status == "doubtful"}
    assert len(doubted) <= 3  # a price with a dollar sign can't be told from a subfield
    got, wanted = ([row for row in rows if row[0] not in doubted] for rows in (values(chunk), expected))
    assert stripped(got) == stripped(wanted) if form == "yaz" else got == wanted


MNEMONIC = "=LDR  00000nam\\a2200000\\a\\4500\n=001  1\n=245  10$aTitle{dollar}5 /$cA.\n"


def test_mnemonics():
    chunk = whole((MNEMONIC + "\n" + MNEMONIC.replace("{dollar}", "{eacute}")).encode())
    assert of(chunk, "LDR")[0] == "00000nam a2200000 a 4500"
    assert of(chunk, "245") == ["Title$5 /", "A.", "Title{eacute}5 /", "A."]
    assert column(chunk, "status") == ["clean", "doubtful"] and rules(chunk) == ["dump-mnemonic"]


def test_a_leader_begins_a_record_where_the_blank_line_is_missing():
    chunk = whole((MNEMONIC + MNEMONIC.replace("=001  1", "=001  2")).encode())
    assert column(chunk, "record_id") == ["1", "2"]


def test_records_without_separator_are_refused():
    one = MNEMONIC.replace("=LDR  00000nam\\a2200000\\a\\4500\n", "")
    assert rules(whole((MNEMONIC + one).encode())) == ["dump-no-separator"]


def test_a_wrapped_line_is_joined_and_doubted():
    text = dump([[*CNMARC, ("330", "  ", [("a", "本书收录了作者的诗")])]], "|").rstrip() + "\n词和散文\n"
    chunk = whole(text.encode())
    assert of(chunk, "330") == ["本书收录了作者的诗词和散文"]
    assert (column(chunk, "status"), rules(chunk)) == (["doubtful"], ["dump-continued-line"])


def test_double_line_ends_are_one():
    assert read_data(whole(dump([CNMARC] * 2).replace("\n", "\r\r\n").encode())) == pieces([CNMARC] * 2)


@pytest.mark.parametrize("price", ["NT$600.00", "about $12.50"])
def test_a_dollar_sign_in_text_is_doubted(price):
    chunk = whole(dump([[*CNMARC, ("010", "  ", [("a", "7-5037-2623-7"), ("d", price)])]]).encode())
    assert (column(chunk, "status"), rules(chunk)) == (["doubtful"], ["dump-delimiter-in-text"])


def test_a_reader_is_flagged():
    reader = [CNMARC[0], CNMARC[1], ("200", "  ", [("a", "张三")]), ("300", "  ", [("a", "读者证")])]
    assert rules(whole(dump([CNMARC, reader], "|").encode())) == ["possible-personal-data"]


ALEPH = "000000001 LDR   L 00000nam^^2200000^a^4500\n000000001 24510 L $$aTitle$$cA.\n"


def test_aleph_number_stands_for_a_missing_001():
    chunk = whole((ALEPH + ALEPH.replace("000000001", "000000002") + "000000002 DEL   L Y\n").encode())
    assert column(chunk, "record_id") == ["000000001", "000000002"]
    assert column(chunk, "status") == ["clean", "deleted"]
    assert of(chunk, "245") == ["Title", "A."] * 2


def test_aleph_line_without_number_is_joined_and_doubted():
    chunk = whole((ALEPH + "more text\n").encode())
    assert of(chunk, "245")[-1] == "A. more text" and rules(chunk) == ["dump-continued-line"]


def test_an_undecodable_record_is_set_aside_alone():
    good = dump([CNMARC] * 3, "|").encode()
    bad = good[: len(good) // 3].replace("傽".encode(), b"\xff\xfe\x80\x81")
    chunk = whole(good + bad)
    assert column(chunk, "status") == ["clean"] * 3 + ["rejected"]
    assert rules(chunk) == ["encoding-undecodable"]


PIECES = st.sampled_from(
    [
        *(b"\n", b"\r", b"\n\n", b" ", b"***", b"LDR   00000nam0 22", b"001 1\n", b"200 1  |aX", b"=245  10$a"),
        *(b"\x00", "傽".encode("gbk"), b"000000001 24510 L $$a", b"000000002 001   L 2\n"),
        b"01106nam0 2200253   450 \n",
    ]
)


@pytest.mark.parametrize("start", [b"LDR   00000nam0 2200000   450 \n001 1\n200 1  |aX", ALEPH.encode()])
@given(st.lists(PIECES | st.binary(max_size=3), max_size=30), st.integers(1, 9))
def test_any_bytes_keep_the_count(start, parts, size):
    content = start + b"".join(parts).replace(b"\x1d", b"").replace(b"\x1e", b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marc_text, "READ", size)
        patch.setattr(landing, "CHUNK", size + 3)
        with suppress(FormatError):  # too few lines with a tag: refused as a whole, not read in part
            whole(content)


def test_a_line_that_never_ends_is_held_in_part(monkeypatch):
    monkeypatch.setattr(marc_text, "MAX_RECORD", 1000)
    monkeypatch.setattr(marc_text, "READ", 300)
    long = dump([[*CNMARC[:3], ("330", "  ", [("a", "x" * 5000)])]], "|")
    chunk = whole((dump([CNMARC], "|") + long + dump([CNMARC], "|")).encode())
    assert column(chunk, "status") == ["clean", "rejected", "clean"]
