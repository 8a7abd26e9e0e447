"""Each metric against a loop and against another library.

``metrics`` is imported as a module: pytest would collect ``test_metrics`` itself as a test.
"""

import math

import calibration.utils as unc
import numpy as np
import pytest
import torch
from hypothesis import given
from sklearn import metrics as sk
from torchmetrics.functional.classification import multiclass_calibration_error

from benchmarks import metrics, schema
from tests.metrics.metric_inputs import PROPERTY, C, N, drawn, of_confidence, tied_slices, values
from tests.oracles import metrics as oracles

TOLERANCE = dict.fromkeys(schema.METRICS, 1e-9) | {"ece_floor": 1e-4}  # of a share


# ------------------------------------------------------------------------------ against oracles


def test_every_metric_of_the_schema_has_an_oracle():
    assert tuple(oracles.TEST) == schema.TEST_METRICS
    assert tuple(oracles.TRAIN) == schema.TRAIN_METRICS
    libraries = {"temperature_metrics", "selection", "transition_error"}  # scikit-learn, scipy
    own = {i for name, ids in schema.METRIC_FUNCTIONS.items() if name not in libraries for i in ids}
    assert {*oracles.TEST, *oracles.TRAIN, *oracles.SELECTED} == own


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0, 40.0])
@pytest.mark.parametrize("name", schema.TEST_METRICS)
def test_a_test_metric_equals_its_loop_in_every_slice(name, scale):
    logits, label = drawn(scale, 3)
    found = metrics.test_metrics(logits, label)[name]
    expected = [oracles.TEST[name](z, label.tolist()) for z in logits.tolist()]
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=TOLERANCE[name])


@pytest.mark.parametrize("name", schema.TRAIN_METRICS)
def test_a_train_metric_equals_its_loop_in_every_slice(name):
    logits, clean = drawn(1.0, 3)
    noisy = torch.where(torch.arange(N) % 3 > 0, clean, clean.roll(1))
    found = metrics.train_metrics(logits, noisy, clean)[name]
    expected = [oracles.TRAIN[name](z, noisy.tolist(), clean.tolist()) for z in logits.tolist()]
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


@PROPERTY
@given(tied_slices())
def test_tied_predictions_give_what_the_loops_give(slices):
    logits, label, noisy = slices
    for name, found in values(logits, label).items():
        expected = oracles.TEST[name](logits.tolist(), label.tolist())
        bound = 1e-3 if name == "ece_floor" else 1e-9
        assert found == pytest.approx(expected, abs=bound), name
    for name, share in metrics.train_metrics(logits, noisy, label).items():
        expected = oracles.TRAIN[name](logits.tolist(), noisy.tolist(), label.tolist())
        assert share.item() == pytest.approx(expected, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("classes", [2, 6])
def test_accuracy_and_proper_scores_equal_scikit_learn(classes):
    logits, label = drawn(2.0, classes=classes)
    probs, names = logits.double().softmax(-1).numpy(), range(classes)
    found, predicted = values(logits, label), probs.argmax(-1)
    halves = {"scale_by_half": False, "labels": names}
    assert found["acc"] == pytest.approx(sk.accuracy_score(label, predicted))
    assert found["acc_worst"] == pytest.approx(
        sk.recall_score(label, predicted, average=None).min()
    )
    balanced = metrics.class_metrics(logits, label)
    assert balanced["acc_balanced"].item() == pytest.approx(
        sk.balanced_accuracy_score(label, predicted)
    )
    assert balanced["f1_macro"].item() == pytest.approx(
        sk.f1_score(label, predicted, average="macro")
    )
    assert found["nll"] == pytest.approx(sk.log_loss(label, probs, labels=names), abs=1e-9)
    positive = probs if classes > 2 else probs[:, 1]
    assert found["brier"] == pytest.approx(sk.brier_score_loss(label, positive, **halves), abs=1e-9)


def compare_with_uncertainty_calibration(logits, probs, label):
    found = values(logits, label)
    pairs = list(zip(probs.max(-1), probs.argmax(-1) == label.numpy(), strict=True))
    bins = unc.get_equal_bins(probs.max(-1), num_bins=15)
    assert found["ece"] == pytest.approx(unc.get_ece(probs, label.numpy()), abs=1e-9)
    assert found["ece_em"] == pytest.approx(unc.get_ece_em(probs, label.numpy()), abs=1e-9)
    squared = unc.unbiased_square_ce(unc.bin(pairs, bins))
    assert found["ce2_deb"] == pytest.approx(squared, abs=1e-9)
    root = unc.lower_bound_scaling_top_ce(probs, label.numpy())
    assert max(found["ce2_deb"], 0) ** 0.5 == pytest.approx(root, abs=1e-9)


@pytest.mark.parametrize("examples", [5, 14, 15, 16, 211, 719])
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_calibration_equals_uncertainty_calibration(scale, examples):
    logits, label = drawn(scale, examples=examples)
    compare_with_uncertainty_calibration(logits, logits.double().softmax(-1).numpy(), label)


def test_votes_in_tenths_that_lie_on_edges_equal_uncertainty_calibration():
    rng = np.random.default_rng(3)
    votes = rng.permuted(1 + rng.multinomial(7, [0.6, 0.3, 0.1], size=400), axis=1)
    logits = torch.from_numpy(np.log(votes / 10))
    label = torch.from_numpy(rng.integers(3, size=400))
    compare_with_uncertainty_calibration(logits, votes / 10, label)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_ece_equals_torchmetrics_where_no_confidence_is_0_or_1(scale):
    logits, label = drawn(scale)
    probs = logits.double().softmax(-1)
    assert probs.min() > 0
    assert probs.max() < 1
    theirs = multiclass_calibration_error(probs, label, num_classes=C, n_bins=15, norm="l1")
    assert values(logits, label)["ece"] == pytest.approx(theirs.item(), abs=1e-5)


@pytest.mark.parametrize(("examples", "scale"), [(719, 2.0), (719, 12.0), (2000, 40.0)])
def test_the_floor_is_the_mean_ece_of_simulated_calibrated_models(examples, scale):
    logits, label = drawn(scale, examples=examples)
    chance = logits.double().softmax(-1).amax(-1).numpy()
    right = np.random.default_rng(0).random((3000, examples)) < chance
    bin_of = np.clip(np.ceil(chance * 15).astype(int) - 1, 0, 14)
    eces = np.abs((right - chance) @ np.eye(15)[bin_of]).sum(-1) / examples
    error = eces.std() / math.sqrt(len(eces))
    assert error < 0.02 * eces.mean()
    assert abs(values(logits, label)["ece_floor"] - eces.mean()) < 4 * error


@pytest.mark.parametrize("examples", [1, 2, 7, 80])
@pytest.mark.parametrize("low", [0.5, 0.9, 0.99, 0.99999])
def test_the_floor_is_within_a_thousandth_of_the_exact_law_in_sparse_bins(low, examples):
    logits = of_confidence(torch.linspace(low, 1 - (1 - low) / 9, examples, dtype=torch.float64))
    label = torch.zeros(examples, dtype=torch.int64)
    expected = oracles.ece_floor(logits.tolist(), label.tolist())
    assert values(logits, label)["ece_floor"] == pytest.approx(expected, rel=2e-3)


# ------------------------------------------------------------------------------- reliability


@pytest.mark.parametrize("bins", [1, 4, 15])
def test_reliability_sums_its_bins_as_a_loop_does(bins):
    logits, label = drawn(2.0, 2)
    count, confidence, correct = metrics.reliability(logits, label, bins)
    expected = torch.zeros(3, 2, bins, dtype=torch.float64)
    for k, rows in enumerate(logits.tolist()):
        for row, right in zip(rows, oracles.hits(rows, label.tolist()), strict=True):
            b = math.ceil(oracles.confidence(row) * bins) - 1
            expected[:, k, b] += torch.tensor([1, oracles.confidence(row), right])
    torch.testing.assert_close(torch.stack((count, confidence, correct)), expected)


# --------------------------------------------------------------------------------- detection


@pytest.mark.parametrize("steps", [1, 1000])
def test_detection_equals_loops_and_scikit_learn_on_unbounded_scores(steps):
    rng = np.random.default_rng(5)
    mislabelled = rng.random(150) < 0.3
    score = np.round((rng.standard_normal(150) + mislabelled) * 3 * steps) / steps  # many ties at 1
    raw = sk.roc_auc_score(mislabelled, score), sk.average_precision_score(mislabelled, score)
    loops = oracles.auroc(score, mislabelled), oracles.average_precision(score, mislabelled)
    assert score.min() < 0
    assert score.max() > 1
    assert metrics.detection(score, mislabelled) == pytest.approx(raw)
    assert metrics.detection(score, mislabelled) == pytest.approx(loops)
    as_tensors = torch.from_numpy(score), torch.from_numpy(mislabelled)
    assert metrics.detection(*as_tensors) == pytest.approx(raw)


def test_detection_ranks_large_losses_that_a_float32_sigmoid_would_make_equal():
    score, mislabelled = torch.tensor([30.0, 40.0, 50.0, 60.0]), torch.tensor([0, 0, 1, 1]).bool()
    assert metrics.detection(score, mislabelled) == (1.0, 1.0)


@pytest.mark.parametrize("mislabelled", [[True] * 3, [False] * 3, []])
def test_detection_is_nan_where_all_or_none_are_mislabelled(mislabelled):
    mask = torch.tensor(mislabelled, dtype=torch.bool)
    assert np.isnan(metrics.detection(torch.arange(len(mask)), mask)).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_detection_is_nan_where_a_score_is_not_finite(bad):
    assert np.isnan(metrics.detection(torch.tensor([bad, 1.0]), torch.tensor([True, False]))).all()


def test_detection_refuses_scores_of_another_length():
    with pytest.raises(ValueError, match="score needs the shape"):
        metrics.detection(torch.zeros(3), torch.tensor([True, False]))
