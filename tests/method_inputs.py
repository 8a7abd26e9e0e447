"""Networks, batches and states that the tests of methods share."""

import torch
from torch.utils import _pytree as pytree

from benchmarks.engine.step import squeezed
from benchmarks.seeds import seeded
from methods import Batch, Network, Task, Trusted

N, B, C, CELLS, EPOCHS = 41, 8, 5, 3, 13
SHAPE = (1, 3, 2)  # channels, height, width: six pixels


def task(seed=0, *, examples=N, classes=C):
    """A training set with labels of every class, and all that a privilege can tell."""
    rng = torch.Generator().manual_seed(100 + seed)
    label = torch.cat([torch.arange(classes), torch.randint(classes, (examples,), generator=rng)])
    transition = (torch.eye(classes) + torch.rand(classes, classes, generator=rng)).softmax(-1)
    return Task(label[:examples], classes, EPOCHS, rate=0.3, transition=transition)


def batch_of(training, seed=0, size=B):
    """A random mini-batch of it."""
    rng = torch.Generator().manual_seed(200 + seed)
    ids = torch.randperm(len(training.label), generator=rng)[:size]
    return Batch(ids, training.label[ids])


def logits_of(method, rows, classes=C, seed=0):
    """Logits on ``rows`` examples, of every network of a method and every view."""
    rng = torch.Generator().manual_seed(300 + seed)
    shape = (method.networks, method.views, rows, classes)
    logits = 2 * torch.randn(shape, generator=rng, dtype=torch.float64)
    return squeezed(logits.to(torch.get_default_dtype()))


def images_of(method, rows, seed=0):
    """Images ``(views, rows, channels, height, width)``."""
    rng = torch.Generator().manual_seed(500 + seed)
    return torch.randn(method.views, rows, *SHAPE, generator=rng)


def network_of(classes=C, seed=0):
    """A linear classifier as a function of its weights."""
    rng = torch.Generator().manual_seed(600 + seed)
    weight = torch.randn(6, classes, generator=rng)
    return Network({"weight": weight}, lambda params, image: image.flatten(1) @ params["weight"])


def trusted_of(classes=C, seed=0):
    """Three clean examples."""
    rng = torch.Generator().manual_seed(700 + seed)
    return Trusted(torch.randn(3, *SHAPE, generator=rng), torch.arange(3) % classes)


def led_up(method, batch, state, epoch, seed=0, classes=C):
    """Take a step up to its loss: images, a batch and a state as the engine hands them on."""
    rows = len(batch.label)
    image = images_of(method, rows, seed)
    with seeded("draws", seed):
        batch = batch._replace(draws=method.draw(rows))
    if method.trusted_per_class:
        batch = batch._replace(trusted=trusted_of(classes, seed))
        state = method.lookahead(network_of(classes, seed), image[0], batch, state)
    if method.peeks:
        batch = batch._replace(outputs=logits_of(method, rows, classes, seed + 70))
    image, batch = method.prepare(image, batch, state, epoch)
    return image, batch, state


def outputs_of(method, seed=0, *, examples=N, classes=C):
    """Logits ``(networks, N, C)`` on the whole training set, as ``refit`` gets them."""
    rng = torch.Generator().manual_seed(400 + seed)
    return torch.randn(method.networks, examples, classes, generator=rng)


def start_of_training_proper(method):
    """The first epoch of the last stage."""
    return sum(stage.epochs for stage in method.stages(EPOCHS)[:-1])


def started(method, training, seed=0):
    """The state before the first step."""
    with seeded("init", seed):
        return method.init(training)


def step(method, logits, batch, state, epoch):
    """The loss and the state after a whole step, learnable entries included."""
    leaves = {name: state[name].detach().requires_grad_() for name in method.learnable}
    loss, after = method.loss(logits, batch, {**state, **leaves}, epoch)
    if leaves:
        slopes = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True)
        after = {name: value.detach() for name, value in after.items()}
        after = method.learn(after, dict(zip(leaves, slopes, strict=True)), epoch)
    return loss, after


def drawn(method, seed=0):
    """Logits, a batch, and a state that has seen a step and, where there is one, a refit."""
    training = task(seed)
    batch = batch_of(training, seed)
    epoch = torch.tensor(start_of_training_proper(method))
    state = method.refit(outputs_of(method, seed), started(method, training, seed), epoch)
    _, batch, state = led_up(method, batch, state, epoch, seed)
    state = step(method, logits_of(method, B, seed=seed + 50), batch, state, epoch)[1]
    return logits_of(method, B, seed=seed), batch, state


def reordered(batch, order):
    """The same batch with its examples in another order."""

    def moved(name, value):
        if value is None or name in {"draws", "trusted"}:  # a prepared batch has used its draws
            return value
        return value[..., order, :] if value.dim() > 1 else value[order]

    fields = {name: moved(name, getattr(batch, name)) for name in batch._fields}
    return Batch(**fields)


def tensors(*trees):
    """Every tensor in nested tuples and dicts."""
    return [leaf for leaf in pytree.tree_leaves(trees) if isinstance(leaf, torch.Tensor)]


def stacked(trees):
    """Nested tuples and dicts with a leading axis of cells, and where that axis is."""
    joined = pytree.tree_map(
        lambda *leaves: leaves[0] if leaves[0] is None else torch.stack(leaves), *trees
    )
    return joined, pytree.tree_map(lambda leaf: None if leaf is None else 0, joined)


def same(found, expected, **tolerance):
    """Assert that two states, tensors or numbers agree."""
    torch.testing.assert_close(found, expected, **tolerance)
