"""The networks of a cell: how they are made, renewed, and called in a forward pass."""

import copy
import functools
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import replace_all_batch_norm_modules_

from benchmarks.datasets import DATASETS
from benchmarks.engine.data import CellData
from benchmarks.models import Model, initialised
from benchmarks.models.base import last_dense, last_layers, widened
from benchmarks.sweep import Cell


def initial_weights(cell: Cell) -> str:
    """Return the SHA-256 of the first network of a cell as it is drawn, before it sees an image."""
    dataset = cell.dataset
    return _weights_sha256(cell.model, dataset.shape, dataset.num_classes, _salt(cell, 0, 0))


def _salt(cell: Cell, number: int, stage: int) -> tuple[str, int, int, int]:
    """Return what the weights of a network of a stage are drawn from."""
    return DATASETS.name(cell.dataset), cell.seed, number, stage


@functools.lru_cache(maxsize=4096)
def _weights_sha256(
    model: Model, shape: tuple[int, int, int], num_classes: int, salt: tuple[str | int, ...]
) -> str:
    """Return the digest of a network's state; the methods of a setting share it."""
    sha256 = hashlib.sha256()
    for tensor in initialised(model, shape, num_classes, salt).state_dict().values():
        sha256.update(tensor.numpy().tobytes())
    return sha256.hexdigest()


def fresh_networks(cell: Cell, data: CellData, stage: int) -> list[nn.Module]:
    """Return newly initialised networks; the first of a seed is the same for every method.

    For a method that asks for more outputs than there are classes, they come behind those.

    Args:
        cell: whose.
        data: its own; the networks are put on its device.
        stage: the number of the stage that starts with them; each has weights of its own.
    """
    dataset = cell.dataset
    salts = [_salt(cell, k, stage) for k in range(cell.method.networks)]
    images = data.pixels(data.train[: cell.model.images_seen]).cpu()
    networks = [
        initialised(cell.model, dataset.shape, dataset.num_classes, salt, images) for salt in salts
    ]
    if more := cell.method.columns(dataset.num_classes) - dataset.num_classes:
        own = [("more outputs", *salt) for salt in salts]
        others = [initialised(cell.model, dataset.shape, more, salt) for salt in own]
        pairs = zip(networks, others, strict=True)
        networks = [widened(*pair, dataset.num_classes) for pair in pairs]
    return [network.to(data.noisy.device) for network in networks]


def replace_last_layers(
    networks: Sequence[nn.Module], fresh: Sequence[nn.Module], count: int
) -> None:
    """Put the weights and buffers of fresh networks into the last ``count`` layers."""
    for network, new in zip(networks, fresh, strict=True):
        start = new.state_dict()
        tensors = {name: start[name] for name in last_layers(network, count)}
        network.load_state_dict(network.state_dict() | tensors)


def trainable_parameters(networks: Sequence[nn.Module], count: int) -> list[nn.Parameter]:
    """Let only the last ``count`` layers learn, or all with 0; return their parameters."""
    trainable = []
    for network in networks:
        names = set(last_layers(network, count))
        for name, param in network.named_parameters():
            param.requires_grad_(name in names)
            param.grad = None  # that of the stage before would count where gradients are clipped
            trainable += [param] if name in names else []
    return trainable


def without_running_statistics(network: nn.Module) -> nn.Module:
    """Return a copy in which batch normalisation uses the batch and remembers nothing."""
    return replace_all_batch_norm_modules_(copy.deepcopy(network))


def with_features(network: nn.Module, call: Callable[[], Tensor]) -> Tensor:
    """Return logits and, behind them, what the last dense layer got: ``(B, C + D)``.

    Args:
        network: the architecture.
        call: what sends images through it, with whatever weights.

    Raises:
        ValueError: the network has no dense layer.
    """
    seen: list[Tensor] = []
    layer = last_dense(network)
    hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        logits = call()
    finally:
        hook.remove()
    return torch.cat([logits, seen[-1].flatten(1).to(logits.dtype)], 1)


def channels_last(image: Tensor) -> Tensor:
    """Return the same images with their channels stored last, on which convolutions are fastest."""
    return image.contiguous(memory_format=torch.channels_last)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a forward pass runs."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
