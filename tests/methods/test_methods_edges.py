"""Every method at the edge of what it can be given: loss, gradient and state stay finite."""

from dataclasses import replace

import pytest
import torch

from benchmarks.contract.samples import (
    B,
    C,
    N,
    batch_of,
    led_up,
    outputs_of,
    start_of_training_proper,
    started,
    step,
    task,
)
from benchmarks.engine.step import squeezed
from methods import METHODS
from tests.spec_inputs import legal

every_method = pytest.mark.parametrize("name", METHODS)
FIELDS = [
    (name, field)
    for name in METHODS
    for field in METHODS[name].fields()
    if not field.name.startswith("lr")  # a huge learning rate diverges, and should
]


def stays_finite(method, training, outputs, rows=B):
    """Refit on these outputs and step on them, at the start, in training proper and late."""
    state = started(method, training)
    for epoch in (0, start_of_training_proper(method), 12):
        state = method.refit(outputs, state, torch.tensor(epoch))
        batch = batch_of(training, epoch, rows)
        _, batch, state = led_up(method, training, batch, state, torch.tensor(epoch))
        logits = outputs[:, None, batch.ids].expand(-1, method.views, -1, -1)
        logits = squeezed(logits).clone().requires_grad_()
        loss, state = step(method, logits, batch, state, torch.tensor(epoch))
        (slope,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite()
        assert slope.isfinite().all()
        assert all(value.isfinite().all() for value in state.values())
    assert method.predict(outputs).isfinite().all()


def peaked(method, best, classes, size):
    """Outputs ``(networks, N, C)`` of ``size`` at the class ``best`` and 0 elsewhere."""
    return size * torch.eye(classes)[best].expand(method.networks, -1, -1)


@pytest.mark.parametrize("size", [1e4, -1e4, 0.0])
@pytest.mark.parametrize("rows", [1, 2, B])
@pytest.mark.parametrize("classes", [2, C])
@every_method
def test_huge_logits_tiny_batches_two_classes_and_a_class_without_labels(name, classes, rows, size):
    method = METHODS[name]()
    training = task(classes=classes)._replace(label=torch.arange(N) % (classes - 1))
    outputs = peaked(method, torch.arange(N) % classes, classes, size)
    stays_finite(method, training, outputs, rows)


@pytest.mark.parametrize("size", [1.0, 1e4])
@pytest.mark.parametrize("off", [0, 1], ids=["all right", "all wrong"])
@every_method
def test_a_network_that_agrees_with_every_label_or_with_none(name, off, size):
    method, training = METHODS[name](), task()
    stays_finite(method, training, peaked(method, (training.label + off) % C, C, size))


@every_method
def test_networks_views_and_classes_at_random_ends(name):
    method = METHODS[name]()
    stays_finite(method, task(), 1e4 * outputs_of(method).sign())


@every_method
def test_noise_of_rate_0_and_a_matrix_without_noise(name):
    method = METHODS[name]()
    training = task()._replace(rate=0.0, transition=torch.eye(C))
    stays_finite(method, training, outputs_of(method))


@every_method
def test_one_label_for_all(name):
    method = METHODS[name]()
    training = task()._replace(label=torch.full((N,), 2))
    stays_finite(method, training, outputs_of(method))


@pytest.mark.parametrize(
    ("name", "field"), FIELDS, ids=[f"{name}.{field.key}" for name, field in FIELDS]
)
def test_every_field_at_both_ends_of_its_range(name, field):
    for value in legal(field):
        method = replace(METHODS[name](), **{field.name: value})
        for outputs in (outputs_of(method), 1e4 * outputs_of(method).sign()):
            stays_finite(method, task(), outputs)
