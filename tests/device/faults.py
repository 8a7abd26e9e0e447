"""Faults that only a GPU would show, to be planted: the tests of the stub must find each."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks.engine.cuda import branches, graph
from benchmarks.engine.optimizer import Optimizer
from methods import METHODS
from methods.base import State

Planted = AbstractContextManager[Any]


def tensor_on_the_cpu() -> Planted:
    """Let a method keep a tensor where the images are not."""

    kept = {"seen": torch.zeros(3)}
    return mock.patch.object(METHODS["cross_entropy"], "init", return_value=kept)


def mixed_devices() -> Planted:
    """Let a method weigh losses by numbers of the CPU."""
    return _losses(lambda losses: losses * torch.ones(len(losses)))


def item_in_a_hook() -> Planted:
    """Let a method look at a number of the device."""
    return _losses(lambda losses: losses * max(1.0, losses.detach().sum().item()))


def _losses(changed: Callable[[Tensor], Tensor]) -> Planted:
    method = METHODS["cross_entropy"]
    plain = method.losses

    def losses(self: object, *args: Any) -> tuple[Tensor, State]:
        found, state = plain(self, *args)
        return changed(found), state

    return mock.patch.object(method, "losses", losses)


def state_rebound() -> Planted:
    """Let a replayed step leave its state elsewhere than where it reads it."""
    return mock.patch.object(graph._Graph, "keep", return_value=None)


def rate_as_a_number() -> Planted:
    """Let an optimiser hold its learning rate as a number, which a graph records for good."""
    plain = Optimizer.__init__

    def init(self: Optimizer, recipe: Any, params: Any, **_options: object) -> None:
        plain(self, recipe, params, capturable=False)

    return mock.patch.object(Optimizer, "__init__", init)


def stream_not_joined() -> Planted:
    """Let branches end without waiting for their streams."""

    def step(self: branches.Branches, batches: Any, epoch: Tensor) -> Tensor:
        main, losses = torch.cuda.current_stream(), []
        for member, stream, batch in zip(self.members, self.streams, batches, strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                losses.append(member.step(*batch, epoch))
        return torch.stack(losses)

    return mock.patch.object(branches.Branches, "step", step)


FAULTS: dict[str, Callable[[], Planted]] = {
    function.__name__: function
    for function in (
        tensor_on_the_cpu,
        mixed_devices,
        item_in_a_hook,
        state_rebound,
        rate_as_a_number,
        stream_not_joined,
    )
}
