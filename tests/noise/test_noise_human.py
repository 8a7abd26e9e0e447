"""Labels that people gave to CIFAR images, and the published superclasses."""

import hashlib

import numpy as np
import pytest
import torch

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS
from benchmarks.errors import DataMissingError, RefusedError
from benchmarks.noise import NOISES, Images, LabelSpace
from benchmarks.noise.human import CIFAR10N, CIFAR100N
from benchmarks.sweep import Suite, corrupted, label_space

WRONG = {"aggre": 4505, "random1": 8617, "random2": 9061, "random3": 8820, "worse": 20104}
"""Of 50,000, counted in the publisher's file by another program."""


# ----------------------------------------------------------------------- the published file


@pytest.fixture
def place(real_data):
    """The folder of the published file."""
    folder = real_data / "cifar10"
    if not (folder / CIFAR10N.file).is_file():
        pytest.skip(f"no {CIFAR10N.file} under {real_data.name}")
    return folder


@pytest.mark.parametrize("labels", WRONG)
def test_the_published_labels_have_the_published_counts(labels, place):
    found = CIFAR10N.read(place)
    key = NOISES.build(f"cifar10n(labels={labels!r})").key
    assert int((found[key] != found["clean_label"]).sum()) == WRONG[labels]


def test_worse_is_wrong_wherever_anyone_was_and_aggre_is_the_majority(place):
    found = CIFAR10N.read(place)
    three = torch.stack([found[f"random_label{i}"] for i in (1, 2, 3)])
    clean = found["clean_label"]
    assert torch.equal(found["worse_label"] != clean, (three != clean).any(0))
    votes = torch.zeros(len(clean), 10).scatter_add(1, three.T, torch.ones(len(clean), 3))
    most, winner = votes.max(1)
    assert torch.equal(found["aggre_label"][most > 1], winner[most > 1])


def test_a_run_trains_on_the_published_labels_and_a_part_of_the_images_on_their_own(place, cifar10):
    train, _ = cifar10.load()
    dataset, noise = DATASETS.build("cifar10"), NOISES.build("cifar10n(labels='aggre')")
    whole = corrupted(dataset, noise, 0, train, place)
    assert int((whole.label != train.label).sum()) == 4505
    assert torch.equal(whole.label, corrupted(dataset, noise, 1, train, place).label)
    kept = torch.tensor([3, 17, 40_000])
    part = type(train)(train.image[kept], train.label[kept], kept)
    assert torch.equal(corrupted(dataset, noise, 0, part, place).label, whole.label[kept])


# ------------------------------------------------------------------------------ a made-up file


CLEAN = np.arange(60) % 10
GIVEN = np.where(np.arange(60) < 6, (CLEAN + 1) % 10, CLEAN)


def write(path, **arrays):
    torch.save({name: np.asarray(values) for name, values in arrays.items()}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def labels(tmp_path, monkeypatch):
    """A file of sixty labels that passes for the published one."""
    path = tmp_path / CIFAR10N.file
    sha = write(path, clean_label=CLEAN, worse_label=GIVEN, random_label2=GIVEN[::-1])
    monkeypatch.setattr(CIFAR10N, "sha256", sha)
    return tmp_path


def given_by(root, spec="cifar10n", true=CLEAN):
    label = torch.from_numpy(true)
    images = Images(torch.zeros(60, 1, 1, 1), torch.arange(60), root, lambda _: None)
    space = LabelSpace(10, 60, {}, dataset="cifar10", images=images)
    noise = NOISES.build(spec)
    noise.check(space, [0])
    return noise.corrupt(label, space, "cifar10", 0)


def test_labels_and_shares_are_those_of_the_file(labels):
    given = given_by(labels)
    assert given.label.tolist() == GIVEN.tolist()
    expected = np.eye(10)
    for k in range(6):
        expected[k, k], expected[k, (k + 1) % 10] = 5 / 6, 1 / 6
    np.testing.assert_allclose(given.transition, expected, atol=1e-12)
    assert given_by(labels, "cifar10n(labels='random2')").label.tolist() == GIVEN[::-1].tolist()


def test_images_in_another_order_are_refused(labels):
    with pytest.raises(ValueError, match=r"differs from the labels of 60 of 60 images"):
        given_by(labels, true=np.roll(CLEAN, 1))


def test_labels_of_another_dataset_are_refused_before_anything_runs():
    suite = Suite.read("default").override({"noise": ["cifar10n"], "seed": [0]})
    with pytest.raises(RefusedError, match=r"CIFAR10N holds labels of cifar10, not of digits"):
        list(suite.cells("float32"))
    with pytest.raises(ValueError, match="CIFAR100N holds labels of cifar100, not of cifar10"):
        CIFAR100N().check(label_space(DATASETS.build("cifar10")), [0])


def test_a_damaged_file_is_refused(labels):
    (labels / CIFAR10N.file).write_bytes(b"PK")
    with pytest.raises(DataMissingError, match=r"is damaged: it has sha256 .*the published one"):
        CIFAR10N().fetch(labels)


def test_a_file_that_could_run_code_is_not_run(labels, monkeypatch):
    path = labels / CIFAR10N.file
    torch.save({"clean_label": print}, path)
    monkeypatch.setattr(CIFAR10N, "sha256", hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        CIFAR10N.read(labels)


def test_an_absent_file_is_asked_for_with_its_licence(capsys, tmp_path):
    out = ("--data", tmp_path / "none", "--out", tmp_path / "out")
    words = [*("run", "--datasets", "cifar10", "--noises", "cifar10n"), *out]
    with pytest.raises(DataMissingError) as told:
        CIFAR10N().fetch(tmp_path)
    for part in ("data get cifar10n", "github.com/UCSC-REAL/cifar-10-100n", "CC BY-NC 4.0"):
        assert part in str(told.value)
    assert main([str(word) for word in words]) == 5
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_fetches_the_file_and_checks_it(capsys, labels, tmp_path, monkeypatch):
    published = tmp_path / "site" / "raw" / "main" / "data"
    published.mkdir(parents=True)
    (labels / CIFAR10N.file).rename(published / CIFAR10N.file)
    monkeypatch.setattr(CIFAR10N, "source", f"file://{tmp_path / 'site'}")
    root = tmp_path / "data"
    assert main(["data", "verify", "cifar10n", "--data", str(root)]) == 5
    assert "CIFAR10N is not available" in capsys.readouterr().out
    assert main(["data", "get", "cifar10n", "--data", str(root)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "cifar10n: 60 training labels of cifar10: worse_label, random_label2 (CC"
    )
    (root / CIFAR10N.file).unlink()
    (published / CIFAR10N.file).write_bytes(b"something else")
    assert main(["data", "get", "cifar10n", "--data", str(root)]) == 5
    assert "cannot fetch file://" in capsys.readouterr().out
    assert list(root.iterdir()) == []


# ------------------------------------------------------------------------------- superclasses


def test_the_superclass_map_is_the_published_one():
    dataset = DATASETS.build("cifar100")
    noise = NOISES.build("asymmetric(rate=1, pairs='superclass')")
    target = noise.matrix(label_space(dataset)).argmax(1).tolist()
    assert target == [dataset.confusions[i] for i in range(100)]


def test_a_dataset_without_superclasses_is_refused():
    noise = NOISES.build("asymmetric(rate=0.2, pairs='superclass')")
    with pytest.raises(ValueError, match="needs a dataset with published superclasses"):
        noise.check(label_space(DATASETS.build("cifar10")), [0])
