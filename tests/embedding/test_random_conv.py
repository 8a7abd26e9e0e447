"""Responses to random patches, against the formula in plain loops."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.embedding import BACKBONES

CPU = torch.device("cpu")
GOLDEN = Path(__file__).parents[1] / "golden" / "backbones.txt"


@pytest.fixture(scope="module")
def images():
    train, test = DATASETS.build("digits").load(Path(), 0)
    return train.image, test.image


def fitted(spec, image):
    backbone = BACKBONES.build(spec)
    return backbone, backbone.fit(image, CPU)


def by_hand(image, own, side, threshold, pools):
    """The features of one image ``(channels, height, width)``, every formula by hand."""
    own = {name: tensor.double().numpy() for name, tensor in own.items()}
    image = image.double().numpy()
    rows, columns = (length - side + 1 for length in image.shape[1:])
    response = np.zeros((rows, columns, own["filters"].shape[1]))
    for row in range(rows):
        for column in range(columns):
            patch = image[:, row : row + side, column : column + side].ravel()
            patch = patch - patch.mean()
            patch = patch / math.sqrt((patch**2).mean() + 10)
            response[row, column] = (patch @ own["white"] - own["mean"]) @ own["filters"]
    parts = []
    for half in (response, -response):
        for i in range(pools):
            for j in range(pools):
                place = (
                    slice(i * rows // pools, math.ceil((i + 1) * rows / pools)),
                    slice(j * columns // pools, math.ceil((j + 1) * columns / pools)),
                )
                parts.append(np.maximum(0, half[place] - threshold).mean((0, 1)))
    count = pools**2
    pooled = [np.concatenate([parts[k], parts[count + k]]) for k in range(count)]
    return np.concatenate(pooled) @ own["projection"] - own["offset"]


def test_features_are_those_of_the_formula_in_plain_loops(images):
    spec = "random_conv(patches=7, side=3, threshold=0.3, pools=2, size=11)"
    backbone, own = fitted(spec, images[0])
    found = backbone.embed(images[1][:9], own, CPU)
    assert (found.shape, found.dtype) == ((9, 11), torch.float32)
    for one, image in zip(found, images[1][:9], strict=True):
        np.testing.assert_allclose(one, by_hand(image, own, 3, 0.3, 2), atol=1e-4)


def test_whitened_patches_have_no_covariance_left_and_filters_the_length_1(images):
    _, own = fitted("random_conv(patches=7, side=3)", images[0])
    patch = images[0][:, 0].unfold(1, 3, 1).unfold(2, 3, 1).reshape(-1, 9).double()
    patch = patch - patch.mean(1, keepdim=True)
    patch = patch / (patch.square().mean(1, keepdim=True) + 10).sqrt()
    covariance = (patch @ own["white"].double()).T.cov()
    apart = covariance - torch.diag(covariance.diagonal())
    assert apart.abs().max() < 0.02
    assert 0.5 < covariance.diagonal().min() < covariance.diagonal().max() < 1.02
    assert own["filters"].shape[1] == 7
    torch.testing.assert_close(own["filters"].norm(dim=0), torch.ones(7))


@pytest.mark.parametrize("whiten", [0.0, 0.5, 1.0])
def test_features_of_training_images_are_uncorrelated_and_whitened_as_asked(whiten, images):
    spread = {}
    for power in (0.0, whiten):
        backbone, own = fitted(f"random_conv(patches=16, size=8, whiten={power})", images[0])
        covariance = backbone.embed(images[0], own, CPU).double().T.cov(correction=0)
        spread[power] = covariance.diagonal()
        apart = (covariance - torch.diag(covariance.diagonal())).abs()
        scale = covariance.diagonal().sqrt()
        assert (apart / scale / scale[:, None]).max() < 1e-2
    torch.testing.assert_close(spread[whiten], spread[0.0] ** (1 - whiten), rtol=0.02, atol=0)


def test_features_are_the_same_again_and_others_from_another_seed(images):
    first, again = (fitted("random_conv(patches=7, size=4)", images[0])[1] for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = fitted("random_conv(patches=7, size=4, seed=1)", images[0])[1]
    assert not torch.equal(first["filters"], other["filters"])


def test_images_do_not_depend_on_their_neighbours(images):
    backbone, own = fitted("random_conv(patches=7, size=4)", images[0])
    alone = torch.cat([backbone.embed(images[1][i : i + 1], own, CPU) for i in range(6)])
    torch.testing.assert_close(backbone.embed(images[1][:6], own, CPU), alone)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 9), (2, 5, 4)])  # of one pixel is nothing left
def test_the_smallest_images_have_the_number_of_features_that_is_said(shape):
    image = torch.randint(255, (20, *shape), dtype=torch.uint8)
    backbone, own = fitted("random_conv(patches=3, size=30)", image)
    found = backbone.embed(image, own, CPU)
    assert found.shape == (20, backbone.features(shape))
    assert found.isfinite().all()


def test_no_name_default_or_version_of_a_backbone_changes_silently():
    said = [f"{BACKBONES.full(entry())} version={entry.version}" for entry in BACKBONES.values()]
    assert sorted(said) == sorted(GOLDEN.read_text(encoding="utf-8").splitlines())
