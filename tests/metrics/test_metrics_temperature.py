"""Temperature scaling against scikit-learn, a dense grid, and the cases that have an answer."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.calibration import _TemperatureScaling

from benchmarks import metrics
from tests.metrics.metric_inputs import C, drawn, of_confidence, values
from tests.oracles import metrics as oracles

COLDEST, HOTTEST = math.exp(-10), math.exp(10)


def flipped(examples, stay, seed=0, classes=4):
    """Calibrated logits, labels drawn from them, the same through symmetric noise, its matrix."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((examples, classes))
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    clean = (p.cumsum(-1) < rng.random((examples, 1))).sum(-1).clip(max=classes - 1)
    moved = (clean + rng.integers(1, classes, examples)) % classes
    noisy = np.where(rng.random(examples) < stay, clean, moved)
    matrix = torch.full((classes, classes), (1 - stay) / (classes - 1)).fill_diagonal_(stay)
    return torch.from_numpy(logits), torch.from_numpy(clean), torch.from_numpy(noisy), matrix


@pytest.mark.parametrize("scale", [0.2, 1.0, 6.0, 40.0])
def test_the_fit_is_scikit_learns_optimum(scale):
    logits, label = drawn(scale)
    theirs = _TemperatureScaling().fit(logits.double().numpy(), label.numpy()).beta_
    assert metrics.fit_temperature(logits, label) == pytest.approx(1 / theirs, rel=1e-4)


@pytest.mark.parametrize("scale", [0.2, 6.0])
def test_the_loss_is_no_lower_on_either_side_of_the_fit(scale):
    logits, label = drawn(scale, examples=80)
    rows = logits.tolist(), label.tolist()
    best = metrics.fit_temperature(logits, label)
    at, colder, hotter = (oracles.loss_at(best * f, *rows) for f in (1, 0.9999, 1.0001))
    assert at < min(colder, hotter)


@pytest.mark.parametrize("stay", [0.9, 0.4])
def test_the_corrected_fit_is_the_lowest_loss_of_a_grid_and_of_brents_method(stay):
    logits, _, noisy, matrix = flipped(300, stay)

    def loss(log_temperature):
        rows = logits.tolist(), noisy.tolist(), matrix.tolist()
        return oracles.loss_at(math.exp(log_temperature), *rows)

    grid = np.linspace(-3, 3, 61)
    lowest = grid[np.argmin([loss(u) for u in grid])]
    bounds = (lowest - 0.1, lowest + 0.1)
    expected = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7}).x
    found = metrics.fit_temperature(logits, noisy, matrix)
    assert math.log(found) == pytest.approx(expected, abs=1e-5)


def test_the_corrected_fit_is_the_first_minimum_downhill_from_1():
    rng = np.random.default_rng(150)  # a loss with three minima
    logits, label = 10 * rng.standard_normal((10, 5)), rng.integers(5, size=10)
    matrix = rng.dirichlet(np.full(5, 0.3), size=5)
    grid = np.linspace(-6, 2, 401)  # of log(1 / T)
    rows = logits.tolist(), label.tolist(), matrix.tolist()
    rises = np.diff([oracles.loss_at(math.exp(-u), *rows) for u in grid]) > 0
    minima = grid[1:-1][rises[1:] & ~rises[:-1]]
    assert minima.tolist() == pytest.approx([-4.15, -0.2, 1.2], abs=0.05)
    found = metrics.fit_temperature(*map(torch.from_numpy, (logits, label, matrix)))
    assert -math.log(found) == pytest.approx(minima[1], abs=0.03)


def test_an_identity_matrix_corrects_nothing():
    logits, label = drawn(3.0)
    plain = metrics.fit_temperature(logits, label)
    assert metrics.fit_temperature(logits, label, torch.eye(C)) == pytest.approx(plain, rel=1e-8)


def test_noisy_labels_heat_a_calibrated_model_and_the_correction_does_not():
    logits, clean, noisy, matrix = flipped(20_000, 0.6)
    assert metrics.fit_temperature(logits, clean) == pytest.approx(1, abs=0.03)
    assert metrics.fit_temperature(logits, noisy) > 2
    assert metrics.fit_temperature(logits, noisy, matrix) == pytest.approx(1, abs=0.1)


def test_the_matrix_is_read_from_the_true_class_to_the_given_one():
    """Every second example of class 0 is given as 1; read the other way, 0 would be too likely."""
    matrix = torch.tensor([[0.5, 0.5], [0.0, 1.0]])
    logits, given = of_confidence([0.9] * 20), torch.tensor([0] * 9 + [1] * 11)
    found = metrics.fit_temperature(logits, given, matrix)
    # p(given 0) = q / 2 with q = softmax at T: q = 0.9 is the best, 9 of 20
    assert found == pytest.approx(1, abs=1e-6)
    mirrored = metrics.fit_temperature(logits, given, matrix.T)
    assert abs(mirrored - 1) > 0.1


@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize(("turn", "bound"), [(0, COLDEST), (1, HOTTEST)])
def test_a_fit_that_runs_to_its_bound_says_so(turn, bound, scale):
    logits, _ = drawn(scale, examples=30)
    label = (logits.argsort(-1, descending=True))[:, 0 if turn == 0 else -1]  # best or worst guess
    found = metrics.fit_temperature(logits, label)
    assert found == pytest.approx(bound)
    assert metrics.at_bound(found)
    assert not metrics.at_bound(found * (1.01 if turn == 0 else 0.99))


def test_a_loss_without_a_slope_leaves_the_logits_alone():
    assert metrics.fit_temperature(torch.zeros(5, 3), torch.tensor([0, 1, 2, 0, 1])) == 1
    assert not metrics.at_bound(1.0)
    assert not metrics.at_bound(math.nan)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, HOTTEST])
def test_scaled_metrics_are_the_metrics_of_scaled_logits(temperature):
    logits, label = drawn(3.0)
    scaled = (logits.double() / temperature).tolist()
    found = metrics.scaled_metrics(logits, label, temperature)
    expected = {name: oracles.TEST[name](scaled, label.tolist()) for name in found}
    assert list(found) == ["nll", "brier", "ece", "ece_floor"]
    for name, value in found.items():
        assert value == pytest.approx(expected[name], abs=1e-4 if name == "ece_floor" else 1e-9)


def test_a_temperature_of_1_changes_nothing_and_none_changes_the_predictions():
    logits, label = drawn(3.0)
    raw = values(logits, label)
    found = metrics.scaled_metrics(logits, label, 1.0)
    assert found == pytest.approx({name: raw[name] for name in found}, rel=1e-12)
    hot = values(logits / metrics.fit_temperature(logits, label), label)
    assert hot["acc"] == raw["acc"]
    assert hot["nll"] < raw["nll"]


def test_what_cannot_be_fitted_is_nan():
    logits, label = drawn(1.0, examples=20)
    broken = logits.clone()
    broken[3, 1] = math.inf
    impossible = torch.eye(C)[torch.zeros(C, dtype=torch.int64)]  # everything is given as class 0
    nothing = torch.empty(0, C), torch.empty(0, dtype=torch.int64)
    assert math.isnan(metrics.fit_temperature(broken, label))
    assert math.isnan(metrics.fit_temperature(logits, label, impossible))
    assert math.isnan(metrics.fit_temperature(*nothing))
    for found in (
        metrics.scaled_metrics(broken, label, 1.0),
        metrics.scaled_metrics(*nothing, 1.0),
        metrics.scaled_metrics(logits, label, math.nan),
    ):
        assert all(map(math.isnan, found.values()))


def test_wrong_shapes_are_refused():
    logits, label = drawn(1.0, examples=9)
    with pytest.raises(ValueError, match="9 examples need as many labels"):
        metrics.fit_temperature(logits, label[:4])
    with pytest.raises(ValueError, match="has 2 axes, got"):
        metrics.scaled_metrics(logits[None], label, 1.0)
    with pytest.raises(ValueError, match="6 classes need a square transition"):
        metrics.fit_temperature(logits, label, torch.eye(5))
