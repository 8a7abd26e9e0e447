"""What changes no metric, and the cases in which libraries disagree or fail."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn import metrics as sk

from benchmarks import metrics
from tests.metrics.metric_inputs import (
    PROPERTY,
    C,
    N,
    drawn,
    of_confidence,
    selected,
    tied_slices,
    values,
)
from tests.oracles import metrics as oracles

# ------------------------------------------------------------------------------- invariances


def every(logits, label):
    """Return all metrics of predictions; those of training with labels moved by one place."""
    trained = metrics.train_metrics(logits, label.roll(1), label)
    return metrics.test_metrics(logits, label) | trained | selected(logits, label)


def test_slices_on_any_leading_axes_are_measured_alone():
    logits, label = drawn(3.0, 2, 4)
    stacked = every(logits, label)
    for i, j in np.ndindex(2, 4):
        for name, value in every(logits[i, j], label).items():
            assert stacked[name].shape == (2, 4)
            bound = 1e-10 if name == "smece" else 1e-13
            torch.testing.assert_close(stacked[name][i, j], value, rtol=0, atol=bound)


@PROPERTY
@given(tied_slices(), st.randoms(use_true_random=False))
def test_the_order_of_examples_changes_nothing(slices, random):
    logits, label, _ = slices
    order = random.sample(range(len(label)), len(label))
    before, after = selected(logits, label), selected(logits[order], label[order])
    torch.testing.assert_close(after, before, rtol=0, atol=1e-9)
    moved = values(logits[order], label[order])
    for name, value in values(logits, label).items():
        exact = name not in {"nll", "brier"}
        assert moved[name] == pytest.approx(value, abs=1e-15 if exact else 1e-12), name


@PROPERTY
@given(tied_slices(), st.randoms(use_true_random=False))
def test_the_order_of_classes_changes_nothing_where_none_are_tied(slices, random):
    logits, label, _ = slices
    logits = logits + torch.arange(logits.shape[-1]) / 16  # less than a step, so no ties are left
    before = values(logits, label)
    assert before["ties"] == 0
    order = random.sample(range(logits.shape[-1]), logits.shape[-1])
    moved = values(logits[:, order], torch.tensor(order).argsort()[label])
    assert moved == pytest.approx(before, abs=1e-12)


@PROPERTY
@given(tied_slices(), st.integers(-1000, 1000))
def test_a_constant_added_to_the_logits_changes_nothing(slices, constant):
    logits, label, _ = slices
    assert values(logits + constant, label) == values(logits, label)


# -------------------------------------------------------------------------------- edge cases


def test_a_confidence_of_one_shares_the_last_bin():
    sure = torch.tensor([[60.0, 0.0]]).double().repeat(50, 1)  # 48 of 50 right
    high = torch.linspace(0.94, 0.999, 50, dtype=torch.float64)  # all right
    label = torch.zeros(100, dtype=torch.int64).index_fill(0, torch.tensor([0, 1]), 1)
    found = values(torch.cat((sure, of_confidence(high))), label)
    assert found["ece"] == pytest.approx(abs(0.98 - (1 + 0.9695) / 2), abs=1e-9)  # not .0353


def test_the_nll_of_a_net_that_memorised_is_finite_and_unclipped():
    logits, label = drawn(40.0, examples=1000, classes=100)
    expected = -log_softmax(logits.double().numpy(), axis=-1)[np.arange(1000), label].mean()
    clipped = sk.log_loss(label, logits.double().softmax(-1), labels=range(100))
    assert values(logits, label)["nll"] == pytest.approx(expected, rel=1e-12)
    assert expected > clipped + 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_logit_that_is_not_finite_makes_its_slice_nan_and_no_other(bad):
    logits, label = drawn(1.0, 3)
    broken = logits.clone()
    broken[1, 17, 2] = bad
    for measure in (
        lambda z: every(z, label),
        lambda z: dict(enumerate(metrics.reliability(z, label))),
    ):
        for name, value in measure(broken).items():
            assert value[1].isnan().all(), name
            assert torch.equal(value[::2], measure(logits)[name][::2]), name


def test_no_examples_give_nan_and_empty_bins():
    logits, label = torch.empty(2, 0, 3), torch.empty(0, dtype=torch.int64)
    nothing = every(logits, label)
    assert all(v.shape == (2,) and v.isnan().all() for v in nothing.values())
    assert all(v.dtype == torch.float64 for v in nothing.values())
    assert not torch.stack(metrics.reliability(logits, label)).any()


def test_logits_of_ten_thousand_keep_their_meaning():
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]])
    found = values(logits, torch.tensor([0, 0]))
    assert found["nll"] == 1e4
    assert found["brier"] == 1
    assert found["ece"] == found["gap_signed"] == 0.5
    assert found["ece_floor"] == 0


def test_logits_that_lie_between_0_and_1_are_still_logits():
    rng = torch.Generator().manual_seed(1)
    probs_lookalike = torch.rand(N, C, generator=rng).softmax(-1)
    label = probs_lookalike.argmax(-1)
    assert values(probs_lookalike, label)["conf_mean"] < 1.2 / C
    expected = oracles.ece(probs_lookalike.tolist(), label.tolist())
    assert values(probs_lookalike, label)["ece"] == pytest.approx(expected, abs=1e-9)


def test_a_tie_goes_to_the_lowest_class_and_is_counted_once():
    logits = torch.tensor([[0.0, 3.0, 3.0, 3.0], [1.0, 0.0, 0.0, 0.0]])
    found = values(logits, torch.tensor([1, 0]))
    assert found["acc"] == 1
    assert found["ties"] == 1


def test_equal_confidences_share_an_equal_mass_bin():
    logits = of_confidence([0.9] * 40)
    label = (torch.arange(40) >= 36).long()  # 90 % right, the wrong ones side by side
    found = values(logits, label)
    assert found["ece_em"] == pytest.approx(0, abs=1e-9)
    assert found["ce2_deb"] == pytest.approx(-0.9 * 0.1 / 39, abs=1e-9)


def test_predictions_that_differ_by_rounding_share_a_bin():
    votes = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7]]).double().log()
    nudged = votes.repeat(20, 1) * (1 + 1e-14 * torch.arange(60.0).double()[:, None])
    label = torch.arange(60) % 3 * (torch.arange(60) < 42)
    expected = oracles.ece_em(votes.repeat(20, 1).tolist(), label.tolist())
    assert values(nudged, label)["ece_em"] == pytest.approx(expected, abs=1e-9)


def test_shares_over_no_examples_are_nan():
    logits, label = drawn(1.0)
    clean = metrics.train_metrics(logits, label, label)
    wrong = metrics.train_metrics(logits, (label + 1) % C, label)
    nan = {name for name in clean if clean[name].isnan()}
    assert nan == {"mem_frac", "clean_recovery", "other_frac"}
    assert {name for name in wrong if wrong[name].isnan()} == {"fit_clean"}


@pytest.mark.parametrize("count", [1, N - 1])
def test_too_few_labels_are_refused(count):
    logits, label = drawn(1.0)
    for measure in (
        *(metrics.test_metrics, metrics.risk_coverage, metrics.smooth_ece, metrics.classwise_ece),
        lambda z, few: metrics.train_metrics(z, label, few),
    ):
        with pytest.raises(ValueError, match=f"{N} examples need as many labels"):
            measure(logits, label[:count])


def test_the_inputs_are_left_as_they_were_in_float64_too():
    logits, label = drawn(1.0)
    logits = logits.double()
    before = logits.clone()
    metrics.test_metrics(logits, label)
    assert torch.equal(logits, before)


def test_nothing_waits_for_the_device():
    """A meta tensor has no values: reading one, as ``.item()`` or a mask does, raises."""
    logits, label = torch.empty(2, 7, 3, device="meta"), torch.empty(7, device="meta").long()
    found = metrics.test_metrics(logits, label) | metrics.train_metrics(logits, label, label)
    assert {v.shape for v in found.values()} == {(2,)}
    assert {v.shape for v in metrics.reliability(logits, label)} == {(2, 15)}
