"""CLIPCleaner against loops from its paper, and the side information that it learns from."""

import numpy as np
import pytest
import torch

from benchmarks.contract.samples import B, C, batch_of, images_of, logits_of, outputs_of, task
from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data, task_of
from benchmarks.errors import RefusedError
from benchmarks.inputs import InputError
from benchmarks.seeds import seeded
from benchmarks.sweep import Suite
from methods import METHODS
from methods.clip_cleaner import regressed, selected
from tests.agreement import same
from tests.cells import CPU, NOWHERE, build
from tests.methods.visits import holds
from tests.oracles import clip_cleaner as oracle

LATE = torch.tensor(5)
N = 60


def judged(count=240, classes=4):
    """Labels of which four in ten are wrong, and what a model that knows better says."""
    source = torch.Generator().manual_seed(3)
    true = torch.arange(count) % classes
    wrong = torch.rand(count, generator=source) < 0.4
    label = torch.where(wrong, (true + 1) % classes, true)
    logits = torch.randn(count, classes, generator=source, dtype=torch.float64)
    side = (1.5 * logits + 4 * torch.eye(classes, dtype=torch.float64)[true]).softmax(-1)
    return side, label, ~wrong


@pytest.mark.parametrize("regression", [False, True])
@pytest.mark.parametrize("theta", [(0.8, 0.5), (0.3, 0.9)])
def test_labels_are_selected_as_in_the_loop_and_are_mostly_right(theta, regression):
    side, label, right = judged()
    kept = selected(side, label, *theta, regression=regression)
    known = oracle.selected(side.tolist(), label.tolist(), *theta, regression=regression)
    assert kept.tolist() == known
    assert right[kept].double().mean() > 0.95
    assert 0.3 < kept.double().mean() < 0.7


def test_of_a_class_that_another_model_never_confirms_the_likeliest_are_kept():
    side, label, _ = judged()
    side[:, 2] *= 1e-9
    side /= side.sum(1, keepdim=True)
    kept = selected(side, label, 0.8, 0.5)
    assert kept.tolist() == oracle.selected(side.tolist(), label.tolist(), 0.8, 0.5)
    counts = [int(kept[label == k].sum()) for k in range(4)]
    assert counts[2] == min(counts[:2] + counts[3:])


def test_a_regression_says_nothing_of_a_class_that_no_label_has():
    side, label, _ = judged()
    said = regressed(side, label % 3)
    assert (said[:, 3] == 0).all()
    same(said.sum(1), torch.ones(len(label), dtype=torch.float64))


@pytest.mark.usefixtures("double")
def test_confident_predictions_join_and_the_loss_is_that_of_the_loop():
    method, training = METHODS.build("clip_cleaner(theta_r=0.5, theta_r2=0.6)"), task()
    start, labels = method.init(training), training.label.tolist()
    assert 0 < start["selected"].sum() < len(labels)
    outputs = 2 * outputs_of(method)
    state = method.refit(outputs, start, LATE)
    found = oracle.taken_over(outputs[0].tolist(), labels, start["selected"].tolist(), 0.5, 0.6)
    targets, kept = found
    assert (state["target"].tolist(), state["kept"].tolist()) == found
    assert targets != labels
    assert 0 < sum(kept) < len(kept)
    count = [sum(k and y == c for k, y in zip(kept, targets, strict=True)) for c in range(C)]
    same(state["weight"], torch.tensor([1 / n if n else 0.0 for n in count]))
    for visit in range(3):
        batch, image = batch_of(training, visit, size=B + 9), images_of(method, B + 9, visit)
        with seeded("draws", visit):
            draws = method.draw(B + 9)
        shown, after = method.prepare(image, batch._replace(draws=draws), state, LATE)
        ids, mix = batch.ids.tolist(), draws["mix"].item()
        rows = [i for i, n in enumerate(ids) if kept[n]]
        circle = sorted(rows, key=lambda i: draws["order"][i].item())
        partner = {i: circle[(k + 1) % len(circle)] for k, i in enumerate(circle)}
        mixed = [[0.0] * C for _ in ids]
        for i in rows:
            mixed[i][targets[ids[i]]] += mix
            mixed[i][targets[ids[partner[i]]]] += 1 - mix
            same(shown[0, i], mix * image[0, i] + (1 - mix) * image[0, partner[i]])
        weights = [kept[n] * state["weight"][targets[n]].item() for n in ids]
        logits = logits_of(method, len(ids), visit).requires_grad_()
        loss, _ = method.loss(logits, after, state, LATE)
        (gradient,) = torch.autograd.grad(loss, logits)
        holds(logits.tolist(), loss.item(), gradient, oracle.loss, mixed, weights)


def written(folder, **changes):
    """A file of images whose labels are right, and the spec of the dataset."""
    source = np.random.default_rng(0)
    arrays = {"image": source.integers(255, size=(N, 8, 8)).astype(np.uint8)}
    arrays |= {"label": np.arange(N) % 3, "side": source.dirichlet([1.0] * 3, N)} | changes
    np.savez(folder / "data.npz", **{k: v for k, v in arrays.items() if v is not None})
    return arrays["side"], f"arrays(file={str(folder / 'data.npz')!r}, test=0.2)"


def test_only_a_method_that_says_so_is_told_the_side_information_of_its_examples(tmp_path):
    side, dataset = written(tmp_path)
    for method, told in (("clip_cleaner", True), ("elr", False)):
        cell = build(method, dataset=dataset, noise="given", recipe="small(val_fraction=0.2)")
        data = load_cell_data(cell, NOWHERE, CPU)
        train = DATASETS.build(dataset).load(NOWHERE, 0)[0]
        same(data.side, torch.from_numpy(side)[train.position[data.position]].float())
        assert (task_of(cell, data).side is not None) == told
        assert cell.method.privileges == (("side",) if told else ())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda side: side[:-1], r"of the shape \(60, 3\) are needed"),
        (lambda side: (side > 0.5).astype(int), "floating-point probabilities"),
        (lambda side: side * 1.01, "60 faults.*row 0.*no distribution.*1.01 together"),
        (lambda side: np.where(side == side.max(), np.nan, side), "1 fault.*no distribution"),
        (lambda side: side - 0.5 * np.eye(N, 3), "no distribution: from -"),
        (lambda side: side.astype(object), "Python objects"),
    ],
)
def test_wrong_side_information_is_refused_in_one_sentence(tmp_path, change, sentence):
    side, _ = written(tmp_path)
    _, dataset = written(tmp_path, side=change(side))
    with pytest.raises(InputError, match=sentence):
        DATASETS.build(dataset).load(NOWHERE, 0)


def test_without_side_information_the_method_is_refused_and_all_methods_leave_it_out(tmp_path):
    _, dataset = written(tmp_path, side=None)
    suite = Suite("one", (dataset,), ("given",), ("clip_cleaner",), ("mlp",), ("small",), (0,))
    with pytest.raises(RefusedError, match="has no side information, which these"):
        list(suite.cells("float32"))
    assert "clip_cleaner" not in Suite.read("methods").method
