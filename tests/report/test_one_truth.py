"""A mean is of accuracies or of agreement with labels that nobody knows, and never of both."""

from dataclasses import replace

import pandas as pd
import pytest

from benchmarks.regress.recording import lines_of
from benchmarks.report import checklist, tables
from benchmarks.report.compare import compare
from tests.report.folders import Sweep, analysed, stamp

NOISES = ("clean", *(f"symmetric(rate={rate / 10})" for rate in range(1, 9)))
ALONE = Sweep(methods=("cross_entropy", "elr", "gce"), noises=NOISES, seeds=3, epochs=2)


def mine_is_unknown(row):
    """Labels that nobody knows, with which the methods agree in another order."""
    if row["dataset"] != "mine":
        return row
    return row | {"truth": "unknown", "acc": 0.9 - row["acc"] / 2, "mem_frac": None}


BOTH = replace(ALONE, datasets=("digits", "mine"), alter=mine_is_unknown)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    return folder, *(analysed(folder / n, s) for n, s in {"alone": ALONE, "both": BOTH}.items())


def test_means_ranks_and_tests_over_settings_are_those_of_the_known_labels(sides):
    _, alone, both = sides
    assert len(both.run.settings) == 2 * len(alone.run.settings)
    numbers = ["acc", "ece", "rank", "acc_oracle", "settings"]
    pd.testing.assert_frame_equal(both.ranking[numbers], alone.ranking[numbers])
    assert both.ranks.mean_ranks == alone.ranks.mean_ranks
    pd.testing.assert_frame_equal(both.probabilities, alone.probabilities)
    assert tables.datasets(both) is None
    first, second = (
        next(
            item.evidence for item in checklist.checklist(each) if "best on test" in item.statement
        )
        for each in (alone, both)
    )
    assert first.partition(";")[2] == second.partition(";")[2] != ""
    (note,) = (note for note in tables.ranking(both).notes if "nobody knows" in note)
    assert note.count("mine") == len(NOISES)
    assert "digits" not in note


def test_where_no_label_is_known_means_are_over_all_settings(sides):
    _, _, both = sides
    mine = [name for name in both.run.settings if name.startswith("mine")]
    part = both.restricted(both.run.methods, mine)
    assert part.shared_settings == tuple(mine)
    assert part.ranking["acc"].notna().all()


def test_compared_and_recorded_means_are_those_of_the_known_labels(sides):
    folder, *_ = sides
    alone, both = (compare(folder / name, folder / name) for name in ("alone", "both"))
    assert set(both.pooled["setting"]) == {"all 9 settings with clean labels"}
    own, other = (side.pooled.drop(columns="setting") for side in (both, alone))
    pd.testing.assert_frame_equal(own, other)
    for name in ("alone", "both"):
        stamp(folder / name)
    lines = [
        {line[5:7]: line[7:] for line in lines_of(folder / name, range(3)) if line[6] == "acc"}
        for name in ("alone", "both")
    ]
    assert lines[0] == lines[1] != {}
