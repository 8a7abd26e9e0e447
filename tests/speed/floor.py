"""The least time that an epoch could take: its arithmetic, and its numbers moved once each way.

The two are added, though hardware overlaps them in part. Weights, activations and gradients count
as memory's even where they would fit a cache, so a small network on a CPU can be faster than that.
"""

import time
from collections.abc import Callable

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
    there, back, outputs, weights = _of_network(cell, device)
    half = torch.bfloat16 if cell.precision == "bfloat16" else torch.float32
    moved = trained * outputs * TOUCHES * half.itemsize
    moved += (n + test) * outputs * SHOWN * 4 + steps * weights * MOVED * 4
    arithmetic = trained * (there + back) / arithmetic_rate(device, half)
    return arithmetic + (n + test) * there / arithmetic_rate(device) + moved / memory_rate(device)


def _of_network(cell: Cell, device: torch.device) -> tuple[float, float, float, int]:
    """Return operations of an image there and back, numbers its layers put out, and weights."""
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
    return there, back, outputs, weights


def arithmetic_rate(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Measure operations a second, a multiplication and an addition being two."""
    size = LARGE.get(device.type, LARGER)
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / _least(device, lambda: left @ right)


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
