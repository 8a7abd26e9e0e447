"""Differences of two methods, apart by what seeds and what test images add to their variance."""

import numpy as np
import pandas as pd
import pytest
import scipy.special
import sklearn.metrics
import statsmodels.api as sm
from statsmodels.formula.api import ols

from benchmarks.question import Question
from benchmarks.store import Parts, Record, derive, write_part
from benchmarks.store.pairs import crossed, pseudo_values
from benchmarks.store.tested import each_image, log_shares
from tests.oracles import metrics as oracles
from tests.store.test_store import plan_of, record

IMAGES, CLASSES = 120, 4
LABEL = np.random.default_rng(5).integers(CLASSES, size=IMAGES).astype(np.int16)


def cell(cell_id, method, seed, **changes):
    """A finished cell whose logits know something of the labels."""
    one = record(cell_id, method=method, seed=seed)
    rng = np.random.default_rng([int(cell_id, 16), seed])
    logits = rng.normal(size=(3, IMAGES, CLASSES)).astype(np.float32)
    logits[:, np.arange(IMAGES), LABEL] += 1.5 if method == "mine" else 1
    meta = one.meta
    meta.facts = type(meta.facts)(n_train=4, n_test=IMAGES)
    for name, value in changes.items():
        setattr(meta, name, value)
    return Record(meta, one.arrays | {"logits": logits, "label": LABEL})


def derived(folder, cells, table="pairs.csv"):
    """The rows of a table of cells, one part each."""
    keys = [(one.cell_id, one.meta.keys.method, one.meta.keys.seed) for one in cells]
    plan_of(folder, keys, question=Question("theirs", ("mine",)))
    for one in cells:
        write_part(folder, [one])
    derive(folder, Parts(folder))
    keys = ["method", "reference", "metric"] if table == "pairs.csv" else ["method"]
    return pd.read_csv(folder / table).set_index(keys)


def by_hand(metric, *cells):
    """A metric of a cell, or of the ensemble of some, at the last epoch, by other libraries."""
    logits, label = [one.arrays["logits"][0] for one in cells], cells[0].arrays["label"]
    share = np.mean([scipy.special.softmax(own.astype(float), axis=-1) for own in logits], axis=0)
    if metric == "ece":
        return oracles.TEST["ece"](np.log(share).tolist(), label.tolist())
    if metric == "brier":
        return sklearn.metrics.brier_score_loss(label, share, scale_by_half=False)
    if metric == "nll":
        return sklearn.metrics.log_loss(label, share, labels=range(CLASSES))
    return sklearn.metrics.accuracy_score(label, share.argmax(-1))


def test_a_pair_has_the_seeds_that_both_finished_and_the_differences_of_their_metrics(tmp_path):
    mine = [cell(f"1{seed}", "mine", seed) for seed in range(4)]
    theirs = [cell(f"2{seed}", "theirs", seed) for seed in range(1, 5)]
    hard = [cell(f"3{seed}", "cross_entropy", seed) for seed in range(2)]
    lost = [cell(f"4{seed}", "other", seed) for seed in (0, 9)]  # one in common with either
    rows = derived(tmp_path, [*lost, *mine, *theirs, *hard])
    assert {key[:2] for key in rows.index} == {("mine", "theirs"), ("mine", "cross_entropy")}
    for metric in ("acc", "nll", "brier", "ece"):
        row = rows.loc["mine", "theirs", metric]
        expected = [
            by_hand(metric, own) - by_hand(metric, other)
            for own, other in zip(mine[1:], theirs[:3], strict=True)
        ]
        assert (row["seeds"], row["images"]) == (3, IMAGES)
        assert row["difference"] == pytest.approx(np.mean(expected), abs=1e-8)
        assert row["var_seeds"] == pytest.approx(np.var(expected, ddof=1) / 3, rel=1e-6)
        assert row["groups"] == (50 if metric == "ece" else IMAGES)
        both = row["var_seeds"] + row["var_images"] - row["var_rest"]
        assert row["var_both"] == pytest.approx(max(both, row["var_seeds"], row["var_images"]))


def test_the_variances_are_those_of_the_mean_squares_of_statsmodels():
    rng = np.random.default_rng(2)
    table = rng.normal(size=(4, 1)) + 2 * rng.normal(size=(1, 9)) + rng.normal(size=(4, 9))
    found = crossed(table, table.mean(1))
    seed, image = np.indices(table.shape)
    data = pd.DataFrame({"d": table.ravel(), "seed": seed.ravel(), "image": image.ravel()})
    squares = sm.stats.anova_lm(ols("d ~ C(seed) + C(image)", data).fit())
    means = (squares["sum_sq"] / squares["df"] / table.size).tolist()
    assert list(found[:3]) == pytest.approx(means)
    assert found.both == pytest.approx(means[0] + means[1] - means[2])


def test_pseudo_values_of_the_ece_leave_out_a_group_of_images_at_a_time():
    logits, label = cell("7", "mine", 0).arrays["logits"][0], LABEL.astype(int)
    value, *pseudo = pseudo_values(each_image(log_shares(logits), label))
    whole = oracles.TEST["ece"](logits.tolist(), label.tolist())
    part = np.random.default_rng(0).permutation(np.arange(IMAGES) % 50)
    assert value == pytest.approx(whole)
    for group in (0, 31, 49):
        rest = part != group
        other = oracles.TEST["ece"](logits[rest].tolist(), label[rest].tolist())
        assert pseudo[group] == pytest.approx(50 * whole - 49 * other)


@pytest.mark.parametrize("how", ["said", "seen"])
def test_seeds_with_images_of_their_own_have_the_corrected_variance(tmp_path, how):
    cells = [cell(f"1{seed}", "mine", seed) for seed in range(3)]
    cells += [cell(f"2{seed}", "theirs", seed) for seed in range(3)]
    for one in cells:
        if how == "said":
            one.meta.own_images = True
        else:
            one.arrays["label"] = np.roll(LABEL, one.meta.keys.seed)
    rows = derived(tmp_path, cells)
    assert len(rows) == 4
    assert rows[["groups", "var_images", "var_rest"]].isna().all(axis=None)
    corrected = rows["var_seeds"] * 3 * (1 / 3 + IMAGES / 4)  # Nadeau & Bengio 2003, section 3
    assert rows["var_both"].to_numpy() == pytest.approx(corrected.to_numpy(), rel=1e-7)


def test_an_ensemble_is_the_mean_of_the_probabilities_of_its_seeds(tmp_path):
    mine = [cell(f"1{seed}", "mine", seed) for seed in range(3)]
    alone = [cell("41", "alone", 0)]
    apart = [cell(f"5{seed}", "apart", seed, own_images=True) for seed in range(3)]
    rows = derived(tmp_path, [*mine, *alone, *apart], "ensembles.csv")
    assert rows.index.tolist() == ["mine"]
    assert rows.loc["mine", "seeds"] == 3
    for metric in ("acc", "nll", "brier", "ece"):
        assert rows.loc["mine", metric] == pytest.approx(by_hand(metric, *mine), abs=1e-8)
        assert abs(rows.loc["mine", metric] - by_hand(metric, mine[0])) > 1e-3
