"""Whatever surrounds a command line, it ends in one sentence, in its code, and loses nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.cli.app import VERBS, app
from tests.system.runs import ROOT, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it forks, and limits files")

ONE = ["--methods", "cross_entropy", "--noises", "clean", "--recipes", "small(epochs=3)"]
PRINTING = """
from dataclasses import dataclass
import torch.nn.functional as F
from methods import METHODS, Method

@dataclass(frozen=True)
class Printing(Method):
    def losses(self, logits, batch, state, epoch):
        print("\N{RIGHTWARDS ARROW}", flush=True)
        return F.cross_entropy(logits, batch.label, reduction="none"), state

METHODS.register("printing", Printing)
"""
RUN = ["run", "--plugin", "NEW/printing.py", "--methods", "printing", *ONE[2:], "--no-report"]
RUN += ["--seeds", "5"]
RELABEL = ["relabel", "OUT", "NEW/reviewed.csv", "--out"]
SMALL = ["--backbone", "random_conv(patches=3, size=2)"]
WRITERS = {
    "report": ["report", "OUT", "--force"],
    "collect": ["collect", "OUT"],
    "export": ["export", "OUT", "--to", "tensorboard"],
    "suspects": ["suspects", "OUT", "--methods", "reweighting", "--seeds", "0", "--top", "1"],
    "compare --csv": ["compare", "OUT", "OUT", "--csv", "OUT/new.csv"],
    "regress --json": ["regress", "OUT", "--baseline", "OUT", "--json", "OUT/new.json"],
    "regress accept": ["regress", "accept", "OUT", "--baseline", "OUT/base", "--reason", "x"],
    "run": [*RUN, "--out", "OUT"],
    "data noise": ["data", "noise", "digits", "clean", "--out", "OUT/noise"],
    "probe": ["probe", *ONE, "--seeds", "0"],
    "data get": ["data", "get", "cifar10n", "--data", "OUT/data"],
    "data get mnist": ["data", "get", "mnist", "--data", "OUT/data"],
    "embed": ["embed", "digits", *SMALL, "--data", "OUT/data", "--out", "OUT/features.npz"],
    "relabel": [*RELABEL, "OUT/labels/{seed}.npy"],
    "drop": ["drop", "OUT", "--seeds", "1"],
    "merge": ["merge", "OUT", "OUT", "--out", "OUT/merged"],
    "clean": ["clean", "OUT"],
}
READERS = {
    "status": ["status", "OUT"],
    "status --json": ["status", "OUT", "--json"],
    "status --watch": ["status", "OUT", "--watch"],
    "clean --dry-run": ["clean", "OUT", "--dry-run"],
    "plan": ["plan", *ONE, "--seeds", "0", "--out", "OUT"],
    "compare": ["compare", "OUT", "OUT"],
    "regress": ["regress", "OUT", "--baseline", "OUT"],
    "regress speed": ["regress", "speed", "OUT", "--baseline", "OUT"],
    "report elsewhere": ["report", "OUT", "--out", "NEW/report"],
    "ls": ["ls"],
    "data info": ["data", "info"],
    "data verify": ["data", "verify", "digits", "--data", "OUT/data"],
    "check": ["check", "--plugin", "NEW/printing.py"],
    "help": ["run", "--help"],
    "version": ["--version"],
}
EVERY = {**WRITERS, **{f"{name} (reads)": args for name, args in READERS.items()}}
NOWHERE = {"HOME": "/dev/null"} | dict.fromkeys(("XDG_CACHE_HOME", "MPLCONFIGDIR", "USER"))
"""A home that cannot be made."""


class Case:
    """A command line in surroundings, and how it shall end."""

    def __init__(self, name, args, code, sentence="", **surroundings):
        self.name, self.code, self.sentence = name, code, sentence
        self.args, self.surroundings = args, {"quick": True, **surroundings}
        self.folder = ""  # of the results, its own if something is changed in it

    def description(self, out, new):
        places = {"OUT": str(out), "NEW": str(new)}
        args = [str(arg) for arg in self.args]
        for word, place in places.items():
            args = [arg.replace(word, place) for arg in args]
        env = {"XDG_CACHE_HOME": str(new / "cache"), **self.surroundings.get("env", {})}
        return {**self.surroundings, "args": args, "env": env}


SHOWING = ("ls", "help", "status", "check")
FULL = {
    "report": "OUT/report: File too large",
    "collect": "OUT/collected/",
    "export": "OUT/tensorboard",
    "suspects": "OUT/suspects: File too large",
    "compare --csv": "OUT: File too large",
    "regress --json": "OUT: File too large",
    "regress accept": "OUT/base: File too large",
    "run": "OUT/plan.json: File too large",
    "data noise": "OUT/noise: File too large",
    "probe": "throughput.json: File too large",
    "embed": "OUT/data/embedded/",
    "relabel": "OUT/labels: File too large",
    "drop": "OUT/parts/",
    "merge": "OUT/merged/plan.json: File too large",
}
CASES = [
    *(
        Case(f"{name} on a full disk", WRITERS[name], 74, f"cannot write to {words}", full=True)
        if words.startswith("OUT")
        else Case(f"{name} on a full disk", WRITERS[name], 74, words, full=True)
        for name, words in FULL.items()
    ),
    *(
        Case(f"{name} on a full disk", args, 0, full=True)
        for name, args in READERS.items()
        if name not in {"report elsewhere", "check"}
    ),
    Case("check on a full disk", READERS["check"], 74, "temporary directory", full=True),
    *(
        Case(f"{name} when nobody reads", args, 0 if name == "run" else 141, stdout="gone")
        for name, args in EVERY.items()
        if name != "probe" and not name.startswith("data get")  # which asks a network
    ),
    *(
        Case(f"{name} in ascii", EVERY[name], 0, encoding="ascii")
        for name in ("report", "run", "relabel", "drop", *(f"{name} (reads)" for name in SHOWING))
    ),
    *(
        Case(f"{name} without streams", EVERY[name], 0, stdout="closed", stderr="closed")
        for name in ("ls (reads)", "run", "report")
    ),
    Case("ls to a full device", ["ls"], 74, "cannot write to the standard output", stdout="device"),
    Case("run to a full device", [*RUN, "--out", "OUT"], 0, stdout="device"),
    *(
        Case(f"{name} without a home", EVERY[name], code, sentence, env=NOWHERE)
        for name, code, sentence in (
            ("run", 0, ""),
            ("plan (reads)", 0, ""),
            ("report", 0, ""),
            ("relabel", 0, ""),
            ("drop", 0, ""),
            ("check (reads)", 0, ""),
            ("probe", 74, "cannot write to /dev/null/.cache"),
        )
    ),
    *(
        Case(f"help with COLUMNS={columns}", ["--help"], 0, env={"COLUMNS": columns})
        for columns in ("0", "1", "-1", "abc", "1000000000", "\N{SUPERSCRIPT TWO}")
    ),
    Case("a run in a folder that has gone", RUN, 2, "has been removed", removed="NEW/gone"),
    Case("a file as a parent", [*RUN, "--out", "OUT/plan.json/x"], 74, "plan.json is a file"),
    Case("a report below a file", ["report", "OUT", "--out", "OUT/plan.json/x"], 74, "plan.json/x"),
    Case("labels below a file", [*RELABEL, "OUT/plan.json/{seed}.npy"], 74, "plan.json: it is a f"),
    Case("labels in place of a folder", [*RELABEL, "OUT/{seed}.npy"], 2, "0.npy is in the way"),
    Case("a folder as a table", ["relabel", "OUT", "OUT", "--out", "x.npy"], 2, "a regular file"),
    Case(
        "a table that is missing", ["relabel", "OUT", "NEW/no/x.csv", "--out", "x.npy"], 2, "no/x"
    ),
    Case(
        "drop from a file", ["drop", "OUT/plan.json", "--seeds", "1"], 2, "is a file, and a folder"
    ),
    Case(
        "drop from a folder that is missing", ["drop", "NEW/no", "--seeds", "1"], 2, "no does not"
    ),
    Case("check of a folder", ["check", "--plugin", "OUT"], 2, "a regular file is needed"),
    Case("check of a file that is missing", ["check", "--plugin", "NEW/no/x.py"], 2, "no plugin"),
    Case("a file as a cache", WRITERS["probe"], 74, "plan.json", env={"XDG_CACHE_HOME": "PLAN"}),
]


@pytest.fixture(scope="module")
def reviewed(undisturbed, tmp_path_factory):
    """The table of suspects of the results, with every label corrected."""
    audited = tmp_path_factory.mktemp("audited") / "out"
    shutil.copytree(undisturbed, audited)
    code, _, err = run("suspects", audited, "--reveal")
    assert code == 0, err
    rows = pd.read_csv(audited / "suspects" / "suspects.csv")
    rows["corrected"] = rows["true"]
    rows.to_csv(audited / "reviewed.csv", index=False)
    return audited / "reviewed.csv"


def furnish(out, new, reviewed):
    """Put what the command lines name beside the results, and what ``clean`` takes away."""
    (out / "checkpoints").mkdir()
    (out / "checkpoints" / f"{0:016}.npz").touch()
    (out / "0.npy").mkdir()
    (new / "printing.py").write_text(PRINTING, encoding="utf-8")
    shutil.copy(reviewed, new)


def own(cases, base, reviewed, tmp):
    """The descriptions of cases, each with a results folder of its own."""
    for number, case in enumerate(cases):
        out, new = tmp / f"out{number}", tmp / f"new{number}"
        shutil.copytree(base, out)
        (new / "gone").mkdir(parents=True)
        furnish(out, new, reviewed)
        case.folder = str(out)
        one = case.description(out, new)
        if "removed" in one:
            one["removed"] = str(new / "gone")
        if one["env"].get("XDG_CACHE_HOME") == "PLAN":
            one["env"]["XDG_CACHE_HOME"] = str(out / "plan.json")
        yield one


def outcomes(descriptions, *before):
    """Run all cases in one interpreter."""
    process = subprocess.run(
        [*before, sys.executable, "-m", "tests.system.forked"],
        input=json.dumps(list(descriptions)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.fixture(scope="module")
def ended(undisturbed, reviewed, tmp_path_factory):
    """How every case has ended, by its name."""
    told = outcomes(own(CASES, undisturbed, reviewed, tmp_path_factory.mktemp("cases")))
    return {case.name: outcome for case, outcome in zip(CASES, told, strict=True)}


def verbs():
    """Every verb of the command line, those of a group with its name."""
    for verb in VERBS:
        yield verb
        yield from (f"{verb} {name}" for name in app[verb] if not name.startswith("-"))


def test_every_verb_is_tried_in_odd_surroundings():
    tried = {" ".join(args[:length]) for args in EVERY.values() for length in (1, 2)}
    assert set(verbs()) - tried == set()
    assert {"data get", "check"} <= set(verbs())


def contents(folder):
    """What must not be lost."""
    names = ("plan.json", "results.csv", "curves.csv", "parts/*.npz")
    paths = [path for name in names for path in Path(folder).glob(name)]
    return {path.relative_to(folder): path.read_bytes() for path in paths}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command_line_ends_in_its_code_and_a_sentence_and_loses_nothing(ended, undisturbed, case):
    code, _, err = ended[case.name]
    lines = [
        line
        for line in err.splitlines()
        if not line.startswith("note: ") and "atplotlib" not in line
    ]
    assert code == case.code, err
    assert "Traceback" not in err
    assert case.sentence.replace("OUT", case.folder) in err
    if code in {0, 141}:
        assert lines == []
    else:
        assert len(lines) == 1
        assert lines[0].startswith("run_all.py: ")
    before, after = contents(undisturbed), contents(case.folder)
    if case.args[0] == "drop" and code in {0, 141}:
        table = Path("results.csv")
        whole, left = (len(each[table].splitlines()) for each in (before, after))
        assert left - 1 == (whole - 1) / 2  # of two seeds
    elif case.args[0] != "run" or "--help" in case.args:
        assert before == after
    else:
        parts = {path for path in before if path.suffix == ".npz"}
        assert parts <= set(after)
        assert len(after) - len(before) == (case.code == 0)


WITHOUT_OVERRIDE = ["setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override"]
"""Root as any user: files that are not to be written are not."""


def made_unwritable(folder):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)


def made_writable(folder):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)


@pytest.mark.skipif(
    os.name == "posix" and os.geteuid() == 0 and shutil.which("setpriv") is None,
    reason="root writes everywhere, and nothing here takes that from it",
)
def test_what_cannot_be_written_is_named_and_what_only_reads_changes_nothing(
    undisturbed, reviewed, tmp_path
):
    places = {}
    for name in EVERY:
        places[name] = out, new = tmp_path / f"out {name}", tmp_path / f"new {name}"
        shutil.copytree(undisturbed, out)
        new.mkdir()
        (new / "cache").mkdir()
        furnish(out, new, reviewed)
        if name == "probe":
            made_unwritable(new)
    cases = [Case(name, args, 0) for name, args in EVERY.items()]
    before = {}
    for name, (out, _) in places.items():
        made_unwritable(out)
        before[name] = {path: path.stat().st_mtime_ns for path in [out, *out.rglob("*")]}
    descriptions = [case.description(*places[case.name]) for case in cases]
    told = outcomes(descriptions, *(WITHOUT_OVERRIDE if os.geteuid() == 0 else []))
    for case, (code, _, err) in zip(cases, told, strict=True):
        out, new = places[case.name]
        now = {path: path.stat().st_mtime_ns for path in [out, *out.rglob("*")]}
        made_writable(out)
        made_writable(new)
        assert now == before[case.name]
        if case.name.endswith("(reads)"):
            assert (code, err) == (0, ""), case.name
            continue
        assert code == 74, (case.name, err)
        assert len(err.splitlines()) == 1, case.name
        place = new if case.name == "probe" else out
        assert err.startswith(f"run_all.py: cannot write to {place}"), case.name
