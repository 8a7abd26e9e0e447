"""The properties that every method must have; a new one is tested by being registered."""

import math
from dataclasses import replace
from itertools import product

import pytest
import scipy.linalg
import torch
from torch.func import grad, vmap
from torch.overrides import TorchFunctionMode

from benchmarks.contract.samples import (
    CELLS,
    EPOCHS,
    B,
    C,
    N,
    batch_of,
    drawn,
    drop_single_axes,
    led_up,
    logits_of,
    outputs_of,
    stacked,
    start_of_training_proper,
    started,
    step,
    task,
)
from methods import METHODS, Batch, Method, Task
from tests.agreement import case, same
from tests.spec_inputs import legal

EPOCH = torch.tensor(3)
every_method = pytest.mark.parametrize("name", METHODS)


@every_method
def test_only_the_visited_examples_change_in_the_state(name):
    method = METHODS[name]()
    logits, batch, state = drawn(method)
    after = step(method, logits, batch, state, EPOCH)[1]
    others = torch.ones(N, dtype=torch.bool).index_fill(0, batch.ids, False).nonzero().squeeze(1)
    for key, value in state.items():
        if N in value.shape:
            axis = value.shape.index(N)
            same(after[key].index_select(axis, others), value.index_select(axis, others))


def renamed(method, outputs, order):
    """Outputs when classes change their order: of every head, or in the space of log-ratios."""
    if method.columns(C) == 2 * (C - 1):  # turned about the origin
        basis = torch.from_numpy(scipy.linalg.helmert(C))
        moved = (outputs.unflatten(-1, (2, C - 1)) @ basis)[..., order] @ basis.T
        return moved.flatten(-2)
    return outputs.unflatten(-1, (-1, C))[..., order].flatten(-2)


@pytest.mark.usefixtures("double")
@every_method
def test_permuting_the_classes_permutes_nothing_but_their_names(name):
    method = METHODS[name]()
    new = torch.tensor([3, 0, 4, 1, 2])  # class k becomes new[k]
    old = new.argsort()
    losses = []
    for rename, order in ((torch.arange(C), torch.arange(C)), (new, old)):
        plain = task()
        transition = plain.transition[order][:, order]
        trusted = plain.trusted._replace(label=rename[plain.trusted.label])
        told = plain.rate, transition, trusted, plain.side[:, order]
        training = Task(rename[plain.label], C, EPOCHS, *told)
        state, visits = started(method, training), []
        kept = started(method, plain)  # of what has a class for its last axis, before any renaming
        by_class = [k for k, v in state.items() if v.shape[-2:] == (N, C)]
        state |= {k: kept[k][..., order] for k in by_class}
        epoch = torch.tensor(start_of_training_proper(method))
        state = method.refit(renamed(method, outputs_of(method), order), state, epoch)
        for visit in range(3):
            batch = batch_of(training, visit)
            if method.peeks:
                peeked = renamed(method, logits_of(method, B, seed=9 + visit), order)
                batch = batch._replace(outputs=peeked)
            if method.looks_ahead():  # a network would have to be permuted too
                own = torch.full((N,), 0.1 + visit)
                state = {k: own if k == "weight" else v for k, v in state.items()}
            else:
                _, batch, state = led_up(method, training, batch, state, epoch)
            logits = renamed(method, logits_of(method, B, seed=visit), order).requires_grad_()
            loss, state = step(method, logits, batch, state, epoch)
            (slope,) = torch.autograd.grad(loss, logits)
            visits.append((loss.detach(), renamed(method, slope, rename)))
        losses.append(visits)
    same(*losses)


@pytest.mark.usefixtures("double")
@every_method
def test_many_cells_at_once_equal_one_by_one(name):
    method = METHODS[name]()
    cells = [drawn(method, seed) for seed in range(CELLS)]
    together, axes = stacked(cells)
    tight = {"rtol": 1e-13, "atol": 1e-13}
    slope_of = grad(method.loss, has_aux=True)
    for axis, epoch in ((None, EPOCH), (0, torch.tensor([2, 0, 6]))):
        with case("epochs", epoch):
            losses, _ = vmap(method.loss, in_dims=(*axes, axis))(*together, epoch)
            slopes, after = vmap(slope_of, in_dims=(*axes, axis))(*together, epoch)
            for i, (cell, own) in enumerate(zip(cells, epoch.expand(CELLS), strict=True)):
                slope, state = slope_of(*cell, own)
                same(losses[i], method.loss(*cell, own)[0], **tight)
                same(slopes[i], slope, **tight)
                same({key: value[i] for key, value in after.items()}, state, **tight)


class Called(TorchFunctionMode):
    """The names of the functions of torch that are called."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.names.add(function.__name__)
        return function(*args, **kwargs or {})


@every_method
def test_a_loss_uses_only_what_the_oldest_torch_can_map(name):
    method = METHODS[name]()
    with Called() as called:
        method.loss(*drawn(method), EPOCH)
    assert len(called.names) > 1
    assert "count_nonzero" not in called.names  # of torch 2.11, which loops over the cells


@every_method
def test_the_loss_is_the_mean_of_the_losses(name):
    method = METHODS[name]()
    if type(method).losses is Method.losses:
        assert type(method).loss is not Method.loss
        return
    logits, batch, state = drawn(method)
    losses, after = method.losses(logits, batch, state, EPOCH)
    assert losses.shape == (B,)
    same(method.loss(logits, batch, state, EPOCH), (losses.mean(), after))


def test_a_method_without_a_loss_says_so():
    with pytest.raises(NotImplementedError, match=r"^Method defines neither losses nor loss$"):
        Method().loss(torch.zeros(2, 3), Batch(torch.arange(2), torch.arange(2)), {}, EPOCH)


@pytest.mark.parametrize(
    "name", [name for name in METHODS if METHODS[name].predict is Method.predict]
)
def test_a_method_predicts_with_the_mean_of_its_networks(name):
    method = METHODS[name]()
    outputs = outputs_of(method)[:, :7]
    expected = sum(z.softmax(-1) for z in outputs) / len(outputs)
    prediction = method.predict(outputs)
    assert prediction.shape == (7, C)
    same(prediction.softmax(-1), expected)


def test_one_network_predicts_with_its_own_logits():
    outputs = torch.tensor([[[1.0, -2.0, 30.0], [0.0, 5.0, 4.0]]])
    assert torch.equal(Method().predict(outputs), outputs[0])


def test_small_probabilities_survive_the_mean_of_two_networks():
    outputs = torch.tensor([[[0.0, -200.0]], [[0.0, -300.0]]])
    prediction = METHODS["co_teaching"]().predict(outputs)
    assert prediction[0, 1].item() == pytest.approx(-200 - math.log(2))


# ------------------------------------------------------------- the edges of what it can be given


def stays_finite(method, training, outputs, rows=B):
    """Refit on these outputs and step on them, at the start, in training proper and late."""
    state = started(method, training)
    for epoch in (0, start_of_training_proper(method), 12):
        state = method.refit(outputs, state, torch.tensor(epoch))
        batch = batch_of(training, epoch, rows)
        _, batch, state = led_up(method, training, batch, state, torch.tensor(epoch))
        logits = outputs[:, None, batch.ids].expand(-1, method.views, -1, -1)
        logits = drop_single_axes(logits).clone().requires_grad_()
        loss, state = step(method, logits, batch, state, torch.tensor(epoch))
        (slope,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert slope.isfinite().all()
        assert all(value.isfinite().all() for value in state.values())
    assert method.predict(outputs).isfinite().all()


def peaked(method, best, classes, size):
    """Outputs ``(networks, N, columns)`` of ``size`` at the class ``best``, in each head."""
    rows = torch.eye(classes)[best].repeat(1, 2)[:, : method.columns(classes)]
    return size * rows.expand(method.networks, -1, -1)


def edges(method):
    """Yield the name of each edge, and a training set, outputs on it and rows of a batch."""
    best = torch.arange(N)
    for classes, rows, size in product((2, C), (1, 2, B), (1e4, -1e4, 0.0)):
        training = task(classes=classes)._replace(label=best % (classes - 1))
        name = f"logits of {size:g}, {rows} rows, {classes} classes of which the last has no label"
        yield name, training, peaked(method, best % classes, classes, size), rows
    training, outputs = task(), outputs_of(method)
    for off, size in product((0, 1), (1.0, 1e4)):
        name = f"logits of {size:g} that agree with {'no' if off else 'every'} label"
        yield name, training, peaked(method, (training.label + off) % C, C, size), B
    yield "networks and classes at random ends", training, 1e4 * outputs.sign(), B
    without = training._replace(rate=0.0, transition=torch.eye(C))
    yield "noise of rate 0 and a matrix without noise", without, outputs, B
    yield "one label for all", training._replace(label=torch.full((N,), 2)), outputs, B


@every_method
def test_every_edge_of_what_a_method_is_given(name):
    method = METHODS[name]()
    for edge, *given in edges(method):
        with case(edge):
            stays_finite(method, *given)


@every_method
def test_every_field_at_both_ends_of_its_range(name):
    training = task()
    for field in METHODS[name].fields():
        if field.name.startswith("lr"):  # a huge learning rate diverges, and should
            continue
        for value in legal(field):
            method = replace(METHODS[name](), **{field.name: value})
            for size, outputs in enumerate((outputs_of(method), 1e4 * outputs_of(method).sign())):
                with case(f"{field.key}={value!r},", "huge logits" if size else "plain logits"):
                    stays_finite(method, training, outputs)
