"""Changes planted in the code: a patch in a copy of it, trained there, and judged by what is here.

``python -m tests.regress.planted`` writes ``results/reference/regress-planted.md``, in some five
minutes of one core; with names of patches it only prints what became of these.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.errors import some
from benchmarks.outputs import write_atomically
from benchmarks.regress import speed, timings
from benchmarks.regress.baseline import NAME, opened
from benchmarks.regress.comparison import judge
from benchmarks.regress.gates import Verdict

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).with_name("planted_changes")
BASELINE = ROOT / "results" / "baseline" / "regress"
PAGE = ROOT / "results" / "reference" / "regress-planted.md"
NOISY = ("symmetric(rate=0.2)", "symmetric(rate=0.4)")
RESOLVED = (Verdict.FAIL, Verdict.CHANGED)


@dataclass(frozen=True)
class Change:
    """A planted change: in words, the cells that are to show it, and what is to be said first."""

    words: str
    culprit: str  # a regular expression that the first thing that is said begins with
    verdicts: tuple[Verdict, ...] = (Verdict.FAIL,)
    method: str = "cross_entropy"
    models: tuple[str, ...] = ("mlp",)
    noises: tuple[str, ...] = ("clean", *NOISY)
    seeds: tuple[int, ...] = tuple(range(10))  # and the reserve, which saves a second start

    @property
    def cells(self):
        return len(self.models) * len(self.noises) * len(self.seeds)

    def keeps(self, rows):
        own = (rows["method"] == self.method) & rows["model"].isin(self.models)
        return own & rows["noise"].isin(self.noises)


FEW = {"noises": NOISY[1:], "seeds": (0, 1, 2)}
CHANGES = {
    "smoothing_divisor": Change(
        "label smoothing divides by C - 1",
        "label_smoothing, .*: ECE .* worse",
        method="label_smoothing",
    ),
    "elr_without_detach": Change(
        "ELR's target is not detached",
        "elr, clean: NLL .* worse",
        (Verdict.FAIL, Verdict.INCONCLUSIVE),
        method="elr",
    ),
    "ece_bins": Change("30 bins in place of 15", "cross_entropy, .*: ECE .* worse"),
    "learning_rate": Change("the learning rate times 1.3", "cross_entropy, ", RESOLVED),
    "noise_by_method": Change(
        "each method draws its own noise", "cross_entropy, .*: trained on other labels", **FEW
    ),
    "evaluation_in_training_mode": Change(
        "networks are evaluated in training mode",
        "cross_entropy, clean: NLL .* better",
        (Verdict.CHANGED,),
        models=("convnet",),
        noises=("clean",),
    ),
    "last_test_batch": Change(
        "the last test batch is dropped",
        "cross_entropy, .*: tested on another number of images",
        **FEW,
    ),
    "last_training_batch": Change(
        "the last training batch is dropped", "cross_entropy, ", RESOLVED
    ),
    "temperature_of_the_test_set": Change(
        "the temperature is fitted on the test set",
        "label_smoothing, .*: ECE after temperature scaling .* better",
        (Verdict.CHANGED, Verdict.INCONCLUSIVE),
        method="label_smoothing",
    ),
}
"""By the name of the patch."""

TIMED = {"slow_line": "a slow line in every step"}
"""Changes that move no number, which `regress speed` has to find."""
EPOCH = "test_an_epoch[mlp-1]"


def judgement_of(name, place):
    """Train a changed copy of the code and return what is said of it."""
    change, code, run = CHANGES[name], copied(place / "code"), place / "run"
    patched(name, code)
    base = part_of_baseline(place / "base", change.keeps)
    axes = ("--methods", change.method, "--models", *change.models, "--noises", *change.noises)
    options = (*axes, "--seeds", *change.seeds, "--workers", 1, "--no-report", "--out", run)
    started(code, "run_all.py", "run", "regress", *options)
    with opened(str(base), run) as baseline:
        return judge(run, baseline)


def judgement_of_speed(name, place):
    """Time an epoch of a changed copy of the code and return what is said of it."""
    code = copied(place / "code")
    for other in ("tests", "conftest.py", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / other).is_dir() else shutil.copy
        copy(ROOT / other, code / other)
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-only")
    words += (f"tests/speed/test_kernels.py::{EPOCH}", "--benchmark-json")
    started(code, *words, place / "base.json")
    patched(name, code)
    runs = [place / f"{number}.json" for number in range(1 + speed.CONFIRMATIONS)]
    for run in runs:
        started(code, *words, run)
    return speed.judge(
        *([timings.read(path) for path in each] for each in (runs, [place / "base.json"]))
    )


def copied(folder):
    """Copy the code that trains."""
    for name in ("benchmarks", "methods"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run_all.py", folder)
    return folder


def patched(name, folder, *options):
    """Apply a patch to a folder, which is no part of a repository around it."""
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)}
    command = ["git", "apply", *options, PATCHES / f"{name}.patch"]
    subprocess.run(command, cwd=folder, env=environment, check=True)


def started(code, *words):
    """Run Python with a copy of the code."""
    command = [sys.executable, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run(command, cwd=code, env=environment, capture_output=True, check=False)
    if done.returncode not in {0, 4}:
        raise AssertionError((done.stdout + done.stderr).decode())


def part_of_baseline(folder, keep):
    """Write what the committed baseline has of some cells, chosen by a function of its rows."""
    folder.mkdir()
    results, detection = (
        pd.read_csv(BASELINE / table, dtype=str, keep_default_na=False)
        for table in ("results.csv", "detection.csv")
    )
    results = results[keep(results)]
    detection = detection[detection["cell_id"].isin(results["cell_id"])]
    results.to_csv(folder / "results.csv", index=False)
    detection.to_csv(folder / "detection.csv", index=False)
    shutil.copy(BASELINE / NAME, folder)
    return folder


def refuted(name, judgement):
    """Say what a judgement should have been; nothing where it is as expected."""
    change = CHANGES[name]
    first = [*judgement.sentences(judgement.verdict), "nothing"][0]
    if judgement.verdict not in change.verdicts:
        return f"{' or '.join(change.verdicts)} expected, not {judgement.verdict}: {first}"
    return "" if re.match(change.culprit, first) else f"{change.culprit} expected first: {first}"


HEAD = """# Changes planted in the code, as `regress` judges them

Written by `python -m tests.regress.planted`; nothing in it is edited by hand. Each row is a patch
of `tests/regress/planted_changes/`, applied to a copy of the code. That trains some cells of the
suite `regress`; the code without the patch compares them with the same cells of
`results/baseline/regress`, and what it flags at the reserve seeds. A change fails beyond its
margin: 0.2 points of accuracy, AUROC and ECE (0.3 after temperature scaling) and 2 % of NLL over a
method, 2.5 times as much in a cell.

INCONCLUSIVE is what five seeds, and five of the reserve, neither show nor rule out at the levels
that keep false alarms rare. What is resolved among a few cells may not be among the tests of the
whole suite: evaluation in training mode changes little.

| planted | cells | verdict | named first | and then |
|---|---:|---|---|---|
"""


def row(name, judgement):
    """Tell of a change in a line of the table."""
    told = [
        f"{verdict}: {one}"
        for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.CHANGED)
        for one in judgement.sentences(verdict)
    ]
    first, *rest = told or ["nothing"]
    words, cells = (
        (CHANGES[name].words, CHANGES[name].cells) if name in CHANGES else (TIMED[name], "")
    )
    others = some(rest, 4, "<br>") if rest else ""
    return f"| {words} (`{name}`) | {cells} | {judgement.verdict} | {first} | {others} |"


def main(names):
    lines = []
    for name in names or (*CHANGES, *TIMED):
        judged = judgement_of if name in CHANGES else judgement_of_speed
        with tempfile.TemporaryDirectory(prefix="planted-") as place:
            judgement = judged(name, Path(place))
        lines.append(row(name, judgement))
        print(lines[-1], refuted(name, judgement) if name in CHANGES else "", sep="\n", flush=True)
    if not names:
        write_atomically(PAGE, (HEAD + "\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1:])
