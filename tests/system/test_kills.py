"""A kill at any moment loses at most the pack in flight, and running again gives the same bytes."""

import itertools
import os
import textwrap
import time

import pytest

from benchmarks.engine.data import load_cell_data
from benchmarks.store import Parts
from tests.agreement import case
from tests.cells import CPU, NOWHERE, build
from tests.system.runs import TINY, contents, rows, run, start

FAULT = """
    import os, signal, time
    from pathlib import Path
    from benchmarks.launch import worker
    from methods import METHODS
    from methods.cross_entropy import CrossEntropy

    class Unused(CrossEntropy):
        pass

    METHODS.register("unused", Unused)
    marker, moment, name = Path(os.environ["MARKER"]), os.environ["MOMENT"], os.environ["FILE"]
    fsync, replace, write_part = os.fsync, Path.replace, worker.write_part

    def happens(now, path):  # the fault, once, and no more work by whom it hits
        if now == moment and Path(path).match(f"*{{name}}*") and not marker.exists():
            marker.touch()
            {fault}
            time.sleep(100)

    def faulty_fsync(number):
        happens("fsync", os.readlink(f"/proc/self/fd/{{number}}"))
        fsync(number)

    def faulty_replace(self, target):
        happens("rename", target)
        moved = replace(self, target)
        happens("after", target)
        return moved

    def faulty_write(*args):
        happens("write", ".npz")
        return write_part(*args)

    os.fsync, Path.replace, worker.write_part = faulty_fsync, faulty_replace, faulty_write
"""
LEADER = "os.kill(os.getpgrp(), signal.{name})"  # the process that the user has started
KILL_PARENT = LEADER.format(name="SIGKILL")
KILL_TREE = "os.killpg(0, signal.SIGKILL)"
KILL_WORKER = "os.kill(os.getpid(), signal.SIGKILL)"
INTERRUPT, TERMINATE = (LEADER.format(name=name) for name in ("SIGINT", "SIGTERM"))
HANG_UP = "os.killpg(0, signal.SIGHUP); os.killpg(0, signal.SIGHUP)"  # of the system, the shell
ENDINGS = [
    (KILL_TREE, "write", ".npz", -9),
    (INTERRUPT, "after", ".npz", 130),
    (TERMINATE, "after", ".npz", 143),
    (HANG_UP, "after", ".npz", 129),
    (KILL_TREE, "rename", "curves.csv", -9),
]
"""What ends a run, at which moment of writing which file, and with which exit code; ``tests/chaos``
kills at every other moment."""


def plugin(folder, text, name="plugin.py"):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def disturbed(folder, ending, *args):
    """Run until the ending, which has to come."""
    fault, moment, name, code = ending
    path, marker = plugin(folder, FAULT.format(fault=fault)), folder / "marker"
    facts = {"MARKER": str(marker), "MOMENT": moment, "FILE": name}
    process, _, err = start(*args, "--plugin", path, **facts)
    assert process.returncode == code, err
    assert marker.exists()
    marker.unlink()
    return process, err


def test_whatever_ends_a_run_and_when_running_again_goes_on_to_the_same_bytes(tmp_path):
    alone, out = tmp_path / "undisturbed", tmp_path / "out"
    packed = (*TINY, "--pack", 3)
    code, _, err = run(*packed, "--out", alone, "--workers", 1)
    assert code == 0, err
    assert len(list(alone.glob("parts/*.npz"))) == 6  # of twelve cells in packs of two
    assert {row["driver"] for row in rows(alone, "costs.csv")} == {"stack"}
    done = set()
    for ending in ENDINGS:
        with case(*ending):
            before = set(out.glob("**/*.tmp"))
            _, err = disturbed(tmp_path, ending, *packed, "--out", out, "--workers", 1)
            if ending[0] != KILL_TREE:
                assert "running again continues" in err
                assert set(out.glob("**/*.tmp")) <= before
            parts = Parts(out)
            assert not parts.damaged
            assert parts.done() >= done
            done = parts.done()
    code, _, err = run(*TINY, "--pack", 2, "--out", out)
    assert code == 2
    assert "was started with --pack 3 and is finished with it" in err
    code, _, err = run(*TINY, "--out", out)  # which goes on as it was started
    assert code == 0, err
    assert contents(out) == contents(alone)


def test_a_worker_dying_while_a_part_is_written_is_replaced(tmp_path, expected):
    out = tmp_path / "out"
    disturbed(tmp_path, (KILL_WORKER, "rename", ".npz", 0), *TINY, "--out", out, "--workers", 3)
    assert contents(out) == expected


def test_workers_end_when_only_their_parent_is_killed_and_write_nothing_more(tmp_path):
    out, began = tmp_path / "out", time.monotonic()
    ending = (KILL_PARENT, "write", ".npz", -9)  # the worker goes on for 100 s unless it notices
    process, _ = disturbed(tmp_path, ending, *TINY, "--out", out, "--workers", 1)
    assert time.monotonic() - began < 90  # of which most is the start of the program
    assert not list(out.glob("parts/*.npz"))

    def gone():
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    end = time.monotonic() + 60
    while not gone() and time.monotonic() < end:
        time.sleep(0.01)
    assert gone()


ODD = "raise type('Odd', (BaseException,), {'__str__': None, '__reduce__': None})"
DEADLY = """
    import os, posix, signal, sys
    from dataclasses import dataclass
    from pathlib import Path
    from methods import METHODS, Method

    @dataclass(frozen=True)
    class Deadly(Method):
        def losses(self, logits, batch, state, epoch):
            if len(batch.ids) > 8 and not Path({healed!r}).exists():  # a check has 8
                {fault}
            return logits.logsumexp(-1) - logits[range(len(logits)), batch.label], state

    METHODS.register({name!r}, Deadly)
"""


ENDING = "but a plugin must not end the program"
FAULTS = {
    "deadly": (KILL_WORKER, "its worker died 2 times, last with exit code -9"),
    "vanishing": ("posix._exit(0)", "its worker died 2 times, last with exit code 0"),
    "hanging": ("while True: pass", "it hung: no epoch was finished within 5 s (--timeout)"),
    "stopped": (
        "os.kill(os.getpid(), signal.SIGSTOP)",
        "it hung: no epoch was finished within 5 s (--timeout)",
    ),
    "crowded": (
        "import torch; raise torch.OutOfMemoryError('CUDA out of memory. Tried 20 GiB.')",
        "out of memory: CUDA out of memory. Tried 20 GiB.",
    ),
    "raising": (
        "raise OSError('no such layer')",
        "OSError: no such layer (raising.py:11)",
    ),
    "exiting": ("sys.exit()", f"SystemExit: None, {ENDING} (exiting.py:11)"),
    "leaving": ("os._exit(0)", f"SystemExit: os._exit(0), {ENDING} (leaving.py:11)"),
    "interrupting": ("raise KeyboardInterrupt", "KeyboardInterrupt (interrupting.py:11)"),
    "odd": (ODD, "Odd: (its text cannot be read) (odd.py:11)"),
}
"""What a method does in a worker, and the reason that its cell then has."""


def test_a_cell_that_kills_its_worker_or_raises_is_a_failed_row_and_heals_when_run_again(tmp_path):
    out, healed = tmp_path / "out", tmp_path / "healed"
    args = ["--methods", *FAULTS, "cross_entropy", "--noises", "clean", "--seeds", "0"]
    args += ["--recipes", "small(epochs=2)", "--out", out, "--no-report", "--timeout", "5"]
    for name, (fault, _) in FAULTS.items():
        text = DEADLY.format(fault=fault, healed=str(healed), name=name)
        args += ["--plugin", plugin(tmp_path, text, f"{name}.py")]
    code, text, err = run(*args)
    assert code == 3, err
    assert f"{len(FAULTS)} of {len(FAULTS) + 1} cells have no result" in text
    statuses = {row["method"]: (row["status"], row["reason"]) for row in rows(out)}
    assert statuses.pop("cross_entropy") == ("done", "")
    assert statuses == {name: ("failed", reason) for name, (_, reason) in FAULTS.items()}
    healed.touch()
    code, text, err = run(*args)
    assert code == 0, err
    assert f"1 done, {len(FAULTS)} to train" in text


def test_a_pack_that_hangs_is_tried_cell_by_cell(tmp_path):
    text = (
        DEADLY.format(fault="pass", healed="", name="hanging")
        + """
    def init(self, task):
        while task.label.tolist() == SECOND:
            pass
        return {}

    Deadly.init = init
    """
    )
    second = load_cell_data(build(recipe="small(epochs=2)", seed=1), NOWHERE, CPU)
    text = text.replace("SECOND", str(second.noisy.tolist()))
    args = ["--methods", "hanging", "--noises", "symmetric(rate=0.4)", "--seeds", "0", "1", "2"]
    args += ["--recipes", "small(epochs=2)", "--out", tmp_path / "out", "--no-report"]
    code, _, err = run(*args, "--timeout", "5", "--pack", "3", "--plugin", plugin(tmp_path, text))
    assert code == 3, err
    reasons = {row["seed"]: row["reason"] for row in rows(tmp_path / "out")}
    assert reasons == {"0": "", "1": FAULTS["hanging"][1], "2": ""}


STARTS = """
    import multiprocessing, posix
    from methods import METHODS
    from methods.cross_entropy import CrossEntropy

    class Mine(CrossEntropy):
        pass

    METHODS.register("mine", Mine)
    if multiprocessing.current_process().name.startswith("pebble"):
        {fault}
"""


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("posix._exit(0)", "its worker died before it could begin"),
        ("posix._exit(7)", "its worker died before it could begin"),
        ("1 / 0", "plugin {path}:11 failed: ZeroDivisionError: division by zero"),
    ],
)
def test_workers_that_cannot_start_fail_their_cells(tmp_path, fault, reason):
    path = plugin(tmp_path, STARTS.format(fault=fault))
    args = ["--methods", "mine", "--noises", "clean", "--seeds", "0", "1", "--no-report"]
    code, _, err = run(*args, "--plugin", path, "--out", tmp_path / "out", "--workers", "2")
    assert code == 3, err
    assert [row["reason"] for row in rows(tmp_path / "out")] == [reason.format(path=path.name)] * 2


DIES_ONCE = """
    import os
    import signal
    from pathlib import Path

    from methods import METHODS
    from methods.cross_entropy import CrossEntropy

    marker, seen = Path({marker!r}), Path({seen!r})

    class DiesOnce(CrossEntropy):
        def losses(self, logits, batch, state, epoch):
            with seen.open("a") as file:
                file.write(str(int(epoch)))
            if epoch == 2 and not marker.exists():
                marker.touch()
                with seen.open("a") as file:
                    file.write("killed")
                os.kill(os.getpid(), signal.SIGKILL)
            return super().losses(logits, batch, state, epoch)

    METHODS.register("dies_once", DiesOnce)
"""


def test_a_worker_that_is_killed_goes_on_from_the_last_epoch_that_was_kept(tmp_path):
    plugin, marker, seen = tmp_path / "dies.py", tmp_path / "marker", tmp_path / "seen"
    text = textwrap.dedent(DIES_ONCE).format(marker=str(marker), seen=str(seen))
    plugin.write_text(text)
    sweep = ["--plugin", plugin, "--methods", "dies_once", "--noises", "clean"]
    sweep += ["--recipes", "small(epochs=5)", "--seeds", 0, "--no-report"]
    sweep += ["--pack", 1, "--workers", 1, "--checkpoint-every", "0.001s", "--out"]
    marker.touch()
    code, _, err = run(*sweep, tmp_path / "undisturbed")
    assert code == 0, err
    marker.unlink()
    code, _, err = run(*sweep, tmp_path / "out")
    assert code == 0, err
    after = seen.read_text().partition("killed")[2]
    assert "".join(epoch for epoch, _ in itertools.groupby(after)) == "234"
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")
    assert not list((tmp_path / "out" / "checkpoints").iterdir())


def test_a_run_whose_budget_is_spent_says_so_and_goes_on_when_run_again(tmp_path, expected):
    out = tmp_path / "out"
    code, said, err = run(*TINY, "--out", out, "--workers", 2, "--budget", "0.01s")
    assert (code, err) == (75, "")
    assert "12 cells of 12 were not tried before --budget was spent; run this again" in said
    assert run(*TINY, "--out", out, "--workers", 2, "--budget", "1h")[0] == 0
    assert contents(out) == expected


def test_a_diverging_cell_is_a_row_and_is_not_trained_again(tmp_path):
    args = ["--methods", "cross_entropy", "--noises", "clean", "--seeds", "0", "--out", tmp_path]
    args += ["--recipes", "small(lr=1e30)"]
    code, out, _ = run(*args)
    (row,) = rows(tmp_path)
    assert code == 3
    assert row["status"] == "diverged"
    assert "diverged: digits clean cross_entropy seed 0: the " in out
    code, out, _ = run(*args)
    assert code == 3
    assert "1 done, 0 to train" in out
