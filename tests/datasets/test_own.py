"""Data of one's own: arrays in a file, with and without clean labels."""

import numpy as np
import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.datasets.cards import card
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, add_numbers, train_cells
from benchmarks.errors import RefusedError
from benchmarks.inputs import InputError
from benchmarks.noise import NOISES
from benchmarks.schema import TRAIN_METRICS, UNKNOWN_CLASS
from benchmarks.sweep import Cell, Suite, corrupted
from tests.cells import CPU, NOWHERE, build

N = 60
CLEAN = np.arange(N) % 3
GIVEN = np.where(np.arange(N) % 6 == 0, (CLEAN + 1) % 3, CLEAN)  # 10 wrong
IMAGE = (np.arange(N * 8 * 6) * 37 % 251).astype(np.uint8).reshape(N, 8, 6)


@pytest.fixture
def written(tmp_path):
    """Write arrays, those above where no others are given, and return the spec of the dataset."""

    def write(test=0.25, name="data.npz", **changes):
        arrays = {"image": IMAGE, "label": GIVEN} | changes
        np.savez(tmp_path / name, **{k: v for k, v in arrays.items() if v is not None})
        return f"arrays(file={str(tmp_path / name)!r}" + (f", test={test})" if test else ")")

    return write


def test_facts_are_those_of_the_file_and_a_stratified_share_tests(written):
    dataset = DATASETS.build(written(clean_label=CLEAN))
    assert (dataset.num_classes, dataset.classes) == (3, ("0", "1", "2"))
    assert (dataset.sizes, dataset.shape, dataset.truth) == ((45, 15), (1, 8, 6), "known")
    assert dataset.class_counts == (15, 15, 15)
    train, test = dataset.load(NOWHERE, 0)
    assert test.label.bincount().tolist() == [5, 5, 5]
    assert sorted([*train.position.tolist(), *test.position.tolist()]) == list(range(N))
    for split in (train, test):
        at = split.position.numpy()
        assert (split.image.squeeze(1).numpy() == IMAGE[at]).all()
        assert (split.label.numpy() == CLEAN[at]).all()
        assert (split.given.numpy() == GIVEN[at]).all()
    mean, std = dataset.normalisation(NOWHERE)
    pixels = IMAGE[train.position.numpy()]
    assert (*mean, *std) == pytest.approx((pixels.mean(), pixels.std()), rel=1e-12)
    assert dataset.load(NOWHERE, 7)[1].position.equal(test.position)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [((0, 1, 2), (1, 8, 6)), ((0, 2, 3, 1), (3, 8, 6)), ((0, 1, 2, 3), (3, 8, 6))],
)
def test_images_may_have_their_channels_first_last_or_none(written, axes, shape):
    image = IMAGE if len(axes) == 3 else np.stack([IMAGE, IMAGE // 2, 255 - IMAGE], 1)
    dataset = DATASETS.build(written(image=image.transpose(axes)))
    train = dataset.load(NOWHERE, 0)[0]
    assert dataset.shape == tuple(train.image.shape[1:]) == shape
    wanted = image[:, None] if len(axes) == 3 else image
    assert (train.image.numpy() == wanted[train.position.numpy()]).all()


def test_a_test_part_of_its_own_and_names_of_classes(written):
    names = np.array(["cat", "dog", "eel"])
    spec = written(0, label=names[GIVEN], test_image=IMAGE[:9], test_label=names[CLEAN[:9]])
    dataset = DATASETS.build(spec)
    assert (dataset.classes, dataset.sizes) == (("cat", "dog", "eel"), (N, 9))
    train, test = dataset.load(NOWHERE, 0)
    assert (train.label.numpy() == GIVEN).all()
    assert (test.label.numpy() == CLEAN[:9]).all()
    assert (test.image[:, 0].numpy() == IMAGE[:9]).all()
    other = written(0.25, label=GIVEN, classes=names[::-1])
    assert DATASETS.build(other).classes == ("eel", "dog", "cat")


def test_names_that_are_numbers_are_numbers_of_their_classes(written):
    ten = np.arange(N) % 12
    assert DATASETS.build(written(label=ten.astype(str))).classes == tuple(map(str, range(12)))


def test_given_labels_are_a_noise_whose_mistakes_are_known_beside_clean_labels(written):
    spec = written(clean_label=CLEAN)
    dataset = DATASETS.build(spec)
    train = dataset.load(NOWHERE, 0)[0]
    labels = corrupted(dataset, NOISES.build("given"), 0, train, NOWHERE)
    assert labels.label.equal(train.given)
    whole = {"dataset": spec, "recipe": "small(val_fraction=0.0)"}
    data = load_cell_data(build(**whole, noise="given"), NOWHERE, CPU)
    wrong = GIVEN[train.position.numpy()] != CLEAN[train.position.numpy()]
    assert data.noise_rate == wrong.mean()
    assert data.clean.equal(train.label)
    assert load_cell_data(build(**whole, noise="clean"), NOWHERE, CPU).noise_rate == 0


def suite_of(spec, *noises):
    return Suite.read("default").override({"dataset": [spec], "noise": noises})


def trained(spec, noise, method="cross_entropy"):
    cell = build(method, dataset=spec, noise=noise, recipe="small(epochs=2, val_fraction=0.2)")
    records = train_cells([cell], PackSetup(NOWHERE, CPU, keep_all=True))
    add_numbers(records, CPU, keep_all=True)
    names = records[0].meta.metrics
    return records[0], dict(zip(names, records[0].arrays["measured"][0].tolist(), strict=True))


@pytest.mark.parametrize("noise", ["given", "symmetric(rate=0.4)"])
def test_where_truth_is_unknown_nothing_is_said_of_the_clean_labels_of_training_images(
    written, noise
):
    record, values = trained(written(), noise, "co_teaching")
    assert record.meta.facts.truth == "unknown"
    assert record.meta.facts.noise_rate_realised is None
    assert record.meta.mislabelled is None
    assert (record.arrays["clean"] == UNKNOWN_CLASS).all()
    assert np.isnan(record.arrays["detection"]).all()
    claims = [*TRAIN_METRICS, "sel_precision", "sel_recall", "ts_clean_T", "ts_fwd_T"]
    assert [name for name in claims if not np.isnan(values[name])] == []
    assert 0 <= values["acc"] <= 1
    assert values["ts_noisy_T"] > 0
    _, known = trained(written(name="known.npz", clean_label=CLEAN), "given", "co_teaching")
    assert [name for name in claims if np.isnan(known[name])] == []


def test_clean_labels_that_are_not_there_are_asked_for_by_nothing(written):
    spec = written()
    suite = Suite.read("default")
    for axes, said in (
        ({"noise": ["clean"]}, "the noise clean trains on clean labels, and arrays has none here"),
        ({"noise": ["given"], "method": ["l2rw"]}, "are told something of them"),
    ):
        with pytest.raises(RefusedError, match=said):
            list(suite.override({"dataset": [spec], **axes}).cells("float32"))
    with pytest.raises(RefusedError, match="the labels of digits are clean ones; use clean"):
        list(suite.override({"noise": ["given"]}).cells("float32"))
    assert list(suite.override({"dataset": [spec], "noise": ["given"]}).cells("float32"))


def test_a_cell_is_its_file_by_content_wherever_it_lies(written, tmp_path, monkeypatch):
    one, other = build(dataset=written()), build(dataset=written(name="copy.npz"))
    assert one.id == other.id
    assert one.keys()["dataset"] == "arrays(file='data.npz', test=0.25)"
    assert Cell.build(one.specs()) == one
    assert build(dataset=written(label=CLEAN)).id != one.id
    monkeypatch.chdir(tmp_path)
    assert build(dataset="arrays(file='copy.npz', test=0.25)").id == other.id


def test_a_card_says_what_is_known_of_the_labels(written):
    assert "unknown: there are no clean labels" in card(written())
    told = card(written(clean_label=CLEAN))
    wrong = (GIVEN != CLEAN)[
        DATASETS.build(written(clean_label=CLEAN)).load(NOWHERE, 0)[0].position
    ]
    assert f"known: {wrong.sum()} of 45 given training labels are wrong" in told
    assert "45 training, 15 test" in told


BAD = {
    "an array 'label' is needed": {"label": None},
    "unknown array 'labels'; did you mean 'label'": {"labels": GIVEN},
    "it has no test images; Arrays.test says": {"test": 0},
    "it has test images, so leave out test=0.25": {"test_image": IMAGE, "test_label": GIVEN},
    "an array 'test_label' is needed beside 'test_image'": {"test": 0, "test_image": IMAGE},
    "an array 'test_clean_label' is needed beside 'clean_label'": {
        "test": 0,
        "clean_label": CLEAN,
        "test_image": IMAGE,
        "test_label": GIVEN,
    },
    "images are of uint8, not of the type float64; scale": {"image": IMAGE / 255},
    "images have 1 to 4 channels, and neither axis is": {"image": IMAGE.reshape(N, 6, 1, 8)},
    "and both the second and the last": {"image": IMAGE.reshape(N, 4, 4, 3)},
    r"images are \(N, H, W\)": {"image": IMAGE.reshape(N, 48)},
    "60 labels are needed, one of each image, and its shape is": {"label": GIVEN[:50]},
    "1 fault: label, row 7: 3 is no class": {
        "label": np.where(np.arange(N) == 7, 3, GIVEN),
        "classes": np.array(["a", "b", "c"]),
    },
    "9 faults: label, row 0: -1 is .*; and 4 more": {
        "label": np.where(np.arange(N) < 9, -1, GIVEN)
    },
    "1 fault: label, row 2: 'cta' is no class; did you mean 'cat'": {
        "label": np.array(["cat", "dog", "cta"] + ["cat"] * (N - 3)),
        "classes": np.array(["cat", "dog"]),
    },
    "no training image is of the class 0; numbers of classes are counted": {"label": GIVEN + 1},
    "labels are one whole number or name": {"label": np.where(GIVEN == 0, np.nan, GIVEN)},
    "array 'label': holds Python objects": {"label": GIVEN.astype(object)},
    "different names of the classes are needed": {"classes": np.array(["a", "b", "a"])},
    "two classes are needed": {"label": np.zeros(N, int)},
    "test images are 1 channels of 6 x 8": {
        "test": 0,
        "test_image": IMAGE.transpose(0, 2, 1),
        "test_label": GIVEN,
    },
}


@pytest.mark.parametrize("said", BAD)
def test_a_file_that_does_not_fit_is_refused_before_anything_starts(written, said):
    spec = written(**BAD[said])
    with pytest.raises(InputError, match=said) as refused:
        list(suite_of(spec, "given").cells("float32"))
    assert "data.npz" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    spec = f"arrays(file={str(tmp_path / 'none.npz')!r}, test=0.2)"
    with pytest.raises(InputError, match=r"none.npz: cannot be read: No such file"):
        _ = DATASETS.build(spec).sizes


def test_moments_are_exact_whatever_the_order_and_a_channel_of_one_value_is_only_centred(written):
    image = np.stack([IMAGE, np.full_like(IMAGE, 9)], 1)
    mean, std = DATASETS.build(written(image=image)).normalisation(NOWHERE)
    assert (mean[1], std[1]) == (9.0, 1.0)
    assert torch.tensor(std[0]) > 50
