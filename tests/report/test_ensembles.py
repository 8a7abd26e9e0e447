"""The table of ensembles: beside single networks, and only of methods that have them everywhere."""

import pandas as pd
import pytest

from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.ensembles import ensembles
from benchmarks.report.phrases import signed
from benchmarks.schema import POOLED_KEYS
from tests.report.folders import SIX, Sweep, write

SMALL = Sweep(methods=SIX[:3], noises=("clean", "symmetric(rate=0.4)"), seeds=4, epochs=1)


def test_an_ensemble_stands_beside_the_mean_of_its_single_networks(tmp_path):
    folder = write(tmp_path, SMALL)
    keys = pd.read_csv(folder / "results.csv")[list(POOLED_KEYS)].drop_duplicates()
    rows = keys.assign(seeds=4, acc=0.9, nll=0.5, brier=0.2, ece=0.05)
    thin = (rows["method"] == SMALL.methods[0]) & (rows["noise"] == "clean")
    rows[~thin].to_csv(folder / "ensembles.csv", index=False)
    analysis = Analysis(load(folder))
    table = ensembles(analysis)
    assert set(table.numbers.index) == set(SMALL.methods[1:])
    for method, row in table.numbers.iterrows():
        last = analysis.run.last
        single = last[last["method"] == method].groupby("setting")["acc"].mean().mean()
        assert row["acc_single"] == pytest.approx(single)
        said = table.text.loc[analysis.label(method), "Accuracy % change"]
        assert said == signed("acc", 0.9 - single)
    assert "noisy labels of its own" in " ".join(table.notes)
