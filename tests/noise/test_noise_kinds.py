"""Conventions of the literature, rounding of exact counts, and noise from a file."""

import numpy as np
import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data
from benchmarks.noise import NOISES, LabelSpace, realised
from benchmarks.sweep import Cell, label_space

N, C = 9_007, 10
SWAP = {9: 1, 2: 0, 3: 5, 5: 3, 4: 7}  # in the order in which papers' code goes through CIFAR-10
SPACE = LabelSpace(C, N, SWAP)
LABEL = torch.arange(N) * 7 % C
EXACT = ["per_class", "per_pair"]


def drawn(spec, label=LABEL, space=SPACE, seed=0):
    return NOISES.build(spec).corrupt(label, space, "toy", seed)


# ------------------------------------------------------------------------------- conventions


def test_a_label_redrawn_from_all_classes_is_right_by_chance_one_time_in_c():
    found = drawn("symmetric(rate=0.8, include_true=True)").transition
    torch.testing.assert_close(found, drawn("symmetric(rate=0.72)").transition)
    redrawn = 0.2 * torch.eye(C) + 0.8 * torch.full((C, C), 1 / C)
    torch.testing.assert_close(found, redrawn.double())


def flipped_back(label, rate, rng):
    """The papers' loop: each source in turn, on labels that are already changed."""
    label = list(label)
    for source, target in SWAP.items():
        at = [i for i, y in enumerate(label) if y == source]
        for i in rng.choice(at, int(rate * len(at)), replace=False):
            label[i] = target
    return label


@pytest.mark.parametrize(
    ("rate", "published"), [(0.1, 0.0490), (0.2, 0.0958), (0.3, 0.1414), (0.4, 0.1845)]
)
def test_flip_back_has_the_rates_of_the_papers_code(rate, published):
    label = torch.arange(50_000) % C
    space = LabelSpace(C, len(label), SWAP)
    spec = f"asymmetric(rate={rate}, pairs='flip_back', counts='per_class')"
    given, table, _ = drawn(spec, label, space)
    loop = torch.tensor(flipped_back(label.tolist(), rate, np.random.default_rng(0)))
    assert (given != label).double().mean().item() == pytest.approx(published, abs=6e-4)
    torch.testing.assert_close(realised(label, loop, C), table, atol=0.03, rtol=0)
    torch.testing.assert_close(realised(label, given, C), table, atol=0.03, rtol=0)


def test_the_map_of_cifar10_is_walked_in_the_order_of_the_papers():
    ours = DATASETS["cifar10"].confusions
    assert ours == SWAP
    assert list(ours).index(3) < list(ours).index(5)  # cats become dogs, and then dogs cats


def test_blocks_of_five_are_not_superclasses():
    table = NOISES.build("asymmetric(rate=1, pairs='block')").matrix(LabelSpace(100, 500, {}))
    target = table.argmax(1).tolist()
    assert sorted(target) == list(range(100))
    assert target[:6] == [1, 2, 3, 4, 0, 6]
    assert all(i // 5 == j // 5 for i, j in enumerate(target))
    superclass = label_space(DATASETS.build("cifar100")).superclass
    assert sum(superclass[i] == superclass[j] for i, j in enumerate(target)) == 6


def test_blocks_must_fill_the_classes():
    with pytest.raises(ValueError, match=r"^Asymmetric\.pairs 'block' needs .* got 7$"):
        NOISES.build("asymmetric(rate=0.1, pairs='block')").check(LabelSpace(7, N, {}), [])


# ------------------------------------------------------------------------------- exact counts


@pytest.mark.parametrize("counts", EXACT)
def test_exact_counts_do_not_lose_a_flip_to_rounding(counts):
    label = torch.zeros(30, dtype=torch.long)
    given = drawn(f"pair_flip(rate=0.1, counts='{counts}')", label, LabelSpace(C, 30, {})).label
    assert (given == 1).sum() == 3
    assert 0.1 * 3 != 0.3


# ------------------------------------------------------------------------------- files


def write_matrix(folder, table, name="T.csv"):
    path = folder / name
    np.savetxt(path, table, delimiter=",") if name.endswith("csv") else np.save(path, table)
    return path


@pytest.mark.parametrize("name", ["T.csv", "T.npy"])
def test_a_matrix_from_a_file_is_the_noise_of_its_table(tmp_path, name):
    path = write_matrix(tmp_path, drawn("symmetric(rate=0.3)").transition.numpy(), name)
    noise = NOISES.build(f"matrix(file={str(path)!r})")
    noise.check(SPACE, [0])
    assert torch.equal(
        noise.corrupt(LABEL, SPACE, "toy", 0).label, drawn("symmetric(rate=0.3)").label
    )
    assert noise.nominal_rate is None


BAD = {
    "two rows": (np.eye(10)[:2], "must hold 10 x 10 numbers"),
    "not a distribution": (2 * np.eye(10), "rows of probabilities that sum to 1, row 0"),
    "negative": (np.eye(10) * 2 - np.full((10, 10), 0.1), "rows of probabilities"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_matrix_is_refused_in_a_sentence(tmp_path, case):
    table, words = BAD[case]
    noise = NOISES.build(f"matrix(file={str(write_matrix(tmp_path, table))!r})")
    with pytest.raises(ValueError, match=words):
        noise.check(SPACE, [0])


def given_of(path, size=N, **fields):
    noise = NOISES.build(f"labels(file={str(path)!r})")
    space = LabelSpace(C, size, {}, **fields)
    noise.check(space, [4])
    return noise.corrupt(LABEL, space, "toy", 4)


def test_a_dataset_that_is_split_anew_needs_a_file_for_each_seed(tmp_path):
    np.save(tmp_path / "labels-4.npy", LABEL.numpy())
    with pytest.raises(ValueError, match=r"must have \{seed\} in its name"):
        given_of(tmp_path / "labels-4.npy", resplit=True)
    assert torch.equal(given_of(tmp_path / "labels-{seed}.npy", resplit=True).label, LABEL)


def cell_of(noise):
    specs = {"dataset": "digits", "noise": noise, "method": "cross_entropy", "model": "mlp"}
    return Cell.build(specs | {"recipe": "small", "seed": 0, "precision": "float32"})


def test_a_changed_file_is_another_cell(tmp_path):
    ids = []
    for rate in (0.3, 0.3, 0.4):
        table = drawn(f"symmetric(rate={rate})").transition.numpy()
        path = write_matrix(tmp_path, table)
        ids.append(cell_of(f"matrix(file={str(path)!r})").id)
    assert ids[0] == ids[1] != ids[2]


def test_the_noise_of_a_cell_tells_its_true_matrix(tmp_path):
    cell = cell_of("pair_flip(rate=0.3)")
    problem = load_cell_data(cell, tmp_path, torch.device("cpu"))
    expected = cell.noise.matrix(label_space(DATASETS.build("digits")))
    torch.testing.assert_close(problem.transition, expected.float())
