"""What the rules find in the first records of the Library of Congress: rules that cry wolf show here."""

from collections import Counter
from pathlib import Path

import pytest

from quality.rules import checking
from transforms.detect import Hints
from transforms.parse import staged_parts

BOOKS = Path(__file__).resolve().parents[3] / "shared" / "data" / "marc21" / "lc-books.mrc"

EXPECTED = (
    4472,
    {
        "obsolete-field": 867,
        "undefined-code": 310,
        "no-subject": 306,
        "obsolete-indicator": 197,
        "obsolete-code": 44,
        "year-disagrees-marc21": 33,
        "stale-prepublication": 15,
        "repeated-subfield": 2,
        "no-extent": 1,
        "bad-isbn": 1,
    },
)


@pytest.mark.skipif(not BOOKS.exists(), reason="real records are not there (../shared/data)")
def test_findings_on_the_library_of_congress_are_these():
    part = next(staged_parts([(BOOKS.name, lambda: BOOKS.open("rb"))], Hints(), "x", "20260105"))
    records = len(part.tables["bib"])
    found = Counter(checking.check(part.tables, "x", "20260105").column("rule").to_pylist())
    assert (records, dict(found)) == EXPECTED
