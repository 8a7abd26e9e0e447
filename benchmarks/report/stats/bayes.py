"""How probably a method is better in another setting."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from benchmarks.report.stats.intervals import ROUNDING, Floats

_DRAWS = 20_000  # leave the standard error of a probability below 0.004
_PRIOR = 0.5  # weight of a made-up difference of zero


class Posterior(NamedTuple):
    """Probabilities that sum to 1; "same" is within ``rope`` of zero."""

    below: float  # the differences are below -rope
    same: float
    above: float


def signed_rank(differences: Sequence[float] | Floats, rope: float) -> Posterior:
    """Make the Bayesian signed-rank test on one mean difference per setting.

    Formula: the differences ``z`` and one made-up ``z_0 = 0`` get Dirichlet weights ``w`` with
    parameters 1 and 0.5; of the shares ``sum w_i w_j`` of pairs whose ``(z_i + z_j) / 2`` lies
    below, within and above ``[-rope, rope]`` (an end counts half to either side), the
    probabilities are how often each is the largest. It knows nothing of the spread over seeds
    within a setting, and takes settings as independent.
    Source: Benavoli et al. 2014, ICML; Benavoli et al. 2017, JMLR 18.

    Args:
        differences: finite, at least one.
        rope: half width of the region of practical equivalence, above 0, in the same unit.
    """
    z = np.concatenate([[0.0], np.asarray(differences, dtype=np.float64)])
    sums = z[:, None] + z  # (n + 1, n + 1)
    weights = _weights(len(z) - 1)  # (draws, n + 1)
    shares = np.empty((len(weights), 3))
    shares[:, 0] = np.einsum("di,di->d", weights @ _beyond(-sums, 2 * rope), weights)
    shares[:, 2] = np.einsum("di,di->d", weights @ _beyond(sums, 2 * rope), weights)
    shares[:, 1] = 1 - shares[:, 0] - shares[:, 2]
    below, same, above = np.bincount(shares.argmax(1), minlength=3) / len(shares)
    return Posterior(float(below), float(same), float(above))


def _beyond(sums: Floats, end: float) -> Floats:
    at_the_end = np.isclose(sums, end, rtol=0, atol=2 * ROUNDING)  # of two differences each
    return np.where(at_the_end, 0.5, (sums > end).astype(np.float64))


@lru_cache(maxsize=4)
def _weights(n: int) -> Floats:
    """Return the same draws for every comparison of ``n`` settings."""
    parameters = np.ones(n + 1)
    parameters[0] = _PRIOR
    return np.random.default_rng(0).dirichlet(parameters, _DRAWS)
