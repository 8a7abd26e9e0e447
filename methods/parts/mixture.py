"""Mixture models that divide examples in two groups by one number each."""

import torch
from torch import Tensor


def lower_component(value: Tensor, steps: int = 10, floor: float = 5e-4) -> Tensor:
    """Return the posterior ``(N,)`` of the lower of two Gaussians fitted to ``value``.

    Expectation-maximisation from the two groups whose values vary least within, as k-means would
    leave them at its best: a single value far above all others is no group of its own then.

    Args:
        value: ``(N,)``, in ``[0, 1]``.
        steps: of expectation-maximisation.
        floor: added to both variances.

    Source:
        Dempster, Laird & Rubin, "Maximum likelihood from incomplete data via the EM algorithm",
        JRSS B 1977. https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    """
    x = value[:, None]
    low = (value <= _divide(value)).to(value.dtype)
    low = torch.where(value.amax() > value.amin(), low, 0.5)  # equal values have no groups
    weight = torch.stack([low, 1 - low], -1)  # (N, 2)
    for _ in range(steps + 1):
        size = weight.sum(0).clamp(min=torch.finfo(value.dtype).tiny)
        mean = (weight * x).sum(0) / size
        variance = (weight * (x - mean).square()).sum(0) / size + floor
        share = size / len(value)
        weight = _posterior(x, mean, variance, share)
    lower = mean.argmin()
    return weight.index_select(1, lower[None]).squeeze(1)


def _divide(value: Tensor) -> Tensor:
    """Return the highest value of the lower of the two groups that vary least within, 0-d."""
    ordered = value.sort().values
    count = torch.arange(1, len(value), device=value.device).to(value.dtype)  # of the lower group
    below = ordered.cumsum(0)[:-1]
    above = ordered.sum() - below
    # The squares within are least where the means are farthest apart, weighed by both sizes.
    between = below.square() / count + above.square() / (len(value) - count)
    return ordered[:-1].gather(0, between.argmax()[None]).squeeze(0)


def higher_beta_component(value: Tensor, steps: int = 10) -> Tensor:
    """Return the posterior ``(N,)`` of the higher of two Beta distributions fitted to ``value``.

    Values are scaled so that their 5th and 95th percentile are 0 and 1; those outside are left out
    of the fit and count as the nearer end. Expectation-maximisation from ``Beta(1, 2)`` and
    ``Beta(2, 1)`` with equal shares; each step matches the weighted mean and variance. Above the
    value at which the posterior peaks it stays there, as a higher value cannot be less suspect.

    Source:
        Arazo et al., "Unsupervised label noise modeling and loss correction", ICML 2019.
        https://arxiv.org/abs/1904.11238 (equations 3 to 8)
    """
    ranks = [round(share * (len(value) - 1)) for share in (0.05, 0.95)]
    low, high = value.sort().values[ranks].unbind()
    inside = ((value >= low) & (value <= high)).to(value.dtype)  # (N,)
    x = ((value - low) / (high - low + 1e-6)).clamp(1e-3, 1 - 1e-3)
    a, b = x.new_tensor([1.0, 2.0]), x.new_tensor([2.0, 1.0])
    share = torch.full_like(a, 0.5)
    for _ in range(steps):
        weight = _beta_posterior(x, a, b, share) * inside[:, None]  # (N, 2)
        size = weight.sum(0).clamp(min=torch.finfo(x.dtype).tiny)
        mean = (weight * x[:, None]).sum(0) / size
        variance = (weight * (x[:, None] - mean).square()).sum(0) / size
        # A Beta distribution has the shapes mean * spread and (1 - mean) * spread.
        spread = (mean * (1 - mean) / variance.clamp(min=1e-8) - 1).clamp(min=1e-4)
        a, b, share = mean * spread, (1 - mean) * spread, size / size.sum()
    posterior = _beta_posterior(x, a, b, share)
    higher = posterior.index_select(1, (a / (a + b)).argmax()[None]).squeeze(1)
    return torch.where(x >= x[higher.argmax()], higher.max(), higher)


def _beta_posterior(x: Tensor, a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    x = x[:, None]
    norm = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    return (share.log() + norm + (a - 1) * x.log() + (b - 1) * (-x).log1p()).softmax(-1)


def _posterior(x: Tensor, mean: Tensor, variance: Tensor, share: Tensor) -> Tensor:
    log = share.log() - 0.5 * (variance.log() + (x - mean).square() / variance)
    return log.softmax(-1)
