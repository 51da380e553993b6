"""Rules that compare records of several batches, sources and members, on a lake of a few records."""

from typing import Any

import pytest

from harvesters import registry
from quality import decisions, rules
from quality.rules import across
from tests.quality import small_lake
from tests.quality.small_batch import staged
from tests.quality.small_lake import BATCH, BUILD, write
from warehouse import build, engine, lake
from warehouse.publish import publish

TABLES = ("holding", "item")
LATER = "20260105T120000000000Z"
MEMBERS = ["code,name_zh,name_en,kind,province,regional_centre,valid_from"]
MEMBERS += [f"{code},馆{code},Library {code},undergraduate,11,华北,2020-01-01" for code in "ABCDE"]
SOURCES = ["source_id,member_code,protocol,address,metadata_prefix,format"]
SOURCES += [f"{code.lower()}-{name},{code},folder,x,,cnmarc" for code in "ABCDE" for name in ("opac", "second")]

ISBN, OTHER_ISBN = "9787503727900", "9787020002207"

Given = dict[str, Any]  # a record: source, bib, batch; holdings, items; columns of staged.bib; has_bib


def make_lake(records: list[Given], matches: list[Given]) -> None:
    """Stage records (r0, r1 …, whatever their source) and a build that has them in the bibs they name."""
    lake.registry().mkdir(parents=True)
    (lake.registry() / "members.csv").write_text("\n".join(MEMBERS), "utf-8")
    (lake.registry() / "sources.csv").write_text("\n".join(SOURCES), "utf-8")
    rows: dict[tuple[str, str], dict[str, list[Given]]] = {}
    index, links = [], []
    for no, given in enumerate(records):
        source_id, batch_id = given.get("source", "a-opac"), given.get("batch", BATCH)
        key = {"source_id": source_id, "batch_id": batch_id, "record_no": no, "record_id": f"r{no}"}
        bib = {"format": "cnmarc", "kind": "book", "title": "红楼梦", **given.get("bib", {})}
        parts = {"fields": [], "holdings": given.get("holdings", []), "items": given.get("items", [])}
        tables = staged(*[{**parts, "bib": bib}])
        batch = rows.setdefault((source_id, batch_id), {name: [] for name in tables})
        for name, table in tables.items():
            if name != "bib" or given.get("has_bib", True):
                batch[name] += [{**row, **key} for row in table.to_pylist()]
        index.append({**key, "digest": no, "deleted": given.get("deleted", False)})
        links.append({**key, "bib_id": given.get("in", f"b{no}")})
    for (source_id, batch_id), tables_ in rows.items():
        for name, content in tables_.items():
            write(lake.staged_batch(source_id, batch_id), f"staged.{name}", content)
    for source_id in {row["source_id"] for row in index}:
        newest = max(row["batch_id"] for row in index if row["source_id"] == source_id)
        folder = lake.staged_batch(source_id, newest)
        write(folder, "staged.record", [row for row in index if row["source_id"] == source_id])
    write(lake.catalog_build(BUILD), "catalog.bib_record", links)
    write(lake.catalog_build(BUILD), "catalog.match", matches)


def found(*records: Given, matches: list[Given] | None = None) -> dict[tuple[str, str], tuple[str, str]]:
    """Tag and value of each finding, by rule and record."""
    make_lake(list(records), matches or [])
    with engine.open_lake() as con:
        across.find(con, registry.load())
        rows = con.execute("SELECT rule, record_id, tag, value FROM quality.current_issue").fetchall()
    assert len(rows) == len({row[:2] for row in rows})
    return {(rule, record): (tag, value) for rule, record, tag, value in rows}


def item(barcode: str | None, **more: str) -> Given:
    return {"items": [{"barcode": barcode, **more}]}


def unlike(left: str, right: str, rule: str = "veto:isbn_conflict") -> list[Given]:
    """A compared pair of the records of two sources, r0 and r1."""
    pair = {"left_source_id": left, "left_record_id": "r0", "right_source_id": right, "right_record_id": "r1"}
    return [{**pair, "score": 0.4, "rule": rule, "decision": "separate"}]


def at(*locations: str | None, **more: Any) -> Given:
    """A record with a holding at each of these."""
    return {"holdings": [{"location": location} for location in locations], **more}


def numbered(title: str, *isbn: str, source: str = "a-opac") -> Given:
    return {"source": source, "bib": {"title": title, "isbn": list(isbn)}}


def classed(source: str, *clc: str) -> Given:
    return {"source": source, "in": "b1", "bib": {"clc": list(clc)}}


def from_house(publisher: str, isbn: str = "9787503727900", **more: Any) -> Given:
    bib = {"isbn": [isbn], "publisher": publisher, "publishers_key": [publisher.removesuffix("出版社")]}
    return {"bib": {**bib, **more}}


FORESTRY = [from_house("中国林业出版社") for _ in range(10)]
AGREEING = [classed("b-opac", "I242.4"), classed("c-opac", "[I242]"), classed("d-opac", "I207", "K825")]
# Per rule: records of which the first breaks it, and some that stay close and don't; and what was compared.
EXAMPLES: dict[str, list[tuple[bool, list[Given], list[Given]]]] = {
    "barcode-in-member-twice": [
        (True, [item("B1"), {"source": "a-second", **item(" B1 ")}], []),
        (True, [item("B1"), {"batch": LATER, **item("B1")}], []),
        (True, [{"in": "b1", **item("B1")}, {"batch": LATER, "in": "b1", **item("B1")}], []),
        # one book that two sources of the member report
        (False, [{"in": "b1", **item("B1")}, {"source": "a-second", "in": "b1", **item("B1")}], []),
        (False, [item("B1"), {"source": "b-opac", **item("B1")}], []),
        (True, [item("B1"), item("B1")], []),
        (True, [{"items": [{"barcode": "B1"}, {"barcode": "B1"}]}], []),
        (False, [item(" "), {"batch": LATER, **item(" ")}, {"source": "a-second", **item(None)}], []),
        (False, [item("B1"), {"batch": LATER, "deleted": True, **item("B1")}], []),
    ],
    "orphan-item": [
        (True, [{"has_bib": False, **item("B1")}], []),
        (True, [at("总馆", **item("B1", location="分馆")), at("分馆")], []),
        (False, [at("总馆", "分馆", **item("B1", location=" 分馆"))], []),
        (False, [at("总馆", None, **item("B1", location="分馆")), at("分馆")], []),
        (False, [at("MAIN stacks", **item("B1", location="main")), at("MAIN")], []),
        (False, [at("总馆", **item("B1", location="CPL"))], []),  # no holding of the source is at a place so named
        (False, [item("B1", location="分馆"), at("总馆"), at("分馆")], []),
        (False, [{"has_bib": False, "deleted": True, **item("B1")}], []),
    ],
    "isbn-on-unlike-titles": [
        (True, [numbered("论语", ISBN), numbered("数据库", ISBN)], unlike("a-opac", "a-opac")),
        (True, [numbered("论语", ISBN), numbered("数据库", ISBN, source="b-opac")], unlike("a-opac", "b-opac")),
        # another book since, or another reason
        (False, [numbered("论语", ISBN), numbered("数据库", OTHER_ISBN)], unlike("a-opac", "a-opac")),
        (False, [numbered("论语 上", ISBN), numbered("论语 下", ISBN)], unlike("a-opac", "a-opac", "veto:volume")),
    ],
    "class-disagrees-with-cluster": [
        (True, [classed("a-opac", "G634"), *AGREEING], []),
        (False, [classed("a-opac", "I24"), *AGREEING], []),
        (False, [classed("a-opac", "G634", "I24"), *AGREEING], []),
        (False, [classed("a-opac"), *AGREEING], []),
        (False, [classed("a-opac", "G634"), *AGREEING[:2], classed("b-second", "I24")], []),  # two members
        (False, [classed("a-opac", "G634"), *AGREEING, classed("e-opac", "G63")], []),  # three of five
        (False, [{**classed("a-opac", "G634"), "in": "b2"}, *AGREEING], []),
    ],
    "isbn-publisher": [
        (True, [from_house("北京大学出版社"), *FORESTRY], []),  # whose number it is was learnt
        (True, [from_house("北京大学出版社", "9787302000006")], []),  # and is known of large houses
        (False, [from_house("中国林业出版社"), *FORESTRY], []),
        (False, [from_house("林业出版社"), *FORESTRY], []),
        (
            False,
            [from_house("绿色出版社"), *FORESTRY],
            [],
        ),  # perhaps its new name: no other number is known to be its
        (
            False,
            [from_house("北京大学出版社"), from_house("北京大学出版社"), *FORESTRY],
            [],
        ),  # perhaps its imprint
        (False, [from_house("北京大学出版社"), *FORESTRY[:8]], []),
        (False, [from_house("北京大学出版社"), *FORESTRY, *[from_house(f"第{n}出版社") for n in range(5)]], []),
        (False, [from_house("北京大学出版社", format="marc21"), *FORESTRY], []),
    ],
}


@pytest.fixture(autouse=True)
def own_lake(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIS_HOME", str(tmp_path))


def test_every_rule_of_the_union_has_examples_that_break_it_and_that_do_not():
    assert set(EXAMPLES) == {rule.code for rule in rules.load() if rule.table == "union"}
    assert all({breaks for breaks, *_ in examples} == {True, False} for examples in EXAMPLES.values())


@pytest.mark.parametrize(
    ("code", "breaks", "records", "matches"),
    [(code, *example) for code, examples in EXAMPLES.items() for example in examples],
)
def test_rule_finds_what_breaks_it_and_spares_what_does_not(code, breaks, records, matches):
    assert ((code, "r0") in found(*records, matches=matches)) is breaks


def test_both_records_of_a_barcode_are_named():
    value = "B1 → a-opac r0, a-second r1"
    code = "barcode-in-member-twice"
    both = found(item("B1"), {"source": "a-second", **item("B1")})
    assert both == {(code, "r0"): ("905", value), (code, "r1"): ("905", value)}


def test_unlike_titles_are_both_shown_on_both():
    one, other = numbered("论语", ISBN), numbered("数据库", ISBN, source="b-opac")
    code = "isbn-on-unlike-titles"
    assert found(one, other, matches=unlike("a-opac", "b-opac")) == {
        (code, "r0"): ("010", "9787503727900 论语 ≠ 数据库 (b-opac r1)"),
        (code, "r1"): ("010", "9787503727900 数据库 ≠ 论语 (a-opac r0)"),
    }


def test_what_most_members_have_is_shown_beside_the_class():
    code = "class-disagrees-with-cluster"
    assert found(classed("a-opac", "G634"), *AGREEING) == {(code, "r0"): ("690", "G634 ≠ I (3/4)")}


def test_a_rule_whose_select_is_wrong_is_named(monkeypatch, tmp_path):
    (tmp_path / "rules").mkdir()
    line = "wrong-select,题,t,建,a,warn,,,,union,SELECT titel FROM union_record,"
    (tmp_path / "rules/mine.csv").write_text(",".join(rules.COLUMNS) + "\n" + line + "\n", "utf-8")
    own = rules.load(tmp_path / "rules")
    monkeypatch.setattr(across, "load", lambda: own)
    with pytest.raises(rules.RuleError, match=r"wrong-select.*titel"):
        found(item("B1"))


def test_a_finding_is_published_counted_waived_and_settled_like_any_other(tmp_path, monkeypatch):
    small_lake.make(tmp_path, monkeypatch)
    folder = lake.staged_batch("a-opac", BATCH)
    holdings, items = (lake.read_table(f"staged.{n}", [folder / f"{n}.parquet"]).to_pylist() for n in TABLES)
    write(folder, "staged.holding", [{**row, "location": "AB"[row["record_no"] > 0]} for row in holdings])

    def published(location: str, run_id: str) -> tuple[list[str], list[str], list[int], float]:
        write(folder, "staged.item", [{**items[0], "location": location}])
        publish(run_id)
        which = "WHERE source_id = 'a-opac' AND rule = 'orphan-item'"
        record = "FROM quality.record_score WHERE source_id = 'a-opac' AND record_id = 'r0'"
        (row,) = build.query(f"SELECT warns, waived, score {record}").to_pylist()
        return (
            build.query(f"SELECT record_id FROM quality.issue {which}")["record_id"].to_pylist(),
            build.query(f"SELECT status FROM quality.defect {which}")["status"].to_pylist(),
            [row["warns"], row["waived"]],
            row["score"],
        )

    issues, status, (warns, waived), score = published("B", "run-1")
    assert (issues, status, waived) == (["r0"], ["open"], 0)
    decisions.waive("orphan-item", "a-opac", decisions.today(), "li", "moved")
    assert published("B", "run-2") == (["r0"], ["waived"], [warns - 1, 1], score + 2)
    small_lake.build_catalog("20260107T000000000000Z")
    assert published("A", "run-3") == ([], ["fixed"], [warns - 1, 0], score + 2)
