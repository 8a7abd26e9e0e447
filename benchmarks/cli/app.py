"""The command line: its verbs, its exit codes, and which verb a command line means.

Each verb imports what it needs when it runs, so that help is instant.
"""

import re
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from cyclopts import App, CycloptsError

from benchmarks import suites
from benchmarks.cli.check import check
from benchmarks.cli.clean import clean
from benchmarks.cli.collect import collect
from benchmarks.cli.compare import compare
from benchmarks.cli.data import data
from benchmarks.cli.drop import drop
from benchmarks.cli.embed import embed
from benchmarks.cli.ending import ending_of
from benchmarks.cli.export import export
from benchmarks.cli.ls import ls
from benchmarks.cli.merge import merge
from benchmarks.cli.plan import plan
from benchmarks.cli.probe import probe
from benchmarks.cli.regress import regress
from benchmarks.cli.relabel import relabel
from benchmarks.cli.report import report
from benchmarks.cli.run import run
from benchmarks.cli.status import status
from benchmarks.cli.suspects import suspects
from benchmarks.cli.usage import fault_of
from benchmarks.commands import command_line, program_name
from benchmarks.errors import Exit, RefusedError, suggestion
from benchmarks.file_names import home_expanded

if TYPE_CHECKING:
    from rich.console import Console

PACKAGE = "noisy-label-bench"
NARROWEST, WIDEST = 40, 160  # letters of a line of help
PRINTED = {"--help", "-h", "--version", "-V"}
"""The options that print a text and do nothing else."""


def _version() -> str:
    """Return the name and version of this program, and its commit where that is known."""
    import tomllib

    from benchmarks.launch.environment import commit

    try:
        number = version(PACKAGE)
    except PackageNotFoundError:  # it runs from a clone, without having been installed
        text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
        number = tomllib.loads(text)["project"]["version"]
    known = commit()
    return f"{PACKAGE} {number}" + (f", commit {known}" if known else "")


app = App(
    name=program_name(),
    help="""Benchmark methods for learning with noisy labels.

    Without a verb, `run`; without a suite, `default`: real images, hard labels against label
    smoothing, reweighting and their rivals, from training to figures in about a minute. Running
    again continues where the last run ended.

    Exit codes: 0 done; 1 internal error; 2 usage, nothing ran; 3 some cells or checks failed;
    4 worse than the baseline; 5 data or baseline missing; 6 with `regress --strict`, nobody can
    tell; 74 a file could not be read or written, or memory was short; 75 stopped before all was
    trained, or handed to Slurm, and running again continues; 141 nobody reads the output any more
    (a run trains on); 129 hung up, 130 interrupted and 143 terminated, where running again
    continues.
    """,
    version=_version,
    version_flags=["--version", "-V"],
    suppress_keyboard_interrupt=False,  # main says what to do next
    result_action="return_value",
)

for verb in (run, plan, probe, status, report, collect, suspects, relabel, compare, export, ls):
    app.command(verb)
app.command(data)
app.command(regress)
app.command(drop)
app.command(embed)
app.command(merge)
app.command(clean)
app.command(check)
VERBS = tuple(name for name in app if not name.startswith("-"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, of this process if none is given, and return its exit code."""
    return int(ending_of(lambda: _called(sys.argv[1:] if argv is None else argv)))


def _called(argv: Sequence[str]) -> Exit:
    """Call the verb of a command line and return its exit code."""
    _refuse_empty(argv)
    _refuse_undecodable(argv)
    tokens = _with_verb([_expanded(token) for token in argv])
    if not (prints := PRINTED & set(tokens)):
        _refuse_lost_place()
    console = _console() if prints else None
    try:
        done = app(tokens, exit_on_error=False, print_error=False, console=console)
    except CycloptsError as error:
        raise RefusedError(fault_of(error)) from error
    return Exit(done or Exit.DONE)


def _refuse_empty(argv: Sequence[str]) -> None:
    """Refuse an empty value: it is a variable of the shell that is not set, and means nothing."""
    option = "an argument"
    for token in argv:
        name, equals, value = token.partition("=")
        option = name if name.startswith("-") else option
        if not token.strip() or (name.startswith("--") and equals and not value.strip()):
            raise RefusedError(
                f"{option} is empty, as from a variable of the shell that is not set; give it a "
                "value or leave it out"
            )


def _refuse_undecodable(argv: Sequence[str]) -> None:
    """Refuse an argument with bytes that are no text: no table or page could show it."""
    for token in argv:
        if token.encode("utf-8", "ignore").decode() != token:
            raise RefusedError(
                f"the argument {token!r} has bytes that are no {sys.getfilesystemencoding()} text; "
                "rename the file, or write the argument in letters"
            )


def _expanded(token: str) -> str:
    """Return an argument with the folder of its user in place of ``~``, where a shell left it.

    A shell expands none in quotes, nor in ``--out=~/x``.
    """
    before = option[0] if (option := re.match(r"--[^=]+=", token)) else ""
    return before + home_expanded(token.removeprefix(before))


def _refuse_lost_place() -> None:
    """Refuse to work in a folder that has been removed: libraries end the program there."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise RefusedError("the current folder has been removed; change to another") from error


def _console() -> "Console":
    """Return where help is printed, of a width at which it can be laid out."""
    from rich.console import Console

    columns, lines = shutil.get_terminal_size()
    return Console(width=min(max(columns, NARROWEST), WIDEST), height=max(lines, 1))


def _with_verb(argv: Sequence[str]) -> list[str]:
    """Return a command line with ``run`` before a suite's name or options, and for an empty one."""
    first = argv[0] if argv else "run"
    if first in {*VERBS, *PRINTED}:
        return list(argv) or [first]
    known = (*VERBS, *suites.names())
    named = first in known or suites.is_file(first) or Path(first).is_dir()
    if not named and not first.startswith("-") and not first.endswith(".py"):
        lost = " and no such folder;" if Path(first).name != first else ";"
        hint = suggestion(first, (*known, *PRINTED)) or lost
        raise RefusedError(
            f"no verb or suite {first!r}{hint} known: {', '.join(known)}, a .toml file, or a "
            "results folder"
        )
    _refuse_late_verb(argv)
    return ["run", *argv]


def _refuse_late_verb(argv: Sequence[str]) -> None:
    """Refuse a verb that stands behind a suite or options, where it would be taken for a value.

    Right behind an option it is one, ``--out report``, unless the option is a switch.
    """
    options = [each for each in app["run"].assemble_argument_collection() if each.parse]
    taking = {
        n for each in options if bool not in {each.hint, *get_args(each.hint)} for n in each.names
    }
    for place, (before, token) in enumerate(pairwise(argv), 1):
        if token in VERBS and before not in taking:
            end = place + (2 if token == data.name[0] else 1)
            right = command_line(*argv[place:end], *argv[:place], *argv[end:])
            raise RefusedError(f"the verb {token} comes first, as in: {right}")
