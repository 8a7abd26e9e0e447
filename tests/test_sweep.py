"""Cells and suites: what names a training run, and what is refused."""

import json
import os
import re
from dataclasses import fields
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import schema, suites
from benchmarks.datasets import DATASETS
from benchmarks.errors import RefusedError
from benchmarks.export import export
from benchmarks.noise import NOISES
from benchmarks.question import MARGINS
from benchmarks.recipes import RECIPES
from benchmarks.report.data import load
from benchmarks.seeds import LARGEST
from benchmarks.sweep import Cell, Suite
from methods import METHODS
from tests.report.folders import Sweep, write

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
PLANS = sorted(REFERENCE.glob("*/plan.json"))


def cells(name="default"):
    return list(Suite.read(name).cells("float32"))


@pytest.mark.parametrize("name", suites.names())
def test_every_shipped_suite_is_valid_and_has_no_duplicate_cell(name):
    ids = [cell.id for cell in cells(name)]
    assert len(ids) == len(set(ids)) > 0


def test_all_in_a_suite_stands_for_every_method_but_those_that_need_side_information():
    listed = Suite.read("methods").method
    usual = tuple(name for name in METHODS if name != "clip_cleaner")
    assert listed[: len(usual)] == usual
    assert len(listed) > len(usual)
    more = [METHODS.build(spec) for spec in listed[len(usual) :]]
    told = {METHODS.name(method) for method in more if method.privileges == ("rate",)}
    assert told == {"co_teaching", "co_teaching_plus", "jocor", "cdr"}
    assert not any(METHODS[name]().privileges for name in told)


def test_a_suite_file_may_end_in_capitals(tmp_path):
    (tmp_path / "MINE.TOML").write_text((suites.FOLDER / "default.toml").read_text())
    assert Suite.read(str(tmp_path / "MINE.TOML")).name == "MINE"


def test_the_default_suite_has_150_cells():
    assert len(cells()) == 150


def test_the_id_is_the_hash_of_every_field_and_version():
    cell = cells()[0]
    names = ("dataset", "noise", "method", "model", "recipe")
    versions = dict.fromkeys(names, 1) | {"dataset": 2}
    text = json.dumps([cell.specs(), versions], sort_keys=True)
    assert cell.id == "c" + sha256(text.encode()).hexdigest()[:12]
    recipe = cell.specs()["recipe"]
    later = {field.name for field in RECIPES["small"].fields() if field.added}
    assert {f.name for f in fields(RECIPES["small"]) if f"{f.name}=" not in recipe} == later


def test_the_id_depends_on_the_meaning_and_not_on_the_spelling(monkeypatch):
    specs = cells()[0].specs()
    changes = [
        {},
        {"seed": 1},
        {"precision": "bfloat16"},
        {"method": "elr"},
        {"method": "elr(beta=0.8)"},
        {"noise": "symmetric(rate=0.1)"},
        {"recipe": "small(epochs=31)"},
        {"model": "convnet"},
        {"dataset": "mnist"},
    ]
    ids = [Cell.build(specs | change).id for change in changes]
    assert len(set(ids)) == len(changes)
    assert Cell.build(specs | {"method": "elr(weight=3, beta=0.7)"}).id == ids[3]
    assert Cell.build(specs | {"noise": "symmetric(rate=0)"}).id == ids[0]
    monkeypatch.setattr(METHODS["elr"], "version", 2)
    assert Cell.build(specs | {"method": "elr"}).id not in ids


def test_a_cell_round_trips_through_its_specs():
    assert all(Cell.build(cell.specs()) == cell for cell in cells())


def test_keys_fill_the_columns_of_the_schema():
    assert tuple(cells()[7].keys()) == schema.KEYS


def test_a_question_names_methods_as_results_do_and_is_no_part_of_a_cell(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(asking('"gce"', '"all"', "margin = {acc = 0.01}"))
    asked = Suite.read(str(path)).override({"method": ["gce", "elr(beta=0.9)"]}).asked()
    assert (asked.reference, asked.candidates) == ("gce", ("elr(beta=0.9)",))
    assert asked.margins() == MARGINS | {"acc": 0.01}
    path.write_text(DEFAULT.partition("[question]")[0])
    assert Suite.read(str(path)).asked() is None
    assert [cell.id for cell in Suite.read(str(path)).cells("float32")] == [c.id for c in cells()]


@pytest.mark.parametrize("name", suites.names())
def test_every_shipped_suite_asks_a_question_of_methods_that_it_runs(name):
    asked = Suite.read(name).asked()
    named = {cell.keys()["method"] for cell in cells(name)}
    assert {asked.reference, *asked.candidates} <= named
    asks_of_smoothing = asked.candidates == ("label_smoothing",)
    assert asks_of_smoothing == (name == "default")


def test_override_replaces_only_the_given_axes():
    suite = Suite.read("default").override({"method": ["elr"], "seed": [9, 8], "noise": None})
    assert (suite.method, suite.seed) == (("elr",), (9, 8))
    assert suite.noise == Suite.read("default").noise


DEFAULT = (suites.FOLDER / "default.toml").read_text()
HEAD = DEFAULT.partition("seed = ")[0]


def asking(reference, candidates='["elr"]', more=""):
    """The suite ``default`` with another question."""
    question = f"[question]\nreference = {reference}\ncandidates = {candidates}\n{more}\n"
    return DEFAULT.partition("[question]")[0] + question


FILES = {
    "nested": (HEAD + "seed = " + "[" * 10_000, "is nested too deeply"),
    "digits": (HEAD + f"seed = [{'9' * 5_000}]", "is not TOML: Exceeds the limit"),
    "23 digits": (HEAD + f"seed = [{'1' * 23}]", f"number from 0 to {LARGEST}, got 1111111111111"),
    "negative": (
        HEAD + "seed = [-1]",
        f"must be a whole number from 0 to {LARGEST}, got -1",
    ),
    "flag": (HEAD + "seed = [true]", "seed[0]: a whole number is expected here, not true or"),
    "no seed": (HEAD + "seed = []", "seed: at least 1 is needed here, and the list has fewer"),
    "bytes": (DEFAULT.encode() + b"#\xff\n", "text must be UTF-8, and the byte 0xff is none"),
    "every": (
        re.sub(r"^method = \[.*?\]", 'method = "al"', DEFAULT, flags=re.DOTALL | re.MULTILINE),
        "method: ",
    ),
    "date": (HEAD + "seed = [1979-05-27]", "seed[0]: a whole number is expected"),
    "key": ("niose = 1\n" + DEFAULT, "unknown key 'niose'; did you mean 'noise'?"),
    "profile": ("profile = 3\n" + DEFAULT, "profile: a text is expected here, not a whole number"),
    "twice": ("seed = [0]\n" + DEFAULT, "is not TOML: Cannot overwrite a value"),
    "empty": ("", "missing key 'dataset'"),
    "stranger": (asking('"sop"'), "question.reference: 'sop' is not among the methods"),
    "all but one": (asking('"gce"', '"al"'), "question.candidates: a list is expected here, or"),
    "itself": (asking('"gce"', '["gce"]'), "the reference 'gce' is no candidate"),
    "nobody": (asking('"gce"', "[]"), "at least 1 is needed here"),
    "margin": (asking('"gce"', more="margin = {acc = 0.0}"), "question.margin"),
    "metric": (
        asking('"gce"', more="margin = {mce = 0.1}"),
        "'mce' is no metric that",
    ),
    "large": ("#" * 9_000_000, "a file of at most 8 MiB is read"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_suite_is_refused_in_one_sentence(tmp_path, name):
    content, words = FILES[name]
    path = tmp_path / "mine.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RefusedError) as caught:
        Suite.read(str(path))
    assert words in str(caught.value)
    assert "mine" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suite_that_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    words = {"pipe": "a pipe", "folder": "a directory", "loop": "cannot be read", "no": "No such"}
    for name, said in {**words, "x" * 300: "cannot be read: File name too long"}.items():
        with pytest.raises(RefusedError, match=said):
            Suite.read(str(tmp_path / f"{name}.toml"))
    for name in ("../suites/default", "defaul\0", "y" * 300):
        with pytest.raises(RefusedError, match=r"no suite .* known: .*default,"):
            Suite.read(name)


LONG = ("9" * 5_000, "(" * 10_000, "-" * 10_000 + "1", "0x" + "f" * 6_000, "0x" + "f" * 400)


@pytest.mark.parametrize("value", LONG, ids=range(len(LONG)))
def test_a_value_that_is_no_literal_or_cannot_be_written_is_refused_in_a_bounded_line(value):
    for spec in (f"gce(q={value})", f"{value}", "g" * 5_000):
        with pytest.raises(RefusedError, match=r"^--methods: (a method is|unknown)") as caught:
            Suite.read("default").override({"method": [spec]}).cells("float32")
        assert len(str(caught.value)) < 1_000
    with pytest.raises(RefusedError, match="no suite 'gg") as caught:
        Suite.read("g" * 5_000)
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("seed", [-1, 2**63, 10**5_000, True, 1.0, "1", None], ids=range(7))
def test_a_seed_that_results_cannot_keep_is_refused_whoever_asks(seed, tmp_path):
    with pytest.raises(RefusedError, match=r"a seed must be a whole number from 0 to 9"):
        Suite.read("default").override({"seed": [0, seed]})
    with pytest.raises(ValueError, match=r"a seed must be a whole number from 0 to 9"):
        export(DATASETS.build("digits"), NOISES.build("clean"), seed, tmp_path, tmp_path)


def test_the_largest_seed_is_one_that_a_report_reads(tmp_path):
    suite = Suite.read("default").override({"seed": [0, LARGEST]})
    assert {cell.seed for cell in suite.cells("float32")} == {0, LARGEST}
    folder = write(tmp_path, Sweep(methods=("cross_entropy",), noises=("clean",), seeds=2))
    for path in folder.glob("*.csv"):
        table = pd.read_csv(path, keep_default_na=False)
        if "seed" in table:
            table.assign(seed=table["seed"].replace(1, LARGEST)).to_csv(path, index=False)
    assert set(load(folder).results["seed"]) == {0, LARGEST}


def test_the_same_cell_named_twice_is_trained_once():
    twice = {"method": ["elr", "elr(beta=0.7)"], "noise": ["clean", "symmetric(rate=0)"]}
    assert len(list(Suite.read("default").override(twice).cells("float32"))) == 5


NO_VALIDATION = {"method": ["early_stopping"], "recipe": ["small(val_fraction=0)"]}


@pytest.mark.parametrize(
    ("axes", "profile", "owner"),
    [
        ({"method": ["erl"]}, None, "--methods: unknown method"),
        ({"noise": ["symetric(rate=0.4)"]}, None, "--noises: unknown noise"),
        ({"noise": ["matrix(file='no.csv')"]}, None, "--noises: Matrix.file: no.csv"),
        ({"recipe": ["small(epochs=0)"]}, None, "--recipes: Small.epochs must be"),
        ({"seed": [-1]}, None, "--seeds: a seed must be"),
        ({}, "Paper", "--profile: unknown profile 'Paper'; did you mean 'paper'?"),
        (NO_VALIDATION, None, "--methods: early_stopping stops by"),
    ],
)
def test_what_an_option_gave_is_refused_with_its_name(axes, profile, owner):
    with pytest.raises(RefusedError, match=f"^{re.escape(owner)}"):
        Suite.read("default").override(axes, profile).cells("float32")


def test_what_a_suite_names_is_refused_with_its_name(tmp_path):
    text = (suites.FOLDER / "default.toml").read_text().replace('"gce"', '"gec"')
    (tmp_path / "mine.toml").write_text(text)
    suite = Suite.read(str(tmp_path / "mine.toml")).override({"seed": [0]})
    with pytest.raises(RefusedError, match=r"^suite 'mine': unknown method 'gec'; did you mean"):
        suite.cells("float32")


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_committed_cells_have_the_ids_that_the_code_gives_them_today(path, monkeypatch):
    monkeypatch.chdir(suites.FOLDER.parents[1])  # where the paths of a plan begin
    plan = json.loads(path.read_text())
    kept, older = plan["cells"], plan["schema"] < schema.SCHEMA_VERSION
    if older and any(cell["dataset"] == "digits" for cell in kept):
        return  # on another split: other cells
    for cell in kept:
        cell["cell_id"] = "c" * older + cell["cell_id"]
        assert Cell.build(cell["specs"]).id == cell["cell_id"]
    if any(cell["specs"].get("data") for cell in kept):
        return  # what the suite means depends on files that need not be here
    today = {cell.id for cell in cells(path.parent.name)}
    assert {cell["cell_id"] for cell in kept} == today
