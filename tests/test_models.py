"""Networks, recipes and augmentation."""

import pytest
import torch

from benchmarks.engine.augment import crop_and_flip, draw
from benchmarks.models import MODELS, initialised
from benchmarks.recipes import RECIPES
from benchmarks.seeds import generator


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("mlp", (1, 8, 8), 50_826),
        ("convnet", (1, 8, 8), 38_378),
        ("mnist_convnet", (1, 28, 28), 422_090),
    ],
)
def test_parameter_counts(name, shape, count):
    network = MODELS.build(name).build(shape, 10)
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("name", MODELS)
def test_models_fit_other_shapes_and_class_counts(name):
    network = MODELS.build(name).build((3, 12, 20), 7)
    assert network(torch.rand(5, 3, 12, 20)).shape == (5, 7)


@pytest.mark.parametrize("name", MODELS)
def test_initial_weights_depend_on_the_salt_alone(name):
    model, before = MODELS.build(name), torch.random.get_rng_state()
    first, again, other = (
        torch.cat([p.flatten() for p in initialised(model, (1, 8, 8), 10, s).parameters()])
        for s in (("a", 0), ("a", 0), ("a", 1))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_cosine_schedule_is_torchs():
    recipe = RECIPES.build("small(lr=0.3)")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=17)
    for epoch in range(17):
        assert recipe.lr_at(epoch, 17) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()


def test_a_constant_schedule_is_constant():
    recipe = RECIPES.build("small(schedule='constant', lr=0.25)")
    assert {recipe.lr_at(epoch, 9) for epoch in range(9)} == {0.25}


def test_crop_and_flip_equals_torchvisions_given_the_same_draws():
    tv = pytest.importorskip("torchvision.transforms.functional")
    image = torch.randint(256, (40, 3, 6, 9), dtype=torch.uint8, generator=generator("image"))
    offsets, flips = draw(40, 2, generator("draws"))
    found = crop_and_flip(image, offsets, flips, 2)
    for one, (top, left), flip, result in zip(image, offsets.tolist(), flips, found, strict=True):
        expected = tv.crop(tv.pad(one, [2, 2]), top, left, 6, 9)
        assert torch.equal(result, tv.hflip(expected) if flip else expected)
    assert offsets.unique().tolist() == [0, 1, 2, 3, 4]
    assert 8 < flips.sum() < 32


def test_a_centred_crop_without_flip_changes_nothing():
    image = torch.randint(256, (4, 1, 5, 7), dtype=torch.uint8, generator=generator("image"))
    still = crop_and_flip(image, torch.full((4, 2), 3), torch.zeros(4, dtype=torch.bool), 3)
    assert torch.equal(still, image)
