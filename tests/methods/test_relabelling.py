"""AdaCorr, joint optimisation, retraining and argmax agreement against loops from their papers."""

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, B, C, N, batch_of, logits_of, outputs_of, task
from methods import METHODS
from tests.agreement import same
from tests.methods.visits import holds, visits
from tests.oracles import relabelling, selection

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


def epochs_of(method, state, note):
    """Train all epochs on batches of random logits, and yield what each step saw and gave."""
    training = task()
    for epoch in range(EPOCHS):
        if epoch:
            state = method.refit(outputs_of(method), state, torch.tensor(epoch))
        for visit in range(3):
            batch = batch_of(training, 7 * epoch + visit, size=B + visit)
            logits = logits_of(method, len(batch.ids), seed=epoch + visit).requires_grad_()
            loss, after = method.loss(logits, batch, state, torch.tensor(epoch))
            (gradient,) = torch.autograd.grad(loss, logits)
            yield epoch, batch.ids.tolist(), logits.tolist(), (loss.item(), gradient), state
            state = after
        note(epoch)


def test_adacorr_against_the_loop_over_a_whole_training():
    spec = "adacorr(correct=0.38, window=0.23, retain=0.15, renew=0.3, growth=2.6, rho=0.8)"
    method, start, first, again = METHODS.build(spec), 5, 2, 6
    labels = task().label.tolist()
    anchors, recent, flips = list(labels), relabelling.Recent(3), []

    def ended(epoch):
        if epoch + 1 in {first, again}:
            anchors[:] = labels
        if epoch >= start:
            delta = 1.2 + 2.6 * (epoch - start + 1) / EPOCHS
            new = [relabelling.tested(recent.mean(i, C), y, delta) for i, y in enumerate(labels)]
            flips.append(sum(a != b for a, b in zip(labels, new, strict=True)))
            labels[:] = new

    for epoch, ids, rows, step, state in epochs_of(method, method.init(task()), ended):
        assert state["label"].tolist() == labels
        own = [[values[i] for i in ids] for values in (labels, anchors)]
        holds(rows, *step, relabelling.adacorr, *own, epoch >= first, 0.8)
        for i, row in zip(ids, rows, strict=True):
            recent.note(i, epoch, row)
    assert flips[0] > 3
    assert anchors != labels


def test_joint_optimisation_against_the_loop_over_a_whole_training():
    spec = "joint_optimization(alpha=1.2, beta=0.8, first=0.7, begin=0.3, window=0.15)"
    method, begin, second = METHODS.build(spec), 4, 9
    assert [tuple(stage)[:2] for stage in method.stages(EPOCHS)] == [(9, False), (4, True)]
    assert [stage.recipe for stage in method.stages(EPOCHS)] == [{"schedule": "constant"}, {}]
    targets = [[float(k == y) for k in range(C)] for y in task().label.tolist()]
    recent = relabelling.Recent(2)

    def ended(epoch):
        if begin <= epoch + 1 <= second:
            targets[:] = [recent.mean(i, C) for i in range(N)]

    for epoch, ids, rows, step, state in epochs_of(method, method.init(task()), ended):
        same(state["target"], torch.tensor(targets))
        own = [targets[i] for i in ids]
        weights = (1.2, 0.8) if epoch < second else (0.0, 0.0)
        holds(rows, *step, relabelling.joint_optimization, own, *weights, rtol=1e-6)
        for i, row in zip(ids, rows, strict=True):
            recent.note(i, epoch, row)


@pytest.mark.parametrize("kind", ["consensus", "full"])
def test_retraining_fits_what_the_first_network_predicts(kind):
    method, given = METHODS.build(f"retraining(labels='{kind}')"), task().label
    first, second = method.stages(EPOCHS)
    assert (first.epochs, second.epochs, second.fresh_networks) == (6, 7, True)
    outputs, state = outputs_of(method), method.init(task())
    predicted = [row.index(max(row)) for row in outputs[0].tolist()]
    same(method.refit(outputs, state, torch.tensor(5)), state)
    state = method.refit(outputs, state, torch.tensor(6))
    kept = [kind == "full" or a == b for a, b in zip(predicted, given.tolist(), strict=True)]
    assert state["kept"].tolist() == kept
    assert sum(kept) > 0
    for rows, batch, loss, gradient, after in visits(f"retraining(labels='{kind}')", state=state):
        ids = batch.ids.tolist()
        own = [predicted[i] for i in ids], [kept[i] for i in ids]
        holds(rows, loss, gradient, selection.mean_over, *own)
        same(method.refit(outputs.flip(1), after, torch.tensor(7)), state)


def test_argmax_agreement_keeps_what_is_predicted_after_its_warm_up():
    method, given = METHODS.build("argmax_agreement(warmup=0.31)"), task().label
    outputs, state = outputs_of(method), method.init(task())
    assert method.refit(outputs, state, torch.tensor(3))["kept"].all()
    state = method.refit(outputs, state, torch.tensor(4))
    predicted = [row.index(max(row)) for row in outputs[0].tolist()]
    kept = [a == b for a, b in zip(predicted, given.tolist(), strict=True)]
    assert state["kept"].tolist() == kept
    for rows, batch, loss, gradient, after in visits("argmax_agreement", state=state):
        own = batch.label.tolist(), [kept[i] for i in batch.ids.tolist()]
        holds(rows, loss, gradient, selection.mean_over, *own)
        same(after, state)
