"""Noise that strikes where classes are hard to tell apart: the less a model is sure, the more."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.noise.base import GivenLabels, LabelSpace, Noise, flip, mean_rows, uniforms
from benchmarks.noise.field_files import read_numbers
from benchmarks.noise.posterior import posterior
from methods.bounds import FilePath, Fraction


@dataclass(frozen=True)
class PMD(Noise):
    """Polynomial margin diminishing noise: a label flips to its nearest rival, by how near it is.

    With ``d = max(0, eta_y - eta_s)``, the margin of the true class over the most probable other
    one, an image flips to ``s`` with a probability that falls in ``d`` as the polynomial ``kind``
    does: I, ``t = (1 - d^2) / 2``; II, ``1 - d^3``; III, ``1 - (d^3 + d^2 + d) / 3``. Its mean over
    the training set is brought to ``rate``: from above by a factor on ``t``, from below by one on
    ``1 - t``, the probability to stay. So flips are nested over rates. ``transition`` is the mean
    row of each class.

    ``eta`` is a file of probabilities, ``(N, C)`` in the publisher's order, such as the softmax of
    a network that was trained on clean labels. Without one it is that of a small model which this
    suite fits to the clean labels, of closed form and the same for every seed: on CIFAR-10 right
    for 3 images in 5 (``benchmarks/noise/posterior.py``). Clean labels thus shape the noise, as in
    the paper, and reach no method.

    Source:
        Zhang, Zheng, Wu, Goswami, Chen, "Learning with feature-dependent label noise: a progressive
        approach", ICLR 2021. https://arxiv.org/abs/2103.07756 (section 4); the authors' code
        pxiangwu/PLC was read at commit 8c2bcfd, file utils.py.
    Differs from that code:
        There the most probable class stands in for the true one, so every label that a network gets
        wrong is noise too; here the published label is the true one. The factor on ``1 - t`` is its
        ``noise_factor``, found by hand there, by the rate here.
    """

    rate: Fraction
    kind: Literal["I", "II", "III"] = "I"
    eta: Annotated[str, FilePath()] = ""

    def check(self, space: LabelSpace, seeds: Sequence[int]) -> None:
        """Refuse a file without a distribution for every image, in one order for all seeds."""
        if not self.eta:
            return
        if space.resplit:
            raise ValueError("PMD.eta must be '' for a dataset that is split anew for each seed")
        eta, wanted = self._file(), (space.size, space.num_classes)
        if eta.shape != wanted:
            raise ValueError(
                f"PMD.eta must hold {wanted[0]} x {wanted[1]} probabilities for this dataset, "
                f"{self.eta} has the shape {eta.shape}"
            )
        if not ((eta >= 0).all() and (abs(eta.sum(1) - 1) < 1e-3).all()):
            raise ValueError(f"PMD.eta must hold rows of probabilities that sum to 1: {self.eta}")

    def corrupt(self, label: Tensor, space: LabelSpace, dataset: str, seed: int) -> GivenLabels:
        """Return labels drawn from a row ``P(given | image)`` of each image."""
        if self.eta:
            eta = torch.from_numpy(self._file())
        elif space.images is not None:
            eta = posterior(space.images.pixel, label, space.num_classes)
        else:
            raise ValueError("PMD needs the images of the dataset, or a file eta")
        own = eta.gather(1, label[:, None])
        rival, target = eta.scatter(1, label[:, None], -1.0).max(1)
        base = self.polynomial((own.squeeze(1) - rival).clamp(0, 1))
        share = scaled(base, self.rate)
        # Each image's row has two entries: its own class, and its nearest rival.
        row = torch.zeros_like(eta).scatter(1, label[:, None], 1 - share[:, None])
        row = row.scatter(1, target[:, None], share[:, None])
        return GivenLabels(flip(label, row, *uniforms(label, dataset, seed)), mean_rows(label, row))

    def polynomial(self, margin: Tensor) -> Tensor:
        """Return the probability of a flip before it is scaled to the rate."""
        if self.kind == "I":
            return 0.5 - margin.square() / 2
        if self.kind == "II":
            return 1 - margin**3
        return 1 - (margin**3 + margin**2 + margin) / 3

    def _file(self) -> NDArray[np.float64]:
        return read_numbers(Path(self.eta), "PMD.eta")


def scaled(base: Tensor, rate: float) -> Tensor:
    """Return probabilities of flips in the order of ``base``, of the mean ``rate``."""
    mean = base.mean()
    if mean >= rate:
        return base * rate / mean.clamp(min=1e-300)
    return 1 - (1 - base) * (1 - rate) / (1 - mean)
