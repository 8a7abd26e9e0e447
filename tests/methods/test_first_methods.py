"""The methods of the default suite against loops from their papers."""

import math

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, C, N, logits_of, outputs_of, task
from methods import METHODS, Batch, Task
from tests.agreement import same
from tests.methods.visits import EPOCH, agrees, visits
from tests.oracles import methods as oracles

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

SMOOTHINGS = [0.3, 0.0, 1.0, -2.0]


def plain(batch):
    return batch.ids.tolist(), batch.label.tolist()


def test_the_batches_of_the_three_visits_overlap():
    seen = [set(batch.ids.tolist()) for _, batch, *_ in visits("elr")]
    assert all(a & b for a, b in ((seen[0], seen[1]), (seen[1], seen[2]), (seen[0], seen[2])))
    assert seen[0] - seen[1]


def test_cross_entropy_against_the_loop():
    agrees("cross_entropy", oracles.cross_entropy)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_label_smoothing_against_the_loop(smoothing):
    agrees(
        f"label_smoothing(smoothing={smoothing})",
        lambda rows, labels: oracles.label_smoothing(rows, labels, smoothing),
    )


@pytest.mark.parametrize("q", [0.7, 0.01, 1.0])
def test_gce_against_the_loop(q):
    agrees(f"gce(q={q})", lambda rows, labels: oracles.gce(rows, labels, q))


def test_elr_against_the_loop_over_three_overlapping_visits():
    targets = {}
    for rows, batch, loss, gradient, state in visits("elr(beta=0.6, weight=2.5)"):
        ids, labels = plain(batch)
        targets = oracles.elr_targets(rows, ids, targets, 0.6)
        own = [targets[i] for i in ids]

        def paper(moved, own=own, labels=labels):
            return oracles.mean(oracles.elr(moved, labels, own, 2.5))

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-9, rtol=1e-7)
        expected = [targets.get(i, [0.0] * C) for i in range(N)]
        same(state["target"], torch.tensor(expected), atol=1e-14, rtol=0)


def test_elr_clips_confident_predictions_and_stays_finite():
    method = METHODS.build("elr(beta=0.0, weight=1.5)")
    rows, labels = [[40.0, 0.0, -3.0], [0.0, 25.0, 30.0]], [1, 2]
    batch, state = Batch(torch.tensor([3, 0]), torch.tensor(labels)), {"target": torch.zeros(4, 3)}
    loss, after = method.loss(torch.tensor(rows), batch, state, EPOCH)
    targets = oracles.elr_targets(rows, [3, 0], {}, 0.0)
    own = [targets[3], targets[0]]
    assert loss.item() == pytest.approx(oracles.mean(oracles.elr(rows, labels, own, 1.5)))
    same(after["target"][[3, 0]], torch.tensor(own))


@pytest.mark.parametrize(
    ("ramp", "epoch", "kept"),
    [(10, 0, 23), (10, 5, 18), (10, 10, 14), (10, 99, 14), (0, 0, 14), (1, 0, 23), (1, 1, 14)],
)
def test_co_teaching_against_the_loop(ramp, epoch, kept):
    assert oracles.kept(23, 0.4, ramp, epoch) == kept
    spec = f"co_teaching(forget_rate=0.4, ramp={ramp})"
    for nets, batch, loss, gradient, state in visits(spec, torch.tensor(epoch)):
        labels = batch.label.tolist()
        count = oracles.kept(len(labels), 0.4, ramp, epoch)
        assert loss == pytest.approx(oracles.co_teaching(nets, labels, count), rel=1e-12)
        for learner in (0, 1):
            taught = oracles.easiest(nets[1 - learner], labels, count)
            own = oracles.easiest(nets[learner], labels, count)
            assert count == len(labels) or set(taught) != set(own)
            untaught = [i for i in range(len(labels)) if i not in taught]
            assert not gradient[learner, untaught].any()
            assert gradient[learner, taught].abs().sum(-1).gt(0).all()

            def paper(moved, taught=taught, labels=labels, count=count):
                losses = oracles.cross_entropy(moved, labels)
                return sum(losses[i] for i in taught) / count

            slope = torch.tensor(oracles.slope(paper, nets[learner]))
            same(gradient[learner], slope, atol=1e-9, rtol=1e-7)
            visited = state["kept"][learner, batch.ids].nonzero().squeeze(1).tolist()
            assert visited == sorted(taught)


def test_co_teaching_that_forgets_all_keeps_one():
    for nets, batch, loss, gradient, _ in visits("co_teaching(forget_rate=1.0)", torch.tensor(50)):
        assert loss == pytest.approx(oracles.co_teaching(nets, batch.label.tolist(), 1))
        assert (gradient.abs().sum(-1) > 0).sum(-1).tolist() == [1, 1]


def test_reweighting_is_cross_entropy_until_its_weights_are_estimated():
    for rows, batch, loss, _, state in visits("reweighting"):
        expected = oracles.mean(oracles.cross_entropy(rows, batch.label.tolist()))
        assert loss == pytest.approx(expected, rel=1e-12)
        same(state["weight"], torch.ones(N))


def test_reweighting_against_the_loop_after_the_weights_are_estimated():
    method, training = METHODS.build("reweighting"), task()
    start = torch.tensor(3)  # a fifth of 13 epochs
    state = method.refit(outputs_of(method), method.init(training), start)
    weights = state["weight"].tolist()
    assert len({round(w, 6) for w in weights}) > N / 2
    for rows, batch, loss, gradient, after in visits("reweighting", start, state):
        ids, labels = plain(batch)
        own = [weights[i] for i in ids]

        def paper(moved, own=own, labels=labels):
            return oracles.mean(oracles.reweighting(moved, labels, own))

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-9, rtol=1e-7)
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


def known_world():
    """A clean posterior with an anchor of each class, a transition matrix and given labels."""
    rng = torch.Generator().manual_seed(11)
    clean = torch.cat([torch.eye(C), torch.rand(N - C, C, generator=rng)])
    clean = clean / clean.sum(-1, keepdim=True)
    transition = 0.6 * torch.eye(C) + 0.4 * torch.rand(C, C, generator=rng)
    transition = transition / transition.sum(-1, keepdim=True)
    noisy = torch.tensor(oracles.noisy_posterior(clean.tolist(), transition.tolist()))
    label = torch.arange(N) * 7 % C
    return clean, transition, noisy, label


def test_the_weights_of_reweighting_are_those_of_bayes():
    clean, transition, noisy, label = known_world()
    method = METHODS.build("reweighting(anchor_quantile=1.0)")
    state = method.init(Task(label, C, EPOCHS))
    state = method.refit(noisy.log()[None], state, torch.tensor(3))
    expected = [
        oracles.bayes_weight(row, transition.tolist(), y)
        for row, y in zip(clean.tolist(), label.tolist(), strict=True)
    ]
    same(state["weight"], torch.tensor(expected), atol=1e-9, rtol=1e-9)


# ------------------------------------------------------------------------------- closed forms


def losses(spec, logits, label, state=None):
    batch = Batch(torch.arange(len(label)), label)
    return METHODS.build(spec).losses(logits, batch, state or {}, EPOCH)[0]


def test_no_smoothing_is_cross_entropy():
    logits, label = logits_of(METHODS["gce"](), 9), torch.arange(9) % C
    same(
        losses("label_smoothing(smoothing=0)", logits, label),
        losses("cross_entropy", logits, label),
    )


def test_full_smoothing_ignores_the_label():
    logits, label = logits_of(METHODS["gce"](), 9), torch.arange(9) % C
    spec = "label_smoothing(smoothing=1)"
    same(losses(spec, logits, label), losses(spec, logits, label.flip(0)))


def test_gce_goes_to_cross_entropy_and_ends_at_the_absolute_error():
    logits, label = logits_of(METHODS["gce"](), 9), torch.arange(9) % C
    hard = losses("cross_entropy", logits, label)
    same(losses("gce(q=1e-6)", logits, label), hard, rtol=1e-5, atol=0)
    right = logits.softmax(-1)[torch.arange(9), label]
    same(losses("gce(q=1)", logits, label), 1 - right)
    single = losses("gce(q=1e-6)", logits.float(), label)
    same(single.double(), hard, rtol=2e-5, atol=1e-6)


def test_the_gradient_of_gce_is_that_of_cross_entropy_times_a_power_of_p():
    logits, label = logits_of(METHODS["gce"](), 9).requires_grad_(), torch.arange(9) % C
    right = logits.detach().softmax(-1)[torch.arange(9), label]
    bent, hard = (
        torch.autograd.grad(losses(spec, logits, label).sum(), logits)[0]
        for spec in ("gce(q=0.4)", "cross_entropy")
    )
    same(bent, right[:, None] ** 0.4 * hard)


def test_the_founding_example_two_classes_and_a_wrong_label():
    logits = torch.tensor([[0.0, math.log(99)]])  # 99 % sure of class 1
    hard = [losses("cross_entropy", logits, torch.tensor([y])).item() for y in (1, 0)]
    assert hard == pytest.approx([0.01005, 4.60517], rel=1e-4)
    smooth = losses("label_smoothing(smoothing=0.2)", logits, torch.tensor([1])).item()
    assert smooth == pytest.approx(-0.9 * math.log(0.99) - 0.1 * math.log(0.01))
