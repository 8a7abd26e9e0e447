"""Train many cells at once: the same hooks, mapped over stacked networks.

Cells of a pack share method, recipe, model and dataset; they differ in seed and noise. Parameters,
buffers and the method's state carry a leading axis of ``K`` cells. One step is one call of
``torch.func.vmap`` over the whole step of one cell, so small networks no longer pay the price of
a kernel launch each. ``tests/test_engine.py`` holds it to 1e-10 of the reference driver.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.utils import _pytree as pytree

from benchmarks.datasets import DATASETS
from benchmarks.engine.batches import batches
from benchmarks.engine.problem import Problem
from benchmarks.engine.reference import EVALUATION_BATCH, Epoch, initial_state, optimizer_of
from benchmarks.engine.step import (
    autocast,
    changes_gradient,
    learning_rate,
    squeezed,
    without_running_statistics,
)
from benchmarks.models import initialised
from benchmarks.sweep import Cell
from methods import Batch, Method, Network, State, Trusted
from methods.base import Weights

Stacked = dict[str, Tensor]
"""Tensors with leading axes ``(K, networks)``, by name."""


@dataclass
class Learners:
    """The networks of a pack and what moves them."""

    cell: Cell  # any of the pack; its seed and noise are not read
    blueprint: nn.Module
    params: Stacked
    buffers: Stacked
    optimizer: torch.optim.Optimizer

    @classmethod
    def fresh(cls, cells: Sequence[Cell], part: int, device: torch.device) -> "Learners":
        """Start a stage from the weights that the reference driver starts each cell from."""
        first, networks = cells[0], cells[0].method.networks
        every = [
            initialised(
                cell.model,
                cell.dataset.shape,
                cell.dataset.num_classes,
                (DATASETS.name(cell.dataset), cell.seed, k, part),
            )
            for cell in cells
            for k in range(networks)
        ]
        params, buffers = (
            {
                name: value.detach().unflatten(0, (len(cells), networks)).to(device)
                for name, value in tree.items()
            }
            for tree in stack_module_state(every)
        )
        return cls(
            first,
            every[0].to(device),
            params,
            buffers,
            optimizer_of(first.recipe, list(params.values())),
        )

    def restarted(self) -> "Learners":
        """Keep the weights and start a stage with a new optimiser."""
        optimizer = optimizer_of(self.cell.recipe, list(self.params.values()))
        return Learners(self.cell, self.blueprint, self.params, self.buffers, optimizer)

    def step(self, batch: Any, state: State, epoch: Tensor) -> tuple[Tensor, State]:  # noqa: ANN401
        """Take one step of every cell; return the losses ``(K,)`` and the state.

        Args:
            batch: what :func:`together` yields.
            state: stacked.
            epoch: 0-d.
        """
        one = _OneCell(self.cell, self.blueprint.train(), self.optimizer)
        learnt = (self.params, {name: state[name] for name in self.cell.method.learnable})
        axes = (0, 0, 0, 0, None)
        mapped = vmap(grad_and_value(one.loss, has_aux=True), in_dims=axes)
        (grads, slopes), (loss, (state, self.buffers)) = mapped(
            learnt, self.buffers, batch, state, epoch
        )
        state = {name: value.detach() for name, value in state.items()}
        if changes_gradient(self.cell.method):
            each = vmap(self.cell.method.gradient, in_dims=(0, 0, None, None))  # network of a cell
            grads = vmap(each, in_dims=(0, 0, 0, None))(self.params, grads, state, epoch)
        self._move(grads)
        if slopes:
            state = vmap(self.cell.method.learn, in_dims=(0, 0, None))(state, slopes, epoch)
        return loss.detach(), state

    def _move(self, grads: Stacked) -> None:
        """Clip each network's gradient by its own norm, and let the optimiser step."""
        if limit := self.cell.recipe.clip_norm:
            squares = [grad.flatten(2).square().sum(-1) for grad in grads.values()]
            norm = torch.stack(squares).sum(0).sqrt()  # (K, networks)
            scale = (limit / (norm + 1e-6)).clamp(max=1.0)
            grads = {
                n: g * scale.view(*scale.shape, *[1] * (g.dim() - 2)) for n, g in grads.items()
            }
        for name, param in self.params.items():
            param.grad = grads[name]
        self.optimizer.step()

    @torch.no_grad()
    def evaluate(self, problems: Sequence[Problem], images: Sequence[Tensor]) -> Tensor:
        """Return logits ``(K, networks, N, C)`` in evaluation mode and full precision."""
        network = self.blueprint.eval()

        def run(params: Weights, buffers: Weights, image: Tensor) -> Tensor:
            found: Tensor = functional_call(network, (params, buffers), (image,))
            return found

        mapped = vmap(vmap(run, in_dims=(0, 0, None)))
        parts = []
        for chunks in zip(*(image.split(EVALUATION_BATCH) for image in images), strict=True):
            pixels = [problem.pixels(part) for problem, part in zip(problems, chunks, strict=True)]
            parts.append(mapped(self.params, self.buffers, torch.stack(pixels)))
        return torch.cat(parts, 2)


@dataclass(frozen=True)
class _OneCell:
    """A step of one cell as a function, to be mapped over many."""

    cell: Cell
    blueprint: nn.Module
    optimizer: torch.optim.Optimizer

    @property
    def method(self) -> Method:
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
        buffers: Stacked,
        batch: Any,  # noqa: ANN401  nested tuples of tensors
        state: State,
        epoch: Tensor,
    ) -> tuple[Tensor, tuple[State, Stacked]]:
        """Return the loss, and what it leaves behind: state and running statistics."""
        params, leaves = learnt
        image, ids, label, draws, trusted = batch
        known = Batch(ids, label, draws, trusted=Trusted(*trusted) if trusted else None)
        if trusted:
            state = self.method.lookahead(self._network(params), image[0], known, state)
        if self.method.peeks:
            with torch.no_grad():
                outputs, buffers = self.logits(params, buffers, image)
            known = known._replace(outputs=outputs.detach())
        image, known = self.method.prepare(image, known, state, epoch)
        logits, buffers = self.logits(params, buffers, image)
        loss, state = self.method.loss(logits, known, {**state, **leaves}, epoch)
        return loss, (state, buffers)

    def _network(self, params: Stacked) -> Network:
        blueprint = without_running_statistics(self.blueprint)

        def forward(weights: Weights, image: Tensor) -> Tensor:
            with autocast(self.cell.precision, image.device):
                logits: Tensor = functional_call(blueprint, weights, (image,))
            return logits.to(image.dtype)

        weights = {name: value[0].detach() for name, value in params.items()}
        return Network(weights, forward, learning_rate(self.optimizer))


def train(cells: Sequence[Cell], problems: Sequence[Problem]) -> Iterator[list[Epoch]]:
    """Train a pack and yield, after each epoch, what is known of every cell.

    Args:
        cells: alike in everything but seed and noise.
        problems: theirs.
    """
    first, device = cells[0], problems[0].noisy.device
    method = first.method
    state = _stacked([initial_state(*pair) for pair in zip(cells, problems, strict=True)])
    stages, outputs, number = method.stages(first.recipe.epochs), None, 0
    learners = Learners.fresh(cells, 0, device)
    for part, stage in enumerate(stages):
        if part:
            fresh = stage.fresh_networks
            learners = Learners.fresh(cells, part, device) if fresh else learners.restarted()
        for local in range(stage.epochs):
            began, epoch = time.perf_counter(), torch.tensor(number, device=device)
            if outputs is not None:
                state = _refitted(method, outputs, state, epoch)
            lr = first.recipe.lr_at(local, stage.epochs)
            for group in learners.optimizer.param_groups:
                group["lr"] = lr
            mean_loss, state = _epoch(learners, together(cells, problems, number), state, epoch)
            trained = time.perf_counter()
            outputs, val, test = (
                learners.evaluate(problems, images)
                for images in zip(*((p.train, p.val, p.test.image) for p in problems), strict=True)
            )
            number += 1
            evaluated = time.perf_counter()
            yield [
                Epoch(
                    number,
                    part == len(stages) - 1,
                    lr,
                    mean_loss[k],
                    method.predict(outputs[k]),
                    method.predict(val[k]),
                    method.predict(test[k]),
                    (trained - began) / len(cells),
                    (evaluated - trained) / len(cells),
                    {name: value[k] for name, value in state.items()},
                )
                for k in range(len(cells))
            ]


def _epoch(
    learners: Learners,
    steps: Iterator[Any],
    state: State,
    epoch: Tensor,
) -> tuple[list[float], State]:
    """Take one pass over the training sets; return each cell's mean batch loss and the state."""
    losses = []
    for batch in steps:
        loss, state = learners.step(batch, state, epoch)
        losses.append(loss)
    return torch.stack(losses, 1).mean(1).tolist(), state


def together(cells: Sequence[Cell], problems: Sequence[Problem], epoch: int) -> Iterator[Any]:
    """Yield the batches of all cells in step: images, ids, labels, draws, trusted; stacked."""
    streams = [batches(cell, problem, epoch) for cell, problem in zip(cells, problems, strict=True)]
    for parts in zip(*streams, strict=True):
        plain = [
            (image, batch.ids, batch.label, dict(batch.draws), tuple(batch.trusted or ()))
            for image, batch in parts
        ]
        yield pytree.tree_map(lambda *leaves: torch.stack(leaves), *plain)


def _refitted(method: Method, outputs: Tensor, state: State, epoch: Tensor) -> State:
    """Call ``refit`` cell by cell: it is never mapped."""
    if type(method).refit is Method.refit:
        return state
    return _stacked(
        [
            method.refit(found, {name: value[k] for name, value in state.items()}, epoch)
            for k, found in enumerate(outputs)
        ]
    )


def _stacked(states: Sequence[State]) -> State:
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}
