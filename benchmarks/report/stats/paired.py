"""Two methods on the same seeds: pairs, tests and the size of an effect."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import gammaln, stdtr, stdtrit

from benchmarks.errors import RefusedError
from benchmarks.report.stats.intervals import LEVEL, Floats, t_interval

ALPHA = 0.05
PAIR_KEYS = ("dataset", "noise", "model", "recipe", "seed")
"""Two rows that agree in these differ in the method only."""


@dataclass(frozen=True)
class Difference:
    """A mean of ``n`` paired differences, its 95% interval, and the two-sided p of zero."""

    mean: float
    low: float
    high: float
    p: float
    n: int


def pair(rows: pd.DataFrame, method: str, reference: str, value: str) -> pd.DataFrame:
    """``method - reference`` wherever both saw the same noisy labels.

    Args:
        rows: rows of one selection, one per method and :data:`PAIR_KEYS`.
        method: spec string of the minuend.
        reference: spec string of the subtrahend.
        value: the column to subtract.

    Returns:
        ``PAIR_KEYS``, ``own``, ``reference`` and ``difference``, without pairs that lack a value.

    Raises:
        RefusedError: rows that should be a pair were trained on different labels.
    """
    left, right = (_by_key(rows, name, value) for name in (method, reference))
    pairs = []
    for key in sorted(left.keys() & right.keys(), key=str):
        (labels, own), (other_labels, other) = left[key], right[key]
        if labels != other_labels:
            dataset, noise, *_, seed = key
            raise RefusedError(
                f"{method} and {reference} were trained on different noisy labels at "
                f"{dataset}, {noise}, seed {seed}: they are not a pair"
            )
        pairs.append((*key, own, other, own - other))
    table = pd.DataFrame(pairs, columns=[*PAIR_KEYS, "own", "reference", "difference"])
    return table.dropna(subset=["difference"])


def pair_all(rows: pd.DataFrame, reference: str, value: str) -> pd.DataFrame:
    """:func:`pair` of every other method with one reference, at once.

    Returns:
        ``PAIR_KEYS``, ``method``, ``setting`` and ``noisy`` where ``rows`` have them, ``own``,
        ``reference`` and ``difference``, without pairs that lack a value.

    Raises:
        RefusedError: rows that should be a pair were trained on different labels.
    """
    keys = list(PAIR_KEYS)
    kept = [*keys, "method", *(name for name in ("setting", "noisy") if name in rows)]
    chosen = rows[[*kept, "noise_sha256", value]].rename(columns={value: "own"})
    is_reference = chosen["method"] == reference
    theirs = chosen.loc[is_reference, [*keys, "noise_sha256", "own"]]
    theirs = theirs.rename(columns={"noise_sha256": "labels", "own": "reference"})
    found = chosen[~is_reference].merge(theirs, on=keys)
    for method in found.loc[found["noise_sha256"] != found["labels"], "method"]:
        pair(rows, str(method), reference, value)  # refuses
    found["difference"] = found["own"] - found["reference"]
    return found[[*kept, "own", "reference", "difference"]].dropna(subset=["difference"])


def _by_key(
    rows: pd.DataFrame, method: str, value: str
) -> dict[tuple[object, ...], tuple[str, float]]:
    chosen = rows.loc[rows["method"] == method, [*PAIR_KEYS, "noise_sha256", value]]
    keys = zip(*(chosen[name].tolist() for name in PAIR_KEYS), strict=True)
    found = zip(chosen["noise_sha256"].tolist(), chosen[value].tolist(), strict=True)
    return dict(zip(keys, found, strict=True))


def paired_t(differences: Sequence[float] | Floats) -> Difference:
    """Two-sided paired t test of "the mean difference is zero", with its 95% interval.

    Formula: ``t = mean / (sd / sqrt(n))``, ``p = 2 F_{n-1}(-|t|)``. Differences without any
    spread give ``p = 0``, or ``p = 1`` when all are zero; fewer than two give nan.
    Source: Student 1908.
    """
    interval = t_interval(differences)
    mean, half, n = interval.mean, interval.half, interval.n
    if n < 2:
        return Difference(mean, float("nan"), float("nan"), float("nan"), n)
    if half > 0:
        error = half / float(stdtrit(n - 1, (1 + LEVEL) / 2))
        p = float(2 * stdtr(n - 1, -abs(mean / error)))
    else:
        p = 1.0 if mean == 0 else 0.0
    return Difference(mean, mean - half, mean + half, p, n)


def smallest_wilcoxon_p(n: int) -> float:
    """The least p that a two-sided exact Wilcoxon signed-rank test of ``n`` pairs can give.

    Formula: ``2 / 2^n``: all differences of one sign.
    """
    return min(1.0, 2.0 ** (1 - n))


ENUMERATED = 16
"""Up to so many differences every sign is tried: 65,536 ways."""
_DRAWS = 20_000


def sign_flip(differences: Sequence[float] | Floats) -> float:
    """Two-sided p of "each difference could as well have had the other sign".

    Formula: the share of the ``2^n`` ways to choose signs whose ``|mean|`` is at least the one
    seen; beyond 16 differences of 20,000 drawn ways, the one seen among them. It assumes no
    distribution, and cannot fall below ``2 / 2^n``; nan without a difference.
    Source: Fisher 1935, The Design of Experiments, section 21.
    """
    finite = np.asarray(differences, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    n = len(finite)
    if n == 0:
        return float("nan")
    if n <= ENUMERATED:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)  # (2^n, n)
    else:
        flips = np.random.default_rng(n).integers(0, 2, (_DRAWS, n))
        flips[0] = 0
        signs = 1.0 - 2.0 * flips
    sums = np.abs(signs @ finite)
    close = 1e-12 * np.abs(finite).sum()  # the same sum, added up in another order
    return float((sums >= np.abs(finite.sum()) - close).mean())


def hedges_g(differences: Sequence[float] | Floats) -> float:
    """Effect size of paired differences in their standard deviations, corrected for small n.

    Formula: ``g_z = J mean / sd``, ``J = G(m / 2) / (sqrt(m / 2) G((m - 1) / 2))``, ``m = n - 1``
    and ``G`` the gamma function; nan below three values or without spread.
    Source: Hedges 1981, Journal of Educational Statistics 6; Lakens 2013.
    """
    finite = np.asarray(differences, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if len(finite) < 3 or np.ptp(finite) == 0:
        return float("nan")
    m = len(finite) - 1
    shrink = np.exp(gammaln(m / 2) - gammaln((m - 1) / 2)) / np.sqrt(m / 2)
    return float(shrink * finite.mean() / finite.std(ddof=1))
