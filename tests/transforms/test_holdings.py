"""Holdings profiles on fields small enough to check by eye, and on real ones."""

from functools import partial

import pyarrow as pa
import pytest

from harvesters.compressed import opened
from tests.transforms.test_crosswalk import fields_of
from transforms import holdings
from transforms.detect import Hints
from transforms.parse import staged_parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1667201-3", ["1667201", "1667202", "1667203"]),
        ("1865829-30", ["1865829", "1865830"]),
        ("1865829－30", ["1865829", "1865830"]),
        ("0099998-100001", ["0099998", "0099999", "0100000", "0100001"]),  # six digits replace the last six
        ("A009-11", ["A009-11"]),  # too short to be sure
        ("A0099-101", ["A0099", "A0100", "A0101"]),
        ("A0099-A0101", ["A0099", "A0100", "A0101"]),
        ("A0099-B0101", ["A0099-B0101"]),
        ("1667203-1", ["1667203-1"]),
        ("1667201-1", ["1667201-1"]),
        ("1667201-9999", ["1667201-9999"]),  # more than any library has of one book
        ("1667201", ["1667201"]),
        ("1-3003", ["1-3003"]),
        ("31-1234567", ["31-1234567"]),
        ("", [""]),
    ],
)
def test_barcode_ranges(text, expected):
    assert holdings.barcodes(text) == expected


def test_a_range_is_never_longer_than_its_cap():
    assert len(holdings.barcodes(f"100000-{100000 + holdings.MAX_RANGE - 1}")) == holdings.MAX_RANGE
    assert len(holdings.barcodes(f"100000-{100000 + holdings.MAX_RANGE}")) == 1


BNU = [
    ("001", "", [(None, "b1")]),
    (
        "905",
        "  ",
        [("a", "BNU"), ("d", "F124"), ("e", "26"), ("s", "F124/26"), ("f", "4"), ("c", "L1"), ("v", "v.1")],
    ),
    ("906", "  ", [("a", "211260"), ("b", "1683011"), ("d", "F124"), ("e", "26"), ("r", "CNY80.00")]),
    ("920", "  ", [("a", "211260"), ("z", "0")]),
    ("935", "  ", [("a", "211260"), ("b", "1683011-3"), ("b", "1805012"), ("d", "F124"), ("e", "26")]),
]
OTHER = [("001", "", [(None, "b2")]), ("935", "  ", [("b", "1865829-30"), ("d", "I242"), ("e", "1")])]


def test_ranges_give_an_item_for_each_barcode_with_the_rest_of_its_field():
    items = holdings.attachments(fields_of(BNU, OTHER), "cnmarc-905-935", "item").to_pylist()
    assert [(row["record"], row["barcode"], row["call_number"]) for row in items] == [
        (0, "1683011", "F124/26"),
        (0, "1683012", "F124/26"),
        (0, "1683013", "F124/26"),
        (0, "1805012", "F124/26"),
        (1, "1865829", "I242/1"),
        (1, "1865830", "I242/1"),
    ]
    (holding,) = holdings.attachments(fields_of(BNU, OTHER), "cnmarc-905-935", "holding").to_pylist()
    assert (holding["institution"], holding["call_number"], holding["copies"]) == ("BNU", "F124/26", 4)


SERIAL = [
    ("001", "", [(None, "s1")]),
    (
        "852",
        "0 ",
        [("a", "X"), ("b", "MAIN"), ("c", "STACKS"), ("h", "QA1"), ("i", ".B2"), ("t", "2"), ("p", "31")],
    ),
    ("866", "41", [("a", "v.1-20 (1980-1999)"), ("z", "v.3 missing")]),
    ("876", "  ", [("p", "32"), ("l", "ANNEX"), ("c", "$5.00"), ("j", "lost")]),
    ("949", "  ", [("a", "QA1 .B2"), ("i", "X001"), ("h", "ald,stks"), ("v", "1984")]),
    ("952", "  ", [("a", "CPL"), ("c", "GEN"), ("o", "QA1"), ("p", "33"), ("g", "12.00")]),
    ("999", "  ", [("a", "QA1 .B2"), ("i", "X002"), ("k", "CHECKEDOUT"), ("l", "STACKS"), ("m", "MAIN")]),
    ("252", "  ", [("a", "PT"), ("b", "Fundo Geral"), ("j", "S.A. 1130 A")]),
    ("995", "  ", [("b", "LIB"), ("e", "Room 1"), ("f", "34"), ("k", "QA 1")]),
]


@pytest.mark.parametrize(
    ("profile", "level", "expected"),
    [
        ("cnmarc-920", "holding", [{"institution": "211260"}]),
        (
            "cnmarc-906",
            "holding",
            [{"institution": "BNU", "location": "L1", "call_number": "F124/26", "coverage": "v.1", "copies": 4}],
        ),
        ("cnmarc-906", "item", [{"barcode": "1683011", "call_number": "F124/26", "price": "CNY80.00"}]),
        (
            "marc21-852",
            "holding",
            [{"institution": "X", "location": "MAIN STACKS", "call_number": "QA1 .B2", "copies": 2}],
        ),
        ("marc21-852", "item", [{"barcode": "31", "location": "MAIN STACKS", "call_number": "QA1 .B2"}]),
        (
            "marc21-852-876",
            "holding",
            [
                {
                    "institution": "X",
                    "location": "MAIN STACKS",
                    "call_number": "QA1 .B2",
                    "coverage": "v.1-20 (1980-1999) v.3 missing",
                    "copies": 2,
                }
            ],
        ),
        (
            "marc21-852-876",
            "item",
            [{"barcode": "32", "location": "ANNEX", "price": "$5.00", "item_status": "lost"}],
        ),
        ("marc21-949", "item", [{"barcode": "X001", "location": "ald,stks", "call_number": "QA1 .B2"}]),
        ("marc21-952", "item", [{"barcode": "33", "location": "CPL GEN", "call_number": "QA1", "price": "12.00"}]),
        ("marc21-999", "holding", [{"institution": "MAIN", "location": "STACKS", "call_number": "QA1 .B2"}]),
        (
            "marc21-866-999",
            "item",
            [
                {
                    "barcode": "X002",
                    "location": "STACKS MAIN",
                    "call_number": "QA1 .B2",
                    "item_status": "CHECKEDOUT",
                }
            ],
        ),
        (
            "unimarc-252",
            "holding",
            [{"institution": "PT", "location": "Fundo Geral", "call_number": "S.A. 1130 A"}],
        ),
        ("unimarc-995", "item", [{"barcode": "34", "location": "Room 1", "call_number": "QA 1"}]),
    ],
)
def test_profiles(profile, level, expected):
    record = BNU if profile.startswith("cnmarc") else SERIAL
    rows = holdings.attachments(fields_of(record), profile, level).to_pylist()
    found = [
        {name: value for name, value in row.items() if value is not None and name != "record"} for row in rows
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("owners", "said", "expected"),
    [
        ([(1, "")], [(0, ""), (2, "5"), (3, "")], [0, 0, 0]),
        ([(1, ""), (3, "")], [(2, "1"), (4, "1")], [0, 1]),  # the links of these are to others
        ([(1, ""), (3, "")], [(2, "")], [0]),
        ([(1, ""), (2, "")], [(3, ""), (4, "")], [0, 1]),
        ([(1, ""), (2, "")], [(3, "")], [None]),
        ([(1, ""), (2, "")], [(3, ""), (4, ""), (5, "")], [None] * 3),
        ([(1, ""), (3, "")], [(0, ""), (2, "")], [None] * 2),  # before the first: the order is another one
        ([(1, "1"), (2, "2")], [(3, "2"), (4, "1"), (5, "2")], [1, 0, 1]),
        ([(1, "1"), (2, "1")], [(3, "1"), (4, "2")], [None] * 2),
        ([(1, "1"), (3, "2")], [(2, "2"), (4, "")], [1, 1]),
        ([], [(1, "")], [None]),
    ],
)
def test_what_a_field_of_textual_holdings_is_said_of(owners, said, expected):
    assert holdings.places(owners, said) == expected


def test_textual_holdings_join_the_row_of_their_field():
    linked = [
        ("852", "  ", [("8", "1"), ("b", "A")]),
        ("852", "  ", [("8", "2"), ("b", "B")]),
        ("866", "  ", [("8", "2.1\\x"), ("a", "v.5")]),
        ("866", "  ", [("8", "1.1"), ("a", "v.1")]),
        ("866", "  ", [("8", "2.2"), ("a", "v.6")]),
        ("867", "  ", [("8", "2"), ("a", "Suppl.")]),
        ("866", "  ", [("8", "3"), ("a", "elsewhere")]),
    ]
    ordered = [
        ("852", "  ", [("b", "C")]),
        ("866", "  ", [("8", "1"), ("a", "v.7")]),
        ("852", "  ", [("b", "D")]),
        ("866", "  ", [("8", "1"), ("a", "v.8")]),
    ]
    rows = holdings.attachments(fields_of(linked, ordered), "marc21-866-999", "holding").to_pylist()
    assert [(row["record"], row["institution"], row["coverage"]) for row in rows] == [
        (0, "A", "v.1"),
        (0, "B", "v.5; v.6; Suppl."),
        (0, None, "elsewhere"),
        (1, "C", "v.7"),
        (1, "D", "v.8"),
    ]


def test_every_profile_gives_rows_of_its_contract():
    for profile in holdings.profiles():
        for level in ("holding", "item"):
            table = holdings.attachments(fields_of(BNU, SERIAL), profile, level)
            assert table.schema.field("record").type == pa.int64()


@pytest.mark.parametrize(
    ("name", "profile", "holding", "item"),
    [
        ("unimarc/sru-cnmarcxml-response.xml", "cnmarc-905-935", 9, 17),
        ("unimarc/sru-cnmarcxml-response.xml", "cnmarc-906", 9, 7),
        ("unimarc/serials.mrc", "unimarc-955", 1740, 0),
        ("marc21/uva-marc8-with-items.mrc", "marc21-866-999", 99, 2903),
    ],
)
def test_real_holdings(real, name, profile, holding, item):
    path = real / name
    parts = list(staged_parts([(path.name, partial(opened, path))], Hints(holdings=profile), "s", "b"))
    assert sum(len(part.tables["holding"]) for part in parts) == holding
    assert sum(len(part.tables["item"]) for part in parts) == item
    barcodes = [code for part in parts for code in part.tables["item"]["barcode"].to_pylist()]
    assert all(barcodes) and not any("-" in code for code in barcodes if profile.startswith("cnmarc"))
