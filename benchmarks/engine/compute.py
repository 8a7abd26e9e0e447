"""How many images a cell sends through networks, forwards and backwards: its compute."""

from itertools import cycle, islice
from typing import NamedTuple

from benchmarks.engine.batches import steps_of
from benchmarks.sweep import Cell
from methods import Method

LOOKAHEAD = (1, 2)
"""Of a batch looked ahead of: forwards, and backwards through its loss and through that."""


class Passes(NamedTuple):
    """Images times networks. Evaluation for metrics alone is not counted."""

    forward: int
    backward: int


def passes(cell: Cell, n: int, epochs: int, trusted: int = 0) -> Passes:
    """Count what training takes, from what the method declares.

    Each network sees every view of every image, forwards and backwards; for a method that peeks,
    forwards once more. Refitting takes the outputs on the whole training set before every epoch but
    the first. Looking ahead takes ``LOOKAHEAD`` passes of the batch, and one forwards and one
    backwards of a batch of trusted images.

    Args:
        cell: what is trained.
        n: training images.
        epochs: how many were trained.
        trusted: images in the clean subset of a method that has one.
    """
    method = cell.method
    forward = backward = n * epochs * method.networks * method.views
    if method.peeks:
        forward *= 2
    if type(method).refit is not Method.refit:
        forward += n * max(epochs - 1, 0) * method.networks
    if trusted:
        seen = _trusted_seen(cell, n, epochs, trusted)
        forward += LOOKAHEAD[0] * n * epochs + seen
        backward += LOOKAHEAD[1] * n * epochs + seen
    return Passes(forward, backward)


def _trusted_seen(cell: Cell, n: int, epochs: int, trusted: int) -> int:
    """Trusted images over all steps: each epoch begins again with its batches, without end."""
    batch = cell.recipe.batch
    sizes = [min(batch, trusted - start) for start in range(0, trusted, batch)]
    return epochs * sum(islice(cycle(sizes), steps_of(cell, n)))
