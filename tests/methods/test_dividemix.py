"""DivideMix against loops from its paper, and its mixture against scikit-learn's."""

import math

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from benchmarks.contract.samples import EPOCHS, C, N, images_of, outputs_of, started, task
from methods import METHODS
from methods.parts.mixture import lower_component
from tests.agreement import same
from tests.methods.visits import holds, visits
from tests.oracles import methods as oracles

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

SPEC = "dividemix(warmup=3, threshold=0.4, temperature=0.4, unlabelled_weight=7.0, ramp=8)"
LATE = torch.tensor(5)


def sharpened(p, temperature):
    raised = [q ** (1 / temperature) for q in p]
    return [r / math.fsum(raised) for r in raised]


def believed(outputs, labels, sure, net):
    """Algorithm 1, lines 15 to 22: the target of each example for one network."""
    targets = []
    for b, y in enumerate(labels):
        p = [[oracles.softmax(view[b]) for view in views] for views in outputs]
        own = [oracles.mean([view[k] for view in p[net]]) for k in range(C)]
        both = [oracles.mean([view[k] for views in p for view in views]) for k in range(C)]
        w = sure[b]
        refined = [w * (k == y) + (1 - w) * own[k] for k in range(C)]
        targets.append(sharpened(refined if w > 0.4 else both, 0.4))
    return targets


def mixed(rows, partner, mix):
    return [
        [mix * a + (1 - mix) * b for a, b in zip(row, rows[j], strict=True)]
        for row, j in zip(rows, partner, strict=True)
    ]


def network_loss(rows, targets, kept, weight):
    """Equations 9 to 12 on the rows of both views; ``kept`` is that of the first of each pair."""
    p = [oracles.softmax(row) for row in rows]
    labelled, others = [], []
    for q, target, keep in zip(p, targets, kept, strict=True):
        if keep:
            labelled.append(-math.fsum(t * math.log(a) for t, a in zip(target, q, strict=True)))
        else:
            others.append(oracles.mean([(a - t) ** 2 for t, a in zip(target, q, strict=True)]))
    average = [oracles.mean([q[k] for q in p]) for k in range(C)]
    balance = math.fsum(1 / C * math.log(1 / C / a) for a in average)
    return sum(labelled) / max(len(labelled), 1) + weight * oracles.mean(others) + balance


def divided():
    """A state after a division in which every network keeps some and not others."""
    method, training = METHODS.build(SPEC), task()
    state = started(method, training)
    state = method.refit(outputs_of(method), state, LATE)
    clean = torch.rand(2, N, generator=torch.Generator().manual_seed(5))
    return {**state, "clean": clean, "kept": clean > 0.4}


def test_dividemix_against_the_loop():
    state = divided()
    for rows, batch, loss, gradient, after in visits(SPEC, LATE, state):
        ids, labels = batch.ids.tolist(), batch.label.tolist()
        partner, mix = batch.draws["views_partner"].tolist(), batch.draws["mix"].item()
        total = 0.0
        for net in (0, 1):
            sure = state["clean"][net, ids].tolist()
            targets = 2 * believed(batch.outputs.tolist(), labels, sure, net)
            targets, kept = mixed(targets, partner, mix), 2 * [w > 0.4 for w in sure]
            assert 0 < sum(kept) < len(kept)
            same(batch.target[net].flatten(0, 1), torch.tensor(targets))
            flat, further = [*rows[net][0], *rows[net][1]], (targets, kept, 7.0 * (5 - 3) / 8)
            own = network_loss(flat, *further)
            holds(flat, own, gradient[net].flatten(0, 1), network_loss, *further)
            total += own
        assert loss == pytest.approx(total, rel=1e-12)
        same(after, state)


def test_the_warmup_is_cross_entropy_of_both_networks_on_unmixed_images():
    for rows, batch, loss, _, state in visits(SPEC, torch.tensor(2)):
        labels = batch.label.tolist()
        each = [oracles.cross_entropy(view, labels) for net in rows for view in net]
        assert loss == pytest.approx(2 * oracles.mean([oracles.mean(one) for one in each]))
        assert state["kept"].all()
    method = METHODS.build(SPEC)
    image = images_of(method, len(batch.ids))
    assert torch.equal(method.prepare(image, batch, state, torch.tensor(2))[0], image)


def test_images_are_mixed_across_views_with_the_heavier_weight_first():
    method, (_, batch, *_) = METHODS.build(SPEC), next(visits(SPEC, LATE, divided()))
    image = images_of(method, len(batch.ids))
    mixed, _ = method.prepare(image, batch, divided(), LATE)
    mix = batch.draws["mix"].item()
    flat = image.flatten(0, 1)
    assert 0.5 <= mix <= 1
    for i, j in enumerate(batch.draws["views_partner"].tolist()):
        same(mixed.flatten(0, 1)[i], mix * flat[i] + (1 - mix) * flat[j])


def test_each_network_is_taught_by_the_division_of_its_peer():
    method, training = METHODS.build(SPEC), task()
    outputs = 3 * outputs_of(method)
    state = method.refit(outputs, started(method, training), torch.tensor(3))
    for net in (0, 1):
        loss = torch.tensor(oracles.cross_entropy(outputs[net].tolist(), training.label.tolist()))
        scaled = (loss - loss.min()) / (loss.max() - loss.min())
        same(state["clean"][1 - net], lower_component(scaled))
    assert torch.equal(state["kept"], state["clean"] > 0.4)
    early = method.refit(outputs, started(method, training), torch.tensor(2))
    assert early["clean"].eq(1).all()
    assert method.stages(EPOCHS)[0].epochs == EPOCHS


@pytest.mark.parametrize(
    ("steps", "highest"), [(1, 1.0), (4, 1.0), (10, 1.0), (10, 6.0), (10, 30.0)]
)
@pytest.mark.filterwarnings("ignore:Best performing initialization did not converge")
def test_the_mixture_against_scikit_learn_as_the_authors_call_it(steps, highest):
    """It starts by k-means there, so that one value far above all others is no group of its own."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.beta(1.2, 9, 80), rng.beta(7, 3, 37), [0.0, highest]]) / highest
    fit = GaussianMixture(2, max_iter=steps, tol=0, reg_covar=5e-4, random_state=0)
    expected = fit.fit(x[:, None]).predict_proba(x[:, None])[:, fit.means_.argmin()]
    same(lower_component(torch.tensor(x), steps), torch.tensor(expected), atol=1e-10, rtol=1e-8)


def test_equal_losses_are_divided_evenly():
    same(lower_component(torch.zeros(7)), torch.full((7,), 0.5))
