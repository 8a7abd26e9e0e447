"""An estimate of the GPU memory of a cell, so that packs are planned no wider than fits."""

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor, UntypedStorage

from benchmarks.engine.networks import autocast
from benchmarks.models import Model
from benchmarks.sweep import Cell

SHARE = 0.7
"""The usable share of free memory; CUDA, workspaces and gradients on their way need the rest."""

LARGEST_NETWORK = 8 * 2**30
"""Bytes: a network with more weights is refused."""

COUNTED = 2**63
"""Bytes: torch counts no further."""

ALLOCATED = 2**28
"""Bytes: a network with more weights is measured by its shapes."""

LOOKAHEAD_GRAPHS = 3
"""The graphs that looking ahead holds at once: batch, its gradient, and trusted batch."""


FULL = ("out of memory", "ALLOC_FAILED")
"""What the driver, cuBLAS and cuDNN say, and MPS, where there is no memory left."""


class Memory(NamedTuple):
    """Bytes of one cell of a pack."""

    weights: int  # with gradients, the optimiser's moments, averages
    activations: int  # that a batch leaves for the backward pass
    data: int  # images and labels, and the logits of an epoch

    @property
    def total(self) -> int:
        """Bytes altogether."""
        return sum(self)


def of_cell(cell: Cell) -> Memory:
    """Estimate what a cell takes, from its networks, batch and dataset."""
    method, recipe, dataset = cell.method, cell.recipe, cell.dataset
    weights, image = _of_network(cell.model, dataset.shape, dataset.num_classes, cell.precision)
    moments = 2 if recipe.optimizer == "adam" else int(recipe.momentum > 0)
    copies = 2 + moments + bool(method.averaged)
    graphs = LOOKAHEAD_GRAPHS if method.trusted_per_class else 1
    count = sum(dataset.sizes)
    pixels, logits = math.prod(dataset.shape), 4 * method.networks * dataset.num_classes
    return Memory(
        weights * method.networks * copies,
        image * recipe.batch * method.views * method.networks * graphs,
        count * (pixels + 2 * 8 + 2 * logits),
    )


def free_bytes(device: torch.device) -> int | None:
    """Return the free bytes of a GPU; None where memory is not what decides."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def widest(cell: Cell, free: int | None) -> int | None:
    """Return how many cells like this one fit, at least one; None for as many as one likes."""
    return None if free is None else max(1, int(SHARE * free / of_cell(cell).total))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device's memory is full, whichever library says so.

    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
    True
    """
    if isinstance(error, RuntimeError):
        text = str(error)
        return isinstance(error, torch.OutOfMemoryError) or any(sign in text for sign in FULL)
    return False


@functools.lru_cache(maxsize=64)
def _of_network(
    model: Model, shape: tuple[int, int, int], num_classes: int, precision: str
) -> tuple[int, int]:
    """Return the bytes of a network's weights, and of what it keeps of one image to go back.

    A large network is not allocated: its shapes say as much, in float32.
    """
    weights = weights_of(model, shape, num_classes)
    with torch.device("cpu" if weights <= ALLOCATED else "meta"):
        network, images = model.build(shape, num_classes), torch.zeros(2, *shape)
    kept: dict[int, UntypedStorage] = {}  # by address; kept, so that none is used again
    own = {_address(tensor) for tensor in network.state_dict().values()}

    def keep(tensor: Tensor) -> Tensor:
        if _address(tensor) not in own and tensor.shape[:1] == (len(images),):
            kept[_address(tensor)] = tensor.untyped_storage()
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, autocast(precision, torch.device("cpu")):
        network(images)
    return weights, sum(storage.nbytes() for storage in kept.values()) // len(images)


def _address(tensor: Tensor) -> int:
    """Return what tells a tensor's storage from others; on the meta device, too."""
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001


@functools.lru_cache(maxsize=256)
def weights_of(model: Model, shape: tuple[int, int, int], num_classes: int) -> int:
    """Return the bytes of a network's weights, from their shapes alone; at most ``COUNTED``."""
    try:
        with torch.device("meta"):
            network = model.build(shape, num_classes)
    except RuntimeError as error:
        if "overflow" in str(error):
            return COUNTED
        raise
    return sum(param.numel() * param.element_size() for param in network.parameters())
