"""The networks and the hooks of one cell, mapped over the stacked tensors of many."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from methods import Batch, Method, Network, State
from methods.base import Weights

Stacked = dict[str, Tensor]
"""Tensors with leading axes ``(K, networks)``, by name."""

BatchFields = dict[str, Any]
"""The fields of a ``Batch`` that are there, every tensor with a leading axis of ``K`` cells."""

DENSE = {nn.Flatten, nn.Linear, nn.ReLU}
"""The layers of a network that is trained as batched products."""


def forward(
    network: nn.Module, weights: tuple[Stacked, Stacked], image: Tensor
) -> tuple[Tensor, Stacked]:
    """Send each cell's images through its own network; return logits and running statistics.

    A stack of dense layers is one batched product a layer. Any other network is mapped.

    Args:
        network: the architecture, in training or evaluation mode.
        weights: parameters and buffers, ``(K, ...)``.
        image: ``(K, B, channels, H, W)``.
    """
    params, buffers = weights
    if type(network) is nn.Sequential and {type(layer) for layer in network} <= DENSE:
        return _dense(network, params, image), buffers

    def one(params: Weights, buffers: Weights, image: Tensor) -> tuple[Tensor, Weights]:
        own = {name: value.clone() for name, value in buffers.items()}
        logits: Tensor = functional_call(network, (params, own), (image,))
        return logits, own

    mapped: tuple[Tensor, Stacked] = vmap(one)(params, buffers, image)
    return mapped


def of_network(weights: tuple[Stacked, Stacked], k: int) -> tuple[Stacked, Stacked]:
    """Return parameters and buffers ``(K, ...)`` of the ``k``-th network of every cell."""
    params, buffers = ({name: value[:, k] for name, value in tree.items()} for tree in weights)
    return params, buffers


def _dense(network: nn.Module, params: Stacked, image: Tensor) -> Tensor:
    values, ours = image, False  # only what was made here may be written to
    for name, layer in network.named_children():
        if isinstance(layer, nn.Flatten):
            values = values.flatten(2)
        elif isinstance(layer, nn.ReLU):
            values = values.relu_() if ours else values.relu()
        else:
            weight, bias = params[f"{name}.weight"], params[f"{name}.bias"]
            values, ours = torch.baddbmm(bias[:, None], values, weight.mT), True
    return values


@dataclass(frozen=True)
class Hooks:
    """The hooks of a step, each for ``K`` cells at once; one that a method leaves alone is free."""

    method: Method

    def lookahead(
        self, network: Network, image: Tensor, fields: BatchFields, state: State
    ) -> State:
        """Map ``lookahead`` over parameters ``(K, ...)`` and images ``(K, B, channels, H, W)``."""

        def one(params: Weights, image: Tensor, fields: BatchFields, state: State) -> State:
            alone = network._replace(params=params)
            return self.method.lookahead(alone, image, Batch(**fields), state)

        mapped: State = vmap(one)(network.params, image, fields, state)
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

    def gradient(self, params: Stacked, grads: Stacked, state: State, epoch: Tensor) -> Stacked:
        """Map ``gradient`` over cells and the networks of each."""
        if type(self.method).gradient is Method.gradient:
            return grads
        each = vmap(self.method.gradient, in_dims=(0, 0, None, None))  # network of a cell
        mapped: Stacked = vmap(each, in_dims=(0, 0, 0, None))(params, grads, state, epoch)
        return mapped

    def learn(self, state: State, slopes: State, epoch: Tensor) -> State:
        """Map ``learn``."""
        if not slopes:
            return state
        mapped: State = vmap(self.method.learn, in_dims=(0, 0, None))(state, slopes, epoch)
        return mapped
