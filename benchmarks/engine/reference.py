"""Train one cell: an nn.Module, a torch optimiser, a loop. What faster drivers must equal."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from benchmarks.datasets import DATASETS
from benchmarks.engine.average import averages_of
from benchmarks.engine.batches import batches, steps_of
from benchmarks.engine.data import CellData
from benchmarks.engine.graph import Graphed, Recorder, Stepping, set_rate
from benchmarks.engine.optimizer import optimizer_of
from benchmarks.engine.step import Learner, channels_last, without_running_statistics
from benchmarks.models import initialised
from benchmarks.models.layers import last_layers
from benchmarks.recipes import Recipe
from benchmarks.seeds import seeded
from benchmarks.sweep import Cell
from methods import Batch, Stage, State, Task

EVALUATION_BATCH = 256
"""A convolution's activations stay in the cache; batches of 1,000 take three times as long."""


Networks = Sequence[nn.Module]
"""Of a cell."""


class Epoch(NamedTuple):
    """What is known at the end of one epoch. Logits are those the method predicts with."""

    number: int  # from 1
    final_stage: bool
    lr: float
    loss: float  # mean over the epoch's batches
    train: Tensor  # (N, C) float32, evaluation mode, no augmentation, fixed order
    val: Tensor  # (V, C)
    test: Tensor  # (M, C)
    train_seconds: float
    eval_seconds: float
    state: State  # the method's own


def train(cell: Cell, problem: CellData, *, recorder: Recorder | None = None) -> Iterator[Epoch]:
    """Train a cell and yield after each epoch, as long as the caller asks for more.

    Args:
        cell: what.
        problem: its data.
        recorder: makes graphs of steps; None takes every step by itself.
    """
    method, device = cell.method, problem.noisy.device
    state = initial_state(cell, problem)
    stages = method.stages(cell.recipe.epochs)
    outputs, number, steps = None, 0, steps_of(cell, len(problem.noisy))
    networks = networks_of(cell, device, 0)
    averages = averages_for(cell, networks, steps)
    for part, stage in enumerate(stages):
        if part and stage.fresh_networks:
            networks = networks_of(cell, device, part)
            averages = averages_for(cell, networks, steps)
        fresh = networks_of(cell, device, part) if stage.fresh_layers else networks
        renew(networks, fresh, stage.fresh_layers)
        learner = learner_of(cell, networks, stage, averages, graphed=recorder is not None)
        stepper: Stepping[Batch] = Graphed(learner, recorder) if recorder else learner
        shown = averages if "predictions" in method.averaged else networks
        for local in range(stage.epochs):
            began, epoch = time.perf_counter(), torch.tensor(number, device=device)
            if outputs is not None:
                state = method.refit(outputs, state, epoch)
            lr = recipe_of(cell, stage).lr_at(local, stage.epochs)
            set_rate(learner.optimizer, lr)
            loss, state = _epoch(cell, problem, stepper, state, epoch)
            mean_loss, trained = loss.item(), time.perf_counter()
            outputs = evaluate(shown, problem, problem.train)
            test = method.predict(evaluate(shown, problem, problem.test.image))
            val = method.predict(evaluate(shown, problem, problem.val))
            number += 1
            yield Epoch(
                number,
                part == len(stages) - 1,
                lr,
                mean_loss,
                method.predict(outputs),
                val,
                test,
                trained - began,
                time.perf_counter() - trained,
                state,
            )


def initial_state(cell: Cell, problem: CellData) -> State:
    """Return the method's state before the first step."""
    with seeded("method", DATASETS.name(cell.dataset), cell.seed, "init"):
        return cell.method.init(task(cell, problem))


def task(cell: Cell, problem: CellData) -> Task:
    """Return what the method may know: clean knowledge only where it declares the privilege."""
    told = cell.method.privileges
    return Task(
        problem.noisy,
        problem.num_classes,
        cell.recipe.epochs,
        rate=problem.noise_rate if "rate" in told else None,
        transition=problem.transition if "T" in told else None,
    )


def _epoch(
    cell: Cell,
    problem: CellData,
    learner: Stepping[Batch],
    state: State,
    epoch: Tensor,
) -> tuple[Tensor, State]:
    """Take one pass over the training set; return the mean batch loss (0-d) and the state."""
    total, count = torch.zeros((), device=problem.noisy.device), 0
    for image, batch in batches(cell, problem, int(epoch)):
        loss, state = learner.step(image, batch, state, epoch)
        learner.follow()
        total, count = total + loss, count + 1
    return total / count, {name: value.clone() for name, value in state.items()}


@torch.no_grad()
def evaluate(networks: Networks, problem: CellData, image: Tensor) -> Tensor:
    """Return ``(networks, N, C)`` logits in evaluation mode and full precision."""
    outputs = []
    for network in networks:
        network.eval()
        parts = (problem.pixels(part) for part in image.split(EVALUATION_BATCH))
        outputs.append(torch.cat([network(channels_last(part)) for part in parts]))
        network.train()
    return torch.stack(outputs)


def networks_of(cell: Cell, device: torch.device, part: int) -> list[nn.Module]:
    """Return freshly initialised networks; the first of a seed is the same for every method."""
    dataset = cell.dataset
    salts = [(DATASETS.name(dataset), cell.seed, k, part) for k in range(cell.method.networks)]
    return [
        initialised(cell.model, dataset.shape, dataset.num_classes, salt)
        .to(device)
        .to(memory_format=torch.channels_last)
        for salt in salts
    ]


def averages_for(cell: Cell, networks: Networks, steps: int) -> list[AveragedModel]:
    """Return the networks' moving averages, if the method uses any; an epoch has ``steps``."""
    if not cell.method.averaged:
        return []
    return averages_of(networks, cell.method.decay(steps, cell.recipe.epochs))


def renew(networks: Networks, fresh: Networks, count: int) -> None:
    """Start the last ``count`` layers anew and hold the others; with 0, let everything learn."""
    for network, new in zip(networks, fresh, strict=True):
        learns = set(last_layers(network, count))
        if count:
            old, start = network.state_dict(), new.state_dict()
            mixed = {name: (start if name in learns else old)[name] for name in old}
            network.load_state_dict(mixed)
        for name, param in network.named_parameters():
            param.requires_grad_(name in learns)
            param.grad = None  # that of the stage before would count where gradients are clipped


def recipe_of(cell: Cell, stage: Stage) -> Recipe:
    """Return the recipe of a stage."""
    return replace(cell.recipe, **stage.recipe)


def learner_of(
    cell: Cell,
    networks: Networks,
    stage: Stage,
    averages: Sequence[AveragedModel],
    *,
    graphed: bool,
) -> Learner:
    """Return the networks with an optimiser that has seen nothing yet."""
    blueprint, recipe = None, recipe_of(cell, stage)
    if cell.method.trusted_per_class:
        blueprint = without_running_statistics(networks[0])
    params = [p for network in networks for p in network.parameters() if p.requires_grad]
    optimizer = optimizer_of(recipe, params, graphed=graphed)
    clip_norm, precision = recipe.clip_norm, cell.precision
    return Learner(cell.method, networks, optimizer, clip_norm, precision, blueprint, averages)
