"""The verb ``run``: train what has no result yet, and draw the report."""

import time
from pathlib import Path

from benchmarks import processes, streams
from benchmarks.cli.next_steps import next_steps
from benchmarks.cli.report import show
from benchmarks.errors import Exit, count
from benchmarks.launch.request import DEFAULT, Request, Whole
from benchmarks.report import refuse_lost_files
from benchmarks.store import read_plan

STARTED = time.perf_counter()


def run(request: Request = DEFAULT, *, report: bool = True, timing: Whole = None) -> Exit:
    """Train every cell that has no result yet, write the CSV files, and draw the report.

    Then say what may come next.

    Args:
        request: What to train.
        report: Draw the report.
        timing: Then train one cell of each method alone, so many times, and keep the seconds and
            memory of all in timings.csv, which the report tells of. Leave the machine idle.
    """
    streams.outlive_readers()
    if timing is not None:
        from benchmarks.launch.timing import refuse_repetitions, time_alone

        refuse_repetitions(timing)
    if report:
        refuse_lost_files(request.folder() / "report")
    if request.device in {None, "cpu"} and not (request.folder() / "plan.json").exists():
        processes.start_fork_server(processes.TRAINING)  # while this process imports the same
    from benchmarks.launch.progress import Times
    from benchmarks.launch.run import run as train_missing

    times = Times(STARTED)
    summary = train_missing(request, times, preload=processes.DRAWING if report else ())
    if summary.untried:
        print(
            f"{count(summary.untried, 'cell')} of {summary.planned} {request.cluster().wait}; run "
            "this again to go on, or `report` to draw what there is"
        )
        return Exit.STOPPED
    if timing:
        time_alone(request, timing)
        times.lap("cells alone")
    if request.shard:
        print(f"shard {request.shard} of {summary.folder} is done; `merge` brings all together")
    elif report and summary.statuses["done"]:
        _look_first(request, summary.folder)
        show(summary.folder)
        times.lap("report")
    print(f"time     {times}")
    if summary.shortfall:
        print(f"{summary.shortfall}; results.csv says why")
        return Exit.SOME_FAILED
    print("\n".join(next_steps(request.data)))
    return Exit.DONE


def _look_first(request: Request, folder: Path) -> None:
    """List the suspects of a folder, for its report to show, where nobody knows true labels."""
    if not read_plan(folder).truth:
        return
    from benchmarks.commands import repeated_options
    from benchmarks.datasets import data_root
    from benchmarks.suspects.first_look import look_first

    repeated = repeated_options(request.data, request.plugin)
    print(look_first(folder, data_root(request.data), repeated))
