"""The whole path without Airflow: counts reconcile over all layers, and doing it twice changes nothing."""

import json

import pytest

from operations import pipeline
from warehouse import engine, lake


def rows(sql, database=True):
    con = engine.connect(lake.published_database(), read_only=True) if database else engine.open_lake()
    with con:
        return con.execute(sql).fetchall()


@pytest.mark.xdist_group("published")
def test_counts_reconcile_over_all_layers(published_lake):
    expected = json.loads((lake.sample() / "expected.json").read_text("utf-8"))

    unbalanced = rows(
        "SELECT * FROM quality.outcome WHERE received <> staged + rejected + deleted + unchanged", database=False
    )
    assert unbalanced == []
    by_source = rows(
        """SELECT source_id, h.received, s.received, s.staged, s.rejected, s.deleted
           FROM quality.outcome h JOIN quality.outcome s USING (source_id, batch_id)
           WHERE h.stage = 'harvest' AND s.stage = 'stage'""",
        database=False,
    )
    assert {row[0] for row in by_source} == set(expected["sources"])
    for source, landed, received, *_ in by_source:
        assert landed == received, source

    current = dict(rows("SELECT source_id, count(*) FROM staged.current_bib GROUP BY 1", database=False))
    attached = dict(rows("SELECT source_id, count(*) FROM catalog.bib_record GROUP BY 1"))
    assert current == attached
    with_records = rows("SELECT sum(records), count(*) FROM catalog.bib")[0]
    assert with_records[0] == sum(attached.values())
    assert rows("SELECT count(DISTINCT bib_id) FROM catalog.bib_record")[0][0] == with_records[1]
    for table in ("holding", "item"):
        staged = rows(f"SELECT count(*) FROM staged.current_{table}", database=False)
        assert staged == rows(f"SELECT count(*) FROM catalog.{table}")
        assert staged[0][0] > 0
    assert rows("SELECT DISTINCT score FROM quality.score WHERE source_id LIKE '%-loans'") == [(None,)]
    assert rows("SELECT count(*) FROM catalog.loan") == rows("SELECT count(*) FROM staged.loan", database=False)


@pytest.mark.xdist_group("published")
def test_what_was_damaged_is_set_aside_or_mended_and_what_was_deleted_is_gone(published_lake):
    truth = lake.sample() / "truth.parquet"
    wrongly_there = rows(
        f"""SELECT t.* FROM read_parquet('{truth}') t JOIN staged.current_bib b
            ON b.source_id = t.source_id AND b.record_id = t.record_id
            WHERE t.state = 'deleted' OR (t.state = 'damaged' AND b.status = 'clean')""",
        database=False,
    )
    assert wrongly_there == []
    missing = rows(
        f"""SELECT t.source_id, t.record_id FROM read_parquet('{truth}') t
            ANTI JOIN staged.current_bib b ON b.source_id = t.source_id AND b.record_id = t.record_id
            WHERE t.state = 'live'""",
        database=False,
    )
    assert missing == []


def test_a_second_run_counts_nothing_twice(small_consortium):
    assert pipeline.run([], "run-1") == []
    catalogue = "SELECT bib_id, records, members, title FROM catalog.bib ORDER BY bib_id"
    first = rows(catalogue)
    assert pipeline.run([], "run-2") == []
    assert rows(catalogue) == first
    harvested = rows(
        "SELECT DISTINCT verdict FROM quality.outcome WHERE run_id = 'run-2' AND stage = 'harvest'", False
    )
    assert {verdict for (verdict,) in harvested} <= {"unchanged", "complete"}
    staged_again = rows(
        "SELECT sum(staged) FROM quality.outcome WHERE run_id = 'run-2' AND stage = 'stage'", False
    )
    assert staged_again[0][0] in (None, 0)


def test_a_failing_source_leaves_the_others_alone(small_consortium):
    sources = (lake.registry() / "sources.csv").read_text("utf-8").splitlines()
    broken = next(number for number, line in enumerate(sources) if ",oai," in line)
    name = sources[broken].split(",")[0]
    sources[broken] = sources[broken].replace(f"/{name}/oai", "/nowhere/oai")
    (lake.registry() / "sources.csv").write_text("\n".join(sources) + "\n", "utf-8")
    faults = pipeline.run([], "run-1")
    assert len(faults) == 1
    assert name in faults[0]
    assert rows("SELECT count(*) FROM catalog.bib")[0][0] > 0


@pytest.mark.xdist_group("published")
def test_chinese_text_comes_out_as_chinese(published_lake):
    truth = lake.sample() / "truth.parquet"
    odd = rows(
        f"""SELECT source_id, title, publisher FROM staged.current_bib
           JOIN read_parquet('{truth}') t USING (source_id, record_id)
           WHERE t.chinese AND format = 'cnmarc'
           AND NOT (regexp_matches(title, '[一-鿿]') AND NOT contains(title || publisher, '\ufffd'))""",
        database=False,
    )
    assert odd == []
    share = rows(
        f"""SELECT avg(length(regexp_replace(publisher, '[^一-鿿]', '', 'g')) / length(publisher))
           FROM staged.current_bib JOIN read_parquet('{truth}') t USING (source_id, record_id)
           WHERE t.chinese AND format = 'cnmarc'""",
        database=False,
    )
    assert share[0][0] > 0.95
