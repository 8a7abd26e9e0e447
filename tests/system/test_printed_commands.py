"""A command that a page or a verb prints is accepted as it is printed.

What reads is run in a folder where everything lies that pages name; what trains, measures or
downloads goes as far as its plan.
"""

import contextlib
import importlib.util
import shlex
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.launch.run import train
from tests.system.printed import PAGES, ROOT, of_output, of_page, of_workflow, sites
from tests.system.runs import TINY, run

NOT_RUN = {
    "python -m pip install -e .": "it needs a network",
    "python -m pip install -e '.[test]'": "it needs a network",
    "pre-commit install": "it writes to the checkout",
    "pre-commit install --hook-type pre-push": "likewise",
}
"""What is not ours to try, and why."""

STOPPED = {
    "benchmarks.data_files.fetch_files": "downloading needs a network",
    "benchmarks.datasets.downloaded.Downloaded.fetch": "downloading needs a network",
    "benchmarks.noise.human.Human.download": "downloading needs a network",
    "benchmarks.planning.probe.probe": "measuring takes minutes",
}
"""Where a command has been accepted, and why it goes no further; so has one that trains many."""

FEW = 12

NEEDS_A_GPU = ("--graph", "--branches")
NEED_MORE = ("check", "compare", "regress", "relabel", "suspects")
MEANT = {"<name>": "default", "SUITE": "default", "DIR": "results/default", "REF": "results/a"}
MEANT |= {"HEAD~1:results/reference/default": "results/a"}  # in no repository here
MEANT |= {"RUN": "results/a", "AGAIN...": "results/a"}
MEANT |= {f"speed-{k}.json": "results/a" for k in range(1, 5)}
MEANT |= {f"../before/speed-{k}.json": "results/b" for k in range(1, 5)}
MEANT |= {"results/mine": "results/few", "results/reference/methods": "results/a"}
"""What stands for a word on a page that means no word of its own."""

PAGE_OF = {
    command: page
    for page in reversed(PAGES)
    for command in of_page((ROOT / page).read_text(encoding="utf-8"))
}
ON_PAGES = [
    pytest.param(command, id=f"{page}: {command}")
    for command, page in sorted(PAGE_OF.items())
    if command not in NOT_RUN
]
WORKFLOW = (ROOT / ".github" / "workflows" / "regress.yml").read_text(encoding="utf-8")


class AcceptedError(BaseException):
    """Raised where a command has been accepted."""


@pytest.fixture(scope="module")
def prepared(undisturbed, tmp_path_factory):
    """A folder in which everything lies that the pages name."""
    folder = tmp_path_factory.mktemp("newcomer")
    for name in ("default", "a", "b", "few", "lost", "regress", "baseline/regress"):
        shutil.copytree(undisturbed, folder / "results" / name)
    assert run("drop", folder / "results" / "few", "--methods", "reweighting")[0] == 0
    min((folder / "results" / "lost" / "parts").iterdir()).unlink()
    example = (ROOT / "benchmarks/examples/my_method.py").read_text(encoding="utf-8")
    (folder / "mine.py").write_text(example.replace('"my_method"', '"mine"'), encoding="utf-8")
    noise = ("noise", "digits", "symmetric(rate=0.4)", "--seeds", 0, 1)
    assert run("data", *noise, "--out", folder / "labels")[0] == 0
    assert run("report", folder / "results" / "default")[0] == 0
    lr = "small(epochs=2, lr=1e30)"
    bad = (
        "--methods",
        "cross_entropy",
        "--noises",
        "symmetric(rate=0.4)",
        "--recipes",
        lr,
        "--no-report",
    )
    assert run(*bad, "--seeds", 0, "--out", folder / "results" / "diverged")[0] == 3
    audited = shutil.copytree(undisturbed, tmp_path_factory.mktemp("audited") / "run")
    assert run("suspects", audited, "--top", 3, "--methods", "reweighting")[0] == 0
    fill_in(audited / "suspects" / "reviewed.csv")
    shutil.copy(audited / "suspects" / "reviewed.csv", folder)
    labels = f"{folder}/labels-{{seed}}.npy"
    assert run("relabel", audited, folder / "reviewed.csv", "--out", labels)[0] == 0
    for seed in (2, 3, 4):  # the default job has five
        shutil.copy(folder / "labels-1.npy", folder / f"labels-{seed}.npy")
    after = folder / "results" / "default-relabelled"
    given = ("--noises", f"labels(file={labels!r})", "--seeds", 0, 1, "--no-report")
    few = ("--methods", "reweighting", "--recipes", "small(epochs=3)")
    assert run(*few, *given, "--out", after)[0] == 0
    return folder


@pytest.fixture
def accept(prepared, tmp_path, monkeypatch):
    """Try a command where a newcomer would, and then those that it prints."""
    monkeypatch.chdir(shutil.copytree(prepared, tmp_path / "here"))

    def to(command, tried=()):
        words = [MEANT.get(word, word) for word in shlex.split(command)]
        if words[0] == "make":
            make = shutil.which("make") or pytest.skip("there is no make")
            subprocess.run([make, "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
        elif words[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(words[2]) is not None
        else:
            arguments = words[2:] if words[0] == "python" else words[1:]
            if len(arguments) == 1 and arguments[0] in NEED_MORE:  # a page names the verb
                arguments.append("--help")
            if arguments[:1] == ["relabel"]:
                fill_in(Path(arguments[2]))
            for printed in dict.fromkeys(answer(arguments)):
                if printed not in (command, *tried):
                    to(printed, (command, *tried))

    return to


def fill_in(reviewed):
    """Do what a reviewer does between two commands: confirm the suspects, in a table beside it."""
    if not reviewed.exists():
        table = reviewed.with_name("suspects.csv")
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
        rows.assign(corrected=rows["given"]).to_csv(reviewed, index=False)


@contextlib.contextmanager
def _without_figures(*_args):
    """Draw nothing beside a report, which takes seconds and says nothing of a command."""
    yield list


def answer(arguments):
    """Run a command line of ours, which must be accepted; return the commands that it prints."""

    def stop(*_args, **_options):
        raise AcceptedError

    def train_few(session):
        few = len(session.missing()) <= FEW and all(c.recipe.epochs < 4 for c in session.missing())
        return train(session) if few else stop()

    with pytest.MonkeyPatch.context() as patch:
        for place in STOPPED:
            patch.setattr(place, stop)
        patch.setattr("benchmarks.launch.run.train", train_few)
        patch.setattr(
            "benchmarks.cli.run.show", lambda _: None
        )  # the verb report is tried by itself
        patch.setattr("benchmarks.processes.start_fork_server", lambda _: None)
        patch.setattr("benchmarks.report.document.draw_beside", _without_figures)
        try:
            code, out, err = run(*arguments)
        except AcceptedError:
            return []
    if set(NEEDS_A_GPU) & set(arguments) and code == 2:
        assert "needs --device cuda" in err
        return []
    assert code == 0, err
    return [] if "--help" in arguments else of_output(out + err)


SMALL = "random_conv(patches=16, size=16)"
VECTORS = f"embedded(dataset='digits', backbone={SMALL!r})"
PRINTED = {
    "cli/app.py:_refuse_late_verb": ("--seeds 0 plan", 2),
    "cli/data.py:noise": ("data noise digits clean --out new --data nowhere", 0),
    "cli/data.py:_refuse_swapped": ("data noise clean digits --out new --data nowhere", 2),
    "cli/embed.py:embed": (f"embed digits --backbone {shlex.quote(SMALL)} --out vectors.npz", 0),
    "cli/next_steps.py:next_steps": None,  # at the end of a run, see below
    "datasets/downloaded.py:_checked": ("data verify mnist --data nowhere", 5),
    "datasets/embedded.py:_about": (f"data verify {shlex.quote(VECTORS)} --data nowhere", 5),
    "launch/forecast.py:_absent": ("plan --datasets mnist --seeds 0 --data nowhere", 0),
    "noise/human.py:read": ("data verify cifar10n --data nowhere", 5),
    "report/own_labels.py:_steps": None,  # of a report: test_unknown_truth.py runs them
    "store/dropping.py:lines": ("drop results/default --methods co_teaching", 0),
    "store/held.py:held_lines": ("plan --out results/lost --seeds 0 --data nowhere", 0),
    "store/tables.py:refuse_loss": ("collect results/lost", 2),
    "suspects/audit.py:audit": (
        "suspects results/default --seeds 0 --methods reweighting --data nowhere",
        0,
    ),
    "suspects/ranking.py:_why_nothing_finished": ("suspects results/diverged", 2),
    "suspects/retraining.py:_steps": (
        "relabel results/default reviewed.csv --out 'labels-{seed}.npy' --data nowhere",
        0,
    ),
}
"""Where our code makes a command for the user, and what lets it print that, with its exit code."""


def test_every_place_that_prints_commands_is_tried():
    assert sites() == {f"benchmarks/{site}" for site in PRINTED}


@pytest.mark.parametrize("site", [site for site, by in PRINTED.items() if by is not None])
def test_a_command_that_a_verb_prints_is_accepted(accept, site):
    command, code = PRINTED[site]
    found, out, err = run(*shlex.split(command))
    assert found == code, err
    pages = "".join(path.read_text(encoding="utf-8") for path in Path().glob("*/*/*/*.md"))
    commands = of_output(out + err + pages)
    assert commands
    assert "nowhere" not in command or any("--data nowhere" in printed for printed in commands)
    for printed in dict.fromkeys(commands):
        accept(printed)


@pytest.mark.parametrize("command", [*ON_PAGES, *of_workflow(WORKFLOW)])
def test_a_command_on_a_page_is_accepted(accept, command):
    accept(command)


def test_the_end_of_a_run_says_what_may_come_next_in_three_commands(accept, undisturbed, tmp_path):
    out = shutil.copytree(undisturbed, tmp_path / "out")
    code, text, err = run(*TINY, "--out", out, "--data", "nowhere")
    assert code == 0, err
    last = text.splitlines()[-3:]
    assert [line.split()[1].strip(":,") for line in last] == ["method", "data", "labels"]
    commands = [command for line in last for command in of_output(line)]
    assert len(commands) == 3
    assert "--data nowhere" in commands[1]
    for command in commands:
        accept(command)
