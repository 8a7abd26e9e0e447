"""The verb ``regress``: compare a run with a committed one, at a known rate of false alarms."""

import os
from pathlib import Path

from cyclopts import App

from benchmarks.errors import Exit, RefusedError, some
from benchmarks.launch.request import Seeds

regress = App(name="regress")


@regress.default
def judge(  # noqa: PLR0913  options of a command
    folder: Path,
    *,
    baseline: str,
    strict: bool = False,
    json: Path | None = None,
    markdown: Path | None = None,
    junit: Path | None = None,
) -> Exit:
    """Say whether a run is as good as a baseline: which method, setting and metric changed.

    Cells are pairs at the same seed. Each method is tested over its settings and each cell by
    itself, on accuracy, NLL, ECE, ECE after temperature scaling and detection; what one cell's
    tests flag has to show on the reserve seeds of the baseline, too. PASS: no change beyond the
    bounds is hidden. CHANGED: a change is there, for the better, or too small to matter. FAIL:
    worse beyond the margin, or missing, or not the same labels. INCONCLUSIVE: too few seeds to
    tell. Exit codes: 0 PASS or CHANGED; 4 FAIL; 5 there is no baseline; 6 INCONCLUSIVE with
    --strict, 0 and a warning without.

    In a job of GitHub, its summary and annotations say it, too.

    Args:
        folder: The results folder of the run.
        baseline: A folder, or REV:FOLDER, as it was at a git revision; REV alone means
            results/baseline/SUITE there.
        strict: End with 6 where it is INCONCLUSIVE.
        json: Write all that was found to this file.
        markdown: Write a page to this file.
        junit: Write a test case for each cell to this file.
    """
    from benchmarks.outputs import refuse_foreign_files, replaced_files
    from benchmarks.regress import baseline as baselines
    from benchmarks.regress import comparison, formats
    from benchmarks.regress.gates import Verdict

    asked = {json: formats.json, markdown: formats.markdown, junit: formats.junit}
    writers = [(path, text) for path, text in asked.items() if path]
    if len({path.resolve() for path, _ in writers}) < sum(map(bool, (json, markdown, junit))):
        raise RefusedError("--json, --markdown and --junit need a file each")
    for path, _ in writers:
        refuse_foreign_files(path.parent, "regress", [path.name])
    with baselines.opened(baseline, folder) as opened:
        judgement = comparison.judge(folder, opened)
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
