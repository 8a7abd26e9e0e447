"""What a report says of the history of its suite: which methods changed, and with which run."""

from benchmarks.errors import RefusedError, count
from benchmarks.report import history
from benchmarks.report.analysis import Analysis
from benchmarks.report.history import Change
from benchmarks.report.phrases import capitalised
from benchmarks.report.render import Words, bullets


def words(analysis: Analysis) -> Words:
    """Return a line for each change that lasts, or that there is none, or why nobody knows."""
    rows = analysis.run.history
    runs = int(rows["run"].nunique())
    try:
        found = list(history.changes(rows))
    except RefusedError as reason:
        return Words(f"{capitalised(str(reason))}.")
    if runs < 2 * history.SHORTEST:
        least = 2 * history.SHORTEST
        return Words(f"The history has {count(runs, 'run')}; from {least} on, changes are sought.")
    if not found:
        return Words(f"No method has changed its level in {runs} runs.")
    return Words(bullets([_line(analysis, one) for one in found]))


def _line(analysis: Analysis, one: Change) -> str:
    """Say which method changed, how, and which run was the first."""
    metric = analysis.run.words.metric(one.metric, history.TRACKED)
    change = one.after - one.before
    better = (change > 0) == (metric.better == "higher")
    size, *sides = (
        f"{100 * value:.1f}" if metric.percent else f"{value:.3f}"
        for value in (abs(change), one.before, one.after)
    )
    when = f"{one.first['time']:%Y-%m-%d}"
    by = f", commit {one.first['commit']}" if one.first["commit"] else ""
    unit = " points" if metric.percent else ""
    return (
        f"{analysis.label(one.method)}: {metric.label} {size}{unit} "
        f"{'better' if better else 'worse'} ({sides[0]} to {sides[1]}) since run "
        f"{one.first['number']} ({when}{by})"
    )
