"""SSR against loops from its paper."""

import pytest
import torch

from benchmarks.contract.samples import (
    B,
    C,
    batch_of,
    features_of,
    images_of,
    logits_of,
    outputs_of,
    task,
)
from benchmarks.seeds import seeded
from methods import METHODS
from methods.parts.mixing import kept_partners
from methods.parts.strong_views import strong_view
from tests.agreement import same
from tests.methods.visits import holds
from tests.oracles import ssr

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

LATE = torch.tensor(5)


def refitted(theta_s=1.0):
    method = METHODS.build(f"ssr(theta_r=0.6, theta_s={theta_s}, neighbours=6)")
    outputs, features = 2 * outputs_of(method), features_of(method)
    state = method.refit(outputs, method.init(task()), LATE)
    return method, outputs, features, method.refit_features(features, state, LATE)


@pytest.mark.parametrize("theta_s", [1.0, 0.5])
def test_labels_are_taken_over_and_neighbours_vote_as_in_the_loop(theta_s):
    method, outputs, features, state = refitted(theta_s)
    given = task().label.tolist()
    labels = ssr.relabelled(outputs[0].tolist(), given, 0.6)
    assert labels != given
    assert state["target"].tolist() == labels
    votes = ssr.votes(features[0].tolist(), labels, C, 6)
    pairs = list(zip(votes, labels, strict=True))
    kept = [v[y] >= theta_s * max(v) for v, y in pairs]
    assert state["kept"].tolist() == kept
    assert 0 < sum(kept) < len(kept)
    count = [sum(k and y == c for k, y in zip(kept, labels, strict=True)) for c in range(C)]
    same(state["weight"], torch.tensor([1.0 / n if n else 0.0 for n in count]))
    again = method.refit(torch.zeros_like(outputs), state, LATE)  # unsure of all
    assert again["target"].tolist() == given


def test_the_loss_is_that_of_strong_mixed_views_of_what_is_kept():
    method, _, _, state = refitted(0.5)
    for visit in range(3):
        batch, image = batch_of(task(), visit, size=B + 9), images_of(method, B + 9, visit)
        with seeded("draws", visit):
            draws = method.draw(B + 9)
        shown, after = method.prepare(image, batch._replace(draws=draws), state, LATE)
        strong = [strong_view(image[v], draws["strength"][v], draws["hole"][v]) for v in range(2)]
        strong, mix = torch.cat(strong), draws["mix"].item()
        assert mix >= 0.5
        ids, kept = batch.ids.tolist(), state["kept"].tolist()
        rows = [i for i in range(2 * len(ids)) if kept[ids[i % len(ids)]]]
        circle = sorted(rows, key=lambda i: draws["order"][i].item())
        partner = {i: circle[(k + 1) % len(circle)] for k, i in enumerate(circle)}
        labels = [state["target"][i].item() for i in ids] * 2
        targets = [[0.0] * C for _ in range(2 * len(ids))]
        for i in rows:
            j = partner[i]
            targets[i][labels[i]] += mix
            targets[i][labels[j]] += 1 - mix
            same(shown.flatten(0, 1)[i], mix * strong[i] + (1 - mix) * strong[j])
        weights = [kept[i] * state["weight"][y].item() for i, y in zip(ids, labels, strict=False)]
        own = targets[: len(ids)], targets[len(ids) :]
        logits = logits_of(method, len(ids), visit).requires_grad_()
        loss, _ = method.loss(logits, after, state, LATE)
        (gradient,) = torch.autograd.grad(loss, logits)
        holds(logits.tolist(), loss.item(), gradient, ssr.loss, own, weights)


def test_what_is_kept_alone_is_its_own_partner():
    kept, order = torch.tensor([False, True, False]), torch.tensor([0.1, 0.9, 0.5])
    assert kept_partners(kept, order)[1] == 1
    kept = torch.tensor([True, False, True, True])
    partner = kept_partners(kept, torch.tensor([0.5, 0.1, 0.2, 0.9]))
    assert partner[[0, 2, 3]].tolist() == [3, 0, 2]
