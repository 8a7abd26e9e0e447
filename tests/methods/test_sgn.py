"""SGN against SciPy's Helmert matrix and PyTorch's Gaussian."""

import pytest
import scipy.linalg
import torch
from torch.distributions import MultivariateNormal

from benchmarks.contract.samples import EPOCHS, B, C, N, started, task
from methods import METHODS
from tests.agreement import same
from tests.methods.visits import visits

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

SPEC = "sgn(alpha=0.99, smoothing=0.04, pace=0.25)"
BASIS = torch.from_numpy(scipy.linalg.helmert(C))  # (C - 1, C)


def likelihood(logits, batch, seen):
    """Minus the mean log-likelihood of the labels' log-ratios, with the scale as a matrix."""
    shift, losses = 1 - 0.99 ** (600 * seen / (N * EPOCHS)), []
    for row, label, average in zip(logits, batch.label, batch.outputs, strict=True):
        smooth = torch.full((C,), 0.04 / C)
        smooth[label] += 0.96
        target = BASIS @ smooth.log()
        mean, factor = row[: C - 1], row[C - 1 :]
        scale = torch.eye(C - 1) + torch.outer(factor, factor)
        centre = mean + shift * (target - average[: C - 1])
        losses.append(-MultivariateNormal(centre, scale @ scale.T).log_prob(target))
    return 0.25 * torch.stack(losses).mean()


def test_sgn_against_the_gaussian():
    seen = 0
    for rows, batch, loss, gradient, state in visits(SPEC):
        logits = torch.tensor(rows, requires_grad=True)
        paper = likelihood(logits, batch, seen)
        assert loss == pytest.approx(paper.item(), rel=1e-10)
        same(gradient, *torch.autograd.grad(paper, logits), atol=1e-9, rtol=1e-7)
        seen += len(batch.ids)
        assert (state["seen"], state["total"]) == (seen, N * EPOCHS)
    assert seen == 3 * B + 45


def test_the_mean_predicts_what_its_log_ratios_stand_for():
    method = METHODS.build("sgn")
    p = torch.rand(7, C, generator=torch.Generator().manual_seed(0)).softmax(-1)
    outputs = torch.cat([p.log() @ BASIS.T, torch.ones(7, C - 1)], 1)
    same(method.predict(outputs[None]).softmax(-1), p)
    target = started(method, task())["target"]
    assert method.predict(torch.cat([target, target], 1)[None]).argmax(-1).tolist() == [*range(C)]
