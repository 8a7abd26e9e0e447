"""IDO against loops over lists, and its Beta distributions against scipy."""

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks.contract.samples import EPOCHS, B, N, batch_of, images_of, outputs_of, task
from methods import METHODS, Batch
from methods.parts.beta_mixture import beta_density, beta_distribution
from methods.parts.labels import one_hot
from methods.parts.strong_views import strong_view
from tests.agreement import same
from tests.methods.visits import holds
from tests.oracles import ido
from tests.oracles.methods import cross_entropy

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


def test_the_density_and_the_distribution_of_beta_are_those_of_scipy():
    x = torch.tensor([1e-6, 0.01, 0.3, 0.5, 0.77, 0.999, 1 - 1e-6])[:, None, None]
    a = torch.tensor([1e-6, 0.3, 1.1, 2.0, 40.0])[:, None]
    b = torch.tensor([1e-6, 0.5, 1.0, 3.0, 400.0])
    arrays = [own.numpy() for own in (x, a, b)]
    np.testing.assert_allclose(beta_distribution(x, a, b), stats.beta.cdf(*arrays), atol=1e-9)
    np.testing.assert_allclose(beta_density(x, a, b), stats.beta.pdf(*arrays), rtol=1e-7)


def test_ido_against_the_loop_over_a_whole_training():
    method, training, start = METHODS["ido"](), task(), 4
    assert [tuple(stage)[:2] for stage in method.stages(EPOCHS)] == [(4, False), (9, False)]
    state, labels, wrong = method.init(training), training.label.tolist(), [0] * N
    mixture, beyond = ido.Mixture(), 0
    source = torch.Generator().manual_seed(3)
    lean = 4 * torch.rand(N, 1, generator=source) - 1
    for epoch in range(EPOCHS):
        if epoch:
            state = method.refit(outputs_of(method), state, torch.tensor(epoch))
        if epoch >= start:
            mixture.fit(wrong, 1 if epoch > start else 20)
            both = torch.tensor([mixture.a, mixture.b, mixture.share])
            same(state["mixture"], both, rtol=1e-6, atol=1e-9)
            clean = [mixture.weights(number)[0] for number in wrong]
            same(state["clean"], torch.tensor(clean), rtol=1e-6, atol=1e-9)
        for places in torch.randperm(N, generator=source).split(B + 6):
            batch, ids = Batch(places, training.label[places]), places.tolist()
            noise = torch.randn(2, len(ids), 5, generator=source)
            logits = noise + lean[batch.ids] * one_hot(batch.label, noise)
            logits = logits.requires_grad_()
            loss, state = method.loss(logits, batch, state, torch.tensor(epoch))
            (gradient,) = torch.autograd.grad(loss, logits)
            for view in logits.tolist()[: 1 + (epoch >= start)]:
                for i, row in zip(ids, view, strict=True):
                    wrong[i] += row.index(max(row)) != labels[i]
            assert state["wrong"].tolist() == wrong
            own = batch.label.tolist()
            if epoch < start:
                holds(
                    logits.tolist(),
                    loss.item(),
                    gradient,
                    lambda moved, own=own: cross_entropy(moved[0], own),
                )
                continue
            weights = [mixture.weights(wrong[i]) for i in ids]
            beyond += sum(wrong[i] > mixture.ends[1] for i in ids)
            holds(
                logits.tolist(),
                loss.item(),
                gradient,
                ido.losses,
                own,
                weights,
                rel=1e-6,
                rtol=1e-5,
            )
    assert beyond


def test_the_second_view_of_ido_is_strong():
    method, training = METHODS["ido"](), task()
    batch = batch_of(training)._replace(draws=method.draw(B))
    image = images_of(method, B)
    shown, _ = method.prepare(image, batch, method.init(training), torch.tensor(5))
    same(shown[0], image[0])
    same(shown[1], strong_view(image[1], batch.draws["strength"], batch.draws["hole"]))
