"""Feature vectors on disk: complete or not there, those of the record, computed once."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS, content
from benchmarks.embedding import cache
from benchmarks.embedding.cache import About, Part, compute, read_about, read_vectors
from benchmarks.embedding.random_conv import RandomConv
from benchmarks.errors import DataMissingError
from tests.cells import CPU, build

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


@pytest.mark.parametrize("kind", ["arrays", "folder"])
def test_vectors_of_ones_own_images_have_their_labels_order_and_content(kind, tmp_path):
    stream = np.random.default_rng(0)
    image = stream.integers(0, 256, (40, 8, 8, 3), np.uint8)
    label, clean = np.arange(40) // 20, stream.integers(0, 2, 40)
    own = tmp_path / "own"
    spec = f"{kind}(file={str(own)!r}, test=0.25)"
    if kind == "arrays":
        np.savez(own.with_suffix(".npz"), image=image, label=label, clean_label=clean)
        spec = spec.replace("own'", "own.npz'")
    else:
        spec = spec.replace("file=", "size=8, path=")
        for place in range(40):
            (own / "ab"[label[place]]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[place]).save(own / "ab"[label[place]] / f"{place:02}.png")
    images = DATASETS.build(spec)
    vectors = DATASETS.build(f"embedded(dataset={spec!r}, backbone='random_conv(size=4, side=2)')")
    assert (vectors.shape, vectors.truth, vectors.sizes) == ((4, 1, 1), images.truth, (30, 10))
    vectors.fetch(tmp_path)
    of_images, found = images.load(tmp_path, 0), vectors.load(tmp_path, 0)
    network, pixels = vectors.network, torch.from_numpy(image).movedim(-1, 1)
    fitted = network.fit(pixels[of_images[0].position], CPU)
    raw = [network.embed(pixels[part.position], fitted, CPU) for part in of_images]
    spread = (raw[0] - raw[0].mean(0)).square().mean().sqrt()
    for one, other, expected in zip(of_images, found, raw, strict=True):
        for name in ("label", "position", "given"):
            own_part, part = getattr(one, name), getattr(other, name)
            assert (own_part is None and part is None) or torch.equal(own_part, part)
        wanted = (expected - raw[0].mean(0)) / spread
        torch.testing.assert_close(other.image.flatten(1), wanted, atol=1e-4, rtol=1e-4)
    assert build(dataset=DATASETS.exact(vectors), noise="given", model="linear").id
    before = vectors.folder(tmp_path)
    if kind == "arrays":
        np.savez(own.with_suffix(".npz"), image=image, label=1 - label, clean_label=clean)
    else:
        Image.fromarray(image[0]).save(own / "b" / "39.png")
    content.forget()
    assert DATASETS.build(DATASETS.exact(vectors)).folder(tmp_path) != before


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
