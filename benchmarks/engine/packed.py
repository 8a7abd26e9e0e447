"""Train the cells of a pack in step: mapped over stacked networks, or each as a branch by itself.

Cells of a pack share method, recipe, model and dataset; they differ in seed and noise.
``tests/engine/test_engine.py`` holds it to 1e-10 of the reference driver.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, Self

import torch
from torch import Tensor

from benchmarks.engine.batches import steps_of
from benchmarks.engine.data import CellData
from benchmarks.engine.gallery import Gallery
from benchmarks.engine.graph import Graphed, Learning, Recorder, Stepping
from benchmarks.engine.learners import Learners
from benchmarks.engine.mapped import Given
from benchmarks.engine.reference import Epoch, initial_state
from benchmarks.engine.stacked import stacked, together
from benchmarks.sweep import Cell
from methods import Method, Stage, State


class Team(Learning[Given], Protocol):
    """The networks of all cells of a pack, however they are held."""

    @classmethod
    def fresh(cls, cells: Sequence[Cell], part: int, device: torch.device) -> Self:
        """Return the weights that the reference driver starts each cell from."""

    def averaged(self, steps: int) -> Self:
        """Begin an average, if the method uses one; an epoch has ``steps``."""

    def begin(self, stage: Stage, fresh: Self, *, graphed: bool) -> None:
        """Start a stage."""

    def rate(self, local: int, stage: Stage) -> float:
        """Set the learning rate of an epoch of the stage and return it."""

    def evaluate(self, images: Iterable[Tensor]) -> Tensor:
        """Return logits ``(K, networks, N, C)``."""


def train(
    cells: Sequence[Cell],
    problems: Sequence[CellData],
    kind: type[Team] = Learners,
    *,
    recorder: Recorder | None = None,
) -> Iterator[list[Epoch]]:
    """Train a pack and yield, after each epoch, what is known of every cell.

    Args:
        cells: alike in everything but seed and noise.
        problems: theirs.
        kind: how they are held and stepped.
        recorder: makes graphs of steps; None takes every step by itself.
    """
    first, device = cells[0], problems[0].noisy.device
    method = first.method
    state = stacked([initial_state(*pair) for pair in zip(cells, problems, strict=True)])
    stages, outputs, number = method.stages(first.recipe.epochs), None, 0
    gallery = Gallery(problems)
    for part, stage in enumerate(stages):
        if not part or stage.fresh_networks or stage.fresh_layers:
            fresh = kind.fresh(cells, part, device)
        if not part or stage.fresh_networks:
            learners = fresh.averaged(steps_of(first, len(problems[0].noisy)))
        learners.begin(stage, fresh, graphed=recorder is not None)
        stepper: Stepping[Given] = Graphed(learners, recorder) if recorder else learners
        for local in range(stage.epochs):
            began, epoch = time.perf_counter(), torch.tensor(number, device=device)
            if outputs is not None:
                state = _refitted(method, outputs, state, epoch)
            lr = learners.rate(local, stage)
            mean_loss, state = _epoch(stepper, together(cells, problems, number), state, epoch)
            trained = time.perf_counter()
            outputs, val, test = map(learners.evaluate, gallery.sets())
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
    learners: Stepping[Given],
    steps: Iterator[tuple[Tensor, Given]],
    state: State,
    epoch: Tensor,
) -> tuple[list[float], State]:
    """Take one pass over the training sets; return each cell's mean batch loss and the state."""
    losses = []
    for image, given in steps:
        loss, state = learners.step(image, given, state, epoch)
        learners.follow()
        losses.append(loss)
    state = {name: value.clone() for name, value in state.items()}  # a graph overwrites its own
    return torch.stack(losses, 1).mean(1).tolist(), state


def _refitted(method: Method, outputs: Tensor, state: State, epoch: Tensor) -> State:
    """Call ``refit`` cell by cell: it is never mapped."""
    if type(method).refit is Method.refit:
        return state
    return stacked(
        [
            method.refit(found, {name: value[k] for name, value in state.items()}, epoch)
            for k, found in enumerate(outputs)
        ]
    )
