"""Train one cell: an nn.Module, a torch optimiser, a loop. What faster drivers must equal."""

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.datasets import DATASETS
from benchmarks.engine.augment import crop_and_flip, draw, rotate, stream
from benchmarks.engine.problem import Problem
from benchmarks.models import initialised
from benchmarks.recipes import Recipe
from benchmarks.seeds import generator
from benchmarks.sweep import Cell
from methods import Batch, State, Task

EVALUATION_BATCH = 256
"""A convolution's activations stay in the cache; batches of 1,000 take three times as long."""


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


class Learner(NamedTuple):
    """What the optimiser changes."""

    networks: list[nn.Module]
    optimizer: torch.optim.Optimizer


def train(cell: Cell, problem: Problem) -> Iterator[Epoch]:
    """Train a cell and yield after each epoch, as long as the caller asks for more."""
    method, device = cell.method, problem.noisy.device
    state = method.init(Task(problem.noisy, problem.num_classes, cell.recipe.epochs))
    stages = method.stages(cell.recipe.epochs)
    networks = _networks(cell, device, 0)
    outputs, number = None, 0
    for part, stage in enumerate(stages):
        if part and stage.fresh_networks:
            networks = _networks(cell, device, part)
        learner = Learner(networks, _optimizer(cell.recipe, networks))
        for local in range(stage.epochs):
            began, epoch = time.perf_counter(), torch.tensor(number, device=device)
            if outputs is not None:
                state = method.refit(outputs, state, epoch)
            lr = cell.recipe.lr_at(local, stage.epochs)
            for group in learner.optimizer.param_groups:
                group["lr"] = lr
            loss, state = _epoch(cell, problem, learner, state, epoch)
            mean_loss = loss.item()
            trained = time.perf_counter()
            outputs = evaluate(networks, problem, problem.train)
            test = method.predict(evaluate(networks, problem, problem.test.image))
            val = method.predict(evaluate(networks, problem, problem.val))
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
            )


def _epoch(
    cell: Cell,
    problem: Problem,
    learner: Learner,
    state: State,
    epoch: Tensor,
) -> tuple[Tensor, State]:
    """Take one pass over the training set; return the mean batch loss (0-d) and the state."""
    method, device = cell.method, problem.noisy.device
    total = torch.zeros((), device=device)
    batches = list(_batches(cell, problem, int(epoch)))
    for ids, image in batches:
        with _autocast(cell.precision, device):
            outputs = torch.stack([network(image) for network in learner.networks])
        logits = outputs.to(problem.mean.dtype)  # (networks, B, C), never half precision
        logits = logits if method.networks > 1 else logits[0]
        loss, state = method.loss(logits, Batch(ids, problem.noisy[ids]), state, epoch)
        learner.optimizer.zero_grad()
        loss.backward()
        if cell.recipe.clip_norm:
            for network in learner.networks:
                nn.utils.clip_grad_norm_(network.parameters(), cell.recipe.clip_norm)
        learner.optimizer.step()
        state = {name: value.detach() for name, value in state.items()}
        total = total + loss.detach()
    return total / len(batches), state


def _batches(cell: Cell, problem: Problem, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (ids, normalised images); order and augmentation are the same for every method."""
    name, recipe, device = DATASETS.name(cell.dataset), cell.recipe, problem.noisy.device
    size = len(problem.noisy)
    order = torch.randperm(size, generator=generator("order", name, cell.seed, epoch))
    draws = draw(size, recipe.crop, stream(name, cell.seed, epoch))
    offsets, flips, turns = (numbers.to(device) for numbers in draws)
    order, flips = order.to(device), flips & recipe.flip
    starts = [*range(0, size - 1, recipe.batch), size]  # a last batch of one joins the one before
    for start, stop in itertools.pairwise(starts):
        ids = order[start:stop]
        image = problem.train[ids]
        if recipe.crop or recipe.flip:
            image = crop_and_flip(image, offsets[ids], flips[ids], recipe.crop)
        if recipe.rotation:
            image = rotate(image, recipe.rotation * turns[ids])
        yield ids, _layout(problem.pixels(image))


@torch.no_grad()
def evaluate(networks: Sequence[nn.Module], problem: Problem, image: Tensor) -> Tensor:
    """Return ``(networks, N, C)`` logits in evaluation mode and full precision."""
    outputs = []
    for network in networks:
        network.eval()
        parts = [network(_layout(problem.pixels(part))) for part in image.split(EVALUATION_BATCH)]
        outputs.append(torch.cat(parts))
        network.train()
    return torch.stack(outputs)


def _networks(cell: Cell, device: torch.device, part: int) -> list[nn.Module]:
    """Return freshly initialised networks; the first of a seed is the same for every method."""
    dataset = cell.dataset
    salts = [(DATASETS.name(dataset), cell.seed, k, part) for k in range(cell.method.networks)]
    return [
        initialised(cell.model, dataset.shape, dataset.num_classes, salt)
        .to(device)
        .to(memory_format=torch.channels_last)
        for salt in salts
    ]


def _optimizer(recipe: Recipe, networks: Sequence[nn.Module]) -> torch.optim.Optimizer:
    params = [p for network in networks for p in network.parameters()]
    fused = params[0].device.type in {"cpu", "cuda"}
    if recipe.optimizer == "adam":
        return torch.optim.Adam(params, recipe.lr, weight_decay=recipe.weight_decay, fused=fused)
    return torch.optim.SGD(
        params,
        recipe.lr,
        recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
        fused=fused,
    )


def _autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    if precision == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def _layout(image: Tensor) -> Tensor:
    """Store channels last, which convolutions are fastest on."""
    return image.contiguous(memory_format=torch.channels_last)
