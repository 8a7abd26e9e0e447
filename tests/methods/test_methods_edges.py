"""Every method at the edge of what it can be given: loss, gradient and state stay finite."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from benchmarks.contract.samples import (
    B,
    C,
    N,
    batch_of,
    drop_single_axes,
    led_up,
    outputs_of,
    start_of_training_proper,
    started,
    step,
    task,
)
from methods import METHODS
from tests.agreement import case
from tests.spec_inputs import legal

every_method = pytest.mark.parametrize("name", METHODS)


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
    """Outputs ``(networks, N, C)`` of ``size`` at the class ``best`` and 0 elsewhere."""
    return size * torch.eye(classes)[best].expand(method.networks, -1, -1)


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
