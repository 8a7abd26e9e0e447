"""A user's own entries come from a file, and a file that brings none is refused."""

import pytest

from benchmarks import plugins
from benchmarks.errors import RefusedError
from benchmarks.planning.plan import Plan, kind_of
from benchmarks.report import data
from benchmarks.report.looks import resolve
from benchmarks.sweep import REGISTRIES, Cell, Suite
from methods import METHODS
from tests.cells import build

MINE = """
from methods import METHODS, Method

class Mine(Method):
    pass

METHODS.register({name!r}, Mine)
"""


@pytest.fixture
def write(tmp_path, registries):  # noqa: ARG001
    def to(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


def test_a_plugin_adds_its_method_to_the_catalogue(write):
    assert plugins.load(write("a.py", MINE.format(name="mine"))) == [("method", "mine")]
    assert METHODS.spec(METHODS.build("mine")) == "mine"


def test_the_content_of_the_file_is_part_of_the_cell(write):
    ids = []
    for number, comment in enumerate(("", "# edited\n", "")):
        name = f"mine{number}"
        plugins.load(write(f"{name}.py", MINE.format(name="mine") + comment))
        ids.append(next(Suite.read("default").override({"method": ["mine"]}).cells("float32")).id)
        METHODS._entries.pop("mine")
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (MINE.format(name="elr"), "the method name 'elr' is taken"),
        ("1 / 0", "failed: ZeroDivisionError: division by zero"),
        ("def f(:", "failed: SyntaxError"),
        ("x = 1", "registers nothing"),
    ],
)
def test_a_file_that_brings_no_method_is_refused(write, text, sentence):
    with pytest.raises(RefusedError, match=sentence):
        plugins.load(write("bad.py", text))


ALL = """
from dataclasses import dataclass
from benchmarks.datasets import DATASETS
from benchmarks.datasets.digits import Digits
from benchmarks.models import MODELS
from benchmarks.models.small import MLP
from benchmarks.noise import NOISES
from benchmarks.noise.class_conditional import PairFlip
from benchmarks.recipes import RECIPES, Recipe

class Mine(Digits):
    pass

@dataclass(frozen=True)
class Mild(PairFlip):
    rate: float = 0.1

class Net(MLP):
    pass

class Short(Recipe):
    pass

DATASETS.register("my_digits", Mine)
NOISES.register("mild", Mild)
MODELS.register("net", Net)
RECIPES.register("short", Short)
"""


def test_a_plugin_brings_datasets_noises_models_and_recipes(write):
    added = plugins.load(write("all.py", ALL))
    names = {"dataset": "my_digits", "noise": "mild", "model": "net", "recipe": "short"}
    assert dict(added) == names
    versions = [REGISTRIES[kind][name].version for kind, name in added]
    assert len({version.partition("+")[2] for version in versions}) == 1
    specs = {**names, "method": "cross_entropy", "seed": 0, "precision": "float32"}
    cell = Cell.build(specs)
    assert cell.keys()["noise"] == "mild"
    assert cell.id != Cell.build({**specs, "dataset": "digits"}).id
    assert plugins.load(write("all.py", ALL)) == added  # loaded once


STATED = """
from dataclasses import dataclass
from methods import METHODS, Method

@dataclass(frozen=True)
class Stated(Method, label="As stated", family="early"):
    '''Do as I say.'''

METHODS.register("stated", Stated)
"""


def test_what_a_plugins_method_states_travels_in_the_plan_to_the_report(write, tmp_path):
    plugins.load(write("stated.py", STATED))
    for methods, kept in ((("elr",), None), (("elr", "stated"), "As stated")):
        cells = tuple(build(method=method) for method in methods)
        widths = {kind_of(cell): 1 for cell in cells}
        folder = tmp_path / str(len(methods))
        folder.mkdir()
        Plan("mine", "cpu", 1, keep_all=True, cells=cells, widths=widths).write(folder)
        _, facts = data.planned(folder / "plan.json")
        assert ("method_facts" in (folder / "plan.json").read_text()) == bool(kept)
        looks = resolve(methods, {}, facts)
        assert looks[methods[-1]].label == (kept or "ELR")
        assert {look.family for look in looks.values()} == {"early"}
