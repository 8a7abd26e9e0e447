"""Three steps of a method, to hold against a loop from its paper."""

import pytest
import torch

from benchmarks.contract.samples import B, batch_of, led_up, logits_of, started, step, task
from methods import METHODS
from tests.agreement import same
from tests.oracles import methods as oracles

EPOCH = torch.tensor(4)


def visits(spec, epoch=EPOCH, state=None):
    """Yield three consecutive steps on overlapping batches: all in and out of each."""
    method, training = METHODS.build(spec), task()
    state = started(method, training) if state is None else state
    for visit in range(3):
        batch = batch_of(training, visit, size=B + 15 * visit)
        _, batch, state = led_up(method, training, batch, state, epoch)
        logits = logits_of(method, len(batch.ids), seed=visit).requires_grad_()
        loss, state = step(method, logits, batch, state, epoch)
        (gradient,) = torch.autograd.grad(loss, logits)
        yield logits.tolist(), batch, loss.item(), gradient, state


def holds(rows, loss, gradient, oracle, *args, rel=1e-12, atol=1e-9, rtol=1e-7):
    """Compare a step's loss and gradient with a loop over its logits and further arguments."""

    def paper(moved):
        value = oracle(moved, *args)
        return oracles.mean(value) if isinstance(value, list) else value

    assert loss == pytest.approx(paper(rows), rel=rel)
    same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=atol, rtol=rtol)


def agrees(spec, oracle, epoch=EPOCH, state=None):
    """Compare three steps of a method whose state stays with a loop over rows and labels."""
    before = started(METHODS.build(spec), task()) if state is None else state
    for rows, batch, loss, gradient, after in visits(spec, epoch, state):
        labels = batch.label.tolist()
        assert loss == pytest.approx(oracles.mean(oracle(rows, labels)), rel=1e-12)
        slopes = [  # a loss sees its own row alone
            oracles.slope(lambda one, y=y: oracle([one], [y])[0], row)
            for row, y in zip(rows, labels, strict=True)
        ]
        same(gradient * len(rows), torch.tensor(slopes), atol=1e-9, rtol=1e-7)
        same(after, before)
