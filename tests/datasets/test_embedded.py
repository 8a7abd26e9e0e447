"""Feature vectors on disk: complete or not there, those of the record, computed once."""

import re

import numpy as np
import pytest
import torch

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS, content
from benchmarks.embedding import cache
from benchmarks.embedding.cache import About, Part, compute, read_about, read_vectors
from benchmarks.embedding.random_conv import RandomConv
from benchmarks.errors import DataMissingError

SPEC = "embedded(dataset='digits', backbone='random_conv(patches=5, size=6)')"


@pytest.fixture
def root(tmp_path):
    content.forget()
    DATASETS.build(SPEC).fetch(tmp_path)
    yield tmp_path
    content.forget()


def folder_of(root):
    return DATASETS.build(SPEC).folder(root)


def parts(seed=0):
    source = torch.Generator().manual_seed(seed)
    sizes = ((50, 7), (30, 9))
    return [
        Part(torch.randint(255, (size, 2, 8, 8), generator=source).byte(), torch.arange(size), None)
        for size, _ in sizes
    ]


def made(folder, train, test):
    backbone = RandomConv(patches=5, size=6)
    compute(folder, About("made-up", "random_conv", 6, ""), backbone, train, test)
    return read_vectors(folder, read_about(folder))


def test_vectors_have_the_mean_0_and_the_mean_variance_1_in_training_alone(tmp_path):
    train, test = parts()
    found = made(tmp_path / "a", train, test)
    assert found["train"].dtype == np.float32
    np.testing.assert_allclose(found["train"].mean(0), 0, atol=1e-5)
    assert np.square(found["train"]).mean() == pytest.approx(1, abs=1e-5)
    other = test._replace(image=255 - test.image)
    again = made(tmp_path / "b", train, other)
    assert np.array_equal(again["train"], found["train"])
    assert not np.array_equal(again["test"], found["test"])


def test_a_run_that_is_taken_up_again_computes_only_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK", 20)  # 50 and 30 images: 3 and 2 chunks
    train, test = parts()
    whole = made(tmp_path / "whole", train, test)
    real, calls = RandomConv.embed, []

    def failing(self, image, fitted, device):
        calls.append(len(image))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, image, fitted, device)

    monkeypatch.setattr(RandomConv, "embed", failing)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "cut", train, test)
    assert read_about(tmp_path / "cut") is None
    monkeypatch.setattr(RandomConv, "fit", None)  # it is not called again
    again = made(tmp_path / "cut", train, test)
    assert calls == [20, 20, 10, 10, 20, 10]
    assert all(np.array_equal(again[name], whole[name]) for name in whole)
    names = {path.name for path in (tmp_path / "cut").iterdir()}
    assert names == {"about.json", "vectors.npz", ".lock"}


def test_vectors_are_computed_once_and_their_digest_is_their_content(root, monkeypatch):
    monkeypatch.setattr(RandomConv, "embed", None)
    dataset = DATASETS.build(SPEC)
    dataset.fetch(root)
    train, test = dataset.load(root, 0)
    assert (train.image.shape, test.image.shape) == ((1078, 6, 1, 1), (719, 6, 1, 1))
    assert dataset.content(root) == cache.sha256_of(folder_of(root) / "vectors.npz")
    assert re.fullmatch("[0-9a-f]{12}", content.content(dataset, root))


def test_vectors_of_another_backbone_lie_elsewhere(tmp_path):
    others = (SPEC, SPEC.replace("size=6", "size=7"), SPEC.replace("digits", "mnist"))
    assert len({DATASETS.build(spec).folder(tmp_path) for spec in others}) == 3


@pytest.mark.parametrize("name", ["vectors.npz", "about.json"])
def test_damaged_vectors_are_refused_in_one_sentence(name, root):
    path = folder_of(root) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(
        DataMissingError, match=rf"{name}.*(is damaged: remove|is not JSON)"
    ) as told:
        DATASETS.build(SPEC).load(root, 0)
    assert "\n" not in str(told.value)


def test_data_get_computes_and_verify_only_looks(tmp_path, capsys):
    content.forget()
    assert main(["data", "verify", SPEC, "--data", str(tmp_path)]) == 5
    assert "have not been computed" in capsys.readouterr().out
    assert not DATASETS.build(SPEC).is_there(tmp_path)
    assert main(["data", "get", SPEC, "--data", str(tmp_path)]) == 0
    assert "1078 training and 719 test images" in capsys.readouterr().out
    assert DATASETS.build(SPEC).is_there(tmp_path)
    assert main(["data", "verify", SPEC, "--data", str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("embedded(dataset='embedded')", "embedded holds feature vectors"),
        ("embedded(backbone='resnet')", "Embedded.backbone must be the spec of a backbone, got"),
        ("embedded(dataset='cifar')", "must be the spec of a dataset of images, got 'cifar'"),
    ],
)
def test_what_cannot_be_embedded_is_refused(spec, sentence):
    with pytest.raises(ValueError, match=sentence):
        DATASETS.build(spec)
