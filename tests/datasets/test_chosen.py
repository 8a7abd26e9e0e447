"""Some classes of a dataset: which images stay, how they are numbered, and what noise they get."""

import hashlib

import numpy as np
import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data
from benchmarks.export import export
from benchmarks.noise import NOISES, Images
from benchmarks.noise.human import CIFAR10N
from benchmarks.sweep import label_space
from tests.cells import CPU, NOWHERE, build
from tests.datasets.data_files import CIFAR10


def test_the_chosen_classes_are_numbered_anew_and_images_keep_their_places():
    whole, part = (DATASETS.build(spec) for spec in ("digits", "digits(classes='8 3 5')"))
    assert (part.num_classes, part.classes, part.numbers) == (3, ("3", "5", "8"), (3, 5, 8))
    for all_of, kept, size in zip(
        whole.load(NOWHERE, 0), part.load(NOWHERE, 0), part.published, strict=True
    ):
        chosen = [i for i, label in enumerate(all_of.label.tolist()) if label in {3, 5, 8}]
        assert kept.position.tolist() == all_of.position[chosen].tolist()
        assert torch.equal(kept.image, all_of.image[chosen])
        assert [(3, 5, 8)[k] for k in kept.label] == all_of.label[chosen].tolist()
        assert size == len(kept.label)
    assert part.class_counts == tuple(part.load(NOWHERE, 0)[0].label.bincount().tolist())


@pytest.mark.parametrize("name", [name for name in DATASETS if hasattr(DATASETS[name], "classes_")])
def test_facts_of_single_classes_add_up_to_those_of_all(name):
    entry = DATASETS[name]
    pairs = [entry(classes_=f"{k}, {k + 1}") for k in range(0, entry.num_classes, 2)]
    sums = np.array([pair.published for pair in pairs]).sum(0)
    assert tuple(sums) == entry.published
    assert [name for pair in pairs for name in pair.classes] == list(entry.classes)
    assert DATASETS.spec(entry(classes_=", ".join(entry.classes))) == name


def test_confusions_and_superclasses_stay_among_the_chosen_classes():
    assert DATASETS.build("cifar10(classes='cat dog deer')").confusions == {0: 2, 2: 0}
    apples = DATASETS.build("cifar100(classes='apple pear bear')")
    assert apples.superclasses == {
        "fruit and vegetables": ("apple", "pear"),
        "large carnivores": ("bear",),
    }
    assert label_space(apples).superclass == (0, 1, 0)


def test_a_part_of_the_chosen_images_keeps_shares_and_places(cifar10):
    with pytest.MonkeyPatch.context() as patch:
        cifar10.accept(patch)
        few = DATASETS.build("cifar10(classes='cat dog', train=100, test=20)").load(cifar10.root, 0)
        whole = DATASETS.build("cifar10").load(cifar10.root, 0)
    for part, all_of in zip(few, whole, strict=True):
        assert [(3, 5)[k] for k in part.label] == all_of.label[part.position].tolist()
        assert torch.equal(part.image, all_of.image[part.position])
    assert few[0].label.bincount().tolist() == [50, 50]
    assert isinstance(cifar10, CIFAR10)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("digits(classes='3')", "Digits.classes must be two or more classes, got '3'"),
        ("cifar10(classes='cat dgo')", "unknown class 'dgo'; did you mean 'dog'"),
        ("cifar10(classes='cat dog', test=2001)", "CIFAR10.test must be at most 2000, which there"),
    ],
)
def test_classes_that_there_are_not_are_refused(spec, sentence):
    with pytest.raises(ValueError, match=sentence):
        DATASETS.build(spec)


# ---------------------------------------------------------------------------------- long tails


def tail_of(factor):
    return DATASETS.build(f"digits(imbalance={factor})").load(NOWHERE, 0)


def test_long_tails_have_the_sizes_that_are_published():
    assert DATASETS.build("cifar10(imbalance=100)").sizes[0] == 12_406
    assert DATASETS.build("cifar100(imbalance=100)").sizes[0] == 10_847


@pytest.mark.parametrize("spec", ["digits(imbalance=20)", "digits(classes='3 8', imbalance=4)"])
def test_a_tail_has_the_images_of_each_class_that_are_stated(spec):
    dataset = DATASETS.build(spec)
    train, test = dataset.load(NOWHERE, 0)
    assert dataset.sizes == (len(train.label), len(test.label))
    assert dataset.class_counts == tuple(train.label.bincount().tolist())
    assert train.label.bincount()[-1] == 109 // 20 if dataset.num_classes > 2 else 110 // 4
    whole = DATASETS.build("digits").load(NOWHERE, 0)[0]
    places = {place: row for row, place in enumerate(whole.position.tolist())}
    rows = [places[place] for place in train.position.tolist()]
    assert torch.equal(train.image, whole.image[rows])
    assert [dataset.numbers[k] for k in train.label] == whole.label[rows].tolist()


def test_a_longer_tail_is_part_of_a_shorter_one_and_the_test_set_stays():
    longest, long, whole = (set(tail_of(f)[0].position.tolist()) for f in (50, 5, 1))
    assert longest < long < whole
    assert torch.equal(tail_of(50)[1].label, tail_of(1)[1].label)


def test_a_part_of_a_tail_is_refused():
    with pytest.raises(ValueError, match=r"CIFAR10\.train must be 0 where imbalance says"):
        DATASETS.build("cifar10(imbalance=10, train=100)")


# ------------------------------------------------------------------------ labels that people gave


CLEAN = np.arange(400) % 10
GIVEN = np.where(np.arange(400) % 3 == 0, (CLEAN + np.arange(400) % 5) % 10, CLEAN)


@pytest.fixture
def people(tmp_path, monkeypatch):
    """Made-up labels that pass for the published ones."""
    path = tmp_path / CIFAR10N.file
    torch.save({"clean_label": CLEAN, "worse_label": GIVEN}, path)
    monkeypatch.setattr(CIFAR10N, "sha256", hashlib.sha256(path.read_bytes()).hexdigest())
    return tmp_path


def under(noise, folder):
    """What a noise gives to the cats and dogs among the images."""
    place = np.flatnonzero(np.isin(CLEAN, (3, 5)))
    images = Images(torch.zeros(len(place), 1), torch.from_numpy(place), folder, lambda _: None)
    space = label_space(DATASETS.build("cifar10(classes='cat dog')"))._replace(images=images)
    label = torch.from_numpy((CLEAN[place] == 5).astype(np.int64))
    return place, label, NOISES.build(noise).corrupt(label, space, "cifar10", 0)


def test_people_s_labels_outside_the_chosen_classes_are_left_out_and_counted(people):
    place, label, given = under("cifar10n", people)
    expected = [{3: 0, 5: 1}.get(int(k), -1) for k in GIVEN[place]]
    assert given.label.tolist() == expected
    assert 0 < expected.count(-1) < len(expected) / 2
    for true in (0, 1):
        own = [g for g, t in zip(expected, label.tolist(), strict=True) if t == true and g >= 0]
        shares = [own.count(k) / len(own) for k in (0, 1)]
        np.testing.assert_allclose(given.transition[true], shares)
    matched = under("matched(human='cifar10n:worse')", people)[2]
    torch.testing.assert_close(matched.transition, given.transition)
    assert int(matched.label.min()) == 0


def test_what_is_left_out_is_neither_trained_on_nor_held_out(monkeypatch, tmp_path):
    cell = build(dataset="digits(classes='3 5')")
    whole = load_cell_data(cell, NOWHERE, CPU)
    plain = type(cell.noise).corrupt

    def leaving(self, label, *args):
        given = plain(self, label, *args)
        return given._replace(label=torch.where(torch.arange(len(label)) < 40, -1, given.label))

    monkeypatch.setattr(type(cell.noise), "corrupt", leaving)
    data = load_cell_data(cell, NOWHERE, CPU)
    assert len(whole.noisy) + len(whole.val_noisy) == 219
    assert len(data.noisy) + len(data.val_noisy) == 179
    assert int(data.position.min()) >= 40
    assert int(torch.cat([data.noisy, data.val_noisy]).min()) == 0
    wrong = (data.noisy != data.clean).sum() + (data.val_noisy != data.val_clean).sum()
    assert data.noise_rate == pytest.approx(wrong.item() / 179)
    with pytest.raises(ValueError, match="people gave 40 of the 219 images a label outside"):
        export(cell.dataset, cell.noise, 0, NOWHERE, tmp_path / "out")
