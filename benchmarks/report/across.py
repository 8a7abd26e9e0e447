"""What the settings of a run say together, and what its seeds could have shown: as data.

Figures, tables and words are made from what is here. A method is compared with a reference by
``own - reference`` in the metric's own unit, so a negative difference of an error is a gain.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.report import stats
from benchmarks.report.looks import base
from benchmarks.report.read import Run
from benchmarks.report.stats import Aggregate, Floats, Posterior, Profile, Ranks
from benchmarks.report.tables import basis, over_seeds
from benchmarks.report.wording import count
from benchmarks.schema import METRICS

REFERENCES = ("cross_entropy", "label_smoothing")
"""What every method is compared with, where the run has it; named before any result."""

ROPES = {"acc": 0.005, "nll": 0.01, "brier": 0.005, "ece": 0.005}
"""Differences up to here do not matter: half a point, and 0.01 nats."""

FEWEST_PAIRS = 3


@dataclass(frozen=True)
class Comparison:
    """A method against a reference over settings; "same" is within the metric's rope."""

    method: str
    reference: str
    metric: str
    better: float
    same: float
    worse: float
    n: int  # settings


def references(run: Run) -> tuple[str, ...]:
    """One spec of each of ``REFERENCES``: the bare one, else the first."""
    found = [[m for m in run.methods if base(m) == name] for name in REFERENCES]
    return tuple(methods[0] for methods in found if methods)


def pairs(run: Run, method: str, reference: str, metric: str) -> pd.DataFrame:
    """:func:`stats.pair_all` of one method at the last epoch.

    Raises:
        RefusedError: rows that should be a pair were trained on different labels.
    """
    rows = run.last[run.last["method"].isin([method, reference])]
    return stats.pair_all(rows, reference, metric)


def differences(run: Run, reference: str, metric: str) -> pd.DataFrame:
    """Every other method against ``reference`` in every setting with at least three pairs.

    Raises:
        RefusedError: rows that should be a pair were trained on different labels.

    Returns:
        a row for each method and setting: ``method``, ``reference``, ``metric``, ``setting``,
        ``dataset``, ``noisy``, ``n``, ``difference`` with ``low`` and ``high`` (95%, unadjusted),
        the paired t test's ``p``, ``p_holm`` and ``q_bh`` over all rows, the sign-flip test's
        ``p_flip``, the effect size ``g_z``, the least difference ``detectable`` at 0.05 with a
        chance of 80%, and the ``seeds`` that would find the difference seen (nan: over 1,000).
    """
    rows = []
    keys = ["method", "setting", "dataset", "noisy"]
    found = stats.pair_all(run.last, reference, metric)
    for key, values in found.groupby(keys)["difference"]:
        if len(values) >= FEWEST_PAIRS:
            named = {"reference": reference, "metric": metric} | dict(zip(keys, key, strict=True))
            rows.append(named | _of_values(values.to_numpy(np.float64)))
    table = pd.DataFrame(rows, columns=list(DIFFERENCES))
    place = {setting: k for k, setting in enumerate(run.settings)}
    order = {method: k for k, method in enumerate(run.methods)}
    table = table.sort_values(["method", "setting"], key=lambda c: c.map(order | place))
    table["p_holm"] = stats.holm(table["p"].tolist())
    table["q_bh"] = stats.benjamini_hochberg(table["p"].tolist())
    return table.reset_index(drop=True)


def all_differences(run: Run) -> pd.DataFrame:
    """:func:`differences` from every reference in every metric that has a rope."""
    found = [differences(run, name, metric) for name in references(run) for metric in ROPES]
    kept = [table for table in found if len(table)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=list(DIFFERENCES))


DIFFERENCES = (
    *("method", "reference", "metric", "setting", "dataset", "noisy", "n"),
    *("difference", "low", "high", "p", "p_holm", "q_bh", "p_flip", "g_z", "detectable", "seeds"),
)


def _of_values(values: Floats) -> dict[str, float | int | None]:
    test, sd = stats.paired_t(values), float(values.std(ddof=1))
    seeds = stats.seeds_needed(test.mean, sd)
    return {
        "n": test.n,
        "difference": test.mean,
        "low": test.low,
        "high": test.high,
        "p": test.p,
        "p_flip": stats.sign_flip(values),
        "g_z": stats.hedges_g(values),
        "detectable": stats.detectable(sd, test.n),
        "seeds": np.nan if seeds is None else seeds,
    }


def scores(run: Run, metric: str) -> pd.DataFrame:
    """Mean over seeds: one row per setting, one column per method, nan where nothing finished."""
    table = run.last.pivot_table(index="setting", columns="method", values=metric, aggfunc="mean")
    return table.reindex(index=list(run.settings), columns=list(run.methods))


def compare_ranks(run: Run, metric: str) -> Ranks | str:
    """Ranks, tests and cliques for a critical-difference diagram, or the sentence why not.

    Settings that a method has not finished are left out; so is a method that finished nothing.
    """
    table = scores(run, metric).dropna(axis=1, how="all").dropna()
    if table.shape[1] < 2:
        return "One method alone has no ranks."
    if len(table) < stats.FEWEST_SETTINGS:
        return too_few(len(table))
    return stats.rank_test(table * _sign(metric))


def too_few(settings: int) -> str:
    """Why nothing is tested over so few settings."""
    least = stats.smallest_wilcoxon_p(settings)
    return (
        f"No test over settings, and no critical-difference diagram: that takes at least "
        f"{stats.FEWEST_SETTINGS} settings that every method finished, and there "
        f"{'is' if settings == 1 else 'are'} {settings}. (A Wilcoxon signed-rank test of "
        f"{count(settings, 'setting')} cannot fall below p = {least:g}, before any correction.)"
    )


def _sign(metric: str) -> float:
    return 1.0 if METRICS[metric].better == "higher" else -1.0


def setting_means(run: Run, method: str, reference: str, metric: str) -> pd.DataFrame:
    """``setting``, ``dataset`` and the mean paired ``difference`` of each setting with a pair."""
    found = pairs(run, method, reference, metric)
    means = found.groupby(["setting", "dataset"], sort=False)["difference"].mean()
    return means.reset_index()


def probability(run: Run, method: str, reference: str, metric: str) -> Comparison | None:
    """Bayesian signed-rank test over settings; ``None`` below eight of them."""
    means = setting_means(run, method, reference, metric)["difference"].to_numpy(np.float64)
    if len(means) < stats.FEWEST_SETTINGS:
        return None
    found: Posterior = stats.signed_rank(means * _sign(metric), ROPES[metric])
    return Comparison(method, reference, metric, found.above, found.same, found.below, found.n)


def by_dataset(run: Run, method: str, reference: str, metric: str) -> pd.DataFrame:
    """``dataset``, mean ``difference`` over its settings, and how many: the sensitivity check.

    Settings of one dataset share its images, so they are not independent; datasets may be.
    """
    means = setting_means(run, method, reference, metric)
    groups = means.groupby("dataset", sort=True)["difference"].agg(["mean", "count"])
    return groups.reset_index().rename(columns={"mean": "difference", "count": "settings"})


def improvement(run: Run, method: str, reference: str, metric: str) -> Aggregate | None:
    """Paired chance to be better than the reference; ``None`` without a pair."""
    found = pairs(run, method, reference, metric)
    groups = [g.to_numpy(np.float64) for _, g in found.groupby("setting")["difference"]]
    return stats.improvement([g * _sign(metric) for g in groups]) if groups else None


def interquartile_means(run: Run, metric: str) -> dict[str, Aggregate]:
    """IQM of each method over the settings that all tried, and the seeds that finished in all.

    Of the metric as it is. Agarwal et al. 2021 normalise scores because the games they pool have
    scales of their own; accuracies have one. Normalising between hard labels and training on clean
    labels divides by what noise costs, which is nothing without noise and little at low rates:
    there the quotient is all seed. What the difficulty of a setting cannot move stands beside it:
    ranks, and paired chances of improvement.
    """
    rows = run.last[run.last["setting"].isin(basis(run))].dropna(subset=[metric])
    whole = over_seeds(rows, metric)[["method", "seed"]]
    kept = rows.merge(whole, on=["method", "seed"])
    return {
        str(method): stats.interquartile_mean(
            [g.to_numpy(np.float64) for _, g in own.groupby("setting")[metric]]
        )
        for method, own in kept.groupby("method")
    }


def profiles(run: Run, metric: str, taus: Floats) -> dict[str, Profile]:
    """Share of runs within ``tau`` of the best run of the same setting and seed, per method.

    A run that failed, where another method's did not, is never within any ``tau``. Only settings
    that every method has tried count.
    """
    rows = run.last[run.last["setting"].isin(basis(run))].dropna(subset=[metric])
    keys = ["setting", "seed"]
    table = rows.pivot_table(index=keys, columns="method", values=metric) * _sign(metric)
    gaps = table.rsub(table.max(axis=1), axis=0).fillna(np.inf)
    return {
        method: stats.profile([g.to_numpy(np.float64) for _, g in own.groupby("setting")], taus)
        for method, own in ((str(name), gaps[name]) for name in run.methods if name in gaps)
    }
