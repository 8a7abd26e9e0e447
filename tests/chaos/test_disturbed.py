"""What a machine does to a run: it kills it, fills its disk, forbids to write, turns its clock."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from benchmarks.store import Parts
from tests.chaos.test_chain import SWEEP
from tests.system.runs import ROOT, contents, run

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="it mounts, and kills process groups"),
]
KILLS = 50
SMALL = 192
"""The KiB of a disk that has room for a plan and some parts of the sweep, not for all."""


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What the sweep leaves where nothing disturbs it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code, _, err = run("run", *SWEEP, "--out", folder)
    assert code == 0, err
    return contents(folder)


@contextlib.contextmanager
def disk(place, size):
    """A disk of so many KiB at a folder, which is made."""
    place.mkdir()
    if not _done("mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place):
        pytest.skip("only root can mount a small disk")
    try:
        yield
    finally:
        assert _done("umount", "--lazy", place)


def _done(name, *args):
    """Run a command of the system, and return whether it did what it was asked."""
    found = shutil.which(name)
    command = [found, *map(str, args)]
    return bool(found) and subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_fifty_kills_of_the_whole_tree_at_any_moment_end_in_the_same_bytes(tmp_path, expected):
    out, rng = tmp_path / "out", random.Random("fifty kills")  # noqa: S311  no secret
    program = [sys.executable, str(ROOT / "run_all.py"), "run", *SWEEP, "--out", str(out)]
    began = time.monotonic()
    subprocess.run([*program[:-1], str(tmp_path / "alone")], capture_output=True, check=True)
    whole, done, stages = time.monotonic() - began, set(), []
    for _ in range(KILLS):
        with subprocess.Popen(
            program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.1, 1.0) * whole)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        parts = Parts(out)
        assert not parts.damaged
        assert parts.done() >= done
        done = parts.done()
        stages.append((process.returncode, len(done)))
        if len(done) == 6 and rng.random() < 0.5:  # from its beginning, or on
            shutil.rmtree(out)
            done = set()
    assert run("run", *SWEEP, "--out", out)[0] == 0
    assert contents(out) == expected
    killed = sum(code == -signal.SIGKILL for code, _ in stages)
    print(f"{killed} of {KILLS} runs killed, parts of {sorted({n for _, n in stages})} cells then")
    assert killed > KILLS / 2


def test_a_full_disk_is_told_and_with_room_again_the_run_goes_on(tmp_path, expected):
    place = tmp_path / "disk"
    with disk(place, SMALL):
        code, _, err = run("run", *SWEEP, "--out", place / "out")
        print(err.strip())
        assert code == 74
        assert err.startswith(f"run_all.py: cannot write to {place / 'out'}")
        assert err.strip().endswith("No space left on device")
        assert err.count("\n") == 1
        assert not Parts(place / "out").damaged
        assert _done("mount", "-o", "remount,size=64m", place)
        assert run("run", *SWEEP, "--out", place / "out")[0] == 0
        assert contents(place / "out") == expected
        assert not list((place / "out").rglob("*.tmp"))


def test_a_folder_that_cannot_be_written_is_told_and_read_all_the_same(tmp_path, expected):
    place = tmp_path / "disk"
    with disk(place, 2**16):
        code, _, err = run("run", *SWEEP, "--out", place / "out")
        assert code == 0, err
        assert _done("mount", "-o", "remount,ro", place)
        for args in (
            ["run", *SWEEP, "--seeds", "0", "1", "2", "3", "--out", place / "out"],
            ["collect", place / "out"],
            ["drop", place / "out", "--seeds", "1"],
            ["run", *SWEEP, "--out", place / "other"],
        ):
            code, _, err = run(*args)
            print(err.strip())
            assert (code, err.count("\n")) == (74, 1)
            assert "Read-only file system" in err
        assert run("status", place / "out")[0] == 0
        assert contents(place / "out") == expected


CLOCK = """
    import itertools, time

    honest, turns = time.time, itertools.cycle((0.0, -90_000.0, 90_000.0, -3e8))
    time.time = lambda: honest() + next(turns)
"""


def test_a_clock_that_is_turned_on_and_back_all_the_time_changes_no_byte(tmp_path, expected):
    """By a day or ten years, in the parent and in every worker."""
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(CLOCK))
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    out = tmp_path / "out"
    for _ in range(2):
        process = subprocess.run(
            [sys.executable, ROOT / "run_all.py", "run", *SWEEP, "--out", out],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (process.returncode, process.stderr) == (0, "")
        for file in out.rglob("*"):
            os.utime(file, (4e9, 4e9))  # in the year 2096
    assert "6 cells, 6 done, 0 to train" in process.stdout
    assert contents(out) == expected


def test_two_runs_of_one_folder_the_second_is_refused_and_the_first_ends_as_alone(
    tmp_path, expected
):
    out = tmp_path / "out"
    program = [sys.executable, ROOT / "run_all.py", "run", *SWEEP, "--out", out]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        while not (out / "plan.json").exists() and first.poll() is None:
            time.sleep(0.01)
        code, _, err = run("run", *SWEEP, "--out", out)
        first.communicate()
    assert (first.returncode, code) == (0, 2)
    assert err.count("\n") == 1
    assert "another run is writing to" in err
    assert contents(out) == expected


NAMES = ("x\ny.npz", "x\x1b[2J.npz", "..npz", "-rf.npz", "\udcff.npz", "a" * 200 + ".npz")


def test_hostile_files_in_a_folder_are_named_and_neither_run_nor_followed(tmp_path, expected):
    out, outside = tmp_path / "out", tmp_path / "outside"
    assert run("run", *SWEEP, "--out", out)[0] == 0
    parts = sorted((out / "parts").glob("*.npz"))
    first, second, *_ = (path.read_bytes() for path in parts)
    outside.write_bytes(first)
    parts[0].write_bytes(second)  # swapped
    parts[1].write_bytes(first[: len(first) // 2])  # truncated
    parts[2].unlink()
    parts[2].symlink_to(outside)  # of others, and a link out
    bomb = f"cos\nsystem\n(S'touch {tmp_path}/executed'\ntR.".encode()
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(out / "parts" / name))).write_bytes(bomb)
    os.mkfifo(out / "parts" / f"{7:016}.npz")
    checkpoints = out / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    (checkpoints / f"{1:016}.npz").write_bytes(bomb)
    os.mkfifo(checkpoints / f"{2:016}.npz")
    (checkpoints / "link.npz").symlink_to(outside)
    for verb in (["status"], ["run", *SWEEP, "--out"]):
        code, text, err = run(*verb, out)
        assert code == 0, err
        told = [line for line in text.splitlines() if "parts" in line]
        print("\n".join(told))
        assert len(told) >= len(NAMES) + 2
        assert all(line.isprintable() for line in told)
    assert not (tmp_path / "executed").exists()
    assert outside.read_bytes() == first
    assert contents(out) == expected
    assert json.loads(run("status", out, "--json")[1])
