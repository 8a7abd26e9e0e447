"""Label noise: its tables, and the one sampler that draws from all of them."""

import pytest
import torch

from benchmarks.datasets import DATASETS, published
from benchmarks.noise import NOISES, Clean, LabelSpace, label_sha256
from benchmarks.noise.base import sample
from benchmarks.seeds import generator, integer
from tests.oracles import noise as oracles

N, C = 21_007, 7
PUBLISHED = {
    "digits": {},
    "mnist": {2: 7, 3: 8, 5: 6, 6: 5, 7: 1},
    "fashion_mnist": {2: 6, 3: 4, 4: 3, 7: 5, 9: 7},
    "kmnist": {},
    "cifar10": {2: 0, 3: 5, 4: 7, 5: 3, 9: 1},
    "svhn": {},
}
MAP = {1: 4, 3: 5, 5: 3}  # of seven classes: one way, and a swap
RATES = [0.0, 0.3, 1.0]
every_rate = pytest.mark.parametrize("rate", RATES)
every_noise = pytest.mark.parametrize("name", ["symmetric", "asymmetric", "pair_flip"])
every_map = pytest.mark.parametrize("confusions", [{}, MAP], ids=["no map", "map"])


def labels(examples=N, classes=C):
    return torch.arange(examples) * 5 % classes


def table(name, rate, confusions=MAP, classes=C, **fields):
    space = LabelSpace(classes, N, confusions)
    return NOISES[name](rate=rate, **fields).matrix(space)


def corrupt(label, found, dataset, seed, counts="random"):
    """Given labels by a table, from the uniforms of a dataset and a seed."""
    source = generator("noise", dataset, seed)
    u, v = torch.rand(2, len(label), dtype=torch.float64, generator=source)
    return sample(label, found, u, v, counts)


# ------------------------------------------------------------------------------------- tables


@every_map
@every_rate
@every_noise
def test_the_rows_are_distributions(name, rate, confusions):
    found = table(name, rate, confusions)
    assert found.shape == (C, C)
    assert found.dtype == torch.float64
    assert found.ge(0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(C, dtype=torch.float64))


@every_rate
def test_symmetric_noise_spreads_over_the_other_classes_alone(rate):
    for true, row in enumerate(table("symmetric", rate).tolist()):
        for given, share in enumerate(row):
            assert share == pytest.approx(1 - rate if given == true else rate / (C - 1))


@every_rate
def test_asymmetric_noise_follows_the_map_and_leaves_other_classes_clean(rate):
    for true, row in enumerate(table("asymmetric", rate).tolist()):
        for given, share in enumerate(row):
            if true in MAP:
                expected = {true: 1 - rate, MAP[true]: rate}.get(given, 0.0)
            else:
                expected = float(given == true)
            assert share == pytest.approx(expected)


def test_without_a_map_each_class_flips_to_the_next_and_the_last_to_the_first():
    found = table("asymmetric", 0.25, {}, 3)
    expected = [[0.75, 0.25, 0.0], [0.0, 0.75, 0.25], [0.25, 0.0, 0.75]]
    assert found.tolist() == expected


def test_the_maps_are_those_that_were_published():
    assert {name: dict(DATASETS[name].confusions) for name in PUBLISHED} == PUBLISHED
    assert set(published()) - set(PUBLISHED) == {"cifar100", "embedded"}  # see test_datasets.py


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist", "cifar10"])
def test_a_published_map_flips_its_classes_and_no_other(dataset):
    clean = labels(5_003, 10)
    found = table("asymmetric", 1.0, DATASETS[dataset].confusions, 10)
    noisy = corrupt(clean, found, dataset, 1)
    assert noisy.tolist() == [PUBLISHED[dataset].get(y, y) for y in clean.tolist()]


def test_clean_is_the_table_at_rate_zero():
    for name in ("symmetric", "asymmetric"):
        assert torch.equal(table(name, 0.0), Clean().matrix(LabelSpace(C, N, MAP)))


# ---------------------------------------------------------------------------------- the sampler


@every_map
@every_rate
@every_noise
def test_the_sampler_against_the_loop(name, rate, confusions):
    clean, found = labels(503), table(name, rate, confusions)
    u, v = torch.rand(2, 503, dtype=torch.float64, generator=generator("noise", "toy", 9)).tolist()
    expected = oracles.corrupt(clean.tolist(), found.tolist(), u, v)
    assert corrupt(clean, found, "toy", 9).tolist() == expected


def test_the_sampler_against_the_loop_for_any_table():
    rng = torch.Generator().manual_seed(1)
    found = torch.rand(C, C, dtype=torch.float64, generator=rng).pow(3)
    found = found / found.sum(1, keepdim=True)
    clean = labels(1_009)
    u, v = torch.rand(2, 1_009, dtype=torch.float64, generator=generator("noise", "x", 2)).tolist()
    expected = oracles.corrupt(clean.tolist(), found.tolist(), u, v)
    assert corrupt(clean, found, "x", 2).tolist() == expected


def test_which_examples_flip_does_not_depend_on_the_kind_of_noise():
    symmetric, asymmetric = (
        corrupt(labels(), table(name, 0.35, {}), "toy", 4) != labels()
        for name in ("symmetric", "asymmetric")
    )
    assert torch.equal(symmetric, asymmetric)


# ------------------------------------------------------------------------------ hash and streams


@pytest.mark.parametrize("found", [[], [0], [3, 0, 255, 256, 2**40, -1], list(range(999))])
def test_the_hash_of_labels_is_that_of_packed_little_endian_integers(found):
    assert label_sha256(torch.tensor(found, dtype=torch.int64)) == oracles.label_sha256(found)


def test_the_hash_does_not_depend_on_the_type_or_layout_of_the_tensor():
    label = torch.arange(12)
    expected = oracles.label_sha256(range(12))
    assert label_sha256(label.to(torch.int32)) == expected
    assert label_sha256(torch.stack([label, label], 1)[:, 0]) == expected


def test_streams_of_different_names_differ_and_of_one_name_agree():
    salts = [("noise", "a", 1), ("noise", "a", 2), ("noise", "b", 1), ("split", "a", 1), ("noise",)]
    seeds = [integer(*salt) for salt in salts]
    assert len(set(seeds)) == len(salts)
    assert all(0 <= seed < 2**63 for seed in seeds)
    first, second = (torch.rand(5, generator=generator("noise", "a", 1)) for _ in range(2))
    assert torch.equal(first, second)


def test_the_streams_never_change():
    """Every number of every result comes from them."""
    assert integer("noise", "digits", 0) == 4831953525642331151
