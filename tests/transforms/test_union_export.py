"""The union as MARC and Parquet: what golden records hold, what changed and what went; read back."""

import io
import json
import shutil
from typing import Any

import pyarrow.parquet as pq
import pymarc
import pytest
from lxml import etree

from harvesters import registry
from harvesters.harvest import harvest_sources
from tests import consortium
from transforms import catalog, export, iso2709, union_export, union_marc
from transforms.stage import stage_sources
from transforms.union_marc import Bib, Line
from warehouse import engine, lake

from .built_catalog import bib_of, book, redirect
from .staged_records import ANALYSIS, HAMLET, register, stage


def field(tag: str, ind: str, *subfields: str) -> Line:
    """A field; subfields as 'avalue'."""
    return Line(tag, ind, [(text[0], text[1:]) for text in subfields])


def bib(*records: list[Line], marc: str = "marc21", **columns: Any) -> Bib:
    found: dict[str, Any] = {row["column"]: None for row in union_marc._made()[marc]}
    found |= {
        name: []
        for name in ("isbn", "issn", "lcc", "ddc", "clc", "series", "notes", "subjects", "creators", "url")
    }
    head = [Line("LDR", "", [(None, "00000dam a2200000 i 4500")]), Line("001", "", [(None, "own1")])]
    lines = [[*head, *fields] for fields in records]
    made = Bib("U1", found | columns, marc, "20261124T170102123456Z", True, [("M1", "own1"), ("M2", "x2")], [])
    made.lines = lines
    return made


def written(made: Bib) -> pymarc.Record:
    (one,) = export.records(union_marc.rows([made]))
    assert one.parts, one.refused
    (record,) = pymarc.MARCReader(one.content, to_unicode=True, force_utf8=True)
    assert record is not None
    return record


# --- one golden record -----------------------------------------------------------------------------------


def test_the_union_signs_the_record() -> None:
    made = bib(
        [field("245", "00", "aHamlet"), Line("003", "", [(None, "OCoLC")]), field("035", "  ", "a(OCoLC)7")]
    )
    made.former_ids, made.linked = ["U0"], ["U9"]
    record = written(made)
    assert (record["001"].data, record["003"].data, record["005"].data) == (
        "U1",
        "CALIS-UNION",
        "20261124170102.0",
    )
    assert record.leader[5] == "n"
    assert [f.get_subfields("a", "z") for f in record.get_fields("035")] == [
        ["(OCoLC)7"], ["(M1)own1"], ["(M2)x2"], ["(CALIS-UNION)U0"],
    ]  # fmt: skip
    assert record["776"]["w"] == "(CALIS-UNION)U9"
    assert [f.tag for f in record.fields] == sorted(f.tag for f in record.fields)
    made.is_new = False
    assert written(made).leader[5] == "c"


def test_cnmarc_has_its_own_003_and_link() -> None:
    made = bib([field("200", "1 ", "a红楼梦")], marc="cnmarc")
    made.linked = ["U9"]
    record = written(made)
    assert record["003"].data == "urn:CALIS:UNION-Bib/U1"
    assert record["452"]["1"] == "001U9"


def test_what_is_of_one_library_goes_and_each_member_has_one_field() -> None:
    own = [
        field("852", "  ", "bmain"),
        field("905", "  ", "aX"),
        field("500", "  ", "aSigned", "5M1"),
        field("856", "40", "uhttp://a"),
    ]
    made = bib([field("245", "00", "aHamlet"), *own])
    made.holdings = [("M1", ["PR1", "PR2"], 3), ("M2", [], None)]
    record = written(made)
    assert not record.get_fields("852", "905", "500")
    assert record["856"]["u"] == "http://a"
    assert [[(s.code, s.value) for s in f.subfields] for f in record.get_fields("920")] == [
        [("a", "M1"), ("c", "PR1"), ("c", "PR2"), ("f", "3")],
        [("a", "M2")],
    ]


def test_others_add_what_the_carrier_lacks_and_nothing_twice() -> None:
    made = bib(
        [
            field("245", "00", "aHamlet"),
            field("020", "  ", "a0140707344"),
            field("650", " 0", "aDrama", "zEngland"),
        ],
        [
            field("245", "00", "aHAMLET"),
            field("020", "  ", "a9780140707342 (pbk.)"),
            field("020", "  ", "a9780141013077"),
            field("650", " 0", "aDRAMA", "zEngland.", "2lcsh"),
            field("650", " 4", "aTragedy", "xHistory"),
            field("650", " 4", "aMine", "5M2"),
        ],
        clc=["I561.33"],
        ddc=["822"],
    )  # fmt: skip
    record = written(made)
    assert [f["a"] for f in record.get_fields("020")] == ["0140707344", "9780141013077"]
    assert [f.format_field() for f in record.get_fields("650")] == ["Drama -- England", "Tragedy -- History"]
    assert (record["084"]["a"], record["084"]["2"], record["082"]["a"]) == ("I561.33", "clc", "822")
    assert len(record.get_fields("245")) == 1


@pytest.mark.parametrize(("marc", "title", "year"), [("marc21", "245", "264"), ("cnmarc", "200", "210")])
def test_a_bib_without_marc_is_made_from_its_columns(marc, title, year) -> None:
    made = bib(
        marc=marc, title="红楼梦", resp_first="曹雪芹", pub_year=1996, lang="chi", subjects=["小说", "清代"]
    )
    record = written(made)
    assert record[title]["a"] == "红楼梦"
    assert record[year]["c" if marc == "marc21" else "d"] == "1996"
    assert len(record.get_fields("653" if marc == "marc21" else "610")) == 2
    if marc == "marc21":
        assert len(record["008"].data) == 40 and record["008"].data[35:38] == "chi"
        assert record["008"].data[7:11] == "1996"
    else:
        assert len(record["100"]["a"]) == 36 and record["100"]["a"][9:13] == "1996"


def test_very_many_holders_are_dealt_out_and_come_back_as_one() -> None:
    made = bib([field("245", "00", "aHamlet")])
    made.holdings = [(f"M{number:04}", [f"PR{number:0100}"], 1) for number in range(1_000)]
    (one,) = export.records(union_marc.rows([made]))
    assert one.parts > 1
    records = list(pymarc.MARCReader(one.content))
    assert all(record["245"]["a"] == "Hamlet" and record["001"].data == "U1" for record in records)
    assert [f["a"] for record in records for f in record.get_fields("920")] == [m for m, *_ in made.holdings]


# --- the whole union, and what changed -------------------------------------------------------------------


@pytest.fixture
def lake_of_three(lake_home) -> None:
    register({"a": "M1", "b": "M2", "c": "M3"})


def exported(path, since: str = "", **how: Any) -> dict[str, pymarc.Record]:
    told = union_export.export_union(path / "out.mrc", since=since, **how)
    assert told["refused"] == 0
    found = list(pymarc.MARCReader((path / "out.mrc").open("rb"), force_utf8=True))
    assert told["records"] == told["written"] == len(found)
    return {record["001"].data: record for record in found}


def test_changes_since_a_build_are_new_changed_and_deleted_bibs(lake_of_three, tmp_path) -> None:
    same = {"edition": "5th ed.", "pub_year": 1970}
    stage("a", [book("same"), book("gone"), book("still"), book("edit")])
    stage("b", [book("same") | same])
    stage("c", [book("same") | same])
    first = catalog.build("one")[-1].batch_id
    before = bib_of()
    assert exported(tmp_path).keys() == set(before.values())
    assert exported(tmp_path, first) == {}
    kept = [book("still"), book("edit") | {"size": "9 cm"}, book("new")]
    stage("a", [book("same") | same, book("gone") | {"deleted": True}, *kept], batch_id="b2")
    second = catalog.build("two")[-1].batch_id
    after = bib_of()
    found = exported(tmp_path, first)
    merged, gone, edited, new = before["a/000"], before["a/001"], after["a/003"], after["a/004"]
    assert {key: record.leader[5] for key, record in found.items()} == {
        merged: "d", gone: "d", after["a/000"]: "c", edited: "c", new: "n",
    }  # fmt: skip
    assert (merged, "merged", after["a/000"]) in redirect()
    assert found[merged]["921"].get_subfields("a", "b") == [after["a/000"], "merged"]
    assert found[gone]["921"].get_subfields("a", "b") == ["retired"]
    assert found[after["a/000"]].get_fields("035")[-1]["z"] == f"(CALIS-UNION){merged}"
    assert exported(tmp_path, second) == {}
    today = f"{first[:4]}-{first[4:6]}-{first[6:8]}"
    assert exported(tmp_path, today).keys() == {*after.values(), merged, gone}
    assert exported(tmp_path, "2999-01-01") == {}
    with pytest.raises(export.ExportError, match="no date"):
        exported(tmp_path, "yesterday")


def test_parquet_has_golden_columns_members_and_deletions(lake_of_three, tmp_path) -> None:
    stage("a", [HAMLET, book("x")])
    stage("b", [HAMLET])
    first = catalog.build("one")[-1].batch_id
    before = bib_of()
    union_export.export_union(tmp_path / "u.parquet", "parquet")
    rows = {row["bib_id"]: row for row in pq.read_table(tmp_path / "u.parquet").to_pylist()}
    assert rows[before["a/000"]]["member_codes"] == ["M1", "M2"]
    assert (rows[before["a/000"]]["title"], rows[before["a/000"]]["status"]) == ("Hamlet", "current")
    stage("a", [HAMLET, book("x") | {"deleted": True}], batch_id="b2")
    catalog.build("two")
    told = union_export.export_union(tmp_path / "u.parquet", "parquet", since=first)
    found = pq.read_table(tmp_path / "u.parquet").to_pylist()
    assert [(row["bib_id"], row["status"], row["replaced_by"]) for row in found] == [
        (before["a/001"], "deleted", None)
    ]
    assert told["deletions"] == 1


def test_only_one_format_and_small_pieces(lake_of_three, tmp_path, monkeypatch) -> None:
    stage("a", [HAMLET, ANALYSIS | {"format": "cnmarc"}, book("x"), book("y") | {"format": "oai_dc"}])
    catalog.build("one")
    of = bib_of()
    whole = exported(tmp_path)
    content = (tmp_path / "out.mrc").read_bytes()
    assert exported(tmp_path, only="cnmarc").keys() == {of["a/001"]}
    assert exported(tmp_path, only="marc21").keys() == whole.keys() - {of["a/001"]}
    monkeypatch.setattr(union_export, "PIECE", 1)
    exported(tmp_path)
    assert (tmp_path / "out.mrc").read_bytes() == content


def test_what_was_staged_since_the_build_changes_nothing(lake_of_three, tmp_path) -> None:
    stage("a", [HAMLET, book("edit"), book("gone")])
    stage("b", [HAMLET, book("other")])
    catalog.build("one")
    whole = exported(tmp_path)
    assert whole.keys() == set(bib_of().values())
    union_export.export_union(tmp_path / "u.parquet", "parquet")
    files = [tmp_path / "out.mrc", tmp_path / "u.parquet"]
    before = [file.read_bytes() for file in files]
    newer = [HAMLET | {"title": "Hamlet, revised"}, book("edit") | {"size": "9 cm"}]
    stage("a", [*newer, book("gone") | {"deleted": True}, book("new")], batch_id="b2")
    exported(tmp_path)
    union_export.export_union(tmp_path / "u.parquet", "parquet")
    assert [file.read_bytes() for file in files] == before


def test_members_are_those_of_the_build_whatever_the_registry_says_now(lake_of_three, tmp_path) -> None:
    stage("a", [HAMLET, book("x")])
    stage("b", [HAMLET, book("y")])
    catalog.build("one")
    exported(tmp_path)
    content = (tmp_path / "out.mrc").read_bytes()
    register({"a": "M9"})
    assert len(exported(tmp_path)) == 3
    assert (tmp_path / "out.mrc").read_bytes() == content


@pytest.mark.parametrize("form", union_export.FORMS)
def test_an_export_that_would_lack_a_bib_or_a_holder_is_refused(lake_of_three, tmp_path, form) -> None:
    stage("a", [HAMLET, book("x")])
    stage("b", [HAMLET])
    (build,) = {outcome.batch_id for outcome in catalog.build("one")}
    out = tmp_path / "out"
    out.write_bytes(b"as before")
    bib_file = lake.catalog_build(build) / "bib.parquet"
    content = bib_file.read_bytes()
    pq.write_table(pq.read_table(bib_file).slice(1), bib_file)
    with pytest.raises(export.ExportError, match="only 1 of 2 bibs"):
        union_export.export_union(out, form)
    bib_file.write_bytes(content)
    shutil.rmtree(lake.staged_batch("b", "b1"))
    with pytest.raises(export.ExportError, match=r"not staged any more as they were \(1 of b\)"):
        union_export.export_union(out, form)
    assert out.read_bytes() == b"as before"


def test_parquet_keeps_one_format_and_takes_no_encoding(lake_of_three, tmp_path) -> None:
    out = tmp_path / "u.parquet"
    of_columns = book("z") | {"format": "oai_dc", "lang": "chi"}
    stage("a", [HAMLET, ANALYSIS | {"format": "cnmarc"}, book("y") | {"format": "oai_dc"}, of_columns])
    catalog.build("one")
    of = bib_of()
    found = {}
    for only in ("cnmarc", "marc21"):
        told = union_export.export_union(out, "parquet", only=only)
        found[only] = set(pq.read_table(out)["bib_id"].to_pylist())
        assert told["written"] == len(found[only])
    assert found == {"cnmarc": {of["a/001"], of["a/003"]}, "marc21": {of["a/000"], of["a/002"]}}
    assert {only: exported(tmp_path, only=only).keys() for only in found} == found
    for encoding in export.ENCODINGS:
        with pytest.raises(export.ExportError, match="leave --encoding out"):
            union_export.export_union(out, "parquet", encoding)


def test_a_bib_that_went_to_the_other_format_is_a_deletion_in_the_one(
    lake_of_three, tmp_path, monkeypatch
) -> None:
    stage("a", [ANALYSIS | {"format": "cnmarc"}, book("still")])
    stage("b", [ANALYSIS, book("gone")])
    first = catalog.build("one")[-1].batch_id
    of = bib_of()
    moved, gone = of["a/000"], of["b/001"]
    assert of["b/000"] == moved
    assert exported(tmp_path, only="cnmarc").keys() == {moved}
    stage("a", [ANALYSIS | {"format": "cnmarc", "deleted": True}, book("still")], batch_id="b2")
    stage("b", [ANALYSIS, book("gone") | {"deleted": True}], batch_id="b2")
    catalog.build("two")
    for piece in (union_export.PIECE, 1):
        monkeypatch.setattr(union_export, "PIECE", piece)
        found = exported(tmp_path, first, only="cnmarc")
        assert {key: record.leader[5] for key, record in found.items()} == {moved: "d", gone: "d"}
        assert [field.get_subfields("a", "b") for field in found[moved].get_fields("921")] == [["retired"]]
        assert found[moved]["003"].data == f"urn:CALIS:UNION-Bib/{moved}"
    for only in ("marc21", ""):
        found = exported(tmp_path, first, only=only)
        assert {key: record.leader[5] for key, record in found.items()} == {moved: "c", gone: "d"}
    told = union_export.export_union(tmp_path / "u.parquet", "parquet", since=first, only="cnmarc")
    rows = pq.read_table(tmp_path / "u.parquet").to_pylist()
    assert {row["bib_id"]: row["status"] for row in rows} == {moved: "deleted", gone: "deleted"}
    assert (told["written"], told["deletions"]) == (0, 2)


def test_the_day_of_since_is_beijings(lake_of_three, tmp_path) -> None:
    stage("a", [HAMLET])
    build = lake.catalog_build(catalog.build("one")[-1].batch_id)
    midnight = "20261123T160000000000Z"  # in Beijing, where the 24th begins
    build.rename(build.with_name(midnight))
    inputs = build.with_name(midnight) / "inputs.json"
    inputs.write_text(json.dumps(json.loads(inputs.read_text("utf-8")) | {"first_build": midnight}), "utf-8")
    assert exported(tmp_path, "2026-11-24").keys() == set(bib_of().values())
    assert exported(tmp_path, "2026-11-25") == {}
    assert "20261123T155959999999Z" < union_export.since_build("2026-11-24") < midnight
    assert union_export.since_build("0999-01-01") < midnight


@pytest.mark.parametrize(
    "day", ["2026-13-45", "2026-02-29", "0001-01-01", "20261345T170102123456Z", "2026-11", "２０２６-11-24"]
)
def test_a_day_that_there_is_not_is_refused(lake_of_three, tmp_path, day) -> None:
    stage("a", [HAMLET])
    catalog.build("one")
    with pytest.raises(
        export.ExportError, match=r"write a day that there is, Beijing's \(2026-11-24\), or a build"
    ):
        union_export.export_union(tmp_path / "out", since=day)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_no_file_to_write(lake_of_three, tmp_path) -> None:
    stage("a", [HAMLET])
    catalog.build("one")
    with pytest.raises(lake.LakeError, match="is a folder; name a file"):
        union_export.export_union(tmp_path)


def test_no_catalogue_and_unknown_forms_are_told(lake_of_three, tmp_path) -> None:
    with pytest.raises(export.ExportError, match="no catalogue yet"):
        union_export.export_union(tmp_path / "out")
    with pytest.raises(export.ExportError, match="can't write csv"):
        union_export.export_union(tmp_path / "out", "csv")


@pytest.fixture(scope="module")
def real_union(built_consortium, tmp_path_factory):
    """A lake with the union of the small consortium's folder sources, all of real records."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("union")
        patch.setenv("CALIS_HOME", str(home / "lake"))
        consortium.copied(built_consortium[0], home / "lake")
        folders = [
            s for s in registry.load().chosen([]) if s.protocol == "folder" and s.format in union_marc.LEADERS
        ]
        chosen = [s.source_id for s in folders]
        harvest_sources(chosen, "r", True)
        stage_sources(chosen, "r")
        catalog.build("r")
        yield home


@pytest.mark.parametrize(
    ("form", "encoding"), [("iso2709", "utf-8"), ("iso2709", "gb18030"), ("marcxml", "utf-8")]
)
def test_the_union_of_real_records_comes_back_whole(real_union, form, encoding) -> None:
    out = real_union / "out"
    told = union_export.export_union(out, form, encoding)
    with engine.open_lake() as con:
        bibs = dict(con.execute("SELECT bib_id, title FROM catalog.bib").fetchall())
        members = con.execute(
            f"""SELECT bib_id, count(DISTINCT member_code) FROM catalog.bib_record
            JOIN (VALUES {", ".join(f"('{s.source_id}', '{s.member_code}')" for s in registry.load().sources)})
            m(source_id, member_code) USING (source_id) GROUP BY ALL"""
        ).fetchall()
    assert told["written"] == len(bibs) > 100
    assert (told["refused"], told["bytes"]) == (0, out.stat().st_size)
    if form == "iso2709":
        chunks = list(iso2709.read(io.BytesIO(out.read_bytes())))
        assert {s for chunk in chunks for s in chunk.records["status"].to_pylist()} <= {
            "clean",
            "joined",
            "mended",
        }
        reader = pymarc.MARCReader(out.open("rb"), file_encoding=encoding)
        found = []
        for record in reader:
            assert record is not None, (reader.current_exception, reader.current_chunk)
            found.append(record)
    else:
        found = pymarc.parse_xml_to_array(str(out))
        assert etree.parse(str(out)).getroot().tag.endswith("collection")
    assert {record["001"].data for record in found} == set(bibs)
    held = {record["001"].data: len({f["a"] for f in record.get_fields("920")}) for record in found}
    assert held == dict(members)
    assert all(len(record.get_fields("200", "245")) == 1 for record in found)
    assert all(record.leader[5] == "n" and len(str(record.leader)) == 24 for record in found)
    titles = sum(
        (record.get_fields("200", "245")[0].get("a") or "")[:2] == (bibs[record["001"].data] or "")[:2]
        for record in found
    )
    assert titles > len(found) / 2  # the others have their original script in 880


def test_our_own_reader_finds_the_holders_again(real_union) -> None:
    from transforms.detect import Hints
    from transforms.inspect import inspect

    union_export.export_union(real_union / "out.mrc")
    inspect(real_union / "out.mrc", Hints(holdings="union-920"), real_union / "tables")
    holding = pq.read_table(real_union / "tables" / "holding.parquet")
    with engine.open_lake() as con:
        (copies,) = con.execute("SELECT count(*) FROM catalog.item").fetchone()
    assert sum(holding["copies"].drop_null().to_pylist()) >= copies > 0
    bib_rows = pq.read_table(real_union / "tables" / "bib.parquet")
    assert set(bib_rows["format"].to_pylist()) == {"cnmarc", "marc21"}
    assert lake.catalog_builds()
