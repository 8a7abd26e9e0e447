"""Two normal distributions behind a histogram: the classical guess at which labels are wrong."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from benchmarks.report.stats.intervals import Floats

_STARTS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles at which the data are split to begin with; the likeliest end is kept."""
_STEPS = 400
_TINY = 1e-12


class Mixtures(NamedTuple):
    """Fits of G histograms; the component of the lower mean first.

    ``cut`` is where both components are equally likely between their means, nan where one is
    likelier all the way.
    """

    weight: Floats  # (G, 2)
    mean: Floats  # (G, 2)
    sd: Floats  # (G, 2)
    cut: Floats  # (G,)


def two_normals(counts: Floats, edges: Floats) -> Mixtures:
    """Maximum-likelihood mixtures of two normal distributions, from binned values.

    Formula: EM on ``sum_b n_b log sum_j w_j (F_j(e_{b+1}) - F_j(e_b))``, with the means and second
    moments that normal distributions have within a bin; the first and the last bin reach to
    infinity, so that values beyond the range count as just that. Means stay within the range, and
    standard deviations above half a bin: histograms tell no more. From five fixed starts, 400
    steps each: the same every time.

    scikit-learn's ``GaussianMixture`` takes every value by itself: seconds for a page of figures,
    and a spike where many lie beyond the range. On values within the range both agree.
    Source: McLachlan & Jones 1988, Biometrics 44.

    Args:
        counts: ``(G, bins)``, each row with at least one value.
        edges: ``(bins + 1,)``, ascending, equally far apart.
    """
    n, least = counts[:, None, None, :], float(edges[1] - edges[0]) / 2
    weight, mean, sd = _starts(counts, edges)
    for _ in range(_STEPS):
        share, first, second = _moments(mean, sd, edges)
        joint = weight[..., None] * share
        taken = n * joint / np.maximum(joint.sum(2, keepdims=True), _TINY)  # (G, starts, 2, bins)
        size = np.maximum(taken.sum(-1), _TINY)
        shift = (taken * first).sum(-1) / size
        moved = np.clip(mean + shift, edges[0], edges[-1]) - mean
        spread = (taken * second).sum(-1) / size - 2 * moved * shift + moved**2
        weight, mean = size / size.sum(-1, keepdims=True), mean + moved
        sd = np.sqrt(np.maximum(spread, least**2))
    share, *_ = _moments(mean, sd, edges)
    fit = (counts[:, None] * np.log(np.maximum((weight[..., None] * share).sum(2), _TINY))).sum(-1)
    best = np.arange(len(counts)), fit.argmax(1)
    order = np.argsort(mean[best], axis=1, kind="stable")
    weight, mean, sd = (np.take_along_axis(a[best], order, axis=1) for a in (weight, mean, sd))
    cuts = [_cut(*fit) for fit in zip(weight, mean, sd, strict=True)]
    return Mixtures(weight, mean, sd, np.array(cuts))


def shares(found: Mixtures, edges: Floats) -> Floats:
    """The share of each component in each bin, ``(G, 2, bins)``; rows add up to 1."""
    return _moments(found.mean, found.sd, edges)[0]


def _starts(counts: Floats, edges: Floats) -> tuple[Floats, Floats, Floats]:
    """Weights, means and standard deviations below and above quantiles, ``(G, starts, 2)``."""
    centre = (edges[1:] + edges[:-1]) / 2
    whole = (counts / counts.sum(1, keepdims=True))[:, None]  # (G, 1, bins)
    before = np.cumsum(whole, axis=-1) - whole
    low = np.clip(np.array(_STARTS)[:, None] - before, 0, whole)  # (G, starts, bins)
    part = np.stack([low, whole - low], axis=2)
    weight = part.sum(-1)
    mean = (part * centre).sum(-1) / weight
    variance = (part * (centre - mean[..., None]) ** 2).sum(-1) / weight
    return weight, mean, np.sqrt(np.maximum(variance, (edges[1] - edges[0]) ** 2))


def _moments(mean: Floats, sd: Floats, edges: Floats) -> tuple[Floats, Floats, Floats]:
    """Of normal distributions ``(..., 2)``: in each bin their share, and first and second moments.

    Moments are about the mean, within the bin; where a bin holds next to nothing of the
    distribution they are those of its centre.
    """
    centre = (edges[1:] + edges[:-1]) / 2 - mean[..., None]
    z = (edges[1:-1] - mean[..., None]) / sd[..., None]
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    ends = [(0, 0)] * mean.ndim + [(1, 1)]
    share = np.diff(np.pad(ndtr(z), ends, constant_values=(0, 1)))
    share[..., -1] = ndtr(-z[..., -1])
    held = np.maximum(share, _TINY)
    scale = sd[..., None]
    first = -scale * np.diff(np.pad(density, ends)) / held
    second = scale**2 * (1 - np.diff(np.pad(z * density, ends)) / held)
    known = share > 1e-9
    return share, np.where(known, first, centre), np.where(known, second, centre**2)


def _cut(weight: Floats, mean: Floats, sd: Floats) -> float:
    """The root between the means of ``log(w_0 N_0) = log(w_1 N_1)``."""
    inverse = 1 / sd**2
    slope = np.diff(mean * inverse)[0]
    level = np.diff(np.log(np.maximum(weight, _TINY) / sd) - mean**2 * inverse / 2)[0]
    roots = np.roots([-np.diff(inverse)[0] / 2, slope, level])
    inside = [float(r.real) for r in roots if r.imag == 0 and mean[0] < r.real < mean[1]]
    return inside[0] if len(inside) == 1 else float("nan")
