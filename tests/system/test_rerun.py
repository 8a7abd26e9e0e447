"""Cells trained again: which ones, what becomes of their earlier results, and of all others."""

import shutil

import pytest

from benchmarks.errors import RefusedError
from benchmarks.launch import rerun
from benchmarks.launch.run import LAUNCHERS, train
from benchmarks.store import Parts, Record, write_part
from benchmarks.store.choice import Choice
from tests.launch.test_run import in_this_process
from tests.store.test_status import planned
from tests.store.test_store import record
from tests.system.runs import TINY, contents, rows, run


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Train in this process, which is enough and takes a second."""
    monkeypatch.setitem(LAUNCHERS, "local", in_this_process)
    monkeypatch.setattr("benchmarks.processes.start_fork_server", lambda _: None)


@pytest.fixture
def out(undisturbed, tmp_path):
    return shutil.copytree(undisturbed, tmp_path / "out")


def named(*words, **metas):
    cells = [planned(n, method) for n, method in enumerate(("elr", "elr", "gce(q=0.5)", "gce"))]
    keys = [{name: getattr(cell, name) for name in ("cell_id", "method", "seed")} for cell in cells]
    known = {i.removeprefix("c"): record("1", status).meta for i, status in metas.items()}
    return "".join(sorted(Choice.read(words).ids(keys, known)))


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["failed"], "1"),
        (["missing"], "3"),
        (["failed", "missing"], "13"),
        (["method=elr"], "01"),
        (["methods=elr", "method=gce(q=0.5)"], "012"),
        (["method=elr", "seed=1"], "1"),
        (["done", "method=elr", "method=gce"], "0"),
        (["diverged", "method=elr"], ""),
    ],
)
def test_cells_are_chosen_by_what_became_of_them_and_by_their_names(words, ids):
    assert named(*words, c0="done", c1="failed", c2="diverged") == ids


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["faild"], "--rerun must be failed, missing, .*; did you mean 'failed'"),
        (["status=failed"], "--rerun must be"),
        (["elr"], "a value such as method=elr, got 'elr'"),
        (["method=erl"], "no cell that --rerun may choose has the method 'erl' .*'elr'"),
        (["seed=x"], "--rerun seed must be a whole number such as seed=0, got 'x'"),
        (["method=gce", "seed=0"], "no cell has all values that --rerun asks for"),
    ],
)
def test_a_choice_that_is_none_is_refused(words, sentence):
    with pytest.raises(RefusedError, match=sentence):
        named(*words)


def spoilt(out, *ids, status="failed"):
    """Let cells have failed, and no others of their parts have changed."""
    parts = Parts(out)
    metas = {i: parts.meta[i] for i in ids}
    parts.remove(ids)
    for cell_id, meta in metas.items():
        lost = record("1", status).meta
        lost.keys, lost.facts = meta.keys, meta.facts
        write_part(out, [Record(lost, {})])
        assert Parts(out).meta[cell_id].status == status
    (out / "results.csv").unlink()  # its rows are lost on purpose
    assert run("collect", out)[0] == 0


def test_failed_and_missing_cells_are_trained_apart(out, expected):
    ids = sorted(Parts(out).meta)
    spoilt(out, *ids[:2])
    Parts(out).remove(ids[2:5])
    assert run("plan", out, "--rerun", "missing")[1].count("12 planned, 9 done, 3 to do") == 1
    code, said, err = run(out, "--rerun", "missing", "--no-report")
    assert (code, err) == (0, "")
    assert f"{out}: 3 cells, 0 done, 3 to train" in said
    assert {i: meta.status for i, meta in Parts(out).meta.items()}[ids[0]] == "failed"
    code, said, _ = run(out, "--rerun", "missing", "--no-report")
    assert (code, "no cell is as --rerun asks for, so none is trained" in said) == (0, True)
    code, said, _ = run(*TINY, "--out", out, "--rerun", "failed")
    assert (code, f"{out}: 2 cells, 0 done, 2 to train" in said) == (0, True)
    assert contents(out) == expected
    assert not (out / "rerun").exists()


def test_a_cell_that_has_a_result_gets_the_new_one(out, expected):
    """By a result that is spoilt: it is gone, and everything is as a run leaves it."""
    some = [row["cell_id"] for row in rows(out) if row["method"] == "reweighting"]
    chosen = set(some[:8])  # four selections of each cell
    spoilt(out, *chosen, status="diverged")
    assert contents(out) != expected
    code, said, err = run(out, "--rerun", "diverged", "--no-report")
    assert (code, err) == (0, "")
    assert f"{out / 'rerun'}: {len(chosen)} cells, 0 done" in said
    assert contents(out) == expected
    assert not (out / "rerun").exists()
    held = [meta for path in Parts(out).by_part(Parts(out).meta).values() for meta in path]
    assert len(held) == len(set(held)) == 12


def test_what_fails_again_keeps_its_earlier_result(out, expected, monkeypatch):
    first = min(Parts(out).meta)

    def failing(session):
        if session.folder.name == rerun.FOLDER:
            (cell,) = session.plan.cells
            session.folder.mkdir()
            session.plan.write(session.folder)
            spoilt_meta = record("1", "failed").meta
            spoilt_meta.keys = Parts(out).meta[cell.id].keys
            write_part(session.folder, [Record(spoilt_meta, {})])
            return Parts(session.folder)
        return train(session)

    monkeypatch.setattr("benchmarks.launch.run.train", failing)
    keys = Parts(out).meta[first].keys
    words = [f"method={keys.method}", f"noise={keys.noise}", f"seed={keys.seed}"]
    code, said, _ = run(out, "--rerun", *words, "--no-report")
    assert code == 3
    assert "1 of 1 cell failed again and keep their earlier result" in said
    assert contents(out) == expected
    assert not (out / "rerun").exists()


@pytest.mark.parametrize("where", ["trained", "written"])
def test_a_kill_loses_nothing_and_running_again_goes_on(out, expected, monkeypatch, where):
    trained, place = [], {"trained": "put_into_place", "written": "derive"}[where]

    def counting(session):
        trained.append((session.folder.name, len(session.missing())))
        return train(session)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.launch.run.train", counting)
    with monkeypatch.context() as patch:
        patch.setattr(rerun, place, killed)
        assert run(out, "--rerun", "method=reweighting", "--no-report")[0] == 130
    assert Parts(out).done() == {row["cell_id"] for row in rows(out)}
    code, _, err = run(out, "--rerun", "method=reweighting", "--no-report")
    assert (code, err) == (0, "")
    assert trained == [("out", 0), ("rerun", 4), ("out", 0), ("rerun", 0)]
    assert contents(out) == expected
    assert not (out / "rerun").exists()


def test_a_folder_of_the_users_is_left_alone(out):
    (out / "rerun").mkdir()
    (out / "rerun" / "notes.txt").touch()
    code, _, err = run(out, "--rerun", "done", "seed=0", "--no-report")
    assert (code, "rerun is no results folder" in err) == (2, True)
    assert (out / "rerun" / "notes.txt").exists()
