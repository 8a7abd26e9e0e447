"""Which labels a method kept, and which matrix it estimated, against the truth."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from benchmarks import metrics


def labels(examples=200, classes=5, seed=4):
    rng = np.random.default_rng(seed)
    clean = rng.integers(classes, size=examples)
    noisy = np.where(rng.random(examples) < 0.6, clean, rng.integers(classes, size=examples))
    return torch.from_numpy(noisy), torch.from_numpy(clean)


@pytest.mark.parametrize("networks", [0, 1, 3])
@pytest.mark.parametrize("kind", [torch.bool, torch.float32])
def test_selection_equals_scikit_learns_precision_and_recall(networks, kind):
    noisy, clean = labels()
    shape = (networks, 200) if networks else (200,)
    kept = torch.from_numpy(np.random.default_rng(1).random(shape) < 0.7)
    truth = (noisy == clean).expand(shape).flatten()
    expected = sk.precision_score(truth, kept.flatten()), sk.recall_score(truth, kept.flatten())
    assert metrics.selection(kept.to(kind), noisy == clean) == pytest.approx(expected)


def test_keeping_everything_has_the_precision_of_the_labels():
    noisy, clean = labels()
    right = noisy == clean
    share = right.double().mean().item()
    assert metrics.selection(torch.ones(200), right) == pytest.approx((share, 1))


def test_a_share_of_nothing_is_nan():
    right = torch.tensor([True, False])
    precision, recall = metrics.selection(torch.zeros(2), right)
    assert math.isnan(precision)
    assert recall == 0
    precision, recall = metrics.selection(torch.ones(2), torch.zeros(2).bool())
    assert precision == 0
    assert math.isnan(recall)


@pytest.mark.parametrize(
    ("kept", "sentence"),
    [
        (torch.ones(3), "needs 4 entries per network"),
        (torch.ones(2, 2, 4), "needs 4 entries per network"),
        (torch.full((4,), 0.5), "other values than 0 and 1"),
        (torch.full((4,), math.nan), "other values than 0 and 1"),
    ],
)
def test_a_choice_of_another_form_is_refused(kept, sentence):
    with pytest.raises(ValueError, match=sentence):
        metrics.selection(kept, torch.ones(4).bool())


def test_the_transition_error_equals_a_loop_over_scikit_learns_confusion_matrix():
    noisy, clean = labels()
    estimate = torch.from_numpy(np.random.default_rng(2).dirichlet(np.ones(5), size=5))
    realised = sk.confusion_matrix(clean, noisy, normalize="true")
    expected = sum(
        abs(estimate[i, j].item() - realised[i, j]) for i in range(5) for j in range(5)
    ) / 5  # fmt: skip
    assert metrics.transition_error(estimate, noisy, clean) == pytest.approx(expected)
    assert metrics.transition_error(torch.from_numpy(realised), noisy, clean) == 0


def test_a_class_that_does_not_occur_has_no_say():
    estimate = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    label = torch.tensor([0, 1, 1])
    assert metrics.transition_error(estimate, label, label) == 0


def test_an_estimate_that_maps_every_class_to_a_wrong_one_has_error_2():
    label = torch.arange(4)
    assert metrics.transition_error(torch.eye(4).roll(1, 0), label, label) == 2


def test_an_estimate_that_is_not_finite_has_no_error():
    estimate, label = torch.eye(3), torch.arange(3)
    for bad in (math.nan, math.inf):
        assert math.isnan(metrics.transition_error(estimate + bad, label, label))
    assert math.isnan(metrics.transition_error(estimate, label[:0], label[:0]))


def test_an_estimate_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="a transition matrix is square"):
        metrics.transition_error(torch.ones(2, 3), torch.zeros(2).long(), torch.zeros(2).long())
