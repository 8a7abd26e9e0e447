"""Moderated t tests: a handful of seeds each, and a spread that many rows tell together.

The standard deviation of five differences is off by a third as often as not. Those of many cells
say how far spreads lie apart, and each cell's is drawn towards what is usual: the empirical Bayes
of limma, which microarrays of three samples are tested by.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma, psi, stdtr, stdtrit

Floats = NDArray[np.float64]

LEAST_SHARE = 1e-5
"""The least variance, in medians: one of zero is a chance of a coarse metric (as in limma)."""
_STEPS = 50  # of Newton's method, which takes five


class Contrast(NamedTuple):
    """Estimated changes, a row each, with the residuals that say how far they would spread.

    Columns are what was drawn together, such as a seed: residuals of one column may be correlated.
    """

    change: Floats  # (rows,)
    residual: Floats  # (rows, columns), of one value each; nan where there is none
    df: Floats  # (rows,), of the residuals
    scale: Floats  # (rows,), the variance of a change in variances of a value
    group: NDArray[np.int64]  # (rows,), rows of other groups share no column's draw

    @property
    def variance(self) -> Floats:
        """The variance of a value, each row's own: nan where its residuals tell none."""
        squares = np.nansum(self.residual**2, axis=1)
        return np.asarray(squares / np.where(self.df > 0, self.df, np.nan))

    def rows(self, chosen: NDArray[np.bool_]) -> "Contrast":
        """Return some of the rows."""
        change, residual, df, scale = (values[chosen] for values in self[:4])
        return Contrast(change, residual, df, scale, self.group[chosen])


def paired(worse: Floats, group: NDArray[np.int64]) -> Contrast:
    """Return the mean of differences over columns.

    Args:
        worse: ``(rows, seeds)``, nan where a pair lacks a side.
        group: ``(rows,)``.
    """
    n = np.isfinite(worse).sum(1).astype(np.float64)
    mean = _row_means(worse, n)
    return Contrast(mean, worse - mean[:, None], n - 1, _inverse(n), group)


def unpaired(new: Floats, base: Floats, group: NDArray[np.int64]) -> Contrast:
    """Return the differences of two means over columns that have nothing in common.

    Args:
        new: ``(rows, seeds)`` of the one, nan where a value is missing; lower is better.
        base: likewise of the other, of other seeds.
        group: ``(rows,)``.
    """
    sides = [paired(values, group) for values in (new, base)]
    return Contrast(
        sides[0].change - sides[1].change,
        np.concatenate([side.residual for side in sides], axis=1),
        sides[0].df + sides[1].df,
        sides[0].scale + sides[1].scale,
        group,
    )


def _row_means(values: Floats, n: Floats) -> Floats:
    return np.asarray(np.nansum(values, axis=1) * _inverse(n))


def _inverse(n: Floats) -> Floats:
    return np.asarray(1 / np.where(n > 0, n, np.nan))


class Prior(NamedTuple):
    """What is usual: a variance, and how many degrees of freedom it is worth beside a row's own."""

    variance: float
    df: float  # infinite where the rows do not differ by more than chance
    most: float  # no test has more degrees of freedom than all residuals together


def fit_prior(contrast: Contrast) -> Prior:
    """Estimate the prior of a row's variance by the moments of the logarithms of all of them.

    Formula: with ``e = log s^2 - psi(d / 2) + log(d / 2)`` the degrees of freedom solve
    ``psi'(d_0 / 2) = var(e) - mean(psi'(d / 2))``, and
    ``log s_0^2 = mean(e) + psi(d_0 / 2) - log(d_0 / 2)``; where there is no solution, ``d_0`` is
    infinite and ``s_0^2`` the mean variance.
    Source: Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3; ``fitFDist``
    of limma.

    Args:
        contrast: of at least one row with a degree of freedom.
    """
    known = contrast.df > 0
    variance, half = contrast.variance[known], contrast.df[known] / 2
    most = effective_df(contrast.rows(known))
    middle = float(np.median(variance)) or float(variance.mean())
    if len(variance) < 2 or not middle:
        return Prior(float(variance.mean()), np.inf, most)
    e = np.log(np.maximum(variance, LEAST_SHARE * middle)) - psi(half) + np.log(half)
    beyond = float(e.var(ddof=1) - polygamma(1, half).mean())
    if beyond <= 0:
        return Prior(float(variance.mean()), np.inf, most)
    own = _inverse_trigamma(beyond)
    return Prior(float(np.exp(e.mean() + psi(own) - np.log(own))), 2 * own, most)


def _inverse_trigamma(value: float) -> float:
    """Return the ``x`` of which ``value`` is the trigamma function, by Newton's method on 1 / psi'.

    >>> round(_inverse_trigamma(float(polygamma(1, 3.7))), 9)
    3.7
    """
    x = 0.5 + 1 / value
    for _ in range(_STEPS):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-12 * x:
            break
    return x


def effective_df(contrast: Contrast) -> float:
    """Return how many degrees of freedom the residuals of all rows have together.

    Rows that share a seed's draw are off together, so many of them tell no more of the spread
    than few. Formula: with ``r`` the mean correlation of a group's ``M`` standardised rows, from
    the variance ``v`` of their mean, ``r = (M v - 1) / (M - 1)``, the variance of their pooled
    variance is that of ``sum(d) / (1 + (M - 1) r^2)`` independent squares.
    """
    sd = np.sqrt(contrast.variance)
    total = float(contrast.df[sd == 0].sum())
    for group in np.unique(contrast.group):
        rows = (contrast.group == group) & (sd > 0)
        m, df = int(rows.sum()), float(contrast.df[rows].sum())
        if m < 2:
            total += df
            continue
        z = contrast.residual[rows] / sd[rows, None]
        z = z[:, np.isfinite(z).any(0)]
        mean = np.nanmean(z, axis=0)
        r = (m * float(mean @ mean) / (df / m) - 1) / (m - 1)
        total += df / (1 + (m - 1) * min(max(r, 0.0), 1.0) ** 2)
    return total


class Tests(NamedTuple):
    """Moderated t tests, an array with a place for each row; nan where a row has no test."""

    change: Floats
    error: Floats  # standard error
    df: Floats

    @property
    def p(self) -> Floats:
        """The two-sided p of "nothing has changed"."""
        same = np.where(self.change == 0, 0.0, np.nan)
        t = np.divide(self.change, self.error, out=same, where=self.error > 0)
        return np.asarray(2 * stdtr(self.df, -np.abs(t)))

    @property
    def p_worse(self) -> Floats:
        """The one-sided p of "nothing has become worse"."""
        return np.asarray(np.where(self.change > 0, self.p / 2, 1 - self.p / 2))

    def half(self, level: float) -> Floats:
        """Return the half width of an interval that leaves out ``level`` at each of its ends."""
        return np.asarray(stdtrit(self.df, 1 - level) * self.error)


def moderated(contrast: Contrast, prior: Prior) -> Tests:
    """Return the tests of changes, each row's variance drawn towards the prior's.

    Formula: ``t = change / sqrt(scale s~^2)``, ``s~^2 = (d s^2 + d_0 s_0^2) / (d + d_0)``, with
    ``d + d_0`` degrees of freedom, but no more than all residuals have together.
    """
    df = np.where(contrast.df > 0, contrast.df, np.nan)
    own = np.where(contrast.df > 0, contrast.variance, np.nan)
    weight = 1 / (1 + df / prior.df)  # of the prior
    variance = (1 - weight) * own + weight * prior.variance
    error = np.sqrt(contrast.scale * variance)
    return Tests(contrast.change, error, np.minimum(df + prior.df, prior.most))
