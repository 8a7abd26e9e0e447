"""Published datasets: what is read from their files, what is kept of them, what a card says."""

import gzip
import pickle

import numpy as np
import pytest
import torch

from benchmarks.datasets import DATASETS, published
from benchmarks.datasets.base import stratified
from benchmarks.datasets.cards import WIDTH, card
from benchmarks.errors import DataMissingError
from benchmarks.seeds import generator
from benchmarks.sweep import label_space

# the publisher's coarse label of each fine label, from the widely copied list
COARSE = """
    4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 12 14 16 9 11 5
    5 19 8 8 15 13 14 17 18 10 16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16 12 9
    13 15 13 16 19 2 4 6 19 5 5 8 19 18 1 2 15 6 0 17 8 14 13
"""


# ---------------------------------------------------------------------------------- the files


def test_cifar10_is_read_as_published(cifar10):
    train, test = cifar10.load()
    dataset = DATASETS["cifar10"]
    assert (train.image.shape, test.image.shape) == ((50_000, 3, 32, 32), (10_000, 3, 32, 32))
    assert (train.image.dtype, train.label.dtype) == (torch.uint8, torch.int64)
    assert train.image.is_contiguous()
    assert train.label[:8].tolist() == [6, 9, 9, 4, 1, 1, 2, 7]  # frog, truck, truck, deer, ...
    assert test.label[:8].tolist() == [3, 8, 8, 0, 6, 6, 1, 6]
    for channel in range(3):
        pixels = train.image[:, channel].double()
        assert pixels.mean().item() == pytest.approx(dataset.mean[channel], abs=0.02)
        assert pixels.std().item() == pytest.approx(dataset.std[channel], abs=0.02)


def test_cifar10_pixels_are_where_torchvision_shows_them(monkeypatch, cifar10):
    import torchvision  # noqa: PLC0415

    cifar10.accept(monkeypatch)
    files = torchvision.datasets.CIFAR10(cifar10.root, train=False)
    for place in (0, 9_999):
        picture, label = files[place]
        assert np.array_equal(cifar10.load()[1].image[place].permute(1, 2, 0), np.asarray(picture))
        assert cifar10.load()[1].label[place] == label


def test_files_with_other_md5s_are_not_unpickled(cifar10):
    if cifar10.original():
        pytest.skip("these are the publisher's own files")
    with pytest.raises(DataMissingError, match="CIFAR10 is not available: looked in"):
        DATASETS.build("cifar10").load(cifar10.root, 0)


def test_a_download_that_failed_is_told_whole_and_not_advised_again(tmp_path, monkeypatch):
    tried = ["Error downloading t10k.gz:", "Tried https://one/, got:", "<urlopen error: refused>"]

    def fail(*_):
        raise RuntimeError("\n".join(tried))

    monkeypatch.setattr(DATASETS["fashion_mnist"], "_read", fail)
    dataset = DATASETS.build("fashion_mnist")
    with pytest.raises(DataMissingError) as told:
        dataset.fetch(tmp_path)
    assert " ".join(tried) in str(told.value)
    assert "could not download it" in str(told.value)
    assert "data get" not in str(told.value)
    assert "\n" not in str(told.value)
    tried[:] = ["Dataset not found. You can use download=True to download it"]
    with pytest.raises(DataMissingError) as told:
        dataset.load(tmp_path, 0)
    get = f"python run_all.py data get fashion_mnist --data {tmp_path}"
    assert f"(Dataset not found); fetch it with `{get}`, or" in str(told.value)


def fake(name, monkeypatch, counts=(3, 4)):
    """Make a dataset of few images with the classes in turn, and tell the code its sizes."""
    entry = DATASETS[name]
    sizes = tuple(entry.num_classes * count for count in counts)
    monkeypatch.setattr(entry, "published", sizes)
    monkeypatch.setattr(entry, "class_counts", ())
    splits = []
    for size in sizes:
        image = torch.randint(256, (size, *entry.shape), generator=generator(name, size))
        splits.append((image.to(torch.uint8).numpy(), np.arange(size) % entry.num_classes))
    return splits


def write_cifar100(root, splits, monkeypatch):
    import torchvision  # noqa: PLC0415

    folder = root / "cifar-100-python"
    folder.mkdir()
    for name, (image, label) in zip(("train", "test"), splits, strict=True):
        content = {"data": image.reshape(len(image), -1), "fine_labels": label.tolist()}
        (folder / name).write_bytes(pickle.dumps(content))
    names = {"fine_label_names": list(DATASETS["cifar100"].classes)}
    (folder / "meta").write_bytes(pickle.dumps(names))
    monkeypatch.setattr(torchvision.datasets.CIFAR100, "_check_integrity", lambda _: True)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)


def write_svhn(root, splits, monkeypatch):
    import torchvision  # noqa: PLC0415
    from scipy.io import savemat  # noqa: PLC0415

    (root / "SVHN").mkdir()
    for name, (image, label) in zip(("train", "test"), splits, strict=True):
        content = {"X": image.transpose(2, 3, 1, 0), "y": np.where(label == 0, 10, label)[:, None]}
        savemat(root / "SVHN" / f"{name}_32x32.mat", content)
    monkeypatch.setattr(torchvision.datasets.SVHN, "_check_integrity", lambda _: True)


def write_kmnist(root, splits, _):
    folder = root / "KMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, (image, label) in zip(("train", "t10k"), splits, strict=True):
        for kind, array in (("images-idx3", image[:, 0]), ("labels-idx1", label.astype("u1"))):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (folder / f"{name}-{kind}-ubyte").write_bytes(head + array.tobytes())
            with gzip.open(folder / f"{name}-{kind}-ubyte.gz", "wb") as packed:
                packed.write(head + array.tobytes())


WRITERS = {"cifar100": write_cifar100, "svhn": write_svhn, "kmnist": write_kmnist}


@pytest.mark.parametrize("name", WRITERS)
def test_a_set_without_a_recorded_hash_is_read_pixel_for_pixel(name, tmp_path, monkeypatch):
    splits = fake(name, monkeypatch)
    WRITERS[name](tmp_path, splits, monkeypatch)
    for found, (image, label) in zip(DATASETS.build(name).load(tmp_path, 0), splits, strict=True):
        assert np.array_equal(found.image, image)
        assert np.array_equal(found.label, label)
        assert (found.image.dtype, found.label.dtype) == (torch.uint8, torch.int64)
        assert found.image.is_contiguous()


@pytest.mark.parametrize("name", WRITERS)
def test_a_set_without_a_recorded_hash_is_refused_when_its_sizes_are_wrong(
    name, tmp_path, monkeypatch
):
    splits = fake(name, monkeypatch)
    splits[0][1][0] = 1
    WRITERS[name](tmp_path, splits, monkeypatch)
    with pytest.raises(DataMissingError, match="are damaged: they hold other numbers of images"):
        DATASETS.build(name).load(tmp_path, 0)
    monkeypatch.setattr(DATASETS[name], "published", (1, 2))
    with pytest.raises(DataMissingError, match="are damaged: they hold images of"):
        DATASETS.build(name).load(tmp_path, 0)


# ----------------------------------------------------------------------------------- the parts


@pytest.mark.parametrize("counts", [[40, 40, 40], [97, 5, 30, 1, 12]])
def test_a_part_keeps_the_shares_of_the_classes_and_is_part_of_every_larger_one(counts):
    label = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    label = label[torch.randperm(len(label), generator=generator("order"))]
    before = set()
    for count in range(1, len(label) + 1):
        kept = stratified(label, count, generator("subset"))
        assert kept.tolist() == sorted(set(kept.tolist()))
        assert len(kept) == count
        assert before <= set(kept.tolist())
        before = set(kept.tolist())
        share = torch.tensor(counts) / len(label)
        off = label[kept].bincount(minlength=len(counts)) - share * count
        assert (off.abs() <= (1 + len(counts) * share) / 2 + 1e-5).all()
    assert not torch.equal(stratified(label, 9, generator(1)), stratified(label, 9, generator(2)))


def test_a_part_of_cifar10_is_balanced_and_does_not_depend_on_the_seed(monkeypatch, cifar10):
    cifar10.accept(monkeypatch)
    dataset = DATASETS.build("cifar10(train=2000, test=1000)")
    train, test = dataset.load(cifar10.root, 0)
    assert dataset.sizes == (2000, 1000) == (len(train.label), len(test.label))
    assert set(train.label.bincount().tolist()) == {200}
    assert set(test.label.bincount().tolist()) == {100}
    assert torch.equal(train.image, dataset.load(cifar10.root, 1)[0].image)
    whole = {image.numpy().tobytes() for image in cifar10.load()[0].image}
    assert all(image.numpy().tobytes() in whole for image in train.image)


def test_more_images_than_were_published_are_refused():
    sentence = r"^SVHN\.train must be a whole number in \[0, 73257\], got 73258$"
    with pytest.raises(ValueError, match=sentence):
        DATASETS.build("svhn(train=73258)")


# ----------------------------------------------------------------------------------- the facts


def test_superclasses_of_cifar100_are_twenty_fives_and_those_of_the_publisher():
    superclass = label_space(DATASETS.build("cifar100")).superclass
    assert [superclass.count(place) for place in range(20)] == [5] * 20
    assert list(superclass) == [int(place) for place in COARSE.split()]


def test_asymmetric_noise_on_cifar100_walks_round_each_superclass():
    pairs = DATASETS["cifar100"].confusions
    superclass = label_space(DATASETS.build("cifar100")).superclass
    assert sorted(pairs) == sorted(pairs.values()) == list(range(100))
    assert all(superclass[a] == superclass[b] for a, b in pairs.items())
    walk = [4]
    while (following := pairs[walk[-1]]) != walk[0]:
        walk.append(following)
    assert walk == [4, 30, 55, 72, 95]  # beaver, dolphin, otter, seal, whale


@pytest.mark.parametrize("name", published())
def test_facts_of_a_dataset_agree_with_each_other(name):
    dataset = DATASETS.build(name)
    assert len(set(dataset.classes)) == len(dataset.classes) == dataset.num_classes
    assert sum(dataset.class_counts) in {0, dataset.published[0]}
    assert len(dataset.mean) == len(dataset.std) == dataset.shape[0]
    assert all(true != given for true, given in dataset.confusions.items())


@pytest.mark.parametrize("name", published())
def test_a_card_says_what_there_is_to_know(name):
    dataset, text = DATASETS.build(name), card(name)
    plain = " ".join(text.split())
    for fact in (
        dataset.card.source,
        dataset.card.paper,
        dataset.card.licence,
        dataset.card.label_errors,
    ):
        assert fact in plain
    assert all(trap in plain for trap in dataset.card.traps)
    assert all(label in plain for label in dataset.classes)
    assert f"{dataset.published[0]:,} training, {dataset.published[1]:,} test" in plain
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.startswith(f"{name}: ")


def test_a_card_names_the_classes_that_are_confused_and_the_balance():
    assert "bird -> airplane, cat -> dog, deer -> horse" in card("cifar10")
    assert "(0.4914, 0.4822, 0.4465) mean" in card("cifar10")
    assert "  balance        4,659 (9) to 13,861 (1) training images of a class\n" in card("svhn")
    assert "500 training images of each class" in card("cifar100")
    assert "aquatic mammals: 4 beaver, 30 dolphin, 55 otter, 72 seal, 95 whale" in card("cifar100")
    with pytest.raises(ValueError, match="unknown dataset 'cifar'; did you mean 'cifar1"):
        card("cifar")
