"""RENT and gold loss correction, which put a transition matrix to use, against loops."""

import pytest
import torch

from benchmarks.contract.samples import C, outputs_of, started, task
from methods import METHODS
from methods.rent import drawn_counts
from tests.agreement import same
from tests.methods.visits import agrees, holds, visits
from tests.oracles import methods as oracles
from tests.oracles import selection

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

START = torch.tensor(3)  # a fifth of 13 epochs


def test_rent_draws_examples_as_likely_as_their_labels_are_right():
    matrix = task().transition
    spec, state = "rent(source='given')", {"transition": matrix, "start": START}
    for rows, batch, loss, gradient, after in visits(spec, state=state | {"label": task().label}):
        labels, weights = batch.label.tolist(), []
        for row, y in zip(rows, labels, strict=True):
            p = oracles.softmax(row)
            weights.append(p[y] / (oracles.noisy_posterior([p], matrix.tolist())[0][y] + 1e-12))
        counts = selection.draws(weights, batch.target.tolist())
        assert sum(counts) == len(labels)
        assert max(counts) > 1
        holds(rows, loss, gradient, oracles.reweighting, labels, counts)
        same(after["transition"], matrix)
    agrees("rent", oracles.cross_entropy, torch.tensor(1))
    estimated = []
    for name in ("rent", "forward"):
        method = METHODS[name]()
        state = method.refit(outputs_of(method), started(method, task()), START)
        estimated.append(state["transition"])
    same(*estimated)


def test_rent_draws_in_the_shares_of_the_weights():
    weight = torch.tensor([3.0, 0.0, 1.0, 2.0])
    source = torch.Generator().manual_seed(5)
    points = torch.rand(4000, 4, 2, generator=source)
    counts = torch.stack([drawn_counts(weight, own) for own in points])
    same(counts.mean(0), 4 * weight / 6, atol=0.05, rtol=0)
    assert not counts[:, 1].any()


def test_glc_against_the_loop():
    training, method = task(), METHODS["glc"]()
    assert method.privileges == ("clean_subset",)
    places, truth = (own.tolist() for own in training.trusted)
    outputs = 2 * outputs_of(method)
    rows = [[] for _ in range(C)]
    for i, y in zip(places, truth, strict=True):
        rows[y].append(oracles.softmax(outputs[0, i].tolist()))
    matrix = [[oracles.mean([p[j] for p in own]) for j in range(C)] for own in rows]
    early = started(method, training)
    late = method.refit(outputs, early, early["start"])
    same(late["transition"], torch.tensor(matrix))
    same(method.refit(outputs.flip(1), late, early["start"] + 1), late)
    for state, start in ((early, False), (late, True)):
        epoch, met = early["start"] - 1 + start, 0
        for logits, batch, loss, gradient, after in visits("glc", epoch, state):
            known = [dict(zip(places, truth, strict=True)).get(i) for i in batch.ids.tolist()]
            met += sum(y is not None for y in known)

            def paper(moved, batch=batch, known=known, start=start):
                labels = batch.label.tolist()
                losses = oracles.forward(moved, labels, matrix if start else torch.eye(C).tolist())
                for i, y in enumerate(known):
                    if y is not None:
                        gold = oracles.cross_entropy([moved[i]], [y])[0]
                        losses[i] = gold if start else 0 * gold
                return losses

            holds(logits, loss, gradient, paper)
            same(after, state)
        assert met


def test_glc_needs_its_trusted_examples():
    with pytest.raises(ValueError, match="privilege clean_subset"):
        METHODS["glc"]().init(task()._replace(trusted=None))
