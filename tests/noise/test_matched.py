"""Noise with the transition matrix of labels that people gave."""

import hashlib
from collections import Counter

import numpy as np
import pytest
import torch

from benchmarks.noise import NOISES, Images, LabelSpace
from benchmarks.noise.human import CIFAR10N
from benchmarks.sweep import Cell, label_space
from tests.cells import build

SIZE = 4000
CLEAN = np.arange(SIZE) % 10
GIVEN = np.where(np.arange(SIZE) % 7 < CLEAN % 4, (3 * CLEAN + 1) % 10, CLEAN)


@pytest.fixture
def space(tmp_path, monkeypatch):
    """Made-up labels that pass for the published ones, and a part of their images."""
    path = tmp_path / CIFAR10N.file
    torch.save({"clean_label": CLEAN, "worse_label": GIVEN, "aggre_label": CLEAN}, path)
    monkeypatch.setattr(CIFAR10N, "sha256", hashlib.sha256(path.read_bytes()).hexdigest())
    images = Images(torch.zeros(60, 1, 1, 1), torch.arange(60), tmp_path, lambda _: None)
    return LabelSpace(10, 60, {}, dataset="cifar10", images=images)


def test_the_matrix_is_that_of_the_whole_file_counted_label_by_label(space):
    counted = Counter(zip(CLEAN.tolist(), GIVEN.tolist(), strict=True))
    expected = np.array([[counted[i, j] / (SIZE / 10) for j in range(10)] for i in range(10)])
    noise = NOISES.build("matched(human='cifar10n:worse')")
    np.testing.assert_allclose(noise.matrix(space), expected, atol=1e-12)
    label = torch.from_numpy(CLEAN)
    given = noise.corrupt(label, space, "cifar10", 0)
    shares = torch.zeros(10, 10, dtype=torch.float64)
    shares.index_put_((label, given.label), torch.tensor(10 / SIZE).double(), accumulate=True)
    assert (shares - given.transition).abs().max() < 0.1
    assert not torch.equal(given.label, torch.from_numpy(GIVEN))


def test_exact_counts_of_pairs_are_those_of_the_people_on_other_images(space):
    noise = NOISES.build("matched(human='cifar10n:worse', counts='per_pair')")
    label = torch.from_numpy(CLEAN)
    given = [noise.corrupt(label, space, "cifar10", seed).label.numpy() for seed in (0, 1)]
    for own in given:
        pairs = (Counter(zip(CLEAN.tolist(), of.tolist(), strict=True)) for of in (own, GIVEN))
        assert next(pairs) == next(pairs)
    assert (given[0] != given[1]).any()


def test_labels_of_another_kind_and_dataset_are_refused(space):
    with pytest.raises(ValueError, match=r"Matched.human must be one of cifar10n:aggre, .*worst"):
        NOISES.build("matched(human='cifar10n:worst')")
    noise = NOISES.build("matched(human='cifar100n')")
    with pytest.raises(ValueError, match="CIFAR100N holds labels of cifar100, not of cifar10"):
        noise.check(space, [0])
    with pytest.raises(ValueError, match="CIFAR10N holds labels of cifar10, not of digits"):
        NOISES.build("matched(human='cifar10n:worse')").check(label_space(build().dataset), [0])


def test_features_have_the_human_labels_of_their_images():
    cell: Cell = build(dataset="embedded", noise="matched(human='cifar10n:worse')")
    cell.noise.check(label_space(cell.dataset), [0])
    NOISES.build("cifar10n").check(label_space(cell.dataset), [0])
