"""A step of one cell as a function of its weights, which the packed driver maps over many cells."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from benchmarks.engine.step import (
    autocast,
    learning_rate,
    squeezed,
    without_running_statistics,
)
from benchmarks.sweep import Cell
from methods import Batch, Method, Network, State, Trusted
from methods.base import Weights

Stacked = dict[str, Tensor]
"""Tensors with leading axes ``(K, networks)``, by name; ``(networks,)`` inside :class:`OneCell`."""


@dataclass(frozen=True)
class OneCell:
    """A step of one cell as a function, to be mapped over many."""

    cell: Cell
    blueprint: nn.Module
    optimizer: torch.optim.Optimizer

    @property
    def method(self) -> Method:
        """The cell's."""
        return self.cell.method

    def logits(self, params: Stacked, buffers: Stacked, image: Tensor) -> tuple[Tensor, Stacked]:
        """Return logits, axes of size 1 dropped, and the running statistics after them."""
        found, after = [], []
        flat = image.flatten(0, 1)
        for k in range(self.method.networks):
            own = {name: value[k].clone() for name, value in buffers.items()}
            weights = {name: value[k] for name, value in params.items()}
            with autocast(self.cell.precision, image.device):
                outputs = functional_call(self.blueprint, (weights, own), (flat,))
            found.append(outputs.to(image.dtype).unflatten(0, image.shape[:2]))
            after.append(own)
        kept = {name: torch.stack([own[name] for own in after]) for name in buffers}
        return squeezed(torch.stack(found)), kept

    def loss(
        self,
        learnt: tuple[Stacked, State],
        fixed: tuple[Stacked, Stacked, Any],
        batch: Any,  # noqa: ANN401  nested tuples of tensors
        state: State,
        epoch: Tensor,
    ) -> tuple[Tensor, tuple[State, Stacked]]:
        """Return the loss, and what it leaves behind: state and running statistics.

        Args:
            learnt: what gets a gradient: weights, and entries of the state.
            fixed: weights that a stage holds; running statistics; averages of both, or nothing.
            batch: of this cell.
            state: of this cell.
            epoch: 0-d.
        """
        (params, leaves), (held, buffers, slow) = learnt, fixed
        params = {**held, **params}
        image, ids, label, draws, trusted = batch
        known = Batch(ids, label, draws, trusted=Trusted(*trusted) if trusted else None)
        if trusted:
            state = self.method.lookahead(self._network(params), image[0], known, state)
        if self.method.peeks:
            outputs, buffers = self._peek(params, buffers, slow, image)
            known = known._replace(outputs=outputs.detach())
        image, known = self.method.prepare(image, known, state, epoch)
        logits, buffers = self.logits(params, buffers, image)
        loss, state = self.method.loss(logits, known, {**state, **leaves}, epoch)
        return loss, (state, buffers)

    @torch.no_grad()
    def _peek(
        self,
        params: Stacked,
        buffers: Stacked,
        slow: Any,  # noqa: ANN401
        image: Tensor,
    ) -> tuple[Tensor, Stacked]:
        """Return logits before the step, and the running statistics after them."""
        if "peeks" not in self.method.averaged:
            return self.logits(params, buffers, image)
        self.blueprint.eval()
        outputs, _ = self.logits(slow[0], slow[1], image)
        self.blueprint.train()
        return outputs, buffers

    def _network(self, params: Stacked) -> Network:
        blueprint = without_running_statistics(self.blueprint)

        def forward(weights: Weights, image: Tensor) -> Tensor:
            with autocast(self.cell.precision, image.device):
                logits: Tensor = functional_call(blueprint, weights, (image,))
            return logits.to(image.dtype)

        weights = {name: value[0].detach() for name, value in params.items()}
        return Network(weights, forward, learning_rate(self.optimizer))
