"""The files, columns and metrics of a results folder. No torch, so that reports start fast.

``results/README.md`` says the same for people; a test holds the two together.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SCHEMA_VERSION = 4
"""Raised when a column, unit or file changes meaning; folders of most other versions are refused.

Version 3 lays the cells of a part in one table, where version 2 kept each array by itself. In
version 4 ids begin with a letter and ``digits`` has one split for all seeds.
"""
READABLE_VERSIONS = (2, 3, SCHEMA_VERSION)
"""The versions of a folder that can be read; only one of this version is continued."""

ONE_SPLIT = 4
"""The first version in which ``digits`` has one split for all seeds."""

METRIC_SPEC = "v1"
"""The definitions in ``benchmarks/metrics``; a row says by which it was computed."""

UNKNOWN_CLASS = -2
"""The clean label, in a part, of an image of which nobody knows it; -1 is of no class."""

SELECTIONS = ("last", "val", "label_wave", "oracle", "last10")
"""The rules that pick the epoch which a row describes.

``last`` is the headline. ``val`` is the epoch with the best accuracy on noisy validation labels.
``label_wave`` is the one at which the count of changed training predictions, a moving average, has
its first minimum: it needs no held-out labels. A cell of four evaluated epochs or fewer has none.
``oracle`` is the epoch with the best test accuracy: it needs clean labels, and is flagged wherever
it is shown. ``last10`` is the mean of each metric of ``EPOCH_METRICS`` over the last ten epochs.
"""


@dataclass(frozen=True)
class Metric:
    """The name, direction and meaning of one number. Stored values are never percentages."""

    id: str
    label: str
    better: Literal["higher", "lower", "zero", "none"]
    percent: bool  # draw 0.93 as 93 %
    meaning: str


_TEST = (
    Metric("acc", "Accuracy", "higher", True, "share of test images classified correctly"),
    Metric("acc_worst", "Worst-class accuracy", "higher", True, "recall of the worst class"),
    Metric("nll", "NLL", "lower", False, "mean -log p of the true class, in nats"),
    Metric("brier", "Brier score", "lower", False, "squared error summed over classes, 0 to 2"),
    Metric("ece", "ECE", "lower", True, "expected calibration error, 15 equal-width bins"),
    Metric("ece_over", "ECE, overconfident", "lower", True, "part of the ECE: confidence too high"),
    Metric("ece_under", "ECE, underconfident", "lower", True, "part of the ECE: too low"),
    Metric("mce", "Maximum CE", "lower", True, "largest gap of the 15 equal-width bins"),
    Metric("rmsce", "Root mean squared CE", "lower", True, "over the 15 equal-width bins"),
    Metric("ece_floor", "ECE floor", "none", True, "ECE of a perfectly calibrated model"),
    Metric("ece_em", "ECE (equal mass)", "lower", True, "likewise, 15 equal-mass bins"),
    Metric("ce2_deb", "Squared CE, debiased", "lower", False, "unbiased; may be negative"),
    Metric("conf_mean", "Mean confidence", "none", True, "mean probability of the predicted class"),
    Metric(
        "gap_signed",
        "Confidence \N{MINUS SIGN} accuracy",
        "zero",
        True,
        "positive means overconfident",
    ),
    Metric("ties", "Ties", "none", False, "test images whose largest logit is not unique"),
)
_WRONG = "share of the mislabelled training images"
_TRAIN = (
    Metric(
        "mem_frac",
        "Memorised",
        "lower",
        True,
        "mislabelled training images predicted as their wrong label",
    ),
    Metric(
        "clean_recovery",
        "Recovered",
        "higher",
        True,
        "mislabelled training images predicted as their true class",
    ),
    Metric(
        "other_frac",
        "Neither",
        "none",
        True,
        "mislabelled training images predicted as a third class",
    ),
    Metric("fit_clean", "Fit to clean labels", "higher", True, "rightly labelled, predicted so"),
)
_SMOOTH = (
    Metric("smece", "Smooth ECE", "lower", True, "kernel-smoothed calibration error, no bins"),
)
_BY_CLASS = (
    Metric("acc_balanced", "Balanced accuracy", "higher", True, "mean recall of the classes"),
    Metric("f1_macro", "Macro F1", "higher", True, "mean F1 score of the classes"),
)
_CLASSWISE = (
    Metric("cwece", "Classwise ECE", "lower", True, "mean over classes: not comparable across C"),
)
_RISK = (
    Metric("aurc", "AURC", "lower", True, "mean error of the k most confident, over all k"),
    Metric("eaurc", "Excess AURC", "lower", True, "AURC above that of the best ranking"),
)
_TEMPERATURE = tuple(
    metric
    for name, on in (
        ("noisy", "noisy validation labels"),
        ("fwd", "noisy validation labels through the transition matrix"),
        ("clean", "clean validation labels"),
    )
    for metric in (
        Metric(f"ts_{name}_T", f"T ({name})", "none", False, f"temperature fitted on {on}"),
        Metric(f"ts_{name}_nll", f"NLL, T ({name})", "lower", False, f"NLL with T from {on}"),
        Metric(f"ts_{name}_brier", f"Brier, T ({name})", "lower", False, f"Brier, T from {on}"),
        Metric(f"ts_{name}_ece", f"ECE, T ({name})", "lower", True, f"ECE with T from {on}"),
        Metric(f"ts_{name}_ece_floor", f"ECE floor, T ({name})", "none", True, f"T from {on}"),
    )
)
_TEMPERATURE += (
    Metric("ts_fwd_given", "True T given", "none", False, "1: ts_fwd used the true matrix"),
    Metric("ts_at_bound", "T at its bound", "none", False, "temperature fits that ended there"),
)
_SELECTION = (
    Metric("sel_precision", "Selection precision", "higher", True, "of the kept, rightly labelled"),
    Metric("sel_recall", "Selection recall", "higher", True, "of the rightly labelled, kept"),
)
_TRANSITION = (
    Metric("T_err_l1", "Transition error", "lower", False, "mean absolute row sum, 0 to 2"),
)
_BY_FUNCTION = {
    "test_metrics": _TEST,
    "train_metrics": _TRAIN,
    "smooth_ece": _SMOOTH,
    "classwise_ece": _CLASSWISE,
    "class_metrics": _BY_CLASS,
    "risk_coverage": _RISK,
    "temperature_metrics": _TEMPERATURE,
    "selection": _SELECTION,
    "transition_error": _TRANSITION,
}
"""The metrics, each under the function of ``benchmarks.metrics`` that computes it."""

METRICS = {metric.id: metric for own in _BY_FUNCTION.values() for metric in own}
METRIC_FUNCTIONS = {name: tuple(metric.id for metric in own) for name, own in _BY_FUNCTION.items()}
"""The ids of the metrics by the function that computes them."""
TEST_METRICS = METRIC_FUNCTIONS["test_metrics"]
TRAIN_METRICS = METRIC_FUNCTIONS["train_metrics"]
EPOCH_METRICS = (*TEST_METRICS, *TRAIN_METRICS)
"""The metrics that are known after every epoch; the others only of epochs that are selected."""
LATER_METRICS = METRICS.keys() - set(EPOCH_METRICS) | {"ece_over", "ece_under", "mce", "rmsce"}
"""The metrics that the first version of the results lacked."""
LATER_COLUMNS = LATER_METRICS | {"backward_passes", "cpu", "system", "packages", "missed", "truth"}
LATER_COLUMNS |= {"energy_joules", "earlier", "state_mb"}
"""The columns that are blank where a CSV of an earlier version lacks them."""

KEYS = (
    "cell_id",  # c and 12 hex digits of the fully expanded cell
    "dataset",
    "noise",  # spec string: symmetric(rate=0.4)
    "noise_kind",  # its name: symmetric
    "noise_rate",  # nominal, 0 for clean, blank for a noise from a file
    "model",
    "recipe",
    "method",  # shortest spec string
    "seed",
)
"""The columns that name a cell: the first of every CSV."""

RESULTS = (
    *KEYS,
    "method_spec",  # every field spelled out
    "profile",  # default | paper | tuned
    "privileges",  # what this method alone was given: "" | rate | T | clean_subset | side
    "precision",  # float32 | bfloat16
    "noise_rate_realised",
    "noise_sha256",  # of the whole noisy label vector, little-endian int64
    "truth",  # known | unknown: whether the dataset has clean labels to measure against
    "metric_spec",
    "status",  # done | diverged | failed
    "reason",
    "selection",
    "epoch",  # counted from 1; blank for last10
    "n_train",
    "n_test",
    *METRICS,
)
CURVES = (*KEYS, "epoch", "lr", "train_loss", "val_acc", *EPOCH_METRICS)
BINS = (*KEYS, "selection", "bin", "low", "high", "count", "confidence", "accuracy")
POOLED_KEYS = KEYS[1:-1]
"""The columns that name a row which pools the seeds of a method in a setting."""
LOSSES = (*POOLED_KEYS, "seeds", "bin", "low", "high", "right", "wrong")
TRANSITIONS = (*POOLED_KEYS, "seeds", "label", "estimated", "realised")
PAIRS = (
    *POOLED_KEYS,
    "reference",  # the other method; differences are of ``method`` less it
    "metric",  # acc | nll | brier | ece
    "seeds",  # that both finished
    "images",  # of the test set
    "groups",  # of images that are left out one by one; all images for a mean over them
    "difference",
    "var_seeds",
    "var_images",  # blank, as the next, where each seed has test images of its own
    "var_rest",
    "var_both",
)
ENSEMBLES = (*POOLED_KEYS, "seeds", "acc", "nll", "brier", "ece")
CONFUSION = (
    *POOLED_KEYS,
    "seeds",
    "label",  # a true class
    "tested",  # test images of the class at each seed, in the order of the seeds
    "correct",  # likewise those predicted right
    "predicted",  # as which class, of all seeds: C counts
    "given",  # training images of the class by given label, likewise
)
RISK_COVERAGE = (*POOLED_KEYS, "seeds", "coverage", "errors")
PRECISION_RECALL = (*POOLED_KEYS, "seeds", "score", "recall", "precisions")
ESTIMATES = (
    *POOLED_KEYS,  # the method is blank where all of a setting estimate together
    "seeds",
    "labels",  # test | held out | trained on: whose labels
    "estimator",  # confident joint | own matrix
    "quantity",  # wrong | joint | transition | acc
    "label",  # a true class; of a joint and of a transition matrix, as the next
    "given_label",
    "images",  # that are judged
    "value",
    "low",
    "high",
    "over",  # images | seeds: what the interval is over
)
DETECTION = (*KEYS, "score", "auroc", "ap", "missed", "mislabelled", "n_train")
COSTS = (
    "cell_id",
    "status",
    "train_seconds",
    "eval_seconds",
    "steps",
    "forward_passes",  # images times networks sent forwards to train; blank if not known
    "backward_passes",  # likewise backwards
    "peak_memory_mb",
    "state_mb",  # weights, averages, moments and what the method keeps of images, between steps
    "energy_joules",  # blank if not measured
    "device",
    "driver",
    "host",
    "cores",
    "cpu",
    "system",
    "torch",
    "python",
    "packages",
    "commit",
    "finished_utc",
    "earlier",  # the environments in which it began, where it went on from a checkpoint in another
)
TABLES: dict[str, tuple[str, ...]] = {
    "results.csv": RESULTS,
    "curves.csv": CURVES,
    "bins.csv": BINS,
    "detection.csv": DETECTION,
    "losses.csv": LOSSES,
    "transitions.csv": TRANSITIONS,
    "pairs.csv": PAIRS,
    "ensembles.csv": ENSEMBLES,
    "confusion.csv": CONFUSION,
    "risk_coverage.csv": RISK_COVERAGE,
    "precision_recall.csv": PRECISION_RECALL,
    "estimates.csv": ESTIMATES,
    "costs.csv": COSTS,
}
"""Every CSV of a results folder. All but ``costs.csv`` are byte-identical from run to run."""


TIMINGS_NAME = "timings.csv"
TIMINGS = (
    *KEYS,
    "repetition",  # counted from 1
    "train_seconds",  # of a cell that trained alone, in a process of its own
    "memory_mb",  # that training took, beyond what the process had; on a GPU what was reserved
    "load",  # of the machine as it began: processes that ran, mean over a minute
    "device",
    "driver",
    "commit",
    "finished_utc",
)
"""The columns of ``timings.csv``, which only ``run --timing`` writes."""


def table_path(folder: Path, name: str) -> Path:
    """Return where a CSV of a results folder is: committed folders may keep it as ``.csv.gz``."""
    packed = folder / f"{name}.gz"
    return packed if packed.is_file() and not (folder / name).is_file() else folder / name


def history_places(folder: Path) -> tuple[Path, Path]:
    """Return where the history of a folder's suite is looked for: in the folder, then beside it."""
    return folder / "history.csv", folder.absolute().parent / "history.csv"


TEMPERATURE_FITS = ("noisy", "fwd", "clean")
"""The labels on which a temperature is fitted: the ``ts_*`` columns."""
LOG_BOUND = 10.0
"""Fitted temperatures lie between ``exp(-10)`` and ``exp(10)``."""

BINS_COUNT = 15
GRID = 2.0**36
"""Confidences are multiples of one over this: see ``metrics/examples.py``."""
LOSS_BINS, LOSS_RANGE = 36, (1e-4, 1e2)
"""The bins of ``losses.csv``: six a decade, in nats; the first and last hold what lies beyond."""
COVERAGE_STEPS, RECALL_STEPS = 20, 10
"""The equal steps of ``risk_coverage.csv`` and ``precision_recall.csv``, of which the last is 1."""
