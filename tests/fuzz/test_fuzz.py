"""Every reader survives damage of every kind; `make soak` tries fifty times as much."""

import pytest

from tests.fuzz.harness import fuzz
from tests.fuzz.readers import READERS

MUTANTS = 1_000


@pytest.mark.parametrize("name", READERS)
def test_a_reader_refuses_damage_in_one_line_or_takes_the_file_as_it_is(name, tmp_path):
    count = MUTANTS // len(READERS) + 1
    tally = fuzz(name, range(count), tmp_path / "folder")
    assert tally["accepted"] + tally["refused"] == tally["mutants"] == count
    assert tally["sealed"] >= count / 2
