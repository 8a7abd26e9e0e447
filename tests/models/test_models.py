"""Networks."""

import math

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from benchmarks.models import MODELS, initialised
from benchmarks.models.airbench import ScaledBias
from benchmarks.seeds import generator

SHAPE = (3, 32, 32)


def images(count, shape=SHAPE):
    return torch.randn(count, *shape, generator=generator("images"))


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("mlp", (1, 8, 8), 50_826),
        ("convnet", (1, 8, 8), 38_378),
        ("mnist_convnet", (1, 28, 28), 422_090),
        # counted in the code of HanxunH/Active-Passive-Losses and kuangliu/pytorch-cifar
        ("cifar_cnn", SHAPE, 1_639_794),
        ("resnet18", SHAPE, 11_173_962),
        ("resnet34", SHAPE, 21_282_122),
        ("preact_resnet18", SHAPE, 11_171_146),
        # KellerJordan/cifar10-airbench, legacy/airbench94.py, what it trains: without frozen ones
        ("airbench", SHAPE, 1_971_352),
    ],
)
def test_parameter_counts(name, shape, count):
    network = MODELS.build(name).build(shape, 10)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("name", MODELS)
def test_models_fit_other_shapes_and_class_counts(name):
    network = MODELS.build(name).build((2, 12, 20), 7)
    assert network(torch.rand(5, 2, 12, 20)).shape == (5, 7)


@pytest.mark.parametrize("name", MODELS)
def test_images_a_model_would_shrink_to_nothing_are_refused(name):
    model, least = MODELS.build(name), MODELS[name].smallest
    network = initialised(model, (1, least, least), 3, ("a",))
    assert network(torch.rand(2, 1, least, least)).shape == (2, 3)
    sentence = rf"^{type(model).__name__} needs images of at least {least}x{least} pixels, got "
    for shape in ((1, least - 1, 40), (1, 40, least - 1)):
        with pytest.raises(ValueError, match=rf"{sentence}{shape[1]}x{shape[2]}$"):
            initialised(model, shape, 3, ("a",))


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_depend_on_the_salt_alone(name):
    model, before = MODELS.build(name), torch.random.get_rng_state()
    first, again, other = (
        torch.cat([p.flatten() for p in initialised(model, (1, 8, 8), 10, s).parameters()])
        for s in (("a", 0), ("a", 0), ("a", 1))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_cifar_network_starts_as_the_papers_code_draws_it():
    network = MODELS.build("cifar_cnn").build(SHAPE, 10)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            edge = math.sqrt(6 / (9 * layer.in_channels))
        elif isinstance(layer, torch.nn.Linear):
            edge = math.sqrt(6 / (layer.in_features + layer.out_features))
        else:
            continue
        assert 0.98 * edge < layer.weight.abs().max() <= edge
        assert layer.weight.std().item() == pytest.approx(edge / math.sqrt(3), rel=0.05)


def authors_airbench(images):
    """The network of cifar10-airbench in plain functions, and its whitening of these images.

    Returns ``forward(weights)`` of the convolutions, the biases after them, and the last layer.
    """
    patches = images.unfold(2, 2, 1).unfold(3, 2, 1).transpose(1, 3).reshape(-1, 3, 2, 2)
    flat = patches.flatten(1)
    values, vectors = torch.linalg.eigh(flat.T @ flat / len(flat))
    rows = (vectors / (values + 5e-4).sqrt()).T.flip(0).view(-1, 3, 2, 2)

    def norm(x, shift):
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), False, keepdim=True)
        return (x - mean) / (var + 1e-12).sqrt() + shift[:, None, None]

    def forward(first, shift, convolutions, biases, last):
        gelu, conv, pool = (
            getattr(torch.nn.functional, n) for n in ("gelu", "conv2d", "max_pool2d")
        )
        x = gelu(conv(images, first, shift))
        for group in range(3):
            one, two = convolutions[2 * group : 2 * group + 2]
            x = gelu(norm(pool(conv(x, one, padding=1), 2), biases[2 * group]))
            x = gelu(norm(conv(x, two, padding=1), biases[2 * group + 1]))
        return pool(x, 3).flatten(1) @ last.T / 9

    return rows, forward


@pytest.mark.usefixtures("double")
def test_the_airbench_network_is_that_of_its_authors_in_plain_functions():
    image = images(8).double()
    network = initialised(MODELS.build("airbench"), SHAPE, 10, ("a",), image).double()
    rows, forward = authors_airbench(image)
    first = network[0].weight
    assert torch.equal(first[12:], -first[:12])
    signs = (first[:12] * rows).flatten(1).sum(1).sign()[:, None, None, None]
    torch.testing.assert_close(first[:12], signs * rows, rtol=1e-9, atol=1e-9)
    assert (first[:12].flatten(1).abs().max(1).values == first[:12].flatten(1).max(1).values).all()
    convolutions = [p for p in network.parameters() if p.ndim == 4]
    for weight in convolutions:  # the identity on what they are given
        square = weight[: weight.shape[1], :, 1, 1]
        torch.testing.assert_close(square, torch.eye(len(square)), rtol=0, atol=0)
    biases = [p for p in network.parameters() if p.ndim == 1][1:]
    with torch.no_grad():
        for k, bias in enumerate(biases):
            bias.copy_(torch.rand(bias.shape, generator=generator("bias", k)) - 0.5)
        (last,) = (p for p in network.parameters() if p.ndim == 2)
        assert 0.95 / 16 < last.abs().max() <= 1 / 16  # as torch draws it
        ours = network.train()(image)
        theirs = forward(first, network[0].bias, convolutions, [8 * b for b in biases], last)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_scaled_biases_move_64_times_as_fast():
    network = MODELS.build("airbench").build(SHAPE, 10)
    bias = next(layer for layer in network.modules() if isinstance(layer, ScaledBias)).bias
    optimizer = torch.optim.SGD([bias], lr=0.5)
    network(images(8)).logsumexp(1).sum().backward()
    before, slope = 8 * bias.detach(), bias.grad / 8  # of what is added to the channel
    optimizer.step()
    torch.testing.assert_close(8 * bias.detach(), before - 64 * 0.5 * slope)


def torchvisions(depths):
    """torchvision's residual network with the first layer of small images."""
    resnet = pytest.importorskip("torchvision.models.resnet")
    network = resnet.ResNet(resnet.BasicBlock, list(depths), num_classes=10)
    network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = torch.nn.Identity()
    return network


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_residual_networks_are_torchvisions_with_another_first_layer(name):
    network = MODELS.build(name).build(SHAPE, 10)
    other = torchvisions(MODELS[name].depths)
    ours, theirs = network.state_dict(), other.state_dict()
    assert len(ours) == len(theirs)
    network.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    for training in (
        True,
        False,
    ):  # the first changes the running statistics, the second reads them
        network.train(training), other.train(training)
        image = images(4)
        torch.testing.assert_close(network(image), other(image), rtol=1e-4, atol=1e-5)


def preactivated(state, image):
    """A pre-activation ResNet-18 in plain functions, from the weights in order."""
    weights = iter([value for key, value in state.items() if "num_batches" not in key])

    def norm(x):
        scale, shift, mean, var = (next(weights)[:, None, None] for _ in range(4))
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def convolve(x, stride=1):
        weight = next(weights)
        return torch.nn.functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    x = convolve(image)
    for stage in range(4):
        for place in range(2):
            stride = 2 if stage and not place else 1
            active = norm(x).relu()
            inner = convolve(norm(convolve(active, stride)).relu())
            x = inner + (convolve(active, stride) if stride == 2 else x)
    return x.mean((2, 3)) @ next(weights).T + next(weights)


def test_the_preactivation_network_is_that_of_the_paper_in_plain_functions():
    network = MODELS.build("preact_resnet18").build(SHAPE, 10)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.ndim == 1:  # so that scales, shifts and statistics are not 1 and 0
                value.copy_(torch.rand(value.shape, generator=generator(value.numel())) + 0.5)
        found = network.eval()(images(3))
        expected = preactivated(network.state_dict(), images(3))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_outputs_do_not_depend_on_the_layout_in_memory(name):
    network = initialised(MODELS.build(name), (3, 16, 16), 10, ("a",)).eval()
    image = images(4, (3, 16, 16))
    expected = network(image)
    last = {"memory_format": torch.channels_last}
    torch.testing.assert_close(network.to(**last)(image.to(**last)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_networks_mapped_over_cells_compute_what_each_does_alone(name):
    shape = (3, 8, 8)
    cells = [initialised(MODELS.build(name), shape, 5, ("a", k)).double() for k in range(2)]
    image = torch.stack([images(6, shape).double() + k for k in range(2)])
    params, buffers = stack_module_state(cells)

    def call(params, buffers, image):
        buffers = {key: value.clone() for key, value in buffers.items()}
        return functional_call(cells[0], (params, buffers), (image,)), buffers

    found, after = vmap(call)(params, buffers, image)
    for k, cell in enumerate(cells):
        torch.testing.assert_close(found[k], cell(image[k]), rtol=1e-9, atol=1e-9)
        for key, value in cell.named_buffers():
            torch.testing.assert_close(after[key][k], value, rtol=1e-9, atol=1e-9)
