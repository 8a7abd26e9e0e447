"""Checks of methods: what each must do, whatever its paper says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.func import grad, vmap

from benchmarks.contract import samples
from benchmarks.contract.fault import demand
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.sweep import Cell
from methods import Batch, Method, State

EPOCH = torch.tensor(3)


@contextmanager
def _double() -> Iterator[None]:
    """Compute in float64, where rounding hides no fault."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def has_a_finite_loss_and_a_gradient_for_every_network(method: Method) -> None:
    """Check that the loss is one finite number that every network can lower."""
    logits, batch, state = samples.drawn(method)
    loss, _ = samples.step(method, logits.requires_grad_(), batch, state, EPOCH)
    demand(loss.shape == (), f"the loss has the shape {tuple(loss.shape)}, not that of a number")
    (slope,) = torch.autograd.grad(loss, logits)
    demand(bool(loss.isfinite()), f"the loss is {loss.item()}")
    each = slope.reshape(method.networks, -1).abs().sum(-1)  # a view may have none
    demand(bool(each.gt(0).all()), "a network gets no gradient")


def keeps_its_state_in_shape(method: Method) -> None:
    """Check that every hook keeps keys, shapes and types of the state, and leaves no graph."""
    logits, batch, _ = samples.drawn(method)
    before = samples.started(method, samples.task())
    after = samples.step(method, logits.requires_grad_(), batch, before, EPOCH)[1]
    refitted = method.refit(samples.outputs_of(method), after, EPOCH)
    for hook, state in (("a step", after), ("refit", refitted)):
        demand(list(state) == list(before), f"{hook} changes the keys of the state: {list(state)}")
        for key, value in state.items():
            kept = (value.shape, value.dtype) == (before[key].shape, before[key].dtype)
            demand(kept, f"{hook} changes the shape or type of {key!r}")
            demand(not value.requires_grad, f"{hook} leaves a graph behind {key!r}: detach it")


def changes_nothing_in_place(method: Method) -> None:
    """Check that hooks return new tensors and leave those they are given alone."""
    logits, batch, state = samples.drawn(method)
    outputs, image = samples.outputs_of(method), samples.images_of(method, samples.B)
    params = samples.network_of().params
    grads = samples.network_of(seed=1).params
    given = samples.tensors(logits, batch, state, outputs, image, params, grads)
    before = [tensor.clone() for tensor in given]
    method.prepare(image, batch, state, EPOCH)
    samples.step(method, logits, batch, state, EPOCH)
    method.refit(outputs, state, EPOCH)
    method.gradient(params, grads, state, EPOCH)
    method.predict(outputs)
    demand(all(map(torch.equal, before, given)), "a hook changes what it was given")


def does_not_see_the_order_of_a_batch(method: Method) -> None:
    """Check that loss and state do not depend on the order of a batch."""
    logits, batch, state = samples.drawn(method)
    order = torch.arange(samples.B - 1, -1, -1)
    result = samples.step(method, logits, batch, state, EPOCH)
    moved = samples.reordered(batch, order)
    other = samples.step(method, logits[..., order, :], moved, state, EPOCH)
    pairs = zip(samples.tensors(result), samples.tensors(other), strict=True)
    close = all(torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6) for a, b in pairs)
    demand(close, "another order of the same batch gives another loss or state")


def maps_over_cells(method: Method) -> None:
    """Check that many cells at once, by ``vmap``, give the gradients that each gives alone."""

    def slope(logits: Tensor, batch: Batch, state: State) -> Tensor:
        gradient: Tensor = grad(lambda z: method.loss(z, batch, state, EPOCH)[0])(logits)
        return gradient

    with _double():
        cells = [samples.drawn(method, seed) for seed in range(samples.CELLS)]
        together, axes = samples.stacked(cells)
        try:
            gradients = vmap(slope, in_dims=axes)(*together)
        except RuntimeError as error:
            demand(False, f"the loss cannot be mapped by torch.func.vmap: {error}")
        for gradient, cell in zip(gradients, cells, strict=True):
            gap = (gradient - slope(*cell)).abs().max().item()
            demand(gap < 1e-10, f"mapped, the gradient of a cell is off by {gap:.2g}")


def hands_on_a_gradient_for_every_weight(method: Method) -> None:
    """Check that the gradient that a method hands on has a finite value for every weight."""
    grads = samples.network_of(seed=1).params
    state = samples.drawn(method)[2]
    changed = method.gradient(samples.network_of().params, grads, state, EPOCH)
    fits = {n: g.shape for n, g in changed.items()} == {n: g.shape for n, g in grads.items()}
    demand(fits, "the gradient that it hands on has other keys or shapes")
    demand(all(bool(g.isfinite().all()) for g in changed.values()), "that gradient is not finite")


def stays_finite_on_huge_logits(method: Method) -> None:
    """Check that loss, gradient and state are finite at logits of 10,000 and -10,000."""
    for size in (1e4, -1e4):
        for rows in (1, samples.B):
            training = samples.task()
            state = samples.started(method, training)
            batch = samples.batch_of(training, size=rows)
            _, batch, state = samples.led_up(method, training, batch, state, EPOCH)
            logits = (samples.logits_of(method, rows).sign() * size).requires_grad_()
            loss, state = samples.step(method, logits, batch, state, EPOCH)
            (slope,) = torch.autograd.grad(loss, logits)
            finite = all(bool(t.isfinite().all()) for t in (loss, slope, *state.values()))
            demand(finite, f"the loss, its gradient or the state is not finite at {size:g}")


def divides_any_number_of_epochs(method: Method) -> None:
    """Check that the stages add up to the epochs, and that none is empty."""
    for epochs in range(2, 51):
        lengths = [stage.epochs for stage in method.stages(epochs)]
        fits = sum(lengths) == epochs and min(lengths) >= 1
        demand(fits, f"of {epochs} epochs it makes stages of {lengths}")


def trains_on_digits(method: Method) -> None:
    """Check that two epochs of the default suite's network end in finite numbers."""
    specs = {"dataset": "digits", "noise": "symmetric(rate=0.4)", "method": "cross_entropy"}
    specs |= {"model": "mlp", "recipe": "small(epochs=2)"}
    other = Cell.build({**specs, "seed": 0, "precision": "float32"})
    cell = Cell(other.dataset, other.noise, method, other.model, other.recipe, seed=0)
    (record,) = train_and_record([cell], PackSetup(Path(), torch.device("cpu"), keep_all=False))
    demand(record.meta["status"] == "done", f"it does not train: {record.meta['reason']}")
