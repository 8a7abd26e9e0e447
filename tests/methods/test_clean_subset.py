"""L2RW and Meta-Weight-Net, which learn from clean examples, against their papers' algorithms."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.contract.samples import C, N, batch_of, network_of, started, task, trusted_of
from methods import METHODS, Batch, Network, Trusted
from tests.agreement import same
from tests.methods.visits import EPOCH
from tests.oracles import methods as oracles

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


def tanh_network():
    rng = torch.Generator().manual_seed(3)
    shapes = {"first": (6, 4), "second": (4, C)}
    params = {name: torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    lr = torch.tensor(0.7)
    return Network(params, lambda p, x: (x.flatten(1) @ p["first"]).tanh() @ p["second"], lr)


every_network = pytest.mark.parametrize(
    "make_network", [network_of, tanh_network], ids=["linear", "two layers"]
)


def double_of(network):
    params = {k: p.double() for k, p in network.params.items()}
    return network._replace(params=params, lr=network.lr.double())


def lookaheads(method, network):
    """Yield three steps: the images, the batch, the state before it and after it."""
    state = started(method, task())
    for visit in range(3):
        batch = batch_of(task(), visit, size=8 + 5 * visit)
        trusted = Trusted(trusted_of(seed=visit).image.double(), torch.tensor([0, 3, 1]))
        rng = torch.Generator().manual_seed(visit)
        image = torch.randn(len(batch.ids), 1, 3, 2, generator=rng)
        before, batch = state, batch._replace(trusted=trusted)
        state = method.lookahead(network, image, batch, state)
        yield image, batch, before, state


def hard(network, params, image, label):
    return F.cross_entropy(network.forward(params, image), label, reduction="none")


def stepped(theta, loss, lr):
    """The weights after a step on a loss, through which gradients go."""
    slopes = torch.autograd.grad(loss, list(theta.values()), create_graph=True)
    return {k: p - lr * g for (k, p), g in zip(theta.items(), slopes, strict=True)}


def weights_of_the_paper(network, image, label, trusted, rate):
    """Algorithm 1, lines 4 to 11, with autograd through the virtual step."""
    theta = {name: p.clone().requires_grad_() for name, p in network.params.items()}
    share = torch.zeros(len(label), requires_grad=True)
    ahead = stepped(theta, (share * hard(network, theta, image, label)).sum(), rate)
    meta = hard(network, ahead, trusted.image, trusted.label).mean()
    (back,) = torch.autograd.grad(meta, share)
    helpful = (-back).clamp(min=0)
    return helpful / (helpful.sum() + (helpful.sum() == 0))


@every_network
def test_l2rw_weighs_as_the_virtual_step_of_the_paper(make_network):
    network, method, expected = double_of(make_network()), METHODS["l2rw"](), torch.zeros(N)
    for visit, (image, batch, _, state) in enumerate(lookaheads(method, network)):
        weights = weights_of_the_paper(network, image, batch.label, batch.trusted, 0.1 + visit)
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


def weighting_network(net):
    """One to seven units to one, with these weights."""
    made = nn.Sequential(nn.Linear(1, 7), nn.ReLU(), nn.Linear(7, 1), nn.Sigmoid()).double()
    parts = net.split([7, 7, 7, 1])
    for param, part in zip(made.parameters(), parts, strict=True):
        param.data = part.view(param.shape).clone()
    return made


def step_of_the_paper(weigh, optimizer, network, examples, trusted):
    """Algorithm 1, lines 5 to 9: the virtual step, and the step on the weighting network."""
    theta = {name: p.clone().requires_grad_() for name, p in network.params.items()}
    losses = hard(network, theta, *examples)
    weight = weigh(losses.detach()[:, None])[:, 0]
    ahead = stepped(theta, (weight * losses).sum() / len(losses), network.lr)
    optimizer.zero_grad()
    hard(network, ahead, *trusted).mean().backward()
    optimizer.step()


def test_l2rw_bounds_the_gradient_where_it_is_asked_to():
    assert METHODS["l2rw"]().stages(9)[0].recipe == {}
    assert METHODS.build("l2rw(clip_norm=1.5)").stages(9)[0].recipe == {"clip_norm": 1.5}


@pytest.mark.parametrize("normalised", [False, True])
@every_network
def test_mw_net_learns_its_weights_as_the_virtual_step_of_the_paper(make_network, normalised):
    network, method = (
        double_of(make_network()),
        METHODS.build(f"mw_net(hidden=7, lr=0.02, weight_decay=0.1, normalised={normalised})"),
    )
    units = weighting_network(started(method, task())["net"])

    def weigh(losses):
        return units(losses) / units(losses).mean() if normalised else units(losses)

    optimizer = torch.optim.Adam(units.parameters(), 0.02, weight_decay=0.1)
    for image, batch, before, state in lookaheads(method, network):
        step_of_the_paper(weigh, optimizer, network, (image, batch.label), batch.trusted)
        after = torch.cat([p.detach().flatten() for p in units.parameters()])
        assert (after - before["net"]).abs().max() > 1e-3
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


@pytest.mark.parametrize("name", ["l2rw", "mw_net"])
def test_a_method_with_a_clean_subset_says_that_it_needs_it(name):
    method = METHODS[name]()
    assert method.privileges == ("clean_subset",)
    assert method.trusted_per_class == 10
    with pytest.raises(ValueError, match="needs the privilege clean_subset"):
        method.lookahead(network_of(), torch.zeros(8, 1, 3, 2), batch_of(task()), {})
