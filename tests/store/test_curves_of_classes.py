"""The tables of confusion and of ranked images, against scikit-learn and slow loops."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
import torch

from benchmarks import metrics
from benchmarks.schema import UNKNOWN_CLASS
from benchmarks.store import Parts, derive, write_part
from benchmarks.store.ranked import precisions, risks
from tests.oracles import metrics as oracles
from tests.store.test_pairs import CLASSES, LABEL, cell
from tests.store.test_store import plan_of, record, with_arrays

TRAIN, SEEDS = 90, (0, 2, 1)
CLEAN = np.arange(TRAIN).astype(np.int16) % CLASSES
SCORES = ("loss", "own")


def trained(cell_id, seed, **changes):
    """A finished cell whose scores know something of the wrong labels."""
    one = cell(cell_id, "mine", seed, scores=SCORES, **changes)
    rng = np.random.default_rng([int(cell_id, 16), seed, 1])
    noisy = np.where(rng.random(TRAIN) < 0.3, rng.integers(CLASSES, size=TRAIN), CLEAN)
    score = np.round(rng.normal(size=(2, TRAIN)) + (noisy != CLEAN), 1)  # some are equal
    one.meta.facts = type(one.meta.facts)(n_train=TRAIN, n_test=len(LABEL))
    labels = {"noisy": noisy.astype(np.int64), "clean": CLEAN.copy(), "position": np.arange(TRAIN)}
    shapes = {"detection": np.zeros((2, 2)), "train_scores": score}
    return with_arrays(one, **labels, **shapes)


def tables(folder, cells):
    plan_of(folder, [(one.cell_id, "mine", one.meta.keys.seed) for one in cells])
    for one in cells:
        write_part(folder, [one])
    derive(folder, Parts(folder))
    names = ("confusion", "risk_coverage", "precision_recall")
    return {name: pd.read_csv(folder / f"{name}.csv") for name in names}


@pytest.fixture(scope="module")
def cells():
    return {seed: trained(f"1{seed}", seed) for seed in SEEDS}


@pytest.fixture(scope="module")
def derived(cells, tmp_path_factory):
    return tables(tmp_path_factory.mktemp("derived"), list(cells.values()))


def listed(table, column):
    return np.array([[float(v) for v in str(text).split(" ")] for text in table[column]])


def test_confusion_is_that_of_scikit_learn_summed_over_seeds(cells, derived):
    table, known = derived["confusion"], range(CLASSES)
    own = [cells[seed] for seed in sorted(cells)]
    each = [
        sklearn.metrics.confusion_matrix(LABEL, one.arrays["logits"][0].argmax(-1), labels=known)
        for one in own
    ]
    given = [
        sklearn.metrics.confusion_matrix(CLEAN, one.arrays["noisy"], labels=known) for one in own
    ]
    assert table["label"].tolist() == list(known)
    assert set(table["seeds"]) == {3}
    assert (listed(table, "predicted") == np.sum(each, axis=0)).all()
    assert (listed(table, "given") == np.sum(given, axis=0)).all()
    assert (listed(table, "correct") == np.array([np.diag(one) for one in each]).T).all()
    assert (listed(table, "tested") == np.bincount(LABEL)[:, None]).all()


def test_images_of_no_class_and_of_an_unknown_one_are_in_no_row_of_the_given_labels(tmp_path):
    one = trained("1", 0)
    one.arrays["clean"][:10] = -1
    one.arrays["clean"][10:14] = UNKNOWN_CLASS
    found = tables(tmp_path, [one])
    assert listed(found["confusion"], "given").sum() == TRAIN - 14
    wrong = (one.arrays["noisy"] != one.arrays["clean"])[one.arrays["clean"] != UNKNOWN_CLASS]
    all_found = found["precision_recall"].query("recall == 1")["precisions"]
    expected = [
        precisions(np.delete(score, range(10, 14)), wrong)[-1]
        for score in one.arrays["train_scores"]
    ]
    assert all_found.tolist() == pytest.approx(expected, rel=1e-3)


def test_risk_is_the_error_of_the_most_confident_images(cells, derived):
    table = derived["risk_coverage"]
    assert table["coverage"].tolist() == pytest.approx(np.arange(1, 21) / 20)
    errors = listed(table, "errors")
    for place, seed in enumerate(sorted(cells)):
        logits = cells[seed].arrays["logits"][0]
        expected = oracles.risks(logits.tolist(), LABEL.tolist())
        kept = [
            expected[int(np.ceil(share * len(LABEL) - 1e-9)) - 1] for share in table["coverage"]
        ]
        assert errors[:, place] == pytest.approx(kept, rel=1e-3)


@pytest.mark.parametrize("scale", [0.0, 1.0, 60.0])  # all equal; as they are; nearly all certain
def test_the_mean_risk_is_the_area_under_its_curve(scale):
    logits = scale * cell("7", "mine", 0).arrays["logits"][0]
    logits[3] = logits[4]
    whole = risks(logits, LABEL.astype(int))
    area = metrics.risk_coverage(torch.from_numpy(logits), torch.from_numpy(LABEL).long())["aurc"]
    assert whole.mean() == pytest.approx(float(area), abs=1e-12)
    assert whole[-1] == pytest.approx((logits.argmax(-1) != LABEL).mean())


def test_precision_is_that_of_scikit_learn_where_the_recall_is_first_reached(cells, derived):
    table = derived["precision_recall"]
    assert list(dict.fromkeys(table["score"])) == list(SCORES)
    for number, score in enumerate(SCORES):
        rows = table[table["score"] == score]
        assert rows["recall"].tolist() == pytest.approx(np.arange(1, 11) / 10)
        found = listed(rows, "precisions")
        for place, seed in enumerate(sorted(cells)):
            arrays = cells[seed].arrays
            wrong = arrays["noisy"] != arrays["clean"]
            precision, recall, _ = sklearn.metrics.precision_recall_curve(
                wrong, arrays["train_scores"][number]
            )
            expected = [precision[recall >= share - 1e-9][-1] for share in rows["recall"]]
            assert found[:, place] == pytest.approx(expected, rel=1e-3)


def test_a_score_that_says_nothing_has_the_precision_of_chance():
    wrong = np.arange(50) % 5 == 0
    assert precisions(np.zeros(50), wrong) == pytest.approx(0.2)


def test_without_wrong_labels_or_finite_numbers_there_is_no_curve(tmp_path):
    one = trained("1", 0)
    one.arrays["noisy"] = CLEAN.astype(np.int64)
    two = trained("2", 1)
    two.arrays["train_scores"][0, 5] = np.nan
    two.arrays["logits"][0, 5, 1] = -np.inf
    found = tables(tmp_path, [one, two])
    assert set(found["precision_recall"]["score"]) == {"own"}
    assert set(found["precision_recall"]["seeds"]) == {1}
    assert set(found["risk_coverage"]["seeds"]) == {1}


def test_a_cell_that_has_not_finished_is_in_no_table(tmp_path):
    found = tables(tmp_path, [trained("1", 0), record("2", "diverged", method="mine", seed=1)])
    assert all(set(table["seeds"]) == {1} for table in found.values())
