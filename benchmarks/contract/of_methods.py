"""What a method must do, whatever its paper says."""

from collections.abc import Callable, Iterator
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
    """Run in float64, as the gates between engines do."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def has_a_finite_loss_and_a_gradient_for_every_network(method: Method) -> None:
    """One number, finite, that every network can lower."""
    logits, batch, state = samples.drawn(method)
    loss, _ = samples.step(method, logits.requires_grad_(), batch, state, EPOCH)
    demand(loss.shape == (), f"the loss has the shape {tuple(loss.shape)}, not that of a number")
    (slope,) = torch.autograd.grad(loss, logits)
    demand(bool(loss.isfinite()), f"the loss is {loss.item()}")
    each = slope.reshape(method.networks, -1).abs().sum(-1)  # a view may have none
    demand(bool(each.gt(0).all()), "a network gets no gradient")


def keeps_its_state_in_shape(method: Method) -> None:
    """The same keys, shapes and types after every hook, and no graph."""
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
    """Hooks return new tensors."""
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
    """The loss and the state are those of a set."""
    logits, batch, state = samples.drawn(method)
    order = torch.arange(samples.B - 1, -1, -1)
    found = samples.step(method, logits, batch, state, EPOCH)
    moved = samples.reordered(batch, order)
    other = samples.step(method, logits[..., order, :], moved, state, EPOCH)
    pairs = zip(samples.tensors(found), samples.tensors(other), strict=True)
    close = all(torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6) for a, b in pairs)
    demand(close, "another order of the same batch gives another loss or state")


def maps_over_cells(method: Method) -> None:
    """Many cells at once give what each gives alone."""

    def slope(logits: Tensor, batch: Batch, state: State) -> Tensor:
        found: Tensor = grad(lambda z: method.loss(z, batch, state, EPOCH)[0])(logits)
        return found

    with _double():
        cells = [samples.drawn(method, seed) for seed in range(samples.CELLS)]
        together, axes = samples.stacked(cells)
        try:
            mapped = vmap(slope, in_dims=axes)(*together)
        except RuntimeError as error:
            demand(False, f"the loss cannot be mapped by torch.func.vmap: {error}")
        for found, cell in zip(mapped, cells, strict=True):
            apart = (found - slope(*cell)).abs().max().item()
            demand(apart < 1e-10, f"mapped, the gradient of a cell is off by {apart:.2g}")


def hands_on_a_gradient_for_every_weight(method: Method) -> None:
    """What it makes of a gradient has a finite value for each weight."""
    grads = samples.network_of(seed=1).params
    state = samples.drawn(method)[2]
    found = method.gradient(samples.network_of().params, grads, state, EPOCH)
    fits = {n: g.shape for n, g in found.items()} == {n: g.shape for n, g in grads.items()}
    demand(fits, "the gradient that it hands on has other keys or shapes")
    demand(all(bool(g.isfinite().all()) for g in found.values()), "that gradient is not finite")


def stays_finite_on_huge_logits(method: Method) -> None:
    """Logits of 10,000 in either direction, and a batch of one."""
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
    """The stages add up, and none is empty."""
    for epochs in range(2, 51):
        lengths = [stage.epochs for stage in method.stages(epochs)]
        fits = sum(lengths) == epochs and min(lengths) >= 1
        demand(fits, f"of {epochs} epochs it makes stages of {lengths}")


def trains_on_digits(method: Method) -> None:
    """Two epochs of the default suite's network end in finite numbers."""
    specs = {"dataset": "digits", "noise": "symmetric(rate=0.4)", "method": "cross_entropy"}
    specs |= {"model": "mlp", "recipe": "small(epochs=2)"}
    other = Cell.build({**specs, "seed": 0, "precision": "float32"})
    cell = Cell(other.dataset, other.noise, method, other.model, other.recipe, seed=0)
    (record,) = train_and_record([cell], PackSetup(Path(), torch.device("cpu"), keep_all=False))
    demand(record.meta["status"] == "done", f"it does not train: {record.meta['reason']}")


CHECKS: tuple[Callable[[Method], None], ...] = (
    has_a_finite_loss_and_a_gradient_for_every_network,
    keeps_its_state_in_shape,
    changes_nothing_in_place,
    does_not_see_the_order_of_a_batch,
    maps_over_cells,
    hands_on_a_gradient_for_every_weight,
    stays_finite_on_huge_logits,
    divides_any_number_of_epochs,
    trains_on_digits,
)
