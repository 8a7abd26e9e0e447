"""DISC against loops from its paper."""

import pytest
import torch

from benchmarks.contract.samples import B, C, N, batch_of, images_of, led_up, started, task
from benchmarks.seeds import seeded
from methods import METHODS
from methods.parts.mixing import kept_partners, mix_pairs
from methods.parts.strong_views import strong_view
from tests.agreement import same
from tests.methods.visits import holds, visits
from tests.oracles import disc

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

SPEC = "disc(warmup=0.3, momentum=0.8, margin=0.1, q=0.6, hard_weight=0.4)"
EARLY, LATE = torch.tensor(3), torch.tensor(4)  # of 13 epochs, the first four of which warm up


def judged_once():
    """A state in which every kind of label is, and what it was made of."""
    method = METHODS.build(SPEC)
    source, state = torch.Generator().manual_seed(5), started(method, task())
    p = torch.randn(2, N, C, generator=source).mul(2).softmax(-1)
    before = {**state, "p": p, "threshold": torch.rand(2, N, generator=source) / 2}
    return method, before, method.refit(torch.zeros(1, N, C), before, LATE)


def test_labels_are_judged_and_thresholds_move_as_in_the_loop():
    method, before, state = judged_once()
    given, seen = task().label.tolist(), set()
    for i, label in enumerate(given):
        views, bounds = before["p"][:, i].tolist(), before["threshold"][:, i].tolist()
        right, target, after = disc.judged(views, label, bounds, 0.8, 0.1)
        assert (state["views"][i], state["target"][i]) == (right, target)
        assert state["kept"][i] == (right > 0)
        same(state["threshold"][:, i], torch.tensor(after))
        seen.add((right, target == label, target < 0))
    assert seen == {(2, True, False), (1, True, False), (0, False, False), (0, False, True)}
    assert method.refit(torch.zeros(1, N, C), before, EARLY)["kept"].all()
    sure = {**before, "p": torch.full((2, N, C), 0.97), "threshold": torch.full((2, N), 0.98)}
    assert method.refit(torch.zeros(1, N, C), sure, LATE)["target"].eq(-1).all()
    sure["p"] = torch.full((2, N, C), 0.991)  # above the largest threshold for correction
    assert (
        method.refit(torch.zeros(1, N, C), {**sure, "threshold": sure["p"][..., 0]}, LATE)["target"]
        .ge(0)
        .all()
    )


@pytest.mark.parametrize("epoch", [EARLY, LATE], ids=["warm-up", "after"])
def test_disc_against_the_loop(epoch):
    _, _, state = judged_once()
    for rows, batch, loss, gradient, after in visits(SPEC, epoch, state):
        labels, ids = batch.label.tolist(), batch.ids
        right, targets = state["views"][ids].tolist(), state["target"][ids].tolist()
        orders, mixes = batch.draws["order"].tolist(), batch.draws["mix"].tolist()
        assert min(mixes) >= 0.5

        def paper(rows, *given):
            labels, right, targets, orders, mixes = given
            if epoch is EARLY:
                return disc.plain(rows[:2], labels)
            fit = disc.fitted(rows[:2], labels, right, 0.6, 0.4)
            return fit + disc.mixed(rows[2:], targets, orders, mixes)

        given = (labels, right, targets, orders, mixes)
        if len(ids) == B:
            holds(rows, loss, gradient, paper, *given, rtol=1e-6)
        assert loss == pytest.approx(paper(rows, *given), rel=1e-12)
        same(after["p"][:, ids], torch.tensor(rows[:2]).softmax(-1))
        state = after


def test_the_views_are_weak_strong_and_both_mixed():
    method, _, state = judged_once()
    batch = batch_of(task(), 1, size=B + 9)
    given = images_of(method, B + 9, int(batch.ids.sum()))
    image, batch, _ = led_up(method, task(), batch, state, LATE)
    draws, chosen = batch.draws, state["target"][batch.ids] >= 0
    strong = strong_view(given[1], draws["strength"], draws["hole"])
    same(image[:2], torch.stack([given[0], strong]))
    for k, view in enumerate((given[0], strong)):
        partner = kept_partners(chosen, draws["order"][k])
        same(image[2 + k], mix_pairs(view, draws["mix"][k], partner))
    with seeded("draws", 0):
        assert method.draw(B)["order"].shape == (2, B)
