"""The training loop: every stage, epoch and batch of a pack's cells, and what an epoch leaves.

The cells of a pack share dataset, model, recipe and method; they differ in seed and noise. A team
holds their networks: :class:`benchmarks.engine.one_by_one.OneByOne` as modules of their own, the
plain truth, :class:`benchmarks.engine.stack.Stack` as one stack of tensors, which is faster for
small networks. ``tests/engine/test_teams.py`` holds the two to 1e-10 of each other.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from benchmarks.engine.arithmetic import exact_products, products_of_evaluation
from benchmarks.engine.batches import steps_of
from benchmarks.engine.data import CellData
from benchmarks.recipes import Recipe
from benchmarks.sweep import Cell
from methods import Stage, State

EVALUATION_BATCH = 256
"""A convolution's activations stay in the cache; batches of 1,000 take three times as long."""

GPU_BATCH, GPU_BATCH_PIXELS = 1024, 2**21
"""The most images of a cell that a GPU evaluates at once, and the most pixels of all cells: so many
that kernels take longer than their launches, which is why evaluation is no graph. 682 images of
CIFAR-10, of which a ResNet-18 holds half a GiB at a time.
"""

GPU_LEAST_BATCH = 128

SETS = ("train", "val", "test")
"""The images that are evaluated; a method that refits needs the first of them every epoch."""

KEPT_PIXELS, GPU_KEPT_PIXELS = 2**24, 2**27
"""Pixels of a pack that stay normalised between evaluations; more are normalised anew each time.
On a GPU those of 600 cells of digits stay, which were as many launches each; for a ResNet-18 on
CIFAR-10 it is a two-hundredth of what evaluation takes.
"""

Beat = Callable[[float], object]
"""What is told after every step how many epochs are over; the last is when it is evaluated."""


def silent(_epochs: float) -> None:
    """Tell nobody."""


Batches = TypeVar("Batches")
"""The next batch of every cell, in the form that a team takes it."""


class Epoch(NamedTuple):
    """The state of a cell after an epoch. Logits are those that the method predicts with.

    An epoch that the recipe leaves out of evaluation has the logits of no image.
    """

    number: int  # from 1
    final_stage: bool
    lr: float  # of its first step
    loss: float  # mean over the epoch's batches
    evaluated: bool
    train: Tensor  # (N, C) float32, evaluation mode, no augmentation, fixed order
    val: Tensor  # (V, C)
    test: Tensor  # (M, C)
    finite: bool  # whether all numbers in ``test`` are
    train_seconds: float
    eval_seconds: float
    state: State  # the method's own


class Resumed(NamedTuple):
    """The state of a team after some epochs, from which training goes on."""

    epochs: int
    tensors: Mapping[str, Tensor]  # of Team.tensors


class Team(Protocol[Batches]):
    """The networks, optimisers and method states of a pack's ``K`` cells, however they are held."""

    cells: Sequence[Cell]
    data: Sequence[CellData]

    def begin(self, number: int, stage: Stage, recipe: Recipe) -> None:
        """Start a stage: new networks or layers where it wants them, and a new optimiser.

        Args:
            number: of the stage, from 0.
            stage: which.
            recipe: the cells' own with what the stage replaces in it.
        """

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate of the coming steps."""

    def batches(self, epoch: int) -> Iterator[Batches]:
        """Yield the batches of an epoch, those of all cells together."""

    def step(self, batches: Batches, epoch: Tensor) -> Tensor:
        """Take one step of every cell and return the losses ``(K,)``; ``epoch`` is 0-d."""

    def update_averages(self) -> None:
        """Let averaged weights follow a step, for a method that has any."""

    def mean(self, losses: Sequence[Tensor]) -> list[float]:
        """Return each cell's mean over the losses of an epoch's steps."""

    def refit(self, outputs: Tensor, epoch: Tensor) -> None:
        """Let the method learn from the logits ``(K, networks, N, C)`` on the training set."""

    def evaluate(self, images: Iterable[Tensor], *, features: bool = False) -> Tensor:
        """Return logits ``(K, networks, N, C)`` in evaluation mode and float32.

        Args:
            images: chunks ``(K, n, channels, H, W)``, normalised.
            features: whether what the last layers get follows, ``(K, networks, N, C + D)``.
        """

    def states(self) -> list[State]:
        """Return the method's state of every cell."""

    def tensors(self) -> dict[str, Tensor]:
        """Return all that an epoch leaves for the next one, by name."""

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what a team like this one has left; its stage has begun, and no step is taken."""


def train(
    team: Team[Batches], beat: Beat = silent, resumed: Resumed | None = None
) -> Iterator[list[Epoch]]:
    """Train the cells of a pack, and yield after each epoch what is known of every cell.

    The caller may stop at any epoch. Nothing is seeded here: what is random comes from the named
    streams of each cell (:mod:`benchmarks.seeds`).

    Args:
        team: the cells.
        beat: told after every step how many epochs are over.
        resumed: what the same cells have left after some epochs; those are not trained again.
    """
    method, recipe = team.cells[0].method, team.cells[0].recipe
    device, images = team.data[0].noisy.device, EvaluationImages(team.data)
    exact_products(device)
    stages = method.stages(recipe.epochs)
    evaluated = recipe.evaluated(stage.epochs for stage in stages)
    refits, features = method.refits(), method.sees_features()
    number, outputs = 0, None
    steps = steps_of(team.cells[0], len(team.data[0].noisy))
    for i, stage in enumerate(stages):
        stage_recipe = replace(recipe, **stage.recipe)
        team.begin(i, stage, stage_recipe)
        for epoch_of_stage in range(stage.epochs):
            if resumed and number < resumed.epochs:
                number += 1
                if number == resumed.epochs:
                    team.restore(resumed.tensors)
                    outputs = _outputs(team, images) if refits else None
                continue
            began, epoch = time.perf_counter(), torch.full((), number, device=device)
            if outputs is not None:
                team.refit(outputs, epoch)
            lr = stage_recipe.lr_at(epoch_of_stage, stage.epochs)
            team.set_learning_rate(lr)
            losses: list[Tensor] = []
            for batches in team.batches(number):
                if stage_recipe.moves_each_step:
                    over = epoch_of_stage + len(losses) / steps
                    team.set_learning_rate(stage_recipe.lr_at(over, stage.epochs))
                losses.append(team.step(batches, epoch))
                team.update_averages()
                beat(number + len(losses) / (steps + 1))
            # Reading the losses waits for the device, as reading what is finite does below: so
            # seconds are those of the work, and not those in which it was asked for.
            mean_losses, trained = team.mean(losses), time.perf_counter()
            shown = SETS if evaluated[number] else SETS[:refits]
            with products_of_evaluation(team.cells[0].precision, device):
                logits = [
                    team.evaluate(images.of(name), features=features and name == SETS[0])
                    for name in shown
                ]
            outputs = logits[0] if logits else None
            predicted = _predicted(team, logits if evaluated[number] else [])
            finite = torch.stack([own.isfinite().all() for own in predicted[-1]]).tolist()
            seconds = (trained - began, time.perf_counter() - trained)
            number += 1
            beat(number)
            of_cells = zip(mean_losses, *predicted, finite, team.states(), strict=True)
            yield [
                Epoch(
                    number=number,
                    final_stage=i == len(stages) - 1,
                    lr=lr,
                    loss=loss,
                    evaluated=evaluated[number - 1],
                    train=train_logits,
                    val=val_logits,
                    test=test_logits,
                    finite=whole,
                    train_seconds=seconds[0] / len(team.cells),
                    eval_seconds=seconds[1] / len(team.cells),
                    state=state,
                )
                for loss, train_logits, val_logits, test_logits, whole, state in of_cells
            ]


def _outputs(team: Team[Batches], images: "EvaluationImages") -> Tensor:
    """Return the logits on the training set that a method learns from before an epoch."""
    with products_of_evaluation(team.cells[0].precision, team.data[0].noisy.device):
        features = team.cells[0].method.sees_features()
        return team.evaluate(images.of(SETS[0]), features=features)


def _predicted(team: Team[Batches], logits: Sequence[Tensor]) -> list[list[Tensor]]:
    """Return what the method predicts for each set and cell, for no image without logits."""
    method, data = team.cells[0].method, team.data
    if not logits:
        nothing = data[0].mean.new_empty(0, data[0].num_classes)
        return [[nothing] * len(data) for _ in SETS]
    columns = method.columns(data[0].num_classes)  # features may come behind
    return [[method.predict(own[..., :columns]) for own in sets] for sets in logits]


class EvaluationImages:
    """The images that every epoch ends with, in chunks; normalised once if they are few."""

    def __init__(self, data: Sequence[CellData]) -> None:
        self._data = data
        self._sets = [(own.train, own.val, own.test.image) for own in data]
        pixels = sum(image.numel() for images in self._sets for image in images)
        on_cpu = data[0].noisy.device.type == "cpu"
        few = pixels <= (KEPT_PIXELS if on_cpu else GPU_KEPT_PIXELS)
        self._batch = (
            EVALUATION_BATCH
            if on_cpu
            else gpu_batch(data[0].test.image.shape[1:].numel() * len(data))
        )
        self._kept = {name: list(self._chunks(name)) for name in SETS} if few else {}

    def of(self, name: str) -> Iterable[Tensor]:
        """Return the chunks of one of the ``SETS``."""
        return self._kept[name] if self._kept else self._chunks(name)

    def _chunks(self, name: str) -> Iterator[Tensor]:
        """Yield chunks ``(K, n, channels, H, W)`` of one set."""
        i = SETS.index(name)
        of_cells = (images[i].split(self._batch) for images in self._sets)
        for images in zip(*of_cells, strict=True):
            pairs = zip(self._data, images, strict=True)
            yield torch.stack([own.pixels(image) for own, image in pairs])


def gpu_batch(pixels: int) -> int:
    """Return how many images of each cell a GPU evaluates at once, of so many pixels together."""
    return min(max(GPU_BATCH_PIXELS // pixels, GPU_LEAST_BATCH), GPU_BATCH)
