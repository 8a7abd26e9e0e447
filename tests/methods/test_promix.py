"""ProMix against loops from its paper and its authors' code; its strong views, image by image."""

import math

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.functional import InterpolationMode, affine

from benchmarks.contract.samples import (
    EPOCHS,
    B,
    C,
    N,
    batch_of,
    images_of,
    led_up,
    logits_of,
    outputs_of,
    started,
    task,
)
from methods import METHODS
from methods.parts.strong_views import CHANGES, FURTHEST, draw_changes, strong_view
from methods.promix import agreement_mask, classwise_small_loss, partners, running_means
from tests.agreement import same
from tests.methods.visits import holds, visits
from tests.oracles import methods as oracles
from tests.oracles import promix as papers

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

TAU, DEBIAS, COOL, FILL, WEIGHT = 0.55, 0.7, 0.4, 0.8, 0.3
SPEC = (
    f"promix(warmup=3, ratio=0.4, tau={TAU}, debias={DEBIAS}, temperature={COOL}, fill={FILL}, "
    f"guess=0.3, ramp=0.9, memory=0.5, unlabelled_weight={WEIGHT})"
)
BEFORE, LAST = torch.tensor(6), torch.tensor(11)  # of 13 epochs: without guesses, and with


def with_ramp(ramp):
    return SPEC.replace("ramp=0.9", f"ramp={ramp}")


def chosen_once(epoch):
    """A state after a selection, with running means that are not uniform."""
    method = METHODS.build(SPEC)
    state = method.refit(outputs_of(method), started(method, task()), epoch)
    source = torch.Generator().manual_seed(3)
    return {**state, "pi": torch.randn(2, 2, C, generator=source).mul(2).softmax(-1)}


class Views:
    """What the paper says of one network on a batch."""

    def __init__(self, net, batch, state, epoch):
        outputs, labels = batch.outputs[:, 0, :, :C].tolist(), batch.label.tolist()
        ids, own = batch.ids.tolist(), outputs[net]
        base = {b for b, i in enumerate(ids) if state["base"][net, i]}
        self.known = papers.confident(own, labels, base, TAU)
        guesses = papers.guessed(outputs, self.known, TAU, FILL) if epoch >= 0.7 * EPOCHS else set()
        self.sure = self.known | guesses
        self.bias, self.other = state["pi"][:, net].tolist()
        self.label = papers.labels_of(own, labels, self.known, self.bias, DEBIAS)
        self.rest = [b for b in range(len(ids)) if b not in self.sure]
        self.soft = {b: papers.sharpened(own[b], self.other, DEBIAS, COOL) for b in self.rest}
        self.own = own

    def loss(self, rows, partner, mix, w, u):
        first, second = ([[row[at : at + C] for row in view] for view in rows] for at in (0, C))
        believed = sorted(self.sure)
        pairs = [b for b in believed if partner[b] in self.sure]
        both = [zip(self.label[b], self.label[partner[b]], strict=True) for b in pairs]
        blend = [[mix * s + (1 - mix) * t for s, t in pair] for pair in both]

        def part(view, places, targets, bias):
            moved = [papers.shifted(view[b], bias, DEBIAS) for b in places]
            return papers.soft_cross_entropy(moved, targets)

        targets, soft = [self.label[b] for b in believed], [self.soft[b] for b in self.rest]
        total = 0.0
        for weak, hard, mixed in (first, second):
            later = part(hard, believed, targets, self.bias) + part(mixed, pairs, blend, self.bias)
            total += part(weak, believed, targets, self.bias) + w * later
        others = [part(view, self.rest, soft, self.other) for view in second[:2]]
        return total + u * (others[0] + w * others[1])


@pytest.mark.parametrize(
    ("epoch", "ramp"), [(BEFORE, 0.9), (LAST, 0.4)], ids=["before", "last, without the others"]
)
def test_promix_against_the_loop(epoch, ramp):
    before = chosen_once(epoch)
    w, risen = min(1, epoch.item() / (ramp * EPOCHS)), epoch.item() / (2 * ramp * EPOCHS)
    u = WEIGHT * risen if risen < 1 else 0.0
    assert (u > 0) == (epoch is BEFORE)
    added = 0
    for rows, batch, loss, gradient, after in visits(with_ramp(ramp), epoch, before):
        mix, total = batch.draws["mix"].item(), 0.0
        both = [Views(net, batch, before, epoch) for net in (0, 1)]
        sure = torch.tensor([[b in v.sure for b in range(len(batch.ids))] for v in both])
        partner = partners(sure, batch.draws["order"]).tolist()
        for net, (views, row) in enumerate(zip(both, rows, strict=True)):
            assert 0 < len(views.rest) < len(batch.ids)
            added += len(views.sure - views.known)
            own = views.loss(row, partner, mix, w, u)
            if len(batch.ids) == B:
                holds(row, own, gradient[net], views.loss, partner, mix, w, u, rtol=1e-6)
            total += own
            step = len(batch.ids) / (N * 0.5 * EPOCHS)
            for kind, places in enumerate((sorted(views.sure), views.rest)):
                old = before["pi"][kind, net].tolist()
                moved = papers.moved_mean(old, [views.own[b] for b in places], step)
                same(after["pi"][kind, net], torch.tensor(moved))
            known = [b in views.known for b in range(len(batch.ids))]
            assert after["kept"][net, batch.ids].tolist() == known
        assert loss == pytest.approx(total, rel=1e-12)
        before = after
    assert (added > 0) == (epoch is LAST)


def test_the_warmup_is_cross_entropy_on_the_weak_view_alone():
    spec = SPEC.replace("warmup=3", "warmup=7")
    for rows, batch, loss, gradient, state in visits(spec, BEFORE):
        labels = batch.label.tolist()
        first = ([row[:C] for row in net[0]] for net in rows)
        each = [oracles.mean(oracles.cross_entropy(own, labels)) for own in first]
        assert loss == pytest.approx(sum(each), rel=1e-12)
        assert not gradient[:, 1:].any()
        assert not gradient[..., C:].any()
        assert state["kept"].all()
        assert state["pi"].eq(1 / C).all()
    late = METHODS.build(spec)
    state = late.refit(outputs_of(late), started(late, task()), BEFORE)
    assert state["base"].all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.55, 1.0])
def test_the_easiest_of_each_class_against_the_loop(share):
    rows, label = outputs_of(METHODS.build("cross_entropy"))[0], task().label
    label = torch.where(label == 2, 4, label)  # a class that nothing has
    mask = classwise_small_loss(rows, label, share).nonzero().flatten().tolist()
    wanted = papers.easiest_of_each_class(rows.tolist(), label.tolist(), share)
    assert set(mask) == wanted
    assert 4 <= len(mask) < N


@pytest.mark.parametrize("fill", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_what_networks_agree_on_against_the_loop(fill):
    source = torch.Generator().manual_seed(1)
    logits = torch.randn(23, C, generator=source).mul(2) + torch.randn(2, 23, C, generator=source)
    known = torch.rand(2, 23, generator=source) < 0.3
    mask = agreement_mask(logits.softmax(-1), known, 0.4, fill)
    for net in (0, 1):
        chosen = {b for b in range(23) if known[net, b]}
        wanted = papers.guessed(logits.tolist(), chosen, 0.4, fill)
        assert set(mask[net].nonzero().flatten().tolist()) == wanted
    assert bool(mask.any()) == (fill > 0.3)


def test_the_first_head_chooses_and_predicts():
    method, training = METHODS.build(SPEC), task()
    outputs = outputs_of(method)
    chosen = method.refit(outputs, started(method, training), BEFORE)["base"]
    first = outputs[..., :C]
    easy = [classwise_small_loss(own, training.label, 0.4) for own in first]
    assert torch.equal(chosen, torch.stack(easy))
    same(method.predict(outputs).exp(), first.softmax(-1).mean(0))


def test_a_running_mean_without_an_example_stays():
    means = torch.rand(2, 2, C, generator=torch.Generator().manual_seed(8))
    p = torch.rand(2, 7, C, generator=torch.Generator().manual_seed(9))
    chosen = torch.tensor([[True] * 7, [False] * 7])
    moved = running_means(means, p, chosen, torch.tensor(0.25))
    assert torch.equal(moved[1, 0], means[1, 0])
    assert torch.equal(moved[0, 1], means[0, 1])
    same(moved[0, 0], 0.75 * means[0, 0] + 0.25 * p[0].mean(0))
    same(moved[1, 1], 0.75 * means[1, 1] + 0.25 * p[1].mean(0))


def test_partners_are_a_circle_in_which_the_chosen_stand_together():
    chosen = torch.rand(2, 31, generator=torch.Generator().manual_seed(2)) < 0.6
    partner = partners(chosen, torch.rand(31, generator=torch.Generator().manual_seed(4)))
    place, seen = 0, set()
    for _ in range(31):
        seen.add(place)
        place = partner[place].item()
    assert (place, len(seen)) == (0, 31)
    count = chosen.sum(0)
    assert (count != count[partner]).sum() == 3
    assert not torch.equal(partner, partners(chosen, torch.arange(31.0).flip(0) / 31))


def test_the_views_are_weak_strong_and_mixed():
    method, batch = METHODS.build(SPEC), batch_of(task(), size=B + 9)
    batch = batch._replace(outputs=logits_of(method, B + 9))
    given = images_of(method, B + 9, int(batch.ids.sum()))
    image, batch, _ = led_up(method, task(), batch, chosen_once(BEFORE), BEFORE)
    draws, mix = batch.draws, batch.draws["mix"].item()
    sure = batch.target[0].sum(-1) > 0.5
    partner = partners(sure, draws["order"])
    assert 0.5 <= mix <= 1
    assert torch.equal(image[0], given[0])
    same(image[1], strong_view(given[1], draws["strength"], draws["hole"]))
    same(image[2], mix * given[2] + (1 - mix) * given[2][partner])


# ---------------------------------------------------------------------------------- strong views

FAR = torch.tensor([[5.0, 5.0]])  # a square beyond the image
IMAGE = torch.rand(1, 2, 12, 12, generator=torch.Generator().manual_seed(6))


def changed(**strengths):
    strength = torch.tensor([[strengths.get(name, 0.0) for name in CHANGES]])
    return strong_view(IMAGE.double(), strength, FAR)


def test_no_change_leaves_an_image_alone():
    same(changed(), IMAGE.double())


@pytest.mark.parametrize(
    ("strengths", "turned", "moved"),
    [
        ({"turn": 0.7}, -math.degrees(0.7 * FURTHEST[0]), [0, 0]),
        ({"shift_x": 0.5 / 1.2}, 0.0, [-12 * FURTHEST[3] * 0.5 / 1.2, 0]),
        ({"shift_y": -0.9}, 0.0, [0, 12 * FURTHEST[4] * 0.9]),
    ],
    ids=["turn", "across", "down"],
)
def test_turns_and_shifts_against_torchvision(strengths, turned, moved):
    whole = [round(step) for step in moved]
    wanted = affine(
        IMAGE.double(), turned, whole, 1.0, [0.0], interpolation=InterpolationMode.BILINEAR
    )
    for side, name in enumerate(("shift_x", "shift_y")):
        if whole[side]:
            strengths = {name: -whole[side] / (12 * FURTHEST[3 + side])}
    same(changed(**strengths), wanted, atol=1e-5, rtol=1e-5)


def test_shears_read_further_along_the_farther_from_the_middle():
    for name, axis in (("shear_x", -1), ("shear_y", -2)):
        ramp = torch.linspace(-1, 1, 12).double()
        along = ramp if axis == -1 else ramp[:, None]
        across = ramp[:, None] if axis == -1 else ramp
        image = along.expand(12, 12)[None, None]
        strength = torch.tensor([[0.5 * (name == change) for change in CHANGES]])
        view = strong_view(image, strength, FAR)[0, 0]
        wanted = (along + 0.15 * across).expand(12, 12)
        same(view[3:9, 3:9], wanted[3:9, 3:9], atol=1e-6, rtol=1e-6)


def test_brightness_adds_and_contrast_spreads_about_the_mean():
    image = IMAGE.double()
    same(changed(brightness=0.25), image + 0.25 * FURTHEST[5])
    spread = image.mean() + (1 - 0.5 * FURTHEST[6]) * (image - image.mean())
    same(changed(contrast=-0.5), spread)


@pytest.mark.parametrize(("down", "across"), [(0.5, 0.5), (0.0, 0.99), (0.7, 0.1)])
def test_a_square_of_half_the_sides_is_cut_out(down, across):
    view = strong_view(IMAGE, torch.zeros(1, len(CHANGES)), torch.tensor([[down, across]]))
    for row in range(12):
        for column in range(12):
            away = max(abs((row + 0.5) / 12 - down), abs((column + 0.5) / 12 - across))
            if abs(away - 0.25) > 1e-6:
                assert (view[0, :, row, column] == 0).all() == (away < 0.25)


def test_every_change_is_drawn_alike_and_images_do_not_see_each_other():
    torch.manual_seed(0)
    drawn = draw_changes(4000)
    assert drawn["strength"].abs().max() <= 2
    assert drawn["strength"].ne(0).double().mean(0).sub(1 - (7 / 8) ** 2).abs().max() < 0.02
    images = torch.rand(5, 3, 8, 6)
    strength, hole = drawn["strength"][:5], drawn["hole"][:5]
    each = [strong_view(images[i : i + 1], strength[i : i + 1], hole[i : i + 1]) for i in range(5)]
    same(strong_view(images, strength, hole), torch.cat(each))
    assert F.mse_loss(strong_view(images, strength, hole), images) > 0.01
