"""How many given labels are wrong, estimated where no dataset says: confident learning, and more.

Networks judge images that they have not trained on: the test images, and those held out for
validation. Where the labels of a dataset need not be clean, that is all there is to go by.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import schema
from benchmarks.store.aggregates import Group, Row, group_of
from benchmarks.store.part_file import Record
from benchmarks.store.tested import Floats, Labels, last_test, log_shares

RESAMPLES = 500
"""The bootstrap samples of the images behind each interval."""
LEVEL = 0.95
NEEDED = ("val_logits", "val_noisy", "position")
"""The arrays of a record that only these estimates need."""
_SINGULAR = 1e6
"""The condition number above which nothing is corrected through a matrix."""
_METHOD = schema.POOLED_KEYS.index("method")


class Interval(NamedTuple):
    """A number with the ends of its interval, nan where there is none."""

    value: Any  # or an array of them
    low: Any
    high: Any


class Mean(NamedTuple):
    """The mean probabilities of several networks for the images of one vector of labels."""

    given: Labels  # (N,)
    total: Floats  # (N, C), sums over networks
    networks: NDArray[np.int64]  # (N,), how many
    answers: dict[tuple[str, int], NDArray[np.int16]]  # predicted (N,), by method and seed


@dataclass
class _Setting:
    """What the networks of a setting say of the images that they have not seen."""

    seeds: set[int] = field(default_factory=set)
    means: dict[str, dict[bytes | str, Mean]] = field(default_factory=dict)
    shares: dict[str, dict[int, float]] = field(default_factory=dict)  # wrong, by method and seed


class Estimates:
    """Estimates of every setting whose dataset has no clean labels; of others there is no row.

    In a setting the probabilities of all networks that are better than chance, as the interval of
    their agreement shows, are averaged: of such a mean, what is confident is seldom wrong, while a
    single network takes its own mistakes for those of the labels.
    """

    def __init__(self) -> None:
        self._settings: dict[Group, _Setting] = {}

    def add(self, record: Record) -> None:
        """Take in one cell, if it has finished and nobody knows its labels."""
        meta, arrays = record
        if meta.status != "done" or meta.facts.truth != "unknown":
            return
        own = self._settings.setdefault(_setting_of(group_of(record)), _Setting())
        own.seeds.add(meta.keys.seed)
        who = meta.keys.method, meta.keys.seed
        logits, label = last_test(record)
        share = np.exp(log_shares(logits))
        answer = share.argmax(-1)
        chance = np.bincount(label).max() / len(label)
        agreed = binomial_interval(float((answer == label).mean()), len(label))
        counts = bool(np.isfinite(share).all() and agreed.low > chance)
        place = np.arange(len(label))
        mean = _mean(own, "test", label.tobytes(), (label, share.shape[-1]))
        mean.answers[who] = answer.astype(np.int16)
        if counts:
            _judge(mean, place, share)
        if counts and "val_logits" in arrays:
            held = np.exp(log_shares(arrays["val_logits"][meta.selections.index("last")]))
            place, size = _held_out(arrays)
            given = np.full(size, -1)
            mean = _mean(own, "held out", meta.facts.noise_sha256, (given, held.shape[-1]))
            mean.given[place] = arrays["val_noisy"]
            _judge(mean, place, held)
        if "estimate" in arrays:
            shares = own.shares.setdefault(meta.keys.method, {})
            classes = len(arrays["estimate"])
            given = np.bincount(arrays["noisy"], minlength=classes) / len(arrays["noisy"])
            shares[meta.keys.seed] = wrong_share(arrays["estimate"].astype(np.float64), given)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all settings, and in each what is of all methods together first."""
        for group, own in sorted(self._settings.items(), key=lambda pair: pair[0]):
            keys = dict(zip(schema.POOLED_KEYS, group, strict=True)) | {"seeds": len(own.seeds)}
            rows = [
                row
                for labels, means in own.means.items()
                for row in _of_images(labels, [*means.values()])
            ]
            rows += _of_matrices(own.shares)
            yield from (keys | row for row in sorted(rows, key=lambda row: row["method"]))


def _setting_of(group: Group) -> Group:
    return (*group[:_METHOD], "", *group[_METHOD + 1 :])


def _mean(own: _Setting, labels: str, which: bytes | str, new: tuple[Labels, int]) -> Mean:
    """Return the mean of the images of one vector of labels, a new one if there is none."""
    given, classes = new
    total, networks = np.zeros((len(given), classes)), np.zeros(len(given), np.int64)
    means = own.means.setdefault(labels, {})
    return means.setdefault(which, Mean(given, total, networks, {}))


def _judge(mean: Mean, place: NDArray[np.intp], share: Floats) -> None:
    mean.total[place] += share
    mean.networks[place] += 1


def _held_out(arrays: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.intp], int]:
    """Return the places of the validation images in the training set, and the size of that."""
    last = int(arrays["position"].max())
    size = max(last + 1, len(arrays["position"]) + len(arrays["val_noisy"]))
    held = np.setdiff1d(np.arange(size), arrays["position"])
    return held[: len(arrays["val_noisy"])], size


def _of_images(labels: str, means: Sequence[Mean]) -> Iterator[Row]:
    """Yield the share of wrong labels, the joint and the transition matrix, and what follows.

    Args:
        labels: whose they are.
        means: of each vector of such labels.
    """
    judged = [mean.networks > 0 for mean in means]
    given = np.concatenate([m.given[k] for m, k in zip(means, judged, strict=True)])
    if not len(given):
        return
    share = np.concatenate(
        [m.total[k] / m.networks[k, None] for m, k in zip(means, judged, strict=True)]
    )
    answers = _answers(means) if labels == "test" else {}
    found = estimated(given, share, answers)
    same = {"labels": labels, "estimator": "confident joint", "images": len(given)}
    same |= {"over": "images"}
    yield same | {"method": "", "quantity": "wrong", **found.wrong._asdict()}
    for quantity, matrix in (("joint", found.joint), ("transition", found.transition)):
        for label, other in np.ndindex(matrix.value.shape):
            entry = {name: float(table[label, other]) for name, table in matrix._asdict().items()}
            where = {"method": "", "quantity": quantity, "label": label, "given_label": other}
            yield same | where | entry
    for method, interval in found.acc.items():
        yield same | {"method": method, "quantity": "acc", **interval._asdict()}


def _answers(means: Sequence[Mean]) -> dict[str, list[NDArray[np.int16]]]:
    """Return what each method predicted of all images, once for each seed; -1 of others."""
    found: dict[str, list[NDArray[np.int16]]] = {}
    known = [np.flatnonzero(mean.networks > 0) for mean in means]
    for number, mean in enumerate(means):
        for (method, _), answer in sorted(mean.answers.items()):
            every = [np.full(len(places), -1, np.int16) for places in known]
            every[number] = answer[known[number]]
            found.setdefault(method, []).append(np.concatenate(every))
    return found


class Estimated(NamedTuple):
    """What follows from a confident joint, each with its interval over images."""

    wrong: Interval  # the share of wrong labels; no narrower than a share of so many images
    joint: Interval  # (C, C), shares of images by true class (down) and given label (across)
    transition: Interval  # (C, C), P(given j | true i)
    acc: dict[str, Interval]  # by method, corrected through the transition matrix


def estimated(
    given: Labels, share: Floats, answers: Mapping[str, Sequence[NDArray[np.int16]]]
) -> Estimated:
    """Estimate by the confident joint, with percentile intervals of a bootstrap over images.

    Args:
        given: ``(N,)`` labels.
        share: ``(N, C)`` probabilities by networks that have not seen these labels.
        answers: by method and network the class that is predicted, ``(N,)``; -1 is no prediction.
    """
    random, size = np.random.default_rng(0), len(given)
    pairs = {name: _pairs(given, np.stack(own), share.shape[-1]) for name, own in answers.items()}
    samples = [np.arange(size), *(random.integers(size, size=size) for _ in range(RESAMPLES))]
    joints = np.array([confident_joint(given[chosen], share[chosen]) for chosen in samples])
    tables = joints.transpose(0, 2, 1) / size
    transitions = transition_of(tables)
    accs = [
        [_corrected(inverse, own[:, chosen]) for own in pairs.values()]
        for inverse, chosen in zip(_inverses(transitions), samples, strict=True)
    ]
    wrong = 1 - np.trace(tables, axis1=1, axis2=2)
    corrected = np.array(accs).reshape(len(samples), len(answers))
    resampled, binomial = _interval(wrong), binomial_interval(float(wrong[0]), size)
    return Estimated(
        Interval(
            resampled.value,
            np.fmin(resampled.low, binomial.low),
            np.fmax(resampled.high, binomial.high),
        ),
        _interval(tables),
        _interval(transitions),
        {name: _interval(own) for name, own in zip(answers, corrected.T, strict=True)},
    )


def _interval(values: Floats) -> Interval:
    """Return the first of several values, and the ends that the others leave at ``LEVEL``."""
    tail = 50 * (1 - LEVEL)
    known = np.isfinite(values).all()
    ends = np.percentile(values[1:], [tail, 100 - tail], axis=0) if known else (math.nan,) * 2
    return Interval(values[0], *ends)


def binomial_interval(share: float, images: int) -> Interval:
    """Return a share of so many images with its Wilson interval, which no number of them empties.

    >>> [round(float(end), 2) for end in binomial_interval(0.0, 7)]
    [0.0, 0.0, 0.35]
    """
    import scipy.stats  # noqa: PLC0415  which planning can do without

    found = scipy.stats.binomtest(round(share * images), images).proportion_ci(LEVEL, "wilson")
    return Interval(share, found.low, found.high)


def confident_joint(given: Labels, share: Floats) -> Floats:
    """Count how many examples have the given label ``i`` and, by confident learning, true ``j``.

    An example is counted as ``j`` if ``j`` is its most likely class among those whose probability
    reaches the mean of ``share[:, j]`` over the examples labelled ``j``; rows are then scaled to
    the numbers of given labels (Northcutt et al. 2021, equations 1 to 3). The method
    ``confident_learning`` has the same for tensors, and ``results`` are read without these.

    Args:
        given: ``(N,)`` labels.
        share: ``(N, C)`` probabilities out of sample.
    """
    classes = share.shape[-1]
    size = np.bincount(given, minlength=classes)
    own = np.bincount(given, share[np.arange(len(given)), given], classes)
    least = np.where(size > 0, own / size.clip(min=1), 2.0)
    sure = np.where(share >= least - 1e-6, share, -1.0)
    true, counted = sure.argmax(-1), sure.max(-1) >= 0
    pairs = given[counted] * classes + true[counted]
    count = np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.float64)
    count = np.maximum(count, np.eye(classes))
    return np.asarray(count / count.sum(-1, keepdims=True) * size[:, None])


def transition_of(joint: Floats) -> Floats:
    """Return ``P(given j | true i)`` of a joint of true (down) and given classes (across)."""
    size = joint.sum(-1, keepdims=True)
    known = joint / np.where(size > 0, size, 1.0)
    return np.asarray(np.where(size > 0, known, np.eye(joint.shape[-1])))


def _inverses(transitions: Floats) -> Floats:
    """Return the inverse of each of several matrices, nan where there is none to speak of."""
    regular = np.linalg.cond(transitions) < _SINGULAR
    inverses = np.full_like(transitions, np.nan)
    inverses[regular] = np.linalg.inv(transitions[regular])
    return inverses


def _pairs(given: Labels, answers: NDArray[np.int16], classes: int) -> NDArray[np.int64]:
    """Return the place of each given and predicted class in a flat table; -1 of no prediction."""
    return np.asarray(np.where(answers >= 0, given * classes + answers, -1))


def _corrected(inverse: Floats, pairs: NDArray[np.int64]) -> float:
    """Return the accuracy on true labels, mean over networks: the trace of their table by them.

    Given the true class, what is predicted is taken to be independent of the given label; so the
    table of predicted and given classes is that of predicted and true ones times the matrix.

    Args:
        inverse: ``(C, C)``, of the transition matrix.
        pairs: ``(networks, N)``, see :func:`_pairs`.
    """
    known = pairs[pairs >= 0]
    return float(np.clip(inverse.ravel()[known].mean(), 0, 1)) if len(known) else math.nan


def wrong_share(transition: Floats, given: Floats) -> float:
    """Return the share of wrong labels that a transition matrix tells of given classes' shares.

    >>> round(wrong_share(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([0.6, 0.4])), 9)
    0.2

    Args:
        transition: ``(C, C)``, ``P(given j | true i)``.
        given: ``(C,)``, the share of each given class.
    """
    if not np.isfinite(transition).all():
        return math.nan
    import scipy.optimize  # noqa: PLC0415  which planning can do without

    true, _ = scipy.optimize.nnls(transition.T, given)
    return float(1 - (true * transition.diagonal()).sum() / true.sum()) if true.any() else math.nan


def _of_matrices(shares: Mapping[str, Mapping[int, float]]) -> Iterator[Row]:
    """Yield the share of wrong labels by what methods estimate as they train, t over seeds."""
    import scipy.stats  # noqa: PLC0415  likewise

    for method, by_seed in shares.items():
        values = np.array([by_seed[seed] for seed in sorted(by_seed)])
        n = len(values)
        spread = values.std(ddof=1) if n > 2 else math.nan
        half = float(scipy.stats.t.ppf((1 + LEVEL) / 2, n - 1) * spread / math.sqrt(n))
        mean = float(values.mean())
        half = half if half > 0 else math.nan
        yield {
            "method": method,
            "labels": "trained on",
            "estimator": "own matrix",
            "quantity": "wrong",
            "value": mean,
            "low": max(mean - half, 0.0),
            "high": min(mean + half, 1.0),
            "over": "seeds",
        }
