"""Temperature scaling: what one number, fitted on held-out labels, leaves of calibration errors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from benchmarks.errors import count
from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.looks import PRIVILEGED
from benchmarks.report.phrases import (
    BLANK,
    capitalised,
    listing,
    mean_over,
    number,
    signed,
    span,
    with_half,
)
from benchmarks.report.tables import INTERVALS, Note, Table, all_notes, labelled, unmarked

FITS = {
    "clean": f"T of clean labels{PRIVILEGED}",
    "fwd": "T through the matrix",
    "noisy": "T of noisy labels",
}
"""The temperatures by the validation labels on which they are fitted."""
SHOWN = 3
"""The most methods whose fits are shown setting by setting."""
LISTED = 10
"""The most candidates of which a sentence says what each did; of more a table does."""
_FITTED = {
    "clean": (
        "One temperature, fitted on clean validation labels (clean knowledge), takes the mean ECE"
    ),
    "noisy": (
        "One fitted on noisy validation labels calibrates to these; where labels are wrong, it "
        "takes the mean ECE"
    ),
}
_TESTED = (
    f"Lower, higher: by paired t tests over seeds at {stats.ALPHA:g}, q (Benjamini-Hochberg) over "
    "all that a sentence tells; where a method lost runs or is within chance, it is not counted."
)


def is_known(analysis: Analysis) -> bool:
    """Return whether any temperature was fitted."""
    return bool(analysis.run.last["ts_fwd_given"].notna().any())


def overall(analysis: Analysis) -> Table | None:
    """Return the calibration of each method before and after scaling; ``None`` without fits.

    The NLL is parted: what is left after the temperature of clean labels is refinement, how well
    the predictions tell the classes apart, and what that temperature gained is calibration.
    """
    if not is_known(analysis):
        return None
    numbers = pd.DataFrame(index=analysis.ranking.index)
    text = pd.DataFrame(index=numbers.index)
    for metric, title in {"ece": "ECE %", **{f"ts_{f}_ece": t for f, t in FITS.items()}}.items():
        _add(numbers, metric, analysis.seed_means(metric))
        text[title] = _entries(numbers, metric, "ece")
    shared = set(analysis.shared_settings)
    floors = pd.Series({key: floor for key, floor in analysis.floors.items() if key[1] in shared})
    numbers["floor"] = floors.groupby(level=0).mean().reindex(numbers.index)
    text.insert(1, "Floor %", [number("ece", value) for value in numbers["floor"]])
    parted = analysis.seed_means("nll").merge(analysis.seed_means("ts_clean_nll"))
    parted["gained"] = parted["nll"] - parted["ts_clean_nll"]
    titles = {"nll": "NLL", "ts_clean_nll": f"Refinement{PRIVILEGED}", "gained": "Calibration"}
    for metric, title in titles.items():
        _add(numbers, metric, parted[["method", "seed", metric]])
        text[title] = _entries(numbers, metric, "nll")
    settings = mean_over(len(shared))
    notes = (
        Note(
            f"Last epoch. {capitalised(settings)} within each seed, then over "
            f"{span(numbers['ece_n'])} seeds; ± is the half width of the 95% t interval. Logits "
            "are divided by a temperature that was fitted on validation labels.",
            "Mean over seeds with the half width of its 95% t interval. Logits are divided by a "
            "temperature T that was fitted on validation labels.",
        ),
        *_notes(analysis),
        (
            "NLL: as trained, in nats. Refinement: what is left of it after the temperature of "
            "clean labels. Calibration: what that temperature gained. The two add up to it, over "
            "the seeds whose fits count."
        ),
        INTERVALS,
    )
    table = unmarked(text, numbers, all_notes(analysis, *notes))
    title = f"Calibration before and after temperature scaling, {settings}"
    return labelled(analysis, replace(table, title=title))


def _add(numbers: pd.DataFrame, metric: str, means: pd.DataFrame) -> None:
    """Add the mean over seeds, its half width and the number of seeds to the table."""
    table = stats.t_intervals(means, ["method"], metric).set_index("method")
    table = table.reindex(numbers.index)
    numbers[metric], numbers[f"{metric}_half"] = table["mean"], table["half"]
    numbers[f"{metric}_n"] = table["n"].fillna(0).astype(int)


def _entries(numbers: pd.DataFrame, metric: str, kind: str) -> list[str]:
    """Return the means with their half widths, and the seeds where some were left out."""
    texts = []
    columns = [metric, f"{metric}_half", f"{metric}_n", "ece_n"]
    for mean, half, n, whole in numbers[columns].to_numpy():
        text = with_half(kind, mean, half)
        if metric == "gained":  # may be negative
            text = signed(kind, mean) + (f" ± {number(kind, half)}" if np.isfinite(half) else "")
        texts.append(text + (f" [{n:.0f}/{whole:.0f}]" if n < whole else ""))
    return texts


def _notes(analysis: Analysis) -> list[str]:
    """Say what the fits take, and how many do not count."""
    rows = analysis.run.last
    own = rows.loc[rows["ts_fwd_given"] == 0, "method"].unique()
    named = listing([analysis.label(method) for method in own]) if len(own) else ""
    fits = rows[rows["ts_fwd_given"].notna()]
    at_bound = int(fits["ts_at_bound"].sum())
    left_out = (
        f"{at_bound} of {count(len(FITS) * len(fits), 'fit')} ended at a bound, where a "
        "temperature means nothing, and are left out; [seeds that count/all]."
    )
    return [
        (
            f"{PRIVILEGED} The labels of a clean validation set are clean knowledge; so is the "
            "true noise matrix, through which noisy labels pass in the fit beside it"
            f"{f' (for {named}: their own estimate of it)' if named else ''}."
        ),
        *([left_out] if at_bound else []),
    ]


def in_settings(analysis: Analysis) -> Table | None:
    """Return the ECE in each setting before and after scaling, of the methods of the question.

    Of many candidates, those of the best accuracy are shown.
    """
    if not is_known(analysis) or not analysis.references:
        return None
    reference, run = analysis.references[0], analysis.run
    asked = analysis.question.candidates if analysis.question else run.methods
    best = [m for m in analysis.ranking.index if m in asked and m != reference]
    fits = {"ece": "as trained", **{f"ts_{fit}_ece": title for fit, title in FITS.items()}}
    rows, numbers = {}, []
    for method, (metric, fit) in product((reference, *best[: SHOWN - 1]), fits.items()):
        means, floors = (
            each[each["method"] == method].set_index("setting").reindex(run.settings)
            for each in map(analysis.setting_means, (metric, f"{metric}_floor"))
        )
        own = means.assign(floor=floors["mean"])
        rows[f"{analysis.label(method)}, {fit}"] = [
            _in_setting(analysis, (method, str(s)), row) for s, row in own.iterrows()
        ]
        numbers.append(own.reset_index().assign(method=method, metric=metric))
    text = pd.DataFrame.from_dict(rows, orient="index", columns=list(run.settings))
    text.index.name = "Method"
    notes = (
        Note(
            "ECE in percent on clean test labels at the last epoch, mean over seeds ± half width "
            "of the 95% t interval. After the slash: the floor, which chance alone would leave of "
            "the same confidences; unknown after scaling in results of earlier versions.",
            "Mean over seeds with the half width of its 95% t interval, and the floor, which "
            "chance alone would leave of the same confidences.",
        ),
        *_notes(analysis),
        INTERVALS,
    )
    table = unmarked(text, pd.concat(numbers), all_notes(analysis, *notes))
    title = "ECE in percent on clean test labels before and after temperature scaling"
    return replace(table, title=title, parts=("ECE", "floor"))


def _in_setting(analysis: Analysis, key: tuple[str, str], row: pd.Series) -> str:
    """Return a mean with its floor, where that is known, and the seeds where some do not count."""
    if not np.isfinite(row["mean"]):
        return BLANK
    text = with_half("ece", row["mean"], row["half"])
    if np.isfinite(row["floor"]):
        text += f" / {number('ece', row['floor'])}"
    last = analysis.run.last
    owed = int(((last["method"] == key[0]) & (last["setting"] == key[1])).sum())
    return text if row["n"] == owed else f"{text} [{row['n']:.0f}/{owed}]"


def sentences(
    analysis: Analysis, reference: str, candidates: Sequence[str], names: Mapping[str, str]
) -> list[str]:
    """Return a paragraph on what scaling changes of the answer; nothing without fits.

    Args:
        analysis: the numbers.
        reference: what the candidates were compared with.
        candidates: what is told of them; one by one where they are few.
        names: what sentences call the methods.
    """
    if not is_known(analysis):
        return []
    few = candidates if len(candidates) < SHOWN else ()
    said = [_scaled(analysis, reference, method, names) for method in few]
    groups = {names[method]: [method] for method in (reference, *candidates)}
    if len(candidates) > LISTED:
        groups = {names[reference]: [reference], f"{len(candidates)} others": list(candidates)}
    fitted = [
        _fitted(analysis, "clean", groups),
        _fitted(analysis, "noisy", {names[method]: [method] for method in (reference, *few)}),
    ]
    if any(fitted):
        fitted.append(_TESTED)
    text = " ".join(sentence for sentence in (*said, *fitted) if sentence)
    return [f"Temperature scaling (exploratory). {text}"] if text else []


def _scaled(analysis: Analysis, reference: str, method: str, names: Mapping[str, str]) -> str:
    """Say how a candidate compares once both are scaled by temperatures of clean labels."""
    told = []
    for metric, label in (("ts_clean_ece", "ECE"), ("ts_clean_nll", "NLL")):
        rows = analysis.compared(reference, metric)
        rows = rows[(rows["method"] == method) & (rows["n"] >= stats.FEWEST_PAIRS)]
        if rows.empty:
            return ""
        better, worse = ((rows["outcome"] == outcome).sum() for outcome in ("better", "worse"))
        settings = count(len(rows), "setting")
        told.append(f"{label} better in {better} and worse in {worse} of {settings}")
    return (
        f"{capitalised(names[method])} against {names[reference]}, both scaled by a temperature "
        f"of clean validation labels (clean knowledge): {', '.join(told)}."
    )


def _fitted(analysis: Analysis, fit: str, groups: Mapping[str, Sequence[str]]) -> str:
    """Say what one temperature makes of the ECE of methods, and in how many settings tests show it.

    Args:
        analysis: the numbers.
        fit: on which labels; on noisy ones only settings with wrong labels count.
        groups: the methods that are told together, by what a sentence calls them.
    """
    rows, after = analysis.run.last, f"ts_{fit}_ece"
    kept = (rows["truth"] != "unknown") & (rows["noisy"] | (fit != "noisy"))
    rows = rows[kept & rows["method"].isin({m for own in groups.values() for m in own})]
    out = {(m, s) for s in analysis.run.settings for m in analysis.excluded(s)}
    places = zip(rows["method"], rows["setting"], strict=True)
    counts = np.array([place not in out for place in places], np.bool_)
    rows = rows[counts].dropna(subset=["ece", after])
    if rows.empty:
        return ""
    pairs = rows.assign(own=rows[after], other=rows["ece"], difference=rows[after] - rows["ece"])
    tests = stats.paired_tests(pairs, ["method", "setting"])
    tests["q"] = stats.benjamini_hochberg(tests["p"].tolist())
    said, where = [], ""
    for name, methods in groups.items():
        own = tests[tests["method"].isin(methods)]
        if own.empty:
            continue
        before, after = (number("ece", own[column].mean()) for column in ("other", "own"))
        text = f"of {name} from {before} to {after}%"
        if tested := int(own["p"].notna().sum()):
            shown = own.loc[stats.significant(own["q"]), "difference"]
            pairs_ = f"{tested} pairs of method and setting"
            place = f" of {count(tested, 'setting') if len(methods) == 1 else pairs_}"
            lower, higher = int((shown < 0).sum()), int((shown > 0).sum())
            text += f" (lower in {lower}{'' if place == where else place}, higher in {higher})"
            where = place
        said.append(text)
    return f"{_FITTED[fit]} {listing(said)}."
