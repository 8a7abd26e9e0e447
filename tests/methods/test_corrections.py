"""Backward correction, Dual-T, T-Revision and VolMinNet against loops from their papers."""

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, B, C, batch_of, logits_of, outputs_of, started, task
from methods import METHODS
from methods.parts.adam import adam, adam_state
from methods.parts.transition import anchor_transition, dual_transition
from tests.agreement import same
from tests.methods.visits import EPOCH, visits
from tests.oracles import corrections
from tests.oracles import methods as oracles

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

START = torch.tensor(3)  # a fifth of 13 epochs


def holds(spec, epoch, state, oracle):
    """Hold three steps of a method whose state stays against a loop over rows and labels."""
    for rows, batch, loss, gradient, after in visits(spec, epoch, state):
        labels = batch.label.tolist()

        def paper(moved, labels=labels):
            return oracles.mean(oracle(moved, labels))

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-8, rtol=1e-6)
        if state is not None:
            same(after, state)


def test_backward_with_the_given_matrix_against_the_loop():
    spec, transition = "backward(source='given')", task().transition
    assert METHODS.build(spec).privileges == ("T",)
    assert METHODS["backward"]().privileges == ()
    assert len(METHODS.build(spec).stages(EPOCHS)) == 1
    state = started(METHODS.build(spec), task())
    same(state["inverse"], torch.tensor(corrections.inverse(transition.tolist())))
    holds(spec, EPOCH, state, lambda r, y: corrections.backward(r, y, transition.tolist()))


def test_backward_is_cross_entropy_before_it_estimates_and_the_loop_afterwards():
    method = METHODS["backward"]()
    assert [tuple(stage)[:2] for stage in method.stages(EPOCHS)] == [(3, False), (10, True)]
    holds("backward", torch.tensor(1), None, oracles.cross_entropy)
    outputs = 3 * outputs_of(method)
    state = method.refit(outputs, started(method, task()), START)
    same(state["transition"], anchor_transition(outputs[0].softmax(-1), 0.97))
    transition = state["transition"].tolist()
    holds("backward", START, state, lambda r, y: corrections.backward(r, y, transition))
    later = method.refit(outputs.flip(1), state, torch.tensor(4))
    same(later, state)


def test_the_mean_of_backward_over_the_noise_is_the_clean_loss():
    method, training = METHODS.build("backward(source='given')"), task()
    state, logits = started(method, training), logits_of(method, 1)
    each = []
    for y in range(C):
        batch = batch_of(training, size=1)._replace(label=torch.tensor([y]))
        each.append(method.losses(logits, batch, state, EPOCH)[0])
    same(training.transition @ torch.cat(each), -logits.log_softmax(-1)[0])


def test_dual_t_against_the_loop_and_against_forward_with_its_estimator():
    method, training = METHODS["dual_t"](), task()
    outputs = 2 * outputs_of(method)
    outputs[..., 2] -= 20  # class 2 is never predicted
    posterior, labels = outputs[0].softmax(-1), training.label
    expected = corrections.dual_transition(posterior.tolist(), labels.tolist(), 1)
    for spec in ("dual_t", "forward(estimator='dual')", "backward(estimator='dual')"):
        other = METHODS.build(spec)
        state = other.refit(outputs, started(other, training), START)
        same(state["transition"], torch.tensor(expected))
    reweighted = METHODS.build("reweighting(estimator='dual')")
    state = reweighted.refit(outputs, started(reweighted, training), START)
    same(state["transition"], torch.tensor(expected))
    state = method.refit(outputs, started(method, training), START)
    holds("dual_t", START, state, lambda r, y: oracles.forward(r, y, expected))
    holds("dual_t", torch.tensor(1), None, oracles.cross_entropy)


def test_hard_predictions_leave_dual_t_the_counts_alone():
    predicted = torch.arange(60) % C
    label = torch.where(torch.arange(60) % 7 == 0, (predicted + 1) % C, predicted)
    matrix = dual_transition(torch.eye(C)[predicted], label, 1.0)
    for i in range(C):
        mine = label[predicted == i]
        same(matrix[i], torch.bincount(mine, minlength=C) / len(mine))


def revised():
    """T-Revision at the start of its last stage, with a correction that is not 0."""
    method = METHODS.build("t_revision(lr=0.01)")
    state = started(method, task())
    state = method.refit(2 * outputs_of(method), state, START)
    nudge = 0.5 * torch.rand(C, C, generator=torch.Generator().manual_seed(8)) * state["estimate"]
    return method, state, nudge


def test_t_revision_weighs_by_the_identity_then_by_the_estimate():
    method, state, _ = revised()
    assert [stage.epochs for stage in method.stages(EPOCHS)] == [3, 5, 5]
    assert [stage.epochs for stage in method.stages(2)] == [1, 1]
    assert state["revise"] == 8
    holds("t_revision", torch.tensor(1), None, oracles.cross_entropy)
    estimate = state["estimate"].tolist()
    for rows, batch, loss, gradient, after in visits("t_revision", torch.tensor(5), state):
        labels = batch.label.tolist()
        weights = corrections.importance(rows, labels, estimate)
        assert loss == pytest.approx(corrections.reweighted(rows, labels, weights), rel=1e-12)
        slope = oracles.slope(
            lambda moved, y=labels, w=weights: corrections.reweighted(moved, y, w), rows
        )
        same(gradient, torch.tensor(slope), atol=1e-8, rtol=1e-6)
        same(after, state)


def test_t_revision_learns_its_correction_as_adam_does():
    method, state, nudge = revised()
    state = {**state, "correction": nudge}
    param = nudge.clone().requires_grad_()
    optimizer = torch.optim.Adam([param], 0.01)
    for visit in range(3):
        batch = batch_of(task(), visit, size=B + 15 * visit)
        logits, labels = logits_of(method, len(batch.ids), seed=visit), batch.label.tolist()
        leaf = state["correction"].clone().requires_grad_()
        loss, after = method.loss(logits, batch, {**state, "correction": leaf}, torch.tensor(9))
        (slope,) = torch.autograd.grad(loss, leaf)

        rows, base = logits.tolist(), state["estimate"].tolist()

        def paper(moved, rows=rows, labels=labels, base=base):
            both = [
                [a + b for a, b in zip(*pair, strict=True)]
                for pair in zip(base, moved, strict=True)
            ]
            weights = corrections.importance(rows, labels, corrections.scaled(both))
            return corrections.reweighted(rows, labels, weights)

        assert loss.item() == pytest.approx(paper(leaf.tolist()), rel=1e-12)
        expected = torch.tensor(oracles.slope(paper, leaf.tolist()))
        same(slope, expected, atol=1e-8, rtol=1e-6)
        param.grad = slope
        optimizer.step()
        param.data = torch.maximum(param.data, -state["estimate"])
        after = {name: value.detach() for name, value in after.items()}
        state = method.learn(after, {"correction": slope}, torch.tensor(9))
        same(state["correction"], param.detach())
        both = (state["estimate"] + state["correction"]).tolist()
        same(state["transition"], torch.tensor(corrections.scaled(both)), atol=1e-12, rtol=0)
        assert state["correction_steps"] == visit + 1


def test_volminnet_against_the_loop():
    state = started(METHODS["volminnet"](), task())
    rng = torch.Generator().manual_seed(4)
    state |= adam_state("free", torch.randn(C, C, generator=rng) - 1)
    param = state["free"].clone().requires_grad_()
    optimizer = torch.optim.Adam([param], 0.05)
    spec = "volminnet(weight=0.3, lr=0.05)"
    free = state["free"]
    for rows, batch, loss, gradient, after in visits(spec, EPOCH, state):
        labels, fixed = batch.label.tolist(), free.tolist()

        def paper(moved, w=fixed, labels=labels):
            return oracles.mean(corrections.volminnet(moved, labels, w, 0.3))

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-8, rtol=1e-6)
        slope = oracles.slope(lambda w, rows=rows, paper=paper: paper(rows, w), fixed)
        param.grad = torch.tensor(slope).fill_diagonal_(0)
        optimizer.step()
        same(after["free"], param.detach(), atol=1e-7, rtol=0)
        free = after["free"]
        expected = corrections.learnt_transition(free.tolist())
        same(after["transition"], torch.tensor(expected))


@pytest.mark.parametrize(("classes", "free"), [(10, -2.0), (100, -4.5)])
def test_volminnet_starts_near_the_papers_matrix_for_any_number_of_classes(classes, free):
    label = torch.arange(2 * classes) % classes
    state = METHODS["volminnet"]().init(task()._replace(label=label, num_classes=classes))
    same(state["transition"].diagonal(), torch.full((classes,), 0.48))
    assert state["free"][0, 1].item() == pytest.approx(free, abs=0.02)
    assert METHODS.build("volminnet(diagonal=0.01)").init(task())["free"].isfinite().all()


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_adam_against_torch(decay):
    rng = torch.Generator().manual_seed(0)
    value = torch.randn(4, 3, generator=rng)
    param, state = value.clone().requires_grad_(), adam_state("x", value)
    optimizer = torch.optim.Adam([param], 0.03, weight_decay=decay)
    for _ in range(5):
        param.grad = torch.randn(4, 3, generator=rng)
        state = adam(state, "x", param.grad, 0.03, decay)
        optimizer.step()
        same(state["x"], param.detach(), rtol=1e-12, atol=1e-12)


def test_t_revision_learns_in_its_last_stage_alone():
    method, state, _ = revised()
    slopes = {"correction": torch.ones(C, C)}
    for epoch in (0, 3, 7):
        same(method.learn(state, slopes, torch.tensor(epoch)), state)
    assert method.learn(state, slopes, torch.tensor(8))["correction"].lt(0).any()
