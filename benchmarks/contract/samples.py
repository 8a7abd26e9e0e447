"""Small made-up inputs on which any method can take a step without the engine.

The checks of ``run_all.py check`` use them on a user's method, and the tests on ours.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from benchmarks.seeds import seeded
from methods import Batch, Method, Network, State, Task, Trusted
from methods.base import TrustedLabels, Weights

N, B, C, CELLS, EPOCHS = 41, 8, 5, 3, 13
SHAPE = (1, 3, 2)  # channels, height, width


def _source(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def task(seed: int = 0, *, classes: int = C) -> Task:
    """Return a training set with labels of every class, and all that a privilege can tell."""
    source = _source(100 + seed)
    others = torch.randint(classes, (N,), generator=source)
    label = torch.cat([torch.arange(classes), others])[:N]
    transition = (torch.eye(classes) + torch.rand(classes, classes, generator=source)).softmax(-1)
    trusted = TrustedLabels(torch.arange(1, N, 7), torch.arange(len(range(1, N, 7))) % classes)
    guess = torch.randn(N, classes, generator=source)
    side = guess.scatter_add(1, label[:, None], torch.full((N, 1), 2.0)).softmax(-1)
    return Task(label, classes, EPOCHS, 0.3, transition, trusted, side)


def batch_of(training: Task, seed: int = 0, size: int = B) -> Batch:
    """Return a random mini-batch of a training set."""
    ids = torch.randperm(len(training.label), generator=_source(200 + seed))[:size]
    return Batch(ids, training.label[ids])


def logits_of(method: Method, rows: int, seed: int = 0, classes: int = C) -> Tensor:
    """Return logits on ``rows`` examples, of every network of a method and every view."""
    shape = (method.networks, method.views, rows, method.columns(classes))
    logits = 2 * torch.randn(shape, generator=_source(300 + seed), dtype=torch.float64)
    return drop_single_axes(logits.to(torch.get_default_dtype()))


def drop_single_axes(logits: Tensor) -> Tensor:
    """Return logits ``(networks, views, B, C)`` as a method gets them: without axes of size 1."""
    axes = [size for size in logits.shape[:2] if size > 1]
    return logits.reshape(*axes, *logits.shape[2:])


def outputs_of(method: Method, seed: int = 0) -> Tensor:
    """Return logits ``(networks, N, C)`` on the whole training set, as ``refit`` gets them."""
    return torch.randn(method.networks, N, method.columns(C), generator=_source(400 + seed))


def features_of(method: Method, seed: int = 0) -> Tensor:
    """Return features ``(networks, N, D)`` of the whole training set, as a method sees them."""
    return torch.randn(method.networks, N, 7, generator=_source(800 + seed))


def images_of(method: Method, rows: int, seed: int = 0) -> Tensor:
    """Return images ``(views, rows, channels, height, width)``."""
    return torch.randn(method.views, rows, *SHAPE, generator=_source(500 + seed))


def network_of(seed: int = 0, classes: int = C) -> Network:
    """Return a linear classifier as a function of its weights."""

    def forward(params: Weights, image: Tensor) -> Tensor:
        return image.flatten(1) @ params["weight"]

    weight = torch.randn(6, classes, generator=_source(600 + seed))
    return Network({"weight": weight}, forward, torch.tensor(0.1))


def trusted_of(seed: int = 0, classes: int = C) -> Trusted:
    """Return three clean examples."""
    image = torch.randn(3, *SHAPE, generator=_source(700 + seed))
    return Trusted(image, torch.arange(3) % classes)


def started(method: Method, training: Task, seed: int = 0) -> State:
    """Return the state before the first step."""
    with seeded("init", seed):
        return method.init(training)


def start_of_training_proper(method: Method) -> int:
    """Return the first epoch of the last stage."""
    return sum(stage.epochs for stage in method.stages(EPOCHS)[:-1])


def led_up(
    method: Method, training: Task, batch: Batch, state: State, epoch: Tensor
) -> tuple[Tensor, Batch, State]:
    """Take a step up to its loss: images, a batch and a state as the engine hands them on.

    A batch that has outputs keeps them for a method that peeks.
    """
    rows, classes, seed = len(batch.label), training.num_classes, int(batch.ids.sum())
    image = images_of(method, rows, seed)
    with seeded("draws", seed):
        batch = batch._replace(draws=method.draw(rows))
    if method.looks_ahead():
        batch = batch._replace(trusted=trusted_of(seed, classes))
        network = network_of(seed, method.columns(classes))
        state = method.lookahead(network, image[0], batch, state)
    if method.peeks and batch.outputs is None:
        batch = batch._replace(outputs=logits_of(method, rows, seed, classes))
    image, batch = method.prepare(image, batch, state, epoch)
    return image, batch, state


def step(
    method: Method, logits: Tensor, batch: Batch, state: State, epoch: Tensor
) -> tuple[Tensor, State]:
    """Return the loss and the state after a whole step, learnable entries included."""
    leaves = {name: state[name].detach().requires_grad_() for name in method.learnable}
    loss, after = method.loss(logits, batch, {**state, **leaves}, epoch)
    if leaves:
        slopes = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True)
        after = {name: value.detach() for name, value in after.items()}
        after = method.learn(after, dict(zip(leaves, slopes, strict=True)), epoch)
    return loss, after


def drawn(method: Method, seed: int = 0) -> tuple[Tensor, Batch, State]:
    """Return logits, a batch, and a state that has seen a step and, where there is one, a refit."""
    training = task(seed)
    batch = batch_of(training, seed)
    epoch = torch.tensor(start_of_training_proper(method))
    state = method.refit(outputs_of(method, seed), started(method, training, seed), epoch)
    state = method.refit_features(features_of(method, seed), state, epoch)
    _, batch, state = led_up(method, training, batch, state, epoch)
    state = step(method, logits_of(method, B, seed + 50), batch, state, epoch)[1]
    return logits_of(method, B, seed), batch, state


def reordered(batch: Batch, order: Tensor) -> Batch:
    """Return the same prepared batch with its examples in another order."""

    def moved(value: Tensor | None) -> Tensor | None:
        if value is None:
            return None
        return value[..., order, :] if value.dim() > 1 else value[order]

    outputs, target = moved(batch.outputs), moved(batch.target)
    return batch._replace(
        ids=batch.ids[order], label=batch.label[order], outputs=outputs, target=target
    )


def tensors(*trees: object) -> list[Tensor]:
    """Return every tensor in nested tuples and dicts."""
    return [leaf for leaf in pytree.tree_leaves(trees) if isinstance(leaf, Tensor)]


def stacked(trees: list[Any]) -> tuple[Any, Any]:
    """Return nested tuples and dicts with a leading axis of cells, and where that axis is."""

    def join(first: Tensor | None, *others: Tensor) -> Tensor | None:
        return None if first is None else torch.stack((first, *others))

    joined = pytree.tree_map(join, *trees)
    return joined, pytree.tree_map(lambda leaf: None if leaf is None else 0, joined)
