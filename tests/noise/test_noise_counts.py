"""Exact counts against plain loops, the shares that come out, and labels that never change."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch

from benchmarks.datasets.digits import Digits
from benchmarks.noise import NOISES, LabelSpace, label_sha256, realised
from benchmarks.noise.base import sample
from benchmarks.schema import SCHEMA_VERSION
from benchmarks.seeds import generator
from benchmarks.sweep import Cell, label_space
from tests.datasets.split_anew import SplitAnew
from tests.oracles import noise as oracles

N, C = 4_001, 6
SPACE = LabelSpace(C, N, {0: 3, 2: 4, 4: 2})
LABEL = torch.bucketize(torch.arange(N) * 7 % N, torch.tensor([300, 800, 1500, 2310, 3200]))
SIZES = torch.bincount(LABEL, minlength=C)
COMMITTED = Path(__file__).parents[2] / "results/reference"
KINDS = [
    "symmetric(rate={})",
    "symmetric(rate={}, include_true=True)",
    "asymmetric(rate={})",
    "asymmetric(rate={}, pairs='flip_back')",
    "pair_flip(rate={})",
]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_count = pytest.mark.parametrize("counts", ["per_class", "per_pair"])


def drawn(kind, rate, counts="random", seed=0):
    """Given labels and T of a noise."""
    spec = kind.format(rate).replace(")", f", counts={counts!r})")
    return NOISES.build(spec).corrupt(LABEL, SPACE, "toy", seed)


def uniforms(seed=0):
    return torch.rand(2, N, dtype=torch.float64, generator=generator("noise", "toy", seed))


def test_no_two_classes_have_the_same_size():
    assert len(set(SIZES.tolist())) == C
    assert SIZES.min() > 0


@every_count
@pytest.mark.parametrize("rate", [0.1, 0.37, 1.0])
@every_kind
def test_exact_counts_against_the_loop(kind, rate, counts):
    given, table, _ = drawn(kind, rate, counts)
    u, v = uniforms().tolist()
    expected = getattr(oracles, counts)(LABEL.tolist(), table.tolist(), u, v)
    assert given.tolist() == expected


@every_count
def test_exact_counts_against_the_loop_for_any_table(counts):
    rows = torch.rand(C, C, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).pow(4)
    table = rows / rows.sum(1, keepdim=True)
    u, v = uniforms(3)
    expected = getattr(oracles, counts)(LABEL.tolist(), table.tolist(), u.tolist(), v.tolist())
    assert sample(LABEL, table, u, v, counts).tolist() == expected


@every_count
@pytest.mark.parametrize("rate", [0.2, 0.6])
@every_kind
def test_exact_counts_have_the_expected_shares_but_for_rounding(kind, rate, counts):
    """At most one label a class is rounded away; per pair, at most one for each other class."""
    given, table, _ = drawn(kind, rate, counts)
    seen = realised(LABEL, given, C)
    away = 1 - seen.diagonal()
    lost = (1 - table.diagonal() - away) * SIZES
    assert (lost > -1e-6).all()
    assert (lost < (1 if counts == "per_class" else C - 1) + 1e-6).all()
    if counts == "per_pair":
        off = ~torch.eye(C, dtype=torch.bool)
        short = ((table - seen) * SIZES[:, None])[off]
        assert (short > -1e-6).all()
        assert (short < 1).all()


@every_kind
def test_the_realised_rate_is_that_of_t_within_four_standard_deviations(kind):
    for seed in range(5):
        given, table, _ = drawn(kind, 0.45, seed=seed)
        p = 1 - table.diagonal()[LABEL]
        wrong = (given != LABEL).sum().item()
        assert abs(wrong - p.sum()) <= 4 * math.sqrt((p * (1 - p)).sum())
        seen = (realised(LABEL, given, C) - table).abs()
        bound = 4.5 * (table * (1 - table) / SIZES[:, None]).sqrt() + 1e-9
        assert (seen <= bound).all()


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8, 0.9])
def test_with_the_true_class_included_fewer_labels_are_wrong(rate):
    """DivideMix's 0.2, 0.5, 0.8, 0.9 on ten classes are 0.18, 0.45, 0.72, 0.81 wrong."""
    label = torch.arange(20_000) % 10
    noise = NOISES.build(f"symmetric(rate={rate}, include_true=True, counts='per_class')")
    given = noise.corrupt(label, LabelSpace(10, 20_000, {}), "toy", 0).label
    assert (given != label).sum().item() == round(0.9 * rate * 20_000)
    assert noise.nominal_rate == rate


def test_flips_with_the_true_class_included_are_nested_in_those_without():
    some, all_ = (drawn(kind, 0.5).label for kind in KINDS[1::-1])
    flipped = some != LABEL
    assert 0 < flipped.sum() < (all_ != LABEL).sum()
    assert torch.equal(some[flipped], all_[flipped])


def test_flipping_back_needs_a_published_map():
    noise = NOISES.build("asymmetric(rate=0.3, pairs='flip_back')")
    noise.check(SPACE, [0])
    with pytest.raises(ValueError, match=r"^Asymmetric\.pairs 'flip_back' needs a dataset with a"):
        noise.check(SPACE._replace(confusions={}), [0])


def test_the_realised_shares_are_counted_pair_by_pair():
    label, given = torch.tensor([0, 0, 0, 2, 2, 0]), torch.tensor([0, 1, 1, 2, 0, 3])
    expected = [[0.25, 0.5, 0.0, 0.25], [0.0, 1, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0], [0.0, 0, 0, 1]]
    assert realised(label, given, 4).tolist() == expected


# ------------------------------------------------------------------------------ what never changes


def committed(folder):
    """The noises, seeds and hashes of a committed run."""
    with (COMMITTED / folder / "results.csv").open(encoding="utf-8") as file:
        return sorted(
            {(r["noise"], int(r["seed"]), r["noise_sha256"]) for r in csv.DictReader(file)}
        )


def test_the_labels_of_the_committed_run_are_still_drawn():
    plan = json.loads((COMMITTED / "default" / "plan.json").read_text(encoding="utf-8"))
    dataset = Digits() if plan["schema"] == SCHEMA_VERSION else SplitAnew()
    rows = committed("default")
    assert len(rows) == 25
    for noise, seed, hashed in rows:
        true = dataset.load(Path(), seed)[0].label
        given = NOISES.build(noise).corrupt(true, label_space(Digits()), "digits", seed).label
        assert label_sha256(given) == hashed


@pytest.mark.parametrize("folder", ["default", "fashion_mnist"])
def test_a_field_that_is_not_used_gives_no_committed_cell_another_id(folder):
    plan = json.loads((COMMITTED / folder / "plan.json").read_text(encoding="utf-8"))
    assert plan["cells"]
    for entry in plan["cells"]:
        specs = entry["specs"] | {"noise": NOISES.full(NOISES.build(entry["specs"]["noise"]))}
        assert Cell.build(specs).id == Cell.build(entry["specs"]).id


GOLDEN = {
    "symmetric(rate=0.4)": "bec8903428ceb1da",
    "symmetric(rate=0.4, include_true=True)": "1a6bee3681fce7f5",
    "symmetric(rate=0.4, counts='per_class')": "e4157d6dc50bf02f",
    "symmetric(rate=0.4, counts='per_pair')": "ce117836c09815fc",
    "asymmetric(rate=0.3)": "338a6afc6c015cb3",
    "asymmetric(rate=0.3, pairs='flip_back')": "89dc2ca2bf058922",
    "asymmetric(rate=0.3, counts='per_class')": "8a998ee36deb7bf4",
    "pair_flip(rate=0.45)": "b3884738c48f1bc8",
    "pair_flip(rate=0.45, counts='per_pair')": "557418bd5777aca8",
}


@pytest.mark.parametrize("spec", GOLDEN)
def test_no_noise_ever_gives_other_labels(spec):
    given = NOISES.build(spec).corrupt(LABEL, SPACE, "toy", 1).label
    assert label_sha256(given)[:16] == GOLDEN[spec]
