"""A user's own entries come from a file, and a file that brings none is refused."""

import os
import re
import signal
import sys

import pytest
import torch

from benchmarks import plugin_errors, plugins
from benchmarks.errors import InterruptError, RefusedError
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
def write(tmp_path):
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


class_of = "from methods import METHODS, Method\nclass Mine(Method):\n    {}\n".format
FAULTS = {
    "a name that is taken": (
        MINE.format(name="elr"),
        7,
        "the method name 'elr' is taken by <class",
    ),
    "a name that no spec states": (
        MINE.format(name="a b"),
        7,
        "the name of a method must be an iden",
    ),
    "a name that is no text": (
        class_of("pass") + "METHODS.register(3, Mine)",
        4,
        "such as 'my_method', got 3",
    ),
    "an error": ("1 / 0", 1, "ZeroDivisionError: division by zero"),
    "a mistake of syntax": ("x = 1\ndef f(:", 2, "SyntaxError: invalid syntax"),
    "an exit": ("import sys\nsys.exit()", 2, "SystemExit: None, but a plugin must not end the pr"),
    "an exit at once": ("import os\nos._exit(0)", 2, "SystemExit: os._exit(0), but a plugin must"),
    "an interruption": ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
    "an odd error": ("class Odd(BaseException): pass\nraise Odd('so')", 2, "Odd: so"),
    "an error without a text": (
        "class Odd(Exception):\n    def __str__(self): raise SystemExit\nraise Odd",
        3,
        "Odd: (its text cannot be read)",
    ),
    "an error of many lines": (
        "raise ValueError('\\none\\x1b[1m\\ntwo')",
        1,
        "ValueError: one\\x1b",
    ),
    "a missing module": ("import nowhere", 1, "ModuleNotFoundError: No module named 'nowhere'"),
    "a class that is no method": (
        "from methods import METHODS\nMETHODS.register('mine', int)",
        2,
        "the method 'mine' must be a subclass of Method, got <class 'int'>",
    ),
    "a field without dataclass": (
        class_of("depth: float = 1.0") + "METHODS.register('mine', Mine)",
        4,
        "Mine states depth and must be a dataclass",
    ),
    "two classes of one name": (
        MINE.format(name="mine") + "class Other(Method): pass\nMETHODS.register('mine', Other)",
        9,
        "the method name 'mine' is taken by",
    ),
}


@pytest.mark.parametrize(("text", "line", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_fails_is_refused_with_line_and_message_and_leaves_nothing(
    write, text, line, sentence
):
    path, before, modules = write("bad.py", text), set(METHODS), set(sys.modules)
    for _ in range(2):  # asked again, it fails again
        with pytest.raises(RefusedError) as caught:
            plugins.load(path)
        told = str(caught.value)
        assert told.startswith(f"plugin {path}:{line} failed: ")
        assert sentence in told
        assert len(told.splitlines()) == 1
        assert set(METHODS) == before
        new = set(sys.modules) - modules
        assert not {name for name in new if name.startswith("plugin_") and "." in name}


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("mine.py", "x = 1", "registers nothing: METHODS.register(name, class)"),
        ("mine.txt", MINE.format(name="mine"), "a plugin is a Python file, whose name ends with"),
        ("mine.py", "x = '\0'", "this one holds bytes that are none"),
        ("mine.py", None, "a regular file is needed, and this is a directory"),
        ("mine.py", os.mkfifo, "a regular file is needed, and this is a pipe"),
    ],
)
def test_what_is_no_file_with_entries_is_refused(write, tmp_path, name, content, sentence):
    path = tmp_path / name
    if content is None:
        path.mkdir()
    elif content is os.mkfifo:
        os.mkfifo(path)
    else:
        write(name, content)
    with pytest.raises(RefusedError, match=re.escape(sentence)):
        plugins.load(path)


def test_a_file_that_hangs_is_refused(write):
    path = write("bad.py", "try:\n    while True:\n        pass\nexcept Exception:\n    pass")
    with pytest.raises(RefusedError, match=r"bad\.py:\d failed: no answer within 0\.2 s"):
        plugins.load(path, seconds=0.2)


def test_a_signal_that_comes_while_a_file_runs_is_no_fault_of_it(write):
    text = "import os, signal, time\nos.kill(os.getpid(), signal.SIGUSR1)\ntime.sleep(5)"
    path = write("slow.py", text)

    def stop(*_):
        raise InterruptError

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(InterruptError):
            plugins.load(path)
    finally:
        signal.signal(signal.SIGUSR1, before)


HELPED = """
from methods import METHODS, Method
import {helper}
from {helper} import rate
{more}

class Mine(Method):
    def rates(self):
        from own.deep import depth
        return rate, {helper}.rate, depth

METHODS.register({name!r}, Mine)
"""


def test_a_plugin_imports_its_neighbours_and_never_those_of_another(write, tmp_path):
    for number, name in ((1, "one"), (2, "two")):
        (tmp_path / name / "own").mkdir(parents=True)
        write(f"{name}/rates.py", f"from base import BASE\nrate = BASE + {number}")
        write(f"{name}/base.py", "from . import zero\nBASE = zero.ZERO")
        write(f"{name}/zero.py", "ZERO = 0")
        write(f"{name}/methods.py", "1 / 0")  # hides nothing of ours
        write(f"{name}/own/__init__.py", "")
        write(f"{name}/own/deep.py", "from rates import rate\ndepth = 10 * rate")
        more = "from .zero import ZERO\nimport own.deep\nassert own.deep.depth"
        plugins.load(
            write(f"{name}/my.plugin.py", HELPED.format(helper="rates", name=name, more=more))
        )
    assert METHODS["one"]().rates() == (1, 1, 10)
    assert METHODS["two"]().rates() == (2, 2, 20)
    assert not {"rates", "base", "zero", "own"} & set(sys.modules)
    assert str(tmp_path) not in " ".join(sys.path)


def test_plugins_of_one_folder_share_their_neighbours_and_may_import_each_other(write):
    write("counted.py", "seen = []")
    one = write("one.py", "import counted\ncounted.seen.append(1)\n" + MINE.format(name="one"))
    two = write(
        "two.py", "import one, counted\nassert counted.seen == [1]\n" + MINE.format(name="two")
    )
    assert plugins.load(two) == [("method", "one"), ("method", "two")]
    assert plugins.load(one, two, one) == [("method", "one"), ("method", "two")]


def test_a_neighbour_that_fails_is_told_with_its_own_line(write):
    write("helper.py", "\n\n1 / 0")
    with pytest.raises(RefusedError, match=r"helper\.py:3 failed: ZeroDivisionError"):
        plugins.load(write("one.py", "import helper"))
    write("helper.py", "\ndef f(:")
    with pytest.raises(RefusedError, match=r"helper\.py:2 failed: SyntaxError"):
        plugins.load(write("one.py", "import helper"))


def test_a_neighbour_may_have_the_name_of_an_installed_module(write):
    write("statistics.py", "mean = 'mine'")
    (write("one.py", "").parent / "csv").mkdir()  # no package
    text = "import csv, statistics\nassert statistics.mean == 'mine'\nassert csv.DictReader\n"
    plugins.load(write("one.py", text + MINE.format(name="one")))
    assert __import__("statistics").mean != "mine"


def test_a_neighbour_that_hides_pytorch_is_refused_by_its_name(write):
    hiding = write("torch.py", "")
    with pytest.raises(RefusedError, match=r"one\.py:2 failed: .*: " + re.escape(str(hiding))):
        plugins.load(write("one.py", "\nimport torch"))


def test_of_what_torch_says_about_vmap_the_first_sentence_is_told():
    with pytest.raises(RuntimeError) as caught:
        torch.vmap(torch.Tensor.item)(torch.ones(2))
    said = "RuntimeError: vmap: It looks like you're calling .item() on a Tensor"
    assert plugin_errors.in_words(caught.value) == said


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
class Stated(Method, label="As stated", family="early", colour="#c02050"):
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
        facts = data.planned(folder).method_facts
        assert ("method_facts" in (folder / "plan.json").read_text()) == bool(kept)
        looks = resolve(methods, {}, facts)
        assert looks[methods[-1]].label == (kept or "ELR")
        assert {look.family for look in looks.values()} == {"early"}
        assert (looks[methods[-1]].colour == "#c02050") == bool(kept)


MAKER = """
import helper
from methods import METHODS, Method

class {cls}(Method):
    pass

METHODS.register({name!r}, {cls})
"""


def versions(*paths):
    plugins.load(*paths)
    return {name: METHODS[name].version for name in {"first", "second"} & set(METHODS)}


def test_an_edited_helper_is_another_version_and_the_order_of_plugins_is_none(write, monkeypatch):
    write("helper.py", "import importlib\nimportlib.import_module('.dee' + 'per', __package__)\n")
    write("deeper.py", "")
    first = write("first.py", "import second\n" + MAKER.format(cls="First", name="first"))
    second = write("second.py", MAKER.format(cls="Second", name="second"))

    def load_again(*paths):
        for name in [name for name in sys.modules if name.startswith("plugin_") and "." in name]:
            monkeypatch.delitem(sys.modules, name)
        for name in {"first", "second"} & set(METHODS):
            METHODS.withdraw(name)
        plugins._loaded.clear()
        return versions(*paths)

    both = load_again(first, second)
    assert len({*both.values(), 1}) == 3
    assert load_again(second)["second"] == both["second"]
    assert load_again(second, first) == both
    for name in ("deeper.py", "helper.py"):
        write(name, "# edited\n")
        edited = load_again(second, first)
        assert not set(edited.values()) & set(both.values())
        both = edited
