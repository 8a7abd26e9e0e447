"""Facts about the tree itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from methods import METHODS

ROOT = Path(__file__).parents[1]
METHOD_FILES = {name: ROOT / "methods" / f"{name}.py" for name in METHODS}
SOURCES = [ROOT / "run_all.py", *ROOT.glob("methods/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]


def docstring_of_class(path):
    (found,) = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef)]
    return ast.get_docstring(found) or ""


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_file_of_its_name_that_cites_its_paper_and_fits_on_a_page(name):
    path = METHOD_FILES[name]
    assert name == "cross_entropy" or "https://" in docstring_of_class(path)
    assert len(path.read_text().splitlines()) <= 120


def test_there_are_sources():
    assert len(SOURCES) > 40


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_is_one_idea(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert path.stem not in {"utils", "misc", "helpers", "common"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 40, f"{node.name} has {length} lines"


def test_planning_and_listing_import_nothing_that_is_slow():
    code = """
import sys
from benchmarks.launch import session
from benchmarks.listing import listing
listing(None)
slow = ("scipy", "sklearn", "torchvision", "pandas", "matplotlib")
print([name for name in slow if name in sys.modules])
"""
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
