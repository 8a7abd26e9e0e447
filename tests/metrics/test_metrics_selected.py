"""Smooth and classwise calibration, risk and coverage: what is measured of selected epochs."""

import itertools

import calibration.utils as unc
import numpy as np
import pytest
import torch
from hypothesis import given
from sklearn.calibration import calibration_curve

from benchmarks import metrics
from tests.metrics.metric_inputs import (
    PROPERTY,
    drawn,
    of_confidence,
    selected,
    tied_slices,
    values,
)
from tests.oracles import metrics as oracles

TOLERANCE = dict.fromkeys(oracles.SELECTED, 1e-9) | {"smece": 2e-5}
QUICK = [name for name in oracles.SELECTED if name != "smece"]


def plain(logits, label):
    return {name: value.item() for name, value in selected(logits, label).items()}


# ------------------------------------------------------------------------------ against oracles


@pytest.mark.parametrize("scale", [0.3, 2.0, 40.0])
@pytest.mark.parametrize("name", oracles.SELECTED)
def test_a_selected_metric_equals_its_loop_in_every_slice(name, scale):
    logits, label = drawn(scale, 2, examples=47)
    found = selected(logits, label)[name]
    expected = [oracles.SELECTED[name](z, label.tolist()) for z in logits.tolist()]
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, abs=TOLERANCE[name])


@PROPERTY
@given(tied_slices())
def test_tied_predictions_give_what_the_loops_give(slices):
    logits, label, _ = slices
    found = plain(logits, label)
    for name in QUICK:
        expected = oracles.SELECTED[name](logits.tolist(), label.tolist())
        assert found[name] == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_classwise_ece_equals_uncertainty_calibration_and_scikit_learn(scale):
    logits, label = drawn(scale, examples=719)
    p = logits.double().softmax(-1).numpy()
    found = metrics.classwise_ece(logits, label).item()
    bins = [b / 15 for b in range(1, 16)]
    theirs, curves = [], []
    for k in range(p.shape[1]):
        hit = (label == k).numpy()
        pairs = list(zip(p[:, k], hit, strict=True))
        theirs.append(unc.plugin_ce(unc.bin(pairs, bins), power=1))
        share, mean = calibration_curve(hit, p[:, k], n_bins=15)
        count = np.histogram(p[:, k], np.linspace(0, 1, 16))[0]
        curves.append(np.abs(share - mean) @ count[count > 0] / len(p))
    assert found == pytest.approx(np.mean(theirs), abs=1e-9)
    assert found == pytest.approx(np.mean(curves), abs=1e-9)


def test_aurc_is_the_mean_over_the_orders_that_keep_the_ranking():
    confidence = [0.9, 0.8, 0.8, 0.8, 0.6, 0.6]
    wrong = [0, 1, 0, 0, 1, 0]
    curves = [
        np.mean(np.cumsum([wrong[i] for i in order]) / np.arange(1, 7))
        for order in itertools.permutations(range(6))
        if all(confidence[a] >= confidence[b] for a, b in itertools.pairwise(order))
    ]
    found = metrics.risk_coverage(of_confidence(confidence), torch.tensor(wrong))
    assert len(curves) == 12
    assert found["aurc"].item() == pytest.approx(np.mean(curves))


def test_smooth_ece_of_one_confidence_is_its_gap():
    """Reflection keeps the mass, so a residual of one sign has the same area at any width."""
    logits, label = of_confidence([0.7] * 10), (torch.arange(10) >= 6).long()
    assert metrics.smooth_ece(logits, label).item() == pytest.approx(0.1, abs=1e-9)


# -------------------------------------------------------------------------------- edge cases


def test_the_ranking_tells_apart_what_is_1_in_float64():
    logits = torch.tensor([[0.0, -60.0], [0.0, -50.0], [0.0, -40.0]])
    last, first = (metrics.risk_coverage(logits, torch.tensor(y)) for y in ([0, 0, 1], [1, 0, 0]))
    assert logits.double().softmax(-1).max(-1).values.eq(1).all()
    assert last["aurc"].item() == pytest.approx(1 / 9)
    assert last["eaurc"].item() == pytest.approx(0)
    assert first["aurc"].item() == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


def test_predictions_that_differ_by_rounding_alone_are_tied():
    vote = torch.tensor([[0.7, 0.2, 0.1]]).double().log()
    nudged = vote.repeat(4, 1) * (1 + 1e-14 * torch.arange(4.0).double()[:, None])
    for wrong in range(4):
        label = torch.zeros(4, dtype=torch.int64).index_fill(0, torch.tensor([wrong]), 1)
        found = metrics.risk_coverage(nudged, label)["aurc"].item()
        assert found == pytest.approx(1 / 4)


def test_a_ranking_without_errors_or_without_right_answers_has_no_excess():
    logits, _ = drawn(2.0, examples=20)
    best = logits.argmax(-1)
    right, wrong = (metrics.risk_coverage(logits, y) for y in (best, (best + 1) % 6))
    assert (right["aurc"].item(), right["eaurc"].item()) == (0, 0)
    assert (wrong["aurc"].item(), wrong["eaurc"].item()) == (1, 0)


def test_for_two_classes_classwise_ece_is_that_of_either_class():
    confidence = torch.tensor([0.1, 0.1, 0.33, 0.5, 0.7, 0.71, 0.9, 1.0]).double()
    label = torch.tensor([1, 0, 1, 0, 1, 0, 0, 0])
    hit, bins = (label == 0).double(), [[0, 1], [2], [3], [4, 5], [6], [7]]
    expected = sum(abs((confidence[b] - hit[b]).sum().item()) for b in bins) / 8
    found = metrics.classwise_ece(of_confidence(confidence.clamp(max=1 - 1e-16)), label)
    assert found.item() == pytest.approx(expected, abs=1e-7)


def test_a_class_that_never_occurs_only_divides():
    logits, label = drawn(2.0)
    wider = torch.cat((logits, logits.new_full((len(logits), 1), -1e4)), -1)
    before, after = plain(logits, label), plain(wider, label)
    assert after["cwece"] == pytest.approx(before["cwece"] * 6 / 7)
    assert after["aurc"] == pytest.approx(before["aurc"])
    assert after["smece"] == pytest.approx(before["smece"])


def test_a_sure_and_right_model_has_no_error_of_any_kind():
    logits = torch.eye(4).repeat(5, 1) * 1e4
    found = plain(logits, logits.argmax(-1))
    assert found.pop("acc_balanced") == found.pop("f1_macro") == 1.0
    assert set(found.values()) == {0.0}
    sure_and_wrong = plain(logits, (logits.argmax(-1) + 1) % 4)
    assert sure_and_wrong["smece"] == pytest.approx(1)
    assert sure_and_wrong["cwece"] == pytest.approx(2 / 4)


@PROPERTY
@given(tied_slices())
def test_selected_metrics_stay_in_their_ranges(slices):
    logits, label, _ = slices
    found = plain(logits, label)
    signed = values(logits, label)["gap_signed"]
    assert abs(signed) - 1e-9 <= found["smece"] <= 1 + 1e-9
    assert 0 <= found["cwece"] <= 1
    assert -1e-12 <= found["eaurc"] <= found["aurc"] <= 1
