"""The least time that an epoch could take: its arithmetic, and its numbers moved once each way.

Arithmetic is that of the precision which runs: training in the cell's own, evaluation in float32,
or on a GPU in TF32 for what is trained in bfloat16. The two are added, though hardware overlaps
them in part. Weights, activations and gradients count as memory's even where they would fit a
cache, so a small network on a CPU can be faster than that.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.engine.networks import autocast, channels_last
from benchmarks.sweep import Cell

TOUCHES = 5
"""Of an activation in training: written, read by the next layer and again on the way back; then its
gradient, written and read."""

SHOWN = 2  # in evaluation: written, read
MOVED = (
    8  # of a weight in a step: read three times, its gradient twice, its momentum twice, written
)
LARGE = {"cpu": 2048}  # rows of square matrices whose product is bound by arithmetic
LARGER = 8192  # on a GPU
STREAM = 2**26  # numbers that fit no cache
REPEATS = 3


def seconds(cell: Cell, device: torch.device) -> float:
    """Return the floor of an epoch of one cell: training, and the evaluation of all images.

    The device's speed is measured now; the least of several times is nearest to what it can do.

    Args:
        cell: trained by cross-entropy, with momentum.
        device: whose speed counts, all cores of it.
    """
    n, test = cell.dataset.sizes
    trained = round(n * (1 - cell.recipe.val_fraction))
    steps = -(-trained // cell.recipe.batch)
    network = of_network(cell, device)
    half = torch.bfloat16 if cell.precision == "bfloat16" else torch.float32
    moved = trained * network.outputs * TOUCHES * half.itemsize
    moved += (n + test) * network.outputs * SHOWN * 4 + steps * network.weights * MOVED * 4
    rounded = device.type == "cuda" and half == torch.bfloat16
    training = (network.there + network.back) / arithmetic_rate(device, half)
    evaluation = network.there / arithmetic_rate(device, to_tf32=rounded)
    return trained * training + (n + test) * evaluation + moved / memory_rate(device)


class Network(NamedTuple):
    """The work that a network makes of an image, there and back."""

    there: float  # operations
    back: float
    outputs: float  # numbers that its layers put out
    weights: int


def of_network(cell: Cell, device: torch.device) -> Network:
    """Count what a cell's network makes of an image."""
    shape, classes, count = cell.dataset.shape, cell.dataset.num_classes, cell.recipe.batch
    network = cell.model.build(shape, classes).to(device)
    image = channels_last(torch.zeros(count, *shape, device=device))
    sizes: list[int] = []

    def note(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
        sizes.append(output.numel())

    for layer in network.modules():
        if not list(layer.children()):
            layer.register_forward_hook(note)
    with FlopCounterMode(display=False) as forwards, autocast(cell.precision, device):
        logits = network(image)
    label = torch.zeros(count, dtype=torch.long, device=device)
    with FlopCounterMode(display=False) as backwards:
        F.cross_entropy(logits.float(), label).backward()
    weights = sum(param.numel() for param in network.parameters())
    counted = (forwards.get_total_flops(), backwards.get_total_flops(), sum(sizes))
    there, back, outputs = (total / count for total in counted)
    return Network(there, back, outputs, weights)


def arithmetic_rate(
    device: torch.device, dtype: torch.dtype = torch.float32, *, to_tf32: bool = False
) -> float:
    """Measure operations a second, a multiplication and an addition being two.

    Args:
        device: where.
        dtype: of the factors.
        to_tf32: let a GPU round factors of float32 to ten bits.
    """
    size = LARGE.get(device.type, LARGER)
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = to_tf32
    try:
        return 2 * size**3 / _least(device, lambda: left @ right)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def memory_rate(device: torch.device) -> float:
    """Measure bytes a second, read and written ones together."""
    source = torch.randn(STREAM, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * STREAM / _least(device, lambda: target.copy_(source))


def _least(device: torch.device, step: Callable[[], Tensor]) -> float:
    found = []
    for _ in range(REPEATS):
        _wait(device)
        began = time.perf_counter()
        step()
        _wait(device)
        found.append(time.perf_counter() - began)
    return min(found)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
