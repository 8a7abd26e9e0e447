"""Logits, batches and states that the tests of methods share."""

import torch

from methods import Batch, Task

N, B, C, CELLS, EPOCHS = 41, 8, 5, 3, 13


def task(seed=0, *, examples=N, classes=C):
    """A training set with labels of every class."""
    rng = torch.Generator().manual_seed(100 + seed)
    label = torch.cat([torch.arange(classes), torch.randint(classes, (examples,), generator=rng)])
    return Task(label[:examples], classes, EPOCHS)


def batch_of(training, seed=0, size=B):
    """A random mini-batch of it."""
    rng = torch.Generator().manual_seed(200 + seed)
    ids = torch.randperm(len(training.label), generator=rng)[:size]
    return Batch(ids, training.label[ids])


def logits_of(method, rows, classes=C, seed=0):
    """Logits of every network of a method on ``rows`` examples."""
    rng = torch.Generator().manual_seed(300 + seed)
    shape = (rows, classes) if method.networks == 1 else (method.networks, rows, classes)
    return 2 * torch.randn(shape, generator=rng, dtype=torch.float64).to(torch.get_default_dtype())


def outputs_of(method, seed=0, *, examples=N, classes=C):
    """Logits ``(networks, N, C)`` on the whole training set, as ``refit`` gets them."""
    rng = torch.Generator().manual_seed(400 + seed)
    return torch.randn(method.networks, examples, classes, generator=rng)


def start_of_training_proper(method):
    """The first epoch of the last stage."""
    return sum(stage.epochs for stage in method.stages(EPOCHS)[:-1])


def drawn(method, seed=0):
    """Logits, a batch, and a state that has seen a step and, where there is one, a refit."""
    training = task(seed)
    batch = batch_of(training, seed)
    epoch = torch.tensor(start_of_training_proper(method))
    state = method.refit(outputs_of(method, seed), method.init(training), epoch)
    state = method.loss(logits_of(method, B, seed=seed + 50), batch, state, epoch)[1]
    return logits_of(method, B, seed=seed), batch, state


def same(found, expected, **tolerance):
    """Assert that two states, tensors or numbers agree."""
    torch.testing.assert_close(found, expected, **tolerance)
