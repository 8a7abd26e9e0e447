"""One step of training: every hook of a method in its order, then the optimiser."""

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, replace_all_batch_norm_modules_
from torch.optim.swa_utils import AveragedModel

from benchmarks.engine.optimizer import Optimizer
from methods import Batch, Method, Network, State
from methods.base import Weights


@dataclass(frozen=True)
class Learner:
    """What learns, and how."""

    method: Method
    networks: Sequence[nn.Module]
    optimizer: torch.optim.Optimizer
    clip_norm: float
    precision: str
    blueprint: nn.Module | None  # the first network, for a method that looks ahead
    averages: Sequence[AveragedModel] = ()  # of each network, for a method that uses them

    def logits(self, image: Tensor, networks: Sequence[nn.Module]) -> Tensor:
        """Return logits ``(networks, views, B, C)``, axes of size 1 dropped, never half precision.

        Args:
            image: ``(views, B, channels, H, W)``. Batch normalisation sees all views together.
            networks: those of the method, or their averages.
        """
        flat = channels_last(image.flatten(0, 1))
        with autocast(self.precision, image.device):
            outputs = torch.stack([network(flat) for network in networks])
        shaped = outputs.to(image.dtype).unflatten(1, image.shape[:2])
        return squeezed(shaped)

    def step(
        self, image: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Take one step; return the loss (0-d) and the state."""
        method = self.method
        if self.blueprint is not None:
            state = method.lookahead(self._network(self.blueprint), image[0], batch, state)
        if method.peeks:
            peeker = self.averages if "peeks" in method.averaged else self.networks
            with torch.no_grad():
                batch = batch._replace(outputs=self.logits(image, peeker))
        image, batch = method.prepare(image, batch, state, epoch)
        leaves = {name: state[name].detach().requires_grad_() for name in method.learnable}
        logits = self.logits(image, self.networks)
        loss, state = method.loss(logits, batch, {**state, **leaves}, epoch)
        self.optimizer.zero_grad()
        loss.backward()
        state = {name: value.detach() for name, value in state.items()}
        if changes_gradient(method):
            self._change_gradient(state, epoch)
        if self.clip_norm:
            for network in self.networks:
                nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
        self.optimizer.step()
        if leaves:
            slopes = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
            state = method.learn(state, slopes, epoch)
        return loss.detach(), state

    def follow(self) -> None:
        """Let the averages follow the step."""
        for average, network in zip(self.averages, self.networks, strict=False):
            average.update_parameters(network)

    def left_behind(self) -> dict[str, Tensor]:
        """Return nothing: networks and optimisers are changed in place."""
        return {}

    def take_up(self, tensors: dict[str, Tensor]) -> None:
        """Do nothing: there is nothing to take up."""

    def _change_gradient(self, state: State, epoch: Tensor) -> None:
        """Give the optimiser what the method makes of each network's gradient."""
        for network in self.networks:
            own = {name: p for name, p in network.named_parameters() if p.requires_grad}
            params = {name: param.detach() for name, param in own.items()}
            grads = {name: param.grad for name, param in own.items() if param.grad is not None}
            for name, grad in self.method.gradient(params, grads, state, epoch).items():
                own[name].grad = grad

    def _network(self, blueprint: nn.Module) -> Network:
        """Return the first network as a function."""

        def forward(params: Weights, image: Tensor) -> Tensor:
            with autocast(self.precision, image.device):
                logits: Tensor = functional_call(blueprint, params, (channels_last(image),))
            return logits.to(image.dtype)

        params = {name: p.detach() for name, p in self.networks[0].named_parameters()}
        return Network(params, forward, learning_rate(self.optimizer))


def changes_gradient(method: Method) -> bool:
    """Whether the method has a hook between backward pass and optimiser; most do not."""
    return type(method).gradient is not Method.gradient


def squeezed(logits: Tensor) -> Tensor:
    """Drop the axes of networks and views ``(networks, views, B, C)`` where they are 1."""
    networks, views = logits.shape[:2]
    if views == 1:
        logits = logits[:, 0]
    return logits if networks > 1 else logits[0]


def learning_rate(optimizer: Optimizer) -> Tensor:
    """Return the rate of the coming step, 0-d, on the device of what it moves."""
    (group,) = optimizer.param_groups
    like, rate = group["params"][0], group["lr"]
    if isinstance(rate, Tensor):
        return rate.to(like)
    return torch.full((), rate, dtype=like.dtype, device=like.device)


def without_running_statistics(network: nn.Module) -> nn.Module:
    """Return a copy in which batch normalisation uses the batch and remembers nothing."""
    return replace_all_batch_norm_modules_(copy.deepcopy(network))


def channels_last(image: Tensor) -> Tensor:
    """Store channels last, which convolutions are fastest on."""
    return image.contiguous(memory_format=torch.channels_last)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a forward pass runs."""
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
