"""Mixtures of two Beta distributions, their densities and distribution functions."""

from typing import NamedTuple

import torch
from torch import Tensor


class BetaMixture(NamedTuple):
    """Two Beta distributions and how large a part of the whole each is; each field is ``(2,)``."""

    a: Tensor
    b: Tensor
    share: Tensor


def beta_density(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return the density of ``Beta(a, b)`` at ``x`` between 0 and 1; shapes broadcast."""
    norm = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    density: Tensor = (norm + (a - 1) * x.log() + (b - 1) * (-x).log1p()).exp()
    return density


def beta_distribution(x: Tensor, a: Tensor, b: Tensor, steps: int = 200) -> Tensor:
    """Return the probability that ``Beta(a, b)`` is below ``x`` between 0 and 1; shapes broadcast.

    By the continued fraction of the incomplete beta function, which converges fast below the mean
    and is used for the complement above it.

    Source:
        Lentz, "Generating Bessel functions in Mie scattering calculations using continued
        fractions", Applied Optics 1976. https://doi.org/10.1364/AO.15.000668 (how the fraction is
        evaluated).
    """
    x, a, b = torch.broadcast_tensors(x, a, b)
    turned = x > (a + 1) / (a + b + 2)
    x, a, b = (
        torch.where(turned, 1 - x, x),
        torch.where(turned, b, a),
        torch.where(turned, a, b),
    )
    least = torch.finfo(x.dtype).tiny ** 0.5

    def away(value: Tensor) -> Tensor:
        return torch.where(value.abs() < least, least, value)

    c, d = torch.ones_like(x), 1 / away(1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, steps):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            c, d = away(1 + term / c), 1 / away(1 + term * d)
            fraction = fraction * c * d
    norm = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    below = (norm + a * x.log() + b * (-x).log1p()).exp() * fraction / a
    return torch.where(turned, 1 - below, below)


def moved_mixture(mixture: BetaMixture, x: Tensor, least: float) -> BetaMixture:
    """Return a mixture after a step of expectation-maximisation on ``x`` ``(N,)``.

    Each distribution takes the mean and the variance of the numbers, weighted by how likely they
    are its own; likelihoods, variances and parameters are ``least`` at least. The first one is kept
    from rising towards 1 and the second from rising towards 0: a ``b``, or an ``a``, below 1.02
    becomes 1.1.

    Source:
        Zhang et al., "Handling label noise via instance-level difficulty modeling and dynamic
        optimization", NeurIPS 2025. https://arxiv.org/abs/2505.00812 (as in their code,
        ``utils/bmm.py`` of iTheresaApocalypse/IDO at commit 20feb7c)
    """
    likely = (mixture.share * beta_density(x[:, None], mixture.a, mixture.b)).clamp(min=least)
    weight = likely / (likely.sum(-1, keepdim=True) + least)  # (N, 2)
    size = weight.sum(0)
    mean = (weight * x[:, None]).sum(0) / (size + least)
    variance = (weight * (x[:, None] - mean).square()).sum(0) / (size + least)
    a = mean * (mean * (1 - mean) / variance.clamp(min=least) - 1)
    b = (a * (1 - mean) / mean).clamp(min=least)
    a = a.clamp(min=least)
    lower = torch.tensor([True, False], device=x.device)
    b = torch.where(lower & (b < 1.02), 1.1, b)
    a = torch.where(~lower & (a < 1.02), 1.1, a)
    return BetaMixture(a, b, size / size.sum())
