"""Where hyper-parameters come from: tables, spaces, identity, and trials."""

import csv
import json

import pytest

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS
from benchmarks.errors import RefusedError
from benchmarks.noise import NOISES
from benchmarks.profiles import PROFILES, Conditions
from benchmarks.profiles.configurations import fields_of, spec_of, table
from benchmarks.profiles.search import FACTOR, candidates, declared_spaces, space_of
from benchmarks.report.data import load
from benchmarks.report.document import _origins
from benchmarks.sweep import Cell, Suite
from methods import METHODS

TABLES = ("default", "paper")
ROWS = [
    (name, method, row) for name in TABLES for method, rows in table(name).items() for row in rows
]


def at(dataset, noise):
    built = NOISES.build(noise)
    return Conditions(dataset, (NOISES.name(built), NOISES.spec(built)), built.nominal_rate)


def configured(profile, spec, dataset, noise):
    return PROFILES.build(profile).configure(spec, at(dataset, noise))


def cells_of(profile, methods, dataset="digits", noise="symmetric(rate=0.4)"):
    axes = {"dataset": [dataset], "noise": [noise], "method": methods, "seed": [0]}
    return list(Suite.read("default").override(axes, profile).cells("float32"))


# ----------------------------------------------------------------------------------- the tables


@pytest.mark.parametrize(
    ("method", "row"), [row[1:] for row in ROWS], ids=[f"{n}-{m}" for n, m, _ in ROWS]
)
def test_every_row_names_known_things_within_their_ranges(method, row):
    values = fields_of(METHODS.build(spec_of(method, row.fields)))
    assert row.fields.items() <= values.items()
    assert set(row.dataset) <= set(DATASETS)
    assert set(row.noise) <= set(NOISES)
    assert all(0 <= rate <= 1 for rate in row.rate)
    assert row.source


@pytest.mark.parametrize("method", declared_spaces())
def test_every_declared_space_lies_in_the_fields_ranges(method):
    built = METHODS[method]()
    values = fields_of(built)
    for key, axis in declared_spaces()[method].items():
        for share in (0.0, 0.37, 1.0):
            value = axis.at(share)
            value = round(value) if isinstance(values[key], int) else value
            METHODS.build(spec_of(method, {key: value}))


def test_small_images_and_methods_of_before_keep_their_defaults():
    old = ("sce", "gce", "elr", "sop", "forward", "dividemix")
    old += ("co_teaching", "mixup", "gjs", "l2rw")
    for method in METHODS:
        small = ("mnist", "fashion_mnist") if method in old else ()
        others = [("default", dataset) for dataset in ("digits", *small)]
        for profile, dataset in (("paper", "digits"), *others):
            found = configured(profile, method, dataset, "symmetric(rate=0.4)")
            assert found.method == METHODS[method]()
            assert found.name == method


# ------------------------------------------------------------------------------------ precedence


def test_a_dataset_has_its_setting_and_a_named_field_wins():
    assert configured("default", "elr", "cifar100", "clean").method == METHODS.build(
        "elr(beta=0.9, weight=7.0)"
    )
    found = configured("default", "elr(beta=0.7)", "cifar100", "clean")
    assert found.method == METHODS.build("elr(beta=0.7, weight=7.0)")
    assert found.name == "elr(beta=0.7)"
    assert configured("default", "elr(beta=0.9)", "cifar100", "clean").name == "elr"


@pytest.mark.parametrize(
    ("noise", "q"),
    [
        ("clean", 0.5),
        ("symmetric(rate=0.29)", 0.5),
        ("symmetric(rate=0.31)", 0.7),
        ("symmetric(rate=0.75)", 0.9),
        ("asymmetric(rate=0.2)", 0.7),
        ("pdn(rate=0.2)", 0.7),
    ],
)
def test_the_paper_profile_takes_the_nearest_published_rate(noise, q):
    assert configured("paper", "gce", "cifar100", noise).method.q == q
    assert configured("default", "gce", "cifar100", noise).method.q == 0.7
    assert configured("paper", "gce(q=0.1)", "cifar100", noise).method.q == 0.1


def test_people_s_labels_have_no_rate_and_rows_of_their_own():
    found = configured("paper", "dividemix", "cifar10", "cifar10n").method
    assert found.unlabelled_weight == 0
    assert configured("paper", "gce", "cifar100", "cifar100n").method.q == 0.7


GJS_SCRIPTS = """
js  cifar10  symmetric  0.0 0.1, 0.2 0.7, 0.4 0.7, 0.6 0.9, 0.8 0.9
js  cifar10  asymmetric 0.2 0.3, 0.4 0.3
js  cifar100 symmetric  0.0 0.1, 0.2 0.1, 0.4 0.3, 0.6 0.5, 0.8 0.3
js  cifar100 asymmetric 0.2 0.5, 0.4 0.5
gjs cifar10  symmetric  0.0 0.5, 0.2 0.3, 0.4 0.9, 0.6 0.1, 0.8 0.1
gjs cifar10  asymmetric 0.2 0.3, 0.4 0.3
gjs cifar100 symmetric  0.0 0.3, 0.2 0.3, 0.4 0.5, 0.6 0.9, 0.8 0.1
gjs cifar100 asymmetric 0.2 0.5, 0.4 0.1
"""  # the first of js_weights in scripts/ of github.com/ErikEnglesson/GJS at 1a3c9e0


@pytest.mark.parametrize("line", GJS_SCRIPTS.strip().splitlines())
def test_js_and_gjs_have_every_published_weight(line):
    method, dataset, noise, values = line.split(maxsplit=3)
    for rate, pi in (pair.split() for pair in values.split(",")):
        spec = f"{noise}(rate={rate})" if float(rate) else "clean"
        assert configured("paper", method, dataset, spec).method.pi == float(pi)


@pytest.mark.parametrize(
    ("dataset", "noise", "spec"),
    [  # of the code that each row cites
        ("cifar10", "clean", "pes(whole=0.125, second=0.035, third=0.025, upper=3, lr=0.0001)"),
        ("cifar100", "clean", "pes(whole=0.15, second=0.035, third=0.025, upper=4, lr=0.0001)"),
        ("cifar10", "clean", "negative_ls(pace=1e-05)"),
        ("cifar10", "clean", "mw_net(per_class=100, lr=0.001)"),
        ("cifar100", "clean", "mw_net(per_class=10, lr=0.001)"),
        ("mnist", "clean", "co_teaching_plus(rate='true', warmup=0)"),
        ("cifar10", "clean", "co_teaching_plus(rate='true', warmup=20)"),
        ("cifar100", "clean", "co_teaching_plus(rate='true', warmup=5)"),
        ("cifar100", "asymmetric(rate=0.4)", "sop(lr_u=1.0, lr_v=100.0)"),
        ("mnist", "clean", "jocor(rate='true', agreement=0.95)"),
        ("cifar100", "symmetric(rate=0.4)", "jocor(rate='true', agreement=0.85)"),
        ("cifar100", "asymmetric(rate=0.4)", "jocor(forget_rate=0.2, agreement=0.85)"),
        ("cifar10", "asymmetric(rate=0.4)", "logit_clip(tau=0.4, compat=True)"),
        ("cifar10", "symmetric(rate=0.6)", "logit_clip(tau=0.6667, compat=True)"),
        ("cifar100", "symmetric(rate=0.2)", "logit_clip(tau=2.0, compat=True)"),
        ("cifar100", "clean", "jal_ce(alpha=5.0, beta=1.0, a=20.0, delta=5e-06)"),
        ("mnist", "clean", "sce(alpha=0.01)"),
    ],
)
def test_published_settings_are_those_of_the_authors_code(dataset, noise, spec):
    name = spec.partition("(")[0]
    assert configured("paper", name, dataset, noise).method == METHODS.build(spec)


# -------------------------------------------------------------------------------------- identity


def test_the_profile_is_no_part_of_a_cell_but_its_fields_are():
    plain, paper = (cells_of(p, ["elr"])[0] for p in ("default", "paper"))
    assert plain.id == paper.id
    assert (plain.profile, paper.profile) == ("default", "paper")
    here, there = (cells_of(p, ["gce"], "cifar100")[0] for p in ("default", "paper"))
    assert here.id == there.id  # 0.7 at 0.4 in both
    low = "symmetric(rate=0.2)"
    here, there = (cells_of(p, ["gce"], "cifar100", low)[0] for p in ("default", "paper"))
    assert here.id != there.id
    assert here.keys()["method"] == there.keys()["method"] == "gce"
    assert there.specs()["method"] == "gce(q=0.5)"


def test_a_cell_comes_back_from_its_specs():
    for profile in ("default", "paper"):
        (cell,) = cells_of(profile, ["elr"], "cifar100")
        back = Cell.build(json.loads(json.dumps(cell.specs())))
        assert (back, back.asked, back.profile) == (cell, cell.asked, cell.profile)
        assert back.keys() == cell.keys()


# ---------------------------------------------------------------------------------------- trials


def test_every_method_has_as_many_trials_and_more_add_to_fewer():
    for method in METHODS:
        few, more = (candidates(METHODS[method](), (), n) for n in (3, 5))
        assert len(few) == 3
        assert few == more[:3]
        assert few[0] == METHODS[method]()
    fixed = candidates(METHODS.build("elr(beta=0.8)"), {"beta"}, 6)
    assert {m.beta for m in fixed} == {0.8}
    assert len({m.weight for m in fixed}) == 6


def test_what_nothing_is_declared_for_is_searched_around_its_numbers():
    (key,) = space_of(METHODS["cores"]()).keys() & {"beta"}
    axis = space_of(METHODS["cores"]())[key]
    assert (axis.low, axis.high) == (2.0 / FACTOR, 2.0 * FACTOR)
    assert axis.at(0.5) == pytest.approx(2.0, rel=1e-3)
    assert space_of(METHODS["cross_entropy"]()) == {}


def run(out, *more):
    args = [*("--methods", "cross_entropy", "gce"), *("--noises", "symmetric(rate=0.4)")]
    args += [*("--recipes", "small(epochs=2)"), *("--seeds", "0"), "--no-report"]
    args += [*("--out", out), *("--device", "cpu"), *("--workers", "1"), *more]
    return main([str(arg) for arg in args])


def test_trials_are_trained_once_and_the_best_is_run(capsys, tmp_path):
    tuned = ("--profile", "tuned(trials=3, seed=7)")
    assert run(tmp_path, *tuned) == 0
    with (tmp_path / "tuning/tuning.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["cross_entropy"] * 3 + ["gce"] * 3
    assert {row["seed"] for row in rows} == {"7"}
    best = {}
    for row in rows:
        score = float(row["val_acc"])
        if score > best.get(row["method"], ("", -1.0))[1]:
            best[row["method"]] = (row["method_spec"], score)
    chosen = {r["method"]: r["method_spec"] for r in rows if r["chosen"] == "1"}
    assert chosen == {name: spec for name, (spec, _) in best.items()}
    with (tmp_path / "results.csv").open(encoding="utf-8") as file:
        results = list(csv.DictReader(file))
    assert {(r["method"], r["method_spec"]) for r in results} == set(chosen.items())
    assert {r["profile"] for r in results} == {"tuned(trials=3, seed=7)"}
    capsys.readouterr()
    before = (tmp_path / "results.csv").read_bytes()
    assert run(tmp_path, *tuned) == 0
    said = capsys.readouterr().out
    assert "4 trials, 4 done, 0 to train" in said
    assert "2 cells, 2 done, 0 to train" in said
    assert (tmp_path / "results.csv").read_bytes() == before
    assert run(tmp_path) == 2  # another profile in the same folder
    assert "was started with the profile tuned(trials=3, seed=7)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--profile", "papr"], "unknown profile 'papr'; did you mean 'paper'?"),
        (["--profile", "tuned(trials=0)"], "Tuned.trials must be a whole number in [1, 1000]"),
        (["--profile", "tuned(seed=0)"], "Tuned.seed must not be a seed that is reported, got 0"),
        (
            ["--profile", "tuned", "--recipes", "small(epochs=2, val_fraction=0.0)"],
            "the profile tuned needs validation labels and Small.val_fraction is 0.0",
        ),
    ],
)
def test_a_wrong_profile_is_refused_in_one_sentence(capsys, tmp_path, more, sentence):
    assert run(tmp_path / "out", *more) == 2
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert sentence in said
    assert not (tmp_path / "out").exists()


def test_the_report_names_the_profile_and_settings_whose_noise_no_seed_varies(tmp_path):
    assert run(tmp_path, "--profile", "paper", "--seeds", "0", "1") == 0
    said = "\n".join(_origins(load(tmp_path)))
    assert said == "Hyper-parameters: the profile paper."
    path = tmp_path / "results.csv"
    with path.open(encoding="utf-8") as file:
        first, *others = {row["noise_sha256"] for row in csv.DictReader(file)}
    path.write_text(path.read_text().replace(others[0], first))
    assert "One set of wrong labels for all seeds: symmetric 40%." in _origins(load(tmp_path))[1]


def test_two_profiles_do_not_stand_in_one_table(tmp_path):
    assert run(tmp_path) == 0
    path = tmp_path / "results.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(
        "".join([*lines[:2], *(line.replace(",default,", ",paper,") for line in lines[2:])])
    )
    with pytest.raises(RefusedError, match="holds cells of the profiles default and paper"):
        load(tmp_path)


def test_no_trial_changes_what_a_method_is_told():
    for method in METHODS:
        base = METHODS[method]()
        for trial in candidates(base, (), 4):
            assert trial.privileges == base.privileges
            assert trial.trusted_per_class == base.trusted_per_class


def test_promix_selects_more_where_its_authors_do():
    for noise, ratio in (("symmetric(rate=0.2)", 0.7), ("symmetric(rate=0.5)", 0.5)):
        found = configured("paper", "promix", "cifar100", noise).method
        assert (found.ratio, found.warmup, found.tau, found.debias) == (ratio, 30, 0.95, 0.5)
    assert configured("paper", "promix", "cifar10", "cifar10n").method.ratio == 0.5


@pytest.mark.parametrize("method", ["focal", "nfl_mae", "nfl_rce", "anl_fl"])
def test_the_focal_factor_is_a_constant_where_published_numbers_need_it(method):
    for dataset in ("mnist", "cifar10", "cifar100"):
        assert configured("paper", method, dataset, "clean").method.detach
        assert not configured("default", method, dataset, "clean").method.detach
