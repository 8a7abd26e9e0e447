"""What tuning is worth, method by method: the study of all methods under two profiles.

``python -m tests.report.tuning [FOLDER]`` writes ``results/reference/tuned.md``, in twenty minutes
of two idle cores. What it trains stays in FOLDER, if one is named, and is not trained again.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from benchmarks.outputs import write_atomically
from benchmarks.report.stats import half_widths
from tests.report.studies import REFERENCE, STUDY, accuracies, in_folder, train

PAGE = REFERENCE / "tuned.md"
NOISE, PROFILE = "symmetric(rate=0.4)", "tuned(trials=8)"
SEEDS = (0, 1, 2)
HEAD = """# What tuning is worth

Written by `python -m tests.report.tuning`; nothing in it is edited by hand. The suite `methods`
under `{noise}`, seeds {first} to {last}, by the default profile (one configuration of each method),
and by `{profile}`: as many random trials of every method's hyper-parameters, on a seed of their
own, of which the accuracy on noisy validation labels chooses. Test accuracy in percent after the
last epoch, and the gain, each with the half width of the 95 % t interval over seeds; the two ranks;
and what was chosen, if it is not the default. Of {count} methods {better} gain and {worse} lose by
an interval that leaves out 0; the mean gain is {mean:+.1f} points, the median {median:+.1f}.
Spearman's correlation of the two orders is {rho:.2f}.

| method | default | rank | tuned | rank | gain | chosen |
|---|---:|---:|---:|---:|---:|---|
"""


def main(place: Path) -> None:
    """Tune and train every method, and write the page."""
    train(place, "--profile", PROFILE, "--noises", NOISE, "--seeds", *SEEDS)
    before, after = _accuracies(STUDY), _accuracies(place)
    chosen = _last(place).drop_duplicates("method").set_index("method")["method_spec"]
    gain = after - before
    half = _halves(gain)
    head = HEAD.format(
        noise=NOISE,
        profile=PROFILE,
        first=SEEDS[0],
        last=SEEDS[-1],
        count=len(gain),
        better=int((gain.mean(axis=1) > half).sum()),
        worse=int((gain.mean(axis=1) < -half).sum()),
        mean=gain.mean(axis=1).mean(),
        median=gain.mean(axis=1).median(),
        rho=spearmanr(before.mean(axis=1), after.mean(axis=1)).statistic,
    )
    lines = "\n".join(_lines(before, after, chosen))
    write_atomically(PAGE, f"{head}{lines}\n".encode())


def _last(folder: Path) -> pd.DataFrame:
    """Return the last epoch of the cells of the study."""
    rows = accuracies(folder)
    return rows[(rows["noise"] == NOISE) & rows["seed"].isin(SEEDS)]


def _accuracies(folder: Path) -> pd.DataFrame:
    """Return the accuracy of each method (down) at each seed (across), in percent."""
    return _last(folder).pivot_table(index="method", columns="seed", values="acc")


def _halves(table: pd.DataFrame) -> "pd.Series[float]":
    """Return half the width of the interval of each row's mean; nan where seeds all agree."""
    widths = half_widths(
        table.std(axis=1).to_numpy(np.float64), table.count(axis=1).to_numpy(np.float64)
    )
    return pd.Series(widths, table.index)


def _lines(before: pd.DataFrame, after: pd.DataFrame, chosen: "pd.Series[str]") -> Iterator[str]:
    """Yield a line for each method, the most accurate tuned one first."""
    sides = (before, after, after - before)
    means, halves = [side.mean(axis=1) for side in sides], [_halves(side) for side in sides]
    ranks = [side.rank(ascending=False, method="min").astype(int) for side in means[:2]]
    for name in means[1].sort_values(ascending=False, kind="stable").index:
        default, tuned, gain = (
            f"{mean[name]:{sign}.1f}" + (f" ± {half[name]:.1f}" if half[name] == half[name] else "")
            for mean, half, sign in zip(means, halves, ("", "", "+"), strict=True)
        )
        spec = "" if before.loc[name].equals(after.loc[name]) else f"`{chosen[name]}`"
        ends = (default, str(ranks[0][name]), tuned, str(ranks[1][name]), gain, spec)
        yield f"| {' | '.join((str(name), *ends))} |"


if __name__ == "__main__":
    in_folder(main)
