"""Shards of a sweep, trained into folders of their own, and brought together."""

import json

import pytest

from benchmarks.store import Parts
from tests.system.runs import TINY, contents, run


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The folders of three shards."""
    folders = [tmp_path_factory.mktemp("shard") for _ in range(3)]
    for number, folder in enumerate(folders, 1):
        code, said, err = run(*TINY, "--out", folder, "--workers", 1, "--shard", f"{number}/3")
        assert (code, err) == (0, "")
        assert f"{folder}: 4 cells, 0 done, 4 to train" in said
    return folders


def test_shards_part_the_cells_and_come_together_as_one_run(shards, expected, tmp_path):
    done = [Parts(folder).done() for folder in shards]
    assert len(set.union(*done)) == sum(map(len, done)) == 12
    out = tmp_path / "all"
    assert run("merge", *shards[:2], "--out", out)[0] == 0
    code, said, _ = run("merge", out, shards[2], "--out", out)
    assert (code, said) == (0, f"{out}: 12 cells of 2 folders, 12 of them with results\n")
    assert contents(out) == expected
    code, said, _ = run(*TINY, "--out", out)
    assert (code, "12 cells, 12 done, 0 to train" in said) == (0, True)
    assert [Parts(folder).done() for folder in shards] == done


def test_the_state_of_a_shard_counts_its_own_cells_and_that_of_all_every_one(shards, tmp_path):
    said = "4 cells: 4 done; it is shard 1/3, and others train 8 cells elsewhere"
    assert said in run("status", shards[0])[1]
    out = tmp_path / "all"
    assert run("merge", *shards[:2], "--out", out)[0] == 0
    state = json.loads(run("status", out, "--json")[1])
    assert (state["shard"], state["elsewhere"], state["state"]) == (None, 0, "stopped")
    assert (state["cells"]["done"], state["cells"]["missing"]) == (8, 4)


def test_a_shard_goes_on_by_itself(shards):
    code, said, _ = run(*TINY, "--out", shards[0], "--shard", "1/3")
    assert (code, "4 cells, 4 done, 0 to train" in said) == (0, True)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b"])
def test_a_shard_that_is_none_is_refused(text, tmp_path):
    code, _, err = run(*TINY, "--shard", text, "--out", tmp_path / "out")
    assert (code, err.count("\n")) == (2, 1)
    assert f"--shard must be a part and their number, from 1/4 to 4/4, got {text!r}" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pack", "1"], "were started with other settings, pack None and 1"),
        (["--pack", "3", "--methods", "elr"], "were started with other settings, pack None and 3"),
    ],
)
def test_numbers_that_do_not_belong_together_are_not_merged(options, said, shards, tmp_path):
    other = tmp_path / "other"
    assert run(*TINY, *options, "--seeds", 0, "--out", other)[0] == 0
    code, _, err = run("merge", shards[0], other, "--out", tmp_path / "all")
    assert (code, said in err) == (2, True), err
    assert not (tmp_path / "all").exists()


def test_one_folder_is_not_merged(shards, tmp_path):
    code, _, err = run("merge", shards[0], "--out", tmp_path / "all")
    assert (code, "merge needs two results folders or more, got 1" in err) == (2, True)
