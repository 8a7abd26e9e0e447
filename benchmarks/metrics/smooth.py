"""The calibration error that smooths residuals instead of binning them."""

import math

import numpy as np
import torch
from torch import Tensor

from benchmarks.metrics.examples import Rows, rows_of

MESH = 4096
"""The number of intervals of [0, 1]; the sum over them is within 1e-5 of the integral."""
PRECISION = 1e-11


def smooth_ece(logits: Tensor, label: Tensor, rows: Rows | None = None) -> Tensor:
    """Measure the calibration of the predicted class without bins.

    ``smece = e(s)`` at the one bandwidth with ``e(s) = s``, where ``e(s)`` is the integral over
    ``t`` from 0 to 1 of ``|mean_i (correct_i - c_i) K_s(t, c_i)|`` and ``K_s`` the Gaussian kernel
    of standard deviation ``s`` reflected at 0 and 1. ``e`` falls in ``s``, so there is one.

    Reflected at both ends, a Gaussian is a product in the cosine transform: the coefficient of
    ``cos(pi k t)`` is multiplied by ``exp(-(pi k s)**2 / 2)``. The residuals are laid on a mesh,
    each shared by its two neighbours.

    Args:
        logits: ``(..., N, C)``.
        label: ``(N,)`` classes, int64.
        rows: what ``rows_of`` makes of the two, where it is known already.

    Returns:
        float64 ``(...)``, a share; NaN without examples or where a logit of the slice is not
        finite.

    Raises:
        ValueError: there are not ``N`` labels.

    Source:
        Blasiok and Nakkiran, ICLR 2024, https://arxiv.org/abs/2309.12236. Differs from the authors'
        package relplot 1.0.3: that one searches the bandwidth in steps of 1e-3.
    """
    if logits.shape[-2] == 0:
        return logits.new_full(logits.shape[:-2], torch.nan).double()
    rows = rows or rows_of(logits, label)
    place = rows.confidence * MESH
    left = place.floor().clamp(0, MESH - 1)
    residual = (rows.correct - rows.confidence) / logits.shape[-2]
    mass = residual.new_zeros(*residual.shape[:-1], MESH + 1)
    column = left.nan_to_num().long()
    mass.scatter_add_(-1, column, residual * (left + 1 - place))
    mass.scatter_add_(-1, column + 1, residual * (place - left))
    wave, finite = _cosines(mass).view(-1, MESH + 1), rows.finite.flatten().tolist()
    widths = [_fixed_point(w) if good else math.nan for w, good in zip(wave, finite, strict=True)]
    return mass.new_tensor(widths).view(rows.finite.shape)


def _fixed_point(wave: Tensor) -> float:
    """Return the bandwidth that equals the error it leaves, by Brent's method."""
    from scipy.fft import idct  # noqa: PLC0415  slow, and planning needs no metric
    from scipy.optimize import brentq  # noqa: PLC0415

    plain = wave.cpu().numpy()
    rate = -((math.pi * np.arange(MESH + 1)) ** 2) / 2

    def excess(width: float) -> float:
        """Return ``e(width) - width``, by the trapezium rule."""
        height = np.abs(idct(plain * np.exp(rate * width**2), type=1, overwrite_x=True))
        return float(height.sum() - (height[0] + height[-1]) / 2) - width

    return float(brentq(excess, 0.0, 1.0 + PRECISION, xtol=PRECISION))


def _cosines(mass: Tensor) -> Tensor:
    """Return the transform of the mesh and its mirror image; an end mirrors itself: twice."""
    inner = mass[..., 1:-1]
    circle = (2 * mass[..., :1], inner, 2 * mass[..., -1:], inner.flip(-1))
    wave: Tensor = torch.fft.rfft(torch.cat(circle, -1)).real.contiguous()
    return wave
