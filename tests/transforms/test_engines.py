"""Spark finds what DuckDB finds: records, pairs and blocks are held equal, the catalogue to the byte.

One session serves all tests; it runs at two cores of this machine and compiles little, since it lives shortly.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ibis.backends import BaseBackend

from bench import union, vocabulary
from schemas.columns import MATCH_KEYS, STRING, STRINGS
from schemas.staged import STAGED_BIB
from transforms import candidates, catalog, contents, match
from transforms.judgement import RECORD, Rulings
from warehouse import engine, lake

from .staged_records import ANALYSIS, HAMLET, bibs, register, stage

pytestmark = [
    pytest.mark.xdist_group("spark"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.skipif(bool(engine.spark_lacks()), reason=f"Spark can't run: {engine.spark_lacks()}"),
]
RECORDS = 100_000
CAP = 60  # low, so that some blocks of the union are over it

# What engines may read, count, cut, order, split or join in their own ways.
TEXTS = [
    "", " ", "a", "A", "á", "a\u0301", "ß", "ss", "İ", "i̇", "ａ", "z", "é", "e\u0301", "0", "00", "-1", "NaN",
    "null", "|", "a|b", "b|a", "||", ".", "*", "a.b", "[|]", "/", "a/b", "\\", "\\n", "\n", "\t", "'", '"', "`",
    "%", "_", "$1", "{}", "\x1e", "\x1f", "\x00", "\u200d", "\ufeff", "\uffff", "中国", "中國", "数学", "𠀋",
    "𠮷野家", "𪚥𪚥", "\U0010ffff", "👩\u200d🔬", "e\u0301" * 12, "𠮷" * 12, "𠮷" * 13, "中𠮷e\u0301" * 5,
    "abcdefghijkl", "abcdefghijklm", "abcdefghijkl𠮷", "10.1000/182", "10.1000/ABC", "CN 11-1234", "CN 11-1234/G2",
]  # fmt: skip


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseBackend]:
    from warehouse.spark import connected

    settings = tmp_path_factory.mktemp("settings")
    quick = "spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1\nspark.ui.enabled false\n"
    (settings / "spark-defaults.conf").write_text(quick, "utf-8")
    before = dict(os.environ)
    os.environ["SPARK_CONF_DIR"] = str(settings)
    try:
        with connected("local[2]", tmp_path_factory.mktemp("scratch")) as backend:
            yield backend
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def duck() -> BaseBackend:
    return ibis.duckdb.from_connection(engine.connect())


def both(duck: BaseBackend, spark: BaseBackend, file: Path) -> tuple[ibis.Table, ibis.Table]:
    return duck.read_parquet(file), spark.parquet([file], STAGED_BIB.schema)


def nasty(count: int) -> pa.Table:
    """Records with such values in the columns that are compared, of few values each, so that many meet."""
    random = Random(4)
    records = bibs("a", [HAMLET] * count)
    names = {column.name for column in MATCH_KEYS} | {*candidates.COMPARED, "edition"} - {*candidates.FLAGS}
    sources = pa.array(random.choices(["a", "B", "b", "é", "𠮷", "中"], k=count))
    identifiers = [f"{number:03}{random.choice(TEXTS)}" for number in range(count)]
    columns = {"source_id": sources, "record_id": pa.array(random.sample(identifiers, count))}
    for name in sorted(names):
        some = random.sample(TEXTS, 12)
        type_ = STAGED_BIB.schema.field(name).type
        if type_ == STRINGS:
            values = [random.choices([None, *some], k=random.choice([0, 1, 2, 3])) for _ in range(count)]
            values[::50] = [None] * len(values[::50])
        elif type_ == STRING:
            values = random.choices([None, *some], k=count)
        else:
            values = random.choices([None, 0, 1, -1, 1799, 2_147_483_647], k=count)
        columns[name] = pa.array(values, type_)
    for name, values in columns.items():
        at = records.schema.get_field_index(name)
        records = records.set_column(at, records.schema.field(name), values)
    return records


def test_values_that_engines_may_take_differently(duck: BaseBackend, spark: BaseBackend, tmp_path: Path) -> None:
    records = nasty(600)
    pq.write_table(records, tmp_path / "bib.parquet")
    a, b, c, d = zip(*(records[name].to_pylist()[:4] for name in RECORD), strict=True)
    rulings = Rulings(must_join=(tuple(sorted((a, b))),), must_not_join=(tuple(sorted((c, d))),))
    tables = both(duck, spark, tmp_path / "bib.parquet")
    found = []
    for backend, bib in zip((duck, spark), tables, strict=True):
        engine.prepare(backend)
        digests = contents.of(backend, candidates.prepare(bib)).drop("batch_id", "record_no")
        rows = candidates.numbered(candidates.prepare(bib)).rename(group="row")
        sorted_ = [backend.to_pyarrow(table.order_by(table.columns)) for table in (rows, digests)]
        result = match.cluster(backend, bib, cap=20, rulings=rulings)
        placed = result.known.placed.sort_by([("block", "ascending"), ("group", "ascending")])
        told = {"records": result.records, "pairs": result.pairs, "notes": result.notes}
        found.append({"rows": sorted_, "placed": placed, **told})
    assert len(found[0]["pairs"]) > 1_000 and found[0]["notes"]
    for left, right in zip(found[0]["rows"], found[1]["rows"], strict=True):
        assert left.schema.names == right.schema.names
        for name in left.column_names:
            assert left[name].to_pylist() == right[name].to_pylist(), name
    for name in ("placed", "records", "pairs", "notes"):
        assert found[0][name] == found[1][name], name
    assert {"judgement:must_join", "judgement:must_not_join"} <= set(found[0]["pairs"]["rule"].to_pylist())


def test_no_records(spark: BaseBackend) -> None:
    found = match.cluster(spark, spark.parquet([], STAGED_BIB.schema))
    assert (len(found.records), len(found.pairs), found.notes) == (0, 0, [])


def test_a_union_of_100_000_records(duck: BaseBackend, spark: BaseBackend, tmp_path: Path) -> None:
    try:
        words = vocabulary.load()
    except vocabulary.NoData as error:
        pytest.skip(str(error))
    union.write(words, RECORDS, tmp_path)
    tables = both(duck, spark, tmp_path / "bib.parquet")
    one, other = (match.cluster(where, bib, cap=CAP) for where, bib in zip((duck, spark), tables, strict=True))
    assert len(one.records) == RECORDS and len(one.pairs) > 0.9 * RECORDS and one.notes
    assert one.records == other.records
    assert one.pairs == other.pairs


def test_the_catalogue_is_the_same_to_the_byte(
    spark: BaseBackend, lake_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register({"a": "x1", "b": "x2", "c": "x3"})
    books = [HAMLET, ANALYSIS, HAMLET | {"title": "𠮷野家", "isbn": []}]
    stage("a", [ANALYSIS], batch_id="b1")
    stage("a", [*books, HAMLET | {"deleted": True}], batch_id="b2")
    stage("b", [ANALYSIS | {"title": "数学分析"}, HAMLET | {"publisher": None}, HAMLET | {"pub_year": 2001}])
    stage("c", [HAMLET | {"carrier": "electronic"}, *books])
    shutil.copytree(lake_home, tmp_path / "other")
    written = []
    for name, home in (("duckdb", lake_home), ("spark", tmp_path / "other")):
        monkeypatch.setenv("CALIS_HOME", str(home))
        monkeypatch.setenv("CALIS_ENGINE", name)
        catalog.build("r")
        stage("b", [ANALYSIS | {"title": "数学分析"}, HAMLET | {"pub_year": 2002}], batch_id="b2")
        catalog.build("r")  # goes on from what the first has found
        build = lake.catalog_build(lake.catalog_builds()[-1])
        written.append({file.name: file.read_bytes() for file in build.glob("*.parquet")})
        assert (
            sorted(path.name for path in build.parent.iterdir()) == lake.catalog_builds()
        )  # nothing else is left
    dated = {"lineage.parquet", "version.parquet", "former_record.parquet"}  # name the build
    for name in written[0].keys() - dated:
        assert written[0][name] == written[1][name], name
    assert len(written[0]) == len(written[1]) > 10
    assert len(pq.read_table(build / "bib_record.parquet")) == 9


def test_an_engine_that_is_not_known(lake_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register({"a": "x1"})
    stage("a", [HAMLET])
    monkeypatch.setenv("CALIS_ENGINE", "sparc")
    with pytest.raises(engine.EngineError, match=r"duckdb .* or spark"):
        catalog.build("r")
    assert not lake.catalog_builds()


@pytest.mark.parametrize("missing", ["pyspark", "java"])
def test_what_spark_lacks_is_said(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIS_ENGINE", "spark")
    if missing == "pyspark":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    else:
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("JAVA_HOME", raising=False)
    advice = "apt-get" if missing == "java" else "pip install"
    with pytest.raises(engine.EngineError, match=advice), engine.matching(engine.connect()):
        pass
