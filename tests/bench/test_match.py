"""The made-up union and the bench of matching on it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench import match, union, vocabulary
from bench.changes import CHANGE_BITS
from bench.truth import against_truth
from schemas.columns import MATCH_KEYS
from schemas.staged import STAGED_BIB
from transforms import keys

ROOT = Path(__file__).resolve().parents[2]
KEYS = [column.name for column in MATCH_KEYS]


@pytest.fixture(scope="module")
def words() -> vocabulary.Vocabulary:
    try:
        return vocabulary.load()
    except vocabulary.NoData as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def part(words: vocabulary.Vocabulary) -> union.Part:
    return next(union.parts(words, 20_000, texts=True))


def test_the_keys_are_those_of_the_texts(part: union.Part) -> None:
    made = keys.add(part.bib.drop_columns(KEYS))
    for name in KEYS:
        assert made[name].combine_chunks() == part.bib[name].combine_chunks(), name
        assert part.bib[name].null_count < len(part.bib), name
    texts = part.bib["title"].to_pylist()
    assert any("（" in text for text in texts) and any("the " in text for text in texts)


def test_the_same_seed_gives_the_same_union(words: vocabulary.Vocabulary) -> None:
    made = [next(union.parts(words, 3_000, seed)) for seed in (1, 1, 2)]
    assert made[0].bib == made[1].bib and made[0].truth == made[1].truth
    assert made[0].bib != made[2].bib


def test_rows_are_those_of_the_contract(part: union.Part) -> None:
    assert part.bib.schema == STAGED_BIB.schema
    part.bib.validate(full=True)
    assert len(part.bib) == len(part.truth) == 20_000
    assert pc.count_distinct(part.bib["record_id"]).as_py() == 20_000
    chinese = pc.sum(pc.equal(part.bib["lang"], "chi")).as_py() / len(part.bib)
    assert 0.25 < chinese < 0.45


def test_the_truth_agrees_with_the_records(part: union.Part) -> None:
    bib, changes = part.truth["bib"].to_numpy(), part.truth["changes"].to_numpy()
    sizes = np.unique(bib, return_counts=True)[1]
    assert (sizes == 1).mean() > 0.5 and sizes.max() > 300

    untouched = part.bib.filter(pa.array(changes == 0)).select(["carrier", "pub_year", "volume_key"])
    same = untouched.append_column("bib", pa.array(bib[changes == 0])).group_by("bib")
    for name in untouched.column_names:  # records that nothing befell say what their book is
        assert pc.max(same.aggregate([(name, "count_distinct")])[f"{name}_count_distinct"]).as_py() == 1
    by_work = part.truth.group_by(["kind", "work"]).aggregate([("bib", "count_distinct")])
    several = by_work.filter(pc.greater(by_work["bib_count_distinct"], 1))["kind"].cast(pa.string())
    assert set(several.to_pylist()) == set(union.KINDS) - {"single"}
    assert {name for name, bit in CHANGE_BITS.items() if (changes >> bit & 1).any()} == set(CHANGE_BITS)


def test_wrong_and_missed_are_told_by_kind(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    # book 0 is two volumes (bibs 0 and 1) that were joined; of bib 2 one record of three was missed
    kinds = pa.array(["volume"] * 4 + ["single"] * 3).dictionary_encode()
    changes = [0, 0, 0, 0, 0, 0, 1 << CHANGE_BITS["title_typo"]]
    truth = pa.table({"bib": [0, 0, 1, 1, 2, 2, 2], "work": [0] * 4 + [2] * 3, "kind": kinds, "changes": changes})
    pq.write_table(truth, tmp_path / "truth.parquet")
    found = pa.table({"record_no": range(7), "cluster": [5, 5, 5, 5, 8, 8, 9]})
    pq.write_table(found, tmp_path / "found.parquet")
    figures = against_truth(tmp_path)
    assert figures["wrong"] == figures["might"] == {"volume": 1}
    assert figures["missed"] == {"title_typo": 1.0, "all": round(1 / 7, 4)}
    assert (figures["precision"], figures["recall"]) == (3 / 7, 3 / 5)


def test_the_bench_prints_a_row_for_each_size(words: vocabulary.Vocabulary, tmp_path: Path) -> None:
    match.union(tmp_path, 2_000, 4, words)
    command = [sys.executable, ROOT / "bench" / "match.py", "--records", "2000", "--json", "--folder", tmp_path]
    done = subprocess.run([*command, "--increment"], stdout=subprocess.PIPE, text=True, check=True)
    row, increment = json.loads(done.stdout)["rows"]
    assert row["name"] == "match 2,000" and row["records"] == 2_000
    needed = {"seconds", "cpu_seconds", "records_per_s", "peak_mb", "groups", "pairs", "wrong", "missed"}
    assert needed <= row.keys()
    stages = {"collapse", "blocks", "pairs", "score", "components", "keep", "given out"}
    assert stages == row["stages"].keys()
    assert row["precision"] > 0.95 and row["recall"] > 0.9
    assert increment["same_as_full"]
    assert [increment[name] for name in ("groups", "pairs")] == [row[name] for name in ("groups", "pairs")]
