"""Every comparison of two methods, made once, and what may be claimed of it.

Verdict, tables, figures, ``differences.csv`` and macros read the rows that are made here. What a
suite asked before its run is confirmatory: its candidates against its reference in all settings,
one family of tests for each metric, corrected by Holm. Every other pair of methods is
exploratory: its q value (Benjamini-Hochberg) is over the other pairs of the metric in the setting.
So no confirmatory number depends on what else ran, and no pair has two numbers.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.errors import RefusedError
from benchmarks.question import MARGINS, Question
from benchmarks.report import stats
from benchmarks.report.data import Run
from benchmarks.report.stats import Floats
from benchmarks.schema import METRICS

CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
JUDGED = ("p", "over", "p_seeds", "family", "tests", "p_adjusted", "p_equivalent")
"""What a pair shares with another one whose methods have the same results."""

OVERALL = "overall"
"""In place of a setting: the means over the shared settings within each seed."""

OVER_SEEDS, OVER_BOTH, OVER_SPLITS = "seeds", "seeds and images", "overlapping splits"
"""The kinds of a test, by what its interval is over.

Where parts were kept, ``pairs.csv`` tells how much of a difference is due to the test images. A
dataset that each seed splits anew has the corrected test of Nadeau & Bengio 2003 instead.
"""

SAME_LABELS = ["dataset", "noise", "model", "recipe", "seed"]
"""The columns of cells that are pairs, whatever their methods."""


def refuse_other_labels(rows: pd.DataFrame) -> None:
    """Refuse rows that should be pairs and were trained on different labels.

    Raises:
        RefusedError: there are some.
    """
    labels = rows.groupby(SAME_LABELS)["noise_sha256"]
    unlike = rows[labels.transform("first") != rows["noise_sha256"]]
    for row in unlike.head(1).to_dict("records"):
        here = (rows[SAME_LABELS] == pd.Series({key: row[key] for key in SAME_LABELS})).all(axis=1)
        first = rows.loc[here, "method"].iloc[0]
        raise RefusedError(
            f"{row['method']} and {first} were trained on different labels at "
            f"{row['dataset']}, {row['noise']}, seed {row['seed']}: they are not a pair"
        )


def values(run: Run, metric: str) -> Floats:
    """Return a metric at the last epoch, ``(settings, seeds, methods)``, nan where there is none.

    Settings and methods are those of the run, seeds all that finished a cell, in rising order.
    """
    rows = run.last
    places = (
        pd.Categorical(rows["setting"], run.settings).codes,
        rows["seed"].rank(method="dense").to_numpy(int) - 1,
        pd.Categorical(rows["method"], run.methods).codes,
    )
    table = np.full((len(run.settings), rows["seed"].nunique(), len(run.methods)), np.nan)
    table[places] = rows[metric]
    return table


def overall(table: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Return means over settings, ``(seeds, methods)``: nan where a method lacks one.

    A seed counts only where it finished in every chosen setting that has the metric at all, so
    that a method cannot gain by failing where it is hard.

    Args:
        table: of :func:`values`.
        chosen: which settings.
    """
    shown = table[chosen & np.isfinite(table).any((1, 2))]
    return shown.mean(0) if len(shown) else np.full(table.shape[1:], np.nan)


def compare_all(
    run: Run, metric: str, question: Question | None, shared: Collection[str]
) -> pd.DataFrame:
    """Return every pair of methods in every setting, and over the shared ones.

    Args:
        run: the tables.
        metric: a column of ``results.csv``.
        question: what the suite asked, if anything.
        shared: the settings behind ``OVERALL``.

    Returns:
        ``setting``, ``method``, ``reference``, their means ``own`` and ``other`` over pairs, the
        fields of :class:`stats.PairedTests` of ``own - other``, what the interval and the p are
        ``over``, the p over seeds alone as ``p_seeds``, the ``family``, how many
        ``tests`` it has, ``p_adjusted`` (Holm's p if confirmatory, else q), and
        ``p_equivalent``, the p of a difference beyond the margin, adjusted likewise.

    Raises:
        RefusedError: rows that should be pairs were trained on different labels.
    """
    refuse_other_labels(run.last)
    table = values(run, metric)
    means = overall(table, np.isin(run.settings, list(shared)))
    table = np.concatenate([table, means[None]]).swapaxes(1, 2)  # (settings, methods, seeds)
    second, first = np.tril_indices(len(run.methods), -1)
    own, other = table[:, second], table[:, first]  # (settings, pairs, seeds)
    tests = stats.paired_t(own - other)
    methods, places = np.array(run.methods, dtype=object), [*run.settings, OVERALL]
    rows = pd.DataFrame(
        {
            "setting": np.repeat(np.array(places, dtype=object), len(first)),
            "method": np.tile(methods[second], len(places)),
            "reference": np.tile(methods[first], len(places)),
            "own": _paired_means(own, other).ravel(),
            "other": _paired_means(other, own).ravel(),
            **{name: each.ravel() for name, each in tests._asdict().items()},
        }
    ).astype({"n": int})
    margin = (question.margins() if question else MARGINS).get(metric, np.nan)
    rows["p_equivalent"] = stats.equivalence_p(tests, margin).ravel()
    rows = _with_images(rows, run.pairs[run.pairs["metric"] == metric], margin)
    asked = _asked(rows, question) if question and metric in MARGINS else False
    rows = _in_families(rows.assign(family=np.where(asked, CONFIRMATORY, EXPLORATORY)))
    return _with_twins(rows, table) if np.any(asked) else rows


def _with_images(rows: pd.DataFrame, pairs: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Return comparisons whose intervals are over seeds and test images, where that is known.

    Args:
        rows: comparisons over seeds alone.
        pairs: the rows of ``pairs.csv`` of the metric; of other seeds than ``rows``, or with other
            differences, they are not used.
        margin: the difference that is practically none.
    """
    keys = ["setting", "method", "reference"]
    pairs = pairs[[*keys, *_NUMBERS]].astype(dict.fromkeys(_NUMBERS, np.float64))
    turned = pairs.rename(columns={"method": "reference", "reference": "method"})
    every = pd.concat([pairs, turned.assign(difference=-pairs["difference"])])
    every = every.drop_duplicates(keys).astype(dict.fromkeys(keys, object))  # where there are none
    told = rows[keys].astype(object).merge(every, "left", keys).set_index(rows.index)
    same = (told["difference"] - rows["difference"]).abs() <= stats.ROUNDING
    fits = same & (told["seeds"] == rows["n"]) & rows["low"].notna() & (told["var_both"] > 0)
    df = stats.crossed_df(*(told[name].to_numpy() for name in _NUMBERS[2:]))
    negative = (told[["var_seeds", "var_images"]] < 0).any(axis=1)
    fits &= ~negative & (df > 0) & np.isfinite(df)  # as it is unless the file is damaged
    told, df = told[fits], df[fits]
    tests = stats.MeanTests(told["difference"].to_numpy(), told["var_both"].to_numpy(), df)
    rows = rows.assign(p_seeds=rows["p"], over=OVER_SEEDS)
    rows.loc[fits, ["low", "high", "p"]] = np.column_stack(stats.t_test(tests))
    rows.loc[fits, "p_equivalent"] = stats.within_p(tests, margin)
    rows.loc[fits, "over"] = np.where(told["groups"].notna(), OVER_BOTH, OVER_SPLITS)
    return rows


_NUMBERS = ("difference", "var_both", "var_seeds", "var_images", "seeds", "groups")


def _paired_means(values: Floats, others: Floats) -> Floats:
    """Return the mean of values over the seeds that the others have, too."""
    known = np.isfinite(values) & np.isfinite(others)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(-1) / known.sum(-1))


def _asked(rows: pd.DataFrame, question: Question) -> NDArray[np.bool_]:
    """Return which rows compare a candidate with the reference in a setting."""
    asked = np.zeros(len(rows), np.bool_)
    for one, two in (("method", "reference"), ("reference", "method")):
        asked |= rows[one].isin(question.candidates) & (rows[two] == question.reference)
    return np.asarray(asked & (rows["setting"] != OVERALL))


def _in_families(rows: pd.DataFrame) -> pd.DataFrame:
    """Adjust the p values of each family for one another.

    Of what was asked, a test that could not be made counts as one that found nothing: it is
    corrected for as asked, and a candidate that fails helps no other.
    """
    rows = rows.assign(tests=0, p_adjusted=np.nan)
    confirmatory = rows["family"] == CONFIRMATORY
    asked, others = rows[confirmatory], rows[~confirmatory]
    rows.loc[asked.index, "tests"] = len(asked)
    for raw, adjusted in (("p", "p_adjusted"), ("p_equivalent", "p_equivalent")):
        holm = pd.Series(stats.holm(asked[raw].fillna(1.0).tolist()), asked.index, np.float64)
        rows.loc[asked.index, adjusted] = holm.where(asked[raw].notna())
        for _, own in others.groupby("setting", sort=False):
            rows.loc[own.index, "tests"] = int(own["p"].notna().sum())
            rows.loc[own.index, adjusted] = stats.benjamini_hochberg(own[raw].tolist())
    return rows


def _with_twins(rows: pd.DataFrame, table: Floats) -> pd.DataFrame:
    """Judge pairs of methods that have the results of an asked pair as that pair is judged.

    Hard labels that run as a method of another name are then not told otherwise than hard labels.

    Args:
        rows: of :func:`compare_all`, adjusted, setting by setting.
        table: the values behind them, ``(settings, methods, seeds)``.
    """
    second, first = np.tril_indices(table.shape[1], -1)
    results = [[own.tobytes() for own in setting] for setting in table]
    keys = [
        frozenset((own[a], own[b])) for own in results for a, b in zip(second, first, strict=True)
    ]
    places = rows["setting"].tolist()
    asked = (rows["family"] == CONFIRMATORY).to_numpy()
    judged = {(places[k], keys[k]): k for k in np.flatnonzero(asked)}
    twins = {k: judged.get((places[k], keys[k])) for k in np.flatnonzero(~asked)}
    pairs = [(k, twin) for k, twin in twins.items() if twin is not None and len(keys[k]) > 1]
    if pairs:
        own, other = (rows.index[list(each)] for each in zip(*pairs, strict=True))
        rows.loc[own, list(JUDGED)] = rows.loc[other, list(JUDGED)].to_numpy()
        turned = (rows["difference"][own].to_numpy() * rows["difference"][other].to_numpy()) < 0
        ends = rows.loc[other, ["low", "high"]].to_numpy()
        rows.loc[own, ["low", "high"]] = np.where(turned[:, None], -ends[:, ::-1], ends)
    return rows


def against(pairs: pd.DataFrame, reference: str, metric: str) -> pd.DataFrame:
    """Return the rows of a method's comparisons, each as ``own - other`` with it as ``other``.

    Args:
        pairs: of :func:`compare_all`.
        reference: the method.
        metric: what was compared.

    Returns:
        the columns of ``pairs``, and the ``outcome``: ``better`` or ``worse``, where a difference
        was detected; else ``equivalent``, where one beyond the margin can be excluded, or
        ``open``.
    """
    ahead = pairs[pairs["method"] == reference]
    turned = ahead.assign(
        method=ahead["reference"],
        reference=reference,
        own=ahead["other"],
        other=ahead["own"],
        difference=0.0 - ahead["difference"],
        low=0.0 - ahead["high"],
        high=0.0 - ahead["low"],
    )
    rows = pd.concat([pairs[pairs["reference"] == reference], turned]).sort_index()
    gain = rows["difference"] if METRICS[metric].better == "higher" else -rows["difference"]
    same = np.where(stats.significant(rows["p_equivalent"]), "equivalent", "open")
    differs = np.where(gain > 0, "better", "worse")
    outcome = np.where(stats.significant(rows["p_adjusted"]), differs, same)
    return rows.assign(outcome=outcome, metric=metric)


def places(pairs: pd.DataFrame, means: pd.Series) -> dict[str, tuple[int, int, int]]:
    """Return the place of each method by its mean, and the first and last that tests leave it.

    Its first place is after all that were found better, over means of the shared settings, and
    its last one before all that were found worse.

    Args:
        pairs: of :func:`compare_all`, of a metric of which more is better.
        means: of each method, nan where it has none.
    """
    known = means.dropna()
    rows = pairs[(pairs["setting"] == OVERALL) & stats.significant(pairs["p_adjusted"])]
    gain = rows["difference"] > 0
    winners = pd.Series(np.where(gain, rows["method"], rows["reference"]), dtype=object)
    losers = pd.Series(np.where(gain, rows["reference"], rows["method"]), dtype=object)
    won, lost = winners.value_counts(), losers.value_counts()
    ranks = known.rank(ascending=False, method="min").astype(int)
    return {
        str(method): (int(rank), 1 + int(lost.get(method, 0)), len(known) - int(won.get(method, 0)))
        for method, rank in ranks.items()
    }
