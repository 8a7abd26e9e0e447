"""Confident learning against loops from its paper and against its authors' cleanlab."""

import numpy as np
import pytest
import torch

from benchmarks.contract.samples import C, N, outputs_of, started, task
from methods import METHODS
from methods.confident_learning import confident_joint, label_error_mask, transition_from_joint
from tests.agreement import same
from tests.methods.visits import holds, visits
from tests.oracles import methods as oracles
from tests.oracles import selection

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


def world(size=300, classes=4, rate=0.3, sharpness=2.5, seed=0):
    """Given and true labels, and a posterior that knows something of the true ones."""
    rng = torch.Generator().manual_seed(seed)
    true = torch.randint(classes, (size,), generator=rng)
    other = (true + torch.randint(1, classes, (size,), generator=rng)) % classes
    given = torch.where(torch.rand(size, generator=rng) < rate, other, true)
    logits = torch.randn(size, classes, generator=rng)
    logits += sharpness * torch.nn.functional.one_hot(true, classes)
    return given, true, logits.softmax(-1)


def only_sure_of_their_best(label, posterior):
    """Leave out examples whose most likely class is not confident: cleanlab counts them as it."""
    counts = torch.stack([posterior[label == k, k].mean() for k in range(posterior.shape[1])])
    best = posterior.max(-1)
    sure = (posterior >= counts - 1e-6).sum(-1)
    keep = (best.values >= counts[best.indices] - 1e-6) | (sure < 2)
    return label[keep], posterior[keep]


@pytest.mark.parametrize(("sharpness", "seed"), [(2.5, 0), (1.0, 1), (0.0, 2), (6.0, 3)])
def test_the_joint_and_what_it_prunes_against_the_loop(sharpness, seed):
    label, _, posterior = world(sharpness=sharpness, seed=seed)
    labels, rows = label.tolist(), posterior.tolist()
    joint = confident_joint(label, posterior)
    expected = selection.confident_joint(labels, rows)
    same(joint, torch.tensor(expected))
    by_class = selection.pruned_by_class(labels, rows, expected)
    by_rate = selection.pruned_by_noise_rate(labels, rows, expected)
    wanted = {"class": by_class, "noise_rate": by_rate, "both": by_class & by_rate}
    for by, gone in wanted.items():
        wrong = label_error_mask(label, posterior, joint, by)
        assert set(wrong.nonzero().squeeze(1).tolist()) == gone
    same(transition_from_joint(joint), torch.tensor(expected).T / joint.sum(0)[:, None])


@pytest.mark.parametrize("seed", range(3))
def test_the_joint_and_what_it_prunes_against_cleanlab(seed):
    cleanlab = pytest.importorskip("cleanlab", reason="cleanlab is the oracle of this test")
    label, _, posterior = world(seed=seed)
    label, posterior = only_sure_of_their_best(label, posterior)
    arrays = label.numpy(), posterior.numpy()
    joint = confident_joint(label, posterior)
    theirs = cleanlab.count.compute_confident_joint(*arrays, calibrate=True)
    assert np.abs(theirs - joint.numpy()).max() < 1  # it rounds, and keeps the sums of rows
    whole = torch.tensor(theirs, dtype=torch.float64)
    likely = posterior.argmax(-1) == label  # cleanlab keeps these, the paper does not say so
    names = {"class": "prune_by_class", "noise_rate": "prune_by_noise_rate", "both": "both"}
    for by, name in names.items():
        gone = cleanlab.filter.find_label_issues(
            *arrays, filter_by=name, confident_joint=theirs, n_jobs=1
        )
        wrong = label_error_mask(label, posterior, whole, by) & ~likely
        assert wrong.sum() > 20
        assert wrong.tolist() == gone.tolist()
    _, noise, _ = cleanlab.count.estimate_latent(theirs, arrays[0])
    same(transition_from_joint(whole), torch.tensor(noise).T)


def test_a_posterior_that_knows_the_truth_prunes_exactly_the_wrong_labels():
    label, true, _ = world()
    posterior = 0.96 * torch.nn.functional.one_hot(true, 4).double() + 0.01
    joint = confident_joint(label, posterior)
    assert joint[0, 1] == ((label == 0) & (true == 1)).sum()
    for by in ("class", "noise_rate", "both"):
        assert torch.equal(label_error_mask(label, posterior, joint, by), label != true)


def test_a_class_without_labels_has_no_example_and_keeps_its_row():
    label = torch.tensor([0, 0, 1, 1])
    posterior = torch.tensor([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]])
    joint = confident_joint(label, posterior)
    assert joint[2].tolist() == joint[:, 2].tolist() == [0, 0, 0]
    same(transition_from_joint(joint)[2], torch.tensor([0.0, 0, 1]))


def test_one_of_each_class_stays():
    label = torch.tensor([0, 0, 0, 1])
    posterior = torch.tensor([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.0, 1.0]])
    joint = torch.tensor([[0.0, 3.0], [0.0, 1.0]])
    assert label_error_mask(label, posterior, joint, "class").tolist() == [True, True, False, False]


def test_every_fold_is_judged_by_networks_that_have_not_seen_it():
    method, training = METHODS["confident_learning"](), task()
    stages = method.stages(13)
    assert [stage.epochs for stage in stages] == [2, 2, 2, 2, 5]
    assert [stage.fresh_networks for stage in stages] == [False, True, True, True, True]
    state = started(method, training)
    fold, seen = state["fold"], []
    assert sorted(fold.bincount().tolist()) == [10, 10, 10, 11]
    for epoch in range(13):
        outputs = outputs_of(method, seed=epoch)
        if epoch:
            state = method.refit(outputs, state, torch.tensor(epoch))
        seen.append(outputs[0].softmax(-1))
        if epoch < 8:
            assert torch.equal(state["weight"], (fold != epoch // 2).double())
            assert state["kept"].all()
            same(state["transition"], torch.eye(C))
        else:
            expected = torch.stack([seen[2 * k + 2] for k in range(4)])[fold, torch.arange(N)]
            same(state["posterior"], expected)
    joint = confident_joint(training.label, expected)
    gone = label_error_mask(training.label, expected, joint, "noise_rate")
    assert 0 < gone.sum() < N
    assert torch.equal(state["kept"], ~gone)
    share = transition_from_joint(joint).diagonal()[training.label]
    same(state["weight"], ~gone / share)
    same(state["transition"], transition_from_joint(joint))


def test_confident_learning_against_the_loop():
    method, training = METHODS["confident_learning"](), task()
    state, late = started(method, training), torch.tensor(9)
    for epoch in (2, 4, 6, 8):
        state = method.refit(outputs_of(method, seed=epoch), state, torch.tensor(epoch))

    def paper(rows, labels, weights):
        return sum(oracles.reweighting(rows, labels, weights)) / sum(w > 0 for w in weights)

    for rows, batch, loss, gradient, after in visits("confident_learning", late, state):
        own = state["weight"][batch.ids].tolist()
        assert 0 < sum(w > 0 for w in own) < len(own)
        holds(rows, loss, gradient, paper, batch.label.tolist(), own)
        same(after, state)


def test_two_epochs_hold_nothing_out():
    method = METHODS["confident_learning"]()
    assert [stage.epochs for stage in method.stages(2)] == [1, 1]
    state = started(method, task()._replace(epochs=2))
    assert state["weight"].eq(1).all()
    outputs = outputs_of(method)
    after = method.refit(outputs, state, torch.tensor(1))
    same(after["posterior"], outputs[0].softmax(-1))
