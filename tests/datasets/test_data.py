"""Datasets, and what of them reaches a method."""

import math
import shutil
import struct
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from benchmarks.datasets import DATASETS, published
from benchmarks.datasets.base import digest
from benchmarks.datasets.cards import card
from benchmarks.engine.data import load_cell_data, task_of
from benchmarks.errors import DataMissingError
from benchmarks.noise import label_sha256
from benchmarks.sweep import Cell, Suite
from methods import METHODS, Batch, Task
from tests.cells import alone, batches_of
from tests.datasets.split_anew import SplitAnew

CPU, NOWHERE = torch.device("cpu"), Path("nowhere")


def cell(**changes):
    first = next(Suite.read("default").cells("float32"))
    specs = {"noise": "symmetric(rate=0.4)", "recipe": "small(epochs=2)"}
    return Cell.build(first.specs() | specs | changes)


def test_digits_have_one_stratified_split_of_every_published_row():
    digits, published = DATASETS.build("digits"), load_digits()
    train, test = digits.load(NOWHERE, 3)
    assert (len(train.label), len(test.label)) == digits.sizes == (1078, 719)
    rows = [*train.position.tolist(), *test.position.tolist()]
    assert sorted(rows) == list(range(1797))
    for one, other in zip((train, test), digits.load(NOWHERE, 4), strict=True):
        assert one.position.tolist() == sorted(one.position.tolist())
        assert one.image.squeeze(1).tolist() == published.images[one.position].tolist()
        assert one.label.tolist() == published.target[one.position].tolist()
        assert torch.equal(one.image, other.image)
    share = train.label.bincount() / (train.label.bincount() + test.label.bincount())
    assert ((share - 0.6).abs() < 0.01).all()
    assert (train.image.dtype, train.image.max().item()) == (torch.uint8, 16)
    every = torch.cat([train.image, test.image]).double()
    assert every.mean().item() == pytest.approx(digits.mean[0], abs=1e-3)
    assert every.std().item() == pytest.approx(digits.std[0], abs=1e-3)
    assert digest(train, test) == digits.sha256


def test_digits_of_another_content_are_refused(monkeypatch):
    monkeypatch.setattr(type(DATASETS.build("digits")), "sha256", "0" * 64)
    with pytest.raises(DataMissingError, match="the digits of the installed scikit-learn are dam"):
        DATASETS.build("digits").load(NOWHERE, 0)


def test_a_dataset_that_is_split_anew_trains_each_seed_on_its_own_images():
    DATASETS.register("split_anew", SplitAnew)
    dataset = DATASETS.build("split_anew")
    cells = [cell(dataset="split_anew", seed=seed) for seed in (3, 4)]
    trained = [load_cell_data(one, NOWHERE, CPU) for one in cells]
    for seed, data in zip((3, 4), trained, strict=True):
        train, test = dataset.load(NOWHERE, seed)
        assert torch.equal(data.train, train.image[data.position])
        assert torch.equal(data.test.image, test.image)
    assert not torch.equal(trained[0].test.image, trained[1].test.image)
    assert "1,078 training, 719 test, split anew for each seed" in card("split_anew")
    assert "about 107 training images of each class" in card("split_anew")


def test_noise_is_drawn_before_the_validation_images_are_cut_off():
    whole = load_cell_data(cell(recipe="small(epochs=2, val_fraction=0.0)"), NOWHERE, CPU)
    cut = load_cell_data(cell(recipe="small(epochs=2, val_fraction=0.1)"), NOWHERE, CPU)
    held_out = sorted(set(range(1078)) - set(cut.position.tolist()))
    assert len(cut.noisy) + len(cut.val_noisy) == len(whole.noisy) == 1078
    assert torch.equal(cut.noisy, whole.noisy[cut.position])
    assert torch.equal(cut.val_noisy, whole.noisy[held_out])
    assert torch.equal(cut.val, whole.train[held_out])
    assert cut.noise_sha256 == whole.noise_sha256 == label_sha256(whole.noisy)
    assert cut.noise_rate == (whole.noisy != whole.clean).double().mean().item()


def test_noise_is_the_same_whatever_the_method_model_and_recipe():
    changes = [{"method": name} for name in METHODS]
    changes += [{"model": "convnet"}, {"recipe": "small(lr=0.1)"}]
    assert (
        len({load_cell_data(cell(**change), NOWHERE, CPU).noise_sha256 for change in changes}) == 1
    )


PRIVILEGED = ["forward(source='given')", *METHODS]


@pytest.mark.parametrize("method", PRIVILEGED)
def test_a_method_is_told_what_it_declares_and_nothing_else(method):
    assert Task._fields == (
        "label",
        "num_classes",
        "epochs",
        "rate",
        "transition",
        "trusted",
        "side",
    )
    assert Batch._fields == ("ids", "label", "draws", "outputs", "target", "trusted")
    one = cell(method=method)
    problem = load_cell_data(one, NOWHERE, CPU)
    problem = problem._replace(side=torch.full((len(problem.noisy), 10), 0.1))
    told, given = one.method.privileges, task_of(one, problem)
    assert torch.equal(given.label, problem.noisy)
    assert given.rate == (problem.noise_rate if "rate" in told else None)
    assert (given.transition is not None) == ("T" in told)
    assert len(problem.trusted) == (10 * 10 if "clean_subset" in told else 0)
    assert (given.trusted is not None) == ("clean_subset" in told)
    assert (given.side is not None) == ("side" in told)
    looks_ahead = "clean_subset" in told and one.method.looks_ahead()
    for _, batch in batches_of(one, problem, 0):
        assert torch.equal(batch.label, problem.noisy[batch.ids])
        assert (batch.trusted is not None) == looks_ahead
        assert batch.outputs is batch.target is None


def test_the_clean_subset_is_true_and_the_same_of_every_class():
    one = cell(method="l2rw(per_class=7)", recipe="small(epochs=2, batch=32)")
    problem = load_cell_data(one, NOWHERE, CPU)
    assert torch.bincount(problem.clean[problem.trusted]).tolist() == [7] * 10
    assert (problem.noisy[problem.trusted] != problem.clean[problem.trusted]).any()
    shown = [batch.trusted for _, batch in batches_of(one, problem, 0)]
    assert [len(part.label) for part in shown[:4]] == [32, 32, 6, 32]
    once = torch.cat([part.image for part in shown[:3]])
    expected = problem.pixels(problem.train[problem.trusted])
    assert sorted(once.flatten(1).tolist()) == sorted(expected.flatten(1).tolist())
    labels = problem.clean[problem.trusted].tolist()
    by_image = {tuple(x.flatten().tolist()): y for x, y in zip(expected, labels, strict=True)}
    for part in shown:
        for image, label in zip(part.image, part.label.tolist(), strict=True):
            assert by_image[tuple(image.flatten().tolist())] == label


@pytest.mark.parametrize("method", METHODS)
def test_training_does_not_change_when_the_clean_labels_are_garbage(method):
    one = cell(method=method)
    honest = load_cell_data(one, NOWHERE, CPU)
    honest = honest._replace(side=torch.full((len(honest.noisy), 10), 0.1))
    lie = torch.zeros_like(honest.clean)
    lie[honest.trusted] = honest.clean[honest.trusted]  # what a privilege tells
    lies = honest.test._replace(label=torch.ones_like(honest.test.label))
    garbage = honest._replace(clean=lie, test=lies)
    pairs = zip(alone(one, honest), alone(one, garbage), strict=True)
    assert all(a.loss == b.loss and torch.equal(a.test, b.test) for a, b in pairs)


@pytest.mark.parametrize("name", sorted(set(published()) - {"digits"}))
def test_missing_files_are_refused_in_one_sentence(tmp_path, name):
    match = r"is not available: (looked in .*; fetch it|its feature vectors .*; compute them) with"
    with pytest.raises(DataMissingError, match=match):
        DATASETS.build(name).load(tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


def idx(*shape, kind=8, fill=b""):
    """A file in MNIST's format."""
    head = struct.pack(">HBB", 0, kind, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    return head + (fill or bytes(math.prod(shape)))


def kuzushiji():
    return {
        "train-images-idx3-ubyte": idx(60_000, 28, 28),
        "train-labels-idx1-ubyte": idx(60_000, fill=bytes(range(10)) * 6_000),
        "t10k-images-idx3-ubyte": idx(10_000, 28, 28),
        "t10k-labels-idx1-ubyte": idx(10_000, fill=bytes(range(10)) * 1_000),
    }


DAMAGED_FILES = {
    "nothing": ("train-labels-idx1-ubyte", b"", "is not available"),
    "magic": ("train-labels-idx1-ubyte", b"abcdefghijkl", "is not available"),
    "type": ("train-labels-idx1-ubyte", idx(60_000, kind=7), "is not available"),
    "cut": ("train-images-idx3-ubyte", idx(60_000, 28, 28)[:-1], "is not available"),
    "claim": ("train-images-idx3-ubyte", idx(2**31, 2**31, 1, fill=b"1"), "is not available"),
    "rank": ("train-labels-idx1-ubyte", idx(600, 100), "is not available"),
    "fewer": ("train-images-idx3-ubyte", idx(59_999, 28, 28), "they hold images of"),
    "classes": ("train-labels-idx1-ubyte", idx(60_000), "other numbers of images of a class"),
    "test": ("t10k-labels-idx1-ubyte", idx(10_000, fill=b"\x0b" * 10_000), "of other classes"),
    "test cut": ("t10k-labels-idx1-ubyte", idx(9_999), "not one of each image"),
}


def test_damaged_files_without_a_known_sum_are_refused_in_one_sentence(tmp_path):
    folder = tmp_path / "KMNIST" / "raw"
    folder.mkdir(parents=True)
    files = kuzushiji()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert len(DATASETS.build("kmnist").load(tmp_path, 0)[0].label) == 60_000
    for name, content, words in DAMAGED_FILES.values():
        (folder / name).write_bytes(content)
        with pytest.raises(DataMissingError, match=words) as caught:
            DATASETS.build("kmnist").load(tmp_path, 0)
        assert "\n" not in str(caught.value)
        (folder / name).write_bytes(files[name])


def test_published_files_are_read_and_damaged_ones_refused(tmp_path, real_data):
    source = real_data / "FashionMNIST" / "raw"
    if not source.is_dir():
        pytest.skip(f"no Fashion-MNIST under {real_data.name}")
    target = tmp_path / "FashionMNIST" / "raw"
    target.mkdir(parents=True)
    for path in source.glob("*.gz"):
        shutil.copy(path, target)
    dataset = DATASETS.build("fashion_mnist")
    dataset.fetch(tmp_path)
    train, test = dataset.load(tmp_path, 0)
    assert (len(train.label), len(test.label)) == dataset.sizes
    assert train.image.shape[1:] == dataset.shape
    assert train.image.double().mean().item() == pytest.approx(dataset.mean[0], abs=0.02)
    assert train.image.double().std().item() == pytest.approx(dataset.std[0], abs=0.02)
    labels = target / "train-labels-idx1-ubyte"
    data = bytearray(labels.read_bytes())
    data[1000] = (data[1000] + 1) % 10
    labels.write_bytes(data)
    with pytest.raises(DataMissingError, match="are damaged: their content has sha256"):
        dataset.load(tmp_path, 0)
    labels.write_bytes(data[:500])
    with pytest.raises(DataMissingError, match="FashionMNIST"):
        dataset.load(tmp_path, 0)
