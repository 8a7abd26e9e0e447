"""The name of the program: that by which it was called, in its help, errors and advice."""

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions

import pytest

from benchmarks.commands import command_line, program_name
from tests.system.runs import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = [
    path for name in ("benchmarks", "methods") for path in sorted((ROOT / name).rglob("*.py"))
]


@pytest.mark.parametrize(
    ("called", "name", "command"),
    [
        ("run_all.py", "run_all.py", "python run_all.py plan"),
        ("/x/clone/run_all.py", "run_all.py", "python /x/clone/run_all.py plan"),
        ("/venv/bin/noisy-label-bench", "noisy-label-bench", "noisy-label-bench plan"),
        ("/venv/Scripts/noisy-label-bench.exe", "noisy-label-bench", "noisy-label-bench plan"),
        ("/x/benchmarks/__main__.py", "python -m benchmarks", "python -m benchmarks plan"),
        ("/x/pytest/__main__.py", "run_all.py", "python run_all.py plan"),
        ("", "run_all.py", "python run_all.py plan"),
    ],
)
def test_the_program_goes_by_the_name_that_it_was_called_by(monkeypatch, called, name, command):
    monkeypatch.setattr(sys, "argv", [called, "plan"])
    assert program_name() == name
    assert command_line("plan") == command


def test_an_error_begins_with_the_name_that_was_called():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("python -m benchmarks: no verb or suite 'nonsense'")


def test_no_sentence_calls_the_program_by_another_name():
    for path in SOURCES:
        if path.name == "commands.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = [
            n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)
        ]
        docstrings = {ast.get_docstring(node, clean=False) for node in documented}
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
        said = [text for text in texts if isinstance(text, str) and text not in docstrings]
        assert not [text for text in said if "run_all.py" in text], path


def test_the_console_script_is_the_command_line():
    module, _, function = PROJECT["scripts"]["noisy-label-bench"].partition(":")
    assert callable(getattr(import_module(module), function))


def test_every_package_that_is_imported_is_required():
    extras = PROJECT["optional-dependencies"].items()
    needs = [need for name, own in extras if name != "test" for need in own]
    needs += PROJECT["dependencies"]
    stated = {need.partition(">")[0].partition("=")[0].strip() for need in needs}
    owners = packages_distributions()
    owners = {"mlflow": ["mlflow-skinny"], "pynvml": ["nvidia-ml-py"], **owners}  # not in CI
    ours = {"benchmarks", "methods", "run_all", "_typeshed"} | sys.stdlib_module_names
    imported = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            imported |= {name.partition(".")[0] for name in names}
    needed = {owners.get(name, [name])[0].lower() for name in imported - ours}
    assert {name.replace("_", "-") for name in needed} - stated == set()
    assert len(needed) > 10
