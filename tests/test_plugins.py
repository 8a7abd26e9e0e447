"""A user's own method comes from a file, and a file that brings none is refused."""

import pytest

from benchmarks import plugins
from benchmarks.refusals import RefusedError
from benchmarks.sweep import Suite
from methods import METHODS

MINE = """
from methods import METHODS, Method

class Mine(Method):
    pass

METHODS.register({name!r}, Mine)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))

    def to(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


def test_a_plugin_adds_its_method_to_the_catalogue(write):
    assert plugins.load(write("a.py", MINE.format(name="mine"))) == ["mine"]
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
