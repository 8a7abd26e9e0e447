import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import folders

from benchmarks.report import build


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A typical run of six methods with its report; tests must not change it."""
    folder = folders.write(tmp_path_factory.mktemp("built"), folders.Sweep())
    return build(folder)
