"""Temperature scaling in a report: what it leaves, what it parts, and fits that do not count."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmarks.question import Question
from benchmarks.report import render, scaling
from benchmarks.report.data import load, outcomes
from benchmarks.report.verdict import verdict
from tests.report.folders import SIX, Sweep, analysed, stream, write

NOISES = ("clean", "symmetric(rate=0.2)", "symmetric(rate=0.4)")
FITS = ("noisy", "fwd", "clean")
LOST = {"method": "elr", "noise": "clean", "seed": 1}


def scaled(row):
    """Errors that scaling by clean labels halves, and noisy labels add 0.3 to; one fit is lost."""
    draws = stream("scaled", row["noise"], row["method"], row["seed"])
    lost = all(row[key] == value for key, value in LOST.items())
    for fit, gain in zip(FITS, (0.3, -0.1 * row["ece"], -0.5 * row["ece"]), strict=True):
        row = row | {
            f"ts_{fit}_T": 1.5,
            f"ts_{fit}_ece": row["ece"] + gain + draws.normal(0, 0.002),
        }
        row |= {f"ts_{fit}_ece_floor": 0.01 * len(fit)}
        row |= {f"ts_{fit}_nll": 0.9 * row["nll"] + draws.normal(0, 0.01), f"ts_{fit}_brier": 0.3}
    if lost:
        row |= {"ts_clean_T": 4.53999298e-05, "ts_clean_nll": 400.0, "ts_clean_ece": 0.9}
    given = float(row["method"] != "reweighting")
    return row | {"ts_fwd_given": given, "ts_at_bound": float(lost)}


SWEEP = Sweep(
    methods=(*SIX[:3], "elr"),
    noises=NOISES,
    seeds=4,
    epochs=1,
    alter=scaled,
    question=Question("cross_entropy", ("label_smoothing",)),
)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    return analysed(tmp_path_factory.mktemp("scaling"), SWEEP)


def test_a_fit_at_a_bound_counts_nowhere(analysis, tmp_path):
    folder = write(tmp_path, SWEEP)
    for rows in (load(folder).last, outcomes(folder)):
        lost = (rows[list(LOST)] == pd.Series(LOST)).all(axis=1)
        names = [f"ts_clean_{name}" for name in ("T", "nll", "brier", "ece")]
        assert rows.loc[lost, names].isna().all(axis=None)
        assert (
            rows.loc[lost, ["ts_noisy_ece", "ts_fwd_T", "ece", "ts_at_bound"]]
            .notna()
            .all(axis=None)
        )
        assert rows.loc[~lost, names].notna().all(axis=None)
    table, parts = scaling.in_settings(analysis), scaling.overall(analysis)
    assert "1 of 144 fits ended at a bound" in " ".join(table.notes)
    floors = {"of clean": "5.0", "through": "3.0", "of noisy": "5.0"}
    for fit, floor in floors.items():
        rows = table.text[table.text.index.str.contains(f"T {fit}")]
        assert rows.map(lambda entry, floor=floor: f" / {floor}" in entry).all(axis=None)
    assert "[3/4]" in parts.text.loc["ELR", "Refinement‡"]
    assert not any("[" in entry for entry in parts.text.loc["ELR", ["ECE %", "T of noisy labels"]])
    assert "(for Importance reweighting: their own estimate of it)" in " ".join(parts.notes)


@pytest.mark.parametrize("temperature", [-1.0, 0.0, 22026.4657948])
def test_a_temperature_that_cannot_be_counts_nowhere(tmp_path, temperature):
    rows = outcomes(
        write(tmp_path, replace(SWEEP, alter=lambda row: scaled(row) | {"ts_fwd_T": temperature}))
    )
    assert rows[["ts_fwd_T", "ts_fwd_ece"]].isna().all(axis=None)


def test_the_nll_is_parted_within_the_seeds_whose_fits_count(analysis):
    rows = analysis.run.last
    numbers = scaling.overall(analysis).numbers
    for method, own in rows.groupby("method"):
        values = own.pivot_table(["nll", "ts_clean_nll"], "seed", "setting")
        known = values["ts_clean_nll"].notna().all(axis=1)
        assert known.sum() == (3 if method == "elr" else 4)
        nll, left = (values[name][known].mean(axis=1) for name in ("nll", "ts_clean_nll"))
        row = numbers.loc[method]
        assert row["nll"] == pytest.approx(nll.mean())
        assert row["ts_clean_nll"] == pytest.approx(left.mean())
        assert row["gained"] == pytest.approx((nll - left).mean())
        law = scipy.stats.t(known.sum() - 1, scale=scipy.stats.sem(nll - left))
        assert row["gained_half"] == pytest.approx(law.ppf(0.975))
        assert row["floor"] == pytest.approx(own["ece_floor"].mean())
        assert row["ts_noisy_ece"] == pytest.approx(own["ts_noisy_ece"].mean())


def test_the_verdict_says_what_scaling_changes(analysis):
    text = render.document(verdict(analysis)).partition("Temperature scaling")[2].partition("\n")[0]
    rows = analysis.run.last
    noisy = rows[rows["noisy"]].groupby(["method"])[["ece", "ts_noisy_ece"]].mean() * 100
    clean = rows.groupby(["method"])[["ece", "ts_clean_ece"]].mean() * 100
    ends = {"clean": ("lower in 3", "higher in 0"), "noisy": ("lower in 0", "higher in 2")}
    parts = dict(zip(ends, text.partition("One fitted on noisy")[::2], strict=True))
    for method, name in (("cross_entropy", "hard labels"), ("label_smoothing", "Label smoothing")):
        for (fit, (lower, higher)), means in zip(ends.items(), (clean, noisy), strict=True):
            before, after = means.loc[method]
            known = f"of {name} from {before:.1f} to {after:.1f}% ({lower}"
            where = f" of {lower[-1] if fit == 'clean' else 2} settings"
            where = where if method == "cross_entropy" else ""
            assert f"{known}{where}, {higher})" in parts[fit]
    counts = {}
    for metric in ("ece", "nll"):
        tests = analysis.compared("cross_entropy", f"ts_clean_{metric}")
        own = tests.loc[tests["method"] == "label_smoothing", "outcome"].value_counts()
        counts[metric] = [own.get(name, 0) for name in ("better", "worse")]
        better, worse = counts[metric]
        assert f"{metric.upper()} better in {better} and worse in {worse} of 3 settings" in text
    assert np.sum(list(counts.values())) > 0


def test_what_scaling_raises_is_told_from_what_it_lowers_and_from_chance(tmp_path):
    """Four pairs by chance about nothing are no finding, whatever their mean."""
    gains = dict(zip(NOISES, (-0.03, 0.05, 0.001), strict=True))

    def alter(row):
        by_chance = 0.02 if row["noise"] == NOISES[2] else 0.001
        gain = gains[row["noise"]] + by_chance * np.cos(9 * row["seed"] + len(row["method"]))
        return scaled(row) | {"ts_clean_ece": 0.2 + gain, "ece": 0.2, "ts_at_bound": 0.0}

    text = render.document(verdict(analysed(tmp_path, replace(SWEEP, alter=alter))))
    assert text.count("(lower in 1 of 3 settings, higher in 1)") == 1
    assert "(lower in 1, higher in 1)" in text


def test_of_many_candidates_scaling_is_told_together(tmp_path):
    values = [f"label_smoothing(smoothing={n / 20})" for n in range(1, 12)]
    sweep = replace(SWEEP, methods=(SIX[0], *values), question=Question(SIX[0], tuple(values)))
    text = render.document(verdict(analysed(tmp_path, sweep)))
    assert "(lower in 3 of 3 settings, higher in 0) and of 11 others from" in text
    assert "(lower in 33 of 33 pairs of method and setting, higher in 0)" in text


def test_without_true_labels_nothing_is_said_of_what_scaling_makes_of_errors(tmp_path):
    sweep = replace(SWEEP, alter=lambda row: scaled(row) | {"truth": "unknown"})
    assert "takes the mean ECE" not in render.document(verdict(analysed(tmp_path, sweep)))


def test_without_fits_nothing_is_said_of_scaling(tmp_path):
    analysis = analysed(tmp_path, replace(SWEEP, alter=lambda row: row))
    assert scaling.in_settings(analysis) is scaling.overall(analysis) is None
    assert "emperature" not in render.document(verdict(analysis))
