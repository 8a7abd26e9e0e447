"""What a cell is: the content of its files and of its data, and no place where they lie."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import torch

from benchmarks.datasets import DATASETS, content, digits, published
from benchmarks.datasets.digits import Digits
from benchmarks.engine.data import load_cell_data
from benchmarks.errors import DataMissingError, RefusedError
from benchmarks.launch import session
from benchmarks.launch.request import Request
from benchmarks.launch.worker import Job, failure
from benchmarks.noise import NOISES, Symmetric
from benchmarks.planning.plan import rebuild
from benchmarks.profiles import shown
from benchmarks.store import read_plan
from benchmarks.sweep import Cell, Suite
from methods import METHODS, Method
from methods.bounds import FilePath
from tests.cells import CPU, build
from tests.datasets.split_anew import SplitAnew
from tests.system.runs import run

SPECS = {
    "labels(file=%r)": np.arange(1078) % 10,
    "matrix(file=%r)": np.eye(10) * 0.5 + 0.05,
    "pmd(rate=0.2, eta=%r)": np.full((1078, 10), 0.1),
}


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return str(path)


# ---------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("spec", SPECS)
def test_a_file_is_its_bytes_wherever_it_lies_and_shows_its_name_alone(tmp_path, spec):
    paths = [write(tmp_path / name, SPECS[spec]) for name in ("a/x.npy", "b/y.npy")]
    one, other = (build(noise=spec % path) for path in paths)
    assert one.id == other.id
    assert one.keys()["noise"] == spec % "x.npy"
    assert NOISES.spec(one.noise) == spec % "x.npy"
    assert str(tmp_path) not in str((one.keys(), NOISES.full(one.noise), one.method_spec))
    assert Cell.build(one.specs()) == one
    write(tmp_path / "b/y.npy", SPECS[spec] + 1)
    assert build(noise=spec % paths[1]).id != one.id
    write(tmp_path / "b/y.npy", SPECS[spec])
    assert build(noise=spec % paths[1]).id == one.id


@pytest.mark.parametrize("path", [r"C:\x\labels-{seed}.npy", "../x/labels-{seed}.npy"])
def test_folders_of_any_system_are_left_out(path):
    assert NOISES.spec(NOISES.build(f"labels(file={path!r})")) == "labels(file='labels-{seed}.npy')"


@dataclass(frozen=True)
class Noted(Symmetric):
    notes: Annotated[str, FilePath(by_seed=True)] = ""


@dataclass(frozen=True)
class Guided(Method):
    guide: Annotated[str, FilePath()] = ""

    def losses(self, logits, batch, state, epoch):
        return torch.nn.functional.cross_entropy(logits, batch.label, reduction="none"), state


def test_a_field_of_a_plugin_that_is_marked_counts_by_content(tmp_path):
    NOISES.register("noted", Noted)
    METHODS.register("guided", Guided)
    for seed in (0, 1):
        (tmp_path / f"notes-{seed}.txt").write_text("same")
    path = str(tmp_path / "notes-{seed}.txt")

    def ids():
        spec = f"noted(rate=0.2, notes={path!r})"
        return [build(noise=spec, seed=seed).id for seed in (0, 1)]

    before = ids()
    (tmp_path / "notes-1.txt").write_text("other")
    assert [one == other for one, other in zip(ids(), before, strict=True)] == [True, False]
    (tmp_path / "notes-1.txt").unlink()
    with pytest.raises(ValueError, match=r"^Noted.notes: .*notes-1.txt"):
        ids()
    spec = f"guided(guide={str(tmp_path / 'notes-0.txt')!r})"
    guided = build(spec)
    assert guided.keys()["method"] == shown(spec) == "guided(guide='notes-0.txt')"
    assert guided.method_spec == "guided(guide='notes-0.txt')"
    assert guided.id != build("guided").id


def cells_of(*noises, seeds=(0,), **axes):
    asked = {"noise": noises, "seed": seeds, "method": ["cross_entropy"], **axes}
    return list(Suite.read("default").override(asked).cells("float32", Path()))


def test_a_run_on_a_file_of_another_name_keeps_what_was_trained_and_shows_the_new_name(tmp_path):
    out = tmp_path / "out"
    few = ("--methods", "volminnet", "--seeds", "0", "--recipes", "small(epochs=2)", "--no-report")
    for name, owed in (("a/x.npy", 1), ("b/y.npy", 0)):
        path = write(tmp_path / name, SPECS["labels(file=%r)"])
        code, text, err = run(*few, "--noises", f"labels(file={path!r})", "--out", out)
        assert code == 0, err
        assert f"1 cell, {1 - owed} done, {owed} to train" in text
        shutil.rmtree(tmp_path / name.partition("/")[0])
        for table in ("results.csv", "losses.csv", "transitions.csv"):
            assert name.partition("/")[2] in (out / table).read_text()
            assert name == "a/x.npy" or "x.npy" not in (out / table).read_text()


def test_one_plan_has_the_same_bytes_once_and_refuses_two_files_of_one_name(tmp_path):
    first = write(tmp_path / "a/x.npy", np.zeros(1078, int))
    same, other = write(tmp_path / "b/y.npy", np.zeros(1078, int)), tmp_path / "c/x.npy"
    specs = [f"labels(file={str(path)!r})" for path in (first, same, other)]
    assert len(cells_of(*specs[:2], seeds=(0, 1))) == 2
    write(other, np.ones(1078, int))
    with pytest.raises(RefusedError, match=r"a/x.npy and .*c/x.npy differ, and results name a f"):
        cells_of(*specs)


@pytest.fixture
def request_of(tmp_path, monkeypatch):
    """Ask for the cells of one label file in the results folder ``here/out``."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def prepare(file, **changes):
        axes = {"methods": ["cross_entropy"], "seeds": [0], "recipes": ["small(epochs=2)"]}
        noises = [f"labels(file={str(file)!r})"] if file else ["clean"]
        return session.prepare(Request(**{"noises": noises, "out": Path("out"), **axes, **changes}))

    return prepare


def keep(prepared):
    prepared.folder.mkdir(exist_ok=True)
    prepared.plan.write(prepared.folder)
    return read_plan(prepared.folder)


def test_a_plan_opens_its_file_from_where_it_was_given_or_from_the_results_folder(
    tmp_path, request_of, monkeypatch
):
    given = Path(write(tmp_path / "here/given/x.npy", np.zeros(1078, int)))
    plan = keep(request_of(given))
    assert plan.cells[0].specs.noise == "labels(file='given/x.npy')"  # though it was absolute
    assert plan.cells[0].noise == "labels(file='x.npy')"
    folder = Path("out").resolve()
    assert len(rebuild(plan.cells, Path("out"), Path()).cells) == 1
    shutil.copy(given, folder)
    monkeypatch.chdir(tmp_path)  # elsewhere, it is the one in the folder
    write(tmp_path / "given/x.npy", np.ones(1078, int))  # and not what happens to be called so
    assert len(rebuild(plan.cells, folder, Path()).cells) == 1
    (folder / "x.npy").unlink()
    assert not rebuild(plan.cells, folder, Path()).cells


def test_a_file_that_moved_is_the_same_request_and_another_one_of_its_name_is_refused(
    tmp_path, request_of
):
    first = write(tmp_path / "a/x.npy", np.zeros(1078, int))
    (entry,) = keep(request_of(first)).cells
    moved = shutil.copytree(tmp_path / "a", tmp_path / "b") / "x.npy"
    again = request_of(moved)
    assert [cell.id for cell in again.plan.cells] == [entry.cell_id]
    assert not again.plan.held
    assert len(keep(again).cells) == 1
    write(moved, np.ones(1078, int))
    write(tmp_path / "a/x.npy", np.zeros(1078, int))
    assert len(keep(request_of(moved)).cells) == 1  # edited: it stands for what it was
    with pytest.raises(RefusedError, match=r"results of another file of the name of .*a/x.npy"):
        request_of(first)


# ----------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Own(Digits):
    """Digits whose labels lie in a file that may be edited."""

    loads = 0

    def load(self, root, seed):
        type(self).loads += 1
        train, test = super().load(root, seed)
        label = torch.from_numpy(np.load(root / "labels.npy"))
        return train._replace(label=label), test


@pytest.fixture
def own(tmp_path):
    content.forget()
    DATASETS.register("own", Own)
    write(tmp_path / "labels.npy", np.arange(1078) % 10)
    yield tmp_path
    content.forget()


def ids(root, *noises, dataset="own", seeds=(0,)):
    asked = {"dataset": [dataset], "noise": noises or ["clean"], "seed": seeds}
    suite = Suite.read("default").override({**asked, "method": ["cross_entropy"]})
    content.forget()
    return [cell.id for cell in suite.cells("float32", root)]


def test_edited_data_of_a_plugin_are_other_cells_and_are_loaded_once(own):
    Own.loads = 0
    before = ids(own, "clean", "symmetric(rate=0.2)", seeds=(0, 1, 2))
    assert Own.loads == 1
    write(own / "labels.npy", np.arange(1078)[::-1] % 10)
    assert not set(ids(own, "clean", "symmetric(rate=0.2)", seeds=(0, 1, 2))) & set(before)
    write(own / "labels.npy", np.arange(1078) % 10)
    assert ids(own, "clean", "symmetric(rate=0.2)", seeds=(0, 1, 2)) == before
    assert ids(shutil.copytree(own, own / "elsewhere"))[0] == before[0]


def test_images_that_a_noise_borrows_from_a_plugin_count_too(own):
    noises = ("symmetric(rate=0.2)", "open_set(rate=0.2, source='own')")
    before = ids(own, *noises, dataset="digits")
    write(own / "labels.npy", np.zeros(1078, int))
    after = ids(own, *noises, dataset="digits")
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("name", [name for name in published() if not DATASETS[name].vectors])
def test_cells_of_our_datasets_do_not_depend_on_files_that_are_there(name, monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "_splits", None)
    assert content.content(DATASETS.build(name), tmp_path) == ""


@dataclass(frozen=True)
class Stated(Own):
    def content(self, root):
        return str((root / "labels.npy").stat().st_size)

    def load(self, root, seed):
        raise AssertionError


@dataclass(frozen=True)
class OwnSplits(SplitAnew):
    pass


def test_a_dataset_may_state_its_content_more_cheaply(own):
    DATASETS.register("stated", Stated)
    before = ids(own, dataset="stated")
    write(own / "labels.npy", np.zeros(1078, int))
    assert ids(own, dataset="stated") == before
    write(own / "labels.npy", np.zeros(1077, int))
    assert ids(own, dataset="stated") != before


def test_data_that_are_edited_before_a_worker_loads_them_are_refused(own):
    asked = {"dataset": ["own"], "noise": ["clean"], "seed": [0], "method": ["cross_entropy"]}
    (cell,) = Suite.read("default").override(asked).cells("float32", own)
    sent = Cell.build(cell.specs())
    assert sent.id == cell.id
    content.forget()  # as a worker begins
    Own.loads = 0
    assert len(load_cell_data(sent, own, CPU).noisy) == 970
    assert Own.loads == 1
    content.forget()
    write(own / "labels.npy", np.zeros(1078, int))
    with pytest.raises(RefusedError, match="the data of Own were edited after the run had begun"):
        load_cell_data(sent, own, CPU)


def test_a_dataset_that_is_split_anew_is_hashed_once_for_all_seeds():
    DATASETS.register("anew", OwnSplits)
    asked = {"dataset": ["anew"], "noise": ["clean"], "seed": [3, 4], "method": ["cross_entropy"]}
    cells = list(Suite.read("default").override(asked).cells("float32", Path()))
    assert len({cell.data for cell in cells}) == 1
    assert len(load_cell_data(Cell.build(cells[1].specs()), Path(), CPU).noisy) == 970


@dataclass(frozen=True)
class Odd(Digits):
    def load(self, root, seed):
        return None, None


def test_data_that_are_missing_or_none_are_told_in_a_sentence(own):
    (own / "labels.npy").unlink()
    with pytest.raises(DataMissingError, match=r"^Own cannot be loaded: FileNotFoundError: "):
        ids(own)
    DATASETS.register("odd", Odd)
    with pytest.raises(RefusedError, match=r"^Odd.load must return two Splits, each of images"):
        ids(own, dataset="odd")


# ---------------------------------------------------------------------------- what results show


def test_the_reason_of_a_failure_names_no_folder(tmp_path):
    path = write(tmp_path / "my labels" / "x.npy", np.zeros(1078, int))
    job = Job(tmp_path, tmp_path, "cpu", keep_all=False, commit="")
    cell = build(noise=f"labels(file={path!r})")
    record = failure(job, cell, f"ValueError: {path} and '{tmp_path}/b c.npy' differ")
    assert record.meta.reason == "ValueError: x.npy and 'b c.npy' differ"


PLUGIN = """
from dataclasses import dataclass
from pathlib import Path
import numpy as np
import torch
import helper
from benchmarks.datasets import DATASETS, Split
from benchmarks.datasets.digits import Digits
from methods import METHODS
from methods.cross_entropy import CrossEntropy

HERE = Path(__file__).parent

@dataclass(frozen=True)
class Few(Digits):
    published = (60, 40)
    class_counts = ()

    def load(self, root, seed):
        train, test = super().load(root, seed) if helper.WHOLE else Digits().load(root, seed)
        label = torch.from_numpy(np.loadtxt(HERE / "labels.csv", dtype=np.int64))
        return Split(train.image[:60], label), Split(test.image[:40], test.label[:40])

@dataclass(frozen=True)
class Mine(CrossEntropy):
    pass

@dataclass(frozen=True)
class Broken(CrossEntropy):
    def losses(self, logits, batch, state, epoch):
        if len(logits) == 54:
            raise ValueError(f"{HERE / 'weights.npy'} is missing")
        return super().losses(logits, batch, state, epoch)

DATASETS.register("few", Few)
METHODS.register("mine", Mine)
METHODS.register("broken", Broken)
"""
TEXTS = {".csv", ".md", ".html", ".tex", ".json", ".svg", ".txt"}


def test_a_run_with_own_data_retrains_what_was_edited_and_says_nowhere_where_it_lay(tmp_path):
    own = tmp_path / "secret"
    own.mkdir()
    (own / "mine.py").write_text(PLUGIN)
    (own / "helper.py").write_text("WHOLE = False\n")
    np.savetxt(own / "labels.csv", np.arange(60) % 10, fmt="%d")
    file = write(own / "given.npy", np.arange(60) % 7)
    asked = ("--plugin", own / "mine.py", "--datasets", "few", "--seeds", "0", "1", "--out", "out")
    asked += ("--noises", f"labels(file={file!r})", "--workers", "1")
    asked += ("--recipes", "small(epochs=2)", "--methods", "mine", "broken")
    code, out, err = run("run", *asked)
    assert (code, "4 planned, 2 done" in run("plan", *asked)[1]) == (3, True), (out, err)
    texts = [path for path in Path("out").rglob("*") if path.suffix in TEXTS]
    assert len(texts) > 20
    for path in texts:
        if path.name != "plan.json":
            assert "secret" not in path.read_text(), path
    assert "weights.npy is missing" in Path("out/results.csv").read_text()
    before = (own / "labels.csv").read_text()
    for text, done in ((before[::-1].strip(), 0), (before, 2)):
        (own / "labels.csv").write_text(text)
        assert f"4 planned, {done} done" in run("plan", *asked)[1]
    (own / "labels.csv").unlink()
    code, _, err = run("plan", *asked)
    assert code == 5
    assert len(err.strip().splitlines()) == 1
