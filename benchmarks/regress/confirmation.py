"""What gate B flags is confirmed: the code of a run trains the reserve seeds of its baseline."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.errors import RefusedError
from benchmarks.outputs import WritingError
from benchmarks.regress.baseline import Baseline
from benchmarks.regress.comparison import judge, spare
from benchmarks.regress.judgement import Judgement
from benchmarks.report.data import costs, outcomes


class Waiting(NamedTuple):
    """The flagged cells of a run that lack seeds of the reserve."""

    cells: frozenset[str]  # ids, at whatever seeds the run has
    seeds: tuple[int, ...]
    commits: frozenset[str]  # of the code that trained the run, as far as that is known


def confirm(folder: Path, baseline: Baseline, train: Callable[[Waiting], Path]) -> Judgement:
    """Compare a run with its baseline, and what may have become worse on the reserve seeds, too.

    Args:
        folder: of the run.
        baseline: the other side.
        train: trains what waits and returns the results folder; it is not called where no cell
            waits, and may refuse, which leaves them inconclusive.
    """
    judgement = judge(folder, baseline)
    flagged = {
        (one.method, one.setting)
        for one in judgement.findings
        if one.flagged and one.reserve < len(baseline.reserve)
    }
    if not flagged:
        return judgement
    cells = outcomes(folder)
    if not spare(cells["seed"].tolist(), baseline):
        return judge(folder, baseline, why_not="the run has no others")
    places = zip(cells["method"], cells["setting"], strict=True)
    ids = frozenset(cells.loc[[place in flagged for place in places], "cell_id"])
    try:
        commits = frozenset(costs(folder)["commit"].dropna()) - {""}
        again = train(Waiting(ids, baseline.reserve, commits))
    except RefusedError as error:
        reason = str(error)
    except WritingError as error:
        reason = f"cannot write to {error.filename}: {error.strerror}"
    else:
        return judge(folder, baseline, again)
    return judge(folder, baseline, why_not=f"which cannot be done here: {reason}")
