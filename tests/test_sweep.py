"""Cells and suites: what names a training run, and what is refused."""

import json
from dataclasses import fields
from hashlib import sha256
from pathlib import Path

import pytest

from benchmarks import schema, suites
from benchmarks.errors import RefusedError
from benchmarks.recipes import RECIPES
from benchmarks.sweep import Cell, Suite
from methods import METHODS

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
PLANS = sorted(REFERENCE.glob("*/plan.json"))


def cells(name="default"):
    return list(Suite.read(name).cells("float32"))


@pytest.mark.parametrize("name", suites.names())
def test_every_shipped_suite_is_valid_and_has_no_duplicate_cell(name):
    ids = [cell.id for cell in cells(name)]
    assert len(ids) == len(set(ids)) > 0


def test_all_in_a_suite_stands_for_every_method():
    assert Suite.read("methods").method == tuple(METHODS)


def test_the_default_suite_has_150_cells():
    assert len(cells()) == 150


def test_the_id_is_the_hash_of_every_field_and_version():
    cell = cells()[0]
    names = ("dataset", "noise", "method", "model", "recipe")
    text = json.dumps([cell.specs(), dict.fromkeys(names, 1)], sort_keys=True)
    assert cell.id == sha256(text.encode()).hexdigest()[:12]
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


def test_override_replaces_only_the_given_axes():
    suite = Suite.read("default").override({"method": ["elr"], "seed": [9, 8], "noise": None})
    assert (suite.method, suite.seed) == (("elr",), (9, 8))
    assert suite.noise == Suite.read("default").noise


def test_the_same_cell_named_twice_is_trained_once():
    twice = {"method": ["elr", "elr(beta=0.7)"], "noise": ["clean", "symmetric(rate=0)"]}
    assert len(list(Suite.read("default").override(twice).cells("float32"))) == 5


def test_a_bad_spec_is_refused_with_the_name_of_the_suite():
    suite = Suite.read("default").override({"method": ["erl"]})
    with pytest.raises(RefusedError, match=r"suite 'default': unknown method 'erl'; did you mean"):
        suite.cells("float32")


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.parent.name)
def test_committed_cells_have_the_ids_that_the_code_gives_them_today(path):
    kept = json.loads(path.read_text())["cells"]
    for cell in kept:
        assert Cell.build(cell["specs"]).id == cell["cell_id"]
    today = {cell.id for cell in cells(path.parent.name)}
    assert today == {cell["cell_id"] for cell in kept}
