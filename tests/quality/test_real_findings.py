"""What the rules find in real records is what was looked at: rules that cry wolf, or fall silent, show here."""

import pytest

from . import real_sets

pytestmark = pytest.mark.skipif(not real_sets.DATA.exists(), reason="real records are not there (../shared/data)")


def test_every_set_has_its_numbers():
    assert set(real_sets.frozen()) == set(real_sets.sets())


@pytest.mark.parametrize("name", real_sets.sets())
def test_findings_in_real_records_are_these(name):
    # after a change that is meant: python -m tests.quality.real_sets, and look at the difference
    assert real_sets.counted(name) == real_sets.frozen()[name]
