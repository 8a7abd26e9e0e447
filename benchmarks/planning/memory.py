"""An estimate of the GPU memory of a cell, so that packs are planned no wider than fits."""

import functools
import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.engine.augmentation import TABLE
from benchmarks.engine.batches import AT_ONCE
from benchmarks.engine.drivers import padding
from benchmarks.engine.loop import GPU_KEPT_PIXELS, gpu_batch
from benchmarks.engine.networks import autocast
from benchmarks.models import Model
from benchmarks.planning.options import is_dense
from benchmarks.store.plan_file import WIDEST
from benchmarks.sweep import Cell

SHARE = 0.7
"""The usable share of free memory; CUDA, workspaces and gradients on their way need the rest."""

LARGEST_NETWORK = 8 * 2**30
"""Bytes: a network with more weights is refused."""

COUNTED = 2**63
"""Bytes: torch counts no further."""

ALLOCATED = 2**28
"""Bytes: a network with more weights is measured by its shapes."""

LOOKAHEAD_GRAPHS = 4
"""The graphs that looking ahead holds at once: batch, its gradient, trusted batch, and its own."""

WORKSPACE = 2**25
"""Bytes that cuBLAS takes for each stream, forwards and backwards apart."""

BLOCK = 20 * 2**20
"""Bytes that the allocator takes at once for tensors above a mebibyte, on each stream."""

SMALL = 2**20
"""Bytes of the largest tensor up to which an allocator takes little at once."""

STACKED, STACKED_LIVE = 1.8, 5.5
"""What a stack of convolutions keeps, in units of what networks by themselves keep in float32, and
what is there at once when it is evaluated, in those of a layer's output: its convolutions are
grouped, of images that are copied into another order.
"""

PREPARED = 4
"""The copies of a cell's next batches that a stack has: before they are stacked, and after."""

ROUNDED = 1.2
"""What an allocator's blocks take, in units of what lies in them."""

FULL = ("out of memory", "ALLOC_FAILED")
"""What the driver, cuBLAS and cuDNN say, and MPS, where there is no memory left."""


class Memory(NamedTuple):
    """Bytes of one cell of a pack, but for what depends on its driver."""

    weights: int  # with gradients, the optimiser's moments, averages
    activations: int  # that a batch leaves for the backward pass
    data: int  # images and labels, and the logits of an epoch

    @property
    def total(self) -> int:
        """Bytes altogether."""
        return sum(self)


class _Network(NamedTuple):
    """Bytes of a network."""

    weights: int
    kept: int  # of one image, to go back
    largest: int  # output of a layer, of one image
    live: int  # there at once in evaluation, of one image


def of_cell(cell: Cell, precision: str = "") -> Memory:
    """Estimate what a cell takes, from its networks, batch and dataset.

    Args:
        cell: what is trained.
        precision: in place of the cell's own.
    """
    method, recipe, dataset = cell.method, cell.recipe, cell.dataset
    columns = method.columns(dataset.num_classes)
    network = _of_network(cell.model, dataset.shape, columns, precision or cell.precision)
    moments = 2 if recipe.optimizer == "adam" else int(recipe.momentum > 0)
    copies = 2 + moments + bool(method.averaged) + 2 * method.perturbs()
    graphs = LOOKAHEAD_GRAPHS if method.looks_ahead() else 1
    count = sum(dataset.sizes)
    pixels = math.prod(dataset.shape) * (4 if dataset.vectors else 1)
    logits = 4 * method.networks * columns
    return Memory(
        network.weights * method.networks * copies,
        network.kept * recipe.batch * method.views * method.networks * graphs,
        count * (pixels + 2 * 8 + 2 * logits),
    )


def of_pack(cell: Cell, width: int, flags: Sequence[str] = ()) -> int:
    """Estimate the bytes that a pack takes of a GPU, with its data; see :func:`of_training`."""
    pixels = sum(cell.dataset.sizes) * math.prod(cell.dataset.shape)
    few = pixels <= GPU_KEPT_PIXELS  # stay normalised for evaluation; of a wider pack, fewer do
    normalised = 4 * min(width * pixels, GPU_KEPT_PIXELS) if few else 0
    return width * of_cell(cell).data + normalised + of_training(cell, width, flags)


def of_training(cell: Cell, width: int, flags: Sequence[str] = ()) -> int:
    """Estimate the most that PyTorch takes of a GPU to train a pack, what it keeps free included.

    A graph has memory of its own, beside that of evaluation; and what the steps before it leave
    behind, gradients and moments, keeps as much again from being given back. Branches have a stream
    each, and what one of them frees no other one can have.

    Args:
        cell: one of the pack.
        width: how many; 1 is one by one.
        flags: of ``planning.options.FLAGS``, those of the cell.
    """
    branched, graph = "branches" in flags and width > 1, "graph" in flags
    stacked = width > 1 and not branched
    own = of_cell(cell, "float32" if stacked else "")
    dataset, columns = cell.dataset, cell.method.columns(cell.dataset.num_classes)
    network = _of_network(cell.model, dataset.shape, columns, "float32")
    count, activations, live = width, float(own.activations), ROUNDED * network.live
    if stacked:
        count += padding(cell, round(dataset.sizes[0] * (1 - cell.recipe.val_fraction)))
    if stacked and not is_dense(cell.model, dataset.shape, dataset.num_classes):
        activations, live = STACKED * activations, STACKED_LIVE * network.largest
    shown = gpu_batch(count * math.prod(dataset.shape)) * (count if stacked else 1)
    streams = width if branched else 1
    block = BLOCK if shown * network.largest > SMALL else 0
    batch = cell.recipe.batch * math.prod(dataset.shape) * cell.method.views
    numbers = dataset.sizes[0] * math.prod(dataset.shape)
    prepared = 4 * max(batch, min(AT_ONCE, numbers))
    drawn = 5 * min(TABLE, numbers)  # of a view of vectors: four bytes of noise, one of a mask
    tables = cell.method.views * drawn if cell.changes_vectors else 0
    prepared = prepared * (PREPARED if stacked else 1) + tables
    each = own.weights * (1 + graph) + activations + prepared
    blocks = (2 * streams + graph) * WORKSPACE + (streams + graph) * block
    return round(count * each + shown * live + blocks)


def free_bytes(device: torch.device) -> int | None:
    """Return the free bytes of a GPU; None where memory is not what decides, or no GPU is here."""
    here = device.type == "cuda" and torch.cuda.is_available()
    return torch.cuda.mem_get_info(device)[0] if here else None


def widest(cell: Cell, free: int | None, flags: Sequence[str] = (), most: int = WIDEST) -> int:
    """Return up to how many cells like this one fit, in packs of each smaller number too.

    A wider pack may need less than a narrower one, as its cells are evaluated in smaller batches.

    Args:
        cell: one of the pack.
        free: bytes of the device's memory; None where memory is not what decides.
        flags: of ``planning.options.FLAGS``, those of the cell.
        most: how many are wanted.
    """
    if free is None:
        return most
    too_wide = (w for w in range(2, most + 1) if of_pack(cell, w, flags) > SHARE * free)
    return next(too_wide, most + 1) - 1


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
) -> _Network:
    """Return the bytes of a network and of what it makes of one image.

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
    outputs: list[int] = []
    for layer in network.modules():
        layer.register_forward_hook(lambda _layer, _args, made: outputs.append(_bytes(made)))
    with hooks, autocast(precision, torch.device("cpu")):
        network(images)
    total = sum(storage.nbytes() for storage in kept.values())
    with torch.no_grad(), _Live(len(images)) as live:
        network.eval()(images)
    return _Network(weights, *(n // len(images) for n in (total, max(outputs), live.most)))


class _Live(TorchDispatchMode):
    """Counts the bytes of images' tensors that operations have made and that are still there."""

    def __init__(self, images: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._images = images
        self.now = self.most = 0
        self._users: dict[int, int] = {}  # tensors by the address of their storage

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Do not guard against the compiler, whose import takes a second and a temporary folder."""
        return False

    def __torch_dispatch__(
        self,
        operation: Callable[..., Any],
        _types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  whatever the operation returns
        """Take the operation, and note what it made."""
        made = operation(*args, **(kwargs or {}))
        given = {_address(tensor) for tensor in self._of_images((args, kwargs))}
        for tensor in self._of_images(made):
            place = _address(tensor)
            if place in self._users or place not in given:
                self._begin(place, tensor.untyped_storage().nbytes())
                weakref.finalize(tensor, self._end, place, tensor.untyped_storage().nbytes())
        return made

    def _of_images(self, tree: object) -> list[Tensor]:
        tensors = [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
        return [tensor for tensor in tensors if tensor.shape[:1] == (self._images,)]

    def _begin(self, place: int, size: int) -> None:
        self.now += size * (place not in self._users)
        self.most = max(self.most, self.now)
        self._users[place] = self._users.get(place, 0) + 1

    def _end(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place]
            self.now -= size


def _bytes(made: object) -> int:
    """Return the bytes of a layer's output, 0 where it is no tensor."""
    return made.numel() * made.element_size() if isinstance(made, Tensor) else 0


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
