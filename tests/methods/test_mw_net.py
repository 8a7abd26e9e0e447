"""Meta-Weight-Net against its algorithm, with a module for the weighting network."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.contract.samples import C, batch_of, network_of, started, task, trusted_of
from methods import METHODS, Network, Trusted
from tests.agreement import same
from tests.methods.visits import EPOCH

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

SPEC = "mw_net(hidden=7, lr=0.02, weight_decay=0.1)"


def weighting_network(net):
    """One to seven units to one, with these weights."""
    made = nn.Sequential(nn.Linear(1, 7), nn.ReLU(), nn.Linear(7, 1), nn.Sigmoid()).double()
    parts = net.split([7, 7, 7, 1])
    for param, part in zip(made.parameters(), parts, strict=True):
        param.data = part.view(param.shape).clone()
    return made


def hard(network, params, image, label):
    return F.cross_entropy(network.forward(params, image), label, reduction="none")


def step_of_the_paper(weigh, optimizer, network, examples, trusted):
    """Algorithm 1, lines 5 to 9: the virtual step, and the step on the weighting network."""
    theta = {name: p.clone().requires_grad_() for name, p in network.params.items()}
    losses = hard(network, theta, *examples)
    weight = weigh(losses.detach()[:, None])[:, 0]
    total = (weight * losses).sum() / len(losses)
    slopes = torch.autograd.grad(total, list(theta.values()), create_graph=True)
    ahead = {k: p - network.lr * g for (k, p), g in zip(theta.items(), slopes, strict=True)}
    optimizer.zero_grad()
    hard(network, ahead, *trusted).mean().backward()
    optimizer.step()


def two_layers():
    rng = torch.Generator().manual_seed(3)
    shapes = {"first": (6, 4), "second": (4, C)}
    params = {name: torch.randn(shape, generator=rng) for name, shape in shapes.items()}

    def forward(params, image):
        return (image.flatten(1) @ params["first"]).tanh() @ params["second"]

    return Network(params, forward, torch.tensor(0.7))


@pytest.mark.parametrize("network", [network_of(), two_layers()], ids=["linear", "two layers"])
def test_mw_net_learns_its_weights_as_the_virtual_step_of_the_paper(network):
    network = network._replace(
        params={k: p.double() for k, p in network.params.items()}, lr=network.lr.double()
    )
    method, training = METHODS.build(SPEC), task()
    state = started(method, training)
    weigh = weighting_network(state["net"])
    optimizer = torch.optim.Adam(weigh.parameters(), 0.02, weight_decay=0.1)
    for visit in range(3):
        batch = batch_of(training, visit, size=8 + 5 * visit)
        trusted = Trusted(trusted_of(seed=visit).image.double(), torch.tensor([0, 3, 1]))
        rng = torch.Generator().manual_seed(visit)
        image = torch.randn(len(batch.ids), 1, 3, 2, generator=rng)
        before = state["net"]
        state = method.lookahead(network, image, batch._replace(trusted=trusted), state)
        step_of_the_paper(weigh, optimizer, network, (image, batch.label), trusted)
        after = torch.cat([p.detach().flatten() for p in weigh.parameters()])
        assert (after - before).abs().max() > 1e-3
        same(state["net"], after, atol=1e-9, rtol=1e-9)
        logits = network.forward(network.params, image).requires_grad_()
        loss, same_state = method.loss(logits, batch, state, EPOCH)
        (slope,) = torch.autograd.grad(loss, logits)
        losses = F.cross_entropy(logits, batch.label, reduction="none")
        weight = weigh(losses.detach()[:, None])[:, 0].detach()
        expected = (weight * losses).mean()
        same(loss, expected)
        same(slope, torch.autograd.grad(expected, logits)[0])
        assert same_state is state


def test_mw_net_starts_as_torch_draws_linear_layers():
    state = started(METHODS["mw_net"](), task())
    first, second = state["net"][:200], state["net"][200:]
    assert 0.9 < first.abs().max() <= 1
    assert 0.09 < second.abs().max() <= 0.1
    assert state["net"].shape == (301,)


def test_mw_net_says_that_it_needs_clean_examples():
    method = METHODS["mw_net"]()
    assert method.privileges == ("clean_subset",)
    assert method.trusted_per_class == 10
    with pytest.raises(ValueError, match="needs the privilege clean_subset"):
        method.lookahead(network_of(), torch.zeros(8, 1, 3, 2), batch_of(task()), {})
