"""Exported labels are those a run trains on, and come back."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS
from benchmarks.engine.data import load_cell_data
from benchmarks.export import VERB, export
from benchmarks.noise import NOISES
from benchmarks.outputs import read_manifest, replaced_files
from tests.cells import CPU, build
from tests.oracles import noise as oracles

SPEC = "asymmetric(rate=0.4, counts='per_class')"


def problem_of(noise, root, seed=3):
    cell = build(noise=noise, recipe="small(val_fraction=0.0)", seed=seed)
    return load_cell_data(cell, root, CPU)


@pytest.fixture
def exported(tmp_path):
    line = export(DATASETS.build("digits"), NOISES.build(SPEC), 3, tmp_path, tmp_path / "out")
    return tmp_path / "out", line


def test_the_labels_are_those_of_a_run_and_come_back(exported, tmp_path):
    out, line = exported
    problem = problem_of(SPEC, tmp_path)
    table = pd.read_csv(out / "labels-3.csv")
    assert table["given"].tolist() == problem.noisy.tolist()
    assert table["true"].tolist() == problem.clean.tolist()
    assert table["position"].tolist() == list(range(1078))
    assert np.load(out / "labels-3.npy").tolist() == problem.noisy.tolist()
    for form in ("npy", "csv"):
        back = problem_of(f"labels(file={str(out / ('labels-{seed}.' + form))!r})", tmp_path)
        assert back.noise_sha256 == problem.noise_sha256
    assert problem.noise_sha256 in line


def test_the_facts_are_those_of_the_labels(exported):
    out, line = exported
    facts = json.loads((out / "noise-3.json").read_text())
    table = pd.read_csv(out / "labels-3.csv")
    wrong = table["given"] != table["true"]
    assert facts["noise"] == "asymmetric(rate=0.4, pairs='published', counts='per_class')"
    assert (facts["seed"], facts["examples"], facts["rate_nominal"]) == (3, 1078, 0.4)
    assert facts["rate_realised"] == pytest.approx(wrong.mean())
    assert facts["rate_realised_per_class"] == pytest.approx(wrong.groupby(table["true"]).mean())
    assert facts["sha256"] == oracles.label_sha256(table["given"])
    assert f"{wrong.sum()} of 1078 labels wrong" in line


def test_both_matrices_are_written_in_full_precision(exported):
    out, _ = exported
    drawn, seen = (np.loadtxt(out / f"{name}-3.csv", delimiter=",") for name in ("T", "T-realised"))
    assert drawn[0, 1] == 0.4
    table = pd.read_csv(out / "labels-3.csv")
    shares = pd.crosstab(table["true"], table["given"], normalize="index").to_numpy()
    np.testing.assert_allclose(seen, shares, rtol=0, atol=1e-15)
    np.testing.assert_allclose(seen.sum(1), 1)


def test_a_noise_that_does_not_fit_is_refused(tmp_path):
    np.savetxt(tmp_path / "T.csv", np.eye(3), delimiter=",")
    noise = NOISES.build(f"matrix(file={str(tmp_path / 'T.csv')!r})")
    with pytest.raises(ValueError, match="must hold 10 x 10 numbers"):
        export(DATASETS.build("digits"), noise, 0, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def data_noise(*args):
    return main(["data", "noise", *map(str, args)])


def test_the_command_writes_every_seed_and_says_what_it_wrote(capsys, tmp_path):
    assert data_noise("digits", SPEC, "--seeds", 0, 3, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out.splitlines()
    for seed, line in zip((0, 3), said, strict=False):
        facts = json.loads((tmp_path / f"out/noise-{seed}.json").read_text())
        assert line.startswith(f"seed {seed}: ")
        assert line.endswith(facts["sha256"])
    assert said[2] == f"labels   {tmp_path / 'out'}"
    given = f"\"labels(file='{tmp_path / 'out'}/labels-{{seed}}.npy')\""
    train = f"--datasets digits --noises {given} --seeds 0 3 --out results/own_labels"
    assert said[3:] == [f"train    python run_all.py {train}"]
    assert len(names_in(tmp_path / "out")) == 2 * 5


@pytest.mark.parametrize(
    ("dataset", "noise", "code", "words"),
    [
        ("digit", "clean", 2, "unknown dataset 'digit'; did you mean 'digits'?"),
        ("digits", "symetric(rate=0.1)", 2, "unknown noise 'symetric'; did you mean 'symmetric'?"),
        ("digits", "labels(file='no-{seed}.npy')", 2, "Labels.file: no-7.npy: cannot be read: No"),
        ("mnist", "clean", 5, "MNIST is not available"),
    ],
)
def test_the_command_refuses_in_one_sentence(capsys, tmp_path, dataset, noise, code, words):
    out = tmp_path / "out"
    asked = (dataset, noise, "--seeds", 7, "--out", out, "--data", tmp_path / "none")
    assert data_noise(*asked) == code
    (said,) = capsys.readouterr().err.splitlines()
    assert words in said
    assert not out.exists()


def test_a_file_where_the_folder_should_be_is_told(capsys, tmp_path):
    (tmp_path / "out").write_text("a file")
    assert data_noise("digits", SPEC, "--out", tmp_path / "out") == 74
    assert f"cannot write to {tmp_path / 'out'}: " in capsys.readouterr().err


def names_in(folder):
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_other_labels_are_refused_where_there_are_some(capsys, tmp_path):
    out = tmp_path / "new"
    assert data_noise("digits", "symmetric(rate=0.2)", "--out", out) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    for noise in ("symmetric(rate=0.4)", "symmetric(rate=0.2, counts='per_class')"):
        assert data_noise("digits", noise, "--seeds", 1, "--out", out) == 2
        said = capsys.readouterr().err
        assert f"{out} holds the labels of digits under symmetric(rate=0.2)" in said
        assert f"those of digits under {noise} would mix with them" in said
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_the_same_labels_replace_their_own_files_and_other_seeds_stay(capsys, tmp_path):
    out = tmp_path / "out"
    assert data_noise("digits", SPEC, "--seeds", 0, 1, "--out", out) == 0
    mine, gone = out / "notes.txt", out / "foreign-0.npz"
    mine.write_text("mine")
    with replaced_files(out, VERB, title=read_manifest(out, VERB).title, adds=True) as new:
        (new / gone.name).write_bytes(b"of a former run")
    assert data_noise("digits", SPEC, "--seeds", 0, 0, 2, "--out", out) == 0
    assert not gone.exists()
    assert {f"labels-{seed}.npy" for seed in (0, 1, 2)} | {mine.name} <= names_in(out)
    assert capsys.readouterr().out.count("seed 0: ") == 2  # once in each run
    mine.unlink()
    (out / "labels-1.csv").write_text("position,given\n0,1\n")
    assert data_noise("digits", SPEC, "--seeds", 1, "--out", out) == 2
    assert "labels-1.csv was changed since `data noise` wrote it" in capsys.readouterr().err


def test_a_file_of_the_users_is_not_replaced(capsys, tmp_path):
    (tmp_path / "T-0.csv").write_text("mine")
    assert data_noise("digits", SPEC, "--out", tmp_path) == 2
    assert f"{tmp_path / 'T-0.csv'} is in the way" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"T-0.csv"}


def test_labels_of_one_dataset_are_refused_for_another_order(exported, tmp_path):
    out, _ = exported
    table = pd.read_csv(out / "labels-3.csv")
    table.assign(true=table["true"].to_numpy()[::-1]).to_csv(out / "labels-4.csv", index=False)
    with pytest.raises(ValueError, match="must follow the order of digits, the column true of"):
        problem_of(f"labels(file={str(out / 'labels-{seed}.csv')!r})", tmp_path, seed=4)


def test_over_all_seeds_labels_fit_what_was_published_by_their_index(tmp_path):
    target = load_digits().target
    indices = set()
    for seed in range(3):
        export(DATASETS.build("digits"), NOISES.build(SPEC), seed, tmp_path, tmp_path)
        table = pd.read_csv(tmp_path / f"labels-{seed}.csv")
        assert table["true"].tolist() == target[table["index"]].tolist()
        assert table["position"].tolist() == list(range(1078))
        indices.add(tuple(table["index"]))
    assert len(indices) == 1
    shuffled = table.drop(columns="position").sample(frac=1, random_state=0)
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    back = problem_of(f"labels(file={str(tmp_path / 'shuffled.csv')!r})", tmp_path)
    assert back.noisy.tolist() == table["given"].tolist()


def test_foreign_images_are_found_by_their_index(tmp_path):
    export(DATASETS.build("digits"), NOISES.build("open_set(rate=0.2)"), 0, tmp_path, tmp_path)
    foreign, table = np.load(tmp_path / "foreign-0.npz"), pd.read_csv(tmp_path / "labels-0.csv")
    assert foreign["index"].tolist() == table["index"][foreign["position"]].tolist()


def test_a_folder_whose_name_would_stand_for_seeds_is_refused(tmp_path, capsys):
    out = tmp_path / "labels-{seed}"
    assert main(["data", "noise", "digits", "clean", "--out", str(out)]) == 2
    assert "--out is one folder for all seeds, without {seed}, got" in capsys.readouterr().err
    assert not out.exists()
