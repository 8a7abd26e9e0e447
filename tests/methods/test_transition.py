"""Methods that know or estimate a transition matrix against loops from their papers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.contract.samples import (
    EPOCHS,
    B,
    C,
    N,
    batch_of,
    logits_of,
    outputs_of,
    started,
    task,
)
from methods import METHODS, Batch
from methods.parts.adam import adam, adam_state
from methods.parts.transition import anchor_transition, clean_posterior, dual_transition
from tests.agreement import same
from tests.methods.visits import EPOCH, agrees, holds, visits
from tests.oracles import corrections
from tests.oracles import methods as oracles

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

START = torch.tensor(3)  # a fifth of 13 epochs
T = torch.tensor(
    [[0.7, 0.1, 0.15, 0.05], [0.0, 0.8, 0.2, 0.0], [0.05, 0.25, 0.6, 0.1], [0.3, 0.0, 0.15, 0.55]],
    dtype=torch.float64,
)


def refitted(spec, outputs):
    """A state at the start of training proper."""
    method = METHODS.build(spec)
    return method.refit(outputs, started(method, task()), START)


CORRECTED = {
    "forward": lambda matrix: lambda rows, labels: oracles.forward(rows, labels, matrix),
    "backward": lambda matrix: lambda rows, labels: corrections.backward(rows, labels, matrix),
}


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_a_correction_with_the_given_matrix_against_the_loop(name):
    spec, transition = f"{name}(source='given')", task().transition
    assert METHODS.build(spec).privileges == ("T",)
    assert METHODS[name]().privileges == ()
    assert len(METHODS.build(spec).stages(EPOCHS)) == 1
    state = started(METHODS.build(spec), task())
    same(state["transition"], transition)
    if name == "backward":
        same(state["inverse"], torch.tensor(corrections.inverse(transition.tolist())))
    agrees(spec, CORRECTED[name](transition.tolist()), state=state)


@pytest.mark.parametrize(("name", "passed_over"), [("forward", 4), ("backward", 1)])
def test_a_correction_is_cross_entropy_before_it_estimates_and_the_loop_afterwards(
    name, passed_over
):
    method = METHODS[name](anchor_quantile=1 - passed_over / 40)
    outputs = 3 * outputs_of(method)
    assert [tuple(stage)[:2] for stage in method.stages(EPOCHS)] == [(3, False), (10, True)]
    agrees(name, oracles.cross_entropy, torch.tensor(1))
    state = method.refit(outputs, started(method, task()), START)
    posterior = [oracles.softmax(row) for row in outputs[0].tolist()]
    transition = oracles.anchor_transition(posterior, passed_over)
    same(state["transition"], torch.tensor(transition))
    agrees(name, CORRECTED[name](transition), START, state)
    same(method.refit(outputs.flip(1), state, torch.tensor(4)), state)


def test_a_label_that_the_matrix_calls_impossible_is_finite():
    logits = torch.zeros(1, 2, requires_grad=True)
    batch = Batch(torch.zeros(1, dtype=torch.long), torch.tensor([1]))
    state = {"transition": torch.tensor([[1.0, 0.0], [1.0, 0.0]])}
    loss, _ = METHODS.build("forward(source='given')").loss(logits, batch, state, EPOCH)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_the_mean_of_backward_over_the_noise_is_the_clean_loss():
    method, training = METHODS.build("backward(source='given')"), task()
    state, logits = started(method, training), logits_of(method, 1)
    each = []
    for y in range(C):
        batch = batch_of(training, size=1)._replace(label=torch.tensor([y]))
        each.append(method.losses(logits, batch, state, EPOCH)[0])
    same(training.transition @ torch.cat(each), -logits.log_softmax(-1)[0])


def test_dual_t_against_the_loop_and_against_others_with_its_estimator():
    outputs = 2 * outputs_of(METHODS["dual_t"]())
    outputs[..., 2] -= 20  # class 2 is never predicted
    posterior, labels = outputs[0].softmax(-1), task().label
    expected = corrections.dual_transition(posterior.tolist(), labels.tolist(), 1)
    others = [f"{name}(estimator='dual')" for name in ("forward", "backward", "reweighting")]
    for spec in ("dual_t", *others):
        same(refitted(spec, outputs)["transition"], torch.tensor(expected))
    agrees("dual_t", CORRECTED["forward"](expected), START, refitted("dual_t", outputs))
    agrees("dual_t", oracles.cross_entropy, torch.tensor(1))


def test_hard_predictions_leave_dual_t_the_counts_alone():
    predicted = torch.arange(60) % C
    label = torch.where(torch.arange(60) % 7 == 0, (predicted + 1) % C, predicted)
    matrix = dual_transition(torch.eye(C)[predicted], label, 1.0)
    for i in range(C):
        mine = label[predicted == i]
        same(matrix[i], torch.bincount(mine, minlength=C) / len(mine))


def test_reweighting_against_the_loop_before_and_after_its_weights_are_estimated():
    agrees("reweighting", oracles.cross_entropy, torch.tensor(1))
    state = refitted("reweighting", outputs_of(METHODS["reweighting"]()))
    assert len({round(w, 6) for w in state["weight"].tolist()}) > N / 2
    for rows, batch, loss, gradient, after in visits("reweighting", START, state):
        own = state["weight"][batch.ids].tolist()
        holds(rows, loss, gradient, oracles.reweighting, batch.label.tolist(), own)
        same(after, state)


def test_reweighting_estimates_its_weights_once_when_the_warmup_ends():
    method = METHODS.build("reweighting(warmup=0.5)")
    assert [tuple(stage)[:2] for stage in method.stages(EPOCHS)] == [(6, False), (7, True)]
    state = method.init(task())
    for epoch in range(1, EPOCHS):
        before = state["weight"]
        state = method.refit(outputs_of(method, seed=epoch), state, torch.tensor(epoch))
        assert torch.equal(before, state["weight"]) == (epoch != 6)


def test_reweighting_always_leaves_an_epoch_for_each_stage():
    for warmup in (0.01, 0.2, 0.5, 0.99):
        for epochs in range(2, 51):
            first, second = METHODS["reweighting"](warmup=warmup).stages(epochs)
            assert first.epochs + second.epochs == epochs
            assert first.epochs == min(max(round(warmup * epochs), 1), epochs - 1)
            assert (first.fresh_networks, second.fresh_networks) == (False, True)


def test_the_weights_of_reweighting_are_those_of_bayes():
    rng = torch.Generator().manual_seed(11)
    clean = torch.cat([torch.eye(C), torch.rand(N - C, C, generator=rng)])
    clean = clean / clean.sum(-1, keepdim=True)
    matrix = 0.6 * torch.eye(C) + 0.4 * torch.rand(C, C, generator=rng)
    matrix = matrix / matrix.sum(-1, keepdim=True)
    state = refitted("reweighting(anchor_quantile=1.0)", noisy(clean, matrix).log()[None])
    expected = [
        oracles.bayes_weight(row, matrix.tolist(), y)
        for row, y in zip(clean.tolist(), task().label.tolist(), strict=True)
    ]
    same(state["weight"], torch.tensor(expected), atol=1e-9, rtol=1e-9)


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
    agrees("t_revision", oracles.cross_entropy, torch.tensor(1))
    estimate = state["estimate"].tolist()
    for rows, batch, loss, gradient, after in visits("t_revision", torch.tensor(5), state):
        labels = batch.label.tolist()
        weights = corrections.importance(rows, labels, estimate)
        holds(rows, loss, gradient, corrections.reweighted, labels, weights)
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
        further = logits.tolist(), labels, state["estimate"].tolist()
        holds(
            leaf.tolist(), loss.item(), slope, corrections.revised, *further, atol=1e-8, rtol=1e-6
        )
        param.grad = slope
        optimizer.step()
        param.data = torch.maximum(param.data, -state["estimate"])
        after = {name: value.detach() for name, value in after.items()}
        state = method.learn(after, {"correction": slope}, torch.tensor(9))
        same(state["correction"], param.detach())
        both = (state["estimate"] + state["correction"]).tolist()
        same(state["transition"], torch.tensor(corrections.scaled(both)), atol=1e-12, rtol=0)
        assert state["correction_steps"] == visit + 1


def test_t_revision_learns_in_its_last_stage_alone():
    method, state, _ = revised()
    slopes = {"correction": torch.ones(C, C)}
    for epoch in (0, 3, 7):
        same(method.learn(state, slopes, torch.tensor(epoch)), state)
    assert method.learn(state, slopes, torch.tensor(8))["correction"].lt(0).any()


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
        holds(rows, loss, gradient, corrections.volminnet, labels, fixed, 0.3)

        def paper(moved, rows=rows, labels=labels):
            return oracles.mean(corrections.volminnet(rows, labels, moved, 0.3))

        slope = oracles.slope(paper, fixed)
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


# ------------------------------------------------------------ estimating from anchors, and undoing


def posterior(examples=101, sharpness=1.0):
    """A distribution per example, strictly inside the simplex."""
    rng = torch.Generator().manual_seed(5)
    logits = torch.randn(examples, 4, generator=rng)
    return (sharpness * logits).softmax(-1)


def anchored(copies):
    """Clean posteriors that end with ``copies`` anchors of every class."""
    anchors = torch.eye(4).repeat(copies, 1)
    return torch.cat([posterior(), anchors])


def noisy(clean, matrix):
    return torch.tensor(oracles.noisy_posterior(clean.tolist(), matrix.tolist()))


def test_anchors_give_the_matrix_back():
    same(anchor_transition(noisy(anchored(1), T), 1.0), T)


def test_the_quantile_passes_over_outliers():
    outliers = 3  # per class, of 129 examples in all: 0.97 passes over 4
    surest = 0.98 * torch.eye(4) + 0.005
    observed = torch.cat([surest.repeat(outliers, 1), noisy(anchored(4), T)])
    assert len(observed) == 129
    same(anchor_transition(observed, 1.0), surest)
    same(anchor_transition(observed, 0.97), T)


@pytest.mark.parametrize(("quantile", "passed_over"), [(1.0, 0), (0.97, 3), (0.5, 50), (0.0, 100)])
def test_anchors_against_the_loop(quantile, passed_over):
    seen = posterior(sharpness=3.0)
    expected = oracles.anchor_transition(seen.tolist(), passed_over)
    same(anchor_transition(seen, quantile), torch.tensor(expected))


def test_one_example_is_every_anchor():
    seen = posterior(examples=1)
    same(anchor_transition(seen, 0.97), seen.expand(4, 4))


def test_undoing_the_noise_gives_the_clean_posterior_back():
    clean = anchored(2)
    same(clean_posterior(noisy(clean, T), T), clean, atol=1e-12, rtol=0)


def test_undoing_no_noise_changes_nothing():
    seen = posterior()
    same(clean_posterior(seen, torch.eye(4)), seen)


def test_a_solution_outside_the_simplex_is_cut_back_to_it():
    clean = clean_posterior(torch.eye(4), T)
    raw = torch.linalg.inv(T)
    assert (raw < 0).any(dim=-1).all()
    for row, unbounded in zip(clean.tolist(), raw.tolist(), strict=True):
        positive = [max(value, 0.0) for value in unbounded]
        assert row == pytest.approx([value / sum(positive) for value in positive])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(2, 6), st.integers(0, 10_000), st.booleans())
def test_the_clean_posterior_stays_on_the_simplex(classes, seed, tied):
    """Whatever was estimated; with ``tied`` two classes share an anchor and T is singular."""
    rng = torch.Generator().manual_seed(seed)
    seen = (3 * torch.randn(7, classes, generator=rng)).softmax(-1)
    table = (3 * torch.randn(classes, classes, generator=rng)).softmax(-1)
    if tied:
        table[0] = table[-1]
    clean = clean_posterior(seen, table)
    assert clean.isfinite().all()
    assert clean.ge(0).all()
    same(clean.sum(-1), torch.ones(7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_matrix_that_forgets_the_class_gives_finite_numbers(dtype):
    for table in (torch.full((4, 4), 1 / 4, dtype=dtype), T[[0, 0, 0, 0]].to(dtype)):
        clean = clean_posterior(posterior().to(dtype), table)
        assert clean.isfinite().all()
        same(clean.sum(-1), torch.ones(101, dtype=dtype))
        same(clean, clean[:1].expand(101, 4))
