"""A kill at any moment loses at most the pack in flight, and running again gives the same bytes."""

import csv
import io
import textwrap

import pytest

from tests.system.runs import TINY, contents, finish, kill_tree, start, wait_for

FAULT = """
    import multiprocessing, os, pathlib, signal
    from methods import METHODS, Method

    class Unused(Method):
        pass

    METHODS.register("unused", Unused)
    marker = pathlib.Path(os.environ["FAULT_MARKER"])

    def die_once():
        if multiprocessing.parent_process() and not marker.exists():  # in a worker, once
            marker.touch()
            {kill}

    fsync, replace = os.fsync, pathlib.Path.replace
    stage = os.environ["FAULT_STAGE"]

    def faulty_fsync(number):
        if stage == "fsync":
            die_once()
        fsync(number)

    def faulty_replace(self, target):
        if stage == "rename":
            die_once()
        moved = replace(self, target)
        if stage == "after":
            die_once()
        return moved

    os.fsync, pathlib.Path.replace = faulty_fsync, faulty_replace
    if stage == "write":
        from benchmarks.launch import work
        write_part = work.write_part
        def faulty_write(*args):
            die_once()
            return write_part(*args)
        work.write_part = faulty_write
"""
KILL_WORKER = "os.kill(os.getpid(), signal.SIGKILL)"
KILL_TREE = "os.killpg(0, signal.SIGKILL)"
STAGES = ["write", "fsync", "rename", "after"]


def plugin(folder, text, name="plugin.py"):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


@pytest.mark.timeout(1200)  # twelve starts, which a busy machine stretches
def test_ten_kills_of_the_whole_tree_in_a_chain_change_no_byte(tmp_path):
    alone = (*TINY, "--pack", 1, "--workers", 2)
    code, _, err = finish(*alone, "--out", tmp_path / "undisturbed")
    assert code == 0, err
    parts = tmp_path / "out" / "parts"

    def done():
        return len(list(parts.glob("*.npz")))

    deaths = 0
    for number in range(10):
        before = done()
        process = start(*alone, "--out", tmp_path / "out")
        wait_for(lambda b=before, p=process: done() > b or p.poll() is not None)
        wait_for(lambda: False, seconds=0.013 * number)  # another moment of the next cells
        deaths += process.poll() is None
        kill_tree(process) if process.poll() is None else process.communicate()
        assert done() >= before
    assert deaths >= 5
    code, _, err = finish(*alone, "--out", tmp_path / "out")
    assert code == 0, err
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("stage", STAGES)
def test_the_whole_tree_dying_while_a_part_is_written_changes_no_byte(tmp_path, expected, stage):
    path = plugin(tmp_path, FAULT.format(kill=KILL_TREE))
    fault = {"FAULT_STAGE": stage, "FAULT_MARKER": str(tmp_path / "marker")}
    args = (*TINY, "--out", tmp_path / "out", "--workers", 2)
    code, _, _ = finish(*args, "--plugin", path, **fault)
    assert code == -9
    assert (tmp_path / "marker").exists()
    code, _, err = finish(*args)
    assert code == 0, err
    assert contents(tmp_path / "out") == expected


def test_a_worker_dying_while_a_part_is_written_is_replaced(tmp_path, expected):
    path = plugin(tmp_path, FAULT.format(kill=KILL_WORKER))
    fault = {"FAULT_STAGE": "rename", "FAULT_MARKER": str(tmp_path / "marker")}
    args = (*TINY, "--out", tmp_path / "out", "--workers", 2)
    code, _, err = finish(*args, "--plugin", path, **fault)
    assert code == 0, err
    assert (tmp_path / "marker").exists()
    assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_no_byte(tmp_path, expected, workers):
    code, _, err = finish(*TINY, "--out", tmp_path, "--workers", workers)
    assert code == 0, err
    assert contents(tmp_path) == expected


def test_packs_change_no_byte_with_the_number_of_workers_or_a_kill(tmp_path):
    one, two = (tmp_path / name for name in ("one", "two"))
    code, _, err = finish(*TINY, "--out", one, "--workers", 1, "--pack", 3)
    assert code == 0, err
    process = start(*TINY, "--out", two, "--workers", 2, "--pack", 3)
    wait_for(lambda: list(two.glob("parts/*.npz")) or process.poll() is not None)
    kill_tree(process) if process.poll() is None else process.communicate()
    code, _, err = finish(*TINY, "--out", two, "--pack", 2)
    assert code == 2
    assert "was started with --pack 3 and is finished with it" in err
    code, _, err = finish(*TINY, "--out", two)  # which goes on as it was started
    assert code == 0, err
    assert contents(two) == contents(one)
    assert len(list(one.glob("parts/*.npz"))) == 6  # of twelve cells in packs of two
    rows = list(csv.DictReader(io.StringIO((one / "costs.csv").read_text())))
    assert {row["driver"] for row in rows} == {"packed"}


DEADLY = """
    import os, signal
    from dataclasses import dataclass
    from methods import METHODS, Method

    @dataclass(frozen=True)
    class Deadly(Method):
        def losses(self, logits, batch, state, epoch):
            {body}

    METHODS.register("deadly", Deadly)
"""


def test_a_cell_that_kills_its_worker_is_a_failed_row_and_heals_when_run_again(tmp_path):
    heal = "return logits.logsumexp(-1) - logits[range(len(logits)), batch.label], state"
    path = plugin(tmp_path, DEADLY.format(body=KILL_WORKER))
    args = ["--methods", "deadly", "cross_entropy", "--noises", "clean", "--seeds", "0"]
    args += ["--recipes", "small(epochs=2)", "--out", tmp_path / "out", "--plugin", path]
    code, out, err = finish(*args)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/results.csv").read_text())))
    statuses = {row["method"]: (row["status"], row["reason"]) for row in rows}
    assert code == 3, err
    assert statuses["cross_entropy"] == ("done", "")
    assert statuses["deadly"][0] == "failed"
    assert "worker died 2 times" in statuses["deadly"][1]
    assert "1 of 2 cells have no result" in out
    plugin(tmp_path, DEADLY.format(body=heal))
    code, _, err = finish(*args[:-2], "--plugin", path)
    assert code == 0, err


def test_a_method_that_raises_is_a_failed_row_that_names_the_error(tmp_path):
    path = plugin(tmp_path, DEADLY.format(body="raise RuntimeError('no such layer')"))
    code, _, _ = finish(
        *("--methods", "deadly", "--noises", "clean", "--seeds", "0", "--plugin", path),
        *("--recipes", "small(epochs=2)", "--out", tmp_path / "out"),
    )
    (row,) = csv.DictReader(io.StringIO((tmp_path / "out/results.csv").read_text()))
    assert code == 3
    assert (row["status"], row["reason"]) == ("failed", "RuntimeError: no such layer")


def test_a_diverging_cell_is_a_row_and_is_not_trained_again(tmp_path):
    args = ["--methods", "cross_entropy", "--noises", "clean", "--seeds", "0", "--out", tmp_path]
    args += ["--recipes", "small(lr=1e30)"]
    code, out, _ = finish(*args)
    (row,) = csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text()))
    assert code == 3
    assert row["status"] == "diverged"
    assert "diverged: digits clean cross_entropy seed 0: the " in out
    code, out, _ = finish(*args)
    assert code == 3
    assert "1 done, 0 to train" in out
