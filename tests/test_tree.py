"""Facts about the tree itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "run_all.py", *ROOT.glob("methods/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]


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
