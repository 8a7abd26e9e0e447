"""The command line: its verbs, its exit codes, and which verb a command line means.

Each verb imports what it needs when it runs, so that help is instant.
"""

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from cyclopts import App, CycloptsError

from benchmarks import blame, suites
from benchmarks.cli.check import check
from benchmarks.cli.collect import collect
from benchmarks.cli.compare import compare
from benchmarks.cli.data import data
from benchmarks.cli.ls import ls
from benchmarks.cli.plan import plan
from benchmarks.cli.probe import probe
from benchmarks.cli.relabel import relabel
from benchmarks.cli.report import report
from benchmarks.cli.run import run
from benchmarks.cli.status import status
from benchmarks.cli.suspects import suspects
from benchmarks.errors import Exit, InterruptError, RefusedError, StopError

app = App(
    name="run_all.py",
    help="""Benchmark methods for learning with noisy labels.

    Without a verb, `run`; without a suite, `default`: real images, hard labels against label
    smoothing, reweighting and their rivals, from training to figures in about a minute. Running
    again continues where the last run ended.

    Exit codes: 0 done; 1 internal error; 2 usage, nothing ran; 3 some cells or checks failed;
    5 data missing; 130 interrupted and 143 terminated, where running again continues.
    """,
    version_flags=[],
    suppress_keyboard_interrupt=False,  # main says what to do next
    result_action="return_value",
)

for verb in (run, plan, probe, status, report, collect, suspects, relabel, compare, ls):
    app.command(verb)
app.command(data)
app.command(check)
VERBS = tuple(name for name in app if not name.startswith("-"))


def main(argv: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return int(app(_with_verb(argv), exit_on_error=False, print_error=False) or Exit.DONE)
    except (CycloptsError, RefusedError) as error:
        print(f"run_all.py: {error}", file=sys.stderr)
        return error.code if isinstance(error, RefusedError) else Exit.USAGE
    except BaseException as error:
        if (code := _told(error)) is None:
            raise
        return code


def _told(error: BaseException) -> Exit | None:
    """Say what ended the program and return its exit code; None for a fault of ours."""
    if sentence := blame.failure(error):  # of a plugin, whatever it raises
        print(f"run_all.py: {sentence}", file=sys.stderr)
        return Exit.DATA_MISSING if isinstance(error, OSError) else Exit.USAGE
    if isinstance(error, KeyboardInterrupt):
        print("interrupted; running again continues", file=sys.stderr)
        return Exit.INTERRUPTED
    if isinstance(error, _TerminatedError):
        print("terminated; running again continues", file=sys.stderr)
        return Exit.TERMINATED
    return None


def _with_verb(argv: Sequence[str]) -> list[str]:
    """Return a command line with ``run`` before a suite's name or options, and for an empty one."""
    first = argv[0] if argv else "run"
    if first in {*VERBS, "--help", "-h"}:
        return list(argv) or [first]
    known = (*VERBS, *suites.names())
    if first not in known and not first.startswith("-") and not first.endswith(".toml"):
        from methods.bounds import suggestion

        hint = suggestion(first, known) or ";"
        raise RefusedError(f"no verb or suite {first!r}{hint} known: {', '.join(known)}")
    return ["run", *argv]


class _TerminatedError(StopError):
    """The exception that SIGTERM raises."""


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise InterruptError


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminatedError
