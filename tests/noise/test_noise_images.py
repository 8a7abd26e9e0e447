"""Noise that looks at images: part-dependent, margin and open-set; what every noise has."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.noise import NO_CLASS, NOISES, Images, LabelSpace, label_sha256
from benchmarks.noise.instance import truncated_normal
from benchmarks.noise.margin import scaled
from benchmarks.noise.posterior import RIDGE, left_out, posterior
from benchmarks.seeds import generator
from benchmarks.sweep import Cell, corrupted
from tests.datasets.split_anew import SplitAnew
from tests.oracles import noise as oracles

N, C, SHAPE = 2_003, 5, (2, 3, 4)
LABEL = torch.arange(N) * 3 % C
MEAN, STD = (60.0, 90.0), (20.0, 35.0)
NOWHERE, CPU = Path("nowhere"), torch.device("cpu")
SCALES = ("raw", "unit", "normalised")
KINDS = ("I", "II", "III")
OTHER = torch.arange(700).to(torch.uint8)[:, None, None, None].expand(700, *SHAPE)
OF_IMAGES = ["pdn", "pdn(scale='unit')", "pmd", "pmd(kind='II')", "open_set", "combined"]
WITHOUT_RATE = [*OF_IMAGES, "symmetric", "asymmetric", "pair_flip", "symmetric(counts='per_class')"]


def pixels(size=N):
    """Images of which each class has its own pattern, under noise."""
    source = torch.Generator().manual_seed(5)
    pattern = torch.randint(160, (C, *SHAPE), generator=source)
    return (pattern[LABEL[:size]] + torch.randint(90, (size, *SHAPE), generator=source)).byte()


PIXEL = pixels()


def space(pixel=PIXEL, **fields):
    images = Images(pixel, torch.arange(len(pixel)), NOWHERE, lambda _name: OTHER)
    known = {
        "confusions": {},
        "white": 255,
        "mean": MEAN,
        "std": STD,
        "lenders": ("other",),
        "images": images,
    }
    return LabelSpace(C, len(pixel), **(known | fields))


def with_rate(unrated, rate):
    name, _, rest = unrated.partition("(")
    return NOISES.build(f"{name}(rate={rate}, {rest}" if rest else f"{name}(rate={rate})")


def drawn(noise, seed=0, **fields):
    return noise.corrupt(LABEL, space(**fields), "toy", seed)


def uniforms(size=N, seed=0):
    source = generator("noise", "toy", seed)
    return torch.rand(2, size, dtype=torch.float64, generator=source).tolist()


# ------------------------------------------------------------------------------- part-dependent


@pytest.mark.parametrize(
    ("rate", "mean"), [(0.1, 0.1288), (0.2, 0.2055), (0.3, 0.3004), (0.4, 0.4000)]
)
def test_the_mean_of_the_flip_rates_is_that_of_the_papers_distribution(rate, mean):
    even = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    found = truncated_normal(even, rate, 0.1)
    assert found.mean().item() == pytest.approx(mean, abs=5e-5)
    there = scipy.stats.truncnorm(-rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1)
    np.testing.assert_allclose(found, there.ppf(even), atol=1e-9)


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_the_flip_rates_stay_in_range_at_the_ends(rate):
    found = truncated_normal(torch.tensor([0.0, 0.5, 1 - 1e-12], dtype=torch.float64), rate, 0.01)
    assert found.ge(0).all()
    assert found.le(1).all()


@pytest.mark.parametrize("scale", SCALES)
def test_part_dependent_noise_against_the_loop(scale):
    size = 203
    noise = NOISES.build(f"pdn(rate=0.5, scale={scale!r})")
    given = noise.corrupt(LABEL[:size], space(PIXEL[:size]), "toy", 4)
    source = generator("noise of images", "toy", 4)
    share = truncated_normal(torch.rand(size, dtype=torch.float64, generator=source), 0.5, 0.1)
    shape = (2, 12, C)
    weight = [torch.randn(shape, dtype=torch.float64, generator=source) for _ in range(C)]
    x = PIXEL[:size].flatten(2).double()
    if scale == "unit":
        x = x / 255
    if scale == "normalised":
        x = (x - torch.tensor(MEAN)[:, None]) / torch.tensor(STD)[:, None]
    weights = [w.flatten(0, 1).tolist() for w in weight]
    args = (LABEL[:size].tolist(), x.flatten(1).tolist(), share.tolist(), weights)
    assert given.label.tolist() == oracles.pdn(*args, *uniforms(size, 4))


def test_on_raw_pixels_the_wrong_label_is_a_function_of_the_image():
    raw, unit = (drawn(NOISES.build(f"pdn(rate=1, scale={s!r})"), 1) for s in ("raw", "unit"))
    other = NOISES.build("pdn(rate=1, scale='raw')").corrupt(LABEL, space(), "toy", 1)
    assert torch.equal(raw.label, other.label)
    assert (raw.label != unit.label).any()
    twice = torch.cat([PIXEL[:500], PIXEL[:500]])
    both = torch.cat([LABEL[:500], LABEL[:500]])
    given = NOISES.build("pdn(rate=1)").corrupt(both, space(twice), "toy", 2).label
    wrong = (given != both).view(2, 500).all(0)
    assert wrong.sum() > 300
    assert (given.view(2, 500)[0] == given.view(2, 500)[1])[wrong].double().mean() > 0.99


@pytest.mark.parametrize(
    ("spec", "prefix"),
    [
        ("pdn(rate=0.4)", "1f0cbc8f8629"),
        ("pdn(rate=0.4, scale='normalised')", "37f58b0cc1ed"),
        ("open_set(rate=0.4)", "d6b0296068fa"),
        ("combined(rate=0.4)", "08e13443f676"),
    ],
)
def test_the_noise_of_a_seed_is_the_same_on_every_machine(spec, prefix):
    dataset = DATASETS.build("digits")
    train = SplitAnew().load(NOWHERE, 0)[0]
    assert corrupted(dataset, NOISES.build(spec), 0, train, NOWHERE).sha256()[:12] == prefix


# --------------------------------------------------------------------------------------- margin


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [0.1, 0.35, 0.7])
def test_margin_noise_against_the_loop(tmp_path, kind, rate):
    eta = torch.rand(N, C, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).pow(4)
    eta = eta / eta.sum(1, keepdim=True)
    np.save(tmp_path / "eta.npy", eta.numpy())
    noise = NOISES.build(f"pmd(rate={rate}, kind={kind!r}, eta={str(tmp_path / 'eta.npy')!r})")
    noise.check(space(), [0])
    given = drawn(noise)
    args = (LABEL.tolist(), eta.tolist(), kind)
    mean = math.fsum(q for q, _ in oracles.pmd(*args, lambda t: t)) / N
    factor = (1 - mean) / (1 - rate)  # noise_factor of the authors' code
    rows = oracles.pmd(*args, lambda t: t / mean * rate if mean > rate else 1 - (1 - t) / factor)
    u, _ = uniforms()
    expected = [s if a < q else y for y, a, (q, s) in zip(LABEL.tolist(), u, rows, strict=True)]
    assert given.label.tolist() == expected
    mean = np.zeros((C, C))
    for y, (q, s) in zip(LABEL.tolist(), rows, strict=True):
        mean[y, s] += q
        mean[y, y] += 1 - q
    np.testing.assert_allclose(given.transition, mean / mean.sum(1, keepdims=True), atol=1e-9)


def test_the_less_sure_the_likelier_the_flip():
    for kind in KINDS:
        margin = torch.linspace(0, 1, 50, dtype=torch.float64)
        found = NOISES.build(f"pmd(rate=0.3, kind={kind!r})").polynomial(margin)
        assert (found.diff() < 0).all()
        assert found[0] == (0.5 if kind == "I" else 1.0)
        assert found[-1] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("base", [[0.0, 0.2, 0.9], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
def test_the_mean_of_the_flip_rates_is_the_rate_and_none_falls_when_it_rises(base):
    found = [scaled(torch.tensor(base).double(), rate) for rate in (0.01, 0.3, 0.6, 1.0)]
    for rate, share in zip((0.01, 0.3, 0.6, 1.0), found, strict=True):
        assert share.mean().item() == pytest.approx(rate)
        assert share.ge(0).all()
        assert share.le(1 + 1e-15).all()
        assert (share.diff() >= -1e-15).all()
    assert all((a <= b).all() for a, b in itertools.pairwise(found))


def test_each_image_is_judged_by_a_fit_to_all_others():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(17, 4)), np.eye(3)[rng.integers(3, size=17)]
    x -= x.mean(0)
    found = left_out(torch.from_numpy(x), torch.from_numpy(y))
    for i in range(17):
        rest = np.delete(np.arange(17), i)
        centre, mean = x[rest].mean(0), y[rest].mean(0)
        own = x[rest] - centre
        weight = np.linalg.solve(own.T @ own + RIDGE * 17 * np.eye(4), own.T @ (y[rest] - mean))
        np.testing.assert_allclose(found[i], (x[i] - centre) @ weight + mean, atol=1e-12)


def test_the_models_probabilities_are_right_and_no_surer_than_they_may_be():
    train, _ = DATASETS.build("digits").load(NOWHERE, 0)
    eta = posterior(train.image, train.label, 10)
    confidence, predicted = eta.max(1)
    torch.testing.assert_close(eta.sum(1), torch.ones(len(eta), dtype=torch.float64))
    right = (predicted == train.label).double()
    assert right.mean() > 0.97
    assert abs(confidence.mean() - right.mean()) < 0.02


BAD_ETA = {
    "a row too few": (np.full((N - 1, C), 1 / C), f"must hold {N} x {C} probabilities"),
    "no distribution": (np.full((N, C), 1.0), "must hold rows of probabilities"),
    "negative": (np.tile([1.5, -0.5, 0, 0, 0], (N, 1)), "must hold rows of probabilities"),
}


@pytest.mark.parametrize("case", BAD_ETA)
def test_a_file_that_holds_no_probabilities_is_refused_in_a_sentence(tmp_path, case):
    table, words = BAD_ETA[case]
    np.save(tmp_path / "eta.npy", table)
    noise = NOISES.build(f"pmd(rate=0.3, eta={str(tmp_path / 'eta.npy')!r})")
    with pytest.raises(ValueError, match=words):
        noise.check(space(), [0])


def test_a_file_is_of_one_order(tmp_path):
    noise = NOISES.build(f"pmd(rate=0.3, eta={str(tmp_path / 'eta.npy')!r})")
    with pytest.raises(ValueError, match="must be '' for a dataset that is split anew"):
        noise.check(space(resplit=True), [0])


# ------------------------------------------------------------------------------------- open-set


def test_open_set_noise_replaces_images_and_no_label():
    given = drawn(NOISES.build("open_set(rate=0.3)"))
    u, _ = uniforms()
    place = [i for i, a in enumerate(u) if a < 0.3]
    assert given.foreign.position.tolist() == place
    assert torch.equal(given.label, LABEL)
    assert torch.equal(given.transition, torch.eye(C, dtype=torch.float64))
    true = given.true(LABEL)
    assert [i for i in range(N) if true[i] != LABEL[i]] == place
    assert set(true[place].tolist()) == {NO_CLASS}
    image = given.images(PIXEL)
    kept = [i for i in range(N) if i not in set(place)]
    assert torch.equal(image[kept], PIXEL[kept])
    assert torch.equal(image[place], given.foreign.image)
    values = given.foreign.image.double()
    assert abs(values.mean() - 127.5) < 5 * 73.9 / values.numel() ** 0.5
    assert values.min() == 0
    assert values.max() == 255
    assert torch.equal(PIXEL, pixels())


def test_a_white_of_sixteen_bounds_the_pixels_of_noise():
    assert drawn(NOISES.build("open_set(rate=0.3)"), white=16).foreign.image.max() == 16


def test_images_of_another_dataset_are_taken_once_each_while_they_last():
    one, many = (drawn(NOISES.build(f"open_set(rate={r}, source='other')")) for r in (0.2, 0.9))
    first = one.foreign.image[:, 0, 0, 0]
    assert one.foreign.image.shape[1:] == SHAPE
    assert len(first) < 700 < len(many.foreign.image)
    rows = [tuple(image.flatten().tolist()) for image in many.foreign.image]
    assert max(rows.count(row) for row in set(rows)) <= 3 * math.ceil(len(rows) / 700)


def test_an_unknown_source_is_refused_with_those_there_are():
    noise = NOISES.build("open_set(rate=0.2, source='othr')")
    with pytest.raises(ValueError, match=r"shape \(other\), got 'othr'; did you mean 'other'\?"):
        noise.check(space(), [0])


def test_the_hash_covers_replaced_images():
    found = {
        drawn(NOISES.build(f"open_set(rate={r})"), s).sha256() for r in (0.1, 0.2) for s in (0, 1)
    }
    assert len(found | {label_sha256(LABEL)}) == 5


def test_a_cell_with_foreign_images_trains_and_is_measured():
    specs = {"dataset": "digits", "noise": "open_set(rate=0.4)", "method": "forward"}
    specs |= {"model": "mlp", "recipe": "small(epochs=6)", "seed": 0, "precision": "float32"}
    cell = Cell.build(specs)
    problem = load_cell_data(cell, NOWHERE, CPU)
    foreign = problem.clean == NO_CLASS
    assert foreign.double().mean().item() == pytest.approx(0.4, abs=0.06)
    assert (problem.clean[~foreign] == problem.noisy[~foreign]).all()
    assert problem.test.label.min() == 0
    (record,) = train_and_record([cell], PackSetup(NOWHERE, CPU, keep_all=True))
    assert record.meta.status == "done"
    assert record.meta.mislabelled == int(foreign.sum())
    values = dict(zip(record.meta.metrics, record.arrays["measured"][0].tolist(), strict=True))
    assert values["clean_recovery"] == 0
    assert values["mem_frac"] + values["other_frac"] == pytest.approx(1)
    assert math.isfinite(values["ts_clean_T"])
    assert 0 <= values["T_err_l1"] <= 2


@pytest.mark.parametrize("flips", ["symmetric", "asymmetric", "pair_flip"])
def test_combined_noise_is_open_set_noise_at_one_end_and_wrong_labels_at_the_other(flips):
    known = {"confusions": {0: 1, 3: 2}} if flips == "asymmetric" else {}
    wrong = drawn(NOISES.build(f"{flips}(rate=0.4)"), **known)
    closed = drawn(NOISES.build(f"combined(rate=0.4, open=0.0, flips={flips!r})"), **known)
    assert torch.equal(closed.label, wrong.label)
    torch.testing.assert_close(closed.transition, wrong.transition, rtol=0, atol=1e-15)
    assert len(closed.foreign.position) == 0
    foreign = drawn(NOISES.build("open_set(rate=0.4)"), **known)
    opened = drawn(NOISES.build(f"combined(rate=0.4, open=1.0, flips={flips!r})"), **known)
    assert opened.sha256() == foreign.sha256()
    assert torch.equal(opened.transition, foreign.transition)


@pytest.mark.parametrize("flips", ["symmetric", "asymmetric", "pair_flip"])
def test_combined_noise_has_the_shares_and_the_transition_that_it_states(flips):
    known = {"confusions": {0: 1, 3: 2}} if flips == "asymmetric" else {}
    given = drawn(NOISES.build(f"combined(rate=0.6, open=0.25, flips={flips!r})"), **known)
    foreign = len(given.foreign.position)
    assert abs(foreign - 0.15 * N) <= 4 * math.sqrt(N * 0.15 * 0.85)
    kept = torch.ones(N, dtype=torch.bool)
    kept[given.foreign.position] = False
    assert torch.equal(given.label[~kept], LABEL[~kept])
    for true, row in enumerate(given.transition.tolist()):
        members = given.label[kept & LABEL.eq(true)].tolist()
        for label, share in enumerate(row):
            bound = 4.5 * math.sqrt(share * (1 - share) * len(members))
            assert abs(members.count(label) - share * len(members)) <= bound


# ----------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("unrated", WITHOUT_RATE)
def test_an_image_that_is_struck_at_one_rate_is_struck_at_every_higher_one(unrated):
    found = [drawn(with_rate(unrated, rate)) for rate in (0.1, 0.3, 0.6, 0.9)]
    for low, high in itertools.pairwise(found):
        struck, more = (given.label != given.true(LABEL) for given in (low, high))
        assert struck.any()
        assert (struck <= more).all()
        assert torch.equal(low.label[struck], high.label[struck])


@pytest.mark.parametrize("unrated", WITHOUT_RATE)
def test_the_realised_rate_is_within_a_binomials_bounds(unrated):
    for seed in range(3):
        given = drawn(with_rate(unrated, 0.4), seed)
        wrong = int((given.label != given.true(LABEL)).sum())
        assert abs(wrong - 0.4 * N) <= 4 * math.sqrt(N * 0.4 * 0.6)


@pytest.mark.parametrize("unrated", WITHOUT_RATE)
def test_the_noise_is_its_seeds_alone(unrated):
    before = torch.random.get_rng_state()
    first = drawn(with_rate(unrated, 0.4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.sha256() == drawn(with_rate(unrated, 0.4)).sha256()
    assert first.sha256() != drawn(with_rate(unrated, 0.4), 1).sha256()


@pytest.mark.parametrize("unrated", WITHOUT_RATE)
def test_rate_zero_is_clean(unrated):
    assert NOISES.spec(with_rate(unrated, 0)) == "clean"


@pytest.mark.parametrize("unrated", OF_IMAGES)
def test_noise_of_images_says_that_it_needs_them(unrated):
    with pytest.raises(ValueError, match="needs the images of the dataset"):
        drawn(with_rate(unrated, 0.4), images=None)
