"""A faulty file of ``methods/`` is told in one sentence that names it."""

import re
import subprocess
import sys
import textwrap

import pytest

import methods
from tests.system.runs import ROOT

GOOD = """
    from dataclasses import dataclass
    from methods.base import Method

    @dataclass(frozen=True)
    class Mine(Method, label="Mine", family="early"):
        '''Do as I say.

        Source:
            Ada Lovelace & Alan Turing, "How to do it", ICML 2020. https://example.org/mine
        '''
        depth: float = 1.0
"""
CLASS = 'class Mine(Method, label="Mine", family="early"):'
FAULTS = {
    "no family": (
        CLASS,
        "class Mine(Method, label='M'):",
        ": methods.mine.Mine must have a label and",
    ),
    "an odd family": (
        CLASS,
        CLASS.replace("early", "earl"),
        ":6: ValueError: Mine.family must be one",
    ),
    "no method": (
        CLASS,
        "class Mine:",
        ": methods.mine must define one subclass of Method, got none",
    ),
    "two methods": ("@", "class Other(Method): pass\n@", "one subclass of Method, got Other, Mine"),
    "syntax": (CLASS, "class Mine(Method", ":6: SyntaxError: '(' was never closed"),
    "no dataclass": ("@dataclass(frozen=True)", "", ": Mine states depth and must be a dataclass"),
    "an odd field": ("float = 1.0", "list = None", ": Mine: field 'depth' must be float, int"),
    "an error": (
        "from dataclasses",
        "import nowhere, dataclasses; from dataclasses",
        ":2: ModuleNot",
    ),
    "an exit": ("from dataclasses", "import sys; sys.exit(); from dataclasses", ":2: SystemExit"),
    "no source": ("Source:", "From:", ": the Source: of Mine is missing; it begins Given Family, "),
    "an unread source": (
        "ICML 2020.",
        "ICML.",
        ": the Source: of Mine cannot be read; it begins Gi",
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    yield tmp_path
    sys.modules.pop("methods.mine", None)


def test_a_good_file_is_a_method(folder):
    (folder / "mine.py").write_text(textwrap.dedent(GOOD))
    assert methods._catalogue()["mine"].facts()["year"] == "2020"


@pytest.mark.parametrize(("old", "new", "sentence"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_file_is_told_in_a_sentence_that_names_it(folder, old, new, sentence):
    text = textwrap.dedent(GOOD).replace(old, new, 1)
    assert text != textwrap.dedent(GOOD)
    (folder / "mine.py").write_text(text)
    with pytest.raises(ImportError) as caught:
        methods._catalogue()
    told = str(caught.value)
    assert told.startswith(f"{folder.name}/mine.py:")
    assert sentence in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("name", ["my-loss", "2nd", "class", "my.loss"])
def test_a_file_whose_name_is_no_name_is_told(folder, name):
    (folder / f"{name}.py").write_text(textwrap.dedent(GOOD))
    sentence = (
        f"{folder.name}/{name}.py: the method's name is its file's, so it must be an identifier"
    )
    with pytest.raises(ImportError, match=f"^{re.escape(sentence)}$"):
        methods._catalogue()


def test_every_verb_and_the_catalogue_tell_it(tmp_path):
    (tmp_path / "mine.py").write_text("def f(:")
    verbs = [["run"], ["plan"], ["ls"], ["probe"], ["check", "--plugin", "x.py"], ["data", "info"]]
    verbs += [
        ["run", "--methods", "elr"],
        ["suspects", "x"],
        ["relabel", "x", "y", "--out", "z.npy"],
    ]
    code = f"""
        import runpy
        from importlib.machinery import PathFinder
        plain = PathFinder.find_spec
        def find_spec(name, path=None, target=None):
            spec = plain(name, path, target)
            if name == "methods":  # the package has another folder
                spec.submodule_search_locations.append({str(tmp_path)!r})
            return spec
        PathFinder.find_spec = find_spec
        from benchmarks.cli.app import main
        for verb in {verbs!r}:
            assert main(verb) == 2, verb
        try:
            runpy.run_module("benchmarks.catalogue", run_name="__main__")
        except SystemExit as ending:
            assert ending.code == 2
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place = f"{tmp_path.name}/mine.py:1: SyntaxError: invalid syntax"
    assert done.stderr.splitlines() == [
        *[f"run_all.py: {place}"] * len(verbs),
        f"benchmarks.catalogue: {place}",
    ]
