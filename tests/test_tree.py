"""Facts about the tree itself."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "run_all.py", *ROOT.glob("methods/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
SAYS_NOTHING = {"utils", "misc", "helpers", "common"}


def test_the_name_of_a_module_says_what_is_in_it():
    assert [path for path in SOURCES if path.stem in SAYS_NOTHING] == []


def test_planning_and_listing_import_nothing_that_is_slow():
    code = """
import sys
from benchmarks.launch import forecast
from benchmarks.listing import listing
listing(None)
slow = ("scipy", "sklearn", "torchvision", "pandas", "matplotlib")
print([name for name in slow if name in sys.modules])
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
