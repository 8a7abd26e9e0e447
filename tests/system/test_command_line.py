"""The answers of the command line to what a user types."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import filelock
import numpy as np
import pytest
from msgspec.structs import replace

from benchmarks import schema
from benchmarks.cli.ending import ending_of
from benchmarks.datasets import DATASETS
from benchmarks.errors import Exit
from benchmarks.launch.run import LAUNCHERS
from benchmarks.store import Parts, write_part
from tests.store.test_store import edit_plan
from tests.system.runs import ROOT, TINY, contents, rows, run, start

SUITE = (ROOT / "benchmarks/suites/default.toml").read_text()
NEXT = schema.SCHEMA_VERSION + 1


@pytest.fixture
def out(undisturbed, tmp_path):
    """A copy of a finished run, which a test may change."""
    return shutil.copytree(undisturbed, tmp_path / "out")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--methods", "erl"], "unknown method 'erl'; did you mean 'elr'?"),
        (["--noises", "symmetric(rate=1.5)"], "Symmetric.rate must be a number in [0, 1], got 1.5"),
        (["--recipes", "small(optimizer='adm')"], "did you mean 'adam'?"),
        (["defualt"], "no verb or suite 'defualt'; did you mean 'default'?"),
        (["statsu"], "did you mean 'status'?"),
        (["--device", "gpu"], "unknown device 'gpu'; known: cuda, mps, cpu"),
        (["--workers", "0"], "--workers must be a whole number of at least 1, got 0"),
        (["--seeds", "0", "1.5"], "--seeds must be whole numbers parted by spaces, got '1.5'"),
        (["--seeds", "9" * 5000], "--seeds must be whole numbers parted by spaces, got '9999"),
        (["--seeds", "0,1,2"], "parted by spaces, got '0,1,2'; write --seeds 0 1 2"),
        (["drop", "nowhere", "--seeds", "0-4"], "got '0-4'; write --seeds 0 1 2 3 4"),
        (["--seeds", "[3,4]"], "got '[3,4]'; write --seeds 3 4"),
        (["--seeds", "-1"], "a seed must be a whole number from 0 to"),
        (["--pack", "2.7"], "--pack must be a whole number, got '2.7'"),
        (["suspects", "nowhere", "--top", "1e3"], "--top must be a whole number, got '1e3'"),
        (["--methods"], "run_all.py: --methods needs at least one value"),
        (["plan", "--plugin"], "run_all.py: --plugin needs a value"),
        (["status", "a", "b"], "'b' is more than status takes: run_all.py status [FOLDER] [OPTI"),
        (["plan", "default", "smoothing"], "'smoothing' is more than plan takes: run_all.py plan"),
        (["default", "--suite=smoothing"], "run [SUITE] [OPTIONS]; --suite is given already"),
        (["compare", "a"], "compare needs SECOND: run_all.py compare FIRST SECOND [OPTIONS]"),
        (["check", "a.py"], "check needs --plugin: run_all.py check --plugin PLUGIN"),
        (["report", "--venue", "NIPS"], "iclr, icml, tmlr, jmlr, got 'NIPS'; did you mean 'neur"),
        (
            ["ls", "method"],
            "KIND must be one of datasets, noises, methods, models, recipes, backbones, profiles",
        ),
        (["report", "--force=maybe"], "--force must be true or false, got 'maybe'"),
        (["plan", "--timeout", "1,5"], "--timeout must be a number, got '1,5'"),
        (["plan", "--pack", "1", "--pack", "2"], "run_all.py: --pack is given twice; leave one "),
        (["plan", "--graph", "--no-graph"], "--no-graph is given twice, or with its opposite; l"),
        (["drop", "nowhere", "--noises"], "--noises needs at least one value"),
        (
            ["data", "gte", "mnist"],
            "data has no verb 'gte'; did you mean 'get'? known: get, verify",
        ),
        (["--seeds", "0", "plan"], "the verb plan comes first, as in: python run_all.py plan --se"),
        (["--data", "data", "data", "get", "mnist"], "run_all.py data get --data data mnist"),
        (["--no-report", "report"], "the verb report comes first"),
        (["PLAN"], "no verb or suite 'PLAN'; did you mean 'plan'?"),
        (["help"], "did you mean '--help'?"),
        (["a.py"], "no suite 'a.py', but a plugin, perhaps: write --plugin bef"),
        (["--help=yes"], "--help takes no value"),
        (["plan", "--seed", "0"], "unknown option --seed; did you mean --seeds?"),
        (
            ["plan", "--lr", "1"],
            "unknown option --lr; fields are set in specs, as in --recipes 'small(",
        ),
        (["status", "--lr", "1"], "option --lr; run_all.py status --help lists those there are"),
        (["--out", ""], "--out is empty"),
        (["--methods", "elr", " "], "--methods is empty"),
        (["plan", "--data="], "--data is empty"),
        ([""], "an argument is empty"),
        (["--plugin", "nowhere.py"], "no plugin file nowhere.py"),
        (["status", "nowhere"], "nowhere does not exist"),
        (["report", "nowhere"], "nowhere does not exist"),
        (["plan", "no/where"], "no suite 'no/where' and no such folder; known: "),
        (
            ["data", "noise", "symmetric(rate=0.4)", "digits", "--out", "o"],
            "and 'symmetric' is a noise and 'digits' is a dataset; did you mean `python run_all.p",
        ),
        (["data", "noise", "mnist", "digits", "--out", "o"], "a noise, and 'digits' is a dataset"),
        (["data", "get", "minst"], "unknown dataset 'minst'; did you mean 'mnist'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_one_sentence_and_nothing_runs(
    tmp_path, monkeypatch, args, sentence
):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*args)
    assert code == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sede = [1]\n" + SUITE, "unknown key 'sede'; did you mean 'seed'?"),
        ("seed = [0]\n", "missing key 'dataset'"),
        ("seed = [\n", "is not TOML"),
        (SUITE.replace("[0, 1, 2, 3, 4]", "[0.5]"), "seed[0]: a whole number is expected"),
        (SUITE.replace('["mlp"]', '"mlp"'), "model: a list is expected here, not a text"),
        (
            re.sub(r"method = \[.*?\]", 'method = "elr"', SUITE, flags=re.DOTALL),
            """method: a list is expected here, or the text "all", not 'elr'""",
        ),
    ],
)
def test_a_mistake_in_a_suite_file_is_answered_in_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    code, _, err = run("run", path, "--out", tmp_path / "out")
    assert code == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_missing_data_is_exit_code_5_and_loses_nothing(tmp_path, out):
    before = contents(out)
    code, _, err = run(
        *TINY, "--datasets", "fashion_mnist", "--data", tmp_path / "data", "--out", out
    )
    assert code == 5
    assert "FashionMNIST is not available: looked in" in err
    assert contents(out) == before


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, undisturbed):
    file, link, odd = (tmp_path / name for name in ("file", "link", "odd"))
    file.write_text("")
    link.symlink_to(odd)
    verbs = [[*TINY], ["plan"], ["report", undisturbed], ["data", "noise", "digits", "clean"]]
    for place, reason in {
        file: "it is a file, and a folder is needed",
        file / "out": f"{file} is a file, and a folder is needed",
        link: f"it is a link to {odd}, which is no folder",
    }.items():
        for verb in verbs:
            code, _, err = run(*verb, "--out", place)
            assert (code, err) == (74, f"run_all.py: cannot write to {place}: {reason}\n")
    assert sorted(tmp_path.iterdir()) == [file, link]


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("", "out is a results folder, and other files need another place"),
        ("parts", "out keeps parts for its own, and other files need another place"),
        ("suspects/x", "out keeps suspects for its own, and other files need another place"),
    ],
)
def test_a_report_is_not_drawn_among_results(out, place, sentence):
    before = sorted(out.rglob("*"))
    code, _, err = run("report", out, "--out", out / place)
    assert code == 2
    assert sentence in err
    assert sorted(out.rglob("*")) == before


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda _: None, "x does not exist"),
        (Path.touch, "x is a file, and a folder is needed"),
        (lambda path: path.symlink_to("odd"), "x is a link to odd, which is no folder"),
    ],
)
def test_what_is_no_folder_is_said_by_every_verb_that_reads_one(tmp_path, make, sentence):
    path = tmp_path / "x"
    make(path)
    verbs = [[v, path] for v in ("status", "report", "collect", "suspects")]
    verbs += [["drop", path, "--seeds", 0], ["compare", path, path]]
    verbs += [["relabel", path, path, "--out", "x.npy"]]
    for verb in verbs:
        code, _, err = run(*verb)
        assert code == (5 if verb[0] == "compare" else 2)
        assert err == f"run_all.py: {tmp_path}/{sentence}\n"


@pytest.mark.parametrize(
    ("change", "args", "sentence"),
    [
        ({"schema": NEXT}, [], f"results version {NEXT}"),
        ({"device": "cuda"}, ["--device", "cpu"], "was started on cuda"),
    ],
)
def test_results_of_another_version_or_device_are_refused_and_kept(out, change, args, sentence):
    plan = json.loads((out / "plan.json").read_text()) | change
    (out / "plan.json").write_text(json.dumps(plan))
    before = contents(out)
    code, _, err = run(*TINY, "--out", out, *args)
    assert code == 2
    assert sentence in err
    assert contents(out) == before


def test_two_runs_cannot_write_to_one_folder(tmp_path):
    with filelock.FileLock(tmp_path / ".lock"):
        code, _, err = run(*TINY, "--out", tmp_path)
    assert code == 2
    assert "another run is writing to" in err


OTHER = ["--methods", "gce", "--noises", "clean", "--recipes", "small(epochs=3)", "--seeds", "7"]


def test_a_run_trains_what_it_is_asked_for_and_the_folder_holds_the_rest(out):
    plan = json.loads((out / "plan.json").read_text())
    min((out / "parts").iterdir()).unlink()
    (out / "results.csv").unlink()
    stamps = {p.name: p.stat().st_mtime_ns for p in (out / "parts").iterdir()}
    code, text, err = run(*OTHER, "--no-report", "--out", out)
    assert code == 0, err
    assert "1 cell, 0 done, 1 to train" in text
    assert f"{out} also holds 12 further cells, 4 not finished" in text
    assert f"`python run_all.py run {out}` goes on with all cells" in text
    after = {p.name: p.stat().st_mtime_ns for p in (out / "parts").iterdir()}
    assert {name: after[name] for name in stamps} == stamps
    assert len(after) == 3  # two packs, and the new cell
    assert len({row["cell_id"] for row in rows(out)}) == 9
    code, text, _ = run("status", out)
    assert "1 cell: 1 done; 12 further cells: 8 done, 4 missing" in text
    code, text, err = run(out, "--no-report")  # the folder in place of a suite
    assert code == 0, err
    assert "13 cells, 9 done, 4 to train" in text
    held = json.loads((out / "plan.json").read_text())["cells"]
    assert [cell["cell_id"] for cell in held[:12]] == [cell["cell_id"] for cell in plan["cells"]]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--methods", "elr"], "so --methods cannot be given; name a suite and --out"),
        (["--out", "elsewhere"], "so --out cannot be given"),
    ],
)
def test_a_folder_is_gone_on_with_as_it_is(out, args, sentence):
    code, _, err = run("plan", out, *args)
    assert code == 2
    assert sentence in err


@pytest.mark.parametrize("verb", ["run", "plan", "probe"])
@pytest.mark.parametrize("name", ["results.csv", "report/paper.tex", "parts/features.npz"])
def test_a_folder_of_the_users_is_no_results_folder(tmp_path, verb, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    code, _, err = run(verb, "--out", tmp_path)
    assert code == 2
    assert f"{tmp_path} is no results folder: it has no plan.json, and 1 other file" in err
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_dropped_cells_are_gone_from_plan_parts_and_tables_and_the_others_are_as_they_were(out):
    assert run(*OTHER, "--no-report", "--out", out)[0] == 0
    before = {row["cell_id"]: row for row in rows(out) if row["selection"] == "last"}
    args = ["drop", out, "--methods", "cross_entropy", "--seeds", "1"]
    code, text, err = run(*args)
    assert code == 0, err
    assert f"{out}: dropped 2 cells, 2 of them with results; 11 left" in text
    left = {row["cell_id"]: row for row in rows(out) if row["selection"] == "last"}
    assert left == {
        i: row for i, row in before.items() if (row["method"], row["seed"]) != (args[3], "1")
    }
    code, _, err = run(*args[:2], "--methods", "gec", "--noises", "clean", "what")
    assert code == 2
    assert "has the noise 'what' (known: clean, symmetric(rate=0.4))" in err
    assert "or the method 'gec' (did you mean 'gce'?)" in err
    assert run("drop", out)[2].startswith("run_all.py: drop needs at least one of --datasets")
    assert run("drop", out, "--methods", "gce", "--seeds", "0")[0] == 2  # no such cell
    assert left == {row["cell_id"]: row for row in rows(out) if row["selection"] == "last"}
    code, text, err = run(*TINY, "--out", out)
    assert "12 cells, 10 done, 2 to train" in text
    assert {row["cell_id"] for row in rows(out)} == before.keys()


def rename_method(folder, old, new):
    """Make the results of a method those of one that is not there."""
    edit_plan(folder, old, new)
    parts = Parts(folder)
    ids = [cell_id for cell_id, meta in parts.meta.items() if meta.keys.method == old]
    records = list(parts.trained(ids))
    parts.remove(ids)
    for record in records:
        record.meta.keys = replace(record.meta.keys, method=new)
    write_part(folder, records)


def test_cells_that_cannot_be_built_now_are_named_left_alone_and_can_be_dropped(out):
    assert run(*OTHER, "--no-report", "--out", out)[0] == 0
    rename_method(out, "gce", "gone")
    for args in ((*TINY, "--out", out), ("run", out, "--no-report"), ("plan", out)):
        code, text, err = run(*args)
        assert code == 0, err
        assert f"{out} holds 1 cell that cannot be built now (unknown method 'gone'" in text
        assert f"`python run_all.py drop {out} --methods gone` drops it" in text
    assert len({row["cell_id"] for row in rows(out)}) == 13
    code, text, err = run("drop", out, "--methods", "gone")
    assert (code, text) == (0, f"{out}: dropped 1 cell, 1 of them with results; 12 left\n"), err
    assert "cannot be built" not in run("plan", out)[1]


def test_what_stands_where_a_table_belongs_is_refused_before_anything_changes(out):
    (out / "results.csv").unlink()
    (out / "results.csv").mkdir()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for args in (["run", out], [*TINY, "--seeds", "7", "--out", out], ["drop", out, "--seeds", 0]):
        code, _, err = run(*args)
        assert code == 2
        assert f"{out / 'results.csv'} is no file, and a table belongs there; move it away" in err
    for path, content in before.items():
        assert path.read_bytes() == content


def test_parts_that_are_no_folder_are_refused_before_anything_is_trained(out):
    shutil.rmtree(out / "parts")
    (out / "parts").write_text("mine")
    code, _, err = run(*TINY, "--out", out)
    assert code == 2
    assert f"{out / 'parts'} is no folder, and parts belong there; move it away" in err


def truncated(part):
    part.write_bytes(part.read_bytes()[:1000])


def put_aside(part):
    part.rename(part.with_suffix(".damaged"))


GONE = [
    (lambda part: shutil.rmtree(part.parent), ""),
    (Path.unlink, ""),
    (truncated, " (1 is damaged)"),
    (put_aside, " (1 is put aside as damaged)"),
]


@pytest.mark.parametrize(("lose", "how"), GONE)
def test_no_verb_loses_the_rows_of_cells_whose_parts_are_gone(out, lose, how):
    lose(min((out / "parts").iterdir()))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    verbs = [[*OTHER, "--no-report", "--out", out], ["drop", out, "--seeds", 1], ["collect", out]]
    if (out / "parts").is_dir():  # without one, a report shows what the tables hold
        verbs += [["report", out], ["report", out, "--out", out / "drawn"]]
    for args in verbs:
        code, _, err = run(*args)
        assert code == 2
        assert f"{out / 'results.csv'} is all that is left of " in err
        assert f" finished cells, which no part of {out / 'parts'} holds{how}, and would" in err
        assert len(err.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_no_verb_loses_the_rows_of_cells_that_another_folders_plan_does_not_name(out, tmp_path):
    assert run(*OTHER, "--no-report", "--out", tmp_path / "other")[0] == 0
    shutil.copy(tmp_path / "other" / "plan.json", out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert (
        "12 finished cells of results.csv, which plan.json does not name" in run("status", out)[1]
    )
    for args in (["run", out, "--no-report"], ["collect", out], ["report", out]):
        code, _, err = run(*args)
        assert code == 2
        assert "results.csv has 12 finished cells that " in err
        assert f"{out / 'plan.json'} does not name, and would lose them; bring back the" in err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_report_elsewhere_names_the_folder_of_the_results(out, tmp_path):
    truncated(min((out / "parts").iterdir()))
    for path in [out / "results.csv", *sorted((out / "parts").iterdir())[1:]]:
        path.unlink()
    code, _, err = run("report", out, "--out", tmp_path / "drawn")
    assert code == 2
    assert err == f"run_all.py: {out / 'results.csv'} has no rows: no cell has ended yet\n"
    assert not (tmp_path / "drawn").exists()


def test_a_run_keeps_the_rows_of_cells_until_it_has_trained_them_again(out, monkeypatch):
    truncated(min((out / "parts").iterdir()))
    before = contents(out)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(LAUNCHERS, "local", interrupted)
        assert run(*TINY, "--out", out)[0] == 130
    assert contents(out) == before
    assert run(*TINY, "--out", out)[0] == 0
    assert contents(out) == before


MINE = """
from dataclasses import dataclass
import torch.nn.functional as F
from methods import METHODS, Method

@dataclass(frozen=True)
class Doubled(Method):
    factor: float = 2.0

    def losses(self, logits, batch, state, epoch):
        return self.factor * F.cross_entropy(logits, batch.label, reduction="none"), state

METHODS.register("doubled", Doubled)
"""


def test_a_users_own_method_trains_and_is_reported_and_running_again_keeps_all(tmp_path, out):
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    args = [*TINY[:-1], "--methods", "doubled(factor=3)", "--plugin", mine, "--out", out]
    process, text, err = start(*args)
    assert process.returncode == 0, err
    assert "16 cells, 12 done, 4 to train" in text
    assert "doubled(factor=3.0)" in (out / "results.csv").read_text()
    assert "doubled" in (out / "report" / "report.md").read_text()
    assert "(unchanged)" not in text
    assert (out / "report" / "figures").is_dir()
    code, text, err = run(*args)
    assert code == 0, err
    assert "16 done, 0 to train" in text
    assert "report.md (unchanged)" in text


def in_a_new_process(code):
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_verbs_that_only_read_do_not_import_torch(out):
    folder = str(out)
    in_a_new_process(f"""
import sys
from benchmarks.cli.app import main
for args in (["--help"], ["run", "--help"], ["status", {folder!r}], ["report", {folder!r}]):
    assert main(args) == 0
    assert "torch" not in sys.modules, args
""")


def test_the_default_path_needs_no_torchvision(tmp_path):
    in_a_new_process(f"""
import sys
from benchmarks.cli.app import main
assert main(["plan", "--out", {str(tmp_path)!r}]) == 0
assert main(["ls"]) == 0
import benchmarks.engine.record
assert "torchvision" not in sys.modules
""")


def test_plan_says_what_would_be_done_and_writes_nothing(tmp_path):
    code, out, _ = run("plan", "--out", tmp_path / "out")
    assert code == 0
    assert "150 planned, 0 done, 150 to do" in out
    assert "MiB" in out
    assert not (tmp_path / "out").exists()


def test_plan_says_which_data_are_not_there_and_how_to_get_them(tmp_path):
    asked = ("plan", "--noises", "cifar10n", "--datasets", "cifar10", "--data", tmp_path)
    for there, names in ((None, "cifar10 cifar10n"), ("cifar-10-batches-py/x", "cifar10n")):
        if there:
            (tmp_path / there).parent.mkdir()
            (tmp_path / there).touch()
        code, out, _ = run(*asked)
        get = f"python run_all.py data get {names} --data {tmp_path}"
        assert code == 0
        told = f"data     {names.replace(' ', ', ')} not in {tmp_path}; `{get}` downloads what is"
        assert told in out
    assert "data     " not in run("plan", "--data", tmp_path)[1]


def test_status_counts_by_method_and_noise(undisturbed):
    code, out, _ = run("status", undisturbed)
    assert code == 0
    assert "12 cells: 12 done" in out
    assert out.count("2/2") == 6


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("methods", "elr(beta=0.7, weight=3.0): Stay close"),
        ("noises", "symmetric(rate=…, include_true=False, counts='random'): With probability"),
        ("suites", "default: 150 cells; Does label smoothing"),
        ("metrics", "ece: ECE; expected calibration error"),
    ],
)
def test_ls_lists_what_can_be_named(kind, entry):
    code, out, _ = run("ls", kind)
    assert code == 0
    assert f"\n  {entry}" in out


@pytest.mark.parametrize("verb", ["plan", "report", "check", "data"])
def test_an_argument_of_bytes_that_are_no_text_is_refused_before_anything_is_done(verb):
    code, out, err = run(verb, "o\udcff", "--out", "o")
    assert (code, out) == (2, "")
    assert err.startswith("run_all.py: the argument 'o\\udcff' has bytes that are no utf-8 text; ")
    assert len(err.splitlines()) == 1


def test_a_python_without_what_is_needed_is_told_how_to_install_it():
    script = "import sys, runpy; sys.modules['cyclopts'] = None; sys.argv = ['run_all.py', 'ls']; "
    script += f"runpy.run_path({str(ROOT / 'run_all.py')!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("run_all.py: this Python has no package cyclopts: install ")
    assert len(done.stderr.splitlines()) == 1


def test_too_little_memory_for_a_library_is_told_as_such(capsys):
    def load():
        raise ImportError("libtorch_cpu.so: failed to map segment from shared object")

    assert ending_of(load) == Exit.SYSTEM
    said = "run_all.py: there is too little memory: a library cannot be loaded (libtorch_cpu.so: "
    assert capsys.readouterr().err.startswith(said)


LABELLED = """
plugin = ["mine.py"]
dataset = ["digits"]
noise = ["labels(file='given.npy')"]
method = ["mine"]
model = ["mlp"]
recipe = ["small(epochs=2)"]
seed = [0]
"""
NEIGHBOUR = """
from dataclasses import dataclass
from methods import METHODS
from methods.cross_entropy import CrossEntropy
@dataclass(frozen=True)
class Mine(CrossEntropy, label="Mine"):
    pass
METHODS.register("mine", Mine)
"""


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A home with a suite, its plugin and its labels in it; the current folder is another."""
    home, current = tmp_path / "home", tmp_path / "current"
    (home / "suites").mkdir(parents=True)
    current.mkdir()
    (home / "suites" / "mine.toml").write_text(LABELLED)
    (home / "suites" / "mine.py").write_text(NEIGHBOUR)
    np.save(home / "suites" / "given.npy", DATASETS.build("digits").load(Path(), 0)[0].label)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(current)
    return home


def test_a_home_folder_that_no_shell_has_expanded_is_meant_as_it_is_written(at_home):
    options = ("--workers", 1, "--no-report", "--device", "cpu")
    code, _, err = run("run", "~/suites/mine.toml", "--out", "~/out", "--data=~/data", *options)
    assert code == 0, err
    assert (at_home / "out" / "plan.json").is_file()
    given = "labels(file='~/suites/given.npy')"
    more = ("--noises", given, "--plugin", "~/suites/mine.py", "--out=~/out")
    code, _, err = run("plan", "--methods", "mine", *more, "--seeds", 0)
    assert code == 0, err
    assert run("status", "~/out")[0] == 0
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("word", ["~nobody-of-this-name/x", "~/x"])
def test_a_home_folder_that_is_not_known_is_refused(at_home, monkeypatch, word):
    monkeypatch.setenv("HOME", "")
    code, out, err = run("plan", "--out", word)
    assert (code, out) == (2, "")
    assert err.startswith(f"run_all.py: no home folder is known for {word!r}: write the whole")
    assert list(Path.cwd().iterdir()) == []
    assert at_home.is_dir()


def test_the_files_that_a_suite_names_are_sought_beside_it(at_home):
    suite = at_home / "suites" / "mine.toml"
    code, said, err = run("plan", suite, "--out", "out")
    assert code == 0, err
    assert "labels(file='given.npy')" in said
    (at_home / "suites" / "given.npy").rename("given.npy")
    code, _, err = run("plan", suite, "--out", "out")
    assert code == 2
    assert f"there is no file {suite.with_name('given.npy')}, and the files that a suite" in err
    assert "given.npy is there from the current one alone" in err
    assert len(err.splitlines()) == 1
    code, _, err = run("plan", suite, "--noises", "labels(file='given.npy')", "--out", "out")
    assert code == 0, err
