"""What readers find: for each such rule a file that breaks it; a sound file of each kind breaks none."""

import io
from functools import partial
from pathlib import Path

import pytest

from quality import rules
from quality.rules import checking
from tests.transforms.marc_records import CNMARC_LEADER, LEADER, assemble, build
from tests.transforms.test_export import BOOK, holdings
from tests.transforms.test_overlong import split
from transforms import marc_text
from transforms.detect import Hints
from transforms.parse import staged_parts

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [("001", "00001"), ("008", "980101s1998    enk           000 1 eng d"), ("245", "10\x1faDream")]
GOOD = build([*FIELDS, ("500", "  \x1faNote")])
GENERAL = ("100", "  \x1fa20260101d1998    em y0chiy50      ea")
CHINESE = [("001", "1"), GENERAL, ("200", "1 \x1fa红楼梦研究论文集"), ("801", " 0\x1faCN\x1fbX")]
READER = build([("001", "r1"), ("200", "  \x1fa李四\x1fb男"), ("300", "  \x1fa13800000000")], CNMARC_LEADER)
SLIM = '<?xml version="1.0"?><collection xmlns="http://www.loc.gov/MARC21/slim">{}</collection>'
RECORD = (
    '<record><leader>00000nam a2200000 a 4500</leader><controlfield tag="001">1</controlfield>'
    '<datafield tag="245" ind1="1" ind2="0"><subfield code="a">{}</subfield></datafield></record>'
)
OAI = (
    '<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record>{}</record>'
    "</ListRecords></OAI-PMH>"
)
HEADER = "<header><identifier>oai:x:1</identifier><datestamp>2026-01-01</datestamp></header>"
METADATA = (
    '<metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>T</dc:title></oai_dc:dc></metadata>'
)
JSON = (
    b'{"leader":"00000nam a2200000 a 4500","fields":[{"001":"1"},'
    b'{"245":{"ind1":"1","ind2":"0","subfields":[{"a":"T"}]}}]}'
)
DUMP = b"=LDR  00000nam a2200000 a 4500\n=001  1\n=245  10$aTitle\n\n"
SECOND = DUMP.replace(b"=001  1", b"=001  2")


def odd(tag: str, text: str) -> bytes:
    return build([*FIELDS, (tag, text)])


def slim(title: str) -> bytes:
    return SLIM.format(RECORD.format(title)).encode("latin-1")


def with_directory(*places: int, wrong: bytes = b"") -> bytes:
    """GOOD with these entries of its directory, and the last of them spoilt."""
    base = int(GOOD[12:17])
    entries = [GOOD[at : at + 12] for at in range(24, base - 1, 12)]
    chosen = [entries[place] for place in places]
    chosen[-1] = chosen[-1][:3] + wrong if wrong else chosen[-1]
    directory, data = b"".join(chosen), GOOD[base:]
    start = 25 + len(directory)
    return b"%05d" % (start + len(data)) + b"nam a22%05d a 4500" % start + directory + b"\x1e" + data


BREAKING: dict[str, bytes] = {
    "iso2709-length": b"00099" + GOOD[5:],
    "iso2709-overlong": GOOD + build([*FIELDS, *[("650", f" 0\x1fa{n:03}" + "x" * 900) for n in range(150)]]),
    "iso2709-parts": split([*BOOK, *holdings(300)]),
    "iso2709-base-address": GOOD[:12] + b"     " + GOOD[17:],
    "iso2709-directory": with_directory(0, 1, 1, 3),
    "iso2709-directory-order": with_directory(0, 2, 1, 3),
    "iso2709-unlisted-field": with_directory(0, 1, 2),
    "iso2709-terminator": GOOD[:-2] + b"\x1d",
    "iso2709-guessed": with_directory(0, 1, 2, 3, wrong=b"x" * 9),
    "iso2709-tag": odd("0 2", "10\x1faText"),
    "iso2709-letter-tag": odd("LKR", "  \x1faLinked"),
    "iso2709-indicators": odd("500", "\x1faText without indicators"),
    "iso2709-subfield-code": odd("500", "  Text without a code"),
    "iso2709-leader": GOOD[:10] + b"  " + GOOD[12:],
    "iso2709-between-records": b"\xef\xbb\xbf" + GOOD,
    "iso2709-foreign-bytes": b"\x1e" + GOOD,
    "iso2709-cut": GOOD + GOOD[:60],
    "iso2709-short": GOOD + b"0001\x1d" + GOOD,
    "iso2709-no-directory": GOOD + b"00100nam a2200025 a 4500" + b"x" * 75 + b"\x1d",
    "encoding-label": build([*FIELDS[:1], ("245", "10\x1fa中文图书馆")], LEADER.replace("a22", " 22")),
    "encoding-replacement": odd("500", "  \x1faTi\ufffdtle"),
    "encoding-escape": odd("500", "  \x1faA\x1b$1!0!é"),
    "encoding-unsure": build(CHINESE, CNMARC_LEADER, "gb18030"),
    "encoding-undecodable": GOOD + assemble([(b"001", b"2"), (b"245", b"10\x1fa\xff\xfe\xff")], LEADER.encode()),
    "control-character": odd("500", "  \x1faTi\x07tle"),
    "possible-personal-data": READER + build(CHINESE, CNMARC_LEADER),
    "missing-control-number": build(FIELDS[1:]),
    "missing-title": build(FIELDS[:2]),
    "xml-syntax": SLIM.format(RECORD.format("A") + RECORD.format("<b>") + RECORD.format("C")).encode(),
    "xml-without-metadata": OAI.format(HEADER).encode(),
    "xml-without-header": OAI.format(METADATA).encode(),
    "xml-control-character": slim("A\x07B"),
    "xml-wrong-bytes": slim("café"),
    "xml-bare-ampersand": slim("A & B"),
    "json-syntax": b"[" + JSON + b",{x}," + JSON + b"]",
    "json-not-marc": b"[" + JSON + b',{"a":1}]',
    "dump-no-fields": DUMP + b"only text here\nand more\n\n" + SECOND,
    "dump-no-separator": DUMP[:-1] + SECOND.partition(b"\n")[2],
    "dump-continued-line": DUMP.replace(b"Title", b"Ti\ntle"),
    "dump-foreign-text": DUMP + b"Exported by X\n" + SECOND.partition(b"\n")[2],
    "dump-leader": DUMP.replace(b"00000nam a2200000 a 4500", b"nam"),
    "dump-text-without-code": DUMP + SECOND.replace(b"10$a", b"10Some $a"),
    "dump-delimiter-in-text": DUMP.replace(b"Title", b"about $12.50"),
    "dump-mnemonic": DUMP.replace(b"Title", b"{xyzzy}Title"),
}
# Those that take more than a file: where they are tested.
ELSEWHERE = {
    "iso2709-too-long": "tests/transforms/test_iso2709.py",
    "duplicate-control-number": "tests/transforms/test_stage.py",
    **dict.fromkeys(("usage-value", "usage-empty", "usage-cells", "usage-cut-number"), "test_circulation.py"),
    "usage-personal": "test_privacy.py",
    "text-too-long": "",  # below
}


def found(content: bytes) -> set[str]:
    """Rules of the findings of a file and of what was set aside."""
    named: set[str] = set()
    for part in staged_parts([("file", partial(io.BytesIO, content))], Hints(), "s", "20260105"):
        for table in ("issue", "rejected"):
            named.update(part.tables[table]["rule"].to_pylist())
    return named


def test_every_rule_that_a_reader_finds_has_a_file_that_breaks_it():
    assert set(BREAKING) | set(ELSEWHERE) == {rule.code for rule in rules.load() if rule.table == "reader"}
    for code, name in ELSEWHERE.items():
        files = [
            path for path in (ROOT / "tests").rglob("test_*.py") if path.as_posix().endswith(name or __name__)
        ]
        assert not name or any(code in path.read_text("utf-8") for path in files), code


@pytest.mark.parametrize("code", BREAKING)
def test_a_reader_finds_what_breaks_the_rule(code):
    assert code in found(BREAKING[code])


@pytest.mark.parametrize(
    "content",
    [GOOD, build(CHINESE, CNMARC_LEADER), slim("Dream"), OAI.format(HEADER + METADATA).encode(), JSON, DUMP],
    ids=["marc21", "cnmarc", "marcxml", "oai_dc", "json", "dump"],
)
def test_a_sound_file_breaks_none(content):
    assert found(content) == set()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (GOOD[:22] + GOOD[23:], "leader-length"),
        (DUMP.replace(b"00000nam a2200000 a 4500", b"nam"), "dump-leader"),
        (DUMP.replace(b" a 4500", b" a 4500  x"), "dump-leader"),
    ],
    ids=["ISO 2709", "short in a dump", "long in a dump"],
)
def test_a_leader_of_another_length_is_one_finding(content, code):
    (part,) = staged_parts([("file", partial(io.BytesIO, content))], Hints(), "s", "20260105")
    named = [*part.tables["issue"]["rule"].to_pylist(), *checking.check(part.tables, "s", "b")["rule"].to_pylist()]
    assert [rule for rule in named if "leader" in rule] == [code]
    assert part.tables["bib"]["status"].to_pylist() != ["clean"]


def test_a_line_without_end_is_found(monkeypatch):
    monkeypatch.setattr(marc_text, "MAX_RECORD", 1000)
    monkeypatch.setattr(marc_text, "READ", 300)
    assert found(DUMP + SECOND.replace(b"Title", b"x" * 5000) + DUMP.replace(b"=001  1", b"=001  3")) == {
        "text-too-long"
    }
