"""The registry: every fault at once, by line and column, and no secrets."""

import csv
import traceback
from pathlib import Path

import pytest

from harvesters import protocols, registry
from harvesters.harvest import PROTOCOLS
from harvesters.registry import RegistryError

MEMBERS = "code,name_zh,name_en,moe_code,kind,province,regional_centre,valid_from,valid_to"
SOURCES = (
    "source_id,member_code,protocol,address,metadata_prefix,set_spec,format,encoding,holdings,delivery,"
    "schedule,max_megabytes,quirks"
)
MEMBER = "DEMO1,示例图书馆,Demo Library One,10001,undergraduate,11,华北,2020-01-01,"
OAI = "demo1-oai,DEMO1,oai,https://demo.example/oai,marcxml,,marc21,auto,,delta,@daily,100,"
FOLDER = "demo1-files,DEMO1,folder,drop/demo1,,,cnmarc,gb18030,905,full,0 3 * * 1,2048,settle=1;files=*.mrc"


def write(folder: Path, members: list[str], sources: list[str]) -> Path:
    (folder / "members.csv").write_text("\n".join(members) + "\n", "utf-8")
    (folder / "sources.csv").write_text("\n".join(sources) + "\n", "utf-8")
    return folder


def faults(folder: Path) -> list[tuple[str, int, str]]:
    with pytest.raises(RegistryError) as caught:
        registry.load(folder)
    return [(fault.file.removesuffix(".csv"), fault.line, fault.column) for fault in caught.value.faults]


def test_good_registry(tmp_path: Path) -> None:
    loaded = registry.load(write(tmp_path, [MEMBERS, MEMBER], [SOURCES, OAI, FOLDER]))
    assert loaded.members[0].name_zh == "示例图书馆" and loaded.members[0].valid_to is None
    assert loaded.source("demo1-files").quirks == {"settle": "1", "files": "*.mrc"}
    assert [s.source_id for s in loaded.chosen([])] == ["demo1-oai", "demo1-files"]
    assert [s.source_id for s in loaded.chosen(["demo1-files"])] == ["demo1-files"]
    assert loaded.member_table().num_rows == 1
    with pytest.raises(KeyError, match="no source 'x'"):
        loaded.chosen(["x"])


def test_byte_order_mark_and_defaults(tmp_path: Path) -> None:
    short = "source_id,member_code,protocol,address"
    write(tmp_path, ["\ufeff" + MEMBERS, MEMBER], [short, "a,DEMO1,folder,drop"])
    assert registry.load(tmp_path).source("a").schedule == "@daily"


def changed(row: str, header: str, **values: str) -> str:
    cells = dict(zip(header.split(","), row.split(","), strict=True)) | values
    return ",".join(cells.values())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("code", ""),
        ("code", "DEMO 1"),
        ("code", "../x"),
        ("name_zh", ""),
        ("name_en", ""),
        ("moe_code", "1001"),
        ("kind", "university"),
        ("province", "99"),
        ("province", ""),
        ("valid_from", "2020-13-01"),
        ("valid_from", ""),
        ("valid_to", "2019-12-31"),
    ],
)
def test_bad_member(tmp_path: Path, column: str, value: str) -> None:
    bad = changed(MEMBER.replace("DEMO1", "DEMO2"), MEMBERS, **{column: value})
    assert faults(write(tmp_path, [MEMBERS, MEMBER, bad], [SOURCES, OAI])) == [("members", 3, column)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("source_id", ""),
        ("source_id", "a/b"),
        ("source_id", "all"),
        ("member_code", "DEMO9"),
        ("protocol", "smtp"),
        ("address", ""),
        ("address", "ftp://demo.example/oai"),
        ("address", "file:///etc/passwd"),
        ("address", "demo.example/oai"),
        ("address", "https:///oai"),
        ("address", "https://demo.example:port/oai"),
        ("address", "https://demo.example/o ai"),
        ("metadata_prefix", ""),
        ("format", "usmarc"),
        ("encoding", "gb-18030-x"),
        ("delivery", "sometimes"),
        ("schedule", "daily"),
        ("schedule", "61 * * * *"),
        ("max_megabytes", "0"),
        ("max_megabytes", "much"),
        ("quirks", "attempts"),
        ("quirks", "pause=1;pause=2"),
        ("quirks", "atempts=3"),
        ("quirks", "attempts=often"),
    ],
)
def test_bad_source(tmp_path: Path, column: str, value: str) -> None:
    bad = changed(OAI.replace("demo1-oai", "demo2-oai"), SOURCES, **{column: value})
    assert faults(write(tmp_path, [MEMBERS, MEMBER], [SOURCES, OAI, bad])) == [("sources", 3, column)]


@pytest.mark.parametrize("address", ["https://demo.example/", "sftp://demo.example/", "../../etc", "a/../../b"])
def test_bad_folder(tmp_path: Path, address: str) -> None:
    bad = changed(FOLDER, SOURCES, address=address)
    assert faults(write(tmp_path, [MEMBERS, MEMBER], [SOURCES, bad])) == [("sources", 2, "address")]


BAD = {  # of each protocol: column, value, and what the message must say
    "oai": [("quirks", "page_size=10", "oai has no quirk 'page_size'; known: ")],
    "sru": [
        ("address", "z3950://lib.example.edu/biblios", "http:// or https://"),
        ("quirks", "version=3", "version='3' is not right"),
        ("quirks", "date_index=a;id_index=b", "exclude each other"),
    ],
    "z3950": [
        ("address", "lib.example.edu:210/biblios", "z3950://host:port/database"),
        ("address", "z3950://lib.example.edu:210", "the database is missing"),
        ("metadata_prefix", "", "for example usmarc"),
        ("quirks", "query_type=sql", "query_type='sql' is not right"),
    ],
    "folder": [("quirks", "settle=soon", "settle='soon' is not right")],
    "sftp": [
        ("address", "drop/whu", "sftp://host/folder"),
        ("address", "sftp://lib.example.edu/a/../../etc", "'..' leads out"),
        ("quirks", "settle=1", "sftp needs host_key="),
    ],
    "ftp": [("address", "sftp://lib.example.edu/x", "ftp:// or ftps://")],
    "s3": [
        ("address", "https://s3.example.edu/x", "s3://bucket/folder"),
        ("quirks", "endpoint=http://127.0.0.1:9000", "private network"),
    ],
    "sushi": [
        ("metadata_prefix", "", "for example TR DR"),
        ("quirks", "release=4", "release='4' is not right"),
        ("quirks", "begin=2025", "begin='2025' is not right"),
    ],
}


@pytest.mark.parametrize("name", protocols.BY_NAME)
def test_example_of_each_protocol_is_right_and_what_is_bad_in_a_row_is_told(tmp_path: Path, name: str) -> None:
    row = {"source_id": "one", "member_code": "DEMO1", "protocol": name, **protocols.BY_NAME[name].example}

    def loaded(**changes: str) -> registry.Source:
        given = row | changes
        with (tmp_path / "sources.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([list(given), list(given.values())])
        return registry.load(tmp_path).source("one")

    (tmp_path / "members.csv").write_text(f"{MEMBERS}\n{MEMBER}\n", "utf-8")
    assert loaded().protocol == name and name in PROTOCOLS
    for column, value, said in BAD[name]:
        with pytest.raises(RegistryError) as caught:
            loaded(**{column: value})
        assert [(f.column, said in f.message) for f in caught.value.faults] == [(column, True)], caught.value
    known = protocols.described(name)
    assert all(quirk in known for quirk in protocols.BY_NAME[name].takes())


def test_every_fault_of_both_files_at_once(tmp_path: Path) -> None:
    members = [
        MEMBERS,
        changed(MEMBER, MEMBERS, kind="x", province="0"),
        MEMBER,
        changed(MEMBER, MEMBERS, code="DEMO3", valid_to="1999-01-01"),
        "DEMO4,too,few",
    ]
    sources = [
        SOURCES,
        changed(OAI, SOURCES, protocol="smtp", member_code="NOBODY", max_megabytes="-1"),
        changed(OAI, SOURCES, metadata_prefix="", address="gopher://x", encoding="?"),
        ",,,,,,,,,,,,",
        changed(FOLDER, SOURCES, member_code="DEMO3"),
    ]
    assert faults(write(tmp_path, members, sources)) == [
        ("members", 2, "kind"),
        ("members", 2, "province"),
        ("members", 3, "code"),  # DEMO1 again, though the first has faults
        ("members", 4, "valid_to"),
        ("members", 5, "-"),
        ("sources", 2, "protocol"),
        ("sources", 2, "max_megabytes"),
        ("sources", 2, "member_code"),
        ("sources", 3, "address"),
        ("sources", 3, "metadata_prefix"),
        ("sources", 3, "encoding"),
        ("sources", 3, "source_id"),
        ("sources", 4, "-"),  # and line 5 is right: DEMO3 is known, faulty as it is
    ]


def test_header_faults_come_with_the_rows(tmp_path: Path) -> None:
    write(tmp_path, [MEMBERS.replace("kind", "sort"), MEMBER], [SOURCES + ",source_id", OAI + ",x", FOLDER])
    assert faults(tmp_path) == [
        ("members", 1, "sort"),
        ("members", 1, "kind"),
        ("sources", 1, "source_id"),
        ("sources", 3, "-"),
    ]


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    assert faults(tmp_path) == [("members", 1, "-"), ("sources", 1, "-")]
    write(tmp_path, [MEMBERS, MEMBER], [SOURCES, changed(OAI, SOURCES, format="x")])
    (tmp_path / "members.csv").write_bytes("code,name_zh\nA,示例".encode("gb18030"))
    assert faults(tmp_path) == [("members", 1, "-"), ("sources", 2, "format")]


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    long = changed(MEMBER, MEMBERS, code="DEMO2", name_zh='"two\nlines"')
    odd = changed(MEMBER, MEMBERS, code="DEMO3", name_zh="a\u2028b\x0bc")
    bad = changed(MEMBER, MEMBERS, code="DEMO4", province="xx")
    write(tmp_path, [MEMBERS, MEMBER, long, "", odd, bad], [SOURCES, OAI])
    assert faults(tmp_path) == [("members", 7, "province")]


def test_quote_that_never_closes_is_named_where_it_begins(tmp_path: Path) -> None:
    write(tmp_path, [MEMBERS, MEMBER, changed(MEMBER, MEMBERS, name_zh='"open'), MEMBER], [SOURCES, OAI])
    assert ("members", 3, "-") in faults(tmp_path)


def test_periods_of_a_member(tmp_path: Path) -> None:
    old = changed(MEMBER, MEMBERS, valid_from="2010-01-01", valid_to="2019-12-31")
    registry.load(write(tmp_path, [MEMBERS, MEMBER, old], [SOURCES, OAI]))
    write(tmp_path, [MEMBERS, MEMBER, changed(old, MEMBERS, valid_to="2020-01-01")], [SOURCES, OAI])
    assert faults(tmp_path) == [("members", 2, "valid_from")]
    write(tmp_path, [MEMBERS, MEMBER, changed(old, MEMBERS, valid_from="2020-01-01", valid_to="")], [SOURCES, OAI])
    assert faults(tmp_path) == [("members", 3, "code")]


SECRETS = [
    ("address", "https://reader:hunter2@demo.example/oai"),
    ("address", "https://hunter2@demo.example/oai"),
    ("address", "https://reader:hunter2@/oai"),
    ("address", "https://demo.example:80:hunter2@x:9x/oai"),
    ("address", "https://demo.example/oai?password=hunter2"),
    ("address", "https://demo.example/oai?key=hunter2"),
    ("address", "sftp://reader:hunter2@demo.example/"),
    ("quirks", "password=hunter2"),
    ("quirks", "pause=1;api_key=hunter2;x"),
]


@pytest.mark.parametrize("protocol", ["oai", "folder"])
@pytest.mark.parametrize(("column", "value"), SECRETS)
def test_planted_password_is_refused_and_never_shown(
    tmp_path: Path, column: str, value: str, protocol: str
) -> None:
    bad = changed(OAI if protocol == "oai" else FOLDER, SOURCES, **{column: value})
    write(tmp_path, [MEMBERS, MEMBER], [SOURCES, bad])
    with pytest.raises(RegistryError) as caught:
        registry.load(tmp_path)
    assert [(fault.line, fault.column) for fault in caught.value.faults] == [(2, column)]
    assert "hunter2" not in "".join(traceback.format_exception(caught.value)) + repr(caught.value.faults)


def test_the_readme_shows_each_protocol_with_its_example() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for protocol in protocols.ALL:
        line = next((line for line in text.splitlines() if line.startswith(f"| {protocol.name} |")), "")
        assert protocol.what in line and all(f"`{value}`" in line for value in protocol.example.values()), protocol
