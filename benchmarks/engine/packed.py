"""Train many cells at once: the same hooks, mapped over stacked networks.

Cells of a pack share method, recipe, model and dataset; they differ in seed and noise. Parameters,
buffers and the method's state carry a leading axis of ``K`` cells. One step is one call of
``torch.func.vmap`` over the whole step of one cell, so small networks no longer pay the price of
a kernel launch each. ``tests/test_engine.py`` holds it to 1e-10 of the reference driver.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.utils import _pytree as pytree

from benchmarks.datasets import DATASETS
from benchmarks.engine.average import StackedAverage
from benchmarks.engine.batches import batches, steps_of
from benchmarks.engine.layers import last_layers
from benchmarks.engine.one_cell import OneCell, Stacked
from benchmarks.engine.problem import Problem
from benchmarks.engine.reference import EVALUATION_BATCH, Epoch, initial_state, optimizer_of
from benchmarks.engine.step import changes_gradient
from benchmarks.models import initialised
from benchmarks.recipes import Recipe
from benchmarks.sweep import Cell
from methods import Method, Stage, State
from methods.base import Weights


@dataclass
class Learners:
    """The networks of a pack and what moves them."""

    cell: Cell  # any of the pack; its seed and noise are not read
    blueprint: nn.Module
    params: Stacked
    buffers: Stacked
    average: StackedAverage | None
    recipe: Recipe = field(init=False)  # of the stage
    learning: list[str] = field(init=False)  # the parameters that the stage trains
    optimizer: torch.optim.Optimizer = field(init=False)  # of the stage

    @classmethod
    def fresh(cls, cells: Sequence[Cell], part: int, device: torch.device) -> "Learners":
        """Return the weights that the reference driver starts each cell from."""
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
        return cls(first, every[0].to(device), params, buffers, None)

    def averaged(self, steps: int) -> "Learners":
        """Begin an average, if the method uses one; an epoch has ``steps``."""
        method = self.cell.method
        if method.averaged:
            decay = method.decay(steps, self.cell.recipe.epochs)
            self.average = StackedAverage.of(self.params, self.buffers, decay)
        return self

    def begin(self, stage: Stage, fresh: "Learners") -> None:
        """Start a stage with a new optimiser, and with fresh last layers where it renews some."""
        names = last_layers(self.blueprint, stage.fresh_layers)
        if stage.fresh_layers:
            self.params |= {name: fresh.params[name] for name in names if name in self.params}
            self.buffers |= {name: fresh.buffers[name] for name in names if name in self.buffers}
        self.learning = [name for name in self.params if name in set(names)]
        self.recipe = replace(self.cell.recipe, **stage.recipe)
        self.optimizer = optimizer_of(self.recipe, [self.params[name] for name in self.learning])

    def step(self, batch: Any, state: State, epoch: Tensor) -> tuple[Tensor, State]:  # noqa: ANN401
        """Take one step of every cell; return the losses ``(K,)`` and the state.

        Args:
            batch: what :func:`together` yields.
            state: stacked.
            epoch: 0-d.
        """
        one = OneCell(self.cell, self.blueprint.train(), self.optimizer)
        learning = {name: self.params[name] for name in self.learning}
        held = {name: p for name, p in self.params.items() if name not in learning}
        slow = (self.average.params, self.average.buffers) if self.average else ()
        leaves = {name: state[name] for name in self.cell.method.learnable}
        mapped = vmap(grad_and_value(one.loss, has_aux=True), in_dims=(0, 0, 0, 0, None))
        (grads, slopes), (loss, (state, self.buffers)) = mapped(
            (learning, leaves), (held, self.buffers, slow), batch, state, epoch
        )
        state = {name: value.detach() for name, value in state.items()}
        if changes_gradient(self.cell.method):
            each = vmap(self.cell.method.gradient, in_dims=(0, 0, None, None))  # network of a cell
            grads = vmap(each, in_dims=(0, 0, 0, None))(learning, grads, state, epoch)
        self._move(grads)
        if slopes:
            state = vmap(self.cell.method.learn, in_dims=(0, 0, None))(state, slopes, epoch)
        return loss.detach(), state

    def _move(self, grads: Stacked) -> None:
        """Clip each network's gradient by its own norm, and let the optimiser step."""
        if limit := self.recipe.clip_norm:
            squares = [grad.flatten(2).square().sum(-1) for grad in grads.values()]
            norm = torch.stack(squares).sum(0).sqrt()  # (K, networks)
            scale = (limit / (norm + 1e-6)).clamp(max=1.0)
            grads = {
                n: g * scale.view(*scale.shape, *[1] * (g.dim() - 2)) for n, g in grads.items()
            }
        for name, grad in grads.items():
            self.params[name].grad = grad
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.params, self.buffers)

    @torch.no_grad()
    def evaluate(self, problems: Sequence[Problem], images: Sequence[Tensor]) -> Tensor:
        """Return logits ``(K, networks, N, C)`` in evaluation mode and full precision."""
        network, shown = self.blueprint.eval(), (self.params, self.buffers)
        if self.average is not None and "predictions" in self.cell.method.averaged:
            shown = (self.average.params, self.average.buffers)

        def run(params: Weights, buffers: Weights, image: Tensor) -> Tensor:
            found: Tensor = functional_call(network, (params, buffers), (image,))
            return found

        mapped = vmap(vmap(run, in_dims=(0, 0, None)))
        parts = []
        for chunks in zip(*(image.split(EVALUATION_BATCH) for image in images), strict=True):
            pixels = [problem.pixels(part) for problem, part in zip(problems, chunks, strict=True)]
            parts.append(mapped(*shown, torch.stack(pixels)))
        return torch.cat(parts, 2)


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
    for part, stage in enumerate(stages):
        if not part or stage.fresh_networks or stage.fresh_layers:
            fresh = Learners.fresh(cells, part, device)
        if not part or stage.fresh_networks:
            learners = fresh.averaged(steps_of(first, problems[0]))
        learners.begin(stage, fresh)
        for local in range(stage.epochs):
            began, epoch = time.perf_counter(), torch.tensor(number, device=device)
            if outputs is not None:
                state = _refitted(method, outputs, state, epoch)
            lr = learners.recipe.lr_at(local, stage.epochs)
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
