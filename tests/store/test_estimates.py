"""Estimates of wrong labels, against cleanlab, the method for tensors, loops and a simulation."""

import cleanlab
import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.schema import UNKNOWN_CLASS
from benchmarks.store import CellFacts, Parts, derive, write_part
from benchmarks.store.estimates import confident_joint, estimated, transition_of, wrong_share
from methods.confident_learning import confident_joint as of_tensors
from tests.methods.test_confident_learning import only_sure_of_their_best, world
from tests.store.test_pairs import CLASSES, LABEL, cell
from tests.store.test_store import plan_of, with_arrays

T = np.array([[0.7, 0.3, 0.0], [0.1, 0.8, 0.1], [0.0, 0.15, 0.85]])
SHARES = np.array([0.5, 0.3, 0.2])


@pytest.mark.parametrize("seed", range(2))
def test_the_joint_is_that_of_cleanlab_and_of_the_method_for_tensors(seed):
    given, _, share = world(seed=seed)
    ours = confident_joint(given.numpy(), share.numpy())
    assert np.allclose(ours, of_tensors(given, share.double()).numpy(), atol=1e-9)
    given, share = (each.numpy() for each in only_sure_of_their_best(given, share))
    theirs = cleanlab.count.compute_confident_joint(given, share, calibrate=True)
    assert np.abs(theirs - confident_joint(given, share)).max() < 1  # it rounds


def drawn(size, seed):
    """True and given labels, probabilities that know the true ones, and answers often right."""
    rng = np.random.default_rng(seed)
    true = rng.choice(3, size, p=SHARES)
    given = np.array([rng.choice(3, p=T[label]) for label in true])
    logits = rng.normal(size=(size, 3)) + 5 * np.eye(3)[true]
    share = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    other = (true + rng.integers(1, 3, size)) % 3
    answers = [np.where(rng.random(size) < right, true, other) for right in (0.8, 0.7)]
    return true, given, share, [answer.astype(np.int16) for answer in answers]


def test_intervals_cover_what_was_drawn_and_not_what_was_given():
    held = {"wrong": 0, "acc": 0, "agreement": 0}
    for seed in range(4):
        true, given, share, answers = drawn(400, seed)
        found = estimated(given, share, {"mine": answers})
        (acc,) = found.acc.values()
        known = [(answer == true).mean() for answer in answers]
        agreement = np.mean([(answer == given).mean() for answer in answers])
        held["wrong"] += found.wrong.low <= (given != true).mean() <= found.wrong.high
        held["acc"] += acc.low <= np.mean(known) <= acc.high
        held["agreement"] += acc.low <= agreement <= acc.high
        inverse = np.linalg.inv(found.transition.value)
        each = [inverse[g, a] for answer in answers for g, a in zip(given, answer, strict=True)]
        assert acc.value == pytest.approx(np.mean(each))
        assert found.joint.value.sum() == pytest.approx(1)
        assert (found.joint.low <= found.joint.value).all()
    assert held["wrong"] >= 3
    assert held["acc"] >= 3
    assert held["agreement"] == 0


def test_a_transition_matrix_tells_the_share_of_wrong_labels():
    joint = SHARES[:, None] * T
    assert np.allclose(transition_of(joint), T)
    assert wrong_share(T, joint.sum(0)) == pytest.approx(1 - np.trace(joint))


def trained(cell_id, seed, truth, method="mine"):
    """A finished cell with ten images held out of twenty, the others at the odd places."""
    one = cell(cell_id, method, seed)
    rng = np.random.default_rng(seed)
    one.meta.facts = CellFacts(n_train=10, n_test=len(LABEL), truth=truth)
    logits = one.arrays["logits"]
    arrays = {
        "noisy": rng.integers(CLASSES, size=10),
        "clean": np.full(10, UNKNOWN_CLASS, np.int16),
        "position": np.arange(1, 20, 2),
        "train_scores": rng.normal(size=(len(one.meta.scores), 10)),
        "estimate": (0.6 + 0.1 * seed) * np.eye(CLASSES) + (0.4 - 0.1 * seed) / CLASSES,
        "val_logits": rng.normal(size=(len(logits), 10, CLASSES)),
        "val_noisy": np.arange(10) % CLASSES,
        "val_clean": np.full(10, UNKNOWN_CLASS, np.int16),
        "transition": np.full((CLASSES, CLASSES), np.nan),
    }
    arrays["logits"] = logits + 4 * torch.eye(CLASSES).numpy()[LABEL]
    return with_arrays(one, **arrays)


@pytest.mark.parametrize("truth", ["unknown", "known"])
def test_a_table_of_estimates_is_only_of_unknown_labels(tmp_path, truth):
    cells = [trained(f"1{seed}", seed, truth) for seed in (0, 1, 2)]
    plan_of(tmp_path, [(one.cell_id, "mine", one.meta.keys.seed) for one in cells])
    for one in cells:
        write_part(tmp_path, [one])
    derive(tmp_path, Parts(tmp_path))
    table = pd.read_csv(tmp_path / "estimates.csv")
    if truth == "known":
        assert table.empty
        return
    wrong = table[table["quantity"] == "wrong"].set_index("labels")
    shares = [np.exp(c.arrays["logits"][0].astype(float)) for c in cells]
    share = np.mean([s / s.sum(-1, keepdims=True) for s in shares], 0)
    joint = confident_joint(LABEL, share)
    assert wrong.loc["test", "value"] == pytest.approx(1 - np.trace(joint) / len(LABEL))
    assert wrong["images"].loc[["test", "held out"]].tolist() == [len(LABEL), 10]
    given = [np.bincount(c.arrays["noisy"], minlength=CLASSES) / 10 for c in cells]
    own = [wrong_share(c.arrays["estimate"], g) for c, g in zip(cells, given, strict=True)]
    assert wrong.loc["trained on", "value"] == pytest.approx(np.mean(own))
    assert wrong.loc["trained on", "low"] < np.mean(own) < wrong.loc["trained on", "high"]
    (acc,) = table.loc[table["quantity"] == "acc", "value"]
    inverse = np.linalg.inv(transition_of(joint.T / len(LABEL)))
    answers = [c.arrays["logits"][0].argmax(-1) for c in cells]
    expected = [np.mean([inverse[g, a] for g, a in zip(LABEL, x, strict=True)]) for x in answers]
    assert acc == pytest.approx(min(np.mean(expected), 1))
    assert (table["quantity"] == "joint").sum() == 2 * CLASSES**2


def test_networks_that_are_not_shown_to_be_better_than_chance_estimate_nothing(tmp_path):
    one = trained("10", 0, "unknown")
    right = np.arange(len(LABEL)) < np.bincount(LABEL).max() + 2  # two more than by one class
    answer = np.where(right, LABEL, (LABEL + 1) % CLASSES)
    sure = 5 * np.eye(CLASSES, dtype=np.float32)[answer]
    one = with_arrays(one, logits=np.repeat(sure[None], len(one.arrays["logits"]), 0))
    plan_of(tmp_path, [("10", "mine", 0)])
    write_part(tmp_path, [one])
    derive(tmp_path, Parts(tmp_path))
    assert set(pd.read_csv(tmp_path / "estimates.csv")["estimator"]) == {"own matrix"}


def test_a_few_images_without_a_wrong_label_leave_a_wide_interval():
    given = np.array([0, 0, 0, 1, 1, 2, 2])
    found = estimated(given, 0.97 * np.eye(3)[given] + 0.01, {})
    assert found.wrong.value == pytest.approx(0)
    assert found.wrong.high > 0.3
