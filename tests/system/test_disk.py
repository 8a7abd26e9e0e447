"""What a run leaves on the disk, and what was said before."""

import shutil

import pytest

from benchmarks.launch.forecast import forecast
from benchmarks.launch.request import Request
from benchmarks.launch.session import requested
from benchmarks.planning.disk import disk_of
from tests.system.runs import TINY, run


def size(*paths):
    return sum(file.stat().st_size for path in paths for file in path.rglob("*") if file.is_file())


@pytest.fixture
def asked(tmp_path):
    axes = {"methods": TINY[1:4], "noises": TINY[5:7], "recipes": TINY[8:9]}
    return Request(**axes, seeds=[0, 1], out=tmp_path / "new")


def test_a_run_leaves_as_much_as_was_said_within_a_factor_of_two(undisturbed, asked, tmp_path):
    out = shutil.copytree(undisturbed, tmp_path / "out")
    assert run("report", out)[0] == 0
    said = disk_of(requested(asked).cells, keep_all=True)
    tables = size(out) - size(out / "parts", out / "report")
    left = {"parts": size(out / "parts"), "tables": tables, "report": size(out / "report")}
    for name, own in left.items():
        assert own / 2 < getattr(said, name) < 2 * own, (name, own)
    assert f"disk     {said}" in forecast(asked)
