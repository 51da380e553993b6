"""Gates: expectations on summaries of batches and builds, held by Great Expectations.

Each row of `gates.csv` (builds) and `batch_gates.csv` (batches) is one expectation: SQL for the number that is
observed, the least and the most that it may be (either can be empty), its text and advice.  Great Expectations
takes seconds to import, so it is imported where a gate is run, and some ten milliseconds for each expectation on a
column.  So what was observed is one column, the bounds are two more, and three expectations hold for any number of
batches.
"""

import csv
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import duckdb
import pandas as pd

GATES = Path(__file__).resolve().parent / "gates.csv"


@dataclass(frozen=True)
class Expectation:
    """One row of `gates.csv`."""

    name: str
    sql: str
    minimum: float | None
    maximum: float | None
    english: str
    chinese: str
    advice_en: str
    advice_zh: str

    @property
    def bounds(self) -> str:
        """What is allowed, for example `≥ 1`, `≤ 5`, `= 0`."""
        if self.minimum == self.maximum:
            return f"= {self.maximum:g}"
        parts = [f"{sign} {n:g}" for sign, n in (("≥", self.minimum), ("≤", self.maximum)) if n is not None]
        return " and ".join(parts)

    @property
    def text(self) -> str:
        """The expectation in English and Chinese, with its bounds."""
        return f"{self.english} {self.bounds} | {self.chinese} {self.bounds}"


@dataclass(frozen=True)
class Observation:
    """What was seen of one expectation."""

    expectation: Expectation
    observed: float | None
    success: bool

    @property
    def shown(self) -> str:
        """The observed number; a share to four digits."""
        return shown(self.observed)

    def __str__(self) -> str:
        e = self.expectation
        return said(e.text, self.shown, f"{e.advice_en} | {e.advice_zh}")


def shown(observed: float | None) -> str:
    """An observed number as it is shown."""
    if observed is None:
        return "no value"
    return f"{observed:,.0f}" if observed.is_integer() else f"{observed:.4g}"


def said(expectation: str, observed: str, advice: str, about: str = "") -> str:
    """What failed and what to do, as `English | 中文`; so are the expectation and the advice."""
    (english, chinese), (advice_en, advice_zh) = expectation.split(" | "), advice.split(" | ")
    of = f" ({about})" if about else ""
    return f"{english}{of}: observed {observed}. {advice_en} | {chinese}{of}：实际值 {observed}。{advice_zh}"


def in_both(texts: Iterable[str]) -> tuple[str, str]:
    """Texts that are `English | 中文`, or one for both, as one text in each language."""
    sides = [text.split(" | ") for text in texts]
    return "; ".join(side[0] for side in sides), "；".join(side[-1] for side in sides)


@cache
def load(file: Path = GATES) -> tuple[Expectation, ...]:
    """The expectations on a build, in the order of the file."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, strict=True))
    return tuple(
        Expectation(**row, minimum=_number(least), maximum=_number(most))
        for row in rows
        for least, most in [(row.pop("minimum"), row.pop("maximum"))]
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def summary(con: duckdb.DuckDBPyConnection, expectations: Sequence[Expectation]) -> pd.DataFrame:
    """One row with the observed number of each expectation, in a column of its name."""
    columns = ",\n".join(f"CAST(({e.sql}) AS DOUBLE) AS {e.name}" for e in expectations)
    return con.execute(f"SELECT {columns}").df()


@contextmanager
def _spark_out_of_sight() -> Iterator[None]:
    """Great Expectations loads Spark if it is there, whose client ends a process that it takes for a doctest."""
    names = ("pyspark", "pyspark.sql.connect")
    there = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(there)


def observe(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> list[Observation]:
    """Validate a one-row summary; one observation per expectation, in their order."""
    values = [frame[e.name].iloc[0] for e in expectations]
    numbers = [None if pd.isna(value) else float(value) for value in values]
    sound = validate(list(zip(expectations, numbers, strict=True)))
    return [Observation(*seen) for seen in zip(expectations, numbers, sound, strict=True)]


def validate(observed: Sequence[tuple[Expectation, float | None]]) -> list[bool]:
    """Whether each number that was observed is there and within the bounds of its expectation."""
    # its analytics would ask an outside host; read when it is imported
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with _spark_out_of_sight():
        import great_expectations as gx

    rows = [(number, e.minimum, e.maximum) for e, number in observed]
    frame = pd.DataFrame(rows, columns=["observed", "minimum", "maximum"], dtype="float64")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    asset = context.data_sources.add_pandas("summary").add_dataframe_asset("summary")
    batch = asset.add_batch_definition_whole_dataframe("summary").get_batch({"dataframe": frame})
    gates = gx.expectations
    above = partial(  # where a bound is empty, nothing is asked
        gates.ExpectColumnPairValuesAToBeGreaterThanB, or_equal=True, ignore_row_if="either_value_is_missing"
    )
    suite = gx.ExpectationSuite(
        name="gate",
        expectations=[
            gates.ExpectColumnValuesToNotBeNull(column="observed"),
            above(column_A="observed", column_B="minimum"),
            above(column_A="maximum", column_B="observed"),
        ],
    )
    results = batch.validate(suite, result_format="COMPLETE").to_json_dict()["results"]
    if raised := [r["exception_info"] for r in results if "unexpected_index_list" not in r["result"]]:
        raise RuntimeError(f"Great Expectations could not check the gates: {raised}")
    failed = {row for r in results for row in r["result"]["unexpected_index_list"]}
    return [at not in failed for at in range(len(rows))]
