"""The verb ``regress``: compare a run with a committed one, at a known rate of false alarms."""

import contextlib
import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from benchmarks.errors import Exit, RefusedError, count, some
from benchmarks.launch.request import Plugins, Request, Seeds, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.regress.confirmation import Waiting
    from benchmarks.regress.judgement import Judgement

    Writers = Sequence[tuple[Path, Callable[[Judgement], str]]]

regress = App(name="regress")


@regress.default
def judge(  # noqa: PLR0913  options of a command
    folder: Path,
    *,
    baseline: str,
    confirm: bool = True,
    strict: bool = False,
    json: Path | None = None,
    markdown: Path | None = None,
    junit: Path | None = None,
    history: Path | None = None,
    data: Path | None = None,
    plugin: Plugins = (),
    workers: Whole = None,
) -> Exit:
    """Say whether a run is as good as a baseline: which method, setting and metric changed.

    Cells are pairs at the same seed. Each method is tested over its settings and each cell by
    itself, on accuracy, NLL, ECE, ECE after temperature scaling and detection; what one cell's
    tests flag has to show on the reserve seeds of the baseline, too, which are trained into
    FOLDER/confirm. PASS: no change beyond the
    bounds is hidden. CHANGED: a change is there, for the better, or too small to matter. FAIL:
    worse beyond the margin, or missing, or not the same labels. INCONCLUSIVE: too few seeds to
    tell. Exit codes: 0 PASS or CHANGED; 4 FAIL; 5 there is no baseline; 6 INCONCLUSIVE with
    --strict, 0 and a warning without.

    In a job of GitHub, its summary and annotations say it, too.

    Args:
        folder: The results folder of the run.
        baseline: A folder, or REV:FOLDER, as it was at a git revision; REV alone means
            results/baseline/SUITE there.
        confirm: Train the cells that may have become worse at the reserve seeds of the baseline,
            where the folder's plan, plugins and images are there and the code is that of the run;
            without, they are INCONCLUSIVE.
        strict: End with 6 where it is INCONCLUSIVE.
        json: Write all that was found to this file.
        markdown: Write a page to this file.
        junit: Write a test case for each cell to this file.
        history: Append a line for each method and metric to this CSV file, unless the run is in
            it; the report of a results folder shows the history.csv in it or beside it.
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        plugin: A Python file that registers entries of the run; may be given several times.
        workers: How many processes train. [default: as of `run`]
    """
    from benchmarks.regress import baseline as baselines
    from benchmarks.regress import comparison, confirmation

    writers = _writers(json, markdown, junit)
    with baselines.opened(baseline, folder) as opened:
        if confirm:
            given = Request(data=data, plugin=plugin, workers=workers)
            train = functools.partial(_trained, folder, given)
            judgement = confirmation.confirm(folder, opened, train)
        else:
            judgement = comparison.judge(folder, opened, why_not="--no-confirm")
    ending = _told(judgement, writers, strict=strict)
    if history:
        from benchmarks.regress.recording import record

        first = [seed for seed in judgement.seeds if seed not in opened.reserve]
        added = record(history, folder, first or judgement.seeds)
        print(f"history  {history}: {count(added, 'line')} added")
    return ending


def _trained(folder: Path, given: Request, waiting: "Waiting") -> Path:
    """Train what waits for the reserve, and tell of it beside what is found."""
    from benchmarks.launch.reserve import OtherSeeds, train_reserve

    with contextlib.redirect_stdout(sys.stderr):
        return train_reserve(folder, OtherSeeds(*waiting), given)


@regress.command
def speed(  # noqa: PLR0913  options of a command
    run: Path,
    /,
    *again: Path,
    baseline: Annotated[list[str], Parameter(consume_multiple=1, negative="")],
    strict: bool = False,
    json: Path | None = None,
    markdown: Path | None = None,
    junit: Path | None = None,
) -> Exit:
    """Say whether a run is as fast as a baseline: which benchmark became slower, and by how much.

    The minimum and the median have to agree. Times are in units of the calibration kernel that
    was measured in the same run, if all have one; otherwise both sides need the same machine.
    FAIL: a fifth slower, in this run and in each of three more; or missing. INCONCLUSIVE: as much
    slower, and fewer runs; or not comparable. CHANGED: a tenth slower or faster in each of four
    runs. PASS: else. Exit codes are those of `regress`.

    Args:
        run: A file that `pytest --benchmark-json` wrote; or a results folder, of which it is the
            time that a step of each method takes in each setting.
        again: Further runs, which confirm what the first shows.
        baseline: Such a file or folder, or several, whose median counts; of a folder also
            REV:FOLDER.
        strict: End with 6 where it is INCONCLUSIVE.
        json: Write all that was found to this file.
        markdown: Write a page to this file.
        junit: Write a test case for each benchmark to this file.
    """
    from benchmarks.regress import timings
    from benchmarks.regress.speed import judge as judge_speed

    writers = _writers(json, markdown, junit)
    base = [timings.read_baseline(reference, run) for reference in baseline]
    new = [timings.read(path) for path in (run, *again)]
    return _told(judge_speed(new, base), writers, strict=strict)


def _writers(json: Path | None, markdown: Path | None, junit: Path | None) -> "Writers":
    """Return the files that are asked for, with what writes them, if they can be written."""
    from benchmarks.outputs import refuse_foreign_files
    from benchmarks.regress import formats

    asked = {json: formats.json, markdown: formats.markdown, junit: formats.junit}
    writers = [(path, text) for path, text in asked.items() if path]
    if len({path.resolve() for path, _ in writers}) < sum(map(bool, (json, markdown, junit))):
        raise RefusedError("--json, --markdown and --junit need a file each")
    for path, _ in writers:
        refuse_foreign_files(path.parent, "regress", [path.name])
    return writers


def _told(judgement: "Judgement", writers: "Writers", *, strict: bool) -> Exit:
    """Write and print a judgement, and return the exit code that says it."""
    from benchmarks.outputs import replaced_files
    from benchmarks.regress import formats
    from benchmarks.regress.gates import Verdict

    for path, text in writers:
        with replaced_files(path.parent, "regress", adds=True) as new:
            (new / path.name).write_text(text(judgement), encoding="utf-8", newline="\n")
    formats.tell_github(judgement, os.environ)
    print("\n".join(judgement.lines()))
    if judgement.verdict == Verdict.FAIL:
        return Exit.WORSE
    return Exit.UNKNOWN if strict and judgement.verdict == Verdict.INCONCLUSIVE else Exit.DONE


@regress.command
def accept(folder: Path, *, baseline: Path, reason: str, reserve: Seeds = None) -> Exit:
    """Make a run the baseline: copy its tables, and note of what, where and why it is.

    Nothing else changes a baseline, and `regress` refuses one that was edited. Commit the folder.

    Args:
        folder: The results folder of the run, complete.
        baseline: The folder of the baseline, such as results/baseline/SUITE.
        reason: Why this is what later runs shall be as good as.
        reserve: The seeds of the run that are kept to confirm what the others flag.
    """
    from benchmarks.regress.baseline import accept as accept_run

    made = accept_run(folder, baseline, reason, reserve or ())
    print(f"{baseline}: {made.cells} cells, seeds {some(made.seeds)}, reserve {some(made.reserve)}")
    return Exit.DONE
