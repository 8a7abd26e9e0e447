"""Bootstrapping, SCE, forward correction, mixup and GJS against loops from their papers."""

import math

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, C, images_of, logits_of, outputs_of, task
from methods import METHODS, Batch
from tests.agreement import same
from tests.methods.visits import EPOCH, agrees, visits
from tests.oracles import methods as oracles

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


@pytest.mark.parametrize("beta", [0.95, 0.0, 1.0])
def test_soft_bootstrapping_against_the_loop(beta):
    agrees(
        f"bootstrap_soft(beta={beta})",
        lambda rows, labels: oracles.bootstrap_soft(rows, labels, beta),
    )


def test_a_detached_belief_is_a_constant():
    for rows, batch, loss, gradient, _ in visits("bootstrap_soft(beta=0.3, detach=True)"):
        labels, beliefs = batch.label.tolist(), [oracles.softmax(row) for row in rows]

        def paper(moved, labels=labels, beliefs=beliefs):
            return oracles.mean(oracles.bootstrap_soft(moved, labels, 0.3, beliefs))

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("beta", [0.8, 0.0])
def test_hard_bootstrapping_against_the_loop(beta):
    agrees(
        f"bootstrap_hard(beta={beta})",
        lambda rows, labels: oracles.bootstrap_hard(rows, labels, beta),
    )


@pytest.mark.parametrize(("alpha", "beta", "log_zero"), [(0.1, 1.0, -9.2), (6.0, 0.1, -4.0)])
def test_sce_against_the_loop(alpha, beta, log_zero):
    agrees(
        f"sce(alpha={alpha}, beta={beta}, log_zero={log_zero})",
        lambda rows, labels: oracles.sce(rows, labels, alpha, beta, log_zero),
    )


def test_the_reverse_part_of_sce_is_the_published_multiple_of_the_absolute_error():
    logits, label = logits_of(METHODS["gce"](), 9), torch.arange(9) % C
    reverse = METHODS.build("sce(alpha=0)").losses(logits, Batch(label, label), {}, EPOCH)[0]
    same(reverse, 9.2103 * (1 - logits.softmax(-1)[torch.arange(9), label]), rtol=1e-5, atol=0)
    same(torch.tensor(METHODS["sce"]().log_zero), torch.tensor(math.log(1e-4)))


def test_the_sum_of_reverse_cross_entropy_over_labels_does_not_depend_on_the_prediction():
    logits = logits_of(METHODS["gce"](), 9)
    method, ids = METHODS.build("sce(alpha=0)"), torch.arange(9)
    per_label = [
        method.losses(logits, Batch(ids, torch.full((9,), k)), {}, EPOCH)[0] for k in range(C)
    ]
    same(sum(per_label), torch.full((9,), 9.210340371976182 * (C - 1)))


def through(spec, epoch, transition, state=None):
    """Hold three steps of forward correction against the loop with a known matrix."""
    for rows, batch, loss, gradient, after in visits(spec, epoch, state):
        labels = batch.label.tolist()

        def paper(moved, labels=labels):
            return oracles.mean(oracles.forward(moved, labels, transition.tolist()))

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-9, rtol=1e-7)
        same(after["transition"], transition)


def test_forward_with_the_given_matrix_against_the_loop():
    assert METHODS.build("forward(source='given')").privileges == ("T",)
    assert METHODS.build("forward").privileges == ()
    through("forward(source='given')", EPOCH, task().transition)


def test_forward_is_cross_entropy_before_it_estimates_and_the_loop_afterwards():
    method = METHODS.build("forward(anchor_quantile=0.9)")
    assert [tuple(stage)[:2] for stage in method.stages(EPOCHS)] == [(3, False), (10, True)]
    through("forward", torch.tensor(1), torch.eye(C))
    outputs = outputs_of(method)
    state = method.refit(outputs, method.init(task()), torch.tensor(3))
    passed_over = round(0.1 * 40)
    posterior = [oracles.softmax(row) for row in outputs[0].tolist()]
    expected = torch.tensor(oracles.anchor_transition(posterior, passed_over))
    same(state["transition"], expected)
    through("forward", torch.tensor(3), expected, state)
    later = method.refit(outputs.flip(1) + 1, state, torch.tensor(4))
    assert torch.equal(later["transition"], state["transition"])


def test_a_label_that_the_matrix_calls_impossible_is_finite():
    logits = torch.zeros(1, 2, requires_grad=True)
    batch = Batch(torch.zeros(1, dtype=torch.long), torch.tensor([1]))
    state = {"transition": torch.tensor([[1.0, 0.0], [1.0, 0.0]])}
    loss, _ = METHODS.build("forward(source='given')").loss(logits, batch, state, EPOCH)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_mixup_against_the_loop():
    for rows, batch, loss, gradient, state in visits("mixup(alpha=0.7)"):
        labels, partners = batch.label.tolist(), batch.draws["partner"].tolist()
        mix = batch.draws["mix"].item()
        assert sorted(partners) == list(range(len(labels)))

        def paper(moved, labels=labels, partners=partners, mix=mix):
            return oracles.mean(oracles.mixup(moved, labels, partners, mix))

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-9, rtol=1e-7)
        assert state == {}


def test_mixup_mixes_each_image_with_its_partner():
    method = METHODS["mixup"]()
    image = images_of(method, 4)
    draws = {"mix": torch.tensor(0.3), "partner": torch.tensor([2, 3, 1, 0])}
    label = torch.tensor([4, 1, 0, 2])
    mixed, batch = method.prepare(image, Batch(torch.arange(4), label, draws), {}, EPOCH)
    for i, j in enumerate([2, 3, 1, 0]):
        same(mixed[0, i], 0.3 * image[0, i] + 0.7 * image[0, j])
    assert batch.target.tolist() == [0, 2, 1, 4]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_the_weights_of_mixup_are_beta_distributed(alpha):
    method = METHODS["mixup"](alpha=alpha)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mixes = torch.stack([method.draw(2)["mix"] for _ in range(2000)])
    variance = 1 / (4 * (2 * alpha + 1))
    assert mixes.mean().item() == pytest.approx(0.5, abs=4 * (variance / 2000) ** 0.5)
    assert mixes.var().item() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("pi", [0.5, 0.1, 0.9])
def test_gjs_against_the_loop(pi):
    for views, batch, loss, gradient, state in visits(f"gjs(pi={pi})"):
        labels = batch.label.tolist()
        assert loss == pytest.approx(oracles.mean(oracles.gjs(views, labels, pi)), rel=1e-12)
        for view in (0, 1):

            def paper(moved, labels=labels, views=views, view=view):
                both = [moved, views[1]] if view == 0 else [views[0], moved]
                return oracles.mean(oracles.gjs(both, labels, pi))

            slope = torch.tensor(oracles.slope(paper, views[view]))
            same(gradient[view], slope, atol=1e-9, rtol=1e-7)
        assert state == {}


def test_gjs_tends_to_cross_entropy_and_to_the_absolute_error():
    logits, label = logits_of(METHODS["gce"](), 9), torch.arange(9) % C
    batch, twice = Batch(torch.arange(9), label), logits.expand(2, 9, C)
    right = logits.softmax(-1)[torch.arange(9), label]
    for limit, pis in ((-right.log(), (0.5, 0.1, 0.01, 0.001)), (1 - right, (0.5, 0.9, 0.999))):
        far = [
            (METHODS["gjs"](pi=pi).losses(twice, batch, {}, EPOCH)[0] - limit).abs().max().item()
            for pi in pis
        ]
        assert far == sorted(far, reverse=True)
        assert far[-1] < 0.15 * far[0]
