"""Accuracy at equal compute beside accuracy at equal epochs, of the best methods of each family.

``python -m tests.report.equal_compute [FOLDER]`` writes ``results/reference/equal-compute.md``, in
ten minutes of two idle cores. What it trains stays in FOLDER, if one is named, and is not trained
again.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.outputs import write_atomically
from benchmarks.report import stats
from benchmarks.report.analysis import BACKWARD, Analysis
from benchmarks.report.data import costs, load
from tests.report.studies import REFERENCE, STUDY, accuracies, in_folder, train

PAGE = REFERENCE / "equal-compute.md"
EPOCHS, TIMES = 30, 6
"""Epochs of the study of all methods, and how often the compute of its hard labels is given."""
METHODS = (
    *("cross_entropy", "label_smoothing", "mixup", "gce", "nce_ael", "elr", "cal", "sop"),
    *("dual_t", "adacorr", "rent", "joint_optimization", "dyr", "sgn", "co_teaching", "sam"),
    *("ssr", "elr_plus", "disc", "dividemix", "promix"),
)
NOISES = ("symmetric(rate=0.4)", "asymmetric(rate=0.4)")
SEEDS = range(5)
HEAD = """# Accuracy at equal compute

Written by `python -m tests.report.equal_compute`; nothing in it is edited by hand. Digits, a dense
network, the recipe `small`, 40 % of the labels wrong: test accuracy in percent after the last
epoch, mean over {seeds} seeds with the half width of the 95 % t interval. At equal epochs every
method has {epochs}, as in the study `methods`. At equal compute every one has the passes of {long}
epochs of hard labels, a pass backwards counted as two forwards: its epochs are {long} divided by
its cost in that study, and the learning rate falls over them. What it took in the end, in epochs of
hard labels, is told, as stages do not grow alike. Hyper-parameters are those of the default
profile.

| method | cost | epochs | took | {columns} |
|---|---:|---:|---:|{rules}|
"""


def main(place: Path) -> None:
    """Train every method for its share of the epochs, and write the page."""
    before = Analysis(load(STUDY))
    cost = before.costs["cost"].reindex(METHODS)
    epochs = {name: max(1, round(EPOCHS * TIMES / cost[name])) for name in METHODS}
    folders = {}
    for length in sorted(set(epochs.values())):
        names = [name for name in METHODS if epochs[name] == length]
        folders[length] = place / str(length)
        options = ("--methods", *names, "--noises", *NOISES, "--seeds", *SEEDS)
        train(folders[length], "--recipes", f"small(epochs={length})", *options)
    after = pd.concat([_cells(folder) for folder in folders.values()], ignore_index=True)
    names = [noise.replace("(rate=0.4)", " 40 %") for noise in NOISES]
    columns = [f"{name}, equal {what}" for name in names for what in ("epochs", "compute")]
    head = HEAD.format(
        seeds=len(SEEDS),
        epochs=EPOCHS,
        long=EPOCHS * TIMES,
        columns=" | ".join(columns),
        rules="---:|" * (len(columns) - 1) + "---:",
    )
    lines = _lines(cost, epochs, _cells(STUDY), after)
    write_atomically(PAGE, (head + "\n".join(lines) + "\n").encode())


def _cells(folder: Path) -> pd.DataFrame:
    """Return the last epoch of each cell with its passes, in epochs of hard labels."""
    rows = accuracies(folder)
    rows = rows[rows["method"].isin(METHODS)]
    rows = rows.merge(costs(folder).drop(columns="status"), on="cell_id")
    passes = rows["forward_passes"] + BACKWARD * rows["backward_passes"]
    return rows.assign(took=passes / rows["n_train"] / (1 + BACKWARD))


def _lines(
    cost: "pd.Series[float]", epochs: dict[str, int], before: pd.DataFrame, after: pd.DataFrame
) -> Iterator[str]:
    """Yield a line for each method, the most accurate at equal compute first."""
    tables = [stats.t_intervals(rows, ["method", "noise"], "acc") for rows in (before, after)]
    shown = [table.set_index(["method", "noise"]) for table in tables]
    took = after.groupby("method")["took"].mean()
    order = after.groupby("method")["acc"].mean().sort_values(ascending=False, kind="stable")
    for name in order.index:
        numbers: Sequence[str] = [
            f"{table.loc[(name, noise), 'mean']:.1f} ± {table.loc[(name, noise), 'half']:.1f}"
            for noise in NOISES
            for table in shown
        ]
        facts = (f"{cost[name]:.2f}", str(epochs[name]), f"{took[name]:.0f}")
        yield f"| {' | '.join((str(name), *facts, *numbers))} |"


if __name__ == "__main__":
    in_folder(main)
