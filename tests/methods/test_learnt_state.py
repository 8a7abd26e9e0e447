"""SOP and L2RW, whose state has gradients of its own, against their algorithms."""

import pytest
import torch

from benchmarks.contract.samples import (
    C,
    N,
    batch_of,
    network_of,
    started,
    task,
    trusted_of,
)
from methods import METHODS, Batch, Trusted
from methods.base import Network
from tests.agreement import same
from tests.methods.visits import EPOCH, visits
from tests.oracles import methods as oracles

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

SOP = "sop(lr_u=3.0, lr_v=2.0)"


def test_sop_starts_tiny_and_random():
    method = METHODS["sop"]()
    state = started(method, task())
    for name, shape in (("u", (N,)), ("v", (N, C))):
        assert state[name].shape == shape
        assert 0.5e-8 < state[name].std() < 2e-8
    again, other = (started(method, task(), seed)["u"] for seed in (0, 1))
    assert torch.equal(again, state["u"])
    assert not torch.equal(other, state["u"])


def test_sop_against_the_loop_over_three_overlapping_visits():
    rng = torch.Generator().manual_seed(3)
    u, v = torch.rand(N, generator=rng), 1.3 * torch.rand(N, C, generator=rng)
    state = {"u": u, "v": v}
    u, v = u.tolist(), v.tolist()
    for rows, batch, loss, gradient, after in visits(SOP, EPOCH, state):
        ids, labels = batch.ids.tolist(), batch.label.tolist()
        size = len(ids)

        def paper(moved, ids=ids, labels=labels, u=tuple(u), v=tuple(v)):
            each = zip(moved, ids, labels, strict=True)
            return oracles.mean([oracles.sop_fit(row, y, u[i], v[i]) for row, i, y in each])

        each = list(zip(rows, ids, labels, strict=True))
        errors = [oracles.sop_error(row, y, u[i], v[i]) for row, i, y in each]
        assert loss == pytest.approx(paper(rows) + oracles.mean(errors), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-8, rtol=1e-6)
        rates = (3.0 / size, 2.0 / size)
        for row, i, y in each:
            u[i], v[i] = oracles.sop_step(row, y, u[i], v[i], rates)
        same(after["u"], torch.tensor(u), atol=1e-7, rtol=1e-6)
        same(after["v"], torch.tensor(v), atol=1e-7, rtol=1e-6)
        u, v = after["u"].tolist(), after["v"].tolist()


def test_sop_without_own_parameters_is_cross_entropy_to_the_network():
    rows, labels = [[2.0, 0.5, -1.0]], [1]
    plain = oracles.cross_entropy(rows, labels)[0]
    assert oracles.sop_fit(rows[0], 1, 0.0, [0.0] * 3) == pytest.approx(plain)


def hard(network, params, image, label):
    logits = network.forward(params, image)
    return torch.nn.functional.cross_entropy(logits, label, reduction="none")


def weights_of_the_paper(network, image, label, trusted, rate):
    """Algorithm 1, lines 4 to 11, with autograd through the virtual step."""
    theta = {name: p.clone().requires_grad_() for name, p in network.params.items()}
    share = torch.zeros(len(label), requires_grad=True)
    first = (share * hard(network, theta, image, label)).sum()
    slopes = torch.autograd.grad(first, list(theta.values()), create_graph=True)
    ahead = {k: p - rate * g for (k, p), g in zip(theta.items(), slopes, strict=True)}
    meta = hard(network, ahead, trusted.image, trusted.label).mean()
    (back,) = torch.autograd.grad(meta, share)
    helpful = (-back).clamp(min=0)
    return helpful / (helpful.sum() + (helpful.sum() == 0))


def tanh_network(seed=0):
    rng = torch.Generator().manual_seed(seed)
    shapes = {"first": (6, 4), "second": (4, C)}
    params = {name: torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    lr = torch.tensor(0.1)
    return Network(params, lambda p, x: (x.flatten(1) @ p["first"]).tanh() @ p["second"], lr)


@pytest.mark.parametrize("network", [network_of(), tanh_network()], ids=["linear", "two layers"])
def test_l2rw_weighs_as_the_virtual_step_of_the_paper(network):
    network = network._replace(params={k: p.double() for k, p in network.params.items()})
    method, training, state = METHODS["l2rw"](), task(), started(METHODS["l2rw"](), task())
    expected = torch.zeros(N)
    for visit in range(3):
        batch = batch_of(training, visit, size=8 + 5 * visit)
        trusted = Trusted(trusted_of(seed=visit).image.double(), torch.tensor([0, 3, 1]))
        image = torch.randn(len(batch.ids), 1, 3, 2, generator=torch.Generator().manual_seed(visit))
        state = method.lookahead(network, image, batch._replace(trusted=trusted), state)
        weights = weights_of_the_paper(network, image, batch.label, trusted, rate=0.1 + visit)
        assert 0 < (weights > 0).sum() < len(weights)
        expected[batch.ids] = weights
        same(state["weight"], expected)
        logits = network.forward(network.params, image)
        loss, _ = method.loss(logits, batch, state, EPOCH)
        each = oracles.cross_entropy(logits.tolist(), batch.label.tolist())
        total = sum(w * one for w, one in zip(weights.tolist(), each, strict=True))
        assert loss.item() == pytest.approx(total, rel=1e-12)


def test_l2rw_trains_on_nothing_when_nothing_helps():
    network = network_of()
    image = torch.zeros(3, 1, 3, 2)  # a step on a black image changes no weight
    batch = Batch(torch.tensor([4, 0, 9]), torch.tensor([0, 1, 2]), trusted=trusted_of())
    state = METHODS["l2rw"]().lookahead(network, image, batch, {"weight": torch.ones(N)})
    assert state["weight"][batch.ids].tolist() == [0, 0, 0]


def test_l2rw_says_that_it_needs_clean_examples():
    batch = batch_of(task())
    with pytest.raises(ValueError, match="needs the privilege clean_subset"):
        METHODS["l2rw"]().lookahead(network_of(), torch.zeros(8, 1, 3, 2), batch, {})
