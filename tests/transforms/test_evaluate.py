"""Figures of the matching: by labelled pairs and against the truth."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms import catalog, evaluate
from transforms.evaluate import EvaluationError

from .staged_records import ANALYSIS, HAMLET, bibs, register, stage


def test_figures_of_labelled_pairs() -> None:
    bib = bibs("x", [HAMLET, HAMLET | {"title": "HAMLET"}, ANALYSIS, HAMLET | {"lang": "ger"}])
    pairs = [("000", "001", True), ("000", "002", False), ("001", "003", True), ("000", "001", False)]
    figures = evaluate.evaluate_table(bib, pairs).figures
    assert figures == {"pairs": 4, "missing": 0, "precision": 0.5, "recall": 0.5, "f1": 0.5}


def test_a_record_that_comes_twice_is_one_record() -> None:
    bib = bibs("x", [HAMLET, ANALYSIS])
    figures = evaluate.evaluate_table(pa.concat_tables([bib, bib]), [("000", "001", False)]).figures
    assert figures == {"pairs": 1, "missing": 0, "precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_a_label_without_a_record_counts_as_not_found() -> None:
    found = evaluate.evaluate_table(bibs("x", [HAMLET, HAMLET]), [("000", "999", True), ("000", "001", True)])
    figures = found.figures
    assert found.wrong == []  # of a record that is not there nothing can be told
    assert figures == {"pairs": 2, "missing": 1, "precision": 1.0, "recall": 0.5, "f1": 2 / 3}
    with pytest.raises(EvaluationError, match="998"):
        evaluate.evaluate_table(bibs("x", [HAMLET]), [("999", "998", True)])


def test_reading_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("\ufeffid1,id2,label\na,b,1\na,c,false\n", "utf-8")
    assert evaluate.read_pairs(path) == [("a", "b", True), ("a", "c", False)]
    path.write_text("id1,id2,label\na,b,maybe\n", "utf-8")
    with pytest.raises(EvaluationError, match="line 2"):
        evaluate.read_pairs(path)
    path.write_text("left,right\na,b\n", "utf-8")
    with pytest.raises(EvaluationError, match="no column id1, id2, label"):
        evaluate.read_pairs(path)


def test_cluster_figures() -> None:
    """One true pair of two found, and a book of three of which a pair is missed twice."""
    found = np.array([0, 0, 1, 1, 2])
    true = np.array([0, 0, 0, 1, 2])
    figures = evaluate.cluster_figures(found, true)
    assert (figures["precision"], figures["recall"]) == (1 / 2, 1 / 3)
    assert figures["bcubed_precision"] == pytest.approx((1 + 1 + 0.5 + 0.5 + 1) / 5)
    assert figures["bcubed_recall"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert evaluate.cluster_figures(true, true)["f1"] == 1


def test_against_the_truth(lake_home: Path, tmp_path: Path) -> None:
    register({"a": "M1", "b": "M2"})
    stage("a", [HAMLET, ANALYSIS])
    stage("b", [HAMLET, ANALYSIS | {"lang": "eng"}])
    catalog.build("run")
    truth = tmp_path / "truth.parquet"
    rows = {"source_id": ["a", "a", "b", "b"], "record_id": ["000", "001"] * 2, "book_id": ["h", "m"] * 2}
    pq.write_table(pa.table(rows), truth)
    figures = evaluate.evaluate_truth(truth).figures
    assert (figures["records"], figures["bibs"], figures["books"]) == (4, 3, 2)
    assert (figures["precision"], figures["recall"]) == (1, 0.5)
    pq.write_table(pa.table({**rows, "source_id": ["z"] * 4}), truth)
    with pytest.raises(EvaluationError, match="none of its records"):
        evaluate.evaluate_truth(truth)


def test_labelled_pairs_of_real_records(real: Path) -> None:
    """Real catalogue records without identifiers, labelled by people: content alone must do well."""
    folder = real / "match" / "goldfinch"
    figures = evaluate.evaluate([folder / "validation.mrc"], folder / "validation-labels.csv").figures
    assert figures["pairs"] == 10_208
    assert figures["precision"] >= 0.995
    assert figures["recall"] >= 0.95
