"""Steps in bfloat16: a stack computes in the types in which its cells do one by one."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import stack_module_state

from benchmarks.engine.loop import train
from benchmarks.engine.networks import autocast, fresh_networks
from benchmarks.engine.stack import Stack
from benchmarks.engine.vmap import forward, mapped_autocast
from benchmarks.models import MODELS
from benchmarks.seeds import seeded
from tests.cells import CPU, alone, build, few

RECIPE = "small(epochs=2, lr=0.05, batch=20, clip_norm=0.5)"
CASES = [("cross_entropy", "mlp(first=19, second=13)"), ("cross_entropy", "mnist_convnet")]
CASES += [(method, "convnet") for method in ("cross_entropy", "l2rw", "mw_net")]


@pytest.fixture(autouse=True)
def _same_numbers():
    with seeded("precision"):
        yield


class Others(nn.Module):
    """Layers that no network of ours has."""

    def __init__(self):
        super().__init__()
        self.up, self.query = nn.ConvTranspose2d(1, 4, 3), nn.Parameter(torch.randn(6, 6))
        self.layers = nn.ModuleList([nn.GroupNorm(2, 4), nn.LayerNorm(6), nn.PReLU()])

    def forward(self, image):
        up = self.up(image)
        products = (up @ self.query, up.matmul(self.query), F.linear(up, self.query))
        others = (torch.einsum("bchw,wv->bchv", up, self.query), up.softmax(-1), up.sum(-1))
        mixed = torch.cat([up.mean((2, 3)), up.logsumexp((2, 3)), image.flatten(1)], 1)
        return *(layer(up) for layer in self.layers), *products, *others, mixed


def mapped(network, image):
    """The outputs of a network for two cells alike, as a stack computes them."""
    params, buffers = stack_module_state([network] * 2)
    with mapped_autocast("bfloat16", image.device):
        return forward(network, (params, buffers), torch.stack([image] * 2))[0]


def types_by_layer(network, call):
    """The types of what the layers return while ``call`` runs, and of the end."""
    seen, leaves = [], [layer for layer in network.modules() if not list(layer.children())]
    hooks = [
        layer.register_forward_hook(lambda layer, _, out: seen.append((layer, out.dtype)))
        for layer in leaves
    ]
    seen.append(call().dtype)
    for hook in hooks:
        hook.remove()
    return seen


def fresh(model):
    """The network that a cell of digits starts with."""
    cell = build(model=model)
    return fresh_networks(cell, few(cell), 0)[0]


@pytest.mark.parametrize("model", [m for m in MODELS if m not in {"linear", "mlp", "resnet34"}])
def test_every_layer_of_a_stack_has_the_type_that_autocast_gives_it(model):
    network, image = fresh(model), torch.randn(2, 1, 8, 8)
    with autocast("bfloat16", CPU):
        expected = types_by_layer(network, lambda: network(image))
    assert types_by_layer(network, lambda: mapped(network, image)) == expected
    assert {dtype for _, dtype in expected[:-1]} | {expected[-1]} == {torch.bfloat16}
    assert len(expected) > 10


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_every_layer_of_a_dense_stack_has_the_type_and_values_that_autocast_gives_it(model):
    network, image = fresh(model), torch.randn(2, 1, 8, 8)
    for length in range(1, len(network) + 1):
        with autocast("bfloat16", CPU):
            expected = network[:length](image)
        found = mapped(network[:length], image)
        assert found.dtype == expected.dtype == (torch.bfloat16 if length > 1 else torch.float32)
        assert all(torch.equal(one, expected) for one in found)


def test_layers_that_no_network_of_ours_has_get_their_types_too():
    network, image = Others(), torch.randn(2, 1, 4, 4)
    with autocast("bfloat16", CPU):
        expected = network(image)
    found = mapped(network, image)
    assert [one.dtype for one in found] == [one.dtype for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one[1].float() - other.float()).norm() < 2**-7 * other.float().norm()


def test_layers_without_a_bias_compute_what_they_do_alone_to_the_bit():
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
    )
    image = torch.randn(6, 1, 8, 8)
    with autocast("bfloat16", CPU):
        expected = network.train()(image)
    assert all(torch.equal(one, expected) for one in mapped(network, image))
    widely = network(image)
    assert not torch.equal(widely.bfloat16(), expected)  # float32 is another arithmetic


@pytest.mark.parametrize(("method", "model"), CASES)
def test_a_stack_in_bfloat16_trains_as_its_cells_do_one_by_one(method, model):
    in_words = {"method": method, "model": model, "recipe": RECIPE}
    halved = [build(**in_words, seed=seed, precision="bfloat16") for seed in (0, 1)]
    data = [few(cell, size=41) for cell in halved]
    data = [own._replace(trusted=own.trusted[:3]) for own in data]
    expected = [alone(*pair)[-1].train for pair in zip(halved, data, strict=True)]
    found = [epoch.train for epoch in list(train(Stack(halved, data)))[-1]]
    wide = [alone(build(**in_words, seed=k), data[k])[-1].train for k in (0, 1)]
    off, rounding = (
        (torch.stack(a) - torch.stack(b)).norm() for a, b in ((found, expected), (expected, wide))
    )
    assert off < 2 * rounding < 0.2 * torch.stack(wide).norm()
    assert off < rounding or "mlp" not in model
