"""Label noise."""

from benchmarks.noise.base import Given, LabelSpace, Noise, label_sha256, realised
from benchmarks.noise.families import Asymmetric, Clean, PairFlip, Symmetric
from benchmarks.noise.files import Labels, Matrix
from methods import Registry


def _canonical(noise: Noise) -> Noise:
    return Clean() if noise.nominal_rate == 0 else noise


NOISES: Registry[Noise] = Registry(
    "noise",
    _canonical,
    clean=Clean,
    symmetric=Symmetric,
    asymmetric=Asymmetric,
    pair_flip=PairFlip,
    matrix=Matrix,
    labels=Labels,
)

__all__ = ["NOISES", "Clean", "Given", "LabelSpace", "Noise", "label_sha256", "realised"]
