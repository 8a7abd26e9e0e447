"""Every number of a report, computed from a run when it is first asked for, and then kept.

Tables, figures and words are made from what is here. A method is compared with a reference by
``own - reference`` in the metric's own unit, so a negative difference of an error is a gain.
"""

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property, wraps
from itertools import pairwise, zip_longest
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import numpy as np
import pandas as pd
from msgspec.structs import replace

from benchmarks.errors import count
from benchmarks.question import MARGINS, Question
from benchmarks.report import claims, stats
from benchmarks.report.data import ARENA, Run, of_one_truth
from benchmarks.report.looks import BESIDE, PRIVILEGED, Look, base, resolve
from benchmarks.report.phrases import listing
from benchmarks.report.stats import Aggregate, Floats, Ranks
from benchmarks.schema import METRICS

REFERENCES = ("cross_entropy", "label_smoothing")
"""The methods that every other is compared with where they ran; named before any result."""

CORE = 5
"""Most settings of one dataset, model and recipe in figures of panels or matrices."""

JUDGED = ("acc", "ece")
"""The metrics for which probabilities over settings are computed."""

SOUGHT = {metric: 2 * margin for metric, margin in MARGINS.items()}
"""The true differences that seeds are counted for, whatever is seen: a point of accuracy."""

BACKWARD = 2
"""The passes forwards that one backwards counts as: it computes two products where that takes one.
"""

COSTS = ("cost", "forward", "backward", "state")
"""What a method takes to train: see :attr:`Analysis.costs`."""

DIFFERENCES = (
    *("method", "reference", "metric", "setting", "dataset", "noisy", "n"),
    *("difference", "low", "high", "p", "over", "p_seeds"),
    *("family", "tests", "p_adjusted", "p_equivalent"),
    *("outcome", "p_flip", "g_z", "detectable", "seeds"),
)
"""The columns of ``differences.csv``."""

NEIGHBOURS = (
    *("method", "next", "difference", "low", "high", "p_adjusted", "n"),
    *("detectable", "seeds"),
)
"""The columns of a table of neighbours in the ranking."""

A = TypeVar("A", bound="Analysis")
P = ParamSpec("P")
T = TypeVar("T")


def _once(compute: Callable[Concatenate[A, P], T]) -> Callable[Concatenate[A, P], T]:
    """Keep what a method of an analysis returns for each of its arguments."""

    def kept(self: A, /, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (compute.__name__, *args, *kwargs.items())
        if key not in self.kept:
            self.kept[key] = compute(self, *args, **kwargs)
        return cast("T", self.kept[key])

    return wraps(compute)(kept)


class Analysis:
    """The numbers of one run.

    Tables that are returned are shared by all who ask: they must not be changed.

    Attributes:
        run: the tables that everything is computed from.
        choice: the sentence on what was chosen of the run to be shown; nothing where all is.
    """

    choice = ""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.kept: dict[tuple[Any, ...], Any] = {}

    @cached_property
    def looks(self) -> dict[str, Look]:
        """The look of each method, in the order of figures and tables: best mean accuracy first.

        Privileged ones have a mark in their label, those from another folder another; what the
        suite asks about is drawn stronger, where it is less than half of the methods.
        """
        run, asked = self.run, self.question.candidates if self.question else ()
        subject = asked if 2 * len(asked) < len(run.methods) else ()
        looks = resolve(run.methods, run.privileges, run.facts, subject)
        rows = run.cells.drop_duplicates("method")
        specs = dict(zip(rows["method"], rows["method_spec"], strict=True))
        beside = run.beside.methods if run.beside else ()
        ordered = {}
        for method in map(str, self.ranking.index):
            name = looks[method].label.removesuffix(PRIVILEGED) + _values_among(method, specs)
            name += BESIDE * (method in beside) + PRIVILEGED * (method in run.privileges)
            ordered[method] = dataclasses.replace(looks[method], label=name)
        return ordered

    def restricted(self, methods: Collection[str], settings: Collection[str]) -> "Analysis":
        """Return an analysis of some methods and settings, with the claims and looks of this one.

        Only means over settings are other ones: over those that are left.
        """
        return _Part(self, self.run.restricted(methods, settings))

    def label(self, method: str) -> str:
        """Return the label of a method that ran or is planned."""
        return (self.looks.get(method) or resolve([method], {}, self.run.facts)[method]).label

    @cached_property
    def knowledge(self) -> list[str]:
        """The label of each privileged method, and what it was given."""
        given = sorted(self.run.privileges.items())
        return [f"{self.label(m).removesuffix(PRIVILEGED)}: {what}" for m, what in given]

    @cached_property
    def question(self) -> Question | None:
        """What the suite asked, of the methods that ran; ``None`` where that leaves no pair.

        Of methods from another folder nothing was asked.
        """
        asked, beside = self.run.question, self.run.beside
        here = [m for m in self.run.methods if not (beside and m in beside.methods)]
        if asked is None or asked.reference not in here:
            return None
        ran = tuple(method for method in asked.candidates if method in here)
        return replace(asked, candidates=ran) if ran else None

    @cached_property
    def margins(self) -> dict[str, float]:
        """The differences of a metric that are practically none."""
        return self.question.margins() if self.question else MARGINS

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The reference that the suite names, and a spec of each of ``REFERENCES`` that ran.

        Of several specs it is the bare one, else the first.
        """
        specs = [[m for m in self.run.methods if base(m) == name] for name in REFERENCES]
        named = [self.question.reference] if self.question else []
        return tuple(dict.fromkeys([*named, *(methods[0] for methods in specs if methods)]))

    @cached_property
    def baseline(self) -> str | None:
        """Hard labels where they ran, else the first reference, if there is one."""
        hard = [method for method in self.references if base(method) == REFERENCES[0]]
        return next(iter([*hard, *self.references]), None)

    @cached_property
    def tried_settings(self) -> tuple[str, ...]:
        """The settings that every method of the question has tried; without one, every method.

        Means over others would not compare. A further method cannot take one away from these.
        """
        cells, wanted = self.run.cells, self.run.methods
        if self.question:
            wanted = (self.question.reference, *self.question.candidates)
        tried = cells[cells["method"].isin(wanted)].groupby("setting")["method"].nunique()
        return self._in_order(tried.index[tried == len(wanted)])

    @cached_property
    def shared_settings(self) -> tuple[str, ...]:
        """The settings that means are over: of those that were tried, see :func:`of_one_truth`."""
        cells = self.run.cells
        tried = cells[cells["setting"].isin(self.tried_settings)]
        return self._in_order(of_one_truth(tried)["setting"])

    @cached_property
    def settings_of_one_truth(self) -> tuple[str, ...]:
        """The settings that tests over settings may take: see :func:`of_one_truth`."""
        return self._in_order(of_one_truth(self.run.cells)["setting"])

    def _in_order(self, settings: Iterable[str]) -> tuple[str, ...]:
        """Return settings, each once, in the order of the run."""
        kept = set(settings)
        return tuple(s for s in self.run.settings if s in kept)

    @cached_property
    def core_settings(self) -> tuple[str, ...]:
        """The settings of figures in which not all have room, of each arena at most ``CORE``.

        Beside the clean labels, the kinds of noise take turns, those of most rates first: each
        gives its highest rate, then its lowest, then what halves the largest gap.
        """
        known = self.run.last.drop_duplicates("setting").sort_values(["kind", "x"])
        chosen: set[str] = set()
        for _, arena in known.groupby("arena"):
            kinds = [
                [str(rows["setting"].iloc[place]) for place in _halving(len(rows))]
                for _, rows in arena[arena["noisy"]].groupby("kind")
            ]
            kinds.sort(key=len, reverse=True)
            turns = [s for turn in zip_longest(*kinds) for s in turn if s is not None]
            clean = arena.loc[~arena["noisy"], "setting"].tolist()
            chosen |= {*[*clean, *turns][:CORE]}
        return self._in_order(chosen)

    @_once
    def shared(self, selection: str = "last") -> pd.DataFrame:
        """Return the finished cells of the shared settings at one selection."""
        rows = self.run.at(selection)
        return rows[rows["setting"].isin(self.shared_settings)]

    @_once
    def seed_means(self, metric: str, selection: str = "last") -> pd.DataFrame:
        """Return means over the shared settings: ``method``, ``seed`` and the metric.

        A seed counts only where it finished in every setting that has the metric at all, so that
        a method cannot gain by failing where it is hard.
        """
        rows = self.shared(selection).dropna(subset=[metric])
        means = rows.groupby(["method", "seed"])[metric].agg(["mean", "count"]).reset_index()
        whole = means[means["count"] == rows["setting"].nunique()]
        return whole.rename(columns={"mean": metric})[["method", "seed", metric]]

    @_once
    def setting_means(self, metric: str) -> pd.DataFrame:
        """Return ``mean``, ``half`` and ``n`` over seeds of each ``method`` and ``setting``."""
        return stats.t_intervals(self.run.last, ["method", "setting"], metric)

    @_once
    def planned(self, reference: str = "") -> "pd.Series[int]":
        """Return the seeds tried by ``method`` and ``setting``, whatever became of them.

        Those of the setting ``claims.OVERALL`` were tried in every shared setting. Beside a
        reference, only seeds count that it has tried, too.
        """
        cells = self.run.cells[["method", "setting", "seed"]]
        if reference:
            cells = cells.merge(cells.loc[cells["method"] == reference, ["setting", "seed"]])
        shared = cells[cells["setting"].isin(self.shared_settings)]
        settings = shared.groupby(["method", "seed"])["setting"].nunique()
        whole = settings[settings == len(self.shared_settings)].reset_index()
        tried = pd.concat([cells, whole.assign(setting=claims.OVERALL)])
        return tried.groupby(["method", "setting"]).size().rename("planned")

    @cached_property
    def floors(self) -> dict[tuple[str, str], float]:
        """The ECE that chance alone would leave each method in each setting, mean over seeds."""
        floors = self.run.last.groupby(["method", "setting"])["ece_floor"].mean()
        return cast("dict[tuple[str, str], float]", floors.to_dict())

    @_once
    def scores(self, metric: str) -> pd.DataFrame:
        """Return means over seeds: a row per setting, a column per method, nan if none finished.

        Means of one setting that only rounding tells apart are made equal.
        """
        table = self.setting_means(metric).pivot_table("mean", "setting", "method")
        table = table.reindex(index=list(self.run.settings), columns=list(self.run.methods))
        return stats.tied_rows(table)

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """The methods, best accuracy first; those without a whole seed come last.

        A row has means over the shared settings within each seed, then over seeds, with the half
        widths of their 95% t intervals; the ``rank``, see :attr:`seed_ranks`; the ``cost`` with its
        passes ``forward`` and ``backward``; how many ``settings`` and ``seeds`` stand behind it,
        and how many runs were ``planned`` and ``done``.
        """
        run = self.run
        table = pd.DataFrame(index=pd.Index(run.methods, name="method"))
        for metric in ("acc", "nll", "brier", "ece", "gap_signed", "mem_frac"):
            means = stats.t_intervals(self.seed_means(metric), ["method"], metric)
            means = means.set_index("method").reindex(table.index)
            table[metric] = stats.tied_series(means["mean"])
            table[f"{metric}_half"] = means["half"]
            if metric == "acc":
                table["seeds"] = means["n"].fillna(0).astype(int)
        for selection in ("val", "label_wave", "oracle"):
            chosen = self.seed_means("acc", selection).groupby("method")["acc"].mean()
            table[f"acc_{selection}"] = chosen.reindex(table.index)
        table["rank"] = self.seed_ranks.mean()
        table[list(COSTS)] = self.costs.reindex(table.index)
        done = run.cells[run.cells["status"] == "done"]
        table["settings"] = len(self.shared_settings)
        table["done"] = done.groupby("method").size().reindex(table.index, fill_value=0)
        table["planned"] = len(run.cells[["setting", "seed"]].drop_duplicates())
        table["privileges"] = [run.privileges.get(method, "") for method in table.index]
        return table.sort_values("acc", ascending=False, kind="stable", na_position="last")

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What each method takes to train, by ``COSTS``, mean over the shared settings.

        ``forward`` and ``backward`` are passes per image and epoch of the recipe. The ``cost`` is
        how many times it takes what training on hard labels does, a pass backwards counted as two
        forwards. The ``state`` is what a cell holds from step to step, in MB. Each is nan where any
        cell's is unknown: older versions counted networks only, and no state.
        """
        run = self.run
        cells = self.shared().merge(run.costs.drop(columns="status"), on="cell_id", how="left")
        epochs = run.curves.groupby("setting")["epoch"].max()
        shown = cells["n_train"] * cells["setting"].map(epochs)
        known = cells["backward_passes"].notna()
        for name in ("forward", "backward"):
            cells[name] = (cells[f"{name}_passes"].where(known) / shown).astype(float)
        cells["state"] = cells["state_mb"].astype(float)
        cells["cost"] = (cells["forward"] + BACKWARD * cells["backward"]) / (1 + BACKWARD)
        groups = cells.groupby("method")[list(COSTS)]
        return groups.mean().where(groups.count().eq(groups.size(), axis=0))

    @cached_property
    def timings(self) -> pd.DataFrame:
        """What each method that was timed takes alone: median ``seconds``, ``low``, ``high``.

        The ends are the least and the most of all ``repetitions``; ``memory`` is the median of
        what training took, in MB. Of several datasets, models or recipes each is the mean.
        """
        rows = self.run.timings
        rows = rows[rows["method"].isin(self.run.methods)]
        each = rows.groupby(["method", *ARENA]).agg(
            seconds=("train_seconds", "median"),
            low=("train_seconds", "min"),
            high=("train_seconds", "max"),
            memory=("memory_mb", "median"),
            repetitions=("repetition", "nunique"),
        )
        return each.groupby("method").mean()

    @_once
    def pairs(self, metric: str) -> pd.DataFrame:
        """Return :func:`claims.compare_all`: every comparison of two methods.

        Raises:
            RefusedError: rows that should be pairs were trained on different labels.
        """
        return claims.compare_all(self.run, metric, self.question, self.shared_settings)

    @_once
    def compared(self, reference: str, metric: str) -> pd.DataFrame:
        """Return :func:`claims.against` of every method with ``reference``, by setting.

        Returns:
            a row for each method and setting with a pair, in the order of the run; ``dataset``
            and ``noisy`` beside what is compared.
        """
        rows = claims.against(self.pairs(metric), reference, metric)
        rows = rows[rows["method"].isin(self.run.methods)]
        rows = rows[(rows["setting"] != claims.OVERALL) & (rows["n"] > 0)]
        settings = self.run.results.drop_duplicates("setting").set_index("setting")
        about = settings[["dataset", "noisy"]].loc[rows["setting"]].set_index(rows.index)
        return self._ordered(rows.join(about), "method", "setting")

    @_once
    def overall(self, reference: str, metric: str) -> pd.DataFrame:
        """Return :func:`claims.against` of every method, over means of the shared settings."""
        rows = claims.against(self.pairs(metric), reference, metric)
        rows = rows[rows["method"].isin(self.run.methods)]
        return self._ordered(rows[(rows["setting"] == claims.OVERALL) & (rows["n"] > 0)], "method")

    @_once
    def differences(self, reference: str, metric: str) -> pd.DataFrame:
        """Return every method against ``reference`` in every setting with at least three pairs.

        Returns:
            the rows of :meth:`compared`, with the sign-flip test's ``p_flip``, the effect size
            ``g_z``, the least difference ``detectable`` at 0.05 with a chance of 80%, and the
            ``seeds`` that would find the one of ``SOUGHT`` (nan: over 1,000).
        """
        rows = self.compared(reference, metric)
        rows = rows[rows["n"] >= stats.FEWEST_PAIRS].reset_index(drop=True)
        mean, sd, n = (rows[name].to_numpy(np.float64) for name in ("difference", "sd", "n"))
        return rows.assign(
            p_flip=stats.sign_flip(self._by_seed(rows, metric)) if len(rows) else np.nan,
            g_z=stats.hedges_g(mean, sd, n),
            **_sizes(rows, metric),
        )

    def _by_seed(self, rows: pd.DataFrame, metric: str) -> Floats:
        """Return the differences of comparisons, ``(rows, seeds)``, nan where there is no pair."""
        table = self.values(metric).swapaxes(1, 2)  # (settings, methods, seeds)
        setting = pd.Categorical(rows["setting"], self.run.settings).codes
        own, other = (
            table[setting, pd.Categorical(rows[name], self.run.methods).codes]
            for name in ("method", "reference")
        )
        return np.asarray(own - other)

    @_once
    def values(self, metric: str) -> Floats:
        """Return :func:`claims.values`: a metric of every finished cell."""
        return claims.values(self.run, metric)

    @cached_property
    def all_differences(self) -> pd.DataFrame:
        """The columns ``DIFFERENCES`` from every reference in every metric that has a margin."""
        tables = [self.differences(name, m) for name in self.references for m in MARGINS]
        kept = [table[list(DIFFERENCES)] for table in tables if len(table)]
        empty = pd.DataFrame(columns=list(DIFFERENCES))
        return pd.concat(kept, ignore_index=True) if kept else empty

    def _ordered(self, rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
        """Sort rows by methods or settings in the order of the run."""
        orders = {"method": self.run.methods, "setting": self.run.settings}
        places = {c: rows[c].map({name: k for k, name in enumerate(orders[c])}) for c in columns}
        order = pd.DataFrame(places).sort_values(list(columns), kind="stable").index
        return rows.loc[order].reset_index(drop=True)

    @_once
    def excluded(self, setting: str | None = None) -> frozenset[str]:
        """Return the methods that no mark may praise: they lost runs, or are :meth:`collapsed`.

        Args:
            setting: which; by default the shared ones together.
        """
        here = self.shared_settings if setting is None else (setting,)
        cells = self.run.cells[self.run.cells["setting"].isin(here)]
        lost = cells.loc[cells["status"] != "done", "method"]
        return frozenset(lost) | self.collapsed(setting)

    @_once
    def collapsed(self, setting: str | None = None) -> frozenset[str]:
        """Return the methods within chance.

        It is an accuracy whose 95% interval, over seeds or over as many test images, reaches down
        to one in the number of classes, where that is known.

        Args:
            setting: which; by default the shared ones together.
        """
        here = self.shared_settings if setting is None else (setting,)
        cells = self.run.cells[self.run.cells["setting"].isin(here)]
        if setting is None:
            means = self.ranking[["acc", "acc_half"]].dropna(subset=["acc"])
        else:
            own = self.setting_means("acc")
            means = own[own["setting"] == setting].set_index("method")[["mean", "half"]]
        chance = (1 / cells["dataset"].map(dict(self.run.classes))).mean()
        mean, half = means.to_numpy(np.float64).T
        images = np.full_like(mean, cells["n_test"].min())
        low = np.fmin(mean - half, stats.wilson(mean * images, images)[0])
        return frozenset(means.index[low <= chance])

    @_once
    def marks(self, metric: str, setting: str | None = None) -> dict[str, str]:
        """Return ``best`` for the best means, and what may be said of the others beside it.

        ``equivalent``: two one-sided tests exclude that a method differs from the best by more
        than the margin of the metric. ``open``: neither a difference nor its absence is shown.
        What is known to be worse has no mark. ``out``: see :meth:`excluded`. Of several best means
        tests are against the first by name.

        Args:
            metric: a column of ``results.csv``.
            setting: which; by default the means over the shared settings.
        """
        means = self.ranking[metric] if setting is None else self.scores(metric).loc[setting]
        means = means.dropna().sort_index()
        better = METRICS[metric].better
        marks = {str(m): "out" for m in means.index if m in self.excluded(setting)}
        means = means.drop(list(marks))
        if better not in {"higher", "lower"} or means.empty:
            return marks
        highest = means.max() if better == "higher" else means.min()
        best, *equals = (str(method) for method in means.index[(means == highest).to_numpy()])
        tests = self.overall(best, metric) if setting is None else self.compared(best, metric)
        if setting is not None:
            tests = tests[tests["setting"] == setting]
        tests = tests.set_index("method").reindex([m for m in means.index if m != best])
        same = stats.significant(tests["p_equivalent"])
        differs = stats.significant(tests["p_adjusted"])
        marks |= dict.fromkeys(tests.index[~differs], "open")
        marks |= dict.fromkeys(tests.index[same], "equivalent")
        return marks | dict.fromkeys([best, *equals], "best")

    @cached_property
    def neighbours(self) -> pd.DataFrame:
        """The tests of each method against the ``next`` in accuracy, over shared settings.

        A row has the ``difference`` with ``low`` and ``high``, ``p_adjusted``, ``n`` seeds, the
        least difference ``detectable`` at 0.05 with a chance of 80%, and the ``seeds`` that would
        find the one of ``SOUGHT``.
        """
        order = [str(m) for m in self.ranking["acc"].dropna().index]
        couples = list(pairwise(order))
        if not couples:
            return pd.DataFrame(columns=list(NEIGHBOURS))
        tests = [self.overall(b, "acc").set_index("method").reindex([a]) for a, b in couples]
        rows = pd.concat(tests).reset_index()
        rows = rows.assign(next=order[1:], n=rows["n"].fillna(0).astype(int))
        return rows.assign(**_sizes(rows, "acc"))[list(NEIGHBOURS)]

    @cached_property
    def ranks(self) -> Ranks | str:
        """The ranks by accuracy with their tests, or the sentence why there are none.

        Settings that a method has not finished are left out; so is a method that finished nothing.
        """
        table = self.scores("acc").loc[list(self.settings_of_one_truth)]
        table = table.dropna(axis=1, how="all").dropna()
        if table.shape[1] < 2:
            return "One method alone has no ranks."
        if len(table) < stats.FEWEST_SETTINGS:
            return too_few(len(table))
        return stats.rank_test(table)

    @cached_property
    def probabilities(self) -> pd.DataFrame:
        """The Bayesian signed-rank tests of every method against every reference over settings.

        A row for each method, reference and metric with eight settings: the probabilities that
        the method is ``better``, the ``same`` within the metric's margin, or ``worse`` in another
        setting, and ``n`` settings.
        """
        rows = []
        for reference in self.references:
            for metric in JUDGED:
                means = self.compared(reference, metric)
                means = means[means["setting"].isin(self.settings_of_one_truth)]
                for method, own in means.groupby("method", sort=False)["difference"]:
                    if len(own) >= stats.FEWEST_SETTINGS:
                        signed = own.to_numpy(np.float64) * _sign(metric)
                        test = stats.signed_rank(signed, self.margins[metric])
                        key = (method, reference, metric)
                        rows.append((*key, test.above, test.same, test.below, len(own)))
        names = ["method", "reference", "metric", "better", "same", "worse", "n"]
        return pd.DataFrame(rows, columns=names)

    @_once
    def by_dataset(self, reference: str, metric: str) -> pd.DataFrame:
        """Return ``method``, ``dataset``, mean ``difference``, and over how many ``settings``.

        Settings of one dataset share its images, so they are not independent; datasets may be.
        """
        means = self.compared(reference, metric)
        means = means[means["setting"].isin(self.settings_of_one_truth)]
        groups = means.groupby(["method", "dataset"])["difference"]
        table = self._ordered(groups.agg(["mean", "count"]).reset_index(), "method")
        return table.rename(columns={"mean": "difference", "count": "settings"})

    @cached_property
    def seed_ranks(self) -> pd.DataFrame:
        """The rank of each method by accuracy (1 is best, ties share), a row for each seed.

        It is the mean over the shared settings of the rank within a setting and seed; a run that
        failed is last there, and a method that finished nothing is last of all.
        """
        table = self._accuracies
        rows = pd.DataFrame(table.reshape(-1, table.shape[-1]), columns=list(self.run.methods))
        rows["seed"] = np.tile(np.arange(table.shape[1]), len(table))
        known = stats.tied_rows(rows.set_index("seed").dropna(how="all"))
        ranks = known.rank(axis=1, ascending=False, na_option="bottom")
        return ranks.groupby("seed").mean()

    @cached_property
    def _accuracies(self) -> Floats:
        """The accuracies of the shared settings in which any run finished: see :meth:`values`."""
        table = self.values("acc")[np.isin(self.run.settings, self.shared_settings)]
        return table[np.isfinite(table).any((1, 2))]

    def improvements(self, reference: str) -> pd.DataFrame:
        """Return each method's paired chance to be more accurate: ``value``, ``low``, ``high``."""
        table = self._accuracies
        other = table[..., self.run.methods.index(reference)]
        return self._aggregated(lambda own: stats.improvement(own - other)).drop(reference)

    @cached_property
    def interquartile_means(self) -> pd.DataFrame:
        """The interquartile mean of each method's accuracies: ``value``, ``low``, ``high``.

        Only seeds count that finished in all shared settings. Accuracies are taken as they are.
        Agarwal et al. 2021 normalise scores because the games they pool have scales of their own;
        accuracies have one. Normalising between hard labels and training on clean labels divides
        by what noise costs, which is nothing without noise and little at low rates: there the
        quotient is all seed. What the difficulty of a setting cannot move stands beside it: ranks,
        and paired chances of improvement.
        """
        return self._aggregated(stats.interquartile_mean)

    def _aggregated(self, aggregate: Callable[[Floats], Aggregate]) -> pd.DataFrame:
        """Return an aggregate of each method, from its accuracies ``(settings, seeds)``."""
        table = np.moveaxis(self._accuracies, -1, 0)
        unknown = Aggregate(*np.full(3, np.nan))
        rows = {
            method: aggregate(own) if own.size else unknown
            for method, own in zip(self.run.methods, table, strict=True)
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(Aggregate._fields))

    def profiles(self, taus: Floats) -> dict[str, Aggregate]:
        """Return :func:`stats.performance_profile` of each method's gaps to the best accuracy.

        A gap is to the best of the same shared setting and seed; it is infinite where a run failed
        and another method's did not. A method that has not tried them all has no profile.
        """
        table, cells = self._accuracies, self.run.cells
        if not table.size:
            return {}
        tried = cells[cells["setting"].isin(self.shared_settings)].groupby("method")["setting"]
        best = np.where(np.isfinite(table), table, -np.inf).max(-1, keepdims=True)
        gaps = np.where(
            np.isfinite(best), np.where(np.isfinite(table), best - table, np.inf), np.nan
        )
        return {
            method: stats.performance_profile(gaps[..., place], taus)
            for place, method in enumerate(self.run.methods)
            if tried.nunique().get(method, 0) == len(self.shared_settings)
        }


class _Part(Analysis):
    """Some methods and settings of a run."""

    def __init__(self, whole: Analysis, run: Run) -> None:
        super().__init__(run)
        self.whole = whole
        self.looks = {m: look for m, look in whole.looks.items() if m in run.methods}
        self.question, self.references = whole.question, whole.references
        self.tried_settings = self._in_order(whole.tried_settings)
        axes = {
            "method": (run.methods, whole.run.methods),
            "setting": (run.settings, whole.run.settings),
        }
        chosen = [
            f"{len(few)} of {count(len(every), noun)}"
            for noun, (few, every) in axes.items()
            if len(few) < len(every)
        ]
        self.choice = f"Chosen to be shown: {listing(chosen)}." if chosen else ""

    @_once
    def pairs(self, metric: str) -> pd.DataFrame:
        """Return the comparisons of the whole run in these settings, and over them."""
        run, shared = self.whole.run, self.shared_settings
        each = self.whole.pairs(metric)
        if shared == self.whole.shared_settings:
            return each[each["setting"].isin([*run.settings, claims.OVERALL])]
        over = claims.compare_all(run, metric, self.question, shared)
        each = each[each["setting"].isin(self.run.settings)]
        return pd.concat([each, over[over["setting"] == claims.OVERALL]], ignore_index=True)


def _sizes(tests: pd.DataFrame, metric: str) -> dict[str, Floats]:
    """Return what each test could detect, and the seeds that would find what is sought."""
    effect = SOUGHT.get(metric, np.nan)
    least = [stats.detectable(sd, n) for sd, n in zip(tests["sd"], tests["n"], strict=True)]
    seeds = [stats.seeds_needed(effect, sd) for sd in tests["sd"]]
    return {"detectable": np.array(least, np.float64), "seeds": np.array(seeds, np.float64)}


def _values_among(method: str, specs: Mapping[str, str]) -> str:
    """Return the values by which the bare spec of a method differs from its others, if there are.

    Args:
        method: the name of a method or a spec.
        specs: the full spec of each method of a run.
    """
    others = [spec for spec in specs if spec.startswith(f"{method}(")]
    named = {name for spec in others for name in re.findall(r"(\w+)=", spec)}
    own = re.findall(r"(?:^|[(,] *)((\w+)=[^,()]*)", specs[method].partition("(")[2])
    values = [text for text, name in own if name in named]
    return f" ({', '.join(values)})" if values else ""


def _halving(count: int) -> list[int]:
    """Return places by how little they are between: the last, the first, then the middles.

    >>> _halving(6), _halving(1)
    ([5, 0, 2, 3, 1, 4], [0])
    """
    order = [count - 1, 0][:count]
    while len(order) < count:
        known = sorted(order)
        low, high = max(pairwise(known), key=lambda gap: gap[1] - gap[0])
        order.append((low + high) // 2)
    return order


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a table, with their columns as attributes."""
    return iter(table.itertuples(index=False))


def too_few(settings: int) -> str:
    """Return the sentence why nothing is tested over so few settings."""
    least = stats.smallest_wilcoxon_p(settings)
    return (
        f"No test over settings, and no critical-difference diagram: that takes at least "
        f"{stats.FEWEST_SETTINGS} settings that every method finished, and there "
        f"{'is' if settings == 1 else 'are'} {settings}. (A Wilcoxon signed-rank test of "
        f"{count(settings, 'setting')} cannot fall below p = {least:g}, before any correction.)"
    )


def _sign(metric: str) -> float:
    return 1.0 if METRICS[metric].better == "higher" else -1.0
