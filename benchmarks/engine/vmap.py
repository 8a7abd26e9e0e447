"""The networks and the hooks of one cell, mapped over the stacked tensors of many."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from benchmarks.engine.networks import autocast, with_features
from methods import Batch, Method, Network, State
from methods.base import Weights

Stacked = dict[str, Tensor]
"""Tensors with leading axes ``(K, networks)``, by name."""

BatchFields = dict[str, Any]
"""The fields of a ``Batch`` that are there, every tensor with a leading axis of ``K`` cells."""

PRODUCTS = ("matmul", "bmm", "mm", "baddbmm", "addmm", "addbmm")

HALVED = {getattr(owner, name) for owner in (torch, Tensor) for name in PRODUCTS}
HALVED |= {F.linear, F.prelu, torch.einsum}
HALVED |= {F.conv1d, F.conv2d, F.conv3d, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d}
HALVED |= {Tensor.__matmul__, Tensor.__rmatmul__}
"""What autocast computes in bfloat16."""

LEFT_WIDE = {F.layer_norm, F.group_norm, F.rms_norm, F.softmax, F.log_softmax}
LEFT_WIDE |= {torch.softmax, torch.log_softmax, Tensor.softmax, Tensor.log_softmax}
WIDENED = LEFT_WIDE | {F.batch_norm}
"""What is computed in float32; of these, what autocast leaves in float32 on CUDA."""

DENSE = {nn.Flatten, nn.Linear, nn.ReLU}
"""The layers of a network that is trained as batched products."""


class _Casts(TorchFunctionMode):
    """Cast what a layer gets to the type in which autocast computes it.

    Under ``vmap`` autocast sees the parts of a layer, or nothing of it: some layers would stay in
    float32, and the gradient of a normalisation would meet a type that it refuses.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._left_wide = LEFT_WIDE if device.type == "cuda" else set()

    def __torch_function__(
        self,
        function: Callable[..., Any],
        _types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        every = (tuple(args), dict(kwargs or {}))
        if function in HALVED:
            args, kwargs = tree_map_only(Tensor, _halved, every)
        elif function in WIDENED:
            args, kwargs = tree_map_only(Tensor, _widened, every)
        else:
            return function(*every[0], **every[1])
        result = function(*args, **kwargs)
        if function in WIDENED - self._left_wide:
            result = result.to(every[0][0].dtype)
        return result


def _halved(value: Tensor) -> Tensor:
    return value.bfloat16() if value.dtype == torch.float32 else value


def _widened(value: Tensor) -> Tensor:
    return value.float() if value.dtype == torch.bfloat16 else value


@contextmanager
def mapped_autocast(precision: str, device: torch.device) -> Iterator[None]:
    """Give each layer of a mapped network the types that ``networks.autocast`` gives one alone."""
    if precision != "bfloat16":
        yield
        return
    with autocast(precision, device), _Casts(device):
        yield


def forward(
    network: nn.Module,
    weights: tuple[Stacked, Stacked],
    image: Tensor,
    *,
    features: bool = False,
) -> tuple[Tensor, Stacked]:
    """Send each cell's images through its own network; return logits and running statistics.

    A stack of dense layers is one batched product a layer. Any other network is mapped.

    Args:
        network: the architecture, in training or evaluation mode.
        weights: parameters and buffers, ``(K, ...)``.
        image: ``(K, B, channels, H, W)``.
        features: whether what the last layer gets follows the logits, ``(K, B, C + D)``.
    """
    params, buffers = weights
    if is_chain_of_products(network):
        logits, last = _dense(network, params, image)
        return (torch.cat([logits, last], -1) if features else logits), buffers

    def one(params: Weights, buffers: Weights, image: Tensor) -> tuple[Tensor, Weights]:
        own = {name: value.clone() for name, value in buffers.items()}
        call = partial(functional_call, network, (params, own), (image,))
        logits: Tensor = with_features(network, call) if features else call()
        return logits, own

    mapped: tuple[Tensor, Stacked] = vmap(one)(params, buffers, image)
    return mapped


def is_chain_of_products(network: nn.Module) -> bool:
    """Tell whether a network is trained as batched products."""
    return type(network) is nn.Sequential and {type(layer) for layer in network} <= DENSE


def of_network(weights: tuple[Stacked, Stacked], k: int) -> tuple[Stacked, Stacked]:
    """Return parameters and buffers ``(K, ...)`` of the ``k``-th network of every cell."""
    params, buffers = ({name: value[:, k] for name, value in tree.items()} for tree in weights)
    return params, buffers


def _dense(network: nn.Module, params: Stacked, image: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a chain of dense layers gives, and what the last product got."""
    values, ours = image, False  # only what was made here may be written to
    last = image
    for name, layer in network.named_children():
        if isinstance(layer, nn.Flatten):
            values = values.flatten(2)
        elif isinstance(layer, nn.ReLU):
            values = values.relu_() if ours else values.relu()
        else:
            weight, bias = params[f"{name}.weight"], params[f"{name}.bias"]
            last = values
            values, ours = torch.baddbmm(bias[:, None], values, weight.mT), True
    return values, last


@dataclass(frozen=True)
class Hooks:
    """The hooks of a step, each for ``K`` cells at once; one that a method leaves alone is free."""

    method: Method

    def lookahead(
        self,
        network: Network,
        buffers: Stacked,
        image: Tensor,
        fields: BatchFields,
        state: State,
    ) -> State:
        """Map ``lookahead`` over parameters and buffers ``(K, ...)`` and images of ``K`` cells.

        Args:
            network: of stacked parameters; its function takes those and buffers of one cell.
            buffers: what a step does not move, but for running statistics.
            image: ``(K, B, channels, H, W)``.
            fields: of the batches.
            state: of the methods.
        """

        def one(
            params: Weights, buffers: Weights, image: Tensor, fields: BatchFields, state: State
        ) -> State:
            def forward(weights: Weights, image: Tensor) -> Tensor:
                return network.forward({**weights, **buffers}, image)

            alone = network._replace(params=params, forward=forward)
            return self.method.lookahead(alone, image, Batch(**fields), state)

        mapped: State = vmap(one)(network.params, buffers, image, fields, state)
        return mapped

    def prepare(
        self, image: Tensor, fields: BatchFields, state: State, epoch: Tensor
    ) -> tuple[Tensor, BatchFields]:
        """Map ``prepare``."""
        if type(self.method).prepare is Method.prepare:
            return image, fields

        def one(image: Tensor, fields: BatchFields, state: State) -> tuple[Tensor, BatchFields]:
            image, batch = self.method.prepare(image, Batch(**fields), state, epoch)
            there = batch._asdict().items()
            return image, {name: value for name, value in there if value is not None}

        mapped: tuple[Tensor, BatchFields] = vmap(one)(image, fields, state)
        return mapped

    def loss(
        self, logits: Tensor, fields: BatchFields, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Map ``loss``: ``(K,)`` and the next state."""

        def one(logits: Tensor, fields: BatchFields, state: State) -> tuple[Tensor, State]:
            return self.method.loss(logits, Batch(**fields), state, epoch)

        mapped: tuple[Tensor, State] = vmap(one)(logits, fields, state)
        return mapped

    def perturb(self, params: Stacked, grads: Stacked, state: State, epoch: Tensor) -> Stacked:
        """Map ``perturb`` over cells and the networks of each."""
        return _of_each_network(self.method.perturb, params, grads, state, epoch)

    def gradient(self, params: Stacked, grads: Stacked, state: State, epoch: Tensor) -> Stacked:
        """Map ``gradient`` over cells and the networks of each."""
        if type(self.method).gradient is Method.gradient:
            return grads
        return _of_each_network(self.method.gradient, params, grads, state, epoch)

    def learn(self, state: State, slopes: State, epoch: Tensor) -> State:
        """Map ``learn``."""
        if not slopes:
            return state
        mapped: State = vmap(self.method.learn, in_dims=(0, 0, None))(state, slopes, epoch)
        return mapped


def _of_each_network(
    hook: Callable[[Weights, Weights, State, Tensor], Weights],
    params: Stacked,
    grads: Stacked,
    state: State,
    epoch: Tensor,
) -> Stacked:
    """Map a hook on weights and their gradient over cells and the networks of each."""
    each = vmap(hook, in_dims=(0, 0, None, None))  # network of a cell
    mapped: Stacked = vmap(each, in_dims=(0, 0, 0, None))(params, grads, state, epoch)
    return mapped
