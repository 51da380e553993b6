"""Citations of two databases, harvested as Dublin Core, are matched by title, authors and year alone."""

from pathlib import Path

import pyarrow as pa
import pytest

from bench import citations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two databases of one paper each, as they are written."""
    (tmp_path / "dblp.csv").write_text(
        "id%title%authors%venue%year\n7%Nests & trees%J. Li, H&ouml;lzl%VLDB%1999\n", "utf-8"
    )
    (tmp_path / "acm.csv").write_text(
        'id%title%authors%venue%year\n9%Reports%"SIGMOD%2003%%Reports 2003"%%\n', "utf-8"
    )
    (tmp_path / "gt.csv").write_text("D1%D2\n7%9\n", "utf-8")
    return tmp_path


def test_citations_are_staged_as_a_repository_shows_them(folder: Path, tmp_path: Path) -> None:
    bib = citations.staged(folder, tmp_path, "article")
    one, other = bib.to_pylist()
    assert (one["source_id"], one["record_id"], one["format"]) == ("dblp", "oai:dblp.example:7", "oai_dc")
    assert (one["title"], one["creators"], one["pub_year"], one["kind"]) == (
        "Nests & trees",
        ["J. Li", "Hölzl"],
        1999,
        "article",
    )
    assert one["notes"] == ["VLDB"]
    assert (other["title"], other["creators"], other["pub_year"]) == ("Reports", [], 2003)


def test_figures_are_of_pairs_across_the_databases(folder: Path) -> None:
    found = citations.measured(folder)
    assert found.figures == {"pairs": 1, "precision": 0.0, "recall": 0.0, "f1": 0.0}
    (row,) = found.explained()
    assert (row["left"], row["right"], row["wrong"]) == (
        "dblp:oai:dblp.example:7",
        "acm:oai:acm.example:9",
        "missed",
    )


@pytest.mark.parametrize("kind", ["", "article"])
def test_real_citations(kind: str, real: Path) -> None:
    found = citations.measured(real / "match" / "dblp-acm", kind)
    assert found.figures["pairs"] == 2_224
    assert found.figures["f1"] >= 0.97


def test_both_databases_whole(real: Path, tmp_path: Path) -> None:
    bib = citations.staged(real / "match" / "dblp-acm", tmp_path)
    counts = {row["values"]: row["counts"] for row in pa.compute.value_counts(bib["source_id"]).to_pylist()}
    assert counts == {"dblp": 2_616, "acm": 2_294}
