"""What the studies have in common that train the suite `methods` in other ways than its own."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.report.data import outcomes

REFERENCE = Path(__file__).parents[2] / "results" / "reference"
"""Where studies are committed."""
STUDY = REFERENCE / "methods"
"""Of all methods, by the default profile and with equal epochs."""


def train(folder: Path, *options: object) -> None:
    """Train those cells of the suite `methods` that a folder lacks."""
    command = [sys.executable, "run_all.py", "run", "methods", "--no-report", "--out", folder]
    subprocess.run([*command, *map(str, options)], cwd=REFERENCE.parents[1], check=True)


def accuracies(folder: Path) -> pd.DataFrame:
    """Return the cells of a folder at their last epochs, accuracies in percent."""
    cells = outcomes(folder)
    return cells.assign(acc=100 * cells["acc"])


def in_folder(study: Callable[[Path], None]) -> None:
    """Make a study in the folder that the command line names, or in a temporary one."""
    if len(sys.argv) > 1:
        study(Path(sys.argv[1]).absolute())
    else:
        with tempfile.TemporaryDirectory() as folder:
            study(Path(folder))
