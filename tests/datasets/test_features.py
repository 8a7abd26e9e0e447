"""Feature vectors in a file of one's own: what they become, and every bad file."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data
from benchmarks.inputs import InputError
from tests.cells import CPU, NOWHERE, alone, build

N, D = 60, 5
CLEAN = np.arange(N) % 3
GIVEN = np.where(np.arange(N) % 6 == 0, (CLEAN + 1) % 3, CLEAN)
FEATURE = np.random.default_rng(0).normal(3 * CLEAN[:, None], np.arange(1, D + 1), (N, D))


@pytest.fixture
def written(tmp_path):
    """Write arrays, those above where no others are given, and return the spec of the dataset."""

    def write(test=0.25, name="data.npz", **changes):
        arrays = {"feature": FEATURE, "label": GIVEN} | changes
        kept = {key: value for key, value in arrays.items() if value is not None}
        path = tmp_path / name
        if name.endswith(".safetensors"):
            save_file(kept, path)
        else:
            np.savez(path, **kept)
        return f"features(file={str(path)!r}" + (f", test={test})" if test else ")")

    return write


def test_vectors_are_standardised_by_the_training_ones(written):
    dataset = DATASETS.build(written(clean_label=CLEAN))
    assert (dataset.shape, dataset.sizes, dataset.vectors) == ((D, 1, 1), (45, 15), True)
    train, test = dataset.load(NOWHERE, 0)
    kept, tested = (FEATURE[split.position.numpy()] for split in (train, test))
    mean, deviation = kept.mean(0), kept.std(0)
    for split, raw in ((train, kept), (test, tested)):
        assert split.image.dtype == torch.float32
        np.testing.assert_allclose(split.image.flatten(1), (raw - mean) / deviation, atol=1e-5)
        assert (split.label.numpy() == CLEAN[split.position.numpy()]).all()


def test_a_constant_feature_is_0(written):
    feature = FEATURE.copy()
    feature[:, 1] = 7
    train, test = DATASETS.build(written(feature=feature)).load(NOWHERE, 0)
    assert (train.image[:, 1] == 0).all()
    assert (test.image[:, 1] == 0).all()


def test_every_kind_of_file_says_the_same(written, tmp_path):
    np.save(tmp_path / "x.npy", FEATURE)
    np.save(tmp_path / "y.npy", GIVEN)
    alone_in = f"features(file={str(tmp_path / 'x.npy')!r}, labels={str(tmp_path / 'y.npy')!r}"
    specs = (written(), written(name="data.safetensors"), f"{alone_in}, test=0.25)")
    first, *others = (DATASETS.build(spec).load(NOWHERE, 0) for spec in specs)
    for other in others:
        for one, two in zip(first, other, strict=True):
            assert torch.equal(one.image, two.image)
            assert torch.equal(one.label, two.label)


def test_a_cell_learns_from_them(written):
    spec = written(
        None, clean_label=CLEAN, test_feature=FEATURE, test_label=CLEAN, test_clean_label=CLEAN
    )
    cell = build(dataset=spec, noise="given", model="linear", recipe="small(epochs=9, batch=20)")
    data = load_cell_data(cell, NOWHERE, CPU)
    assert data.noise_rate == pytest.approx(10 / N)
    (*_, last) = alone(cell, data)
    assert (last.test.argmax(1) == data.test.label).double().mean() > 0.6


def test_embed_writes_what_they_read(tmp_path, capsys):
    out = tmp_path / "features.npz"
    small = ("--backbone", "random_conv(patches=5, size=6)", "--data", str(tmp_path / "data"))
    assert main(["embed", "digits", *small, "--out", str(out)]) == 0
    assert f"features(file={str(out)!r})" in capsys.readouterr().out.replace('"', "")
    own = DATASETS.build(f"features(file={str(out)!r})").load(NOWHERE, 0)
    images = DATASETS.build("digits").load(NOWHERE, 0)
    for one, two in zip(own, images, strict=True):
        assert one.image.shape == (len(two.label), 6, 1, 1)
        assert torch.equal(one.label, two.label)


BAD = FEATURE.copy()
BAD[[3, 9, 11, 20, 21, 40], 2] = np.nan


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"feature": BAD},
            r"6 faults: array 'feature', row 3: a number is not fin.* 1 more",
        ),
        ({"feature": FEATURE[:, 0]}, r"features are \(N, D\), not \(60,\)"),
        ({"feature": FEATURE.astype(int)}, "features are floating-point numbers, not of"),
        ({"feature": FEATURE.astype(object)}, "holds Python objects, which are not read"),
        ({"feature": None}, "an array 'feature' is needed"),
        ({"image": FEATURE}, "unknown array 'image'"),
        ({"label": GIVEN[:-1]}, r"60 labels are needed, one of each image, and its shape is \(59"),
        (
            {"test": None, "test_feature": FEATURE[:, 1:], "test_label": GIVEN},
            "test features are of 4 numbers and training features of 5 numbers",
        ),
        ({"test": None}, "it has no test features; Features.test says which share"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(written, changes, sentence):
    dataset = DATASETS.build(written(**changes))
    with pytest.raises(InputError, match=sentence) as told:
        dataset.load(NOWHERE, 0)
    assert "\n" not in str(told.value)


def test_vectors_and_labels_that_do_not_belong_together_are_refused(written, tmp_path):
    np.save(tmp_path / "x.npy", FEATURE)
    both = written()[:-1] + f", labels={str(tmp_path / 'x.npy')!r})"
    lonely = f"features(file={str(tmp_path / 'x.npy')!r}, test=0.2)"
    damaged = tmp_path / "x.safetensors"
    damaged.write_bytes(b"\xff" * 99)
    (tmp_path / "empty.npz").touch()
    (tmp_path / "zeros.npz").write_bytes(bytes(99))
    cases = {
        both: "it has its labels itself, so leave out labels",
        lonely: "it has vectors alone; Features.labels names",
        f"features(file={str(damaged)!r}, test=0.2)": "is damaged, or has numbers of an unknown",
        f"features(file={str(tmp_path / 'empty.npz')!r}, test=0.2)": "is empty",
        f"features(file={str(tmp_path / 'zeros.npz')!r}, test=0.2)": "is no array of numpy: it beg",
    }
    for spec, sentence in cases.items():
        with pytest.raises(InputError, match=sentence):
            DATASETS.build(spec).load(NOWHERE, 0)
