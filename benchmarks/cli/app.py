"""The command line. Each verb imports what it needs when it runs, so that help is instant."""

import signal
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal, NoReturn

from cyclopts import App, CycloptsError

from benchmarks import suites
from benchmarks.cli.compare import compare
from benchmarks.cli.data import data
from benchmarks.cli.suspects import relabel, suspects
from benchmarks.errors import Exit, RefusedError
from benchmarks.launch.request import Plugins, Request

if TYPE_CHECKING:
    from benchmarks.launch.session import Session

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

app.command(data)
app.command(compare)
app.command(suspects)
app.command(relabel)

STARTED = time.perf_counter()
DEFAULT = Request()
VERBS = (
    *("run", "plan", "probe", "status", "report", "collect", "suspects", "relabel", "compare"),
    *("ls", "data", "check"),
)
VenueName = Literal["neurips", "iclr", "icml", "tmlr", "jmlr"]
Kind = Literal[
    "datasets", "noises", "methods", "models", "recipes", "profiles", "metrics", "suites"
]


@app.command
def run(request: Request = DEFAULT, *, report: bool = True) -> Exit:
    """Train every cell that has no result yet, write the CSV files, and draw the report.

    Args:
        request: What to train.
        report: Draw the report.
    """
    from benchmarks import processes  # noqa: PLC0415

    if request.device in {None, "cpu"} and not (request.folder() / "plan.json").exists():
        processes.start_fork_server(processes.TRAINING)  # while this process imports the same
    from benchmarks.launch import session  # noqa: PLC0415
    from benchmarks.launch.timing import Times  # noqa: PLC0415

    times = Times(STARTED)
    if trial := session.trials(request):
        _announce(trial, "trials")
        session.tune(request, trial)
        times.lap("trials")
    prepared = session.prepare(request)
    _announce(prepared, "cells")
    missing = {cell.id for cell in prepared.missing()}
    times.lap("start-up")
    if report and missing:
        processes.import_in_background(processes.DRAWING)  # the workers are not there yet
    parts = session.train(prepared)
    costs = [meta["costs"] for i, meta in parts.meta.items() if i in missing]
    times.trained(costs, min(prepared.workers, len(missing)))
    planned = len(prepared.plan.cells)
    planned_ids = {cell.id for cell in prepared.plan.cells}
    counts = Counter(m["status"] for i, m in parts.meta.items() if i in planned_ids)
    if report and counts["done"]:
        _show(prepared.folder)
        times.lap("report")
    print(f"time     {times}")
    if bad := counts["failed"] + counts["diverged"]:
        print(f"{bad} of {planned} cells have no result; results.csv says why")
        return Exit.SOME_FAILED
    return Exit.DONE


def _announce(prepared: "Session", noun: str) -> None:
    """Say what is about to be trained, and what was damaged."""
    missing, planned = len(prepared.missing()), len(prepared.plan.cells)
    workers = min(prepared.workers, missing)
    print(
        f"{prepared.folder}: {planned} {noun}, {planned - missing} done, {missing} to train on "
        f"{prepared.device} in {workers} {'process' if workers == 1 else 'processes'}",
        flush=True,
    )
    for path in prepared.parts.damaged:
        print(f"damaged, put aside, its cells are trained again: {path}")


@app.command
def plan(request: Request = DEFAULT) -> Exit:
    """Show what a run would train, how long, and what it would take on the disk; train nothing.

    Args:
        request: What would be trained.
    """
    from benchmarks.engine.drivers import in_words  # noqa: PLC0415
    from benchmarks.launch import session  # noqa: PLC0415
    from benchmarks.planning.plan import disk_bytes  # noqa: PLC0415

    trial = session.trials(request)
    first = trial if trial and trial.missing() else None
    prepared = first or session.prepare(request)
    cells, missing = prepared.plan.cells, prepared.missing()
    if first:
        print("trials of the profile tuned; the cells follow with what they choose")
    every = [cell.keys() for cell in cells]
    for axis in ("dataset", "noise", "method", "model", "recipe", "seed"):
        values = dict.fromkeys(str(keys[axis]) for keys in every)
        print(f"{axis:8} {'  '.join(values)}")
    print(f"cells    {len(cells)} planned, {len(cells) - len(missing)} done, {len(missing)} to do")
    print(f"device   {prepared.device} ({cells[0].precision}), {prepared.workers} workers")
    for kind, width in prepared.plan.widths.items():
        print(f"driver   {kind}: {in_words(width, prepared.plan.flags)}")
    print(f"disk     {disk_bytes(cells, keep_all=prepared.plan.keep_all) / 2**20:.0f} MiB")
    print(
        f"memory   about {prepared.memory() / 2**20:.0f} MiB a process, beside what PyTorch takes"
    )
    print(f"time     {prepared.estimate()}")
    return Exit.DONE


@app.command
def probe(request: Request = DEFAULT) -> Exit:
    """Measure how fast this machine trains, for `plan` to predict and `run` to choose packs.

    Args:
        request: What to measure: each method on each dataset and model that a run would train.
    """
    from benchmarks.launch import session  # noqa: PLC0415
    from benchmarks.planning.throughput import cache_file  # noqa: PLC0415

    for cell, driver, cost in session.probe(request):
        keys, took = cell.keys(), cost.of_cell(cell)
        print(f"{keys['dataset']} {keys['model']} {keys['method']}  {driver}: {took:.2f} s a cell")
    print(f"kept in {cache_file()}")
    return Exit.DONE


@app.command
def status(folder: Path = Path("results/default")) -> Exit:
    """Show how much of a results folder is done, and what failed.

    Args:
        folder: The results folder.
    """
    from benchmarks.store.status import describe  # noqa: PLC0415

    print(describe(folder))
    return Exit.DONE


@app.command
def report(
    folder: Path = Path("results/default"), *, force: bool = False, venue: VenueName = "neurips"
) -> Exit:
    """Draw the figures, tables and verdict of a results folder.

    Args:
        folder: The results folder.
        force: Draw them again even if nothing changed.
        venue: Whose page the figures fit at their natural size.
    """
    from benchmarks.store import Parts, derive  # noqa: PLC0415

    if (folder / "parts").is_dir():  # committed results have only the CSV files
        derive(folder, Parts(folder))
    _show(folder, force=force, venue=venue)
    return Exit.DONE


@app.command
def collect(folder: Path = Path("results/default")) -> Exit:
    """Compute every metric again from the kept logits, without training; rewrite the CSV files.

    Args:
        folder: The results folder.
    """
    from benchmarks.engine.collect import collect as again  # noqa: PLC0415

    found = again(folder)
    print(f"{folder}: {found.cells} cells measured again")
    if found.partly:
        print(f"{found.partly} keep only the last epoch's logits: val and oracle are as trained")
    for path in found.damaged:
        print(f"damaged, put aside, run trains its cells again: {path}")
    return Exit.DONE


@app.command
def ls(kind: Kind | None = None) -> Exit:
    """List what can be named: datasets, noises, methods, models, profiles, metrics and so on.

    Args:
        kind: Only these.
    """
    from benchmarks.listing import listing  # noqa: PLC0415

    print(listing(kind))
    return Exit.DONE


@app.command
def check(*, plugin: Plugins) -> Exit:
    """Check that your own methods, datasets, noises and models do what the suite relies on.

    Args:
        plugin: A Python file that registers entries; may be given several times.
    """
    from benchmarks import plugins  # noqa: PLC0415
    from benchmarks.contract import examine  # noqa: PLC0415

    faults = 0
    for kind, name in [pair for path in plugin for pair in plugins.load(path)]:
        print(f"{kind} {name}")
        for finding in examine(kind, name):
            print(textwrap.indent(str(finding), "  "))
            faults += bool(finding.fault)
    print(f"{faults} {'fault' if faults == 1 else 'faults'}")
    return Exit.SOME_FAILED if faults else Exit.DONE


def _show(folder: Path, *, force: bool = False, venue: VenueName = "neurips") -> None:
    """Draw a report and print what it says and where it is."""
    from benchmarks import processes  # noqa: PLC0415
    from benchmarks.report import build  # noqa: PLC0415

    built = build(folder, force=force, venue=venue, workers=processes.cores())
    print(f"\n{built.ranking}\n\n{built.verdict}\n")
    print(f"results  {folder / 'results.csv'}")
    print(f"report   {built.folder / 'report.md'}{'' if built.rebuilt else ' (unchanged)'}")
    print(f"browser  {built.folder / 'report.html'}")
    print(f"figures  {built.folder / 'figures'}")


def main(argv: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(app(_with_verb(argv), exit_on_error=False, print_error=False) or Exit.DONE)
    except CycloptsError as error:
        print(f"run_all.py: {error}", file=sys.stderr)
        return Exit.USAGE
    except RefusedError as error:
        print(f"run_all.py: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("interrupted; running again continues", file=sys.stderr)
        return Exit.INTERRUPTED
    except _TerminatedError:
        print("terminated; running again continues", file=sys.stderr)
        return Exit.TERMINATED


def _with_verb(argv: Sequence[str]) -> list[str]:
    """Put ``run`` before a suite's name, before options, and where nothing stands."""
    first = argv[0] if argv else "run"
    if first in {*VERBS, "--help", "-h"}:
        return list(argv) or [first]
    known = (*VERBS, *suites.names())
    if first not in known and not first.startswith("-") and not first.endswith(".toml"):
        from methods.bounds import suggestion  # noqa: PLC0415

        hint = suggestion(first, known) or ";"
        raise RefusedError(f"no verb or suite {first!r}{hint} known: {', '.join(known)}")
    return ["run", *argv]


class _TerminatedError(BaseException):
    """SIGTERM, as an exception that passes through ``finally``."""


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise _TerminatedError
