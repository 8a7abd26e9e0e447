"""What killed runs left in a results folder is removed, whatever the clocks say."""

import os
import time

import pytest

from benchmarks.store import locked
from benchmarks.store.files import PLACES


def unfinished(folder, seconds):
    """An unfinished file in each place of a folder, written so many seconds from now."""
    paths = [folder / place / f".one.{number}.tmp" for number, place in enumerate(PLACES)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (time.time() + seconds,) * 2)
    return paths


@pytest.mark.parametrize("seconds", [-7200, 7200])
def test_unfinished_files_of_killed_runs_go_even_if_a_wrong_clock_has_stamped_them(
    tmp_path, seconds
):
    paths = unfinished(tmp_path, seconds)
    with locked(tmp_path):
        assert not any(path.exists() for path in paths)


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_a_file_that_another_machine_writes_stays_whatever_time_it_is_here(
    tmp_path, monkeypatch, ahead
):
    paths, now = unfinished(tmp_path, 0), time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)
    with locked(tmp_path):
        assert all(path.exists() for path in paths)


def test_a_link_to_an_unfinished_file_elsewhere_takes_nothing_away_there(tmp_path):
    (elsewhere,) = unfinished(tmp_path / "elsewhere", -7200)[:1]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".one.0.tmp").symlink_to(elsewhere)
    with locked(tmp_path / "out"):
        assert elsewhere.exists()
