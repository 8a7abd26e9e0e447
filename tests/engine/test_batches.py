"""The batches of an epoch: their order and sizes, and their images augmented as by torchvision."""

import numpy as np
import pytest
import torch

from benchmarks.engine.augmentation import crop_and_flip, draw, rotate, stream
from benchmarks.engine.data import load_cell_data
from benchmarks.seeds import generator
from methods import METHODS
from tests.cells import CPU, NOWHERE, batches_of, build

tv = pytest.importorskip("torchvision.transforms.functional")


@pytest.fixture(params=["random", "photographs"])
def images(request):
    """40 colour images, none of whose pixels is 0 where they are random."""
    if request.param == "random":
        return torch.randint(1, 256, (40, 3, 26, 33), dtype=torch.uint8, generator=generator("i"))
    return request.getfixturevalue("cifar10").load()[1].image[:40]


def test_crop_and_flip_equals_torchvisions_given_the_same_draws(images):
    height, width = images.shape[-2:]
    offsets, flips, _ = draw(40, 2, generator("draws"))
    found = crop_and_flip(images, offsets, flips, 2)
    for one, (top, left), flip, result in zip(images, offsets.tolist(), flips, found, strict=True):
        expected = tv.crop(tv.pad(one, [2, 2]), top, left, height, width)
        assert torch.equal(result, tv.hflip(expected) if flip else expected)
    assert offsets.unique().tolist() == [0, 1, 2, 3, 4]
    assert 8 < flips.sum() < 32


@pytest.mark.parametrize("crop", [2, 40])  # 40 pixels behind a border of 26 is mirrored twice
def test_a_mirrored_border_is_that_of_numpy_and_of_torchvision(images, crop):
    height, width = images.shape[-2:]
    offsets, flips, _ = draw(40, crop, generator("draws"))
    found = crop_and_flip(images, offsets, flips, crop, mirror=True)
    padded = np.pad(images.numpy(), [(0, 0), (0, 0), (crop, crop), (crop, crop)], mode="reflect")
    if crop < min(height, width):
        expected = tv.pad(images, [crop] * 4, padding_mode="reflect")
        assert torch.equal(expected, torch.from_numpy(padded))
    for one, (top, left), flip, result in zip(padded, offsets.tolist(), flips, found, strict=True):
        cut = torch.from_numpy(one[:, top : top + height, left : left + width])
        assert torch.equal(result, tv.hflip(cut) if flip else cut)


@pytest.mark.parametrize("largest", [20.0, 180.0])
def test_rotation_equals_torchvisions_given_the_same_draws(images, largest):
    degrees = largest * draw(40, 0, generator("draws")).turns
    found = rotate(images, degrees)
    for one, angle, result in zip(images, degrees.tolist(), found, strict=True):
        assert torch.equal(result, tv.rotate(one, angle))
    assert degrees.min() < -0.8 * largest
    assert degrees.max() > 0.8 * largest
    assert found.dtype == torch.uint8


def test_a_centred_crop_without_flip_and_no_angle_changes_nothing():
    image = torch.randint(256, (4, 1, 5, 7), dtype=torch.uint8, generator=generator("image"))
    still = crop_and_flip(image, torch.full((4, 2), 3), torch.zeros(4, dtype=torch.bool), 3)
    assert torch.equal(still, image)
    assert torch.equal(rotate(image, torch.zeros(4, dtype=torch.float64)), image)
    assert torch.equal(rotate(image, torch.full((4,), 180.0)), image.flip(-1, -2))


def test_rotations_are_drawn_after_crops_and_flips_and_do_not_shift_them():
    offsets, flips, turns = draw(9, 4, stream("digits", 3, 7))
    before = generator("augment", "digits", 3, 7)  # what was drawn before there were rotations
    assert torch.equal(offsets, torch.randint(9, (9, 2), generator=before))
    assert torch.equal(flips, torch.rand(9, generator=before) < 0.5)
    assert -1 <= turns.min() < turns.max() < 1


def test_views_and_epochs_are_independent_and_view_zero_is_the_one_of_every_method():
    draws = {
        salt: draw(2000, 4, stream("digits", *salt)) for salt in [(0, 0), (0, 1), (0, 0, 1), (1, 0)]
    }
    assert torch.equal(draw(2000, 4, stream("digits", 0, 0, 0)).turns, draws[0, 0].turns)
    turns = torch.stack([d.turns for d in draws.values()])
    correlation = torch.corrcoef(turns) - torch.eye(len(turns))
    assert correlation.abs().max() < 4 / 2000**0.5


@pytest.mark.parametrize(("method", "views"), [("cross_entropy", 1), ("gjs", 2)])
def test_a_recipe_crops_flips_and_then_rotates_every_view_by_itself(method, views):
    recipe = "small(crop=2, flip=True, rotation=30, val_fraction=0.0, batch=97)"
    cell = build(method, recipe=recipe)
    data = load_cell_data(cell, NOWHERE, CPU)
    draws = [draw(1078, 2, stream("digits", 0, 4, view)) for view in range(views)]
    seen = []
    for image, batch in batches_of(cell, data, 4):
        assert len(image) == views
        seen += batch.ids.tolist()
        for view, (offsets, flips, turns) in zip(image, draws, strict=True):
            for i, result in zip(batch.ids.tolist(), view, strict=True):
                one = tv.pad(data.train[i], [2, 2])
                one = tv.crop(one, *offsets[i].tolist(), 8, 8)
                one = tv.rotate(tv.hflip(one) if flips[i] else one, 30 * turns[i].item())
                assert torch.equal(result, data.pixels(one))
    assert sorted(seen) == list(range(1078))


def test_alternating_flips_mirror_in_every_other_epoch_the_half_that_the_first_did_not():
    cells = [build(recipe=f"small(flip=True, alternate={on})", seed=3) for on in (True, False)]
    data = load_cell_data(cells[0], NOWHERE, CPU)
    plain = data.pixels(data.train)

    def mirrored(cell, epoch):
        places = torch.empty(len(plain), dtype=torch.bool)
        for image, batch in batches_of(cell, data, epoch):
            places[batch.ids] = (image[0] != plain[batch.ids]).flatten(1).any(1)
        return places

    first, second, third = (mirrored(cells[0], epoch) for epoch in range(3))
    assert torch.equal(first, mirrored(cells[1], 0))
    assert torch.equal(second, ~first)
    assert torch.equal(third, first)
    assert not torch.equal(third, mirrored(cells[1], 2))


def test_methods_see_the_same_labels_in_the_same_order():
    cells = [build(method) for method in METHODS]
    data = [load_cell_data(cell, NOWHERE, CPU) for cell in cells]
    orders = [
        torch.cat([batch.ids for _, batch in batches_of(cell, own, 1)])
        for cell, own in zip(cells, data, strict=True)
    ]
    assert all(torch.equal(order, orders[0]) for order in orders)
    assert len({own.noise_sha256 for own in data}) == 1


@pytest.mark.parametrize(
    ("size", "lengths"), [(128, [64, 64]), (129, [64, 65]), (130, [64, 64, 2])]
)
def test_a_last_batch_of_one_joins_the_one_before(size, lengths):
    cell = build(recipe="small(batch=64)")
    data = load_cell_data(cell, NOWHERE, CPU)
    short = data._replace(noisy=data.noisy[:size])
    ids = [batch.ids for _, batch in batches_of(cell, short, 0)]
    assert [len(some) for some in ids] == lengths
    assert torch.cat(ids).sort().values.tolist() == list(range(size))
