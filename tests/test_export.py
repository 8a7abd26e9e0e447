"""Exported labels are those a run trains on, and come back."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.engine.problem import pose
from benchmarks.export import export
from benchmarks.noise import NOISES
from benchmarks.sweep import Cell
from tests.oracles import noise as oracles

SPEC = "asymmetric(rate=0.4, counts='per_class')"


def problem_of(noise, root, seed=3):
    specs = {"dataset": "digits", "noise": noise, "method": "cross_entropy", "model": "mlp"}
    specs |= {"recipe": "small(val_fraction=0.0)", "seed": seed, "precision": "float32"}
    return pose(Cell.build(specs), root, torch.device("cpu"))


@pytest.fixture
def exported(tmp_path):
    line = export(DATASETS.build("digits"), NOISES.build(SPEC), 3, tmp_path, tmp_path / "out")
    return tmp_path / "out", line


def test_the_labels_are_those_of_a_run_and_come_back(exported, tmp_path):
    out, line = exported
    problem = problem_of(SPEC, tmp_path)
    table = pd.read_csv(out / "labels-3.csv")
    assert table["given"].tolist() == problem.noisy.tolist()
    assert table["true"].tolist() == problem.clean.tolist()
    assert table["position"].tolist() == list(range(1078))
    assert np.load(out / "labels-3.npy").tolist() == problem.noisy.tolist()
    for form in ("npy", "csv"):
        back = problem_of(f"labels(file={str(out / ('labels-{seed}.' + form))!r})", tmp_path)
        assert back.noise_sha256 == problem.noise_sha256
    assert problem.noise_sha256 in line


def test_the_facts_are_those_of_the_labels(exported):
    out, line = exported
    facts = json.loads((out / "noise-3.json").read_text())
    table = pd.read_csv(out / "labels-3.csv")
    wrong = table["given"] != table["true"]
    assert facts["noise"] == "asymmetric(rate=0.4, pairs='published', counts='per_class')"
    assert (facts["seed"], facts["examples"], facts["rate_nominal"]) == (3, 1078, 0.4)
    assert facts["rate_realised"] == pytest.approx(wrong.mean())
    assert facts["rate_realised_per_class"] == pytest.approx(wrong.groupby(table["true"]).mean())
    assert facts["sha256"] == oracles.label_sha256(table["given"])
    assert f"{wrong.sum()} of 1078 labels wrong" in line


def test_both_matrices_are_written_in_full_precision(exported):
    out, _ = exported
    drawn, seen = (np.loadtxt(out / f"{name}-3.csv", delimiter=",") for name in ("T", "T-realised"))
    assert drawn[0, 1] == 0.4
    table = pd.read_csv(out / "labels-3.csv")
    shares = pd.crosstab(table["true"], table["given"], normalize="index").to_numpy()
    np.testing.assert_allclose(seen, shares, rtol=0, atol=1e-15)
    np.testing.assert_allclose(seen.sum(1), 1)


def test_a_noise_that_does_not_fit_is_refused(tmp_path):
    np.savetxt(tmp_path / "T.csv", np.eye(3), delimiter=",")
    noise = NOISES.build(f"matrix(file={str(tmp_path / 'T.csv')!r})")
    with pytest.raises(ValueError, match="must hold 10 x 10 numbers"):
        export(DATASETS.build("digits"), noise, 0, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
