"""Two groups of examples told apart by one number each."""

import torch
from torch import Tensor


def lower_component(value: Tensor, steps: int = 10, floor: float = 5e-4) -> Tensor:
    """Return the posterior of the lower of two Gaussians fitted to ``value``.

    Expectation-maximisation from the extremes of the data: means at the smallest and the largest
    value, the common variance, equal shares.

    Args:
        value: ``(N,)``, in ``[0, 1]``.
        steps: of expectation-maximisation.
        floor: added to both variances.

    Returns:
        ``(N,)``, probabilities.

    Reference:
        Dempster, Laird & Rubin, "Maximum likelihood from incomplete data via the EM algorithm",
        JRSS B 1977. https://doi.org/10.1111/j.2517-6161.1977.tb01600.x
    """
    x = value[:, None]
    mean = torch.stack([value.min(), value.max()])
    variance = value.var(unbiased=False).expand(2) + floor
    share = torch.full_like(mean, 0.5)
    weight = _posterior(x, mean, variance, share)  # (N, 2)
    for _ in range(steps):
        size = weight.sum(0).clamp(min=torch.finfo(value.dtype).tiny)
        mean = (weight * x).sum(0) / size
        variance = (weight * (x - mean).square()).sum(0) / size + floor
        share = size / len(value)
        weight = _posterior(x, mean, variance, share)
    lower = mean.argmin()
    return weight.index_select(1, lower[None]).squeeze(1)


def _posterior(x: Tensor, mean: Tensor, variance: Tensor, share: Tensor) -> Tensor:
    log = share.log() - 0.5 * (variance.log() + (x - mean).square() / variance)
    return log.softmax(-1)
