"""What methods learn beside the network stays finite, however sure the network is, and wrong."""

import pytest
import torch
import torch.nn.functional as F

from benchmarks.contract import samples
from methods import METHODS
from methods.parts.adam import STEEPEST, adam, adam_state

LEARNING = [name for name, entry in METHODS.items() if entry.learnable]


@pytest.mark.parametrize("gap", [-1e6, -104.0, -50.0, 50.0, 1e6])
@pytest.mark.parametrize("epoch", [0, 5, 12])
@pytest.mark.parametrize("name", LEARNING)
def test_learnt_state_stays_finite_at_extreme_logits(name, epoch, gap):
    method, task, now = METHODS.build(name), samples.task(), torch.tensor(epoch)
    state, batch = samples.started(method, task), samples.batch_of(task, size=2)
    _, batch, state = samples.led_up(method, task, batch, state, now)
    for _ in range(3):
        given = F.one_hot(batch.label, samples.C)
        logits = (samples.logits_of(method, 2) * 0 + gap * given).requires_grad_()
        loss, state = samples.step(method, logits, batch, state, now)
        assert loss.isfinite().all()
        for key, value in state.items():
            assert value.isfinite().all(), key


@pytest.mark.parametrize("slope", [1e-30, 3.0, -1e17, 1e18])
def test_adam_takes_ordinary_slopes_as_they_are(slope):
    slopes = torch.tensor([slope, 0.0])
    ours = adam_state("x", torch.tensor([1.0, 2.0]))
    theirs = torch.tensor([1.0, 2.0]).requires_grad_()
    optimizer = torch.optim.Adam([theirs], lr=0.1)
    for _ in range(3):
        ours = adam(ours, "x", slopes, 0.1)
        theirs.grad = slopes.clone()
        optimizer.step()
    torch.testing.assert_close(ours["x"], theirs.detach())


@pytest.mark.parametrize("slope", [1e30, float("inf"), float("-inf"), float("nan")])
def test_adam_moves_as_far_for_a_slope_that_cannot_be_squared(slope):
    after = adam(adam_state("x", torch.zeros(1)), "x", torch.tensor([slope]), 0.1)
    assert all(value.isfinite().all() for value in after.values())
    sign = 0.0 if slope != slope else -1.0 if slope > 0 else 1.0  # noqa: PLR0124
    assert after["x"].item() == pytest.approx(0.1 * sign, rel=1e-4)
    assert after["x_mean"].abs().item() <= 0.1001 * STEEPEST
