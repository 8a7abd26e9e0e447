"""Independent streams of random numbers, named instead of numbered."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator

import torch

LARGEST = 2**63 - 1
"""The largest seed of a cell: tables of results keep seeds as whole numbers of 64 bits."""


def refuse_odd(seeds: Iterable[object]) -> None:
    """Refuse what is no seed of a cell.

    Raises:
        ValueError: one is no whole number from 0 to ``LARGEST``.
    """
    for seed in seeds:
        if type(seed) is not int or not 0 <= seed <= LARGEST:  # True is an int to isinstance
            huge = isinstance(seed, int) and abs(seed) > 10**40  # Python refuses to write some
            shown = "one of more than 40 digits" if huge else repr(seed)
            raise ValueError(f"a seed must be a whole number from 0 to {LARGEST}, got {shown}")


def generator(*salt: str | int) -> torch.Generator:
    """Return a CPU generator that depends on ``salt`` only.

    Streams with different salts are independent, so drawing more from one never shifts another.
    Every random number of a run comes from one of these; nothing uses the global generator.

    >>> torch.rand(2, generator=generator("noise", "digits", 0))
    tensor([0.7825, 0.2688])
    """
    return torch.Generator().manual_seed(integer(*salt))


def integer(*salt: str | int) -> int:
    """Return the 63-bit seed of the stream named ``salt``."""
    digest = hashlib.sha256(repr(salt).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextlib.contextmanager
def seeded(*salt: str | int) -> Iterator[None]:
    """Seed torch's global CPU generator with the stream ``salt``, and restore it afterwards.

    For code that takes no generator: a layer's initial weights, a distribution's sample.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(integer(*salt))  # not torch's own: it looks for GPUs
        yield
